import { features } from './features.ts';
import { SLOT_ZERO } from './layout.ts';
import { rows, type OperandSpec, type Row } from './opcodes.ts';

export const DECODED = 0;
/** No such instruction: #UD. */
export const DECODE_UD = 1;
/** Longer than 15 bytes: #GP. */
export const DECODE_TOO_LONG = 2;
/** The bytes given end inside the instruction. */
export const DECODE_MORE = 3;

export const SEG_NONE = 0;
export const SEG_FS = 1;
export const SEG_GS = 2;

/** A decoded instruction. One object is filled again and again. */
export class Insn {
  row!: Row;
  length = 0;
  /** Operand size in bits; 16, 32 or 64. */
  opsize: 16 | 32 | 64 = 32;
  rex = 0;
  /** 0 none, 1 F3, 2 F2. */
  rep = 0;
  lock = false;
  segment: number = SEG_NONE;
  address32 = false;
  modrm = 0;
  /** ModRM.rm names a register, or there is no ModRM. */
  isReg = true;
  /** ModRM.reg, or the register in the opcode, with its REX bit. */
  reg = 0;
  rm = 0;
  /** Registers 0–15, or SLOT_ZERO. */
  base: number = SLOT_ZERO;
  index: number = SLOT_ZERO;
  scale = 0;
  /** Displacement; 64 bits for the moffs forms. */
  disp = 0;
  dispHigh = 0;
  /** The displacement counts from the next instruction. */
  ripRelative = false;
  /** First immediate or branch displacement, as a sign-extended pair. */
  imm = 0;
  immHigh = 0;
  imm2 = 0;
}

/** One opcode: a row when nothing else matters, or rows by mandatory prefix and ModRM. */
interface Choice {
  /** By prefix * 16 + (register form ? 8 : 0) + ModRM.reg. */
  readonly byForm: (Row | undefined)[];
  /** By prefix * 256 + ModRM. */
  readonly byModrm: Map<number, Row>;
  readonly hasModrm: boolean;
}

/** Rows by map and opcode; choices are made of them when an opcode is first decoded. */
const candidates: Row[][][] = [[], [], [], []];
const maps: (Choice | undefined)[][] = [[], [], [], []];

for (const row of rows) {
  if (row.gate !== '' && !features.has(row.gate)) continue;
  for (let i = 0; i < row.span; i++) (candidates[row.map]![row.opcode + i] ??= []).push(row);
}

function choiceOf(map: number, opcode: number): Choice | undefined {
  const known = maps[map]![opcode];
  const from = candidates[map]![opcode];
  if (known || !from) return known;
  const choice: Choice = {
    byForm: Array.from({ length: 64 }),
    byModrm: new Map(),
    hasModrm: from.some((row) => row.hasModrm),
  };
  for (const row of from) enter(choice, row);
  maps[map]![opcode] = choice;
  return choice;
}

function enter(choice: Choice, row: Row): void {
  for (let prefix = 0; prefix < 4; prefix++) {
    if (row.prefix >= 0 && row.prefix !== prefix) continue;
    if (row.modrm >= 0) {
      choice.byModrm.set(prefix * 256 + row.modrm, row);
      continue;
    }
    for (let form = 0; form < 16; form++) {
      if (row.digit >= 0 && (form & 7) !== row.digit) continue;
      if (row.mod !== 'any' && (row.mod === 'reg') !== form >= 8) continue;
      const at = prefix * 16 + form;
      // A row with a mandatory prefix or a digit beats one without.
      const old = choice.byForm[at];
      if (!old || row.prefix >= 0 || row.digit > old.digit) choice.byForm[at] = row;
    }
  }
}

/** Carries the position through one decode; module state keeps the hot path free of allocation. */
let bytes: Uint8Array;
let at = 0;
let end = 0;
let short = false;

function fetch8(): number {
  if (at >= end) {
    short = true;
    return 0;
  }
  return bytes[at++]!;
}

function fetch16(): number {
  const low = fetch8();
  return low | (fetch8() << 8);
}

function fetch32(): number {
  const low = fetch16();
  return low | (fetch16() << 16);
}

/**
 * Decodes one instruction of 64-bit mode (SDM vol. 2, chapter 2).
 * @param from code bytes, starting at `start`
 * @param available bytes that may be fetched (at most 15 are)
 */
export function decode(insn: Insn, from: Uint8Array, start: number, available: number): number {
  bytes = from;
  at = start;
  end = start + Math.min(available, 15);
  short = false;
  const status = decodeInstruction(insn);
  if (short) return available >= 15 ? DECODE_TOO_LONG : DECODE_MORE;
  insn.length = at - start;
  return status;
}

function decodeInstruction(insn: Insn): number {
  let operand66 = false;
  let rex = 0;
  insn.rep = 0;
  insn.lock = false;
  insn.segment = SEG_NONE;
  insn.address32 = false;
  let byte = fetch8();
  prefixes: for (; !short; byte = fetch8()) {
    switch (byte) {
      case 0x66:
        operand66 = true;
        break;
      case 0x67:
        insn.address32 = true;
        break;
      case 0xf0:
        insn.lock = true;
        break;
      case 0xf2:
        insn.rep = 2;
        break;
      case 0xf3:
        insn.rep = 1;
        break;
      case 0x64:
        insn.segment = SEG_FS;
        break;
      case 0x65:
        insn.segment = SEG_GS;
        break;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        break;
      default:
        if (byte >> 4 !== 4) break prefixes;
        rex = byte;
        continue;
    }
    rex = 0; // REX counts only right before the opcode
  }
  insn.rex = rex;
  let map = 0;
  if (byte === 0x0f) {
    map = 1;
    byte = fetch8();
    if (byte === 0x38 || byte === 0x3a) {
      map = byte === 0x38 ? 2 : 3;
      byte = fetch8();
    }
  }
  if (short) return DECODE_MORE;
  const choice = choiceOf(map, byte);
  if (!choice) return DECODE_UD;
  const row = select(insn, choice, map, byte, operand66);
  if (short) return DECODE_MORE;
  if (!row) return DECODE_UD;
  insn.row = row;
  setOperandSize(insn, row, operand66);
  insn.reg = row.hasModrm
    ? ((insn.modrm >> 3) & 7) | ((rex & 4) << 1)
    : (byte & 7) | ((rex & 1) << 3);
  insn.isReg = true;
  insn.ripRelative = false;
  if (row.hasModrm) decodeModrm(insn, rex);
  fetchImmediates(insn, row);
  if (insn.lock && (!row.lock || insn.isReg)) return DECODE_UD;
  return DECODED;
}

function select(
  insn: Insn,
  choice: Choice,
  map: number,
  byte: number,
  operand66: boolean,
): Row | undefined {
  const prefix = insn.rep === 1 ? 2 : insn.rep === 2 ? 3 : operand66 ? 1 : 0;
  if (!choice.hasModrm) {
    // 90 is NOP (or PAUSE) except with REX.B, where it is XCHG r8, rAX.
    if (map === 0 && byte === 0x90 && insn.rex & 1) return choiceOf(0, 0x91)!.byForm[0];
    return choice.byForm[prefix * 16];
  }
  const modrm = fetch8();
  insn.modrm = modrm;
  const exact = choice.byModrm.get(prefix * 256 + modrm);
  if (exact) return exact;
  return choice.byForm[prefix * 16 + (modrm >= 0xc0 ? 8 : 0) + ((modrm >> 3) & 7)];
}

function setOperandSize(insn: Insn, row: Row, operand66: boolean): void {
  const use66 = operand66 && row.prefix !== 1;
  if (row.size64 === 'forced') insn.opsize = 64;
  else if (insn.rex & 8) insn.opsize = 64;
  else if (use66) insn.opsize = 16;
  else insn.opsize = row.size64 === 'default' ? 64 : 32;
}

function decodeModrm(insn: Insn, rex: number): void {
  const mod = insn.modrm >> 6;
  const low = insn.modrm & 7;
  insn.rm = low | ((rex & 1) << 3);
  if (mod === 3) return;
  insn.isReg = false;
  insn.index = SLOT_ZERO;
  insn.scale = 0;
  insn.base = insn.rm;
  let wide = mod === 2;
  if (low === 4) {
    const sib = fetch8();
    const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
    if (index !== 4) {
      insn.index = index;
      insn.scale = sib >> 6;
    }
    insn.base = (sib & 7) | ((rex & 1) << 3);
    if ((sib & 7) === 5 && mod === 0) {
      insn.base = SLOT_ZERO;
      wide = true;
    }
  } else if (low === 5 && mod === 0) {
    insn.base = SLOT_ZERO;
    insn.ripRelative = true;
    wide = true;
  }
  insn.disp = wide ? fetch32() : mod === 1 ? (fetch8() << 24) >> 24 : 0;
  insn.dispHigh = insn.disp >> 31;
}

function fetchImmediates(insn: Insn, row: Row): void {
  insn.imm = 0;
  insn.immHigh = 0;
  insn.imm2 = 0;
  let first = true;
  for (const operand of row.operands) {
    if (operand.code === 'O') fetchOffset(insn);
    if (operand.code !== 'I' && operand.code !== 'J') continue;
    if (first) fetchImmediate(insn, operand);
    else insn.imm2 = fetch8();
    first = false;
  }
}

function fetchOffset(insn: Insn): void {
  insn.isReg = false;
  insn.base = SLOT_ZERO;
  insn.index = SLOT_ZERO;
  insn.scale = 0;
  insn.disp = fetch32();
  insn.dispHigh = insn.address32 ? 0 : fetch32();
}

function fetchImmediate(insn: Insn, { code, size }: OperandSpec): void {
  const short16 = insn.opsize === 16;
  if (size === 'v' && insn.opsize === 64) {
    insn.imm = fetch32();
    insn.immHigh = fetch32();
    return;
  }
  if (size === 'b') insn.imm = code === 'J' ? (fetch8() << 24) >> 24 : fetch8();
  else if (size === 'bs') {
    const value = (fetch8() << 24) >> 24;
    insn.imm = short16 ? value & 0xffff : value;
  } else if (size === 'w') insn.imm = fetch16();
  else insn.imm = short16 ? fetch16() : fetch32();
  insn.immHigh = insn.imm >> 31;
}
