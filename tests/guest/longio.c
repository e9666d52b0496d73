// Reads and writes of many megabytes in one call: as Linux does them, whole and in order.
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/uio.h>
#define MB (1 << 20)
static volatile int alarms;
static void on_alarm(int s) { alarms++; }
int main(void) {
  size_t n = 24 * MB + 123;
  unsigned char *a = malloc(n), *b = calloc(1, n);
  for (size_t i = 0; i < n; i++) a[i] = i * 2654435761u >> 24;
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  signal(SIGALRM, on_alarm);
  struct itimerval it = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &it, 0);
  R(write(fd, a, n));
  R(lseek(fd, 0, SEEK_CUR));
  R(lseek(fd, 0, SEEK_SET));
  R(read(fd, b, n + 100));
  it.it_value.tv_usec = it.it_interval.tv_usec = 0;
  setitimer(ITIMER_REAL, &it, 0);
  R(memcmp(a, b, n));
  R(lseek(fd, 0, SEEK_CUR));
  R(read(fd, b, 10));
  memset(b, 0, n);
  R(pread(fd, b, 5 * MB, 3));
  R(memcmp(a + 3, b, 5 * MB));
  struct iovec v[4] = {{b, 1000}, {b + 1000, 0}, {b + 1000, 7 * MB}, {b + 1000 + 7 * MB, MB}};
  memset(b, 0, n);
  R(preadv(fd, v, 4, 77));
  R(memcmp(a + 77, b, 1000 + 8 * MB));
  // A buffer that ends early: what fits is moved.
  unsigned char *edge = mmap(0, 2 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(edge + MB, MB);
  R(pread(fd, edge, 2 * MB, 0));
  R(pwrite(fd, edge, 2 * MB, 0));
  R(memcmp(edge, a, MB));
  int ap = open("f", O_WRONLY | O_APPEND);
  R(write(ap, a, 3 * MB));
  R(lseek(ap, 0, SEEK_CUR));
  struct rlimit rl = {30 * MB, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &rl);
  signal(SIGXFSZ, SIG_IGN);
  R(write(ap, a, 10 * MB));
  R(write(ap, a, 10 * MB));
  int cp = open("copy", O_CREAT | O_RDWR, 0644);
  off_t at = 5;
  R(syscall(SYS_sendfile, cp, fd, &at, 20 * MB));
  R(at);
  loff_t from = 1;
  R(copy_file_range(fd, &from, cp, 0, 25 * MB, 0));
  R(from);
  int pp[2];
  pipe(pp);
  if (!fork()) {
    close(pp[1]);
    size_t all = 0;
    for (ssize_t k; (k = read(pp[0], b, 1 << 20)) > 0;) all += k;
    P("reader got %zu\n", all);
    _exit(0);
  }
  close(pp[0]);
  at = 0;
  R(syscall(SYS_sendfile, pp[1], fd, &at, 10 * MB));
  close(pp[1]);
  wait(0);
  int z = open("/dev/zero", O_RDONLY), u = open("/dev/urandom", O_RDONLY);
  signal(SIGALRM, SIG_DFL);
  R(read(z, b, 9 * MB));
  R(read(u, b, 3 * MB));
  pid_t pid = fork();
  if (!pid) {
    for (;;) pread(fd, b, 20 * MB, 0);
  }
  msleep(20);
  kill(pid, SIGKILL);
  int st;
  waitpid(pid, &st, 0);
  R(WTERMSIG(st));
  return 0;
}
