#include "guest.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
static struct sockaddr_un addr(const char *n) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strcpy(a.sun_path, n);
  return a;
}
static int sendfd(int s, int fd, const char *t) {
  struct iovec v = {(void *)t, strlen(t)};
  char c[CMSG_SPACE(sizeof(int))] = {0};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET;
  h->cmsg_type = SCM_RIGHTS;
  h->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(h), &fd, sizeof fd);
  return sendmsg(s, &m, 0);
}
static int recvfd(int s, int *flags) {
  char b[100], c[200];
  struct iovec v = {b, 100};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
  int n = recvmsg(s, &m, *flags);
  *flags = m.msg_flags;
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  printf("recvmsg %d flags %x%s", n, m.msg_flags, h ? "" : " no control");
  int fd = -1;
  for (; h; h = CMSG_NXTHDR(&m, h)) {
    printf(" cmsg level %d type %d len %zu", h->cmsg_level, h->cmsg_type, h->cmsg_len);
    if (h->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(h), sizeof fd);
  }
  puts("");
  return fd;
}
static void protoname(int type) {
  char b[100] = "";
  int s = socket(AF_UNIX, type, 0);
  R(fgetxattr(s, "system.sockprotoname", b, sizeof b));
  P("%s\n", b);
  R(fgetxattr(s, "system.sockprotoname", b, 3));
  R(fgetxattr(s, "system.sockprotoname", 0, 0));
  R(flistxattr(s, b, sizeof b));
  P("%s\n", b);
  R(fsetxattr(s, "system.sockprotoname", "x", 1, 0));
  R(fgetxattr(s, "user.x", b, 9));
  R(fgetxattr(s, "system.x", b, 9));
  close(s);
}

int main(void) {
  int s[2];
  char b[300000];
  memset(b, 's', sizeof b);
  R(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  R(write(s[0], "hello", 5));
  R(recv(s[1], b, 3, MSG_PEEK));
  R(read(s[1], b, 100));
  R(recv(s[1], b, 10, MSG_DONTWAIT));
  int n;
  write(s[0], "abc", 3);
  ioctl(s[1], FIONREAD, &n);
  R(n);
  R(recv(s[1], b, 2, 0));
  R(shutdown(s[0], SHUT_WR));
  R(read(s[1], b, 10));
  R(read(s[1], b, 10));
  signal(SIGPIPE, SIG_IGN);
  R(write(s[0], "x", 1));
  R(send(s[0], "x", 1, MSG_NOSIGNAL));
  R(write(s[1], "back", 4));
  R(read(s[0], b, 10));
  struct pollfd pf = {s[1], POLLIN | POLLOUT | POLLRDHUP, 0};
  R(poll(&pf, 1, 0));
  R(pf.revents);
  close(s[0]);
  R(poll(&pf, 1, 0));
  R(pf.revents);
  R(write(s[1], "x", 1));
  close(s[1]);
  socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
  write(s[0], "one", 3);
  write(s[0], "second", 6);
  write(s[0], "", 0);
  R(read(s[1], b, 2));
  R(recv(s[1], b, 2, MSG_TRUNC));
  R(read(s[1], b, 10));
  R(send(s[0], b, 300000, 0));
  close(s[0]);
  R(recv(s[1], b, 1, MSG_DONTWAIT));
  close(s[1]);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
  write(s[0], "packet1", 7);
  write(s[0], "p2", 2);
  R(read(s[1], b, 4));
  R(read(s[1], b, 10));
  close(s[0]);
  R(read(s[1], b, 10));
  close(s[1]);
  int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un a = addr("sock"), o;
  R(connect(l, (void *)&a, sizeof a));
  R(bind(l, (void *)&a, sizeof a));
  R(bind(l, (void *)&a, sizeof a));
  int l2 = socket(AF_UNIX, SOCK_STREAM, 0);
  R(bind(l2, (void *)&a, sizeof a));
  R(connect(l2, (void *)&a, sizeof a));
  R(accept(l, 0, 0));
  R(listen(l, 1));
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&a, sizeof a));
  R(connect(c, (void *)&a, sizeof a));
  socklen_t len = sizeof o;
  int k = accept4(l, (void *)&o, &len, SOCK_NONBLOCK);
  R(k > 0);
  R(len);
  R(read(k, b, 1));
  len = sizeof o;
  R(getpeername(c, (void *)&o, &len));
  puts(o.sun_path);
  len = sizeof o;
  R(getsockname(l, (void *)&o, &len));
  R(len);
  struct stat st;
  stat("sock", &st);
  R(S_ISSOCK(st.st_mode));
  R(open("sock", O_RDWR));
  struct ucred uc;
  len = sizeof uc;
  R(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &uc, &len));
  R(uc.pid == getpid());
  R(uc.uid);
  int v;
  len = 4;
  R(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &len));
  R(v);
  len = 4;
  getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
  R(v);
  len = 4;
  R(getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len));
  R(getsockopt(c, SOL_SOCKET, 9999, &v, &len));
  R(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &len));
  R(sendfd(c, 1, "fd"));
  int fl = 0;
  int got = recvfd(k, &fl);
  R(got > 2);
  dprintf(got, "written through the passed descriptor\n");
  close(got);
  fl = MSG_CMSG_CLOEXEC;
  sendfd(c, 1, "f");
  got = recvfd(k, &fl);
  R(fcntl(got, F_GETFD));
  R(sendfd(c, 99, "x"));
  v = 1;
  R(setsockopt(k, SOL_SOCKET, SO_PASSCRED, &v, 4));
  write(c, "q", 1);
  fl = 0;
  recvfd(k, &fl);
  R(unlink("sock"));
  R(close(l));
  int c2 = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c2, (void *)&a, sizeof a));
  close(c);
  R(read(k, b, 1));
  int pp[2];
  pipe(pp);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  sendfd(s[0], pp[1], "w");
  close(pp[1]);
  close(s[0]);
  close(s[1]);
  R(read(pp[0], b, 1));
  struct sockaddr_un ab = {.sun_family = AF_UNIX};
  memcpy(ab.sun_path, "\0abstract", 9);
  socklen_t al = offsetof(struct sockaddr_un, sun_path) + 9;
  int d = socket(AF_UNIX, SOCK_DGRAM, 0), e = socket(AF_UNIX, SOCK_DGRAM, 0);
  R(bind(d, (void *)&ab, al));
  R(bind(e, (void *)&ab, al));
  R(sendto(e, "dg", 2, 0, (void *)&ab, al));
  len = sizeof o;
  R(recvfrom(d, b, 10, 0, (void *)&o, &len));
  R(len);
  struct sockaddr_un au = {.sun_family = AF_UNIX};
  R(bind(e, (void *)&au, 2));
  len = sizeof o;
  R(getsockname(e, (void *)&o, &len));
  R(len);
  R(connect(e, (void *)&ab, al));
  R(send(e, "x", 1, 0));
  R(send(d, "x", 1, 0));
  R(listen(d, 1));
  close(d);
  R(send(e, "x", 1, 0));
  R(socket(AF_UNIX, 99, 0));
  R(socket(AF_UNIX, SOCK_STREAM, 5));
  R(socket(999, SOCK_STREAM, 0));
  struct sockaddr_un in = {.sun_family = AF_INET};
  R(bind(c2, (void *)&in, sizeof in));
  R(bind(c2, (void *)&a, 1));
  R(bind(99, (void *)&a, sizeof a));
  R(bind(0, (void *)&a, sizeof a));
  struct timeval tv = {0, 20000};
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  R(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  R(recv(s[0], b, 1, 0));
  if (!fork()) {
    close(s[0]);
    long t = 0;
    while ((n = read(s[1], b, 4096)) > 0) t += n;
    printf("child read %ld\n", t);
    fflush(stdout);
    _exit(0);
  }
  close(s[1]);
  for (int i = 0; i < 20; i++) (void)!write(s[0], b, 30000);
  close(s[0]);
  wait(0);
  protoname(SOCK_STREAM);
  protoname(SOCK_DGRAM);
  protoname(SOCK_SEQPACKET);
  return 0;
}
