/**
 * SSE floating point where nothing is unusual: MXCSR masks all exceptions, rounds to nearest, does not flush and has the
 * inexact flag set already, and every number is normal or zero. Then an instruction is WebAssembly's own and changes no
 * flag. A tier that compiles takes these instead of the full semantics (sse-float.ts); whatever is unusual defers the
 * instruction to the tier below.
 */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { MXCSR_CELL } from '../layout.ts';
import { ARITH, LANES, LOAD, OPS, PACKED, SQRT, STORE, type Float } from './sse-float.ts';
import type { Semantics } from './semantics.ts';

const VECTOR = { f32: 'f32x4', f64: 'f64x2' } as const;
const INT_VECTOR = { f32: 'i32x4', f64: 'i64x2' } as const;
const MANTISSA = { f32: 23, f64: 52 } as const;
/** Smallest normal number. */
const MIN = { f32: 2 ** -126, f64: 2 ** -1022 } as const;

const constant = (b: Builder, f: Float, value: number): Node =>
  f === 'f64' ? b.f64(value) : b.f32(value);

const bitsOf = (b: Builder, f: Float, x: Node): Node =>
  b.op(f === 'f64' ? 'i64.reinterpret_f64' : 'i32.reinterpret_f32', x);

/**
 * Not 0 unless MXCSR is as it usually is and every exponent is in the middle half: its highest two bits differ. One look
 * serves all operands and the result of an instruction.
 */
function isUnusual(b: Builder, f: Float, values: readonly Node[]): Node {
  const middle = values.map((x) => {
    const bits = bitsOf(b, f, x);
    return b.xor(bits, b.add(bits, bits));
  });
  const mask = b.target.usual!.mask(b);
  const wanted = f === 'f64' ? mask : b.wrap(b.shrU(mask, b.i64(32)));
  return b.eqz(
    b.and(
      middle.reduce((x, y) => b.and(x, y)),
      wanted,
    ),
  );
}

/** Not 0 when an exponent is so close to an end (below 2, or above 0x7fd, of a double's) that the result may be inexact. */
function isAtEdge(b: Builder, f: Float, x: Node): Node {
  const exponent = b.wrap(b.shrU(bitsOf(b, f, x), f === 'f64' ? b.i64(52) : b.i32(23)));
  return b.eqz(b.and(b.add(exponent, b.i32(2)), b.i32(f === 'f64' ? 0x7fc : 0xfc)));
}

/** MXCSR is not as it usually is, if only because its inexact flag is clear. */
const isAltered = (b: Builder): Node => b.eqz(b.target.usual!.mask(b));

/** MXCSR unmasks, rounds otherwise or flushes. When it is but the inexact flag that is clear, exact results are as usual. */
function isStrange(b: Builder): Node {
  const control = b.and(b.load('i32.load', b.i32(MXCSR_CELL)), b.i32(0xffc0));
  return b.ne(control, b.i32(0x1f80));
}

/** Defers unless `fits`, and the result is `exact` where inexact ones would show in MXCSR. */
function needExact(b: Builder, fits: Node, exact: () => Node): void {
  b.unlikely(b.or(b.eqz(fits), isAltered(b)), () => {
    b.unlikely(b.or(b.eqz(b.and(fits, exact())), isStrange(b)), () => b.target.usual!.defer(b));
  });
}

/** Not 0 for a normal number or zero. */
function isPlain(b: Builder, f: Float, x: Node): Node {
  const magnitude = b.op(`${f}.abs`, x);
  const normal = b.and(
    b.op(`${f}.ge`, magnitude, constant(b, f, MIN[f])),
    b.op(`${f}.lt`, magnitude, constant(b, f, Infinity)),
  );
  return b.or(normal, isZero(b, f, x));
}

/** Not 0 for what compares without an exception: a normal number, zero or infinity. */
function isComparable(b: Builder, f: Float, x: Node): Node {
  const normal = b.op(`${f}.ge`, b.op(`${f}.abs`, x), constant(b, f, MIN[f]));
  return b.or(normal, isZero(b, f, x));
}

const isZero = (b: Builder, f: Float, x: Node): Node => b.op(`${f}.eq`, x, constant(b, f, 0));

/** Those of some values of which it is not known that they are, or all of their lanes are, normal numbers or zero. */
const unknownOf = (b: Builder, f: Float, values: readonly Node[]): Node[] =>
  [...new Set(values)].filter((x) => !b.target.usual!.isPlain(x, f));

/** Defers unless every value `fits`. */
function need(
  b: Builder,
  f: Float,
  values: readonly Node[],
  fits: (b: Builder, f: Float, x: Node) => Node,
): void {
  const unknown = unknownOf(b, f, values);
  if (unknown.length > 0) b.unlikely(isUnusual(b, f, unknown), () => needAll(b, f, unknown, fits));
}

/** The same, looked at one by one. */
function needAll(
  b: Builder,
  f: Float,
  values: readonly Node[],
  fits: (b: Builder, f: Float, x: Node) => Node,
): void {
  const fine = values.map((x) => fits(b, f, x)).reduce((x, y) => b.and(x, y), b.i32(1));
  b.unlikely(b.or(b.eqz(fine), isStrange(b)), () => b.target.usual!.defer(b));
}

function markPlain(b: Builder, f: Float, values: readonly Node[]): void {
  for (const x of values) b.target.usual!.markPlain(x, f);
}

/** Defers unless the operands are normal numbers or zero. */
function needPlain(b: Builder, f: Float, ...values: Node[]): void {
  need(b, f, values, isPlain);
  markPlain(b, f, values);
}

/**
 * A result that is ordinary, or zero where that is exact, of plain operands. With the inexact flag clear, what the full
 * semantics give (they look whether it is exact), unless that is not plain; else defers.
 */
function ordinaryOr(
  b: Builder,
  f: Float,
  value: Node,
  operands: readonly Node[],
  exactZero: () => Node,
  full: () => Node,
): Node {
  const { usual } = b.target;
  const r = b.var(value);
  const unknown = unknownOf(b, f, operands);
  b.unlikely(isUnusual(b, f, [...unknown, b.value(r)]), () => {
    needAll(b, f, unknown, isPlain);
    const zero = b.and(isZero(b, f, b.value(r)), exactZero());
    const fine = b.or(zero, b.eqz(isAtEdge(b, f, b.value(r))));
    b.unlikely(b.or(b.eqz(fine), isAltered(b)), () => {
      b.unlikely(b.eqz(isAltered(b)), () => usual!.defer(b));
      b.assign(r, full());
      usual!.refresh(b);
      // Doing it again changes nothing: flags stay once they are set.
      b.unlikely(b.eqz(isPlain(b, f, b.value(r))), () => usual!.defer(b));
    });
  });
  const result = b.value(r);
  markPlain(b, f, [...unknown, result]);
  return result;
}

type Operation = 'add' | 'sub' | 'mul' | 'div';

const arithmetic =
  (f: Float, op: Operation): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    const r = b.op(`${f}.${op}`, x, y);
    const exactZero = (): Node => {
      if (op === 'add' || op === 'sub') return b.i32(1);
      const zero = isZero(b, f, x);
      return op === 'mul' ? b.or(zero, isZero(b, f, y)) : zero;
    };
    const full = (): Node => b.call(ARITH[f][OPS.indexOf(op)]!, x, y);
    b.setAs(dst!, STORE[f], ordinaryOr(b, f, r, [x, y], exactZero, full));
  };

const sqrt =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const x = b.getAs(src!, LOAD[f]);
    const r = b.op(`${f}.sqrt`, x);
    const full = (): Node => b.call(SQRT[f], x);
    b.setAs(
      dst!,
      STORE[f],
      ordinaryOr(b, f, r, [x], () => b.i32(1), full),
    );
  };

// ---- vectors

const splat = (b: Builder, f: Float, bits: bigint): Node =>
  b.v128(
    Array.from({ length: 16 }, (_, i) => {
      const at = i % (16 / LANES[f]);
      return Number((bits >> BigInt(at * 8)) & 0xffn);
    }),
  );

/** As {@link isUnusual}, of every lane. */
function hasUnusualLane(b: Builder, f: Float, values: readonly Node[]): Node {
  const type = INT_VECTOR[f];
  const middle = values.map((v) => b.op('v128.xor', v, b.op(`${type}.shl`, v, b.i32(1))));
  const all = middle.reduce((x, y) => b.op('v128.and', x, y));
  const signs = b.op(`${type}.bitmask`, b.op(`${type}.shl`, all, b.i32(1)));
  return b.ne(signs, b.target.usual!.lanes(b, f));
}

const abs = (b: Builder, f: Float, v: Node): Node => b.op(`${VECTOR[f]}.abs`, v);
const zeros = (b: Builder, f: Float, v: Node): Node => b.op(`${VECTOR[f]}.eq`, v, splat(b, f, 0n));

/** All ones in the lanes that hold a normal number or zero. */
function plainLanes(b: Builder, f: Float, v: Node): Node {
  const magnitude = abs(b, f, v);
  const min = splat(b, f, 1n << BigInt(MANTISSA[f]));
  const infinity = splat(b, f, f === 'f64' ? 0x7ffn << 52n : 0xffn << 23n);
  const normal = b.op('v128.and', b.op(`${VECTOR[f]}.ge`, magnitude, min), b.op(`${VECTOR[f]}.lt`, magnitude, infinity)); // prettier-ignore
  return b.op('v128.or', normal, zeros(b, f, v));
}

/** Defers unless every lane is a normal number or zero, looked at one by one. */
function needAllLanes(b: Builder, f: Float, values: readonly Node[]): void {
  const plain = values.map((v) => plainLanes(b, f, v));
  const fine = plain.reduce((x, y) => b.op('v128.and', x, y), all(b));
  const isFine = b.op(`${INT_VECTOR[f]}.all_true`, fine);
  b.unlikely(b.or(b.eqz(isFine), isStrange(b)), () => b.target.usual!.defer(b));
}

function needPlainLanes(b: Builder, f: Float, ...values: Node[]): void {
  const unknown = unknownOf(b, f, values);
  if (unknown.length > 0)
    b.unlikely(hasUnusualLane(b, f, unknown), () => needAllLanes(b, f, unknown));
  markPlain(b, f, values);
}

/** As {@link ordinaryOr}, in every lane. */
function ordinaryLanesOr(
  b: Builder,
  f: Float,
  value: Node,
  operands: readonly Node[],
  exactZero: () => Node,
  full: (() => Node) | undefined,
): Node {
  const { usual } = b.target;
  const type = INT_VECTOR[f];
  const r = b.var(value);
  const unknown = unknownOf(b, f, operands);
  b.unlikely(hasUnusualLane(b, f, [...unknown, b.value(r)]), () => {
    needAllLanes(b, f, unknown);
    // Lanes whose exponent is far from both ends, and zeros that are exact.
    const limit = splat(b, f, 2n << BigInt(MANTISSA[f]));
    const top = splat(b, f, f === 'f64' ? 0x7fen << 52n : 0xfen << 23n);
    const magnitude = abs(b, f, b.value(r));
    const middle = b.op('v128.and', b.op(`${VECTOR[f]}.ge`, magnitude, limit), b.op(`${VECTOR[f]}.lt`, magnitude, top)); // prettier-ignore
    const zero = b.op('v128.and', zeros(b, f, b.value(r)), exactZero());
    const fine = b.op(`${type}.all_true`, b.op('v128.or', middle, zero));
    b.unlikely(b.or(b.eqz(fine), isAltered(b)), () => {
      b.unlikely(b.eqz(isAltered(b)), () => usual!.defer(b));
      if (!full) return usual!.defer(b);
      b.assign(r, full());
      usual!.reload(b);
      const plain = b.op(`${type}.all_true`, plainLanes(b, f, b.value(r)));
      b.unlikely(b.eqz(plain), () => usual!.defer(b));
    });
  });
  const result = b.value(r);
  markPlain(b, f, [...unknown, result]);
  return result;
}

const all = (b: Builder): Node => b.v128(Array.from({ length: 16 }, () => 0xff));

const packed =
  (f: Float, op: Operation): Semantics =>
  (b, [dst, src]) => {
    const y = b.get(src!);
    const x = b.get(dst!);
    const r = b.op(`${VECTOR[f]}.${op}`, x, y);
    const exactZero = (): Node => {
      if (op === 'add' || op === 'sub') return all(b);
      const zero = zeros(b, f, x);
      return op === 'mul' ? b.op('v128.or', zero, zeros(b, f, y)) : zero;
    };
    const full = (): Node => b.call(PACKED[f][OPS.indexOf(op)]!, x, y);
    b.set(dst!, ordinaryLanesOr(b, f, r, [x, y], exactZero, full));
  };

const sqrtPacked =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const x = b.get(src!);
    const r = b.op(`${VECTOR[f]}.sqrt`, x);
    b.set(
      dst!,
      ordinaryLanesOr(b, f, r, [x], () => all(b), undefined),
    );
  };

// ---- comparisons

const comis =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    need(b, f, [x, y], isComparable);
    b.flags.float(x, y, b.or(b.shl(b.op(`${f}.eq`, x, y), b.i32(6)), b.op(`${f}.lt`, x, y)));
  };

const extreme =
  (f: Float, compare: 'lt' | 'gt'): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    need(b, f, [x, y], isComparable);
    const r = b.select(b.op(`${f}.${compare}`, x, y), x, y);
    const { usual } = b.target;
    if (usual!.isPlain(x, f) && usual!.isPlain(y, f)) usual!.markPlain(r, f);
    b.setAs(dst!, STORE[f], r);
  };

const extremePacked =
  (f: Float, op: 'pmin' | 'pmax'): Semantics =>
  (b, [dst, src]) => {
    const y = b.get(src!);
    const x = b.get(dst!);
    needPlainLanes(b, f, x, y);
    const r = b.op(`${VECTOR[f]}.${op}`, y, x);
    b.target.usual!.markPlain(r, f);
    b.set(dst!, r);
  };

/** The comparison that a predicate names, and whether its negation is meant (SDM vol. 2, CMPPD). */
const PREDICATES = ['eq', 'lt', 'le', undefined] as const;

/** A predicate other than UNORD and ORD, which without NaNs are constant, is known when code is generated. */
function predicateOf(b: Builder, o: Operand): { compare: string | undefined; negated: boolean } {
  const value = b.get(o).imm as number;
  return { compare: PREDICATES[value & 3], negated: (value & 4) !== 0 };
}

const comparePacked =
  (f: Float): Semantics =>
  (b, [dst, src, predicate]) => {
    const y = b.get(src!);
    const x = b.get(dst!);
    needPlainLanes(b, f, x, y);
    const { compare, negated } = predicateOf(b, predicate!);
    const mask = compare ? b.op(`${VECTOR[f]}.${compare}`, x, y) : splat(b, f, 0n);
    b.set(dst!, negated ? b.op('v128.not', mask) : mask);
  };

const compareScalar =
  (f: Float): Semantics =>
  (b, [dst, src, predicate]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    need(b, f, [x, y], isComparable);
    const { compare, negated } = predicateOf(b, predicate!);
    const holds = compare ? b.op(`${f}.${compare}`, x, y) : b.i32(0);
    const wanted = negated ? b.eqz(holds) : holds;
    const mask = b.sub(b.i32(0), wanted);
    b.setAs(dst!, f === 'f64' ? 'i64.store' : 'i32.store', f === 'f64' ? b.extendS(mask) : mask);
  };

// ---- conversions

const fromInt =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const { usual } = b.target;
    const value = b.get(src!);
    // A double holds every integer of 32 bits, whatever the rounding mode.
    const r = b.op(`${f}.convert_${value.type}_s`, value);
    if (f === 'f32' || value.type === 'i64')
      needExact(
        b,
        b.op(`${f}.lt`, r, constant(b, f, value.type === 'i64' ? 2 ** 63 : 2 ** 31)),
        () => b.eq(b.op(`${value.type}.trunc_sat_${f}_s`, r), value),
      );
    usual!.markPlain(r, f);
    b.setAs(dst!, STORE[f], r);
  };

const toInt =
  (f: Float, truncate: boolean): Semantics =>
  (b, [dst, src]) => {
    const x = b.getAs(src!, LOAD[f]);
    const whole = truncate ? x : b.op(`${f}.nearest`, x);
    const limit = b.width === 64 ? 2 ** 63 : 2 ** 31;
    const fits = b.op(`${f}.lt`, b.op(`${f}.abs`, whole), constant(b, f, limit));
    needExact(b, fits, () => b.op(`${f}.eq`, b.op(`${f}.trunc`, x), x));
    b.set(dst!, b.op(`${b.width === 64 ? 'i64' : 'i32'}.trunc_sat_${f}_s`, whole));
  };

const widen: Semantics = (b, [dst, src]) => {
  const x = b.getAs(src!, 'f32.load');
  needPlain(b, 'f32', x);
  const r = b.op('f64.promote_f32', x);
  b.target.usual!.markPlain(r, 'f64');
  b.setAs(dst!, 'f64.store', r);
};

const narrow: Semantics = (b, [dst, src]) => {
  const x = b.getAs(src!, 'f64.load');
  needPlain(b, 'f64', x);
  const r = b.op('f32.demote_f64', x);
  // An exact result is as it was: the other one is deferred.
  b.unlikely(isUnusual(b, 'f32', [r]), () => {
    const exact = b.and(b.op('f64.eq', b.op('f64.promote_f32', r), x), isPlain(b, 'f32', r));
    b.unlikely(b.or(b.eqz(exact), isStrange(b)), () => b.target.usual!.defer(b));
  });
  b.target.usual!.markPlain(r, 'f32');
  b.setAs(dst!, 'f32.store', r);
};

const toIntPacked =
  (truncate: boolean): Semantics =>
  (b, [dst, src]) => {
    const x = b.get(src!);
    const whole = truncate ? x : b.op('f32x4.nearest', x);
    const limit = splat(b, 'f32', 0x4f00_0000n);
    const fits = b.op('i32x4.all_true', b.op('f32x4.lt', abs(b, 'f32', whole), limit));
    needExact(b, fits, () => b.op('i32x4.all_true', b.op('f32x4.eq', b.op('f32x4.trunc', x), x)));
    b.set(dst!, b.op('i32x4.trunc_sat_f32x4_s', whole));
  };

const fromIntPacked: Semantics = (b, [dst, src]) => {
  const x = b.get(src!);
  const r = b.op('f32x4.convert_i32x4_s', x);
  const below = b.op('i32x4.all_true', b.op('f32x4.lt', r, splat(b, 'f32', 0x4f00_0000n)));
  needExact(b, below, () =>
    b.op('i32x4.all_true', b.op('i32x4.eq', b.op('i32x4.trunc_sat_f32x4_s', r), x)),
  );
  b.target.usual!.markPlain(r, 'f32');
  b.set(dst!, r);
};

const fromIntPackedWide: Semantics = (b, [dst, src]) => {
  const x = b.getAs(src!, src!.kind === 'mem' ? 'v128.load64_zero' : 'v128.load');
  b.set(dst!, b.op('f64x2.convert_low_i32x4_s', x));
};

function forBoth(make: (f: Float) => Record<string, Semantics>): Record<string, Semantics> {
  return { ...make('f32'), ...make('f64') };
}

/** By the names of the full semantics. */
export const sseUsual: Readonly<Record<string, Semantics>> = {
  ...forBoth((f) => {
    const s = f === 'f32' ? 'ss' : 'sd';
    const p = f === 'f32' ? 'ps' : 'pd';
    const operations = (['add', 'sub', 'mul', 'div'] as const).flatMap((op) => [
      [op + s, arithmetic(f, op)] as const,
      [op + p, packed(f, op)] as const,
    ]);
    return {
      ...Object.fromEntries(operations),
      [`sqrt${s}`]: sqrt(f),
      [`sqrt${p}`]: sqrtPacked(f),
      [`min${s}`]: extreme(f, 'lt'),
      [`max${s}`]: extreme(f, 'gt'),
      [`min${p}`]: extremePacked(f, 'pmin'),
      [`max${p}`]: extremePacked(f, 'pmax'),
      [`comi${s}`]: comis(f),
      [`ucomi${s}`]: comis(f),
      [`cmp${s}`]: compareScalar(f),
      [`cmp${p}`]: comparePacked(f),
      [`cvtsi2${s}`]: fromInt(f),
      [`cvt${s}2si`]: toInt(f, false),
      [`cvtt${s}2si`]: toInt(f, true),
    };
  }),
  cvtss2sd: widen,
  cvtsd2ss: narrow,
  cvtps2dq: toIntPacked(false),
  cvttps2dq: toIntPacked(true),
  cvtdq2ps: fromIntPacked,
  cvtdq2pd: fromIntPackedWide,
};
