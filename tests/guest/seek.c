// lseek, sendfile and splice on files that are made when they are read, and on devices: each kind has limits and an end of
// its own, or none, and some can only be read and written.
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/klog.h>

static void seeks(const char *name) {
  int fd = open(name, O_RDONLY | O_NONBLOCK);
  P("-- %s %s\n", name, fd < 0 ? "is missing" : "");
  if (fd < 0) return;
  R(lseek(fd, 0, SEEK_DATA));
  R(lseek(fd, 0, SEEK_HOLE));
  R(lseek(fd, 100, SEEK_DATA));
  R(lseek(fd, 0, SEEK_END));
  R(lseek(fd, 5, SEEK_SET));
  R(lseek(fd, 10, SEEK_CUR));
  R(lseek(fd, -1, SEEK_SET));
  R(lseek(fd, (1L << 31) - 1, SEEK_SET));
  R(lseek(fd, 1L << 31, SEEK_SET));
  R(lseek(fd, 1L << 40, SEEK_SET));
  R(lseek(fd, 0, 9));
  close(fd);
}

/** Copies as cp does: data, hole, data … until the end. Counts the rounds. */
static int rounds(const char *name) {
  int fd = open(name, O_RDONLY), n = 0;
  off_t at = 0;
  while (n < 100) {
    off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0) break;
    at = lseek(fd, data, SEEK_HOLE);
    n++;
  }
  close(fd);
  return n;
}

static void sends(const char *from, const char *to) {
  int in = open(from, O_RDONLY | O_NONBLOCK), out = open(to, O_WRONLY | O_NONBLOCK), p[2];
  pipe(p);
  long n = sendfile(out, in, 0, 1);
  P("%s to %s: sendfile %ld errno %d", from, to, n, n < 0 ? errno : 0);
  n = splice(in, 0, p[1], 0, 1, SPLICE_F_NONBLOCK);
  P(", splice %ld errno %d\n", n, n < 0 ? errno : 0);
  close(in), close(out), close(p[0]), close(p[1]);
}

int main(void) {
  const char *names[] = {"/proc/version", "/proc/self/status",
    "/proc/self/maps", "/proc/self/comm", "/proc/self/environ", "/proc/self/cmdline", "/proc/self/auxv", "/proc/self/fd",
    "/proc/self/task", "/proc/self/fdinfo/1", "/proc/sys/kernel/hostname", "/proc/self/oom_score_adj", "/proc/self",
    "/proc/sysvipc/shm", "/proc/kmsg"};
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) seeks(names[i]);
  R(rounds("/proc/version"));

  const char *more[] = {"/dev/null", "/dev/zero", "/dev/kmsg", "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/stat",
    "/proc/filesystems", "/proc/meminfo"};
  int sink = open("sink", O_CREAT | O_WRONLY, 0600);
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
    if (strcmp(names[i], "/proc/self") && strcmp(names[i], "/proc/self/task") && strcmp(names[i], "/proc/self/fd"))
      sends(names[i], "sink");
  for (int i = 0; i < 8; i++) sends(more[i], "sink");
  const char *sinks[] = {"/dev/null", "/dev/zero", "/dev/full", "/proc/self/comm", "/dev/kmsg"};
  for (int i = 0; i < 5; i++) sends("/dev/zero", sinks[i]);

  char buf[256];
  R(klogctl(2, buf, 0));
  R(klogctl(2, 0, 5));
  R(klogctl(2, buf, -1));
  R(klogctl(8, 0, 9));
  R(klogctl(8, 0, 0));
  R(klogctl(99, 0, 0));
  if (!fork()) {
    setuid(1000);
    R(open("/proc/kmsg", O_RDONLY));
    R(klogctl(2, buf, 10));
    R(klogctl(9, 0, 0));
    _exit(0);
  }
  wait(0);
  return 0;
}
