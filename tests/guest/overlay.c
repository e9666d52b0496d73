// The overlay file system over a tmpfs: what it shows, and what it leaves in its upper layer.
#include "overlay.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static int mnt(const char *opts) {
  int r = mount("o", "m", "overlay", 0, opts);
  if (r < 0) printf("mount %s: errno %d\n", opts, errno);
  fflush(stdout);
  return r;
}

static int layers = 0;
/** Numbers differ from machine to machine: what counts is which files share one. */
static const char *same(const char *path, const char *with) {
  struct stat a, b;
  if (lstat(path, &a) || lstat(with, &b)) return "none";
  return a.st_ino != b.st_ino ? "other-ino" : a.st_dev != b.st_dev ? "same-ino" : "same";
}

static void st(const char *path) {
  struct stat s;
  if (lstat(path, &s))
    P("%s: errno %d\n", path, errno);
  else
    P("%s: mode %o nlink %ld uid %d gid %d size %ld rdev %d:%d\n", path, s.st_mode, (long)s.st_nlink, s.st_uid,
      s.st_gid, S_ISDIR(s.st_mode) ? 0L : (long)s.st_size, major(s.st_rdev), minor(s.st_rdev));
}

static void xa(const char *path) {
  char names[1000], v[300];
  ssize_t n = llistxattr(path, names, sizeof names);
  P("%s xattrs:", path);
  char *list[50];
  int count = 0;
  for (char *p = names; p < names + n; p += strlen(p) + 1) list[count++] = p;
  for (int i = 0; i < count; i++)
    for (int j = i + 1; j < count; j++)
      if (strcmp(list[i], list[j]) > 0) {
        char *t = list[i];
        list[i] = list[j];
        list[j] = t;
      }
  for (int i = 0; i < count; i++) {
    char *p = list[i];
    ssize_t l = lgetxattr(path, p, v, sizeof v);
    if (strstr(p, "origin") || strstr(p, "uuid"))
      P(" %s(..)", p);
    else
      P(" %s=%.*s", p, (int)l, v);
  }
  P("\n");
}

static int bycmp(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void ls(const char *path, int sorted) {
  P("%s:", path);
  struct dirent **list;
  int n = scandir(path, &list, 0, sorted ? bycmp : 0);
  if (n < 0) P(" errno %d", errno);
  for (int i = 0; i < n; i++) {
    char full[500];
    struct stat s;
    snprintf(full, sizeof full, "%s/%s", path, list[i]->d_name);
    int ok = !lstat(full, &s);
    P(" %s(%d%s)", list[i]->d_name, list[i]->d_type, !ok || s.st_ino != list[i]->d_ino ? ",other ino" : "");
    free(list[i]);
  }
  P("\n");
}

static void options(void) {
  FILE *f = fopen("/proc/self/mounts", "r");
  char line[1000];
  while (fgets(line, sizeof line, f))
    if (strstr(line, " overlay ")) P("%s", line);
  fclose(f);
}

int main(void) {
  umask(022);
  R(mkdir("t", 0755));
  if (mount("t", "t", "tmpfs", 0, "")) return 1;
  chdir("t");
  const char *dirs[] = {"l1", "l2", "u", "w", "m", "l1/d", "l2/d", "l2/d/sub", "l2/e", "l2/e/f", "l1/only", "l2/x", "l2/opq", "l1/opq", "l2/np"};
  for (int i = 0; i < 15; i++) mkdir(dirs[i], 0755);
  put("l1/d/a", "a1", 0644);
  put("l2/d/a", "a2", 0644);
  put("l2/d/b", "b2", 0640);
  put("l2/c", "content", 0604);
  link("l2/c", "l2/c2");
  put("l2/e/f/g", "deep", 0600);
  put("l2/gone", "gone", 0644);
  mknod("l1/gone", S_IFCHR, 0);
  put("l2/opq/hidden", "h", 0644);
  put("l1/opq/seen", "s", 0644);
  R(setxattr("l1/opq", "trusted.overlay.opaque", "y", 1, 0));
  symlink("d/a", "l2/link");
  mkfifo("l2/fifo", 0644);
  put("l2/suid", "s", 04755);
  chown("l2/d/b", 1000, 1001);
  setxattr("l2/c", "user.k", "v", 1, 0);
  setxattr("l2/c", "trusted.k", "v", 1, 0);
  put("l2/wx", "", 0644);
  put("l2/big", "0123456789", 0644);
  // xattr whiteouts
  put("l1/x-dummy", "", 0644);
  mkdir("l1/x", 0755);
  setxattr("l1/x", "trusted.overlay.opaque", "x", 1, 0);
  put("l2/x/hid", "h", 0644);
  put("l2/x/vis", "v", 0644);
  put("l1/x/hid", "", 0644);
  setxattr("l1/x/hid", "trusted.overlay.whiteout", "", 0, 0);
  int data = open("l2/sparse", O_CREAT | O_WRONLY, 0644);
  pwrite(data, "end", 3, 1 << 20);
  close(data);

  P("-- refused mounts\n");
  mnt("lowerdir=l1");
  mnt("upperdir=u,workdir=w");
  mnt("lowerdir=l1,upperdir=u");
  mnt("lowerdir=l1:nosuch,upperdir=u,workdir=w");
  mnt("lowerdir=l1:l1");
  mnt("lowerdir=u,upperdir=u,workdir=w");
  mnt("lowerdir=l1:l2/c");
  mnt("lowerdir=l1,upperdir=u,workdir=u");
  mkdir("u/w", 0755);
  mnt("lowerdir=l1,upperdir=u,workdir=u/w");
  rmdir("u/w");
  mnt("lowerdir=l2/d:l2");
  mnt("lowerdir=l1:l2,nonsense=1");
  mnt("lowerdir=l1:l2,xino=maybe");
  mnt("lowerdir=l1:l2,redirect_dir=x");
  if (!mnt("lowerdir=l1::l2,metacopy=on")) R(umount("m"));
  mnt("");

  P("-- read-only\n");
  mnt("lowerdir=l1:l2");
  options();
  R(open("m/c", O_WRONLY));
  R(mkdir("m/new", 0755));
  R(unlink("m/c"));
  R(mount("o", "m", 0, MS_REMOUNT, ""));
  ls("m", 0);
  struct statfs sf;
  statfs("m", &sf);
  P("statfs type %lx namelen %ld\n", (long)sf.f_type, (long)sf.f_namelen);
  R(umount("m"));

  P("-- merged\n");
  mnt("lowerdir=l1:l2,upperdir=u,workdir=w");
  options();
  st("w/work");
  ls("m", 0);
  ls("m/d", 0);
  ls("m/opq", 0);
  ls("m/x", 0);
  show("m/x/hid");
  show("m/x/vis");
  show("m/d/a");
  show("m/link");
  show("m/gone");
  st("m");
  st("m/d");
  st("m/d/sub");
  st("m/c");
  P("%s %s %s\n", same("m/c", "l2/c"), same("m/d", "l1/d"), same("m/d", "m/d/sub"));

  P("-- copy up\n");
  int rd = open("m/d/b", O_RDONLY);
  char *map = mmap(0, 4096, PROT_READ, MAP_SHARED, rd, 0);
  struct stat before, after;
  stat("m/d/b", &before);
  int wr = open("m/d/b", O_WRONLY | O_APPEND);
  P("append opened: %s\n", same("m/d/b", "u/d/b"));
  R(write(wr, "more", 4));
  char buf[100] = "";
  R(pread(rd, buf, 99, 0));
  P("[%s] map [%.6s]\n", buf, map);
  stat("m/d/b", &after);
  P("ino %d dev %d size %ld\n", before.st_ino == after.st_ino, before.st_dev == after.st_dev, (long)after.st_size);
  st("u/d/b");
  st("u/d");
  xa("u");
  xa("u/d");
  xa("u/d/b");
  xa("m/d/b");
  ls("m/d", 0);
  show("l2/d/b");
  close(rd);
  close(wr);
  show("m/d/b");
  munmap(map, 4096);

  P("-- hard links in a lower layer\n");
  put("m/c", "changed", 0644);
  show("m/c");
  show("m/c2");
  st("m/c");
  st("m/c2");
  st("u/c");
  xa("m/c");
  xa("u/c");
  P("%s %s\n", same("m/c", "m/c2"), same("m/c", "u/c"));
  R(link("m/c", "m/c3"));
  P("%s\n", same("m/c", "m/c3"));
  st("m/c3");
  R(unlink("m/c"));
  st("m/c");
  st("m/c3");
  st("u/c");
  R(link("m/big", "m/big2"));
  P("%s\n", same("m/big", "m/big2"));
  st("m/big2");

  P("-- attributes\n");
  R(chmod("m/e/f/g", 0666));
  st("u/e/f/g");
  xa("u/e/f/g");
  show("m/e/f/g");
  R(chown("m/link", 1, 1));
  R(lchown("m/link", 2, 2));
  st("m/link");
  st("u/link");
  struct timespec ts[2] = {{1000, 5}, {2000, 6}};
  R(utimensat(AT_FDCWD, "m/suid", ts, 0));
  st("m/suid");
  stat("u/suid", &after);
  P("%ld %ld\n", (long)after.st_atime, (long)after.st_mtime);
  R(setxattr("m/wx", "user.z", "1", 1, 0));
  xa("u/wx");
  R(removexattr("m/sparse", "user.none"));
  st("u/sparse");
  R(truncate("m/sparse", 100));
  st("m/sparse");
  R(setxattr("m/wx", "trusted.overlay.foo", "1", 1, 0));
  xa("m/wx");
  xa("u/wx");
  R(getxattr("m/wx", "trusted.overlay.origin", buf, 99));

  P("-- whiteouts\n");
  R(unlink("m/d/a"));
  R(unlink("m/d/a"));
  ls("m/d", 0);
  ls("u/d", 1);
  st("u/d/a");
  R(rmdir("m/d"));
  R(rmdir("m/d/sub"));
  R(unlink("m/d/b"));
  R(rmdir("m/d"));
  st("m/d");
  st("u/d");
  R(mkdir("m/d", 0700));
  ls("m/d", 0);
  xa("u/d");
  st("m/d");
  put("m/d/a", "new", 0600);
  show("m/d/a");
  put("m/gone", "back", 0644);
  show("m/gone");
  show("u/gone");
  R(mknod("m/wh", S_IFCHR, 0));
  R(mknod("m/dev", S_IFCHR | 0600, makedev(1, 3)));
  st("m/dev");
  R(mkdir("m/opq/in", 0755));
  xa("u/opq");
  ls("m/opq", 1);
  R(unlink("m/x/vis"));
  ls("m/x", 1);
  R(rmdir("m/x"));
  st("u/x");

  P("-- rename\n");
  R(rename("m/e", "m/e2"));
  R(rename("m/only", "m/only2"));
  R(rename("m/d", "m/d2"));
  ls("m", 1);
  st("u/d");
  xa("u/d2");
  R(rename("m/c2", "m/d2/c"));
  show("m/d2/c");
  st("m/c2");
  st("u/c2");
  R(mkdir("m/p", 0755));
  put("m/p/q", "q", 0644);
  R(rename("m/p", "m/e/p"));
  xa("u/e/p");
  show("m/e/p/q");
  R(rename("m/e/f/g", "m/big"));
  show("m/big");
  st("u/e/f/g");
  R(rename("m/e/p", "m/np"));
  R(rename("m/np", "m/np2"));
  xa("u/np2");
  st("u/np");
  ls("m/np2", 1);
  R(syscall(SYS_renameat2, AT_FDCWD, "m/big", AT_FDCWD, "m/fifo", 2));
  st("m/fifo");
  st("m/big");
  R(syscall(SYS_renameat2, AT_FDCWD, "m/big", AT_FDCWD, "m/zz", 4));
  R(syscall(SYS_renameat2, AT_FDCWD, "m/big", AT_FDCWD, "m/fifo", 1));
  R(rename("m/wx", "m/opq"));
  R(rename("m/opq", "m/wx"));
  R(rename("m/np2", "m/d2"));

  P("-- O_TMPFILE\n");
  int tf = open("m/d2", O_TMPFILE | O_RDWR, 0640);
  OK(tf);
  write(tf, "temp", 4);
  char fdp[50];
  snprintf(fdp, 50, "/proc/self/fd/%d", tf);
  R(linkat(AT_FDCWD, fdp, AT_FDCWD, "m/d2/named", AT_SYMLINK_FOLLOW));
  show("m/d2/named");
  st("m/d2/named");
  close(tf);

  P("-- open and unlinked\n");
  int uf = open("m/suid", O_RDONLY);
  int uw = open("m/suid", O_RDWR);
  R(unlink("m/suid"));
  R(write(uw, "XYZ", 3));
  memset(buf, 0, 100);
  R(pread(uf, buf, 99, 0));
  P("[%s]\n", buf);
  fstat(uf, &after);
  P("nlink %ld size %ld\n", (long)after.st_nlink, (long)after.st_size);
  close(uf);
  close(uw);
  put("m/create-here", "x", 0644);
  R(symlink("target", "m/sl"));
  st("u/sl");

  P("-- permissions\n");
  if (!fork()) {
    setuid(1000);
    R(open("m/c3", O_WRONLY));
    R(open("m/d2/a", O_RDONLY));
    R(mkdir("m/nope", 0755));
    R(unlink("m/big"));
    R(lgetxattr("m/wx", "trusted.overlay.foo", buf, 99));
    _exit(0);
  }
  wait(0);
  chmod("m/d2", 02777);
  chown("m/d2", 5, 6);
  chmod("m/d2", 02777);
  if (!fork()) {
    setgid(1000);
    setuid(1000);
    put("m/d2/mine", "m", 0666);
    mkdir("m/d2/mydir", 0777);
    _exit(0);
  }
  wait(0);
  st("m/d2/mine");
  st("m/d2/mydir");

  P("-- again\n");
  ls("m", 1);
  R(umount("m"));
  mnt("lowerdir=l1:l2,upperdir=u,workdir=w");
  options();
  ls("m", 1);
  ls("m/d2", 1);
  P("%s %s\n", same("m/link", "l2/link"), same("m/e", "l2/e"));
  st("m/big");
  P("%s\n", same("m/big", "m/big2"));
  R(umount("m"));

  P("-- redirect_dir\n");
  mkdir("u2", 0755);
  mkdir("w2", 0755);
  mnt("lowerdir=l1:l2,upperdir=u2,workdir=w2,redirect_dir=on");
  options();
  R(rename("m/e", "m/moved"));
  xa("u2/moved");
  show("m/moved/f/g");
  R(rename("m/moved/f", "m/ff"));
  xa("u2/ff");
  show("m/ff/g");
  st("u2/e");
  ls("m", 1);
  R(umount("m"));
  mnt("lowerdir=l1:l2,upperdir=u2,workdir=w2");
  show("m/ff/g");
  ls("m/moved", 1);
  ls("m/ff", 1);
  R(umount("m"));
  mnt("lowerdir=l1:l2,upperdir=u2,workdir=w2,redirect_dir=nofollow");
  show("m/ff/g");
  st("m/ff");
  R(umount("m"));

  P("-- two file systems\n");
  mkdir("z", 0755);
  mount("z", "z", "tmpfs", 0, "mode=755");
  mkdir("z/u", 0755);
  mkdir("z/w", 0755);
  mnt("lowerdir=l1:l2,upperdir=z/u,workdir=w");
  mnt("lowerdir=l1:l2,upperdir=z/u,workdir=z/w");
  options();
  st("m");
  st("m/d");
  stat("m/c", &before);
  struct stat root, other;
  stat("m", &root);
  stat("l2/c", &other);
  P("dev of a file is the root's: %d, its own: %d, ino %d\n", before.st_dev == root.st_dev,
    before.st_dev == other.st_dev, before.st_ino == other.st_ino);
  stat("m/d/b", &before);
  put("m/d/b", "2", 0644);
  stat("m/d/b", &after);
  P("same after copy up: %d %d\n", before.st_ino == after.st_ino, before.st_dev == after.st_dev);
  R(umount("z"));
  R(umount("m"));
  R(umount("z"));

  P("-- nested\n");
  mkdir("n", 0755);
  mnt("lowerdir=l1:l2");
  R(mount("o2", "n", "overlay", 0, "lowerdir=m:u"));
  show("n/d/a");
  ls("n/d", 1);
  R(umount("n"));
  mkdir("w3", 0755);
  R(mount("o2", "n", "overlay", 0, "lowerdir=u,upperdir=m/d,workdir=m/e"));
  R(mount("o2", "n", "overlay", 0, "lowerdir=m,upperdir=u2,workdir=w3"));
  put("n/c", "over", 0644);
  show("n/c");
  show("m/c");
  R(umount("n"));
  R(umount("m"));
  P("-- special files\n");
  mnt("lowerdir=l2,upperdir=u2,workdir=w2");
  int ff = open("m/fifo", O_RDWR | O_NONBLOCK);
  R(write(ff, "pipe", 4));
  memset(buf, 0, 100);
  R(read(ff, buf, 99));
  P("[%s]\n", buf);
  close(ff);
  int ex = open("m/e", O_RDONLY | O_DIRECTORY);
  R(fsync(ex));
  close(ex);
  R(chdir("m"));
  R(umount2("../m", 0));
  chdir("..");
  R(umount("m"));
  return 0;
}
