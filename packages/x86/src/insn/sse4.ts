/** SSE4.1 and SSE4.2 without floating-point arithmetic and string comparison (SDM vol. 1, 5.10 and 5.11). */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { widthOf, type Semantics } from './semantics.ts';
import { lanes, ORDER, pack, plain } from './sse-integer.ts';

const XMM0: Operand = { kind: 'xmm', slot: 0, size: 128 };

/** Takes lanes of the source where the sign of XMM0's lane is set. */
function blendBySign(shape: string, bits: number): Semantics {
  return (b, [dst, src]) => {
    const mask = b.op(`${shape}.shr_s`, b.get(XMM0), b.i32(bits - 1));
    b.set(dst!, b.op('v128.bitselect', b.get(src!), b.get(dst!), mask));
  };
}

/** Takes lanes of the source where the immediate's bit is set. */
function blendByImmediate(shape: string, count: number): Semantics {
  return (b, [dst, src, imm]) => {
    const bytes = 16 / count;
    const bit = b.v128(ORDER.map((i) => (i % bytes === 0 ? 1 << (i / bytes) : 0)));
    const raw = b.get(imm!);
    const wide = shape === 'i64x2' ? b.extendU(raw) : raw;
    const mask = b.op(`${shape}.eq`, b.op('v128.and', b.op(`${shape}.splat`, wide), bit), bit);
    b.set(dst!, b.op('v128.bitselect', b.get(src!), b.get(dst!), mask));
  };
}

/** ZF: no common bits; CF: no bits of the source outside the destination. */
const ptest: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  if (!b.flags.live) return;
  const none = (v: Node): Node => b.eqz(b.op('v128.any_true', v));
  const zf = b.shl(none(b.op('v128.and', x, y)), b.i32(6));
  b.flags.setStatusWord(b.or(zf, none(b.op('v128.andnot', y, x))));
};

/** The low bytes of a register or a short memory operand. */
function lowPart(b: Builder, o: Operand): Node {
  if (o.kind !== 'mem') return b.getAs(o, 'v128.load');
  if (o.size === 16) return b.op('i32x4.splat', b.getAs(o, 'i32.load16_u'));
  return b.getAs(o, o.size === 64 ? 'v128.load64_zero' : 'v128.load32_zero');
}

/** Widens step by step: 8 to 16, 16 to 32, 32 to 64. */
function extend(from: number, to: number, signed: 's' | 'u'): Semantics {
  const steps: Record<number, string> = {
    8: `i16x8.extend_low_i8x16_${signed}`,
    16: `i32x4.extend_low_i16x8_${signed}`,
    32: `i64x2.extend_low_i32x4_${signed}`,
  };
  return (b, [dst, src]) => {
    let value = lowPart(b, src!);
    for (let bits = from; bits < to; bits *= 2) value = b.op(steps[bits]!, value);
    b.set(dst!, value);
  };
}

/** Signed products of the even 32-bit lanes. */
const pmuldq = lanes((b, x, y) => {
  const even = (v: Node): Node => b.op('i64x2.shr_s', b.op('i64x2.shl', v, b.i32(32)), b.i32(32));
  return b.op('i64x2.mul', even(x), even(y));
});

/** The smallest of eight words and where it is first. */
const phminposuw: Semantics = (b, [dst, src]) => {
  const value = b.get(src!);
  const at = (i: number): Node => b.lane('i16x8.extract_lane_u', [value], i);
  let least = at(0);
  let place = b.i32(0);
  for (let i = 1; i < 8; i++) {
    const less = b.ltU(at(i), least);
    place = b.select(less, b.i32(i), place);
    least = b.select(less, at(i), least);
  }
  const both = b.extendU(b.or(least, b.shl(place, b.i32(16))));
  b.set(dst!, b.lane('i64x2.replace_lane', [b.v128(ORDER.map(() => 0)), both], 0));
};

/** Eight sums of four absolute differences; the immediate picks the stretches of both operands. */
const mpsadbw: Semantics = (b, [dst, src, imm]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  const control = b.get(imm!);
  const from = b.and(control, b.i32(4));
  const start = b.shl(b.and(control, b.i32(3)), b.i32(2));
  const pick = (v: Node, order: readonly number[], offset: Node): Node =>
    b.op('i8x16.swizzle', v, b.op('i8x16.add', b.v128(order), b.op('i8x16.splat', offset)));
  let sum: Node | undefined;
  for (let k = 0; k < 4; k++) {
    const ours = b.op('i16x8.extend_low_i8x16_u', pick(x, ORDER, b.add(from, b.i32(k))));
    const theirs = b.op(
      'i16x8.extend_low_i8x16_u',
      pick(
        y,
        ORDER.map(() => k),
        start,
      ),
    );
    const difference = b.op('i16x8.abs', b.op('i16x8.sub', ours, theirs));
    sum = sum ? b.op('i16x8.add', sum, difference) : difference;
  }
  b.set(dst!, sum!);
};

/** Address in the register file of the lane that the immediate names. */
function lanePlace(b: Builder, o: Operand, imm: Operand, bytes: number): Node {
  if (o.kind !== 'xmm') throw new Error('a vector register is needed');
  const index = b.and(b.get(imm), b.i32(16 / bytes - 1));
  return b.add(b.target.vectorAddress(b, 'xmm', o.slot), b.mul(index, b.i32(bytes)));
}

const LANE_LOAD: Record<number, string> = {
  1: 'i32.load8_u',
  2: 'i32.load16_u',
  4: 'i32.load',
  8: 'i64.load',
};
const LANE_STORE: Record<number, string> = {
  1: 'i32.store8',
  2: 'i32.store16',
  4: 'i32.store',
  8: 'i64.store',
};

const extract =
  (bytesOf: (b: Builder) => number): Semantics =>
  (b, [dst, src, imm]) => {
    const bytes = bytesOf(b);
    b.set(dst!, b.load(LANE_LOAD[bytes]!, lanePlace(b, src!, imm!, bytes)));
  };

const insert =
  (bytesOf: (b: Builder) => number): Semantics =>
  (b, [dst, src, imm]) => {
    const bytes = bytesOf(b);
    const value = b.get(src!);
    b.store(LANE_STORE[bytes]!, lanePlace(b, dst!, imm!, bytes), value);
  };

/** Immediate: source lane (registers only), destination lane, lanes to clear. */
const insertps: Semantics = (b, [dst, src, imm]) => {
  if (dst!.kind !== 'xmm') throw new Error('a vector register is needed');
  const control = b.get(imm!);
  const two = (shift: number): Node =>
    b.shl(b.and(b.shrU(control, b.i32(shift)), b.i32(3)), b.i32(2));
  const value =
    src!.kind === 'xmm'
      ? b.load('i32.load', b.add(b.target.vectorAddress(b, 'xmm', src!.slot), two(6)))
      : b.get(src!);
  const kept = b.var(value);
  b.store('i32.store', b.add(b.target.vectorAddress(b, 'xmm', dst!.slot), two(4)), b.value(kept));
  const bit = b.v128(ORDER.map((i) => (i % 4 === 0 ? 1 << (i / 4) : 0)));
  const cleared = b.op('i32x4.eq', b.op('v128.and', b.op('i32x4.splat', control), bit), bit);
  b.set(dst!, b.op('v128.andnot', b.get(dst!), cleared));
};

/** CRC-32C (polynomial 11EDC6F41H, reflected) of `bits` bits, least significant first. */
const crc32c: Helper = {
  name: 'crc32c',
  params: ['i32', 'i64', 'i32'],
  result: 'i32',
  pure: true,
  body(b, seed, data, bits) {
    const crc = b.var(b.xor(seed, b.wrap(data)));
    const high = b.var(b.wrap(b.shrU(data, b.i64(32))));
    const left = b.var(bits);
    b.loop(() => {
      const value = b.value(crc);
      const next = b.shrU(value, b.i32(1));
      const reduced = b.select(b.and(value, b.i32(1)), b.xor(next, b.i32(0x82f6_3b78)), next);
      const rest = b.sub(b.value(left), b.i32(1));
      b.assign(left, rest);
      // Half of a 64-bit operand is done: the other half comes in.
      const half = b.and(b.eq(bits, b.i32(64)), b.eq(rest, b.i32(32)));
      b.assign(crc, b.xor(reduced, b.select(half, b.value(high), b.i32(0))));
      return rest;
    });
    return b.value(crc);
  },
};

const crc32: Semantics = (b, [dst, src]) => {
  const width = widthOf(src!);
  const data = b.extendU(b.get(src!));
  b.set(dst!, b.call(crc32c, b.get(dst!), data, b.i32(width)));
};

const wordOrQuad = (b: Builder): number => (b.width === 64 ? 8 : 4);

export const sse4: Record<string, Semantics> = {
  pblendvb: blendBySign('i8x16', 8),
  blendvps: blendBySign('i32x4', 32),
  blendvpd: blendBySign('i64x2', 64),
  blendps: blendByImmediate('i32x4', 4),
  blendpd: blendByImmediate('i64x2', 2),
  pblendw: blendByImmediate('i16x8', 8),
  ptest,
  pmovsxbw: extend(8, 16, 's'),
  pmovsxbd: extend(8, 32, 's'),
  pmovsxbq: extend(8, 64, 's'),
  pmovsxwd: extend(16, 32, 's'),
  pmovsxwq: extend(16, 64, 's'),
  pmovsxdq: extend(32, 64, 's'),
  pmovzxbw: extend(8, 16, 'u'),
  pmovzxbd: extend(8, 32, 'u'),
  pmovzxbq: extend(8, 64, 'u'),
  pmovzxwd: extend(16, 32, 'u'),
  pmovzxwq: extend(16, 64, 'u'),
  pmovzxdq: extend(32, 64, 'u'),
  pmuldq,
  pcmpeqq: plain('i64x2.eq'),
  pcmpgtq: plain('i64x2.gt_s'),
  packusdw: pack('i16x8.narrow_i32x4_u'),
  pminsb: plain('i8x16.min_s'),
  pminsd: plain('i32x4.min_s'),
  pminuw: plain('i16x8.min_u'),
  pminud: plain('i32x4.min_u'),
  pmaxsb: plain('i8x16.max_s'),
  pmaxsd: plain('i32x4.max_s'),
  pmaxuw: plain('i16x8.max_u'),
  pmaxud: plain('i32x4.max_u'),
  pmulld: plain('i32x4.mul'),
  phminposuw,
  mpsadbw,
  pextrb: extract(() => 1),
  pextrw_store: extract(() => 2),
  pextrd: extract(wordOrQuad),
  pinsrb: insert(() => 1),
  pinsrd: insert(wordOrQuad),
  insertps,
  crc32,
};
