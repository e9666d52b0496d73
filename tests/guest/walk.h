// Random walks: the same steps natively and here. What happens is printed as a hash of every ten steps; with an argument, as text.
#include <stdarg.h>

static unsigned seed;
static unsigned rnd(unsigned n) {
  seed = seed * 1103515245 + 12345;
  return ((seed >> 16) & 0x7fff) % n;
}
static int er(long r) { return r < 0 ? -errno : (int)r; }

static int verbose;
static unsigned hash = 2166136261u;
/** Tells something of the step. */
static void out(const char *format, ...) {
  char line[400];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (verbose) P("%s", line);
  for (char *c = line; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619;
}
/** The step is over. */
static void step_done(int walk, int step) {
  if (step % 10 != 9) return;
  if (!verbose) P("walk %d step %d: %08x\n", walk, step, hash);
  hash = 2166136261u;
}
