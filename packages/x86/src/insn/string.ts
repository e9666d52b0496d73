/** String instructions (SDM vol. 1, 5.1.8), with interruptible REP. */
import { RAX, RCX, RDI, RSI } from '../cpu.ts';
import { Builder } from '../ir/builder.ts';
import { DF } from '../ir/flags.ts';
import type { Node } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { FLAGS_REST } from '../layout.ts';
import type { Semantics } from './semantics.ts';

/** Rounds of a REP loop before fuel is looked at again. */
const ROUNDS = 4096;

const isDown = (b: Builder): Node => b.and(b.cell(FLAGS_REST, 'i32.load'), b.i32(DF));

/** Bytes to move a pointer by after one element. */
function stepOf(b: Builder, width: Width): Node {
  return b.select(isDown(b), b.i64(-width / 8), b.i64(width / 8));
}

function advance(b: Builder, register: number, by: Node): void {
  b.setPointer(register, b.add(b.pointer(register), by));
}

/** The source: RSI in the segment that a prefix chose; its base is in the ModRM.rm slot. */
const source = (b: Builder): Node => b.add(b.pointer(RSI), b.target.readGpr(b, 'rm', 64));

/**
 * Runs `round` under the REP prefix. Registers are up to date after each round, so that a fault in the next one
 * leaves the instruction to be resumed.
 * @param round executes some elements and returns how many
 * @param goOn a further condition, of REPE and REPNE
 */
function repeat(b: Builder, round: () => Node, goOn?: () => Node): void {
  if (b.rep === 0) {
    round();
    return;
  }
  const more = b.var(b.i32(0));
  const left = b.var(b.i32(ROUNDS));
  b.if(b.pointer(RCX), () => {
    b.loop(() => {
      const done = round();
      const count = b.sub(b.pointer(RCX), done);
      b.setPointer(RCX, count);
      const wanted = b.ne(count, b.i64(0));
      b.assign(more, goOn ? b.and(wanted, goOn()) : wanted);
      b.assign(left, b.sub(b.value(left), b.i32(1)));
      return b.and(b.value(more), b.ne(b.value(left), b.i32(0)));
    });
    b.target.again(b, b.value(more));
  });
}

/** Elements that fit before the end of the page. */
function room(b: Builder, va: Node, width: Width): Node {
  const bytes = b.sub(b.i32(4096), b.and(b.wrap(va), b.i32(4095)));
  return b.extendU(b.shrU(bytes, b.i32(Math.log2(width / 8))));
}

const min = (b: Builder, x: Node, y: Node): Node => b.select(b.ltU(x, y), x, y);

function movsElement(b: Builder, width: Width): void {
  const value = b.read(Builder.loadOf(width), source(b));
  b.write(Builder.storeOf(width), b.pointer(RDI), value);
  const step = stepOf(b, width);
  advance(b, RSI, step);
  advance(b, RDI, step);
}

/** Whether elements go upwards, and `count` of them fit before the end of the page. */
const areInPage = (b: Builder, count: Node): Node => b.eqz(b.or(isDown(b), b.eqz(count)));

/**
 * Copies up to the end of a page at once, unless the direction or an overlap makes the order of elements matter. An element
 * across two pages is checked as a whole before either is looked at.
 */
function movsBulk(b: Builder, width: Width): Node {
  const done = b.var(b.i64(0));
  const from = source(b);
  const to = b.pointer(RDI);
  const count = min(b, b.pointer(RCX), min(b, room(b, from, width), room(b, to, width)));
  const bytes = b.shl(b.wrap(count), b.i32(Math.log2(width / 8)));
  b.if(areInPage(b, count), () => {
    const physicalFrom = b.target.translate(b, from, 1, false);
    const physicalTo = b.target.translate(b, to, 1, true);
    b.if(b.eqz(b.ltU(b.sub(physicalTo, physicalFrom), bytes)), () => {
      b.node('memory.copy', undefined, 'effect', [physicalTo, physicalFrom, bytes]);
      b.assign(done, count);
      const moved = b.extendU(bytes);
      advance(b, RSI, moved);
      advance(b, RDI, moved);
    });
  });
  b.if(b.eqz(b.value(done)), () => {
    movsElement(b, width);
    b.assign(done, b.i64(1));
  });
  return b.value(done);
}

function stosElement(b: Builder, width: Width): void {
  b.write(Builder.storeOf(width), b.pointer(RDI), b.reg(RAX, width));
  advance(b, RDI, stepOf(b, width));
}

/** Fills up to the end of a page at once when the bytes of the element are all alike. */
function stosBulk(b: Builder, width: Width): Node {
  const done = b.var(b.i64(0));
  const to = b.pointer(RDI);
  const count = min(b, b.pointer(RCX), room(b, to, width));
  const bytes = b.shl(b.wrap(count), b.i32(Math.log2(width / 8)));
  const value = b.reg(RAX, width);
  const byte = b.reg(RAX, 8);
  const wide = width === 64 ? b.extendU(byte) : byte;
  const pattern = { 8: 1, 16: 0x0101, 32: 0x0101_0101, 64: 0x0101_0101_0101_0101n }[width];
  const alike = b.eq(b.mul(wide, b.constant(value, pattern)), value);
  b.if(b.and(alike, areInPage(b, count)), () => {
    const physical = b.target.translate(b, to, 1, true);
    b.node('memory.fill', undefined, 'effect', [physical, byte, bytes]);
    b.assign(done, count);
    advance(b, RDI, b.extendU(bytes));
  });
  b.if(b.eqz(b.value(done)), () => {
    stosElement(b, width);
    b.assign(done, b.i64(1));
  });
  return b.value(done);
}

/** Width of the implied operand: that of the row's first one. */
function elementWidth(b: Builder, o: readonly Operand[]): Width {
  const fixed = o.find((x) => x.kind === 'gpr');
  return fixed?.kind === 'gpr' ? fixed.width : b.width;
}

const movs: Semantics = (b) => {
  const width = b.width;
  repeat(b, () => {
    if (b.rep !== 0) return movsBulk(b, width);
    movsElement(b, width);
    return b.i64(1);
  });
};

const stos: Semantics = (b) => {
  const width = b.width;
  repeat(b, () => {
    if (b.rep !== 0) return stosBulk(b, width);
    stosElement(b, width);
    return b.i64(1);
  });
};

const lods: Semantics = (b, o) =>
  repeat(b, () => {
    const width = elementWidth(b, o);
    b.setReg(RAX, width, b.read(Builder.loadOf(width), source(b)));
    advance(b, RSI, stepOf(b, width));
    return b.i64(1);
  });

/** Whether REPE or REPNE goes on after comparing x with y. */
function wantsMore(b: Builder, x: Node, y: Node): () => Node {
  const equal = b.eq(x, y);
  return () => (b.rep === 1 ? equal : b.eqz(equal));
}

const cmps: Semantics = (b) => {
  const width = b.width;
  let goOn: () => Node;
  repeat(
    b,
    () => {
      const x = b.read(Builder.loadOf(width), source(b));
      const y = b.read(Builder.loadOf(width), b.pointer(RDI));
      const step = stepOf(b, width);
      advance(b, RSI, step);
      advance(b, RDI, step);
      b.flags.sub(x, y, b.sub(x, y), width);
      goOn = wantsMore(b, x, y);
      return b.i64(1);
    },
    () => goOn(),
  );
};

const scas: Semantics = (b, o) => {
  let goOn: () => Node;
  repeat(
    b,
    () => {
      const width = elementWidth(b, o);
      const x = b.reg(RAX, width);
      const y = b.read(Builder.loadOf(width), b.pointer(RDI));
      advance(b, RDI, stepOf(b, width));
      b.flags.sub(x, y, b.sub(x, y), width);
      goOn = wantsMore(b, x, y);
      return b.i64(1);
    },
    () => goOn(),
  );
};

export const strings: Record<string, Semantics> = { movs, stos, lods, cmps, scas };
