/* A call that waits goes on with the file it began with when another thread closes the descriptor, or puts another file
 * in its place; select(2) and poll(2) look at descriptors again, and a lock got for a closed one goes again. What open(2)
 * found, and what a message carries, stays as it was, too. */
#include "guest.h"
#include <linux/io_uring.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

static int fd;
static fd_set in, ex;

static long get(char *buf) { return read(fd, buf, 100); }
static long put(char *buf) {
  (void)buf;
  static char many[1 << 17];
  return write(fd, many, sizeof many);
}
static long receive(char *buf) {
  struct iovec v = {buf, 100};
  return recvmsg(fd, &(struct msghdr){.msg_iov = &v, .msg_iovlen = 1}, 0);
}
static long message(char *buf) { return mq_receive(fd, buf, 100, 0); }
static long taken(char *buf) {
  (void)buf;
  return accept(fd, 0, 0) < 0 ? -1 : 0;
}
static long event(char *buf) {
  (void)buf;
  struct epoll_event e;
  return epoll_wait(fd, &e, 1, 2000);
}
static long polled(char *buf) {
  (void)buf;
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 2000) * 1000 + p.revents;
}
static long selected(char *buf) {
  (void)buf;
  FD_ZERO(&in);
  FD_ZERO(&ex);
  FD_SET(fd, &in);
  FD_SET(fd, &ex);
  struct timeval tv = {2, 0};
  long n = select(fd + 1, &in, 0, &ex, &tv);
  return n < 0 ? n : n * 100 + !!FD_ISSET(fd, &in) * 10 + !!FD_ISSET(fd, &ex);
}
static long locked(char *buf) {
  (void)buf;
  return fcntl(fd, F_SETLKW, &(struct flock){.l_type = F_WRLCK});
}
static long entered(char *buf) {
  (void)buf;
  return syscall(SYS_io_uring_enter, fd, 0, 1, IORING_ENTER_GETEVENTS, 0, 0);
}

static const char *path;
static int flags;
static long opened(char *buf) {
  int f = open(path, flags);
  if (f < 0) return -1;
  long n = flags == O_RDONLY ? read(f, buf, 100) : 0;
  close(f);
  return n;
}
static int sent;
static long carried(char *buf) {
  (void)buf;
  union {
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr head;
  } c = {{0}};
  struct iovec v = {"x", 1};
  c.head.cmsg_level = SOL_SOCKET, c.head.cmsg_type = SCM_RIGHTS, c.head.cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(&c.head), &sent, sizeof sent);
  return sendmsg(fd, &(struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c}, 0);
}

static struct sockaddr_un place = {AF_UNIX, "place"};
static long sent_to(char *buf) {
  (void)buf;
  return sendto(fd, "here", 4, 0, (void *)&place, sizeof place);
}

struct call {
  long (*run)(char *);
  char buf[100], text[200];
  pthread_t thread;
  volatile pid_t tid;
};

static void *thread(void *arg) {
  struct call *c = arg;
  errno = 0;
  c->tid = syscall(SYS_gettid);
  long n = c->run(c->buf);
  sprintf(c->text, n < 0 ? "  -1 errno %ld\n" : "  %ld\n", n < 0 ? (long)errno : n);
  return 0;
}

static struct call now;
static int sleeps(void) {
  char name[60], stat[100];
  sprintf(name, "/proc/self/task/%d/stat", now.tid);
  int f = open(name, O_RDONLY);
  ssize_t n = read(f, stat, sizeof stat - 1);
  close(f);
  stat[n < 0 ? 0 : n] = 0;
  char *state = strrchr(stat, ')');
  return state && state[2] == 'S';
}
static void start(const char *what, int on, long (*run)(char *)) {
  P("%s\n", what);
  memset(&now, 0, sizeof now);
  now.run = run, fd = on;
  pthread_create(&now.thread, 0, thread, &now);
  do usleep(20000);
  while (now.tid == 0 || !sleeps());
}
static void end(void) {
  pthread_join(now.thread, 0);
  P("%s", now.text);
}

static void nothing(int sig) { (void)sig; }

static void pipes(void) {
  int p[2], q[2];
  pipe(p);
  start("read, closed", p[0], get);
  R(close(p[0]));
  R(write(p[1], "abc", 3));
  end();
  P("  %s\n", now.buf);
  R(write(p[1], "abc", 3)); // now the reader is gone

  pipe(p), pipe(q);
  write(q[1], "other", 5);
  start("read, another file in its place", p[0], get);
  OK(dup2(q[0], p[0]));
  R(write(p[1], "first", 5));
  end();
  P("  %s\n", now.buf);

  pipe(p);
  start("write, closed", p[1], put);
  R(close(p[1]));
  int left = 0, n;
  char buf[4096];
  while ((n = read(p[0], buf, sizeof buf)) > 0) left += n;
  P("  %d bytes, then the end\n", left);
  end();

  pipe(p);
  start("read, closed, a signal that restarts", p[0], get);
  R(close(p[0]));
  pthread_kill(now.thread, SIGUSR1);
  end();
}

static void waits(void) {
  int p[2], e = epoll_create1(0), d;
  struct epoll_event ev = {EPOLLIN, {0}};
  pipe(p);
  epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
  start("epoll_wait, closed", e, event);
  R(close(e));
  R(write(p[1], "x", 1));
  end();
  pipe(p);
  start("poll, closed", p[0], polled);
  R(close(p[0]));
  R(write(p[1], "x", 1)); // the wait itself holds it
  end();
  pipe(p);
  start("select, closed", p[0], selected);
  R(close(p[0]));
  R(write(p[1], "x", 1));
  end();
  pipe(p);
  start("select, another file in its place", p[0], selected);
  d = open("/dev/zero", O_RDONLY);
  dup2(d, p[0]);
  close(p[1]);
  end();
  fd = open("/", O_PATH);
  P("select of a path\n  %ld\n", selected(0));
}

static void others(void) {
  int d, on[2];
  start("eventfd", eventfd(0, 0), get);
  d = dup(fd);
  close(fd);
  write(d, &(uint64_t){5}, 8);
  end();
  start("inotify", inotify_init(), get);
  inotify_add_watch(fd, ".", IN_CREATE);
  d = dup(fd);
  close(fd);
  close(creat("there", 0600));
  unlink("there");
  end();
  socketpair(AF_UNIX, SOCK_DGRAM, 0, on);
  start("recvmsg", on[0], receive);
  close(on[0]);
  R(send(on[1], "hallo", 5, 0));
  end();
  int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un name = {AF_UNIX, "\0closedwait"};
  bind(s, (void *)&name, sizeof name);
  listen(s, 1);
  start("accept", s, taken);
  R(close(s));
  R(connect(c, (void *)&name, sizeof name));
  end();
  R(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name));
  struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 100};
  int q = mq_open("/closedwait", O_RDWR | O_CREAT, 0600, &attr);
  d = mq_open("/closedwait", O_RDWR);
  mq_unlink("/closedwait");
  start("mq_receive", q, message);
  R(mq_close(q));
  R(mq_send(d, "four", 4, 0));
  end();
  int zero = 0, n, m = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  char path[30];
  ioctl(m, TIOCSPTLCK, &zero);
  ioctl(m, TIOCGPTN, &n);
  sprintf(path, "/dev/pts/%d", n);
  start("terminal", open(path, O_RDWR | O_NOCTTY), get);
  d = dup(fd);
  close(fd);
  write(m, "ab\n", 3);
  end();
}

/** The other end of the FIFO comes, by another name. */
static void meet(const char *name) {
  int f = open(name, O_WRONLY | O_NONBLOCK);
  R(write(f, "met", 3));
  close(f);
  end();
  P("  %s\n", now.buf);
}

static void names(void) {
  mkfifo("fifo", 0600);
  link("fifo", "other");
  path = "fifo", flags = O_RDONLY;
  start("open of a FIFO, unlinked", 0, opened);
  R(unlink("fifo"));
  meet("other");
  path = "other";
  start("open of a FIFO, renamed", 0, opened);
  R(rename("other", "fifo"));
  meet("fifo");
  path = "fifo";
  start("open of a FIFO, elsewhere", 0, opened);
  R(chdir("/"));
  meet("/tmp/fifo");
  chdir("/tmp");
  start("open of a FIFO, unlinked and interrupted", 0, opened);
  link("fifo", "other");
  unlink("fifo");
  pthread_kill(now.thread, SIGUSR2);
  end();
  R(open("other", O_WRONLY | O_NONBLOCK));
  unlink("other");

  signal(SIGIO, SIG_IGN);
  int f = open("leased", O_CREAT | O_RDONLY, 0600);
  R(fcntl(f, F_SETLEASE, F_RDLCK));
  path = "leased", flags = O_WRONLY;
  start("open of a file with a lease, renamed", 0, opened);
  R(rename("leased", "moved"));
  R(fcntl(f, F_SETLEASE, F_UNLCK));
  end();
  unlink("moved");

  int on[2], p[2];
  char buf[1000];
  pipe(p);
  socketpair(AF_UNIX, SOCK_DGRAM, 0, on);
  while (send(on[0], buf, sizeof buf, MSG_DONTWAIT) > 0) continue;
  sent = p[0];
  start("sendmsg with a descriptor, closed", on[0], carried);
  R(close(p[0]));
  while (recv(on[1], buf, sizeof buf, 0) > 1) continue;
  end();
}

static void addressed(void) {
  int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0), n = 0;
  char c[10];
  unlink("place");
  bind(to, (void *)&place, sizeof place);
  while (sendto(from, "", 1, MSG_DONTWAIT, (void *)&place, sizeof place) == 1) n++;
  start("sendto a name, unlinked", from, sent_to);
  R(unlink("place"));
  while (n--) recv(to, c, sizeof c, 0);
  end();
  R(recv(to, c, sizeof c, MSG_DONTWAIT));
  R(sent_to(c));
}

static void locks(void) {
  int f = open("lock", O_CREAT | O_RDWR, 0600), go[2];
  pipe(go);
  pid_t child = fork();
  if (child == 0) {
    fcntl(f, F_SETLK, &(struct flock){.l_type = F_WRLCK});
    write(go[1], "x", 1);
    usleep(200000);
    _exit(0);
  }
  char c;
  read(go[0], &c, 1);
  int g = open("lock", O_RDWR);
  start("lock, closed", f, locked);
  R(close(f));
  end();
  waitpid(child, 0, 0);
  if (fork() == 0) {
    struct flock l = {.l_type = F_WRLCK};
    fcntl(g, F_GETLK, &l);
    P("  %s\n", l.l_type == F_UNLCK ? "nobody has it" : "locked");
    exit(0);
  }
  wait(0);
  unlink("lock");
}

/* The files of calls that wait go with their process. */
static void killed(void) {
  int p[2];
  pipe(p);
  signal(SIGPIPE, SIG_IGN);
  pid_t child = fork();
  if (child == 0) {
    close(p[1]);
    start("killed", p[0], get);
    close(p[0]);
    raise(SIGKILL);
  }
  close(p[0]);
  waitpid(child, 0, 0);
  R(write(p[1], "x", 1));
}

static void ring(void) {
  struct io_uring_params params = {0};
  int r = syscall(SYS_io_uring_setup, 4, &params);
  start("io_uring_enter", r, entered);
  R(close(r));
  pthread_kill(now.thread, SIGUSR2);
  end();
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_RESTART}, 0);
  sigaction(SIGUSR2, &(struct sigaction){.sa_handler = nothing}, 0);
  chdir("/tmp");
  pipes();
  waits();
  others();
  names();
  addressed();
  locks();
  killed();
  ring();
  return 0;
}
