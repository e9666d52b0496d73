/* What each limit of setrlimit does: descriptors, file sizes, memory, processes, locked memory,
 * real-time running. */
#include "guest.h"
#include <sys/times.h>
#include <setjmp.h>
static volatile int n;
static void h(int s) {
  n++;
}
static sigjmp_buf jb;
static void sj(int s, siginfo_t *i, void *u) {
  n = i->si_code;
  siglongjmp(jb, 1);
}
static void L(int r, long c, long m) {
  struct rlimit l = {c, m};
  R(setrlimit(r, &l));
}
static int deep(int k) {
  volatile char b[4096];
  b[0] = k;
  return k > 100000 ? 0 : deep(k + 1) + b[0];
}
int main() {
  struct sigaction sa = {.sa_handler = h};
  sigaction(SIGXCPU, &sa, 0);
  sigaction(SIGXFSZ, &sa, 0);
  INCHILD(L(RLIMIT_FSIZE, 1000, 1000); int f = open("/tmp/rlf", O_CREAT | O_RDWR | O_TRUNC, 0600);
         char b[3000] = {0}; R(write(f, b, 600)); R(write(f, b, 600)); R(write(f, b, 600));
         P("xfsz %d\n", n); R(ftruncate(f, 1001)); R(pwrite(f, b, 10, 1000));
         R(posix_fallocate(f, 0, 2000)); R(ftruncate(f, 5)));
  INCHILD(signal(SIGXFSZ, SIG_DFL); L(RLIMIT_FSIZE, 10, 10); int f = open("/tmp/rlf", O_RDWR);
         char b[300] = {0}; pwrite(f, b, 300, 0); write(f, b, 300));
  INCHILD(L(RLIMIT_NOFILE, 5, 5); R(dup(0) >= 0); R(dup(0) >= 0); R(dup(0)); R(dup2(0, 5));
         R(dup2(0, 4)); int p[2]; R(pipe(p)); R(fcntl(0, F_DUPFD, 5)); R(fcntl(0, F_DUPFD, 4));
         R(open("/", O_RDONLY)));
  INCHILD(L(RLIMIT_NOFILE, 1 << 21, 1 << 21); L(RLIMIT_NOFILE, 0, 4096); R(open("/", O_RDONLY)));
  INCHILD(
      L(RLIMIT_STACK, 256 * 1024, -1); stack_t ss = {malloc(65536), 0, 65536}; sigaltstack(&ss, 0);
      struct sigaction s2 = {.sa_sigaction = sj, .sa_flags = SA_SIGINFO | SA_ONSTACK};
      sigaction(SIGSEGV, &s2, 0); if (!sigsetjmp(jb, 1)) deep(0); P("stack overflow code %d\n", n));
  INCHILD(L(RLIMIT_AS, 64 << 20, 64 << 20); P("malloc %d\n", malloc(128 << 20) == 0);
         P("small %d\n", malloc(1 << 20) != 0); R(fork() == 0 ? (_exit(0), 0) : 1));
  INCHILD(L(RLIMIT_DATA, 1 << 20, 1 << 20); P("malloc %d\n", malloc(8 << 20) == 0);
         P("stack ok %d\n", deep(99990) == 0 || 1));
  INCHILD(setuid(1000); L(RLIMIT_NPROC, 0, 0); R(fork()));
  INCHILD(L(RLIMIT_NPROC, 0, 0); R(fork() == 0 ? (_exit(0), 0) : 1));
  INCHILD(L(RLIMIT_CORE, 0, 0); abort());
  INCHILD(L(RLIMIT_MEMLOCK, 4096, 4096); setuid(1000);
         char *p = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); R(mlock(p, 4096));
         R(mlock(p, 4096)); R(mlock(p + 4096, 4096)); R(munlock(p, 4096)); R(mlock(p + 4096, 4096));
         R(mlockall(MCL_CURRENT)); R(mlockall(MCL_FUTURE));
         R((long)mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  INCHILD(L(RLIMIT_RTTIME, 100000, 200000); struct sched_param { int p; } sp = {1};
         if (syscall(SYS_sched_setscheduler, 0, 1, &sp)) P("%d\n", errno); while (!n);
         P("rttime xcpu\n"); for (;;));
  INCHILD(L(RLIMIT_LOCKS, 0, 0); L(RLIMIT_SIGPENDING, 0, 0);
         R(sigqueue(getpid(), SIGXCPU, (union sigval){0})); P("%d\n", n));
  INCHILD(L(RLIMIT_MSGQUEUE, 0, 0));
  INCHILD(setuid(1000); L(RLIMIT_NICE, 20, 20); L(RLIMIT_CPU, -1, -1); L(RLIMIT_CPU, 100, 100);
         L(RLIMIT_CPU, 100, 200));
  struct tms t;
  struct rusage r;
  INCHILD(clock_t a = clock(); while (clock() - a < CLOCKS_PER_SEC / 5); times(&t);
         P("u %d\n", t.tms_utime + t.tms_stime >= 15 && t.tms_utime + t.tms_stime < 60));
  times(&t);
  P("cu %d\n", t.tms_cutime + t.tms_cstime > 30);
  getrusage(RUSAGE_CHILDREN, &r);
  P("%d\n", r.ru_maxrss > 0);
  getrusage(RUSAGE_SELF, &r);
  P("%d %d\n", r.ru_utime.tv_sec < 2, r.ru_minflt > 0);
}
