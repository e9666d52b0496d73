// fanotify(7): descriptors, file handles, names, ignore masks, permission, limits, errors; and dnotify.
#include "guest.h"
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x1000
#endif
#ifndef FAN_REPORT_PIDFD
#define FAN_REPORT_PIDFD 0x80
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#endif
#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x400
#endif
#ifndef FAN_MARK_EVICTABLE
#define FAN_MARK_EVICTABLE 0x200
#endif
#ifndef FAN_OPEN_EXEC
#define FAN_OPEN_EXEC 0x1000
#define FAN_OPEN_EXEC_PERM 0x40000
#endif
#ifndef FAN_REPORT_DIR_FID
#define FAN_REPORT_DIR_FID 0x400
#define FAN_REPORT_NAME 0x800
#endif
#ifndef FAN_REPORT_FID
#define FAN_REPORT_FID 0x200
#endif
#ifndef FAN_MARK_FILESYSTEM
#define FAN_MARK_FILESYSTEM 0x100
#endif

static char buf[65536];

static int init(unsigned flags, unsigned event) { return syscall(SYS_fanotify_init, flags, event); }
static int mark(int fd, unsigned flags, unsigned long mask, const char *path) {
  return syscall(SYS_fanotify_mark, fd, flags, mask, AT_FDCWD, path);
}

static const char *names[32] = {
    "ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM", "MOVED_TO",
    "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", "OPEN_EXEC", "?", "Q_OVERFLOW", "FS_ERROR",
    "OPEN_PERM", "ACCESS_PERM", "OPEN_EXEC_PERM", 0, 0, 0, 0, 0, 0, 0, 0, "ON_CHILD", "RENAME", 0, "ONDIR", 0};

static void print_mask(unsigned long mask) {
  for (int i = 0; i < 32; i++)
    if (mask >> i & 1) printf(" %s", names[i] ? names[i] : "?");
}

/** The inode number that a handle of tmpfs holds, as a name. */
static const char *whose(unsigned char *handle) {
  static char text[64];
  unsigned bytes;
  memcpy(&bytes, handle, 4);
  unsigned char mine[8 + 128];
  const char *files[] = {".", "f", "g", "d", "d/x", "d2", "e", "h", 0};
  for (int i = 0; files[i]; i++) {
    int mount_id;
    *(unsigned *)mine = 128;
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, files[i], mine, &mount_id, 0)) continue;
    if (*(unsigned *)mine == bytes && !memcmp(mine + 8, handle + 8, bytes)) return files[i];
  }
  return "gone";
}

static void show(int fd) {
  ssize_t n = read(fd, buf, sizeof buf);
  if (n < 0) printf("  read: errno %d\n", errno);
  for (char *at = buf; n > 0;) {
    struct fanotify_event_metadata *m = (void *)at;
    printf("  vers %d len %d", m->vers, m->metadata_len);
    print_mask(m->mask);
    printf(" pid %s", m->pid == getpid() ? "mine" : m->pid == 0 ? "0" : "other");
    if (m->fd >= 0) {
      char link[64], path[128] = "";
      sprintf(link, "/proc/self/fd/%d", m->fd);
      int k = readlink(link, path, 127);
      printf(" %s flags %o", k > 0 ? strrchr(path, '/') + 1 : "?", fcntl(m->fd, F_GETFL));
      close(m->fd);
    } else printf(" fd %d", m->fd);
    for (char *r = at + m->metadata_len; r < at + m->event_len;) {
      unsigned char type = r[0];
      unsigned short len = *(unsigned short *)(r + 2);
      if (type == 4) {
        int pidfd = *(int *)(r + 4);
        printf(" [pidfd %s]", pidfd >= 0 ? "yes" : "no");
        if (pidfd >= 0) close(pidfd);
      } else {
        unsigned bytes = *(unsigned *)(r + 12);
        int name = len > 20 + bytes;
        printf(" [%d %s%s%s%s]", type, whose((unsigned char *)r + 12), name ? " " : "", name ? r + 20 + bytes : "",
               len % 4 ? " unaligned" : "");
      }
      r += len;
    }
    puts("");
    n -= m->event_len;
    at += m->event_len;
  }
  fflush(stdout);
}

static void make(const char *name, const char *text) {
  int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (text) write(fd, text, strlen(text));
  close(fd);
}
static void look(const char *name) {
  char c;
  int fd = open(name, O_RDONLY);
  read(fd, &c, 1);
  close(fd);
}

static void errors(void) {
  R(init(0x100000, 0));
  R(init(0, 3));
  R(init(0, O_CREAT));
  R(init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, 0));
  R(init(FAN_REPORT_PIDFD | FAN_REPORT_TID, 0));
  R(init(FAN_REPORT_FID | FAN_CLASS_CONTENT, 0));
  R(init(FAN_REPORT_NAME, 0));
  R(init(FAN_REPORT_TARGET_FID | FAN_REPORT_FID, 0));
  int n = init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
  int fid = init(FAN_REPORT_FID | FAN_NONBLOCK, 0);
  R(mark(n, FAN_MARK_ADD, 0, "f"));
  R(mark(n, 0, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_ADD, 0x2000, "f"));
  R(mark(n, FAN_MARK_ADD, 1UL << 40, "f"));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_ADD, FAN_OPEN, "none"));
  R(mark(n, FAN_MARK_ADD, FAN_OPEN_PERM, "f"));
  R(mark(n, FAN_MARK_ADD, FAN_CREATE, "f"));
  R(mark(n, FAN_MARK_ADD, FAN_ATTRIB, "f"));
  R(mark(fid, FAN_MARK_ADD, FAN_RENAME, "."));
  R(mark(fid, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CREATE, "."));
  R(mark(fid, FAN_MARK_ADD, FAN_CREATE, "f"));
  R(mark(n, FAN_MARK_REMOVE, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_FLUSH | FAN_MARK_ONLYDIR, 0, "f"));
  R(mark(n, FAN_MARK_FLUSH, 0, 0));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_IGNORED_MASK, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_IGNORE, FAN_OPEN, "."));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_MOUNT, FAN_OPEN, "."));
  R(mark(n, FAN_MARK_ADD | FAN_MARK_EVICTABLE | FAN_MARK_MOUNT, FAN_OPEN, "."));
  R(mark(0, FAN_MARK_ADD, FAN_OPEN, "f"));
  R(mark(99, FAN_MARK_ADD, FAN_OPEN, "f"));
  R(mark(n, FAN_MARK_ADD, FAN_OPEN, 0));
  R(read(n, buf, 24));
  R(write(n, buf, 4));
  int response[2] = {5, 9};
  R(write(n, response, 8));
  response[1] = FAN_ALLOW;
  R(write(n, response, 8));
  response[0] = -1;
  R(write(n, response, 8));
  R(fcntl(n, F_GETFL));
  R(mark(fid, FAN_MARK_ADD, FAN_OPEN_PERM, "f"));
  close(n);
  close(fid);
}

static void descriptors(void) {
  int n = init(FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);
  puts("a directory and its children");
  R(mark(n, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE | FAN_ACCESS | FAN_MODIFY | FAN_EVENT_ON_CHILD, "."));
  make("f", "hello");
  show(n);
  look("f");
  show(n);
  look("d/x");
  R(mark(n, FAN_MARK_ADD, FAN_ONDIR, "."));
  close(open(".", O_RDONLY));
  close(open("d", O_RDONLY));
  show(n);
  puts("a file too, one event");
  R(mark(n, FAN_MARK_ADD, FAN_OPEN, "f"));
  close(open("f", O_RDONLY));
  int bytes = 0;
  struct pollfd p = {n, POLLIN, 0};
  R(poll(&p, 1, 0));
  R(read(n, buf, 20));
  show(n);
  puts("ignored");
  R(mark(n, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, "f"));
  look("f");
  show(n);
  make("f", "again");
  look("f");
  show(n);
  R(mark(n, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN | FAN_CLOSE | FAN_MODIFY | FAN_ACCESS, "f"));
  make("f", "again");
  show(n);
  R(mark(n, FAN_MARK_REMOVE, FAN_OPEN | FAN_CLOSE | FAN_ACCESS | FAN_MODIFY | FAN_EVENT_ON_CHILD | FAN_ONDIR, "."));
  R(mark(n, FAN_MARK_REMOVE, FAN_OPEN, "."));
  R(mark(n, FAN_MARK_FLUSH, 0, 0));
  puts("the mount");
  R(mark(n, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, "f"));
  look("d/x");
  show(n);
  R(mark(n, FAN_MARK_FLUSH, 0, 0));
  look("d/x");
  show(n);
  R(mark(n, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, 0));
  look("d/x");
  show(n);
  puts("a child, its thread");
  int t = init(FAN_NONBLOCK | FAN_REPORT_TID, O_RDWR);
  R(mark(t, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE, "f"));
  if (fork() == 0) {
    look("f");
    _exit(0);
  }
  wait(0);
  look("f");
  show(t);
  puts("exec");
  R(mark(t, FAN_MARK_ADD, FAN_OPEN_EXEC, "prog"));
  if (fork() == 0) {
    execl("prog", "prog", "child", (char *)0);
    _exit(9);
  }
  wait(0);
  show(t);
  close(n);
  close(t);
}

static void handles(unsigned flags) {
  printf("handles, flags %x\n", flags);
  int n = init(FAN_NONBLOCK | flags, 0);
  unsigned long all = FAN_CREATE | FAN_DELETE | FAN_MOVE | FAN_MOVE_SELF | FAN_DELETE_SELF | FAN_ATTRIB |
                      FAN_MODIFY | FAN_OPEN | FAN_CLOSE | FAN_ONDIR | FAN_EVENT_ON_CHILD;
  R(mark(n, FAN_MARK_ADD, all, "."));
  make("g", "x");
  show(n);
  mkdir("e", 0755);
  show(n);
  chmod("g", 0600);
  show(n);
  rename("g", "h");
  show(n);
  rename("h", "e/h");
  show(n);
  rename("e/h", "h");
  show(n);
  rmdir("e");
  show(n);
  R(mark(n, FAN_MARK_ADD, FAN_DELETE_SELF | FAN_ATTRIB, "h"));
  unlink("h");
  show(n);
  R(mark(n, FAN_MARK_FLUSH, 0, 0));
  puts("the file system");
  R(mark(n, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CREATE | FAN_DELETE | FAN_OPEN | FAN_ONDIR, "."));
  make("d/y", 0);
  mkdir("e", 0755);
  rmdir("e");
  unlink("d/y");
  show(n);
  if (flags & FAN_REPORT_NAME) {
    puts("renames");
    R(mark(n, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, 0));
    R(mark(n, FAN_MARK_ADD, FAN_RENAME | FAN_ONDIR, "d"));
    R(mark(n, FAN_MARK_ADD, FAN_RENAME, "f"));
    rename("d/x", "g");
    show(n);
    rename("g", "d/x");
    show(n);
    R(mark(n, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_RENAME, "."));
    rename("d/x", "g");
    show(n);
    rename("g", "d/x");
    show(n);
  }
  close(n);
}

static void unprivileged(void) {
  if (fork() == 0) {
    setgid(1000);
    setuid(1000);
    R(init(0, 0) < 0);
    R(init(FAN_REPORT_FID | FAN_UNLIMITED_QUEUE, 0));
    int n = init(FAN_REPORT_FID | FAN_NONBLOCK, 0);
    R(mark(n, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, "."));
    R(mark(n, FAN_MARK_ADD, FAN_OPEN, "f"));
    R(mark(n, FAN_MARK_ADD, FAN_OPEN, "secret"));
    if (fork() == 0) {
      close(open("f", O_RDONLY));
      _exit(0);
    }
    wait(0);
    show(n);
    close(open("f", O_RDONLY));
    show(n);
    exit(0);
  }
  wait(0);
}

/** Answers `count` questions. */
static void answer(int n, int count, unsigned verdict) {
  while (count-- > 0) {
    struct fanotify_event_metadata m;
    if (read(n, &m, sizeof m) != sizeof m) break;
    char link[64], path[128] = "";
    sprintf(link, "/proc/self/fd/%d", m.fd);
    readlink(link, path, 127);
    printf("  asked:");
    print_mask(m.mask);
    printf(" of %s\n", strrchr(path, '/') + 1);
    struct fanotify_response r = {m.fd, verdict};
    write(n, &r, sizeof r);
    close(m.fd);
  }
  fflush(stdout);
}

static void permission(void) {
  int n = init(FAN_CLASS_CONTENT, O_RDONLY);
  R(mark(n, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_ACCESS_PERM, "f"));
  int status;
  fflush(stdout);
  for (int verdict = FAN_ALLOW; verdict <= FAN_DENY; verdict++) {
    int pipes[2];
    pipe(pipes);
    pid_t p = fork();
    if (p == 0) {
      char text[100];
      int fd = open("f", O_RDONLY);
      int e1 = errno;
      char c;
      int r = read(fd, &c, 1);
      int len = sprintf(text, "  open %s (%d) read %d\n", fd >= 0 ? "ok" : "failed", fd >= 0 ? 0 : e1, r);
      write(pipes[1], text, len);
      _exit(0);
    }
    answer(n, verdict == FAN_ALLOW ? 2 : 1, verdict);
    waitpid(p, &status, 0);
    int k = read(pipes[0], buf, 100);
    write(1, buf, k);
    close(pipes[0]);
    close(pipes[1]);
  }
  puts("killed while it waits");
  fflush(stdout);
  pid_t p = fork();
  if (p == 0) {
    open("f", O_RDONLY);
    _exit(0);
  }
  msleep(50);
  kill(p, SIGKILL);
  waitpid(p, &status, 0);
  P("signal %d\n", WTERMSIG(status));
  fcntl(n, F_SETFL, O_NONBLOCK);
  R(read(n, buf, sizeof buf));
  fcntl(n, F_SETFL, 0);
  puts("exec");
  R(mark(n, FAN_MARK_ADD, FAN_OPEN_EXEC_PERM | FAN_OPEN_PERM, "prog"));
  fflush(stdout);
  p = fork();
  if (p == 0) {
    execl("prog", "prog", "child", (char *)0);
    _exit(errno);
  }
  answer(n, 2, FAN_ALLOW);
  waitpid(p, &status, 0);
  P("status %d\n", WEXITSTATUS(status));
  p = fork();
  if (p == 0) {
    execl("prog", "prog", "child", (char *)0);
    _exit(errno);
  }
  answer(n, 1, FAN_DENY);
  waitpid(p, &status, 0);
  P("status %d\n", WEXITSTATUS(status));
  puts("the group ends");
  fflush(stdout);
  p = fork();
  if (p == 0) {
    close(n);
    int fd = open("f", O_RDONLY);
    _exit(fd >= 0 ? 0 : errno);
  }
  msleep(50);
  close(n);
  waitpid(p, &status, 0);
  P("status %d\n", WEXITSTATUS(status));
}

static volatile sig_atomic_t got, got_fd, got_code;
static void handler(int sig, siginfo_t *si, void *u) {
  got++;
  got_fd = si->si_fd;
  got_code = si->si_code;
}
#define SIGS(what)                                                                                 \
  do {                                                                                             \
    got = 0;                                                                                       \
    what;                                                                                          \
    P("%s: %d signals\n", #what, got);                                                             \
  } while (0)

static void dnotify(void) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGIO, &sa, 0);
  sigaction(SIGRTMIN, &sa, 0);
  int f = open("f", O_RDONLY);
  R(fcntl(f, F_NOTIFY, DN_MODIFY));
  int d = open("d", O_RDONLY);
  R(fcntl(d, F_NOTIFY, DN_CREATE));
  R(fcntl(d, F_GETOWN) == getpid());
  SIGS(make("d/n", 0));
  SIGS(make("d/m", 0));
  fcntl(d, F_SETSIG, SIGRTMIN);
  R(fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT));
  SIGS(make("d/o", 0));
  P("fd %d code %d\n", got_fd == d, got_code);
  SIGS(unlink("d/o"));
  SIGS(rename("d/n", "d/p"));
  SIGS(rename("d/p", "q"));
  SIGS(rename("q", "d/n"));
  R(fcntl(d, F_NOTIFY, DN_RENAME | DN_MULTISHOT));
  SIGS(rename("d/n", "d/p"));
  R(fcntl(d, F_NOTIFY, DN_MODIFY | DN_ACCESS | DN_ATTRIB | DN_MULTISHOT));
  SIGS(make("d/p", "text"));
  SIGS(look("d/p"));
  SIGS(chmod("d/p", 0600));
  int d2 = dup(d);
  SIGS(close(d2));
  SIGS(make("d/p2", 0));
  R(fcntl(d, F_NOTIFY, 0));
  SIGS(make("d/r", 0));
  close(d);
}

int main(int argc, char **argv) {
  if (argc > 1) return 7;
  mkdir("/tmp/fan", 0755);
  if (mount("none", "/tmp/fan", "tmpfs", 0, "") || chdir("/tmp/fan")) return 1;
  chmod(".", 0755);
  make("f", "f");
  make("secret", "f");
  chmod("secret", 0600);
  mkdir("d", 0755);
  make("d/x", "x");
  int in = open("/proc/self/exe", O_RDONLY), out = open("prog", O_CREAT | O_WRONLY, 0755);
  for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;) write(out, buf, n);
  close(in);
  close(out);
  errors();
  descriptors();
  handles(FAN_REPORT_FID);
  handles(FAN_REPORT_DIR_FID);
  handles(FAN_REPORT_FID | FAN_REPORT_DIR_FID);
  handles(FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
  handles(FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
  handles(FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID);
  handles(FAN_REPORT_FID | FAN_REPORT_PIDFD);
  unprivileged();
  permission();
  dnotify();
  chdir("/");
  umount("/tmp/fan");
  return 0;
}
