/** Control transfer, conditions and the flag instructions (SDM vol. 1, 5.1.7, 5.1.10, 5.1.11). */
import { RAX, RCX, RSP, R11, VECTOR_BP, VECTOR_DB, VECTOR_GP, VECTOR_UD } from '../cpu.ts';
import { AC, CF, DF, ID, NT, TF } from '../ir/flags.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { EXIT_SYSCALL, EXIT_TRAP, FLAGS_REST, VECTOR_TRACED_POPF } from '../layout.ts';
import { Builder as B } from '../ir/builder.ts';
import type { Semantics } from './semantics.ts';

const jcc: Semantics = (b) => b.target.branch(b, b.flags.condition(b.opcode & 15));

const cmovcc: Semantics = (b, [dst, src]) => {
  const value = b.get(src!);
  b.set(dst!, b.select(b.flags.condition(b.opcode & 15), value, b.get(dst!)));
};

const setcc: Semantics = (b, [dst]) => {
  const condition = b.flags.condition(b.opcode & 15);
  b.set(dst!, b.ne(condition, b.i32(0)));
};

function pushReturn(b: Builder): void {
  const top = b.sub(b.reg(RSP, 64), b.i64(8));
  b.write('i64.store', top, b.target.nextIp(b));
  b.setReg(RSP, 64, top);
}

const call: Semantics = (b) => {
  pushReturn(b);
  b.target.jump(b);
};

const callIndirect: Semantics = (b, [target]) => {
  const va = b.get(target!);
  const kept = b.var(va);
  pushReturn(b);
  b.target.jumpTo(b, b.value(kept));
};

const ret: Semantics = (b, [extra]) => {
  const top = b.reg(RSP, 64);
  const va = b.read('i64.load', top);
  const after = b.add(top, b.i64(8));
  b.setReg(RSP, 64, extra ? b.add(after, b.extendU(b.get(extra))) : after);
  b.target.jumpTo(b, va);
};

/** LOOP, LOOPE, LOOPNE: decrement RCX without touching flags. */
function loop(also?: (b: Builder) => Node): Semantics {
  return (b) => {
    b.setPointer(RCX, b.sub(b.pointer(RCX), b.i64(1)));
    const more = b.ne(b.pointer(RCX), b.i64(0));
    b.target.branch(b, also ? b.and(more, also(b)) : more);
  };
}

/** RCX and R11 take the return address and RFLAGS (SDM vol. 2, SYSCALL). */
const syscall: Semantics = (b) => {
  const flags = b.flags.rflags();
  b.setReg(RCX, 64, b.target.nextIp(b));
  b.setReg(R11, 64, b.extendU(flags));
  b.target.trap(b, EXIT_SYSCALL, -1);
};

/** What POPF may change at privilege level 3 with IOPL 0. */
const POPF_REST = TF | DF | NT | AC | ID;

const pushf: Semantics = (b) => {
  const flags = b.flags.rflags();
  const bytes = b.width / 8;
  const top = b.sub(b.reg(RSP, 64), b.i64(bytes));
  b.write(B.storeOf(b.width), top, b.width === 64 ? b.extendU(flags) : flags);
  b.setReg(RSP, 64, top);
};

const popf: Semantics = (b) => {
  const top = b.reg(RSP, 64);
  const word = b.wrap(b.read(B.loadOf(b.width), top));
  // The run loop carries on in single steps: nothing has happened yet.
  const open = b.width === 16 ? TF : TF | AC;
  b.if(b.and(word, b.i32(open)), () => b.raise(VECTOR_TRACED_POPF));
  b.setReg(RSP, 64, b.add(top, b.i64(b.width / 8)));
  const mask = b.width === 16 ? POPF_REST & 0xffff : POPF_REST;
  const kept = b.and(b.cell(FLAGS_REST, 'i32.load'), b.i32(~mask));
  b.setCell(FLAGS_REST, 'i32.store', b.or(kept, b.and(word, b.i32(mask))));
  b.flags.setStatusWord(word);
};

function setRest(b: Builder, bit: number, on: boolean): void {
  const rest = b.cell(FLAGS_REST, 'i32.load');
  b.setCell(FLAGS_REST, 'i32.store', on ? b.or(rest, b.i32(bit)) : b.and(rest, b.i32(~bit)));
}

const AH = 0xff00;

const lahf: Semantics = (b) => {
  const low = b.or(b.and(b.flags.statusWord(), b.i32(0xff)), b.i32(2));
  const kept = b.and(b.reg(RAX, 16), b.i32(~AH));
  b.setReg(RAX, 16, b.or(kept, b.shl(low, b.i32(8))));
};

const sahf: Semantics = (b) => {
  const ah = b.shrU(b.reg(RAX, 16), b.i32(8));
  const overflow = b.shl(b.flags.get('o'), b.i32(11));
  b.flags.setStatusWord(b.or(ah, overflow));
};

export const control: Record<string, Semantics> = {
  jcc,
  cmovcc,
  setcc,
  jmp: (b) => b.target.jump(b),
  jmp_indirect: (b, [target]) => b.target.jumpTo(b, b.get(target!)),
  call,
  call_indirect: callIndirect,
  ret,
  loop: loop(),
  loope: loop((b) => b.flags.get('z')),
  loopne: loop((b) => b.eqz(b.flags.get('z'))),
  jrcxz: (b) => b.target.branch(b, b.eqz(b.pointer(RCX))),
  syscall,
  int3: (b) => b.target.trap(b, EXIT_TRAP, VECTOR_BP),
  int1: (b) => b.target.trap(b, EXIT_TRAP, VECTOR_DB),
  ud: (b) => b.raise(VECTOR_UD),
  privileged: (b) => b.raise(VECTOR_GP),
  nop: () => {},
  clc: (b) => b.flags.setCarry(b.i32(0)),
  stc: (b) => b.flags.setCarry(b.i32(CF)),
  cmc: (b) => b.flags.setCarry(b.xor(b.flags.get('c'), b.i32(1))),
  cld: (b) => setRest(b, DF, false),
  std: (b) => setRest(b, DF, true),
  pushf,
  popf,
  lahf,
  sahf,
};
