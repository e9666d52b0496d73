/* Page tables go with the memory they were for: what munmap, mremap and brk give back leaves none behind; what is next to it
 * keeps its own. */
#include "guest.h"

enum { PAGE = 4096, TABLE = 2 << 20 };

static long kib(void) {
  char text[4096];
  int f = open("/proc/self/status", O_RDONLY);
  text[read(f, text, sizeof text - 1)] = 0;
  close(f);
  return atol(strstr(text, "VmPTE:") + 6);
}

static char *map(char *at, size_t n) {
  return mmap(at, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
}

int main(void) {
  char *room = mmap(0, 1L << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  munmap(room, 1L << 40);
  long before = kib();
  for (int i = 0; i < 3000; i++) {
    char *at = room + (size_t)i * TABLE * 100;
    *map(at, PAGE) = 1;
    munmap(at, PAGE);
  }
  P("one after the other: %d\n", kib() - before < 100);
  for (int i = 0; i < 500; i++) *map(room + (size_t)i * TABLE, PAGE) = 1;
  P("side by side: %d\n", kib() - before >= 2000);
  // Neighbours stay.
  for (int i = 0; i < 500; i += 2) munmap(room + (size_t)i * TABLE, PAGE);
  int kept = 0;
  for (int i = 1; i < 500; i += 2) kept += room[(size_t)i * TABLE];
  P("every other: %d, %d kept\n", kib() - before < 1200, kept);
  munmap(room, 500L * TABLE);
  P("all at once: %d\n", kib() - before < 100);
  char *a = map(room, PAGE), *b = map(room + 2 * PAGE, PAGE);
  *a = 1, *b = 2;
  munmap(a, PAGE);
  P("in one table: %d\n", *b);
  map(a, PAGE);
  P("new memory: %d, %d\n", *a, *b);
  munmap(room, 3 * PAGE);
  for (int i = 0; i < 500; i++) *map(room + (size_t)i * TABLE, PAGE) = 3;
  for (int i = 0; i < 500; i++) {
    char *from = room + (size_t)i * TABLE, *to = room + 600L * TABLE + i * PAGE;
    if (mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to || *to != 3) P("not moved\n");
  }
  P("moved: %d\n", kib() - before < 100);
  munmap(room, 700L * TABLE);
  if (fork() == 0) {
    for (int i = 0; i < 100; i++) *map(room + (size_t)i * TABLE, PAGE) = 4;
    if (fork() == 0) {
      munmap(room, 100L * TABLE);
      P("the child's: %d\n", kib() - before < 100);
      exit(0);
    }
    wait(0);
    int sum = 0;
    for (int i = 0; i < 100; i++) sum += room[(size_t)i * TABLE];
    P("the parent's: %d\n", sum);
    exit(0);
  }
  wait(0);
  char *top = (char *)syscall(SYS_brk, 0);
  syscall(SYS_brk, top + 40L * TABLE);
  for (int i = 0; i < 40; i++) top[(size_t)i * TABLE] = 5;
  P("the heap grew: %d\n", kib() - before >= 140);
  syscall(SYS_brk, top);
  P("and shrank: %d\n", kib() - before < 100);
  return 0;
}
