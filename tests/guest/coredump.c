// link: -pthread
// What a core dump holds, and when there is none.
#include "guest.h"
#include <elf.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/procfs.h>

static void *sleeper(void *a) {
  for (;;) pause();
}
static char *secret, *wanted;

static int child(int limit, int sig, int how) {
  pid_t p = fork();
  if (!p) {
    struct rlimit rl = {limit, limit};
    setrlimit(RLIMIT_CORE, &rl);
    if (how == 1) prctl(PR_SET_DUMPABLE, 0);
    if (how == 2) {
      int fd = open("/proc/self/coredump_filter", O_WRONLY);
      write(fd, "0", 1);
    }
    pthread_t th;
    pthread_create(&th, 0, sleeper, 0);
    msleep(20);
    if (sig == SIGSEGV) *(volatile int *)8 = 1;
    raise(sig);
    pause();
  }
  int st;
  waitpid(p, &st, 0);
  struct stat s;
  printf("signal %d limit %d how %d: killed by %d dumped %d file %d\n", sig, limit, how, WTERMSIG(st), !!WCOREDUMP(st),
         !stat("core", &s));
  fflush(stdout);
  return p;
}

/** Looks an address up in the dump. */
static int holds(const char *core, const void *addr, const char *text) {
  const Elf64_Ehdr *eh = (const void *)core;
  const Elf64_Phdr *ph = (const void *)(core + eh->e_phoff);
  uintptr_t a = (uintptr_t)addr;
  for (int i = 0; i < eh->e_phnum; i++)
    if (ph[i].p_type == PT_LOAD && a >= ph[i].p_vaddr && a < ph[i].p_vaddr + ph[i].p_filesz)
      return !strcmp(core + ph[i].p_offset + (a - ph[i].p_vaddr), text);
  return -1;
}

int main(void) {
  mkdir("/tmp/cores", 0777);
  chdir("/tmp/cores");
  unlink("core");
  secret = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  wanted = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(secret, "left out");
  strcpy(wanted, "in the dump");
  madvise(secret, 4096, MADV_DONTDUMP);
  child(0, SIGABRT, 0);
  child(1 << 30, SIGTERM, 0);
  child(1 << 30, SIGQUIT, 1);
  unlink("core");
  pid_t p = child(1 << 30, SIGSEGV, 0);
  int fd = open("core", O_RDONLY);
  struct stat s;
  R(fstat(fd, &s));
  R(s.st_mode);
  char *core = mmap(0, s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  const Elf64_Ehdr *eh = (const void *)core;
  R(eh->e_type);
  R(eh->e_machine);
  R(holds(core, wanted, "in the dump"));
  R(holds(core, secret, "left out"));
  const Elf64_Phdr *ph = (const void *)(core + eh->e_phoff);
  R(ph->p_type);
  int threads = 0;
  for (const char *n = core + ph->p_offset; n < core + ph->p_offset + ph->p_filesz;) {
    const Elf64_Nhdr *h = (const void *)n;
    const char *name = n + sizeof *h, *desc = name + ((h->n_namesz + 3) & ~3);
    n = desc + ((h->n_descsz + 3) & ~3);
    if (strcmp(name, "CORE")) continue;
    if (h->n_type == NT_PRSTATUS) {
      const struct elf_prstatus *st = (const void *)desc;
      threads++;
      P("thread %d: signal %d, info %d code %d\n", threads, st->pr_cursig, st->pr_info.si_signo, st->pr_info.si_code);
      if (threads == 1) {
        P("prstatus %u signal %d pid %d sid %d fp %d\n", h->n_descsz, st->pr_cursig, st->pr_pid == p,
          st->pr_sid == getsid(0), st->pr_fpvalid);
        P("cs %llx ss %llx rsp %d rip %d\n", (long long)st->pr_reg[17], (long long)st->pr_reg[20], st->pr_reg[19] != 0,
          st->pr_reg[16] != 0);
      }
    } else if (h->n_type == NT_PRPSINFO) {
      const struct elf_prpsinfo *ps = (const void *)desc;
      P("prpsinfo %u state %c uid %d pid %d name %d\n", h->n_descsz, ps->pr_sname, ps->pr_uid, ps->pr_pid == p,
        !strncmp(ps->pr_fname, "coredump", 8));
    } else if (h->n_type == NT_SIGINFO) {
      const siginfo_t *si = (const void *)desc;
      P("siginfo %u: %d code %d addr %lx\n", h->n_descsz, si->si_signo, si->si_code, (long)si->si_addr);
    } else if (h->n_type == NT_FILE)
      P("files %d page %ld\n", *(long *)desc > 0, ((long *)desc)[1]);
    else if (h->n_type == NT_FPREGSET)
      P("fpregset %u\n", h->n_descsz);
  }
  R(threads);
  unlink("core");
  child(4096, SIGSEGV, 0);
  unlink("core");
  child(1 << 30, SIGSEGV, 2);
  fd = open("core", O_RDONLY);
  fstat(fd, &s);
  core = mmap(0, s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  R(holds(core, wanted, "in the dump"));
  unlink("core");
  symlink("/tmp/cores/elsewhere", "core");
  child(1 << 30, SIGABRT, 0);
  unlink("core");
  rmdir("/tmp/cores");
  return 0;
}
