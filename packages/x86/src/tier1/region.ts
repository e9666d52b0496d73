import { decode, DECODED, Insn } from '../decode.ts';
import { semantics } from '../insn/index.ts';
import { rows } from '../opcodes.ts';
import type { CodePage } from '../tier0/code-pages.ts';
import { RESERVED, shapeOf } from '../tier0/handlers.ts';
import { MICRO_EA, MICRO_EA32, recordSize } from '../tier0/record.ts';
import { findLive, MAX_BLOCK } from '../tier0/translate.ts';

const MAX_BLOCKS = 320;
const MAX_INSTRUCTIONS = 500;
/** From here on calls leave the region instead of taking their function in. */
const NO_MORE_CALLS = 250;
const MAX_DEPTH = 3;
/** Copies of one function in a region. */
const MAX_COPIES = 3;
/** Addresses that an indirect jump is compared with. */
const MAX_TARGETS = 64;

/** A function that was called within the region, and where its RET goes. */
export interface Inline {
  readonly caller: Inline | undefined;
  readonly entry: number;
  readonly back: number;
  readonly depth: number;
}

/** A basic block of tier 0's partition: fuel and faults must come out the same in both tiers. */
export interface BlockCode {
  readonly page: CodePage;
  /** Tier 0's record of each instruction: of its address, where that is computed apart. */
  readonly records: readonly number[];
  readonly va: number;
  readonly insns: readonly Insn[];
  /** Virtual address of each instruction, and of what follows the last. */
  readonly addresses: readonly number[];
  /** Which instructions' flags are read. */
  readonly live: Uint8Array;
}

/** A block in a region; a function taken in at several calls has blocks for each. */
export interface Block {
  readonly index: number;
  readonly code: BlockCode;
  readonly inline: Inline | undefined;
  /** Where the branch displacement leads, and the next instruction, when they are in the region. */
  taken: Block | undefined;
  next: Block | undefined;
  /** Where an indirect jump or a return may lead. */
  readonly targets: Block[];
}

export interface Region {
  readonly blocks: readonly Block[];
  /** Blocks that tier 0 may enter: the first one, and what follows calls that leave. */
  readonly entries: readonly Block[];
  readonly instructions: number;
  /** Blocks and jumps within: what makes one region better than another around the same block. */
  readonly size: number;
}

/** What the finder knows of the code around. */
export interface Surroundings {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  /** The block at an address of the current space, if it has been executed. */
  find(va: number): { page: CodePage; rec: number } | undefined;
  /** Where indirect jumps and calls of this region, and its returns, have gone before. */
  readonly jumps: readonly number[];
  readonly returns: readonly number[];
  /** Semantics that are left to tier 0. */
  readonly excluded: ReadonlySet<string>;
}

function addTarget(block: Block, target: Block | undefined): void {
  if (target && block.targets.length < MAX_TARGETS && !block.targets.includes(target))
    block.targets.push(target);
}

/** Finds what direct jumps, calls and known indirect targets connect with a block, as far as it has been executed. */
class Finder {
  readonly #around: Surroundings;
  readonly #codes = new Map<number, BlockCode | null>();
  readonly #found = new Map<string, Block>();
  readonly #waiting: Block[] = [];
  readonly #copies = new Map<number, number>();
  readonly #root: number;
  readonly blocks: Block[] = [];
  readonly entries: Block[] = [];
  /** Blocks behind recursive calls, where returns of the outermost function may go. */
  readonly #returns: Block[] = [];
  instructions = 0;

  constructor(around: Surroundings, root: number) {
    this.#around = around;
    this.#root = root;
  }

  run(): void {
    const first = this.#at(this.#root, undefined);
    if (!first) return;
    this.entries.push(first);
    for (let block = this.#waiting.shift(); block; block = this.#waiting.shift())
      this.#follow(block);
    for (const block of this.blocks)
      if (block.code.insns.at(-1)!.row.sem === 'ret' && !block.inline)
        for (const back of this.#returns) addTarget(block, back);
  }

  #code(va: number): BlockCode | undefined {
    const known = this.#codes.get(va);
    if (known !== undefined) return known ?? undefined;
    const place = this.#around.find(va);
    const code = place && decodeBlock(this.#around, place.page, place.rec, va);
    this.#codes.set(va, code ?? null);
    return code;
  }

  /** The block at an address within a function, made when there is room. */
  #at(va: number, inline: Inline | undefined): Block | undefined {
    let key = `${va}`;
    for (let i = inline; i; i = i.caller) key += `,${i.back}`;
    const known = this.#found.get(key);
    if (known) return known;
    if (this.blocks.length >= MAX_BLOCKS || this.instructions >= MAX_INSTRUCTIONS) return undefined;
    const code = this.#code(va);
    if (!code) return undefined;
    const index = this.blocks.length;
    const block: Block = { index, code, inline, taken: undefined, next: undefined, targets: [] };
    this.instructions += code.insns.length;
    this.#found.set(key, block);
    this.blocks.push(block);
    this.#waiting.push(block);
    return block;
  }

  #follow(block: Block): void {
    const { insns, addresses } = block.code;
    const { row, imm } = insns.at(-1)!;
    const after = addresses.at(-1)!;
    if (!row.end) block.next = this.#at(after, block.inline);
    else if (row.sem === 'call') this.#call(block, after + imm, after);
    else if (row.sem === 'call_indirect') this.#callAny(block, after);
    else if (row.operands.some((o) => o.code === 'J')) {
      block.taken = this.#at(after + imm, block.inline);
      if (row.sem !== 'jmp') block.next = this.#at(after, block.inline);
    } else if (row.sem === 'ret') this.#return(block);
    else if (row.sem === 'jmp_indirect') this.#indirect(block, this.#around.jumps, block.inline);
  }

  #return(block: Block): void {
    const { inline } = block;
    if (!inline) return this.#indirect(block, this.#around.returns, undefined);
    const back = this.#at(inline.back, inline.caller);
    if (back) block.targets.push(back);
  }

  #indirect(block: Block, known: readonly number[], inline: Inline | undefined): void {
    for (const va of known) addTarget(block, this.#at(va, inline));
  }

  /** A call through a pointer takes in the functions that it has led to. */
  #callAny(block: Block, after: number): void {
    for (const va of this.#around.jumps) {
      const inline = this.#inline(va, after, block.inline);
      if (inline) addTarget(block, this.#at(va, inline));
    }
    this.#enterBehind(block, after);
  }

  /** What returns from elsewhere comes in again behind the call. */
  #enterBehind(block: Block, after: number): void {
    const back = block.inline ? undefined : this.#at(after, undefined);
    if (back && !this.entries.includes(back)) this.entries.push(back);
  }

  #call(block: Block, target: number, after: number): void {
    if (target === this.#root) {
      block.taken = this.#at(target, undefined);
      const back = block.inline ? undefined : this.#at(after, undefined);
      if (back && !this.#returns.includes(back)) this.#returns.push(back);
      return;
    }
    const inline = this.#inline(target, after, block.inline);
    if (inline) block.taken = this.#at(target, inline);
    if (!block.taken) this.#enterBehind(block, after);
  }

  /** Whether a called function may be taken in, and as what. */
  #inline(entry: number, back: number, caller: Inline | undefined): Inline | undefined {
    const depth = caller ? caller.depth + 1 : 1;
    if (depth > MAX_DEPTH || this.instructions >= NO_MORE_CALLS) return undefined;
    for (let i = caller; i; i = i.caller) if (i.entry === entry) return undefined;
    const copies = this.#copies.get(entry) ?? 0;
    if (copies >= MAX_COPIES || !this.#code(entry)) return undefined;
    this.#copies.set(entry, copies + 1);
    return { caller, entry, back, depth };
  }
}

/** The region around a block of the current address space; undefined when the block itself stays with tier 0. */
export function regionAt(around: Surroundings, root: number): Region | undefined {
  const finder = new Finder(around, root);
  finder.run();
  const { blocks, entries, instructions } = finder;
  if (blocks.length === 0) return undefined;
  const jumps = blocks.reduce((sum, block) => sum + block.targets.length, 0);
  return { blocks, entries, instructions, size: blocks.length + jumps };
}

/** As Translator decodes it; undefined for what stays with tier 0. */
function decodeBlock(
  { u8, u16, excluded }: Surroundings,
  page: CodePage,
  rec: number,
  va: number,
): BlockCode | undefined {
  const start = va - page.va;
  if (page.tails.has(start)) return undefined;
  const insns: Insn[] = [];
  const addresses = [va];
  for (let offset = start; insns.length < MAX_BLOCK && offset < 4096;) {
    const insn = new Insn(page.isa);
    if (decode(insn, u8, page.pfn * 4096 + offset, 4096 - offset) !== DECODED) break;
    if (!compiles(insn, excluded)) return undefined;
    insns.push(insn);
    offset += insn.length;
    addresses.push(page.va + offset);
    if (insn.row.end) break;
  }
  if (insns.length === 0) return undefined;
  const live = new Uint8Array(insns.length);
  findLive(insns, insns.length, live);
  return { page, va, insns, addresses, live, records: recordsOf(u16, page, rec, insns.length) };
}

/** Walks tier 0's records of a block. A Jcc that is executed with the comparison before it has that one's record. */
function recordsOf(u16: Uint16Array, page: CodePage, first: number, count: number): number[] {
  const records: number[] = [];
  for (let at = first; records.length < count;) {
    records.push(at);
    let handler = page.replaced.get(at) ?? u16[at >> 1]!;
    if (handler === MICRO_EA || handler === MICRO_EA32) {
      at += recordSize(handler);
      handler = u16[at >> 1]!;
    }
    if (handler < RESERVED) break;
    if (shapeOf(handler).fused) records.push(at);
    at += recordSize(handler);
  }
  return records;
}

/**
 * Repeated string instructions are loops that look at the fuel within themselves, and as fast in tier 0, which can be
 * left and resumed in the middle of a block.
 */
const compiles = ({ row, rep }: Insn, excluded: ReadonlySet<string>): boolean =>
  row.id < rows.length &&
  !(row.rep && rep !== 0) &&
  semantics[row.sem] !== undefined &&
  !excluded.has(row.sem);
