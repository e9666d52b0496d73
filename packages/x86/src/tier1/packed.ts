/** A region as plain data, for another thread: what the generator asks of it, and no more. */
import { decode, DECODED, Insn } from '../decode.ts';
import { CodePage } from '../tier0/code-pages.ts';
import { findLive } from '../tier0/translate.ts';
import type { Block, BlockCode, Region } from './region.ts';
import type { SourceBlock } from './translation.ts';

/** Few objects of many numbers: what threads send one another is copied object by object. */
export interface PackedRegion {
  readonly isa: number;
  /** Addresses of the pages that it has code in. */
  readonly pages: readonly number[];
  /**
   * {@link CODE_FIELDS} numbers each for the codes that blocks stand for, copies of a function several: indices of the page
   * and of the one that the code ends in, or -1, its address, and how many records and bytes it has.
   */
  readonly codes: Float64Array;
  /** Tier 0's records of all codes. */
  readonly records: Uint32Array;
  readonly bytes: Uint8Array;
  /**
   * For each block {@link BLOCK_FIELDS} numbers, the indices of its code and of the blocks that it goes on with (taken, next, behind), or -1,
   * whether it uses the hub, how many targets it has, and their indices.
   */
  readonly blocks: Int32Array;
  /** Indices of blocks. */
  readonly entries: readonly number[];
  readonly hub: readonly number[];
  readonly instructions: number;
  readonly size: number;
  readonly window: boolean;
  readonly tame: boolean;
  readonly extents: boolean;
}

const CODE_FIELDS = 5;
const BLOCK_FIELDS = 6;

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
  const blocks = region.blocks.flatMap(({ code, taken, next, behind, usesHub, targets }) => {
    const on = [taken, next, behind].map(indexOf);
    return [codes.of(code), ...on, Number(usesHub), targets.length, ...targets.map(indexOf)];
  });
  const { all } = codes;
  const lengthOf = ({ va, addresses }: BlockCode): number => addresses.at(-1)! - va;
  const fields = all.flatMap((code) => {
    const { page, tail, va, records } = code;
    return [pages.of(page), tail ? pages.of(tail) : -1, va, records.length, lengthOf(code)];
  });
  const bytesAt = new Map(source.map(({ va, code }) => [va, code]));
  const bytes = new Uint8Array(all.reduce((sum, code) => sum + lengthOf(code), 0));
  let at = 0;
  for (const code of all) {
    const length = lengthOf(code);
    bytes.set(bytesAt.get(code.va)!.subarray(0, length), at);
    at += length;
  }
  return {
    isa: region.blocks[0]!.code.page.isa,
    pages: pages.all.map(({ va }) => va),
    codes: Float64Array.from(fields),
    records: Uint32Array.from(all.flatMap(({ records }) => records)),
    bytes,
    blocks: Int32Array.from(blocks),
    entries: region.entries.map(indexOf),
    hub: region.hub.map(indexOf),
    instructions: region.instructions,
    size: region.size,
    window: region.window,
    tame: region.tame,
    extents: region.extents,
  };
}

/** The region again, but for what only finding it needs: frames, and who called a copy of a function. */
export function unpackRegion(packed: PackedRegion): Region {
  const codes = unpackCodes(packed);
  const blocks: Block[] = [];
  const links: (readonly number[])[] = [];
  for (let at = 0; at < packed.blocks.length;) {
    const [code, taken, next, behind, usesHub, count] = packed.blocks.subarray(
      at,
      (at += BLOCK_FIELDS),
    );
    links.push([taken!, next!, behind!, ...packed.blocks.subarray(at, (at += count!))]);
    const none = { inline: undefined, taken: undefined, next: undefined, behind: undefined };
    blocks.push({ index: blocks.length, code: codes[code!]!, targets: [], usesHub: usesHub === 1, ...none }); // prettier-ignore
  }
  links.forEach(([taken, next, behind, ...targets], index) => {
    const block = blocks[index]!;
    block.taken = blocks[taken!];
    block.next = blocks[next!];
    block.behind = blocks[behind!];
    for (const target of targets) block.targets.push(blocks[target]!);
  });
  const entries = packed.entries.map((entry) => blocks[entry]!);
  const hub = packed.hub.map((target) => blocks[target]!);
  const { instructions, size, window, tame, extents } = packed;
  return { blocks, entries, hub, instructions, size, window, tame, extents };
}

function unpackCodes({ isa, pages, codes, records, bytes }: PackedRegion): BlockCode[] {
  const made = pages.map((va) => new CodePage(-1, va, isa));
  const all: BlockCode[] = [];
  let record = 0;
  let byte = 0;
  for (let at = 0; at < codes.length; at += CODE_FIELDS) {
    const [page, tail, va, count, length] = codes.subarray(at, at + CODE_FIELDS);
    const decoded = decodeCode(isa, va!, bytes.subarray(byte, (byte += length!)));
    const own = [...records.subarray(record, (record += count!))];
    all.push({ page: made[page!]!, tail: made[tail!], va: va!, records: own, ...decoded, taken: 0, fell: 0 }); // prettier-ignore
  }
  return all;
}

function decodeCode(
  isa: number,
  va: number,
  bytes: Uint8Array,
): Pick<BlockCode, 'insns' | 'addresses' | 'live'> {
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
  return { insns, addresses, live };
}
