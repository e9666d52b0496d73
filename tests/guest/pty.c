#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
static int m, s;
static char b[5000];
static void show(const char *t, int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  int have = 0;
  printf("%s:", t);
  while (poll(&p, 1, 30) > 0 && (p.revents & POLLIN)) {
    ssize_t n = read(fd, b, sizeof b);
    if (n <= 0) {
      printf(" <%zd>", n);
      break;
    }
    if (!have++) printf(" ");
    for (int i = 0; i < n; i++)
      b[i] >= 32 && b[i] < 127 ? putchar(b[i]) : printf("\\%o", (unsigned char)b[i]);
  }
  puts("");
  fflush(stdout);
}
static void in(const char *t) { (void)!write(m, t, strlen(t)); }
static void mode(int set, int clr, int iset, int iclr) {
  struct termios t;
  tcgetattr(s, &t);
  t.c_lflag = (t.c_lflag | set) & ~clr;
  t.c_iflag = (t.c_iflag | iset) & ~iclr;
  tcsetattr(s, TCSANOW, &t);
}
static void onsig(int x) {
  printf("signal %d\n", x);
  fflush(stdout);
}
int main(void) {
  m = posix_openpt(O_RDWR | O_NOCTTY);
  R(m > 0);
  R(grantpt(m));
  int lock = 1;
  R(ioctl(m, TIOCSPTLCK, &lock));
  char name[100];
  R(ptsname_r(m, name, 100));
  R(!strncmp(name, "/dev/pts/", 9));
  R(open(name, O_RDWR | O_NOCTTY));
  R(unlockpt(m));
  s = open(name, O_RDWR | O_NOCTTY);
  R(s > 0);
  R(isatty(s));
  R(isatty(m));
  struct termios t;
  R(tcgetattr(s, &t));
  printf("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
  for (int i = 0; i < 17; i++) printf("%d ", t.c_cc[i]);
  puts("");
  struct winsize w = {24, 80, 0, 0}, w2;
  R(ioctl(s, TIOCGWINSZ, &w2));
  printf("%d %d\n", w2.ws_row, w2.ws_col);
  R(ioctl(m, TIOCSWINSZ, &w));
  ioctl(s, TIOCGWINSZ, &w2);
  printf("%d %d\n", w2.ws_row, w2.ws_col);
  in("line\n");
  show("echo", m);
  show("canonical", s);
  in("partial");
  show("echo", m);
  show("no line yet", s);
  in(" more\r");
  show("echo cr", m);
  show("icrnl", s);
  in("abc\177\177x\n");
  show("erase", m);
  show("erased", s);
  in("junk\025new\n");
  show("kill", m);
  show("killed", s);
  in("two words\027gone\n");
  show("werase", m);
  show("werased", s);
  in("eof\004");
  show("eof", m);
  show("eof read", s);
  in("\004");
  {
    struct pollfd p = {s, POLLIN, 0};
    R(poll(&p, 1, 100));
    R(read(s, b, 10));
  }
  in("\026\003lit\n");
  show("lnext", m);
  show("lnext", s);
  in("a\tb\001\n");
  show("echoctl", m);
  show("raw ctl", s);
  in("one\ntwo\nthree\n");
  R(read(s, b, 2));
  R(read(s, b, 100));
  show("rest", s);
  show("echo", m);
  write(s, "out\n\ttab", 8);
  show("opost", m);
  mode(0, ECHO, 0, 0);
  in("quiet\n");
  show("no echo", m);
  show("quiet", s);
  mode(ECHO, ICANON, 0, 0);
  in("r");
  show("raw byte", s);
  show("its echo", m);
  tcgetattr(s, &t);
  t.c_cc[VMIN] = 0;
  t.c_cc[VTIME] = 1;
  tcsetattr(s, TCSANOW, &t);
  R(read(s, b, 10));
  t.c_cc[VMIN] = 3;
  t.c_cc[VTIME] = 0;
  tcsetattr(s, TCSANOW, &t);
  in("12345");
  R(read(s, b, 10));
  int fl = fcntl(s, F_GETFL);
  fcntl(s, F_SETFL, fl | O_NONBLOCK);
  R(read(s, b, 10));
  fcntl(s, F_SETFL, fl);
  int n;
  in("xyz");
  msleep(10);
  ioctl(s, FIONREAD, &n);
  R(n);
  R(tcflush(s, TCIFLUSH));
  ioctl(s, FIONREAD, &n);
  R(n);
  cfmakeraw(&t);
  tcsetattr(s, TCSANOW, &t);
  in("\003\r\n\004");
  show("cfmakeraw", s);
  write(s, "a\nb", 3);
  show("raw out", m);
  t.c_iflag |= IUCLC | INLCR;
  t.c_lflag = ICANON;
  t.c_oflag |= OPOST | OLCUC;
  tcsetattr(s, TCSANOW, &t);
  in("UPPER\r");
  show("inlcr", s);
  R(tcsendbreak(s, 0));
  R(tcdrain(s));
  R(tcsetattr(1, TCSANOW, &t));
  R(ioctl(s, 0x9999, 0));
  close(s);
  s = open(name, O_RDWR | O_NOCTTY);
  tcgetattr(s, &t);
  t.c_iflag = ICRNL | IXON;
  t.c_oflag = OPOST | ONLCR;
  t.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  tcsetattr(s, TCSANOW, &t);
  fflush(stdout);
  pid_t c = fork();
  if (!c) {
    close(m);
    setsid();
    R(ioctl(s, TIOCSCTTY, 0));
    R(tcgetpgrp(s) == getpid());
    R(tcgetsid(s) == getpid());
    int tt = open("/dev/tty", O_RDWR);
    R(tt > 0);
    signal(SIGINT, onsig);
    signal(SIGQUIT, onsig);
    signal(SIGTSTP, onsig);
    signal(SIGWINCH, onsig);
    signal(SIGHUP, onsig);
    signal(SIGCONT, onsig);
    R(write(tt, "ready\n", 6));
    for (int i = 0; i < 5; i++) pause();
    R(read(s, b, 10));
    R(write(s, "x", 1));
    fflush(stdout);
    _exit(0);
  }
  show("from child", m);
  msleep(30);
  in("\003");
  msleep(30);
  in("\034");
  msleep(30);
  in("\032");
  msleep(30);
  w.ws_row = 50;
  ioctl(m, TIOCSWINSZ, &w);
  msleep(30);
  show("echoed", m);
  close(s);
  close(m);
  int st;
  waitpid(c, &st, 0);
  R(st);
  int m2 = posix_openpt(O_RDWR | O_NOCTTY);
  unlockpt(m2);
  int peer = ioctl(m2, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  R(peer > 0);
  close(peer);
  R(read(m2, b, 1));
  peer = ioctl(m2, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  int on = 1;
  R(ioctl(m2, TIOCPKT, &on));
  write(peer, "pk", 2);
  ssize_t k = read(m2, b, 10);
  printf("packet %zd %d\n", k, b[0]);
  R(ioctl(m2, TIOCSTI, "z"));
  close(m2);
  struct pollfd hp = {peer, POLLIN | POLLOUT, 0};
  R(poll(&hp, 1, 0));
  R(hp.revents);
  R(read(peer, b, 1));
  R(write(peer, b, 1));
  R(open("/dev/tty", O_RDWR));
  return 0;
}
