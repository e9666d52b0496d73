// File positions are 64 bits with sign, exact to the last: files of memory, of /proc and devices, up to 2^63 - 1.
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

#define MAX INT64_MAX

static void size_of(int fd) {
  struct stat st;
  long sx[32];
  fstat(fd, &st);
  syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x200, sx);
  P("size %ld %ld\n", st.st_size, sx[5]);
}

static void in_memory(void) {
  char buf[64] = "abcdefghijklmnop";
  int fd = memfd_create("far", 0);
  struct iovec v = {buf, 4};
  R(lseek(fd, MAX, SEEK_SET));
  R(lseek(fd, 0, SEEK_CUR));
  R(lseek(fd, 1, SEEK_CUR));
  R(lseek(fd, -2, SEEK_CUR));
  R(lseek(fd, INT64_MIN, SEEK_CUR));
  R(lseek(fd, -(1L << 62), SEEK_CUR));
  R(read(fd, buf, 1));
  R(pread(fd, buf, 1, MAX));
  R(pread(fd, buf, 1, MAX - 1));
  R(pread(fd, buf, 2, MAX - 1));
  R(pread(fd, buf, 0, MAX));
  R(preadv(fd, &v, 1, MAX - 3));
  R(preadv(fd, &v, 1, MAX - 4));
  R(pread(fd, buf, 1, -1));
  R(pread(fd, buf, 1, INT64_MIN));
  R(pwrite(fd, buf, 1, MAX));
  R(ftruncate(fd, MAX));
  size_of(fd);
  R(lseek(fd, 0, SEEK_END));
  R(lseek(fd, 1, SEEK_END));
  R(lseek(fd, -1, SEEK_END));
  R(lseek(fd, -MAX, SEEK_END));
  R(lseek(fd, INT64_MIN, SEEK_END));
  R(read(fd, buf, 4));
  R(pread(fd, buf, 4, MAX - 5));
  R(pread(fd, buf, 8, MAX - 5));
  P("%d %d\n", buf[0], buf[3]);
  R(lseek(fd, MAX - 5, SEEK_SET));
  R(read(fd, buf, 3));
  R(read(fd, buf, 3));
  R(read(fd, buf, 2));
  R(read(fd, buf, 1));
  R(lseek(fd, 0, SEEK_CUR));
  R(lseek(fd, 0, SEEK_DATA));
  R(lseek(fd, 0, SEEK_HOLE));
  R(lseek(fd, MAX - 1, SEEK_HOLE));
  R(lseek(fd, MAX, SEEK_HOLE));

  strcpy(buf, "0123456789");
  R(pwrite(fd, buf, 4, MAX - 4));
  R(pwrite(fd, buf, 4, MAX - 3));
  R(pwrite(fd, buf, 3, (1L << 60) - 1));
  size_of(fd);
  R(lseek(fd, 0, SEEK_DATA));
  R(lseek(fd, 1L << 60, SEEK_HOLE));
  memset(buf, 'x', sizeof buf);
  R(pread(fd, buf, 6, MAX - 6));
  P("%d %d %.4s\n", buf[0], buf[1], buf + 2);
  R(pread(fd, buf, 5, (1L << 60) - 2));
  P("%d %.3s %d\n", buf[0], buf + 1, buf[4]);
  R(ftruncate(fd, MAX - 2));
  size_of(fd);
  R(pread(fd, buf, 3, MAX - 4));
  P("%.2s\n", buf);
  R(ftruncate(fd, (1L << 53) + 1));
  size_of(fd);
  R(lseek(fd, 0, SEEK_END));
  R(write(fd, "end", 3));
  size_of(fd);
  R(lseek(fd, -3, SEEK_END));
  R(read(fd, buf, 9));
  P("%.3s\n", buf);
  R(fallocate(fd, 0, MAX, 1));
  R(fallocate(fd, 0, MAX - 4096, 4097));
  R(fallocate(fd, FALLOC_FL_KEEP_SIZE, (1L << 60) + 1, 1));
  R(fallocate(fd, 0, (1L << 60) + 1, 2));
  size_of(fd);
  R(ftruncate(fd, 5));
  size_of(fd);
  R(ftruncate(fd, INT64_MIN));
}

static void copies(void) {
  int fd = memfd_create("far", 0), null = open("/dev/null", O_WRONLY), p[2];
  pipe(p);
  ftruncate(fd, MAX);
  pwrite(fd, "tail", 4, MAX - 4);
  off_t at = MAX - 4;
  R(sendfile(null, fd, &at, 4));
  P("%ld\n", at);
  R(sendfile(null, fd, &at, 1));
  at = MAX - 4;
  R(sendfile(p[1], fd, &at, 2));
  P("%ld\n", at);
  R(splice(fd, &at, p[1], 0, 2, 0));
  P("%ld\n", at);
  char buf[8];
  R(read(p[0], buf, 8));
  P("%.4s\n", buf);
  write(p[1], "abcd", 4);
  at = MAX - 2;
  R(splice(p[0], 0, fd, &at, 2, 0));
  P("%ld\n", at);
  at = MAX - 1;
  R(splice(p[0], 0, fd, &at, 2, 0));
  at = MAX - 6;
  off_t to = 3;
  R(copy_file_range(fd, &at, fd, &to, 6, 0));
  P("%ld %ld\n", at, to);
  at = MAX - 6;
  R(copy_file_range(fd, &at, fd, &to, 100, 0));
  R(pread(fd, buf, 6, 3));
  P("%.2s %.2s\n", buf + 2, buf + 4);
}

/** Files without an end: of a process's memory, devices, and what is made when it is read. */
static void others(void) {
  static char buf[8192];
  char c = 7;
  int mem = open("/proc/self/mem", O_RDWR);
  R(lseek(mem, MAX, SEEK_SET));
  R(lseek(mem, 1, SEEK_CUR) == INT64_MIN);
  R(lseek(mem, -8192, SEEK_SET));
  R(read(mem, buf, 1));
  R(read(mem, buf, 8192));
  R(lseek(mem, 0, SEEK_END));
  R(lseek(mem, 0x123456789abcdefL, SEEK_SET));
  R(read(mem, buf, 1));
  R(pread(mem, &c, 1, -5));
  const char *names[] = {"/dev/zero", "/dev/null", "/dev/full", "/dev/urandom", "/proc/self/maps", "/proc/self", "/proc/meminfo", "/proc/sys/kernel/ostype",
    "/proc/self/environ", "/proc/self/cmdline"};
  for (int i = 0; i < 10; i++) {
    int fd = open(names[i], O_RDONLY);
    P("-- %s\n", names[i]);
    R(lseek(fd, MAX, SEEK_SET));
    R(lseek(fd, 1, SEEK_CUR));
    R(lseek(fd, (1L << 53) + 1, SEEK_SET));
    R(lseek(fd, 2, SEEK_CUR));
    R(read(fd, buf, 1));
    R(lseek(fd, 0, SEEK_CUR));
    R(pread(fd, buf, 1, MAX));
    R(pread(fd, buf, 1, MAX - 1));
    close(fd);
  }
}

/** A device whose position never moves takes no notice of the caller's variable either. */
static void devices(void) {
  int p[2], null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), fd = memfd_create("f", 0);
  pipe(p);
  write(p[1], "abcdefgh", 8);
  loff_t at = 5;
  R(splice(p[0], 0, null, &at, 3, 0));
  P("%ld\n", at);
  R(splice(p[0], 0, zero, &at, 1, 0));
  P("%ld\n", at);
  R(splice(zero, &at, p[1], 0, 10, 0));
  P("%ld\n", at);
  R(sendfile(fd, zero, &at, 10));
  P("%ld\n", at);
  R(sendfile(p[1], zero, &at, 10));
  P("%ld\n", at);
  R(sendfile(null, fd, &at, 5));
  P("%ld\n", at);
  R(sendfile(fd, p[0], 0, 0));
  R(sendfile(p[1], p[0], 0, 0));
}

int main(void) {
  in_memory();
  copies();
  others();
  devices();
  return 0;
}
