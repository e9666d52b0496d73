// What is easily left out: UUIDs of file systems, leases on memory files, processes whose leader ended, quotas of keys that
// can be changed, overlay's uuid options, waits for children that ended.
// link: -lpthread
#include "guest.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define FS_IOC_GETFSUUID 0x80111500

static void uuid(const char *path) {
  unsigned char u[17] = {0}, again[17] = {0};
  int fd = open(path, O_RDONLY);
  P("%s: ", path);
  R(ioctl(fd, FS_IOC_GETFSUUID, u));
  ioctl(fd, FS_IOC_GETFSUUID, again);
  P("%d bytes, %s, version %d\n", u[0], memcmp(u, again, 17) ? "another" : "the same again", u[7] >> 4);
  close(fd);
}

static void uuids(void) {
  mkdir("m", 0755);
  mount("none", "m", "tmpfs", 0, 0);
  uuid("m");
  uuid("/proc");
  int fd = memfd_create("x", 0);
  char u[17];
  R(ioctl(fd, FS_IOC_GETFSUUID, u));
  R(ioctl(fd, FS_IOC_GETFSUUID, 0));
  mkdir("m/l", 0755), mkdir("m/u", 0755), mkdir("m/w", 0755), mkdir("m/o", 0755);
  const char *options[] = {"null", "off", "auto", "on"};
  for (int i = 0; i < 4; i++) {
    char text[200];
    sprintf(text, "lowerdir=m/l,upperdir=m/u,workdir=m/w,uuid=%s", options[i]);
    R(mount("o", "m/o", "overlay", 0, text));
    uuid("m/o");
    umount("m/o");
  }
  umount("m");
}

static void leases(void) {
  char path[64];
  int fd = memfd_create("lease", 0);
  R(fcntl(fd, F_SETLEASE, F_RDLCK));
  R(fcntl(fd, F_SETLEASE, F_WRLCK));
  R(fcntl(fd, F_GETLEASE));
  R(fcntl(fd, F_SETLEASE, F_UNLCK));
  sprintf(path, "/proc/self/fd/%d", fd);
  int ro = open(path, O_RDONLY);
  R(fcntl(ro, F_SETLEASE, F_RDLCK));
  R(fcntl(ro, F_SETLEASE, F_UNLCK));
  close(fd);
  R(fcntl(ro, F_SETLEASE, F_WRLCK));
  R(fcntl(ro, F_GETLEASE));
  R(fcntl(ro, F_SETLEASE, F_UNLCK));
}

static void tasks(int pid) {
  char path[64];
  sprintf(path, "/proc/%d/task", pid);
  DIR *dir = opendir(path);
  int n = 0, self = 0;
  for (struct dirent *e; (e = readdir(dir));) {
    if (e->d_name[0] == '.') continue;
    n++;
    if (atoi(e->d_name) == pid) self = 1;
  }
  closedir(dir);
  P("%d threads, leader %s\n", n, self ? "listed" : "missing");
  struct stat st;
  stat(path, &st);
  P("links %d\n", (int)st.st_nlink);
  sprintf(path, "/proc/%d/task/%d/stat", pid, pid);
  R(access(path, F_OK));
}

static void *survivor(void *arg) {
  msleep(100);
  int fd = syscall(SYS_pidfd_open, getpid(), 0);
  tasks(getpid());
  R(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
  R(syscall(SYS_pidfd_getfd, fd, 1, 0));
  _exit(7);
}

static void leader(void) {
  INCHILD({
    pthread_t t;
    pthread_create(&t, 0, survivor, 0);
    syscall(SYS_exit, 3);
  });
  pid_t c = fork();
  if (!c) _exit(3);
  siginfo_t si;
  waitid(P_PID, c, &si, WEXITED | WNOWAIT);
  tasks(c);
  int fd = syscall(SYS_pidfd_open, c, 0);
  R(syscall(SYS_pidfd_getfd, fd, 1, 0));
  R(syscall(SYS_pidfd_getfd, fd, 99, 0));
  wait(0);
  R(syscall(SYS_pidfd_getfd, fd, 1, 0));
}

/** What makes its text when it is read keeps no records. */
static void records(void) {
  R(acct("/proc/self/status"));
  R(acct("/proc/version"));
  R(acct("/dev/null"));
  R(acct("/proc"));
  R(acct("m"));
  INCHILD(_exit(0));
  R(acct(0));
}

/** A child that has ended neither stops nor goes on. */
static void ended(void) {
  pid_t c = fork();
  if (!c) _exit(3);
  siginfo_t si;
  R(waitid(P_PID, c, &si, WEXITED | WNOWAIT));
  R(waitid(P_PID, c, &si, WSTOPPED | WNOHANG));
  R(waitid(P_ALL, 0, &si, WCONTINUED));
  pid_t other = fork();
  if (!other) {
    pause();
    _exit(0);
  }
  R(waitid(P_ALL, 0, &si, WCONTINUED | WNOHANG));
  R(waitid(P_PID, c, &si, WEXITED | WCONTINUED));
  kill(other, SIGKILL);
  R(wait(0) == other);
}

static int put(const char *name, const char *value) {
  char path[64];
  sprintf(path, "/proc/sys/kernel/keys/%s", name);
  int fd = open(path, O_WRONLY);
  int n = write(fd, value, strlen(value));
  close(fd);
  return n;
}

static long add_key(const char *name, int size) {
  static char payload[20000];
  return syscall(SYS_add_key, "user", name, payload, size, -3) > 0 ? 0 : -1;
}

/** Lengths have no sign. */
static void lengths(void) {
  static char b[64];
  const long lengths[] = {-1, -100, 1L << 40};
  long k = syscall(SYS_add_key, "user", "lengths", "abc", 3, -2);
  for (int i = 0; i < 3; i++) {
    long n = lengths[i];
    R(syscall(SYS_keyctl, 2, k, b, n));
    R(syscall(SYS_keyctl, 11, k, b, n));
    R(syscall(SYS_keyctl, 12, k, b, n));
    R(syscall(SYS_keyctl, 17, k, b, n));
    R(syscall(SYS_add_key, "user", "y", b, n, -2));
  }
  syscall(SYS_keyctl, 21, k);
}

static void keys(void) {
  lengths();
  R(put("maxkeys", "0"));
  R(put("maxkeys", "-1"));
  R(put("maxkeys", "2147483648"));
  R(put("gc_delay", "300"));
  R(put("maxkeys", "4"));
  INPROC(4321, {
    syscall(SYS_keyctl, 1, 0);
    R(add_key("a", 10));
    R(add_key("b", 10));
    R(add_key("c", 10));
    R(add_key("d", 10));
    R(add_key("e", 10));
  });
  R(put("maxkeys", "200"));
  R(put("maxbytes", "1000"));
  INPROC(4322, {
    syscall(SYS_keyctl, 1, 0);
    R(add_key("a", 800));
    R(add_key("b", 300));
  });
  R(put("maxbytes", "20000"));
}

int main(void) {
  uuids();
  leases();
  leader();
  ended();
  records();
  keys();
  return 0;
}
