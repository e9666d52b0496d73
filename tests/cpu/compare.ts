/** What the host and the processor under test made of a case. */
import type { Row } from '@vitrine/x86/opcodes.ts';
import { type Code, DF, FLAGS } from './cases.ts';
import { V3 } from './flat.ts';
import { State } from './oracle.ts';

export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGSEGV = 11;
export const SIGVTALRM = 26;

/** Their last digit may differ: the promise is an error below one unit of it (SDM vol. 1, 8.3.10). */
export const TRANSCENDENTAL = /^f(sin|cos|sincos|ptan|patan|2xm1|yl2x|yl2xp1)$/;
const C1 = 0x200;

export const view = ({ fxsave }: State): DataView => new DataView(fxsave.buffer, fxsave.byteOffset);

/** Gives the host's last digit to results that are one unit off, and its C1, which tells how the result was rounded. */
function forgiveLastDigit(host: State, ours: State): void {
  const [a, b] = [view(host), view(ours)];
  b.setUint16(2, (b.getUint16(2, true) & ~C1) | (a.getUint16(2, true) & C1), true);
  for (const at of [32, 48]) {
    const number = (v: DataView): bigint =>
      (BigInt(v.getUint16(at + 8, true) & 0x7fff) << 63n) |
      (v.getBigUint64(at, true) & ((1n << 63n) - 1n));
    const apart = number(a) - number(b);
    const signs = (a.getUint16(at + 8, true) ^ b.getUint16(at + 8, true)) & 0x8000;
    if (signs !== 0 || apart < -1n || apart > 1n) continue;
    b.setBigUint64(at, a.getBigUint64(at, true), true);
    b.setUint16(at + 8, a.getUint16(at + 8, true), true);
  }
}

/** RCPPS and RSQRTPS promise a relative error of 1.5 * 2^-12 and leave the rest to the maker. */
export const APPROXIMATION = /^v?r(cp|sqrt)[ps]s$/;

function forgiveApproximation(host: State, ours: State): void {
  const near = (a: Uint8Array, b: Uint8Array, from: number, to: number): void => {
    const [x, y] = [new DataView(a.buffer, a.byteOffset), new DataView(b.buffer, b.byteOffset)];
    for (let at = from; at < to; at += 4) {
      const wanted = x.getFloat32(at, true);
      const off = Math.abs(wanted - y.getFloat32(at, true));
      // Next to the denormal numbers, which become zero, the one may and the other may not.
      if (off <= Math.max(Math.abs(wanted) * 2 ** -10, 2 ** -126))
        y.setUint32(at, x.getUint32(at, true), true);
    }
  };
  near(host.fxsave, ours.fxsave, 160, 416);
  near(host.ymm, ours.ymm, 0, 256);
}

/** FXSAVE's mask of MXCSR: AMD's misaligned-SSE bit does not exist here. */
function forgiveMask(host: State, ours: State): void {
  for (const [a, b] of [
    [host.data, ours.data],
    [host.edges, ours.edges],
  ] as const) {
    const changed = a.findIndex((byte, i) => byte !== b[i]);
    if (changed >= 0 && a[changed] === 2 && b[changed] === 0) b[changed] = 2;
  }
}

/** Undefined flags of the row, and of the count where they depend on it. */
function undefinedFlags({ row, bytes, length, pointers }: Code, state: State): number {
  // Sequences have no rows that leave others undefined.
  if (pointers) return 0x10;
  if (!row.writesSometimes || row.rep) return row.undefines;
  const AF = 0x10;
  const OF = 0x800;
  const CF = 1;
  const byCl = row.operands.some((o) => o.text === 'CL');
  const raw = row.operands.some((o) => o.code === 'one')
    ? 1
    : byCl
      ? Number(state.gpr[1]! & 0xffn)
      : bytes[length - 1]!;
  const prefix = [...bytes.subarray(0, length)];
  const wide = prefix.some((b, i) => b >> 3 === 9 && i < 4) && row.widths.length > 0;
  const count = raw & (wide ? 63 : 31);
  if (count === 0) return 0;
  const isRotate = /^r(o|c)/.test(row.sem);
  let undef = isRotate ? 0 : AF;
  if (count !== 1) undef |= OF;
  const width = row.widths.length === 0 ? 8 : prefix.slice(0, 3).includes(0x66) ? 16 : 32;
  if (!isRotate && !wide && count >= width) undef |= CF;
  if (/^sh[lr]d$/.test(row.sem) && width === 16 && count > 16) undef |= FLAGS;
  return undef;
}

/** Bits of a state that every case has to have equal, by words. Undefined flags are looked at apart. */
const MASK = maskOf();

function maskOf(): Uint32Array {
  const mask = new State();
  mask.bytes.fill(0xff);
  mask.rflags = FLAGS | DF;
  mask.address = 0n;
  // Signal frames do not tell the x87 opcode and pointers; FNSTENV and the like do.
  mask.fxsave.fill(0, 6, 24);
  // The mask of MXCSR, and what is behind the registers.
  mask.fxsave.fill(0, 28, 32);
  mask.fxsave.fill(0, 416);
  if (!V3) mask.ymm.fill(0);
  return mask.words;
}

function isSame(host: State, ours: State): boolean {
  const [a, b] = [host.words, ours.words];
  for (let i = 0; i < MASK.length; i++) if ((a[i]! ^ b[i]!) & MASK[i]!) return false;
  return ours.signal !== SIGSEGV || host.address === ours.address;
}

/** Differences between what the host and the processor made of a case. */
export function compare(code: Code, before: State, host: State, ours: State): string[] {
  // AMD's misaligned-SSE bit of MXCSR is reserved here.
  if (host.fxsave[26]! & 2) return [];
  if (isSame(host, ours)) return [];
  // A jump to what is no address faults there, and at the jump on the host.
  if (host.signal === ours.signal && Math.abs(ours.rip) >= 2 ** 47) return [];
  forgive(code.row, host, ours);
  if (code.isLarge) ours.address = host.address;
  if (code.isLarge && isMemoryFault(host) && isMemoryFault(ours)) ours.signal = host.signal;
  // Code that changed itself to INT1: under some hypervisors RIP stays at it.
  const isTrap = host.signal === SIGTRAP && ours.signal === SIGTRAP;
  if (code.pointers && isTrap && host.rip === ours.rip - 1) ours.rip = host.rip;
  return listDifferences(host, ours, undefinedFlags(code, before));
}

/** A page that is not there, or a bad alignment. */
const isMemoryFault = ({ signal }: State): boolean => signal === SIGSEGV || signal === SIGBUS;

function forgive({ sem }: Row, host: State, ours: State): void {
  if (TRANSCENDENTAL.test(sem)) forgiveLastDigit(host, ours);
  if (sem === 'fxsave' || sem === 'xsave') forgiveMask(host, ours);
  if (APPROXIMATION.test(sem)) forgiveApproximation(host, ours);
}

function listDifferences(host: State, ours: State, ignored: number): string[] {
  const differences: string[] = [];
  const note = (what: string, a: bigint | number, b: bigint | number): void => {
    if (a !== b) differences.push(`${what}: host ${a.toString(16)}, here ${b.toString(16)}`);
  };
  note('signal', host.signal, ours.signal);
  if (ours.signal === SIGSEGV) note('address', host.address, ours.address);
  note('rip', host.rip, ours.rip);
  for (let i = 0; i < 16; i++) note(`r${i}`, host.gpr[i]!, ours.gpr[i]!);
  const faulted = host.signal !== SIGTRAP;
  const flags = (FLAGS | DF) & ~(faulted ? ignored & 0x10 : ignored);
  note('rflags', host.rflags & flags, ours.rflags & flags);
  const noteWords = (what: string, a: Uint8Array, b: Uint8Array): void => {
    const mask = MASK.subarray((a.byteOffset - host.bytes.byteOffset) / 4);
    const [x, y] = [new Uint32Array(a.buffer, a.byteOffset, a.length / 4), new Uint32Array(b.buffer, b.byteOffset, b.length / 4)]; // prettier-ignore
    x.forEach((word, i) =>
      note(`${what}+${i * 4}`, (word & mask[i]!) >>> 0, (y[i]! & mask[i]!) >>> 0),
    );
  };
  noteWords('fxsave', host.fxsave, ours.fxsave);
  noteWords('ymmh', host.ymm, ours.ymm);
  noteWords('data', host.data, ours.data);
  noteWords('edges', host.edges, ours.edges);
  return differences;
}
