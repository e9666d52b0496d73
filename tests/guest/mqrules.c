/* POSIX message queues: names, attributes, limits, notification, timeouts. */
#include "guest.h"
#include <mqueue.h>
#include <poll.h>
#define S(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %ld %d\n", #n, #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                            \
    r_;                                                                                            \
  })
static volatile int got;
static siginfo_t si;
static void h(int s, siginfo_t *i, void *u) {
  got++;
  si = *i;
}
static void nop(int s) {}
static void put(const char *p, const char *v) {
  int f = open(p, O_WRONLY);
  if (f < 0) {
    P("%s: open %d\n", p, errno);
    return;
  }
  errno = 0;
  int n = write(f, v, strlen(v));
  P("%s <- %s: %d %d\n", p, v, n, n < 0 ? errno : 0);
  close(f);
}
#define MQ "/proc/sys/fs/mqueue/"
int main() {
  struct mq_attr a = {0, 10, 100, 0}, o;
  char b[9000];
  unsigned pr;
  struct timespec t;
  char ln[300];
  memset(ln, 'a', 299);
  ln[299] = 0;
  drop_sys_resource();
  P("-- open\n");
  S(SYS_mq_open, "q", O_RDWR, 0600, 0);
  S(SYS_mq_open, "", O_CREAT | O_RDWR, 0600, 0);
  S(SYS_mq_open, "a/b", O_CREAT | O_RDWR, 0600, 0);
  S(SYS_mq_open, "/q", O_CREAT | O_RDWR, 0600, 0);
  S(SYS_mq_open, 8, O_CREAT | O_RDWR, 0600, 0);
  S(SYS_mq_open, ln, O_CREAT | O_RDWR, 0600, 0);
  ln[256] = 0;
  S(SYS_mq_open, ln, O_CREAT | O_RDWR, 0600, 0);
  ln[255] = 0;
  int q = S(SYS_mq_open, ln, O_CREAT | O_RDWR, 0600, 0);
  close(q);
  S(SYS_mq_unlink, ln);
  S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, 8);
  S(SYS_mq_open, ".", O_CREAT | O_RDWR, 0600, 0);
  S(SYS_mq_open, "..", O_RDWR, 0600, 0);
  a.mq_maxmsg = 0;
  S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a);
  a.mq_maxmsg = -1;
  S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a);
  a.mq_maxmsg = 11;
  S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a);
  a.mq_maxmsg = 10;
  a.mq_msgsize = 0;
  S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a);
  a.mq_msgsize = 8193;
  S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a);
  a.mq_msgsize = 100;
  a.mq_flags = O_NONBLOCK;
  q = S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a);
  mq_getattr(q, &o);
  P("%lx %ld %ld %ld\n", o.mq_flags, o.mq_maxmsg, o.mq_msgsize, o.mq_curmsgs);
  S(SYS_mq_open, "q", O_CREAT | O_EXCL | O_RDWR, 0600, &a);
  S(SYS_mq_open, "q", 3, 0, 0);
  INPROC(1000, S(SYS_mq_open, "q", O_RDONLY, 0, 0); S(SYS_mq_unlink, "q");
         S(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, &a));
  S(SYS_mq_unlink, "nope");
  S(SYS_mq_unlink, 8);
  S(SYS_mq_unlink, "");
  int ro = S(SYS_mq_open, "q", O_RDONLY, 0, 0) >= 0 ? (int)syscall(SYS_mq_open, "q", O_RDONLY, 0, 0)
                                                    : -1,
      wo = syscall(SYS_mq_open, "q", O_WRONLY, 0, 0),
      nb = syscall(SYS_mq_open, "q", O_RDWR | O_NONBLOCK, 0, 0);
  struct rlimit l = {5, 5};
  INPROC(0, l.rlim_cur = l.rlim_max = getdtablesize() > 0 ? 0 : 0; struct rlimit m = {4, 4};
         setrlimit(RLIMIT_NOFILE, &m); S(SYS_mq_open, "q", O_RDONLY, 0, 0));
  INPROC(0, struct rlimit m = {100, 100}; setrlimit(RLIMIT_MSGQUEUE, &m); a.mq_flags = 0;
         S(SYS_mq_open, "q2", O_RDWR | O_CREAT, 0600, &a));
  P("-- send\n");
  S(SYS_mq_timedsend, q, b, 101, 0, 0);
  S(SYS_mq_timedsend, q, b, 100, 32768, 0);
  S(SYS_mq_timedsend, q, b, 100, 32767, 0);
  S(SYS_mq_timedsend, q, b, 0, 0, 0);
  S(SYS_mq_timedsend, ro, b, 1, 0, 0);
  S(SYS_mq_timedsend, -1, b, 1, 0, 0);
  S(SYS_mq_timedsend, 0, b, 1, 0, 0);
  S(SYS_mq_timedsend, q, 8, 1, 0, 0);
  S(SYS_mq_timedsend, q, b, 1, 0, 8);
  t = (struct timespec){0, 1000000000};
  S(SYS_mq_timedsend, q, b, 1, 0, &t);
  t = (struct timespec){-1, 0};
  S(SYS_mq_timedsend, q, b, 1, 0, &t);
  t = (struct timespec){0, -1};
  S(SYS_mq_timedsend, q, b, 1, 0, &t);
  P("-- recv\n");
  S(SYS_mq_timedreceive, q, b, 99, &pr, 0);
  S(SYS_mq_timedreceive, wo, b, 100, &pr, 0);
  S(SYS_mq_timedreceive, -1, b, 100, &pr, 0);
  S(SYS_mq_timedreceive, 0, b, 100, &pr, 0);
  S(SYS_mq_timedreceive, q, b, 100, &pr, 0);
  P("%u\n", pr);
  S(SYS_mq_timedreceive, q, b, 200, 0, 0);
  S(SYS_mq_timedreceive, nb, b, 100, &pr, 0);
  t = (struct timespec){0, 0};
  S(SYS_mq_timedreceive, q, b, 100, &pr, &t);
  t = (struct timespec){0, -1};
  S(SYS_mq_timedreceive, q, b, 100, &pr, &t);
  t = (struct timespec){-1, 0};
  S(SYS_mq_timedreceive, q, b, 100, &pr, &t);
  S(SYS_mq_timedreceive, nb, b, 100, &pr, &t);
  clock_gettime(0, &t);
  t.tv_nsec += 20000000;
  if (t.tv_nsec > 999999999) {
    t.tv_nsec -= 1000000000;
    t.tv_sec++;
  }
  S(SYS_mq_timedreceive, q, b, 100, &pr, &t);
  for (int i = 0; i < 10; i++) {
    b[0] = 'a' + i;
    syscall(SYS_mq_timedsend, q, b, 1, (i * 7) % 4, 0);
  }
  S(SYS_mq_timedsend, nb, b, 1, 0, 0);
  t = (struct timespec){0, 0};
  S(SYS_mq_timedsend, q, b, 1, 0, &t);
  {
    struct pollfd p = {q, POLLIN | POLLOUT};
    R(poll(&p, 1, 0));
    P("%x\n", p.revents);
  }
  for (int i = 0; i < 10; i++) {
    int n = syscall(SYS_mq_timedreceive, q, b, 100, &pr, 0);
    P("%d:%c/%u ", n, b[0], pr);
  }
  P("\n");
  {
    struct pollfd p = {q, POLLIN | POLLOUT};
    R(poll(&p, 1, 0));
    P("%x\n", p.revents);
  }
  S(SYS_mq_timedsend, q, b, 1, 0, 0);
  S(SYS_mq_timedreceive, q, 8, 100, 0, 0);
  mq_getattr(q, &o);
  P("after fault %ld\n", o.mq_curmsgs);
  P("-- attr\n");
  S(SYS_mq_getsetattr, -1, 0, &o);
  S(SYS_mq_getsetattr, 0, 0, &o);
  S(SYS_mq_getsetattr, q, 8, 0);
  S(SYS_mq_getsetattr, q, 0, 8);
  S(SYS_mq_getsetattr, q, 0, 0);
  a = (struct mq_attr){O_NONBLOCK | 1};
  S(SYS_mq_getsetattr, q, &a, &o);
  a = (struct mq_attr){O_NONBLOCK, 1, 1, 1};
  S(SYS_mq_getsetattr, q, &a, &o);
  P("%lx\n", o.mq_flags);
  S(SYS_mq_getsetattr, q, 0, &o);
  P("%lx %ld %ld %ld\n", o.mq_flags, o.mq_maxmsg, o.mq_msgsize, o.mq_curmsgs);
  a.mq_flags = 0;
  S(SYS_mq_getsetattr, q, &a, 0);
  P("-- notify\n");
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  struct sigevent e = {
      .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 33};
  while (syscall(SYS_mq_timedreceive, nb, b, 100, 0, 0) >= 0);
  S(SYS_mq_notify, -1, &e);
  S(SYS_mq_notify, 0, &e);
  S(SYS_mq_notify, q, 8);
  e.sigev_notify = 77;
  S(SYS_mq_notify, q, &e);
  e.sigev_notify = 0;
  e.sigev_signo = 65;
  S(SYS_mq_notify, q, &e);
  e.sigev_signo = SIGUSR1;
  S(SYS_mq_notify, q, &e);
  S(SYS_mq_notify, q, &e);
  INPROC(0, S(SYS_mq_notify, q, &e); S(SYS_mq_notify, q, 0));
  int f = open("/dev/mqueue/q", O_RDONLY);
  S(SYS_mq_timedsend, q, b, 1, 0, 0);
  P("got %d code %d val %d pid %d\n", got, si.si_code, si.si_value.sival_int,
    si.si_pid == getpid());
  S(SYS_mq_timedsend, q, b, 1, 0, 0);
  P("got %d\n", got);
  S(SYS_mq_notify, q, &e);
  S(SYS_mq_timedsend, q, b, 1, 0, 0);
  P("got %d\n", got);
  S(SYS_mq_notify, q, 0);
  S(SYS_mq_notify, q, 0);
  e.sigev_notify = SIGEV_NONE;
  S(SYS_mq_notify, q, &e);
  S(SYS_mq_notify, q, 0);
  while (syscall(SYS_mq_timedreceive, nb, b, 100, 0, 0) >= 0);
  e.sigev_notify = SIGEV_SIGNAL;
  pid_t c = fork();
  if (!c) {
    int n = syscall(SYS_mq_timedreceive, q, b, 100, 0, 0);
    _exit(n);
  }
  msleep(20);
  S(SYS_mq_notify, q, &e);
  got = 0;
  S(SYS_mq_timedsend, q, b, 1, 0, 0);
  wait(0);
  P("reader waiting: got %d\n", got);
  close(ro);
  S(SYS_mq_notify, q, &e);
  INPROC(0, msleep(1));
  S(SYS_mq_notify, q, 0);
  struct sigaction s2 = {.sa_handler = nop};
  sigaction(SIGALRM, &s2, 0);
  struct itimerval iv = {{0}, {0, 20000}};
  setitimer(0, &iv, 0);
  S(SYS_mq_timedreceive, q, b, 100, 0, 0);
  s2.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &s2, 0);
  setitimer(0, &iv, 0);
  clock_gettime(0, &t);
  t.tv_sec += 1;
  S(SYS_mq_timedreceive, q, b, 100, 0, &t);
  P("-- limits\n");
  put(MQ "queues_max", "1");
  INPROC(1000, S(SYS_mq_open, "q9", O_CREAT | O_RDWR, 0600, 0));
  S(SYS_mq_open, "q9", O_CREAT | O_RDWR, 0600, 0);
  put(MQ "queues_max", "256");
  put(MQ "msg_max", "0");
  put(MQ "msg_max", "65537");
  put(MQ "msg_max", "65536");
  put(MQ "msgsize_max", "127");
  put(MQ "msgsize_max", "16777217");
  put(MQ "msg_max", "10");
  put(MQ "msg_default", "5");
  put(MQ "msgsize_default", "200");
  int d = S(SYS_mq_open, "q8", O_CREAT | O_RDWR, 0600, 0);
  mq_getattr(d, &o);
  P("%ld %ld\n", o.mq_maxmsg, o.mq_msgsize);
  put(MQ "msg_default", "10");
  put(MQ "msgsize_default", "8192");
  S(SYS_mq_unlink, "q8");
  mq_getattr(d, &o);
  P("%ld\n", o.mq_maxmsg);
  S(SYS_mq_timedsend, d, b, 1, 0, 0);
  S(SYS_mq_unlink, "q");
  S(SYS_mq_unlink, "q");
  struct stat st;
  fstat(d, &st);
  P("%o %ld\n", st.st_mode, (long)st.st_size);
  R(lseek(d, 0, SEEK_SET));
  char rb[100] = {0};
  R(read(d, rb, 99));
  P("%s", rb);
  R(write(d, "x", 1));
  R(fcntl(d, F_GETFD));
  umask(022);
  int um = syscall(SYS_mq_open, "q7", O_CREAT | O_RDWR, 0777, 0);
  fstat(um, &st);
  P("%o\n", st.st_mode);
  mq_unlink("/q7");
}
