/* RFLAGS.AC: which alignment far transfers, ENTER and some others need, and that it comes before page faults. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf back;
static volatile int got;
static unsigned char *code, *data;

static void handler(int sig) {
  /* A handler starts with AC as it was. */
  __asm__ volatile("pushf; andl $~0x40000, (%%rsp); popf" ::: "cc", "memory");
  got = sig;
  siglongjmp(back, 1);
}

/* Executes the code with AC set and RSP, RBX and RBP at one address. */
static int run(unsigned long at) {
  got = 0;
  if (!sigsetjmp(back, 1))
    __asm__ volatile(
        "pushf; orl $0x40000, (%%rsp); popf; mov %1, %%rsp; mov %1, %%rbx; mov %1, %%rbp; jmp *%0" ::"r"(code),
        "r"(at)
        : "rbx", "memory");
  return got;
}

static const struct {
  const char *name;
  unsigned char bytes[8];
  int length, size, far;
} insns[] = {
    {"iretq", {0x48, 0xcf}, 2, 8, 0},
    {"iret", {0xcf}, 1, 4, 0},
    {"retfq", {0x48, 0xcb}, 2, 8, 0},
    {"retf", {0xcb}, 1, 4, 0},
    {"retfq 8", {0x48, 0xca, 8, 0}, 4, 8, 0},
    {"call far", {0xff, 0x1b}, 2, 4, 1},
    {"jmp far", {0xff, 0x2b}, 2, 4, 1},
    {"rex.w jmp far", {0x48, 0xff, 0x2b}, 3, 4, 1},
    {"enter 8, 0", {0xc8, 8, 0, 0}, 4, 8, 0},
    {"enter 8, 2", {0xc8, 8, 0, 2}, 4, 8, 0},
    {"xlat", {0xd7}, 1, 1, 0},
    {"mov eax, [rbx]", {0x8b, 0x03}, 2, 4, 0},
    {"fld qword [rbx]", {0xdd, 0x03}, 2, 8, 0},
    {"movups xmm0, [rbx]", {0x0f, 0x10, 0x03}, 3, 8, 0},
};

/* What the instruction pops, or its operand: back to the code, behind the instruction. */
static void put(unsigned char *at, int size, int far) {
  unsigned long words[] = {(unsigned long)code + 48, 0x33, 0x40202, (unsigned long)data + 2304, 0x2b};
  if (far) {
    memcpy(at, words, 4);
    memcpy(at + 4, words + 1, 2);
    return;
  }
  for (int i = 0; i < 5; i++) memcpy(at + i * size, words + i, size);
}

int main(void) {
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, 0);
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_NODEFER};
  int signals[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGILL};
  for (int i = 0; i < 4; i++) sigaction(signals[i], &action, 0);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  code = mmap((void *)0x10000000, 4096, 7, flags, -1, 0);
  data = mmap((void *)0x20000000, 8192, 3, flags, -1, 0);
  munmap(data + 4096, 4096);
  for (unsigned i = 0; i < sizeof insns / sizeof *insns; i++) {
    memset(code, 0xcc, 64);
    memcpy(code, insns[i].bytes, insns[i].length);
    printf("%s:", insns[i].name);
    for (int off = 0; off < 9; off++) {
      memset(data, 0, 4096);
      put(data + 2048 + off, insns[i].size, insns[i].far);
      printf(" %d", run((unsigned long)data + 2048 + off));
    }
    /* Unmapped, in the kernel's half, and not canonical. */
    unsigned long bad[] = {0x20001801, 0x20001800, -48ul, -47ul, 1ul << 50, (1ul << 50) + 1};
    for (int k = 0; k < 6; k++) printf(" %s%d", k ? "" : "bad ", run(bad[k]));
    puts("");
  }
}
