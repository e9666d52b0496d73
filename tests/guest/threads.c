// link: -pthread
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static __thread int tls = 5;
static pthread_barrier_t bar;
static sem_t sem;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_key_t key;
static void *inc(void *a) {
  for (int i = 0; i < 20000; i++) {
    pthread_mutex_lock(&mu);
    counter++;
    pthread_mutex_unlock(&mu);
  }
  tls += (long)a;
  return (void *)(long)tls;
}
static void *pingpong(void *a) {
  long me = (long)a;
  for (int i = 0; i < 100; i++) {
    pthread_mutex_lock(&mu);
    while (turn != me) pthread_cond_wait(&cv, &mu);
    turn = !me;
    counter++;
    pthread_cond_broadcast(&cv);
    pthread_mutex_unlock(&mu);
  }
  return 0;
}
static void first(void) { counter += 1000; }
static void *barrier(void *a) {
  pthread_once(&once, first);
  long r = pthread_barrier_wait(&bar);
  __sync_fetch_and_add(&counter, 1);
  (void)a;
  return (void *)(r == PTHREAD_BARRIER_SERIAL_THREAD ? 1L : 0L);
}
static void cleanup(void *a) { printf("cleanup %s\n", (char *)a); }
static void *cancelme(void *a) {
  pthread_cleanup_push(cleanup, a);
  sem_post(&sem);
  for (;;) pause();
  pthread_cleanup_pop(0);
  return 0;
}
static void dtor(void *v) { printf("key destructor %s\n", (char *)v); }
static void *keyed(void *a) {
  pthread_setspecific(key, a);
  pthread_exit((void *)9);
}
static void *holder(void *a) {
  pthread_mutex_lock(a);
  return 0;
}
static void *reader(void *a) {
  (void)a;
  pthread_rwlock_rdlock(&rw);
  __sync_fetch_and_add(&counter, 1);
  pthread_rwlock_unlock(&rw);
  return 0;
}
static void *sleeper(void *a) {
  (void)a;
  msleep(10000);
  return 0;
}
static void *tid(void *a) {
  pid_t *t = a;
  t[0] = syscall(SYS_gettid);
  t[1] = getpid();
  return 0;
}
static volatile int sigthread;
static void onusr(int s) {
  (void)s;
  sigthread = syscall(SYS_gettid);
}
static void *sigwaiter(void *a) {
  sem_post(&sem);
  while (!sigthread) usleep(1000);
  *(int *)a = sigthread == syscall(SYS_gettid);
  return 0;
}
int main(void) {
  pthread_t t[8];
  void *r;
  for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, inc, (void *)i);
  for (int i = 0; i < 4; i++) {
    pthread_join(t[i], &r);
    printf("thread %d returned %ld\n", i, (long)r);
  }
  R(counter);
  R(tls);
  counter = 0;
  pthread_create(&t[0], 0, pingpong, (void *)0);
  pthread_create(&t[1], 0, pingpong, (void *)1);
  pthread_join(t[0], 0);
  pthread_join(t[1], 0);
  R(counter);
  counter = 0;
  pthread_barrier_init(&bar, 0, 5);
  long serial = 0;
  for (int i = 0; i < 5; i++) pthread_create(&t[i], 0, barrier, 0);
  for (int i = 0; i < 5; i++) {
    pthread_join(t[i], &r);
    serial += (long)r;
  }
  R(counter);
  R(serial);
  sem_init(&sem, 0, 0);
  pthread_create(&t[0], 0, cancelme, "arg");
  sem_wait(&sem);
  int canceled = pthread_cancel(t[0]);
  pthread_join(t[0], &r);
  R(canceled);
  R(r == PTHREAD_CANCELED);
  pthread_key_create(&key, dtor);
  pthread_create(&t[0], 0, keyed, "value");
  pthread_join(t[0], &r);
  R((long)r);
  pthread_mutexattr_t at;
  pthread_mutexattr_init(&at);
  pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t rob;
  pthread_mutex_init(&rob, &at);
  pthread_create(&t[0], 0, holder, &rob);
  pthread_join(t[0], 0);
  R(pthread_mutex_lock(&rob) == EOWNERDEAD);
  R(pthread_mutex_consistent(&rob));
  R(pthread_mutex_unlock(&rob));
  pthread_mutexattr_init(&at);
  pthread_mutexattr_settype(&at, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t ec;
  pthread_mutex_init(&ec, &at);
  pthread_mutex_lock(&ec);
  R(pthread_mutex_lock(&ec) == EDEADLK);
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += 20000000;
  if (ts.tv_nsec >= 1000000000) {
    ts.tv_nsec -= 1000000000;
    ts.tv_sec++;
  }
  pthread_mutex_lock(&mu);
  R(pthread_mutex_trylock(&mu) == EBUSY);
  R(pthread_mutex_timedlock(&mu, &ts) == ETIMEDOUT);
  R(pthread_cond_timedwait(&cv, &mu, &ts) == ETIMEDOUT);
  pthread_mutex_unlock(&mu);
  R(sem_trywait(&sem));
  R(sem_timedwait(&sem, &ts));
  counter = 0;
  pthread_rwlock_wrlock(&rw);
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, reader, 0);
  msleep(20);
  R(counter);
  pthread_rwlock_unlock(&rw);
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  R(counter);
  pid_t ids[2];
  pthread_create(&t[0], 0, tid, ids);
  pthread_join(t[0], 0);
  R(ids[0] != getpid());
  R(ids[1] == getpid());
  signal(SIGUSR1, onusr);
  int hit = 0;
  pthread_create(&t[0], 0, sigwaiter, &hit);
  sem_wait(&sem);
  pthread_kill(t[0], SIGUSR1);
  pthread_join(t[0], 0);
  R(hit);
  pid_t p = fork();
  int st;
  if (!p) {
    pthread_create(&t[0], 0, sleeper, 0);
    pthread_create(&t[1], 0, sleeper, 0);
    msleep(5);
    exit(6);
  }
  waitpid(p, &st, 0);
  R(WEXITSTATUS(st));
  p = fork();
  if (!p) {
    pthread_create(&t[0], 0, sleeper, 0);
    char *a[] = {"echo", "exec from threads", 0};
    fflush(stdout);
    execv("/bin/echo", a);
  }
  waitpid(p, &st, 0);
  R(st);
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, tid, ids);
    for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
  }
  P("400 threads\n");
  return 0;
}
