// link: -lrt
// POSIX message queues.
#include "guest.h"
#include <mqueue.h>
#include <poll.h>

static volatile sig_atomic_t told;
static int code, value;
static void handler(int sig, siginfo_t *si, void *u) {
  told++;
  code = si->si_code;
  value = si->si_value.sival_int;
}
static struct timespec in(int ms) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += ms * 1000000L;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}
static void attrs(mqd_t q) {
  struct mq_attr a;
  R(mq_getattr(q, &a));
  P("flags %ld max %ld size %ld now %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}
static char buf[9000];
static void take(mqd_t q) {
  unsigned prio = 99;
  ssize_t n = mq_receive(q, buf, sizeof buf, &prio);
  P("got %zd prio %u %.*s\n", n, prio, (int)(n < 0 ? 0 : n), buf);
}

int main(void) {
  struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 16};
  mq_unlink("/vq");
  R(mq_open("/vq", O_RDWR));
  R(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &a));
  R(mq_open("/", O_RDWR | O_CREAT, 0600, &a));
  a.mq_maxmsg = 0;
  R(mq_open("/vq", O_RDWR | O_CREAT, 0600, &a));
  a.mq_maxmsg = 3;
  umask(022);
  mqd_t q = mq_open("/vq", O_RDWR | O_CREAT | O_EXCL, 0666, &a);
  R(q >= 0);
  R(mq_open("/vq", O_RDWR | O_CREAT | O_EXCL, 0600, &a));
  struct stat st;
  R(fstat(q, &st));
  P("mode %o size %ld\n", st.st_mode, (long)st.st_size);
  attrs(q);
  R(fcntl(q, F_GETFD));
  // Order: by priority, then by time.
  R(mq_send(q, "low", 3, 1));
  R(mq_send(q, "high", 4, 31));
  R(mq_send(q, "low2", 4, 1));
  struct timespec t = in(20);
  R(mq_timedsend(q, "full", 4, 1, &t));
  attrs(q);
  take(q);
  take(q);
  take(q);
  t = in(20);
  R(mq_timedreceive(q, buf, sizeof buf, 0, &t));
  t.tv_nsec = -1;
  R(mq_timedreceive(q, buf, sizeof buf, 0, &t));
  R(mq_send(q, "seventeen bytes..", 17, 0));
  R(mq_send(q, "x", 1, 32768));
  R(mq_receive(q, buf, 15, 0));
  R(mq_send(0, "x", 1, 0));
  R(mq_send(q, "", 0, 7));
  take(q);
  // Without waiting.
  a.mq_flags = O_NONBLOCK;
  struct mq_attr old;
  R(mq_setattr(q, &a, &old));
  P("was %ld\n", old.mq_flags);
  R(mq_receive(q, buf, sizeof buf, 0));
  a.mq_flags = 8;
  R(mq_setattr(q, &a, &old));
  struct pollfd p = {q, POLLIN | POLLOUT};
  R(poll(&p, 1, 0));
  R(p.revents);
  R(mq_send(q, "1", 1, 0));
  R(poll(&p, 1, 0));
  R(p.revents);
  mq_send(q, "2", 1, 0), mq_send(q, "3", 1, 0);
  R(mq_send(q, "4", 1, 0));
  R(poll(&p, 1, 0));
  R(p.revents);
  lseek(q, 0, SEEK_SET);
  R(read(q, buf, sizeof buf));
  P("%.30s\n", buf);
  take(q), take(q), take(q);
  // Access.
  mqd_t r = mq_open("/vq", O_RDONLY), w = mq_open("/vq", O_WRONLY);
  R(mq_send(r, "x", 1, 0));
  R(mq_receive(w, buf, sizeof buf, 0));
  // Being told.
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
  R(mq_notify(q, &ev));
  R(mq_notify(r, &ev));
  R(mq_send(w, "told", 4, 0));
  R(told);
  R(code);
  R(value);
  R(mq_send(w, "not again", 9, 0));
  R(told);
  R(mq_notify(q, &ev));
  R(mq_send(w, "not empty", 9, 0));
  R(told);
  R(mq_notify(q, 0));
  R(mq_notify(r, &ev));
  mq_close(r);
  take(q), take(q), take(q);
  mq_send(w, "x", 1, 0);
  R(told);
  take(q);
  ev.sigev_signo = 99;
  R(mq_notify(q, &ev));
  // Waiting across processes.
  a.mq_flags = 0;
  mq_setattr(q, &a, 0);
  pid_t c = fork();
  if (!c) {
    msleep(30);
    mq_send(w, "from child", 10, 3);
    _exit(0);
  }
  take(q);
  waitpid(c, 0, 0);
  c = fork();
  if (!c) {
    for (int i = 0; i < 5; i++) {
      char m[2] = {'a' + i};
      mq_send(w, m, 1, i);
    }
    _exit(0);
  }
  int sum = 0;
  for (int i = 0; i < 5; i++) {
    mq_receive(q, buf, sizeof buf, 0);
    sum += buf[0];
  }
  waitpid(c, 0, 0);
  R(sum);
  // A signal ends the wait.
  sa.sa_flags = SA_SIGINFO;
  sigaction(SIGALRM, &sa, 0);
  struct itimerval it = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &it, 0);
  R(mq_receive(q, buf, sizeof buf, 0));
  // A queue without a name lives until it is closed.
  R(mq_unlink("/vq"));
  R(mq_unlink("/vq"));
  R(mq_send(q, "still", 5, 0));
  take(q);
  R(mq_close(q));
  R(mq_close(q));
  // A limit.
  struct rlimit rl = {1000, 1000};
  setrlimit(RLIMIT_MSGQUEUE, &rl);
  R(mq_open("/vq2", O_RDWR | O_CREAT, 0600, &a) < 0 ? errno : (mq_unlink("/vq2"), 0));
  a.mq_maxmsg = 10;
  R(mq_open("/vq2", O_RDWR | O_CREAT, 0600, &a));
  return 0;
}
