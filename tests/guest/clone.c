#include "guest.h"
#include <linux/sched.h>
#include <poll.h>
#include <sys/ioctl.h>
int clone(int (*)(void *), void *, int, void *, ...);
#define PIDFD_SIG SYS_pidfd_send_signal
static int v, fdv;
static int child(void *a) {
  v = (int)(long)a;
  close(fdv);
  chdir("/");
  umask(077);
  return 12;
}
static long clone3(struct clone_args *c) { return syscall(SYS_clone3, c, sizeof *c); }
int main(void) {
  char *stk = malloc(65536);
  stk += 65536;
  int st;
  fdv = dup(1);
  chdir("/tmp");
  umask(022);
  pid_t p = clone(child, stk, SIGCHLD, (void *)5L);
  waitpid(p, &st, 0);
  R(v);
  R(WEXITSTATUS(st));
  R(fcntl(fdv, F_GETFD));
  p = clone(child, stk, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, (void *)6L);
  waitpid(p, &st, 0);
  R(v);
  R(fcntl(fdv, F_GETFD));
  char cwd[100];
  puts(getcwd(cwd, 100));
  R(umask(022));
  chdir("/tmp");
  p = clone(child, stk, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)7L);
  R(v);
  waitpid(p, &st, 0);
  p = clone(child, stk, 0, (void *)8L);
  R(waitpid(p, &st, 0));
  R(waitpid(p, &st, __WCLONE) == p);
  R(clone(child, stk, CLONE_THREAD, 0));
  R(clone(child, stk, CLONE_SIGHAND, 0));
  R(clone(child, stk, CLONE_FS | CLONE_NEWNS, 0));
  int ptid = 0, ctid = 0;
  p = clone(child, stk, CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_VM | SIGCHLD, (void *)1L,
            &ptid, 0, &ctid);
  waitpid(p, &st, 0);
  R(ptid == p);
  R(ctid);
  struct clone_args c;
  memset(&c, 0, sizeof c);
  int pidfd = -1;
  c.flags = CLONE_PIDFD;
  c.pidfd = (uintptr_t)&pidfd;
  c.exit_signal = SIGCHLD;
  p = clone3(&c);
  if (!p) {
    msleep(30);
    _exit(21);
  }
  R(pidfd >= 0);
  struct pollfd pf = {pidfd, POLLIN, 0};
  R(poll(&pf, 1, 0));
  R(syscall(PIDFD_SIG, pidfd, 0, 0, 0));
  R(poll(&pf, 1, 5000));
  R(pf.revents);
  siginfo_t si;
  R(waitid(P_PIDFD, pidfd, &si, WEXITED));
  R(si.si_status);
  R(syscall(PIDFD_SIG, pidfd, 0, 0, 0));
  R(fcntl(pidfd, F_GETFD));
  close(pidfd);
  int self = syscall(SYS_pidfd_open, getpid(), 0);
  R(self >= 0);
  R(syscall(SYS_pidfd_open, 999999, 0));
  R(syscall(SYS_pidfd_open, -1, 0));
  c.flags = CLONE_CLEAR_SIGHAND;
  c.pidfd = 0;
  signal(SIGUSR1, SIG_IGN);
  p = clone3(&c);
  if (!p) {
    struct sigaction sa;
    sigaction(SIGUSR1, 0, &sa);
    _exit(sa.sa_handler == SIG_IGN ? 1 : 2);
  }
  waitpid(p, &st, 0);
  R(WEXITSTATUS(st));
  R(syscall(SYS_clone3, &c, 8));
  c.exit_signal = 100;
  R(clone3(&c));
  c.exit_signal = SIGUSR2;
  c.flags = 0;
  signal(SIGUSR2, SIG_IGN);
  p = clone3(&c);
  if (!p) _exit(0);
  R(waitpid(p, &st, __WALL) == p);
  return 0;
}
