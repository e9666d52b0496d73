import type { UserMemory } from '@vitrine/kernel/include/uaccess.ts';
import { ENUMS, FLAGS, formatEnum, formatFlags } from './tables.ts';
import { modeText, pointer, quote, quoteBuffer, signalText, sigsetText } from './values.ts';

/** What a printer may look at besides the structure itself. */
export interface Context {
  readonly mem: UserMemory;
  /** Number of elements, for arrays and sets. */
  readonly count: number;
  /** The call's result, when it is over. */
  readonly result: number;
}

type Printer = (address: number, context: Context) => string;

const timespec: Printer = (at, { mem }) =>
  `{tv_sec=${mem.getI64(at)}, tv_nsec=${mem.getI64(at + 8)}}`;
const timeval: Printer = (at, { mem }) =>
  `{tv_sec=${mem.getI64(at)}, tv_usec=${mem.getI64(at + 8)}}`;
/** What utimensat takes: with the moment it stands for, or the name of a special value. */
const timestamp: Printer = (at, context) => {
  const nsec = context.mem.getI64(at + 8);
  if (nsec === 0x3fff_ffff) return 'UTIME_NOW';
  if (nsec === 0x3fff_fffe) return 'UTIME_OMIT';
  const sec = context.mem.getI64(at);
  const moment = new Date(sec * 1000);
  if (Number.isNaN(moment.getTime())) return timespec(at, context);
  const fraction = nsec === 0 ? '' : `.${String(nsec).padStart(9, '0')}`;
  return `${timespec(at, context)} /* ${moment.toISOString().slice(0, 19)}${fraction}+0000 */`;
};
const pair = (print: Printer, step: number): Printer => (at, context) => `[${print(at, context)}, ${print(at + step, context)}]`; // prettier-ignore
const interval = (print: Printer): Printer => (at, context) => `{it_interval=${print(at, context)}, it_value=${print(at + 16, context)}}`; // prettier-ignore

const stat: Printer = (at, { mem }) => {
  const mode = mem.getU32(at + 24);
  const device = (mode & 0o170000) === 0o020000 || (mode & 0o170000) === 0o060000;
  const rdev = mem.getU64(at + 40);
  const middle = device ? `st_rdev=makedev(0x${((rdev >> 8) & 0xfff).toString(16)}, 0x${(rdev & 0xff).toString(16)})` : `st_size=${mem.getI64(at + 48)}`; // prettier-ignore
  return `{st_mode=${modeText(mode)}, ${middle}, ...}`;
};

const limit = (value: number): string => {
  if (value >= 2 ** 63) return 'RLIM64_INFINITY';
  return value > 1024 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
};

const wstatus: Printer = (at, { mem }) => {
  const status = mem.getU32(at);
  const signal = status & 0x7f;
  if (status === 0xffff) return '[{WIFCONTINUED(s)}]';
  if ((status & 0xff) === 0x7f)
    return `[{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalText((status >> 8) & 0xff)}}]`;
  if (signal !== 0) return `[{WIFSIGNALED(s) && WTERMSIG(s) == ${signalText(signal)}${(status & 0x80) !== 0 ? ' && WCOREDUMP(s)' : ''}}]`; // prettier-ignore
  return `[{WIFEXITED(s) && WEXITSTATUS(s) == ${status >> 8}}]`;
};

const sigaction: Printer = (at, { mem }) => {
  const handler = mem.getU64(at);
  const name = handler === 0 ? 'SIG_DFL' : handler === 1 ? 'SIG_IGN' : pointer(handler);
  const flags = mem.getU32(at + 8);
  const restorer =
    (flags & 0x04000000) !== 0 ? `, sa_restorer=${pointer(mem.getU64(at + 16))}` : '';
  return `{sa_handler=${name}, sa_mask=${sigsetText(mem.getBig(at + 24))}, sa_flags=${formatFlags(flags, FLAGS['sa']!())}${restorer}}`; // prettier-ignore
};

const pollEvents = (events: number): string => formatFlags(events, FLAGS['poll']!());

const pollfds: Printer = (at, { mem, count }) => {
  const list = Array.from({ length: Math.min(count, 32) }, (_, i) => {
    const fd = mem.getI32(at + 8 * i);
    return fd < 0 ? `{fd=${fd}}` : `{fd=${fd}, events=${pollEvents(mem.getU16(at + 8 * i + 4))}}`;
  });
  return `[${list.join(', ')}${count > 32 ? ', ...' : ''}]`;
};

/** What poll says after its result: the entries with events. */
export function pollResult(at: number, { mem, count }: Context): string {
  const list: string[] = [];
  for (let i = 0; i < Math.min(count, 32); i++) {
    const revents = mem.getU16(at + 8 * i + 6);
    if (revents !== 0) list.push(`{fd=${mem.getI32(at + 8 * i)}, revents=${pollEvents(revents)}}`);
  }
  return `([${list.join(', ')}])`;
}

const fdSet: Printer = (at, { mem, count }) => {
  const set: number[] = [];
  for (let fd = 0; fd < Math.min(count, 1024); fd++)
    if ((mem.getU8(at + (fd >> 3)) >> (fd & 7)) & 1) set.push(fd);
  return `[${set.join(' ')}]`;
};

const iovec: Printer = (at, { mem, count, result }) => {
  let left = result;
  const list = Array.from({ length: Math.min(Math.max(count, 0), 32) }, (_, i) => {
    const length = mem.getU64(at + 16 * i + 8);
    const have = Math.max(0, Math.min(length, left));
    left -= have;
    const base = mem.getU64(at + 16 * i);
    return `{iov_base=${base === 0 ? 'NULL' : quoteBuffer(mem.read(base, Math.min(have, 33)), have)}, iov_len=${length}}`; // prettier-ignore
  });
  return `[${list.join(', ')}]`;
};

const epollEvent: Printer = (at, { mem }) => {
  const data = mem.getU32(at + 4);
  return `{events=${formatFlags(mem.getU32(at), FLAGS['epoll']!())}, data={u32=${data}, u64=${mem.getU64(at + 4)}}}`;
};

const array = (print: Printer, step: number): Printer => (at, context) => `[${Array.from({ length: Math.max(0, context.count) }, (_, i) => print(at + step * i, context)).join(', ')}]`; // prettier-ignore

const utsname: Printer = (at, { mem }) => {
  const field = (i: number): string => quote(mem.readString(at + 65 * i, 65) ?? '');
  return `{sysname=${field(0)}, nodename=${field(1)}, ...}`;
};

/** Directory entries in a buffer of `count` bytes; both forms have the length at the same place. */
function entries(at: number, { mem, count }: Context): number {
  let found = 0;
  for (let offset = 0; offset < count; found++) offset += Math.max(1, mem.getU16(at + offset + 16));
  return found;
}

const siginfo: Printer = (at, { mem }) => {
  const signo = mem.getI32(at);
  if (signo === 0) return '{}';
  const code = mem.getI32(at + 8);
  const name = signo === 17 ? (['CLD_EXITED', 'CLD_KILLED', 'CLD_DUMPED', 'CLD_TRAPPED', 'CLD_STOPPED', 'CLD_CONTINUED'][code - 1] ?? code) : (SI_CODES[code] ?? code); // prettier-ignore
  const child = signo === 17 ? `, si_status=${mem.getI32(at + 24)}, si_utime=${mem.getI64(at + 32)}, si_stime=${mem.getI64(at + 40)}` : ''; // prettier-ignore
  return `{si_signo=${signalText(signo)}, si_code=${name}, si_pid=${mem.getI32(at + 16)}, si_uid=${mem.getU32(at + 20)}${child}}`;
};

export const SI_CODES: Readonly<Record<number, string>> = {
  0: 'SI_USER',
  [-1]: 'SI_QUEUE',
  [-2]: 'SI_TIMER',
  [-3]: 'SI_MESGQ',
  [-6]: 'SI_TKILL',
  128: 'SI_KERNEL',
};

const sockaddr: Printer = (at, { mem, count }) => {
  if (count < 2) return pointer(at);
  const family = mem.getU16(at);
  const name = formatEnum(family, ENUMS['family']!(), 'AF_');
  if (family !== 1)
    return `{sa_family=${name}, sa_data=${quoteBuffer(mem.read(at + 2, Math.min(14, count - 2)))}}`;
  if (count === 2) return '{sa_family=AF_UNIX}';
  if (mem.getU8(at + 2) === 0)
    return `{sa_family=AF_UNIX, sun_path=@${quoteBuffer(mem.read(at + 3, count - 3))}}`;
  const path = mem.readString(at + 2, Math.min(108, count - 2)) ?? '';
  return `{sa_family=AF_UNIX, sun_path=${quote(path)}}`;
};

/** By the names that the kinds of system call arguments use. */
export const STRUCTS: Readonly<Record<string, Printer>> = {
  timespec,
  timespec2: pair(timestamp, 16),
  timeval,
  timeval2: pair(timeval, 16),
  itimerspec: interval(timespec),
  itimerval: interval(timeval),
  stat,
  statx: (at, { mem }) => `{stx_mask=${formatFlags(mem.getU32(at), FLAGS['statx_mask']!())}, stx_attributes=0, stx_mode=${modeText(mem.getU16(at + 28))}, stx_size=${mem.getU64(at + 40)}, ...}`, // prettier-ignore
  statfs: (at, { mem }) => `{f_type=0x${mem.getU64(at).toString(16)}, f_bsize=${mem.getU64(at + 8)}, f_blocks=${mem.getU64(at + 16)}, f_bfree=${mem.getU64(at + 24)}, f_bavail=${mem.getU64(at + 32)}, f_files=${mem.getU64(at + 40)}, f_ffree=${mem.getU64(at + 48)}, f_fsid={val=[0x${mem.getU32(at + 56).toString(16)}, 0x${mem.getU32(at + 60).toString(16)}]}, f_namelen=${mem.getU64(at + 64)}, f_frsize=${mem.getU64(at + 72)}, f_flags=0x${mem.getU64(at + 80).toString(16)}}`, // prettier-ignore
  rlimit: (at, { mem }) => `{rlim_cur=${limit(mem.getU64(at))}, rlim_max=${limit(mem.getU64(at + 8))}}`, // prettier-ignore
  rusage: (at, context) => `{ru_utime=${timeval(at, context)}, ru_stime=${timeval(at + 16, context)}, ...}`, // prettier-ignore
  wstatus,
  utsname,
  sigset: (at, { mem }) => sigsetText(mem.getBig(at)),
  sigset6: (at, { mem }) => `{sigmask=${mem.getU64(at) === 0 ? 'NULL' : sigsetText(mem.getBig(mem.getU64(at)))}, sigsetsize=${mem.getU64(at + 8)}}`, // prettier-ignore
  sigaction,
  siginfo,
  mq_attr: (at, { mem }) => `{mq_flags=${mem.getI64(at) === 0 ? 0 : 'O_NONBLOCK'}, mq_maxmsg=${mem.getI64(at + 8)}, mq_msgsize=${mem.getI64(at + 16)}, mq_curmsgs=${mem.getI64(at + 24)}}`, // prettier-ignore
  sigevent: (at, { mem }) => `{sigev_value={sival_int=${mem.getI32(at)}}, sigev_signo=${signalText(mem.getI32(at + 8))}, sigev_notify=${['SIGEV_SIGNAL', 'SIGEV_NONE', 'SIGEV_THREAD', '', 'SIGEV_THREAD_ID'][mem.getI32(at + 12)] ?? mem.getI32(at + 12)}}`, // prettier-ignore
  stack: (at, { mem }) => `{ss_sp=${pointer(mem.getU64(at))}, ss_flags=${formatFlags(mem.getU32(at + 8), FLAGS['ss']!())}, ss_size=${mem.getU64(at + 16)}}`, // prettier-ignore
  int: (at, { mem }) => `[${mem.getI32(at)}]`,
  long: (at, { mem }) => `[${mem.getI64(at)}]`,
  off_t: (at, { mem }) => `[${mem.getI64(at)}]`,
  ptr: (at, { mem }) => `[${pointer(mem.getU64(at))}]`,
  pollfds,
  fd_set: fdSet,
  iovec,
  epoll_event: epollEvent,
  fdpair: (at, { mem }) => `[${mem.getI32(at)}, ${mem.getI32(at + 4)}]`,
  gid: array((at, { mem }) => String(mem.getI32(at)), 4),
  dirent64: (at, context) => `${pointer(at)} /* ${entries(at, context)} entries */`,
  dirent: (at, context) => `${pointer(at)} /* ${entries(at, context)} entries */`,
  utimbuf: (at, { mem }) => `{actime=${mem.getI64(at)}, modtime=${mem.getI64(at + 8)}}`,
  open_how: (at, { mem }) => `{flags=${openFlags(mem.getU32(at))}, mode=${modeText(mem.getU32(at + 8))}, resolve=0x${mem.getU64(at + 16).toString(16)}}`, // prettier-ignore
  clone_args: (at, { mem }) => `{flags=${formatFlags(mem.getU32(at), FLAGS['clone']!())}, exit_signal=${signalText(mem.getI32(at + 32))}, stack=${pointer(mem.getU64(at + 40))}, stack_size=0x${mem.getU64(at + 48).toString(16)}}`, // prettier-ignore
  sysinfo: (at, { mem }) => `{uptime=${mem.getI64(at)}, loads=[${[8, 16, 24].map((o) => mem.getU64(at + o)).join(', ')}], totalram=${mem.getU64(at + 32)}, freeram=${mem.getU64(at + 40)}, ...}`, // prettier-ignore
  tms: (at, { mem }) => `{tms_utime=${mem.getI64(at)}, tms_stime=${mem.getI64(at + 8)}, tms_cutime=${mem.getI64(at + 16)}, tms_cstime=${mem.getI64(at + 24)}}`, // prettier-ignore
  sockaddr,
  termios: (at, { mem }) => `{c_iflag=${formatFlags(mem.getU32(at), ENUMS['iflag']!())}, c_oflag=${formatFlags(mem.getU32(at + 4), ENUMS['oflag']!())}, c_cflag=${formatFlags(mem.getU32(at + 8) & ~0x10_003f, ENUMS['cflag']!())}, c_lflag=${formatFlags(mem.getU32(at + 12), ENUMS['lflag']!())}, ...}`, // prettier-ignore
  winsize: (at, { mem }) => `{ws_row=${mem.getU16(at)}, ws_col=${mem.getU16(at + 2)}, ws_xpixel=${mem.getU16(at + 4)}, ws_ypixel=${mem.getU16(at + 6)}}`, // prettier-ignore
  flock: (at, { mem }) => `{l_type=${['F_RDLCK', 'F_WRLCK', 'F_UNLCK'][mem.getU16(at)] ?? mem.getU16(at)}, l_whence=${['SEEK_SET', 'SEEK_CUR', 'SEEK_END'][mem.getU16(at + 2)] ?? '?'}, l_start=${mem.getI64(at + 8)}, l_len=${mem.getI64(at + 16)}}`, // prettier-ignore
};

/** O_ flags: the access mode comes first. */
export function openFlags(flags: number): string {
  const mode = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][flags & 3]!;
  const rest = formatFlags(flags & ~3, FLAGS['open']!(), '');
  return rest === '' ? mode : `${mode}|${rest}`;
}
