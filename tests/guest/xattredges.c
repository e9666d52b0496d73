// Extended attributes and access control lists: name, value and flags are looked at before the file, a list's form before
// who may set it; and capabilities without bytes.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/xattr.h>

struct ace {
  unsigned short tag, perm;
  unsigned id;
};

static long acl(const char *path, const char *which, unsigned version, int n, const struct ace *e) {
  char b[200], name[40];
  memcpy(b, &version, 4);
  memcpy(b + 4, e, n * sizeof *e);
  sprintf(name, "system.posix_acl_%s", which);
  return setxattr(path, name, b, 4 + n * sizeof *e, 0);
}

int main(void) {
  mkdir("d", 0755);
  close(open("d/f", O_CREAT | O_RDWR, 0644));
  symlink("d/f", "l");
  static char big[70000];
  memset(big, 'v', sizeof big);
  R(setxattr("missing", "user.x", "v", 1, 8));
  R(setxattr("missing", "", "v", 1, 0));
  R(setxattr("missing", "user.x", big, 65537, 0));
  R(setxattr("missing", "user.x", (void *)8, 1, 0));
  R(setxattr("missing", "user.x", "v", 1, 0));
  R(fsetxattr(-1, "user.x", "v", 1, 8));
  R(getxattr("missing", "", 0, 0));
  R(removexattr("missing", ""));
  R(removexattr("missing", "user.x"));

  const struct ace base[] = {{1, 7, -1}, {4, 5, -1}, {32, 5, -1}};
  const struct ace tag[] = {{1, 7, -1}, {64, 5, -1}, {32, 5, -1}};
  const struct ace noid[] = {{1, 7, -1}, {2, 5, -1}, {4, 5, -1}, {16, 7, -1}, {32, 5, -1}};
  const struct ace order[] = {{4, 7, -1}, {1, 5, -1}, {32, 5, -1}};
  const struct ace bits[] = {{1, 8, -1}, {4, 5, -1}, {32, 5, -1}};
  const char *files[] = {"d/f", "d", "l"}, *which[] = {"access", "default"};
  for (int user = 0; user <= 1000; user += 1000)
    INPROC(user, {
      for (int f = 0; f < 3; f++)
        for (int w = 0; w < 2; w++) {
          P("-- uid %d, %s, %s\n", user, files[f], which[w]);
          R(acl(files[f], which[w], 2, 3, base));
          R(acl(files[f], which[w], 3, 3, base));
          R(acl(files[f], which[w], 2, 3, tag));
          R(acl(files[f], which[w], 2, 5, noid));
          R(acl(files[f], which[w], 2, 3, order));
          R(acl(files[f], which[w], 2, 3, bits));
          R(acl(files[f], which[w], 2, 0, base));
        }
    });
  char name[40];
  sprintf(name, "system.posix_acl_access");
  R(setxattr("d/f", name, "\2\0\0\0x", 5, 0));
  R(setxattr("d/f", name, "\3\0\0\0x", 5, 0));
  R(setxattr("d/f", name, "\3\0", 2, 0));

  R(setxattr("d/f", "security.capability", "", 0, 0));
  R(getxattr("d/f", "security.capability", big, 100));
  R(listxattr("d/f", big, 100));
  R(chown("d/f", 5, 5));
  R(listxattr("d/f", big, 100));
  // Of revision 3, root's own is told as revision 2.
  for (unsigned root = 0; root <= 1000; root += 1000) {
    unsigned caps[6] = {0x03000001, 1, 0, 0, 0, root}, got[6] = {0};
    R(setxattr("d/f", "security.capability", caps, 24, 0));
    R(getxattr("d/f", "security.capability", got, 24));
    R(getxattr("d/f", "security.capability", 0, 0));
    P("%x %x %x\n", got[0], got[1], got[5]);
  }
  // What sysfs keeps.
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("s", 0755);
  R(mount("s", "s", "sysfs", 0, 0));
  const char *kept[] = {"user.own", "trusted.own", "security.own", "system.own"};
  for (int i = 0; i < 4; i++) {
    P("-- %s\n", kept[i]);
    R(getxattr("s/kernel", kept[i], big, 10));
    R(setxattr("s/kernel", kept[i], "v", 1, 0));
    R(setxattr("s/kernel", kept[i], "v", 1, XATTR_CREATE));
    R(getxattr("s/kernel", kept[i], big, 10));
    R(listxattr("s/kernel", big, 100));
    INPROC(1000, R(listxattr("s/kernel", big, 100)));
    R(removexattr("s/kernel", kept[i]));
    R(removexattr("s/kernel", kept[i]));
    R(setxattr("s/kernel", kept[i], "v", 1, XATTR_REPLACE));
  }
  return 0;
}
