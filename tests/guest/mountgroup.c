// Which mounts may join the peers of another (MOVE_MOUNT_SET_GROUP).
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

enum { SET_GROUP = 0x100, FROM_FD = 4, TO_FD = 0x40 };

static void join(const char *from, const char *to) {
  int r = syscall(SYS_move_mount, AT_FDCWD, from, AT_FDCWD, to, SET_GROUP);
  P("%s -> %s: %d %s\n", from, to, r, r ? strerror(errno) : "");
}

static void share(const char *what, int type) {
  int r = mount(0, what, 0, type, 0);
  P("%s: %d %s\n", what, r, r ? strerror(errno) : "");
}

static void peers(void) {
  char line[512], at[128], *shared;
  FILE *f = fopen("/proc/self/mountinfo", "r");
  int first = 0, n;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "%*d %*d %*s %*s %127s", at) != 1 || strncmp(at, "/tmp/g", 6)) continue;
    shared = strstr(line, "shared:");
    if (!shared) continue;
    n = atoi(shared + 7);
    if (!first) first = n;
    printf("%s is %s\n", at, n == first ? "a peer of the first" : "another's");
  }
  fflush(stdout);
  fclose(f);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("/tmp/g", 0755);
  mount("t", "/tmp/g", "tmpfs", 0, 0);
  chdir("/tmp/g");
  for (const char *const *d = (const char *const[]){"a", "b", "c", "d", 0}; *d; d++) mkdir(*d, 0755);
  mount("x", "a", "tmpfs", 0, 0);
  mkdir("a/s", 0755);
  mkdir("a/s/t", 0755);
  mount("a/s", "b", 0, MS_BIND, 0);
  mount("a", "c", 0, MS_BIND, 0);
  join("a", "c");
  share("b", MS_SHARED);
  join("b", "c");
  share("b", MS_PRIVATE);
  share("a", MS_SHARED);
  join("a", "b");
  join("a", "b");
  join("a", "a/s");
  join("a", ".");
  peers();
  mkdir("b/t/u", 0755);
  mount("y", "a/s/t", "tmpfs", 0, 0);
  P("b/t/u: %d\n", access("b/t/u", F_OK));

  // A mount that its descriptor alone has is nobody's.
  int fd = open("c", O_PATH), tree = syscall(SYS_open_tree, AT_FDCWD, "c", 1);
  P("detached: %d\n", (int)syscall(SYS_move_mount, AT_FDCWD, "a", tree, "", SET_GROUP | TO_FD));
  umount2("c", MNT_DETACH);
  R(syscall(SYS_move_mount, AT_FDCWD, "a", fd, "", SET_GROUP | TO_FD));
  R(syscall(SYS_move_mount, fd, "", AT_FDCWD, "d", SET_GROUP | FROM_FD));
  return 0;
}
