/**
 * AVX and AVX2 by the meanings of their SSE namesakes (SDM vol. 1, chapter 14): each half of 128 bits is put together in a
 * vector of the processor's own memory that stands for the SSE instruction's destination. Nothing is written to the
 * register before all halves are done; what is above the result is cleared.
 */
import { VECTOR_GP, VECTOR_XM } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { MemOperand, Operand, XmmOperand } from '../ir/operand.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import { ld, st } from './softfloat.ts';
import { ORDER } from './sse-integer.ts';
import { deferTraps, trapIfUnmasked } from './sse-float.ts';

/** A vector of the processor's own, as an operand: by its distance from XMM0. */
export const temp = (n: number, size = 128): XmmOperand => ({
  kind: 'xmm',
  slot: (L.VEX_TEMP - L.XMM_BASE) / 16 + n,
  size,
});

/** Halves that the instruction works on: the operand size 64 stands for VEX.L. */
export const halvesOf = (b: Builder): number => (b.width === 64 ? 2 : 1);

export const zero = (b: Builder): Node => b.v128(ORDER.map(() => 0));

const range = (count: number): number[] => [0, 1].slice(0, count);

/** Physical address of a memory operand that is used as a whole. */
export function placeOf(b: Builder, o: MemOperand, bytes: number, write: boolean): Node {
  const va = b.address();
  if (o.aligned) b.if(b.and(b.wrap(va), b.i32(bytes - 1)), () => b.raise(VECTOR_GP));
  return b.target.translate(b, va, bytes, write);
}

/** The halves of a register or memory operand. */
export function halves(b: Builder, o: Operand, count: number = halvesOf(b)): Node[] {
  if (o.kind === 'xmm')
    return range(count).map((h) =>
      b.target.readVector(b, 'xmm', o.slot, 'v128.load', h * L.YMM_HIGH_OFFSET),
    );
  if (o.kind !== 'mem') throw new Error(`a ${o.kind} operand has no halves`);
  const physical = placeOf(b, o, count * 16, false);
  return range(count).map((h) => b.load('v128.load', physical, h * 16));
}

/** Writes a result; the upper half of a register is cleared when there is none for it. */
export function setHalves(b: Builder, o: Operand, values: readonly Node[]): void {
  if (o.kind === 'xmm') {
    b.target.writeVector(b, 'xmm', o.slot, 'v128.store', 0, values[0]!);
    return b.target.writeVector(b, 'xmm', o.slot, 'v128.store', L.YMM_HIGH_OFFSET, values[1] ?? zero(b)); // prettier-ignore
  }
  if (o.kind !== 'mem') throw new Error(`a ${o.kind} operand has no halves`);
  const physical = placeOf(b, o, values.length * 16, true);
  values.forEach((value, h) => b.store('v128.store', physical, value, h * 16));
  b.target.commit(b, physical);
}

/** Everything masked? Otherwise the exceptions of all lanes' operands come before any result (guarded, sse-float.ts). */
const ALL_MASKED = 0x1f80;

/** Both halves of an operation that may raise #XM: as if they were one vector. */
export function bothGuarded(b: Builder, run: () => void): void {
  const mxcsr = ld(b, L.MXCSR_CELL);
  b.if(b.ne(b.and(mxcsr, b.i32(ALL_MASKED)), b.i32(ALL_MASKED)), () => {
    st(b, L.SF_PROBE, b.i32(1));
    st(b, L.SF_PROBED, b.i32(0));
    deferTraps(run);
    st(b, L.SF_PROBE, b.i32(0));
    const found = ld(b, L.SF_PROBED);
    b.if(b.and(found, b.not(b.shrU(mxcsr, b.i32(7)))), () => {
      st(b, L.MXCSR_CELL, b.or(mxcsr, found));
      b.raise(VECTOR_XM);
    });
  });
  deferTraps(run);
  trapIfUnmasked(b);
}

export interface Form {
  /** The upper half takes the immediate shifted right by so much. */
  readonly immediate?: number;
  /** The second source is one vector of 128 bits for both halves (shift counts). */
  readonly shared?: boolean;
}

/** The immediate, or what it is for the upper half. */
function immediateOf(b: Builder, imm: Operand | undefined, h: number, by = 0): Operand[] {
  if (!imm) return [];
  if (h === 0 || by === 0) return [imm];
  const o = temp(7, 32);
  b.setAs(o, 'i32.store', b.shrU(b.get(imm), b.i32(by)));
  return [o];
}

/** Runs an SSE meaning over the halves: destination and first source in temporary vectors, the rest as it comes. */
function over(
  b: Builder,
  meaning: Semantics,
  first: readonly Node[],
  sources: readonly (readonly Operand[])[],
  size: number,
): Node[] {
  const run = (): void =>
    sources.forEach((rest, h) => {
      const dst = temp(h, size);
      b.setAs(dst, 'v128.store', first[h]!);
      meaning(b, [dst, ...rest]);
    });
  if (sources.length === 1) run();
  else bothGuarded(b, run);
  return sources.map((_, h) => b.getAs(temp(h), 'v128.load'));
}

/** The second source's halves as operands; one of 128 bits or less is taken as it is, but a shift count is read whole. */
function sourceOperands(b: Builder, src: Operand, count: number, shared = false): Operand[] {
  if (shared) {
    const value = b.get(src);
    b.setAs(temp(2), 'v128.store', value);
    return Array.from({ length: count }, () => temp(2));
  }
  if (count === 1) return [src];
  return halves(b, src, count).map((value, h) => {
    const o = temp(2 + h);
    b.setAs(o, 'v128.store', value);
    return o;
  });
}

const sizeOf = (o: Operand): number => (o.kind === 'xmm' ? Math.min(o.size, 128) : 128);

/** VEX.NDS: destination, first source, second source, and perhaps an immediate. */
export function threeOperands(meaning: Semantics, form: Form = {}): Semantics {
  return (b, [dst, x, y, imm]) => {
    const scalar = dst!.kind === 'xmm' && dst!.size < 128;
    const count = scalar || (dst!.kind === 'xmm' && dst!.size === 128) ? 1 : halvesOf(b);
    const sources = sourceOperands(b, y!, count, form.shared).map((o, h) => [
      o,
      ...immediateOf(b, imm, h, form.immediate),
    ]);
    setHalves(b, dst!, over(b, meaning, halves(b, x!, count), sources, sizeOf(dst!)));
  };
}

/** VEX.NDS in two steps, of which the second is not taken when the first raises an exception in either half. */
export function twoSteps(first: Semantics, second: Semantics): Semantics {
  return (b, [dst, x, y, imm]) => {
    const count = halvesOf(b);
    const sources = sourceOperands(b, y!, count).map((o) => [o, imm!]);
    const between = over(b, first, halves(b, x!, count), sources, 128);
    setHalves(b, dst!, over(b, second, between, between.map(() => [imm!]), 128)); // prettier-ignore
  };
}

/** Destination and one source; what the destination held does not matter. */
export function twoOperands(meaning: Semantics, form: Form = {}): Semantics {
  return (b, [dst, src, imm]) => {
    const count = dst!.kind === 'xmm' && dst!.size <= 128 ? 1 : halvesOf(b);
    const sources = sourceOperands(b, src!, count).map((o, h) => [
      o,
      ...immediateOf(b, imm, h, form.immediate),
    ]);
    setHalves(
      b,
      dst!,
      over(
        b,
        meaning,
        range(count).map(() => zero(b)),
        sources,
        sizeOf(dst!),
      ),
    );
  };
}

/** VEX.NDD: the shifts by an immediate, whose SSE form has destination and source in one. */
export const shiftImmediate =
  (meaning: Semantics): Semantics =>
  (b, [dst, src, imm]) => {
    const first = halves(b, src!);
    setHalves(b, dst!, over(b, meaning, first, first.map(() => [imm!]), 128)); // prettier-ignore
  };

/** A source of fewer bytes than the result: the upper half's part lies `bytes` further on. */
export function widened(meaning: Semantics, bytes: number): Semantics {
  return (b, [dst, src]) => {
    if (halvesOf(b) === 1) return twoOperands(meaning)(b, [dst!, src!]);
    // All of the source, which may be shorter than a vector.
    const value = wholeOf(b, src!);
    const upper = b.lane('i8x16.shuffle', [value, value], ...ORDER.map((i) => (i + bytes) % 16));
    const sources = [value, upper].map((part, h) => {
      b.setAs(temp(2 + h), 'v128.store', part);
      return [temp(2 + h)];
    });
    setHalves(b, dst!, over(b, meaning, [zero(b), zero(b)], sources, 128));
  };
}

export function wholeOf(b: Builder, o: Operand): Node {
  if (o.kind !== 'mem') return b.getAs(o, 'v128.load');
  if (o.size === 64) return b.getAs(o, 'v128.load64_zero');
  return b.getAs(o, o.size === 32 ? 'v128.load32_zero' : 'v128.load');
}

/** A result of half the source's size: both halves' low parts side by side. */
export function narrowed(meaning: Semantics): Semantics {
  return (b, [dst, src]) => {
    const count = halvesOf(b);
    const sources = sourceOperands(b, src!, count).map((o) => [o]);
    const results = over(b, meaning, range(count).map(() => zero(b)), sources, 128); // prettier-ignore
    const joined = count === 1 ? results[0]! : b.lane('i8x16.shuffle', [results[0]!, results[1]!], ...ORDER.map((i) => (i < 8 ? i : i + 8))); // prettier-ignore
    setHalves(b, dst!, [joined]);
  };
}

/** An SSE instruction whose destination is an implied or named register: its upper half is cleared afterwards. */
export const clearingAbove =
  (meaning: Semantics, register?: number): Semantics =>
  (b, o) => {
    meaning(b, o);
    const slot = register ?? (o[0] as XmmOperand).slot;
    b.target.writeVector(b, 'xmm', slot, 'v128.store', L.YMM_HIGH_OFFSET, zero(b));
  };

/** The bits of both halves' masks side by side. */
export const maskOfHalves =
  (op: string, bits: number): Semantics =>
  (b, [dst, src]) => {
    const [low, high] = halves(b, src!).map((value) => b.op(op, value));
    b.set(dst!, high ? b.or(low!, b.shl(high, b.i32(bits))) : low!);
  };
