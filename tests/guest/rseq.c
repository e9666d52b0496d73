// Restartable sequences: registration with its errors, and a sequence that a signal sends back to its beginning.
#include "guest.h"
#include <sched.h>
#include <stddef.h>

struct area {
  uint32_t cpu_id_start, cpu_id;
  uint64_t cs;
  uint32_t flags, node_id, mm_cid, pad;
} __attribute__((aligned(32)));
static struct area area;
static struct area other;
#define SIG 0x53053053

static long reg(void *a, unsigned len, int flags, unsigned sig) {
  return syscall(334, a, len, flags, sig);
}

static void drop(void);
static volatile sig_atomic_t signals;
static void handler(int sig) { signals++; }

/** Loops within a sequence until a signal aborts it. @returns 1 when the abort handler was reached */
static uint32_t flags;
static int sequence(void) {
  int aborted = 0;
  struct cs {
    uint32_t version, flags;
    uint64_t start, length, abort;
  } __attribute__((aligned(32)));
  static struct cs cs;
  cs.flags = flags;
  __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                   "movq %%rax, 8(%1)\n\t"
                   "leaq 2f(%%rip), %%rcx\n\t"
                   "subq %%rax, %%rcx\n\t"
                   "movq %%rcx, 16(%1)\n\t"
                   "leaq 4f(%%rip), %%rax\n\t"
                   "movq %%rax, 24(%1)\n\t"
                   "movq %1, 8(%2)\n\t"
                   "1: jmp 1b\n\t"
                   "2: jmp 5f\n\t"
                   ".long 0x53053053\n\t"
                   "4: movl $1, %0\n\t"
                   "5:\n\t"
                   : "+r"(aborted)
                   : "r"(&cs), "r"(&area)
                   : "rax", "rcx", "memory");
  return aborted;
}

int main(void) {
  drop();
  R(reg(&area, 31, 0, SIG));
  R(reg((char *)&area + 8, 32, 0, SIG));
  R(reg(&area, 32, 4, SIG));
  R(reg(&area, 32, 1, SIG));
  area.cpu_id = -1;
  R(reg(&area, 32, 0, SIG));
  R(area.cpu_id == area.cpu_id_start && area.cpu_id < 1024);
  R(area.node_id);
  R(reg(&area, 32, 0, SIG));
  R(reg(&area, 32, 0, SIG + 1));
  R(reg(&other, 32, 0, SIG));
  R(reg(&area, 32, 1, SIG + 1));
  signal(SIGALRM, handler);
  struct itimerval it = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &it, 0);
  R(sequence());
  while (!signals) {} // or it had lost the processor before
  R(area.cs);
  // Flags in the one or the other structure are the end.
  for (int k = 0; k < 4; k++)
    INCHILD({
      if (k < 2) flags = 1 << 3 * k;
      else area.flags = 1 << 3 * (k - 2);
      setitimer(ITIMER_REAL, &it, 0);
      R(sequence());
    });
  if (!fork()) {
    R(reg(&area, 32, 0, SIG));
    _exit(0);
  }
  wait(0);
  R(reg(&area, 32, 1, SIG));
  R((int)area.cpu_id);
  R(area.cpu_id_start);
  R(reg(&area, 32, 1, SIG));
  return 0;
}

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));
/** The C library registered its own area before main: it is given back. */
static void drop(void) {
  if (!&__rseq_offset || !__rseq_size) return;
  char *tp;
  __asm__("movq %%fs:0, %0" : "=r"(tp));
  reg(tp + __rseq_offset, 32, 1, SIG);
}
