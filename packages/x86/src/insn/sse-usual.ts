/**
 * SSE floating point where nothing is unusual: MXCSR masks all exceptions, rounds to nearest, does not flush and has the
 * inexact flag set already, and every number is normal or zero. Then an instruction is WebAssembly's own and changes no
 * flag. A tier that compiles takes these instead of the full semantics (sse-float.ts); whatever is unusual defers the
 * instruction to the tier below.
 *
 * As long as numbers are tame, that is in the middle of their range or zero (exponents.ts), what follows from that needs no look:
 * those that are not are deferred, and counted. Where there are many, code is made that takes all normal numbers.
 */
import type { Builder } from '../ir/builder.ts';
import type { Node, Var } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { MXCSR_CELL } from '../layout.ts';
import { dividendOf, divisorOf, either, factorOf, isNormal, MANTISSA, MIDDLE, NORMAL, productOf, type Range, squareOf, sumOf, union } from './exponents.ts'; // prettier-ignore
import {
  ARITH,
  int,
  LANES,
  LOAD,
  magnitude,
  OPS,
  PACKED,
  SQRT,
  STORE,
  type Float,
} from './sse-float.ts';
import type { Semantics } from './semantics.ts';

const VECTOR = { f32: 'f32x4', f64: 'f64x2' } as const;
const INT_VECTOR = { f32: 'i32x4', f64: 'i64x2' } as const;
/** Smallest normal number. */
const MIN = { f32: 2 ** -126, f64: 2 ** -1022 } as const;

const constant = (b: Builder, f: Float, value: number): Node =>
  f === 'f64' ? b.f64(value) : b.f32(value);

const bitsOf = (b: Builder, f: Float, x: Node): Node =>
  b.op(f === 'f64' ? 'i64.reinterpret_f64' : 'i32.reinterpret_f32', x);

/** What an exponent at the low end of {@link MIDDLE} is, with the sign shifted out: it is taken off. */
export const LOWEST: Readonly<Record<Float, bigint>> = { f32: -(64n << 24n), f64: -(768n << 53n) };
/** Then what is in the middle is below this. */
const LIMIT = { f32: 1n << 31n, f64: 1n << 62n } as const;

/** The exponent's distance from the low end of the middle, in the highest bits. */
const spread = (b: Builder, f: Float, x: Node): Node => b.add(magnitude(b, f, x), lowest(b, f));

const lowest = (b: Builder, f: Float): Node =>
  (f === 'f64' && b.target.usual?.lowest(b)) || int(b, f, LOWEST[f]);

const SPREAD = {
  f32: (b: Builder, x: Node): Node => spread(b, 'f32', x),
  f64: (b: Builder, x: Node): Node => spread(b, 'f64', x),
} as const;

const isMiddle = (b: Builder, f: Float, x: Node): Node =>
  b.ltU(spread(b, f, x), int(b, f, LIMIT[f]));

/** Not 0 unless MXCSR is as it usually is and every exponent is in the middle. One look serves all values of an instruction. */
function isUnusual(b: Builder, f: Float, values: readonly Node[]): Node {
  const { usual } = b.target;
  const spreads = values.map((x) => usual!.spreadOf(b, x, SPREAD[f]));
  const all = spreads.reduce((x, y) => b.or(x, y));
  return b.op(`${all.type}.ge_u`, all, usual!.limit(b, f));
}

/** Not 0 when an exponent is so close to an end (below 2, or above 0x7fd, of a double's) that the result may be inexact. */
function isAtEdge(b: Builder, f: Float, x: Node): Node {
  const exponent = b.wrap(b.shrU(bitsOf(b, f, x), int(b, f, BigInt(MANTISSA[f]))));
  return b.eqz(b.and(b.add(exponent, b.i32(2)), b.i32(f === 'f64' ? 0x7fc : 0xfc)));
}

/** MXCSR is not as it usually is, if only because its inexact flag is clear. */
const isAltered = (b: Builder): Node => b.eqz(b.target.usual!.limit(b, 'f32'));

/** MXCSR unmasks, rounds otherwise or flushes. When it is but the inexact flag that is clear, exact results are as usual. */
function isStrange(b: Builder): Node {
  const control = b.and(b.load('i32.load', b.i32(MXCSR_CELL)), b.i32(0xffc0));
  return b.ne(control, b.i32(0x1f80));
}

/** Defers unless `fits`, and the result is `exact` where inexact ones would show in MXCSR. */
function needExact(b: Builder, fits: Node, exact: () => Node): void {
  b.unlikely(b.or(b.eqz(fits), isAltered(b)), () => deferUnlessExact(b, fits, exact));
}

function deferUnlessExact(b: Builder, fits: Node, exact: () => Node): void {
  b.unlikely(b.or(b.eqz(b.and(fits, exact())), isStrange(b)), () => b.target.usual!.defer(b));
}

/** The same for all lanes, of which those that fit are all ones. */
function needExactLanes(b: Builder, fitting: Node, exact: () => Node): void {
  const others = b.xor(b.op('i32x4.bitmask', fitting), b.i32(0xf));
  b.unlikely(b.ne(others, b.target.usual!.lanes(b)), () => {
    deferUnlessExact(b, b.eqz(others), () => b.op('i32x4.all_true', exact()));
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

/** What is known of a value that has been looked at. */
const seen = (b: Builder, f: Float): Range => (b.target.usual!.isTame ? MIDDLE[f] : NORMAL[f]);

/** Those of some values of which nothing is known. */
const unknownOf = (b: Builder, f: Float, values: readonly Node[]): Node[] =>
  [...new Set(values)].filter((x) => !b.target.usual!.known(x, f));

/** Leaves an instruction to tier 0, for numbers that are not in the middle though they are expected there. */
function deferWild(b: Builder): void {
  b.target.usual!.countWild(b);
  b.target.usual!.defer(b);
}

/** Defers unless every value compares without an exception. */
function needComparable(b: Builder, f: Float, values: readonly Node[]): void {
  const unknown = unknownOf(b, f, values);
  if (unknown.length === 0) return;
  b.unlikely(isUnusual(b, f, unknown), () => {
    const fine = unknown.map((x) => isComparable(b, f, x)).reduce((x, y) => b.and(x, y));
    b.unlikely(b.or(b.eqz(fine), isStrange(b)), () => b.target.usual!.defer(b));
  });
}

function know(b: Builder, f: Float, values: readonly Node[], range: Range): void {
  for (const x of values) b.target.usual!.know(x, f, range, true);
}

/** How the numbers of one format are looked at: one, or all lanes of a vector. Conditions are not 0, or all ones in a lane. */
interface Looks {
  isUnusual(b: Builder, f: Float, values: readonly Node[]): Node;
  isMiddle(b: Builder, f: Float, x: Node): Node;
  isPlain(b: Builder, f: Float, x: Node): Node;
  isZero(b: Builder, f: Float, x: Node): Node;
  /** A result that is not so close to an end that it may be inexact. */
  isInner(b: Builder, f: Float, x: Node): Node;
  and(b: Builder, x: Node, y: Node): Node;
  or(b: Builder, x: Node, y: Node): Node;
  /** Of a condition, for all lanes. */
  all(b: Builder, f: Float, x: Node): Node;
  always(b: Builder): Node;
}

const SCALAR: Looks = {
  isUnusual,
  isMiddle,
  isPlain,
  isZero,
  isInner: (b, f, x) => b.eqz(isAtEdge(b, f, x)),
  and: (b, x, y) => b.and(x, y),
  or: (b, x, y) => b.or(x, y),
  all: (_b, _f, x) => x,
  always: (b) => b.i32(1),
};

/** Defers unless values are zero or as numbers are expected to be: in the middle, or just normal. */
function needSeen(b: Builder, f: Float, looks: Looks, values: readonly Node[]): void {
  const unknown = unknownOf(b, f, values);
  if (unknown.length === 0) return;
  b.unlikely(looks.isUnusual(b, f, unknown), () => needEach(b, f, looks, unknown));
  know(b, f, unknown, seen(b, f));
}

/** The same, looked at one by one. */
function needEach(b: Builder, f: Float, looks: Looks, values: readonly Node[]): void {
  const { isTame } = b.target.usual!;
  const each = values.map((x) => {
    if (!isTame) return looks.isPlain(b, f, x);
    return looks.or(b, looks.isMiddle(b, f, x), looks.isZero(b, f, x));
  });
  const fine = looks.all(
    b,
    f,
    each.length > 0 ? each.reduce((x, y) => looks.and(b, x, y)) : looks.always(b),
  );
  const strange = isTame ? isAltered(b) : isStrange(b);
  b.unlikely(b.or(b.eqz(fine), strange), () => (isTame ? deferWild(b) : b.target.usual!.defer(b)));
}

type Operation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** Which values of an instruction are looked at, and what is known of all of them afterwards. */
interface Plan {
  readonly operands: readonly Node[];
  readonly result: boolean;
  readonly ranges: ReadonlyMap<Node, Range>;
  /** Of the result. */
  readonly range: Range;
}

/** As few looks as what is known of the operands allows. */
function planOf(b: Builder, f: Float, op: Operation, x: Node, y: Node): Plan {
  const usual = b.target.usual!;
  const span = seen(b, f);
  const unknown = unknownOf(b, f, [x, y]);
  const ranges = new Map(unknown.map((node) => [node, span]));
  const of = (node: Node): Range => usual.known(node, f)?.range ?? span;
  const range = op === 'mul' ? productOf(of(x), of(y)) : sumOf(f, of(x), of(y));
  const isSum = op === 'add' || op === 'sub';
  if ((isSum || op === 'mul') && isNormal(f, range)) {
    // Whether MXCSR is as usual is seen with a number.
    const isProved = unknown.length > 0 || [x, y].some((node) => usual.known(node, f)!.proved);
    return { operands: unknown, result: !isProved, ranges, range: isProved ? range : span };
  }
  const plan = { operands: unknown, result: true, ranges, range: span };
  const implied = impliedOf(op, x, y, span, unknown, of);
  if (!implied || !isNormal(f, implied.range)) return plan;
  ranges.set(implied.node, union(implied.range, span));
  return { ...plan, operands: unknown.filter((node) => node !== implied.node) };
}

/** An operand that is as it should be when the result and the other one are. */
function impliedOf(
  op: Operation,
  x: Node,
  y: Node,
  r: Range,
  unknown: readonly Node[],
  of: (node: Node) => Range,
): { node: Node; range: Range } | undefined {
  if (op === 'sqrt') return { node: x, range: squareOf(r) };
  if (x === y) return undefined;
  if (op === 'div' && unknown.includes(y)) return { node: y, range: divisorOf(r, of(x)) };
  if (op === 'div' && unknown.includes(x)) return { node: x, range: dividendOf(r, of(y)) };
  if (op !== 'mul' || unknown.length !== 1) return undefined;
  const [node] = unknown;
  return { node: node!, range: factorOf(r, of(node === x ? y : x)) };
}

/**
 * What an operation gives of operands that are as expected: a result that is, too, or zero where that is exact. Where numbers need
 * only be normal, and the inexact flag is clear, it is what the `full` semantics give (they look whether it is exact).
 */
function calculate(
  b: Builder,
  f: Float,
  looks: Looks,
  op: Operation,
  x: Node,
  y: Node,
  value: Node,
  full: (() => Node) | undefined,
): Node {
  const { operands, result, ranges, range } = planOf(b, f, op, x, y);
  const r = b.var(value);
  const looked = result ? [...operands, b.value(r)] : operands;
  const exactZero = (): Node => {
    if (op !== 'mul' && op !== 'div') return looks.always(b);
    const zero = looks.isZero(b, f, x);
    return op === 'mul' ? looks.or(b, zero, looks.isZero(b, f, y)) : zero;
  };
  if (looked.length > 0)
    b.unlikely(looks.isUnusual(b, f, looked), () => {
      if (!b.target.usual!.isTame) b.target.usual!.countWild(b);
      needEach(b, f, looks, [...ranges.keys()]);
      if (result) needResult(b, f, looks, r, exactZero, full);
    });
  for (const [node, known] of ranges) know(b, f, [node], known);
  const calculated = b.value(r);
  know(b, f, [calculated], range);
  return calculated;
}

function needResult(
  b: Builder,
  f: Float,
  looks: Looks,
  r: Var,
  exactZero: () => Node,
  full: (() => Node) | undefined,
): void {
  const usual = b.target.usual!;
  const zero = looks.and(b, looks.isZero(b, f, b.value(r)), exactZero());
  const inner = usual.isTame ? looks.isMiddle : looks.isInner;
  const fine = looks.all(b, f, looks.or(b, inner(b, f, b.value(r)), zero));
  b.unlikely(b.or(b.eqz(fine), isAltered(b)), () => {
    if (usual.isTame) return deferWild(b);
    b.unlikely(b.eqz(isAltered(b)), () => usual.defer(b));
    if (!full) return usual.defer(b);
    b.assign(r, full());
    usual.refresh(b);
    // Doing it again changes nothing: flags stay once they are set.
    const plain = looks.all(b, f, looks.isPlain(b, f, b.value(r)));
    b.unlikely(b.eqz(plain), () => usual.defer(b));
  });
}

const arithmetic =
  (f: Float, op: 'add' | 'sub' | 'mul' | 'div'): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    const r = b.op(`${f}.${op}`, x, y);
    const full = (): Node => b.call(ARITH[f][OPS.indexOf(op)]!, x, y);
    b.setAs(dst!, STORE[f], calculate(b, f, SCALAR, op, x, y, r, full));
  };

const sqrt =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const x = b.getAs(src!, LOAD[f]);
    const r = b.op(`${f}.sqrt`, x);
    const full = (): Node => b.call(SQRT[f], x);
    b.setAs(dst!, STORE[f], calculate(b, f, SCALAR, 'sqrt', x, x, r, full));
  };

// ---- vectors

const splat = (b: Builder, f: Float, bits: bigint): Node =>
  b.v128(
    Array.from({ length: 16 }, (_, i) => {
      const at = i % (16 / LANES[f]);
      return Number((bits >> BigInt(at * 8)) & 0xffn);
    }),
  );

const spreadLanes = (b: Builder, f: Float, v: Node): Node => {
  const type = INT_VECTOR[f];
  return b.op(`${type}.add`, b.op(`${type}.shl`, v, b.i32(1)), splat(b, f, LOWEST[f]));
};

const SPREAD_LANES = {
  f32: (b: Builder, v: Node): Node => spreadLanes(b, 'f32', v),
  f64: (b: Builder, v: Node): Node => spreadLanes(b, 'f64', v),
} as const;

/** The highest bits that are 0 in the middle, of each lane, in its highest one: one of a float's, either of two of a double's. */
function outside(b: Builder, f: Float, spreads: Node): Node {
  if (f === 'f32') return spreads;
  return b.op('i16x8.add_sat_u', spreads, splat(b, f, 0x4000n << 48n));
}

/** As {@link isUnusual}, of every lane. */
function hasUnusualLane(b: Builder, f: Float, values: readonly Node[]): Node {
  const { usual } = b.target;
  const spreads = values.map((v) => usual!.spreadOf(b, v, SPREAD_LANES[f]));
  const all = outside(
    b,
    f,
    spreads.reduce((x, y) => b.op('v128.or', x, y)),
  );
  return b.ne(b.op(`${INT_VECTOR[f]}.bitmask`, all), usual!.lanes(b));
}

/** All ones in lanes whose highest bit is 0. */
const areClear = (b: Builder, f: Float, v: Node): Node =>
  b.op('v128.not', b.op(`${INT_VECTOR[f]}.shr_s`, v, b.i32(f === 'f64' ? 63 : 31)));

const abs = (b: Builder, f: Float, v: Node): Node => b.op(`${VECTOR[f]}.abs`, v);

/** All ones in the lanes whose magnitude is within bounds. */
const between = (b: Builder, f: Float, v: Node, from: bigint, below: bigint): Node =>
  b.op(
    'v128.and',
    b.op(`${VECTOR[f]}.ge`, abs(b, f, v), splat(b, f, from << BigInt(MANTISSA[f]))),
    b.op(`${VECTOR[f]}.lt`, abs(b, f, v), splat(b, f, below << BigInt(MANTISSA[f]))),
  );

/** The exponents of infinity. */
const TOP = { f32: 0xffn, f64: 0x7ffn } as const;

const PACKED_LOOKS: Looks = {
  isUnusual: hasUnusualLane,
  isMiddle: (b, f, v) => areClear(b, f, outside(b, f, spreadLanes(b, f, v))),
  isPlain(b, f, v) {
    return this.or(b, between(b, f, v, 1n, TOP[f]), this.isZero(b, f, v));
  },
  isZero: (b, f, v) => b.op(`${VECTOR[f]}.eq`, v, splat(b, f, 0n)),
  isInner: (b, f, v) => between(b, f, v, 2n, TOP[f] - 1n),
  and: (b, x, y) => b.op('v128.and', x, y),
  or: (b, x, y) => b.op('v128.or', x, y),
  all: (b, f, x) => b.op(`${INT_VECTOR[f]}.all_true`, x),
  always: (b) => b.v128(Array.from({ length: 16 }, () => 0xff)),
};

const packed =
  (f: Float, op: 'add' | 'sub' | 'mul' | 'div'): Semantics =>
  (b, [dst, src]) => {
    const y = b.get(src!);
    const x = b.get(dst!);
    const r = b.op(`${VECTOR[f]}.${op}`, x, y);
    const full = (): Node => b.call(PACKED[f][OPS.indexOf(op)]!, x, y);
    b.set(dst!, calculate(b, f, PACKED_LOOKS, op, x, y, r, full));
  };

const sqrtPacked =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const x = b.get(src!);
    const r = b.op(`${VECTOR[f]}.sqrt`, x);
    b.set(dst!, calculate(b, f, PACKED_LOOKS, 'sqrt', x, x, r, undefined));
  };

// ---- comparisons

/** A value is one of two others. */
function knowEither(b: Builder, f: Float, r: Node, x: Node, y: Node): void {
  const [one, other] = [x, y].map((node) => b.target.usual!.known(node, f));
  if (!one || !other) return;
  const { range, proved } = either(one, other);
  b.target.usual!.know(r, f, range, proved);
}

const comis =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needComparable(b, f, [x, y]);
    b.flags.float(x, y, b.or(b.shl(b.op(`${f}.eq`, x, y), b.i32(6)), b.op(`${f}.lt`, x, y)));
  };

const extreme =
  (f: Float, compare: 'lt' | 'gt'): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needComparable(b, f, [x, y]);
    const r = b.select(b.op(`${f}.${compare}`, x, y), x, y);
    knowEither(b, f, r, x, y);
    b.setAs(dst!, STORE[f], r);
  };

const extremePacked =
  (f: Float, op: 'pmin' | 'pmax'): Semantics =>
  (b, [dst, src]) => {
    const y = b.get(src!);
    const x = b.get(dst!);
    needSeen(b, f, PACKED_LOOKS, [x, y]);
    const r = b.op(`${VECTOR[f]}.${op}`, y, x);
    knowEither(b, f, r, x, y);
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
    needSeen(b, f, PACKED_LOOKS, [x, y]);
    const { compare, negated } = predicateOf(b, predicate!);
    const mask = compare ? b.op(`${VECTOR[f]}.${compare}`, x, y) : splat(b, f, 0n);
    b.set(dst!, negated ? b.op('v128.not', mask) : mask);
  };

const compareScalar =
  (f: Float): Semantics =>
  (b, [dst, src, predicate]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    needComparable(b, f, [x, y]);
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
    // It says nothing of MXCSR.
    usual!.know(r, f, { lo: 0, hi: value.type === 'i64' ? 63 : 31 }, false);
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
  needSeen(b, 'f32', SCALAR, [x]);
  const r = b.op('f64.promote_f32', x);
  know(b, 'f64', [r], b.target.usual!.known(x, 'f32')!.range);
  b.setAs(dst!, 'f64.store', r);
};

const narrow: Semantics = (b, [dst, src]) => {
  const x = b.getAs(src!, 'f64.load');
  needSeen(b, 'f64', SCALAR, [x]);
  const r = b.op('f32.demote_f64', x);
  // An exact result is as it was: the other one is deferred.
  b.unlikely(isUnusual(b, 'f32', [r]), () => {
    const exact = b.and(b.op('f64.eq', b.op('f64.promote_f32', r), x), isPlain(b, 'f32', r));
    b.unlikely(b.or(b.eqz(exact), isStrange(b)), () => b.target.usual!.defer(b));
  });
  know(b, 'f32', [r], NORMAL.f32);
  b.setAs(dst!, 'f32.store', r);
};

const toIntPacked =
  (truncate: boolean): Semantics =>
  (b, [dst, src]) => {
    const x = b.get(src!);
    const whole = truncate ? x : b.op('f32x4.nearest', x);
    const limit = splat(b, 'f32', 0x4f00_0000n);
    const fitting = b.op('f32x4.lt', abs(b, 'f32', whole), limit);
    needExactLanes(b, fitting, () => b.op('f32x4.eq', b.op('f32x4.trunc', x), x));
    b.set(dst!, b.op('i32x4.trunc_sat_f32x4_s', whole));
  };

const fromIntPacked: Semantics = (b, [dst, src]) => {
  const x = b.get(src!);
  const r = b.op('f32x4.convert_i32x4_s', x);
  const fitting = b.op('f32x4.lt', r, splat(b, 'f32', 0x4f00_0000n));
  needExactLanes(b, fitting, () => b.op('i32x4.eq', b.op('i32x4.trunc_sat_f32x4_s', r), x));
  b.target.usual!.know(r, 'f32', { lo: 0, hi: 31 }, false);
  b.set(dst!, r);
};

const fromIntPackedWide: Semantics = (b, [dst, src]) => {
  const x = b.getAs(src!, src!.kind === 'mem' ? 'v128.load64_zero' : 'v128.load');
  const r = b.op('f64x2.convert_low_i32x4_s', x);
  b.target.usual!.know(r, 'f64', { lo: 0, hi: 31 }, false);
  b.set(dst!, r);
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
