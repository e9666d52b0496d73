/* Files under /proc/sys: what counts as a number, how much of a write is taken, and modes that bind
 * root. */
#include "guest.h"
static void w(const char *p, const char *v, int n) {
  int f = open(p, O_WRONLY);
  if (f < 0) {
    P("open %d\n", errno);
    return;
  }
  errno = 0;
  int r = write(f, v, n);
  int e = errno;
  char b[200] = {0};
  int g = open(p, O_RDONLY);
  int k = read(g, b, 199);
  if (k > 0) b[k - 1] = 0;
  close(g);
  P("[%s] %d: %d %d -> %s\n", v, n, r, r < 0 ? e : 0, b);
  close(f);
}
#define W(p, v) w(p, v, strlen(v))
int main() {
  const char *p = "/proc/sys/kernel/msgmnb";
  const char *v[] = {"100",         " 101", "102 ", "103\n",      "0x10",       "010", "+5",
                     "-0",          "",     "\n",   " ",          "5a",         "5 6", "5 a",
                     "99999999999", "1e3",  "-5",   "2147483647", "2147483648", "7\t", "\t8",
                     "9\n\n",       "9,8"};
  for (int i = 0; i < 23; i++) W(p, v[i]);
  w(p, "77\0zz", 5);
  w(p, "\0", 1);
  W("/proc/sys/kernel/shmmax", "0x100");
  W("/proc/sys/kernel/shmmax", "-1");
  W("/proc/sys/kernel/shmmax", "99999999999999999999999");
  W("/proc/sys/kernel/shmmax", "5 6");
  W("/proc/sys/kernel/shmmax", "18446744073692774399");
  W("/proc/sys/kernel/sem", "1 2 3");
  W("/proc/sys/kernel/sem", "1 2 3 4 5");
  W("/proc/sys/kernel/sem", "1,2");
  W("/proc/sys/kernel/sem", "32000 1024000000 500 32000\n");
  W("/proc/sys/kernel/domainname", "abc\ndef");
  W("/proc/sys/kernel/domainname", "");
  W("/proc/sys/kernel/domainname", "\n");
  W("/proc/sys/kernel/domainname",
    "a234567890123456789012345678901234567890123456789012345678901234567890");
  W("/proc/sys/kernel/domainname", "(none)");
  int f = open(p, O_RDWR);
  char b[20];
  errno = 0;
  R(pread(f, b, 20, 0));
  R(pread(f, b, 20, 1));
  R(pwrite(f, "5", 1, 1));
  R(pwrite(f, "44", 2, 0));
  R(lseek(f, 0, SEEK_END));
  R(lseek(f, 1, SEEK_SET));
  R(write(f, "3", 1));
  R(pread(f, b, 1, 0));
  R(ftruncate(f, 0));
  R(open("/proc/sys/kernel/osrelease", O_WRONLY));
  R(open("/proc/sys/kernel/osrelease", O_RDWR));
  R(access("/proc/sys/kernel/osrelease", W_OK));
  R(access(p, W_OK));
  R(access(p, X_OK));
  R(access("/proc/sys/kernel", W_OK));
  R(open("/proc/sys/kernel/newfile", O_CREAT | O_WRONLY, 0600));
  R(unlink(p));
  R(mkdir("/proc/sys/kernel/x", 0700));
  R(chmod(p, 0666));
  R(open("/proc/sys/vm/compact_memory", O_RDONLY));
  R(open("/proc/version", O_WRONLY) >= 0);
  R(open(p, O_WRONLY | O_TRUNC) >= 0);
  W(p, "16384");
  setuid(1000);
  R(open(p, O_WRONLY));
  R(open(p, O_RDONLY) >= 0);
  R(access(p, W_OK));
}
