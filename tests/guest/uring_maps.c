// io_uring: rings in memory of the program, buffer rings of the kernel's making, bundles, and timeouts that change.
// libc: glibc
#include "guest.h"
#include "uring.h"
#include <linux/time_types.h>
#include <sys/socket.h>

#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1u << 14)
#define IORING_SETUP_REGISTERED_FD_ONLY (1u << 15)
#endif
/** The last eight bytes of the offsets: where the rings are to be. */
#define USER(off) (*(uint64_t *)((char *)&p.off + 32))
#define PBUF_MMAP 1
#define PBUF_INC 2
#define OFF_PBUF 0x80000000ull
#define BUNDLE (1 << 4)

struct buf { uint64_t addr; uint32_t len; uint16_t bid, tail; };
struct reg { uint64_t addr; uint32_t entries; uint16_t group, flags; uint64_t resv[3]; };

static long reg(int op, void *arg, unsigned n) { return syscall(SYS_io_uring_register, fd, op, arg, n); }

/** Completions as they lie in the ring. */
static void in_order(const char *what, int n) {
  P("%s:", what);
  for (int i = 0; i < n; i++) {
    while (!ready())
      if (enter(0, 1, IORING_ENTER_GETEVENTS) < 0) break;
    if (!ready()) break;
    unsigned h = AT(unsigned, p.cq_off.head);
    struct io_uring_cqe *c = (struct io_uring_cqe *)(rings + p.cq_off.cqes) + (h & (p.cq_entries - 1));
    P(" [%lu: %d %x]", (unsigned long)c->user_data, c->res, c->flags & ~IORING_CQE_F_SOCK_NONEMPTY);
    __atomic_store_n((unsigned *)(rings + p.cq_off.head), h + 1, __ATOMIC_RELEASE);
  }
  P("%s\n", ready() ? " and more" : "");
}

static void timeouts(void) {
  struct __kernel_timespec day = {86400, 0}, soon = {0, 2000000}, bad = {-1, 0};
  int pipes[2];
  char byte;
  pipe(pipes);
  new_ring(0, 32, 0);
#define READ_LIMITED(t)                                                                            \
  sqe(IORING_OP_READ, pipes[0], &byte, 1, 0, 1)->flags = IOSQE_IO_LINK;                            \
  sqe(IORING_OP_LINK_TIMEOUT, -1, &(t), 1, 0, 2);                                                  \
  enter(2, 0, 0);
#define UPDATE(data, t, fl)                                                                        \
  do {                                                                                             \
    sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)(data), 0, (uintptr_t)(t), 9)->timeout_flags = fl;   \
    enter(1, 1, IORING_ENTER_GETEVENTS);                                                           \
  } while (0)
  READ_LIMITED(day);
  UPDATE(2L, &soon, IORING_LINK_TIMEOUT_UPDATE);
  in_order("only LINK_TIMEOUT_UPDATE", 1);
  UPDATE(2L, &soon, IORING_TIMEOUT_UPDATE);
  in_order("TIMEOUT_UPDATE of a link timeout", 1);
  UPDATE(3L, &soon, IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE);
  in_order("of another", 1);
  UPDATE(1L, &soon, IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE);
  in_order("of the read", 1);
  UPDATE(2L, &bad, IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE);
  in_order("to a bad time", 1);
  UPDATE(2L, 8, IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE);
  in_order("to no time", 1);
  UPDATE(2L, &soon, IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE | IORING_TIMEOUT_BOOTTIME);
  in_order("with a clock", 1);
  UPDATE(2L, &soon, IORING_TIMEOUT_BOOTTIME);
  in_order("a clock alone", 1);
  UPDATE(2L, &soon, IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE);
  in_order("of it", 3);
  READ_LIMITED(day);
  UPDATE(2L, 0, 0);
  in_order("a link timeout is not removed", 1);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)2, 0, 0, 9);
  enter(1, 1, IORING_ENTER_GETEVENTS);
  in_order("or cancelled", 1);
  write(pipes[1], "x", 1);
  in_order("the read came first", 2);

  sqe(IORING_OP_TIMEOUT, -1, &day, 1, 0, 1);
  sqe(IORING_OP_TIMEOUT, -1, &day, 1, 5, 2);
  enter(2, 0, 0);
  UPDATE(1L, 0, 0);
  in_order("a timeout is removed", 2);
  UPDATE(2L, &soon, IORING_TIMEOUT_UPDATE);
  in_order("a timeout that counts is hurried", 2);
  sqe(IORING_OP_TIMEOUT, -1, &day, 1, 0, 1);
  enter(1, 0, 0);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 9);
  enter(1, 2, IORING_ENTER_GETEVENTS);
  in_order("a timeout is cancelled", 2);
  sqe(IORING_OP_READ, pipes[0], &byte, 1, 0, 1);
  enter(1, 0, 0);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 9);
  enter(1, 2, IORING_ENTER_GETEVENTS);
  in_order("a read is cancelled", 2);
  sqe(IORING_OP_POLL_ADD, pipes[0], 0, 0, 0, 1)->poll_events = 1;
  enter(1, 0, 0);
  sqe(IORING_OP_POLL_REMOVE, -1, (void *)1, 0, 0, 9);
  enter(1, 2, IORING_ENTER_GETEVENTS);
  in_order("a poll is removed", 2);
  sqe(IORING_OP_POLL_ADD, pipes[0], 0, 0, 0, 1)->poll_events = 1;
  enter(1, 0, 0);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 9);
  enter(1, 2, IORING_ENTER_GETEVENTS);
  in_order("a poll is cancelled", 2);
  READ_LIMITED(day);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 0, 9);
  enter(1, 3, IORING_ENTER_GETEVENTS);
  in_order("a read with a limit is cancelled", 3);
  sqe(IORING_OP_TIMEOUT, -1, &day, 1, 0, 1)->timeout_flags = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;
  enter(1, 1, IORING_ENTER_GETEVENTS);
  in_order("two clocks", 1);
  sqe(IORING_OP_TIMEOUT, -1, &day, 1, 0, 1)->timeout_flags = IORING_TIMEOUT_ABS | (1 << 6);
  enter(1, 1, IORING_ENTER_GETEVENTS);
  in_order("again and again at one time", 1);
  sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 3, 1)->timeout_flags = 1 << 6;
  enter(1, 0, 0);
  in_order("three times", 3);
}

static void own_memory(void) {
  char *mem = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#define SETUP(fl, cq, sq)                                                                          \
  (memset(&p, 0, sizeof p), p.flags = (fl), USER(cq_off) = (uintptr_t)(cq),        \
   USER(sq_off) = (uintptr_t)(sq), fd = syscall(SYS_io_uring_setup, 8, &p))
  R(SETUP(0, mem, mem) > 0);
  R(USER(cq_off) == 0);
  R(close(fd));
  R(SETUP(IORING_SETUP_NO_MMAP, 0, 0));
  R(SETUP(IORING_SETUP_NO_MMAP, mem + 8, mem));
  R(SETUP(IORING_SETUP_NO_MMAP, mem, mem + 64));
  R(SETUP(IORING_SETUP_NO_MMAP, mem, 4096));
  R(SETUP(IORING_SETUP_NO_MMAP, ro, mem));
  R(SETUP(IORING_SETUP_REGISTERED_FD_ONLY, mem, mem + 65536));
  R(SETUP(IORING_SETUP_NO_MMAP, mem, mem + 65536) > 0);
  R(USER(cq_off) == (uintptr_t)mem);
  R(USER(sq_off) == (uintptr_t)mem + 65536);
  OK(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, IORING_OFF_SQ_RING));
  OK(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, IORING_OFF_SQES));
  rings = mem, sqes = (void *)(mem + 65536), tail = 0;
  P("masks %u %u, entries %u %u\n", AT(unsigned, p.sq_off.ring_mask), AT(unsigned, p.cq_off.ring_mask), AT(unsigned, p.sq_off.ring_entries), AT(unsigned, p.cq_off.ring_entries));
  for (int i = 0; i < 20; i++) {
    sqe(IORING_OP_NOP, -1, 0, 0, 0, i);
    enter(1, 0, 0);
    in_order("nop", 1);
  }
  // The rings stay the parent's when it writes after a fork, and go on with the mapping read-only in between.
  pid_t child = fork();
  if (!child) {
    memset(mem, 0, 65536);
    _exit(0);
  }
  AT(unsigned, p.sq_off.dropped) = 0;
  waitpid(child, 0, 0);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 70);
  R(enter(1, 0, 0));
  in_order("after a fork", 1);
  mprotect(mem, 1 << 20, PROT_READ);
  mprotect(mem, 1 << 20, PROT_READ | PROT_WRITE);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 71);
  R(enter(1, 0, 0));
  in_order("after mprotect", 1);
  close(fd);

  memset(mem, 0, 1 << 20);
  // The descriptor is a number of the ring's own table.
  R(SETUP(IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY | (1u << 16), mem, mem + 65536));
  rings = mem, sqes = (void *)(mem + 65536);
  sqes[0].opcode = IORING_OP_NOP, sqes[0].user_data = 5;
  AT(unsigned, p.sq_off.tail) = 1;
  R(syscall(SYS_io_uring_enter, fd, 1, 0, IORING_ENTER_REGISTERED_RING, 0, 0));
  P("%u ready\n", ready());
  R(SETUP(IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY, mem + 131072, mem + 131072 + 65536));
  struct { unsigned offset, resv; uint64_t data; } up = {0, 0, 0};
  R(syscall(SYS_io_uring_register, 0, 21, &up, 1));
  fd = -1;
}

static struct buf *bufs;
static char *place;
static void give(int slot, int len) {
  bufs[slot].addr = (uintptr_t)place + slot * 1000;
  bufs[slot].len = len;
  bufs[slot].bid = slot + 100;
}

static void kernel_rings(void) {
  place = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  new_ring(0, 32, 0);
  struct reg r = {.entries = 8, .group = 3, .flags = PBUF_MMAP};
  OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, OFF_PBUF | (3ull << 16)));
  r.entries = 7;
  R(reg(IORING_REGISTER_PBUF_RING, &r, 1));
  r.entries = 8;
  R(reg(IORING_REGISTER_PBUF_RING, &r, 1));
  R(reg(IORING_REGISTER_PBUF_RING, &r, 1));
  OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, OFF_PBUF | (4ull << 16)));
  OK(mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, OFF_PBUF | (3ull << 16)));
  bufs = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, OFF_PBUF | (3ull << 16));
  if (bufs == MAP_FAILED) {
    P("no map\n");
    return;
  }
  for (int i = 0; i < 4; i++) give(i, 10);
  __atomic_store_n(&bufs[0].tail, 4, __ATOMIC_RELEASE);
  int pipes[2];
  pipe(pipes);
  write(pipes[1], "0123456789abcdefghijklmnopqrstuvwxyz", 36);
  for (int i = 0; i < 5; i++) {
    struct io_uring_sqe *s = sqe(IORING_OP_READ, pipes[0], 0, 7, 0, i);
    s->flags = IOSQE_BUFFER_SELECT;
    s->buf_group = 3;
    enter(1, 0, 0);
    in_order("read", 1);
  }
  for (int i = 0; i < 4; i++) P("%.10s\n", place + 1000 * i);
  r.flags = 0;
  R(reg(IORING_UNREGISTER_PBUF_RING, &r, 1));
  OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, OFF_PBUF | (3ull << 16)));
  P("tail %d\n", bufs[0].tail);
  munmap(bufs, 4096);
  // Other places to map.
  OK(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0x18000000));
  OK(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0x100000000));
  OK(mmap(place, 4096, PROT_READ, MAP_SHARED, fd, IORING_OFF_SQ_RING));
  OK(mmap(place, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, IORING_OFF_SQ_RING));
  OK(mmap(0, 1 << 20, PROT_READ, MAP_SHARED, fd, IORING_OFF_SQ_RING));
  OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, IORING_OFF_SQ_RING));
}

static void again(int n, int len) {
  for (int i = 0; i < n; i++) {
    struct buf *b = &bufs[(bufs[0].tail + i) & 7];
    int slot = b - bufs;
    b->addr = (uintptr_t)place + slot * 1000, b->len = len, b->bid = slot + 100;
  }
  __atomic_store_n(&bufs[0].tail, bufs[0].tail + n, __ATOMIC_RELEASE);
}

static void bundles(void) {
  place = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bufs = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int s[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  new_ring(0, 32, 0);
  P("feature %d\n", (p.features >> 14) & 1);
  struct reg r = {.addr = (uintptr_t)bufs, .entries = 8, .group = 1};
  R(reg(IORING_REGISTER_PBUF_RING, &r, 1));
  for (int i = 0; i < 8; i++) memset(place + 1000 * i, 'a' + i, 1000);
#define BUNDLED(op, f, n, ioprio_)                                                                 \
  ({                                                                                               \
    struct io_uring_sqe *q = sqe(op, f, 0, n, 0, 1);                                               \
    q->flags = IOSQE_BUFFER_SELECT, q->buf_group = 1, q->ioprio = ioprio_;                         \
    q;                                                                                             \
  })
  struct msghdr none = {0};
  sqe(IORING_OP_SENDMSG, s[0], &none, 1, 0, 1)->ioprio = BUNDLE;
  enter(1, 0, 0);
  in_order("sendmsg", 1);
  BUNDLED(IORING_OP_SEND, s[0], 0, 0);
  enter(1, 0, 0);
  in_order("send, no buffers", 1);
  again(3, 10);
  BUNDLED(IORING_OP_SEND, s[0], 0, 0);
  enter(1, 0, 0);
  in_order("send one", 1);
  BUNDLED(IORING_OP_SEND, s[0], 0, BUNDLE);
  enter(1, 0, 0);
  in_order("send two", 1);
  char got[100];
  P("%ld %.30s\n", (long)read(s[1], got, 100), got);
  again(4, 10);
  BUNDLED(IORING_OP_SEND, s[0], 25, BUNDLE);
  enter(1, 0, 0);
  in_order("send 25 of 40", 2);
  P("%ld\n", (long)recv(s[1], got, 100, MSG_DONTWAIT));
  BUNDLED(IORING_OP_SEND, s[0], 0, BUNDLE);
  enter(1, 0, 0);
  in_order("the rest", 1);
  P("%ld\n", (long)recv(s[1], got, 100, MSG_DONTWAIT));
  again(4, 10);
  write(s[1], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 20);
  BUNDLED(IORING_OP_RECV, s[0], 20, BUNDLE);
  enter(1, 0, 0);
  in_order("receive 20", 1);
  struct { unsigned group, head, resv[8]; } st = {1};
  R(reg(26, &st, 1));
  P("head %u\n", st.head);
  BUNDLED(IORING_OP_RECV, s[0], 20, BUNDLE);
  enter(1, 0, 0);
  P("%u ready\n", ready());
  write(s[1], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 15);
  in_order("receive 15", 1);
  P("%.10s %.10s\n", place + ((st.head & 7) * 1000), place + ((st.head + 1) & 7) * 1000);
  BUNDLED(IORING_OP_RECV, s[0], 20, BUNDLE);
  enter(1, 0, 0);
  in_order("receive, no buffers", 1);
  again(8, 10);
  close(s[1]);
  BUNDLED(IORING_OP_RECV, s[0], 20, BUNDLE);
  enter(1, 0, 0);
  in_order("to the end", 1);
  R(reg(26, &st, 1));
  P("head %u\n", st.head);
}

int main(void) {
  timeouts();
  own_memory();
  kernel_rings();
  bundles();
}
