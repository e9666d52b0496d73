// Signals that files send: O_ASYNC on pipes and sockets, what F_SETSIG tells, F_NOTIFY on directories. And splice with files of
// /proc/sys.
#include "guest.h"
#include <poll.h>
#include <sys/socket.h>

#define SIG (SIGRTMIN + 1)
static volatile int count, of, code, band;
static void handler(int sig, siginfo_t *i, void *context) { count++, of = i->si_fd, code = i->si_code, band = i->si_band; }

static void armed(int fd) {
  fcntl(fd, F_SETOWN, getpid()), fcntl(fd, F_SETSIG, SIG), fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
}

#define TOLD(fd, call)                                                                             \
  do {                                                                                             \
    count = of = code = band = 0;                                                                  \
    call;                                                                                          \
    msleep(2);                                                                                     \
    P("%s: %d signals, its descriptor %d, code %d, band %x\n", #call, count, of == fd, code, band); \
  } while (0)

static void pipes(void) {
  int p[2], q[2];
  char c;
  pipe(p), pipe(q), armed(p[0]);
  TOLD(p[0], write(p[1], "a", 1));
  TOLD(p[0], write(p[1], "b", 1));
  TOLD(p[0], read(p[0], &c, 1));
  armed(p[1]);
  TOLD(p[1], read(p[0], &c, 1));
  TOLD(p[0], write(p[1], "c", 1));
  write(q[1], "x", 1);
  TOLD(p[0], splice(q[0], NULL, p[1], NULL, 1, 0));
  TOLD(p[1], splice(p[0], NULL, q[1], NULL, 1, 0));
  TOLD(p[0], close(p[1]));
}

static void sockets(void) {
  int s[2];
  char c;
  socketpair(AF_UNIX, SOCK_STREAM, 0, s), armed(s[0]);
  TOLD(s[0], write(s[1], "a", 1));
  TOLD(s[0], read(s[0], &c, 1));
  TOLD(s[0], close(s[1]));
}

static void directories(void) {
  mkdir("d", 0755);
  int d = open("d", O_RDONLY);
  fcntl(d, F_SETSIG, SIG);
  R(fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB | DN_MODIFY | DN_ACCESS | DN_MULTISHOT));
  TOLD(d, close(open("d/a", O_CREAT | O_RDWR, 0600)));
  TOLD(d, chmod("d/a", 0644));
  TOLD(d, rename("d/a", "d/b"));
  TOLD(d, unlink("d/b"));
  R(fcntl(d, F_NOTIFY, 0));
  TOLD(d, mkdir("d/c", 0755));
  R(fcntl(d, F_NOTIFY, DN_CREATE));
  TOLD(d, mkdir("d/e", 0755));
  TOLD(d, mkdir("d/f", 0755));
  R(fcntl(open("guest", O_CREAT, 0600), F_NOTIFY, DN_CREATE));
}

static void settings(void) {
  char buf[100];
  int p[2], fd = open("/proc/sys/kernel/domainname", O_WRONLY);
  pipe(p), write(p[1], "5", 1);
  R(splice(p[0], NULL, fd, NULL, 1, 0));
  fd = open("/proc/sys/kernel/domainname", O_RDONLY);
  R(splice(fd, NULL, p[1], NULL, 100, 0));
  P("%.*s", (int)read(p[0], buf, 100), buf);
}

int main(void) {
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIG, &a, NULL);
  pipes();
  sockets();
  directories();
  settings();
  return 0;
}
