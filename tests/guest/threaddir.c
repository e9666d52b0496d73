/* What /proc has under a thread's own number; limits of the user namespace, and who writes them. */
#include "guest.h"
#include <dirent.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/prctl.h>

static char *line(const char *path, const char *key) {
  static char text[4096];
  int f = open(path, O_RDONLY);
  ssize_t n = read(f, text, sizeof text - 1);
  close(f);
  text[n < 0 ? 0 : n] = 0;
  char *at = strstr(text, key);
  return at ? at + strlen(key) : "";
}

static void *thread(void *arg) {
  (void)arg;
  char path[64];
  pid_t tid = syscall(SYS_gettid);
  sprintf(path, "/proc/%d/status", tid);
  P("Pid is the thread's: %d, Tgid the process's: %d\n", atoi(line(path, "\nPid:")) == tid,
    atoi(line(path, "\nTgid:")) == getpid());
  sprintf(path, "/proc/%d/stat", tid);
  P("stat begins with the thread's: %d\n", atoi(line(path, "")) == tid);
  sprintf(path, "/proc/%d/task/%d", tid, getpid());
  R(access(path, F_OK));
  sprintf(path, "/proc/%d/task/%d/task", tid, tid);
  R(access(path, F_OK));
  return 0;
}

static void drop(int cap) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  syscall(SYS_capget, &head, data);
  data[cap / 32].effective &= ~(1u << cap % 32);
  syscall(SYS_capset, &head, data);
}

/* Whose the files of a process are while it lives, when it must not be looked into, and when it is dead. */
static void owners(const char *what, pid_t pid) {
  P("%s\n", what);
  for (const char *const *name = (const char *const[]){"", "status", "maps", "fd", "fdinfo", "ns", "task", "map_files", "cwd", 0};
       *name; name++) {
    char path[60];
    struct stat st;
    sprintf(path, "/proc/%d/%s", pid, *name);
    if (lstat(path, &st) == 0) P("  %s %o %d:%d\n", *name, st.st_mode, st.st_uid, st.st_gid);
  }
}

static void dead(void) {
  int go[2], there[2];
  char c;
  pipe(go);
  pipe(there);
  pid_t pid = fork();
  if (pid == 0) {
    setgid(1001);
    setuid(1000);
    prctl(PR_SET_DUMPABLE, 1);
    write(there[1], "", 1);
    read(go[0], &c, 1);
    prctl(PR_SET_DUMPABLE, 0);
    write(there[1], "", 1);
    read(go[0], &c, 1);
    _exit(0);
  }
  read(there[0], &c, 1);
  owners("alive", pid);
  write(go[1], "", 1);
  read(there[0], &c, 1);
  owners("not dumpable", pid);
  write(go[1], "", 1);
  siginfo_t info;
  waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
  owners("dead", pid);
  wait(0);
  if (fork() == 0) {
    setuid(1000);
    prctl(PR_SET_DUMPABLE, 1);
    int f = open("/proc/self/stack", O_RDONLY);
    R(read(f, &c, 1));
    exit(0);
  }
  wait(0);
}

static void limits(void) {
  const char *const p = "/proc/sys/user/max_user_namespaces";
  struct stat st;
  stat(p, &st);
  P("mode %o\n", st.st_mode);
  P("a number: %d\n", atoi(line(p, "")) > 0);
  R(access(p, X_OK));
  drop(CAP_SYS_RESOURCE);
  R(open(p, O_WRONLY));
  R(open(p, O_RDWR));
  OK(open(p, O_RDONLY));
  for (const char *const *name =
         (const char *const[]){"max_pid_namespaces", "max_uts_namespaces", "max_ipc_namespaces", "max_net_namespaces",
                               "max_mnt_namespaces", "max_cgroup_namespaces", "max_time_namespaces",
                               "max_inotify_instances", "max_inotify_watches", "max_fanotify_groups",
                               "max_fanotify_marks", 0};
       *name; name++) {
    char path[80];
    sprintf(path, "/proc/sys/user/%s", *name);
    P("%s: %d\n", *name, atoi(line(path, "")) > 0);
  }
}

static void left(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  char path[64], buf[256];
  sprintf(path, "/proc/%d/net", child);
  int d = open(path, O_RDONLY);
  waitpid(child, 0, 0);
  R(syscall(SYS_getdents64, d, buf, sizeof buf));
}

int main(void) {
  pthread_t t;
  pthread_create(&t, 0, thread, 0);
  pthread_join(t, 0);
  left();
  limits();
  setgid(1000);
  setuid(1000);
  dead();
  limits();
  return 0;
}
