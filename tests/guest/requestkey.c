// request_key(2) with information for a helper that is not there: the key is known to be missing from then on. And what
// needs the authority to make a key, without it.
#include "guest.h"
#include <linux/keyctl.h>
#include <sys/uio.h>

#define CTL(op, ...) syscall(SYS_keyctl, op, ##__VA_ARGS__)
#define REQ(type, name, info, ring) (int)syscall(SYS_request_key, type, name, info, ring)

static char name[64];

/** The lines of /proc/keys that tell of our keys, without numbers that differ. */
static void list(const char *kind) {
  FILE *f = fopen("/proc/keys", "r");
  char line[512], flags[16], left[16], perm[16], type[16], rest[256];
  int usage, uid, gid;
  while (fgets(line, sizeof line, f)) {
    if (!strstr(line, name)) continue;
    sscanf(line, "%*x %s %d %s %s %d %d %s %[^\n]", flags, &usage, left, perm, &uid, &gid, type, rest);
    if (strcmp(type, kind)) continue;
    char *mine = strstr(rest, name);
    P("  %s %s %s %d %d %s %.5s%s\n", flags, strcmp(left, "59s") ? left : "1m", perm, uid, gid, type, rest, mine + strlen(name));
  }
  fclose(f);
}

static int in_session(int *ids) { return CTL(KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, ids, 64) / 4; }

static void negative(void) {
  int ids[16], n;
  char text[256];
  R(REQ("user", name, 0, 0));
  R(REQ("user", name, "information", 0));
  list("user");
  R(n = in_session(ids));
  R(REQ("user", name, "information", 0));
  R(REQ("user", name, 0, 0));
  R(REQ("user", name, 0, KEY_SPEC_THREAD_KEYRING));
  R(CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", name, 0));
  R(CTL(KEYCTL_DESCRIBE, ids[0], text, 200) > 0);
  P("%.20s\n", text);
  R(CTL(KEYCTL_READ, ids[0], text, 200));
  R(CTL(KEYCTL_UPDATE, ids[0], "new", 3));
  R(CTL(KEYCTL_LINK, ids[0], KEY_SPEC_PROCESS_KEYRING));
  R(CTL(KEYCTL_REVOKE, ids[0]));
  R(CTL(KEYCTL_INVALIDATE, ids[0]));
  R(CTL(KEYCTL_SETPERM, ids[0], 0x3f010000));
  R(CTL(KEYCTL_CHOWN, ids[0], -1, 0));
  R(CTL(KEYCTL_GET_SECURITY, ids[0], 0, 0) > 0);
  R(CTL(KEYCTL_SET_TIMEOUT, ids[0], 1000));
  list("user");
  R((int)syscall(SYS_add_key, "user", name, "payload", 7, KEY_SPEC_SESSION_KEYRING) == ids[0]);
  list("user");
  R(CTL(KEYCTL_READ, ids[0], text, 200));
  R(REQ("user", name, 0, 0) == ids[0]);
  R(CTL(KEYCTL_UNLINK, ids[0], KEY_SPEC_SESSION_KEYRING));
  R(n = in_session(ids));
}

static void where(void) {
  int ids[16];
  R(REQ("keyring", name, "x", 0));
  R(REQ("logon", name, "x", 0));
  R(REQ("nothing", name, "x", 0));
  R(REQ(".request_key_auth", name, "x", 0));
  list("logon");
  CTL(KEYCTL_CLEAR, KEY_SPEC_SESSION_KEYRING);
  CTL(KEYCTL_CLEAR, KEY_SPEC_THREAD_KEYRING);
  R(REQ("user", name, "x", 0));
  R(CTL(KEYCTL_READ, KEY_SPEC_THREAD_KEYRING, ids, 64));
  R(CTL(KEYCTL_UNLINK, ids[0], KEY_SPEC_THREAD_KEYRING));
  R(CTL(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_SESSION_KEYRING));
  R(REQ("user", name, "x", 0));
  R(in_session(ids));
  R(CTL(KEYCTL_UNLINK, ids[0], KEY_SPEC_SESSION_KEYRING));
  R(REQ("user", name, "x", KEY_SPEC_PROCESS_KEYRING));
  R(in_session(ids));
  R(CTL(KEYCTL_READ, KEY_SPEC_PROCESS_KEYRING, ids, 64));
  // Above a key that is refused stands one that is there.
  R(syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_THREAD_KEYRING) > 0);
  R(REQ("user", name, 0, 0) > 0);
  R(CTL(KEYCTL_CLEAR, KEY_SPEC_THREAD_KEYRING));
  R(syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_SESSION_KEYRING) > 0);
  R(REQ("user", name, 0, 0) > 0);
  R(CTL(KEYCTL_CLEAR, KEY_SPEC_SESSION_KEYRING));
  R(REQ("user", name, "x", 0));
}

static void authority(void) {
  struct iovec iov = {"x", 1};
  int key = syscall(SYS_add_key, "user", "some", "x", 1, KEY_SPEC_SESSION_KEYRING);
  R(CTL(KEYCTL_ASSUME_AUTHORITY, 0));
  R(CTL(KEYCTL_ASSUME_AUTHORITY, -1));
  R(CTL(KEYCTL_ASSUME_AUTHORITY, key));
  R(CTL(KEYCTL_INSTANTIATE, key, "x", 1, 0));
  R(CTL(KEYCTL_INSTANTIATE, key, "x", 1 << 20, 0));
  R(CTL(KEYCTL_INSTANTIATE, key, 0, 1 << 20, 0));
  R(CTL(KEYCTL_INSTANTIATE, key, 8, 1, 0));
  R(CTL(KEYCTL_INSTANTIATE_IOV, key, &iov, 1, 0));
  R(CTL(KEYCTL_NEGATE, key, 1, 0));
  R(CTL(KEYCTL_REJECT, key, 1, 0, 0));
  R(CTL(KEYCTL_REJECT, key, 1, 512, 0));
  R(CTL(KEYCTL_REJECT, key, 1, 4095, 0));
  R(CTL(KEYCTL_REJECT, key, 1, EKEYREJECTED, 0));
  R(CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_REQKEY_AUTH_KEY, 0));
  R(CTL(KEYCTL_GET_KEYRING_ID, -8, 0));
}

int main(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  sprintf(name, "vt:request%ld%09ld", t.tv_sec, t.tv_nsec);
  R(CTL(KEYCTL_JOIN_SESSION_KEYRING, 0) > 0);
  negative();
  where();
  authority();
  return 0;
}
