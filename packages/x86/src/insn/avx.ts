/** What AVX and AVX2 have beyond the forms of SSE (SDM vol. 1, 14.3 to 14.7), and the table of those forms. */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import { semantics } from './index.ts';
import type { Semantics } from './semantics.ts';
import { crypto } from './crypto.ts';
import { ORDER } from './sse-integer.ts';
import { cmpWide } from './sse-float.ts';
import { DOT } from './sse4-float.ts';
import {
  clearingAbove,
  halves,
  halvesOf,
  maskOfHalves,
  narrowed,
  setHalves,
  shiftImmediate,
  threeOperands,
  twoOperands,
  twoSteps,
  widened,
  zero,
  type Form,
} from './vex.ts';

const sse: Readonly<Record<string, Semantics>> = { ...semantics, ...crypto };

const names = (text: string): string[] => text.trim().split(/\s+/);

const each = (text: string, wrap: (meaning: Semantics) => Semantics): Record<string, Semantics> =>
  Object.fromEntries(names(text).map((name) => [`v${name}`, wrap(sse[name]!)]));

const three = (text: string, form?: Form): Record<string, Semantics> =>
  each(text, (meaning) => threeOperands(meaning, form));

const FLOAT = 'add sub mul div min max'.split(' ').flatMap((op) => ['ps', 'pd', 'ss', 'sd'].map((type) => op + type)); // prettier-ignore

const forms: Record<string, Semantics> = {
  ...three(FLOAT.join(' ')),
  ...three(`
    sqrtss sqrtsd rsqrtss rcpss cvtsi2ss cvtsi2sd cvtss2sd cvtsd2ss addsubps addsubpd haddps haddpd hsubps hsubpd
    punpcklbw punpcklwd punpckldq packsswb pcmpgtb pcmpgtw pcmpgtd packuswb punpckhbw punpckhwd punpckhdq packssdw
    punpcklqdq punpckhqdq pcmpeqb pcmpeqw pcmpeqd paddq pmullw psubusb psubusw pminub pand paddusb paddusw pmaxub pandn
    pavgb pavgw pmulhuw pmulhw psubsb psubsw pminsw por paddsb paddsw pmaxsw pxor pmuludq pmaddwd psadbw psubb psubw
    psubd psubq paddb paddw paddd pshufb phaddw phaddd phaddsw pmaddubsw phsubw phsubd phsubsw psignb psignw psignd
    pmulhrsw pmuldq pcmpeqq packusdw pcmpgtq pminsb pminsd pminuw pminud pmaxsb pmaxsd pmaxuw pmaxud pmulld
    shufps palignr dppd pblendw roundss roundsd mov_low movhlps movh_load pinsrw pinsrb insertps
    aesenc aesenclast aesdec aesdeclast pclmulqdq`),
  ...three('psrlw psrld psrlq psraw psrad psllw pslld psllq', { shared: true }),
  ...three('shufpd blendpd', { immediate: 2 }),
  ...three('blendps', { immediate: 4 }),
  ...three('mpsadbw', { immediate: 3 }),
  ...each(
    'psrlw_imm psraw_imm psllw_imm psrld_imm psrad_imm pslld_imm psrlq_imm psllq_imm psrldq pslldq',
    shiftImmediate,
  ),
  ...each(
    `sqrtps sqrtpd rsqrtps rcpps cvtdq2ps cvtps2dq cvttps2dq roundps roundpd pshufd pshufhw pshuflw movsldup movshdup
    pabsb pabsw pabsd phminposuw aesimc aeskeygenassist`,
    (meaning) => twoOperands(meaning),
  ),
  ...each('pmovsxbw pmovzxbw pmovsxwd pmovzxwd pmovsxdq pmovzxdq cvtps2pd cvtdq2pd', (m) => widened(m, 8)), // prettier-ignore
  ...each('pmovsxbd pmovzxbd pmovsxwq pmovzxwq', (m) => widened(m, 4)),
  ...each('pmovsxbq pmovzxbq', (m) => widened(m, 2)),
  ...each('cvtpd2ps cvtpd2dq cvttpd2dq', narrowed),
  ...each('movd_load movq_load movd_to', (m) => clearingAbove(m)),
  ...each('pcmpestrm pcmpistrm', (m) => clearingAbove(m, 0)),
  vmovmskps: maskOfHalves('i32x4.bitmask', 4),
  vmovmskpd: maskOfHalves('i64x2.bitmask', 2),
  vpmovmskb: maskOfHalves('i8x16.bitmask', 16),
  ...Object.fromEntries(names('comiss comisd ucomiss ucomisd cvttss2si cvttsd2si cvtss2si cvtsd2si').map((name) => [`v${name}`, sse[name]!])), // prettier-ignore
};

const vmov: Semantics = (b, [dst, src]) => setHalves(b, dst!, halves(b, src!));

/** The operand size is that of general registers here: W, not L. */
const vpinsrd: Semantics = (b, o) => threeOperands(sse['pinsrd']!)(b, o);
const vextractps: Semantics = (b, o) => {
  const { width } = b;
  b.width = 32;
  sse['pextrd']!(b, o);
  b.width = width;
};

/** With VEX, memory is read as a whole. */
const vmovddup: Semantics = (b, [dst, src]) => {
  if (halvesOf(b) === 1) return setHalves(b, dst!, [b.op('i64x2.splat', b.getAs(src!, 'i64.load'))]); // prettier-ignore
  setHalves(b, dst!, halves(b, src!).map((x) => b.op('i64x2.splat', b.lane('i64x2.extract_lane', [x], 0)))); // prettier-ignore
};

/** VTESTPS and VTESTPD look at signs only. */
function test(signs: bigint): Semantics {
  return (b, [x, y]) => {
    const ys = halves(b, y!);
    const xs = halves(b, x!);
    const masked = (v: Node): Node => (signs < 0n ? v : b.and64x2(v, signs));
    const any = (list: Node[]): Node =>
      list.map((v) => b.op('v128.any_true', masked(v))).reduce((p, q) => b.or(p, q));
    const both = any(xs.map((v, h) => b.op('v128.and', v, ys[h]!)));
    const outside = any(xs.map((v, h) => b.op('v128.andnot', ys[h]!, v)));
    b.flags.setStatusWord(b.or(b.shl(b.eqz(both), b.i32(6)), b.eqz(outside)));
  };
}

/** The mask register is in the immediate's high half; the sign of each element chooses the second source. */
function blendv(shape: string, bits: number): Semantics {
  return (b, [dst, x, y, imm]) => {
    const register = b.shl(b.and(b.shrU(b.get(imm!), b.i32(4)), b.i32(15)), b.i32(4));
    const ys = halves(b, y!);
    const results = halves(b, x!).map((v, h) => {
      const mask = b.load('v128.load', register, L.XMM_BASE + h * L.YMM_HIGH_OFFSET);
      return b.op('v128.bitselect', ys[h]!, v, b.op(`${shape}.shr_s`, mask, b.i32(bits - 1)));
    });
    setHalves(b, dst!, results);
  };
}

function broadcast(load: string, splat: string, lane: string): Semantics {
  return (b, [dst, src]) => {
    const value =
      src!.kind === 'mem'
        ? b.op(splat, b.getAs(src!, load))
        : b.op(splat, b.lane(lane, [b.getAs(src!, 'v128.load')], 0));
    setHalves(b, dst!, [value, value].slice(0, halvesOf(b)));
  };
}

const vbroadcast128: Semantics = (b, [dst, src]) => {
  const value = b.get(src!);
  setHalves(b, dst!, [value, value]);
};

/** Bytes of a table of four elements that a control's low bits choose. */
function permuted(b: Builder, x: Node, control: Node, shape: 'i32x4' | 'i64x2'): Node {
  const bytes = shape === 'i32x4' ? 4 : 8;
  const index = b.op('v128.and', control, b.op(`${shape}.splat`, shape === 'i32x4' ? b.i32(3) : b.i64(1))); // prettier-ignore
  const first = b.op(`${shape}.shl`, index, b.i32(Math.log2(bytes)));
  const spread = b.op('i8x16.swizzle', first, b.v128(ORDER.map((i) => i - (i % bytes))));
  return b.op('i8x16.swizzle', x, b.op('i8x16.add', spread, b.v128(ORDER.map((i) => i % bytes))));
}

const vpermilps: Semantics = (b, [dst, x, control]) => {
  const controls = halves(b, control!);
  setHalves(b, dst!, halves(b, x!).map((v, h) => permuted(b, v, controls[h]!, 'i32x4'))); // prettier-ignore
};

/** Bit 1 of each control chooses. */
const vpermilpd: Semantics = (b, [dst, x, control]) => {
  const controls = halves(b, control!);
  setHalves(b, dst!, halves(b, x!).map((v, h) => permuted(b, v, b.op('i64x2.shr_u', controls[h]!, b.i32(1)), 'i64x2'))); // prettier-ignore
};

const vpermilpdImm: Semantics = (b, [dst, src, imm]) => {
  const control = b.get(imm!);
  const bit = (i: number): Node => b.extendU(b.and(b.shrU(control, b.i32(i)), b.i32(1)));
  const results = halves(b, src!).map((v, h) => {
    const index = b.lane('i64x2.replace_lane', [b.op('i64x2.splat', bit(2 * h)), bit(2 * h + 1)], 1); // prettier-ignore
    return permuted(b, v, index, 'i64x2');
  });
  setHalves(b, dst!, results);
};

/** One of four halves by two bits, or zero by bit 3. */
const vperm2x128: Semantics = (b, [dst, x, y, imm]) => {
  const ys = halves(b, y!);
  const all = [...halves(b, x!), ...ys];
  const control = b.get(imm!);
  const pick = (shift: number): Node => {
    const field = b.shrU(control, b.i32(shift));
    const low = b.select(b.and(field, b.i32(1)), all[1]!, all[0]!);
    const high = b.select(b.and(field, b.i32(1)), all[3]!, all[2]!);
    return b.select(b.and(field, b.i32(8)), zero(b), b.select(b.and(field, b.i32(2)), high, low));
  };
  setHalves(b, dst!, [pick(0), pick(4)]);
};

const vinsert128: Semantics = (b, [dst, x, y, imm]) => {
  const value = b.get(y!);
  const [low, high] = halves(b, x!);
  const upper = b.and(b.get(imm!), b.i32(1));
  setHalves(b, dst!, [b.select(upper, low!, value), b.select(upper, value, high!)]);
};

const vextract128: Semantics = (b, [dst, src, imm]) => {
  const [low, high] = halves(b, src!);
  setHalves(b, dst!, [b.select(b.and(b.get(imm!), b.i32(1)), high!, low!)]);
};

/** Eight doublewords by three bits each. */
const vpermd: Semantics = (b, [dst, control, src]) => {
  const [low, high] = halves(b, src!);
  const results = halves(b, control!).map((c) => {
    const upper = b.op('i32x4.shr_s', b.op('i32x4.shl', c, b.i32(29)), b.i32(31));
    return b.op('v128.bitselect', permuted(b, high!, c, 'i32x4'), permuted(b, low!, c, 'i32x4'), upper); // prettier-ignore
  });
  setHalves(b, dst!, results);
};

const vpermq: Semantics = (b, [dst, src, imm]) => {
  const [low, high] = halves(b, src!);
  const control = b.get(imm!);
  const quad = (i: number): Node => {
    const field = b.shrU(control, b.i32(2 * i));
    const from = b.select(b.and(field, b.i32(2)), high!, low!);
    const odd = b.lane('i64x2.extract_lane', [from], 1);
    return b.select(b.and(field, b.i32(1)), odd, b.lane('i64x2.extract_lane', [from], 0));
  };
  const pair = (i: number): Node => b.lane('i64x2.replace_lane', [b.op('i64x2.splat', quad(i)), quad(i + 1)], 1); // prettier-ignore
  setHalves(b, dst!, [pair(0), pair(2)]);
};

/** Each element by its own count; counts beyond it give zero, or copies of the sign. */
function variableShift(shape: 'i32x4' | 'i64x2', op: 'shl' | 'shr_u' | 'shr_s'): Semantics {
  const type = shape === 'i32x4' ? 'i32' : 'i64';
  const bits = shape === 'i32x4' ? 32 : 64;
  return (b, [dst, x, counts]) => {
    const by = halves(b, counts!);
    const lane = (v: Node, i: number): Node => b.lane(`${shape}.extract_lane`, [v], i);
    const shifted = (v: Node, n: Node): Node => {
      const inside = b.ltU(n, b.constant(n, bits));
      if (op === 'shr_s') return b.shrS(v, b.select(inside, n, b.constant(n, bits - 1)));
      return b.select(inside, b.op(`${type}.${op}`, v, n), b.constant(v, 0));
    };
    const results = halves(b, x!).map((v, h) =>
      Array.from({ length: 128 / bits }, (_, i) => shifted(lane(v, i), lane(by[h]!, i))).reduce(
        (vector, value, i) => b.lane(`${shape}.replace_lane`, [vector, value], i),
        zero(b),
      ),
    );
    setHalves(b, dst!, results);
  };
}

const SHAPE = { 4: 'i32x4', 8: 'i64x2' } as const;
const TYPE = { 4: 'i32', 8: 'i64' } as const;

/** Runs `action` for the elements whose mask has its sign set. */
function whereMasked(
  b: Builder,
  masks: readonly Node[],
  bytes: 4 | 8,
  action: (h: number, i: number, va: Node) => void,
): void {
  const va = b.address();
  masks.forEach((mask, h) => {
    const bits = b.var(b.op(`${SHAPE[bytes]}.bitmask`, mask));
    for (let i = 0; i < 16 / bytes; i++)
      b.if(b.and(b.value(bits), b.i32(1 << i)), () =>
        action(h, i, b.add(va, b.i64(h * 16 + i * bytes))),
      );
  });
}

/** Elements that are not asked for are zero, and do not fault. */
function maskLoad(bytes: 4 | 8): Semantics {
  return (b, [dst, mask]) => {
    const masks = halves(b, mask!);
    const results = masks.map(() => b.var(zero(b)));
    whereMasked(b, masks, bytes, (h, i, va) => {
      const value = b.read(`${TYPE[bytes]}.load`, va);
      b.assign(results[h]!, b.lane(`${SHAPE[bytes]}.replace_lane`, [b.value(results[h]!), value], i)); // prettier-ignore
    });
    setHalves(b, dst!, results.map((v) => b.value(v))); // prettier-ignore
  };
}

/** All elements are looked at before one is written. */
function maskStore(bytes: 4 | 8): Semantics {
  return (b, [, mask, src]) => {
    const masks = halves(b, mask!);
    const values = halves(b, src!).map((v) => b.var(v));
    whereMasked(b, masks, bytes, (_, __, va) => void b.target.translate(b, va, bytes, true));
    whereMasked(b, masks, bytes, (h, i, va) => {
      const value = b.lane(`${SHAPE[bytes]}.extract_lane`, [b.value(values[h]!)], i);
      b.write(`${TYPE[bytes]}.store`, va, value);
    });
  };
}

function clearRegisters(whole: boolean): Semantics {
  return (b) => {
    for (let n = 0; n < 16; n++) {
      if (whole) b.target.writeVector(b, 'xmm', n, 'v128.store', 0, zero(b));
      b.target.writeVector(b, 'xmm', n, 'v128.store', L.YMM_HIGH_OFFSET, zero(b));
    }
  };
}

/** A float's comparison by one of 32 predicates. */
const compare = (type: 'ps' | 'pd' | 'ss' | 'sd'): Semantics => threeOperands(cmpWide(type));

export const avx: Record<string, Semantics> = {
  ...forms,
  vmov,
  vdpps: twoSteps(DOT.f32.products, DOT.f32.sums),
  vpinsrd,
  vextractps,
  vmovddup,
  vptest: test(-1n),
  vtestps: test(0x8000_0000_8000_0000n),
  vtestpd: test(1n << 63n),
  vblendvps: blendv('i32x4', 32),
  vblendvpd: blendv('i64x2', 64),
  vpblendvb: blendv('i8x16', 8),
  vbroadcastss: broadcast('i32.load', 'i32x4.splat', 'i32x4.extract_lane'),
  vbroadcastsd: broadcast('i64.load', 'i64x2.splat', 'i64x2.extract_lane'),
  vpbroadcastb: broadcast('i32.load8_u', 'i8x16.splat', 'i8x16.extract_lane_u'),
  vpbroadcastw: broadcast('i32.load16_u', 'i16x8.splat', 'i16x8.extract_lane_u'),
  vbroadcast128,
  vpermilps,
  vpermilpd,
  vpermilpd_imm: vpermilpdImm,
  vperm2x128,
  vinsert128,
  vextract128,
  vpermd,
  vpermq,
  vpsrlvd: variableShift('i32x4', 'shr_u'),
  vpsrlvq: variableShift('i64x2', 'shr_u'),
  vpsravd: variableShift('i32x4', 'shr_s'),
  vpsllvd: variableShift('i32x4', 'shl'),
  vpsllvq: variableShift('i64x2', 'shl'),
  vmaskload32: maskLoad(4),
  vmaskload64: maskLoad(8),
  vmaskstore32: maskStore(4),
  vmaskstore64: maskStore(8),
  vzeroupper: clearRegisters(false),
  vzeroall: clearRegisters(true),
  vcmpps: compare('ps'),
  vcmppd: compare('pd'),
  vcmpss: compare('ss'),
  vcmpsd: compare('sd'),
};
