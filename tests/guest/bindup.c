// `..` from a directory that was moved out of the bind mount through which it is seen.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  char dir[] = "/tmp/bindup-XXXXXX";
  mkdtemp(dir);
  mount("none", dir, "tmpfs", 0, 0);
  chdir(dir);
  mkdir("a", 0755), mkdir("a/b", 0755), mkdir("a/b/c", 0755), mkdir("m", 0755), mkdir("out", 0755);
  R(mount("a", "m", 0, MS_BIND, 0));
  int b = open("m/b", O_RDONLY), c = open("m/b/c", O_RDONLY);
  R(openat(b, "..", O_RDONLY) > 0);
  R(rename("a/b", "out/b"));
  R(openat(b, ".", O_RDONLY) > 0);
  R(openat(b, "..", O_RDONLY));
  R(openat(b, "../out", O_RDONLY));
  R(openat(c, "..", O_RDONLY));
  R(openat(c, "../..", O_RDONLY));
  R(fchdir(c));
  R(chdir(".."));
  char text[256];
  P("%s\n", getcwd(text, 256) ? text : "no path");
  R(rename("/nothing", "../x"));
  chdir("/");
  umount2(dir, MNT_DETACH);
  rmdir(dir);
}
