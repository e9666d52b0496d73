import { PAGE_SIZE, type PageFrames, type Ram } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';

/**
 * The page tables: four levels of 512 entries in guest RAM, as the processor walks them (Intel SDM vol. 3, 4.5).
 * RAM lies below 4 GiB, so an entry's address fits its low 32 bits and the high half holds NX alone.
 */

export const _PAGE_PRESENT = 0x1;
export const _PAGE_RW = 0x2;
export const _PAGE_USER = 0x4;
export const _PAGE_ACCESSED = 0x20;
export const _PAGE_DIRTY = 0x40;
/** With PRESENT clear: the page is there but PROT_NONE hides it (Linux uses the same bit). */
export const _PAGE_PROTNONE = 0x100;
/** Software bit: the frame is this mapping's own copy or zero-fill, not the page cache's. */
export const _PAGE_ANON = 0x200;
/** Software bit: a write is a userfaultfd's to allow. Alone, the same of a page that is not there. */
export const _PAGE_UFFD_WP = 0x400;
/** Alone: who touches the page gets SIGBUS (UFFDIO_POISON). */
export const PTE_MARKER_POISONED = 0x800;
export const _PAGE_NX_HI = 0x8000_0000;

const PFN = 0xffff_f000;
/** What one of the lowest tables maps. */
const PMD_SIZE = 512 * PAGE_SIZE;
const TABLE_FLAGS = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED;

/** Top of the user's half: one page below 2^47 (TASK_SIZE_MAX). */
export const TASK_SIZE = 0x7fff_ffff_f000;

export function pte_pfn(lo: number): number {
  return lo >>> 12;
}

/** A frame is mapped, visible or hidden. */
export function pte_mapped(lo: number): boolean {
  return (lo & (_PAGE_PRESENT | _PAGE_PROTNONE)) !== 0;
}

export class PageTables {
  private readonly u32: Uint32Array;
  private readonly frames: PageFrames;
  /** Physical address of the top-level table: what CR3 holds. */
  readonly pgd: number;
  /** Frames used by tables (mm->pgtables_bytes). */
  tables = 1;

  static readonly transient: readonly string[] = ['u32'];
  static {
    serializable('PageTables', this);
  }
  static revive(self: PageTables, kernel: { ram: Ram }): void {
    Object.assign(self, { u32: kernel.ram.u32 });
  }

  constructor(ram: Ram, frames: PageFrames, pgd: number) {
    this.u32 = ram.u32;
    this.frames = frames;
    this.pgd = pgd;
  }

  /** Index into u32 of the entry for an address, or -1 when a table above it is missing. */
  find(address: number): number {
    const u32 = this.u32;
    const high = Math.floor(address / 0x4000_0000); // bits 30 and up
    const low = address >>> 0; // bits 0–31
    let at = (this.pgd >>> 2) + ((high >>> 9) & 511) * 2;
    let entry = u32[at]!;
    if ((entry & 1) === 0) return -1;
    at = ((entry & PFN) >>> 2) + (high & 511) * 2;
    entry = u32[at]!;
    if ((entry & 1) === 0) return -1;
    at = ((entry & PFN) >>> 2) + ((low >>> 21) & 511) * 2;
    entry = u32[at]!;
    if ((entry & 1) === 0) return -1;
    return ((entry & PFN) >>> 2) + ((low >>> 12) & 511) * 2;
  }

  /** As find, making the tables on the way; -1 when there is no frame for one. */
  make(address: number): number {
    const found = this.find(address);
    if (found !== -1) return found;
    const high = Math.floor(address / 0x4000_0000);
    const low = address >>> 0;
    const pud = this.step((this.pgd >>> 2) + ((high >>> 9) & 511) * 2);
    if (pud === -1) return -1;
    const pmd = this.step(pud + (high & 511) * 2);
    if (pmd === -1) return -1;
    const pte = this.step(pmd + ((low >>> 21) & 511) * 2);
    return pte === -1 ? -1 : pte + ((low >>> 12) & 511) * 2;
  }

  /** The table an entry points to, made when missing: index into u32 of its first entry. */
  private step(at: number): number {
    const entry = this.u32[at]!;
    if ((entry & 1) !== 0) return (entry & PFN) >>> 2;
    const pfn = this.frames.alloc(true);
    if (pfn === 0) return -1;
    this.tables++;
    this.u32[at] = pfn * PAGE_SIZE + TABLE_FLAGS;
    this.u32[at + 1] = 0;
    return (pfn * PAGE_SIZE) >>> 2;
  }

  lo(at: number): number {
    return this.u32[at]!;
  }

  hi(at: number): number {
    return this.u32[at + 1]!;
  }

  set(at: number, lo: number, hi: number): void {
    this.u32[at] = lo;
    this.u32[at + 1] = hi;
  }

  /** Calls `visit(address, at)` for every entry in [start, end) whose low half is not 0, in rising order. */
  walk(start: number, end: number, visit: (address: number, at: number) => void): void {
    this.leaves(start, end, (address, first, count) => {
      for (let i = 0; i < count; i++)
        if (this.u32[first + i * 2] !== 0) visit(address + i * PAGE_SIZE, first + i * 2);
    });
  }

  /**
   * Calls `visit(address, at, count)` for the part of each lowest table that [start, end) reaches into, in rising order,
   * until it returns true.
   */
  leaves(
    start: number,
    end: number,
    visit: (address: number, at: number, count: number) => boolean | void,
  ): void {
    this.level(this.pgd >>> 2, 0, 3, start, end, visit);
  }

  private level(
    table: number,
    base: number,
    depth: number,
    start: number,
    end: number,
    visit: (address: number, at: number, count: number) => boolean | void,
  ): boolean | void {
    const span = 4096 * 512 ** depth;
    const from = Math.max(0, Math.floor((start - base) / span));
    const to = Math.min(511, Math.floor((end - 1 - base) / span));
    if (depth === 0) return visit(base + from * span, table + from * 2, to - from + 1);
    for (let i = from; i <= to; i++) {
      const entry = this.u32[table + i * 2]!;
      if (entry === 0) continue;
      if (this.level((entry & PFN) >>> 2, base + i * span, depth - 1, start, end, visit) === true)
        return true;
    }
  }

  /**
   * Gives back the tables that nothing needs since [start, end) was unmapped: those that lie within [floor, ceiling), what is
   * free around it (free_pgtables).
   */
  trim(start: number, end: number, floor: number, ceiling: number): void {
    const below = start - (start % PMD_SIZE);
    const above = end + ((PMD_SIZE - (end % PMD_SIZE)) % PMD_SIZE);
    const from = below >= floor ? below : below + PMD_SIZE;
    const to = above <= ceiling ? above : above - PMD_SIZE;
    if (from < to) this.trimLevel(this.pgd >>> 2, 0, 3, from, to, floor, ceiling);
  }

  private trimLevel(
    table: number,
    base: number,
    depth: number,
    start: number,
    end: number,
    floor: number,
    ceiling: number,
  ): void {
    const span = PAGE_SIZE * 512 ** depth;
    const to = Math.min(511, Math.floor((end - 1 - base) / span));
    for (let i = Math.max(0, Math.floor((start - base) / span)); i <= to; i++) {
      const entry = this.u32[table + i * 2]!;
      if (entry === 0) continue;
      const low = base + i * span;
      const below = (entry & PFN) >>> 2;
      if (depth > 1) this.trimLevel(below, low, depth - 1, start, end, floor, ceiling);
      if (low < floor || low + span > ceiling || !this.isEmpty(below)) continue;
      this.u32[table + i * 2] = 0;
      this.frames.put(entry >>> 12);
      this.tables--;
    }
  }

  private isEmpty(table: number): boolean {
    for (let at = table; at < table + 1024; at++) if (this.u32[at] !== 0) return false;
    return true;
  }

  /** Gives back every table; the entries must be empty. */
  destroy(): void {
    this.freeLevel(this.pgd >>> 2, 3);
    this.frames.put(this.pgd / PAGE_SIZE);
  }

  /** The frames of the tables themselves. */
  *own_frames(table: number = this.pgd >>> 2, depth: number = 3): Generator<number> {
    yield (table * 4) / PAGE_SIZE;
    if (depth === 0) return;
    for (let at = table; at < table + 1024; at += 2)
      if (this.u32[at] !== 0) yield* this.own_frames((this.u32[at]! & PFN) >>> 2, depth - 1);
  }

  /** Gives back tables and the pages in them, the lowest first, about `budget` at a time. @returns whether all are gone */
  reap(budget: number): boolean {
    const left = { pages: budget };
    if (!this.reapLevel(this.pgd >>> 2, 3, left)) return false;
    this.frames.put(this.pgd / PAGE_SIZE);
    return true;
  }

  private reapLevel(table: number, depth: number, left: { pages: number }): boolean {
    const { u32, frames } = this;
    for (let at = table; at < table + 1024; at += 2) {
      const entry = u32[at]!;
      if (entry === 0) continue;
      if (depth === 0) {
        if (pte_mapped(entry)) frames.put(pte_pfn(entry));
        u32[at] = 0;
        continue;
      }
      if (left.pages <= 0) return false;
      if (!this.reapLevel((entry & PFN) >>> 2, depth - 1, left)) return false;
      u32[at] = 0;
      frames.put(entry >>> 12);
      this.tables--;
    }
    if (depth === 0) left.pages -= 512;
    return true;
  }

  private freeLevel(table: number, depth: number): void {
    if (depth === 0) return;
    for (let i = 0; i < 512; i++) {
      const entry = this.u32[table + i * 2]!;
      if (entry === 0) continue;
      this.freeLevel((entry & PFN) >>> 2, depth - 1);
      this.u32[table + i * 2] = 0;
      this.frames.put(entry >>> 12);
      this.tables--;
    }
  }
}
