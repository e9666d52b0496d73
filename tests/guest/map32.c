// MAP_32BIT: below 2 GiB, or nowhere; a hint counts as it does elsewhere.
#include "guest.h"

static unsigned long map(unsigned long hint, unsigned long size, int more) {
  void *p = mmap((void *)hint, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT | more, -1, 0);
  return p == MAP_FAILED ? errno : (unsigned long)p;
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    unsigned long at = map(0, 8192, 0);
    P("%d\n", at >= 0x40000000 && at < 0x80000000);
    *(volatile char *)at = 1;
  }
  P("%lx\n", map(0x50000000, 4096, 0));
  P("taken %d\n", map(0x50000000, 4096, 0) < 0x80000000);
  P("too high %d\n", map(0x100000000, 4096, 0) < 0x80000000);
  P("too high %d\n", map(0x7ffff000, 8192, 0) < 0x7fff0000);
  P("below %lx\n", map(0x10000000, 4096, 0));
  P("too large %lu\n", map(0, 0x41000000, 0));
  P("fixed %lx\n", map(0x90000000, 4096, MAP_FIXED));
  unsigned long n = 0;
  while (map(0, 64 << 20, 0) > 4095) n++;
  P("full %d\n", n > 10 && n < 16);
  P("no more %lu\n", map(0, 64 << 20, 0));
  void *p = mmap(0, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  P("elsewhere %d\n", p != MAP_FAILED && (unsigned long)p > 0x80000000);
  return 0;
}
