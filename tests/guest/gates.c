// What user code meets of the processor's own tables: gates, descriptors, selectors.
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int sig, code, trap;
static volatile long err;

static void caught(int s, siginfo_t *info, void *context) {
  greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
  sig = s;
  code = info->si_code;
  trap = (int)gregs[REG_TRAPNO];
  err = (long)gregs[REG_ERR];
  siglongjmp(back, 1);
}

#define TRY(name, ...)                                                                             \
  do {                                                                                             \
    sig = 0;                                                                                       \
    if (!sigsetjmp(back, 1)) {                                                                     \
      __VA_ARGS__;                                                                                 \
    }                                                                                              \
    if (sig)                                                                                       \
      P("%s: signal %d code %d trap %d error %lx\n", name, sig, code, trap, err);                  \
    else                                                                                           \
      P("%s: done\n", name);                                                                       \
  } while (0)

struct table {
  uint16_t limit;
  uint64_t base;
} __attribute__((packed));

static void look(unsigned selector) {
  uint32_t rights = 0, limit = 0;
  uint8_t lar, lsl, verr, verw;
  __asm__("larl %2, %0; setz %1" : "+r"(rights), "=q"(lar) : "r"(selector));
  __asm__("lsll %2, %0; setz %1" : "+r"(limit), "=q"(lsl) : "r"(selector));
  __asm__("verr %w1; setz %0" : "=q"(verr) : "r"(selector));
  __asm__("verw %w1; setz %0" : "=q"(verw) : "r"(selector));
  if ((selector & ~3u) == 0x78) limit &= 0xfff00000; // the processor's number
  P("%x: %d %x, %d %x, %d, %d\n", selector, lar, rights, lsl, limit, verr, verw);
}

int main(void) {
  int sigs[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS};
  struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  for (int i = 0; i < 4; i++) sigaction(sigs[i], &act, 0);

  TRY("int3", __asm__ volatile("int3"));
  TRY("int $3", __asm__ volatile(".byte 0xcd, 3"));
  TRY("int $4", __asm__ volatile("int $4"));
  TRY("int $1", __asm__ volatile("int $1"));
  TRY("int $0x20", __asm__ volatile("int $0x20"));
  TRY("int1", __asm__ volatile(".byte 0xf1"));
  TRY("step", __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop" ::: "memory", "cc"));

  struct table table = {1, 1};
  __asm__("sgdt %0" : "=m"(table));
  P("gdt %x %lx\n", table.limit, (long)table.base);
  __asm__("sidt %0" : "=m"(table));
  P("idt %x %lx\n", table.limit, (long)table.base);
  uint64_t word = -1UL;
  __asm__("smsw %0" : "+r"(word));
  P("smsw %lx\n", (long)word);
  word = -1UL;
  __asm__("smsww %w0" : "+r"(word));
  P("smsw %lx\n", (long)word);
  word = -1UL;
  __asm__("smsw %0" : "+m"(word));
  P("smsw %lx\n", (long)word);
  __asm__("str %0" : "+r"(word));
  P("str %x\n", (unsigned)word);
  word = -1UL;
  __asm__("str %0" : "+m"(word));
  P("str %lx\n", (long)word);
  __asm__("sldt %0" : "+r"(word));
  P("sldt %x\n", (unsigned)word);
  TRY("sgdt in page 0", __asm__ volatile("sgdt (%0)" ::"r"(16L) : "memory"));
  TRY("lldt", __asm__ volatile("lldt %w0" ::"r"(0)));
  TRY("ltr", __asm__ volatile("ltr %w0" ::"r"(0)));
  TRY("lmsw", __asm__ volatile("lmsw %w0" ::"r"(0)));
  TRY("0f 00 /6", __asm__ volatile(".byte 0x0f, 0x00, 0xf0"));

  static const unsigned selectors[] = {0,    3,    8,    0x10, 0x1b, 0x20,   0x23,  0x2b, 0x2c,
                                       0x30, 0x33, 0x38, 0x43, 0x78, 0x7b, 0x1000, 0xffff};
  for (unsigned i = 0; i < sizeof(selectors) / sizeof(*selectors); i++) look(selectors[i]);
  uint64_t wide = -1UL;
  uint16_t stored = 0x33;
  __asm__("larw %1, %w0" : "+r"(wide) : "m"(stored));
  P("%lx\n", (long)wide);
  __asm__("lsl %1, %0" : "+r"(wide) : "m"(stored));
  P("%lx\n", (long)wide);
  TRY("verr in page 0", __asm__ volatile("verr (%0)" ::"r"(16L)));

  static const int loads[] = {0, 3, 0x10, 0x1b, 0x23, 0x2b, 0x33, 0x43, 0x7b, 0x1234, 7};
  for (unsigned i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
    P("%x\n", loads[i]);
    TRY("ds", __asm__ volatile("mov %0, %%ds" ::"r"(loads[i])));
    TRY("es", __asm__ volatile("mov %0, %%es" ::"r"(loads[i])));
    TRY("gs", __asm__ volatile("mov %0, %%gs" ::"r"(loads[i])));
    TRY("ss", __asm__ volatile("mov %0, %%ss" ::"r"(loads[i])));
  }
  return 0;
}
