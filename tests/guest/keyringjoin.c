// Joining the session keyring that one has, and whose the process keyring is.
#include "guest.h"
#include <linux/keyctl.h>
#include <pthread.h>

static long keyctl(long op, long a, long b, long c) {
  long r = syscall(SYS_keyctl, op, a, b, c, 0);
  return r < 0 ? -errno : r;
}

static void process_ring(const char *when) {
  char text[200];
  long id = keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0, 0);
  long length = keyctl(KEYCTL_DESCRIBE, KEY_SPEC_PROCESS_KEYRING, (long)text, sizeof(text));
  P("%s: %ld %ld\n", when, id > 0 ? 1 : id, length);
}

static void *inherits(void *unused) {
  (void)unused;
  process_ring("made before the thread");
  return 0;
}

static void *makes(void *unused) {
  pthread_t thread;
  process_ring("in a thread");
  P("%d\n", keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1, 0) > 0);
  process_ring("made");
  pthread_create(&thread, 0, inherits, 0);
  pthread_join(thread, 0);
  return unused;
}

int main(void) {
  pthread_t thread;
  process_ring("at first");
  P("%d\n", keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0) > 0);
  long ring = keyctl(KEYCTL_JOIN_SESSION_KEYRING, (long)"vitrine_join", 0, 0);
  P("joined %d\n", ring > 0);
  P("%ld\n", keyctl(KEYCTL_SETPERM, ring, 0x3f1b0000, 0));
  P("the same %ld\n", keyctl(KEYCTL_JOIN_SESSION_KEYRING, (long)"vitrine_join", 0, 0));
  P("kept %d\n", keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0) == ring);
  pthread_create(&thread, 0, makes, 0);
  pthread_join(thread, 0);
  process_ring("after the thread");
  P("%d\n", keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1, 0) > 0);
  INCHILD(process_ring("in a child"));
  process_ring("at last");
  return 0;
}
