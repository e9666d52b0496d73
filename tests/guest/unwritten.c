// What fallocate set aside reads as a hole until it is written or mapped; and what fstat says of files without names.
#include "guest.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static void show(const char *what, int fd) {
  struct stat st;
  fstat(fd, &st);
  P("%s %o nlink %lu blksize %ld blocks %ld size %ld\n", what, st.st_mode, st.st_nlink, st.st_blksize, st.st_blocks, st.st_size);
}

int main(void) {
  int p[2];
  R(pipe(p));
  show("pipe", p[0]);
  show("socket", socket(AF_UNIX, SOCK_STREAM, 0));
  show("eventfd", eventfd(0, 0));
  show("epoll", epoll_create1(0));
  int fd = memfd_create("x", 0);
  show("memfd", fd);
  R(ftruncate(fd, 100000));
  R(posix_fallocate(fd, 0, 50000));
  show("set aside", fd);
  R(lseek(fd, 0, SEEK_DATA));
  R(lseek(fd, 0, SEEK_HOLE));
  R(pwrite(fd, "x", 1, 9000));
  R(lseek(fd, 0, SEEK_DATA));
  R(lseek(fd, 8192, SEEK_HOLE));
  char b;
  R(pread(fd, &b, 1, 20000));
  R(lseek(fd, 12288, SEEK_DATA));
  volatile char *m = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  R(m[20000]);
  R(lseek(fd, 12288, SEEK_DATA));
  m[30000] = 1;
  R(lseek(fd, 24576, SEEK_DATA));
  R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096));
  R(lseek(fd, 0, SEEK_DATA));
  R(fallocate(fd, FALLOC_FL_KEEP_SIZE, 200000, 5000));
  show("beyond the end", fd);
  R(ftruncate(fd, 300000));
  R(lseek(fd, 60000, SEEK_DATA));
  return 0;
}
