// /proc/self/mem reads and writes what the mappings themselves do not allow, and never a file through a
// private mapping; what links cost of a user's quota of keys; FUTEX_WAKE_OP with an unknown comparison.
#include "guest.h"
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <setjmp.h>

static sigjmp_buf back;
static void fault(int signal) { siglongjmp(back, signal); }

static int mem;
static char text[16];
#define PUT(bytes, at) R(pwrite(mem, bytes, sizeof bytes - 1, (off_t)(at)))
#define GET(n, at) R(pread(mem, text, n, (off_t)(at)))

static void files(void) {
  int fd = open("procmem-file", O_CREAT | O_RDWR | O_TRUNC, 0644);
  unlink("procmem-file");
  write(fd, "original", 8);
  ftruncate(fd, 8192);
  char *private = mmap(0, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
  PUT("A", private);
  PUT("B", private + 1);
  volatile char touched = private[4096];
  PUT("C", private + 4096);
  P("%.8s %c\n", private, private[4096]);
  pread(fd, text, 8, 0);
  P("%s\n", text);
  if (!sigsetjmp(back, 1)) private[0] = 'Z', P("written\n");
  else P("SIGSEGV\n");
  INCHILD({
    mem = open("/proc/self/mem", O_RDWR);
    PUT("Q", private);
    P("%.3s\n", private);
  });
  P("%.3s\n", private);

  char *shared = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
  PUT("S", shared);
  PUT("S", mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  GET(8, mmap(0, 4096, PROT_NONE, MAP_SHARED, fd, 0));
  P("%s\n", text);
  char *past = mmap(0, 65536, PROT_READ, MAP_PRIVATE, fd, 0);
  GET(1, past + 32768);
  PUT("x", past + 32768);
  R(pread(mem, (void *)8, 1, (off_t)private));
  R(pwrite(mem, (void *)8, 1, (off_t)private));
}

static void anonymous(void) {
  char *none = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  PUT("hey", none);
  GET(3, none);
  P("%s\n", text);
  GET(1, none + 4096);
  P("%d\n", text[0]);
  mprotect(none, 8192, PROT_READ);
  P("%s\n", none);
  char *code = mmap(0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  PUT("\xb8\x07\0\0\0\xc3", code);
  P("%d\n", ((int (*)(void))code)());
  PUT("\xb8\x09\0\0\0\xc3", code);
  P("%d\n", ((int (*)(void))code)());
  char *zero = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  volatile char touched = zero[5];
  PUT("z", zero);
  P("%s\n", zero);
}

static void mapping(const char *name) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[300];
  for (unsigned long start; fgets(line, sizeof line, maps);)
    if (strstr(line, name) && sscanf(line, "%lx", &start) == 1) {
      P("%s: %ld\n", name, pread(mem, text, 4, start));
      break;
    }
  fclose(maps);
}

static void quota(void) {
  FILE *users = fopen("/proc/key-users", "r");
  char line[200], rest[100];
  int uid;
  while (fgets(line, sizeof line, users))
    if (sscanf(line, "%d: %99[^\n]", &uid, rest) == 2 && uid == (int)getuid()) P("%s\n", rest);
  fclose(users);
}

static void keys(void) {
  char name[20];
  for (int i = 0; i < 5; i++) {
    snprintf(name, sizeof name, "key-%d", i);
    syscall(SYS_add_key, "user", name, "payload", 7, KEY_SPEC_PROCESS_KEYRING);
  }
  long ring = syscall(SYS_add_key, "keyring", "ring", 0, 0, KEY_SPEC_PROCESS_KEYRING);
  quota();
  syscall(SYS_add_key, "user", "other", "x", 1, ring);
  quota();
}

int main(void) {
  signal(SIGSEGV, fault);
  mem = open("/proc/self/mem", O_RDWR);
  files();
  anonymous();
  mapping("[vvar]");
  mapping("[vdso]");
  INPROC(45680, keys());
  unsigned word = 5, other = 0;
  R(syscall(SYS_futex, &other, FUTEX_WAKE_OP, 0, 0, &word, FUTEX_OP(FUTEX_OP_ADD, 3, 6, 4)));
  P("%u\n", word);
  return 0;
}
