// link: -pthread
#include "guest.h"
#include <linux/futex.h>
#include <pthread.h>
static int f1, f2;
static long fx(int *a, int op, int v, void *t, int *b, int v3) {
  return syscall(SYS_futex, a, op, v, t, b, v3);
}
static volatile int woke;
static void *w(void *a) {
  int *f = a;
  long r = fx(f, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
  __sync_fetch_and_add(&woke, 1);
  return (void *)r;
}
static void *wb(void *a) {
  fx(&f1, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, 0, (int)(long)a);
  __sync_fetch_and_add(&woke, (int)(long)a);
  return 0;
}
int main(void) {
  struct timespec t = {0, 10000000};
  R(fx(&f1, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0));
  R(fx(&f1, FUTEX_WAIT_PRIVATE, 0, &t, 0, 0));
  R(fx(&f1, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
  R(fx((int *)((char *)&f1 + 1), FUTEX_WAIT_PRIVATE, 0, 0, 0, 0));
  R(fx(0, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0));
  R(fx(&f1, 99, 0, 0, 0, 0));
  t.tv_nsec = 2000000000;
  R(fx(&f1, FUTEX_WAIT_PRIVATE, 0, &t, 0, 0));
  R(fx(&f1, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, 0, 0));
  pthread_t th[4];
  for (int i = 0; i < 4; i++) pthread_create(&th[i], 0, w, &f1);
  msleep(30);
  R(fx(&f1, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
  msleep(20);
  R(woke);
  R(fx(&f1, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &f2, 0));
  msleep(20);
  R(woke);
  R(fx(&f2, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0));
  for (int i = 0; i < 4; i++) pthread_join(th[i], 0);
  R(woke);
  R(fx(&f1, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1L, &f2, 5));
  woke = 0;
  pthread_create(&th[0], 0, wb, (void *)1L);
  pthread_create(&th[1], 0, wb, (void *)2L);
  msleep(30);
  R(fx(&f1, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, 4));
  R(fx(&f1, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, 2));
  pthread_join(th[1], 0);
  R(woke);
  R(fx(&f1, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, -1));
  pthread_join(th[0], 0);
  R(woke);
  int *sh = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t p = fork();
  if (!p) {
    long r = fx(sh, FUTEX_WAIT, 0, 0, 0, 0);
    _exit(r == 0 ? 5 : 6);
  }
  msleep(30);
  R(fx(sh, FUTEX_WAKE, 1, 0, 0, 0));
  int st;
  waitpid(p, &st, 0);
  R(WEXITSTATUS(st));
  f1 = 0;
  R(fx(&f1, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
  R(f1 == syscall(SYS_gettid));
  R(fx(&f1, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0));
  R(fx(&f1, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
  R(f1);
  f1 = 1;
  f2 = 5;
  R(fx(&f1, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &f2,
       FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
  R(f2);
  return 0;
}
