/** How the general registers change within a loop: each as one that the loop's head has found, plus a constant. */
import { RSP } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import { SLOT_ZERO } from '../layout.ts';
import type { OperandSpec } from '../opcodes.ts';
import { FIXED } from '../tier0/operands.ts';
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

/** What an instruction leaves in a register: another, or itself, plus a constant. */
export interface Sum {
  readonly register: number;
  readonly delta: number;
}

/** The general register that an operand is, or -1. */
export function registerOf(insn: Insn, { code, text }: OperandSpec): number {
  if (code === 'G' || code === 'Z') return regSlot(insn) >> 3;
  if (code === 'fixed') return FIXED[text]!;
  return (code === 'E' && insn.isReg) || code === 'R' ? rmSlot(insn) >> 3 : -1;
}

/**
 * What MOV, LEA, ADD, SUB, INC and DEC leave in their first operand, if that is a sum.
 * @param width the low bits that it is to be right in: 64, or 32
 */
export function sumOf(insn: Insn, width = 64): Sum | undefined {
  const { row, opsize, base, index, address32, disp, dispHigh, imm } = insn;
  const [first, second] = row.operands;
  // Operands of a byte are so whatever a prefix says.
  if (opsize < width || first?.size === 'b') return undefined;
  const plus = (delta: number): Sum => ({ register: registerOf(insn, first!), delta });
  switch (row.sem) {
    case 'mov':
      return { register: registerOf(insn, second!), delta: 0 };
    case 'lea': {
      const isWhole = width === 32 || (!address32 && dispHigh === disp >> 31);
      return isWhole && index === SLOT_ZERO ? { register: base, delta: disp } : undefined;
    }
    case 'add':
      return second!.code === 'I' ? plus(imm) : undefined;
    case 'sub':
      return second!.code === 'I' ? plus(-imm) : undefined;
    case 'inc':
      return plus(1);
    case 'dec':
      return plus(-1);
    default:
      return undefined;
  }
}

/** The registers behind an instruction, or the low bits of all. */
export function linesAfter(insn: Insn, lines: Lines, width = 64): Lines {
  if (!isPlain(insn.row)) return NOTHING;
  const sum = sumOf(insn, width);
  const from = sum && lines[sum.register];
  const computed = from && { ...from, delta: from.delta + BigInt(sum.delta) };
  let after: (Line | undefined)[] | undefined;
  insn.row.operands.forEach((operand, i) => {
    const to = operand.access === 'r' ? -1 : registerOf(insn, operand);
    if (to < 0) return;
    after ??= [...lines];
    after[to] = i === 0 ? computed : undefined;
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
