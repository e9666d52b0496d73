// Persistent keyrings: one for each user, held by the kernel between sessions.
// libc: glibc
#include "guest.h"
#include <linux/keyctl.h>

static long kc(int op, long a, long b, long c, long d) { return syscall(SYS_keyctl, op, a, b, c, d); }
static long add(const char *description, long ring) {
  return syscall(SYS_add_key, "user", description, "payload", 7, ring);
}
static long find(long ring, const char *description) {
  return kc(KEYCTL_SEARCH, ring, (long)"user", (long)description, 0);
}
static void describe(long id) {
  char text[100] = "";
  if (kc(KEYCTL_DESCRIBE, id, (long)text, sizeof text, 0) < 0) P("describe: errno %d\n", errno);
  else P("%s\n", text);
}
static void ok(const char *what, long r) {
  if (r < 0) P("%s: errno %d\n", what, errno);
  else P("%s ok\n", what);
}

/** Every operation on a key, and on a keyring, that is of no use any more. */
static void useless(int revoked) {
  char b[100];
  for (int ring = 0; ring < 2; ring++) {
    P(revoked ? "revoked\n" : "expired\n");
    long home = kc(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0), k, inner = add("inner", home);
    k = ring ? syscall(SYS_add_key, "keyring", "ring", 0, 0, home) : add("spent", home);
    kc(KEYCTL_LINK, k, KEY_SPEC_PROCESS_KEYRING, 0, 0);
    if (ring) kc(KEYCTL_LINK, inner, k, 0, 0);
    if (revoked) kc(KEYCTL_REVOKE, k, 0, 0, 0);
    else kc(KEYCTL_SET_TIMEOUT, k, 1, 0, 0), msleep(1300);
    ok("get id", kc(KEYCTL_GET_KEYRING_ID, k, 0, 0, 0));
    ok("describe", kc(KEYCTL_DESCRIBE, k, (long)b, 100, 0));
    ok("read", kc(KEYCTL_READ, k, (long)b, 100, 0));
    ok("update", kc(KEYCTL_UPDATE, k, (long)"x", 1, 0));
    ok("setperm", kc(KEYCTL_SETPERM, k, 0x3f3f0000, 0, 0));
    ok("chown", kc(KEYCTL_CHOWN, k, -1, -1, 0));
    ok("link", kc(KEYCTL_LINK, k, KEY_SPEC_PROCESS_KEYRING, 0, 0));
    ok("security", kc(KEYCTL_GET_SECURITY, k, (long)b, 100, 0));
    ok("clear", kc(KEYCTL_CLEAR, k, 0, 0, 0));
    ok("add to", add("another", k));
    ok("link to", kc(KEYCTL_LINK, inner, k, 0, 0));
    ok("unlink from", kc(KEYCTL_UNLINK, inner, k, 0, 0));
    ok("search in", find(k, "inner"));
    ok("restrict", kc(KEYCTL_RESTRICT_KEYRING, k, 0, 0, 0));
    ok("unlink", kc(KEYCTL_UNLINK, k, home, 0, 0));
    kc(KEYCTL_LINK, k, home, 0, 0);
    ok("timeout", kc(KEYCTL_SET_TIMEOUT, k, 0, 0, 0));
    ok("revoke", kc(KEYCTL_REVOKE, k, 0, 0, 0));
    ok("invalidate", kc(KEYCTL_INVALIDATE, k, 0, 0, 0));
  }
}

int main(void) {
  useless(0);
  useless(1);
  kc(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
  long p = kc(KEYCTL_GET_PERSISTENT, 4321, KEY_SPEC_SESSION_KEYRING, 0, 0);
  ok("another user's", p);
  describe(p);
  ok("add", add("kept", p));
  ok("again the same", -(kc(KEYCTL_GET_PERSISTENT, 4321, KEY_SPEC_PROCESS_KEYRING, 0, 0) != p));
  ok("found", find(KEY_SPEC_SESSION_KEYRING, "kept"));
  long own = kc(KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_SESSION_KEYRING, 0, 0);
  ok("own", own);
  describe(own);
  long key = add("a key", KEY_SPEC_SESSION_KEYRING);
  ok("into a key", kc(KEYCTL_GET_PERSISTENT, -1, key, 0, 0));
  ok("into nothing", kc(KEYCTL_GET_PERSISTENT, -1, 12345, 0, 0));
  ok("into the group's", kc(KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_GROUP_KEYRING, 0, 0));
  kc(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
  ok("in a new session", find(KEY_SPEC_SESSION_KEYRING, "kept"));
  if (fork() == 0) {
    setresuid(4321, 4321, 4321);
    kc(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
    ok("of root", kc(KEYCTL_GET_PERSISTENT, 0, KEY_SPEC_SESSION_KEYRING, 0, 0));
    ok("of a third", kc(KEYCTL_GET_PERSISTENT, 4322, KEY_SPEC_SESSION_KEYRING, 0, 0));
    ok("the same", -(kc(KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_SESSION_KEYRING, 0, 0) != p));
    ok("found", find(KEY_SPEC_SESSION_KEYRING, "kept"));
    ok("unlink", kc(KEYCTL_UNLINK, p, KEY_SPEC_SESSION_KEYRING, 0, 0));
    ok("clear", kc(KEYCTL_CLEAR, p, 0, 0, 0));
    describe(p);
    ok("set timeout", kc(KEYCTL_SET_TIMEOUT, p, 1, 0, 0));
    _exit(0);
  }
  wait(0);
  FILE *f = fopen("/proc/sys/kernel/keys/persistent_keyring_expiry", "r+");
  int n = 0;
  fscanf(f, "%d", &n);
  P("expiry %d\n", n);
  rewind(f);
  fprintf(f, "1\n");
  fclose(f);
  p = kc(KEYCTL_GET_PERSISTENT, 4321, KEY_SPEC_SESSION_KEYRING, 0, 0);
  describe(p);
  msleep(2100);
  describe(p);
  ok("expired", add("late", p));
  ok("revived", -(kc(KEYCTL_GET_PERSISTENT, 4321, KEY_SPEC_SESSION_KEYRING, 0, 0) != p));
  ok("of use", add("late", p));
  f = fopen("/proc/sys/kernel/keys/persistent_keyring_expiry", "w");
  fprintf(f, "%d\n", n);
  fclose(f);
  unsigned char caps[4] = {0};
  kc(KEYCTL_CAPABILITIES, (long)caps, 4, 0, 0);
  P("caps %d\n", caps[0] & 3);
  return 0;
}
