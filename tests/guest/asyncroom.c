/* O_ASYNC on sockets: room to write is told to who had found none; F_GETOWN_EX of a file without an owner. */
#include "guest.h"
#include <poll.h>
#include <sys/socket.h>

static int count;
static siginfo_t last[16];

static void handler(int sig, siginfo_t *info, void *context) {
  if (count < 16) last[count++] = *info;
}

static void show(const char *what) {
  P("%s:", what);
  for (int i = 0; i < count; i++) P(" %d/%lx", last[i].si_code, last[i].si_band);
  P("\n");
  count = 0;
}

static void own(int fd) {
  struct f_owner_ex owner;
  R(syscall(SYS_fcntl, fd, F_GETOWN_EX, &owner));
  P("%d %d\n", owner.type, owner.pid);
  R(fcntl(fd, F_SETSIG, SIGUSR1));
  R(syscall(SYS_fcntl, fd, F_GETOWN_EX, &owner));
  P("%d %d\n", owner.type, owner.pid);
  fcntl(fd, F_SETOWN, getpid());
  R(syscall(SYS_fcntl, fd, F_GETOWN_EX, &owner));
  P("%d %d\n", owner.type, owner.pid == getpid());
  R(fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC));
}

static void room(int type) {
  static char block[4096], all[1 << 20];
  int s[2];
  socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
  own(s[0]);
  write(s[0], "x", 1);
  show("written");
  read(s[1], block, 1);
  show("taken");
  write(s[1], "x", 1);
  show("to read");
  read(s[0], block, 1);
  show("read");
  while (write(s[0], block, sizeof block) > 0) {}
  show("full");
  while (read(s[1], all, sizeof all) > 0) {}
  P("room %d\n", count > 0);
  show("emptied");
  write(s[0], "x", 1);
  read(s[1], block, 1);
  show("once");
  shutdown(s[1], SHUT_WR);
  show("shut");
  close(s[1]);
  P("closed %d\n", count > 0);
  close(s[0]);
  count = 0;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, 0);
  room(SOCK_STREAM);
  room(SOCK_DGRAM);
  room(SOCK_SEQPACKET);
}
