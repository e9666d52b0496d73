// The vsyscall page of old programs: its three functions can be called, and nothing else of it be used.
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>

static void fault(int signal, siginfo_t *info, void *context) {
  P("signal %d code %d addr %lx\n", signal, info->si_code, (long)info->si_addr);
  _exit(0);
}

static void refused(int signal, siginfo_t *info, void *context) {
  P("signal %d code %d errno %d call %d addr %lx\n", signal, info->si_code, info->si_errno, info->si_syscall, (long)info->si_call_addr);
}

#define PAGE 0xffffffffff600000UL
static long (*const gettimeofday_)(struct timeval *, struct timezone *) = (void *)PAGE;
static long (*const time_)(long *) = (void *)(PAGE + 1024);
static long (*const getcpu_)(unsigned *, unsigned *, void *) = (void *)(PAGE + 2048);

int main(void) {
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  INCHILD({
    struct timeval now = {0};
    struct timezone zone = {7, 7};
    R(gettimeofday_(&now, &zone));
    P("%d %d\n", labs(now.tv_sec - time(0)) < 2, zone.tz_minuteswest);
    R(gettimeofday_(0, 0));
  });
  INCHILD({
    long at = 0;
    long result = time_(&at);
    P("%d %d\n", result == at, labs(at - time(0)) < 2);
    P("%d\n", time_(0) > 0);
  });
  INCHILD({
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof one, &one);
    unsigned cpu = 9, node = 9;
    R(getcpu_(&cpu, &node, 0));
    P("%u %u\n", cpu, node);
    R(getcpu_(0, 0, 0));
  });
  INCHILD(gettimeofday_((void *)8, 0));
  INCHILD(time_((void *)8));
  INCHILD(((void (*)(void))(PAGE + 1))());
  INCHILD(((void (*)(void))(PAGE + 3072))());
  INCHILD(((void (*)(void))(PAGE + 4096))());
  INCHILD(((void (*)(void))(PAGE - 1024))());
  INCHILD(P("%d\n", *(volatile char *)PAGE));
  INCHILD(*(volatile char *)PAGE = 1);
  // A filter of system calls is asked, too.
  action.sa_sigaction = refused;
  sigaction(SIGSYS, &action, 0);
  const unsigned answers[] = {SECCOMP_RET_TRAP | 5, SECCOMP_RET_ERRNO | 7, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_LOG, SECCOMP_RET_TRACE};
  for (int k = 0; k < 6; k++)
    INCHILD({
      struct sock_filter rules[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_time},
        {BPF_RET | BPF_K, 0, 0, answers[k]},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
      };
      struct sock_fprog program = {4, rules};
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
      long result = time_(0);
      P("%ld\n", result > 1000 ? 1000 : result);
      R(getcpu_(0, 0, 0));
    });
  INCHILD({
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    time_(0);
  });
  return 0;
}
