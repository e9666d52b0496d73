// PROCMAP_QUERY, the ioctl of /proc/PID/maps: which mapping is where, what it may do and what it is called.
#include "guest.h"
#include <sys/ioctl.h>

struct query {
  uint64_t size, flags, addr, start, end, rights, page_size, offset, inode;
  uint32_t major, minor, name_size, id_size;
  uint64_t name_addr, id_addr;
  char beyond[32];
};
#define QUERY _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, 104)

static int maps;
static struct query q;

static int ask(uint64_t addr, uint64_t flags) {
  char name[4096], id[32];
  memset(&q, 0, sizeof q);
  q.size = 104;
  q.addr = addr;
  q.flags = flags;
  q.name_addr = (uintptr_t)name;
  q.name_size = sizeof name;
  q.id_addr = (uintptr_t)id;
  q.id_size = sizeof id;
  errno = 0;
  int r = ioctl(maps, QUERY, &q);
  P("%d errno %d", r, errno);
  if (r == 0)
    P(" %ld..%ld rights %d page %d offset %lx id %d %s", (long)(q.start - addr), (long)(q.end - addr),
      (int)q.rights, (int)q.page_size, (long)q.offset, q.id_size, q.name_size ? name : "-");
  P("\n");
  return r;
}

static int sized(uint64_t size) {
  q.size = size;
  return ioctl(maps, QUERY, &q);
}

int main(void) {
  maps = open("/proc/self/maps", O_RDONLY);
  int fd = open("mapped", O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 65536);
  char *at = mmap(0, 16 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mmap(at + 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 8192);
  mmap(at + 8192, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 4096);
  mmap(at + 12288, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  munmap(at + 16384, 4096);
  mmap(at + 20480, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  munmap(at + 24576, 40960);
  for (int page = 1; page < 7; page++)
    for (uint64_t flags = 0; flags < 64; flags++) {
      // What comes after these is not this program's.
      if (flags & 16 && (page == 6 || (page > 2 && flags & 44))) continue;
      P("%d %d: ", page, (int)flags);
      ask((uintptr_t)at + page * 4096, flags);
    }
  unlink("mapped");
  P("deleted: ");
  ask((uintptr_t)at + 4096, 0);
  P("last byte: ");
  ask((uintptr_t)at + 8191, 0);
  P("program: ");
  R(ask((uintptr_t)main & -4096, 0));
  ask(-4096UL, 0);
  ask(0, 64);
  memset(&q, 0, sizeof q);
  q.addr = (uintptr_t)at + 4096;
  R(sized(0));
  R(sized(23));
  R(sized(24));
  R(q.start);
  R(sized(40));
  R(q.start == q.addr);
  R(q.rights);
  R(sized(104));
  R(q.rights);
  R(sized(120));
  q.beyond[0] = 1;
  R(sized(120));
  R(sized(4097));
  R(ioctl(maps, QUERY, 1));
  q.name_size = 5;
  R(sized(104));
  char small[8];
  q.name_addr = (uintptr_t)small;
  R(sized(104));
  R(q.name_size);
  q.name_addr = 1;
  q.name_size = 4096;
  R(sized(104));
  q.name_size = 0;
  R(sized(104));
  q.name_addr = 0;
  q.id_size = 4;
  R(sized(104));
  q.id_addr = (uintptr_t)small;
  R(sized(104));
  R(q.id_size);
  R(ioctl(maps, _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, 96), &q));
  R(ioctl(open("/proc/self/smaps", O_RDONLY), QUERY, &q));
}
