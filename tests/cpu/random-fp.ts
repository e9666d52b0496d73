/** Floating-point operands near the corners of their formats, and random states of the x87 and SSE units. */
import type { Random } from './random.ts';

/** One of seven fractions: the ends, the middle and its neighbour, any, and one of few bits. */
function fraction(random: Random, bits: number): bigint {
  switch (random.below(7)) {
    case 0:
      return 0n;
    case 1:
      return 1n;
    case 2:
      return (1n << BigInt(bits)) - 1n;
    case 3:
      return 1n << BigInt(bits - 1);
    case 4:
      return (1n << BigInt(bits - 1)) + 1n;
    case 5:
      return BigInt.asUintN(bits, random.u64());
    default:
      return BigInt.asUintN(bits, random.u64() << BigInt(bits - 8));
  }
}

/** An exponent out of a list of corners, or from one of some ranges: [first, how many]. */
function exponent(
  random: Random,
  corners: readonly number[],
  ranges: readonly (readonly [number, number])[],
): number {
  const n = random.below(corners.length + ranges.length);
  if (n < corners.length) return corners[n]!;
  const [first, count] = ranges[n - corners.length]!;
  return first + random.below(count);
}

const DOUBLE = [0, 0, 1, 2, 0x3fe, 0x3ff, 0x400, 0x41d, 0x41e, 0x43d, 0x43e, 0x7fe, 0x7ff, 0x7ff];
const DOUBLE_RANGES = [[0, 0x800], [0x3df, 64], [0x380, 3], [0x369, 4], [0x47e, 3]] as const; // prettier-ignore

export function randomDouble(random: Random): bigint {
  const exp = exponent(random, DOUBLE, DOUBLE_RANGES);
  return BigInt.asUintN(64, BigInt((random.below(2) << 11) | exp) << 52n) | fraction(random, 52);
}

const FLOAT = [0, 0, 1, 2, 0x7e, 0x7f, 0x80, 0x9d, 0x9e, 0xbd, 0xbe, 0xfe, 0xff, 0xff];
const FLOAT_RANGES = [[0, 256], [0x6f, 32]] as const; // prettier-ignore
const FLOAT_FRACTIONS = [0, 1, 0x7f_ffff, 0x40_0000, 0x40_0001];

export function randomFloat(random: Random): bigint {
  return BigInt(randomFloatBits(random));
}

function randomFloatBits(random: Random): number {
  const exp = exponent(random, FLOAT, FLOAT_RANGES);
  const n = random.below(7);
  const low = n < 5 ? FLOAT_FRACTIONS[n]! : random.u32() & (n === 5 ? 0x7f_ffff : 0x7f_8000);
  return ((random.below(2) << 31) | (exp << 23) | low) >>> 0;
}

/** Eight bytes of a vector or of memory. */
export function randomWord(random: Random): bigint {
  const kind = random.below(3);
  if (kind === 0) return randomDouble(random);
  if (kind === 1) return (BigInt(randomFloatBits(random)) << 32n) | randomFloat(random);
  return random.u64();
}

/** Where the numbers end that tier 1 expects (insn/exponents.ts), and what follows from them. */
const ENDS = [-256, -255, -64, -63, -127, 64, 65, 127, 256, 257] as const;

/** Exponents of numbers that are not special, by their distance from 1; and the first and last of them. */
const NEAR = [[-1, 3], [-12, 25], [-40, 80]] as const; // prettier-ignore

function plainExponent(random: Random, bias: number): number {
  const n = random.below(12);
  if (n === 0) return random.chance(2) ? 1 + random.below(4) : 2 * bias - random.below(4);
  if (n === 1) return 1 + random.below(2 * bias);
  if (n === 2) return Math.min(Math.max(bias + ENDS[random.below(ENDS.length)]!, 1), 2 * bias);
  const [first, count] = NEAR[n % 3]!;
  return bias + first + random.below(count);
}

/** @param bits of the fraction */
function plainNumber(random: Random, bias: number, bits: number): bigint {
  const sign = random.below(2) * 2 * (bias + 1);
  if (random.chance(16)) return BigInt(sign) << BigInt(bits);
  return (BigInt(sign + plainExponent(random, bias)) << BigInt(bits)) | fraction(random, bits);
}

/** Eight bytes of normal numbers, and of a zero now and then. */
export function plainWord(random: Random, isDouble: boolean): bigint {
  if (isDouble) return plainNumber(random, 0x3ff, 52);
  return (plainNumber(random, 0x7f, 23) << 32n) | plainNumber(random, 0x7f, 23);
}

/** MXCSR as it usually is, and vectors of normal numbers. */
export function plainVectors(fx: DataView, random: Random, isDouble: boolean): void {
  fx.setUint32(24, 0x1f80 | (random.chance(3) ? random.u32() & 0x1f : 0x20), true);
  for (let i = 160; i < 416; i += 8) fx.setBigUint64(i, plainWord(random, isDouble), true);
}

const EXTENDED = [0, 0, 1, 0x3ffe, 0x3fff, 0x4000, 0x403d, 0x403e, 0x7ffe, 0x7fff, 0x7fff];
const EXTENDED_RANGES = [[0, 0x8000], [0x3fb9, 140], [0x3c00, 3], [0x3f80, 3]] as const; // prettier-ignore

/** An 80-bit number: significand, and sign with exponent. Now and then one that only the 8087 knew. */
export function randomExtended(random: Random): [bigint, number] {
  const exp = exponent(random, EXTENDED, EXTENDED_RANGES);
  const sign = random.below(2) << 15;
  const significand = fraction(random, 63);
  const integer = exp === 0 ? random.chance(3) : !random.chance(30);
  return [integer ? significand | (1n << 63n) : significand, exp | sign];
}

/** Control and status words, tags, registers, MXCSR and vectors of an FXSAVE image. */
export function randomUnits(fx: DataView, random: Random): void {
  const rounding = random.chance(2) ? 0 : random.below(4);
  const precision = random.chance(3) ? random.pick([0, 2]) : 3;
  const masks = random.chance(4) ? random.below(64) : 0x3f;
  const fcw = masks | 0x40 | (precision << 8) | (rounding << 10);
  fx.setUint16(0, fcw, true);
  // Exceptions that are not masked would be pending: only masked ones are noted.
  fx.setUint16(2, (random.below(8) << 11) | (random.u32() & 0x4700) | (random.u32() & masks), true);
  fx.setUint8(4, random.chance(3) ? random.byte() : 0xff);
  const mode = random.chance(3) ? random.u32() & 0xe040 : 0;
  const open = random.chance(6) ? random.u32() & 0x1f80 : 0x1f80;
  fx.setUint32(24, mode | open | (random.chance(2) ? 0x20 : random.u32() & 0x3f), true);
  fx.setUint32(28, 0xffff, true);
  for (let i = 0; i < 8; i++) {
    const [significand, word] = randomExtended(random);
    fx.setBigUint64(32 + i * 16, significand, true);
    fx.setUint16(40 + i * 16, word, true);
  }
  for (let i = 160; i < 416; i += 8) fx.setBigUint64(i, randomWord(random), true);
}
