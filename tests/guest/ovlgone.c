// An overlay's lower files cannot be changed any more after their names are gone. Seeking in directories, set-id bits and reserved
// space on an overlay.
#include "guest.h"
#include <dirent.h>
#include <grp.h>
#include <sys/mount.h>

static void list(const char *name) {
  DIR *dir = opendir(name);
  struct dirent *e;
  int n = 0;
  while ((e = readdir(dir))) n++;
  closedir(dir);
  P("%s has %d entries\n", name, n);
}

int main(void) {
  struct stat st;
  umask(0), mkdir("o", 0755), mount("o", "o", "tmpfs", 0, "mode=755"), chdir("o");
  mkdir("l", 0777), mkdir("u", 0777), mkdir("w", 0755), mkdir("m", 0755);
  close(open("l/file", O_CREAT, 0644)), close(open("l/other", O_CREAT, 0644)), mkdir("l/d", 02777);
  close(open("l/d/x", O_CREAT, 0644)), chown("l/d", 0, 1001), chmod("l/d", 02777);
  R(mount("ov", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w"));
  int file = open("m/file", O_RDONLY), other = open("m/other", O_RDONLY), x = open("m/d/x", O_RDONLY);
  R(unlink("m/file"));
  R(rename("m/d/x", "m/other"));
  R(fchmod(file, 0600));
  R(fchmod(other, 0755));
  R(fchmod(x, 0755));
  R(access("m/file", F_OK));
  R((fstat(file, &st), st.st_mode));
  R((fstat(other, &st), st.st_mode));
  R((stat("m/other", &st), st.st_mode));
  list("m"), list("w/work");
  int dir = open("m/d", O_RDONLY);
  R(lseek(dir, 0, SEEK_END));
  R(lseek(dir, 0, SEEK_DATA));
  R(lseek(dir, 5, SEEK_SET));
  mkfifo("/tmp/p", 0600);
  R(copy_file_range(open("/tmp/p", O_RDWR), NULL, dir, NULL, 1, 0));
  if (fork()) {
    wait(NULL), chdir("/tmp");
    R(umount2("o", MNT_DETACH));
    return 0;
  }
  setgroups(0, NULL), setgid(1000), setuid(1000);
  int own = open("m/d/own", O_CREAT | O_RDWR, 02770);
  R((fstat(own, &st), st.st_mode));
  R((fchmod(own, 06755), fstat(own, &st), st.st_mode));
  R(fallocate(own, 8, 0, 4096));
  R((fstat(own, &st), st.st_mode));
  _exit(0);
}
