// Asynchronous input and output.
#include "guest.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

static long setup(unsigned n, aio_context_t *c) { return syscall(SYS_io_setup, n, c); }
static long destroy(aio_context_t c) { return syscall(SYS_io_destroy, c); }
static long submit(aio_context_t c, long n, struct iocb **l) { return syscall(SYS_io_submit, c, n, l); }
static long get(aio_context_t c, long min, long n, struct io_event *e, struct timespec *t) {
  return syscall(SYS_io_getevents, c, min, n, e, t);
}
static struct iocb prep(int op, int fd, void *buf, size_t n, long off, long data) {
  struct iocb i = {.aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = n, .aio_offset = off, .aio_data = data};
  return i;
}

int main(void) {
  aio_context_t c = 0, bad = 1;
  R(setup(0, &c));
  R(setup(4, &bad));
  R(setup(4, 0));
  R(setup(1 << 30, &c));
  R(setup(4, &c));
  R(c != 0);
  struct io_event ev[8];
  struct timespec none = {0, 0}, some = {0, 20000000};
  R(get(c, 0, 8, ev, &none));
  R(get(c, 1, 8, ev, &some));
  R(get(c, 5, 4, ev, 0));
  R(get(c, -1, 4, ev, 0));
  R(get(12345, 0, 4, ev, 0));
  int fd = open("/tmp/aio.file", O_CREAT | O_RDWR | O_TRUNC, 0600);
  char out[64] = "written asynchronously", in[64] = "";
  struct iocb w = prep(IOCB_CMD_PWRITE, fd, out, 22, 5, 11), r = prep(IOCB_CMD_PREAD, fd, in, 64, 5, 22);
  struct iocb s = prep(IOCB_CMD_FDSYNC, fd, 0, 0, 0, 33);
  struct iocb *list[8] = {&w, &r, &s};
  R(submit(c, 0, list));
  R(submit(c, -1, list));
  R(submit(c, 3, list));
  int seen = 0;
  while (seen < 3) {
    long n = get(c, 1, 8, ev + seen, 0);
    seen += n;
  }
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      if (ev[j].data == 11 * (i + 1)) P("%lld: %lld obj %d\n", (long long)ev[j].data, (long long)ev[j].res, ev[j].obj == (uintptr_t)list[i]);
  P("%s\n", in);
  // Refused.
  struct iocb x = prep(99, fd, in, 1, 0, 0);
  list[0] = &x;
  R(submit(c, 1, list));
  x = prep(IOCB_CMD_NOOP, fd, in, 1, 0, 0);
  R(submit(c, 1, list));
  x = prep(IOCB_CMD_PREAD, 77, in, 1, 0, 0);
  R(submit(c, 1, list));
  x = prep(IOCB_CMD_PREAD, fd, in, 1, 0, 0);
  x.aio_reserved2 = 1;
  R(submit(c, 1, list));
  int wo = open("/dev/null", O_WRONLY);
  x = prep(IOCB_CMD_PREAD, wo, in, 1, 0, 0);
  R(submit(c, 1, list));
  list[0] = &r;
  list[1] = (void *)8;
  R(submit(c, 2, list));
  R(get(c, 1, 8, ev, 0));
  list[0] = 0;
  R(submit(c, 1, list));
  // Failed later.
  r = prep(IOCB_CMD_PREAD, fd, (void *)8, 10, 0, 1);
  list[0] = &r;
  R(submit(c, 1, list));
  R(get(c, 1, 8, ev, 0));
  R(ev[0].res);
  // Vectors, and an eventfd that tells.
  char a[4] = "", b[8] = "";
  struct iovec v[2] = {{a, 3}, {b, 7}};
  int efd = eventfd(0, EFD_NONBLOCK);
  r = prep(IOCB_CMD_PREADV, fd, v, 2, 5, 2);
  r.aio_flags = IOCB_FLAG_RESFD;
  r.aio_resfd = efd;
  R(submit(c, 1, list));
  R(get(c, 1, 8, ev, 0));
  R(ev[0].res);
  P("%s|%s\n", a, b);
  uint64_t count = 0;
  R(read(efd, &count, 8));
  R(count);
  r.aio_resfd = fd;
  R(submit(c, 1, list));
  // More than it holds is refused; the ring rounds up, so many are needed.
  // A poll that waits, is told, or is cancelled.
  int ends[2];
  pipe(ends);
  struct iocb p = prep(IOCB_CMD_POLL, ends[0], (void *)POLLIN, 0, 0, 44);
  list[0] = &p;
  R(submit(c, 1, list));
  R(get(c, 0, 8, ev, &none));
  write(ends[1], "x", 1);
  R(get(c, 1, 8, ev, 0));
  P("%lld %lld\n", (long long)ev[0].data, (long long)ev[0].res);
  read(ends[0], in, 1);
  R(submit(c, 1, list));
  struct io_event ce;
  R(syscall(SYS_io_cancel, c, &p, &ce));
  R(get(c, 0, 8, ev, &some) <= 1);
  R(syscall(SYS_io_cancel, c, &w, &ce));
  R(syscall(SYS_io_cancel, c, 0, &ce));
  p.aio_buf = 0x10000;
  R(submit(c, 1, list));
  // The context is gone.
  R(destroy(c));
  R(destroy(c));
  R(submit(c, 1, list));
  unlink("/tmp/aio.file");
  return 0;
}
