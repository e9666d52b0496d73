// EPOLLEXCLUSIVE: of several instances that wait for one file, news wakes one; without it, all; its end wakes all.
#include "guest.h"
#include <sys/epoll.h>

static void sleeping(pid_t pid) {
  char path[40], text[300];
  sprintf(path, "/proc/%d/stat", pid);
  for (int i = 0; i < 400; i++) {
    int fd = open(path, O_RDONLY);
    long n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n < 0 ? 0 : n] = 0;
    char *name = strrchr(text, ')');
    if (name && name[2] == 'S') return;
    msleep(5);
  }
}

static int woken(unsigned flags, int end) {
  int p[2], sum = 0, status;
  pid_t child[3];
  pipe(p);
  for (int i = 0; i < 3; i++)
    if ((child[i] = fork()) == 0) {
      close(p[1]);
      struct epoll_event event = {.events = EPOLLIN | flags};
      int ep = epoll_create(1);
      epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event);
      _exit(epoll_wait(ep, &event, 1, 700));
    }
  for (int i = 0; i < 3; i++) sleeping(child[i]);
  if (end)
    close(p[1]);
  else
    write(p[1], "a", 1);
  for (int i = 0; i < 3; i++) {
    waitpid(child[i], &status, 0);
    sum += WEXITSTATUS(status);
  }
  return sum;
}

int main(void) {
  R(woken(0, 0));
  R(woken(EPOLLEXCLUSIVE, 0));
  R(woken(EPOLLEXCLUSIVE | EPOLLET, 0));
  R(woken(0, 1));
  R(woken(EPOLLEXCLUSIVE, 1));
}
