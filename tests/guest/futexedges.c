// Which error comes first in futex calls, counts and addresses at the edges, and numbers that come in 64-bit arguments.
#include "guest.h"
#include <linux/futex.h>
#include <sys/ipc.h>
#include <sys/sem.h>

static int *w;
static long futex(void *a, int op, long val, void *t, void *b, long val3) { return syscall(SYS_futex, a, op, val, t, b, val3); }

int main(void) {
  w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *kernel = (void *)0xffff800000000000, *last = (void *)0x7ffffffff000, *odd = (char *)w + 2;
  struct timespec bad = {0, 1000000000}, none = {0, 0};
  const int p = FUTEX_PRIVATE_FLAG, wall = FUTEX_CLOCK_REALTIME;
  R(futex(w, FUTEX_REQUEUE | p, 0, (void *)-1L, w + 1, 0));
  R(futex(w, FUTEX_REQUEUE | p, -1, (void *)1L, w + 1, 0));
  R(futex(w, FUTEX_CMP_REQUEUE | p, 1, (void *)-1L, w + 1, 0));
  R(futex(w, FUTEX_CMP_REQUEUE | p, 1, (void *)0xffffffffL, w + 1, 0));
  R(futex(w, FUTEX_CMP_REQUEUE | p, 1, (void *)0x100000001L, w + 1, 0));
  R(futex(kernel, FUTEX_REQUEUE | p, 0, 0, w, 0));
  R(futex(kernel, FUTEX_WAKE | p, 0, 0, 0, 0));
  R(futex(last, FUTEX_WAKE | p, 0, 0, 0, 0));
  R(futex((char *)last + 4, FUTEX_WAKE | p, 0, 0, 0, 0));
  R(futex(last, FUTEX_WAKE, 0, 0, 0, 0));
  R(futex(ro, FUTEX_WAKE, 1, 0, 0, 0));
  R(futex(ro, FUTEX_WAKE | p, 1, 0, 0, 0));
  R(futex(ro, FUTEX_WAIT, 0, &none, 0, 0));
  R(futex(ro, FUTEX_WAIT | p, 0, &none, 0, 0));
  R(futex(w, FUTEX_LOCK_PI | wall, 0, &bad, 0, 0));
  R(futex(w, FUTEX_LOCK_PI | wall, 0, &none, 0, 0));
  R(futex(w, FUTEX_WAIT | wall, 0, &bad, 0, 0));
  R(futex(w, FUTEX_WAIT | wall, 0, &none, 0, 0));
  R(futex(odd, FUTEX_WAIT_REQUEUE_PI | p, 0, &none, kernel, 0));
  R(futex(odd, FUTEX_WAIT_REQUEUE_PI | p, 0, &none, w, 0));
  R(futex(kernel, FUTEX_WAIT_REQUEUE_PI | p, 0, &none, odd, 0));

  R(syscall(454, w, 0L, 0, 2));
  R(syscall(454, w, 1L, 0, 2));
  R(syscall(454, odd, 1L, 0, 2));
  struct {
    long val, addr;
    unsigned flags, zero;
  } q[2] = {{0, (long)w, 2, 0}, {0, (long)(w + 1), 0x82, 0}};
  R(syscall(456, q, 0, 1, 1));
  q[1].flags = 2;
  R(syscall(456, q, 0, 1, 1));
  R(syscall(456, q, 0, -1, 1));

  // Commands that take a number take its low half.
  int fd[2];
  pipe(fd);
  R(fcntl(fd[0], F_DUPFD, -1L));
  R(fcntl(fd[0], F_SETFD, -1L));
  R(fcntl(fd[0], F_GETFD));
  R(fcntl(fd[0], F_SETFD, -2L));
  R(fcntl(fd[0], F_GETFD));
  R(fcntl(fd[0], F_SETOWN, (long)-getpgrp()));
  R(fcntl(fd[0], F_GETOWN) == -getpgrp());
  R(fcntl(fd[0], F_SETOWN, -7654321L));
  R(fcntl(fd[0], F_SETSIG, -1L));
  R(fcntl(fd[0], F_SETSIG, 0x10000000aL));
  R(fcntl(fd[0], F_GETSIG));
  R(fcntl(fd[0], F_SETFL, 0x7fffffff00000000L | O_NONBLOCK));
  R(fcntl(fd[0], F_GETFL));
  R(fcntl(fd[0], F_SETPIPE_SZ, -1L));
  R(fcntl(fd[0], F_SETLK, -1L));
  int set = semget(IPC_PRIVATE, 1, 0600);
  R(syscall(SYS_semctl, set, 0, SETVAL, 0x7fffffff00000005L));
  R(semctl(set, 0, GETVAL));
  R(syscall(SYS_semctl, set, 0, SETVAL, -1L));
  R(semctl(set, 0, IPC_RMID));
  return 0;
}
