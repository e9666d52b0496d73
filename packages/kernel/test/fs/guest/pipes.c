#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define T(e) do { errno = 0; long r_ = (long)(e); printf("%s = %ld %s\n", #e, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static char big[1 << 20];
static int ev(int ep, int max) {
  struct epoll_event e[16]; int n = epoll_wait(ep, e, max, 0);
  printf("  epoll %d:", n); for (int i = 0; i < n; i++) printf(" %d:%x", e[i].data.fd, e[i].events); printf("\n"); return n;
}
static void ino(int fd) {
  char buf[4096]; int n = read(fd, buf, sizeof buf);
  printf("  inotify %s", n < 0 ? strerror(errno) : "");
  for (char *p = buf; p < buf + n;) { struct inotify_event *e = (void *)p; printf(" [%d %x %s%s]", e->wd, e->mask, e->cookie ? "c " : "", e->len ? e->name : ""); p += sizeof *e + e->len; }
  printf("\n");
}
static volatile int got;
static void handler(int s) { got = s; }

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0); signal(SIGPIPE, SIG_IGN);
  int p[2], n, i; 
  T(pipe(p)); T(fcntl(p[0], F_GETPIPE_SZ)); T(fcntl(p[1], F_SETFL, O_NONBLOCK)); T(fcntl(p[0], F_SETFL, O_NONBLOCK)); T(read(p[0], big, 1));
  for (n = 0; write(p[1], big, 1) == 1;) n++; printf("ones %d\n", n); while (read(p[0], big, 100000) > 0);
  for (n = 0; write(p[1], big, 3000) == 3000;) n++; printf("3000s %d\n", n); T(ioctl(p[0], FIONREAD, &i)); printf("%d\n", i); T(write(p[1], big, 1000)); T(write(p[1], big, 1097)); T(write(p[1], big, 10000)); T(read(p[0], big, 2999)); T(write(p[1], big, 4096)); T(read(p[0], big, 1)); T(write(p[1], big, 4096)); T(write(p[1], big, 4096)); while (read(p[0], big, 100000) > 0);
  T(write(p[1], big, 100000)); T(read(p[0], big, 200000)); T(fcntl(p[1], F_SETPIPE_SZ, 5000)); T(fcntl(p[1], F_SETPIPE_SZ, 1)); T(write(p[1], big, 5000)); T(write(p[1], big, 1)); struct pollfd pf[2] = {{p[0], POLLIN | POLLOUT, 0}, {p[1], POLLIN | POLLOUT, 0}}; T(poll(pf, 2, 0)); printf("%x %x\n", pf[0].revents, pf[1].revents); T(read(p[0], big, 4095)); T(poll(pf, 2, 0)); printf("%x %x\n", pf[0].revents, pf[1].revents); T(read(p[0], big, 1)); T(poll(pf, 2, 0)); printf("%x %x\n", pf[0].revents, pf[1].revents); close(p[0]); T(poll(pf + 1, 1, 0)); printf("%x\n", pf[1].revents); T(write(p[1], "x", 1)); close(p[1]); T(lseek(0, 0, SEEK_CUR) >= -1); T(pipe2(p, 99));
  pipe(p); close(p[1]); T(poll(pf, 1, 0)); printf("%x\n", pf[0].revents); T(read(p[0], big, 1)); T(lseek(p[0], 0, SEEK_SET)); T(pread(p[0], big, 1, 0)); T(write(p[0], "x", 1)); T(ftruncate(p[0], 0)); T(fsync(p[0])); close(p[0]);
  T(pipe2(p, O_DIRECT | O_NONBLOCK)); T(write(p[1], "abc", 3)); T(write(p[1], "defgh", 5)); T(read(p[0], big, 2)); T(read(p[0], big, 10)); T(read(p[0], big, 10)); close(p[0]); close(p[1]);
  // blocking: data through a pipe between processes
  pipe(p); if (fork() == 0) { close(p[0]); for (i = 0; i < 1 << 20; i++) big[i] = i * 7; T(write(p[1], big, 1 << 20)); _exit(0); } close(p[1]); unsigned long sum = 0, tot = 0; while ((n = read(p[0], big, 12345)) > 0) { for (i = 0; i < n; i++) sum = sum * 31 + (unsigned char)big[i]; tot += n; } wait(0); printf("%lu %lu\n", tot, sum); close(p[0]);
  // fifo
  unlink("/tmp/ff"); T(mkfifo("/tmp/ff", 0644)); T(open("/tmp/ff", O_WRONLY | O_NONBLOCK)); int r = open("/tmp/ff", O_RDONLY | O_NONBLOCK); T(r >= 0); T(read(r, big, 1)); pf[0].fd = r; T(poll(pf, 1, 0)); printf("%x\n", pf[0].revents); int w = open("/tmp/ff", O_WRONLY | O_NONBLOCK); T(w >= 0); T(read(r, big, 1)); T(write(w, "hey", 3)); T(read(r, big, 10)); close(w); T(read(r, big, 10)); T(poll(pf, 1, 0)); printf("%x\n", pf[0].revents); close(r); int rw = open("/tmp/ff", O_RDWR); T(write(rw, "x", 1)); T(read(rw, big, 1)); close(rw); if (fork() == 0) { w = open("/tmp/ff", O_WRONLY); write(w, "from child", 10); _exit(0); } r = open("/tmp/ff", O_RDONLY); T(read(r, big, 100)); wait(0); close(r);
  struct sigaction sa = {.sa_handler = handler}; sigaction(SIGALRM, &sa, 0); alarm(1); T(open("/tmp/ff", O_RDONLY)); T(open("/tmp/ff", O_WRONLY | O_NONBLOCK)); unlink("/tmp/ff");
  // eventfd
  int e = eventfd(3, EFD_NONBLOCK); uint64_t v = 5; T(write(e, &v, 8)); T(read(e, &v, 8)); printf("%lu\n", (long)v); T(read(e, &v, 8)); T(read(e, &v, 4)); v = -1; T(write(e, &v, 8)); v = -2; T(write(e, &v, 8)); v = 1; T(write(e, &v, 8)); pf[0].fd = e; T(poll(pf, 1, 0)); printf("%x\n", pf[0].revents); close(e); e = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK); T(read(e, &v, 8)); printf("%lu\n", (long)v); T(read(e, &v, 8)); T(read(e, &v, 8)); close(e);
  // epoll
  int ep = epoll_create1(EPOLL_CLOEXEC); pipe(p); fcntl(p[1], F_SETFL, O_NONBLOCK); struct epoll_event x = {EPOLLIN, {.fd = p[0]}}; T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &x)); T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &x)); ev(ep, 10); write(p[1], "ab", 2); ev(ep, 10); ev(ep, 10); x.events = EPOLLIN | EPOLLET; T(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &x)); ev(ep, 10); ev(ep, 10); write(p[1], "c", 1); ev(ep, 10); ev(ep, 10); x.events = EPOLLIN | EPOLLONESHOT; T(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &x)); ev(ep, 10); write(p[1], "d", 1); ev(ep, 10); T(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &x)); ev(ep, 10); x.events = EPOLLOUT; x.data.fd = p[1]; T(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &x)); ev(ep, 10); T(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], 0)); T(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], 0)); T(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &x)); T(epoll_ctl(ep, 77, p[1], &x)); T(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &x)); T(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &x)); T(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &x)); int f = open("/tmp/reg", O_RDWR | O_CREAT, 0600); T(epoll_ctl(ep, EPOLL_CTL_ADD, f, &x)); T(epoll_wait(ep, (void *)big, 0, 0)); int ep2 = epoll_create(1); x.events = EPOLLIN; x.data.fd = 1000; T(epoll_ctl(ep2, EPOLL_CTL_ADD, ep, &x)); T(epoll_ctl(ep, EPOLL_CTL_ADD, ep2, &x)); x.events = EPOLLIN; x.data.fd = p[0]; T(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &x)); ev(ep2, 10); int dupd = dup(p[0]); close(p[0]); ev(ep, 10); close(dupd); ev(ep, 10); close(p[1]); close(ep2); T(epoll_create(0));
  if (fork() == 0) { usleep(20000); _exit(0); } pipe(p); x.events = EPOLLIN; x.data.fd = 7; epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &x); if (fork() == 0) { usleep(30000); write(p[1], "x", 1); _exit(0); } T(epoll_wait(ep, (void *)big, 5, 5000)); T(epoll_wait(ep, (void *)big, 5, 10)); wait(0); wait(0); read(p[0], big, 10); T(epoll_wait(ep, (void *)big, 5, 20)); alarm(1); T(epoll_wait(ep, (void *)big, 5, -1)); 
  // select, poll timeouts
  fd_set rs; FD_ZERO(&rs); FD_SET(p[0], &rs); struct timeval tv = {0, 10000}; T(select(p[0] + 1, &rs, 0, 0, &tv)); printf("%ld %d\n", (long)tv.tv_usec, FD_ISSET(p[0], &rs)); write(p[1], "y", 1); FD_SET(p[0], &rs); tv.tv_sec = 1; T(select(p[0] + 1, &rs, 0, 0, &tv)); printf("%d\n", FD_ISSET(p[0], &rs)); FD_ZERO(&rs); FD_SET(60, &rs); T(select(61, &rs, 0, 0, &tv)); T(select(-1, 0, 0, 0, 0)); pf[0].fd = 200; pf[0].events = POLLIN; T(poll(pf, 1, 0)); printf("%x\n", pf[0].revents); pf[0].fd = -5; T(poll(pf, 1, 5)); alarm(1); T(pause()); 
  // timerfd
  int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK); struct itimerspec its = {{0, 10000000}, {0, 10000000}}; T(timerfd_settime(t, 0, &its, 0)); T(read(t, &v, 8)); usleep(35000); T(read(t, &v, 8)); printf("%d\n", v == 3); T(read(t, &v, 4)); struct itimerspec o; T(timerfd_gettime(t, &o)); printf("%ld %d\n", (long)o.it_interval.tv_nsec, o.it_value.tv_nsec > 0); its.it_value.tv_nsec = 2000000000; T(timerfd_settime(t, 0, &its, 0)); T(timerfd_create(99, 0)); T(timerfd_settime(p[0], 0, &o, 0)); close(t);
  // signalfd
  sigset_t ss; sigemptyset(&ss); sigaddset(&ss, SIGUSR1); sigaddset(&ss, SIGCHLD); sigprocmask(SIG_BLOCK, &ss, 0); int sf = signalfd(-1, &ss, SFD_NONBLOCK); struct signalfd_siginfo si; T(read(sf, &si, sizeof si)); kill(getpid(), SIGUSR1); pf[0].fd = sf; T(poll(pf, 1, 0)); T(read(sf, &si, sizeof si)); printf("%d %d %d\n", si.ssi_signo, si.ssi_code, si.ssi_pid == getpid()); int fl = fcntl(sf, F_GETFL); fcntl(sf, F_SETFL, 0); if (fork() == 0) _exit(9); T(read(sf, &si, sizeof si)); printf("%d %d %d\n", si.ssi_signo, si.ssi_code, si.ssi_status); wait(0); T(read(sf, &si, 10)); close(sf);
  // inotify
  system("rm -rf /dev/shm/in; mkdir /dev/shm/in"); chdir("/dev/shm/in"); int in = inotify_init1(IN_NONBLOCK); T(inotify_add_watch(in, ".", IN_ALL_EVENTS)); f = open("a", O_CREAT | O_RDWR, 0600); ino(in); write(f, "x", 1); write(f, "y", 1); ino(in); lseek(f, 0, 0); read(f, big, 1); close(f); ino(in); chmod("a", 0644); ino(in); rename("a", "b"); ino(in); mkdir("d", 0700); symlink("b", "s"); link("b", "c"); ino(in); T(inotify_add_watch(in, "b", IN_ALL_EVENTS)); unlink("c"); ino(in); truncate("b", 0); ino(in); unlink("b"); ino(in); rmdir("d"); ino(in); T(inotify_add_watch(in, "s", IN_ALL_EVENTS)); T(inotify_add_watch(in, "s", IN_ALL_EVENTS | IN_DONT_FOLLOW)); T(inotify_add_watch(in, ".", IN_CREATE | IN_ONESHOT)); close(open("o1", O_CREAT | O_RDWR, 0600)); close(open("o2", O_CREAT | O_RDWR, 0600)); ino(in); T(inotify_rm_watch(in, 1)); T(inotify_add_watch(in, "o1", IN_ONLYDIR | IN_OPEN)); T(inotify_add_watch(in, "o1", 0)); T(inotify_rm_watch(in, 99)); f = open("o1", O_RDWR); int wd = inotify_add_watch(in, "o1", IN_DELETE_SELF | IN_ATTRIB); unlink("o1"); ino(in); close(f); ino(in); T(read(in, big, 3)); close(in);
  // splice and friends
  f = open("sp", O_CREAT | O_RDWR | O_TRUNC, 0600); for (i = 0; i < 20000; i++) big[i] = 'a' + i % 26; write(f, big, 20000); loff_t off = 5; int q[2]; pipe(q); T(splice(f, &off, q[1], 0, 10000, 0)); printf("%ld\n", (long)off); T(tee(q[0], p[1], 100, 0)); T(read(p[0], big + 100000, 1)); T(read(p[0], big + 100000, 200)); printf("%.5s\n", big + 100000); int g = open("sp2", O_CREAT | O_RDWR | O_TRUNC, 0600); T(splice(q[0], 0, g, 0, 100000, 0)); T(lseek(g, 0, SEEK_CUR)); T(splice(f, 0, g, 0, 10, 0)); T(splice(q[0], &off, g, 0, 10, 0)); T(splice(q[0], 0, g, 0, 10, SPLICE_F_NONBLOCK)); struct iovec iv = {"vm", 2}; T(vmsplice(q[1], &iv, 1, 0)); T(splice(q[0], 0, p[1], 0, 10, 0)); T(read(p[0], big, 10)); off = 3; T(sendfile(g, f, &off, 100)); printf("%ld\n", (long)off); lseek(f, 0, SEEK_SET); T(sendfile(q[1], f, 0, 10)); T(read(q[0], big, 100)); T(sendfile(g, q[0], 0, 10)); T(copy_file_range(f, 0, g, 0, 5000, 0)); lseek(f, 0, SEEK_SET); T(copy_file_range(f, 0, g, 0, 5000, 0)); T(copy_file_range(f, 0, f, 0, 5000, 0)); T(copy_file_range(f, 0, q[1], 0, 5, 0)); chdir("/"); return system("rm -rf /dev/shm/in /tmp/reg");
}
