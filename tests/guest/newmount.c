// Mounts by descriptor, and shared subtrees.
#include "guest.h"
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>

static long fsopen_(const char *n, unsigned f) { return syscall(430, n, f); }
static long fsconfig_(int fd, unsigned c, const char *k, const void *v, int a) { return syscall(431, fd, c, k, v, a); }
static long fsmount_(int fd, unsigned f, unsigned a) { return syscall(432, fd, f, a); }
static long fspick_(int d, const char *p, unsigned f) { return syscall(433, d, p, f); }
static long open_tree_(int d, const char *p, unsigned f) { return syscall(428, d, p, f); }
static long move_mount_(int d, const char *p, int e, const char *q, unsigned f) { return syscall(429, d, p, e, q, f); }
static long setattr(int d, const char *p, unsigned f, uint64_t set, uint64_t clr, uint64_t prop, size_t n) {
  uint64_t a[8] = {set, clr, prop, 0};
  return syscall(442, d, p, f, a, n);
}
#define FDOK(call)                                                                                 \
  ({                                                                                               \
    errno = 0;                                                                                     \
    int fd_ = call;                                                                                \
    P("%s: %s %d\n", #call, fd_ >= 0 ? "ok" : "errno", fd_ >= 0 ? 0 : errno);                      \
    fd_;                                                                                           \
  })

/** Lines of mountinfo below a path: place, options, tags, with the numbers of groups renumbered. */
static int ids[64], nids;
static int renumber(int id) {
  for (int i = 0; i < nids; i++)
    if (ids[i] == id) return i + 1;
  ids[nids++] = id;
  return nids;
}
static void show(const char *below) {
  FILE *f = fopen("/proc/self/mountinfo", "r");
  char line[1024];
  P("-- %s\n", below);
  while (fgets(line, sizeof line, f)) {
    char root[256], at[256], opts[256];
    int n;
    if (sscanf(line, "%*d %*d %*s %255s %255s %255s%n", root, at, opts, &n) != 3) continue;
    if (strncmp(at, below, strlen(below))) continue;
    printf("%s %s %s", root, at, opts);
    for (char *p = strtok(line + n, " "); p && strcmp(p, "-"); p = strtok(0, " ")) {
      char *c = strchr(p, ':');
      if (c)
        printf(" %.*s:%d", (int)(c - p), p, renumber(atoi(c + 1)));
      else
        printf(" %s", p);
    }
    char *type = strtok(0, " "), *source = strtok(0, " ");
    printf(" %s %s\n", type, source);
  }
  fclose(f);
  fflush(stdout);
}
static void touch(const char *p) { close(open(p, O_CREAT | O_WRONLY, 0644)); }
static int there(const char *p) { return access(p, F_OK) == 0; }

int main(void) {
  mkdir("/tmp/nm", 0755);
  R(mount("none", "/tmp/nm", "tmpfs", 0, ""));
  R(mount(0, "/tmp/nm", 0, MS_PRIVATE, 0));
  chdir("/tmp/nm");
  mkdir("a", 0755), mkdir("b", 0755), mkdir("c", 0755), mkdir("d", 0755), mkdir("e", 0755);
  touch("file");

  // Making a file system step by step.
  FDOK(fsopen_("nosuchfs", 0));
  FDOK(fsopen_("tmpfs", 2));
  int fs = FDOK(fsopen_("tmpfs", FSOPEN_CLOEXEC));
  R(fcntl(fs, F_GETFD));
  char msg[256];
  R(read(fs, msg, sizeof msg));
  R(fsconfig_(fs, FSCONFIG_SET_STRING, "source", "mine", 0));
  R(fsconfig_(fs, FSCONFIG_SET_STRING, "source", "again", 0));
  R(fsconfig_(fs, FSCONFIG_SET_STRING, "mode", "0700", 0));
  // A value that does not fit is refused when it is set; the rest stays.
  R(fsconfig_(fs, FSCONFIG_SET_STRING, "size", "large", 0));
  R(read(fs, msg, sizeof msg) > 0);
  R(fsconfig_(fs, FSCONFIG_SET_STRING, "mode", "9", 0));
  R(read(fs, msg, sizeof msg) > 0);
  R(fsconfig_(fs, FSCONFIG_SET_FLAG, "nr_blocks", 0, 0));
  R(read(fs, msg, sizeof msg) > 0);
  R(fsconfig_(fs, FSCONFIG_SET_PATH, "size", ".", AT_FDCWD));
  R(read(fs, msg, sizeof msg) > 0);
  R(fsconfig_(fs, FSCONFIG_SET_FD, "mode", 0, 0));
  R(read(fs, msg, sizeof msg) > 0);
  R(fsconfig_(fs, FSCONFIG_SET_FD, "mode", 0, 99));
  R(fsconfig_(fs, FSCONFIG_SET_BINARY, "mode", "x", 1));
  R(read(fs, msg, sizeof msg) > 0);
  R(fsconfig_(fs, FSCONFIG_SET_STRING, "nonsense", "1", 0));
  R(read(fs, msg, sizeof msg) > 0);
  P("%c\n", msg[0]);
  R(fsconfig_(fs, FSCONFIG_SET_FLAG, "ro", 0, 0));
  R(fsconfig_(fs, FSCONFIG_SET_FLAG, "ro", "x", 0));
  R(fsconfig_(fs, FSCONFIG_SET_STRING, 0, "x", 0));
  R(fsconfig_(fs, 99, 0, 0, 0));
  R(fsconfig_(-1, FSCONFIG_CMD_CREATE, 0, 0, 0));
  R(fsconfig_(0, FSCONFIG_CMD_CREATE, 0, 0, 0));
  FDOK(fsmount_(fs, 0, 0));
  R(fsconfig_(fs, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0));
  R(fsconfig_(fs, FSCONFIG_CMD_CREATE, 0, 0, 0));
  R(fsconfig_(fs, FSCONFIG_CMD_CREATE, 0, 0, 0));
  R(fsconfig_(fs, FSCONFIG_SET_FLAG, "rw", 0, 0));
  FDOK(fsmount_(fs, 0, 0x80000000));
  FDOK(fsmount_(fs, 2, 0));
  int mnt = FDOK(fsmount_(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  FDOK(fsmount_(fs, 0, 0));
  struct stat st;
  R(fstat(mnt, &st));
  P("%o\n", st.st_mode);
  FDOK(openat(mnt, "new", O_CREAT | O_WRONLY, 0600));
  R(move_mount_(mnt, "", AT_FDCWD, "a", 0));
  R(move_mount_(mnt, "", AT_FDCWD, "file", MOVE_MOUNT_F_EMPTY_PATH));
  R(move_mount_(mnt, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH));
  show("/tmp/nm/a");
  close(mnt), close(fs);
  R(there("a/."));

  // Changing it.
  int pick = FDOK(fspick_(AT_FDCWD, "a", 0));
  FDOK(fspick_(AT_FDCWD, "b", 0));
  R(fsconfig_(pick, FSCONFIG_SET_FLAG, "rw", 0, 0));
  R(fsconfig_(pick, FSCONFIG_CMD_CREATE, 0, 0, 0));
  R(fsconfig_(pick, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0));
  close(pick);
  touch("a/now");
  R(there("a/now"));
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_RDONLY, 0, 0, 32));
  R(open("a/x", O_CREAT | O_WRONLY, 0600));
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_NOATIME, 0, 0, 32));
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0, 32));
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, 0, 32));
  show("/tmp/nm/a");
  int writer = open("a/busy", O_CREAT | O_WRONLY, 0600);
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, 0, 0, 32));
  show("/tmp/nm/a");
  close(writer);
  R(setattr(AT_FDCWD, "b", 0, MOUNT_ATTR_RDONLY, 0, 0, 32));
  R(setattr(AT_FDCWD, "a", 0, 0, 0, MS_SHARED | MS_SLAVE, 32));
  R(setattr(AT_FDCWD, "a", 0, 1ULL << 40, 0, 0, 32));
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_RDONLY, 0, 0, 31));
  R(setattr(AT_FDCWD, "a", 0, MOUNT_ATTR_RDONLY, 0, 0, 5000));
  R(setattr(AT_FDCWD, "a", 99, MOUNT_ATTR_RDONLY, 0, 0, 32));
  R(setattr(AT_FDCWD, "a", 0, 0, 0, 0, 32));

  // Copies of trees.
  FDOK(open_tree_(AT_FDCWD, "a", AT_RECURSIVE));
  FDOK(open_tree_(AT_FDCWD, "a", 4));
  FDOK(open_tree_(AT_FDCWD, "missing", 0));
  int plain = FDOK(open_tree_(AT_FDCWD, "a", 0));
  R(fcntl(plain, F_GETFL) & O_PATH ? 1 : 0);
  mkdir("a/sub", 0755);
  R(mount("inner", "a/sub", "tmpfs", 0, ""));
  touch("a/sub/deep");
  int one = FDOK(open_tree_(AT_FDCWD, "a", OPEN_TREE_CLONE));
  int all = FDOK(open_tree_(AT_FDCWD, "a", OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC));
  R(faccessat(one, "sub/deep", F_OK, 0));
  R(faccessat(all, "sub/deep", F_OK, 0));
  R(setattr(all, "", AT_EMPTY_PATH | AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0, 0, 32));
  R(move_mount_(all, "", AT_FDCWD, "b", MOVE_MOUNT_F_EMPTY_PATH));
  R(move_mount_(all, "", AT_FDCWD, "b/sub", MOVE_MOUNT_F_EMPTY_PATH));
  show("/tmp/nm/b");
  close(one), close(all);
  R(there("b/sub/deep"));
  R(open("b/sub/x", O_CREAT | O_WRONLY, 0600));
  R(there("a/sub/deep"));
  R(move_mount_(AT_FDCWD, "b", AT_FDCWD, "c", 0));
  R(there("c/sub/deep"));
  R(there("b/sub"));
  R(move_mount_(AT_FDCWD, "d", AT_FDCWD, "c", 0));
  R(umount2("c", 0));
  R(umount2("c", MNT_DETACH));
  R(umount2("a", MNT_DETACH));

  // Beneath.
  R(mount("top", "a", "tmpfs", 0, ""));
  touch("a/top");
  int bot = open_tree_(AT_FDCWD, "d", OPEN_TREE_CLONE);
  touch("d/bottom");
  R(move_mount_(bot, "", AT_FDCWD, "a", MOVE_MOUNT_F_EMPTY_PATH | 0x200));
  R(there("a/top"));
  R(umount("a"));
  R(there("a/bottom"));
  R(umount("a"));
  close(bot);

  // Shared subtrees: what is mounted on one peer appears on the others.
  R(mount("sh", "a", "tmpfs", 0, ""));
  R(mount(0, "a", 0, MS_SHARED, 0));
  mkdir("a/1", 0755), mkdir("a/2", 0755);
  R(mount("a", "b", 0, MS_BIND, 0));
  R(mount("a", "c", 0, MS_BIND, 0));
  R(mount(0, "c", 0, MS_SLAVE, 0));
  R(mount("a", "d", 0, MS_BIND, 0));
  R(mount(0, "d", 0, MS_PRIVATE, 0));
  R(mount("c", "e", 0, MS_BIND, 0));
  R(mount(0, "e", 0, MS_SHARED, 0));
  show("/tmp/nm/");
  R(mount("one", "a/1", "tmpfs", 0, ""));
  touch("a/1/x");
  P("a %d b %d c %d d %d e %d\n", there("a/1/x"), there("b/1/x"), there("c/1/x"), there("d/1/x"), there("e/1/x"));
  show("/tmp/nm/");
  R(mount("two", "c/2", "tmpfs", 0, ""));
  touch("c/2/y");
  P("a %d b %d c %d e %d\n", there("a/2/y"), there("b/2/y"), there("c/2/y"), there("e/2/y"));
  R(umount("b/1"));
  P("a %d b %d c %d e %d\n", there("a/1/x"), there("b/1/x"), there("c/1/x"), there("e/1/x"));
  R(umount("c/2"));
  R(mount("three", "e/1", "tmpfs", 0, ""));
  touch("e/1/z");
  P("a %d c %d e %d\n", there("a/1/z"), there("c/1/z"), there("e/1/z"));
  R(umount("e/1"));
  // Another namespace.
  pid_t p = fork();
  if (!p) {
    R(unshare(CLONE_NEWNS));
    R(mount("ns", "a/2", "tmpfs", 0, ""));
    touch("a/2/ns");
    R(mount(0, "/tmp/nm", 0, MS_REC | MS_PRIVATE, 0));
    R(mount("ns", "a/1", "tmpfs", 0, ""));
    touch("a/1/private");
    _exit(0);
  }
  wait(0);
  P("a/2 %d b/2 %d a/1 %d\n", there("a/2/ns"), there("b/2/ns"), there("a/1/private"));
  R(umount("b/2"));
  // Unbindable.
  R(mount(0, "d", 0, MS_UNBINDABLE, 0));
  R(mount("d", "e", 0, MS_BIND, 0));
  R(move_mount_(AT_FDCWD, "d", AT_FDCWD, "a/1", 0));
  show("/tmp/nm/d");
  R(mount(0, "a", 0, MS_SHARED | MS_PRIVATE, 0));
  R(mount(0, "a/1", 0, MS_SHARED, 0));

  // Lists.
  char sx[256];
  struct {
    uint32_t size, spare;
    uint64_t id, param;
  } req = {24, 0};
  R(syscall(332, AT_FDCWD, "/tmp/nm", 0, 0x4000, sx));
  R(!!(*(uint32_t *)sx & 0x4000));
  req.id = *(uint64_t *)(sx + 0x90);
  uint64_t list[64];
  long n = syscall(458, &req, list, 64, 0);
  R(n);
  R(syscall(458, &req, list, 2, 0));
  req.param = list[1];
  R(syscall(458, &req, list, 64, 0));
  req.param = 0;
  R(syscall(458, &req, list, 64, 9));
  char buf[4096];
  req.param = 0x3f;
  R(syscall(457, &req, buf, sizeof buf, 0));
  uint32_t *u = (uint32_t *)buf;
  P("type %s root %s point %s magic %x\n", buf + 512 + u[9], buf + 512 + u[26], buf + 512 + u[27], u[6]);
  R(syscall(457, &req, buf, 100, 0));
  req.id = 1;
  R(syscall(457, &req, buf, sizeof buf, 0));
  req.size = 8;
  R(syscall(457, &req, buf, sizeof buf, 0));
  chdir("/");
  R(umount2("/tmp/nm", MNT_DETACH));
  rmdir("/tmp/nm");
  return 0;
}
