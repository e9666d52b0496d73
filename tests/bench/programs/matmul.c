/* Multiplies N x N matrices of doubles, some rounds. Usage: matmul [rounds] [N] */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 3, n = argc > 2 ? atoi(argv[2]) : 400;
  double *a = malloc(sizeof *a * n * n), *b = malloc(sizeof *b * n * n), *c = malloc(sizeof *c * n * n), trace = 0;
  for (int i = 0; i < n * n; i++) a[i] = (i % 97) / 97.0, b[i] = (i % 89) / 89.0;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) c[i * n + j] = 0;
      for (int k = 0; k < n; k++) {
        double x = a[i * n + k];
        for (int j = 0; j < n; j++) c[i * n + j] += x * b[k * n + j];
      }
    }
    for (int i = 0; i < n; i++) trace += c[i * n + i];
    a[round] += 1;
  }
  printf("%.6f\n", trace);
  return 0;
}
