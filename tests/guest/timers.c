#include "guest.h"
#include <sched.h>
#include <sys/times.h>
#include <sys/timex.h>
static volatile int n;
static void h(int s, siginfo_t *i, void *u) {
  (void)u;
  if (!n++) printf("signal %d code %d value %d\n", s, i->si_code, i->si_value.sival_int);
}
static long since(struct timespec a) {
  struct timespec b;
  clock_gettime(CLOCK_MONOTONIC, &b);
  return (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
}
int main(void) {
  struct timespec t, a;
  int clocks[] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int i = 0; i < 8; i++) {
    R(clock_gettime(clocks[i], &t));
    R(clock_getres(clocks[i], &t));
  }
  R(clock_gettime(99, &t));
  clock_gettime(CLOCK_MONOTONIC, &a);
  msleep(30);
  long e = since(a);
  R(e >= 30 && e < 300);
  t.tv_sec = 0;
  t.tv_nsec = 1000000000;
  R(nanosleep(&t, 0));
  t.tv_nsec = 0;
  R(nanosleep(&t, 0));
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += 20000000;
  if (t.tv_nsec >= 1000000000) {
    t.tv_sec++;
    t.tv_nsec -= 1000000000;
  }
  clock_gettime(CLOCK_MONOTONIC, &a);
  R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0));
  R(since(a) >= 15);
  t.tv_sec = 0;
  R(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, 0));
  R(clock_nanosleep(99, 0, &t, 0));
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  sigaction(SIGALRM, &sa, 0);
  sigaction(SIGUSR1, &sa, 0);
  sigaction(SIGVTALRM, &sa, 0);
  sigaction(SIGPROF, &sa, 0);
  struct itimerval it = {{0, 10000}, {0, 10000}}, old;
  setitimer(ITIMER_REAL, &it, &old);
  R(old.it_value.tv_usec);
  while (n < 3) pause();
  getitimer(ITIMER_REAL, &old);
  R(old.it_interval.tv_usec);
  memset(&it, 0, sizeof it);
  setitimer(ITIMER_REAL, &it, 0);
  n = 0;
  R(alarm(100));
  R(alarm(0));
  it.it_value.tv_usec = 2000000;
  R(setitimer(ITIMER_REAL, &it, 0));
  R(setitimer(9, &it, 0));
  it.it_value.tv_usec = 20000;
  setitimer(ITIMER_VIRTUAL, &it, 0);
  while (!n) {}
  n = 0;
  setitimer(ITIMER_PROF, &it, 0);
  while (!n) {}
  n = 0;
  timer_t id;
  struct sigevent se = {
      .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 321};
  R(timer_create(CLOCK_MONOTONIC, &se, &id));
  struct itimerspec its = {{0, 5000000}, {0, 5000000}}, cur;
  R(timer_settime(id, 0, &its, 0));
  while (n < 3) pause();
  R(timer_gettime(id, &cur));
  R(cur.it_interval.tv_nsec);
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigprocmask(SIG_BLOCK, &m, 0);
  msleep(40);
  siginfo_t si;
  R(sigwaitinfo(&m, &si));
  R(si.si_overrun >= 3);
  R(timer_getoverrun(id) >= 0);
  R(timer_delete(id));
  R(timer_delete(id));
  R(timer_create(99, &se, &id));
  se.sigev_notify = SIGEV_NONE;
  R(timer_create(CLOCK_REALTIME, &se, &id));
  its.it_value.tv_nsec = -1;
  R(timer_settime(id, 0, &its, 0));
  struct tms tm;
  R(times(&tm) > 0);
  struct timeval tv;
  R(gettimeofday(&tv, 0));
  R(tv.tv_sec > 1600000000);
  R(time(0) == tv.tv_sec || time(0) == tv.tv_sec + 1);
  cpu_set_t cs;
  CPU_ZERO(&cs);
  R(sched_getaffinity(0, sizeof cs, &cs) >= 0);
  R(CPU_COUNT(&cs) >= 1);
  R(sched_setaffinity(0, sizeof cs, &cs));
  CPU_ZERO(&cs);
  R(sched_setaffinity(0, sizeof cs, &cs));
  R(sched_yield());
  R(sched_getscheduler(0));
  struct sched_param sp = {1};
  R(sched_setscheduler(0, SCHED_FIFO, &sp));
  R(sched_getscheduler(0));
  R(sched_getparam(0, &sp));
  R(sp.sched_priority);
  sp.sched_priority = 0;
  R(sched_setscheduler(0, SCHED_FIFO, &sp));
  R(sched_setscheduler(0, SCHED_OTHER, &sp));
  R(sched_get_priority_max(SCHED_FIFO));
  R(sched_get_priority_min(SCHED_OTHER));
  R(sched_get_priority_max(99));
  R(sched_rr_get_interval(0, &t));
  if (!fork()) {
    setuid(1000);
    tv.tv_sec = 1;
    R(settimeofday(&tv, 0));
    struct timex tx = {.modes = ADJ_FREQUENCY};
    R(adjtimex(&tx));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  struct timespec cpu;
  R(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu));
  R(cpu.tv_nsec + cpu.tv_sec > 0);
  clockid_t ci;
  R(clock_getcpuclockid(getpid(), &ci));
  R(clock_gettime(ci, &cpu));
  return 0;
}
