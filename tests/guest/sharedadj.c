// oom_score_adj goes to processes that share memory; the lines of smaps_rollup; a terminal of another mount namespace's devpts.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) P("%s: errno %d\n", path, errno);
  close(fd);
}
static void get(const char *path) {
  char b[64] = "";
  int fd = open(path, O_RDONLY);
  int n = read(fd, b, 63);
  close(fd);
  P("%s", n > 0 ? b : "nothing\n");
}
static int go[2];
static int child(void *p) {
  char c;
  read(go[0], &c, 1);
  return 0;
}

int main(void) {
  pipe(go);
  static char stack[65536];
  put("/proc/self/oom_score_adj", "100");
  pid_t c = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, 0);
  pid_t f = fork();
  if (!f) child(0), _exit(0);
  char shared[40], forked[40];
  sprintf(shared, "/proc/%d/oom_score_adj", c), sprintf(forked, "/proc/%d/oom_score_adj", f);
  get(shared);
  put("/proc/self/oom_score_adj", "200");
  get(shared);
  get(forked);
  put(shared, "300");
  get("/proc/self/oom_score_adj");
  write(go[1], "xx", 2);
  waitpid(c, 0, 0);
  waitpid(f, 0, 0);

  char line[200];
  FILE *r = fopen("/proc/self/smaps_rollup", "r");
  fgets(line, sizeof line, r);
  while (fgets(line, sizeof line, r)) P("%.*s ", (int)strcspn(line, ":"), line);
  P("\n");
  fclose(r);

  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  char dir[] = "/tmp/pts-XXXXXX", path[64];
  mkdtemp(dir);
  R(mount("pts", dir, "devpts", 0, "ptmxmode=666"));
  sprintf(path, "%s/ptmx", dir);
  R(open(path, O_RDWR) > 0);
  umount2(dir, MNT_DETACH);
  rmdir(dir);
  struct stat st;
  R(stat("/proc/sys/kernel/pty/reserve", &st));
}
