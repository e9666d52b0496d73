// link: -lm
#include "guest.h"
#include <complex.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
static volatile double one = 1, three = 3, zero = 0, big = DBL_MAX, tiny = DBL_MIN;
static volatile long double l1 = 1, l3 = 3;
static volatile float f1 = 1, f3 = 3;
int main(void) {
  printf("%.17g %.20Lg %.9g\n", one / three, l1 / l3, f1 / f3);
  printf("%a %La %a\n", one / three, l1 / l3, (double)(f1 / f3));
  printf("%.30f %.40Lf %e %g %G\n", 0.1, 0.1L, 1e100, 1e-5, 1e20);
  printf("%.0f %.0f %.0f %.0f\n", 0.5, 1.5, 2.5, 1e22);
  printf("%Lf %Le %Lg %.3La\n", LDBL_MAX, LDBL_MIN, 3.0L, 255.5L);
  printf("%f %f %f %f\n", one / zero, -one / zero, zero / zero < 0,
         sqrt(-one) != sqrt(-one) ? 1.0 : 0.0);
  printf("%.20Lg %.20Lg\n", nextafterl(1.0L, 2.0L), LDBL_EPSILON);
  printf("%g %g %g\n", DBL_MIN / 2, DBL_TRUE_MIN, 5e-324 * 0.5);
  double xs[] = {0.1, 1, 2.5, 10, 100.25, -3.75};
  for (int i = 0; i < 6; i++) {
    double x = xs[i];
    printf("%.15g %.15g %.15g %.15g %.15g %.15g\n", sin(x), cos(x), tan(x), exp(x / 10),
           log(fabs(x)), pow(fabs(x), 1.7));
    printf("%.18Lg %.18Lg %.18Lg %.18Lg %.18Lg\n", sinl(x), cosl(x), expl(x / 10), logl(fabsl(x)),
           powl(fabsl(x), 1.3L));
    printf("%.15g %.15g %.15g %.15g %.15g\n", sinh(x / 10), atan2(x, 2), cbrt(x), hypot(x, 3),
           fmod(x, 0.7));
    printf("%.9g %.9g %.9g\n", sinf(x), expf(x / 10), sqrtf(fabsf(x)));
    printf("%ld %ld %lld %.1f %.1f %.1f %.1f\n", lrint(x), lround(x), llrintl(x), floor(x), ceil(x),
           trunc(x), rint(x));
  }
  int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (int i = 0; i < 4; i++) {
    fesetround(modes[i]);
    volatile double d = one / three;
    volatile long double l = l1 / l3;
    volatile float f = f1 / f3;
    printf("%d: %a %La %a %ld %ld %.0f\n", i, d, l, (double)f, lrint(2.5), lrint(-2.5), rint(1.5));
    volatile double s = sqrt(three);
    printf("%a %a %a\n", s, (double)(float)d, (double)(int)(d * 10));
  }
  fesetround(FE_TONEAREST);
  struct {
    const char *n;
    double (*f)(void);
  } dummy;
  (void)dummy;
  volatile double r;
  feclearexcept(FE_ALL_EXCEPT);
  r = one / zero;
  printf("divbyzero %x\n", fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
  r = zero / zero;
  printf("invalid %x\n", fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
  r = big * big;
  printf("overflow %x\n", fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
  r = tiny * tiny;
  printf("underflow %x\n", fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
  r = one / three;
  printf("inexact %x\n", fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
  volatile long double lr = l1 / (long double)zero;
  printf("x87 divbyzero %x\n", fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
  volatile int iv = (int)(volatile double){1e30};
  printf("conversion %d %x\n", iv, fetestexcept(FE_INVALID));
  (void)r;
  (void)lr;
  printf("%lld %llu %d %u %ld\n", (long long)-1.9, (unsigned long long)1.8e19, (int)-2147483648.0,
         (unsigned)4e9, (long)1e18L);
  printf("%.17g %.17g %.20Lg\n", (double)9007199254740993LL, (double)18446744073709551615ULL,
         (long double)18446744073709551615ULL);
  printf("%.9g %.17g\n", (float)16777217, (double)(float)0.1);
  char *end;
  printf("%.17g %.17g %.21Lg %.17g\n", strtod("1.7976931348623157e308", &end),
         strtod("4.9e-324", &end), strtold("1e4000", &end), strtod("0x1.8p3", &end));
  printf("%d %d %d %d\n", isnan(zero / zero), isinf(one / zero), fpclassify(5e-324) == FP_SUBNORMAL,
         signbit(-0.0) != 0);
  int ex;
  printf("%.17g %d %.17g\n", frexp(100.5, &ex), ex, ldexp(0.75, 10));
  double ip;
  printf("%.17g %.17g\n", modf(3.75, &ip), ip);
  printf("%.15g %.15g %.15g\n", tgamma(4.5), lgamma(10.1), erf(0.7));
  double complex z = cexp(I * 1.0);
  printf("%.15g %.15g %.15g\n", creal(z), cimag(z), cabs(3 + 4 * I));
  printf("%.15g %.15g\n", fma(1e16, 1 + 1e-16, -1e16), remainder(10, 3));
  double sum = 0;
  for (int i = 1; i <= 100000; i++) sum += 1.0 / i;
  printf("%.17g\n", sum);
  long double ls = 0;
  for (int i = 1; i <= 100000; i++) ls += 1.0L / i;
  printf("%.20Lg\n", ls);
  return 0;
}
