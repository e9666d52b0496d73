// Which thread of a process takes its signals: the one that runs as a timer expires, who is free, the one that took the last.
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

static __thread const char *self = "main";
static atomic_int taken, stop;
static const char *volatile took[64];

static void handler(int sig) {
  (void)sig;
  took[taken % 64] = self;
  taken++;
}

static void mask(int how, int a, int b) {
  sigset_t set;
  sigemptyset(&set);
  if (a) sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  pthread_sigmask(how, &set, 0);
}

static void nap(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) continue;
}

// No other program of the machine comes between.
static void rank(int priority) {
  struct sched_param p = {.sched_priority = priority};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
}

struct job {
  const char *name;
  atomic_int order, done;
};

// Sleeps; 1 blocks SIGUSR1, 2 lets it through, 3 spins until told to stop, 4 ends.
static void *thread(void *arg) {
  struct job *j = arg;
  self = j->name;
  rank(1);
  for (;;) {
    int order = atomic_exchange(&j->order, 0);
    if (order == 1) mask(SIG_BLOCK, SIGUSR1, 0);
    if (order == 2) mask(SIG_UNBLOCK, SIGUSR1, 0);
    if (order == 3)
      while (!stop) continue;
    if (order == 4) return 0;
    if (order) j->done = order;
    nap(2);
  }
}

static void tell(struct job *j, int order) {
  j->order = order;
  while (order < 3 && j->done != order) nap(2);
  j->done = 0;
}

static void send(const char *what) {
  taken = 0;
  kill(getpid(), SIGUSR1);
  nap(20);
  printf("%s: %d taken by %s\n", what, taken, taken ? took[0] : "nobody");
}

static void spun(const char *what, clockid_t clock, struct job *j, int pause) {
  timer_t timer;
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct itimerspec its = {{0, pause * 1000000L}, {0, pause * 1000000L}};
  int i;
  taken = stop = 0;
  timer_create(clock, &ev, &timer);
  tell(j, 3);
  nap(10);
  timer_settime(timer, 0, &its, 0);
  while (taken < 5) nap(200);
  timer_delete(timer);
  stop = 1;
  nap(20);
  for (i = 0; i < 5 && took[i] == j->name; i++) continue;
  printf("%s: %s\n", what, i == 5 ? "by the thread that runs" : took[i]);
}

int main(void) {
  static struct job a = {.name = "a"}, b = {.name = "b"};
  pthread_t ta, tb;
  cpu_set_t one;
  struct sigaction sa = {.sa_handler = handler};
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  rank(2);
  sigaction(SIGUSR1, &sa, 0);
  sigaction(SIGUSR2, &sa, 0);
  mask(SIG_BLOCK, SIGUSR2, 0);
  pthread_create(&ta, 0, thread, &a);
  pthread_create(&tb, 0, thread, &b);
  nap(10);

  spun("processor time", CLOCK_PROCESS_CPUTIME_ID, &b, 11);
  spun("real time", CLOCK_MONOTONIC, &b, 11);

  send("all can");
  mask(SIG_BLOCK, SIGUSR1, 0);
  send("main blocks it");
  tell(&a, 1);
  send("and a");
  tell(&a, 2);
  send("a can again");
  tell(&b, 1);
  send("b blocks it");
  tell(&b, 2);
  send("b can again");
  tell(&a, 4);
  pthread_join(ta, 0);
  send("a is gone");

  // One that nobody can take waits for the first who can.
  tell(&b, 1);
  send("none can");
  mask(SIG_UNBLOCK, SIGUSR1, 0);
  printf("main can: %d taken by %s\n", taken, took[0]);
  tell(&b, 4);
  pthread_join(tb, 0);
  return 0;
}
