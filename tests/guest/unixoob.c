// Out-of-band data on unix stream sockets: a random walk over everything that can be asked of two ends.
// libc: glibc
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

static unsigned seed;
static unsigned rnd(unsigned n) {
  seed = seed * 1103515245 + 12345;
  return (seed >> 16) % n;
}

static int s[2];
static char next = 'a';

static void tell(const char *what, long r) {
  P("%s %ld", what, r);
  if (r < 0) P(" errno %d", errno);
}

static void state(int fd) {
  int mark = -1;
  ioctl(fd, SIOCATMARK, &mark);
  struct pollfd p = {fd, POLLIN | POLLPRI | POLLRDHUP, 0};
  poll(&p, 1, 0);
  P("  mark %d poll %x\n", mark, p.revents);
}

static void step(void) {
  char b[16] = "";
  long r;
  unsigned what = rnd(10), n = rnd(4) + (what < 4 ? 0 : 1);
  if (what < 4) {
    for (unsigned i = 0; i < n; i++) b[i] = next = next == 'z' ? 'a' : next + 1;
    int oob = rnd(2) ? MSG_OOB : 0;
    r = send(s[0], b, n, MSG_DONTWAIT | oob);
    tell(oob ? "oob" : "send", r);
    P(" '%.*s'", (int)n, b);
  } else if (what < 7) {
    int flags = rnd(3) == 0 ? MSG_PEEK : 0;
    r = recv(s[1], b, n, MSG_DONTWAIT | flags);
    tell(flags ? "peek" : "recv", r);
    if (r > 0) P(" '%.*s'", (int)r, b);
  } else if (what < 9) {
    int flags = rnd(3) == 0 ? MSG_PEEK : 0;
    struct iovec iov = {b, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    r = recvmsg(s[1], &m, MSG_OOB | flags | (rnd(2) ? MSG_DONTWAIT : 0));
    tell(flags ? "peek oob" : "recv oob", r);
    if (r >= 0) P(" '%.*s' flags %x", (int)r, b, m.msg_flags);
  } else {
    int on = rnd(2);
    r = setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    tell(on ? "inline" : "not inline", r);
  }
  state(s[1]);
}

static volatile int urg, io;
static void on_urg(int sig) { urg++; }
static void on_io(int sig, siginfo_t *info, void *c) {
  if (info->si_code == POLL_PRI) io++;
}

int main(void) {
  for (seed = 1; seed < 16; ) {
    unsigned start = seed;
    P("walk %u\n", start);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    for (int i = 0; i < 25; i++) step();
    int how = rnd(3);
    if (how) close(s[0]);
    else shutdown(s[0], SHUT_WR);
    state(s[1]);
    char b[64];
    for (int i = 0; i < 4; i++) {
      tell("rest", recv(s[1], b, sizeof b, MSG_DONTWAIT));
      state(s[1]);
    }
    if (!how) close(s[0]);
    close(s[1]);
    seed = start + 1;
  }

  P("left unread\n");
  for (int i = 0; i < 4; i++) {
    char c;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    send(s[0], "xy", 2, MSG_OOB);
    if (i & 1) recv(s[1], &c, 1, MSG_OOB);
    if (i & 2) recv(s[1], &c, 1, 0);
    close(s[1]);
    tell("recv", recv(s[0], &c, 1, 0));
    tell(" oob", send(s[0], &c, 1, MSG_OOB | MSG_NOSIGNAL));
    tell(" oob", send(s[0], &c, 2, MSG_OOB | MSG_NOSIGNAL));
    P("\n");
    close(s[0]);
  }

  P("signals\n");
  signal(SIGURG, on_urg);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  send(s[0], "a", 1, MSG_OOB);
  P("without an owner %d\n", urg);
  R(fcntl(s[1], F_SETOWN, getpid()));
  send(s[0], "b", 1, MSG_OOB);
  P("with one %d\n", urg);
  struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN, &sa, 0);
  R(fcntl(s[1], F_SETFL, O_ASYNC));
  R(fcntl(s[1], F_SETSIG, SIGRTMIN));
  send(s[0], "c", 1, MSG_OOB);
  P("asynchronous %d %d\n", urg, io);
  send(s[0], "d", 1, 0);
  P("ordinary %d %d\n", urg, io);
  int pid = 0;
  R(ioctl(s[1], SIOCGPGRP, &pid));
  P("%d\n", pid == getpid());
  pid = -getpgrp();
  R(ioctl(s[1], FIOSETOWN, &pid));
  R(ioctl(s[1], FIOGETOWN, &pid));
  P("%d %d\n", pid == -getpgrp(), fcntl(s[1], F_GETOWN) == pid);
  pid = 0;
  R(ioctl(s[1], SIOCSPGRP, &pid));
  send(s[0], "e", 1, MSG_OOB);
  P("no owner any more %d %d\n", urg, io);

  P("other types\n");
  for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += type == SOCK_DGRAM ? 3 : 1) {
    char b[8];
    int n = -1;
    socketpair(AF_UNIX, type, 0, s);
    tell("oob", send(s[0], "x", 1, MSG_OOB));
    tell(" empty", send(s[0], "", 0, MSG_OOB));
    tell(" recv", recv(s[1], b, 1, MSG_OOB));
    tell(" send", send(s[0], "123", 3, 0));
    tell(" send", send(s[0], "45", 2, 0));
    tell(" mark", ioctl(s[1], SIOCATMARK, &n));
    tell(" inq", ioctl(s[1], FIONREAD, &n));
    P(" = %d\n", n);
    close(s[0]);
    close(s[1]);
  }
  int one = socket(AF_UNIX, SOCK_STREAM, 0), n = -1;
  char c;
  tell("alone", ioctl(one, SIOCATMARK, &n));
  tell(" send", send(one, "x", 1, MSG_OOB));
  tell(" recv", recv(one, &c, 1, MSG_OOB));
  tell(" empty", send(one, "", 0, 0));
  P("\n");
  return 0;
}
