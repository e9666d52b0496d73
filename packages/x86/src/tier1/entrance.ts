/**
 * Entries of loops. Tier 0 may be anywhere in a loop when a region for that is there, or when a time slice ends. A jump into its middle
 * would make it a loop with two heads: so whoever comes there goes on in copies of the blocks up to the head.
 */
import type { Block, Region } from './region.ts';
import { edgeKey, structureOf, successors, type Structure } from './structure.ts';

type Blocks = Pick<Region, 'blocks' | 'entries'> & { readonly blocks: Block[] };

/** Instructions that are copied for one entry. */
const MOST = 16;

/** The head of the innermost loop that a block is in. */
function loopAround(
  { blocks }: Blocks,
  { children, isLoop }: Structure,
  block: Block,
): Block | undefined {
  const behind = new Set(successors(block));
  for (const one of behind) for (const to of successors(one)) behind.add(to);
  const dominator = new Map<Block, Block>();
  blocks.forEach((parent, i) => children[i]!.forEach((child) => dominator.set(child, parent)));
  let head: Block | undefined = block;
  while (head && !(isLoop[head.index] && behind.has(head))) head = dominator.get(head);
  return head;
}

/** The blocks of a loop. */
function bodyOf({ blocks }: Blocks, { order, indirect }: Structure, head: Block): Set<Block> {
  const body = new Set([head]);
  const goesOn = (from: Block, to: Block): boolean =>
    body.has(to) && !indirect.has(edgeKey(from, to)) && order[from.index]! > order[head.index]!;
  for (let size = 0; body.size > size;) {
    size = body.size;
    for (const from of blocks) if (successors(from).some((to) => goesOn(from, to))) body.add(from);
  }
  return body;
}

/** The blocks from one of a loop to its head, where there is one way only. */
function wayTo(head: Block, block: Block, body: ReadonlySet<Block>): Block[] | undefined {
  const way = [block];
  let length = 0;
  for (let at = block; ;) {
    length += at.code.insns.length;
    if (length > MOST || at.behind || at.usesHub || at.targets.length > 0) return undefined;
    const [on, ...others] = new Set(successors(at).filter((to) => body.has(to)));
    if (!on || others.length > 0) return undefined;
    at = on;
    if (at === head) return way;
    way.push(at);
  }
}

/** Where tier 0 may enter the innermost loop around a block: there, and at the loop's head if that has a short way to it. */
export function entrancesAt(region: Blocks, block: Block): Block[] {
  const structure = structureOf(region);
  const head = loopAround(region, structure, block);
  if (!head) return [];
  if (head === block) return [head];
  const way = wayTo(head, block, bodyOf(region, structure, head));
  return way ? [head, copyOf(region, way, head)] : [block];
}

function copyOf({ blocks }: Blocks, way: readonly Block[], head: Block): Block {
  let on = head;
  for (const [i, block] of [...way.entries()].toReversed()) {
    const before = way[i + 1] ?? head;
    const to = (target: Block | undefined): Block | undefined => (target === before ? on : target);
    const { taken, next } = block;
    on = { ...block, index: blocks.length, targets: [], taken: to(taken), next: to(next) };
    blocks.push(on);
  }
  return on;
}
