// io_uring: who gets the signals of what fails, and what is sent and received in parts.
// libc: glibc
#include "guest.h"
#include "uring.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static volatile sig_atomic_t pipes, sizes;
static void caught(int sig) { *(sig == SIGPIPE ? &pipes : &sizes) += 1; }

static int setup(unsigned flags) { return new_ring(flags, 32, 0); }

/** The last submission, and what it brings. */
static void end(const char *name) {
  reap(1);
  P("%s: %d SIGPIPE, %d SIGXFSZ\n", name, pipes, sizes);
  pipes = sizes = 0;
}
/** One submission as it is and with IOSQE_ASYNC. */
#define BOTH(name, ...)                                                                            \
  for (int async = 0; async < 2; async++) {                                                        \
    struct io_uring_sqe *s = __VA_ARGS__;                                                          \
    if (async) s->flags |= IOSQE_ASYNC;                                                            \
    enter(1, 0, IORING_ENTER_SQ_WAKEUP);                                                           \
    end(name);                                                                                     \
  }

static struct io_uring_sqe *splice_to(int op, int in, int out) {
  struct io_uring_sqe *s = sqe(op, out, 0, 10, op == IORING_OP_TEE ? 0 : -1, 1);
  s->splice_fd_in = in;
  if (op == IORING_OP_SPLICE) s->splice_off_in = -1;
  return s;
}

static void signals(void) {
  char bytes[8192] = {0};
  struct iovec iov = {bytes, 100};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  int gone[2], data[2], sock[2];
  pipe(gone);
  close(gone[0]);
  pipe(data);
  write(data[1], bytes, 100);
  socketpair(AF_UNIX, SOCK_STREAM, 0, sock);
  close(sock[0]);
  BOTH("write", sqe(IORING_OP_WRITE, gone[1], bytes, 100, 0, 1));
  BOTH("writev", sqe(IORING_OP_WRITEV, gone[1], &iov, 1, 0, 1));
  BOTH("write to a socket", sqe(IORING_OP_WRITE, sock[1], bytes, 100, 0, 1));
  BOTH("send", sqe(IORING_OP_SEND, sock[1], bytes, 100, 0, 1));
  BOTH("sendmsg", sqe(IORING_OP_SENDMSG, sock[1], &msg, 1, 0, 1));
  BOTH("splice", splice_to(IORING_OP_SPLICE, data[0], gone[1]));
  BOTH("tee", splice_to(IORING_OP_TEE, data[0], gone[1]));
  BOTH("splice to a socket", splice_to(IORING_OP_SPLICE, data[0], sock[1]));
  int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0666);
  struct rlimit limit = {4096, 1 << 20};
  setrlimit(RLIMIT_FSIZE, &limit);
  BOTH("write above the limit", sqe(IORING_OP_WRITE, file, bytes, 100, 8192, 1));
  BOTH("write across the limit", sqe(IORING_OP_WRITE, file, bytes, 8192, 0, 1));
  BOTH("fallocate", sqe(IORING_OP_FALLOCATE, file, (void *)65536, 0, 0, 1));
  BOTH("ftruncate", sqe(55, file, 0, 0, 65536, 1));
  limit.rlim_cur = 1 << 20;
  setrlimit(RLIMIT_FSIZE, &limit);
  // What waits for room is done by the task in the end, whoever began it.
  for (int async = 0; async < 2; async++) {
    int full[2];
    pipe(full);
    fcntl(full[1], F_SETPIPE_SZ, 4096);
    write(full[1], bytes, 4096);
    sqe(IORING_OP_WRITE, full[1], bytes, 100, 0, 1)->flags = async ? IOSQE_ASYNC : 0;
    enter(1, 0, IORING_ENTER_SQ_WAKEUP);
    usleep(20000);
    close(full[0]);
    end("a full pipe");
    close(full[1]);
  }
  close(file);
  close(data[0]);
  close(data[1]);
  close(gone[1]);
  close(sock[1]);
}

static void addresses(void) {
  struct sockaddr_un to = {AF_UNIX, "\0uring_send"};
  socklen_t length = offsetof(struct sockaddr_un, sun_path) + 11;
  int in = socket(AF_UNIX, SOCK_DGRAM, 0), out = socket(AF_UNIX, SOCK_DGRAM, 0);
  char got[20] = "";
  struct iovec iov = {"message", 7};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = length};
  bind(in, (void *)&to, length);
  P("addresses\n");
  sqe(IORING_OP_SEND, out, "datagram", 8, 0, 1);
  GO(1);
  sqe(IORING_OP_SEND, out, "datagram", 8, (uintptr_t)&to, 1)->file_index = length;
  GO(1);
  sqe(IORING_OP_SEND, out, "datagram", 8, (uintptr_t)&to, 1)->file_index = length - 1;
  GO(1);
  sqe(IORING_OP_SEND, out, "datagram", 8, 16, 1)->file_index = length;
  GO(1);
  sqe(IORING_OP_SENDMSG, out, &msg, 1, 0, 1);
  GO(1);
  sqe(IORING_OP_SENDMSG, out, &msg, 1, (uintptr_t)&to, 1);
  GO(1);
  sqe(IORING_OP_SENDMSG, out, &msg, 1, 0, 1)->file_index = length;
  GO(1);
  sqe(IORING_OP_SEND, out, "datagram", 8, (uintptr_t)&to, 1)->ioprio = 1 << 12;
  GO(1);
  sqe(IORING_OP_RECV, in, got, sizeof got, 0, 1);
  GO(1);
  P("%s\n", got);
  sqe(IORING_OP_RECV, in, got, sizeof got, 0, 1);
  GO(1);
  P("%s\n", got);
  close(in);
  close(out);
}

/** What breaks a chain is less than all where all was asked for. */
static void parts(void) {
  static char big[1 << 20];
  struct iovec iov = {big, sizeof big}, two = {big, 2000};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  int sock[2], small = 4096;
  socketpair(AF_UNIX, SOCK_STREAM, 0, sock);
  setsockopt(sock[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  P("parts\n");
  for (int way = 0; way < 2; way++) {
    struct io_uring_sqe *s = way ? sqe(IORING_OP_SENDMSG, sock[0], &msg, 1, 0, 0) : sqe(IORING_OP_SEND, sock[0], big, sizeof big, 0, 0);
    s->user_data = 1000; // not shown: how much fits
    s->flags = IOSQE_IO_LINK;
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    enter(2, 0, 0);
    reap(2);
    while (recv(sock[1], big, sizeof big, MSG_DONTWAIT) > 0);
  }
  // A write is done with what fits, a chain is not; a worker's, too.
  for (int way = 0; way < 4; way++) {
    int full[2];
    pipe(full);
    fcntl(full[1], F_SETPIPE_SZ, 4096);
    struct io_uring_sqe *s = sqe(way & 1 ? IORING_OP_WRITEV : IORING_OP_WRITE, full[1], way & 1 ? (void *)&iov : big, way & 1 ? 1 : 8000, 0, 1);
    s->flags = IOSQE_IO_LINK | (way & 2 ? IOSQE_ASYNC : 0);
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    enter(2, 0, 0);
    reap(2);
    s = sqe(IORING_OP_WRITE, full[1], big, 8000, 0, 1);
    if (way & 2) s->flags = IOSQE_ASYNC;
    enter(1, 0, 0);
    P("%d\n", ready());
    read(full[0], big, 4096);
    reap(1);
    close(full[0]);
    close(full[1]);
  }
  // Reads the same.
  for (int way = 0; way < 2; way++) {
    int half[2];
    pipe(half);
    write(half[1], big, 1000);
    struct io_uring_sqe *s = sqe(way & 1 ? IORING_OP_READV : IORING_OP_READ, half[0], way & 1 ? (void *)&two : big, way & 1 ? 1 : 2000, 0, 1);
    s->flags = IOSQE_IO_LINK;
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    GO(2);
    close(half[0]);
    close(half[1]);
  }
  // All of it, while somebody reads.
  for (int way = 0; way < 2; way++) {
    struct io_uring_sqe *s = way ? sqe(IORING_OP_SENDMSG, sock[0], &msg, 1, 0, 1) : sqe(IORING_OP_SEND, sock[0], big, sizeof big, 0, 1);
    s->flags = IOSQE_IO_LINK;
    s->msg_flags = MSG_WAITALL;
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    enter(2, 0, 0);
    P("%d\n", ready());
    static char sink[1 << 20];
    for (size_t n = 0; n < sizeof sink;) {
      ssize_t m = recv(sock[1], sink, sizeof sink, MSG_DONTWAIT);
      if (m > 0) n += m;
      else enter(0, 0, IORING_ENTER_GETEVENTS);
    }
    reap(2);
  }
  struct msghdr in = {.msg_iov = &two, .msg_iovlen = 1};
  for (int way = 0; way < 4; way++) {
    send(sock[0], big, 1000, 0);
    struct io_uring_sqe *s = way & 1 ? sqe(IORING_OP_RECVMSG, sock[1], &in, 1, 0, 1) : sqe(IORING_OP_RECV, sock[1], big, 2000, 0, 1);
    s->flags = IOSQE_IO_LINK;
    s->msg_flags = way & 2 ? MSG_WAITALL : 0;
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    enter(2, 0, 0);
    P("%d\n", ready());
    if (way & 2) send(sock[0], big, 1500, 0);
    reap(2);
    while (recv(sock[1], big, sizeof big, MSG_DONTWAIT) > 0);
  }
  // The end comes before all was there.
  send(sock[0], big, 1000, 0);
  struct io_uring_sqe *s = sqe(IORING_OP_RECV, sock[1], big, 2000, 0, 1);
  s->flags = IOSQE_IO_LINK;
  s->msg_flags = MSG_WAITALL;
  sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
  enter(2, 0, 0);
  close(sock[0]);
  reap(2);
  close(sock[1]);
  // A datagram that does not fit.
  socketpair(AF_UNIX, SOCK_DGRAM, 0, sock);
  for (int way = 0; way < 4; way++) {
    send(sock[0], big, 3000, 0);
    s = way & 1 ? sqe(IORING_OP_RECVMSG, sock[1], &in, 1, 0, 1) : sqe(IORING_OP_RECV, sock[1], big, 2000, 0, 1);
    s->flags = IOSQE_IO_LINK;
    s->msg_flags = way & 2 ? MSG_WAITALL : 0;
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    GO(2);
    send(sock[0], big, 1000, 0);
    s = way & 1 ? sqe(IORING_OP_RECVMSG, sock[1], &in, 1, 0, 1) : sqe(IORING_OP_RECV, sock[1], big, 2000, 0, 1);
    s->flags = IOSQE_IO_LINK;
    s->msg_flags = way & 2 ? MSG_WAITALL : 0;
    sqe(IORING_OP_NOP, 0, 0, 0, 0, 2);
    GO(2);
  }
}

/** A read, write or message waits though the file is O_NONBLOCK, unless it says that itself. */
static void patience(void) {
  static char big[1 << 16];
  struct iovec iov = {big, 100};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  struct sockaddr_un to = {AF_UNIX, "\0uring_patience"};
  socklen_t length = offsetof(struct sockaddr_un, sun_path) + 15;
  int pipes_[2], sock[2];
  P("patience\n");
  pipe2(pipes_, O_NONBLOCK);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sock);
  for (int way = 0; way < 12; way++) {
    int in = way < 6 ? pipes_[0] : sock[0], out = way < 6 ? pipes_[1] : sock[1];
    struct io_uring_sqe *s;
    if (way == 6 || way == 7) s = sqe(IORING_OP_RECV, in, big, 100, 0, 1);
    else if (way == 8 || way == 9) s = sqe(IORING_OP_RECVMSG, in, &msg, 1, 0, 1);
    else if (way % 3 == 2) s = sqe(IORING_OP_READV, in, &iov, 1, 0, 1);
    else s = sqe(IORING_OP_READ, in, big, 100, 0, 1);
    if (way == 4 || way == 10) s->flags = IOSQE_ASYNC;
    if (way == 5) s->rw_flags = 8; // RWF_NOWAIT
    if (way == 7 || way == 9) s->msg_flags = MSG_DONTWAIT;
    enter(1, 0, 0);
    usleep(2000);
    int now = ready();
    P("%d: %d\n", way, now);
    if (!now) write(out, "hello", 5);
    reap(1);
  }
  // The calls that take the same flags.
  fcntl(pipes_[0], F_SETFL, 0);
  fcntl(pipes_[1], F_SETFL, O_WRONLY);
  R(preadv2(pipes_[0], &iov, 1, -1, 8));
  write(pipes_[1], "hello", 5);
  R(preadv2(pipes_[0], &iov, 1, -1, 8));
  while (pwritev2(pipes_[1], &iov, 1, -1, 8) > 0);
  R(pwritev2(pipes_[1], &iov, 1, -1, 8));
  sqe(IORING_OP_WRITE, pipes_[1], big, 100, 0, 1)->rw_flags = 8;
  GO(1);
  sqe(IORING_OP_WRITE, pipes_[1], big, 100, 0, 1)->rw_flags = 1; // RWF_HIPRI
  GO(1);
  sqe(IORING_OP_WRITE, pipes_[1], big, 100, 0, 1)->rw_flags = 1 << 30;
  GO(1);
  P("%x %x\n", fcntl(pipes_[0], F_GETFL), fcntl(pipes_[1], F_GETFL));
  fcntl(pipes_[0], F_SETFL, O_NONBLOCK);
  fcntl(pipes_[1], F_SETFL, O_NONBLOCK);
  while (read(pipes_[0], big, sizeof big) > 0);
  while (write(pipes_[1], big, 4096) > 0);
  sqe(IORING_OP_WRITE, pipes_[1], big, 100, 0, 1);
  enter(1, 0, 0);
  P("%d\n", ready());
  read(pipes_[0], big, sizeof big);
  reap(1);
  while (send(sock[1], big, 4096, 0) > 0);
  sqe(IORING_OP_SEND, sock[1], big, 100, 0, 1);
  enter(1, 0, 0);
  P("%d\n", ready());
  while (recv(sock[0], big, sizeof big, 0) > 0);
  reap(1);
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(server, (void *)&to, length);
  listen(server, 5);
  sqe(IORING_OP_ACCEPT, server, 0, 0, 0, 1000);
  enter(1, 0, 0);
  P("%d\n", ready());
  connect(client, (void *)&to, length);
  reap(1);
  P("%d %d\n", fcntl(server, F_GETFL), fcntl(pipes_[0], F_GETFL));
}

static void members(void) {
  P("members\n");
  sqe(IORING_OP_NOP, 0, 0, -EFAULT, 0, 1)->rw_flags = 1;
  GO(1);
  sqe(IORING_OP_NOP, 0, 0, 7, 0, 1)->rw_flags = 1;
  GO(1);
  sqe(IORING_OP_NOP, 0, 0, -EFAULT, 0, 1);
  GO(1);
  sqe(IORING_OP_NOP, 0, 0, 0, 0, 1)->rw_flags = 1u << 30;
  GO(1);
  int file = open("file", O_RDWR | O_TRUNC);
  sqe(IORING_OP_WRITE, file, "abc", 3, 0, 1)->rw_flags = 16; // RWF_APPEND
  GO(1);
  sqe(IORING_OP_WRITE, file, "de", 2, 0, 1)->rw_flags = 16;
  GO(1);
  P("%ld\n", (long)lseek(file, 0, SEEK_END));
  sqe(55, file, "x", 0, 4, 1);
  GO(1);
  sqe(55, file, 0, 1, 4, 1);
  GO(1);
  sqe(55, file, 0, 0, 4, 1);
  GO(1);
  sqe(IORING_OP_SOCKET, AF_UNIX, 0, 0, SOCK_DGRAM, 1)->file_index = ~0u;
  GO(1);
  sqe(IORING_OP_SOCKET, AF_UNIX, 0, 0, SOCK_DGRAM, 1)->file_index = 1;
  GO(1);
  // What cancelling a waitid tells is what its timeout tells.
  int64_t time[2] = {0, 1000000};
  pid_t child = fork();
  if (!child) pause();
  struct io_uring_sqe *s = sqe(50, child, 0, 1 /* P_PID */, 0, 1);
  s->file_index = WEXITED;
  s->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_LINK_TIMEOUT, 0, time, 1, 0, 2);
  GO(2);
  kill(child, SIGKILL);
  wait(0);
}

/** Polls that go on see each event, though it is gone before anybody looks, until the ring is full. */
static void edges(unsigned flags) {
  int ends[2], sock[2];
  char c = 0;
  R(setup(flags));
  P("edges\n");
  pipe(ends);
  sqe(IORING_OP_POLL_ADD, ends[0], 0, 1 /* IORING_POLL_ADD_MULTI */, 0, 1)->poll32_events = 1;
  enter(1, 0, 0);
  for (int i = 0; i < 4; i++) {
    write(ends[1], &c, 1);
    read(ends[0], &c, 1);
  }
  P("%d\n", ready());
  enter(0, 0, IORING_ENTER_GETEVENTS);
  reap(ready());
  if (!flags) {
    for (int i = 0; i < 70; i++) {
      write(ends[1], &c, 1);
      read(ends[0], &c, 1);
    }
    P("%d\n", ready());
    reap(65);
  }
  // What is there at the beginning is told as what comes later is.
  socketpair(AF_UNIX, SOCK_STREAM, 0, sock);
  sqe(IORING_OP_POLL_ADD, sock[0], 0, 1, 0, 1)->poll32_events = 5;
  enter(1, 0, 0);
  P("%d\n", ready());
  write(sock[1], &c, 1);
  enter(0, 0, IORING_ENTER_GETEVENTS);
  reap(ready());
}

/** Connections that are taken if there are any, or looked for first. */
static void accepting(void) {
  struct sockaddr_un name = {AF_UNIX, "/tmp/uring_accept"};
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), slot = 0;
  unlink(name.sun_path);
  bind(listener, (struct sockaddr *)&name, sizeof name);
  listen(listener, 8);
  for (unsigned flags = 0; flags < 16; flags++) {
    if (!(flags & 10) || (flags & 9) == 1) continue;
    sqe(IORING_OP_ACCEPT, listener, 0, 0, 0, 1)->ioprio = flags;
    P("accept %u, none there\n", flags);
    enter(1, 0, 0);
    reap(1);
  }
  for (unsigned flags = 2; flags < 8; flags += 2) {
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(other, (struct sockaddr *)&name, sizeof name);
    P("accept %u\n", flags);
    sqe(IORING_OP_ACCEPT, listener, 0, 0, 0, 1)->ioprio = flags;
    enter(1, 0, 0);
    reap(1);
    close(other);
  }
  sqe(IORING_OP_ACCEPT, listener, 0, 0, 0, 1)->ioprio = 4;
  enter(1, 0, 0);
  int other = socket(AF_UNIX, SOCK_STREAM, 0);
  connect(other, (struct sockaddr *)&name, sizeof name);
  reap(1);
  for (slot = 3; slot < 64; slot++)
    if (slot != fd) close(slot);
  unlink(name.sun_path);
}

int main(void) {
  signal(SIGPIPE, caught);
  signal(SIGXFSZ, caught);
  R(setup(0));
  signals();
  addresses();
  parts();
  patience();
  members();
  accepting();
  R(setup(0));
  edges(0);
  edges(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  R(setup(IORING_SETUP_SQPOLL));
  P("poller\n");
  signals();
}
