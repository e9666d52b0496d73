/* wait4 and waitid: options, kinds of ids, stops and continuations, children that leave no zombie.
 */
#include "guest.h"
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <poll.h>
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
static void show(siginfo_t *i) {
  P("  si %d code %d st %d pid? %d uid %d err %d\n", i->si_signo, i->si_code, i->si_status,
    i->si_pid != 0, i->si_uid, i->si_errno);
}
#define WI(t, id, o)                                                                               \
  do {                                                                                             \
    siginfo_t i;                                                                                   \
    memset(&i, 0x55, sizeof i);                                                                    \
    errno = 0;                                                                                     \
    long r = syscall(SYS_waitid, t, id, &i, o, 0);                                                 \
    P("waitid %s %s: %ld %d\n", #t, #o, r, errno);                                                 \
    if (!r) show(&i);                                                                              \
  } while (0)
int main() {
  int st;
  R(wait4(-1, 0, 0, 0));
  R(waitpid(0, 0, 0));
  R(waitpid(INT_MIN, 0, 0));
  R(waitpid(-INT_MAX, 0, 0));
  R(waitpid(99999, 0, WNOHANG));
  R(waitpid(-1, 0, 0x10));
  R(waitpid(-1, 0, -1));
  R(waitpid(-1, 0, WNOWAIT));
  R(waitpid(-1, 0, WEXITED));
  R(syscall(SYS_wait4, INT_MIN + 1, 0, 0, 0));
  WI(P_ALL, 0, 0);
  WI(P_ALL, 0, WNOHANG);
  WI(P_ALL, 0, WEXITED);
  WI(P_ALL, 0, WEXITED | 0x10);
  WI(P_ALL, -5, WEXITED | WNOHANG);
  WI(P_PID, 0, WEXITED);
  WI(P_PID, -1, WEXITED);
  WI(P_PGID, -1, WEXITED);
  WI(P_PGID, 0, WEXITED);
  WI(4, 0, WEXITED);
  WI(-1, 0, WEXITED);
  WI(P_PIDFD, -1, WEXITED);
  WI(P_PIDFD, 999, WEXITED);
  WI(P_PIDFD, 0, WEXITED);
  pid_t c = fork();
  if (!c) {
    pause();
    _exit(0);
  }
  WI(P_PID, c, WNOHANG | WEXITED);
  WI(P_PID, c, WNOHANG | WSTOPPED);
  WI(P_PID, c, WNOHANG | WCONTINUED);
  kill(c, SIGSTOP);
  WI(P_PID, c, WSTOPPED | WNOWAIT);
  WI(P_PID, c, WSTOPPED);
  WI(P_PID, c, WSTOPPED | WNOHANG);
  R(waitpid(c, &st, WUNTRACED | WNOHANG));
  kill(c, SIGCONT);
  WI(P_PID, c, WCONTINUED | WNOWAIT);
  R(waitpid(c, &st, WCONTINUED) == c);
  P("%x\n", st);
  WI(P_PID, c, WCONTINUED | WNOHANG);
  kill(c, SIGSTOP);
  R(waitpid(c, &st, WUNTRACED) == c);
  P("%x\n", st);
  kill(c, SIGKILL);
  WI(P_PID, c, WSTOPPED | WEXITED | WNOWAIT);
  R(waitpid(c, &st, 0) == c);
  P("%x\n", st);
  // stop without waiting, then continue : stop lost
  c = fork();
  if (!c) {
    pause();
    _exit(0);
  }
  kill(c, SIGSTOP);
  msleep(20);
  kill(c, SIGCONT);
  msleep(20);
  R(waitpid(c, &st, WUNTRACED | WNOHANG));
  R(waitpid(c, &st, WCONTINUED | WNOHANG) == c);
  kill(c, SIGTERM);
  R(waitpid(c, (int *)8, 0));
  R(waitpid(c, &st, 0));
  // core dump flag
  c = fork();
  if (!c) {
    struct rlimit r = {0, 0};
    setrlimit(RLIMIT_CORE, &r);
    abort();
  }
  waitpid(c, &st, 0);
  P("abort %x\n", st);
  // status exits
  for (int i = 0; i < 3; i++) {
    c = fork();
    if (!c) _exit((int[]){256 + 7, -1, 0x1234}[i]);
    WI(P_PID, c, WEXITED | WNOWAIT);
    waitpid(c, &st, 0);
    P("%x\n", st);
  }
  // ignore SIGCHLD
  signal(SIGCHLD, SIG_IGN);
  c = fork();
  if (!c) _exit(1);
  R(waitpid(c, &st, 0));
  signal(SIGCHLD, SIG_DFL);
  c = fork();
  if (!c) _exit(1);
  msleep(20);
  signal(SIGCHLD, SIG_IGN);
  R(waitpid(-1, &st, 0) > 0);
  struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &sa, 0);
  c = fork();
  if (!c) _exit(1);
  R(waitpid(c, &st, 0));
  signal(SIGCHLD, SIG_DFL);
  // NOCLDSTOP
  // pidfd wait
  c = fork();
  if (!c) {
    msleep(30);
    _exit(5);
  }
  int fd = syscall(SYS_pidfd_open, c, 0);
  WI(P_PIDFD, fd, WEXITED | WNOHANG);
  int fdn = syscall(SYS_pidfd_open, c, O_NONBLOCK);
  WI(P_PIDFD, fdn, WEXITED);
  struct pollfd pf = {fd, POLLIN};
  R(poll(&pf, 1, 1000));
  P("%x\n", pf.revents);
  WI(P_PIDFD, fdn, WEXITED | WNOWAIT);
  WI(P_PIDFD, fd, WEXITED);
  WI(P_PIDFD, fd, WEXITED);
  R(poll(&pf, 1, 0));
  P("%x\n", pf.revents);
  // rusage
  c = fork();
  if (!c) _exit(0);
  struct rusage ru;
  memset(&ru, 0x55, sizeof ru);
  R(wait4(c, &st, 0, &ru) == c);
  P("%ld %ld %d\n", ru.ru_utime.tv_sec, ru.ru_nsignals, ru.ru_maxrss > 100);
  c = fork();
  if (!c) _exit(0);
  R(wait4(c, &st, 0, (void *)8));
  R(wait4(c, &st, 0, 0));
  c = fork();
  if (!c) _exit(0);
  msleep(10);
  R(syscall(SYS_waitid, P_PID, c, 8, WEXITED | WNOWAIT, 0));
  R(syscall(SYS_waitid, P_PID, c, 0, WEXITED, 8));
  R(syscall(SYS_waitid, P_PID, c, 0, WEXITED, 0));
  // groups
  c = fork();
  if (!c) {
    setpgid(0, 0);
    _exit(3);
  }
  msleep(10);
  R(waitpid(0, &st, WNOHANG));
  R(waitpid(-c, &st, 0) == c);
  WI(P_PGID, c, WEXITED);
  // EINTR
  signal(SIGALRM, (void (*)(int))msleep);
  struct sigaction s2 = {.sa_handler = (void (*)(int))show};
  sa.sa_handler = (void *)getpid;
  sa.sa_flags = 0;
  sigaction(SIGALRM, &sa, 0);
  c = fork();
  if (!c) {
    pause();
    _exit(0);
  }
  struct itimerval it = {{0}, {0, 20000}};
  setitimer(ITIMER_REAL, &it, 0);
  R(waitpid(c, &st, 0));
  setitimer(ITIMER_REAL, &it, 0);
  WI(P_ALL, 0, WEXITED);
  kill(c, 9);
  wait(0);
  // getrusage
  struct rusage r;
  R(getrusage(5, &r));
  R(getrusage(-2, &r));
  R(getrusage(RUSAGE_CHILDREN, &r));
  R(getrusage(RUSAGE_THREAD, &r));
  R(getrusage(0, (void *)8));
  R(syscall(SYS_times, 0) > 0);
  R(syscall(SYS_times, 8));
  // exit_group from thread etc.
}
