// Layers of an overlay: for data alone, added one by one, inside one another; and mounts whose files may not have been written.
#include "overlay.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static int context(void) { return syscall(430, "overlay", 0); }
static int set(int fd, const char *name, const char *value) { return syscall(431, fd, 1, name, value, 0); }

static int mounted(const char *options) {
  errno = 0;
  int e = mount("o", "m", "overlay", 0, options);
  P("%s: %d errno %d\n", options, e, errno);
  return e;
}

static void try(const char *options) {
  if (!mounted(options)) umount("m");
}

static void told(void) {
  char line[1000];
  FILE *f = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof line, f)) {
    char *at = strstr(line, " overlay o ");
    if (at) P("%s", at + 11);
  }
  fclose(f);
}

static const char *const DIRS[] = {"l", "l/in", "l2", "d", "d2", "u", "w", "m"};
static void fresh(void) {
  umount("t");
  mount("t", "t", "tmpfs", 0, "mode=755");
  chdir("t");
  for (int i = 0; i < sizeof DIRS / sizeof *DIRS; i++) mkdir(DIRS[i], 0755);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("t", 0755);
  fresh();
  P("-- inside one another\n");
  try("lowerdir=w,upperdir=u,workdir=w");
  try("lowerdir=l,upperdir=l/in,workdir=w");
  try("lowerdir=l/in,upperdir=l,workdir=w");
  try("lowerdir=l:l/in");
  try("lowerdir=l,upperdir=u,workdir=u");
  P("-- parts of lowerdir\n");
  try("lowerdir=l::d,metacopy=on");
  try("lowerdir=l:l2::d::d2,metacopy=on");
  try("lowerdir=l:l2::d:d2,metacopy=on");
  try("lowerdir=l:::d,metacopy=on");
  try("lowerdir=::d,metacopy=on");
  try("lowerdir=l::,metacopy=on");
  try("lowerdir=l:");
  try("lowerdir=:l");
  try("lowerdir=l:none");
  try("lowerdir=l,l2");
  P("-- how they are shown\n");
  const char *shown[] = {"redirect_dir=nofollow", "userxattr", "uuid=off", "uuid=on", "uuid=null", "xino=on", "metacopy=on", "index=on"};
  for (int i = 0; i < sizeof shown / sizeof *shown; i++)
    for (int upper = 0; upper < 2; upper++) {
      char o[200];
      sprintf(o, "lowerdir=l%s,%s", upper ? ",upperdir=u,workdir=w" : ":l2", shown[i]);
      if (!mounted(o)) told(), umount("m");
    }

  P("-- data elsewhere\n");
  put("d2/data", "elsewhere", 0644);
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "l/lost" : "l/meta", *to = i ? "/none" : "/data";
    put(name, "", 0640);
    truncate(name, 9);
    R(setxattr(name, "trusted.overlay.metacopy", "", 0, 0));
    R(setxattr(name, "trusted.overlay.redirect", to, 5, 0));
  }
  if (!mounted("lowerdir=l::d::d2,upperdir=u,workdir=w,metacopy=on")) {
    struct stat st;
    show("m/meta");
    show("m/data");
    show("m/lost");
    R(stat("m/lost", &st));
    P("%o %ld\n", st.st_mode, (long)st.st_size);
    R(chmod("m/meta", 0600));
    show("m/meta");
    int fd = open("m/meta", O_WRONLY);
    R(pwrite(fd, "E", 1, 0));
    close(fd);
    show("m/meta");
    show("d2/data");
    R(umount("m"));
  }

  P("-- one by one\n");
  put("l/a", "A", 0644);
  put("l2/b", "B", 0644);
  int fs = context();
  R(set(fs, "source", "o"));
  R(set(fs, "lowerdir+", "l"));
  R(set(fs, "lowerdir+", "l2"));
  R(set(fs, "lowerdir+", "none"));
  R(set(fs, "lowerdir+", ""));
  R(set(fs, "lowerdir+", "l/a"));
  R(set(fs, "datadir+", "d"));
  R(set(fs, "datadir+", "d2"));
  R(set(fs, "lowerdir+", "l/in"));
  R(set(fs, "upperdir", "none"));
  R(set(fs, "metacopy", "on"));
  R(set(fs, "metacopy", "perhaps"));
  R(syscall(431, fs, 6, 0, 0, 0));
  int mnt = syscall(432, fs, 0, 0);
  R(syscall(429, mnt, "", AT_FDCWD, "m", 4));
  told();
  show("m/a");
  show("m/b");
  show("m/meta");
  R(umount("m"));
  close(fs), close(mnt);
  fs = context();
  R(set(fs, "lowerdir", "l:"));
  R(set(fs, "lowerdir", ":l"));
  R(set(fs, "lowerdir", "l:l2"));
  R(set(fs, "lowerdir+", "d"));
  R(set(fs, "datadir+", "d"));
  close(fs);

  P("-- not to be used again\n");
  if (!mounted("lowerdir=l,upperdir=u,workdir=w,volatile")) {
    struct stat st;
    R(stat("w/work/incompat/volatile/dirty", &st));
    P("%o\n", st.st_mode);
    R(stat("w/work/incompat/volatile", &st));
    P("%o\n", st.st_mode);
    told();
    R(umount("m"));
  }
  try("lowerdir=l,upperdir=u,workdir=w");
  try("lowerdir=l,upperdir=u,workdir=w,volatile");
  R(unlink("w/work/incompat/volatile/dirty"));
  try("lowerdir=l,upperdir=u,workdir=w");
  R(rmdir("w/work/incompat/volatile"));
  try("lowerdir=l,upperdir=u,workdir=w");
  try("lowerdir=l:l2,volatile");

  P("-- an old descriptor\n");
  umount2("m", MNT_DETACH);
  chdir("..");
  fresh();
  put("l/file", "lower text", 0644);
  if (mounted("lowerdir=l,upperdir=u,workdir=w")) return 1;
  char b[20];
  int r = open("m/file", O_RDONLY), w = open("m/file", O_RDWR);
  char *before = mmap(0, 4096, PROT_READ, MAP_SHARED, r, 0);
  R(pwrite(w, "UPPER", 5, 0));
  char *after = mmap(0, 4096, PROT_READ, MAP_SHARED, r, 0), *now = mmap(0, 4096, PROT_READ, MAP_SHARED, w, 0);
  R(pread(r, b, 10, 0));
  P("%.10s %.10s %.10s %.10s\n", b, before, after, now);

  P("-- from one to another\n");
  mkdir("u2", 0755), mkdir("w2", 0755), mkdir("m2", 0755);
  R(mount("o", "m2", "overlay", 0, "lowerdir=l2,upperdir=u2,workdir=w2"));
  int to = open("m2/file", O_CREAT | O_RDWR, 0644), plain = open("plain", O_CREAT | O_RDWR, 0644);
  R(copy_file_range(w, &(loff_t){0}, to, &(loff_t){0}, 5, 0));
  R(copy_file_range(w, &(loff_t){0}, plain, &(loff_t){0}, 5, 0));
  R(copy_file_range(plain, &(loff_t){0}, to, &(loff_t){0}, 5, 0));
  mount("t", "m", "tmpfs", 0, 0);
  mkdir("m/u", 0755), mkdir("m/w", 0755), mkdir("m/m", 0755);
  R(mount("o", "m/m", "overlay", 0, "lowerdir=l2,upperdir=m/u,workdir=m/w"));
  int far = open("m/m/file", O_CREAT | O_RDWR, 0644);
  R(copy_file_range(w, &(loff_t){0}, far, &(loff_t){0}, 5, 0));
  R(pwrite(far, "far", 3, 0));
  R(copy_file_range(far, &(loff_t){0}, to, &(loff_t){0}, 5, 0));
  // The one that is read is not accessed.
  struct stat st;
  futimens(w, (struct timespec[]){{100}, {200}});
  R(copy_file_range(w, &(loff_t){0}, to, &(loff_t){0}, 5, 0));
  fstat(w, &st);
  R(st.st_atime);
  R(sendfile(to, w, &(off_t){0}, 5));
  fstat(w, &st);
  R(st.st_atime > 100);

  P("-- positions\n");
  umount2("m", MNT_DETACH), umount2("m2", MNT_DETACH);
  chdir("..");
  fresh();
  for (int k = 0; k < 4; k++) {
    char name[10];
    sprintf(name, "l/l%d", k), put(name, "", 0644);
    sprintf(name, "u/u%d", k), put(name, "", 0644);
  }
  if (mounted("lowerdir=l,upperdir=u,workdir=w")) return 1;
  unlink("m/l1");
  struct {
    long ino, off;
    unsigned short length;
    unsigned char type;
    char name[];
  } *e;
  char entries[1000];
  int dir = open("m", O_RDONLY);
  for (int from = 0; from < 6; from += 5) {
    lseek(dir, from, SEEK_SET);
    int n = syscall(SYS_getdents64, dir, entries, sizeof entries);
    for (int at = 0; at < n; at += e->length) e = (void *)(entries + at), P("%s %ld ", e->name, e->off);
    P("end %ld\n", (long)lseek(dir, 0, SEEK_CUR));
  }
  return 0;
}
