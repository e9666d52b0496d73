// Permission to open a file that the call itself makes: asked once, and the file stays where it is refused.
// libc: glibc
#include "guest.h"
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/mount.h>

static int fan;

/** Answers everything that is asked until the child ends. */
static void answer(pid_t child, int allow) {
  for (;;) {
    struct pollfd p = {fan, POLLIN, 0};
    if (poll(&p, 1, 20) == 1) {
      char buf[1000];
      int n = read(fan, buf, sizeof buf);
      struct fanotify_event_metadata *e = (void *)buf;
      for (; FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n)) {
        P("  event %llx of own %d\n", (unsigned long long)e->mask, e->pid != child);
        if (e->mask & FAN_ALL_PERM_EVENTS) {
          struct fanotify_response r = {e->fd, allow ? FAN_ALLOW : FAN_DENY};
          msleep(5);
          write(fan, &r, sizeof r);
        }
        close(e->fd);
      }
    } else if (waitpid(child, 0, WNOHANG) == child) return;
  }
}

static void try(const char *what, int allow, const char *path, int flags) {
  P("%s\n", what);
  pid_t child = fork();
  if (child == 0) {
    int fd = open(path, flags, 0640), e = errno;
    msleep(40);
    errno = e;
    P("  open %d errno %d\n", fd >= 0, fd < 0 ? errno : 0);
    if (fd >= 0) {
      P("  write %zd\n", write(fd, "x", 1));
      char name[40];
      snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
      if ((flags & O_TMPFILE) == O_TMPFILE)
        P("  link %d\n", linkat(AT_FDCWD, name, AT_FDCWD, "/tmp/fc/linked", AT_SYMLINK_FOLLOW) ? errno : 0);
    }
    _exit(0);
  }
  answer(child, allow);
  struct stat st;
  P("  there %d\n", stat(path, &st) == 0 && S_ISREG(st.st_mode));
}

int main(void) {
  mkdir("/tmp/fc", 0755);
  mount("fc", "/tmp/fc", "tmpfs", 0, "");
  fan = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);
  R(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM | FAN_OPEN, AT_FDCWD, "/tmp/fc"));
  try("allowed", 1, "/tmp/fc/a", O_CREAT | O_RDWR);
  try("exclusive", 1, "/tmp/fc/b", O_CREAT | O_EXCL | O_RDWR);
  try("it exists", 1, "/tmp/fc/b", O_CREAT | O_EXCL | O_RDWR);
  try("refused", 0, "/tmp/fc/c", O_CREAT | O_EXCL | O_RDWR);
  try("refused again", 0, "/tmp/fc/c", O_CREAT | O_RDWR);
  try("without a name", 1, "/tmp/fc", O_TMPFILE | O_RDWR);
  try("never to have one", 1, "/tmp/fc", O_TMPFILE | O_EXCL | O_RDWR);
  try("refused without a name", 0, "/tmp/fc", O_TMPFILE | O_RDWR);
  return 0;
}
