// Filters of sockets (SO_ATTACH_FILTER): what they keep of a message, what they can load, bad programs, locks.
#include "guest.h"
#include <linux/filter.h>
#include <sys/socket.h>

#define ST(code, k) BPF_STMT(code, k)
#define RET(k) ST(BPF_RET | BPF_K, k)
#define EQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)
#ifndef SO_LOCK_FILTER
#define SO_LOCK_FILTER 44
#endif

static int p[2];

static int attach_(int s, const struct sock_filter *f, int n) {
  struct sock_fprog prog = {n, (struct sock_filter *)f};
  return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}
#define ATTACH(s, ...)                                                                             \
  ({                                                                                               \
    const struct sock_filter f_[] = {__VA_ARGS__};                                                 \
    attach_(s, f_, sizeof f_ / sizeof *f_);                                                        \
  })

static void pass(const char *text, int n) {
  char b[64];
  R(send(p[0], text, n, 0));
  int got = recv(p[1], b, sizeof b, MSG_DONTWAIT);
  P("  got %d %.*s\n", got, got < 0 ? 0 : got, b);
}

/** Keeps as many bytes as the program computed. */
#define COMPUTES(...)                                                                              \
  R(ATTACH(p[1], __VA_ARGS__, ST(BPF_RET | BPF_A, 0)));                                            \
  pass("\1\2\3\4\5\6\7\x45\x09rest of it", 19)

int main(void) {
  int one = 1, zero = 0;
  for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) continue;
    P("-- type %d\n", type);
    socketpair(AF_UNIX, type, 0, p);
    R(ATTACH(p[1], RET(4)));
    pass("hello world", 11);
    R(ATTACH(p[1], RET(0)));
    pass("hello", 5);
    R(ATTACH(p[1], ST(BPF_LD | BPF_B | BPF_ABS, 0), EQ('y', 0, 1), RET(-1), RET(0)));
    pass("no", 2);
    pass("yes", 3);
    R(setsockopt(p[1], SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof one));
    R(setsockopt(p[1], SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof one));
    pass("all", 3);
    close(p[0]), close(p[1]);
  }
  socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
  COMPUTES(ST(BPF_LD | BPF_W | BPF_LEN, 0));
  COMPUTES(ST(BPF_LD | BPF_B | BPF_ABS, 3));
  COMPUTES(ST(BPF_LD | BPF_H | BPF_ABS, 1), ST(BPF_ALU | BPF_MOD | BPF_K, 7));
  COMPUTES(ST(BPF_LD | BPF_W | BPF_ABS, 0), ST(BPF_ALU | BPF_RSH | BPF_K, 22));
  COMPUTES(ST(BPF_LDX | BPF_W | BPF_IMM, 3), ST(BPF_LD | BPF_B | BPF_IND, 2));
  COMPUTES(ST(BPF_LDX | BPF_B | BPF_MSH, 7), ST(BPF_MISC | BPF_TXA, 0), ST(BPF_ALU | BPF_SUB | BPF_K, 8));
  COMPUTES(ST(BPF_LD | BPF_B | BPF_ABS, 18));
  COMPUTES(ST(BPF_LD | BPF_B | BPF_ABS, 19));
  COMPUTES(ST(BPF_LD | BPF_W | BPF_ABS, 17));
  COMPUTES(ST(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_MARK), ST(BPF_ALU | BPF_ADD | BPF_K, 6));
  COMPUTES(ST(BPF_LDX | BPF_W | BPF_IMM, 0), ST(BPF_LD | BPF_IMM, 5), ST(BPF_ALU | BPF_MOD | BPF_X, 0));

  R(ATTACH(p[1], ST(BPF_LD | BPF_W | BPF_ABS, 0)));
  R(ATTACH(p[1], ST(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_MAX), RET(0)));
  R(ATTACH(p[1], ST(BPF_ALU | BPF_MOD | BPF_K, 0), RET(0)));
  R(ATTACH(p[1], ST(BPF_LD | BPF_MEM, 1), RET(0)));
  R(attach_(p[1], 0, 1));
  R(attach_(p[1], (void *)8, 1));
  R(attach_(p[1], (void *)8, 0));
  R(setsockopt(p[1], SOL_SOCKET, SO_ATTACH_FILTER, &one, sizeof one));

  struct sock_filter got[8];
  R(ATTACH(p[1], ST(BPF_LD | BPF_B | BPF_ABS, 3), EQ(4, 0, 1), RET(3), RET(2)));
  for (socklen_t n = 0; n < 9; n += 2) {
    socklen_t length = n;
    R(getsockopt(p[1], SOL_SOCKET, SO_ATTACH_FILTER, got, &length));
    P("%d\n", length);
  }
  P("%x %d %d %d\n", got[1].code, got[1].jt, got[1].jf, got[1].k);
  R(setsockopt(p[1], SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof one));
  R(ATTACH(p[1], RET(1)));
  R(setsockopt(p[1], SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof one));
  R(setsockopt(p[1], SOL_SOCKET, SO_LOCK_FILTER, &zero, sizeof zero));
  pass("\1\2\3\4", 4);
  return 0;
}
