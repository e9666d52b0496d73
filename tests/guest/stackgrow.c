#include "guest.h"
static int deep(int n) {
  volatile char b[4000];
  memset((char *)b, n, sizeof b);
  return n == 0 ? 0 : deep(n - 1) + (b[5] == (char)n);
}
static int forever(int n) {
  volatile char b[1000];
  b[0] = n;
  return forever(n + 1) + b[0];
}
static void h(int s, siginfo_t *i, void *u) {
  (void)u;
  (void)i;
  printf("overflow handled on altstack: signal %d\n", s);
  fflush(stdout);
  _exit(3);
}
int main(void) {
  R(deep(1500));
  struct rlimit l = {256 * 1024, RLIM_INFINITY};
  pid_t p = fork();
  int st;
  if (!p) {
    setrlimit(RLIMIT_STACK, &l);
    stack_t ss = {.ss_sp = malloc(32768), .ss_size = 32768};
    sigaltstack(&ss, 0);
    struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &sa, 0);
    forever(1);
  }
  waitpid(p, &st, 0);
  R(WEXITSTATUS(st));
  p = fork();
  if (!p) {
    setrlimit(RLIMIT_STACK, &l);
    forever(1);
  }
  waitpid(p, &st, 0);
  R(WTERMSIG(st));
  return 0;
}
