/* Calls with arguments picked at random from what is interesting: which error comes first is
 * Linux's. */
// libc: glibc
#include "guest.h"
#include <sys/prctl.h>
static unsigned long rs;
static unsigned rnd(void) {
  rs = rs * 6364136223846793005ul + 1442695040888963407ul;
  return rs >> 33;
}
static char *buf, *ff;
struct sc {
  const char *n;
  int nr;
  int na;
};
#define X(n, a) {#n, SYS_##n, a}
static struct sc T[] = {X(mprotect, 3),
                        X(munmap, 2),
                        X(msync, 3),
                        X(mincore, 3),
                        X(madvise, 3),
                        X(mlock, 2),
                        X(munlock, 2),
                        X(mlock2, 3),
                        X(mlockall, 1),
                        X(rt_sigaction, 4),
                        X(rt_sigprocmask, 4),
                        X(rt_sigpending, 2),
                        X(rt_sigtimedwait, 4),
                        X(sigaltstack, 2),
                        X(getitimer, 2),
                        X(timer_create, 3),
                        X(timer_settime, 4),
                        X(clock_gettime, 2),
                        X(clock_getres, 2),
                        X(nanosleep, 2),
                        X(getrusage, 2),
                        X(getrlimit, 2),
                        X(sched_get_priority_max, 1),
                        X(setuid, 1),
                        X(setgid, 1),
                        X(setreuid, 2),
                        X(setregid, 2),
                        X(setresuid, 3),
                        X(setresgid, 3),
                        X(setgroups, 2),
                        X(setfsuid, 1),
                        X(capget, 2),
                        X(capset, 2),
                        X(personality, 1),
                        X(uname, 1),
                        X(sysinfo, 1),
                        X(getrandom, 3),
                        X(membarrier, 3),
                        X(semget, 3),
                        X(semctl, 4),
                        X(semop, 3),
                        X(semtimedop, 4),
                        X(msgget, 2),
                        X(msgctl, 3),
                        X(msgsnd, 4),
                        X(msgrcv, 5),
                        X(mq_open, 4),
                        X(mq_unlink, 1),
                        X(mq_timedsend, 5),
                        X(mq_timedreceive, 5),
                        X(mq_notify, 2),
                        X(mq_getsetattr, 3),
                        X(add_key, 5),
                        X(request_key, 4),
                        X(get_mempolicy, 5),
                        X(set_mempolicy, 3),
                        X(mbind, 6),
                        X(wait4, 4),
                        X(waitid, 5),
                        X(pkey_free, 1),
                        X(timerfd_create, 2),
                        X(timerfd_settime, 4),
                        X(signalfd4, 4),
                        X(eventfd2, 2),
                        X(rseq, 4),
                        X(clone3, 2),
                        X(futex_waitv, 5)};
static unsigned long V(int *k) {
  unsigned r = rnd() % 32;
  *k = r;
  switch (r) {
  case 0:
  case 1:
  case 2:
  case 3:
    return 0;
  case 4:
  case 5:
    return 1;
  case 6:
    return 2;
  case 7:
    return 3;
  case 8:
    return 4;
  case 9:
    return 8;
  case 10:
    return 16;
  case 11:
    return 64;
  case 12:
    return 0x1000;
  case 13:
    return 0x7fffffff;
  case 14:
    return 0x80000000ul;
  case 15:
    return 0xfffffffful;
  case 16:
  case 17:
    return -1ul;
  case 18:
    return 1ul << 32;
  case 19:
    return 10;
  case 20:
    return 24;
  case 21:
    return 48;
  case 22:
    return 99999;
  case 23:
    return 1ul << 47;
  case 24:
  case 25:
  case 26:
  case 27:
    return (unsigned long)buf;
  case 28:
    return (unsigned long)ff;
  case 29:
    return (unsigned long)buf + 4096;
  case 30:
    return 8192;
  default:
    return (unsigned long)buf + 1;
  }
}
int main(int ac, char **av) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  buf = mmap((void *)0x50000000, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  ff = mmap((void *)0x60000000, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  memset(ff, 0xff, 8192);
  munmap(buf + 4096, 4096);
  int N = sizeof T / sizeof *T;
  long seed = 1;
  for (int i = 0; i < N; i++) {
    fflush(0);
    for (int k = 0; k < 10; k++) {
      rs = seed * 1000003 + i * 7919 + k * 104729;
      rnd();
      rnd();
      unsigned long a[6] = {0};
      int kd[6];
      for (int j = 0; j < T[i].na; j++) a[j] = V(&kd[j]);
      pid_t c = fork();
      if (!c) {
        prctl(PR_SET_DUMPABLE, 0);
        drop_sys_resource();
        signal(SIGUSR1, SIG_IGN);
        alarm(1);
        struct sigaction sa = {0};
        errno = 0;
        long r = syscall(T[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        int e = errno;
        _exit(r == -1 ? e : 0);
      }
      int st;
      waitpid(c, &st, 0);
      P("%s(", T[i].n);
      for (int j = 0; j < T[i].na; j++) P("%lx,", a[j]);
      if (WIFEXITED(st)) P(") %d\n", WEXITSTATUS(st));
      else P(") sig %d\n", WTERMSIG(st));
    }
  }
}
