// Socket options of unix sockets: what each takes and tells; states after shutdown; what an unconnected socket refuses.
// libc: glibc
#include "guest.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/sockios.h>

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
static int s[2];
static int err(long r) { return r < 0 ? -errno : r; }

static void option(int o) {
  unsigned char b[64];
  socklen_t l = sizeof b;
  int v = 1, r = err(getsockopt(s[0], SOL_SOCKET, o, b, &l));
  P("%d: %d", o, r);
  if (!r && l <= 16 && o != SO_COOKIE)
    for (int i = 0; i < l; i++) P(" %02x", b[i]);
  P(" set %d", err(setsockopt(s[0], SOL_SOCKET, o, &v, 4)));
  l = 4, v = 0;
  int g = err(getsockopt(s[0], SOL_SOCKET, o, &v, &l));
  P(" told %d", g ? g : v);
  v = 0;
  P(" %d", err(setsockopt(s[0], SOL_SOCKET, o, &v, 4)));
  v = -1;
  P(" %d", err(setsockopt(s[0], SOL_SOCKET, o, &v, 4)));
  P(" short %d", err(setsockopt(s[0], SOL_SOCKET, o, &v, 3)));
  l = 2;
  P(" %d\n", err(getsockopt(s[0], SOL_SOCKET, o, b, &l)));
}

/** Options of filters, and what kernels after 6.12 have. */
static int skipped(int o) {
  return o == SO_PEERCRED || o == 48 || (o >= 50 && o <= 52) || o == 59 || o == 68 || o == 77 || o > 77;
}

static void times(int type) {
  int on = 1, names[] = {SO_TIMESTAMP, SO_TIMESTAMPNS, 63, 64};
  P("type %d\n", type);
  for (int i = 0; i < 4; i++) {
    char c[100], b[4];
    socketpair(AF_UNIX, type, 0, s);
    send(s[0], "before", 6, 0);
    setsockopt(s[1], SOL_SOCKET, names[i], &on, 4);
    for (int k = 0; k < 4; k++) {
      int v;
      socklen_t l = 4;
      getsockopt(s[1], SOL_SOCKET, names[k], &v, &l);
      P(" %d", v);
    }
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, 4);
    send(s[0], "after", 5, 0);
    for (int k = 0; k < 2; k++) {
      struct iovec iov = {b, 4};
      struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = k ? 40 : sizeof c};
      P(" | %zd flags %x", recvmsg(s[1], &m, 0), m.msg_flags);
      for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        P(" %d:%zu", h->cmsg_type, h->cmsg_len);
        if (h->cmsg_type == SCM_CREDENTIALS) continue;
        long *t = (long *)CMSG_DATA(h);
        P(" now %d fits %d", labs(t[0] - time(0)) < 2, t[1] >= 0 && t[1] < (names[i] == SO_TIMESTAMP || names[i] == 63 ? 1000000 : 1000000000));
      }
    }
    P("\n");
    close(s[0]);
    close(s[1]);
  }
}

static void ends(int type, int how, int side) {
  char b[4];
  socketpair(AF_UNIX, type, 0, s);
  send(s[0], "x", 1, 0);
  send(s[1], "y", 1, 0);
  int r = shutdown(s[side], how);
  struct pollfd p[2] = {{s[0], -1}, {s[1], -1}};
  poll(p, 2, 0);
  P("type %d how %d side %d: %d poll %x %x", type, how, side, r, p[0].revents, p[1].revents);
  for (int i = 0; i < 2; i++) {
    P(" send %d", err(send(s[i], "z", 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
    for (int k = 0; k < 3; k++) P(" %d", err(recv(s[i], b, 4, MSG_DONTWAIT)));
  }
  if (how == SHUT_RD) P(" waiting %d", err(recv(s[side], b, 4, 0)));
  close(s[side]);
  poll(p, 2, 0);
  P(" closed %x %d", p[!side].revents, err(recv(s[!side], b, 4, MSG_DONTWAIT)));
  P(" %d\n", err(send(s[!side], "z", 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
  close(s[!side]);
}

static void fresh(int type) {
  int f = socket(AF_UNIX, type, 0);
  struct pollfd p = {f, -1};
  struct sockaddr_un a = {AF_UNIX};
  socklen_t l = sizeof a;
  char b[4];
  poll(&p, 1, 0);
  P("type %d: poll %x", type, p.revents);
  P(" send %d recv %d", err(send(f, "x", 1, MSG_NOSIGNAL)), err(recv(f, b, 4, MSG_DONTWAIT)));
  P(" read %d write %d", err(read(f, b, 0)), err(write(f, b, 0)));
  P(" listen %d accept %d shutdown %d", err(listen(f, 5)), err(accept4(f, 0, 0, SOCK_NONBLOCK)), err(shutdown(f, 0)));
  P(" peer %d name %d %d", err(getpeername(f, (void *)&a, &l)), err(getsockname(f, (void *)&a, &l)), l);
  P(" bind");
  P(" %d", err(bind(f, (void *)&a, 1)));
  a.sun_family = 99;
  P(" %d", err(bind(f, (void *)&a, 10)));
  a.sun_family = AF_UNIX;
  P(" %d", err(bind(f, (void *)&a, 111)));
  strcpy(a.sun_path, "/nonexistent/x");
  P(" %d", err(bind(f, (void *)&a, sizeof a)));
  strcpy(a.sun_path, "/dev/null");
  P(" %d connect %d", err(bind(f, (void *)&a, sizeof a)), err(connect(f, (void *)&a, sizeof a)));
  strcpy(a.sun_path, "/nonexistent");
  P(" %d", err(connect(f, (void *)&a, sizeof a)));
  a.sun_path[0] = 0;
  P(" %d %d", err(connect(f, (void *)&a, 20)), err(connect(f, (void *)&a, 2)));
  P(" sendto %d", err(sendto(f, "x", 1, MSG_NOSIGNAL, (void *)&a, 2)));
  a.sun_family = AF_UNSPEC;
  P(" %d", err(connect(f, (void *)&a, 2)));
  a.sun_family = AF_UNIX;
  P(" automatic %d", err(bind(f, (void *)&a, 2)));
  l = sizeof a;
  P(" %d", err(getsockname(f, (void *)&a, &l)));
  P(" %d again %d\n", l, err(bind(f, (void *)&a, 2)));
  close(f);
}

int main(void) {
  for (int t = 0; t < 3; t++) {
    P("options of type %d\n", types[t]);
    socketpair(AF_UNIX, types[t], 0, s);
    for (int o = 1; o < 78; o++)
      if (!skipped(o)) option(o);
    close(s[0]);
    close(s[1]);
  }
  for (int t = 0; t < 3; t++) times(types[t]);
  for (int t = 0; t < 3; t++)
    for (int how = 0; how < 3; how++) {
      ends(types[t], how, 0);
      ends(types[t], how, 1);
    }
  for (int t = 0; t < 3; t++) fresh(types[t]);

  P("without rights\n");
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  setresuid(1000, 1000, 1000);
  struct { int o, v; } rights[] = {{SO_DEBUG, 1}, {SO_DEBUG, 0}, {SO_MARK, 1}, {SO_PRIORITY, 6}, {SO_PRIORITY, 7}, {SO_PRIORITY, -1}, {SO_BUSY_POLL, 5}, {SO_SNDBUFFORCE, 5}, {SO_RCVBUFFORCE, 5}, {SO_PREFER_BUSY_POLL, 1}, {SO_BUSY_POLL_BUDGET, 9}, {SO_RCVMARK, 1}, {SO_BINDTOIFINDEX, 1}, {SO_BINDTOIFINDEX, 0}};
  for (int i = 0; i < sizeof rights / sizeof *rights; i++)
    P("%d %d: %d\n", rights[i].o, rights[i].v, err(setsockopt(s[0], SOL_SOCKET, rights[i].o, &rights[i].v, 4)));
  struct { int64_t a; } rate = {123456789012};
  R(setsockopt(s[0], SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 8));
  socklen_t l = 8;
  R(getsockopt(s[0], SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &l));
  P("%ld %d\n", rate.a, l);
  unsigned small;
  l = 4;
  R(getsockopt(s[0], SOL_SOCKET, SO_MAX_PACING_RATE, &small, &l));
  P("%u\n", small);
  uint64_t c1, c2;
  l = 8;
  getsockopt(s[0], SOL_SOCKET, SO_COOKIE, &c1, &l);
  getsockopt(s[1], SOL_SOCKET, SO_COOKIE, &c2, &l);
  P("cookies %d\n", c1 != c2 && c1 && c2);
  struct { int clock; unsigned flags; } tx[] = {{CLOCK_MONOTONIC, 1}, {CLOCK_MONOTONIC, 4}, {CLOCK_TAI, 1}};
  for (int i = 0; i < 3; i++) R(setsockopt(s[0], SOL_SOCKET, SO_TXTIME, &tx[i], 8));
  R(setsockopt(s[0], SOL_SOCKET, SO_BINDTODEVICE, "nonesuch", 9));
  R(setsockopt(s[0], SOL_SOCKET, SO_BINDTODEVICE, "", 0));
  struct msghdr m = {0};
  R(sendmsg(s[0], &m, 0x80000000));
  R(recvmsg(s[0], &m, 0x80000000));
  return 0;
}
