/* Leases: F_SETLEASE, F_GETLEASE, and what breaks them. */
#include "guest.h"
#include <stdlib.h>
#include <sys/mount.h>

static volatile sig_atomic_t got, fd_of, code;
static void handler(int sig, siginfo_t *si, void *u) {
  got = sig;
  fd_of = si->si_fd;
  code = si->si_code;
}
static pid_t opener(int flags, int trunc) {
  fflush(stdout);
  pid_t p = fork();
  if (p == 0) {
    for (int i = 3; i < 20; i++) close(i);
    int r = trunc ? truncate("f", 3) : open("f", flags);
    _exit(r < 0 ? errno : 0);
  }
  for (int i = 0; i < 200 && !got; i++) msleep(5);
  return p;
}
static int end(pid_t p) {
  int st;
  waitpid(p, &st, 0);
  return WEXITSTATUS(st);
}

int main(void) {
  mkdir("/tmp/lease", 0755);
  if (mount("none", "/tmp/lease", "tmpfs", 0, "") || chdir("/tmp/lease")) return 1;
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGIO, &sa, 0);
  sigaction(SIGRTMIN + 2, &sa, 0);
  int w = open("f", O_CREAT | O_RDWR, 0666);
  R(fcntl(w, F_GETLEASE));
  R(fcntl(w, F_SETLEASE, F_UNLCK));
  R(fcntl(w, F_SETLEASE, 7));
  R(fcntl(w, F_SETLEASE, F_RDLCK));
  R(fcntl(w, F_SETLEASE, F_WRLCK));
  R(fcntl(w, F_GETLEASE));
  R(fcntl(w, F_GETOWN) == getpid());
  R(open("f", O_RDONLY | O_NONBLOCK));
  R(got == SIGIO);
  R(fcntl(w, F_GETLEASE));
  R(fcntl(w, F_SETLEASE, F_UNLCK));
  R(fcntl(w, F_GETLEASE));
  close(w);
  /* A read lease. */
  int r = open("f", O_RDONLY), r2 = open("f", O_RDONLY);
  R(fcntl(r, F_SETLEASE, F_WRLCK));
  R(fcntl(r, F_SETLEASE, F_RDLCK));
  R(fcntl(r2, F_SETLEASE, F_RDLCK));
  R(fcntl(r2, F_SETLEASE, F_UNLCK));
  close(r2);
  got = 0;
  R(fcntl(r, F_SETSIG, SIGRTMIN + 2));
  r2 = open("f", O_RDONLY);
  R(r2 >= 0);
  R(got);
  close(r2);
  pid_t p = opener(O_WRONLY, 0);
  R(got == SIGRTMIN + 2);
  R(fd_of == r);
  R(code);
  R(fcntl(r, F_GETLEASE));
  R(waitpid(p, 0, WNOHANG));
  R(fcntl(r, F_SETLEASE, F_UNLCK));
  R(end(p));
  /* A write lease, made smaller for a reader. */
  close(r);
  w = open("f", O_RDWR);
  R(fcntl(w, F_SETLEASE, F_WRLCK));
  got = 0;
  p = opener(O_RDONLY, 0);
  R(got == SIGIO);
  R(fcntl(w, F_GETLEASE));
  R(waitpid(p, 0, WNOHANG));
  /* Closing gives it up. */
  close(w);
  R(end(p));
  /* Truncation; the close of the last descriptor. */
  r = open("f", O_RDONLY);
  R(fcntl(r, F_SETLEASE, F_RDLCK));
  got = 0;
  p = opener(0, 1);
  R(got == SIGIO);
  R(fcntl(r, F_SETLEASE, F_UNLCK));
  R(end(p));
  /* A path is no opening. */
  R(fcntl(r, F_SETLEASE, F_RDLCK));
  got = 0;
  int o = open("f", O_PATH);
  struct stat st;
  R(stat("f", &st));
  R(chmod("f", 0600));
  R(rename("f", "g"));
  R(got);
  close(o);
  int d = open(".", O_RDONLY);
  R(fcntl(d, F_SETLEASE, F_RDLCK));
  setuid(1000);
  R(fcntl(r, F_SETLEASE, F_RDLCK));
  return 0;
}
