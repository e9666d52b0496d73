import * as E from '@vitrine/uapi/errno.ts';
import { UFFD_FEATURE_WP_ASYNC, UFFD_FEATURE_WP_UNPOPULATED } from '@vitrine/uapi/userfaultfd.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import type { Mm } from '../../mm/mm.ts';
import { TASK_SIZE, _PAGE_ANON, _PAGE_UFFD_WP, pte_mapped, pte_pfn } from '../../mm/pgtable.ts';
import { uffd_wp_range } from '../../mm/userfaultfd_fill.ts';
import { VM_PFNMAP, VM_UFFD_WP, type Vma } from '../../mm/vma.ts';

/** ioctl(PAGEMAP_SCAN) on /proc/PID/pagemap: pages of some categories, and their write protection (do_pagemap_scan). */

export const PAGEMAP_SCAN = 0xc060_6610;

const PAGE_IS_WPALLOWED = 1;
const PAGE_IS_WRITTEN = 2;
const PAGE_IS_FILE = 4;
const PAGE_IS_PRESENT = 8;
const PAGE_IS_PFNZERO = 32;
const CATEGORIES = 0xff;
const PM_SCAN_WP_MATCHING = 1;
const PM_SCAN_CHECK_WPASYNC = 2;
/** sizeof(struct pm_scan_arg), sizeof(struct page_region); where walk_end is. */
const ARG = 96;
const REGION = 24;
const WALK_END = 32;
/** What one page table spans. */
const PMD_SIZE = 512 * PAGE_SIZE;

interface Region {
  readonly start: number;
  end: number;
  readonly categories: number;
}

class Scan {
  private readonly mm: Mm;
  private readonly words: readonly number[];
  readonly regions: Region[] = [];
  private found = 0;
  /** Where it stopped; 0 while it goes on. */
  stopped = 0;

  /** @param words struct pm_scan_arg */
  constructor(mm: Mm, words: readonly number[]) {
    this.mm = mm;
    this.words = words;
  }

  private get flags(): number {
    return this.words[1]!;
  }
  private get max(): number {
    return this.words[7]! === 0 ? Infinity : this.words[7]!;
  }
  private get keeps(): boolean {
    return this.words[6]! > 0;
  }

  run(start: number, end: number): void {
    for (
      let vma = this.mm.vmas.from(start);
      vma !== null && vma.start < end && this.stopped === 0;
      vma = this.mm.vmas.from(vma.end)
    )
      // prettier-ignore
      this.range(vma, Math.max(start, vma.start), Math.min(end, vma.end));
  }

  private range(vma: Vma, start: number, end: number): void {
    const allowed = vma.uffd !== null && (vma.flags & VM_UFFD_WP) !== 0 && vma.uffd.has(UFFD_FEATURE_WP_ASYNC) && vma.uffd.has(UFFD_FEATURE_WP_UNPOPULATED); // prettier-ignore
    if (!allowed && this.flags & PM_SCAN_CHECK_WPASYNC)
      throw errno(E.EPERM, 'PAGEMAP_SCAN: the range at 0x{} has no userfaultfd that protects it asynchronously', vma.start.toString(16)); // prettier-ignore
    if (!allowed && this.flags & PM_SCAN_WP_MATCHING) return;
    if (vma.flags & VM_PFNMAP) return;
    const base = allowed ? PAGE_IS_WPALLOWED : 0;
    if ((this.words[9]! & PAGE_IS_WPALLOWED & ~(base ^ this.words[8]!)) !== 0) return;
    let at = start;
    for (const address of this.entries(start, end)) {
      this.gap(vma, base, at, address);
      if (this.stopped !== 0) return;
      this.take(vma, base | this.categoriesOf(address), address, address + PAGE_SIZE);
      if (this.stopped !== 0) return;
      at = address + PAGE_SIZE;
    }
    this.gap(vma, base, at, end);
  }

  private entries(start: number, end: number): number[] {
    const list: number[] = [];
    this.mm.tables.walk(start, end, (address) => list.push(address));
    return list;
  }

  /** Pages without an entry count as written where there is a table for them, or where writes are watched. */
  private gap(vma: Vma, base: number, start: number, end: number): void {
    const watched = (vma.flags & VM_UFFD_WP) !== 0;
    for (let at = start; at < end && this.stopped === 0;) {
      const block = at - (at % PMD_SIZE);
      const edge = at === start || block + PMD_SIZE >= end;
      const to = edge ? Math.min(end, block + PMD_SIZE) : Math.max(block + PMD_SIZE, end - (end % PMD_SIZE)); // prettier-ignore
      const written = watched || (edge && this.mm.tables.find(at) !== -1);
      this.take(vma, base | (written ? PAGE_IS_WRITTEN : 0), at, to);
      at = to;
    }
  }

  private categoriesOf(address: number): number {
    const { tables, kernel } = this.mm;
    const lo = tables.lo(tables.find(address));
    const written = (lo & _PAGE_UFFD_WP) === 0 ? PAGE_IS_WRITTEN : 0;
    if (!pte_mapped(lo)) return written;
    const zero = pte_pfn(lo) === kernel.zero_pfn;
    const file = !zero && (lo & _PAGE_ANON) === 0 ? PAGE_IS_FILE : 0;
    return PAGE_IS_PRESENT | written | file | (zero ? PAGE_IS_PFNZERO : 0);
  }

  /** Pages of one kind: told of, and protected, as far as they are wanted. */
  private take(vma: Vma, categories: number, start: number, end: number): void {
    const protects = (this.flags & PM_SCAN_WP_MATCHING) !== 0;
    if (protects && !this.keeps) return uffd_wp_range(vma, start, end, true);
    const [, , , , , , , , inverted, mask, anyof] = this.words as number[];
    const kind = categories ^ inverted!;
    if ((kind & mask!) !== mask! || (anyof! !== 0 && (kind & anyof!) === 0)) return;
    const to = this.keeps ? this.output(categories, start, end) : end;
    if (protects && to > start && categories & PAGE_IS_WRITTEN) uffd_wp_range(vma, start, to, true);
  }

  /** @returns up to where there was room (pagemap_scan_output) */
  private output(categories: number, start: number, end: number): number {
    const wanted = categories & this.words[11]!;
    let to = Math.min(end, start + (this.max - this.found) * PAGE_SIZE);
    const last = this.regions.at(-1);
    if (last !== undefined && last.end === start && last.categories === wanted) last.end = to;
    else if (this.regions.length >= this.words[6]!) to = start;
    else if (to > start) this.regions.push({ start, end: to, categories: wanted });
    if (to < end) this.stopped = to;
    this.found += (to - start) / PAGE_SIZE;
    return to;
  }
}

export function pagemap_scan(current: Current, mm: Mm, at: number): number {
  const { mem } = current;
  const view = mem.read(at, ARG);
  const words = [...new BigUint64Array(view.slice().buffer)].map(Number);
  const [size, flags, start, end, , vec, length, , ...masks] = words as [number, number, number, number, number, number, number, number]; // prettier-ignore
  if (size !== ARG || flags & ~3 || flags > 3)
    throw errno(E.EINVAL, 'PAGEMAP_SCAN: a structure of {} bytes, flags {}', size, flags);
  if ((masks as number[]).some((mask) => mask > CATEGORIES))
    throw errno(E.EINVAL, 'PAGEMAP_SCAN: there are no such categories of pages');
  if (start % PAGE_SIZE !== 0 || (vec === 0 && length !== 0))
    throw errno(E.EINVAL, 'PAGEMAP_SCAN: 0x{} is not the start of a page, or there is no buffer', start.toString(16)); // prettier-ignore
  if (start > TASK_SIZE || end - start < 0 || end > TASK_SIZE + PAGE_SIZE || vec + length * REGION > TASK_SIZE) // prettier-ignore
    throw errno(E.EFAULT, 'PAGEMAP_SCAN: 0x{}–0x{} is not in user space', start.toString(16), end.toString(16)); // prettier-ignore
  const to = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE;
  const scan = new Scan(mm, words);
  scan.run(start, to);
  scan.regions.forEach((region, i) => {
    mem.putU64(vec + i * REGION, region.start);
    mem.putU64(vec + i * REGION + 8, region.end);
    mem.putU64(vec + i * REGION + 16, region.categories);
  });
  mem.putU64(at + WALK_END, scan.stopped === 0 ? to : scan.stopped);
  return scan.regions.length;
}
