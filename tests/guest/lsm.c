// The calls that ask security modules: what they refuse. Which modules there are is the machine's.
// libc: glibc
#include "guest.h"

#define get(a, c, s, f) syscall(459, a, c, s, f)
#define set(a, c, s, f) syscall(460, a, c, s, f)
#define list(i, s, f) syscall(461, i, s, f)

int main(void) {
  uint64_t ids[32] = {0}, ctx[8] = {0};
  uint32_t size = sizeof ids;
  long n = list(ids, &size, 0);
  int cap = 0;
  for (int i = 0; i < n; i++) cap |= ids[i] == 100;
  P("capability %d size %d\n", cap, size == n * 8);
  size = 7;
  R(list(ids, &size, 0));
  P("told %d\n", size == n * 8);
  R(list(ids, &size, 1));
  R(list(ids, 0, 0));
  size = 100;
  R(get(0, ctx, &size, 0));
  R(get(100, ctx, 0, 0));
  R(get(100, ctx, 8, 0));
  R(get(100, ctx, &size, 2));
  R(get(100, 0, &size, 1));
  R(get(100, ctx, &size, 1)); // no module
  R(get(999, ctx, &size, 0)); // no such attribute
  P("%u\n", size);
  R(set(100, ctx, 64, 1));
  R(set(100, ctx, 31, 0));
  R(set(100, ctx, 4097, 0));
  R(set(100, 0, 64, 0));
  R(set(100, ctx, 64, 0)); // a length of 0
  ctx[2] = 100;
  R(set(100, ctx, 64, 0));
  ctx[2] = 40, ctx[3] = 9;
  R(set(100, ctx, 64, 0));
  ctx[3] = 8;
  R(set(999, ctx, 64, 0));
  return 0;
}
