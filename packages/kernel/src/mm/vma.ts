import { KMEM_VMA } from '../include/kmem.ts';
import type { MmapFile } from '../include/mmap_file.ts';
import type { AddressSpace, MappedRange } from '../include/pagecache.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import type { MemPolicy } from './mempolicy.ts';
import type { Mm } from './mm.ts';
import type { UserfaultfdCtx } from './userfaultfd.ts';

// vm_flags (include/linux/mm.h).
export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_GROWSDOWN = 0x100;
/** A userfaultfd serves pages that are not there, writes, pages that are not mapped yet (Linux has the last at bit 38). */
export const VM_UFFD_MISSING = 0x200;
export const VM_UFFD_WP = 0x1000;
export const VM_UFFD_MINOR = 0x4000_0000;
export const VM_PFNMAP = 0x400;
export const VM_LOCKED = 0x2000;
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x1_0000;
export const VM_DONTCOPY = 0x2_0000;
export const VM_DONTEXPAND = 0x4_0000;
export const VM_LOCKONFAULT = 0x8_0000;
export const VM_ACCOUNT = 0x10_0000;
export const VM_NORESERVE = 0x20_0000;
/** mseal(2): the range stays as it is. Linux has it at bit 63. */
export const VM_SEALED = 0x1000_0000;
/** MAP_DROPPABLE: pages may go when memory is short. Linux has it at bit 40. */
export const VM_DROPPABLE = 0x2000_0000;
export const VM_WIPEONFORK = 0x200_0000;
export const VM_DONTDUMP = 0x400_0000;
export const VM_ACCESS: number = VM_READ | VM_WRITE | VM_EXEC;

/** Analogous to `struct vm_area_struct`: one range of addresses with one backing and one set of rights. */
export class Vma implements MappedRange {
  readonly mm: Mm;
  start: number;
  /** One past the last byte. */
  end: number;
  flags: number;
  readonly file: MmapFile | null;
  /** The pages it shows; null for private anonymous memory. */
  readonly mapping: AddressSpace | null;
  /** Page of the file (or of the address space, for anonymous memory) that `start` shows. */
  pgoff: number;
  /** `[heap]`, `[stack]`, `[vdso]`, `[anon:…]`; null to derive it. */
  name: string | null = null;
  /** Which ranges its private pages may be in, 0 as long as it has had none: parts of one range keep the same. */
  anon_vma = 0;
  /** It came by fork with such pages: it does not merge with what the child maps (its chain is not singular). */
  cloned = false;
  /** mbind(2); null for the process's own policy. */
  policy: MemPolicy | null = null;
  /** Mapped as a stack, of a thread (MAP_STACK) or growing down: its frames are neighbours (stack_frames.ts). */
  stack = false;
  /** Who serves its faults. */
  uffd: UserfaultfdCtx | null = null;

  static {
    serializable('Vma', this);
  }

  constructor(
    mm: Mm,
    start: number,
    end: number,
    flags: number,
    file: MmapFile | null,
    mapping: AddressSpace | null,
    pgoff: number,
  ) {
    this.mm = mm;
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.file = file;
    this.mapping = mapping;
    this.pgoff = pgoff;
  }

  /** Some page of it is a private copy: fork must copy its page tables. */
  get anon(): boolean {
    return this.anon_vma !== 0;
  }

  get shared(): boolean {
    return (this.flags & VM_SHARED) !== 0;
  }

  get maywrite(): boolean {
    return (this.flags & (VM_SHARED | VM_MAYWRITE)) === (VM_SHARED | VM_MAYWRITE);
  }

  get pages(): number {
    return (this.end - this.start) / PAGE_SIZE;
  }

  /** Page of the mapping that an address shows. */
  index(address: number): number {
    return this.pgoff + Math.floor((address - this.start) / PAGE_SIZE);
  }

  /** Calls `act` with the addresses that show the file's pages [first, last]. */
  private showing(first: number, last: number, act: (from: number, to: number) => void): void {
    const from = Math.max(this.start, this.start + (first - this.pgoff) * PAGE_SIZE);
    const to = Math.min(this.end, this.start + (last + 1 - this.pgoff) * PAGE_SIZE);
    if (from < to) act(from, to);
  }

  zap(first: number, last: number): void {
    this.showing(first, last, (from, to) => this.mm.zap_file_pages(this, from, to));
  }

  unmap(first: number, last: number): void {
    this.showing(first, last, (from, to) => this.mm.unmap_file_pages(this, from, to));
  }

  clean(dirty: Set<number>): void {
    this.mm.clean_file_pages(this, dirty);
  }
}

const mergeable_policy = (a: Vma, b: Vma): boolean =>
  a.policy === b.policy || (a.policy?.equals(b.policy) ?? false);

/** What `old`, one of the neighbours a and b, has its private pages in, if the other could merge with it but for its rights (reusable_anon_vma). */
function reusable_anon_vma(old: Vma, a: Vma, b: Vma): number {
  const alike =
    a.end === b.start &&
    a.file === b.file &&
    ((a.flags ^ b.flags) & ~VM_ACCESS) === 0 &&
    b.pgoff === a.pgoff + a.pages &&
    mergeable_policy(a, b);
  return alike && !old.cloned ? old.anon_vma : 0;
}

/** A range is about to get its first private page. */
export function anon_vma_prepare(vma: Vma): void {
  if (vma.anon_vma !== 0) return;
  const { mm } = vma;
  const { list } = mm.vmas;
  const i = mm.vmas.indexFrom(vma.start);
  const next = list[i + 1];
  const prev = list[i - 1];
  vma.anon_vma =
    (next ? reusable_anon_vma(next, vma, next) : 0) ||
    (prev ? reusable_anon_vma(prev, prev, vma) : 0) ||
    ++mm.anon_vmas;
}

/** How a range ends at its neighbour: `vma` continues `prev` and they are alike in all else (vma_merge). */
export function can_merge(prev: Vma, vma: Vma): boolean {
  return (
    prev.end === vma.start &&
    prev.flags === vma.flags &&
    prev.file === vma.file &&
    prev.file?.counts_mappings !== true &&
    prev.mapping === vma.mapping &&
    prev.name === vma.name &&
    prev.uffd === vma.uffd &&
    mergeable_policy(prev, vma) &&
    (prev.anon_vma === vma.anon_vma ||
      ((prev.anon_vma === 0 || vma.anon_vma === 0) && !prev.cloned && !vma.cloned)) &&
    (prev.mapping === null && !prev.anon && !vma.anon
      ? true
      : prev.pgoff + prev.pages === vma.pgoff)
  );
}

/** Nothing is placed into the guard gap below a stack. */
export function gapStart(vma: Vma): number {
  return (vma.flags & VM_GROWSDOWN) !== 0 ? Math.max(0, vma.start - 256 * PAGE_SIZE) : vma.start;
}

/** The VMAs of an address space in rising order: binary search, with the last hit tried first. */
export class VmaList {
  readonly list: Vma[] = [];
  private hit = 0;
  /** No gap above this address is larger than {@link skipped}: the search for room starts here. */
  searched: number = Infinity;
  skipped = 0;

  static {
    serializable('VmaList', this);
  }

  /** Index of the first range that ends above the address (which may lie before its start). */
  indexFrom(address: number): number {
    const list = this.list;
    const hit = this.hit;
    if (
      hit < list.length &&
      list[hit]!.end > address &&
      (hit === 0 || list[hit - 1]!.end <= address)
    ) {
      return hit;
    }
    let low = 0;
    let high = list.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (list[mid]!.end > address) high = mid;
      else low = mid + 1;
    }
    this.hit = low;
    return low;
  }

  /** The first range that ends above the address, or null (find_vma). */
  from(address: number): Vma | null {
    return this.list[this.indexFrom(address)] ?? null;
  }

  /** The range that holds the address, or null (vma_lookup). */
  at(address: number): Vma | null {
    const vma = this.from(address);
    return vma !== null && vma.start <= address ? vma : null;
  }

  insert(vma: Vma): void {
    this.list.splice(this.indexFrom(vma.start), 0, vma);
    vma.mm.kernel.kmem.charge(KMEM_VMA);
  }

  /** Adds a range above all others. */
  append(vma: Vma): void {
    this.list.push(vma);
    vma.mm.kernel.kmem.charge(KMEM_VMA);
  }

  remove(vma: Vma): void {
    const i = this.list.indexOf(vma, Math.max(0, this.indexFrom(vma.start)));
    if (i >= 0) this.cut(i, i + 1);
  }

  /** Removes the ranges with these indices. */
  cut(from: number, to: number): void {
    if (to <= from) return;
    const [vma] = this.list.splice(from, to - from);
    vma!.mm.kernel.kmem.charge((from - to) * KMEM_VMA);
    const next = this.list[from];
    this.searched = Math.max(this.searched, next === undefined ? Infinity : gapStart(next));
  }
}
