/* What a device's uevent file takes, and what listeners get; that of a machine of one's own only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* <linux/netlink.h>, which not every C library brings. */
enum { NETLINK_KOBJECT_UEVENT = 15, NLM_F_REQUEST = 1, NLM_F_ACK = 4 };
struct sockaddr_nl { unsigned short nl_family, pad; unsigned nl_pid, nl_groups; };
struct nlmsghdr { unsigned length; unsigned short type, flags; unsigned seq, pid; };
struct nlmsgerr { int error; struct nlmsghdr msg; };

static int sk;
static long last;

static long seqnum(void) {
  char b[32] = {0};
  int fd = open("/sys/kernel/uevent_seqnum", O_RDONLY);
  read(fd, b, 31), close(fd);
  return atol(b);
}

/* All that came, with numbers as distances. */
static void heard(void) {
  char b[4096], control[256];
  struct sockaddr_nl from;
  struct iovec iov = {b, sizeof b};
  struct msghdr h = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
  for (;;) {
    h.msg_controllen = sizeof control;
    ssize_t n = recvmsg(sk, &h, MSG_DONTWAIT);
    if (n < 0) return;
    printf(" [port %u group %u", from.nl_pid, from.nl_groups);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
      if (c->cmsg_type == SCM_CREDENTIALS) {
        struct ucred *u = (struct ucred *)CMSG_DATA(c);
        printf(" %s uid %d", u->pid == getpid() ? "from me" : u->pid ? "from another" : "from the kernel", u->uid);
      }
    for (char *p = b; p < b + n; p += strlen(p) + 1)
      if (strncmp(p, "SEQNUM=", 7)) printf(" %s", p);
      else printf(" +%ld", atol(p + 7) - last), last = atol(p + 7);
    printf("]\n");
  }
}

static void say_n(const char *device, const char *text, size_t n) {
  char path[128];
  sprintf(path, "/sys/%s/uevent", device);
  int fd = open(path, O_WRONLY);
  if (fd < 0) { printf("%s: %s\n", path, strerror(errno)); return; }
  ssize_t r = write(fd, text, n);
  printf("%s: %.60s = %zd %s\n", device, text, r, r < 0 ? strerror(errno) : "");
  close(fd);
  heard();
}

static void say(const char *text) { say_n("devices/virtual/mem/full", text, strlen(text)); }

static void tell(int type, int flags, const char *text, int length) {
  char b[4096] = {0};
  struct nlmsghdr *h = (void *)b;
  *h = (struct nlmsghdr){sizeof *h + length, type, NLM_F_REQUEST | flags, 7, 0};
  memcpy(h + 1, text, strlen(text) + 1);
  struct sockaddr_nl kernel = {AF_NETLINK};
  int own = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
  ssize_t r = sendto(own, b, h->length, 0, (void *)&kernel, sizeof kernel);
  printf("told %d bytes: %s\n", length, r == h->length ? "sent" : strerror(errno));
  struct { struct nlmsghdr h; struct nlmsgerr e; char more[4096]; } a;
  if (recv(own, &a, sizeof a, MSG_DONTWAIT) > 0) printf(" answer %d: %s\n", a.h.type, a.e.error ? strerror(-a.e.error) : "done");
  close(own);
  heard();
}

int main(void) {
  int on = 1;
  struct sockaddr_nl all = {AF_NETLINK, 0, 0, 1};
  char many[4096];
  struct stat st;
  setvbuf(stdout, 0, _IOLBF, 0);
  sk = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
  setsockopt(sk, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  bind(sk, (void *)&all, sizeof all);
  last = seqnum();
  stat("/sys/devices/virtual/mem/full/uevent", &st);
  printf("%o\n", st.st_mode);
  say("change");
  say("change\n");
  say("change\n\n");
  say_n("devices/virtual/mem/full", "change", 7);
  say("");
  say("\n");
  say("chang");
  say("Change");
  say("change ");
  say("change 0");
  say("change 0123abcd-4567-89ab-cdef-0123456789AB");
  say("bind 0123abcd-4567-89ab-cdef-0123456789ab\n");
  say("change 0123abcd-4567-89ab-cdef-0123456789ab ");
  say("change 0123abcd-4567-89ab-cdef-0123456789ab A=1 b=C");
  say("change 0123abcd-4567-89ab-cdef-0123456789ab A=1 b=");
  say("change 0123abcd-4567-89ab-cdef-0123456789ab A=1 =b");
  say("change 0123abcd-4567-89ab-cdef-0123456789ab A=1  B=2");
  say("change 0123abcd-4567-89ab-cdef-0123456789ab A_B=1");
  say("change 0123abcd-4567-89ab-cdef-0123456789abA=1");
  strcpy(many, "change 0123abcd-4567-89ab-cdef-0123456789ab");
  for (int i = 0; i < 70; i++) strcat(many, " A=1");
  say(many);
  strcpy(many, "change 0123abcd-4567-89ab-cdef-0123456789ab A=");
  memset(many + strlen(many), 'x', 2000), many[2046] = 0;
  say(many);
  say_n("devices/system/cpu", "change", 6);
  say_n("devices/system/cpu", "chang", 5);
  say_n("devices/virtual/mem/null/../full", "change", 6);
  tell(100, 0, "change@/x", 10);
  tell(100, NLM_F_ACK, "change@/x", 10);
  tell(1, NLM_F_ACK, "change@/x", 10);
  tell(100, 0, "x", 2100);
  printf("%d\n", seqnum() == last);
  setuid(1000);
  say("change");
  tell(100, 0, "change@/x", 10);
  printf("%d\n", bind(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT), (void *)&all, sizeof all));
  return 0;
}
