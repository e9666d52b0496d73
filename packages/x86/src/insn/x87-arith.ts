/** x87 arithmetic (SDM vol. 1, 8.3.5): registers with registers, and with memory operands. */
import type { Builder } from '../ir/builder.ts';
import type { Helper } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import {
  IE,
  OE,
  OP_SQRT,
  UE,
  arith,
  putDefaultNaN,
  putSlot,
  roundResult,
  st,
  widen32,
  widen64,
} from './softfloat.ts';
import {
  SF,
  checkPending,
  copy,
  fcw,
  finish,
  isEmpty,
  markValid,
  operandIndex,
  pop,
  precision,
  rcOf,
  stack,
  unmasked,
} from './x87-state.ts';

/**
 * OP_… on the numbers at two addresses; the result goes to the register at `to`.
 * @returns 1 when the stack may be popped
 */
export const compute: Helper = {
  name: 'x87Compute',
  params: ['i32', 'i32', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, op, first, second, to, empty) {
    b.if(empty, () => {
      st(b, L.SF_FLAGS, b.i32(IE | SF));
      b.call(finish);
      b.if(b.and(fcw(b), b.i32(IE)), () => {
        putDefaultNaN(b, to);
        markValid(b, to);
        b.return(b.i32(1));
      });
      b.return(b.i32(0));
    });
    copy(b, first, b.i32(L.SF_A));
    copy(b, second, b.i32(L.SF_B));
    const done = b.call(arith, op, rcOf(b), b.i32(0));
    b.if(unmasked(b, 7), () => {
      b.call(finish);
      b.return(b.i32(0));
    });
    b.if(b.eqz(done), () => {
      const open = b.and(b.not(fcw(b)), b.i32(OE | UE));
      b.call(roundResult, precision(b), b.i32(1), b.i32(0x7ffe), rcOf(b), open, b.i32(0));
    });
    copy(b, b.i32(L.SF_R), to);
    b.call(finish);
    return b.i32(1);
  },
};

/** FADD and the like: which operand comes first, where the result goes, whether ST(0) is popped. */
export function registerArith(
  op: number,
  reverse: boolean,
  toI: boolean,
  pops: boolean,
): Semantics {
  return (b) => {
    checkPending(b);
    const st0 = stack(b, 0);
    const sti = stack(b, operandIndex(b));
    const empty = b.or(isEmpty(b, st0), isEmpty(b, sti));
    const dst = toI ? sti : st0;
    const src = toI ? st0 : sti;
    const ok = b.call(compute, b.i32(op), reverse ? src : dst, reverse ? dst : src, dst, empty);
    if (pops) b.if(ok, () => pop(b));
  };
}

/** What a memory operand holds. */
export type Kind = 'm16' | 'i32' | 'i64' | 'm32' | 'm64';

/** The operand as an extended number in slot B; exceptions go to SF_FLAGS. */
export function loadOperand(b: Builder, src: Operand, kind: Kind): void {
  const slot = b.i32(L.SF_B);
  if (kind === 'm64') return void b.call(widen64, b.getAs(src, 'i64.load'), slot);
  if (kind === 'm32') return void b.call(widen32, b.getAs(src, 'i32.load'), slot);
  const value =
    kind === 'i64'
      ? b.getAs(src, 'i64.load')
      : b.extendS(
          kind === 'm16'
            ? b.op('i32.extend16_s', b.getAs(src, 'i32.load16_u'))
            : b.getAs(src, 'i32.load'),
        );
  b.call(fromInteger, value, slot);
}

/** A 64-bit integer as an extended which holds it exactly. */
export const fromInteger: Helper = {
  name: 'x87FromInteger',
  params: ['i64', 'i32'],
  result: undefined,
  pure: false,
  body(b, value, slot) {
    const negative = b.ltS(value, b.i64(0));
    const m = b.select(negative, b.sub(b.i64(0), value), value);
    const n = b.op('i64.clz', m);
    const e = b.or(b.shl(negative, b.i32(15)), b.sub(b.i32(0x3fff + 63), b.wrap(n)));
    b.if(
      b.eqz(m),
      () => putSlot(b, slot, b.i32(0), b.i64(0)),
      () => putSlot(b, slot, e, b.shl(m, n)),
    );
  },
};

export function memoryArith(op: number, reverse: boolean, kind: Kind): Semantics {
  return (b, [src]) => {
    checkPending(b);
    loadOperand(b, src!, kind);
    const st0 = stack(b, 0);
    const other = b.i32(L.SF_B);
    b.if(isEmpty(b, st0), () => st(b, L.SF_FLAGS, b.i32(0)));
    // The compute helper copies its operands into A and B: B survives a copy onto itself, but not the swap.
    if (reverse) {
      copy(b, other, b.i32(L.SF_C));
      b.var(b.call(compute, b.i32(op), b.i32(L.SF_C), st0, st0, isEmpty(b, st0)));
    } else b.var(b.call(compute, b.i32(op), st0, other, st0, isEmpty(b, st0)));
  };
}

export const fsqrt: Semantics = (b) => {
  checkPending(b);
  const st0 = stack(b, 0);
  b.var(b.call(compute, b.i32(OP_SQRT), st0, st0, st0, isEmpty(b, st0)));
};
