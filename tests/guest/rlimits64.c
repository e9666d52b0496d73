/* Limits above 2^53 are kept and compared to the last bit. */
#include "guest.h"
static void get(int r) {
  struct rlimit l;
  getrlimit(r, &l);
  P("%lx %lx\n", l.rlim_cur, l.rlim_max);
}
int main(void) {
  signal(SIGXFSZ, SIG_IGN);
  unsigned long each[] = {1UL << 52, (1UL << 53) + 1, 0x7fffffffffffff, LONG_MAX, 1UL << 63, -2UL, -1UL};
  for (unsigned i = 0; i < sizeof each / sizeof *each; i++) {
    struct rlimit l = {each[i], -1};
    R(setrlimit(RLIMIT_FSIZE, &l));
    get(RLIMIT_FSIZE);
    int fd = open("/tmp/rlimits64", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (long d = -1; d <= 1; d++) {
      long at = each[i] + d;
      if (at < 0) continue;
      P("at %lx\n", at);
      R(fallocate(fd, FALLOC_FL_KEEP_SIZE, at, 1));
      R(pwrite(fd, "ab", 2, at));
      R(ftruncate(fd, at));
    }
    close(fd);
  }
  unlink("/tmp/rlimits64");
  int infinite[] = {RLIMIT_CPU, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_RTTIME};
  for (unsigned i = 0; i < sizeof infinite / sizeof *infinite; i++) {
    struct rlimit l = {(1UL << 60) - 1, (1UL << 60) + 1};
    R(setrlimit(infinite[i], &l));
    get(infinite[i]);
    l.rlim_cur = l.rlim_max + 1;
    R(setrlimit(infinite[i], &l));
  }
  char line[128];
  FILE *f = fopen("/proc/self/limits", "r");
  while (fgets(line, sizeof line, f))
    if (strstr(line, "1152921504606846975")) printf("%s", line);
}
