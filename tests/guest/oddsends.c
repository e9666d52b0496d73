// link: -lrt
/* Which files splice(2) and sendfile(2) take; lengths past every limit; wishes of mmap; writes of nothing into sealed files. */
#include "guest.h"
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void kinds(void) {
  int p[2], f = open("f", O_CREAT | O_RDWR, 0644);
  char text[100];
  sigset_t none;
  sigemptyset(&none);
  pipe2(p, O_NONBLOCK);
  struct {
    const char *name;
    int fd;
  } list[] = {
      {"eventfd", eventfd(1, EFD_NONBLOCK)},
      {"timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)},
      {"signalfd", signalfd(-1, &none, SFD_NONBLOCK)},
      {"epoll", epoll_create1(0)},
      {"inotify", inotify_init1(IN_NONBLOCK)},
      {"pidfd", syscall(SYS_pidfd_open, getpid(), 0)},
      {"userfaultfd", syscall(SYS_userfaultfd, O_NONBLOCK | 1)},
      {"memfd", syscall(SYS_memfd_create, "x", 0)},
      {"ns", open("/proc/self/ns/mnt", O_RDONLY)},
      {"pty", open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)},
      {"urandom", open("/dev/urandom", O_RDWR)},
      {"zero", open("/dev/zero", O_RDWR)},
      {"null", open("/dev/null", O_RDWR)},
      {"full", open("/dev/full", O_RDWR)},
      {"version", open("/proc/version", O_RDWR)},
      {"setting", open("/proc/sys/kernel/domainname", O_RDWR)},
      {"maps", open("/proc/self/maps", O_RDONLY)},
      {"comm", open("/proc/self/comm", O_RDWR)},
      {"directory", open("/tmp", O_RDONLY)},
      {"fanotify", fanotify_init(FAN_NONBLOCK, 0)},
      {"mqueue", mq_open("/q", O_CREAT | O_RDWR | O_NONBLOCK, 0600, 0)},
  };
  mq_unlink("/q");
  for (int i = 0; i < sizeof list / sizeof *list; i++) {
    int fd = list[i].fd;
    errno = 0;
    long r = splice(fd, 0, p[1], 0, 8, SPLICE_F_NONBLOCK);
    P("%s: from %d %d", list[i].name, r > 0, errno);
    while (read(p[0], text, sizeof text) > 0) {}
    errno = 0;
    r = sendfile(f, fd, 0, 8);
    P(", sent %d %d", r > 0, errno);
    write(p[1], "12345678", 8);
    errno = 0;
    r = splice(p[0], 0, fd, 0, 8, SPLICE_F_NONBLOCK);
    P(", into %d %d\n", r > 0, errno);
    while (read(p[0], text, sizeof text) > 0) {}
  }
}

static void lengths(void) {
  static char block[10000];
  int f = open("in", O_CREAT | O_RDWR, 0644), g = open("out", O_CREAT | O_RDWR, 0644);
  write(f, block, sizeof block);
  lseek(f, 0, SEEK_SET);
  lseek(g, 100, SEEK_SET);
  R(sendfile(g, f, 0, 0x7fffffffffffffff));
  R(lseek(f, 0, SEEK_CUR));
  lseek(f, 10, SEEK_SET);
  R(sendfile(g, f, 0, 0x7fffffffffffffff));
  R(sendfile(g, f, 0, 0x7ffffffffffffff0));
  R(sendfile(g, f, 0, -1));
}

static void wishes(void) {
  const unsigned long wish[] = {1, 4095, 4096, 0x5000, 0xffff, 0x10000, 0x10001, 0x40000fff, 0x7ffffffff000, -1, -4096};
  for (int i = 0; i < sizeof wish / sizeof *wish; i++) {
    char *p = mmap((void *)wish[i], 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    P("%lx: %lx\n", wish[i], (unsigned long)p > 1UL << 32 ? 0 : (unsigned long)p);
    munmap(p, 4096);
  }
  R(mmap((void *)0x50000000, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  R(mmap((void *)0x50000001, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == (void *)0x50001000);
  R(mmap((void *)0x4ffff800, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == (void *)0x4ffff000);
  R(mmap((void *)0x4ffff800, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void sealed(void) {
  char c = 0;
  int m = syscall(SYS_memfd_create, "x", 2);
  write(m, &c, 1);
  R(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
  R(pwrite(m, &c, 0, 100));
  R(pwrite(m, &c, 1, 1));
  R(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
  R(pwrite(m, &c, 0, 0));
  R(write(m, &c, 0));
  R(write(m, &c, 1));
}

int main(void) {
  kinds();
  lengths();
  wishes();
  sealed();
}
