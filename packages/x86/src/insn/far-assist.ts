/**
 * Far transfers within user mode (SDM vol. 2, CALL, JMP, RET, IRET): code is in USER_CS and the stack in USER_SS, as Linux sets
 * them up, and other selectors are refused. There are no gates, and no mode of 32 bits to go to.
 */
import { RSP, VECTOR_BP, VECTOR_GP, VECTOR_OF, canonical } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import { AC, DF, ID, NT, TF } from '../ir/flags.ts';
import type { Machine } from '../machine.ts';

export const FAR_ASSISTS = ['retf', 'iret', 'callf', 'jmpf', 'int'] as const;

type Result = number | undefined;
const PAGE_FAULT = -1;

const USER_CS = 0x33;
const USER_SS = 0x2b;
/** What IRET may change besides the status flags. */
const IRET_FLAGS = 0x8d5 | TF | DF | NT | AC | ID;

/** #GP with the selector that is wrong. */
export const withError = (vector: number, error: number): number => vector | (error << 8);
export const badSelector = (selector: number): number => withError(VECTOR_GP, selector & 0xfffc);

/**
 * Values of one size from the stack, or undefined after a page fault.
 * @param first which of them is read before the others
 */
function pull(machine: Machine, size: number, count: number, first: number): bigint[] | undefined {
  const va = machine.gpr[RSP]!;
  if (!machine.copyIn(va + BigInt(first * size), new Uint8Array(size))) return undefined;
  const bytes = new Uint8Array(size * count);
  if (!machine.copyIn(va, bytes)) return undefined;
  return Array.from({ length: count }, (_, i) =>
    bytes
      .subarray(i * size, (i + 1) * size)
      .reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
  );
}

/** Goes on at an address: the run loop adds the instruction's length. */
function goTo(machine: Machine, insn: Insn, target: bigint): void {
  machine.rip = Number(BigInt.asIntN(64, target)) - insn.length;
}

function retf(machine: Machine, insn: Insn): Result {
  const size = insn.opsize / 8;
  const top = machine.gpr[RSP]!;
  const popped = pull(machine, size, 2, 1);
  if (!popped) return PAGE_FAULT;
  const selector = Number(popped[1]! & 0xffffn);
  if (selector !== USER_CS) return badSelector(selector);
  if (!canonical(popped[0]!)) return VECTOR_GP;
  machine.gpr[RSP] = top + BigInt(2 * size + insn.imm);
  goTo(machine, insn, popped[0]!);
  return undefined;
}

function iret(machine: Machine, insn: Insn): Result {
  if (machine.rflags & NT) return VECTOR_GP;
  const size = insn.opsize / 8;
  const popped = pull(machine, size, 5, 2);
  if (!popped) return PAGE_FAULT;
  const [target, cs, flags, sp, ss] = popped as [bigint, bigint, bigint, bigint, bigint];
  const code = Number(cs & 0xffffn);
  if (code !== USER_CS) return badSelector(code);
  const stack = Number(ss & 0xffffn);
  if (stack !== USER_SS) return badSelector(stack);
  if (!canonical(target)) return VECTOR_GP;
  const mask = size === 2 ? IRET_FLAGS & 0xffff : IRET_FLAGS;
  machine.rflags = (machine.rflags & ~mask) | (Number(flags & 0xffff_ffffn) & mask);
  machine.gpr[RSP] = sp;
  goTo(machine, insn, target);
  return undefined;
}

/** Offset and selector in memory. Operands of 64 bits have offsets of 32 on AMD's processors. */
function farPointer(machine: Machine, insn: Insn): readonly [bigint, number] | undefined {
  const size = insn.opsize === 16 ? 2 : 4;
  const bytes = new Uint8Array(size + 2);
  if (!machine.copyIn(machine.effectiveAddress(insn), bytes)) return undefined;
  const view = new DataView(bytes.buffer);
  const offset = size === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
  return [BigInt(offset), view.getUint16(size, true)];
}

function jmpf(machine: Machine, insn: Insn): Result {
  const pointer = farPointer(machine, insn);
  if (!pointer) return PAGE_FAULT;
  if (pointer[1] !== USER_CS) return badSelector(pointer[1]);
  goTo(machine, insn, pointer[0]);
  return undefined;
}

function callf(machine: Machine, insn: Insn): Result {
  const pointer = farPointer(machine, insn);
  if (!pointer) return PAGE_FAULT;
  if (pointer[1] !== USER_CS) return badSelector(pointer[1]);
  const size = insn.opsize === 16 ? 2 : insn.opsize / 8;
  const bytes = new Uint8Array(2 * size);
  const back = BigInt.asUintN(size * 8, BigInt(machine.rip + insn.length));
  for (let i = 0; i < size; i++) {
    bytes[i] = Number((back >> BigInt(8 * i)) & 0xffn);
    bytes[size + i] = i === 0 ? USER_CS : 0;
  }
  const top = BigInt.asUintN(64, machine.gpr[RSP]! - BigInt(bytes.length));
  if (!machine.copyOut(top, bytes)) return PAGE_FAULT;
  machine.gpr[RSP] = top;
  goTo(machine, insn, pointer[0]);
  return undefined;
}

/** Linux opens the gates of #BP and #OF to user code; the error code of a closed one names it, with the IDT bit. */
function int(machine: Machine, insn: Insn): Result {
  const gate = insn.imm & 0xff;
  if (gate !== VECTOR_BP && gate !== VECTOR_OF) return withError(VECTOR_GP, (gate << 3) | 2);
  machine.rip += insn.length;
  machine.retired++;
  return gate;
}

export const farAssists: Readonly<
  Record<(typeof FAR_ASSISTS)[number], (machine: Machine, insn: Insn) => Result>
> = { retf, iret, callf, jmpf, int };
