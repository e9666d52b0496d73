// What every guest program shares: each prints lines that do not depend on the moment or the
// machine.
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/** Prints the call, its result, and errno where it failed. */
#define R(call)                                                                                    \
  do {                                                                                             \
    errno = 0;                                                                                     \
    long r_ = (long)(call);                                                                        \
    if (r_ == -1 && errno)                                                                         \
      printf("%s = -1 errno %d\n", #call, errno);                                                  \
    else                                                                                           \
      printf("%s = %ld\n", #call, r_);                                                             \
    fflush(stdout);                                                                                \
  } while (0)

/** Prints whether the call failed, without its result. */
#define OK(call)                                                                                   \
  do {                                                                                             \
    errno = 0;                                                                                     \
    long r_ = (long)(call);                                                                        \
    if (r_ == -1 && errno)                                                                         \
      printf("%s failed, errno %d\n", #call, errno);                                               \
    else                                                                                           \
      printf("%s ok\n", #call);                                                                    \
    fflush(stdout);                                                                                \
  } while (0)

#define P(...) (printf(__VA_ARGS__), fflush(stdout))

static inline void msleep(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}
