// What rings can be told since Linux 6.1: rings by number in io_uring_register(2) itself, buffers that are used up bit by bit,
// where a buffer ring stands, the clock of waits, buffers of another ring; and waits that are content with less after a while.
#include "guest.h"
#include "uring.h"
#include <sys/socket.h>
#include <sys/uio.h>

#define REG(op, arg, n) syscall(SYS_io_uring_register, fd, op, arg, n)
#define BY_NUMBER 0x80000000u
#define BUF_MORE 16

static int setup(unsigned flags) {
  memset(&p, 0, sizeof p);
  p.flags = flags;
  tail = 0;
  fd = syscall(SYS_io_uring_setup, 8, &p);
  size_t size = p.cq_off.cqes + p.cq_entries * 16 + p.sq_entries * 4;
  rings = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
  sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
  return fd;
}

static void by_number(void) {
  struct io_uring_rsrc_update reg = {-1, 0, fd};
  char probe[16 + 8 * 8] = {0};
  P("%x\n", p.features & 0xa000);
  R(syscall(SYS_io_uring_register, 3, IORING_REGISTER_PROBE | BY_NUMBER, probe, 8));
  R(REG(20, &reg, 1));
  P("%d\n", reg.offset);
  R(syscall(SYS_io_uring_register, reg.offset, IORING_REGISTER_PROBE | BY_NUMBER, probe, 8));
  R(syscall(SYS_io_uring_register, 5, IORING_REGISTER_PROBE | BY_NUMBER, probe, 8));
  R(syscall(SYS_io_uring_register, 16, IORING_REGISTER_PROBE | BY_NUMBER, probe, 8));
  R(syscall(SYS_io_uring_register, -1, IORING_REGISTER_PROBE | BY_NUMBER, probe, 8));
  R(syscall(SYS_io_uring_register, -1, 1000, probe, 8));
  R(syscall(SYS_io_uring_register, -1, 1000 | BY_NUMBER, probe, 8));
  R(syscall(SYS_io_uring_register, 999, IORING_REGISTER_PROBE, probe, 8));
  R(syscall(SYS_io_uring_register, 0, IORING_REGISTER_PROBE, probe, 8));
  R(syscall(SYS_io_uring_register, reg.offset, 21 | BY_NUMBER, &reg, 1));
  R(syscall(SYS_io_uring_register, reg.offset, IORING_REGISTER_PROBE | BY_NUMBER, probe, 8));
}

static struct {
  uint32_t group, head, resv[8];
} status;
static int head(int group) {
  memset(&status, 0, sizeof status);
  status.group = group;
  return REG(26, &status, 1) ? -errno : status.head;
}

static char space[256];
static struct io_uring_buf *bufs;
static void one(int n) {
  enter(n, 1, IORING_ENTER_GETEVENTS);
  while (ready()) {
    unsigned h = AT(unsigned, p.cq_off.head);
    struct io_uring_cqe *c = (struct io_uring_cqe *)(rings + p.cq_off.cqes) + (h & (p.cq_entries - 1));
    P("  %d flags %x head %d, first %ld+%u\n", c->res, c->flags & ~4, head(1), (long)(bufs[0].addr - (uintptr_t)space), bufs[0].len);
    __atomic_store_n((unsigned *)(rings + p.cq_off.head), h + 1, __ATOMIC_RELEASE);
  }
}

static struct io_uring_sqe *take(int op, int f, unsigned len) {
  struct io_uring_sqe *s = sqe(op, f, 0, len, op == IORING_OP_READ ? -1 : 0, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = 1;
  return s;
}

static void bits(void) {
  struct {
    uint64_t addr;
    uint32_t entries;
    uint16_t group, flags;
    uint64_t resv[3];
  } reg = {0, 4, 1, 4};
  int s[2];
  bufs = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  reg.addr = (uintptr_t)bufs;
  R(head(1));
  R(REG(22, &reg, 1));
  reg.flags = 2;
  R(REG(22, &reg, 1));
  R(head(1));
  status.resv[3] = 1;
  R(REG(26, &status, 1));
  R(REG(26, &status, 2));
  R(REG(26, 0, 1));
  R(REG(26, 8, 1));
  bufs[0] = (struct io_uring_buf){(uintptr_t)space, 20, 7};
  bufs[1] = (struct io_uring_buf){(uintptr_t)space + 100, 50, 8};
  *(volatile uint16_t *)((char *)bufs + 14) = 2;
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  write(s[1], "abcde", 5);
  take(IORING_OP_RECV, s[0], 0);
  one(1);
  write(s[1], "fghijkl", 7);
  take(IORING_OP_READ, s[0], 3);
  one(1);
  take(IORING_OP_READ, s[0], 0);
  one(1);
  P("%s\n", space);
  write(s[1], "mnopqrstuvwxyz", 14);
  take(IORING_OP_RECV, s[0], 0)->ioprio = IORING_RECV_MULTISHOT;
  enter(1, 0, 0);
  one(0);
  P("%s %s\n", space, space + 100);
  shutdown(s[1], SHUT_WR);
  one(0);
  close(s[0]), close(s[1]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  close(s[1]);
  take(IORING_OP_RECV, s[0], 4);
  one(1);
  take(IORING_OP_READ, s[0], 4);
  one(1);
  R(REG(23, &reg, 1));
  R(head(1));
}

static void clocks(void) {
  uint32_t clock[4] = {CLOCK_BOOTTIME};
  R(REG(29, clock, 0));
  R(REG(29, clock, 1));
  R(REG(29, 0, 0));
  R(REG(29, 8, 0));
  clock[0] = CLOCK_REALTIME;
  R(REG(29, clock, 0));
  clock[0] = CLOCK_MONOTONIC;
  R(REG(29, clock, 0));
  clock[2] = 1;
  R(REG(29, clock, 0));
  struct timespec now, end;
  struct {
    uint64_t mask;
    uint32_t size, min_wait;
    uint64_t ts;
  } arg = {0, 0, 0, (uintptr_t)&end};
  clock_gettime(CLOCK_MONOTONIC, &now);
  end = now;
  end.tv_sec -= 1;
  R(syscall(SYS_io_uring_enter, fd, 0, 1, 1 | 8 | 32, &arg, sizeof arg));
  end = now, end.tv_nsec += 50000000;
  if (end.tv_nsec > 999999999) end.tv_nsec -= 1000000000, end.tv_sec++;
  R(syscall(SYS_io_uring_enter, fd, 0, 1, 1 | 8 | 32, &arg, sizeof arg));
  clock_gettime(CLOCK_MONOTONIC, &now);
  P("%d\n", now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec));
  R(syscall(SYS_io_uring_enter, fd, 0, 1, 1 | 8 | 64, &arg, sizeof arg) < 0);
  // One of two wanted is enough after 30 ms, long before the timeout; none is not.
  end = (struct timespec){20, 0};
  arg.min_wait = 30000;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 5);
  R(syscall(SYS_io_uring_enter, fd, 1, 2, 1 | 8, &arg, sizeof arg));
  reap(1);
  struct timespec later = {0, 80000000};
  sqe(IORING_OP_TIMEOUT, -1, &later, 1, 0, 6);
  R(syscall(SYS_io_uring_enter, fd, 1, 2, 1 | 8, &arg, sizeof arg));
  reap(1);
  end = (struct timespec){0, 60000000};
  R(syscall(SYS_io_uring_enter, fd, 0, 2, 1 | 8, &arg, sizeof arg));
  // It waits so long in any case, and without a timeout no longer.
  for (int timed = 0; timed < 2; timed++) {
    end = (struct timespec){0, 5000000};
    if (!timed) arg.ts = 0;
    struct timespec before;
    clock_gettime(CLOCK_MONOTONIC, &before);
    R(syscall(SYS_io_uring_enter, fd, 0, 2, 1 | 8, &arg, sizeof arg));
    clock_gettime(CLOCK_MONOTONIC, &now);
    P("%d\n", (now.tv_sec - before.tv_sec) * 1000000000 + now.tv_nsec - before.tv_nsec >= 30000000);
    arg.ts = (uintptr_t)&end;
  }
}

static void clone(void) {
  struct {
    uint32_t fd, flags, pad[6];
  } from = {fd};
  struct iovec iov[2] = {{space, 100}, {space + 100, 100}};
  int first = fd, pipes[2];
  pipe(pipes);
  R(REG(30, &from, 1));
  setup(0);
  R(REG(30, &from, 1));
  from.fd = pipes[0];
  R(REG(30, &from, 1));
  from.fd = -1;
  R(REG(30, &from, 1));
  from.fd = first, from.flags = 64;
  R(REG(30, &from, 1));
  from.flags = 1;
  R(REG(30, &from, 1));
  from.flags = 0;
  R(syscall(SYS_io_uring_register, first, IORING_REGISTER_BUFFERS, iov, 2));
  R(REG(30, &from, 2));
  R(REG(30, 0, 1));
  R(REG(30, 8, 1));
  R(REG(30, &from, 1));
  R(REG(30, &from, 1));
  R(syscall(SYS_io_uring_register, first, IORING_UNREGISTER_BUFFERS, 0, 0));
  strcpy(space + 100, "cloned");
  sqe(IORING_OP_WRITE_FIXED, pipes[1], space + 100, 6, 0, 1)->buf_index = 1;
  GO(1);
  char b[8] = "";
  R(read(pipes[0], b, 8));
  P("%s\n", b);
  sqe(IORING_OP_WRITE_FIXED, pipes[1], space + 100, 6, 0, 2)->buf_index = 2;
  GO(1);
  R(REG(IORING_UNREGISTER_BUFFERS, 0, 0));
}

int main(void) {
  setup(0);
  by_number();
  bits();
  clocks();
  clone();
  return 0;
}
