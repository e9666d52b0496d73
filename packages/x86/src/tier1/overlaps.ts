/**
 * Tier 0's blocks begin where a jump leads and go on to the next one, so that code which is also fallen into is the end of another
 * block: the head of a loop, of what comes before the loop. Then two blocks jump into the middle of that loop, which has no head any
 * longer. Such a block ends here where the other one begins: no stop and no fault comes out elsewhere, since both end with the same
 * jump.
 */
import { findLive } from '../tier0/translate.ts';
import { type Block, type BlockCode, NEVER, type Region } from './region.ts';
import { edgeKey, structureOf, successors } from './structure.ts';

type Blocks = Pick<Region, 'blocks' | 'entries'>;

/** Cuts blocks that other ones begin in, as far as that gives loops their heads. Returns how many instructions it saves. */
export function cutOverlaps(region: Blocks): number {
  let saved = 0;
  for (let before = -1; saved > before;) {
    before = saved;
    const { indirect } = structureOf(region);
    if (indirect.size === 0) break;
    const jumps = region.blocks.filter((from) =>
      successors(from).some((to) => indirect.has(edgeKey(from, to))),
    );
    for (const block of jumps) saved += cutAround(region, block);
  }
  return saved;
}

/** Cuts all blocks that end as this one does. */
function cutAround({ blocks }: Blocks, block: Block): number {
  const all = blocks.filter((other) => endsAs(block, other));
  const byStart = all.toSorted((a, b) => b.code.va - a.code.va);
  let saved = 0;
  for (const [i, longer] of byStart.entries()) {
    const shorter = byStart[i - 1];
    const at = shorter ? longer.code.addresses.indexOf(shorter.code.va) : 0;
    if (at <= 0) continue;
    saved += longer.code.insns.length - at;
    longer.code = headOf(longer.code, at);
    longer.targets.length = 0;
    longer.taken = longer.behind = undefined;
    longer.next = shorter;
  }
  return saved;
}

/** Whether two blocks end with the same jump, and go on to the same blocks from there. */
function endsAs(a: Block, b: Block): boolean {
  return (
    a.code.addresses.at(-1) === b.code.addresses.at(-1) &&
    a.inline === b.inline &&
    a.taken === b.taken &&
    a.next === b.next &&
    a.behind === b.behind &&
    a.usesHub === b.usesHub &&
    a.targets.length === b.targets.length &&
    a.targets.every((to, i) => to === b.targets[i])
  );
}

/** The first instructions of a block. */
function headOf(code: BlockCode, count: number): BlockCode {
  const insns = code.insns.slice(0, count);
  const live = new Uint8Array(count);
  findLive(insns, count, live);
  return {
    ...code,
    insns,
    live,
    records: code.records.slice(0, count),
    addresses: code.addresses.slice(0, count + 1),
    taken: NEVER,
  };
}
