// Conversions between numbers and MMX registers: what becomes of the x87 state, and what comes
// first, an x87 exception that waits or one of the conversion. And a trap behind a move to SS.
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

struct state {
  uint16_t control, status;
  uint8_t tags;
  uint32_t mxcsr;
  uint64_t mm0, xmm0[2];
};
static struct state state;
static sigjmp_buf env;
static int sig, code;

/** Of an FXSAVE area, which is what a signal frame has, too. */
static void take(const void *area) {
  const uint8_t *a = area;
  memcpy(&state.control, a, 2);
  memcpy(&state.status, a + 2, 2);
  state.tags = a[4];
  memcpy(&state.mxcsr, a + 24, 4);
  memcpy(&state.mm0, a + 32, 8);
  memcpy(state.xmm0, a + 160, 16);
}

static void caught(int s, siginfo_t *info, void *context) {
  sig = s;
  code = info->si_code;
  take(((ucontext_t *)context)->uc_mcontext.fpregs);
  siglongjmp(env, 1);
}

static float singles[4] __attribute__((aligned(16))) = {2.5f, -3.5f, 1e20f, 7.f};
static double doubles[2] __attribute__((aligned(16))) = {2.5, -7.75};
static int integers[2] __attribute__((aligned(8))) = {16777217, -5};
static uint8_t area[512] __attribute__((aligned(16)));

#define CONVERSION(name, to, from)                                                                 \
  static void name##_r(void) { __asm__ volatile(#name " %%" from ",%%" to ::: "xmm0"); }           \
  static void name##_m(const void *p) {                                                            \
    __asm__ volatile(#name " (%0),%%" to ::"r"(p) : "xmm0");                                       \
  }
CONVERSION(cvtps2pi, "mm0", "xmm1")
CONVERSION(cvttps2pi, "mm0", "xmm1")
CONVERSION(cvtpd2pi, "mm0", "xmm1")
CONVERSION(cvttpd2pi, "mm0", "xmm1")
CONVERSION(cvtpi2ps, "xmm0", "mm1")
CONVERSION(cvtpi2pd, "xmm0", "mm1")

static const struct {
  const char *name;
  const void *source;
  void (*reg)(void);
  void (*mem)(const void *);
} conversions[] = {
    {"cvtps2pi", singles, cvtps2pi_r, cvtps2pi_m},
    {"cvttps2pi", singles, cvttps2pi_r, cvttps2pi_m},
    {"cvtpd2pi", doubles, cvtpd2pi_r, cvtpd2pi_m},
    {"cvttpd2pi", doubles, cvttpd2pi_r, cvttpd2pi_m},
    {"cvtpi2ps", integers, cvtpi2ps_r, cvtpi2ps_m},
    {"cvtpi2pd", integers, cvtpi2pd_r, cvtpi2pd_m},
};

/** @param pending an unmasked x87 exception waits @param open none of MXCSR's is masked */
static void convert(int which, int memory, int pending, int open) {
  uint32_t mxcsr = open ? 0 : 0x1f80, usual = 0x1f80;
  uint16_t control = pending ? 0x37b : 0x37f;
  const void *source = conversions[which].source;
  sig = code = 0;
  // Both registers of a conversion's source have it; the x87 stack has two numbers on it.
  __asm__ volatile("fninit; movups (%0),%%xmm1; movq (%1),%%mm1; movq %%mm1,%%mm0;"
                   "pcmpeqd %%xmm0,%%xmm0; emms; fld1; fld1"
                   :
                   : "r"(source), "r"(integers)
                   : "xmm0", "xmm1", "memory");
  __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(control));
  if (pending) __asm__ volatile("fldz; fdivrp");
  if (!sigsetjmp(env, 1)) {
    if (memory)
      conversions[which].mem(source);
    else
      conversions[which].reg();
    __asm__ volatile("fxsave %0" : "=m"(area));
    take(area);
  }
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(usual));
  printf("%s %s%s%s: signal %d code %d status %04x tags %02x mxcsr %04x mm0 %016lx xmm0 %016lx "
         "%016lx\n",
         conversions[which].name, memory ? "memory" : "register", pending ? " pending" : "",
         open ? " open" : "", sig, code, state.status, state.tags, state.mxcsr, state.mm0,
         state.xmm0[1], state.xmm0[0]);
}

extern char before_move[], behind_move[], behind_next[], at_end[];
static const char *seen[32];
static int count;
static void stepped(int s, siginfo_t *info, void *context) {
  (void)s, (void)info;
  const char *rip = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (count < 32) seen[count++] = rip;
}

static void move_to_ss(void) {
  struct sigaction sa = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};
  sigaction(SIGTRAP, &sa, 0);
  __asm__ volatile("sub $256,%%rsp; mov %%ss,%%ecx; pushf; orl $0x100,(%%rsp); popf; nop;"
                   "before_move: mov %%ecx,%%ss; behind_move: nop; behind_next: nop;"
                   "pushf; andl $~0x100,(%%rsp); popf; at_end: add $256,%%rsp" ::
                       : "rcx", "memory", "cc");
  for (int i = 0; i < count; i++)
    printf("trap %s\n", seen[i] == before_move   ? "before the move to SS"
                        : seen[i] == behind_move ? "behind it"
                        : seen[i] == behind_next ? "behind the next"
                        : seen[i] == at_end      ? "at the end"
                                                 : "elsewhere");
}

int main(void) {
  struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &sa, 0);
  sigaction(SIGILL, &sa, 0);
  for (int which = 0; which < 6; which++)
    for (int how = 0; how < 8; how++) convert(which, how & 1, how >> 1 & 1, how >> 2);
  move_to_ss();
}
