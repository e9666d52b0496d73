// A ring of io_uring by its system calls alone: one submission, its completions in order of their data.
#include <linux/io_uring.h>

static int fd;
static char *rings;
static struct io_uring_sqe *sqes;
static struct io_uring_params p;
static unsigned tail;

#define AT(type, off) (*(volatile type *)(rings + (off)))
static struct io_uring_sqe *sqe(int op, int f, const void *addr, unsigned len, uint64_t off, uint64_t data) {
  unsigned i = tail & (p.sq_entries - 1);
  struct io_uring_sqe *s = &sqes[i];
  memset(s, 0, sizeof *s);
  s->opcode = op, s->fd = f, s->addr = (uintptr_t)addr, s->len = len, s->off = off, s->user_data = data;
  AT(unsigned, p.sq_off.array + 4 * i) = i;
  tail++;
  __atomic_store_n((unsigned *)(rings + p.sq_off.tail), tail, __ATOMIC_RELEASE);
  return s;
}
/** A new ring in place of the current one. */
__attribute__((unused)) static int new_ring(unsigned flags, unsigned entries, unsigned idle) {
  if (fd > 0) close(fd);
  memset(&p, 0, sizeof p);
  p.flags = flags;
  p.sq_thread_idle = idle;
  tail = 0;
  fd = syscall(SYS_io_uring_setup, entries, &p);
  if (fd < 0) return -errno;
  size_t size = p.sq_off.array + p.sq_entries * 4, other = p.cq_off.cqes + p.cq_entries * 16;
  if (other > size) size = other;
  rings = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
  sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
  return 0;
}
static long enter(unsigned n, unsigned min, unsigned flags) { return syscall(SYS_io_uring_enter, fd, n, min, flags, 0, 0); }
static int ready(void) { return AT(unsigned, p.cq_off.tail) - AT(unsigned, p.cq_off.head); }
/** Takes and prints completions, in order of their data. */
static void reap(int n) {
  struct {
    uint64_t d;
    int r;
    unsigned f;
  } got[64];
  int have = 0;
  while (have < n) {
    if (!ready() && enter(0, 1, IORING_ENTER_GETEVENTS) < 0 && errno != EINTR) {
      P("enter failed %d\n", errno);
      break;
    }
    while (ready() && have < n) {
      unsigned h = AT(unsigned, p.cq_off.head);
      struct io_uring_cqe *c = (struct io_uring_cqe *)(rings + p.cq_off.cqes) + (h & (p.cq_entries - 1));
      got[have].d = c->user_data, got[have].r = c->res, got[have].f = c->flags;
      have++;
      __atomic_store_n((unsigned *)(rings + p.cq_off.head), h + 1, __ATOMIC_RELEASE);
    }
  }
  for (uint64_t d = 0; d < 1000; d++)
    for (int i = 0; i < have; i++)
      if (got[i].d == d) P("  %lu: %d%s%s\n", (unsigned long)d, got[i].r, got[i].f & IORING_CQE_F_MORE ? " more" : "",
                           got[i].f & IORING_CQE_F_BUFFER ? " buffer" : "");
}
#define GO(n)                                                                                      \
  do {                                                                                             \
    P("line %d: %ld\n", __LINE__, enter(n, 0, 0));                                                 \
    reap(n);                                                                                       \
  } while (0)
