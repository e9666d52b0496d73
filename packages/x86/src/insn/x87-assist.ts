/**
 * The x87 instructions that JavaScript carries out (SDM vol. 1, 8.3.5 to 8.3.8, and vol. 2): remainders, scaling, the
 * transcendental functions, decimal numbers, and the environment in memory.
 */
import { VECTOR_MF } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import { lastX87, putWords, setLastX87 } from '../fxsave.ts';
import * as L from '../layout.ts';
import type { Machine } from '../machine.ts';
import {
  atan2,
  bitLength,
  type Exact,
  exp2m1,
  fromFixed,
  log2,
  log2p1,
  scale,
  sincos,
  toFixed,
} from './extended.ts';
import { C1, DE, IE, OE, PE, UE, ZE } from './softfloat.ts';

export const X87_ASSISTS = [
  'f2xm1',
  'fyl2x',
  'fptan',
  'fpatan',
  'fxtract',
  'fprem1',
  'fprem',
  'fyl2xp1',
  'fsincos',
  'fscale',
  'fsin',
  'fcos',
  'fldenv',
  'fnstenv',
  'frstor',
  'fnsave',
  'fbld',
  'fbstp',
] as const;

type Result = number | undefined;
const PAGE_FAULT = -1;

const SF = 0x40;
const C0 = 0x100;
const C2 = 0x400;
const C3 = 0x4000;
const TOP_BIT = 1n << 63n;
const QUIET = 1n << 62n;

/** A register's raw content. */
interface Raw {
  readonly word: number;
  readonly m: bigint;
}

const DEFAULT_NAN: Raw = { word: 0xffff, m: TOP_BIT | QUIET };
const INFINITY: Raw = { word: 0x7fff, m: TOP_BIT };
const ZERO: Raw = { word: 0, m: 0n };

const isNaNRaw = ({ word, m }: Raw): boolean => (word & 0x7fff) === 0x7fff && (m & ~TOP_BIT) !== 0n;
const isInf = ({ word, m }: Raw): boolean => (word & 0x7fff) === 0x7fff && m === TOP_BIT;
const isZero = ({ word, m }: Raw): boolean => (word & 0x7fff) === 0 && m === 0n;
const isBad = ({ word, m }: Raw): boolean => (word & 0x7fff) !== 0 && (m & TOP_BIT) === 0n;
const isDenormal = ({ word, m }: Raw): boolean => (word & 0x7fff) === 0 && m !== 0n;
const isNegative = ({ word }: Raw): boolean => (word & 0x8000) !== 0;
const withSign = (raw: Raw, negative: boolean): Raw => ({
  word: (raw.word & 0x7fff) | (negative ? 0x8000 : 0),
  m: raw.m,
});

function exact(raw: Raw): Exact {
  const e = Math.max(1, raw.word & 0x7fff);
  return { negative: isNegative(raw), significand: raw.m, exponent: e - 0x3fff - 63 };
}

/** The x87 state of a machine, with the exceptions of the instruction under way. */
class Unit {
  readonly machine: Machine;
  flags = 0;
  codes: number | undefined;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  get #u16(): Uint16Array {
    return this.machine.ram.u16;
  }
  get fcw(): number {
    return this.#u16[L.FCW_CELL >> 1]!;
  }
  get fsw(): number {
    return this.#u16[L.FSW_CELL >> 1]!;
  }
  set fsw(value: number) {
    this.#u16[L.FSW_CELL >> 1] = value;
  }
  get rc(): number {
    return (this.fcw >> 10) & 3;
  }

  #number(i: number): number {
    return ((this.fsw >> 11) + i) & 7;
  }
  empty(i: number): boolean {
    return ((this.machine.ram.u8[L.FTW_CELL]! >> this.#number(i)) & 1) === 0;
  }
  get(i: number): Raw {
    const at = L.ST_BASE + this.#number(i) * 16;
    return { word: this.#u16[(at + 8) >> 1]!, m: this.machine.ram.u64[at >> 3]! };
  }
  put(i: number, raw: Raw): void {
    const n = this.#number(i);
    const at = L.ST_BASE + n * 16;
    this.machine.ram.u64[at >> 3] = raw.m;
    this.#u16[(at + 8) >> 1] = raw.word;
    this.machine.ram.u8[L.FTW_CELL]! |= 1 << n;
  }
  #turn(by: number): void {
    this.fsw = (this.fsw & ~0x3800) | ((this.fsw + (by << 11)) & 0x3800);
  }
  pop(): void {
    this.machine.ram.u8[L.FTW_CELL]! &= ~(1 << this.#number(0));
    this.#turn(1);
  }
  push(raw: Raw): void {
    this.#turn(-1);
    this.put(0, raw);
  }

  unmasked(kinds: number): boolean {
    return (this.flags & kinds & ~this.fcw) !== 0;
  }

  /** Notes the exceptions and condition codes in the status word. */
  finish(codes?: number, mask = 0): void {
    let word = (this.fsw & ~C1 & ~mask) | (this.flags & (0x3f | SF | C1)) | (codes ?? 0);
    if ((word & 0x3f & ~this.fcw) !== 0) word |= 0x8080;
    this.fsw = word;
  }

  /** Rounds to 64 bits in the current mode (precision control does not apply here). */
  round(x: Exact): Raw {
    if (x.significand === 0n) return withSign(ZERO, x.negative);
    let top = bitLength(x.significand) - 1 + x.exponent + 0x3fff;
    let drop = bitLength(x.significand) - 64;
    const open = ~this.fcw;
    const tiny = top < 1 && !this.#becomesNormal(x, top);
    if (top < 1) {
      if (tiny && open & UE) {
        this.flags |= UE;
        top += 24576;
        if (top < 1) {
          this.flags |= PE;
          return withSign(ZERO, x.negative);
        }
      } else drop += 1 - top;
    }
    const denormal = top < 1;
    let m = scale(x.significand, -drop);
    const lost = x.significand - (drop > 0 ? scale(m, drop) : x.significand);
    if (lost !== 0n) {
      const half = 1n << BigInt(drop - 1);
      const nearest = lost > half || (lost === half && (m & 1n) === 1n);
      const up = [nearest, x.negative, !x.negative, false][this.rc]!;
      this.flags |= PE | (tiny ? UE : 0) | (up ? C1 : 0);
      if (up) m += 1n;
    }
    let e = denormal ? 1 : top;
    if (m >> 64n) {
      m >>= 1n;
      e++;
    }
    if (e > 0x7ffe) return this.#overflow(x.negative, m, e, open);
    return withSign({ word: m & TOP_BIT ? e : 0, m }, x.negative);
  }

  /** Whether a number just below the normal ones would be rounded up to one with 64 bits (tininess is seen after rounding). */
  #becomesNormal({ negative, significand }: Exact, top: number): boolean {
    const drop = bitLength(significand) - 64;
    if (top !== 0 || drop <= 0) return false;
    const m = scale(significand, -drop);
    const lost = significand - scale(m, drop);
    const up = [
      lost >= 1n << BigInt(drop - 1),
      negative && lost > 0n,
      !negative && lost > 0n,
      false,
    ][this.rc]!;
    return up && m === 0xffff_ffff_ffff_ffffn;
  }

  #overflow(negative: boolean, m: bigint, e: number, open: number): Raw {
    if (open & OE) {
      this.flags |= OE;
      if (e - 24576 <= 0x7ffe) return withSign({ word: e - 24576, m }, negative);
      this.flags |= PE | C1;
      return withSign(INFINITY, negative);
    }
    const away = [true, negative, !negative, false][this.rc]!;
    this.flags = (this.flags & ~C1) | OE | PE | (away ? C1 : 0);
    return withSign(away ? INFINITY : { word: 0x7ffe, m: 0xffff_ffff_ffff_ffffn }, negative);
  }

  /** The NaN that two operands give (SDM vol. 1, table 4-7). */
  nan(x: Raw, y: Raw): Raw {
    const quiet = (r: Raw): boolean => (r.m & QUIET) !== 0n;
    const [nx, ny] = [isNaNRaw(x), isNaNRaw(y)];
    this.flags = (nx && !quiet(x)) || (ny && !quiet(y)) ? IE : 0;
    let from = nx ? x : y;
    if (nx && ny) {
      if (quiet(x) !== quiet(y)) from = quiet(x) ? x : y;
      else from = x.m > y.m || (x.m === y.m && x.word < y.word) ? x : y;
    }
    return { word: from.word, m: from.m | QUIET };
  }

  invalid(): Raw {
    this.flags = IE;
    return DEFAULT_NAN;
  }
}

/** A function of ST(0) and ST(1): the result, or undefined to leave the stack alone. */
type Function2 = (u: Unit, x: Raw, y: Raw) => Raw | undefined;

/** Common course of the instructions with two operands; the result replaces `to`, and ST(0) is popped or not. */
function binary(compute: Function2, to: 0 | 1, pops: boolean, codeMask = 0) {
  return (machine: Machine): Result => {
    const u = new Unit(machine);
    if (u.fsw & 0x80) return VECTOR_MF;
    let result: Raw | undefined;
    if (u.empty(0) || u.empty(1)) {
      u.flags = IE | SF;
      result = DEFAULT_NAN;
    } else {
      const [x, y] = [u.get(0), u.get(1)];
      if (isBad(x) || isBad(y)) result = u.invalid();
      else if (isNaNRaw(x) || isNaNRaw(y)) result = u.nan(x, y);
      else {
        if (isDenormal(x) || isDenormal(y)) u.flags |= DE;
        result = compute(u, x, y);
        // An unmasked denormal operand stops what would only have been rounded.
        if (u.unmasked(DE) && (u.flags & (IE | ZE)) === 0) u.flags = DE;
      }
    }
    const stopped = u.unmasked(IE | DE | ZE);
    if (result !== undefined && !stopped) {
      u.put(to, result);
      if (pops) u.pop();
    }
    u.finish(
      stopped ? undefined : u.codes,
      u.codes === undefined || stopped ? codeMask & C2 : codeMask,
    );
    return undefined;
  };
}

function unary(compute: (u: Unit, x: Raw) => Raw | undefined, codeMask = 0) {
  return (machine: Machine): Result => {
    const u = new Unit(machine);
    if (u.fsw & 0x80) return VECTOR_MF;
    let result: Raw | undefined;
    if (u.empty(0)) {
      u.flags = IE | SF;
      result = DEFAULT_NAN;
    } else {
      const x = u.get(0);
      if (isBad(x)) result = u.invalid();
      else if (isNaNRaw(x)) result = u.nan(x, x);
      else {
        if (isDenormal(x)) u.flags |= DE;
        result = compute(u, x);
        // An unmasked denormal operand stops what would only have been rounded.
        if (u.unmasked(DE) && (u.flags & (IE | ZE)) === 0) u.flags = DE;
      }
    }
    const stopped = u.unmasked(IE | DE | ZE);
    if (result !== undefined && !stopped) u.put(0, result);
    u.finish(
      stopped ? undefined : u.codes,
      u.codes === undefined || stopped ? codeMask & C2 : codeMask,
    );
    return undefined;
  };
}

/** FPREM and FPREM1: exact; a quotient of 64 bits or more is taken off in part. */
function remainder(nearest: boolean): Function2 {
  return (u, x, y) => {
    if (isInf(x) || isZero(y)) return u.invalid();
    u.codes = 0;
    if (isZero(x)) return x;
    if (isInf(y)) return u.round(exact(x));
    const [a, b] = [exact(x), exact(y)];
    const top = (v: Exact): number => bitLength(v.significand) + v.exponent;
    const distance = top(a) - top(b);
    if (distance < -1 || (distance < 0 && !nearest)) return u.round(a);
    if (distance >= 64) {
      // Less than 64 bits of the quotient in one go; C2 asks for another.
      const n = (distance & 31) | 32;
      const lift = distance - n;
      const unit = Math.min(a.exponent, b.exponent + lift);
      const [na, nb] = [
        scale(a.significand, a.exponent - unit),
        scale(b.significand, b.exponent + lift - unit),
      ];
      u.codes = C2;
      return u.round({ negative: a.negative, significand: na % nb, exponent: unit });
    }
    const unit = Math.min(a.exponent, b.exponent);
    const [na, nb] = [
      scale(a.significand, a.exponent - unit),
      scale(b.significand, b.exponent - unit),
    ];
    let quotient = na / nb;
    let rest = na % nb;
    let { negative } = a;
    if (nearest && (2n * rest > nb || (2n * rest === nb && (quotient & 1n) === 1n))) {
      quotient += 1n;
      rest = nb - rest;
      negative = !negative;
    }
    if (rest === 0n) ({ negative } = a);
    const q = Number(quotient & 7n);
    u.codes = (q & 4 ? C0 : 0) | (q & 2 ? C3 : 0);
    const result = u.round({ negative, significand: rest, exponent: unit });
    u.flags = (u.flags & ~C1) | (q & 1 ? C1 : 0);
    return result;
  };
}

const fscale: Function2 = (u, x, y) => {
  if (isInf(y)) {
    if (isNegative(y)) return isInf(x) ? u.invalid() : withSign(ZERO, isNegative(x));
    return isZero(x) ? u.invalid() : withSign(INFINITY, isNegative(x));
  }
  if (isInf(x) || isZero(x)) return x;
  const { negative, significand, exponent } = exact(y);
  const whole = scale(significand, Math.min(exponent, 20));
  const by = Number(whole > 0x1_0000n ? 0x1_0000n : whole);
  const a = exact(x);
  return u.round({ ...a, exponent: a.exponent + (negative ? -by : by) });
};

/** Arguments out of the function's range: what comes is not defined (AMD's processors leave them, inexactly). */
function outside(u: Unit, x: Raw): Raw {
  u.flags |= PE;
  return x;
}

const f2xm1 = (u: Unit, x: Raw): Raw | undefined => {
  if (isZero(x)) return x;
  if (isInf(x)) return isNegative(x) ? { word: 0xbfff, m: TOP_BIT } : x;
  const a = exact(x);
  const top = bitLength(a.significand) + a.exponent;
  if (top > 1 || (top === 1 && x.m !== TOP_BIT)) return outside(u, x);
  if (top < -66) return u.round(bend(times(a, LN2_TOP), !a.negative));
  return u.round(fromFixed(exp2m1(toFixed(a))));
};

/** ln 2 and log2 e with 128 bits and a sticky last one. */
const LN2_TOP: Exact = { negative: false, significand: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6afn, exponent: -128 }; // prettier-ignore
const LOG2E_TOP: Exact = { negative: false, significand: 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e89n, exponent: -127 }; // prettier-ignore

function times(x: Exact, y: Exact): Exact {
  return {
    negative: x.negative !== y.negative,
    significand: x.significand * y.significand,
    exponent: x.exponent + y.exponent,
  };
}

/** x with half of its square added to its magnitude, or taken off: e^x - 1 and ln(1 + x) of a tiny x. */
function bend({ negative, significand, exponent }: Exact, more: boolean): Exact {
  const second = scale(significand * significand, exponent + 255) + 1n;
  const bent = (significand << 256n) + (more ? second : -second);
  return { negative, significand: bent, exponent: exponent - 256 };
}

const fyl2x: Function2 = (u, x, y) => {
  if (isNegative(x) && !isZero(x)) return u.invalid();
  if (isZero(x)) {
    if (isZero(y)) return u.invalid();
    if (!isInf(y)) u.flags = ZE;
    return withSign(INFINITY, !isNegative(y));
  }
  const one = x.word === 0x3fff && x.m === TOP_BIT;
  const above = (x.word & 0x7fff) >= 0x3fff;
  if (isInf(x)) return isZero(y) ? u.invalid() : withSign(INFINITY, isNegative(y));
  if (isInf(y)) return one ? u.invalid() : withSign(INFINITY, isNegative(y) === above);
  if (one || isZero(y)) return withSign(ZERO, isNegative(y) !== (!above && !one));
  const l = log2(exact(x));
  const bits = bitLength(exact(x).significand) - 1;
  const power = exact(x).significand === 1n << BigInt(bits);
  const log = power ? { negative: bits + exact(x).exponent < 0, significand: BigInt(Math.abs(bits + exact(x).exponent)), exponent: 0 } : fromFixed(l); // prettier-ignore
  // Inexact even where it is not.
  const result = u.round(times(exact(y), log));
  u.flags |= PE | (isDenormal(result) ? UE : 0);
  return result;
};

const fyl2xp1: Function2 = (u, x, y) => {
  if (isZero(x)) return isInf(y) ? u.invalid() : withSign(ZERO, isNegative(x) !== isNegative(y));
  if (isInf(x)) {
    if (isNegative(x)) return u.invalid();
    return isZero(y) ? u.invalid() : withSign(INFINITY, isNegative(y));
  }
  if (isInf(y)) return withSign(INFINITY, isNegative(x) !== isNegative(y));
  if (isZero(y)) return withSign(ZERO, isNegative(x) !== isNegative(y));
  const a = exact(x);
  const top = bitLength(a.significand) + a.exponent;
  if (top > 0 && isNegative(x)) return outside(u, x);
  const log = top < -66 ? times(bend(a, a.negative), LOG2E_TOP) : top > -1 ? fromFixed(log2(plusOne(a))) : fromFixed(log2p1(toFixed(a))); // prettier-ignore
  return u.round(times(exact(y), log));
};

/** 1 + x as an exact number (x > -1). */
function plusOne(x: Exact): Exact {
  const unit = Math.min(x.exponent, 0);
  const a = scale(x.significand, x.exponent - unit);
  const sum = scale(1n, -unit) + (x.negative ? -a : a);
  return { negative: false, significand: sum, exponent: unit };
}

const fpatan: Function2 = (u, x, y) => {
  const negative = isNegative(y);
  const constant = (eighths: number): Raw => u.round(times({ negative, significand: BigInt(eighths), exponent: -3 }, PI_TOP)); // prettier-ignore
  if (isInf(y)) return constant(isInf(x) ? (isNegative(x) ? 6 : 2) : 4);
  if (isInf(x)) return isNegative(x) ? constant(8) : withSign(ZERO, negative);
  if (isZero(y)) return isNegative(x) ? constant(8) : withSign(ZERO, negative);
  if (isZero(x)) return constant(4);
  const [a, b] = [exact(y), exact(x)];
  const top = (v: Exact): number => bitLength(v.significand) + v.exponent;
  if (top(a) - top(b) < -66 && !b.negative) {
    // A small angle is its tangent, less a little.
    const quotient = ((a.significand << 192n) / b.significand) * 2n - 1n;
    return u.round({ negative, significand: quotient, exponent: a.exponent - b.exponent - 193 });
  }
  return u.round(fromFixed(atan2(a, b)));
};
const PI_TOP: Exact = { negative: false, significand: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1n, exponent: -126 }; // prettier-ignore

/** The trigonometric functions take arguments below 2^63; C2 tells of larger ones, which are left as they are. */
function trigonometric(
  machine: Machine,
  two: boolean,
  compute: (u: Unit, x: Raw) => readonly Raw[],
): Result {
  const u = new Unit(machine);
  if (u.fsw & 0x80) return VECTOR_MF;
  let results: readonly Raw[] = [];
  let codes = 0;
  if (u.empty(0)) {
    u.flags = IE | SF;
    results = [DEFAULT_NAN, DEFAULT_NAN];
  } else if (two && !u.empty(7)) {
    u.flags = IE | SF | C1;
    results = [DEFAULT_NAN, DEFAULT_NAN];
  } else {
    const x = u.get(0);
    if (isBad(x) || isInf(x)) {
      const nan = u.invalid();
      results = [nan, nan];
    } else if (isNaNRaw(x)) {
      const nan = u.nan(x, x);
      results = [nan, nan];
    } else if ((x.word & 0x7fff) >= 0x3fff + 63) codes = C2;
    else {
      if (isDenormal(x)) u.flags |= DE;
      if (!u.unmasked(DE)) results = compute(u, x);
    }
  }
  if (!u.unmasked(IE | DE) && results.length > 0) {
    u.put(0, results[0]!);
    if (two) u.push(results[1]!);
  }
  u.finish(codes, C2);
  return undefined;
}

/** A little less than x in magnitude: what sine, tangent and the like of a tiny x are, or a little more. */
function nearly(x: Raw, more: boolean): Exact {
  const a = exact(x);
  return {
    ...a,
    significand: (a.significand << 130n) + (more ? 1n : -1n),
    exponent: a.exponent - 130,
  };
}

const isTiny = (x: Raw): boolean => (x.word & 0x7fff) < 0x3fff - 64;
const ALMOST_ONE: Exact = { negative: false, significand: (1n << 130n) - 1n, exponent: -130 };

function sine(u: Unit, x: Raw): Raw {
  if (isZero(x)) return x;
  return u.round(isTiny(x) ? nearly(x, false) : fromFixed(sincos(exact(x)).sin));
}

function cosine(u: Unit, x: Raw): Raw {
  if (isZero(x)) return { word: 0x3fff, m: TOP_BIT };
  return u.round(isTiny(x) ? ALMOST_ONE : fromFixed(sincos(exact(x)).cos));
}

function tangent(u: Unit, x: Raw): Raw {
  if (isZero(x)) return x;
  if (isTiny(x)) return u.round(nearly(x, true));
  const { sin, cos } = sincos(exact(x));
  return u.round(fromFixed((sin << 192n) / cos));
}

/** FXTRACT: the exponent as a number replaces ST(0), the significand is pushed. */
function fxtract(machine: Machine): Result {
  const u = new Unit(machine);
  if (u.fsw & 0x80) return VECTOR_MF;
  let pair: readonly [Raw, Raw];
  if (u.empty(0) || !u.empty(7)) {
    u.flags = IE | SF | (u.empty(0) ? 0 : C1);
    pair = [DEFAULT_NAN, DEFAULT_NAN];
  } else {
    const x = u.get(0);
    if (isBad(x)) pair = [u.invalid(), DEFAULT_NAN];
    else if (isNaNRaw(x)) {
      const nan = u.nan(x, x);
      pair = [nan, nan];
    } else if (isInf(x)) pair = [INFINITY, x];
    else if (isZero(x)) {
      u.flags = ZE;
      pair = [withSign(INFINITY, true), x];
    } else {
      if (isDenormal(x)) u.flags |= DE;
      const a = exact(x);
      const bits = bitLength(a.significand);
      const exponent = a.exponent + bits - 1;
      const m = scale(a.significand, 64 - bits);
      const magnitude = BigInt(Math.abs(exponent));
      pair = [
        u.round({ negative: exponent < 0, significand: magnitude, exponent: 0 }),
        withSign({ word: 0x3fff, m }, isNegative(x)),
      ];
    }
  }
  if (!u.unmasked(IE | DE | ZE)) {
    u.put(0, pair[0]);
    u.push(pair[1]);
  }
  u.finish();
  return undefined;
}

/** FBLD: eighteen decimal digits and a sign. */
function fbld(machine: Machine, insn: Insn): Result {
  const u = new Unit(machine);
  if (u.fsw & 0x80) return VECTOR_MF;
  const bytes = new Uint8Array(10);
  if (!machine.copyIn(machine.effectiveAddress(insn), bytes)) return PAGE_FAULT;
  let value = 0n;
  for (let i = 8; i >= 0; i--)
    value = value * 100n + BigInt((bytes[i]! >> 4) * 10 + (bytes[i]! & 15));
  const raw = u.round({ negative: (bytes[9]! & 0x80) !== 0, significand: value, exponent: 0 });
  if (!u.empty(7)) {
    u.flags = IE | SF | C1;
    if (!u.unmasked(IE)) u.push(DEFAULT_NAN);
  } else u.push(raw);
  u.finish();
  return undefined;
}

function fbstp(machine: Machine, insn: Insn): Result {
  const u = new Unit(machine);
  if (u.fsw & 0x80) return VECTOR_MF;
  let bytes = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff);
  const x = u.get(0);
  if (u.empty(0)) u.flags = IE | SF;
  else if (isBad(x) || (x.word & 0x7fff) === 0x7fff) u.flags = IE;
  else {
    const rounded = roundToInteger(u, exact(x));
    if (rounded >= 10n ** 18n) u.flags = IE;
    else {
      let rest = rounded;
      bytes = new Uint8Array(10);
      for (let i = 0; i < 9; i++, rest /= 100n)
        bytes[i] = Number(((rest / 10n) % 10n) * 16n + (rest % 10n));
      bytes[9] = isNegative(x) ? 0x80 : 0;
    }
  }
  const stored = !u.unmasked(IE);
  const va = machine.effectiveAddress(insn);
  if (!machine.copyOut(va, stored ? bytes : keep(machine, va))) return PAGE_FAULT;
  u.finish();
  if (stored) u.pop();
  return undefined;
}

/** What is in memory already: a store that changes nothing but may fault. */
function keep(machine: Machine, va: bigint): Uint8Array {
  const bytes = new Uint8Array(10);
  machine.copyIn(va, bytes);
  return bytes;
}

function roundToInteger(u: Unit, x: Exact): bigint {
  if (x.exponent >= 0) return scale(x.significand, x.exponent);
  const whole = scale(x.significand, x.exponent);
  const lost = x.significand - scale(whole, -x.exponent);
  if (lost === 0n) return whole;
  const half = 1n << BigInt(-x.exponent - 1);
  const nearest = lost > half || (lost === half && (whole & 1n) === 1n);
  const up = [nearest, x.negative, !x.negative, false][u.rc]!;
  u.flags |= PE | (up ? C1 : 0);
  return whole + (up ? 1n : 0n);
}

// ---- the environment (SDM vol. 1, figures 8-9 and 8-11)

/** Two bits a register: valid, zero, special, empty. */
function fullTags(machine: Machine): number {
  const u = new Unit(machine);
  const top = (u.fsw >> 11) & 7;
  let word = 0;
  for (let n = 0; n < 8; n++) {
    const i = (n - top) & 7;
    const raw = u.get(i);
    const normal =
      (raw.m & TOP_BIT) !== 0n && (raw.word & 0x7fff) !== 0x7fff && (raw.word & 0x7fff) !== 0;
    const tag = u.empty(i) ? 3 : normal ? 0 : isZero(raw) ? 1 : 2;
    word |= tag << (n * 2);
  }
  return word;
}

function environment(machine: Machine, wide: boolean): Uint8Array {
  const { u16, u32 } = machine.ram;
  const bytes = new Uint8Array(wide ? 28 : 14);
  const view = new DataView(bytes.buffer);
  const last = lastX87(machine.ram);
  const fields = [u16[L.FCW_CELL >> 1]!, u16[L.FSW_CELL >> 1]!, fullTags(machine), u32[L.FIP_CELL >> 2]!, last.fcs, u32[L.FDP_CELL >> 2]!, last.fds]; // prettier-ignore
  fields.forEach((value, i) => {
    if (wide) view.setUint32(i * 4, i < 3 || i === 6 ? (0xffff_0000 | value) >>> 0 : value, true);
    else view.setUint16(i * 2, value & 0xffff, true);
  });
  if (wide) view.setUint16(18, last.fop, true);
  return bytes;
}

function takeEnvironment(machine: Machine, bytes: Uint8Array, wide: boolean): void {
  const view = new DataView(bytes.buffer);
  const field = (i: number): number => view.getUint16(i * (wide ? 4 : 2), true);
  putWords(machine.ram, field(0), field(1));
  let valid = 0;
  for (let n = 0; n < 8; n++) if (((field(2) >> (n * 2)) & 3) !== 3) valid |= 1 << n;
  machine.ram.u8[L.FTW_CELL] = valid;
  const pointer = (i: number): bigint => BigInt(wide ? view.getUint32(i * 4, true) : field(i));
  setLastX87(machine.ram, { fip: pointer(3), fcs: field(4), fop: wide ? view.getUint16(18, true) : 0, fdp: pointer(5), fds: field(6) }); // prettier-ignore
}

const pending = (machine: Machine): boolean => (machine.ram.u16[L.FSW_CELL >> 1]! & 0x80) !== 0;

function fnstenv(machine: Machine, insn: Insn): Result {
  if (!machine.copyOut(machine.effectiveAddress(insn), environment(machine, insn.opsize !== 16))) return PAGE_FAULT; // prettier-ignore
  // Every exception is masked afterwards, and none is pending.
  machine.ram.u16[L.FCW_CELL >> 1]! |= 0x3f;
  machine.ram.u16[L.FSW_CELL >> 1]! &= 0x7f7f;
  return undefined;
}

function fldenv(machine: Machine, insn: Insn): Result {
  if (pending(machine)) return VECTOR_MF;
  const wide = insn.opsize !== 16;
  const bytes = new Uint8Array(wide ? 28 : 14);
  if (!machine.copyIn(machine.effectiveAddress(insn), bytes)) return PAGE_FAULT;
  takeEnvironment(machine, bytes, wide);
  return undefined;
}

function fnsave(machine: Machine, insn: Insn): Result {
  const wide = insn.opsize !== 16;
  const head = environment(machine, wide);
  const bytes = new Uint8Array(head.length + 80);
  const view = new DataView(bytes.buffer);
  bytes.set(head);
  const u = new Unit(machine);
  for (let i = 0; i < 8; i++) {
    const { word, m } = u.get(i);
    view.setBigUint64(head.length + i * 10, m, true);
    view.setUint16(head.length + i * 10 + 8, word, true);
  }
  if (!machine.copyOut(machine.effectiveAddress(insn), bytes)) return PAGE_FAULT;
  const { u16, u8, u64 } = machine.ram;
  u16[L.FCW_CELL >> 1] = 0x37f;
  u16[L.FSW_CELL >> 1] = 0;
  u8[L.FTW_CELL] = 0;
  u16[L.FCS_CELL >> 1] = 0;
  u64[L.FIP_CELL >> 3] = 0n;
  u64[L.FDP_CELL >> 3] = 0n;
  return undefined;
}

function frstor(machine: Machine, insn: Insn): Result {
  if (pending(machine)) return VECTOR_MF;
  const wide = insn.opsize !== 16;
  const head = wide ? 28 : 14;
  const bytes = new Uint8Array(head + 80);
  if (!machine.copyIn(machine.effectiveAddress(insn), bytes)) return PAGE_FAULT;
  takeEnvironment(machine, bytes, wide);
  const tags = machine.ram.u8[L.FTW_CELL]!;
  const view = new DataView(bytes.buffer);
  const u = new Unit(machine);
  for (let i = 0; i < 8; i++) {
    u.put(i, {
      word: view.getUint16(head + i * 10 + 8, true),
      m: view.getBigUint64(head + i * 10, true),
    });
  }
  machine.ram.u8[L.FTW_CELL] = tags;
  return undefined;
}

export const x87Assists: Readonly<
  Record<(typeof X87_ASSISTS)[number], (machine: Machine, insn: Insn) => Result>
> = {
  f2xm1: unary(f2xm1),
  fyl2x: binary(fyl2x, 1, true),
  fyl2xp1: binary(fyl2xp1, 1, true),
  fpatan: binary(fpatan, 1, true),
  fprem: binary(remainder(false), 0, false, C0 | C2 | C3),
  fprem1: binary(remainder(true), 0, false, C0 | C2 | C3),
  fscale: binary(fscale, 0, false),
  fxtract,
  fsin: (machine) => trigonometric(machine, false, (u, x) => [sine(u, x)]),
  fcos: (machine) => trigonometric(machine, false, (u, x) => [cosine(u, x)]),
  fsincos: (machine) => trigonometric(machine, true, (u, x) => [sine(u, x), cosine(u, x)]),
  fptan: (machine) =>
    trigonometric(machine, true, (u, x) => [tangent(u, x), { word: 0x3fff, m: TOP_BIT }]),
  fldenv,
  fnstenv,
  frstor,
  fnsave,
  fbld,
  fbstp,
};
