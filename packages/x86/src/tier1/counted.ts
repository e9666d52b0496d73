/** Loops of one block that end when two registers are equal, or one and a constant: how many more times they go round is known. */
import type { Insn } from '../decode.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { AT_HEAD, type Line, type Lines, linesAfter, registerOf, sumOf } from './lines.ts';
import type { Block } from './region.ts';

/** What ends a loop when it is 0: a register less another one, plus a constant. It is compared at the end of each time round. */
export interface Count {
  readonly width: 32 | 64;
  readonly plus: number | undefined;
  readonly minus: number | undefined;
  /** At the end of the first time round, when the registers are what the loop's head has found. */
  readonly delta: bigint;
  /** How much more it is each time, which is not 0. */
  readonly step: bigint;
}

/** The low bits of JE and JNE. */
const EQUAL = 4;
const DIFFERENT = 5;

const RESULTS: ReadonlySet<string> = new Set(['add', 'sub', 'inc', 'dec']);

export function countOf(head: Block): Count | undefined {
  const { insns } = head.code;
  const branch = insns.at(-1)!;
  const condition = branch.row.opcode & 15;
  const goesOn = head.taken === head ? condition === DIFFERENT : condition === EQUAL;
  if (branch.row.sem !== 'jcc' || !goesOn || head.taken === head.next) return undefined;
  const last = insns.findLastIndex(({ row }) => row.writes | row.writesSometimes);
  const compare = insns[last];
  if (!compare || (compare.opsize !== 64 && compare.opsize !== 32)) return undefined;
  const width = compare.opsize;
  const after = (lines: Lines, insn: Insn): Lines => linesAfter(insn, lines, width);
  const before = insns.slice(0, last).reduce(after, AT_HEAD);
  const compared = comparedBy(compare, before, width);
  if (!compared) return undefined;
  const end = insns.slice(last).reduce(after, before);
  const stepOf = (register: number | undefined): bigint | undefined => {
    if (register === undefined) return 0n;
    const line = end[register];
    return line?.register === register ? line.delta : undefined;
  };
  const [more, less] = [stepOf(compared.plus), stepOf(compared.minus)];
  if (more === undefined || less === undefined) return undefined;
  const step = BigInt.asIntN(width, more - less);
  return step === 0n ? undefined : { ...compared, width, step };
}

/** What an instruction compares with 0, as a sum of what the loop's head has found. */
function comparedBy(
  insn: Insn,
  before: Lines,
  width: 32 | 64,
): Pick<Count, 'plus' | 'minus' | 'delta'> | undefined {
  const { row, imm } = insn;
  const [first, second] = row.operands;
  if (!first || first.size === 'b') return undefined;
  if (RESULTS.has(row.sem)) {
    const sum = sumOf(insn, width);
    const line = sum && before[sum.register];
    return line && difference(line, undefined, BigInt(sum.delta));
  }
  if (row.sem !== 'cmp') return undefined;
  const x = before[registerOf(insn, first)];
  const y = before[registerOf(insn, second!)];
  if (second!.code === 'I') return x && difference(x, undefined, -BigInt(imm));
  return x && y && difference(x, y, 0n);
}

const difference = (
  x: Line,
  y: Line | undefined,
  delta: bigint,
): Pick<Count, 'plus' | 'minus' | 'delta'> => ({
  plus: x.register,
  minus: y?.register,
  delta: x.delta - (y?.delta ?? 0n) + delta,
});

/** How many times a loop surely goes round and on, from its head; so many at most. @param read gives a register at the head */
export function timesRound(
  b: Builder,
  { width, plus, minus, delta, step }: Count,
  read: (register: number) => Node,
  most: number,
): Node {
  const isWide = width === 64;
  const number = (value: bigint): Node => (isWide ? b.i64(value) : b.i32(Number(value)));
  const valueOf = (register: number | undefined): Node => {
    if (register === undefined) return number(0n);
    return isWide ? read(register) : b.wrap(read(register));
  };
  const first = b.add(b.sub(valueOf(plus), valueOf(minus)), number(BigInt.asIntN(width, delta)));
  const distance = step < 0n ? first : b.sub(number(0n), first);
  const length = step < 0n ? -step : step;
  const isPower = (length & (length - 1n)) === 0n;
  const times = b.var(
    isPower
      ? b.shrU(distance, number(BigInt(length.toString(2).length - 1)))
      : b.op(isWide ? 'i64.div_u' : 'i32.div_u', distance, number(length)),
  );
  const isFew = b.ltU(b.value(times), number(BigInt(most)));
  return b.select(isFew, b.wrap(b.value(times)), b.i32(most));
}
