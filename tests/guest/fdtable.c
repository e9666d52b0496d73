// How large the table of descriptors is (FDSize): it grows in powers of two, and a copy has room for what it needs.
#include "guest.h"
#include <sched.h>

enum { UNSHARE = 2, CLOEXEC = 4 };
static char stack[65536];

static void size(const char *when) {
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "FDSize", 6)) P("%s: %s", when, line);
  fclose(f);
}

static int hole(void *arg) {
  size("shared");
  R(syscall(SYS_close_range, 60, ~0u, UNSHARE));
  size("without what goes");
  _exit(0);
}

static int cloexec(void *arg) {
  R(syscall(SYS_close_range, 60, ~0u, UNSHARE | CLOEXEC));
  size("with all");
  _exit(0);
}

static int unshared(void *arg) {
  R(unshare(CLONE_FILES));
  size("unshared");
  _exit(0);
}

static void sharing(int (*f)(void *)) {
  waitpid(clone(f, stack + sizeof stack, CLONE_FILES | SIGCHLD, 0), 0, 0);
}

static void forked(const char *when) {
  INPROC(0, size(when));
}

int main(int argc, char **argv) {
  if (argc == 2) {
    size("after exec");
    return 0;
  }
  if (argc == 1) {
    // A table that has had nothing above.
    syscall(SYS_close_range, 3, ~0u, 0);
    INPROC(0, execl("/proc/self/exe", argv[0], "a", "b", NULL));
    return 0;
  }
  setrlimit(RLIMIT_NOFILE, &(struct rlimit){4096, 4096});
  size("at first");
  dup2(1, 63);
  size("63");
  dup2(1, 64);
  size("64");
  dup2(1, 200);
  size("200");
  dup2(1, 256);
  size("256");
  sharing(hole);
  sharing(cloexec);
  sharing(unshared);
  forked("child");
  close(256);
  close(200);
  close(64);
  size("closed");
  forked("child");
  R(fcntl(1, F_DUPFD, 1000));
  size("F_DUPFD");
  R(dup2(1, 4095));
  R(dup2(1, 4096));
  size("4095");
  close(4095);
  forked("child");
  INPROC(0, execl("/proc/self/exe", argv[0], "a", NULL));
  return 0;
}
