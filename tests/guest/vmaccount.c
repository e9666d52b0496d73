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
  return 0;
}
