// Which ranges of memory count as promised (VM_ACCOUNT), as smaps shows, and so do not join their neighbours.
#include "guest.h"

enum { PAGE = 4096, ANON = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };
static char *base;

static void show(const char *what) {
  char line[512], rights[8];
  unsigned long from, to;
  int on = 0;
  FILE *f = fopen("/proc/self/smaps", "r");
  printf("%s:", what);
  while (fgets(line, sizeof line, f)) {
    char *dash = strchr(line, '-');
    if (dash && dash < line + 14 && sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3) {
      on = from >= (unsigned long)base && to <= (unsigned long)base + 16 * PAGE;
      if (on) printf(" [%ld,%ld %s", (from - (long)base) / PAGE, (to - (long)base) / PAGE, rights);
    } else if (on && !strncmp(line, "VmFlags", 7)) {
      printf("%s%s]", strstr(line, " ac") ? " ac" : "", strstr(line, " nr") ? " nr" : "");
    }
  }
  P("\n");
  fclose(f);
}

/** Faults since the last time, in hundreds, and resident memory by kind, in MiB. */
static long before;
static void told(const char *what) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  P("%s:", what);
  if (before) P(" %ld faults", (r.ru_minflt - before + 50) / 100);
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "RssAnon", 7) || !strncmp(line, "VmLck", 5))
      P(", %.*s %ld", (int)strcspn(line, ":"), line, (strtol(strchr(line, ':') + 1, 0, 10) + 512) / 1024);
  P("\n");
  fclose(f);
  getrusage(RUSAGE_SELF, &r);
  before = r.ru_minflt;
}

/** What the kernel faults in for a program counts as the program's own faults do. */
static void faults(void) {
  enum { SIZE = 8 << 20 };
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  told("begin");
  char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, -1, 0);
  told("populate");
  munmap(p, SIZE);
  p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  madvise(p, SIZE, MADV_NOHUGEPAGE);
  told("map");
  if (read(open("/dev/zero", O_RDONLY), p, SIZE / 2) == SIZE / 2) told("read into it");
  madvise(p, SIZE, 23);
  told("populate the rest");
  madvise(p, SIZE, MADV_DONTNEED);
  mlock(p, SIZE);
  told("lock");
  munlock(p, SIZE);
  mlock(p, SIZE / 2);
  told("what is there");
  pid_t child = fork();
  if (!child) {
    before = 0;
    told("child");
    memset(p, 1, SIZE);
    told("child wrote");
    _exit(0);
  }
  waitpid(child, 0, 0);
  told("forked");
  munlock(p, SIZE);
  mlock(p, SIZE);
  told("lock again");
  munmap(p, SIZE);
  told("gone");
}

static void protect(int first, int pages, int prot, const char *what) {
  mprotect(base + first * PAGE, pages * PAGE, prot);
  show(what);
}

static void map(int pages, int prot, int flags, int fd, const char *what) {
  munmap(base, 16 * PAGE);
  mmap(base, pages * PAGE, prot, flags, fd, 0);
  show(what);
}

int main(void) {
  int rw = PROT_READ | PROT_WRITE;
  base = mmap(0, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  show("reserved");
  protect(0, 8, rw, "half writable");
  base[PAGE] = 1;
  protect(0, 4, PROT_READ, "quarter read-only, written");
  protect(4, 2, PROT_READ, "more");
  protect(0, 16, PROT_NONE, "none");
  protect(0, 16, rw, "all");
  map(16, rw, ANON | MAP_NORESERVE, -1, "noreserve");
  protect(0, 1, PROT_READ, "noreserve, read-only");
  map(3, PROT_READ, MAP_PRIVATE | MAP_FIXED, open("/proc/self/exe", O_RDONLY), "file");
  protect(1, 1, rw, "middle writable");
  protect(1, 1, PROT_READ, "middle read-only");
  protect(1, 1, rw, "middle writable again");
  base[PAGE] = 1;
  protect(1, 1, PROT_READ, "middle read-only, written");
  protect(0, 3, rw, "file writable");
  map(4, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, "shared");
  protect(0, 1, PROT_READ, "shared, read-only");
  faults();
  return 0;
}
