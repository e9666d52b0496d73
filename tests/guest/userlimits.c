// What one user may have of pipes' pages, inotify instances and queued events.
#include "guest.h"
#include <poll.h>
#include <sys/inotify.h>

static void pipes(void) {
  struct rlimit all = {4096, 4096};
  setrlimit(RLIMIT_NOFILE, &all);
  setgid(4711), setuid(4711);
  int p[2], n = 0;
  do pipe(p);
  while (fcntl(p[0], F_SETPIPE_SZ, 1 << 20) == 1 << 20 && ++n < 1000);
  P("%d pipes of a MiB, errno %d, then %d\n", n, errno, fcntl(p[0], F_GETPIPE_SZ));
  R(pipe(p));
  R(fcntl(p[0], F_GETPIPE_SZ));
  R(fcntl(p[0], F_SETPIPE_SZ, 4096));
  R(fcntl(p[0], F_SETPIPE_SZ, 8192));
  char buf[8192] = {0};
  fcntl(p[1], F_SETFL, O_NONBLOCK);
  R(write(p[1], buf, sizeof buf));
  R(mkfifo("/tmp/w/fifo", 0600));
  int fifo = open("/tmp/w/fifo", O_RDWR);
  R(fcntl(fifo, F_GETPIPE_SZ));
  _exit(0);
}

static void instances(void) {
  setgid(4712), setuid(4712);
  int n = 0, fd, last = -1;
  while ((fd = inotify_init()) >= 0) last = fd, n++;
  P("%d instances, errno %d\n", n, errno);
  close(last);
  R(inotify_init() >= 0);
  _exit(0);
}

static void overflow(void) {
  char name[30], buf[4096];
  int fd = inotify_init1(IN_NONBLOCK), max;
  FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
  fscanf(f, "%d", &max);
  int file = open("/tmp/w/a", O_CREAT | O_RDWR, 0600), other = open("/tmp/w/b", O_CREAT | O_RDWR, 0600);
  inotify_add_watch(fd, "/tmp/w", IN_MODIFY);
  for (int i = 0; i < max / 2 + 5; i++) write(file, "x", 1), write(other, "x", 1);
  int count = 0, over = 0, n;
  n = read(fd, buf, 320);
  P("read %d\n", n);
  write(file, "x", 1), write(file, "x", 1), write(other, "x", 1);
  while ((n = read(fd, buf, sizeof buf)) > 0)
    for (char *at = buf; at < buf + n;) {
      struct inotify_event *e = (void *)at;
      count++;
      if (e->mask & IN_Q_OVERFLOW) over++, P("overflow: wd %d len %d cookie %d, %d before it\n", e->wd, e->len, e->cookie, count - 1);
      at += sizeof *e + e->len;
    }
  P("all but %d events, %d overflow\n", max - count, over);
}

int main(void) {
  umask(0);
  mkdir("/tmp/w", 0777);
  if (!fork()) pipes();
  wait(NULL);
  if (!fork()) instances();
  wait(NULL);
  overflow();
  return 0;
}
