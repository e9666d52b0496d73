/* Datagrams that go nowhere: which error comes first, and who hears of the room that they give back. */
#include "guest.h"
#include <linux/filter.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int ep;
static char b[300000], *bad = (char *)1;

static void events(const char *after) {
  struct epoll_event e[8];
  int n = epoll_wait(ep, e, 8, 0);
  P("%s: %d", after, n);
  for (int i = 0; i < n; i++) P(" %d:%x", e[i].data.u32, e[i].events);
  P("\n");
}

static void watch(int fd, int id) {
  struct epoll_event e = {EPOLLOUT | EPOLLET, {.u32 = id}};
  epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static struct sockaddr_un at(const char *name) {
  struct sockaddr_un a = {AF_UNIX};
  strcpy(a.sun_path, name);
  return a;
}

static void to(int fd, const char *buf, int n, const char *name) {
  struct sockaddr_un a = at(name);
  int r = sendto(fd, buf, n, MSG_NOSIGNAL, (void *)&a, sizeof a);
  P("%s, %d bytes to %s: %d\n", buf == bad ? "bad" : "good", n, name, r < 0 ? -errno : r);
}

static int named(const char *name, int type) {
  struct sockaddr_un a = at(name);
  int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
  unlink(name);
  bind(fd, (void *)&a, sizeof a);
  return fd;
}

int main(void) {
  mkdir("/tmp/ul", 0777);
  chdir("/tmp/ul");
  umask(0);
  ep = epoll_create1(0);
  int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), d = named("there", SOCK_DGRAM);
  named("stream", SOCK_STREAM);
  close(open("file", O_CREAT | O_RDWR, 0666));
  watch(s, 1);
  events("start");
  const char *names[] = {"none", "file", "stream", "there"};
  for (int i = 0; i < 4; i++) {
    to(s, b, 5, names[i]);
    events(names[i]);
    to(s, bad, 5, names[i]);
    events("bad");
    to(s, b, sizeof b, names[i]);
    events("long");
  }
  recv(d, b, 5, 0);
  events("taken");
  shutdown(d, SHUT_RD);
  to(s, b, 5, "there");
  to(s, bad, 5, "there");
  events("not taken");
  shutdown(s, SHUT_WR);
  to(s, b, 5, "none");
  to(s, bad, 5, "none");
  to(s, b, sizeof b, "none");
  events("shut");

  P("-- no room\n");
  int t = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 5000;
  named("other", SOCK_DGRAM);
  setsockopt(t, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  struct sockaddr_un other = at("other");
  while (sendto(t, b, 1000, 0, (void *)&other, sizeof other) > 0) {}
  P("%d\n", errno);
  to(t, b, 5, "none");
  to(t, bad, 5, "other");

  P("-- filters and rights\n");
  int w = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), y = named("filtered", SOCK_DGRAM);
  struct sock_filter none = {6, 0, 0, 0};
  struct sock_fprog program = {1, &none};
  R(setsockopt(y, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
  watch(w, 2);
  events("new");
  to(w, b, 5, "filtered");
  events("filtered");
  shutdown(y, SHUT_RD);
  to(w, b, 5, "filtered");
  events("and shut");
  named("private", SOCK_DGRAM);
  struct sockaddr_un private = at("private");
  connect(y, (void *)&private, sizeof private);
  to(w, b, 5, "filtered");
  chmod("private", 0);
  INPROC(1000, to(w, b, 5, "private"); to(w, bad, 5, "private"));

  P("-- the receiver's queue\n");
  int q = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  named("full", SOCK_DGRAM);
  struct sockaddr_un full = at("full");
  while (sendto(q, b, 1, 0, (void *)&full, sizeof full) > 0) {}
  P("%d\n", errno);
  to(q, bad, 5, "full");
  return 0;
}
