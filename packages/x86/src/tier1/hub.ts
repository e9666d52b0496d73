/**
 * The hub of a region: where jumps through pointers lead to one of many blocks, as those of an interpreter do for the codes of
 * its program. A hash of the address that has no two of them in one slot is an index of the dispatcher's `br_table`; what is
 * found there compares the address.
 */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import type { Block } from './region.ts';

/** Slots for each block, as a power of two, and at most. */
const SPARSE = 1;
const MOST_BITS = 11;

/** Factors that are tried before there are more slots. */
const TRIES = 64;

/** Odd numbers without a pattern. */
function* factors(): Iterable<number> {
  let factor = 0x9e37_79b1;
  for (let i = 0; i < TRIES; i++) {
    yield factor | 0;
    factor = (Math.imul(factor, 0x0019_660d) + 0x3c6e_f35f) | 1;
  }
}

/** The hash, and what is in its slots. */
export class Slots {
  readonly #factor: number;
  readonly #bits: number;
  readonly blocks: readonly (Block | undefined)[];

  constructor(targets: readonly Block[]) {
    const wanted = 32 - Math.clz32(Math.max(1, targets.length - 1)) + SPARSE;
    for (let bits = wanted; bits <= MOST_BITS; bits++)
      for (const factor of factors()) {
        const blocks = placed(targets, factor, bits);
        if (!blocks) continue;
        this.#factor = factor;
        this.#bits = bits;
        this.blocks = blocks;
        return;
      }
    // Whatever has no slot is left for.
    this.#factor = 1;
    this.#bits = 0;
    this.blocks = [targets[0]];
  }

  indexOf(b: Builder, va: Node): Node {
    if (this.#bits === 0) return b.i32(0);
    return b.shrU(b.mul(b.wrap(va), b.i32(this.#factor)), b.i32(32 - this.#bits));
  }
}

/** Undefined where two of them would share a slot. */
function placed(
  targets: readonly Block[],
  factor: number,
  bits: number,
): (Block | undefined)[] | undefined {
  const blocks = Array.from<Block | undefined>({ length: 2 ** bits });
  for (const block of targets) {
    const slot = Math.imul(block.code.va | 0, factor) >>> (32 - bits);
    if (blocks[slot]) return undefined;
    blocks[slot] = block;
  }
  return blocks;
}
