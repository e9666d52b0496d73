/** x87 loads and constants (SDM vol. 1, 8.3.3 and 8.3.4). */
import type { Builder } from '../ir/builder.ts';
import type { Helper } from '../ir/node.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import { C1, IE, RC_UP, flag, isNaNBits, putDefaultNaN, putSlot, st } from './softfloat.ts';
import { type Kind, loadOperand } from './x87-arith.ts';
import {
  SF,
  checkPending,
  copy,
  fcw,
  finish,
  isEmpty,
  mant,
  markValid,
  moveTop,
  operandIndex,
  rcOf,
  signExp,
  stack,
  unmasked,
} from './x87-state.ts';

// ---- loads

/** Pushes the number in slot R, or the default NaN when the stack is full. */
export const push: Helper = {
  name: 'x87Push',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const to = stack(b, 7);
    b.if(
      isEmpty(b, to),
      () =>
        b.if(b.eqz(unmasked(b, IE)), () => {
          copy(b, b.i32(L.SF_R), to);
          markValid(b, to);
          moveTop(b, -1);
        }),
      () => {
        st(b, L.SF_FLAGS, b.i32(IE | SF | C1));
        b.if(b.and(fcw(b), b.i32(IE)), () => {
          putDefaultNaN(b, to);
          moveTop(b, -1);
        });
      },
    );
    b.call(finish);
  },
};

/** Slot B to R; a signalling NaN is invalid and becomes quiet. */
export function quietToResult(b: Builder): void {
  const from = b.i32(L.SF_B);
  const m = mant(b, from);
  const nan = isNaNBits(b, signExp(b, from), m);
  const signalling = b.and(nan, b.eqz(b.and(m, b.i64(1n << 62n))));
  flag(b, signalling);
  const quiet = b.select(nan, b.i64(1n << 62n), b.i64(0));
  putSlot(b, b.i32(L.SF_R), signExp(b, from), b.or(m, quiet));
}

export function load(kind: Kind): Semantics {
  return (b, [src]) => {
    checkPending(b);
    loadOperand(b, src!, kind);
    quietToResult(b);
    b.call(push);
  };
}

export const loadExtended: Semantics = (b) => {
  checkPending(b);
  const va = b.address();
  const m = b.read('i64.load', va);
  const e = b.read('i32.load16_u', b.add(va, b.i64(8)));
  putSlot(b, b.i32(L.SF_R), e, m);
  b.call(push);
};

export const loadRegister: Semantics = (b) => {
  checkPending(b);
  const from = stack(b, operandIndex(b));
  b.if(
    isEmpty(b, from),
    () => {
      // Underflow, whatever the place it would be pushed to holds.
      st(b, L.SF_FLAGS, b.i32(IE | SF));
      b.if(b.and(fcw(b), b.i32(IE)), () => {
        const to = stack(b, 7);
        putDefaultNaN(b, to);
        markValid(b, to);
        moveTop(b, -1);
      });
      b.call(finish);
    },
    () => {
      copy(b, from, b.i32(L.SF_R));
      b.call(push);
    },
  );
};

/** Constants with their exact tail, so that the rounding mode decides the last place (AMD and Intel alike). */
export const CONSTANTS: Record<string, readonly [exp: number, significand: bigint, tail: number]> =
  {
    fld1: [0x3fff, 0x8000_0000_0000_0000n, 0],
    fldl2t: [0x4000, 0xd49a_784b_cd1b_8afen, 1],
    fldl2e: [0x3fff, 0xb8aa_3b29_5c17_f0bbn, 3],
    fldpi: [0x4000, 0xc90f_daa2_2168_c234n, 3],
    fldlg2: [0x3ffd, 0x9a20_9a84_fbcf_f798n, 3],
    fldln2: [0x3ffe, 0xb172_17f7_d1cf_79abn, 3],
    fldz: [0, 0n, 0],
  };

/** `tail` is 0 for an exact constant, 1 below and 3 above half a unit in the last place. */
export function loadConstant(name: string): Semantics {
  const [exp, significand, tail] = CONSTANTS[name]!;
  return (b) => {
    checkPending(b);
    const rc = rcOf(b);
    const up = b.or(
      b.and(b.eqz(rc), b.i32(tail === 3 ? 1 : 0)),
      b.and(b.eq(rc, b.i32(RC_UP)), b.i32(tail > 0 ? 1 : 0)),
    );
    putSlot(b, b.i32(L.SF_R), b.i32(exp), b.add(b.i64(significand), b.extendU(up)));
    b.call(push);
  };
}
