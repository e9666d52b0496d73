/* /proc/PID of processes that end: what open files, directories and links of theirs still tell; who may look; names that change. */
#include "guest.h"
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

static char buf[1 << 16];

static const char *const files[] = {
    "auxv", "cmdline", "comm", "gid_map", "uid_map", "io", "maps", "stat", "status", "oom_score", "oom_score_adj",
    "coredump_filter", "limits", "statm", "smaps", "smaps_rollup", "mounts", "mountinfo", "mountstats", "environ",
    "wchan", "personality", "cgroup", "schedstat", "sched", "setgroups", "projid_map", "mem", "pagemap",
    "numa_maps", "timens_offsets", "net/dev", 0};
/* Newer kernels refuse to open these of a zombie. */
static const char *const memory[] = {"auxv", "environ", "mem", "pagemap", "smaps_rollup", 0};
static const char *const links[] = {"exe", "cwd", "root", "fd/0", "ns/net", "ns/pid", "ns/user", "ns/mnt", "ns/uts", 0};

static int among(const char *const *list, const char *name) {
  for (; *list; list++)
    if (!strcmp(*list, name)) return 1;
  return 0;
}

static const char *in(pid_t pid, const char *name) {
  static char path[100];
  sprintf(path, "/proc/%d/%s", pid, name);
  return path;
}

static void readOne(const char *when, const char *name, int f) {
  ssize_t r = pread(f, buf, 8, 0);
  P("%s %s %s %d\n", when, name, r > 0 ? "text" : r == 0 ? "nothing" : "error", r < 0 ? errno : 0);
}

static void readlinks(const char *when, int dir) {
  for (int i = 0; links[i]; i++) {
    ssize_t r = readlinkat(dir, links[i], buf, 1);
    P("%s link %s %zd %d\n", when, links[i], r, r < 0 ? errno : 0);
  }
}

static void ends(void) {
  int go[2], old[64];
  struct stat st;
  pipe(go);
  pid_t child = fork();
  if (child == 0) {
    read(go[0], buf, 1);
    _exit(0);
  }
  for (int i = 0; files[i]; i++) old[i] = open(in(child, files[i]), O_RDONLY);
  int dir = open(in(child, ""), O_DIRECTORY), task = open(in(child, "task"), O_DIRECTORY);
  int fds = open(in(child, "fd"), O_DIRECTORY), ns = open(in(child, "ns"), O_DIRECTORY);
  int infos = open(in(child, "fdinfo"), O_DIRECTORY), attr = open(in(child, "attr"), O_DIRECTORY);
  int net = open(in(child, "net"), O_DIRECTORY);
  readlinks("running", dir);
  write(go[1], "x", 1);
  siginfo_t info;
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  for (int i = 0; files[i]; i++) {
    readOne("zombie, opened before,", files[i], old[i]);
    if (among(memory, files[i])) continue;
    int f = open(in(child, files[i]), O_RDONLY);
    if (f < 0) P("zombie %s cannot be opened: %d\n", files[i], errno);
    else readOne("zombie", files[i], f);
    close(f);
  }
  readlinks("zombie", dir);
  R(syscall(SYS_getdents64, net, buf, sizeof buf));
  R(syscall(SYS_getdents64, fds, buf, sizeof buf));
  waitpid(child, 0, 0);
  for (int i = 0; files[i]; i++) readOne("gone", files[i], old[i]);
  readlinks("gone", dir);
  lseek(fds, 0, SEEK_SET);
  R(syscall(SYS_getdents64, dir, buf, sizeof buf));
  R(syscall(SYS_getdents64, task, buf, sizeof buf));
  R(syscall(SYS_getdents64, fds, buf, sizeof buf));
  R(syscall(SYS_getdents64, infos, buf, sizeof buf));
  R(syscall(SYS_getdents64, ns, buf, sizeof buf));
  R(syscall(SYS_getdents64, attr, buf, sizeof buf));
  R(openat(dir, "stat", O_RDONLY));
  R(openat(dir, "nothing", O_RDONLY));
  R(openat(dir, ".", O_RDONLY));
  R(openat(fds, "0", O_RDONLY));
  R(openat(infos, "0", O_RDONLY));
  R(fstat(dir, &st));
  R(fstat(task, &st));
}

/* What was opened shows the memory of then, and there is none after exec. */
static void replaced(void) {
  int go[2], done[2];
  pipe(go);
  pipe(done);
  pid_t child = fork();
  if (child == 0) {
    read(go[0], buf, 1);
    dup2(go[0], 0);
    dup2(done[1], 1);
    execl("/bin/busybox", "sh", "-c", "echo x; read line", NULL);
    _exit(1);
  }
  const char *const names[] = {"maps", "smaps", "numa_maps", "environ", "auxv", "mem", "pagemap", "cmdline", 0};
  int old[8];
  for (int i = 0; names[i]; i++) old[i] = open(in(child, names[i]), O_RDONLY);
  write(go[1], "x", 1);
  read(done[0], buf, 1);
  for (int i = 0; names[i]; i++) readOne("after exec", names[i], old[i]);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
}

static void others(void) {
  pid_t child = fork();
  if (child == 0) pause();
  INPROC(65534, {
    const char *const names[] = {"fd",      "fdinfo", "fdinfo/0", "ns", "ns/net",  "ns/user", "net/dev", "auxv",
                                 "environ", "maps",   "smaps",    "io", "timerslack_ns", "attr/current", "task", 0};
    int dir = open(in(child, ""), O_DIRECTORY);
    for (int i = 0; names[i]; i++) {
      int f = openat(dir, names[i], O_RDONLY);
      P("%s: open %d", names[i], f < 0 ? errno : 0);
      P(", readlink %d\n", readlinkat(dir, names[i], buf, 9) < 0 ? errno : 0);
    }
  });
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  INPROC(0, {
    struct stat st;
    prctl(PR_SET_DUMPABLE, 0);
    setresuid(-1, 1000, -1);
    prctl(PR_SET_DUMPABLE, 0);
    const char *const names[] = {"", "stat", "fd", "task", "net", "ns", "attr", 0};
    for (int i = 0; names[i]; i++) {
      stat(in(getpid(), names[i]), &st);
      P("undumpable %s: %d %o\n", names[i], st.st_uid, st.st_mode);
    }
  });
}

static void look(struct pollfd *p) {
  P("poll %d", poll(p, 1, 0));
  P(" %x\n", p->revents);
}

static void names(void) {
  struct epoll_event event = {0};
  int f = open("/proc/sys/kernel/hostname", O_RDONLY), e = epoll_create1(0);
  R(epoll_ctl(e, EPOLL_CTL_ADD, f, &event));
  R(epoll_wait(e, &event, 1, 0));
  if (fork() == 0) {
    msleep(20);
    sethostname("other", 5);
    _exit(0);
  }
  R(epoll_wait(e, &event, 1, 10000));
  P("%x\n", event.events);
  wait(0);
  R(epoll_wait(e, &event, 1, 20));
  struct pollfd domain = {open("/proc/sys/kernel/domainname", O_RDONLY), POLLIN | POLLPRI};
  struct pollfd late = {f, POLLIN | POLLPRI};
  look(&late);
  look(&domain);
  setdomainname("domain", 6);
  look(&domain);
  look(&domain);
  look(&late);
  int w = open("/proc/sys/kernel/hostname", O_WRONLY);
  write(w, "third\n", 6);
  look(&late);
  P("%zd %.6s", pread(f, buf, 99, 0), buf);
}

int main(void) {
  ends();
  replaced();
  others();
  names();
}
