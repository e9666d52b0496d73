// Attributes and names of /proc: what of it can be changed, removed or made, and with which refusal.
#include "guest.h"
#include <sys/xattr.h>

#define TELL(call)                                                                                 \
  do {                                                                                             \
    errno = 0;                                                                                     \
    int r_ = (call);                                                                               \
    P(" %d", r_ < 0 ? -errno : r_);                                                                \
  } while (0)

int main(void) {
  char self[64], thread[64], below[200], value[16];
  sprintf(self, "/proc/%d", getpid());
  sprintf(thread, "/proc/self/task/%d", getpid());
  const char *const paths[] = {
      self, thread, "/proc/self", "/proc/self/", "/proc/self/task", "/proc/self/fd", "/proc/self/fd/",
      "/proc/self/ns", "/proc/self/status", "/proc/self/net", "/proc/sys", "/proc/sys/kernel",
      "/proc/sys/kernel/pid_max", "/proc/self/comm", "/proc/self/mem", "/proc/self/map_files",
      "/proc/self/exe", "/proc/self/fd/1", "/proc/self/fdinfo", "/proc/sys/kernel/ostype",
      "/proc/self/attr"};
  for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
    const char *path = paths[i];
    P("%s:", i < 2 ? "a process" : path);
    TELL(access(path, W_OK));
    TELL(chmod(path, 0555));
    TELL(chown(path, 0, 0));
    TELL(utimensat(AT_FDCWD, path, 0, 0));
    TELL(unlink(path));
    TELL(rmdir(path));
    TELL(rename(path, "/proc/x"));
    TELL(truncate(path, 0));
    sprintf(below, "%s/x", path);
    TELL(mkdir(below, 0));
    TELL(creat(below, 0));
    TELL(symlink("a", below));
    TELL(link("/proc/version", below));
    if (i != 16) TELL(setxattr(path, "user.a", "b", 1, 0)); // the program itself
    TELL(listxattr(path, value, 0));
    struct stat st;
    lstat(path, &st);
    P(" %o\n", st.st_mode);
  }
}
