// A random walk over two pipes, a socket pair and a file: read, write, splice, tee, vmsplice, sendfile, resizing; what waits and what polls after each.
// libc: glibc
#include "guest.h"
#include "walk.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PATH "/tmp/pipewalk"
/** What goes from the file into a pipe is the file's own pages: it stays as it is, and another one is written. */
enum { R0, W0, R1, W1, S0, S1, SOURCE, SINK, ENDS };
static int fd[ENDS];
static unsigned char data[300000], got[300000];

static unsigned sum(const unsigned char *b, long n) {
  unsigned h = 2166136261u;
  for (long i = 0; i < n; i++) h = (h ^ b[i]) * 16777619;
  return h;
}
static long size(void) {
  static const int sizes[] = {0, 1, 10, 100, 4095, 4096, 4097, 8192, 20000, 65536, 65537, 150000};
  return sizes[rnd(12)];
}
static int reads(void) { return (int[]){R0, R1, S0, S1, SOURCE}[rnd(5)]; }
static int writes(void) { return (int[]){W0, W1, S0, S1, SINK}[rnd(5)]; }

static void state(void) {
  for (int i = 0; i < SOURCE; i++) {
    // How much a socket's buffer holds is the machine's: it is never filled, and not asked for room.
    struct pollfd p = {fd[i], POLLIN | POLLPRI | POLLRDHUP | (i < S0 ? POLLOUT : 0)};
    int n = -1;
    poll(&p, 1, 0);
    if (i != W0 && i != W1) ioctl(fd[i], FIONREAD, &n);
    out(" %x:%d", p.revents, n);
  }
  struct stat st;
  fstat(fd[SINK], &st);
  out(" source %ld sink %ld at %ld", (long)lseek(fd[SOURCE], 0, SEEK_CUR), st.st_size, (long)lseek(fd[SINK], 0, SEEK_CUR));
  out(" sizes %d %d\n", fcntl(fd[R0], F_GETPIPE_SZ), fcntl(fd[W1], F_GETPIPE_SZ));
}

static void step(int k) {
  int what = rnd(12), from = reads(), to = writes();
  long n = size(), r;
  // A file's own position, or one that is given.
  loff_t place = rnd(50000), *at = rnd(2) ? &place : 0;
  unsigned start = rnd(1000);
  if ((to == S0 || to == S1) && n > 4097) n = 4097;
  if (what < 3) {
    if (to == SINK && n > 20000) n = 20000;
    r = write(fd[to], data + start, n);
    out("write %d %ld = %d", to, n, er(r));
  } else if (what < 5) {
    r = read(fd[from], got, n);
    out("read %d %ld = %d", from, n, er(r));
    if (r > 0) out(" %08x", sum(got, r));
  } else if (what < 8) {
    if (from == S0 || from == S1) from = R0; // into how many pieces a socket cuts its bytes is the machine's
    loff_t *in = from == SOURCE || rnd(8) == 0 ? at : 0, *out_ = to == SINK || rnd(8) == 0 ? at : 0;
    int flags = SPLICE_F_NONBLOCK | (rnd(2) ? SPLICE_F_MORE : 0) | (rnd(2) ? SPLICE_F_MOVE : 0);
    r = splice(fd[from], in, fd[to], out_, n, flags);
    out("splice %d %d %ld %d%d = %d at %ld", from, to, n, !!in, !!out_, er(r), (long)place);
  } else if (what == 8) out("tee %d %d %ld = %d", from, to, n, er(tee(fd[from], fd[to], n, SPLICE_F_NONBLOCK)));
  else if (what == 9) {
    struct iovec iov[2] = {{data + start, n / 2}, {data + 5000, n - n / 2}};
    out("vmsplice %d %ld = %d", to, n, er(vmsplice(fd[to], iov, 2, SPLICE_F_NONBLOCK)));
  } else if (what == 10) {
    if (from == S0 || from == S1) from = SOURCE;
    off_t offset = place;
    r = sendfile(fd[to], fd[from], at ? &offset : 0, n);
    out("sendfile %d %d %ld %d = %d at %ld", from, to, n, !!at, er(r), (long)offset);
  } else if (rnd(2)) out("resize %d %ld = %d", from, n, er(fcntl(fd[from], F_SETPIPE_SZ, n)));
  else out("seek %ld truncate %d", (long)lseek(fd[rnd(2) ? SOURCE : SINK], place, SEEK_SET), er(ftruncate(fd[SINK], 60000)));
  state();
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < sizeof data; i++) data[i] = i * 31 + (i >> 8);
  for (int walk = 1; walk < 40; walk++) {
    seed = walk;
    pipe2(fd, O_NONBLOCK);
    pipe2(fd + 2, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd + 4);
    fd[SOURCE] = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(fd[SOURCE], data, 30000);
    lseek(fd[SOURCE], 0, SEEK_SET);
    fd[SINK] = open(PATH "2", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int k = 0; k < 40; k++) {
      step(k);
      step_done(walk, k);
    }
    int closed = (int[]){R0, W0, R1, W1}[rnd(4)];
    close(fd[closed]);
    fd[closed] = open("/dev/null", O_RDWR);
    for (int k = 40; k < 50; k++) {
      step(k);
      step_done(walk, k);
    }
    for (int i = 0; i < ENDS; i++) close(fd[i]);
  }
  unlink(PATH);
  unlink(PATH "2");
  return 0;
}
