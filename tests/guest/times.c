// File times that are far away, on a file in memory, which keeps 64 bits of seconds.
#include "guest.h"

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
  return 0;
}
