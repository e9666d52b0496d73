/* MADV_REMOVE and holes in mapped files: room and times of the file, seals, and private copies, which stay. */
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#define PG 4096
#define SIZE (16 * PG)

static char *map(int fd, int flags) { return mmap(0, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0); }

static void tell(int fd) {
  struct statvfs v;
  struct stat st;
  fstatvfs(fd, &v);
  fstat(fd, &st);
  P("free %ld blocks %ld size %ld modified %d\n", (long)v.f_bfree, (long)st.st_blocks, (long)st.st_size, st.st_mtime != 5);
}

int main(void) {
  static char full[SIZE];
  struct timespec old[2] = {{5, 0}, {5, 0}};
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("/tmp/pm", 0777);
  R(mount("none", "/tmp/pm", "tmpfs", 0, "size=64k"));
  int fd = open("/tmp/pm/f", O_CREAT | O_RDWR, 0644);
  memset(full, 5, SIZE);
  R(write(fd, full, SIZE));
  futimens(fd, old);
  tell(fd);
  char *p = map(fd, MAP_SHARED), *q = map(fd, MAP_PRIVATE);
  R(madvise(p + PG, 4 * PG, MADV_REMOVE));
  tell(fd);
  P("%d %d %d\n", p[0], p[PG], p[6 * PG]);
  R(madvise(p, PG + 100, MADV_REMOVE));
  tell(fd);
  q[8 * PG] = 9;
  q[9 * PG] = 9;
  R(madvise(p + 8 * PG, PG, MADV_REMOVE));
  P("private copies: %d %d %d %d\n", q[8 * PG], p[8 * PG], q[9 * PG], q[10 * PG]);
  R(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9 * PG - 100, PG + 200));
  P("%d %d %d\n", q[9 * PG], p[9 * PG], p[9 * PG - 200]);
  ftruncate(fd, 8 * PG);
  ftruncate(fd, SIZE);
  P("cut off: %d %d\n", q[8 * PG], q[9 * PG]);
  R(madvise(q, PG, MADV_REMOVE));
  ftruncate(fd, 3 * PG);
  R(madvise(p, SIZE, MADV_REMOVE));
  tell(fd);
  munmap(p + 2 * PG, PG);
  R(madvise(p, SIZE, MADV_REMOVE));

  P("-- seals\n");
  int sealed = memfd_create("x", MFD_ALLOW_SEALING);
  ftruncate(sealed, SIZE);
  char *s = map(sealed, MAP_SHARED);
  memset(s, 1, SIZE);
  R(fcntl(sealed, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
  R(madvise(s, PG, MADV_REMOVE));
  P("%d\n", s[0]);

  P("-- without a file\n");
  char *a = map(-1, MAP_SHARED | MAP_ANONYMOUS);
  memset(a, 1, SIZE);
  R(madvise(a + PG, PG, MADV_REMOVE));
  P("%d %d\n", a[0], a[PG]);
  INPROC(0, a[2 * PG] = 7; R(madvise(a, PG, MADV_REMOVE)));
  P("%d %d\n", a[0], a[2 * PG]);
  return 0;
}
