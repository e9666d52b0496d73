/**
 * Which pages of code a region has been in when it goes on: their guards need no other look, since whoever drops code has every
 * activation end (Tier1Target.finish; RETURN_BASE).
 */
import type { Builder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { CODE_GUARDS } from '../layout.ts';
import type { CodePage } from '../tier0/code-pages.ts';
import { guardGlobal } from './names.ts';
import type { Block } from './region.ts';
import { successors } from './structure.ts';

/** The pages that a block is in. */
export const pagesOf = ({ code }: Block): CodePage[] =>
  code.tail ? [code.page, code.tail] : [code.page];

/** The guard of a page: not 0 while it is known to be mapped, executable, in the space at hand. */
export function guardOf(b: Builder, page: CodePage): Node {
  const guard = b.node('global.get', 'i32', 'pure', [], guardGlobal(page.va));
  return b.load('i32.load8_u', b.add(b.param(2, 'i32'), guard), CODE_GUARDS);
}

/** For pairs of blocks, of which the first one leads to the second: the pages whose guards have to be looked at. */
export class KnownPages {
  readonly #bits = new Map<CodePage, bigint>();
  /** Pages that are known at the end of each block. */
  readonly #known: bigint[];

  constructor(blocks: readonly Block[], entries: readonly Block[]) {
    for (const page of blocks.flatMap(pagesOf))
      if (!this.#bits.has(page)) this.#bits.set(page, 1n << BigInt(this.#bits.size));
    const all = (1n << BigInt(this.#bits.size)) - 1n;
    const own = blocks.map((block) => this.#setOf(block));
    const before = blocks.map((block) => (entries.includes(block) ? 0n : all));
    for (let changed = true; changed;) {
      changed = false;
      for (const block of blocks)
        for (const { index } of successors(block)) {
          const known = before[index]! & (before[block.index]! | own[block.index]!);
          if (known === before[index]) continue;
          before[index] = known;
          changed = true;
        }
    }
    this.#known = before.map((known, i) => known | own[i]!);
  }

  #setOf(block: Block): bigint {
    return pagesOf(block).reduce((set, page) => set | this.#bits.get(page)!, 0n);
  }

  unknown(from: Block, to: Block): CodePage[] {
    return pagesOf(to).filter((page) => !(this.#known[from.index]! & this.#bits.get(page)!));
  }
}
