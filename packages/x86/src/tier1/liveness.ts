/**
 * Which registers a region reads at its entries, and which it writes back where it leaves: those that a path to there
 * may have written. Sets are bit masks over the registers that a frame keeps (frame.ts).
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
  readonly #uses: readonly Use[];
  /** What paths to a block may have written. */
  readonly #dirty: bigint[];
  /** What a block, or one behind it, wants. */
  readonly #live: bigint[];
  readonly #successors: readonly (readonly Block[])[];
  readonly #cleans: (from: Block, to: Block) => boolean;

  /** @param cleans whether registers are written back at a jump */
  constructor(
    blocks: readonly Block[],
    successors: readonly (readonly Block[])[],
    uses: readonly Use[],
    cleans: (from: Block, to: Block) => boolean,
  ) {
    this.#cleans = cleans;
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

  /** What is to be read where some blocks are entered from outside, or a call comes back. */
  wantedBy(entries: readonly Block[]): bigint {
    return entries.reduce((all, { index }) => all | this.#live[index]!, 0n);
  }

  #spread(): boolean {
    let changed = false;
    for (const use of this.#uses) {
      const out = this.dirtyAt(use);
      for (const to of this.#successors[use.block.index]!) {
        const more = this.#dirty[to.index]! | (this.#cleans(use.block, to) ? 0n : out);
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
      for (const { index } of this.#successors[block.index]!) live |= this.#live[index]!;
      live = use.reads | (live & ~use.settled);
      for (const exit of use.exits) live |= this.dirtyAt(exit) & ~exit.settled;
      changed ||= live !== this.#live[block.index];
      this.#live[block.index] = live;
    }
    return changed;
  }
}
