/* qsort(3) of N pseudo-random ints. Usage: qsort [N] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  size_t n = argc > 1 ? (size_t)atol(argv[1]) : 4000000;
  int *v = malloc(n * sizeof *v);
  uint64_t seed = 88172645463325252u;
  for (size_t i = 0; i < n; i++) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    v[i] = (int)seed;
  }
  qsort(v, n, sizeof *v, compare);
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    if (i && v[i - 1] > v[i]) return 1;
    sum = sum * 31 + (uint32_t)v[i];
  }
  printf("%016lx\n", sum);
  return 0;
}
