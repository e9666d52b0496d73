/**
 * SSE and SSE2 floating point (SDM vol. 1, 5.5.1.2 to 5.5.1.4 and 5.6.1.2; MXCSR in 10.2.3, exceptions in 11.5).
 *
 * The fast path is WebAssembly's own arithmetic. It is right when rounding is to nearest, all exceptions are masked,
 * neither flush mode is on, operands and result are normal numbers (or exact zeros), and the inexact flag is set
 * already or the result is known to be exact. Everything else goes through softfloat.ts.
 */
import { VECTOR_XM } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import {
  DE,
  DOUBLE,
  type Format,
  IE,
  OP_ADD,
  OP_DIV,
  OP_MUL,
  OP_SQRT,
  OP_SUB,
  PE,
  ZE,
  RC_DOWN,
  RC_UP,
  SINGLE,
  arith,
  constants,
  flag,
  ld,
  narrow32,
  narrow64,
  putSlot,
  roundResult,
  st,
  widen32,
  widen64,
} from './softfloat.ts';

const DAZ = 0x40;
/** MXCSR with every exception masked, rounding to nearest, and no flushing; the six flag bits are left out. */
const DEFAULT_CONTROL = 0x1f80;

const mxcsr = (b: Builder): Node => ld(b, L.MXCSR_CELL);

/** Adds the operation's exceptions to MXCSR; SF_TRAP says whether one is unmasked. */
export const finishFlags: Helper = {
  name: 'sseFinish',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const flags = b.and(ld(b, L.SF_FLAGS), b.i32(0x3f));
    b.if(ld(b, L.SF_PROBE), () => {
      st(b, L.SF_PROBED, b.or(ld(b, L.SF_PROBED), b.and(flags, b.i32(IE | DE | ZE))));
      b.return();
    });
    const m = b.or(mxcsr(b), flags);
    st(b, L.MXCSR_CELL, m);
    const open = b.and(flags, b.not(b.shrU(m, b.i32(7))));
    st(b, L.SF_TRAP, b.or(ld(b, L.SF_TRAP), open));
  },
};

/** Between {@link deferTraps}, exceptions are gathered in SF_TRAP: the halves of a longer vector are one operation. */
let deferred = false;

export function deferTraps(build: () => void): void {
  deferred = true;
  build();
  deferred = false;
}

/** #XM when a helper left an unmasked exception. */
export function trapIfUnmasked(b: Builder): void {
  if (deferred) return;
  b.if(ld(b, L.SF_TRAP), () => {
    st(b, L.SF_TRAP, b.i32(0));
    b.raise(VECTOR_XM);
  });
}

/** Denormals become zeros when MXCSR.DAZ is set. */
export const daz64: Helper = {
  name: 'daz64',
  params: ['i64'],
  result: 'i64',
  pure: false,
  body(b, bits) {
    const tiny = b.eqz(b.and(bits, b.i64(0x7ff0_0000_0000_0000n)));
    const on = b.and(b.ne(b.and(mxcsr(b), b.i32(DAZ)), b.i32(0)), tiny);
    return b.select(on, b.and(bits, b.i64(1n << 63n)), bits);
  },
};
export const daz32: Helper = {
  name: 'daz32',
  params: ['i32'],
  result: 'i32',
  pure: false,
  body(b, bits) {
    const tiny = b.eqz(b.and(bits, b.i32(0x7f80_0000)));
    const on = b.and(b.ne(b.and(mxcsr(b), b.i32(DAZ)), b.i32(0)), tiny);
    return b.select(on, b.and(bits, b.i32(0x8000_0000)), bits);
  },
};

/** Carries out `op` on slots A and B and rounds to a format; the result is in slot R. */
function computeSlots(b: Builder, op: Node, format: Format): void {
  finishSlots(b, b.call(arith, op, currentRc(b), b.i32(1)), format);
}

/** Rounds what an operation has left, unless it is done or stopped, and notes the exceptions. */
export function finishSlots(b: Builder, done: Node, format: Format): void {
  const m = mxcsr(b);
  const rc = b.and(b.shrU(m, b.i32(13)), b.i32(3));
  // An unmasked exception of the operands keeps the result from being looked at.
  const masks = b.shrU(m, b.i32(7));
  const stopped = b.and(b.and(ld(b, L.SF_FLAGS), b.not(masks)), b.i32(7));
  b.if(b.eqz(b.or(done, stopped)), () => {
    const unmasked = b.and(b.not(masks), b.i32(0x18));
    const ftz = b.and(b.shrU(m, b.i32(15)), b.and(b.shrU(masks, b.i32(4)), b.i32(1)));
    b.call(roundResult, ...constants(b, format), rc, unmasked, ftz);
  });
  b.call(finishFlags);
}

const slow64: Helper = {
  name: 'slow64',
  params: ['i32', 'f64', 'f64'],
  result: 'f64',
  pure: false,
  body(b, op, x, y) {
    st(b, L.SF_FLAGS, b.i32(0));
    b.call(widen64, b.call(daz64, b.op('i64.reinterpret_f64', x)), b.i32(L.SF_A));
    b.call(widen64, b.call(daz64, b.op('i64.reinterpret_f64', y)), b.i32(L.SF_B));
    computeSlots(b, op, DOUBLE);
    return b.op('f64.reinterpret_i64', b.call(narrow64, b.i32(L.SF_R)));
  },
};

const slow32: Helper = {
  name: 'slow32',
  params: ['i32', 'f32', 'f32'],
  result: 'f32',
  pure: false,
  body(b, op, x, y) {
    st(b, L.SF_FLAGS, b.i32(0));
    b.call(widen32, b.call(daz32, b.op('i32.reinterpret_f32', x)), b.i32(L.SF_A));
    b.call(widen32, b.call(daz32, b.op('i32.reinterpret_f32', y)), b.i32(L.SF_B));
    computeSlots(b, op, SINGLE);
    return b.op('f32.reinterpret_i32', b.call(narrow32, b.i32(L.SF_R)));
  },
};

export type Float = 'f32' | 'f64';

/** The constants of one format, as bit patterns shifted left by one (the sign is out of the way). */
const SHAPE = {
  f32: { int: 'i32', min: 1n << 24n, span: 0xfen << 24n, max: 0xfdn << 24n },
  f64: { int: 'i64', min: 1n << 53n, span: 0x7fen << 53n, max: 0x7fdn << 53n },
} as const;

export function int(b: Builder, f: Float, value: bigint): Node {
  return f === 'f64' ? b.i64(value) : b.i32(Number(BigInt.asIntN(32, value)));
}

/** The bits of a number without its sign, shifted left by one. */
export function magnitude(b: Builder, f: Float, x: Node): Node {
  const bits = b.op(f === 'f64' ? 'i64.reinterpret_f64' : 'i32.reinterpret_f32', x);
  return b.shl(bits, int(b, f, 1n));
}

/** A normal number or zero. */
function plain(b: Builder, f: Float, x: Node): Node {
  const t = magnitude(b, f, x);
  const shape = SHAPE[f];
  return b.or(b.eqz(t), b.ltU(b.sub(t, int(b, f, shape.min)), int(b, f, shape.span)));
}

/** A normal number above the smallest one, so that it cannot have been rounded up to it. */
function ordinary(b: Builder, f: Float, x: Node): Node {
  const t = magnitude(b, f, x);
  const shape = SHAPE[f];
  return b.ltU(b.sub(t, int(b, f, shape.min * 2n)), int(b, f, shape.max));
}

export const OPS = ['add', 'sub', 'mul', 'div'] as const;

/** The exact error of a sum is zero (Knuth's two-sum). */
function exactSum(b: Builder, f: Float, x: Node, y: Node, r: Node, sub: boolean): Node {
  const yy = sub ? b.op(`${f}.neg`, y) : y;
  const part = b.op(`${f}.sub`, r, x);
  const left = b.op(`${f}.sub`, x, b.op(`${f}.sub`, r, part));
  const error = b.op(`${f}.add`, left, b.op(`${f}.sub`, yy, part));
  return b.op(`${f}.eq`, error, f === 'f64' ? b.f64(0) : b.f32(0));
}

/** The product of the significands has no more bits than fit. */
function exactProduct(b: Builder, x: Node, y: Node): Node {
  const zeros = (v: Node): Node => {
    const bits = b.op('i64.reinterpret_f64', v);
    return b.op('i64.ctz', b.or(b.and(bits, b.i64((1n << 52n) - 1n)), b.i64(1n << 52n)));
  };
  const zx = zeros(x);
  const zy = zeros(y);
  // Two numbers of m and n bits have a product of m + n bits or one less; powers of two keep the other's length.
  const short = b.eqz(b.ltU(b.add(zx, zy), b.i64(53)));
  return b.or(short, b.or(b.eq(zx, b.i64(52)), b.eq(zy, b.i64(52))));
}

function isExact(b: Builder, f: Float, op: number, x: Node, y: Node, r: Node): Node {
  if (op === OP_ADD || op === OP_SUB) return exactSum(b, f, x, y, r, op === OP_SUB);
  if (op === OP_MUL && f === 'f64') return exactProduct(b, x, y);
  if (op === OP_MUL) {
    const wide = b.op('f64.mul', b.op('f64.promote_f32', x), b.op('f64.promote_f32', y));
    return b.op('f64.eq', b.op('f64.promote_f32', r), wide);
  }
  return b.i32(0);
}

function binaryHelper(f: Float, op: number): Helper {
  const name = `${OPS[op]}_${f}`;
  return {
    name,
    params: [f, f],
    result: f,
    pure: false,
    body(b, x, y) {
      const r = b.op(`${f}.${OPS[op]}`, x, y);
      const m = mxcsr(b);
      const quiet = b.eq(b.and(m, b.i32(0xffc0)), b.i32(DEFAULT_CONTROL));
      const sum = op === OP_ADD || op === OP_SUB;
      const normal = sum ? plain(b, f, r) : ordinary(b, f, r);
      const fine = b.and(b.and(quiet, normal), b.and(plain(b, f, x), plain(b, f, y)));
      b.if(fine, () => {
        b.if(b.and(m, b.i32(PE)), () => b.return(r));
        b.if(isExact(b, f, op, x, y, r), () => b.return(r));
      });
      return b.call(f === 'f64' ? slow64 : slow32, b.i32(op), x, y);
    },
  };
}

function sqrtHelper(f: Float): Helper {
  return {
    name: `sqrt_${f}`,
    params: [f],
    result: f,
    pure: false,
    body(b, x) {
      const r = b.op(`${f}.sqrt`, x);
      const known = b.eq(b.and(mxcsr(b), b.i32(0xffe0)), b.i32(DEFAULT_CONTROL | PE));
      b.if(b.and(known, b.and(plain(b, f, x), ordinary(b, f, r))), () => b.return(r));
      return b.call(f === 'f64' ? slow64 : slow32, b.i32(OP_SQRT), x, x);
    },
  };
}

export const ARITH: Record<Float, readonly Helper[]> = {
  f32: [OP_ADD, OP_SUB, OP_MUL, OP_DIV].map((op) => binaryHelper('f32', op)),
  f64: [OP_ADD, OP_SUB, OP_MUL, OP_DIV].map((op) => binaryHelper('f64', op)),
};
export const SQRT: Record<Float, Helper> = { f32: sqrtHelper('f32'), f64: sqrtHelper('f64') };

/** MINSD and MAXSD give the second operand when the first is not strictly on its side (NaNs, zeros of both signs). */
function extremeHelper(f: Float, max: boolean): Helper {
  return {
    name: `${max ? 'max' : 'min'}_${f}`,
    params: [f, f],
    result: f,
    pure: false,
    body(b, x0, y0) {
      const [x, y] = flushed(b, f, x0, y0);
      st(b, L.SF_FLAGS, b.i32(0));
      compareFlags(b, f, x, y, b.i32(1));
      return b.select(b.op(max ? `${f}.gt` : `${f}.lt`, x, y), x, y);
    },
  };
}

/** Both operands with DAZ applied. */
export function flushed(b: Builder, f: Float, x: Node, y: Node): [Node, Node] {
  const one = (v: Node): Node =>
    f === 'f64'
      ? b.op('f64.reinterpret_i64', b.call(daz64, b.op('i64.reinterpret_f64', v)))
      : b.op('f32.reinterpret_i32', b.call(daz32, b.op('i32.reinterpret_f32', v)));
  return [one(x), one(y)];
}

export function isNaN(b: Builder, f: Float, x: Node): Node {
  return b.op(`${f}.ne`, x, x);
}

export function isSignalling(b: Builder, f: Float, x: Node): Node {
  const bits = b.op(f === 'f64' ? 'i64.reinterpret_f64' : 'i32.reinterpret_f32', x);
  const quiet = b.and(bits, int(b, f, f === 'f64' ? 1n << 51n : 1n << 22n));
  return b.and(isNaN(b, f, x), b.eqz(quiet));
}

function isDenormal(b: Builder, f: Float, x: Node): Node {
  const t = magnitude(b, f, x);
  return b.and(b.ne(t, int(b, f, 0n)), b.ltU(t, int(b, f, SHAPE[f].min)));
}

/** IE and DE of a comparison. @param quietToo whether a quiet NaN is invalid, too */
function compareFlags(b: Builder, f: Float, x: Node, y: Node, quietToo: Node): void {
  const unordered = b.or(isNaN(b, f, x), isNaN(b, f, y));
  const signalling = b.or(isSignalling(b, f, x), isSignalling(b, f, y));
  const denormal = b.or(isDenormal(b, f, x), isDenormal(b, f, y));
  const invalid = b.or(signalling, b.and(unordered, quietToo));
  const de = b.and(denormal, b.eqz(unordered));
  b.if(b.or(invalid, de), () => {
    flag(b, b.or(invalid, b.shl(de, b.i32(1))));
    b.call(finishFlags);
  });
}

/** ZF, PF, CF of COMISD and UCOMISD as an RFLAGS word. */
function comisHelper(f: Float): Helper {
  return {
    name: `comis_${f}`,
    params: [f, f, 'i32'],
    result: 'i32',
    pure: false,
    body(b, x0, y0, quietToo) {
      const [x, y] = flushed(b, f, x0, y0);
      st(b, L.SF_FLAGS, b.i32(0));
      compareFlags(b, f, x, y, quietToo);
      const unordered = b.or(isNaN(b, f, x), isNaN(b, f, y));
      const word = b.or(b.shl(b.op(`${f}.eq`, x, y), b.i32(6)), b.op(`${f}.lt`, x, y));
      return b.select(unordered, b.i32(0x45), word);
    },
  };
}

/** The eight predicates of CMPSD, as a mask of all ones or zeros. */
function cmpHelper(f: Float): Helper {
  return {
    name: `cmp_${f}`,
    params: [f, f, 'i32'],
    result: SHAPE[f].int,
    pure: false,
    body(b, x0, y0, predicate) {
      const [x, y] = flushed(b, f, x0, y0);
      const kind = b.and(predicate, b.i32(3));
      st(b, L.SF_FLAGS, b.i32(0));
      // LT, LE and their negations signal for quiet NaNs.
      const ordering = b.and(b.add(kind, b.i32(1)), b.i32(2));
      compareFlags(b, f, x, y, b.shrU(ordering, b.i32(1)));
      const unordered = b.or(isNaN(b, f, x), isNaN(b, f, y));
      const low = b.select(b.and(kind, b.i32(1)), b.op(`${f}.lt`, x, y), b.op(`${f}.eq`, x, y));
      const high = b.select(b.and(kind, b.i32(1)), unordered, b.op(`${f}.le`, x, y));
      const holds = b.select(b.and(kind, b.i32(2)), high, low);
      const wanted = b.xor(holds, b.and(b.shrU(predicate, b.i32(2)), b.i32(1)));
      return b.sub(int(b, f, 0n), f === 'f64' ? b.extendU(wanted) : wanted);
    },
  };
}

const MIN: Record<Float, Helper> = { f32: extremeHelper('f32', false), f64: extremeHelper('f64', false) }; // prettier-ignore
const MAX: Record<Float, Helper> = { f32: extremeHelper('f32', true), f64: extremeHelper('f64', true) }; // prettier-ignore
const COMIS: Record<Float, Helper> = { f32: comisHelper('f32'), f64: comisHelper('f64') };
const CMP: Record<Float, Helper> = { f32: cmpHelper('f32'), f64: cmpHelper('f64') };

// ---- conversions

/** An integer's nearest value in the current mode: exact ones are left to WebAssembly. */
function fromIntHelper(f: Float): Helper {
  return {
    name: `from_int_${f}`,
    params: ['i64'],
    result: f,
    pure: false,
    body(b, x) {
      const r = b.op(`${f}.convert_i64_s`, x);
      const limit = f === 'f64' ? 53 : 24;
      const biased = b.add(x, b.i64(1n << BigInt(limit)));
      b.if(b.ltU(biased, b.i64((2n << BigInt(limit)) + 1n)), () => b.return(r));
      st(b, L.SF_FLAGS, b.i32(0));
      const negative = b.ltS(x, b.i64(0));
      const m = b.select(negative, b.sub(b.i64(0), x), x);
      const n = b.op('i64.clz', m);
      st(b, L.SF_SIGN, b.shl(negative, b.i32(15)));
      st(b, L.SF_EXP, b.sub(b.i32(0x3fff + 63), b.wrap(n)));
      b.store('i64.store', b.i32(L.SF_HIGH), b.shl(m, n));
      b.store('i64.store', b.i32(L.SF_LOW), b.i64(0));
      const rc = b.and(b.shrU(mxcsr(b), b.i32(13)), b.i32(3));
      b.call(roundResult, ...constants(b, f === 'f64' ? DOUBLE : SINGLE), rc, b.i32(0), b.i32(0));
      b.call(finishFlags);
      return f === 'f64'
        ? b.op('f64.reinterpret_i64', b.call(narrow64, b.i32(L.SF_R)))
        : b.op('f32.reinterpret_i32', b.call(narrow32, b.i32(L.SF_R)));
    },
  };
}
const FROM_INT: Record<Float, Helper> = { f32: fromIntHelper('f32'), f64: fromIntHelper('f64') };

/** An integral double in the current (or the truncating) mode. */
function integral(b: Builder, x: Node, rc: Node): Node {
  const down = b.op('f64.floor', x);
  const up = b.op('f64.ceil', x);
  const zero = b.op('f64.trunc', x);
  const directed = b.select(b.eq(rc, b.i32(RC_DOWN)), down, b.select(b.eq(rc, b.i32(RC_UP)), up, zero)); // prettier-ignore
  return b.select(b.eqz(rc), b.op('f64.nearest', x), directed);
}

/**
 * A float to a signed integer of 32 or 64 bits (second parameter); rc is the rounding control to use. What does not fit
 * gives the "integer indefinite" and IE.
 */
const toInt: Helper = {
  name: 'to_int',
  params: ['f64', 'i32', 'i32'],
  result: 'i64',
  pure: false,
  body(b, x, bits, rc) {
    const whole = integral(b, x, rc);
    const limit = b.select(b.eq(bits, b.i32(64)), b.f64(2 ** 63), b.f64(2 ** 31));
    const inRange = b.and(
      b.op('f64.ge', whole, b.op('f64.neg', limit)),
      b.op('f64.lt', whole, limit),
    );
    st(b, L.SF_FLAGS, b.i32(0));
    b.if(b.eqz(inRange), () => {
      flag(b, IE);
      b.call(finishFlags);
      b.return(b.select(b.eq(bits, b.i32(64)), b.i64(1n << 63n), b.i64(0x8000_0000n)));
    });
    b.if(b.op('f64.ne', whole, x), () => {
      flag(b, PE);
      b.call(finishFlags);
    });
    return b.op('i64.trunc_sat_f64_s', whole);
  },
};

/** A float or double operand, DAZ applied, as a double: each float is one. */
function asDouble(b: Builder, f: Float, x: Node): Node {
  const bits = b.op(f === 'f64' ? 'i64.reinterpret_f64' : 'i32.reinterpret_f32', x);
  if (f === 'f64') return b.op('f64.reinterpret_i64', b.call(daz64, bits));
  return b.op('f64.promote_f32', b.op('f32.reinterpret_i32', b.call(daz32, bits)));
}

export function currentRc(b: Builder): Node {
  return b.and(b.shrU(mxcsr(b), b.i32(13)), b.i32(3));
}

/** CVTSD2SS: rounds, and quiets a NaN keeping the top of its payload. */
const narrow: Helper = {
  name: 'cvt_sd_ss',
  params: ['f64'],
  result: 'f32',
  pure: false,
  body(b, x) {
    const r = b.op('f32.demote_f64', x);
    const known = b.eq(b.and(mxcsr(b), b.i32(0xffe0)), b.i32(DEFAULT_CONTROL | PE));
    b.if(b.and(known, b.and(plain(b, 'f64', x), ordinary(b, 'f32', r))), () => b.return(r));
    st(b, L.SF_FLAGS, b.i32(0));
    b.call(widen64, b.call(daz64, b.op('i64.reinterpret_f64', x)), b.i32(L.SF_A));
    // Adding nothing rounds: x + 0 with the sign of x.
    putSlot(b, b.i32(L.SF_B), b.and(b.load('i32.load16_u', b.i32(L.SF_A), 8), b.i32(0x8000)), b.i64(0)); // prettier-ignore
    computeSlots(b, b.i32(OP_ADD), SINGLE);
    return b.op('f32.reinterpret_i32', b.call(narrow32, b.i32(L.SF_R)));
  },
};

/** CVTSS2SD: exact; a signalling NaN is quieted, a denormal noticed. */
const widen: Helper = {
  name: 'cvt_ss_sd',
  params: ['f32'],
  result: 'f64',
  pure: false,
  body(b, x) {
    b.if(plain(b, 'f32', x), () => b.return(b.op('f64.promote_f32', x)));
    st(b, L.SF_FLAGS, b.i32(0));
    b.call(widen32, b.call(daz32, b.op('i32.reinterpret_f32', x)), b.i32(L.SF_A));
    putSlot(b, b.i32(L.SF_B), b.and(b.load('i32.load16_u', b.i32(L.SF_A), 8), b.i32(0x8000)), b.i64(0)); // prettier-ignore
    computeSlots(b, b.i32(OP_ADD), DOUBLE);
    return b.op('f64.reinterpret_i64', b.call(narrow64, b.i32(L.SF_R)));
  },
};

// ---- instructions

export const LOAD = { f32: 'f32.load', f64: 'f64.load' } as const;
export const STORE = { f32: 'f32.store', f64: 'f64.store' } as const;
export const LANES = { f32: 4, f64: 2 } as const;
export const VECTOR = { f32: 'f32x4', f64: 'f64x2' } as const;

/** dst[low] = helper(dst[low], src[low]) */
function scalar(f: Float, helper: Helper): Semantics {
  return (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const x = b.getAs(dst!, LOAD[f]);
    const r = b.call(helper, x, y);
    trapIfUnmasked(b);
    b.setAs(dst!, STORE[f], r);
  };
}

export function lanes(b: Builder, f: Float, v: Node): Node[] {
  return Array.from({ length: LANES[f] }, (_, i) => b.lane(`${VECTOR[f]}.extract_lane`, [v], i));
}

export function vectorOf(b: Builder, f: Float, values: readonly Node[]): Node {
  return values.reduce((v, x, i) => b.lane(`${VECTOR[f]}.replace_lane`, [v, x], i), zeroVector(b));
}

function zeroVector(b: Builder): Node {
  return b.v128(Array.from({ length: 16 }, () => 0));
}

/**
 * A vector operation, lane by lane. When exceptions are unmasked, those of the operands (IE, DE, ZE) in any lane come
 * first: with one of them nothing is computed, and no other exception is told of (SDM vol. 1, 11.5.3).
 */
export function guarded(name: string, params: Helper['params'], compute: Helper['body']): Helper {
  const lanesOf: Helper = {
    name: `${name}_lanes`,
    params,
    result: 'v128',
    pure: false,
    body: compute,
  };
  return {
    name,
    params,
    result: 'v128',
    pure: false,
    body(b, ...operands) {
      const m = mxcsr(b);
      b.if(b.ne(b.and(m, b.i32(DEFAULT_CONTROL)), b.i32(DEFAULT_CONTROL)), () => {
        // A longer vector of which this is a part is being looked at already.
        b.if(ld(b, L.SF_PROBE), () => b.return(b.call(lanesOf, ...operands)));
        st(b, L.SF_PROBE, b.i32(1));
        st(b, L.SF_PROBED, b.i32(0));
        b.var(b.call(lanesOf, ...operands));
        st(b, L.SF_PROBE, b.i32(0));
        const found = ld(b, L.SF_PROBED);
        const open = b.and(found, b.not(b.shrU(m, b.i32(7))));
        b.if(open, () => {
          st(b, L.MXCSR_CELL, b.or(m, found));
          st(b, L.SF_TRAP, open);
          b.return(operands[0]!);
        });
      });
      return b.call(lanesOf, ...operands);
    },
  };
}

/** Every lane through a scalar helper. */
function packedSlow(f: Float, helper: Helper): Helper {
  return guarded(`packed_${helper.name}`, ['v128', 'v128'], (b, x, y) => {
    const ys = lanes(b, f, y!);
    return vectorOf(b, f, lanes(b, f, x!).map((lane, i) => b.call(helper, lane, ys[i]!))); // prettier-ignore
  });
}

/** All lanes are normal numbers or zeros. */
function plainVector(b: Builder, f: Float, v: Node, zeros: boolean): Node {
  const [type, min, inf] =
    f === 'f64'
      ? (['i64x2', 1n << 52n, 0x7ffn << 52n] as const)
      : (['i32x4', 1n << 23n, 0xffn << 23n] as const);
  const splat = (n: bigint): Node =>
    b.op(`${type}.splat`, f === 'f64' ? b.i64(n) : b.i32(Number(n)));
  const t = b.op('v128.and', v, splat(f === 'f64' ? (1n << 63n) - 1n : 0x7fff_ffffn));
  const normal = b.op('v128.and', b.op(`${type}.gt_s`, t, splat(min)), b.op(`${type}.lt_s`, t, splat(inf))); // prettier-ignore
  const ok = zeros ? b.op('v128.or', normal, b.op(`${type}.eq`, t, zeroVector(b))) : normal;
  return b.op(`${type}.all_true`, ok);
}

function packedHelper(f: Float, op: number): Helper {
  const slow = packedSlow(f, ARITH[f][op]!);
  return {
    name: `packed_${OPS[op]}_${f}_fast`,
    params: ['v128', 'v128'],
    result: 'v128',
    pure: false,
    body(b, x, y) {
      const r = b.op(`${VECTOR[f]}.${OPS[op]}`, x, y);
      const known = b.eq(b.and(mxcsr(b), b.i32(0xffe0)), b.i32(DEFAULT_CONTROL | PE));
      const sum = op === OP_ADD || op === OP_SUB;
      const fine = b.and(plainVector(b, f, r, sum), b.and(plainVector(b, f, x, true), plainVector(b, f, y, true))); // prettier-ignore
      b.if(b.and(known, fine), () => b.return(r));
      return b.call(slow, x, y);
    },
  };
}

export const PACKED: Record<Float, readonly Helper[]> = {
  f32: OPS.map((_, op) => packedHelper('f32', op)),
  f64: OPS.map((_, op) => packedHelper('f64', op)),
};

function packed(helper: Helper): Semantics {
  return (b, [dst, src]) => {
    const y = b.get(src!);
    const r = b.call(helper, b.get(dst!), y);
    trapIfUnmasked(b);
    b.set(dst!, r);
  };
}

const sqrtScalar =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const r = b.call(SQRT[f], b.getAs(src!, LOAD[f]));
    trapIfUnmasked(b);
    b.setAs(dst!, STORE[f], r);
  };

/** Each lane of the source on its own. */
function unaryPacked(f: Float, each: (b: Builder, x: Node) => Node): Semantics {
  return (b, [dst, src]) =>
    b.set(dst!, vectorOf(b, f, lanes(b, f, b.get(src!)).map((x) => each(b, x)))); // prettier-ignore
}

/**
 * RCPPS and RSQRTPS promise 12 bits and leave the rest to the implementation, which raises no exception: the single
 * nearest to the true value is as good as any. Denormals count as zeros, tiny results become zeros.
 */
function approximate(b: Builder, x0: Node, root: boolean): Node {
  const bits = b.op('i32.reinterpret_f32', x0);
  const tiny = b.eqz(b.and(bits, b.i32(0x7f80_0000)));
  const x = b.op('f32.reinterpret_i32', b.select(tiny, b.and(bits, b.i32(0x8000_0000)), bits));
  const r = b.op('f32.div', b.f32(1), root ? b.op('f32.sqrt', x) : x);
  const result = b.op('i32.reinterpret_f32', r);
  const small = b.eqz(b.and(result, b.i32(0x7f80_0000)));
  const flushedResult = b.select(small, b.and(result, b.i32(0x8000_0000)), result);
  const nan = b.or(bits, b.i32(0x40_0000));
  const negative = root ? b.op('f32.lt', x, b.f32(0)) : b.i32(0);
  const fixed = b.select(negative, b.i32(0xffc0_0000), flushedResult);
  return b.op('f32.reinterpret_i32', b.select(isNaN(b, 'f32', x0), nan, fixed));
}

const approximateScalar =
  (root: boolean): Semantics =>
  (b, [dst, src]) =>
    b.setAs(dst!, 'f32.store', approximate(b, b.getAs(src!, 'f32.load'), root));

const comis =
  (f: Float, quietToo: boolean): Semantics =>
  (b, [dst, src]) => {
    const y = b.getAs(src!, LOAD[f]);
    const word = b.call(COMIS[f], b.getAs(dst!, LOAD[f]), y, b.i32(quietToo ? 1 : 0));
    trapIfUnmasked(b);
    b.flags.setStatusWord(word);
  };

const cmpScalar =
  (f: Float): Semantics =>
  (b, [dst, src, predicate]) => {
    const y = b.getAs(src!, LOAD[f]);
    const mask = b.call(CMP[f], b.getAs(dst!, LOAD[f]), y, b.get(predicate!));
    trapIfUnmasked(b);
    b.setAs(dst!, f === 'f64' ? 'i64.store' : 'i32.store', mask);
  };

const CMP_PACKED: Record<Float, Helper> = { f32: cmpPackedHelper('f32', CMP.f32), f64: cmpPackedHelper('f64', CMP.f64) }; // prettier-ignore

function cmpPackedHelper(f: Float, cmp: Helper): Helper {
  const type = f === 'f64' ? 'i64x2' : 'i32x4';
  return guarded(`packed_${cmp.name}`, ['v128', 'v128', 'i32'], (b, x, y, predicate) => {
    const ys = lanes(b, f, y!);
    const masks = lanes(b, f, x!).map((lane, i) => b.call(cmp, lane, ys[i]!, predicate!));
    return masks.reduce((v, m, i) => b.lane(`${type}.replace_lane`, [v, m], i), zeroVector(b));
  });
}

const cmpPacked =
  (f: Float): Semantics =>
  (b, [dst, src, predicate]) => {
    const y = b.get(src!);
    const r = b.call(CMP_PACKED[f], b.get(dst!), y, b.get(predicate!));
    trapIfUnmasked(b);
    b.set(dst!, r);
  };

/** AVX's predicates by what they hold for: less, equal, greater, unordered (bits 0 to 3), four bits each. */
const HOLDS_FOR: readonly number[] = [2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15];
/** Those of the first sixteen that signal for quiet NaNs; the other sixteen are the other way round. */
const SIGNALLING_PREDICATES = 0x6666;

function cmpWideHelper(f: Float): Helper {
  const table = HOLDS_FOR.reduce((sum, set, i) => sum | (BigInt(set) << BigInt(4 * i)), 0n);
  return {
    name: `cmp32_${f}`,
    params: [f, f, 'i32'],
    result: SHAPE[f].int,
    pure: false,
    body(b, x0, y0, predicate) {
      const [x, y] = flushed(b, f, x0, y0);
      const low = b.and(predicate, b.i32(15));
      const signals = b.xor(b.shrU(b.i32(SIGNALLING_PREDICATES), low), b.shrU(predicate, b.i32(4)));
      st(b, L.SF_FLAGS, b.i32(0));
      compareFlags(b, f, x, y, b.and(signals, b.i32(1)));
      const unordered = b.or(isNaN(b, f, x), isNaN(b, f, y));
      const ordered = b.select(b.op(`${f}.lt`, x, y), b.i32(0), b.select(b.op(`${f}.eq`, x, y), b.i32(1), b.i32(2))); // prettier-ignore
      const relation = b.select(unordered, b.i32(3), ordered);
      const place = b.add(b.shl(low, b.i32(2)), relation);
      const holds = b.and(b.wrap(b.shrU(b.i64(table), b.extendU(place))), b.i32(1));
      return b.sub(int(b, f, 0n), f === 'f64' ? b.extendU(holds) : holds);
    },
  };
}
const CMP_WIDE: Record<Float, Helper> = { f32: cmpWideHelper('f32'), f64: cmpWideHelper('f64') };

/** VCMPPS and its kin, on 128 bits with the destination as the first source. */
export function cmpWide(type: 'ps' | 'pd' | 'ss' | 'sd'): Semantics {
  const f = type[1] === 'd' ? 'f64' : 'f32';
  const helper = type[0] === 'p' ? cmpPackedHelper(f, CMP_WIDE[f]) : CMP_WIDE[f];
  return (b, [dst, src, predicate]) => {
    const wanted = b.and(b.get(predicate!), b.i32(31));
    const packedForm = type[0] === 'p';
    const y = packedForm ? b.get(src!) : b.getAs(src!, LOAD[f]);
    const mask = b.call(helper, packedForm ? b.get(dst!) : b.getAs(dst!, LOAD[f]), y, wanted);
    trapIfUnmasked(b);
    b.setAs(dst!, packedForm ? 'v128.store' : f === 'f64' ? 'i64.store' : 'i32.store', mask);
  };
}

const fromInt =
  (f: Float): Semantics =>
  (b, [dst, src]) => {
    const value = b.get(src!);
    const r = b.call(FROM_INT[f], b.extendS(value));
    trapIfUnmasked(b);
    b.setAs(dst!, STORE[f], r);
  };

const toIntScalar =
  (f: Float, truncate: boolean): Semantics =>
  (b, [dst, src]) => {
    const x = asDouble(b, f, b.getAs(src!, LOAD[f]));
    const rc = truncate ? b.i32(3) : currentRc(b);
    const r = b.call(toInt, x, b.i32(b.width), rc);
    trapIfUnmasked(b);
    b.set(dst!, b.width === 64 ? r : b.wrap(r));
  };

const cvtsd2ss: Semantics = (b, [dst, src]) => {
  const r = b.call(narrow, b.getAs(src!, 'f64.load'));
  trapIfUnmasked(b);
  b.setAs(dst!, 'f32.store', r);
};

const cvtss2sd: Semantics = (b, [dst, src]) => {
  const r = b.call(widen, b.getAs(src!, 'f32.load'));
  trapIfUnmasked(b);
  b.setAs(dst!, 'f64.store', r);
};

/** Lanes of `from`, each through `each`, as lanes of `to`. */
function conversion(
  name: string,
  from: string,
  to: string,
  count: number,
  each: (b: Builder, x: Node) => Node,
): Helper {
  return guarded(name, ['v128'], (b, x) => {
    const values = Array.from({ length: count }, (_, i) =>
      each(b, b.lane(`${from}.extract_lane`, [x!], i)),
    );
    return values.reduce((v, lane, i) => b.lane(`${to}.replace_lane`, [v, lane], i), zeroVector(b));
  });
}

/**
 * A conversion of a whole vector.
 * @param half only the lower half of the destination is written
 * @param use what comes before exceptions are reported
 */
const converted =
  (helper: Helper, half = false, use?: (b: Builder) => void): Semantics =>
  (b, [dst, src]) => {
    const isHalf = src!.kind === 'mmx' || (src!.kind === 'mem' && src!.size === 64);
    const r = b.call(helper, b.getAs(src!, isHalf ? 'v128.load64_zero' : 'v128.load'));
    use?.(b);
    trapIfUnmasked(b);
    if (half) b.setAs(dst!, 'i64.store', b.lane('i64x2.extract_lane', [r], 0));
    else b.setAs(dst!, 'v128.store', r);
  };

const convert = (...args: Parameters<typeof conversion>): Semantics =>
  converted(conversion(...args));

const toInt32 =
  (f: Float, truncate: boolean) =>
  (b: Builder, x: Node): Node => {
    const rc = truncate ? b.i32(3) : currentRc(b);
    return b.wrap(b.call(toInt, asDouble(b, f, x), b.i32(32), rc));
  };

const toIntPacked = (f: Float, truncate: boolean): Semantics =>
  convert(`cvt${truncate ? 't' : ''}_${f}_dq`, VECTOR[f], 'i32x4', LANES[f], toInt32(f, truncate));

const fromInt32 = (b: Builder, x: Node): Node => b.call(FROM_INT.f32, b.extendS(x));
const toDoubles = conversion('cvtdq2pd', 'i32x4', 'f64x2', 2, (b, x) =>
  b.op('f64.convert_i32_s', x),
);

const toSingles = conversion('cvtpi2ps', 'i32x4', 'f32x4', 2, fromInt32);

/** Conversions from and to MMX registers. @param use makes these valid */
export function mmxConversions(use: (b: Builder) => void): Record<string, Semantics> {
  const toInts = (f: Float, truncate: boolean): Semantics => {
    const name = `cvt${truncate ? 't' : ''}_${f}_pi`;
    return converted(conversion(name, VECTOR[f], 'i32x4', 2, toInt32(f, truncate)), true, use);
  };
  return {
    cvtps2pi: toInts('f32', false),
    cvttps2pi: toInts('f32', true),
    cvtpd2pi: toInts('f64', false),
    cvttpd2pi: toInts('f64', true),
    cvtpi2ps: converted(toSingles, true, use),
    cvtpi2pd: converted(toDoubles, false, use),
  };
}

function forBoth(make: (f: Float) => Record<string, Semantics>): Record<string, Semantics> {
  return { ...make('f32'), ...make('f64') };
}

/** Semantics by name: `ss` and `ps` for floats, `sd` and `pd` for doubles. */
export const sseFloat: Record<string, Semantics> = {
  ...forBoth((f) => {
    const s = f === 'f32' ? 'ss' : 'sd';
    const p = f === 'f32' ? 'ps' : 'pd';
    return {
      ...Object.fromEntries(
        OPS.flatMap((name, op) => [
          [name + s, scalar(f, ARITH[f][op]!)],
          [name + p, packed(PACKED[f][op]!)],
        ]),
      ),
      [`min${s}`]: scalar(f, MIN[f]),
      [`max${s}`]: scalar(f, MAX[f]),
      [`min${p}`]: packed(packedSlow(f, MIN[f])),
      [`max${p}`]: packed(packedSlow(f, MAX[f])),
      [`sqrt${s}`]: sqrtScalar(f),
      [`sqrt${p}`]: convert(`packed_sqrt_${f}`, VECTOR[f], VECTOR[f], LANES[f], (b, x) =>
        b.call(SQRT[f], x),
      ),
      [`comi${s}`]: comis(f, true),
      [`ucomi${s}`]: comis(f, false),
      [`cmp${s}`]: cmpScalar(f),
      [`cmp${p}`]: cmpPacked(f),
      [`cvtsi2${s}`]: fromInt(f),
      [`cvt${s}2si`]: toIntScalar(f, false),
      [`cvtt${s}2si`]: toIntScalar(f, true),
      [`cvt${p}2dq`]: toIntPacked(f, false),
      [`cvtt${p}2dq`]: toIntPacked(f, true),
    };
  }),
  rcpss: approximateScalar(false),
  rsqrtss: approximateScalar(true),
  rcpps: unaryPacked('f32', (b, x) => approximate(b, x, false)),
  rsqrtps: unaryPacked('f32', (b, x) => approximate(b, x, true)),
  cvtsd2ss,
  cvtss2sd,
  cvtps2pd: convert('cvtps2pd', 'f32x4', 'f64x2', 2, (b, x) => b.call(widen, x)),
  cvtpd2ps: convert('cvtpd2ps', 'f64x2', 'f32x4', 2, (b, x) => b.call(narrow, x)),
  cvtdq2ps: convert('cvtdq2ps', 'i32x4', 'f32x4', 4, fromInt32),
  cvtdq2pd: converted(toDoubles),
  // What reads memory has nothing to do with MMX.
  cvtpi2ps_mem: converted(toSingles, true),
  cvtpi2pd_mem: converted(toDoubles),
};
