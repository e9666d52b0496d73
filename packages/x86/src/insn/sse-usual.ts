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
 * Not 0 unless the exponent is far from both ends (exponents 2 to 0x7fd, of a double), and MXCSR is as it usually is: adding
 * 2 carries the highest two out of the bits looked at, and leaves the lowest two below them.
 */
function suspicious(b: Builder, f: Float, x: Node): Node {
  const exponent = b.wrap(b.shrU(bitsOf(b, f, x), f === 'f64' ? b.i64(52) : b.i32(23)));
  const looked = b.and(b.add(exponent, b.i32(2)), b.target.usual!.exponents(b));
  return b.eqz(f === 'f64' ? looked : b.and(looked, b.i32(0xfc)));
}

const isUnusual = (b: Builder): Node => b.eqz(b.target.usual!.exponents(b));

/** MXCSR unmasks, rounds otherwise or flushes. When it is but the inexact flag that is clear, exact results are as usual. */
function isStrange(b: Builder): Node {
  const control = b.and(b.load('i32.load', b.i32(MXCSR_CELL)), b.i32(0xffc0));
  return b.ne(control, b.i32(0x1f80));
}

/** Defers unless `fits`, and the result is `exact` where inexact ones would show in MXCSR. */
function needExact(b: Builder, fits: Node, exact: () => Node): void {
  b.unlikely(b.or(b.eqz(fits), isUnusual(b)), () => {
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

const isZero = (b: Builder, f: Float, x: Node): Node => b.op(`${f}.eq`, x, constant(b, f, 0));

/** Defers unless an operand is a normal number or zero. */
function needPlain(b: Builder, f: Float, x: Node): void {
  const { usual } = b.target;
  if (usual!.isPlain(x, f)) return;
  b.unlikely(suspicious(b, f, x), () => {
    b.unlikely(b.or(b.eqz(isPlain(b, f, x)), isStrange(b)), () => usual!.defer(b));
  });
  usual!.markPlain(x, f);
}

/**
 * A result that is ordinary, or zero where that is exact. With the inexact flag clear, what the full semantics give
 * (they look whether it is exact), unless that is not plain; else defers.
 */
function ordinaryOr(
  b: Builder,
  f: Float,
  value: Node,
  exactZero: () => Node,
  full: () => Node,
): Node {
  const { usual } = b.target;
  const r = b.var(value);
  b.unlikely(suspicious(b, f, b.value(r)), () => {
    const fine = b.and(b.and(isZero(b, f, b.value(r)), exactZero()), b.eqz(isUnusual(b)));
    b.unlikely(b.eqz(fine), () => {
      b.unlikely(b.or(isStrange(b), b.eqz(isUnusual(b))), () => usual!.defer(b));
      b.assign(r, full());
      usual!.refresh(b);
      // Doing it again changes nothing: flags stay once they are set.
      b.unlikely(b.eqz(isPlain(b, f, b.value(r))), () => usual!.defer(b));
    });
  });
  const result = b.value(r);
  usual!.markPlain(result, f);
  return result;
}

type Operation = 'add' | 'sub' | 'mul' | 'div';

const arithmetic =
  (f: Float, op: Operation): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needPlain(b, f, x);
    needPlain(b, f, y);
    const r = b.op(`${f}.${op}`, x, y);
    const exactZero = (): Node => {
      if (op === 'add' || op === 'sub') return b.i32(1);
      const zero = isZero(b, f, x);
      return op === 'mul' ? b.or(zero, isZero(b, f, y)) : zero;
    };
    const full = (): Node => b.call(ARITH[f][OPS.indexOf(op)]!, x, y);
    b.setAs(dst!, STORE[f], ordinaryOr(b, f, r, exactZero, full));
  };

const sqrt =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const x = b.getAs(src!, LOAD[f]);
    needPlain(b, f, x);
    const full = (): Node => b.call(SQRT[f], x);
    b.setAs(
      dst!,
      STORE[f],
      ordinaryOr(b, f, b.op(`${f}.sqrt`, x), () => b.i32(1), full),
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

/** Not 0 unless every lane has an exponent as {@link suspicious} wants it. */
function suspiciousLanes(b: Builder, f: Float, v: Node): Node {
  const type = INT_VECTOR[f];
  const exponents = b.op(`${type}.shr_u`, v, b.i32(MANTISSA[f]));
  const moved = b.op(`${type}.add`, exponents, splat(b, f, 2n));
  const looked = b.op('v128.and', moved, b.target.usual!.exponentLanes(b, f));
  return b.eqz(b.op(`${type}.all_true`, looked));
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

function needPlainLanes(b: Builder, f: Float, v: Node): void {
  const { usual } = b.target;
  if (usual!.isPlain(v, f)) return;
  b.unlikely(suspiciousLanes(b, f, v), () => {
    const fine = b.op(`${INT_VECTOR[f]}.all_true`, plainLanes(b, f, v));
    b.unlikely(b.or(b.eqz(fine), isStrange(b)), () => usual!.defer(b));
  });
  usual!.markPlain(v, f);
}

/** As {@link ordinaryOr}, in every lane. */
function ordinaryLanesOr(
  b: Builder,
  f: Float,
  value: Node,
  exactZero: () => Node,
  full: (() => Node) | undefined,
): Node {
  const { usual } = b.target;
  const type = INT_VECTOR[f];
  const r = b.var(value);
  b.unlikely(suspiciousLanes(b, f, b.value(r)), () => {
    // Lanes whose exponent is in the middle, and zeros that are exact.
    const limit = splat(b, f, 2n << BigInt(MANTISSA[f]));
    const top = splat(b, f, f === 'f64' ? 0x7fen << 52n : 0xfen << 23n);
    const magnitude = abs(b, f, b.value(r));
    const middle = b.op('v128.and', b.op(`${VECTOR[f]}.ge`, magnitude, limit), b.op(`${VECTOR[f]}.lt`, magnitude, top)); // prettier-ignore
    const zero = b.op('v128.and', zeros(b, f, b.value(r)), exactZero());
    const fine = b.op(`${type}.all_true`, b.op('v128.or', middle, zero));
    b.unlikely(b.or(b.eqz(fine), isUnusual(b)), () => {
      b.unlikely(b.or(isStrange(b), b.eqz(isUnusual(b))), () => usual!.defer(b));
      if (!full) return usual!.defer(b);
      b.assign(r, full());
      usual!.refresh(b);
      const plain = b.op(`${type}.all_true`, plainLanes(b, f, b.value(r)));
      b.unlikely(b.eqz(plain), () => usual!.defer(b));
    });
  });
  const result = b.value(r);
  usual!.markPlain(result, f);
  return result;
}

const all = (b: Builder): Node => b.v128(Array.from({ length: 16 }, () => 0xff));

const packed =
  (f: Float, op: Operation): Semantics =>
  (b, [dst, src]) => {
    const y = b.get(src!);
    const x = b.get(dst!);
    needPlainLanes(b, f, x);
    needPlainLanes(b, f, y);
    const r = b.op(`${VECTOR[f]}.${op}`, x, y);
    const exactZero = (): Node => {
      if (op === 'add' || op === 'sub') return all(b);
      const zero = zeros(b, f, x);
      return op === 'mul' ? b.op('v128.or', zero, zeros(b, f, y)) : zero;
    };
    const full = (): Node => b.call(PACKED[f][OPS.indexOf(op)]!, x, y);
    b.set(dst!, ordinaryLanesOr(b, f, r, exactZero, full));
  };

const sqrtPacked =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const x = b.get(src!);
    needPlainLanes(b, f, x);
    b.set(
      dst!,
      ordinaryLanesOr(b, f, b.op(`${VECTOR[f]}.sqrt`, x), () => all(b), undefined),
    );
  };

// ---- comparisons

/** Defers unless an operand is a normal number, zero or infinite: what compares without an exception. */
function needComparable(b: Builder, f: Float, x: Node): void {
  const { usual } = b.target;
  if (usual!.isPlain(x, f)) return;
  b.unlikely(suspicious(b, f, x), () => {
    const normal = b.op(`${f}.ge`, b.op(`${f}.abs`, x), constant(b, f, MIN[f]));
    const fine = b.or(normal, isZero(b, f, x));
    b.unlikely(b.or(b.eqz(fine), isStrange(b)), () => usual!.defer(b));
  });
}

const comis =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needComparable(b, f, x);
    needComparable(b, f, y);
    b.flags.float(x, y, b.or(b.shl(b.op(`${f}.eq`, x, y), b.i32(6)), b.op(`${f}.lt`, x, y)));
  };

const extreme =
  (f: Float, compare: 'lt' | 'gt'): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needComparable(b, f, x);
    needComparable(b, f, y);
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
    needPlainLanes(b, f, x);
    needPlainLanes(b, f, y);
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
    needPlainLanes(b, f, x);
    needPlainLanes(b, f, y);
    const { compare, negated } = predicateOf(b, predicate!);
    const mask = compare ? b.op(`${VECTOR[f]}.${compare}`, x, y) : splat(b, f, 0n);
    b.set(dst!, negated ? b.op('v128.not', mask) : mask);
  };

const compareScalar =
  (f: Float): Semantics =>
  (b, [dst, src, predicate]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needComparable(b, f, x);
    needComparable(b, f, y);
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
  b.unlikely(suspicious(b, 'f32', r), () => {
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
