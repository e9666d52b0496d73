// Files in a folder, as a granted folder of the host must have them (packages/vitrine/test/volumes.test.ts runs it
// there, too): identity of hard links and of files without a name, mappings, renames, locks, FIFOs, sockets.
#include "guest.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

static int shut(int fd) {
  if (fd >= 0)
    close(fd);
  return fd < 0 ? fd : 0;
}

static int make(const char *name) {
  return shut(open(name, O_CREAT | O_WRONLY, 0644));
}

static void show(const char *name) {
  char b[100];
  int f = open(name, O_RDONLY);
  int n = read(f, b, 99);
  b[n > 0 ? n : 0] = 0;
  close(f);
  P("%s: %s\n", name, b);
}

static char b[8192];
static struct stat s, t;

static void links(void) {
  R(shut(open("a", O_CREAT | O_EXCL | O_RDWR, 0644)));
  int f = open("a", O_RDWR);
  R(write(f, "hello", 5));
  R(link("a", "b"));
  stat("a", &s);
  stat("b", &t);
  P("same %d, links %d\n", s.st_ino == t.st_ino, (int)s.st_nlink);
  R(rename("b", "a"));
  R(access("b", F_OK));
  R(unlink("b"));
  fstat(f, &s);
  P("links %d\n", (int)s.st_nlink);
  close(f);
}

static void mappings(void) {
  int f = open("a", O_RDWR);
  R(ftruncate(f, 12288));
  char *m = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
  char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
  memcpy(p, "own", 3);
  memcpy(m + 4096, "mapped", 6);
  R(pwrite(f, "written", 7, 8192));
  P("%.5s %.6s %.7s\n", m, m + 4096, m + 8192);
  memset(b, 0, 20);
  R(pread(f, b, 6, 4096));
  P("read what was stored: %s\n", b);
  memcpy(m, "HELLO", 5);
  R(msync(m, 4096, MS_SYNC));
  show("a");
  P("private: %.5s\n", p);
  R(ftruncate(f, 4096));
  R(ftruncate(f, 12288));
  P("%d %d %.5s\n", m[4096], m[8192], m);
  INPROC(0, m[5000] = 'c');
  P("a child's store: %c\n", m[5000]);
  close(f);
  m[100] = 'Z';
  munmap(m, 12288);
  f = open("a", O_RDONLY);
  pread(f, b, 1, 100);
  P("after munmap: %c\n", b[0]);
  close(f);
}

static void sparse(void) {
  int f = open("sp", O_CREAT | O_RDWR, 0600);
  R(pwrite(f, "x", 1, 5L << 30));
  fstat(f, &s);
  P("size %ld, few blocks %d\n", (long)s.st_size, s.st_blocks < 100);
  R(lseek(f, 0, SEEK_END));
  R(pread(f, b, 2, (5L << 30) - 1));
  P("%d %d\n", b[0], b[1]);
  char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 5L << 30);
  P("%c\n", m[0]);
  munmap(m, 4096);
  R(unlink("sp"));
  R(pread(f, b, 1, 5L << 30));
  fstat(f, &s);
  P("links %d\n", (int)s.st_nlink);
  close(f);
}

static void names(void) {
  R(mkdir("d\xff\xfe", 0755));
  R(make("d\xff\xfe/\xc3\x28 \n\t"));
  DIR *d = opendir("d\xff\xfe");
  for (struct dirent *e; (e = readdir(d));)
    if (e->d_name[0] != '.')
      for (char *p = e->d_name; *p; p++)
        P("%02x", *p & 255);
  P("\n");
  closedir(d);
  memset(b, 'n', 256);
  b[256] = 0;
  R(make(b));
  b[255] = 0;
  R(make(b));
  R(unlink(b));
}

static void times(const char *name, long a, long an, long m, long mn) {
  struct timespec ts[2] = {{a, an}, {m, mn}};
  R(utimensat(AT_FDCWD, name, ts, AT_SYMLINK_NOFOLLOW));
  lstat(name, &s);
  /* Node 24 sets what a double of seconds holds, to the nanosecond. */
  P("%ld.%06ld %ld.%06ld\n", s.st_atim.tv_sec, (s.st_atim.tv_nsec + 500) / 1000, s.st_mtim.tv_sec,
    (s.st_mtim.tv_nsec + 500) / 1000);
}

static void attributes(void) {
  R(chmod("a", 04755));
  stat("a", &s);
  P("%o\n", s.st_mode);
  R(chown("a", 12, 34));
  stat("a", &s);
  P("%o %d %d\n", s.st_mode, s.st_uid, s.st_gid);
  R(symlink("a", "l"));
  R(lchown("l", 5, 6));
  lstat("l", &s);
  P("%d %d size %ld mode %o\n", s.st_uid, s.st_gid, (long)s.st_size, s.st_mode);
  times("a", 1, 500000000, 1000000000, 123456000);
  times("a", -5, 0, -1, 250000000);
  times("l", 7, 0, 4294967301, 0);
  chmod(".", 0777);
  INPROC(1000, make("theirs"));
  stat("theirs", &s);
  P("%d %d %o\n", s.st_uid, s.st_gid, s.st_mode);
  INPROC(1000, R(open("a", O_WRONLY)); R(open("d\xff\xfe/x", O_CREAT | O_WRONLY, 0600)));
}

static void locks(void) {
  int f = open("ap", O_CREAT | O_RDWR, 0644), g = open("ap", O_RDWR);
  struct flock fl = {.l_type = F_WRLCK};
  R(flock(f, LOCK_EX));
  R(flock(g, LOCK_EX | LOCK_NB));
  close(f);
  R(flock(g, LOCK_EX | LOCK_NB));
  R(fcntl(g, F_OFD_SETLK, &fl));
  f = open("ap", O_RDWR);
  R(fcntl(f, F_OFD_SETLK, &fl));
  close(f);
  close(g);
  f = open("ap", O_WRONLY | O_APPEND);
  write(f, "1", 1);
  g = open("ap", O_WRONLY | O_APPEND);
  write(g, "2", 1);
  write(f, "3", 1);
  R(pwrite(f, "4", 1, 0));
  show("ap");
  close(f);
  close(g);
  R(shut(open("ap", O_WRONLY | O_TRUNC)));
  stat("ap", &s);
  P("%ld\n", (long)s.st_size);
}

static void renames(void) {
  make("r1");
  make("r2");
  R(syscall(SYS_renameat2, AT_FDCWD, "r1", AT_FDCWD, "r2", 1));
  R(rename("r1", "r2"));
  R(mkdir("rd", 0755));
  R(rename("r2", "rd"));
  R(rename("rd", "r2"));
  R(rename("rd", "rd/x"));
  R(rmdir("rd"));
  mkdir("x", 0755);
  mkdir("y", 0755);
  make("y/f");
  R(rename("x", "y"));
  R(rmdir("y"));
  R(unlink("y"));
  R(rmdir("y/f"));
  int f = open("x", O_RDONLY | O_DIRECTORY);
  R(rename("x", "x2"));
  R(shut(openat(f, "in", O_CREAT | O_WRONLY, 0644)));
  R(access("x2/in", F_OK));
  R(unlinkat(f, "in", 0));
  R(rmdir("x2"));
  R(shut(openat(f, "in", O_CREAT | O_WRONLY, 0644)));
  fstat(f, &s);
  P("links %d\n", (int)s.st_nlink);
  close(f);
  int home = open(".", O_RDONLY);
  mkdir("cwd", 0755);
  chdir("cwd");
  R(rename("../cwd", "../cwd2"));
  P("%s\n", strrchr(getcwd(b, 4096), '/'));
  R(rmdir("../cwd2"));
  OK((long)getcwd(b, 4096) ?: -1);
  fchdir(home);
  close(home);
}

static void nodes(void) {
  R(mkfifo("ff", 0644));
  fflush(0);
  if (!fork()) {
    int f = open("ff", O_WRONLY);
    write(f, "through", 7);
    _exit(0);
  }
  int r = open("ff", O_RDONLY);
  memset(b, 0, 20);
  R(read(r, b, 20));
  P("%s\n", b);
  close(r);
  wait(0);
  stat("ff", &s);
  P("%o\n", s.st_mode);
  R(rename("ff", "ff2"));
  R(unlink("ff2"));
  mkdir("fd", 0755);
  mkdir("fe", 0755);
  R(mkfifo("fd/f", 0600));
  R(rmdir("fd"));
  R(rename("fe", "fd"));
  R(lstat("fd/f", &s));
  R(unlink("fd/f"));
  R(rename("fe", "fd"));
  R(rmdir("fd"));
  R(mknod("nn", S_IFREG | 0600, 0));
  struct sockaddr_un u = {AF_UNIX, "so"};
  int k = socket(AF_UNIX, SOCK_STREAM, 0), q = socket(AF_UNIX, SOCK_STREAM, 0);
  R(bind(k, (void *)&u, sizeof u));
  R(bind(q, (void *)&u, sizeof u));
  R(listen(k, 1));
  R(connect(q, (void *)&u, sizeof u));
  stat("so", &s);
  P("%o\n", s.st_mode);
  R(open("so", O_RDONLY));
  R(unlink("so"));
  q = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(q, (void *)&u, sizeof u));
}

static void nameless(void) {
  int f = open("u", O_CREAT | O_RDWR, 0600);
  write(f, "data", 4);
  unlink("u");
  R(pread(f, b, 4, 0));
  R(pwrite(f, "D", 1, 0));
  R(ftruncate(f, 2));
  R(fchmod(f, 0640));
  R(fchown(f, 1, 2));
  R(futimens(f, 0));
  fstat(f, &s);
  P("%ld %o %d %d\n", (long)s.st_size, s.st_mode, s.st_uid, (int)s.st_nlink);
  sprintf(b, "/proc/self/fd/%d", f);
  R(shut(open(b, O_RDWR)));
  char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
  m[0] = 'M';
  R(pread(f, b, 1, 0));
  P("%c\n", b[0]);
  close(f);
  f = open("rep", O_CREAT | O_RDWR, 0600);
  write(f, "old", 3);
  int g = open("rep.new", O_CREAT | O_RDWR, 0600);
  write(g, "newer", 5);
  rename("rep.new", "rep");
  fstat(f, &s);
  stat("rep", &t);
  P("old %ld, links %d; new %ld; other file %d\n", (long)s.st_size, (int)s.st_nlink, (long)t.st_size, s.st_ino != t.st_ino);
  R(ftruncate(f, 1));
  show("rep");
  close(f);
  close(g);
}

static void errors(void) {
  R(truncate("rep", 3));
  show("rep");
  R(truncate("nope", 3));
  R(unlink("nope"));
  R(rmdir("nope"));
  R(mkdir("a", 0755));
  R(mkdir("a/b", 0755));
  R(link("d\xff\xfe", "dl"));
  R(link("nope", "x9"));
  R(link("a", "rep"));
  R(symlink("a", "rep"));
  R(symlink("", "e"));
  R(readlink("a", b, 9));
  R(open("a/", O_RDONLY));
  R(unlink("l/"));
  R(open("l", O_RDONLY | O_NOFOLLOW));
  R(open(".", O_WRONLY));
  R(open("a", O_DIRECTORY));
}

static void many(void) {
  for (int i = 0; i < 300; i++) {
    sprintf(b, "many%03d", i);
    make(b);
  }
  DIR *d = opendir(".");
  int n = 0;
  struct dirent *e;
  while ((e = readdir(d)))
    if (!strncmp(e->d_name, "many", 4)) {
      unlink(e->d_name);
      n++;
    }
  closedir(d);
  P("removed while reading: %d\n", n);
}

int main(int argc, char **argv) {
  umask(022);
  if (argc > 1)
    chdir(argv[1]);
  mkdir("w", 0755);
  chdir("w");
  links();
  mappings();
  sparse();
  names();
  attributes();
  locks();
  renames();
  nodes();
  nameless();
  errors();
  many();
  chdir("..");
  system("rm -rf w");
  return 0;
}
