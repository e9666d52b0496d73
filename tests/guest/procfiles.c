// Files of /proc: their shape, and that they tell of what the program just did.
#include "guest.h"
#include <ctype.h>
#include <sys/file.h>

static char text[1 << 16];
static char *slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  ssize_t n = 0, got;
  while (fd >= 0 && n < (ssize_t)sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0)
    n += got;
  text[n] = 0;
  close(fd);
  return text;
}
/** The text with every number as N, so that its shape is seen. */
static void shape(const char *path, int lines) {
  printf("%s:\n", path);
  for (char *p = slurp(path); *p && lines > 0;) {
    if (isdigit(*p)) {
      putchar('N');
      while (isdigit(*p)) p++;
    } else if (*p == ' ' || *p == '\t') {
      putchar(' ');
      while (*p == ' ' || *p == '\t') p++;
    } else {
      if (*p == '\n') lines--;
      putchar(*p++);
    }
  }
  fflush(stdout);
}
static int words(const char *path) {
  int n = 0;
  for (char *p = strtok(slurp(path), " \n"); p; p = strtok(0, " \n")) n++;
  return n;
}
static long field(const char *path, const char *name) {
  char *p = strstr(slurp(path), name);
  return p ? atol(p + strlen(name)) : -1;
}
static void put(const char *path, const char *value) {
  int fd = open(path, O_WRONLY);
  errno = 0;
  long n = write(fd, value, strlen(value));
  printf("%s < %s: %ld %d\n", path, value, n, n < 0 ? errno : 0);
  close(fd);
}

/** Of these names, which begin a line, in the file's own order? */
static void keys(const char *path, const char *names) {
  printf("%s has", path);
  for (char *p = slurp(path); *p; p = strchr(p, '\n') + 1) {
    int n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
    char word[99];
    snprintf(word, sizeof word, " %.*s ", n, p);
    if (strstr(names, word)) printf(" %.*s", n, p);
  }
  puts("");
}

int main(void) {
  keys("/proc/vmstat", " nr_free_pages nr_mlock nr_inactive_anon nr_slab_reclaimable workingset_nodes workingset_refault_file "
                       "nr_anon_pages nr_mapped nr_shmem_pmdmapped nr_vmscan_write nr_dirtied nr_kernel_misc_reclaimable "
                       "nr_kernel_stack nr_page_table_pages nr_sec_page_table_pages pgdemote_kswapd nr_dirty_threshold pgpgin "
                       "pswpout pgalloc_normal allocstall_normal pgskip_movable pgfree pgactivate pgdeactivate pglazyfree pgfault "
                       "pgmajfault pglazyfreed pgrefill pgreuse pgsteal_direct pgscan_kswapd pgscan_anon pgsteal_file "
                       "pginodesteal slabs_scanned pageoutrun pgrotated drop_pagecache drop_slab oom_kill "
                       "unevictable_pgs_culled unevictable_pgs_stranded direct_map_level2_splits nr_unstable ");
  shape("/proc/loadavg", 1);
  shape("/proc/uptime", 1);
  shape("/proc/self/io", 9);
  shape("/proc/self/limits", 99);
  shape("/proc/self/schedstat", 1);
  shape("/proc/self/statm", 1);
  shape("/proc/buddyinfo", 0);
  printf("stat %d\n", words("/proc/self/stat"));
  printf("btime %d ctxt %d processes %d\n", field("/proc/stat", "btime ") > 1700000000,
         field("/proc/stat", "ctxt ") > 0, field("/proc/stat", "processes ") > 0);

  // What was read and written is counted, byte for byte and call for call.
  long r0 = field("/proc/self/io", "rchar: "), w0 = field("/proc/self/io", "wchar: ");
  long c0 = field("/proc/self/io", "syscw: ");
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
  long r1 = field("/proc/self/io", "rchar: ");
  read(zero, text, 1000);
  write(null, text, 333);
  write(null, text, 3);
  long r2 = field("/proc/self/io", "rchar: ");
  R((r2 - r1) - (r1 - r0) / 3 >= 1000);
  R(field("/proc/self/io", "wchar: ") - w0);
  R(field("/proc/self/io", "syscw: ") - c0);

  // mem and pagemap.
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(page, "in memory");
  int mem = open("/proc/self/mem", O_RDWR);
  char got[16] = "";
  R(pread(mem, got, 10, (off_t)page));
  P("%s\n", got);
  R(pwrite(mem, "on", 2, (off_t)page));
  P("%s\n", page);
  munmap(page + 4096, 4096);
  R(pread(mem, text, 8192, (off_t)page));
  R(pread(mem, text, 10, (off_t)page + 4096));
  R(pread(mem, text, 10, 0));
  R(lseek(mem, 0, SEEK_END));
  uint64_t entry = 0;
  int map = open("/proc/self/pagemap", O_RDONLY);
  R(pread(map, &entry, 8, (off_t)page / 4096 * 8));
  R(entry >> 63);
  R(entry >> 61 & 1);
  R(entry >> 56 & 1);
  R(pread(map, &entry, 8, (off_t)page / 4096 * 8 + 8));
  R(entry >> 63);
  R(pread(map, &entry, 7, 0));

  // Locks.
  int lock = open("/tmp/procfiles.lock", O_CREAT | O_RDWR, 0600);
  struct flock fl = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
  fcntl(lock, F_SETLK, &fl);
  flock(lock, LOCK_SH);
  struct stat st;
  fstat(lock, &st);
  char ino[32];
  sprintf(ino, ":%lu ", (unsigned long)st.st_ino);
  char *line = strtok(slurp("/proc/locks"), "\n");
  for (; line; line = strtok(0, "\n")) {
    char *at = strstr(line, ino);
    char kind[16], adv[16], type[16];
    int pid;
    if (!at || sscanf(line, "%*d: %15s %15s %15s %d", kind, adv, type, &pid) != 4 || pid != getpid()) continue;
    P("%s %s %s %s\n", kind, adv, type, at + strlen(ino));
  }
  unlink("/tmp/procfiles.lock");

  // A sleeping child's call.
  int ends[2];
  pipe(ends);
  pid_t p = fork();
  if (!p) {
    close(ends[1]);
    read(ends[0], text, 77);
    _exit(0);
  }
  msleep(50);
  char path[64];
  sprintf(path, "/proc/%d/syscall", p);
  long nr, a, b, c;
  sscanf(slurp(path), "%ld %lx %lx %lx", &nr, &a, &b, &c);
  P("call %ld fd %d count %ld\n", nr, a == ends[0], c);
  sprintf(path, "/proc/%d/wchan", p);
  R(strcmp(slurp(path), "0") != 0);
  close(ends[1]);
  wait(0);
  sscanf(slurp("/proc/self/syscall"), "%ld %*x %*x %lx", &nr, &c);
  P("own call %ld\n", nr);

  // Settings.
  put("/proc/self/coredump_filter", "0x7");
  P("%s", slurp("/proc/self/coredump_filter"));
  put("/proc/self/timerslack_ns", "12345");
  P("%s", slurp("/proc/self/timerslack_ns"));
  put("/proc/self/timerslack_ns", "0");
  P("%s", slurp("/proc/self/timerslack_ns"));
  put("/proc/self/clear_refs", "1");
  put("/proc/self/clear_refs", "9");
  put("/proc/self/oom_score_adj", "1001");
  put("/proc/self/comm", "new name");
  P("%s", slurp("/proc/self/comm"));
  P("%s", slurp("/proc/self/setgroups"));
  return 0;
}
