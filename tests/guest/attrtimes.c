// Which of atime, mtime and ctime every kind of call changes; utimensat with all its arguments.
#include "guest.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <dirent.h>

static int same(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/** `amc`: a letter for each time that changed. */
#define T(path, call)                                                                              \
  do {                                                                                             \
    struct stat a_, b_;                                                                            \
    lstat(path, &a_);                                                                              \
    msleep(8);                                                                                     \
    errno = 0;                                                                                     \
    long r_ = (long)(call);                                                                        \
    int e_ = r_ < 0 ? errno : 0;                                                                   \
    lstat(path, &b_);                                                                              \
    P("%s %s%s%s e%d: %s\n", path, same(a_.st_atim, b_.st_atim) ? "-" : "a",                        \
      same(a_.st_mtim, b_.st_mtim) ? "-" : "m", same(a_.st_ctim, b_.st_ctim) ? "-" : "c", e_, #call); \
  } while (0)

static int store(int fd, int read_first) {
  char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (read_first) *(volatile char *)m;
  else m[0] = 1;
  return munmap(m, 8192);
}

static int list(const char *name) {
  DIR *dir = opendir(name);
  while (readdir(dir)) {}
  return closedir(dir);
}

static void of_files(void) {
  char buf[10];
  long fl = 0x40;
  struct iovec v = {"ab", 2};
  int fd = open("f", O_CREAT | O_RDWR, 0644), g = open("g", O_CREAT | O_RDWR, 0644);
  write(fd, "0123456789", 10), write(g, "0123456789", 10);
  T("f", chmod("f", 0644));
  T("f", chown("f", -1, -1));
  T("f", chown("f", 0, 0));
  T("f", link("f", "h"));
  T("f", unlink("h"));
  T("f", rename("f", "f"));
  T("f", (rename("f", "f2"), rename("f2", "f")));
  T("f", truncate("f", 10));
  T("f", truncate("f", 5));
  T("f", ftruncate(fd, 5));
  T("f", ftruncate(fd, 6));
  T("f", write(fd, "a", 1));
  T("f", write(fd, "a", 0));
  T("f", write(fd, (char *)-1, 5));
  T("f", pwritev(fd, &v, 1, 0));
  T("f", pread(fd, buf, 4, 0));
  T("f", pread(fd, buf, 4, 100));
  T("f", pread(fd, buf, 0, 0));
  T("f", fallocate(fd, 0, 0, 10));
  T("f", fallocate(fd, 1, 0, 10000));
  T("f", fallocate(fd, 3, 0, 4096));
  T("f", fsync(fd));
  T("f", (ftruncate(fd, 8192), store(fd, 0)));
  T("f", store(fd, 1));
  T("f", setxattr("f", "trusted.a", "1", 1, 0));
  T("f", getxattr("f", "trusted.a", buf, 1));
  T("f", removexattr("f", "trusted.a"));
  T("f", flock(fd, LOCK_EX));
  T("f", ioctl(fd, 0x80086601, &fl));
  T("f", (fl = 0x40, ioctl(fd, 0x40086602, &fl)));
  T("f", open("f", O_RDONLY));
  T("f", open("f", O_RDWR | O_TRUNC));
  T("f", open("f", O_RDWR | O_TRUNC));
  T("f", open("f", O_RDWR | O_CREAT, 0600));
  T("f", copy_file_range(g, (off_t[]){0}, fd, (off_t[]){0}, 5, 0));
  T("g", copy_file_range(g, (off_t[]){0}, fd, (off_t[]){0}, 5, 0));
  T("g", sendfile(fd, g, (off_t[]){0}, 5));
  T("f", lseek(fd, 0, SEEK_END));
  T("f", posix_fadvise(fd, 0, 0, 4));
}

static void of_directories(void) {
  char buf[10];
  struct stat st;
  mkdir("d", 0755), symlink("f", "l");
  T("d", mkdir("d/a", 0755));
  T("d", rmdir("d/a"));
  T("d", mknod("d/a", S_IFREG | 0644, 0));
  T("d", link("d/a", "d/b"));
  T("d", rename("d/a", "d/c"));
  T("d", rename("d/b", "d/c"));
  T("d", unlink("d/c"));
  T("d", unlink("d/b"));
  T("d", unlink("d/none"));
  T("d", mkdir("d/sub", 0755));
  T("d/sub", (rename("d/sub", "sub"), rename("sub", "d/sub")));
  T("d", symlink("x", "d/sy"));
  T("d", readlink("d/sy", buf, 9));
  T("d/sy", readlink("d/sy", buf, 9));
  T("d", list("d"));
  T("d", open("d/new", O_CREAT | O_RDWR, 0644));
  T("d", open("d/new", O_CREAT | O_RDWR, 0644));
  T("d", open("d", O_TMPFILE | O_RDWR, 0600));
  T("d", access("d/new", R_OK));
  T("l", lchown("l", 5, 5));
  T("l", stat("l", &st));
  T("l", utimensat(AT_FDCWD, "l", NULL, 0));
  T("l", utimensat(AT_FDCWD, "l", NULL, AT_SYMLINK_NOFOLLOW));
}

static void show(const char *name) {
  struct stat st;
  stat(name, &st);
  P("%ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

#define NOW UTIME_NOW
#define OMIT UTIME_OMIT
static void set(void) {
  struct timespec now[2] = {{0, NOW}, {0, NOW}}, omit[2] = {{0, OMIT}, {0, OMIT}}, one[2] = {{0, NOW}, {0, OMIT}},
    two[2] = {{0, OMIT}, {5, 7}}, bad[2] = {{0, 1000000000}, {0, 0}}, minus[2] = {{0, 0}, {0, -1}}, before[2] = {{-5, 5}, {-6, 6}},
    far[2] = {{1L << 40, 1}, {1L << 62, 2}};
  int fd = open("f", O_RDONLY), path = open("f", O_PATH);
  T("f", utimensat(AT_FDCWD, "f", NULL, 0));
  T("f", utimensat(AT_FDCWD, "f", now, 0));
  T("f", utimensat(AT_FDCWD, "f", omit, 0));
  T("f", utimensat(AT_FDCWD, "f", one, 0));
  T("f", utimensat(AT_FDCWD, "f", two, 0));
  T("f", utimensat(AT_FDCWD, "f", bad, 0));
  T("f", utimensat(AT_FDCWD, "f", minus, 0));
  T("f", utimensat(AT_FDCWD, "f", before, 0));
  show("f");
  T("f", utimensat(AT_FDCWD, "f", far, 0));
  show("f");
  R(utimensat(AT_FDCWD, "f", NULL, 0x200));
  R(utimensat(AT_FDCWD, "f", omit, 0x200));
  R(utimensat(99, "f", omit, 0));
  R(utimensat(99, "f", now, 0));
  R(utimensat(99, "/tmp/f", now, 0));
  R(utimensat(AT_FDCWD, NULL, now, 0));
  R(utimensat(AT_FDCWD, NULL, omit, 0));
  R(syscall(SYS_utimensat, 99, NULL, NULL, 0));
  R(syscall(SYS_utimensat, fd, NULL, NULL, 0x100));
  R(syscall(SYS_utimensat, fd, NULL, NULL, 0));
  R(syscall(SYS_utimensat, fd, NULL, NULL, AT_EMPTY_PATH));
  R(syscall(SYS_utimensat, fd, "", NULL, AT_EMPTY_PATH));
  R(syscall(SYS_utimensat, path, NULL, NULL, 0));
  R(syscall(SYS_utimensat, path, "", NULL, AT_EMPTY_PATH));
  R(syscall(SYS_utimensat, fd, "", NULL, 0));
  R(syscall(SYS_utimensat, AT_FDCWD, "f", -1L, 0));
  long tv[4] = {1, 999999, 2, 1000000};
  R(syscall(SYS_utimes, "f", tv));
  R((tv[3] = -1, syscall(SYS_utimes, "f", tv)));
  R((tv[3] = NOW, syscall(SYS_utimes, "f", tv)));
  R((tv[3] = 3, syscall(SYS_utimes, "f", tv)));
  R(syscall(SYS_futimesat, fd, NULL, tv));
  R(syscall(SYS_futimesat, path, NULL, tv));
  R(syscall(SYS_futimesat, AT_FDCWD, NULL, tv));
  R(syscall(SYS_utime, "f", tv));
  R(syscall(SYS_utime, "f", -1L));
  show("f");
}

static void as_another(void) {
  struct timespec now[2] = {{0, NOW}, {0, NOW}}, one[2] = {{0, NOW}, {0, OMIT}}, omit[2] = {{0, OMIT}, {0, OMIT}};
  close(open("ro", O_CREAT, 0444));
  chmod("f", 0666), chown("f", 500, 500);
  if (fork()) {
    wait(NULL);
    return;
  }
  setgid(1000), setuid(1000);
  const char *names[] = {"f", "ro"};
  for (int i = 0; i < 2; i++) {
    R(utimensat(AT_FDCWD, names[i], NULL, 0));
    R(utimensat(AT_FDCWD, names[i], now, 0));
    R(utimensat(AT_FDCWD, names[i], one, 0));
    R(utimensat(AT_FDCWD, names[i], omit, 0));
    R(syscall(SYS_utime, names[i], NULL));
    R(open(names[i], O_RDONLY | O_NOATIME));
  }
  _exit(0);
}

int main(void) {
  umask(0);
  of_files();
  of_directories();
  set();
  as_another();
  return 0;
}
