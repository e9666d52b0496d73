// Keys and keyrings.
#include "guest.h"
#include <linux/keyctl.h>

static long add(const char *type, const char *desc, const void *data, size_t n, int ring) {
  return syscall(SYS_add_key, type, desc, data, n, ring);
}
static long request(const char *type, const char *desc, const char *info, int ring) {
  return syscall(SYS_request_key, type, desc, info, ring);
}
static long kc(int op, long a, long b, long c, long d) { return syscall(SYS_keyctl, op, a, b, c, d); }
#define S(call)                                                                                    \
  do {                                                                                             \
    errno = 0;                                                                                     \
    long r_ = (call);                                                                              \
    if (r_ < 0)                                                                                    \
      P("%s: errno %d\n", #call, errno);                                                           \
    else                                                                                           \
      P("%s: a key %d\n", #call, r_ > 2);                                                          \
  } while (0)
static char buf[256], large[40000];
static void describe(long key) {
  long n = kc(KEYCTL_DESCRIBE, key, (long)buf, sizeof buf, 0);
  P("described %ld %s\n", n, n < 0 ? "" : buf);
}
static void content(long key) {
  memset(buf, 0, sizeof buf);
  errno = 0;
  long n = kc(KEYCTL_READ, key, (long)buf, sizeof buf, 0);
  P("read %ld errno %d %s\n", n, n < 0 ? errno : 0, buf);
}

int main(void) {
  long ses = kc(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
  R(ses > 2);
  R(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0) == ses);
  describe(ses);
  S(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0, 0, 0));
  S(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1, 0, 0));
  S(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1, 0, 0));
  describe(KEY_SPEC_PROCESS_KEYRING);
  S(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0, 0, 0));
  describe(KEY_SPEC_USER_KEYRING);
  describe(KEY_SPEC_USER_SESSION_KEYRING);
  S(kc(KEYCTL_GET_KEYRING_ID, -6, 0, 0, 0));
  S(kc(KEYCTL_GET_KEYRING_ID, -9, 0, 0, 0));
  // Making keys.
  long k = add("user", "first", "secret", 6, KEY_SPEC_SESSION_KEYRING);
  R(k > 2);
  describe(k);
  content(k);
  R(kc(KEYCTL_READ, k, 0, 0, 0));
  R(kc(KEYCTL_READ, k, (long)buf, 3, 0));
  R(add("user", "first", "changed", 7, KEY_SPEC_SESSION_KEYRING) == k);
  content(k);
  S(add("user", "", "x", 1, KEY_SPEC_SESSION_KEYRING));
  S(add("user", "empty", "", 0, KEY_SPEC_SESSION_KEYRING));
  S(add("user", "big", large, 40000, KEY_SPEC_SESSION_KEYRING));
  S(add("user", "huge", buf, 1 << 20, KEY_SPEC_SESSION_KEYRING));
  S(add("nonsense", "x", "x", 1, KEY_SPEC_SESSION_KEYRING));
  S(add(".dot", "x", "x", 1, KEY_SPEC_SESSION_KEYRING));
  S(add("keyring", "ring", "x", 1, KEY_SPEC_SESSION_KEYRING));
  S(add("keyring", ".ring", 0, 0, KEY_SPEC_SESSION_KEYRING));
  S(add("logon", "nocolon", "x", 1, KEY_SPEC_SESSION_KEYRING));
  S(add("user", "x", (void *)1, 5, KEY_SPEC_SESSION_KEYRING));
  S(add("user", "x", "x", 1, 12345678));
  S(add("user", "x", "x", 1, k));
  long log = add("logon", "service:me", "pw", 2, KEY_SPEC_SESSION_KEYRING);
  describe(log);
  content(log);
  // Keyrings in keyrings.
  long ring = add("keyring", "ring", 0, 0, KEY_SPEC_SESSION_KEYRING);
  R(ring > 2);
  describe(ring);
  long in = add("user", "inner", "deep", 4, ring);
  R(kc(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, (long)"user", (long)"inner", 0) == in);
  S(kc(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, (long)"user", (long)"none", 0));
  R(request("user", "inner", 0, 0) == in);
  S(request("user", "nowhere", 0, 0));
  S(request("user", "nowhere", 0, 987654321));
  R(kc(KEYCTL_LINK, ses, ring, 0, 0));
  R(kc(KEYCTL_LINK, ring, ring, 0, 0));
  R(kc(KEYCTL_LINK, k, k, 0, 0));
  R(kc(KEYCTL_LINK, k, ring, 0, 0));
  R(kc(KEYCTL_READ, ring, (long)buf, sizeof buf, 0));
  R(kc(KEYCTL_UNLINK, k, ring, 0, 0));
  R(kc(KEYCTL_UNLINK, k, ring, 0, 0));
  R(kc(KEYCTL_MOVE, in, ring, KEY_SPEC_SESSION_KEYRING, 0));
  R(kc(KEYCTL_MOVE, in, ring, KEY_SPEC_SESSION_KEYRING, 0));
  R(kc(KEYCTL_MOVE, in, KEY_SPEC_SESSION_KEYRING, ring, 4));
  R(kc(KEYCTL_CLEAR, ring, 0, 0, 0));
  R(kc(KEYCTL_CLEAR, k, 0, 0, 0));
  R(kc(KEYCTL_READ, ring, (long)buf, sizeof buf, 0));
  // Rights.
  R(kc(KEYCTL_SETPERM, k, 0x3f3f3f3f, 0, 0));
  R(kc(KEYCTL_SETPERM, k, 0x40000000, 0, 0));
  describe(k);
  R(kc(KEYCTL_SETPERM, k, 0x01010000, 0, 0));
  content(k);
  R(kc(KEYCTL_UPDATE, k, (long)"new", 3, 0));
  R(kc(KEYCTL_SETPERM, k, 0x3f3f0000, 0, 0));
  long k2 = add("user", "second", "two", 3, KEY_SPEC_SESSION_KEYRING);
  R(kc(KEYCTL_UPDATE, k2, (long)"new", 3, 0));
  content(k2);
  R(kc(KEYCTL_CHOWN, k2, 1234, 77, 0));
  describe(k2);
  // Its end.
  R(kc(KEYCTL_SET_TIMEOUT, k2, 1, 0, 0));
  msleep(1100);
  content(k2);
  S(kc(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, (long)"user", (long)"second", 0));
  long k3 = add("user", "third", "3", 1, KEY_SPEC_SESSION_KEYRING);
  R(kc(KEYCTL_REVOKE, k3, 0, 0, 0));
  content(k3);
  R(kc(KEYCTL_REVOKE, k3, 0, 0, 0));
  long k4 = add("user", "fourth", "4", 1, KEY_SPEC_SESSION_KEYRING);
  R(kc(KEYCTL_INVALIDATE, k4, 0, 0, 0));
  msleep(50);
  content(k4);
  // Restricted.
  R(kc(KEYCTL_RESTRICT_KEYRING, ring, 0, 0, 0));
  S(add("user", "more", "x", 1, ring));
  R(kc(KEYCTL_RESTRICT_KEYRING, k, 0, 0, 0));
  // Authority.
  R(kc(KEYCTL_INSTANTIATE, 12345, 0, 0, 0));
  R(kc(KEYCTL_ASSUME_AUTHORITY, 0, 0, 0, 0));
  R(kc(KEYCTL_SET_REQKEY_KEYRING, -1, 0, 0, 0));
  R(kc(KEYCTL_SET_REQKEY_KEYRING, 3, 0, 0, 0));
  R(kc(KEYCTL_SET_REQKEY_KEYRING, 6, 0, 0, 0));
  R(kc(KEYCTL_SET_REQKEY_KEYRING, 0, 0, 0, 0));
  R(kc(999, 0, 0, 0, 0));
  // Children share the session, not the process keyring.
  long pk = add("user", "process's", "p", 1, KEY_SPEC_PROCESS_KEYRING);
  if (!fork()) {
    R(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0) == ses);
    S(request("user", "process's", 0, 0));
    R(request("user", "first", 0, 0) == k);
    R(kc(KEYCTL_JOIN_SESSION_KEYRING, (long)"a name", 0, 0, 0) != ses);
    describe(KEY_SPEC_SESSION_KEYRING);
    S(request("user", "first", 0, 0));
    _exit(0);
  }
  wait(0);
  R(kc(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0) == ses);
  R(request("user", "process's", 0, 0) == pk);
  // Another user.
  if (!fork()) {
    setgid(1000);
    setuid(1000);
    describe(k);
    describe(pk);
    content(pk);
    _exit(0);
  }
  wait(0);
  return 0;
}
