/* Makes mappings and open files without end in some processes, and prints what stopped them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_mapping(long i) {
  int prot = i & 1 ? PROT_READ : PROT_NONE;
  return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int make_file(long i) {
  (void)i;
  return open("/dev/null", O_RDONLY) < 0 ? errno : 0;
}

/* Four processes want more than there may be: some are killed, the others get what they want. */
static int exhaust(const char *what, int (*make)(long), long n) {
  enum { N = 4 };
  int up[N], down[2], killed = 0, done = 0, refused = 0, status;
  if (pipe(down)) return 1;
  for (int p = 0; p < N; p++) {
    int ends[2];
    if (pipe(ends)) return 1;
    if (fork() == 0) {
      int error = 0;
      for (long i = 0; i < n && !error; i++) error = make(i);
      char byte = error;
      if (write(ends[1], &byte, 1) != 1) _exit(1);
      close(down[1]);
      _exit(read(down[0], &byte, 1));
    }
    up[p] = ends[0];
    close(ends[1]);
  }
  for (int p = 0; p < N; p++) {
    char error;
    if (read(up[p], &error, 1) == 1) error ? refused++ : done++;
    close(up[p]);
  }
  close(down[0]), close(down[1]);
  while (wait(&status) > 0) killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  printf("%s: %d, %d, %d, then %s\n", what, done > 0, killed > 0, refused, make(0) ? "an error" : "again");
  return 0;
}

static int make_memfd(long i) {
  return memfd_create("x", 0) < 0 ? errno : 0;
}

/* A rule of Landlock on a file that has no name afterwards. */
static int ruleset(int anew) {
  static int fd = -1;
  unsigned long attr[] = {1 << 2, 0, 0};
  if (anew || fd < 0) fd = syscall(444, attr, 8, 0);
  return fd;
}

static int make_rule(long i) {
  struct {
    unsigned long access;
    int fd;
  } __attribute__((packed)) rule = {1 << 2, -1};
  char name[30];
  (void)i;
  sprintf(name, "/tmp/rule%d", getpid());
  rule.fd = open(name, O_CREAT | O_RDWR, 0600);
  if (rule.fd < 0) return errno;
  int error = syscall(445, ruleset(0), 1, &rule, 0) ? errno : 0;
  unlink(name);
  close(rule.fd);
  return error;
}

static long slab(void) {
  char text[4096] = "";
  int fd = open("/proc/meminfo", O_RDONLY);
  read(fd, text, sizeof text - 1);
  close(fd);
  return atol(strstr(text, "Slab:") + 5);
}

/* A socket to which somebody has connected. */
static int asked(void) {
  struct sockaddr_un name = {AF_UNIX, "\0asked"};
  int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(s, (void *)&name, 8) || listen(s, 1) || connect(c, (void *)&name, 8)) exit(1);
  return s;
}

/* Files that could not be opened leave nothing behind, and connections where they are. */
static int refuse(void) {
  long before = slab();
  int s = asked();
  struct pollfd waits = {s, POLLIN};
  int fd = open("/proc/sys/fs/file-max", O_WRONLY), status;
  if (write(fd, "4", 1) != 1) return 1;
  if (fork() == 0) {
    if (setuid(65534)) _exit(1);
    for (int i = 0; i < 2000; i++)
      if (memfd_create("x", 0) >= 0 || errno != ENFILE) _exit(2);
    if (accept(s, 0, 0) >= 0 || errno != ENFILE || poll(&waits, 1, 0) != 1) _exit(3);
    _exit(0);
  }
  wait(&status);
  printf("memfds: status %d, %s\n", WEXITSTATUS(status), slab() - before < 500 ? "nothing left" : "left");
  return 0;
}

/* Rules go with their ruleset, or with the last process that they bind. */
static int rules(void) {
  enum { N = 2000 };
  int status;
  for (int i = 0; i < 10; i++) make_rule(0);
  close(ruleset(0));
  ruleset(1);
  long before = slab();
  for (int i = 0; i < N; i++)
    if (make_rule(0)) return 1;
  int taken = slab() - before > N;
  close(ruleset(0));
  int back = slab() - before < 500;
  ruleset(1);
  if (fork() == 0) {
    for (int i = 0; i < N; i++)
      if (make_rule(0)) _exit(1);
    if (syscall(446, ruleset(0), 0)) _exit(2);
    close(ruleset(0));
    int held = slab() - before > N;
    for (int i = 0; i < 3; i++)
      if (fork() == 0) {
        unsigned long attr[] = {1 << 2, 0, 0};
        int again = syscall(444, attr, 8, 0);
        _exit(syscall(446, again, 0) ? 5 : 0);
      }
    while (wait(&status) > 0)
      if (status) _exit(3);
    _exit(held && slab() - before > N ? 0 : 4);
  }
  close(ruleset(0));
  wait(&status);
  printf("rules: taken %d, back %d, status %d, %s\n", taken, back, WEXITSTATUS(status), slab() - before < 500 ? "nothing left" : "left");
  return 0;
}

int main(void) {
  struct rlimit files = {100000, 100000};
  setrlimit(RLIMIT_NOFILE, &files);
  if (exhaust("mappings", make_mapping, 40000) || exhaust("files", make_file, 20000)) return 1;
  if (exhaust("memfds", make_memfd, 8000) || exhaust("rules", make_rule, 10000)) return 1;
  return rules() || refuse();
}
