/** Logic and bit instructions (SDM vol. 1, 5.1.4 and 5.1.6). */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { Builder as B } from '../ir/builder.ts';
import { ZF } from '../ir/flags.ts';
import { widthOf, type Semantics } from './semantics.ts';

function binary(combine: (b: Builder, x: Node, y: Node) => Node): Semantics {
  return (b, [dst, src]) => {
    const result = combine(b, b.get(dst!), b.get(src!));
    b.set(dst!, result);
    b.flags.logic(result, widthOf(dst!));
  };
}

const test: Semantics = (b, [x, y]) => b.flags.logic(b.and(b.get(x!), b.get(y!)), widthOf(x!));

const not: Semantics = (b, [dst]) => b.set(dst!, b.not(b.get(dst!)));

type BitAction = 'test' | 'set' | 'reset' | 'complement';

function changeBit(b: Builder, action: BitAction, value: Node, mask: Node): Node {
  if (action === 'set') return b.or(value, mask);
  if (action === 'reset') return b.and(value, b.not(mask));
  return b.xor(value, mask);
}

/** The bit number counts within the operand. */
function bitWithin(action: BitAction): Semantics {
  return (b, [dst, index]) => {
    const width = widthOf(dst!);
    const value = b.get(dst!);
    const raw = b.get(index!);
    const typed = width === 64 ? b.extendU(raw) : b.wrap(raw);
    const bit = b.and(typed, b.constant(value, width - 1));
    const cf = b.wrap(b.and(b.shrU(value, bit), b.constant(value, 1)));
    if (action !== 'test')
      b.set(dst!, changeBit(b, action, value, b.shl(b.constant(value, 1), bit)));
    b.flags.setCarry(cf);
  };
}

/** Memory forms with the bit number in a register reach outside the operand (SDM vol. 2, BT). */
function bitString(action: BitAction): Semantics {
  const within = bitWithin(action);
  return (b, o) => {
    const [dst, index] = o;
    if (dst!.kind !== 'mem') return within(b, o);
    const width = widthOf(dst!);
    const raw = b.get(index!);
    const offset = b.extendS(b.signExtend(raw, width));
    const log = Math.log2(width);
    const bytes = b.shl(b.shrS(offset, b.i64(log)), b.i64(log - 3));
    const far = b.add(b.address(), bytes);
    const va = b.address32 ? b.and(far, b.i64(0xffff_ffffn)) : far;
    const physical = b.target.translate(b, va, width / 8, action !== 'test');
    const value = b.load(B.loadOf(width), physical);
    const bit = b.and(raw, b.constant(value, width - 1));
    const cf = b.wrap(b.and(b.shrU(value, bit), b.constant(value, 1)));
    if (action !== 'test') {
      const mask = b.shl(b.constant(value, 1), bit);
      b.store(B.storeOf(width), physical, changeBit(b, action, value, mask));
      b.target.commit(b, physical);
    }
    b.flags.setCarry(cf);
  };
}

/** BSF and BSR: a zero source leaves the destination alone, as every processor does and AMD documents. */
function scan(reverse: boolean): Semantics {
  return (b, [dst, src]) => {
    const width = widthOf(dst!);
    const value = b.get(src!);
    b.if(b.ne(value, b.constant(value, 0)), () => {
      const { type } = value;
      const bit = reverse
        ? b.sub(b.constant(value, type === 'i64' ? 63 : 31), b.op(`${type}.clz`, value))
        : b.op(`${type}.ctz`, value);
      b.set(dst!, bit);
    });
    b.flags.logic(value, width);
  };
}

const popcnt: Semantics = (b, [dst, src]) => {
  const value = b.get(src!);
  b.set(dst!, b.op(`${value.type}.popcnt`, value));
  if (b.flags.live) b.flags.setStatusWord(b.mul(b.eqz(value), b.i32(ZF)));
};

/** With 16-bit operands, undefined, processors clear the register. */
const bswap: Semantics = (b, [dst]) => {
  const x = b.get(dst!);
  if (widthOf(dst!) === 16) return b.set(dst!, b.i32(0));
  if (x.type === 'i32') return b.set(dst!, swap32(b, x));
  const low = b.extendU(swap32(b, b.wrap(x)));
  const high = b.extendU(swap32(b, b.wrap(b.shrU(x, b.i64(32)))));
  b.set(dst!, b.or(b.shl(low, b.i64(32)), high));
};

export function swap32(b: Builder, x: Node): Node {
  const odd = b.op('i32.rotr', b.and(x, b.i32(0x00ff_00ff)), b.i32(8));
  const even = b.op('i32.rotl', b.and(x, b.i32(0xff00_ff00)), b.i32(8));
  return b.or(odd, even);
}

// ---- shifts and rotates

/** The count, masked to 5 or 6 bits, in the type of the value. */
function countOf(b: Builder, o: Operand, width: Width): Node {
  const count = b.and(b.wrap(b.get(o)), b.i32(width === 64 ? 63 : 31));
  return width === 64 ? b.extendU(count) : count;
}

const bit0 = (b: Builder, x: Node): Node => b.wrap(b.and(x, b.constant(x, 1)));
const bitAt = (b: Builder, x: Node, n: number): Node => bit0(b, b.shrU(x, b.constant(x, n)));
const nonZero = (b: Builder, count: Node): Node => b.ne(count, b.constant(count, 0));

const shl: Semantics = (b, [dst, by]) => {
  const width = widthOf(dst!);
  const x = b.get(dst!);
  const count = countOf(b, by!, width);
  const result = b.shl(x, count);
  b.set(dst!, result);
  // For 8 and 16 bits the carry is the bit above the operand; else it must be taken from the source.
  const cf =
    width < 32 ? bitAt(b, result, width) : bit0(b, b.shrU(x, b.sub(b.constant(x, width), count)));
  const of = b.xor(bitAt(b, result, width - 1), cf);
  b.flags.explicitIf(nonZero(b, count), result, width, cf, of);
};

const shr: Semantics = (b, [dst, by]) => {
  const width = widthOf(dst!);
  const x = b.get(dst!);
  const count = countOf(b, by!, width);
  const result = b.shrU(x, count);
  b.set(dst!, result);
  const cf = bit0(b, b.shrU(x, b.sub(count, b.constant(x, 1))));
  b.flags.explicitIf(nonZero(b, count), result, width, cf, bitAt(b, x, width - 1));
};

const sar: Semantics = (b, [dst, by]) => {
  const width = widthOf(dst!);
  const x = b.signExtend(b.get(dst!), width);
  const count = countOf(b, by!, width);
  const result = b.shrS(x, count);
  b.set(dst!, result);
  const cf = bit0(b, b.shrS(x, b.sub(count, b.constant(x, 1))));
  b.flags.explicitIf(nonZero(b, count), result, width, cf, b.i32(0));
};

/** The operand twice in 32 bits, so that a 32-bit rotate rotates it. */
function replicate(b: Builder, x: Node, width: Width): Node {
  if (width >= 32) return x;
  return b.mul(x, b.i32(width === 8 ? 0x0101_0101 : 0x0001_0001));
}

const rol: Semantics = (b, [dst, by]) => {
  const width = widthOf(dst!);
  const x = b.get(dst!);
  const count = countOf(b, by!, width);
  const result = b.op(`${x.type}.rotl`, replicate(b, x, width), count);
  b.set(dst!, result);
  const cf = bit0(b, result);
  b.flags.setCarryOverflowIf(nonZero(b, count), cf, b.xor(cf, bitAt(b, result, width - 1)));
};

const ror: Semantics = (b, [dst, by]) => {
  const width = widthOf(dst!);
  const x = b.get(dst!);
  const count = countOf(b, by!, width);
  const result = b.op(`${x.type}.rotr`, replicate(b, x, width), count);
  b.set(dst!, result);
  const cf = bitAt(b, result, width - 1);
  b.flags.setCarryOverflowIf(nonZero(b, count), cf, b.xor(cf, bitAt(b, result, width - 2)));
};

/** RCL and RCR rotate width + 1 bits: the operand with CF above it. */
function rotateThroughCarry(left: boolean): Semantics {
  return (b, [dst, by]) => {
    const width = widthOf(dst!);
    const x = b.get(dst!);
    const masked = countOf(b, by!, width);
    const { result, cf } =
      width === 64 ? rotate65(b, x, masked, left) : rotateNarrow(b, x, masked, width, left);
    b.set(dst!, result);
    const top = bitAt(b, result, width - 1);
    const of = left ? b.xor(top, cf) : b.xor(top, bitAt(b, result, width - 2));
    b.flags.setCarryOverflowIf(nonZero(b, masked), cf, of);
  };
}

function rotateNarrow(
  b: Builder,
  x: Node,
  masked: Node,
  width: Width,
  left: boolean,
): { result: Node; cf: Node } {
  const bits = width + 1;
  const turns = width === 32 ? masked : b.op('i32.rem_u', masked, b.i32(bits));
  const count = b.extendU(turns);
  const back = b.sub(b.i64(bits), count);
  const value = b.or(b.extendU(x), b.shl(b.extendU(b.flags.get('c')), b.i64(width)));
  const turned = left
    ? b.or(b.shl(value, count), b.shrU(value, back))
    : b.or(b.shrU(value, count), b.shl(value, back));
  return { result: b.wrap(turned), cf: bitAt(b, turned, width) };
}

function rotate65(b: Builder, x: Node, count: Node, left: boolean): { result: Node; cf: Node } {
  const one = b.i64(1);
  const old = b.flags.get('c');
  const carry = b.extendU(old);
  const back = b.sub(b.i64(64), count);
  const turned = left
    ? b.or(b.or(b.shl(x, count), b.shl(carry, b.sub(count, one))), b.shrU(b.shrU(x, one), back))
    : b.or(b.or(b.shrU(x, count), b.shl(carry, back)), b.shl(b.shl(x, one), back));
  const out = left ? bit0(b, b.shrU(x, back)) : bit0(b, b.shrU(x, b.sub(count, one)));
  const some = nonZero(b, count);
  return { result: b.select(some, turned, x), cf: b.select(some, out, old) };
}

/** SHLD and SHRD. Counts above 16 with 16-bit operands, undefined, go on into a second copy of
 * the source, as processors do. */
function doubleShift(left: boolean): Semantics {
  return (b, [dst, src, by]) => {
    const width = widthOf(dst!);
    const x = b.get(dst!);
    const y = b.get(src!);
    const count = countOf(b, by!, width);
    const { result, cf } =
      width === 16
        ? doubleShift16(b, x, y, count, left)
        : doubleShiftWide(b, x, y, count, width, left);
    b.set(dst!, result);
    const of = b.xor(bitAt(b, result, width - 1), bitAt(b, x, width - 1));
    b.flags.explicitIf(nonZero(b, count), result, width, cf, of);
  };
}

function doubleShift16(
  b: Builder,
  x: Node,
  y: Node,
  count: Node,
  left: boolean,
): { result: Node; cf: Node } {
  const pair = (high: Node, low: Node): Node =>
    b.or(b.shl(b.extendU(high), b.i64(16)), b.extendU(low));
  const wide = b.extendU(count);
  if (left) {
    const all = b.or(b.shl(pair(x, y), b.i64(16)), b.extendU(y));
    const result = b.wrap(b.shrU(b.shl(all, wide), b.i64(32)));
    return { result, cf: bit0(b, b.shrU(all, b.sub(b.i64(48), wide))) };
  }
  const all = b.or(b.shl(pair(y, y), b.i64(16)), b.extendU(x));
  const result = b.wrap(b.shrU(all, wide));
  return { result, cf: bit0(b, b.shrU(all, b.sub(wide, b.i64(1)))) };
}

function doubleShiftWide(
  b: Builder,
  x: Node,
  y: Node,
  count: Node,
  width: Width,
  left: boolean,
): { result: Node; cf: Node } {
  const back = b.sub(b.constant(x, width), count);
  const merged = left
    ? b.or(b.shl(x, count), b.shrU(y, back))
    : b.or(b.shrU(x, count), b.shl(y, back));
  const cf = left ? bit0(b, b.shrU(x, back)) : bit0(b, b.shrU(x, b.sub(count, b.constant(x, 1))));
  return { result: b.select(nonZero(b, count), merged, x), cf };
}

export const logic: Record<string, Semantics> = {
  and: binary((b, x, y) => b.and(x, y)),
  or: binary((b, x, y) => b.or(x, y)),
  xor: binary((b, x, y) => b.xor(x, y)),
  test,
  not,
  bt: bitWithin('test'),
  bts: bitWithin('set'),
  btr: bitWithin('reset'),
  btc: bitWithin('complement'),
  bt_reg: bitString('test'),
  bts_reg: bitString('set'),
  btr_reg: bitString('reset'),
  btc_reg: bitString('complement'),
  bsf: scan(false),
  bsr: scan(true),
  popcnt,
  bswap,
  shl,
  shr,
  sar,
  rol,
  ror,
  rcl: rotateThroughCarry(true),
  rcr: rotateThroughCarry(false),
  shld: doubleShift(true),
  shrd: doubleShift(false),
};
