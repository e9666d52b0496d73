// What the overlay programs share.
#include "guest.h"

static void put(const char *path, const char *text, int mode) {
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, mode);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) printf("put %s: errno %d\n", path, errno);
  close(fd);
}

static void show(const char *path) {
  char b[200] = "";
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    P("%s: errno %d\n", path, errno);
    return;
  }
  ssize_t n = read(fd, b, 199);
  close(fd);
  P("%s: [%.*s]\n", path, (int)n, b);
}
