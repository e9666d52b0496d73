import * as S from '@vitrine/uapi/signal.ts';
import type { SigInfo } from './signal_struct.ts';

export const SIGINFO_SIZE = 128;
/** Bytes of siginfo_t that some signal uses, and all that is kept (struct kernel_siginfo). */
export const KERNEL_SIGINFO_SIZE = 48;

/** siginfo_t as user space sees it: which members of the union are filled follows from the signal and the code. */
export function siginfo_bytes(info: SigInfo): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const view = new DataView(bytes.buffer);
  if (info.raw !== undefined) bytes.set(info.raw);
  view.setInt32(0, info.signo, true);
  if (info.raw !== undefined) return bytes;
  view.setInt32(4, info.errno, true);
  view.setInt32(8, info.code, true);
  const fault =
    info.code > 0 &&
    info.code < S.SI_KERNEL &&
    [S.SIGSEGV, S.SIGBUS, S.SIGILL, S.SIGFPE, S.SIGTRAP].includes(info.signo);
  if (fault || (info.addr !== undefined && info.code !== S.SI_USER)) {
    view.setBigUint64(16, BigInt(info.addr ?? 0), true);
    if (info.syscall !== undefined) {
      view.setInt32(24, info.syscall, true);
      view.setUint32(28, info.arch ?? 0, true);
    }
    return bytes;
  }
  if (info.code === S.SI_TIMER) {
    view.setInt32(16, info.timerid ?? 0, true);
    view.setInt32(20, info.overrun ?? 0, true);
    view.setBigUint64(24, info.value ?? 0n, true);
    return bytes;
  }
  if (info.band !== undefined) {
    view.setBigInt64(16, BigInt(info.band), true);
    view.setInt32(24, info.fd ?? 0, true);
    return bytes;
  }
  view.setInt32(16, info.pid ?? 0, true);
  view.setUint32(20, info.uid ?? 0, true);
  if (info.status !== undefined) {
    view.setInt32(24, info.status, true);
    view.setBigInt64(32, BigInt(info.utime ?? 0), true);
    view.setBigInt64(40, BigInt(info.stime ?? 0), true);
  } else if (info.value !== undefined) view.setBigUint64(24, info.value, true);
  return bytes;
}

/** The members of the union that are filled (enum siginfo_layout). */
export type SigInfoLayout = 'kill' | 'timer' | 'poll' | 'fault' | 'mceerr' | 'chld' | 'rt' | 'sys';

export function siginfo_layout(signo: number, code: number): SigInfoLayout {
  if (code === S.SI_TIMER) return 'timer';
  if (code === S.SI_SIGIO) return 'poll';
  if (code < 0) return 'rt';
  if (code === S.SI_USER || code >= S.SI_KERNEL) return 'kill';
  const limit = SICODES[signo];
  if (limit === undefined || code > limit) return code <= NSIGPOLL ? 'poll' : 'kill';
  if (signo === S.SIGCHLD) return 'chld';
  if (signo === S.SIGIO) return 'poll';
  if (signo === S.SIGSYS) return 'sys';
  return signo === S.SIGBUS && code >= BUS_MCEERR_AR ? 'mceerr' : 'fault';
}

/** Highest si_code of the signals that have codes of their own (sig_sicodes). */
const SICODES: Readonly<Record<number, number>> = { [S.SIGILL]: 11, [S.SIGFPE]: 15, [S.SIGSEGV]: 10, [S.SIGBUS]: 5, [S.SIGTRAP]: 6, [S.SIGCHLD]: 6, [S.SIGIO]: 6, [S.SIGSYS]: 2 }; // prettier-ignore
const NSIGPOLL = 6;
const BUS_MCEERR_AR = 4;
const SI_DETHREAD = -7;
const SI_ASYNCNL = -60;

/** Is it known which members of siginfo_t the code fills (known_siginfo_layout)? */
export function known_siginfo_layout(signo: number, code: number): boolean {
  if (code === S.SI_KERNEL) return true;
  if (code > 0) return code <= (SICODES[signo] ?? NSIGPOLL);
  return code >= SI_DETHREAD || code === SI_ASYNCNL;
}

/** What rt_sigqueueinfo(2) is given. */
export function siginfo_from_bytes(bytes: Uint8Array, signo: number): SigInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    signo,
    errno: view.getInt32(4, true),
    code: view.getInt32(8, true),
    pid: view.getInt32(16, true),
    uid: view.getUint32(20, true),
    value: view.getBigUint64(24, true),
    raw: bytes.slice(0, KERNEL_SIGINFO_SIZE),
    reason: 'sent with rt_sigqueueinfo',
  };
}
