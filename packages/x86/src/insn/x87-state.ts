/** The x87 register stack, its tags and its status word, as the instructions see them (SDM vol. 1, 8.1). */
import { VECTOR_MF } from '../cpu.ts';
import type { Builder } from '../ir/builder.ts';
import type { Helper, Node } from '../ir/node.ts';
import * as L from '../layout.ts';
import { C1, IE, RC_DOWN, RC_UP, ld, putDefaultNaN, putSlot, st } from './softfloat.ts';

/** Status word: stack fault, exception summary with its copy "busy", condition codes. */
export const SF = 0x40;
export const ES = 0x8080;
export const C0 = 0x100;
export const C2 = 0x400;
export const C3 = 0x4000;
export const CODES: number = C0 | C2 | C3;
export const TOP = 0x3800;

export const fcw = (b: Builder): Node => b.load('i32.load16_u', b.i32(L.FCW_CELL));
export const fsw = (b: Builder): Node => b.load('i32.load16_u', b.i32(L.FSW_CELL));
export const setFsw = (b: Builder, value: Node): void =>
  b.store('i32.store16', b.i32(L.FSW_CELL), value);
export const rcOf = (b: Builder): Node => b.and(b.shrU(fcw(b), b.i32(10)), b.i32(3));

export function checkPending(b: Builder): void {
  b.if(b.and(fsw(b), b.i32(0x80)), () => b.raise(VECTOR_MF));
  st(b, L.SF_FLAGS, b.i32(0));
}

/** Physical number of ST(i). */
export function number(b: Builder, i: Node): Node {
  return b.and(b.add(b.shrU(b.and(fsw(b), b.i32(TOP)), b.i32(11)), i), b.i32(7));
}

/** Address of ST(i). */
export function stack(b: Builder, i: Node | number): Node {
  const n = number(b, typeof i === 'number' ? b.i32(i) : i);
  return b.add(b.shl(n, b.i32(4)), b.i32(L.ST_BASE));
}

/** The i of the operand ST(i): ModRM.rm, whose REX bit does not count. */
export function operandIndex(b: Builder): Node {
  const address = b.target.vectorAddress(b, 'mmx', 'rm');
  return b.and(b.shrU(b.sub(address, b.i32(L.ST_BASE)), b.i32(3)), b.i32(7));
}

/** The tag bit of the register at an address. */
export function tagBit(b: Builder, address: Node): Node {
  const n = b.shrU(b.sub(address, b.i32(L.ST_BASE)), b.i32(4));
  return b.shl(b.i32(1), n);
}

export const tags = (b: Builder): Node => b.load('i32.load8_u', b.i32(L.FTW_CELL));
export const setTags = (b: Builder, value: Node): void =>
  b.store('i32.store8', b.i32(L.FTW_CELL), value);

export function isEmpty(b: Builder, address: Node): Node {
  return b.eqz(b.and(tags(b), tagBit(b, address)));
}

export function markValid(b: Builder, address: Node): void {
  setTags(b, b.or(tags(b), tagBit(b, address)));
}

export function pop(b: Builder): void {
  setTags(b, b.and(tags(b), b.not(tagBit(b, stack(b, 0)))));
  moveTop(b, 1);
}

export function moveTop(b: Builder, by: number): void {
  const word = fsw(b);
  const top = b.and(b.add(word, b.i32(by << 11)), b.i32(TOP));
  setFsw(b, b.or(b.and(word, b.i32(0xffff & ~TOP)), top));
}

export const mant = (b: Builder, ptr: Node): Node => b.load('i64.load', ptr);
export const signExp = (b: Builder, ptr: Node): Node => b.load('i32.load16_u', ptr, 8);

export function copy(b: Builder, from: Node, to: Node): void {
  putSlot(b, to, signExp(b, from), mant(b, from));
}

/** Adds SF_FLAGS to the status word; C1 tells of the last rounding, or of a stack overflow. */
export const finish: Helper = {
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
export const finishKeepingC1: Helper = {
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
export function unmasked(b: Builder, kinds: number): Node {
  return b.and(b.and(ld(b, L.SF_FLAGS), b.not(fcw(b))), b.i32(kinds));
}

/** Precision of results, from the control word's PC field. */
export function precision(b: Builder): Node {
  const pc = b.and(b.shrU(fcw(b), b.i32(8)), b.i32(3));
  return b.select(b.eqz(pc), b.i32(24), b.select(b.eq(pc, b.i32(2)), b.i32(53), b.i32(64)));
}

/** Stack underflow: the default NaN takes the empty register's place if that is masked. */
export function emptyOperand(b: Builder, at: Node): void {
  st(b, L.SF_FLAGS, b.i32(IE | SF));
  b.call(finish);
  b.if(b.and(fcw(b), b.i32(IE)), () => {
    putDefaultNaN(b, at);
    markValid(b, at);
  });
}

/**
 * A significand with `by` bits behind the point (0 to any number): its whole part, whether bits were lost, and whether
 * the rounding mode adds one.
 */
export function roundAtPoint(
  b: Builder,
  m: Node,
  by: Node,
  negative: Node,
  rc: Node,
): { whole: Node; inexact: Node; add: Node } {
  const inside = b.ltU(by, b.i32(64));
  const whole = b.select(inside, b.shrU(m, b.extendU(by)), b.i64(0));
  const shifted = b.shl(m, b.extendU(b.sub(b.i32(64), by)));
  const near = b.select(b.eqz(by), b.i64(0), shifted);
  const far = b.select(b.eq(by, b.i32(64)), m, b.extendU(b.ne(m, b.i64(0))));
  const fraction = b.select(inside, near, far);
  const half = b.ltS(fraction, b.i64(0));
  const rest = b.ne(b.shl(fraction, b.i64(1)), b.i64(0));
  const odd = b.wrap(b.and(whole, b.i64(1)));
  const inexact = b.ne(fraction, b.i64(0));
  const nearest = b.and(half, b.or(rest, odd));
  const down = b.and(b.eq(rc, b.i32(RC_DOWN)), negative);
  const up = b.and(b.eq(rc, b.i32(RC_UP)), b.eqz(negative));
  return { whole, inexact, add: b.select(b.eqz(rc), nearest, b.and(inexact, b.or(down, up))) };
}
