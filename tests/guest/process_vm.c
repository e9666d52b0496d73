#include "guest.h"
#include <sys/uio.h>
static char shared_name[64] = "before";
int main(void) {
  int up[2], down[2];
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(page, 'p', 8192);
  pipe(up);
  pipe(down);
  pid_t child = fork();
  if (child == 0) {
    char c;
    strcpy(shared_name, "the child's");
    mprotect(page, 4096, PROT_READ);
    munmap(page + 4096, 4096);
    write(up[1], "r", 1);
    read(down[0], &c, 1);
    P("%s\n", shared_name);
    _exit(0);
  }
  char buf[200] = {0}, second[200] = {0}, c;
  read(up[0], &c, 1);
  struct iovec local[2] = {{buf, 4}, {second, 100}};
  struct iovec remote[2] = {{shared_name, 12}, {page + 4090, 20}};
  R(process_vm_readv(child, local, 2, remote, 1, 0));
  P("%s|%s\n", buf, second);
  R(process_vm_readv(child, local, 2, remote, 2, 0));
  R(process_vm_readv(child, local, 2, remote + 1, 1, 0));
  R(process_vm_readv(child, local, 1, remote, 2, 0));
  remote[1].iov_base = page + 4096;
  R(process_vm_readv(child, local, 2, remote + 1, 1, 0));
  R(process_vm_readv(child, local, 2, remote, 1, 1));
  R(process_vm_readv(child, local, 0, remote, 1, 0));
  R(process_vm_readv(child, local, 2, remote, 0, 0));
  R(process_vm_readv(child, local, 2000, remote, 1, 0));
  R(process_vm_readv(child, local, 2, remote, 2000, 0));
  R(process_vm_readv(1 << 30, local, 2, remote, 1, 0));
  R(process_vm_readv(child, (void *)8, 2, remote, 1, 0));
  R(process_vm_readv(child, local, 2, (void *)8, 1, 0));
  struct iovec bad = {(void *)8, 10};
  R(process_vm_readv(child, &bad, 1, remote, 1, 0));
  remote[1].iov_base = page;
  R(process_vm_writev(child, local, 1, remote + 1, 1, 0));
  strcpy(buf, "written");
  local[0].iov_len = 8;
  R(process_vm_writev(child, local, 1, remote, 1, 0));
  pid_t other = fork();
  if (other == 0) {
    if (setresgid(1, 1, 1) || setresuid(1, 1, 1)) _exit(1);
    R(process_vm_readv(child, local, 2, remote, 1, 0));
    R(process_vm_readv(getpid(), local, 1, remote, 1, 0));
    _exit(0);
  }
  int status;
  waitpid(other, &status, 0);
  write(down[1], "x", 1);
  while (wait(&status) > 0) {}
  return 0;
}
