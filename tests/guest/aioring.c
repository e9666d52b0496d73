// The ring of results of io_setup(2) as programs read it by themselves, and what io_submit refuses.
#include "guest.h"
#include <linux/aio_abi.h>
struct ring {
  unsigned id, nr, head, tail, magic, compat, incompat, header;
  struct io_event events[];
};
static long submit(aio_context_t c, int op, int fd, void *buf, size_t n, long off) {
  static struct iocb i;
  i = (struct iocb){.aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = n, .aio_offset = off, .aio_data = 7 + off};
  struct iocb *l = &i;
  return syscall(SYS_io_submit, c, 1L, &l);
}
static long get(aio_context_t c, long min, long n, struct io_event *e) {
  struct timespec none = {0, 0};
  return syscall(SYS_io_getevents, c, min, n, e, &none);
}
int main() {
  aio_context_t c = 0;
  struct io_event e[8];
  char buf[64] = "0123456789";
  int fd = open("/tmp/aioring", O_CREAT | O_TRUNC | O_RDWR, 0600), p[2];
  R(syscall(SYS_io_setup, 32, &c));
  struct ring *r = (void *)c;
  P("%x %u %u %u head %u tail %u\n", r->magic, r->compat, r->incompat, r->header, r->head, r->tail);
  P("room %d, power %d\n", r->nr >= 64, (32 + r->nr * 32) % 4096 == 0);
  for (int i = 0; i < 3; i++) R(submit(c, IOCB_CMD_PWRITE, fd, buf, 4 + i, i));
  P("head %u tail %u\n", r->head, r->tail);
  for (int i = 0; i < 3; i++) P("%lld %lld\n", (long long)r->events[i].data, (long long)r->events[i].res);
  r->head = 1;
  R(get(c, 0, 1, e));
  P("%lld head %u tail %u\n", (long long)e[0].data, r->head, r->tail);
  R(get(c, 0, 8, e));
  P("%lld head %u tail %u\n", (long long)e[0].data, r->head, r->tail);
  R(get(c, 0, 8, e));
  // Full, and emptied by hand.
  int n = 0;
  while (submit(c, IOCB_CMD_PREAD, fd, buf, 4, 0) == 1) n++;
  P("full %d errno %d\n", n > 60 && n < (int)r->nr, errno);
  r->head = r->tail;
  R(submit(c, IOCB_CMD_PREAD, fd, buf, 4, 0));
  R(get(c, 0, 8, e));
  // Round the ring's end.
  for (int i = 0; i < 300; i++)
    if (submit(c, IOCB_CMD_PREAD, fd, buf, 4, i & 3) != 1 || get(c, 1, 1, e) != 1 || e[0].data != 7 + (i & 3u)) P("at %d\n", i);
  P("%d\n", r->head == r->tail);
  // Refused before anything is begun.
  R(submit(c, IOCB_CMD_PREAD, fd, buf, 4, -1));
  R(submit(c, IOCB_CMD_PWRITE, fd, buf, 4, -1));
  R(submit(c, IOCB_CMD_PREAD, fd, buf, 4, LONG_MAX));
  R(submit(c, IOCB_CMD_PREAD, fd, (void *)-4096L, 4, 0));
  R(submit(c, IOCB_CMD_PWRITE, fd, (void *)-4096L, 4, -1));
  R(pipe(p));
  R(submit(c, IOCB_CMD_PWRITE, p[1], buf, 4, -1));
  R(get(c, 0, 8, e));
  R(submit(c, IOCB_CMD_PWRITE, fd, 0, 4, 0));
  R(get(c, 0, 8, e));
  P("%lld\n", (long long)e[0].res);
  // The context goes where its ring goes.
  R(submit(c, IOCB_CMD_PWRITE, fd, buf, 5, 1));
  char *to = mmap(0, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  size_t len = 32 + r->nr * 32;
  OK(mremap(r, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
  R(get(c, 0, 8, e));
  aio_context_t d = (aio_context_t)to;
  R(submit(d, IOCB_CMD_PWRITE, fd, buf, 6, 2));
  R(get(d, 0, 8, e));
  P("%lld %lld\n", (long long)e[0].data, (long long)e[1].res);
  r = (void *)to;
  P("%d %x\n", r->head == r->tail, r->magic);
  // A spoilt ring hurts nobody else.
  R(syscall(SYS_io_destroy, c));
  R(syscall(SYS_io_destroy, d));
  c = 0;
  R(syscall(SYS_io_setup, 4200000, &c));
  R(syscall(SYS_io_setup, 1, &c));
  for (int i = 0; i < 4; i++) R(submit(c, IOCB_CMD_PREAD, fd, buf, 4, 0));
  R(get(c, 4, 8, e));
  R(syscall(SYS_io_destroy, c));
  unlink("/tmp/aioring");
}
