// Where the slave of a pty is opened (TIOCGPTPEER) and which devpts a ptmx belongs to; what reading and writing does to times.
#include "guest.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

static int opened(const char *ptmx) {
  int zero = 0, m = open(ptmx, O_RDWR | O_NOCTTY);
  if (m < 0) P("%s: open %s\n", ptmx, strerror(errno));
  else ioctl(m, TIOCSPTLCK, &zero);
  return m;
}

static int peer(const char *what, int m) {
  char fd[64], path[PATH_MAX], cwd[PATH_MAX];
  if (m < 0) return -1;
  int s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  if (s < 0) return P("%s: %s\n", what, strerror(errno)), -1;
  sprintf(fd, "/proc/self/fd/%d", s);
  ssize_t n = readlink(fd, path, sizeof path - 1);
  path[n] = 0;
  getcwd(cwd, sizeof cwd);
  P("%s: %s\n", what, strncmp(path, cwd, strlen(cwd)) ? path : path + strlen(cwd) + 1);
  return s;
}

static void both(const char *ptmx) {
  int m = opened(ptmx), s = peer(ptmx, m);
  close(s), close(m);
}

static void file(const char *path) { close(open(path, O_CREAT | O_WRONLY, 0644)); }

static void old(const char *path) {
  struct timespec t[2] = {{1000, 5}, {1000, 5}};
  utimensat(AT_FDCWD, path, t, 0);
}

static void times(const char *what, const char *path) {
  struct stat st;
  stat(path, &st);
  P("%s: %s, %s\n", what, st.st_atim.tv_sec == 1000 ? "not read" : st.st_atim.tv_nsec ? "read, exactly" : "read",
    st.st_mtim.tv_sec == 1000 ? "not written" : st.st_mtim.tv_nsec ? "written, exactly" : "written");
  old(path);
}

static void stamps(void) {
  char b[64];
  int m = opened("a/ptmx"), s = peer("a/ptmx", m);
  struct stat st;
  setsid();
  ioctl(s, TIOCSCTTY, 0);
  int tty = open("/dev/tty", O_RDWR);
  old("a/0"), old("a/ptmx");
  write(s, "x\n", 2);
  times("slave writes", "a/0");
  times("its master", "a/ptmx");
  read(m, b, sizeof b);
  times("master reads", "a/ptmx");
  times("its slave", "a/0");
  write(m, "y\n", 2);
  times("master writes", "a/ptmx");
  times("its slave", "a/0");
  read(s, b, sizeof b);
  times("slave reads", "a/0");
  write(tty, "z\n", 2);
  times("written by way of tty", "a/0");
  write(s, "", 0);
  times("nothing written", "a/0");
  // Whoever else has it open is told by the same node; the change is no change of the node.
  stat("a/0", &st);
  struct timespec before = st.st_ctim;
  msleep(20);
  write(s, "x\n", 2);
  stat("a/0", &st);
  P("changed: %d\n", before.tv_sec != st.st_ctim.tv_sec || before.tv_nsec != st.st_ctim.tv_nsec);
}

int main(void) {
  umask(0);
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("a", 0755), mkdir("b", 0755), mkdir("d", 0755), mkdir("d/pts", 0755), mkdir("e", 0755);
  mount("devpts", "a", "devpts", 0, "ptmxmode=666");
  mount("devpts", "b", "devpts", 0, "ptmxmode=666");
  both("a/ptmx");
  file("f");
  mount("a/ptmx", "f", 0, MS_BIND, 0);
  both("f");
  mount("a", "d/pts", 0, MS_BIND, 0);
  file("d/x");
  mount("a/ptmx", "d/x", 0, MS_BIND, 0);
  both("d/x");
  mknod("d/ptmx", S_IFCHR | 0666, makedev(5, 2));
  both("d/ptmx");
  mount("b", "d/pts", 0, MS_BIND, 0);
  both("d/x");
  both("d/ptmx");
  mknod("e/ptmx", S_IFCHR | 0666, makedev(5, 2));
  both("e/ptmx");
  mkdir("e/pts", 0755);
  both("e/ptmx");
  mount("t", "e/pts", "tmpfs", 0, 0);
  both("e/ptmx");
  umount("e/pts");
  rmdir("e/pts");
  file("e/pts");
  mount("a/ptmx", "e/pts", 0, MS_BIND, 0);
  both("e/ptmx");
  both("e/pts");
  INPROC(0, stamps());
  return 0;
}
