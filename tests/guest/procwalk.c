// A random walk over a tree of processes that do as they are told: fork, exec, exit, groups, sessions, signals, stops, waits of all
// kinds, subreapers, death signals. After each step /proc tells how every process stands.
// libc: glibc
#include "guest.h"
#include "walk.h"
#include <sys/prctl.h>
#include <sys/socket.h>

enum { WALKS = 12, STEPS = 150, AGENTS = 9 };

struct order {
  int what, a, b, c;
};
struct answer {
  int r, error, x, y, z;
};

/** Each agent's end is 100 + its number, the controller's 150 + its number. */
static int mine(int agent) { return 100 + agent; }
static int yours(int agent) { return 150 + agent; }

static pid_t pids[AGENTS];
static int agents;

static void action(int how) {
  struct sigaction a = {.sa_handler = how & 1 ? SIG_IGN : SIG_DFL, .sa_flags = (how & 2 ? SA_NOCLDWAIT : 0) | (how & 4 ? SA_NOCLDSTOP : 0)};
  sigaction(SIGCHLD, &a, 0);
}

static void agent(int self);

/** Carries an order out in the agent. */
static struct answer obey(int self, struct order o) {
  struct answer x = {0};
  siginfo_t i = {0};
  sigset_t set;
  int st = 0;
  char name[16];
  errno = 0;
  switch (o.what) {
    case 0:
      if ((x.r = fork()) == 0) agent(o.a);
      break;
    case 1: _exit(o.a);
    case 2: x.r = setpgid(o.a, o.b); break;
    case 3: x.r = setsid(); break;
    case 4: x.r = kill(o.a, o.b); break;
    case 5: x.r = wait4(o.a, &st, o.b | WNOHANG, 0), x.x = st; break;
    case 6:
      x.r = waitid(o.a, o.b, &i, o.c | WNOHANG);
      x.x = i.si_pid, x.y = i.si_code, x.z = i.si_status;
      break;
    case 7: x.r = prctl(PR_SET_CHILD_SUBREAPER, o.a, 0, 0, 0); break;
    case 8: action(o.a); break;
    case 9:
      sigemptyset(&set), sigaddset(&set, o.a);
      x.r = sigprocmask(o.b ? SIG_BLOCK : SIG_UNBLOCK, &set, 0);
      break;
    case 10:
      sprintf(name, "%d", self);
      x.r = execl("/proc/self/exe", "agent", "agent", name, (char *)0);
      break;
    case 11: x.r = prctl(PR_SET_PDEATHSIG, o.a, 0, 0, 0); break;
    case 12: x.r = getpgid(o.a); break;
    case 13: x.r = getsid(o.a); break;
    case 14: signal(o.a, o.b ? SIG_IGN : SIG_DFL); break;
  }
  x.error = errno;
  return x;
}

static void agent(int self) {
  struct order o;
  while (read(mine(self), &o, sizeof o) == sizeof o) {
    struct answer x = obey(self, o);
    write(mine(self), &x, sizeof x);
  }
  _exit(0);
}

static int number(pid_t pid) {
  if (pid == 0) return 98;
  for (int i = 0; i < agents; i++)
    if (pids[i] == pid) return i;
  return pid == getpid() ? 99 : 97;
}

/** The letter of /proc/PID/stat once the process sleeps, is stopped or gone. */
static char state(pid_t pid, int *ppid, int *group, int *session) {
  char path[32], line[400];
  for (int tries = 0; tries < 2000; tries++) {
    sprintf(path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return '-';
    int n = read(fd, line, sizeof line - 1);
    close(fd);
    if (n <= 0) return '-';
    line[n] = 0;
    char letter;
    sscanf(strrchr(line, ')') + 2, "%c %d %d %d", &letter, ppid, group, session);
    if (letter == 'S' || letter == 'T' || letter == 'Z') return letter;
    usleep(500);
  }
  return '?';
}

static void settle(void) {
  // Twice: what ends last may have told others of it.
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < agents; i++) {
      int p, g, s;
      if (pids[i]) state(pids[i], &p, &g, &s);
    }
}

static void show(void) {
  for (int i = 0; i < agents; i++) {
    int p = 0, g = 0, s = 0;
    if (!pids[i]) continue;
    char c = state(pids[i], &p, &g, &s);
    if (c == '-') pids[i] = 0, out(" %d-", i);
    else out(" %d%c%d.%d.%d", i, c, number(p), number(g), number(s));
  }
  out("\n");
}

/** An agent that can do something now, or −1. */
static int ready(void) {
  int start = rnd(agents);
  for (int k = 0; k < agents; k++) {
    int i = (start + k) % agents, p, g, s;
    if (pids[i] && state(pids[i], &p, &g, &s) == 'S') return i;
  }
  return -1;
}

static pid_t someone(void) {
  int start = rnd(agents);
  for (int k = 0; k < agents; k++)
    if (pids[(start + k) % agents]) return pids[(start + k) % agents];
  return 0;
}

static struct order choose(void) {
  static const int sent[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGCONT, SIGCONT, SIGCONT, SIGTERM, SIGKILL, SIGHUP, SIGUSR1, SIGCHLD, 0};
  static const int flags[] = {WEXITED, WSTOPPED, WCONTINUED, WEXITED | WSTOPPED | WCONTINUED, WEXITED | WNOWAIT, WSTOPPED | WNOWAIT, WCONTINUED | WNOWAIT, 0};
  static const int whats[] = {0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  struct order o = {whats[rnd(sizeof whats / sizeof *whats)]};
  pid_t who = rnd(3) ? someone() : 0;
  switch (o.what) {
    case 1: o.a = rnd(200); break;
    case 2: o.a = who, o.b = rnd(2) ? someone() : 0; break;
    case 4:
      // Whoever ends together with others ends in an order that is nobody's to know.
      if (rnd(3)) o.a = someone(), o.b = sent[rnd(12)];
      else o.a = rnd(2) ? 0 : -someone(), o.b = sent[rnd(6)];
      break;
    case 5: o.a = rnd(2) ? -1 : rnd(2) ? who : -who, o.b = (rnd(2) ? WUNTRACED : 0) | (rnd(2) ? WCONTINUED : 0); break;
    case 6: o.a = rnd(3), o.b = who, o.c = flags[rnd(8)]; break;
    case 7: o.a = rnd(2); break;
    case 8: o.a = rnd(8); break;
    case 9: o.a = sent[rnd(11)], o.b = rnd(2); break;
    case 11: o.a = sent[rnd(12)]; break;
    case 12:
    case 13: o.a = who; break;
    case 14: o.a = sent[rnd(11)], o.b = rnd(2); break;
  }
  return o;
}

/** A place for one more agent, with nothing left in its socket, or −1. */
static int place(void) {
  char b[64];
  for (int i = 0; i < AGENTS; i++) {
    if (i < agents && pids[i]) continue;
    while (recv(mine(i), b, sizeof b, MSG_DONTWAIT) > 0 || recv(yours(i), b, sizeof b, MSG_DONTWAIT) > 0) {}
    if (i == agents) agents++, pids[i] = 0;
    return i;
  }
  return -1;
}

/** A number of a process where it names one of the agents. */
static int named(int pid) { return pid < -1 ? -number(-pid) : pid > 1 ? number(pid) : pid; }

static void step(void) {
  int i = ready();
  if (i < 0) {
    for (int k = 0; k < agents; k++)
      if (pids[k]) kill(pids[k], SIGCONT);
    out("all stopped");
    return;
  }
  struct order o = choose();
  struct answer x = {0};
  if (o.what == 0) {
    if ((o.a = place()) < 0) return out("full");
  }
  out("%d does %d %d %d %d", i, o.what, o.what < 2 || o.what == 6 || o.what > 6 && o.what != 12 && o.what != 13 ? o.a : named(o.a), o.what == 2 || o.what == 6 ? named(o.b) : o.b, o.c);
  // What it had to say when it was stopped.
  while (recv(yours(i), &x, sizeof x, MSG_DONTWAIT) > 0) {}
  x = (struct answer){0};
  write(yours(i), &o, sizeof o);
  // It may end, or stop itself, instead of an answer.
  for (;;) {
    int p, g, s, n = recv(yours(i), &x, sizeof x, MSG_DONTWAIT);
    if (n == sizeof x) break;
    char c = state(pids[i], &p, &g, &s);
    if (c == 'S' && o.what == 10 && recv(yours(i), &x, sizeof x, MSG_DONTWAIT | MSG_PEEK) < 0) {
      // After exec it waits for orders.
      static char line[64];
      char path[32];
      sprintf(path, "/proc/%d/cmdline", pids[i]);
      int fd = open(path, O_RDONLY);
      read(fd, line, sizeof line), close(fd);
      if (!strcmp(line, "agent")) break;
    }
    if (c != 'S') {
      recv(yours(i), &x, sizeof x, MSG_DONTWAIT);
      break;
    }
    usleep(300);
  }
  if (o.what == 0 && x.r > 0) pids[o.a] = x.r;
  out(" = %d error %d", o.what == 0 || o.what == 3 || o.what == 5 || o.what >= 12 ? named(x.r) : x.r, x.r < 0 ? x.error : 0);
  if (o.what == 5) out(" status %x", x.x);
  if (o.what == 6) out(" %d code %d status %d", named(x.x), x.y, x.z);
}

static void walk(int n) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  signal(SIGHUP, SIG_IGN);
  seed = n * 7919 + 17;
  for (int i = 0; i < AGENTS; i++) {
    int p[2];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p);
    dup2(p[0], mine(i)), dup2(p[1], yours(i));
    close(p[0]), close(p[1]);
  }
  agents = 1;
  if ((pids[0] = fork()) == 0) setpgid(0, 0), agent(0);
  for (int k = 0; k < STEPS; k++) {
    int st, p;
    if (verbose) P("%d: ", k);
    settle();
    if (rnd(4)) step();
    else {
      p = waitpid(-1, &st, WNOHANG | WUNTRACED | WCONTINUED);
      out("wait = %d error %d status %x", named(p), p < 0 ? errno : 0, p > 0 ? st : 0);
      int i = p < 0 ? place() : -1;
      if (i >= 0 && (pids[i] = fork()) == 0) setpgid(0, 0), agent(i);
    }
    settle();
    show();
    step_done(n, k);
  }
  for (int i = 0; i < agents; i++)
    if (pids[i]) kill(pids[i], SIGKILL);
  while (waitpid(-1, 0, 0) > 0) {}
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc > 2) agent(atoi(argv[2]));
  verbose = argc > 1;
  for (int n = verbose ? atoi(argv[1]) : 0; n < (verbose ? atoi(argv[1]) + 1 : WALKS); n++) {
    int st;
    pid_t c = fork();
    if (c == 0) setsid(), walk(n);
    waitpid(c, &st, 0);
    P("walk %d ended %x\n", n, st);
  }
  return 0;
}
