// Errors of unix sockets and which of two comes first: datagrams, credentials, options; and memory policies with holes.
#include "guest.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un named(const char *name) {
  struct sockaddr_un a = {AF_UNIX};
  strcpy(a.sun_path, name);
  return a;
}

static void datagrams(void) {
  static char big[1 << 20];
  struct sockaddr_un nowhere = named("/tmp/nowhere.unixedges"), short_name = {AF_UNIX};
  int one = socket(AF_UNIX, SOCK_DGRAM, 0), p[2];
  R(sendto(one, big, sizeof big, 0, (void *)&nowhere, sizeof nowhere));
  R(sendto(one, big, 1, 0, (void *)&nowhere, sizeof nowhere));
  R(sendto(one, big, sizeof big, 0, (void *)&short_name, 2));
  R(shutdown(one, SHUT_WR));
  R(sendto(one, big, 1, MSG_NOSIGNAL, (void *)&nowhere, sizeof nowhere));
  for (int type = SOCK_DGRAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_DGRAM) {
    P("type %d\n", type);
    for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
      socketpair(AF_UNIX, type, 0, p);
      R(shutdown(p[0], how));
      close(p[1]);
      R(send(p[0], big, 1, MSG_NOSIGNAL));
      R(send(p[0], big, 1, MSG_NOSIGNAL));
      R(recv(p[0], big, 1, MSG_DONTWAIT));
      close(p[0]);
    }
  }
}

static void credentials(int pid, unsigned uid, unsigned gid) {
  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
  } control = {0};
  struct iovec one = {"x", 1};
  struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  struct ucred claim = {pid, uid, gid};
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof claim);
  memcpy(CMSG_DATA(c), &claim, sizeof claim);
  int p[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  R(sendmsg(p[0], &m, 0));
  close(p[0]), close(p[1]);
}

static void options(void) {
  int p[2], value = -1;
  socklen_t n = sizeof value;
  socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  R(getsockopt(p[0], SOL_SOCKET, 48, &value, &n)); // SO_BPF_EXTENSIONS
  P("%d %d\n", value, n);
  R(setsockopt(p[0], SOL_SOCKET, 48, &value, 4));
  value = 1;
  R(setsockopt(p[0], SOL_SOCKET, 68, &value, 4)); // SO_DETACH_REUSEPORT_BPF
  R(getsockopt(p[0], SOL_SOCKET, 68, &value, &n));
  int budgets[] = {0, 5, 5, 4, 6, -1, 65536};
  for (int i = 0; i < 7; i++) R(setsockopt(p[0], SOL_SOCKET, 70, &budgets[i], 4)); // SO_BUSY_POLL_BUDGET
  INPROC(65534, for (int i = 0; i < 7; i++) R(setsockopt(p[1], SOL_SOCKET, 70, &budgets[i], 4)));
}

static void policies(void) {
  char *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(p + 4096, 8192);
  unsigned long node = 1;
  R(syscall(SYS_mbind, p, 65536, 0, 0, 0, 0));
  R(syscall(SYS_mbind, p, 65536, 2, &node, 64, 0));
  R(syscall(SYS_mbind, p + 4096, 8192, 0, 0, 0, 0));
  R(syscall(SYS_mbind, p + 4096, 12288, 0, 0, 0, 0));
  R(syscall(SYS_mbind, p, 4096, 2, &node, 64, 0));
}

int main(void) {
  datagrams();
  credentials(getpid(), 0, 0);
  credentials(getpid(), -1, 0);
  credentials(getpid(), 0, -1);
  credentials(9999999, -1, 0);
  credentials(9999999, 0, 0);
  INPROC(65534, credentials(getpid(), -1, 65534); credentials(getpid(), 0, 65534); credentials(1, 65534, 65534));
  options();
  policies();
  return 0;
}
