// tmpfs: what its options may say, and what long symbolic links take of its room.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

static const char *const options[] = {
    "size=010k",
    "size=08",
    "size=0x",
    "size=k",
    "size=1kk",
    "size=0x10k",
    "size=0X2000",
    "size=1 k",
    "size=%",
    "size=",
    "size=18446744073709551616",
    "size=18446744073709551615",
    "size=18446744073709547520",
    "size=16384p",
    "size=16e",
    "nr_blocks=10%",
    "nr_blocks=010",
    "nr_blocks=k",
    "nr_blocks=9223372036854775808",
    "nr_inodes=10%",
    "nr_inodes=k",
    "nr_inodes=18014398509481983",
    "nr_inodes=18014398509481984",
};

/** All above bit 31 counts as the kernel's own flag, unless the magic number takes it away. */
static const unsigned long flags[] = {
    1UL << 31,
    1UL << 32,
    1UL << 63,
    MS_BIND | 1UL << 33,
    0xc0ed0000 | 1UL << 40,
    0xc0ed0001,
};

static long blocks(void) {
  struct statfs s;
  statfs("m", &s);
  return (long)s.f_blocks;
}

static void left(void) {
  struct statfs s;
  statfs("m", &s);
  P("free %ld inodes %ld\n", (long)s.f_bfree, (long)s.f_ffree);
}

int main(void) {
  static char text[4096];
  static const int lengths[] = {127, 128, 4094, 4095, 10};
  R(unshare(CLONE_NEWNS));
  R(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  R(mkdir("m", 0777));
  for (unsigned i = 0; i < sizeof(options) / sizeof(*options); i++) {
    int error = mount("none", "m", "tmpfs", 0, options[i]) ? errno : 0;
    P("%s: %d %lx\n", options[i], error, error || options[i][3] == 'i' ? 0 : blocks());
    if (!error) umount("m");
  }
  for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
    int error = mount("none", "m", "tmpfs", flags[i], 0) ? errno : 0;
    P("%lx: %d\n", (long)flags[i], error);
    if (!error) umount("m");
  }
  R(mount("none", (char *)1, "tmpfs", 1UL << 40, 0));

  R(mount("none", "m", "tmpfs", 0, "size=12k,nr_inodes=9"));
  memset(text, 'x', sizeof(text));
  for (int i = 0; i < 5; i++) {
    char name[20];
    struct stat s;
    sprintf(name, "m/s%d", i);
    text[lengths[i]] = 0;
    R(symlink(text, name));
    text[lengths[i]] = 'x';
    if (!lstat(name, &s)) P("size %ld blocks %ld\n", (long)s.st_size, (long)s.st_blocks);
    left();
  }
  text[4095] = 0;
  R(symlink(text, "m/more"));
  left();
  R(unlink("m/s1"));
  left();
  int fd = open("m/f", O_CREAT | O_RDWR, 0666);
  R(pwrite(fd, text, 4096, 0));
  R(symlink(text, "m/more"));
  R(unlink("m/s2"));
  R(symlink(text, "m/more"));
  R(rename("m/f", "m/more"));
  left();
  R(mount(0, "m", 0, MS_REMOUNT, "size=4k"));
  R(mount(0, "m", 0, MS_REMOUNT, "size=8k"));
  close(fd);
  R(umount("m"));
  return 0;
}
