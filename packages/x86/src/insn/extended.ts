/**
 * 80-bit numbers as JavaScript sees them, and the transcendental functions of x87 on them in fixed point: slow, simple,
 * and right to the last place but for the rarest ties.
 */

/** A finite number: (-1)^sign · significand · 2^exponent, exactly. */
export interface Exact {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

/** Bits of fixed-point fractions: twice the significand and a reserve. */
const P = 192;
const ONE: bigint = 1n << BigInt(P);

export const bitLength = (n: bigint): number => (n === 0n ? 0 : n.toString(2).length);

/** n · 2^by, rounded down. */
export const scale = (n: bigint, by: number): bigint =>
  by >= 0 ? n << BigInt(by) : n >> BigInt(-by);

/** The number in fixed point with `bits` bits after the point. */
export function toFixed(x: Exact, bits: number = P): bigint {
  const n = scale(x.significand, x.exponent + bits);
  return x.negative ? -n : n;
}

/** A fixed-point value as an Exact; the last bit stands for what was cut off. */
export function fromFixed(n: bigint, bits: number = P): Exact {
  const negative = n < 0n;
  return { negative, significand: ((negative ? -n : n) << 1n) | 1n, exponent: -bits - 1 };
}

const mul = (x: bigint, y: bigint): bigint => (x * y) >> BigInt(P);
const div = (x: bigint, y: bigint): bigint => (x << BigInt(P)) / y;

export function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt(Math.ceil(bitLength(n) / 2));
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** atanh(1/n) · 2^bits by its series. */
function atanhInverse(n: bigint, bits: number, alternate: boolean): bigint {
  let power = (1n << BigInt(bits)) / n;
  let sum = power;
  for (let k = 3n, sign = -1n; power !== 0n; k += 2n, sign = -sign) {
    power /= n * n;
    sum += ((alternate ? sign : 1n) * power) / k;
  }
  return sum;
}

/** π · 2^bits (Machin's formula). */
function pi(bits: number): bigint {
  const reserve = bits + 32;
  const quarter = 4n * atanhInverse(5n, reserve, true) - atanhInverse(239n, reserve, true);
  return (quarter * 4n) >> 32n;
}

const PI: bigint = pi(P);
const LN2: bigint = 2n * atanhInverse(3n, P, false);

/** ln(1 + x) for fixed-point x > -1/2 below 1: 2·atanh(x / (2 + x)). */
function log1p(x: bigint): bigint {
  const z = div(x, 2n * ONE + x);
  const square = mul(z, z);
  let sum = 0n;
  let power = z;
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k;
    power = mul(power, square);
  }
  return 2n * sum;
}

/** log2 of a positive number, in fixed point. */
export function log2(x: Exact): bigint {
  const bits = bitLength(x.significand);
  const mantissa = scale(x.significand, P - bits + 1); // in [1, 2)
  const exponent = x.exponent + bits - 1;
  // Near 1 the logarithm is small and must keep its leading digits: start from whichever side is closer.
  const high = mantissa > (ONE * 3n) / 2n;
  const value = high ? mantissa >> 1n : mantissa;
  return BigInt(exponent + (high ? 1 : 0)) * ONE + div(log1p(value - ONE), LN2);
}

/** log2(1 + x) in fixed point. */
export const log2p1 = (x: bigint): bigint => div(log1p(x), LN2);

/** e^x - 1 for |x| < 1, in fixed point. */
function expm1(x: bigint): bigint {
  let term = x;
  let sum = 0n;
  for (let k = 2n; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = mul(term, x) / k;
  }
  return sum;
}

/** 2^x - 1 for |x| ≤ 1, in fixed point. */
export const exp2m1 = (x: bigint): bigint => expm1(mul(x, LN2));

/** π as the trigonometric instructions reduce their arguments by it: 66 bits (SDM vol. 1, 8.3.8). */
const PI_66 = 0x3_243f_6a88_85a3_08d3n;

/** Sine and cosine of a number below 2^63 in magnitude. */
export function sincos(x: Exact): { sin: bigint; cos: bigint } {
  const bits = P + 80;
  const half = PI_66 << BigInt(bits - 65);
  const n = toFixed(x, bits);
  const quadrant = (2n * n + half) / (2n * half) - (2n * n + half < 0n ? 1n : 0n);
  const rest = (n - quadrant * half) >> 80n;
  const [s, c] = [series(rest, true), series(rest, false)];
  switch (Number(((quadrant % 4n) + 4n) % 4n)) {
    case 0:
      return { sin: s, cos: c };
    case 1:
      return { sin: c, cos: -s };
    case 2:
      return { sin: -s, cos: -c };
    default:
      return { sin: -c, cos: s };
  }
}

function series(x: bigint, odd: boolean): bigint {
  const square = mul(x, x);
  let term = odd ? x : ONE;
  let sum = 0n;
  for (let k = odd ? 2n : 1n; term !== 0n && term !== -1n; k += 2n) {
    sum += term;
    term = -mul(term, square) / (k * (k + 1n));
  }
  return sum;
}

/** The angle of the point (x, y), in fixed point; not both are zero. */
export function atan2(y: Exact, x: Exact): bigint {
  // Only the ratio counts: bring the larger one to the fixed point's top.
  const top = Math.max(
    bitLength(y.significand) + y.exponent,
    bitLength(x.significand) + x.exponent,
  );
  const at = (v: Exact): bigint => toFixed({ ...v, negative: false, exponent: v.exponent - top });
  const [ay, ax] = [at(y), at(x)];
  const steep = ay > ax;
  let angle = arctan(steep ? div(ax, ay) : div(ay, ax));
  if (steep) angle = PI / 2n - angle;
  if (x.negative) angle = PI - angle;
  return y.negative ? -angle : angle;
}

/** arctan for 0 ≤ z ≤ 1: halved twice, then its series. */
function arctan(z: bigint): bigint {
  let x = z;
  const HALVINGS = 3;
  for (let i = 0; i < HALVINGS; i++) {
    x = div(x, ONE + isqrt((ONE + mul(x, x)) << BigInt(P)));
  }
  const square = mul(x, x);
  let power = x;
  let sum = 0n;
  for (let k = 1n, sign = 1n; power !== 0n; k += 2n, sign = -sign) {
    sum += (sign * power) / k;
    power = mul(power, square);
  }
  return sum << BigInt(HALVINGS);
}
