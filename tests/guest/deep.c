#include "guest.h"
#include <dirent.h>
#include <ftw.h>
static int seen;
static int visit(const char *p, const struct stat *s, int t, struct FTW *f) {
  (void)p;
  (void)s;
  (void)t;
  (void)f;
  seen++;
  return 0;
}
int main(void) {
  for (int i = 0; i < 300; i++) {
    if (mkdir("directory_with_a_name", 0755) || chdir("directory_with_a_name")) {
      R(i);
      break;
    }
  }
  char b[8192];
  R(getcwd(b, sizeof b) != 0);
  R(strlen(b));
  R(getcwd(b, 100) != 0);
  R(errno);
  R(open("leaf", O_CREAT | O_WRONLY, 0600) > 0);
  R(unlink("leaf"));
  char longp[5000];
  memset(longp, 'a', 4999);
  longp[4999] = 0;
  R(open(longp, O_RDONLY));
  longp[4095] = 0;
  R(open(longp, O_RDONLY));
  longp[256] = 0;
  R(open(longp, O_CREAT, 0600));
  longp[255] = 0;
  R(open(longp, O_CREAT, 0600) > 0);
  unlink(longp);
  for (int i = 0; i < 300; i++) {
    chdir("..");
    rmdir("directory_with_a_name");
  }
  R(rmdir("directory_with_a_name"));
  mkdir("many", 0755);
  chdir("many");
  char n[32];
  for (int i = 0; i < 5000; i++) {
    sprintf(n, "file%d", i);
    close(open(n, O_CREAT | O_WRONLY, 0600));
  }
  int cnt = 0;
  DIR *d = opendir(".");
  while (readdir(d)) cnt++;
  R(cnt);
  rewinddir(d);
  cnt = 0;
  struct dirent *e;
  while ((e = readdir(d))) {
    if (e->d_name[0] == 'f') {
      unlink(e->d_name);
      cnt++;
    }
  }
  R(cnt);
  closedir(d);
  chdir("..");
  R(rmdir("many"));
  mkdir("t", 0755);
  for (int i = 0; i < 10; i++) {
    sprintf(n, "t/d%d", i);
    mkdir(n, 0755);
    for (int j = 0; j < 10; j++) {
      sprintf(n, "t/d%d/f%d", i, j);
      close(open(n, O_CREAT | O_WRONLY, 0600));
    }
  }
  nftw("t", visit, 10, FTW_PHYS | FTW_DEPTH);
  R(seen);
  struct rlimit l = {4000, 4096};
  setrlimit(RLIMIT_NOFILE, &l);
  int fds = 0;
  while (open("/dev/null", O_RDONLY) >= 0) fds++;
  R(fds > 3900 && fds < 4000);
  R(errno);
  return 0;
}
