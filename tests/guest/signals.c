#include "guest.h"
static volatile int count;
static volatile int lastcode;
static int fdp[2];
static void plain(int s) {
  count++;
  char c = 'A' + s;
  (void)!write(1, &c, 0);
}
static void info(int s, siginfo_t *i, void *u) {
  (void)u;
  printf("sig %d code %d value %d pid %s\n", s, i->si_code, i->si_value.sival_int,
         i->si_pid == getpid() ? "self" : "other");
}
static int raised, depth;
static void nest(int s) {
  depth++;
  if (raised++ < 3) raise(s);
  printf("nest depth %d raised %d\n", depth, raised);
  depth--;
}
static void nodefer(int s) {
  static volatile int d;
  if (d++ < 2) raise(s);
  printf("nodefer %d\n", --d);
}
static void onstack(int s) {
  char x;
  stack_t o;
  sigaltstack(0, &o);
  printf("on altstack: %d in range %d sig %d\n", (o.ss_flags & SS_ONSTACK) != 0,
         &x >= (char *)o.ss_sp && &x < (char *)o.ss_sp + o.ss_size, s);
}
static void showmask(const char *t) {
  sigset_t m;
  sigprocmask(0, 0, &m);
  printf("%s:", t);
  for (int i = 1; i < 65; i++)
    if (sigismember(&m, i) == 1) printf(" %d", i);
  printf("\n");
}
static void maskh(int s) {
  (void)s;
  showmask("in handler");
}
int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  struct sigaction sa = {0}, old;
  sa.sa_handler = plain;
  R(sigaction(SIGUSR1, &sa, &old));
  R(old.sa_handler == SIG_DFL);
  R(raise(SIGUSR1));
  R(count);
  R(sigaction(SIGKILL, &sa, 0));
  R(sigaction(SIGSTOP, &sa, 0));
  R(sigaction(65, &sa, 0));
  R(sigaction(0, 0, &old));
  R(kill(getpid(), 65));
  R(kill(getpid(), 0));
  sa.sa_sigaction = info;
  sa.sa_flags = SA_SIGINFO;
  R(sigaction(SIGRTMIN, &sa, 0));
  R(sigaction(SIGRTMIN + 1, &sa, 0));
  R(sigaction(SIGUSR2, &sa, 0));
  sigset_t m, o;
  sigemptyset(&m);
  sigaddset(&m, SIGRTMIN);
  sigaddset(&m, SIGRTMIN + 1);
  sigaddset(&m, SIGUSR2);
  sigprocmask(SIG_BLOCK, &m, &o);
  union sigval v;
  for (int i = 3; i > 0; i--) {
    v.sival_int = i;
    sigqueue(getpid(), SIGRTMIN + 1, v);
    sigqueue(getpid(), SIGRTMIN, v);
    sigqueue(getpid(), SIGUSR2, v);
  }
  kill(getpid(), SIGUSR2);
  sigset_t p;
  sigpending(&p);
  R(sigismember(&p, SIGRTMIN));
  R(sigismember(&p, SIGUSR1));
  sigprocmask(SIG_SETMASK, &o, 0);
  sa.sa_flags = 0;
  sa.sa_handler = nest;
  sigaction(SIGUSR1, &sa, 0);
  raise(SIGUSR1);
  sa.sa_handler = nodefer;
  sa.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &sa, 0);
  raise(SIGUSR1);
  sa.sa_handler = plain;
  sa.sa_flags = SA_RESETHAND;
  sigaction(SIGUSR1, &sa, 0);
  raise(SIGUSR1);
  sigaction(SIGUSR1, 0, &old);
  R(old.sa_handler == SIG_DFL);
  sa.sa_handler = maskh;
  sa.sa_flags = 0;
  sigemptyset(&sa.sa_mask);
  sigaddset(&sa.sa_mask, SIGHUP);
  sigaddset(&sa.sa_mask, SIGKILL);
  sigaction(SIGTERM, &sa, 0);
  raise(SIGTERM);
  showmask("after");
  sigset_t only;
  sigfillset(&only);
  sigdelset(&only, SIGTERM);
  raise(0);
  sigemptyset(&m);
  sigaddset(&m, SIGTERM);
  sigprocmask(SIG_BLOCK, &m, 0);
  raise(SIGTERM);
  R(sigsuspend(&only));
  showmask("after suspend");
  sigprocmask(SIG_UNBLOCK, &m, 0);
  char *stk = malloc(65536);
  stack_t ss = {.ss_sp = stk, .ss_size = 65536};
  R(sigaltstack(&ss, 0));
  sa.sa_handler = onstack;
  sa.sa_flags = SA_ONSTACK;
  sigemptyset(&sa.sa_mask);
  sigaction(SIGUSR1, &sa, 0);
  raise(SIGUSR1);
  ss.ss_size = 100;
  R(sigaltstack(&ss, 0));
  ss.ss_flags = SS_DISABLE;
  R(sigaltstack(&ss, 0));
  sigemptyset(&m);
  sigaddset(&m, SIGRTMIN + 2);
  sigprocmask(SIG_BLOCK, &m, 0);
  v.sival_int = 77;
  sigqueue(getpid(), SIGRTMIN + 2, v);
  siginfo_t si;
  R(sigwaitinfo(&m, &si) == SIGRTMIN + 2);
  R(si.si_value.sival_int);
  R(si.si_code);
  struct timespec ts = {0, 10000000};
  R(sigtimedwait(&m, &si, &ts));
  ts.tv_nsec = -1;
  R(sigtimedwait(&m, &si, &ts));
  pipe(fdp);
  char c;
  sa.sa_handler = plain;
  sa.sa_flags = 0;
  sigaction(SIGALRM, &sa, 0);
  struct itimerval it = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &it, 0);
  R(read(fdp[0], &c, 1));
  sa.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &sa, 0);
  count = 0;
  if (fork() == 0) {
    msleep(80);
    (void)!write(fdp[1], "z", 1);
    _exit(0);
  }
  setitimer(ITIMER_REAL, &it, 0);
  R(read(fdp[0], &c, 1));
  R(count);
  R(c);
  wait(0);
  setitimer(ITIMER_REAL, &it, 0);
  struct timespec rq = {5, 0}, rem;
  R(nanosleep(&rq, &rem));
  R(rem.tv_sec);
  setitimer(ITIMER_REAL, &it, 0);
  R(pause());
  sigset_t e;
  sigemptyset(&e);
  sa.sa_handler = SIG_IGN;
  sigaction(SIGUSR2, &sa, 0);
  R(raise(SIGUSR2));
  pid_t pid = fork();
  if (!pid) {
    execl("/bin/sh", "sh", "-c", "kill -USR2 $$; echo ignored survives exec", (char *)0);
    _exit(1);
  }
  int st;
  waitpid(pid, &st, 0);
  R(st);
  for (int s = 1; s < 32; s++) {
    if (s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU) continue;
    pid = fork();
    if (!pid) {
      struct rlimit z = {0, 0};
      setrlimit(RLIMIT_CORE, &z);
      signal(s, SIG_DFL);
      sigprocmask(SIG_SETMASK, &e, 0);
      kill(getpid(), s);
      _exit(100);
    }
    waitpid(pid, &st, 0);
    printf("default %d: %s %d\n", s, WIFSIGNALED(st) ? "killed" : "exited",
           WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st));
  }
  return 0;
}
