import {
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
} from '@vitrine/uapi/userfaultfd.ts';
import { filemap_find_page, filemap_get_page } from './filemap.ts';
import type { Mm } from './mm.ts';
import {
  TASK_SIZE,
  _PAGE_ACCESSED,
  _PAGE_ANON,
  _PAGE_DIRTY,
  _PAGE_NX_HI,
  _PAGE_PRESENT,
  _PAGE_PROTNONE,
  PTE_MARKER_POISONED,
  _PAGE_RW,
  _PAGE_UFFD_WP,
  _PAGE_USER,
  pte_mapped,
  pte_pfn,
} from './pgtable.ts';
import { FRAME_ANON, PAGE_SIZE } from '../include/ram.ts';
import { Errno } from '../include/errno.ts';
import { stack_frame } from './stack_frames.ts';
import { userfault_absent } from './userfaultfd.ts';
import {
  VM_ACCESS,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_READ,
  VM_SHARED,
  VM_UFFD_WP,
  VM_WRITE,
  type Vma,
  anon_vma_prepare,
} from './vma.ts';

/** What the access was. */
export type Access = 'read' | 'write' | 'exec';

/** The page is there now. */
export const VM_FAULT_NONE = 0;
/** No range holds the address: SIGSEGV, SEGV_MAPERR. */
export const VM_FAULT_MAPERR = 1;
/** The range forbids the access: SIGSEGV, SEGV_ACCERR. */
export const VM_FAULT_ACCERR = 2;
/** Past the end of the file, or it cannot be read: SIGBUS, BUS_ADRERR. */
export const VM_FAULT_SIGBUS = 3;
/** No frame, even after the out-of-memory killer. */
export const VM_FAULT_OOM = 4;

/** A userfaultfd is to serve it: mm.userfault says which. */
export const VM_FAULT_RETRY = 5;
/** The page is poisoned: SIGBUS. Without CONFIG_MEMORY_FAILURE its code is that of any other. */
export const VM_FAULT_HWPOISON = 6;

/** Linux keeps this many bytes free between a growing stack and what lies below it. */
const STACK_GUARD_GAP = 256 * PAGE_SIZE;
/** A read fault on a file maps what is cached of the 16 pages around it (fault_around_bytes). */
const FAULT_AROUND = 16;

/** Makes the page of `address` accessible, or says why it cannot be (analogous to handle_mm_fault). */
export function handle_mm_fault(mm: Mm, address: number, access: Access): number {
  if (!(address >= 0 && address < TASK_SIZE)) return VM_FAULT_MAPERR;
  const vma = mm.vmas.from(address);
  if (vma === null) return VM_FAULT_MAPERR;
  if (vma.start > address) {
    if ((vma.flags & VM_GROWSDOWN) === 0 || !expand_stack(mm, vma, address)) return VM_FAULT_MAPERR;
  }
  return allowed(vma, access) ? fault_page(mm, vma, address, access) : VM_FAULT_ACCERR;
}

/** A page comes because the kernel is to use it, or a call is to bring it (faultin_page): what is there is no fault. */
export function faultin_page(mm: Mm, address: number, access: 'read' | 'write'): number {
  const at = mm.tables.find(address);
  const want = access === 'write' ? _PAGE_PRESENT | _PAGE_RW : _PAGE_PRESENT;
  if (at !== -1 && (mm.tables.lo(at) & want) === want) return VM_FAULT_NONE;
  const result = handle_mm_fault(mm, address, access);
  const { current } = mm.kernel.sched;
  if (result === VM_FAULT_NONE && current !== null) current.min_flt++;
  return result;
}

/** The page comes as if the range allowed the access. */
export function fault_page(mm: Mm, vma: Vma, address: number, access: Access): number {
  const page = address - (address & 0xfff);
  const at = mm.tables.make(page);
  if (at === -1) return VM_FAULT_OOM;
  const lo = mm.tables.lo(at);
  if (!pte_mapped(lo)) return absent(mm, vma, address, page, at, access);
  if (access === 'write' && (lo & _PAGE_RW) === 0) {
    if ((lo & _PAGE_UFFD_WP) !== 0 && (vma.flags & VM_UFFD_WP) !== 0) {
      if (!vma.uffd!.has(UFFD_FEATURE_WP_ASYNC))
        return handle_userfault(mm, vma, address, UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE); // prettier-ignore
      mm.tables.set(at, (lo & ~_PAGE_UFFD_WP) >>> 0, mm.tables.hi(at));
    }
    return writeProtected(mm, vma, page, at);
  }
  // Another fault made it valid, or the TLB was behind: make the entry say what the range allows.
  set_pte(
    mm,
    vma,
    page,
    at,
    pte_pfn(lo),
    lo & (_PAGE_ANON | _PAGE_RW | _PAGE_DIRTY | _PAGE_UFFD_WP),
  );
  return VM_FAULT_NONE;
}

/** The entry has no page; what it says about a userfaultfd stays true of the page that comes. */
function absent(
  mm: Mm,
  vma: Vma,
  address: number,
  page: number,
  at: number,
  access: Access,
): number {
  const marker = mm.tables.lo(at);
  if ((marker & PTE_MARKER_POISONED) !== 0) return VM_FAULT_HWPOISON;
  if (vma.uffd !== null) {
    const flags = userfault_absent(vma, page);
    const write = access === 'write' ? UFFD_PAGEFAULT_FLAG_WRITE : 0;
    if (flags !== null) return handle_userfault(mm, vma, address, flags | write);
  }
  const result =
    vma.mapping === null
      ? anonPage(mm, vma, page, at, access)
      : filePage(mm, vma, page, at, access);
  if (result !== VM_FAULT_NONE || (marker & _PAGE_UFFD_WP) === 0) return result;
  mm.tables.set(at, ((mm.tables.lo(at) & ~_PAGE_RW) | _PAGE_UFFD_WP) >>> 0, mm.tables.hi(at));
  return access === 'write' ? handle_mm_fault(mm, address, access) : VM_FAULT_NONE;
}

/** The fault is a userfaultfd's to serve, unless its program wants a signal instead. */
function handle_userfault(mm: Mm, vma: Vma, address: number, flags: number): number {
  if (vma.uffd!.has(UFFD_FEATURE_SIGBUS)) return VM_FAULT_SIGBUS;
  mm.userfault = { ctx: vma.uffd!, address, flags };
  return VM_FAULT_RETRY;
}

/** Why the fault could not be served, for SIGSEGV's and EFAULT's reason. */
export function faultReason(mm: Mm, address: number, fault: number): string {
  const vma = mm.vmas.from(address);
  if (fault === VM_FAULT_SIGBUS) return 'the page lies past the end of the mapped file';
  if (fault === VM_FAULT_OOM) return 'no page frame is free';
  if (fault === VM_FAULT_HWPOISON) return 'the page was poisoned (UFFDIO_POISON)';
  if (fault === VM_FAULT_RETRY) return 'its userfaultfd serves no faults of the kernel';
  if (vma === null || vma.start > address) {
    if (!(address >= 0 && address < TASK_SIZE))
      return `it is outside user space (below 0x${TASK_SIZE.toString(16)})`;
    const below = mm.vmas.list[mm.vmas.indexFrom(address) - 1];
    return `no mapping holds it${below ? `; the nearest below ends at 0x${below.end.toString(16)}` : ''}`;
  }
  const r =
    (vma.flags & VM_READ ? 'r' : '-') +
    (vma.flags & VM_WRITE ? 'w' : '-') +
    (vma.flags & VM_EXEC ? 'x' : '-');
  return `the mapping 0x${vma.start.toString(16)}-0x${vma.end.toString(16)} has rights ${r}`;
}

function allowed(vma: Vma, access: Access): boolean {
  if (access === 'write') return (vma.flags & VM_WRITE) !== 0;
  if (access === 'exec') return (vma.flags & VM_EXEC) !== 0;
  // x86 cannot map a page that is writable or executable but not readable.
  return (vma.flags & VM_ACCESS) !== 0;
}

/** Lets a stack grow down to the address within RLIMIT_STACK and the guard gap (expand_stack). */
function expand_stack(mm: Mm, vma: Vma, address: number): boolean {
  const start = address - (address & 0xfff);
  if (vma.end - start > mm.stack_limit) return false;
  const below = mm.vmas.list[mm.vmas.indexFrom(address) - 1];
  if (below && (below.flags & VM_ACCESS) !== 0 && start - below.end < STACK_GUARD_GAP) return false;
  mm.account_vm(vma, -1);
  vma.pgoff -= (vma.start - start) / PAGE_SIZE;
  vma.start = start;
  mm.account_vm(vma, 1);
  return true;
}

/** Writes an entry with the range's rights; W only where `bits` has it. */
export function set_pte(
  mm: Mm,
  vma: Vma,
  page: number,
  at: number,
  pfn: number,
  bits: number,
): void {
  const visible = (vma.flags & VM_ACCESS) !== 0 ? _PAGE_PRESENT : _PAGE_PROTNONE;
  const rw = (vma.flags & VM_WRITE) !== 0 && (bits & _PAGE_UFFD_WP) === 0 ? bits & _PAGE_RW : 0;
  const lo =
    (pfn * PAGE_SIZE +
      (visible |
        _PAGE_USER |
        _PAGE_ACCESSED |
        rw |
        (bits & (_PAGE_ANON | _PAGE_DIRTY | _PAGE_UFFD_WP)))) >>>
    0;
  const old = mm.tables.lo(at);
  mm.tables.set(at, lo, (vma.flags & VM_EXEC) !== 0 ? 0 : _PAGE_NX_HI);
  if (old !== 0) mm.flush_tlb_page(page);
}

const frameFor = (mm: Mm, vma: Vma, page: number, zero: boolean): number =>
  vma.stack ? stack_frame(mm, page, zero) : mm.kernel.frames.alloc(zero);

/** First touch of private anonymous memory: a read sees the shared zero page, a write gets a frame of its own. */
function anonPage(mm: Mm, vma: Vma, page: number, at: number, access: Access): number {
  const { kernel } = mm;
  if (access !== 'write') {
    kernel.frames.get(kernel.zero_pfn);
    set_pte(mm, vma, page, at, kernel.zero_pfn, 0); // not counted as resident
    return VM_FAULT_NONE;
  }
  const pfn = frameFor(mm, vma, page, true);
  if (pfn === 0) return VM_FAULT_OOM;
  anon_vma_prepare(vma);
  kernel.frames.mark(pfn, FRAME_ANON);
  set_pte(mm, vma, page, at, pfn, _PAGE_ANON | _PAGE_RW | _PAGE_DIRTY);
  mm.account_rss(vma, true, 1);
  return VM_FAULT_NONE;
}

function filePage(mm: Mm, vma: Vma, page: number, at: number, access: Access): number {
  const { kernel } = mm;
  const mapping = vma.mapping!;
  const index = vma.index(page);
  if (index * PAGE_SIZE >= mapping.owner.size) return VM_FAULT_SIGBUS;
  let pfn: number;
  try {
    pfn = filemap_get_page(kernel, mapping, index);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return error.code === 12 ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
  }
  if (access === 'write' && vma.shared) vma.file?.update_time();
  if (access === 'write' && !vma.shared) return copyPage(mm, vma, page, at, pfn);
  kernel.frames.get(pfn);
  set_pte(mm, vma, page, at, pfn, vma.shared ? _PAGE_RW : 0);
  mm.account_rss(vma, false, 1);
  if (access !== 'write' && vma.uffd === null) faultAround(mm, vma, page);
  return VM_FAULT_NONE;
}

/** Maps neighbours that are cached already, so that a program's start takes a fault per 64 KiB, not per page. */
function faultAround(mm: Mm, vma: Vma, page: number): void {
  const { kernel, tables } = mm;
  const mapping = vma.mapping!;
  const base = Math.floor(page / (FAULT_AROUND * PAGE_SIZE)) * FAULT_AROUND * PAGE_SIZE;
  const from = Math.max(base, vma.start);
  const to = Math.min(base + FAULT_AROUND * PAGE_SIZE, vma.end);
  for (let at = from; at < to; at += PAGE_SIZE) {
    const index = vma.index(at);
    if (index * PAGE_SIZE >= mapping.owner.size) return;
    const pfn = filemap_find_page(mapping, index);
    if (pfn === 0) continue;
    const pte = tables.find(at);
    if (pte === -1 || tables.lo(pte) !== 0) continue;
    kernel.frames.get(pfn);
    set_pte(mm, vma, at, pte, pfn, vma.shared ? _PAGE_RW : 0);
    mm.account_rss(vma, false, 1);
  }
}

/** A private copy of `from`, mapped for writing in place of what the entry has: `from`, or nothing. */
function copyPage(mm: Mm, vma: Vma, page: number, at: number, from: number): number {
  const { kernel } = mm;
  // The source stays referenced while a frame is looked for, which may reclaim the cache, or take this address space's pages.
  kernel.frames.get(from);
  const pfn = frameFor(mm, vma, page, false);
  if (pfn === 0) {
    kernel.frames.put(from);
    return VM_FAULT_OOM;
  }
  kernel.ram.u8.copyWithin(pfn * PAGE_SIZE, from * PAGE_SIZE, from * PAGE_SIZE + PAGE_SIZE);
  kernel.frames.put(from);
  anon_vma_prepare(vma);
  kernel.frames.mark(pfn, FRAME_ANON);
  const old = mm.tables.lo(at);
  set_pte(mm, vma, page, at, pfn, _PAGE_ANON | _PAGE_RW | _PAGE_DIRTY);
  mm.account_rss(vma, true, 1);
  if (!pte_mapped(old)) return VM_FAULT_NONE;
  if (from !== kernel.zero_pfn) mm.account_rss(vma, (old & _PAGE_ANON) !== 0, -1);
  kernel.frames.put(from);
  return VM_FAULT_NONE;
}

/** A write to a page that is mapped read-only (do_wp_page). */
function writeProtected(mm: Mm, vma: Vma, page: number, at: number): number {
  const { kernel, tables } = mm;
  const lo = tables.lo(at);
  const pfn = pte_pfn(lo);
  if ((vma.flags & VM_SHARED) !== 0) {
    vma.file?.update_time();
    set_pte(mm, vma, page, at, pfn, _PAGE_RW | (lo & _PAGE_ANON));
    return VM_FAULT_NONE;
  }
  if ((lo & _PAGE_ANON) !== 0 && kernel.frames.count(pfn) === 1) {
    set_pte(mm, vma, page, at, pfn, _PAGE_ANON | _PAGE_RW | _PAGE_DIRTY);
    return VM_FAULT_NONE;
  }
  return copyPage(mm, vma, page, at, pfn);
}
