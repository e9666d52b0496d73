/* How fast the clocks go under adjtimex(2), against CLOCK_MONOTONIC_RAW; that of a machine of one's own only. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock, int vdso) {
  struct timespec t;
  if (vdso) clock_gettime(clock, &t);
  else syscall(SYS_clock_gettime, clock, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Seconds of each clock while the program sleeps. */
static void measure(const char *what, double sleep) {
  static const clockid_t clocks[] = {CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
  double from[4], raw = 0;
  struct timespec t = {sleep, (sleep - (long)sleep) * 1e9};
  for (int i = 0; i < 4; i++) from[i] = now(clocks[i], 1);
  nanosleep(&t, 0);
  printf("%s:", what);
  for (int i = 0; i < 4; i++) {
    double went = now(clocks[i], 1) - from[i], other = now(clocks[i], 0) - from[i];
    if (i == 0) raw = went, printf(" slept %.1f", raw);
    else printf(" %.2f", went / raw);
    if (other < went || other > went + 0.05) printf(" (the call tells %f, not %f)", other, went);
  }
  printf("\n");
}

/* Waits for the third tenth of a second: far from where seconds begin. */
static void settle(void) {
  double t = now(CLOCK_REALTIME, 0);
  usleep((1.3 - (t - (long)t)) * 1e6);
}

int main(void) {
  struct timex x = {.modes = ADJ_TICK, .tick = 11000};
  measure("for the first time", 0.1);
  measure("as it is", 0.5);
  adjtimex(&x);
  measure("tick 11000", 0.55);
  x.tick = 9000, adjtimex(&x);
  measure("tick 9000", 0.45);
  x.tick = 10000, adjtimex(&x);
  measure("tick 10000", 0.5);
  x.modes = ADJ_FREQUENCY, x.freq = 500 << 16, adjtimex(&x);
  printf("%ld\n", x.freq);
  x.freq = -33 << 16, adjtimex(&x);
  printf("%ld\n", x.freq);
  static const long edges[] = {140737488355, 140737488356, -140737488355, -140737488356};
  for (int i = 0; i < 4; i++) {
    int state = (x.freq = edges[i], adjtimex(&x));
    printf("%ld\n", state < 0 ? -1 : x.freq);
  }
  x.freq = 0, adjtimex(&x);
  settle();
  /* Half a second of offset goes by a part of 1/4096 to 1/4 a second. */
  x.modes = ADJ_STATUS | ADJ_NANO | ADJ_TIMECONST | ADJ_MAXERROR, x.status = STA_PLL | STA_FREQHOLD, x.constant = 0, x.maxerror = 0, adjtimex(&x);
  x.modes = ADJ_OFFSET, x.offset = 400000000, adjtimex(&x);
  printf("%ld\n", x.offset);
  sleep(2);
  x.modes = 0, adjtimex(&x);
  printf("%ld %ld %d\n", x.offset / 1000000, x.maxerror / 500, x.status);
  measure("offset", 1.5);
  x.modes = ADJ_OFFSET, x.offset = 0, adjtimex(&x);
  settle();
  x.modes = ADJ_OFFSET_SINGLESHOT, x.offset = 1600, adjtimex(&x);
  for (int i = 0; i < 3; i++) {
    if (i) sleep(2);
    x.modes = ADJ_OFFSET_SS_READ, adjtimex(&x);
    printf("%ld\n", x.offset);
  }
  measure("at last", 0.5);
  return 0;
}
