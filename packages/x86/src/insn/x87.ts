/**
 * The x87 unit (SDM vol. 1, chapter 8): a stack of eight 80-bit registers, a control and a status word, and tags that
 * say which registers hold something. Arithmetic is softfloat.ts; the transcendental functions are assists.
 *
 * An instruction first reports an exception that an earlier one left (#MF). Its own exceptions are noted in the status
 * word; with one that is not masked, the stack and memory stay as they were, and the next instruction reports it.
 */
import { RAX, VECTOR_MF } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import {
  C1,
  DE,
  DOUBLE,
  EXP_MAX,
  IE,
  OP_ADD,
  OP_DIV,
  OP_MUL,
  OP_SUB,
  PE,
  SINGLE,
  flag,
  putDefaultNaN,
  putSlot,
} from './softfloat.ts';
import { type Kind, fsqrt, memoryArith, registerArith } from './x87-arith.ts';
import { compareMemory, compareRegister, ftst, fxam } from './x87-compare.ts';
import { CONSTANTS, load, loadConstant, loadExtended, loadRegister } from './x87-load.ts';
import {
  ES,
  SF,
  checkPending,
  copy,
  emptyOperand,
  fcw,
  finish,
  finishKeepingC1,
  fsw,
  isEmpty,
  mant,
  markValid,
  moveTop,
  operandIndex,
  pop,
  rcOf,
  setFsw,
  setTags,
  signExp,
  stack,
  tagBit,
  tags,
  unmasked,
  roundAtPoint,
} from './x87-state.ts';
import {
  storeExtended,
  storeFloat,
  storeInteger,
  storeRegister,
  storeUnchecked,
} from './x87-store.ts';

// ---- the rest

/** Changes ST(0)'s sign and exponent word; nothing is examined but the tag. */
function changeSign(change: (b: Builder, word: Node) => Node): Semantics {
  return (b) => {
    checkPending(b);
    const at = stack(b, 0);
    b.if(
      isEmpty(b, at),
      () => emptyOperand(b, at),
      () => {
        b.store('i32.store16', at, change(b, signExp(b, at)), 8);
        b.call(finish);
      },
    );
  };
}

const fxch: Semantics = (b) => {
  checkPending(b);
  const st0 = stack(b, 0);
  const sti = stack(b, operandIndex(b));
  for (const at of [st0, sti]) {
    b.if(isEmpty(b, at), () => flag(b, IE | SF));
  }
  b.if(b.eqz(unmasked(b, IE)), () => {
    for (const at of [st0, sti]) {
      b.if(isEmpty(b, at), () => {
        putDefaultNaN(b, at);
        markValid(b, at);
      });
    }
    const [m0, e0] = [mant(b, st0), signExp(b, st0)];
    const [mi, ei] = [mant(b, sti), signExp(b, sti)];
    const saved = [b.var(m0), b.var(e0)] as const;
    putSlot(b, st0, ei, mi);
    putSlot(b, sti, b.value(saved[1]), b.value(saved[0]));
  });
  b.call(finish);
};

/** FCMOVcc: the conditions B, E, BE, U and their negations. */
function fcmov(condition: (b: Builder) => Node): Semantics {
  return (b) => {
    checkPending(b);
    const st0 = stack(b, 0);
    const sti = stack(b, operandIndex(b));
    const holds = condition(b);
    b.if(
      b.or(isEmpty(b, st0), isEmpty(b, sti)),
      () => emptyOperand(b, st0),
      () => {
        b.if(holds, () => copy(b, sti, st0));
        b.call(finishKeepingC1);
      },
    );
  };
}

const CONDITIONS: readonly (readonly [string, (b: Builder) => Node])[] = [
  ['b', (b) => b.flags.get('c')],
  ['e', (b) => b.flags.get('z')],
  ['be', (b) => b.or(b.flags.get('c'), b.flags.get('z'))],
  ['u', (b) => b.flags.get('p')],
];

/** Moves TOP without touching tags. */
const rotate =
  (by: number): Semantics =>
  (b) => {
    checkPending(b);
    moveTop(b, by);
    setFsw(b, b.and(fsw(b), b.i32(0xffff & ~C1)));
  };

const ffree =
  (pops: boolean): Semantics =>
  (b) => {
    checkPending(b);
    setTags(b, b.and(tags(b), b.not(tagBit(b, stack(b, operandIndex(b))))));
    b.call(finish);
    if (pops) pop(b);
  };

/** FRNDINT. */
const frndint: Semantics = (b) => {
  checkPending(b);
  const at = stack(b, 0);
  b.if(isEmpty(b, at), () => emptyOperand(b, at), () => b.call(roundToIntegral, at)); // prettier-ignore
};

const roundToIntegral: Helper = {
  name: 'x87RoundToIntegral',
  params: ['i32'],
  result: undefined,
  pure: false,
  body(b, at) {
    const m = mant(b, at);
    const word = signExp(b, at);
    const e = b.and(word, b.i32(EXP_MAX));
    const sign = b.and(word, b.i32(0x8000));
    const done = (): void => {
      b.call(finish);
      b.return();
    };
    b.if(b.and(b.ne(e, b.i32(0)), b.eqz(b.ltS(m, b.i64(0)))), () => {
      flag(b, IE);
      b.if(b.eqz(unmasked(b, IE)), () => putDefaultNaN(b, at));
      done();
    });
    b.if(b.eq(e, b.i32(EXP_MAX)), () => {
      const nan = b.ne(b.shl(m, b.i64(1)), b.i64(0));
      flag(b, b.and(nan, b.eqz(b.and(m, b.i64(1n << 62n)))));
      b.if(b.and(nan, b.eqz(unmasked(b, IE))), () =>
        putSlot(b, at, word, b.or(m, b.i64(1n << 62n))),
      );
      done();
    });
    b.if(b.eqz(m), done);
    b.if(b.eqz(e), () => flag(b, DE));
    b.if(unmasked(b, DE), done);
    // At 2^63 and above there is no fraction.
    b.if(b.op('i32.ge_s', e, b.i32(0x3fff + 63)), done);
    const rc = rcOf(b);
    const negative = b.shrU(word, b.i32(15));
    const by = b.sub(b.i32(0x3fff + 63), e);
    const { whole, inexact, add } = roundAtPoint(b, m, by, negative, rc);
    b.if(inexact, () => flag(b, b.or(b.i32(PE), b.shl(add, b.i32(9)))));
    const rounded = b.add(whole, b.extendU(add));
    const n = b.op('i64.clz', rounded);
    const exp = b.sub(b.i32(0x3fff + 63), b.wrap(n));
    b.if(
      b.eqz(rounded),
      () => putSlot(b, at, sign, b.i64(0)),
      () => putSlot(b, at, b.or(sign, exp), b.shl(rounded, n)),
    );
    b.call(finish);
  },
};

const fninit: Semantics = (b) => {
  b.store('i32.store16', b.i32(L.FCW_CELL), b.i32(0x37f));
  setFsw(b, b.i32(0));
  setTags(b, b.i32(0));
  b.store('i64.store', b.i32(L.FIP_CELL), b.i64(0));
  b.store('i64.store', b.i32(L.FDP_CELL), b.i64(0));
  b.store('i32.store16', b.i32(L.FCS_CELL), b.i32(0));
};

const fnclex: Semantics = (b) => setFsw(b, b.and(fsw(b), b.i32(0x7f00)));

/** The control word's reserved bits: 6 reads as 1, 7 and 13 to 15 as 0. */
const fldcw: Semantics = (b, [src]) => {
  checkPending(b);
  const value = b.or(b.and(b.getAs(src!, 'i32.load16_u'), b.i32(0x1f3f)), b.i32(0x40));
  b.store('i32.store16', b.i32(L.FCW_CELL), value);
  // Unmasking an exception that is noted makes it pending.
  const open = b.and(b.and(fsw(b), b.not(value)), b.i32(0x3f));
  setFsw(b, b.or(b.and(fsw(b), b.i32(0xffff & ~ES)), b.select(open, b.i32(ES), b.i32(0))));
};

const fnstcw: Semantics = (b, [dst]) => b.setAs(dst!, 'i32.store16', fcw(b));
const fnstsw: Semantics = (b, [dst]) => b.setAs(dst!, 'i32.store16', fsw(b));
const fnstswAx: Semantics = (b) => b.setReg(RAX, 16, fsw(b));

const fwait: Semantics = (b) => b.if(b.and(fsw(b), b.i32(0x80)), () => b.raise(VECTOR_MF));

const OPS = [
  ['fadd', OP_ADD, false],
  ['fmul', OP_MUL, false],
  ['fsub', OP_SUB, false],
  ['fsubr', OP_SUB, true],
  ['fdiv', OP_DIV, false],
  ['fdivr', OP_DIV, true],
] as const;

/** SS of Linux's user processes. */
const USER_SS = 0x2bn;

/** Notes the instruction and its operand's address once nothing can stop it (FIP, FOP, FDP). */
const noted =
  (meaning: Semantics): Semantics =>
  (b, o) => {
    meaning(b, o);
    const place = b.target.x87Place(b);
    b.store('i64.store', b.i32(L.FIP_CELL), place);
    if (!o.some((operand) => operand?.kind === 'mem')) return;
    const onStack = b.and(place, b.i64(L.FIP_ON_STACK));
    const selector = b.mul(b.shrU(onStack, b.i64(59)), b.i64(USER_SS << 48n));
    const address = b.and(b.address(), b.i64((1n << 48n) - 1n));
    b.store('i64.store', b.i32(L.FDP_CELL), b.or(address, selector));
  };

const KINDS: readonly Kind[] = ['m16', 'i32', 'i64', 'm32', 'm64'];

const computing: Record<string, Semantics> = {
  ...Object.fromEntries(
    OPS.flatMap(([name, op, reverse]): [string, Semantics][] => [
      [`${name}_st`, registerArith(op, reverse, false, false)],
      [`${name}_sti`, registerArith(op, reverse, true, false)],
      [`${name}p`, registerArith(op, reverse, true, true)],
      ...KINDS.map((k): [string, Semantics] => [`${name}_${k}`, memoryArith(op, reverse, k)]),
    ]),
  ),
  ...Object.fromEntries(
    KINDS.flatMap((k): [string, Semantics][] => [
      [`fcom_${k}`, compareMemory(k, 0)],
      [`fcomp_${k}`, compareMemory(k, 1)],
      [`fld_${k}`, load(k)],
    ]),
  ),
  ...Object.fromEntries(Object.keys(CONSTANTS).map((name) => [name, loadConstant(name)])),
  ...Object.fromEntries(
    CONDITIONS.flatMap(([name, holds]): [string, Semantics][] => [
      [`fcmov${name}`, fcmov(holds)],
      [`fcmovn${name}`, fcmov((b) => b.eqz(holds(b)))],
    ]),
  ),
  fld_m80: loadExtended,
  fld_st: loadRegister,
  fst_m32: storeFloat(SINGLE, false),
  fstp_m32: storeFloat(SINGLE, true),
  fst_m64: storeFloat(DOUBLE, false),
  fstp_m64: storeFloat(DOUBLE, true),
  fstp_m80: storeExtended,
  fst_st: storeRegister(false),
  fstp_st: storeRegister(true),
  fstpnce: storeUnchecked,
  fist_m16: storeInteger(16, false, false),
  fistp_m16: storeInteger(16, true, false),
  fist_i32: storeInteger(32, false, false),
  fistp_i32: storeInteger(32, true, false),
  fistp_i64: storeInteger(64, true, false),
  fisttp_m16: storeInteger(16, true, true),
  fisttp_i32: storeInteger(32, true, true),
  fisttp_i64: storeInteger(64, true, true),
  fcom_st: compareRegister(true, 0, false),
  fcomp_st: compareRegister(true, 1, false),
  fcompp: compareRegister(true, 2, false),
  fucom: compareRegister(false, 0, false),
  fucomp: compareRegister(false, 1, false),
  fucompp: compareRegister(false, 2, false),
  fcomi: compareRegister(true, 0, true),
  fcomip: compareRegister(true, 1, true),
  fucomi: compareRegister(false, 0, true),
  fucomip: compareRegister(false, 1, true),
  ftst,
  fxam,
  fabs: changeSign((b, word) => b.and(word, b.i32(0x7fff))),
  fchs: changeSign((b, word) => b.xor(word, b.i32(0x8000))),
  fsqrt,
  frndint,
  fxch,
  fincstp: rotate(1),
  fdecstp: rotate(-1),
  ffree: ffree(false),
  ffreep: ffree(true),
  fnop: checkPending,
};

export const x87: Record<string, Semantics> = {
  ...Object.fromEntries(Object.entries(computing).map(([name, s]) => [name, noted(s)])),
  fninit,
  fnclex,
  fldcw,
  fnstcw,
  fnstsw,
  fnstsw_ax: fnstswAx,
  fwait,
};
