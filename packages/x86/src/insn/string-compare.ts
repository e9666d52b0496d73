/** PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM vol. 1, 5.11.1; vol. 2, 4.1). */
import { RAX, RCX, RDX } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { SCRATCH } from '../layout.ts';
import type { Semantics } from './semantics.ts';

const XMM0: Operand = { kind: 'xmm', slot: 0, size: 128 };
const FIRST = SCRATCH;
const SECOND: number = SCRATCH + 16;

/** Element `index` of an operand in SCRATCH, as the immediate's format says. */
const element: Helper = {
  name: 'stringElement',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, base, index, imm) {
    const word = b.and(imm, b.i32(1));
    const at = b.add(base, b.shl(index, word));
    const signed = b.and(imm, b.i32(2));
    b.if(
      word,
      () => {
        b.if(signed, () => b.return(b.load('i32.load16_s', at)));
        b.return(b.load('i32.load16_u', at));
      },
      () => b.if(signed, () => b.return(b.load('i32.load8_s', at))),
    );
    return b.load('i32.load8_u', at);
  },
};

/** Elements before the first zero. */
const implicitLength: Helper = {
  name: 'stringLength',
  params: ['i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, base, imm) {
    const count = b.shrU(b.i32(16), b.and(imm, b.i32(1)));
    const index = b.var(b.i32(0));
    b.loop(() => {
      b.if(b.eqz(b.call(element, base, b.value(index), imm)), () => b.return(b.value(index)));
      b.assign(index, b.add(b.value(index), b.i32(1)));
      return b.ltU(b.value(index), count);
    });
    return count;
  },
};

/** Bit j of the result before negation: what aggregating the comparisons with element j of the second operand gives. */
const aggregate: Helper = {
  name: 'stringAggregate',
  params: ['i32', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, imm, length1, length2, j) {
    const count = b.shrU(b.i32(16), b.and(imm, b.i32(1)));
    const mode = b.and(b.shrU(imm, b.i32(2)), b.i32(3));
    const i = b.var(b.i32(0));
    const two = (index: Node): Node => b.call(element, b.i32(SECOND), index, imm);
    const one = (index: Node): Node => b.call(element, b.i32(FIRST), index, imm);
    const isValid = b.ltU(j, length2);
    // Equal each: elements past both ends are equal, past one end unequal.
    b.if(b.eq(mode, b.i32(2)), () => {
      const valid1 = b.ltU(j, length1);
      b.if(b.and(valid1, isValid), () => b.return(b.eq(one(j), two(j))));
      b.return(b.eqz(b.or(valid1, isValid)));
    });
    // Equal ordered: the first operand, as far as it goes, lies at j.
    b.if(b.eq(mode, b.i32(3)), () => {
      b.loop(() => {
        const at = b.add(j, b.value(i));
        b.if(b.eqz(b.ltU(b.value(i), length1)), () => b.return(b.i32(1)));
        b.if(b.eqz(b.ltU(at, count)), () => b.return(b.i32(1)));
        b.if(b.eqz(b.ltU(at, length2)), () => b.return(b.i32(0)));
        b.if(b.ne(one(b.value(i)), two(at)), () => b.return(b.i32(0)));
        b.assign(i, b.add(b.value(i), b.i32(1)));
        return b.i32(1);
      });
    });
    b.if(b.eqz(isValid), () => b.return(b.i32(0)));
    const x = two(j);
    b.loop(() => {
      b.if(b.eqz(b.ltU(b.value(i), length1)), () => b.return(b.i32(0)));
      b.if(
        mode,
        () => {
          const next = b.add(b.value(i), b.i32(1));
          b.if(b.eqz(b.ltU(next, length1)), () => b.return(b.i32(0)));
          const within = b.and(
            b.op('i32.le_s', one(b.value(i)), x),
            b.op('i32.le_s', x, one(next)),
          );
          b.if(within, () => b.return(b.i32(1)));
          b.assign(i, next);
        },
        () => b.if(b.eq(one(b.value(i)), x), () => b.return(b.i32(1))),
      );
      b.assign(i, b.add(b.value(i), b.i32(1)));
      return b.i32(1);
    });
    return b.i32(0);
  },
};

/** The whole comparison: result bits after negation. */
const compareStrings: Helper = {
  name: 'compareStrings',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, imm, length1, length2) {
    const count = b.shrU(b.i32(16), b.and(imm, b.i32(1)));
    const bits = b.var(b.i32(0));
    const j = b.var(b.i32(0));
    b.loop(() => {
      const bit = b.call(aggregate, imm, length1, length2, b.value(j));
      b.assign(bits, b.or(b.value(bits), b.shl(bit, b.value(j))));
      b.assign(j, b.add(b.value(j), b.i32(1)));
      return b.ltU(b.value(j), count);
    });
    const all = b.sub(b.shl(b.i32(1), count), b.i32(1));
    const valid = b.sub(b.shl(b.i32(1), length2), b.i32(1));
    const masked = b.select(b.and(imm, b.i32(0x20)), valid, all);
    const flip = b.select(b.and(imm, b.i32(0x10)), masked, b.i32(0));
    return b.xor(b.value(bits), flip);
  },
};

/** |length|, at most the number of elements; the register is 64 bits wide with REX.W. */
function explicitLength(b: Builder, register: number, imm: Node): Node {
  const raw = b.extendS(b.reg(register, b.width));
  const sign = b.shrS(raw, b.i64(63));
  const magnitude = b.sub(b.xor(raw, sign), sign);
  const count = b.extendU(b.shrU(b.i32(16), b.and(imm, b.i32(1))));
  return b.wrap(b.select(b.ltU(magnitude, count), magnitude, count));
}

function compare(implicit: boolean, mask: boolean): Semantics {
  return (b, [dst, src, control]) => {
    const x = b.get(dst!);
    const y = b.get(src!);
    const imm = b.get(control!);
    b.store('v128.store', b.i32(FIRST), x);
    b.store('v128.store', b.i32(SECOND), y);
    const length1 = implicit
      ? b.call(implicitLength, b.i32(FIRST), imm)
      : explicitLength(b, RAX, imm);
    const length2 = implicit
      ? b.call(implicitLength, b.i32(SECOND), imm)
      : explicitLength(b, RDX, imm);
    const bits = b.call(compareStrings, imm, length1, length2);
    const count = b.shrU(b.i32(16), b.and(imm, b.i32(1)));
    if (mask) setMask(b, bits, imm);
    else {
      const last = b.sub(b.i32(31), b.op('i32.clz', bits));
      const index = b.select(b.and(imm, b.i32(0x40)), last, b.op('i32.ctz', bits));
      b.setReg(RCX, 64, b.extendU(b.select(bits, index, count)));
    }
    const flag = (on: Node, bit: number): Node => b.shl(b.ne(on, b.i32(0)), b.i32(bit));
    const zs = b.or(flag(b.ltU(length2, count), 6), flag(b.ltU(length1, count), 7));
    b.flags.setStatusWord(b.or(zs, b.or(flag(bits, 0), flag(b.and(bits, b.i32(1)), 11))));
  };
}

/** XMM0 takes the bits, or a mask of whole elements. */
function setMask(b: Builder, bits: Node, imm: Node): void {
  const zero = b.v128(Array.from({ length: 16 }, () => 0));
  const plain = b.lane('i32x4.replace_lane', [zero, bits], 0);
  const bytes = b.v128([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
  const spread = b.lane(
    'i8x16.shuffle',
    [plain, plain],
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
  );
  const byteMask = b.op('i8x16.eq', b.op('v128.and', spread, bytes), bytes);
  const words = b.v128([1, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32, 0, 64, 0, 128, 0]);
  const wordMask = b.op('i16x8.eq', b.op('v128.and', b.op('i16x8.splat', bits), words), words);
  const wide = b.select(b.and(imm, b.i32(1)), wordMask, byteMask);
  b.set(XMM0, b.select(b.and(imm, b.i32(0x40)), wide, plain));
}

export const stringCompare: Record<string, Semantics> = {
  pcmpestri: compare(false, false),
  pcmpestrm: compare(false, true),
  pcmpistri: compare(true, false),
  pcmpistrm: compare(true, true),
};
