/* Clocks, sleeps and timers: which exist, what is refused, what is left of an interrupted wait. */
#include "guest.h"
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#define S(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %ld %d\n", #n, #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                            \
    r_;                                                                                            \
  })
static volatile int got;
static void h(int s) {
  got++;
}
static long long ns(struct timespec t) {
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}
int main() {
  struct timespec t, u;
  struct itimerspec it, io;
  timer_t id;
  int tid;
  struct sigaction sa = {.sa_handler = h};
  sigaction(SIGALRM, &sa, 0);
  sigaction(SIGUSR1, &sa, 0);
  sigaction(SIGVTALRM, &sa, 0);
  sigaction(SIGPROF, &sa, 0);
  P("-- clock\n");
  for (int c = -3; c < 16; c++) {
    if (c == -3 || c == 5 || c == 6) continue;
    t.tv_sec = t.tv_nsec = -1;
    errno = 0;
    int g = syscall(SYS_clock_gettime, c, &t);
    int ge = g ? errno : 0;
    errno = 0;
    int r = syscall(SYS_clock_getres, c, &t);
    int re = r ? errno : 0;
    P("clock %d: get %d res %d (%ld) nullres %ld\n", c, ge, re, re ? 0 : t.tv_nsec,
      syscall(SYS_clock_getres, c, 0));
  }
  S(SYS_clock_gettime, 0, 8);
  S(SYS_clock_gettime, 0, 0);
  S(SYS_clock_getres, 0, 8);
  S(SYS_clock_settime, 0, 8);
  S(SYS_clock_settime, 1, &t);
  t = (struct timespec){-1, 0};
  S(SYS_clock_settime, 0, &t);
  t = (struct timespec){0, 1000000000};
  S(SYS_clock_settime, 0, &t);
  t = (struct timespec){0, -1};
  S(SYS_clock_settime, 0, &t);
  t = (struct timespec){1000, 0};
  S(SYS_clock_settime, 1, &t);
  S(SYS_clock_settime, 2, &t);
  S(SYS_clock_settime, 3, &t);
  S(SYS_clock_settime, 4, &t);
  S(SYS_clock_settime, 5, &t);
  S(SYS_clock_settime, 7, &t);
  S(SYS_clock_settime, 11, &t);
  S(SYS_clock_settime, 16, &t);
  S(SYS_clock_settime, -1, &t);
  S(SYS_clock_settime, 99, &t);
  INPROC(1000, S(SYS_clock_settime, 0, &t); S(SYS_clock_settime, 1, &t); t.tv_nsec = -1;
         S(SYS_clock_settime, 0, &t); struct timeval tv = {1, 0}; S(SYS_settimeofday, &tv, 0);
         S(SYS_settimeofday, 0, 0));
  struct timeval tv = {-1, 0};
  S(SYS_settimeofday, &tv, 0);
  tv = (struct timeval){100, 1000000};
  S(SYS_settimeofday, &tv, 0);
  tv = (struct timeval){100, -1};
  S(SYS_settimeofday, &tv, 0);
  S(SYS_settimeofday, 8, 0);
  S(SYS_settimeofday, 0, 8);
  struct timezone tz = {16 * 60, 0};
  S(SYS_settimeofday, 0, &tz);
  S(SYS_gettimeofday, 8, 0);
  S(SYS_gettimeofday, 0, 8);
  S(SYS_gettimeofday, 0, 0);
  S(SYS_time, 8);
  P("-- nanosleep\n");
  t = (struct timespec){0, 1000000000};
  S(SYS_nanosleep, &t, 0);
  t = (struct timespec){-1, 0};
  S(SYS_nanosleep, &t, 0);
  t = (struct timespec){0, -1};
  S(SYS_nanosleep, &t, 0);
  S(SYS_nanosleep, 8, 0);
  t = (struct timespec){0, 0};
  S(SYS_nanosleep, &t, 0);
  struct itimerval iv = {{0}, {0, 20000}};
  setitimer(0, &iv, 0);
  t = (struct timespec){1, 0};
  u = (struct timespec){77, 77};
  S(SYS_nanosleep, &t, &u);
  P("rem %d\n", ns(u) > 0 && ns(u) < 1000000000);
  setitimer(0, &iv, 0);
  S(SYS_nanosleep, &t, 8);
  setitimer(0, &iv, 0);
  S(SYS_nanosleep, &t, 0);
  for (int c = -1; c < 13; c++) {
    t = (struct timespec){0, 1000};
    errno = 0;
    int r = c == 2 ? 0 : syscall(SYS_clock_nanosleep, c, 0, &t, 0);
    int e = r ? errno : 0;
    t = (struct timespec){0, 0};
    int r2 = syscall(SYS_clock_nanosleep, c, 1, &t, 0);
    P("cns %d: %d abs %d\n", c, e, r2 ? errno : 0);
  }
  S(SYS_clock_nanosleep, 0, 0, 8, 0);
  t = (struct timespec){0, -1};
  S(SYS_clock_nanosleep, 0, 0, &t, 0);
  S(SYS_clock_nanosleep, 99, 0, &t, 0);
  S(SYS_clock_nanosleep, (~0 << 3) | 3, 0, &t, 0);
  S(SYS_timer_create, (~0 << 3) | 3, 0, &u);
  t = (struct timespec){-1, 0};
  S(SYS_clock_nanosleep, 1, 1, &t, 0);
  t = (struct timespec){0, 5000000};
  S(SYS_clock_nanosleep, 1, 8, &t, 0);
  setitimer(0, &iv, 0);
  t = (struct timespec){1, 0};
  u = (struct timespec){77, 77};
  S(SYS_clock_nanosleep, 1, 0, &t, &u);
  P("rem %d\n", ns(u) > 0 && ns(u) < 1000000000);
  clock_gettime(1, &t);
  t.tv_sec++;
  u = (struct timespec){77, 77};
  setitimer(0, &iv, 0);
  S(SYS_clock_nanosleep, 1, 1, &t, &u);
  P("%ld\n", (long)u.tv_sec);
  setitimer(0, &iv, 0);
  t = (struct timespec){1, 0};
  P("-- itimer\n");
  struct itimerval o;
  S(SYS_getitimer, 3, &o);
  S(SYS_getitimer, -1, &o);
  S(SYS_getitimer, 0, 8);
  S(SYS_getitimer, 0, 0);
  S(SYS_setitimer, 3, &iv, 0);
  S(SYS_setitimer, -1, 0, 0);
  S(SYS_setitimer, 0, 8, 0);
  S(SYS_setitimer, 0, &iv, 8);
  S(SYS_setitimer, 0, 0, &o);
  iv = (struct itimerval){{0}, {0, 1000000}};
  S(SYS_setitimer, 0, &iv, 0);
  iv = (struct itimerval){{0, -1}, {0, 0}};
  S(SYS_setitimer, 0, &iv, 0);
  iv = (struct itimerval){{0}, {-1, 0}};
  S(SYS_setitimer, 0, &iv, 0);
  iv = (struct itimerval){{3, 5}, {100, 7}};
  for (int w = 0; w < 3; w++) {
    S(SYS_setitimer, w, &iv, &o);
    S(SYS_getitimer, w, &o);
    P("%ld %ld %ld %d\n", (long)o.it_interval.tv_sec, (long)o.it_interval.tv_usec,
      (long)o.it_value.tv_sec >= 99, o.it_value.tv_usec < 1000000);
  }
  R(alarm(5) >= 99);
  R(alarm(0) == 5);
  iv = (struct itimerval){{0}, {0}};
  for (int w = 0; w < 3; w++) S(SYS_setitimer, w, &iv, &o);
  R(alarm(-1));
  R(alarm(0) == -1);
  R(alarm(0));
  got = 0;
  iv = (struct itimerval){{0, 10000}, {0, 10000}};
  setitimer(1, &iv, 0);
  while (got < 3);
  iv = (struct itimerval){{0}, {0}};
  setitimer(1, &iv, 0);
  got = 0;
  iv = (struct itimerval){{0, 10000}, {0, 10000}};
  setitimer(2, &iv, 0);
  while (got < 3) getppid();
  iv = (struct itimerval){{0}, {0}};
  setitimer(2, &iv, 0);
  P("virt prof ok\n");
  INPROC(
      0, setitimer(0, &(struct itimerval){{0}, {50}}, 0); if (!fork()) {
        getitimer(0, &o);
        _exit(o.it_value.tv_sec);
      } int s;
      wait(&s); P("inherit %x\n", s));
  P("-- timer_create\n");
  for (int c = -1; c < 13; c++) {
    errno = 0;
    int r = syscall(SYS_timer_create, c, 0, &tid);
    P("tc %d: %d\n", c, r ? errno : 0);
    if (!r) syscall(SYS_timer_delete, tid);
  }
  struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  S(SYS_timer_create, 0, 8, &tid);
  S(SYS_timer_create, 0, &se, 8);
  se.sigev_signo = 65;
  S(SYS_timer_create, 0, &se, &tid);
  se.sigev_signo = 0;
  S(SYS_timer_create, 0, &se, &tid);
  se.sigev_signo = -1;
  S(SYS_timer_create, 0, &se, &tid);
  se.sigev_signo = 10;
  se.sigev_notify = 99;
  S(SYS_timer_create, 0, &se, &tid);
  se.sigev_notify = SIGEV_THREAD;
  S(SYS_timer_create, 0, &se, &tid) >= 0;
  syscall(SYS_timer_delete, tid);
  se.sigev_notify = SIGEV_NONE;
  se.sigev_signo = 99;
  S(SYS_timer_create, 0, &se, &tid) >= 0;
  it = (struct itimerspec){{1, 0}, {5, 0}};
  S(SYS_timer_settime, tid, 0, &it, 0);
  S(SYS_timer_gettime, tid, &io);
  P("%ld %ld\n", (long)io.it_interval.tv_sec, (long)io.it_value.tv_sec);
  syscall(SYS_timer_delete, tid);
  se.sigev_notify = 4;
  se.sigev_signo = 10;
  *(int *)((char *)&se + 16) = 1;
  S(SYS_timer_create, 0, &se, &tid);
  *(int *)((char *)&se + 16) = gettid();
  S(SYS_timer_create, 0, &se, &tid) >= 0;
  syscall(SYS_timer_delete, tid);
  se.sigev_notify = SIGEV_SIGNAL;
  se.sigev_value.sival_int = 42;
  S(SYS_timer_create, 1, &se, &tid) >= 0;
  it = (struct itimerspec){{0, 0}, {0, 1000000000}};
  S(SYS_timer_settime, tid, 0, &it, 0);
  it = (struct itimerspec){{0, -1}, {1, 0}};
  S(SYS_timer_settime, tid, 0, &it, 0);
  it = (struct itimerspec){{0}, {-1, 0}};
  S(SYS_timer_settime, tid, 0, &it, 0);
  S(SYS_timer_settime, tid, 0, 0, 0);
  S(SYS_timer_settime, tid, 0, 8, 0);
  S(SYS_timer_settime, -1, 0, &it, 0);
  it = (struct itimerspec){{0}, {5, 0}};
  S(SYS_timer_settime, -1, 0, &it, 0);
  S(SYS_timer_settime, tid, 99, &it, 0);
  S(SYS_timer_settime, tid, 0, &it, 8);
  S(SYS_timer_gettime, tid, 8);
  S(SYS_timer_gettime, -1, &io);
  S(SYS_timer_getoverrun, -1);
  S(SYS_timer_getoverrun, tid);
  S(SYS_timer_delete, -1);
  S(SYS_timer_delete, tid);
  S(SYS_timer_delete, tid);
  {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, 0);
    S(SYS_timer_create, 1, &se, &tid) >= 0;
    it = (struct itimerspec){{0, 2000000}, {0, 2000000}};
    syscall(SYS_timer_settime, tid, 0, &it, 0);
    msleep(50);
    siginfo_t si;
    int r = sigwaitinfo(&s, &si);
    P("sig %d code %d val %d overrun %d tid %d\n", r, si.si_code, si.si_value.sival_int,
      si.si_overrun >= 20 && si.si_overrun < 5000, si.si_timerid == tid);
    r = syscall(SYS_timer_getoverrun, tid);
    P("%d\n", r == si.si_overrun);
    it = (struct itimerspec){{0}, {0}};
    syscall(SYS_timer_settime, tid, 0, &it, &io);
    P("%ld\n", io.it_interval.tv_nsec);
    struct timespec z = {0};
    P("%d\n", sigtimedwait(&s, &si, &z));
    clock_gettime(1, &t);
    it.it_value = (struct timespec){0, 1};
    syscall(SYS_timer_settime, tid, 1, &it, 0);
    P("past %d\n", sigtimedwait(&s, &si, &(struct timespec){1}));
    it.it_interval.tv_sec = 20000;
    syscall(SYS_timer_settime, tid, 1, &it, 0);
    sigwaitinfo(&s, &si);
    syscall(SYS_timer_gettime, tid, &io);
    P("%ld %d\n", (long)io.it_interval.tv_sec,
      ns(io.it_value) <= 20000000000000 && ns(io.it_value) > 0);
    it = (struct itimerspec){{1}, {0}};
    syscall(SYS_timer_settime, tid, 0, &it, 0);
    syscall(SYS_timer_gettime, tid, &io);
    P("%ld %ld\n", (long)io.it_interval.tv_sec, (long)io.it_value.tv_sec);
    syscall(SYS_timer_delete, tid);
    sigprocmask(SIG_UNBLOCK, &s, 0);
  }
  P("-- cpu clocks\n");
  pid_t c = fork();
  if (!c) {
    for (;;);
  }
  msleep(60);
  clockid_t ck;
  P("%d\n", clock_getcpuclockid(c, &ck));
  P("%d\n", clock_gettime(ck, &t));
  P("%d\n", ns(t) > 10000000);
  P("%d\n", clock_getcpuclockid(99999, &ck));
  S(SYS_clock_gettime, (~99999 << 3) | 2, &t);
  S(SYS_clock_gettime, (~c << 3) | 2, &t);
  S(SYS_clock_gettime, (~c << 3) | 6, &t);
  S(SYS_clock_gettime, (~getpid() << 3) | 6, &t);
  S(SYS_clock_gettime, (~0 << 3) | 2, &t);
  S(SYS_clock_gettime, (~0 << 3) | 7, &t);
  S(SYS_clock_getres, (~c << 3) | 2, &t);
  S(SYS_clock_settime, (~c << 3) | 2, &t);
  S(SYS_clock_nanosleep, (~c << 3) | 2, 0, &t, 0) * 0;
  S(SYS_timer_create, (~c << 3) | 2, &se, &tid) >= 0;
  kill(c, 9);
  wait(0);
  S(SYS_clock_gettime, (~c << 3) | 2, &t);
  INPROC(1000, S(SYS_clock_gettime, (~1 << 3) | 2, &t));
  P("-- adjtime\n");
  struct timex x = {0};
  R(adjtimex(&x) >= 0);
  R(syscall(SYS_adjtimex, 8));
  x = (struct timex){.modes = ADJ_TICK, .tick = 100};
  S(SYS_adjtimex, &x);
  x = (struct timex){.modes = ADJ_TICK, .tick = 12000};
  S(SYS_adjtimex, &x);
  x = (struct timex){.modes = ADJ_STATUS, .status = 0};
  INPROC(1000, S(SYS_adjtimex, &x));
  S(SYS_clock_adjtime, 1, &x);
  S(SYS_clock_adjtime, 99, &x);
  S(SYS_clock_adjtime, -1, &x);
  S(SYS_clock_adjtime, 11, &x);
  x.modes = 0;
  S(SYS_clock_adjtime, 0, 8);
  R(syscall(SYS_clock_adjtime, 0, &x) >= 0);
  x = (struct timex){.modes = ADJ_OFFSET_SINGLESHOT | ADJ_TICK};
  S(SYS_adjtimex, &x);
  INPROC(1000, x = (struct timex){.modes = ADJ_OFFSET_SS_READ}; R(syscall(SYS_adjtimex, &x) >= 0);
         x = (struct timex){.modes = 0}; R(syscall(SYS_adjtimex, &x) >= 0));
  P("-- timerfd\n");
  S(SYS_timerfd_create, 99, 0);
  S(SYS_timerfd_create, 2, 0);
  S(SYS_timerfd_create, 0, 1);
  int fd = timerfd_create(1, TFD_NONBLOCK);
  it = (struct itimerspec){{0}, {0, 1000000000}};
  R(timerfd_settime(fd, 0, &it, 0));
  it = (struct itimerspec){{0}, {0, 5000000}};
  R(timerfd_settime(fd, 8, &it, 0));
  R(timerfd_settime(-1, 0, &it, 0));
  R(timerfd_settime(0, 0, &it, 0));
  R(timerfd_settime(fd, 0, (void *)8, 0));
  R(timerfd_settime(fd, 0, &it, (void *)8));
  R(timerfd_gettime(fd, (void *)8));
  R(timerfd_gettime(0, &it));
  R(timerfd_gettime(-1, &it));
  unsigned long v;
  R(read(fd, &v, 7));
  R(timerfd_settime(fd, 0, &it, 0));
  R(read(fd, &v, 8));
  msleep(15);
  R(read(fd, &v, 8));
  P("%lu\n", v);
  R(write(fd, &v, 8));
  R(syscall(SYS_timerfd_create, 8, 0) >= 0);
  R(syscall(SYS_timerfd_create, 9, 0) >= 0);
  INPROC(1000, R(syscall(SYS_timerfd_create, 8, 0)));
  P("-- a point in the far past\n");
  for (int clock = 0; clock < 2; clock++) {
    fd = timerfd_create(clock, TFD_NONBLOCK);
    struct itimerspec far = {{0, 10000000}, {0, 1}};
    R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, 0));
    msleep(1);
    R(read(fd, &v, 8));
    struct timespec now;
    clock_gettime(clock, &now);
    P("%d\n", v > now.tv_sec * 99UL && v < now.tv_sec * 100UL + 200);
    R(read(fd, &v, 8));
    R(timerfd_gettime(fd, &far));
    P("%d\n", far.it_value.tv_nsec > 0 && far.it_value.tv_nsec <= 10000000);
    close(fd);
  }
  struct tms tm;
  R(times(&tm) > 0);
  R(syscall(SYS_times, 8));
  R(syscall(SYS_times, 0) > 0);
}
