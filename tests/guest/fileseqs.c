// Random sequences of calls on a small tree by three users, the same every time: open with all flags, reading, writing, names,
// links, modes, owners, attributes, space. Each call's result, and after every eight the tree as a number; `SEQ=n` shows trees.
#include "guest.h"
#include <dirent.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/xattr.h>

static unsigned long seed;
static unsigned rnd(unsigned n) { return (seed = seed * 6364136223846793005UL + 1442695040888963407UL, seed >> 33) % n; }
#define ONE_OF(...) ((typeof((__VA_ARGS__))[]){__VA_ARGS__}[rnd(sizeof((typeof((__VA_ARGS__))[]){__VA_ARGS__}) / sizeof(__VA_ARGS__))])

static const char *names[] = {"a", "b", "c", "d", "l", "m"};

static char *path(char *b) {
  int n = 1 + rnd(3);
  strcpy(b, rnd(20) ? "" : "/tmp/w/");
  for (int i = 0; i < n; i++) {
    int k = rnd(30);
    if (i) strcat(b, "/");
    strcat(b, k == 0 ? ".." : k == 1 ? "." : k == 2 && i == n - 1 ? "" : names[rnd(6)]);
  }
  return rnd(25) ? b : strcat(b, "/");
}

static unsigned hash(unsigned h, const void *p, int n) {
  for (const unsigned char *s = p; n-- > 0;) h = (h ^ *s++) * 16777619;
  return h;
}

static int show;
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static unsigned tree(const char *dir, unsigned h) {
  static char data[200000];
  char *all[100], p[500], line[900];
  int n = 0;
  struct dirent *e;
  DIR *d = opendir(dir);
  while (d && (e = readdir(d)))
    if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && n < 100) all[n++] = strdup(e->d_name);
  if (d) closedir(d);
  qsort(all, n, sizeof *all, compare);
  for (int i = 0; i < n; i++) {
    struct stat s;
    int k = 0;
    snprintf(p, sizeof p, "%s/%s", dir, all[i]), free(all[i]);
    lstat(p, &s);
    if (S_ISLNK(s.st_mode)) k = readlink(p, data, 500);
    if (S_ISREG(s.st_mode)) {
      int fd = open(p, O_RDONLY);
      k = read(fd, data, sizeof data), close(fd);
    }
    int at = snprintf(line, sizeof line, "%s %o %d %d:%d %ld %ld %x", p, s.st_mode, (int)s.st_nlink, s.st_uid, s.st_gid,
      (long)s.st_size, S_ISREG(s.st_mode) ? (long)s.st_blocks : 0, hash(1, data, k));
    at += snprintf(line + at, sizeof line - at, " %ld", (long)llistxattr(p, data, 500));
    h = hash(h, line, at);
    if (show) P("   %s\n", line);
    if (S_ISDIR(s.st_mode)) h = tree(p, h);
  }
  return h;
}

static void be(int user) {
  gid_t also = 1001;
  setresuid(0, 0, 0), setresgid(1000 * !!user + user, 1000 * !!user + user, 0), setgroups(user == 1, &also);
  if (user) setresuid(1000 + user, 1000 + user, 0);
}

static int fds[6], user;
static char buf[9000], done[600];
static long extra;

static int open_some(int k, const char *p) {
  int fl = rnd(3) | (rnd(2) ? O_CREAT : 0) | (rnd(5) ? 0 : O_EXCL) | (rnd(4) ? 0 : O_TRUNC) | (rnd(4) ? 0 : O_APPEND);
  fl |= (rnd(8) ? 0 : O_NOFOLLOW) | (rnd(10) ? 0 : O_DIRECTORY) | (rnd(20) ? 0 : O_TMPFILE) | (rnd(20) ? 0 : O_PATH) | (rnd(20) ? 0 : O_NOATIME);
  int mode = rnd(010000);
  if (fds[k] >= 0) close(fds[k]);
  errno = 0;
  fds[k] = open(p, fl | O_NONBLOCK, mode);
  sprintf(done, "open %s %o %o", p, fl, mode);
  return fds[k] < 0 ? -1 : 0;
}

static int on_file(int op, int k) {
  long n = rnd(9000), at = rnd(40000), to = rnd(6);
  int mode, r;
  sprintf(done, "file %d: %d %ld %ld", op, k, n, at);
  switch (op) {
    case 0: case 1: return memset(buf, 'a' + rnd(26), n), errno = 0, write(fds[k], buf, n);
    case 2: return memset(buf, 'A' + rnd(26), n), errno = 0, pwrite(fds[k], buf, n, at);
    case 3: r = read(fds[k], buf, n), extra = r > 0 ? hash(1, buf, r) : 0; return r;
    case 4: return lseek(fds[k], at - 5000, rnd(5));
    case 5: return ftruncate(fds[k], at - 200);
    case 6: return mode = ONE_OF(0, 1, 3, 3, 2, 8, 16), fallocate(fds[k], mode, at, n - 50);
    case 7: return fchmod(fds[k], n & 07777);
    default: return copy_file_range(fds[k], (off_t[]){at / 4}, fds[to], (off_t[]){n}, 3000, 0);
  }
}

static int on_path(int op, const char *p, const char *q, int k) {
  struct stat s;
  int mode = rnd(010000), flag = rnd(6), r;
  const char *attr = ONE_OF("user.a", "user.b", "trusted.a", "security.a", "bad.a");
  int ids[] = {-1, 0, 1001, 1002}, uid = ids[rnd(4)], gid = ids[rnd(4)];
  struct timespec t[2] = {{rnd(1000), rnd(4) ? 5 : UTIME_OMIT}, {rnd(1000), rnd(4) ? 7 : UTIME_NOW}};
  sprintf(done, "path %d: %s %s %o %d %d %d", op, p, q, mode, flag, uid, gid);
  errno = 0;
  switch (op) {
    case 0: case 1: return mkdir(p, mode);
    case 2: return rmdir(p);
    case 3: case 4: return unlink(p);
    case 5: case 6: case 7: return rename(p, q);
    case 8: case 9: return syscall(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, q, flag);
    // What others than root may link depends on fs.protected_hardlinks.
    case 10: case 11: return user ? 0 : linkat(AT_FDCWD, p, AT_FDCWD, q, ((int[]){0, 0, 0, 0, 0x400, 0x1000})[flag]);
    case 12: case 13: return symlink(p, q);
    case 14: return mknod(p, ((int[]){S_IFIFO, S_IFREG, S_IFSOCK, S_IFCHR, 0, S_IFBLK})[flag] | mode, uid < 0 ? 259 : 0);
    case 15: case 16: return chmod(p, mode);
    case 17: case 18: return fchownat(AT_FDCWD, p, uid, gid, flag < 4 ? 0 : AT_SYMLINK_NOFOLLOW);
    case 19: return truncate(p, mode * 7L);
    case 20: return utimensat(AT_FDCWD, p, flag < 4 ? t : NULL, mode & 1 ? AT_SYMLINK_NOFOLLOW : 0);
    case 21: return syscall(439, AT_FDCWD, p, mode & 7, flag & 1 ? 0x200 : 0);
    case 22: return r = readlink(p, buf, 100), extra = r > 0 ? hash(1, buf, r) : 0, r;
    case 23: return (flag & 1 ? setxattr : lsetxattr)(p, attr, buf, mode & 0xff, flag >> 1);
    case 24: return flag & 1 ? removexattr(p, attr) : getxattr(p, attr, buf, 200);
    case 25: return r = (flag & 1 ? stat : lstat)(p, &s), extra = r ? 0 : s.st_mode * 1000L + s.st_nlink, r;
    case 26: return be(user = flag % 3), 0;
    case 27: return (r = chdir(p)) || mode & 1 ? r : chdir("/tmp/w");
    default:
      sprintf(buf, "/proc/self/fd/%d", fds[k]);
      return user ? 0 : linkat(AT_FDCWD, buf, AT_FDCWD, q, AT_SYMLINK_FOLLOW);
  }
}

static void sequence(int which) {
  char p[200], q[200];
  seed = which * 104729 + 7, show = getenv("SEQ") && atoi(getenv("SEQ")) == which;
  mount("n", "/tmp/w", "tmpfs", 0, which & 1 ? "size=400k,nr_inodes=40,mode=777" : "size=400k,nr_inodes=40,mode=1777");
  chdir("/tmp/w"), memset(fds, -1, sizeof fds);
  P("sequence %d\n", which);
  for (int i = 0; i < 150; i++) {
    int op = rnd(44), k = rnd(6), r;
    path(p), path(q), extra = 0, errno = 0;
    r = op < 5 ? open_some(k, p) : op < 14 ? on_file(op - 5, k) : on_path(op - 14, p, q, k);
    int e = r < 0 ? errno : 0;
    P("%d %s: %d %d %lx\n", user, done, r, e, extra);
    if (i % 8 < 7) continue;
    be(0);
    unsigned h = tree("/tmp/w", 2166136261);
    P("  %x\n", h);
    be(user);
  }
}

int main(void) {
  umask(0), mkdir("/tmp/w", 0777);
  for (int i = 1; i <= 12; i++) {
    if (!fork()) {
      sequence(i);
      _exit(0);
    }
    int status;
    wait(&status);
    if (status) P("status %x\n", status);
    umount2("/tmp/w", MNT_DETACH);
  }
  return 0;
}
