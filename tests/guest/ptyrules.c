/* Pseudo-terminals: locking, settings, odd requests, packets, hangups, sessions and background
 * jobs. */
#include "guest.h"
#include <sys/ioctl.h>
#include <termios.h>
#include <poll.h>
#include <pty.h>
#include <asm/ioctls.h>
#define E(c)                                                                                       \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = (long)(c);                                                                           \
    P("%s = %ld %d\n", #c, r_, r_ == -1 ? errno : 0);                                              \
    r_;                                                                                            \
  })
static int open_slave(int m) {
  int n;
  ioctl(m, TIOCGPTN, &n);
  char b[32];
  sprintf(b, "/dev/pts/%d", n);
  return open(b, O_RDWR | O_NOCTTY);
}
static void raw(int fd) {
  struct termios t;
  tcgetattr(fd, &t);
  cfmakeraw(&t);
  tcsetattr(fd, TCSANOW, &t);
}
static int got;
static void h(int s) {
  got = s;
  P("sig %d\n", s);
}
static void sg(int n, void (*f)(int)) {
  struct sigaction a = {.sa_handler = f};
  sigaction(n, &a, 0);
}
#define signal sg
static int rd(int fd) {
  char b[200];
  errno = 0;
  int n = read(fd, b, 199);
  if (n < 0) P("read -1 %d\n", errno);
  else {
    P("read %d:", n);
    for (int i = 0; i < n; i++) P(b[i] < 32 || b[i] > 126 ? "\\x%02x" : "%c", (unsigned char)b[i]);
    P("\n");
  }
  return n;
}
static int pl(int fd) {
  struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI};
  poll(&p, 1, 0);
  P("poll %x\n", p.revents);
  return p.revents;
}
int main() {
  int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), s;
  struct termios t;
  struct winsize w;
  int v;
  char nm[64];
  struct stat st;
  P("-- locking\n");
  E(open_slave(m));
  v = 1;
  E(ioctl(m, TIOCGPTLCK, &v));
  P("%d\n", v);
  E(ioctl(m, TIOCSPTLCK, 8));
  v = 0;
  E(ioctl(m, TIOCSPTLCK, &v));
  E(ioctl(m, TIOCGPTLCK, &v));
  P("%d\n", v);
  s = open_slave(m);
  E(ioctl(s, TIOCSPTLCK, &v));
  E(ioctl(s, TIOCGPTN, &v));
  E(ioctl(m, TIOCGPTN, 8));
  E(ioctl(0, TIOCGPTN, &v));
  int p2 = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  P("peer %d\n", p2 >= 0);
  close(p2);
  E(ioctl(s, TIOCGPTPEER, O_RDWR));
  fstat(s, &st);
  P("%o\n", st.st_mode);
  P("-- termios\n");
  tcgetattr(s, &t);
  P("%x %x %x %x %d %d\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, cfgetispeed(&t),
    cfgetospeed(&t));
  for (int i = 0; i < 19; i++) P("%d ", t.c_cc[i]);
  P("\n");
  E(ioctl(s, TCGETS, 8));
  E(ioctl(s, TCSETS, 8));
  struct {
    unsigned short i, o, c, l;
    unsigned char line, cc[8];
  } io;
  E(ioctl(s, TCGETA, &io));
  P("%x %x %x %x\n", io.i, io.o, io.c, io.l);
  E(ioctl(s, TCSETA, &io));
  E(ioctl(s, TCSETAW, &io));
  E(ioctl(s, TCSETAF, &io));
  E(ioctl(s, TCSETSW, &t));
  E(ioctl(s, TCSETSF, &t));
  char t2[44];
  E(ioctl(s, 0x802c542a, t2));
  E(ioctl(s, 0x402c542b, t2));
  E(ioctl(s, TIOCGLCKTRMIOS, &t));
  E(ioctl(s, TIOCSLCKTRMIOS, &t));
  E(ioctl(s, TIOCGSOFTCAR, &v));
  P("%d\n", v);
  E(ioctl(s, TIOCSSOFTCAR, &v));
  E(ioctl(s, TIOCGETD, &v));
  P("%d\n", v);
  v = 99;
  E(ioctl(s, TIOCSETD, &v));
  v = 0;
  E(ioctl(s, TIOCSETD, &v));
  E(ioctl(s, TIOCSETD, 8));
  E(ioctl(m, TCGETS, &t));
  P("-- winsize\n");
  E(ioctl(m, TIOCGWINSZ, 8));
  E(ioctl(s, TIOCSWINSZ, 8));
  w = (struct winsize){24, 80, 5, 10};
  E(ioctl(m, TIOCSWINSZ, &w));
  memset(&w, 0, sizeof w);
  ioctl(s, TIOCGWINSZ, &w);
  P("%d %d %d %d\n", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel);
  w = (struct winsize){60, 100, 1, 2};
  ioctl(s, TIOCSWINSZ, &w);
  memset(&w, 0, sizeof w);
  ioctl(m, TIOCGWINSZ, &w);
  P("%d %d\n", w.ws_row, w.ws_col);
  P("-- misc ioctl\n");
  E(tcsendbreak(m, 10));
  E(tcsendbreak(s, 10));
  E(ioctl(s, TCSBRK, 0));
  E(ioctl(s, TCSBRK, 1));
  E(ioctl(s, TCSBRKP, 1));
  E(ioctl(s, TIOCSBRK));
  E(ioctl(s, TIOCCBRK));
  E(tcdrain(s));
  E(tcflush(s, TCIFLUSH));
  E(tcflush(s, 99));
  E(tcflow(s, TCOOFF));
  E(tcflow(s, TCOON));
  E(tcflow(s, 99));
  E(ioctl(s, TIOCEXCL));
  E(ioctl(s, TIOCGEXCL, &v));
  P("%d\n", v);
  {
    int x = open_slave(m);
    P("excl root open %d\n", x >= 0);
    close(x);
    fflush(0);
    if (!fork()) {
      fchown(s, 1000, 5);
      setuid(1000);
      errno = 0;
      x = open_slave(m);
      P("excl user %d %d\n", x >= 0, errno);
      _exit(0);
    }
    wait(0);
  }
  E(ioctl(s, TIOCNXCL));
  E(ioctl(s, TIOCOUTQ, &v));
  E(ioctl(s, FIONREAD, &v));
  P("%d\n", v);
  E(ioctl(s, TIOCMGET, &v));
  E(ioctl(s, TIOCMSET, &v));
  E(ioctl(s, TIOCGICOUNT, &v));
  E(ioctl(s, TIOCGSERIAL, nm));
  E(ioctl(s, TIOCMIWAIT, 0));
  E(ioctl(s, TIOCVHANGUP));
  s = open_slave(m);
  E(ioctl(s, TIOCLINUX, nm));
  E(ioctl(s, 0x5480));
  E(ioctl(s, TIOCCONS));
  E(ioctl(s, FIOASYNC, &v));
  E(ioctl(s, TIOCGDEV, &v));
  P("%d\n", v >> 8 & 0xff);
  E(ioctl(m, TIOCGDEV, &v));
  P("%d\n", (v >> 8) & 0xfff);
  E(lseek(s, 0, 0));
  E(pread(s, nm, 1, 0));
  P("-- data\n");
  write(m, "hello\n", 6);
  rd(m);
  rd(s);
  write(s, "x\ty\n", 4);
  rd(m);
  write(m,
        "ab\x7f"
        "c\x15"
        "de\x17"
        "f\n",
        10);
  rd(s);
  rd(m);
  write(m, "p\x04", 2);
  rd(s);
  write(m, "\x04", 1);
  rd(s);
  rd(m);
  write(m, "q\x16\x04r\n", 5);
  rd(s);
  rd(m);
  tcgetattr(s, &t);
  t.c_lflag |= EXTPROC;
  tcsetattr(s, TCSANOW, &t);
  write(m, "A\n", 2);
  char c;
  read(s, &c, 1);
  E(ioctl(s, FIONREAD, &v));
  P("%d\n", v);
  rd(s);
  t.c_lflag &= ~EXTPROC;
  tcsetattr(s, TCSANOW, &t);
  fcntl(m, F_SETFL, O_NONBLOCK);
  while (rd(m) > 0);
  raw(s);
  write(m, "raw\r\n\x03", 6);
  rd(s);
  fcntl(s, F_SETFL, O_NONBLOCK);
  rd(s);
  fcntl(s, F_SETFL, 0);
  tcgetattr(s, &t);
  t.c_cc[VMIN] = 0;
  t.c_cc[VTIME] = 1;
  tcsetattr(s, TCSANOW, &t);
  rd(s);
  t.c_cc[VMIN] = 3;
  t.c_cc[VTIME] = 1;
  tcsetattr(s, TCSANOW, &t);
  write(m, "12", 2);
  rd(s);
  write(m, "12345", 5);
  rd(s);
  P("-- fill\n");
  {
    char z[10000];
    memset(z, 'z', 10000);
    int n = 0, r;
    while ((r = write(m, z, 10000)) > 0) n += r;
    P("fill %d %d\n", n >= 4095 && n < 200000, errno);
    E(tcflush(s, TCIFLUSH));
    msleep(50);
    pl(m);
    fcntl(s, F_SETFL, O_NONBLOCK);
    n = 0;
    while ((r = write(s, z, 10000)) > 0) n += r;
    P("fill back %d %d\n", n >= 1000, errno);
    pl(s);
    fcntl(s, F_SETFL, 0);
    while (read(m, z, 10000) > 0);
    tcflush(s, TCIOFLUSH);
  }
  P("-- packet\n");
  v = 1;
  E(ioctl(m, TIOCPKT, &v));
  E(ioctl(m, TIOCGPKT, &v));
  P("%d\n", v);
  E(ioctl(s, TIOCPKT, &v));
  write(s, "d", 1);
  rd(m);
  tcflush(s, TCIFLUSH);
  pl(m);
  rd(m);
  tcflush(s, TCOFLUSH);
  rd(m);
  tcflow(s, TCOOFF);
  rd(m);
  tcflow(s, TCOON);
  rd(m);
  tcgetattr(s, &t);
  t.c_iflag |= IXON;
  tcsetattr(s, TCSANOW, &t);
  rd(m);
  t.c_iflag &= ~IXON;
  tcsetattr(s, TCSANOW, &t);
  rd(m);
  t.c_lflag |= EXTPROC;
  tcsetattr(s, TCSANOW, &t);
  rd(m);
  t.c_lflag &= ~EXTPROC;
  tcsetattr(s, TCSANOW, &t);
  rd(m);
  v = 0;
  ioctl(m, TIOCPKT, &v);
  P("-- hangup\n");
  pl(s);
  pl(m);
  close(s);
  pl(m);
  rd(m);
  s = open_slave(m);
  pl(m);
  write(s, "last", 4);
  close(s);
  pl(m);
  rd(m);
  rd(m);
  s = open_slave(m);
  close(m);
  pl(s);
  rd(s);
  E(write(s, "x", 1));
  E(ioctl(s, TIOCGWINSZ, &w));
  E(tcgetattr(s, &t));
  E(ioctl(s, FIONREAD, &v));
  close(s);
  E(open("/dev/pts/99", O_RDWR));
  E(open("/dev/pts/0", O_RDWR | O_DIRECTORY));
  P("-- session\n");
  fflush(0);
  if (!fork()) {
    setsid();
    m = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    v = 0;
    ioctl(m, TIOCSPTLCK, &v);
    s = open_slave(m);
    E(open("/dev/tty", O_RDWR));
    E(ioctl(s, TIOCGPGRP, &v));
    E(ioctl(s, TIOCGSID, &v));
    E(ioctl(s, TIOCSPGRP, &v));
    E(ioctl(s, TIOCSTI, "x"));
    E(ioctl(s, TIOCNOTTY));
    E(ioctl(s, TIOCSCTTY, 0));
    E(ioctl(s, TIOCSCTTY, 0));
    E(ioctl(s, TIOCSTI, "x"));
    E(ioctl(s, TIOCSTI, "\n"));
    rd(s);
    E(ioctl(s, TIOCSTI, 8));
    v = getpgrp();
    E(ioctl(s, TIOCSPGRP, &v));
    E(tcgetpgrp(s) == getpgrp());
    E(tcgetsid(s) == getpid());
    v = 1;
    E(ioctl(s, TIOCSPGRP, &v));
    v = -1;
    E(ioctl(s, TIOCSPGRP, &v));
    v = 99999;
    E(ioctl(s, TIOCSPGRP, &v));
    E(ioctl(s, TIOCSPGRP, 8));
    E(tcgetpgrp(m) == getpgrp());
    E(ioctl(m, TIOCGSID, &v));
    signal(SIGINT, h);
    signal(SIGQUIT, h);
    signal(SIGTSTP, h);
    signal(SIGWINCH, h);
    signal(SIGHUP, h);
    signal(SIGCONT, h);
    signal(SIGTTIN, h);
    signal(SIGTTOU, h);
    write(m, "\x03", 1);
    msleep(5);
    write(m, "\x1c", 1);
    msleep(5);
    write(m, "\x1a", 1);
    msleep(5);
    v = SIGINT;
    E(ioctl(m, TIOCSIG, SIGINT));
    msleep(5);
    E(ioctl(m, TIOCSIG, 99));
    E(ioctl(s, TIOCSIG, SIGINT));
    w.ws_row = 33;
    ioctl(m, TIOCSWINSZ, &w);
    msleep(5);
    fcntl(m, F_SETFL, O_NONBLOCK);
    rd(m);
    int tty = open("/dev/tty", O_RDWR);
    P("tty %d\n", tty >= 0);
    close(tty);
    fflush(0);
    pid_t c = fork();
    if (!c) {
      setpgid(0, 0);
      errno = 0;
      char b;
      int r = read(s, &b, 1);
      P("bg read %d %d got %d\n", r, errno, got);
      signal(SIGTTIN, SIG_IGN);
      errno = 0;
      r = read(s, &b, 1);
      P("bg read ign %d %d\n", r, errno);
      tcgetattr(s, &t);
      t.c_lflag |= TOSTOP;
      errno = 0;
      r = tcsetattr(s, TCSANOW, &t);
      P("bg tcset %d %d got %d\n", r, errno, got);
      signal(SIGTTOU, SIG_IGN);
      r = tcsetattr(s, TCSANOW, &t);
      P("bg tcset ign %d\n", r);
      signal(SIGTTOU, h);
      errno = 0;
      r = write(s, "x", 1);
      P("bg write %d %d\n", r, errno);
      v = getpgrp();
      r = ioctl(s, TIOCSPGRP, &v);
      P("bg spgrp %d %d\n", r, errno);
      _exit(0);
    }
    msleep(60);
    waitpid(c, 0, 0);
    c = fork();
    if (!c) {
      close(m);
      setpgid(0, 0);
      signal(SIGHUP, h);
      signal(SIGCONT, h);
      raise(SIGSTOP);
      _exit(0);
    }
    waitpid(c, 0, WUNTRACED);
    got = 0;
    close(m);
    msleep(20);
    P("hup got\n");
    rd(s);
    E(open("/dev/tty", O_RDWR));
    kill(c, 9);
    _exit(0);
  }
  wait(0);
}
