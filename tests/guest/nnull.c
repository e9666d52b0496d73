// N_NULL, the line discipline that takes nothing and gives nothing: on either end of a pty.
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#define N_NULL 27

static int master, slave;
static char b[64];

static void pair(void) {
  int zero = 0;
  char name[32];
  master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  ioctl(master, TIOCSPTLCK, &zero);
  ioctl(master, TIOCGPTN, &zero);
  sprintf(name, "/dev/pts/%d", zero);
  slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
}

static int set(int f, int disc) { return ioctl(f, TIOCSETD, &disc); }
static int get(int f) {
  int disc = -1;
  ioctl(f, TIOCGETD, &disc);
  return disc;
}
static int ready(int f) {
  struct pollfd p = {f, POLLIN | POLLOUT};
  poll(&p, 1, 0);
  return p.revents;
}
static void take(int f) {
  usleep(20000);
  int n = read(f, b, 63);
  P("%d %.*s\n", n < 0 ? -errno : n, n < 0 ? 0 : n, b);
}

static void on_slave(void) {
  struct termios t;
  struct winsize w;
  int n;
  R(set(slave, N_NULL));
  P("%d %d\n", get(slave), get(master));
  R(write(master, "abc\n", 4));
  R(read(slave, b, 10));
  R(read(slave, b, 0));
  R(write(slave, "x", 1));
  R(write(slave, b, 0));
  P("%x %x\n", ready(slave), ready(master));
  R(tcgetattr(slave, &t));
  R(tcflush(slave, TCIOFLUSH));
  R(ioctl(slave, FIONREAD, &n));
  R(ioctl(slave, TIOCOUTQ, &n));
  R(tcflow(slave, TCOOFF));
  R(ioctl(slave, TCSBRK, 0));
  R(ioctl(slave, TIOCGWINSZ, &w));
  R(ioctl(slave, TIOCGSOFTCAR, &n));
  R(ioctl(slave, TIOCGEXCL, &n));
  R(ioctl(slave, 0x5499, &n));
  R(tcgetattr(master, &t));
  take(master);
  R(set(slave, N_TTY));
  P("%d\n", get(slave));
  take(slave);
  R(ioctl(slave, 0x5499, &n));
  write(master, "def\n", 4);
  take(slave);
  take(master);
  write(master, "lost\n", 5);
  usleep(20000);
  set(slave, N_NULL), set(slave, N_TTY);
  take(slave);
  take(master);
}

static void on_master(void) {
  struct termios t;
  R(set(master, N_NULL));
  P("%d %d\n", get(slave), get(master));
  R(write(master, "q\n", 2));
  R(read(master, b, 4));
  R(write(slave, "zz", 2));
  P("%x %x\n", ready(slave), ready(master));
  R(tcgetattr(master, &t));
  R(tcgetattr(slave, &t));
  usleep(20000);
  R(set(master, N_TTY));
  take(master);
  write(slave, "yy\n", 3);
  take(master);
}

static void ends(void) {
  set(slave, N_NULL);
  close(master);
  R(read(slave, b, 3));
  R(write(slave, b, 3));
  R(set(slave, N_TTY));
  close(slave);
  pair();
  R(set(slave, 26));
  R(set(slave, 30));
  R(set(slave, 31));
  R(set(slave, -1));
  R(ioctl(slave, TIOCSETD, 8));
  R(ioctl(slave, TIOCGETD, 8));
  INPROC(1000, R(set(slave, N_NULL)); P("%d\n", get(slave)));
  P("%d\n", get(slave));
}

int main(void) {
  pair();
  on_slave();
  on_master();
  ends();
  return 0;
}
