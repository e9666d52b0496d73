// The leader of a process ends first: the process ends as its last thread does, by exit, by a signal, or by that thread's status.
// link: -pthread
// libc: glibc
#include "guest.h"
#include <pthread.h>

static pthread_t leader;
static int mode;
static char *self;

static void *last(void *arg) {
  pthread_join(leader, 0);
  switch (mode) {
  case 0: kill(getpid(), SIGUSR1); break;
  case 1: exit(5);
  case 2: raise(SIGUSR1); break;
  case 3: *(volatile int *)0 = 1; break;
  case 4: kill(getpid(), SIGKILL); break;
  case 5: kill(getpid(), SIGQUIT); break;
  case 6: break;
  case 7: P("to the leader: %ld\n", syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1)); break;
  case 8: syscall(SYS_exit, 9);
  case 9: sleep(10);
  case 10: execl(self, "leaderexit", "child", NULL);
  }
  return 0;
}

static void on_child(int sig, siginfo_t *info, void *context) {
  printf("SIGCHLD code %d status %d\n", info->si_code, info->si_status);
}

int main(int argc, char **argv) {
  if (argc > 1) return 33;
  self = argv[0];
  struct sigaction act = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGCHLD, &act, 0);
  for (mode = 0; mode <= 10; mode++) {
    pid_t p = fork();
    if (!p) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      pthread_t t;
      leader = pthread_self();
      pthread_create(&t, 0, last, 0);
      pthread_exit(0);
    }
    if (mode == 9) {
      msleep(200);
      kill(p, SIGUSR1);
    }
    siginfo_t info = {0};
    waitid(P_PID, p, &info, WEXITED | WNOWAIT);
    int status;
    R(waitpid(p, &status, 0) == p);
    P("%d: status %x, waitid code %d status %d\n", mode, status, info.si_code, info.si_status);
  }
  return 0;
}
