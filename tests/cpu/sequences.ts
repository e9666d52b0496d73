/** Random code of several instructions. */
import { isX87, rows, type Row } from '@vitrine/x86/opcodes.ts';
import { type Code, fuzzable, isLarge, makeCode } from './cases.ts';
import { APPROXIMATION, TRANSCENDENTAL } from './compare.ts';
import { encode } from './encode.ts';
import { CODE, DATA } from './flat.ts';
import { CODE_BYTES, WINDOW_VA } from './oracle.ts';
import type { Random } from './random.ts';

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

const COMMON = rows.filter(
  (row) => /^(mov|push|pop|lea|add|sub|xor|cmp|test)$/.test(row.sem) && fuzzable(row),
);

/** FNSTENV [rsp - 16] shows where the last x87 instruction and its operand were. */
const FNSTENV = [0xd9, 0x74, 0x24, 0xf0];

/** Jcc, LOOPNE, LOOPE, LOOP and JRCXZ. */
const JUMPS = [...Array.from({ length: 16 }, (_, i) => 0x70 + i), 0xe0, 0xe1, 0xe2, 0xe3];
const LEA_RAX = [0x48, 0x8d, 0x05, 3, 0, 0, 0];

/** Four bytes of a number. */
const dword = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, n >>> 24];

/** Jumps, calls and returns, over a trap byte or to the last byte of the code. */
function endingsOf(at: number): readonly number[][] {
  const pushEnd = [0x68, ...dword(at + CODE_BYTES - 1)];
  return [
    [0xeb, 1],
    [0xe9, 1, 0, 0, 0],
    [0xe8, 1, 0, 0, 0],
    [...LEA_RAX, 0xff, 0xe0],
    [...LEA_RAX, 0xff, 0xd0],
    [...pushEnd, 0xc3],
    [...pushEnd, 0xc2, 0x10, 0],
    [...pushEnd, 0xff, 0x24, 0x24],
    [...pushEnd, 0xff, 0x14, 0x24],
  ];
}

/** At the beginning of a page, or, at times, across its end. */
const somewhere = (random: Random): number =>
  random.chance(12) ? CODE + 4095 - random.below(64) : CODE;

/** Code that grows, and what states for it have to heed. */
class Growing {
  readonly bytes: Uint8Array;
  length: number;
  readonly at: number;
  readonly pointers: Set<number> = new Set();
  readonly #first: Code;
  readonly #from: readonly Row[];
  readonly #random: Random;
  #unaligned = false;
  #isLarge = false;

  /** Begins with an instruction, behind others that are given. */
  constructor(from: readonly Row[], random: Random, before: readonly number[] = []) {
    this.#from = from;
    this.#random = random;
    this.#first = makeCode(random.pick(from), random);
    this.#heed(this.#first.row);
    this.at = somewhere(random);
    this.bytes = new Uint8Array(CODE_BYTES).fill(0xcc);
    this.length = 0;
    this.add(before);
    this.add([...this.#first.bytes.subarray(0, this.#first.length)]);
  }

  add(bytes: readonly number[]): void {
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** One more instruction, unless that leaves fewer than `room` bytes; returns whether it is there. */
  addInstruction(room: number, without: (row: Row) => boolean = () => false): boolean {
    const random = this.#random;
    // What compilers emit all the time has handlers for pairs: give it its share.
    let row = random.pick(random.chance(2) ? this.#from : COMMON);
    while (without(row)) row = random.pick(this.#from);
    const { bytes, memory } = encode(row, random);
    if (this.length + bytes.length > CODE_BYTES - room) return false;
    this.#heed(row);
    if (memory) this.pointers.add(memory.base);
    this.add(bytes);
    return true;
  }

  /** What ENTER reads by its levels is not looked at for alignment here. */
  #heed(row: Row): void {
    if (row.sem === 'enter') this.#unaligned = true;
    if (isLarge(row)) this.#isLarge = true;
  }

  finish(pointers: Iterable<number>): Code {
    const { row, memory } = this.#first;
    const { bytes, length, at } = this;
    const heeded = { isLarge: this.#isLarge, unaligned: this.#unaligned };
    return { row, bytes, length, at, memory, pointers: [...pointers], ...heeded };
  }
}

/**
 * A few instructions and a jump over a trap. Liveness of flags, fused pairs and the precision of faults in the middle of a
 * block show here.
 */
export function makeSequence(from: readonly Row[], random: Random): Code {
  const code = new Growing(from, random);
  const first = code.finish([]);
  if (isX87(first.row) && random.chance(2)) code.add(FNSTENV);
  for (let left = random.below(5); left > 0; left--) if (!code.addInstruction(14)) break;
  code.add(random.chance(2) ? [random.pick(JUMPS), 1] : random.pick(endingsOf(code.at)));
  code.bytes[code.length] = 0xcc;
  // Most accesses through other registers fault.
  return code.finish(random.chance(2) ? code.pointers : []);
}

/** Counts what is left of a program's loop, where nothing else is. */
const COUNTER = dword(DATA + 2048);
const setCounter = (n: number): number[] => [0xc7, 0x04, 0x25, ...COUNTER, ...dword(n)];
const DECREMENT = [0x83, 0x2c, 0x25, ...COUNTER, 1];

/** INC BYTE [immediate] and ADD AL, immediate, in either order: what is added is another number each time. */
function selfModifying(at: number, random: Random): number[] {
  const incrementOf = (immediate: number): number[] => [0xfe, 0x04, 0x25, ...dword(immediate)];
  const add = [0x04, random.byte()];
  return random.chance(2) ? [...incrementOf(at + 8), ...add] : [...add, ...incrementOf(at + 1)];
}

/** Bytes that a program keeps for what ends a block, for the end of its loop, and for its function. */
const ROOM_BLOCK = 20;
const ROOM_LOOP = 16;
const ROOM_FUNCTION = 48;

/** What would take a function's return address away. */
const isStack = ({ sem }: Row): boolean => /^(push|pop|enter|leave)/.test(sem);

/** A call of what is not there yet: the place of its displacement, which counts from `base`. */
interface Call {
  readonly at: number;
  readonly base: number;
}

/** CALL, or LEA RAX and CALL RAX. */
function addCall(code: Growing, random: Random): Call {
  if (random.chance(4)) {
    code.add([0x48, 0x8d, 0x05, 0, 0, 0, 0]);
    const base = code.length;
    code.add([0xff, 0xd0]);
    return { at: base - 4, base };
  }
  code.add([0xe8, 0, 0, 0, 0]);
  return { at: code.length - 4, base: code.length };
}

/**
 * A program: blocks with jumps forward between them and calls of a function, within a loop that is gone round a few times. What
 * regions keep in locals from one block to another shows here, and faults, ends of fuel and changes of the code anywhere in that.
 */
export function makeProgram(from: readonly Row[], random: Random): Code {
  const code = new Growing(from, random, setCounter(1 + random.below(20)));
  const starts: number[] = [];
  const jumps: { at: number; block: number }[] = [];
  const calls: Call[] = [];
  const room = ROOM_BLOCK + ROOM_LOOP + ROOM_FUNCTION;
  const blocks = 2 + random.below(5);
  for (let block = 0; block < blocks && code.length <= CODE_BYTES - room; block++) {
    starts.push(code.length);
    for (let left = random.below(4); left > 0; left--) if (!code.addInstruction(room)) break;
    if (random.chance(200)) code.add(selfModifying(code.at + code.length, random));
    if (random.chance(4)) calls.push(addCall(code, random));
    code.add([random.chance(6) ? 0xeb : random.pick(JUMPS), 0]);
    jumps.push({ at: code.length - 1, block });
  }
  starts.push(code.length);
  code.add(DECREMENT);
  const back = random.pick(starts.slice(0, -1)) - (code.length + 6);
  code.add([0x0f, 0x85, ...dword(back >>> 0), 0xcc]);
  for (const { at, block } of jumps)
    code.bytes[at] = random.pick(starts.slice(block + 1)) - (at + 1);
  for (const { at, base } of calls) code.bytes.set(dword(code.length - base), at);
  if (calls.length > 0) addFunction(code, random);
  return code.finish(code.pointers);
}

/** It begins with MOV EAX: what reads and writes where RAX points would change the code to anything. */
function addFunction(code: Growing, random: Random): void {
  code.add([0xb8, ...dword(WINDOW_VA + 256)]);
  for (let left = random.below(4); left > 0; left--) code.addInstruction(1, isStack);
  code.add([0xc3]);
}
