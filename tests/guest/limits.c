#include "guest.h"
static void child(const char *t, void (*f)(void)) {
  fflush(stdout);
  pid_t p = fork();
  if (!p) {
    f();
    fflush(stdout);
    _exit(0);
  }
  int st;
  waitpid(p, &st, 0);
  printf("%s: %s %d\n", t, WIFSIGNALED(st) ? "signal" : "exit",
         WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st));
}
static void lim(int r, long n) {
  struct rlimit l = {n, n};
  setrlimit(r, &l);
}
static void nofile(void) {
  lim(RLIMIT_NOFILE, 20);
  int n = 0;
  while (open("/dev/null", O_RDONLY) >= 0) n++;
  R(n);
  R(errno);
  R(dup(0));
  R(fcntl(0, F_DUPFD, 20));
  int p[2];
  R(pipe(p));
  R(dup2(0, 19));
  R(dup2(0, 20));
}
static void fsize(void) {
  lim(RLIMIT_FSIZE, 1000);
  int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);
  char b[2000] = {0};
  signal(SIGXFSZ, SIG_IGN);
  R(write(fd, b, 2000));
  R(write(fd, b, 1));
  R(ftruncate(fd, 2000));
  R(pwrite(fd, b, 10, 995));
  signal(SIGXFSZ, SIG_DFL);
  lseek(fd, 0, SEEK_END);
  write(fd, b, 1);
}
static void nproc(void) {
  lim(RLIMIT_NPROC, 5);
  setgid(1234);
  setuid(1234);
  int n = 0;
  pid_t p;
  while ((p = fork()) > 0) n++;
  if (p == 0) {
    pause();
    _exit(0);
  }
  R(errno);
  R(n <= 5);
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  while (wait(0) > 0) {}
}
static void as(void) {
  lim(RLIMIT_AS, 64 << 20);
  R(mmap(0, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  R(malloc(100 << 20) == 0);
}
static void data(void) {
  lim(RLIMIT_DATA, 1 << 20);
  R(sbrk(8 << 20) == (void *)-1);
  R(mmap(0, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static void onx(int s) {
  printf("signal %d\n", s);
  fflush(stdout);
}
static void cpu(void) {
  struct rlimit l = {1, 2};
  signal(SIGXCPU, onx);
  setrlimit(RLIMIT_CPU, &l);
  for (volatile unsigned long i = 0;; i++) {}
}
static void memlock(void) {
  lim(RLIMIT_MEMLOCK, 8192);
  setuid(1234);
  void *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(mlock(p, 4096));
  R(mlock(p, 65536));
}
static void sigp(void) {
  lim(RLIMIT_SIGPENDING, 3);
  setuid(1234);
  sigset_t m;
  sigfillset(&m);
  sigprocmask(SIG_BLOCK, &m, 0);
  union sigval v = {0};
  for (int i = 0; i < 5; i++) R(sigqueue(getpid(), SIGRTMIN, v));
}
static void nice_(void) {
  setuid(1234);
  R(setpriority(PRIO_PROCESS, 0, 5));
  R(getpriority(PRIO_PROCESS, 0));
  R(setpriority(PRIO_PROCESS, 0, 0));
  R(setpriority(PRIO_PROCESS, 0, -1));
}
static void hard(void) {
  struct rlimit l = {10, 20};
  R(setrlimit(RLIMIT_NOFILE, &l));
  l.rlim_cur = 30;
  R(setrlimit(RLIMIT_NOFILE, &l));
  setuid(1234);
  l.rlim_cur = 20;
  R(setrlimit(RLIMIT_NOFILE, &l));
  l.rlim_max = 30;
  R(setrlimit(RLIMIT_NOFILE, &l));
  R(prlimit(getppid(), RLIMIT_NOFILE, 0, &l));
}
static void execinherit(void) {
  lim(RLIMIT_NOFILE, 33);
  execl("/bin/sh", "sh", "-c", "ulimit -n", (char *)0);
}
int main(void) {
  struct rlimit l;
  for (int r = 0; r < 16; r++) R(getrlimit(r, &l));
  R(getrlimit(16, &l));
  R(setrlimit(99, &l));
  getrlimit(RLIMIT_STACK, &l);
  R(l.rlim_cur);
  child("nofile", nofile);
  child("fsize", fsize);
  child("nproc", nproc);
  child("as", as);
  child("data", data);
  child("cpu", cpu);
  child("memlock", memlock);
  child("sigpending", sigp);
  child("nice", nice_);
  child("hard", hard);
  child("exec", execinherit);
  struct rusage u;
  R(getrusage(RUSAGE_SELF, &u));
  R(getrusage(RUSAGE_CHILDREN, &u));
  R(u.ru_utime.tv_sec >= 1);
  R(getrusage(5, &u));
  R(getpriority(PRIO_PROCESS, 99999));
  R(sysconf(_SC_PAGESIZE));
  R(sysconf(_SC_CLK_TCK));
  R(sysconf(_SC_ARG_MAX) > 100000);
  return 0;
}
