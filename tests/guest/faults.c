#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>
static sigjmp_buf env;
static void *expect;
static volatile int got;
static void h(int s, siginfo_t *i, void *u) {
  ucontext_t *c = u;
  printf("signal %d code %d addr %s trapno %lld err %lld\n", s, i->si_code,
         i->si_addr == expect ? "as expected"
         : i->si_addr == 0    ? "null"
                              : "other",
         (long long)c->uc_mcontext.gregs[REG_TRAPNO], (long long)c->uc_mcontext.gregs[REG_ERR]);
  fflush(stdout);
  siglongjmp(env, 1);
}
static void fixup(int s, siginfo_t *i, void *u) {
  (void)s;
  (void)i;
  ucontext_t *c = u;
  got++;
  c->uc_mcontext.gregs[REG_RIP] += 2;
  c->uc_mcontext.gregs[REG_RAX] = 42;
}
static gregset_t before;
static void leaves(int s, siginfo_t *i, void *u) {
  ucontext_t *c = u;
  memcpy(before, c->uc_mcontext.gregs, sizeof before);
  uint16_t *segments = (uint16_t *)&c->uc_mcontext.gregs[REG_CSGSFS];
  switch (i->si_value.sival_int) {
  case 1: c->uc_mcontext.gregs[REG_RIP] = 1L << 47; break;
  case 2: c->uc_mcontext.gregs[REG_RIP] = 0xffff800000000000; break;
  case 3: segments[0] = 0; break;
  case 4: segments[0] = 0x2b; break;
  case 5: segments[0] = 0xffff; break;
  case 6: segments[3] = 0; break;
  case 7: segments[3] = 0x33; break;
  case 8: segments[0] = 0x30, segments[3] = 0x28; break; // the lowest bits do not count
  }
}
static void returns(int s, siginfo_t *i, void *u) {
  ucontext_t *c = u;
  printf("signal %d code %d addr %p at %llx trapno %lld err %lld\n", s, i->si_code, i->si_addr,
         (long long)c->uc_mcontext.gregs[REG_RIP], (long long)c->uc_mcontext.gregs[REG_TRAPNO],
         (long long)c->uc_mcontext.gregs[REG_ERR]);
  memcpy(c->uc_mcontext.gregs, before, sizeof before);
}
#define TRY(name, exp, ...)                                                                        \
  do {                                                                                             \
    printf("%s: ", name);                                                                          \
    fflush(stdout);                                                                                \
    expect = (void *)(exp);                                                                        \
    if (!sigsetjmp(env, 1)) {                                                                      \
      __VA_ARGS__;                                                                                 \
      printf("no fault\n");                                                                        \
    }                                                                                              \
  } while (0)
int main(void) {
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int k = 0; k < 5; k++) sigaction(sigs[k], &sa, 0);
  volatile char *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                *none = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                *rw = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TRY("null read", 0, (void)*(volatile char *)0);
  TRY("null write", 8, *(volatile char *)8 = 1);
  TRY("write read-only", ro, *ro = 1);
  TRY("read none", none + 5, (void)none[5]);
  TRY("unmapped", 0x1234567000, (void)*(volatile char *)0x1234567000);
  munmap((void *)(rw + 4096), 4096);
  TRY("straddle", rw + 4096, *(volatile long *)(rw + 4092) = 1);
  TRY("noncanonical", 0, (void)*(volatile char *)0x8000000000000000);
  TRY("read kernel", 0xffffffff81000000, (void)*(volatile char *)0xffffffff81000000);
  TRY("call kernel", 0xffffffff81000000, ((void (*)(void))0xffffffff81000000)());
  TRY("guard page", 0x7ffffffff000, (void)*(volatile char *)0x7ffffffff000);
  TRY("exec data", rw, ((void (*)(void))rw)());
  TRY("call null", 0, ((void (*)(void))0)());
  TRY("divide by zero", 0,
      __asm__ volatile("xor %%edx,%%edx; mov $1,%%eax; xor %%ecx,%%ecx; div %%ecx" :: : "eax",
                       "ecx", "edx"));
  TRY("divide overflow", 0,
      __asm__ volatile("mov $0x80000000,%%eax; cdq; mov $-1,%%ecx; idiv %%ecx" :: : "eax", "ecx",
                       "edx"));
  TRY("ud2", 0, __asm__ volatile("ud2"));
  TRY("int3", 0, __asm__ volatile("int3"));
  TRY("hlt", 0, __asm__ volatile("hlt"));
  TRY("cli", 0, __asm__ volatile("cli"));
  TRY("in", 0, __asm__ volatile("inb $0x80,%%al" :: : "eax"));
  TRY("rdmsr", 0, __asm__ volatile("rdmsr" :: : "eax", "edx", "ecx"));
  TRY("movaps", 0, __asm__ volatile("movaps 1(%0),%%xmm0" ::"r"(rw) : "xmm0"));
  TRY("int 0x81", 0, __asm__ volatile("int $0x81"));
  int fd = open("bus", O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 100);
  char *f = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  f[50] = 1;
  TRY("past end", f + 4096, (void)*(volatile char *)(f + 4096));
  TRY("in last page", f + 4000, f[4000] = 1);
  ftruncate(fd, 0);
  TRY("truncated", f, (void)*(volatile char *)f);
  // A handler that returns to where no program can be.
  struct sigaction old;
  sa.sa_sigaction = leaves;
  sigaction(SIGUSR1, &sa, 0);
  sa.sa_sigaction = returns;
  sigaction(SIGSEGV, &sa, &old);
  for (int k = 1; k <= 8; k++) sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = k});
  sigaction(SIGSEGV, &old, 0);
  sa.sa_sigaction = fixup;
  sigaction(SIGILL, &sa, 0);
  long rax;
  __asm__ volatile("ud2" : "=a"(rax));
  printf("resumed with %ld, handled %d\n", rax, got);
  sa.sa_sigaction = h;
  sigaction(SIGSEGV, &sa, 0);
  mprotect((void *)ro, 4096, PROT_READ | PROT_WRITE);
  TRY("now writable", 0, *ro = 5);
  printf("%d\n", *ro);
  mprotect((void *)ro, 4096, PROT_NONE);
  TRY("none again", ro, (void)*ro);
  pid_t p = fork();
  int st;
  if (!p) {
    signal(SIGSEGV, SIG_IGN);
    *(volatile char *)0 = 1;
    _exit(0);
  }
  waitpid(p, &st, 0);
  printf("ignored SEGV: %d\n", WIFSIGNALED(st) ? WTERMSIG(st) : -1);
  p = fork();
  if (!p) {
    signal(SIGSEGV, SIG_DFL);
    sigset_t m;
    sigfillset(&m);
    sigprocmask(SIG_SETMASK, &m, 0);
    *(volatile char *)0 = 1;
    _exit(0);
  }
  waitpid(p, &st, 0);
  printf("blocked SEGV: %d\n", WIFSIGNALED(st) ? WTERMSIG(st) : -1);
  return 0;
}
