/**
 * The x87 and vector state in signal frames (analogous to arch/x86/kernel/fpu/signal.c): an FXSAVE image, or with XSAVE an
 * image in the standard format, which the bytes that FXSAVE leaves to software announce (struct _fpx_sw_bytes).
 */
import type { Cpu } from '@vitrine/x86/cpu.ts';
import type { UserMemory } from '../../include/uaccess.ts';

const FXSAVE_SIZE = 512;
const XSAVE_SIZE = 832;
const SW_RESERVED = 464;
const FP_XSTATE_MAGIC1 = 0x4650_5853;
const FP_XSTATE_MAGIC2 = 0x4650_5845;
/** XSTATE_BV of an image that FXSAVE made. */
const X87_AND_SSE = 3;
const MXCSR = 24;
const MXCSR_DEFAULT = 0x1f80;

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
 */
export function read_fpu(cpu: Cpu, mem: UserMemory, fp: number): Uint8Array {
  if (fp === 0) return initial_fpu(cpu);
  const legacy = mem.read(fp, FXSAVE_SIZE);
  if (cpu.xfeatures === 0) return legacy;
  const image = new Uint8Array(XSAVE_SIZE);
  if (hasXstate(legacy, mem, fp)) mem.readInto(fp, image);
  else {
    image.set(legacy.subarray(0, SW_RESERVED));
    image[FXSAVE_SIZE] = X87_AND_SSE;
  }
  // Software's bytes and reserved bits are not the processor's to judge.
  image.fill(0, SW_RESERVED, FXSAVE_SIZE);
  const view = new DataView(image.buffer);
  view.setUint32(MXCSR, view.getUint32(MXCSR, true) & 0xffff, true);
  view.setUint32(FXSAVE_SIZE, view.getUint32(FXSAVE_SIZE, true) & cpu.xfeatures, true);
  return image.fill(0, FXSAVE_SIZE + 4, FXSAVE_SIZE + 64);
}

export function load_fpu(cpu: Cpu, image: Uint8Array): void {
  if (cpu.xfeatures === 0) cpu.fxrstor(image);
  else cpu.xrstor(image);
}

/** check_xstate_in_sigframe */
function hasXstate(legacy: Uint8Array, mem: UserMemory, fp: number): boolean {
  const view = new DataView(legacy.buffer, legacy.byteOffset);
  const word = (at: number): number => view.getUint32(SW_RESERVED + at, true);
  if (word(0) !== FP_XSTATE_MAGIC1 || word(16) !== XSAVE_SIZE || word(4) < word(16)) return false;
  const tail = mem.read(fp + XSAVE_SIZE, 4);
  return new DataView(tail.buffer, tail.byteOffset).getUint32(0, true) === FP_XSTATE_MAGIC2;
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
