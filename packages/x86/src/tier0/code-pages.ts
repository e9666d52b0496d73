import type { Ram } from '../cpu.ts';
import { ARENA, FRAME_CODE, FRAME_FLAGS } from '../layout.ts';
import { forgetBlock, layOutKnownBlocks } from './known-blocks.ts';
import { isStub, MICRO_GOTO, MICRO_GOTO_VA, MICRO_RESYNC, recordSize } from './record.ts';

export const CHUNK = 4096;

/** Chunks that are left to records. */
const RESERVE = 256;

const chunkOf = (rec: number): number => Math.floor((rec - ARENA) / CHUNK);

/** Records decoded from one page frame as seen at one virtual page. */
export class CodePage {
  readonly pfn: number;
  /** First virtual address of the page. */
  readonly va: number;
  /** Record of each known block, by its offset. */
  readonly blocks: Map<number, number> = new Map();
  /** Frames of the following page that straddling instructions reach into, by the block's offset. */
  readonly tails: Map<number, number> = new Map();
  /** Chunks of the arena that hold its records, with how far each is filled. */
  readonly chunks: number[] = [];
  readonly filled: number[] = [];
  /** Handlers that records had before tier 1 took them over (tier1/jit.ts). */
  readonly replaced: Map<number, number> = new Map();
  /** Number of its code guard (layout.ts), or -1. */
  guard = -1;

  /** Instruction set of the processor: Insn.isa. */
  readonly isa: number;

  constructor(pfn: number, va: number, isa: number) {
    this.pfn = pfn;
    this.va = va;
    this.isa = isa;
  }

  /** The offset of the block that a record belongs to. */
  blockAt(rec: number): number | undefined {
    let first = 0;
    let found: number | undefined;
    for (const [offset, start] of this.blocks)
      if (start <= rec && start > first && chunkOf(start) === chunkOf(rec)) {
        first = start;
        found = offset;
      }
    return found;
  }
}

/**
 * What a record of dropped code becomes: instructions are decoded again; a branch that is already on its way to a stub
 * finds its target anew.
 */
function successorOf(handler: number): number {
  if (isStub(handler)) return MICRO_GOTO_VA;
  return handler === MICRO_GOTO ? MICRO_GOTO : MICRO_RESYNC;
}

/**
 * The pages that code was decoded from, and the arena that their records live in. Pages are keyed by frame and virtual
 * page, so processes that map the same file page at the same address share its records.
 */
export class CodePages {
  readonly #ram: Ram;
  readonly #byFrame = new Map<number, CodePage[]>();
  /** Frames whose code also ends in this one, because an instruction straddles the two. */
  readonly #dependents = new Map<number, Set<number>>();
  /** Owner of each chunk of the arena. */
  readonly #owners: (CodePage | undefined)[] = [];
  readonly #free: number[] = [];
  /** Chunks whose records may still be executing until the processor next comes back to JavaScript. */
  #retired: number[] = [];
  readonly #chunks: number;
  /** Told of pages whose code is forgotten. */
  onRetire: (page: CodePage) => void = () => {};

  readonly #isa: number;

  constructor(ram: Ram, isa: number) {
    this.#isa = isa;
    this.#ram = ram;
    this.#chunks = Math.floor((layOutKnownBlocks(ram) - ARENA) / CHUNK);
    this.#reset();
  }

  #reset(): void {
    this.#free.length = 0;
    for (let i = this.#chunks - 1; i >= 0; i--) this.#free.push(i);
    this.#retired = [];
    this.#owners.fill(undefined);
  }

  known(pfn: number, va: number): CodePage | undefined {
    return this.#byFrame.get(pfn)?.find((page) => page.va === va);
  }

  page(pfn: number, va: number): CodePage {
    let pages = this.#byFrame.get(pfn);
    if (!pages) {
      pages = [];
      this.#byFrame.set(pfn, pages);
      this.#ram.u8[FRAME_FLAGS + pfn]! |= FRAME_CODE;
    }
    let page = pages.find((p) => p.va === va);
    if (!page) {
      page = new CodePage(pfn, va, this.#isa);
      pages.push(page);
    }
    return page;
  }

  has(pfn: number): boolean {
    return this.#byFrame.has(pfn) || this.#dependents.has(pfn);
  }

  /** Notes that code of `page` has its last bytes in another frame. */
  addTail(page: CodePage, offset: number, pfn: number): void {
    page.tails.set(offset, pfn);
    let frames = this.#dependents.get(pfn);
    if (!frames) this.#dependents.set(pfn, (frames = new Set()));
    frames.add(page.pfn);
    this.#ram.u8[FRAME_FLAGS + pfn]! |= FRAME_CODE;
  }

  ownerOf(rec: number): CodePage | undefined {
    return this.#owners[chunkOf(rec)];
  }

  /** True when a page needs a chunk and there is none: the caller drops everything first. */
  get full(): boolean {
    return this.#free.length === 0;
  }

  /** Takes a chunk for good, for tier 1; 0 when there is none. */
  reserve(): number {
    const chunk = this.#free.length > RESERVE ? this.#free.pop()! : -1;
    return chunk < 0 ? 0 : ARENA + chunk * CHUNK;
  }

  /** Room for `bytes` of records of a page; moves to a new chunk when the last one is full. */
  allocate(page: CodePage, bytes: number): number {
    let last = page.chunks.length - 1;
    if (last < 0 || page.filled[last]! + bytes > CHUNK) {
      const chunk = this.#free.pop();
      if (chunk === undefined) throw new Error('record arena exhausted');
      this.#owners[chunk] = page;
      last = page.chunks.push(chunk) - 1;
      page.filled.push(0);
    }
    const at = ARENA + page.chunks[last]! * CHUNK + page.filled[last]!;
    page.filled[last]! += bytes;
    return at;
  }

  /** Returns the unused end of the last allocation. */
  giveBack(page: CodePage, bytes: number): void {
    page.filled[page.filled.length - 1]! -= bytes;
  }

  /** Forgets the code of a frame. Its records turn into MICRO_RESYNC, since one of them may be executing. */
  drop(pfn: number): void {
    for (const page of this.#byFrame.get(pfn) ?? []) this.#retire(page);
    this.#byFrame.delete(pfn);
    this.#ram.u8[FRAME_FLAGS + pfn]! &= ~FRAME_CODE;
    const dependents = this.#dependents.get(pfn);
    this.#dependents.delete(pfn);
    for (const other of dependents ?? []) if (other !== pfn) this.drop(other);
  }

  dropAll(): void {
    for (const pfn of this.#byFrame.keys()) this.drop(pfn);
    this.reclaim();
  }

  #retire(page: CodePage): void {
    const { u8, u16 } = this.#ram;
    for (const [rec, handler] of page.replaced) u16[rec >> 1] = handler;
    this.onRetire(page);
    for (const [offset, rec] of page.blocks) forgetBlock(this.#ram, page.va + offset, rec);
    page.chunks.forEach((chunk, i) => {
      const start = ARENA + chunk * CHUNK;
      const end = start + page.filled[i]!;
      for (let rec = start; rec < end;) {
        const size = recordSize(u16[rec >> 1]!);
        u16[rec >> 1] = successorOf(u16[rec >> 1]!);
        rec += size;
      }
      this.#retired.push(chunk);
    });
    u8[FRAME_FLAGS + page.pfn]! &= ~FRAME_CODE;
  }

  /** Gives retired chunks back; only while no record executes. */
  reclaim(): void {
    if (this.#retired.length === 0) return;
    for (const chunk of this.#retired) {
      this.#owners[chunk] = undefined;
      this.#free.push(chunk);
    }
    this.#retired = [];
  }
}
