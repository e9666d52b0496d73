/* clone and clone3: which flags and members go together, and what is told first. */
#include "guest.h"
#include <sched.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <poll.h>
#define C5(fl, stk, p, c, t) syscall(SYS_clone, (long)(fl), (long)(stk), p, c, (long)(t))
#define C3(a, n) syscall(SYS_clone3, a, (long)(n))
static void reap(void) {
  while (waitpid(-1, 0, __WALL) > 0);
}
#define CL(fl)                                                                                     \
  do {                                                                                             \
    errno = 0;                                                                                     \
    long r_ = C5(fl, 0, 0, 0, 0);                                                                  \
    if (r_ == 0) _exit(0);                                                                         \
    P("clone %s: %s %d\n", #fl, r_ > 0 ? "ok" : "fail", r_ > 0 ? 0 : errno);                       \
    reap();                                                                                        \
  } while (0)
static int cl3(struct clone_args *a, size_t n, const char *nm) {
  errno = 0;
  long r = C3(a, n);
  if (r == 0) _exit(7);
  P("%s: %s %d\n", nm, r > 0 ? "ok" : "fail", r > 0 ? 0 : errno);
  int st = 0;
  if (r > 0) {
    pid_t w = waitpid(r, &st, __WALL);
    P("  st %x\n", w == r ? st : -errno);
  }
  reap();
  return r;
}
#define A3(nm, ...)                                                                                \
  do {                                                                                             \
    struct clone_args a = {.exit_signal = SIGCHLD, __VA_ARGS__};                                   \
    cl3(&a, sizeof a, nm);                                                                         \
  } while (0)
static void *chstk;
static char stk[65536] __attribute__((aligned(16)));
int main() {
  signal(64, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  CL(SIGCHLD);
  CL(0);
  CL(64);
  CL(65);
  CL(0xff);
  CL(128);
  CL(CLONE_THREAD | SIGCHLD);
  CL(CLONE_SIGHAND | SIGCHLD);
  CL(CLONE_THREAD | CLONE_SIGHAND);
  CL(CLONE_NEWNS | CLONE_FS | SIGCHLD);
  CL(CLONE_NEWUSER | CLONE_FS | SIGCHLD);
  CL(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD);
  CL(CLONE_PIDFD | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM);
  CL(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD);
  CL(CLONE_PIDFD | SIGCHLD);
  CL(CLONE_DETACHED | SIGCHLD);
  CL(CLONE_UNTRACED | SIGCHLD);
  CL(CLONE_PTRACE | SIGCHLD);
  CL(CLONE_IO | SIGCHLD);
  CL(CLONE_SYSVSEM | SIGCHLD);
  CL(CLONE_PARENT_SETTID | SIGCHLD);
  CL(CLONE_CHILD_SETTID | SIGCHLD);
  CL(CLONE_CHILD_CLEARTID | SIGCHLD);
  CL(CLONE_VFORK | SIGCHLD);
  CL(CLONE_FILES | SIGCHLD);
  CL(CLONE_FS | SIGCHLD);
  CL(SIGUSR1);
  int pfd = -1;
  pid_t ptid = 0, ctid = 0;
  long r = C5(CLONE_PIDFD | SIGCHLD, 0, &pfd, 0, 0);
  if (!r) _exit(3);
  struct pollfd pp = {pfd, POLLIN};
  poll(&pp, 1, -1);
  P("pidfd %d rev %x flags %d\n", pfd, pp.revents, fcntl(pfd, F_GETFD));
  reap();
  close(pfd);
  r = C5(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &ptid, &ctid, 0);
  if (!r) {
    _exit(ctid == getpid());
  }
  int st;
  waitpid(r, &st, 0);
  P("ptid %d child %d parent's ctid %d\n", ptid == r, WEXITSTATUS(st), ctid);
  fflush(0);
  r = C5(CLONE_PARENT_SETTID | SIGCHLD, 0, 1, 0, 0);
  if (!r) _exit(0);
  P("bad ptid %d\n", r > 0);
  reap();
  r = C5(CLONE_PIDFD | SIGCHLD, 0, 1, 0, 0);
  if (!r) _exit(0);
  P("bad pidfd %d %d\n", r > 0, errno);
  reap();
  // clone3
  struct clone_args a = {0};
  P("-- clone3\n");
  errno = 0;
  R(C3(0, 64));
  R(C3((void *)-1, 64));
  R(C3((void *)8, 64));
  R(C3(&a, 0));
  R(C3(&a, 63));
  R(C3(&a, 4097));
  R(C3((void *)-1, 4097));
  {
    char big[4096] = {0};
    ((struct clone_args *)big)->exit_signal = SIGCHLD;
    cl3((void *)big, 4096, "big zero");
    big[4000] = 1;
    cl3((void *)big, 4096, "big nonzero");
  }
  a.exit_signal = SIGCHLD;
  cl3(&a, 64, "v0");
  cl3(&a, 72, "72");
  cl3(&a, 80, "80");
  cl3(&a, 88, "88");
  A3("exit 64", .exit_signal = 64);
  A3("exit 65", .exit_signal = 65);
  A3("exit 0", .exit_signal = 0);
  A3("exit 1<<32", .exit_signal = 1ull << 32 | SIGCHLD);
  A3("exit 0x100", .exit_signal = 0x100);
  A3("flags csignal", .flags = SIGCHLD);
  A3("detached", .flags = CLONE_DETACHED);
  A3("parent+exit", .flags = CLONE_PARENT);
  if (0) A3("parent", .flags = CLONE_PARENT, .exit_signal = 0);
  A3("thread exit", .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM);
  A3("bit 34", .flags = 1ull << 34);
  A3("bit 63", .flags = 1ull << 63);
  A3("into cgroup", .flags = CLONE_INTO_CGROUP, .cgroup = -1);
  A3("into cgroup big", .flags = CLONE_INTO_CGROUP, .cgroup = 1ull << 32);
  A3("into cgroup 999", .flags = CLONE_INTO_CGROUP, .cgroup = 999);
  A3("cgroup w/o flag", .cgroup = 5);
  A3("stack no size", .stack = (uintptr_t)stk);
  A3("size no stack", .stack_size = 4096);
  A3("stack wild", .stack = 1ull << 48, .stack_size = 4096);
  if (0) A3("stack ok", .stack = (uintptr_t)stk, .stack_size = sizeof stk, .flags = CLONE_VFORK);
  A3("clear sighand+sighand", .flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM);
  A3("clear sighand", .flags = CLONE_CLEAR_SIGHAND);
  A3("pidfd no ptr", .flags = CLONE_PIDFD);
  A3("pidfd bad", .flags = CLONE_PIDFD, .pidfd = 8);
  int f2;
  A3("pidfd detached", .flags = CLONE_PIDFD | CLONE_DETACHED, .pidfd = (uintptr_t)&f2);
  A3("pidfd+parent_settid same", .flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
     .pidfd = (uintptr_t)&f2, .parent_tid = (uintptr_t)&f2);
  if (0) A3("bad parent", .flags = CLONE_PARENT_SETTID, .parent_tid = 8);
  if (0) A3("tls bad", .flags = CLONE_SETTLS, .tls = 1ull << 63);
  if (0) A3("tls bad2", .flags = CLONE_SETTLS, .tls = 0x7ffffffff000);
  pid_t tids[40] = {0};
  A3("set_tid size no ptr", .set_tid_size = 1);
  A3("set_tid ptr no size", .set_tid = (uintptr_t)tids);
  A3("set_tid 33", .set_tid = (uintptr_t)tids, .set_tid_size = 33);
  if (0) A3("set_tid bad", .set_tid = 8, .set_tid_size = 1);
  tids[0] = 0;
  A3("set_tid 0", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  tids[0] = -1;
  A3("set_tid -1", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  tids[0] = 1;
  A3("set_tid 1", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  tids[0] = 4999;
  A3("set_tid 4999", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  tids[0] = 1 << 30;
  A3("set_tid max", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  tids[0] = getpid();
  A3("set_tid own", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  // clear_sighand semantics
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, (void *)reap);
  {
    struct clone_args b = {.exit_signal = SIGCHLD, .flags = CLONE_CLEAR_SIGHAND};
    r = C3(&b, sizeof b);
    if (!r) {
      struct sigaction s1, s2;
      sigaction(SIGUSR1, 0, &s1);
      sigaction(SIGUSR2, 0, &s2);
      _exit((s1.sa_handler == SIG_IGN) << 1 | (s2.sa_handler == SIG_DFL));
    }
    waitpid(r, &st, 0);
    P("clear: %d\n", WEXITSTATUS(st));
  }
  // exit signal info
  {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    sigaddset(&s, SIGCHLD);
    sigprocmask(SIG_BLOCK, &s, 0);
    struct clone_args b = {.exit_signal = SIGRTMIN};
    r = C3(&b, sizeof b);
    if (!r) _exit(9);
    siginfo_t si;
    sigwaitinfo(&s, &si);
    P("sig %d code %d pid %d status %d uid %d\n", si.si_signo == SIGRTMIN, si.si_code,
      si.si_pid == r, si.si_status, si.si_uid);
    R(waitpid(-1, &st, 0));
    R(waitpid(-1, &st, __WCLONE) == r);
  }
  // exit_signal 0 after execve → SIGCHLD
  // non root
  setgid(1000);
  setuid(1000);
  tids[0] = 4998;
  A3("set_tid nonroot", .set_tid = (uintptr_t)tids, .set_tid_size = 1);
  CL(CLONE_NEWNS | SIGCHLD);
  CL(CLONE_NEWUTS | SIGCHLD);
  CL(CLONE_NEWIPC | SIGCHLD);
  CL(CLONE_NEWPID | SIGCHLD);
  CL(CLONE_NEWNET | SIGCHLD);
  CL(CLONE_NEWCGROUP | SIGCHLD);
  // RLIMIT_NPROC
  struct rlimit rl = {1, 1};
  R(setrlimit(RLIMIT_NPROC, &rl));
  CL(SIGCHLD);
}
