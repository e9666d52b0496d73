// O_ASYNC on sockets while somebody waits in a call: who waits for bytes of a stream gets them without a signal.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int signals;
static void count(int sig) {
  signals++;
}

static int fd, how;
static char got[100];
static int n;

static void *reader(void *unused) {
  sigset_t set;
  sigfillset(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  struct pollfd p = {fd, POLLIN, 0};
  struct iovec iov = {got, sizeof got};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (how == 0) n = read(fd, got, sizeof got);
  if (how == 1) n = recv(fd, got, 4, MSG_WAITALL);
  if (how == 2) n = recvmsg(fd, &msg, MSG_PEEK);
  if (how == 3) n = poll(&p, 1, -1);
  return NULL;
}

static void take(const char *what) {
  usleep(20000);
  printf("%s: %d signals\n", what, signals);
  signals = 0;
}

static void own(int s) {
  fcntl(s, F_SETOWN, getpid());
  fcntl(s, F_SETFL, O_RDWR | O_ASYNC);
}

int main(void) {
  static const char *hows[] = {"read", "recv of all", "peek", "poll"};
  static const struct { int type; const char *name; } types[] = {{SOCK_STREAM, "stream"}, {SOCK_DGRAM, "dgram"}, {SOCK_SEQPACKET, "seqpacket"}};
  setvbuf(stdout, NULL, _IONBF, 0);
  signal(SIGIO, count);
  for (int t = 0; t < 3; t++)
    for (how = 0; how < 4; how++) {
      int sv[2];
      char what[100];
      pthread_t thread;
      if (socketpair(AF_UNIX, types[t].type, 0, sv)) return 1;
      fd = sv[0];
      own(fd);
      signals = n = 0;
      pthread_create(&thread, NULL, reader, NULL);
      usleep(50000);
      write(sv[1], "ab", 2);
      sprintf(what, "%s %s waits", types[t].name, hows[how]);
      take(what);
      write(sv[1], "cd", 2);
      pthread_join(thread, NULL);
      sprintf(what, "%s %s again", types[t].name, hows[how]);
      take(what);
      printf("%d bytes\n", n);
      while (recv(fd, got, sizeof got, MSG_DONTWAIT) > 0);
      write(sv[1], "e", 1);
      take("nobody waits");
      close(sv[0]), close(sv[1]);
    }

  // Without O_ASYNC when the wait began; the end; a call that was interrupted.
  int sv[2];
  pthread_t thread;
  socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
  fd = sv[0];
  how = 0;
  pthread_create(&thread, NULL, reader, NULL);
  usleep(50000);
  own(fd);
  write(sv[1], "x", 1);
  pthread_join(thread, NULL);
  take("set while it waits");
  pthread_create(&thread, NULL, reader, NULL);
  usleep(50000);
  shutdown(sv[1], SHUT_WR);
  pthread_join(thread, NULL);
  take("end while it waits");
  printf("%d bytes\n", n);
  close(sv[0]), close(sv[1]);

  socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
  own(sv[0]);
  struct timeval tv = {0, 30000};
  setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  printf("timeout: %d errno %d\n", (int)read(sv[0], got, 1), errno);
  write(sv[1], "y", 1);
  take("after a timeout");
  shutdown(sv[1], SHUT_RDWR);
  take("end, nobody waits");
  return 0;
}
