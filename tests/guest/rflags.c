// The flags in a signal's frame: RF after a fault, not after a trap or another process's signal.
#include "guest.h"

#include <ucontext.h>

enum { RF = 1 << 16 };
static volatile int seen;

static void on(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  unsigned long flags;
  __asm__("pushfq; pop %0" : "=r"(flags));
  P("signal %d: RF %d, in the handler %d\n", sig, (uc->uc_mcontext.gregs[REG_EFL] & RF) != 0, (flags & RF) != 0);
  if (sig == SIGSEGV || sig == SIGBUS) mprotect((void *)((uintptr_t)info->si_addr & -4096), 4096, PROT_READ | PROT_WRITE);
  else if (sig == SIGILL) uc->uc_mcontext.gregs[REG_RIP] += 2;
  else if (sig == SIGFPE) uc->uc_mcontext.gregs[REG_RCX] = 1;
  seen++;
}

int main(void) {
  struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_NODEFER};
  int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGUSR1, SIGALRM};
  for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++) sigaction(sigs[i], &sa, 0);
  volatile char *page = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page[0] = 1;
  R(page[4096]);
  __asm__ volatile("ud2");
  unsigned q = 0;
  __asm__ volatile("xor %%edx, %%edx; mov $7, %%eax; xor %%ecx, %%ecx; div %%ecx" : "=a"(q) : : "rcx", "rdx");
  R(q);
  __asm__ volatile("int3");
  raise(SIGUSR1);
  struct itimerval soon = {{0, 0}, {0, 20000}};
  int before = seen;
  setitimer(ITIMER_REAL, &soon, 0);
  while (seen == before) {}
  // After a fault's handler has returned, the flag is gone with the next instruction.
  mprotect((void *)page, 4096, PROT_NONE);
  page[0] = 2;
  soon.it_value.tv_usec = 20000;
  before = seen;
  setitimer(ITIMER_REAL, &soon, 0);
  while (seen == before) {}
  R(page[0]);
  return 0;
}
