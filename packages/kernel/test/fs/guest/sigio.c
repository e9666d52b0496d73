#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile int count, code, fd, band;
static void h(int s, siginfo_t *i, void *u) { count++; code = i->si_code; fd = i->si_fd; band = i->si_band; }
static void show(const char *what) { printf("%s: %d code %d fd %d band %x\n", what, count > 0, code, fd, band); count = code = fd = band = 0; }

int main(void) {
  int s[2], on = 1;
  char b[10];
  struct sigaction sa = {.sa_sigaction = h, .sa_flags = SA_SIGINFO};
  sigaction(SIGIO, &sa, 0);
  sigaction(SIGRTMIN + 3, &sa, 0);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  write(s[1], "a", 1); show("no owner");
  printf("%d\n", fcntl(s[0], F_SETOWN, getpid()));
  printf("%d\n", fcntl(s[0], F_SETFL, O_ASYNC));
  write(s[1], "b", 1); show("written");
  printf("%d %d\n", fcntl(s[0], F_GETOWN) == getpid(), fcntl(s[0], F_GETFL) & O_ASYNC);
  printf("%d\n", fcntl(s[0], F_SETSIG, SIGRTMIN + 3));
  write(s[1], "c", 1); show("queued signal");
  on = 0; printf("%d\n", ioctl(s[0], FIOASYNC, &on));
  write(s[1], "d", 1); show("off");
  printf("%d %d\n", fcntl(s[0], F_SETOWN, 999999), errno);
  return 0;
}
