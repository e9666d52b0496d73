// File handles of an overlay with nfs_export=on: they stay what they are through copies and renames.
#include "overlay.h"
#include <sched.h>
#include <sys/mount.h>

typedef struct {
  struct file_handle h;
  char bytes[128];
} Handle;

static Handle get(const char *path, int flags) {
  Handle v;
  int mount;
  memset(&v, 0, sizeof v);
  v.h.handle_bytes = 128;
  errno = 0;
  int e = name_to_handle_at(AT_FDCWD, path, &v.h, &mount, flags);
  P("%s: %d errno %d type %x bytes %d, %x flags %x type %x\n", path, e, errno, v.h.handle_type, v.h.handle_bytes, v.h.f_handle[4], v.h.f_handle[6], v.h.f_handle[7]);
  return v;
}

static void look(const char *what, Handle *v, int flags) {
  int m = open("m", O_RDONLY);
  errno = 0;
  int f = open_by_handle_at(m, &v->h, flags);
  P("%s: errno %d", what, errno);
  if (f >= 0) {
    char b[50] = "", link[64], path[300];
    struct stat st;
    fstat(f, &st);
    if (S_ISREG(st.st_mode)) (void)!read(f, b, 49);
    sprintf(link, "/proc/self/fd/%d", f);
    int n = readlink(link, path, 299);
    path[n] = 0;
    P(" [%s] %o %s", b, st.st_mode, strstr(path, "/m/") ?: "/");
    if (flags & O_RDWR) (void)!pwrite(f, "W", 1, 0);
    close(f);
  }
  P("\n");
  close(m);
}

int main(void) {
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mkdir("t", 0755);
  for (int k = 0; k < 3; k++) {
    if (mount("t", "t", "tmpfs", 0, "mode=755")) return 1;
    chdir("t");
    const char *dirs[] = {"l", "l/d", "l/d/e", "l2", "l2/d", "u", "w", "m"};
    for (int i = 0; i < 8; i++) mkdir(dirs[i], 0755);
    put("l/f", "lower", 0644), put("l/d/x", "x", 0644), put("l/d/e/y", "y", 0644), put("l2/d/z", "z", 0644);
    link("l/f", "l/hard");
    const char *options[] = {"lowerdir=l:l2,upperdir=u,workdir=w,nfs_export=on", "lowerdir=l:l2,nfs_export=on,redirect_dir=nofollow", "lowerdir=l:l2,upperdir=u,workdir=w"};
    P("-- %s\n", options[k]);
    R(mount("o", "m", "overlay", 0, options[k]));
    Handle f = get("m/f", 0), d = get("m/d", 0), x = get("m/d/x", 0), y = get("m/d/e/y", 0), z = get("m/d/z", 0), hard = get("m/hard", 0);
    P("one file %d\n", !memcmp(&f, &hard, sizeof f));
    get("m/f", 0x200);
    if (k < 2) {
      look("f", &f, 0), look("d", &d, 0), look("x", &x, 0), look("y", &y, 0), look("z", &z, 0);
      look("f written", &f, O_RDWR);
    }
    if (k == 0) {
      put("m/new", "new", 0644), mkdir("m/nd", 0755), put("m/nd/q", "q", 0644);
      Handle n = get("m/new", 0), nd = get("m/nd", 0), q = get("m/nd/q", 0);
      look("new", &n, 0), look("nd", &nd, 0), look("q", &q, 0);
      look("f", &f, 0), look("x written", &x, O_RDWR), look("x", &x, 0);
      Handle again = get("m/d/x", 0);
      P("same %d\n", !memcmp(&x, &again, sizeof x));
      R(rename("m/d/x", "m/nd/x9"));
      look("x", &x, 0);
      R(rename("m/nd", "m/nd2"));
      look("q", &q, 0), look("nd", &nd, 0);
      unlink("m/new"), unlink("m/d/e/y");
      look("new", &n, 0), look("y", &y, 0);
      chmod("m/d/z", 0600);
      look("z", &z, 0);
      R(rename("m/d/z", "m/z8"));
      look("z", &z, 0);
      z.h.f_handle[3 + 21 + 4] ^= 0x55;
      look("none", &z, 0);
    }
    umount("m");
    chdir("..");
    umount("t");
  }
  return 0;
}
