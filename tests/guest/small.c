// Calls that fit no other program: kcmp, process_madvise, process_mrelease, memory policies, cachestat, fchmodat2, mseal, acct,
// clone3 with a chosen number, waitid on a pidfd that does not wait.
#include "guest.h"
#include <linux/kcmp.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/acct.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static long kcmp(pid_t a, pid_t b, int t, unsigned long x, unsigned long y) {
  return syscall(SYS_kcmp, a, b, t, x, y);
}
static int pidfd(pid_t p) { return syscall(434, p, 0); }

int main(void) {
  pid_t me = getpid();
  // kcmp
  int a = open("/dev/null", O_RDONLY), b = dup(a), c = open("/dev/null", O_RDONLY);
  R(kcmp(me, me, KCMP_FILE, a, b));
  R(kcmp(me, me, KCMP_FILE, a, c) > 0);
  R(kcmp(me, me, KCMP_FILE, a, c) + kcmp(me, me, KCMP_FILE, c, a));
  R(kcmp(me, me, KCMP_FILE, a, 77));
  R(kcmp(me, me, KCMP_VM, 0, 0));
  R(kcmp(me, 999999, KCMP_VM, 0, 0));
  R(kcmp(me, me, 99, 0, 0));
  pid_t p = fork();
  if (!p) pause();
  R(kcmp(me, p, KCMP_FILE, a, b));
  R(kcmp(me, p, KCMP_VM, 0, 0) > 0);
  R(kcmp(me, p, KCMP_FILES, 0, 0) > 0);
  R(kcmp(me, p, KCMP_SIGHAND, 0, 0) > 0);
  R(kcmp(me, p, KCMP_SYSVSEM, 0, 0));
  int ep = epoll_create1(0);
  int ends[2];
  pipe(ends);
  struct epoll_event ev = {EPOLLIN};
  epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &ev);
  struct kcmp_epoll_slot slot = {ep, ends[0], 0};
  R(kcmp(me, me, KCMP_EPOLL_TFD, ends[0], (unsigned long)&slot));
  slot.toff = 1;
  R(kcmp(me, me, KCMP_EPOLL_TFD, ends[0], (unsigned long)&slot));
  slot.tfd = 0;
  R(kcmp(me, me, KCMP_EPOLL_TFD, ends[0], (unsigned long)&slot));

  // process_madvise, process_mrelease
  char *m = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(m, 1, 16384);
  struct iovec v[2] = {{m, 4096}, {m + 8192, 4096}};
  int fd = pidfd(p), self = pidfd(me);
  R(syscall(440, fd, v, 2, MADV_COLD, 0));
  R(syscall(440, fd, v, 2, MADV_DONTNEED, 0));
  R(syscall(440, fd, v, 2, MADV_COLD, 1));
  R(syscall(440, a, v, 2, MADV_COLD, 0));
  R(syscall(440, self, v, 2, MADV_WILLNEED, 0));
  v[1].iov_base = (void *)-4096;
  R(syscall(440, self, v, 2, MADV_COLD, 0));
  R(syscall(448, fd, 0));
  R(syscall(448, fd, 1));
  R(syscall(448, a, 0));
  kill(p, SIGKILL);
  waitpid(p, 0, 0);
  R(syscall(448, fd, 0));
  close(fd);

  // Memory policies on the first node.
  int mode = -1;
  unsigned long mask = -1;
  R(syscall(SYS_get_mempolicy, &mode, &mask, 64, 0, 0));
  P("mode %d mask %lx\n", mode, mask & 0xff);
  mask = 1;
  R(syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 64));
  R(syscall(SYS_get_mempolicy, &mode, &mask, 64, 0, 0));
  P("mode %d mask %lx\n", mode, mask & 0xff);
  R(syscall(SYS_set_mempolicy, 77, &mask, 64));
  R(syscall(SYS_set_mempolicy, MPOL_DEFAULT, &mask, 64));
  R(syscall(SYS_set_mempolicy, MPOL_BIND, 0, 0));
  R(syscall(SYS_set_mempolicy, MPOL_DEFAULT, 0, 0));
  R(syscall(SYS_mbind, m, 4096, MPOL_PREFERRED, &mask, 64, 0));
  R(syscall(SYS_mbind, m + 1, 4096, MPOL_PREFERRED, &mask, 64, 0));
  R(syscall(SYS_mbind, m, 4096, MPOL_PREFERRED, &mask, 64, 99));
  R(syscall(SYS_get_mempolicy, &mode, &mask, 64, m, MPOL_F_ADDR));
  P("mode %d mask %lx\n", mode, mask & 0xff);
  R(syscall(SYS_get_mempolicy, &mode, 0, 0, m + 4096, MPOL_F_ADDR));
  P("mode %d\n", mode);
  R(syscall(SYS_get_mempolicy, &mode, 0, 0, m, MPOL_F_NODE | MPOL_F_ADDR));
  P("node %d\n", mode);
  // A mapping without a policy of its own has the default one, whatever the task's is.
  mask = 1;
  R(syscall(SYS_set_mempolicy, MPOL_PREFERRED, &mask, 64));
  R(syscall(SYS_get_mempolicy, &mode, 0, 0, &mask, MPOL_F_ADDR));
  P("policy %d\n", mode);
  R(syscall(SYS_set_mempolicy, MPOL_DEFAULT, 0, 0));
  R(syscall(SYS_get_mempolicy, &mode, &mask, 64, 0, MPOL_F_MEMS_ALLOWED));
  R(mask & 1);
  R(syscall(SYS_get_mempolicy, &mode, 0, 0, m, 0));
  void *pages[3] = {m, m + 4096, (void *)4096};
  int status[3], nodes[1] = {0};
  munmap(m + 12288, 4096);
  char *fresh = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pages[1] = fresh;
  R(syscall(SYS_move_pages, 0, 3, pages, 0, status, 0));
  P("%d %d %d\n", status[0], status[1], status[2]);
  R(syscall(SYS_move_pages, 0, 1, pages, nodes, status, MPOL_MF_MOVE));
  R(status[0]);
  R(syscall(SYS_move_pages, 999999, 1, pages, 0, status, 0));
  R(syscall(SYS_migrate_pages, 0, 64, &mask, &mask));
  R(syscall(450, m, 4096, 0, 1));

  // cachestat, fchmodat2
  int f = open("/tmp/small.file", O_CREAT | O_RDWR | O_TRUNC, 0600);
  write(f, m, 8193);
  struct {
    uint64_t off, len;
  } range = {0, 0};
  uint64_t cs[5] = {9, 9, 9, 9, 9};
  R(syscall(451, f, &range, cs, 0));
  P("cached %lu\n", (unsigned long)cs[0]);
  range.off = 4096;
  range.len = 4096;
  R(syscall(451, f, &range, cs, 0));
  P("cached %lu\n", (unsigned long)cs[0]);
  R(syscall(451, f, &range, cs, 1));
  R(syscall(451, 77, &range, cs, 0));
  R(syscall(452, AT_FDCWD, "/tmp/small.file", 0640, 0));
  struct stat st;
  stat("/tmp/small.file", &st);
  P("%o\n", st.st_mode);
  R(syscall(452, f, "", 0600, AT_EMPTY_PATH));
  R(syscall(452, f, "", 0600, 1));

  // mseal
  char *s = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(s, 4096, PROT_READ);
  R(syscall(462, s + 1, 4096, 0));
  R(syscall(462, s, 4096, 1));
  R(syscall(462, s, -1L, 0));
  R(syscall(462, -4096L, 2 * 4096L, 0));
  R(syscall(462, s, 2 * 4096, 0));
  R(syscall(462, s, 2 * 4096, 0));
  R(munmap(s, 4096));
  R(munmap(s, 3 * 4096));
  R(mprotect(s, 4096, PROT_NONE));
  R(mprotect(s + 8192, 4096, PROT_READ));
  R(mremap(s + 4096, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0);
  R(mmap(s, 4096, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0);
  R(madvise(s, 4096, MADV_DONTNEED));
  R(madvise(s + 4096, 4096, MADV_DONTNEED));
  R(syscall(462, s + 1024 * 4096L * 1024, 4096, 0));

  // clone3 with a chosen number
  struct clone_args args = {0};
  pid_t want = 30123;
  args.exit_signal = SIGCHLD;
  args.set_tid = (uintptr_t)&want;
  args.set_tid_size = 1;
  pid_t q = syscall(435, &args, sizeof args);
  if (!q) _exit(getpid() == want ? 7 : 8);
  P("%d\n", q == want);
  int wst;
  waitpid(q, &wst, 0);
  R(WEXITSTATUS(wst));
  want = me;
  R(syscall(435, &args, sizeof args));
  want = -1;
  R(syscall(435, &args, sizeof args));
  args.set_tid_size = 0;
  R(syscall(435, &args, sizeof args));

  // waitid
  p = fork();
  if (!p) pause();
  fd = syscall(434, p, O_NONBLOCK);
  siginfo_t si;
  R(waitid(P_PIDFD, fd, &si, WEXITED));
  R(waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG));
  kill(p, SIGKILL);
  waitpid(p, 0, 0);
  R(waitid(P_PIDFD, fd, &si, WEXITED));
  R(waitid(P_PIDFD, a, &si, WEXITED));
  unlink("/tmp/small.file");
  // One bit of O_SYNC is both.
  int sync = open("/tmp/small.sync", O_CREAT | O_RDWR | (O_SYNC & ~O_DSYNC), 0600);
  P("%x\n", fcntl(sync, F_GETFL) & O_SYNC);
  unlink("/tmp/small.sync");
  return 0;
}
