// Calls that work on many pages, descriptors or arguments at once.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define SIZE (80u << 20)

static int mapped(char *at, size_t size) {
  static unsigned char vec[SIZE / PAGE];
  if (mincore(at, size, vec) < 0) return -errno;
  int n = 0;
  for (size_t i = 0; i < size / PAGE; i++) n += vec[i] & 1;
  return n;
}

static int err(int result) {
  return result < 0 ? -errno : result;
}

static char *region(int prot, int flags) {
  return mmap(NULL, SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void touch(char *at) {
  for (size_t i = 0; i < SIZE; i += PAGE) at[i] = 1;
}

static long locked(void) {
  FILE *f = fopen("/proc/self/status", "r");
  char line[200];
  long kib = -1;
  while (fgets(line, sizeof line, f))
    if (strncmp(line, "VmLck:", 6) == 0) kib = atol(line + 6);
  fclose(f);
  return kib;
}

static volatile int stop;
static void *turns(void *count) {
  while (!stop) ++*(volatile long *)count;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc > 1000) {
    size_t bytes = 0;
    for (int i = 0; i < argc; i++) bytes += strlen(argv[i]) + 1;
    printf("program: %d arguments, %zu bytes, last %s\n", argc - 1, bytes - strlen(argv[0]), argv[argc - 1]);
    return 0;
  }
  setvbuf(stdout, NULL, _IONBF, 0);

  // Others run meanwhile.
  static long count;
  pthread_t thread;
  pthread_create(&thread, NULL, turns, &count);
  while (count == 0) usleep(1000);

  char *at = region(PROT_READ | PROT_WRITE, MAP_POPULATE);
  printf("populate: %d of %d\n", mapped(at, SIZE), SIZE / PAGE);
  printf("dontneed: %d", madvise(at, SIZE, MADV_DONTNEED));
  printf(" %d\n", mapped(at, SIZE));
  printf("populate_write: %d", err(madvise(at, SIZE, 23)));
  printf(" %d\n", mapped(at, SIZE));
  touch(at);
  printf("munmap: %d", munmap(at, SIZE));
  printf(" %d\n", mapped(at, SIZE));

  // A range with a hole, with parts of different rights and with part of what is around it.
  at = region(PROT_READ | PROT_WRITE, 0);
  touch(at);
  munmap(at + 30 * PAGE, PAGE);
  mprotect(at + (SIZE >> 1), SIZE >> 2, PROT_READ);
  printf("middle: %d\n", munmap(at + PAGE, SIZE - 2 * PAGE));
  printf("ends: %d %d %d\n", mapped(at, PAGE), mapped(at + PAGE, PAGE), mapped(at + SIZE - PAGE, PAGE));
  printf("values: %d %d\n", at[0], at[SIZE - PAGE]);
  munmap(at, SIZE);

  // Populating ends at the first hole.
  at = region(PROT_READ | PROT_WRITE, 0);
  munmap(at + SIZE - PAGE, PAGE);
  printf("hole: %d", err(madvise(at, SIZE, 23)));
  printf(" %d\n", mapped(at, SIZE - PAGE));
  printf("mlock past a hole: %d\n", err(mlock(at, SIZE)));
  munmap(at, SIZE);

  at = region(PROT_READ | PROT_WRITE, 0);
  printf("mlock: %d", mlock(at, SIZE));
  printf(" %d, %ld KiB\n", mapped(at, SIZE), locked());
  printf("munlock: %d", munlock(at, SIZE));
  printf(" %ld KiB\n", locked());
  munmap(at, SIZE);
  at = region(PROT_READ | PROT_WRITE, 0);
  printf("mlockall: %d", mlockall(MCL_CURRENT | MCL_FUTURE));
  printf(" %d\n", mapped(at, SIZE));
  char *next = region(PROT_READ | PROT_WRITE, 0);
  printf("future: %d\n", mapped(next, SIZE));
  char *heap = sbrk(0);
  sbrk(8 << 20);
  printf("brk: %d\n", mapped(heap + PAGE - (long)heap % PAGE, (8 << 20) - PAGE) == (8 << 20) / PAGE - 1);
  next = mremap(next, SIZE, SIZE + (8 << 20), MREMAP_MAYMOVE);
  printf("mremap: %d\n", mapped(next + SIZE, 8 << 20));
  munlockall();
  munmap(at, SIZE);
  munmap(next, SIZE + (8 << 20));

  // Nothing of it is readable: it is locked all the same, and mlock says so.
  at = region(PROT_NONE, 0);
  printf("no access: %d\n", err(mlock(at, SIZE)));
  munmap(at, SIZE);

  int fd = memfd_create("big", 0);
  struct stat st;
  printf("fallocate: %d", fallocate(fd, 0, PAGE, SIZE));
  fstat(fd, &st);
  printf(" size %ld blocks %ld\n", st.st_size, st.st_blocks);
  printf("punch: %d", fallocate(fd, 3, 2 * PAGE + 1, SIZE - 4 * PAGE));
  fstat(fd, &st);
  printf(" size %ld blocks %ld\n", st.st_size, st.st_blocks);
  printf("keep: %d", fallocate(fd, 1, 0, SIZE + 10 * PAGE));
  fstat(fd, &st);
  printf(" size %ld blocks %ld\n", st.st_size, st.st_blocks);
  printf("truncate: %d", ftruncate(fd, 5));
  fstat(fd, &st);
  printf(" size %ld blocks %ld\n", st.st_size, st.st_blocks);
  close(fd);

  // A child with as much memory ends, by itself and by a signal.
  at = region(PROT_READ | PROT_WRITE, 0);
  touch(at);
  for (int how = 0; how < 2; how++) {
    pid_t child = fork();
    if (child == 0) {
      for (size_t i = 0; i < SIZE; i += 2 * PAGE) at[i]++;
      if (how == 1) raise(9);
      _exit(at[0] + at[PAGE]);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("child %d: %x, mine %d %d\n", how, status, at[0], at[PAGE]);
  }
  munmap(at, SIZE);
  stop = 1;
  pthread_join(thread, NULL);
  printf("turns: %d\n", count > 0);

  for (int i = 0; i < 900; i++) dup(1);
  close(500);
  printf("close_range: %ld", syscall(SYS_close_range, 4, 800, 0));
  printf(" %d %d %d\n", fcntl(4, F_GETFD), fcntl(800, F_GETFD), fcntl(801, F_GETFD));
  static char *args[1503], text[1500][101];
  args[0] = "bigcalls";
  for (int i = 1; i <= 1500; i++) {
    memset(text[i - 1], 'a' + i % 26, i % 100 + 1);
    args[i] = text[i - 1];
  }
  execv("/proc/self/exe", args);
  return 1;
}
