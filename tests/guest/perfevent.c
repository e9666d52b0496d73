// perf_event_open(2): events of software that are counted, groups, inheritance, exec, what read(2) tells, and refusals.
#include "guest.h"
#include <linux/perf_event.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

static int open_(struct perf_event_attr *a, pid_t pid, int cpu, int group, unsigned long flags) {
  return syscall(SYS_perf_event_open, a, pid, cpu, group, flags);
}
static struct perf_event_attr sw(int config) {
  return (struct perf_event_attr){.type = PERF_TYPE_SOFTWARE, .size = PERF_ATTR_SIZE_VER7, .config = config, .disabled = 1};
}
static long value(int fd) {
  uint64_t v[16] = {0};
  if (read(fd, v, sizeof v) < 0) return -errno;
  return v[0];
}
static void touch(int pages) {
  char *p = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < pages; i++) p[i * 4096] = 1;
  munmap(p, pages * 4096);
}

static void refusals(void) {
  struct perf_event_attr a = sw(PERF_COUNT_SW_TASK_CLOCK);
  R(open_((void *)8, 0, -1, -1, 0));
  R(open_(&a, 0, -1, -1, 16));
  R(open_(&a, -1, -1, -1, 0));
  R(open_(&a, 0, 9999, -1, 0));
  R(open_(&a, 4194303, -1, -1, 0));
  R(open_(&a, 0, -1, 99, 0));
  R(open_(&a, 0, -1, 0, 0));
  a.size = 63;
  R(open_(&a, 0, -1, -1, 0));
  P("size is told %d\n", a.size > 100);
  a = sw(99);
  R(open_(&a, 0, -1, -1, 0));
  a = sw(0);
  a.read_format = 1 << 5;
  R(open_(&a, 0, -1, -1, 0));
  a = sw(0);
  a.sample_type = 1ull << 40;
  R(open_(&a, 0, -1, -1, 0));
  a = sw(0);
  a.inherit = 1, a.read_format = PERF_FORMAT_GROUP;
  INPROC(1000, {
    struct perf_event_attr u = sw(1);
    R(open_(&u, 0, -1, -1, 0));
    u.exclude_kernel = 1;
    OK(open_(&u, 0, -1, -1, 0));
    OK(open_(&u, 1, -1, -1, 0));
    OK(open_(&u, -1, 0, -1, 0));
  });
}

static void counting(void) {
  struct perf_event_attr a = sw(PERF_COUNT_SW_PAGE_FAULTS);
  int fd = open_(&a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
  P("%d %d\n", fd > 0, fcntl(fd, F_GETFD));
  char link[64] = "", name[40];
  sprintf(name, "/proc/self/fd/%d", fd);
  readlink(name, link, 63);
  P("%s\n", link);
  touch(50);
  P("off %ld\n", value(fd));
  R(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
  touch(50);
  R(ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));
  long n = value(fd);
  P("counted %d\n", n >= 50 && n < 60);
  touch(50);
  P("stands %d\n", value(fd) == n);
  R(ioctl(fd, PERF_EVENT_IOC_RESET, 0));
  P("reset %ld\n", value(fd));
  R(prctl(PR_TASK_PERF_EVENTS_ENABLE));
  touch(20);
  R(prctl(PR_TASK_PERF_EVENTS_DISABLE));
  n = value(fd);
  P("prctl %d\n", n >= 20 && n < 30);
  uint64_t v[4];
  R(read(fd, v, 7));
  R(write(fd, v, 8));
  R(lseek(fd, 0, SEEK_SET));
  R(ioctl(fd, 0x5401, v));
  R(ioctl(fd, PERF_EVENT_IOC_REFRESH, 1));
  struct pollfd p = {fd, POLLIN};
  poll(&p, 1, 0);
  P("poll %x\n", p.revents);
  close(fd);
  a = sw(PERF_COUNT_SW_CONTEXT_SWITCHES);
  fd = open_(&a, 0, -1, -1, 0);
  ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
  for (int i = 0; i < 5; i++) msleep(1);
  P("switches %d\n", value(fd) >= 5);
  close(fd);
  a.exclude_kernel = 1, a.disabled = 0;
  fd = open_(&a, 0, -1, -1, 0);
  msleep(2);
  P("of the program itself %ld\n", value(fd));
  close(fd);
  int none[] = {PERF_COUNT_SW_ALIGNMENT_FAULTS, PERF_COUNT_SW_EMULATION_FAULTS, PERF_COUNT_SW_DUMMY, PERF_COUNT_SW_PAGE_FAULTS_MAJ};
  for (int i = 0; i < 4; i++) {
    a = sw(none[i]);
    a.disabled = 0;
    fd = open_(&a, 0, -1, -1, 0);
    touch(2);
    P("%d: %ld\n", none[i], value(fd));
    close(fd);
  }
}

static void clocks(void) {
  struct perf_event_attr a = sw(PERF_COUNT_SW_TASK_CLOCK);
  a.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_ID;
  a.disabled = 0;
  int fd = open_(&a, 0, -1, -1, 0);
  uint64_t v[8], id;
  for (volatile int i = 0; i < 3000000; i++) {}
  R(read(fd, v, 31));
  R(read(fd, v, sizeof v));
  R(ioctl(fd, PERF_EVENT_IOC_ID, &id));
  P("ran %d, enabled as long as it ran %d, id %d\n", v[0] > 100000, v[1] == v[2] && v[1] > 100000, v[3] == id);
  close(fd);
  a.read_format = 0;
  fd = open_(&a, -1, 0, -1, 0);
  long x = value(fd);
  msleep(5);
  long y = value(fd);
  P("a processor's clock goes on %d\n", y - x >= 5000000);
  close(fd);
}

static void groups(void) {
  struct perf_event_attr a = sw(PERF_COUNT_SW_PAGE_FAULTS), b = sw(PERF_COUNT_SW_PAGE_FAULTS_MIN);
  a.read_format = b.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID;
  b.disabled = 0;
  int l = open_(&a, 0, -1, -1, 0), m = open_(&b, 0, -1, l, 0);
  R(open_(&b, 0, -1, m, 0));
  R(open_(&b, -1, 0, l, 0));
  uint64_t v[16];
  touch(10);
  P("%zd: %ld events, %ld %ld\n", read(l, v, sizeof v), (long)v[0], (long)v[1], (long)v[3]);
  ioctl(l, PERF_EVENT_IOC_ENABLE, 0);
  touch(10);
  ioctl(l, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
  read(m, v, sizeof v);
  P("%ld events, the same %d, enough %d\n", (long)v[0], v[1] == v[3], v[1] >= 10 && v[1] < 20);
  close(m);
  P("%zd\n", read(l, v, sizeof v));
  close(l);
}

static void children(void) {
  struct perf_event_attr a = sw(PERF_COUNT_SW_PAGE_FAULTS);
  a.inherit = 1, a.disabled = 0;
  int fd = open_(&a, 0, -1, -1, 0);
  a.inherit = 0;
  int own = open_(&a, 0, -1, -1, 0);
  long n = value(fd), o = value(own);
  INPROC(0, touch(300));
  P("with children %d, without %d\n", value(fd) - n >= 300, value(own) - o < 200);
  close(fd), close(own);
  a = sw(PERF_COUNT_SW_PAGE_FAULTS);
  a.enable_on_exec = 1, a.inherit = 1;
  pid_t c = fork();
  if (!c) {
    raise(SIGSTOP);
    execl("/proc/self/exe", "x", "touch", (char *)0);
  }
  waitpid(c, 0, WUNTRACED);
  fd = open_(&a, c, -1, -1, 0);
  P("before exec %ld\n", value(fd));
  kill(c, SIGCONT);
  waitpid(c, 0, 0);
  P("after exec %d\n", value(fd) >= 40);
  close(fd);
  R(open_(&a, c, -1, -1, 0));
}

int main(int argc, char **argv) {
  if (argc > 1) return touch(40), 0;
  refusals();
  counting();
  clocks();
  groups();
  children();
  struct stat st;
  R(stat("/proc/sys/kernel/perf_event_paranoid", &st));
}
