#include "guest.h"
#include <sched.h>
#include <sys/prctl.h>
extern char **environ;
static void show(const char *n, int st) {
  if (WIFEXITED(st))
    printf("%s: exit %d\n", n, WEXITSTATUS(st));
  else if (WIFSIGNALED(st))
    printf("%s: signal %d core %d\n", n, WTERMSIG(st), WCOREDUMP(st) != 0);
  else if (WIFSTOPPED(st))
    printf("%s: stopped %d\n", n, WSTOPSIG(st));
  else if (WIFCONTINUED(st))
    printf("%s: continued\n", n);
  fflush(stdout);
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "args")) {
    for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
    printf(" env");
    for (char **e = environ; *e; e++) printf(" %s", *e);
    printf("\n");
    fflush(stdout);
    return 11;
  }
  if (argc == 0 || !argv[0] || !argv[0][0]) {
    printf("no argv\n");
    return 0;
  }
  if (argc > 1 && !strcmp(argv[1], "fds")) {
    for (int i = 0; i < 12; i++)
      if (fcntl(i, F_GETFD) >= 0) printf("%d ", i);
    printf("\n");
    return 0;
  }
  int st;
  pid_t p = fork();
  if (!p) _exit(42);
  R(waitpid(p, &st, 0) == p);
  show("child", st);
  R(waitpid(-1, &st, 0));
  R(waitpid(p, &st, 0));
  R(waitpid(-1, &st, WNOHANG));
  R(waitpid(1, &st, 0xffff0000));
  int go[2];
  pipe(go);
  p = fork();
  if (!p) {
    char c;
    close(go[1]);
    (void)!read(go[0], &c, 1);
    _exit(1);
  }
  R(waitpid(p, &st, WNOHANG));
  close(go[1]);
  R(waitpid(p, &st, 0) == p);
  show("child", st);
  p = fork();
  if (!p) {
    raise(SIGSTOP);
    msleep(50);
    _exit(7);
  }
  R(waitpid(p, &st, WUNTRACED) == p);
  show("child", st);
  kill(p, SIGCONT);
  R(waitpid(p, &st, WCONTINUED) == p);
  show("child", st);
  siginfo_t si;
  memset(&si, 0, sizeof si);
  R(waitid(P_PID, p, &si, WEXITED | WNOWAIT));
  R(si.si_code == CLD_EXITED);
  R(si.si_status);
  R(si.si_pid == p);
  R(si.si_signo == SIGCHLD);
  R(waitid(P_ALL, 0, &si, WEXITED));
  R(waitid(P_ALL, 0, &si, WEXITED));
  R(waitid(P_ALL, 0, &si, 0));
  R(waitid(9, 0, &si, WEXITED));
  char self[100];
  ssize_t n = readlink("/proc/self/exe", self, 99);
  self[n] = 0;
  char *a[] = {"zero", "args", "", "two words", 0}, *e[] = {"A=1", "B=", "C", 0};
  p = fork();
  if (!p) {
    execve(self, a, e);
    _exit(1);
  }
  waitpid(p, &st, 0);
  show("exec", st);
  p = vfork();
  if (!p) {
    execve(self, a, e);
    _exit(1);
  }
  waitpid(p, &st, 0);
  show("vfork exec", st);
  volatile int shared = 0;
  p = vfork();
  if (!p) {
    shared = 5;
    _exit(3);
  }
  R(shared);
  waitpid(p, &st, 0);
  char *none[] = {0};
  R(execve("/nosuch", a, e));
  R(execve("/etc", a, e));
  R(execve("/etc/passwd", a, e));
  R(execve("/etc/passwd/x", a, e));
  R(execve("", a, e));
  R(execve((char *)1, a, e));
  R(execve(self, (char **)1, e));
  p = fork();
  if (!p) {
    execve(self, none, none);
    _exit(1);
  }
  waitpid(p, &st, 0);
  show("no argv", st);
  char *huge = malloc(200000);
  memset(huge, 'x', 199999);
  huge[199999] = 0;
  char *ha[] = {"x", huge, 0};
  R(execve(self, ha, e));
  char **lots = calloc(sizeof *lots, 100000);
  huge[100000] = 0;
  for (int i = 0; i < 99; i++) lots[i] = huge;
  R(execve(self, lots, e));
  int fd = open("text", O_CREAT | O_WRONLY, 0755);
  (void)!write(fd,
               "\x7f"
               "ELFgarbage.....",
               16);
  R(execve("text", a, e));
  close(fd);
  R(execve("text", a, e));
  fd = open(self, O_WRONLY);
  R(fd);
  R(errno);
  int x1 = open("/dev/null", O_RDONLY), x2 = open("/dev/null", O_RDONLY | O_CLOEXEC);
  R(x1);
  R(x2);
  fcntl(x1, F_SETFD, 0);
  char *f[] = {self, "fds", 0};
  p = fork();
  if (!p) {
    execv(self, f);
    _exit(1);
  }
  waitpid(p, &st, 0);
  close(x1);
  close(x2);
  int efd = open(self, O_RDONLY | O_CLOEXEC);
  p = fork();
  if (!p) {
    fexecve(efd, a, e);
    _exit(1);
  }
  waitpid(p, &st, 0);
  show("fexecve", st);
  p = fork();
  if (!p) {
    int d = open("/bin", O_PATH | O_DIRECTORY);
    char *l[] = {"echo", "execveat", 0};
    syscall(SYS_execveat, d, "echo", l, e, 0);
    _exit(1);
  }
  waitpid(p, &st, 0);
  show("execveat", st);
  R(syscall(SYS_execveat, -1, "echo", a, e, 0));
  R(syscall(SYS_execveat, AT_FDCWD, "/bin/echo", a, e, 0x8000));
  int pp[2];
  pipe(pp);
  p = fork();
  if (!p) {
    pid_t gp = getpid();
    if (!fork()) {
      while (getppid() == gp) msleep(1);
      int ok = getppid() == 1;
      (void)!write(pp[1], ok ? "1" : "0", 1);
      _exit(0);
    }
    _exit(0);
  }
  waitpid(p, 0, 0);
  char c;
  (void)!read(pp[0], &c, 1);
  P("orphan's parent is init: %c\n", c);
  R(prctl(PR_SET_CHILD_SUBREAPER, 1));
  p = fork();
  if (!p) {
    pid_t gp = getpid();
    if (!fork()) {
      while (getppid() == gp) msleep(1);
      _exit(9);
    }
    _exit(0);
  }
  waitpid(p, 0, 0);
  pid_t q = waitpid(-1, &st, 0);
  R(q > 0 && q != p);
  show("adopted", st);
  signal(SIGCHLD, SIG_IGN);
  p = fork();
  if (!p) _exit(1);
  R(waitpid(p, &st, 0));
  signal(SIGCHLD, SIG_DFL);
  struct rusage ru;
  p = fork();
  if (!p) _exit(0);
  R(wait4(p, &st, 0, &ru) == p);
  R(ru.ru_maxrss > 0);
  p = fork();
  if (!p) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int v;
    prctl(PR_GET_PDEATHSIG, &v);
    _exit(v);
  }
  waitpid(p, &st, 0);
  show("pdeathsig", st);
  R(getpid() == syscall(SYS_gettid));
  R(getppid() > 0);
  p = fork();
  if (!p) { abort(); }
  waitpid(p, &st, 0);
  R(WTERMSIG(st));
  for (int i = 0; i < 100; i++)
    if (!fork()) _exit(i);
  int sum = 0;
  for (int i = 0; i < 100; i++) {
    wait(&st);
    sum += WEXITSTATUS(st);
  }
  R(sum);
  return 0;
}
