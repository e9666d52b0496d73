/* memfd_secret(2), and memfd seals against mappings: what a seal forbids later, and what stands against it. */
#include "guest.h"
#include <sys/uio.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#define F_SEAL_SEAL 1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW 4
#define F_SEAL_WRITE 8
#endif
#define MB(prot, flags, fd) mmap(0, 4096, prot, flags, fd, 0)
#define RW (PROT_READ | PROT_WRITE)

static int memfd(unsigned flags) {
  int fd = syscall(SYS_memfd_create, "m", flags);
  ftruncate(fd, 8192);
  return fd;
}

static void seals(void) {
  int fd = memfd(2);
  char *p = MB(RW, MAP_SHARED, fd);
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(p, 4096);
  p = MB(PROT_READ, MAP_SHARED, fd);
  P("a mapping for reading that may become writable\n");
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(p, 4096);
  char *q = MB(RW, MAP_PRIVATE, fd);
  P("a private mapping\n");
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  *q = 1;
  OK(MB(RW, MAP_SHARED, fd));
  OK(p = MB(PROT_READ, MAP_SHARED, fd));
  R(mprotect(p, 4096, RW));
  OK(MB(RW, MAP_PRIVATE, fd));
  R(write(fd, "x", 1));
  R(fallocate(fd, 3, 0, 4096));
  R(ftruncate(fd, 0));
  R(ftruncate(fd, 8192));
  R(fcntl(fd, F_GET_SEALS));

  fd = memfd(2);
  p = MB(RW, MAP_SHARED, fd);
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
  *p = 'a';
  OK(MB(RW, MAP_SHARED, fd));
  OK(q = MB(PROT_READ, MAP_SHARED, fd));
  R(mprotect(q, 4096, RW));
  R(write(fd, "x", 1));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(p, 4096);
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  R(fcntl(fd, F_GET_SEALS));

  fd = memfd(0);
  R(fcntl(fd, F_GET_SEALS));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  R(fcntl(fd, F_ADD_SEALS, 0x1000));
  R(fcntl(0, F_GET_SEALS));
  R(fcntl(fd, F_ADD_SEALS, 1L << 32));
  char link[40];
  sprintf(link, "/proc/self/fd/%d", memfd(2));
  int ro = open(link, O_RDONLY);
  R(fcntl(ro, F_ADD_SEALS, F_SEAL_GROW));

  fd = memfd(8);
  R(fcntl(fd, F_GET_SEALS));
  R(fchmod(fd, 0777));
  R(fchmod(fd, 0600));
  fd = memfd(2 | 0x10);
  R(fcntl(fd, F_ADD_SEALS, 0x20));
  R(fcntl(fd, F_GET_SEALS));
  R(fchmod(fd, 0600));
}

static void secret(void) {
  R(syscall(SYS_memfd_secret, 1) < 0);
  int fd = syscall(SYS_memfd_secret, O_CLOEXEC);
  R(fcntl(fd, F_GETFD));
  R(fcntl(fd, F_GETFL));
  char c, link[64] = "", path[64];
  R(read(fd, &c, 1));
  R(write(fd, "x", 1));
  R(ftruncate(fd, 8192));
  R(ftruncate(fd, 4096));
  R(ftruncate(fd, 8192));
  struct stat st;
  fstat(fd, &st);
  P("mode %o size %ld\n", st.st_mode, (long)st.st_size);
  sprintf(path, "/proc/self/fd/%d", fd);
  readlink(path, link, 63);
  puts(link);
  OK(MB(RW, MAP_PRIVATE, fd));
  char *p;
  OK(p = MB(RW, MAP_SHARED, fd));
  strcpy(p, "secret");
  if (fork() == 0) {
    P("a child sees %s\n", p);
    _exit(0);
  }
  wait(0);
  char buf[8] = "";
  struct iovec mine = {buf, 8}, theirs = {p, 8};
  R(process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0));
  int pipes[2];
  pipe(pipes);
  R(write(pipes[1], p, 6));
  R(vmsplice(pipes[1], &theirs, 1, 0));
  struct rlimit limit = {4096, 4096};
  setrlimit(RLIMIT_MEMLOCK, &limit);
  setuid(1000);
  OK(MB(RW, MAP_SHARED, fd));
  munmap(p, 4096);
  OK(MB(RW, MAP_SHARED, fd));
}

int main(void) {
  seals();
  secret();
  return 0;
}
