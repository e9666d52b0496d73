/* POSIX threads, semaphores, timers and asynchronous input and output as the C library makes them
 * of the kernel's calls. */
// link: -pthread -lrt
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>
#include <aio.h>
#include <sys/syscall.h>
#define T(f, a)                                                                                    \
  ({                                                                                               \
    pthread_t p_;                                                                                  \
    int r_ = pthread_create(&p_, 0, f, (void *)(long)(a));                                         \
    if (r_) P("create %d\n", r_);                                                                  \
    p_;                                                                                            \
  })
#define J(p)                                                                                       \
  ({                                                                                               \
    void *r_;                                                                                      \
    int e_ = pthread_join(p, &r_);                                                                 \
    P("join %d %ld\n", e_, (long)r_);                                                              \
  })
#define C(x) P("%s = %d\n", #x, (int)(x))
static struct timespec in(int clk, int ms) {
  struct timespec t;
  clock_gettime(clk, &t);
  t.tv_nsec += ms * 1000000l;
  while (t.tv_nsec >= 1000000000) {
    t.tv_nsec -= 1000000000;
    t.tv_sec++;
  }
  return t;
}
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static volatile int step;
static void cl(void *a) {
  P("cleanup %ld\n", (long)a);
}
static void unl(void *a) {
  pthread_mutex_unlock(a);
  P("cleanup unlock\n");
}
static void *cw(void *a) {
  pthread_mutex_lock(&m);
  pthread_cleanup_push(unl, &m);
  step = 1;
  while (1) pthread_cond_wait(&c, &m);
  pthread_cleanup_pop(0);
  return 0;
}
static void *cread(void *a) {
  int p[2];
  pipe(p);
  char b;
  pthread_cleanup_push(cl, 1);
  pthread_cleanup_push(cl, 2);
  step = 1;
  read(p[0], &b, 1);
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return 0;
}
static void *cpoint(void *a) {
  int o;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &o);
  step = 1;
  while (step != 2) usleep(1000);
  P("disabled survived\n");
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &o);
  pthread_testcancel();
  P("not here\n");
  return 0;
}
static void *casync(void *a) {
  int o;
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &o);
  step = 1;
  for (;;);
}
static void *cany(void *a) {
  struct timespec t = {10, 0};
  step = 1;
  switch ((long)a) {
  case 0:
    nanosleep(&t, 0);
    break;
  case 1:
    pause();
    break;
  case 2: {
    sigset_t s;
    int g;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    sigwait(&s, &g);
  } break;
  case 3: {
    sem_t s;
    sem_init(&s, 0, 0);
    sem_wait(&s);
  } break;
  case 4:
    waitpid(-1, 0, 0);
    break;
  case 5: {
    fd_set f;
    FD_ZERO(&f);
    select(0, 0, 0, 0, 0);
  } break;
  case 6:
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0);
    break;
  case 7: {
    sigset_t s;
    sigemptyset(&s);
    sigsuspend(&s);
  } break;
  case 8: {
    int p[2];
    pipe(p);
    open("/tmp/thrfifo", O_RDONLY);
  } break;
  case 9: {
    pthread_join(*(pthread_t *)&step, 0);
  } break;
  }
  return (void *)5;
}
static pthread_mutex_t *rm;
static void *rdie(void *a) {
  pthread_mutex_lock(rm);
  return 0;
}
static pthread_rwlock_t rw;
static void *rl(void *a) {
  int r = (long)a ? pthread_rwlock_wrlock(&rw) : pthread_rwlock_rdlock(&rw);
  P("%s %d\n", (long)a ? "wr" : "rd", r);
  if (!r) pthread_rwlock_unlock(&rw);
  return 0;
}
static pthread_barrier_t ba;
static volatile int ser;
static void *bw(void *a) {
  if (pthread_barrier_wait(&ba) == PTHREAD_BARRIER_SERIAL_THREAD) __sync_fetch_and_add(&ser, 1);
  return 0;
}
static pthread_key_t k1, k2;
static void kd(void *v) {
  P("dtor %ld\n", (long)v);
  if ((long)v == 7) pthread_setspecific(k1, (void *)8);
}
static void *kt(void *a) {
  pthread_setspecific(k1, (void *)7);
  return 0;
}
static pthread_once_t on = PTHREAD_ONCE_INIT;
static void of(void) {
  P("once\n");
}
static void *self(void *a) {
  return (void *)(long)(pthread_equal(pthread_self(), *(pthread_t *)a));
}
static volatile int sg, hn, hc, hv;
static void h(int s) {
  sg = s;
}
static void hs(int s, siginfo_t *i, void *u) {
  hn = s >= SIGRTMIN ? s - SIGRTMIN + 100 : s;
  hc = i->si_code;
  hv = i->si_value.sival_int;
  sg++;
}
#define HS() P("h sig %d code %d val %d\n", hn, hc, hv)
static void nf(union sigval v) {
  hv = v.sival_int;
  sg++;
}
static void *blk(void *a) {
  sigset_t s;
  sigfillset(&s);
  pthread_sigmask(SIG_BLOCK, &s, 0);
  step = 1;
  while (step != 2) usleep(1000);
  sigset_t p;
  sigpending(&p);
  return (void *)(long)sigismember(&p, SIGUSR1);
}
static void *hi(void *a) {
  pthread_mutex_lock(rm);
  P("hi got\n");
  pthread_mutex_unlock(rm);
  return 0;
}
int main() {
  pthread_t t;
  struct timespec ts;
  int o;
  P("-- cancel\n");
  t = T(cw, 0);
  while (step != 1) usleep(1000);
  usleep(5000);
  o = pthread_cancel(t);
  J(t);
  C(o);
  C(pthread_mutex_trylock(&m));
  pthread_mutex_unlock(&m);
  step = 0;
  t = T(cread, 0);
  while (step != 1) usleep(1000);
  usleep(5000);
  pthread_cancel(t);
  J(t);
  step = 0;
  t = T(cpoint, 0);
  while (step != 1) usleep(1000);
  pthread_cancel(t);
  usleep(5000);
  step = 2;
  J(t);
  step = 0;
  t = T(casync, 0);
  while (step != 1) usleep(1000);
  pthread_cancel(t);
  J(t);
  mkfifo("/tmp/thrfifo", 0600);
  pid_t ch = fork();
  if (!ch) {
    pause();
    _exit(0);
  }
  for (long i = 0; i < 9; i++) {
    step = 0;
    t = T(cany, i);
    while (step != 1) usleep(1000);
    usleep(5000);
    pthread_cancel(t);
    P("%ld ", i);
    J(t);
  }
  kill(ch, 9);
  waitpid(ch, 0, 0);
  C(pthread_setcancelstate(99, &o));
  C(pthread_setcanceltype(99, &o));
  P("-- mutex\n");
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutex_t x;
  for (int ty = 0; ty < 3; ty++) {
    C(pthread_mutexattr_settype(&a, ty));
    pthread_mutex_init(&x, &a);
    C(pthread_mutex_lock(&x));
    C(pthread_mutex_trylock(&x));
    if (ty == 1) {
      pthread_mutex_unlock(&x);
    }
    if (ty == 2) C(pthread_mutex_lock(&x));
    ts = in(CLOCK_REALTIME, 10);
    C(pthread_mutex_timedlock(&x, &ts));
    if (ty == 1) pthread_mutex_unlock(&x);
    C(pthread_mutex_unlock(&x));
    if (ty) C(pthread_mutex_unlock(&x));
    pthread_mutex_destroy(&x);
  }
  C(pthread_mutexattr_settype(&a, 99));
  C(pthread_mutexattr_setprotocol(&a, 99));
  C(pthread_mutexattr_setpshared(&a, 99));
  C(pthread_mutexattr_setrobust(&a, 99));
  pthread_mutexattr_init(&a);
  pthread_mutexattr_settype(&a, 2);
  C(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
  C(pthread_mutexattr_setpshared(&a, 1));
  rm = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutex_init(rm, &a);
  t = T(rdie, 0);
  pthread_join(t, 0);
  C(pthread_mutex_lock(rm));
  C(pthread_mutex_consistent(rm));
  C(pthread_mutex_unlock(rm));
  C(pthread_mutex_lock(rm));
  C(pthread_mutex_unlock(rm));
  fflush(0);
  if (!fork()) {
    pthread_mutex_lock(rm);
    kill(getpid(), 9);
  }
  wait(0);
  C(pthread_mutex_trylock(rm));
  C(pthread_mutex_unlock(rm));
  C(pthread_mutex_lock(rm));
  C(pthread_mutex_consistent(rm));
  pthread_mutexattr_init(&a);
  C(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
  pthread_mutexattr_settype(&a, 2);
  pthread_mutex_t pi;
  C(pthread_mutex_init(&pi, &a));
  rm = &pi;
  C(pthread_mutex_lock(&pi));
  C(pthread_mutex_lock(&pi));
  t = T(hi, 0);
  usleep(10000);
  C(pthread_mutex_unlock(&pi));
  pthread_join(t, 0);
  C(pthread_mutex_unlock(&pi));
  ts = in(CLOCK_REALTIME, 5);
  pthread_mutex_lock(&pi);
  t = T(hi, 0);
  usleep(5000);
  pthread_mutex_unlock(&pi);
  pthread_join(t, 0);
  P("-- cond\n");
  pthread_mutex_lock(&m);
  ts = in(CLOCK_REALTIME, 10);
  C(pthread_cond_timedwait(&c, &m, &ts));
  ts.tv_nsec = 1000000000;
  C(pthread_cond_timedwait(&c, &m, &ts));
  ts = (struct timespec){0, 0};
  C(pthread_cond_timedwait(&c, &m, &ts));
  pthread_condattr_t ca;
  pthread_condattr_init(&ca);
  C(pthread_condattr_setclock(&ca, CLOCK_MONOTONIC));
  C(pthread_condattr_setclock(&ca, CLOCK_PROCESS_CPUTIME_ID));
  pthread_cond_t cm;
  pthread_cond_init(&cm, &ca);
  ts = in(CLOCK_MONOTONIC, 10);
  C(pthread_cond_timedwait(&cm, &m, &ts));
  pthread_mutex_unlock(&m);
  P("-- rwlock\n");
  pthread_rwlock_init(&rw, 0);
  C(pthread_rwlock_rdlock(&rw));
  C(pthread_rwlock_tryrdlock(&rw));
  C(pthread_rwlock_trywrlock(&rw));
  ts = in(CLOCK_REALTIME, 10);
  C(pthread_rwlock_timedwrlock(&rw, &ts));
  pthread_rwlock_unlock(&rw);
  pthread_rwlock_unlock(&rw);
  C(pthread_rwlock_wrlock(&rw));
  C(pthread_rwlock_tryrdlock(&rw));
  ts = in(CLOCK_REALTIME, 10);
  t = T(rl, 0);
  usleep(5000);
  pthread_rwlock_unlock(&rw);
  pthread_join(t, 0);
  pthread_rwlock_rdlock(&rw);
  t = T(rl, 1);
  usleep(5000);
  pthread_rwlock_unlock(&rw);
  pthread_join(t, 0);

  P("-- barrier\n");
  C(pthread_barrier_init(&ba, 0, 0));
  C(pthread_barrier_init(&ba, 0, 4));
  pthread_t ts4[4];
  for (int i = 0; i < 4; i++) ts4[i] = T(bw, 0);
  for (int i = 0; i < 4; i++) pthread_join(ts4[i], 0);
  C(ser);
  C(pthread_barrier_destroy(&ba));
  P("-- keys\n");
  pthread_key_create(&k1, kd);
  t = T(kt, 0);
  pthread_join(t, 0);
  pthread_once(&on, of);
  pthread_once(&on, of);
  t = T(self, &t);
  pthread_join(t, 0);
  pthread_attr_t at;
  pthread_attr_init(&at);
  pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
  C(pthread_attr_setdetachstate(&at, 9));
  C(pthread_attr_setschedpolicy(&at, SCHED_RR));
  C(pthread_attr_setschedpolicy(&at, 99));
  C(pthread_attr_setinheritsched(&at, 9));
  C(pthread_attr_setstacksize(&at, 1));
  C(pthread_detach(pthread_self()) * 0);
  P("-- sched\n");
  struct sched_param sp;
  int po;
  C(pthread_getschedparam(pthread_self(), &po, &sp));
  P("%d %d\n", po, sp.sched_priority);
  sp.sched_priority = 10;
  C(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
  C(pthread_getschedparam(pthread_self(), &po, &sp));
  P("%d %d\n", po, sp.sched_priority);
  sp.sched_priority = 200;
  C(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
  sp.sched_priority = 0;
  C(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
  C(pthread_setschedprio(pthread_self(), 0));
  clockid_t ck;
  C(pthread_getcpuclockid(pthread_self(), &ck));
  C(clock_gettime(ck, &ts));
  P("-- signals\n");
  struct sigaction sa = {.sa_sigaction = hs, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  sigaction(SIGRTMIN, &sa, 0);
  step = 0;
  t = T(blk, 0);
  while (step != 1) usleep(1000);
  C(pthread_kill(t, SIGUSR1));
  C(pthread_kill(t, 0));
  C(pthread_kill(t, 99));
  step = 2;
  J(t);
  C(pthread_kill(pthread_self(), SIGUSR1));
  HS();
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
  HS();
  sigset_t ss;
  sigemptyset(&ss);
  sigaddset(&ss, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &ss, 0);
  C(pthread_sigmask(99, &ss, 0));
  kill(getpid(), SIGUSR2);
  int sn;
  C(sigwait(&ss, &sn));
  C(sn);
  P("-- sem\n");
  sem_t s;
  C(sem_init(&s, 0, 0));
  C(sem_trywait(&s));
  C(errno);
  ts = in(CLOCK_REALTIME, 10);
  C(sem_timedwait(&s, &ts));
  C(errno);
  ts.tv_nsec = -1;
  C(sem_timedwait(&s, &ts));
  C(errno);
  C(sem_post(&s));
  C(sem_getvalue(&s, &o));
  C(o);
  C(sem_timedwait(&s, &ts));
  C(sem_init(&s, 0, 0x80000000u));
  C(errno);
  C(sem_init(&s, 0, 0x7fffffff));
  C(sem_post(&s));
  C(errno);
  sem_t *n = sem_open("/thrsem", O_CREAT | O_EXCL, 0600, 1);
  C(n != SEM_FAILED);
  C(sem_open("/thrsem", O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED);
  C(errno);
  C(sem_open("/nosem", 0) == SEM_FAILED);
  C(errno);
  C(sem_open("/thrsem", 0) == n);
  C(sem_wait(n));
  fflush(0);
  if (!fork()) {
    sem_post(n);
    _exit(0);
  }
  C(sem_wait(n));
  wait(0);
  C(sem_close(n));
  C(sem_unlink("/thrsem"));
  C(sem_unlink("/thrsem"));
  C(errno);
sig:
  sem_init(&s, 0, 0);
  sa.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGALRM, &sa, 0);
  ualarm(10000, 0);
  ts = in(CLOCK_REALTIME, 5000);
  C(sem_timedwait(&s, &ts));
  C(errno);
  P("-- shm\n");
  int f = shm_open("/thrshm", O_CREAT | O_EXCL | O_RDWR, 0600);
  C(f >= 0);
  C(shm_open("/thrshm", O_CREAT | O_EXCL | O_RDWR, 0600));
  C(errno);
  C(ftruncate(f, 100));
  struct stat st;
  fstat(f, &st);
  P("%o %ld\n", st.st_mode, (long)st.st_size);
  C(fcntl(f, F_GETFD));
  C(shm_unlink("/thrshm"));
  C(shm_unlink("/thrshm"));
  C(errno);
  C(shm_open("/a/b", O_CREAT | O_RDWR, 0600));
  C(errno);
  P("-- timers\n");
  timer_t tm;
  struct sigevent se = {
      .sigev_notify = SIGEV_THREAD, .sigev_notify_function = nf, .sigev_value.sival_int = 3};
  sg = 0;
  C(timer_create(CLOCK_MONOTONIC, &se, &tm));
  struct itimerspec it = {{0}, {0, 5000000}};
  C(timer_settime(tm, 0, &it, 0));
  while (!sg) usleep(1000);
  C(hv);
  C(timer_delete(tm));
  P("-- aio\n");
  f = open("/tmp/thraio", O_CREAT | O_RDWR | O_TRUNC, 0600);
  char b1[10] = "abcdefghi", b2[10] = {0};
  struct aiocb cb = {.aio_fildes = f,
                     .aio_buf = b1,
                     .aio_nbytes = 9,
                     .aio_sigevent = {.sigev_notify = SIGEV_NONE}};
  const struct aiocb *l[1] = {&cb};
  C(aio_write(&cb));
  while (aio_error(&cb) == EINPROGRESS) aio_suspend(l, 1, 0);
  C(aio_error(&cb));
  C(aio_return(&cb));
  cb = (struct aiocb){.aio_fildes = f,
                      .aio_buf = b2,
                      .aio_nbytes = 9,
                      .aio_offset = 3,
                      .aio_sigevent = {.sigev_notify = SIGEV_SIGNAL,
                                       .sigev_signo = SIGRTMIN,
                                       .sigev_value.sival_int = 44}};
  sg = 0;
  C(aio_read(&cb));
  while (!sg) usleep(1000);
  HS();
  C(aio_return(&cb));
  P("%s\n", b2);
  cb.aio_fildes = -1;
  cb.aio_sigevent.sigev_notify = SIGEV_NONE;
  C(aio_read(&cb));
  while (aio_error(&cb) == EINPROGRESS) usleep(100);
  C(aio_error(&cb));
  cb.aio_fildes = f;
  cb.aio_reqprio = -1;
  C(aio_read(&cb));
  C(errno);
  cb.aio_reqprio = 0;
  struct aiocb *ll[1] = {&cb};
  cb.aio_lio_opcode = LIO_READ;
  cb.aio_sigevent.sigev_notify = SIGEV_NONE;
  C(lio_listio(LIO_WAIT, ll, 1, 0));
  C(aio_return(&cb));
  C(lio_listio(99, ll, 1, 0));
  C(errno);
  // One libc refuses it, the other has begun to read.
  while (aio_error(&cb) == EINPROGRESS) usleep(100);
  C(aio_fsync(O_SYNC, &cb));
  while (aio_error(&cb) == EINPROGRESS) usleep(100);
  C(aio_return(&cb));
  C(aio_fsync(99, &cb));
  C(errno);
  C(aio_cancel(f, 0));
  C(aio_cancel(-1, 0));
  C(errno);
  return 0;
}
