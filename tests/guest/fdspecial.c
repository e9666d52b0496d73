/* What descriptors of the rarer kinds refuse, and file systems of which nothing is executed. */
#include "guest.h"
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static char buf[256];

static void execute(int fd) {
  errno = 0;
  void *p = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  P("mapped to execute: %d\n", p == MAP_FAILED ? errno : 0);
}

static void secret(void) {
  int fd = syscall(447, 0), flags = 0;
  struct {
    unsigned bytes;
    int type;
    char handle[128];
  } handle = {128};
  P("-- memfd_secret\n");
  execute(fd);
  R(fgetxattr(fd, "user.a", buf, 10));
  R(fsetxattr(fd, "user.a", "b", 1, 0));
  R(fsetxattr(fd, "trusted.a", "b", 1, 0));
  R(flistxattr(fd, buf, sizeof buf));
  R(fremovexattr(fd, "user.a"));
  R(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  R(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  R(syscall(SYS_name_to_handle_at, fd, "", &handle, &flags, 0x1000));
}

static void others(void) {
  struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = 64, .config = PERF_COUNT_SW_DUMMY, .disabled = 1, .exclude_kernel = 1};
  int p[2];
  char params[120] = {0};
  pipe(p);
  P("-- perf\n");
  int perf = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
  R(syscall(SYS_splice, perf, 0, p[1], 0, 2, 2));
  R(syscall(SYS_splice, perf, 0, p[1], 0, 8, 2));
  R(read(perf, buf, 4));
  R(read(perf, buf, 8));
  P("-- io_uring\n");
  int ring = syscall(425, 4, params);
  P("%o %d\n", fcntl(ring, F_GETFL), fcntl(ring, F_GETFD));
  P("-- netlink and unix\n");
  int sv[2], nl = socket(AF_NETLINK, SOCK_RAW, 0);
  socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
  for (int how = -1; how < 4; how++) {
    R(shutdown(nl, how));
    R(shutdown(sv[0], how));
  }
  R(shutdown(p[0], 7));
  R(shutdown(-1, 7));
}

static void noexec(void) {
  P("-- file systems of which nothing is executed\n");
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("/tmp/nx", 0755);
  mount("t", "/tmp/nx", "tmpfs", 0, 0);
  mkdir("/tmp/nx/p", 0755);
  R(mount("p", "/tmp/nx/p", "proc", 0, 0));
  int fd = open("/tmp/nx/p/self/status", O_RDONLY);
  execute(fd);
  R(access("/tmp/nx/p/self/status", X_OK));
  R(umount2("/tmp/nx/p", MNT_DETACH));
  R(mount("s", "/tmp/nx/p", "sysfs", 0, 0));
  fd = open("/tmp/nx/p/kernel/uevent_seqnum", O_RDONLY);
  execute(fd);
  R(umount2("/tmp/nx/p", MNT_DETACH));
  R(mount("q", "/tmp/nx/p", "mqueue", 0, 0));
  fd = open("/tmp/nx/p/fdspecial", O_CREAT | O_RDWR, 0755);
  execute(fd);
  R(access("/tmp/nx/p/fdspecial", X_OK));
  R(unlink("/tmp/nx/p/fdspecial"));
  R(umount2("/tmp/nx/p", MNT_DETACH));
  R(umount2("/tmp/nx", MNT_DETACH));
}

int main(void) {
  secret();
  others();
  noexec();
  return 0;
}
