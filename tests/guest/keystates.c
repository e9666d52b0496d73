// Keys and keyrings of no more use: a session keyring that was invalidated, revoked or that expired, the user's keyrings, keyrings
// that may not be searched or take no more links.
#include "guest.h"
#include <linux/keyctl.h>

#define K(operation, ...) syscall(SYS_keyctl, operation, ##__VA_ARGS__)
#define SESSION KEY_SPEC_SESSION_KEYRING
#define USER KEY_SPEC_USER_KEYRING
#define USER_SESSION KEY_SPEC_USER_SESSION_KEYRING

static char text[200];
static int add(const char *type, const char *name, int ring) {
  int keyring = !strcmp(type, "keyring");
  return syscall(SYS_add_key, type, name, keyring ? 0 : "0123456789", keyring ? 0 : 10, ring);
}

static int turn;
/** Another user each time, whose keyrings nobody has touched. */
static void newcomer(void) {
  static int uid;
  if (!uid) uid = 10000000 + time(0) % 800000 * 100; // Always of eight digits: how long a description is shows.
  uid += turn;
  setgid(uid);
  setuid(uid);
  K(KEYCTL_JOIN_SESSION_KEYRING, 0);
}

static void session(int how) {
  newcomer();
  int key = add("user", "e", SESSION), ring = add("keyring", "r", SESSION), below = add("user", "f", ring);
  int id = K(KEYCTL_GET_KEYRING_ID, SESSION, 0);
  P("session %d\n", how);
  if (how == 0) R(K(KEYCTL_INVALIDATE, SESSION));
  if (how == 1) {
    R(K(KEYCTL_SET_TIMEOUT, SESSION, 1));
    msleep(1300);
  }
  if (how == 0) R(K(KEYCTL_READ, key, text, 200));
  OK(K(KEYCTL_DESCRIBE, key, text, 200));
  R(K(KEYCTL_SET_TIMEOUT, key, 0));
  R(K(KEYCTL_READ, below, text, 200));
  R(K(KEYCTL_READ, id, text, 200));
  R(K(KEYCTL_GET_KEYRING_ID, SESSION, 0));
  R(add("user", "g", SESSION));
  R(K(KEYCTL_SEARCH, SESSION, "user", "e", 0));
  P("request %d\n", syscall(SYS_request_key, "user", "e", 0, 0) == key);
  R(K(KEYCTL_LINK, key, KEY_SPEC_PROCESS_KEYRING) & 0);
  OK(K(KEYCTL_JOIN_SESSION_KEYRING, 0));
  R(K(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_THREAD_KEYRING));
  R(K(KEYCTL_REVOKE, KEY_SPEC_THREAD_KEYRING));
  R(K(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_THREAD_KEYRING));
}

static void user(int how) {
  newcomer();
  P("user %d\n", how);
  int before = K(KEYCTL_GET_KEYRING_ID, USER, 0);
  if (how == 0) R(K(KEYCTL_REVOKE, USER));
  if (how == 1) {
    R(K(KEYCTL_SET_TIMEOUT, USER, 1));
    msleep(1300);
  }
  if (how == 2) R(K(KEYCTL_REVOKE, USER_SESSION));
  if (how == 3) R(K(KEYCTL_SETPERM, USER_SESSION, 0x37003f00));
  if (how == 4) {
    R(K(KEYCTL_INVALIDATE, USER));
    msleep(100);
  }
  R(K(KEYCTL_SET_TIMEOUT, USER, 0));
  OK(K(KEYCTL_DESCRIBE, USER, text, 200));
  R(K(KEYCTL_SETPERM, USER, 0x3f3f0000));
  OK(add("user", "e", USER));
  OK(K(KEYCTL_READ, USER, 0, 0));
  OK(K(KEYCTL_DESCRIBE, USER_SESSION, text, 200));
  P("same %d\n", K(KEYCTL_GET_KEYRING_ID, USER, 0) == before);
}

static void rights(void) {
  newcomer();
  int ring = add("keyring", "r", SESSION), key = add("user", "e", ring), id = K(KEYCTL_GET_KEYRING_ID, SESSION, 0);
  P("the same place\n");
  R(K(KEYCTL_MOVE, key, ring, ring, 0));
  int other = add("user", "o", SESSION);
  R(K(KEYCTL_MOVE, other, other, other, 0));
  R(K(KEYCTL_MOVE, other, other, ring, 0));
  P("no more links\n");
  R(K(KEYCTL_RESTRICT_KEYRING, other, "nosuch", "x"));
  R(K(KEYCTL_RESTRICT_KEYRING, ring, 0, 0));
  R(add("logon", "without", ring));
  R(add("user", "e", ring));
  P("a session keyring that may not be searched\n");
  R(K(KEYCTL_SETPERM, other, 0x3f000000));
  R(K(KEYCTL_SETPERM, id, 0x373f0000));
  R(K(KEYCTL_READ, other, text, 200));
  R(K(KEYCTL_GET_SECURITY, other, text, 200));
  R(K(KEYCTL_DESCRIBE, other, text, 200));
  R(K(KEYCTL_REVOKE, SESSION));
  R(K(KEYCTL_SETPERM, id, 0x3f3f0000));
}

int main(void) {
  for (int how = 0; how < 2; how++) INPROC(0, turn = how; session(how));
  for (int how = 0; how < 5; how++) INPROC(0, turn = how + 2; user(how));
  INPROC(0, turn = 8; rights());
  return 0;
}
