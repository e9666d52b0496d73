/* Makes mappings and open files without end in some processes, and prints what stopped them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

/* How many there are before an error other than a process's own limit. */
static int exhaust(const char *what, int (*make)(long)) {
  int up[2], down[2], stopped = 0;
  if (pipe(up) || pipe(down)) return 1;
  for (int p = 0; p < 12; p++)
    if (fork() == 0) {
      int error = 0;
      for (long i = 0; i < 60000 && !error; i++) error = make(i);
      char byte = error;
      if (write(up[1], &byte, 1) != 1) _exit(1);
      close(down[1]);
      _exit(read(down[0], &byte, 1));
    }
  char error;
  for (int p = 0; p < 12; p++) {
    if (read(up[0], &error, 1) != 1) return 1;
    if (error == ENOMEM) stopped = 1;
  }
  close(down[1]);
  while (wait(NULL) > 0);
  close(down[0]), close(up[0]), close(up[1]);
  printf("%s: %s, then %s\n", what, stopped ? "ENOMEM" : "no end", make(0) ? "an error" : "again");
  return 0;
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

int main(void) {
  struct rlimit files = {100000, 100000};
  setrlimit(RLIMIT_NOFILE, &files);
  return exhaust("mappings", make_mapping) || exhaust("files", make_file) || exhaust("mappings", make_mapping) || refuse();
}
