/** FXSAVE and FXRSTOR (SDM vol. 1, 10.5), 64-bit layout, between the register context and a 512-byte image. */
import type { Ram } from './cpu.ts';
import {
  FCW_CELL,
  FDP_CELL,
  FIP_CELL,
  FOP_CELL,
  FSW_CELL,
  FTW_CELL,
  MXCSR_CELL,
  ST_BASE,
  XMM_BASE,
} from './layout.ts';

export const FXSAVE_SIZE = 512;
export const MXCSR_MASK = 0xffff;

const topOf = (ram: Ram): number => (ram.u16[FSW_CELL >> 1]! >> 11) & 7;

/** Physical place of ST(i). */
const stAddress = (top: number, i: number): number => ST_BASE + ((top + i) & 7) * 16;

export function fxsaveImage(ram: Ram, to: Uint8Array): void {
  const { u8 } = ram;
  const view = new DataView(to.buffer, to.byteOffset, FXSAVE_SIZE);
  to.fill(0, 0, 416);
  to.set(u8.subarray(FCW_CELL, FCW_CELL + 4), 0);
  to[4] = u8[FTW_CELL]!;
  to.set(u8.subarray(FOP_CELL, FOP_CELL + 2), 6);
  to.set(u8.subarray(FIP_CELL, FIP_CELL + 8), 8);
  to.set(u8.subarray(FDP_CELL, FDP_CELL + 8), 16);
  to.set(u8.subarray(MXCSR_CELL, MXCSR_CELL + 4), 24);
  view.setUint32(28, MXCSR_MASK, true);
  const top = topOf(ram);
  for (let i = 0; i < 8; i++) {
    const from = stAddress(top, i);
    to.set(u8.subarray(from, from + 10), 32 + i * 16);
  }
  to.set(u8.subarray(XMM_BASE, XMM_BASE + 256), 160);
}

/** @returns false if MXCSR has reserved bits, which FXRSTOR answers with #GP; nothing is loaded then */
export function fxrstorImage(ram: Ram, from: Uint8Array, maskReserved: boolean): boolean {
  const { u8 } = ram;
  const view = new DataView(from.buffer, from.byteOffset, FXSAVE_SIZE);
  const mxcsr = view.getUint32(24, true);
  if (!maskReserved && mxcsr & ~MXCSR_MASK) return false;
  u8.set(from.subarray(0, 4), FCW_CELL);
  u8[FTW_CELL] = from[4]!;
  u8.set(from.subarray(6, 8), FOP_CELL);
  u8.set(from.subarray(8, 16), FIP_CELL);
  u8.set(from.subarray(16, 24), FDP_CELL);
  ram.u32[MXCSR_CELL >> 2] = mxcsr & MXCSR_MASK;
  const top = topOf(ram);
  for (let i = 0; i < 8; i++) u8.set(from.subarray(32 + i * 16, 42 + i * 16), stAddress(top, i));
  u8.set(from.subarray(160, 416), XMM_BASE);
  return true;
}
