import { Errno } from '@vitrine/kernel/include/errno.ts';
import type { UserMemory } from '@vitrine/kernel/include/uaccess.ts';
import type { SyscallRow } from '@vitrine/kernel/syscalls/row.ts';
import * as FCNTL from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import * as TERMIOS from '@vitrine/uapi/termios.ts';
import { openFlags, pollResult, STRUCTS } from './structs.ts';
import { ENUMS, FLAGS, formatEnum, formatFlags } from './tables.ts';
import {
  modeText,
  pointer,
  quote,
  quoteBuffer,
  signalText,
  STRING_LIMIT,
  unsigned,
} from './values.ts';

/** A system call on its way: what the registers held, and the texts of the arguments that are known by now. */
export interface Call {
  readonly row: SyscallRow;
  readonly args: readonly number[];
  readonly mem: UserMemory;
  /** null: to be printed when the call is over. */
  readonly texts: (string | null)[];
}

/** Runs a printer; what cannot be read is shown by its address. */
function reading(address: number, print: () => string): string {
  if (address === 0) return 'NULL';
  try {
    return print();
  } catch (error) {
    if (error instanceof Errno) return pointer(address);
    throw error;
  }
}

const signed = (value: number): number => value | 0;

function path(mem: UserMemory, address: number): string {
  return reading(address, () => {
    const text = mem.readString(address, 4096);
    return text === null ? pointer(address) : quote(text);
  });
}

function strings(mem: UserMemory, address: number, environment: boolean): string {
  return reading(address, () => {
    const list: string[] = [];
    let count = 0;
    for (let at = address; mem.getU64(at) !== 0 && count < 100_000; at += 8) {
      if (!environment && count < 32) {
        const text = mem.readString(mem.getU64(at), 131072) ?? '';
        list.push(
          text.length > STRING_LIMIT ? `${quote(text.slice(0, STRING_LIMIT))}...` : quote(text),
        );
      }
      count++;
    }
    if (environment) return `${pointer(address)} /* ${count} var${count === 1 ? '' : 's'} */`;
    return `[${list.join(', ')}${count > 32 ? ', ...' : ''}]`;
  });
}

function flagsText(name: string, value: number): string {
  switch (name) {
    case 'open':
      return openFlags(value);
    case 'prot':
      return formatFlags(value, FLAGS['prot']!(), 'PROT_NONE');
    case 'access':
      return value === 0 ? 'F_OK' : formatFlags(value, FLAGS['access']!().toReversed());
    case 'mmap': {
      const type = ['MAP_FILE', 'MAP_SHARED', 'MAP_PRIVATE', 'MAP_SHARED_VALIDATE'][value & 3]!;
      const rest = formatFlags(value & ~3, FLAGS['mmap']!(), '');
      return rest === '' ? type : `${type}|${rest}`;
    }
    case 'clone': {
      const signal = value & 0xff;
      const bits = formatFlags(value & ~0xff, FLAGS['clone']!(), '');
      return (
        [bits, signal === 0 ? '' : signalText(signal)].filter((text) => text !== '').join('|') ||
        '0'
      );
    }
    case 'rwf':
    case 'splice':
      return formatFlags(value, FLAGS[name]!());
    default:
      return FLAGS[name] === undefined
        ? `0x${(value >>> 0).toString(16)}`
        : formatFlags(value, FLAGS[name]());
  }
}

/** The text of one argument, or null when only the end of the call gives it. @param result null while it runs */
function argument(call: Call, i: number, result: number | null): string | null {
  const { row, args, mem } = call;
  const kind = row.kinds[i]!;
  const value = args[i]!;
  const special = SPECIAL[row.nr]?.(call, i, result);
  if (special !== undefined) return special;
  const [print, name = ''] = kind.print.split(':');
  const failed = result !== null && result < 0;
  const count =
    kind.length === undefined ? 1 : kind.length < 0 ? (result ?? 0) : signed(args[kind.length]!);
  const context = { mem, count: name === 'fd_set' || name === 'pollfds' ? countOf(row, args) : count, result: result ?? Infinity }; // prettier-ignore
  const structure = (): string =>
    reading(value, () => STRUCTS[name]?.(value, context) ?? pointer(value));
  switch (print) {
    case 'int':
      return String(signed(value));
    case 'long':
      return String(value);
    case 'ulong':
      return String(unsigned(value));
    case 'uint':
      return String(value >>> 0);
    case 'hex':
      return value === 0 ? '0' : `0x${unsigned(value).toString(16)}`;
    case 'signal':
      return signalText(signed(value));
    case 'fd':
      return String(signed(value));
    case 'dirfd':
      return signed(value) === FCNTL.AT_FDCWD ? 'AT_FDCWD' : String(signed(value));
    case 'path':
      return path(mem, value);
    case 'mode':
      return modeText(value & 0xffff);
    case 'dev':
      return `makedev(0x${((value >> 8) & 0xfff).toString(16)}, 0x${(value & 0xff).toString(16)})`;
    case 'strv':
      return strings(mem, value, i === (row.nr === NR.__NR_execveat ? 3 : 2));
    case 'flags':
      return flagsText(name, signed(value));
    case 'enum':
      return ENUMS[name] === undefined ? String(signed(value)) : formatEnum(signed(value), ENUMS[name](), `${name.toUpperCase()}_`); // prettier-ignore
    case 'inbuf':
      return reading(value, () => quoteBuffer(mem.read(value, Math.max(0, Math.min(count, STRING_LIMIT + 1))), count)); // prettier-ignore
    case 'in':
    case 'in[]':
    case 'inout':
      return structure();
    case 'outbuf':
      if (result === null) return null;
      return failed ? pointer(value) : reading(value, () => quoteBuffer(mem.read(value, Math.max(0, Math.min(count, STRING_LIMIT + 1))), count)); // prettier-ignore
    case 'out':
    case 'out[]':
      if (result === null) return null;
      return failed ? pointer(value) : structure();
    default:
      return pointer(value);
  }
}

/** Descriptors that poll and select look at. */
const countOf = (row: SyscallRow, args: readonly number[]): number =>
  row.name.includes('poll') ? args[1]! : signed(args[0]!);

type Special = (call: Call, i: number, result: number | null) => string | null | undefined;

const TERMIOS_REQUESTS = new Set<number>([
  TERMIOS.TCGETS,
  TERMIOS.TCSETS,
  TERMIOS.TCSETSW,
  TERMIOS.TCSETSF,
]);

const ioctl: Special = ({ args, mem }, i, result) => {
  if (i !== 2) return undefined;
  const request = args[1]!;
  const out =
    request === TERMIOS.TCGETS || request === TERMIOS.TIOCGWINSZ || request === TERMIOS.TIOCGPGRP;
  if (out && result === null) return null;
  const at = args[2]!;
  if (out && result! < 0) return pointer(at);
  const context = { mem, count: 1, result: 0 };
  if (TERMIOS_REQUESTS.has(request)) return reading(at, () => STRUCTS['termios']!(at, context));
  if (request === TERMIOS.TIOCGWINSZ || request === TERMIOS.TIOCSWINSZ) return reading(at, () => STRUCTS['winsize']!(at, context)); // prettier-ignore
  if (request === TERMIOS.TIOCGPGRP || request === TERMIOS.TIOCSPGRP) return reading(at, () => STRUCTS['int']!(at, context)); // prettier-ignore
  return undefined;
};

const fcntl: Special = ({ args, mem }, i, result) => {
  if (i !== 2) return undefined;
  const value = args[2]!;
  switch (args[1]) {
    case FCNTL.F_GETFD:
    case FCNTL.F_GETFL:
    case FCNTL.F_GETOWN:
    case FCNTL.F_GETPIPE_SZ:
    case FCNTL.F_GETSIG:
      return '';
    case FCNTL.F_SETFD:
      return value === 1 ? 'FD_CLOEXEC' : String(value);
    case FCNTL.F_SETFL:
      return openFlags(value);
    case FCNTL.F_DUPFD:
    case FCNTL.F_DUPFD_CLOEXEC:
    case FCNTL.F_SETPIPE_SZ:
      return String(signed(value));
    case FCNTL.F_GETLK:
      return result === null
        ? null
        : reading(value, () => STRUCTS['flock']!(value, { mem, count: 1, result: 0 }));
    case FCNTL.F_SETLK:
    case FCNTL.F_SETLKW:
      return reading(value, () => STRUCTS['flock']!(value, { mem, count: 1, result: 0 }));
    default:
      return undefined;
  }
};

/** The mode counts only where a file may be made: it is left out otherwise. */
const open =
  (flags: number, mode: number): Special =>
  ({ args }, i) => {
    if (i !== mode) return undefined;
    return (args[flags]! & (FCNTL.O_CREAT | 0x400000)) === 0
      ? ''
      : `0${(args[mode]! & 0xffff).toString(8)}`;
  };

/** The device number counts only for devices. */
const mknod =
  (mode: number): Special =>
  ({ args }, i) => {
    const type = args[mode]! & 0o170000;
    return i === mode + 1 && type !== 0o020000 && type !== 0o060000 ? '' : undefined;
  };

/** Time that was left, which only an interrupted sleep writes. */
const remaining =
  (at: number): Special =>
  ({ args }, i, result) => {
    if (i !== at) return undefined;
    if (result === null) return null;
    return result === 0 || result === -22 ? pointer(args[at]!) : undefined;
  };

const SCHEDULERS = [
  'SCHED_OTHER',
  'SCHED_FIFO',
  'SCHED_RR',
  'SCHED_BATCH',
  '',
  'SCHED_IDLE',
  'SCHED_DEADLINE',
];

const futex: Special = ({ args }, i) => {
  const op = args[1]! & 0x7f;
  if (i === 1) {
    const name = formatEnum(op, ENUMS['futex']!(), 'FUTEX_');
    return `${name}${(args[1]! & 128) !== 0 ? '_PRIVATE' : ''}${(args[1]! & 256) !== 0 ? '|FUTEX_CLOCK_REALTIME' : ''}`; // prettier-ignore
  }
  // How many arguments count depends on the operation.
  const used = op === 0 ? 4 : op === 1 || op === 7 || op === 8 ? 3 : 6;
  if (i >= used || (op === 10 && i >= 3 && i < 5)) return '';
  return undefined;
};

const SPECIAL: Readonly<Record<number, Special>> = {
  [NR.__NR_ioctl]: ioctl,
  [NR.__NR_fcntl]: fcntl,
  [NR.__NR_open]: open(1, 2),
  [NR.__NR_openat]: open(2, 3),
  [NR.__NR_creat]: (call, i) => (i === 1 ? octal(call.args[1]!) : undefined),
  [NR.__NR_mknod]: mknod(1),
  [NR.__NR_mknodat]: mknod(2),
  [NR.__NR_nanosleep]: remaining(1),
  [NR.__NR_clock_nanosleep]: remaining(3),
  [NR.__NR_wait4]: ({ args }, i, result) =>
    i === 1 && result === 0 ? pointer(args[1]!) : undefined,
  [NR.__NR_getrandom]: ({ args, mem }, i, result) => {
    if (i !== 0 || result === null || result < 0) return undefined;
    return reading(args[0]!, () =>
      hexBuffer(mem.read(args[0]!, Math.min(result, STRING_LIMIT)), result),
    );
  },
  [NR.__NR_sched_getaffinity]: ({ args, mem }, i, result) => {
    if (i !== 2 || result === null || result < 0) return undefined;
    return reading(args[2]!, () => cpuSet(mem.read(args[2]!, result)));
  },
  [NR.__NR_futex]: futex,
  [NR.__NR_umask]: ({ args }) => `0${args[0]!.toString(8).padStart(2, '0')}`,
  [NR.__NR_mkdir]: (call, i) => (i === 1 ? octal(call.args[1]!) : undefined),
  [NR.__NR_mkdirat]: (call, i) => (i === 2 ? octal(call.args[2]!) : undefined),
  [NR.__NR_chmod]: (call, i) => (i === 1 ? octal(call.args[1]!) : undefined),
  [NR.__NR_fchmod]: (call, i) => (i === 1 ? octal(call.args[1]!) : undefined),
  [NR.__NR_fchmodat]: (call, i) => (i === 2 ? octal(call.args[2]!) : undefined),
  [NR.__NR_getcwd]: ({ mem, args }, i, result) => (i !== 0 ? undefined : result === null ? null : result < 0 ? pointer(args[0]!) : path(mem, args[0]!)), // prettier-ignore
};

/** Random bytes are never text. */
function hexBuffer(bytes: Uint8Array, whole: number): string {
  const text = [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return `"${text}"${whole > bytes.length ? '...' : ''}`;
}

function cpuSet(bytes: Uint8Array): string {
  const cpus: number[] = [];
  bytes.forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) cpus.push(8 * i + bit);
  });
  return `[${cpus.join(' ')}]`;
}

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;

/** What is known when the call begins. */
export function beginCall(row: SyscallRow, args: readonly number[], mem: UserMemory): Call {
  const call: Call = { row, args, mem, texts: [] };
  for (let i = 0; i < row.kinds.length; i++) call.texts.push(argument(call, i, null));
  return call;
}

/** The arguments known so far, up to the first that is not: what strace has printed when a call does not return at once. */
export function knownArguments({ texts }: Call): string {
  const end = texts.indexOf(null);
  const known = (end < 0 ? texts : texts.slice(0, end)).filter((text) => text !== '');
  return known.join(', ') + (end > 0 ? ', ' : '');
}

/** The rest of the arguments, from the first that was not known at the beginning. */
export function finishArguments(call: Call, result: number): string {
  const start = call.texts.indexOf(null);
  if (start < 0) return '';
  const rest: string[] = [];
  for (let i = start; i < call.texts.length; i++)
    rest.push(call.texts[i] ?? argument(call, i, result) ?? '');
  return rest.filter((text) => text !== '').join(', ');
}

const HEX_RESULTS = new Set<number>([NR.__NR_brk, NR.__NR_mmap, NR.__NR_mremap, NR.__NR_shmat]);

/** What comes after the result: poll's events, fcntl's flags. */
export function resultText(call: Call, result: number): string {
  const { row, args, mem } = call;
  if (HEX_RESULTS.has(row.nr)) return `0x${result.toString(16)}`;
  if ((row.nr === NR.__NR_poll || row.nr === NR.__NR_ppoll) && result >= 0)
    return result === 0 ? '0 (Timeout)' : `${result} ${reading(args[0]!, () => pollResult(args[0]!, { mem, count: args[1]!, result }))}`; // prettier-ignore
  if (row.nr === NR.__NR_fcntl && args[1] === FCNTL.F_GETFL) return `0x${result.toString(16)} (flags ${openFlags(result)})`; // prettier-ignore
  if (row.nr === NR.__NR_fcntl && args[1] === FCNTL.F_GETFD) return result === 0 ? '0' : `0x${result.toString(16)} (flags FD_CLOEXEC)`; // prettier-ignore
  if (row.nr === NR.__NR_umask) return `0${result.toString(8).padStart(2, '0')}`;
  if (row.nr === NR.__NR_sched_getscheduler)
    return `${result} (${SCHEDULERS[result & 7] ?? '???'})`;
  return String(result);
}
