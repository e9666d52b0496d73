#include "guest.h"
static unsigned rnd = 1;
static unsigned r(void) {
  rnd = rnd * 1103515245 + 12345;
  return rnd >> 8;
}
int main(void) {
  char *p[500] = {0};
  size_t len[500] = {0};
  for (int i = 0; i < 50000; i++) {
    int k = r() % 500;
    if (p[k]) {
      for (size_t j = 0; j < len[k]; j += 97)
        if (p[k][j] != (char)k) {
          P("corrupt\n");
          return 1;
        }
      free(p[k]);
      p[k] = 0;
    } else {
      len[k] = 1 + r() % (i % 50 ? 2000 : 300000);
      p[k] = malloc(len[k]);
      memset(p[k], k, len[k]);
    }
  }
  P("malloc ok\n");
  char *big = malloc(40 << 20);
  for (int i = 0; i < 40 << 20; i += 4096) big[i] = i >> 12;
  unsigned s = 0;
  for (int i = 0; i < 40 << 20; i += 4096) s += (unsigned char)big[i];
  R(s);
  int st;
  if (!fork()) {
    for (int i = 0; i < 40 << 20; i += 8192) big[i] = 99;
    _exit(big[4096]);
  }
  wait(&st);
  R(WEXITSTATUS(st));
  R(big[0]);
  for (int k = 0; k < 20; k++)
    if (!fork()) {
      for (int i = 0; i < 1 << 20; i += 4096) big[i] += k;
      _exit(0);
    }
  while (wait(0) > 0) {}
  R(big[0]);
  void *q = aligned_alloc(65536, 65536);
  R(((uintptr_t)q & 65535) == 0);
  q = realloc(malloc(10), 5 << 20);
  R(q != 0);
  unsigned long h = 5381;
  for (int i = 0; i < 3000000; i++) h = h * 33 ^ (unsigned char)big[(i * 4099UL) % (40 << 20)];
  printf("%lx\n", h);
  return 0;
}
