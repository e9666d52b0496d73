/** The instructions beyond x86-64-v2 that JavaScript carries out: F16C, gathers and XSAVE (SDM vol. 1, 13, 14.4 and vol. 2). */
import { VECTOR_GP, VECTOR_UD, VECTOR_XM } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import { XCR0, XSAVE_SIZE, xrstorImage, xsaveImage } from '../fxsave.ts';
import * as L from '../layout.ts';
import type { Machine } from '../machine.ts';
import { bitLength, type Exact, scale } from './extended.ts';
import { DE, IE, OE, PE, UE } from './softfloat.ts';

export const AVX_ASSISTS = ['vcvtph2ps', 'vcvtps2ph', 'vgather', 'xsave', 'xrstor', 'xgetbv'] as const; // prettier-ignore

type Result = number | undefined;
const PAGE_FAULT = -1;

/** A binary format: bits of the significand with the leading one, of the exponent field. */
interface Format {
  readonly bytes: 2 | 4 | 8;
  readonly precision: number;
  readonly exponentBits: number;
}
const HALF: Format = { bytes: 2, precision: 11, exponentBits: 5 };
const SINGLE: Format = { bytes: 4, precision: 24, exponentBits: 8 };

/** A number taken apart: NaN and infinity have the largest exponent field. */
class Parts {
  readonly format: Format;
  readonly bits: bigint;
  readonly negative: boolean;
  readonly field: number;
  readonly fraction: bigint;

  constructor(format: Format, bits: bigint) {
    const { precision, exponentBits, bytes } = format;
    this.format = format;
    this.bits = bits;
    this.negative = bits >> BigInt(bytes * 8 - 1) === 1n;
    this.field = Number((bits >> BigInt(precision - 1)) & ((1n << BigInt(exponentBits)) - 1n));
    this.fraction = bits & ((1n << BigInt(precision - 1)) - 1n);
  }

  get special(): boolean {
    return this.field === 2 ** this.format.exponentBits - 1;
  }
  get nan(): boolean {
    return this.special && this.fraction !== 0n;
  }
  get infinite(): boolean {
    return this.special && this.fraction === 0n;
  }
  get signalling(): boolean {
    return this.nan && this.quiet !== this.bits;
  }
  get quiet(): bigint {
    return this.bits | (1n << BigInt(this.format.precision - 2));
  }
  get denormal(): boolean {
    return this.field === 0 && this.fraction !== 0n;
  }
  get zero(): boolean {
    return this.field === 0 && this.fraction === 0n;
  }

  exact(): Exact {
    const { precision, exponentBits } = this.format;
    const hidden = this.field === 0 ? 0n : 1n << BigInt(precision - 1);
    const bias = 2 ** (exponentBits - 1) - 1;
    const exponent = Math.max(1, this.field) - bias - (precision - 1);
    return { negative: this.negative, significand: this.fraction | hidden, exponent };
  }
}

interface Rounded {
  readonly bits: bigint;
  readonly flags: number;
}

const signBit = ({ bytes }: Format, negative: boolean): bigint =>
  negative ? 1n << BigInt(bytes * 8 - 1) : 0n;

function infinity(format: Format, negative: boolean): bigint {
  const field = (1n << BigInt(format.exponentBits)) - 1n;
  return signBit(format, negative) | (field << BigInt(format.precision - 1));
}

/** Rounds away from zero? `lost` of `unit` is cut off. */
function roundsUp(
  rc: number,
  negative: boolean,
  odd: boolean,
  lost: bigint,
  drop: number,
): boolean {
  if (lost === 0n) return false;
  const half = 1n << BigInt(drop - 1);
  return [lost > half || (lost === half && odd), negative, !negative, false][rc]!;
}

/** @param tiny what becomes of results below the normal numbers: kept, flushed to zero (FTZ), or told of even when exact */
function round(
  format: Format,
  x: Exact,
  rc: number,
  tiny: 'keep' | 'flush' | 'trap',
  trapOverflow = false,
): Rounded {
  // prettier-ignore
  const { precision, exponentBits } = format;
  const sign = signBit(format, x.negative);
  if (x.significand === 0n) return { bits: sign, flags: 0 };
  const bias = 2 ** (exponentBits - 1) - 1;
  const length = bitLength(x.significand);
  /** With that many bits dropped: significand, and whether something was lost. */
  const cut = (drop: number): { m: bigint; inexact: boolean } => {
    if (drop <= 0) return { m: scale(x.significand, -drop), inexact: false };
    const m = scale(x.significand, -drop);
    const lost = x.significand - scale(m, drop);
    const up = roundsUp(rc, x.negative, (m & 1n) === 1n, lost, drop);
    return { m: m + (up ? 1n : 0n), inexact: lost !== 0n };
  };
  const normal = cut(length - precision);
  let field = x.exponent + length - 1 + bias + (bitLength(normal.m) > precision ? 1 : 0);
  let flags = normal.inexact ? PE : 0;
  if (field >= 2 ** exponentBits - 1) {
    const away = [true, x.negative, !x.negative, false][rc]!;
    const largest = infinity(format, x.negative) - 1n;
    // Not masked, it is told of with what rounding alone loses.
    return {
      bits: away ? infinity(format, x.negative) : largest,
      flags: OE | (trapOverflow ? flags : PE),
    };
  }
  if (field >= 1) {
    const m = bitLength(normal.m) > precision ? normal.m >> 1n : normal.m;
    const fraction = m & ((1n << BigInt(precision - 1)) - 1n);
    return { bits: sign | (BigInt(field) << BigInt(precision - 1)) | fraction, flags };
  }
  if (tiny === 'trap') return { bits: sign, flags: flags | UE };
  if (tiny === 'flush') return { bits: sign, flags: UE | PE };
  const lowest = 1 - bias - (precision - 1);
  const denormal = cut(lowest - x.exponent);
  flags = denormal.inexact ? UE | PE : 0;
  field = 0;
  return { bits: sign | denormal.m, flags };
}

/** The vector unit of a machine, with the exceptions of the instruction under way. */
class Vectors {
  readonly machine: Machine;
  readonly insn: Insn;
  readonly lanes: number;
  readonly format: Format;
  /** Exceptions of operands, and of results. */
  before = 0;
  after = 0;

  constructor(machine: Machine, insn: Insn, format: Format, lanes: number) {
    this.machine = machine;
    this.insn = insn;
    this.format = format;
    this.lanes = lanes;
  }

  get rc(): number {
    return (this.machine.mxcsr >> 13) & 3;
  }
  get tiny(): 'keep' | 'flush' | 'trap' {
    const { mxcsr } = this.machine;
    if ((mxcsr & (UE << 7)) === 0) return 'trap';
    return mxcsr & 0x8000 ? 'flush' : 'keep';
  }

  get trapOverflow(): boolean {
    return (this.machine.mxcsr & (OE << 7)) === 0;
  }

  register(n: number, count: number = this.lanes, format: Format = this.format): bigint[] {
    const bytes = readVector(this.machine, n);
    return elements(bytes, format.bytes, count);
  }

  /** The operand that ModRM.rm names, or undefined after a page fault. */
  source(count: number = this.lanes, format: Format = this.format): bigint[] | undefined {
    const { machine, insn } = this;
    if (insn.isReg) return this.register(insn.rm, count, format);
    const bytes = new Uint8Array(32);
    const used = bytes.subarray(0, count * format.bytes);
    if (!machine.copyIn(machine.effectiveAddress(insn), used)) return undefined;
    return elements(bytes, format.bytes, count);
  }

  /** DAZ makes denormals zeros; otherwise they are told of. */
  part(bits: bigint, quietly = false): Parts {
    const x = new Parts(this.format, bits);
    if (!x.denormal) return x;
    if (this.machine.mxcsr & 0x40) return new Parts(this.format, signBit(this.format, x.negative));
    if (!quietly) this.before |= DE;
    return x;
  }

  /** Notes the exceptions; true when one of them is not masked, and nothing may be written. */
  finish(): boolean {
    const { machine } = this;
    const open = ~(machine.mxcsr >> 7);
    const stopped = (this.before & open) !== 0;
    const flags = stopped ? this.before : this.before | this.after;
    machine.mxcsr |= flags;
    return (flags & open) !== 0;
  }
}

function elements(bytes: Uint8Array, size: number, count: number): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from(
    { length: count },
    (_, i) =>
    size === 8 ? view.getBigUint64(i * 8, true) : BigInt(size === 4 ? view.getUint32(i * 4, true) : view.getUint16(i * 2, true)), // prettier-ignore
  );
}

function packed(values: readonly bigint[], size: number, into: Uint8Array): Uint8Array {
  const view = new DataView(into.buffer, into.byteOffset);
  values.forEach((value, i) => {
    if (size === 8) view.setBigUint64(i * 8, value, true);
    else if (size === 4) view.setUint32(i * 4, Number(value), true);
    else view.setUint16(i * 2, Number(value), true);
  });
  return into;
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

// ---- F16C

function vcvtph2ps(machine: Machine, insn: Insn): Result {
  const v = new Vectors(machine, insn, HALF, insn.opsize === 64 ? 8 : 4);
  const source = v.source();
  if (!source) return PAGE_FAULT;
  const results = source.map((bits) => {
    const x = new Parts(HALF, bits);
    if (x.signalling) v.before |= IE;
    if (x.nan) return infinity(SINGLE, x.negative) | (1n << 22n) | (x.fraction << 13n);
    if (x.infinite) return infinity(SINGLE, x.negative);
    return round(SINGLE, x.exact(), 0, 'keep').bits;
  });
  if (v.finish()) return VECTOR_XM;
  writeVector(machine, insn.reg, packed(results, 4, new Uint8Array(32)));
  return undefined;
}

function vcvtps2ph(machine: Machine, insn: Insn): Result {
  const v = new Vectors(machine, insn, SINGLE, insn.opsize === 64 ? 8 : 4);
  const rc = insn.imm & 4 ? v.rc : insn.imm & 3;
  // FTZ does not count here.
  const tiny = v.tiny === 'trap' ? 'trap' : 'keep';
  const results = v.register(insn.reg).map((bits) => {
    const x = v.part(bits);
    if (x.signalling) v.before |= IE;
    if (x.nan) return infinity(HALF, x.negative) | (1n << 9n) | (x.fraction >> 13n);
    if (x.infinite) return infinity(HALF, x.negative);
    const { bits: result, flags } = round(HALF, x.exact(), rc, tiny, v.trapOverflow);
    v.after |= flags;
    return result;
  });
  const bytes = packed(results, 2, new Uint8Array(32));
  if (!insn.isReg) {
    // A page fault comes before the exceptions are noted.
    const out = bytes.subarray(0, results.length * 2);
    const va = machine.effectiveAddress(insn);
    const held = new Uint8Array(out.length);
    if (!machine.copyIn(va, held) || !machine.copyOut(va, held)) return PAGE_FAULT;
    if (v.finish()) return VECTOR_XM;
    machine.copyOut(va, out);
    return undefined;
  }
  if (v.finish()) return VECTOR_XM;
  writeVector(machine, insn.rm, bytes);
  return undefined;
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
      const index = BigInt.asIntN(indexSize * 8, indices[i]!) << BigInt(insn.scale);
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
> = { vcvtph2ps, vcvtps2ph, vgather, xsave, xrstor, xgetbv };
