/** SSE and SSE2 data movement (SDM vol. 1, 5.5.1.1 and 5.6.1.1). */
import { VECTOR_GP, RDI } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { SLOT_ZERO } from '../layout.ts';
import type { Semantics } from './semantics.ts';

/** Bits of a vector or memory operand. */
function sizeOf(o: Operand): number {
  return o.kind === 'xmm' || o.kind === 'mem' || o.kind === 'mmx' ? o.size : 0;
}

const movdq: Semantics = (b, [dst, src]) => b.set(dst!, b.get(src!));

/** Moves the low 32 or 64 bits; what is above them in a register stays. */
const movLow: Semantics = (b, [dst, src]) => {
  const size = sizeOf(dst!);
  const value = b.getAs(src!, size === 32 ? 'i32.load' : 'i64.load');
  b.setAs(dst!, size === 32 ? 'i32.store' : 'i64.store', value);
};

/** Loads 32 or 64 bits and clears the rest of the register. */
function loadZero(load: string): Semantics {
  return (b, [dst, src]) => b.setAs(dst!, 'v128.store', b.getAs(src!, load));
}

const movhLoad: Semantics = (b, [dst, src]) =>
  b.setAs(dst!, 'i64.store', b.getAs(src!, 'i64.load'), 8);

const movhStore: Semantics = (b, [dst, src]) =>
  b.setAs(dst!, 'i64.store', b.getAs(src!, 'i64.load', 8));

const movhlps: Semantics = (b, [dst, src]) =>
  b.setAs(dst!, 'i64.store', b.getAs(src!, 'i64.load', 8));

/** MOVD and MOVQ between a general register or memory and a vector register. */
const movdTo: Semantics = (b, [dst, src]) => {
  const value = b.extendU(b.get(src!));
  const zero = b.v128(Array.from({ length: 16 }, () => 0));
  b.setAs(dst!, 'v128.store', b.lane('i64x2.replace_lane', [zero, value], 0));
};

const movdFrom: Semantics = (b, [dst, src]) =>
  b.set(dst!, b.getAs(src!, b.width === 64 ? 'i64.load' : 'i32.load'));

function mask(op: string): Semantics {
  return (b, [dst, src]) => b.set(dst!, b.op(op, b.get(src!)));
}

/** Writes the bytes whose mask has its top bit set, or none if one of them faults, without touching the others' pages. */
const maskmov: Semantics = (b, [value, select]) => {
  const va = b.add(b.pointer(RDI), b.target.readGpr(b, SLOT_ZERO, 64));
  if (value!.kind !== 'xmm' && value!.kind !== 'mmx')
    throw new Error('a vector register is needed');
  const chosen = value!.kind === 'xmm' ? b.get(select!) : b.getAs(select!, 'v128.load64_zero');
  const bits = b.op('i8x16.bitmask', chosen);
  const left = b.var(bits);
  const from = b.target.vectorAddress(b, value!.kind, value!.slot);
  b.if(bits, () => {
    const last = b.sub(b.i32(31), b.op('i32.clz', bits));
    for (const lane of [b.op('i32.ctz', bits), last])
      b.target.translate(b, b.add(va, b.extendU(lane)), 1, true);
    b.loop(() => {
      const lane = b.op('i32.ctz', b.value(left));
      const byte: Node = b.load('i32.load8_u', b.add(from, lane));
      b.write('i32.store8', b.add(va, b.extendU(lane)), byte);
      const rest = b.and(b.value(left), b.sub(b.value(left), b.i32(1)));
      b.assign(left, rest);
      return b.value(left);
    });
  });
};

/** #GP for a misaligned 16-byte address, for what does not go through an operand. */
export function checkAligned(b: Builder, va: Node): void {
  b.if(b.and(b.wrap(va), b.i32(15)), () => b.raise(VECTOR_GP));
}

export const sseMoves: Record<string, Semantics> = {
  movdq,
  mov_low: movLow,
  movd_load: loadZero('v128.load32_zero'),
  movq_load: loadZero('v128.load64_zero'),
  movh_load: movhLoad,
  movh_store: movhStore,
  movhlps,
  movd_to: movdTo,
  movd_from: movdFrom,
  movmskps: mask('i32x4.bitmask'),
  movmskpd: mask('i64x2.bitmask'),
  pmovmskb: mask('i8x16.bitmask'),
  maskmovdqu: maskmov,
};
