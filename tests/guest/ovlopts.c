// Features that an overlay is asked for: which options contradict each other, and that files are what they are with all of them.
#include "overlay.h"
#include <sched.h>
#include <sys/mount.h>

static void try(const char *options, int upper) {
  char o[300];
  sprintf(o, "lowerdir=l%s,%s", upper ? ",upperdir=u,workdir=w" : ":l2", options);
  errno = 0;
  int e = mount("o", "m", "overlay", 0, o);
  P("%s %s: %d errno %d\n", upper ? "upper" : "lower", options, e, errno);
  if (!e) umount("m");
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("t", 0755);
  if (mount("t", "t", "tmpfs", 0, "mode=755")) return 1;
  chdir("t");
  mkdir("l", 0755), mkdir("l2", 0755), mkdir("u", 0755), mkdir("w", 0755), mkdir("m", 0755);
  put("l/f", "lower", 0644);
  const char *list[] = {
    "index=on", "index=off", "index=yes", "index", "metacopy=on", "metacopy=off", "metacopy=maybe", "xino=on", "xino=auto",
    "xino=off", "xino=1", "nfs_export=on", "nfs_export=off", "verity=off", "verity=no", "metacopy=on,redirect_dir=on",
    "metacopy=on,redirect_dir=off", "metacopy=on,redirect_dir=follow", "metacopy=on,redirect_dir=nofollow",
    "metacopy=off,redirect_dir=off", "nfs_export=on,index=off", "nfs_export=on,index=on", "nfs_export=on,metacopy=on",
    "nfs_export=on,metacopy=off", "userxattr,metacopy=on", "userxattr,metacopy=off", "index=on,metacopy=on,xino=on", "bogus=on",
  };
  for (int u = 0; u < 2; u++)
    for (int i = 0; i < sizeof list / sizeof *list; i++) try(list[i], u);
  R(mount("o", "m", "overlay", 0, "lowerdir=l::l2,upperdir=u,workdir=w,metacopy=on"));
  if (mount("o", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w,metacopy=on,xino=on")) return 1;
  struct stat a, b;
  stat("m/f", &a);
  R(chmod("m/f", 0600));
  stat("m/f", &b);
  P("same number %d mode %o\n", a.st_ino == b.st_ino, b.st_mode);
  show("m/f");
  R(rename("m/f", "m/g"));
  show("m/g");
  put("m/g", "upper", 0);
  show("m/g");
  show("l/f");
  umount("m");
  chdir("..");
  umount("t");
  rmdir("t");
}
