/** SSE2 packed integer and logic (SDM vol. 1, 5.6.3), and the MMX instructions of the same names on 64 bits. */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import type { Semantics } from './semantics.ts';

export type Combine = (b: Builder, x: Node, y: Node) => Node;

export const isMmx = (o: Operand): boolean => o.kind === 'mmx';

/** The bytes' own numbers, from which shuffles are made. */
export const ORDER: readonly number[] = Array.from({ length: 16 }, (_, i) => i);

/** A vector operand; 64-bit ones are the low half of a vector whose high half is zero. */
export function vector(b: Builder, o: Operand): Node {
  if (o.kind === 'mem' && o.size === 32) return b.getAs(o, 'v128.load32_zero');
  const narrow = o.kind === 'mmx' || (o.kind === 'mem' && o.size === 64);
  return narrow ? b.getAs(o, 'v128.load64_zero') : b.get(o);
}

export function setVector(b: Builder, o: Operand, value: Node): void {
  if (isMmx(o)) b.setAs(o, 'i64.store', b.lane('i64x2.extract_lane', [value], 0));
  else b.set(o, value);
}

export function lanes(combine: Combine): Semantics {
  return (b, [dst, src]) => setVector(b, dst!, combine(b, vector(b, dst!), vector(b, src!)));
}

export const plain = (op: string): Semantics => lanes((b, x, y) => b.op(op, x, y));

/** Interleaves elements of `size` bytes from the low or high halves. */
function unpack(size: number, high: boolean): Semantics {
  return (b, [dst, src]) => {
    const half = isMmx(dst!) ? 4 : 8;
    const picks: number[] = [];
    for (let i = high ? half : 0; picks.length < half * 2; i += size) {
      for (let k = 0; k < size; k++) picks.push(i + k);
      for (let k = 0; k < size; k++) picks.push(16 + i + k);
    }
    while (picks.length < 16) picks.push(0);
    const merged = b.lane('i8x16.shuffle', [vector(b, dst!), vector(b, src!)], ...picks);
    setVector(b, dst!, merged);
  };
}

/** Narrows with saturation. On 64 bits both operands' lanes go to the low half. */
export function pack(op: string): Semantics {
  return (b, [dst, src]) => {
    const x = vector(b, dst!);
    const y = vector(b, src!);
    if (!isMmx(dst!)) return b.set(dst!, b.op(op, x, y));
    const both = b.lane('i64x2.replace_lane', [x, b.lane('i64x2.extract_lane', [y], 0)], 1);
    setVector(b, dst!, b.op(op, both, both));
  };
}

const highHalves: Combine = (b, x, y) =>
  b.lane('i8x16.shuffle', [x, y], 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);

function mulHigh(sign: 's' | 'u'): Combine {
  return (b, x, y) =>
    highHalves(
      b,
      b.op(`i32x4.extmul_low_i16x8_${sign}`, x, y),
      b.op(`i32x4.extmul_high_i16x8_${sign}`, x, y),
    );
}

/** Unsigned products of the even 32-bit lanes. */
const pmuludq: Combine = (b, x, y) => {
  const even = (v: Node): Node => b.and64x2(v, 0xffff_ffffn);
  return b.op('i64x2.mul', even(x), even(y));
};

/** Sums of absolute differences of eight bytes, in the low word of each half. */
const psadbw: Combine = (b, x, y) => {
  const difference = b.op('v128.or', b.op('i8x16.sub_sat_u', x, y), b.op('i8x16.sub_sat_u', y, x));
  const pairs = b.op('i16x8.extadd_pairwise_i8x16_u', difference);
  const quads = b.op('i32x4.extadd_pairwise_i16x8_u', pairs);
  const high = b.op('i64x2.shr_u', quads, b.i32(32));
  return b.op('i64x2.add', b.and64x2(quads, 0xffff_ffffn), high);
};

type ShiftOp = 'shl' | 'shr_u' | 'shr_s';

/** Counts beyond the lane give zero, or copies of the sign. */
function shift(b: Builder, lane: number, op: ShiftOp, value: Node, count: Node): Node {
  const shape = { 16: 'i16x8', 32: 'i32x4', 64: 'i64x2' }[lane]!;
  if (count.op === 'i64.const')
    return shiftKnown(b, lane, `${shape}.${op}`, value, count.imm as bigint);
  const over = b.op('i64.ge_u', count, b.i64(lane));
  const low = b.wrap(count);
  if (op === 'shr_s') return b.op(`${shape}.shr_s`, value, b.select(over, b.i32(lane - 1), low));
  return b.select(over, zeros(b), b.op(`${shape}.${op}`, value, low));
}

function shiftKnown(b: Builder, lane: number, op: string, value: Node, count: bigint): Node {
  if (count < lane) return b.op(op, value, b.i32(Number(count)));
  return op.endsWith('shr_s') ? b.op(op, value, b.i32(lane - 1)) : zeros(b);
}

const zeros = (b: Builder): Node => b.v128(Array.from({ length: 16 }, () => 0));

const shiftBy =
  (lane: number, op: ShiftOp): Semantics =>
  (b, [dst, src]) => {
    const count = b.getAs(src!, 'i64.load');
    setVector(b, dst!, shift(b, lane, op, vector(b, dst!), count));
  };

const shiftImm =
  (lane: number, op: ShiftOp): Semantics =>
  (b, [dst, by]) => {
    const count = b.extendU(b.get(by!));
    setVector(b, dst!, shift(b, lane, op, vector(b, dst!), count));
  };

/** An immediate, where code is generated for it. */
const isKnown = (imm: Node): imm is Node & { readonly imm: number } => imm.op === 'i32.const';

/** Moves bytes down, or up by a number less than 0. */
const moveBytes = (b: Builder, value: Node, by: number): Node =>
  b.lane(
    'i8x16.shuffle',
    [value, zeros(b)],
    ...Array.from({ length: 16 }, (_, i) => (i + by >= 0 && i + by < 16 ? i + by : 16)),
  );

/** PSLLDQ and PSRLDQ: swizzle indices out of range give zero. */
function shiftBytes(left: boolean): Semantics {
  return (b, [dst, by]) => {
    const imm = b.get(by!);
    if (isKnown(imm)) return b.set(dst!, moveBytes(b, b.get(dst!), left ? -imm.imm : imm.imm));
    const count = b.op('i8x16.splat', b.minU(imm, b.i32(16)));
    const order = b.v128(Array.from({ length: 16 }, (_, i) => i));
    const picks = left ? b.op('i8x16.sub', order, count) : b.op('i8x16.add', order, count);
    b.set(dst!, b.op('i8x16.swizzle', b.get(dst!), picks));
  };
}

/** One 2-bit field of a shuffle's immediate. */
const field = (b: Builder, imm: Node, i: number): Node =>
  b.and(b.shrU(imm, b.i32(2 * i)), b.i32(3));

/** Picks four elements of `lane` bits within the 64- or 128-bit stretch at `start` by the immediate. */
function picks(b: Builder, imm: Node, elementBytes: number, start: number): Node {
  const stretch = elementBytes * 4;
  let control = b.v128(Array.from({ length: 16 }, (_, i) => i));
  for (let i = 0; i < 4; i++) {
    const first = b.add(b.mul(field(b, imm, i), b.i32(elementBytes)), b.i32(start));
    for (let k = 0; k < elementBytes; k += 2) {
      const byte = b.add(first, b.i32(k));
      const pair = b.or(byte, b.shl(b.add(byte, b.i32(1)), b.i32(8)));
      control = b.lane('i16x8.replace_lane', [control, pair], (start + i * elementBytes + k) / 2);
    }
  }
  if (start + stretch > 16) throw new Error('shuffle outside the vector');
  return control;
}

/** The bytes that an immediate picks as {@link picks} does. */
const lanesOf = (imm: number, elementBytes: number, start: number): number[] =>
  Array.from({ length: 16 }, (_, i) => {
    if (i < start || i >= start + 4 * elementBytes) return i;
    const element = (imm >> (2 * Math.floor((i - start) / elementBytes))) & 3;
    return start + element * elementBytes + ((i - start) % elementBytes);
  });

function shuffle(elementBytes: number, start: number): Semantics {
  return (b, [dst, src, imm]) => {
    const value = vector(b, src!);
    const which = b.get(imm!);
    const picked = isKnown(which)
      ? b.lane('i8x16.shuffle', [value, value], ...lanesOf(which.imm, elementBytes, start))
      : b.op('i8x16.swizzle', value, picks(b, which, elementBytes, start));
    setVector(b, dst!, picked);
  };
}

/** Two lanes from the destination, two from the source. */
const shufps: Semantics = (b, [dst, src, imm]) => {
  const which = b.get(imm!);
  if (isKnown(which)) {
    const lanes = lanesOf(which.imm, 4, 0).map((lane, i) => (i < 8 ? lane : lane + 16));
    return b.set(dst!, b.lane('i8x16.shuffle', [b.get(dst!), b.get(src!)], ...lanes));
  }
  const control = picks(b, which, 4, 0);
  const x = b.op('i8x16.swizzle', b.get(dst!), control);
  const y = b.op('i8x16.swizzle', b.get(src!), control);
  b.set(
    dst!,
    b.lane('i8x16.shuffle', [x, y], 0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31),
  );
};

const shufpd: Semantics = (b, [dst, src, imm]) => {
  const which = b.get(imm!);
  if (isKnown(which)) {
    const lanes = Array.from(
      { length: 16 },
      (_, i) => i + 8 * ((which.imm >> (i >> 3)) & 1) + (i >> 3) * 8,
    );
    return b.set(dst!, b.lane('i8x16.shuffle', [b.get(dst!), b.get(src!)], ...lanes));
  }
  const pick = (v: Node, bit: number): Node => {
    const low = b.lane('i64x2.extract_lane', [v], 0);
    const high = b.lane('i64x2.extract_lane', [v], 1);
    return b.select(b.and(which, b.i32(bit)), high, low);
  };
  const first = b.op('i64x2.splat', pick(b.get(dst!), 1));
  b.set(dst!, b.lane('i64x2.replace_lane', [first, pick(b.get(src!), 2)], 1));
};

/** The lane number is masked to the vector's eight (or four) words. */
function lastWord(b: Builder, o: Operand, imm: Operand): Node {
  return b.and(b.get(imm), b.i32(isMmx(o) ? 3 : 7));
}

const pinsrw: Semantics = (b, [dst, src, imm]) => {
  const value = b.get(src!);
  const place = b.shl(lastWord(b, dst!, imm!), b.i32(1));
  if (dst!.kind !== 'xmm' && dst!.kind !== 'mmx') throw new Error('pinsrw needs a vector register');
  b.store('i32.store16', b.add(b.target.vectorAddress(b, dst!.kind, dst!.slot), place), value);
  // Through the register's own write, for what that does beside.
  if (isMmx(dst!)) b.set(dst!, b.get(dst!));
};

const pextrw: Semantics = (b, [dst, src, imm]) => {
  const place = b.shl(lastWord(b, src!, imm!), b.i32(1));
  if (src!.kind !== 'xmm' && src!.kind !== 'mmx') throw new Error('pextrw needs a vector register');
  b.set(
    dst!,
    b.load('i32.load16_u', b.add(b.target.vectorAddress(b, src!.kind, src!.slot), place)),
  );
};

const shifts: Record<string, Semantics> = {};
for (const [name, lane, op] of [
  ['psrlw', 16, 'shr_u'],
  ['psrld', 32, 'shr_u'],
  ['psrlq', 64, 'shr_u'],
  ['psraw', 16, 'shr_s'],
  ['psrad', 32, 'shr_s'],
  ['psllw', 16, 'shl'],
  ['pslld', 32, 'shl'],
  ['psllq', 64, 'shl'],
] as const) {
  shifts[name] = shiftBy(lane, op);
  shifts[`${name}_imm`] = shiftImm(lane, op);
}

export const sseInteger: Record<string, Semantics> = {
  ...shifts,
  pand: plain('v128.and'),
  pandn: lanes((b, x, y) => b.op('v128.andnot', y, x)),
  por: plain('v128.or'),
  pxor: plain('v128.xor'),
  punpcklbw: unpack(1, false),
  punpcklwd: unpack(2, false),
  punpckldq: unpack(4, false),
  punpcklqdq: unpack(8, false),
  punpckhbw: unpack(1, true),
  punpckhwd: unpack(2, true),
  punpckhdq: unpack(4, true),
  punpckhqdq: unpack(8, true),
  packsswb: pack('i8x16.narrow_i16x8_s'),
  packuswb: pack('i8x16.narrow_i16x8_u'),
  packssdw: pack('i16x8.narrow_i32x4_s'),
  pcmpgtb: plain('i8x16.gt_s'),
  pcmpgtw: plain('i16x8.gt_s'),
  pcmpgtd: plain('i32x4.gt_s'),
  pcmpeqb: plain('i8x16.eq'),
  pcmpeqw: plain('i16x8.eq'),
  pcmpeqd: plain('i32x4.eq'),
  pshufd: shuffle(4, 0),
  pshuflw: shuffle(2, 0),
  pshufhw: shuffle(2, 8),
  pshufw: shuffle(2, 0),
  psrldq: shiftBytes(false),
  pslldq: shiftBytes(true),
  pinsrw,
  pextrw,
  shufps,
  shufpd,
  paddb: plain('i8x16.add'),
  paddw: plain('i16x8.add'),
  paddd: plain('i32x4.add'),
  paddq: plain('i64x2.add'),
  psubb: plain('i8x16.sub'),
  psubw: plain('i16x8.sub'),
  psubd: plain('i32x4.sub'),
  psubq: plain('i64x2.sub'),
  paddsb: plain('i8x16.add_sat_s'),
  paddsw: plain('i16x8.add_sat_s'),
  paddusb: plain('i8x16.add_sat_u'),
  paddusw: plain('i16x8.add_sat_u'),
  psubsb: plain('i8x16.sub_sat_s'),
  psubsw: plain('i16x8.sub_sat_s'),
  psubusb: plain('i8x16.sub_sat_u'),
  psubusw: plain('i16x8.sub_sat_u'),
  pminub: plain('i8x16.min_u'),
  pmaxub: plain('i8x16.max_u'),
  pminsw: plain('i16x8.min_s'),
  pmaxsw: plain('i16x8.max_s'),
  pavgb: plain('i8x16.avgr_u'),
  pavgw: plain('i16x8.avgr_u'),
  pmullw: plain('i16x8.mul'),
  pmulhw: lanes(mulHigh('s')),
  pmulhuw: lanes(mulHigh('u')),
  pmuludq: lanes(pmuludq),
  pmaddwd: plain('i32x4.dot_i16x8_s'),
  psadbw: lanes(psadbw),
};
