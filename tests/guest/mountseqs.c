// Random sequences of mounts, binds, moves, changes of propagation and umounts, the same every time. After each that succeeds
// the tree is told as a number (mount points, roots, sources, flags and peer groups, renumbered); `SEQ=n` shows a whole tree.
#include "guest.h"
#include <sched.h>
#include <sys/mount.h>

static unsigned long seed;
static unsigned rnd(unsigned n) { return (seed = seed * 6364136223846793005UL + 1442695040888963407UL, seed >> 33) % n; }

static const char *places[] = {"a", "b", "c", "a/x", "b/x", "c/x", "a/x/y", "b/x/y", "a/z", "b/z", "a/x/y/q", "c/z"};
static int groups[2000], ngroups;

static int renumbered(int id) {
  for (int i = 0; i < ngroups; i++)
    if (groups[i] == id) return i + 1;
  return groups[ngroups++] = id, ngroups;
}

struct line { char at[200], root[200], flags[100], tags[200], source[50]; int n; };
static struct line lines[300], *sorted[300];

static int compare(const void *a, const void *b) {
  const struct line *x = *(void **)a, *y = *(void **)b;
  int c = strcmp(x->at, y->at);
  if (!c) c = strcmp(x->root, y->root);
  if (!c) c = strcmp(x->source, y->source);
  if (!c) c = strcmp(x->flags, y->flags);
  return c ? c : x->n - y->n;
}

static int read_tree(void) {
  static char text[4096];
  int n = 0;
  FILE *f = fopen("/proc/self/mountinfo", "r");
  while (n < 300 && fgets(text, sizeof text, f)) {
    struct line *l = &lines[n];
    char root[500], at[500], *end = strstr(text, " - ");
    sscanf(text, "%*d %*d %*s %499s %499s %99s", root, at, l->flags);
    if (!strstr(at, "/tmp/w")) continue;
    strcpy(l->at, strstr(at, "/tmp/w")), strcpy(l->root, strstr(root, "/tmp/w") ? strstr(root, "/tmp/w") : root);
    *end = 0;
    strcpy(l->tags, strstr(text, l->flags) + strlen(l->flags));
    sscanf(end + 3, "%*s %49s", l->source);
    l->n = n, sorted[n++] = l;
  }
  fclose(f);
  qsort(sorted, n, sizeof *sorted, compare);
  return n;
}

static unsigned hash(unsigned h, const char *s) {
  while (*s) h = (h ^ (unsigned char)*s++) * 16777619;
  return h;
}

static int tree(int show) {
  unsigned h = 2166136261;
  int n = read_tree();
  ngroups = 0;
  for (int i = 0; i < n; i++) {
    struct line *l = sorted[i];
    char line[800];
    int at = sprintf(line, "%s %s %s %s", l->at, l->root, l->source, l->flags), id;
    for (char *t = strtok(l->tags, " "); t; t = strtok(NULL, " ")) {
      char *colon = strchr(t, ':');
      if (colon) id = renumbered(atoi(colon + 1)), at += sprintf(line + at, " %.*s:%d", (int)(colon - t), t, id);
      else at += sprintf(line + at, " %s", t);
    }
    h = hash(h, line);
    if (show) P("   %s\n", line);
  }
  P(" %d mounts %x", n, h);
  return n;
}

static int step(int op, const char *p, const char *q, int i) {
  char name[99];
  switch (op) {
    case 0:
      sprintf(name, "t%d", i);
      if (mount(name, p, "tmpfs", 0, NULL)) return -1;
      sprintf(name, "%s/x", p), mkdir(name, 0755);
      sprintf(name, "%s/x/y", p), mkdir(name, 0755);
      sprintf(name, "%s/z", p), mkdir(name, 0755);
      return 0;
    case 1: return mount(p, q, NULL, MS_BIND, NULL);
    case 2: return mount(p, q, NULL, MS_BIND | MS_REC, NULL);
    case 3: case 13: return mount(p, q, NULL, MS_MOVE, NULL);
    case 4: return mount(NULL, p, NULL, MS_SHARED, NULL);
    case 5: return mount(NULL, p, NULL, MS_PRIVATE, NULL);
    case 6: return mount(NULL, p, NULL, MS_SLAVE, NULL);
    case 7: return mount(NULL, p, NULL, MS_UNBINDABLE, NULL);
    case 8: return mount(NULL, p, NULL, MS_SHARED | MS_REC, NULL);
    case 9: return umount2(p, 0);
    case 10: return umount2(p, MNT_DETACH);
    case 11: return mount(p, p, NULL, MS_BIND, NULL);
    case 12: return mount(NULL, p, NULL, MS_SLAVE | MS_REC, NULL);
    default: return mount(NULL, p, NULL, MS_REMOUNT | MS_BIND | (rnd(2) ? MS_RDONLY : MS_NOEXEC), NULL);
  }
}

static void sequence(int which) {
  int show = getenv("SEQ") && atoi(getenv("SEQ")) == which;
  seed = which * 7919 + 13;
  unshare(CLONE_NEWNS);
  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mkdir("/tmp/w", 0755), mount("base", "/tmp/w", "tmpfs", 0, NULL), chdir("/tmp/w");
  for (int i = 0; i < 9; i++) mkdir(places[i], 0755);
  P("sequence %d\n", which);
  for (int i = 0; i < 60; i++) {
    const char *p = places[rnd(12)], *q = places[rnd(12)];
    int op = rnd(15), r = step(op, p, q, i), e = errno, n = 0;
    P("%d %s %s: %d", op, p, q, r ? e : 0);
    if (!r) n = tree(show);
    P("\n");
    if (n > 150) break;
  }
}

int main(void) {
  for (int i = 1; i <= 30; i++) {
    if (!fork()) {
      sequence(i);
      _exit(0);
    }
    wait(NULL);
  }
  // A tree that is bound into itself again and again, every mount shared, doubles each time: until there are too many.
  if (!fork()) {
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mkdir("/tmp/v", 0755), mount("base", "/tmp/v", "tmpfs", 0, NULL), mount(NULL, "/tmp/v", NULL, MS_SHARED, NULL);
    mkdir("/tmp/v/d", 0755);
    int n = 0;
    while (n < 40 && !mount("/tmp/v", "/tmp/v/d", NULL, MS_BIND | MS_REC, NULL)) n++;
    R(n < 40);
    R(umount2("/tmp/v", MNT_DETACH));
    _exit(0);
  }
  int status;
  wait(&status);
  R(status);
  return 0;
}
