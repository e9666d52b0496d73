/* io_uring: what is registered with a ring, who submits (SQPOLL, one issuer), chains that fail, messages, what ends a wait. */
#include "guest.h"
#include "uring.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int reg(int op, const void *arg, unsigned n) { return syscall(SYS_io_uring_register, fd, op, arg, n); }

static int setup(unsigned flags, unsigned entries, unsigned idle) { return new_ring(flags, entries, idle); }
static unsigned sq_flags(void) { return AT(unsigned, p.sq_off.flags); }

static void setups(void) {
  puts("setup");
  R(setup(IORING_SETUP_SQ_AFF, 8, 0));
  R(setup(IORING_SETUP_SQPOLL | IORING_SETUP_COOP_TASKRUN, 8, 0));
  R(setup(IORING_SETUP_TASKRUN_FLAG, 8, 0));
  R(setup(IORING_SETUP_DEFER_TASKRUN, 8, 0));
  p.flags = IORING_SETUP_ATTACH_WQ;
  p.wq_fd = 0;
  struct io_uring_params q = {.flags = IORING_SETUP_ATTACH_WQ, .wq_fd = 0};
  R(syscall(SYS_io_uring_setup, 8, &q));
  q.wq_fd = 99;
  R(syscall(SYS_io_uring_setup, 8, &q));
}

static void files(void) {
  puts("files");
  setup(0, 8, 0);
  int f = open("/tmp/ur/f", O_CREAT | O_RDWR | O_TRUNC, 0644), list[4] = {f, -1, fd, -1};
  write(f, "contents", 8);
  R(reg(IORING_REGISTER_FILES, list, 4));
  R(reg(IORING_REGISTER_FILES, 0, 4));
  R(reg(IORING_REGISTER_FILES, list, 0));
  R(reg(IORING_UNREGISTER_FILES, 0, 0));
  struct io_uring_rsrc_register r = {.nr = 6, .flags = IORING_RSRC_REGISTER_SPARSE};
  R(reg(IORING_REGISTER_FILES2, &r, 8));
  R(reg(IORING_REGISTER_FILES2, &r, sizeof r));
  uint64_t tags[2] = {70, 0};
  struct io_uring_rsrc_update2 u = {.offset = 1, .data = (uintptr_t)list, .tags = (uintptr_t)tags, .nr = 1};
  R(reg(IORING_REGISTER_FILES_UPDATE2, &u, sizeof u));
  u.offset = 6;
  R(reg(IORING_REGISTER_FILES_UPDATE2, &u, sizeof u));
  char buf[32] = "";
  sqe(IORING_OP_READ, 1, buf, 32, 0, 1)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_READ, 2, buf, 32, 0, 2)->flags = IOSQE_FIXED_FILE;
  GO(2);
  puts("taken away: its tag");
  int none[2] = {-1, -1};
  u.offset = 1, u.data = (uintptr_t)none, u.tags = 0;
  R(reg(IORING_REGISTER_FILES_UPDATE2, &u, sizeof u));
  reap(1);
  puts("direct descriptors");
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0, 0, 1)->file_index = 3;
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0, 0, 2)->file_index = 9;
  struct io_uring_sqe *s = sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0, 0, 3);
  s->file_index = IORING_FILE_INDEX_ALLOC;
  s = sqe(IORING_OP_SOCKET, AF_UNIX, 0, 0, SOCK_STREAM, 4);
  s->file_index = IORING_FILE_INDEX_ALLOC;
  GO(4);
  sqe(IORING_OP_READ, 2, buf, 4, 0, 1)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_CLOSE, 0, 0, 0, 0, 2)->file_index = 3;
  sqe(IORING_OP_READ, 2, buf, 4, 0, 3)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_CLOSE, 0, 0, 0, 0, 4)->file_index = 3;
  sqe(IORING_OP_CLOSE, 0, 0, 0, 0, 5)->file_index = 30;
  GO(5);
  struct io_uring_file_index_range range = {.off = 4, .len = 1};
  R(reg(IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0));
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0, 0, 1)->file_index = IORING_FILE_INDEX_ALLOC;
  GO(1);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0, 0, 2)->file_index = IORING_FILE_INDEX_ALLOC;
  GO(1);
  range.off = 5, range.len = 4;
  R(reg(IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0));
  list[0] = f;
  sqe(IORING_OP_FILES_UPDATE, -1, list, 1, 0, 1);
  sqe(IORING_OP_FILES_UPDATE, -1, list, 1, 17, 2);
  GO(2);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0, 0, 1)->file_index = 1;
  sqes[(tail - 1) & (p.sq_entries - 1)].open_flags = O_CLOEXEC;
  GO(1);
  close(f);
}

static void buffers(void) {
  puts("buffers");
  setup(0, 8, 0);
  static char area[8192];
  struct iovec v[2] = {{area, 4096}, {0, 0}};
  uint64_t tags[2] = {50, 0};
  struct io_uring_rsrc_register r = {.nr = 2, .data = (uintptr_t)v, .tags = (uintptr_t)tags};
  R(reg(IORING_REGISTER_BUFFERS2, &r, sizeof r));
  R(reg(IORING_REGISTER_BUFFERS, v, 1));
  int f = open("/tmp/ur/f", O_RDWR);
  sqe(IORING_OP_READ_FIXED, f, area, 4, 0, 1)->buf_index = 0;
  sqe(IORING_OP_READ_FIXED, f, area + 4090, 40, 0, 2)->buf_index = 0;
  sqe(IORING_OP_READ_FIXED, f, area, 4, 0, 3)->buf_index = 1;
  sqe(IORING_OP_READ_FIXED, f, area, 4, 0, 4)->buf_index = 7;
  GO(4);
  struct iovec w = {area + 4096, 4096};
  struct io_uring_rsrc_update2 u = {.offset = 0, .data = (uintptr_t)&w, .nr = 1};
  R(reg(IORING_REGISTER_BUFFERS_UPDATE, &u, sizeof u));
  reap(1);
  struct iovec bad = {(void *)0x10, 4096};
  u.data = (uintptr_t)&bad;
  R(reg(IORING_REGISTER_BUFFERS_UPDATE, &u, sizeof u));
  R(reg(IORING_UNREGISTER_BUFFERS, 0, 0));
  R(reg(IORING_UNREGISTER_BUFFERS, 0, 0));
  struct io_uring_buf_reg ring = {.ring_addr = 0x10000, .ring_entries = 8, .bgid = 1};
  R(reg(IORING_REGISTER_PBUF_RING, &ring, 1));
  char *page = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ring.ring_addr = (uintptr_t)page;
  ring.ring_entries = 7;
  R(reg(IORING_REGISTER_PBUF_RING, &ring, 1));
  ring.ring_entries = 8;
  R(reg(IORING_REGISTER_PBUF_RING, &ring, 1));
  R(reg(IORING_REGISTER_PBUF_RING, &ring, 1));
  R(reg(IORING_UNREGISTER_PBUF_RING, &ring, 1));
  R(reg(IORING_UNREGISTER_PBUF_RING, &ring, 1));
  close(f);
}

static void chains(void) {
  puts("chains");
  setup(IORING_SETUP_SUBMIT_ALL, 16, 0);
  struct __kernel_timespec soon = {0, 20000000};
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3);
  R(enter(3, 0, 0));
  reap(2);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_READ, 99, 0, 1, 0, 2)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3);
  GO(3);
  puts("one that cannot begin");
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_IO_LINK;
  struct io_uring_sqe *s = sqe(IORING_OP_NOP, -1, 0, 0, 0, 2);
  s->flags = IOSQE_IO_LINK;
  s->ioprio = 1;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3);
  GO(3);
  puts("timeouts");
  int ends[2];
  pipe(ends);
  char c;
  sqe(IORING_OP_READ, ends[0], &c, 1, -1, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0, 2)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3);
  GO(3);
  sqe(IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0, 1);
  GO(1);
  sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 2, 1);
  sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 1, 2);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3);
  GO(3);
  puts("a timeout ends every wait");
  sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 0, 1);
  R(enter(1, 4, IORING_ENTER_GETEVENTS));
  reap(1);
  puts("a poll changes");
  sqe(IORING_OP_POLL_ADD, ends[0], 0, 0, 0, 1)->poll32_events = POLLIN;
  enter(1, 0, 0);
  s = sqe(IORING_OP_POLL_REMOVE, -1, (void *)1L, IORING_POLL_UPDATE_USER_DATA, 9, 2);
  GO(1);
  write(ends[1], "x", 1);
  reap(1);
  puts("removing timeouts");
  struct __kernel_timespec never = {1000, 0};
  sqe(IORING_OP_TIMEOUT, -1, &never, 1, 0, 1);
  enter(1, 0, 0);
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)1L, 0, 0, 2)->timeout_flags = IORING_TIMEOUT_ABS;
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)1L, 0, (uintptr_t)&soon, 3)->timeout_flags = -1;
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)1L, 0, 8, 4)->timeout_flags = IORING_TIMEOUT_UPDATE;
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)1L, 1, 0, 5);
  GO(4);
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)1L, 0, (uintptr_t)&soon, 6)->timeout_flags = IORING_TIMEOUT_UPDATE;
  GO(2);
  s = sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 0, 1);
  s->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS, s->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2);
  GO(2);
  sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 0, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2);
  GO(2);
  puts("positions of splice");
  int f = open("/tmp/ur/f", O_RDWR);
  s = sqe(IORING_OP_SPLICE, ends[1], (void *)2L, 4, -1, 1);
  s->splice_fd_in = f;
  GO(1);
  char buf[16] = "";
  R(read(ends[0], buf, 16));
  puts(buf);
  s = sqe(IORING_OP_SPLICE, ends[1], (void *)2L, 4, 0, 1);
  s->splice_fd_in = f;
  s = sqe(IORING_OP_TEE, ends[1], (void *)1L, 4, 0, 2);
  s->splice_fd_in = ends[0];
  GO(2);
  close(f);
}

static void longest(void) {
  puts("a long chain");
  setup(0, 4096, 0);
  for (int i = 0; i < 4096; i++) sqe(IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = i < 4095 ? IOSQE_IO_LINK : 0;
  R(enter(4096, 4096, IORING_ENTER_GETEVENTS));
  R(ready());
  AT(unsigned, p.cq_off.head) = AT(unsigned, p.cq_off.tail);
  for (int i = 0; i < 4096; i++) sqe(i ? IORING_OP_NOP : IORING_OP_READ, 99, 0, 0, 0, 1)->flags = i < 4095 ? IOSQE_IO_LINK : 0;
  R(enter(4096, 4096, IORING_ENTER_GETEVENTS));
  R(ready());
}

static void sent(void) {
  puts("a ring is not sent over a socket");
  setup(0, 4, 0);
  int pair[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
  char control[CMSG_SPACE(sizeof fd)] = "";
  struct msghdr m = {.msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  R(sendmsg(pair[0], &m, 0));
  close(pair[0]), close(pair[1]);
}

static void told(void) {
  puts("what an eventfd's own signal woke does not signal it");
  setup(1 << 12 | 1 << 13, 8, 0);
  int ev = syscall(SYS_eventfd2, 0, 0);
  uint64_t n = 0;
  R(syscall(SYS_io_uring_register, fd, 4, &ev, 1));
  sqe(IORING_OP_READ, ev, &n, 8, 0, 1);
  R(enter(1, 0, 0));
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2);
  GO(2);
  P("read %d\n", (int)n);
  close(ev);
}

static void poller(void) {
  puts("a poller submits");
  R(setup(IORING_SETUP_SQPOLL, 8, 50));
  char buf[16] = "";
  int f = open("/tmp/ur/f", O_RDWR);
  for (int round = 0; round < 3; round++) {
    sqe(IORING_OP_READ, f, buf, 8, 0, 1);
    sqe(IORING_OP_NOP, -1, 0, 0, 0, 2);
    if (sq_flags() & IORING_SQ_NEED_WAKEUP) enter(2, 0, IORING_ENTER_SQ_WAKEUP);
    reap(2);
    if (round == 1)
      for (int i = 0; i < 400 && !(sq_flags() & IORING_SQ_NEED_WAKEUP); i++) msleep(5);
    if (round == 1) P("  asleep: %d\n", (sq_flags() & IORING_SQ_NEED_WAKEUP) != 0);
  }
  R(enter(0, 0, IORING_ENTER_SQ_WAIT));
  close(f);
}

static void rights(void) {
  puts("restrictions");
  R(setup(IORING_SETUP_R_DISABLED, 8, 0));
  R(enter(0, 0, 0));
  struct io_uring_restriction all[] = {
      {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_PROBE},
      {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
      {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_ASYNC},
  };
  R(reg(IORING_REGISTER_RESTRICTIONS, all, 3));
  R(reg(IORING_REGISTER_RESTRICTIONS, all, 3));
  R(reg(IORING_REGISTER_ENABLE_RINGS, 0, 0));
  R(reg(IORING_REGISTER_ENABLE_RINGS, 0, 0));
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_ASYNC;
  GO(1);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = IOSQE_IO_DRAIN;
  GO(1);
  sqe(IORING_OP_READ, 0, 0, 0, 0, 3);
  GO(1);
  puts("personality");
  setup(0, 8, 0);
  R(reg(IORING_REGISTER_PERSONALITY, 0, 0));
  R(reg(IORING_UNREGISTER_PERSONALITY, 0, 7));
  seteuid(1000);
  chmod("/tmp/ur/f", 0600);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/secret", 0, 0, 1);
  GO(1);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/secret", 0, 0, 2)->personality = 1;
  GO(1);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3)->personality = 9;
  GO(1);
  seteuid(0);
  puts("one issuer");
  R(setup(IORING_SETUP_SINGLE_ISSUER, 8, 0));
  fflush(stdout);
  if (fork() == 0) {
    sqe(IORING_OP_NOP, -1, 0, 0, 0, 1);
    R(enter(1, 0, 0));
    R(reg(IORING_UNREGISTER_FILES, 0, 0));
    _exit(0);
  }
  wait(0);
}

static void others(void) {
  puts("other rings");
  struct io_uring_params q = {0};
  int other = syscall(SYS_io_uring_setup, 4, &q);
  setup(0, 8, 0);
  sqe(IORING_OP_MSG_RING, fd, 0, 17, 5, 1);
  GO(2);
  sqe(IORING_OP_MSG_RING, 0, 0, 17, 5, 1);
  GO(1);
  struct io_uring_rsrc_update u = {.offset = -1, .data = fd};
  R(reg(IORING_REGISTER_RING_FDS, &u, 1));
  R(u.offset);
  R(syscall(SYS_io_uring_enter, 0, 0, 0, 16, 0, 0));
  R(syscall(SYS_io_uring_enter, 3, 0, 0, 16, 0, 0));
  R(syscall(SYS_io_uring_enter, 30, 0, 0, 16, 0, 0));
  u.data = 0;
  R(reg(IORING_UNREGISTER_RING_FDS, &u, 1));
  R(syscall(SYS_io_uring_enter, 0, 0, 0, 16, 0, 0));
  puts("cancel");
  int ends[2];
  pipe(ends);
  char c;
  sqe(IORING_OP_READ, ends[0], &c, 1, -1, 1);
  enter(1, 0, 0);
  struct io_uring_sync_cancel_reg s = {.addr = 7, .fd = -1, .timeout = {-1, -1}};
  R(reg(IORING_REGISTER_SYNC_CANCEL, &s, 1));
  s.addr = 1;
  R(reg(IORING_REGISTER_SYNC_CANCEL, &s, 1));
  reap(1);
  sqe(IORING_OP_READ, ends[0], &c, 1, -1, 1);
  sqe(IORING_OP_READ, ends[0], &c, 1, -1, 2);
  enter(2, 0, 0);
  sqe(IORING_OP_ASYNC_CANCEL, ends[0], 0, 0, 0, 3)->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
  GO(3);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)44L, 0, 0, 3);
  GO(1);
  puts("attributes");
  struct io_uring_sqe *x = sqe(IORING_OP_SETXATTR, 0, "user.a", 3, (uintptr_t) "abc", 1);
  x->addr3 = (uintptr_t) "/tmp/ur/f";
  GO(1);
  char value[8] = "";
  x = sqe(IORING_OP_GETXATTR, 0, "user.a", 8, (uintptr_t)value, 2);
  x->addr3 = (uintptr_t) "/tmp/ur/f";
  GO(1);
  P("<%s>\n", value);
  puts("work that waits for its submitter");
  R(setup(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 8, 0));
  sqe(IORING_OP_READ, ends[0], &c, 1, -1, 1);
  enter(1, 0, 0);
  write(ends[1], "x", 1);
  msleep(20);
  P("ready %d flag %d\n", ready(), (sq_flags() & IORING_SQ_TASKRUN) != 0);
  R(enter(0, 0, IORING_ENTER_GETEVENTS));
  P("ready %d flag %d\n", ready(), (sq_flags() & IORING_SQ_TASKRUN) != 0);
  reap(1);
  close(other);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  mkdir("/tmp/ur", 0755);
  close(open("/tmp/ur/secret", O_CREAT | O_WRONLY, 0600));
  setups();
  files();
  buffers();
  chains();
  longest();
  sent();
  told();
  poller();
  rights();
  others();
  return 0;
}
