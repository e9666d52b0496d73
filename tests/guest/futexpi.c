// link: -pthread
// Futexes with priority inheritance, and the calls of the second futex interface.
#include "guest.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

static uint32_t lock, cond;
static long fx(uint32_t *a, int op, unsigned v, const void *t, uint32_t *b, unsigned v3) {
  return syscall(SYS_futex, a, op | FUTEX_PRIVATE_FLAG, v, t, b, v3);
}
static int gettid_(void) { return syscall(SYS_gettid); }
static struct timespec in(int clock, int ms) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_nsec += ms * 1000000L;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}
static volatile long result;
static volatile int holder;
static volatile int seen[3];
static volatile int requeued;

static void *locker(void *a) {
  result = fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0);
  seen[0] = (lock & FUTEX_TID_MASK) == gettid_();
  seen[1] = !!(lock & FUTEX_WAITERS);
  seen[2] = !!(lock & FUTEX_OWNER_DIED);
  fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
  return 0;
}
static void *dies(void *a) {
  fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0);
  holder = 1;
  msleep(60);
  return 0;
}
static void *waiter(void *a) {
  struct timespec t = in(CLOCK_MONOTONIC, 2000);
  long r = fx(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &t, &lock, 0);
  if (r == 0 && (lock & FUTEX_TID_MASK) == gettid_()) __sync_fetch_and_add(&requeued, 1);
  fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
  return 0;
}

/** Effective priority of a thread, as field 18 of its stat tells. */
static int prio(int tid) {
  char path[64], text[512];
  sprintf(path, "/proc/self/task/%d/stat", tid);
  int fd = open(path, O_RDONLY);
  int n = read(fd, text, 511);
  close(fd);
  text[n < 0 ? 0 : n] = 0;
  char *p = strrchr(text, ')') + 1;
  int field = 2;
  while (field < 18) {
    while (*p == ' ') p++;
    field++;
    if (field == 18) return atoi(p);
    while (*p && *p != ' ') p++;
  }
  return 0;
}
static void *urgent(void *a) {
  struct sched_param sp = {.sched_priority = 20};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp);
  fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0);
  fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
  return 0;
}

struct waitv {
  uint64_t val, addr;
  uint32_t flags, reserved;
};
static uint32_t words[3];
static void *later(void *a) {
  msleep(40);
  words[1] = 1;
  syscall(SYS_futex, &words[1], FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  return 0;
}
static void *later2(void *a) {
  msleep(40);
  syscall(454, &words[0], 0xffffffffUL, 1, 2 | 128);
  return 0;
}

int main(void) {
  pthread_t th, th2;
  struct timespec t;
  // Without contention.
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  R((int)lock == gettid_());
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  R(fx(&lock, FUTEX_TRYLOCK_PI, 0, 0, 0, 0));
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  R(lock);
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  R(fx(&lock, FUTEX_LOCK_PI2, 0, 0, 0, 0));
  // An owner that is no thread: the word is marked all the same.
  lock = 0x3ffffff;
  R(fx(&lock, FUTEX_TRYLOCK_PI, 0, 0, 0, 0));
  R(lock == (FUTEX_WAITERS | 0x3ffffff));
  lock = 0x3ffffff;
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  R(lock == (FUTEX_WAITERS | 0x3ffffff));
  t = (struct timespec){0, 1000};
  R(fx(&lock, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, lock, &t, 0, 0));
  lock = gettid_();
  // A waiter gets it.
  pthread_create(&th, 0, locker, 0);
  msleep(40);
  R(!!(lock & FUTEX_WAITERS));
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  pthread_join(th, 0);
  R(result);
  P("given: mine %d waiters %d died %d\n", seen[0], seen[1], seen[2]);
  R(lock);
  // In time, or not.
  pthread_create(&th, 0, dies, 0);
  while (!holder) sched_yield();
  t = in(CLOCK_REALTIME, 15);
  R(fx(&lock, FUTEX_LOCK_PI, 0, &t, 0, 0));
  t = in(CLOCK_MONOTONIC, 15);
  R(fx(&lock, FUTEX_LOCK_PI2, 0, &t, 0, 0));
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  // An owner that ends passes it on, marked.
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  R(!!(lock & FUTEX_OWNER_DIED));
  pthread_join(th, 0);
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  lock = 0x3ffffff0;
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  lock = 0;
  // An owner is as urgent as who waits.
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  R(prio(gettid_()));
  pthread_create(&th, 0, urgent, 0);
  msleep(60);
  R(prio(gettid_()));
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  R(prio(gettid_()));
  pthread_join(th, 0);
  // Moved from one word to the lock.
  R(fx(&lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  pthread_create(&th, 0, waiter, 0);
  pthread_create(&th2, 0, waiter, 0);
  msleep(60);
  R(fx(&cond, FUTEX_CMP_REQUEUE_PI, 2, (void *)10L, &lock, 0));
  R(fx(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)10L, &lock, 1));
  R(fx(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)10L, &lock, 0));
  R(fx(&lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  pthread_join(th, 0);
  pthread_join(th2, 0);
  R(requeued);
  R(lock);
  t = in(CLOCK_MONOTONIC, 10);
  R(fx(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &t, &lock, 0));
  R(fx(&cond, FUTEX_WAIT_REQUEUE_PI, 1, &t, &lock, 0));
  R(fx(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &t, &cond, 0));
  // The C library's own.
  pthread_mutexattr_t at;
  pthread_mutexattr_init(&at);
  R(pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT));
  R(pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST));
  pthread_mutex_t m;
  R(pthread_mutex_init(&m, &at));
  R(pthread_mutex_lock(&m));
  R(pthread_mutex_unlock(&m));

  // Several words at once.
  struct waitv v[3] = {{0, (uintptr_t)&words[0], 2 | 128}, {0, (uintptr_t)&words[1], 2 | 128}, {0, (uintptr_t)&words[2], 2 | 128}};
  pthread_create(&th, 0, later, 0);
  R(syscall(449, v, 3, 0, 0, 0));
  pthread_join(th, 0);
  R(syscall(449, v, 3, 0, 0, 0));
  words[1] = 0;
  t = in(CLOCK_MONOTONIC, 10);
  R(syscall(449, v, 3, 0, &t, CLOCK_MONOTONIC));
  R(syscall(449, v, 0, 0, 0, 0));
  R(syscall(449, v, 129, 0, 0, 0));
  R(syscall(449, v, 3, 1, 0, 0));
  R(syscall(449, v, 3, 0, &t, 2));
  v[2].flags = 1;
  R(syscall(449, v, 3, 0, 0, 0));
  v[2].flags = 2;
  v[2].reserved = 1;
  R(syscall(449, v, 3, 0, 0, 0));
  pthread_create(&th, 0, later2, 0);
  R(syscall(455, &words[0], 0UL, 0xffffffffUL, 2 | 128, 0, 0));
  pthread_join(th, 0);
  R(syscall(455, &words[0], 1UL, 0xffffffffUL, 2 | 128, 0, 0));
  R(syscall(455, &words[0], 0UL, 0UL, 2 | 128, 0, 0));
  R(syscall(455, &words[0], 0UL, 1UL << 32, 2 | 128, 0, 0));
  R(syscall(454, &words[0], 0UL, 1, 2 | 128));
  R(syscall(454, &words[0], 1UL, 1, 1));
  v[2] = v[0];
  R(syscall(456, v, 0, 1, 1));
  v[0].val = 7;
  R(syscall(456, v, 0, 1, 1));
  return 0;
}
