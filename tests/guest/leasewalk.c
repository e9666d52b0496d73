// Random walks of leases: several descriptors of a file (some of them paths), another process that opens it without waiting.
#include "guest.h"
#include "walk.h"
#include <sys/mount.h>

static int signals;
static void heard(int sig) { signals++; }

/** In another process, whose result comes back. */
#define ELSEWHERE(call)                                                                            \
  ({                                                                                               \
    int status_;                                                                                   \
    fflush(0);                                                                                     \
    pid_t c_ = fork();                                                                             \
    if (!c_) _exit((call) < 0 ? errno : 0);                                                        \
    while (waitpid(c_, &status_, 0) < 0) {}                                                        \
    status_ >> 8;                                                                                  \
  })

static void walk(int w, int steps) {
  int fd[8], modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY, O_PATH}, types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
  seed = w * 977 + 11;
  close(open("f", O_CREAT | O_RDWR, 0644));
  for (int i = 0; i < 8; i++) fd[i] = -1;
  for (int step = 0; step < steps; step++) {
    int x = rnd(8), y = rnd(8), mode = modes[rnd(5)] | O_NONBLOCK, type = types[rnd(3)];
    signals = 0;
    switch (rnd(14)) {
    case 0:
    case 1:
    case 2:
      if (fd[x] < 0) out("open %x %d", mode, (fd[x] = open("f", mode)) < 0 ? errno : 0);
      break;
    case 3:
    case 4: out("close %d", x), close(fd[x]), fd[x] = -1; break;
    case 5:
      if (fd[x] >= 0 && fd[y] < 0) fd[y] = dup(fd[x]);
      break;
    case 6: out("open elsewhere %x %d", mode, ELSEWHERE(open("f", mode))); break;
    case 7: out("lease elsewhere %d %d %d", x, type, ELSEWHERE(fcntl(fd[x], F_SETLEASE, type))); break;
    case 8: out("signal %d %d", x, er(fcntl(fd[x], F_SETSIG, rnd(2) ? SIGIO : 0))); break;
    default: out("lease %d %d %d", x, type, er(fcntl(fd[x], F_SETLEASE, type)));
    }
    out(" signals %d, %d %d:", signals, x, er(fcntl(fd[x], F_GETSIG)));
    for (int i = 0; i < 8; i++)
      if (fd[i] >= 0) out(" %d/%d", i, er(fcntl(fd[i], F_GETLEASE)));
    out("\n");
    step_done(w, step);
  }
  for (int i = 0; i < 8; i++) close(fd[i]);
  unlink("f");
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  mkdir("leasewalk", 0755);
  mount("t", "leasewalk", "tmpfs", 0, 0);
  chdir("leasewalk");
  signal(SIGIO, heard);
  for (int w = 0; w < 40; w++) walk(w, 60);
  chdir("..");
  umount("leasewalk");
  rmdir("leasewalk");
  return 0;
}
