/** F16C: half-precision numbers, which exist in memory and registers only to be converted (SDM vol. 1, 14.4). */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import {
  EXP_MAX,
  IE,
  OE,
  UE,
  type Format,
  constants,
  flag,
  ld,
  roundResult,
  st,
  unrounded,
  widen32,
} from './softfloat.ts';
import { currentRc, daz32, finishFlags, guarded } from './sse-float.ts';
import { bothGuarded, halvesOf, halves, placeOf, setHalves, temp, wholeOf, zero } from './vex.ts';

const HALF: Format = { precision: 11, emin: 0x3ff1, emax: 0x400e };
const INFINITY = 0x7c00;
const QUIET = 0x200;

/** Exact; a signalling NaN is invalid. */
const toSingle: Helper = {
  name: 'half_to_single',
  params: ['i32'],
  result: 'i32',
  pure: false,
  body(b, bits) {
    const sign = b.shl(b.and(bits, b.i32(0x8000)), b.i32(16));
    const exp = b.and(b.shrU(bits, b.i32(10)), b.i32(31));
    const fraction = b.and(bits, b.i32(0x3ff));
    b.if(b.eq(exp, b.i32(31)), () => {
      const quiet = b.shl(b.or(fraction, b.i32(QUIET)), b.i32(13));
      b.if(fraction, () => {
        st(b, L.SF_FLAGS, b.eqz(b.and(fraction, b.i32(QUIET))));
        b.call(finishFlags);
      });
      const nan = b.select(fraction, quiet, b.i32(0));
      b.return(b.or(b.or(sign, b.i32(0x7f80_0000)), nan));
    });
    b.if(b.eqz(exp), () => {
      const value = b.op('f32.mul', b.op('f32.convert_i32_u', fraction), b.f32(2 ** -24));
      b.return(b.or(sign, b.op('i32.reinterpret_f32', value)));
    });
    const normal = b.shl(b.add(exp, b.i32(112)), b.i32(23));
    return b.or(sign, b.or(normal, b.shl(fraction, b.i32(13))));
  },
};

/** A half that slot R holds exactly. */
function narrow16(b: Builder): Node {
  const m = b.load('i64.load', b.i32(L.SF_R));
  const word = b.load('i32.load16_u', b.i32(L.SF_R), 8);
  const e = b.and(word, b.i32(EXP_MAX));
  const normal = b.select(b.eq(e, b.i32(EXP_MAX)), b.i32(31), b.sub(e, b.i32(0x3ff0)));
  const exp = b.select(b.ltS(m, b.i64(0)), normal, b.i32(0));
  const fraction = b.and(b.wrap(b.shrU(m, b.i64(53))), b.i32(0x3ff));
  return b.or(b.and(word, b.i32(0x8000)), b.or(b.shl(exp, b.i32(10)), fraction));
}

/** Rounds as the immediate says; results are never flushed to zero. */
const fromSingle: Helper = {
  name: 'half_from_single',
  params: ['i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, bits, imm) {
    const sign = b.and(b.shrU(bits, b.i32(16)), b.i32(0x8000));
    const magnitude = b.and(bits, b.i32(0x7fff_ffff));
    st(b, L.SF_FLAGS, b.i32(0));
    b.if(b.op('i32.ge_u', magnitude, b.i32(0x7f80_0000)), () => {
      const fraction = b.and(magnitude, b.i32(0x7f_ffff));
      b.if(b.and(b.ne(fraction, b.i32(0)), b.eqz(b.and(bits, b.i32(0x40_0000)))), () => {
        flag(b, IE);
        b.call(finishFlags);
      });
      const payload = b.or(b.i32(QUIET), b.shrU(fraction, b.i32(13)));
      b.return(b.or(b.or(sign, b.i32(INFINITY)), b.select(fraction, payload, b.i32(0))));
    });
    b.call(widen32, b.call(daz32, bits), b.i32(L.SF_A));
    const m = b.load('i64.load', b.i32(L.SF_A));
    b.if(b.eqz(m), () => b.return(sign));
    const mxcsr = ld(b, L.MXCSR_CELL);
    const open = b.not(b.shrU(mxcsr, b.i32(7)));
    const exp = b.and(b.load('i32.load16_u', b.i32(L.SF_A), 8), b.i32(EXP_MAX));
    unrounded(b, sign, exp, m, b.i64(0));
    const rc = b.select(b.and(imm, b.i32(4)), currentRc(b), b.and(imm, b.i32(3)));
    b.call(roundResult, ...constants(b, HALF), rc, b.and(open, b.i32(OE | UE)), b.i32(0));
    b.call(finishFlags);
    return narrow16(b);
  },
};

/** The low four halves of a vector as singles. */
const WIDEN = guarded('packed_half_to_single', ['v128'], (b, x) =>
  [0, 1, 2, 3].reduce((v, i) => {
    const lane = b.lane('i16x8.extract_lane_u', [x!], i);
    return b.lane('i32x4.replace_lane', [v, b.call(toSingle, lane)], i);
  }, zero(b)),
);

/** Four singles as halves in the low half of a vector. */
const NARROW = guarded('packed_half_from_single', ['v128', 'i32'], (b, x, imm) =>
  [0, 1, 2, 3].reduce((v, i) => {
    const lane = b.lane('i32x4.extract_lane', [x!], i);
    return b.lane('i16x8.replace_lane', [v, b.call(fromSingle, lane, imm!)], i);
  }, zero(b)),
);

const vcvtph2ps: Semantics = (b, [dst, src]) => {
  const value = wholeOf(b, src!);
  const parts = [value, b.lane('i64x2.replace_lane', [value, b.lane('i64x2.extract_lane', [value], 1)], 0)].slice(0, halvesOf(b)); // prettier-ignore
  bothGuarded(b, () =>
    parts.forEach((part, h) => b.setAs(temp(h), 'v128.store', b.call(WIDEN, part))),
  );
  setHalves(b, dst!, parts.map((_, h) => b.getAs(temp(h), 'v128.load'))); // prettier-ignore
};

const vcvtps2ph: Semantics = (b, [dst, src, imm]) => {
  const parts = halves(b, src!);
  const control = b.get(imm!);
  // A page fault comes before the exceptions of the conversion.
  const bytes = parts.length * 8;
  const place = dst!.kind === 'mem' ? placeOf(b, dst!, bytes, true) : undefined;
  bothGuarded(b, () =>
    parts.forEach((part, h) => b.setAs(temp(h), 'v128.store', b.call(NARROW, part, control))),
  );
  const quads = parts.map((_, h) => b.getAs(temp(h), 'i64.load'));
  if (place !== undefined) {
    quads.forEach((quad, h) => b.store('i64.store', place, quad, h * 8));
    return b.target.commit(b, place);
  }
  const low = b.lane('i64x2.replace_lane', [zero(b), quads[0]!], 0);
  setHalves(b, dst!, [quads[1] ? b.lane('i64x2.replace_lane', [low, quads[1]], 1) : low]);
};

export const f16c: Record<string, Semantics> = { vcvtph2ps, vcvtps2ph };
