/* Scheduling policies, attributes, affinity, nice values and I/O priorities: what is refused, and
 * to whom. */
#include "guest.h"
#include <sched.h>
#include <sys/syscall.h>
#define SA(p, a, f) syscall(SYS_sched_setattr, p, a, f)
#define GA(p, a, n, f) syscall(SYS_sched_getattr, p, a, n, f)
struct sa48 {
  unsigned size, policy;
  unsigned long long flags;
  int nice;
  unsigned prio;
  unsigned long long rt, dl, pe;
  unsigned umin, umax;
};
static void show(void) {
  struct sa48 a;
  memset(&a, 0x77, sizeof a);
  long r = GA(0, &a, sizeof a, 0);
  P("attr %ld size %u pol %u fl %llx nice %d prio %u rt %llu dl %llu pe %llu\n", r, a.size,
    a.policy, a.flags, a.nice, a.prio, a.policy == 6 ? a.rt : 0, a.dl * (a.policy == 6),
    a.pe * (a.policy == 6));
}
/** Lines of /proc/self/sched that depend on policy and nice value alone, and the names of the others. */
static void weights(void) {
  char line[200];
  for (int policy = 0; policy < 6; policy++) {
    struct sched_param sp = {policy == SCHED_FIFO || policy == SCHED_RR ? 5 : 0};
    if (policy == 4 || syscall(SYS_sched_setscheduler, 0, policy, &sp)) continue;
    P("policy %d:", policy);
    FILE *f = fopen("/proc/self/sched", "r");
    fgets(line, sizeof line, f);
    while (fgets(line, sizeof line, f)) {
      if (strstr(line, "numa") || strchr(line, ':') == 0) continue;
      int value = strstr(line, "weight") || !strncmp(line, "prio", 4) || !strncmp(line, "policy", 6);
      P(" %.*s", (int)strcspn(line, " :"), line);
      if (value) P("=%ld", atol(strchr(line, ':') + 1));
    }
    P("\n");
    fclose(f);
  }
  struct sched_param none = {0};
  syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
  for (int nice = -20; nice < 20; nice++) {
    setpriority(PRIO_PROCESS, 0, nice);
    FILE *f = fopen("/proc/self/sched", "r");
    while (fgets(line, sizeof line, f))
      if (strstr(line, "se.load.weight")) P("nice %d: %ld\n", nice, atol(strchr(line, ':') + 1));
    fclose(f);
  }
}

int main() {
  INPROC(0, weights());
  drop_sys_resource();
  struct sched_param sp = {0};
  P("-- sched_*\n");
  R(sched_get_priority_max(0));
  R(sched_get_priority_min(0));
  for (int i = -1; i < 7; i++)
    P("%d %d %d\n", i, sched_get_priority_min(i), sched_get_priority_max(i));
  R(sched_get_priority_max(99));
  R(sched_getscheduler(0));
  R(sched_getscheduler(-1));
  R(sched_getscheduler(99999));
  R(syscall(SYS_sched_getparam, 0, 0));
  R(syscall(SYS_sched_getparam, -1, &sp));
  R(syscall(SYS_sched_getparam, 99999, &sp));
  R(syscall(SYS_sched_getparam, 0, 8));
  R(syscall(SYS_sched_getparam, 0, &sp));
  P("%d\n", sp.sched_priority);
  for (int pol = -1; pol < 7; pol++)
    for (int pr = -1; pr <= 100; pr += pr == 1 ? 98 : 1) {
      INPROC(0, sp.sched_priority = pr; errno = 0;
             long r = syscall(SYS_sched_setscheduler, 0, pol, &sp);
             P("set %d %d: %ld %d get %d\n", pol, pr, r, r ? errno : 0, sched_getscheduler(0)));
    }
  R(syscall(SYS_sched_setscheduler, 0, 0, 0));
  R(syscall(SYS_sched_setscheduler, 0, 0, 8));
  R(syscall(SYS_sched_setscheduler, -1, 0, &sp));
  R(syscall(SYS_sched_setscheduler, 99999, 0, &sp));
  sp.sched_priority = 0;
  R(syscall(SYS_sched_setparam, 0, &sp));
  R(syscall(SYS_sched_setparam, -1, &sp));
  R(syscall(SYS_sched_setparam, 99999, &sp));
  R(syscall(SYS_sched_setparam, 0, 0));
  sp.sched_priority = 1;
  R(syscall(SYS_sched_setparam, 0, &sp));
  R(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | 0x40000000, &sp));
  R(sched_getscheduler(0));
  INPROC(0, R(sched_getscheduler(0)); show());
  show();
  sp.sched_priority = 50;
  R(syscall(SYS_sched_setparam, 0, &sp));
  show();
  sp.sched_priority = 0;
  R(syscall(SYS_sched_setscheduler, 0, 0, &sp));
  show();
  sp.sched_priority = 0;
  R(syscall(SYS_sched_setscheduler, 0, 5, &sp));
  show();
  R(syscall(SYS_sched_setscheduler, 0, 0, &sp));
  R(syscall(SYS_sched_setscheduler, 0, 3, &sp));
  show();
  R(syscall(SYS_sched_setscheduler, 0, 0, &sp));
  struct timespec ts;
  R(syscall(SYS_sched_rr_get_interval, 0, 8));
  R(syscall(SYS_sched_rr_get_interval, -1, &ts));
  R(syscall(SYS_sched_rr_get_interval, 99999, &ts));
  sp.sched_priority = 5;
  sched_setscheduler(0, SCHED_RR, &sp);
  R(sched_rr_get_interval(0, &ts));
  P("%ld %ld\n", (long)ts.tv_sec, ts.tv_nsec);
  sched_setscheduler(0, SCHED_FIFO, &sp);
  R(sched_rr_get_interval(0, &ts));
  P("%ld %ld\n", (long)ts.tv_sec, ts.tv_nsec);
  sp.sched_priority = 0;
  sched_setscheduler(0, 0, &sp);
  pid_t pr = fork();
  if (!pr) {
    pause();
    _exit(0);
  }
  INPROC(1000, struct rlimit l = {0, 0}; setrlimit(RLIMIT_RTPRIO, &l); setrlimit(RLIMIT_NICE, &l);
         R(sched_setscheduler(0, 0, &sp)); R(sched_setscheduler(pr, 0, &sp));
         R(sched_setparam(pr, &sp)); R(sched_getscheduler(pr)); sp.sched_priority = 1;
         R(sched_setscheduler(0, 1, &sp)); sp.sched_priority = 0; R(sched_setscheduler(0, 3, &sp));
         R(sched_setscheduler(0, 0, &sp)); R(sched_setscheduler(0, 5, &sp));
         R(sched_setscheduler(0, 0, &sp)); R(sched_setscheduler(0, 0x40000000, &sp));
         R(sched_setscheduler(0, 0, &sp)); cpu_set_t cs; CPU_ZERO(&cs); CPU_SET(0, &cs);
         R(sched_setaffinity(pr, sizeof cs, &cs)); R(sched_getaffinity(pr, sizeof cs, &cs) >= 0);
         R(sched_setaffinity(0, sizeof cs, &cs)));
  INPROC(0, struct rlimit l = {10, 10}; setrlimit(RLIMIT_RTPRIO, &l); setgid(1000); setuid(1000);
         sp.sched_priority = 10; R(sched_setscheduler(0, 1, &sp)); sp.sched_priority = 11;
         R(sched_setscheduler(0, 1, &sp)); sp.sched_priority = 5; R(sched_setscheduler(0, 2, &sp));
         l.rlim_cur = 0; l.rlim_max = 0; setrlimit(RLIMIT_RTPRIO, &l); sp.sched_priority = 5;
         R(sched_setscheduler(0, 2, &sp)); sp.sched_priority = 4; R(sched_setscheduler(0, 2, &sp));
         sp.sched_priority = 6; R(sched_setscheduler(0, 2, &sp)); R(sched_setscheduler(0, 1, &sp));
         sp.sched_priority = 0; R(sched_setscheduler(0, 0, &sp)));
  P("-- attr\n");
  struct sa48 a = {48};
  R(SA(0, 0, 0));
  R(SA(0, 8, 0));
  R(SA(0, &a, 1));
  R(SA(-1, &a, 0));
  R(SA(99999, &a, 0));
  a.size = 0;
  R(SA(0, &a, 0));
  a.size = 47;
  R(SA(0, &a, 0));
  P("%u\n", a.size);
  a.size = 5000;
  R(SA(0, &a, 0));
  P("%u\n", a.size);
  a.size = 56;
  R(SA(0, &a, 0));
  char big[4096] = {0};
  ((struct sa48 *)big)->size = 4096;
  R(SA(0, big, 0));
  big[4000] = 1;
  R(SA(0, big, 0));
  P("%u\n", ((struct sa48 *)big)->size);
  a = (struct sa48){48, 99};
  R(SA(0, &a, 0));
  a = (struct sa48){48, 0, 0x80};
  R(SA(0, &a, 0));
  a = (struct sa48){48, 0, 0, -21};
  R(SA(0, &a, 0));
  show();
  a = (struct sa48){48, 0, 0, 19};
  R(SA(0, &a, 0));
  show();
  a = (struct sa48){48, 0, 0, 0, 5};
  R(SA(0, &a, 0));
  a = (struct sa48){48, 1, 0, 5, 5};
  R(SA(0, &a, 0));
  show();
  a = (struct sa48){48, 0, 8, 3};
  R(SA(0, &a, 0));
  show();
  a = (struct sa48){48, 0, 0x10, 0, 0};
  R(SA(0, &a, 0));
  show();
  a = (struct sa48){48, 0, 0};
  R(SA(0, &a, 0));
  a = (struct sa48){48, 0, 0x20};
  R(SA(0, &a, 0));
  R(GA(0, 0, 48, 0));
  R(GA(0, &a, 47, 0));
  R(GA(0, &a, 4097, 0));
  R(GA(0, &a, 48, 1));
  R(GA(-1, &a, 48, 0));
  R(GA(99999, &a, 48, 0));
  R(GA(0, 8, 48, 0));
  R(GA(0, big, 4096, 0));
  P("%u\n", ((struct sa48 *)big)->size);
  R(GA(0, &a, 48, 0));
  P("%u\n", a.size);
  a = (struct sa48){48, 6, 0, 0, 0, 10000000, 20000000, 30000000};
  INPROC(0, R(SA(0, &a, 0)); show(); cpu_set_t cs; CPU_ZERO(&cs); CPU_SET(0, &cs);
         struct timespec t; R(sched_rr_get_interval(0, &t)); P("%ld\n", t.tv_nsec);
         R(fork() == -1 && errno == 11));
  a.rt = 1000;
  INPROC(0, R(SA(0, &a, 0)));
  a.rt = 25000000;
  INPROC(0, R(SA(0, &a, 0)));
  a.rt = 10000000;
  a.dl = 40000000;
  INPROC(0, R(SA(0, &a, 0)));
  a.dl = 0;
  INPROC(0, R(SA(0, &a, 0)));
  a.dl = 20000000;
  a.pe = 0;
  INPROC(0, R(SA(0, &a, 0)); show());
  a.dl = a.pe = 1ull << 63;
  INPROC(0, R(SA(0, &a, 0)));
  a = (struct sa48){48, 6, 0, 0, 1, 10000000, 20000000, 30000000};
  INPROC(0, R(SA(0, &a, 0)));
  a.prio = 0;
  INPROC(1000, R(SA(0, &a, 0)));
  sp.sched_priority = 0;
  INPROC(0, R(sched_setscheduler(0, 6, &sp)));
  P("-- affinity\n");
  unsigned long m[20] = {1};
  R(syscall(SYS_sched_setaffinity, 0, 8, m));
  R(syscall(SYS_sched_setaffinity, 0, 0, m));
  R(syscall(SYS_sched_setaffinity, 0, 1, m));
  R(syscall(SYS_sched_setaffinity, 0, 8, 8));
  R(syscall(SYS_sched_setaffinity, -1, 8, m));
  R(syscall(SYS_sched_setaffinity, 99999, 8, m));
  m[0] = 0;
  R(syscall(SYS_sched_setaffinity, 0, 8, m));
  m[0] = 1ul << 63;
  R(syscall(SYS_sched_setaffinity, 0, 8, m));
  R(syscall(SYS_sched_getaffinity, 0, 0, m));
  R(syscall(SYS_sched_getaffinity, 0, 4, m));
  R(syscall(SYS_sched_getaffinity, 0, 12, m));
  R(syscall(SYS_sched_getaffinity, 0, 8, 8));
  R(syscall(SYS_sched_getaffinity, -1, 8, m));
  R(syscall(SYS_sched_getaffinity, 99999, 8, m));
  R(syscall(SYS_sched_getaffinity, 0, 8, m));
  P("%lx\n", m[0]);
  P("-- nice\n");
  a = (struct sa48){48};
  SA(0, &a, 0);
  R(nice(5));
  R(nice(50));
  R(getpriority(0, 0));
  R(nice(-100));
  R(nice(0));
  R(setpriority(3, 0, 0));
  R(setpriority(-1, 0, 0));
  R(getpriority(3, 0));
  R(setpriority(0, 99999, 0));
  R(getpriority(0, 99999));
  R(getpriority(0, -1));
  R(setpriority(1, 99999, 0));
  R(setpriority(2, 4242, 0));
  R(getpriority(2, 4242));
  R(getpriority(1, 0));
  R(getpriority(2, 0));
  R(setpriority(0, 0, 25));
  R(getpriority(0, 0));
  R(syscall(SYS_getpriority, 0, 0));
  R(setpriority(0, 0, -30));
  R(syscall(SYS_getpriority, 0, 0));
  R(setpriority(0, 0, 0));
  R(setpriority(1, 0, 3));
  R(getpriority(0, pr));
  R(setpriority(0, 0, 0));
  INPROC(1000, struct rlimit l = {0, 0}; setrlimit(RLIMIT_NICE, &l); R(nice(-1));
         R(setpriority(0, 0, -1)); R(setpriority(0, pr, 5)); R(setpriority(0, pr, -5));
         R(setpriority(1, 0, 5)); R(setpriority(2, 0, 6)); R(setpriority(2, 1000, 6));
         R(getpriority(0, 0)); R(setpriority(0, 0, 5)); R(getpriority(0, pr));
         R(getpriority(2, 0) < 20));
  INPROC(0, struct rlimit l = {25, 25}; setrlimit(RLIMIT_NICE, &l); setuid(1000);
         R(setpriority(0, 0, -5)); R(setpriority(0, 0, -6)); R(setpriority(0, 0, 10));
         R(setpriority(0, 0, -5)));
  P("-- ioprio\n");
#define IS(w, i, p) syscall(SYS_ioprio_set, w, i, p)
#define IG(w, i) syscall(SYS_ioprio_get, w, i)
  R(IG(1, 0));
  R(IG(1, -1));
  R(IG(1, 99999));
  R(IG(4, 0));
  R(IG(0, 0));
  R(IG(2, 0));
  R(IG(3, 0));
  R(IG(3, 4242));
  R(IG(2, 99999));
  R(IS(1, 0, (2 << 13) | 4));
  R(IG(1, 0));
  R(IS(1, 0, (2 << 13) | 8));
  R(IS(1, 0, (3 << 13) | 0));
  R(IG(1, 0));
  R(IS(1, 0, (3 << 13) | 4));
  R(IG(1, 0));
  R(IS(1, 0, (1 << 13) | 0));
  R(IG(1, 0));
  R(IS(1, 0, 4 << 13));
  R(IS(1, 0, 0));
  R(IS(1, 0, 5));
  R(IS(1, 0, -1));
  R(IS(4, 0, (2 << 13) | 4));
  R(IS(0, 0, (2 << 13) | 4));
  R(IS(1, 99999, (2 << 13) | 4));
  R(IS(2, 99999, (2 << 13) | 4));
  R(IS(3, 4242, (2 << 13) | 4));
  R(IS(1, 0, (2 << 13) | (1 << 3) | 4));
  R(IG(1, 0));
  R(IS(1, 0, (2 << 13) | 0x1000));
  R(IG(1, 0));
  INPROC(1000, R(IS(1, 0, (1 << 13) | 4)); R(IS(1, 0, (3 << 13) | 0)); R(IS(1, 0, (2 << 13) | 0));
         R(IS(1, pr, (2 << 13) | 0)); R(IG(1, pr) >= 0));
  INPROC(0, R(nice(10)); R(IS(1, 0, 0)); R(IG(1, 0)); sp.sched_priority = 0;
         sched_setscheduler(0, 5, &sp); R(IG(1, 0)); sp.sched_priority = 1;
         sched_setscheduler(0, 1, &sp); R(IG(1, 0)));
  kill(pr, 9);
  wait(0);
  P("-- getcpu\n");
  unsigned c = 77, n = 77;
  R(syscall(SYS_getcpu, &c, &n, 0));
  P("%d %d\n", c < 64, n);
  R(syscall(SYS_getcpu, 0, 0, 0));
  R(syscall(SYS_getcpu, 8, 0, 0));
  R(syscall(SYS_getcpu, 0, 8, 0));
  R(sched_yield());
}
