/* Many mounts on each other: each bind of a shared mount on itself doubles them, up to fs.mount-max. */
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

static const char *const D = "/tmp/ms/d";

static int doubled(int flags) {
  int n = 0;
  while (n < 40 && mount(flags & MS_REC ? "/tmp/ms" : D, D, 0, MS_BIND | flags, 0) == 0) n++;
  P("ends with errno %d\n", errno);
  return n;
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("/tmp/ms", 0755);
  mount("t", "/tmp/ms", "tmpfs", 0, 0);
  mkdir(D, 0755);
  mount(D, D, 0, MS_BIND, 0);
  mount(0, D, 0, MS_SHARED, 0);
  P("%d times\n", doubled(0));
  R(mount("x", D, "tmpfs", 0, 0));
  R(umount2("/tmp/ms", MNT_DETACH));

  // A tree that is copied into itself grows as fast.
  mount("/tmp/ms", "/tmp/ms", 0, MS_BIND, 0);
  mkdir(D, 0755);
  P("%d times\n", doubled(MS_REC));
  R(umount2("/tmp/ms", MNT_DETACH));
  R(umount2("/tmp/ms", MNT_DETACH));
  return 0;
}
