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

/** Runs statements in a child, as another user unless uid is 0, and tells of an unusual end. */
#define INPROC(uid, ...)                                                                           \
  do {                                                                                             \
    fflush(0);                                                                                     \
    pid_t c_ = fork();                                                                             \
    if (!c_) {                                                                                     \
      if (uid) {                                                                                   \
        setgid(uid);                                                                               \
        setuid(uid);                                                                               \
      }                                                                                            \
      __VA_ARGS__;                                                                                 \
      _exit(0);                                                                                    \
    }                                                                                              \
    int s_;                                                                                        \
    waitpid(c_, &s_, 0);                                                                           \
    if (s_) P("st %x\n", s_);                                                                      \
  } while (0)

/** Runs statements in a child and tells how it ended. */
#define INCHILD(...)                                                                               \
  do {                                                                                             \
    fflush(0);                                                                                     \
    pid_t c_ = fork();                                                                             \
    if (!c_) {                                                                                     \
      __VA_ARGS__;                                                                                 \
      _exit(0);                                                                                    \
    }                                                                                              \
    int s_;                                                                                        \
    waitpid(c_, &s_, 0);                                                                           \
    P("st %x\n", s_);                                                                              \
  } while (0)

static inline void msleep(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}

/** Gives CAP_SYS_RESOURCE up, which not every container has. */
static inline void drop_sys_resource(void) {
  struct {
    unsigned v;
    int pid;
  } h = {0x20080522, 0};
  struct {
    unsigned e, p, i;
  } d[2];
  syscall(SYS_capget, &h, d);
  d[0].e &= ~(1u << 24);
  d[0].p &= ~(1u << 24);
  syscall(SYS_capset, &h, d);
}
