/**
 * Floating-point arithmetic in integers (after IEEE 754 and SDM vol. 1, chapters 4, 8 and 11), for x87 and for the SSE
 * cases that WebAssembly's own arithmetic does not decide: rounding modes, exception flags, NaNs, denormals.
 *
 * Every operand is an 80-bit extended number in a slot (significand at offset 0, sign and exponent at 8), which holds
 * each float and double exactly. An operation computes an unrounded result: sign, exponent, and a significand of 128
 * bits whose last bit is sticky. {@link roundResult} rounds it once to the target's precision and range.
 */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import { mulHighU } from './arithmetic.ts';

/** Exceptions, as bits of MXCSR and of the x87 status word. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;
/** C1 of the x87 status word: the last rounding went away from zero. */
export const C1 = 0x200;

export const OP_ADD = 0;
export const OP_SUB = 1;
export const OP_MUL = 2;
export const OP_DIV = 3;
export const OP_SQRT = 4;

/** Rounding control (MXCSR and x87 control word alike). */
export const RC_NEAREST = 0;
export const RC_DOWN = 1;
export const RC_UP = 2;
export const RC_ZERO = 3;

const TOP = 1n << 63n;
const QUIET = 1n << 62n;
export const EXP_MAX = 0x7fff;

/** Formats a result is rounded to: precision in bits, and the biased exponents (bias 0x3fff) of its normal range. */
export interface Format {
  readonly precision: number;
  readonly emin: number;
  readonly emax: number;
}
export const SINGLE: Format = { precision: 24, emin: 0x3f81, emax: 0x407e };
export const DOUBLE: Format = { precision: 53, emin: 0x3c01, emax: 0x43fe };
export const EXTENDED: Format = { precision: 64, emin: 1, emax: 0x7ffe };

export const ld = (b: Builder, at: number): Node => b.load('i32.load', b.i32(at));
export const st = (b: Builder, at: number, value: Node): void =>
  b.store('i32.store', b.i32(at), value);

/** Adds exception bits to those of the operation under way. */
export function flag(b: Builder, bits: number | Node): void {
  const add = typeof bits === 'number' ? b.i32(bits) : bits;
  st(b, L.SF_FLAGS, b.or(ld(b, L.SF_FLAGS), add));
}

const mant = (b: Builder, ptr: Node): Node => b.load('i64.load', ptr);
const se = (b: Builder, ptr: Node): Node => b.load('i32.load16_u', ptr, 8);

export function putSlot(b: Builder, ptr: Node, signExp: Node, significand: Node): void {
  b.store('i64.store', ptr, significand);
  b.store('i32.store16', ptr, signExp, 8);
}

/** The quiet NaN that an invalid operation gives. */
export function putDefaultNaN(b: Builder, ptr: Node): void {
  putSlot(b, ptr, b.i32(0xffff), b.i64(TOP | QUIET));
}

/** Exponent of all ones and a fraction: a NaN. */
export function isNaNBits(b: Builder, signExp: Node, significand: Node): Node {
  const special = b.eq(b.and(signExp, b.i32(EXP_MAX)), b.i32(EXP_MAX));
  return b.and(special, b.ne(b.shl(significand, b.i64(1)), b.i64(0)));
}

/** A double into a slot; a denormal one sets DE. */
export const widen64: Helper = {
  name: 'widen64',
  params: ['i64', 'i32'],
  result: undefined,
  pure: false,
  body(b, bits, ptr) {
    const exp = b.wrap(b.and(b.shrU(bits, b.i64(52)), b.i64(0x7ff)));
    const frac = b.and(bits, b.i64((1n << 52n) - 1n));
    const sign = b.and(b.wrap(b.shrU(bits, b.i64(48))), b.i32(0x8000));
    const full = b.or(b.shl(frac, b.i64(11)), b.i64(TOP));
    b.if(
      b.eqz(exp),
      () =>
        b.if(
          b.eqz(frac),
          () => putSlot(b, ptr, sign, b.i64(0)),
          () => {
            const n = b.op('i64.clz', frac);
            flag(b, DE);
            const e = b.sub(b.i32(0x3fff - 1011), b.wrap(n));
            putSlot(b, ptr, b.or(sign, e), b.shl(frac, n));
          },
        ),
      () => {
        const e = b.select(
          b.eq(exp, b.i32(0x7ff)),
          b.i32(EXP_MAX),
          b.add(exp, b.i32(0x3fff - 0x3ff)),
        );
        putSlot(b, ptr, b.or(sign, e), full);
      },
    );
  },
};

/** A float into a slot; a denormal one sets DE. */
export const widen32: Helper = {
  name: 'widen32',
  params: ['i32', 'i32'],
  result: undefined,
  pure: false,
  body(b, bits, ptr) {
    const exp = b.and(b.shrU(bits, b.i32(23)), b.i32(0xff));
    const frac = b.extendU(b.and(bits, b.i32((1 << 23) - 1)));
    const sign = b.and(b.shrU(bits, b.i32(16)), b.i32(0x8000));
    b.if(
      b.eqz(exp),
      () =>
        b.if(
          b.eqz(frac),
          () => putSlot(b, ptr, sign, b.i64(0)),
          () => {
            const n = b.op('i64.clz', frac);
            flag(b, DE);
            putSlot(b, ptr, b.or(sign, b.sub(b.i32(0x3fff - 86), b.wrap(n))), b.shl(frac, n));
          },
        ),
      () => {
        const e = b.select(
          b.eq(exp, b.i32(0xff)),
          b.i32(EXP_MAX),
          b.add(exp, b.i32(0x3fff - 0x7f)),
        );
        putSlot(b, ptr, b.or(sign, e), b.or(b.shl(frac, b.i64(40)), b.i64(TOP)));
      },
    );
  },
};

/** The double that a slot holds exactly (it was rounded to DOUBLE). */
export const narrow64: Helper = {
  name: 'narrow64',
  params: ['i32'],
  result: 'i64',
  pure: false,
  body(b, ptr) {
    const m = mant(b, ptr);
    const e = b.and(se(b, ptr), b.i32(EXP_MAX));
    const sign = b.shl(b.extendU(b.and(se(b, ptr), b.i32(0x8000))), b.i64(48));
    const frac = b.and(b.shrU(m, b.i64(11)), b.i64((1n << 52n) - 1n));
    const normal = b.select(b.eq(e, b.i32(EXP_MAX)), b.i32(0x7ff), b.sub(e, b.i32(0x3c00)));
    const exp = b.select(b.ltS(m, b.i64(0)), normal, b.i32(0));
    return b.or(b.or(sign, b.shl(b.extendU(exp), b.i64(52))), frac);
  },
};

/** The float that a slot holds exactly (it was rounded to SINGLE). */
export const narrow32: Helper = {
  name: 'narrow32',
  params: ['i32'],
  result: 'i32',
  pure: false,
  body(b, ptr) {
    const m = mant(b, ptr);
    const e = b.and(se(b, ptr), b.i32(EXP_MAX));
    const sign = b.shl(b.and(se(b, ptr), b.i32(0x8000)), b.i32(16));
    const frac = b.and(b.wrap(b.shrU(m, b.i64(40))), b.i32((1 << 23) - 1));
    const normal = b.select(b.eq(e, b.i32(EXP_MAX)), b.i32(0xff), b.sub(e, b.i32(0x3f80)));
    const exp = b.select(b.ltS(m, b.i64(0)), normal, b.i32(0));
    return b.or(b.or(sign, b.shl(exp, b.i32(23))), frac);
  },
};

/**
 * Puts the NaN that an operation on slots A and B gives into R, quieted. SSE takes the first operand's; x87 takes a
 * quiet one before a signalling one, then the larger significand, then the positive one (SDM vol. 1, table 4-7).
 */
const propagateNaN: Helper = {
  name: 'propagateNaN',
  params: ['i32'],
  result: undefined,
  pure: false,
  body(b, sse) {
    const [pa, pb] = [b.i32(L.SF_A), b.i32(L.SF_B)];
    const [ma, mb] = [mant(b, pa), mant(b, pb)];
    const aNaN = isNaNBits(b, se(b, pa), ma);
    const bNaN = isNaNBits(b, se(b, pb), mb);
    const quietA = b.ne(b.and(ma, b.i64(QUIET)), b.i64(0));
    const quietB = b.ne(b.and(mb, b.i64(QUIET)), b.i64(0));
    const signals = b.or(b.and(aNaN, b.eqz(quietA)), b.and(bNaN, b.eqz(quietB)));
    // A denormal beside a NaN is not noticed.
    st(b, L.SF_FLAGS, b.or(b.and(ld(b, L.SF_FLAGS), b.i32(~DE)), signals));
    const larger = b.or(b.ltU(mb, ma), b.and(b.eq(ma, mb), b.ltU(se(b, pa), se(b, pb))));
    const both = b.select(b.eq(quietA, quietB), larger, quietA);
    const first = b.select(bNaN, b.select(aNaN, b.or(both, sse), b.i32(0)), b.i32(1));
    const from = b.select(first, pa, pb);
    putSlot(b, b.i32(L.SF_R), se(b, from), b.or(mant(b, from), b.i64(QUIET)));
  },
};

export function invalid(b: Builder): void {
  st(b, L.SF_FLAGS, b.or(b.and(ld(b, L.SF_FLAGS), b.i32(~DE)), b.i32(IE)));
  putDefaultNaN(b, b.i32(L.SF_R));
  b.return(b.i32(1));
}

export function exact(b: Builder, signExp: Node, significand: Node): void {
  putSlot(b, b.i32(L.SF_R), signExp, significand);
  b.return(b.i32(1));
}

/** Leaves an unrounded result for roundResult. */
export function unrounded(b: Builder, sign: Node, exp: Node, high: Node, low: Node): void {
  st(b, L.SF_SIGN, sign);
  st(b, L.SF_EXP, exp);
  b.store('i64.store', b.i32(L.SF_HIGH), high);
  b.store('i64.store', b.i32(L.SF_LOW), low);
}

/** Shifts a significand right by up to 128 bits and more, keeping what falls off as sticky: the low word. */
export const shiftLow: Helper = {
  name: 'shiftLow',
  params: ['i64', 'i32'],
  result: 'i64',
  pure: true,
  body(b, m, by) {
    const n = b.extendU(by);
    const small = b.select(b.eqz(by), b.i64(0), b.shl(m, b.sub(b.i64(64), n)));
    const over = b.sub(n, b.i64(64));
    const kept = b.shrU(m, over);
    const lost = b.ne(b.shl(kept, over), m);
    const large = b.or(kept, b.extendU(lost));
    const huge = b.extendU(b.ne(m, b.i64(0)));
    const mid = b.select(b.ltU(by, b.i32(128)), large, huge);
    return b.select(b.ltU(by, b.i32(64)), small, mid);
  },
};

export const shiftHigh: Helper = {
  name: 'shiftHigh',
  params: ['i64', 'i32'],
  result: 'i64',
  pure: true,
  body: (b, m, by) => b.select(b.ltU(by, b.i32(64)), b.shrU(m, b.extendU(by)), b.i64(0)),
};

/** Sum or difference of A and B with the signs given; at least one is not zero. */
const addMagnitudes: Helper = {
  name: 'addMagnitudes',
  params: ['i32', 'i32', 'i64', 'i32', 'i32', 'i64', 'i32'],
  result: 'i32',
  pure: false,
  body(b, signA0, expA0, ma0, signB0, expB0, mb0, rc) {
    // A zero takes the other's exponent, so that nothing is shifted out.
    const expA1 = b.select(b.eqz(ma0), expB0, expA0);
    const expB1 = b.select(b.eqz(mb0), expA0, expB0);
    const swap = b.or(b.ltS(expA1, expB1), b.and(b.eq(expA1, expB1), b.ltU(ma0, mb0)));
    const signA = b.select(swap, signB0, signA0);
    const expA = b.select(swap, expB1, expA1);
    const ma = b.select(swap, mb0, ma0);
    const by = b.sub(expA, b.select(swap, expA1, expB1));
    const mb = b.select(swap, ma0, mb0);
    const bHigh = b.call(shiftHigh, mb, by);
    const bLow = b.call(shiftLow, mb, by);
    b.if(
      b.eq(signA0, signB0),
      () => {
        const sum = b.add(ma, bHigh);
        b.if(
          b.ltU(sum, ma),
          () => {
            const low = b.or(b.shrU(bLow, b.i64(1)), b.and(bLow, b.i64(1)));
            const high = b.or(b.shrU(sum, b.i64(1)), b.i64(TOP));
            unrounded(
              b, signA, b.add(expA, b.i32(1)), high,
              b.or(low, b.shl(sum, b.i64(63))),
            ); // prettier-ignore
          },
          () => unrounded(b, signA, expA, sum, bLow),
        );
      },
      () => {
        const low = b.sub(b.i64(0), bLow);
        const high = b.sub(b.sub(ma, bHigh), b.extendU(b.ne(bLow, b.i64(0))));
        b.if(b.eqz(b.or(high, low)), () => {
          const sign = b.select(b.eq(rc, b.i32(RC_DOWN)), b.i32(0x8000), b.i32(0));
          exact(b, sign, b.i64(0));
        });
        const whole = b.eqz(high);
        const high1 = b.select(whole, low, high);
        const low1 = b.select(whole, b.i64(0), low);
        const n = b.op('i64.clz', high1);
        const spill = b.select(b.eqz(n), b.i64(0), b.shrU(low1, b.sub(b.i64(64), n)));
        const exp = b.sub(b.sub(expA, b.select(whole, b.i32(64), b.i32(0))), b.wrap(n));
        unrounded(b, signA, exp, b.or(b.shl(high1, n), spill), b.shl(low1, n));
      },
    );
    return b.i32(0);
  },
};

/** Quotient of normalised significands, one bit at a time: 66 bits and a sticky one. */
const divSignificands: Helper = {
  name: 'divSignificands',
  params: ['i64', 'i64'],
  result: 'i64',
  pure: false,
  body(b, ma, mb) {
    // Restoring division: `rest` < mb always; the quotient's integer bit was taken before.
    const rest = b.var(ma);
    const quotient = b.var(b.i64(0));
    const count = b.var(b.i32(0));
    b.loop(() => {
      const r = b.value(rest);
      const carry = b.shrU(r, b.i64(63));
      const twice = b.shl(r, b.i64(1));
      const fits = b.or(b.wrap(carry), b.eqz(b.ltU(twice, mb)));
      b.assign(rest, b.select(fits, b.sub(twice, mb), twice));
      b.assign(quotient, b.or(b.shl(b.value(quotient), b.i64(1)), b.extendU(fits)));
      const n = b.add(b.value(count), b.i32(1));
      b.assign(count, n);
      return b.ltU(n, b.i32(64));
    });
    b.store('i64.store', b.i32(L.SF_LOW), b.value(rest));
    return b.value(quotient);
  },
};

/** Root of high·2^64 (high not 0, its two top bits not both 0): 64 bits; the remainder's class goes to SF_LOW. */
const sqrtSignificand: Helper = {
  name: 'sqrtSignificand',
  params: ['i64', 'i64'],
  result: 'i64',
  pure: false,
  body(b, high0, low0) {
    // Digit by digit: the remainder has up to 66 bits, kept in two words.
    const high = b.var(high0);
    const low = b.var(low0);
    const restHigh = b.var(b.i64(0));
    const rest = b.var(b.i64(0));
    const root = b.var(b.i64(0));
    const count = b.var(b.i32(0));
    b.loop(() => {
      const h = b.value(high);
      const l = b.value(low);
      const r = b.value(rest);
      const rh = b.value(restHigh);
      // Two more digits of the radicand.
      const nextHigh = b.or(b.shl(rh, b.i64(2)), b.shrU(r, b.i64(62)));
      const next = b.or(b.shl(r, b.i64(2)), b.shrU(h, b.i64(62)));
      b.assign(high, b.or(b.shl(h, b.i64(2)), b.shrU(l, b.i64(62))));
      b.assign(low, b.shl(l, b.i64(2)));
      // Trial: 4·root + 1.
      const q = b.value(root);
      const trialHigh = b.shrU(q, b.i64(62));
      const trial = b.or(b.shl(q, b.i64(2)), b.i64(1));
      const below = b.or(
        b.ltU(nextHigh, trialHigh),
        b.and(b.eq(nextHigh, trialHigh), b.ltU(next, trial)),
      );
      const borrow = b.extendU(b.ltU(next, trial));
      b.assign(rest, b.select(below, next, b.sub(next, trial)));
      b.assign(restHigh, b.select(below, nextHigh, b.sub(b.sub(nextHigh, trialHigh), borrow)));
      b.assign(root, b.or(b.shl(q, b.i64(1)), b.extendU(b.eqz(below))));
      const n = b.add(b.value(count), b.i32(1));
      b.assign(count, n);
      return b.ltU(n, b.i32(64));
    });
    // Halfway is never exact: the next bit is 1 when the remainder exceeds the root.
    const exactRoot = b.eqz(b.or(b.value(rest), b.value(restHigh)));
    const above = b.or(b.ne(b.value(restHigh), b.i64(0)), b.ltU(b.value(root), b.value(rest)));
    const tail = b.select(above, b.i64(TOP | 1n), b.i64(1));
    b.store('i64.store', b.i32(L.SF_LOW), b.select(exactRoot, b.i64(0), tail));
    return b.value(root);
  },
};

/**
 * Carries out OP_… on slots A and B (OP_SQRT: A).
 * @returns 0 when the unrounded result awaits roundResult, 1 when slot R has the final result
 */
export const arith: Helper = {
  name: 'arith',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, op, rc, sse) {
    const [pa, pb] = [b.i32(L.SF_A), b.i32(L.SF_B)];
    const isOp = (n: number): Node => b.eq(op, b.i32(n));
    const unary = isOp(OP_SQRT);
    // The second operand of a unary operation is 1.
    b.if(unary, () => putSlot(b, pb, b.i32(0x3fff), b.i64(TOP)));
    const seA = se(b, pa);
    const seB = se(b, pb);
    const ma = b.var(mant(b, pa));
    const mb = b.var(mant(b, pb));
    const expA = b.var(b.and(seA, b.i32(EXP_MAX)));
    const expB = b.var(b.and(seB, b.i32(EXP_MAX)));
    const signA = b.and(seA, b.i32(0x8000));
    const signB = b.xor(b.and(seB, b.i32(0x8000)), b.shl(isOp(OP_SUB), b.i32(15)));
    const sign = b.xor(signA, signB);

    // Formats that only the 8087 knew: an exponent, but no integer bit.
    const bad = (e: Node, m: Node): Node => b.and(b.ne(e, b.i32(0)), b.eqz(b.ltS(m, b.i64(0))));
    b.if(b.or(bad(b.value(expA), b.value(ma)), bad(b.value(expB), b.value(mb))), () => invalid(b));
    b.if(b.or(isNaNBits(b, seA, b.value(ma)), isNaNBits(b, seB, b.value(mb))), () => {
      b.call(propagateNaN, sse);
      b.return(b.i32(1));
    });
    const infA = b.eq(b.value(expA), b.i32(EXP_MAX));
    const infB = b.eq(b.value(expB), b.i32(EXP_MAX));
    const zeroA = b.eqz(b.value(ma));
    const zeroB = b.eqz(b.value(mb));
    const denormal = (e: Node, m: Node): Node => b.and(b.eqz(e), b.ne(m, b.i64(0)));
    const denormalA = denormal(b.value(expA), b.value(ma));
    const denormalB = denormal(b.value(expB), b.value(mb));
    b.if(b.or(denormalA, denormalB), () => flag(b, DE));

    const infinity = b.i64(TOP);
    b.if(b.ltU(op, b.i32(OP_MUL)), () => {
      b.if(infA, () => {
        b.if(b.and(infB, b.ne(signA, signB)), () => invalid(b));
        exact(b, seA, infinity);
      });
      b.if(infB, () => exact(b, b.or(signB, b.i32(EXP_MAX)), infinity));
      b.if(b.and(zeroA, zeroB), () => {
        const down = b.shl(b.eq(rc, b.i32(RC_DOWN)), b.i32(15));
        exact(b, b.select(b.eq(signA, signB), signA, down), b.i64(0));
      });
    });
    b.if(isOp(OP_MUL), () => {
      b.if(b.or(infA, infB), () => {
        b.if(b.or(zeroA, zeroB), () => invalid(b));
        exact(b, b.or(sign, b.i32(EXP_MAX)), infinity);
      });
      b.if(b.or(zeroA, zeroB), () => exact(b, sign, b.i64(0)));
    });
    b.if(isOp(OP_DIV), () => {
      b.if(infA, () => {
        b.if(infB, () => invalid(b));
        exact(b, b.or(sign, b.i32(EXP_MAX)), infinity);
      });
      b.if(infB, () => exact(b, sign, b.i64(0)));
      b.if(zeroB, () => {
        b.if(zeroA, () => invalid(b));
        st(b, L.SF_FLAGS, b.or(b.and(ld(b, L.SF_FLAGS), b.i32(~DE)), b.i32(ZE)));
        exact(b, b.or(sign, b.i32(EXP_MAX)), infinity);
      });
      b.if(zeroA, () => exact(b, sign, b.i64(0)));
    });
    b.if(unary, () => {
      b.if(zeroA, () => exact(b, seA, b.i64(0)));
      b.if(signA, () => invalid(b));
      b.if(infA, () => exact(b, seA, infinity));
    });

    const normalise = (is: Node, m: typeof ma, e: typeof expA): void =>
      b.if(is, () => {
        const n = b.op('i64.clz', b.value(m));
        b.assign(m, b.shl(b.value(m), n));
        b.assign(e, b.sub(b.i32(1), b.wrap(n)));
      });
    normalise(denormalA, ma, expA);
    normalise(denormalB, mb, expB);
    const [mA, mB, eA, eB] = [b.value(ma), b.value(mb), b.value(expA), b.value(expB)];

    b.if(b.ltU(op, b.i32(OP_MUL)), () =>
      b.return(b.call(addMagnitudes, signA, eA, mA, signB, eB, mB, rc)),
    );
    b.if(isOp(OP_MUL), () => {
      const high = b.call(mulHighU, mA, mB);
      const low = b.mul(mA, mB);
      const exp = b.sub(b.add(eA, eB), b.i32(0x3ffe));
      b.if(
        b.ltS(high, b.i64(0)),
        () => unrounded(b, sign, exp, high, low),
        () => {
          const shifted = b.or(b.shl(high, b.i64(1)), b.shrU(low, b.i64(63)));
          unrounded(b, sign, b.sub(exp, b.i32(1)), shifted, b.shl(low, b.i64(1)));
        },
      );
      b.return(b.i32(0));
    });
    b.if(isOp(OP_DIV), () => {
      const whole = b.eqz(b.ltU(mA, mB));
      // A quotient of 1 or more gives its integer bit first: the dividend is halved to keep 64 bits.
      const exp = b.add(b.sub(eA, eB), b.i32(0x3fff));
      b.if(
        whole,
        () => {
          const q = b.call(divSignificands, b.sub(mA, mB), mB);
          const rest = b.load('i64.load', b.i32(L.SF_LOW));
          const high = b.or(b.shrU(q, b.i64(1)), b.i64(TOP));
          const low = b.or(b.shl(q, b.i64(63)), b.extendU(b.ne(rest, b.i64(0))));
          unrounded(b, sign, exp, high, low);
        },
        () => {
          const q = b.call(divSignificands, mA, mB);
          const rest = b.load('i64.load', b.i32(L.SF_LOW));
          // The next bit of the quotient is 1 when twice the remainder reaches the divisor.
          const half = b.or(b.ltS(rest, b.i64(0)), b.eqz(b.ltU(b.shl(rest, b.i64(1)), mB)));
          const tie = b.and(b.eqz(b.ltS(rest, b.i64(0))), b.eq(b.shl(rest, b.i64(1)), mB));
          const sticky = b.extendU(b.and(b.ne(rest, b.i64(0)), b.eqz(tie)));
          const low = b.or(b.shl(b.extendU(half), b.i64(63)), sticky);
          unrounded(b, sign, b.sub(exp, b.i32(1)), q, low);
        },
      );
      b.return(b.i32(0));
    });
    // Square root: an odd exponent doubles the radicand.
    const odd = b.and(b.sub(eA, b.i32(0x3fff)), b.i32(1));
    const high = b.select(odd, mA, b.shrU(mA, b.i64(1)));
    const low = b.select(odd, b.i64(0), b.shl(mA, b.i64(63)));
    const root = b.call(sqrtSignificand, high, low);
    const exp = b.add(b.shrS(b.sub(eA, b.i32(0x3fff)), b.i32(1)), b.i32(0x3fff));
    unrounded(b, b.i32(0), exp, root, b.load('i64.load', b.i32(L.SF_LOW)));
    return b.i32(0);
  },
};

/** Adds one in the last of `precision` places when the mode says so. @returns 1 when it was added */
function increment(b: Builder, rc: Node, sign: Node, last: Node, half: Node, rest: Node): Node {
  const inexact = b.or(half, rest);
  const nearest = b.and(half, b.or(rest, last));
  const down = b.and(b.ne(sign, b.i32(0)), inexact);
  const up = b.and(b.eqz(sign), inexact);
  const directed = b.select(b.eq(rc, b.i32(RC_DOWN)), down, b.and(up, b.eq(rc, b.i32(RC_UP))));
  return b.select(b.eqz(rc), nearest, directed);
}

/** Half and rest bits below the `drop` low bits of the high word; sets `last` likewise. */
function below(
  b: Builder,
  high: Node,
  low: Node,
  drop: Node,
): { last: Node; half: Node; rest: Node } {
  const none = b.eqz(drop);
  const bit = (n: Node): Node => b.wrap(b.and(b.shrU(high, b.extendU(n)), b.i64(1)));
  const last = bit(drop);
  const halfBit = b.sub(drop, b.i32(1));
  const half = b.select(none, b.wrap(b.shrU(low, b.i64(63))), bit(b.and(halfBit, b.i32(63))));
  const mask = b.sub(b.shl(b.i64(1), b.extendU(b.and(halfBit, b.i32(63)))), b.i64(1));
  const partial = b.or(b.and(high, mask), low);
  const restBits = b.select(none, b.shl(low, b.i64(1)), partial);
  return { last, half, rest: b.ne(restBits, b.i64(0)) };
}

/**
 * Rounds the unrounded result into slot R (SDM vol. 1, 4.8.4 and 4.9.1).
 * Parameters: precision, emin, emax, rounding control, unmasked (bits of OE and UE that are not masked: the result is
 * then scaled by 2^±24576, as x87 does), ftz.
 */
export const roundResult: Helper = {
  name: 'roundResult',
  params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  result: undefined,
  pure: false,
  body(b, precision, emin, emax, rc, unmasked, ftz) {
    const sign = ld(b, L.SF_SIGN);
    const exp = b.var(ld(b, L.SF_EXP));
    const high = b.var(b.load('i64.load', b.i32(L.SF_HIGH)));
    const low = b.var(b.load('i64.load', b.i32(L.SF_LOW)));
    const drop = b.sub(b.i32(64), precision);
    const unit = b.shl(b.i64(1), b.extendU(drop));
    const r = b.i32(L.SF_R);
    const largestExp = b.var(emax);

    b.if(b.ltS(b.value(exp), emin), () => {
      // Tiny unless rounding with an unbounded exponent reaches the normal range.
      const bits = below(b, b.value(high), b.value(low), drop);
      const up = increment(b, rc, sign, bits.last, bits.half, bits.rest);
      const kept = b.and(b.value(high), b.sub(b.i64(0), unit));
      const carries = b.and(up, b.eqz(b.add(kept, unit)));
      const tiny = b.eqz(b.and(b.eq(b.value(exp), b.sub(emin, b.i32(1))), carries));
      b.if(
        b.and(unmasked, b.i32(UE)),
        () =>
          b.if(tiny, () => {
            flag(b, UE);
            b.assign(exp, b.add(b.value(exp), b.i32(24576)));
            b.assign(largestExp, b.i32(0x7fff_ffff)); // scaled: it cannot overflow
          }),
        () => {
          b.if(b.and(ftz, tiny), () => {
            flag(b, UE | PE);
            putSlot(b, r, sign, b.i64(0));
            b.return();
          });
          const by = b.sub(emin, b.value(exp));
          const m = b.value(high);
          const l = b.value(low);
          const shifted = b.call(shiftLow, m, by);
          const lost = b.extendU(b.ne(l, b.i64(0)));
          b.assign(high, b.call(shiftHigh, m, by));
          // What was in the low word is far below the last place: sticky.
          b.assign(low, b.or(shifted, lost));
          b.assign(exp, emin);
          const now = below(b, b.value(high), b.value(low), drop);
          b.if(b.and(tiny, b.or(now.half, now.rest)), () => flag(b, UE));
        },
      );
    });

    const bits = below(b, b.value(high), b.value(low), drop);
    const up = increment(b, rc, sign, bits.last, bits.half, bits.rest);
    b.if(b.or(bits.half, bits.rest), () => flag(b, b.or(b.i32(PE), b.shl(up, b.i32(9)))));
    const kept = b.and(b.value(high), b.sub(b.i64(0), unit));
    const sum = b.add(kept, b.select(up, unit, b.i64(0)));
    const carried = b.and(up, b.ltU(sum, kept));
    const rounded = b.select(carried, b.i64(TOP), sum);
    const e = b.add(b.value(exp), carried);

    b.if(b.ltS(b.value(largestExp), e), () => {
      b.if(b.and(unmasked, b.i32(OE)), () => {
        flag(b, OE);
        putSlot(b, r, b.or(sign, b.sub(e, b.i32(24576))), rounded);
        b.return();
      });
      const away = b.select(
        b.eqz(rc),
        b.i32(1),
        b.select(sign, b.eq(rc, b.i32(RC_DOWN)), b.eq(rc, b.i32(RC_UP))),
      );
      st(b, L.SF_FLAGS, b.and(ld(b, L.SF_FLAGS), b.i32(~C1)));
      flag(b, b.or(b.i32(OE | PE), b.shl(away, b.i32(9))));
      const largest = b.sub(b.i64(0), unit);
      putSlot(
        b, r,
        b.or(sign, b.select(away, b.i32(EXP_MAX), emax)),
        b.select(away, b.i64(TOP), largest),
      ); // prettier-ignore
      b.return();
    });
    // An 80-bit number without an integer bit has exponent 0.
    const field = b.select(b.and(b.eq(emin, b.i32(1)), b.eqz(b.ltS(rounded, b.i64(0)))), b.i32(0), e); // prettier-ignore
    putSlot(b, r, b.or(sign, b.select(b.eqz(rounded), b.i32(0), field)), rounded);
  },
};

export const constants = (b: Builder, f: Format): [Node, Node, Node] => [
  b.i32(f.precision),
  b.i32(f.emin),
  b.i32(f.emax),
];
