/* Every operation of futex, futex_waitv and the newer calls, with their refusals, and robust lists.
 */
// link: -pthread
#include "guest.h"
#include <sys/syscall.h>
#include <linux/futex.h>
#include <pthread.h>
#define F(a, op, v, t, a2, v3) syscall(SYS_futex, a, (long)(op), (long)(v), t, a2, (long)(v3))
#define S(...)                                                                                     \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = F(__VA_ARGS__);                                                                      \
    P("futex(%s) = %ld %d\n", #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                             \
    r_;                                                                                            \
  })
#define SW(...)                                                                                    \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(449, __VA_ARGS__);                                                           \
    P("waitv(%s) = %ld %d\n", #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                             \
    r_;                                                                                            \
  })
static int w, w2, pi;
static struct timespec t, z;
static volatile int ready;
static void *waiter(void *a) {
  ready++;
  long r = F(&w, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
  return (void *)(r < 0 ? -errno : r);
}
static void *bwaiter(void *a) {
  ready++;
  long r = F(&w, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, 0, (long)a);
  return (void *)(r < 0 ? -errno : r);
}
static void *piw(void *a) {
  ready++;
  long r = F(&pi, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  F(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  return (void *)(r < 0 ? -errno : r);
}
static void *rpiw(void *a) {
  ready++;
  long r = F(&w, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, &pi, 0);
  int e = r < 0 ? -errno : r;
  if (!r) F(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  return (void *)(long)e;
}
struct wv {
  unsigned long val, addr;
  unsigned flags, res;
};
static void *wvt(void *a) {
  struct wv v[2] = {{0, (long)&w, 2 | 128, 0}, {0, (long)&w2, 2 | 128, 0}};
  ready++;
  long r = syscall(449, v, 2, 0, 0, 0);
  return (void *)(r < 0 ? -errno : r);
}
#define TH(f, arg)                                                                                 \
  ({                                                                                               \
    pthread_t p_;                                                                                  \
    int n_ = ready;                                                                                \
    pthread_create(&p_, 0, f, (void *)(long)(arg));                                                \
    while (ready == n_) sched_yield();                                                             \
    msleep(20);                                                                                    \
    p_;                                                                                            \
  })
#define J(p)                                                                                       \
  ({                                                                                               \
    void *r_;                                                                                      \
    pthread_join(p, &r_);                                                                          \
    P("  joined %ld\n", (long)r_);                                                                 \
  })
static void h(int s) {}
int main() {
  P("-- wait\n");
  z = (struct timespec){0, 0};
  S(&w, FUTEX_WAIT, 1, 0, 0, 0);
  S(&w, FUTEX_WAIT, 0, &z, 0, 0);
  t = (struct timespec){0, 1000000000};
  S(&w, FUTEX_WAIT, 0, &t, 0, 0);
  t = (struct timespec){-1, 0};
  S(&w, FUTEX_WAIT, 0, &t, 0, 0);
  S(&w, FUTEX_WAIT, 0, 8, 0, 0);
  S(8, FUTEX_WAIT, 0, 0, 0, 0);
  S((char *)&w + 1, FUTEX_WAIT, 0, 0, 0, 0);
  S((long)-4, FUTEX_WAIT, 0, 0, 0, 0);
  S(0, FUTEX_WAIT, 0, 0, 0, 0);
  S(&w, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &z, 0, 0);
  S(&w, FUTEX_WAIT_BITSET, 0, &z, 0, 0);
  S(&w, FUTEX_WAIT_BITSET, 0, &z, 0, -1);
  S(&w, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &z, 0, -1);
  S(&w, 99, 0, 0, 0, 0);
  S(&w, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, 0, 0, 0);
  S(&w, FUTEX_FD, 0, 0, 0, 0);
  S(&w, -1, 0, 0, 0, 0);
  P("-- wake\n");
  S(&w, FUTEX_WAKE, 1, 0, 0, 0);
  S(8, FUTEX_WAKE, 1, 0, 0, 0);
  S(8, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  S((char *)&w + 1, FUTEX_WAKE, 1, 0, 0, 0);
  S(&w, FUTEX_WAKE_BITSET, 1, 0, 0, 0);
  S(&w, FUTEX_WAKE, -1, 0, 0, 0);
  pthread_t a, b, c;
  a = TH(waiter, 0);
  S(&w, FUTEX_WAKE_PRIVATE, 0, 0, 0, 0);
  J(a);
  a = TH(waiter, 0);
  b = TH(waiter, 0);
  S(&w, FUTEX_WAKE_PRIVATE, 5, 0, 0, 0);
  J(a);
  J(b);
  a = TH(bwaiter, 1);
  b = TH(bwaiter, 2);
  S(&w, FUTEX_WAKE_BITSET_PRIVATE, 5, 0, 0, 4);
  S(&w, FUTEX_WAKE_BITSET_PRIVATE, 5, 0, 0, 2);
  J(b);
  S(&w, FUTEX_WAKE_PRIVATE, 5, 0, 0, 0);
  J(a);
  S(&w, FUTEX_WAKE, 1, 0, 0, 0);
  P("-- requeue\n");
  S(&w, FUTEX_REQUEUE, -1, 0, &w2, 0);
  S(&w, FUTEX_REQUEUE, 0, -1, &w2, 0);
  S(&w, FUTEX_CMP_REQUEUE, 1, 1, &w2, 5);
  S(&w, FUTEX_CMP_REQUEUE, 1, 1, 8, 0);
  S(&w, FUTEX_CMP_REQUEUE, 1, 1, &w, 0);
  S(&w, FUTEX_CMP_REQUEUE, 1, 1, (char *)&w2 + 1, 0);
  a = TH(waiter, 0);
  b = TH(waiter, 0);
  c = TH(waiter, 0);
  S(&w, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &w2, 0);
  S(&w, FUTEX_WAKE_PRIVATE, 9, 0, 0, 0);
  S(&w2, FUTEX_WAKE_PRIVATE, 9, 0, 0, 0);
  J(a);
  J(b);
  J(c);
  P("-- wake_op\n");
  w2 = 5;
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_GT, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(FUTEX_OP_OR, 4, FUTEX_OP_CMP_LE, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(FUTEX_OP_ANDN, 4, FUTEX_OP_CMP_LE, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(FUTEX_OP_XOR, 0xfff, FUTEX_OP_CMP_LE, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(8 | FUTEX_OP_SET, 5, FUTEX_OP_CMP_LT, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(8 | FUTEX_OP_SET, 40, FUTEX_OP_CMP_LT, 5));
  P("%d\n", w2);
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(7, 1, 0, 5));
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w2, FUTEX_OP(0, 1, 9, 5));
  S(&w, FUTEX_WAKE_OP_PRIVATE, 1, 1, 8, 0);
  w2 = 0;
  P("-- pi\n");
  pi = 0;
  S(&pi, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  P("%d\n", pi == gettid());
  S(&pi, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  S(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0);
  a = TH(piw, 0);
  P("waiters %d\n", !!(pi & FUTEX_WAITERS));
  S(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  J(a);
  P("%x\n", pi);
  S(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  pi = 99999;
  S(&pi, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  S(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0);
  pi = 1;
  S(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  pi = FUTEX_OWNER_DIED;
  S(&pi, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  P("%d\n", pi == (gettid() | FUTEX_OWNER_DIED));
  pi = 0;
  S(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0);
  P("%d\n", pi == gettid());
  S(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  P("%d\n", pi);
  S(8, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  S((char *)&pi + 1, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  {
    pi = 0;
    pid_t k = getpid();
    F(&pi, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
    struct timespec dl;
    clock_gettime(CLOCK_REALTIME, &dl);
    a = 0;
  }
  pi = 0;
  S(&w, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, 1, &pi, 0);
  S(&w, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 1, &w, 0);
  S(&w, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, &w, 0);
  S(&w, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 1, 0, &pi, 0);
  S(&w, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 1, &pi, 7);
  a = TH(rpiw, 0);
  b = TH(rpiw, 0);
  S(&w, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  S(&w, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &w2, 0);
  S(&w, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, INT_MAX, &w2, 0);
  w2 = 0;
  S(&w, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, INT_MAX, &pi, 0);
  J(a);
  J(b);
  t = (struct timespec){1, 0};
  S(&w, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &t, &pi, 0);
  P("-- waitv\n");
  struct wv v[130] = {{0, (long)&w, 2 | 128, 0}};
  t = (struct timespec){1, 0};
  SW(v, 0, 0, 0, 0);
  SW(v, 129, 0, 0, 0);
  SW(v, 1, 1, 0, 0);
  SW(0, 1, 0, 0, 0);
  SW(8, 1, 0, 0, 0);
  SW(v, 1, 0, &t, 1);
  SW(v, 1, 0, &t, 0);
  SW(v, 1, 0, &t, 2);
  SW(v, 1, 0, 8, 1);
  v[0].val = 1;
  SW(v, 1, 0, &t, 1);
  v[0].val = 0;
  v[0].res = 1;
  SW(v, 1, 0, &t, 1);
  v[0].res = 0;
  v[0].flags = 0;
  SW(v, 1, 0, &t, 1);
  v[0].flags = 2;
  SW(v, 1, 0, &t, 1);
  v[0].flags = 3;
  SW(v, 1, 0, &t, 1);
  v[0].flags = 2 | 128;
  v[0].addr = 8;
  SW(v, 1, 0, &t, 1);
  v[0].addr = (long)&w + 1;
  SW(v, 1, 0, &t, 1);
  v[0].addr = 0;
  SW(v, 1, 0, &t, 1);
  v[0].addr = (long)&w;
  v[0].val = 1ul << 32;
  SW(v, 1, 0, &t, 1);
  t.tv_nsec = -1;
  v[0].val = 0;
  SW(v, 1, 0, &t, 1);
  a = TH(wvt, 0);
  S(&w2, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  J(a);
  a = TH(wvt, 0);
  S(&w, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  J(a);
  P("-- new calls\n");
  for (int n = 454; n < 457; n++) {
    errno = 0;
  }
#define X(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, __VA_ARGS__);                                                             \
    P("%s(%s) = %ld %d\n", #n, #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                            \
    r_;                                                                                            \
  })
  t = (struct timespec){1, 0};
  X(454, &w, -1ul, 1, 2 | 128);
  X(454, &w, 0ul, 1, 2 | 128);
  X(454, &w, -1ul, 1, 0);
  X(454, &w, -1ul, 1, 8 | 2);
  X(454, &w, 1ul << 32, 1, 2 | 128);
  X(455, &w, 1ul, 0xffffffffu, 2 | 128, &t, 1);
  X(455, &w, 0ul, 0xffffffffu, 2 | 128, &t, 1);
  X(455, &w, 0ul, 0, 2 | 128, &t, 1);
  X(455, &w, 0ul, -1ul, 2 | 128, &t, 1);
  X(455, &w, 0ul, 1, 2 | 128, &t, 5);
  struct wv q[2] = {{0, (long)&w, 2 | 128, 0}, {0, (long)&w2, 2 | 128, 0}};
  X(456, q, 0, 1, 1);
  X(456, q, 1, 1, 1);
  X(456, 0, 0, 1, 1);
  X(456, q, 0, -1, 1);
  q[0].val = 5;
  X(456, q, 0, 1, 1);
  P("-- robust\n");
  void *hd;
  size_t len;
  X(SYS_set_robust_list, 0, 23);
  X(SYS_set_robust_list, 8, 24);
  X(SYS_get_robust_list, 0, &hd, &len);
  P("%d %zu\n", hd == (void *)8, len);
  X(SYS_get_robust_list, 99999, &hd, &len);
  X(SYS_get_robust_list, 0, 8, &len);
  X(SYS_get_robust_list, 0, &hd, 8);
  X(SYS_get_robust_list, -1, &hd, &len);
  X(SYS_set_robust_list, 0, 24);
  if (!fork()) {
    setuid(1000);
    X(SYS_get_robust_list, 1, &hd, &len);
    _exit(0);
  }
  wait(0);
  {
    int *sh = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!fork()) {
      struct robust_list_head rh = {{&rh.list}, 0, 0};
      struct {
        struct robust_list l;
        int f;
      } n;
      rh.futex_offset = (char *)&sh[0] - (char *)&sh[8];
      struct robust_list *rl = (void *)&sh[8];
      rl->next = &rh.list;
      rh.list.next = rl;
      sh[0] = gettid();
      syscall(SYS_set_robust_list, &rh, sizeof rh);
      _exit(0);
    }
    wait(0);
    P("died %x\n", sh[0] & FUTEX_OWNER_DIED);
  }
  struct sigaction sa = {.sa_handler = h, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &sa, 0);
  struct itimerval iv = {{0}, {0, 20000}};
  setitimer(0, &iv, 0);
  t = (struct timespec){9, 0};
  S(&w, FUTEX_WAIT, 0, &t, 0, 0);
  sa.sa_flags = 0;
  sigaction(SIGALRM, &sa, 0);
  setitimer(0, &iv, 0);
  S(&w, FUTEX_WAIT, 0, 0, 0, 0);
  setitimer(0, &iv, 0);
  S(&w, FUTEX_WAIT, 0, &t, 0, 0);
  clock_gettime(1, &t);
  t.tv_sec++;
  setitimer(0, &iv, 0);
  S(&w, FUTEX_WAIT_BITSET, 0, &t, 0, -1);
  setitimer(0, &iv, 0);
  v[0] = (struct wv){0, (long)&w, 2, 0};
  SW(v, 1, 0, 0, 0);
}
