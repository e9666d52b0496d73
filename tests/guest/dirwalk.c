// Random walks through a directory of tmpfs that two descriptors read while names come, go and are renamed.
#include "guest.h"
#include "walk.h"
#include <sys/mount.h>

static char buffer[70000];
static long positions[40];
static int known;

static void entries(int fd, int size) {
  long n = syscall(SYS_getdents64, fd, buffer, size);
  out("getdents %d = %d:", size, er(n));
  for (char *at = buffer; n > 0 && at < buffer + n; at += *(unsigned short *)(at + 16)) {
    out(" %s/%d", at + 19, at[18]);
    if (known < 40) positions[known++] = *(long *)(at + 8);
  }
}

static void walk(int w, int steps) {
  seed = w * 99 + 3;
  known = 0;
  mkdir("d", 0755);
  int fd[2] = {open("d", O_RDONLY), open("d", O_RDONLY)};
  char a[32], b[32];
  for (int i = 0; i < 12; i++) {
    sprintf(a, "d/n%02d", i);
    close(creat(a, 0600));
  }
  for (int step = 0; step < steps; step++) {
    int which = rnd(2);
    sprintf(a, "d/n%02d", rnd(30));
    sprintf(b, rnd(5) ? "d/n%02d" : "o%02d", rnd(30));
    switch (rnd(11)) {
    case 0:
    case 1: {
      int f = open(a, O_CREAT | O_EXCL, 0600);
      out("create %s %d", a, f < 0);
      close(f);
      break;
    }
    case 2: out("unlink %s %d", a, er(unlink(a))); break;
    case 3: out("rename %s %s %d", a, b, er(rename(a, b))); break;
    case 4: out("mkdir %s %d", a, er(mkdir(a, 0755))); break;
    case 5: out("rmdir %s %d", a, er(rmdir(a))); break;
    case 6: out("link %s %s %d", a, b, er(link(a, b))); break;
    case 7: out("exchange %s %s %d", a, b, er(syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2))); break;
    case 8:
    case 9: entries(fd[which], rnd(3) ? 24 + rnd(150) : 5000); break;
    default: {
      long to = rnd(3) == 0 || known == 0 ? rnd(4) : positions[rnd(known)];
      out("seek %d %d", which, lseek(fd[which], to, SEEK_SET) == to);
    }
    }
    out("\n");
    step_done(w, step);
  }
  close(fd[0]);
  close(fd[1]);
  for (int i = 0; i < 30; i++) {
    sprintf(a, "d/n%02d", i);
    if (unlink(a)) rmdir(a);
    sprintf(a, "o%02d", i);
    if (unlink(a)) rmdir(a);
  }
  rmdir("d");
}

int main(int argc, char **argv) {
  verbose = argc > 1;
  mkdir("dirwalk", 0755);
  mount("t", "dirwalk", "tmpfs", 0, 0);
  chdir("dirwalk");
  for (int w = 0; w < 30; w++) walk(w, 100);
  chdir("..");
  umount("dirwalk");
  rmdir("dirwalk");
  return 0;
}
