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
import type { Operand } from '../ir/operand.ts';
import * as L from '../layout.ts';
import type { Semantics } from './semantics.ts';
import {
  C1,
  DE,
  DOUBLE,
  EXP_MAX,
  type Format,
  IE,
  OE,
  OP_ADD,
  OP_DIV,
  OP_MUL,
  OP_SQRT,
  OP_SUB,
  PE,
  RC_DOWN,
  RC_UP,
  SINGLE,
  UE,
  arith,
  constants,
  flag,
  isNaNBits,
  ld,
  narrow32,
  narrow64,
  putDefaultNaN,
  putSlot,
  roundResult,
  st,
  widen32,
  widen64,
} from './softfloat.ts';

/** Status word: stack fault, exception summary with its copy "busy", condition codes. */
const SF = 0x40;
const ES = 0x8080;
const C0 = 0x100;
const C2 = 0x400;
const C3 = 0x4000;
const CODES: number = C0 | C2 | C3;
const TOP = 0x3800;

const fcw = (b: Builder): Node => b.load('i32.load16_u', b.i32(L.FCW_CELL));
const fsw = (b: Builder): Node => b.load('i32.load16_u', b.i32(L.FSW_CELL));
const setFsw = (b: Builder, value: Node): void => b.store('i32.store16', b.i32(L.FSW_CELL), value);
const rcOf = (b: Builder): Node => b.and(b.shrU(fcw(b), b.i32(10)), b.i32(3));

function checkPending(b: Builder): void {
  b.if(b.and(fsw(b), b.i32(0x80)), () => b.raise(VECTOR_MF));
  st(b, L.SF_FLAGS, b.i32(0));
}

/** Physical number of ST(i). */
function number(b: Builder, i: Node): Node {
  return b.and(b.add(b.shrU(b.and(fsw(b), b.i32(TOP)), b.i32(11)), i), b.i32(7));
}

/** Address of ST(i). */
function stack(b: Builder, i: Node | number): Node {
  const n = number(b, typeof i === 'number' ? b.i32(i) : i);
  return b.add(b.shl(n, b.i32(4)), b.i32(L.ST_BASE));
}

/** The i of the operand ST(i): ModRM.rm, whose REX bit does not count. */
function operandIndex(b: Builder): Node {
  const address = b.target.vectorAddress(b, 'mmx', 'rm');
  return b.and(b.shrU(b.sub(address, b.i32(L.ST_BASE)), b.i32(3)), b.i32(7));
}

/** The tag bit of the register at an address. */
function tagBit(b: Builder, address: Node): Node {
  const n = b.shrU(b.sub(address, b.i32(L.ST_BASE)), b.i32(4));
  return b.shl(b.i32(1), n);
}

const tags = (b: Builder): Node => b.load('i32.load8_u', b.i32(L.FTW_CELL));
const setTags = (b: Builder, value: Node): void => b.store('i32.store8', b.i32(L.FTW_CELL), value);

function isEmpty(b: Builder, address: Node): Node {
  return b.eqz(b.and(tags(b), tagBit(b, address)));
}

function markValid(b: Builder, address: Node): void {
  setTags(b, b.or(tags(b), tagBit(b, address)));
}

function pop(b: Builder): void {
  setTags(b, b.and(tags(b), b.not(tagBit(b, stack(b, 0)))));
  moveTop(b, 1);
}

function moveTop(b: Builder, by: number): void {
  const word = fsw(b);
  const top = b.and(b.add(word, b.i32(by << 11)), b.i32(TOP));
  setFsw(b, b.or(b.and(word, b.i32(0xffff & ~TOP)), top));
}

const mant = (b: Builder, ptr: Node): Node => b.load('i64.load', ptr);
const signExp = (b: Builder, ptr: Node): Node => b.load('i32.load16_u', ptr, 8);

function copy(b: Builder, from: Node, to: Node): void {
  putSlot(b, to, signExp(b, from), mant(b, from));
}

/** Adds SF_FLAGS to the status word; C1 tells of the last rounding, or of a stack overflow. */
const finish: Helper = {
  name: 'x87Finish',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const flags = b.and(ld(b, L.SF_FLAGS), b.i32(0x3f | SF | C1));
    const word = b.or(b.and(fsw(b), b.i32(0xffff & ~C1)), flags);
    const open = b.and(b.and(word, b.not(fcw(b))), b.i32(0x3f));
    setFsw(b, b.or(word, b.select(open, b.i32(ES), b.i32(0))));
  },
};

/** The same for FCOMI and FCMOVcc, which leave C1 alone unless the stack underflows. */
const finishKeepingC1: Helper = {
  name: 'x87FinishKeepingC1',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const kept = b.and(fsw(b), b.i32(C1));
    const underflow = b.and(ld(b, L.SF_FLAGS), b.i32(SF));
    b.call(finish);
    b.if(b.eqz(underflow), () => setFsw(b, b.or(fsw(b), kept)));
  },
};

/** Exceptions among `kinds` in SF_FLAGS that are not masked. */
function unmasked(b: Builder, kinds: number): Node {
  return b.and(b.and(ld(b, L.SF_FLAGS), b.not(fcw(b))), b.i32(kinds));
}

/** Precision of results, from the control word's PC field. */
function precision(b: Builder): Node {
  const pc = b.and(b.shrU(fcw(b), b.i32(8)), b.i32(3));
  return b.select(b.eqz(pc), b.i32(24), b.select(b.eq(pc, b.i32(2)), b.i32(53), b.i32(64)));
}

/**
 * OP_… on the numbers at two addresses; the result goes to the register at `to`.
 * @returns 1 when the stack may be popped
 */
const compute: Helper = {
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
function registerArith(op: number, reverse: boolean, toI: boolean, pops: boolean): Semantics {
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
type Kind = 'm16' | 'i32' | 'i64' | 'm32' | 'm64';

/** The operand as an extended number in slot B; exceptions go to SF_FLAGS. */
function loadOperand(b: Builder, src: Operand, kind: Kind): void {
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

/** A 64-bit integer as an extended number, which holds it exactly. */
const fromInteger: Helper = {
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

function memoryArith(op: number, reverse: boolean, kind: Kind): Semantics {
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

// ---- loads

/** Pushes the number in slot R, or the default NaN when the stack is full. */
const push: Helper = {
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
function quietToResult(b: Builder): void {
  const from = b.i32(L.SF_B);
  const m = mant(b, from);
  const nan = isNaNBits(b, signExp(b, from), m);
  const signalling = b.and(nan, b.eqz(b.and(m, b.i64(1n << 62n))));
  flag(b, signalling);
  const quiet = b.select(nan, b.i64(1n << 62n), b.i64(0));
  putSlot(b, b.i32(L.SF_R), signExp(b, from), b.or(m, quiet));
}

function load(kind: Kind): Semantics {
  return (b, [src]) => {
    checkPending(b);
    loadOperand(b, src!, kind);
    quietToResult(b);
    b.call(push);
  };
}

const loadExtended: Semantics = (b) => {
  checkPending(b);
  const va = b.address();
  const m = b.read('i64.load', va);
  const e = b.read('i32.load16_u', b.add(va, b.i64(8)));
  putSlot(b, b.i32(L.SF_R), e, m);
  b.call(push);
};

const loadRegister: Semantics = (b) => {
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
const CONSTANTS: Record<string, readonly [exp: number, significand: bigint, tail: number]> = {
  fld1: [0x3fff, 0x8000_0000_0000_0000n, 0],
  fldl2t: [0x4000, 0xd49a_784b_cd1b_8afen, 1],
  fldl2e: [0x3fff, 0xb8aa_3b29_5c17_f0bbn, 3],
  fldpi: [0x4000, 0xc90f_daa2_2168_c234n, 3],
  fldlg2: [0x3ffd, 0x9a20_9a84_fbcf_f798n, 3],
  fldln2: [0x3ffe, 0xb172_17f7_d1cf_79abn, 3],
  fldz: [0, 0n, 0],
};

/** `tail` is 0 for an exact constant, 1 below and 3 above half a unit in the last place. */
function loadConstant(name: string): Semantics {
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

// ---- stores

/** ST(0) rounded to a memory format, in slot R; exceptions in SF_FLAGS. An empty ST(0) gives the default NaN. */
const roundForStore: Helper = {
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
function finishStore(b: Builder, stored: Node, pops: boolean): void {
  // A result that an unmasked exception keeps out of memory was not rounded either.
  b.if(b.eqz(stored), () => st(b, L.SF_FLAGS, b.and(ld(b, L.SF_FLAGS), b.i32(~(PE | C1)))));
  b.call(finish);
  if (pops) b.if(stored, () => pop(b));
}

/** Faults of the destination come first, even if nothing will be stored. */
function probe(b: Builder, dst: Operand, load: string): void {
  b.var(b.getAs(dst, load));
}

function storeFloat(format: Format, pops: boolean): Semantics {
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

const storeExtended: Semantics = (b, [dst]) => {
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
const roundToInteger: Helper = {
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
    const inside = b.ltU(by, b.i32(64));
    const whole = b.select(inside, b.shrU(m, b.extendU(by)), b.i64(0));
    const shift = b.extendU(b.sub(b.i32(64), by));
    const none = b.eqz(by);
    const inFraction = b.select(none, b.i64(0), b.shl(m, shift));
    const exactly64 = b.eq(by, b.i32(64));
    const tiny = b.select(exactly64, m, b.extendU(b.ne(m, b.i64(0))));
    const fraction = b.select(inside, inFraction, tiny);
    const half = b.ltS(fraction, b.i64(0));
    const rest = b.ne(b.shl(fraction, b.i64(1)), b.i64(0));
    const odd = b.wrap(b.and(whole, b.i64(1)));
    const inexact = b.ne(fraction, b.i64(0));
    const nearest = b.and(half, b.or(rest, odd));
    const down = b.and(b.eq(rc, b.i32(RC_DOWN)), negative);
    const up = b.and(b.eq(rc, b.i32(RC_UP)), b.eqz(negative));
    const add = b.select(b.eqz(rc), nearest, b.and(inexact, b.or(down, up)));
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

function storeInteger(bits: 16 | 32 | 64, pops: boolean, truncate: boolean): Semantics {
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

const storeRegister =
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
const storeUnchecked: Semantics = (b) => {
  checkPending(b);
  const to = stack(b, operandIndex(b));
  b.if(b.eqz(isEmpty(b, stack(b, 0))), () => {
    copy(b, stack(b, 0), to);
    markValid(b, to);
  });
  b.call(finish);
  pop(b);
};

// ---- comparisons

/** In the result of compare: an unmasked exception keeps the stack as it is. */
const STOPPED = 1;

/** Compares the numbers at two addresses. @returns C3, C2 and C0 as a status word has them, and STOPPED */
const compare: Helper = {
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

function setCodes(b: Builder, codes: Node): void {
  setFsw(b, b.or(b.and(fsw(b), b.i32(0xffff & ~CODES)), b.and(codes, b.i32(CODES))));
}

function popTimes(b: Builder, codes: Node, times: number): void {
  if (times === 0) return;
  b.if(b.eqz(b.and(codes, b.i32(STOPPED))), () => {
    for (let i = 0; i < times; i++) pop(b);
  });
}

function compareRegister(quietToo: boolean, pops: number, toFlags: boolean): Semantics {
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

function compareMemory(kind: Kind, pops: number): Semantics {
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

const ftst: Semantics = (b) => {
  checkPending(b);
  const st0 = stack(b, 0);
  putSlot(b, b.i32(L.SF_B), b.i32(0), b.i64(0));
  setCodes(b, b.call(compare, st0, b.i32(L.SF_B), isEmpty(b, st0), b.i32(1), b.i32(0)));
};

/** FXAM: the class of ST(0) in C3, C2, C0 and its sign in C1 (SDM vol. 2, FXAM). */
const fxam: Semantics = (b) => {
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

/** Stack underflow: the default NaN takes the empty register's place if that is masked. */
function emptyOperand(b: Builder, at: Node): void {
  st(b, L.SF_FLAGS, b.i32(IE | SF));
  b.call(finish);
  b.if(b.and(fcw(b), b.i32(IE)), () => {
    putDefaultNaN(b, at);
    markValid(b, at);
  });
}

const fsqrt: Semantics = (b) => {
  checkPending(b);
  const st0 = stack(b, 0);
  b.var(b.call(compute, b.i32(OP_SQRT), st0, st0, st0, isEmpty(b, st0)));
};

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
    const inside = b.ltU(by, b.i32(64));
    const whole = b.select(inside, b.shrU(m, b.extendU(by)), b.i64(0));
    const inFraction = b.shl(m, b.extendU(b.sub(b.i32(64), by)));
    const tiny = b.select(b.eq(by, b.i32(64)), m, b.i64(1));
    const fraction = b.select(inside, inFraction, tiny);
    const half = b.ltS(fraction, b.i64(0));
    const rest = b.ne(b.shl(fraction, b.i64(1)), b.i64(0));
    const odd = b.wrap(b.and(whole, b.i64(1)));
    const inexact = b.ne(fraction, b.i64(0));
    const nearest = b.and(half, b.or(rest, odd));
    const down = b.and(b.eq(rc, b.i32(RC_DOWN)), negative);
    const up = b.and(b.eq(rc, b.i32(RC_UP)), b.eqz(negative));
    const add = b.select(b.eqz(rc), nearest, b.and(inexact, b.or(down, up)));
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
  b.store('i32.store16', b.i32(L.FOP_CELL), b.i32(0));
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

const KINDS: readonly Kind[] = ['m16', 'i32', 'i64', 'm32', 'm64'];

export const x87: Record<string, Semantics> = {
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
  fninit,
  fnclex,
  fldcw,
  fnstcw,
  fnstsw,
  fnstsw_ax: fnstswAx,
  fwait,
};
