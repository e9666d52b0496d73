/* Asks for keys, and, as /sbin/request-key, makes them: what it is told decides how. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  KEY_SPEC_PROCESS_KEYRING = -2,
  KEY_SPEC_SESSION_KEYRING = -3,
  KEY_SPEC_REQKEY_AUTH_KEY = -7,
  REQUESTOR = -8,
  KEYCTL_JOIN_SESSION_KEYRING = 1,
  KEYCTL_DESCRIBE = 6,
  KEYCTL_SEARCH = 10,
  KEYCTL_READ,
  KEYCTL_INSTANTIATE,
  KEYCTL_NEGATE,
  KEYCTL_ASSUME_AUTHORITY = 16,
  KEYCTL_REJECT = 19,
  KEYCTL_INSTANTIATE_IOV
};

#define CTL(op, ...) syscall(SYS_keyctl, op, ##__VA_ARGS__)
#define R(call)                                                                                                        \
  do {                                                                                                                 \
    long r = (long)(call);                                                                                             \
    if (r < 0) printf("%s: %s\n", #call, strerror(errno));                                                             \
    else printf("%s: %ld\n", #call, r > 2000 ? 2000 : r);                                                              \
    fflush(stdout);                                                                                                    \
  } while (0)

static char text[256];

static const char *content(int key) {
  long n = CTL(KEYCTL_READ, key, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  return n < 0 ? strerror(errno) : text;
}

/* argv: create KEY UID GID THREAD PROCESS SESSION */
static int helper(int argc, char **argv) {
  char told[256] = "", out[512], cwd[64];
  int key = atoi(argv[2]), log = open("/tmp/log", O_WRONLY | O_CREAT | O_APPEND, 0666);
  int auth = CTL(KEYCTL_ASSUME_AUTHORITY, key);
  CTL(KEYCTL_READ, KEY_SPEC_REQKEY_AUTH_KEY, told, sizeof told - 1);
  char seen[256] = "";
  CTL(KEYCTL_DESCRIBE, key, seen, sizeof seen);
  sprintf(out, "%s %d %s %s %s %s %d: %s; %s; %s %s %d %s\n", argv[1], argc, argv[3], argv[4], strcmp(argv[5], "0") ? "thread" : "-",
          strcmp(argv[6], "0") ? "process" : "-", atoi(argv[7]) > 0, auth > 0 ? told : "no authority", seen, getenv("HOME"), getenv("PATH"), getuid(),
          getcwd(cwd, sizeof cwd));
  write(log, out, strlen(out));
  struct iovec iov[2] = {{"from ", 5}, {told, strlen(told)}};
  int other = CTL(KEYCTL_SEARCH, atoi(argv[7]), "user", "secret", 0);
  if (!strcmp(told, "make")) return CTL(KEYCTL_INSTANTIATE, key, "made", 4, 0);
  if (!strcmp(told, "vector")) return CTL(KEYCTL_INSTANTIATE_IOV, key, iov, 2, REQUESTOR);
  if (!strcmp(told, "again")) return CTL(KEYCTL_INSTANTIATE, key, "1", 1, 0) || CTL(KEYCTL_INSTANTIATE, key, "2", 1, 0) != -1 || errno != EPERM;
  if (!strcmp(told, "reject")) return CTL(KEYCTL_REJECT, key, 100, EKEYREJECTED, 0);
  if (!strcmp(told, "negate")) return CTL(KEYCTL_NEGATE, key, 1, 0);
  if (!strcmp(told, "slow")) return usleep(300000), CTL(KEYCTL_INSTANTIATE, key, "slow", 4, 0), usleep(300000), 0;
  if (!strcmp(told, "die")) raise(SIGKILL);
  if (!strcmp(told, "secret")) {
    /* The requester's keys are there for who makes one for it. */
    const char *s = content(syscall(SYS_request_key, "user", "secret", 0, 0));
    int extra = syscall(SYS_add_key, "user", "extra", "e", 1, REQUESTOR);
    return extra < 0 || CTL(KEYCTL_INSTANTIATE, key, s, strlen(s), 0);
  }
  if (!strcmp(told, "deep")) {
    const char *s = content(syscall(SYS_request_key, "user", "deeper", "make", REQUESTOR));
    return CTL(KEYCTL_INSTANTIATE, key, s, strlen(s), 0);
  }
  return 3;
}

static int ask(const char *how, int ring) {
  char name[32];
  sprintf(name, "k:%s", how);
  int key = syscall(SYS_request_key, "user", name, how, ring);
  printf("%s: %s\n", how, key < 0 ? strerror(errno) : content(key));
  fflush(stdout);
  return key;
}

static void alarmed(int sig) {}

int main(int argc, char **argv) {
  if (strstr(argv[0], "request-key")) return helper(argc, argv);
  setgid(100), setuid(1000);
  CTL(KEYCTL_JOIN_SESSION_KEYRING, 0);
  syscall(SYS_add_key, "user", "secret", "hidden", 6, KEY_SPEC_SESSION_KEYRING);
  int made = ask("make", 0);
  R(syscall(SYS_request_key, "user", "k:make", 0, 0) == made);
  ask("vector", KEY_SPEC_PROCESS_KEYRING);
  R(CTL(KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, "user", "k:vector", 0) > 0);
  R(CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "k:vector", 0));
  ask("again", KEY_SPEC_SESSION_KEYRING);
  ask("reject", KEY_SPEC_SESSION_KEYRING);
  ask("reject", KEY_SPEC_SESSION_KEYRING);
  ask("negate", KEY_SPEC_SESSION_KEYRING);
  ask("die", KEY_SPEC_SESSION_KEYRING);
  ask("nothing", KEY_SPEC_SESSION_KEYRING);
  ask("secret", KEY_SPEC_SESSION_KEYRING);
  R(CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "extra", 0) > 0);
  ask("deep", KEY_SPEC_SESSION_KEYRING);
  R(CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "k:deep", 0) > 0);
  R(CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "deeper", 0) > 0);
  /* Two ask for one key: the second waits for it to be made, the first for the helper; a signal does not disturb it. */
  struct sigaction act = {.sa_handler = alarmed};
  sigaction(SIGALRM, &act, 0);
  if (fork() == 0) {
    usleep(100000);
    ask("slow", KEY_SPEC_SESSION_KEYRING);
    _exit(0);
  }
  ualarm(150000, 0);
  ask("slow", KEY_SPEC_SESSION_KEYRING);
  wait(0);
  return 0;
}
