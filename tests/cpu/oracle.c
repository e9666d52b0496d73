/*
 * Executes pieces of machine code on the host's processor: for each case read from standard input it loads the whole
 * register state, runs the code until it traps, and writes the state back to standard output.
 *
 * Entering and leaving go through signal frames, which carry all registers: SIGUSR1's handler replaces the frame by the
 * case's state, and the handler of the trap that ends the case saves it and puts the old frame back.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x400000ul
#define DATA 0x600000ul
#define DATA_BYTES 8192
#define WINDOW 1024
#define EDGE 64

/* The order of registers is that of their encoding. */
struct state {
  uint64_t gpr[16];
  uint64_t rip, rflags;
  uint64_t signal, address;
  uint8_t fxsave[512];
  uint8_t data[WINDOW];
  /* Upper halves of the YMM registers. */
  uint8_t ymm[256];
  /* The first and the last bytes that are mapped around the window. */
  uint8_t edges[2][EDGE];
};

struct test {
  uint8_t code[256];
  struct state state;
};

static struct test current;
static ucontext_t outside;
static struct _libc_fpstate outside_fp;
static uint8_t alternate[65536];

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* The part of the frame behind the FXSAVE image, where there is one (struct _xstate). */
#define XSTATE_BV(fp) (*(uint64_t *)((char *)(fp) + 512))
#define YMM_HIGH(fp) ((char *)(fp) + 576)
static int has_ymm(void *fp) {
  uint32_t *reserved = (uint32_t *)((char *)fp + 464);
  return reserved[0] == 0x46505853 && (reserved[2] & 4);
}
static uint8_t outside_ymm[256];

static void enter(int sig, siginfo_t *info, void *frame) {
  (void)sig, (void)info;
  ucontext_t *uc = frame;
  outside = *uc;
  outside_fp = *uc->uc_mcontext.fpregs;
  for (int i = 0; i < 16; i++) uc->uc_mcontext.gregs[order[i]] = current.state.gpr[i];
  uc->uc_mcontext.gregs[REG_RIP] = current.state.rip;
  uc->uc_mcontext.gregs[REG_EFL] = current.state.rflags;
  /* The bytes from 464 on tell the kernel whether an XSAVE area follows: keep them. */
  void *fp = uc->uc_mcontext.fpregs;
  memcpy(fp, current.state.fxsave, 416);
  if (has_ymm(fp)) {
    memset(outside_ymm, 0, sizeof outside_ymm);
    if (XSTATE_BV(fp) & 4) memcpy(outside_ymm, YMM_HIGH(fp), 256);
    XSTATE_BV(fp) |= 7;
    memcpy(YMM_HIGH(fp), current.state.ymm, 256);
  }
}

static void leave(int sig, siginfo_t *info, void *frame) {
  /* A case may have set AC, which signals leave as it is. */
  __asm__ volatile("pushfq; andl $~0x40000, (%rsp); popfq");
  ucontext_t *uc = frame;
  for (int i = 0; i < 16; i++) current.state.gpr[i] = uc->uc_mcontext.gregs[order[i]];
  current.state.rip = uc->uc_mcontext.gregs[REG_RIP];
  current.state.rflags = uc->uc_mcontext.gregs[REG_EFL];
  current.state.signal = sig;
  current.state.address = (uint64_t)info->si_addr;
  memcpy(current.state.fxsave, uc->uc_mcontext.fpregs, 416);
  void *fp = uc->uc_mcontext.fpregs;
  if (has_ymm(fp)) {
    memset(current.state.ymm, 0, 256);
    if (XSTATE_BV(fp) & 4) memcpy(current.state.ymm, YMM_HIGH(fp), 256);
    XSTATE_BV(fp) |= 7;
    memcpy(YMM_HIGH(fp), outside_ymm, 256);
  }
  memcpy(uc->uc_mcontext.gregs, outside.uc_mcontext.gregs, sizeof outside.uc_mcontext.gregs);
  memcpy(uc->uc_mcontext.fpregs, &outside_fp, 416);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigfillset(&sa.sa_mask);
  sigaction(sig, &sa, NULL);
}

static int read_all(void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read(0, (char *)to + done, size - done);
    if (n <= 0) return 0;
    done += n;
  }
  return 1;
}

static void *map(unsigned long at, size_t size, int prot) {
  void *p = mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != (void *)at) {
    perror("mmap");
    exit(1);
  }
  return p;
}

int main(void) {
  uint8_t *code = map(CODE, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint8_t *data = map(DATA, DATA_BYTES, PROT_READ | PROT_WRITE);
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  handle(SIGUSR1, enter);
  /* Code that changes itself may loop for ever: that ends with SIGVTALRM, somewhere; what it leaves serves no other case. */
  int ends[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGVTALRM};
  for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) handle(ends[i], leave);
  while (read_all(&current, sizeof current)) {
    memcpy((void *)current.state.rip, current.code, sizeof current.code);
    /* The window straddles the two pages. */
    memcpy(data + 4096 - WINDOW / 2, current.state.data, WINDOW);
    memcpy(data, current.state.edges[0], EDGE);
    memcpy(data + DATA_BYTES - EDGE, current.state.edges[1], EDGE);
    struct itimerval limit = {.it_value = {.tv_usec = 100000}}, none = {0};
    setitimer(ITIMER_VIRTUAL, &limit, NULL);
    raise(SIGUSR1);
    setitimer(ITIMER_VIRTUAL, &none, NULL);
    memcpy(current.state.data, data + 4096 - WINDOW / 2, WINDOW);
    memcpy(current.state.edges[0], data, EDGE);
    memcpy(current.state.edges[1], data + DATA_BYTES - EDGE, EDGE);
    if (current.state.signal == SIGVTALRM) {
      memset(code, 0, 8192);
      memset(data, 0, DATA_BYTES);
    }
    if (write(1, &current.state, sizeof current.state) != sizeof current.state) return 1;
  }
  return 0;
}
