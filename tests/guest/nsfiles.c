// The files of /proc/PID/ns: what they are, what ioctl(2) tells of them, and entering what they stand for (setns(2)).
#include "guest.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704
#define setns_(fd, type) syscall(SYS_setns, fd, type)

static const struct {
  const char *name;
  int type;
} KINDS[] = {{"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC}, {"mnt", CLONE_NEWNS},
             {"net", CLONE_NEWNET},       {"pid", CLONE_NEWPID}, {"time", 0x80},
             {"user", CLONE_NEWUSER},     {"uts", CLONE_NEWUTS}};

static void one(int i) {
  char path[64], text[16];
  struct stat st, same;
  struct statfs fs;
  unsigned owner = 77;
  sprintf(path, "/proc/self/ns/%s", KINDS[i].name);
  P("%s\n", KINDS[i].name);
  int fd = open(path, O_RDONLY), type = KINDS[i].type;
  R(fstat(fd, &st));
  R(stat(path, &same));
  R(st.st_ino == same.st_ino && st.st_dev == same.st_dev);
  R(st.st_mode);
  R(st.st_nlink);
  R(fstatfs(fd, &fs));
  R(fs.f_type);
  R(open(path, O_WRONLY));
  R(open(path, O_RDWR));
  R(access(path, W_OK));
  R(chmod(path, 0600));
  R(read(fd, text, 1));
  R(pread(fd, text, 1, 0));
  R(lseek(fd, 0, SEEK_SET));
  R(ioctl(fd, NS_GET_NSTYPE) == type);
  int user = ioctl(fd, NS_GET_USERNS);
  P("owner %d errno %d\n", user >= 0, user < 0 ? errno : 0);
  if (user >= 0) {
    R(ioctl(user, NS_GET_NSTYPE) == CLONE_NEWUSER);
    R(fcntl(user, F_GETFD));
  }
  R(ioctl(fd, NS_GET_PARENT));
  R(ioctl(fd, NS_GET_OWNER_UID, &owner));
  R(owner);
  R(ioctl(fd, 0xb7ff));
  INPROC(0, {
    R(setns_(fd, 0));
    R(setns_(fd, type));
    R(setns_(fd, KINDS[(i + 1) % 8].type));
    R(setns_(fd, 1));
  });
  INPROC(65534, { R(setns_(fd, 0)); });
  close(fd);
}

static void mounts(void) {
  int here = open("/proc/self/ns/mnt", O_RDONLY), to[2], from[2];
  char byte, path[64];
  mkdir("m", 0700);
  pipe(to);
  pipe(from);
  pid_t child = fork();
  if (child == 0) {
    unshare(CLONE_NEWNS);
    write(from[1], "a", 1);
    read(to[0], &byte, 1);
    _exit(0);
  }
  read(from[0], &byte, 1);
  sprintf(path, "/proc/%d/ns/mnt", child);
  int there = open(path, O_RDONLY), process = syscall(SYS_pidfd_open, child, 0);
  struct stat a, b;
  fstat(here, &a);
  fstat(there, &b);
  R(a.st_ino != b.st_ino);
  INPROC(0, {
    R(setns_(there, CLONE_NEWNS));
    R(setns_(here, 0));
    R(setns_(process, 0));
    R(setns_(process, 1));
    R(setns_(process, CLONE_NEWNS));
    R(setns_(process, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
    R(setns_(process, CLONE_NEWUSER));
  });
  INPROC(65534, { R(setns_(process, CLONE_NEWNS)); });
  write(to[1], "a", 1);
  waitpid(child, 0, 0);
  INPROC(0, { R(setns_(there, CLONE_NEWNS)); });
  INPROC(0, { R(setns_(process, CLONE_NEWNS)); });
}

int main(void) {
  for (int i = 0; i < 8; i++) one(i);
  R(setns_(-1, 0));
  R(setns_(open("/etc/passwd", O_RDONLY), 0));
  R(setns_(open("/proc/self", O_RDONLY), CLONE_NEWNS));
  mounts();
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  close(creat("bound", 0600));
  R(mount("/proc/self/ns/uts", "bound", 0, MS_BIND, 0));
  R(ioctl(open("bound", O_RDONLY), NS_GET_NSTYPE) == CLONE_NEWUTS);
}
