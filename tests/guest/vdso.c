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

int main(void) {
  base = (const char *)getauxval(AT_SYSINFO_EHDR);
  R(base != 0);
  R(memcmp(base, "\177ELF", 4));
  int (*gettime)(clockid_t, struct timespec *) = find("__vdso_clock_gettime");
  int (*tod)(struct timeval *, struct timezone *) = find("__vdso_gettimeofday");
  time_t (*now)(time_t *) = find("__vdso_time");
  int (*cpu)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
  int (*res)(clockid_t, struct timespec *) = find("__vdso_clock_getres");
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
