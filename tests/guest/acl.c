/* POSIX access control lists: system.posix_acl_access and _default on tmpfs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <grp.h>
#include <unistd.h>

enum { UO = 1, U = 2, GO = 4, G = 8, M = 16, O = 32 };
struct e { uint16_t tag, perm; uint32_t id; };
static struct { uint32_t version; struct e e[16]; } acl;
#define NONE 0xffffffff

static const char *E(void) {
  switch (errno) {
    case 0: return "ok"; case EPERM: return "EPERM"; case EACCES: return "EACCES"; case EINVAL: return "EINVAL";
    case ENODATA: return "ENODATA"; case EOPNOTSUPP: return "EOPNOTSUPP"; case ERANGE: return "ERANGE"; case ENOENT: return "ENOENT";
  }
  return strerror(errno);
}
#define CALL(what, call) do { errno = 0; long r = call; printf("%s %ld %s\n", what, r, E()); } while (0)
#define NAME(t) ((t) ? "system.posix_acl_default" : "system.posix_acl_access")
static int set(const char *path, int type, int n, const struct e *e) {
  acl.version = 2;
  memcpy(acl.e, e, n * sizeof *e);
  errno = 0;
  return lsetxattr(path, NAME(type), &acl, 4 + 8 * n, 0);
}
#define SET(path, type, ...) do { struct e v[] = {__VA_ARGS__}; int r = set(path, type, sizeof v / sizeof *v, v); printf("set %s %d: %d %s\n", path, type, r, r ? E() : ""); } while (0)
static void show(const char *path) {
  struct stat st;
  lstat(path, &st);
  printf("%s %o", path, st.st_mode);
  for (int t = 0; t < 2; t++) {
    errno = 0;
    ssize_t n = lgetxattr(path, NAME(t), &acl, sizeof acl);
    if (n < 0) { printf(" [%s]", E()); continue; }
    printf(" v%u", acl.version);
    for (int i = 0; i < (n - 4) / 8; i++) printf(" %d:%d:%d", acl.e[i].tag, (int)acl.e[i].id, acl.e[i].perm);
  }
  char names[256];
  ssize_t n = llistxattr(path, names, sizeof names);
  printf(" names");
  for (ssize_t i = 0; i < n; i += strlen(names + i) + 1) printf(" %s", names + i);
  printf("\n");
}
static void as(int uid, int gid, const char *path) {
  fflush(stdout);
  if (fork() == 0) {
    setgroups(0, 0);
    setresgid(gid, gid, gid);
    setresuid(uid, uid, uid);
    printf("as %d:%d %s", uid, gid, path);
    for (int m = 1; m < 8; m++) printf(" %d", access(path, m) == 0);
    errno = 0;
    int r = set(path, 0, 3, (struct e[]){{UO, 6, NONE}, {GO, 4, NONE}, {O, 4, NONE}});
    printf(" set %d %s\n", r, r ? E() : "");
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

int main(void) {
  mkdir("/tmp/acl", 0755);
  if (mount("none", "/tmp/acl", "tmpfs", 0, "") || chdir("/tmp/acl")) return 1;
  chmod(".", 0755);
  umask(022);
  close(open("f", O_CREAT | O_RDWR, 0640));
  chown("f", 100, 200);
  show("f");
  SET("f", 0, {UO, 6, NONE}, {U, 7, 300}, {GO, 4, NONE}, {G, 6, 400}, {M, 6, NONE}, {O, 0, NONE});
  show("f");
  as(300, 1, "f"); as(301, 400, "f"); as(301, 200, "f"); as(301, 1, "f");
  SET("f", 0, {UO, 6, NONE}, {U, 7, 300}, {GO, 4, NONE}, {G, 6, 400}, {M, 4, NONE}, {O, 7, NONE});
  as(300, 1, "f"); as(301, 400, "f"); as(301, 200, "f"); as(301, 1, "f");
  chmod("f", 0770);
  show("f");
  as(300, 1, "f"); as(301, 400, "f");
  chmod("f", 0707);
  as(300, 1, "f"); as(301, 400, "f"); as(301, 1, "f");
  /* What is refused. */
  SET("f", 0, {UO, 6, NONE}, {GO, 4, NONE});
  SET("f", 0, {UO, 6, NONE}, {U, 6, 1}, {GO, 4, NONE}, {O, 4, NONE});
  SET("f", 0, {GO, 6, NONE}, {UO, 4, NONE}, {O, 4, NONE});
  SET("f", 0, {UO, 8, NONE}, {GO, 4, NONE}, {O, 4, NONE});
  SET("f", 0, {UO, 6, NONE}, {U, 6, NONE}, {GO, 4, NONE}, {M, 4, NONE}, {O, 4, NONE});
  SET("f", 1, {UO, 6, NONE}, {GO, 4, NONE}, {O, 4, NONE});
  CALL("rm default of file", removexattr("f", NAME(1)));
  acl.version = 3;
  CALL("version", setxattr("f", NAME(0), &acl, 28, 0));
  CALL("short", setxattr("f", NAME(0), &acl, 3, 0));
  acl.version = 2;
  CALL("odd", setxattr("f", NAME(0), &acl, 11, 0));
  symlink("f", "l");
  SET("l", 0, {UO, 6, NONE}, {GO, 4, NONE}, {O, 4, NONE});
  show("l");
  CALL("small", getxattr("f", NAME(0), &acl, 8));
  printf("size %zd\n", getxattr("f", NAME(0), 0, 0));
  /* Back to bits alone. */
  SET("f", 0, {UO, 7, NONE}, {GO, 5, NONE}, {O, 1, NONE});
  show("f");
  SET("f", 0, {UO, 6, NONE}, {U, 7, 300}, {GO, 4, NONE}, {M, 6, NONE}, {O, 0, NONE});
  CALL("rm", removexattr("f", NAME(0)));
  show("f");
  CALL("rm again", removexattr("f", NAME(0)));
  SET("f", 0, {UO, 6, NONE}, {GO, 2, NONE}, {M, 6, NONE}, {O, 0, NONE});
  show("f");
  /* Default lists. */
  mkdir("d", 0755);
  SET("d", 1, {UO, 7, NONE}, {U, 6, 300}, {GO, 5, NONE}, {M, 7, NONE}, {O, 5, NONE});
  show("d");
  umask(077);
  close(open("d/file", O_CREAT | O_RDWR, 0666));
  mkdir("d/dir", 0777);
  mkdir("d/dir/dir", 0700);
  mknod("d/fifo", S_IFIFO | 0640, 0);
  symlink("x", "d/link");
  show("d/file"); show("d/dir"); show("d/dir/dir"); show("d/fifo"); show("d/link");
  SET("d", 1, {UO, 6, NONE}, {GO, 4, NONE}, {O, 6, NONE});
  close(open("d/plain", O_CREAT | O_RDWR, 0777));
  show("d/plain");
  link("d/file", "d/hard");
  show("d/hard");
  int t = open("d", O_TMPFILE | O_RDWR, 0666);
  struct stat st;
  fstat(t, &st);
  printf("tmpfile %o\n", st.st_mode);
  CALL("rm default", removexattr("d", NAME(1)));
  close(open("d/masked", O_CREAT | O_RDWR, 0666));
  show("d/masked");
  show("d");
  chdir("/");
  umount("/tmp/acl");
  return 0;
}
