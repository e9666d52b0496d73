/* What the files of /proc make of a write: those that take none, and numbers as each of them reads
 * them. */
#include "guest.h"
static void w(const char *file, const char *text, int n) {
  int fd = open(file, O_RDWR);
  if (fd < 0) {
    fd = open(file, O_WRONLY);
    P("%s only written: %d\n", file, fd >= 0 ? 0 : errno);
    if (fd < 0) return;
  }
  char got[128] = "";
  errno = 0;
  int r = write(fd, text, n);
  P("%s %d bytes '%.*s' = %d errno %d", file, n, n, text, r, r < 0 ? errno : 0);
  errno = 0;
  r = pread(fd, got, sizeof got - 1, 0);
  P(": %d %s", r < 0 ? -errno : 0, strstr(file, "autogroup") ? "" : got);
  P("\n");
  close(fd);
}
#define W(file, ...)                                                                               \
  do {                                                                                             \
    const char *t_[] = {__VA_ARGS__};                                                              \
    for (unsigned i_ = 0; i_ < sizeof t_ / sizeof *t_; i_++) w(file, t_[i_], strlen(t_[i_]));      \
  } while (0)
int main() {
  drop_sys_resource();
  const char *fixed[] = {"/proc/version",     "/proc/cmdline",      "/proc/meminfo",
                         "/proc/uptime",      "/proc/filesystems",  "/proc/cpuinfo",
                         "/proc/self/stat",   "/proc/self/maps",    "/proc/self/status",
                         "/proc/self/limits", "/proc/self/environ", "/proc/self/fdinfo/0",
                         "/proc/self/wchan",  "/proc/self/oom_score"};
  for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    int fd = open(fixed[i], O_WRONLY);
    if (fd < 0) {
      P("%s cannot be opened\n", fixed[i]);
      continue;
    }
    R(write(fd, "", 0));
    R(write(fd, "1\n", 2));
    R(write(fd, (void *)8, 4));
    R(ftruncate(fd, 0));
    R(pwrite(fd, "1", 1, 5));
    close(fd);
  }
  R(open("/proc/net/unix", O_WRONLY));
  R(open("/proc/net/unix", O_RDWR));
  int fd = open("/proc/sysrq-trigger", O_RDWR);
  char c;
  if (fd >= 0) R(read(fd, &c, 1));
  close(fd);
  W("/proc/self/comm", "foo\n", "a\nb", "\\n ", "0123456789abcdefghi", "", "end");
  w("/proc/self/comm", "x\0yz", 4);
  W("/proc/self/oom_score_adj", "500", "010", "0x10", " 5 ", "+7", "-0", "5 6", "1001");
  W("/proc/self/oom_score_adj", "999999999999", "0000000000000000005", "\n", "0b1", "0o7", "-010");
  W("/proc/self/oom_score_adj", "+0x1F\n", "5\n\n", "0x", "--1", "+-1", "", "0");
  w("/proc/self/oom_score_adj", "5\0", 2);
  W("/proc/self/oom_adj", "17", "-18", "15", "", "8\n", "010", "-17");
  W("/proc/self/coredump_filter", "010", "0x10", "1ff", "0xfff", "-1", " 5 ", "+3", "3 ", "0x33\n");
  W("/proc/self/timerslack_ns", "010", "0x10", "-1", "0", " 7", "+7", "7\n", "99999999999999999999");
  W("/proc/self/setgroups", "allow", "allow\n", "allow ", "allowx", "deny", "", " allow", "allow   ");
  W("/proc/self/clear_refs", "0", "1", "6", "1\n", " 1", "01", "", "x", "0x1");
  W("/proc/self/autogroup", "20", "", "x", "-21", "0x14");
  W("/proc/self/loginuid", "", "x", "0x1");
  W("/proc/self/uid_map", "", "0 0 1\n");
}
