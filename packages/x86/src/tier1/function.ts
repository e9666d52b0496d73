/** Where a function begins: regions are best made for what others call, not for the hot loop behind it. */
import type { CodePage } from '../tier0/code-pages.ts';
import { decodeWithin, type Surroundings } from './region.ts';

/** How the known blocks of a page are connected, by their offsets. */
interface Flow {
  readonly predecessors: ReadonlyMap<number, readonly number[]>;
  readonly called: ReadonlySet<number>;
}

function flowOf(around: Surroundings, page: CodePage): Flow {
  const predecessors = new Map<number, number[]>();
  const called = new Set<number>();
  for (const offset of page.blocks.keys()) {
    const insns = decodeWithin(around, page, page.va + offset);
    const last = insns.at(-1);
    if (!last) continue;
    const { row, imm } = last;
    const connect = (to: number): void => {
      const known = predecessors.get(to);
      if (known) known.push(offset);
      else predecessors.set(to, [offset]);
    };
    const after = insns.reduce((at, { length }) => at + length, offset);
    const isDirect = row.operands.some(({ code }) => code === 'J');
    if (row.sem === 'call') called.add(after + imm);
    else if (isDirect) connect(after + imm);
    const endsHere = row.sem === 'jmp' || row.sem === 'ret' || row.sem === 'jmp_indirect';
    if (!endsHere) connect(after);
  }
  return { predecessors, called };
}

/**
 * The first block of the function that a block belongs to, as far as known code of its page leads there.
 * @returns the offset of that block, or of the block itself
 */
export function functionAround(around: Surroundings, page: CodePage, offset: number): number {
  const { predecessors, called } = flowOf(around, page);
  const seen = new Set([offset]);
  let first = offset;
  for (const at of seen) {
    const before = predecessors.get(at) ?? [];
    if (before.length === 0 || called.has(at)) first = Math.min(first, at);
    if (!called.has(at)) for (const from of before) seen.add(from);
  }
  return first;
}
