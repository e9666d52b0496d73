// File times that are far away, on a file in memory, which keeps 64 bits of seconds; access times with and without O_NOATIME.
#include "guest.h"

/** Does reading change the access time? */
static int touches(const char *name, int flags) {
  struct timespec old[2] = {{1, 0}, {2, 0}};
  utimensat(AT_FDCWD, name, old, 0);
  int fd = open(name, O_RDWR | flags);
  if (fd < 0) fd = open(name, O_RDONLY | flags);
  char buf[512];
  struct stat s;
  if (fstat(fd, &s), S_ISFIFO(s.st_mode)) (void)!write(fd, "x", 1);
  if (S_ISDIR(s.st_mode))
    syscall(SYS_getdents64, fd, buf, sizeof buf);
  else
    (void)!read(fd, buf, 1);
  stat(name, &s);
  close(fd);
  return s.st_atim.tv_sec != 1;
}

static int mapping_touches(int flags) {
  struct timespec old[2] = {{1, 0}, {2, 0}};
  utimensat(AT_FDCWD, "file", old, 0);
  int fd = open("file", O_RDONLY | flags);
  mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  struct stat s;
  fstat(fd, &s);
  return s.st_atim.tv_sec != 1;
}

int main(void) {
  int fd = memfd_create("times", 0);
  const long when[] = {0, -1, 1L << 31, 1L << 32, -(1L << 33), 1L << 52, LONG_MAX, LONG_MIN};
  for (int i = 0; i < 8; i++) {
    struct timespec t[2] = {{when[i], 0}, {when[i], 999999999}};
    R(futimens(fd, t));
    struct stat s;
    int64_t x[32];
    fstat(fd, &s);
    syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, x);
    P("%ld.%09ld %ld.%09ld %lld.%09u\n", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
      (long long)x[14], (unsigned)x[15]);
  }
  mkdir("dir", 0700);
  mkfifo("fifo", 0600);
  int f = open("file", O_CREAT | O_RDWR, 0600);
  R(write(f, "xy", 2));
  const char *names[] = {"dir", "fifo", "file"};
  for (int i = 0; i < 3; i++) P("%s %d %d\n", names[i], touches(names[i], 0), touches(names[i], O_NOATIME));
  R(mapping_touches(0));
  R(mapping_touches(O_NOATIME));
  return 0;
}
