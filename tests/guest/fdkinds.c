// What each kind of open file answers to calls that are not its own, and which pairs of them can be spliced.
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#ifndef FIOQSIZE
#define FIOQSIZE 0x5460
#endif

static int temporary(int flags) {
  int fd = open("kind", flags | O_CREAT, 0600);
  if (write(fd, "hello world", 11) == 11) lseek(fd, 0, SEEK_SET);
  unlink("kind");
  return fd;
}
static int opath(void) {
  close(creat("kind", 0600));
  int fd = open("kind", O_PATH);
  unlink("kind");
  return fd;
}
static int directory(void) {
  mkdir("kind", 0700);
  int fd = open("kind", O_DIRECTORY);
  rmdir("kind");
  return fd;
}
/** One end of a pipe, the other kept open: 0 reads, 1 writes, 2 reads what is there. */
static int pipe_end(int which) {
  int p[2];
  pipe2(p, O_NONBLOCK);
  if (which == 2) write(p[1], "in a pipe", 9);
  return p[which & 1];
}
static int fifo(void) {
  mkfifo("kind", 0600);
  int fd = open("kind", O_RDWR | O_NONBLOCK);
  unlink("kind");
  return fd;
}
static int pair(void) {
  int s[2];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
  write(s[1], "xyz", 3);
  return s[0];
}
static int signals(void) {
  sigset_t set;
  sigemptyset(&set);
  return signalfd(-1, &set, SFD_NONBLOCK);
}
static int ring(void) {
  static char params[128];
  memset(params, 0, sizeof params);
  return syscall(SYS_io_uring_setup, 1, params);
}

static const char *const NAMES[] = {
    "file",   "opath",    "directory", "zero",      "maps",    "pipe-read", "pipe-write", "unix",
    "epoll",  "eventfd",  "signalfd",  "timerfd",   "fanotify", "inotify",  "io_uring",   "fspick",
    "open_tree", "memfd", "null",      "pipe-full", "ptmx",    "fifo",      "socketpair", "version",
    "mqueue", "urandom",  "full",      "write-only", "append", "status",    "sysctl",     "comm"};
#define KINDS (int)(sizeof NAMES / sizeof *NAMES)

static int make(int kind) {
  switch (kind) {
  case 0: return temporary(O_RDWR);
  case 1: return opath();
  case 2: return directory();
  case 3: return open("/dev/zero", O_RDONLY);
  case 4: return open("/proc/self/maps", O_RDONLY);
  case 5: return pipe_end(0);
  case 6: return pipe_end(1);
  case 7: return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  case 8: return epoll_create(1);
  case 9: return eventfd(0, EFD_NONBLOCK);
  case 10: return signals();
  case 11: return timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
  case 12: return syscall(SYS_fanotify_init, 2, O_RDONLY);
  case 13: return inotify_init1(IN_NONBLOCK);
  case 14: return ring();
  case 15: return syscall(SYS_fspick, AT_FDCWD, "/", 0);
  case 16: return syscall(SYS_open_tree, AT_FDCWD, "/", 0);
  case 17: return syscall(SYS_memfd_create, "m", 0);
  case 18: return open("/dev/null", O_RDWR);
  case 19: return pipe_end(2);
  case 20: return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  case 21: return fifo();
  case 22: return pair();
  case 23: return open("/proc/version", O_RDONLY);
  case 24: return syscall(SYS_mq_open, "kind", O_CREAT | O_RDWR | O_NONBLOCK, 0600, 0);
  case 25: return open("/dev/urandom", O_RDONLY);
  case 26: return open("/dev/full", O_RDWR);
  case 27: return temporary(O_WRONLY);
  case 28: return temporary(O_RDWR | O_APPEND);
  case 29: return open("/proc/self/status", O_RDONLY);
  case 30: return open("/proc/sys/kernel/printk_delay", O_RDONLY);
  default: return open("/proc/self/comm", O_RDWR);
  }
}
static void close_all(void) { syscall(SYS_close_range, 3, ~0U, 0); }

/** Prints a call's result, or its errno. */
#define TELL(name, call)                                                                           \
  do {                                                                                             \
    errno = 0;                                                                                     \
    long r_ = (long)(call);                                                                        \
    if (r_ < 0)                                                                                    \
      P(" %s e%d", name, errno);                                                                   \
    else                                                                                           \
      P(" %s %ld", name, r_);                                                                      \
  } while (0)

static long map(int fd, int prot, int flags) {
  void *at = mmap(0, 4096, prot, flags, fd, 0);
  if (at == MAP_FAILED) return -1;
  munmap(at, 4096);
  return 0;
}

static void calls(int fd) {
  char range[16] = {0}, stat[40];
  int on = 1, off = 0;
  struct epoll_event event = {.events = EPOLLIN};
  TELL("seek", lseek(fd, 0, SEEK_CUR));
  TELL("end", lseek(fd, 0, SEEK_END) < 0 ? -1 : 0);
  TELL("data", lseek(fd, 0, SEEK_DATA));
  TELL("whence", lseek(fd, 0, 99));
  lseek(fd, 0, SEEK_SET);
  TELL("readahead", readahead(fd, 0, 4096));
  TELL("fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
  TELL("bad advice", posix_fadvise(fd, 0, 0, 99));
  TELL("fallocate", fallocate(fd, 0, 0, 4096));
  TELL("fsync", fsync(fd));
  TELL("range", sync_file_range(fd, 0, 1, 2));
  TELL("flock", flock(fd, LOCK_EX | LOCK_NB));
  TELL("pread", pread(fd, range, 0, 0));
  TELL("pread -1", pread(fd, range, 1, -1));
  TELL("pwrite", pwrite(fd, range, 0, 0));
  TELL("readv", syscall(SYS_readv, fd, 0, 0));
  TELL("read", read(fd, (void *)1, 1));
  TELL("write", write(fd, (void *)1, 1));
  TELL("FIONBIO", ioctl(fd, FIONBIO, &off));
  TELL("FIOASYNC", ioctl(fd, FIOASYNC, &on));
  ioctl(fd, FIOASYNC, &off);
  TELL("FIOQSIZE", ioctl(fd, FIOQSIZE, stat) < 0 ? -1 : 0);
  TELL("flags", fcntl(fd, F_GETFL) & ~0x80000);
  TELL("O_DIRECT", fcntl(fd, F_SETFL, O_DIRECT));
  int poll = epoll_create(1);
  TELL("epoll", epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event));
  TELL("shared", map(fd, PROT_READ, MAP_SHARED));
  TELL("private", map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE));
  TELL("seals", fcntl(fd, F_GET_SEALS));
  TELL("pipe size", fcntl(fd, F_GETPIPE_SZ));
  TELL("accept", syscall(SYS_accept4, fd, 0, 0, 0));
  TELL("openat", openat(fd, "x", O_RDONLY));
  TELL("cachestat", syscall(451, fd, range, stat, 0));
  P("\n");
}

static void fdinfo(int fd) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int info = open(path, O_RDONLY);
  long n = read(info, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  char *flags = strstr(text, "flags:"), *index = strstr(text, "tty-index:");
  P(" %.*s%s\n", (int)strcspn(flags, "\n"), flags, index ? " tty-index" : "");
}

static long pairwise(int how, int in, int out) {
  loff_t from = 0, to = 0;
  switch (how) {
  case 0: return splice(in, 0, out, 0, 1, SPLICE_F_NONBLOCK);
  case 1: return splice(in, &from, out, &to, 1, SPLICE_F_NONBLOCK);
  case 2: return copy_file_range(in, 0, out, 0, 1, 0);
  case 3: return sendfile(out, in, 0, 1);
  default: return tee(in, out, 1, SPLICE_F_NONBLOCK);
  }
}

static long nowait_rw(int call, int fd, struct iovec *v) { return syscall(call, fd, v, 1, -1L, -1L, RWF_NOWAIT); }

/** Which kinds can say whether they would wait. */
static void nowait(void) {
  char byte[2] = {0};
  struct iovec v = {byte, 1};
  P("RWF_NOWAIT:");
  for (int i = 3; i < KINDS; i++) {
    if (i == 27 || i == 28) continue; // the file system says
    int fd = make(i);
    TELL(NAMES[i], nowait_rw(SYS_preadv2, fd, &v));
    close_all();
  }
  int p[2], file = temporary(O_RDWR);
  pipe(p);
  loff_t off = 0;
  P("\nspliced:");
  TELL("write", nowait_rw(SYS_pwritev2, p[1], &v));
  TELL("splice", splice(file, &off, p[1], 0, 5, 0));
  TELL("write", nowait_rw(SYS_pwritev2, p[1], &v));
  TELL("read", nowait_rw(SYS_preadv2, p[0], &v));
  TELL("splice", splice(p[0], 0, file, &off, 2, 0));
  TELL("read", nowait_rw(SYS_preadv2, p[0], &v));
  pipe(p);
  v.iov_len = 2;
  TELL("vmsplice", vmsplice(p[1], &v, 1, 0));
  TELL("read", nowait_rw(SYS_preadv2, p[0], &v));
  TELL("empty", nowait_rw(SYS_preadv2, p[0], &v));
  TELL("write", nowait_rw(SYS_pwritev2, p[1], &v));
  P("\n");
  close_all();
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < KINDS; i++) {
    int fd = make(i);
    P("%s:", NAMES[i]);
    if (i != 14) fdinfo(fd);
    P("%s:", NAMES[i]);
    calls(fd);
    close_all();
  }
  static const char *const how[] = {"splice", "splice at", "copy_file_range", "sendfile", "tee"};
  for (int op = 0; op < 5; op++)
    for (int i = 0; i < KINDS; i++) {
      P("%s %s:", how[op], NAMES[i]);
      for (int k = 0; k < KINDS; k++) {
        int in = make(i), out = make(k);
        errno = 0;
        long r = pairwise(op, in, out);
        if (r < 0)
          P(" e%d", errno);
        else
          P(" %ld", r);
        close_all();
      }
      P("\n");
    }
  nowait();
}
