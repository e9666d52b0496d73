// Where a socket is bound, and what is known of the other end: SIOCUNIXFILE, busy mounts, modes, /proc/net/unix, SO_PEERGROUPS,
// control messages at the end of a stream.
#include "guest.h"
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#define SIOCUNIXFILE 0x89e0

static int bound(int type, const char *path) {
  struct sockaddr_un a = {AF_UNIX};
  strcpy(a.sun_path, path);
  int s = socket(AF_UNIX, type, 0);
  R(bind(s, (void *)&a, sizeof a));
  return s;
}

static int join(int s, const char *path) {
  struct sockaddr_un a = {AF_UNIX};
  strcpy(a.sun_path, path);
  return connect(s, (void *)&a, sizeof a);
}

static void where(int s) {
  errno = 0;
  int fd = ioctl(s, SIOCUNIXFILE, 0);
  if (fd < 0) {
    P("SIOCUNIXFILE: errno %d\n", errno);
    return;
  }
  char link[64], path[300];
  sprintf(link, "/proc/self/fd/%d", fd);
  int n = readlink(link, path, 299);
  path[n < 0 ? 0 : n] = 0;
  P("SIOCUNIXFILE: %s flags %x %x\n", strstr(path, "m/"), fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
  close(fd);
}

static void table(const char *name) {
  char line[400], path[200];
  FILE *f = fopen("/proc/net/unix", "r");
  while (fgets(line, sizeof line, f)) {
    unsigned refs, protocol, flags, type, state, ino;
    if (sscanf(line, "%*[^:]: %x %x %x %x %x %u %199s", &refs, &protocol, &flags, &type, &state, &ino, path) == 7 && !strcmp(path, name))
      P("%s: refs %u protocol %u flags %x type %u state %u inode %d\n", path, refs, protocol, flags, type, state, ino != 0);
  }
  fclose(f);
}

static void end(int type, int option, int control) {
  int s[2], on = 1;
  socketpair(AF_UNIX, type, 0, s);
  if (option) R(setsockopt(s[0], SOL_SOCKET, option, &on, 4));
  close(s[1]);
  char b[16], ctl[64];
  struct iovec v = {b, 16};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  if (control) m.msg_control = ctl, m.msg_controllen = sizeof ctl;
  int n = recvmsg(s[0], &m, 0);
  P("end of type %d, option %d: %d flags %x control %d\n", type, option, n, m.msg_flags, (int)m.msg_controllen);
  if (control && m.msg_controllen > 0) {
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int *d = (int *)CMSG_DATA(c);
    P("  %d %d: %d %d %d\n", c->cmsg_level, c->cmsg_type, d[0], d[1], d[2]);
  }
  close(s[0]);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  umask(022);
  mkdir("m", 0755);
  R(mount("t", "m", "tmpfs", 0, "mode=755"));
  int s = bound(SOCK_STREAM, "m/a"), fresh = socket(AF_UNIX, SOCK_STREAM, 0);
  where(s);
  where(fresh);
  INPROC(1000, where(s));
  R(umount("m"));
  R(unlink("m/a"));
  where(s);
  R(umount("m"));
  close(s);
  R(umount("m"));
  R(mount("t", "m", "tmpfs", 0, "mode=755"));

  P("-- accepted\n");
  s = bound(SOCK_STREAM, "m/b");
  R(listen(s, 5));
  int c = socket(AF_UNIX, SOCK_STREAM, 0), on = 1, len;
  R(join(c, "m/b"));
  table("m/b");
  int a = accept(s, 0, 0);
  table("m/b");
  close(s);
  where(a);
  where(c);
  R(umount("m"));
  close(a);
  close(c);
  R(umount("m"));

  P("-- modes\n");
  for (int u = 0; u <= 077; u += 077) {
    umask(u);
    s = socket(AF_UNIX, SOCK_DGRAM, 0);
    R(fchmod(s, 0754));
    R(fchown(s, 7, 8));
    struct sockaddr_un at = {AF_UNIX, "named"};
    R(bind(s, (void *)&at, sizeof at));
    struct stat st;
    stat("named", &st);
    P("%o %d %d\n", st.st_mode, st.st_uid, st.st_gid);
    unlink("named");
    close(s);
  }

  P("-- the other end\n");
  gid_t groups[8];
  s = bound(SOCK_DGRAM, "dgram");
  c = socket(AF_UNIX, SOCK_DGRAM, 0);
  R(join(c, "dgram"));
  len = sizeof groups;
  R(getsockopt(c, SOL_SOCKET, SO_PEERGROUPS, groups, (socklen_t *)&len));
  len = sizeof groups;
  R(getsockopt(fresh, SOL_SOCKET, SO_PEERGROUPS, groups, (socklen_t *)&len));
  close(s), close(c), unlink("dgram");

  P("-- control messages\n");
  for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_STREAM)
    for (int control = 0; control < 2; control++) {
      end(type, 0, control);
      end(type, SO_PASSCRED, control);
      end(type, SO_PASSSEC, control);
      end(type, SO_PASSPIDFD, control);
    }
  int p[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  struct iovec v = {"x", 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_controllen = 100};
  R(syscall(SYS_sendmsg, p[0], &m, 0));
  static struct cmsghdr big[9000];
  const int sizes[] = {81921, 131071, 131072};
  for (int i = 0; i < 3; i++) {
    big->cmsg_len = m.msg_controllen = sizes[i];
    big->cmsg_level = SOL_SOCKET + 5;
    m.msg_control = big;
    R(syscall(SYS_sendmsg, p[0], &m, 0));
  }

  P("-- options\n");
  for (int option = 50; option <= 52; option++) {
    R(setsockopt(p[0], SOL_SOCKET, option, &on, 2));
    R(getsockopt(p[0], SOL_SOCKET, option, &on, (socklen_t *)&len));
  }
  long far[2] = {4294967295, 0};
  R(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, far, 16));
  far[0] = 0, len = 16;
  R(getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, far, (socklen_t *)&len));
  P("%ld %ld\n", far[0], far[1]);
  far[0] = LONG_MAX, far[1] = 0;
  R(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, far, 16));
  R(getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, far, (socklen_t *)&len));
  P("%ld %ld\n", far[0], far[1]);

  P("-- by which ids\n");
  INCHILD({
    int pair[2], on = 1;
    struct ucred who = {0};
    len = sizeof who;
    R(setresgid(11, 12, 13));
    R(setresuid(21, 22, 23));
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    R(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, (socklen_t *)&len));
    P("%d %d\n", who.uid, who.gid);
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, 4);
    (void)!write(pair[1], "x", 1);
    char b[4], ctl[64];
    struct iovec v = {b, 4};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
    R(recvmsg(pair[0], &m, 0));
    memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof who);
    P("%d %d\n", who.uid, who.gid);
  });
  P("-- descriptors on the way\n");
  INPROC(1234, {
    struct rlimit limit = {20, 20};
    int pair[2], n = 0;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 3; fd < 20; fd++) close(fd);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct {
      struct cmsghdr head;
      int fds[4];
    } c = {{.cmsg_len = CMSG_LEN(12), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}, {0, 1, 2}};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_LEN(12)};
    while (n < 100 && syscall(SYS_sendmsg, pair[0], &m, MSG_DONTWAIT) == 1) n++;
    P("%d messages, errno %d\n", n, errno);
  });
  return 0;
}
