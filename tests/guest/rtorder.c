/* Real-time priorities: who is woken first, who runs first, what yielding and lowering a priority
 * do. */
// link: -pthread -lrt
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <mqueue.h>
#include <sys/syscall.h>
#include <linux/futex.h>
static sem_t s;
static volatile int order[16], n;
static int word;
static mqd_t q;
static pthread_mutex_t pm;
static pthread_cond_t pc = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void setp(int pol, int p) {
  struct sched_param sp = {p};
  if (syscall(SYS_sched_setscheduler, 0, pol, &sp)) P("sched %d\n", errno);
}
static void log_(int v) {
  order[__sync_fetch_and_add(&n, 1)] = v;
}
static void show(const char *w) {
  P("%s:", w);
  for (int i = 0; i < n; i++) P(" %d", order[i]);
  P("\n");
  n = 0;
}
static void *fw(void *a) {
  setp(SCHED_FIFO, (long)a);
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
  log_((long)a);
  return 0;
}
static void *sw(void *a) {
  setp(SCHED_FIFO, (long)a);
  sem_wait(&s);
  log_((long)a);
  return 0;
}
static void *mqw(void *a) {
  char b[200];
  setp(SCHED_FIFO, (long)a);
  syscall(SYS_mq_timedreceive, q, b, 200, 0, 0);
  log_((long)a);
  return 0;
}
static void *mqs(void *a) {
  char b[1] = {(long)a};
  setp(SCHED_FIFO, (long)a);
  syscall(SYS_mq_timedsend, q, b, 1, 0, 0);
  log_((long)a);
  return 0;
}
static void *mw(void *a) {
  setp(SCHED_FIFO, (long)a);
  pthread_mutex_lock(&m);
  log_((long)a);
  pthread_mutex_unlock(&m);
  return 0;
}
static void *piw(void *a) {
  setp(SCHED_FIFO, (long)a);
  pthread_mutex_lock(&pm);
  log_((long)a);
  pthread_mutex_unlock(&pm);
  return 0;
}
static void *run(void *a) {
  log_((long)a);
  return 0;
}
static void *yl(void *a) {
  for (int i = 0; i < 3; i++) {
    log_((long)a);
    sched_yield();
  }
  return 0;
}
static void *rr(void *a) {
  long t = (long)a;
  struct timespec b, e;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &e);
  while ((e.tv_sec - b.tv_sec) * 1000 + (e.tv_nsec - b.tv_nsec) / 1000000 < 250);
  log_(t);
  return 0;
}
static volatile int over;
/** Never gives way by itself. */
static void *spin(void *a) {
  static char zeros[1 << 20];
  int zero = open("/dev/zero", O_RDONLY);
  while (!over)
    if ((long)a == 8) read(zero, zeros, sizeof zeros);
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  if (used.tv_sec * 1000 + used.tv_nsec / 1000000 >= 100) log_((long)a);
  return 0;
}
static pthread_t mk(void *(*f)(void *), long a) {
  pthread_t t;
  pthread_create(&t, 0, f, (void *)a);
  return t;
}
static pthread_t mkp(void *(*f)(void *), long a, int pol, int prio) {
  pthread_attr_t at;
  struct sched_param sp = {prio};
  pthread_attr_init(&at);
  pthread_attr_setinheritsched(&at, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&at, pol);
  pthread_attr_setschedparam(&at, &sp);
  pthread_t t;
  int r = pthread_create(&t, &at, f, (void *)a);
  if (r) P("create %d\n", r);
  return t;
}
int main() {
  cpu_set_t c;
  CPU_ZERO(&c);
  CPU_SET(0, &c);
  sched_setaffinity(0, sizeof c, &c);
  pthread_t t[8];
  long pr[5] = {10, 30, 20, 30, 5};
  setp(SCHED_FIFO, 40);
#define WAIT5(f)                                                                                   \
  for (int i = 0; i < 5; i++) {                                                                    \
    t[i] = mk(f, pr[i]);                                                                           \
  }                                                                                                \
  msleep(60);
#define JOIN5                                                                                      \
  for (int i = 0; i < 5; i++) pthread_join(t[i], 0);
  WAIT5(fw);
  for (int i = 0; i < 5; i++) {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    msleep(10);
  }
  JOIN5;
  show("futex one by one");
  WAIT5(fw);
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 5, 0, 0, 0);
  JOIN5;
  show("futex all");
  sem_init(&s, 0, 0);
  WAIT5(sw);
  for (int i = 0; i < 5; i++) {
    sem_post(&s);
    msleep(10);
  }
  JOIN5;
  show("sem");
  struct mq_attr a = {0, 1, 200};
  mq_unlink("/rtq");
  q = mq_open("/rtq", O_CREAT | O_RDWR, 0600, &a);
  WAIT5(mqw);
  for (int i = 0; i < 5; i++) {
    mq_send(q, "x", 1, 0);
    msleep(10);
  }
  JOIN5;
  show("mq receive");
  mq_send(q, "x", 1, 0);
  WAIT5(mqs);
  for (int i = 0; i < 5; i++) {
    char b[200];
    mq_receive(q, b, 200, 0);
    msleep(10);
  }
  JOIN5;
  show("mq send");
  mq_unlink("/rtq");
  pthread_mutex_lock(&m);
  WAIT5(mw);
  pthread_mutex_unlock(&m);
  JOIN5;
  show("mutex");
  pthread_mutexattr_t ma;
  pthread_mutexattr_init(&ma);
  pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&pm, &ma);
  pthread_mutex_lock(&pm);
  WAIT5(piw);
  pthread_mutex_unlock(&pm);
  JOIN5;
  show("pi mutex");
  setp(SCHED_FIFO, 50);
  t[0] = mkp(run, 1, SCHED_FIFO, 10);
  t[1] = mkp(run, 2, SCHED_FIFO, 30);
  t[2] = mkp(run, 3, SCHED_FIFO, 20);
  t[3] = mkp(run, 4, SCHED_RR, 30);
  log_(0);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
  show("created, run by priority");
  t[0] = mkp(yl, 1, SCHED_FIFO, 20);
  t[1] = mkp(yl, 2, SCHED_FIFO, 20);
  for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
  show("yield");
  t[0] = mkp(rr, 1, SCHED_FIFO, 20);
  t[1] = mkp(run, 2, SCHED_FIFO, 20);
  t[2] = mkp(run, 3, SCHED_FIFO, 19);
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  show("fifo runs on");
  t[0] = mkp(rr, 1, SCHED_RR, 20);
  t[1] = mkp(run, 2, SCHED_RR, 20);
  t[2] = mkp(run, 3, SCHED_RR, 19);
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  show("rr gives way");
  t[0] = mkp(spin, 7, SCHED_RR, 20);
  t[1] = mkp(spin, 8, SCHED_RR, 20);
  t[2] = mkp(run, 0, SCHED_RR, 19);
  msleep(600);
  over = 1;
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  if (n == 3 && order[0] == 8) order[0] = 7, order[1] = 8;
  show("rr shares");
  t[0] = mkp(run, 1, SCHED_FIFO, 60);
  log_(0);
  pthread_join(t[0], 0);
  show("higher runs at once");
  setp(SCHED_FIFO, 10);
  t[0] = mkp(run, 1, SCHED_FIFO, 20);
  log_(0);
  pthread_join(t[0], 0);
  show("lower creator");
  setp(SCHED_FIFO, 50);
  t[0] = mkp(run, 1, SCHED_FIFO, 20);
  t[1] = mkp(run, 2, SCHED_FIFO, 20);
  pthread_setschedprio(t[1], 30);
  for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
  show("raised");
  t[0] = mkp(run, 1, SCHED_FIFO, 20);
  setp(SCHED_FIFO, 10);
  log_(0);
  pthread_join(t[0], 0);
  show("lowering myself gives way");
  setp(SCHED_OTHER, 0);
  log_(0);
  show("end");
}
