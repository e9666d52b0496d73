#include "guest.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
static void ids(const char *t) {
  uid_t r, e, s;
  gid_t rg, eg, sg;
  getresuid(&r, &e, &s);
  getresgid(&rg, &eg, &sg);
  gid_t g[32];
  int n = getgroups(32, g);
  printf("%s: uid %u %u %u gid %u %u %u groups", t, r, e, s, rg, eg, sg);
  for (int i = 0; i < n; i++) printf(" %u", g[i]);
  puts("");
  fflush(stdout);
}
static void child(const char *t, void (*f)(void)) {
  printf("-- %s\n", t);
  fflush(stdout);
  pid_t p = fork();
  if (!p) {
    f();
    fflush(stdout);
    _exit(0);
  }
  int st;
  waitpid(p, &st, 0);
  if (st) printf("status %x\n", st);
}
static void drop(void) {
  gid_t g[] = {5, 3, 4};
  R(setgroups(3, g));
  R(setresgid(100, 101, 102));
  R(setresuid(200, 201, 202));
  ids("dropped");
  R(setuid(0));
  R(seteuid(202));
  R(setuid(200));
  ids("after setuid");
  R(setresuid(-1, 201, -1));
  R(setresuid(0, -1, -1));
  R(setgroups(0, 0));
  R(setreuid(-1, 202));
  ids("end");
}
static void saved(void) {
  R(seteuid(1000));
  ids("seteuid");
  R(open("/etc/shadow", O_RDONLY));
  R(seteuid(0));
  R(open("/etc/shadow", O_RDONLY) > 0);
  R(setreuid(1000, 0));
  ids("setreuid");
  R(access("/etc/shadow", R_OK));
  R(faccessat(AT_FDCWD, "/etc/shadow", R_OK, AT_EACCESS));
  R(setuid(1000));
  ids("gone");
  R(setuid(0));
}
static void fs(void) {
  R(setfsuid(1000));
  R(setfsuid(-1));
  R(open("/etc/shadow", O_RDONLY));
  R(open("fsfile", O_CREAT | O_WRONLY, 0600));
  R(setfsuid(0));
}
static void files(void) {
  chmod(".", 01777);
  int f = open("owned", O_CREAT | O_RDWR, 0640);
  R(f > 0);
  fchown(f, 1000, 1000);
  R(setresuid(2000, 2000, 2000));
  R(open("owned", O_RDONLY));
  R(chmod("owned", 0666));
  R(chown("owned", 2000, -1));
  R(unlink("owned"));
  R(rename("owned", "x"));
  R(utimensat(AT_FDCWD, "owned", 0, 0));
  R(truncate("owned", 0));
  R(mknod("dev", S_IFCHR | 0600, 0x103));
  R(chroot("/"));
  R(sethostname("x", 1));
  R(kill(1, 0));
  R(kill(getppid(), SIGCONT));
  R(setpriority(PRIO_PROCESS, 0, -5));
  R(chown("/tmp", -1, -1));
  R(prctl(PR_GET_DUMPABLE));
  R(open("mine", O_CREAT | O_WRONLY, 04755) > 0);
  struct stat s;
  stat("mine", &s);
  printf("%o %d\n", s.st_mode, s.st_uid);
  R(chown("mine", 2000, 7));
  R(chmod("mine", 02755));
  stat("mine", &s);
  printf("%o\n", s.st_mode);
}
static void groups(void) {
  int f = open("grp", O_CREAT | O_RDWR, 0640);
  fchown(f, 5, 6);
  gid_t g[] = {6};
  setgroups(1, g);
  setgid(9);
  setuid(9);
  R(open("grp", O_RDONLY) > 0);
  R(open("grp", O_WRONLY));
}
static void owner(void) {
  int f = open("o0", O_CREAT | O_RDWR, 0077);
  fchown(f, 5, 5);
  fchmod(f, 0077);
  setgid(5);
  setuid(5);
  R(open("o0", O_RDONLY));
  R(chmod("o0", 0400));
  R(open("o0", O_RDONLY) > 0);
}
static void keep(void) {
  R(prctl(PR_SET_KEEPCAPS, 1));
  R(setuid(1000));
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2];
  R(syscall(SYS_capget, &h, d));
  R(d[0].effective);
  R(d[0].permitted != 0);
  d[0].effective = 1;
  R(syscall(SYS_capset, &h, d));
  int f = open("/tmp", O_RDONLY);
  R(fchown(f, 0, 0));
  close(f);
  d[0].permitted = 0;
  R(syscall(SYS_capset, &h, d));
  d[0].effective = 0;
  R(syscall(SYS_capset, &h, d));
  d[0].permitted = 1;
  R(syscall(SYS_capset, &h, d));
  R(prctl(PR_CAPBSET_READ, 0));
  R(prctl(PR_CAPBSET_READ, 99));
  R(prctl(PR_CAPBSET_DROP, 0));
}
static void nnp(void) {
  R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  R(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  R(prctl(PR_SET_NAME, "a long process name"));
  char n[17] = {0};
  prctl(PR_GET_NAME, n);
  puts(n);
  R(prctl(12345));
  R(prctl(PR_SET_PDEATHSIG, 99));
}
static void suid(void) {
  chmod(".", 0755);
  int i = open("/proc/self/exe", O_RDONLY), o = open("suid", O_CREAT | O_WRONLY, 0755);
  char b[65536];
  ssize_t n;
  while ((n = read(i, b, sizeof b)) > 0) (void)!write(o, b, n);
  fchown(o, 300, 301);
  fchmod(o, 06755);
  close(o);
  fflush(stdout);
  if (!fork()) {
    setuid(1000);
    execl("./suid", "suid", "ids", (char *)0);
    _exit(1);
  }
  wait(0);
  if (!fork()) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setuid(1000);
    execl("./suid", "suid", "ids", (char *)0);
    _exit(1);
  }
  wait(0);
  R(write(o = open("suid", O_WRONLY | O_APPEND), "x", 1));
  struct stat s;
  stat("suid", &s);
  printf("%o\n", s.st_mode);
  setuid(300);
  close(o);
}
int main(int argc, char **argv) {
  if (argc > 1) {
    ids(argv[0]);
    return 0;
  }
  ids("start");
  child("drop", drop);
  child("saved", saved);
  child("fsuid", fs);
  child("files", files);
  child("groups", groups);
  child("owner", owner);
  child("keepcaps", keep);
  child("no_new_privs", nnp);
  child("set-id", suid);
  return 0;
}
