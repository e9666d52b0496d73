/** Data transfer (SDM vol. 1, 5.1.1). */
import { RAX, RBP, RBX, RSP } from '../cpu.ts';
import { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Operand } from '../ir/operand.ts';
import { VECTOR_GP } from '../cpu.ts';
import { widthOf, type Semantics } from './semantics.ts';

const mov: Semantics = (b, [dst, src]) => b.set(dst!, b.get(src!));

const movzx: Semantics = (b, [dst, src]) => b.set(dst!, b.get(src!));

const movsx: Semantics = (b, [dst, src]) => {
  const value = b.signExtend(b.get(src!), widthOf(src!));
  b.set(dst!, widthOf(dst!) === 64 ? b.extendS(value) : value);
};

const lea: Semantics = (b, [dst]) => {
  const address = b.address();
  b.set(dst!, widthOf(dst!) === 64 ? address : b.wrap(address));
};

const xchg: Semantics = (b, [x, y]) => {
  const first = b.get(x!);
  const second = b.get(y!);
  b.set(x!, second);
  b.set(y!, first);
};

const xadd: Semantics = (b, [dst, src]) => {
  const x = b.get(dst!);
  const y = b.get(src!);
  const sum = b.add(x, y);
  if (dst!.kind === 'mem') {
    b.set(dst!, sum);
    b.set(src!, x);
  } else {
    b.set(src!, x);
    b.set(dst!, sum);
  }
  b.flags.add(x, y, sum, widthOf(dst!));
};

/** A failed compare writes the destination back: a locked cycle always ends with a write. */
const cmpxchg: Semantics = (b, [dst, src]) => {
  const width = widthOf(dst!);
  const current = b.get(dst!);
  const expected = b.reg(RAX, width);
  const desired = b.get(src!);
  const equal = b.eq(current, expected);
  if (dst!.kind === 'mem') {
    b.set(dst!, b.select(equal, desired, current));
    b.if(b.eqz(equal), () => b.setReg(RAX, width, current));
  } else
    b.if(
      equal,
      () => b.set(dst!, desired),
      () => b.setReg(RAX, width, current),
    );
  b.flags.sub(expected, current, b.sub(expected, current), width);
};

/** CMPXCHG8B and, with REX.W, CMPXCHG16B (which wants an aligned operand). */
const cmpxchg8b: Semantics = (b) => {
  const half = b.width === 64 ? 8 : 4;
  const va = b.address();
  if (half === 8) b.if(b.and(b.wrap(va), b.i32(15)), () => b.raise(VECTOR_GP));
  const physical = b.target.translate(b, va, half * 2, true);
  const load = half === 8 ? 'i64.load' : 'i32.load';
  const store = half === 8 ? 'i64.store' : 'i32.store';
  const width = half === 8 ? 64 : 32;
  const low = b.load(load, physical);
  const high = b.load(load, physical, half);
  const equal = b.and(b.eq(low, b.reg(0, width)), b.eq(high, b.reg(2, width)));
  b.if(
    equal,
    () => {
      b.store(store, physical, b.reg(3, width));
      b.store(store, physical, b.reg(1, width), half);
    },
    () => {
      b.setReg(0, width, low);
      b.setReg(2, width, high);
    },
  );
  b.target.commit(b, physical);
  if (b.flags.live) b.flags.setZero(equal);
};

function push(b: Builder, value: Node): void {
  const size = value.type === 'i64' ? 64 : 16;
  const top = b.sub(b.reg(RSP, 64), b.i64(size / 8));
  b.write(Builder.storeOf(size), top, value);
  b.setReg(RSP, 64, top);
}

function popInto(b: Builder, dst: Operand): void {
  const bytes = b.width / 8;
  const top = b.reg(RSP, 64);
  const value = b.read(Builder.loadOf(b.width), top);
  const after = b.add(top, b.i64(bytes));
  // A memory destination may fault, and POP RSP must win over the increment.
  if (dst.kind === 'mem') b.set(dst, value);
  b.setReg(RSP, 64, after);
  if (dst.kind !== 'mem') b.set(dst, value);
}

/** Iw,Ib share the immediate: the nesting level is in bits 16 and up. */
const enter: Semantics = (b, [frame]) => {
  const packed = b.wrap(b.get(frame!));
  const level = b.and(b.shrU(packed, b.i32(16)), b.i32(31));
  const slot = b.i64(b.width / 8);
  const load = Builder.loadOf(b.width);
  const store = Builder.storeOf(b.width);
  const narrow = (value: Node): Node => (b.width === 16 ? b.wrap(value) : value);
  const rsp = b.var(b.sub(b.reg(RSP, 64), slot));
  const rbp = b.var(b.reg(RBP, 64));
  b.write(store, b.value(rsp), narrow(b.value(rbp)));
  const base = b.value(rsp);
  b.if(level, () => {
    const left = b.var(b.sub(level, b.i32(1)));
    b.if(b.value(left), () =>
      b.loop(() => {
        b.assign(rbp, b.sub(b.value(rbp), slot));
        b.assign(rsp, b.sub(b.value(rsp), slot));
        b.write(store, b.value(rsp), b.read(load, b.value(rbp)));
        b.assign(left, b.sub(b.value(left), b.i32(1)));
        return b.value(left);
      }),
    );
    b.assign(rsp, b.sub(b.value(rsp), slot));
    b.write(store, b.value(rsp), narrow(base));
  });
  const size = b.extendU(b.and(packed, b.i32(0xffff)));
  const top = b.sub(b.value(rsp), size);
  // A write at the final RSP must be possible, though there is none.
  b.target.translate(b, top, b.width / 8, true);
  b.setReg(RSP, 64, top);
  b.setReg(RBP, b.width, narrow(base));
};

const leave: Semantics = (b) => {
  const frame = b.reg(RBP, 64);
  const saved = b.read(Builder.loadOf(b.width), frame);
  b.setReg(RSP, 64, b.add(frame, b.i64(b.width / 8)));
  b.setReg(RBP, b.width, saved);
};

/** The segment base is in the ModRM.rm slot of instructions without ModRM. */
const xlat: Semantics = (b) => {
  const sum = b.add(b.reg(RBX, 64), b.extendU(b.reg(RAX, 8)));
  const offset = b.address32 ? b.zeroExtend(sum, 32) : sum;
  const va = b.add(offset, b.target.readGpr(b, 'rm', 64));
  b.setReg(RAX, 8, b.read('i32.load8_u', va));
};

export const moves: Record<string, Semantics> = {
  mov,
  movzx,
  movsx,
  movsxd: movsx,
  lea,
  xchg,
  xadd,
  cmpxchg,
  cmpxchg8b,
  push: (b, [src]) => push(b, b.get(src!)),
  pop: (b, [dst]) => popInto(b, dst!),
  enter,
  leave,
  xlat,
};
