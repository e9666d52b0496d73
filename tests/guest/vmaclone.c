/* Which ranges of memory merge, in who mapped them and in a child: what came by fork keeps to itself. */
#include "guest.h"

#define PG 4096

/** Lines of maps that show any of the n pages from p. */
static int ranges(char *p, int n) {
  static char text[65536];
  int fd = open("/proc/self/maps", O_RDONLY), size = 0, got, lines = 0;
  while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0) size += got;
  close(fd);
  text[size] = 0;
  for (char *line = text; *line; line = strchr(line, '\n') + 1) {
    unsigned long start, end;
    sscanf(line, "%lx-%lx", &start, &end);
    if (start < (unsigned long)p + n * PG && end > (unsigned long)p) lines++;
  }
  return lines;
}

/** Room for n pages that touches no other range. */
static char *room(int n) {
  char *p = mmap(0, (n + 2) * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(p, (n + 2) * PG);
  return p + PG;
}

static char *at(char *p, int n, int prot) {
  return mmap(p, n * PG, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/** A range beside one that was not touched, written or read before the fork. */
static void beside(void) {
  for (int touch = 0; touch < 3; touch++)
    for (int before = 0; before < 2; before++) {
      char *p = room(3), *own = at(p + PG, 1, 3), *other = before ? p : p + 2 * PG;
      if (touch == 1) *own = 1;
      if (touch == 2) (void)*(volatile char *)own;
      INPROC(0, at(other, 1, 3); P("touched %d before %d: child %d", touch, before, ranges(p, 3)); *other = 1;
             P(" %d", ranges(p, 3)); mprotect(own, PG, 1); mprotect(own, PG, 3); P(" %d", ranges(p, 3)));
      at(other, 1, 3);
      P(" parent %d\n", ranges(p, 3));
      munmap(p, 3 * PG);
    }
}

/** Rights that come apart and together again. */
static void rights(void) {
  char *p = room(4);
  at(p, 2, 3);
  p[0] = p[PG] = 1;
  mprotect(p + PG, PG, 1);
  INPROC(0, mprotect(p + PG, PG, 3); P("apart at the fork: %d", ranges(p, 4)); munmap(p, 2 * PG); at(p, 2, 3); p[0] = 1;
         P(" mapped anew %d", ranges(p, 4)); mprotect(p, PG, 1); mprotect(p, PG, 3); P(" %d\n", ranges(p, 4)));
  mprotect(p + PG, PG, 3);
  P("parent %d\n", ranges(p, 4));
  munmap(p, 4 * PG);

  at(p, 3, 3);
  p[0] = p[PG] = p[2 * PG] = 1;
  INPROC(0, mprotect(p + PG, PG, 1); P("one at the fork: %d", ranges(p, 4)); mprotect(p + PG, PG, 3); P(" %d", ranges(p, 4));
         munmap(p + PG, PG); at(p + PG, 1, 3); P(" bridged %d", ranges(p, 4)); p[PG] = 1; mprotect(p, 3 * PG, 1);
         P(" %d\n", ranges(p, 4)); INPROC(0, P("grandchild %d\n", ranges(p, 4))));
  munmap(p, 4 * PG);

  at(p, 1, 3);
  p[0] = 1;
  at(p + 2 * PG, 1, 3);
  p[2 * PG] = 1;
  at(p + PG, 1, 3);
  P("two that were apart, bridged: %d\n", ranges(p, 4));
  munmap(p, 4 * PG);

  at(p, 1, 3);
  at(p + PG, 1, 1);
  p[0] = 1;
  mprotect(p + PG, PG, 3);
  P("neighbours: %d", ranges(p, 4));
  p[PG] = 1;
  mprotect(p + PG, PG, 1);
  INPROC(0, mprotect(p + PG, PG, 3); P(" child %d", ranges(p, 4)));
  mprotect(p + PG, PG, 3);
  P(" parent %d\n", ranges(p, 4));
  munmap(p, 4 * PG);

  at(p, 2, 3);
  p[0] = p[PG] = 1;
  INPROC(0, madvise(p, PG, MADV_DONTDUMP); P("advice %d", ranges(p, 4)); madvise(p, PG, MADV_DODUMP);
         P(" %d", ranges(p, 4)); mlock(p, PG); P(" locked %d", ranges(p, 4)); munlock(p, PG); P(" %d\n", ranges(p, 4)));
  munmap(p, 4 * PG);
}

static void files_and_moves(void) {
  int fd = open("/tmp/vmaclone", O_CREAT | O_RDWR, 0600);
  ftruncate(fd, 8 * PG);
  char *p = room(5), *q;
  mmap(p, PG, 3, MAP_PRIVATE | MAP_FIXED, fd, 0);
  p[0] = 1;
  INPROC(0, mmap(p + PG, PG, 3, MAP_PRIVATE | MAP_FIXED, fd, PG); P("file: child %d", ranges(p, 5)));
  mmap(p + PG, PG, 3, MAP_PRIVATE | MAP_FIXED, fd, PG);
  P(" parent %d\n", ranges(p, 5));
  munmap(p, 5 * PG);

  at(p, 1, 3);
  p[0] = 1;
  q = room(12);
  at(q, 1, 3);
  q[0] = 1;
  P("moved beside: %d", mremap(q, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + PG) == p + PG);
  P(" %d\n", ranges(p, 5));
  munmap(p, 5 * PG);

  at(p, 2, 3);
  p[0] = p[PG] = 1;
  mremap(p + PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, q);
  mremap(q, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + PG);
  P("there and back: %d", ranges(p, 5));
  INPROC(0, mremap(p + PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, q);
         mremap(q, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + PG); P(" child %d\n", ranges(p, 5)));
  munmap(p, 5 * PG);

  char *heap = (char *)((syscall(SYS_brk, 0) + PG - 1) & ~(PG - 1L));
  syscall(SYS_brk, heap + PG);
  heap[0] = 1;
  INPROC(0, syscall(SYS_brk, heap + 3 * PG); P("heap: child %d", ranges(heap, 4)); heap[2 * PG] = 1;
         P(" %d", ranges(heap, 4)));
  syscall(SYS_brk, heap + 3 * PG);
  P(" parent %d\n", ranges(heap, 4));
}

int main(void) {
  beside();
  rights();
  files_and_moves();
  return 0;
}
