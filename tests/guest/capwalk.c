// Random walks through user and group IDs, capability sets, securebits and keepcaps.
#include "guest.h"
#include "walk.h"
#include <sys/prctl.h>

static unsigned some(void) { return rnd(3) == 0 ? 0 : rnd(3) == 0 ? 0xfeffffff : 1u << rnd(10) | 1u << rnd(24) | 1u << rnd(10); }

/** IDs and capabilities as /proc/self/status has them. */
static void show(void) {
  char line[200];
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f)) {
    if (strncmp(line, "Cap", 3) && strncmp(line, "Uid", 3) && strncmp(line, "Gid", 3)) continue;
    out(" %s", strchr(line, ':') + 1);
  }
  if (f) fclose(f);
  out(" %x %d %d\n", prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS), prctl(PR_GET_DUMPABLE));
}

static void step(void) {
  int ids[] = {0, 1000, 1001, -1}, what = rnd(14), a = ids[rnd(4)], b = ids[rnd(4)], c = ids[rnd(4)];
  unsigned h[2] = {0x20080522, 0}, d[6];
  switch (what) {
  case 0: out("setuid %d %d", a, er(syscall(SYS_setuid, a))); break;
  case 1: out("setreuid %d %d %d", a, b, er(syscall(SYS_setreuid, a, b))); break;
  case 2: out("setresuid %d %d %d %d", a, b, c, er(syscall(SYS_setresuid, a, b, c))); break;
  case 3: out("setfsuid %d %d", a, er(syscall(SYS_setfsuid, a))); break;
  case 4: out("setgid %d %d", a, er(syscall(SYS_setgid, a))); break;
  case 5: out("setresgid %d %d %d %d", a, b, c, er(syscall(SYS_setresgid, a, b, c))); break;
  case 6: out("setfsgid %d %d", a, er(syscall(SYS_setfsgid, a))); break;
  case 7: {
    int bits = rnd(256);
    if (rnd(2)) bits &= 0x15;
    out("securebits %x %d", bits, er(prctl(PR_SET_SECUREBITS, bits)));
    break;
  }
  case 8: out("keepcaps %d", er(prctl(PR_SET_KEEPCAPS, rnd(2)))); break;
  case 9: a = rnd(10), out("drop %d %d", a, er(prctl(PR_CAPBSET_DROP, a))); break;
  case 10: a = 1 + rnd(4), b = rnd(10), out("ambient %d %d %d", a, b, er(prctl(PR_CAP_AMBIENT, a, a == 4 ? 0 : b, 0, 0))); break;
  default:
    syscall(SYS_capget, h, d);
    if (rnd(3)) d[0] = d[1] & some();
    if (rnd(3)) d[1] &= some() | d[0];
    if (rnd(2)) d[2] = some() & (rnd(3) ? d[1] : -1);
    if (rnd(2)) d[3] = d[4] = d[5] = 0;
    if (rnd(8) == 0) d[1] |= some();
    out("capset %x %x %x %d", d[0], d[1], d[2], er(syscall(SYS_capset, h, d)));
  }
  show();
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  drop_sys_resource();
  prctl(PR_CAPBSET_DROP, 24);
  for (int w = 0; w < 150; w++)
    INPROC(0, seed = w * 977 + 11; for (int s = 0; s < 20; s++) {
      step();
      step_done(w, s);
    });
  return 0;
}
