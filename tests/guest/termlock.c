/* TIOCSLCKTRMIOS: settings of a terminal that nobody may change. */
#include "guest.h"
#include <asm/termbits.h>
#include <sys/ioctl.h>
#include <stdlib.h>

int main(void) {
  int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), zero = 0;
  ioctl(m, TIOCSPTLCK, &zero);
  int s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  struct termios t, l, u;
  R(ioctl(s, TIOCGLCKTRMIOS, &l));
  R(l.c_iflag | l.c_oflag | l.c_cflag | l.c_lflag | l.c_line | l.c_cc[VINTR]);
  l.c_lflag = ECHO;
  l.c_cc[VINTR] = 1;
  R(ioctl(s, TIOCSLCKTRMIOS, &l));
  R(ioctl(s, TCGETS, &t));
  u = t;
  u.c_lflag &= ~(ECHO | ICANON);
  u.c_cc[VINTR] = 9;
  u.c_cc[VEOF] = 9;
  R(ioctl(s, TCSETS, &u));
  R(ioctl(s, TCGETS, &u));
  R(u.c_lflag == (t.c_lflag & ~ICANON));
  R(u.c_cc[VINTR]);
  R(u.c_cc[VEOF]);
  R(ioctl(s, TIOCGLCKTRMIOS, &l));
  R(l.c_lflag == ECHO);
  R(l.c_cc[VINTR]);
  setuid(1000);
  R(ioctl(s, TIOCSLCKTRMIOS, &l));
  return 0;
}
