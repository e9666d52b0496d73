// modify_ldt: entries are written, read back and inherited; its errors are 32-bit numbers.
// libc: glibc
#include "guest.h"
#include <asm/ldt.h>

static long call(int func, void *p, unsigned long n) {
  long r;
  asm volatile("syscall" : "=a"(r) : "0"(154L), "D"((long)func), "S"(p), "d"(n) : "rcx", "r11", "memory");
  return r;
}

static void show(const char *what) {
  unsigned char b[64];
  memset(b, 0xee, 64);
  P("%s: read %lx:", what, call(0, b, 64));
  for (int i = 0; i < 32; i++) P("%s%02x", i % 8 ? "" : " ", b[i]);
  P(" ... %02x\n", b[63]);
}

static void put(int func, int n, unsigned base, unsigned limit, int bits) {
  struct user_desc d = {0};
  d.entry_number = n, d.base_addr = base, d.limit = limit;
  *(unsigned *)((char *)&d + 12) = bits;
  P("write %x, entry %d, %x %x %x: %lx\n", func, n, base, limit, bits, call(func, &d, sizeof d));
}

int main(void) {
  static unsigned char b[70000];
  P("%lx %lx %lx %lx\n", call(0, b, 64), call(0, b, 0), call(0, 0, 64), call(3, b, 64));
  memset(b, 1, 200);
  P("%lx %lx %lx %d %d\n", call(2, b, 64), call(2, b, 500), call(2, (void *)8, 5), b[127], b[128]);
  P("%lx %lx %lx\n", call(1, b, 15), call(1, (void *)8, 16), call(0x11, b, 0));
  show("none");
  put(1, 8192, 0, 0, 1);
  put(0x11, -1, 0, 0, 1);
  put(0x11, 1, 0x12345678, 0xfffff, 0x11);
  put(0x11, 0, 0x12345678, 0xabcde, 0x41);
  show("usable");
  put(1, 0, 0x12345678, 0xabcde, 0x41);
  show("not so to old programs");
  put(1, 2, 1, 2, 7);
  put(0x11, 2, 1, 2, 7);
  put(0x11, 2, 1, 2, 0x27);
  show("conforming");
  put(0x11, 3, 0, 0, 0x28);
  put(0x11, 1, 0, 0, 0x28);
  put(1, 0, 0, 0, 0x41);
  show("cleared");
  put(0x11, 3, 0x1000, 0xff, 0);
  show("16 bits");
  put(0x11, 3, 0x1000, 0xff, 0x81);
  put(0x11, 0, 0, 0, 0xa8);
  show("64 bits");
  for (int i = 0; i < 16; i++) {
    put(0x11, i & 3, 0xdeadbeef, 0x54321, 1 | (i << 1 & 0xe) | (i & 8 ? 16 : 0) | ((i & 3) == 3 ? 32 : 0));
    if ((i & 3) == 3) show("four");
  }
  put(0x11, 8191, 0xdeadbeef, 0x54321, 1);
  P("%lx %lx %02x%02x\n", call(0, b, 65536), call(0, b, 70000), b[65528], b[65529]);
  P("%lx %lx\n", call(0, (void *)8, 8), call(0, (void *)8, 0));
  INPROC(0, show("child"); put(0x11, 0, 0x11, 0x22, 1); show("child"));
  show("parent");
}
