/** Floating point of SSE3 and SSE4.1 (SDM vol. 1, 5.7 and 5.10.2, 5.10.7). */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import { flag, OP_ADD, OP_MUL, OP_SUB, PE, RC_DOWN, RC_UP, st } from './softfloat.ts';
import {
  ARITH,
  currentRc,
  finishFlags,
  flushed,
  guarded,
  isNaN,
  isSignalling,
  LANES,
  lanes,
  LOAD,
  STORE,
  trapIfUnmasked,
  vectorOf,
  type Float,
} from './sse-float.ts';

function binary(helper: Helper): Semantics {
  return (b, [dst, src]) => {
    const y = b.get(src!);
    const result = b.call(helper, b.get(dst!), y);
    trapIfUnmasked(b);
    b.set(dst!, result);
  };
}

/** Subtracts in the even lanes, adds in the odd ones. */
const addsub = (f: Float): Semantics =>
  binary(
    guarded(`addsub_${f}`, ['v128', 'v128'], (b, x, y) => {
      const ys = lanes(b, f, y!);
      const each = (lane: Node, i: number): Node =>
        b.call(ARITH[f][i & 1 ? OP_ADD : OP_SUB]!, lane, ys[i]!);
      return vectorOf(b, f, lanes(b, f, x!).map(each));
    }),
  );

/** Combines neighbours of the destination into the low half, of the source into the high half. */
const horizontal = (f: Float, op: number): Semantics =>
  binary(
    guarded(`horizontal_${op}_${f}`, ['v128', 'v128'], (b, x, y) => {
      const all = [...lanes(b, f, x!), ...lanes(b, f, y!)];
      const pairs = Array.from({ length: LANES[f] }, (_, i) =>
        b.call(ARITH[f][op]!, all[2 * i]!, all[2 * i + 1]!),
      );
      return vectorOf(b, f, pairs);
    }),
  );

/** Quiets a NaN, keeping the rest of it. */
function quieted(b: Builder, f: Float, x: Node): Node {
  return f === 'f64'
    ? b.op('f64.reinterpret_i64', b.or(b.op('i64.reinterpret_f64', x), b.i64(1n << 51n)))
    : b.op('f32.reinterpret_i32', b.or(b.op('i32.reinterpret_f32', x), b.i32(1 << 22)));
}

/** To an integral value: immediate bit 2 takes the rounding mode of MXCSR, bit 3 keeps PE from being set. */
function roundHelper(f: Float): Helper {
  return {
    name: `round_${f}`,
    params: [f, 'i32'],
    result: f,
    pure: false,
    body(b, raw, imm) {
      const [x] = flushed(b, f, raw, raw);
      st(b, L.SF_FLAGS, b.i32(0));
      b.if(isNaN(b, f, x), () => {
        flag(b, isSignalling(b, f, x));
        b.call(finishFlags);
        b.return(quieted(b, f, x));
      });
      const rc = b.select(b.and(imm, b.i32(4)), currentRc(b), b.and(imm, b.i32(3)));
      const directed = b.select(
        b.eq(rc, b.i32(RC_DOWN)),
        b.op(`${f}.floor`, x),
        b.select(b.eq(rc, b.i32(RC_UP)), b.op(`${f}.ceil`, x), b.op(`${f}.trunc`, x)),
      );
      const result = b.select(b.eqz(rc), b.op(`${f}.nearest`, x), directed);
      const reported = b.eqz(b.and(imm, b.i32(8)));
      const inexact = b.and(b.op(`${f}.ne`, result, x), reported);
      b.if(inexact, () => {
        flag(b, b.i32(PE));
        b.call(finishFlags);
      });
      return result;
    },
  };
}

const ROUND: Record<Float, Helper> = { f32: roundHelper('f32'), f64: roundHelper('f64') };

const roundScalar =
  (f: Float): Semantics =>
  (b, [dst, src, imm]) => {
    const result = b.call(ROUND[f], b.getAs(src!, LOAD[f]), b.get(imm!));
    trapIfUnmasked(b);
    b.setAs(dst!, STORE[f], result);
  };

function roundPacked(f: Float): Semantics {
  const helper = guarded(`packed_round_${f}`, ['v128', 'i32'], (b, x, imm) =>
    vectorOf(
      b,
      f,
      lanes(b, f, x!).map((lane) => b.call(ROUND[f], lane, imm!)),
    ),
  );
  return (b, [dst, src, imm]) => {
    const result = b.call(helper, b.get(src!), b.get(imm!));
    trapIfUnmasked(b);
    b.set(dst!, result);
  };
}

type Dot = Readonly<Record<'products' | 'sums' | 'whole', Semantics>>;

/**
 * Products of the lanes that bits 4–7 choose, added in pairs, in the lanes that bits 0–3 choose. An unmasked exception of
 * the products keeps the sums from being taken.
 */
function dot(f: Float): Dot {
  const zero = (b: Builder): Node => (f === 'f64' ? b.f64(0) : b.f32(0));
  const products = guarded(`products_${f}`, ['v128', 'v128', 'i32'], (b, x, y, imm) => {
    const chosen = (lane: Node, i: number): Node =>
      b.select(b.and(imm!, b.i32(16 << i)), lane, zero(b));
    const ys = lanes(b, f, y!).map(chosen);
    const each = (lane: Node, i: number): Node =>
      b.call(ARITH[f][OP_MUL]!, chosen(lane, i), ys[i]!);
    return vectorOf(b, f, lanes(b, f, x!).map(each));
  });
  const sums = guarded(`sums_${f}`, ['v128', 'i32'], (b, terms, imm) => {
    let row = lanes(b, f, terms!);
    while (row.length > 1)
      row = Array.from({ length: row.length / 2 }, (_, i) =>
        b.call(ARITH[f][OP_ADD]!, row[2 * i]!, row[2 * i + 1]!),
      );
    const out = lanes(b, f, terms!).map((_, i) =>
      b.select(b.and(imm!, b.i32(1 << i)), row[0]!, zero(b)),
    );
    return vectorOf(b, f, out);
  });
  return {
    products: (b, [dst, src, imm]) => {
      const y = b.get(src!);
      const terms = b.call(products, b.get(dst!), y, b.get(imm!));
      trapIfUnmasked(b);
      b.set(dst!, terms);
    },
    sums: (b, [dst, imm]) => {
      const result = b.call(sums, b.get(dst!), b.get(imm!));
      trapIfUnmasked(b);
      b.set(dst!, result);
    },
    whole: (b, [dst, src, imm]) => {
      const y = b.get(src!);
      const terms = b.call(products, b.get(dst!), y, b.get(imm!));
      trapIfUnmasked(b);
      const result = b.call(sums, terms, b.get(imm!));
      trapIfUnmasked(b);
      b.set(dst!, result);
    },
  };
}

/** DPPS and DPPD, and the two steps that longer vectors take for all halves one after the other. */
export const DOT: Readonly<Record<Float, Dot>> = { f32: dot('f32'), f64: dot('f64') };

export const sse4Float: Record<string, Semantics> = {
  addsubps: addsub('f32'),
  addsubpd: addsub('f64'),
  haddps: horizontal('f32', OP_ADD),
  haddpd: horizontal('f64', OP_ADD),
  hsubps: horizontal('f32', OP_SUB),
  hsubpd: horizontal('f64', OP_SUB),
  roundss: roundScalar('f32'),
  roundsd: roundScalar('f64'),
  roundps: roundPacked('f32'),
  roundpd: roundPacked('f64'),
  dpps: DOT.f32.whole,
  dppd: DOT.f64.whole,
};
