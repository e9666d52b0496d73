#include "guest.h"
int main(void) {
  char *a = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(a[5]);
  a[0] = 1;
  a[8192] = 2;
  R(munmap(a + 4096, 4096));
  R(mmap(a + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a + 4096);
  R(a[4096]);
  R(a[8192]);
  R(mmap(a, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
    MAP_FAILED);
  R(errno);
  R(munmap(a + 1, 4096));
  R(munmap(a, 0));
  R(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  R(mmap(0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0));
  R(mmap(0, 4096, PROT_READ, MAP_PRIVATE, 99, 0));
  R(mmap((void *)1, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  R(mprotect(a + 12288 + 4096 * 1000, 4096, PROT_READ));
  R(syscall(SYS_mprotect, a + 1, 10, PROT_READ));
  R(mprotect(a, 4096, 0x100));
  char *b = mremap(a, 4096, 65536, MREMAP_MAYMOVE);
  R(b != MAP_FAILED);
  R(b[0]);
  b[60000] = 9;
  R(mremap(b, 65536, 4096, 0) == b);
  R(mremap(b, 4096, 4096 * 1000000L, 0));
  char *fix = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  R(mremap(b, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, fix) == fix);
  R(fix[0]);
  R(mremap(b, 4096, 8192, MREMAP_MAYMOVE));
  int *sh = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
      *pr = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *sh = *pr = 1;
  if (!fork()) {
    *sh = 2;
    *pr = 2;
    _exit(0);
  }
  wait(0);
  R(*sh);
  R(*pr);
  int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
  for (int i = 0; i < 3000; i++) dprintf(fd, "%04d", i);
  char *m = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
       *pm = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  memcpy(m, "XXXX", 4);
  memcpy(pm + 4, "YYYY", 4);
  char buf[13] = {0};
  pread(fd, buf, 12, 0);
  printf("%s %.12s %.12s\n", buf, m, pm);
  pwrite(fd, "ZZZZZZZZ", 8, 4);
  printf("%.12s %.12s\n", m, pm);
  R(msync(m, 12288, MS_SYNC));
  R(msync(m, 12288, MS_SYNC | MS_ASYNC));
  R(msync(m + 1, 10, MS_SYNC));
  char *off = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 4096);
  printf("%.8s\n", off);
  R(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 100));
  R(m[12100]);
  unsigned char vec[4];
  R(mincore(m, 12288, vec));
  R(vec[0] & 1);
  R(mincore(m + 1, 1, vec));
  R(mincore((void *)0x1000, 4096, vec));
  int ro = open("f", O_RDONLY);
  R(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
  R(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0) != MAP_FAILED);
  int wo = open("f", O_WRONLY);
  R(mmap(0, 4096, PROT_READ, MAP_PRIVATE, wo, 0));
  char *rm = mmap(0, 4096, PROT_READ, MAP_SHARED, ro, 0);
  R(mprotect(rm, 4096, PROT_READ | PROT_WRITE));
  R(unlink("f"));
  close(fd);
  R(m[0]);
  R(ftruncate(fd, 0));
  char *d = mmap(0, 40960, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(d, 7, 40960);
  R(madvise(d, 8192, MADV_DONTNEED));
  R(d[0]);
  R(d[8192]);
  R(madvise(d + 1, 1, MADV_DONTNEED));
  R(madvise(d, 4096, 999));
  R(madvise(d, 4096, MADV_WILLNEED));
  R(madvise(d, 4096, MADV_DONTFORK));
  R(mlock(d, 8192));
  R(munlock(d, 8192));
  R(mlockall(MCL_CURRENT));
  R(munlockall());
  R(madvise(d, 4096, MADV_WIPEONFORK));
  char *brk0 = (char *)syscall(SYS_brk, 0);
  R(syscall(SYS_brk, brk0 + 100000) == (long)(brk0 + 100000));
  brk0[99999] = 1;
  R(syscall(SYS_brk, brk0) == (long)brk0);
  R(syscall(SYS_brk, 0) == (long)brk0);
  R(syscall(SYS_brk, 1) == (long)brk0);
  void *big = mmap(0, 1L << 46, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  R(big != MAP_FAILED);
  R(mmap(0, 1L << 47, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  unsigned char *code =
      mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 1; i < 4; i++) {
    unsigned char c[] = {0xb8, i, 0, 0, 0, 0xc3};
    memcpy(code, c, 6);
    R(((int (*)(void))code)());
  }
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  R(((int (*)(void))code)());
  int mf = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  R(ftruncate(mf, 8192));
  char *mm = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, mf, 0);
  mm[1] = 'q';
  R(fcntl(mf, F_ADD_SEALS, F_SEAL_SHRINK));
  R(ftruncate(mf, 0));
  R(ftruncate(mf, 16384));
  R(fcntl(mf, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(mm, 8192);
  R(fcntl(mf, F_ADD_SEALS, F_SEAL_WRITE));
  R(write(mf, "x", 1));
  R(fcntl(mf, F_GET_SEALS));
  for (int i = 0; i < 500; i++) {
    char *x =
        mmap(0, 4096 * (1 + i % 7), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    x[0] = i;
    if (i % 3) munmap(x, 4096 * (1 + i % 7));
  }
  P("many mappings\n");
  return 0;
}
