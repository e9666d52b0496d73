/* Keys and keyrings: names, payloads, rights, states, and what each request refuses. */
#include "guest.h"
#include <linux/keyctl.h>
#define S(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %d\n", #n, #__VA_ARGS__, r_ == -1 ? errno : 0);                                    \
    r_;                                                                                            \
  })
#define V(n, ...)                                                                                  \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long r_ = syscall(n, ##__VA_ARGS__);                                                           \
    P("%s(%s) = %ld %d\n", #n, #__VA_ARGS__, r_, r_ == -1 ? errno : 0);                            \
    r_;                                                                                            \
  })
#define AK(t, d, p, l, k) S(SYS_add_key, t, d, p, (long)(l), (long)(k))
#define KC(...) V(SYS_keyctl, __VA_ARGS__)
#define KQ(...) S(SYS_keyctl, __VA_ARGS__)
#define RK(t, d, c, k) S(SYS_request_key, t, d, c, (long)(k))
static void *big;
int main() {
  big = mmap(0, 2 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(big, 'x', 2 << 20);
  char ln[5000];
  memset(ln, 'd', 4999);
  ln[4999] = 0;
  char b[4096];
  KQ(KEYCTL_JOIN_SESSION_KEYRING, 0);
  P("-- add_key\n");
  AK("keyring", "k", 0, 0, -1);
  AK("keyring", "k", "x", 1, -1);
  AK("user", "u", "x", 1, -1);
  AK("user", "u", 0, 0, -1);
  AK("user", "u", 0, 1, -1);
  AK("user", "u", big, 32767, -1);
  AK("user", "u", big, 32768, -1);
  AK("user", "u", big, 1 << 20, -1);
  AK("user", "u", big, (1 << 20) + 1, -1);
  AK("logon", "u", "x", 1, -1);
  AK("logon", "s:u", "x", 1, -1);
  AK("logon", "s:", "x", 1, -1);
  AK("logon", ":u", "x", 1, -1);
  AK("big_key", "u", "x", 1, -1) * 0;
  AK(".user", "u", "x", 1, -1);
  AK("nosuch", "u", "x", 1, -1);
  AK("", "u", "x", 1, -1);
  AK(ln, "u", "x", 1, -1);
  AK((char *)8, "u", "x", 1, -1);
  AK("user", (char *)8, "x", 1, -1);
  AK("user", "", "x", 1, -1);
  AK("user", ln, "x", 1, -1);
  ln[4095] = 0;
  AK("user", ln, "x", 1, -1);
  AK("user", "u", (char *)8, 1, -1);
  AK("keyring", ".k", 0, 0, -1);
  AK("user", ".u", "x", 1, -1);
  AK("user", "u", "x", 1, 0);
  AK("user", "u", "x", 1, 99999);
  AK("user", "u", "x", 1, -9);
  for (int k = -1; k >= -8; k--) {
    errno = 0;
    long r = syscall(SYS_add_key, "user", "q", "x", 1L, (long)k);
    P("%d: %d\n", k, r < 0 ? errno : 0);
  }
  AK("keyring", 0, 0, 0, -1);
  AK("user", 0, "x", 1, -1);
  P("-- keyctl\n");
  long id = syscall(SYS_add_key, "user", "id", "hello", 5L, -1L),
       kr = syscall(SYS_add_key, "keyring", "kr", 0, 0L, -1L);
  KC(999);
  KC(-1);
  KQ(KEYCTL_GET_KEYRING_ID, -3, 0);
  KC(KEYCTL_GET_KEYRING_ID, 99999, 0);
  KC(KEYCTL_GET_KEYRING_ID, 0, 0);
  KC(KEYCTL_GET_KEYRING_ID, -20, 0);
  KC(KEYCTL_UPDATE, id, "bye", 3);
  KC(KEYCTL_UPDATE, id, 8, 3);
  KC(KEYCTL_UPDATE, id, big, (1 << 20) + 1);
  KC(KEYCTL_UPDATE, kr, "x", 1);
  KC(KEYCTL_UPDATE, 99999, "x", 1);
  KC(KEYCTL_READ, id, b, 100);
  P("%.3s\n", b);
  KC(KEYCTL_READ, id, 0, 0);
  KC(KEYCTL_READ, id, b, 1);
  KC(KEYCTL_READ, id, 8, 100);
  KC(KEYCTL_READ, 99999, b, 100);
  KC(KEYCTL_READ, kr, b, 100);
  KC(KEYCTL_DESCRIBE, kr, b, 2);
  KC(KEYCTL_DESCRIBE, id, b, 100);
  P("%s\n", b);
  KC(KEYCTL_DESCRIBE, 99999, b, 100);
  KC(KEYCTL_DESCRIBE, id, 8, 100);
  KC(KEYCTL_LINK, id, kr);
  KC(KEYCTL_LINK, id, id);
  KC(KEYCTL_LINK, kr, kr);
  KC(KEYCTL_LINK, 99999, kr);
  KC(KEYCTL_READ, kr, b, 100);
  KC(KEYCTL_UNLINK, id, kr);
  KC(KEYCTL_UNLINK, id, kr);
  KC(KEYCTL_UNLINK, id, id);
  KC(KEYCTL_CLEAR, kr);
  KC(KEYCTL_CLEAR, id);
  KQ(KEYCTL_SEARCH, -3, "user", "id", 0);
  KC(KEYCTL_SEARCH, -3, "user", "zzz", 0);
  KC(KEYCTL_SEARCH, id, "user", "id", 0);
  KC(KEYCTL_SEARCH, -3, 8, "id", 0);
  KQ(KEYCTL_SEARCH, -3, "user", "id", kr);
  KC(KEYCTL_SETPERM, id, 0x3f3f0000);
  KC(KEYCTL_SETPERM, id, -1);
  KC(KEYCTL_SETPERM, 99999, 0);
  KC(KEYCTL_CHOWN, id, -1, -1);
  KC(KEYCTL_CHOWN, id, 1000, 1000);
  KC(KEYCTL_CHOWN, 99999, 0, 0);
  KC(KEYCTL_CHOWN, id, 0, 0);
  KC(KEYCTL_SET_TIMEOUT, id, 100);
  KC(KEYCTL_SET_TIMEOUT, 99999, 1);
  KC(KEYCTL_SET_REQKEY_KEYRING, -1);
  KC(KEYCTL_SET_REQKEY_KEYRING, 99);
  KC(KEYCTL_SET_REQKEY_KEYRING, -2);
  KC(KEYCTL_SET_REQKEY_KEYRING, -5);
  KC(KEYCTL_SET_REQKEY_KEYRING, 6);
  KC(KEYCTL_SET_REQKEY_KEYRING, 0);
  KC(KEYCTL_ASSUME_AUTHORITY, -1);
  KC(KEYCTL_ASSUME_AUTHORITY, 0);
  KC(KEYCTL_ASSUME_AUTHORITY, id);
  KC(KEYCTL_GET_SECURITY, id, b, 100);
  P("[%s]\n", b);
  KC(KEYCTL_GET_SECURITY, 99999, b, 100);
  KC(KEYCTL_INSTANTIATE, id, "x", 1, 0);
  KC(KEYCTL_NEGATE, id, 1, 0);
  KC(KEYCTL_REJECT, id, 1, 1, 0);
  KC(KEYCTL_REJECT, id, 1, 0, 0);
  KC(KEYCTL_REJECT, id, 1, 5000, 0);
  KC(KEYCTL_RESTRICT_KEYRING, kr, 0, 0);
  KQ(SYS_getpid);
  long k3 = syscall(SYS_add_key, "user", "nope", "x", 1L, kr);
  P("restricted %d\n", k3 < 0 ? errno : 0);
  KC(KEYCTL_RESTRICT_KEYRING, id, 0, 0);
  KC(KEYCTL_RESTRICT_KEYRING, kr, "user", 0);
  KC(KEYCTL_RESTRICT_KEYRING, kr, "nosuch", 0);
  KC(KEYCTL_MOVE, id, -3, kr, 0);
  KC(KEYCTL_MOVE, id, -3, -2, 2);
  long k4 = syscall(SYS_add_key, "keyring", "kr4", 0, 0L, -3L);
  KC(KEYCTL_MOVE, id, -3, k4, 0);
  KC(KEYCTL_MOVE, id, -3, k4, 0);
  KC(KEYCTL_MOVE, id, k4, k4, 0);
  KC(KEYCTL_MOVE, id, k4, -3, 1);
  KC(KEYCTL_CAPABILITIES, b, 1);
  KC(KEYCTL_REVOKE, 99999);
  KC(KEYCTL_REVOKE, id);
  KC(KEYCTL_READ, id, b, 10);
  KC(KEYCTL_UPDATE, id, "x", 1);
  KC(KEYCTL_DESCRIBE, id, b, 100);
  KC(KEYCTL_REVOKE, id);
  KC(KEYCTL_INVALIDATE, id);
  KC(KEYCTL_INVALIDATE, 99999);
  id = syscall(SYS_add_key, "user", "inv", "x", 1L, -3L);
  KC(KEYCTL_INVALIDATE, id);
  msleep(50);
  KC(KEYCTL_READ, id, b, 10);
  KC(KEYCTL_WATCH_KEY, id, 0, 0);
  KC(KEYCTL_DH_COMPUTE, 0, 0, 0, 0);
  P("-- timeout\n");
  id = syscall(SYS_add_key, "user", "to", "x", 1L, -3L);
  KC(KEYCTL_SET_TIMEOUT, id, 1);
  msleep(1100);
  KC(KEYCTL_READ, id, b, 10);
  KC(KEYCTL_SEARCH, -3, "user", "to", 0);
  P("-- request\n");
  RK("user", "nope", 0, 0);
  RK("user", 0, 0, 0);
  RK(0, "x", 0, 0);
  RK("nosuch", "x", 0, 0);
  RK(".x", "y", 0, 0);
  id = syscall(SYS_add_key, "user", "rk", "x", 1L, -3L);
  RK("user", "rk", 0, 0);
  RK("user", "rk", 0, -2);
  RK("user", "rk", 0, 99999);
  RK("user", "rk", 0, id);
  KC(KEYCTL_REVOKE, id);
  RK("user", "rk", 0, 0);
  id = syscall(SYS_add_key, "user", "rk2", "x", 1L, -3L);
  KC(KEYCTL_SET_TIMEOUT, id, 1);
  msleep(1100);
  RK("user", "rk2", 0, 0);
  P("-- perms\n");
  id = syscall(SYS_add_key, "user", "pm", "x", 1L, -3L);
  KC(KEYCTL_SETPERM, id, 0x3f3f3f3f);
  INPROC(1000, KC(KEYCTL_READ, id, b, 10); KC(KEYCTL_CHOWN, id, 1000, -1);
         KC(KEYCTL_SETPERM, id, 0));
  KC(KEYCTL_SETPERM, id, 0);
  KC(KEYCTL_READ, id, b, 10);
  KC(KEYCTL_DESCRIBE, id, b, 100);
  KC(KEYCTL_SETPERM, id, 0x3f010000);
  KC(KEYCTL_UPDATE, id, "x", 1);
  KC(KEYCTL_REVOKE, id);
  INPROC(1000, KQ(KEYCTL_JOIN_SESSION_KEYRING, "named"); KQ(KEYCTL_JOIN_SESSION_KEYRING, "");
         KQ(KEYCTL_JOIN_SESSION_KEYRING, 8); KQ(KEYCTL_JOIN_SESSION_KEYRING, ".x");
         KC(KEYCTL_SESSION_TO_PARENT));
  P("-- quota\n");
  INPROC(
      1001, int n = 0; char d[20]; for (n = 0; n < 400; n++) {
        sprintf(d, "k%d", n);
        if (syscall(SYS_add_key, "user", d, "x", 1L, -2L) < 0) break;
      } P("n %d errno %d\n", n > 150 && n <= 200, errno);
      P("big %ld %d\n", syscall(SYS_add_key, "user", "bigone", big, 20000L, -2L) < 0, errno));
}
