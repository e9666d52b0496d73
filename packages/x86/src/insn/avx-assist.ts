/** The instructions beyond x86-64-v2 that JavaScript carries out: gathers and XSAVE (SDM vol. 2, and vol. 1, 13). */
import { VECTOR_GP, VECTOR_UD } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import { XCR0, XSAVE_SIZE, xrstorImage, xsaveImage } from '../fxsave.ts';
import * as L from '../layout.ts';
import type { Machine } from '../machine.ts';

export const AVX_ASSISTS = ['vgather', 'xsave', 'xrstor', 'xgetbv'] as const;

type Result = number | undefined;
const PAGE_FAULT = -1;

/** Signed elements of four or eight bytes. */
function elements(bytes: Uint8Array, size: number, count: number): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: count }, (_, i) =>
    size === 8 ? view.getBigInt64(i * 8, true) : BigInt(view.getInt32(i * 4, true)),
  );
}

/** Both halves of a vector register. */
function readVector({ ram }: Machine, n: number): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(ram.u8.subarray(L.XMM_BASE + n * 16, L.XMM_BASE + n * 16 + 16));
  bytes.set(ram.u8.subarray(L.YMM_HIGH + n * 16, L.YMM_HIGH + n * 16 + 16), 16);
  return bytes;
}

function writeVector({ ram }: Machine, n: number, bytes: Uint8Array): void {
  ram.u8.set(bytes.subarray(0, 16), L.XMM_BASE + n * 16);
  ram.u8.set(bytes.subarray(16, 32), L.YMM_HIGH + n * 16);
}

// ---- gathers

/** The index is a vector register; elements that have come clear their mask, so that the instruction can be resumed. */
function vgather(machine: Machine, insn: Insn): Result {
  const { row, reg, vvvv, vexIndex } = insn;
  const size = insn.rex & 8 ? 8 : 4;
  const indexSize = row.opcode & 1 ? 8 : 4;
  if (insn.modrm >> 6 === 3 || (insn.modrm & 7) !== 4) return VECTOR_UD;
  if (reg === vvvv || reg === vexIndex || vvvv === vexIndex) return VECTOR_UD;
  const length = insn.opsize === 64 ? 32 : 16;
  const count = length / Math.max(size, indexSize);
  const result = readVector(machine, reg);
  const mask = readVector(machine, vvvv);
  const indices = elements(readVector(machine, vexIndex), indexSize, count);
  const base = machine.effectiveAddress(insn);
  const used = count * size;
  for (let i = 0; i < count; i++) {
    const at = i * size;
    if (mask[at + size - 1]! & 0x80) {
      const index = indices[i]! << BigInt(insn.scale);
      const va = BigInt.asUintN(insn.address32 ? 32 : 64, base + index);
      if (!machine.copyIn(va, result.subarray(at, at + size))) {
        writeVector(machine, reg, result);
        writeVector(machine, vvvv, mask);
        return PAGE_FAULT;
      }
    }
    mask.fill(0, at, at + size);
  }
  writeVector(machine, reg, result.fill(0, used));
  writeVector(machine, vvvv, new Uint8Array(32));
  return undefined;
}

// ---- XSAVE

const requested = (machine: Machine): number => machine.gpr32[0]! & XCR0;

function xsave(machine: Machine, insn: Insn): Result {
  const va = machine.effectiveAddress(insn);
  if (va & 63n) return VECTOR_GP;
  const image = new Uint8Array(XSAVE_SIZE);
  if (!machine.copyIn(va, image)) return PAGE_FAULT;
  xsaveImage(machine.ram, image, requested(machine), (insn.rex & 8) !== 0);
  return machine.copyOut(va, image) ? undefined : PAGE_FAULT;
}

function xrstor(machine: Machine, insn: Insn): Result {
  const va = machine.effectiveAddress(insn);
  if (va & 63n) return VECTOR_GP;
  const image = new Uint8Array(XSAVE_SIZE);
  if (!machine.copyIn(va, image)) return PAGE_FAULT;
  return xrstorImage(machine.ram, image, requested(machine), (insn.rex & 8) !== 0) ? undefined : VECTOR_GP; // prettier-ignore
}

function xgetbv(machine: Machine): Result {
  if (machine.gpr32[2] !== 0) return VECTOR_GP;
  machine.gpr[0] = BigInt(XCR0);
  machine.gpr[2] = 0n;
  return undefined;
}

export const avxAssists: Readonly<
  Record<(typeof AVX_ASSISTS)[number], (machine: Machine, insn: Insn) => Result>
> = { vgather, xsave, xrstor, xgetbv };
