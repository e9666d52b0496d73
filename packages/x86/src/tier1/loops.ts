/** Loops of a region that go through arrays, and how registers go on in them. */
import { RSP } from '../cpu.ts';
import type { Insn } from '../decode.ts';
import { SLOT_ZERO } from '../layout.ts';
import { type Count, countOf } from './counted.ts';
import { AT_HEAD, type Line, type Lines, linesAfter, meet } from './lines.ts';
import type { Block, Region } from './region.ts';
import { isOfNumbers } from './stream.ts';
import { edgeKey, jumpsOf, type Structure, successors } from './structure.ts';

/** Instructions of a loop that is worth being there twice. */
const MOST_INSNS = 100;

/** A loop that may be there twice. */
export interface Loop {
  readonly head: Block;
  readonly members: readonly Block[];
  /** Registers where its blocks begin. */
  readonly starts: ReadonlyMap<Block, Lines>;
  /** How much more each register is after a time round. */
  readonly steps: readonly (bigint | undefined)[];
  /** Fewest instructions of a time round. */
  readonly least: number;
  /** Where that is known: how many times it goes round. */
  readonly count: Count | undefined;
}

/** Innermost loops with accesses that go on evenly. */
export function loopsOf({ blocks }: Region, structure: Structure): Loop[] {
  const { isLoop, order, indirect } = structure;
  if (!isLoop.includes(1)) return [];
  const before = blocks.map((): Block[] => []);
  for (const from of blocks)
    for (const to of successors(from))
      if (order[from.index]! >= 0 && !indirect.has(edgeKey(from, to))) before[to.index]!.push(from);
  return blocks.flatMap((head) => {
    if (!isLoop[head.index]) return [];
    const back = before[head.index]!.filter((from) => order[from.index]! >= order[head.index]!);
    // Loops around one another may have the same head: ways back are left out, the longest first, until those left are of one loop.
    const sizes = new Map(back.map((from) => [from, bodyOf(head, [from], before).size]));
    const ways = back.toSorted((x, y) => sizes.get(x)! - sizes.get(y)!);
    for (; ways.length > 0; ways.pop()) {
      const body = [...bodyOf(head, ways, before)];
      const members = body.toSorted((x, y) => order[x.index]! - order[y.index]!);
      const loop = canBeTwice(members, isLoop) ? loopOf(head, members) : undefined;
      if (loop) return [loop];
    }
    return [];
  });
}

/** @param members the head and what comes behind it */
function canBeTwice([head, ...others]: readonly Block[], isLoop: Uint8Array): boolean {
  const insns = [head!, ...others].flatMap(({ code }) => code.insns);
  return (
    insns.length <= MOST_INSNS &&
    isOfNumbers(insns) &&
    ![head!, ...others].some(({ behind, usesHub }) => behind || usesHub) &&
    !others.some(({ index }) => isLoop[index])
  );
}

/** The blocks of a loop that goes back from some to its head. @param before where jumps to each block come from */
function bodyOf(
  head: Block,
  back: readonly Block[],
  before: readonly (readonly Block[])[],
): Set<Block> {
  const body = new Set([head]);
  const left = [...back];
  for (let one = left.pop(); one; one = left.pop()) {
    if (body.has(one)) continue;
    body.add(one);
    left.push(...before[one.index]!);
  }
  return body;
}

/** @param members the blocks of a loop, each behind those that lead to it */
function loopOf(head: Block, members: readonly Block[]): Loop | undefined {
  const starts = new Map<Block, Lines>([[head, AT_HEAD]]);
  const fewest = new Map<Block, number>([[head, 0]]);
  let end: Lines | undefined;
  let least = Infinity;
  const used: Lines[] = [];
  for (const block of members) {
    let lines = starts.get(block)!;
    for (const insn of block.code.insns) {
      if (accessesMemory(insn))
        used.push(
          [insn.base, insn.index].filter((one) => one !== SLOT_ZERO).map((one) => lines[one]),
        );
      lines = linesAfter(insn, lines);
    }
    const length = fewest.get(block)! + block.code.insns.length;
    for (const to of jumpsOf(block)) {
      if (to === head) {
        end = end ? meet(end, lines) : lines;
        least = Math.min(least, length);
      } else if (members.includes(to)) {
        const known = starts.get(to);
        starts.set(to, known ? meet(known, lines) : lines);
        fewest.set(to, Math.min(fewest.get(to) ?? Infinity, length));
      }
    }
  }
  if (!end) return undefined;
  const steps = end.map((line, i) => (line?.register === i ? line.delta : undefined));
  const stepOf = (line: Line | undefined): bigint | undefined => line && steps[line.register];
  const goesOn = (lines: Lines): boolean =>
    lines.every((line) => stepOf(line) !== undefined) && lines.some((line) => stepOf(line) !== 0n);
  if (!used.some(goesOn)) return undefined;
  const count = members.length === 1 ? countOf(head) : undefined;
  return { head, members, starts, steps, least, count };
}

/** Whether an instruction accesses memory, but for the stack. */
const accessesMemory = ({ row, isReg, base }: Insn): boolean =>
  !isReg &&
  base !== RSP &&
  row.sem !== 'lea' &&
  row.operands.some(({ code }) => 'EMWQ'.includes(code));
