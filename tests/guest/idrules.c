/* User and group ids, capabilities, prctl, limits, names: results and refusals. */
#include "guest.h"
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <grp.h>
#include <sys/personality.h>
#include <sys/utsname.h>
#include <sys/sysinfo.h>
static void ids(void) {
  uid_t a, b, c;
  gid_t d, e, f;
  getresuid(&a, &b, &c);
  getresgid(&d, &e, &f);
  P("  %d %d %d | %d %d %d | fs %ld %ld\n", a, b, c, d, e, f, syscall(SYS_setfsuid, -1),
    syscall(SYS_setfsgid, -1));
}
#define S(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %ld %d\n", #n, #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                            \
    r_;                                                                                            \
  })
static void caps(void) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2];
  memset(d, 0, sizeof d);
  syscall(SYS_capget, &h, d);
  P("  eff %x perm %x inh %x\n", d[0].effective & 0xff, d[0].permitted & 0xff,
    d[0].inheritable & 0xff);
}
int main() {
  drop_sys_resource();
  setgroups(0, 0);
  P("-- setuid\n");
  INPROC(0, S(SYS_setuid, -1); S(SYS_setuid, 5); ids(); S(SYS_setuid, 0); S(SYS_setuid, 5));
  INPROC(0, S(SYS_setreuid, -1, 5); ids(); S(SYS_setuid, 6); S(SYS_setuid, 0); ids();
         S(SYS_setreuid, 7, -1); ids());
  INPROC(0, S(SYS_setresuid, 1, 2, 3); ids(); S(SYS_setresuid, -1, 3, -1); ids();
         S(SYS_setresuid, 4, -1, -1); S(SYS_setresuid, 3, 1, 2); ids(); S(SYS_setreuid, -1, 3);
         ids(); S(SYS_setreuid, 2, -1); S(SYS_setreuid, 1, 2); ids(); S(SYS_setfsuid, 3); ids();
         S(SYS_setfsuid, 77); ids(); S(SYS_setuid, 3); ids(); S(SYS_setuid, 1));
  INPROC(0, S(SYS_setreuid, 10, 20); ids(); S(SYS_setreuid, 20, 10); ids(); S(SYS_setreuid, -1, -1);
         ids());
  INPROC(0, S(SYS_setreuid, 0, 30); ids());
  INPROC(0, S(SYS_setreuid, 30, -1); ids());
  P("-- setgid\n");
  INPROC(0, S(SYS_setgid, -1); S(SYS_setresgid, 1, 2, 3); ids(); setuid(9); S(SYS_setgid, 3); ids();
         S(SYS_setgid, 9); S(SYS_setresgid, 3, 1, -1); ids(); S(SYS_setregid, 1, 3); ids();
         S(SYS_setregid, 9, 9); S(SYS_setregid, -1, 2); ids(); S(SYS_setfsgid, 1); ids();
         S(SYS_setfsgid, 88); ids());
  P("-- groups\n");
  gid_t g[70000];
  for (int i = 0; i < 70000; i++) g[i] = 70000 - i;
  S(SYS_getgroups, 0, 0);
  S(SYS_getgroups, -1, g);
  S(SYS_setgroups, 65537, g);
  S(SYS_setgroups, -1, g);
  S(SYS_setgroups, 3, 8);
  S(SYS_setgroups, 3, g);
  S(SYS_getgroups, 2, g);
  S(SYS_getgroups, 3, 8);
  S(SYS_getgroups, 10, g);
  P("%d %d %d\n", g[0], g[1], g[2]);
  S(SYS_setgroups, 65536, g);
  S(SYS_getgroups, 0, 0);
  S(SYS_setgroups, 0, 0);
  g[0] = -1;
  S(SYS_setgroups, 1, g);
  INPROC(1000, S(SYS_setgroups, 0, 0); S(SYS_setgroups, 1, g); S(SYS_getgroups, 0, 0));
  S(SYS_getresuid, 8, 8, 8);
  S(SYS_getresgid, 8, 8, 8);
  P("-- pgrp\n");
  S(SYS_setpgid, -1, 0);
  S(SYS_setpgid, 0, -1);
  S(SYS_setpgid, 99999, 0);
  S(SYS_setpgid, 0, 99999);
  S(SYS_getpgid, -1);
  S(SYS_getpgid, 99999);
  S(SYS_getsid, -1);
  S(SYS_getsid, 99999);
  S(SYS_setpgid, 1, 0);
  INPROC(0, setsid(); S(SYS_setsid); S(SYS_setpgid, 0, 0); S(SYS_setpgid, 0, 1));
  INPROC(0, setpgid(0, 0); S(SYS_setsid));
  INPROC(
      0, pid_t c = fork(); if (!c) {
        setsid();
        msleep(60);
        _exit(0);
      } msleep(20);
      P("setpgid child in other session: %d\n", setpgid(c, c) ? errno : 0); wait(0));
  INPROC(
      0, pid_t c = fork(); if (!c) {
        execl("/bin/sleep", "sleep", "0.1", (char *)0);
        _exit(0);
      } msleep(60);
      P("setpgid after exec: %d\n", setpgid(c, c) ? errno : 0); wait(0));
  INPROC(
      0, pid_t c = fork(); if (!c) { pause(); } P("%d\n", setpgid(c, c)); pid_t d = fork();
      if (!d) pause(); P("%d\n", setpgid(d, c)); P("%d\n", getpgid(d) == c);
      P("%d %d\n", setpgid(getpid(), c), errno); kill(c, 9); kill(d, 9); wait(0); wait(0));
  P("-- caps\n");
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2];
  S(SYS_capget, &h, 0);
  h.version = 0;
  S(SYS_capget, &h, d);
  P("%x\n", h.version);
  h.version = 0;
  S(SYS_capget, &h, 0);
  P("%x\n", h.version);
  h.version = 0x1234;
  S(SYS_capset, &h, d);
  P("%x\n", h.version);
  S(SYS_capget, 8, d);
  h.pid = -1;
  S(SYS_capget, &h, d);
  h.pid = 99999;
  S(SYS_capget, &h, d);
  h.pid = 1;
  S(SYS_capget, &h, d);
  S(SYS_capset, &h, d);
  h.pid = 0;
  S(SYS_capget, &h, 8);
  S(SYS_capset, &h, 8);
  S(SYS_capset, 8, d);
  h.version = _LINUX_CAPABILITY_VERSION_1;
  S(SYS_capget, &h, d);
  h.version = _LINUX_CAPABILITY_VERSION_2;
  S(SYS_capget, &h, d);
  h.version = _LINUX_CAPABILITY_VERSION_3;
  INPROC(0, capget(&h, d); d[0].effective = 3; d[0].permitted = 7; S(SYS_capset, &h, d); caps();
         d[0].permitted = 15; S(SYS_capset, &h, d); d[0].permitted = 7; d[0].effective = 15;
         S(SYS_capset, &h, d); d[0].effective = 1; d[0].inheritable = 16; S(SYS_capset, &h, d);
         d[0].inheritable = 4; S(SYS_capset, &h, d); caps(); d[1].permitted = 1u << 31;
         S(SYS_capset, &h, d));
  INPROC(1000, capget(&h, d); S(SYS_capset, &h, d); d[0].inheritable = 1; S(SYS_capset, &h, d);
         d[0].effective = 1; S(SYS_capset, &h, d));
  P("-- prctl\n");
  int v = 77;
  char nm[32];
#define PR(...) S(SYS_prctl, __VA_ARGS__)
  PR(999, 0, 0, 0, 0);
  PR(-1, 0, 0, 0, 0);
  PR(PR_SET_PDEATHSIG, 65, 0, 0, 0);
  PR(PR_SET_PDEATHSIG, -1, 0, 0, 0);
  PR(PR_SET_PDEATHSIG, 10, 0, 0, 0);
  PR(PR_GET_PDEATHSIG, &v, 0, 0, 0);
  P("%d\n", v);
  PR(PR_GET_PDEATHSIG, 8, 0, 0, 0);
  PR(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  PR(PR_SET_DUMPABLE, 2, 0, 0, 0);
  PR(PR_SET_DUMPABLE, 3, 0, 0, 0);
  PR(PR_GET_DUMPABLE, 0, 0, 0, 0);
  PR(PR_SET_DUMPABLE, 0, 0, 0, 0);
  PR(PR_GET_DUMPABLE, 0, 0, 0, 0);
  PR(PR_SET_DUMPABLE, 1, 0, 0, 0);
  PR(PR_SET_KEEPCAPS, 2, 0, 0, 0);
  PR(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  PR(PR_GET_KEEPCAPS, 0, 0, 0, 0);
  PR(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  PR(PR_SET_NAME, 8, 0, 0, 0);
  PR(PR_SET_NAME, "a name that is too long", 0, 0, 0);
  PR(PR_GET_NAME, nm, 0, 0, 0);
  P("%s\n", nm);
  PR(PR_GET_NAME, 8, 0, 0, 0);
  PR(PR_SET_TIMING, 1, 0, 0, 0);
  PR(PR_SET_TIMING, 0, 0, 0, 0);
  PR(PR_GET_TIMING, 0, 0, 0, 0);
  PR(PR_SET_ENDIAN, 0, 0, 0, 0);
  PR(PR_GET_ENDIAN, &v, 0, 0, 0);
  PR(PR_SET_FPEMU, 0, 0, 0, 0);
  PR(PR_GET_FPEMU, &v, 0, 0, 0);
  PR(PR_SET_FPEXC, 0, 0, 0, 0);
  PR(PR_SET_UNALIGN, 0, 0, 0, 0);
  PR(PR_GET_UNALIGN, &v, 0, 0, 0);
  PR(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
  PR(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0);
  PR(PR_SET_NO_NEW_PRIVS, 1, 0, 1, 0);
  PR(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0);
  PR(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  PR(PR_CAPBSET_READ, 99, 0, 0, 0);
  PR(PR_CAPBSET_READ, 0, 0, 0, 0);
  PR(PR_CAPBSET_DROP, 99, 0, 0, 0);
  INPROC(0, PR(PR_CAPBSET_DROP, 5, 0, 0, 0); PR(PR_CAPBSET_READ, 5, 0, 0, 0));
  INPROC(1000, PR(PR_CAPBSET_DROP, 5, 0, 0, 0); PR(PR_CAPBSET_DROP, 99, 0, 0, 0));
  PR(PR_GET_SECUREBITS, 0, 0, 0, 0);
  PR(PR_SET_SECUREBITS, 0x1000, 0, 0, 0);
  INPROC(0, PR(PR_SET_SECUREBITS, 0x2f, 0, 0, 0); PR(PR_GET_SECUREBITS, 0, 0, 0, 0);
         PR(PR_SET_SECUREBITS, 0, 0, 0, 0); PR(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  INPROC(1000, PR(PR_SET_SECUREBITS, 0, 0, 0, 0));
  PR(PR_SET_TIMERSLACK, 0, 0, 0, 0);
  PR(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  PR(PR_SET_TIMERSLACK, 1234, 0, 0, 0);
  PR(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  PR(PR_SET_TIMERSLACK, -1, 0, 0, 0);
  PR(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  PR(PR_SET_CHILD_SUBREAPER, 7, 0, 0, 0);
  PR(PR_GET_CHILD_SUBREAPER, &v, 0, 0, 0);
  P("%d\n", v);
  PR(PR_GET_CHILD_SUBREAPER, 8, 0, 0, 0);
  PR(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  PR(PR_SET_THP_DISABLE, 1, 1, 0, 0);
  PR(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  PR(PR_GET_THP_DISABLE, 0, 0, 0, 0);
  PR(PR_GET_THP_DISABLE, 1, 0, 0, 0);
  PR(PR_SET_THP_DISABLE, 0, 0, 0, 0);
  PR(PR_GET_TID_ADDRESS, 8, 0, 0, 0);
  PR(PR_MCE_KILL, 0, 1, 0, 0);
  PR(PR_MCE_KILL, 0, 0, 0, 0);
  PR(PR_MCE_KILL, 1, 3, 0, 0);
  PR(PR_MCE_KILL, 1, 1, 0, 0);
  PR(PR_MCE_KILL_GET, 0, 0, 0, 0);
  PR(PR_MCE_KILL_GET, 1, 0, 0, 0);
  PR(PR_MCE_KILL, 0, 0, 0, 0);
  PR(PR_CAP_AMBIENT, 9, 0, 0, 0);
  PR(PR_CAP_AMBIENT, 1, 99, 0, 0);
  PR(PR_CAP_AMBIENT, 1, 0, 0, 0);
  PR(PR_CAP_AMBIENT, 1, 0, 1, 0);
  PR(PR_CAP_AMBIENT, 4, 0, 0, 0);
  PR(PR_CAP_AMBIENT, 4, 1, 0, 0);
  PR(PR_CAP_AMBIENT, 2, 0, 0, 0);
  PR(PR_CAP_AMBIENT, 3, 0, 0, 0);
  PR(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0);
  PR(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0);
  PR(PR_SET_IO_FLUSHER, 2, 0, 0, 0);
  PR(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
  PR(PR_GET_IO_FLUSHER, 0, 0, 0, 0);
  INPROC(1000, PR(PR_SET_IO_FLUSHER, 1, 0, 0, 0); PR(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
  PR(PR_GET_TSC, &v, 0, 0, 0);
  P("%d\n", v);
  PR(PR_GET_TSC, 8, 0, 0, 0);
  PR(PR_SET_TSC, 3, 0, 0, 0);
  PR(PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0);
  PR(PR_SET_MM, 1, 0, 0, 0);
  PR(PR_SET_MM, 99, 0, 0, 0);
  INPROC(1000, PR(PR_SET_MM, 1, 0, 0, 0));
  PR(0x53564d41, 1, 0, 0, 0);
  PR(65, 1, 0, 0, 0);
  PR(66, 0, 0, 0, 0);
  PR(65, 0, 0, 0, 0);
  PR(65, 3, 0, 0, 0);
  PR(66, 1, 0, 0, 0);
  PR(PR_SET_PTRACER, 99999, 0, 0, 0);
  P("-- keepcaps\n");
  INPROC(0, PR(PR_SET_KEEPCAPS, 1, 0, 0, 0); setuid(1000); caps(); PR(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  INPROC(0, setresuid(1000, 1000, 0); caps(); setresuid(-1, 0, -1); caps());
  INPROC(0, syscall(SYS_setfsuid, 1000); caps(); syscall(SYS_setfsuid, 0); caps());
  P("-- pdeath\n");
  {
    int p[2];
    pipe(p);
    pid_t c = fork();
    if (!c) {
      if (!fork()) {
        sigset_t s;
        sigemptyset(&s);
        sigaddset(&s, SIGUSR1);
        sigprocmask(SIG_BLOCK, &s, 0);
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        write(p[1], "x", 1);
        siginfo_t si;
        int r = sigwaitinfo(&s, &si);
        P("pdeath %d code %d\n", r, si.si_code);
        write(p[1], "y", 1);
        _exit(0);
      }
      char b;
      read(p[0], &b, 1);
      _exit(0);
    }
    waitpid(c, 0, 0);
    char b;
    read(p[0], &b, 1);
  }
  P("-- personality\n");
  S(SYS_personality, 0xffffffff);
  S(SYS_personality, 0x0400000);
  S(SYS_personality, 0xffffffff);
  S(SYS_personality, 8);
  S(SYS_personality, 0);
  S(SYS_personality, -2);
  S(SYS_personality, 0);
  P("-- uts\n");
  struct utsname u;
  S(SYS_uname, 8);
  char nmx[70];
  memset(nmx, 'h', 70);
  S(SYS_sethostname, nmx, 65);
  S(SYS_sethostname, nmx, -1);
  S(SYS_sethostname, 8, 3);
  S(SYS_sethostname, nmx, 64);
  uname(&u);
  P("%zu\n", strlen(u.nodename));
  S(SYS_sethostname, nmx, 0);
  uname(&u);
  P("%zu\n", strlen(u.nodename));
  S(SYS_sethostname, "vitrine", 7);
  S(SYS_setdomainname, nmx, 65);
  S(SYS_setdomainname, nmx, -1);
  S(SYS_setdomainname, 8, 3);
  S(SYS_setdomainname, "dom", 3);
  uname(&u);
  P("%s\n", u.domainname);
  INPROC(1000, S(SYS_sethostname, "a", 1); S(SYS_setdomainname, "a", 1);
         S(SYS_sethostname, nmx, 70));
  S(SYS_sysinfo, 8);
  P("-- rlimit\n");
  struct rlimit l;
  for (int i = -1; i < 18; i += 17) {
    S(SYS_getrlimit, i, &l);
    S(SYS_setrlimit, i, &l);
  }
  S(SYS_getrlimit, 0, 8);
  S(SYS_setrlimit, 0, 8);
  l = (struct rlimit){2, 1};
  S(SYS_setrlimit, 7, &l);
  getrlimit(7, &l);
  S(SYS_prlimit64, 99999, 7, 0, &l);
  S(SYS_prlimit64, -1, 7, 0, &l);
  S(SYS_prlimit64, 0, 99, 0, &l);
  S(SYS_prlimit64, 0, 7, 8, 0);
  S(SYS_prlimit64, 0, 7, 0, 8);
  S(SYS_prlimit64, 0, 7, 0, 0);
  pid_t c = fork();
  if (!c) pause();
  INPROC(1000, S(SYS_prlimit64, c, 7, 0, &l); S(SYS_prlimit64, c, 7, &l, 0));
  S(SYS_prlimit64, c, 7, 0, &l);
  l.rlim_cur = 100;
  S(SYS_prlimit64, c, 7, &l, 0);
  kill(c, 9);
  wait(0);
  INPROC(0, l = (struct rlimit){1 << 21, 1 << 21}; S(SYS_setrlimit, RLIMIT_NOFILE, &l));
  INPROC(1000, getrlimit(7, &l); l.rlim_max--; l.rlim_cur = 1; S(SYS_setrlimit, 7, &l);
         l.rlim_max++; S(SYS_setrlimit, 7, &l));
  P("-- misc\n");
  S(SYS_syslog, 99, 0, 0);
  S(SYS_syslog, -1, 0, 0);
  S(SYS_syslog, 2, 0, 0);
  S(SYS_syslog, 2, nm, -1);
  S(SYS_syslog, 3, 0, 0);
  S(SYS_syslog, 3, nm, -1);
  S(SYS_syslog, 3, nm, 0);
  S(SYS_syslog, 8, 0, 0);
  S(SYS_syslog, 8, 0, 9);
  S(SYS_syslog, 8, 0, -1);
  S(SYS_syslog, 8, 0, 7);
  S(SYS_syslog, 3, 8, 10);
  INPROC(1000, S(SYS_syslog, 2, nm, 0); S(SYS_syslog, 8, 0, 7); S(SYS_syslog, 4, nm, 1);
         S(SYS_syslog, 5, 0, 0); S(SYS_syslog, 99, 0, 0));
  S(SYS_reboot, 1, 2, 3, 0);
  S(SYS_reboot, 0xfee1dead, 1, 3, 0);
  S(SYS_reboot, 0xfee1dead, 672274793, 0x777, 0);
  INPROC(1000, S(SYS_reboot, 0xfee1dead, 672274793, 0, 0); S(SYS_reboot, 1, 2, 3, 0));
  S(SYS_getrandom, nm, 10, 8);
  S(SYS_getrandom, nm, 10, 6);
  S(SYS_getrandom, 8, 10, 0);
  S(SYS_getrandom, nm, 0, 0);
  S(SYS_getrandom, nm, 32, 1);
  S(SYS_getrandom, 8, 0, 0);
  S(SYS_vhangup);
  INPROC(1000, S(SYS_vhangup));
  S(SYS_acct, 8);
  S(SYS_acct, "/nonexist");
  S(SYS_acct, "/tmp");
  S(SYS_acct, "/dev/null");
  INPROC(1000, S(SYS_acct, 0));
  S(SYS_swapon, "/nonexist", 0);
  S(SYS_swapoff, "/nonexist");
  INPROC(1000, S(SYS_swapon, "/x", 0); S(SYS_swapoff, "/x"));
  S(SYS_unshare, 0x80000001);
  S(SYS_unshare, 1);
  S(SYS_unshare, 0);
  INPROC(1000, S(SYS_unshare, 0x20000); S(SYS_unshare, 0x04000000); S(SYS_unshare, 0x200);
         S(SYS_unshare, 0x400));
  S(SYS_unshare, 0x100);
  S(SYS_unshare, 0x10000);
  S(SYS_unshare, 0x800);
}
