#include "guest.h"
#include <sys/ioctl.h>
#include <termios.h>
int main(void) {
  int st;
  R(getsid(0) >= 0);
  pid_t p = fork();
  if (!p) {
    R(setsid() == getpid());
    R(getpgrp() == getpid());
    R(setsid());
    R(setpgid(0, 0));
    pid_t q = fork();
    if (!q) {
      R(setpgid(0, 0));
      R(getpgrp() == getpid());
      R(setpgid(0, 99999));
      R(getsid(0) == getppid());
      _exit(0);
    }
    waitpid(q, 0, 0);
    q = fork();
    if (!q) {
      msleep(200);
      _exit(0);
    }
    R(setpgid(q, q));
    R(getpgid(q) == q);
    R(setpgid(q, -1));
    R(kill(-q, SIGTERM));
    R(waitpid(-q, &st, 0) == q);
    R(WTERMSIG(st));
    R(killpg(99999, 0));
    R(kill(-99999, SIGTERM));
    q = fork();
    if (!q) {
      execl("/bin/sleep", "sleep", "5", (char *)0);
      _exit(1);
    }
    msleep(50);
    R(setpgid(q, q));
    kill(q, SIGKILL);
    waitpid(q, 0, 0);
    R(setpgid(1, 0));
    R(getpgid(99999));
    R(getsid(99999));
    _exit(0);
  }
  waitpid(p, &st, 0);
  R(st);
  p = fork();
  if (!p) {
    setsid();
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(m);
    unlockpt(m);
    char n[64];
    ptsname_r(m, n, 64);
    int s = open(n, O_RDWR);
    R(tcgetpgrp(s) == getpid());
    pid_t bg = fork();
    if (!bg) {
      setpgid(0, 0);
      char c;
      signal(SIGTTIN, SIG_DFL);
      (void)!read(s, &c, 1);
      _exit(3);
    }
    setpgid(bg, bg);
    R(waitpid(bg, &st, WUNTRACED) == bg);
    R(WIFSTOPPED(st) ? WSTOPSIG(st) : -1);
    R(tcsetpgrp(s, bg));
    kill(bg, SIGCONT);
    R(waitpid(bg, &st, WCONTINUED) == bg);
    R(WIFCONTINUED(st) != 0);
    write(m, "\n", 1);
    R(waitpid(bg, &st, 0) == bg);
    R(WEXITSTATUS(st));
    signal(SIGTTOU, SIG_IGN);
    R(tcsetpgrp(s, getpid()));
    bg = fork();
    if (!bg) {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_DFL);
      tcsetpgrp(s, getpid());
      _exit(4);
    }
    R(waitpid(bg, &st, WUNTRACED) == bg);
    R(WIFSTOPPED(st) ? WSTOPSIG(st) : -1);
    kill(bg, SIGKILL);
    waitpid(bg, 0, 0);
    bg = fork();
    if (!bg) {
      setpgid(0, 0);
      signal(SIGTTIN, SIG_IGN);
      char c;
      R(read(s, &c, 1));
      _exit(5);
    }
    waitpid(bg, &st, 0);
    struct termios t;
    tcgetattr(s, &t);
    t.c_lflag |= TOSTOP;
    tcsetattr(s, TCSANOW, &t);
    bg = fork();
    if (!bg) {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_DFL);
      (void)!write(s, "x", 1);
      _exit(6);
    }
    R(waitpid(bg, &st, WUNTRACED) == bg);
    R(WIFSTOPPED(st) ? WSTOPSIG(st) : -1);
    kill(bg, SIGKILL);
    waitpid(bg, 0, 0);
    R(tcsetpgrp(s, 99999));
    R(ioctl(s, TIOCNOTTY));
    signal(SIGHUP, SIG_IGN);
    R(open("/dev/tty", O_RDWR));
    _exit(0);
  }
  waitpid(p, &st, 0);
  R(st);
  int go[2];
  pipe(go);
  p = fork();
  if (!p) {
    setsid();
    pid_t mid = fork();
    if (!mid) {
      setpgid(0, 0);
      pid_t leaf = fork();
      if (!leaf) {
        signal(SIGCONT, SIG_DFL);
        raise(SIGSTOP);
        _exit(0);
      }
      int s2;
      waitpid(leaf, &s2, WUNTRACED);
      close(go[0]);
      _exit(0);
    }
    close(go[1]);
    waitpid(mid, 0, 0);
    _exit(0);
  }
  close(go[1]);
  char c;
  R(read(go[0], &c, 1));
  waitpid(p, 0, 0);
  P("an orphaned stopped group was continued or hung up\n");
  return 0;
}
