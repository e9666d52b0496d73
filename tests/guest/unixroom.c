// How many messages of each size an unread Unix-domain socket takes, when it stops being writable, and what they count for;
// and which of two errors comes first.
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static char data[50000];

static void fill(int type, int size, int sndbuf) {
  int p[2], n = 0, full = -1, out = 0;
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, p);
  if (sndbuf >= 0) setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf);
  while (write(p[0], data, size) > 0) {
    n++;
    struct pollfd f = {p[0], POLLOUT};
    if (full >= 0 || poll(&f, 1, 0) == 1) continue;
    full = n;
    ioctl(p[0], TIOCOUTQ, &out);
  }
  P("%d: %d bytes, buffer %d: %d messages, errno %d; full after %d with %d\n", type, size, sndbuf, n, errno, full, out);
  close(p[0]), close(p[1]);
}

static void order(void) {
  int p[2], f = memfd_create("x", 0);
  char c;
  for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) continue;
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, p);
    R(write(p[0], "x", 1));
    close(p[1]);
    R(write(p[0], "x", 1));
    R(write(p[0], "x", 1));
    R(read(p[0], &c, 1));
    struct pollfd pfd = {p[0], POLLIN | POLLOUT};
    R(poll(&pfd, 1, 0));
    P("%x\n", pfd.revents);
    close(p[0]);
  }
  struct epoll_event ev = {EPOLLIN};
  pipe(p);
  R(epoll_ctl(p[0], EPOLL_CTL_ADD, f, &ev));
  R(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
  R(epoll_ctl(f, EPOLL_CTL_ADD, f, &ev));
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  const int sizes[] = {1, 192, 193, 704, 705, 3776, 3777, 8000, 16000, 16065, 40000};
  const int buffers[] = {-1, 0, 20000};
  for (int t = 0; t < 3; t++)
    for (int s = 0; s < 11; s++)
      for (int b = 0; b < 3; b++) fill(types[t], sizes[s], buffers[b]);
  order();
  return 0;
}
