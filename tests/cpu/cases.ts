/** Random encodings of a row, and random states to run them from. */
import { features } from '@vitrine/x86/features.ts';
import { sseUsual } from '@vitrine/x86/insn/sse-usual.ts';
import { rows, v3Rows, type Row } from '@vitrine/x86/opcodes.ts';
import { encode, type Encoded } from './encode.ts';
import { CODE, DATA, V3 } from './flat.ts';
import { CODE_BYTES, DATA_BYTES, type State, WINDOW, WINDOW_VA } from './oracle.ts';
import { plainVectors, plainWord, randomUnits, randomWord } from './random-fp.ts';
import type { Random } from './random.ts';

/** What a state cannot show, and what the host's kernel would act on. */
const EXCLUDED =
  /^(jcc|jmp.*|call.*|ret|loop.*|jrcxz|syscall|int|int1|int3|s[gil]dt|str|smsw|lsl|cpuid|rdtscp?|mov_(to|from)_segment|(push|pop)_segment|privileged|xgetbv)$/;

/** Rows of the processor under test. */
export const allRows: readonly Row[] = V3 ? [...rows, ...v3Rows()] : rows;

export function fuzzable(row: Row): boolean {
  if (row.gate !== '' && !features.has(row.gate)) return false;
  return !EXCLUDED.test(row.sem);
}

/** A piece of code, which ends in traps. */
export interface Code {
  /** Of the first instruction. */
  readonly row: Row;
  /** CODE_BYTES of them. */
  readonly bytes: Uint8Array;
  /** Bytes of the instructions. */
  readonly length: number;
  /** Where it is put. */
  readonly at: number;
  /** Memory operand of the first instruction. */
  readonly memory: Encoded['memory'];
  /** It is more than one instruction, and these registers point into the window at first. */
  readonly pointers?: readonly number[];
  /** Makers differ in what its instructions look at first, and so in where they fault. */
  readonly isLarge: boolean;
  /** The processor under test does not look at its accesses for alignment. */
  readonly unaligned?: boolean;
}

export const FLAGS = 0x8d5;
export const DF = 0x400;
export const TF = 0x100;
export const AC = 0x4_0000;

const isXstate = ({ sem }: Row): boolean => /^x(save|rstor)$/.test(sem);

/** It has several operands in memory, or one of many bytes. */
export const isLarge = ({ sem }: Row): boolean =>
  /^(cmps|retf|iret|callf|jmpf|.*maskmov.*|fnsave|frstor|fnstenv|fldenv|fxsave|fxrstor|xsave|xrstor)$/.test(sem); // prettier-ignore

/** One instruction. */
export function makeCode(row: Row, random: Random): Code {
  let { bytes, memory } = encode(row, random);
  // RAX and RDX say which components are meant.
  while (isXstate(row) && (memory!.base % 2 === 0 || memory!.index === 0 || memory!.index === 2))
    ({ bytes, memory } = encode(row, random));
  const code = new Uint8Array(CODE_BYTES).fill(0xcc);
  code.set(bytes);
  return { row, bytes: code, length: bytes.length, at: CODE, memory, isLarge: isLarge(row) };
}

/** Anything; or such numbers that floating point raises few exceptions. */
type Kind = 'any' | 'singles' | 'doubles';

/** Half of the states for rows of which tier 1 has a version for usual numbers, and for code of several instructions. */
function kindFor({ row: { sem }, pointers }: Code, random: Random): Kind {
  if ((!pointers && !(sem in sseUsual)) || random.chance(2)) return 'any';
  const isDouble = pointers ? random.chance(2) : /^cvtt?[sp]d|^(?!cvt).*[sp]d$/.test(sem);
  return isDouble ? 'doubles' : 'singles';
}

/** Random words for operands in memory: one stock serves a batch of cases, each of which takes a stretch of it. */
export class Stock {
  readonly #bytes: Record<Kind, Uint8Array> = {
    any: new Uint8Array(0x1_0000),
    singles: new Uint8Array(0x1_0000),
    doubles: new Uint8Array(0x1_0000),
  };

  fill(random: Random): void {
    for (const [kind, { buffer }] of Object.entries(this.#bytes)) {
      const view = new DataView(buffer);
      const word = (): bigint => kind === 'any' ? randomWord(random) : plainWord(random, kind === 'doubles'); // prettier-ignore
      for (let i = 0; i < view.byteLength; i += 8) view.setBigUint64(i, word(), true);
    }
  }

  take(kind: Kind, into: Uint8Array, random: Random): void {
    const bytes = this.#bytes[kind];
    const at = random.below((bytes.length - into.length) / 8) * 8;
    into.set(bytes.subarray(at, at + into.length));
  }
}

const centre = (random: Random): bigint => BigInt(WINDOW_VA + 128 + random.below(WINDOW - 256));

/** Where what is mapped begins and ends, and the last address that is one. */
const EDGES = [DATA, DATA, DATA + DATA_BYTES, DATA + DATA_BYTES, 2 ** 47];

/** Near one of them, or across it. */
const edge = (random: Random): bigint => BigInt(random.pick(EDGES) + random.below(80) - 40);

/** Random registers, vectors and data; the memory operand is made to hit the window most times. */
export function makeState(code: Code, random: Random, stock: Stock, state: State): void {
  const { row, memory } = code;
  for (let i = 0; i < 16; i++) state.gpr[i] = random.u64();
  state.gpr[4] = BigInt(WINDOW_VA + WINDOW / 2 + (random.below(32) - 16) * 8);
  state.rip = code.at;
  state.rflags = 0x202 | (random.u32() & FLAGS);
  state.signal = 0;
  state.address = 0n;
  const kind = kindFor(code, random);
  stock.take(kind, state.data, random);
  stock.take(kind, state.edges, random);
  const fx = new DataView(state.fxsave.buffer, state.fxsave.byteOffset);
  randomUnits(fx, random);
  if (kind !== 'any') plainVectors(fx, random, kind === 'doubles');
  const ymm = new DataView(state.ymm.buffer, state.ymm.byteOffset);
  if (V3) for (let i = 0; i < 256; i += 8) ymm.setBigUint64(i, randomWord(random), true);
  for (const register of code.pointers ?? []) state.gpr[register] = centre(random);
  prepareImplicit(row, state, random);
  if (random.chance(24) && !/maskmov|enter|vgather|retf|iret|callf|jmpf/.test(row.sem))
    state.rflags |= random.pick([TF, AC, AC, TF | AC]);
  if (code.unaligned) state.rflags &= ~AC;
  if (FAR.test(row.sem) && !random.chance(16)) prepareFar(code, state, random);
  else if (memory) prepareMemory(row, memory, state, random);
}

/** Registers that address memory though the encoding does not name them. */
function prepareImplicit(row: Row, state: State, random: Random): void {
  if (row.rep || /maskmov/.test(row.sem) || row.sem === 'xlat') {
    // Processors may fault for bytes that the mask of MASKMOVDQU leaves out.
    const canFault = !/maskmov/.test(row.sem);
    const place = (): bigint => (canFault && random.chance(32) ? edge(random) : centre(random));
    if (random.chance(4)) state.rflags |= DF;
    state.gpr[1] = BigInt(random.below(12));
    state.gpr[3] = place() - (row.sem === 'xlat' ? 255n : 0n);
    state.gpr[6] = place();
    state.gpr[7] = place();
  } else if (row.sem === 'leave' || row.sem === 'enter') state.gpr[5] = centre(random);
  else if (row.sem === 'popf') {
    const at = Number(state.gpr[4]) - WINDOW_VA;
    state.data[at + 1]! &= 0x0f;
    state.data[at + 2]! &= 4;
  }
}

function prepareMemory(
  row: Row,
  memory: NonNullable<Encoded['memory']>,
  state: State,
  random: Random,
): void {
  const { base, index, scale, disp } = memory;
  if (index >= 0) state.gpr[index] = BigInt(random.below(8));
  let target = random.chance(32) ? edge(random) : centre(random);
  if (random.chance(2)) target &= ~15n;
  if (isXstate(row)) target = prepareXstate(state, random);
  // Bit strings reach as far as their index says: keep it near.
  if (row.sem.endsWith('_reg'))
    for (let i = 0; i < 16; i++)
      if (i !== index && i !== 4) state.gpr[i] = BigInt(random.below(512));
  const added = (index >= 0 ? state.gpr[index]! << BigInt(scale) : 0n) + BigInt(disp);
  state.gpr[base] = BigInt.asUintN(64, target - added);
  if (random.chance(64)) state.gpr[base] = random.u64();
}

const FAR = /^(retf|iret|callf|jmpf)$/;

/** Where far transfers lead, on the stack or in memory: mostly good selectors, and the last byte of the code. */
function prepareFar(
  { row, bytes, length, at: start, memory }: Code,
  state: State,
  random: Random,
): void {
  const at = bytes.indexOf(row.opcode);
  const wide = at > 0 && bytes[at - 1]! >> 4 === 4 && (bytes[at - 1]! & 8) !== 0;
  const size = wide ? 8 : bytes.subarray(0, length).includes(0x66) ? 2 : 4;
  const target = random.chance(8) ? random.u64() : BigInt(start + CODE_BYTES - 1);
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
