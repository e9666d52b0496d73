// What RFLAGS.TF and RFLAGS.AC do, and the x87 environment as programs see it.
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

static volatile int steps, codes[4], flagged;
static unsigned long first, last;
static void on_step(int s, siginfo_t *i, void *u) {
  ucontext_t *c = u;
  (void)s;
  if (!steps++) first = c->uc_mcontext.gregs[REG_RIP];
  last = c->uc_mcontext.gregs[REG_RIP];
  codes[i->si_code & 3]++;
  if (c->uc_mcontext.gregs[REG_EFL] & 0x100) flagged++;
  if ((unsigned long)i->si_addr != last) P("si_addr is not rip\n");
  if (c->uc_mcontext.gregs[REG_TRAPNO] != 1) P("trapno %lld\n", c->uc_mcontext.gregs[REG_TRAPNO]);
}
#define TF_ON "pushfq\n orl $0x100,(%%rsp)\n popfq\n"
#define TF_OFF "pushfq\n andl $~0x100,(%%rsp)\n popfq\n"
#define STEP(name, code)                                                                           \
  do {                                                                                             \
    steps = flagged = 0;                                                                           \
    memset((void *)codes, 0, sizeof codes);                                                        \
    char from[64] = "0123456789", to[64];                                                          \
    unsigned long si = (unsigned long)from, di = (unsigned long)to, cx = 5, ax = 39;               \
    __asm__ volatile("sub $128,%%rsp\n" TF_ON code "\n" TF_OFF "add $128,%%rsp"                    \
                     : "+S"(si), "+D"(di), "+c"(cx), "+a"(ax)::"r11", "memory", "cc");             \
    P("%s: %d steps, %d of code 2, %d flagged, first to last %lu, rcx %lu\n", name, steps,         \
      codes[2], flagged, last - first, cx);                                                        \
  } while (0)

static sigjmp_buf env;
static void on_bus(int s, siginfo_t *i, void *u) {
  __asm__ volatile("pushfq; andl $~0x40000,(%rsp); popfq");
  ucontext_t *c = u;
  P("signal %d code %d addr %p trapno %lld err %lld\n", s, i->si_code, i->si_addr,
    c->uc_mcontext.gregs[REG_TRAPNO], c->uc_mcontext.gregs[REG_ERR]);
  siglongjmp(env, 1);
}
#define AC_ON "pushfq\n orl $0x40000,(%%rsp)\n popfq\n"
#define AC_OFF "pushfq\n andl $~0x40000,(%%rsp)\n popfq\n"
static char buffer[256] __attribute__((aligned(64)));
#define ALIGN(at, code)                                                                            \
  do {                                                                                             \
    P("%s at %d: ", code, at);                                                                     \
    if (!sigsetjmp(env, 1)) {                                                                      \
      __asm__ volatile(AC_ON code "\n" AC_OFF ::"r"(buffer + 64 + at), "a"(0) : "memory", "xmm0");  \
      P("fine\n");                                                                                 \
    }                                                                                              \
  } while (0)

struct environment {
  unsigned short control, r0, status, r1, tag, r2;
  unsigned ip;
  unsigned short cs, opcode;
  unsigned dp, ds;
};
static double value = 1.5;
static void show(const char *name, const struct environment *e, unsigned long code) {
  P("%s: fcw %x fsw %x tag %x opcode %x cs %s, data %s\n", name, e->control, e->status, e->tag,
    e->opcode & 0x7ff, e->cs ? "there" : "null",
    e->dp == (unsigned)(unsigned long)&value ? "value" : e->dp ? "elsewhere" : "none");
  if (code && e->ip != (unsigned)code) P("  ip is %x\n", e->ip - (unsigned)code);
}
#define X87(name, code)                                                                            \
  do {                                                                                             \
    struct environment e;                                                                          \
    unsigned long at;                                                                              \
    __asm__ volatile("fninit\n lea 1f(%%rip),%1\n" code "\n fnstenv %0\n fninit"                   \
                     : "=m"(e), "=&r"(at)                                                          \
                     : "m"(value));                                                                \
    show(name, &e, at);                                                                            \
  } while (0)

int main(void) {
  struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
  sigaction(SIGTRAP, &sa, 0);
  STEP("nothing", "");
  STEP("three nops", "nop\nnop\nnop");
  STEP("a loop", "1: dec %%ecx\n jnz 1b");
  STEP("rep movsb", "rep movsb");
  STEP("repne scasb", "mov $0x32,%%al\nmov %%rsi,%%rdi\nrepne scasb");
  STEP("rep with rcx 0", "xor %%ecx,%%ecx\nrep movsb");
  STEP("a call", "call 1f\n jmp 2f\n1: ret\n2:");
  STEP("getpid", "syscall");
  sa.sa_sigaction = on_bus;
  sigaction(SIGBUS, &sa, 0);
  for (int at = 0; at < 3; at++) {
    ALIGN(at, "movb (%0),%%al");
    ALIGN(at, "movw (%0),%%ax");
    ALIGN(at, "movl (%0),%%eax");
  }
  ALIGN(4, "movq (%0),%%rax");
  ALIGN(4, "incl (%0)");
  ALIGN(6, "incl (%0)");
  ALIGN(8, "movups (%0),%%xmm0");
  ALIGN(16, "movups (%0),%%xmm0");
  ALIGN(4, "movsd (%0),%%xmm0");
  ALIGN(4, "movss (%0),%%xmm0");
  X87("fld1", "1: fld1");
  X87("fldl", "1: fldl %2");
  X87("fldl fstp", "fldl %2\n1: fstp %%st(0)");
  X87("fldl fnclex", "1: fldl %2\nfnclex");
  X87("fldl fnstcw", "1: fldl %2\nfnstcw -32(%%rsp)");
  X87("fninit", "1: fldl %2\nfninit\nlea 0,%1");
  X87("fsqrt fxch", "fldl %2\nfsqrt\nfld1\n1: fxch");
  X87("fsin", "fldl %2\n1: fsin");
  return 0;
}
