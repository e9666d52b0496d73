// What namespaces and pidfds are asked by ioctl, mounts of another namespace, and marks on nsfs.
#include "guest.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define NS(nr, size) _IOC(_IOC_READ, 0xb7, nr, size)

static int ns(const char *kind) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
  return open(path, O_RDONLY);
}

static ino_t inode(int fd) {
  struct stat s;
  return fstat(fd, &s) ? 0 : s.st_ino;
}

int main(void) {
  uint64_t older = 0;
  ioctl(ns("mnt"), NS(5, 8), &older);
  if (unshare(CLONE_NEWNS)) perror("unshare");
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  int pid = ns("pid"), mnt = ns("mnt"), uts = ns("uts"), me = getpid();
  for (int nr = 6; nr <= 9; nr++) {
    P("number %d\n", nr);
    R(ioctl(pid, NS(nr, 4), me) == me);
    R(ioctl(pid, NS(nr, 4), 0));
    R(ioctl(pid, NS(nr, 4), -1));
    R(ioctl(pid, NS(nr, 4), 9999999));
    R(ioctl(uts, NS(nr, 4), me));
  }
  struct {
    uint32_t size, mounts;
    uint64_t id;
  } info = {0};
  R(ioctl(mnt, NS(10, 16), &info));
  P("size %u, has mounts %d\n", info.size, info.mounts > 0);
  uint64_t id = 0;
  R(ioctl(mnt, NS(5, 8), &id));
  P("same id %d\n", id == info.id);
  uint32_t before = info.mounts;
  mount("a", "/tmp", "tmpfs", 0, 0);
  R(ioctl(mnt, NS(10, 16), &info));
  P("one more %d\n", info.mounts == before + 1);
  R(ioctl(mnt, NS(10, 64), &info));
  P("size %u\n", info.size);
  R(ioctl(mnt, NS(10, 16), 0));
  R(ioctl(mnt, NS(10, 16), -1L));
  R(ioctl(uts, NS(10, 16), &info));

  // The mounts of another namespace.
  struct {
    uint32_t size, spare;
    uint64_t id, param, ns, more;
  } req = {32, 0, -1, 0, older};
  uint64_t list[2];
  char buf[4096];
  R(syscall(458, &req, list, 1, 0));
  req.id = list[0];
  req.param = 2;
  R(syscall(457, &req, buf, sizeof buf, 0));
  req.ns = 0;
  R(syscall(457, &req, buf, sizeof buf, 0));
  req.ns = 5;
  R(syscall(457, &req, buf, sizeof buf, 0));
  R(syscall(458, &req, list, 1, 0));
  req.param = 0;
  R(syscall(458, &req, list, 1, 0));
  INPROC(65534, req.ns = older; R(syscall(458, &req, list, 1, 0)););
  req.size = 40;
  req.ns = 0;
  req.more = 1;
  R(syscall(458, &req, list, 1, 0));
  req.size = 4096;
  R(syscall(458, &req, list, 1, 0));
  req.size = 4097;
  R(syscall(458, &req, list, 1, 0));

  // Namespaces of a process.
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  int fd = syscall(SYS_pidfd_open, child, 0);
  static const char *const KINDS[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};
  for (int i = 0; i < 10; i++) {
    int got = ioctl(fd, _IO(0xff, i + 1), 0);
    P("%s: %d %d\n", KINDS[i], got >= 0, inode(got) == inode(ns(KINDS[i])));
  }
  R(ioctl(fd, _IO(0xff, 1), 1));
  R(ioctl(fd, _IO(0xff, 99), 0));
  R(ioctl(fd, _IO(0xfe, 1), 0));
  INPROC(65534, R(ioctl(fd, _IO(0xff, 3), 0)));
  kill(child, SIGKILL);
  waitid(P_PID, child, &(siginfo_t){0}, WEXITED | WNOWAIT);
  R(ioctl(fd, _IO(0xff, 3), 0));
  waitpid(child, 0, 0);
  R(ioctl(fd, _IO(0xff, 3), 0));

  // nsfs can be mounted, pipes cannot.
  int group = syscall(SYS_fanotify_init, 0, O_RDONLY), p[2];
  pipe(p);
  for (int kind = 0; kind <= 0x100; kind = kind ? kind << 4 : 0x10) {
    R(syscall(SYS_fanotify_mark, group, 1 | kind, 0x20L, AT_FDCWD, "/proc/self/ns/uts"));
    R(syscall(SYS_fanotify_mark, group, 1 | kind, 0x20L, p[0], 0));
  }
  return 0;
}
