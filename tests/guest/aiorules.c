// Asynchronous input and output: what io_submit takes of each operation and file, flags, keys, and cancelling.
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/personality.h>

static aio_context_t ctx;
static struct iocb cb;
static char text[64];

static long submit(void) {
  struct iocb *list[1] = {&cb};
  return syscall(SYS_io_submit, ctx, 1, list);
}
static long events(long min, struct io_event *to, struct timespec *time) {
  return syscall(SYS_io_getevents, ctx, min, 8, to, time);
}
static void prepare(int op, int fd) {
  memset(&cb, 0, sizeof cb);
  cb.aio_lio_opcode = op;
  cb.aio_fildes = fd;
  if (op == IOCB_CMD_POLL)
    cb.aio_buf = POLLIN;
  else if (op != IOCB_CMD_FSYNC && op != IOCB_CMD_FDSYNC) {
    cb.aio_buf = (uintptr_t)text;
    cb.aio_offset = 2;
    if (op < IOCB_CMD_PREADV) cb.aio_nbytes = 5;
  }
}

int main(void) {
  struct io_event ev[8];
  int p[2];
  personality(READ_IMPLIES_EXEC);
  R(syscall(SYS_io_setup, 8, &ctx));
  personality(0);
  char line[500];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps))
    if (strstr(line, "/[aio]")) P("ring %.5s\n", strchr(line, ' ') + 1);
  fclose(maps);
  int fds[] = {open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600), open("aio", O_RDONLY), open("aio", O_WRONLY),
               open(".", O_RDONLY), open("aio", O_WRONLY | O_APPEND)};
  write(fds[0], "hello world", 11);
  for (int op = -1; op < 10; op++)
    for (int k = 0; k < 5; k++) {
      prepare(op, fds[k]);
      errno = 0;
      long r = submit();
      P("operation %d file %d: %ld errno %d", op, k, r, errno);
      if (r == 1) P(" %ld", events(1, ev, 0) == 1 ? (long)ev[0].res : -1);
      P("\n");
    }
  prepare(IOCB_CMD_PWRITE, fds[0]);
  for (unsigned flags = 1; flags < 0x80; flags <<= 1) {
    cb.aio_rw_flags = flags;
    errno = 0;
    long r = submit();
    P("flags %x: %ld errno %d", flags, r, errno);
    if (r == 1) P(" %ld", events(1, ev, 0) == 1 ? (long)ev[0].res : -1);
    P(" size %ld\n", lseek(fds[0], 0, SEEK_END));
  }
  prepare(IOCB_CMD_POLL, fds[0]);
  cb.aio_rw_flags = 1;
  R(submit());
  prepare(IOCB_CMD_FSYNC, fds[0]);
  cb.aio_rw_flags = 1;
  R(submit());
  prepare(IOCB_CMD_PREAD, fds[0]);
  cb.aio_key = 5;
  cb.aio_flags = 4;
  cb.aio_reqprio = 5;
  R(submit());
  R(cb.aio_key);
  R(events(1, ev, 0));
  R(events(0, ev, &(struct timespec){0, 1500000000}));
  R(events(1, ev, &(struct timespec){0, 1000000001}));
  pipe(p);
  prepare(IOCB_CMD_POLL, p[0]);
  R(submit());
  R(syscall(SYS_io_cancel, ctx, &cb, ev));
  msleep(50);
  R(events(0, ev, &(struct timespec){0, 0}));
  R(ev[0].res);
  R(syscall(SYS_io_cancel, ctx, &cb, ev));
  R(submit());
  write(p[1], "a", 1);
  R(events(1, ev, 0));
  R(ev[0].res);

  // A poll that hears of the end.
  read(p[0], ev, 1);
  R(submit());
  close(p[1]);
  R(events(1, ev, 0));
  R(ev[0].res);

  // What each kind of file can do is seen when it is submitted.
  pipe(p);
  write(p[1], "some bytes to read", 18);
  int kinds[] = {open("/dev/null", O_RDWR), open("/dev/zero", O_RDWR), open("/proc/self/stat", O_RDONLY), open("/proc/version", O_RDONLY), eventfd(1, 0), epoll_create1(0), inotify_init(), p[0], p[1]};
  const char *names[] = {"null", "zero", "stat", "version", "eventfd", "epoll", "inotify", "reading", "writing"};
  char bytes[8] = {1};
  for (int i = 0; i < 9; i++) {
    P("%s:", names[i]);
    for (int op = 0; op < 4; op++) {
      prepare(op, kinds[i]);
      cb.aio_buf = op < 2 ? (long)bytes : 0;
      cb.aio_nbytes = op < 2 ? 8 : 0;
      errno = 0;
      long r = submit();
      P(" %ld/%d", r, errno);
      if (r == 1) P("/%ld", events(1, ev, 0) == 1 ? (long)ev[0].res : -1);
    }
    P("\n");
  }
}
