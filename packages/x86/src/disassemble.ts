/** Intel-syntax disassembly, as `objdump -M intel` prints it, from the opcode table. */
import { decode, DECODED, Insn, ISA_V3, SEG_FS, SEG_GS } from './decode.ts';
import { SLOT_ZERO } from './layout.ts';
import type { OperandSpec } from './opcodes.ts';

export interface Disassembly {
  readonly text: string;
  readonly length: number;
}

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const BYTES = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'] as const;
const REX_BYTES = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', '?', '?'] as const;
const CONDITIONS = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

export function registerName(number: number, bits: number, rex = true): string {
  if (bits === 8 && number < 8) return (rex ? REX_BYTES : BYTES)[number]!;
  const suffix = { 8: 'b', 16: 'w', 32: 'd', 64: '' }[bits];
  if (number >= 8) return `r${number}${suffix}`;
  const prefix = { 16: '', 32: 'e', 64: 'r' }[bits]!;
  return prefix + LEGACY[number]!;
}

/** Bits by size letter for a VEX.L of 0; 1 doubles them. */
const BY_L: Record<string, number> = { x: 128, xa: 128, h: 64, f: 32, e: 16 };

function operandBits(insn: Insn, size: string): number {
  const byL = BY_L[size];
  if (byL !== undefined) return insn.opsize === 64 ? byL * 2 : byL;
  const fixed = { b: 8, w: 16, d: 32, q: 64, dq: 128, u: 128, t: 80 }[size];
  return fixed ?? (insn.row.size64 === 'forced' ? 64 : insn.opsize);
}

const POINTERS: Record<number, string> = {
  8: 'BYTE',
  16: 'WORD',
  32: 'DWORD',
  64: 'QWORD',
  80: 'TBYTE',
  128: 'XMMWORD',
  256: 'YMMWORD',
};

const hex = (value: bigint): string =>
  value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;

function memory(insn: Insn, spec: OperandSpec, next: bigint): string {
  const pointer = spec.size === '' ? '' : `${POINTERS[operandBits(insn, spec.size)]} PTR `;
  const segment = insn.segment === SEG_FS ? 'fs:' : insn.segment === SEG_GS ? 'gs:' : '';
  const bits = insn.address32 ? 32 : 64;
  const disp = (BigInt(insn.dispHigh) << 32n) | BigInt(insn.disp >>> 0);
  if (insn.ripRelative)
    return `${pointer}${segment}[rip+0x${BigInt.asUintN(64, disp).toString(16)}]        # ${hex(next + disp)}`;
  const parts: string[] = [];
  if (insn.base !== SLOT_ZERO) parts.push(registerName(insn.base, bits));
  if (insn.index !== SLOT_ZERO) parts.push(`${registerName(insn.index, bits)}*${1 << insn.scale}`);
  if (parts.length === 0) {
    const absolute = `0x${BigInt.asUintN(64, disp).toString(16)}`;
    return `${pointer}${segment === '' ? 'ds:' : segment}${absolute}`;
  }
  const sum = parts.join('+');
  if (disp === 0n) return `${pointer}${segment}[${sum}]`;
  return `${pointer}${segment}[${sum}${disp < 0n ? '' : '+'}${hex(disp)}]`;
}

function immediate(insn: Insn, spec: OperandSpec, isSecond: boolean): string {
  if (isSecond) return `0x${insn.imm2.toString(16)}`;
  const bits = spec.size === 'b' || spec.size === 'w' ? operandBits(insn, spec.size) : insn.opsize;
  const value = (BigInt(insn.immHigh) << 32n) | BigInt(insn.imm >>> 0);
  return `0x${BigInt.asUintN(bits, value).toString(16)}`;
}

/** Only operands of a whole vector may have 256 bits. */
const vector = (insn: Insn, size: string, n: number): string =>
  `${insn.row.byL && insn.opsize === 64 && size.startsWith('x') ? 'ymm' : 'xmm'}${n}`;

function operand(insn: Insn, spec: OperandSpec, next: bigint, second: boolean): string | undefined {
  const { code, size } = spec;
  const bits = operandBits(insn, size);
  const inRegister = insn.isReg;
  switch (code) {
    case 'G':
    case 'Z':
      return registerName(insn.reg, bits, insn.rex !== 0);
    case 'R':
      return registerName(insn.rm, bits, insn.rex !== 0);
    case 'E':
      return inRegister ? registerName(insn.rm, bits, insn.rex !== 0) : memory(insn, spec, next);
    case 'B':
      return registerName(insn.vvvv, bits);
    case 'H':
      return vector(insn, size, insn.vvvv);
    case 'L':
      return vector(insn, 'x', insn.imm >> 4);
    case 'V':
      return vector(insn, size, insn.reg);
    case 'U':
      return vector(insn, size, insn.rm);
    case 'W':
      return inRegister ? vector(insn, size, insn.rm) : memory(insn, spec, next);
    case 'P':
      return `mm${insn.reg & 7}`;
    case 'N':
      return `mm${insn.rm & 7}`;
    case 'Q':
      return inRegister ? `mm${insn.rm & 7}` : memory(insn, spec, next);
    case 'M':
    case 'O':
      return memory(insn, spec, next);
    case 'S':
      return SEGMENTS[insn.reg & 7];
    case 'I':
      return immediate(insn, spec, second);
    case 'J':
      return hex(BigInt.asUintN(64, next + BigInt(insn.imm)));
    case 'one':
      return '1';
    case 'st':
      return spec.text === 'ST0' ? 'st' : `st(${insn.rm & 7})`;
    case 'fixed':
      return spec.text === 'rAX' ? registerName(0, bits) : spec.text.toLowerCase();
    default:
      return undefined;
  }
}

const CONVERSIONS: Record<string, Record<number, string>> = {
  cbw: { 16: 'cbw', 32: 'cwde', 64: 'cdqe' },
  cwd: { 16: 'cwd', 32: 'cdq', 64: 'cqo' },
};

function mnemonic(insn: Insn): string {
  const { row } = insn;
  const { name, sem } = row;
  if (sem === 'jcc') return `j${CONDITIONS[row.opcode & 15]}`;
  if (sem === 'cmovcc') return `cmov${CONDITIONS[row.opcode & 15]}`;
  if (sem === 'setcc') return `set${CONDITIONS[row.opcode & 15]}`;
  if (sem === 'cmpxchg8b') return insn.opsize === 64 ? 'cmpxchg16b' : 'cmpxchg8b';
  if (sem === 'movd_to' || sem === 'movd_from') return insn.opsize === 64 ? 'movq' : 'movd';
  if (row.rep) {
    const bits = row.operands.some((o) => o.size === 'b') ? 8 : insn.opsize;
    const compares = name === 'cmps' || name === 'scas';
    const prefix = insn.rep === 0 ? '' : insn.rep === 2 ? 'repnz ' : compares ? 'repz ' : 'rep ';
    return prefix + name + { 8: 'b', 16: 'w', 32: 'd', 64: 'q' }[bits];
  }
  return CONVERSIONS[name]?.[insn.opsize] ?? name;
}

const scratch = [new Insn(), new Insn(ISA_V3)] as const;

/** Disassembles the instruction at `at` in `bytes`, whose address is `va`. Undecodable bytes read `(bad)`. */
export function disassemble(bytes: Uint8Array, at: number, va: bigint, isa = 0): Disassembly {
  const insn = scratch[isa]!;
  if (decode(insn, bytes, at, bytes.length - at) !== DECODED) return { text: '(bad)', length: 1 };
  const next = va + BigInt(insn.length);
  let immediates = 0;
  const operands = insn.row.operands.flatMap((spec) => {
    const text = operand(insn, spec, next, spec.code === 'I' && immediates++ > 0);
    return text === undefined ? [] : [text];
  });
  const lock = insn.lock ? 'lock ' : '';
  const text = `${lock}${mnemonic(insn)} ${operands.join(',')}`.trim();
  return { text, length: insn.length };
}
