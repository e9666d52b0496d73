/* Small rules of calls: what wraps, what is looked at first, what a file that cannot be sought says. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/swap.h>
#include <sys/timerfd.h>

#define PAGE 4096
#define OKMAP(c) P("%s: %d\n", #c, (errno = 0, (c) == MAP_FAILED) ? errno : 0)

static void seeking(void) {
  puts("seeking");
  sigset_t none;
  sigemptyset(&none);
  int ends[2];
  pipe(ends);
  R(lseek(eventfd(0, 0), 5, SEEK_SET));
  R(lseek(timerfd_create(CLOCK_MONOTONIC, 0), 0, SEEK_CUR));
  R(lseek(signalfd(-1, &none, 0), 0, SEEK_END));
  R(lseek(epoll_create1(0), 1, SEEK_SET));
  R(lseek(inotify_init(), 1, SEEK_SET));
  R(lseek(ends[0], 0, SEEK_CUR));
  struct epoll_event ev = {EPOLLIN | EPOLLOUT};
  int ep = epoll_create1(0);
  R(epoll_ctl(ep, EPOLL_CTL_ADD, open("/proc/version", O_RDONLY), &ev));
  R(epoll_wait(ep, &ev, 1, 0));
  P("%x\n", ev.events);
  R(epoll_ctl(ep, EPOLL_CTL_ADD, open("/proc/self/stat", O_RDONLY), &ev));
}

static void segments(void) {
  puts("segments");
  int id = shmget(0x77123, 5000, IPC_CREAT | 0600);
  struct shmid_ds ds;
  char *p = shmat(id, 0, 0);
  R(shmctl(id, SHM_LOCK, 0));
  shmctl(id, IPC_STAT, &ds);
  P("%o\n", ds.shm_perm.mode);
  R(shmctl(id, SHM_UNLOCK, 0));
  R(shmctl(id, IPC_RMID, 0));
  shmctl(id, IPC_STAT, &ds);
  P("%o key %x\n", ds.shm_perm.mode, ds.shm_perm.__key);
  R(shmget(0x77123, 100, 0600));
  shmdt(p);
  struct shminfo info;
  R(shmctl(0, IPC_INFO, (void *)&info) >= 0);
  P("%lx %lx\n", info.shmmax, info.shmall);
}

static void memory(void) {
  puts("memory");
  int f = open("/tmp/rules", O_CREAT | O_RDWR | O_TRUNC, 0644);
  ftruncate(f, 2 * PAGE);
  OKMAP(mmap(0, PAGE, 3, 3, f, 0));
  OKMAP(mmap(0, PAGE, 3, 3 | 0x80000000, f, 0));
  OKMAP(mmap(0, PAGE, 3, 3 | 0x80000, f, 0));
  OKMAP(mmap(0, PAGE, 3, 3 | MAP_ANONYMOUS, -1, 0));
  OKMAP(mmap(0, PAGE, 3, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
  OKMAP(mmap(0, PAGE, 3, MAP_PRIVATE | MAP_GROWSDOWN, f, 0));
  OKMAP(mmap(0, PAGE, 3, MAP_PRIVATE, f, 0x7ffffffffffff000));
  OKMAP(mmap(0, -1, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char *a = mmap(0, 4 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(mlock(a, -1));
  R(munlock(a, -1));
  R(munmap(a, -1));
  R(mprotect(a, -1, 1));
  R(msync(a, -1, MS_SYNC));
  R(madvise(a, -1, MADV_NORMAL));
  OKMAP(mremap(a, PAGE, -1, MREMAP_MAYMOVE));
  mlock(a, PAGE);
  R(madvise(a, PAGE, MADV_FREE));
  R(madvise(a, PAGE, 20));
  R(madvise(a, PAGE, 21));
  R(madvise(a, PAGE, MADV_DONTNEED));
  R(madvise(a, 2 * PAGE, 25));
}

static void processes(void) {
  puts("processes");
  R(setpgid(-1, 0));
  R(setpgid(-1, 5));
  int pf = syscall(434, getpid(), 0);
  siginfo_t si = {.si_signo = 5};
  R(syscall(424, pf, 0, &si, 0));
  R(syscall(424, pf, 0, 8L, 0));
  R(syscall(424, pf, 0, 0, 3));
  R(syscall(424, pf, 0, 0, 8));
  R(syscall(424, pf, 99, 0, 0));
  R(syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 8));
  R(syscall(SYS_ioprio_set, 1, 0, 1));
  R(syscall(SYS_ioprio_set, 1, 0, 4 << 13));
  R(swapon("/none", 0));
  R(swapon("/none", 0x800000));
  R(swapoff("/none"));
}

static void descriptors(void) {
  puts("descriptors");
  int f = open("rules.lock", O_RDWR | O_CREAT, 0644), g = open("rules.lock", O_RDONLY);
  // The access mode is looked at before l_pid.
  struct flock fl = {F_WRLCK, SEEK_SET, 0, 0, 5};
  R(fcntl(g, F_OFD_SETLK, &fl));
  R(fcntl(f, F_OFD_SETLK, &fl));
  R(fcntl(g, F_OFD_GETLK, &fl));
  // Regular files send no signals.
  R(fcntl(g, F_SETFL, O_ASYNC));
  R(fcntl(g, F_GETFL) & O_ASYNC);
  int on = 1;
  R(ioctl(g, FIOASYNC, &on));
  unlink("rules.lock");
  // Lengths and positions that wrap.
  ftruncate(f, 8192);
  off_t from = -5, to = 100;
  R(copy_file_range(f, &from, f, &to, 10, 0));
  from = -50;
  R(copy_file_range(f, &from, f, &to, 10, 0));
  from = 1;
  R(copy_file_range(f, &from, f, &to, -1, 0));
  from = 0;
  R(sendfile(f, g, &from, -1));
  struct { unsigned bytes; int type; char handle[16]; } handle = {0};
  R(syscall(SYS_open_by_handle_at, 99, &handle, 0));
  handle.bytes = 8;
  R(syscall(SYS_open_by_handle_at, 99, &handle, 0));
  R(syscall(SYS_quotactl, 0, "missing", 0, 0));
  R(syscall(SYS_quotactl, 0, "/", 0, 0));
  R(syscall(SYS_quotactl, 3, "/", 0, 0));
  R(syscall(SYS_quotactl, 0, 0, 0, 0));
  R(syscall(SYS_quotactl, 0x80000100, 0, 0, 0));
  R(syscall(443, 99, 3, 0, 0));
  R(syscall(443, 99, 0, 0, 0));
  // The timer is set before the old setting is written.
  int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec it = {{0, 0}, {0, 1000}};
  R(timerfd_settime(t, 0, &it, (void *)8));
  usleep(2000);
  uint64_t n;
  R(read(t, &n, 8));
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  seeking();
  segments();
  memory();
  processes();
  descriptors();
  return 0;
}
