/** PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM vol. 1, 5.11.1; vol. 2, 4.1). */
import { RAX, RCX, RDX } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { SCRATCH } from '../layout.ts';
import type { Semantics } from './semantics.ts';

const XMM0: Operand = { kind: 'xmm', slot: 0, size: 128 };
const FIRST = SCRATCH;

type Lanes = 'i8x16' | 'i16x8';
const COUNT = { i8x16: 16, i16x8: 8 } as const;

const equal = (b: Builder, type: Lanes, x: Node, y: Node): Node =>
  b.op(`${type}.bitmask`, b.op(`${type}.eq`, x, y));

/** Elements before the first zero. */
function implicitLength(b: Builder, v: Node, imm: Node): Node {
  const zero = b.v128(Array.from({ length: 16 }, () => 0));
  const length = (type: Lanes): Node =>
    b.op('i32.ctz', b.or(equal(b, type, v, zero), b.i32(1 << COUNT[type])));
  return b.select(b.and(imm, b.i32(1)), length('i16x8'), length('i8x16'));
}

const below = (b: Builder, length: Node): Node => b.sub(b.shl(b.i32(1), length), b.i32(1));

/** Calls `each` with the elements of the first operand, `step` at a time, as vectors that are that element everywhere. */
function forElements(
  b: Builder,
  type: Lanes,
  length: Node,
  step: number,
  each: (index: Node, element: (offset: number) => Node) => void,
): void {
  const bytes = 16 / COUNT[type];
  const index = b.var(b.i32(0));
  const last = b.sub(length, b.i32(step - 1));
  b.if(b.op('i32.gt_s', last, b.i32(0)), () =>
    b.loop(() => {
      const at = b.mul(b.value(index), b.i32(bytes));
      const load = bytes === 1 ? 'i32.load8_u' : 'i32.load16_u';
      each(b.value(index), (offset) =>
        b.op(`${type}.splat`, b.load(load, at, FIRST + offset * bytes)),
      );
      b.assign(index, b.add(b.value(index), b.i32(step)));
      return b.ltS(b.value(index), last);
    }),
  );
}

/** The result before negation for elements of one size: bit j tells of element j of the second operand. */
function aggregate(
  b: Builder,
  type: Lanes,
  imm: Node,
  x: Node,
  y: Node,
  length1: Node,
  length2: Node,
): Node {
  // prettier-ignore
  const all = (1 << COUNT[type]) - 1;
  const valid = below(b, length2);
  const mode = b.and(b.shrU(imm, b.i32(2)), b.i32(3));
  const bits = b.var(b.i32(0));
  const anyOf = (mask: Node): void => b.assign(bits, b.or(b.value(bits), b.and(mask, valid)));
  b.if(b.eqz(mode), () =>
    forElements(b, type, length1, 1, (_, element) => anyOf(equal(b, type, element(0), y))),
  );
  // Ranges.
  b.if(b.eq(mode, b.i32(1)), () =>
    forElements(b, type, length1, 2, (_, element) => {
      const within = (sign: string): Node =>
        b.op(
          `${type}.bitmask`,
          b.op(
            'v128.and',
            b.op(`${type}.ge_${sign}`, y, element(0)),
            b.op(`${type}.le_${sign}`, y, element(1)),
          ),
        );
      anyOf(b.select(b.and(imm, b.i32(2)), within('s'), within('u')));
    }),
  );
  // Equal each: elements past both ends are equal, past one end unequal.
  b.if(b.eq(mode, b.i32(2)), () => {
    const first = below(b, length1);
    const same = b.and(equal(b, type, x, y), b.and(first, valid));
    b.assign(bits, b.or(same, b.and(b.not(b.or(first, valid)), b.i32(all))));
  });
  // Equal ordered: the first operand, as far as it goes and fits, lies at j.
  b.if(b.eq(mode, b.i32(3)), () => {
    b.assign(bits, b.i32(all));
    forElements(b, type, length1, 1, (index, element) => {
      const here = b.or(b.and(equal(b, type, element(0), y), valid), b.i32(~all));
      b.assign(bits, b.and(b.value(bits), b.shrU(here, index)));
    });
  });
  return b.value(bits);
}

/** The whole comparison: result bits after negation. */
const compareStrings: Helper = {
  name: 'compareStrings',
  params: ['i32', 'v128', 'v128', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, imm, x, y, length1, length2) {
    b.store('v128.store', b.i32(FIRST), x);
    const finish = (type: Lanes): void => {
      const bits = aggregate(b, type, imm, x, y, length1, length2);
      const all = b.i32((1 << COUNT[type]) - 1);
      const masked = b.select(b.and(imm, b.i32(0x20)), below(b, length2), all);
      b.return(b.xor(bits, b.select(b.and(imm, b.i32(0x10)), masked, b.i32(0))));
    };
    b.if(b.and(imm, b.i32(1)), () => finish('i16x8'));
    finish('i8x16');
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
    const length1 = implicit ? implicitLength(b, x, imm) : explicitLength(b, RAX, imm);
    const length2 = implicit ? implicitLength(b, y, imm) : explicitLength(b, RDX, imm);
    const bits = b.call(compareStrings, imm, x, y, length1, length2);
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
