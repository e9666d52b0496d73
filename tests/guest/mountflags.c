// What is refused on read-only mounts and file systems, what the flags of a mount do, and how umount ends one.
#include "guest.h"
#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void shown(void) {
  char line[1000];
  struct statfs s;
  statfs("m", &s);
  P("  f_flags %lx\n", (long)s.f_flags);
  FILE *f = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof line, f))
    if (strstr(line, " /tmp/m ")) P("  %s", strstr(line, "/tmp/m"));
  fclose(f);
}

static void make(const char *name, mode_t mode, int size) {
  int fd = open(name, O_CREAT | O_RDWR, 0600);
  fchmod(fd, mode), ftruncate(fd, size), close(fd);
}

static int opens(const char *name, int flags) {
  int fd = open(name, flags, 0600);
  return fd < 0 ? -1 : close(fd);
}

static void changes(void) {
  struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  struct sockaddr_un a = {AF_UNIX, "m/sock"};
  int fl = 0x10, fd;
  R(opens("m/x", O_RDWR));
  R(opens("m/x", O_RDONLY | O_TRUNC));
  R(opens("m/x", O_RDONLY | O_CREAT));
  R(opens("m/n", O_RDONLY | O_CREAT));
  R(opens("m/x", O_RDONLY | O_CREAT | O_EXCL));
  R(opens("m", O_TMPFILE | O_RDWR));
  R(opens("m/ff", O_RDWR));
  R(opens("m/null", O_RDWR));
  R(chmod("m/x", 0600));
  R(chown("m/x", -1, -1));
  R(utimensat(AT_FDCWD, "m/x", NULL, 0));
  R(utimensat(AT_FDCWD, "m/x", omit, 0));
  R(link("m/x", "m/z"));
  R(link("m/x", "m/y"));
  R(link("/tmp/f", "m/z"));
  R(symlink("a", "m/z"));
  R(symlink("a", "m/sl"));
  R(mkdir("m/z", 0));
  R(mkdir("m/dir", 0));
  R(mknod("m/z", S_IFIFO | 0600, 0));
  R(mknod("m/ff", S_IFIFO | 0600, 0));
  R(unlink("m/x"));
  R(unlink("m/none"));
  R(unlink("m/dir"));
  R(rmdir("m/dir"));
  R(rmdir("m/none"));
  R(rmdir("m/x"));
  R(rename("m/x", "m/z"));
  R(rename("m/x", "m/x"));
  R(rename("m/none", "m/z"));
  R(rename("m/x", "/tmp/z"));
  R(rename("/tmp/f", "m/z"));
  R(truncate("m/x", 3));
  R(truncate("m/dir", 3));
  R(setxattr("m/x", "trusted.a", "1", 1, 0));
  R(removexattr("m/x", "trusted.a"));
  R(access("m/x", W_OK));
  R(access("m/null", W_OK));
  R(access("m/dir", W_OK));
  R(access("m/ff", W_OK));
  R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a));
  fd = open("m/x", O_RDONLY);
  R(fchmod(fd, 0600));
  R(ioctl(fd, 0x40086602, &fl));
  R(ftruncate(fd, 1));
  close(fd);
  if (fork()) {
    wait(NULL);
    return;
  }
  setgroups(0, NULL), setgid(1000), setuid(1000);
  R(opens("m/x", O_RDWR));
  R(mkdir("m/z", 0));
  R(unlink("m/x"));
  R(chmod("m/x", 0));
  R(access("m/x", W_OK));
  R(rename("m/x", "m/z"));
  R(truncate("m/x", 1));
  _exit(0);
}

static void read_only(void) {
  R(mount("none", "m", "tmpfs", 0, "mode=755"));
  make("m/x", 0644, 10), mkdir("m/dir", 0755), symlink("x", "m/sl"), mkfifo("m/ff", 0666), link("m/x", "m/y");
  mknod("m/null", S_IFCHR | 0666, makedev(1, 3)), make("/tmp/f", 0644, 1);
  int fd = open("m/x", O_RDWR);
  R(mount("none", "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  R(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  close(fd);
  R(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  shown();
  changes();
  R(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND, NULL));
  R(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  shown();
  changes();
  R(umount("m"));
}

static int newer(struct timespec a, struct timespec b) { return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec; }

static void access_times(void) {
  struct stat a, b;
  char c;
  int fd = open("m/x", O_RDWR);
  write(fd, "aaa", 3);
  struct timespec t[2] = {{100, 0}, {200, 0}};
  futimens(fd, t), pread(fd, &c, 1, 0), fstat(fd, &a);
  P("  before mtime %d", a.st_atime != 100);
  t[0].tv_sec = time(NULL) - 10, t[1].tv_sec = 100;
  futimens(fd, t), fstat(fd, &b), msleep(8), pread(fd, &c, 1, 0), fstat(fd, &a);
  P(", before ctime %d", newer(a.st_atim, b.st_atim));
  t[0].tv_sec = time(NULL) + 100;
  futimens(fd, t), pread(fd, &c, 1, 0), fstat(fd, &a);
  P(", after all %d", a.st_atime != t[0].tv_sec);
  stat("m/dd", &b), msleep(12);
  DIR *dir = opendir("m/dd");
  while (readdir(dir)) {}
  closedir(dir), stat("m/dd", &a);
  P(", of a directory %d\n", newer(a.st_atim, b.st_atim));
  close(fd);
}

static void flagged(void) {
  unsigned long flags[] = {MS_NOEXEC, MS_NODEV, MS_NOSUID, 256, MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, 1 << 25, MS_NOATIME,
    MS_NODIRATIME, MS_STRICTATIME, MS_RELATIME, MS_SILENT, MS_NOATIME | MS_STRICTATIME, 1UL << 31};
  for (int i = 0; i < 15; i++) {
    P("-- flags %lx\n", flags[i]);
    R(mount("dev", "m", "tmpfs", flags[i], NULL));
    if (errno) continue;
    shown();
    make("m/x", 0755, 0), mkdir("m/dd", 0755), symlink("x", "m/sl"), symlink("dd", "m/ld");
    mknod("m/null", S_IFCHR | 0666, makedev(1, 3));
    R(opens("m/null", O_RDWR));
    R(opens("m/sl", O_RDONLY));
    R(opens("m/sl", O_RDONLY | O_NOFOLLOW));
    R(opens("m/ld/..", O_RDONLY));
    R(access("m/x", X_OK));
    R(access("m/dd", X_OK));
    int fd = open("m/x", O_RDWR);
    ftruncate(fd, 4096);
    OK(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    void *map = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    R(mprotect(map, 4096, PROT_READ | PROT_EXEC));
    close(fd);
    access_times();
    R(umount2("m", MNT_DETACH));
  }
}

static void ends(void) {
  symlink("m", "lm");
  mount("none", "m", "tmpfs", 0, NULL), make("m/x", 0644, 1);
  int fd = open("m", O_RDONLY);
  R(umount("m"));
  R(umount2("m", MNT_EXPIRE));
  close(fd);
  R(umount2("m", MNT_EXPIRE | MNT_FORCE));
  R(umount2("m", MNT_EXPIRE | MNT_DETACH));
  R(umount2("m", 0x40));
  R(umount2("m", MNT_EXPIRE));
  R(access("m/x", F_OK));
  R(umount2("m", MNT_EXPIRE));
  R(umount2("m", MNT_EXPIRE));
  R(umount2("m", MNT_EXPIRE));
  mount("none", "m", "tmpfs", 0, NULL);
  R(umount2("lm", UMOUNT_NOFOLLOW));
  R(umount2("lm", 0));
  mount("none", "m", "tmpfs", 0, NULL), chdir("m");
  R(umount("/tmp/m"));
  R(umount2("/tmp/m", MNT_DETACH));
  R(opens("x", O_CREAT | O_RDWR));
  char cwd[100];
  P("%ld %s\n", syscall(SYS_getcwd, cwd, 100), cwd);
  chdir("/tmp");
  mount("none", "m", "tmpfs", 0, NULL), mkdir("m/a", 0755), mkdir("m/c", 0755), mount("none", "m/a", "tmpfs", 0, NULL);
  R(umount("m"));
  R(rmdir("m/a"));
  R(rename("m/a", "m/b"));
  R(rename("m/c", "m/a"));
  R(unlink("m/a"));
  R(rename("m", "m3"));
  R(umount2("m", MNT_DETACH));
}

static void refused(void) {
#define M(...) R(mount(__VA_ARGS__))
  M("none", "m", "nofs", 0, NULL);
  M("none", "m", "", 0, NULL);
  M("none", "m", NULL, 0, NULL);
  M(NULL, "m", "tmpfs", 0, NULL);
  shown(), umount("m");
  M("", "m", "tmpfs", 0, NULL);
  shown(), umount("m");
  M("none", "f", "tmpfs", 0, NULL);
  M("none", "none", "tmpfs", 0, NULL);
  M((char *)-1, "m", "tmpfs", 0, NULL);
  M("none", "none", (char *)-1, 0, NULL);
  M("none", "none", "tmpfs", 0, (char *)-1);
  M("none", "m", "tmpfs", 0, "bogus");
  M("none", "m", "pipefs", 0, NULL);
  M("none", "m", "sockfs", 0, NULL);
  M("none", "m", NULL, MS_REMOUNT, NULL);
  M("none", "m", NULL, MS_REMOUNT | MS_BIND, NULL);
  M("none", "m", NULL, MS_MOVE, NULL);
  M("m", "f", NULL, MS_BIND, NULL);
  M("f", "m", NULL, MS_BIND, NULL);
  M("", "m", NULL, MS_BIND, NULL);
  M(NULL, "m", NULL, MS_SHARED, NULL);
  M("none", "m", "tmpfs", 0, NULL);
  M(NULL, "m", NULL, MS_SHARED | MS_PRIVATE, NULL);
  M(NULL, "m", NULL, MS_SHARED | MS_NOEXEC, NULL);
  umount("m");
}

/** Who polls the list of mounts is told once of each change. */
static void polled(void) {
  struct pollfd p[] = {{open("/proc/self/mounts", O_RDONLY), POLLIN | POLLPRI}, {open("/proc/self/mountinfo", O_RDONLY), POLLPRI}};
#define POLL(call) ((call), poll(p, 2, 0), P("%s: %x %x\n", #call, p[0].revents, p[1].revents))
  POLL(0);
  POLL(mount("n", "m", "tmpfs", 0, NULL));
  POLL(0);
  POLL(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL));
  POLL(umount("m"));
  if (!fork()) {
    msleep(20), mount("n", "m", "tmpfs", 0, NULL);
    _exit(0);
  }
  R(poll(p + 1, 1, 5000));
  wait(NULL), umount("m");
}

int main(void) {
  umask(0), mkdir("m", 0755);
  read_only();
  flagged();
  ends();
  refused();
  polled();
  return 0;
}
