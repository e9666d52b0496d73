// userfaultfd(2): the API handshake, ranges, faults of programs and of system calls, what fills pages, write protection, pages of
// shared memory that are there, poison, moves, events, and forced writes through /proc/PID/mem.
// link: -lpthread
#include "guest.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/ioctl.h>

#define PG 4096L
enum { API = 0xaa };
struct api {
  uint64_t api, features, ioctls;
};
struct range {
  uint64_t start, len;
};
struct reg {
  struct range r;
  uint64_t mode, ioctls;
};
struct copy {
  uint64_t dst, src, len, mode;
  int64_t copy;
};
struct fill {
  struct range r;
  uint64_t mode;
  int64_t done;
};
struct wp {
  struct range r;
  uint64_t mode;
};
struct msg {
  uint8_t event, r1;
  uint16_t r2;
  uint32_t r3;
  uint64_t a, b, c;
};
#define IOAPI 0xc018aa3f
#define REGISTER 0xc020aa00
#define UNREGISTER 0x8010aa01
#define WAKE 0x8010aa02
#define COPY 0xc028aa03
#define ZEROPAGE 0xc020aa04
#define MOVE 0xc028aa05
#define WRITEPROTECT 0xc018aa06
#define CONTINUE 0xc020aa07
#define POISON 0xc020aa08

static int api(int fd, uint64_t features) {
  struct api a = {API, features};
  return ioctl(fd, IOAPI, &a);
}
static int open_uffd(int flags, uint64_t features) {
  int fd = syscall(SYS_userfaultfd, flags);
  if (fd < 0 || api(fd, features)) P("cannot open, errno %d\n", errno);
  return fd;
}
static int reg(int fd, void *p, long len, int mode) {
  struct reg r = {{(uint64_t)p, len}, mode};
  int e = ioctl(fd, REGISTER, &r);
  if (!e) P("ioctls %llx ", (long long)r.ioctls);
  return e;
}
static int copy(int fd, void *dst, void *src, long len, int mode) {
  struct copy c = {(uint64_t)dst, (uint64_t)src, len, mode, 77};
  int e = ioctl(fd, COPY, &c), saved = errno;
  P("[copy %lld] ", (long long)c.copy);
  errno = saved;
  return e;
}
static int fill(int fd, unsigned cmd, void *p, long len, int mode) {
  struct fill f = {{(uint64_t)p, len}, mode, 77};
  int e = ioctl(fd, cmd, &f), saved = errno;
  P("[%lld] ", (long long)f.done);
  errno = saved;
  return e;
}
static int protect(int fd, void *p, long len, int mode) {
  struct wp w = {{(uint64_t)p, len}, mode};
  return ioctl(fd, WRITEPROTECT, &w);
}
static char *map(long n, int flags) { return mmap(0, n * PG, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0); }
static char *page;

static sigjmp_buf back;
static void caught(int sig, siginfo_t *i, void *u) {
  P("signal %d code %d\n", sig, i->si_code);
  siglongjmp(back, 1);
}
#define TRY(...)                                                                                   \
  do {                                                                                             \
    if (!sigsetjmp(back, 1)) {                                                                     \
      __VA_ARGS__;                                                                                 \
      P("fine\n");                                                                                 \
    }                                                                                              \
  } while (0)

static void handshake(void) {
  R(syscall(SYS_userfaultfd, 4));
  int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  P("%d %x %d\n", fd, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), fcntl(fd, F_GETFD));
  struct msg m;
  R(read(fd, &m, sizeof m));
  struct pollfd p = {fd, POLLIN};
  poll(&p, 1, 0);
  P("poll %x\n", p.revents);
  char *a = map(2, MAP_PRIVATE);
  R(reg(fd, a, PG, 1));
  struct api w = {0xab, 0};
  R(ioctl(fd, IOAPI, &w));
  P("%llx %llx\n", (long long)w.api, (long long)w.features);
  w = (struct api){API, 1ull << 60};
  R(ioctl(fd, IOAPI, &w));
  R(ioctl(fd, IOAPI, 8));
  w = (struct api){API, 0};
  R(ioctl(fd, IOAPI, &w));
  P("features %llx ioctls %llx\n", (long long)w.features & 0x1ffff, (long long)w.ioctls);
  R(api(fd, 0));
  R(read(fd, &m, sizeof m));
  R(read(fd, &m, 8));
  poll(&p, 1, 0);
  P("poll %x\n", p.revents);
  R(ioctl(fd, 0x5401, 0));
  R(lseek(fd, 0, SEEK_SET));
  R(reg(fd, a, PG, 0));
  R(reg(fd, a, PG, 8));
  R(reg(fd, a + 1, PG, 1));
  R(reg(fd, a, PG + 1, 1));
  R(reg(fd, a, 0, 1));
  R(reg(fd, (void *)(1L << 47), PG, 1));
  R(reg(fd, a, PG, 4));
  R(reg(fd, a, PG, 1));
  R(reg(fd, a, 2 * PG, 3));
  int other = open_uffd(O_NONBLOCK, 0);
  R(reg(other, a, PG, 1));
  int zero = open("/proc/self/exe", O_RDONLY);
  char *f = mmap(0, PG, PROT_READ, MAP_PRIVATE, zero, 0);
  R(reg(fd, f, PG, 1));
  munmap(f, PG);
  R(reg(fd, f, PG, 1));
  R(fill(fd, UNREGISTER, a, PG, 0));
  R(reg(other, a, PG, 1));
  INPROC(1000, R(syscall(SYS_userfaultfd, 0)); OK(syscall(SYS_userfaultfd, 1)));
  close(fd);
  R(reg(other, a + PG, PG, 1));
  close(other), close(zero);
  munmap(a, 2 * PG);
}

static void filling(int flags) {
  int fd = open_uffd(O_NONBLOCK, 0);
  char *a = map(8, flags), *none = map(1, MAP_PRIVATE);
  munmap(none, PG);
  R(copy(fd, a, page, PG, 0));
  R(reg(fd, a, 8 * PG, 3));
  R(copy(fd, a, page, PG, 0));
  P("%s\n", a);
  R(copy(fd, a, page, PG, 0));
  R(copy(fd, a + PG + 1, page, PG, 0));
  R(copy(fd, a + PG, page, 0, 0));
  R(copy(fd, a + PG, page, PG, 4));
  R(copy(fd, a + PG, none, PG, 0));
  R(copy(fd, a + 7 * PG, page, 2 * PG, 0));
  R(copy(fd, none, page, PG, 0));
  R(fill(fd, ZEROPAGE, a + 2 * PG, PG, 0));
  P("%d\n", a[2 * PG]);
  a[2 * PG] = 5;
  R(fill(fd, ZEROPAGE, a + PG, 2 * PG, 0));
  R(fill(fd, ZEROPAGE, a + 3 * PG, PG, 2));
  R(fill(fd, CONTINUE, a + 3 * PG, PG, 0));
  R(fill(fd, POISON, a + 4 * PG, PG, 0));
  R(fill(fd, POISON, a + 4 * PG, PG, 0));
  R(fill(fd, ZEROPAGE, a + 4 * PG, PG, 0));
  TRY(a[4 * PG] = 1);
  R(write(1, a + 4 * PG, 1));
  R(copy(fd, a + 4 * PG, page, PG, 0));
  P("%s\n", a + 4 * PG);
  R(copy(fd, a + 5 * PG, page, PG, 2));
  R(protect(fd, a + 5 * PG, PG, 3));
  R(protect(fd, a + 5 * PG, PG, 4));
  R(protect(fd, a + 5 * PG, PG, 0));
  a[5 * PG] = 'X';
  P("%s\n", a + 5 * PG);
  R(protect(fd, none, PG, 1));
  close(fd);
  a[6 * PG] = 1;
  munmap(a, 8 * PG);
}

struct server {
  int fd, count;
  const char *how;
};
/** What the server saw: told when it is done. */
static char seen[4096];
#define S(...) sprintf(seen + strlen(seen), __VA_ARGS__)
/** Notes each fault and serves it. */
static void *serve(void *p) {
  struct server *s = p;
  for (int i = 0; i < s->count; i++) {
    struct msg m;
    struct pollfd pf = {s->fd, POLLIN};
    poll(&pf, 1, -1);
    if (read(s->fd, &m, sizeof m) != sizeof m) {
      i--;
      continue;
    }
    S("event %x ", m.event);
    void *at = (void *)(m.b & -PG);
    if (m.event != 0x12)
      S("%llx bytes\n", (long long)(m.event == 0x14 ? m.c : m.b - m.a));
    else {
      S("flags %llx offset %llx: ", (long long)m.a, (long long)m.b & 0xfff);
      struct fill f = {{(uint64_t)at, PG}};
      struct copy c = {(uint64_t)at, (uint64_t)page, PG};
      if (m.a & 2)
        S("%d\n", protect(s->fd, at, PG, 0));
      else
        S("%d\n", m.a & 4 ? ioctl(s->fd, CONTINUE, &f) : ioctl(s->fd, COPY, &c));
    }
  }
  return 0;
}
static pthread_t start(struct server *s) {
  pthread_t t;
  *seen = 0;
  pthread_create(&t, 0, serve, s);
  return t;
}
static void end(pthread_t t) {
  pthread_join(t, 0);
  P("%s", seen);
}

static void faults(int flags) {
  int fd = open_uffd(O_NONBLOCK, 0);
  char *a = map(8, flags);
  R(reg(fd, a, 8 * PG, 3));
  struct server s = {fd, 6};
  pthread_t t = start(&s);
  P("%c\n", a[5]);
  a[PG + 7] = 'w';
  P("%s\n", a + PG);
  int p[2];
  pipe(p);
  write(p[1], "from a pipe", 12);
  R(read(p[0], a + 2 * PG + 100, 12));
  P("%s\n", a + 2 * PG + 100);
  write(p[1], a + 3 * PG - 2, 4);
  char b[8];
  R(read(p[0], b, 8));
  protect(fd, a, PG, 1);
  P("reading is allowed: %c\n", a[9]);
  a[9] = 'Z';
  struct stat st;
  R(stat("/", (void *)(a + 4 * PG)));
  end(t);
  close(p[0]), close(p[1]);
  close(fd);
  munmap(a, 8 * PG);
}

static void exact(void) {
  int fd = open_uffd(O_NONBLOCK, 0x800);
  char *a = map(1, MAP_PRIVATE);
  R(reg(fd, a, PG, 1));
  struct server s = {fd, 1};
  pthread_t t = start(&s);
  P("%c\n", a[0x123]);
  end(t);
  close(fd);
  fd = open_uffd(O_NONBLOCK, 0x80);
  char *b = map(1, MAP_PRIVATE);
  R(reg(fd, b, PG, 1));
  TRY(b[0] = 1);
  R(write(1, b, 1));
  close(fd);
  b[0] = 1;
  fd = open_uffd(O_NONBLOCK | 1, 0);
  R(reg(fd, b, PG, 1));
  madvise(b, PG, MADV_DONTNEED);
  R(access(b, F_OK));
  close(fd);
}

static void minor(void) {
  int fd = open_uffd(O_NONBLOCK, 0x400), m = memfd_create("x", 0);
  ftruncate(m, 4 * PG);
  char *a = mmap(0, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
  char *b = mmap(0, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
  strcpy(b, "in the file");
  R(reg(fd, a, 4 * PG, 4));
  struct server s = {fd, 1};
  pthread_t t = start(&s);
  P("%s\n", a);
  end(t);
  R(fill(fd, CONTINUE, a, PG, 0));
  R(fill(fd, CONTINUE, a + PG, PG, 0));
  a[PG] = 1;
  P("a hole is no minor fault\n");
  close(fd);
  close(m);
}

static void events(void) {
  int fd = open_uffd(O_NONBLOCK, 0x4 | 0x8 | 0x40);
  char *a = map(4, MAP_PRIVATE);
  R(reg(fd, a, 4 * PG, 1));
  struct server s = {fd, 5};
  pthread_t t = start(&s);
  P("%c\n", a[0]);
  madvise(a, PG, MADV_DONTNEED);
  char *to = mremap(a, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, map(2, MAP_PRIVATE));
  P("moved %d\n", to != MAP_FAILED);
  munmap(to, PG);
  end(t);
  close(fd);
}

static void moves(void) {
  int fd = open_uffd(O_NONBLOCK, 0x10000);
  char *a = map(4, MAP_PRIVATE), *b = map(4, MAP_PRIVATE);
  R(reg(fd, a, 4 * PG, 1));
  strcpy(b, "moved");
  struct copy c = {(uint64_t)a, (uint64_t)b, PG, 0, 77};
  R(ioctl(fd, MOVE, &c));
  P("%lld %s, %d\n", (long long)c.copy, a, b[0]);
  c = (struct copy){(uint64_t)a, (uint64_t)b, PG, 0, 77};
  R(ioctl(fd, MOVE, &c));
  c = (struct copy){(uint64_t)a + PG, (uint64_t)b + 2 * PG, PG, 0, 77};
  R(ioctl(fd, MOVE, &c));
  P("%lld\n", (long long)c.copy);
  c = (struct copy){(uint64_t)a + PG, (uint64_t)b + 2 * PG, PG, 2, 77};
  R(ioctl(fd, MOVE, &c));
  P("%lld\n", (long long)c.copy);
  c = (struct copy){(uint64_t)b + PG, (uint64_t)b + 2 * PG, PG, 0, 77};
  R(ioctl(fd, MOVE, &c));
  close(fd);
}

static void forked(void) {
  int fd = open_uffd(O_NONBLOCK, 0);
  char *a = map(2, MAP_PRIVATE);
  strcpy(a, "kept");
  R(reg(fd, a, 2 * PG, 3));
  protect(fd, a, PG, 1);
  INPROC(0, a[0] = 'K'; P("%s %d\n", a, a[PG]));
  close(fd);
  P("%s\n", a);
}

static void forced(void) {
  char *a = map(3, MAP_PRIVATE);
  strcpy(a, "read only");
  mprotect(a, PG, PROT_READ);
  mprotect(a + PG, PG, PROT_NONE);
  char *s = map(1, MAP_SHARED);
  mprotect(s, PG, PROT_READ);
  int fd = open("/proc/self/mem", O_RDWR);
  char b[16] = "";
  R(pwrite(fd, "READ", 4, (long)a));
  P("%s\n", a);
  R(pread(fd, b, 4, (long)a + PG));
  R(pwrite(fd, "x", 1, (long)a + PG));
  R(pread(fd, b, 1, (long)a + PG));
  P("%s\n", b);
  R(pwrite(fd, "x", 1, (long)s));
  const char *text = "literal text";
  R(pwrite(fd, "LIT", 3, (long)text));
  P("%s\n", text);
  TRY(*a = 1);
  close(fd);
}

int main(void) {
  struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGBUS, &sa, 0);
  sigaction(SIGSEGV, &sa, 0);
  page = map(1, MAP_PRIVATE);
  strcpy(page, "hello from the handler");
  handshake();
  P("private\n");
  filling(MAP_PRIVATE);
  P("shared\n");
  filling(MAP_SHARED);
  faults(MAP_PRIVATE);
  faults(MAP_SHARED);
  exact();
  minor();
  events();
  moves();
  forked();
  forced();
}
