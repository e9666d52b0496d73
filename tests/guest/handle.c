/* name_to_handle_at and open_by_handle_at, on tmpfs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static union { struct file_handle h; char room[136]; } u, v;
#define R(expr) do { errno = 0; long r_ = (expr); printf("%s = %ld%s%s\n", #expr, r_ < 0 ? -1 : r_, r_ < 0 ? " " : "", r_ < 0 ? strerror(errno) : ""); } while (0)

int main(void) {
  int id = -1, id2;
  mkdir("/tmp/fh", 0755);
  if (mount("none", "/tmp/fh", "tmpfs", 0, "") || chdir("/tmp/fh")) return 1;
  mkdir("d", 0755);
  int f = open("d/f", O_CREAT | O_RDWR, 0644);
  write(f, "hello", 5);
  close(f);
  symlink("d/f", "l");
  int m = open(".", O_RDONLY | O_DIRECTORY);
  u.h.handle_bytes = 0;
  R(name_to_handle_at(AT_FDCWD, "d/f", &u.h, &id, 0));
  R(u.h.handle_bytes);
  R(u.h.handle_type);
  R(id > 0);
  u.h.handle_bytes = 11;
  R(name_to_handle_at(AT_FDCWD, "d/f", &u.h, &id, 0));
  R(name_to_handle_at(AT_FDCWD, "d/f", &u.h, &id, 0));
  R(u.h.handle_bytes);
  R(u.h.handle_type);
  v.h.handle_bytes = 128;
  R(name_to_handle_at(AT_FDCWD, "l", &v.h, &id2, 0));
  R(memcmp(&u, &v, 20) != 0);
  v.h.handle_bytes = 128;
  R(name_to_handle_at(AT_FDCWD, "l", &v.h, &id2, AT_SYMLINK_FOLLOW));
  R(memcmp(&u, &v, 20) != 0);
  R(id == id2);
  v.h.handle_bytes = 129;
  R(name_to_handle_at(AT_FDCWD, "d/f", &v.h, &id2, 0));
  v.h.handle_bytes = 128;
  R(name_to_handle_at(AT_FDCWD, "", &v.h, &id2, 0));
  R(name_to_handle_at(m, "", &v.h, &id2, AT_EMPTY_PATH));
  R(name_to_handle_at(AT_FDCWD, "d/f", &v.h, &id2, 0x10));
  R(name_to_handle_at(AT_FDCWD, "nosuch", &v.h, &id2, 0));
  v.h.handle_bytes = 128;
  R(name_to_handle_at(AT_FDCWD, "/proc/self", &v.h, &id2, 0));
  /* A rename does not matter. */
  rename("d/f", "g");
  char text[16] = "";
  f = open_by_handle_at(m, &u.h, O_RDWR);
  R(read(f, text, 16));
  printf("%s\n", text);
  struct stat a, b;
  fstat(f, &a);
  stat("g", &b);
  R(a.st_ino == b.st_ino);
  close(f);
  v.h.handle_bytes = 128;
  R(name_to_handle_at(m, "d", &v.h, &id2, 0));
  f = open_by_handle_at(m, &v.h, O_RDONLY | O_DIRECTORY);
  R(f >= 0);
  R(openat(f, "x", O_CREAT | O_RDWR, 0600) >= 0);
  R(open_by_handle_at(m, &v.h, O_RDWR));
  R(open_by_handle_at(m, &u.h, O_RDONLY | O_DIRECTORY));
  f = open_by_handle_at(m, &u.h, O_PATH);
  R(read(f, text, 1));
  R(open_by_handle_at(f, &u.h, O_RDONLY));
  R(open_by_handle_at(AT_FDCWD, &u.h, O_RDONLY) >= 0);
  R(open_by_handle_at(-1, &u.h, O_RDONLY));
  v.h.handle_bytes = 0;
  R(open_by_handle_at(m, &v.h, O_RDONLY));
  v.h.handle_bytes = 129;
  R(open_by_handle_at(m, &v.h, O_RDONLY));
  v = u;
  v.h.handle_bytes = 4;
  R(open_by_handle_at(m, &v.h, O_RDONLY));
  v = u;
  v.h.handle_type = 99;
  R(open_by_handle_at(m, &v.h, O_RDONLY) > 0);
  v = u;
  v.h.f_handle[0] ^= 0x55;
  R(open_by_handle_at(m, &v.h, O_RDONLY));
  int proc = open("/proc", O_RDONLY);
  R(open_by_handle_at(proc, &u.h, O_RDONLY));
  fflush(stdout);
  if (fork() == 0) {
    setuid(1000);
    R(open_by_handle_at(m, &u.h, O_RDONLY));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  /* Without a name and not open. */
  for (int i = 3; i < 100; i++) close(i);
  unlink("g");
  m = open(".", O_RDONLY);
  R(open_by_handle_at(m, &u.h, O_RDONLY));
  return 0;
}
