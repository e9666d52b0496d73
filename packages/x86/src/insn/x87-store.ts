/** x87 stores (SDM vol. 1, 8.3.3). */
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import {
  C1,
  DOUBLE,
  EXP_MAX,
  type Format,
  IE,
  OE,
  PE,
  UE,
  constants,
  flag,
  ld,
  narrow32,
  narrow64,
  putDefaultNaN,
  putSlot,
  roundResult,
  st,
} from './softfloat.ts';
import {
  SF,
  checkPending,
  copy,
  fcw,
  finish,
  isEmpty,
  mant,
  markValid,
  operandIndex,
  pop,
  rcOf,
  signExp,
  stack,
  unmasked,
  roundAtPoint,
} from './x87-state.ts';

// ---- stores

/** ST(0) rounded to a memory format, in slot R; exceptions in SF_FLAGS. An empty ST(0) gives the default NaN. */
export const roundForStore: Helper = {
  name: 'x87RoundForStore',
  params: ['i32', 'i32', 'i32'],
  result: undefined,
  pure: false,
  body(b, bits, emin, emax) {
    const from = stack(b, 0);
    const r = b.i32(L.SF_R);
    b.if(isEmpty(b, from), () => {
      st(b, L.SF_FLAGS, b.i32(IE | SF));
      putDefaultNaN(b, r);
      b.return();
    });
    const m = mant(b, from);
    const e = b.and(signExp(b, from), b.i32(EXP_MAX));
    const sign = b.and(signExp(b, from), b.i32(0x8000));
    b.if(b.and(b.ne(e, b.i32(0)), b.eqz(b.ltS(m, b.i64(0)))), () => {
      flag(b, IE);
      putDefaultNaN(b, r);
      b.return();
    });
    b.if(b.eq(e, b.i32(EXP_MAX)), () => {
      const nan = b.ne(b.shl(m, b.i64(1)), b.i64(0));
      const quiet = b.ne(b.and(m, b.i64(1n << 62n)), b.i64(0));
      flag(b, b.and(nan, b.eqz(quiet)));
      const bit = b.select(nan, b.i64(1n << 62n), b.i64(0));
      putSlot(b, r, signExp(b, from), b.or(m, bit));
      b.return();
    });
    b.if(b.eqz(m), () => {
      putSlot(b, r, sign, b.i64(0));
      b.return();
    });
    const n = b.op('i64.clz', m);
    const exp = b.select(b.eqz(e), b.i32(1), e);
    st(b, L.SF_SIGN, sign);
    st(b, L.SF_EXP, b.sub(exp, b.wrap(n)));
    b.store('i64.store', b.i32(L.SF_HIGH), b.shl(m, n));
    b.store('i64.store', b.i32(L.SF_LOW), b.i64(0));
    const open = b.and(b.not(fcw(b)), b.i32(OE | UE));
    b.call(roundResult, bits, emin, emax, rcOf(b), open, b.i32(0));
  },
};

/** After the store: exceptions are noted, and the stack is popped. */
export function finishStore(b: Builder, stored: Node, pops: boolean): void {
  // A result that an unmasked exception keeps out of memory was not rounded either.
  b.if(b.eqz(stored), () => st(b, L.SF_FLAGS, b.and(ld(b, L.SF_FLAGS), b.i32(~(PE | C1)))));
  b.call(finish);
  if (pops) b.if(stored, () => pop(b));
}

/** Faults of the destination come first, even if nothing will be stored. */
export function probe(b: Builder, dst: Operand, load: string): void {
  b.var(b.getAs(dst, load));
}

export function storeFloat(format: Format, pops: boolean): Semantics {
  return (b, [dst]) => {
    checkPending(b);
    probe(b, dst!, format === DOUBLE ? 'i64.load' : 'i32.load');
    b.call(roundForStore, ...constants(b, format));
    const stored = b.var(b.eqz(unmasked(b, IE | OE | UE)));
    b.if(b.value(stored), () => {
      const r = b.i32(L.SF_R);
      if (format === DOUBLE) b.setAs(dst!, 'i64.store', b.call(narrow64, r));
      else b.setAs(dst!, 'i32.store', b.call(narrow32, r));
    });
    finishStore(b, b.value(stored), pops);
  };
}

export const storeExtended: Semantics = (b, [dst]) => {
  checkPending(b);
  probe(b, dst!, 'i64.load');
  const from = stack(b, 0);
  b.if(
    isEmpty(b, from),
    () => {
      st(b, L.SF_FLAGS, b.i32(IE | SF));
      putDefaultNaN(b, b.i32(L.SF_R));
    },
    () => copy(b, from, b.i32(L.SF_R)),
  );
  const stored = b.var(b.eqz(unmasked(b, IE)));
  b.if(b.value(stored), () => {
    b.setAs(dst!, 'i64.store', mant(b, b.i32(L.SF_R)));
    b.setAs(dst!, 'i32.store16', signExp(b, b.i32(L.SF_R)), 8);
  });
  finishStore(b, b.value(stored), true);
};

/** ST(0) as an integer of so many bits; the "integer indefinite" and IE when it does not fit. */
export const roundToInteger: Helper = {
  name: 'x87ToInteger',
  params: ['i32', 'i32'],
  result: 'i64',
  pure: false,
  body(b, bits, rc) {
    const from = stack(b, 0);
    const indefinite = b.shl(b.i64(-1), b.extendU(b.sub(bits, b.i32(1))));
    b.if(isEmpty(b, from), () => {
      st(b, L.SF_FLAGS, b.i32(IE | SF));
      b.return(indefinite);
    });
    const m = mant(b, from);
    const e = b.and(signExp(b, from), b.i32(EXP_MAX));
    const negative = b.shrU(signExp(b, from), b.i32(15));
    // Bits after the point: 63 less the exponent.
    const by = b.sub(b.i32(0x3fff + 63), e);
    const unnormal = b.and(b.ne(e, b.i32(0)), b.eqz(b.ltS(m, b.i64(0))));
    b.if(b.or(b.ltS(by, b.i32(0)), unnormal), () => {
      flag(b, IE);
      b.return(indefinite);
    });
    const { whole, inexact, add } = roundAtPoint(b, m, by, negative, rc);
    const rounded = b.add(whole, b.extendU(add));
    // The most negative number has one more in magnitude.
    const limit = b.shl(b.i64(1), b.extendU(b.sub(bits, b.i32(1))));
    const most = b.sub(limit, b.extendU(b.eqz(negative)));
    const overflow = b.or(b.ltU(most, rounded), b.and(add, b.eqz(rounded)));
    b.if(overflow, () => {
      flag(b, IE);
      b.return(indefinite);
    });
    b.if(inexact, () => flag(b, b.or(b.i32(PE), b.shl(add, b.i32(9)))));
    return b.select(negative, b.sub(b.i64(0), rounded), rounded);
  },
};

export function storeInteger(bits: 16 | 32 | 64, pops: boolean, truncate: boolean): Semantics {
  return (b, [dst]) => {
    checkPending(b);
    probe(b, dst!, bits === 64 ? 'i64.load' : bits === 32 ? 'i32.load' : 'i32.load16_u');
    const value = b.call(roundToInteger, b.i32(bits), truncate ? b.i32(3) : rcOf(b));
    const stored = b.var(b.eqz(unmasked(b, IE)));
    b.if(b.value(stored), () => {
      if (bits === 64) b.setAs(dst!, 'i64.store', value);
      else b.setAs(dst!, bits === 32 ? 'i32.store' : 'i32.store16', b.wrap(value));
    });
    finishStore(b, b.value(stored), pops);
  };
}

export const storeRegister =
  (pops: boolean): Semantics =>
  (b) => {
    checkPending(b);
    const from = stack(b, 0);
    const to = stack(b, operandIndex(b));
    b.if(
      isEmpty(b, from),
      () => {
        st(b, L.SF_FLAGS, b.i32(IE | SF));
        b.call(finish);
        b.if(b.and(fcw(b), b.i32(IE)), () => {
          putDefaultNaN(b, to);
          markValid(b, to);
          if (pops) pop(b);
        });
      },
      () => {
        copy(b, from, to);
        markValid(b, to);
        b.call(finish);
        if (pops) pop(b);
      },
    );
  };

/** FSTPNCE, the alias D9 D8+i: an empty ST(0) is no fault and is not copied. */
export const storeUnchecked: Semantics = (b) => {
  checkPending(b);
  const to = stack(b, operandIndex(b));
  b.if(b.eqz(isEmpty(b, stack(b, 0))), () => {
    copy(b, stack(b, 0), to);
    markValid(b, to);
  });
  b.call(finish);
  pop(b);
};
