// What smaps counts: pages that processes share, that were written, that are locked; the page of old calls.
#include "guest.h"

enum { PAGE = 4096 };
static char *base;

/** The lines of the mapping at an address that start with one of the names; all when there are none. */
static void show(const char *what, unsigned long at, const char *const *names) {
  char line[512];
  unsigned long from, to;
  int on = 0;
  FILE *f = fopen("/proc/self/smaps", "r");
  printf("%s\n", what);
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && strchr(line, '-') < line + 17) {
      on = from <= at && at < to;
      if (on && !names) printf("%s", line);
      continue;
    }
    if (on && !names) printf("%s", line);
    for (const char *const *n = names; on && n && *n; n++)
      if (!strncmp(line, *n, strlen(*n)) && line[strlen(*n)] == ':') printf("%s", line);
  }
  fflush(stdout);
  fclose(f);
}

static const char *const counts[] = {"Rss",          "Pss",           "Pss_Dirty", "Shared_Clean", "Shared_Dirty",
                                     "Private_Clean", "Private_Dirty", "Anonymous", "Locked",       0};

static void shown(const char *what) { show(what, (unsigned long)base, counts); }

static void rollup(const char *what) {
  char line[512];
  FILE *f = fopen("/proc/self/smaps_rollup", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "Locked", 6)) P("%s: %s", what, line);
  fclose(f);
}

int main(void) {
  int ready[2], end[2];
  char c;
  pipe(ready);
  pipe(end);
  base = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  shown("nothing");
  memset(base, 1, 8 * PAGE);
  shown("8 written");
  if (fork() == 0) {
    base[0] = 2;
    write(ready[1], "", 1);
    read(end[0], &c, 1);
    _exit(0);
  }
  read(ready[0], &c, 1);
  shown("7 shared");
  rollup("unlocked");
  mlock2(base, 4 * PAGE, 0);
  show("4 locked", (unsigned long)base, (const char *const[]){"Size", "Locked", "VmFlags", 0});
  rollup("locked");
  write(end[1], "", 1);
  wait(0);
  munlock(base, 4 * PAGE);
  shown("alone again");

  char *file = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  munmap(base, 16 * PAGE);
  base = file;
  memset(base, 1, 2 * PAGE);
  shown("shared memory");
  mlock(base, PAGE);
  shown("shared memory, locked");
  show("old calls", 0xffffffffff600000, 0);
  return 0;
}
