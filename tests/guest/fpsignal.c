// libc: glibc
// link: -lm
#include "guest.h"
#include <fenv.h>
#include <setjmp.h>
static sigjmp_buf env;
static void h(int s, siginfo_t *i, void *u) {
  (void)u;
  printf("signal %d code %d\n", s, i->si_code);
  siglongjmp(env, 1);
}
static void clobber(int s) {
  (void)s;
  volatile double d = 0;
  for (int i = 1; i < 100; i++) d += 1.0 / i;
  volatile long double l = 1;
  for (int i = 1; i < 20; i++) l *= 1.5L;
  fesetround(FE_UPWARD);
  __asm__ volatile("pxor %%xmm0,%%xmm0; pxor %%xmm5,%%xmm5; pxor %%xmm15,%%xmm15" ::
                       : "xmm0", "xmm5", "xmm15");
}
int main(void) {
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &sa, 0);
  int ex[] = {FE_DIVBYZERO, FE_INVALID, FE_OVERFLOW, FE_INEXACT};
  for (int i = 0; i < 4; i++) {
    fenv_t fe;
    fegetenv(&fe);
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(ex[i]);
    if (!sigsetjmp(env, 1)) {
      volatile double a = i == 1   ? 0
                          : i == 2 ? 1e300
                                   : 1,
                      b = i == 2   ? 1e300
                          : i == 3 ? 3
                                   : 0,
                      c = i == 2 ? a * b : a / b;
      printf("no trap %g\n", c);
    }
    fesetenv(&fe);
  }
  for (int i = 0; i < 2; i++) {
    fenv_t fe;
    fegetenv(&fe);
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(ex[i]);
    if (!sigsetjmp(env, 1)) {
      volatile long double a = i == 1 ? 0 : 1, b = 0, c = a / b;
      printf("no x87 trap %Lg\n", c);
    }
    fesetenv(&fe);
  }
  signal(SIGALRM, clobber);
  struct itimerval it = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &it, 0);
  double s = 0;
  long double ls = 0;
  for (int i = 1; i < 3000000; i++) {
    s += 1.0 / i;
    if (i % 10 == 0) ls += 1.0L / i;
  }
  struct itimerval off = {0};
  setitimer(ITIMER_REAL, &off, 0);
  printf("%.17g %.20Lg round %d\n", s, ls, fegetround());
  if (!fork()) {
    double t = 0;
    fesetround(FE_DOWNWARD);
    for (int i = 1; i < 1000000; i++) t += 1.0 / i;
    printf("child %.17g\n", t);
    return 0;
  }
  double t = 0;
  for (int i = 1; i < 1000000; i++) t += 1.0 / i;
  wait(0);
  printf("parent %.17g\n", t);
  return 0;
}
