/**
 * Which registers are read from memory where, and which are written back where a region is left: those that a path to there may
 * have written. At the ends of blocks everything is in memory, except within a tight loop (structure.ts). Sets are bit masks over
 * the registers that a frame keeps (frame.ts).
 */
import type { Block } from './region.ts';

/** What a way out of a block finds. */
export interface Leaving {
  readonly block: Block;
  /** Registers that the block may have written before. */
  readonly written: bigint;
  /** Those that it surely has. */
  readonly settled: bigint;
}

/** What a block does with registers. */
export class Use implements Leaving {
  readonly block: Block;
  /** Read before the block has surely written them. */
  reads = 0n;
  written = 0n;
  settled = 0n;
  /** Whether some ways out leave tier 0 to execute it from its start. */
  restarts = false;
  readonly exits: Leaving[] = [];
  /** Ways out of a loop within the instruction at hand. */
  readonly #inLoop: { written: bigint }[] = [];

  constructor(block: Block) {
    this.block = block;
  }

  /** The block is left here; a loop around may have written before what it writes behind. */
  leave(inLoop: boolean): Leaving {
    const { block, written, settled } = this;
    const leaving = { block, written, settled };
    this.exits.push(leaving);
    if (inLoop) this.#inLoop.push(leaving);
    return leaving;
  }

  /** An instruction has ended. */
  finish(): void {
    for (const leaving of this.#inLoop.splice(0)) leaving.written = this.written;
  }
}

export class Liveness {
  readonly #blocks: readonly Block[];
  readonly #uses: readonly Use[];
  /** What paths to a block may have written. */
  readonly #dirty: bigint[];
  /** What a block, or one behind it in the same tight loop, wants. */
  readonly #live: bigint[];
  readonly #successors: readonly (readonly Block[])[];
  readonly #stays: (from: Block, to: Block) => boolean;

  /** @param stays whether a jump stays in a tight loop, where registers are not written back */
  constructor(
    blocks: readonly Block[],
    successors: readonly (readonly Block[])[],
    uses: readonly Use[],
    stays: (from: Block, to: Block) => boolean,
  ) {
    this.#stays = stays;
    this.#blocks = blocks;
    this.#successors = successors;
    this.#uses = uses;
    this.#dirty = blocks.map(() => 0n);
    this.#live = blocks.map(() => 0n);
    while (this.#spread());
    while (this.#gather());
  }

  /** What is to be written back at a way out of a block, or at its end. */
  dirtyAt({ block, written }: Leaving): bigint {
    return this.#dirty[block.index]! | written;
  }

  /** What a block wants to have in locals, or the tight loop that begins with it. */
  wantedBy({ index }: Block): bigint {
    return this.#live[index]!;
  }

  /** Where a block's jumps lead with registers in locals. */
  *#onwards({ index }: Block): Iterable<Block> {
    for (const to of this.#successors[index]!) if (this.#stays(this.#blocks[index]!, to)) yield to;
  }

  #spread(): boolean {
    let changed = false;
    for (const use of this.#uses) {
      const out = this.dirtyAt(use);
      for (const to of this.#onwards(use.block)) {
        const more = this.#dirty[to.index]! | out;
        changed ||= more !== this.#dirty[to.index];
        this.#dirty[to.index] = more;
      }
    }
    return changed;
  }

  #gather(): boolean {
    let changed = false;
    for (const use of this.#uses.toReversed()) {
      const { block } = use;
      // Jumps may leave for want of fuel.
      let live = this.dirtyAt(use);
      for (const { index } of this.#onwards(block)) live |= this.#live[index]!;
      live = use.reads | (live & ~use.settled);
      for (const exit of use.exits) live |= this.dirtyAt(exit) & ~exit.settled;
      changed ||= live !== this.#live[block.index];
      this.#live[block.index] = live;
    }
    return changed;
  }
}
