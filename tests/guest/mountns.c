// Mount namespaces of one's own by clone, for whom the root is no longer mounted, and what of other
// namespaces a process gets hold of.
#include "guest.h"
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#define OPEN_TREE(dir, name, flags) syscall(SYS_open_tree, dir, name, flags)
#define MOVE_MOUNT(from, to) syscall(SYS_move_mount, from, "", to, "", 4 | 0x40)
#define CLONE(flags) syscall(SYS_clone, (long)(flags) | SIGCHLD, 0L, 0L, 0L, 0L)

struct attr {
  uint64_t set, clear, propagation, userns;
};
static long setattr(int dir, uint64_t set, uint64_t propagation) {
  struct attr attr = {.set = set, .propagation = propagation};
  return syscall(SYS_mount_setattr, dir, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

/** Mount points below the directory "top" that /proc/self/mounts shows, or all. */
static void show(const char *name, int all) {
  char line[1024];
  FILE *file = fopen("/proc/self/mounts", "r");
  int n = 0;
  P("%s\n", name);
  if (!file) return;
  while (fgets(line, sizeof(line), file)) {
    char *at = strstr(line, "/top");
    n++;
    if (at) P("%.*s\n", (int)strcspn(at, " "), at);
  }
  if (all) P("%d mounts\n", n);
  fclose(file);
}

static int ns_same(pid_t pid) {
  char path[40];
  struct stat own, other;
  sprintf(path, "/proc/%d/ns/mnt", pid);
  stat("/proc/self/ns/mnt", &own);
  stat(path, &other);
  return own.st_ino == other.st_ino;
}

static int on_stack(void *arg) {
  (void)arg;
  return mount("none", "sub", "tmpfs", 0, 0) ? errno : 0;
}

int main(void) {
  int st, go[2], told[2];
  char c = 0, here[100];
  static char stack[65536] __attribute__((aligned(16)));
  R(unshare(CLONE_NEWNS));
  R(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  mkdir("top", 0777);
  R(mount("none", "top", "tmpfs", 0, 0));
  R(chdir("top"));
  mkdir("sub", 0777);
  mkdir("other", 0777);
  mkdir("more", 0777);
  getcwd(here, sizeof(here));

  // The child has the same places in a tree of its own.
  pid_t child = CLONE(CLONE_NEWNS);
  if (!child) {
    R(strcmp(getcwd(0, 0), here));
    R(ns_same(getppid()));
    R(mount("none", "sub", "tmpfs", 0, 0));
    show("child", 0);
    R(umount2(".", MNT_DETACH));
    show("child, detached", 0);
    R(access("sub", F_OK));
    _exit(0);
  }
  R(waitpid(child, &st, 0) == child && st == 0);
  show("parent", 0);
  // With the memory shared, and as a thread's child.
  child = clone(on_stack, stack + sizeof(stack), CLONE_VM | CLONE_NEWNS | SIGCHLD, 0);
  R(waitpid(child, &st, 0) == child && st == 0);
  show("parent", 0);
  R(CLONE(CLONE_NEWNS | CLONE_FS));
  INPROC(1000, R(CLONE(CLONE_NEWNS)));
  // A child that shares the directories has its own after unshare, and is elsewhere.
  child = CLONE(CLONE_FS);
  if (!child) {
    R(ns_same(getppid()));
    R(unshare(CLONE_NEWNS));
    R(ns_same(getppid()));
    R(chdir("/"));
    _exit(0);
  }
  R(waitpid(child, &st, 0) == child && st == 0);
  R(strcmp(getcwd(0, 0), here));

  // Whose root was unmounted is in the namespace yet.
  child = CLONE(CLONE_NEWNS);
  if (!child) {
    mkdir("proc", 0777);
    R(mount("/proc", "proc", 0, MS_BIND, 0));
    R(chroot("."));
    show("chroot", 1);
    R(umount2("proc", MNT_DETACH));
    R(umount2("/", MNT_DETACH));
    R(access("/sub", F_OK));
    R(mount(0, "/", 0, MS_PRIVATE, 0));
    R(mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0));
    R(umount2("/", MNT_DETACH));
    R(unshare(CLONE_NEWNS));
    R(access("/sub", F_OK));
    pid_t again = CLONE(CLONE_NEWNS);
    if (!again) _exit(access("/sub", F_OK) ? errno : 0);
    R(waitpid(again, &st, 0) == again && st == 0);
    _exit(0);
  }
  R(waitpid(child, &st, 0) == child && st == 0);
  rmdir("proc");

  // The same while another namespace shows what it has.
  R(pipe(go));
  R(pipe(told));
  child = CLONE(CLONE_NEWNS);
  if (!child) {
    R(mount("none", "sub", "tmpfs", 0, 0));
    R(mount("none", "other", "tmpfs", 0, 0));
    mkdir("sub/in", 0777);
    close(go[1]);
    write(told[1], &c, 1);
    read(go[0], &c, 1);
    show("child, afterwards", 0);
    _exit(0);
  }
  read(told[0], &c, 1);
  char path[300], theirs[300];
  sprintf(theirs, "/proc/%d/root%s", child, here);
  sprintf(path, "%s/sub", theirs);
  int sub = open(path, O_RDONLY | O_DIRECTORY), own = open("more", O_RDONLY | O_DIRECTORY);
  R(mount("none", path, "tmpfs", 0, 0));
  R(mount(here, path, 0, MS_BIND, 0));
  R(mount(path, "more", 0, MS_BIND, 0));
  R(mount(path, "more", 0, MS_MOVE, 0));
  R(mount("none", "more", "tmpfs", 0, 0));
  R(mount("more", path, 0, MS_MOVE, 0));
  R(umount("more"));
  R(mount(0, path, 0, MS_REMOUNT | MS_RDONLY, 0));
  R(mount(0, path, 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
  R(mount(0, path, 0, MS_SHARED, 0));
  R(mount(0, path, 0, MS_PRIVATE, 0));
  R(umount(path));
  R(umount2(path, MNT_DETACH));
  R(setattr(sub, 1, 0));
  R(setattr(sub, 0, MS_PRIVATE));
  R(OPEN_TREE(sub, "", AT_EMPTY_PATH | 1));
  R(MOVE_MOUNT(sub, own));
  int tree = OPEN_TREE(AT_FDCWD, "more", 1);
  R(MOVE_MOUNT(tree, sub));
  R(syscall(SYS_pivot_root, path, path));
  R(mkdirat(sub, "made", 0777));
  // A root in another namespace does not change whose mounts are seen and made.
  INPROC(0, {
    R(chroot(theirs));
    R(chdir("/"));
    R(mount("none", "/sub", "tmpfs", 0, 0));
    R(umount("/sub"));
    R(unshare(CLONE_NEWNS));
    R(mount("none", "/sub", "tmpfs", 0, 0));
  });
  // An open list of mounts keeps the namespace that it shows, and its mounts.
  sprintf(path, "/proc/%d/mounts", child);
  int list = open(path, O_RDONLY);
  struct pollfd polled = {.fd = list, .events = POLLPRI};
  R(poll(&polled, 1, 0));
  close(sub);
  write(go[1], &c, 1);
  R(waitpid(child, &st, 0) == child && st == 0);
  R(poll(&polled, 1, 0));
  static char text[16384];
  ssize_t n = read(list, text, sizeof(text) - 1);
  text[n > 0 ? n : 0] = 0;
  R(!!strstr(text, "/top/sub ") + !!strstr(text, "/top/other "));
  show("the end", 0);
}
