// What NETLINK_SOCK_DIAG tells of Unix sockets.
#include "guest.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { TCP_LISTEN_ = 10 };
static int nl, nkeep;
static struct { const char *name; unsigned ino; } keep[16];

static unsigned ino(int fd) {
  struct stat st;
  fstat(fd, &st);
  return st.st_ino;
}

static void known(const char *name, int fd) { keep[nkeep].name = name, keep[nkeep++].ino = ino(fd); }

static const char *who(unsigned number) {
  for (int i = 0; i < nkeep; i++)
    if (keep[i].ino == number) return keep[i].name;
  return number ? "another" : "none";
}

static void one(struct nlmsghdr *h) {
  struct unix_diag_msg *m = NLMSG_DATA(h);
  struct stat st;
  P(" %s family %d type %d state %d cookie %d flags %x:", who(m->udiag_ino), m->udiag_family, m->udiag_type, m->udiag_state,
    m->udiag_cookie[0] || m->udiag_cookie[1], h->nlmsg_flags);
  int left = h->nlmsg_len - NLMSG_LENGTH(sizeof *m);
  for (struct rtattr *a = (void *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    unsigned *v = RTA_DATA(a);
    int n = RTA_PAYLOAD(a);
    switch (a->rta_type) {
    case UNIX_DIAG_NAME: P(" name %d %s", n, *(char *)v ? (char *)v : (char *)v + 1); break;
    case UNIX_DIAG_VFS: stat("s", &st), P(" vfs %d %d", v[0] == st.st_ino, n); break;
    case UNIX_DIAG_PEER: P(" peer %s", who(*v)); break;
    case UNIX_DIAG_ICONS:
      P(" icons");
      for (int i = 0; i < n / 4; i++) P(" %s", who(v[i]));
      break;
    case UNIX_DIAG_RQLEN: P(" queues %u %s", v[0], m->udiag_state == TCP_LISTEN_ ? (v[1] == 3 ? "3" : "?") : v[1] ? "sent" : "0"); break;
    case UNIX_DIAG_MEMINFO: P(" meminfo %d", n); break;
    case UNIX_DIAG_SHUTDOWN: P(" shutdown %d", *(unsigned char *)v); break;
    case UNIX_DIAG_UID: P(" uid %u", *v); break;
    default: P(" attribute %d", a->rta_type);
    }
  }
  P("\n");
}

static void ask(const char *what, int type, int flags, int length, struct unix_diag_req r) {
  struct { struct nlmsghdr h; struct unix_diag_req r; } q = {{NLMSG_LENGTH(length), type, NLM_F_REQUEST | flags, 9, 0}, r};
  static char b[65536];
  struct sockaddr_nl kernel = {AF_NETLINK};
  struct nlmsghdr *found[64];
  int n, count = 0, end = 0;
  P("%s\n", what);
  sendto(nl, &q, q.h.nlmsg_len, 0, (void *)&kernel, sizeof kernel);
  while (!end && (n = recv(nl, b, sizeof b, MSG_DONTWAIT)) > 0)
    for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type == NLMSG_ERROR) P(" error %d\n", -((struct nlmsgerr *)NLMSG_DATA(h))->error), end = !(flags & NLM_F_ACK);
      else if (h->nlmsg_type == NLMSG_DONE) P(" done\n"), end = 1;
      else if (!(flags & NLM_F_DUMP)) one(h), end = !(flags & NLM_F_ACK);
      else if (count < 64) found[count++] = memcpy(malloc(h->nlmsg_len), h, h->nlmsg_len);
    }
  // The order of sockets is the kernel's own, and others have some, too.
  for (int i = 0; i < nkeep; i++)
    for (int j = 0; j < count; j++)
      if (((struct unix_diag_msg *)NLMSG_DATA(found[j]))->udiag_ino == keep[i].ino) one(found[j]);
}

static struct unix_diag_req about(unsigned number, int show) {
  return (struct unix_diag_req){.sdiag_family = AF_UNIX, .udiag_states = -1, .udiag_ino = number, .udiag_show = show,
                                .udiag_cookie = {-1, -1}};
}

/** State and flags of what /proc/net/unix lists. */
static void listed(void) {
  char line[512];
  unsigned flags, type, state, number;
  FILE *f = fopen("/proc/net/unix", "r");
  for (int i = 0; i < nkeep; i++, rewind(f))
    while (fgets(line, sizeof line, f))
      if (sscanf(line, "%*s %*x %*x %x %x %x %u", &flags, &type, &state, &number) == 4 && number == keep[i].ino)
        P("%s: flags %x type %x state %x\n", keep[i].name, flags, type, state);
  fclose(f);
}

int main(void) {
  struct sockaddr_un at = {AF_UNIX, "s"}, hidden = {AF_UNIX, "\0diag"};
  int pair[2], dgram[2], all = 0x7f;
  uint64_t cookie;
  socklen_t len = sizeof cookie;
  nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
  int fresh = socket(AF_UNIX, SOCK_STREAM, 0), l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  int d = socket(AF_UNIX, SOCK_DGRAM, 0), e = socket(AF_UNIX, SOCK_DGRAM, 0);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
  socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram);
  known("fresh", fresh), known("listener", l), known("client", c), known("receiver", d), known("sender", e);
  known("left", pair[0]), known("right", pair[1]), known("one", dgram[0]), known("two", dgram[1]);
  bind(l, (void *)&at, sizeof at);
  listen(l, 3);
  connect(c, (void *)&at, sizeof at);
  bind(d, (void *)&hidden, offsetof(struct sockaddr_un, sun_path) + 5);
  connect(e, (void *)&hidden, offsetof(struct sockaddr_un, sun_path) + 5);
  send(e, "hello", 5, 0), send(e, "you", 3, 0);
  write(pair[0], "abc", 3), write(pair[0], "de", 2);
  shutdown(pair[1], SHUT_WR);
  ask("everything", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(struct unix_diag_req), about(0, all));
  struct unix_diag_req r = about(0, 0);
  r.udiag_states = 1 << 10;
  ask("who listens", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof r, r);
  listed();
  int a = accept(l, 0, 0);
  known("accepted", a);
  ask("listener", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(ino(l), all));
  ask("accepted", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(ino(a), all));
  ask("client", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(ino(c), UDIAG_SHOW_PEER));
  close(a);
  ask("client left alone", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(ino(c), UDIAG_SHOW_PEER));
  ask("with acknowledgement", SOCK_DIAG_BY_FAMILY, NLM_F_ACK, sizeof r, about(ino(fresh), 0));
  getsockopt(fresh, SOL_SOCKET, SO_COOKIE, &cookie, &len);
  r = about(ino(fresh), UDIAG_SHOW_UID);
  r.udiag_cookie[0] = cookie, r.udiag_cookie[1] = cookie >> 32;
  ask("by cookie", SOCK_DIAG_BY_FAMILY, 0, sizeof r, r);
  r.udiag_cookie[0]++;
  ask("by another cookie", SOCK_DIAG_BY_FAMILY, 0, sizeof r, r);
  ask("by no number", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(0, 0));
  ask("by a number that no socket has", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(1, 0));
  ask("too short", SOCK_DIAG_BY_FAMILY, 0, sizeof r - 4, about(1, 0));
  ask("much too short", SOCK_DIAG_BY_FAMILY, 0, 1, about(1, 0));
  ask("destroy", SOCK_DESTROY, 0, sizeof r, about(ino(c), 0));
  ask("unknown", 22, 0, sizeof r, about(1, 0));
  r = about(1, 0);
  r.sdiag_family = 100;
  ask("no family", SOCK_DIAG_BY_FAMILY, 0, sizeof r, r);
  setuid(1000);
  ask("as another user", SOCK_DIAG_BY_FAMILY, 0, sizeof r, about(ino(d), all));
  R(bind(nl, (void *)&(struct sockaddr_nl){AF_NETLINK, 0, 0, 1}, sizeof(struct sockaddr_nl)));
  return 0;
}
