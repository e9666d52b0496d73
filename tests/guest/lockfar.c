// Record locks at the far end of files: ranges that end, begin or wrap beyond the largest position.
#include "guest.h"

static int lock(int fd, int type, int whence, long start, long len) {
  struct flock f = {.l_type = type, .l_whence = whence, .l_start = start, .l_len = len};
  return fcntl(fd, F_SETLK, &f);
}

/** Another process's view: the ranges that are locked. */
static void show(int fd) {
  fflush(0);
  pid_t child = fork();
  if (child == 0) {
    for (long at = 0; at >= 0;) {
      struct flock f = {.l_type = F_RDLCK, .l_start = at};
      if (fcntl(fd, F_GETLK, &f) < 0 || f.l_type == F_UNLCK) break;
      P(" [%lx %lx]", (long)f.l_start, (long)f.l_len);
      if (f.l_len == 0) break;
      at = f.l_start + f.l_len;
    }
    _exit(0);
  }
  waitpid(child, 0, 0);
  P("\n");
}

int main(void) {
  int fd = open("far", O_RDWR | O_CREAT, 0600);
  const long starts[] = {0, 1, LONG_MAX, LONG_MAX - 1, LONG_MAX - 4095, 1L << 53, (1L << 53) + 1, LONG_MIN, -1};
  const long lengths[] = {0, 1, 2, 4096, LONG_MAX, -1, LONG_MIN, -LONG_MAX, -4096};
  for (int whence = 0; whence < 3; whence++)
    for (int i = 0; i < 9; i++)
      for (int k = 0; k < 9; k++) {
        lseek(fd, whence * 7, SEEK_SET);
        errno = 0;
        int r = lock(fd, F_WRLCK, whence, starts[i], lengths[k]);
        P("%d %lx %lx: %d errno %d", whence, starts[i], lengths[k], r, errno);
        show(fd);
        if ((i + k) % 3) continue;
        P("hole %d", lock(fd, F_UNLCK, SEEK_SET, (1L << 53) + 2, 5));
        show(fd);
        lock(fd, F_UNLCK, SEEK_SET, 0, 0);
      }
}
