// io_uring's operations since Linux 6.1: futexes, waitid, reads that go on, cancelling by operation, descriptors of files.
// libc: glibc
#include "guest.h"
#include "uring.h"
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { READ_MULTISHOT = 49, WAITID, FUTEX_WAIT_OP, FUTEX_WAKE_OP_, FUTEX_WAITV_OP, FIXED_FD_INSTALL, FTRUNCATE_, BIND_, LISTEN_ };
#define FUTEX2_U32 2
#define CANCEL_USERDATA (1 << 4)
#define CANCEL_OP (1 << 5)
#define NO_SQARRAY (1 << 16)

static int setup(unsigned flags) { return new_ring(flags, 32, 0); }

static struct io_uring_sqe *futex(int op, int flags, void *at, uint64_t val, uint64_t mask, uint64_t data) {
  struct io_uring_sqe *s = sqe(op, flags, at, 0, val, data);
  s->addr3 = mask;
  return s;
}
static void cancel(uint64_t which, unsigned flags, int op, int f, uint64_t data) {
  struct io_uring_sqe *s = sqe(IORING_OP_ASYNC_CANCEL, f, (void *)which, op, 0, data);
  s->cancel_flags = flags;
}

static void futexes(void) {
  P("futexes\n");
  static uint32_t w[3] = {1, 2, 3};
  uint64_t any = 0xffffffff;
  futex(FUTEX_WAIT_OP, FUTEX2_U32, w, 2, any, 1); // another value
  GO(1);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, w, 1, any, 1);
  futex(FUTEX_WAIT_OP, FUTEX2_U32 | 128, w, 1, 2, 2);
  P("%ld\n", enter(2, 0, 0));
  futex(FUTEX_WAKE_OP_, FUTEX2_U32, w, 5, any, 3);
  futex(FUTEX_WAKE_OP_, FUTEX2_U32 | 128, w, 5, 1, 4);
  futex(FUTEX_WAKE_OP_, FUTEX2_U32 | 128, w, 5, 2, 5);
  futex(FUTEX_WAKE_OP_, FUTEX2_U32, w, 0, any, 6);
  futex(FUTEX_WAKE_OP_, FUTEX2_U32, w, 1, 0, 7);
  P("%ld\n", enter(5, 0, 0));
  reap(7);
  futex(FUTEX_WAIT_OP, FUTEX2_U32 | 128, w, 1, any, 1); // woken by the system call
  P("%ld\n", enter(1, 0, 0));
  R(syscall(SYS_futex, w, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
  reap(1);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, w, 1, any, 1); // cancelled
  P("%ld\n", enter(1, 0, 0));
  cancel(1, 0, 0, 0, 2);
  P("%ld\n", enter(1, 0, 0));
  reap(2);
  R(syscall(SYS_futex, w, FUTEX_WAKE, 1, 0, 0, 0));
  P("refused\n");
  futex(FUTEX_WAIT_OP, 3, w, 1, any, 1);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, (char *)w + 1, 1, any, 2);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, (void *)8, 1, any, 3);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, w, 1ull << 32, any, 4);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, w, 1, 0, 5);
  futex(FUTEX_WAIT_OP, FUTEX2_U32, w, 1, any, 6)->len = 1;
  for (int i = 0; i < 6; i++) GO(1);
  P("several words\n");
  struct futex_waitv v[3] = {{1, (uintptr_t)w, FUTEX2_U32, 0}, {2, (uintptr_t)(w + 1), FUTEX2_U32 | 128, 0}, {3, (uintptr_t)(w + 2), FUTEX2_U32, 0}};
  sqe(FUTEX_WAITV_OP, 0, v, 3, 0, 1);
  P("%ld\n", enter(1, 0, 0));
  R(syscall(SYS_futex, w + 1, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
  reap(1);
  R(syscall(SYS_futex, w, FUTEX_WAKE, 1, 0, 0, 0));
  v[2].val = 9;
  sqe(FUTEX_WAITV_OP, 0, v, 3, 0, 1);
  GO(1);
  sqe(FUTEX_WAITV_OP, 0, v, 0, 0, 1);
  GO(1);
  sqe(FUTEX_WAITV_OP, 0, v, 129, 0, 1);
  GO(1);
  sqe(FUTEX_WAITV_OP, 1, v, 2, 0, 1);
  GO(1);
}

static void children(void) {
  P("waitid\n");
  siginfo_t si;
  struct io_uring_sqe *s;
  memset(&si, 0xff, sizeof si);
  s = sqe(WAITID, -1, 0, P_ALL, (uintptr_t)&si, 1);
  s->file_index = WEXITED;
  GO(1); // no child
  int hold[2];
  pipe(hold);
  pid_t child = fork();
  if (child == 0) {
    char c;
    close(hold[1]);
    read(hold[0], &c, 1);
    _exit(7);
  }
  s = sqe(WAITID, child, 0, P_PID, (uintptr_t)&si, 1);
  s->file_index = WEXITED | WNOHANG;
  GO(1);
  P("signo %d\n", si.si_signo);
  s = sqe(WAITID, child, 0, P_PID, (uintptr_t)&si, 1);
  s->file_index = WEXITED;
  P("%ld\n", enter(1, 0, 0));
  P("ready %d\n", ready());
  close(hold[1]);
  reap(1);
  P("signo %d pid %d status %d code %d\n", si.si_signo, si.si_pid == child, si.si_status, si.si_code);
  s = sqe(WAITID, 0, 0, P_ALL, 0, 1);
  GO(1); // no options
  s = sqe(WAITID, 0, 0, 9, 0, 1);
  s->file_index = WEXITED;
  GO(1);
  sqe(WAITID, 0, (void *)1, P_ALL, 0, 1)->file_index = WEXITED;
  GO(1);
}

#define GROUP 3
static char bufs[8][64];
static void provide(int n, int size) {
  struct io_uring_sqe *s = sqe(IORING_OP_PROVIDE_BUFFERS, n, bufs, size, 0, 900);
  s->buf_group = GROUP;
  enter(1, 0, 0);
  reap(1);
}

static void multishot(void) {
  P("reads that go on\n");
  int pp[2];
  pipe(pp);
  struct io_uring_sqe *s = sqe(READ_MULTISHOT, pp[0], 0, 0, 0, 1);
  GO(1);
  s = sqe(READ_MULTISHOT, pp[0], 0, 0, -1, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP;
  write(pp[1], "x", 1);
  GO(1); // no buffers
  provide(3, 64);
  s = sqe(READ_MULTISHOT, pp[0], bufs, 5, -1, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP;
  GO(1);
  s = sqe(READ_MULTISHOT, pp[0], 0, 0, -1, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP;
  P("%ld\n", enter(1, 0, 0));
  reap(1);
  write(pp[1], "abc", 3);
  reap(1);
  write(pp[1], "de", 2);
  reap(1);
  write(pp[1], "f", 1);
  reap(1); // the buffers are used up
  P("%.3s %.2s\n", bufs[1], bufs[2]);
  provide(8, 64);
  s = sqe(READ_MULTISHOT, pp[0], 0, 0, -1, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP;
  P("%ld\n", enter(1, 0, 0));
  reap(1);
  close(pp[1]);
  reap(1);
  int f = open("/tmp/uring_more", O_RDWR | O_CREAT | O_TRUNC, 0600);
  s = sqe(READ_MULTISHOT, f, 0, 0, 0, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP;
  GO(1);
  unlink("/tmp/uring_more");

  P("messages\n");
  int sv[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, sv);
  struct sockaddr_un name = {AF_UNIX, "\0uring_more"};
  bind(sv[1], (void *)&name, 13);
  int on = 1;
  setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  struct iovec iov = {0, 4};
  char space[16], control[64];
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = space, .msg_namelen = 8, .msg_control = control, .msg_controllen = sizeof control};
  s = sqe(IORING_OP_RECVMSG, sv[0], &m, 1, 0, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP;
  send(sv[1], "message", 7, 0);
  GO(1);
  P("namelen %d controllen %d flags %x '%.4s'\n", m.msg_namelen, (int)m.msg_controllen, m.msg_flags, bufs[1]);
  struct msghdr multi = {.msg_namelen = 8, .msg_controllen = 32};
  s = sqe(IORING_OP_RECVMSG, sv[0], &multi, 1, 0, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP, s->ioprio = IORING_RECV_MULTISHOT;
  send(sv[1], "one", 3, 0);
  P("%ld\n", enter(1, 0, 0));
  reap(1);
  struct io_uring_recvmsg_out *o = (void *)bufs[2];
  P("name %d control %d payload %d flags %x '%.3s'\n", o->namelen, o->controllen, o->payloadlen, o->flags, bufs[2] + 56);
  P("%d %s\n", *(short *)(o + 1), (char *)(o + 1) + 3);
  send(sv[1], "a longer one", 12, 0);
  reap(1);
  o = (void *)bufs[3];
  P("name %d control %d payload %d flags %x '%.8s'\n", o->namelen, o->controllen, o->payloadlen, o->flags, bufs[3] + 56);
  multi.msg_controllen = 32;
  cancel(1, 0, 0, 0, 2);
  P("%ld\n", enter(1, 0, 0));
  reap(2);
  multi.msg_controllen = 60;
  s = sqe(IORING_OP_RECVMSG, sv[0], &multi, 1, 0, 1);
  s->flags = IOSQE_BUFFER_SELECT, s->buf_group = GROUP, s->ioprio = IORING_RECV_MULTISHOT;
  send(sv[1], "one", 3, 0);
  GO(1); // no room
  s = sqe(IORING_OP_RECVMSG, sv[0], &multi, 1, 0, 1);
  s->ioprio = IORING_RECV_MULTISHOT;
  GO(1);
}

static void cancels(void) {
  P("cancelling\n");
  int a[2], b[2];
  pipe(a);
  pipe(b);
  char c[4];
  sqe(IORING_OP_READ, a[0], c, 1, 0, 1);
  sqe(IORING_OP_POLL_ADD, a[0], 0, 0, 0, 2)->poll32_events = 1;
  sqe(IORING_OP_READ, b[0], c, 1, 0, 3);
  sqe(IORING_OP_POLL_ADD, b[0], 0, 0, 0, 3)->poll32_events = 1;
  P("%ld\n", enter(4, 0, 0));
  cancel(0, CANCEL_OP, IORING_OP_ACCEPT, 0, 4);
  GO(1);
  cancel(9, CANCEL_OP | CANCEL_USERDATA, IORING_OP_READ, 0, 4);
  GO(1);
  cancel(1, CANCEL_OP | IORING_ASYNC_CANCEL_ANY, IORING_OP_READ, 0, 4);
  GO(1);
  cancel(3, CANCEL_OP | CANCEL_USERDATA, IORING_OP_POLL_ADD, 0, 4);
  GO(2);
  cancel(0, CANCEL_OP | IORING_ASYNC_CANCEL_ALL, IORING_OP_READ, 0, 4);
  GO(3);
  cancel(0, CANCEL_OP | IORING_ASYNC_CANCEL_FD, IORING_OP_POLL_ADD, a[0], 4);
  GO(2);
  P("polls refused\n");
  for (int i = 0; i < 6; i++) {
    struct io_uring_sqe *s = sqe(IORING_OP_POLL_ADD, a[0], i == 0 ? c : 0, i == 1 ? 8 : i == 2 ? 2 : i == 5 ? 1 : 0, i == 3, 1);
    s->poll32_events = 4;
    if (i == 4) s->buf_index = 1;
    if (i == 5) s->flags = IOSQE_CQE_SKIP_SUCCESS;
    enter(1, 0, 0);
    P("%d:", i);
    if (ready()) reap(1);
    else P(" waits\n"), cancel(1, 0, 0, 0, 2), enter(1, 0, 0), reap(2);
  }
  struct { uint64_t addr; int fd; unsigned flags; int64_t timeout[2]; uint8_t opcode, pad[7]; uint64_t pad2[3]; } reg = {1, 0, 0, {-1, -1}};
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1));
  reg.flags = IORING_ASYNC_CANCEL_ALL;
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1));
  for (int i = 0; i < 4; i++) sqe(i ? IORING_OP_READ : IORING_OP_POLL_ADD, a[0], i ? c : 0, i != 0, 0, i)->poll32_events = i == 0;
  P("%ld\n", enter(4, 0, 0));
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1));
  reap(1);
  reg.opcode = IORING_OP_POLL_ADD;
  reg.flags = CANCEL_OP;
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1));
  reap(1);
  reg.flags = IORING_ASYNC_CANCEL_ANY;
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1));
  reap(2);
}

static void rest(void) {
  P("descriptors\n");
  int files[2] = {dup(1), -1};
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_FILES, files, 2));
  sqe(FIXED_FD_INSTALL, 0, 0, 0, 0, 1);
  GO(1);
  sqe(FIXED_FD_INSTALL, 1, 0, 0, 0, 1)->flags = IOSQE_FIXED_FILE;
  GO(1);
  sqe(FIXED_FD_INSTALL, 0, 0, 1, 0, 1)->flags = IOSQE_FIXED_FILE;
  GO(1);
  for (int flag = 0; flag < 3; flag++) {
    struct io_uring_sqe *s = sqe(FIXED_FD_INSTALL, 0, 0, 0, 0, 1);
    s->flags = IOSQE_FIXED_FILE, s->rw_flags = flag;
    enter(1, 1, IORING_ENTER_GETEVENTS);
    unsigned h = AT(unsigned, p.cq_off.head);
    int got = ((struct io_uring_cqe *)(rings + p.cq_off.cqes))[h & (p.cq_entries - 1)].res;
    AT(unsigned, p.cq_off.head) = h + 1;
    P("flag %d %d cloexec %d\n", flag, got < 0 ? got : 0, got < 0 ? -1 : fcntl(got, F_GETFD));
  }
  P("bind and listen\n");
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un name = {AF_UNIX, "\0uring_bind"};
  sqe(LISTEN_, s, 0, 5, 0, 1);
  GO(1);
  sqe(BIND_, s, &name, 0, 13, 1);
  GO(1);
  sqe(BIND_, s, &name, 0, 13, 1);
  GO(1);
  sqe(BIND_, s, &name, 1, 13, 1);
  GO(1);
  sqe(LISTEN_, s, 0, 5, 0, 1);
  GO(1);
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&name, 13));
  P("no array of submissions\n");
  R(setup(NO_SQARRAY));
  P("array at %d\n", p.sq_off.array);
  struct io_uring_sqe *n = &sqes[0];
  memset(n, 0, sizeof *n);
  n->opcode = IORING_OP_NOP, n->user_data = 1;
  __atomic_store_n((unsigned *)(rings + p.sq_off.tail), 1, __ATOMIC_RELEASE);
  GO(1);
}

int main(void) {
  setup(0);
  futexes();
  children();
  multishot();
  cancels();
  rest();
  return 0;
}
