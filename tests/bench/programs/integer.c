/* A mixed integer loop: hashing, sorting, dividing. Prints a checksum. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t table[1024];
static uint8_t text[4096];

static uint32_t hash(const uint8_t *p, uint32_t n) {
  uint32_t h = 2166136261u;
  while (n--) h = (h ^ *p++) * 16777619u;
  return h;
}

static void sort(uint32_t *a, int n) {
  for (int gap = n / 2; gap; gap /= 2)
    for (int i = gap; i < n; i++) {
      uint32_t t = a[i];
      int j = i;
      for (; j >= gap && a[j - gap] > t; j -= gap) a[j] = a[j - gap];
      a[j] = t;
    }
}

int main(int argc, char **argv) {
  uint64_t sum = 0, seed = 88172645463325252ul;
  int rounds = argc > 1 ? atoi(argv[1]) : 2000;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 1024; i++) {
      seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
      table[i] = (uint32_t)seed;
      text[i * 3] = (uint8_t)(seed >> 32);
    }
    sort(table, 1024);
    sum += hash(text, 4096) + table[512];
    for (int i = 1; i < 1024; i++)
      if (table[i] % 7 == 3) sum += table[i - 1];
      else sum ^= i;
  }
  printf("%lx\n", sum);
  return 0;
}
