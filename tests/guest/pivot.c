// pivot_root: what it refuses, where everybody stands afterwards, and how the old root goes. Each case in a namespace with a
// root of its own.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

#define PIVOT(a, b) R(syscall(SYS_pivot_root, a, b))

static void tree(void) {
  char line[1000], root[200], at[200];
  FILE *f = fopen("/proc/self/mountinfo", "r");
  while (f && fgets(line, sizeof line, f)) {
    sscanf(line, "%*d %*d %*s %s %s", root, at);
    if (strncmp(at, "/proc", 5)) P("   %s %s\n", root, at);
  }
  if (f) fclose(f);
  else P("   no /proc\n");
}

static void make(const char *name) { close(open(name, O_CREAT, 0644)); }

static void own_root(void) {
  unshare(CLONE_NEWNS);
  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mkdir("/tmp/n", 0755), mount("n", "/tmp/n", "tmpfs", 0, NULL), chdir("/tmp/n");
  mkdir("proc", 0755), mkdir("m", 0755), mkdir("d", 0755), make("f");
  chroot("."), chdir("/");
  mount("p", "/proc", "proc", 0, NULL), mount("m", "/m", "tmpfs", 0, NULL);
  mkdir("/m/old", 0755), mkdir("/m/proc", 0755), mkdir("/m/x", 0755), make("/m/f");
}

static void refused(void) {
  PIVOT("/d", "/d");
  PIVOT("/m", "/d");
  PIVOT("/m/x", "/m/old");
  PIVOT("/d", "/m");
  PIVOT("/none", "/m/old");
  PIVOT("/m", "/none");
  PIVOT("/f", "/m/old");
  PIVOT("/m", "/m/f");
  PIVOT("/", "/m");
  PIVOT("/m", "/");
  PIVOT((char *)-1, "/m/old");
  PIVOT("/m", (char *)-1);
  mount(NULL, "/m", NULL, MS_SHARED, NULL);
  PIVOT("/m", "/m/old");
  mount(NULL, "/m", NULL, MS_PRIVATE, NULL), mount(NULL, "/", NULL, MS_SHARED, NULL);
  PIVOT("/m", "/m/old");
  mount(NULL, "/", NULL, MS_PRIVATE, NULL), setresuid(1000, 1000, 1000);
  PIVOT("/none", "/m/old");
}

static void done(void) {
  char cwd[100];
  PIVOT("/m", "/m/old");
  P("%ld %s\n", syscall(SYS_getcwd, cwd, 100), cwd);
  R(access("/old/f", F_OK));
  R(access("/f", F_OK));
  R(chdir("/"));
  mount("p", "/proc", "proc", 0, NULL), tree();
  R(umount("/old"));
  R(umount2("/old", MNT_DETACH));
  R(rmdir("/old"));
  tree();
}

static void in_place(void) {
  chdir("/m");
  PIVOT(".", ".");
  chdir("/"), mount("p", "/proc", "proc", 0, NULL), tree();
  R(umount2(".", MNT_DETACH));
  R(access("/x", F_OK));
  tree();
}

static void not_a_mount(void) {
  chroot("/d");
  PIVOT("/", "/");
}

static void of_others(void) {
  char cwd[100];
  chdir("/m/x");
  if (!fork()) {
    msleep(50);
    P("%ld %s\n", syscall(SYS_getcwd, cwd, 100), cwd);
    R(access("/x", F_OK));
    R(access("/old/d", F_OK));
    _exit(0);
  }
  PIVOT("/m", "/m/old");
  wait(NULL);
}

/** Mounting on a path goes to the top of what is stacked there. */
static void stacked(void) {
  chdir("/m");
  R(mount("a", ".", "tmpfs", 0, NULL));
  R(mount("b", ".", "tmpfs", 0, NULL));
  R(mount("/d", ".", NULL, MS_BIND, NULL));
  R(mount("c", "/", "tmpfs", 0, NULL));
  tree();
  R(umount("."));
  R(umount("/"));
  tree();
}

int main(void) {
  void (*cases[])(void) = {refused, done, in_place, not_a_mount, of_others, stacked};
  umask(0);
  for (int i = 0; i < 6; i++) {
    P("-- %d\n", i);
    if (!fork()) {
      own_root();
      cases[i]();
      _exit(0);
    }
    int status;
    wait(&status);
    if (status) P("status %x\n", status);
  }
  return 0;
}
