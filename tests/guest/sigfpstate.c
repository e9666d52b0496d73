// What rt_sigreturn takes for the x87 and vector state of a frame, and what it leaves after one that it does not take.
#include "guest.h"
#include <cpuid.h>
#include <ucontext.h>

static int mode, segv, has_xsave;
static char moved[65536] __attribute__((aligned(64)));
static char *end;

static void handler(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char *fp = (void *)uc->uc_mcontext.fpregs;
  unsigned size = has_xsave ? *(unsigned *)(fp + 464 + 4) : 512;
  (void)sig, (void)info;
#define AT(type, at) (*(type *)(fp + (at)))
#define MOVE(by) (memcpy(moved + (by), fp, size), uc->uc_mcontext.fpregs = (void *)(moved + (by)))
  switch (mode) {
  case 0: break;
  case 1: uc->uc_mcontext.fpregs = 0; break;
  case 2: AT(unsigned, 24) = 0x1fa0; break;
  case 3: AT(unsigned, 24) |= 0x10000; break;
  case 4: MOVE(0); break;
  case 5: MOVE(8); break;
  case 6: uc->uc_mcontext.fpregs = (void *)16; break;
  case 7: uc->uc_mcontext.fpregs = (void *)(end - 256); break;
  case 8: AT(unsigned short, 0) = 0x27f; break;
  // From here on of XSAVE's.
  case 9: AT(unsigned, 464) = 0; break;
  case 10: AT(unsigned long, 512) |= 1ul << 40; break;
  case 11: AT(unsigned long, 520) = 1; break;
  case 12: AT(unsigned long, 528) = 1; break;
  case 13: AT(unsigned long, 536) = 1; break;
  case 14: AT(unsigned long, 464 + 8) = 0; break;
  case 15: AT(unsigned long, 464 + 8) = 1; break;
  case 16: AT(unsigned long, 464 + 8) = 2; break;
  case 17: AT(unsigned long, 464 + 8) = -1ul; break;
  case 18: AT(unsigned long, 512) = 0; break;
  case 19: AT(unsigned long, 512) &= ~2ul; break;
  case 20: MOVE(16); break;
  case 21: AT(unsigned, 464) = 0, MOVE(16); break;
  case 22: AT(unsigned, 464) = 0, AT(unsigned, 24) |= 0x10000; break;
  case 23: AT(unsigned, 464 + 16) = 575; break;
  case 24: AT(unsigned, 464 + 4) = 100; break;
  case 25: AT(unsigned, AT(unsigned, 464 + 16)) = 0, AT(unsigned long, 512) = 1ul << 40; break;
  case 26: AT(unsigned long, 464 + 8) = 0, AT(unsigned, 24) |= 0x10000; break;
  }
}

static void on_segv(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  segv = info->si_code == SI_KERNEL ? 1 : 2;
}

int main(void) {
  static const char *const whole[] = {"as it is",   "none",       "other MXCSR", "reserved MXCSR", "moved",
                                      "moved by 8", "not mapped", "half mapped", "other FCW"};
  unsigned a, b, c, d;
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  __get_cpuid(1, &a, &b, &c, &d);
  has_xsave = c >> 27 & 1;
  end = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  end += 4096;
  munmap(end, 4096);
  sigaction(SIGUSR1, &sa, 0);
  sa.sa_sigaction = on_segv;
  sigaction(SIGSEGV, &sa, 0);
  for (mode = 0; mode < (has_xsave && getenv("XSAVE") ? 27 : 9); mode++) {
    unsigned m = 0x9fc0;
    double one = 1, got;
    segv = 0;
    __asm__ volatile("ldmxcsr %2\n\tmovsd %3, %%xmm9\n\tmov %4, %%eax\n\tmov %5, %%edi\n\tmov %6, %%esi\n\tsyscall\n\tmovsd %%xmm9, %0\n\tstmxcsr %1"
                     : "=m"(got), "=m"(m)
                     : "m"(m), "m"(one), "i"(SYS_tkill), "r"(getpid()), "i"(SIGUSR1)
                     : "rax", "rcx", "r11", "rdi", "rsi", "xmm9", "memory");
    printf("%d %s: %s, mxcsr %x, xmm9 %g\n", mode, mode < 9 ? whole[mode] : "xsave", segv == 0 ? "taken" : segv == 1 ? "SIGSEGV" : "fault", m, got);
    fflush(stdout);
  }
  return 0;
}
