// Timer slack: what a child inherits, what 0 stands for, and that real-time tasks have none. And whom a
// thread may send a signal with the kernel's own si_code: itself.
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

static void *other(void *arg) {
  siginfo_t info = {0};
  pid_t tid = gettid();
  R(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info));
  R(syscall(SYS_rt_sigqueueinfo, tid, 0, &info));
  R(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info));
  R(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, 0, &info));
  R(syscall(SYS_rt_tgsigqueueinfo, getppid(), tid, 0, &info));
  info.si_code = SI_QUEUE;
  R(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info));
  return 0;
}

static void writeSlack(const char *text) {
  int fd = open("/proc/self/timerslack_ns", O_WRONLY);
  R(write(fd, text, strlen(text)));
  close(fd);
  R(prctl(PR_GET_TIMERSLACK));
}

int main(int argc, char **argv) {
  if (argc > 1) return P("again\n"), 0;
  INCHILD({
    R(prctl(PR_SET_TIMERSLACK, 70000));
    INCHILD({
      R(prctl(PR_GET_TIMERSLACK));
      R(prctl(PR_SET_TIMERSLACK, 1));
      R(prctl(PR_SET_TIMERSLACK, 0));
      R(prctl(PR_GET_TIMERSLACK));
      writeSlack("999");
      writeSlack("0");
    });
    R(prctl(PR_SET_TIMERSLACK, 0));
    R(prctl(PR_GET_TIMERSLACK));
  });
  INCHILD({
    struct sched_param urgent = {1}, normal = {0};
    R(prctl(PR_SET_TIMERSLACK, 1234));
    R(sched_setscheduler(0, SCHED_FIFO, &urgent));
    R(prctl(PR_GET_TIMERSLACK));
    R(prctl(PR_SET_TIMERSLACK, 77));
    R(prctl(PR_GET_TIMERSLACK));
    R(sched_setscheduler(0, SCHED_OTHER, &normal));
    R(prctl(PR_GET_TIMERSLACK));
  });

  pthread_t thread;
  pthread_create(&thread, 0, other, 0);
  pthread_join(thread, 0);

  R(syscall(SYS_clone, SIGCHLD | 0x80000 /* CLONE_SETTLS */, 0, 0, 0, 1UL << 47));
  struct timespec bad = {-1, 2000000000};
  R(syscall(SYS_clock_settime, -2, &bad));
  R(syscall(SYS_clock_settime, -6, &bad));
  R(syscall(SYS_clock_settime, -6, 8));
  R(syscall(SYS_clock_settime, 2, &bad));

  struct rlimit none = {0, 0};
  // The first process of a user counts against RLIMIT_NPROC from its next fork on only.
  INCHILD({
    setrlimit(RLIMIT_NPROC, &none);
    R(setuid(40321));
    execl("/proc/self/exe", "x", "again", (char *)0);
    P("errno %d\n", errno);
  });
  return 0;
}
