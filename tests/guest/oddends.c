/* Odd ends: O_CLOEXEC is no status flag; read-only shared memory stays so; a terminal takes whole chunks; negative timeouts. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>

static void flags(void) {
  R(fcntl(open("f", O_CREAT | O_RDWR | O_CLOEXEC, 0644), F_GETFL));
  int f = open("f", O_RDONLY | O_CLOEXEC | O_APPEND);
  R(fcntl(f, F_GETFL));
  R(fcntl(f, F_GETFD));
  R(fcntl(f, F_SETFD, 0));
  char path[50], text[400];
  sprintf(path, "/proc/self/fdinfo/%d", f);
  int info = open(path, O_RDONLY);
  text[read(info, text, sizeof text - 1)] = 0;
  P("%.16s\n", strstr(text, "flags"));
}

static void shared(void) {
  struct shmid_ds ds;
  int id = shmget(IPC_PRIVATE, 8192, 0600);
  char *both = shmat(id, 0, 0), *only = shmat(id, 0, SHM_RDONLY), *again = shmat(id, 0, SHM_RDONLY);
  both[0] = 'x';
  R(only[0] + again[0]);
  R(mprotect(only, 4096, PROT_READ | PROT_WRITE));
  R(mprotect(only, 4096, PROT_NONE));
  R(mprotect(only, 4096, PROT_READ));
  R(mprotect(both, 4096, PROT_READ));
  R(mprotect(both, 4096, PROT_READ | PROT_WRITE));
  shmctl(id, IPC_STAT, &ds);
  R(ds.shm_nattch);
  R(shmdt(only));
  INCHILD(both[1] = again[1] + 1; R(shmdt(again)); shmctl(id, IPC_STAT, &ds); R(ds.shm_nattch));
  shmctl(id, IPC_STAT, &ds);
  R(ds.shm_nattch);
  shmctl(id, IPC_RMID, 0);
  R(both[1]);
  R(shmdt(both));
  R(shmdt(again));
  R(shmctl(id, IPC_STAT, &ds));
}

static void terminal(void) {
  int number, off = 0, m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  char path[40], text[20];
  ioctl(m, TIOCSPTLCK, &off);
  ioctl(m, TIOCGPTN, &number);
  sprintf(path, "/dev/pts/%d", number);
  int s = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(page, 'y', 4096);
  munmap(page + 4096, 4096);
  R(write(m, page + 4093, 6));
  R(write(s, page + 4093, 6));
  R(write(m, page + 4096 - 2048 - 3, 2048 + 6));
  R(write(s, page + 4096 - 2048, 2048 + 6));
  R(write(m, page + 4093, 3));
}

static void timeouts(int type) {
  char c;
  int s[2];
  struct timeval t = {-1, 0};
  socklen_t n = sizeof t;
  socketpair(AF_UNIX, type, 0, s);
  R(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  R(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
  R(read(s[0], &c, 1));
  R(recv(s[0], &c, 1, MSG_WAITALL));
  static char block[4096];
  while (write(s[0], block, sizeof block) > 0) {}
  R(errno);
  R(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, &n));
  P("%ld %ld\n", (long)t.tv_sec, (long)t.tv_usec);
}

/* Of a queue that goes readers are told first. */
static void removed(void) {
  struct {
    long type;
    char text[16];
  } m = {1, ""};
  int q = msgget(IPC_PRIVATE, 0600), done[2];
  struct msqid_ds ds;
  pipe(done);
  msgctl(q, IPC_STAT, &ds);
  ds.msg_qbytes = 10;
  msgctl(q, IPC_SET, &ds);
  msgsnd(q, &m, 10, 0);
  for (int i = 0; i < 2; i++) {
    if (fork() == 0) {
      msleep(20 * i);
      int r = i == 0 ? msgsnd(q, &m, 10, 0) : msgrcv(q, &m, 10, 77, 0);
      write(done[1], r < 0 && errno == EIDRM ? "y" : "n", 1);
      _exit(0);
    }
  }
  msleep(80);
  R(msgctl(q, IPC_RMID, 0));
  char text[3] = "";
  wait(0);
  wait(0);
  read(done[0], text, 2);
  P("%s\n", text);
}

int main(void) {
  flags();
  shared();
  terminal();
  timeouts(SOCK_STREAM);
  timeouts(SOCK_DGRAM);
  removed();
}
