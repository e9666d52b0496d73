// What programs do with files of an overlay: locks, maps, special files, directories that change while they are read.
#include "overlay.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void st(const char *path) {
  struct stat s;
  if (lstat(path, &s))
    P("%s: errno %d\n", path, errno);
  else
    P("%s: mode %o nlink %ld uid %d gid %d size %ld\n", path, s.st_mode, (long)s.st_nlink, s.st_uid, s.st_gid,
      S_ISDIR(s.st_mode) ? 0L : (long)s.st_size);
}

static int byname(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void ls(const char *path) {
  struct dirent **list;
  int n = scandir(path, &list, 0, byname);
  P("%s:", path);
  if (n < 0) P(" errno %d", errno);
  for (int i = 0; i < n; i++) P(" %s", list[i]->d_name);
  P("\n");
}

int main(void) {
  umask(022);
  char b[300] = "";
  mkdir("t", 0755);
  if (mount("t", "t", "tmpfs", 0, "mode=755")) return 1;
  chdir("t");
  const char *dirs[] = {"l", "u", "w", "m", "l/d", "l/d/e", "l/many", "l/sgid", "l/sticky", "l/empty"};
  for (int i = 0; i < 10; i++) mkdir(dirs[i], 0755);
  chmod("l/sgid", 02775);
  chown("l/sgid", 0, 50);
  chmod("l/sgid", 02775);
  chmod("l/sticky", 01777);
  put("l/f", "0123456789", 0644);
  put("l/g", "gggg", 0600);
  put("l/d/x", "x", 0644);
  put("l/sticky/root", "r", 0666);
  put("l/script", "#!/bin/sh\necho run\n", 0755);
  put("l/big", "", 0644);
  int bigfd = open("l/big", O_WRONLY);
  for (int i = 0; i < 300; i++) {
    memset(b, 'a' + i % 26, 300);
    write(bigfd, b, 300);
  }
  close(bigfd);
  for (int i = 0; i < 40; i++) {
    char n[30];
    sprintf(n, "l/many/f%02d", i);
    put(n, "", 0644);
  }
  symlink("f", "l/sl");
  symlink("nowhere", "l/broken");
  link("l/g", "l/g2");
  if (mount("o", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w")) return 2;

  P("-- open flags\n");
  R(open("m/f", O_CREAT | O_EXCL | O_WRONLY, 0644));
  R(open("m/d", O_WRONLY));
  R(open("m/d", O_CREAT, 0644));
  R(open("m/none", O_RDONLY));
  R(open("m/f/x", O_RDONLY));
  R(open("m/sl", O_RDONLY | O_NOFOLLOW));
  R(open("m/broken", O_RDONLY));
  st("u/f");
  int fd = open("m/f", O_RDWR);
  st("u/f");
  close(fd);
  fd = open("m/g", O_RDONLY | O_TRUNC);
  st("u/g");
  st("m/g");
  st("m/g2");
  close(fd);
  fd = open("m/broken", O_CREAT | O_WRONLY, 0600);
  OK(fd);
  close(fd);
  st("m/nowhere");
  fd = open("m/f", O_PATH);
  R(fchmod(fd, 0600));
  R(read(fd, b, 1));
  close(fd);

  P("-- positions, holes, copies\n");
  fd = open("m/f", O_RDWR);
  R(lseek(fd, 0, SEEK_END));
  R(lseek(fd, 5, SEEK_SET));
  R(pwrite(fd, "AB", 2, 3));
  memset(b, 0, 300);
  R(read(fd, b, 3));
  P("[%s]\n", b);
  R(lseek(fd, 0, SEEK_HOLE));
  R(lseek(fd, 100, SEEK_DATA));
  R(ftruncate(fd, 20000));
  R(lseek(fd, 0, SEEK_HOLE));
  R(fallocate(fd, 0, 0, 30000));
  R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
  R(fsync(fd));
  R(fdatasync(fd));
  R(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
  st("m/f");
  int in = open("m/big", O_RDONLY);
  int out = open("m/copy", O_CREAT | O_RDWR, 0644);
  R(sendfile(out, in, 0, 1000));
  loff_t from = 90000 - 500;
  R(copy_file_range(in, &from, out, 0, 10000, 0));
  st("m/copy");
  close(in);
  close(out);
  close(fd);

  P("-- maps\n");
  fd = open("m/big", O_RDWR);
  char *m = mmap(0, 90000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memcpy(m + 5000, "MAPPED", 6);
  memset(b, 0, 300);
  pread(fd, b, 6, 5000);
  P("[%s]\n", b);
  pwrite(fd, "WRITTEN", 7, 50000);
  P("[%.7s]\n", m + 50000);
  R(msync(m, 90000, MS_SYNC));
  munmap(m, 90000);
  int ufd = open("u/big", O_RDONLY);
  memset(b, 0, 300);
  pread(ufd, b, 6, 5000);
  P("[%s]\n", b);
  close(ufd);
  close(fd);
  fd = open("m/d/x", O_RDONLY);
  m = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  R(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  P("%c\n", m[0]);

  P("-- locks\n");
  int wr = open("m/d/x", O_RDWR);
  R(flock(fd, LOCK_EX | LOCK_NB));
  R(flock(wr, LOCK_EX | LOCK_NB));
  R(flock(fd, LOCK_UN));
  struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
  R(fcntl(wr, F_SETLK, &lk));
  if (!fork()) {
    R(fcntl(wr, F_SETLK, &lk));
    int other = open("m/d/x", O_RDWR);
    R(fcntl(other, F_SETLK, &lk));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  close(fd);
  close(wr);

  P("-- programs\n");
  R(access("m/script", X_OK));
  if (!fork()) {
    execl("m/script", "script", (char *)0);
    _exit(9);
  }
  int status;
  wait(&status);
  P("status %d\n", WEXITSTATUS(status));
  int self = open("/proc/self/exe", O_RDONLY);
  int prog = open("m/prog", O_CREAT | O_WRONLY, 0755);
  off_t size = lseek(self, 0, SEEK_END);
  lseek(self, 0, SEEK_SET);
  while (sendfile(prog, self, 0, 1 << 20) > 0) {}
  int pid = fork();
  if (!pid) {
    execl("m/prog", "prog", (char *)0);
    _exit(errno);
  }
  waitpid(pid, &status, 0);
  P("open for writing: errno %d\n", WEXITSTATUS(status));
  close(prog);
  close(self);
  (void)size;

  P("-- special files\n");
  R(mkfifo("m/fifo", 0644));
  R(mknod("m/sock0", S_IFSOCK | 0644, 0));
  st("u/sock0");
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "m/sock"};
  R(bind(s, (void *)&a, sizeof a));
  R(listen(s, 1));
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&a, sizeof a));
  R(connect(c, (void *)&a, sizeof a));
  strcpy(a.sun_path, "m/sock0");
  int c2 = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c2, (void *)&a, sizeof a));
  R(unlink("m/sock"));
  st("u/sock");
  close(s);
  close(c);
  close(c2);

  P("-- directories that change\n");
  DIR *d = opendir("m/many");
  int seen = 0;
  struct dirent *e;
  long tell = 0;
  while ((e = readdir(d)) && seen < 20) seen++;
  tell = telldir(d);
  for (int i = 0; i < 40; i++) {
    char n[30];
    sprintf(n, "m/many/f%02d", i);
    unlink(n);
  }
  put("m/many/new", "n", 0644);
  int rest = 0;
  seekdir(d, tell);
  while ((e = readdir(d))) rest++;
  P("all seen: %d\n", seen + rest >= 20);
  rewinddir(d);
  int now = 0;
  while ((e = readdir(d)))
    if (e->d_name[0] != '.') {
      now++;
      P("now %s\n", e->d_name);
    }
  P("%d\n", now);
  closedir(d);
  R(rmdir("m/many"));
  R(unlink("m/many/new"));
  int df = open("m/many", O_RDONLY | O_DIRECTORY);
  R(rmdir("m/many"));
  struct stat sb;
  fstat(df, &sb);
  P("nlink %ld\n", (long)sb.st_nlink);
  R(openat(df, "x", O_CREAT | O_WRONLY, 0644));
  char buf[1000];
  R(syscall(SYS_getdents64, df, buf, sizeof buf));
  close(df);
  R(mkdir("m/many", 0755));
  ls("m/many");
  R(rmdir("m/none"));
  R(rmdir("m/f"));
  R(unlink("m/d"));
  R(rmdir("m/d"));
  R(rmdir("m/d/e/."));
  R(rmdir("m/empty"));
  R(mkdir("m/empty", 0700));
  R(mkdir("m/empty", 0700));
  st("m/empty");

  P("-- rename\n");
  R(rename("m/f", "m/d"));
  R(rename("m/empty", "m/f"));
  R(rename("m/empty", "m/d"));
  R(rename("m/d/x", "m/d/y"));
  ls("m/d");
  R(rename("m/d/y", "m/d/x"));
  ls("m/d");
  R(mkdir("m/new", 0755));
  put("m/new/1", "1", 0644);
  R(rename("m/new", "m/d/moved"));
  ls("m/d/moved");
  R(rename("m/d/moved", "m/new/sub"));
  R(rename("m/d", "m/d/e/d"));
  R(rename("m/d/moved", "m/empty"));
  ls("m");
  R(rename("m/empty", "m/empty"));
  R(rename("m/g2", "m/g3"));
  R(link("m/g3", "m/g2"));
  R(rename("m/g2", "m/g3"));
  st("m/g3");
  R(syscall(SYS_renameat2, AT_FDCWD, "m/empty", AT_FDCWD, "m/d", 2));
  R(mkdir("m/p1", 0755));
  R(mkdir("m/p2", 0711));
  put("m/p1/in1", "", 0644);
  R(syscall(SYS_renameat2, AT_FDCWD, "m/p1", AT_FDCWD, "m/p2", 2));
  ls("m/p1");
  ls("m/p2");

  P("-- links\n");
  R(link("m/d", "m/dl"));
  R(link("m/sl", "m/sl2"));
  R(readlink("m/sl2", b, 10));
  R(symlink("x", "m/sl"));
  R(link("m/f", "t-outside"));
  R(link("l/f", "m/f9"));
  int tf = open("m/d", O_TMPFILE | O_RDWR | O_EXCL, 0600);
  char fdp[50];
  sprintf(fdp, "/proc/self/fd/%d", tf);
  R(linkat(AT_FDCWD, fdp, AT_FDCWD, "m/d/excl", AT_SYMLINK_FOLLOW));
  close(tf);

  P("-- who may\n");
  if (!fork()) {
    setgid(60);
    setuid(1000);
    R(open("m/g", O_RDONLY));
    R(open("m/script", O_WRONLY));
    R(chmod("m/script", 0777));
    R(unlink("m/sticky/root"));
    put("m/sticky/mine", "m", 0644);
    st("m/sticky/mine");
    R(utimensat(AT_FDCWD, "m/script", 0, 0));
    R(truncate("m/script", 0));
    R(access("m/script", W_OK));
    R(setxattr("m/script", "user.x", "1", 1, 0));
    _exit(0);
  }
  wait(0);
  st("u/script");
  put("m/sgid/file", "", 0644);
  mkdir("m/sgid/dir", 0755);
  st("m/sgid/file");
  st("m/sgid/dir");
  R(chown("m/script", 1000, 60));
  R(chmod("m/script", 06755));
  R(chown("m/script", 1001, 60));
  st("m/script");

  P("-- watches\n");
  int in2 = inotify_init1(IN_NONBLOCK);
  int wd = inotify_add_watch(in2, "m", IN_ALL_EVENTS);
  put("m/watched", "w", 0644);
  rename("m/watched", "m/watched2");
  unlink("m/watched2");
  unlink("m/script");
  ssize_t n = read(in2, buf, sizeof buf);
  for (char *p = buf; p < buf + n;) {
    struct inotify_event *ev = (void *)p;
    P("%x %s\n", ev->mask, ev->len ? ev->name : "");
    p += sizeof *ev + ev->len;
  }
  (void)wd;
  close(in2);

  P("-- times\n");
  struct timespec old[2] = {{100, 0}, {200, 0}};
  utimensat(AT_FDCWD, "m/d/e", old, 0);
  stat("m/d/e", &sb);
  P("%ld %ld\n", (long)sb.st_atime, (long)sb.st_mtime);
  struct stat before, after;
  utimensat(AT_FDCWD, "l/d", old, 0);
  put("m/d/e/new", "", 0644);
  stat("m/d/e", &after);
  P("changed: %d\n", after.st_mtime > 1000);
  struct timespec omit[2] = {{0, UTIME_OMIT}, {5, 6}};
  R(utimensat(AT_FDCWD, "m/sl", omit, AT_SYMLINK_NOFOLLOW));
  lstat("m/sl", &sb);
  P("%ld\n", (long)sb.st_mtime);
  (void)before;
  struct statvfs v;
  statvfs("m", &v);
  P("namemax %ld flags %lx\n", (long)v.f_namemax, (long)v.f_flag & ~0x1000);

  P("-- attributes\n");
  R(setxattr("m/d", "user.a", "1", 1, XATTR_CREATE));
  R(setxattr("m/d", "user.a", "1", 1, XATTR_CREATE));
  R(setxattr("m/d", "user.none", "1", 1, XATTR_REPLACE));
  R(getxattr("m/d", "user.a", b, 0));
  R(removexattr("m/d", "user.a"));
  R(lsetxattr("m/sl", "trusted.a", "1", 1, 0));
  R(setxattr("m/fifo", "user.a", "1", 1, 0));
  R(setxattr("m/big", "trusted.overlay.opaque", "y", 1, 0));
  R(getxattr("u/big", "trusted.overlay.overlay.opaque", b, 100));
  R(getxattr("m/big", "trusted.overlay.opaque", b, 100));

  P("-- read-only remount\n");
  int writer = open("m/d/x", O_WRONLY);
  R(mount("o", "m", 0, MS_REMOUNT | MS_RDONLY, ""));
  R(mount("o", "m", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, ""));
  close(writer);
  R(mount("o", "m", 0, MS_REMOUNT | MS_RDONLY, ""));
  R(open("m/f", O_WRONLY));
  R(mkdir("m/ro", 0755));
  show("m/d/x");
  R(mount("o", "m", 0, MS_REMOUNT, ""));
  R(mkdir("m/rw", 0755));
  R(umount("m"));
  return 0;
}
