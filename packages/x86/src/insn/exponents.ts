/**
 * What is known of a number, or of all lanes of a vector, when code is generated: that it is zero, or normal with an exponent
 * within a range. Where operands are known so, results need no look: a sum of numbers from the middle neither overflows nor is
 * it a denormal number.
 */
import type { Float } from './sse-float.ts';

export interface Range {
  /** Smallest and largest exponent, unbiased. */
  readonly lo: number;
  readonly hi: number;
}

/** Bits of the mantissa. */
export const MANTISSA: Readonly<Record<Float, number>> = { f32: 23, f64: 52 };

/** All normal numbers. */
export const NORMAL: Readonly<Record<Float, Range>> = {
  f32: { lo: -126, hi: 127 },
  f64: { lo: -1022, hi: 1023 },
};

/**
 * Where numbers usually are: a quarter of all exponents of a double, so that products of two of them are normal, and half of those
 * of a float.
 */
export const MIDDLE: Readonly<Record<Float, Range>> = {
  f32: { lo: -63, hi: 64 },
  f64: { lo: -255, hi: 256 },
};

export const isNormal = (f: Float, { lo, hi }: Range): boolean =>
  lo >= NORMAL[f].lo && hi <= NORMAL[f].hi;

export const union = (x: Range, y: Range): Range => ({
  lo: Math.min(x.lo, y.lo),
  hi: Math.max(x.hi, y.hi),
});

/** What is known of a number, or of all lanes of a vector: zero, or an exponent in a range. */
export interface Known {
  readonly range: Range;
  /** It follows from a look that has found MXCSR as it usually is, too. */
  readonly proved: boolean;
}

/** What is known of a value that is one of two, or made of both. */
export const either = (x: Known, y: Known): Known => ({
  range: union(x.range, y.range),
  proved: x.proved || y.proved,
});

/** Of x + y or x - y: a multiple of both last bits. */
export const sumOf = (f: Float, x: Range, y: Range): Range => ({
  lo: Math.min(x.lo, y.lo) - MANTISSA[f],
  hi: Math.max(x.hi, y.hi) + 1,
});

/** Of x * y. */
export const productOf = (x: Range, y: Range): Range => ({ lo: x.lo + y.lo, hi: x.hi + y.hi + 1 });

/** Of what has been divided by y, or multiplied with it, when the (rounded) result is known and y is not zero. */
export const dividendOf = (r: Range, y: Range): Range => ({
  lo: r.lo + y.lo - 1,
  hi: r.hi + y.hi + 2,
});
export const factorOf = (r: Range, y: Range): Range => ({
  lo: r.lo - y.hi - 2,
  hi: r.hi + 1 - y.lo,
});

/** Of what x has been divided by. */
export const divisorOf = (r: Range, x: Range): Range => ({
  lo: x.lo - r.hi - 2,
  hi: x.hi + 1 - r.lo,
});

/** Of what has the (rounded) square root r. */
export const squareOf = (r: Range): Range => ({ lo: 2 * r.lo - 1, hi: 2 * r.hi + 2 });
