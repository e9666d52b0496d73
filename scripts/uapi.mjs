// Writes packages/uapi/src/*.ts: the constants of the Linux ABI, in header order, with the header cited.
// Needs a C compiler and the Linux and glibc headers; the result is committed, so only who changes the list below runs it.
//   node scripts/uapi.mjs
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** output file -> [headers, regular expression of the names to take, extra preprocessor lines] */
const FILES = {
  errno: [['linux/errno.h', 'asm/errno.h'], /^E[A-Z0-9]+$/],
  unistd: [['asm/unistd_64.h'], /^__NR_/],
  fcntl: [
    [
      'linux/fcntl.h',
      'asm/fcntl.h',
      'linux/openat2.h',
      'linux/falloc.h',
      'linux/close_range.h',
      'linux/fs.h',
    ],
    /^(O_|F_|FD_|LOCK_|AT_|RESOLVE_|FALLOC_|CLOSE_RANGE|DN_|S_SYNC|RENAME_|SEEK_|RWF_|SYNC_FILE)/,
  ],
  stat: [['linux/stat.h'], /^(S_|STATX_)/],
  mman: [
    ['linux/mman.h', 'asm/mman.h', 'linux/memfd.h'],
    /^(PROT_|MAP_|MS_|MADV_|MCL_|MREMAP_|MLOCK_|MFD_|OVERCOMMIT)/,
  ],
  signal: [
    ['asm/signal.h', 'asm-generic/siginfo.h', 'linux/signal.h', 'linux/signalfd.h'],
    /^(SIG|SA_|SS_|MINSIGSTKSZ|SI_|ILL_|FPE_|SEGV_|BUS_|TRAP_|CLD_|POLL_|SFD_|NSIG)/,
  ],
  ucontext: [['linux/signal.h', 'asm/sigcontext.h', 'asm/ucontext.h'], /^(UC_|FP_XSTATE|X86_)/],
  sched: [['linux/sched.h', 'linux/sched/types.h'], /^(CLONE_|CSIGNAL|SCHED_)/],
  wait: [['linux/wait.h'], /^(W[A-Z]+|P_|__W)/],
  resource: [['linux/resource.h', 'asm/resource.h'], /^(RLIM|RUSAGE|PRIO_|_STK_LIM)/],
  poll: [['asm/poll.h', 'linux/eventpoll.h'], /^(POLL|EPOLL|EFD_)/],
  inotify: [['linux/inotify.h', 'linux/fanotify.h'], /^(IN_|FAN_)/],
  termios: [
    ['asm/termbits.h', 'asm/termios.h', 'asm/ioctls.h', 'linux/tty.h', 'linux/kd.h', 'linux/vt.h'],
    /^(V[A-Z0-9]+|IGN|BRK|PARMRK|I[A-Z0-9]+|O[A-Z]+|[NCFTBV][LRFTS][0-9]|[NCTBVF][A-Z]+DLY|B[0-9]+|C[A-Z0-9]+|EXT[AB]|E[A-Z]+|NOFLSH|TOSTOP|FLUSHO|PENDIN|X[A-Z]+|TC[A-Z0-9]+|TIO[A-Z0-9_]+|FIO[A-Z]+|N_|NCC)/,
  ],
  prctl: [['linux/prctl.h', 'asm/prctl.h'], /^(PR_|ARCH_)/],
  futex: [['linux/futex.h'], /^(FUTEX_|ROBUST)/],
  time: [
    ['linux/time.h', 'linux/timerfd.h', 'linux/timex.h'],
    /^(CLOCK_|ITIMER_|TIMER_|TFD_|ADJ_|STA_|TIME_|MOD_)/,
  ],
  socket: [
    [
      'linux/socket.h',
      'linux/time.h',
      'asm/socket.h',
      'linux/net.h',
      'linux/un.h',
      'linux/sockios.h',
    ],
    /^(SO_|SOL_|SCM_|SIOC|UNIX_|NPROTO)/,
  ],
  mount: [
    ['linux/mount.h'],
    /^(MS_|MNT_|MOUNT_|FSOPEN|FSMOUNT|FSPICK|OPEN_TREE|MOVE_MOUNT|STATMOUNT|LISTMOUNT|LSMT)/,
  ],
  xattr: [
    ['linux/xattr.h', 'linux/limits.h'],
    /^(XATTR_|NAME_MAX|PATH_MAX|ARG_MAX|PIPE_BUF|NR_OPEN|NGROUPS_MAX|LINK_MAX|MAX_)/,
  ],
  magic: [['linux/magic.h'], /^[A-Z0-9_]+_MAGIC$|^[A-Z0-9_]+_SUPER_MAGIC$|^TMPFS_MAGIC$/],
  elf: [
    ['linux/elf.h', 'linux/elf-em.h', 'linux/auxvec.h', 'asm/auxvec.h'],
    /^(PT_|PF_|ET_|EM_|EI_|ELF|EV_|DT_|SHT_|SHN_|NT_|AT_|GNU_PROP)/,
  ],
  capability: [['linux/capability.h', 'linux/securebits.h'], /^(CAP_|_LINUX_CAP|SEC|VFS_CAP)/],
  seccomp: [
    ['linux/seccomp.h', 'linux/audit.h', 'linux/filter.h', 'linux/bpf_common.h'],
    /^(SECCOMP_|AUDIT_ARCH_X86_64|BPF_)/,
  ],
  ptrace: [['linux/ptrace.h', 'asm/ptrace-abi.h'], /^PTRACE_/],
  keyctl: [['linux/keyctl.h'], /^(KEY_|KEYCTL_)/],
  ipc: [
    ['linux/ipc.h', 'linux/sem.h', 'linux/msg.h', 'linux/shm.h', 'linux/mqueue.h'],
    /^(IPC_|SEM|MSG|SHM|MQ_|GET[A-Z]+|SET[A-Z]+|SE_UNDO|SEMVMX)/,
  ],
  reboot: [
    [
      'linux/reboot.h',
      'linux/membarrier.h',
      'linux/rseq.h',
      'linux/random.h',
      'linux/kcmp.h',
      'linux/major.h',
    ],
    /^(LINUX_REBOOT|MEMBARRIER|RSEQ|GRND_|RND|KCMP|[A-Z0-9]+_MAJOR)/,
  ],
};

function macros(headers) {
  const source =
    '#include <stddef.h>\n#include <linux/types.h>\n' +
    headers.map((h) => `#include <${h}>\n`).join('');
  const text = execFileSync('gcc', ['-E', '-dD', '-x', 'c', '-'], {
    input: source,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const names = new Map();
  let header = '';
  for (const line of text.split('\n')) {
    const at = /^# \d+ "([^"]+)"/.exec(line);
    if (at) header = at[1].replace(/^.*?include\/(x86_64-linux-gnu\/)?/, '');
    const def = /^#define ([A-Za-z_]\w*) +(\S.*)$/.exec(line);
    if (def && header !== '<built-in>' && header !== '<command-line>') names.set(def[1], header);
  }
  return names;
}

/** Lets the compiler evaluate every name; what is no integer constant drops out. */
function evaluate(headers, names) {
  let list = [...names];
  const prog = (ns) =>
    '#include <stddef.h>\n#include <linux/types.h>\n' +
    headers.map((h) => `#include <${h}>\n`).join('') +
    '#include <stdio.h>\n#define P(n) printf("%s %lld %d\\n", #n, (long long)(n), (int)((n) < 0 || sizeof(n) < 8));\n' +
    `int main(void){\n#line 1 "names"\n${ns.map((n) => `P(${n})`).join('\n')}\nreturn 0;}\n`;
  for (let round = 0; round < 200; round++) {
    try {
      execFileSync(
        'gcc',
        ['-w', '-O0', '-fmax-errors=0', '-x', 'c', '-', '-o', '/tmp/uapi-probe'],
        { input: prog(list), encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] },
      );
      return execFileSync('/tmp/uapi-probe', { encoding: 'utf8' })
        .trim()
        .split('\n')
        .map((l) => l.split(' '));
    } catch (error) {
      const bad = new Set();
      for (const m of String(error.stderr).matchAll(/"?names"?:(\d+):/g))
        if (Number(m[1]) <= list.length) bad.add(list[Number(m[1]) - 1]);
      if (bad.size === 0) throw error;
      list = list.filter((n) => !bad.has(n));
    }
  }
  throw new Error('no fixpoint');
}

for (const [file, [headers, pattern]] of Object.entries(FILES))
  try {
    const names = macros(headers);
    const wanted = [...names.keys()].filter((n) => pattern.test(n) && !n.endsWith('_H'));
    const rows = evaluate(headers, wanted);
    let out = `// Constants of the Linux ABI, x86-64; written by scripts/uapi.mjs from the headers named below.\n`;
    let header = '';
    for (const [name, value] of rows) {
      if (names.get(name) !== header) out += `\n// <${(header = names.get(name))}>\n`;
      const n = BigInt(value);
      const big = n > 0x1f_ffff_ffff_ffffn || n < -0x1f_ffff_ffff_ffffn;
      const text = big
        ? `0x${BigInt.asUintN(64, n).toString(16)}n`
        : n >= 256n && (n & (n - 1n)) !== 0n && !/^E/.test(name) && !/__NR/.test(name)
          ? `0x${n.toString(16)}`
          : n >= 256n && !/__NR/.test(name)
            ? `0x${n.toString(16)}`
            : String(n);
      out += `export const ${name} = ${text};\n`;
    }
    writeFileSync(`packages/uapi/src/${file}.ts`, out);
    console.log(file, rows.length);
  } catch (error) {
    console.error(`${file}: ${String(error.stderr ?? error).slice(0, 600)}`);
    process.exitCode = 1;
  }
