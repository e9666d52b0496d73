// Calls on every kind of descriptor: reading and writing with bad buffers, vectors and flags, seeking, reserving space,
// advice, locks and ioctls that every file answers. A line has the errno (or −result) of each variant.
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BAD ((void *)-1)
#define HOLE ((void *)0x10000)
#define E(call) (errno = 0, out((long)(call)))
static void out(long r) { P(" %ld", r < 0 ? (long)errno : -r); }
#define IOCTL(n)                                                                                   \
  do {                                                                                             \
    long zero_[8] = {0};                                                                           \
    E(ioctl(fd, n, zero_) < 0 ? -1 : 0);                                                           \
  } while (0)

static void transfers(int fd, const char *name) {
  char b[100];
  struct iovec v[] = {{b, 3}, {b + 3, 4}, {b + 7, 5}}, neg[] = {{b, 3}, {b, -1}}, bad[] = {{HOLE, 3}, {b, 3}}, none[] = {{HOLE, 0}, {b, 3}};
  P("%s read:", name);
  E(read(fd, b, 0)), E(read(fd, HOLE, 0)), E(read(fd, BAD, 10)), E(read(fd, BAD, -1)), E(read(fd, b, -1));
  E(readv(fd, v, -1)), E(readv(fd, v, 0)), E(readv(fd, v, 1025)), E(readv(fd, BAD, 1)), E(readv(fd, neg, 2));
  E(pread(fd, b, 10, 0)), E(pread(fd, b, 10, -1)), E(pread(fd, b, 10, 1000)), E(preadv(fd, none, 2, 0)), E(preadv(fd, bad, 2, 0));
  E(preadv(fd, v, 2, -1)), E(preadv(fd, v, 2, 5));
  P("\n%s write:", name);
  E(write(fd, HOLE, 0)), E(write(fd, HOLE, 10)), E(write(fd, BAD, 10)), E(writev(fd, v, -1)), E(writev(fd, v, 0)), E(writev(fd, v, 1025));
  E(writev(fd, BAD, 1)), E(writev(fd, neg, 2)), E(writev(fd, bad, 2)), E(pwrite(fd, b, 10, -1)), E(pwritev(fd, v, 2, -1));
  P("\n");
}

static void flagged(int fd, const char *name) {
  char b[16];
  struct iovec v = {b, 3};
  int flags[] = {0, 1, 0x10, 0x20, 0x30, 0x40, 1 << 30};
  P("%s preadv2, pwritev2:", name);
  for (int i = 0; i < 7; i++) {
    E(syscall(SYS_preadv2, fd, &v, 1L, 0L, 0L, flags[i]));
    E(syscall(SYS_pwritev2, fd, &v, 1L, 0L, 0L, flags[i]));
  }
  E(syscall(SYS_preadv2, fd, &v, 0L, 0L, 0L, 1 << 30)), E(syscall(SYS_preadv2, fd, &v, 1L, -2L, 0L, 0));
  P("\n");
}

static void places(int fd, const char *name) {
  long offsets[] = {0, 5, -1, -5, 1L << 40};
  P("%s lseek:", name);
  for (int o = 0; o < 5; o++)
    for (int w = 0; w < 6; w++) E((lseek(fd, 3, SEEK_SET), lseek(fd, offsets[o], w)));
  lseek(fd, 0, SEEK_SET);
  P("\n%s fallocate:", name);
  for (int mode = 0; mode < 70; mode = mode < 8 ? mode + 1 : mode * 2)
    E(fallocate(fd, mode, 0, 10)), E(fallocate(fd, mode, -1, 10)), E(fallocate(fd, mode, 4096, 0)), E(fallocate(fd, mode, 1L << 62, 1L << 62));
  P("\n%s advice:", name);
  E(sync_file_range(fd, 0, 0, 0)), E(sync_file_range(fd, -1, 0, 1)), E(sync_file_range(fd, 0, -1, 1)), E(sync_file_range(fd, 0, 10, 8));
  E(readahead(fd, 0, 10)), E(fdatasync(fd)), E(syncfs(fd));
  for (int a = 0; a < 8; a++) P(" %d", posix_fadvise(fd, 0, 0, a));
  P(" %d %d\n", posix_fadvise(fd, 0, -1, 0), posix_fadvise(fd, -1, 10, 0));
}

static void requests(int fd, const char *name, int other) {
  P("%s flock:", name);
  int locks[] = {LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, 0, 9, LOCK_SH | LOCK_EX, LOCK_NB, 32 | LOCK_SH};
  for (int i = 0; i < 8; i++) E(flock(fd, locks[i]));
  P("\n%s ioctl:", name);
  // FIBMAP, FIGETBSZ, FIOQSIZE, FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR, FIDEDUPERANGE, FIFREEZE, FITHAW, FS_IOC_FIEMAP, BLKGETSIZE64
  unsigned cmds[] = {1, 2, 0x5460, 0x80086601, 0x801c581f, 0xc0189436, 0xc0045877, 0xc0045878, 0xc020660b, 0x80081272, 0xffffffff};
  for (int i = 0; i < 11; i++) IOCTL(cmds[i]);
  E(ioctl(fd, 1, 0)), E(ioctl(fd, FIONREAD, BAD) < 0 ? -1 : 0), E(ioctl(fd, FIONBIO, BAD)), E(ioctl(fd, FIOASYNC, BAD));
  E(ioctl(fd, 0x40049409, other)), E(ioctl(fd, 0x40049409, -1)), E(ioctl(fd, TCGETS, BAD));
  short resv[24] = {0, 3};
  E(ioctl(fd, 0x40305828, resv)), E((resv[1] = 0, ioctl(fd, 0x40305828, resv))), E((resv[8] = 9, ioctl(fd, 0x40305828, resv)));
  E(ioctl(fd, 0x40305829, resv)), E(ioctl(fd, 0x40305839, resv));
  P("\n%s map:", name);
  E(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
  E(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
  E(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
  P("\n");
}

static void moves(int fd, const char *name, int other, const int *p) {
  off_t zero = 0, minus = -1;
  P("%s sendfile, splice:", name);
  E(sendfile(other, fd, &zero, 3)), E((zero = 0, sendfile(other, fd, &minus, 3))), E(sendfile(other, fd, &zero, -1));
  E((zero = 0, sendfile(fd, other, &zero, 0)));
  E(copy_file_range(fd, NULL, other, NULL, 5, 0)), E(copy_file_range(other, NULL, fd, NULL, 0, 1));
  if (fd != p[0] && fd != p[1]) {
    E((zero = 0, splice(fd, &zero, p[1], NULL, 3, SPLICE_F_NONBLOCK))), E(splice(p[0], NULL, fd, &minus, 3, SPLICE_F_NONBLOCK));
    E(tee(fd, p[1], 3, 2)), E(vmsplice(fd, &(struct iovec){&zero, 3}, 1, 2));
  }
  P("\n");
  char b[100];
  while (read(p[0], b, 100) > 0) {}
}

int main(void) {
  int p[2], s[2];
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  pipe2(p, O_NONBLOCK), socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  int all = open("f", O_CREAT | O_RDWR, 0644), other = open("g", O_CREAT | O_RDWR, 0644);
  ftruncate(other, 10);
  struct { const char *name; int fd; } fds[] = {{"none", -1}, {"closed", 99}, {"read", open("f", O_RDONLY)}, {"write", open("f", O_WRONLY)},
    {"both", all}, {"append", open("f", O_RDWR | O_APPEND)}, {"path", open("f", O_PATH)}, {"dir", open(".", O_RDONLY)},
    {"null", open("/dev/null", O_RDWR)}, {"zero", open("/dev/zero", O_RDWR)}, {"pipe0", p[0]}, {"pipe1", p[1]}, {"socket", s[0]},
    {"eventfd", eventfd(0, 0)}, {"epoll", epoll_create1(0)}, {"memfd", syscall(SYS_memfd_create, "m", 3)}, {"inotify", inotify_init()}};
  for (int i = 0; i < (int)(sizeof fds / sizeof *fds); i++) {
    int fd = fds[i].fd;
    const char *name = fds[i].name;
    ftruncate(all, 100), lseek(fd, 0, SEEK_SET);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    transfers(fd, name);
    flagged(fd, name);
    ftruncate(all, 100);
    places(fd, name);
    ftruncate(all, 100);
    requests(fd, name, other);
    moves(fd, name, other, p);
    int query = fcntl(fd, F_DUPFD, 100);
    P("%s fcntl:", name);
    E(fcntl(fd, 1027, query)), E(fcntl(fd, 1027, other)), E(fcntl(fd, 1027, -1)), E(fcntl(fd, 1028, 0)), E(fcntl(fd, F_GETFL));
    P("\n");
    close(query);
  }
  R(fcntl(open("new", O_CREAT | O_RDWR, 0600), 1028, 0));
  R(fcntl(open("new", O_CREAT | O_RDWR, 0600), 1028, 0));
  return 0;
}
