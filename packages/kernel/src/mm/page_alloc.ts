import type { Ram } from '../include/ram.ts';
import { FRAME_FILE, FRAME_KERNEL, FRAME_SHMEM, PAGE_SIZE, type PageFrames } from '../include/ram.ts'; // prettier-ignore
import { serializable } from '../include/serial.ts';

/** Largest block: 2^10 frames, 4 MiB. */
export const MAX_PAGE_ORDER = 10;

const NOT_FREE = 0xff;

/** What the allocator asks for when it is out of frames: give some back. @returns false when nothing could be freed */
export interface Reclaimer {
  reclaim(): boolean;
}

/** The square root of 16 times the memory in KiB, between 128 KiB and 256 MiB (calculate_min_free_kbytes). */
function defaultMinFree(frames: number): number {
  const kib = Math.floor(Math.sqrt(frames * 4 * 16));
  return Math.floor(Math.min(262144, Math.max(128, kib)) / 4);
}

/**
 * The buddy allocator (analogous to mm/page_alloc.c): free blocks of 2^order frames, doubly linked through arrays that
 * are indexed by frame number, as Linux's are through `struct page`. Frame 0 is never handed out, so 0 means none.
 */
export class BuddyAllocator implements PageFrames {
  readonly ram: Ram;
  readonly first: number;
  readonly end: number;
  readonly total: number;
  free: number;
  /** Frames handed out since boot (pgalloc). */
  allocated = 0;
  reclaimer: Reclaimer | null = null;
  /** Frames that stay free as long as there is something to give back (vm.min_free_kbytes). */
  min_free: number;
  /** Told of frames that were written or freed, so that translations of their code are dropped. */
  code: { hasCode(pfn: number): boolean; dropCode(pfn: number): void } | null = null;

  /** Reference count of every frame (`page->_refcount`). */
  readonly refcount: Int32Array;
  /** Order of the free block that starts at a frame, or NOT_FREE. */
  private readonly order: Uint8Array;
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  private readonly heads: Int32Array = new Int32Array(MAX_PAGE_ORDER + 1);
  /** Free blocks per order, for /proc/buddyinfo. */
  readonly nrFree: Int32Array = new Int32Array(MAX_PAGE_ORDER + 1);
  /** 1 for a frame that has ever been used: a fresh one still holds the zeros RAM starts with. */
  private readonly used: Uint8Array;
  /** FRAME_… of every frame that is in use. */
  private readonly kind: Uint8Array;
  /** Frames in use of each kind but the kernel's. */
  readonly kinds: Int32Array = new Int32Array(4);
  /** Blocks that are held, by their first frame: a bit for each frame that nobody has taken yet. */
  readonly held: Map<number, number> = new Map();

  static readonly transient: readonly string[] = ['ram', 'code'];
  static {
    serializable('BuddyAllocator', this);
  }
  static revive(self: BuddyAllocator, kernel: { ram: Ram; cpu: BuddyAllocator['code'] }): void {
    Object.assign(self, { ram: kernel.ram });
    self.code = kernel.cpu;
  }

  constructor(ram: Ram) {
    this.ram = ram;
    this.first = Math.max(1, Math.ceil(ram.base / PAGE_SIZE));
    this.end = Math.floor(ram.size / PAGE_SIZE);
    this.total = this.end - this.first;
    this.refcount = new Int32Array(this.end);
    this.order = new Uint8Array(this.end).fill(NOT_FREE);
    this.next = new Int32Array(this.end);
    this.prev = new Int32Array(this.end);
    this.used = new Uint8Array(this.end);
    this.kind = new Uint8Array(this.end);
    this.free = 0;
    this.min_free = defaultMinFree(this.total);
    // From the top down, so that the lists hand out low frames first.
    const blocks: [number, number][] = [];
    for (let pfn = this.first; pfn < this.end;) {
      let order = MAX_PAGE_ORDER;
      while (order > 0 && (pfn % (1 << order) !== 0 || pfn + (1 << order) > this.end)) order--;
      blocks.push([pfn, order]);
      pfn += 1 << order;
    }
    for (const [pfn, order] of blocks.reverse()) this.link(pfn, order);
  }

  alloc(zero: boolean): number {
    const pfn = this.alloc_pages(0);
    if (pfn !== 0) this.prepare(pfn, zero);
    return pfn;
  }

  private prepare(pfn: number, zero: boolean): void {
    if (zero && this.used[pfn] !== 0)
      this.ram.u8.fill(0, pfn * PAGE_SIZE, pfn * PAGE_SIZE + PAGE_SIZE);
    this.used[pfn] = 1;
  }

  /** Held frames are given back when memory is short; there is nothing to hold when it nearly is. */
  hold(order: number, before: number): number {
    const size = 1 << order;
    if (this.free - size < 2 * this.min_free) return 0;
    let pfn = before === 0 ? 0 : before - size;
    if (!this.isolate(pfn, order)) {
      pfn = this.alloc_pages(order);
      if (pfn === 0) return 0;
      this.allocated -= size;
      this.refcount.fill(0, pfn, pfn + size);
    }
    this.held.set(pfn, 2 ** size - 1);
    return pfn;
  }

  take_held(block: number, index: number, zero: boolean): boolean {
    const mask = this.held.get(block) ?? 0;
    if ((mask & (1 << index)) === 0) return false;
    this.held.set(block, mask & ~(1 << index));
    this.refcount[block + index] = 1;
    this.allocated++;
    this.prepare(block + index, zero);
    return true;
  }

  unhold(block: number): void {
    const mask = this.held.get(block) ?? 0;
    this.held.delete(block);
    for (let i = 0; mask >>> i !== 0; i++) if ((mask >>> i) & 1) this.free_block(block + i, 0);
  }

  /** Gives everything back that is held. @returns false when nothing is */
  private unhold_all(): boolean {
    const { free } = this;
    for (const block of [...this.held.keys()]) this.unhold(block);
    return this.free > free;
  }

  /** Takes a block out of the free one around it, if there is one. */
  private isolate(pfn: number, order: number): boolean {
    if (pfn < this.first || pfn + (1 << order) > this.end) return false;
    for (let from = order; from <= MAX_PAGE_ORDER; from++) {
      const start = pfn & ~((1 << from) - 1);
      if (this.order[start] !== from) continue;
      this.unlink(start, from);
      this.split(start, from, pfn, order);
      return true;
    }
    return false;
  }

  /** Frees all of a block but a smaller one in it. */
  private split(start: number, order: number, pfn: number, wanted: number): void {
    if (order === wanted) return;
    const half = 1 << (order - 1);
    const isUpper = pfn >= start + half;
    this.link(isUpper ? start : start + half, order - 1);
    this.split(isUpper ? start + half : start, order - 1, pfn, wanted);
  }

  /** A block of 2^order frames, each with reference count 1, or 0. */
  alloc_pages(order: number): number {
    while (this.free - (1 << order) < this.min_free && this.give_back());
    for (;;) {
      for (let from = order; from <= MAX_PAGE_ORDER; from++) {
        const pfn = this.heads[from]!;
        if (pfn === 0) continue;
        this.unlink(pfn, from);
        for (let half = from - 1; half >= order; half--) this.link(pfn + (1 << half), half);
        for (let i = 0; i < 1 << order; i++) this.refcount[pfn + i] = 1;
        this.allocated += 1 << order;
        return pfn;
      }
      if (!this.give_back()) return 0;
    }
  }

  private give_back(): boolean {
    return this.unhold_all() || (this.reclaimer?.reclaim() ?? false);
  }

  get(pfn: number): void {
    this.refcount[pfn]!++;
  }

  put(pfn: number): void {
    if (--this.refcount[pfn]! > 0) return;
    if (this.refcount[pfn]! < 0) throw new Error(`page frame ${pfn} freed twice`);
    this.written(pfn);
    this.mark(pfn, FRAME_KERNEL);
    this.free_block(pfn, 0);
  }

  count(pfn: number): number {
    return this.refcount[pfn]!;
  }

  mark(pfn: number, kind: number): void {
    const before = this.kind[pfn]!;
    if (before === kind) return;
    this.kinds[before]!--;
    this.kinds[kind]!++;
    this.kind[pfn] = kind;
  }

  /** Frames of files that are mapped: each counts once, and one reference is the page cache's (NR_FILE_MAPPED). */
  mapped(): number {
    const { kind, refcount } = this;
    let mapped = 0;
    for (let pfn = this.first; pfn < this.end; pfn++)
      if (refcount[pfn]! > 1 && (kind[pfn] === FRAME_SHMEM || kind[pfn] === FRAME_FILE)) mapped++;
    return mapped;
  }

  written(pfn: number): void {
    if (this.code !== null && this.code.hasCode(pfn)) this.code.dropCode(pfn);
  }

  /** Joins the block with its buddy as long as that is free. */
  private free_block(start: number, startOrder: number): void {
    let pfn = start;
    let order = startOrder;
    for (; order < MAX_PAGE_ORDER; order++) {
      const buddy = pfn ^ (1 << order);
      if (buddy < this.first || buddy >= this.end || this.order[buddy] !== order) break;
      this.unlink(buddy, order);
      pfn &= ~(1 << order);
    }
    this.link(pfn, order);
  }

  private link(pfn: number, order: number): void {
    const head = this.heads[order]!;
    this.order[pfn] = order;
    this.next[pfn] = head;
    this.prev[pfn] = 0;
    if (head !== 0) this.prev[head] = pfn;
    this.heads[order] = pfn;
    this.nrFree[order]!++;
    this.free += 1 << order;
  }

  private unlink(pfn: number, order: number): void {
    const next = this.next[pfn]!;
    const prev = this.prev[pfn]!;
    if (next !== 0) this.prev[next] = prev;
    if (prev !== 0) this.next[prev] = next;
    else this.heads[order] = next;
    this.order[pfn] = NOT_FREE;
    this.nrFree[order]!--;
    this.free -= 1 << order;
  }
}
