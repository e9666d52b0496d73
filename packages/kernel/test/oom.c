/* Is killed for want of memory in the middle of faults, again and again, and looks whether others' memory is as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

static volatile char *map(size_t size) {
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/** Pages that were only read are the one page of zeros: the write copies it. */
static int copies(size_t size) {
  volatile char *memory = map(size);
  for (size_t i = 0; i < size; i += PAGE)
    if (memory[i] != 0) return 2;
  for (size_t i = 0; i < size; i += PAGE) memory[i] = 1;
  return 0;
}

/** Both sides of a fork write to what they share. */
static int shares(size_t size) {
  volatile char *memory = map(size);
  for (size_t i = 0; i < size; i += PAGE) memory[i] = 1;
  pid_t child = fork();
  for (size_t i = 0; i < size; i += PAGE) {
    if (memory[i] != 1) return 2;
    memory[i] = child == 0 ? 2 : 3;
  }
  int status = 0;
  if (child != 0) waitpid(child, &status, 0);
  return status != 0;
}

static int run(int (*what)(size_t), size_t size) {
  pid_t child = fork();
  int status;
  if (child == 0) _exit(what(size));
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
  size_t mib = 1 << 20;
  size_t total = strtoul(argv[argc - 1], NULL, 10) * mib;
  for (int i = 0; i < 3; i++) printf("copies: %d\n", run(copies, total));
  int ended = 0;
  for (size_t size = total / 4; size < total; size += total / 16) ended |= run(shares, size) == 2;
  printf("shares: %s\n", ended ? "wrong" : "right");
  printf("in peace: %d %d\n", run(copies, total / 4), run(shares, total / 8));
  return 0;
}
