/** Where a function begins: regions are best made for what others call, not for the hot loop behind it. */
import type { CodePage } from '../tier0/code-pages.ts';
import { decodeWithin, type Surroundings } from './region.ts';

/** A known block, by offsets in its page: where it begins and ends, and where it goes on, or -1. */
interface Known {
  readonly at: number;
  readonly end: number;
  /** Behind it, and where its branch leads. */
  readonly next: number;
  readonly taken: number;
}

const NOWHERE = -1;

/** What is known of a page: wide programs have many, so there is not much of each. */
interface Flow {
  readonly known: Known[];
  readonly called: Set<number>;
  /** How many of its blocks have been looked at. */
  blocks: number;
}

/** Takes in the blocks of a page that have become known since. */
function follow({ known, called, blocks }: Flow, around: Surroundings, page: CodePage): void {
  for (const offset of [...page.blocks.keys()].slice(blocks)) {
    // Small integers take no room of their own.
    const at = offset | 0;
    const insns = decodeWithin(around, page, page.va + at);
    const last = insns.at(-1);
    if (!last) continue;
    const { row, imm } = last;
    const end = insns.reduce((sum, { length }) => sum + length, at) | 0;
    const target = (end + imm) | 0;
    const endsHere = row.sem === 'jmp' || row.sem === 'ret' || row.sem === 'jmp_indirect';
    const isBranch = row.sem !== 'call' && row.operands.some(({ code }) => code === 'J');
    if (row.sem === 'call') called.add(target);
    known.push({ at, end, next: endsHere ? NOWHERE : end, taken: isBranch ? target : NOWHERE });
  }
}

const onwards = ({ next, taken }: Known): number[] =>
  [next, taken].filter((offset) => offset !== NOWHERE);

/** What is known of the functions of pages, for as long as their code is. */
export class Flows {
  readonly #flows = new WeakMap<CodePage, Flow>();

  /**
   * The first block of the function that a block belongs to, as far as known code of its page leads there.
   * @returns the offset of that block, or of the block itself
   */
  functionAround(around: Surroundings, page: CodePage, offset: number): number {
    const { known, called } = this.#flowOf(around, page);
    const predecessors = new Map<number, number[]>();
    for (const block of known)
      for (const to of onwards(block)) predecessors.set(to, [...(predecessors.get(to) ?? []), block.at]); // prettier-ignore
    const seen = new Set([offset]);
    let first = offset;
    for (const at of seen) {
      const before = predecessors.get(at) ?? [];
      if (before.length === 0 || called.has(at)) first = Math.min(first, at);
      if (!called.has(at)) for (const from of before) seen.add(from);
    }
    return first;
  }

  /** The heads of the loops that a block is in, outermost first, and what falls into them; as far as all are in its page. */
  headsAround(around: Surroundings, page: CodePage, offset: number): number[] {
    const known = [...this.#flowOf(around, page).known].sort((a, b) => a.at - b.at);
    // Where another block begins in one, that goes on with it.
    const on = new Map(
      known.map((block, i): [number, readonly number[]] => {
        const within = known[i + 1];
        return [block.at, within && within.at < block.end ? [within.at] : onwards(block)];
      }),
    );
    const heads: number[] = [];
    for (let within = new Set(on.keys()); ;) {
      const loop = loopIn(on, within, offset);
      const entries = [...loop].filter((to) =>
        [...on].some(([from, onto]) => !loop.has(from) && onto.includes(to)),
      );
      // With several ways into it, none of them is its head.
      if (entries.length !== 1) return heads;
      const [head] = entries as [number];
      // What falls into the head has been seen where the head itself has not.
      const falling = known.filter(({ at, end }) => loop.has(at) && at < head && head < end);
      heads.push(head, ...falling.map(({ at }) => at));
      if (head === offset) return heads;
      within = loop;
      within.delete(head);
    }
  }

  #flowOf(around: Surroundings, page: CodePage): Flow {
    let flow = this.#flows.get(page);
    if (!flow) this.#flows.set(page, (flow = { known: [], called: new Set(), blocks: 0 }));
    if (flow.blocks < page.blocks.size) {
      follow(flow, around, page);
      flow.blocks = page.blocks.size;
    }
    return flow;
  }
}

/** Blocks that lead to one and back again, among some. */
function loopIn(
  on: ReadonlyMap<number, readonly number[]>,
  within: ReadonlySet<number>,
  block: number,
): Set<number> {
  const behind = new Set<number>();
  const waiting = [block];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop())
    for (const to of on.get(at) ?? [])
      if (within.has(to) && !behind.has(to)) {
        behind.add(to);
        waiting.push(to);
      }
  const loop = new Set<number>();
  if (!behind.has(block)) return loop;
  for (let size = -1; loop.size > size;) {
    size = loop.size;
    loop.add(block);
    for (const at of behind) if (on.get(at)!.some((to) => loop.has(to))) loop.add(at);
  }
  return loop;
}
