/* System V IPC: permissions, errors in their order, undo, ids, and the limits of /proc/sys/kernel.
 */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/sem.h>
#include <sys/msg.h>
#ifndef MSG_COPY
#define MSG_COPY 040000
#define MSG_EXCEPT 020000
#endif
#include <sys/syscall.h>
union semun {
  int val;
  struct semid_ds *buf;
  unsigned short *array;
  struct seminfo *__buf;
};
static void cat(const char *p) {
  char b[4000];
  int f = open(p, O_RDONLY);
  if (f < 0) {
    P("%s: open %d\n", p, errno);
    return;
  }
  int n = read(f, b, 3999);
  b[n < 0 ? 0 : n] = 0;
  P("%s: %s", p, b);
  close(f);
}
static int put(const char *p, const char *v) {
  int f = open(p, O_WRONLY);
  if (f < 0) return P("%s: open %d\n", p, errno), -1;
  errno = 0;
  int n = write(f, v, strlen(v));
  P("%s <- %s: %d %d\n", p, v, n, n < 0 ? errno : 0);
  close(f);
  return n;
}
#define SYS_(x) "/proc/sys/kernel/" x
struct mb {
  long t;
  char d[9000];
} m;
static void nop(int s) {}
int main() {
  int st;
  P("-- sysctl\n");
  cat(SYS_("shmmax"));
  cat(SYS_("shmall"));
  cat(SYS_("shmmni"));
  cat(SYS_("sem"));
  cat(SYS_("msgmax"));
  cat(SYS_("msgmnb"));
  cat(SYS_("msgmni"));
  cat(SYS_("shm_rmid_forced"));
  cat(SYS_("auto_msgmni"));
  cat(SYS_("msg_next_id"));
  P("-- shm\n");
  R(shmget(IPC_PRIVATE, 0, 0600));
  R(shmget(1, 0, IPC_CREAT | 0600));
  R(shmget(1, 4096, 0600));
  R(shmget(IPC_PRIVATE, -1, 0600));
  R(shmget(IPC_PRIVATE, 1ul << 50, 0600));
  int id = shmget(1, 8192, IPC_CREAT | 0600);
  R(id >= 0);
  R(shmget(1, 8193, 0600));
  R(shmget(1, 0, 0600) == id);
  R(shmget(1, 0, IPC_CREAT | IPC_EXCL | 0600));
  R(shmget(1, 8193, IPC_CREAT | IPC_EXCL | 0600));
  INPROC(1000, R(shmget(1, 0, 0) >= 0); R(shmget(1, 0, 0600)); R(shmget(1, 0, 0400));
         R((long)shmat(id, 0, 0)); R(shmctl(id, IPC_STAT, (void *)&m)); R(shmctl(id, IPC_RMID, 0));
         R(shmctl(id, SHM_LOCK, 0)); R(shmctl(0, 13, (void *)&m));
         R(shmctl(0, 15, (void *)&m) >= 0); R(shmctl(id, IPC_SET, (void *)&m)));
  R(shmctl(-1, IPC_STAT, (void *)&m));
  R(shmctl(999, IPC_STAT, (void *)&m));
  R(shmctl(id, 99, (void *)&m));
  R(shmctl(id, -1, (void *)&m));
  R(shmctl(id, IPC_STAT, (void *)8));
  R(shmctl(id, IPC_SET, (void *)8));
  R(shmctl(-1, 99, 0));
  R(shmctl(-1, IPC_RMID, 0));
  R(shmctl(-1, SHM_LOCK, 0));
  R((long)shmat(-1, 0, 0));
  R((long)shmat(999, 0, 0));
  R((long)shmat(id, (void *)0x10001, 0));
  R((long)shmat(id, 0, SHM_REMAP));
  R((long)shmat(id, (void *)-4096, 0));
  char *p = shmat(id, 0, 0);
  R((long)shmat(id, p, 0));
  R((long)shmat(id, p, SHM_REMAP) == (long)p);
  char *q = shmat(id, 0, SHM_RDONLY);
  R(shmdt(p + 4096));
  R(shmdt((char *)1));
  R(shmdt(0));
  R(shmdt(&st));
  struct shmid_ds ds;
  R(shmctl(id, IPC_STAT, &ds));
  P("nattch %ld lpid %d cpid %d mode %o sz %zu at %d dt %d\n", ds.shm_nattch,
    ds.shm_lpid == getpid(), ds.shm_cpid == getpid(), ds.shm_perm.mode, ds.shm_segsz,
    ds.shm_atime != 0, ds.shm_dtime != 0);
  if (!fork()) {
    shmctl(id, IPC_STAT, &ds);
    P("child nattch %ld\n", ds.shm_nattch);
    _exit(0);
  }
  wait(0);
  shmctl(id, IPC_STAT, &ds);
  P("nattch %ld lpid self %d dt %d\n", ds.shm_nattch, ds.shm_lpid == getpid(), ds.shm_dtime != 0);
  R(shmdt(p));
  R(shmdt(p));
  shmctl(id, IPC_STAT, &ds);
  P("nattch %ld\n", ds.shm_nattch);
  *(volatile char *)q;
  if (!fork()) {
    signal(SIGSEGV, SIG_DFL);
    *q = 1;
    _exit(0);
  }
  wait(&st);
  P("ro write %x\n", st);
  p = shmat(id, 0, 0);
  munmap(p, 4096);
  shmctl(id, IPC_STAT, &ds);
  P("half: nattch %ld\n", ds.shm_nattch);
  R(shmdt(p));
  shmctl(id, IPC_STAT, &ds);
  P("nattch %ld\n", ds.shm_nattch);
  ds.shm_perm.uid = 5;
  ds.shm_perm.gid = 6;
  ds.shm_perm.mode = 0177777;
  R(shmctl(id, IPC_SET, &ds));
  shmctl(id, IPC_STAT, &ds);
  P("%d %d %o\n", ds.shm_perm.uid, ds.shm_perm.gid, ds.shm_perm.mode);
  ds.shm_perm.uid = -1;
  R(shmctl(id, IPC_SET, &ds));
  INPROC(5, R(shmctl(id, IPC_STAT, &ds)); R(shmctl(id, IPC_RMID, 0)));
  shmctl(id, IPC_STAT, &ds);
  P("after rmid: %o key %x nattch %ld\n", ds.shm_perm.mode, ds.shm_perm.__key, ds.shm_nattch);
  R(shmget(1, 0, 0600));
  p = shmat(id, 0, 0);
  R(p != (void *)-1);
  shmdt(p);
  R(shmdt(q));
  R(shmctl(id, IPC_STAT, &ds));
  R((long)shmat(id, 0, 0));
  id = shmget(IPC_PRIVATE, 100, 0400);
  R((long)shmat(id, 0, SHM_EXEC) != -1);
  INPROC(0, setresuid(1000, 1000, 0));
  id = shmget(7, 100, IPC_CREAT | 0);
  INPROC(1000, R((long)shmat(id, 0, SHM_RDONLY)));
  put(SYS_("shm_rmid_forced"), "1");
  put(SYS_("shm_rmid_forced"), "2");
  id = shmget(9, 100, IPC_CREAT | 0600);
  INPROC(0, int i = shmget(11, 100, IPC_CREAT | 0600); shmat(i, 0, 0));
  R(shmget(11, 0, 0));
  INPROC(0, int i = shmget(12, 100, IPC_CREAT | 0600));
  R(shmget(12, 0, 0));
  put(SYS_("shm_rmid_forced"), "0");
  put(SYS_("shmmax"), "8192");
  R(shmget(IPC_PRIVATE, 8193, 0600));
  R(shmget(IPC_PRIVATE, 8192, 0600) >= 0);
  put(SYS_("shmmax"), "18446744073692774399");
  put(SYS_("shmmni"), "6");
  for (int i = 0; i < 6; i++) R(shmget(IPC_PRIVATE, 1, 0600) >= 0);
  put(SYS_("shmmni"), "4096");
  put(SYS_("shmmni"), "40000");
  put(SYS_("shmmni"), "-1");
  put(SYS_("shmall"), "5");
  R(shmget(IPC_PRIVATE, 4096 * 9, 0600));
  put(SYS_("shmall"), "18446744073692774399");
  struct shminfo inf;
  put(SYS_("shmmax"), "12345");
  R(shmctl(0, IPC_INFO, (void *)&inf) >= 0);
  P("%lu %lu %lu %lu %lu\n", inf.shmmax, inf.shmmin, inf.shmmni, inf.shmseg, inf.shmall);
  put(SYS_("shmmax"), "18446744073692774399");
  put(SYS_("shm_next_id"), "77");
  cat(SYS_("shm_next_id"));
  R(shmget(IPC_PRIVATE, 1, 0600));
  cat(SYS_("shm_next_id"));
  put(SYS_("shm_next_id"), "65613");
  R(shmget(IPC_PRIVATE, 1, 0600));
  put(SYS_("shm_next_id"), "77");
  R(shmget(IPC_PRIVATE, 1, 0600));
  put(SYS_("shm_next_id"), "-2");
  put(SYS_("shm_next_id"), "2147483647");
  put(SYS_("shm_next_id"), "-1");
  P("-- sem\n");
  union semun u;
  unsigned short arr[10] = {0};
  struct semid_ds sd;
  u.buf = &sd;
  R(semget(IPC_PRIVATE, 0, 0600));
  R(semget(IPC_PRIVATE, -1, 0600));
  R(semget(IPC_PRIVATE, 32001, 0600));
  R(semget(2, 1, 0600));
  id = semget(2, 3, IPC_CREAT | 0600);
  R(semget(2, 4, 0600));
  R(semget(2, 0, 0600) == id);
  R(semget(2, 3, IPC_CREAT | IPC_EXCL | 0600));
  INPROC(1000, R(semget(2, 0, 0400)); R(semctl(id, 0, GETVAL)); R(semctl(id, 9, GETVAL));
         R(semctl(id, 0, SETVAL, 1)); R(semctl(id, 0, SETVAL, -1)); R(semctl(id, 9, SETVAL, 1));
         R(semctl(id, 0, IPC_STAT, u)); R(semctl(id, 0, IPC_RMID)); R(semctl(id, 0, IPC_SET, u));
         u.array = arr; R(semctl(id, 0, GETALL, u)); R(semctl(id, 0, SETALL, u));
         struct sembuf b = {0, 1, 0}; R(semop(id, &b, 1)); b.sem_op = 0; R(semop(id, &b, 1));
         b.sem_num = 9; R(semop(id, &b, 1)); u.buf = &sd; R(semctl(0, 0, 18, u));
         R(semctl(0, 0, 20, u) >= 0));
  R(semctl(-1, 0, GETVAL));
  R(semctl(999, 0, GETVAL));
  R(semctl(id, -1, GETVAL));
  R(semctl(id, 3, GETVAL));
  R(semctl(id, 0, 99));
  R(semctl(-1, 0, 99));
  R(semctl(id, 0, SETVAL, 32768));
  R(semctl(id, 0, SETVAL, -1));
  R(semctl(id, 0, SETVAL, 32767));
  R(semctl(id, 0, GETPID) == getpid());
  R(semctl(id, 0, GETVAL));
  u.array = (void *)8;
  R(semctl(id, 0, GETALL, u));
  R(semctl(id, 0, SETALL, u));
  R(semctl(id, 0, IPC_STAT, u));
  R(semctl(id, 0, IPC_SET, u));
  arr[1] = 32768;
  u.array = arr;
  R(semctl(id, 0, SETALL, u));
  R(semctl(id, 0, GETVAL));
  arr[1] = 5;
  R(semctl(id, 0, SETALL, u));
  R(semctl(id, 1, GETVAL));
  struct sembuf b[600];
  memset(b, 0, sizeof b);
  R(semop(id, b, 0));
  R(semop(id, b, 501));
  R(semop(-1, b, 501));
  R(semop(-1, b, 0));
  R(semop(999, b, 1));
  R(semop(id, (void *)8, 1));
  R(semop(-1, (void *)8, 1));
  b[0] = (struct sembuf){3, 1, 0};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){-1, 1, 0};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){1, 32767, 0};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){0, -1, IPC_NOWAIT};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){1, 0, IPC_NOWAIT};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){1, -5, SEM_UNDO};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){1, 30000, SEM_UNDO};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){1, -30000, 0};
  R(semop(id, b, 1));
  b[0] = (struct sembuf){1, 30000, SEM_UNDO};
  R(semop(id, b, 1));
  R(semctl(id, 1, SETVAL, 3));
  INPROC(0, b[0] = (struct sembuf){1, -2, SEM_UNDO}; R(semop(id, b, 1)); R(semctl(id, 1, GETVAL)));
  R(semctl(id, 1, GETVAL));
  INPROC(0, b[0] = (struct sembuf){1, 2, SEM_UNDO}; semop(id, b, 1);
         b[0] = (struct sembuf){1, -5, 0}; R(semop(id, b, 1)));
  R(semctl(id, 1, GETVAL));
  struct timespec t = {0, 1000000000};
  b[0] = (struct sembuf){2, -1, 0};
  R(semtimedop(id, b, 1, &t));
  t = (struct timespec){-1, 0};
  R(semtimedop(id, b, 1, &t));
  t = (struct timespec){0, 10000000};
  R(semtimedop(id, b, 1, &t));
  R(semtimedop(id, b, 1, (void *)8));
  R(syscall(SYS_semtimedop, -1, b, 1, &t));
  pid_t c = fork();
  if (!c) {
    b[0] = (struct sembuf){2, -1, 0};
    int r = semop(id, b, 1);
    _exit(r ? errno : 0);
  }
  msleep(20);
  R(semctl(id, 2, GETNCNT));
  R(semctl(id, 2, GETZCNT));
  R(semctl(id, 2, SETVAL, 1));
  waitpid(c, &st, 0);
  P("%x\n", st);
  c = fork();
  if (!c) {
    struct sigaction sa = {.sa_handler = nop, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, 0);
    b[0] = (struct sembuf){2, -1, 0};
    int r = semop(id, b, 1);
    _exit(r ? errno : 0);
  }
  msleep(20);
  kill(c, SIGUSR1);
  waitpid(c, &st, 0);
  P("EINTR %x\n", st);
  c = fork();
  if (!c) {
    b[0] = (struct sembuf){2, -1, 0};
    int r = semop(id, b, 1);
    _exit(r ? errno : 0);
  }
  msleep(20);
  R(semctl(id, 0, IPC_RMID));
  waitpid(c, &st, 0);
  P("EIDRM %x\n", st);
  R(semctl(id, 0, GETVAL));
  int o = id;
  id = semget(2, 1, IPC_CREAT | 0600);
  R(id != o);
  R(semctl(o, 0, GETVAL));
  put(SYS_("sem"), "10 20 3 2");
  cat(SYS_("sem"));
  R(semget(IPC_PRIVATE, 11, 0600));
  R(semget(IPC_PRIVATE, 10, 0600) >= 0);
  R(semget(IPC_PRIVATE, 1, 0600));
  R(semop(id, b, 4));
  put(SYS_("sem"), "10 5");
  cat(SYS_("sem"));
  put(SYS_("sem"), "10 12 3 20");
  R(semget(IPC_PRIVATE, 5, 0600));
  struct seminfo si;
  u.__buf = &si;
  R(semctl(0, 0, IPC_INFO, u) >= 0);
  P("%d %d %d %d %d %d %d %d %d %d\n", si.semmap, si.semmni, si.semmns, si.semmnu, si.semmsl,
    si.semopm, si.semume, si.semusz, si.semvmx, si.semaem);
  put(SYS_("sem"), "32000 1024000000 500 32000");
  put(SYS_("sem"), "32000 1024000000 500 32769");
  put(SYS_("sem"), "-1");
  cat(SYS_("sem"));
  put(SYS_("sem"), "32000 1024000000 500 32000");
  P("-- msg\n");
  R(msgget(3, 0600));
  id = msgget(3, IPC_CREAT | 0600);
  R(msgget(3, IPC_CREAT | IPC_EXCL | 0600));
  R(msgget(3, 0) == id);
  struct msqid_ds md;
  INPROC(1000, R(msgget(3, 0600)); m.t = 1; R(msgsnd(id, &m, 1, IPC_NOWAIT));
         R(msgrcv(id, &m, 10, 0, IPC_NOWAIT)); R(msgctl(id, IPC_STAT, &md));
         R(msgctl(id, IPC_SET, &md)); R(msgctl(id, IPC_RMID, 0)); R(msgctl(0, 11, &md));
         R(msgctl(0, 13, &md) >= 0));
  m.t = 0;
  R(msgsnd(id, &m, 1, 0));
  m.t = -1;
  R(msgsnd(id, &m, 1, 0));
  m.t = 1;
  R(msgsnd(-1, &m, 1, 0));
  R(msgsnd(999, &m, 1, 0));
  R(msgsnd(id, &m, -1, 0));
  R(msgsnd(id, &m, 8193, 0));
  R(msgsnd(id, &m, 8192, 0));
  R(msgsnd(id, (void *)8, 1, 0));
  R(msgsnd(id, (void *)-1, 1, 0));
  R(msgsnd(id, &m, 0, 0));
  R(msgsnd(id, &m, 8192, IPC_NOWAIT));
  R(msgsnd(id, &m, 8193, IPC_NOWAIT));
  R(msgsnd(id, &m, 1, IPC_NOWAIT));
  R(msgrcv(id, &m, -1, 0, 0));
  R(msgrcv(id, &m, 10, 0, 0));
  R(msgrcv(id, &m, 10, 0, MSG_NOERROR));
  R(msgrcv(id, &m, 0, 0, 0));
  R(msgrcv(id, &m, 9000, 5, IPC_NOWAIT));
  R(msgrcv(id, (void *)8, 9000, 0, 0));
  R(msgrcv(id, &m, 10, 0, IPC_NOWAIT));
  R(msgrcv(-1, &m, 1, 0, 0));
  R(msgrcv(999, &m, 1, 0, 0));
  R(msgrcv(id, &m, 10, 0, MSG_COPY));
  R(msgrcv(id, &m, 10, 0, MSG_COPY | IPC_NOWAIT));
  R(msgrcv(id, &m, 10, 0, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT));
  for (int i = 1; i <= 5; i++) {
    m.t = (int[]){0, 5, 3, 9, 3, 1}[i];
    m.d[0] = 'a' + i;
    msgsnd(id, &m, 1, 0);
  }
  R(msgctl(id, IPC_STAT, &md));
  P("q %ld cb %ld qb %ld lsp %d lrp %d st %d rt %d\n", md.msg_qnum, md.__msg_cbytes, md.msg_qbytes,
    md.msg_lspid == getpid(), md.msg_lrpid == getpid(), md.msg_stime != 0, md.msg_rtime != 0);
  R(msgrcv(id, &m, 10, -3, 0));
  P("%ld %c\n", m.t, m.d[0]);
  R(msgrcv(id, &m, 10, 3, MSG_EXCEPT));
  P("%ld %c\n", m.t, m.d[0]);
  R(msgrcv(id, &m, 10, 3, 0));
  P("%ld %c\n", m.t, m.d[0]);
  R(msgrcv(id, &m, 10, -3, IPC_NOWAIT));
  P("%ld %c\n", m.t, m.d[0]);
  R(msgrcv(id, &m, 10, LONG_MIN, IPC_NOWAIT));
  P("%ld %c\n", m.t, m.d[0]);
  R(msgctl(-1, IPC_STAT, &md));
  R(msgctl(id, 99, &md));
  R(msgctl(id, IPC_STAT, (void *)8));
  R(msgctl(id, IPC_SET, (void *)8));
  R(msgctl(999, IPC_RMID, 0));
  md.msg_perm.uid = 1000;
  md.msg_qbytes = 16384;
  R(msgctl(id, IPC_SET, &md));
  INPROC(1000, md.msg_qbytes = 16385; R(msgctl(id, IPC_SET, &md)); md.msg_qbytes = 16384;
         R(msgctl(id, IPC_SET, &md)); md.msg_qbytes = 100; R(msgctl(id, IPC_SET, &md));
         R(msgctl(id, IPC_STAT, &md)));
  msgctl(id, IPC_STAT, &md);
  P("%ld\n", md.msg_qbytes);
  m.t = 1;
  R(msgsnd(id, &m, 101, IPC_NOWAIT));
  for (int i = 0; i < 4; i++) R(msgsnd(id, &m, i ? 0 : 100, IPC_NOWAIT));
  while (msgrcv(id, &m, 9000, 0, IPC_NOWAIT) >= 0);
  c = fork();
  if (!c) {
    struct sigaction sa = {.sa_handler = nop, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, 0);
    int r = msgrcv(id, &m, 1, 0, 0);
    _exit(r < 0 ? errno : 0);
  }
  msleep(20);
  kill(c, SIGUSR1);
  waitpid(c, &st, 0);
  P("EINTR %x\n", st);
  c = fork();
  if (!c) {
    int r = msgrcv(id, &m, 1, 0, 0);
    _exit(r < 0 ? errno : 0);
  }
  msleep(20);
  R(msgctl(id, IPC_RMID, 0));
  waitpid(c, &st, 0);
  P("EIDRM %x\n", st);
  c = fork();
  if (!c) {
    int i = msgget(IPC_PRIVATE, 0600);
    m.t = 1;
    msgsnd(i, &m, 8192, 0);
    msgsnd(i, &m, 8192, 0);
    struct sigaction sa = {.sa_handler = nop, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, 0);
    int r = msgsnd(i, &m, 1, 0);
    _exit(r < 0 ? errno : 0);
  }
  msleep(20);
  kill(c, SIGUSR1);
  waitpid(c, &st, 0);
  P("EINTR %x\n", st);
  put(SYS_("msgmax"), "10");
  id = msgget(IPC_PRIVATE, 0600);
  m.t = 1;
  R(msgsnd(id, &m, 11, 0));
  R(msgsnd(id, &m, 10, 0));
  put(SYS_("msgmax"), "8192");
  put(SYS_("msgmnb"), "50");
  id = msgget(IPC_PRIVATE, 0600);
  msgctl(id, IPC_STAT, &md);
  P("%ld\n", md.msg_qbytes);
  put(SYS_("msgmnb"), "16384");
  put(SYS_("msgmni"), "4");
  for (int i = 0; i < 4; i++) R(msgget(IPC_PRIVATE, 0600) >= 0);
  put(SYS_("msgmni"), "32000");
  put(SYS_("msgmni"), "32769");
  put(SYS_("msgmax"), "-1");
  struct msginfo mi;
  put(SYS_("msgmax"), "100");
  R(msgctl(0, IPC_INFO, (void *)&mi) >= 0);
  P("%d %d %d %d %d %d %d %d\n", mi.msgpool, mi.msgmap, mi.msgmax, mi.msgmnb, mi.msgmni, mi.msgssz,
    mi.msgtql, mi.msgseg);
  put(SYS_("msgmax"), "8192");
  // *_STAT by index & ANY
  R(msgctl(1000, 11, &md));
  R(shmctl(1000, 13, (void *)&ds));
  R(semctl(1000, 0, 18, u));
  R(shmctl(-1, 13, (void *)&ds));
  R(semctl(-1, 0, 18, u));
  R(msgctl(-1, 11, &md));
  // seq
  for (int i = 0; i < 3; i++) {
    int a = msgget(IPC_PRIVATE, 0600), b2;
    msgctl(a, IPC_RMID, 0);
    b2 = msgget(IPC_PRIVATE, 0600);
    P("reuse differs %d idx %d\n", a != b2, (b2 & 32767) - (a & 32767));
    msgctl(b2, IPC_RMID, 0);
  }
  char line[300];
  FILE *f;
  for (int k = 0; k < 3; k++) {
    f = fopen((char *[]){"/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm"}[k], "r");
    fgets(line, 300, f);
    P("%s", line);
    int n = 0;
    while (fgets(line, 300, f)) n++;
    P("%d\n", n);
    fclose(f);
  }
  INPROC(1000, put(SYS_("msgmax"), "8192"));
}
