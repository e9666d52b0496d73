// ioctl(PAGEMAP_SCAN): categories of pages, regions, limits, write protection that is asked for with it, and refusals.
#include "guest.h"
#include <sys/ioctl.h>

#define PG 4096L
struct arg {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret;
};
struct region {
  uint64_t start, end, categories;
};
enum { WPALLOWED = 1, WRITTEN = 2, FILE_ = 4, PRESENT = 8, ZERO = 32 };
#define SCAN 0xc0606610
static int pm;
static char *base;
static struct region v[64];

static int scan(char *p, long pages, struct arg a) {
  a.size = sizeof a, a.start = (uint64_t)p, a.end = (uint64_t)p + pages * PG;
  if (!a.vec_len) a.vec_len = 64;
  if (a.vec_len == 1000) a.vec_len = 0;
  if (a.vec_len) a.vec = (uint64_t)v;
  int n = ioctl(pm, SCAN, &a), saved = errno;
  P("%d errno %d, to %ld:", n, n < 0 ? saved : 0, (long)(n < 0 ? 0 : (a.walk_end - (uint64_t)base) / PG));
  for (int i = 0; i < n; i++)
    P(" %ld-%ld:%llx", (long)(v[i].start - (uint64_t)base) / PG, (long)(v[i].end - (uint64_t)base) / PG,
      (long long)v[i].categories);
  P("\n");
  return n;
}
#define S(p, n, ...) scan(p, n, (struct arg){__VA_ARGS__})

int main(void) {
  pm = open("/proc/self/pagemap", O_RDONLY);
  // A table of its own: whether there is one counts.
  base = mmap(0, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  base = (char *)(((uint64_t)base + (2 << 20)) & -(2L << 20));
  madvise(base, 2 << 20, MADV_NOHUGEPAGE);
  for (int i = 0; i < 20; i += 2) base[i * PG] = 1;
  volatile char c = base[5 * PG];
  S(base, 20, .mask = PRESENT, .ret = PRESENT);
  S(base, 20, .mask = PRESENT, .ret = PRESENT | ZERO);
  S(base, 20, .anyof = ZERO | FILE_, .ret = 0xff & ~128);
  S(base, 20, .mask = PRESENT, .inverted = PRESENT, .ret = PRESENT);
  S(base, 20, .mask = PRESENT, .ret = PRESENT, .max_pages = 3);
  S(base, 20, .mask = PRESENT, .ret = PRESENT, .vec_len = 2);
  S(base, 20, .mask = PRESENT, .ret = PRESENT, .vec_len = 1000);
  S(base, 20, .mask = PRESENT, .ret = PRESENT, .flags = 2);
  S(base, 20, .mask = PRESENT, .ret = PRESENT, .flags = 1);
  S(base, 20, .mask = WPALLOWED, .ret = PRESENT);
  S(base, 20, .flags = 4);
  S(base, 20, .mask = 1 << 20);
  S(base + 1, 20, .mask = PRESENT);
  S(base, 0, .mask = PRESENT, .ret = PRESENT);
  struct arg bad = {.size = 88};
  R(ioctl(pm, SCAN, &bad));
  R(ioctl(pm, SCAN, 8));
  R(ioctl(pm, 0x5401, &bad));
  int fd = open("/proc/self/exe", O_RDONLY);
  char *f = mmap(base + 30 * PG, 2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
  c = f[0], f[PG] = 1;
  S(f, 2, .mask = PRESENT, .ret = FILE_ | PRESENT);

  int u = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  uint64_t api[3] = {0xaa, 1 << 15, 0}, reg[4] = {(uint64_t)base, 20 * PG, 2};
  R(ioctl(u, 0xc018aa3f, api));
  R(ioctl(u, 0xc020aa00, reg));
  S(base, 20, .mask = WPALLOWED, .ret = WPALLOWED);
  S(base, 20, .flags = 3, .mask = WRITTEN | PRESENT, .ret = WRITTEN | PRESENT);
  S(base, 20, .mask = WRITTEN | PRESENT, .ret = WRITTEN);
  base[4 * PG] = 2, base[5 * PG] = 2, base[7 * PG] = 3;
  S(base, 20, .mask = WRITTEN | PRESENT, .ret = WRITTEN);
  S(base, 20, .flags = 1, .mask = WRITTEN, .ret = WRITTEN, .max_pages = 2);
  S(base, 20, .mask = WRITTEN | PRESENT, .ret = WRITTEN);
  S(base, 20, .flags = 1, .mask = WRITTEN, .vec_len = 1000);
  S(base, 20, .mask = WRITTEN, .ret = WRITTEN);
  base[9 * PG] = 1;
  S(base, 20, .mask = WRITTEN, .ret = WRITTEN | PRESENT);
  S(base, 21, .flags = 3, .mask = WRITTEN, .ret = WRITTEN);
}
