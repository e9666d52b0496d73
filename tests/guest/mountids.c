// statmount(2) and listmount(2): sizes, ids, what cannot be reached from the caller's root, and orders.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

struct request {
  uint32_t size, spare;
  uint64_t id, param;
};
static char answer[8192];
static uint64_t ids[2000];

static long statmount_(uint64_t id, uint64_t what, size_t size) {
  struct request r = {24, 0, id, what};
  memset(answer, 0xee, sizeof answer);
  return syscall(457, &r, answer, size, 0);
}
static long listmount_(uint64_t id, uint64_t after, size_t count, int reverse) {
  struct request r = {24, 0, id, after};
  return syscall(458, &r, ids, count, reverse);
}
static uint64_t id_of(const char *path) {
  char stx[256] = {0};
  syscall(SYS_statx, AT_FDCWD, path, 0, 0x4000, stx);
  return *(uint64_t *)(stx + 0x90);
}
#define ROOT (~0UL)

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("m", 0755);
  mkdir("n", 0755);
  mount("a", "m", "tmpfs", MS_RDONLY | MS_NOSUID, "mode=755");
  uint64_t id = id_of("m"), here = id_of(".");
  for (int size = 0; size < 520; size += 8) {
    errno = 0;
    long r = statmount_(id, 1, size);
    P("%d: %ld errno %d, size %d, untouched %d\n", size, r, errno, size ? *(int *)answer : 0, (unsigned char)answer[size]);
  }
  for (size_t size = 510; size < 530; size++)
    if (size != 518) // to a byte it is different between versions
      P("type in %zu: %ld\n", size, statmount_(id, 0x20, size));
  R(statmount_(id, 0, 4096));
  R(statmount_(0, 1, 4096));
  R(statmount_(id + 100000, 1, 4096));
  mount(0, "m", 0, MS_REMOUNT, "mode=755");
  mkdir("m/d", 0755);
  mkdir("m/e", 0755);
  mount("b", "m/d", "tmpfs", 0, 0);
  mount("c", "m/e", "tmpfs", 0, 0);
  R(listmount_(id, 0, 10, 0));
  R(ids[0] == id_of("m/d") && ids[1] == id_of("m/e"));
  R(listmount_(id, 0, 10, 1));
  R(ids[0] == id_of("m/e"));
  R(listmount_(id, id_of("m/d"), 10, 0));
  R(listmount_(id, id_of("m/d"), 10, 1));
  R(listmount_(id, id_of("m/e"), 10, 1));
  R(listmount_(id, ~0UL, 10, 0));
  R(listmount_(id, 1, 10, 1));
  R(listmount_(id, 0, 1, 0));
  R(listmount_(id, 0, 0, 0));
  long all = listmount_(ROOT, 0, 2000, 0);
  R(ids[all - 1] == id_of("m/e"));
  R(all - listmount_(here, 0, 2000, 0));
  INPROC(0, {
    chroot("m");
    chdir("/");
    R(listmount_(ROOT, 0, 2000, 0));
    R(ids[0] == id);
    R(listmount_(here, 0, 2000, 0) == all - 1);
    R(statmount_(here, 2, 4096));
    setuid(1000);
    R(listmount_(ROOT, 0, 2000, 0));
    R(listmount_(here, 0, 2000, 0));
    R(statmount_(here, 2, 4096));
    R(statmount_(id, 2, 4096));
  });
}
