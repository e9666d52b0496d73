/* sched_setattr, sched_getattr and SCHED_DEADLINE: parameters, admission, throttling, yield, overrun, fork; who may what. */
#include "guest.h"
#include <sched.h>

struct attr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t prio;
  uint64_t runtime, deadline, period;
  uint32_t umin, umax, more[4];
};
static int set(struct attr *a) { return syscall(SYS_sched_setattr, 0, a, 0); }
static int get(struct attr *a, unsigned size) { return syscall(SYS_sched_getattr, 0, a, size, 0); }
static struct attr dl(uint64_t runtime, uint64_t deadline, uint64_t period) {
  return (struct attr){.size = 48, .policy = 6, .runtime = runtime, .deadline = deadline, .period = period};
}
#define MS 1000000UL
static int try(uint64_t runtime, uint64_t deadline, uint64_t period) {
  struct attr a = dl(runtime, deadline, period);
  return set(&a);
}
static void show(void) {
  struct attr a = {0};
  get(&a, 56);
  int fair = a.policy == 0 || a.policy == 3 || a.policy == 5;
  P("policy %u flags %lx nice %d prio %u runtime %lu deadline %lu period %lu\n", a.policy, a.flags, a.nice, a.prio,
    fair ? 0 : a.runtime, a.deadline, a.period);
}
static long ms(clockid_t c) {
  struct timespec t;
  clock_gettime(c, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void spin(int for_ms) {
  long until = ms(CLOCK_MONOTONIC) + for_ms;
  while (ms(CLOCK_MONOTONIC) < until) {}
}
static volatile sig_atomic_t overruns;
static void handler(int sig) { overruns++; }

int main(void) {
  struct attr a = {0};
  R(get(&a, 47));
  R(get(&a, 5000));
  R(get(0, 48));
  R(syscall(SYS_sched_getattr, 0, &a, 48, 1));
  R(syscall(SYS_sched_getattr, -1, &a, 48, 0));
  R(syscall(SYS_sched_getattr, 999999, &a, 48, 0));
  R(get(&a, 48));
  R(a.size);
  R(get(&a, 72));
  R(a.size);
  a = dl(10 * MS, 30 * MS, 30 * MS);
  R(syscall(SYS_sched_setattr, 0, &a, 1));
  R(syscall(SYS_sched_setattr, -1, &a, 0));
  R(syscall(SYS_sched_setattr, 0, 0, 0));
  a.size = 40;
  R(set(&a));
  R(a.size);
  a.size = 72;
  a.more[2] = 1;
  R(set(&a));
  R(a.size);
  a = dl(10 * MS, 30 * MS, 30 * MS);
  a.policy = 9;
  R(set(&a));
  a.policy = -1;
  R(set(&a));
  a = dl(10 * MS, 30 * MS, 30 * MS);
  a.prio = 1;
  R(set(&a));
  a.prio = 0;
  a.flags = 0x800;
  R(set(&a));
  a.flags = 0x20;
  R(set(&a));
  R(try(0, 30 * MS, 30 * MS));
  R(try(1023, 30 * MS, 30 * MS));
  R(try(30 * MS, 20 * MS, 30 * MS));
  R(try(10 * MS, 40 * MS, 30 * MS));
  R(try(2000, 5000, 50000));
  R(try(10 * MS, 30 * MS, 5000 * MS));
  R(try(10 * MS, 1UL << 63, 0));
  R(try(10 * MS, 30 * MS, 0));
  show();
  struct timespec t;
  R(sched_rr_get_interval(0, &t));
  R(t.tv_nsec);
  struct sched_param sp = {0};
  R(sched_getscheduler(0));
  R(sched_getparam(0, &sp));
  R(sched_setparam(0, &sp));
  errno = 0;
  R(fork());
  long cpu = ms(CLOCK_THREAD_CPUTIME_ID), wall = ms(CLOCK_MONOTONIC);
  spin(300);
  cpu = ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
  P("a third of the time: %d\n", cpu > 50 && cpu < 200);
  R(try(5 * MS, 50 * MS, 50 * MS));
  wall = ms(CLOCK_MONOTONIC);
  for (int i = 0; i < 4; i++) sched_yield();
  wall = ms(CLOCK_MONOTONIC) - wall;
  P("four yields, four periods: %d\n", wall >= 130 && wall < 400);
  signal(SIGXCPU, handler);
  a = dl(5 * MS, 30 * MS, 30 * MS);
  a.flags = 4;
  R(set(&a));
  show();
  spin(100);
  P("overruns: %d\n", overruns > 0);
  a.flags = 1;
  R(set(&a));
  show();
  if (fork() == 0) {
    show();
    _exit(0);
  }
  wait(0);
  R(sched_setscheduler(0, SCHED_OTHER, &sp));
  show();
  puts("keep");
  a = (struct attr){.size = 48, .policy = 1, .prio = 7};
  R(set(&a));
  show();
  a = (struct attr){.size = 48, .flags = 8, .prio = 9};
  R(set(&a));
  show();
  a = (struct attr){.size = 48, .policy = 2, .flags = 16};
  R(set(&a));
  show();
  a = (struct attr){.size = 48, .policy = 0, .nice = -30};
  R(set(&a));
  show();
  puts("too much is promised");
  fflush(stdout);
  int refused = 0, n = sysconf(_SC_NPROCESSORS_ONLN) + 1;
  pid_t all[64];
  int ready[2];
  pipe(ready);
  for (int i = 0; i < n; i++) {
    if ((all[i] = fork()) == 0) {
      int r = try(90 * MS, 100 * MS, 100 * MS);
      char c = r < 0 ? errno : 0;
      write(ready[1], &c, 1);
      pause();
    }
    char c;
    read(ready[0], &c, 1);
    if (c == EBUSY) refused++;
  }
  P("refused %d\n", refused >= 1 && refused < n);
  for (int i = 0; i < n; i++) kill(all[i], SIGKILL), waitpid(all[i], 0, 0);
  puts("without privilege");
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_NICE, &none);
  setrlimit(RLIMIT_RTPRIO, &none);
  a = (struct attr){.size = 48, .policy = 0, .flags = 1};
  R(set(&a));
  setuid(1000);
  a.flags = 0;
  R(set(&a));
  a.flags = 1;
  R(set(&a));
  a.nice = 5;
  R(set(&a));
  a.nice = 3;
  R(set(&a));
  a.policy = 1;
  a.prio = 1;
  R(set(&a));
  R(try(10 * MS, 30 * MS, 30 * MS));
  a = (struct attr){.size = 48, .policy = 5, .flags = 1};
  R(set(&a));
  a.policy = 5;
  a.nice = 6;
  R(set(&a));
  a.policy = 0;
  R(set(&a));
  R(sched_setscheduler(0, SCHED_OTHER, &sp));
  R(sched_setscheduler(1, SCHED_OTHER, &sp));
  return 0;
}
