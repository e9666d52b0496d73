// accept(2) without room for a descriptor leaves the connection where it is; what is looked at first; socketpair(2) tells
// its numbers before it makes anything.
#include "guest.h"
#include "uring.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un name = {AF_UNIX, "\0acceptroom"};
static socklen_t len = sizeof(sa_family_t) + 11;
static struct rlimit all, few;

static int listener(void) {
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  R(bind(s, (void *)&name, len));
  R(listen(s, 5));
  return s;
}

static int waits(int s) {
  struct pollfd p = {s, POLLIN};
  return poll(&p, 1, 0);
}

static void room(int s) {
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&name, len));
  write(c, "hello", 5);
  few = all, few.rlim_cur = c + 1;
  setrlimit(RLIMIT_NOFILE, &few);
  R(accept(s, 0, 0));
  R(waits(s));
  R(accept4(s, 0, 0, 1));
  R(accept4(-1, 0, 0, 1));
  R(accept(c, 0, 0));
  R(accept(0, 0, 0));
  setrlimit(RLIMIT_NOFILE, &all);
  R(accept(0, 0, 0));
  char b[8] = "";
  int a;
  R((a = accept4(s, 0, 0, SOCK_CLOEXEC)) > c);
  R(fcntl(a, F_GETFD));
  R(read(a, b, 8));
  P("%s\n", b);
  // An address that nobody can take costs the connection.
  close(a), close(c);
  c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&name, len));
  R(accept(s, (void *)8, (void *)8));
  R(waits(s));
  R(write(c, "x", 1));
  close(c);
}

static void pairs(void) {
  int p[2] = {-5, -5}, n = dup(0);
  close(n);
  R(socketpair(99, SOCK_STREAM, 0, p));
  P("%d %d\n", p[0] - n, p[1] - n);
  R(socketpair(99, SOCK_STREAM, 0, (void *)8));
  R(socketpair(99, SOCK_STREAM | 64, 0, (void *)8));
  few = all, few.rlim_cur = n + 1;
  setrlimit(RLIMIT_NOFILE, &few);
  p[0] = p[1] = -5;
  R(socketpair(99, SOCK_STREAM, 0, p));
  R(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
  P("%d %d\n", p[0], p[1]);
  R(pipe(p));
  R(socket(AF_UNIX, SOCK_STREAM, 0) == n);
  R(socket(AF_UNIX, SOCK_STREAM, 0));
  close(n);
  setrlimit(RLIMIT_NOFILE, &all);
}

static void ring(int s) {
  fd = syscall(SYS_io_uring_setup, 8, &p);
  size_t size = p.cq_off.cqes + p.cq_entries * 16 + p.sq_entries * 4;
  rings = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
  sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&name, len));
  few = all, few.rlim_cur = c + 1;
  setrlimit(RLIMIT_NOFILE, &few);
  sqe(IORING_OP_ACCEPT, s, 0, 0, 0, 1);
  GO(1);
  R(waits(s));
  setrlimit(RLIMIT_NOFILE, &all);
  sqe(IORING_OP_ACCEPT, s, 0, 0, 0, 2)->accept_flags = 1;
  GO(1);
  sqe(IORING_OP_ACCEPT, 0, 0, 0, 0, 3);
  GO(1);
  sqe(IORING_OP_ACCEPT, s, 0, 0, 0, 4)->accept_flags = SOCK_CLOEXEC;
  GO(1);
  R(fcntl(c + 1, F_GETFD));
  close(c), close(c + 1);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  getrlimit(RLIMIT_NOFILE, &all);
  int s = listener();
  room(s);
  ring(s);
  pairs();
  return 0;
}
