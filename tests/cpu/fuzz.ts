/**
 * Compares the processor with the host's on random instructions of the opcode table:
 * `npx tsx tests/cpu/fuzz.ts [cases] [seed] [name… | sequences]`.
 */
import { pathToFileURL } from 'node:url';
import {
  TRAP_EXCEPTION,
  TRAP_FUEL,
  TRAP_PAGE_FAULT,
  VECTOR_AC,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_DE,
  VECTOR_MF,
  VECTOR_SS,
  VECTOR_UD,
  VECTOR_XM,
} from '@vitrine/x86/cpu.ts';
import { disassemble } from '@vitrine/x86/disassemble.ts';
import { features } from '@vitrine/x86/features.ts';
import { isX87, rows, v3Rows, type Row } from '@vitrine/x86/opcodes.ts';
import { encode, type Encoded } from './encode.ts';
import { CODE, DATA, FlatMachine, V3 } from './flat.ts';
import {
  CASE_BYTES,
  CODE_BYTES,
  runOracle,
  State,
  STATE_BYTES,
  WINDOW,
  WINDOW_VA,
} from './oracle.ts';
import { Random } from './random.ts';
import { YMM_HIGH } from '@vitrine/x86/layout.ts';
import { randomUnits, randomWord } from './random-fp.ts';

const SIGILL = 4;
const SIGTRAP = 5;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
const SIGALRM = 14;

/** What a state cannot show, and what the host's kernel would act on. */
const EXCLUDED =
  /^(jcc|jmp.*|call.*|ret|loop.*|jrcxz|syscall|int|int1|int3|cpuid|rdtscp?|mov_(to|from)_segment|(push|pop)_segment|privileged|xgetbv)$/;

/** Rows of the processor under test. */
export const allRows: readonly Row[] = V3 ? [...rows, ...v3Rows()] : rows;

export function fuzzable(row: Row): boolean {
  if (row.gate !== '' && !features.has(row.gate)) return false;
  return !EXCLUDED.test(row.sem);
}

export interface Case {
  readonly row: Row;
  readonly code: Uint8Array;
  readonly length: number;
  readonly state: State;
}

const FLAGS = 0x8d5;
const DF = 0x400;
const TF = 0x100;
const AC = 0x4_0000;

/** Random registers, vectors and data; the memory operand is made to hit the window most times. */
export function makeCase(row: Row, random: Random, into: Uint8Array): Case {
  const code = into.subarray(0, CODE_BYTES);
  const state = new State(into.subarray(CODE_BYTES, CASE_BYTES));
  const isXstate = /^x(save|rstor)$/.test(row.sem);
  let { bytes, memory } = encode(row, random);
  // RAX and RDX say which components are meant.
  while (isXstate && (memory!.base % 2 === 0 || memory!.index === 0 || memory!.index === 2))
    ({ bytes, memory } = encode(row, random));
  code.fill(0xcc);
  code.set(bytes);
  for (let i = 0; i < 16; i++) state.gpr[i] = random.u64();
  state.gpr[4] = BigInt(WINDOW_VA + WINDOW / 2 + (random.below(32) - 16) * 8);
  state.rip = CODE;
  state.rflags = 0x202 | (random.u32() & FLAGS);
  const data = new DataView(state.data.buffer, state.data.byteOffset);
  for (let i = 0; i < WINDOW; i += 8) data.setBigUint64(i, randomWord(random), true);
  const ymm = new DataView(state.ymm.buffer, state.ymm.byteOffset);
  randomUnits(new DataView(state.fxsave.buffer, state.fxsave.byteOffset), random);
  if (V3) for (let i = 0; i < 256; i += 8) ymm.setBigUint64(i, randomWord(random), true);
  const centre = (): bigint => BigInt(WINDOW_VA + 128 + random.below(WINDOW - 256));
  if (row.rep || /maskmov/.test(row.sem) || row.sem === 'xlat') {
    if (random.chance(4)) state.rflags |= DF;
    state.gpr[1] = BigInt(random.below(12));
    state.gpr[3] = centre() - (row.sem === 'xlat' ? 255n : 0n);
    state.gpr[6] = centre();
    state.gpr[7] = centre();
  } else if (row.sem === 'leave' || row.sem === 'enter') state.gpr[5] = centre();
  else if (row.sem === 'popf') {
    const at = Number(state.gpr[4]) - WINDOW_VA;
    state.data[at + 1]! &= 0x0f;
    state.data[at + 2]! &= 4;
  }
  if (FAR.test(row.sem)) prepareFar(row, bytes, memory, state, random);
  if (random.chance(24) && !/maskmov|enter|vgather|retf|iret|callf|jmpf/.test(row.sem))
    state.rflags |= random.pick([TF, AC, AC, TF | AC]);
  if (memory) {
    if (memory.index >= 0) state.gpr[memory.index] = BigInt(random.below(8));
    let target = centre();
    if (random.chance(2)) target &= ~15n;
    if (isXstate) target = prepareXstate(state, random);
    const index = memory.index >= 0 ? state.gpr[memory.index]! << BigInt(memory.scale) : 0n;
    // Bit strings reach as far as their index says: keep it near.
    if (row.sem.endsWith('_reg'))
      for (let i = 0; i < 16; i++)
        if (i !== memory.index && i !== 4) state.gpr[i] = BigInt(random.below(512));
    state.gpr[memory.base] = BigInt.asUintN(64, target - index - BigInt(memory.disp));
    if (random.chance(64)) state.gpr[memory.base] = random.u64();
  }
  return { row, code: code.slice(), length: bytes.length, state };
}

const FAR = /^(retf|iret|callf|jmpf)$/;

/** Where far transfers lead, on the stack or in memory: mostly good selectors, and the last byte of the code. */
function prepareFar(
  row: Row,
  bytes: readonly number[],
  memory: Encoded['memory'],
  state: State,
  random: Random,
): void {
  const at = bytes.indexOf(row.opcode);
  const wide = at > 0 && bytes[at - 1]! >> 4 === 4 && (bytes[at - 1]! & 8) !== 0;
  const size = wide ? 8 : bytes.includes(0x66) ? 2 : 4;
  const target = random.chance(8) ? random.u64() : BigInt(CODE + CODE_BYTES - 1);
  const selector = (good: number): bigint =>
    BigInt(random.chance(8) ? random.pick([0, 3, 8, 0x10, 0x2b, 0x33, 0xfff8, 0x1234]) : good);
  const put = (place: number, value: bigint, width: number): void => {
    for (let i = 0; i < width; i++)
      if (place + i >= 0 && place + i < WINDOW) state.data[place + i] = Number((value >> BigInt(8 * i)) & 0xffn); // prettier-ignore
  };
  if (memory !== undefined) {
    const offset = size === 2 ? 2 : 4;
    const place = 256 + random.below(300);
    put(place, target, offset);
    put(place + offset, selector(0x33), 2);
    if (memory.index >= 0) state.gpr[memory.index] = 0n;
    state.gpr[memory.base] = BigInt(WINDOW_VA + place - memory.disp);
    return;
  }
  const stack = Number(state.gpr[4]) - WINDOW_VA;
  // Not ID, which the host would keep for the cases that follow.
  const flags = (random.u32() & 0xcd5) | (random.chance(4) ? random.pick([TF, AC]) : 0);
  [target, selector(0x33), BigInt(flags), random.u64(), selector(0x2b)].forEach((word, i) =>
    put(stack + i * size, word, size),
  );
}

/** The components that both processors have, in an area at the beginning of the window. */
function prepareXstate(state: State, random: Random): bigint {
  state.gpr[0] = BigInt(random.below(8));
  state.gpr[2] = 0n;
  const area = new DataView(state.data.buffer, state.data.byteOffset);
  area.setUint32(24, random.u32() & 0xffbf, true);
  for (let i = 512; i < 576; i += 8) area.setBigUint64(i, 0n, true);
  area.setUint32(512, random.below(8), true);
  if (random.chance(30)) area.setUint32(512 + random.below(6) * 4, random.u32(), true);
  return BigInt(WINDOW_VA) + (random.chance(30) ? 8n : 0n);
}

/** Rows whose results and flags are all defined but AF, and that do not show AF. */
export function chainable(row: Row): boolean {
  const AF = 0x10;
  if (
    !fuzzable(row) ||
    /^(pushf|popf|lahf|.*maskmov.*|xlat|retf|iret|callf|jmpf|fxsave|xsave|xrstor)$/.test(row.sem)
  )
    return false;
  if (APPROXIMATION.test(row.sem)) return false;
  if (TRANSCENDENTAL.test(row.sem)) return false;
  return (row.undefines & ~AF) === 0 && (row.writesSometimes === 0 || row.rep);
}

/**
 * A sequence: a few instructions and a conditional jump over a trap. Liveness of flags, fused pairs and the
 * precision of faults in the middle of a block show here.
 */
export function makeSequence(
  from: readonly Row[],
  random: Random,
  into: Uint8Array,
): { code: Uint8Array; state: State; length: number } {
  const first = makeCase(random.pick(from), random, into);
  const { code } = first;
  let { length } = first;
  if (isX87(first.row) && random.chance(2)) {
    code.set(FNSTENV, length);
    length += FNSTENV.length;
  }
  for (let left = random.below(5); left > 0; left--) {
    // What compilers emit all the time has handlers for pairs: give it its share.
    const row = random.pick(random.chance(2) ? from : COMMON);
    const { bytes } = encode(row, random);
    // What ENTER reads by its levels is not looked at for alignment.
    if (row.sem === 'enter') first.state.rflags &= ~AC;
    if (length + bytes.length > CODE_BYTES - 14) break;
    code.set(bytes, length);
    length += bytes.length;
  }
  const ending = random.chance(2) ? [random.pick(JUMPS), 1] : random.pick(ENDINGS);
  code.set([...ending, 0xcc], length);
  length += ending.length;
  into.set(code);
  return { code, state: first.state, length };
}

/** FNSTENV [rsp - 16] shows where the last x87 instruction and its operand were. */
const FNSTENV = [0xd9, 0x74, 0x24, 0xf0];

const COMMON = rows.filter(
  (row) => /^(mov|push|pop|lea|add|sub|xor|cmp|test)$/.test(row.sem) && fuzzable(row),
);
/** Jumps, calls and returns, over a trap byte or to the last byte of the code. */
const TO_END = [0x68, (CODE + CODE_BYTES - 1) & 0xff, (CODE >> 8) & 0xff, (CODE >> 16) & 0xff, 0];
const LEA_RAX = [0x48, 0x8d, 0x05, 3, 0, 0, 0];
const ENDINGS: readonly number[][] = [
  [0xeb, 1],
  [0xe9, 1, 0, 0, 0],
  [0xe8, 1, 0, 0, 0],
  [...LEA_RAX, 0xff, 0xe0],
  [...LEA_RAX, 0xff, 0xd0],
  [...TO_END, 0xc3],
  [...TO_END, 0xc2, 0x10, 0],
  [...TO_END, 0xff, 0x24, 0x24],
  [...TO_END, 0xff, 0x14, 0x24],
];
/** Jcc, LOOPNE, LOOPE, LOOP and JRCXZ. */
const JUMPS = [...Array.from({ length: 16 }, (_, i) => 0x70 + i), 0xe0, 0xe1, 0xe2, 0xe3];

/** Runs cases on one machine, as oracle.c does on the host. */
export class Subject {
  readonly #machine = new FlatMachine();
  readonly #code: number;
  readonly #data: number;

  constructor() {
    this.#code = this.#machine.map(CODE);
    this.#data = this.#machine.frame();
    this.#machine.frame();
    this.#machine.map(DATA, { frame: this.#data, executable: false });
    this.#machine.map(DATA + 4096, { frame: this.#data + 4096, executable: false });
  }

  /** The host starts every batch with clear pages around the window. */
  clear(): void {
    const { u8 } = this.#machine.cpu.ram;
    u8.fill(0, this.#data, this.#data + 8192);
    u8.fill(0, this.#code, this.#code + 4096);
  }

  run(code: Uint8Array, state: State): void {
    const { cpu } = this.#machine;
    const { u8 } = cpu.ram;
    u8.set(code, this.#code);
    cpu.dropCode(this.#code >>> 12);
    const window = this.#data + 4096 - WINDOW / 2;
    u8.set(state.data, window);
    cpu.reset();
    cpu.fxrstor(state.fxsave);
    cpu.ram.u8.set(state.ymm, YMM_HIGH);
    cpu.gpr.set(state.gpr);
    cpu.rip = state.rip;
    cpu.rflags = state.rflags;
    let trap = TRAP_FUEL;
    for (let i = 0; i < 100 && trap === TRAP_FUEL; i++) trap = cpu.run(1000);
    state.gpr.set(cpu.gpr);
    state.rip = cpu.rip;
    state.rflags = cpu.rflags;
    state.signal = signalOf(trap, cpu.vector);
    cpu.fxsave(state.fxsave);
    state.data.set(u8.subarray(window, window + WINDOW));
    state.ymm.set(u8.subarray(YMM_HIGH, YMM_HIGH + 256));
  }
}

function signalOf(trap: number, vector: number): number {
  if (trap === TRAP_PAGE_FAULT) return SIGSEGV;
  if (trap !== TRAP_EXCEPTION) return 0;
  if (vector === VECTOR_BP) return SIGTRAP;
  if (vector === VECTOR_UD) return SIGILL;
  if (vector === VECTOR_DB) return SIGTRAP;
  if (vector === VECTOR_SS || vector === VECTOR_AC) return SIGBUS;
  return vector === VECTOR_DE || vector === VECTOR_MF || vector === VECTOR_XM ? SIGFPE : SIGSEGV;
}

/** Their last digit may differ: the promise is an error below one unit of it (SDM vol. 1, 8.3.10). */
const TRANSCENDENTAL = /^f(sin|cos|sincos|ptan|patan|2xm1|yl2x|yl2xp1)$/;
const C1 = 0x200;

const view = ({ fxsave }: State): DataView => new DataView(fxsave.buffer, fxsave.byteOffset);

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
const APPROXIMATION = /^v?r(cp|sqrt)[ps]s$/;

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
  const changed = host.data.findIndex((byte, i) => byte !== ours.data[i]);
  if (changed >= 0 && host.data[changed] === 2 && ours.data[changed] === 0) ours.data[changed] = 2;
}

/** Differences between what the host and the processor made of a case. */
export function compare(host: State, ours: State, ignored: number): string[] {
  const differences: string[] = [];
  // Code that changed itself to an endless loop: where it stops is chance.
  if (host.signal === SIGALRM) return differences;
  // AMD's misaligned-SSE bit of MXCSR is reserved here.
  if (host.fxsave[26]! & 2) return differences;
  const note = (what: string, a: bigint | number, b: bigint | number): void => {
    if (a !== b) differences.push(`${what}: host ${a.toString(16)}, here ${b.toString(16)}`);
  };
  note('signal', host.signal, ours.signal);
  note('rip', host.rip, ours.rip);
  for (let i = 0; i < 16; i++) note(`r${i}`, host.gpr[i]!, ours.gpr[i]!);
  const faulted = host.signal !== SIGTRAP;
  const flags = (FLAGS | DF) & ~(faulted ? ignored & 0x10 : ignored);
  note('rflags', host.rflags & flags, ours.rflags & flags);
  for (let i = 0; i < 416; i += 8) {
    // Signal frames do not tell the x87 instruction and data pointers; FNSTENV and the like do.
    if (i === 8 || i === 16) continue;
    const at = (s: State): bigint => view(s).getBigUint64(i, true);
    if (i === 24) note('mxcsr', at(host) & 0xffffffffn, at(ours) & 0xffffffffn);
    else if (i === 0)
      note('fcw, fsw, ftw', at(host) & 0xffff_ffff_ffffn, at(ours) & 0xffff_ffff_ffffn);
    else note(`fxsave+${i}`, at(host), at(ours));
  }
  for (let i = 0; V3 && i < 256; i += 8) {
    const at = (s: State): bigint =>
      new DataView(s.ymm.buffer, s.ymm.byteOffset).getBigUint64(i, true);
    note(`ymmh+${i}`, at(host), at(ours));
  }
  const changed = host.data.findIndex((byte, i) => byte !== ours.data[i]);
  if (changed >= 0) note(`data+${changed}`, host.data[changed]!, ours.data[changed]!);
  return differences;
}

/** Undefined flags of the row, and of the count where they depend on it. */
function undefinedFlags({ row, state, code, length }: Case): number {
  if (!row.writesSometimes || row.rep) return row.undefines;
  const AF = 0x10;
  const OF = 0x800;
  const CF = 1;
  const byCl = row.operands.some((o) => o.text === 'CL');
  const raw = row.operands.some((o) => o.code === 'one')
    ? 1
    : byCl
      ? Number(state.gpr[1]! & 0xffn)
      : code[length - 1]!;
  const prefix = [...code.subarray(0, length)];
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

export interface FuzzResult {
  readonly cases: number;
  readonly failures: readonly string[];
}

/** @param limit stop after so many differing cases */
export function fuzz(
  count: number,
  seed: number,
  chosen: readonly Row[] = allRows.filter(fuzzable),
  limit = 50,
): FuzzResult {
  const random = new Random(seed);
  const subject = new Subject();
  const failures: string[] = [];
  const BATCH = 5000;
  let done = 0;
  while (done < count && failures.length < limit) {
    const size = Math.min(BATCH, count - done);
    const input = new Uint8Array(size * CASE_BYTES);
    const cases: Case[] = [];
    for (let i = 0; i < size; i++) {
      const row = random.pick(chosen);
      cases.push(makeCase(row, random, input.subarray(i * CASE_BYTES, (i + 1) * CASE_BYTES)));
    }
    subject.clear();
    const output = runOracle(input);
    for (let i = 0; i < size; i++) {
      const host = new State(output.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES));
      const ours = new State(cases[i]!.state.bytes.slice());
      subject.run(cases[i]!.code, ours);
      const { row } = cases[i]!;
      if (TRANSCENDENTAL.test(row.sem)) forgiveLastDigit(host, ours);
      if (row.sem === 'fxsave' || row.sem === 'xsave') forgiveMask(host, ours);
      if (APPROXIMATION.test(row.sem)) forgiveApproximation(host, ours);
      const differences = compare(host, ours, undefinedFlags(cases[i]!));
      if (differences.length > 0) failures.push(describe(cases[i]!, differences));
    }
    done += size;
  }
  return { cases: done, failures };
}

/** As {@link fuzz}, with sequences. */
export function fuzzSequences(count: number, seed: number, limit = 50): FuzzResult {
  const from = allRows.filter(chainable);
  const random = new Random(seed);
  const subject = new Subject();
  const failures: string[] = [];
  const BATCH = 5000;
  let done = 0;
  for (; done < count && failures.length < limit; done += BATCH) {
    const input = new Uint8Array(BATCH * CASE_BYTES);
    const cases = Array.from({ length: BATCH }, (_, i) =>
      makeSequence(from, random, input.subarray(i * CASE_BYTES, (i + 1) * CASE_BYTES)),
    );
    subject.clear();
    const output = runOracle(input);
    cases.forEach(({ code, state, length }, i) => {
      const host = new State(output.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES));
      const ours = new State(state.bytes.slice());
      subject.run(code, ours);
      const differences = compare(host, ours, 0x10);
      if (differences.length > 0) failures.push(listing(code, length, state, differences));
    });
  }
  return { cases: done, failures };
}

function listing(
  code: Uint8Array,
  length: number,
  state: State,
  differences: readonly string[],
): string {
  const lines: string[] = [];
  for (let at = 0; at < length;) {
    const one = disassemble(code, at, BigInt(CODE + at), Number(V3));
    const hex = [...code.subarray(at, at + one.length)].map((b) => b.toString(16).padStart(2, '0'));
    lines.push(`${(CODE + at).toString(16)} [${hex.join(' ')}] ${one.text}`);
    at += one.length;
  }
  const registers = [...state.gpr].map((v) => v.toString(16)).join(' ');
  return `sequence\n  ${lines.join('\n  ')}\n  flags ${state.rflags.toString(16)} gpr ${registers}\n  ${differences.join('\n  ')}`;
}

function describe({ row, code, length, state }: Case, differences: readonly string[]): string {
  const { text } = disassemble(code, 0, BigInt(CODE), Number(V3));
  const hex = [...code.subarray(0, length)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  const registers = [...state.gpr].map((v) => v.toString(16)).join(' ');
  const fx = view(state);
  const stack = row.map === 0 && row.opcode >> 3 === 0x1b ? `\n  st ${[32, 48].map((i) => `${fx.getUint16(i + 8, true).toString(16)}:${fx.getBigUint64(i, true).toString(16)}`).join(' ')}` : ''; // prettier-ignore
  return `${row.name} [${hex}] ${text} flags ${state.rflags.toString(16)}\n  gpr ${registers}${stack}\n  ${differences.join('\n  ')}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [cases = '20000', seed = '1', ...names] = process.argv.slice(2);
  const sequences = names[0] === 'sequences';
  const chosen = allRows.filter(
    (row) =>
      fuzzable(row) &&
      (names.length === 0 ||
        names.includes(row.name) ||
        (names[0] === 'v3' && row.id >= rows.length)),
  );
  const start = performance.now();
  const result = sequences
    ? fuzzSequences(Number(cases), Number(seed), 10)
    : fuzz(Number(cases), Number(seed), chosen, 400);
  const seen = new Map<string, number>();
  for (const failure of result.failures) {
    const name = failure.split(' ')[0]!;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (seen.get(name)! <= 2) console.log(failure);
  }
  console.log([...seen].map(([name, n]) => `${name} ${n}`).join(', '));
  console.log(
    `${result.cases} cases, ${result.failures.length} differ, ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
  process.exitCode = result.failures.length > 0 ? 1 : 0;
}
