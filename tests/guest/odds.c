/* Small rules: file attributes, write hints, MSG_COPY, membarrier, clone3, pidfds over exec, map_files, mincore, clocks. */
#include "guest.h"
#include <dirent.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#define GETFLAGS 0x80086601
#define SETFLAGS 0x40086602
#define FSGETXATTR 0x801c581f
#define FSSETXATTR 0x401c5820

static void attributes(void) {
  puts("attributes");
  int f = open("f", O_CREAT | O_RDWR, 0644), flags = -1;
  unsigned fsx[7] = {0};
  R(ioctl(f, GETFLAGS, &flags));
  R(flags);
  flags = 0x20;
  R(ioctl(f, SETFLAGS, &flags));
  R(open("f", O_WRONLY));
  R(open("f", O_WRONLY | O_APPEND) >= 0);
  R(truncate("f", 0));
  R(unlink("f"));
  R(chmod("f", 0600));
  flags = 0x10;
  R(ioctl(f, SETFLAGS, &flags));
  R(open("f", O_WRONLY | O_APPEND));
  R(link("f", "g"));
  R(rename("f", "g"));
  R(utimensat(AT_FDCWD, "f", 0, 0));
  R(ioctl(f, FSGETXATTR, fsx));
  R(fsx[0]);
  unsigned char st[256];
  R(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x7ff, st));
  P("%lx\n", *(unsigned long *)(st + 8) & 0x70);
  if (fork() == 0) {
    setuid(1000);
    flags = 0;
    R(ioctl(f, SETFLAGS, &flags));
    _exit(0);
  }
  wait(0);
  fsx[0] = 0x80;
  R(ioctl(f, FSSETXATTR, fsx));
  R(ioctl(f, GETFLAGS, &flags));
  R(flags);
  fsx[0] = 0x1;
  R(ioctl(f, FSSETXATTR, fsx));
  flags = 0x4000;
  R(ioctl(f, SETFLAGS, &flags));
  R(unlink("f"));
  uint64_t hint = 4;
  R(fcntl(f, 1036, &hint));
  hint = 0;
  R(fcntl(f, 1035, &hint));
  R(hint);
  hint = 6;
  R(fcntl(f, 1036, &hint));
  R(ioctl(f, 0x40049409, f));
  R(ioctl(f, 0x40049409, 99));
  char c;
  struct iovec v = {&c, 1};
  R(syscall(SYS_preadv2, f, &v, 1, 0L, 0L, 8));
  R(readlink("", &c, 1));
  R(fcntl(f, F_SETFL, O_DIRECT));
  int ends[2];
  pipe(ends);
  R(sync_file_range(ends[0], 0, 1, 0));
  R(setxattr("/tmp/od", "security.capability", "v", 1, 0));
  close(f);
}

static void messages(void) {
  puts("messages");
  int q = msgget(IPC_PRIVATE, 0600);
  struct {
    long type;
    char text[8];
  } m = {1, "one"};
  msgsnd(q, &m, 4, 0);
  m.type = 2, strcpy(m.text, "two");
  msgsnd(q, &m, 4, 0);
  R(msgrcv(q, &m, 8, 1, 040000));
  R(msgrcv(q, &m, 8, 1, 040000 | IPC_NOWAIT | 020000));
  R(msgrcv(q, &m, 8, 1, 040000 | IPC_NOWAIT));
  P("%ld %s\n", m.type, m.text);
  R(msgrcv(q, &m, 8, 2, 040000 | IPC_NOWAIT));
  R(msgrcv(q, &m, 2, 0, 040000 | IPC_NOWAIT));
  R(msgrcv(q, &m, 8, 0, IPC_NOWAIT));
  P("%ld %s\n", m.type, m.text);
  msgctl(q, IPC_RMID, 0);
}

static void barriers(void) {
  puts("barriers");
  R(syscall(SYS_membarrier, 8, 0));
  R(syscall(SYS_membarrier, 32, 0));
  R(syscall(SYS_membarrier, 128, 0));
  R(syscall(SYS_membarrier, 1, 1));
  R(syscall(SYS_membarrier, 3, 0));
  R(syscall(SYS_membarrier, 1 << 20, 0));
  R(syscall(SYS_membarrier, 16, 0));
  R(syscall(SYS_membarrier, 8, 0));
  R(syscall(SYS_membarrier, 4, 0));
  R(syscall(SYS_membarrier, 2, 0));
  R(syscall(SYS_membarrier, 512, 0));
  if (fork() == 0) {
    R(syscall(SYS_membarrier, 512, 0));
    _exit(0);
  }
  wait(0);
}

static void on_usr1(int sig) {}
static void *execs(void *arg) {
  execl("prog", "prog", "wait", (char *)0);
  return 0;
}
static void processes(void) {
  puts("processes");
  signal(SIGUSR1, on_usr1);
  signal(SIGUSR2, SIG_IGN);
  fflush(stdout);
  struct clone_args a = {.flags = 0x100000000ULL, .exit_signal = SIGCHLD};
  if (syscall(SYS_clone3, &a, sizeof a) == 0) {
    struct sigaction sa;
    sigaction(SIGUSR1, 0, &sa);
    P("handler is default: %d\n", sa.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, 0, &sa);
    P("ignored stays: %d\n", sa.sa_handler == SIG_IGN);
    _exit(0);
  }
  wait(0);
  a.flags = 0x800000000ULL;
  R(syscall(SYS_clone3, &a, sizeof a));
  int pidfd = -1;
  pid_t p = fork();
  if (p == 0) {
    pthread_t t;
    pthread_create(&t, 0, execs, 0);
    for (;;) pause();
  }
  pidfd = syscall(434, p, 0);
  struct pollfd pf = {pidfd, POLLIN, 0};
  R(poll(&pf, 1, 3000));
  int status;
  waitpid(p, &status, 0);
  R(WEXITSTATUS(status));
}

static void memory(void) {
  puts("memory");
  int f = open("m", O_CREAT | O_RDWR | O_TRUNC, 0644);
  fallocate(f, 0, 0, 16384);
  char *p = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
  unsigned char vec[4];
  R(mincore(p, 16384, vec));
  P("%d %d\n", vec[0] & 1, vec[3] & 1);
  p[0] = 1;
  R(mincore(p, 16384, vec));
  P("%d\n", vec[0] & 1);
  char name[64], path[64] = "";
  sprintf(name, "/proc/self/map_files/%lx-%lx", (long)p, (long)p + 16384);
  R(readlink(name, path, 63) > 0);
  puts(strrchr(path, '/'));
  sprintf(name, "/proc/self/map_files/0%lx-%lx", (long)p, (long)p + 16384);
  R(readlink(name, path, 63));
  sprintf(name, "/proc/self/map_files/%lx-%lx", (long)p, (long)p + 8192);
  R(readlink(name, path, 63));
  int found = 0;
  DIR *d = opendir("/proc/self/map_files");
  for (struct dirent *e; (e = readdir(d));) found += strchr(e->d_name, '-') != 0;
  closedir(d);
  R(found >= 2);
  char *r = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(madvise(r, 4096, MADV_POPULATE_WRITE));
  R(madvise(r, 4096, MADV_POPULATE_READ));
  ftruncate(f, 0);
  R(madvise(p, 4096, MADV_POPULATE_READ));
  munmap(r, 4096);
  R(madvise(r, 4096, MADV_POPULATE_READ));
  close(f);
}

static void clocks(void) {
  puts("clocks");
  struct timespec ts = {0, 1000};
  for (int c = 4; c < 12; c++) {
    if (c == 7 || c == 11) continue;
    R(syscall(SYS_clock_nanosleep, c, 0, &ts, 0));
    timer_t id;
    struct sigevent se = {.sigev_notify = SIGEV_NONE};
    R(syscall(SYS_timer_create, c, &se, &id));
  }
  struct timex t = {.modes = ADJ_TICK, .tick = 8999};
  R(adjtimex(&t));
  t = (struct timex){.modes = 0x8000};
  R(adjtimex(&t));
  t = (struct timex){.modes = ADJ_SETOFFSET, .time = {0, 1000000}};
  R(adjtimex(&t));
  R(clock_adjtime(CLOCK_MONOTONIC, &t));
  R(clock_adjtime(99, &t));
  t.modes = ADJ_MICRO;
  R(adjtimex(&t) >= 0);
  R(t.precision);
  R(t.tick);
}

static void *lingers(void *a) {
  msleep(100);
  return 0;
}

/** A pidfd is readable when the last thread has ended. */
static void leader(void) {
  puts("a leader that ends first");
  int pf;
  pid_t child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pf, 0, 0);
  if (!child) {
    pthread_t t;
    pthread_create(&t, 0, lingers, 0);
    syscall(SYS_exit, 0);
  }
  msleep(30);
  struct pollfd f = {pf, POLLIN};
  siginfo_t si = {0};
  R(poll(&f, 1, 0));
  R(waitid(P_PID, child, &si, WEXITED | WNOHANG));
  R(si.si_pid);
  R(poll(&f, 1, 5000));
  R(waitpid(child, 0, 0) == child);
  close(pf);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    msleep(100);
    return 5;
  }
  setvbuf(stdout, 0, _IOLBF, 0);
  mkdir("/tmp/od", 0755);
  if (mount("none", "/tmp/od", "tmpfs", 0, "") || chdir("/tmp/od")) return 1;
  char buf[65536];
  int in = open("/proc/self/exe", O_RDONLY), out = open("prog", O_CREAT | O_WRONLY, 0755);
  for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;) write(out, buf, n);
  close(in), close(out);
  attributes();
  messages();
  barriers();
  processes();
  leader();
  memory();
  clocks();
  chdir("/");
  umount2("/tmp/od", MNT_DETACH);
  return 0;
}
