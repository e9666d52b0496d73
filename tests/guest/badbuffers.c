// link: -lrt
/* Buffers that end in unmapped memory, vectors outside user space, and an asynchronous context's ring that moves or hides. */
#include "guest.h"
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char *edge;

/* What a socket does with the last readable byte and four more. */
static void sockets(int type) {
  char text[20];
  int s[2];
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  R(send(s[0], edge, 5, 0));
  send(s[0], "hello", 5, 0);
  R(recv(s[1], edge, 5, MSG_PEEK));
  R(recv(s[1], edge, 5, 0));
  R(recv(s[1], text, 5, 0));
  send(s[0], "ab", 2, 0);
  send(s[0], "cdefg", 5, 0);
  struct iovec v[2] = {{text, 2}, {edge, 9}};
  R(readv(s[1], v, 2));
  R(recv(s[1], text, 9, 0));
  R(writev(s[0], v, 2));
  R(recv(s[1], (void *)1, 5, 0));
  R(recv(s[1], text, 9, 0));
}

static aio_context_t context;

static long submit(struct iocb *request) {
  return syscall(SYS_io_submit, context, 1, &request);
}

static long event(long least) {
  struct io_event e;
  struct timespec soon = {0, 1000000};
  long r = syscall(SYS_io_getevents, context, least, 1, &e, &soon);
  if (r == 1) P("result %lld\n", e.res);
  return r;
}

static void vectors(void) {
  char text[20] = "some text";
  struct iovec v[2] = {{text, 4}, {(void *)0xffffffff00000000, 1}};
  struct iocb request = {.aio_fildes = open("aio", O_CREAT | O_RDWR, 0644), .aio_buf = (long)v};
  R(syscall(SYS_io_setup, 8, &context));
  for (int op = IOCB_CMD_PREADV; op <= IOCB_CMD_PWRITEV; op++) {
    request.aio_lio_opcode = op;
    request.aio_nbytes = 2;
    R(submit(&request));
    request.aio_nbytes = 1025;
    R(submit(&request));
    v[1].iov_base = text;
    v[1].iov_len = -1;
    request.aio_nbytes = 2;
    R(submit(&request));
    request.aio_nbytes = 1;
    request.aio_buf = 1;
    R(submit(&request));
    request.aio_buf = (long)v;
    v[1] = (struct iovec){(void *)0xffffffff00000000, 1};
  }
  request.aio_nbytes = 1;
  R(submit(&request));
  R(event(1));
  R(pread(request.aio_fildes, text, 9, 0));
}

static void ring(void) {
  char text[] = "x";
  struct iocb request = {
      .aio_fildes = open("aio", O_RDWR), .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (long)text, .aio_nbytes = 1};
  aio_context_t second = 0;
  char line[200];
  unsigned long start, end;
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) {
    sscanf(line, "%lx-%lx", &start, &end);
    if (start == context) break;
  }
  fclose(f);
  size_t size = end - start;
  R(*(unsigned *)context);
  R(syscall(SYS_io_setup, 8, &second));
  R(*(unsigned *)second);
  char *free = mmap(0, size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(mremap((void *)context, size, size + 4096, MREMAP_FIXED | MREMAP_MAYMOVE, free));
  R(mremap((void *)context, size, size + 4096, MREMAP_MAYMOVE));
  R(mremap((void *)context, size, size, MREMAP_FIXED | MREMAP_MAYMOVE, free) == free);
  R(submit(&request));
  context = (long)free;
  R(submit(&request));
  R(mprotect(free, 4096, PROT_NONE));
  R(submit(&request));
  R(event(1));
  R(syscall(SYS_io_destroy, context));
  R(mprotect(free, 4096, PROT_READ | PROT_WRITE));
  R(event(1));
  *(unsigned *)context = 1;
  R(submit(&request));
  *(unsigned *)context = 0;
  R(submit(&request));
  R(syscall(SYS_io_destroy, context));
  R(syscall(SYS_io_setup, 8, (context = 0, &context)));
  R(*(unsigned *)context);
  R(syscall(SYS_io_destroy, second));
}

static void devices(void) {
  struct pollfd p[2] = {{open("/dev/random", O_RDWR), 0xffff}, {open("/dev/urandom", O_RDWR), 0xffff}};
  R(poll(p, 2, 0));
  P("%x %x\n", p[0].revents, p[1].revents);
  mkdir("queues", 0755);
  R(mount("none", "queues", "mqueue", 0, ""));
  mqd_t q = mq_open("/cut", O_CREAT | O_RDWR, 0600, 0);
  struct stat st;
  R(truncate("queues/cut", 7));
  stat("queues/cut", &st);
  R(st.st_size);
  char text[100];
  R(read(q, text, sizeof text));
  mq_unlink("/cut");
  umount2("queues", MNT_DETACH);
}

int main(void) {
  char *two = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(two + 4096, 4096);
  edge = two + 4095;
  sockets(SOCK_STREAM);
  sockets(SOCK_DGRAM);
  sockets(SOCK_SEQPACKET);
  vectors();
  ring();
  devices();
}
