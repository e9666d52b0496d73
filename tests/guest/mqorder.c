// POSIX message queues from hand to hand: who waits is served by priority, then in order of arrival, and nobody else learns of it.
// link: -lpthread -lrt
#include "guest.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

static int q;

static void asleep(int pid, int tid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  for (int i = 0; i < 2000; i++) {
    int f = open(path, O_RDONLY);
    int n = read(f, text, sizeof text - 1);
    close(f);
    if (n > 0) {
      text[n] = 0;
      if (strrchr(text, ')')[2] == 'S') return;
    }
    usleep(1000);
  }
  P("%d does not sleep\n", tid);
}

static void urgent(int nice, int fifo) {
  if (nice) setpriority(PRIO_PROCESS, 0, nice);
  struct sched_param p = {.sched_priority = fifo};
  if (fifo) sched_setscheduler(0, SCHED_FIFO, &p);
}

static const struct {
  const char *name;
  int nice, fifo;
} who[] = {{"usual", 0, 0},  {"nice", 5, 0},    {"fifo 10", 0, 10}, {"usual too", 0, 0},
           {"fifo 20", 0, 20}, {"nicer", 10, 0}, {"fifo 10 too", 0, 10}};
#define N 7

static int depth(void) {
  struct mq_attr a;
  mq_getattr(q, &a);
  return a.mq_curmsgs;
}

/** Children that wait to receive; each puts what it got into its place. */
static void receivers(int *got) {
  int pids[N];
  for (int i = 0; i < N; i++) {
    if (!(pids[i] = fork())) {
      urgent(who[i].nice, who[i].fifo);
      char b[16] = {0};
      unsigned p;
      int n = mq_receive(q, b, sizeof b, &p);
      got[i] = n == 1 ? b[0] + 1000 * (int)p : -errno;
      _exit(0);
    }
    asleep(pids[i], pids[i]);
  }
  struct pollfd f = {q, POLLIN, 0};
  int watcher = fork();
  if (!watcher) _exit(poll(&f, 1, 300));
  asleep(watcher, watcher);
  for (int i = 0; i < N; i++) {
    char c = 'a' + i;
    mq_send(q, &c, 1, i);
    if (depth()) P("%d in the queue\n", depth());
  }
  for (int i = 0; i < N; i++) waitpid(pids[i], 0, 0);
  for (int i = 0; i < N; i++) P("%s got %c with priority %d\n", who[i].name, got[i] % 1000, got[i] / 1000);
  int s;
  waitpid(watcher, &s, 0);
  P("poll saw %d\n", WEXITSTATUS(s));
}

/** Children that wait for room. */
static void senders(void) {
  int pids[N];
  char b[16], c = '-';
  mq_send(q, &c, 1, 0);
  mq_send(q, &c, 1, 0);
  for (int i = 0; i < N; i++) {
    if (!(pids[i] = fork())) {
      urgent(who[i].nice, who[i].fifo);
      char m = 'a' + i;
      _exit(mq_send(q, &m, 1, 3) ? errno : 0);
    }
    asleep(pids[i], pids[i]);
  }
  struct pollfd f = {q, POLLOUT, 0};
  int watcher = fork();
  if (!watcher) _exit(poll(&f, 1, 300));
  asleep(watcher, watcher);
  // Each that is received makes room for the most urgent sender's, which is more urgent than what was there.
  for (int i = 0; i < N; i++) {
    unsigned p;
    int n = mq_receive(q, b, sizeof b, &p);
    P("%d %c %u, then %d\n", n, b[0], p, depth());
  }
  int s;
  waitpid(watcher, &s, 0);
  P("poll saw %d\n", WEXITSTATUS(s));
  while (depth()) {
    int n = mq_receive(q, b, sizeof b, 0);
    P("%d %c\n", n, b[0]);
  }
  for (int i = 0; i < N; i++) {
    waitpid(pids[i], &s, 0);
    P("%s %d\n", who[i].name, WEXITSTATUS(s));
  }
}

static volatile int tid, result, failed;
static char taken[16];

static void *take(void *fd) {
  tid = gettid();
  result = mq_receive((long)fd, taken, sizeof taken, 0);
  failed = result < 0 ? errno : 0;
  return 0;
}

static void *give(void *fd) {
  char c = 'z';
  tid = gettid();
  result = mq_send((long)fd, &c, 1, 0);
  failed = result < 0 ? errno : 0;
  return 0;
}

/** A descriptor that is closed while somebody waits with it. */
static pthread_t closed(void *(*call)(void *)) {
  pthread_t t;
  long other = mq_open("/order", O_RDWR);
  tid = 0;
  pthread_create(&t, 0, call, (void *)other);
  while (!tid) usleep(1000);
  asleep(getpid(), tid);
  close(other);
  return t;
}

int main(void) {
  mq_unlink("/order");
  struct mq_attr a = {0, 2, 16, 0};
  q = mq_open("/order", O_RDWR | O_CREAT, 0600, &a);
  int *got = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // The parent is to go on whoever is woken.
  sched_setscheduler(0, SCHED_RESET_ON_FORK | SCHED_FIFO, &(struct sched_param){50});
  P("-- receivers\n");
  receivers(got);
  P("-- senders\n");
  senders();
  P("-- closed descriptors\n");
  char b[16], c = 'x';
  pthread_t t = closed(take);
  R(mq_send(q, &c, 1, 0));
  pthread_join(t, 0);
  P("received %d %c errno %d\n", result, taken[0], failed);
  mq_send(q, &c, 1, 5), mq_send(q, &c, 1, 5);
  t = closed(give);
  R(mq_receive(q, b, sizeof b, 0));
  pthread_join(t, 0);
  P("sent %d errno %d, %d in the queue\n", result, failed, depth());
  P("-- bytes are read before the wait\n");
  R(mq_send(q, (char *)8, 1, 0));
  R(mq_timedsend(q, &c, 1, 0, &(struct timespec){1, 0}));
  mq_unlink("/order");
}
