// A random walk over record locks: two processes, two open files each and a shared one, POSIX, OFD and flock locks, lseek and close.
// libc: glibc
#include "guest.h"
#include "walk.h"
#include <sys/file.h>

#define FILES 4
#define PATH "/tmp/lockwalk"

struct task {
  int what, file, type, whence;
  long start, length;
};
struct result {
  int r, type, whence, own;
  long start, length;
};

static int fds[FILES];

static struct result act(struct task t) {
  struct result x = {0};
  struct flock l = {.l_type = t.type, .l_whence = t.whence, .l_start = t.start, .l_len = t.length};
  static const int commands[] = {F_SETLK, F_OFD_SETLK, F_GETLK, F_OFD_GETLK};
  if (t.what < 4) x.r = er(fcntl(fds[t.file], commands[t.what], &l));
  else if (t.what == 4) {
    static const int kinds[] = {LOCK_SH, LOCK_EX, LOCK_UN};
    x.r = er(flock(fds[t.file], kinds[t.type] | LOCK_NB));
  } else if (t.what == 5) x.r = er(lseek(fds[t.file], t.start, SEEK_SET));
  else if (t.what == 6) { // closing any descriptor of the file ends the process's POSIX locks
    close(fds[t.file]);
    fds[t.file] = open(PATH, t.type == 2 ? O_RDWR : t.type);
    x.r = er(fds[t.file]) < 0;
  }
  if (t.what == 2 || t.what == 3) {
    x.type = l.l_type, x.whence = l.l_whence, x.start = l.l_start, x.length = l.l_len;
    x.own = l.l_pid == getpid() ? 1 : l.l_pid == -1 ? 2 : 0;
  }
  return x;
}

static int to[2], from[2];
static void serve(void) {
  struct task t;
  while (read(to[0], &t, sizeof t) == sizeof t) {
    struct result x = act(t);
    write(from[1], &x, sizeof x);
  }
  _exit(0);
}

static void step(void) {
  struct task t = {rnd(8), rnd(FILES), rnd(3), rnd(3), rnd(20), (long)rnd(12) - 3};
  if (t.what == 7) t.what = rnd(4);
  if (rnd(6) == 0) t.length = 0;
  int child = rnd(2);
  struct result x;
  if (child) {
    write(to[1], &t, sizeof t);
    read(from[0], &x, sizeof x);
  } else x = act(t);
  out("%s file %d what %d type %d %d:%ld+%ld = %d", child ? "child" : "parent", t.file, t.what, t.type, t.whence, t.start, t.length, x.r);
  if (t.what == 2 || t.what == 3) out(" %d %d:%ld+%ld own %d", x.type, x.whence, x.start, x.length, x.own);
  out("\n");
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  for (int walk = 1; walk < 60; walk++) {
    seed = walk;
    int file = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(file, 15);
    pipe(to);
    pipe(from);
    fds[3] = file; // both have it: one open file description
    pid_t child = fork();
    for (int i = 0; i < 3; i++) fds[i] = open(PATH, i == 2 ? O_RDONLY : O_RDWR);
    if (child == 0) {
      close(to[1]);
      serve();
    }
    for (int k = 0; k < 60; k++) {
      step();
      step_done(walk, k);
    }
    close(to[1]);
    waitpid(child, 0, 0);
    for (int i = 0; i < FILES; i++) close(fds[i]);
    close(to[0]), close(from[0]), close(from[1]);
  }
  unlink(PATH);
  return 0;
}
