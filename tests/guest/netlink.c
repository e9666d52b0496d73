// Netlink sockets: addresses, messages between processes, groups, options, requests to the kernel, and the loopback device.
#include "guest.h"
#include <grp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr_nl nl(int pid, int groups) { return (struct sockaddr_nl){AF_NETLINK, 0, pid, groups}; }

static void names(int s) {
  struct sockaddr_nl a = {0}, b = {0};
  socklen_t n = sizeof a, m = sizeof b;
  getsockname(s, (void *)&a, &n), getpeername(s, (void *)&b, &m);
  P("  %d own %s/%x peer %s/%x\n", n, a.nl_pid == getpid() ? "pid" : a.nl_pid ? "other" : "0", a.nl_groups, b.nl_pid ? "set" : "0", b.nl_groups);
}

#define BIND(s, ...) ({ struct sockaddr_nl a_ = nl(__VA_ARGS__); R(bind(s, (void *)&a_, sizeof a_)); })
#define CONNECT(s, ...) ({ struct sockaddr_nl a_ = nl(__VA_ARGS__); R(connect(s, (void *)&a_, sizeof a_)); })
#define SEND(s, text, flags, ...) ({ struct sockaddr_nl a_ = nl(__VA_ARGS__); R(sendto(s, text, strlen(text), flags, (void *)&a_, sizeof a_)); })

static void receive(int s, int flags, int room) {
  char b[256] = {0}, c[256];
  struct sockaddr_nl from = {0};
  struct iovec v = {b, room};
  struct msghdr m = {&from, sizeof from, &v, 1, c, sizeof c};
  int n = recvmsg(s, &m, flags | MSG_DONTWAIT);
  if (n < 0) return P("  recv: errno %d\n", errno), (void)0;
  P("  recv %d '%s' from %s/%x flags %x", n, b, from.nl_pid == getpid() ? "pid" : from.nl_pid == 77 ? "77" : from.nl_pid ? "other" : "0", from.nl_groups, m.msg_flags);
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    P(" cmsg %d.%d", h->cmsg_level, h->cmsg_type);
    if (h->cmsg_level == SOL_NETLINK) P(" group %d", *(int *)CMSG_DATA(h));
    else P(" pid %d uid %d", ((int *)CMSG_DATA(h))[0] == getpid(), ((int *)CMSG_DATA(h))[1]);
  }
  P("\n");
}

static void sockets(void) {
  P("-- sockets\n");
  R(socket(AF_NETLINK, SOCK_STREAM, 0));
  R(socket(AF_NETLINK, SOCK_SEQPACKET, 0));
  R(socket(AF_NETLINK, SOCK_RAW, -1));
  R(socket(AF_NETLINK, SOCK_RAW, 32));
  R(socket(AF_NETLINK, SOCK_RAW, 31));
  int p[2], t = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK), v = 0;
  socklen_t n = 4;
  R(socketpair(AF_NETLINK, SOCK_RAW, 0, p));
  R(listen(t, 1));
  R(accept(t, 0, 0));
  R(shutdown(t, SHUT_RDWR));
  getsockopt(t, SOL_SOCKET, SO_DOMAIN, &v, &n), P("%d\n", v);
  getsockopt(t, SOL_SOCKET, SO_TYPE, &v, &n), P("%d\n", v);
  getsockopt(t, SOL_SOCKET, SO_PROTOCOL, &v, &n), P("%d\n", v);
  close(t);
}

static void addresses(void) {
  P("-- addresses\n");
  int a = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), b = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
  struct sockaddr_nl un = {AF_UNIX};
  R(bind(a, (void *)&un, sizeof un));
  R(bind(a, (void *)&un, 4));
  R(connect(a, (void *)&un, 1));
  R(connect(a, (void *)&un, sizeof un));
  names(a);
  BIND(a, 77, 0);
  BIND(a, 78, 0);
  BIND(a, 77, 5);
  names(a);
  BIND(a, 77, 4);
  names(a);
  BIND(b, 77, 0);
  BIND(b, 0, 0);
  names(b);
  CONNECT(b, 77, 0);
  names(b);
  un.nl_family = AF_UNSPEC;
  R(connect(b, (void *)&un, sizeof un));
  names(b);
  close(a), close(b);
}

static void messages(void) {
  P("-- messages\n");
  int a = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), b = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), on = 1;
  BIND(a, 77, 0);
  BIND(b, 0, 6);
  SEND(b, "hello", 0, 77, 0);
  receive(a, MSG_PEEK, 3);
  receive(a, MSG_TRUNC, 3);
  receive(a, 0, 99);
  SEND(b, "", 0, 77, 0);
  SEND(b, "oob", MSG_OOB, 77, 0);
  SEND(b, "nobody", 0, 12345678, 0);
  SEND(b, "kernel", 0, 0, 0);
  setsockopt(b, SOL_SOCKET, SO_PASSCRED, &on, 4);
  SEND(a, "cred", 0, getpid(), 0);
  receive(b, 0, 99);
  setsockopt(b, SOL_NETLINK, NETLINK_PKTINFO, &on, 4);
  SEND(a, "one", 0, 0, 1);
  SEND(a, "two", 0, 0, 2);
  SEND(a, "both", 0, getpid(), 4);
  receive(b, 0, 99), receive(b, 0, 99), receive(b, 0, 99);
  CONNECT(a, 12345678, 0);
  SEND(b, "connected", 0, 77, 0);
  R(send(a, "x", 1, 0));
  P("-- options\n");
  int groups[4] = {0}, v;
  socklen_t n = 4;
  for (int o = 1; o <= 13; o++) {
    v = o < 3 ? 9 : 1, n = 4;
    int r = setsockopt(a, SOL_NETLINK, o, &v, 4), e = errno;
    int g = getsockopt(a, SOL_NETLINK, o, o == 9 ? groups : &v, &n);
    P("%d: set %d get %d\n", o, r ? e : 0, g ? errno : 0);
  }
  v = 33;
  R(setsockopt(a, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, 4));
  R(setsockopt(a, SOL_NETLINK, NETLINK_PKTINFO, &v, 3));
  R(setsockopt(a, SOL_SOCKET + 1, 1, &v, 4));
  P("-- full\n");
  int small = 1, i;
  setsockopt(b, SOL_SOCKET, SO_RCVBUF, &small, 4);
  struct sockaddr_nl to = nl(getpid(), 0);
  for (i = 0; i < 100; i++)
    if (sendto(a, "0123456789", 10, MSG_DONTWAIT, (void *)&to, sizeof to) < 0) break;
  P("%d %d\n", i > 0 && i < 100, errno);
  receive(b, 0, 4);
  struct pollfd p = {b, POLLIN | POLLOUT};
  R(poll(&p, 1, 0));
  P("%x\n", p.revents);
  close(a), close(b);
}

static void kernel(void) {
  P("-- requests\n");
  int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  struct {
    struct nlmsghdr h;
    struct ifinfomsg i;
  } m = {0};
  static const int types[] = {0, 3, 15, RTM_GETLINK, 200, 1000};
  char buf[16384];
  for (unsigned k = 0; k < 3 * sizeof types / sizeof *types; k++) {
    m.h = (struct nlmsghdr){sizeof m, types[k / 3], k % 3 ? NLM_F_ACK | (k % 3 == 1 ? NLM_F_REQUEST : 0) : NLM_F_REQUEST, k, 0};
    m.i.ifi_index = 1;
    P("type %d flags %x: %zd\n", m.h.nlmsg_type, m.h.nlmsg_flags, send(s, &m, sizeof m, 0));
    for (int n; (n = recv(s, buf, sizeof buf, MSG_DONTWAIT)) > 0;)
      for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
        P("  type %d flags %x seq %u pid %d", h->nlmsg_type, h->nlmsg_flags, h->nlmsg_seq, h->nlmsg_pid == getpid());
        if (h->nlmsg_type == NLMSG_ERROR) P(" len %d error %d", h->nlmsg_len, *(int *)NLMSG_DATA(h));
        if (h->nlmsg_type == RTM_NEWLINK) P(" index %d", ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_index);
        P("\n");
      }
  }
  m.h = (struct nlmsghdr){sizeof m, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
  for (int index = -1; index < 100000; index += 100000) {
    m.i.ifi_index = index;
    send(s, &m, sizeof m, 0), recv(s, buf, sizeof buf, 0);
    P("%d: %d\n", index, *(int *)NLMSG_DATA(buf));
  }
  // Shorter than it says, and two in one message.
  m.h.nlmsg_len = 1000;
  send(s, &m, sizeof m, 0);
  R(recv(s, buf, sizeof buf, MSG_DONTWAIT));
  m.h = (struct nlmsghdr){16, NLMSG_NOOP, NLM_F_ACK, 1, 0};
  memcpy(buf, &m.h, 16), memcpy(buf + 16, &m.h, 16);
  send(s, buf, 32, 0);
  R(recv(s, buf, sizeof buf, MSG_DONTWAIT));
  R(recv(s, buf, sizeof buf, MSG_DONTWAIT));
}

static void unprivileged(void) {
  P("-- without CAP_NET_ADMIN\n");
  setgid(1000), setuid(1000);
  int u = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), r = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), v = 1;
  BIND(u, 0, 1);
  BIND(u, 0, 0);
  CONNECT(u, 77, 0);
  BIND(r, 0, 1);
  CONNECT(r, 77, 0);
  SEND(r, "x", 0, 77, 0);
  R(setsockopt(u, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, 4));
  R(setsockopt(r, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, 4));
  R(setsockopt(r, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &v, 4));
  struct {
    struct nlmsghdr h;
    struct ifinfomsg i;
  } m = {{32, RTM_NEWLINK, NLM_F_REQUEST, 1, 0}, {0}};
  char buf[200];
  send(r, &m, 32, 0), recv(r, buf, sizeof buf, 0);
  P("%d\n", *(int *)NLMSG_DATA(buf));
}

static void loopback(void) {
  P("-- the loopback device\n");
  int s = socket(AF_UNIX, SOCK_DGRAM, 0);
  static const struct { int cmd; const char *name; } all[] = {{SIOCGIFNAME, "NAME"}, {SIOCGIFFLAGS, "FLAGS"}, {SIOCGIFMETRIC, "METRIC"}, {SIOCGIFMTU, "MTU"}, {SIOCGIFHWADDR, "HWADDR"}, {SIOCGIFINDEX, "INDEX"}, {SIOCGIFTXQLEN, "TXQLEN"}, {0x890f, "890f"}};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
    for (int k = 0; k < 3; k++) {
      struct ifreq r = {0};
      strcpy(r.ifr_name, k ? "nowhere" : "lo");
      int e = ioctl(s, all[i].cmd, k == 2 ? (void *)8 : &r);
      P("%s %d: %d", all[i].name, k, e ? errno : 0);
      if (!e && all[i].cmd != SIOCGIFFLAGS) P(" %d", all[i].cmd == SIOCGIFHWADDR ? r.ifr_hwaddr.sa_family : r.ifr_ifindex);
      if (!e && all[i].cmd == SIOCGIFFLAGS) P(" %d", r.ifr_flags & IFF_LOOPBACK);
      P("\n");
    }
  char name[IF_NAMESIZE];
  R(if_nametoindex("lo"));
  R(if_nametoindex("nowhere"));
  R(if_indextoname(1, name) == name);
  P("%s\n", name);
  R(if_indextoname(0, name) == name);
  setgid(1000), setuid(1000);
  struct ifreq r = {"lo"};
  R(ioctl(s, SIOCSIFMTU, &r));
  R(ioctl(s, SIOCSIFFLAGS, &r));
}

int main(void) {
  sockets();
  addresses();
  messages();
  kernel();
  INCHILD(unprivileged());
  INCHILD(loopback());
  return 0;
}
