// Where mappings are put among many: the highest gap that is large enough, whatever was unmapped before.
#include "guest.h"

enum { PAGE = 4096, SLOTS = 200, STEPS = 4000 };

static char *top;

static void where(const char *what, void *at) { P("%s %ld\n", what, (long)(top - (char *)at) / PAGE); }

int main(void) {
  // Everything goes below one large mapping, so that holes elsewhere do not matter.
  char *at[SLOTS] = {0};
  int size[SLOTS], prot[] = {PROT_NONE, PROT_READ};
  for (int i = 0; i < 3000; i++) mmap(0, PAGE, prot[i & 1], MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  top = mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned long seed = 1, sum = 0;
  for (int step = 0; step < STEPS; step++) {
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    unsigned n = seed >> 33, i = n % SLOTS;
    if (at[i]) {
      munmap(at[i], size[i] * PAGE);
      at[i] = 0;
      continue;
    }
    size[i] = 1 + n / SLOTS % 9;
    at[i] = mmap(0, size[i] * PAGE, prot[n >> 20 & 1], MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sum = sum * 31 + (top - at[i]) / PAGE;
    if (step % 100 == 0) where("mapped", at[i]);
  }
  P("%lx\n", sum);
  // A hole made by moving, and one that was filled by name.
  char *a = mmap(0, 8 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  where("eight", a);
  char *b = mremap(a, 8 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
  where("moved", b);
  where("one", mmap(0, PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  where("named", mmap(top + 8 * PAGE, PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  munmap(top + 20 * PAGE, 3 * PAGE);
  where("three", mmap(0, 3 * PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return 0;
}
