/** AES, PCLMULQDQ and SHA (SDM vol. 1, 5.12 and 5.20; FIPS 197 and 180-4). */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import type { Semantics } from './semantics.ts';
import { ORDER } from './sse-integer.ts';

// ---- AES

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function product(x: number, y: number): number {
  let result = 0;
  for (let a = x, c = y; c > 0; c >>= 1, a = (a << 1) ^ (a & 0x80 ? 0x11b : 0))
    if (c & 1) result ^= a;
  return result;
}

const rotate8 = (x: number, by: number): number => ((x << by) | (x >> (8 - by))) & 0xff;

/** The S-box: the inverse and an affine map. */
const SBOX: readonly number[] = Array.from({ length: 256 }, (_, x) => {
  const inverse = Array.from({ length: 256 }, (__, y) => y).find((y) => product(x, y) === 1) ?? 0;
  return [1, 2, 3, 4].reduce((sum, by) => sum ^ rotate8(inverse, by), inverse ^ 0x63);
});
const INVERSE: readonly number[] = SBOX.map((_, y) => SBOX.indexOf(y));

/** Every byte through a table: each row of sixteen gives something only for the bytes that are in it. */
const substitute = (name: string, table: readonly number[]): Helper => ({
  name,
  params: ['v128'],
  result: 'v128',
  pure: true,
  body(b, x) {
    let result: Node | undefined;
    for (let row = 0; row < 16; row++) {
      const index = b.op('i8x16.sub', x, b.op('i8x16.splat', b.i32(row * 16)));
      const part = b.op('i8x16.swizzle', b.v128(table.slice(row * 16, row * 16 + 16)), index);
      result = result ? b.op('v128.or', result, part) : part;
    }
    return result!;
  },
});
const SUB_BYTES = substitute('aesSubBytes', SBOX);
const INV_SUB_BYTES = substitute('aesInvSubBytes', INVERSE);

const permute = (b: Builder, x: Node, picks: readonly number[]): Node =>
  b.lane('i8x16.shuffle', [x, x], ...picks);

/** Row r of the state is bytes r, r + 4, …: it moves by r columns. */
const SHIFT_ROWS = ORDER.map((i) => (i + 4 * (i % 4)) % 16);
const INV_SHIFT_ROWS = ORDER.map((i) => (i + 12 * (i % 4)) % 16);
const nextInColumn = (by: number): number[] => ORDER.map((i) => (i & 12) | ((i + by) & 3));

function timesTwo(b: Builder, x: Node): Node {
  const carry = b.op(
    'v128.and',
    b.op('i8x16.shr_s', x, b.i32(7)),
    b.op('i8x16.splat', b.i32(0x1b)),
  );
  return b.op('v128.xor', b.op('i8x16.shl', x, b.i32(1)), carry);
}

/** 2·s(0) + 3·s(1) + s(2) + s(3) down each column. */
const MIX_COLUMNS: Helper = {
  name: 'aesMixColumns',
  params: ['v128'],
  result: 'v128',
  pure: true,
  body(b, x) {
    const sum = (...terms: Node[]): Node => terms.reduce((a, c) => b.op('v128.xor', a, c));
    const next = permute(b, x, nextInColumn(1));
    return sum(timesTwo(b, b.op('v128.xor', x, next)), next, permute(b, x, nextInColumn(2)), permute(b, x, nextInColumn(3))); // prettier-ignore
  },
};

/** 14, 11, 13 and 9: four times the sums two apart, added to what MixColumns does. */
const INV_MIX_COLUMNS: Helper = {
  name: 'aesInvMixColumns',
  params: ['v128'],
  result: 'v128',
  pure: true,
  body(b, x) {
    const apart = b.op('v128.xor', x, permute(b, x, nextInColumn(2)));
    const four = timesTwo(b, timesTwo(b, apart));
    return b.call(MIX_COLUMNS, b.op('v128.xor', x, four));
  },
};

function round(rows: readonly number[], bytes: Helper, mix: Helper | undefined): Semantics {
  return (b, [dst, src]) => {
    const key = b.get(src!);
    const state = b.call(bytes, permute(b, b.get(dst!), rows));
    b.set(dst!, b.op('v128.xor', mix ? b.call(mix, state) : state, key));
  };
}

/** SubWord of two words, and the same rotated by a byte with the round constant. */
const keygen: Semantics = (b, [dst, src, imm]) => {
  const words = b.call(SUB_BYTES, b.get(src!));
  const spread = permute(b, words, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
  const constant = b.extendU(b.get(imm!));
  const rcon = b.op('i64x2.splat', b.shl(constant, b.i64(32)));
  b.set(dst!, b.op('v128.xor', spread, rcon));
};

// ---- carry-less multiplication

const CLMUL: Helper = {
  name: 'clmul',
  params: ['i64', 'i64'],
  result: 'v128',
  pure: true,
  body(b, x, y) {
    const low = b.var(b.i64(0));
    const high = b.var(b.i64(0));
    const left = b.var(y);
    b.if(y, () =>
      b.loop(() => {
        const at = b.op('i64.ctz', b.value(left));
        b.assign(low, b.xor(b.value(low), b.shl(x, at)));
        // Shifts by 64 are two, so that one by 0 gives nothing.
        const over = b.shrU(b.shrU(x, b.i64(1)), b.sub(b.i64(63), at));
        b.assign(high, b.xor(b.value(high), over));
        b.assign(left, b.and(b.value(left), b.sub(b.value(left), b.i64(1))));
        return b.op('i64.ne', b.value(left), b.i64(0));
      }),
    );
    return b.lane('i64x2.replace_lane', [b.op('i64x2.splat', b.value(low)), b.value(high)], 1);
  },
};

const half = (b: Builder, x: Node, high: Node): Node =>
  b.select(high, b.lane('i64x2.extract_lane', [x], 1), b.lane('i64x2.extract_lane', [x], 0));

const pclmulqdq: Semantics = (b, [dst, src, imm]) => {
  const y = b.get(src!);
  const control = b.get(imm!);
  const first = half(b, b.get(dst!), b.and(control, b.i32(1)));
  b.set(dst!, b.call(CLMUL, first, half(b, y, b.and(control, b.i32(16)))));
};

// ---- SHA

const words = (b: Builder, x: Node): Node[] =>
  [0, 1, 2, 3].map((i) => b.lane('i32x4.extract_lane', [x], i));

const fromWords = (b: Builder, list: readonly Node[]): Node =>
  list.reduce((v, x, i) => b.lane('i32x4.replace_lane', [v, x], i), b.v128(ORDER.map(() => 0)));

const rol = (b: Builder, x: Node, by: number): Node => b.op('i32.rotl', x, b.i32(by));
const ror = (b: Builder, x: Node, by: number): Node => b.op('i32.rotr', x, b.i32(by));
const sum = (b: Builder, ...terms: Node[]): Node => terms.reduce((x, y) => b.add(x, y));
const exclusive = (b: Builder, ...terms: Node[]): Node => terms.reduce((x, y) => b.xor(x, y));

const K1 = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

const SHA1_ROUNDS: Helper = {
  name: 'sha1rnds4',
  params: ['v128', 'v128', 'i32'],
  result: 'v128',
  pure: true,
  body(b, state, message, imm) {
    const kind = b.and(imm, b.i32(3));
    const [D, C, B, A] = words(b, state);
    const w = words(b, message).reverse();
    const k = K1.reduce(
      (rest, value, i) => b.select(b.eq(kind, b.i32(i)), b.i32(value), rest),
      b.i32(0),
    );
    let [a, x, c, d] = [A!, B!, C!, D!];
    let e: Node = b.i32(0);
    for (const word of w) {
      const choose = b.xor(b.and(x, c), b.and(b.not(x), d));
      const parity = exclusive(b, x, c, d);
      const majority = exclusive(b, b.and(x, c), b.and(x, d), b.and(c, d));
      const odd = b.and(kind, b.i32(1));
      const f = b.select(odd, parity, b.select(kind, majority, choose));
      const next = sum(b, f, rol(b, a, 5), word, e, k);
      [e, d, c, x, a] = [d, c, rol(b, x, 30), a, next];
    }
    return fromWords(b, [d, c, x, a]);
  },
};

const sha1rnds4: Semantics = (b, [dst, src, imm]) => {
  const message = b.get(src!);
  b.set(dst!, b.call(SHA1_ROUNDS, b.get(dst!), message, b.get(imm!)));
};

const sha1nexte: Semantics = (b, [dst, src]) => {
  const message = b.get(src!);
  const e = rol(b, b.lane('i32x4.extract_lane', [b.get(dst!)], 3), 30);
  const top = b.add(b.lane('i32x4.extract_lane', [message], 3), e);
  b.set(dst!, b.lane('i32x4.replace_lane', [message, top], 3));
};

const sha1msg1: Semantics = (b, [dst, src]) => {
  const next = b.get(src!);
  const x = b.get(dst!);
  const shifted = b.lane('i8x16.shuffle', [x, next], ...ORDER.map((i) => (i < 8 ? i + 24 : i - 8)));
  b.set(dst!, b.op('v128.xor', x, shifted));
};

const sha1msg2: Semantics = (b, [dst, src]) => {
  const w = words(b, b.get(src!));
  const x = words(b, b.get(dst!));
  const w16 = rol(b, b.xor(x[3]!, w[2]!), 1);
  const w17 = rol(b, b.xor(x[2]!, w[1]!), 1);
  const w18 = rol(b, b.xor(x[1]!, w[0]!), 1);
  const w19 = rol(b, b.xor(x[0]!, w16), 1);
  b.set(dst!, fromWords(b, [w19, w18, w17, w16]));
};

const SHA256_ROUNDS: Helper = {
  name: 'sha256rnds2',
  params: ['v128', 'v128', 'v128'],
  result: 'v128',
  pure: true,
  body(b, cdgh, abef, wk) {
    const [H, G, D, C] = words(b, cdgh);
    const [F, E, B, A] = words(b, abef);
    const k = words(b, wk);
    let [a, x, c, d, e, f, g, h] = [A!, B!, C!, D!, E!, F!, G!, H!];
    for (let i = 0; i < 2; i++) {
      const choose = b.xor(b.and(e, f), b.and(b.not(e), g));
      const majority = exclusive(b, b.and(a, x), b.and(a, c), b.and(x, c));
      const s1 = exclusive(b, ror(b, e, 6), ror(b, e, 11), ror(b, e, 25));
      const s0 = exclusive(b, ror(b, a, 2), ror(b, a, 13), ror(b, a, 22));
      const t = sum(b, choose, s1, k[i]!, h);
      [h, g, f, e, d, c, x, a] = [g, f, e, b.add(t, d), c, x, a, sum(b, t, majority, s0)];
    }
    return fromWords(b, [f, e, x, a]);
  },
};

const XMM0: Operand = { kind: 'xmm', slot: 0, size: 128 };

const sha256rnds2: Semantics = (b, [dst, src]) => {
  const abef = b.get(src!);
  b.set(dst!, b.call(SHA256_ROUNDS, b.get(dst!), abef, b.get(XMM0)));
};

const sha256msg1: Semantics = (b, [dst, src]) => {
  const next = b.lane('i32x4.extract_lane', [b.get(src!)], 0);
  const x = words(b, b.get(dst!));
  const sigma = (w: Node): Node => exclusive(b, ror(b, w, 7), ror(b, w, 18), b.shrU(w, b.i32(3)));
  b.set(dst!, fromWords(b, x.map((w, i) => b.add(w, sigma(i < 3 ? x[i + 1]! : next))))); // prettier-ignore
};

const sha256msg2: Semantics = (b, [dst, src]) => {
  const w = words(b, b.get(src!));
  const x = words(b, b.get(dst!));
  const sigma = (v: Node): Node => exclusive(b, ror(b, v, 17), ror(b, v, 19), b.shrU(v, b.i32(10)));
  const w16 = b.add(x[0]!, sigma(w[2]!));
  const w17 = b.add(x[1]!, sigma(w[3]!));
  b.set(dst!, fromWords(b, [w16, w17, b.add(x[2]!, sigma(w16)), b.add(x[3]!, sigma(w17))]));
};

export const crypto: Record<string, Semantics> = {
  aesenc: round(SHIFT_ROWS, SUB_BYTES, MIX_COLUMNS),
  aesenclast: round(SHIFT_ROWS, SUB_BYTES, undefined),
  aesdec: round(INV_SHIFT_ROWS, INV_SUB_BYTES, INV_MIX_COLUMNS),
  aesdeclast: round(INV_SHIFT_ROWS, INV_SUB_BYTES, undefined),
  aesimc: (b, [dst, src]) => b.set(dst!, b.call(INV_MIX_COLUMNS, b.get(src!))),
  aeskeygenassist: keygen,
  pclmulqdq,
  sha1rnds4,
  sha1nexte,
  sha1msg1,
  sha1msg2,
  sha256rnds2,
  sha256msg1,
  sha256msg2,
};
