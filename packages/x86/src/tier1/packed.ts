/** A region as plain data, for another thread: what the generator asks of it, and no more. */
import { decode, DECODED, Insn } from '../decode.ts';
import { CodePage } from '../tier0/code-pages.ts';
import { findLive } from '../tier0/translate.ts';
import type { Block, BlockCode, Region } from './region.ts';
import type { SourceBlock } from './translation.ts';

export interface PackedRegion {
  readonly isa: number;
  /** Addresses of the pages that it has code in. */
  readonly pages: readonly number[];
  readonly codes: readonly PackedCode[];
  readonly blocks: readonly PackedBlock[];
  /** Indices of blocks. */
  readonly entries: readonly number[];
  readonly instructions: number;
  readonly size: number;
}

/** Code that blocks stand for, copies of a function several. */
interface PackedCode {
  /** Indices of the page and of the one that the code ends in, or -1. */
  readonly page: number;
  readonly tail: number;
  readonly va: number;
  readonly records: readonly number[];
  readonly bytes: Uint8Array;
}

/** Indices of a block's code and of the blocks that it leads to, or -1. */
interface PackedBlock {
  readonly code: number;
  readonly taken: number;
  readonly next: number;
  readonly behind: number;
  readonly targets: readonly number[];
}

/** Numbers what it is shown, in the order of its first appearance. */
class Numbered<T> {
  readonly #numbers = new Map<T, number>();

  of(item: T): number {
    let number = this.#numbers.get(item);
    if (number === undefined) this.#numbers.set(item, (number = this.#numbers.size));
    return number;
  }

  get all(): T[] {
    return [...this.#numbers.keys()];
  }
}

const indexOf = (block: Block | undefined): number => (block ? block.index : -1);

/** @param source what the region is made from (sourceOf) */
export function packRegion(region: Region, source: readonly SourceBlock[]): PackedRegion {
  const pages = new Numbered<CodePage>();
  const codes = new Numbered<BlockCode>();
  const blocks = region.blocks.map(({ code, taken, next, behind, targets }) => ({
    code: codes.of(code),
    taken: indexOf(taken),
    next: indexOf(next),
    behind: indexOf(behind),
    targets: targets.map(indexOf),
  }));
  const bytesAt = new Map(source.map(({ va, code }) => [va, code]));
  const packed = codes.all.map(({ page, tail, va, records, addresses }): PackedCode => {
    const bytes = bytesAt.get(va)!.subarray(0, addresses.at(-1)! - va);
    return { page: pages.of(page), tail: tail ? pages.of(tail) : -1, va, records, bytes };
  });
  return {
    isa: region.blocks[0]!.code.page.isa,
    pages: pages.all.map(({ va }) => va),
    codes: packed,
    blocks,
    entries: region.entries.map(indexOf),
    instructions: region.instructions,
    size: region.size,
  };
}

/** The region again, but for what only finding it needs: frames, and who called a copy of a function. */
export function unpackRegion(packed: PackedRegion): Region {
  const pages = packed.pages.map((va) => new CodePage(-1, va, packed.isa));
  const codes = packed.codes.map((code) => unpackCode(code, pages, packed.isa));
  const blocks = packed.blocks.map(({ code }, index): Block => ({
    index,
    code: codes[code]!,
    inline: undefined,
    taken: undefined,
    next: undefined,
    targets: [],
    behind: undefined,
  }));
  packed.blocks.forEach(({ taken, next, behind, targets }, index) => {
    const block = blocks[index]!;
    block.taken = blocks[taken];
    block.next = blocks[next];
    block.behind = blocks[behind];
    for (const target of targets) block.targets.push(blocks[target]!);
  });
  const entries = packed.entries.map((entry) => blocks[entry]!);
  return { blocks, entries, instructions: packed.instructions, size: packed.size };
}

function unpackCode(
  { page, tail, va, records, bytes }: PackedCode,
  pages: readonly CodePage[],
  isa: number,
): BlockCode {
  const insns: Insn[] = [];
  const addresses = [va];
  for (let at = 0; at < bytes.length;) {
    const insn = new Insn(isa);
    if (decode(insn, bytes, at, bytes.length - at) !== DECODED)
      throw new Error(`no instruction at ${(va + at).toString(16)}`);
    insns.push(insn);
    addresses.push(va + (at += insn.length));
  }
  const live = new Uint8Array(insns.length);
  findLive(insns, insns.length, live);
  return { page: pages[page]!, tail: pages[tail], va, records, insns, addresses, live, taken: 0, fell: 0 }; // prettier-ignore
}
