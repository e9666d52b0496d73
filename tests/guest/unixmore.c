// Unix sockets: what is read together, SO_PEEK_OFF, who is at the other end, many messages in one call.
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
#define SCM_PIDFD 4

static int s[2];

static void pair(int type) { socketpair(AF_UNIX, type, 0, s); }
static void done(void) {
  close(s[0]);
  close(s[1]);
}

static void tell(const char *what, long r, const char *b) {
  P("%s %ld", what, r);
  if (r < 0) P(" errno %d", errno);
  else if (b && r > 0) P(" '%.*s'", (int)r, b);
  P("\n");
}

static void rx(int flags, size_t n) {
  char b[64];
  long r = recv(s[1], b, n, flags);
  tell(flags & MSG_PEEK ? " peek" : " recv", r, b);
}

static long sendfd(const char *text, int fd) {
  char c[CMSG_SPACE(4)] = {0};
  struct iovec iov = {(char *)text, strlen(text)};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET;
  h->cmsg_type = SCM_RIGHTS;
  h->cmsg_len = CMSG_LEN(4);
  memcpy(CMSG_DATA(h), &fd, 4);
  return sendmsg(s[0], &m, 0);
}

static void rxmsg(size_t n, int flags, size_t room) {
  char c[256], b[64];
  struct iovec iov = {b, n};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = room};
  long r = recvmsg(s[1], &m, flags | MSG_DONTWAIT);
  tell(" recvmsg", r, b);
  if (r < 0) return;
  if (m.msg_flags) P("  flags %x\n", m.msg_flags);
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    P("  cmsg %d %d length %d", h->cmsg_level, h->cmsg_type, (int)h->cmsg_len);
    int *v = (int *)CMSG_DATA(h);
    if (h->cmsg_type == SCM_CREDENTIALS) P(" own %d uid %d", v[0] == getpid(), v[1]);
    if (h->cmsg_type == SCM_PIDFD && v[0] >= 0)
      P(" signal %ld cloexec %d", syscall(SYS_pidfd_send_signal, v[0], 0, 0, 0), fcntl(v[0], F_GETFD));
    if (h->cmsg_type != SCM_CREDENTIALS && v[0] >= 0) close(v[0]);
    P("\n");
  }
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_alarm(int sig) {}

int main(void) {
  char b[64];
  int on = 1, off = 0;

  P("nothing sent\n");
  pair(SOCK_STREAM);
  tell("send", send(s[0], "", 0, 0), 0);
  rx(MSG_DONTWAIT, 10);
  rx(MSG_DONTWAIT, 0);
  tell("read", read(s[1], b, 0), 0);
  send(s[0], "x", 1, 0);
  rx(MSG_DONTWAIT, 0);
  close(s[1]);
  tell("send", send(s[0], "", 0, MSG_NOSIGNAL), 0);
  tell("send", send(s[0], "x", 1, MSG_NOSIGNAL), 0);
  shutdown(s[0], SHUT_WR);
  tell("send", send(s[0], "", 0, MSG_NOSIGNAL), 0);
  close(s[0]);

  P("descriptors end what one call reads\n");
  pair(SOCK_STREAM);
  send(s[0], "ab", 2, 0);
  sendfd("cd", 1);
  send(s[0], "ef", 2, 0);
  sendfd("gh", 1);
  rxmsg(3, MSG_PEEK, 256);
  rxmsg(10, MSG_PEEK, 256);
  rxmsg(3, 0, 256);
  rxmsg(10, 0, 256);
  rxmsg(10, 0, 256);
  rxmsg(10, 0, 256);
  sendfd("no room", 1);
  rxmsg(10, 0, 10);
  done();

  P("all of more than the buffer holds\n");
  pair(SOCK_STREAM);
  int small = 4096;
  setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  static char big[300000], got[300000];
  for (int i = 0; i < sizeof big; i++) big[i] = i * 7;
  if (fork() == 0) {
    close(s[1]);
    send(s[0], big, sizeof big - 10, 0);
    msleep(20);
    send(s[0], big + sizeof big - 10, 10, 0);
    send(s[0], "tail", 4, 0);
    _exit(0);
  }
  close(s[0]);
  long n = recv(s[1], got, sizeof got, MSG_WAITALL);
  P("%ld same %d\n", n, !memcmp(big, got, sizeof got));
  rx(MSG_WAITALL, 10);
  wait(0);
  close(s[1]);
  pair(SOCK_STREAM);
  struct timeval tv = {0, 30000};
  setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  send(s[0], "abc", 3, 0);
  rx(MSG_WAITALL, 10);
  rx(0, 10);
  send(s[0], "abc", 3, 0);
  rx(MSG_WAITALL | MSG_PEEK, 10);
  rx(MSG_WAITALL | MSG_DONTWAIT, 10);
  int low = 5;
  setsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
  send(s[0], "abc", 3, 0);
  struct pollfd p = {s[1], POLLIN, 0};
  P("poll %d\n", poll(&p, 1, 0));
  rx(0, 10);
  signal(SIGALRM, on_alarm);
  siginterrupt(SIGALRM, 1);
  struct itimerval it = {{0, 50000}, {0, 50000}}, stop = {0};
  tv.tv_sec = 5;
  setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  send(s[0], "abc", 3, 0);
  setitimer(ITIMER_REAL, &it, 0);
  rx(0, 10);
  setitimer(ITIMER_REAL, &stop, 0);
  rx(MSG_DONTWAIT, 10);
  done();

  P("peek offset\n");
  for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += type == SOCK_DGRAM ? 3 : 1) {
    P("type %d\n", type);
    pair(type);
    socklen_t l = sizeof off;
    R(getsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, &l));
    P("%d\n", off);
    off = 1;
    R(setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off));
    send(s[0], "abc", 3, 0);
    send(s[0], "defg", 4, 0);
    send(s[0], "hi", 2, 0);
    for (int i = 0; i < 6; i++) {
      rx(MSG_PEEK | MSG_DONTWAIT | (i & 1 ? MSG_TRUNC : 0), i == 2 ? 1 : 3);
      getsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, &l);
      P("  offset %d\n", off);
    }
    rx(MSG_DONTWAIT, 2);
    getsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, &l);
    P("  offset %d\n", off);
    rx(MSG_PEEK | MSG_DONTWAIT, 10);
    rx(MSG_DONTWAIT, 10);
    getsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, &l);
    P("  offset %d\n", off);
    done();
  }

  P("who sends\n");
  pair(SOCK_STREAM);
  R(setsockopt(s[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on));
  send(s[0], "ab", 2, 0);
  rxmsg(10, 0, 256);
  R(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  send(s[0], "ab", 2, 0);
  sendfd("cd", 1);
  rxmsg(3, 0, 256);
  rxmsg(3, 0, 256);
  send(s[0], "ab", 2, 0);
  rxmsg(10, 0, 36);
  pid_t child = fork();
  if (child == 0) {
    send(s[0], "child", 5, 0);
    _exit(0);
  }
  msleep(20);
  send(s[0], "parent", 6, 0);
  rxmsg(20, 0, 256);
  rxmsg(20, 0, 256);
  wait(0);
  int pidfd = -1;
  socklen_t l = sizeof pidfd;
  R(getsockopt(s[1], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &l));
  P("signal %ld\n", syscall(SYS_pidfd_send_signal, pidfd, 0, 0, 0));
  done();
  int alone = socket(AF_UNIX, SOCK_STREAM, 0);
  R(getsockopt(alone, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &l));
  struct sockaddr_un at = {AF_UNIX, "\0unixmore"};
  R(bind(alone, (void *)&at, 11));
  R(setsockopt(alone, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  R(listen(alone, 1));
  s[0] = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(s[0], (void *)&at, 11));
  s[1] = accept(alone, 0, 0);
  send(s[0], "x", 1, 0);
  rxmsg(10, 0, 256);
  done();

  P("many messages\n");
  pair(SOCK_DGRAM);
  struct mmsghdr mm[4] = {0};
  struct iovec iov[4];
  char bufs[4][8];
  for (int i = 0; i < 4; i++) {
    iov[i] = (struct iovec){bufs[i], 8};
    mm[i].msg_hdr.msg_iov = &iov[i];
    mm[i].msg_hdr.msg_iovlen = 1;
  }
  send(s[0], "1", 1, 0);
  send(s[0], "22", 2, 0);
  struct timespec ts = {0, 500000000};
  R(recvmmsg(s[1], mm, 4, MSG_WAITFORONE, &ts));
  P("%d %d left %d\n", mm[0].msg_len, mm[1].msg_len, ts.tv_sec == 0 && ts.tv_nsec > 0 && ts.tv_nsec < 500000000);
  if (fork() == 0) {
    for (int i = 0; i < 4; i++) {
      msleep(20);
      send(s[0], "333", i + 1, 0);
    }
    _exit(0);
  }
  R(recvmmsg(s[1], mm, 4, 0, 0)); // waits for all of them
  P("%d %d\n", mm[0].msg_len, mm[3].msg_len);
  wait(0);
  if (fork() == 0) {
    for (int i = 0; i < 4; i++) {
      msleep(200);
      send(s[0], "333", i + 1, 0);
    }
    _exit(0);
  }
  ts = (struct timespec){0, 300000000};
  R(recvmmsg(s[1], mm, 4, 0, &ts)); // the time is over after the second
  P("left %ld %ld\n", (long)ts.tv_sec, ts.tv_nsec);
  wait(0);
  R(recvmmsg(s[1], mm, 4, MSG_DONTWAIT, 0));
  R(recvmmsg(s[1], mm, 4, MSG_DONTWAIT, 0));
  ts.tv_nsec = -1;
  R(recvmmsg(s[1], mm, 4, MSG_DONTWAIT, &ts));
  send(s[0], "1", 1, 0);
  setitimer(ITIMER_REAL, &it, 0);
  R(recvmmsg(s[1], mm, 4, 0, 0)); // a signal after the first
  setitimer(ITIMER_REAL, &stop, 0);
  for (int i = 0; i < 4; i++) iov[i].iov_len = 3;
  R(sendmmsg(s[0], mm, 4, MSG_DONTWAIT));
  P("%d\n", mm[3].msg_len);
  iov[1].iov_base = (void *)8;
  R(sendmmsg(s[0], mm, 4, MSG_DONTWAIT));
  R(sendmmsg(s[0], mm + 1, 3, MSG_DONTWAIT));
  R(sendmmsg(s[0], mm, 0, 0));
  return 0;
}
