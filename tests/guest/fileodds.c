// Rules of file calls that programs rarely meet: faults in the middle, attributes that forbid, limits of arguments.
#include "guest.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <linux/fs.h>

/** Two pages of which the second cannot be touched; `tail` is 6 bytes before the end of the first. */
static char *torn(void) {
  char *at = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(at + 4096, 4096, PROT_NONE);
  memset(at, 'm', 4096);
  return at + 4090;
}

static void pipes(void) {
  int p[2];
  char *tail = torn(), text[100];
  pipe2(p, O_NONBLOCK);
  R(write(p[1], tail, 20));
  R(write(p[1], "0123456789", 10));
  R(write(p[1], tail, 20));
  R(read(p[0], tail, 20));
  R(read(p[0], tail, 6));
  R(read(p[0], text, sizeof text));
  struct iovec v[2] = {{text, 5}, {tail, 20}};
  R(writev(p[1], v, 2));
  v[0].iov_len = 4096;
  R(read(p[0], text, sizeof text));
}

static void vectors(void) {
  int fd = open("vectors", O_RDWR | O_CREAT | O_TRUNC, 0600);
  char text[16] = "0123456789";
  struct iovec v[2] = {{text, LONG_MAX}, {text, LONG_MAX}};
  R(readv(fd, v, 2));
  R(writev(fd, v, 2));
  v[0].iov_len = -1;
  R(writev(fd, v, 1));
  v[0].iov_len = 10;
  R(writev(fd, v, 1));
  R(readahead(fd, 0, -1));
  R(readahead(fd, -1, 1));
  R(sync_file_range(fd, LONG_MAX, 1, 1));
  R(sync_file_range(fd, LONG_MAX - 1, 1, 1));
  R(syscall(SYS_memfd_create, "x", -1));
  R(syscall(SYS_memfd_create, "x", 4 | 16 | 8));
  R(syscall(SYS_memfd_create, "x", 1 << 26));
}

static void attributes(void) {
  int fd = open("kept", O_RDWR | O_CREAT | O_TRUNC, 0600), other = open("vectors", O_RDONLY);
  int flags[] = {FS_IMMUTABLE_FL, FS_APPEND_FL, 0};
  write(fd, "text", 4);
  for (int i = 0; i < 3; i++) {
    R(ioctl(fd, FS_IOC_SETFLAGS, &flags[i]));
    R(copy_file_range(other, &(loff_t){0}, fd, &(loff_t){0}, 1, 0));
    R(fcntl(fd, F_SETFL, O_APPEND));
    R(fcntl(fd, F_SETFL, O_NONBLOCK));
    R(fcntl(fd, F_SETFL, 0));
  }
}

static void directories(void) {
  char page[8192], entries[4096];
  mkdir("private", 0700);
  int fd = open("private", O_RDONLY);
  INPROC(65534, { R(syscall(SYS_getdents64, fd, entries, sizeof entries) > 0); });
  memset(page, 'z', 250);
  page[250] = 0;
  int depth = 0;
  while (depth < 20 && mkdir(page, 0700) == 0 && chdir(page) == 0) depth++;
  R(depth);
  R(readlink("/proc/self/cwd", page, sizeof page));
  R(syscall(SYS_getcwd, page, sizeof page));
  chdir("/tmp");
}

static void options(const char *where) {
  char line[1000], *found;
  FILE *file = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof line, file))
    if ((found = strstr(line, where))) P("%s", found);
  fclose(file);
}

static void mounts(void) {
  char page[8192];
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("m", 0700);
  memset(page, 'a', sizeof page - 1);
  page[sizeof page - 1] = 0;
  R(mount("none", "m", "tmpfs", 0, page));
  R(mount("none", "m", "tmpfs", MS_DIRSYNC | MS_SYNCHRONOUS, 0));
  options(" /tmp/m ");
  R(mount(0, "m", 0, MS_REMOUNT, 0));
  options(" /tmp/m ");
  R(umount("m"));
}

/** A value that was written is read back without seeking. */
static void values(void) {
  char text[64] = "";
  const char *const files[] = {"coredump_filter", "comm", "timerslack_ns", "oom_score_adj"};
  for (int i = 0; i < 4; i++) {
    sprintf(text, "/proc/self/%s", files[i]);
    int fd = open(text, O_RDWR);
    R(write(fd, "51\n", 3));
    long n = read(fd, text, sizeof text);
    P("%.*s", n < 0 ? 0 : (int)n, text);
    R(lseek(fd, 0, SEEK_CUR));
  }
}

int main(void) {
  values();
  pipes();
  vectors();
  attributes();
  directories();
  mounts();
}
