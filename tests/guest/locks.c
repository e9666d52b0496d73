#include "guest.h"
#include <sys/file.h>
static int lk(int fd, int cmd, int type, long start, long len) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  return fcntl(fd, cmd, &l);
}
static void child(void (*f)(int), int fd) {
  fflush(stdout);
  if (!fork()) {
    f(fd);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}
static void c1(int fd) {
  R(lk(fd, F_SETLK, F_RDLCK, 0, 10));
  R(lk(fd, F_SETLK, F_WRLCK, 100, 10));
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
  R(fcntl(fd, F_GETLK, &l));
  printf("%d %ld %ld %d\n", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid == getppid());
}
static void c2(int fd) {
  R(flock(fd, LOCK_EX | LOCK_NB));
  int g = open("f", O_RDWR);
  R(flock(g, LOCK_SH | LOCK_NB));
  R(flock(g, LOCK_EX | LOCK_NB));
}
static void c3(int fd) {
  (void)fd;
  int g = open("f", O_RDWR);
  R(lk(g, F_OFD_SETLK, F_WRLCK, 5, 1));
  R(lk(g, F_OFD_SETLK, F_WRLCK, 50, 1));
}
int main(void) {
  int fd = open("f", O_CREAT | O_RDWR, 0600);
  R(lk(fd, F_SETLK, F_WRLCK, 0, 50));
  R(lk(fd, F_SETLK, F_UNLCK, 10, 10));
  child(c1, fd);
  R(lk(fd, F_SETLK, F_RDLCK, 0, 5));
  child(c1, fd);
  int d = open("f", O_RDONLY);
  R(lk(d, F_SETLK, F_WRLCK, 0, 1));
  close(d);
  child(c1, fd);
  R(lk(fd, F_SETLK, 77, 0, 1));
  R(lk(fd, F_SETLK, F_WRLCK, -5, 1));
  R(lk(fd, F_SETLK, F_WRLCK, 10, -5));
  R(lk(99, F_SETLK, F_WRLCK, 0, 1));
  R(lk(fd, F_SETLK, F_UNLCK, 0, 0));
  R(flock(fd, LOCK_SH));
  child(c2, fd);
  R(flock(fd, LOCK_UN));
  R(flock(fd, 99));
  R(lk(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
  child(c3, fd);
  lk(fd, F_OFD_SETLK, F_UNLCK, 0, 0);
  R(lockf(fd, F_TLOCK, 10));
  R(lockf(fd, F_ULOCK, 0));
  int p[2], q[2];
  pipe(p);
  pipe(q);
  lk(fd, F_SETLK, F_WRLCK, 0, 1);
  if (!fork()) {
    lk(fd, F_SETLK, F_WRLCK, 1, 1);
    write(p[1], "r", 1);
    int r = lk(fd, F_SETLKW, F_WRLCK, 0, 1);
    write(q[1], r == 0 ? "g" : errno == EDEADLK ? "d" : "?", 1);
    _exit(0);
  }
  char c;
  read(p[0], &c, 1);
  msleep(30);
  R(lk(fd, F_SETLKW, F_WRLCK, 1, 1));
  lk(fd, F_SETLK, F_UNLCK, 0, 0);
  read(q[0], &c, 1);
  P("other got %c\n", c);
  wait(0);
  flock(fd, LOCK_EX);
  if (!fork()) {
    int g = open("f", O_RDWR);
    signal(SIGALRM, SIG_DFL);
    struct itimerval t = {{0, 0}, {0, 50000}};
    (void)t;
    R(flock(g, LOCK_EX));
    _exit(0);
  }
  msleep(30);
  P("unlocking\n");
  flock(fd, LOCK_UN);
  wait(0);
  R(fcntl(fd, F_SETLEASE, F_WRLCK) <= 0);
  return 0;
}
