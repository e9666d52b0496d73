// What travels with signals: the bytes of siginfo_t that are kept and those that signalfd copies by layout, the alternate
// stack in frames, timers' signals beside pending ones, and masks that let a signal in although nothing is waited for.
#include "guest.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/signalfd.h>

static unsigned char kept[128];
static int got;

static void keep(int sig, siginfo_t *info, void *context) {
  memcpy(kept, info, 128);
  got++;
}

static void dump(const unsigned char *bytes) {
  int end = 128;
  while (end > 0 && !bytes[end - 1]) end--;
  for (int i = 0; i < end; i++) P("%s%02x", i % 8 ? "" : " ", bytes[i]);
  P("\n");
}

/** A siginfo_t of the caller's, whose every byte is told apart. */
static long send(int sig, int code, int bytes) {
  unsigned char info[128] = {0};
  for (int i = 12; i < bytes; i++) info[i] = i;
  memcpy(info, &sig, 4);
  memset(info + 4, 0, 4);
  memcpy(info + 8, &code, 4);
  return syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), sig, info);
}

static void layouts(void) {
  const int signals[] = {SIGUSR1, SIGURG, SIGCHLD, SIGSEGV, SIGBUS, SIGTRAP, SIGSYS, SIGPOLL, SIGFPE, SIGILL, 40};
  const int codes[] = {SI_USER, SI_QUEUE, SI_TIMER, SI_SIGIO, SI_TKILL, -60, 1, 2, 4, 6, 7, 0x80};
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &old);
  int fd = signalfd(-1, &all, SFD_NONBLOCK);
  for (int s = 0; s < 11; s++)
    for (int c = 0; c < 12; c++) {
      unsigned char record[128] = {0};
      P("%d/%d:", signals[s], codes[c]);
      if (send(signals[s], codes[c], 48) < 0 || read(fd, record, 128) < 0) {
        P(" errno %d\n", errno);
        continue;
      }
      dump(record);
    }
  close(fd);
  sigprocmask(SIG_SETMASK, &old, 0);
}

static void sizes(void) {
  struct sigaction sa = {.sa_sigaction = keep, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, 0);
  R(send(SIGUSR1, SI_QUEUE, 128));
  dump(kept);
  R(send(SIGUSR1, 7, 48));
  R(send(SIGUSR1, 7, 49));
  R(send(SIGUSR1, -61, 48));
  R(send(SIGUSR1, -61, 49));
}

static char stack[65536] __attribute__((aligned(16)));

static void show_stack(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  long at = uc->uc_stack.ss_sp ? (char *)uc->uc_stack.ss_sp - stack : -1;
  P("  in frame: %ld %x %ld\n", at, uc->uc_stack.ss_flags, (long)uc->uc_stack.ss_size);
  uc->uc_stack.ss_size -= uc->uc_stack.ss_size ? 1024 : 0;
}

static void now(void) {
  stack_t ss;
  sigaltstack(0, &ss);
  P("  now: %ld %x %ld\n", ss.ss_sp ? (long)((char *)ss.ss_sp - stack) : -1, ss.ss_flags, (long)ss.ss_size);
}

static void frames(void) {
  struct sigaction sa = {.sa_sigaction = show_stack, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR2, &sa, 0);
  const int flags[] = {0, SS_ONSTACK, SS_DISABLE, 0x80000000, 0x80000001, 0x80000002, 0x40000000};
  raise(SIGUSR2);
  for (int i = 0; i < 7; i++) {
    stack_t ss = {stack, flags[i], sizeof stack};
    R(sigaltstack(&ss, 0));
    raise(SIGUSR2);
    now();
  }
  sa.sa_flags |= SA_ONSTACK;
  sigaction(SIGUSR2, &sa, 0);
  stack_t ss = {stack, 0, sizeof stack};
  R(sigaltstack(&ss, 0));
  raise(SIGUSR2);
  now();
}

static void beside(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t timers[2];
  for (int i = 0; i < 2; i++) {
    ev.sigev_value.sival_int = 7 + i;
    timer_create(CLOCK_MONOTONIC, &ev, &timers[i]);
  }
  kill(getpid(), SIGUSR1);
  struct itimerspec soon = {{0, 0}, {0, 1000}};
  timer_settime(timers[0], 0, &soon, 0);
  msleep(5);
  timer_settime(timers[1], 0, &soon, 0);
  msleep(5);
  kill(getpid(), SIGUSR1);
  siginfo_t info;
  struct timespec none = {0, 0};
  for (int i = 0; i < 4; i++) {
    R(sigtimedwait(&set, &info, &none));
    P("code %d value %d\n", info.si_code, info.si_code == SI_TIMER ? info.si_value.sival_int : 0);
  }
  sigprocmask(SIG_UNBLOCK, &set, 0);
}

/** A pending signal that the mask lets in, and no time to wait. */
static void masks(void) {
  sigset_t set, none;
  sigemptyset(&set);
  sigemptyset(&none);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  int p[2];
  pipe(p);
  struct timespec zero = {0, 0};
  struct pollfd pfd = {p[0], POLLIN, 0}, ready = {p[1], POLLOUT, 0};
  got = 0;
  kill(getpid(), SIGUSR1);
  R(ppoll(&pfd, 1, &zero, 0));
  R(ppoll(&ready, 1, &zero, &none));
  R(got);
  R(ppoll(&pfd, 1, &zero, &none));
  R(got);
  kill(getpid(), SIGUSR1);
  fd_set fds;
  FD_ZERO(&fds);
  FD_SET(p[0], &fds);
  R(pselect(p[0] + 1, &fds, 0, 0, &zero, &none));
  R(FD_ISSET(p[0], &fds) != 0);
  R(got);
}

int main(void) {
  layouts();
  sizes();
  frames();
  beside();
  masks();
  return 0;
}
