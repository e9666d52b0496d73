/**
 * The x87 and vector state in signal frames (analogous to arch/x86/kernel/fpu/signal.c): an FXSAVE image, or with XSAVE an
 * image in the standard format, which the bytes that FXSAVE leaves to software announce (struct _fpx_sw_bytes).
 */
import type { Cpu } from '@vitrine/x86/cpu.ts';
import { viewOf } from '../../fs/bytes.ts';
import type { UserMemory } from '../../include/uaccess.ts';

const FXSAVE_SIZE = 512;
const XSAVE_SIZE = 832;
const SW_RESERVED = 464;
const FP_XSTATE_MAGIC1 = 0x4650_5853;
const FP_XSTATE_MAGIC2 = 0x4650_5845;
/** XSTATE_BV of an image that FXSAVE made. */
const X87_AND_SSE = 3;
const SSE_OR_AVX = 6;
/** The FXSAVE image and the header. */
const XSTATE_MIN_SIZE = FXSAVE_SIZE + 64;
const MXCSR = 24;
const MXCSR_DEFAULT = 0x1f80;
const MXCSR_MASK = 0xffff;

/** Bytes of the state in a frame. */
export const fpu_frame_size = (cpu: Cpu): number =>
  cpu.xfeatures === 0 ? FXSAVE_SIZE : XSAVE_SIZE + 4;

/** copy_fpstate_to_sigframe */
export function save_fpu(cpu: Cpu): Uint8Array {
  const bytes = new Uint8Array(fpu_frame_size(cpu));
  if (cpu.xfeatures === 0) {
    cpu.fxsave(bytes);
    return bytes.fill(0, SW_RESERVED);
  }
  cpu.xsave(bytes.subarray(0, XSAVE_SIZE));
  const view = new DataView(bytes.buffer);
  view.setUint32(SW_RESERVED, FP_XSTATE_MAGIC1, true);
  view.setUint32(SW_RESERVED + 4, bytes.length, true);
  view.setUint32(SW_RESERVED + 8, cpu.xfeatures, true);
  view.setUint32(SW_RESERVED + 16, XSAVE_SIZE, true);
  view.setUint32(XSAVE_SIZE, FP_XSTATE_MAGIC2, true);
  return bytes;
}

/**
 * The state that lies at an address of the frame, for {@link load_fpu} (fpu__restore_sig); the initial one for address 0.
 * A frame without the XSAVE part leaves that part initial.
 * @returns null for what the processor would not take
 */
export function read_fpu(cpu: Cpu, mem: UserMemory, fp: number): Uint8Array | null {
  if (fp === 0) return initial_fpu(cpu);
  const legacy = mem.read(fp, FXSAVE_SIZE);
  if (cpu.xfeatures === 0) return fits_fx(viewOf(legacy), fp) ? legacy : null;
  const image = new Uint8Array(XSAVE_SIZE);
  const view = viewOf(image);
  const features = xstate_features(legacy, mem, fp);
  if (features === null) {
    image.set(legacy.subarray(0, SW_RESERVED));
    image[FXSAVE_SIZE] = X87_AND_SSE;
    return fits_fx(view, fp) ? image : null;
  }
  mem.readInto(fp, image);
  const asked = features & cpu.xfeatures;
  if (!fits_xstate(cpu, view, fp, asked)) return null;
  // Software's bytes are not the processor's to judge, and what was not asked for is initial.
  image.fill(0, SW_RESERVED, FXSAVE_SIZE);
  view.setUint32(FXSAVE_SIZE, view.getUint32(FXSAVE_SIZE, true) & asked, true);
  if ((asked & SSE_OR_AVX) === 0) view.setUint32(MXCSR, MXCSR_DEFAULT, true);
  return image.fill(0, FXSAVE_SIZE + 24, XSTATE_MIN_SIZE);
}

/** Does FXRSTOR take it? */
const fits_fx = (view: DataView, fp: number): boolean =>
  fp % 16 === 0 && (view.getUint32(MXCSR, true) & ~MXCSR_MASK) === 0;

/** Does XRSTOR take it: only components that there are, nothing in the reserved bytes of its header? */
function fits_xstate(cpu: Cpu, view: DataView, fp: number, asked: number): boolean {
  const word = (at: number): number => view.getUint32(FXSAVE_SIZE + at, true);
  if (fp % 64 !== 0 || (word(0) & ~cpu.xfeatures) !== 0) return false;
  for (let at = 4; at < 24; at += 4) if (word(at) !== 0) return false;
  return (asked & SSE_OR_AVX) === 0 || (view.getUint32(MXCSR, true) & ~MXCSR_MASK) === 0;
}

export function load_fpu(cpu: Cpu, image: Uint8Array): void {
  if (cpu.xfeatures === 0) cpu.fxrstor(image);
  else cpu.xrstor(image);
}

/** The components that the frame says it has, or null where it has an FXSAVE image alone (check_xstate_in_sigframe). */
function xstate_features(legacy: Uint8Array, mem: UserMemory, fp: number): number | null {
  const view = viewOf(legacy);
  const word = (at: number): number => view.getUint32(SW_RESERVED + at, true);
  const size = word(16);
  if (word(0) !== FP_XSTATE_MAGIC1 || size < XSTATE_MIN_SIZE || size > XSAVE_SIZE) return null;
  if (size > word(4) || mem.getU32(fp + size) !== FP_XSTATE_MAGIC2) return null;
  return word(8);
}

/** The state a handler starts with (fpu__clear_user_states). */
export function initial_fpu(cpu: Cpu): Uint8Array {
  const bytes = new Uint8Array(cpu.xfeatures === 0 ? FXSAVE_SIZE : XSAVE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(MXCSR, MXCSR_DEFAULT, true);
  view.setUint32(MXCSR + 4, 0xffff, true);
  return bytes;
}
