/** Random encodings of the opcode table's rows. */
import type { Row } from '@vitrine/x86/opcodes.ts';
import { WINDOW_VA } from './oracle.ts';
import type { Random } from './random.ts';

export interface Encoded {
  readonly bytes: number[];
  /** Base and index registers of the memory operand, if there is one, with what it adds to them. */
  readonly memory: { base: number; index: number; scale: number; disp: number } | undefined;
}

const PREFIX_BYTES: Record<number, number> = { 1: 0x66, 2: 0xf3, 3: 0xf2 };
const MAP_BYTES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const MEMORY = 'EMWQ';

/** A register other than RSP. */
function anyRegister(random: Random): number {
  for (;;) {
    const n = random.below(16);
    if (n !== 4) return n;
  }
}

/** ModRM with what follows it, and the bits R, X and B that the prefix has to carry. */
interface Operands {
  readonly parts: number[];
  readonly rxb: number;
  readonly memory: Encoded['memory'];
}

function vexOperands(row: Row, random: Random): Operands {
  const reg = row.digit >= 0 ? row.digit : random.below(16);
  const high = reg > 7 ? 4 : 0;
  const canMemory = row.mod !== 'reg' && row.operands.some((o) => MEMORY.includes(o.code));
  if (!canMemory || (row.mod !== 'mem' && random.chance(2))) {
    const rm = random.below(16);
    return { parts: [0xc0 | ((reg & 7) << 3) | (rm & 7)], rxb: high | (rm > 7 ? 1 : 0), memory: undefined }; // prettier-ignore
  }
  const base = anyRegister(random);
  const disp = random.below(64) - 32;
  const rxb = high | (base > 7 ? 1 : 0);
  if (row.sem === 'vgather' || random.chance(3)) {
    let index = row.sem === 'vgather' ? random.below(16) : anyRegister(random);
    while (index === base && row.sem !== 'vgather') index = anyRegister(random);
    const scale = random.below(4);
    const sib = (scale << 6) | ((index & 7) << 3) | (base & 7);
    const memory = row.sem === 'vgather' ? { base, index: -1, scale: 0, disp } : { base, index, scale, disp }; // prettier-ignore
    return { parts: [0x44 | ((reg & 7) << 3), sib, disp & 0xff], rxb: rxb | (index > 7 ? 2 : 0), memory }; // prettier-ignore
  }
  const parts = [0x40 | ((reg & 7) << 3) | (base & 7)];
  if ((base & 7) === 4) parts.push(0x24);
  return { parts: [...parts, disp & 0xff], rxb, memory: { base, index: -1, scale: 0, disp } };
}

/** With a VEX prefix of two bytes where that will do, half of the time. */
function encodeVex(row: Row, random: Random): Encoded {
  const { parts, rxb, memory } = row.hasModrm ? vexOperands(row, random) : { parts: [], rxb: 0, memory: undefined }; // prettier-ignore
  const l = row.vexL >= 0 ? row.vexL : random.below(2);
  const w = row.vexW >= 0 ? row.vexW : random.below(2);
  const usesV = row.operands.some((o) => o.code === 'H' || o.code === 'B');
  const vvvv = usesV ? random.below(16) : 0;
  const last = ((~vvvv & 15) << 3) | (l << 2) | row.prefix;
  const bytes = random.chance(12) && memory ? [0x67] : [];
  if (row.map === 1 && w === 0 && (rxb & 3) === 0 && random.chance(2))
    bytes.push(0xc5, (rxb & 4 ? 0 : 0x80) | last); // prettier-ignore
  else bytes.push(0xc4, ((~rxb & 7) << 5) | row.map, (w << 7) | last);
  bytes.push(row.opcode, ...parts);
  for (const { code } of row.operands) if (code === 'I' || code === 'L') bytes.push(random.byte());
  return { bytes, memory };
}

/** Encodes a row with random operands; memory operands use base + disp8 and sometimes an index. */
export function encode(row: Row, random: Random): Encoded {
  if (row.vex) return encodeVex(row, random);
  const bytes: number[] = [];
  const sized = row.widths.length > 0;
  const operand66 = row.prefix < 0 && sized && random.chance(3);
  if (operand66) bytes.push(0x66);
  if (row.lock && random.chance(8)) bytes.push(0xf0);
  if (row.rep && random.chance(2)) bytes.push(random.chance(2) ? 0xf3 : 0xf2);
  if (random.chance(12) && row.name !== 'lea') bytes.push(0x67);
  if (row.prefix > 0) bytes.push(PREFIX_BYTES[row.prefix]!);
  let rex = random.chance(2) ? 0x40 | random.below(8) : 0;
  if (sized && random.chance(3)) rex |= 0x48;
  const canMemory = row.mod !== 'reg' && row.operands.some((o) => MEMORY.includes(o.code));
  const isMemory =
    canMemory &&
    (row.mod === 'mem' || row.operands.every((o) => o.code === 'M') || random.chance(2));
  const parts: number[] = [...MAP_BYTES[row.map]!];
  let opcode = row.opcode;
  if (row.span > 1) opcode += random.below(row.span);
  parts.push(opcode);
  let memory: Encoded['memory'];
  if (row.modrm >= 0) parts.push(row.modrm);
  else if (row.hasModrm) {
    const reg = row.digit >= 0 ? row.digit : random.below(8);
    if (!isMemory) parts.push(0xc0 | (reg << 3) | random.below(8));
    else {
      const base = anyRegister(random);
      const disp = random.below(64) - 32;
      rex = (rex & ~3) | (base > 7 ? 0x41 : 0);
      if (random.chance(3)) {
        let index = anyRegister(random);
        while (index === base) index = anyRegister(random);
        const scale = random.below(4);
        rex |= index > 7 ? 0x42 : 0;
        parts.push(0x44 | (reg << 3), (scale << 6) | ((index & 7) << 3) | (base & 7), disp & 0xff);
        memory = { base, index, scale, disp };
      } else {
        parts.push(0x40 | (reg << 3) | ((base & 7) === 4 ? 4 : base & 7));
        if ((base & 7) === 4) parts.push(0x24);
        parts.push(disp & 0xff);
        memory = { base, index: -1, scale: 0, disp };
      }
    }
  }
  if (rex) bytes.push(rex);
  bytes.push(...parts);
  const opsize = rex & 8 ? 64 : operand66 ? 16 : 32;
  for (const { code, size } of row.operands) {
    if (code === 'O') {
      const short = bytes.includes(0x67);
      const target = WINDOW_VA + 128 + random.below(512);
      for (let i = 0; i < (short ? 4 : 8); i++) bytes.push(Math.floor(target / 256 ** i) & 0xff);
    }
    if (code !== 'I' && code !== 'J') continue;
    const count =
      size === 'b' || size === 'bs'
        ? 1
        : size === 'w'
          ? 2
          : size === 'v' && opsize === 64
            ? 8
            : opsize === 16
              ? 2
              : 4;
    for (let i = 0; i < count; i++) bytes.push(random.byte());
  }
  return { bytes, memory };
}
