// remap_file_pages(2): pages of a shared mapping in another order.
#include "guest.h"

enum { PAGE = 4096, N = 8 };

static void show(const char *what, const char *m) {
  printf("%s:", what);
  for (int i = 0; i < N; i++) printf(" %d", m[i * PAGE]);
  P("\n");
}

static void reverse(char *m) {
  for (int i = 0; i < N; i++) m[i * PAGE] = 10 + i;
  for (int i = 0; i < N; i++)
    if (remap_file_pages(m + i * PAGE, PAGE, 0, N - 1 - i, 0)) P("remap %d: errno %d\n", i, errno);
  show("reversed", m);
  m[0] = 99;
  R(remap_file_pages(m, N * PAGE, 0, 0, 0));
  show("in order", m);
}

int main(void) {
  int rw = PROT_READ | PROT_WRITE;
  char *m = mmap(0, N * PAGE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  reverse(m);
  int fd = memfd_create("x", 0);
  R(ftruncate(fd, N * PAGE));
  char *f = mmap(0, N * PAGE, rw, MAP_SHARED, fd, 0);
  reverse(f);
  R(remap_file_pages(m + 10, PAGE + 5, 0, 2, MAP_NONBLOCK));
  show("not aligned", m);
  R(remap_file_pages(m, PAGE, PROT_READ, 1, 0));
  R(remap_file_pages(m, 0, 0, 1, 0));
  R(remap_file_pages(m, 100, 0, 1, 0));
  char *p = mmap(0, PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(remap_file_pages(p, PAGE, 0, 0, 0));
  R(munmap(m + 3 * PAGE, PAGE));
  R(remap_file_pages(m + 2 * PAGE, 2 * PAGE, 0, 0, 0));
  R(remap_file_pages(m + 3 * PAGE, PAGE, 0, 0, 0));
  // One page of the memory is left; it stays when it is remapped.
  R(munmap(m + PAGE, (N - 1) * PAGE));
  m[0] = 42;
  R(remap_file_pages(m, PAGE, 0, 2, 0));
  R(m[0]);
  R(remap_file_pages(m, PAGE, 0, 0, 0));
  pid_t child = fork();
  if (child == 0) _exit(m[0]);
  int st;
  waitpid(child, &st, 0);
  R(WEXITSTATUS(st));
  return 0;
}
