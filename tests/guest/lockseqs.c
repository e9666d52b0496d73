// Three processes with three descriptors each take, ask for and give up record locks of both kinds and flock locks, in a random
// order that is the same every time. Each line: process, call, descriptor, type, start and length, then what came of it.
#include "guest.h"
#include <sys/file.h>

struct call { int op, fd, type, start, len; };
struct answer { int result, error, type, start, len, pid; };

static unsigned long seed;
static unsigned rnd(unsigned n) { return (seed = seed * 6364136223846793005UL + 1442695040888963407UL, seed >> 33) % n; }

static void locker(int in, int out) {
  int fds[3], commands[] = {F_SETLK, F_OFD_SETLK, F_GETLK, F_OFD_GETLK}, flocks[] = {LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN};
  struct call c;
  for (int i = 0; i < 3; i++) fds[i] = open("f", i == 2 ? O_RDONLY : O_RDWR);
  while (read(in, &c, sizeof c) == sizeof c) {
    struct flock f = {.l_type = c.type, .l_whence = SEEK_SET, .l_start = c.start, .l_len = c.len};
    struct answer a = {0};
    errno = 0;
    if (c.op < 4) a.result = fcntl(fds[c.fd], commands[c.op], &f);
    else if (c.op == 4) a.result = flock(fds[c.fd], flocks[c.type]);
    else close(fds[c.fd]), fds[c.fd] = open("f", O_RDWR);
    a.error = a.result ? errno : 0;
    if (!a.result && (c.op == 2 || c.op == 3) && f.l_type != F_UNLCK)
      a = (struct answer){0, 0, f.l_type, f.l_start, f.l_len, f.l_pid};
    else a.type = f.l_type;
    write(out, &a, sizeof a);
  }
  _exit(0);
}

static void sequence(int which) {
  int to[3][2], from[3][2];
  pid_t pids[3];
  seed = which * 7717;
  P("sequence %d\n", which);
  for (int i = 0; i < 3; i++) {
    pipe(to[i]), pipe(from[i]);
    pids[i] = fork();
    if (!pids[i]) locker(to[i][0], from[i][1]);
  }
  for (int i = 0; i < 200; i++) {
    int who = rnd(3), op = rnd(16), owner = -2;
    struct call c = {op < 6 ? 0 : op < 9 ? 1 : op < 11 ? 2 : op < 13 ? 3 : op < 15 ? 4 : 5, rnd(3), rnd(3), rnd(60), rnd(3) ? rnd(30) : 0};
    struct answer a;
    write(to[who][1], &c, sizeof c), read(from[who][0], &a, sizeof a);
    for (int k = 0; k < 3; k++)
      if (a.pid == pids[k]) owner = k;
    P("%d: %d %d %d %d+%d: %d %d %d+%d %d\n", who, c.op, c.fd, c.type, c.start, c.len, a.error, a.type, a.start, a.len, a.pid <= 0 ? a.pid : owner);
  }
  for (int i = 0; i < 3; i++) kill(pids[i], SIGKILL), waitpid(pids[i], NULL, 0);
}

int main(void) {
  close(open("f", O_CREAT, 0666));
  for (int i = 1; i <= 8; i++) {
    if (!fork()) {
      sequence(i);
      _exit(0);
    }
    wait(NULL);
  }
  return 0;
}
