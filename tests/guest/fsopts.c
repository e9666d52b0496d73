// Options of overlay, ramfs, mqueue and sysfs: what mount(2), a remount and fsconfig(2) take, and what is shown then.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>
#include <dirent.h>

static void show(void) {
  char line[2000];
  FILE *file = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, file))
    if (strstr(line, "/tmp/m ")) P("  %s", line);
  fclose(file);
}

static void take(const char *type, const char *options) {
  errno = 0;
  int r = mount("x", "m", type, 0, options);
  P("%s %s: %d errno %d\n", type, options, r, errno);
  if (r) return;
  show();
  const char *const again[] = {"ro", "rw", "redirect_dir=on", "bogus", "mode=700", "mode=9"};
  for (int i = 0; i < 6; i++) {
    errno = 0;
    r = mount(0, "m", 0, MS_REMOUNT, again[i]);
    P("  again %s: %d errno %d\n", again[i], r, errno);
  }
  umount("m");
  rmdir("w/work");
}

static void configure(const char *type) {
  static const char *const pairs[][2] = {
      {"mode", "755"}, {"size", "1m"}, {"upperdir", "/tmp/u"}, {"xino", "x"}, {"index", "off"}, {"bogus", "1"}};
  char text[300];
  long n;
  int fd = syscall(SYS_fsopen, type, 0);
  for (int i = 0; i < 6; i++) {
    errno = 0;
    long r = syscall(SYS_fsconfig, fd, 1, pairs[i][0], pairs[i][1], 0);
    P("%s %s=%s: %ld errno %d\n", type, pairs[i][0], pairs[i][1], r, errno);
    while ((n = read(fd, text, sizeof text)) > 0) P("  %.*s\n", (int)n, text);
  }
  close(fd);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  const char *const dirs[] = {"m", "l", "l2", "u", "w"};
  for (int i = 0; i < 5; i++) mkdir(dirs[i], 0755);
  const char *const overlay[] = {"lowerdir=l", "lowerdir=l:l2", "lowerdir=noent", "lowerdir=l:noent", "lowerdir=l\\:x",
                                 "lowerdir=", "lowerdir=:l", "lowerdir=l,upperdir=u", "lowerdir=l,workdir=w",
                                 "lowerdir=l,ro", "upperdir=u,workdir=w", ""};
  const char *const more[] = {"", "redirect_dir=on", "redirect_dir=nofollow", "redirect_dir=x", "userxattr",
                              "userxattr,redirect_dir=on", "xino=off", "xino=x", "index=off", "metacopy=off",
                              "nfs_export=off", "uuid=off", "uuid=null", "default_permissions", "verity=off", "bogus",
                              "ro", "sync"};
  for (int i = 0; i < 12; i++) take("overlay", overlay[i]);
  for (int i = 0; i < 18; i++) {
    char all[200];
    sprintf(all, "lowerdir=l,upperdir=u,workdir=w,%s", more[i]);
    take("overlay", all);
  }
  const char *const simple[] = {"", "mode=700", "mode=8", "mode=", "bogus", "ro"};
  for (int i = 0; i < 6; i++) take("ramfs", simple[i]);
  const char *const none[] = {"mode=700", "bogus"};
  for (int i = 0; i < 2; i++) {
    R(mount("x", "m", "mqueue", 0, none[i]));
    R(mount("x", "m", "sysfs", 0, none[i]));
  }
  configure("overlay");
  configure("mqueue");
  configure("ramfs");
}
