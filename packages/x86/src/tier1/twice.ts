/** Regions in which loops that go through arrays are there twice (strip.ts). */
import { loopsOf } from './loops.ts';
import type { Block, BlockCode, Region } from './region.ts';
import { Strip } from './strip.ts';
import { jumpsOf, type Structure } from './structure.ts';

/** A region in which loops are there twice. */
export interface Stripped {
  readonly region: Region;
  readonly strips: readonly Strip[];
}

export function stripLoops(region: Region, structure: Structure): Stripped {
  const loops = loopsOf(region, structure);
  if (loops.length === 0) return { region, strips: [] };
  const blocks: Block[] = [];
  const clone = (block: Block): Block => {
    const made = { ...block, index: blocks.length, targets: [] };
    blocks.push(made);
    return made;
  };
  const clones = new Map(region.blocks.map((block) => [block, clone(block)]));
  const ways = new Map<Block, Block>();
  const outside = (to: Block): Block => ways.get(to) ?? clones.get(to)!;
  const made = loops.map((loop) => {
    const { head, members } = loop;
    const copies = [
      new Map(members.map((block) => [block, clones.get(block)!])),
      new Map(members.map((block) => [block, clone(block)])),
    ] as const;
    const way = clone({ ...head, code: nothingOf(head.code) });
    ways.set(head, way);
    return { loop, copies, way };
  });
  for (const [block, one] of clones) link(block, one, outside);
  for (const { copies, way, loop } of made) {
    const [plain, fast] = copies.map((some) => some.get(loop.head)!);
    Object.assign(way, { taken: fast, next: plain });
    for (const some of copies)
      for (const [block, one] of some) {
        link(block, one, (to) => some.get(to) ?? outside(to));
        if (jumpsOf(block).includes(loop.head)) one.again = way;
      }
  }
  return {
    region: {
      ...region,
      blocks,
      entries: region.entries.map(outside),
      hub: region.hub.map(outside),
    },
    strips: made.map(({ loop, copies, way }) => new Strip(loop, way, ...copies)),
  };
}

/** Code without instructions. */
const nothingOf = (code: BlockCode): BlockCode => ({
  ...code,
  insns: [],
  live: new Uint8Array(0),
  records: code.records.slice(0, 1),
  addresses: [code.va],
});

/** Has a copy of a block go on where copies of the others are. */
function link(block: Block, made: Block, copyOf: (to: Block) => Block): void {
  const to = (one: Block | undefined): Block | undefined => one && copyOf(one);
  Object.assign(made, { taken: to(block.taken), next: to(block.next), behind: to(block.behind) });
  made.targets.splice(0, Infinity, ...block.targets.map(copyOf));
}
