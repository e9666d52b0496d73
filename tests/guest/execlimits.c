/* execve with too little room behind the point of no return. */
#include "guest.h"
#include <sys/resource.h>
#include <sys/wait.h>

static void try(const char *name, int resource, unsigned long limit) {
  pid_t pid = fork();
  if (pid == 0) {
    struct rlimit small = {limit, limit};
    setrlimit(resource, &small);
    execl("/proc/self/exe", "again", "x", (char *)0);
    _exit(errno);
  }
  int status;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s %lu: signal %d\n", name, limit, WTERMSIG(status));
  else printf("%s %lu: status %d\n", name, limit, WEXITSTATUS(status));
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) return 0;
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  try("RLIMIT_AS", RLIMIT_AS, 0);
  try("RLIMIT_AS", RLIMIT_AS, 16 << 10);
  try("RLIMIT_AS", RLIMIT_AS, 64 << 20);
  try("RLIMIT_DATA", RLIMIT_DATA, 0);
  try("RLIMIT_DATA", RLIMIT_DATA, 8 << 20);
  return 0;
}
