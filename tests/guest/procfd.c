#include "guest.h"
#include <dirent.h>
int main(void) {
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  char path[40];
  snprintf(path, sizeof path, "/proc/%d", child);
  int dir = open(path, O_RDONLY | O_DIRECTORY);
  snprintf(path, sizeof path, "/proc/%d/task/%d", child, child);
  int thread = open(path, O_RDONLY | O_DIRECTORY);
  int proc = open("/proc", O_RDONLY | O_DIRECTORY);
  R(syscall(SYS_pidfd_send_signal, dir, 0, 0, 0));
  R(syscall(SYS_pidfd_send_signal, thread, 0, 0, 0));
  R(syscall(SYS_pidfd_send_signal, proc, 0, 0, 0));
  R(syscall(SYS_pidfd_send_signal, dir, 999, 0, 0));
  R(syscall(SYS_pidfd_send_signal, dir, SIGTERM, 0, 0));
  int status;
  waitpid(child, &status, 0);
  P("signal %d\n", WTERMSIG(status));
  R(syscall(SYS_pidfd_send_signal, dir, 0, 0, 0));
  R(syscall(SYS_pkey_alloc, 1, 0));
  R(syscall(SYS_pkey_alloc, 0, 9));
  void *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE, -1));
  *(char *)page = 1;
  R(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, 20));
  R(syscall(SYS_pkey_free, 99));
  return 0;
}
