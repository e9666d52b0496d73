// What settings under /proc/sys/net sockets go by.
#define _GNU_SOURCE 1
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int option(int s, int name, int value) {
  socklen_t length = 4;
  if (value) setsockopt(s, SOL_SOCKET, name, &value, 4);
  getsockopt(s, SOL_SOCKET, name, &value, &length);
  return value;
}

int main(void) {
  struct sockaddr_un to = {AF_UNIX, "\0to"};
  int d = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_STREAM, 0), from = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), n = 0, c = 0;
  printf("buffers %d %d", option(s, SO_SNDBUF, 0), option(s, SO_RCVBUF, 0));
  printf(" at most %d %d\n", option(s, SO_SNDBUF, 1 << 29), option(s, SO_RCVBUF, 1 << 29));
  bind(d, (void *)&to, 5), bind(s, (void *)&to, 5), listen(s, -1);
  while (n < 100 && sendto(from, "x", 1, 0, (void *)&to, 5) == 1) n++;
  while (c < 100 && !connect(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (void *)&to, 5)) c++;
  printf("datagrams %d connections %d\n", n, c);
  return 0;
}
