// What a process may do to another whose ids, or capabilities, are not its own: nice values, processors, I/O priorities, looking
// into it by calls that name it (real ids count) and through files (file system ids count).
#include "guest.h"
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define T(name, call) do { errno = 0; long r_ = (call); P(" %s %d", name, r_ == -1 ? errno : 0); } while (0)

static void become(const int *id) {
  setgroups(0, 0);
  syscall(SYS_setresgid, id[0], id[1], id[2]);
  syscall(SYS_setresuid, id[0], id[1], id[2]);
}

static pid_t target(const int *id) {
  int p[2];
  char c;
  pipe(p);
  pid_t pid = fork();
  if (pid == 0) {
    become(id);
    prctl(PR_SET_DUMPABLE, 1);
    write(p[1], "x", 1);
    for (;;) pause();
  }
  read(p[0], &c, 1);
  close(p[0]);
  close(p[1]);
  return pid;
}

static void look(pid_t pid) {
  char name[40], buf[16];
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  struct sched_param param = {0};
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  struct iovec here = {buf, 4}, there = {(void *)environ, 4};
  T("setpriority", setpriority(PRIO_PROCESS, pid, 5));
  T("scheduler", sched_setscheduler(pid, SCHED_OTHER, &param));
  T("param", sched_setparam(pid, &param));
  T("affinity", sched_setaffinity(pid, sizeof cpus, &cpus));
  T("ioprio", syscall(SYS_ioprio_set, 1, pid, (2 << 13) | 4));
  T("getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
  T("kcmp", syscall(SYS_kcmp, pid, pid, 2, 0, 0));
  T("readv", syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0));
  T("robust", syscall(SYS_get_robust_list, pid, buf, buf + 8));
  T("migrate", syscall(SYS_migrate_pages, pid, 1, 0, 0));
  T("madvise", syscall(SYS_process_madvise, pidfd, &there, 1, 20 /* MADV_COLD */, 0));
  sprintf(name, "/proc/%d/environ", pid);
  T("environ", open(name, O_RDONLY));
  sprintf(name, "/proc/%d/cwd", pid);
  T("cwd", readlink(name, buf, sizeof buf));
  P("\n");
}

int main(void) {
  static const int who[][3] = {{100, 100, 100}, {100, 200, 100}, {200, 100, 300}, {300, 300, 300}, {0, 100, 100}, {100, 0, 0}};
  static const int whom[][3] = {{100, 100, 100}, {100, 200, 300}, {200, 100, 100}, {0, 100, 100}, {0, 0, 0}};
  for (int w = 0; w < 6; w++) {
    pid_t pids[5];
    for (int i = 0; i < 5; i++) pids[i] = target(whom[i]);
    pid_t pid = fork();
    if (pid == 0) {
      become(who[w]);
      for (int i = 0; i < 5; i++) {
        P("%d/%d/%d to %d/%d/%d:", who[w][0], who[w][1], who[w][2], whom[i][0], whom[i][1], whom[i][2]);
        look(pids[i]);
      }
      _exit(0);
    }
    waitpid(pid, 0, 0);
    for (int i = 0; i < 5; i++) {
      kill(pids[i], SIGKILL);
      waitpid(pids[i], 0, 0);
    }
  }
  return 0;
}
