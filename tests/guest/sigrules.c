// libc: glibc
/* Sending, queueing and fetching signals: errors in their order, the queue's limit, who may signal
 * whom. */
#include "guest.h"
#include <sys/syscall.h>
#include <pthread.h>
static volatile int got;
static siginfo_t last;
static void h(int s, siginfo_t *i, void *u) {
  got = s;
  last = *i;
}
static void hand(int s) {
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  sigaction(s, &sa, 0);
}
static void sh(const char *n) {
  P("%s got %d code %d pid %d uid %d val %p errno %d\n", n, got, last.si_code,
    last.si_pid == getpid(), last.si_uid, last.si_value.sival_ptr, last.si_errno);
  got = 0;
  memset(&last, 0, sizeof last);
}
#define Q(pid, sig, c, v)                                                                          \
  ({                                                                                               \
    siginfo_t i;                                                                                   \
    memset(&i, 0, sizeof i);                                                                       \
    i.si_signo = 77;                                                                               \
    i.si_code = c;                                                                                 \
    i.si_pid = 4242;                                                                               \
    i.si_uid = 17;                                                                                 \
    i.si_errno = 5;                                                                                \
    i.si_value.sival_ptr = (void *)v;                                                              \
    syscall(SYS_rt_sigqueueinfo, pid, sig, &i);                                                    \
  })
#define TQ(tg, pid, sig, c, v)                                                                     \
  ({                                                                                               \
    siginfo_t i;                                                                                   \
    memset(&i, 0, sizeof i);                                                                       \
    i.si_signo = 77;                                                                               \
    i.si_code = c;                                                                                 \
    i.si_value.sival_ptr = (void *)v;                                                              \
    syscall(SYS_rt_tgsigqueueinfo, tg, pid, sig, &i);                                              \
  })
int main() {
  hand(SIGUSR1);
  hand(SIGUSR2);
  hand(SIGRTMIN);
  hand(SIGCHLD);
  R(kill(getpid(), 0));
  R(kill(getpid(), 65));
  R(kill(getpid(), -1));
  R(kill(99999, 0));
  R(kill(99999, 65));
  R(kill(-99999, 0));
  R(kill(INT_MIN, 0));
  R(kill(getpid(), SIGUSR1));
  sh("kill");
  R(syscall(SYS_tkill, gettid(), SIGUSR1));
  sh("tkill");
  R(syscall(SYS_tkill, 0, SIGUSR1));
  R(syscall(SYS_tkill, -1, SIGUSR1));
  R(syscall(SYS_tkill, 99999, SIGUSR1));
  R(syscall(SYS_tkill, gettid(), 65));
  R(syscall(SYS_tkill, gettid(), 0));
  R(syscall(SYS_tkill, INT_MAX, 0));
  R(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
  sh("tgkill");
  R(syscall(SYS_tgkill, -1, gettid(), SIGUSR1));
  R(syscall(SYS_tgkill, getpid(), -1, SIGUSR1));
  R(syscall(SYS_tgkill, 0, gettid(), 0));
  R(syscall(SYS_tgkill, getpid(), 0, 0));
  R(syscall(SYS_tgkill, 1, gettid(), 0));
  R(syscall(SYS_tgkill, 99999, gettid(), 0));
  R(syscall(SYS_tgkill, getpid(), gettid(), 65));
  R(syscall(SYS_tgkill, getpid(), 99999, 0));
  R(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 9}));
  sh("sigqueue");
  R(sigqueue(getpid(), 0, (union sigval){0}));
  R(sigqueue(getpid(), 65, (union sigval){0}));
  R(sigqueue(99999, SIGUSR1, (union sigval){0}));
  R(sigqueue(-getpid(), SIGUSR1, (union sigval){0}));
  R(Q(getpid(), SIGUSR1, SI_QUEUE, 1));
  sh("Q");
  R(Q(getpid(), SIGUSR1, SI_KERNEL, 1));
  sh("Q kernel");
  R(Q(getpid(), SIGUSR1, SI_USER, 1));
  sh("Q user");
  R(Q(getpid(), SIGUSR1, SI_TKILL, 1));
  sh("Q tkill");
  R(Q(getpid(), SIGUSR1, 5, 1));
  sh("Q 5");
  R(Q(getpid(), SIGUSR1, SI_TIMER, 1));
  sh("Q timer");
  R(Q(getpid(), SIGUSR1, -60, 1));
  sh("Q -60");
  R(Q(getpid(), SIGCHLD, CLD_EXITED, 1));
  sh("Q chld");
  R(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 0));
  R(syscall(SYS_rt_sigqueueinfo, getpid(), 65, 8));
  R(Q(0, SIGUSR1, SI_QUEUE, 1));
  R(Q(-1, SIGUSR1, SI_QUEUE, 1));
  R(Q(99999, SIGUSR1, SI_QUEUE, 1));
  R(Q(1, 0, SI_USER, 1));
  R(Q(1, 0, SI_QUEUE, 1));
  R(Q(getpid(), 65, SI_QUEUE, 1));
  R(TQ(getpid(), gettid(), SIGUSR1, SI_QUEUE, 3));
  sh("TQ");
  R(TQ(getpid(), gettid(), SIGUSR1, SI_TKILL, 3));
  sh("TQ tkill");
  R(TQ(getpid(), gettid(), SIGUSR1, 0, 3));
  sh("TQ 0");
  R(TQ(0, gettid(), SIGUSR1, SI_QUEUE, 3));
  R(TQ(getpid(), 0, SIGUSR1, SI_QUEUE, 3));
  R(TQ(-1, -1, SIGUSR1, SI_QUEUE, 3));
  R(TQ(99999, gettid(), SIGUSR1, SI_QUEUE, 3));
  R(TQ(getpid(), 99999, SIGUSR1, SI_QUEUE, 3));
  R(TQ(getpid(), gettid(), 65, SI_QUEUE, 3));
  R(TQ(getpid(), gettid(), -1, SI_QUEUE, 3));
  // queue order and limit
  sigset_t all, old, s;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &old);
  for (int i = 0; i < 3; i++) {
    sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 + i});
    sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 20 + i});
    sigqueue(getpid(), SIGTERM, (union sigval){.sival_int = 30 + i});
    syscall(SYS_tkill, gettid(), SIGRTMIN);
    kill(getpid(), SIGRTMIN + 1);
  }
  siginfo_t si;
  struct timespec z = {0, 0};
  int r;
  while ((r = sigtimedwait(&all, &si, &z)) > 0)
    P("%d code %d val %d\n", r >= 32 ? r - SIGRTMIN + 100 : r, si.si_code,
      si.si_code == SI_QUEUE ? si.si_value.sival_int : -1);
  P("end %d\n", errno);
  struct rlimit rl = {3, 3}, ol;
  getrlimit(RLIMIT_SIGPENDING, &ol);
  R(prlimit(0, RLIMIT_SIGPENDING, &rl, 0));
  for (int i = 0; i < 5; i++) R(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
  R(kill(getpid(), SIGRTMIN + 1));
  R(kill(getpid(), SIGRTMIN + 1));
  R(syscall(SYS_tkill, gettid(), SIGRTMIN + 3));
  R(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 7}));
  R(Q(getpid(), SIGRTMIN + 4, SI_USER, 1));
  timer_t t;
  struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
  R(timer_create(CLOCK_REALTIME, &se, &t));
  R(timer_create(CLOCK_REALTIME, 0, &t));
  FILE *f = fopen("/proc/self/status", "r");
  char l[200];
  while (fgets(l, 200, f))
    if (!strncmp(l, "Sig", 3) || !strncmp(l, "Shd", 3)) P("%s", l);
  while ((r = sigtimedwait(&all, &si, &z)) > 0)
    P("%d code %d val %d pid %d\n", r >= 32 ? r - SIGRTMIN + 100 : r, si.si_code,
      si.si_code == SI_QUEUE ? si.si_value.sival_int : -1, si.si_pid == getpid());
  sigprocmask(SIG_SETMASK, &old, 0);
  // sigprocmask errors
#define SPM(h, a, b, n) syscall(SYS_rt_sigprocmask, h, a, b, n)
  R(SPM(3, &s, 0, 8));
  R(SPM(-1, &s, 0, 8));
  R(SPM(3, 0, &s, 8));
  R(SPM(0, 8, 0, 8));
  R(SPM(0, 0, 8, 8));
  R(SPM(0, 0, 0, 7));
  R(SPM(0, 0, 0, 16));
  R(SPM(0, 0, 0, 8));
  R(syscall(SYS_rt_sigpending, &s, 8));
  R(syscall(SYS_rt_sigpending, &s, 9));
  R(syscall(SYS_rt_sigpending, &s, 4));
  R(syscall(SYS_rt_sigpending, 8, 8));
  R(syscall(SYS_rt_sigpending, &s, 0));
  R(syscall(SYS_rt_sigsuspend, &s, 7));
  R(syscall(SYS_rt_sigsuspend, 8, 8));
#define STW(a, b, c, n) syscall(SYS_rt_sigtimedwait, a, b, c, n)
  sigemptyset(&s);
  R(STW(&s, 0, &z, 8));
  R(STW(&s, 0, &z, 7));
  R(STW(8, 0, &z, 8));
  R(STW(&s, 0, 8, 8));
  struct timespec bad = {0, 1000000000};
  R(STW(&s, 0, &bad, 8));
  bad = (struct timespec){-1, 0};
  R(STW(&s, 0, &bad, 8));
  sigaddset(&s, SIGUSR1);
  sigprocmask(SIG_BLOCK, &s, 0);
  raise(SIGUSR1);
  R(STW(&s, 8, &z, 8));
  R(STW(&s, 0, &z, 8));
  sigprocmask(SIG_UNBLOCK, &s, 0);
  // sigaction
  struct sigaction sa = {0};
  R(sigaction(SIGKILL, &sa, 0));
  R(sigaction(SIGSTOP, &sa, 0));
  R(sigaction(SIGKILL, 0, &sa));
  struct {
    void *h;
    unsigned long f;
    void *r;
    unsigned long m;
  } ks = {0}, ko;
#define SA(s, a, b, n) syscall(SYS_rt_sigaction, s, a, b, n)
  R(SA(0, 0, &ko, 8));
  R(SA(65, 0, &ko, 8));
  R(SA(-1, &ks, 0, 8));
  R(SA(10, 0, &ko, 7));
  R(SA(9, 0, &ko, 8));
  R(SA(9, &ks, 0, 8));
  R(SA(10, 8, 0, 8));
  R(SA(10, 0, 8, 8));
  R(SA(32, &ks, &ko, 8));
  R(SA(33, &ks, &ko, 8));
  R(SA(64, &ks, &ko, 8));
  ks.f = ~0ul;
  ks.m = ~0ul;
  ks.h = (void *)1;
  R(SA(10, &ks, 0, 8));
  R(SA(10, 0, &ko, 8));
  P("%lx %lx\n", ko.f, ko.m);
  ks.f = 0x400;
  SA(10, &ks, 0, 8);
  SA(10, 0, &ko, 8);
  P("SA_UNSUPPORTED %lx\n", ko.f);
  // sigaltstack
  stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536}, os;
  R(sigaltstack(0, &os));
  P("%d %p %zu\n", os.ss_flags, os.ss_sp, os.ss_size);
  R(sigaltstack(&ss, 0));
  ss.ss_size = 2047;
  R(sigaltstack(&ss, 0));
  ss.ss_size = MINSIGSTKSZ;
  OK(sigaltstack(&ss, 0));
  ss.ss_flags = 4;
  R(sigaltstack(&ss, 0));
  ss.ss_flags = SS_ONSTACK;
  ss.ss_size = 65536;
  R(sigaltstack(&ss, 0));
  R(sigaltstack(0, &os));
  P("%d\n", os.ss_flags);
  ss.ss_flags = 1u << 31;
  R(sigaltstack(&ss, 0));
  sigaltstack(0, &os);
  P("%x\n", os.ss_flags);
  ss.ss_flags = SS_DISABLE;
  R(sigaltstack(&ss, 0));
  sigaltstack(0, &os);
  P("%x %p %zu\n", os.ss_flags, os.ss_sp, os.ss_size);
  ss.ss_flags = SS_DISABLE | 1;
  R(sigaltstack(&ss, 0));
  R(sigaltstack((void *)8, 0));
  R(sigaltstack(0, (void *)8));
  ss.ss_flags = -1;
  R(sigaltstack(&ss, 0));
  // permission
  pid_t c = fork();
  if (!c) {
    pause();
    _exit(0);
  }
  if (!fork()) {
    setgid(100);
    setuid(100);
    R(kill(c, 0));
    R(kill(c, SIGTERM));
    R(kill(1, 0));
    R(kill(-1, 0));
    R(syscall(SYS_tkill, c, 0));
    R(syscall(SYS_tgkill, c, c, 0));
    R(Q(c, SIGTERM, SI_QUEUE, 0));
    R(Q(c, 0, SI_QUEUE, 0));
    R(kill(c, SIGCONT));
    R(kill(getppid(), 0));
    R(kill(0, 0));
    R(kill(-getpgrp(), 0));
    setsid();
    R(kill(0, 0));
    R(kill(c, SIGCONT));
    _exit(0);
  }
  int st;
  waitpid(-1, &st, 0);
  kill(c, 9);
  wait(0);
  // uid matrix: sender euid/ruid vs target suid
  c = fork();
  if (!c) {
    setresuid(100, 101, 102);
    pause();
    _exit(0);
  }
  msleep(10);
  for (int i = 99; i < 104; i++)
    if (!fork()) {
      setresuid(i, 200, 200);
      int a = kill(c, 0) ? errno : 0;
      _exit(a);
    } else {
      waitpid(-1, &st, 0);
      P("ruid %d: %d\n", i, WEXITSTATUS(st));
    }
  for (int i = 99; i < 104; i++)
    if (!fork()) {
      setresuid(200, i, 200);
      int a = kill(c, 0) ? errno : 0;
      _exit(a);
    } else {
      waitpid(-1, &st, 0);
      P("euid %d: %d\n", i, WEXITSTATUS(st));
    }
  kill(c, 9);
  wait(0);
  // zombie target
  c = fork();
  if (!c) _exit(0);
  msleep(10);
  R(kill(c, 0));
  R(kill(c, SIGTERM));
  R(syscall(SYS_tgkill, c, c, 0));
  R(kill(-getpgrp(), 0));
  wait(0);
  R(kill(c, 0));
}
