/* Flags of handlers, calls that go on or not, pending signals over fork and exec, faults and what
 * their handlers are told. */
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>
#include <sys/signalfd.h>
static volatile int n, depth, maxd, last;
static volatile siginfo_t sv;
static void *sp;
static void h(int s) {
  n++;
  last = s;
}
static void hn(int s) {
  depth++;
  if (depth > maxd) maxd = depth;
  if (n++ < 3) raise(s);
  depth--;
}
static void hmask(int s) {
  sigset_t m;
  sigprocmask(0, 0, &m);
  P("in %d: self %d usr2 %d\n", s, sigismember(&m, s), sigismember(&m, SIGUSR2));
}
static void halt_(int s, siginfo_t *i, void *u) {
  stack_t o;
  sigaltstack(0, &o);
  P("on stack %d flags %x\n", (char *)&o > (char *)sp && (char *)&o < (char *)sp + 65536,
    o.ss_flags);
  stack_t d = {0, SS_DISABLE, 0};
  errno = 0;
  int r = sigaltstack(&d, 0);
  P("disable %d %d\n", r, errno);
}
static void hsi(int s, siginfo_t *i, void *u) {
  sv = *i;
  n++;
  ucontext_t *c = u;
  P("sig %d code %d addr %d uc_flags %lx stack %d\n", s, i->si_code, i->si_addr != 0,
    c->uc_flags & ~1ul, c->uc_stack.ss_flags);
}
static sigjmp_buf jb;
static void hj(int s, siginfo_t *i, void *u) {
  sv = *i;
  siglongjmp(jb, 1);
}
static void skip(int s, siginfo_t *i, void *u) {
  ucontext_t *c = u;
  c->uc_mcontext.gregs[REG_RIP] += 2;
  n++;
}
static void S(int sig, void *f, int fl) {
  struct sigaction a = {.sa_handler = f, .sa_flags = fl};
  sigaction(sig, &a, 0);
}
static void nop(int s) {}
int main() {
  char b[10];
  int p[2];
  pipe(p);
  sigset_t s, o;
  struct itimerval iv = {{0}, {0, 20000}};
  int st;
  P("-- flags\n");
  S(SIGUSR1, hn, SA_NODEFER);
  n = 0;
  raise(SIGUSR1);
  P("nodefer depth %d\n", maxd);
  maxd = n = 0;
  S(SIGUSR1, hn, 0);
  raise(SIGUSR1);
  P("defer depth %d n %d\n", maxd, n);
  S(SIGUSR1, h, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction a;
  sigaction(SIGUSR1, 0, &a);
  P("reset %d\n", a.sa_handler == SIG_DFL);
  a.sa_handler = hmask;
  sigemptyset(&a.sa_mask);
  sigaddset(&a.sa_mask, SIGUSR2);
  a.sa_flags = 0;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  a.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  sp = malloc(65536);
  stack_t ss = {sp, 0, 65536};
  sigaltstack(&ss, 0);
  S(SIGUSR1, halt_, SA_SIGINFO | SA_ONSTACK);
  raise(SIGUSR1);
  ss.ss_flags = 1u << 31;
  sigaltstack(&ss, 0);
  raise(SIGUSR1);
  stack_t so;
  sigaltstack(0, &so);
  P("after autodisarm %x\n", so.ss_flags);
  P("-- restart\n");
  S(SIGALRM, h, SA_RESTART);
  setitimer(0, &iv, 0);
  if (!fork()) {
    msleep(60);
    write(p[1], "x", 1);
    _exit(0);
  }
  R(read(p[0], b, 1));
  wait(0);
  S(SIGALRM, h, 0);
  setitimer(0, &iv, 0);
  R(read(p[0], b, 1));
  S(SIGALRM, h, SA_RESTART);
  setitimer(0, &iv, 0);
  R(pause());
  setitimer(0, &iv, 0);
  struct timespec t = {0, 90000000};
  R(nanosleep(&t, 0));
  setitimer(0, &iv, 0);
  sigemptyset(&s);
  R(sigsuspend(&s));
  setitimer(0, &iv, 0);
  fd_set fs;
  FD_ZERO(&fs);
  struct timeval tv = {0, 90000};
  R(select(0, &fs, 0, 0, &tv));
  setitimer(0, &iv, 0);
  sigemptyset(&s);
  sigaddset(&s, SIGUSR2);
  struct timespec t2 = {0, 90000000};
  R(sigtimedwait(&s, 0, &t2));
  setitimer(0, &iv, 0);
  pid_t c = fork();
  if (!c) {
    msleep(60);
    _exit(3);
  }
  R(waitpid(c, &st, 0) == c);
  P("-- ignored does not interrupt\n");
  signal(SIGALRM, SIG_IGN);
  setitimer(0, &iv, 0);
  t.tv_nsec = 50000000;
  R(nanosleep(&t, 0));
  signal(SIGALRM, SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  c = fork();
  if (!c) _exit(0);
  R(nanosleep(&t, 0));
  wait(0);
  P("-- stop and continue a sleeper\n");
  c = fork();
  if (!c) {
    struct timespec q = {0, 120000000};
    int r = nanosleep(&q, 0);
    _exit(r ? errno : 0);
  }
  msleep(20);
  kill(c, SIGSTOP);
  waitpid(c, &st, WUNTRACED);
  msleep(20);
  kill(c, SIGCONT);
  waitpid(c, &st, 0);
  P("nanosleep %x\n", st);
  c = fork();
  if (!c) {
    int r = read(p[0], b, 1);
    _exit(r < 0 ? errno : 7);
  }
  msleep(20);
  kill(c, SIGSTOP);
  waitpid(c, &st, WUNTRACED);
  kill(c, SIGCONT);
  msleep(20);
  write(p[1], "y", 1);
  waitpid(c, &st, 0);
  P("read %x\n", st);
  c = fork();
  if (!c) {
    signal(SIGCONT, nop);
    int r = pause();
    _exit(r < 0 ? errno : 7);
  }
  msleep(20);
  kill(c, SIGSTOP);
  waitpid(c, &st, WUNTRACED);
  kill(c, SIGCONT);
  waitpid(c, &st, 0);
  P("pause %x\n", st);
  P("-- pending\n");
  sigfillset(&s);
  sigprocmask(SIG_BLOCK, &s, &o);
  S(SIGUSR1, h, 0);
  S(SIGUSR2, h, 0);
  S(SIGTERM, h, 0);
  kill(getpid(), SIGUSR2);
  kill(getpid(), SIGTERM);
  kill(getpid(), SIGUSR1);
  sigpending(&s);
  P("%d %d %d\n", sigismember(&s, SIGUSR1), sigismember(&s, SIGUSR2), sigismember(&s, SIGTERM));
  fflush(0);
  if (!fork()) {
    sigpending(&s);
    P("child %d\n", sigismember(&s, SIGUSR1));
    _exit(0);
  }
  wait(0);
  signal(SIGTERM, SIG_IGN);
  sigpending(&s);
  P("after ign %d\n", sigismember(&s, SIGTERM));
  n = 0;
  sigprocmask(SIG_SETMASK, &o, 0);
  P("n %d last %d\n", n, last);
  fflush(0);
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  sigprocmask(SIG_BLOCK, &s, 0);
  kill(getpid(), SIGUSR1);
  if ((c = fork()) == 0) {
    kill(getpid(), SIGUSR1);
    execl("/bin/sh", "sh", "-c", "grep -E 'SigBlk|ShdPnd|SigIgn' /proc/self/status", (char *)0);
  }
  waitpid(c, &st, 0);
  P("%x\n", st);
  struct timespec z = {0};
  sigtimedwait(&s, 0, &z);
  sigprocmask(SIG_UNBLOCK, &s, 0);
  P("-- faults\n");
  S(SIGSEGV, hj, SA_SIGINFO);
  S(SIGBUS, hj, SA_SIGINFO);
  S(SIGFPE, hj, SA_SIGINFO);
  S(SIGILL, hj, SA_SIGINFO);
  S(SIGTRAP, hj, SA_SIGINFO);
#define FA(w, x)                                                                                   \
  do {                                                                                             \
    if (!sigsetjmp(jb, 1)) {                                                                       \
      x;                                                                                           \
      P("%s none\n", w);                                                                           \
    } else                                                                                         \
      P("%s: sig %d code %d addr %ld\n", w, sv.si_signo, sv.si_code, (long)sv.si_addr & 0xfff);    \
  } while (0)
  char *m = mmap(0, 8192, 1, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FA("null", *(volatile char *)16 = 1);
  FA("ro", m[8] = 1);
  FA("noncanon", *(volatile char *)0x8000000000000000 = 1);
  FA("kernel", *(volatile char *)-8 = 1);
  munmap(m + 4096, 4096);
  FA("unmapped", m[4100]);
  int f = open("/tmp/sb", O_CREAT | O_RDWR | O_TRUNC, 0600);
  char *q = mmap(0, 4096, 3, MAP_SHARED, f, 0);
  FA("eof", q[24] = 1);
  volatile int zz = 0;
  FA("div", zz = 1 / zz);
  FA("ud2", asm volatile("ud2"));
  FA("hlt", asm volatile("hlt"));
  FA("int3", asm volatile("int3"));
  FA("exec nx", ((void (*)(void))m)());
  FA("in", asm volatile("inb $0x80,%%al" :: : "rax"));
  FA("int 0x42", asm volatile("int $0x42"));
  FA("overflow div",
     asm volatile("mov $0x8000000000000000,%%rax; cqo; mov $-1,%%rcx; idiv %%rcx" :: : "rax", "rcx",
                  "rdx"));
  S(SIGILL, skip, SA_SIGINFO);
  n = 0;
  asm volatile("ud2; ud2");
  P("skipped %d\n", n);
  P("-- sent synchronous signals\n");
  S(SIGSEGV, hsi, SA_SIGINFO);
  n = 0;
  raise(SIGSEGV);
  kill(getpid(), SIGSEGV);
  P("n %d\n", n);
  signal(SIGSEGV, SIG_IGN);
  raise(SIGSEGV);
  P("ignored\n");
  sigemptyset(&s);
  sigaddset(&s, SIGSEGV);
  sigprocmask(SIG_BLOCK, &s, 0);
  raise(SIGSEGV);
  P("blocked\n");
  INCHILD(S(SIGSEGV, nop, 0); sigset_t k; sigfillset(&k); sigprocmask(SIG_BLOCK, &k, 0);
         raise(SIGSEGV); P("still\n"); *(volatile int *)0 = 0);
  INCHILD(stack_t x = {aligned_alloc(4096, 12288), 0, 8192}; sigaltstack(&x, 0);
         S(SIGUSR1, nop, SA_ONSTACK); mprotect((void *)((long)x.ss_sp & ~4095), 12288, 0);
         raise(SIGUSR1));
  int sf = signalfd(-1, &s, SFD_NONBLOCK);
  struct signalfd_siginfo fi;
  R(read(sf, &fi, sizeof fi));
  P("%d %d\n", fi.ssi_signo, fi.ssi_code);
  R(read(sf, &fi, sizeof fi));
  R(read(sf, &fi, 10));
  R(signalfd(-1, &s, 99));
  R(signalfd(0, &s, 0));
  R(signalfd(999, &s, 0));
  R(syscall(SYS_signalfd4, -1, &s, 4, 0));
  R(syscall(SYS_signalfd4, -1, 8, 8, 0));
}
