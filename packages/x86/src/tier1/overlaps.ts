/**
 * Tier 0's blocks begin where a jump leads and go on to the next one, so that code which is also fallen into is the end of another
 * block: the head of a loop, of what comes before the loop. Then two blocks jump into the middle of that loop, and it has another
 * head, or none. Such a block ends here where the other one begins: no stop and no fault comes out elsewhere, since both end with the
 * same jump.
 */
import { findLive } from '../tier0/translate.ts';
import { type Block, type BlockCode, NEVER, type Region } from './region.ts';
import { type Structure, structureOf } from './structure.ts';

/** A block in which another one begins. */
interface Overlap {
  readonly longer: Block;
  readonly shorter: Block;
}

/** How often it is looked what cutting a block leads to, for one region. */
const MOST_TRIED = 32;

/** Cuts blocks where that leaves fewer loops, or fewer ways into them, and returns those. */
export function cutOverlaps(region: Pick<Region, 'blocks' | 'entries'>): Block[] {
  const blocks: Block[] = [];
  const left = new Set(overlapsOf(region.blocks));
  if (left.size === 0) return blocks;
  let least = disorder(structureOf(region));
  for (let tried = 0; least > 0 && tried + left.size <= MOST_TRIED; tried += left.size) {
    let best: Overlap | undefined;
    for (const overlap of left) {
      const mend = cut(overlap);
      const after = structureOf(region);
      if (disorder(after) < least && after.isLoop[overlap.shorter.index]) {
        least = disorder(after);
        best = overlap;
      }
      mend();
    }
    // Where ways merely meet it is better that each goes on by itself.
    if (!best) break;
    cut(best);
    left.delete(best);
    blocks.push(best.longer);
  }
  return blocks;
}

const disorder = ({ isLoop, indirect }: Structure): number =>
  isLoop.reduce((sum, is) => sum + is, indirect.size);

/** Of blocks that end with the same jump, each with the longest one that begins in it. */
function overlapsOf(blocks: readonly Block[]): Overlap[] {
  const ends = new Map<number, Block[]>();
  for (const block of blocks) {
    const end = endOf(block);
    const known = ends.get(end);
    if (known) known.push(block);
    else ends.set(end, [block]);
  }
  return [...ends.values()].flatMap((some) => {
    const byLength = some.toSorted((a, b) => b.code.va - a.code.va);
    return byLength.flatMap((longer, i) => {
      const others = byLength.slice(0, i).toReversed();
      const shorter = others.find((other) => endsAs(longer, other) && longer.code.addresses.indexOf(other.code.va) > 0); // prettier-ignore
      return shorter ? [{ longer, shorter }] : [];
    });
  });
}

const endOf = ({ code }: Block): number => code.addresses.at(-1)!;

/** Cuts a block where another one begins in it. Returns what mends it. */
function cut({ longer, shorter }: Overlap): () => void {
  const { code } = longer;
  // The other one may have been cut as well.
  let heir = shorter;
  while (endOf(heir) !== endOf(longer)) heir = heir.next!;
  const relink = [linksOf(longer), linksOf(heir)];
  longer.code = headOf(code, code.addresses.indexOf(shorter.code.va));
  hand(longer, heir);
  longer.next = shorter;
  return () => {
    longer.code = code;
    for (const restore of relink) restore();
  };
}

/** Notes where a block goes on. Returns what has it go on there again. */
function linksOf(block: Block): () => void {
  const { taken, next, behind } = block;
  const targets = [...block.targets];
  return () => {
    Object.assign(block, { taken, next, behind });
    block.targets.splice(0, Infinity, ...targets);
  };
}

/** Whether two blocks end with the same jump: one may have been seen to go on where the other has not. */
function endsAs(a: Block, b: Block): boolean {
  const agree = (x: Block | undefined, y: Block | undefined): boolean => !x || !y || x === y;
  return (
    endOf(a) === endOf(b) &&
    a.inline === b.inline &&
    agree(a.taken, b.taken) &&
    agree(a.next, b.next) &&
    agree(a.behind, b.behind) &&
    a.usesHub === b.usesHub
  );
}

/** One block goes on as another has done. */
function hand(from: Block, to: Block): void {
  to.taken ??= from.taken;
  to.next ??= from.next;
  to.behind ??= from.behind;
  for (const target of from.targets) if (!to.targets.includes(target)) to.targets.push(target);
  from.taken = from.next = from.behind = undefined;
  from.targets.length = 0;
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
