/**
 * The control flow of a region as WebAssembly can express it: loops and blocks nested by dominance (Ramsey, "Beyond
 * Relooper", ICFP 2022). Entries, and the targets of jumps into the middle of a loop, are reached through the
 * dispatcher, a loop with a `br_table` around everything.
 */
import type { Insn } from '../decode.ts';
import type { Block, Region } from './region.ts';

export interface Structure {
  /** Blocks that the dispatcher leads to; the region's entries come first. */
  readonly dispatched: readonly Block[];
  /** Position in reverse postorder; -1 for what no path reaches. */
  readonly order: Int32Array;
  /** Jumps that go through the dispatcher, as "from,to" of block indices. */
  readonly indirect: ReadonlySet<string>;
  readonly isLoop: Uint8Array;
  /** Blocks that several jumps, or the dispatcher, lead to from above: each stands behind a WebAssembly block. */
  readonly isMerge: Uint8Array;
  /** Blocks that the block immediately dominates, in reverse postorder; [count] has those of the dispatcher. */
  readonly children: readonly (readonly Block[])[];
  /** Blocks before which the fuel is looked at: besides those that jumps back lead to. */
  readonly isStop: Uint8Array;
  /** Most instructions from the start of a block to the next look at the fuel. */
  readonly longest: Int32Array;
  /** The head of the tight loop that a block is in, or -1: one that has no other in it, and no calls that leave. */
  readonly tight: Int32Array;
}

/** Instructions between two looks at the fuel, where blocks are not longer: tier 0 executes so many before it ends. */
const STRIDE = 200;

export const edgeKey = (from: Block, to: Block): string => `${from.index},${to.index}`;

/** Where a block jumps to, with the registers as they are: a block twice that is both taken and next. */
export function jumpsOf({ taken, next, targets, again }: Block): Block[] {
  return [...targets, taken, next, again].filter((block) => block !== undefined);
}

/** The same, and where a call comes back. */
export function successors(block: Block): Block[] {
  const { behind } = block;
  return behind ? [...jumpsOf(block), behind] : jumpsOf(block);
}

/** Control flow with the dispatcher as its root, of which some jumps are cut because they go through it. */
class Flow {
  readonly #blocks: readonly Block[];
  readonly #successors: readonly Block[][];
  readonly dispatched: Block[];
  readonly indirect: Set<string> = new Set();
  readonly order: Int32Array;
  readonly reverse: Block[] = [];
  /** Immediate dominator; `count` stands for the dispatcher. */
  readonly dominator: Int32Array;
  predecessors: number[][] = [];

  constructor(region: Pick<Region, 'blocks' | 'entries'>) {
    this.#blocks = region.blocks;
    this.#successors = region.blocks.map(successors);
    this.dispatched = [...region.entries];
    this.order = new Int32Array(region.blocks.length);
    this.dominator = new Int32Array(region.blocks.length);
  }

  /** Successors that are jumped to directly. */
  direct(block: Block): Block[] {
    return this.#successors[block.index]!.filter((to) => !this.indirect.has(edgeKey(block, to)));
  }

  /** Orders the blocks, and finds dominators by Cooper, Harvey and Kennedy's iteration. */
  analyse(): void {
    const count = this.#blocks.length;
    this.order.fill(-1);
    this.reverse.length = 0;
    const seen = new Uint8Array(count);
    const visit = (start: Block): void => {
      const stack = [{ block: start, left: this.direct(start) }];
      seen[start.index] = 1;
      while (stack.length > 0) {
        const top = stack.at(-1)!;
        const to = top.left.pop();
        if (!to) this.reverse.push(stack.pop()!.block);
        else if (!seen[to.index]) {
          seen[to.index] = 1;
          stack.push({ block: to, left: this.direct(to) });
        }
      }
    };
    for (const block of this.dispatched.toReversed()) if (!seen[block.index]) visit(block);
    this.reverse.reverse();
    this.reverse.forEach((block, i) => (this.order[block.index] = i));
    this.predecessors = Array.from({ length: count }, () => []);
    for (const block of this.reverse)
      for (const to of this.direct(block)) this.predecessors[to.index]!.push(block.index);
    this.#dominators();
  }

  #dominators(): void {
    const count = this.#blocks.length;
    this.dominator.fill(-1);
    const place = (i: number): number => (i === count ? -1 : this.order[i]!);
    const meet = (a: number, b: number): number => {
      let [x, y] = [a, b];
      while (x !== y) {
        while (place(x) > place(y)) x = this.dominator[x]!;
        while (place(y) > place(x)) y = this.dominator[y]!;
      }
      return x;
    };
    const roots = new Set(this.dispatched.map((block) => block.index));
    for (let changed = true; changed;) {
      changed = false;
      for (const { index } of this.reverse) {
        let found = roots.has(index) ? count : -1;
        for (const from of this.predecessors[index]!)
          if (this.dominator[from]! >= 0) found = found < 0 ? from : meet(found, from);
        if (found === this.dominator[index]) continue;
        this.dominator[index] = found;
        changed = true;
      }
    }
  }

  dominates(a: Block, b: Block): boolean {
    const count = this.#blocks.length;
    let at: number = b.index;
    while (at !== count && this.order[at]! > this.order[a.index]!) at = this.dominator[at]!;
    return at === a.index;
  }

  /** Jumps back to a block that does not dominate them go through the dispatcher. Returns whether there were any. */
  cut(): boolean {
    let found = false;
    for (const from of this.reverse)
      for (const to of this.direct(from)) {
        if (this.order[to.index]! > this.order[from.index]! || this.dominates(to, from)) continue;
        this.indirect.add(edgeKey(from, to));
        if (!this.dispatched.includes(to)) this.dispatched.push(to);
        found = true;
      }
    return found;
  }
}

export function structureOf(region: Pick<Region, 'blocks' | 'entries'>): Structure {
  const flow = new Flow(region);
  do flow.analyse();
  while (flow.cut());
  const { blocks } = region;
  const count = blocks.length;
  const { order, dominator, dispatched } = flow;
  const isLoop = new Uint8Array(count);
  const isMerge = new Uint8Array(count);
  const longest = new Int32Array(count);
  const children: Block[][] = Array.from({ length: count + 1 }, () => []);
  for (const block of flow.reverse) {
    const before = flow.predecessors[block.index]!;
    const back = before.filter((from) => order[from]! >= order[block.index]!).length;
    if (back > 0) isLoop[block.index] = 1;
    if (before.length - back > 1 || dominator[block.index] === count) isMerge[block.index] = 1;
    children[dominator[block.index]!]!.push(block);
  }
  const isStop = new Uint8Array(count);
  for (const block of flow.reverse.toReversed()) {
    const { length } = block.code.insns;
    let most = 0;
    for (const to of jumpsOf(block)) {
      if (flow.indirect.has(edgeKey(block, to))) continue;
      if (order[to.index]! <= order[block.index]!) continue;
      if (length + longest[to.index]! > STRIDE) isStop[to.index] = 1;
      if (!isStop[to.index]) most = Math.max(most, longest[to.index]!);
    }
    longest[block.index] = most + length;
  }
  const tight = tightLoops(region, flow, isLoop);
  return { dispatched, order, indirect: flow.indirect, isLoop, isMerge, children, isStop, longest, tight }; // prettier-ignore
}

/** The instructions of each tight loop, by its head. */
export function tightInsns(
  blocks: readonly Block[],
  { tight }: Structure,
): Map<number, readonly Insn[]> {
  const loops = new Map<number, Insn[]>();
  for (const { index, code } of blocks) {
    const head = tight[index]!;
    if (head < 0) continue;
    const known = loops.get(head);
    if (known) known.push(...code.insns);
    else loops.set(head, [...code.insns]);
  }
  return loops;
}

/** Instructions of a tight loop. */
const TIGHT = 400;

function tightLoops(
  { blocks }: Pick<Region, 'blocks'>,
  flow: Flow,
  isLoop: Uint8Array,
): Int32Array {
  const tight = new Int32Array(blocks.length).fill(-1);
  for (const head of blocks) {
    if (!isLoop[head.index]) continue;
    const body = new Set([head.index]);
    const left = flow.predecessors[head.index]!.filter(
      (from) => flow.order[from]! >= flow.order[head.index]!,
    );
    for (let from = left.pop(); from !== undefined; from = left.pop()) {
      if (body.has(from)) continue;
      body.add(from);
      left.push(...flow.predecessors[from]!);
    }
    const members = [...body].map((index) => blocks[index]!);
    const size = members.reduce((sum, { code }) => sum + code.insns.length, 0);
    if (
      size > TIGHT ||
      members.some((one) => one.behind || one.usesHub || (one !== head && isLoop[one.index]))
    )
      continue;
    for (const index of body) tight[index] = head.index;
  }
  return tight;
}
