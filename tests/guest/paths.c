// Every call that takes a path, on every kind of file and of bad path; two-path calls on every pair. A line has a call's
// errno for each path, in the order of `paths`.
#include "guest.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define BAD ((char *)-1)
static char long_name[300], long_path[5000];
static const char *paths[] = {"f", "d", "ls", "ld", "dang", "loop", "ff", "cn", "so", "full", "f/x", "nope", "nope/x", "d/",
  "f/", "ls/", "ld/", "dang/", ".", "..", "d/.", "d/..", "/", "", long_name, long_path, BAD, "loop/x", "ff/x", "d/n", "full/",
  "new", "new/", "d/../d/q"};
enum { N = sizeof paths / sizeof *paths, ROOT = 22, FIFO = 6, SINGLE = 29 };

static void empty(const char *name) {
  DIR *dir = opendir(name);
  struct dirent *e;
  char path[600];
  while ((e = readdir(dir))) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    snprintf(path, sizeof path, "%s/%s", name, e->d_name);
    if (unlink(path) && errno == EISDIR) empty(path), rmdir(path);
  }
  closedir(dir);
}

static void setup(void) {
  empty("/tmp/w");
  mkdir("d", 0755), mkdir("full", 0755);
  close(open("f", O_CREAT | O_WRONLY, 0644)), close(open("full/in", O_CREAT, 0644));
  symlink("f", "ls"), symlink("d", "ld"), symlink("nope", "dang"), symlink("loop", "loop");
  mkfifo("ff", 0644);
  mknod("cn", S_IFCHR | 0666, makedev(1, 3)), mknod("so", S_IFSOCK | 0666, 0);
}

/** A call in a child, which may be another program or have another root after it. */
#define CHILD(call)                                                                                \
  ({                                                                                               \
    int status_, pid_ = fork();                                                                    \
    if (!pid_) _exit((call) < 0 ? errno : 0);                                                      \
    waitpid(pid_, &status_, 0);                                                                    \
    errno = WEXITSTATUS(status_);                                                                  \
    errno ? -1 : 0;                                                                                \
  })

#define EACH(call)                                                                                 \
  do {                                                                                             \
    P("%s:", #call);                                                                               \
    for (int i = 0; i < SINGLE; i++) {                                                             \
      const char *p = paths[i];                                                                    \
      setup();                                                                                     \
      errno = 0;                                                                                   \
      long r_ = (long)(call);                                                                      \
      P(" %d", r_ == -1 ? errno : 0);                                                              \
      if (chdir("/tmp/w")) _exit(1);                                                               \
    }                                                                                              \
    P("\n");                                                                                       \
  } while (0)

#define PAIRS(call)                                                                                \
  do {                                                                                             \
    P("%s\n", #call);                                                                              \
    for (int i = 0; i < N; i++) {                                                                  \
      for (int j = 0; j < N; j++) {                                                                \
        const char *a = paths[i], *b = paths[j];                                                   \
        setup();                                                                                   \
        errno = 0;                                                                                 \
        P(" %d", (call) ? errno : 0);                                                              \
      }                                                                                            \
      P("\n");                                                                                     \
    }                                                                                              \
  } while (0)

static int closing(int fd) {
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int un(const char *p, int (*call)(int, const struct sockaddr *, socklen_t)) {
  struct sockaddr_un a = {AF_UNIX};
  if (p == BAD) return 0;
  strncpy(a.sun_path, p, sizeof a.sun_path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), r = call(fd, (void *)&a, sizeof a), e = errno;
  close(fd);
  errno = e;
  return r;
}

int main(void) {
  struct stat st;
  struct statfs sf;
  char buf[5000];
  struct { unsigned bytes; int type; char data[128]; } handle;
  int mnt;
  memset(long_name, 'x', 256);
  for (int i = 0; i < 4998; i += 2) memcpy(long_path + i, "./", 2);
  umask(0);
  mkdir("/tmp/w", 0777), chdir("/tmp/w");
  EACH(stat(p, &st));
  EACH(lstat(p, &st));
  EACH(access(p, R_OK));
  EACH(closing(open(p, O_RDONLY | O_NONBLOCK)));
  EACH(closing(open(p, O_RDWR | O_NONBLOCK)));
  EACH(closing(open(p, O_RDWR | O_CREAT | O_NONBLOCK, 0600)));
  EACH(closing(open(p, O_RDWR | O_CREAT | O_EXCL, 0600)));
  EACH(closing(open(p, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)));
  EACH(closing(open(p, O_RDONLY | O_DIRECTORY)));
  EACH(closing(open(p, O_RDWR | O_DIRECT | O_NONBLOCK)));
  EACH(closing(open(p, O_PATH | O_NOFOLLOW)));
  EACH(closing(open(p, O_TMPFILE | O_RDWR, 0600)));
  EACH(closing(open(p, O_ACCMODE | O_NONBLOCK)));
  EACH(chmod(p, 0600));
  EACH(chown(p, 1, 1));
  EACH(lchown(p, 1, 1));
  EACH(truncate(p, 5));
  EACH(unlink(p));
  EACH(rmdir(p));
  EACH(mkdir(p, 0755));
  EACH(mknod(p, S_IFREG | 0644, 0));
  EACH(mknod(p, S_IFDIR | 0644, 0));
  EACH(mknod(p, S_IFLNK | 0644, 0));
  EACH(mknod(p, S_IFIFO | 0644, 0));
  EACH(symlink("x", p));
  EACH(symlink("", p));
  EACH(readlink(p, buf, sizeof buf));
  EACH(chdir(p));
  EACH(CHILD(chroot(p)));
  EACH(CHILD(execl(p, p, NULL)));
  EACH(utimensat(AT_FDCWD, p, NULL, 0));
  EACH(utimensat(AT_FDCWD, p, NULL, AT_SYMLINK_NOFOLLOW));
  EACH(statfs(p, &sf));
  EACH(setxattr(p, "user.x", "a", 1, 0));
  EACH(lsetxattr(p, "user.x", "a", 1, 0));
  EACH(lsetxattr(p, "trusted.x", "a", 1, 0));
  EACH(getxattr(p, "user.x", buf, 10));
  EACH(listxattr(p, buf, 10));
  EACH(removexattr(p, "trusted.x"));
  EACH(syscall(SYS_swapon, p, 0));
  EACH(i == ROOT ? 0 : umount2(p, 0));
  EACH(i == ROOT ? 0 : umount2(p, UMOUNT_NOFOLLOW));
  EACH(mount("none", p, "nofs", 0, NULL));
  EACH((handle.bytes = 128, syscall(SYS_name_to_handle_at, AT_FDCWD, p, &handle, &mnt, 0)));
  EACH(closing(syscall(SYS_open_tree, AT_FDCWD, p, 1)));
  EACH(un(p, bind));
  EACH(un(p, connect));
  EACH(syscall(SYS_pivot_root, p, "d"));
  EACH(i == FIFO ? 0 : syscall(SYS_acct, p));
  syscall(SYS_acct, NULL);
  PAIRS(link(a, b));
  PAIRS(linkat(AT_FDCWD, a, AT_FDCWD, b, AT_SYMLINK_FOLLOW));
  PAIRS(rename(a, b));
  PAIRS(syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 1));
  PAIRS(syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2));
  return 0;
}
