// Mount options of proc: who sees whose processes, and whether there is anything else.
// libc: glibc
#include "guest.h"
#include <dirent.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/syscall.h>

static pid_t other;

static void look(const char *name) {
  char path[60];
  struct stat st;
  snprintf(path, sizeof path, "/tmp/hp/%d%s", other, name);
  int r = stat(path, &st), e = errno;
  int fd = open(path, O_RDONLY), f = errno;
  P("    '%.6s' stat %d open %d\n", name, r ? e : 0, fd < 0 ? f : 0);
  if (fd >= 0) close(fd);
}

static int listed(const char *name) {
  DIR *d = opendir("/tmp/hp");
  int found = 0;
  for (struct dirent *e; (e = readdir(d));) found |= !strcmp(e->d_name, name);
  closedir(d);
  return found;
}

static void as(uid_t uid, gid_t group) {
  if (fork() == 0) {
    char name[20];
    snprintf(name, sizeof name, "%d", other);
    setgroups(1, &group);
    setresgid(300, 300, 300);
    setresuid(uid, uid, uid);
    P("  uid %d group %d: listed %d\n", uid, group, listed(name));
    look("");
    look("/stat");
    look("/fd");
    look("/task");
    snprintf(name, sizeof name, "/task/%d", other);
    look(name);
    P("    self %d own %d\n", access("/tmp/hp/self/stat", R_OK), listed("self"));
    int dir = open("/tmp/hp", O_RDONLY);
    R(faccessat(dir, "self/status", R_OK, 0));
    _exit(0);
  }
  wait(0);
}

static void options(void) {
  char line[300];
  FILE *f = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, f))
    if (strstr(line, "/tmp/hp")) P("%s", line);
  fclose(f);
}

static void try(const char *what) {
  P("%s\n", what);
  R(mount("proc", "/tmp/hp", "proc", 0, what));
  options();
  // Who may not look comes first: a name that somebody found is found again.
  as(1001, 0);
  as(1001, 555);
  as(1000, 0);
  as(0, 0);
  umount("/tmp/hp");
}

int main(void) {
  mkdir("/tmp/hp", 0755);
  other = fork();
  if (other == 0) {
    setresgid(300, 300, 300);
    setresuid(1000, 1000, 1000);
    execl("/bin/sleep", "sleep", "1000", NULL);
    _exit(1);
  }
  msleep(200);
  try("");
  try("hidepid=1,gid=555");
  try("hidepid=invisible,gid=555");
  try("hidepid=ptraceable,gid=555");
  P("options\n");
  char *bad[] = {"hidepid=3", "hidepid=", "hidepid", "hidepid=5", "hidepid=-1", "gid=x", "gid=", "subset=", "subset=x", "subset=pid:x", "nonsense", "hidepid=01"};
  for (int i = 0; i < sizeof bad / sizeof *bad; i++) {
    int r = mount("proc", "/tmp/hp", "proc", 0, bad[i]);
    P("%s: %d\n", bad[i], r ? errno : 0);
    if (!r) umount("/tmp/hp");
  }
  R(mount("proc", "/tmp/hp", "proc", 0, "subset=pid,hidepid=off"));
  options();
  P("listed %d %d %d\n", listed("self"), listed("meminfo"), listed("thread-self"));
  R(access("/tmp/hp/meminfo", F_OK));
  R(access("/tmp/hp/mounts", F_OK));
  R(access("/tmp/hp/sys", F_OK));
  R(access("/tmp/hp/self/status", R_OK));
  R(mount("proc", "/tmp/hp", "proc", MS_REMOUNT, "hidepid=2,gid=7"));
  options();
  R(mount("proc", "/tmp/hp", "proc", MS_REMOUNT | MS_RDONLY, "hidepid=3"));
  options();
  R(umount("/tmp/hp"));
  int fs = syscall(430, "proc", 0);
  R(syscall(431, fs, 1, "hidepid", "noaccess", 0));
  R(syscall(431, fs, 1, "hidepid", "7", 0));
  R(syscall(431, fs, 1, "subset", "pid", 0));
  R(syscall(431, fs, 0, "subset", 0, 0));
  R(syscall(431, fs, 6, 0, 0, 0));
  int mnt = syscall(432, fs, 0, 0);
  R(syscall(429, mnt, "", AT_FDCWD, "/tmp/hp", 4));
  options();
  R(umount("/tmp/hp"));
  kill(other, SIGKILL);
  return 0;
}
