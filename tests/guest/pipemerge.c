/* Which pages of pipes later writes append to, after splice and tee; and packets that vmsplice takes as bytes. */
#include "guest.h"
#include <sys/uio.h>

static char b[20000];

static void make(int p[2], int slots, int flags) {
  pipe2(p, O_NONBLOCK | flags);
  fcntl(p[0], F_SETPIPE_SZ, slots * 4096);
}

static void show(const char *what, int p[2]) {
  int n = read(p[0], b, sizeof b);
  P("%s: %d %.*s\n", what, n < 0 ? -errno : n, n > 0 && n < 60 ? n : 0, b);
}

int main(void) {
  int a[2], c[2];
  P("-- tee\n");
  make(a, 1, 0);
  make(c, 1, 0);
  R(write(a[1], "first ", 6));
  R(tee(a[0], c[1], 6, 0));
  R(write(a[1], "second", 6));
  R(write(c[1], "other", 5));
  show("a", a);
  show("c", c);

  P("-- all of a page\n");
  make(a, 1, 0);
  make(c, 1, 0);
  R(write(a[1], "first ", 6));
  R(splice(a[0], 0, c[1], 0, 100, 0));
  R(write(a[1], "next ", 5));
  R(write(c[1], "second", 6));
  show("a", a);
  show("c", c);

  P("-- a part of it\n");
  make(a, 1, 0);
  make(c, 1, 0);
  R(write(a[1], "first ", 6));
  R(splice(a[0], 0, c[1], 0, 2, 0));
  R(write(a[1], "second", 6));
  R(write(c[1], "other", 5));
  show("a", a);
  show("c", c);

  P("-- of a file, and of the program\n");
  make(a, 1, 0);
  int fd = open("/tmp/pipemerge", O_CREAT | O_RDWR | O_TRUNC, 0600);
  write(fd, "file", 4);
  loff_t at = 0;
  R(splice(fd, &at, a[1], 0, 4, 0));
  R(write(a[1], "more", 4));
  show("a", a);
  struct iovec v = {"page", 4};
  R(vmsplice(a[1], &v, 1, 0));
  R(write(a[1], "more", 4));
  show("a", a);
  pread(fd, b, 4, 0);
  P("%.4s\n", b);

  P("-- packets\n");
  make(a, 16, O_DIRECT);
  R(write(a[1], "one", 3));
  R(write(a[1], "two", 3));
  R(write(a[1], "three", 5));
  struct iovec to[2] = {{b, 4}, {b + 4, 3}};
  R(vmsplice(a[0], to, 2, 0));
  P("%.7s\n", b);
  show("rest", a);
  R(vmsplice(a[0], to, 2, SPLICE_F_NONBLOCK));
  R(write(a[1], "four", 4));
  R(write(a[1], "five", 4));
  make(c, 16, 0);
  R(splice(a[0], 0, c[1], 0, 100, 0));
  show("spliced", c);
  show("spliced", c);
  return 0;
}
