// Unix-domain sockets: what is told first, what a socket that leaves its peer loses, whose name comes with a message.
#include "guest.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static char b[9000];

static socklen_t abstract(struct sockaddr_un *a, const char *name) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  strcpy(a->sun_path + 1, name);
  return 3 + strlen(name);
}

static int sock(int type, const char *name) {
  struct sockaddr_un a;
  int s = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
  if (name) {
    socklen_t l = abstract(&a, name);
    R(bind(s, (void *)&a, l));
  }
  return s;
}

static long to(int s, const char *name) {
  struct sockaddr_un a;
  return connect(s, (void *)&a, abstract(&a, name));
}

static void state(const char *what, int s) {
  struct pollfd p = {s, 0x7fff};
  poll(&p, 1, 0);
  P("%s %x\n", what, p.revents);
}

static void leaving(void) {
  int p[2];
  struct sockaddr none = {AF_UNSPEC};
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
  write(p[1], b, 5000);
  close(p[1]);
  state("peer closed", p[0]);
  R(write(p[0], b, 1));
  state("refused", p[0]);
  R(read(p[0], b, 9));
  close(p[0]);
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
  write(p[0], b, 10);
  write(p[1], b, 10);
  R(connect(p[0], &none, 2));
  state("who left", p[0]);
  state("who was left", p[1]);
  R(read(p[1], b, 99));
  R(read(p[1], b, 99));
  R(read(p[0], b, 99));
  R(write(p[1], b, 3));
  R(read(p[0], b, 99));
}

static void orders(void) {
  int one = 1, s = sock(SOCK_STREAM, 0), p[2];
  R(shutdown(s, SHUT_RD));
  R(read(s, b, 1));
  R(to(s, "nobody"));
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
  R(to(p[0], "nobody"));
  int l = sock(SOCK_STREAM, "listener"), d = sock(SOCK_DGRAM, "listener"), q = sock(SOCK_SEQPACKET, 0);
  R(listen(l, 1));
  R(to(p[0], "listener"));
  R(to(l, "listener"));
  R(to(q, "listener"));
  R(to(sock(SOCK_DGRAM, 0), "listener"));
  R(shutdown(l, SHUT_RD));
  R(accept(l, 0, 0));
  struct msghdr m = {0};
  char bad[16] = {1};
  m.msg_control = bad, m.msg_controllen = 16;
  R(sendmsg(q, &m, 0));
  R(send(q, b, 1, MSG_OOB));
  R(recv(q, b, 1, MSG_OOB));
  struct sockaddr_un a;
  socklen_t n = sizeof a;
  int c = sock(SOCK_DGRAM, 0);
  setsockopt(c, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
  R(to(c, "nobody"));
  R(getsockname(c, (void *)&a, &n));
  P("%d\n", n);
}

static void names(void) {
  struct sockaddr_un a;
  socklen_t n;
  int l = sock(SOCK_STREAM, "server"), c = sock(SOCK_STREAM, 0);
  R(listen(l, 1));
  R(to(c, "server"));
  int s = accept(l, 0, 0);
  R(write(s, "hello", 5));
  R(write(c, "hello", 5));
  R(bind(c, (void *)&a, abstract(&a, "client")));
  n = sizeof a;
  R(recvfrom(c, b, 3, MSG_PEEK, (void *)&a, &n));
  P("from %.*s\n", n - 3, a.sun_path + 1);
  n = sizeof a;
  R(recvfrom(s, b, 5, 0, (void *)&a, &n));
  P("from %.*s\n", n - 3, a.sun_path + 1);
  int p[2], one = 1;
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
  R(write(p[0], "x", 1));
  R(bind(p[0], (void *)&a, abstract(&a, "late")));
  n = sizeof a;
  R(recvfrom(p[1], b, 5, 0, (void *)&a, &n));
  P("from %.*s\n", n - 3, a.sun_path + 1);
  shutdown(s, SHUT_WR);
  recv(c, b, 9, 0);
  setsockopt(c, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
  char control[64];
  struct iovec v = {b, 9};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  R(recvmsg(c, &m, 0));
  struct ucred *u = (void *)CMSG_DATA((struct cmsghdr *)control);
  P("%d bytes of control, %d %d %d\n", (int)m.msg_controllen, u->pid, u->uid, u->gid);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  leaving();
  orders();
  names();
  return 0;
}
