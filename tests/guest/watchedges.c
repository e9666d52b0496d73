// Edges of what watches: which bits go with EPOLLEXCLUSIVE, when an edge of a pipe comes, how epoll polls devices (EPIOCSPARAMS);
// the order in which marks end with their file system; permission to read a directory and what exec reads.
// And the ioctls of /dev/random.
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static char buffer[70000];

static void exclusive(void) {
  int p[2], ep = epoll_create1(0);
  pipe(p);
  P("exclusive:");
  for (int bit = 0; bit < 32; bit++) {
    struct epoll_event event = {1u << bit | 1u << 28};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event)) continue;
    P(" %d", bit);
    epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &event);
  }
  P("\n");
}

static void edges(void) {
  int p[2], ep = epoll_create1(0);
  struct epoll_event event = {EPOLLET | EPOLLIN | EPOLLOUT};
  pipe(p);
  epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event);
  epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &event);
#define LOOK() P(" %d", epoll_wait(ep, &event, 2, 0))
  P("edges:");
  LOOK();
  LOOK();
  int steps[] = {40646, -10, -20000, -30000, 65536, -10, -5000, -5000, -60000, 1, 1, -1};
  for (int i = 0; i < 12; i++) {
    if (steps[i] > 0) write(p[1], buffer, steps[i]);
    else read(p[0], buffer, -steps[i]);
    LOOK();
  }
  P("\n");
}

static void busy(void) {
  struct {
    unsigned usecs;
    unsigned short budget;
    unsigned char prefer, pad;
  } set = {10, 8, 1}, get;
  int ep = epoll_create1(0);
  const unsigned long SET = 0x40088a01, GET = 0x80088a02;
#define GOT() (memset(&get, 9, 8), ioctl(ep, GET, &get), P("%u %u %u %u\n", get.usecs, get.budget, get.prefer, get.pad))
  GOT();
  R(ioctl(ep, SET, &set));
  GOT();
  set.pad = 1;
  R(ioctl(ep, SET, &set));
  set.pad = 0, set.prefer = 2;
  R(ioctl(ep, SET, &set));
  set.prefer = 0, set.usecs = 1u << 31;
  R(ioctl(ep, SET, &set));
  set.usecs = 0, set.budget = 65;
  INPROC(1000, R(ioctl(ep, SET, &set)); set.budget = 64; R(ioctl(ep, SET, &set)));
  R(ioctl(ep, SET, &set));
  R(ioctl(ep, SET, 0));
  R(ioctl(ep, GET, 8));
  GOT();
}

static void unmounted(void) {
  int fd = inotify_init1(IN_NONBLOCK);
  mount("u", "u", "tmpfs", 0, 0);
  mkdir("u/a", 0755);
  close(creat("u/b", 0600));
  R(inotify_add_watch(fd, "u", IN_ALL_EVENTS));
  R(inotify_add_watch(fd, "u/b", IN_DELETE_SELF));
  R(inotify_add_watch(fd, "u/a", IN_ALL_EVENTS));
  umount("u");
  ssize_t n = read(fd, buffer, sizeof buffer);
  for (char *at = buffer; at < buffer + n; at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len)
    P("%d %x\n", ((struct inotify_event *)at)->wd, ((struct inotify_event *)at)->mask);
}

/** Answers what is asked, until nothing is. */
static void answer(int fd, unsigned response) {
  struct pollfd p = {fd, POLLIN};
  while (poll(&p, 1, 300) == 1) {
    struct fanotify_event_metadata event;
    if (read(fd, &event, sizeof event) != sizeof event) continue;
    char link[64], path[200] = "";
    sprintf(link, "/proc/self/fd/%d", event.fd);
    readlink(link, path, 199);
    P("asked %llx %s\n", event.mask, strrchr(path, '/') + 1);
    struct fanotify_response r = {event.fd, response};
    write(fd, &r, sizeof r);
    close(event.fd);
  }
}

static void permission(unsigned response) {
  int fd = syscall(SYS_fanotify_init, FAN_CLASS_CONTENT, O_RDONLY), out[2];
  pipe(out);
  R(syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD, FAN_ACCESS_PERM | FAN_ONDIR | FAN_EVENT_ON_CHILD, AT_FDCWD, "u"));
  fflush(0);
  if (!fork()) {
    close(fd);
    int d = open("u/d", O_RDONLY), f = open("u/f", O_RDONLY), result[4];
    result[0] = syscall(SYS_getdents64, d, buffer, 1000) < 0 ? errno : 0;
    result[1] = read(f, buffer, 10) < 0 ? errno : 0;
    execl("u/f", "f", NULL);
    result[2] = errno;
    write(out[1], result, sizeof result);
    _exit(0);
  }
  answer(fd, response);
  int result[4];
  wait(0);
  read(out[0], result, sizeof result);
  P("getdents %d read %d exec %d\n", result[0], result[1], result[2]);
  close(fd);
}

/** What is ignored ends with a modification, for those who would have heard of it. */
static void ignored(void) {
  const unsigned long masks[] = {FAN_OPEN, FAN_OPEN | FAN_EVENT_ON_CHILD, FAN_MODIFY | FAN_EVENT_ON_CHILD, FAN_MODIFY};
  for (int i = 0; i < 4; i++)
    for (int child = 0; child < 2; child++) {
      int fd = syscall(SYS_fanotify_init, FAN_NONBLOCK, 0), f;
      syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD, masks[i], AT_FDCWD, "u");
      syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_CLOSE | (child ? FAN_EVENT_ON_CHILD : 0), AT_FDCWD, "u");
      write(f = open("u/f", O_WRONLY), "a", 1);
      close(f);
      char name[64];
      sprintf(name, "/proc/self/fdinfo/%d", fd);
      FILE *info = fopen(name, "r");
      while (fgets(buffer, 500, info))
        if (strstr(buffer, "mflags")) P("%d %d %.40s\n", i, child, strstr(buffer, "mflags"));
      fclose(info);
      close(fd);
    }
}

static void entropy(void) {
  int fd = open("/dev/random", O_RDWR), count = 256;
  struct {
    int count, size;
    char bytes[16];
  } add = {8, 16};
  R(ioctl(fd, 0x40045201, &count));
  count = -5;
  R(ioctl(fd, 0x40045201, &count));
  R(ioctl(fd, 0x40045201, 8));
  R(ioctl(fd, 0x40085203, &add));
  add.count = -1;
  R(ioctl(fd, 0x40085203, &add));
  add.count = 8, add.size = -1;
  R(ioctl(fd, 0x40085203, &add));
  add.size = 1 << 30;
  R(ioctl(fd, 0x40085203, &add));
  R(ioctl(fd, 0x40085203, 8));
}

int main(void) {
  exclusive();
  edges();
  busy();
  mkdir("u", 0755);
  unmounted();
  mount("u", "u", "tmpfs", 0, 0);
  mkdir("u/d", 0755);
  int f = open("u/f", O_CREAT | O_WRONLY, 0755);
  write(f, "no program", 10);
  close(f);
  permission(FAN_ALLOW);
  permission(FAN_DENY);
  ignored();
  umount("u");
  rmdir("u");
  entropy();
  return 0;
}
