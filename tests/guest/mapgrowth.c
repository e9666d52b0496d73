/* Mappings that grow down and what stops them, files that shrink under a mapping, ranges with gaps.
 */
#include "guest.h"
#define PG 4096
static char *area(long total, long size) {
  char *p = mmap(0, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(p, total);
  char *s = mmap(p + total - size, size, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED,
                 -1, 0);
  return s;
}
int main() {
  INCHILD(char *s = area(1 << 22, PG); for (int i = 0; i < 256; i++) s[-i * PG] = 1; P("grew\n");
         unsigned char v[1]; R(mincore(s - 200 * PG, PG, v)); R(mincore(s - 300 * PG, PG, v)));
  INCHILD(char *s = area(1 << 22, PG);
         mmap(s - 260 * PG, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); s[-1] = 1;
         P("one ok\n"); s[-3 * PG] = 1; P("three ok\n"); s[-5 * PG] = 1; P("not here\n"));
  INCHILD(char *s = area(1 << 22, PG);
         mmap(s - 260 * PG, PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
         s[-200 * PG] = 1; P("none neighbour\n"));
  INCHILD(char *s = area(1 << 22, PG); struct rlimit r = {PG * 4, PG * 4};
         setrlimit(RLIMIT_STACK, &r); s[-2 * PG] = 1; P("within\n"); s[-10 * PG] = 1;
         P("not here\n"));
  INCHILD(char *s = area(1 << 22, PG); s[-1] = 1; mprotect(s - PG, PG, 1); P("%d\n", s[-1]);
         R(mprotect(s, PG, PROT_READ | PROT_GROWSDOWN)); R(munmap(s - PG, 2 * PG)));
  INCHILD(char *s = area(1 << 22, PG); s[-300 * PG] = 1; P("far below\n"));
  INCHILD(struct rlimit r = {1 << 20, RLIM_INFINITY}; setrlimit(RLIMIT_STACK, &r);
         volatile char *sp = (char *)__builtin_frame_address(0); sp -= 800 * 1024; *sp = 1;
         P("stack far\n"); sp -= 400 * 1024; *sp = 1; P("not here\n"));
  INCHILD(char *p = mmap(0, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
         unsigned char v[1]; mincore(p, PG, v); P("%d\n", v[0] & 1));
  int f = open("/tmp/grf", O_CREAT | O_RDWR | O_TRUNC, 0600);
  ftruncate(f, PG * 2 + 100);
  char *m = mmap(0, 4 * PG, 3, MAP_SHARED, f, 0);
  m[2 * PG + 50] = 'a';
  m[2 * PG + 200] = 'b';
  struct stat st;
  fstat(f, &st);
  P("%ld\n", (long)st.st_size);
  char b[10];
  R(pread(f, b, 10, 2 * PG + 50));
  R(pread(f, b, 10, 2 * PG + 200));
  munmap(m, 4 * PG);
  m = mmap(0, 4 * PG, 3, MAP_SHARED, f, 0);
  P("tail %d\n", m[2 * PG + 200]);
  INCHILD(m[3 * PG] = 1);
  ftruncate(f, 10);
  P("%d\n", m[50]);
  INCHILD(m[PG] = 1);
  ftruncate(f, 4 * PG);
  P("%d %d\n", m[3], m[3 * PG]);
  char *pv = mmap(0, PG, 3, MAP_PRIVATE, f, 0);
  pv[0] = 'p';
  m[0] = 's';
  m[1] = 't';
  P("%c %c\n", pv[0], pv[1]);
  msync(m, PG, MS_SYNC);
  pread(f, b, 2, 0);
  P("%c%c\n", b[0], b[1]);
  close(f);
  m[2] = 'z';
  P("%c\n", m[2]);
  unlink("/tmp/grf");
  m[5] = 'q';
  P("%c\n", m[5]);
  P("-- ranges\n");
  char *r = mmap(0, 10 * PG, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(munmap(r + 2 * PG, 2 * PG));
  INCHILD(r[3 * PG] = 1);
  r[0] = r[9 * PG] = 1;
  R(mprotect(r, 10 * PG, 1));
  char *h = mmap(r + 2 * PG, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  P("hint %d\n", h == r + 2 * PG);
  h = mmap(r, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  P("taken %d\n", h != r);
  errno = 0;
  h = mmap(r, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  P("noreplace %d\n", errno);
  char *low = mmap(0, PG, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  P("32bit %d\n", (long)low < 0x80000000l && low != MAP_FAILED);
  char *hi = mmap((void *)(1ul << 48), PG, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  P("high hint %d\n", (unsigned long)hi < (1ul << 47));
}
