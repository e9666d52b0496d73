#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FALLOC_FL_COLLAPSE_RANGE 8
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#define T(e) do { errno = 0; long r_ = (long)(e); printf("%s = %ld %s\n", #e, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static void st(const char *p) {
  struct stat s;
  if (lstat(p, &s)) { printf("%s: %s\n", p, strerror(errno)); return; }
  printf("%s: mode %o nlink %ld size %ld blocks %ld uid %d gid %d\n", p, s.st_mode, (long)s.st_nlink, (long)s.st_size, (long)s.st_blocks, s.st_uid, s.st_gid);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  umask(022);
  char buf[8192];
  T(mkdir("/dev/shm/t", 0777)); T(chdir("/dev/shm/t")); T(mkdir("/dev/shm/t", 0777)); T(mkdir("", 0777)); T(mkdir("/", 0777)); T(mkdir(".", 0777)); T(mkdir("d/", 0755)); T(mkdir("x/y", 0755));
  int f = open("f", O_RDWR | O_CREAT | O_EXCL, 0666); T(f >= 0); T(open("f", O_RDWR | O_CREAT | O_EXCL, 0666)); st("f"); st("d"); st(".");
  T(open("f/", O_RDONLY)); T(open("f/x", O_RDONLY)); T(open("g/", O_CREAT | O_WRONLY, 0666)); T(open("d", O_WRONLY)); T(open("d", O_RDONLY | O_CREAT, 0666)); T(open(".", O_RDONLY | O_CREAT, 0666)); T(open("f", O_DIRECTORY | O_RDONLY)); T(open("nofile", O_RDONLY)); T(open("", O_RDONLY));
  T(write(f, "0123456789", 10)); T(lseek(f, 5, SEEK_SET)); T(read(f, buf, 100)); T(read(f, buf, 100)); T(lseek(f, -1, SEEK_SET)); T(lseek(f, 100, SEEK_SET)); T(write(f, "x", 1)); st("f"); T(pread(f, buf, 200, 5)); T(pread(f, buf, 10, -1)); T(pwrite(f, "Y", 1, 3)); T(lseek(f, 0, SEEK_CUR));
  T(ftruncate(f, 5)); st("f"); T(ftruncate(f, 100000)); st("f"); T(pread(f, buf, 10, 99995)); T(ftruncate(f, -1)); T(truncate("d", 0)); T(truncate("nofile", 0));
  T(lseek(f, 0, SEEK_DATA)); T(lseek(f, 0, SEEK_HOLE)); T(lseek(f, 8192, SEEK_DATA)); T(lseek(f, 100000, SEEK_HOLE)); T(lseek(f, 0, 99));
  T(fallocate(f, 0, 0, 20000)); st("f"); T(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192)); st("f"); T(fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 1)); T(fallocate(f, FALLOC_FL_KEEP_SIZE, 200000, 4096)); st("f"); T(fallocate(f, 0, -1, 1)); T(fallocate(f, 0, 0, 0)); T(fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
  struct iovec iov[3] = {{"aa", 2}, {"", 0}, {"bbb", 3}}; T(pwritev(f, iov, 3, 0)); struct iovec in[2] = {{buf, 1}, {buf + 10, 4}}; T(preadv(f, in, 2, 0)); printf("%.1s %.4s\n", buf, buf + 10); T(writev(f, iov, -1)); T(writev(f, iov, 1025)); T(readv(f, in, 0));
  close(f); T(write(f, "x", 1)); T(close(f)); T(read(-1, buf, 1));
  // links
  T(link("f", "l1")); st("f"); T(link("d", "l2")); T(link("nofile", "l2")); T(link("f", "l1")); T(symlink("f", "s1")); T(symlink("", "s2")); T(symlink("loop", "loop")); T(open("loop", O_RDONLY)); st("s1"); T(readlink("s1", buf, 100)); T(readlink("f", buf, 100)); T(readlink("s1", buf, 0)); T(open("s1", O_NOFOLLOW)); T(symlink("nowhere", "dang")); T(open("dang", O_RDONLY)); T(open("dang", O_CREAT | O_EXCL | O_RDWR, 0600)); T(close(open("dang", O_CREAT | O_RDWR, 0600))); st("nowhere"); T(unlink("nowhere")); T(mkdir("dang", 0777)); T(symlink("d", "sd")); T(mkdir("sd/in", 0755)); st("d"); T(rmdir("sd")); T(rmdir("sd/")); T(unlink("sd/")); T(rmdir("d")); T(unlink("d")); T(rmdir("d/in/.")); T(rmdir("d/in/..")); T(rmdir("f")); T(rmdir("/"));
  // rename
  T(rename("f", "f")); T(rename("f", "l1")); st("f"); T(rename("f", "f2")); T(rename("f2", "d")); T(rename("d", "f2")); T(rename("d", "d/in/x")); T(mkdir("e", 0755)); T(rename("d", "e")); T(rename("e", "sd")); T(rename("nofile", "z")); T(rename("e/.", "z")); T(rename("e", "z/")); st("z"); T(rename("f2", "zz/")); T(mkdir("full", 0755)); T(mkdir("full/x", 0755)); T(rename("z", "full")); T(syscall(SYS_renameat2, AT_FDCWD, "z", AT_FDCWD, "full", RENAME_NOREPLACE)); T(syscall(SYS_renameat2, AT_FDCWD, "f2", AT_FDCWD, "full", RENAME_EXCHANGE)); st("f2"); st("full"); T(syscall(SYS_renameat2, AT_FDCWD, "f2", AT_FDCWD, "none", RENAME_EXCHANGE)); T(syscall(SYS_renameat2, AT_FDCWD, "full", AT_FDCWD, "w", RENAME_WHITEOUT)); st("full"); st("w"); T(syscall(SYS_renameat2, AT_FDCWD, "w", AT_FDCWD, "w2", 99)); st(".");
  char longname[300]; memset(longname, 'n', 256); longname[256] = 0; T(open(longname, O_CREAT | O_RDWR, 0600)); longname[255] = 0; T(close(open(longname, O_CREAT | O_RDWR, 0600))); T(unlink(longname));
  char path[5000]; memset(path, '/', 4999); path[4999] = 0; T(open(path, O_RDONLY)); path[4095] = 0; T(close(open(path, O_RDONLY)));
  // readdir order
  mkdir("order", 0755); for (int i = 0; i < 5; i++) { snprintf(buf, 100, "order/%d", i); close(open(buf, O_CREAT | O_WRONLY, 0600)); } rename("order/1", "order/new"); unlink("order/3");
  DIR *dd = opendir("order"); struct dirent *de; while ((de = readdir(dd))) printf("%s %d;", de->d_name, de->d_type); printf("\n"); rewinddir(dd); readdir(dd); readdir(dd); readdir(dd); long pos = telldir(dd); close(open("order/mid", O_CREAT | O_WRONLY, 0600)); while ((de = readdir(dd))) printf("%s ", de->d_name); seekdir(dd, pos); printf("| "); while ((de = readdir(dd))) printf("%s ", de->d_name); printf("\n"); closedir(dd);
  int dfd = open("order", O_RDONLY | O_DIRECTORY); T(syscall(SYS_getdents64, dfd, buf, 10)); T(read(dfd, buf, 10)); T(openat(dfd, "0", O_RDONLY) >= 0); T(faccessat(dfd, "0", R_OK, 0)); T(fstatat(dfd, "zz", &(struct stat){0}, 0)); T(unlinkat(dfd, "0", 0)); T(unlinkat(dfd, "0", 0)); T(mkdirat(dfd, "sub", 0700)); T(unlinkat(dfd, "sub", AT_REMOVEDIR)); T(unlinkat(dfd, "2", 99)); T(openat(99, "x", O_RDONLY)); T(fchdir(dfd)); printf("%s\n", getcwd(buf, 100)); T(syscall(SYS_getcwd, buf, 3)); chdir(".."); close(dfd);
  // unlinked directory as cwd
  mkdir("gone", 0755); chdir("gone"); rmdir("../gone"); T(syscall(SYS_getcwd, buf, 100)); T(open("x", O_CREAT | O_RDWR, 0600)); T(open(".", O_RDONLY) >= 0); T(mkdir("q", 0700)); T(chdir("..")); printf("%s\n", getcwd(buf, 100));
  // mode bits, umask, chmod, chown
  umask(077); close(open("um", O_CREAT | O_RDWR, 0777)); st("um"); umask(022); T(chmod("um", 06755)); st("um"); T(chown("um", 5, 6)); st("um"); T(lchown("s1", 7, 8)); st("s1"); T(chmod("nofile", 0)); f = open("um", O_RDWR); T(fchmod(f, 0600)); T(fchown(f, -1, 9)); st("um"); close(f); T(mkdir("sg", 02777)); st("sg"); chmod("sg", 02777); chown("sg", 1, 42); close(open("sg/f", O_CREAT | O_RDWR, 0600)); mkdir("sg/d", 0700); st("sg/f"); st("sg/d");
  // times
  struct timespec ts[2] = {{1000, 5}, {2000, UTIME_OMIT}}; T(utimensat(AT_FDCWD, "um", ts, 0)); struct stat s; stat("um", &s); printf("%ld %ld\n", (long)s.st_atim.tv_sec, (long)s.st_atim.tv_nsec); ts[1].tv_nsec = 9999999999; T(utimensat(AT_FDCWD, "um", ts, 0)); T(utimensat(AT_FDCWD, "nofile", 0, 0)); T(utimensat(AT_FDCWD, "um", 0, 0)); struct timeval tv[2] = {{1, 2}, {3, 4}}; T(utimes("um", tv)); stat("um", &s); printf("%ld %ld %ld %ld\n", (long)s.st_atim.tv_sec, (long)s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, (long)s.st_mtim.tv_nsec);
  // xattr
  T(setxattr("um", "user.a", "value", 5, 0)); T(getxattr("um", "user.a", buf, 100)); T(getxattr("um", "user.a", buf, 2)); T(getxattr("um", "user.a", 0, 0)); T(getxattr("um", "user.b", buf, 100)); T(setxattr("um", "user.a", "v", 1, XATTR_CREATE)); T(setxattr("um", "user.b", "v", 1, XATTR_REPLACE)); T(setxattr("um", "bad", "v", 1, 0)); T(setxattr("um", "trusted.t", "v", 1, 0)); T(listxattr("um", 0, 0) > 0); T(removexattr("um", "user.a")); T(removexattr("um", "user.a")); T(lsetxattr("s1", "user.x", "v", 1, 0)); T(setxattr("um", "", "v", 1, 0));
  // O_TMPFILE, O_PATH, O_APPEND
  f = open(".", O_TMPFILE | O_RDWR, 0600); T(f >= 0); T(write(f, "tmp", 3)); snprintf(buf, 100, "/proc/self/fd/%d", f); T(linkat(AT_FDCWD, buf, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)); st("named"); close(f); f = open("named", O_PATH); T(read(f, buf, 1)); T(fchmod(f, 0)); T(fstat(f, &s)); T(openat(f, "x", O_RDONLY)); T(fcntl(f, F_GETFL)); close(f); f = open("named", O_RDWR | O_APPEND); T(lseek(f, 0, SEEK_SET)); T(write(f, "end", 3)); st("named"); T(fcntl(f, F_GETFL)); T(fcntl(f, F_SETFL, O_NONBLOCK)); T(fcntl(f, F_GETFL)); close(f); T(open(".", O_TMPFILE | O_RDONLY, 0600)); T(linkat(AT_FDCWD, "nofile", AT_FDCWD, "q", 0)); T(linkat(AT_FDCWD, "s1", AT_FDCWD, "ls1", 0)); st("ls1");
  // dup, fcntl
  f = open("named", O_RDONLY | O_CLOEXEC); T(fcntl(f, F_GETFD)); int g = dup(f); T(fcntl(g, F_GETFD)); T(dup2(f, f) == f); T(dup3(f, f, 0)); T(dup2(f, -1)); T(dup2(99, 5)); T(dup2(f, 100)); T(fcntl(f, F_DUPFD, 50)); T(fcntl(f, F_DUPFD_CLOEXEC, 50)); T(fcntl(f, F_DUPFD, 1 << 30)); T(fcntl(f, 9999)); T(write(f, "x", 1)); T(syscall(SYS_close_range, 50, 100, 0)); T(fcntl(50, F_GETFD));
  // locks
  f = open("named", O_RDWR); g = open("named", O_RDWR); struct flock fl = {F_WRLCK, SEEK_SET, 0, 10, 0}; T(fcntl(f, F_SETLK, &fl)); T(fcntl(g, F_SETLK, &fl)); if (fork() == 0) { struct flock q = {F_WRLCK, SEEK_SET, 5, 20, 0}; T(fcntl(f, F_SETLK, &q)); T(fcntl(f, F_GETLK, &q)); printf("%d %ld %ld %d\n", q.l_type, (long)q.l_start, (long)q.l_len, q.l_pid == getppid()); _exit(0); } wait(0); struct flock un = {F_UNLCK, SEEK_SET, 3, 2, 0}; T(fcntl(f, F_SETLK, &un)); if (fork() == 0) { struct flock q = {F_RDLCK, SEEK_SET, 3, 2, 0}; T(fcntl(f, F_SETLK, &q)); q.l_start = 4; T(fcntl(f, F_SETLK, &q)); _exit(0); } wait(0); close(g); if (fork() == 0) { struct flock q = {F_WRLCK, SEEK_SET, 0, 0, 0}; T(fcntl(f, F_SETLK, &q)); _exit(0); } wait(0); g = open("named", O_RDWR); T(flock(f, LOCK_EX)); T(flock(g, LOCK_SH | LOCK_NB)); T(flock(f, LOCK_SH)); T(flock(g, LOCK_SH | LOCK_NB)); T(flock(g, LOCK_EX | LOCK_NB)); T(flock(f, 99)); T(flock(f, LOCK_UN)); fl.l_pid = 0; T(fcntl(f, F_OFD_SETLK, &fl)); T(fcntl(g, F_OFD_SETLK, &fl)); close(f); T(fcntl(g, F_OFD_SETLK, &fl)); close(g);
  // permissions as a user
  mkdir("p", 0700); close(open("p/f", O_CREAT | O_RDWR, 0600)); mkdir("sticky", 01777); chmod("sticky", 01777); close(open("sticky/root", O_CREAT | O_RDWR, 0666)); chmod("sticky/root", 0666); close(open("ro", O_CREAT | O_RDWR, 0644)); close(open("xonly", O_CREAT | O_RDWR, 0711)); chmod("../t", 0777);
  if (fork() == 0) { if (setgid(1000) || setuid(1000)) _exit(1); T(open("p/f", O_RDONLY)); T(open("ro", O_WRONLY)); T(open("ro", O_RDONLY) >= 0); T(access("ro", W_OK)); T(access("ro", R_OK)); T(access("ro", X_OK)); T(unlink("sticky/root")); T(open("sticky/root", O_RDWR | O_CREAT, 0666)); T(rename("sticky/root", "sticky/x")); T(chmod("ro", 0777)); T(chown("ro", 1000, 1000)); T(link("p", "lp")); T(symlink("/etc/passwd", "sticky/sl")); T(mknod("null", S_IFCHR | 0666, 0x103)); T(mknod("fifo", S_IFIFO | 0666, 0)); T(utimensat(AT_FDCWD, "ro", ts, 0)); T(setxattr("ro", "user.x", "1", 1, 0)); T(chroot("/")); T(truncate("ro", 0)); T(mkdir("mine", 02755)); st("mine"); T(open("um", O_RDONLY)); T(chown("mine", 1000, 5)); close(open("mysuid", O_CREAT | O_RDWR, 0777)); chmod("mysuid", 06777); st("mysuid"); int h = open("mysuid", O_RDWR); write(h, "x", 1); st("mysuid"); _exit(0); } wait(0);
  T(access("ro", X_OK)); T(access("nofile", F_OK)); unlink("/dev/zz_vitrine"); T(mknod("/dev/zz_vitrine", S_IFCHR | 0600, 0x103)); f = open("/dev/zz_vitrine", O_RDWR); unlink("/dev/zz_vitrine"); T(write(f, "x", 1)); T(read(f, buf, 1)); close(f); T(mknod("weird", 0170000, 0)); T(mknod("dd", S_IFDIR, 0));
  struct statfs sf; T(statfs(".", &sf)); printf("%lx %ld %ld\n", (long)sf.f_type, (long)sf.f_bsize, (long)sf.f_namelen);
  signal(SIGXFSZ, SIG_IGN); if (fork() == 0) { struct { long a, b; } rl = {100, 100}; syscall(SYS_setrlimit, 1, &rl); f = open("lim", O_CREAT | O_RDWR, 0600); T(write(f, buf, 90)); T(write(f, buf, 90)); T(write(f, buf, 90)); T(ftruncate(f, 101)); _exit(0); } wait(0);
  int m = syscall(SYS_memfd_create, "mem", 2 | 1); T(m >= 0); T(write(m, "abc", 3)); T(fcntl(m, F_GET_SEALS)); T(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)); T(ftruncate(m, 1)); T(ftruncate(m, 10)); T(write(m, "xyz", 3)); T(pwrite(m, "xyz", 3, 0)); T(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL)); T(pwrite(m, "xyz", 3, 0)); T(fcntl(m, F_ADD_SEALS, 1)); snprintf(path, 100, "/proc/self/fd/%d", m); int n = readlink(path, buf, 100); printf("%.*s\n", n, buf);
  T(syscall(SYS_copy_file_range, open("ro", O_RDONLY), 0, open("um", O_WRONLY), 0, 10, 0)); chdir("/"); return system("rm -rf /dev/shm/t");
}
