// A random walk over signals: masks, actions with all flags, ways to send and to take them, alternate stacks, limits, handlers that
// send signals or change the mask they return to, stops, children.
// libc: glibc
#include "guest.h"
#include "walk.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>

enum { WALKS = 60, STEPS = 80 };

typedef unsigned long set;
struct action {
  void *handler;
  unsigned long flags;
  void *restorer;
  set mask;
};

static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM,  SIGCHLD, SIGCONT, SIGURG,  34,     35, 40,
                              SIGALRM, SIGPIPE, SIGWINCH, SIGTSTP, SIGHUP,  SIGSEGV, SIGTRAP, SIGSYS, 64};
#define COUNT (sizeof signals / sizeof *signals)

static char stack[65536];
static sigjmp_buf back;
static int may_jump, depth;
static pid_t self;

extern char restorer[];
__asm__("restorer: mov $15, %eax; syscall");

static int procmask(int how, set *new, set *old) { return syscall(SYS_rt_sigprocmask, how, new, old, 8); }
static int a_signal(void) { return signals[rnd(COUNT)]; }
static set a_set(void) {
  set m = 0;
  for (int n = rnd(5); n > 0; n--) m |= 1ul << (a_signal() - 1);
  return rnd(12) ? m : ~0ul;
}

static void tell(int sig, siginfo_t *i) {
  out("%d code %d errno %d", sig, i->si_code, i->si_errno);
  if (i->si_code == SI_QUEUE || i->si_code < -10) out(" value %d", i->si_value.sival_int);
  if (i->si_code == SI_USER || i->si_code == SI_TKILL || i->si_code == SI_QUEUE) out(" own %d uid %d", i->si_pid == self, i->si_uid);
  if (sig == SIGCHLD && i->si_code > 0) out(" status %d", i->si_status);
  if (sig == SIGSEGV && i->si_code > 0) out(" at %p", i->si_addr);
}

static void leave_fault(int sig) {
  if (sig != SIGSEGV || !may_jump) return;
  may_jump = 0;
  siglongjmp(back, 1);
}

static void plain(int sig) {
  set m;
  procmask(0, 0, &m);
  out(" plain %d mask %lx depth %d\n", sig, m, depth);
  leave_fault(sig);
}

static void detailed(int sig, siginfo_t *i, void *context) {
  char here;
  set m, *returns = (set *)&((ucontext_t *)context)->uc_sigmask;
  procmask(0, 0, &m);
  out(" handler ");
  tell(sig, i);
  out(" stack %d mask %lx returns %lx depth %d\n", &here >= stack && &here < stack + sizeof stack, m, *returns, depth);
  if (i->si_code > 0) leave_fault(sig);
  if (depth < 3 && rnd(4) == 0) {
    int k = a_signal();
    depth++;
    out(" raises %d\n", k);
    syscall(SYS_tgkill, self, self, k);
    depth--;
  }
  if (rnd(8) == 0) out(" returns to %lx\n", *returns = a_set());
}

static void act(int sig) {
  static const unsigned long flags[] = {SA_NODEFER, SA_ONSTACK, SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_RESETHAND, 0x800, 0x400};
  static const int odds[] = {3, 3, 3, 5, 5, 6, 10, 10};
  int how = rnd(10);
  struct action a = {how == 0 && rnd(4) == 0 ? SIG_DFL : how < 3 ? SIG_IGN : how < 5 ? (void *)plain : (void *)detailed, 0x04000000, restorer, 0}, old = {0};
  if (a.handler == (void *)detailed) a.flags |= SA_SIGINFO;
  for (int i = 0; i < 8; i++)
    if (rnd(odds[i]) == 0) a.flags |= flags[i];
  a.mask = a_set();
  int r = er(syscall(SYS_rt_sigaction, sig, &a, &old, 8));
  out("action %d flags %lx mask %lx = %d, was %s %lx %lx\n", sig, a.flags, a.mask, r, old.handler == SIG_DFL ? "default" : old.handler == SIG_IGN ? "ignored" : old.handler == (void *)plain ? "plain" : "detailed", old.flags, old.mask);
}

static void send(int sig) {
  static const int codes[] = {SI_QUEUE, SI_TIMER, SI_MESGQ, -20, SI_USER, SI_TKILL, 5, 0x80};
  siginfo_t i = {0};
  int how = rnd(6);
  i.si_signo = rnd(3) ? sig : 1;
  i.si_errno = rnd(3);
  i.si_code = how == 4 ? codes[rnd(8)] : rnd(2) ? SI_QUEUE : -30;
  i.si_value.sival_int = 77;
  out("send %d by %d code %d", sig, how, i.si_code);
  int r = how == 0   ? kill(self, sig)
          : how == 1 ? syscall(SYS_tgkill, self, self, sig)
          : how < 4  ? sigqueue(self, sig, (union sigval){.sival_int = rnd(1000)})
          : how == 4 ? syscall(SYS_rt_sigqueueinfo, self, sig, &i)
                     : syscall(SYS_rt_tgsigqueueinfo, self, self, sig, &i);
  out(" = %d\n", er(r));
}

static void take(void) {
  struct timespec now = {0};
  struct epoll_event event;
  set m = a_set();
  siginfo_t i = {0};
  int r, how = rnd(6), fd;
  out("take %d %lx", how, m);
  if (how < 2) {
    r = syscall(SYS_rt_sigtimedwait, &m, &i, &now, 8);
    if (r > 0) out(": "), tell(r, &i);
  } else if (how == 2) r = syscall(SYS_ppoll, 0, 0, &now, &m, 8);
  else if (how == 3) {
    struct {
      set *mask;
      long size;
    } arg = {&m, 8};
    r = syscall(SYS_pselect6, 0, 0, 0, 0, &now, &arg);
  } else if (how == 4) {
    r = syscall(SYS_epoll_pwait, fd = epoll_create1(0), &event, 1, 0, &m, 8);
    int e = errno;
    close(fd), errno = e;
  } else {
    struct signalfd_siginfo s[3];
    struct pollfd p = {syscall(SYS_signalfd4, -1, &m, 8, SFD_NONBLOCK), POLLIN};
    poll(&p, 1, 0);
    r = read(p.fd, s, sizeof s);
    int e = errno;
    out(" poll %x", p.revents);
    for (int k = 0; k < r / 128; k++) out(" [%d %d %d]", s[k].ssi_signo, s[k].ssi_code, s[k].ssi_int);
    close(p.fd), errno = e;
  }
  out(" = %d\n", er(r));
}

static void child(void) {
  int p[2], code = rnd(100), killed = rnd(3) == 0, st = 0, r;
  set seen[2] = {0};
  pipe(p);
  pid_t c = fork();
  if (c == 0) {
    set none = 0;
    syscall(SYS_rt_sigpending, seen, 8);
    procmask(0, 0, seen + 1);
    write(p[1], seen, sizeof seen);
    if (killed) {
      signal(SIGUSR1, SIG_DFL);
      procmask(2, &none, 0);
      raise(SIGUSR1);
    }
    _exit(code);
  }
  do r = waitpid(c, &st, 0);
  while (r < 0 && errno == EINTR);
  r = r < 0 ? errno : 0;
  read(p[0], seen, sizeof seen);
  close(p[0]), close(p[1]);
  out("child pending %lx mask %lx status %x error %d\n", seen[0], seen[1], st, r);
}

static void step(void) {
  int sig = a_signal(), how;
  set m = 0, old = 0;
  stack_t s = {stack, 0, sizeof stack}, was = {0};
  struct rlimit limit;
  switch (rnd(16)) {
    case 0:
    case 1:
      how = rnd(4), m = a_set();
      out("mask %d %lx", how, m);
      out(" = %d, was %lx\n", er(procmask(how, &m, &old)), old);
      break;
    case 2:
    case 3:
    case 4: act(rnd(20) ? sig : SIGKILL); break;
    case 5:
    case 6:
    case 7:
    case 8: send(sig); break;
    case 9:
    case 10:
    case 11: take(); break;
    case 12:
      syscall(SYS_rt_sigpending, &m, 8);
      out("pending %lx\n", m);
      break;
    case 13:
      s.ss_flags = rnd(5) ? 0 : rnd(2) ? SS_DISABLE : 1 << 31;
      if (rnd(8) == 0) s.ss_size = 100;
      out("stack %x %ld = %d", s.ss_flags, (long)s.ss_size, er(sigaltstack(&s, &was)));
      out(", was %x %d\n", was.ss_flags, was.ss_sp == stack);
      break;
    case 14:
      if (rnd(2)) return child();
      getrlimit(RLIMIT_SIGPENDING, &limit);
      limit.rlim_cur = rnd(3) ? 500 : rnd(6);
      setrlimit(RLIMIT_SIGPENDING, &limit);
      out("limit %ld\n", (long)limit.rlim_cur);
      break;
    case 15:
      out("fault\n");
      if (sigsetjmp(back, rnd(2)) == 0) {
        may_jump = 1;
        *(volatile int *)0x1010 = 1;
      }
      may_jump = 0;
      break;
  }
}

static void walk(int n) {
  set none = 0;
  setresuid(54321, 54321, 54321);
  self = getpid();
  seed = n * 7919 + 13;
  procmask(2, &none, 0);
  for (unsigned i = 0; i < COUNT; i++) {
    struct action a = {detailed, SA_SIGINFO | 0x04000000, restorer, 0};
    syscall(SYS_rt_sigaction, signals[i], &a, 0, 8);
  }
  for (int i = 0; i < STEPS; i++) {
    if (verbose) P("%d: ", i);
    step();
    step_done(n, i);
  }
  _exit(0);
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  for (int n = verbose ? atoi(argv[1]) : 0; n < (verbose ? atoi(argv[1]) + 1 : WALKS); n++) {
    int st, r;
    pid_t c = fork();
    if (c == 0) walk(n);
    while ((r = waitpid(c, &st, WUNTRACED)) == c && WIFSTOPPED(st)) {
      P("walk %d stopped by %d\n", n, WSTOPSIG(st));
      kill(c, SIGCONT);
    }
    P("walk %d ended %x\n", n, st);
  }
  return 0;
}
