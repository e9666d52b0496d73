/* ramfs: what it has of tmpfs, and what not. */
#include "guest.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static char buf[5000];

static void show(const char *path) {
  struct stat s;
  lstat(path, &s);
  P("%s: %o nlink %d size %ld blocks %ld\n", path, s.st_mode, (int)s.st_nlink, (long)s.st_size, (long)s.st_blocks);
}

static void options(void) {
  char line[512];
  FILE *f = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, f))
    if (strstr(line, " /tmp/rf ")) P("%s", line);
  fclose(f);
}

static void mounting(void) {
  R(mount("none", "/tmp/rf", "ramfs", 0, "mode=1777,size=1k,nosuch=3"));
  options();
  show("/tmp/rf");
  R(mount("none", "/tmp/rf", "ramfs", MS_REMOUNT | MS_RDONLY, "mode=700"));
  options();
  R(mount("none", "/tmp/rf", "ramfs", MS_REMOUNT, "mode=zz"));
  R(umount("/tmp/rf"));
  R(mount("none", "/tmp/rf", "ramfs", 0, "mode=9"));
  R(mount("none", "/tmp/rf", "ramfs", 0, 0));
  options();
  struct statfs s;
  statfs("/tmp/rf", &s);
  P("%lx %ld %ld %ld %ld\n", (long)s.f_type, (long)s.f_bsize, (long)s.f_blocks, (long)s.f_files, (long)s.f_namelen);
}

static void attributes(int fd) {
  struct {
    unsigned bytes;
    int type;
    char handle[128];
  } handle = {128};
  int flags = 0;
  struct {
    unsigned version;
    struct {
      unsigned short tag, perm;
      unsigned id;
    } e[4];
  } acl = {2, {{1, 6, -1}, {4, 4, -1}, {0x20, 4, -1}}};
  P("-- attributes\n");
  R(getxattr("f", "user.a", buf, 10));
  R(getxattr("f", "system.posix_acl_access", buf, 10));
  R(setxattr("f", "user.a", "b", 1, 0));
  R(setxattr("f", "trusted.a", "b", 1, 0));
  R(setxattr("f", "security.a", "b", 1, 0));
  R(setxattr("f", "system.posix_acl_access", &acl, 28, 0));
  R(removexattr("f", "user.a"));
  R(listxattr("f", 0, 0));
  R(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  R(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  R(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &handle, &flags, 0));
  R(fcntl(fd, F_GET_SEALS));
  unsigned statx[64];
  syscall(SYS_statx, AT_FDCWD, "f", 0, 0xfff, statx);
  P("mask %x attributes %x of %x\n", statx[0], statx[2], statx[14]);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  umask(022);
  mkdir("/tmp/rf", 0777);
  mounting();
  chdir("/tmp/rf");
  P("-- files\n");
  int fd = open("f", O_CREAT | O_RDWR, 0666);
  R(write(fd, "hello", 5));
  R(pwrite(fd, "x", 1, 100000));
  show("f");
  show(".");
  R(lseek(fd, 50000, SEEK_DATA));
  R(lseek(fd, 0, SEEK_HOLE));
  R(lseek(fd, 100001, SEEK_DATA));
  R(fallocate(fd, 0, 0, 10));
  R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
  char *p = mmap(0, 4096, 3, MAP_SHARED, fd, 0);
  R(madvise(p, 4096, MADV_REMOVE));
  P("%.5s\n", p);
  R(ftruncate(fd, 3));
  show("f");
  R(open("o", O_CREAT | O_RDWR | O_DIRECT, 0600));
  R(fcntl(fd, F_SETFL, O_DIRECT));
  R(open(".", O_TMPFILE | O_RDWR, 0600) > 0);
  attributes(fd);
  P("-- directories\n");
  mkdir("d", 0777);
  mkdir("d/e", 0777);
  show(".");
  show("d");
  symlink("target", "s");
  memset(buf, 'l', 4000);
  symlink(buf, "long");
  struct stat st;
  lstat("long", &st);
  P("%ld %ld\n", (long)st.st_size, (long)st.st_blocks);
  R(mkfifo("p", 0644));
  R(link("f", "f2"));
  R(rename("f2", "d/f3"));
  R(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 4));
  R(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE));
  R(syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "p", RENAME_EXCHANGE));
  DIR *dir = opendir(".");
  for (struct dirent *e; (e = readdir(dir));) P("%.8s %d\n", e->d_name, e->d_type);
  R(rmdir("d"));
  R(unlink("d/f3"));
  R(rmdir("d/e"));
  R(rmdir("d"));
  show(".");
  return 0;
}
