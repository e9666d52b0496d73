// Timers for years, and for longer than there is time: what they were set to can be read back.
#include "guest.h"
#include <sys/timerfd.h>

#define YEAR 31536000L

/** To 100 s: the machine's own time goes into what is left. */
static long about(long sec) { return (sec + 50) / 100 * 100; }

int main(void) {
  const long spans[] = {1000, YEAR, 50 * YEAR, 250 * YEAR};
  for (int i = 0; i < 4; i++) {
    struct itimerspec set = {{spans[i], 0}, {spans[i], 0}}, got;
    timer_t t;
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    R(timerfd_settime(fd, 0, &set, 0));
    timerfd_gettime(fd, &got);
    P("timerfd %ld %ld\n", about(got.it_value.tv_sec), got.it_interval.tv_sec);
    R(timer_create(CLOCK_REALTIME, &ev, &t));
    R(timer_settime(t, 0, &set, 0));
    timer_gettime(t, &got);
    P("timer %ld %ld\n", about(got.it_value.tv_sec), got.it_interval.tv_sec);
    for (int which = 0; which < 3; which++) {
      struct itimerval v = {{spans[i], 0}, {spans[i], 0}}, g;
      R(setitimer(which, &v, 0));
      getitimer(which, &g);
      P("itimer %d %ld %ld\n", which, about(g.it_value.tv_sec), g.it_interval.tv_sec);
      P("%s\n", which && g.it_value.tv_sec < spans[i] ? "early" : "a tick more or nothing yet");
      memset(&v, 0, sizeof v);
      setitimer(which, &v, 0);
    }
    close(fd);
  }
  struct itimerval most = {{INT64_MAX, 5}, {INT64_MAX, 5}}, g;
  R(setitimer(ITIMER_REAL, &most, 0));
  getitimer(ITIMER_REAL, &g);
  P("%ld.%ld %d\n", g.it_interval.tv_sec, g.it_interval.tv_usec, g.it_value.tv_sec > 9000000000L);
  struct itimerspec end = {{0, 0}, {INT64_MAX, 5}}, got;
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  R(timerfd_settime(fd, 0, &end, 0));
  timerfd_gettime(fd, &got);
  P("%d\n", got.it_value.tv_sec > 9000000000L && got.it_value.tv_sec < 9223372037L);
  R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &end, 0));
  timerfd_gettime(fd, &got);
  P("%d\n", got.it_value.tv_sec > 9000000000L && got.it_value.tv_sec < 9223372037L);
  return 0;
}
