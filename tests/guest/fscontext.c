// File system contexts: values that flags take, messages, what outlives fsmount(2), and going beneath a mount.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

#define FC(c, k, v, a) R(syscall(431, fd, c, k, v, a))
#define MOVE(...) R(syscall(429, __VA_ARGS__))

static void messages(int fd) {
  char text[400];
  R(read(fd, text, 3));
  for (;;) {
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n < 0) {
      P("read: %d\n", errno);
      return;
    }
    text[n] = 0;
    P("%s", text);
  }
}

/** Values that an option takes, as its file system says. */
static void values(const char *type, const char *option) {
  const char *value[] = {0, "", "1", "abc", "-1", "4294967295", "4294967296"};
  for (int i = 0; i < 7; i++) {
    int fd = syscall(430, type, 1);
    int r = syscall(431, fd, value[i] ? 1 : 0, option, value[i], 0);
    P("%s %s=%s: %d\n", type, option, value[i] ? value[i] : "(flag)", r ? errno : 0);
    messages(fd);
    close(fd);
  }
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mount("w", "/tmp", "tmpfs", 0, 0);
  chdir("/tmp");
  int file = open("file", O_CREAT | O_RDWR, 0600), fd = syscall(430, "tmpfs", 0);
  FC(1, "sync", "value", 0);
  FC(2, "sync", "blob", 4);
  FC(2, "sync", -1L, 4);
  FC(3, "ro", "/nowhere", AT_FDCWD);
  FC(3, "ro", "", AT_FDCWD);
  FC(4, "ro", "", AT_FDCWD);
  FC(5, "rw", 0, file);
  FC(5, "rw", 0, 9999);
  FC(5, "size", 0, file);
  FC(2, "size", "blob", 4);
  FC(3, "source", "/", AT_FDCWD);
  FC(0, "source", 0, 0);
  FC(0, "nosuch", 0, 0);
  messages(fd);
  for (int i = 0; i < 11; i++) {
    char size[] = "x0";
    size[1] += i;
    syscall(431, fd, 1, i & 1 ? size : "size", size, 0);
  }
  messages(fd);

  FC(1, "source", "mine", 0);
  FC(1, "size", "1m", 0);
  FC(6, 0, 0, 0);
  int tree = syscall(432, fd, 0, 0);
  P("tree %d\n", tree >= 0);
  mkdir("m", 0755);
  MOVE(tree, "", AT_FDCWD, "m", 4);
  FC(1, "source", "again", 0);
  FC(7, 0, 0, 0);
  FC(0, "ro", 0, 0);
  FC(7, 0, 0, 0);
  R(open("m/x", O_CREAT | O_RDWR, 0600));
  FC(0, "rw", 0, 0);
  FC(7, 0, 0, 0);
  OK(close(open("m/x", O_CREAT | O_RDWR, 0600)));
  FC(0, "dirsync", 0, 0);
  FC(7, 0, 0, 0);
  FC(7, 0, 0, 0);
  FC(0, "ro", 0, 0);
  messages(fd);

  fd = syscall(430, "tmpfs", 0);
  FC(0, "dirsync", 0, 0);
  FC(6, 0, 0, 0);
  int other = syscall(432, fd, 0, 0);
  FC(7, 0, 0, 0);
  FC(0, "ro", 0, 0);

  // Beneath a mount.
  MOVE(tree, "", AT_FDCWD, "m", 0x204);
  MOVE(AT_FDCWD, "m", AT_FDCWD, "m", 0x200);
  mkdir("n", 0755);
  MOVE(other, "", AT_FDCWD, "n", 0x204);
  MOVE(other, "", AT_FDCWD, "file", 0x204);
  MOVE(other, "", AT_FDCWD, "m", 0x204);
  OK(access("m/x", F_OK));
  R(umount("m"));
  OK(access("m/x", F_OK));
  mkdir("m/in", 0755);
  mount("c", "m/in", "tmpfs", 0, 0);
  MOVE(AT_FDCWD, "m/in", AT_FDCWD, "m", 0x200);
  MOVE(AT_FDCWD, "m/in", AT_FDCWD, "m", 0);
  MOVE(AT_FDCWD, "m", AT_FDCWD, "m/in", 0x200);

  const char *options[][2] = {{"tmpfs", "uid"}, {"tmpfs", "gid"}, {"tmpfs", "noswap"}, {"tmpfs", "inode64"}, {"overlay", "userxattr"}, {"overlay", "volatile"}, {"proc", "hidepid"}, {"proc", "subset"}, {"proc", "gid"}, {"ramfs", "mode"}, {"ramfs", "other"}, {"tmpfs", ""}};
  for (int i = 0; i < 12; i++) values(options[i][0], options[i][1]);
  R(mount("x", "n", "tmpfs", 0, "noswap=1"));
  R(mount("x", "n", "tmpfs", 0, "inode64="));
  fd = syscall(430, "overlay", 1);
  FC(6, 0, 0, 0);
  messages(fd);
  fd = syscall(430, "tmpfs", 1);
  FC(6, 0, 0, 0);
  FC(1, "", "x", 0);
  FC(0, "", 0, 0);

  // Quotas are asked of any descriptor's file system.
  int path = open("file", O_PATH);
  char block[128];
  R(syscall(443, path, 0x800007 << 8, 0, block));
  R(syscall(443, 9999, 0x800007 << 8, 0, block));
  return 0;
}
