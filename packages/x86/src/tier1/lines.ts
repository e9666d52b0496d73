/** How the general registers change within a loop: each as one that the loop's head has found, plus a constant. */
import { RSP } from '../cpu.ts';
import { type Insn, SEG_NONE } from '../decode.ts';
import { SLOT_ZERO } from '../layout.ts';
import { operandsOf } from '../tier0/operands.ts';
import { regSlot, rmSlot } from '../tier0/translate.ts';

/** A register at the loop's head, and how much more it is. */
export interface Line {
  readonly register: number;
  readonly delta: bigint;
}

/** The 16 registers at one place; undefined where nothing is known. */
export type Lines = readonly (Line | undefined)[];

export const AT_HEAD: Lines = Array.from({ length: 16 }, (_, register) =>
  register === RSP ? undefined : { register, delta: 0n },
);

const NOTHING: Lines = AT_HEAD.map(() => undefined);

/** What writes no general registers but those that are its operands, and RSP. */
const PLAIN =
  /^(mov(zx|sx|sxd)?|push|pop|lea|add|sub|adc|sbb|and|or|xor|cmp|test|inc|dec|neg|not|sh[lr]|sar|ro[lr]|imul2?|setcc|cmovcc|bt|nop|jcc|jmp)$/;
const VECTORS = 'VWU';
/** What writes ECX, or calls what a handler of tier 0 would. */
const STRINGS = /^(pcmp[ei]str.|maskmov.*)$/;

const isPlain = ({ sem, operands }: Insn['row']): boolean =>
  PLAIN.test(sem) || (operands.some(({ code }) => VECTORS.includes(code)) && !STRINGS.test(sem));

function registerOf(insn: Insn, slot: number | 'reg' | 'rm' | 'vvvv'): number {
  if (typeof slot === 'number') return slot;
  return (slot === 'reg' ? regSlot(insn) : rmSlot(insn)) >> 3;
}

const plus = (line: Line | undefined, delta: bigint): Line | undefined =>
  line && { ...line, delta: line.delta + delta };

/** What an instruction of 64 bits leaves in its first operand. */
function computed(
  insn: Insn,
  to: number,
  second: number | undefined,
  lines: Lines,
): Line | undefined {
  const { row, base, index, address32, disp, dispHigh, imm, ripRelative, segment } = insn;
  switch (row.sem) {
    case 'mov':
      return second === undefined ? undefined : lines[second];
    case 'lea': {
      const isSum = index !== SLOT_ZERO || base === SLOT_ZERO || address32 || ripRelative;
      return isSum || dispHigh !== disp >> 31 || segment !== SEG_NONE
        ? undefined
        : plus(lines[base], BigInt(disp));
    }
    case 'add':
    case 'sub':
      if (row.operands[1]?.code !== 'I') return undefined;
      return plus(lines[to], BigInt(row.sem === 'add' ? imm : -imm));
    case 'inc':
    case 'dec':
      return plus(lines[to], row.sem === 'inc' ? 1n : -1n);
    default:
      return undefined;
  }
}

/** The registers behind an instruction. */
export function linesAfter(insn: Insn, lines: Lines): Lines {
  const { row, opsize, isReg } = insn;
  if (!isPlain(row)) return NOTHING;
  const operands = operandsOf(row.operands, opsize, isReg);
  let after: (Line | undefined)[] | undefined;
  row.operands.forEach(({ access }, i) => {
    const operand = operands[i];
    if (access === 'r' || operand?.kind !== 'gpr') return;
    const to = registerOf(insn, operand.slot);
    const [, other] = operands;
    const second = other?.kind === 'gpr' ? registerOf(insn, other.slot) : undefined;
    after ??= [...lines];
    after[to] = operand.width === 64 && i === 0 ? computed(insn, to, second, lines) : undefined;
  });
  if (after) after[RSP] = undefined;
  return after ?? lines;
}

/** What is known where two ways meet. */
export const meet = (x: Lines, y: Lines): Lines =>
  x.map((line, i) => {
    const other = y[i];
    return line?.register === other?.register && line?.delta === other?.delta ? line : undefined;
  });
