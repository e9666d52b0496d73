// seccomp(2): strict mode, filters and what they answer, several of them, threads, who may install them, bad programs.
// link: -lpthread
#include "guest.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ST(code, k) BPF_STMT(code, k)
#define NR ST(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARG(n) ST(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))
#define RET(k) ST(BPF_RET | BPF_K, k)
#define EQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)

static long filter(const struct sock_filter *f, int n, int flags) {
  struct sock_fprog p = {n, (struct sock_filter *)f};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}
#define INSTALL(flags, ...)                                                                        \
  ({                                                                                               \
    const struct sock_filter f_[] = {__VA_ARGS__};                                                 \
    filter(f_, sizeof f_ / sizeof *f_, flags);                                                     \
  })
/** One answer to getppid, everything else is allowed. */
#define ANSWER(action) INSTALL(0, NR, EQ(SYS_getppid, 0, 1), RET(action), RET(SECCOMP_RET_ALLOW))

static void status(void) {
  char b[4096], *s;
  int fd = open("/proc/self/status", O_RDONLY), n = read(fd, b, sizeof b - 1);
  b[n > 0 ? n : 0] = 0;
  close(fd);
  for (const char *name = "Seccomp:"; name; name = name[7] == ':' ? "Seccomp_filters:" : 0)
    if ((s = strstr(b, name))) P("%.*s\n", (int)strcspn(s, "\n"), s);
}

static void trap(int sig, siginfo_t *i, void *context) {
  ucontext_t *uc = context;
  P("SIGSYS code %d errno %d call %d arch %x, at ip %d, rax %d\n", i->si_code, i->si_errno, i->si_syscall, i->si_arch,
    (long)i->si_call_addr == uc->uc_mcontext.gregs[16], (int)uc->uc_mcontext.gregs[13]);
  uc->uc_mcontext.gregs[13] = 4242;
}

static void strict(void) {
  INCHILD({
    R(prctl(PR_GET_SECCOMP));
    R(prctl(PR_SET_SECCOMP, 3, 0));
    R(syscall(SYS_seccomp, 0, 1, 0));
    R(syscall(SYS_seccomp, 0, 0, 8));
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    write(1, "still here\n", 11);
    syscall(SYS_exit, 5);
  });
  INCHILD({
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    syscall(SYS_getppid);
    write(1, "not here\n", 9);
  });
  INCHILD({
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    syscall(SYS_exit_group, 5);
  });
}

static void answers(void) {
  INCHILD(status());
  INCHILD(R(ANSWER(SECCOMP_RET_ERRNO | 77)); R(syscall(SYS_getppid)); status(); R(prctl(PR_GET_SECCOMP)));
  INCHILD(R(ANSWER(SECCOMP_RET_ERRNO)); R(syscall(SYS_getppid)));
  INCHILD(R(ANSWER(SECCOMP_RET_ERRNO | 0xffff)); R(syscall(SYS_getppid)));
  INCHILD(R(ANSWER(SECCOMP_RET_TRACE | 3)); R(syscall(SYS_getppid)));
  INCHILD(R(ANSWER(SECCOMP_RET_USER_NOTIF)); R(syscall(SYS_getppid)));
  INCHILD(R(ANSWER(SECCOMP_RET_LOG)); R(syscall(SYS_getppid) > 0));
  INCHILD(R(ANSWER(SECCOMP_RET_KILL_THREAD)); syscall(SYS_getppid));
  INCHILD(R(ANSWER(SECCOMP_RET_KILL_PROCESS)); syscall(SYS_getppid));
  INCHILD(R(ANSWER(0x12340000)); syscall(SYS_getppid));
  INCHILD(R(ANSWER(SECCOMP_RET_TRAP | 9)); syscall(SYS_getppid));
  INCHILD({
    struct sigaction sa = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &sa, 0);
    R(ANSWER(SECCOMP_RET_TRAP | 9));
    R(syscall(SYS_getppid));
    signal(SIGSYS, SIG_IGN);
    syscall(SYS_getppid);
  });
  // Unknown calls and arguments.
  INCHILD(R(INSTALL(0, NR, EQ(100000, 0, 1), RET(SECCOMP_RET_ERRNO | 5), RET(SECCOMP_RET_ALLOW))); R(syscall(100000)));
  INCHILD({
    R(INSTALL(0, NR, EQ(SYS_lseek, 0, 5), ARG(2), EQ(SEEK_CUR, 0, 3), ARG(1), EQ(7, 0, 1), RET(SECCOMP_RET_ERRNO | 6), RET(SECCOMP_RET_ALLOW)));
    R(lseek(-1, 7, SEEK_CUR));
    R(lseek(-1, 7, SEEK_SET));
    R(lseek(-1, 0x100000007, SEEK_CUR));
  });
}

static void many(void) {
  INCHILD({
    R(ANSWER(SECCOMP_RET_ERRNO | 1));
    R(ANSWER(SECCOMP_RET_ERRNO | 2));
    R(syscall(SYS_getppid));
    R(ANSWER(SECCOMP_RET_TRACE));
    R(syscall(SYS_getppid));
    pid_t c = fork();
    if (!c) {
      status();
      R(syscall(SYS_getppid));
      _exit(0);
    }
    waitpid(c, 0, 0);
    R(ANSWER(SECCOMP_RET_KILL_PROCESS));
    syscall(SYS_getppid);
  });
  INCHILD({
    static struct sock_filter big[4096];
    for (int i = 0; i < 4096; i++) big[i] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
    int n = 0;
    while (filter(big, 4096, 0) == 0) n++;
    P("%d of the largest, errno %d\n", n, errno);
  });
}

static void rights(void) {
  R(syscall(SYS_seccomp, 9, 0, 0));
  unsigned actions[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO, SECCOMP_RET_ERRNO | 1, 0x1000000};
  for (int i = 0; i < 5; i++) R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
  R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
  R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 8));
  unsigned short sizes[3];
  R(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes));
  P("%d %d %d\n", sizes[0], sizes[1], sizes[2]);
  INPROC(1000, {
    R(ANSWER(SECCOMP_RET_ERRNO | 5));
    R(filter(0, 1, 0));
    R(filter(0, 0, 0));
    R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    R(filter(0, 1, 0));
    R(ANSWER(SECCOMP_RET_ERRNO | 5));
    R(syscall(SYS_getppid));
    R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  });
  R(INSTALL(0x40, RET(SECCOMP_RET_ALLOW)));
  R(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER, RET(SECCOMP_RET_ALLOW)));
  R(INSTALL(0x20, RET(SECCOMP_RET_ALLOW)));
  R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0));
}

static void programs(void) {
  INCHILD({
    R(INSTALL(0, NR));
    R(INSTALL(0, RET(0x7fff0000), NR));
    R(INSTALL(0, ST(BPF_LD | BPF_W | BPF_ABS, 64), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_LD | BPF_W | BPF_ABS, 2), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_LD | BPF_B | BPF_ABS, 0), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_LD | BPF_W | BPF_IND, 0), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_ALU | BPF_MOD | BPF_K, 2), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_JMP | BPF_JA, 1), RET(0x7fff0000)));
    R(INSTALL(0, EQ(1, 0, 1), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_LD | BPF_MEM, 0), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_ST, 16), RET(0x7fff0000)));
    R(INSTALL(0, EQ(1, 0, 1), ST(BPF_ST, 3), ST(BPF_LD | BPF_MEM, 3), RET(0x7fff0000)));
    R(INSTALL(0, ST(BPF_RET | BPF_X, 0)));
  });
  // Arithmetic: a program that answers with what it computed.
  const struct sock_filter sums[][4] = {
    {ST(BPF_ALU | BPF_ADD | BPF_K, 5), ST(BPF_ALU | BPF_SUB | BPF_K, 7), ST(BPF_ALU | BPF_NEG, 0), ST(BPF_ALU | BPF_AND | BPF_K, 0xfff)},
    {ST(BPF_ALU | BPF_MUL | BPF_K, 0x10001), ST(BPF_ALU | BPF_RSH | BPF_K, 3), ST(BPF_ALU | BPF_XOR | BPF_K, 0x55), ST(BPF_ALU | BPF_AND | BPF_K, 0xfff)},
    {ST(BPF_MISC | BPF_TAX, 0), ST(BPF_ALU | BPF_LSH | BPF_K, 20), ST(BPF_ALU | BPF_DIV | BPF_X, 0), ST(BPF_ALU | BPF_RSH | BPF_K, 10)},
    {ST(BPF_ST, 2), ST(BPF_LD | BPF_IMM, 9), ST(BPF_LDX | BPF_MEM, 2), ST(BPF_ALU | BPF_OR | BPF_X, 0)},
    {ST(BPF_LD | BPF_W | BPF_LEN, 0), ST(BPF_MISC | BPF_TAX, 0), ST(BPF_LD | BPF_IMM, 3), ST(BPF_MISC | BPF_TXA, 0)},
    {ST(BPF_LDX | BPF_IMM, 0), ST(BPF_ALU | BPF_DIV | BPF_X, 0), ST(BPF_LD | BPF_IMM, 3), ST(BPF_MISC | BPF_TXA, 0)},
  };
  for (int i = 0; i < 6; i++)
    INCHILD({
      const struct sock_filter f[] = {NR, EQ(SYS_getppid, 1, 0), RET(SECCOMP_RET_ALLOW), sums[i][0], sums[i][1], sums[i][2],
        sums[i][3], ST(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), ST(BPF_RET | BPF_A, 0)};
      R(filter(f, 9, 0));
      R(syscall(SYS_getppid));
    });
}

static int gate[2];
static void *waits(void *own) {
  char c;
  if (own) ANSWER(SECCOMP_RET_ERRNO | 8);
  if (own) write(gate[1], "x", 1);
  msleep(100);
  errno = 0;
  long r = syscall(SYS_getppid);
  P("thread: %d errno %d\n", r > 0, errno);
  return 0;
}

static void threads(void) {
  INCHILD({
    pthread_t t;
    pthread_create(&t, 0, waits, 0);
    R(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, NR, EQ(SYS_getppid, 0, 1), RET(SECCOMP_RET_ERRNO | 9), RET(SECCOMP_RET_ALLOW)));
    pthread_join(t, 0);
  });
  INCHILD({
    pthread_t t;
    char c;
    pipe(gate);
    pthread_create(&t, 0, waits, (void *)1);
    read(gate[0], &c, 1);
    R(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, RET(SECCOMP_RET_ALLOW)) > 0);
    R(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | 16, RET(SECCOMP_RET_ALLOW)));
    pthread_join(t, 0);
  });
}

static void file(const char *name, const char *put) {
  char path[80], b[200];
  sprintf(path, "/proc/sys/kernel/seccomp/%s", name);
  if (put) {
    int fd = open(path, O_WRONLY);
    R(write(fd, put, strlen(put)));
    close(fd);
  }
  int fd = open(path, O_RDONLY), n = read(fd, b, sizeof b);
  P("%s: %.*s", name, n < 0 ? 0 : n, b);
  close(fd);
}

static void files(void) {
  file("actions_avail", 0);
  file("actions_logged", 0);
  file("actions_logged", "trap kill_process\n");
  file("actions_logged", "allow");
  file("actions_logged", "nothing of the kind");
  file("actions_logged", "kill_process kill_thread trap errno user_notif trace log");
}

int main(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  strict();
  answers();
  many();
  rights();
  programs();
  threads();
  files();
  return 0;
}
