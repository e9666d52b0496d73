// io_uring, by its system calls alone.
#include "guest.h"
#include "uring.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

int main(void) {
  struct io_uring_params q = {0};
  R(syscall(SYS_io_uring_setup, 0, &q));
  R(syscall(SYS_io_uring_setup, 1 << 20, &q));
  q.flags = 1u << 31;
  R(syscall(SYS_io_uring_setup, 8, &q));
  fd = syscall(SYS_io_uring_setup, 5, &p);
  R(fd >= 0);
  P("sq %u cq %u\n", p.sq_entries, p.cq_entries);
  R(p.features & IORING_FEAT_SINGLE_MMAP);
  R(p.features & IORING_FEAT_NODROP ? 1 : 0);
  R(fcntl(fd, F_GETFD));
  P("sq at %u %u %u %u %u %u %u\n", p.sq_off.head, p.sq_off.tail, p.sq_off.ring_mask, p.sq_off.ring_entries, p.sq_off.flags,
    p.sq_off.dropped, p.sq_off.array);
  P("cq at %u %u %u %u %u %u %u\n", p.cq_off.head, p.cq_off.tail, p.cq_off.ring_mask, p.cq_off.ring_entries,
    p.cq_off.overflow, p.cq_off.cqes, p.cq_off.flags);
  size_t size = p.sq_off.array + p.sq_entries * 4, other = p.cq_off.cqes + p.cq_entries * 16;
  if (other > size) size = other;
  rings = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
  sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
  R(rings != MAP_FAILED && (void *)sqes != MAP_FAILED);
  R(AT(unsigned, p.sq_off.ring_mask));
  R(AT(unsigned, p.cq_off.ring_entries));
  R(enter(0, 0, 0));
  R(enter(1, 0, 0));
  R(enter(0, 0, 1 << 20));
  R(syscall(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0));

  // Files.
  mkdir("/tmp/ur", 0755);
  char buf[64] = "", b2[64] = "";
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1);
  sqe(IORING_OP_OPENAT, AT_FDCWD, "/tmp/ur/f", 0644, 0, 2)->open_flags = O_CREAT | O_RDWR;
  GO(2);
  int f = open("/tmp/ur/f", O_RDWR);
  sqe(IORING_OP_WRITE, f, "hello, ring", 11, 0, 1);
  GO(1);
  sqe(IORING_OP_READ, f, buf, 64, 7, 2);
  GO(1);
  P("%s\n", buf);
  struct iovec v[2] = {{b2, 3}, {b2 + 10, 40}};
  sqe(IORING_OP_READV, f, v, 2, 0, 3);
  sqe(IORING_OP_FSYNC, f, 0, 0, 0, 4);
  sqe(IORING_OP_FALLOCATE, f, (void *)100L, 0, 0, 5);
  GO(3);
  P("%.3s|%s\n", b2, b2 + 10);
  lseek(f, 0, SEEK_SET);
  sqe(IORING_OP_READ, f, buf, 5, -1, 6);
  GO(1);
  R(lseek(f, 0, SEEK_CUR));
  sqe(IORING_OP_READ, 77, buf, 5, 0, 7);
  sqe(IORING_OP_READ, f, (void *)8, 5, 0, 9);
  GO(2);
  sqe(200, 0, 0, 0, 0, 8);
  sqe(IORING_OP_NOP, 0, 0, 0, 0, 9);
  R(enter(2, 0, 0));
  reap(1);
  GO(1);
  char st[256];
  sqe(IORING_OP_STATX, AT_FDCWD, "/tmp/ur/f", 0x7ff, (uintptr_t)st, 1);
  sqe(IORING_OP_MKDIRAT, AT_FDCWD, "/tmp/ur/d", 0700, 0, 2);
  sqe(IORING_OP_RENAMEAT, AT_FDCWD, "/tmp/ur/f", AT_FDCWD, (uintptr_t) "/tmp/ur/g", 3);
  sqe(IORING_OP_SYMLINKAT, AT_FDCWD, "target", 0, (uintptr_t) "/tmp/ur/l", 4);
  sqe(IORING_OP_LINKAT, AT_FDCWD, "/tmp/ur/g", AT_FDCWD, (uintptr_t) "/tmp/ur/h", 5);
  GO(5);
  sqe(IORING_OP_UNLINKAT, AT_FDCWD, "/tmp/ur/d", 0, 0, 1)->unlink_flags = AT_REMOVEDIR;
  sqe(IORING_OP_UNLINKAT, AT_FDCWD, "/tmp/ur/nothing", 0, 0, 2);
  GO(2);

  // Waiting: a pipe that is empty, a poll, timeouts.
  int ends[2];
  pipe(ends);
  sqe(IORING_OP_READ, ends[0], buf, 64, -1, 1);
  R(enter(1, 0, 0));
  R(ready());
  write(ends[1], "late", 4);
  reap(1);
  P("%.4s\n", buf);
  sqe(IORING_OP_POLL_ADD, ends[0], 0, 0, 0, 2)->poll32_events = POLLIN;
  R(enter(1, 0, 0));
  R(ready());
  write(ends[1], "x", 1);
  reap(1);
  read(ends[0], buf, 1);
  struct __kernel_timespec t = {0, 20000000}, far = {100, 0};
  sqe(IORING_OP_TIMEOUT, -1, &t, 1, 0, 3);
  GO(1);
  sqe(IORING_OP_TIMEOUT, -1, &far, 1, 1, 4);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 5);
  GO(2);
  sqe(IORING_OP_TIMEOUT, -1, &far, 1, 0, 6);
  R(enter(1, 0, 0));
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)6L, 0, 0, 7);
  R(enter(1, 0, 0));
  reap(2);
  sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)6L, 0, 0, 7);
  GO(1);
  sqe(IORING_OP_READ, ends[0], buf, 64, -1, 8);
  R(enter(1, 0, 0));
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)8L, 0, 0, 9);
  R(enter(1, 0, 0));
  reap(2);
  sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)8L, 0, 0, 9);
  GO(1);

  // Chains.
  sqe(IORING_OP_WRITE, ends[1], "abc", 3, -1, 1)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_READ, ends[0], buf, 3, -1, 2);
  GO(2);
  sqe(IORING_OP_READ, 77, buf, 3, 0, 3)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 4)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 5);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 6);
  GO(4);
  sqe(IORING_OP_READ, 77, buf, 3, 0, 3)->flags = IOSQE_IO_HARDLINK;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 4);
  GO(2);
  sqe(IORING_OP_READ, ends[0], buf, 64, -1, 7)->flags = IOSQE_IO_LINK;
  sqe(IORING_OP_LINK_TIMEOUT, -1, &t, 1, 0, 8);
  GO(2);
  sqe(IORING_OP_READ, ends[0], buf, 3, -1, 1);
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2)->flags = IOSQE_IO_DRAIN;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 3);
  R(enter(3, 0, 0));
  R(ready());
  write(ends[1], "xyz", 3);
  reap(3);

  // Sockets.
  int l = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un a = {AF_UNIX, "/tmp/ur/sock"};
  bind(l, (void *)&a, sizeof a);
  listen(l, 4);
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  sqe(IORING_OP_ACCEPT, l, 0, 0, 0, 1);
  R(enter(1, 0, 0));
  sqe(IORING_OP_CONNECT, c, &a, 0, sizeof a, 2);
  R(enter(1, 0, 0));
  unsigned h = AT(unsigned, p.cq_off.head);
  while (ready() < 2) enter(0, 2, IORING_ENTER_GETEVENTS);
  int s = -1;
  for (int i = 0; i < 2; i++) {
    struct io_uring_cqe *q = (struct io_uring_cqe *)(rings + p.cq_off.cqes) + ((h + i) & (p.cq_entries - 1));
    if (q->user_data == 1) s = q->res;
  }
  __atomic_store_n((unsigned *)(rings + p.cq_off.head), h + 2, __ATOMIC_RELEASE);
  R(s >= 0);
  sqe(IORING_OP_RECV, s, buf, 64, 0, 3);
  R(enter(1, 0, 0));
  sqe(IORING_OP_SEND, c, "over the socket", 15, 0, 4);
  R(enter(1, 0, 0));
  reap(2);
  P("%.15s\n", buf);
  struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
  sqe(IORING_OP_SENDMSG, c, &m, 1, 0, 5);
  GO(1);
  sqe(IORING_OP_RECVMSG, s, &m, 1, 0, 6);
  sqe(IORING_OP_SHUTDOWN, c, 0, SHUT_WR, 0, 7);
  GO(2);
  sqe(IORING_OP_RECV, s, buf, 64, 0, 8);
  sqe(IORING_OP_CLOSE, c, 0, 0, 0, 9);
  GO(2);

  // Registered files and buffers, provided buffers.
  int files[3] = {f, -1, ends[0]};
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_FILES, files, 3));
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_FILES, files, 3));
  sqe(IORING_OP_READ, 0, buf, 5, 0, 1)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_READ, 1, buf, 5, 0, 2)->flags = IOSQE_FIXED_FILE;
  sqe(IORING_OP_READ, 9, buf, 5, 0, 3)->flags = IOSQE_FIXED_FILE;
  GO(3);
  R(syscall(SYS_io_uring_register, fd, IORING_UNREGISTER_FILES, 0, 0));
  R(syscall(SYS_io_uring_register, fd, IORING_UNREGISTER_FILES, 0, 0));
  struct iovec reg = {b2, 64};
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &reg, 1));
  sqe(IORING_OP_READ_FIXED, f, b2 + 4, 5, 0, 1);
  sqe(IORING_OP_READ_FIXED, f, buf, 5, 0, 2);
  sqe(IORING_OP_READ_FIXED, f, b2, 5, 0, 3)->buf_index = 4;
  GO(3);
  R(syscall(SYS_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, 0, 0));
  static char pool[4][16];
  sqe(IORING_OP_PROVIDE_BUFFERS, 4, pool, 16, 0, 1)->buf_group = 7;
  GO(1);
  struct io_uring_sqe *e = sqe(IORING_OP_READ, f, 0, 16, 0, 2);
  e->flags = IOSQE_BUFFER_SELECT, e->buf_group = 7;
  GO(1);
  P("%.11s\n", pool[0]);
  e = sqe(IORING_OP_READ, f, 0, 16, 0, 3);
  e->flags = IOSQE_BUFFER_SELECT, e->buf_group = 9;
  GO(1);
  sqe(IORING_OP_REMOVE_BUFFERS, 99, 0, 0, 0, 4)->buf_group = 7;
  GO(1);
  int efd = eventfd(0, EFD_NONBLOCK);
  R(syscall(SYS_io_uring_register, fd, IORING_REGISTER_EVENTFD, &efd, 1));
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1);
  GO(1);
  uint64_t n = 0;
  R(read(efd, &n, 8));
  R(n);
  struct pollfd pf = {fd, POLLIN};
  R(poll(&pf, 1, 0));
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
  sqe(IORING_OP_NOP, -1, 0, 0, 0, 2);
  R(enter(2, 1, IORING_ENTER_GETEVENTS));
  R(poll(&pf, 1, 0));
  reap(1);
  R(ready());
  R(syscall(SYS_io_uring_register, fd, 200, 0, 0));
  // More completions than there is room for are kept.
  for (int i = 0; i < 24; i++) {
    sqe(IORING_OP_NOP, -1, 0, 0, 0, i);
    enter(1, 0, 0);
  }
  R(ready());
  reap(24);
  munmap(rings, size);
  close(fd);
  const char *names[] = {"f", "g", "h", "l", "sock"};
  for (int i = 0; i < 5; i++) {
    char path[32];
    sprintf(path, "/tmp/ur/%s", names[i]);
    unlink(path);
  }
  R(rmdir("/tmp/ur"));
  return 0;
}
