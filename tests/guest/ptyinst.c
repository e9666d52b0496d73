/* Instances of devpts: each has its own numbers, and a terminal is found by its name alone. The master makes the slave
 * the controlling terminal. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <termios.h>

static long sysctl_pty(const char *name) {
  char path[64], b[32] = {0};
  sprintf(path, "/proc/sys/kernel/pty/%s", name);
  int fd = open(path, O_RDONLY);
  read(fd, b, 31), close(fd);
  return atol(b);
}

static int master(const char *dir) {
  char path[64];
  sprintf(path, "%s/ptmx", dir);
  int zero = 0, n = -1, m = open(path, O_RDWR | O_NOCTTY);
  if (m < 0) return P("%s: errno %d\n", path, errno), -1;
  ioctl(m, TIOCSPTLCK, &zero);
  ioctl(m, TIOCGPTN, &n);
  P("%s: number %d\n", dir, n);
  return m;
}

static int slave(const char *dir, int n) {
  char path[64];
  sprintf(path, "%s/%d", dir, n);
  int s = open(path, O_RDWR | O_NOCTTY);
  if (s < 0) P("%s: errno %d\n", path, errno);
  return s;
}

static void say(int from, int to, const char *text) {
  char b[64] = {0};
  write(from, text, strlen(text));
  int n = read(to, b, 63);
  P("%d bytes: %s", n, b);
}

static void instances(void) {
  struct stat st;
  P("-- instances\n");
  int a0 = master("a"), b0 = master("b"), a1 = master("a");
  int sa = slave("a", 0), sb = slave("b", 0);
  say(sa, a0, "from a\n");
  say(sb, b0, "from b\n");
  say(a0, sa, "to a\n");
  fstat(sb, &st);
  P("%d:%d\n", major(st.st_rdev), minor(st.st_rdev));
  R(mknod("node", S_IFCHR | 0666, makedev(136, 0)));
  R(open("node", O_RDWR | O_NOCTTY));
  R(open("a/7", O_RDWR | O_NOCTTY));
  long before = sysctl_pty("nr");
  P("-- the master closes\n");
  int path = open("a/0", O_PATH);
  close(a0);
  R(access("a/0", F_OK));
  P("%ld\n", sysctl_pty("nr") - before);
  char again[64];
  sprintf(again, "/proc/self/fd/%d", path);
  R(open(again, O_RDWR | O_NOCTTY));
  int a2 = master("a");
  close(sa);
  int a3 = master("a");
  P("%ld\n", sysctl_pty("nr") - before);
  close(a1), close(a2), close(a3), close(b0), close(sb);
}

static void limits(void) {
  P("-- limits\n");
  R(mount("devpts", "a", "devpts", MS_REMOUNT, "max=2,ptmxmode=666"));
  int one = master("a"), two = master("a"), three = master("a");
  close(one);
  int four = master("a");
  close(two), close(four);
  R(mount("devpts", "a", "devpts", MS_REMOUNT, "max=1048576"));
  R(mount("devpts", "a", "devpts", MS_REMOUNT, "max=1048577"));
}

static void sid(int fd) {
  pid_t at = -1;
  int r = ioctl(fd, TIOCGSID, &at);
  P("TIOCGSID %d, own %d\n", r, r == 0 && at == getsid(0));
}

static void controlling(void) {
  int m = master("b"), n = 0, s = slave("b", 0);
  P("-- controlling terminal\n");
  setsid();
  signal(SIGHUP, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);
  R(ioctl(m, TIOCNOTTY));
  R(ioctl(m, TIOCSCTTY, 0));
  R(ioctl(m, TIOCSCTTY, 0));
  sid(m), sid(s);
  int t = open("/dev/tty", O_RDWR);
  say(t, m, "by way of tty\n");
  pid_t pg = getpgrp();
  R(ioctl(m, TIOCGPGRP, &n));
  P("%d\n", n == pg);
  R(ioctl(m, TIOCSPGRP, &pg));
  R(ioctl(m, TIOCNOTTY));
  int other = master("b");
  R(ioctl(other, TIOCSCTTY, 0));
  R(ioctl(s, TIOCNOTTY));
  R(ioctl(other, TIOCSCTTY, 0));
  sid(other);
}

int main(void) {
  umask(0);
  mkdir("a", 0755), mkdir("b", 0755);
  R(mount("devpts", "a", "devpts", 0, "ptmxmode=666"));
  R(mount("devpts", "b", "devpts", 0, "newinstance,ptmxmode=666"));
  instances();
  limits();
  INCHILD(controlling());
  R(umount("a"));
  R(umount("b"));
  return 0;
}
