/** Where a function begins: regions are best made for what others call, not for the hot loop behind it. */
import type { CodePage } from '../tier0/code-pages.ts';
import { decodeWithin, type Surroundings } from './region.ts';

/** A known block: where its instructions begin, and where it goes on in its page. */
interface Known {
  readonly starts: readonly number[];
  readonly on: readonly number[];
}

/** How the known blocks of a page are connected, by their offsets. */
interface Flow {
  readonly known: Map<number, Known>;
  readonly predecessors: Map<number, number[]>;
  readonly called: Set<number>;
  /** How many of its blocks have been looked at. */
  blocks: number;
}

/** Takes in the blocks of a page that have become known since. */
function follow(flow: Flow, around: Surroundings, page: CodePage): void {
  const { known, predecessors, called } = flow;
  for (const offset of [...page.blocks.keys()].slice(flow.blocks)) {
    const insns = decodeWithin(around, page, page.va + offset);
    const last = insns.at(-1);
    if (!last) continue;
    const { row, imm } = last;
    const starts = [offset];
    for (const { length } of insns) starts.push(starts.at(-1)! + length);
    const after = starts.pop()!;
    const isDirect = row.operands.some(({ code }) => code === 'J');
    const endsHere = row.sem === 'jmp' || row.sem === 'ret' || row.sem === 'jmp_indirect';
    const on = endsHere ? [] : [after];
    if (row.sem === 'call') called.add(after + imm);
    else if (isDirect) on.push(after + imm);
    known.set(offset, { starts, on });
    for (const to of on) {
      const before = predecessors.get(to);
      if (before) before.push(offset);
      else predecessors.set(to, [offset]);
    }
  }
  flow.blocks = page.blocks.size;
}

/** What is known of the functions of pages, for as long as their code is. */
export class Flows {
  readonly #flows = new WeakMap<CodePage, Flow>();

  /**
   * The first block of the function that a block belongs to, as far as known code of its page leads there.
   * @returns the offset of that block, or of the block itself
   */
  functionAround(around: Surroundings, page: CodePage, offset: number): number {
    const { predecessors, called } = this.#flowOf(around, page);
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
    const { known } = this.#flowOf(around, page);
    // Where another block begins in one, that goes on with it.
    const onwards = new Map<number, readonly number[]>();
    for (const [at, { starts, on }] of known) {
      const next = starts.find((start) => start !== at && known.has(start));
      onwards.set(at, next === undefined ? on : [next]);
    }
    const heads: number[] = [];
    for (let within = new Set(known.keys()); ;) {
      const loop = loopIn(onwards, within, offset);
      const entries = [...loop].filter((to) =>
        [...onwards].some(([from, on]) => !loop.has(from) && on.includes(to)),
      );
      // With several ways into it, none of them is its head.
      if (entries.length !== 1) return heads;
      const [head] = entries as [number];
      // What falls into the head has been seen where the head itself has not.
      const falling = [...loop].filter((at) => at !== head && known.get(at)!.starts.includes(head));
      heads.push(head, ...falling);
      if (head === offset) return heads;
      within = loop;
      within.delete(head);
    }
  }

  #flowOf(around: Surroundings, page: CodePage): Flow {
    let flow = this.#flows.get(page);
    if (!flow) this.#flows.set(page, (flow = { known: new Map(), predecessors: new Map(), called: new Set(), blocks: 0 })); // prettier-ignore
    if (flow.blocks < page.blocks.size) follow(flow, around, page);
    return flow;
  }
}

/** Blocks that lead to one and back again, among some. */
function loopIn(
  onwards: ReadonlyMap<number, readonly number[]>,
  within: ReadonlySet<number>,
  block: number,
): Set<number> {
  const behind = new Set<number>();
  const waiting = [block];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop())
    for (const to of onwards.get(at) ?? [])
      if (within.has(to) && !behind.has(to)) {
        behind.add(to);
        waiting.push(to);
      }
  const loop = new Set<number>();
  if (!behind.has(block)) return loop;
  for (let size = -1; loop.size > size;) {
    size = loop.size;
    loop.add(block);
    for (const at of behind) if (onwards.get(at)!.some((to) => loop.has(to))) loop.add(at);
  }
  return loop;
}
