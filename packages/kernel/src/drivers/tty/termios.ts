import * as T from '@vitrine/uapi/termios.ts';
import type { Current } from '../../include/current.ts';

/** Analogous to `struct ktermios`. */
export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  /** NCCS (19) control characters; 0 is "none" (_POSIX_VDISABLE). */
  cc: Uint8Array;
  ispeed: number;
  ospeed: number;
}

export interface Winsize {
  row: number;
  col: number;
  xpixel: number;
  ypixel: number;
}

const HUPCL = 0x400;
const KERNEL_NCCS = 19;

/** What a terminal starts with (tty_std_termios). */
export function tty_std_termios(pty: boolean): Termios {
  const cc = new Uint8Array(KERNEL_NCCS);
  const set: readonly [number, number][] = [
    [T.VINTR, 3], [T.VQUIT, 28], [T.VERASE, 127], [T.VKILL, 21], [T.VEOF, 4], [T.VMIN, 1], [T.VSTART, 17],
    [T.VSTOP, 19], [T.VSUSP, 26], [T.VREPRINT, 18], [T.VDISCARD, 15], [T.VWERASE, 23], [T.VLNEXT, 22],
  ]; // prettier-ignore
  for (const [index, value] of set) cc[index] = value;
  return {
    iflag: T.ICRNL | T.IXON,
    oflag: T.OPOST | T.ONLCR,
    cflag: T.B38400 | T.CS8 | T.CREAD | (pty ? 0 : HUPCL),
    lflag: T.ISIG | T.ICANON | T.ECHO | T.ECHOE | T.ECHOK | T.ECHOCTL | T.ECHOKE | T.IEXTEN,
    line: 0,
    cc,
    ispeed: 38400,
    ospeed: 38400,
  };
}

/** TIOCSLCKTRMIOS has not locked anything. */
export function no_termios(): Termios {
  return { iflag: 0, oflag: 0, cflag: 0, lflag: 0, line: 0, cc: new Uint8Array(KERNEL_NCCS), ispeed: 0, ospeed: 0 }; // prettier-ignore
}

/** Takes back what is locked (unset_locked_termios). */
export function unset_locked_termios(next: Termios, old: Termios, locked: Termios): void {
  for (const flag of ['iflag', 'oflag', 'cflag', 'lflag'] as const)
    next[flag] = (next[flag] & ~locked[flag]) | (old[flag] & locked[flag]);
  if (locked.line !== 0) next.line = old.line;
  next.cc = next.cc.map((c, i) => (locked.cc[i] === 0 ? c : old.cc[i]!));
}

const SPEEDS = [
  0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
];
const EXTRA = [57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000]; // prettier-ignore

/** The line speed that CBAUD bits name. */
function baud(cflag: number, speed: number): number {
  const bits = cflag & T.CBAUD;
  if (bits === 0o10000) return speed; // BOTHER
  return bits & T.CBAUDEX ? (EXTRA[(bits & ~T.CBAUDEX) - 1] ?? 38400) : SPEEDS[bits]!;
}

/** struct termios2 (44 bytes), or its first 36 as struct termios. */
export function put_termios(current: Current, at: number, t: Termios, two: boolean): void {
  const bytes = new Uint8Array(two ? 44 : 36);
  const view = new DataView(bytes.buffer);
  [t.iflag, t.oflag, t.cflag, t.lflag].forEach((v, i) => view.setUint32(i * 4, v, true));
  bytes[16] = t.line;
  bytes.set(t.cc, 17);
  if (two) {
    view.setUint32(36, t.ispeed, true);
    view.setUint32(40, t.ospeed, true);
  }
  current.mem.write(at, bytes);
}

export function get_termios(current: Current, at: number, two: boolean, old: Termios): Termios {
  const bytes = current.mem.read(at, two ? 44 : 36);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const cflag = view.getUint32(8, true);
  const speed = baud(cflag, two ? view.getUint32(40, true) : old.ospeed);
  return {
    iflag: view.getUint32(0, true),
    oflag: view.getUint32(4, true),
    cflag,
    lflag: view.getUint32(12, true),
    line: bytes[16]!,
    cc: bytes.slice(17, 17 + KERNEL_NCCS),
    ispeed: speed,
    ospeed: speed,
  };
}

/** The System V struct termio: 16-bit flags, 8 control characters. */
export function put_termio(current: Current, at: number, t: Termios): void {
  const bytes = new Uint8Array(18);
  const view = new DataView(bytes.buffer);
  [t.iflag, t.oflag, t.cflag, t.lflag].forEach((v, i) => view.setUint16(i * 2, v & 0xffff, true));
  bytes[8] = t.line;
  bytes.set(t.cc.subarray(0, 8), 9);
  current.mem.write(at, bytes);
}

export function get_termio(current: Current, at: number, old: Termios): Termios {
  const bytes = current.mem.read(at, 17);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const low = (i: number, was: number): number => (was & ~0xffff) | view.getUint16(i * 2, true);
  const cc = old.cc.slice();
  cc.set(bytes.subarray(9, 17));
  return {
    ...old,
    iflag: low(0, old.iflag),
    oflag: low(1, old.oflag),
    cflag: low(2, old.cflag),
    lflag: low(3, old.lflag),
    line: bytes[8]!,
    cc,
  };
}
