/** Binary arithmetic (SDM vol. 1, 5.1.2). */
import { RAX, RDX, VECTOR_DE } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { SCRATCH } from '../layout.ts';
import { widthOf, type Semantics } from './semantics.ts';

/** CF in the type of `like`. */
function carry(b: Builder, like: Node): Node {
  const cf = b.flags.get('c');
  return like.type === 'i64' ? b.extendU(cf) : cf;
}

const add: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  const result = b.add(x, y);
  b.set(dst!, result);
  b.flags.add(x, y, result, widthOf(dst!));
};

const adc: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  const result = b.add(b.add(x, y), carry(b, x));
  b.set(dst!, result);
  b.flags.add(x, y, result, widthOf(dst!), true);
};

const sub: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  const result = b.sub(x, y);
  b.set(dst!, result);
  b.flags.sub(x, y, result, widthOf(dst!));
};

const sbb: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  const result = b.sub(b.sub(x, y), carry(b, x));
  b.set(dst!, result);
  b.flags.sub(x, y, result, widthOf(dst!), true);
};

const cmp: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  b.flags.sub(x, y, b.sub(x, y), widthOf(dst!));
};

const inc: Semantics = (b, [dst]) => {
  const x = b.get(dst!);
  const one = b.constant(x, 1);
  const result = b.add(x, one);
  b.set(dst!, result);
  b.flags.keepCarry(x, result, widthOf(dst!), false);
};

const dec: Semantics = (b, [dst]) => {
  const x = b.get(dst!);
  const one = b.constant(x, 1);
  const result = b.sub(x, one);
  b.set(dst!, result);
  b.flags.keepCarry(x, result, widthOf(dst!), true);
};

const neg: Semantics = (b, [dst]) => {
  const x = b.get(dst!);
  const zero = b.constant(x, 0);
  const result = b.sub(zero, x);
  b.set(dst!, result);
  b.flags.sub(zero, x, result, widthOf(dst!));
};

/** High half of the unsigned product, by schoolbook multiplication of 32-bit halves. */
export const mulHighU: Helper = {
  name: 'mulHighU',
  params: ['i64', 'i64'],
  result: 'i64',
  pure: true,
  body(b, x, y) {
    const low = (v: Node): Node => b.and(v, b.i64(0xffff_ffff));
    const high = (v: Node): Node => b.shrU(v, b.i64(32));
    const first = b.add(b.mul(high(x), low(y)), high(b.mul(low(x), low(y))));
    const second = b.add(b.mul(low(x), high(y)), low(first));
    return b.add(b.mul(high(x), high(y)), b.add(high(first), high(second)));
  },
};

export const mulHighS: Helper = {
  name: 'mulHighS',
  params: ['i64', 'i64'],
  result: 'i64',
  pure: true,
  body(b, x, y) {
    const sign = (v: Node): Node => b.shrS(v, b.i64(63));
    const correction = b.add(b.and(sign(x), y), b.and(sign(y), x));
    return b.sub(b.call(mulHighU, x, y), correction);
  },
};

/** Writes the two halves of a product or of a dividend's results. */
function setPair(b: Builder, width: Width, low: Node, high: Node): void {
  if (width === 8) {
    const both = b.or(b.zeroExtend(low, 8), b.shl(high, b.i32(8)));
    b.setReg(RAX, 16, both);
    return;
  }
  b.setReg(RAX, width, low);
  b.setReg(RDX, width, high);
}

/** MUL and one-operand IMUL: CF = OF = the high half is not the extension of the low one. SF, ZF, PF as the low half. */
function multiply(b: Builder, src: Operand, signed: boolean): void {
  const width = widthOf(src);
  const y = b.get(src);
  const x = b.reg(RAX, width);
  if (width === 64) {
    const low = b.mul(x, y);
    const high = b.call(signed ? mulHighS : mulHighU, x, y);
    const lost = signed ? b.ne(high, b.shrS(low, b.i64(63))) : b.ne(high, b.i64(0));
    setPair(b, 64, low, high);
    b.flags.explicit(low, 64, lost, lost);
    return;
  }
  const extend = (v: Node): Node => (signed ? b.extendS(b.signExtend(v, width)) : b.extendU(v));
  const product = b.mul(extend(x), extend(y));
  const low = b.wrap(product);
  const high = b.wrap(b.shrU(product, b.i64(width)));
  const kept = signed ? b.signExtend(product, width) : b.zeroExtend(product, width);
  const lost = b.ne(kept, product);
  setPair(b, width, low, high);
  b.flags.explicit(low, width, lost, lost);
}

/** IMUL with a truncated product in the destination register. */
function multiplyInto(b: Builder, dst: Operand, first: Operand, second: Operand): void {
  const width = widthOf(dst);
  const x = b.get(first);
  const y = b.get(second);
  if (width === 64) {
    const low = b.mul(x, y);
    b.set(dst, low);
    if (!b.flags.live) return;
    const lost = b.ne(b.call(mulHighS, x, y), b.shrS(low, b.i64(63)));
    b.flags.explicit(low, 64, lost, lost);
    return;
  }
  if (!b.flags.live) return b.set(dst, b.mul(x, y));
  const extend = (v: Node): Node => b.extendS(b.signExtend(v, width));
  const product = b.mul(extend(x), extend(y));
  const low = b.wrap(product);
  const lost = b.ne(b.signExtend(product, width), product);
  b.set(dst, low);
  b.flags.explicit(low, width, lost, lost);
}

/** Unsigned 128 / 64 by shift and subtract; the caller has checked high < divisor. Remainder goes to SCRATCH. */
const divide128: Helper = {
  name: 'divide128',
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  pure: false,
  body(b, high, low, divisor) {
    const quotient = b.var(b.i64(0));
    b.if(
      b.eqz(high),
      () => {
        b.assign(quotient, b.op('i64.div_u', low, divisor));
        b.store('i64.store', b.i32(SCRATCH), b.op('i64.rem_u', low, divisor));
      },
      () => {
        const rest = b.var(high);
        const bits = b.var(low);
        const left = b.var(b.i32(64));
        b.loop(() => {
          const top = b.shrU(b.value(rest), b.i64(63));
          const shifted = b.or(b.shl(b.value(rest), b.i64(1)), b.shrU(b.value(bits), b.i64(63)));
          const fits = b.or(b.wrap(top), b.op('i64.ge_u', shifted, divisor));
          b.assign(rest, b.select(fits, b.sub(shifted, divisor), shifted));
          b.assign(bits, b.shl(b.value(bits), b.i64(1)));
          b.assign(quotient, b.or(b.shl(b.value(quotient), b.i64(1)), b.extendU(fits)));
          const next = b.sub(b.value(left), b.i32(1));
          b.assign(left, next);
          return next;
        });
        b.store('i64.store', b.i32(SCRATCH), b.value(rest));
      },
    );
    return b.value(quotient);
  },
};

const remainder = (b: Builder): Node => b.load('i64.load', b.i32(SCRATCH));

/** The dividend of a narrow division as an i64. */
function dividend(b: Builder, width: 8 | 16 | 32, signed: boolean): Node {
  if (width === 8) {
    const ax = b.reg(RAX, 16);
    return signed ? b.extendS(b.signExtend(ax, 16)) : b.extendU(ax);
  }
  const high = b.shl(b.extendU(b.reg(RDX, width)), b.i64(width));
  const both = b.or(high, b.extendU(b.reg(RAX, width)));
  return signed && width === 16 ? b.signExtend(both, 32) : both;
}

const div: Semantics = (b, [src]) => {
  const width = widthOf(src!);
  const divisor = b.get(src!);
  if (width === 64) {
    const high = b.reg(RDX, 64);
    b.if(b.op('i64.ge_u', high, divisor), () => b.raise(VECTOR_DE));
    const quotient = b.call(divide128, high, b.reg(RAX, 64), divisor);
    setPair(b, 64, quotient, remainder(b));
    return;
  }
  const wide = b.extendU(divisor);
  b.if(b.eqz(divisor), () => b.raise(VECTOR_DE));
  const number = dividend(b, width, false);
  const quotient = b.op('i64.div_u', number, wide);
  b.if(b.ne(b.zeroExtend(quotient, width), quotient), () => b.raise(VECTOR_DE));
  setPair(b, width, b.wrap(quotient), b.wrap(b.op('i64.rem_u', number, wide)));
};

const idiv: Semantics = (b, [src]) => {
  const width = widthOf(src!);
  if (width === 64) return idiv64(b, src!);
  const divisor = b.get(src!);
  b.if(b.eqz(divisor), () => b.raise(VECTOR_DE));
  const wide = b.extendS(b.signExtend(divisor, width));
  const number = dividend(b, width, true);
  const overflows = b.and(b.eq(number, b.i64(1n << 63n)), b.eq(wide, b.i64(-1)));
  b.if(overflows, () => b.raise(VECTOR_DE));
  const quotient = b.op('i64.div_s', number, wide);
  b.if(b.ne(b.signExtend(quotient, width), quotient), () => b.raise(VECTOR_DE));
  setPair(b, width, b.wrap(quotient), b.wrap(b.op('i64.rem_s', number, wide)));
};

/** Divides magnitudes; the quotient's sign is that of both operands together, the remainder's the dividend's. */
function idiv64(b: Builder, src: Operand): void {
  const divisor = b.get(src);
  const low = b.reg(RAX, 64);
  const high = b.reg(RDX, 64);
  const negate = (sign: Node, v: Node): Node => b.sub(b.xor(v, sign), sign);
  const sign = b.shrS(high, b.i64(63));
  const divisorSign = b.shrS(divisor, b.i64(63));
  const magnitude = negate(divisorSign, divisor);
  const absLow = negate(sign, low);
  const borrow = b.and(sign, b.extendU(b.ne(low, b.i64(0))));
  const absHigh = b.sub(negate(sign, high), borrow);
  b.if(b.op('i64.ge_u', absHigh, magnitude), () => b.raise(VECTOR_DE));
  const quotient = b.call(divide128, absHigh, absLow, magnitude);
  const quotientSign = b.xor(sign, divisorSign);
  // The magnitude may be 2^63 only for a negative quotient.
  const limit = b.add(b.i64((1n << 63n) - 1n), b.shrU(quotientSign, b.i64(63)));
  b.if(b.op('i64.gt_u', quotient, limit), () => b.raise(VECTOR_DE));
  setPair(b, 64, negate(quotientSign, quotient), negate(sign, remainder(b)));
}

/** CBW, CWDE, CDQE: sign-extends the lower half of the accumulator. */
const cbw: Semantics = (b) => {
  if (b.width === 64) b.setReg(RAX, 64, b.extendS(b.reg(RAX, 32)));
  else {
    const half = b.width === 32 ? 16 : 8;
    b.setReg(RAX, b.width, b.signExtend(b.reg(RAX, half), half));
  }
};

/** CWD, CDQ, CQO: fills DX with the accumulator's sign. */
const cwd: Semantics = (b) => {
  const value = b.signExtend(b.reg(RAX, b.width), b.width);
  b.setReg(RDX, b.width, b.shrS(value, b.constant(value, b.width === 64 ? 63 : 31)));
};

export const arithmetic: Record<string, Semantics> = {
  add,
  adc,
  sub,
  sbb,
  cmp,
  inc,
  dec,
  neg,
  mul: (b, [src]) => multiply(b, src!, false),
  imul1: (b, [src]) => multiply(b, src!, true),
  imul2: (b, [dst, src]) => multiplyInto(b, dst!, dst!, src!),
  imul: (b, [dst, x, y]) => multiplyInto(b, dst!, x!, y!),
  div,
  idiv,
  cbw,
  cwd,
};
