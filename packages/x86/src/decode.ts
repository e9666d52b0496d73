import { features } from './features.ts';
import { SLOT_ZERO } from './layout.ts';
import { rows, v3Rows, type OperandSpec, type Row } from './opcodes.ts';

export const DECODED = 0;
/** No such instruction: #UD. */
export const DECODE_UD = 1;
/** Longer than 15 bytes: #GP. */
export const DECODE_TOO_LONG = 2;
/** The bytes given end inside the instruction. */
export const DECODE_MORE = 3;

/** x86-64-v2, and what processors with `cpu: 'x86-64-v3'` have beyond it. */
export const ISA_V2 = 0;
export const ISA_V3 = 1;

export const SEG_NONE = 0;
export const SEG_FS = 1;
export const SEG_GS = 2;

/** A decoded instruction. One object is filled again and again. */
export class Insn {
  /** Which instruction set it is decoded with: ISA_V2 or ISA_V3. */
  readonly isa: number;
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
  /** The register in the VEX prefix. */
  vvvv = 0;
  /** The vector register that a gather has for an index. */
  vexIndex = 0;

  constructor(isa: number = ISA_V2) {
    this.isa = isa;
  }
}

/** One opcode: a row when nothing else matters, or rows by mandatory prefix and ModRM. */
interface Choice {
  /** By prefix * 16 + (register form ? 8 : 0) + ModRM.reg. */
  readonly byForm: (Row | undefined)[];
  /** By prefix * 256 + ModRM. */
  readonly byModrm: Map<number, Row>;
  readonly hasModrm: boolean;
}

/** Maps with a VEX prefix come behind the four without. */
const VEX_MAP = 4;
const MAPS = 8;

/** Rows by map and opcode; choices are made of them when an opcode is first decoded. */
class Decoder {
  readonly candidates: Row[][][] = Array.from({ length: MAPS }, () => []);
  readonly maps: (Choice | undefined)[][] = Array.from({ length: MAPS }, () => []);

  constructor(from: readonly Row[]) {
    for (const row of from) {
      if (row.gate !== '' && row.id < rows.length && !features.has(row.gate)) continue;
      const map = this.candidates[row.map + (row.vex ? VEX_MAP : 0)]!;
      for (let i = 0; i < row.span; i++) (map[row.opcode + i] ??= []).push(row);
    }
  }
}

const decoders: (Decoder | undefined)[] = [new Decoder(rows), undefined];

function choiceOf(isa: number, map: number, opcode: number): Choice | undefined {
  const decoder = (decoders[isa] ??= new Decoder([...rows, ...v3Rows()]));
  const { maps } = decoder;
  const known = maps[map]![opcode];
  const from = decoder.candidates[map]![opcode];
  if (known || !from) return known;
  const choice: Choice = {
    byForm: Array.from({ length: map >= VEX_MAP ? 256 : 64 }),
    byModrm: new Map(),
    hasModrm: from.some((row) => row.hasModrm),
  };
  for (const row of from) enter(choice, row);
  maps[map]![opcode] = choice;
  return choice;
}

function enter(choice: Choice, row: Row): void {
  if (row.vex) return enterVex(choice, row);
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

/** Place of a VEX row among the forms: the bits of the prefix above the others. */
const vexForm = (prefix: number, form: number, l: number, w: number): number =>
  (l * 2 + w) * 64 + prefix * 16 + form;

function enterVex(choice: Choice, row: Row): void {
  for (let bits = 0; bits < 4; bits++) {
    const [l, w] = [bits >> 1, bits & 1];
    if ((row.vexL >= 0 && row.vexL !== l) || (row.vexW >= 0 && row.vexW !== w)) continue;
    for (let form = 0; form < 16; form++) {
      if (row.digit >= 0 && (form & 7) !== row.digit) continue;
      if (row.mod !== 'any' && (row.mod === 'reg') !== form >= 8) continue;
      choice.byForm[vexForm(row.prefix, form, l, w)] = row;
    }
  }
}

/** Carries the position through one decode; module state keeps the hot path free of allocation. */
let bytes: Uint8Array;
let at = 0;
let end = 0;
let short = false;
/** Scale of the last SIB byte, whatever its index. */
let vsibScale = 0;

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
  if ((byte === 0xc4 || byte === 0xc5) && insn.isa === ISA_V3)
    return operand66 || rex !== 0 || insn.rep !== 0 || insn.lock
      ? DECODE_UD
      : decodeVex(insn, byte);
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
  const choice = choiceOf(insn.isa, map, byte);
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

/** SDM vol. 2, 2.3.5. */
function decodeVex(insn: Insn, first: number): number {
  let byte = fetch8();
  let map = 1;
  let rex = byte & 0x80 ? 0 : 4;
  if (first === 0xc4) {
    map = byte & 0x1f;
    rex = (~byte >> 5) & 7;
    byte = fetch8();
    rex |= (byte >> 4) & 8;
  }
  insn.rex = rex;
  insn.vvvv = (~byte >> 3) & 15;
  const l = (byte >> 2) & 1;
  const opcode = fetch8();
  const choice = map >= 1 && map <= 3 ? choiceOf(ISA_V3, VEX_MAP + map, opcode) : undefined;
  if (!choice) return short ? DECODE_MORE : DECODE_UD;
  const modrm = choice.hasModrm ? fetch8() : 0;
  if (short) return DECODE_MORE;
  insn.modrm = modrm;
  const form = (modrm >= 0xc0 ? 8 : 0) + ((modrm >> 3) & 7);
  const row = choice.byForm[vexForm(byte & 3, form, l, rex >> 3)];
  if (!row) return DECODE_UD;
  if (insn.vvvv !== 0 && !row.operands.some((o) => o.code === 'H' || o.code === 'B'))
    return DECODE_UD;
  insn.row = row;
  insn.opsize = (row.byL ? l === 1 : rex >= 8) ? 64 : 32;
  insn.reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  insn.isReg = true;
  insn.ripRelative = false;
  if (row.hasModrm) decodeModrm(insn, rex);
  if (row.sem === 'vgather') takeVectorIndex(insn, rex);
  fetchImmediates(insn, row);
  return DECODED;
}

/** VSIB: index 4 is a register like any other. */
function takeVectorIndex(insn: Insn, rex: number): void {
  insn.vexIndex = insn.index === SLOT_ZERO ? 4 | ((rex & 2) << 2) : insn.index;
  if (insn.index === SLOT_ZERO) insn.scale = vsibScale;
  insn.index = SLOT_ZERO;
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
    if (map === 0 && byte === 0x90 && insn.rex & 1) return choiceOf(insn.isa, 0, 0x91)!.byForm[0];
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
    vsibScale = sib >> 6;
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
    if (operand.code !== 'I' && operand.code !== 'J' && operand.code !== 'L') continue;
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

/**
 * Whether the semantics heed the address-size prefix. A bit string in a segment does not wrap round at 4 GiB: there, the base is
 * in its address already.
 */
export const wraps = ({ row, address32, segment }: Insn): boolean =>
  row.address32 && address32 && (segment === SEG_NONE || !row.sem.endsWith('_reg'));
