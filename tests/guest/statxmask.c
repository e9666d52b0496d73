// What statx says it knows: stx_mask for each request, attributes and their mask, on tmpfs and proc.
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <linux/stat.h>

/** Time stamps may be left out of what was not asked for by newer kernels. */
static void show(const char *name, int flags, unsigned mask) {
  struct statx x;
  memset(&x, 0xaa, sizeof x);
  errno = 0;
  if (syscall(SYS_statx, AT_FDCWD, name, flags, mask, &x)) {
    P("%s %x %x: errno %d\n", name, flags, mask, errno);
    return;
  }
  P("%s %x %x: mask %x attributes %llx of %llx, btime %d\n", name, flags, mask, x.stx_mask | 0xc0, x.stx_attributes,
    x.stx_attributes_mask, x.stx_btime.tv_sec != 0);
}

int main(void) {
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  unsigned masks[] = {0, 0x20, 0x7ff, 0x800, 0xfff, 0x1000, 0x4000, 0x80000000};
  symlink("f", "l"), mkfifo("p", 0600), mkdir("d", 0700);
  for (int i = 0; i < 8; i++) show("f", 0, masks[i]);
  const char *names[] = {"d", "l", "p", ".", "/", "/proc", "/proc/version", "/dev/null", "/dev/pts"};
  for (int i = 0; i < 9; i++) show(names[i], AT_SYMLINK_NOFOLLOW, 0xfff);
  int flags[] = {0x2000, 0x4000, 0x6000, 0x8000, 0x800, 0x10000};
  for (int i = 0; i < 6; i++) show("f", flags[i], 0xfff);
  for (int bit = 0; bit < 32; bit++) {
    int fl = 1 << bit, r = ioctl(fd, 0x40086602, &fl);
    if (r) continue;
    P("FS_IOC_SETFLAGS %x: ", fl);
    show("f", 0, 0);
    fl = 0;
    ioctl(fd, 0x40086602, &fl);
  }
  struct statx pid;
  syscall(SYS_statx, AT_FDCWD, "/proc/self", 0, STATX_BASIC_STATS, &pid);
  P("/proc/self: %llx %llx\n", (long long)pid.stx_attributes, (long long)pid.stx_attributes_mask);
  const char *mounts[] = {".", "/proc", "/dev", "/dev/pts", "/dev/shm"};
  for (int i = 0; i < 5; i++) {
    struct statfs s;
    statfs(mounts[i], &s);
    P("%s: type %lx bsize %ld frsize %ld namelen %ld blocks %d files %d\n", mounts[i], (long)s.f_type, (long)s.f_bsize,
      (long)s.f_frsize, (long)s.f_namelen, s.f_blocks > 0, s.f_files > 0);
  }
  return 0;
}
