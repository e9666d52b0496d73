/* What personality(2) changes in programs that are started, and in time limits; and capabilities of files that another user namespace's root gave. */
#include "guest.h"
#include <poll.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/xattr.h>

#define ME "/tmp/persona"

static char *vm_flags(unsigned long at) {
  static char line[512];
  unsigned long start, end;
  int in = 0;
  FILE *f = fopen("/proc/self/smaps", "r");
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
      in = start <= at && end > at;
    else if (in && !strncmp(line, "VmFlags", 7)) {
      fclose(f);
      return line;
    }
  }
  fclose(f);
  return "none\n";
}

/** The started program tells how its memory is laid out. */
static int tell(const char *how) {
  P("%s: %x ", how, personality(-1));
  char *a = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *b = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  P("up %d low %d ", b > a, (long)a < 0x300000000000);
  munmap(a, 4096);
  P("again %d ", mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == a);
  char *big = mmap(0, 1ul << 45, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  P("big %d ", big != MAP_FAILED);
  munmap(big, 1ul << 45);
  P("zero %s", vm_flags(0));
  int fd = open("/proc/self/mem", O_RDONLY);
  char x = 5;
  R(pread(fd, &x, 1, 0));
  P("%d secure %ld\n", x, getauxval(AT_SECURE));
  R(munmap(0, 4096));
  INPROC(0, P("child up %d\n", (char *)mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) > b));
  return 0;
}

static void copy_me(void) {
  char buf[65536];
  int n, from = open("/proc/self/exe", O_RDONLY), to = open(ME, O_CREAT | O_RDWR, 0755);
  while ((n = read(from, buf, sizeof buf)) > 0) write(to, buf, n);
  close(from);
  close(to);
}

static void start(long persona, int uid, int mode, const char *how) {
  chmod(ME, mode);
  INPROC(uid, personality(persona); execl(ME, ME, how, (char *)0));
}

static void handler(int sig) {}

static void sticky(void) {
  P("-- time limits\n");
  struct sigaction sa = {.sa_handler = handler};
  sigaction(SIGALRM, &sa, 0);
  personality(STICKY_TIMEOUTS);
  struct timeval tv = {0, 30000};
  struct timespec ts = {0, 30000000};
  R(syscall(SYS_select, 0, 0, 0, 0, &tv));
  P("%ld\n", tv.tv_usec);
  R(syscall(SYS_pselect6, 0, 0, 0, 0, &ts, 0));
  P("%ld\n", ts.tv_nsec);
  R(syscall(SYS_ppoll, 0, 0, &ts, 0, 8));
  P("%ld\n", ts.tv_nsec);
  tv.tv_usec = 500000;
  ualarm(20000, 0);
  R(syscall(SYS_select, 0, 0, 0, 0, &tv));
  P("%ld\n", tv.tv_usec);
  personality(0);
  // Stopped and continued: what goes on, and what has no place to keep its time in.
  for (int kind = 0; kind < 3; kind++) {
    pid_t child = fork();
    if (!child) {
      if (kind == 1) personality(STICKY_TIMEOUTS);
      struct timeval *limit = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      limit->tv_usec = 300000;
      if (kind == 2) mprotect(limit, 4096, PROT_READ);
      R(syscall(SYS_select, 0, 0, 0, 0, limit));
      _exit(0);
    }
    msleep(50);
    kill(child, SIGSTOP);
    msleep(30);
    kill(child, SIGCONT);
    waitpid(child, 0, 0);
  }
}

static void file_capabilities(void) {
  unsigned caps[6] = {0x03000001, 1 << 10};
  P("-- capabilities of files\n");
  chmod(ME, 0755);
  for (int root = 0; root < 2; root++) {
    caps[5] = root * 1000;
    R(setxattr(ME, "security.capability", caps, sizeof caps, 0));
    unsigned got[6] = {0};
    R(getxattr(ME, "security.capability", got, sizeof got));
    P("%x %u\n", got[0], got[5]);
    INPROC(1000, execl(ME, ME, "user", (char *)0));
  }
}

int main(int argc, char **argv) {
  if (argc > 1) return tell(argv[1]);
  static const long personas[] = {0, ADDR_COMPAT_LAYOUT, MMAP_PAGE_ZERO, READ_IMPLIES_EXEC, 0x7f40000};
  copy_me();
  for (int i = 0; i < 5; i++) {
    P("-- %lx\n", personas[i]);
    start(personas[i], 0, 0755, "root");
    start(personas[i], 0, 04755, "root, set-id");
    start(personas[i], 1000, 0755, "user");
    start(personas[i], 1000, 04755, "user, set-id");
  }
  sticky();
  file_capabilities();
  return 0;
}
