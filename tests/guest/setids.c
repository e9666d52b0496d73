// What chown, chmod, truncate, write and O_TRUNC make of set-id bits, for owners, members of the group and others. A line has
// errno, the mode and the owner after each operation.
#include "guest.h"
#include <grp.h>

struct who { int uid, gid, owner, group; };
static const struct who whos[] = {{0, 0, 500, 600}, {1000, 1000, 1000, 1001}, {1000, 1000, 500, 600}, {1000, 1000, 1000, 1000},
  {1000, 1000, 1000, 600}};
static const int modes[] = {04755, 02755, 06755, 02745, 06745, 02644, 04644, 01777, 06777, 07777};

static int operate(int what, int mode) {
  int fd;
  switch (what) {
    case 0: return chown("x", -1, -1);
    case 1: return chown("x", -1, 1001);
    case 2: return chown("x", 1000, -1);
    case 3: return chown("x", 0, 0);
    case 4: return chmod("x", mode);
    case 5: return truncate("x", 3);
    case 6: return (fd = open("x", O_WRONLY)) < 0 ? -1 : write(fd, "a", 1);
    case 7: return chown("x", -1, 1000);
    default: return open("x", O_WRONLY | O_TRUNC);
  }
}

static void one(int dir, int mode, const struct who *w, int what) {
  rmdir("x"), unlink("x");
  if (dir) mkdir("x", 0755);
  else close(open("x", O_CREAT, 0644));
  chown("x", w->owner, w->group), chmod("x", mode);
  if (!fork()) {
    gid_t also = 1001;
    if (w->uid) setgroups(1, &also), setresgid(w->gid, w->gid, w->gid), setresuid(w->uid, w->uid, w->uid);
    errno = 0;
    int r = operate(what, mode), e = errno;
    struct stat st;
    stat("x", &st);
    P("  %d %o %d:%d", r < 0 ? e : 0, st.st_mode & 07777, st.st_uid, st.st_gid);
    _exit(0);
  }
  wait(NULL);
}

int main(void) {
  umask(0);
  for (int dir = 0; dir < 2; dir++)
    for (int m = 0; m < 10; m++)
      for (int w = 0; w < 5; w++) {
        P("%s %o as %d, of %d:%d", dir ? "dir" : "file", modes[m], whos[w].uid, whos[w].owner, whos[w].group);
        for (int what = 0; what < 9; what++) one(dir, modes[m], &whos[w], what);
        P("\n");
      }
  return 0;
}
