// Mounts of directories that are removed, and the numbers of peer groups.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

/** Mount points below the directory "m" that /proc/self/FILE shows, with their roots and groups. */
static void show(const char *name) {
  char line[1024];
  FILE *file = fopen("/proc/self/mountinfo", "r");
  P("%s\n", name);
  while (fgets(line, sizeof(line), file)) {
    char root[256], point[256], *at;
    if (sscanf(line, "%*d %*d %*s %255s %255s", root, point) != 2) continue;
    if (!(at = strstr(point, "/top"))) continue;
    P("%s %s%s\n", root, at, strstr(line, "shared:") ? " shared" : "");
  }
  fclose(file);
  file = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof(line), file)) {
    char *at = strstr(line, "/top");
    if (at && strstr(line, "tmpfs")) P("%.*s\n", (int)strcspn(at, " "), at);
  }
  fclose(file);
}

/** The number of a mount's peer group. */
static int group(const char *name) {
  char line[1024];
  int number = 0;
  FILE *file = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof(line), file)) {
    char point[256], *last, *tag = strstr(line, "shared:");
    if (sscanf(line, "%*d %*d %*s %*s %255s", point) != 1) continue;
    last = strrchr(point, '/');
    if (tag && last && !strcmp(last + 1, name)) number = atoi(tag + 7);
  }
  fclose(file);
  return number;
}

static void shared(const char *dir) {
  mkdir(dir, 0777);
  R(mount("none", dir, "tmpfs", 0, 0));
  R(mount(0, dir, 0, MS_SHARED, 0));
}

int main(void) {
  R(unshare(CLONE_NEWNS));
  R(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  R(mkdir("top", 0777));
  R(mount("none", "top", "tmpfs", 0, 0));
  R(chdir("top"));
  mkdir("a", 0777);
  mkdir("a/d", 0777);
  mkdir("a/e", 0777);
  mkdir("b", 0777);
  mkdir("c", 0777);
  close(open("file", O_CREAT | O_RDWR, 0666));
  close(open("on", O_CREAT | O_RDWR, 0666));

  R(mount("a/d", "b", 0, MS_BIND, 0));
  R(mount("file", "on", 0, MS_BIND, 0));
  R(rename("a/d", "a/r"));
  show("moved");
  R(rmdir("a/r"));
  R(unlink("file"));
  show("removed");
  R(mkdir("b/x", 0777));
  R(mount("b", "c", 0, MS_BIND, 0));
  R(mount("b", "c", 0, MS_BIND | MS_REC, 0));
  R(mount("b", "c", 0, MS_MOVE, 0));
  R(mount("none", "b", "tmpfs", 0, 0));
  int dir = open("a/e", O_RDONLY);
  int file = open("gone", O_CREAT | O_RDWR, 0666);
  char path[40];
  R(rmdir("a/e"));
  R(unlink("gone"));
  sprintf(path, "/proc/self/fd/%d", dir);
  R(mount(path, "c", 0, MS_BIND, 0));
  sprintf(path, "/proc/self/fd/%d", file);
  R(mount(path, "on", 0, MS_BIND, 0));
  R(umount("on"));
  R(umount("b"));
  show("still");
  R(umount("b"));

  shared("one");
  shared("two");
  shared("three");
  show("three groups");
  int one = group("one"), two = group("two"), three = group("three");
  R(umount("one"));
  R(mount(0, "two", 0, MS_PRIVATE, 0));
  shared("four");
  shared("five");
  shared("six");
  show("the lowest numbers");
  P("%d %d %d\n", group("four") == one, group("five") == two, group("six") > three);

  P("-- on what goes with an open file or a mapping\n");
  file = open("on", O_RDONLY);
  sprintf(path, "/proc/self/fd/%d", file);
  int link = open(path, O_PATH | O_NOFOLLOW);
  sprintf(path, "/proc/self/fd/%d", link);
  R(mount("on", path, 0, MS_BIND, 0));
  R(umount(path));
  sprintf(path, "/proc/self/fdinfo/%d", file);
  R(mount("on", path, 0, MS_BIND, 0));
  R(mount("none", "/proc/self/fdinfo", "tmpfs", 0, 0));
  R(umount("/proc/self/fdinfo"));
  return 0;
}
