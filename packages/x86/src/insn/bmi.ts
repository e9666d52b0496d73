/** MOVBE, LZCNT, BMI1 and BMI2 (SDM vol. 1, 5.1.16; the flags are those the manual defines). */
import { RDX } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import { mulHighU } from './arithmetic.ts';
import { swap32 } from './logic.ts';
import { widthOf, type Semantics } from './semantics.ts';

function swapped(b: Builder, x: Node, width: number): Node {
  if (width === 16) return b.or(b.shl(b.and(x, b.i32(0xff)), b.i32(8)), b.shrU(x, b.i32(8)));
  if (width === 32) return swap32(b, x);
  const low = b.extendU(swap32(b, b.wrap(x)));
  return b.or(b.shl(low, b.i64(32)), b.extendU(swap32(b, b.wrap(b.shrU(x, b.i64(32))))));
}

const movbe: Semantics = (b, [dst, src]) => b.set(dst!, swapped(b, b.get(src!), widthOf(dst!)));

/** Leading or trailing zeros; the operand's width when it is zero. CF: it is; ZF: the result is zero. */
const count =
  (leading: boolean): Semantics =>
  (b, [dst, src]) => {
    const width = widthOf(src!);
    const x = b.get(src!);
    let result: Node;
    if (width === 16)
      result = leading
        ? b.sub(b.op('i32.clz', x), b.i32(16))
        : b.op('i32.ctz', b.or(x, b.i32(0x1_0000)));
    else result = b.op(`${x.type}.${leading ? 'clz' : 'ctz'}`, x);
    b.set(dst!, result);
    b.flags.explicit(result, width, b.eqz(x), b.i32(0));
  };

const andn: Semantics = (b, [dst, x, y]) => {
  const result = b.and(b.not(b.get(x!)), b.get(y!));
  b.set(dst!, result);
  b.flags.logic(result, b.width);
};

/** BLSR, BLSMSK and BLSI. */
function lowestBit(compute: (b: Builder, x: Node) => Node, carryIfZero: boolean): Semantics {
  return (b, [dst, src]) => {
    const x = b.get(src!);
    const result = compute(b, x);
    b.set(dst!, result);
    const zero = b.eqz(x);
    b.flags.explicit(result, b.width, carryIfZero ? zero : b.eqz(zero), b.i32(0));
  };
}

const minusOne = (b: Builder, x: Node): Node => b.sub(x, b.constant(x, 1));

/** The low `n` bits of x, all of it from the width on. */
function lowBits(b: Builder, x: Node, n: Node): Node {
  const one = b.constant(x, 1);
  const mask = b.sub(b.shl(one, x.type === 'i64' ? b.extendU(n) : n), one);
  const short = b.ltU(n, b.i32(x.type === 'i64' ? 64 : 32));
  return b.select(short, b.and(x, mask), x);
}

/** The control's low byte is the first bit, the next one the number of bits. */
const bextr: Semantics = (b, [dst, src, control]) => {
  const x = b.get(src!);
  const word = b.wrap(b.get(control!));
  const start = b.and(word, b.i32(0xff));
  const length = b.and(b.shrU(word, b.i32(8)), b.i32(0xff));
  const inside = b.ltU(start, b.i32(b.width));
  const shifted = b.shrU(x, x.type === 'i64' ? b.extendU(start) : start);
  const result = lowBits(b, b.select(inside, shifted, b.constant(x, 0)), length);
  b.set(dst!, result);
  b.flags.logic(result, b.width);
};

const bzhi: Semantics = (b, [dst, src, index]) => {
  const x = b.get(src!);
  const n = b.and(b.wrap(b.get(index!)), b.i32(0xff));
  const result = lowBits(b, x, n);
  b.set(dst!, result);
  b.flags.explicit(result, b.width, b.eqz(b.ltU(n, b.i32(b.width))), b.i32(0));
};

/** One set bit of the mask after the other takes a bit from, or gives one to, the low end. */
const bits = (name: string, deposit: boolean): Helper => ({
  name,
  params: ['i64', 'i64'],
  result: 'i64',
  pure: true,
  body(b, x, mask) {
    const left = b.var(mask);
    const out = b.var(b.i64(0));
    const place = b.var(b.i64(0));
    b.if(mask, () =>
      b.loop(() => {
        const at = b.op('i64.ctz', b.value(left));
        const [from, to] = deposit ? [b.value(place), at] : [at, b.value(place)];
        const bit = b.and(b.shrU(x, from), b.i64(1));
        b.assign(out, b.or(b.value(out), b.shl(bit, to)));
        b.assign(place, b.add(b.value(place), b.i64(1)));
        const rest = b.and(b.value(left), minusOne(b, b.value(left)));
        b.assign(left, rest);
        return b.op('i64.ne', b.value(left), b.i64(0));
      }),
    );
    return b.value(out);
  },
});
const PDEP = bits('pdep', true);
const PEXT = bits('pext', false);

const byMask =
  (helper: Helper): Semantics =>
  (b, [dst, src, mask]) => {
    const result = b.call(helper, b.extendU(b.get(src!)), b.extendU(b.get(mask!)));
    b.set(dst!, b.width === 64 ? result : b.wrap(result));
  };

/** The high half is written last: with one register for both it is what stays. */
const mulx: Semantics = (b, [high, low, src]) => {
  const x = b.get(src!);
  const y = b.reg(RDX, b.width);
  if (b.width === 64) {
    const top = b.call(mulHighU, x, y);
    const bottom = b.mul(x, y);
    b.set(low!, bottom);
    b.set(high!, top);
    return;
  }
  const product = b.mul(b.extendU(x), b.extendU(y));
  b.set(low!, b.wrap(product));
  b.set(high!, b.wrap(b.shrU(product, b.i64(32))));
};

const shift =
  (op: 'shl' | 'shrU' | 'shrS'): Semantics =>
  (b, [dst, src, count]) =>
    b.set(dst!, b[op](b.get(src!), b.get(count!)));

const rorx: Semantics = (b, [dst, src, count]) => {
  const x = b.get(src!);
  const n = b.get(count!);
  b.set(dst!, b.op(`${x.type}.rotr`, x, x.type === 'i64' ? b.extendU(n) : n));
};

export const bmi: Record<string, Semantics> = {
  movbe,
  lzcnt: count(true),
  tzcnt: count(false),
  andn,
  blsr: lowestBit((b, x) => b.and(x, minusOne(b, x)), true),
  blsmsk: lowestBit((b, x) => b.xor(x, minusOne(b, x)), true),
  blsi: lowestBit((b, x) => b.and(x, b.sub(b.constant(x, 0), x)), false),
  bextr,
  bzhi,
  pdep: byMask(PDEP),
  pext: byMask(PEXT),
  mulx,
  shlx: shift('shl'),
  shrx: shift('shrU'),
  sarx: shift('shrS'),
  rorx,
};
