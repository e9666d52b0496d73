// The vDSO: found through the auxiliary vector, its functions agree with the system calls.
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

static const char *base;

/** The function of that name, by walking the image's own tables. */
static void *find(const char *name) {
  const Elf64_Ehdr *eh = (const void *)base;
  const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
  const Elf64_Dyn *dyn = 0;
  uintptr_t load = 0;
  for (int i = 0; i < eh->e_phnum; i++) {
    if (ph[i].p_type == PT_LOAD) load = (uintptr_t)base + ph[i].p_offset - ph[i].p_vaddr;
    if (ph[i].p_type == PT_DYNAMIC) dyn = (const void *)(base + ph[i].p_offset);
  }
  const Elf64_Sym *sym = 0;
  const char *str = 0;
  const unsigned *hash = 0;
  const Elf64_Half *ver = 0;
  const char *def = 0;
  for (; dyn->d_tag; dyn++) {
    const void *at = (const void *)(load + dyn->d_un.d_ptr);
    if (dyn->d_tag == DT_SYMTAB) sym = at;
    if (dyn->d_tag == DT_STRTAB) str = at;
    if (dyn->d_tag == DT_HASH) hash = at;
    if (dyn->d_tag == DT_VERSYM) ver = at;
    if (dyn->d_tag == DT_VERDEF) def = at;
    if (dyn->d_tag == DT_SONAME && str) printf("soname %s\n", str + dyn->d_un.d_val);
  }
  for (unsigned i = 0; i < hash[1]; i++) {
    if (strcmp(str + sym[i].st_name, name)) continue;
    const Elf64_Verdef *d = (const void *)def;
    while ((d->vd_ndx & 0x7fff) != (ver[i] & 0x7fff)) d = (const void *)((const char *)d + d->vd_next);
    const Elf64_Verdaux *aux = (const void *)((const char *)d + d->vd_aux);
    printf("%s %s hash %x\n", name, str + aux->vda_name, d->vd_hash);
    return (void *)(load + sym[i].st_value);
  }
  return 0;
}

static int64_t ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

typedef ssize_t (*getrandom_t)(void *, size_t, unsigned, void *, size_t);

static int zeros(const unsigned char *at, int n) {
  int count = 0;
  for (int i = 0; i < n; i++) count += at[i] == 0;
  return count;
}

/* Random bytes with a state of the program's. */
static void randoms(getrandom_t rnd) {
  struct {
    unsigned size, prot, flags, reserved[13];
  } p;
  memset(&p, 0xff, sizeof p);
  R(rnd(0, 0, 0, &p, ~0UL));
  printf("state of %u bytes, prot %u, flags %x, %d zeros\n", p.size, p.prot, p.flags, zeros((void *)p.reserved, 52));
  unsigned char *state = mmap(0, 8192, p.prot, p.flags, -1, 0);
  if (state == MAP_FAILED) return;
  unsigned char a[3000], b[3000];
  R(rnd(a, 16, 0, state + 4096 - p.size + 1, p.size));
  R(rnd(a, 16, 0x100, state, p.size));
  R(rnd(0, 0, 0, state, p.size));
  R(rnd(a, 16, 0, state, p.size + 1));
  R(rnd(0, 16, 0, 0, 0));
  static const int sizes[] = {1, 4, 16, 31, 96, 97, 128, 129, 256, 3000};
  for (int i = 0; i < 10; i++) {
    int n = sizes[i], same = 0;
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    long x = rnd(a, n, i & 1 ? 1 : 0, state, p.size), y = rnd(b, n, i & 1 ? 4 : 2, state, p.size);
    for (int j = 0; j < n; j++) same += a[j] == b[j];
    printf("%d: %ld %ld, %s, nothing behind %d %d\n", n, x, y, n < 16 || (same < n / 8 + 3 && zeros(a, n) < n / 8 + 3) ? "random" : "not random", a[n] == 0 || n == 3000, b[n] == 0 || n == 3000);
  }
  // Each bit comes up.
  unsigned all = 0, none = 0xff;
  for (int i = 0; i < 1000; i++) {
    rnd(a, 1, 0, state, p.size);
    all |= a[0], none &= a[0];
  }
  printf("bits %x %x\n", all, none);
  // A child does not get its parent's bytes.
  int ends[2];
  pipe(ends);
  rnd(a, 8, 0, state, p.size);
  pid_t child = fork();
  rnd(a, 16, 0, state, p.size);
  if (child == 0) {
    write(ends[1], a, 16);
    _exit(0);
  }
  read(ends[0], b, 16);
  printf("child differs %d\n", memcmp(a, b, 16) != 0);
  int st;
  waitpid(child, &st, 0);
  // Nothing that was handed out is kept.
  int found = 0;
  for (int i = 0; i < 200; i++) {
    rnd(a, 8, 0, state, p.size);
    for (unsigned j = 0; j + 8 <= p.size; j++) found += memcmp(state + j, a, 8) == 0;
  }
  printf("kept %d\n", found);
}

int main(void) {
  base = (const char *)getauxval(AT_SYSINFO_EHDR);
  R(base != 0);
  R(memcmp(base, "\177ELF", 4));
  int (*gettime)(clockid_t, struct timespec *) = find("__vdso_clock_gettime");
  int (*tod)(struct timeval *, struct timezone *) = find("__vdso_gettimeofday");
  time_t (*now)(time_t *) = find("__vdso_time");
  int (*cpu)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
  int (*res)(clockid_t, struct timespec *) = find("__vdso_clock_getres");
  getrandom_t rnd = find("__vdso_getrandom");
  R(gettime && tod && now && cpu && res);
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                              CLOCK_PROCESS_CPUTIME_ID, CLOCK_TAI};
  for (unsigned i = 0; i < 6; i++) {
    struct timespec a, b, c;
    syscall(SYS_clock_gettime, clocks[i], &a);
    int r = gettime(clocks[i], &b);
    syscall(SYS_clock_gettime, clocks[i], &c);
    printf("clock %d: %d, in order %d\n", clocks[i], r, ns(a) <= ns(b) && ns(b) <= ns(c));
  }
  struct timespec t;
  R(gettime(99, &t));
  R(res(CLOCK_MONOTONIC, &t));
  struct timeval a, b;
  struct timezone z;
  syscall(SYS_gettimeofday, &a, 0);
  R(tod(&b, 0));
  R((b.tv_sec - a.tv_sec) * 1000000 + b.tv_usec - a.tv_usec < 1000000);
  R(b.tv_usec >= 0 && b.tv_usec < 1000000);
  R(tod(&b, &z));
  R(tod(0, 0));
  time_t s;
  R(now(&s) - a.tv_sec < 2);
  R(s - now(0) <= 0);
  unsigned c = 99, n = 99;
  R(cpu(&c, &n, 0));
  R(c < 64 && n < 64);
  R(cpu(0, 0, 0));
  // Time moves while a program only looks at it.
  struct timespec first;
  gettime(CLOCK_MONOTONIC, &first);
  long looks = 0;
  do gettime(CLOCK_MONOTONIC, &t), looks++;
  while (ns(t) - ns(first) < 3000000 && looks < 100000000);
  R(looks < 100000000);
  if (rnd) randoms(rnd);
  // The image is code, its data cannot be written.
  if (!fork()) {
    *(volatile char *)base = 0;
    _exit(0);
  }
  int st;
  wait(&st);
  R(WIFSIGNALED(st) ? WTERMSIG(st) : -1);
  char line[300];
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f))
    if (strstr(line, "[vdso]")) {
      unsigned long from;
      char rights[5];
      sscanf(line, "%lx-%*x %4s", &from, rights);
      printf("%d %s\n", from == (unsigned long)base, rights);
    }
  return 0;
}
