// Edges of message queues: a notification with signal 0, and copies of messages (MSG_COPY) that do not fit.
#include "guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static void no_signal(void) {
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0};
  syscall(SYS_mq_unlink, "edges");
  long q = syscall(SYS_mq_open, "edges", O_RDWR | O_CREAT | O_NONBLOCK, 0600, 0);
  R(syscall(SYS_mq_notify, q, &ev));
  R(syscall(SYS_mq_timedsend, q, "hello", 5, 1, 0));
  R(syscall(SYS_mq_notify, q, &ev));
  R(syscall(SYS_mq_unlink, "edges"));
}

static void copies(void) {
  struct {
    long type;
    char text[20];
  } m = {3, "0123456789"};
  int q = msgget(IPC_PRIVATE, 0600);
  R(msgsnd(q, &m, 10, 0));
  for (int size = 0; size <= 20; size += 5) {
    R(msgrcv(q, &m, size, 0, MSG_COPY | IPC_NOWAIT));
    R(msgrcv(q, &m, size, 0, MSG_COPY | IPC_NOWAIT | MSG_NOERROR));
  }
  R(msgrcv(q, &m, 5, 1, MSG_COPY | IPC_NOWAIT | MSG_NOERROR));
  R(msgrcv(q, &m, 5, 0, IPC_NOWAIT | MSG_NOERROR));
  R(msgctl(q, IPC_RMID, 0));
}

int main(void) {
  no_signal();
  copies();
  return 0;
}
