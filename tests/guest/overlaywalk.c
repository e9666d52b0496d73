// A random walk over an overlay of two lower layers: what each call says, what is seen after it, and what the upper layer has at the end.
// libc: glibc
#include "guest.h"
#include "walk.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>

/** A random path of one to three names below a directory. */
static char *path(const char *root) {
  static char paths[4][80];
  static int turn;
  char *p = paths[turn++ & 3];
  int length = sprintf(p, "%s", root);
  for (int depth = 1 + rnd(3); depth--;) length += sprintf(p + length, "/%c", 'a' + rnd(5));
  return p;
}

static int byName(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void attributes(const char *p) {
  char names[300], value[100];
  int r = llistxattr(p, names, sizeof names);
  for (char *name = names; r > 0 && name < names + r; name += strlen(name) + 1) {
    int length = lgetxattr(p, name, value, sizeof value - 1);
    if (strstr(name, "origin") || strstr(name, "uuid")) out("[%s]", name + 8); // the machine's own
    else out("[%s=%.*s]", name + 8, length > 0 ? length : 0, value);
  }
}

static void tree(const char *root, int upper);
static void entry(const char *p, const struct dirent *e, int upper) {
  char text[100];
  struct stat st;
  int r;
  if (lstat(p, &st)) {
    out(" %s!%d", e->d_name, errno);
    return;
  }
  out(" %s:%o.%d", e->d_name, st.st_mode, st.st_uid);
  if (e->d_type != st.st_mode >> 12) out("T%d", e->d_type);
  if (!S_ISDIR(st.st_mode)) out("n%d", (int)st.st_nlink);
  if (S_ISREG(st.st_mode)) {
    int f = open(p, O_RDONLY);
    r = f < 0 ? -errno : read(f, text, 19);
    out("'%.*s'%d", r > 0 ? r : 0, text, (int)st.st_size);
    if (f >= 0) close(f);
  }
  if (S_ISLNK(st.st_mode)) r = readlink(p, text, sizeof text), out(">%.*s", r > 0 ? r : 0, text);
  if (upper) attributes(p);
  if (S_ISDIR(st.st_mode)) tree(p, upper);
}

static void tree(const char *root, int upper) {
  struct dirent **list;
  int n = scandir(root, &list, 0, byName);
  if (n < 0) {
    out("?%d", errno);
    return;
  }
  out("{");
  for (int i = 0; i < n; i++) {
    char p[300];
    snprintf(p, sizeof p, "%s/%s", root, list[i]->d_name);
    if (list[i]->d_name[0] != '.') entry(p, list[i], upper);
    free(list[i]);
  }
  out("}");
  free(list);
}

static void fill(const char *root) {
  for (int i = 0; i < 14; i++) {
    char *p = path(root);
    int kind = rnd(6);
    if (kind < 3) mkdir(p, 0755);
    else if (kind < 5) {
      int f = open(p, O_CREAT | O_WRONLY, 0640);
      if (f >= 0) dprintf(f, "%s%d", strrchr(p, '/') + 1, i), close(f);
    } else symlink("x", p);
    if (rnd(5) == 0) link(p, path(root));
  }
}

/** What overlays leave in their upper layers, in a lower one: whiteouts of both forms, opaque directories, names of before. */
static void marks(const char *root) {
  for (int i = 0; i < 18; i++) {
    char *p = path(root), name[20];
    int kind = rnd(12), f = -1;
    if (kind < 4 || kind == 8 || kind == 9) mkdir(p, 0755);
    else if (kind == 6) symlink("x", p);
    else if (kind == 7) mknod(p, S_IFCHR, 0);
    else f = open(p, O_CREAT | O_WRONLY, 0640);
    if (kind == 4 || kind == 5) dprintf(f, "%s%d", strrchr(p, '/') + 1, i);
    if (kind == 8) {
      lsetxattr(p, "trusted.overlay.opaque", rnd(4) ? "y" : "x", 1, 0);
      lsetxattr(p, "user.overlay.opaque", "y", 1, 0);
    }
    if (kind == 9) {
      if (rnd(2)) sprintf(name, "/%c/%c", 'a' + rnd(5), 'b');
      else sprintf(name, "%c", 'a' + rnd(5));
      if (rnd(2)) lsetxattr(p, "trusted.overlay.redirect", name, strlen(name), 0);
    }
    if (kind == 10) {
      if (rnd(2)) lsetxattr(p, "trusted.overlay.whiteout", "", 0, 0);
      *strrchr(p, '/') = 0;
      if (rnd(3)) lsetxattr(p, "trusted.overlay.opaque", "x", 1, 0);
    }
    if (kind == 11) {
      (void)!ftruncate(f, rnd(9));
      sprintf(name, rnd(2) ? "/%c" : "%c", 'a' + rnd(5));
      if (rnd(2)) lsetxattr(p, "trusted.overlay.metacopy", "", 0, 0), lsetxattr(p, "trusted.overlay.redirect", name, strlen(name), 0);
    }
    if (f >= 0) close(f);
    if (rnd(6) == 0) link(p, path(root));
  }
}

/** Opens, writes, and tells how that went. */
static void put(const char *p, int flags, const char *format, int k) {
  int f = open(p, flags, 0600);
  out("open %s %x %d", p, flags, f < 0 ? -errno : 0);
  if (f >= 0) dprintf(f, format, k), close(f);
}

/** Do the open file and the name tell of one file? */
static void same(const char *p) {
  struct stat a, b;
  int f = open(p, O_RDONLY), r = f < 0 ? -errno : fstat(f, &a), s = lstat(p, &b);
  out("stat %s %d %d same %d", p, r, er(s), f >= 0 && !s ? a.st_ino == b.st_ino && a.st_dev == b.st_dev : -1);
  if (f >= 0) close(f);
}

/** A file without a name that gets one. */
static void nameless(const char *p, int k) {
  int f = open("m/a", O_TMPFILE | O_RDWR, 0640);
  out("tmpfile %d", f < 0 ? -errno : 0);
  if (f < 0) return;
  char link[40];
  dprintf(f, "T%d", k);
  sprintf(link, "/proc/self/fd/%d", f);
  out(" link %s %d", p, er(linkat(AT_FDCWD, link, AT_FDCWD, p, AT_SYMLINK_FOLLOW)));
  close(f);
}

/** Who reads one name while another one is written to. */
static void two(const char *p, const char *q) {
  char text[20];
  struct stat a, b;
  int r = open(p, O_RDONLY), w;
  out("two %s %s %d", p, q, r < 0 ? -errno : 0);
  w = open(q, O_WRONLY);
  out(" %d", w < 0 ? -errno : 0);
  if (r >= 0 && w >= 0) {
    (void)!pwrite(w, "Z", 1, 0);
    int n = read(r, text, 19);
    fstat(r, &a), fstat(w, &b);
    out(" %d '%.*s' same %d", n < 0 ? -errno : n, n > 0 ? n : 0, text, a.st_ino == b.st_ino);
  }
  if (r >= 0) close(r);
  if (w >= 0) close(w);
}

/** Does the directory tell of its files what they tell themselves? */
static void numbers(const char *p) {
  DIR *d = opendir(p);
  int bad = 0;
  out("dirents %s %d", p, d ? 0 : -errno);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    char file[400];
    struct stat st;
    snprintf(file, sizeof file, "%s/%s", p, e->d_name);
    if (e->d_name[0] != '.' && (lstat(file, &st) || st.st_ino != e->d_ino)) bad++;
  }
  closedir(d);
  out(" bad %d", bad);
}

/** Through an open file, while another name goes. */
static void opened(const char *p, const char *q) {
  struct stat st;
  int f = open(p, O_RDWR);
  out("fd %s %d", p, f < 0 ? -errno : 0);
  if (f < 0) return;
  char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
  unlink(q);
  (void)!ftruncate(f, 4);
  if (m != MAP_FAILED) m[1] = 'M', munmap(m, 4096);
  fchmod(f, 0604);
  fstat(f, &st);
  out(" %o %d n%d", st.st_mode, (int)st.st_size, (int)st.st_nlink);
  close(f);
}

static char options[300];
static void step(int k) {
  char *p = path("m"), *q = path("m");
  int what = rnd(22), flags;
  if (what == 0) out("mkdir %s %d", p, er(mkdir(p, 0755)));
  else if (what == 1) out("rmdir %s %d", p, er(rmdir(p)));
  else if (what == 2) out("unlink %s %d", p, er(unlink(p)));
  else if (what < 5) out("rename %s %s %d", p, q, er(rename(p, q)));
  else if (what == 5) {
    flags = 1 << rnd(3);
    out("renameat2 %s %s %d %d", p, q, flags, er(syscall(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, q, flags)));
  } else if (what == 6) out("link %s %s %d", p, q, er(link(p, q)));
  else if (what == 7) out("symlink %s %d", p, er(symlink("y", p)));
  else if (what == 8) put(p, O_CREAT | O_WRONLY | (rnd(2) ? O_EXCL : 0), "N%d", k);
  else if (what == 9) put(p, O_WRONLY | O_APPEND, "+%d", k);
  else if (what == 10) flags = 0700 + rnd(64), out("chmod %s %d", p, er(chmod(p, flags)));
  else if (what == 11) flags = rnd(4), out("truncate %s %d", p, er(truncate(p, flags)));
  else if (what == 12) flags = rnd(3), out("setxattr %s %d", p, er(lsetxattr(p, "trusted.own", "v", 1, flags)));
  else if (what == 13) same(p);
  else if (what == 14) flags = rnd(3), out("chown %s %d", p, er(lchown(p, flags, rnd(3))));
  else if (what == 15) nameless(p, k);
  else if (what == 16) two(p, q);
  else if (what == 17) out("removexattr %s %d", p, er(lremovexattr(p, "trusted.own")));
  else if (what == 18) {
    struct timespec t[2] = {{k, 5}, {k + 100, 7}};
    struct stat st = {0};
    out("utimes %s %d", p, er(utimensat(AT_FDCWD, p, t, AT_SYMLINK_NOFOLLOW)));
    if (!lstat(p, &st)) out(" %d", st.st_mtim.tv_sec < 1000 ? (int)st.st_mtim.tv_sec : -1);
  } else if (what == 19) numbers(p);
  else if (what == 20) umount("m"), out("remount %d", er(mount("overlay", "m", "overlay", 0, options)));
  else opened(p, q);
  out("\n");
  tree("m", 0);
  out("\n");
}

static const char *const redirects[] = {"", "", ",redirect_dir=on", ",redirect_dir=nofollow"};
static const char *const features[] = {"", ",index=on", ",metacopy=on", ",xino=on", ",userxattr", ",index=on,metacopy=on", ",volatile"};
/** Beyond the first walks, those that found something. */
static const int seeds[] = {84, 254, 390, 690, 841, 1043, 2098};
static const char *const folders[] = {"l1", "l2", "u", "w", "m"};

int main(int argc, char **argv) {
  verbose = argc > 1;
  mkdir("/tmp/ov", 0755);
  mount("ov", "/tmp/ov", "tmpfs", 0, "");
  const int more = 60 + sizeof seeds / sizeof *seeds;
  for (int walk = 1; walk < more + 90; walk++) {
    char base[30];
    seed = walk < 60 || walk >= more ? walk : seeds[walk - 60];
    snprintf(base, sizeof base, "/tmp/ov/%d", walk);
    mkdir(base, 0755);
    chdir(base);
    for (int i = 0; i < 5; i++) mkdir(folders[i], 0755);
    void (*const filled)(const char *) = walk < more ? fill : marks;
    filled("l1");
    filled("l2");
    snprintf(options, sizeof options, "lowerdir=%s/l1:%s/l2,upperdir=%s/u,workdir=%s/w", base, base, base, base);
    strcat(options, redirects[rnd(4)]);
    strcat(options, features[rnd(7)]);
    out("mount %d\n", er(mount("overlay", "m", "overlay", 0, options)));
    for (int k = 0; k < 30; k++) {
      step(k);
      step_done(walk, k);
    }
    umount("m");
    tree("u", 1);
    out("\n");
    step_done(walk, 39);
  }
  chdir("/");
  umount("/tmp/ov");
  return 0;
}
