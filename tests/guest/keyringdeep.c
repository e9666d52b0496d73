// A keyring that two paths reach, the longer one too deep to follow; and what KEYCTL_READ says of keys that cannot be had.
#include "guest.h"
#include <linux/keyctl.h>

static long keyctl(long op, long a, long b, long c) {
  long r = syscall(SYS_keyctl, op, a, b, c, 0);
  return r < 0 ? -errno : r;
}

static void stack(const char *letter, int depth, long *rings) {
  long under = KEY_SPEC_SESSION_KEYRING;
  for (int i = 0; i < depth; i++) {
    char name[8];
    sprintf(name, "%s%d", letter, i);
    rings[i] = under = syscall(SYS_add_key, "keyring", name, 0, 0L, under);
  }
}

static void reads(long key) {
  char byte[4];
  P(" %ld", keyctl(KEYCTL_READ, key, (long)byte, 1));
}

int main(void) {
  long a[5], b[5];
  keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0);
  stack("a", 5, a);
  stack("b", 5, b);
  for (int tail = 3; tail < 5; tail++) {
    P("a below b: %ld\n", keyctl(KEYCTL_LINK, a[0], b[tail], 0));
    P("b below a: %ld\n", keyctl(KEYCTL_LINK, b[0], a[tail], 0));
    P("out of b: %ld\n", keyctl(KEYCTL_UNLINK, a[0], b[tail], 0));
    P("b below a: %ld\n", keyctl(KEYCTL_LINK, b[0], a[tail], 0));
    P("a below b: %ld\n", keyctl(KEYCTL_LINK, a[0], b[tail], 0));
    P("out of a: %ld\n", keyctl(KEYCTL_UNLINK, b[0], a[tail], 0));
  }
  long key = syscall(SYS_add_key, "user", "k", "x", 1L, (long)KEY_SPEC_SESSION_KEYRING);
  P("read");
  reads(0);
  reads(-99);
  reads(KEY_SPEC_THREAD_KEYRING);
  reads(0x7ffffff0);
  reads(key);
  keyctl(KEYCTL_REVOKE, key, 0, 0);
  reads(key);
  key = syscall(SYS_add_key, "user", "k", "x", 1L, (long)KEY_SPEC_SESSION_KEYRING);
  keyctl(KEYCTL_SET_TIMEOUT, key, 1, 0);
  usleep(1300000);
  reads(key);
  P("\n");
  return 0;
}
