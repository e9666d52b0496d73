// Options of tmpfs, as data of mount(2) and of a remount: which are taken, what /proc/mounts and statfs(2) then say.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

static const char *const OPTIONS[] = {
    "size=1m", "size=1M", "size=1g,nr_inodes=10", "size=1", "size=4095", "size=4097", "size=1k", "size=-1", "size=",
    "size", "size=1x", "size=1m,", "size=1m,,mode=755", "nr_blocks=10", "nr_blocks=1k", "nr_inodes=1k", "nr_inodes=1",
    "nr_inodes=x", "mode=1777", "mode=0", "mode=8", "mode=77777", "mode=", "uid=5", "gid=6", "uid=-1", "uid=x",
    "uid=4294967295", "uid=4294967294", "huge=never", "huge=x", "mpol=default", "mpol=local", "mpol=bind:0",
    "mpol=bind:0,0", "mpol=bind", "mpol=bind:9", "mpol=prefer", "mpol=prefer:0", "mpol=interleave",
    "mpol=interleave=static:0", "mpol=bind=relative:0", "mpol=bind=x:0", "mpol=local:0", "mpol=default:0", "mpol=x",
    "mpol=bind:0,size=2m", "inode32", "inode64", "noswap", "acl", "ro", "rw", "noexec", "nosuid", "sync", "dirsync",
    "lazytime", "nolazytime", "mand", "nomand", "async", "silent", "defaults", "relatime", "context=x",
    "size=1m,size=2m", "mode=700,uid=1,gid=2,nr_inodes=7,size=64k", "SIZE=1m", " size=1m", "size=1m ", "a=b",
    "nr_inodes=0", "size=0", "nr_inodes=9", "size=1m"};

static void show(void) {
  char line[1000];
  struct stat st;
  struct statvfs fs;
  FILE *file = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, file))
    if (strstr(line, "/tmp/m ")) P("  %s", line);
  fclose(file);
  statvfs("m", &fs);
  stat("m", &st);
  // Half of memory is where nothing is said.
  P("  %ld blocks, %ld inodes, mode %o of %u:%u\n", fs.f_blocks < 20000 ? (long)fs.f_blocks : -1,
    fs.f_files < 20000 ? (long)fs.f_files : -1, st.st_mode, st.st_uid, st.st_gid);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("m", 0700);
  for (unsigned i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
    errno = 0;
    int r = mount("src", "m", "tmpfs", 0, OPTIONS[i]);
    P("%s: %d errno %d\n", OPTIONS[i], r, errno);
    if (r) continue;
    show();
    umount("m");
  }
  mount("src", "m", "tmpfs", 0, "size=1m,nr_inodes=100,mode=755");
  for (unsigned i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
    errno = 0;
    int r = mount(0, "m", 0, MS_REMOUNT, OPTIONS[i]);
    P("again %s: %d errno %d\n", OPTIONS[i], r, errno);
    if (r == 0) show();
  }
  for (int i = 0; i < 12; i++) {
    char name[20];
    sprintf(name, "m/%d", i);
    mkdir(name, 0700);
  }
  umount("m");
  mount("src", "m", "tmpfs", 0, "nr_inodes=20,size=40k");
  for (int i = 0; i < 12; i++) {
    char name[20];
    sprintf(name, "m/%d", i);
    mkdir(name, 0700);
  }
  R(mount(0, "m", 0, MS_REMOUNT, "nr_inodes=12"));
  R(mount(0, "m", 0, MS_REMOUNT, "nr_inodes=13"));
  R(mount(0, "m", 0, MS_REMOUNT, "noswap"));
}
