/** FXSAVE and FXRSTOR (SDM vol. 1, 10.5), 64-bit layout, between the register context and a 512-byte image. */
import type { Ram } from './cpu.ts';
import {
  FCS_CELL,
  FCW_CELL,
  FDP_CELL,
  FIP_BY_CODE,
  FIP_CELL,
  FSW_CELL,
  FTW_CELL,
  MXCSR_CELL,
  ST_BASE,
  XMM_BASE,
  YMM_HIGH,
} from './layout.ts';

export const FXSAVE_SIZE = 512;
export const MXCSR_MASK = 0xffff;
/** FSW.ES: an exception that is not masked is pending. */
const SUMMARY = 0x80;

/** The last x87 instruction and its operand (SDM vol. 1, 8.1.8). */
export interface LastX87 {
  readonly fip: bigint;
  readonly fcs: number;
  readonly fop: number;
  readonly fdp: bigint;
  readonly fds: number;
}

/** CS of Linux's user processes. */
const USER_CS = 0x33;
const PLACE = (1n << 48n) - 1n;

export function lastX87({ u64, u16 }: Ram): LastX87 {
  const place = u64[FIP_CELL >> 3]!;
  const data = u64[FDP_CELL >> 3]!;
  return {
    fip: place & PLACE,
    fcs: place & FIP_BY_CODE ? USER_CS : u16[FCS_CELL >> 1]!,
    fop: Number(place >> 48n) & 0x7ff,
    fdp: data & PLACE,
    fds: Number(data >> 48n),
  };
}

export function setLastX87({ u64, u16 }: Ram, last: LastX87): void {
  u64[FIP_CELL >> 3] = (BigInt(last.fop & 0x7ff) << 48n) | (last.fip & PLACE);
  u16[FCS_CELL >> 1] = last.fcs;
  u64[FDP_CELL >> 3] = (BigInt(last.fds) << 48n) | (last.fdp & PLACE);
}

const topOf = (ram: Ram): number => (ram.u16[FSW_CELL >> 1]! >> 11) & 7;

/** Physical place of ST(i). */
const stAddress = (top: number, i: number): number => ST_BASE + ((top + i) & 7) * 16;

/** @param wide REX.W: pointers of 64 bits without selectors */
export function fxsaveImage(ram: Ram, to: Uint8Array, wide: boolean): void {
  const { u8 } = ram;
  const view = new DataView(to.buffer, to.byteOffset, FXSAVE_SIZE);
  to.fill(0, 0, 416);
  to.set(u8.subarray(FCW_CELL, FCW_CELL + 4), 0);
  to[4] = u8[FTW_CELL]!;
  if (ram.u16[FSW_CELL >> 1]! & SUMMARY) putPointers(view, lastX87(ram), wide);
  to.set(u8.subarray(MXCSR_CELL, MXCSR_CELL + 4), 24);
  view.setUint32(28, MXCSR_MASK, true);
  const top = topOf(ram);
  for (let i = 0; i < 8; i++) {
    const from = stAddress(top, i);
    to.set(u8.subarray(from, from + 10), 32 + i * 16);
  }
  to.set(u8.subarray(XMM_BASE, XMM_BASE + 256), 160);
}

/** AMD's processors store the pointers only while an exception is pending, and zeros otherwise. */
function putPointers(view: DataView, { fip, fcs, fop, fdp, fds }: LastX87, wide: boolean): void {
  view.setUint16(6, fop, true);
  const put = (at: number, pointer: bigint, selector: number): void =>
    wide
      ? view.setBigInt64(at, BigInt.asIntN(48, pointer), true)
      : view.setBigUint64(at, (pointer & 0xffff_ffffn) | (BigInt(selector) << 32n), true);
  put(8, fip, fcs);
  put(16, fdp, fds);
}

function takePointers(view: DataView, wide: boolean): LastX87 {
  const pointer = (at: number): bigint =>
    wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const selector = (at: number): number => (wide ? 0 : view.getUint16(at + 4, true));
  return { fip: pointer(8), fcs: selector(8), fop: view.getUint16(6, true), fdp: pointer(16), fds: selector(16) }; // prettier-ignore
}

/** Control and status word as they are loaded: reserved bits are fixed, and the summary follows the exceptions. */
export function putWords({ u16 }: Ram, fcw: number, fsw: number): void {
  const control = (fcw & 0x1f3f) | 0x40;
  u16[FCW_CELL >> 1] = control;
  u16[FSW_CELL >> 1] = (fsw & 0x7f7f) | (fsw & 0x3f & ~control ? SUMMARY | 0x8000 : 0);
}

/** @returns false if MXCSR has reserved bits, which FXRSTOR answers with #GP; nothing is loaded then */
export function fxrstorImage(
  ram: Ram,
  from: Uint8Array,
  maskReserved: boolean,
  wide: boolean,
): boolean {
  // prettier-ignore
  const { u8 } = ram;
  const view = new DataView(from.buffer, from.byteOffset, FXSAVE_SIZE);
  const mxcsr = view.getUint32(24, true);
  if (!maskReserved && mxcsr & ~MXCSR_MASK) return false;
  putWords(ram, view.getUint16(0, true), view.getUint16(2, true));
  u8[FTW_CELL] = from[4]!;
  setLastX87(ram, takePointers(view, wide));
  ram.u32[MXCSR_CELL >> 2] = mxcsr & MXCSR_MASK;
  const top = topOf(ram);
  for (let i = 0; i < 8; i++) u8.set(from.subarray(32 + i * 16, 42 + i * 16), stAddress(top, i));
  u8.set(from.subarray(160, 416), XMM_BASE);
  return true;
}

// ---- XSAVE, standard format (SDM vol. 1, 13.4)

/** x87, SSE and AVX state. */
export const XCR0 = 7;
export const XSAVE_SIZE = 832;
const XSTATE_HEADER = 512;
const YMM_AT = 576;
const [X87, SSE, AVX] = [1, 2, 4] as const;

/** Writes the components asked for, over what the image holds. */
export function xsaveImage(ram: Ram, to: Uint8Array, components: number, wide: boolean): void {
  const legacy = new Uint8Array(FXSAVE_SIZE);
  fxsaveImage(ram, legacy, wide);
  if (components & X87) {
    to.set(legacy.subarray(0, 24), 0);
    to.set(legacy.subarray(32, 160), 32);
  }
  if (components & (SSE | AVX)) to.set(legacy.subarray(24, 32), 24);
  if (components & SSE) to.set(legacy.subarray(160, 416), 160);
  if (components & AVX) to.set(ram.u8.subarray(YMM_HIGH, YMM_HIGH + 256), YMM_AT);
  const view = new DataView(to.buffer, to.byteOffset, XSAVE_SIZE);
  view.setUint32(
    XSTATE_HEADER,
    (view.getUint32(XSTATE_HEADER, true) & ~components) | components,
    true,
  );
}

/** @returns false for a malformed image, which is #GP; nothing is loaded then */
export function xrstorImage(
  ram: Ram,
  from: Uint8Array,
  components: number,
  wide: boolean,
): boolean {
  const view = new DataView(from.buffer, from.byteOffset, XSAVE_SIZE);
  const present = view.getUint32(XSTATE_HEADER, true);
  for (let at = XSTATE_HEADER + 4; at < XSTATE_HEADER + 24; at += 4)
    if (view.getUint32(at, true) !== 0) return false;
  if (present & ~XCR0) return false;
  const mxcsr = view.getUint32(24, true);
  if (components & (SSE | AVX) && mxcsr & ~MXCSR_MASK) return false;
  // What is not in the image takes its initial state; the rest stays as it is.
  const legacy = new Uint8Array(FXSAVE_SIZE);
  fxsaveImage(ram, legacy, true);
  const top = components & present & X87;
  if (components & X87) {
    legacy.fill(0, 0, 24).fill(0, 32, 160);
    new DataView(legacy.buffer).setUint16(0, 0x37f, true);
    if (top) {
      legacy.set(from.subarray(0, 24));
      legacy.set(from.subarray(32, 160), 32);
    }
  }
  if (components & (SSE | AVX)) legacy.set(from.subarray(24, 28), 24);
  if (components & SSE)
    legacy.set(present & SSE ? from.subarray(160, 416) : new Uint8Array(256), 160);
  const pointers = lastX87(ram);
  fxrstorImage(ram, legacy, true, components & X87 ? wide : true);
  if (!(components & X87)) setLastX87(ram, pointers);
  if (components & AVX)
    ram.u8.set(present & AVX ? from.subarray(YMM_AT, YMM_AT + 256) : new Uint8Array(256), YMM_HIGH);
  return true;
}
