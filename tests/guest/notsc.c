// prctl(PR_SET_TSC): RDTSC and RDTSCP become SIGSEGV, in hot code, too; children and new programs have it from their maker.
// link: -lpthread
#include "guest.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/prctl.h>

static sigjmp_buf back;
static void caught(int sig, siginfo_t *i, void *u) {
  P("signal %d code %d addr %p\n", sig, i->si_code, i->si_addr);
  siglongjmp(back, 1);
}
static inline void tsc(void) { asm volatile("rdtsc" ::: "rax", "rdx"); }
static inline void tscp(void) { asm volatile("rdtscp" ::: "rax", "rdx", "rcx"); }
static void try(void) {
  if (!sigsetjmp(back, 1)) tsc(), P("rdtsc\n");
  if (!sigsetjmp(back, 1)) tscp(), P("rdtscp\n");
}
static void *other(void *p) {
  int v;
  R(prctl(PR_GET_TSC, &v));
  P("%d\n", v);
  R(prctl(PR_SET_TSC, PR_TSC_ENABLE));
  try();
  return 0;
}
static volatile int stop;
static void loop(void) {
  for (int i = 0; i < 300000 && !stop; i++) tsc();
}

int main(int argc, char **argv) {
  struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, 0);
  int v = 0;
  if (argc > 1) {
    R(prctl(PR_GET_TSC, &v));
    P("%d\n", v);
    try();
    return 0;
  }
  R(prctl(PR_GET_TSC, &v));
  P("%d\n", v);
  R(prctl(PR_SET_TSC, 0));
  R(prctl(PR_SET_TSC, 3));
  R(prctl(PR_GET_TSC, 8));
  try();
  loop();
  R(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
  R(prctl(PR_GET_TSC, &v));
  P("%d\n", v);
  try();
  if (!sigsetjmp(back, 1)) loop();
  pthread_t t;
  pthread_create(&t, 0, other, 0);
  pthread_join(t, 0);
  try();
  INCHILD(try());
  INCHILD(execl("/proc/self/exe", "notsc", "x", (char *)0));
  R(prctl(PR_SET_TSC, PR_TSC_ENABLE));
  loop();
  try();
}
