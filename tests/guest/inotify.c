#include "guest.h"
#include <sys/inotify.h>
static int in, wd;
static uint32_t ck;
static void drain(const char *t) {
  char b[4096] __attribute__((aligned(8)));
  printf("%s:", t);
  ssize_t n;
  while ((n = read(in, b, sizeof b)) > 0)
    for (char *p = b; p < b + n;) {
      struct inotify_event *e = (void *)p;
      printf(" [%d %x %s%s]", e->wd, e->mask, e->len ? e->name : "-",
             e->cookie ? (e->cookie == ck ? " same cookie" : " cookie") : "");
      if (e->cookie) ck = e->cookie;
      p += sizeof *e + e->len;
    }
  puts("");
}
int main(void) {
  in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  R(inotify_init1(7));
  mkdir("w", 0755);
  R(wd = inotify_add_watch(in, "w", IN_ALL_EVENTS));
  R(inotify_add_watch(in, "nosuch", IN_CREATE));
  R(inotify_add_watch(in, "w", 0));
  drain("nothing");
  int fd = open("w/a", O_CREAT | O_RDWR, 0600);
  drain("create");
  write(fd, "xx", 2);
  drain("write");
  pread(fd, (char[2]){0}, 2, 0);
  drain("read");
  ftruncate(fd, 0);
  drain("truncate");
  fchmod(fd, 0644);
  drain("chmod");
  close(fd);
  drain("close");
  fd = open("w/a", O_RDONLY);
  close(fd);
  drain("open close");
  link("w/a", "w/b");
  drain("link");
  rename("w/a", "w/c");
  drain("rename");
  rename("w/c", "out");
  drain("move out");
  rename("out", "w/d");
  drain("move in");
  mkdir("w/sub", 0755);
  drain("mkdir");
  rmdir("w/sub");
  drain("rmdir");
  symlink("x", "w/s");
  drain("symlink");
  unlink("w/b");
  drain("unlink");
  rename("w/d", "w/s");
  drain("replace");
  int wf;
  R(wf = inotify_add_watch(in, "w/s", IN_MODIFY | IN_ONESHOT | IN_DELETE_SELF));
  fd = open("w/s", O_WRONLY);
  write(fd, "1", 1);
  write(fd, "2", 1);
  close(fd);
  drain("oneshot");
  R(inotify_rm_watch(in, wf));
  R(inotify_add_watch(in, "w", IN_CREATE | IN_MASK_ADD) == wd);
  R(inotify_add_watch(in, "w/s", IN_ONLYDIR | IN_CREATE));
  R(inotify_add_watch(in, "w", IN_CREATE | IN_MASK_CREATE));
  for (int i = 0; i < 3; i++) {
    fd = open("w/s", O_WRONLY | O_APPEND);
    write(fd, "z", 1);
    write(fd, "z", 1);
  }
  drain("coalesce");
  unlink("w/s");
  drain("unlink open");
  close(fd);
  char small[10];
  close(open("w/n", O_CREAT | O_WRONLY, 0600));
  R(read(in, small, 10));
  drain("rest");
  R(inotify_rm_watch(in, wd));
  drain("ignored");
  unlink("w/n");
  mkdir("fresh", 0755);
  R(inotify_add_watch(in, "fresh", IN_DELETE_SELF) > 0);
  R(rmdir("fresh"));
  drain("self");
  R(inotify_rm_watch(in, 99));
  R(inotify_add_watch(1, "w", IN_CREATE));
  return 0;
}
