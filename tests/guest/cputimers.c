// link: -pthread
// Clocks and timers on processor time.
#include "guest.h"
#include <pthread.h>

static volatile sig_atomic_t fired;
static int code;
static void handler(int sig, siginfo_t *si, void *u) {
  fired++;
  code = si->si_code;
}
static int64_t ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }
static int64_t now(clockid_t c) {
  struct timespec t;
  return clock_gettime(c, &t) ? -1 : ns(t);
}
static volatile unsigned long sink;
static void burn(int ms) {
  int64_t end = now(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000LL;
  while (now(CLOCK_THREAD_CPUTIME_ID) < end)
    for (int i = 0; i < 1000; i++) sink += i;
}
static void *other(void *a) {
  burn(500);
  return 0;
}
#define CLOCK(pid, kind) ((~(clockid_t)(pid) << 3) | (kind))

/** A timer that is off keeps its interval, unless it is ITIMER_REAL. */
static void intervals(int which) {
  struct itimerval off = {{10, 20000}, {0, 0}}, on = {{7, 500000}, {1000, 0}}, zero = {0}, old;
  R(setitimer(which, &off, 0));
  getitimer(which, &old);
  P("%ld.%06ld %ld\n", old.it_interval.tv_sec, old.it_interval.tv_usec, old.it_value.tv_sec);
  R(setitimer(which, &on, &old));
  P("%ld.%06ld %ld\n", old.it_interval.tv_sec, old.it_interval.tv_usec, old.it_value.tv_sec);
  R(setitimer(which, &zero, &old));
  P("%ld.%06ld %d\n", old.it_interval.tv_sec, old.it_interval.tv_usec, old.it_value.tv_sec >= 999);
  getitimer(which, &old);
  P("%ld.%06ld %ld\n", old.it_interval.tv_sec, old.it_interval.tv_usec, old.it_value.tv_sec);
}

int main(void) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t t;
  R(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &t));
  struct itimerspec its = {{0, 0}, {0, 400000000}}, old;
  R(timer_settime(t, 0, &its, 0));
  // Sleeping uses none. (The bounds leave room for a busy host, whose pauses count as the guest's work.)
  msleep(60);
  R(fired);
  timer_gettime(t, &old);
  R(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 400000000);
  int64_t start = now(CLOCK_PROCESS_CPUTIME_ID);
  while (!fired) burn(1);
  int64_t used = now(CLOCK_PROCESS_CPUTIME_ID) - start;
  R(used > 20000000 && used < 2000000000);
  R(code == SI_TIMER);
  timer_gettime(t, &old);
  R(old.it_value.tv_nsec);
  // Repeating.
  fired = 0;
  its.it_interval.tv_nsec = its.it_value.tv_nsec = 10000000;
  R(timer_settime(t, 0, &its, 0));
  burn(55);
  R(fired >= 1);
  R(timer_delete(t));
  // An absolute point that has passed fires at once.
  fired = 0;
  R(timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &t));
  its.it_interval.tv_nsec = 0;
  its.it_value.tv_nsec = 1;
  R(timer_settime(t, TIMER_ABSTIME, &its, 0));
  burn(20);
  R(fired);
  R(timer_delete(t));
  // Time of other threads counts for the process, not for the thread.
  int64_t p0 = now(CLOCK_PROCESS_CPUTIME_ID), t0 = now(CLOCK_THREAD_CPUTIME_ID);
  pthread_t th;
  pthread_create(&th, 0, other, 0);
  pthread_join(th, 0);
  R(now(CLOCK_PROCESS_CPUTIME_ID) - p0 >= 500000000);
  R(now(CLOCK_THREAD_CPUTIME_ID) - t0 < 400000000);
  // Clocks made of pids.
  R(now(CLOCK(getpid(), 2)) > 0);
  R(now(CLOCK(0, 6)) > 0);
  struct timespec ts = {0, 0};
  R(clock_gettime(CLOCK(getpid(), 3), &ts));
  R(clock_gettime(CLOCK(999999, 2), &ts));
  R(clock_settime(CLOCK_PROCESS_CPUTIME_ID, &ts));
  R(timer_create(CLOCK(999999, 2), &ev, &t));
  // Sleeping until somebody else has used time.
  pid_t p = fork();
  if (!p) {
    for (;;) sink++;
  }
  ts.tv_nsec = 20000000;
  R(clock_nanosleep(CLOCK(p, 2), 0, &ts, 0));
  R(now(CLOCK(p, 2)) >= 20000000);
  kill(p, SIGKILL);
  wait(0);
  R(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, 0));
  // A limit.
  p = fork();
  if (!p) {
    signal(SIGVTALRM, SIG_DFL);
    struct itimerval it = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_VIRTUAL, &it, 0);
    for (;;) sink++;
  }
  int st;
  waitpid(p, &st, 0);
  R(WTERMSIG(st));
  intervals(ITIMER_REAL);
  intervals(ITIMER_VIRTUAL);
  intervals(ITIMER_PROF);
  return 0;
}
