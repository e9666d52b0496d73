#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>
static jmp_buf b;
static sigjmp_buf sb;
static ucontext_t mainc, c1, c2;
static void deep(int n) {
  volatile char pad[100];
  pad[0] = n;
  if (n == 0) longjmp(b, 7);
  deep(n - 1);
}
static void h(int s) { siglongjmp(sb, s); }
static void co1(void) {
  for (int i = 0; i < 3; i++) {
    printf("co1 %d\n", i);
    swapcontext(&c1, &c2);
  }
}
static void co2(void) {
  for (int i = 0; i < 3; i++) {
    printf("co2 %d\n", i);
    swapcontext(&c2, i == 2 ? &mainc : &c1);
  }
}
int main(void) {
  volatile int count = 0;
  int r = setjmp(b);
  printf("setjmp %d count %d\n", r, count);
  if (count++ < 3) deep(count * 10);
  if (!(r = setjmp(b))) longjmp(b, 0);
  printf("zero becomes %d\n", r);
  signal(SIGUSR1, h);
  for (volatile int i = 0; i < 2; i++) {
    if (!(r = sigsetjmp(sb, 1))) raise(SIGUSR1);
    sigset_t m;
    sigprocmask(0, 0, &m);
    printf("sigsetjmp %d blocked %d\n", r, sigismember(&m, SIGUSR1));
  }
  if (!(r = sigsetjmp(sb, 0))) raise(SIGUSR1);
  sigset_t m;
  sigprocmask(0, 0, &m);
  printf("no mask saved: %d blocked %d\n", r, sigismember(&m, SIGUSR1));
#ifdef __GLIBC__
  getcontext(&c1);
  c1.uc_stack.ss_sp = malloc(65536);
  c1.uc_stack.ss_size = 65536;
  c1.uc_link = &mainc;
  makecontext(&c1, co1, 0);
  getcontext(&c2);
  c2.uc_stack.ss_sp = malloc(65536);
  c2.uc_stack.ss_size = 65536;
  c2.uc_link = &mainc;
  makecontext(&c2, co2, 0);
  swapcontext(&mainc, &c1);
#endif
  printf("done\n");
  return 0;
}
