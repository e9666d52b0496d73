/** Alignment checking (SDM vol. 3, 6.15, #AC): what an instruction is about to access while RFLAGS.AC is set. */
import { RBP, RCX, RDI, RSI, RSP, canonical, type Ram } from './cpu.ts';
import { type Insn, wraps } from './decode.ts';
import type { Operand } from './ir/operand.ts';
import { FSW_CELL } from './layout.ts';
import { rowHandlers } from './tier0/handlers.ts';
import { operandsOf } from './tier0/operands.ts';

/** An address, the alignment that it needs, for `address & (alignment - 1)`, and how many bytes there are if not as many. */
type Access = readonly [address: bigint, alignment: number, size?: number];

/** What is needed of the machine. */
interface Registers {
  readonly gpr: BigUint64Array;
  readonly ram: Ram;
  effectiveAddress(insn: Insn): bigint;
  /** Whether a read of the address would go through. */
  readable(va: bigint): boolean;
}

/** Alignment of memory operands that have no size in the table. */
const UNSIZED: Readonly<Record<string, number>> = {
  fld_m80: 8,
  fstp_m80: 8,
  fbld: 8,
  fbstp: 8,
  cmpxchg8b: 8,
  fxsave: 4,
  fxrstor: 4,
};
/** The x87 environment: of words or of doublewords. */
const ENVIRONMENT = /^(f(nst|ld)env|fnsave|frstor)$/;

/** What the index in a register adds to the address of a bit string (BT and its like). */
function bitsAway({ gpr }: Registers, { row, opsize, reg }: Insn): bigint {
  if (!row.sem.endsWith('_reg')) return 0n;
  const bytes = BigInt(opsize / 8);
  return (BigInt.asIntN(opsize, gpr[reg]!) >> BigInt(Math.log2(opsize))) * bytes;
}

/** The ModRM operand, where there is one that matters. */
function* operandAccess(machine: Registers, insn: Insn): Generator<Access> {
  const alignment = insn.isReg ? 0 : alignmentOf(insn);
  if (alignment <= 1) return;
  const address = machine.effectiveAddress(insn) + bitsAway(machine, insn);
  yield [BigInt.asUintN(wraps(insn) ? 32 : 64, address), alignment, memorySize(insn, alignment)];
}

/** The operand of a far jump or call: an offset, of 32 bits at most, and a selector. */
function farPointer(machine: Registers, insn: Insn): Access {
  const offset = insn.opsize === 16 ? 2 : 4;
  return [machine.effectiveAddress(insn), offset, offset + 2];
}

/** Words of a stack by their distance from its top. */
const words = (top: bigint, size: number, places: readonly number[]): Access[] =>
  places.map((place) => [BigInt.asUintN(64, top + BigInt(place * size)), size]);

/** In the order in which the processor makes them. */
function* accesses(machine: Registers, insn: Insn): Generator<Access> {
  const { row, opsize } = insn;
  const { gpr } = machine;
  const bytes = opsize / 8;
  const pointer = (n: number): bigint => (insn.address32 ? gpr[n]! & 0xffff_ffffn : gpr[n]!);
  switch (row.sem) {
    case 'push':
    case 'pushf':
    case 'push_segment':
      yield* operandAccess(machine, insn);
      yield [gpr[RSP]! - BigInt(bytes), bytes];
      return;
    case 'call':
    case 'call_indirect':
      yield* operandAccess(machine, insn);
      yield [gpr[RSP]! - 8n, 8];
      return;
    case 'pop':
    case 'popf':
    case 'ret':
    case 'pop_segment':
      yield [gpr[RSP]!, bytes];
      break;
    case 'leave':
      yield [gpr[RBP]!, bytes];
      break;
    case 'enter':
      yield* words(gpr[RSP]!, bytes, [-1]);
      if ((insn.imm2 & 31) > 1) yield* words(gpr[RBP]!, bytes, [-1]);
      return;
    case 'retf':
      yield* words(gpr[RSP]!, bytes, [1, 0]);
      return;
    case 'iret':
      yield* words(gpr[RSP]!, bytes, [2, 1, 0, 3, 4]);
      return;
    case 'callf':
    case 'jmpf':
      yield farPointer(machine, insn);
      if (row.sem === 'callf') yield* words(gpr[RSP]!, bytes, [-1, -2]);
      return;
    case 'maskmovdqu':
    case 'mmx_maskmov':
      yield [pointer(RDI), 8];
      break;
    case 'lea':
    case 'nop':
    case 'ud':
      return;
  }
  const counter = insn.address32 ? gpr[RCX]! & 0xffff_ffffn : gpr[RCX]!;
  if (row.rep && insn.rep !== 0 && counter === 0n) return;
  // The source is read first.
  for (const [code, register] of [
    ['X', RSI],
    ['Y', RDI],
  ] as const) {
    const spec = row.operands.find((o) => o.code === code);
    if (spec) yield [pointer(register), spec.size === 'b' ? 1 : bytes];
  }
  yield* operandAccess(machine, insn);
}

/** The memory operand as the table has it. */
function memoryOf({ row, opsize }: Insn): Operand | undefined {
  const { widths } = rowHandlers[row.id]!;
  const width = widths.includes(opsize) ? opsize : widths[0]!;
  return operandsOf(row.operands, width, false).find((o) => o?.kind === 'mem');
}

/** Bytes of the memory operand that are looked at together. */
function memorySize(insn: Insn, alignment: number): number {
  const memory = memoryOf(insn);
  return memory?.kind === 'mem' ? Math.max(memory.size / 8, alignment) : alignment;
}

/** Alignment of the memory operand. Where 16 bytes must be aligned in any case, that is #GP and comes first. */
function alignmentOf(insn: Insn): number {
  const { row, opsize } = insn;
  if (ENVIRONMENT.test(row.sem)) return opsize === 16 ? 2 : 4;
  const memory = memoryOf(insn);
  // CMPXCHG16B has #GP of its own.
  if (row.sem === 'cmpxchg8b' && opsize === 64) return 0;
  if (UNSIZED[row.sem] !== undefined) return UNSIZED[row.sem]!;
  if (memory?.kind !== 'mem' || memory.aligned) return 0;
  if (row.sem === 'vmovddup' && opsize === 32) return 8;
  return memory.size === 80 ? 8 : Math.min(memory.size / 8, 16);
}

/** x87 and MMX instructions report a pending exception before anything else. */
const waits = ({ row }: Insn): boolean =>
  (row.map === 0 && row.opcode >> 3 === 0x1b && !row.sem.startsWith('fn')) ||
  row.operands.some((o) => 'PQN'.includes(o.code));

/** Whether an instruction accesses something misaligned: reported before page faults, but behind bad addresses. */
export function misaligned(machine: Registers, insn: Insn): boolean {
  if (machine.ram.u16[FSW_CELL >> 1]! & 0x80 && waits(insn)) return false;
  let before: bigint | undefined;
  for (const [address, alignment, size = alignment] of accesses(machine, insn)) {
    // What comes first faults first.
    if (before !== undefined && !machine.readable(before)) return false;
    if (!canonical(address) || !canonical(address + BigInt(size - 1))) return false;
    if (alignment > 1 && address & BigInt(alignment - 1)) return true;
    before = address;
  }
  return false;
}
