// Limits of tmpfs: blocks, inodes, options, holes and reserved space; sealed files; how appending writes move the position.
#include "guest.h"
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#define KEEP 1
#define PUNCH 3
static char data[70000];

static void space(const char *what, int fd) {
  struct statfs s;
  struct stat st;
  statfs("m", &s);
  P("%s: %ld of %ld blocks, %ld of %ld inodes free", what, (long)s.f_bfree, (long)s.f_blocks, (long)s.f_ffree, (long)s.f_files);
  if (fd >= 0) fstat(fd, &st), P(", file of %ld bytes in %ld", (long)st.st_size, (long)st.st_blocks);
  P("\n");
}

static void room(void) {
  char name[20];
  R(mount("n", "m", "tmpfs", 0, "size=64k,nr_inodes=5"));
  int fd = open("m/f", O_CREAT | O_RDWR, 0666);
  space("new", fd);
  R(write(fd, data, 70000));
  R(write(fd, data, 1));
  space("full", fd);
  R(ftruncate(fd, 1L << 40));
  R(pwrite(fd, data, 1, 1L << 39));
  space("sparse", fd);
  R(ftruncate(fd, 4096));
  R(fallocate(fd, 0, 0, 65536));
  R(fallocate(fd, 0, 0, 65537));
  R(fallocate(fd, KEEP, 65536, 4096));
  space("reserved", fd);
  R(fallocate(fd, PUNCH, 0, 8192));
  R(fallocate(fd, KEEP, 100000, 8192));
  space("punched", fd);
  for (int i = 0; i < 4; i++) {
    sprintf(name, "m/%d", i);
    R(i & 1 ? symlink("x", name) : mkdir(name, 0755));
  }
  R(link("m/f", "m/l"));
  R(open("m", O_TMPFILE | O_RDWR, 0600));
  R(mknod("m/q", S_IFIFO | 0600, 0));
  R(rename("m/f", "m/g"));
  R(close(fd));
  R(unlink("m/g"));
  R(unlink("m/l"));
  space("less", -1);
  R(mount(NULL, "m", NULL, MS_REMOUNT, "nr_inodes=1"));
  R(mount(NULL, "m", NULL, MS_REMOUNT, "nr_inodes=100,size=8k"));
  space("remounted", -1);
  umount("m");
}

static void options(void) {
  const char *all[] = {"size=0,nr_inodes=0", "nr_blocks=3", "size=5000", "size=1g,size=2m", "size=1k,,mode=700", "inode64", "noswap",
    "huge=never", "huge=foo", "size=1x", "size=abc", "uid=abc", "mode=99", "bogus", "mode=1000,uid=5,gid=6"};
  for (int i = 0; i < 15; i++) {
    if (mount("n", "m", "tmpfs", 0, all[i])) {
      P("%s: errno %d\n", all[i], errno);
      continue;
    }
    struct statfs s;
    struct stat st;
    statfs("m", &s), stat("m", &st);
    P("%s: %ld blocks, mode %o of %d:%d\n", all[i], strstr(all[i], "size") ? (long)s.f_blocks : 0, st.st_mode, st.st_uid, st.st_gid);
    umount("m");
  }
}

static void holes(void) {
  int fd = open("h", O_CREAT | O_RDWR, 0600);
  char c;
  ftruncate(fd, 1 << 20), pwrite(fd, "a", 1, 100000), pwrite(fd, "b", 1, 500000);
  for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
    off_t from = at;
    at = lseek(fd, at, SEEK_HOLE);
    P("data %ld to %ld\n", (long)from, (long)at);
  }
  R(lseek(fd, 1 << 20, SEEK_HOLE));
  R(lseek(fd, (1 << 20) - 1, SEEK_HOLE));
  R(lseek(fd, 98309, SEEK_DATA));
  R(fallocate(fd, PUNCH, 98304, 4096));
  R(lseek(fd, 0, SEEK_DATA));
  R(fallocate(fd, PUNCH, 499990, 20));
  R((pread(fd, &c, 1, 500000), c));
  R(lseek(fd, 0, SEEK_DATA));
  R(fallocate(fd, 0, 700000, 10000));
  R(lseek(fd, 600000, SEEK_DATA));
  R(ftruncate(fd, 0));
  R(lseek(fd, 0, SEEK_HOLE));
}

static void seals(void) {
  int fd = syscall(SYS_memfd_create, "a", 2);
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  R(ftruncate(fd, 5000));
  R(ftruncate(fd, 50));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  R(ftruncate(fd, 6000));
  R(write(fd, data, 5001));
  R(pwrite(fd, data, 905, 4096));
  R(pwrite(fd, data, 904, 4096));
  R(pwrite(fd, data, 10, 4995));
  R(fallocate(fd, 0, 0, 6000));
}

static void appends(void) {
  int fd = open("ap", O_CREAT | O_RDWR | O_APPEND, 0600);
  R(write(fd, "abc", 3));
  R(lseek(fd, 0, SEEK_SET));
  R(write(fd, "de", 2));
  R(lseek(fd, 0, SEEK_CUR));
  R(pwrite(fd, "XY", 2, 0));
  R(lseek(fd, 0, SEEK_CUR));
  R(fcntl(fd, F_SETFL, 0));
  R(pwrite(fd, "ZZ", 2, 0));
  R(pread(fd, data, 10, 0));
  P("%.7s\n", data);
}

static void watched(void) {
  char buf[400];
  int in = inotify_init1(IN_NONBLOCK), fd = open("w", O_CREAT | O_RDWR, 0600);
  R(inotify_add_watch(in, "w", IN_ONLYDIR));
  R(inotify_add_watch(in, ".", IN_ONLYDIR));
  R(inotify_add_watch(in, "w", 0x10000));
  R(inotify_add_watch(in, "w", IN_MODIFY));
  R(fallocate(fd, 0, 0, 10));
  R(read(in, buf, sizeof buf));
  // A write that takes set-id bits away is a change of the mode, too; a directory that another replaces loses a link.
  fchmod(fd, 04777), mkdir("e1", 0755), mkdir("e2", 0755);
  R(inotify_add_watch(in, "w", IN_ATTRIB | IN_MODIFY));
  R(inotify_add_watch(in, "e2", IN_ALL_EVENTS));
  if (!fork()) {
    setuid(1000), write(fd, "x", 1);
    _exit(0);
  }
  wait(NULL);
  R(rename("e1", "e2"));
  long n = read(in, buf, sizeof buf);
  for (long at = 0; at < n; at += sizeof(struct inotify_event) + ((struct inotify_event *)(buf + at))->len)
    P("watch %d: %x\n", ((struct inotify_event *)(buf + at))->wd, ((struct inotify_event *)(buf + at))->mask);
}

/* Which attributes a new file has of its directory's, and what is not looked at without a size. */
static void attributes(void) {
  if (mount("t", "m", "tmpfs", 0, 0)) return;
  int dir = open("m", O_RDONLY), flags = FS_NODUMP_FL | FS_NOATIME_FL | FS_APPEND_FL;
  R(ioctl(dir, FS_IOC_SETFLAGS, &flags));
  int f = open("m/f", O_CREAT | O_RDWR, 0644);
  R(ioctl(f, FS_IOC_GETFLAGS, &flags));
  P("%x\n", flags);
  mkdir("m/d", 0755);
  int d = open("m/d", O_RDONLY);
  R(ioctl(d, FS_IOC_GETFLAGS, &flags));
  P("%x\n", flags);
  f = open("m", O_TMPFILE | O_RDWR, 0644);
  R(ioctl(f, FS_IOC_GETFLAGS, &flags));
  P("%x\n", flags);
  const unsigned bits[] = {0x800, 0x1000, 0x8000, 0x10000};
  for (int i = 0; i < 4; i++)
    for (int size = 0; size <= 4096; size += 4096) {
      struct fsxattr x = {.fsx_xflags = bits[i], .fsx_extsize = size};
      P("%x %d\n", bits[i], size);
      R(ioctl(f, FS_IOC_FSSETXATTR, &x));
      R(ioctl(d, FS_IOC_FSSETXATTR, &x));
    }
  close(f), close(d), close(dir);
  umount2("m", MNT_DETACH);
}

/* A directory without a name takes none, whatever stands elsewhere. */
static void removed(void) {
  mkdir("gone", 0755);
  int d = open("gone", O_RDONLY);
  rmdir("gone");
  R(linkat(AT_FDCWD, "/proc/self/exe", d, "n", 0));
  R(linkat(AT_FDCWD, ".", d, "n", 0));
  R(mkdirat(d, "n/", 0755));
  R(symlinkat("t", d, "n/"));
  close(d);
}

/* Where reading goes on after each entry, and what becomes of it when that entry is gone. */
static void positions(void) {
  struct {
    long ino, off;
    unsigned short length;
    unsigned char type;
    char name[];
  } *e;
  char b[1024], name[20];
  if (mount("t", "m", "tmpfs", 0, 0)) return;
  int d = open("m", O_RDONLY);
  for (int files = 0; files <= 4; files += 2) {
    for (int i = 0; i < files; i++) sprintf(name, "m/%d", i), close(open(name, O_CREAT | O_RDONLY, 0644));
    if (files == 4) unlink("m/1"), rename("m/0", "m/9");
    lseek(d, 0, SEEK_SET);
    int n = syscall(SYS_getdents64, d, b, sizeof b);
    for (int at = 0; at < n; at += e->length) e = (void *)(b + at), P("%s %ld ", e->name, e->off);
    P("end %ld\n", (long)lseek(d, 0, SEEK_CUR));
  }
  // Room for three at a time.
  lseek(d, 0, SEEK_SET);
  R(syscall(SYS_getdents64, d, b, 72));
  R(lseek(d, 0, SEEK_CUR));
  unlink("m/3"), close(open("m/5", O_CREAT | O_RDONLY, 0644));
  int n = syscall(SYS_getdents64, d, b, sizeof b);
  for (int at = 0; at < n; at += e->length) e = (void *)(b + at), P("%s %ld ", e->name, e->off);
  P("\n");
  close(d);
  umount("m");
}

int main(void) {
  umask(0), mkdir("m", 0777);
  room();
  options();
  holes();
  seals();
  appends();
  watched();
  attributes();
  removed();
  positions();
  return 0;
}
