// Files through an overlay: sizes near the largest, lists and their refusals, what mappings and writes change and tell.
#include "guest.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

static void sizes(void) {
  struct stat st;
  char text[16] = "0123456789";
  int fd = open("far", O_RDWR | O_CREAT, 0600);
  const long at[] = {LONG_MAX - 100, LONG_MAX - 4096, 1L << 53, (1L << 53) + 1};
  for (int i = 0; i < 4; i++) {
    R(ftruncate(fd, at[i]));
    fstat(fd, &st);
    R(st.st_size);
    R(pwrite(fd, text, 10, at[i]));
    stat("far", &st);
    R(st.st_size);
    R(lseek(fd, 0, SEEK_END));
  }
  int appending = open("far", O_WRONLY | O_APPEND);
  R(write(appending, text, 3));
  R(lseek(appending, 0, SEEK_CUR));
}

static void lists(const char *name) {
  static const unsigned char minimal[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0,
                                          255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255};
  const char *const kinds[] = {"system.posix_acl_access", "system.posix_acl_default"};
  for (int user = 0; user < 2; user++)
    for (int i = 0; i < 2; i++)
      INPROC(user ? 1000 : 0, {
        P("%s of %s by %d\n", kinds[i], name, user);
        R(lsetxattr(name, kinds[i], "bad", 3, 0));
        R(lsetxattr(name, kinds[i], minimal, 4, 0));
        R(lsetxattr(name, kinds[i], minimal, sizeof minimal, 0));
        R(lremovexattr(name, kinds[i]));
      });
}

static void mapping(void) {
  struct stat before, after;
  int fd = open("mapped", O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 8192);
  fstat(fd, &before);
  msleep(20);
  char *at = mmap(0, 8192, PROT_READ, MAP_SHARED, fd, 0);
  *(volatile char *)at;
  stat("mapped", &after);
  R(before.st_atim.tv_nsec != after.st_atim.tv_nsec);
  msleep(20);
  at = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  at[4096] = 1;
  stat("mapped", &after);
  R(before.st_mtim.tv_nsec != after.st_mtim.tv_nsec);
  chmod("mapped", 0640);
  stat("mapped", &before);
  R(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

static void watch(void) {
  char buf[512] __attribute__((aligned(8)));
  int in = inotify_init1(IN_NONBLOCK), fd = open("setid", O_RDWR | O_CREAT, 0600);
  fchmod(fd, 04777);
  inotify_add_watch(in, "setid", IN_ATTRIB | IN_MODIFY);
  INPROC(1000, { R(write(fd, "x", 1)); });
  long n = read(in, buf, sizeof buf);
  for (long at = 0; at < n; at += sizeof(struct inotify_event))
    P("event %x\n", ((struct inotify_event *)(buf + at))->mask);
}

int main(void) {
  mkdir("lower", 0755);
  mkdir("upper", 0755);
  mkdir("work", 0755);
  mkdir("merged", 0755);
  R(mount("overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"));
  chmod("merged", 0777);
  chdir("merged");
  sizes();
  close(creat("file", 0644));
  mkdir("folder", 0755);
  symlink("file", "link");
  lists("file");
  lists("folder");
  lists("link");
  mapping();
  watch();
  int size = 7, f = open("file", O_RDONLY);
  R(ioctl(f, 2, &size)); // FIGETBSZ
}
