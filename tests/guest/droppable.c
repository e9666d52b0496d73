// MAP_DROPPABLE, huge pages that nobody reserved, cachestat of all kinds of files, home nodes, and small
// rules of sockets and keys.
#include "guest.h"
#include <linux/keyctl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/shm.h>
#include <sys/socket.h>

#define DROPPABLE (0x08 | MAP_ANONYMOUS)
static char *map(const char *what, size_t size, int flags, int fd) {
  char *at = mmap(0, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  P("%s: %s\n", what, at == MAP_FAILED ? strerror(errno) : "ok");
  return at;
}

static void vmFlags(char *at) {
  FILE *smaps = fopen("/proc/self/smaps", "r");
  char line[300];
  unsigned long start, end;
  for (int here = 0; fgets(line, sizeof line, smaps);)
    if (sscanf(line, "%lx-%lx", &start, &end) == 2) here = start == (unsigned long)at;
    else if (here && !strncmp(line, "VmFlags", 7)) P("%s", line);
  fclose(smaps);
}

static void droppable(int fd) {
  map("file", 4096, 0x08, fd);
  map("growing", 4096, DROPPABLE | MAP_GROWSDOWN, -1);
  map("locked", 4096, DROPPABLE | MAP_LOCKED, -1);
  map("shared", 4096, DROPPABLE | MAP_SHARED, -1);
  char *at = map("droppable", 8192, DROPPABLE, -1);
  R(madvise(at, 4096, MADV_KEEPONFORK));
  R(madvise(at, 4096, MADV_WIPEONFORK));
  R(madvise(at, 4096, MADV_DODUMP));
  R(mlock(at, 4096));
  *at = 5;
  INCHILD(P("%d\n", *at));
  P("%d\n", *at);
  vmFlags(at);
}

static void huge(int fd) {
  map("huge", 2 << 20, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 16 << 26, -1);
  map("huge file", 2 << 20, MAP_PRIVATE | MAP_HUGETLB, fd);
  map("huge bad fd", 2 << 20, MAP_PRIVATE | MAP_HUGETLB, -1);
}

struct range {
  unsigned long off, len;
};
static void cache(const char *what, int fd, unsigned long off, unsigned long len) {
  struct range range = {off, len};
  unsigned long stat[5] = {9};
  errno = 0;
  long r = syscall(451, fd, &range, stat, 0);
  P("%s: %s %lu\n", what, r ? strerror(errno) : "ok", stat[0]);
}

static void cachestat(int fd) {
  int pipes[2];
  pipe(pipes);
  write(fd, (char[5000]){0}, 5000);
  cache("file", fd, 0, 0);
  cache("page 1", fd, 4096, 1);
  cache("wraps", fd, 4096, -1);
  cache("past", fd, -1, 0);
  cache("path", open("/tmp", O_PATH), 0, 0);
  cache("pipe", pipes[0], 0, 0);
  cache("zero", open("/dev/zero", O_RDONLY), 0, 0);
  cache("epoll", epoll_create1(0), 0, 0);
  cache("event", eventfd(0, 0), 0, 0);
  int other = open("cachestat-other", O_CREAT | O_RDWR, 0644);
  INPROC(65534, cache("another's", open("cachestat-other", O_RDONLY), 0, 0));
  unlink("cachestat-other");
}

static void homeNode(void) {
  unsigned long node = 1;
  char *at = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(syscall(450, at, 4096, 0, 0));
  R(syscall(SYS_mbind, at, 4096, 2, &node, 64, 0));
  R(syscall(450, at, 4096, 0, 0));
  R(syscall(450, at + 4096, 4096, 0, 0));
}

static void others(void) {
  int pair[2], value = 0, none = -1;
  socklen_t size = sizeof value;
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &none, sizeof none);
  getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &value, &size);
  P("%d\n", value);
  setsockopt(pair[0], SOL_SOCKET, SO_RCVBUFFORCE, &none, sizeof none);
  getsockopt(pair[0], SOL_SOCKET, SO_RCVBUF, &value, &size);
  P("%d\n", value);

  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr head;
  } control = {.head = {CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS}};
  *(struct ucred *)CMSG_DATA(&control.head) = (struct ucred){4194303, 0, 0};
  struct iovec iov = {"x", 1};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  R(sendmsg(pair[0], &message, 0));

  syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  long ring = syscall(SYS_add_key, "keyring", "r", 0, 0, KEY_SPEC_SESSION_KEYRING);
  syscall(SYS_add_key, "user", "k", "x", 1, ring);
  char buffer[8];
  for (int n = 0; n < 9; n += 2) P("%d: %ld\n", n, syscall(SYS_keyctl, KEYCTL_READ, ring, buffer, n));
  R(shmget(IPC_PRIVATE, 4096, SHM_HUGETLB | 7 << 26 | 0600));
  R(sched_get_priority_max(7));
  R(sched_get_priority_min(7));
}

int main(void) {
  int fd = open("droppable-file", O_CREAT | O_RDWR | O_TRUNC, 0600);
  unlink("droppable-file");
  droppable(fd);
  huge(fd);
  cachestat(fd);
  homeNode();
  others();
  return 0;
}
