#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
static int count(int fd) {
  int n = -1;
  ioctl(fd, FIONREAD, &n);
  return n;
}
int main(void) {
  int p[2];
  char b[70000];
  memset(b, 'x', sizeof b);
  R(pipe2(p, O_NONBLOCK | O_CLOEXEC));
  R(fcntl(p[0], F_GETFD));
  R(fcntl(p[1], F_GETPIPE_SZ));
  R(read(p[0], b, 10));
  R(write(p[1], b, 70000));
  R(count(p[0]));
  R(write(p[1], b, 1));
  R(read(p[0], b, 100));
  R(write(p[1], b, 1));
  R(read(p[0], b, 4096));
  R(write(p[1], b, 4097));
  R(write(p[1], b, 4096));
  R(read(p[0], b, 70000));
  R(fcntl(p[1], F_SETPIPE_SZ, 4096));
  R(fcntl(p[1], F_GETPIPE_SZ));
  R(write(p[1], b, 5000));
  R(fcntl(p[1], F_SETPIPE_SZ, 8000));
  R(write(p[1], b, 5000));
  R(fcntl(p[1], F_SETPIPE_SZ, 100));
  struct pollfd f[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
  R(poll(f, 2, 0));
  R(f[0].revents);
  R(f[1].revents);
  while (read(p[0], b, 70000) > 0) {}
  R(poll(f, 2, 0));
  R(f[0].revents);
  R(f[1].revents);
  close(p[1]);
  R(poll(f, 1, 0));
  R(f[0].revents);
  R(read(p[0], b, 5));
  close(p[0]);
  pipe(p);
  close(p[0]);
  signal(SIGPIPE, SIG_IGN);
  R(write(p[1], "x", 1));
  f[0].fd = p[1];
  f[0].events = POLLOUT;
  R(poll(f, 1, 0));
  R(f[0].revents);
  close(p[1]);
  f[0].fd = 77;
  R(poll(f, 1, 0));
  R(f[0].revents);
  f[0].fd = -1;
  R(poll(f, 1, 0));
  signal(SIGPIPE, SIG_DFL);
  int st;
  if (!fork()) {
    pipe(p);
    close(p[0]);
    write(p[1], "x", 1);
    _exit(0);
  }
  wait(&st);
  R(WTERMSIG(st));
  R(pipe2(p, 0x800000));
  R(pipe((int *)1));
  R(write(0, b, 0) >= -1);
  pipe(p);
  R(lseek(p[0], 0, SEEK_SET));
  R(pread(p[0], b, 1, 0));
  R(read(p[1], b, 1));
  R(write(p[0], b, 1));
  R(ftruncate(p[1], 0));
  R(fsync(p[0]));
  R(write(p[1], b, 0));
  if (!fork()) {
    close(p[0]);
    int w = 0;
    while (w < 1000000) {
      int n = write(p[1], b, sizeof b);
      if (n < 0) break;
      w += n;
    }
    _exit(0);
  }
  close(p[1]);
  long total = 0, n;
  while ((n = read(p[0], b, 12345)) > 0) total += n;
  R(total);
  wait(0);
  close(p[0]);
  pipe(p);
  for (int k = 0; k < 4; k++)
    if (!fork()) {
      char line[2000];
      memset(line, 'a' + k, 2000);
      for (int i = 0; i < 50; i++) (void)!write(p[1], line, 2000);
      _exit(0);
    }
  close(p[1]);
  int torn = 0, got = 0;
  char blk[2000];
  for (;;) {
    int have = 0;
    while (have < 2000 && (n = read(p[0], blk + have, 2000 - have)) > 0) have += n;
    if (!have) break;
    got++;
    for (int i = 1; i < 2000; i++)
      if (blk[i] != blk[0]) torn++;
  }
  R(got);
  R(torn);
  while (wait(0) > 0) {}
  pipe2(p, O_DIRECT);
  (void)!write(p[1], "abc", 3);
  (void)!write(p[1], "defg", 4);
  R(read(p[0], b, 100));
  R(read(p[0], b, 2));
  close(p[0]);
  close(p[1]);
  int q[2];
  pipe(p);
  pipe(q);
  (void)!write(p[1], "splice me", 9);
  R(tee(p[0], q[1], 100, 0));
  R(count(q[0]));
  R(splice(p[0], 0, q[1], 0, 6, 0));
  R(count(q[0]));
  R(count(p[0]));
  int fd = open("sp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  R(splice(q[0], 0, fd, 0, 100, 0));
  off_t o = 7;
  R(splice(fd, &o, p[1], 0, 4, 0));
  R(o);
  R(read(p[0], b, 100));
  struct iovec v = {"vmsplice", 8};
  R(vmsplice(p[1], &v, 1, 0));
  R(read(p[0], b, 100));
  R(splice(fd, 0, fd, 0, 1, 0));
  R(tee(p[0], p[1], 1, 0));
  mkfifo("fifo", 0600);
  if (!fork()) {
    int w = open("fifo", O_WRONLY);
    (void)!write(w, "through", 7);
    _exit(0);
  }
  int r = open("fifo", O_RDONLY);
  R(read(r, b, 100));
  R(read(r, b, 100));
  wait(0);
  R(open("fifo", O_RDWR) > 0);
  R(open("fifo", O_WRONLY | O_NONBLOCK) > 0);
  // A length of 0 is looked at before the flags, and one that a file cannot have is refused.
  R(pipe2(p, O_NONBLOCK));
  int self = open("/proc/self/exe", O_RDONLY);
  R(splice(self, 0, p[1], 0, 0, 0x100));
  R(splice(self, 0, p[1], 0, 1, 0x100));
  R(splice(self, 0, p[1], 0, -1, 0));
  R(tee(p[0], p[1], 0, 0x100));
  return 0;
}
