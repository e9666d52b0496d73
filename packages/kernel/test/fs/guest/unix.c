#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define T(e) do { errno = 0; long r_ = (long)(e); printf("%s = %ld %s\n", #e, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static int sendfd(int s, int fd, const char *text) {
  struct iovec iov = {(void *)text, strlen(text)};
  char buf[CMSG_SPACE(sizeof(int))] = {0};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  return sendmsg(s, &m, 0);
}

static int recvfd(int s, int *fd, int flags) {
  char data[64]; struct iovec iov = {data, sizeof data};
  char buf[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf};
  int n = recvmsg(s, &m, flags);
  *fd = -1;
  if (n < 0) return n;
  printf("  flags %x", m.msg_flags & ~MSG_CMSG_CLOEXEC);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    printf(" cmsg %d", c->cmsg_type);
    if (c->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred u; memcpy(&u, CMSG_DATA(c), sizeof u);
      printf(" mine %d uid %d", u.pid == getpid() || u.pid == getppid(), u.uid);
    }
  }
  printf("\n");
  return n;
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  int s[2], a, b; char buf[300000];
  T(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  T(write(s[0], "hello", 5)); T(write(s[0], "world", 5));
  T(ioctl(s[1], FIONREAD, &a)); printf("%d\n", a);
  T(recv(s[1], buf, 3, MSG_PEEK)); T(read(s[1], buf, 100)); printf("%.10s\n", buf);
  T(recv(s[1], buf, 10, MSG_DONTWAIT));
  T(shutdown(s[0], SHUT_WR)); T(read(s[1], buf, 10)); T(write(s[1], "x", 1)); T(read(s[0], buf, 5));
  signal(SIGPIPE, SIG_IGN);
  T(write(s[0], "x", 1));
  close(s[1]); T(read(s[0], buf, 5));
  struct pollfd p = {s[0], POLLIN | POLLOUT | POLLRDHUP, 0}; T(poll(&p, 1, 0)); printf("%x\n", p.revents);
  close(s[0]);

  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  write(s[0], "abc", 3); close(s[1]);
  T(read(s[0], buf, 5)); T(read(s[0], buf, 5)); close(s[0]);

  // passing descriptors
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  int f = open("/tmp/unix.file", O_RDWR | O_CREAT | O_TRUNC, 0600); write(f, "content", 7);
  T(sendfd(s[0], f, "one")); T(sendfd(s[0], f, "two")); write(s[0], "three", 5); close(f);
  T(recvfd(s[1], &a, 0)); T(recvfd(s[1], &b, MSG_CMSG_CLOEXEC));
  T(fcntl(a, F_GETFD)); T(fcntl(b, F_GETFD)); T(lseek(a, 0, SEEK_SET)); T(read(b, buf, 20)); close(a); close(b);
  T(recvfd(s[1], &a, 0));
  int on = 1; T(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  write(s[0], "cred", 4); T(recvfd(s[1], &a, 0));
  struct ucred u; socklen_t ul = sizeof u; T(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &ul)); printf("%d %d\n", u.pid == getpid(), u.uid);
  T(sendfd(s[0], s[0], "self")); T(sendfd(s[0], s[1], "other")); close(s[0]); close(s[1]);

  // bind, listen, accept
  struct sockaddr_un un = {.sun_family = AF_UNIX}; strcpy(un.sun_path, "/tmp/unix.sock"); unlink(un.sun_path);
  int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  T(listen(l, 1)); T(bind(l, (void *)&un, sizeof un)); T(bind(l, (void *)&un, sizeof un));
  int l2 = socket(AF_UNIX, SOCK_STREAM, 0); T(bind(l2, (void *)&un, sizeof un));
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  T(connect(c, (void *)&un, sizeof un)); T(listen(l, 1)); T(connect(c, (void *)&un, sizeof un)); T(connect(c, (void *)&un, sizeof un));
  struct sockaddr_un who; socklen_t wl = sizeof who; int d;
  T((d = accept(l, (void *)&who, &wl)) >= 0); printf("%d %d\n", wl, who.sun_family);
  wl = sizeof who; T(getpeername(c, (void *)&who, &wl)); printf("%d %s\n", wl, who.sun_path);
  wl = sizeof who; T(getsockname(c, (void *)&who, &wl)); printf("%d\n", wl);
  T(write(c, "ping", 4)); T(read(d, buf, 10)); 
  int c2 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c3 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c4 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  T(connect(c2, (void *)&un, sizeof un)); T(connect(c3, (void *)&un, sizeof un)); T(connect(c4, (void *)&un, sizeof un));
  T(write(c2, "queued", 6)); close(l); T(read(c2, buf, 10)); T(write(c2, "x", 1));
  T(connect(c4, (void *)&un, sizeof un)); unlink(un.sun_path); T(connect(c4, (void *)&un, sizeof un));
  int dg = socket(AF_UNIX, SOCK_DGRAM, 0); un.sun_path[0] = 0; strcpy(un.sun_path + 1, "abstract");
  socklen_t al = offsetof(struct sockaddr_un, sun_path) + 9;
  T(bind(dg, (void *)&un, al)); int dg2 = socket(AF_UNIX, SOCK_DGRAM, 0);
  T(sendto(dg2, "datagram", 8, 0, (void *)&un, al)); T(send(dg2, "x", 1, 0)); T(connect(dg2, (void *)&un, al)); T(send(dg2, "second", 6, 0));
  wl = sizeof who; T(recvfrom(dg, buf, 4, MSG_TRUNC, (void *)&who, &wl)); printf("%d\n", wl);
  T(recv(dg, buf, 100, 0)); T(recv(dg, buf, 100, MSG_DONTWAIT));
  int n = 0; while (send(dg2, "q", 1, MSG_DONTWAIT) == 1) n++; printf("%d %s\n", n, strerror(errno));
  close(dg); T(send(dg2, "x", 1, 0)); T(send(dg2, "x", 1, 0));
  T(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s)); T(send(s[0], "packet", 6, 0)); T(send(s[0], "pack2", 5, 0)); T(recv(s[1], buf, 3, 0)); T(recv(s[1], buf, 30, 0)); close(s[0]); T(recv(s[1], buf, 3, 0));
  T(socket(AF_UNIX, SOCK_RDM, 0)); T(socket(AF_UNIX, SOCK_STREAM, 7)); T(socket(99, SOCK_STREAM, 0)); T(socket(AF_UNIX, 77, 0));
  // blocking across processes with a lot of data
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  if (fork() == 0) { close(s[0]); memset(buf, 'z', sizeof buf); long t = 0, r; for (int i = 0; i < 5; i++) { r = write(s[1], buf, sizeof buf); t += r; } printf("wrote %ld\n", t); _exit(0); }
  close(s[1]); long t = 0, r; while ((r = read(s[0], buf, 7777)) > 0) t += r; wait(0); printf("read %ld\n", t);
  struct timeval tv = {0, 20000}; socketpair(AF_UNIX, SOCK_STREAM, 0, s); T(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv)); T(read(s[0], buf, 1));
  return 0;
}
