// landlock(7): rulesets and their errors, rules on files and directories, layers, links and renames between directories, what
// open files keep, mounts, signals and abstract sockets.
#include "guest.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
  EXECUTE = 1, WRITE = 2, READ = 4, READ_DIR = 8, RMDIR = 16, RMFILE = 32, MKCHAR = 64, MKDIR = 128, MKREG = 256,
  MKSOCK = 512, MKFIFO = 1024, MKBLOCK = 2048, MKSYM = 4096, REFER = 8192, TRUNCATE = 16384, IOCTL = 32768
};
struct attr {
  uint64_t fs, net, scoped, more;
};
struct beneath {
  uint64_t access;
  int fd;
} __attribute__((packed));

static int create(uint64_t fs, uint64_t scoped) {
  struct attr a = {fs, 0, scoped};
  return syscall(444, &a, 24, 0);
}
static int add(int r, const char *path, uint64_t access) {
  struct beneath b = {access, open(path, O_PATH)};
  int e = syscall(445, r, 1, &b, 0);
  int saved = errno;
  close(b.fd);
  errno = saved;
  return e;
}
static int restrict_(int r) { return syscall(446, r, 0); }
static int touch(const char *path) {
  int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0644);
  if (fd >= 0) close(fd);
  return fd < 0 ? -1 : 0;
}
static int try_open(const char *path, int flags) {
  int fd = open(path, flags);
  if (fd >= 0) close(fd);
  return fd < 0 ? -1 : 0;
}

static void errors(void) {
  struct attr a = {READ}, more = {READ, 0, 0, 1}, none = {0}, all = {0xffff, 3, 3};
  R(syscall(444, 0, 0, 4));
  R(syscall(444, 0, 0, 0));
  R(syscall(444, &a, 0, 1));
  R(syscall(444, 0, 8, 1));
  R(syscall(444, &a, 7, 0));
  R(syscall(444, 0, 8, 0));
  R(syscall(444, 8, 8, 0));
  R(syscall(444, &a, 4097, 0));
  R(syscall(444, &more, 32, 0));
  R(syscall(444, &none, 24, 0));
  a.fs = 1 << 16;
  R(syscall(444, &a, 8, 0));
  a.fs = READ, a.net = 4;
  R(syscall(444, &a, 16, 0));
  a.net = 0, a.scoped = 4;
  R(syscall(444, &a, 24, 0));
  R(syscall(444, &all, 24, 0));
  int r = create(READ | READ_DIR | MKREG, 0);
  P("ruleset %d, %d\n", r, fcntl(r, F_GETFD));
  char b[64] = "";
  readlink("/proc/self/fd/4", b, 63);
  P("%s\n", b);
  R(read(r, b, 1));
  R(write(r, b, 1));
  R(lseek(r, 0, SEEK_SET));
  R(add(r, "/", 0));
  R(add(r, "/", WRITE));
  R(add(r, "/", READ | MKREG));
  R(add(r, "/", READ));
  touch("plain");
  R(add(r, "plain", READ));
  R(add(r, "plain", READ | MKREG));
  struct beneath no = {READ, 99};
  R(syscall(445, r, 1, &no, 0));
  no.fd = r;
  R(syscall(445, r, 1, &no, 0));
  int p[2];
  pipe(p);
  no.fd = p[0];
  R(syscall(445, r, 1, &no, 0));
  R(syscall(445, r, 1, 8, 0));
  R(syscall(445, r, 1, &no, 1));
  R(syscall(445, r, 7, &no, 0));
  R(syscall(445, p[0], 1, &no, 0));
  R(syscall(445, 99, 1, &no, 0));
  R(syscall(446, r, 64));
  R(syscall(446, p[0], 0));
  R(syscall(446, 99, 0));
  INPROC(1000, R(restrict_(r)); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); R(restrict_(r)); R(restrict_(p[0])));
  INPROC(0, {
    int n = 0;
    while (restrict_(r) == 0) n++;
    P("%d layers, errno %d\n", n, errno);
  });
  close(p[0]);
  close(p[1]);
  close(r);
}

static void tree(void) {
  mkdir("a", 0755), mkdir("a/b", 0755), mkdir("c", 0755), mkdir("c/d", 0755);
  touch("a/f"), touch("a/b/f"), touch("c/f"), touch("c/d/f"), touch("c/d/g");
  symlink("../a/f", "c/link");
  mknod("c/null", S_IFCHR | 0666, 1 << 8 | 3);
}

static void basics(void) {
  int r = create(0xffff, 0);
  add(r, "a", READ | READ_DIR | MKREG | MKDIR | MKSYM | MKFIFO | RMFILE);
  add(r, "c/d", READ_DIR | WRITE);
  add(r, "c/d/f", READ | TRUNCATE);
  int early = open("c/f", O_RDWR), dir = open("c", O_RDONLY);
  R(restrict_(r));
  R(try_open("a/f", O_RDONLY));
  R(try_open("a/f", O_WRONLY));
  R(try_open("a/b", O_RDONLY | O_DIRECTORY));
  R(try_open("c", O_RDONLY | O_DIRECTORY));
  R(try_open("c", O_PATH));
  R(try_open("c/f", O_RDONLY));
  R(try_open("c/link", O_RDONLY));
  R(try_open("c/d/f", O_RDWR));
  R(try_open("c/d/f", O_RDWR | O_TRUNC));
  R(try_open("c/d/g", O_WRONLY));
  R(try_open("c/d/g", O_WRONLY | O_TRUNC));
  R(truncate("c/d/g", 0));
  R(truncate("c/d/f", 1));
  int fd = open("c/d/g", O_WRONLY);
  R(ftruncate(fd, 0));
  R(write(fd, "xy", 2));
  R(ftruncate(early, 0));
  R(write(early, "x", 1));
  R(openat(dir, "f", O_RDONLY));
  R(touch("a/new"));
  R(touch("c/new"));
  R(mkdir("a/dir", 0755));
  R(rmdir("a/dir"));
  R(unlink("a/new"));
  R(mkfifo("a/fifo", 0600));
  R(mkfifo("c/fifo", 0600));
  R(mknod("a/sock", S_IFSOCK | 0600, 0));
  R(mknod("a/chr", S_IFCHR | 0600, 1 << 8 | 3));
  R(mknod("a/blk", S_IFBLK | 0600, 1 << 8 | 3));
  R(symlink("x", "a/sym"));
  R(symlink("x", "c/sym"));
  R(link("a/f", "a/hard"));
  R(rename("a/hard", "a/hard2"));
  R(rename("a/f", "a/b/moved"));
  R(rename("a/f", "c/moved"));
  R(mkdir("a", 0755));
  R(unlink("c/nothing"));
  R(open("a", O_TMPFILE | O_RDWR, 0600));
  R(access("c/f", R_OK | W_OK));
  struct stat st;
  R(stat("c/f", &st));
  R(chmod("c/f", 0600));
  R(chdir("c"));
  R(execl("/proc/self/exe", "x", "exit", (char *)0));
  R(mount("none", "a", "tmpfs", 0, 0));
  R(umount("/"));
}

static void devices(void) {
  int r = create(IOCTL | TRUNCATE, 0), before = open("c/null", O_RDWR), size;
  restrict_(r);
  int fd = open("c/null", O_RDWR), p[2];
  pipe(p);
  R(ioctl(fd, TCGETS, &size));
  R(ioctl(fd, FIONREAD, &size));
  R(ioctl(fd, FIONBIO, &size));
  R(ioctl(fd, FIOCLEX));
  R(ioctl(before, TCGETS, &size));
  R(ioctl(p[0], FIONREAD, &size));
}

static void refer(void) {
  int r = create(READ | WRITE | REFER | MKREG | RMFILE, 0);
  add(r, "a", REFER | MKREG | RMFILE | READ);
  add(r, "c", REFER | MKREG | RMFILE | READ | WRITE);
  add(r, "c/d", READ);
  INPROC(0, {
    R(restrict_(r));
    R(rename("a/f", "c/from-a"));
    R(rename("c/f", "a/from-c"));
    R(link("c/f", "a/from-c"));
    R(link("c/f", "c/d/x"));
    R(rename("a/b/f", "a/up"));
    R(syscall(SYS_renameat2, AT_FDCWD, "a/up", AT_FDCWD, "c/f", 2));
    R(syscall(SYS_renameat2, AT_FDCWD, "c/d/f", AT_FDCWD, "c/f", 2));
    R(syscall(SYS_renameat2, AT_FDCWD, "c/none", AT_FDCWD, "c/f", 2));
    R(rename("a/b", "c/b"));
    R(rename("plain", "a/plain"));
    R(rename("plain", "plain2"));
  });
  close(r);
  r = create(READ, 0);
  add(r, "/", READ);
  // REFER is denied in any case.
  INPROC(0, R(restrict_(r)); R(rename("a/up", "c/up")); R(rename("a/up", "a/up2")); R(try_open("c/f", O_RDONLY)));
  close(r);
}

static void layers(void) {
  int one = create(READ | WRITE, 0), two = create(WRITE, 0);
  add(one, "a", READ), add(one, "c", READ | WRITE), add(two, "c/d", WRITE);
  INPROC(0, {
    restrict_(one), restrict_(two);
    R(try_open("a/b", O_RDONLY));
    R(try_open("c/f", O_RDONLY));
    R(try_open("c/f", O_WRONLY));
    R(try_open("c/d/g", O_RDWR));
    add(two, "c", WRITE);
    R(try_open("c/f", O_WRONLY));
    INPROC(0, R(try_open("c/f", O_WRONLY)); R(try_open("a/up2", O_WRONLY)));
  });
  close(one), close(two);
  // A ruleset without files leaves mounts alone.
  INPROC(0, restrict_(create(0, 3)); R(mount("none", "/nowhere", "tmpfs", 0, 0)); R(rename("a/up2", "c/up2")));
}

static int named(const char *name, int type) {
  struct sockaddr_un u = {AF_UNIX};
  memcpy(u.sun_path, name, strlen(name + 1) + 1);
  int s = socket(AF_UNIX, type, 0);
  if (bind(s, (void *)&u, 2 + strlen(name + 1) + 1) < 0) P("bind errno %d\n", errno);
  if (type != SOCK_DGRAM) listen(s, 5);
  return s;
}
static int reach(const char *name, int type) {
  struct sockaddr_un u = {AF_UNIX};
  memcpy(u.sun_path, name, strlen(name + 1) + 1);
  int s = socket(AF_UNIX, type, 0), e = connect(s, (void *)&u, 2 + strlen(name + 1) + 1), saved = errno;
  if (type == SOCK_DGRAM) {
    int s2 = socket(AF_UNIX, type, 0);
    R(sendto(s2, "x", 1, 0, (void *)&u, 2 + strlen(name + 1) + 1));
    close(s2);
  }
  close(s);
  errno = saved;
  return e;
}

static void scopes(void) {
  char stream[32], dgram[32], inner[32];
  sprintf(stream, "@s%d", getpid()), sprintf(dgram, "@d%d", getpid()), sprintf(inner, "@i%d", getpid());
  stream[0] = dgram[0] = inner[0] = 0;
  int s = named(stream, SOCK_STREAM), d = named(dgram, SOCK_DGRAM), p = named("./path", SOCK_STREAM);
  pid_t parent = getpid();
  INPROC(0, {
    int c = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un u = {AF_UNIX};
    memcpy(u.sun_path, dgram, strlen(dgram + 1) + 1);
    connect(c, (void *)&u, 2 + strlen(dgram + 1) + 1);
    restrict_(create(0, 1));
    P("stream\n");
    R(reach(stream, SOCK_STREAM));
    P("datagram\n");
    R(reach(dgram, SOCK_DGRAM));
    R(send(c, "x", 1, 0));
    R(reach("./path", SOCK_STREAM));
    R(kill(parent, 0));
    int i = named(inner, SOCK_STREAM);
    R(reach(inner, SOCK_STREAM));
    INPROC(0, restrict_(create(0, 3)); R(reach(inner, SOCK_STREAM)));
    INPROC(0, R(reach(inner, SOCK_STREAM)));
    close(i);
  });
  INPROC(0, {
    restrict_(create(0, 2));
    R(reach(stream, SOCK_STREAM));
    R(kill(parent, 0));
    R(kill(getpid(), 0));
    pid_t c = fork();
    if (!c) {
      R(kill(getppid(), 0));
      restrict_(create(0, 2));
      R(kill(getppid(), 0));
      pause();
    }
    msleep(100);
    R(kill(c, SIGKILL));
    wait(0);
  });
  INPROC(0, {
    restrict_(create(READ, 0));
    char b[4];
    struct iovec io = {b, 4};
    struct iovec from = {&parent, 4};
    R(kill(parent, 0));
    R(syscall(SYS_process_vm_readv, parent, &io, 1, &from, 1, 0));
    pid_t c = fork();
    if (!c) pause();
    R(syscall(SYS_process_vm_readv, c, &io, 1, &from, 1, 0));
    kill(c, SIGKILL);
    wait(0);
  });
  close(s), close(d), close(p);
}

/* What is looked at before the rules: whether the mount may be written, and whether the name is there. */
static void order(void) {
  R(unshare(CLONE_NEWNS));
  R(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  R(mkdir("ro", 0777));
  R(mount("t", "ro", "tmpfs", 0, 0));
  R(touch("ro/there"));
  R(mount(0, "ro", 0, MS_REMOUNT | MS_RDONLY, 0));
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  R(restrict_(create(8191, 0)));
  R(try_open("ro/new", O_CREAT | O_WRONLY));
  R(try_open("ro/there", O_CREAT | O_WRONLY));
  R(try_open("ro/there", O_CREAT | O_EXCL | O_WRONLY));
  R(try_open("ro/there", O_RDONLY | O_TRUNC));
  R(try_open("ro/there", O_RDONLY));
  R(unlink("ro/there"));
  R(unlink("ro/none/at/all"));
  R(mkdir("ro/new", 0777));
  R(mkdir("ro/there", 0777));
  R(unlink("none"));
  R(unlink("a/"));
  R(unlink("a"));
  R(rmdir("a"));
  R(rmdir("a/f"));
  R(rename("a", "c"));
  R(syscall(SYS_renameat2, AT_FDCWD, "a/f", AT_FDCWD, "c/f", 1));
  R(link("a", "c/a"));
  R(mount("a", "none", 0, MS_BIND, 0));
  R(umount2("a", MNT_DETACH));
  R(umount2("/proc", MNT_DETACH));
}

int main(int argc, char **argv) {
  if (argc > 1) return 7;
  char dir[] = "/tmp/landlock-XXXXXX";
  mkdtemp(dir), chdir(dir);
  errors();
  tree();
  INCHILD(basics());
  INCHILD(devices());
  refer();
  layers();
  scopes();
  INCHILD(order());
  chdir("/");
  char rm[64];
  sprintf(rm, "rm -r %s", dir);
  return system(rm) ? 1 : 0;
}
