#include "guest.h"
#include <sys/ioctl.h>
#include <sys/xattr.h>
/** Attributes of what is immutable or may only grow; file capabilities; more names than a list may have. */
static void limits(void) {
  static char list[200000];
  char name[300];
  int fd = open("lim", O_CREAT | O_RDWR, 0666), fl[] = {0x10, 0x20, 0};
  fchmod(fd, 0666);
  for (int i = 0; i < 3; i++) {
    ioctl(fd, 0x40086602, &fl[i]);
    R(setxattr("lim", "user.q", "1", 1, 0));
    R(setxattr("lim", "trusted.q", "1", 1, 0));
    R(removexattr("lim", "user.none"));
    int append = open("lim", O_RDWR | O_APPEND);
    R(append < 0 ? 0 : ftruncate(append, 0));
    OK(append < 0 ? NULL : mmap(0, 4096, PROT_READ, MAP_SHARED, append, 0));
  }
  for (int i = 0; i < 400; i++) {
    sprintf(name, "user.%0240d", i);
    if (setxattr("lim", name, "1", 1, 0)) P("%d: errno %d\n", i, errno);
  }
  R(listxattr("lim", NULL, 0));
  R(listxattr("lim", list, 65535));
  R(listxattr("lim", list, 65536));
  R(listxattr("lim", list, 200000));
  R(setxattr("lim", "security.capability", "1", 1, 0));
  if (fork()) {
    wait(NULL);
    return;
  }
  setgid(1000), setuid(1000);
  R(setxattr("lim", "security.capability", "1", 1, 0));
  R(setxattr("lim", "security.capability", "\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
  R(removexattr("lim", "security.capability"));
  R(setxattr("lim", "security.other", "1", 1, 0));
  _exit(0);
}

int main(void) {
  char b[100];
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  R(setxattr("f", "user.a", "value", 5, 0));
  R(getxattr("f", "user.a", b, 100));
  R(getxattr("f", "user.a", b, 2));
  R(getxattr("f", "user.a", 0, 0));
  R(getxattr("f", "user.none", b, 100));
  R(setxattr("f", "user.a", "v2", 2, XATTR_CREATE));
  R(setxattr("f", "user.b", "v", 1, XATTR_REPLACE));
  R(fsetxattr(fd, "user.b", "", 0, 0));
  R(fgetxattr(fd, "user.b", b, 10));
  ssize_t n = listxattr("f", b, 100);
  int names = 0;
  for (ssize_t i = 0; i < n; i++) names += !b[i];
  R(names);
  R(listxattr("f", b, 3));
  R(removexattr("f", "user.a"));
  R(removexattr("f", "user.a"));
  R(setxattr("f", "bad", "x", 1, 0));
  R(setxattr("f", "user.", "x", 1, 0));
  R(setxattr("f", "trusted.t", "x", 1, 0));
  R(setxattr("nosuch", "user.x", "x", 1, 0));
  R(setxattr("f", "user.x", "x", 1, 99));
  char *big = calloc(1, 70000);
  R(setxattr("f", "user.big", big, 65537, 0));
  char name[300];
  memset(name, 'n', 299);
  name[299] = 0;
  memcpy(name, "user.", 5);
  R(setxattr("f", name, "x", 1, 0));
  symlink("f", "l");
  R(lsetxattr("l", "user.x", "x", 1, 0));
  R(lsetxattr("l", "trusted.x", "x", 1, 0));
  R(llistxattr("l", b, 100));
  R(setxattr("/dev/null", "user.x", "x", 1, 0));
  mkdir("d", 0755);
  R(setxattr("d", "user.d", "x", 1, 0));
  if (!fork()) {
    setuid(1000);
    R(getxattr("f", "user.b", b, 10));
    R(setxattr("f", "user.c", "x", 1, 0));
    R(getxattr("f", "trusted.t", b, 10));
    R(setxattr("f", "trusted.u", "x", 1, 0));
    R(listxattr("f", b, 100));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  limits();
  return 0;
}
