#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define T(e) do { errno = 0; long r_ = (long)(e); printf("%s = %ld %s\n", #e, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static int m, s;
/* Linux hands input to the line discipline in its own time. */
static long type_in(int fd, const void *b, int n) { long r = write(fd, b, n); int e = errno; if (fd == m) usleep(3000); errno = e; return r; }
#define write type_in
static struct termios t;
static void show(const char *what, const char *b, int n) {
  printf("  %s %d:", what, n);
  for (int i = 0; i < n; i++) { unsigned char c = b[i]; if (c < 32 || c > 126) printf("\\%o", c); else putchar(c); }
  printf("\n");
}
static void out(void) { char b[9000]; usleep(2000); int n = read(m, b, sizeof b); if (n < 0) printf("  master %s\n", strerror(errno)); else show("master", b, n); }
static void in(void) { char b[9000]; int n = read(s, b, sizeof b); if (n < 0) printf("  slave %s\n", strerror(errno)); else show("slave", b, n); }
static void type(const char *x) { show("type", x, strlen(x)); write(m, x, strlen(x)); out(); in(); }
static void set(int l, int on) { tcgetattr(s, &t); if (on) t.c_lflag |= l; else t.c_lflag &= ~l; tcsetattr(s, TCSANOW, &t); }
static void seti(int l, int on) { tcgetattr(s, &t); if (on) t.c_iflag |= l; else t.c_iflag &= ~l; tcsetattr(s, TCSANOW, &t); }
static void seto(int l, int on) { tcgetattr(s, &t); if (on) t.c_oflag |= l; else t.c_oflag &= ~l; tcsetattr(s, TCSANOW, &t); }
static volatile int got; static void h(int x) { got = x; }

int main(void) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK); int n;
  char name[64]; T(ioctl(m, TIOCGPTN, &n)); snprintf(name, 64, "/dev/pts/%d", n);
  T(open(name, O_RDWR | O_NOCTTY)); T(grantpt(m)); T(unlockpt(m)); s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK); T(s >= 0); T(isatty(s)); T(isatty(m));
  tcgetattr(s, &t); printf("%x %x %x %x", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag); for (int i = 0; i < 17; i++) printf(" %d", t.c_cc[i]); printf("\n");
  type("abc"); type("\n"); type("hello\177\177p\n"); type("one two\027three\n"); type("kill me\025ok\n"); type("a\tb\177\177\177x\n"); type("ctl\001\002\177\n"); type("eof\004"); type("\004"); type("lit\026\003x\n"); type("rep\022rint\n"); type("\033[A\n"); type("cr\r"); type("a\004b\n"); in(); in();
  type("x\ny\nz"); in(); in(); in(); type("\n"); in();
  set(ECHO, 0); type("quiet\n"); set(ECHONL, 1); type("nl\n"); set(ECHO, 1); set(ECHONL, 0); set(ECHOE, 0); type("ab\177c\n"); set(ECHOE, 1); set(ECHOKE, 0); type("ab\025c\n"); set(ECHOKE, 1); set(ECHOCTL, 0); type("a\001b\177\177\n"); set(ECHOCTL, 1); set(ECHOPRT, 1); type("abc\177\177d\n"); set(ECHOPRT, 0); set(IEXTEN, 0); type("a b\027\n"); set(IEXTEN, 1);
  seti(ICRNL, 0); type("a\r\n"); seti(INLCR, 1); type("b\n\r"); in(); seti(INLCR, 0); seti(IGNCR, 1); type("c\r\n"); seti(IGNCR, 0); seti(ICRNL, 1); seti(ISTRIP, 1); type("\341\342\n"); seti(ISTRIP, 0); seti(IUTF8, 1); type("h\303\251\177x\n"); seti(IUTF8, 0); type("h\303\251\177x\n"); seti(PARMRK, 1); type("\377\n"); seti(PARMRK, 0); seti(IUCLC, 1); type("ABC\n"); seti(IUCLC, 0);
  tcgetattr(s, &t); t.c_cc[VEOL] = ';'; tcsetattr(s, TCSANOW, &t); type("a;b\n"); in(); t.c_cc[VEOL] = 0; tcsetattr(s, TCSANOW, &t);
  write(s, "a\tb\nc\r\n", 7); out(); seto(XTABS, 1); write(s, "a\tb\n\tq\b\b\tz\n", 11); out(); seto(XTABS, 0); seto(ONLCR, 0); write(s, "x\ny", 3); out(); seto(ONLCR, 1); seto(OCRNL, 1); write(s, "x\ry", 3); out(); seto(OCRNL, 0); seto(OLCUC, 1); write(s, "low\n", 4); out(); seto(OLCUC, 0); seto(ONOCR, 1); write(s, "\r\rz\r\n", 5); out(); seto(ONOCR, 0); seto(OPOST, 0); write(s, "\n\t", 2); out(); seto(OPOST, 1);
  // flow control
  write(m, "\023", 1); usleep(3000); T(write(s, "stopped", 7)); out(); write(m, "ty", 2); out(); write(m, "\021", 1); usleep(3000); out(); T(write(s, "go", 2)); out(); write(m, "\n", 1); in(); out(); T(tcflow(s, TCOOFF)); T(write(s, "q", 1)); T(tcflow(s, TCOON)); T(write(s, "q", 1)); out(); T(tcflow(s, TCIOFF)); out(); T(tcflow(s, TCION)); out(); T(tcflow(s, 9));
  // raw
  set(ICANON | ECHO | ISIG, 0); type("raw\003\n"); tcgetattr(s, &t); t.c_cc[VMIN] = 5; tcsetattr(s, TCSANOW, &t); struct pollfd p = {s, POLLIN, 0}; write(m, "abc", 3); T(poll(&p, 1, 20)); T(ioctl(s, FIONREAD, &n)); printf("%d\n", n); in(); write(m, "12345678", 8); T(poll(&p, 1, 20)); in();
  fcntl(s, F_SETFL, 0); t.c_cc[VMIN] = 0; t.c_cc[VTIME] = 1; tcsetattr(s, TCSANOW, &t); in(); write(m, "t", 1); in(); t.c_cc[VMIN] = 3; t.c_cc[VTIME] = 1; tcsetattr(s, TCSANOW, &t); write(m, "zz", 2); in(); t.c_cc[VMIN] = 0; t.c_cc[VTIME] = 0; tcsetattr(s, TCSANOW, &t); in(); t.c_cc[VMIN] = 1; tcsetattr(s, TCSANOW, &t); fcntl(s, F_SETFL, O_NONBLOCK);
  write(m, "partial", 7); set(ICANON | ECHO, 1); in(); write(m, "line\n", 5); in(); set(ISIG, 1); out();
  write(m, "not yet", 7); T(tcflush(s, TCIFLUSH)); write(m, "\n", 1); in(); out(); T(tcflush(s, 7)); T(tcsendbreak(s, 0)); T(tcdrain(s));
  // size, other ioctls
  struct winsize w = {25, 81, 1, 2}; T(ioctl(m, TIOCSWINSZ, &w)); memset(&w, 0, sizeof w); T(ioctl(s, TIOCGWINSZ, &w)); printf("%d %d %d %d\n", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel); T(ioctl(s, TIOCGPGRP, &n)); T(ioctl(s, TIOCGSID, &n)); T(ioctl(s, TIOCGETD, &n)); printf("%d\n", n); T(ioctl(s, TIOCEXCL)); T(ioctl(s, TIOCNXCL)); T(ioctl(s, 0x1234, &n)); T(ioctl(s, TIOCOUTQ, &n)); T(ioctl(1, TCGETS, 0) < 2); T(lseek(s, 0, SEEK_SET)); T(pread(s, &n, 1, 0));
  // packet mode
  n = 1; T(ioctl(m, TIOCPKT, &n)); write(s, "pkt", 3); out(); tcflush(s, TCIFLUSH); out(); seti(IXON, 0); out(); seti(IXON, 1); out(); n = 0; T(ioctl(m, TIOCPKT, &n));
  // job control
  fflush(stdout); int pid = fork();
  if (pid == 0) {
    setsid(); int x = open(name, O_RDWR); T(x >= 0); T(tcgetpgrp(x) == getpid()); T(tcgetsid(x) == getsid(0)); int tt = open("/dev/tty", O_RDWR); T(tt >= 0); struct stat st; T(fstat(tt, &st)); printf("%lx\n", (long)st.st_rdev);
    signal(SIGINT, h); signal(SIGQUIT, h); signal(SIGTSTP, h); signal(SIGWINCH, h); signal(SIGTTOU, SIG_DFL);
    got = 0; write(m, "junk\003", 5); usleep(5000); printf("%d\n", got); got = 0; write(m, "\034", 1); usleep(5000); printf("%d\n", got); got = 0; write(m, "\032", 1); usleep(5000); printf("%d\n", got); got = 0; w.ws_row = 50; ioctl(m, TIOCSWINSZ, &w); usleep(5000); printf("%d\n", got); got = 0; ioctl(m, TIOCSWINSZ, &w); usleep(5000); printf("%d\n", got); out(); fflush(stdout);
    int c = fork(); if (c == 0) { setpgid(0, 0); char b[10]; T(write(x, "bg", 2)); fflush(stdout); read(x, b, 10); printf("never\n"); _exit(0); }
    int ws; waitpid(c, &ws, WUNTRACED); printf("stopped %d %d\n", WIFSTOPPED(ws), WSTOPSIG(ws)); T(tcsetpgrp(x, c)); T(tcgetpgrp(x) == c); fflush(stdout); signal(SIGTTOU, SIG_IGN); T(tcsetpgrp(x, getpid())); kill(c, SIGKILL); waitpid(c, &ws, 0);
    c = fork(); if (c == 0) { setpgid(0, 0); signal(SIGTTIN, SIG_IGN); char b[10]; T(read(x, b, 10)); signal(SIGTTOU, SIG_DFL); fflush(stdout); tcgetattr(x, &t); t.c_lflag |= TOSTOP; signal(SIGTTOU, SIG_IGN); T(tcsetattr(x, TCSANOW, &t)); fflush(stdout); signal(SIGTTOU, SIG_DFL); write(x, "no", 2); _exit(3); }
    waitpid(c, &ws, WUNTRACED); printf("stopped %d %d\n", WIFSTOPPED(ws), WSTOPSIG(ws)); kill(c, SIGKILL); waitpid(c, &ws, 0);
    T(tcsetpgrp(x, 999999)); T(tcsetpgrp(x, 1)); T(ioctl(x, TIOCSCTTY, 0)); int other = open(name, O_RDWR); T(other >= 0); T(ioctl(x, TIOCNOTTY)); T(open("/dev/tty", O_RDWR)); T(ioctl(x, TIOCSCTTY, 0)); signal(SIGHUP, h); got = 0; close(m); usleep(5000); printf("hup %d\n", got); fflush(stdout); _exit(0);
  }
  int ws; waitpid(pid, &ws, 0); printf("exit %d\n", WEXITSTATUS(ws)); T(ioctl(s, TIOCGWINSZ, &w)); 
  // hang-up
  signal(SIGPIPE, SIG_IGN); set(TOSTOP, 0); close(s); out(); s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK); T(s >= 0); T(write(s, "last", 4)); close(s); out(); out(); p.fd = m; p.events = POLLIN | POLLOUT; T(poll(&p, 1, 0)); printf("%x\n", p.revents); s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK); write(m, "left\n", 5); close(m); T(read(s, name + 32, 10)); T(write(s, "x", 1)); p.fd = s; T(poll(&p, 1, 0)); printf("%x\n", p.revents); T(tcgetattr(s, &t)); T(open(name, O_RDWR | O_NOCTTY));
  fflush(stdout); return 0;
}
