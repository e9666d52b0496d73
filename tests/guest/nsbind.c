// Files of namespaces that are mounted somewhere: which may be, what mountinfo says of them, and that a mount namespace lives
// as long as its file is mounted.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>

/** Lines of mountinfo from the root on, without device numbers and namespace numbers, for what is below our folder. */
static void show(void) {
  FILE *f = fopen("/proc/self/mountinfo", "r");
  char line[1000], dev[64], root[256], at[256], rest[500];
  while (fgets(line, sizeof line, f)) {
    if (!strstr(line, "/nsbind")) continue;
    sscanf(line, "%*d %*d %s %s %s %[^\n]", dev, root, at, rest);
    P("  %.4s %s %s\n", root, strstr(at, "/nsbind"), rest);
  }
  fclose(f);
}

static pid_t other(const char *inside) {
  int p[2];
  char b;
  pipe(p);
  pid_t c = fork();
  if (!c) {
    unshare(CLONE_NEWNS);
    mount("x", "d", "tmpfs", 0, 0);
    close(creat(inside, 0600));
    write(p[1], "x", 1);
    pause();
  }
  read(p[0], &b, 1);
  close(p[0]), close(p[1]);
  return c;
}

static char path[64];
static const char *ns(pid_t pid) {
  sprintf(path, "/proc/%d/ns/mnt", pid);
  return path;
}

/** Goes to our folder, wherever the root of the namespace is. */
static void find(void) {
  FILE *f = fopen("/proc/self/mountinfo", "r");
  char line[1000], at[256];
  int n;
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "%*d %*d %*s %*s %s", at) == 1 && (n = strlen(at)) > 7 && !strcmp(at + n - 7, "/nsbind")) break;
  fclose(f);
  R(chdir(at));
}

static void enters(int fd) {
  INPROC(0, R(setns(fd, CLONE_NEWNS)); find(); R(access("d/inside", F_OK)); R(access("m", F_OK)); show();
         R(umount2("m", 0)));
}

static void mount_namespaces(void) {
  R(mount("/proc/self/ns/mnt", "m", 0, MS_BIND, 0));
  pid_t c = other("d/inside");
  R(mount(ns(c), "m", 0, MS_BIND, 0));
  show();
  kill(c, SIGKILL), waitpid(c, 0, 0);
  int fd = open("m", O_RDONLY);
  struct statfs sf;
  fstatfs(fd, &sf);
  P("%lx\n", (long)sf.f_type);
  enters(fd);
  close(fd);
  fd = open("m", O_RDONLY);
  enters(fd);
  R(umount2("m", 0));
  close(fd);
  R(umount2("m", 0));
  R(umount2("m", 0));
  INPROC(0, sprintf(path, "/proc/%d/ns/mnt", getppid()); R(unshare(CLONE_NEWNS)); R(mount(path, "m", 0, MS_BIND, 0));
         R(mount("/proc/self/ns/mnt", "m", 0, MS_BIND, 0)));
}

/** It is not passed on to other mounts, nor copied to new namespaces; with a whole tree it goes along. */
static void copies(void) {
  pid_t c = other("d/inside");
  mkdir("a", 0700), mkdir("b", 0700);
  R(mount("s", "a", "tmpfs", 0, 0));
  close(creat("a/m", 0600)), close(creat("a/u", 0600));
  R(mount("/proc/self/ns/uts", "a/u", 0, MS_BIND, 0));
  R(mount(ns(c), "a/m", 0, MS_BIND, 0));
  R(mount("a", "b", 0, MS_BIND | MS_REC, 0));
  show();
  R(umount2("b", MNT_DETACH));
  R(umount2("a/m", 0));
  R(mount(0, "a", 0, MS_SHARED, 0));
  R(mount("a", "b", 0, MS_BIND, 0));
  R(mount(ns(c), "a/m", 0, MS_BIND, 0));
  R(mount("/proc/self/ns/uts", "a/m", 0, MS_BIND, 0));
  show();
  R(umount2("b", MNT_DETACH));
  R(umount2("a", MNT_DETACH));
  R(mount(ns(c), "m", 0, MS_BIND, 0));
  INPROC(0, R(unshare(CLONE_NEWNS)); show());
  R(umount2("m", MNT_DETACH));
  kill(c, SIGKILL), waitpid(c, 0, 0);
}

static void others(void) {
  int p[2], fd;
  R(mount("/proc/self/ns/uts", "n", 0, MS_BIND, 0));
  R(mount("/proc/self/ns/uts", "d", 0, MS_BIND, 0));
  show();
  R(open("n", O_RDWR));
  R(truncate("n", 0));
  R(chmod("n", 0600));
  R(unlink("n"));
  fd = open("n", O_RDONLY);
  R(setns(fd, CLONE_NEWUTS));
  R(setns(fd, CLONE_NEWNS));
  R(umount2("n", 0));
  close(fd);
  R(umount2("n", 0));
  // What else has no place cannot be mounted.
  pipe(p);
  sprintf(path, "/proc/self/fd/%d", p[0]);
  R(mount(path, "n", 0, MS_BIND, 0));
  fd = memfd_create("x", 0);
  sprintf(path, "/proc/self/fd/%d", fd);
  R(mount(path, "n", 0, MS_BIND, 0));
}

int main(void) {
  // Numbers of namespaces rise on one processor.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("/tmp/nsbind", 0700);
  R(mount("t", "/tmp/nsbind", "tmpfs", 0, 0));
  chdir("/tmp/nsbind");
  close(creat("m", 0600)), close(creat("n", 0600));
  mkdir("d", 0700);
  mount_namespaces();
  copies();
  others();
  return 0;
}
