/* Paths in /proc are those that the reader's root shows: of mapped files, open files, directories. */
#include "guest.h"

static int proc;

/** Where this machine's root is in another's is left out. */
static const char *known(const char *path) {
  const char *at = strstr(path, "/tmp"), *next;
  while (at && (next = strstr(at + 1, "/tmp"))) at = next;
  return at ? at : path;
}

/** The end of the line of a file with the text in it: from its last blank on. */
static void tell(const char *name, const char *text) {
  static char whole[1 << 17];
  int f = openat(proc, name, O_RDONLY);
  ssize_t n = 0, more;
  while ((more = read(f, whole + n, sizeof whole - 1 - n)) > 0) n += more;
  whole[n] = 0;
  close(f);
  char *at = strstr(whole, text);
  if (!at) {
    P("%s: nothing of %s\n", name, text);
    return;
  }
  char *end = at + strcspn(at, " \n");
  *end = 0;
  char *from = strrchr(whole, ' ');
  P("%s: %s\n", name, known(from ? from + 1 : whole));
}

static void name(const char *link) {
  char b[200];
  ssize_t n = readlinkat(proc, link, b, sizeof b - 1);
  b[n < 0 ? 0 : n] = 0;
  P("%s: %s\n", link, known(b));
}

static void all(const char *what, int in, int out) {
  char b[64];
  P("-- %s\n", what);
  for (const char *const *f = (const char *const[]){"self/maps", "self/smaps", "self/numa_maps", 0}; *f; f++) {
    tell(*f, "inside");
    tell(*f, "outside");
  }
  char c[200];
  sprintf(b, "self/fd/%d", in);
  ssize_t n = readlinkat(proc, b, c, sizeof c - 1);
  c[n < 0 ? 0 : n] = 0;
  P("fd: %s\n", known(c));
  sprintf(b, "self/fd/%d", out);
  n = readlinkat(proc, b, c, sizeof c - 1);
  c[n < 0 ? 0 : n] = 0;
  P("fd: %s\n", known(c));
  name("self/cwd");
  name("self/root");
  n = syscall(SYS_getcwd, c, sizeof c);
  P("getcwd: %d %s\n", n > 13 && !memcmp(c, "(unreachable)", 13), n > 0 ? known(c) : "");
}

int main(void) {
  mkdir("/tmp/rootview", 0755);
  chdir("/tmp");
  proc = open("/proc", O_RDONLY);
  int in = open("/tmp/rootview/inside", O_CREAT | O_RDWR, 0644), out = open("/tmp/outside", O_CREAT | O_RDWR, 0644);
  ftruncate(in, 4096);
  ftruncate(out, 4096);
  *(char *)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, in, 0) = 1;
  *(char *)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0) = 1;
  all("before", in, out);
  R(chroot("rootview"));
  all("with another root", in, out);
  R(chdir("/"));
  unlink("/inside");
  all("in it, without the file", in, out);
  return 0;
}
