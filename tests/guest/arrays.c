// link: -lm
// Loops through arrays of numbers as compilers write them, scalar and vectorised: what they leave, and in the flags of exceptions, too.
#include "guest.h"
#include <fenv.h>
#include <math.h>

#define N 3000
#define ROOM (N + 64)

struct arrays {
  double a[ROOM], b[ROOM], c[ROOM];
  float f[ROOM], g[ROOM];
  int x[ROOM], y[ROOM];
  short s[ROOM];
};

static struct arrays all;
static uint32_t state;

static uint32_t next(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

static const double unusual[] = {0, -0.0, INFINITY, NAN, 1e-310, 1e300, -1e-320, 5e-324};

/** Ordinary numbers, some others among them, or many zeros. */
static void fill(int kind) {
  for (int i = 0; i < ROOM; i++) {
    double v = (next() % 2000 - 1000.0) / (next() % 97 + 1.0);
    if (kind == 1 && next() % 200 == 0)
      v = unusual[next() % 8];
    if (kind == 2 && next() % 50 == 0)
      v = 0;
    all.a[i] = v;
    all.b[i] = next() % 1000 / 7.0 + .5;
    all.c[i] = 0;
    all.f[i] = v;
    all.g[i] = next() % 1000 / 9.0f;
    all.x[i] = next();
    all.y[i] = next() % 100;
    all.s[i] = next();
  }
}

#define PARAMETERS                                                                                 \
  double *a, double *b, double *c, float *f, float *g, int *x, int *y, short *s, int n, double k

typedef void loop(PARAMETERS);

/** A loop twice: its numbers one by one, and several at once. */
#define LOOP(name, ...)                                                                            \
  __attribute__((noinline, optimize("O1"))) static void name##_one(PARAMETERS) { __VA_ARGS__ }     \
  __attribute__((noinline, optimize("O3"))) static void name##_many(PARAMETERS) { __VA_ARGS__ }

LOOP(axpy, for (int i = 0; i < n; i++) c[i] += k * a[i];)
LOOP(floats, for (int i = 0; i < n; i++) f[i] = f[i] * (float)k + g[i];)
LOOP(scale, for (int i = 0; i < n; i++) a[i] = a[i] * k + b[i] * (1 - k);)
LOOP(dot, double t = 0; for (int i = 0; i < n; i++) t += a[i] * b[i]; c[0] = t;)
LOOP(first_order, for (int i = 1; i < n; i++) a[i] = a[i - 1] * .5 + b[i];)
LOOP(second_order, for (int i = 2; i < n; i++) a[i] = a[i - 2] * .5 + b[i];)
LOOP(fifth_order, for (int i = 0; i < n; i++) a[i + 5] = a[i] * .75 + k;)
LOOP(down, for (int i = 0; i < n; i++) a[i] = a[i + 1] + b[i];)
LOOP(backwards, for (int i = n - 1; i >= 0; i--) c[i] = a[i] - b[i];)
LOOP(reversed, for (int i = 0; i < n; i++) c[i] = a[n - 1 - i] * k;)
LOOP(stencil, for (int i = 1; i < n - 1; i++) c[i] = (a[i - 1] + a[i] * 2 + a[i + 1]) * .25;)
LOOP(quotients, for (int i = 0; i < n; i++) c[i] = a[i] / b[i];)
LOOP(roots, for (int i = 0; i < n; i++) c[i] = sqrt(b[i]) * k;)
LOOP(greatest, double m = -1e9; for (int i = 0; i < n; i++) m = a[i] > m ? a[i] : m; c[0] = m;)
LOOP(from_int, for (int i = 0; i < n; i++) a[i] = x[i] * .001 + k;)
LOOP(float_from_int, for (int i = 0; i < n; i++) f[i] = (float)(x[i] & 1023) * .25f;)
LOOP(to_int, for (int i = 0; i < n; i++) x[i] = (int)b[i];)
LOOP(narrower, for (int i = 0; i < n; i++) f[i] = (float)b[i];)
LOOP(wider, for (int i = 0; i < n; i++) c[i] = g[i] * k;)
LOOP(integers, for (int i = 0; i < n; i++) x[i] = (int)((unsigned)x[i] << 3) + (y[i] >> 2) + 7;)
LOOP(products, long t = 0; for (int i = 0; i < n; i++) t += s[i] * s[i + 1]; c[0] = t;)
LOOP(interleaved, for (int i = 0; i < n / 2; i++) { c[2 * i] = a[i] * k; c[2 * i + 1] = b[i] * k; })
LOOP(gathered, for (int i = 0; i < n; i++) c[i] = a[y[i]] * k;)
LOOP(polynomial, for (int i = 0; i < n; i++) c[i] = ((a[i] * .1 + b[i]) * a[i] + k) * a[i] - 1;)
LOOP(complex_products, for (int i = 0; i < n - 1; i += 2) {
  double re = a[i] * b[i] - a[i + 1] * b[i + 1], im = a[i] * b[i + 1] + a[i + 1] * b[i];
  c[i] = re, c[i + 1] = im;
})
LOOP(mixed, for (int i = 0; i < n; i++) f[i] = i * .5f, a[i] = i * .25 + b[i], x[i] = i * 3;)
LOOP(magnitudes, for (int i = 0; i < n; i++) c[i] = -fabs(a[i]);)

#define ROW(name) {#name, name##_one, name##_many}

static const struct {
  const char *name;
  loop *one, *many;
} loops[] = {ROW(axpy), ROW(floats), ROW(scale), ROW(dot), ROW(first_order), ROW(second_order),
             ROW(fifth_order), ROW(down), ROW(backwards), ROW(reversed), ROW(stencil),
             ROW(quotients), ROW(roots), ROW(greatest), ROW(from_int), ROW(float_from_int),
             ROW(to_int), ROW(narrower), ROW(wider), ROW(integers), ROW(products),
             ROW(interleaved), ROW(gathered), ROW(polynomial), ROW(complex_products), ROW(mixed),
             ROW(magnitudes)};

/** FNV-1a over the bits of all of them. */
static uint64_t digest(void) {
  uint64_t h = 1469598103934665603u;
  const uint32_t *words = (const uint32_t *)&all;
  for (size_t i = 0; i < sizeof all / 4; i++)
    h = (h ^ words[i]) * 1099511628211u;
  return h;
}

static void run(loop *one, int kind) {
  uint64_t h = 0;
  feclearexcept(FE_ALL_EXCEPT);
  for (int round = 0; round < 40; round++) {
    if (round % 8 == 0)
      fill(kind);
    int off = next() % 5, n = round % 3 ? N - 8 - next() % 300 : 1 + next() % 40;
    one(all.a + off, all.b + next() % 3, all.c + next() % 4, all.f + off, all.g, all.x + off,
        all.y + next() % 2, all.s, n, 1.0 + next() % 8 * .125);
    h = h * 31 + digest();
  }
  printf(" %016lx:%x", h, fetestexcept(FE_ALL_EXCEPT));
}

int main(void) {
  for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
    printf("%s", loops[i].name);
    for (int kind = 0; kind < 3; kind++) {
      state = i * 7 + kind;
      run(loops[i].one, kind);
      state = i * 7 + kind;
      run(loops[i].many, kind);
    }
    printf("\n");
  }
  return 0;
}
