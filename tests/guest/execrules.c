/* What execve and execveat refuse and in which order, scripts, and the room for arguments. */
#include "guest.h"
#include <sys/prctl.h>
extern char **environ;
static int ex(const char *p, char **av, char **ev) {
  pid_t c = fork();
  if (!c) {
    execve(p, av, ev);
    _exit(errno + 100);
  }
  int st;
  waitpid(c, &st, 0);
  return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
#define EX(p) P("exec %s: %d\n", #p, ex(p, (char *[]){"x", 0}, environ))
static void put(const char *p, const char *s, int m) {
  unlink(p);
  int f = open(p, O_CREAT | O_WRONLY | O_TRUNC, m);
  write(f, s, strlen(s));
  fchmod(f, m);
  close(f);
}
static void putn(const char *p, const char *s, int n, int m) {
  unlink(p);
  int f = open(p, O_CREAT | O_WRONLY | O_TRUNC, m);
  write(f, s, n);
  fchmod(f, m);
  close(f);
}
int main(int ac, char **av) {
  if (getenv("INNER") || ac == 0 || !av[0][0] || !environ || !environ[0]) {
    P("inner ac=%d av0=[%s]\n", ac, av[0]);
    return 0;
  }
  setenv("INNER", "1", 1);
  if (ac > 1 && !strcmp(av[1], "args")) {
    for (int i = 2; i < ac; i++) P("[%s]", av[i]);
    P("\n");
    return 0;
  }

  mkdir("/tmp/ex", 0755);
  chdir("/tmp/ex");
  EX("nofile");
  EX("");
  EX("/tmp/ex");
  EX("/dev/null");
  EX((char *)1);
  EX((char *)-1);
  put("e0", "", 0755);
  EX("e0");
  put("noexec", "#!/bin/sh\nexit 3", 0644);
  EX("noexec");
  put("s", "#!/bin/sh\nexit 3", 0755);
  EX("./s");
  EX("s/x");
  EX("./s/");
  symlink("l1", "l2");
  symlink("l2", "l1");
  EX("l1");
  char longn[5000];
  memset(longn, 'a', 4999);
  longn[4999] = 0;
  EX(longn);
  longn[256] = 0;
  EX(longn);
  longn[255] = 0;
  EX(longn);
  put("t", "hello", 0755);
  EX("./t");
  put("nl", "#!\n", 0755);
  EX("./nl");
  put("sp", "#!   \n", 0755);
  EX("./sp");
  put("ni", "#!/nonexist\n", 0755);
  EX("./ni");
  put("nd", "#!/tmp\n", 0755);
  EX("./nd");
  put("self", "#!/tmp/ex/self\n", 0755);
  EX("./self");
  put("c1", "#!/bin/sh\nexit 21\n", 0755);
  char nm[32], ct[64];
  for (int i = 2; i < 9; i++) {
    sprintf(nm, "c%d", i);
    sprintf(ct, "#!/tmp/ex/c%d\n", i - 1);
    put(nm, ct, 0755);
    P("%d ", i);
    EX(nm);
  }
  put("noeol", "#!/bin/sh", 0755);
  EX("./noeol");
  {
    char b[400];
    memset(b, 'x', 400);
    memcpy(b, "#!/bin/sh ", 10);
    b[399] = '\n';
    putn("lng", b, 400, 0755);
    EX("./lng");
    memset(b, 'x', 400);
    memcpy(b, "#!/", 3);
    putn("lng2", b, 400, 0755);
    EX("./lng2");
    memset(b, ' ', 400);
    memcpy(b, "#!", 2);
    memcpy(b + 252, "/bin/sh\n", 8);
    putn("lng3", b, 400, 0755);
    EX("./lng3");
    // The first 256 bytes are looked at: the blank after the name may be the last of them.
    for (int i = 0; i < 3; i++) {
      memset(b, ' ', 400);
      memcpy(b, "#!", 2);
      memcpy(b + 247 + i, "/bin/sh", 7);
      memcpy(b + 255 + i, "\nexit 8\n", 8);
      putn("lng4", b, 264, 0755);
      EX("./lng4");
    }
  }
  {
    putn("lng4", "#!/bin/echo a  b \t \nrest", 24, 0755);
    fflush(0);
    EX("./lng4");
    put("tab", "#!\t/bin/echo\tq\n", 0755);
    EX("./tab");
    putn("nul", "#!/bin/echo\0zz\n", 15, 0755);
    EX("./nul");
    putn("nul2", "#!/bin/echo a\0zz\n", 17, 0755);
    EX("./nul2");
  }
  // ETXTBSY
  {
    char exe[256];
    int n = readlink("/proc/self/exe", exe, 255);
    exe[n] = 0;
    R(open(exe, O_WRONLY));
    R(open(exe, O_RDWR | O_TRUNC));
    R(truncate(exe, 0));
    char cmd[400];
    sprintf(cmd, "cp %s /tmp/ex/me", exe);
    system(cmd);
    int f = open("me", O_WRONLY);
    EX("./me");
    close(f);
    put("w", "#!/bin/sh\nexit 5\n", 0755);
    f = open("w", O_WRONLY);
    EX("./w");
    close(f);
    f = open("me", O_RDWR);
    void *m = mmap(0, 4096, 3, MAP_SHARED, f, 0);
    close(f);
    R(ex("./me", (char *[]){"show", "ok", 0}, environ));
    munmap(m, 4096);
    // argv NULL / empty
    P("empty argv %d\n", ex("./me", (char *[]){0}, environ));
    P("null argv %d\n", ex("./me", 0, 0));
    P("bad argv %d\n", ex("./me", (char **)8, 0));
    P("bad arg %d\n", ex("./me", (char *[]){"show", (char *)8, 0}, 0));
    P("bad env %d\n", ex("./me", (char *[]){"show", 0}, (char **)8));
    // E2BIG
    char *big = malloc(300000);
    memset(big, 'b', 299999);
    big[131072] = 0;
    P("128K arg %d\n", ex("./me", (char *[]){"true", big, 0}, environ));
    big[131071] = 0;
    P("128K-1 %d\n", ex("/bin/true", (char *[]){"true", big, 0}, environ));
    struct rlimit rl, old;
    getrlimit(RLIMIT_STACK, &old);
    big[100000] = 0;
    char *v[100];
    for (int i = 0; i < 99; i++) v[i] = big;
    v[0] = "true";
    v[22] = 0;
    P("2.1M of 8M stack %d\n", ex("/bin/true", v, 0));
    for (int i = 0; i < 99; i++) v[i] = big;
    v[0] = "true";
    v[21] = 0;
    P("2.0M %d\n", ex("/bin/true", v, 0));
    rl = old;
    rl.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_STACK, &rl);
    for (int k = 1; k < 7; k++) {
      for (int i = 0; i < 99; i++) v[i] = big;
      v[0] = "true";
      v[k] = 0;
      P("1M stack %d args: %d\n", k, ex("/bin/true", v, 0));
    }
    setrlimit(RLIMIT_STACK, &old);
  }
  // execveat
  int d = open("/tmp/ex", O_PATH | O_DIRECTORY);
#define EA(fd, p, fl)                                                                              \
  ({                                                                                               \
    pid_t c = fork();                                                                              \
    if (!c) {                                                                                      \
      syscall(SYS_execveat, fd, p, (char *[]){"show", "q", 0}, environ, fl);                       \
      _exit(errno + 100);                                                                          \
    }                                                                                              \
    int st;                                                                                        \
    waitpid(c, &st, 0);                                                                            \
    P("execveat %s: %d\n", #fd " " #p " " #fl,                                                     \
      WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st));                                      \
  })
  EA(d, "me", 0);
  EA(d, "./nofile", 0);
  EA(-1, "me", 0);
  EA(999, "me", 0);
  EA(-1, "/tmp/ex/me", 0);
  EA(d, "", 0);
  EA(d, "", AT_EMPTY_PATH);
  EA(d, "me", -1);
  EA(d, "me", AT_SYMLINK_FOLLOW);
  EA(d, "me", AT_SYMLINK_NOFOLLOW);
  symlink("me", "ln");
  EA(d, "ln", AT_SYMLINK_NOFOLLOW);
  EA(d, "ln", 0);
  int f = open("me", O_RDONLY | O_CLOEXEC);
  EA(f, "", AT_EMPTY_PATH);
  EA(f, "x", 0);
  int fp = open("me", O_PATH);
  EA(fp, "", AT_EMPTY_PATH);
  f = open("s", O_RDONLY | O_CLOEXEC);
  EA(f, "", AT_EMPTY_PATH);
  f = open("s", O_RDONLY);
  EA(f, "", AT_EMPTY_PATH);
  EA(d, "me", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  EA(f, (char *)0, AT_EMPTY_PATH);
  int p[2];
  pipe(p);
  EA(p[0], "", AT_EMPTY_PATH);
  EA(d, "s", 0);
  // permission for non-root
  if (!fork()) {
    setgid(1000);
    setuid(1000);
    put("/tmp/mine", "#!/bin/sh\nexit 4\n", 0111);
    EX("/tmp/mine");
    chmod("/tmp/mine", 0555);
    EX("/tmp/mine");
    chmod("/tmp/mine", 0400);
    EX("/tmp/mine");
    _exit(0);
  }
  wait(0);
  put("r0", "#!/bin/sh\nexit 4\n", 0);
  EX("./r0");
  chmod("r0", 0001);
  EX("./r0");
  // a line without an end
  put("r0", "#!", 0755);
  EX("./r0");
  put("r0", "#! \t", 0755);
  EX("./r0");
  put("r0", "#!\n", 0755);
  EX("./r0");
  put("r0", "#!/bin/echo ", 0755);
  EX("./r0");
  put("r0", "#!/bin/echo a ", 0755);
  EX("./r0");
  put("r0", "#!/bin/echo a \n", 0755);
  EX("./r0");
}
