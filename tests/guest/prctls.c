// prctl(2): every option that x86-64 knows, its errors, and what it does to the process.
#include "guest.h"
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/ucontext.h>
#include <signal.h>
#include <linux/capability.h>

#undef P
#define P(...) prctl(__VA_ARGS__)
#define show(name, call) do { errno = 0; long r_ = (call); printf("%s %ld %s\n", name, r_, r_ < 0 ? err() : ""); } while (0)

static const char *err(void) { return strerror(errno); }

static void plain(void) {
  int value = -1;
  char comm[17] = { 0 };
  show("dumpable", P(PR_GET_DUMPABLE));
  show("dumpable 2", P(PR_SET_DUMPABLE, 2));
  show("unalign", P(PR_GET_UNALIGN, &value));
  show("fpemu", P(PR_GET_FPEMU, &value));
  show("fpexc", P(PR_GET_FPEXC, &value));
  show("endian", P(PR_GET_ENDIAN, &value));
  show("timing", P(PR_GET_TIMING));
  show("timing 1", P(PR_SET_TIMING, 1));
  show("securebits -1", P(PR_SET_SECUREBITS, -1L));
  show("securebits 4096", P(PR_SET_SECUREBITS, 4096));
  show("securebits", P(PR_GET_SECUREBITS));
  show("name null", P(PR_SET_NAME, 0L));
  show("name", P(PR_SET_NAME, "a name that is too long"));
  show("get name", P(PR_GET_NAME, comm));
  puts(comm);
  show("name of null", P(PR_GET_NAME, 0L));
  show("tsc", P(PR_GET_TSC, &value));
  printf("%d\n", value);
  show("tsc enable", P(PR_SET_TSC, PR_TSC_ENABLE));
  show("tsc 7", P(PR_SET_TSC, 7));
  show("slack", P(PR_SET_TIMERSLACK, 12345));
  show("slack", P(PR_GET_TIMERSLACK));
  show("slack 0", P(PR_SET_TIMERSLACK, 0));
  show("slack", P(PR_GET_TIMERSLACK));
  show("deathsig 65", P(PR_SET_PDEATHSIG, 65));
  show("deathsig", P(PR_SET_PDEATHSIG, 10));
  show("deathsig", P(PR_GET_PDEATHSIG, &value));
  printf("%d\n", value);
  show("deathsig null", P(PR_GET_PDEATHSIG, 1L));
  show("no_new_privs 0", P(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show("no_new_privs extra", P(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
  show("no_new_privs?", P(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show("no_new_privs? extra", P(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
  show("thp extra", P(PR_SET_THP_DISABLE, 1, 1, 0, 0));
  show("thp", P(PR_SET_THP_DISABLE, 1, 0, 0, 0));
  show("thp?", P(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  show("thp? extra", P(PR_GET_THP_DISABLE, 1, 0, 0, 0));
  show("thp", P(PR_SET_THP_DISABLE, 0, 0, 0, 0));
  show("mce", P(PR_MCE_KILL, 0, 0, 1, 0));
  show("mce clear", P(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0));
  show("mce 9", P(PR_MCE_KILL, PR_MCE_KILL_SET, 9, 0, 0));
  show("mce?", P(PR_MCE_KILL_GET, 0, 0, 0, 0));
  show("mce early", P(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
  show("mce?", P(PR_MCE_KILL_GET, 0, 0, 0, 0));
  show("mce late", P(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
  show("mce?", P(PR_MCE_KILL_GET, 0, 0, 0, 0));
  show("mce default", P(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT, 0, 0));
  show("mce? extra", P(PR_MCE_KILL_GET, 1, 0, 0, 0));
  show("mpx", P(PR_MPX_ENABLE_MANAGEMENT, 0, 0, 0, 0));
  show("fp mode", P(PR_GET_FP_MODE, 0, 0, 0, 0));
  show("sve", P(PR_SVE_GET_VL, 0, 0, 0, 0));
  show("pac", P(PR_PAC_RESET_KEYS, 0, 0, 0, 0));
  show("tagged", P(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0));
  show("spec 99", P(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
  show("spec extra", P(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0));
  show("spec set 99", P(PR_SET_SPECULATION_CTRL, 99, 0, 0, 0));
  show("flusher?", P(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
  show("flusher", P(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
  show("flusher?", P(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
  show("flusher 2", P(PR_SET_IO_FLUSHER, 2, 0, 0, 0));
  show("flusher extra", P(PR_SET_IO_FLUSHER, 0, 1, 0, 0));
  show("flusher off", P(PR_SET_IO_FLUSHER, 0, 0, 0, 0));
  show("perf", P(PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0));
  show("perf", P(PR_TASK_PERF_EVENTS_ENABLE, 0, 0, 0, 0));
  show("keepcaps 2", P(PR_SET_KEEPCAPS, 2));
  show("capbset 64", P(PR_CAPBSET_READ, 64));
  show("capbset drop 64", P(PR_CAPBSET_DROP, 64));
  show("ambient 9", P(PR_CAP_AMBIENT, 9, 0, 0, 0));
  show("ambient extra", P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 1, 0));
  show("ambient clear extra", P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
  show("ambient 99", P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 99, 0, 0));
  show("securebits 1000", P(PR_SET_SECUREBITS, 0x1000));
  show("999", P(999, 0, 0, 0, 0));
}

static void addresses(void) {
  unsigned long auxv[64];
  unsigned size = 0;
  show("mm option", P(PR_SET_MM, 99, 0x100000, 0, 0));
  show("mm extra", P(PR_SET_MM, PR_SET_MM_BRK, 0x100000, 1, 0));
  show("mm low", P(PR_SET_MM, PR_SET_MM_START_BRK, 1, 0, 0));
  show("mm high", P(PR_SET_MM, PR_SET_MM_START_BRK, -4096L, 0, 0));
  show("mm size", P(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0));
  printf("%u\n", size);
  show("mm map", P(PR_SET_MM, PR_SET_MM_MAP, auxv, 8, 0));
  show("mm auxv", P(PR_SET_MM, PR_SET_MM_AUXV, auxv, 4096, 0));
  show("mm exe", P(PR_SET_MM, PR_SET_MM_EXE_FILE, -1, 0, 0));
  show("mm exe", P(PR_SET_MM, PR_SET_MM_EXE_FILE, 0, 0, 0));
  show("auxv null", P(0x41555856, 0L, 16, 0, 0));
  show("auxv", P(0x41555856, auxv, 16, 0, 0) > 256);
  show("auxv extra", P(0x41555856, auxv, 16, 1, 0));
}

/** In a child: the rule cannot be taken back. */
static void deny_write_exec(void) {
  if (fork() == 0) {
    show("mdwe 2", P(65, 2, 0, 0, 0));
    show("mdwe 8", P(65, 8, 0, 0, 0));
    show("mdwe extra", P(65, 1, 1, 0, 0));
    show("mdwe", P(65, 1, 0, 0, 0));
    show("mdwe?", P(66, 0, 0, 0, 0));
    show("mdwe 0", P(65, 0, 0, 0, 0));
    show("rwx", (long)mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *w = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show("w to x", mprotect(w, 4096, PROT_READ | PROT_EXEC));
    char *x = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show("x to x", mprotect(x, 4096, PROT_EXEC));
    show("x to wx", mprotect(x, 4096, 7));
    if (fork() == 0) {
      show("child's", P(66, 0, 0, 0, 0));
      fflush(stdout);
      _exit(0);
    }
    wait(0);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

static volatile char selector;
static volatile int calls;

static void dispatch(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  selector = 0;
  calls++;
  if (calls == 1)
    printf("SIGSYS code %d call %d at rip %d rax %lld\n", info->si_code, info->si_syscall,
           (long)info->si_call_addr == uc->uc_mcontext.gregs[REG_RIP], uc->uc_mcontext.gregs[REG_RAX]);
  uc->uc_mcontext.gregs[REG_RAX] = 4242;
}

static void user_dispatch(void) {
  show("dispatch 5", P(PR_SET_SYSCALL_USER_DISPATCH, 5, 0, 0, 0));
  show("off extra", P(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 1, 0, 0));
  show("no length", P(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 1L, 0L, 0));
  show("bad selector", P(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, -1L));
  struct sigaction sa = { .sa_sigaction = dispatch, .sa_flags = SA_SIGINFO };
  sigaction(SIGSYS, &sa, 0);
  show("on", P(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &selector));
  selector = 1;
  long r = syscall(SYS_getpid);
  printf("getpid gives %ld, %d calls\n", r, calls);
  if (fork() == 0) {
    selector = 1;
    long pid = syscall(SYS_gettid);
    selector = 0;
    printf("a child has it off: %d\n", pid == getpid());
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  int status;
  if (fork() == 0) {
    P(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &selector);
    selector = 9;
    syscall(SYS_getpid);
    _exit(0);
  }
  wait(&status);
  printf("selector 9: signal %d\n", WTERMSIG(status));
  show("off", P(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0));
}

/** Without CAP_SYS_RESOURCE, which a container may not have anyway. */
static void drop(void) {
  struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct data[2];
  syscall(SYS_capget, &head, data);
  data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
  syscall(SYS_capset, &head, data);
}

int main(void) {
  drop();
  setvbuf(stdout, 0, _IOLBF, 0);
  plain();
  addresses();
  deny_write_exec();
  user_dispatch();
  return 0;
}
