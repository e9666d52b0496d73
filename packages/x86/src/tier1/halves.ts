/**
 * Loads of vectors of which only the upper half is wanted: compilers read two numbers and then have the second one twice. The half is read
 * alone then, since the processor below waits where a load reads what two stores have just written.
 */
import type { Insn } from '../decode.ts';

const LOW = 1;
const HIGH = 2;
const BOTH = LOW | HIGH;

/** Instructions between registers that never leave, with what they want of each for what is wanted of their result. */
const MOVES: Readonly<
  Record<string, (wanted: number) => readonly [first: number, second: number]>
> = {
  movdq: (wanted) => [0, wanted],
  punpckhqdq: (wanted) => [wanted & LOW ? HIGH : 0, wanted & HIGH],
  punpcklqdq: (wanted) => [wanted & LOW, wanted & HIGH ? LOW : 0],
};

/** What touches no vectors, and never leaves. */
const INTEGER = /^(mov|lea|add|sub|inc|dec|and|or|xor|cmp|test)$/;

const isInteger = ({ row, isReg }: Insn): boolean =>
  INTEGER.test(row.sem) &&
  (isReg || row.sem === 'lea') &&
  row.operands.every(({ code }) => code !== 'O');

const isVector = ({ row: { operands } }: Insn): boolean =>
  operands[0]?.code === 'V' && operands[1]?.code === 'W';

/** Those of some instructions that read a vector of which nobody wants the lower half, by their places. */
export function upperLoads(insns: readonly Insn[]): ReadonlySet<number> {
  const found = new Set<number>();
  if (!insns.some(({ row }) => row.sem === 'punpckhqdq')) return found;
  const wanted = new Uint8Array(16).fill(BOTH);
  for (let i = insns.length - 1; i >= 0; i--) {
    const insn = insns[i]!;
    const { row, isReg, reg, rm } = insn;
    const move = isVector(insn) ? MOVES[row.sem] : undefined;
    if (move && isReg) {
      const [first, second] = move(wanted[reg]!);
      wanted[reg] = first;
      wanted[rm]! |= second;
    } else if (!isInteger(insn)) {
      if (move && row.sem === 'movdq' && wanted[reg] === HIGH) found.add(i);
      wanted.fill(BOTH);
    }
  }
  return found;
}
