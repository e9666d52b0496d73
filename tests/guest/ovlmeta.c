// metacopy=on: files are copied up without their content until it is written; what the layers look like, names that move, layers
// that have such files, and mounts that do not follow them.
#include "overlay.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>

static void layer(const char *path) {
  struct stat s;
  char b[100];
  if (lstat(path, &s)) {
    P("%s: errno %d\n", path, errno);
    return;
  }
  int m = getxattr(path, "trusted.overlay.metacopy", b, 99);
  P("%s: mode %o size %ld blocks %d metacopy %d", path, s.st_mode, (long)s.st_size, s.st_blocks > 0, m >= 0);
  int n = getxattr(path, "trusted.overlay.redirect", b, 99);
  if (n > 0) P(" redirect %.*s", n, b);
  P(" origin %d\n", getxattr(path, "trusted.overlay.origin", b, 99) > 0);
}
static void merged(const char *path) {
  struct stat s;
  if (stat(path, &s)) {
    P("%s: errno %d\n", path, errno);
    return;
  }
  P("%s: mode %o size %ld blocks %d nlink %d ", path, s.st_mode, (long)s.st_size, s.st_blocks > 0, (int)s.st_nlink);
  show(path);
}
static void mnt(const char *o) {
  if (mount("o", "m", "overlay", 0, o)) P("mount %s: errno %d\n", o, errno);
}

int main(void) {
  umask(022);
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("t", 0755);
  if (mount("t", "t", "tmpfs", 0, "mode=755")) return 1;
  chdir("t");
  const char *dirs[] = {"l", "u", "w", "m", "l/d", "l/e", "u2", "w2"};
  for (int i = 0; i < 8; i++) mkdir(dirs[i], 0755);
  char name[32];
  for (int i = 0; i < 10; i++) sprintf(name, "l/d/f%d", i), put(name, name, 0644);
  mnt("lowerdir=l,upperdir=u,workdir=w,metacopy=on");
  FILE *f = fopen("/proc/mounts", "r");
  char line[500];
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "o ", 2)) P("%d %d\n", !!strstr(line, "metacopy=on"), !!strstr(line, "redirect_dir=on"));
  fclose(f);
  R(chmod("m/d/f0", 0600));
  layer("u/d/f0"), merged("m/d/f0");
  R(setxattr("m/d/f1", "user.x", "y", 1, 0));
  layer("u/d/f1"), merged("m/d/f1");
  R(chown("m/d/f2", 7, 8));
  layer("u/d/f2"), merged("m/d/f2");
  R(rename("m/d/f3", "m/d/moved"));
  layer("u/d/moved"), merged("m/d/moved");
  R(rename("m/d/f4", "m/e/away"));
  layer("u/e/away"), merged("m/e/away");
  R(rename("m/d", "m/dd"));
  layer("u/dd"), merged("m/dd/f0"), merged("m/dd/moved");
  R(link("m/dd/f5", "m/e/link"));
  layer("u/e/link"), merged("m/e/link"), merged("m/dd/f5");
  R(truncate("m/dd/f6", 3));
  layer("u/dd/f6"), merged("m/dd/f6");
  int fd = open("m/dd/f0", O_RDONLY);
  int wr = open("m/dd/f0", O_WRONLY);
  layer("u/dd/f0");
  R(pwrite(wr, "L", 1, 0));
  char b[8] = "";
  R(pread(fd, b, 6, 0));
  P("%s\n", b);
  close(fd), close(wr);
  merged("m/dd/f0");
  fd = open("m/dd/f1", O_RDONLY);
  char *p = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
  P("mapped %.6s\n", p);
  munmap(p, 4096), close(fd);
  put("m/dd/f1", "new", 0);
  layer("u/dd/f1"), merged("m/dd/f1");
  struct timespec ts[2] = {{1000, 5}, {2000, 6}};
  R(utimensat(AT_FDCWD, "m/dd/f7", ts, 0));
  layer("u/dd/f7");
  R(chmod("m/dd/f7", 0400));
  R(open("m/dd/f7", O_RDWR) > 0);
  struct stat s;
  stat("m/dd/f7", &s);
  P("%ld, written now %d\n", (long)s.st_atime, s.st_mtime > 2000);
  R(unlink("m/e/away"));
  R(chmod("m/dd/f8", 0640));
  R(unlink("m/dd/f8"));
  umount("m");
  mnt("lowerdir=l,upperdir=u,workdir=w,metacopy=on");
  merged("m/dd/moved"), merged("m/dd/f2"), merged("m/e/link"), merged("m/dd/f6"), merged("m/dd/f0");
  umount("m");
  mnt("lowerdir=l,upperdir=u,workdir=w,metacopy=off");
  merged("m/dd/f2"), merged("m/dd/f0");
  umount("m");
  // Two layers up: the content is two layers down.
  mnt("lowerdir=u:l,upperdir=u2,workdir=w2,metacopy=on");
  merged("m/dd/f2"), merged("m/dd/moved");
  R(chmod("m/dd/f2", 0604));
  layer("u2/dd/f2"), merged("m/dd/f2");
  put("m/dd/moved", "written", 0);
  layer("u2/dd/moved"), merged("m/dd/moved");
  umount("m");
  unlink("l/d/f2");
  mnt("lowerdir=l,upperdir=u,workdir=w,metacopy=on");
  merged("m/dd/f2");
  umount("m");
  chdir("..");
  umount("t");
  rmdir("t");
}
