/* Small ELF files and their interpreters: what execve makes of odd headers and segments; files that are executed. */
#include "guest.h"
#include <elf.h>
#include <stddef.h>
#include <sys/prctl.h>

/* kill(getpid(), SIGSTOP); exit(0) */
static const unsigned char code[] = {0x6a, 39, 0x58, 0x0f, 0x05, 0x89, 0xc7, 0x6a, 19, 0x5e, 0x6a,
                                     62, 0x58, 0x0f, 0x05, 0x6a, 60, 0x58, 0x31, 0xff, 0x0f, 0x05};
static struct elf {
  Elf64_Ehdr h;
  Elf64_Phdr p[6];
  unsigned char data[8192];
} elf;
static size_t length;

static void make(const char *path, const void *data, size_t n, int mode) {
  int f = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  write(f, data, n);
  close(f);
  chmod(path, mode);
}

static void standard(void) {
  memset(&elf, 0, sizeof elf);
  memcpy(elf.h.e_ident, "\177ELF\2\1\1", 7);
  elf.h.e_type = ET_EXEC;
  elf.h.e_machine = EM_X86_64;
  elf.h.e_version = 1;
  elf.h.e_phoff = elf.h.e_ehsize = sizeof elf.h;
  elf.h.e_phentsize = sizeof elf.p[0];
  elf.h.e_phnum = 2;
  size_t at = offsetof(struct elf, data);
  elf.p[0].p_type = PT_GNU_STACK;
  elf.p[0].p_flags = PF_R | PF_W;
  elf.p[1].p_type = PT_LOAD;
  elf.p[1].p_flags = PF_R | PF_X;
  elf.p[1].p_vaddr = 0x40000;
  elf.p[1].p_filesz = elf.p[1].p_memsz = at + sizeof code;
  elf.p[1].p_align = 4096;
  elf.h.e_entry = 0x40000 + at;
  memcpy(elf.data, code, sizeof code);
  length = at + sizeof code;
}

static int with_stack;

/* Mappings of the program, as distances from its lowest where that is not fixed. */
static void mappings(pid_t child) {
  char path[64], line[400];
  unsigned long low = 0, start, end;
  char rights[8];
  sprintf(path, "/proc/%d/maps", child);
  FILE *f = fopen(path, "r");
  while (fgets(line, sizeof line, f)) {
    sscanf(line, "%lx-%lx %7s", &start, &end, rights);
    if (with_stack && strstr(line, "[stack]")) P("  stack %s\n", rights);
    if (strchr(line, '[')) continue;
    if (low == 0) low = start < 0x100000 ? 1 : start;
    char at[30] = "high";
    if (low != 1 || start < 0x100000) sprintf(at, "%lx", low == 1 ? start : start - low);
    P("  %s+%lx %s%s\n", at, end - start, rights, strstr(line, "elf") ? " file" : "");
  }
  fclose(f);
}

static void run(const char *what) {
  P("%s: ", what);
  make("elf", &elf, length, 0755);
  pid_t child = fork();
  if (child == 0) {
    execl("./elf", "elf", NULL);
    P("errno %d\n", errno);
    _exit(99);
  }
  int status;
  waitpid(child, &status, WUNTRACED);
  if (!WIFSTOPPED(status)) {
    P("ended %x\n", status);
    return;
  }
  P("runs\n");
  mappings(child);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
}

static void pie(void) {
  standard();
  elf.h.e_type = ET_DYN;
  elf.p[1].p_vaddr = 0;
  elf.h.e_entry -= 0x40000;
}

static void second(unsigned long address) {
  elf.h.e_phnum = 3;
  elf.p[2] = elf.p[1];
  elf.p[2].p_vaddr = address;
}

static void programs(void) {
  standard();
  run("plain");
  standard();
  elf.h.e_ident[EI_CLASS] = ELFCLASS32;
  run("class 32");
  standard();
  elf.h.e_ident[EI_DATA] = ELFDATA2MSB;
  run("big endian");
  standard();
  elf.h.e_ident[EI_VERSION] = 9;
  run("version 9");
  standard();
  length = 40;
  run("short");
  pie();
  run("pie");
  pie();
  second(0x20000);
  elf.p[2].p_flags = PF_R | PF_W;
  elf.p[2].p_memsz = 0x2000;
  run("pie with a gap");
  standard();
  elf.h.e_type = ET_DYN;
  second(0x20000);
  run("pie, not in order");
  standard();
  second(0x20000);
  run("not in order");
}

/* What rights the pages past the file and the stack have. */
static void rights(void) {
  standard();
  second(0x42000);
  elf.p[2].p_flags = PF_R;
  elf.p[2].p_memsz = 0x2000;
  run("more memory than file, read only");
  standard();
  second(0x42000);
  elf.p[2].p_flags = PF_R | PF_X;
  elf.p[2].p_memsz = 0x2000;
  run("more memory than file, executed");
  standard();
  second(0x42000);
  elf.p[2].p_flags = PF_R;
  elf.p[2].p_filesz = 0;
  run("memory only, read only");
  with_stack = 1;
  standard();
  elf.p[0].p_type = PT_NULL;
  run("no word of the stack");
  standard();
  elf.p[0].p_flags = PF_R | PF_W | PF_X;
  run("a stack for code");
  with_stack = 0;
}

static void interpreter(const char *name, const char *what) {
  standard();
  size_t at = length, n = strlen(name) + 1;
  memcpy((char *)&elf + at, name, n);
  elf.h.e_phnum = 3;
  elf.p[2].p_type = PT_INTERP;
  elf.p[2].p_offset = at;
  elf.p[2].p_filesz = elf.p[2].p_memsz = n;
  length += n;
  run(what);
}

static void interpreters(void) {
  char text[200];
  memset(text, '#', sizeof text);
  pie();
  elf.p[1].p_flags |= PF_W;
  make("loader_elf", &elf, length, 0755);
  make("short", text, 40, 0755);
  make("text", text, sizeof text, 0755);
  make("head", &elf, 64, 0755);
  interpreter("/tmp/loader_elf", "loader");
  interpreter("/tmp/short", "short loader");
  interpreter("/tmp/text", "text as loader");
  interpreter("/tmp/head", "header as loader");
  interpreter("/tmp/none", "no loader");
}

/* Whose program or interpreter may not be read is not dumpable. */
static void unreadable(void) {
  chmod("/tmp/loader_elf", 0111);
  interpreter("/tmp/loader_elf", "loader for execution only");
  for (int i = 0; i < 2; i++) {
    pid_t child = fork();
    if (child == 0) {
      setuid(1000);
      execl("/tmp/elf", "elf", NULL);
      _exit(1);
    }
    waitpid(child, 0, WUNTRACED);
    struct stat st;
    char path[64];
    sprintf(path, "/proc/%d/stat", child);
    stat(path, &st);
    P("owner of /proc/PID/stat: %d\n", st.st_uid);
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    chmod("/tmp/loader_elf", 0755);
  }
}

static void busy(void) {
  standard();
  make("elf", &elf, length, 0755);
  pid_t child = fork();
  if (child == 0) execl("./elf", "elf", NULL);
  waitpid(child, 0, WUNTRACED);
  struct stat st;
  R(open("elf", O_WRONLY));
  R(open("elf", O_RDONLY | O_TRUNC));
  R(truncate("elf", 0));
  stat("elf", &st);
  P("%d\n", st.st_size == (off_t)length);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  R(open("elf", O_RDONLY | O_TRUNC) >= 0);
  stat("elf", &st);
  P("%ld\n", (long)st.st_size);
}

int main(void) {
  prctl(PR_SET_DUMPABLE, 1);
  programs();
  rights();
  interpreters();
  unreadable();
  busy();
}
