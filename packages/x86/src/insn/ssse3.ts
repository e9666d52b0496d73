/** SSE3 moves and SSSE3 (SDM vol. 1, 5.7 and 5.8). */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Semantics } from './semantics.ts';
import { isMmx, lanes, ORDER, setVector, vector, type Combine } from './sse-integer.ts';

/** Concatenates the 64-bit halves of two MMX operands, so that the 128-bit operation's low half is the result. */
function joined(b: Builder, x: Node, y: Node): Node {
  return b.lane('i64x2.replace_lane', [x, b.lane('i64x2.extract_lane', [y], 0)], 1);
}

/** Elements of `size` bytes at even (or odd) places of both operands, those of the first in the low half. */
function alternate(b: Builder, x: Node, y: Node, size: number, odd: boolean): Node {
  const picks: number[] = [];
  for (let i = odd ? size : 0; i < 32; i += 2 * size)
    for (let k = 0; k < size; k++) picks.push(i + k);
  return b.lane('i8x16.shuffle', [x, y], ...picks);
}

function horizontal(op: string, size: number): Semantics {
  return (b, [dst, src]) => {
    const first = vector(b, dst!);
    const second = vector(b, src!);
    const narrow = isMmx(dst!);
    const x = narrow ? joined(b, first, second) : first;
    const y = narrow ? x : second;
    const even = alternate(b, x, y, size, false);
    setVector(b, dst!, b.op(op, even, alternate(b, x, y, size, true)));
  };
}

/** The bytes of the first operand are unsigned, those of the second signed; pairs are added with saturation. */
const pmaddubsw: Combine = (b, x, y) => {
  const low = (v: Node): Node => b.op('i16x8.shl', v, b.i32(8));
  const eight = b.i32(8);
  const even = b.op(
    'i16x8.mul',
    b.op('i16x8.shr_u', low(x), eight),
    b.op('i16x8.shr_s', low(y), eight),
  );
  const odd = b.op('i16x8.mul', b.op('i16x8.shr_u', x, eight), b.op('i16x8.shr_s', y, eight));
  return b.op('i16x8.add_sat_s', even, odd);
};

/** Products of 16 bits, rounded and scaled by 2^-15. */
const pmulhrsw: Combine = (b, x, y) => {
  const half = (part: 'low' | 'high'): Node => {
    const product = b.op(`i32x4.extmul_${part}_i16x8_s`, x, y);
    const rounded = b.op('i32x4.add', product, b.op('i32x4.splat', b.i32(0x4000)));
    return b.op('i32x4.shr_s', rounded, b.i32(15));
  };
  return alternate(b, half('low'), half('high'), 2, false);
};

function sign(shape: string): Combine {
  return (b, x, y) => {
    const zero = b.op('v128.xor', y, y);
    const negative = b.op(`${shape}.lt_s`, y, zero);
    const signed = b.op('v128.bitselect', b.op(`${shape}.neg`, x), x, negative);
    return b.op('v128.andnot', signed, b.op(`${shape}.eq`, y, zero));
  };
}

const pshufb: Semantics = (b, [dst, src]) => {
  const kept = b.op('i8x16.splat', b.i32(isMmx(dst!) ? 0x87 : 0x8f));
  const control = b.op('v128.and', vector(b, src!), kept);
  setVector(b, dst!, b.op('i8x16.swizzle', vector(b, dst!), control));
};

/** Bytes of destination and source, the source lower, shifted right by a count that may run past both. */
const palignr: Semantics = (b, [dst, src, imm]) => {
  const high = vector(b, dst!);
  const low = vector(b, src!);
  const count = b.minU(b.get(imm!), b.i32(32));
  const at = b.op('i8x16.add', b.v128(ORDER), b.op('i8x16.splat', count));
  if (isMmx(dst!)) return setVector(b, dst!, b.op('i8x16.swizzle', joined(b, low, high), at));
  const beyond = b.op('i8x16.sub', at, b.op('i8x16.splat', b.i32(16)));
  b.set(dst!, b.op('v128.or', b.op('i8x16.swizzle', low, at), b.op('i8x16.swizzle', high, beyond)));
};

const absolute =
  (op: string): Semantics =>
  (b, [dst, src]) =>
    setVector(b, dst!, b.op(op, vector(b, src!)));

function duplicate(...picks: number[]): Semantics {
  return (b, [dst, src]) => {
    const value = b.get(src!);
    b.set(
      dst!,
      b.lane('i8x16.shuffle', [value, value], ...picks.flatMap((i) => [i, i + 1, i + 2, i + 3])),
    );
  };
}

const movddup: Semantics = (b, [dst, src]) =>
  b.setAs(dst!, 'v128.store', b.op('i64x2.splat', b.getAs(src!, 'i64.load')));

export const sse3Moves: Record<string, Semantics> = {
  movddup,
  movsldup: duplicate(0, 0, 8, 8),
  movshdup: duplicate(4, 4, 12, 12),
};

export const ssse3: Record<string, Semantics> = {
  pshufb,
  phaddw: horizontal('i16x8.add', 2),
  phaddd: horizontal('i32x4.add', 4),
  phaddsw: horizontal('i16x8.add_sat_s', 2),
  phsubw: horizontal('i16x8.sub', 2),
  phsubd: horizontal('i32x4.sub', 4),
  phsubsw: horizontal('i16x8.sub_sat_s', 2),
  pmaddubsw: lanes(pmaddubsw),
  pmulhrsw: lanes(pmulhrsw),
  psignb: lanes(sign('i8x16')),
  psignw: lanes(sign('i16x8')),
  psignd: lanes(sign('i32x4')),
  pabsb: absolute('i8x16.abs'),
  pabsw: absolute('i16x8.abs'),
  pabsd: absolute('i32x4.abs'),
  palignr,
};
