// rt_sigtimedwait with a signal's default action: a signal that was blocked before the wait neither kills nor is dropped,
// whichever thread waits for it and whether or not the receiver is an init.
// link: -pthread
#include "guest.h"
#include <pthread.h>
#include <sched.h>

static int waiting;

static void *sender(void *arg) {
  while (!__atomic_load_n(&waiting, __ATOMIC_SEQ_CST)) sched_yield();
  msleep(30);
  kill(getpid(), (int)(long)arg);
  return 0;
}

static void *waiter(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, (int)(long)arg);
  struct timespec limit = {2, 0};
  siginfo_t info;
  __atomic_store_n(&waiting, 1, __ATOMIC_SEQ_CST);
  int got = sigtimedwait(&set, &info, &limit);
  P("sigtimedwait = %d code %d\n", got, got > 0 ? info.si_code : errno);
  return 0;
}

/** One thread sends the signal to the process while the other, the leader or not, waits. */
static void between_threads(int sig, int leader_waits) {
  P("signal %d, %s waits\n", sig, leader_waits ? "the leader" : "the other thread");
  pthread_t other;
  waiting = 0;
  pthread_create(&other, 0, leader_waits ? sender : waiter, (void *)(long)sig);
  (leader_waits ? waiter : sender)((void *)(long)sig);
  pthread_join(other, 0);
}

static int in_child(void (*body)(void)) {
  pid_t p = fork();
  if (!p) {
    body();
    _exit(7);
  }
  int status;
  waitpid(p, &status, 0);
  return status;
}

static void unblocked_is_taken(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  between_threads(SIGUSR1, 1);
}

int main(void) {
  sigset_t set, now;
  sigemptyset(&set);
  const int signals[] = {SIGUSR1, SIGTERM, SIGCHLD, SIGSEGV, SIGTSTP, SIGRTMIN + 1};
  for (int i = 0; i < 6; i++) sigaddset(&set, signals[i]);
  sigprocmask(SIG_SETMASK, &set, 0);
  for (int i = 0; i < 6; i++) {
    between_threads(signals[i], 1);
    between_threads(signals[i], 0);
  }
  // Ignored, but blocked: it is still received.
  signal(SIGUSR1, SIG_IGN);
  between_threads(SIGUSR1, 1);
  signal(SIGUSR1, SIG_DFL);
  sigprocmask(SIG_SETMASK, 0, &now);
  R(memcmp(&now, &set, 8));
  // Not blocked before: its default action holds.
  P("status %x\n", in_child(unblocked_is_taken) & 0x7f);
  // The affinity calls have no other error for a number below zero.
  unsigned long mask = 1;
  R(syscall(SYS_sched_getaffinity, -1, sizeof mask, &mask));
  R(syscall(SYS_sched_setaffinity, -1, sizeof mask, &mask));
  R(sched_getscheduler(-1));
  return 0;
}
