// chattr's flags through an overlay, which keeps some of them in an attribute, and its UUID with what statfs tells of it.
#include "overlay.h"
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static void set(const char *path, int flags) {
  int f = open(path, O_RDONLY);
  P("%s %x: ", path, flags);
  R(ioctl(f, FS_IOC_SETFLAGS, &flags));
  close(f);
}

static void told(const char *path) {
  char names[500], value[40];
  int f = open(path, O_RDONLY), flags = -1;
  ioctl(f, FS_IOC_GETFLAGS, &flags);
  close(f);
  P("%s flags %x", path, flags);
  int n = listxattr(path, names, sizeof names);
  for (char *name = names; name < names + n; name += strlen(name) + 1) {
    int length = getxattr(path, name, value, sizeof value);
    if (strstr(name, "protattr")) P(" %s=%.*s", name, length, value);
  }
  P("\n");
}

static void remounted(const char *more) {
  char options[200];
  umount("m");
  sprintf(options, "lowerdir=l,upperdir=u,workdir=w%s", more);
  R(mount("o", "m", "overlay", 0, options));
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("t", 0755);
  if (mount("t", "t", "tmpfs", 0, "mode=755")) return 1;
  chdir("t");
  mkdir("l", 0755), mkdir("u", 0755), mkdir("w", 0755), mkdir("m", 0755), mkdir("l/d", 0755);
  put("l/f", "f", 0644), put("l/g", "g", 0644), put("l/i", "i", 0644), put("l/n", "n", 0644);
  set("l/i", FS_IMMUTABLE_FL | FS_NOATIME_FL);
  set("l/n", FS_NODUMP_FL | FS_NOATIME_FL);
  remounted("");
  const int flags[] = {FS_IMMUTABLE_FL, FS_APPEND_FL, FS_APPEND_FL | FS_IMMUTABLE_FL, FS_IMMUTABLE_FL | FS_NODUMP_FL, FS_NOATIME_FL, 0};
  for (int i = 0; i < 6; i++) {
    set("m/f", flags[i]);
    told("m/f"), told("u/f");
    R(open("m/f", O_WRONLY) < 0 ? -1 : 0);
    R(open("m/f", O_WRONLY | O_APPEND) < 0 ? -1 : 0);
    R(rename("m/f", "m/f"));
    R(link("m/f", "m/h"));
    unlink("m/h");
    remounted("");
    told("m/f");
  }
  set("m/d", FS_IMMUTABLE_FL);
  told("m/d"), told("u/d");
  R(mkdir("m/d/x", 0755));
  R(mkdir("u/d/x", 0755));
  set("m/d", 0);
  P("-- copied up\n");
  told("m/i");
  R(chmod("m/i", 0600));
  set("m/i", FS_NOATIME_FL);
  told("m/i"), told("u/i");
  R(chmod("m/n", 0600));
  told("m/n"), told("u/n");
  set("l/i", 0);
  P("-- the attribute\n");
  R(chmod("m/g", 0600));
  const char *values[] = {"i", "a", "ia", "ix", "x", ""};
  for (int i = 0; i < 6; i++) {
    R(setxattr("u/g", "trusted.overlay.protattr", values[i], strlen(values[i]), 0));
    remounted("");
    told("m/g");
  }
  INPROC(1000, set("m/g", FS_NODUMP_FL));

  P("-- who it is\n");
  struct statfs real, a, b;
  statfs("u", &real), statfs("m", &a);
  remounted("");
  statfs("m", &b);
  P("as the layer's %d, stays %d\n", !memcmp(&a.f_fsid, &real.f_fsid, 8), !memcmp(&a.f_fsid, &b.f_fsid, 8));
  const char *uuids[] = {",uuid=off", ",uuid=null", ",uuid=auto", ",uuid=on"};
  for (int i = 0; i < 4; i++) {
    remounted(uuids[i]);
    statfs("m", &b);
    P("%s: as the layer's %d, as before %d\n", uuids[i], !memcmp(&b.f_fsid, &real.f_fsid, 8), !memcmp(&a.f_fsid, &b.f_fsid, 8));
  }
  umount("m");
  R(mount("o", "m", "overlay", 0, "lowerdir=l:u"));
  statfs("m", &b);
  P("%x %x\n", b.f_fsid.__val[0], b.f_fsid.__val[1]);
  return 0;
}
