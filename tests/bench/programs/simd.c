/* Loops that gcc -O3 vectorises with SSE2: bytes, words, ints, floats and doubles. Usage: simd [rounds] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define N 16384
static float fa[N], fb[N], fc[N];
static double da[N], db[N];
static int32_t ia[N], ib[N], ic[N];
static uint8_t ba[N], bb[N];
static int16_t sa[N], sb[N];

static __attribute__((noinline)) void saxpy(float k) {
  for (int i = 0; i < N; i++) fc[i] = fa[i] * k + fb[i];
}
static __attribute__((noinline)) void scale(double k) {
  for (int i = 0; i < N; i++) da[i] = da[i] * k + db[i] * (1 - k);
}
static __attribute__((noinline)) void blend(void) {
  for (int i = 0; i < N; i++) bb[i] = (uint8_t)((ba[i] * 3 + bb[i] * 5) >> 3);
}
static __attribute__((noinline)) void larger(void) {
  for (int i = 0; i < N; i++) ic[i] = ia[i] > ib[i] ? ia[i] - ib[i] : ib[i] ^ ia[i];
}
static __attribute__((noinline)) int64_t dot(void) {
  int64_t sum = 0;
  for (int i = 0; i < N; i++) sum += sa[i] * sb[i];
  return sum;
}
static __attribute__((noinline)) void mix(void) {
  for (int i = 0; i < N; i++) ia[i] = (ia[i] << 3) + (ic[i] >> 2) + 7;
}
static __attribute__((noinline)) void convert(void) {
  for (int i = 0; i < N; i++) fb[i] = (float)(ia[i] & 1023) * 0.25f;
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 3000;
  for (int i = 0; i < N; i++) {
    fa[i] = i * 0.5f, fb[i] = i * 0.25f, da[i] = i, db[i] = N - i;
    ia[i] = i * 2654435761u, ib[i] = i * 40503, ba[i] = i * 7, bb[i] = i * 13, sa[i] = i * 3, sb[i] = i * 5;
  }
  int64_t sum = 0;
  for (int i = 0; i < rounds; i++) {
    saxpy(1.0f + (i & 7)), scale(0.5), blend(), larger(), mix(), convert();
    sum += dot() + ic[i & (N - 1)];
    sa[i & (N - 1)] += 1;
  }
  double total = 0;
  for (int i = 0; i < N; i++) total += fc[i] + da[i], sum = sum * 31 + ia[i] + bb[i];
  printf("%ld %.3f\n", sum, total);
  return 0;
}
