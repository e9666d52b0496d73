/*
 * A random sequence of system calls that the seed in argv[1] determines: numbers, descriptors, sizes and pointers that
 * are right more often than chance would have it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

static char *buffer;

static long argument(void) {
  switch (next() % 16) {
    case 0: return 0;
    case 1: return -1;
    case 2: return next() % 8;
    case 3: return next() % 32;
    case 4: return next() % 4096;
    case 5: return 1L << (next() % 64);
    case 6: return (long)next();
    case 7: return (long)(buffer + next() % 65536);
    case 8: return (long)(buffer + 65536 - next() % 16);
    case 9: return (long)buffer;
    case 10: return (long)(buffer + (next() % 16) * 4096);
    case 11: return AT_FDCWD;
    case 12: return getpid();
    case 13: return (long)&state;
    case 14: return (int)next();
    default: return next() % 16;
  }
}

int main(int argc, char **argv) {
  (void)argc;
  state = strtoull(argv[1], 0, 10) * 2654435761u + 88172645463325252u;
  struct rlimit processes = {64, 64}, size = {1 << 24, 1 << 24};
  setrlimit(RLIMIT_NPROC, &processes);
  setrlimit(RLIMIT_FSIZE, &size);
  buffer = mmap(0, 65536 + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(buffer + 65536, 4096);
  for (int i = 0; i < 16; i++) {
    strcpy(buffer + i * 4096, i % 3 == 0 ? "/tmp/a" : i % 3 == 1 ? "/proc/self/status" : "b");
    for (int j = 512; j < 1024; j++) buffer[i * 4096 + j] = next();
  }
  int fds[2];
  if (pipe(fds) || socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) return 1;
  open("/tmp", O_RDONLY), open("/tmp/a", O_CREAT | O_RDWR, 0644), open("/dev/null", O_RDWR), open("/dev/ptmx", O_RDWR);
  alarm(2);
  for (int i = 0; i < 60; i++) {
    long nr = next() % 8 ? next() % 336 : 424 + next() % 40;
    if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_alarm) continue;
    long a = argument(), b = argument(), c = argument(), d = argument(), e = argument(), f = argument();
    syscall(nr, a, b, c, d, e, f);
  }
  return 0;
}
