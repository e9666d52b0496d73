// An overlay with index=on: names of a lower file stay names of one file when it is changed, and over mounts.
#include "overlay.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

static const char *names[] = {"a", "b", "d/c", "e", "f"};
static const char *options;

static int is_mounted(const char *at) {
  int e = mount("o", at, "overlay", 0, options);
  P("mount %s: %d errno %d\n", at, e, e ? errno : 0);
  return e == 0;
}

static int count(const char *path) {
  DIR *d = opendir(path);
  int n = 0;
  for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.' && e->d_name[0] != '#';
  if (d) closedir(d);
  return n;
}

/* Names, numbers in the order they come, sizes; names in the upper layer; entries of the index. */
static void state(const char *what) {
  ino_t seen[8];
  int n = 0;
  P("%s:", what);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char path[20];
    struct stat s;
    sprintf(path, "m/%s", names[i]);
    if (lstat(path, &s)) continue;
    int j = 0;
    while (j < n && seen[j] != s.st_ino) j++;
    if (j == n) seen[n++] = s.st_ino;
    P(" %s=%d links %d mode %o size %d", names[i], j, (int)s.st_nlink, s.st_mode & 0777, (int)s.st_size);
    sprintf(path, "u/%s", names[i]);
    if (!lstat(path, &s)) P(S_ISCHR(s.st_mode) ? " hidden" : " upper");
    P(";");
  }
  P(" index %d\n", count("w/index"));
}

static void append(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_APPEND);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) P("append %s: errno %d\n", path, errno);
  close(fd);
}

static void fresh(void) {
  P("--\n");
  umount("m");
  umount("t2");
  mount("t", "t2", "tmpfs", 0, "mode=755");
  chdir("t2");
  mkdir("l", 0755), mkdir("l/d", 0755), mkdir("l2", 0755), mkdir("u", 0755), mkdir("w", 0755), mkdir("m", 0755), mkdir("m2", 0755);
  put("l/a", "lower", 0644);
  link("l/a", "l/b"), link("l/a", "l/d/c");
}

static void again(void) {
  chdir("..");
  fresh();
}

/* Layers on two file systems: with xino files have the overlay's device, and numbers of their own that they keep. */
static void numbers(const char *how) {
  static const char *files[] = {"m/a", "m/x", "m/d", "m/d/c", "m/sub", "m/sub/y"};
  enum { N = sizeof files / sizeof *files };
  char o[200];
  struct stat root, s, other;
  again();
  mount("t", "l2", "tmpfs", 0, "mode=755");
  mkdir("l2/l", 0755), mkdir("l2/l/d", 0755), mkdir("l2/l/sub", 0755);
  put("l2/l/x", "x", 0644), put("l2/l/sub/y", "y", 0644), put("l2/l/d/z", "z", 0644);
  sprintf(o, "lowerdir=l:l2/l,upperdir=u,workdir=w,%s", how);
  options = o;
  P("%s ", how);
  if (!is_mounted("m")) return;
  lstat("m", &root);
  ino_t before[N];
  for (int i = 0; i < N; i++) {
    lstat(files[i], &s);
    before[i] = s.st_ino;
    int same = 0;
    for (int j = 0; j < i; j++) same += lstat(files[j], &other) == 0 && other.st_ino == s.st_ino && other.st_dev == s.st_dev;
    P("%s: %s device, %d like it", files[i], s.st_dev == root.st_dev ? "the overlay's" : "another", same);
    chmod(files[i], 0700);
    lstat(files[i], &s);
    P(", %s\n", s.st_ino == before[i] ? "kept" : "changed");
  }
  static const char *dirs[] = {"m", "m/d", "m/sub"};
  for (int i = 0; i < 3; i++) {
    int right = 0, wrong = 0;
    DIR *d = opendir(dirs[i]);
    for (struct dirent *e; (e = readdir(d));) {
      char path[300];
      sprintf(path, "%s/%s", dirs[i], e->d_name);
      if (e->d_name[0] == '.' && e->d_name[1] == '.') continue;
      lstat(path, &s);
      s.st_ino == e->d_ino ? right++ : wrong++;
    }
    closedir(d);
    P("%s: %d entries with the number of stat, %d without\n", dirs[i], right, wrong);
  }
  FILE *f = fopen("/proc/mounts", "r");
  char line[1000];
  while (fgets(line, sizeof line, f))
    if (strstr(line, " overlay ") && strstr(line, "l2/l")) P("shown: %s\n", strstr(line, "xino") ? "yes" : "no");
  fclose(f);
  umount("m");
  umount("l2");
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("t2", 0755);
  options = "lowerdir=l,upperdir=u,workdir=w,index=on";
  fresh();
  if (!is_mounted("m")) return 1;
  state("start");
  int old = open("m/b", O_RDONLY);
  append("m/a", "+1");
  state("appended");
  show("m/d/c");
  append("m/d/c", "+2");
  show("m/a");
  char text[20] = "";
  P("open before: %d", (int)pread(old, text, sizeof text - 1, 0));
  P(" %s\n", text);
  close(old);
  R(chmod("m/b", 0600));
  state("chmod");
  R(unlink("m/b"));
  state("unlink");
  R(link("m/a", "m/e"));
  state("link");
  R(rename("m/d/c", "m/f"));
  state("rename");
  R(rename("m/f", "m/e"));
  state("rename to itself");
  umount("m");
  if (!is_mounted("m")) return 1;
  state("mounted again");
  put("m/other", "other", 0644);
  R(rename("m/other", "m/e"));
  state("replaced");
  int fd = open("m/a", O_RDWR);
  R(unlink("m/a"));
  R(unlink("m/f"));
  struct stat s;
  fstat(fd, &s);
  P("open, nameless: %d links, %d written\n", (int)s.st_nlink, (int)pwrite(fd, "more", 4, 0));
  close(fd);
  state("none left");

  again();
  if (!is_mounted("m")) return 1;
  R(unlink("m/a"));
  state("unlinked first");
  append("m/b", "+");
  show("m/d/c");
  state("then written");
  R(unlink("m/b"));
  R(unlink("m/d/c"));
  state("none left");

  again();
  if (!is_mounted("m")) return 1;
  R(rename("m/a", "m/e"));
  state("renamed first");
  R(link("m/b", "m/f"));
  state("linked");
  R(truncate("m/d/c", 2));
  show("m/f");
  state("cut");
  P("another with the same layers: ");
  is_mounted("m2");
  umount("m");
  options = "lowerdir=l2,upperdir=u,workdir=w,index=on";
  P("another lower layer: ");
  is_mounted("m");
  options = "lowerdir=l,upperdir=u,workdir=w";
  P("without index: ");
  is_mounted("m");
  state("without index");
  append("m/b", "!");
  show("m/e");

  again();
  options = "lowerdir=l,upperdir=u,workdir=w,index=on,metacopy=on";
  if (!is_mounted("m")) return 1;
  R(chmod("m/b", 0640));
  state("attributes alone");
  show("m/a");
  show("m/d/c");
  append("m/a", "+1");
  show("m/b");
  state("whole");
  numbers("xino=off");
  numbers("xino=on");
  numbers("xino=auto");
  umount("m");
  chdir("..");
  umount("t2");
  rmdir("t2");
  return 0;
}
