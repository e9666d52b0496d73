/* What maps tells of memory that is shared without a name: a file of its own, of which the children's is the same. */
#include "guest.h"
#include <linux/aio_abi.h>
#include <sys/shm.h>

static unsigned long inode(const void *at) {
  static char maps[1 << 16];
  char start[24];
  int f = open("/proc/self/maps", O_RDONLY);
  ssize_t n = 0, more;
  while ((more = read(f, maps + n, sizeof maps - 1 - n)) > 0) n += more;
  close(f);
  maps[n] = 0;
  sprintf(start, "%lx-", (unsigned long)at);
  char *line = strstr(maps, start), rights[5];
  unsigned long ino, pgoff;
  int name = 0;
  if (!line) return 0;
  line[strcspn(line, "\n")] = 0;
  sscanf(line, "%*s %4s %lx %*s %lu %n", rights, &pgoff, &ino, &name);
  P("%s %lx %s, inode %s\n", rights, pgoff, line + name, ino ? "yes" : "no");
  return ino;
}

static void *shared(int fd, off_t at) {
  return mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, at);
}

int main(void) {
  char *one = shared(-1, 0), *hole = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *two = shared(-1, 0);
  unsigned long a = inode(one), b = inode(two);
  P("another: %d, and none: %lu\n", a != b, inode(hole));
  if (fork() == 0) {
    P("the child's: %d\n", inode(one) == a);
    return 0;
  }
  wait(0);
  int zero = open("/dev/zero", O_RDWR);
  inode(shared(zero, 4096));
  char *mine = mmap(0, 8192, PROT_READ, MAP_PRIVATE, zero, 0);
  inode(mine);
  munmap(one, 4096);
  P("the rest: %d\n", inode(one + 4096) == a);
  int first = shmget(IPC_PRIVATE, 4096, 0600); // the next is not number 0
  int id = shmget(0x4d50, 4096, IPC_CREAT | 0600);
  P("its id: %d\n", inode(shmat(id, 0, SHM_RDONLY)) == (unsigned long)id);
  shmctl(id, IPC_RMID, 0);
  shmctl(first, IPC_RMID, 0);
  aio_context_t ctx = 0;
  syscall(SYS_io_setup, 1, &ctx);
  inode((void *)ctx);
  struct stat st;
  char line[4096];
  stat("/proc/cmdline", &st);
  P("length of the command line: %d\n", st.st_size == read(open("/proc/cmdline", O_RDONLY), line, sizeof line));
  return 0;
}
