// Who waits for System V semaphores and messages is served in order: by whoever changes the semaphores or sends the
// message, while the waiting processes sleep.
#include "guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#define MOST 12

struct task {
  volatile int ready, done, result;
};
static struct task *task;
static pid_t pids[MOST];
static int count, id;

static void nop(int s) {}

static char state(pid_t pid) {
  char path[40], text[400];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 'X';
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n < 0 ? 0 : n] = 0;
  char *end = strrchr(text, ')');
  return end ? end[2] : 'X';
}

/** Waits until nobody runs: who was woken has had its turn. */
static void settle(void) {
  for (int quiet = 0; quiet < 3; quiet++) {
    msleep(4);
    for (int i = 0; i < count; i++)
      if (state(pids[i]) == 'R' || state(pids[i]) == 'D' || !task[i].ready) quiet = -1;
  }
}

/** Starts a sleeper. */
static int start(void) {
  task[count].done = task[count].ready = 0;
  pids[count] = fork();
  if (pids[count] != 0) {
    count++;
    settle();
    return 0;
  }
  struct sigaction sa = {.sa_handler = nop, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &sa, 0);
  task[count].ready = 1;
  return 1;
}

static void finish(long r) {
  task[count].result = r < 0 ? -errno : r;
  task[count].done = 1;
  pause();
  _exit(0);
}

/** Operations: semaphore, change, flags; a timeout in milliseconds or 0. */
static void sem(int n, const struct sembuf *ops, int ms) {
  struct timespec t = {0, ms * 1000000L};
  if (start()) finish(semtimedop(id, (struct sembuf *)ops, n, ms ? &t : 0));
}
#define SEM(...)                                                                                   \
  do {                                                                                             \
    struct sembuf b_[] = {__VA_ARGS__};                                                            \
    sem(sizeof b_ / sizeof b_[0], b_, 0);                                                          \
  } while (0)

struct msg {
  long type;
  char text[200];
};

static void receive(int size, long type, int flags) {
  struct msg m;
  if (!start()) return;
  long r = msgrcv(id, &m, size, type, flags);
  if (r >= 0) r = m.type * 1000 + r;
  finish(r);
}

static void send(long type, int size) {
  struct msg m = {type};
  if (start()) finish(msgsnd(id, &m, size, 0));
}

/** What has become of the sleepers since the last time. */
static void show(const char *what) {
  settle();
  P("%s:", what);
  for (int i = 0; i < count; i++) {
    if (task[i].done != 1) continue;
    P(" %d=%d", i, task[i].result);
    task[i].done = 2;
  }
  P("\n");
}

static int index_of(int pid) {
  for (int i = 0; i < count; i++)
    if (pids[i] == pid) return i;
  return -1;
}

static void sems(void) {
  for (int i = 0; i < 3; i++)
    P("  %d: %d n%d z%d by %d\n", i, semctl(id, i, GETVAL), semctl(id, i, GETNCNT),
      semctl(id, i, GETZCNT), index_of(semctl(id, i, GETPID)));
}

static void queue(void) {
  struct msqid_ds d;
  msgctl(id, IPC_STAT, &d);
  P("  %ld messages, %ld bytes, sent by %d, taken by %d\n", (long)d.msg_qnum, (long)d.__msg_cbytes,
    index_of(d.msg_lspid), index_of(d.msg_lrpid));
}

static void end(void) {
  for (int i = 0; i < count; i++) {
    kill(pids[i], SIGKILL);
    waitpid(pids[i], 0, 0);
  }
  count = 0;
}

static void set(int num, int value) { semctl(id, num, SETVAL, value); }

static void new_set(const char *what) {
  P("-- %s\n", what);
  id = semget(IPC_PRIVATE, 3, 0600);
}

static void remove_set(void) {
  semctl(id, 0, IPC_RMID);
  show("removed");
  end();
}

static void semaphores(void) {
  new_set("one call makes another possible");
  set(2, 2);
  SEM({2, -2, 0}, {1, -2, 0}, {1, 2, 0});
  SEM({1, -2, 0});
  sems();
  set(1, 2);
  show("set");
  sems();
  remove_set();

  new_set("single operations in order");
  SEM({0, -3, 0});
  SEM({0, -1, 0});
  SEM({0, -2, 0});
  SEM({0, -1, 0});
  set(0, 2);
  show("2");
  sems();
  set(0, 5);
  show("5");
  sems();
  remove_set();

  new_set("several operations among single ones");
  SEM({0, -1, 0});
  SEM({2, -1, 0});
  SEM({1, -1, 0});
  SEM({0, -1, 0}, {1, -1, 0}, {2, 2, 0});
  SEM({2, -2, 0});
  SEM({0, 0, 0}, {1, 0, 0});
  sems();
  unsigned short all[] = {2, 2, 0};
  semctl(id, 0, SETALL, all);
  show("set");
  sems();
  set(2, 1);
  show("2=1");
  sems();
  remove_set();

  new_set("zeros first");
  set(0, 1);
  SEM({0, -2, 0}, {0, 0, 0}, {1, 1, 0});
  SEM({0, 0, 0});
  SEM({0, 0, 0}, {1, 0, 0});
  SEM({1, -1, 0});
  sems();
  set(0, 2);
  show("2");
  sems();
  set(0, 0);
  show("zero");
  sems();
  remove_set();

  new_set("a later operation must not wait");
  SEM({0, -1, 0}, {1, -1, IPC_NOWAIT});
  SEM({0, -1, 0}, {2, 32767, 0}, {2, 1, 0});
  SEM({0, -1, 0}, {1, -1, 0});
  sems();
  set(0, 1);
  show("0=1");
  sems();
  remove_set();

  new_set("the ends of waits");
  SEM({0, -1, 0});
  SEM({0, -2, 0});
  SEM({0, -1, 0});
  SEM({0, -1, 0});
  struct sembuf late = {0, -1, 0};
  sem(1, &late, 900);
  SEM({0, -1, SEM_UNDO});
  SEM({0, -1, SEM_UNDO});
  sems();
  kill(pids[0], SIGKILL);
  waitpid(pids[0], 0, 0);
  kill(pids[2], SIGUSR1);
  show("signal");
  kill(pids[3], SIGSTOP);
  while (state(pids[3]) != 'T') msleep(1);
  kill(pids[3], SIGCONT);
  show("continued");
  msleep(1000);
  show("late");
  sems();
  set(0, 1);
  show("0=1");
  sems();
  kill(pids[5], SIGKILL);
  waitpid(pids[5], 0, 0);
  show("undone");
  sems();
  struct semid_ds d;
  semctl(id, 0, IPC_STAT, &d);
  P("operated on %d\n", d.sem_otime != 0);
  remove_set();
}

static void limit(int bytes) {
  struct msqid_ds d;
  msgctl(id, IPC_STAT, &d);
  d.msg_qbytes = bytes;
  R(msgctl(id, IPC_SET, &d));
}

static void put(long type, int size) {
  struct msg m = {type};
  R(msgsnd(id, &m, size, IPC_NOWAIT));
  // Nobody else gets what has been handed over.
  R(msgrcv(id, &m, 200, 0, IPC_NOWAIT));
  show("sent");
}

static void messages(void) {
  P("-- receivers\n");
  id = msgget(IPC_PRIVATE, 0600);
  receive(10, 3, 0);
  receive(200, -2, 0);
  receive(200, 3, MSG_EXCEPT);
  receive(200, 0, 0);
  receive(5, 0, MSG_NOERROR);
  receive(200, 3, 0);
  put(2, 20);
  queue();
  put(3, 20);
  queue();
  put(1, 20);
  put(3, 1);
  put(3, 2);
  kill(pids[5], SIGUSR1);
  show("signal");
  receive(200, 0, 0);
  receive(200, 0, 0);
  kill(pids[6], SIGKILL);
  waitpid(pids[6], 0, 0);
  limit(100);
  show("set");
  put(9, 9);
  queue();
  receive(200, 0, 0);
  msgctl(id, IPC_RMID, 0);
  show("removed");
  end();

  P("-- senders\n");
  id = msgget(IPC_PRIVATE, 0600);
  limit(100);
  struct msg m = {1};
  R(msgsnd(id, &m, 90, 0));
  send(2, 60);
  send(3, 20);
  send(4, 30);
  send(5, 10);
  send(6, 20);
  show("5 fits at once");
  queue();
  kill(pids[2], SIGUSR1);
  show("signal");
  R(msgrcv(id, &m, 200, 1, 0));
  show("room");
  queue();
  limit(140);
  show("more room");
  for (int i = 0; i < 5; i++) {
    R(msgrcv(id, &m, 200, 0, IPC_NOWAIT));
    P("type %ld\n", m.type);
    show("taken");
  }
  R(msgsnd(id, &m, 100, 0));
  send(7, 100);
  msgctl(id, IPC_RMID, 0);
  show("removed");
  end();
}

int main(void) {
  task = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  semaphores();
  messages();
  return 0;
}
