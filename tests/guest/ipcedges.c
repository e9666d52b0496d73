// Edges of message queues: a notification with signal 0, and copies of messages (MSG_COPY) that do not fit; shared memory that
// is to be executed; capget that asks for the version alone.
#include "guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/shm.h>

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

/** Memory that is to be executed needs the permission for that. */
static void executable(void) {
  int id = shmget(IPC_PRIVATE, 4096, 0600);
  struct shmid_ds d;
  shmctl(id, IPC_STAT, &d);
  d.shm_perm.uid = 1000;
  for (int mode = 0400; mode <= 0700; mode += 0100) {
    d.shm_perm.mode = mode;
    shmctl(id, IPC_SET, &d);
    P("mode %o\n", mode);
    INPROC(1000, {
      OK(shmat(id, 0, SHM_EXEC) == (void *)-1 ? -1 : 0);
      OK(shmat(id, 0, SHM_EXEC | SHM_RDONLY) == (void *)-1 ? -1 : 0);
      OK(shmat(id, 0, SHM_RDONLY) == (void *)-1 ? -1 : 0);
    });
  }
  shmctl(id, IPC_RMID, 0);
}

static void versions(void) {
  const unsigned version[] = {0x19980330, 0x20071026, 0x20080522, 0x1111};
  const int pid[] = {0, -1, 99999999};
  for (int v = 0; v < 4; v++)
    for (int p = 0; p < 3; p++) {
      unsigned header[2] = {version[v], pid[p]}, data[6];
      R(syscall(SYS_capget, header, 0));
      R(syscall(SYS_capget, header, data));
      P("%x\n", header[0]);
    }
}

int main(void) {
  no_signal();
  copies();
  executable();
  versions();
  return 0;
}
