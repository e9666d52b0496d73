/**
 * Fused multiply-add (SDM vol. 1, 14.5): the product with all its 128 bits, the sum with it, and one rounding, on the slots
 * of softfloat.ts.
 */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import * as L from '../layout.ts';
import { mulHighU } from './arithmetic.ts';
import type { Semantics } from './semantics.ts';
import {
  DE,
  DOUBLE,
  EXP_MAX,
  RC_DOWN,
  SINGLE,
  exact,
  invalid,
  isNaNBits,
  ld,
  narrow32,
  narrow64,
  putSlot,
  shiftHigh,
  shiftLow,
  st,
  unrounded,
  widen32,
  widen64,
} from './softfloat.ts';
import {
  LANES,
  LOAD,
  STORE,
  currentRc,
  daz32,
  daz64,
  finishSlots,
  guarded,
  lanes,
  trapIfUnmasked,
  vectorOf,
  type Float,
} from './sse-float.ts';
import { bothGuarded, halves, halvesOf, setHalves, temp } from './vex.ts';

const TOP = 1n << 63n;
const QUIET = 1n << 62n;

/** A number of 128 bits. */
interface Wide {
  readonly high: Node;
  readonly low: Node;
}

const sticky = (b: Builder, lost: Node): Node => b.extendU(b.ne(lost, b.i64(0)));

/** Shifts right; what falls off stays as the last bit. */
function shifted(b: Builder, { high, low }: Wide, by: Node): Wide {
  const n = b.extendU(by);
  const out = b.shl(low, b.sub(b.i64(64), n));
  const near = b.or(b.shrU(low, n), sticky(b, b.select(b.eqz(by), b.i64(0), out)));
  const fromLow = b.select(b.ltU(by, b.i32(64)), near, sticky(b, low));
  return { high: b.call(shiftHigh, high, by), low: b.or(b.call(shiftLow, high, by), fromLow) };
}

const chosen = (b: Builder, first: Node, x: Wide, y: Wide): Wide => ({
  high: b.select(first, x.high, y.high),
  low: b.select(first, x.low, y.low),
});

function addWide(b: Builder, sign: Node, exp: Node, x: Wide, y: Wide): void {
  const low = b.add(x.low, y.low);
  const carry = b.extendU(b.ltU(low, x.low));
  const part = b.add(x.high, y.high);
  const high = b.add(part, carry);
  const over = b.or(b.ltU(part, x.high), b.ltU(high, part));
  const half = b.or(b.or(b.shrU(low, b.i64(1)), b.and(low, b.i64(1))), b.shl(high, b.i64(63)));
  b.if(
    over,
    () => unrounded(b, sign, b.add(exp, b.i32(1)), b.or(b.shrU(high, b.i64(1)), b.i64(TOP)), half),
    () => unrounded(b, sign, exp, high, low),
  );
}

/** x is not smaller than y. */
function subWide(b: Builder, sign: Node, exp: Node, x: Wide, y: Wide, rc: Node): void {
  const low = b.sub(x.low, y.low);
  const high = b.sub(b.sub(x.high, y.high), b.extendU(b.ltU(x.low, y.low)));
  b.if(b.eqz(b.or(high, low)), () =>
    exact(b, b.shl(b.eq(rc, b.i32(RC_DOWN)), b.i32(15)), b.i64(0)),
  );
  const whole = b.eqz(high);
  const first = b.select(whole, low, high);
  const second = b.select(whole, b.i64(0), low);
  const n = b.op('i64.clz', first);
  const spill = b.select(b.eqz(n), b.i64(0), b.shrU(second, b.sub(b.i64(64), n)));
  const less = b.add(b.wrap(n), b.select(whole, b.i32(64), b.i32(0)));
  unrounded(b, sign, b.sub(exp, less), b.or(b.shl(first, n), spill), b.shl(second, n));
}

/**
 * A · B + C; the first two parameters flip the signs of product and addend.
 * @returns 0 when the unrounded result awaits roundResult, 1 when slot R has the final result
 */
const fused: Helper = {
  name: 'fused',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, flipProduct, flipAddend, rc) {
    const slots = [L.SF_A, L.SF_B, L.SF_C].map((at) => b.i32(at));
    const [ma, mb, mc] = slots.map((p) => b.load('i64.load', p)) as [Node, Node, Node];
    const words = slots.map((p) => b.load('i32.load16_u', p, 8)) as [Node, Node, Node];
    const [expA, expB, expC] = words.map((w) => b.and(w, b.i32(EXP_MAX))) as [Node, Node, Node];
    takeNaN(b, [ma, mb, mc], words);
    const signs = b.xor(words[0], words[1]);
    const signP = b.xor(b.and(signs, b.i32(0x8000)), flipProduct);
    const signC = b.xor(b.and(words[2], b.i32(0x8000)), flipAddend);
    const isInf = (exp: Node): Node => b.eq(exp, b.i32(EXP_MAX));
    const zeroP = b.or(b.eqz(ma), b.eqz(mb));
    b.if(b.or(isInf(expA), isInf(expB)), () => {
      const opposite = b.and(isInf(expC), b.ne(signP, signC));
      b.if(b.or(zeroP, opposite), () => invalid(b));
      exact(b, b.or(signP, b.i32(EXP_MAX)), b.i64(TOP));
    });
    b.if(isInf(expC), () => exact(b, b.or(signC, b.i32(EXP_MAX)), b.i64(TOP)));
    b.if(zeroP, () => {
      b.if(b.eqz(mc), () => {
        const down = b.shl(b.eq(rc, b.i32(RC_DOWN)), b.i32(15));
        exact(b, b.select(b.eq(signP, signC), signP, down), b.i64(0));
      });
      unrounded(b, signC, expC, mc, b.i64(0));
      b.return(b.i32(0));
    });
    sumUp(
      b,
      { sign: signP, exp: b.add(expA, expB), ma, mb },
      { sign: signC, exp: expC, m: mc },
      rc,
    );
    return b.i32(0);
  },
};

/** The first NaN in the order of the operands, quieted. */
function takeNaN(b: Builder, m: readonly Node[], words: readonly Node[]): void {
  const nan = m.map((x, i) => isNaNBits(b, words[i]!, x));
  b.if(b.or(b.or(nan[0]!, nan[1]!), nan[2]!), () => {
    const signals = m.map((x, i) => b.and(nan[i]!, b.eqz(b.and(x, b.i64(QUIET)))));
    const any = b.or(b.or(signals[0]!, signals[1]!), signals[2]!);
    st(b, L.SF_FLAGS, b.or(b.and(ld(b, L.SF_FLAGS), b.i32(~DE)), any));
    const pick = (list: readonly Node[]): Node =>
      b.select(nan[0]!, list[0]!, b.select(nan[1]!, list[1]!, list[2]!));
    putSlot(b, b.i32(L.SF_R), pick(words), b.or(pick(m), b.i64(QUIET)));
    b.return(b.i32(1));
  });
}

/** Neither product nor operands are special; the addend may be zero. */
function sumUp(
  b: Builder,
  p: { sign: Node; exp: Node; ma: Node; mb: Node },
  c: { sign: Node; exp: Node; m: Node },
  rc: Node,
): void {
  const high = b.call(mulHighU, p.ma, p.mb);
  const low = b.mul(p.ma, p.mb);
  const full = b.ltS(high, b.i64(0));
  const product: Wide = {
    high: b.select(full, high, b.or(b.shl(high, b.i64(1)), b.shrU(low, b.i64(63)))),
    low: b.select(full, low, b.shl(low, b.i64(1))),
  };
  const exp = b.sub(b.add(p.exp, full), b.i32(0x3fff));
  b.if(b.eqz(c.m), () => {
    unrounded(b, p.sign, exp, product.high, product.low);
    b.return(b.i32(0));
  });
  const addend: Wide = { high: c.m, low: b.i64(0) };
  const level = b.eq(exp, c.exp);
  const smaller = b.or(b.ltS(exp, c.exp), b.and(level, b.ltU(product.high, c.m)));
  const larger = chosen(b, smaller, addend, product);
  const distance = b.select(smaller, b.sub(c.exp, exp), b.sub(exp, c.exp));
  const other = shifted(b, chosen(b, smaller, product, addend), distance);
  const top = b.select(smaller, c.exp, exp);
  const sign = b.select(smaller, c.sign, p.sign);
  b.if(
    b.eq(p.sign, c.sign),
    () => addWide(b, sign, top, larger, other),
    () => subWide(b, sign, top, larger, other, rc),
  );
}

/** The last parameter: 1 negates the product, 2 the addend. */
function fmaHelper(f: Float): Helper {
  const wide = f === 'f64';
  const bits = (b: Builder, x: Node): Node =>
    wide
      ? b.call(daz64, b.op('i64.reinterpret_f64', x))
      : b.call(daz32, b.op('i32.reinterpret_f32', x));
  return {
    name: `fma_${f}`,
    params: [f, f, f, 'i32'],
    result: f,
    pure: false,
    body(b, x, y, z, mode) {
      st(b, L.SF_FLAGS, b.i32(0));
      [x, y, z].forEach((value, i) =>
        b.call(wide ? widen64 : widen32, bits(b, value), b.i32([L.SF_A, L.SF_B, L.SF_C][i]!)),
      );
      const flip = (bit: number): Node =>
        b.shl(b.and(b.shrU(mode, b.i32(bit)), b.i32(1)), b.i32(15));
      finishSlots(b, b.call(fused, flip(0), flip(1), currentRc(b)), wide ? DOUBLE : SINGLE);
      return wide
        ? b.op('f64.reinterpret_i64', b.call(narrow64, b.i32(L.SF_R)))
        : b.op('f32.reinterpret_i32', b.call(narrow32, b.i32(L.SF_R)));
    },
  };
}
const FMA: Readonly<Record<Float, Helper>> = { f32: fmaHelper('f32'), f64: fmaHelper('f64') };

/** Modes of the even and of the odd lanes. */
const packedFma = (f: Float): Helper =>
  guarded(`packed_fma_${f}`, ['v128', 'v128', 'v128', 'i32', 'i32'], (b, x, y, z, even, odd) => {
    const [xs, ys, zs] = [x!, y!, z!].map((v) => lanes(b, f, v)) as [Node[], Node[], Node[]];
    const each = (lane: Node, i: number): Node =>
      b.call(FMA[f], lane, ys[i]!, zs[i]!, i & 1 ? odd! : even!);
    return vectorOf(b, f, xs.map(each));
  });
const PACKED: Readonly<Record<Float, Helper>> = { f32: packedFma('f32'), f64: packedFma('f64') };

function packed(f: Float, order: readonly number[], even: number, odd: number): Semantics {
  return (b, operands) => {
    const count = halvesOf(b);
    const all = operands.map((o) => halves(b, o, count));
    const [x, y, z] = order.map((n) => all[n]!) as [Node[], Node[], Node[]];
    const run = (): void =>
      x.forEach((lane, h) => {
        const r = b.call(PACKED[f], lane, y[h]!, z[h]!, b.i32(even), b.i32(odd));
        b.setAs(temp(h), 'v128.store', r);
      });
    bothGuarded(b, run);
    setHalves(b, operands[0]!, x.map((_, h) => b.getAs(temp(h), 'v128.load'))); // prettier-ignore
  };
}

function scalar(f: Float, order: readonly number[], mode: number): Semantics {
  return (b, operands) => {
    const third = b.getAs(operands[2]!, LOAD[f]);
    const all = [b.getAs(operands[0]!, LOAD[f]), b.getAs(operands[1]!, LOAD[f]), third];
    const [x, y, z] = order.map((n) => all[n]!) as [Node, Node, Node];
    const r = b.call(FMA[f], x, y, z, b.i32(mode));
    trapIfUnmasked(b);
    const whole: Operand = temp(0);
    b.setAs(whole, 'v128.store', halves(b, operands[0]!, 1)[0]!);
    b.setAs(whole, STORE[f], r);
    setHalves(b, operands[0]!, [b.getAs(whole, 'v128.load')]);
  };
}

const SUBTRACT = 2;
/** Modes of even and odd lanes by name. */
const KINDS: Readonly<Record<string, readonly [even: number, odd: number]>> = {
  madd: [0, 0],
  msub: [SUBTRACT, SUBTRACT],
  nmadd: [1, 1],
  nmsub: [1 | SUBTRACT, 1 | SUBTRACT],
  maddsub: [SUBTRACT, 0],
  msubadd: [0, SUBTRACT],
};

/** By name: the digits say which operands are the factors, and which is added. */
export const fma: Record<string, Semantics> = Object.fromEntries(
  Object.entries(KINDS).flatMap(([name, [even, odd]]) =>
    ['132', '213', '231'].flatMap((digits) =>
      (Object.keys(LANES) as Float[]).flatMap((f): [string, Semantics][] => {
        const order = [...digits].map((digit) => Number(digit) - 1);
        const type = f === 'f32' ? 's' : 'd';
        return [
          [`vf${name}${digits}p${type}`, packed(f, order, even, odd)],
          [`vf${name}${digits}s${type}`, scalar(f, order, even)],
        ];
      }),
    ),
  ),
);
