/* Mounts on what belongs to a process in proc: they are found again, and go with it. */
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

static long type(const char *path) {
  struct statfs s;
  return statfs(path, &s) < 0 ? -errno : (long)s.f_type;
}

static int mounts(const char *at) {
  char line[512];
  int n = 0;
  FILE *f = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, f)) n += strstr(line, at) != 0;
  fclose(f);
  return n;
}

static void directories(void) {
  const char *names[] = {"fdinfo", "fd", "task", "net", "attr", "ns", "map_files"};
  char path[64], in[64];
  for (int i = 0; i < 7; i++)
    for (int self = 0; self < 2; self++) {
      if (self)
        sprintf(path, "/proc/self/%s", names[i]);
      else
        sprintf(path, "/proc/%d/%s", getpid(), names[i]);
      P("-- %s\n", names[i]);
      R(mount("d", path, 0, MS_BIND, 0));
      sprintf(in, "%s/x", path);
      R(access(in, F_OK));
      P("%lx\n", type(path));
      INPROC(0, R(access(in, F_OK)));
      sprintf(in, "/proc/self/%s/x", names[i]);
      R(access(in, F_OK));
      sprintf(in, "/proc/thread-self/%s/x", names[i]);
      R(access(in, F_OK));
      R(umount(path));
      R(umount(path));
    }
}

static void files(void) {
  char path[64], b[16];
  P("-- files and links\n");
  R(mount("f", "/proc/self/status", 0, MS_BIND, 0));
  int fd = open("/proc/self/status", O_RDONLY);
  R(read(fd, b, sizeof b));
  R(umount("/proc/self/status"));
  close(fd);
  R(umount("/proc/self/status"));
  R(mount("d", "/proc/self", 0, MS_BIND, 0));
  R(access("/proc/self/x", F_OK));
  R(access("/proc/thread-self/x", F_OK));
  sprintf(path, "/proc/%d", getpid());
  R(umount(path));
  R(umount(path));
  R(mount("f", "/proc/self/exe", 0, MS_BIND, 0));
  R(umount("/proc/self/exe"));
}

static int go[2];

static void *thread(void *tid) {
  char c;
  *(int *)tid = gettid();
  write(go[1], "x", 1);
  msleep(100);
  return 0;
}

static void gone(void) {
  char path[64], in[64], c;
  P("-- of who is gone\n");
  pipe(go);
  pid_t child = fork();
  if (!child) {
    read(go[0], &c, 1);
    _exit(0);
  }
  sprintf(path, "/proc/%d", child);
  R(mount("d", path, 0, MS_BIND, 0));
  sprintf(in, "%s/x", path);
  R(access(in, F_OK));
  P("%d\n", mounts(path));
  write(go[1], "x", 1);
  siginfo_t info;
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  R(access(in, F_OK));
  waitpid(child, 0, 0);
  R(access(in, F_OK));
  R(umount(path));
  P("%d\n", mounts(path));

  pthread_t t;
  int tid;
  pthread_create(&t, 0, thread, &tid);
  read(go[0], &c, 1);
  sprintf(path, "/proc/self/task/%d/attr", tid);
  R(mount("d", path, 0, MS_BIND, 0));
  sprintf(in, "%s/x", path);
  R(access(in, F_OK));
  pthread_join(t, 0);
  msleep(20);
  R(access(in, F_OK));
  sprintf(path, "/task/%d/", tid);
  P("%d\n", mounts(path));
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("/tmp/pm", 0755);
  chdir("/tmp/pm");
  mkdir("d", 0755);
  mkdir("d/x", 0755);
  close(open("f", O_CREAT | O_RDWR, 0644));
  directories();
  files();
  gone();
  return 0;
}
