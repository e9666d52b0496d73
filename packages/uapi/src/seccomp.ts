// Constants of the Linux ABI, x86-64; written by scripts/uapi.mjs from the headers named below.

// <linux/seccomp.h>
export const SECCOMP_MODE_DISABLED = 0;
export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;
export const SECCOMP_SET_MODE_STRICT = 0;
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_GET_ACTION_AVAIL = 2;
export const SECCOMP_GET_NOTIF_SIZES = 3;
export const SECCOMP_FILTER_FLAG_TSYNC = 1;
export const SECCOMP_FILTER_FLAG_LOG = 2;
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
export const SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16;
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32;
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_KILL_THREAD = 0;
export const SECCOMP_RET_KILL = 0;
export const SECCOMP_RET_TRAP = 0x30000;
export const SECCOMP_RET_ERRNO = 0x50000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;
export const SECCOMP_RET_TRACE = 0x7ff00000;
export const SECCOMP_RET_LOG = 0x7ffc0000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;
export const SECCOMP_RET_ACTION_FULL = 0xffff0000;
export const SECCOMP_RET_ACTION = 0x7fff0000;
export const SECCOMP_RET_DATA = 0xffff;
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;
export const SECCOMP_ADDFD_FLAG_SETFD = 1;
export const SECCOMP_ADDFD_FLAG_SEND = 2;
export const SECCOMP_IOC_MAGIC = 33;

// <linux/audit.h>
export const AUDIT_ARCH_X86_64 = 0xc000003e;

// <linux/bpf_common.h>
export const BPF_LD = 0;
export const BPF_LDX = 1;
export const BPF_ST = 2;
export const BPF_STX = 3;
export const BPF_ALU = 4;
export const BPF_JMP = 5;
export const BPF_RET = 6;
export const BPF_MISC = 7;
export const BPF_W = 0;
export const BPF_B = 16;
export const BPF_IMM = 0;
export const BPF_ABS = 32;
export const BPF_IND = 64;
export const BPF_MEM = 96;
export const BPF_LEN = 128;
export const BPF_MSH = 160;
export const BPF_ADD = 0;
export const BPF_SUB = 16;
export const BPF_MUL = 32;
export const BPF_DIV = 48;
export const BPF_OR = 64;
export const BPF_AND = 80;
export const BPF_LSH = 96;
export const BPF_RSH = 112;
export const BPF_NEG = 128;
export const BPF_MOD = 144;
export const BPF_XOR = 160;
export const BPF_JA = 0;
export const BPF_JEQ = 16;
export const BPF_JGT = 32;
export const BPF_JGE = 48;
export const BPF_JSET = 64;
export const BPF_K = 0;
export const BPF_X = 8;
export const BPF_MAXINSNS = 0x1000;

// <linux/filter.h>
export const BPF_MAJOR_VERSION = 1;
export const BPF_MINOR_VERSION = 1;
export const BPF_A = 16;
export const BPF_TAX = 0;
export const BPF_TXA = 128;
export const BPF_MEMWORDS = 16;
export const BPF_NET_OFF = -1048576;
export const BPF_LL_OFF = -2097152;
