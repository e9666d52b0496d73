/* What exec makes of ids, capabilities, dumpability and PDEATHSIG, and what takes set-id bits and
 * file capabilities away. */
#include "guest.h"
#include <sys/prctl.h>
#include <grp.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <linux/capability.h>
#include <sys/xattr.h>
static void show(const char *w) {
  uid_t a, b, c;
  gid_t d, e, f;
  getresuid(&a, &b, &c);
  getresgid(&d, &e, &f);
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct k[2];
  syscall(SYS_capget, &h, k);
  char l[200];
  int pd = 77;
  prctl(PR_GET_PDEATHSIG, &pd);
  P("%s: u %d %d %d g %d %d %d fs %ld %ld secure %ld dump %d keep %d pd %d eff %x perm %x inh %x "
    "amb0 %d nnp %d\n",
    w, a, b, c, d, e, f, syscall(SYS_setfsuid, -1), syscall(SYS_setfsgid, -1), getauxval(AT_SECURE),
    prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), pd, k[0].effective & 0xffff,
    k[0].permitted & 0xffff, k[0].inheritable & 0xffff, prctl(PR_CAP_AMBIENT, 1, 5, 0, 0),
    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}
static char me[256];
static void run(const char *w, const char *p, void (*pre)(void)) {
  fflush(0);
  pid_t c = fork();
  if (!c) {
    if (pre) pre();
    execl(p, "show", w, (char *)0);
    P("%s exec %d\n", w, errno);
    _exit(1);
  }
  int st;
  waitpid(c, &st, 0);
  if (st) P("st %x\n", st);
}
static void mk(const char *p, int m, int u, int g) {
  char cmd[600];
  sprintf(cmd, "cp %s %s", me, p);
  system(cmd);
  chown(p, u, g);
  chmod(p, m);
}
static void u1(void) {
  setgroups(0, 0);
  setgid(1000);
  setuid(1000);
}
static void u1n(void) {
  u1();
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
static void u1p(void) {
  u1();
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
}
static void rs(void) {
  setresuid(1000, 0, 0);
}
static void rs2(void) {
  setresuid(0, 1000, 0);
}
static void keep(void) {
  prctl(PR_SET_KEEPCAPS, 1);
}
static void noroot(void) {
  prctl(PR_SET_SECUREBITS, 1);
}
static void dumpz(void) {
  prctl(PR_SET_DUMPABLE, 0);
}
static void amb(void) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct k[2];
  syscall(SYS_capget, &h, k);
  k[0].inheritable |= 1 << 5;
  syscall(SYS_capset, &h, k);
  prctl(PR_SET_KEEPCAPS, 1);
  setgroups(0, 0);
  setgid(1000);
  setuid(1000);
  syscall(SYS_capget, &h, k);
  k[0].effective = k[0].permitted = k[0].inheritable = 1 << 5;
  syscall(SYS_capset, &h, k);
  prctl(PR_CAP_AMBIENT, 2, 5, 0, 0);
}
static void bset(void) {
  prctl(PR_CAPBSET_DROP, 5);
}
static void fscap(const char *p, unsigned perm, unsigned inh, int eff) {
  struct vfs_cap_data d = {VFS_CAP_REVISION_2 | eff, {{perm, inh}, {0, 0}}};
  R(setxattr(p, "security.capability", &d, sizeof d, 0));
}
int main(int ac, char **av) {
  if (!strcmp(av[0], "show")) {
    show(av[1]);
    return 0;
  }
  me[readlink("/proc/self/exe", me, 255)] = 0;
  mkdir("/tmp/sx", 0755);
  chdir("/tmp/sx");
  drop_sys_resource();
  prctl(PR_CAPBSET_DROP, 24);
  mk("plain", 0755, 0, 0);
  mk("su", 04755, 2000, 2001);
  mk("sg", 02755, 2000, 2001);
  mk("sug", 06755, 2000, 2001);
  mk("sgnox", 02745, 2000, 2001);
  mk("sur", 04755, 0, 0);
  mk("noread", 0711, 0, 0);
  mk("cap", 0755, 0, 0);
  mk("capi", 0755, 0, 0);
  mk("capsu", 04755, 2000, 0);
  fscap("cap", 1 << 5, 0, 1);
  fscap("capi", 0, 1 << 5, 1);
  fscap("capsu", 1 << 6, 0, 0);
  run("root plain", "./plain", 0);
  run("user plain", "./plain", u1);
  run("user su", "./su", u1);
  run("user sg", "./sg", u1);
  run("user sug", "./sug", u1);
  run("user sgnox", "./sgnox", u1);
  run("user suroot", "./sur", u1);
  run("root su", "./su", 0);
  run("root suroot", "./sur", 0);
  run("nnp suroot", "./sur", u1n);
  run("pd suroot", "./sur", u1p);
  run("pd plain", "./plain", u1p);
  run("noread", "./noread", u1);
  run("root noread", "./noread", 0);
  run("ruid user euid root", "./plain", rs);
  run("euid user", "./plain", rs2);
  run("keepcaps", "./plain", keep);
  run("noroot", "./plain", noroot);
  run("dump 0", "./plain", dumpz);
  run("fcap", "./cap", u1);
  run("fcap nnp", "./cap", u1n);
  run("fcap root", "./cap", 0);
  run("fcapi", "./capi", u1);
  run("amb plain", "./plain", amb);
  run("amb capi", "./capi", amb);
  run("amb cap", "./cap", amb);
  run("amb su", "./su", amb);
  run("capsu", "./capsu", u1);
  run("bset root", "./plain", bset);
  run("bset fcap", "./cap", bset);
  fflush(0);
  if (!fork()) {
    bset();
    u1();
    execl("./cap", "show", "bset user fcap", (char *)0);
    P("exec %d\n", errno);
    _exit(0);
  }
  wait(0);
  mkdir("m", 0755);
  if (!mount("t", "m", "tmpfs", MS_NOSUID, 0)) {
    mk("m/sur", 04755, 0, 0);
    mk("m/cap", 0755, 0, 0);
    fscap("m/cap", 1 << 5, 0, 1);
    run("nosuid suroot", "m/sur", u1);
    run("nosuid cap", "m/cap", u1);
    mount("t", "m", "tmpfs", MS_REMOUNT | MS_NOEXEC, 0);
    run("noexec", "m/sur", u1);
    umount("m");
  }
  // chown and write clear set-id bits
  struct stat st;
  mk("c1", 06755, 0, 0);
  chown("c1", 1, 1);
  stat("c1", &st);
  P("%o\n", st.st_mode);
  mk("c1", 06745, 0, 0);
  chown("c1", -1, 2);
  stat("c1", &st);
  P("%o\n", st.st_mode);
  mk("c1", 06777, 0, 0);
  if (!fork()) {
    u1();
    int f = open("c1", O_WRONLY);
    write(f, "x", 1);
    _exit(0);
  }
  wait(0);
  stat("c1", &st);
  P("%o\n", st.st_mode);
  mk("c1", 06777, 0, 0);
  if (!fork()) {
    u1();
    truncate("c1", 5);
    _exit(0);
  }
  wait(0);
  stat("c1", &st);
  P("%o\n", st.st_mode);
  fscap("plain", 1, 0, 0);
  chown("plain", 0, 0);
  char b[64];
  R(getxattr("plain", "security.capability", b, 64));
  fscap("plain", 1, 0, 0);
  truncate("plain", 100);
  R(getxattr("plain", "security.capability", b, 64));
  fscap("plain", 1, 0, 0);
  int f = open("plain", O_WRONLY);
  R(getxattr("plain", "security.capability", b, 64));
  write(f, "x", 1);
  R(getxattr("plain", "security.capability", b, 64));
  fscap("plain", 1, 0, 0);
  chmod("plain", 0600);
  R(getxattr("plain", "security.capability", b, 64));
}
