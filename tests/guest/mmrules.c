/* Mapping, locking, advice and policies of memory: which errors come first and what is refused. */
#include "guest.h"
#include <sys/syscall.h>
#define PG 4096
#define M(...)                                                                                     \
  ({                                                                                               \
    errno = 0;                                                                                     \
    void *p_ = mmap(__VA_ARGS__);                                                                  \
    P("mmap %s: %d\n", #__VA_ARGS__, p_ == MAP_FAILED ? errno : 0);                                \
    p_;                                                                                            \
  })
static void *anon(int n) {
  return mmap(0, n * PG, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
int main() {
  int fd = open("/tmp/mmf", O_CREAT | O_RDWR | O_TRUNC, 0644);
  ftruncate(fd, 3 * PG);
  int ro = open("/tmp/mmf", O_RDONLY), wo = open("/tmp/mmf", O_WRONLY), d = open("/tmp", O_RDONLY);
  int pp[2];
  pipe(pp);
  int op = open("/tmp/mmf", O_PATH);
  P("-- mmap\n");
  M(0, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  M(0, PG, 3, MAP_ANONYMOUS, -1, 0);
  M(0, PG, 3, MAP_PRIVATE, -1, 0);
  M(0, PG, 3, MAP_PRIVATE, 999, 0);
  M(0, PG, 3, MAP_SHARED, ro, 0);
  M(0, PG, 1, MAP_SHARED, wo, 0);
  M(0, PG, 2, MAP_SHARED, wo, 0);
  M(0, PG, 1, MAP_PRIVATE, wo, 0);
  M(0, PG, 1, MAP_PRIVATE, d, 0);
  M(0, PG, 1, MAP_PRIVATE, pp[0], 0);
  M(0, PG, 1, MAP_PRIVATE, op, 0);
  M(0, PG, 1, MAP_PRIVATE, fd, 1);
  M(0, PG, 1, MAP_PRIVATE | MAP_SHARED, fd, 0);
  M(0, PG, 1, 0, fd, 0);
  M(0, -1ul, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  M(0, 1ul << 47, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  M((void *)1, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  M((void *)(1ul << 47), PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  INPROC(0, M(0, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
         M((void *)PG, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  M(0, PG, 3, MAP_PRIVATE, fd, -PG);
  M(0, 2 * PG, 3, MAP_PRIVATE, fd, 0x7ffffffffffff000);
  M(0, PG, 1, MAP_SHARED_VALIDATE | (1 << 27), fd, 0);
  M(0, PG, 1, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
  M(0, PG, 1, MAP_SHARED | MAP_SYNC, fd, 0);
  INPROC(1000, M(0, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
         struct rlimit l = {0, 0}; setrlimit(RLIMIT_MEMLOCK, &l);
         M(0, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0); char *a = anon(1);
         R(mlock(a, 1)); R(mlockall(MCL_CURRENT)); R(mlockall(MCL_FUTURE)); R(munlockall());
         l.rlim_cur = l.rlim_max = 0; R(syscall(SYS_mlock2, a, 1, 0)));
  INPROC(0, int f = open("/proc/mounts", O_RDONLY); M(0, PG, 1, MAP_PRIVATE, f, 0));
  char *p = M(0, PG, 3, MAP_SHARED, fd, 2 * PG);
  p[0] = 1;
  char *q = mmap(0, 2 * PG, 3, MAP_SHARED, fd, 2 * PG);
  INPROC(0, q[PG] = 1);
  P("-- munmap\n");
  R(munmap(p + 1, PG));
  R(munmap(p, 0));
  R(munmap((void *)-PG, PG));
  R(munmap((void *)-PG, 2 * PG));
  R(munmap((void *)(1ul << 47), PG));
  R(munmap(p, PG));
  R(munmap(p, PG));
  R(munmap(p, -1ul));
  P("-- mprotect\n");
  p = anon(4);
  munmap(p + PG, PG);
  R(mprotect(p, 4 * PG, 1));
  INPROC(0, *p = 1);
  R(mprotect(p + 1, PG, 1));
  R(mprotect(p, PG, 0x10));
  R(mprotect(p, PG, PROT_GROWSDOWN | PROT_GROWSUP));
  R(mprotect(p, PG, PROT_GROWSUP | 1));
  R(mprotect(p, PG, PROT_GROWSDOWN | 1));
  R(mprotect((void *)8192, PG, 1));
  R(mprotect(p, 0, 1));
  R(mprotect(p, -PG, 1));
  char *r = mmap(0, PG, 1, MAP_SHARED, ro, 0);
  R(mprotect(r, PG, 3));
  R(mprotect(r, PG, 5));
  r = mmap(0, PG, 1, MAP_PRIVATE, ro, 0);
  R(mprotect(r, PG, 3));
  P("-- msync\n");
  R(msync(r, PG, MS_ASYNC | MS_SYNC));
  R(msync(r + 1, PG, MS_SYNC));
  R(msync(r, PG, 8));
  R(msync(r, PG, 0));
  R(msync(p, 4 * PG, MS_SYNC));
  R(msync((void *)8192, PG, MS_ASYNC));
  R(msync(r, 0, MS_SYNC));
  R(msync(r, PG, MS_INVALIDATE));
  mlock(r, PG);
  R(msync(r, PG, MS_INVALIDATE));
  R(msync(r, PG, MS_INVALIDATE | MS_SYNC));
  R(msync((void *)-PG, PG, MS_SYNC));
  P("-- mincore\n");
  unsigned char v[16];
  char *b = anon(4);
  b[0] = 1;
  b[2 * PG] = 1;
  R(mincore(b, 4 * PG, v));
  P("%d%d%d%d\n", v[0] & 1, v[1] & 1, v[2] & 1, v[3] & 1);
  R(mincore(b + 1, PG, v));
  R(mincore(b, 0, v));
  R(mincore(b, 4 * PG, (void *)8));
  R(mincore(p, 4 * PG, v));
  R(mincore(b, -1ul, v));
  R(mincore((void *)-PG, PG, v));
  char *f3 = mmap(0, 3 * PG, 1, MAP_SHARED, fd, 0);
  v[0] = *f3;
  R(mincore(f3, 3 * PG, v));
  R(mincore(b, 5, v));
  P("-- mlock\n");
  char *c = anon(4);
  R(mlock(c + 1, PG));
  R(mlock(c, 0));
  munmap(c + PG, PG);
  R(mlock(c, 4 * PG));
  R(munlock(c, 4 * PG));
  R(mlock(c, -1ul));
  R(mlock((void *)8192, PG));
  R(munlock((void *)8192, PG));
  R(mlockall(0));
  R(mlockall(8));
  R(mlockall(MCL_ONFAULT));
  R(mlockall(-1));
  R(syscall(SYS_mlock2, c, PG, 2));
  R(syscall(SYS_mlock2, c, PG, 1));
  R(syscall(SYS_mlock2, c + 2 * PG, PG, 0));
  {
    char *e = anon(8);
    mlock(e, 8 * PG);
    R(mincore(e, 8 * PG, v));
    P("%d%d\n", v[0] & 1, v[7] & 1);
    munlock(e, 8 * PG);
    e = anon(8);
    syscall(SYS_mlock2, e, 8 * PG, 1);
    mincore(e, 8 * PG, v);
    P("onfault %d\n", v[0] & 1);
  }
  char l[300];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(l, 300, f))
    if (!strncmp(l, "VmLck", 5)) P("%s", l);
  fclose(f);
  munlockall();
  f = fopen("/proc/self/status", "r");
  while (fgets(l, 300, f))
    if (!strncmp(l, "VmLck", 5)) P("%s", l);
  fclose(f);
  P("-- madvise\n");
#define AD(a)                                                                                      \
  do {                                                                                             \
    char *x = anon(2);                                                                             \
    x[0] = 5;                                                                                      \
    errno = 0;                                                                                     \
    int r = madvise(x, 2 * PG, a);                                                                 \
    P("madvise %d: %d %d val %d\n", a, r, r ? errno : 0, a == 8 ? 5 : *x);                         \
    munmap(x, 2 * PG);                                                                             \
  } while (0)
  for (int a = 0; a < 27; a++)
    if (a != 9 && a != 16 && a != 17) AD(a);
  AD(100);
  AD(101);
  AD(-1);
  R(madvise(c + 1, PG, 0));
  R(madvise(c, 0, 0));
  R(madvise(c, 4 * PG, MADV_NORMAL));
  R(madvise(c, 4 * PG, MADV_DONTNEED));
  R(madvise((void *)8192, PG, 4));
  R(madvise(c, -1ul, 0));
  R(madvise(c, 0, 999));
  R(madvise(f3, PG, MADV_REMOVE));
  R(madvise(mmap(0, PG, 3, MAP_SHARED, fd, 0), PG, MADV_REMOVE));
  R(madvise(f3, PG, MADV_FREE));
  R(madvise(f3, PG, MADV_WIPEONFORK));
  R(madvise(f3, PG, MADV_WILLNEED));
  R(madvise(f3, PG, MADV_DONTFORK));
  mlock(c, PG);
  R(madvise(c, PG, MADV_DONTNEED));
  R(madvise(c, PG, 24));
  R(madvise(c, PG, MADV_FREE));
  R(madvise(c, PG, MADV_WILLNEED));
  munlock(c, PG);
  R(madvise(c, PG, MADV_HWPOISON + 50));
  INPROC(1000, R(madvise(c, PG, 100)));
  {
    char *x = anon(2);
    x[0] = 7;
    x[PG] = 8;
    madvise(x, PG, MADV_WIPEONFORK);
    madvise(x + PG, PG, MADV_DONTFORK);
    if (!fork()) {
      P("wipe %d\n", x[0]);
      _exit(x[PG]);
    }
    int s;
    wait(&s);
    P("dontfork %x\n", s);
    R(madvise(x, PG, MADV_KEEPONFORK));
    R(madvise(x, PG, MADV_DODUMP));
    R(madvise(x, PG, MADV_DONTDUMP));
  }
  {
    char *x = anon(2);
    mprotect(x, PG, PROT_NONE);
    R(madvise(x, PG, 22));
    R(madvise(x, PG, 23));
    mprotect(x, PG, 1);
    R(madvise(x, PG, 22));
    R(madvise(x, PG, 23));
    R(madvise(f3, 3 * PG, 23));
    char *ov = mmap(0, 2 * PG, 3, MAP_SHARED, fd, 2 * PG);
    R(madvise(ov, 2 * PG, 22));
    R(madvise(ov, 2 * PG, 23));
    munmap(x + PG, PG);
    R(madvise(x, 2 * PG, 22));
  }
  P("-- mremap\n");
#define MR(...)                                                                                    \
  ({                                                                                               \
    errno = 0;                                                                                     \
    void *p_ = mremap(__VA_ARGS__);                                                                \
    P("mremap %s: %d\n", #__VA_ARGS__, p_ == MAP_FAILED ? errno : 0);                              \
    p_;                                                                                            \
  })
  char *g = anon(4);
  MR(g, PG, 0, 0);
  MR(g + 1, PG, PG, 0);
  MR(g, PG, PG, 8);
  MR(g, PG, 2 * PG, MREMAP_FIXED, g + 10 * PG);
  MR(g, PG, 2 * PG, 0);
  MR((void *)8192, PG, 2 * PG, 1);
  MR(g, 8 * PG, 9 * PG, 1);
  MR(g, 2 * PG, 2 * PG, 3, g + PG);
  MR(g, 2 * PG, 2 * PG, 3, g + 1);
  MR(g, 2 * PG, 2 * PG, 3, (void *)(1ul << 47));
  MR(g, 0, PG, 1);
  MR(f3, 0, PG, 1);
  MR(g, PG, PG, 5, 0);
  MR(g, PG, 2 * PG, 5, 0);
  MR(g, PG, PG, 4, 0);
  MR(g, 4 * PG, PG, 0);
  INPROC(0, volatile char k = g[PG]);
  MR(f3, 3 * PG, 10 * PG, 1);
  char *sh = mmap(0, PG, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  MR(sh, PG, PG, 5, 0);
  {
    char *s2 = MR(sh, 0, PG, 1);
  }
  {
    // With MREMAP_DONTUNMAP alone the new address is a wish, and checked as with MREMAP_FIXED.
    char *w = anon(64), *at;
    munmap(w + 8 * PG, 56 * PG);
    at = MR(w, PG, PG, 5, w + 16 * PG);
    P("%d\n", at == w + 16 * PG);
    at = MR(w + PG, PG, PG, 5, w + 16 * PG);
    P("%d\n", at == w + 16 * PG);
    MR(w + PG, PG, PG, 5, w + 20 * PG + 1);
    MR(w + PG, PG, PG, 5, w + PG);
    MR(w + PG, 2 * PG, 2 * PG, 5, w);
    MR(w + PG, PG, PG, 5, (void *)(1ul << 47));
    MR(w + PG, PG, PG, 5, (void *)4096);
    MR(w + 3 * PG, 20 * PG, 20 * PG, 5, w + 40 * PG);
    at = MR(w + PG, PG, 2 * PG, 1, w + 20 * PG);
    P("%d\n", at == w + 20 * PG);
  }
  {
    struct rlimit l = {0};
    INPROC(1000, struct rlimit k = {PG, PG}; char *z = anon(2); setrlimit(RLIMIT_MEMLOCK, &k);
           R(mlock(z, PG)); MR(z, PG, 4 * PG, 1); munmap(z + PG, PG); MR(z, PG, 2 * PG, 1));
  }
  P("-- remap_file_pages\n");
  char *h = mmap(0, 3 * PG, 3, MAP_SHARED, fd, 0);
  R(remap_file_pages(h, PG, 0, 2, 0));
  R(remap_file_pages(h, PG, 1, 2, 0));
  R(remap_file_pages(h + 1, PG, 0, 2, 0));
  R(remap_file_pages(g, PG, 0, 0, 0));
  R(remap_file_pages(h, 4 * PG, 0, 0, 0));
  R(remap_file_pages(h, 0, 0, 0, 0));
  R(remap_file_pages((void *)8192, PG, 0, 0, 0));
  R(remap_file_pages(h, PG, 0, 1ul << 60, 0));
  P("-- brk\n");
  char *b0 = sbrk(0);
  R(brk(b0 + PG));
  R(brk((void *)1));
  R(brk((void *)-1));
  R(sbrk(0) == b0 + PG);
  R(brk(b0));
  {
    struct rlimit k = {0, RLIM_INFINITY};
    INPROC(0, setrlimit(RLIMIT_DATA, &k); R(brk(b0 + 100 * PG));
           M(0, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
           M(0, PG, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    k.rlim_cur = 1 << 20;
    INPROC(0, setrlimit(RLIMIT_AS, &k); M(0, 8 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  P("-- pkeys\n");
  R(syscall(SYS_pkey_alloc, 1, 0) < 0);
  R(syscall(SYS_pkey_alloc, 0, 8) < 0);
  R(syscall(SYS_pkey_free, 0) < 0);
  R(syscall(SYS_pkey_free, 99));
  R(syscall(SYS_pkey_free, -1));
  R(syscall(SYS_pkey_mprotect, g, PG, 1, -1));
  R(syscall(SYS_pkey_mprotect, g, PG, 1, 50));
  P("-- numa\n");
  int node = -1, status = 77;
  unsigned long mask[4] = {1, 0, 0, 0};
  void *pg = b;
  R(syscall(SYS_move_pages, 0, 1, &pg, 0, &status, 0));
  P("%d\n", status);
  pg = (void *)8192;
  R(syscall(SYS_move_pages, 0, 1, &pg, 0, &status, 0));
  P("%d\n", status);
  pg = b;
  node = 0;
  R(syscall(SYS_move_pages, 0, 1, &pg, &node, &status, 2));
  P("%d\n", status);
  node = 5;
  R(syscall(SYS_move_pages, 0, 1, &pg, &node, &status, 2));
  node = 9999;
  R(syscall(SYS_move_pages, 0, 1, &pg, &node, &status, 2));
  R(syscall(SYS_move_pages, 0, 1, &pg, 0, &status, 8));
  R(syscall(SYS_move_pages, 99999, 1, &pg, 0, &status, 0));
  R(syscall(SYS_move_pages, 0, 1, 8, 0, &status, 0));
  R(syscall(SYS_move_pages, 0, 1, &pg, 0, 8, 0));
  R(syscall(SYS_move_pages, 0, 0, 0, 0, 0, 0));
  R(syscall(SYS_move_pages, 0, 1, &pg, 8, &status, 2));
  INPROC(1000, R(syscall(SYS_move_pages, 1, 1, &pg, 0, &status, 0)); node = 0;
         R(syscall(SYS_move_pages, 0, 1, &pg, &node, &status, 4)));
  R(syscall(SYS_migrate_pages, 0, 64, mask, mask));
  R(syscall(SYS_migrate_pages, 99999, 64, mask, mask));
  R(syscall(SYS_migrate_pages, 0, 64, 8, mask));
  R(syscall(SYS_migrate_pages, 0, 64, mask, 8));
  unsigned long m2[4] = {2};
  R(syscall(SYS_migrate_pages, 0, 64, mask, m2));
  R(syscall(SYS_migrate_pages, 0, 64, m2, mask));
  INPROC(1000, R(syscall(SYS_migrate_pages, 1, 64, mask, mask)));
  int mode;
  R(syscall(SYS_get_mempolicy, &mode, mask, 64, 0, 0));
  P("%d %lx\n", mode, mask[0]);
  R(syscall(SYS_get_mempolicy, &mode, mask, 64, b, 2));
  R(syscall(SYS_get_mempolicy, &mode, mask, 64, 8192, 2));
  R(syscall(SYS_get_mempolicy, &mode, mask, 1, 0, 0));
  R(syscall(SYS_get_mempolicy, &mode, mask, 64, b, 0));
  R(syscall(SYS_get_mempolicy, &mode, 0, 0, b, 3));
  P("%d\n", mode);
  R(syscall(SYS_get_mempolicy, &mode, 0, 0, 0, 1));
  R(syscall(SYS_get_mempolicy, 0, mask, 64, 0, 4));
  P("%lx\n", mask[0]);
  R(syscall(SYS_get_mempolicy, 0, mask, 64, 0, 5));
  R(syscall(SYS_get_mempolicy, 0, 0, 0, 0, 99));
  R(syscall(SYS_get_mempolicy, 8, 0, 0, 0, 0));
  mask[0] = 1;
  for (int m = -1; m < 9; m++) {
    errno = 0;
    long r = syscall(SYS_set_mempolicy, m, mask, 64);
    P("set_mempolicy %d: %ld %d\n", m, r, r ? errno : 0);
  }
  R(syscall(SYS_set_mempolicy, 0, 0, 0));
  R(syscall(SYS_set_mempolicy, 2, 0, 0));
  R(syscall(SYS_set_mempolicy, 1, 0, 0));
  R(syscall(SYS_set_mempolicy, 2, m2, 64));
  R(syscall(SYS_set_mempolicy, 2, 8, 64));
  R(syscall(SYS_set_mempolicy, 2 | (1 << 15) | (1 << 14), mask, 64));
  R(syscall(SYS_set_mempolicy, 2 | (1 << 15), mask, 64));
  R(syscall(SYS_set_mempolicy, 2, mask, 1 << 20));
  R(syscall(SYS_set_mempolicy, 0, 0, 0));
  R(syscall(SYS_set_mempolicy, 2, mask, 0));
  for (int m = -1; m < 9; m++) {
    errno = 0;
    long r = syscall(SYS_mbind, b, PG, m, mask, 64, 0);
    P("mbind %d: %ld %d\n", m, r, r ? errno : 0);
  }
  R(syscall(SYS_mbind, b + 1, PG, 2, mask, 64, 0));
  R(syscall(SYS_mbind, b, PG, 2, mask, 64, 8));
  R(syscall(SYS_mbind, 8192, PG, 2, mask, 64, 0));
  R(syscall(SYS_mbind, b, -PG, 2, mask, 64, 0));
  R(syscall(SYS_mbind, b, 0, 2, mask, 64, 0));
  R(syscall(SYS_mbind, b, PG, 2, m2, 64, 0));
  R(syscall(SYS_mbind, b, PG, 2, mask, 64, 2));
  R(syscall(SYS_mbind, b, PG, 2, mask, 64, 1));
  R(syscall(SYS_mbind, b, PG, 2, 8, 64, 0));
  INPROC(1000, R(syscall(SYS_mbind, b, PG, 2, mask, 64, 4)));
  R(syscall(450, b, PG, 0, 0));
  R(syscall(450, b, PG, 1, 0));
  P("-- process_madvise\n");
  struct iovec {
    void *a;
    size_t l;
  } iv = {b, PG};
  int pf = syscall(SYS_pidfd_open, getpid(), 0);
  R(syscall(440, pf, &iv, 1, MADV_COLD, 0));
  R(syscall(440, pf, &iv, 1, MADV_COLD, 1));
  R(syscall(440, -1, &iv, 1, MADV_COLD, 0));
  R(syscall(440, fd, &iv, 1, MADV_COLD, 0));
  R(syscall(440, pf, &iv, 1, MADV_DONTNEED, 0));
  R(syscall(440, pf, &iv, 1, 99, 0));
  R(syscall(440, pf, &iv, 1025, MADV_COLD, 0));
  R(syscall(440, pf, 8, 1, MADV_COLD, 0));
  R(syscall(440, pf, &iv, 0, MADV_COLD, 0));
  iv.a = (void *)8192;
  R(syscall(440, pf, &iv, 1, MADV_COLD, 0));
  iv.a = b + 1;
  R(syscall(440, pf, &iv, 1, MADV_COLD, 0));
  iv.a = b;
  R(syscall(440, pf, &iv, 1, MADV_PAGEOUT, 0));
  R(syscall(440, pf, &iv, 1, MADV_WILLNEED, 0));
  pid_t k = fork();
  if (!k) {
    pause();
  }
  pf = syscall(SYS_pidfd_open, k, 0);
  R(syscall(440, pf, &iv, 1, MADV_COLD, 0));
  R(syscall(440, pf, &iv, 1, MADV_DONTNEED, 0));
  INPROC(1000, R(syscall(440, pf, &iv, 1, MADV_COLD, 0)));
  kill(k, 9);
  waitpid(k, 0, 0);
  R(syscall(440, pf, &iv, 1, MADV_COLD, 0));
  R(syscall(448, pf, 0));
  R(syscall(448, -1, 0));
  R(syscall(448, pf, 1));
  P("-- membarrier\n");
  R(syscall(SYS_membarrier, 0, 0, 0) > 0);
  R(syscall(SYS_membarrier, 0, 1, 0));
  R(syscall(SYS_membarrier, 1, 0, 0));
  R(syscall(SYS_membarrier, 1 << 20, 0, 0));
  R(syscall(SYS_membarrier, -1, 0, 0));
  R(syscall(SYS_membarrier, 1 << 3, 0, 0));
  R(syscall(SYS_membarrier, 1 << 4, 0, 0));
  R(syscall(SYS_membarrier, 1 << 3, 0, 0));
  R(syscall(SYS_membarrier, 1 << 5, 0, 0));
  R(syscall(SYS_membarrier, 1 << 7, 0, 0));
  R(syscall(SYS_membarrier, 1 << 6, 0, 0));
  R(syscall(SYS_membarrier, 1 << 5, 0, 0));
  R(syscall(SYS_membarrier, 1 << 7, 1, 0));
  R(syscall(SYS_membarrier, 1 << 9, 0, 0));
}
