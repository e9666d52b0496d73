// Descriptors of processes and of threads: what they poll, whom they signal, what they share.
// link: -pthread
// libc: glibc
#include "guest.h"
#include <poll.h>
#include <pthread.h>
#include <sys/vfs.h>

#define PIDFD_THREAD O_EXCL
#define pidfd_open(pid, flags) syscall(SYS_pidfd_open, pid, flags)
#define pidfd_send_signal(fd, sig, info, flags) syscall(SYS_pidfd_send_signal, fd, sig, info, flags)

static int go[2], tid_pipe[2];

static volatile struct { int leader, sig, code; } got[10];
static volatile int ngot;

static void on_signal(int sig, siginfo_t *info, void *context) {
  got[ngot].leader = syscall(SYS_gettid) == getpid();
  got[ngot].sig = sig;
  got[ngot++].code = info->si_code;
}

/** Sends, gives it time to arrive, and tells who got it. */
static void sends(int fd, siginfo_t *info, int flags) {
  ngot = 0;
  int r = pidfd_send_signal(fd, SIGUSR1, info, flags);
  P("send %d = %d errno %d\n", flags, r, r ? errno : 0);
  msleep(20);
  for (int i = 0; i < ngot; i++)
    P("  %s got %d code %d\n", got[i].leader ? "leader" : "thread", got[i].sig, got[i].code);
}

static void *thread(void *arg) {
  pid_t tid = syscall(SYS_gettid);
  write(tid_pipe[1], &tid, sizeof tid);
  char c;
  while (read(go[0], &c, 1) < 0 && errno == EINTR) {}
  if (arg) execl("/proc/self/exe", "pidfd", "exec", NULL);
  return 0;
}

static pid_t start(pthread_t *t, void *arg) {
  pid_t tid;
  pthread_create(t, 0, thread, arg);
  read(tid_pipe[0], &tid, sizeof tid);
  return tid;
}

static void state(const char *what, int fd, int timeout) {
  struct pollfd p = {fd, POLLIN, 0};
  int n = poll(&p, 1, timeout);
  P("%s: poll %d events 0x%x\n", what, n, p.revents);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    msleep(30);
    return 7;
  }
  pipe(go);
  pipe(tid_pipe);
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  struct stat a, b;
  struct statfs fs;

  P("one process\n");
  int own = pidfd_open(getpid(), 0), other = pidfd_open(getpid(), PIDFD_THREAD | O_NONBLOCK);
  fstat(own, &a);
  fstat(other, &b);
  fstatfs(own, &fs);
  P("same %d mode %o type %lx\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev, a.st_mode, (long)fs.f_type);
  P("flags %x %x\n", fcntl(own, F_GETFL), fcntl(other, F_GETFL));
  R(fcntl(other, F_SETFL, 0));
  P("flags %x\n", fcntl(other, F_GETFL));
  R(fchmod(own, 0600));
  R(fchown(own, 0, 0));
  R(lseek(own, 0, SEEK_SET));
  R(pidfd_open(getpid(), 1));
  R(pidfd_open(0, 0));
  R(pidfd_open(-1, PIDFD_THREAD));

  P("a thread\n");
  pthread_t t;
  pid_t tid = start(&t, 0);
  OK(pidfd_open(tid, PIDFD_THREAD));
  int tfd = pidfd_open(tid, PIDFD_THREAD);
  fstat(tfd, &b);
  P("another than the process's: %d\n", a.st_ino != b.st_ino);
  state("alive", tfd, 0);
  siginfo_t si = {0};
  R(waitid(P_PIDFD, tfd, &si, WEXITED | WNOHANG));
  R(pidfd_send_signal(tfd, 0, 0, 0));
  sends(tfd, 0, 0);
  sends(tfd, 0, 1);
  sends(tfd, 0, 2); // to the process: the leader takes it
  sends(own, 0, 0);
  sends(other, 0, 0);
  sends(own, 0, 3);
  sends(own, 0, 8);
  R(pidfd_send_signal(tfd, 0, 0, 4)); // it leads no group
  si.si_signo = SIGUSR1;
  si.si_code = SI_USER;
  sends(own, &si, 0);
  sends(tfd, &si, 0);
  sends(own, &si, 4);
  si.si_code = SI_QUEUE;
  sends(tfd, &si, 0);
  si.si_signo = SIGUSR2;
  sends(own, &si, 0);
  R(syscall(SYS_pidfd_getfd, tfd, 999, 0));
  OK(syscall(SYS_pidfd_getfd, tfd, 0, 0));
  write(go[1], "", 1);
  state("it ends", tfd, 5000);
  pthread_join(t, 0);
  msleep(20);
  state("gone", tfd, 0);
  state("the process", own, 0);
  R(pidfd_send_signal(tfd, 0, 0, 0));
  sends(tfd, 0, 4);
  R(syscall(SYS_pidfd_getfd, tfd, 0, 0));
  R(waitid(P_PIDFD, tfd, &si, WEXITED));

  P("a leader that ends first\n");
  pid_t child = fork();
  if (child == 0) {
    start(&t, 0);
    syscall(SYS_exit, 3);
  }
  int whole = pidfd_open(child, 0), leader = pidfd_open(child, PIDFD_THREAD);
  msleep(30);
  state("leader", leader, 0); // not while its process lives
  state("process", whole, 0);
  R(waitid(P_PIDFD, leader, &si, WEXITED | WNOHANG));
  write(go[1], "", 1);
  state("process", whole, 5000);
  R(waitid(P_PIDFD, leader, &si, WEXITED));
  P("status %d\n", si.si_status);
  state("leader", leader, 0);
  state("process", whole, 0);

  P("a thread that executes\n");
  int tell[2];
  pipe(tell);
  child = fork();
  if (child == 0) {
    tid = start(&t, "");
    write(tell[1], &tid, sizeof tid);
    for (;;) pause();
  }
  read(tell[0], &tid, sizeof tid);
  whole = pidfd_open(child, 0);
  leader = pidfd_open(child, PIDFD_THREAD);
  tfd = pidfd_open(tid, PIDFD_THREAD);
  write(go[1], "", 1);
  state("thread", tfd, 5000);
  state("process", whole, 5000);
  state("leader", leader, 5000);
  R(waitid(P_PIDFD, whole, &si, WEXITED));
  P("status %d\n", si.si_status);
  return 0;
}
