// What iopl(2) and ioperm(2) allow. Not every Linux is configured with them, so this runs in Vitrine only.
#include <errno.h>
#include <stdio.h>
#include <sys/io.h>
#include <sys/wait.h>
#include <unistd.h>

#define R(call)                                              \
  do {                                                       \
    errno = 0;                                               \
    int r = call;                                            \
    printf("%s = %d errno %d\n", #call, r, errno);           \
  } while (0)

static void use(const char *when, int port) {
  fflush(stdout);
  if (fork() == 0) {
    unsigned char byte = inb(port);
    unsigned short word = inw(port);
    unsigned all = inl(port);
    outb(1, port);
    outw(1, port);
    outl(1, port);
    printf("%s %x: %x %x %x\n", when, port, byte, word, all);
    fflush(stdout);
    _exit(0);
  }
  int status;
  wait(&status);
  if (status != 0) printf("%s %x: signal %d\n", when, port, status);
}

int main(int argc, char **argv) {
  if (argc > 1) return use("exec", 0x80), 0;
  R(iopl(4));
  R(ioperm(0, 0, 1));
  R(ioperm(65535, 2, 1));
  use("none", 0x80);
  R(ioperm(0x80, 4, 0));
  R(ioperm(0x80, 4, 1));
  use("four ports", 0x80);
  use("four ports", 0x81);
  R(ioperm(0x82, 1, 0));
  use("all but one", 0x80);
  R(iopl(1));
  use("level 1", 0xfff0);
  R(iopl(3));
  use("level 3", 0xfff0);
  fflush(stdout);
  if (fork() == 0) {
    setuid(1000);
    R(iopl(2));
    R(iopl(3));
    R(ioperm(0x80, 1, 1));
    fflush(stdout);
    execl("/proc/self/exe", "ioport", "again", (char *)0);
  }
  wait(0);
  return 0;
}
