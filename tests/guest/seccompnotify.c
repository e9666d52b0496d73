// seccomp_unotify(2): listeners, their ioctls and errors, descriptors given away, waits that end otherwise.
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int install(int nr, int flags) {
  struct sock_filter f[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog p = {4, f};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}
#define LISTEN SECCOMP_FILTER_FLAG_NEW_LISTENER
#define KILLABLE (1 << 5)

static struct seccomp_notif req;
static int recv_(int l) {
  memset(&req, 0, sizeof req);
  return ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &req);
}
static int reply(int l, uint64_t id, int64_t val, int err, unsigned flags) {
  struct seccomp_notif_resp r = {id, val, err, flags};
  return ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &r);
}
static int addfd(int l, uint64_t id, unsigned flags, int src, int newfd, unsigned newflags) {
  struct seccomp_notif_addfd a = {id, flags, src, newfd, newflags};
  return ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}
static int ready(int l) {
  struct pollfd p = {l, POLLIN | POLLOUT, 0};
  return poll(&p, 1, 1000) < 0 ? -1 : p.revents;
}
static pid_t child;
#define CHILD(...)                                                                                 \
  do {                                                                                             \
    fflush(0);                                                                                     \
    if (!(child = fork())) {                                                                       \
      __VA_ARGS__;                                                                                 \
      _exit(0);                                                                                    \
    }                                                                                              \
  } while (0)
static void end(void) {
  int s;
  waitpid(child, &s, 0);
  P("child %x\n", s);
}

static void answers(int l) {
  CHILD(for (int i = 0; i < 4; i++) {
    errno = 0;
    long r = syscall(SYS_getppid, 11, 12, 13, 14, 15, 16);
    msleep(20);
    P("getppid: %ld errno %d%s\n", r == getpid() ? -2 : i == 3 ? 0 : r, errno, i == 3 && r > 0 ? " (real)" : "");
  });
  R(recv_(l));
  uint64_t id = req.id;
  P("pid %d flags %d nr %d arch %x args", req.pid == child, req.flags, req.data.nr, req.data.arch);
  for (int i = 0; i < 6; i++) P(" %lld", req.data.args[i]);
  P("\npoll %x\n", ready(l));
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
  uint64_t other = id + 1;
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &other));
  R(reply(l, other, 1, 0, 0));
  R(reply(l, id, 1, 0, 2));
  R(reply(l, id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  R(reply(l, id, 0, -1, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  R(reply(l, id, 0x1122334455667788, 0, 0));
  R(recv_(l));
  P("next id %d\n", req.id == id + 1);
  R(reply(l, req.id, 7, -EXDEV, 0));
  R(recv_(l));
  R(reply(l, req.id, 7, 42, 0));
  R(recv_(l));
  R(reply(l, req.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  end();
  R(reply(l, req.id, 0, 0, 0));
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &req.id));
}

static void errors(int l) {
  struct seccomp_notif n = {.pid = 1};
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &n));
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, 8));
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, 8));
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, 8));
  R(ioctl(l, 0x5401, &n));
  R(ioctl(l, SECCOMP_IOW(4, uint64_t), 0));
  R(ioctl(l, SECCOMP_IOW(4, uint64_t), 1));
  R(ioctl(l, SECCOMP_IOW(4, uint64_t), 2));
  R(ioctl(l, SECCOMP_IOW(4, uint64_t), 0));
  R(read(l, &n, sizeof n));
  R(lseek(l, 0, SEEK_SET));
  R(fcntl(l, F_GETFD));
  P("flags %x\n", fcntl(l, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  char link[64] = "", name[32];
  sprintf(name, "/proc/self/fd/%d", l);
  readlink(name, link, sizeof link - 1);
  P("%s\n", link);
}

static void descriptors(int l) {
  int pipes[2];
  pipe(pipes);
  struct rlimit low = {40, 40};
  CHILD({
    setrlimit(RLIMIT_NOFILE, &low);
    long fd = syscall(SYS_getppid);
    msleep(20);
    P("got %d: write %zd, %d\n", (int)fd, write(fd, "x", 1), fcntl(fd, F_GETFD));
    P("30: write %zd, %d\n", write(30, "y", 1), fcntl(30, F_GETFD));
    close(30);
    fd = syscall(SYS_getppid);
    msleep(20);
    P("second %ld\n", fd);
  });
  R(addfd(l, 1, 0, pipes[1], 0, 0));
  recv_(l);
  uint64_t id = req.id;
  R(addfd(l, id, 0, -1, 0, 0));
  R(addfd(l, id, 0, 99, 0, 0));
  R(addfd(l, id, 4, pipes[1], 0, 0));
  R(addfd(l, id, 0, pipes[1], 30, 0));
  R(addfd(l, id, 0, pipes[1], 0, O_NONBLOCK));
  R(addfd(l, id, SECCOMP_ADDFD_FLAG_SETFD, pipes[1], 40, 0));
  R(addfd(l, id, SECCOMP_ADDFD_FLAG_SETFD, pipes[1], 30, O_CLOEXEC));
  struct {
    struct seccomp_notif_addfd a;
    uint64_t more;
  } big = {{id, 0, pipes[1], 0, 0}, 1};
  R(ioctl(l, SECCOMP_IOWR(3, struct seccomp_notif_addfd) & ~(0xffff << 16) | 0xc0000000u | 32 << 16, &big));
  R(ioctl(l, 0xc0002103u | 16 << 16, &big));
  R(addfd(l, id, SECCOMP_ADDFD_FLAG_SEND, pipes[1], 0, 0) > 0);
  OK(addfd(l, id, 0, pipes[1], 0, 0));
  recv_(l);
  R(addfd(l, req.id, SECCOMP_ADDFD_FLAG_SEND | SECCOMP_ADDFD_FLAG_SETFD, pipes[1], 40, 0));
  R(reply(l, req.id, 5, 0, 0));
  end();
  char b[8];
  P("pipe has %zd\n", read(pipes[0], b, 8));
}

static void nothing(int sig) {}
static void interrupted(int flags, int restart) {
  int sv[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
  CHILD({
    struct sigaction sa = {.sa_handler = nothing, .sa_flags = restart ? SA_RESTART : 0};
    sigaction(SIGUSR1, &sa, 0);
    int l = install(SYS_getppid, LISTEN | flags);
    struct iovec io = {"x", 1};
    char room[CMSG_SPACE(4)];
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
    memcpy(CMSG_DATA(c), &l, 4);
    sendmsg(sv[0], &m, 0);
    close(l);
    close(sv[0]);
    close(sv[1]);
    errno = 0;
    long r = syscall(SYS_getppid);
    msleep(20);
    P("interrupted call: %ld errno %d\n", r, errno);
    r = syscall(SYS_getppid);
    P("without listener: %ld errno %d\n", r, errno);
  });
  char b, room[CMSG_SPACE(4)];
  struct iovec io = {&b, 1};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  recvmsg(sv[1], &m, 0);
  int l = *(int *)CMSG_DATA(CMSG_FIRSTHDR(&m));
  R(recv_(l));
  uint64_t id = req.id;
  kill(child, SIGUSR1);
  msleep(100);
  R(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
  P("poll %x\n", ready(l));
  if (restart && !flags) {
    R(recv_(l));
    P("again: another id %d\n", req.id == id + 1);
  }
  if (restart || flags) R(reply(l, req.id, 123, 0, 0));
  msleep(50);
  if (!restart && !flags) {
    recv_(l);
    kill(child, SIGKILL);
    msleep(50);
    R(reply(l, req.id, 1, 0, 0));
  } else
    close(l);
  end();
  if (!restart && !flags) {
    P("poll %x\n", ready(l));
    R(recv_(l));
    close(l);
  }
  close(sv[0]);
  close(sv[1]);
}

int main(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  R(install(SYS_getppid, LISTEN | SECCOMP_FILTER_FLAG_TSYNC));
  R(install(SYS_getppid, KILLABLE));
  INCHILD({
    struct rlimit none = {3, 3};
    setrlimit(RLIMIT_NOFILE, &none);
    R(install(SYS_getppid, LISTEN));
  });
  INCHILD({
    OK(install(SYS_getppid, LISTEN | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
    R(install(SYS_getppid, LISTEN));
    R(install(SYS_getuid, 0));
    R(getuid());
    close(3);
    R(syscall(SYS_getppid));
    OK(install(SYS_getgid, LISTEN));
  });
  interrupted(0, 0);
  interrupted(0, 1);
  interrupted(KILLABLE, 0);
  interrupted(KILLABLE, 1);
  int l = install(SYS_getppid, LISTEN);
  errors(l);
  answers(l);
  descriptors(l);
  int ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN};
  R(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
  CHILD(close(l), syscall(SYS_getppid));
  R(epoll_wait(ep, &e, 1, 1000));
  P("events %x\n", e.events);
  recv_(l);
  // The last listener goes while the call waits.
  close(l);
  end();
}
