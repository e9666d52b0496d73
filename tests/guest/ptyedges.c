// Pseudoterminals: how newlines typed without ICANON are shown, letters of Latin-1 and words of them, what packet mode tells of flushes and
// when it forgets, TCXONC beside ^S, and output that is on the other side at once.
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m, s;

static void type(const char *text) {
  write(m, text, strlen(text));
  msleep(20);
}

static void shown(const char *what) {
  char b[300];
  int n = read(m, b, sizeof b);
  P("%s (%d):", what, n);
  for (int i = 0; i < n; i++) P(b[i] > 32 && b[i] < 127 ? "%c" : "\\%02x", (unsigned char)b[i]);
  P("\n");
}

static void typed(void) {
  char b[300];
  int n = read(s, b, sizeof b);
  P("  read %d:", n);
  for (int i = 0; i < n; i++) P("%02x", (unsigned char)b[i]);
  P("\n");
}

static void set(int in, int out, int local) {
  struct termios t;
  tcgetattr(s, &t);
  t.c_iflag = in, t.c_oflag = out, t.c_lflag = local;
  t.c_cc[VMIN] = 1, t.c_cc[VTIME] = 0;
  tcsetattr(s, TCSANOW, &t);
}

static void newlines(void) {
  const int echo = ISIG | ECHO | ECHOE | ECHOK | IEXTEN;
  const int in[] = {0, ICRNL, INLCR, ICRNL | INLCR};
  for (int canon = 0; canon < 2; canon++)
    for (int ctl = 0; ctl < 2; ctl++)
      for (int i = 0; i < 4; i++) {
        set(in[i], OPOST | ONLCR, echo | (canon ? ICANON : 0) | (ctl ? ECHOCTL : 0));
        type("a\nb\rc\x16\nd\n\x7f");
        P("canon %d ctl %d in %x ", canon, ctl, in[i]);
        shown("shows");
        typed();
        typed();
        tcflush(s, TCIOFLUSH);
        shown("left");
      }
}

static void letters(void) {
  set(IUCLC, OPOST | OLCUC, ICANON | ECHO | IEXTEN);
  type("AZ\xc0\xc3\xd6\xd7\xd8\xde\xdf\xe0\xf7\xff\n");
  shown("upper");
  typed();
  // ^W takes letters back to the last other character, and Latin-1's are letters.
  set(0, OPOST, ICANON | ECHO | ECHOE | IEXTEN);
  for (int utf8 = 0; utf8 < 2; utf8++) {
    set(utf8 ? IUTF8 : 0, OPOST, ICANON | ECHO | ECHOE | IEXTEN);
    type("a \xe4\xbd\xa0\x17\n");
    shown("word");
    typed();
    type("a \xc3\xb7\xd7\xdf\x17\n");
    shown("word");
    typed();
  }
}

static void packets(void) {
  int on = 1, status = 0;
  set(ICRNL | IXON, OPOST | ONLCR, ICANON | ECHO | ISIG | IEXTEN);
  R(ioctl(m, TIOCPKT, &on));
  type("ab\x03");
  shown("interrupt");
  shown("then");
  R(ioctl(m, TIOCPKT, &on));
  tcflush(s, TCIFLUSH);
  R(ioctl(m, TIOCPKT, &on));
  shown("input flushed");
  tcflush(s, TCOFLUSH);
  shown("output flushed");
  struct termios t;
  tcgetattr(s, &t);
  tcsetattr(s, TCSAFLUSH, &t);
  shown("set and flushed");
  R(ioctl(s, TCXONC, TCOOFF));
  shown("stopped");
  R(write(s, "x", 1));
  R(ioctl(s, TCXONC, TCIOFF));
  shown("lost");
  type("\x11");
  R(write(s, "x", 1));
  R(ioctl(s, TCXONC, TCOON));
  shown("goes on");
  type("\x13");
  shown("stopped by ^S");
  R(ioctl(s, TCXONC, TCOON));
  R(write(s, "x", 1));
  R(ioctl(s, TCXONC, TCIOFF));
  msleep(20);
  shown("passes");
  type("\x11");
  shown("^Q");
  tcflush(s, TCIFLUSH);
  on = 0;
  R(ioctl(m, TIOCPKT, &on));
  on = 1;
  R(ioctl(m, TIOCPKT, &on));
  shown("forgotten");
  R(write(s, "abc", 3));
  R(ioctl(s, TIOCOUTQ, &status));
  P("%d\n", status);
}

static void polled(const char *what, int fd) {
  struct pollfd p = {fd, POLLIN | POLLOUT};
  poll(&p, 1, 0);
  P("%s %x\n", what, p.revents);
}

/** TIOCVHANGUP on the master: that end is dead, and the slave knows of nothing. */
static void hung_up(void) {
  int unlock = 0, n;
  char name[32], b[8];
  struct termios t;
  int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  ioctl(m, TIOCSPTLCK, &unlock);
  ioctl(m, TIOCGPTN, &n);
  sprintf(name, "/dev/pts/%d", n);
  int s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
  write(s, "abc", 3);
  write(m, "def\n", 4);
  msleep(20);
  INPROC(1000, R(ioctl(m, TIOCVHANGUP)));
  R(ioctl(m, TIOCVHANGUP));
  polled("master", m);
  polled("slave", s);
  R(read(m, b, 8));
  R(write(m, "x", 1));
  R(tcgetattr(m, &t));
  R(ioctl(m, TIOCGPTN, &n));
  R(ioctl(m, TIOCSPGRP, &n));
  R(ioctl(m, TIOCVHANGUP));
  R(read(s, b, 8));
  R(write(s, "x", 1));
  R(tcgetattr(s, &t));
  R(ioctl(s, TIOCVHANGUP));
  R(ioctl(s, TIOCSPGRP, &n));
  R(ioctl(s, TIOCGPGRP, &n));
  R(read(s, b, 8));
  polled("slave", s);
  R(close(m));
  R(access(name, F_OK));
}

int main(void) {
  signal(SIGINT, SIG_IGN);
  int unlock = 0, n;
  char name[32];
  m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  ioctl(m, TIOCSPTLCK, &unlock);
  ioctl(m, TIOCGPTN, &n);
  sprintf(name, "/dev/pts/%d", n);
  s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
  newlines();
  letters();
  packets();
  hung_up();
  return 0;
}
