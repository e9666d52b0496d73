#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define T(e) do { errno = 0; long r_ = (long)(e); printf("%s = %ld %s\n", #e, r_, r_ < 0 ? strerror(errno) : ""); } while (0)
#define KEY 0x56495452

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  struct { long type; char text[64]; } m = {1, "hello"};
  int q = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
  T(q >= 0); T(msgget(KEY, IPC_CREAT | IPC_EXCL | 0600)); T(msgget(KEY, 0) == q); T(msgget(KEY + 1, 0));
  T(msgsnd(q, &m, 6, 0)); m.type = 5; strcpy(m.text, "five"); T(msgsnd(q, &m, 5, 0)); m.type = 3; T(msgsnd(q, &m, 0, 0)); m.type = 0; T(msgsnd(q, &m, 1, 0)); m.type = 1; T(msgsnd(q, &m, 9000, 0));
  struct msqid_ds ds; T(msgctl(q, IPC_STAT, &ds)); printf("%lu %lu %o %d\n", (long)ds.msg_qnum, (long)ds.msg_qbytes, ds.msg_perm.mode, ds.msg_lspid == getpid());
  T(msgrcv(q, &m, 64, -4, 0)); printf("%ld %s\n", m.type, m.text); T(msgrcv(q, &m, 2, 5, 0)); T(msgrcv(q, &m, 2, 5, MSG_NOERROR)); T(msgrcv(q, &m, 64, 5, IPC_NOWAIT)); T(msgrcv(q, &m, 64, 0, 0)); printf("%ld\n", m.type);
  if (fork() == 0) { usleep(20000); m.type = 9; strcpy(m.text, "late"); msgsnd(q, &m, 5, 0); _exit(0); }
  T(msgrcv(q, &m, 64, 9, 0)); printf("%s\n", m.text); wait(0);
  int n = 0; m.type = 1; while (msgsnd(q, &m, 60, IPC_NOWAIT) == 0) n++; printf("%d %s\n", n, strerror(errno));
  if (fork() == 0) { _exit(msgsnd(q, &m, 60, 0) < 0 ? errno : 0); }
  int st; usleep(20000); T(msgctl(q, IPC_RMID, 0)); wait(&st); printf("%s\n", strerror(WEXITSTATUS(st))); T(msgctl(q, IPC_STAT, &ds)); T(msgsnd(q, &m, 1, 0));

  int s = semget(KEY, 3, IPC_CREAT | 0600); T(s >= 0); T(semget(KEY, 4, 0)); T(semget(IPC_PRIVATE, 0, 0600)); T(semctl(s, 0, SETVAL, 2)); T(semctl(s, 0, GETVAL)); T(semctl(s, 5, GETVAL)); T(semctl(s, 0, SETVAL, 40000));
  struct sembuf ops[2] = {{0, -1, 0}, {1, 1, 0}}; T(semop(s, ops, 2)); T(semctl(s, 0, GETVAL)); T(semctl(s, 1, GETVAL)); T(semctl(s, 1, GETPID) == getpid()); ops[0].sem_op = -5; ops[0].sem_flg = IPC_NOWAIT; T(semop(s, ops, 2)); T(semctl(s, 1, GETVAL)); ops[0].sem_num = 7; T(semop(s, ops, 1)); T(semop(s, ops, 0)); T(semop(s, ops, 501));
  if (fork() == 0) { struct sembuf u = {2, 3, SEM_UNDO}; T(semop(s, &u, 1)); T(semctl(s, 2, GETVAL)); _exit(0); } wait(0); T(semctl(s, 2, GETVAL));
  if (fork() == 0) { struct sembuf w = {2, -2, 0}; _exit(semop(s, &w, 1)); } usleep(20000); T(semctl(s, 2, GETNCNT)); T(semctl(s, 2, SETVAL, 5)); wait(0); T(semctl(s, 2, GETVAL)); T(semctl(s, 2, GETNCNT));
  struct sembuf z = {2, 0, 0}; struct timespec ts = {0, 10000000}; T(semtimedop(s, &z, 1, &ts)); unsigned short all[3] = {7, 8, 9}; T(semctl(s, 0, SETALL, all)); memset(all, 0, sizeof all); T(semctl(s, 0, GETALL, all)); printf("%d %d %d\n", all[0], all[1], all[2]);
  if (fork() == 0) { _exit(semop(s, &z, 1) < 0 ? errno : 0); } usleep(20000); T(semctl(s, 2, GETZCNT)); T(semctl(s, 0, IPC_RMID)); wait(&st); printf("%s\n", strerror(WEXITSTATUS(st))); T(semctl(s, 0, GETVAL));

  int h = shmget(KEY, 10000, IPC_CREAT | 0600); T(h >= 0); T(shmget(KEY, 20000, 0)); T(shmget(IPC_PRIVATE, 0, 0600)); char *a = shmat(h, 0, 0); T(a != (void *)-1); strcpy(a + 5000, "shared"); char *b = shmat(h, 0, SHM_RDONLY); printf("%s\n", b + 5000);
  if (fork() == 0) { strcpy(a + 5000, "child"); T(shmdt(a)); _exit(0); } wait(0); printf("%s\n", b + 5000);
  struct shmid_ds sd; T(shmctl(h, IPC_STAT, &sd)); printf("%ld %ld %o\n", (long)sd.shm_segsz, (long)sd.shm_nattch, sd.shm_perm.mode); T(shmdt(b)); T(shmdt(b)); T(shmat(h, (void *)123, 0)); T(shmctl(h, IPC_RMID, 0)); T(shmctl(h, IPC_STAT, &sd)); printf("%ld %o\n", (long)sd.shm_nattch, sd.shm_perm.mode & 01777); printf("%s\n", a + 5000); T(shmdt(a)); T(shmctl(h, IPC_STAT, &sd)); T(shmat(99999, 0, 0));
  if (fork() == 0) { if (setuid(1000)) _exit(1); _exit(0); } wait(0);
  return 0;
}
