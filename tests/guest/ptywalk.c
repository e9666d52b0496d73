/* Random modes of a terminal and random bytes from both its sides: what is read, echoed and polled, step by step. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static unsigned state;
static unsigned rnd(void) {
  state = state * 1103515245 + 12345;
  return state >> 8;
}

#define N(a) (int)(sizeof a / sizeof *a)
static const unsigned char KEYS[] = {'a', 'b', 'C', ' ', '\t', '\n', '\r', '\b', 0x7f, 0x15, 0x17, 0x12, 0x16, 0x04, 0x13, 0x11,
                                     0x0f, 0xff, 0xc3, 0xa9, 0x00, 0x1b, '\\', 'z', 0x0c, 0x0b, 0x80};
static const int IN[] = {IGNCR, ICRNL, INLCR, ISTRIP, IUCLC, IXON, IXANY, INPCK, PARMRK, IMAXBEL, IUTF8, IGNPAR, BRKINT};
static const int OUT[] = {OPOST, ONLCR, OCRNL, ONOCR, ONLRET, OLCUC, XTABS, OFILL};
static const int LOCAL[] = {ICANON, ECHO, ECHOE, ECHOK, ECHONL, ECHOCTL, ECHOPRT, ECHOKE, IEXTEN, NOFLSH, XCASE};

static unsigned char b[5000];

static void dump(const char *what, int n) {
  P("%s %d ", what, n < 0 ? -errno : n);
  for (int i = 0; i < n && i < 90; i++) P("%02x", b[i]);
  P("\n");
}

static int keys(int most) {
  int n = rnd() % most + 1;
  for (int i = 0; i < n; i++) b[i] = KEYS[rnd() % sizeof KEYS];
  return n;
}

static void modes(int s) {
  struct termios t;
  tcgetattr(s, &t);
  for (int i = 0; i < N(IN); i++)
    if (rnd() % 3 == 0) t.c_iflag ^= IN[i];
  for (int i = 0; i < N(OUT); i++)
    if (rnd() % 4 == 0) t.c_oflag ^= OUT[i];
  for (int i = 0; i < N(LOCAL); i++)
    if (rnd() % 3 == 0) t.c_lflag ^= LOCAL[i];
  if (rnd() % 8 == 0) t.c_lflag ^= EXTPROC;
  if (rnd() % 5 == 0) t.c_cc[VEOL] = 'z';
  if (rnd() % 6 == 0) t.c_cc[VEOL2] = 'C';
  if (rnd() % 6 == 0) t.c_cc[VERASE] = '\b';
  t.c_cc[VMIN] = rnd() % 3;
  t.c_cc[VTIME] = 0;
  P("%x %x %x\n", t.c_iflag, t.c_oflag, t.c_lflag);
  tcsetattr(s, TCSANOW, &t);
}

static void step(int m, int s) {
  struct pollfd p[2] = {{s, POLLIN | POLLOUT}, {m, POLLIN | POLLOUT}};
  struct termios t;
  int n, flag;
  switch (rnd() % 10) {
  case 0:
  case 1:
  case 2:
    dump("type", write(m, b, keys(12)));
    msleep(4);
    break;
  case 3:
  case 4:
    dump("put", write(s, b, keys(10)));
    break;
  case 5:
  case 6:
    dump("get", read(s, b, rnd() % 3 ? 100 : rnd() % 4 + 1));
    break;
  case 7:
    msleep(4);
    dump("seen", read(m, b, rnd() % 3 ? 4000 : rnd() % 5 + 1));
    break;
  case 8:
    msleep(4);
    poll(p, 2, 0);
    ioctl(s, FIONREAD, &n);
    P("poll %x %x in %d\n", p[0].revents, p[1].revents, n);
    break;
  case 9:
    flag = LOCAL[rnd() % N(LOCAL)];
    tcgetattr(s, &t);
    t.c_lflag ^= flag;
    P("changed %x\n", flag);
    tcsetattr(s, TCSANOW, &t);
    break;
  }
}

int main(void) {
  signal(SIGINT, SIG_IGN);
  for (int seed = 1; seed <= 60; seed++) {
    state = seed * 7919 + 3;
    int m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    unlockpt(m);
    int s = open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK);
    P("-- %d: ", seed);
    modes(s);
    for (int i = 0; i < 14; i++) step(m, s);
    msleep(4);
    for (int i = 0, n = 1; i < 6 && n > 0; i++) dump("get", n = read(s, b, 100));
    for (int i = 0, n = 1; i < 6 && n > 0; i++) dump("seen", n = read(m, b, 4000));
    close(s);
    close(m);
  }
  return 0;
}
