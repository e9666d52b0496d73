// Names and numbers that are given again: files without a name, watches, segments at 0, keys for a restricted keyring;
// clocks that cannot be adjusted and terminals that are no serial ports.
#include "guest.h"
#include <linux/keyctl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/timex.h>

static void nameless(void) {
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  R(linkat(fd, "", AT_FDCWD, "name", AT_EMPTY_PATH));
  R(linkat(fd, "", AT_FDCWD, "other", AT_EMPTY_PATH));
  unlink("name");
  R(linkat(fd, "", AT_FDCWD, "name", AT_EMPTY_PATH));
  unlink("name");
  unlink("other");
  R(linkat(fd, "", AT_FDCWD, "name", AT_EMPTY_PATH));
  char *none[] = {0}, *longer = malloc(5000);
  memset(longer, 'a', 4999);
  longer[4999] = 0;
  R(syscall(SYS_execveat, AT_FDCWD, "", none, none, 1));
  R(syscall(SYS_execveat, AT_FDCWD, longer, none, none, 1));
  R(syscall(SYS_execveat, AT_FDCWD, -1L, none, none, 1));
  R(syscall(SYS_execveat, AT_FDCWD, "nowhere", none, none, 1));
  R(syscall(SYS_execveat, AT_FDCWD, "", none, none, 0));
}

/** Lines of fdinfo from the mask on, without what is the machine's. */
static void marks(int fd) {
  char path[40], text[2000];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE *file = fopen(path, "r");
  while (fgets(text, sizeof text, file)) {
    char *mask = strstr(text, "mflags:") ? strstr(text, "mflags:") : strstr(text, "mask:");
    if (!mask) continue;
    char *handle = strstr(mask, "f_handle:");
    P("%.*s%s\n", handle ? (int)(handle - mask) : (int)strcspn(mask, "\n"), mask, handle ? "handle" : "");
  }
  fclose(file);
}

static void watches(void) {
  mkdir("d", 0755);
  close(creat("f", 0644));
  int fd = inotify_init1(IN_NONBLOCK);
  R(inotify_add_watch(fd, ".", IN_MODIFY));
  R(inotify_add_watch(fd, "d", IN_MODIFY | IN_ONESHOT));
  R(inotify_add_watch(fd, "f", IN_ALL_EVENTS | IN_EXCL_UNLINK));
  marks(fd);
  R(ioctl(fd, _IOW('I', 0, int), 0));
  R(ioctl(fd, _IOW('I', 0, int), -1L));
  R(ioctl(fd, _IOW('I', 0, int), 1L << 31));
  R(inotify_rm_watch(fd, 2));
  R(ioctl(fd, _IOW('I', 0, int), 50));
  R(inotify_add_watch(fd, "/", IN_OPEN));
  R(ioctl(fd, _IOW('I', 0, int), 1));
  R(inotify_add_watch(fd, "d", IN_OPEN));
  R(inotify_add_watch(fd, "/proc", IN_OPEN));
  int group = syscall(SYS_fanotify_init, FAN_NONBLOCK, O_RDONLY);
  R(syscall(SYS_fanotify_mark, group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "d"));
  R(syscall(SYS_fanotify_mark, group, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "f"));
  R(syscall(SYS_fanotify_mark, group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_ACCESS, AT_FDCWD, "d"));
  marks(group);
}

static void segments(void) {
  int id = shmget(IPC_PRIVATE, 5000, 0600);
  R(shmat(id, (void *)1, SHM_RND | SHM_REMAP));
  R(shmat(id, (void *)-4096L, 0));
  R(shmat(id, (void *)-8192L, 0));
  INPROC(65534, R(shmat(id, (void *)1, SHM_RND)));
  R(shmat(id, (void *)1, SHM_RND));
  R(*(volatile char *)100);
  R(shmdt(0));
  shmctl(id, IPC_RMID, 0);
}

static void keys(void) {
  OK(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0));
  R(syscall(SYS_keyctl, KEYCTL_RESTRICT_KEYRING, KEY_SPEC_SESSION_KEYRING, 0, 0));
  R(syscall(SYS_add_key, "user", "k", "x", 1, KEY_SPEC_SESSION_KEYRING));
  R(syscall(SYS_request_key, "user", "nokey", 0, KEY_SPEC_SESSION_KEYRING));
}

static void serial(void) {
  char port[72] = {0};
  int m = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  R(ioctl(m, TIOCGSERIAL, -1L));
  R(ioctl(m, TIOCSSERIAL, -1L));
  R(ioctl(m, TIOCGSERIAL, port));
  R(ioctl(m, TIOCSSERIAL, port));
}

static void clocks(void) {
  struct timex t = {0};
  for (int clock = 0; clock < 12; clock++) {
    P("clock %d\n", clock);
    t.modes = 0;
    OK(syscall(SYS_clock_adjtime, clock, &t));
  }
}

int main(void) {
  mkdir("/tmp/oldnames", 0755);
  chdir("/tmp/oldnames");
  mount("t", "/tmp/oldnames", "tmpfs", 0, 0);
  chdir("/tmp/oldnames");
  nameless();
  watches();
  segments();
  keys();
  clocks();
  serial();
  chdir("/");
  umount2("/tmp/oldnames", MNT_DETACH);
  rmdir("/tmp/oldnames");
  return 0;
}
