// mq_notify(3) with SIGEV_THREAD: what the kernel sends to the netlink socket of the C library's helper.
// link: -lpthread -lrt
#include "guest.h"
#include <linux/netlink.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>

static sem_t told;

static int value, another;

static void handler(union sigval v) {
  value = v.sival_int;
  another = gettid() != getpid();
  sem_post(&told);
}

static int notify(int q, int how, int no, const void *cookie) {
  struct sigevent e = {.sigev_notify = how, .sigev_signo = no};
  e.sigev_value.sival_ptr = (void *)cookie;
  return syscall(SYS_mq_notify, q, &e);
}

static void come(int s) {
  char b[64];
  int n = recv(s, b, sizeof b, MSG_DONTWAIT);
  if (n < 0) P("nothing, errno %d\n", errno);
  else P("%d bytes, '%.20s', last %d\n", n, b, b[n - 1]);
}

static void shown(int q) {
  char b[100] = {0};
  int n = pread(q, b, 99, 0);
  char *pid = strstr(b, "NOTIFY_PID");
  P("%.*s %d\n", (int)(pid - b), b, atoi(pid + 11) == getpid());
}

int main(void) {
  struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 16};
  mqd_t q = mq_open("/mqthread", O_CREAT | O_RDWR, 0600, &a), twice;
  char b[16];
  mq_unlink("/mqthread");
  P("-- by the C library\n");
  sem_init(&told, 0, 0);
  struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = handler};
  e.sigev_value.sival_int = 7;
  R(mq_notify(q, &e));
  R(mq_notify(q, &e));
  R(mq_send(q, "x", 1, 0));
  sem_wait(&told);
  P("told %d, %s thread\n", value, another ? "another" : "main");
  R(mq_send(q, "y", 1, 0));
  R(mq_receive(q, b, 16, 0));
  R(mq_receive(q, b, 16, 0));
  R(mq_notify(q, &e));
  R(mq_notify(q, 0));
  R(mq_send(q, "z", 1, 0));
  R(mq_receive(q, b, 16, 0));
  P("-- by hand\n");
  int s = socket(AF_NETLINK, SOCK_RAW, 0), u = socket(AF_UNIX, SOCK_DGRAM, 0), p[2];
  char cookie[32] = "a cookie";
  pipe(p);
  R(notify(q, SIGEV_THREAD, s, (void *)8));
  R(notify(q, SIGEV_THREAD, 99, cookie));
  R(notify(q, SIGEV_THREAD, p[0], cookie));
  R(notify(q, SIGEV_THREAD, u, cookie));
  R(notify(99, SIGEV_THREAD, s, cookie));
  R(notify(p[0], SIGEV_THREAD, s, cookie));
  R(notify(q, SIGEV_THREAD, s, cookie));
  shown(q);
  R(notify(q, SIGEV_THREAD, s, cookie));
  cookie[0] = 'b';
  come(s);
  R(mq_send(q, "x", 1, 0));
  come(s);
  come(s);
  R(mq_receive(q, b, 16, 0));
  R(notify(q, SIGEV_THREAD, s, cookie));
  R(syscall(SYS_mq_notify, q, 0));
  come(s);
  R(notify(q, SIGEV_THREAD, s, cookie));
  twice = dup(q);
  R(close(twice));
  come(s);
  R(notify(q, SIGEV_THREAD, s, cookie));
  INCHILD(R(syscall(SYS_mq_notify, q, 0)); R(close(q)));
  come(s);
  R(close(s));
  R(mq_send(q, "x", 1, 0));
  R(close(q));
  return 0;
}
