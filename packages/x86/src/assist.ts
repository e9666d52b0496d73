/** Bodies of the instructions that JavaScript carries out. */
import { RAX, RBX, RCX, RDX, RSP, VECTOR_GP, canonical } from './cpu.ts';
import type { Insn } from './decode.ts';
import { FXSAVE_SIZE, fxrstorImage, fxsaveImage } from './fxsave.ts';
import { avxAssists } from './insn/avx-assist.ts';
import { descriptorAssists, loadable, selectorOf } from './insn/descriptor-assist.ts';
import { badSelector, farAssists } from './insn/far-assist.ts';
import type { Assist } from './insn/system.ts';
import { x87Assists } from './insn/x87-assist.ts';
import type { Machine } from './machine.ts';

/** The vector of a fault, with its error code above eight bits, -1 for a page fault whose details are in the machine, or undefined when all went well. */
export type AssistResult = number | undefined;

const PAGE_FAULT = -1;

/** Selectors as Linux's user processes have them: CS, SS; the others are null. */
const SELECTORS: readonly number[] = [0, 0x33, 0x2b, 0, 0, 0];

function setGpr(machine: Machine, register: number, value: number, width: number): void {
  if (width === 16) machine.ram.u16[register * 4] = value;
  else {
    machine.gpr32[register * 2] = value;
    machine.gpr32[register * 2 + 1] = 0;
  }
}

function doCpuid(machine: Machine): AssistResult {
  const leaf = machine.gpr32[RAX * 2]!;
  const [a, b, c, d] = machine.cpuid(leaf, machine.gpr32[RCX * 2]!);
  setGpr(machine, RAX, a, 32);
  setGpr(machine, RBX, b, 32);
  setGpr(machine, RCX, c, 32);
  setGpr(machine, RDX, d, 32);
  return undefined;
}

function doRdtsc(machine: Machine): AssistResult {
  if (machine.tsd) return VECTOR_GP;
  const now = machine.tsc();
  setGpr(machine, RAX, now % 2 ** 32, 32);
  setGpr(machine, RDX, Math.floor(now / 2 ** 32), 32);
  return undefined;
}

function doRdtscp(machine: Machine): AssistResult {
  const refused = doRdtsc(machine);
  if (refused === undefined) setGpr(machine, RCX, machine.tscAux, 32);
  return refused;
}

/** Where not even the first four bytes are at an address, that is reported first, by the access itself. */
const misaligned = (va: bigint, mask: bigint): boolean =>
  (va & mask) !== 0n && canonical(va) && canonical(va + 3n);

function doFxsave(machine: Machine, insn: Insn): AssistResult {
  const va = machine.effectiveAddress(insn);
  if (misaligned(va, 15n)) return VECTOR_GP;
  const image = new Uint8Array(FXSAVE_SIZE);
  // Bytes 416–511 are not written.
  fxsaveImage(machine.ram, image, (insn.rex & 8) !== 0);
  return machine.copyOut(va, image.subarray(0, 416)) ? undefined : PAGE_FAULT;
}

function doFxrstor(machine: Machine, insn: Insn): AssistResult {
  const va = machine.effectiveAddress(insn);
  if (misaligned(va, 15n)) return VECTOR_GP;
  const image = new Uint8Array(FXSAVE_SIZE);
  if (!machine.copyIn(va, image)) return PAGE_FAULT;
  return fxrstorImage(machine.ram, image, false, (insn.rex & 8) !== 0) ? undefined : VECTOR_GP;
}

function movFromSegment(machine: Machine, insn: Insn): AssistResult {
  const selector = SELECTORS[insn.reg & 7];
  if (selector === undefined) return 6;
  if (insn.isReg) {
    setGpr(machine, insn.rm, selector, insn.opsize);
    return undefined;
  }
  const bytes = Uint8Array.of(selector & 0xff, selector >> 8);
  return machine.copyOut(machine.effectiveAddress(insn), bytes) ? undefined : PAGE_FAULT;
}

/** CS cannot be loaded. Of the others only the bases count: the selectors are not kept. */
function movToSegment(machine: Machine, insn: Insn): AssistResult {
  const register = insn.reg & 7;
  if (register === 1 || register > 5) return 6;
  const selector = selectorOf(machine, insn);
  if (selector < 0) return PAGE_FAULT;
  return loadSelector(machine, register, selector);
}

function loadSelector(machine: Machine, register: number, selector: number): AssistResult {
  if (register === 2 ? selector !== 0x2b : !loadable(selector)) return badSelector(selector);
  if (register === 4) machine.fsBase = 0;
  if (register === 5) machine.gsBase = 0;
  return undefined;
}

function pushSegment(machine: Machine, insn: Insn): AssistResult {
  const size = insn.opsize / 8;
  const top = BigInt.asUintN(64, machine.gpr[RSP]! - BigInt(size));
  if (!machine.copyOut(top, new Uint8Array(size))) return PAGE_FAULT;
  machine.gpr[RSP] = top;
  return undefined;
}

function popSegment(machine: Machine, insn: Insn): AssistResult {
  const bytes = new Uint8Array(insn.opsize / 8);
  if (!machine.copyIn(machine.gpr[RSP]!, bytes)) return PAGE_FAULT;
  const register = insn.row.opcode === 0xa1 ? 4 : 5;
  const refused = loadSelector(machine, register, bytes[0]! | (bytes[1]! << 8));
  if (refused === undefined) machine.gpr[RSP] = machine.gpr[RSP]! + BigInt(bytes.length);
  return refused;
}

export const assists: Readonly<Record<Assist, (machine: Machine, insn: Insn) => AssistResult>> = {
  cpuid: doCpuid,
  rdtsc: doRdtsc,
  rdtscp: doRdtscp,
  fxsave: doFxsave,
  fxrstor: doFxrstor,
  mov_from_segment: movFromSegment,
  mov_to_segment: movToSegment,
  push_segment: pushSegment,
  pop_segment: popSegment,
  ...x87Assists,
  ...avxAssists,
  ...farAssists,
  ...descriptorAssists,
};
