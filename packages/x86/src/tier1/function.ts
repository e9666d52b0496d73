/** Where a function begins: regions are best made for what others call, not for the hot loop behind it. */
import type { CodePage } from '../tier0/code-pages.ts';
import { decodeWithin, type Surroundings } from './region.ts';

/** How the known blocks of a page are connected, by their offsets. */
interface Flow {
  readonly predecessors: Map<number, number[]>;
  readonly called: Set<number>;
  /** How many of its blocks have been looked at. */
  blocks: number;
}

/** Takes in the blocks of a page that have become known since. */
function follow(flow: Flow, around: Surroundings, page: CodePage): void {
  const { predecessors, called } = flow;
  const connect = (from: number, to: number): void => {
    const known = predecessors.get(to);
    if (known) known.push(from);
    else predecessors.set(to, [from]);
  };
  for (const offset of [...page.blocks.keys()].slice(flow.blocks)) {
    const insns = decodeWithin(around, page, page.va + offset);
    const last = insns.at(-1);
    if (!last) continue;
    const { row, imm } = last;
    const after = insns.reduce((at, { length }) => at + length, offset);
    const isDirect = row.operands.some(({ code }) => code === 'J');
    if (row.sem === 'call') called.add(after + imm);
    else if (isDirect) connect(offset, after + imm);
    const endsHere = row.sem === 'jmp' || row.sem === 'ret' || row.sem === 'jmp_indirect';
    if (!endsHere) connect(offset, after);
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
    let flow = this.#flows.get(page);
    if (!flow) this.#flows.set(page, (flow = { predecessors: new Map(), called: new Set(), blocks: 0 })); // prettier-ignore
    if (flow.blocks < page.blocks.size) follow(flow, around, page);
    const { predecessors, called } = flow;
    const seen = new Set([offset]);
    let first = offset;
    for (const at of seen) {
      const before = predecessors.get(at) ?? [];
      if (before.length === 0 || called.has(at)) first = Math.min(first, at);
      if (!called.has(at)) for (const from of before) seen.add(from);
    }
    return first;
  }
}
