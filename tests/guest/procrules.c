/* Descriptors of processes, reaching into others, threads that wait and exec, orphans, and what
 * kills. */
// link: -pthread
#include "guest.h"
#include <sys/syscall.h>
#include <poll.h>
#include <sys/uio.h>
#include <sys/prctl.h>
#include <pthread.h>
#include <sys/ptrace.h>
#define V(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %ld %d\n", #n, #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                            \
    r_;                                                                                            \
  })
#define F(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %s %d\n", #n, #__VA_ARGS__, r_ < 0 ? "fail" : "ok", r_ == -1 ? errno : 0);         \
    r_;                                                                                            \
  })
static volatile int got;
static siginfo_t si;
static void h(int s, siginfo_t *i, void *u) {
  got = s;
  si = *i;
}
static void *thr(void *a) {
  *(volatile int *)a = syscall(SYS_gettid);
  pause();
  return 0;
}
static void *ex(void *a) {
  char *av[] = {"sh", "-c", "exit 7", 0};
  execv("/bin/sh", av);
  return 0;
}
static void *we(void *a) {
  int st;
  errno = 0;
  int r = waitpid(-1, &st, __WNOTHREAD | WNOHANG);
  P("other thread: %d %d\n", r, errno);
  pid_t c = fork();
  if (!c) _exit(3);
  r = waitpid(-1, &st, __WNOTHREAD);
  P("own %d %x\n", r == c, st);
  return 0;
}
int main() {
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  int st;
  P("-- pidfd\n");
  int me = F(SYS_pidfd_open, getpid(), 0);
  P("%d\n", fcntl(me, F_GETFD));
  V(SYS_pidfd_open, 0, 0);
  V(SYS_pidfd_open, -1, 0);
  V(SYS_pidfd_open, 99999, 0);
  V(SYS_pidfd_open, getpid(), 1);
  V(SYS_pidfd_open, getpid(), -1);
  int nb = syscall(SYS_pidfd_open, getpid(), O_NONBLOCK);
  P("%x\n", fcntl(nb, F_GETFL) & O_NONBLOCK);
  int tid = 0;
  pthread_t t;
  pthread_create(&t, 0, thr, &tid);
  while (!tid) usleep(100);
  F(SYS_pidfd_open, tid, O_EXCL);
  V(SYS_pidfd_send_signal, me, SIGUSR1, 0, 0);
  P("got %d code %d\n", got, si.si_code);
  got = 0;
  siginfo_t i = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  i.si_value.sival_int = 5;
  V(SYS_pidfd_send_signal, me, SIGUSR1, &i, 0);
  P("got %d code %d %d\n", got, si.si_code, si.si_value.sival_int);
  V(SYS_pidfd_send_signal, me, SIGUSR2, &i, 0);
  V(SYS_pidfd_send_signal, me, 0, 0, 0);
  V(SYS_pidfd_send_signal, me, 99, 0, 0);
  V(SYS_pidfd_send_signal, -1, 0, 0, 0);
  V(SYS_pidfd_send_signal, 0, 0, 0, 0);
  V(SYS_pidfd_send_signal, me, 0, 8, 0);
  V(SYS_pidfd_send_signal, me, 0, 0, 8);
  int pd = open("/proc/self", O_DIRECTORY);
  V(SYS_pidfd_send_signal, pd, 0, 0, 0);
  int p1 = syscall(SYS_pidfd_open, 1, 0);
  i.si_signo = 0;
  i.si_code = SI_USER;
  V(SYS_pidfd_send_signal, p1, 0, &i, 0);
  INPROC(1000, V(SYS_pidfd_send_signal, p1, 0, 0, 0); F(SYS_pidfd_open, 1, 0));
  int old = open("/proc/self/status", O_RDONLY);
  V(SYS_pidfd_send_signal, old, 0, 0, 0);
  pid_t c = fork();
  if (!c) {
    pause();
  }
  int cf = syscall(SYS_pidfd_open, c, 0);
  struct pollfd pf = {cf, POLLIN};
  R(poll(&pf, 1, 0));
  int fds[2];
  pipe(fds);
  F(SYS_pidfd_getfd, cf, 1, 0);
  V(SYS_pidfd_getfd, cf, 1, 1);
  V(SYS_pidfd_getfd, cf, 999, 0);
  V(SYS_pidfd_getfd, -1, 0, 0);
  V(SYS_pidfd_getfd, 0, 0, 0);
  INPROC(1000, V(SYS_pidfd_getfd, cf, 0, 0));
  kill(c, 9);
  R(poll(&pf, 1, 1000));
  P("%x\n", pf.revents);
  V(SYS_pidfd_getfd, cf, 0, 0);
  V(SYS_pidfd_send_signal, cf, 0, 0, 0);
  wait(0);
  R(poll(&pf, 1, 0));
  P("%x\n", pf.revents);
  V(SYS_pidfd_send_signal, cf, 0, 0, 0);
  V(SYS_pidfd_getfd, cf, 0, 0);
  char l[300];
  FILE *f;
  sprintf(l, "/proc/self/fdinfo/%d", me);
  f = fopen(l, "r");
  while (fgets(l, 300, f))
    if (!strncmp(l, "Pid", 3) || !strncmp(l, "NSpid", 5))
      P("%.4s %d\n", l, atoi(l + 5) == getpid() || atoi(l + 6) == getpid());
  fclose(f);
  P("-- process_vm\n");
  char a[100] = "aaaaaaaaa", b[100] = "bbbbbbbbb";
  struct iovec lo[2] = {{a, 4}, {a + 5, 3}}, re[2] = {{b, 2}, {b + 3, 5}};
  pid_t p = getpid();
  V(SYS_process_vm_readv, p, lo, 2ul, re, 2ul, 0ul);
  P("%s\n", a);
  V(SYS_process_vm_writev, p, lo, 2ul, re, 2ul, 0ul);
  V(SYS_process_vm_readv, p, lo, 2ul, re, 2ul, 1ul);
  V(SYS_process_vm_readv, p, lo, 1025ul, re, 2ul, 0ul);
  V(SYS_process_vm_readv, p, lo, 2ul, re, 1025ul, 0ul);
  V(SYS_process_vm_readv, p, 0, 0ul, re, 2ul, 0ul);
  V(SYS_process_vm_readv, p, 8, 1ul, re, 2ul, 0ul);
  V(SYS_process_vm_readv, p, lo, 2ul, 8, 1ul, 0ul);
  V(SYS_process_vm_readv, 99999, lo, 2ul, re, 2ul, 0ul);
  re[1].iov_base = (void *)8;
  V(SYS_process_vm_readv, p, lo, 2ul, re, 2ul, 0ul);
  re[0].iov_base = (void *)8;
  V(SYS_process_vm_readv, p, lo, 2ul, re, 2ul, 0ul);
  re[0].iov_len = -1;
  V(SYS_process_vm_readv, p, lo, 2ul, re, 2ul, 0ul);
  lo[0].iov_base = (void *)8;
  re[0] = (struct iovec){b, 10};
  V(SYS_process_vm_readv, p, lo, 2ul, re, 1ul, 0ul);
  lo[0].iov_len = -1;
  V(SYS_process_vm_readv, p, lo, 2ul, re, 1ul, 0ul);
  lo[0] = (struct iovec){a, 4};
  INPROC(1000, V(SYS_process_vm_readv, p, lo, 1ul, re, 1ul, 0ul));
  INPROC(0, prctl(PR_SET_DUMPABLE, 0); V(SYS_process_vm_readv, getpid(), lo, 1ul, re, 1ul, 0ul));
  P("-- kcmp\n");
  V(SYS_kcmp, p, p, 0, 1, 1);
  V(SYS_kcmp, p, p, 0, 1, 999);
  V(SYS_kcmp, p, p, 99, 0, 0);
  V(SYS_kcmp, p, p, -1, 0, 0);
  V(SYS_kcmp, 0, p, 0, 0, 0);
  V(SYS_kcmp, 99999, p, 0, 0, 0);
  for (int k = 1; k < 7; k++) V(SYS_kcmp, p, p, k, 0, 0);
  INPROC(0, int r = syscall(SYS_kcmp, getpid(), p, 1, 0, 0); P("vm %d\n", r > 0);
         r = syscall(SYS_kcmp, getpid(), p, 0, 1, 1); P("same file %d\n", r);
         r = syscall(SYS_kcmp, getpid(), p, 2, 0, 0); P("files differ %d\n", r > 0));
  INPROC(1000, V(SYS_kcmp, 1, getpid(), 1, 0, 0));
  V(SYS_kcmp, p, p, 7, 0, 0);
  V(SYS_kcmp, p, p, 8, 0, 0);
  P("-- threads\n");
  c = fork();
  if (!c) {
    pthread_t q;
    pthread_create(&q, 0, ex, 0);
    pause();
  }
  waitpid(c, &st, 0);
  P("exec from thread %x\n", st);
  c = fork();
  if (!c) {
    msleep(50);
    _exit(2);
  }
  pthread_t q;
  pthread_create(&q, 0, we, 0);
  pthread_join(q, 0);
  R(waitpid(c, &st, __WNOTHREAD) == c);
  c = fork();
  if (!c) {
    pthread_t q;
    int z = 0;
    pthread_create(&q, 0, thr, &z);
    while (!z) usleep(100);
    syscall(SYS_exit, 5);
  }
  int pid;
  char cm[20], s = 0;
  sprintf(l, "/proc/%d/stat", c);
  for (int i = 0; i < 200 && s != 'Z'; i++) {
    msleep(20);
    f = fopen(l, "r");
    fscanf(f, "%d %s %c", &pid, cm, &s);
    fclose(f);
  }
  R(waitpid(c, &st, WNOHANG));
  P("leader state %c\n", s);
  kill(c, SIGTERM);
  R(waitpid(c, &st, 0) == c);
  P("%x\n", st);
  P("-- vfork\n");
  volatile int vv = 0;
  c = vfork();
  if (!c) {
    vv = 5;
    _exit(0);
  }
  P("vv %d\n", vv);
  wait(0);
  c = vfork();
  if (!c) {
    execl("/nonexistent", "x", (char *)0);
    _exit(errno);
  }
  wait(&st);
  P("%x\n", st);
  P("-- subreaper\n");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int pp[2];
  pipe(pp);
  c = fork();
  if (!c) {
    if (!fork()) {
      while (getppid() == getpid());
      msleep(30);
      int ok = getppid();
      write(pp[1], &ok, 4);
      _exit(9);
    }
    _exit(0);
  }
  waitpid(c, &st, 0);
  int ok = 0;
  read(pp[0], &ok, 4);
  P("reparented %d\n", ok == getpid());
  R(wait(&st) > 0);
  P("%x\n", st);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  P("-- orphan stop\n");
  INPROC(
      0, setsid(); c = fork(); if (!c) {
        setpgid(0, 0);
        pid_t d = fork();
        if (!d) {
          struct sigaction sb = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
          sigaction(SIGHUP, &sb, 0);
          raise(SIGSTOP);
          int r = got;
          write(pp[1], &r, 4);
          _exit(0);
        }
        waitpid(d, &st, WUNTRACED);
        _exit(0);
      } waitpid(c, &st, 0);
      ok = 0; read(pp[0], &ok, 4); P("hup %d\n", ok); wait(0););
  c = fork();
  if (!c) {
    setsid();
    raise(SIGTSTP);
    raise(SIGTTIN);
    _exit(4);
  }
  waitpid(c, &st, WUNTRACED);
  P("orphaned group ignores tstp %x\n", st);
  c = fork();
  if (!c) {
    raise(SIGSTOP);
    _exit(4);
  }
  waitpid(c, &st, WUNTRACED);
  P("%x\n", st);
  kill(c, SIGCONT);
  waitpid(c, &st, 0);
  P("%x\n", st);
  P("-- signals\n");
  INPROC(0, signal(SIGSEGV, SIG_IGN); *(volatile int *)0 = 0);
  INPROC(0, sigset_t m; sigfillset(&m); sigprocmask(SIG_BLOCK, &m, 0); *(volatile int *)0 = 0);
  INPROC(0, struct rlimit r = {0, 0}; setrlimit(RLIMIT_CORE, &r); __builtin_trap());
  INPROC(0, volatile int z = 0; z = 1 / z);
  INPROC(0, int fd = open("/tmp/mbus", O_CREAT | O_RDWR | O_TRUNC, 0600);
         char *m = mmap(0, 4096, 3, MAP_SHARED, fd, 0); *m = 1);
  INPROC(0, asm volatile("int3"));
  INPROC(0, asm volatile("cli"));
}
