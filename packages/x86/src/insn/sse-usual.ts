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
  VECTOR,
  type Float,
} from './sse-float.ts';
import type { Fails, Looking, Of } from './gathered.ts';
import type { Semantics } from './semantics.ts';

/** What is computed of a value to be looked at. */
type Compute = (b: Builder, value: Node) => Node;

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

/** What is looked at of some values. */
const spreadsOf = (b: Builder, values: readonly Node[], of: Of, compute: Compute): Node[] =>
  values.map((x) => b.target.usual!.kept(b, x, compute) ?? compute(b, of(x)));

/** Not 0 unless MXCSR is as it usually is and every exponent is in the middle: one look serves all values of an instruction. */
function areUnusual(b: Builder, f: Float, values: readonly Node[], of: Of): Node {
  const all = spreadsOf(b, values, of, SPREAD[f]).reduce((x, y) => b.or(x, y));
  return b.op(`${all.type}.ge_u`, all, b.target.usual!.limit(b, f));
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

/** Leaves an instruction to tier 0. */
const defer = (b: Builder): void => b.target.usual!.defer(b);

/** The same for numbers that are not in the middle though they are expected there. */
function deferWild(b: Builder): void {
  b.target.usual!.countWild(b);
  defer(b);
}

const itself: Of = (node) => node;

/** Where something is unusual, leaves if it fails a closer look; or has it looked at together with other instructions' numbers. */
function when(
  b: Builder,
  isUnusual: Node,
  fails: Fails,
  leave: (b: Builder) => void = defer,
): void {
  const { gathered } = b.target.usual!;
  if (gathered) gathered.addCondition(isUnusual, fails);
  else b.unlikely(isUnusual, () => b.unlikely(fails(b, itself), () => leave(b)));
}

/** The same where some values are. @param fails takes the place of the look at each of them */
function whenUnusual(
  b: Builder,
  f: Float,
  looks: Looks,
  values: readonly Node[],
  fails: Fails | undefined,
  leave: (b: Builder) => void = defer,
): void {
  const { gathered } = b.target.usual!;
  const looking = looks.looking[f];
  if (gathered) return gathered.add(looking, values, fails);
  const closer: Fails = fails ?? ((into, of) => looking.closer(into, values, of));
  when(b, looking.first(b, values, itself), closer, leave);
}

/** Defers unless `fits`, and the result is `exact` where inexact ones would show in MXCSR. */
function needExact(b: Builder, fits: Node, exact: Fails): void {
  when(b, b.or(b.eqz(fits), isAltered(b)), (into, of) =>
    isInexact(into, of(fits), exact(into, of)),
  );
}

const isInexact = (b: Builder, fits: Node, exact: Node): Node =>
  b.or(b.eqz(b.and(fits, exact)), isStrange(b));

/** The same for all lanes, of which those that fit are all ones. */
function needExactLanes(b: Builder, fitting: Node, exact: Fails): void {
  const others = b.xor(b.op('i32x4.bitmask', fitting), b.i32(0xf));
  when(b, b.ne(others, b.target.usual!.lanes(b)), (into, of) =>
    isInexact(into, into.eqz(of(others)), into.op('i32x4.all_true', exact(into, of))),
  );
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

/** Defers unless every value compares without an exception. */
function needComparable(b: Builder, f: Float, values: readonly Node[]): void {
  const unknown = unknownOf(b, f, values);
  if (unknown.length === 0) return;
  whenUnusual(b, f, SCALAR, unknown, (into, of) => {
    const fine = unknown.map((x) => isComparable(into, f, of(x))).reduce((x, y) => into.and(x, y));
    return into.or(into.eqz(fine), isStrange(into));
  });
}

function know(b: Builder, f: Float, values: readonly Node[], range: Range): void {
  for (const x of values) b.target.usual!.know(x, f, range, true);
}

/** How the numbers of one format are looked at: one, or all lanes of a vector. Conditions are not 0, or all ones in a lane. */
interface Looks {
  readonly looking: Readonly<Record<Float, Looking>>;
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

/** How scalars are looked at, and vectors of them. */
const lookingAt = (f: Float): Looking => ({
  first: (b, values, of) => areUnusual(b, f, values, of),
  closer: (b, values, of) => areUnseen(b, f, SCALAR, values.map(of)),
  wide: {
    first: (b, values, of) =>
      hasUnusualLane(
        b,
        f,
        values.map((x) => SPREAD_LANES[f](b, of.vectorOf!(x))),
      ),
    closer: (b, values, of) => areUnseen(b, f, PACKED_LOOKS, values.map(of.vectorOf!)),
  },
});

const SCALAR: Looks = {
  looking: { f32: lookingAt('f32'), f64: lookingAt('f64') },
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
  whenUnusual(b, f, looks, unknown, undefined, deferUnseen);
  know(b, f, unknown, seen(b, f));
}

const deferUnseen = (b: Builder): void => (b.target.usual!.isTame ? deferWild(b) : defer(b));

/** Not 0 unless they are, looked at one by one. */
function areUnseen(b: Builder, f: Float, looks: Looks, values: readonly Node[]): Node {
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
  return b.or(b.eqz(fine), isTame ? isAltered(b) : isStrange(b));
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
  const exactZero: Fails = (into, of) => {
    if (op !== 'mul' && op !== 'div') return looks.always(into);
    const zero = looks.isZero(into, f, of(x));
    return op === 'mul' ? looks.or(into, zero, looks.isZero(into, f, of(y))) : zero;
  };
  const areWrong: Fails = (into, of) => areUnseen(into, f, looks, [...ranges.keys()].map(of));
  const isWrong: Fails = (into, of) =>
    isNotAs(into, f, looks, of(looked.at(-1)!), exactZero(into, of));
  const { isTame, gathered } = b.target.usual!;
  if (looked.length > 0 && (isTame || gathered)) {
    const fails: Fails = (into, of) => into.or(areWrong(into, of), isWrong(into, of));
    whenUnusual(b, f, looks, looked, result ? fails : undefined, deferWild);
  } else if (looked.length > 0)
    b.unlikely(looks.looking[f].first(b, looked, itself), () => {
      b.target.usual!.countWild(b);
      b.unlikely(areWrong(b, itself), () => defer(b));
      if (result) b.unlikely(isWrong(b, itself), () => correct(b, f, looks, r, full));
    });
  for (const [node, known] of ranges) know(b, f, [node], known);
  const calculated = b.value(r);
  know(b, f, [calculated], range);
  return calculated;
}

/** Not 0 unless a result is as expected, or zero where that is exact. */
function isNotAs(b: Builder, f: Float, looks: Looks, r: Node, exactZero: Node): Node {
  const zero = looks.and(b, looks.isZero(b, f, r), exactZero);
  const inner = b.target.usual!.isTame ? looks.isMiddle : looks.isInner;
  const fine = looks.all(b, f, looks.or(b, inner(b, f, r), zero));
  return b.or(b.eqz(fine), isAltered(b));
}

/** Has the full semantics say what a result is, where only the inexact flag is not as usual. */
function correct(b: Builder, f: Float, looks: Looks, r: Var, full: (() => Node) | undefined): void {
  const usual = b.target.usual!;
  b.unlikely(b.eqz(isAltered(b)), () => defer(b));
  if (!full) return defer(b);
  b.assign(r, full());
  usual.refresh(b);
  // Doing it again changes nothing: flags stay once they are set.
  const plain = looks.all(b, f, looks.isPlain(b, f, b.value(r)));
  b.unlikely(b.eqz(plain), () => defer(b));
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

/** As {@link areUnusual}, of every lane. */
function hasUnusualLane(b: Builder, f: Float, spreads: readonly Node[]): Node {
  const all = spreads.reduce((x, y) => b.op('v128.or', x, y));
  return b.ne(b.op(`${INT_VECTOR[f]}.bitmask`, outside(b, f, all)), b.target.usual!.lanes(b));
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

const lookingAtLanes = (f: Float): Looking => ({
  first: (b, values, of) => hasUnusualLane(b, f, spreadsOf(b, values, of, SPREAD_LANES[f])),
  closer: (b, values, of) => areUnseen(b, f, PACKED_LOOKS, values.map(of)),
});

const PACKED_LOOKS: Looks = {
  looking: { f32: lookingAtLanes('f32'), f64: lookingAtLanes('f64') },
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
        (into, of) => into.eq(into.op(`${value.type}.trunc_sat_${f}_s`, of(r)), of(value)),
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
    needExact(b, fits, (into, of) => into.op(`${f}.eq`, into.op(`${f}.trunc`, of(x)), of(x)));
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
  whenUnusual(b, 'f32', SCALAR, [r], (into, of) => {
    const isSame = into.op('f64.eq', into.op('f64.promote_f32', of(r)), of(x));
    const exact = into.and(isSame, isPlain(into, 'f32', of(r)));
    return into.or(into.eqz(exact), isStrange(into));
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
    needExactLanes(b, fitting, (into, of) =>
      into.op('f32x4.eq', into.op('f32x4.trunc', of(x)), of(x)),
    );
    b.set(dst!, b.op('i32x4.trunc_sat_f32x4_s', whole));
  };

const fromIntPacked: Semantics = (b, [dst, src]) => {
  const x = b.get(src!);
  const r = b.op('f32x4.convert_i32x4_s', x);
  const fitting = b.op('f32x4.lt', r, splat(b, 'f32', 0x4f00_0000n));
  needExactLanes(b, fitting, (into, of) =>
    into.op('i32x4.eq', into.op('i32x4.trunc_sat_f32x4_s', of(r)), of(x)),
  );
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
