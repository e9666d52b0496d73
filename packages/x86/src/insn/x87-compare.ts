/** x87 comparisons and classification (SDM vol. 1, 8.3.6). */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import { C1, DE, EXP_MAX, IE, flag, isNaNBits, putSlot, st } from './softfloat.ts';
import { type Kind, loadOperand } from './x87-arith.ts';
import {
  C0,
  C2,
  C3,
  CODES,
  SF,
  checkPending,
  finish,
  finishKeepingC1,
  fsw,
  isEmpty,
  mant,
  operandIndex,
  pop,
  setFsw,
  signExp,
  stack,
  unmasked,
} from './x87-state.ts';

// ---- comparisons

/** In the result of compare: an unmasked exception keeps the stack as it is. */
export const STOPPED = 1;

/** Compares the numbers at two addresses. @returns C3, C2 and C0 as a status word has them, and STOPPED */
export const compare: Helper = {
  name: 'x87Compare',
  params: ['i32', 'i32', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, first, second, empty, quietToo, toFlags) {
    const unordered = b.i32(CODES);
    const result = (codes: Node): void => {
      const stop = unmasked(b, IE | DE);
      b.if(toFlags, () => b.call(finishKeepingC1), () => b.call(finish)); // prettier-ignore
      b.return(b.or(codes, b.ne(stop, b.i32(0))));
    };
    b.if(empty, () => {
      st(b, L.SF_FLAGS, b.i32(IE | SF));
      result(unordered);
    });
    const operand = (
      at: Node,
    ): { e: Node; m: Node; sign: Node; nan: Node; bad: Node; signalling: Node; denormal: Node } => {
      const m = mant(b, at);
      const word = signExp(b, at);
      const e = b.and(word, b.i32(EXP_MAX));
      const nan = isNaNBits(b, word, m);
      const bad = b.and(b.ne(e, b.i32(0)), b.eqz(b.ltS(m, b.i64(0))));
      const signalling = b.and(nan, b.eqz(b.and(m, b.i64(1n << 62n))));
      const denormal = b.and(b.eqz(e), b.ne(m, b.i64(0)));
      return { e: b.select(b.eqz(e), b.i32(1), e), m, sign: b.shrU(word, b.i32(15)), nan, bad, signalling, denormal }; // prettier-ignore
    };
    const x = operand(first);
    const y = operand(second);
    const bad = b.or(x.bad, y.bad);
    const nan = b.or(x.nan, y.nan);
    b.if(b.or(bad, nan), () => {
      const invalid = b.or(b.or(bad, b.or(x.signalling, y.signalling)), b.and(nan, quietToo));
      st(b, L.SF_FLAGS, invalid);
      result(unordered);
    });
    flag(b, b.shl(b.or(x.denormal, y.denormal), b.i32(1)));
    const zeros = b.eqz(b.or(x.m, y.m));
    const equal = b.and(b.and(b.eq(x.e, y.e), b.eq(x.m, y.m)), b.eq(x.sign, y.sign));
    const smaller = b.or(b.ltS(x.e, y.e), b.and(b.eq(x.e, y.e), b.ltU(x.m, y.m)));
    // A zero has exponent 1 here and no significand: below every other magnitude, but for huge denormals' order.
    const magnitude = b.select(b.eqz(y.m), b.i32(0), b.or(smaller, b.eqz(x.m)));
    const less = b.select(
      b.eq(x.sign, y.sign),
      b.select(x.sign, b.eqz(magnitude), magnitude),
      x.sign,
    );
    const codes = b.select(b.or(zeros, equal), b.i32(C3), b.shl(less, b.i32(8)));
    result(codes);
    return b.i32(0);
  },
};

export function setCodes(b: Builder, codes: Node): void {
  setFsw(b, b.or(b.and(fsw(b), b.i32(0xffff & ~CODES)), b.and(codes, b.i32(CODES))));
}

export function popTimes(b: Builder, codes: Node, times: number): void {
  if (times === 0) return;
  b.if(b.eqz(b.and(codes, b.i32(STOPPED))), () => {
    for (let i = 0; i < times; i++) pop(b);
  });
}

export function compareRegister(quietToo: boolean, pops: number, toFlags: boolean): Semantics {
  return (b) => {
    checkPending(b);
    const st0 = stack(b, 0);
    const sti = stack(b, operandIndex(b));
    const empty = b.or(isEmpty(b, st0), isEmpty(b, sti));
    const codes = b.call(compare, st0, sti, empty, b.i32(quietToo ? 1 : 0), b.i32(toFlags ? 1 : 0)); // prettier-ignore
    const kept = b.var(codes);
    if (toFlags) {
      // C3, C2, C0 become ZF, PF, CF; the others are cleared.
      const word = b.or(
        b.and(b.shrU(codes, b.i32(8)), b.i32(0x41)),
        b.and(b.shrU(codes, b.i32(8)), b.i32(4)),
      );
      b.flags.setStatusWord(word);
    } else setCodes(b, codes);
    popTimes(b, b.value(kept), pops);
  };
}

export function compareMemory(kind: Kind, pops: number): Semantics {
  return (b, [src]) => {
    checkPending(b);
    loadOperand(b, src!, kind);
    const st0 = stack(b, 0);
    const codes = b.call(compare, st0, b.i32(L.SF_B), isEmpty(b, st0), b.i32(1), b.i32(0));
    const kept = b.var(codes);
    setCodes(b, codes);
    popTimes(b, b.value(kept), pops);
  };
}

export const ftst: Semantics = (b) => {
  checkPending(b);
  const st0 = stack(b, 0);
  putSlot(b, b.i32(L.SF_B), b.i32(0), b.i64(0));
  setCodes(b, b.call(compare, st0, b.i32(L.SF_B), isEmpty(b, st0), b.i32(1), b.i32(0)));
};

/** FXAM: the class of ST(0) in C3, C2, C0 and its sign in C1 (SDM vol. 2, FXAM). */
export const fxam: Semantics = (b) => {
  checkPending(b);
  const at = stack(b, 0);
  const m = mant(b, at);
  const word = signExp(b, at);
  const e = b.and(word, b.i32(EXP_MAX));
  const integer = b.ltS(m, b.i64(0));
  const special = b.select(b.eqz(b.shl(m, b.i64(1))), b.i32(C2 | C0), b.i32(C0));
  const large = b.select(integer, b.select(b.eq(e, b.i32(EXP_MAX)), special, b.i32(C2)), b.i32(0));
  const small = b.select(b.eqz(m), b.i32(C3), b.i32(C3 | C2));
  const kind = b.select(b.eqz(e), small, large);
  const codes = b.select(isEmpty(b, at), b.i32(C3 | C0), kind);
  const sign = b.shl(b.shrU(word, b.i32(15)), b.i32(9));
  setFsw(b, b.or(b.and(fsw(b), b.i32(0xffff & ~(CODES | C1))), b.or(codes, sign)));
};
