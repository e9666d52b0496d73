/* Costs of the kernel's common paths, in nanoseconds per operation: one name and number a line. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* The best of a few rounds, so that warming up and neighbours do not count. */
#define MEASURE(name, count, body)                          \
  do {                                                      \
    double best = 1e18;                                     \
    for (int round = 0; round < 7; round++) {               \
      double start = now();                                 \
      for (int i = 0; i < (count); i++) { body; }           \
      double each = (now() - start) / (count);              \
      if (each < best) best = each;                         \
    }                                                       \
    printf("%s %.0f\n", name, best);                        \
    fflush(stdout);                                         \
  } while (0)

static void run(char *const argv[]) {
  pid_t pid = fork();
  if (pid == 0) {
    execv(argv[0], argv);
    _exit(127);
  }
  int status;
  waitpid(pid, &status, 0);
  if (status != 0) exit(3);
}

/* Writes BLOCKS of 64 KiB to one end while a child reads from the other. */
#define BLOCKS 1024
static char block[1 << 16];

static void through(int from, int to) {
  pid_t reader = fork();
  if (reader == 0) {
    for (long left = (long)BLOCKS << 16; left > 0;) {
      ssize_t n = read(from, block, sizeof block);
      if (n <= 0) _exit(1);
      left -= n;
    }
    _exit(0);
  }
  for (int i = 0; i < BLOCKS; i++)
    for (size_t at = 0; at < sizeof block;) {
      ssize_t n = write(to, block + at, sizeof block - at);
      if (n <= 0) exit(4);
      at += n;
    }
  int status;
  waitpid(reader, &status, 0);
  if (status != 0) exit(5);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "true") == 0) return 0;
  char byte = 'x';
  int a[2], b[2];
  if (pipe(a) || pipe(b)) return 1;
  MEASURE("getpid", 20000, syscall(SYS_getpid));
  pid_t echo = fork();
  if (echo == 0) {
    while (read(a[0], &byte, 1) == 1 && byte != 'q') if (write(b[1], &byte, 1) != 1) break;
    _exit(0);
  }
  MEASURE("pipe round trip", 2000, if (write(a[1], &byte, 1) != 1 || read(b[0], &byte, 1) != 1) return 2);
  byte = 'q';
  if (write(a[1], &byte, 1) != 1) return 2;
  waitpid(echo, 0, 0);
  MEASURE("fork+exit+wait", 100, { pid_t p = fork(); if (p == 0) _exit(0); waitpid(p, 0, 0); });
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
  MEASURE("64 MiB by pipe", 1, through(a[0], a[1]));
  MEASURE("64 MiB by socket", 1, through(pair[0], pair[1]));
  char *self[] = {argv[0], "true", 0};
  MEASURE("fork+exec+wait", 100, run(self));
  struct stat st;
  MEASURE("stat", 10000, stat("/tmp", &st));
  MEASURE("open+close", 5000, close(open("/tmp", O_RDONLY)));
  MEASURE("create+unlink", 2000, { close(open("/tmp/bench-file", O_CREAT | O_RDWR, 0600)); unlink("/tmp/bench-file"); });
  MEASURE("page fault", 200, {
    char *p = mmap(0, 64 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int j = 0; j < 64; j++) p[j << 12] = 1;
    munmap(p, 64 << 12);
  });
  return 0;
}
