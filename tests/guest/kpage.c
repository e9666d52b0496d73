// /proc/kpagecount and kpageflags: what they say of frames that pagemap names; /proc/irq and /proc/dma.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int map, count, flags;

static uint64_t word(int fd, uint64_t index) {
  uint64_t value = 0;
  if (pread(fd, &value, 8, index * 8) != 8) return -1;
  return value;
}

static uint64_t frame(void *at) {
  return word(map, (uintptr_t)at >> 12) & ((1ull << 55) - 1);
}

// UPTODATE, BUDDY, MMAP, ANON, SWAPBACKED, COMPOUND_HEAD, COMPOUND_TAIL, NOPAGE, ZERO_PAGE
static void show(const char *what, void *at) {
  static const struct { int bit; const char *name; } names[] = {{3, "uptodate"}, {10, "buddy"}, {11, "mmap"}, {12, "anon"}, {14, "swapbacked"}, {20, "nopage"}, {24, "zero"}};
  uint64_t pfn = frame(at), bits = word(flags, pfn);
  printf("%s: %d,", what, (int)word(count, pfn));
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (bits >> names[i].bit & 1) printf(" %s", names[i].name);
  printf("\n");
}

static void result(const char *what, long n) {
  printf("%s: %ld %s\n", what, n, n < 0 ? strerror(errno) : "");
}

static void first(const char *path) {
  char text[100] = "";
  struct stat st;
  int fd = open(path, O_RDONLY);
  int n = read(fd, text, sizeof text - 1);
  fstat(fd, &st);
  printf("%s: %o, %d bytes, %s", path, st.st_mode, n, text);
  close(fd);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  map = open("/proc/self/pagemap", O_RDONLY);
  count = open("/proc/kpagecount", O_RDONLY);
  flags = open("/proc/kpageflags", O_RDONLY);
  struct stat st;
  fstat(count, &st);
  printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);

  char *at = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(at, 4 * 4096, MADV_NOHUGEPAGE);
  at[0] = 1;
  show("anonymous", at);
  char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  shared[0] = 1;
  show("shared", shared);
  int fd = memfd_create("x", 0);
  ftruncate(fd, 4096);
  char *one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *two = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  one[0] = two[0] + 1;
  show("memfd mapped twice", one);
  volatile char *zero = at + 2 * 4096;
  printf("zero page: %d,", *zero);
  show("", (void *)zero);
  fflush(stdout);
  int ends[2], back[2];
  pipe(ends), pipe(back);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    write(back[1], "x", 1);
    read(ends[0], &byte, 1);
    at[0] = 2;
    write(back[1], "x", 1);
    read(ends[0], &byte, 1);
    _exit(0);
  }
  char byte;
  read(back[0], &byte, 1);
  show("forked", at);
  show("forked, shared", shared);
  write(ends[1], "x", 1);
  read(back[0], &byte, 1);
  show("the child has its own", at);
  write(ends[1], "x", 1);
  waitpid(child, NULL, 0);
  show("alone again, shared", shared);

  char buffer[64];
  result("not a multiple", pread(count, buffer, 12, 0));
  result("not at a multiple", pread(flags, buffer, 16, 4));
  result("none", pread(count, buffer, 0, 8));
  result("far", pread(count, buffer, 64, 1l << 40));
  result("several", pread(flags, buffer, 64, 8 * 4096));
  result("seek", lseek(count, 1024, SEEK_SET));
  result("on", read(count, buffer, 16));
  result("at", lseek(count, 0, SEEK_CUR));
  result("end", lseek(count, 0, SEEK_END));
  result("write", write(count, buffer, 8));
  result("open for writing", open("/proc/kpageflags", O_WRONLY) < 0 ? -1 : 0);

  first("/proc/dma");
  stat("/proc/irq", &st);
  printf("/proc/irq: %o\n", st.st_mode);
  stat("/proc/irq/default_smp_affinity", &st);
  printf("default_smp_affinity: %o %ld\n", st.st_mode, (long)st.st_size);
  setuid(65534);
  result("not root", open("/proc/kpagecount", O_RDONLY));
  return 0;
}
