// A random walk over mappings: map, unmap, protect, move, advise, lock, touch; after each step the mappings as smaps has them.
// libc: glibc
#include "guest.h"
#include "walk.h"
#include <setjmp.h>

#define BASE 0x10000000UL
#define PAGES 48
#define PAGE 4096UL

static sigjmp_buf back;
static int signal_code;
static void on_signal(int sig, siginfo_t *info, void *context) {
  signal_code = sig * 100 + info->si_code;
  siglongjmp(back, 1);
}

static int told(const char *flag) {
  static const char *flags[] = {"lo", "dd", "dc", "wf", "gd", "nr", "rr", "sr", "ac"};
  for (int i = 0; i < sizeof flags / sizeof *flags; i++)
    if (!strcmp(flag, flags[i])) return 1;
  return 0;
}

static void mappings(void) {
  FILE *f = fopen("/proc/self/smaps", "r");
  char line[500], rights[8], dev[20];
  unsigned long from, to, offset, ino;
  int in = 0, n;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%lx-%lx %7s %lx %19s %lu%n", &from, &to, rights, &offset, dev, &ino, &n) >= 6) {
      in = from >= BASE && from < BASE + 2 * PAGES * PAGE;
      if (!in) continue;
      out(" %lu-%lu%s@%lx", (from - BASE) / PAGE, (to - BASE) / PAGE, rights, offset);
      if (line[n + strspn(line + n, " ")] != '\n') out("f");
    } else if (in && !strncmp(line, "VmFlags:", 8))
      for (char *flag = strtok(line + 8, " \n"); flag; flag = strtok(0, " \n"))
        if (told(flag)) out(",%s", flag);
  }
  fclose(f);
  out("\n");
}

static void touch(int value) {
  unsigned page = rnd(PAGES);
  volatile char *at = (char *)(BASE + page * PAGE + rnd(4) * 8);
  int writes = rnd(2);
  if (sigsetjmp(back, 1)) out(" %c%u signal %d", writes ? 'w' : 'r', page, signal_code);
  else if (writes) {
    *at = value;
    out(" w%u ok", page);
  } else out(" r%u %d", page, *at);
}

static void remap(void *at, unsigned long length) {
  unsigned long to = (1 + rnd(12)) * PAGE, place = BASE + rnd(PAGES) * PAGE;
  int how = rnd(3), flags = 0;
  if (how) length = to = PAGE; // what lies in several mappings is moved since Linux 6.17 only
  if (how == 1) flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (how == 2) flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
  void *r = mremap(at, length, to, flags, place);
  // Which of two errors is told first differs between versions.
  if (r == MAP_FAILED) out("mremap%d -%d", how, errno == EINVAL ? EFAULT : errno);
  else out("mremap%d %lu", how, ((unsigned long)r - BASE) / PAGE);
}

static void advise(void *at, unsigned long length) {
  static const int advice[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE,
                               MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK,
                               MADV_REMOVE, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE};
  int which = advice[rnd(sizeof advice / sizeof *advice)];
  out("madvise%d %d", which, er(madvise(at, length, which)));
}

static int file;
static void step(int k) {
  static const int protections[] = {0, 1, 1, 3, 3, 3, 5, 2};
  void *at = (void *)(BASE + rnd(PAGES) * PAGE), *r;
  unsigned long length = (1 + rnd(12)) * PAGE;
  int prot = protections[rnd(8)], what = rnd(12);
  unsigned char core[16];
  if (what < 2) {
    int more = rnd(4) ? 0 : MAP_NORESERVE;
    r = mmap(at, length, prot, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | more, -1, 0);
    out("private %d", r == MAP_FAILED ? -errno : 0);
  } else if (what == 2) {
    r = mmap(at, length, prot, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    out("shared %d", r == MAP_FAILED ? -errno : 0);
  } else if (what == 3) {
    int kind = rnd(2) ? MAP_SHARED : MAP_PRIVATE;
    r = mmap(at, length, prot, MAP_FIXED | kind, file, rnd(20) * PAGE);
    out("file %d", r == MAP_FAILED ? -errno : 0);
  } else if (what == 4) out("munmap %d", er(munmap(at, length)));
  else if (what < 7) out("mprotect %d", er(mprotect(at, length, prot)));
  else if (what == 7) remap(at, length);
  else if (what == 8) advise(at, length);
  else if (what == 9) {
    int how = rnd(3);
    out("mlock%d %d", how, er(how == 0 ? mlock(at, length) : how == 1 ? munlock(at, length) : syscall(SYS_mlock2, at, length, 1)));
  } else if (what == 10) {
    int flags = rnd(2) ? MS_SYNC : MS_ASYNC | (rnd(4) ? 0 : MS_INVALIDATE);
    out("msync %d", er(msync(at, length, flags)));
  } else out("mincore %d", er(mincore(at, length, core)));
  touch(k);
  mappings();
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &sa, 0);
  sigaction(SIGBUS, &sa, 0);
  file = open("/tmp/mmwalk", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ftruncate(file, 20 * PAGE + 100);
  for (int i = 0; i < 20; i++) pwrite(file, &i, 1, i * PAGE);
  for (int walk = 1; walk < 50; walk++) {
    seed = walk;
    munmap((void *)BASE, 2 * PAGES * PAGE);
    for (int k = 0; k < 40; k++) {
      step(k);
      step_done(walk, k);
    }
  }
  unlink("/tmp/mmwalk");
  return 0;
}
