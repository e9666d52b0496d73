import * as E from '@vitrine/uapi/errno.ts';
import * as U from '@vitrine/uapi/userfaultfd.ts';
import { Errno, errno } from '../include/errno.ts';
import { FRAME_ANON, PAGE_SIZE } from '../include/ram.ts';
import type { UserMemory } from '../include/uaccess.ts';
import { set_pte } from './fault.ts';
import { filemap_get_page } from './filemap.ts';
import { hex, isolate, mergeAround } from './mmap.ts';
import type { Mm } from './mm.ts';
import { PTE_MARKER_POISONED, _PAGE_ANON, _PAGE_DIRTY, _PAGE_RW, _PAGE_UFFD_WP, pte_mapped, pte_pfn } from './pgtable.ts'; // prettier-ignore
import type { UserfaultfdCtx } from './userfaultfd.ts';
import { VM_ACCESS, VM_DROPPABLE, VM_LOCKED, VM_MAYWRITE, VM_SHARED, VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP, VM_WRITE, type Vma, anon_vma_prepare } from './vma.ts'; // prettier-ignore

/** What a userfaultfd does with the memory that it serves (analogous to mm/userfaultfd.c). */

const is_shmem = ({ mapping }: Vma): boolean => mapping !== null && !mapping.reclaimable;
const UFFD_FLAGS = VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR;

function canUserfault(vma: Vma, modes: number, async: boolean): boolean {
  if (vma.flags & VM_DROPPABLE) return false;
  if (modes & VM_UFFD_MINOR && !is_shmem(vma)) return false;
  if (async && modes === VM_UFFD_WP) return true;
  return (vma.mapping === null && vma.file === null) || is_shmem(vma);
}

function* ranges(mm: Mm, start: number, end: number): Generator<Vma> {
  for (let vma = mm.vmas.from(start); vma !== null && vma.start < end; vma = mm.vmas.from(vma.end))
    yield vma;
}

/** UFFDIO_REGISTER. Throws EINVAL, EPERM, EBUSY. @param modes VM_UFFD_… */
export function userfaultfd_register(
  ctx: UserfaultfdCtx,
  start: number,
  end: number,
  modes: number,
): void {
  const { mm } = ctx;
  const async = ctx.has(U.UFFD_FEATURE_WP_ASYNC);
  let found = false;
  for (const vma of ranges(mm, start, end)) {
    found = true;
    if (!canUserfault(vma, modes, async))
      throw errno(E.EINVAL, 'UFFDIO_REGISTER: what is mapped at {} is not anonymous memory or a file of tmpfs, as the mode needs', hex(vma.start)); // prettier-ignore
    if ((vma.flags & VM_MAYWRITE) === 0)
      throw errno(E.EPERM, 'UFFDIO_REGISTER: the mapping at {} can never be writable', hex(vma.start)); // prettier-ignore
    if (vma.uffd !== null && vma.uffd !== ctx)
      throw errno(E.EBUSY, 'UFFDIO_REGISTER: the mapping at {} has another userfaultfd', hex(vma.start)); // prettier-ignore
  }
  if (!found) throw errno(E.EINVAL, 'UFFDIO_REGISTER: nothing is mapped at {}', hex(start));
  mm.served = true;
  eachPart(
    mm,
    start,
    end,
    (vma) => vma.uffd !== ctx || (vma.flags & UFFD_FLAGS) !== modes,
    (part) => {
      part.uffd = ctx;
      part.flags = (part.flags & ~UFFD_FLAGS) | modes;
    },
  );
}

/** UFFDIO_UNREGISTER. Throws EINVAL. */
export function userfaultfd_unregister(ctx: UserfaultfdCtx, start: number, end: number): void {
  const { mm } = ctx;
  let found = false;
  for (const vma of ranges(mm, start, end)) {
    found = true;
    if (!canUserfault(vma, vma.flags & UFFD_FLAGS, ctx.has(U.UFFD_FEATURE_WP_ASYNC)))
      throw errno(E.EINVAL, 'UFFDIO_UNREGISTER: the mapping at {} can have no userfaultfd', hex(vma.start)); // prettier-ignore
  }
  if (!found) throw errno(E.EINVAL, 'UFFDIO_UNREGISTER: nothing is mapped at {}', hex(start));
  eachPart(
    mm,
    start,
    end,
    (vma) => vma.uffd !== null,
    (part) => {
      part.uffd!.wake(part.start, part.end - part.start);
      clear(part);
    },
  );
}

/** A range is nobody's again (userfaultfd_clear_vma). */
function clear(vma: Vma): void {
  if (vma.flags & VM_UFFD_WP) uffd_wp_range(vma, vma.start, vma.end, false);
  vma.uffd = null;
  vma.flags &= ~UFFD_FLAGS;
}

/** The last descriptor is closed: its ranges are as others. */
export function userfaultfd_release(ctx: UserfaultfdCtx): void {
  if (ctx.mm.users > 0) eachPart(ctx.mm, 0, Infinity, (vma) => vma.uffd === ctx, clear);
  ctx.release();
}

function eachPart(
  mm: Mm,
  start: number,
  end: number,
  wanted: (vma: Vma) => boolean,
  change: (part: Vma) => void,
): void {
  for (let at = start; at < end;) {
    const vma = mm.vmas.from(at);
    if (vma === null || vma.start >= end) return;
    const to = Math.min(end, vma.end);
    if (wanted(vma)) {
      const part = isolate(mm, Math.max(at, vma.start), to)[0]!;
      change(part);
      mergeAround(mm, part);
    }
    at = to;
  }
}

/** Where pages of a context go: one registered range. Throws ENOENT. */
function destination(ctx: UserfaultfdCtx, start: number, length: number): Vma {
  const vma = ctx.mm.vmas.at(start);
  if (vma === null || vma.uffd === null || start + length > vma.end)
    throw errno(E.ENOENT, 'userfaultfd: {}+{} is not within one registered range', hex(start), length); // prettier-ignore
  return vma;
}

/** Calls `fill` for each page. An error after the first one counts as the end. @returns bytes done */
function eachPage(start: number, length: number, fill: (address: number) => void): number {
  for (let done = 0; done < length; done += PAGE_SIZE) {
    try {
      fill(start + done);
    } catch (error) {
      if (done === 0 || !(error instanceof Errno)) throw error;
      return done;
    }
  }
  return length;
}

/** The entry for a page that is not there. @param markers may it hold a marker? */
function emptyEntry(mm: Mm, address: number, markers: boolean): number {
  const at = mm.tables.make(address);
  if (at === -1) throw errno(E.ENOMEM, 'userfaultfd: no page frame for a page table');
  const lo = mm.tables.lo(at);
  if (markers ? pte_mapped(lo) : lo !== 0)
    throw errno(E.EEXIST, 'userfaultfd: the page at {} is there already', hex(address));
  return at;
}

function install(
  vma: Vma,
  address: number,
  at: number,
  pfn: number,
  anon: boolean,
  wp: boolean,
): void {
  const { mm } = vma;
  const writable = !wp && (anon || (vma.flags & VM_SHARED) !== 0);
  const bits = (anon ? _PAGE_ANON | _PAGE_DIRTY : 0) | (writable ? _PAGE_RW : 0) | (wp ? _PAGE_UFFD_WP : 0); // prettier-ignore
  if (anon) anon_vma_prepare(vma);
  set_pte(mm, vma, address, at, pfn, bits);
  mm.account_rss(vma, anon, 1);
}

function checkSize(vma: Vma, address: number): number {
  const index = vma.index(address);
  if (vma.mapping !== null && index * PAGE_SIZE >= vma.mapping.owner.size)
    throw errno(E.EFAULT, 'userfaultfd: {} is past the end of its file', hex(address));
  return index;
}

/** A new page with what `bytes` holds, or zeros: shared memory gets it for everybody. */
function fresh(vma: Vma, address: number, bytes: Uint8Array | null, wp: boolean): void {
  const { mm } = vma;
  const { kernel } = mm;
  const shared = (vma.flags & VM_SHARED) !== 0;
  const index = checkSize(vma, address);
  const at = emptyEntry(mm, address, shared || bytes !== null);
  if (shared && vma.mapping!.pages.has(index))
    throw errno(E.EEXIST, 'userfaultfd: page {} of the shared memory at {} is there already', index, hex(address)); // prettier-ignore
  if (!shared && bytes === null) {
    kernel.frames.get(kernel.zero_pfn);
    set_pte(mm, vma, address, at, kernel.zero_pfn, 0);
    return;
  }
  const pfn = shared ? filemap_get_page(kernel, vma.mapping!, index) : kernel.frames.alloc(false);
  if (pfn === 0) throw errno(E.ENOMEM, 'userfaultfd: no page frame for {}', hex(address));
  if (shared) kernel.frames.get(pfn);
  else kernel.frames.mark(pfn, FRAME_ANON);
  if (bytes !== null) kernel.ram.u8.set(bytes, pfn * PAGE_SIZE);
  kernel.frames.written(pfn);
  install(vma, address, at, pfn, !shared, wp);
}

/** UFFDIO_COPY. @returns bytes copied */
export function mfill_copy(
  ctx: UserfaultfdCtx,
  from: UserMemory,
  dst: number,
  src: number,
  length: number,
  wp: boolean,
): number {
  const vma = destination(ctx, dst, length);
  if (wp && (vma.flags & VM_UFFD_WP) === 0)
    throw errno(E.EINVAL, 'UFFDIO_COPY: the range at {} is not registered for write protection', hex(dst)); // prettier-ignore
  mayFill(vma);
  return eachPage(dst, length, (address) => fresh(vma, address, from.read(src + address - dst, PAGE_SIZE), wp)); // prettier-ignore
}

function mayFill(vma: Vma): void {
  if (vma.mapping !== null && !is_shmem(vma))
    throw errno(E.EINVAL, 'userfaultfd: the file mapped at {} is filled by its file system', hex(vma.start)); // prettier-ignore
}

/** UFFDIO_ZEROPAGE. */
export function mfill_zeropage(ctx: UserfaultfdCtx, dst: number, length: number): number {
  const vma = destination(ctx, dst, length);
  mayFill(vma);
  return eachPage(dst, length, (address) => fresh(vma, address, null, false));
}

/** UFFDIO_CONTINUE: maps what is in the file already. */
export function mfill_continue(
  ctx: UserfaultfdCtx,
  dst: number,
  length: number,
  wp: boolean,
): number {
  const vma = destination(ctx, dst, length);
  if (wp && (vma.flags & VM_UFFD_WP) === 0)
    throw errno(E.EINVAL, 'UFFDIO_CONTINUE: the range at {} is not registered for write protection', hex(dst)); // prettier-ignore
  if (!is_shmem(vma))
    throw errno(E.EINVAL, 'UFFDIO_CONTINUE: what is mapped at {} is not shared memory', hex(dst));
  return eachPage(dst, length, (address) => {
    const pfn = vma.mapping!.pages.get(checkSize(vma, address));
    if (pfn === undefined)
      throw errno(E.EFAULT, 'UFFDIO_CONTINUE: the file has no page for {}', hex(address));
    const at = emptyEntry(vma.mm, address, true);
    vma.mm.kernel.frames.get(pfn);
    install(vma, address, at, pfn, false, wp);
  });
}

/** UFFDIO_POISON: whoever touches the pages gets SIGBUS. */
export function mfill_poison(ctx: UserfaultfdCtx, dst: number, length: number): number {
  const vma = destination(ctx, dst, length);
  mayFill(vma);
  return eachPage(dst, length, (address) => {
    checkSize(vma, address);
    vma.mm.tables.set(emptyEntry(vma.mm, address, false), PTE_MARKER_POISONED, 0);
  });
}

/** UFFDIO_WRITEPROTECT. Throws ENOENT. */
export function mwriteprotect_range(
  ctx: UserfaultfdCtx,
  start: number,
  length: number,
  on: boolean,
): void {
  let any = false;
  for (const vma of ranges(ctx.mm, start, start + length)) {
    if ((vma.flags & VM_UFFD_WP) === 0) any = false;
    if ((vma.flags & VM_UFFD_WP) === 0) break;
    any = true;
    uffd_wp_range(vma, Math.max(start, vma.start), Math.min(start + length, vma.end), on);
  }
  if (!any) throw errno(E.ENOENT, 'UFFDIO_WRITEPROTECT: {}+{} is not registered for write protection', hex(start), length); // prettier-ignore
}

/** Pages of a registered range are protected, or not any more; those that are not there by a marker. */
export function uffd_wp_range(vma: Vma, start: number, end: number, on: boolean): void {
  const { tables } = vma.mm;
  if (on && (vma.mapping !== null || vma.uffd!.has(U.UFFD_FEATURE_WP_UNPOPULATED)))
    for (let address = start; address < end; address += PAGE_SIZE) {
      const at = tables.make(address);
      if (at !== -1 && tables.lo(at) === 0) tables.set(at, _PAGE_UFFD_WP, 0);
    }
  tables.walk(start, end, (_address, at) => {
    const lo = tables.lo(at);
    if (!on) tables.set(at, (lo & ~_PAGE_UFFD_WP) >>> 0, tables.hi(at));
    else if (pte_mapped(lo))
      tables.set(at, ((lo | _PAGE_UFFD_WP) & ~_PAGE_RW) >>> 0, tables.hi(at));
  });
  vma.mm.flush_tlb_range(start, end);
}

/** UFFDIO_MOVE: pages change their address. @param holes the source may have none (UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES) */
export function move_pages(
  ctx: UserfaultfdCtx,
  dst: number,
  src: number,
  length: number,
  holes: boolean,
): number {
  const { mm } = ctx;
  const to = mm.vmas.at(dst);
  const from = mm.vmas.at(src);
  if (from === null || to === null)
    throw errno(E.ENOENT, 'UFFDIO_MOVE: nothing is mapped at {} or {}', hex(src), hex(dst));
  const alike = ((from.flags ^ to.flags) & (VM_ACCESS | VM_LOCKED)) === 0;
  const anon = [from, to].every((vma) => vma.mapping === null && (vma.flags & VM_SHARED) === 0);
  if (src + length > from.end || dst + length > to.end || !alike || !anon || (from.flags & VM_WRITE) === 0 || to.uffd !== ctx)
    throw errno(E.EINVAL, 'UFFDIO_MOVE: {} and {} are not alike private writable anonymous ranges of {} bytes', hex(src), hex(dst), length); // prettier-ignore
  if (from.anon) anon_vma_prepare(to);
  return eachPage(dst, length, (address) => movePage(mm, to, address, src + address - dst, holes));
}

function movePage(mm: Mm, to: Vma, address: number, source: number, holes: boolean): void {
  const { tables, kernel } = mm;
  const at = emptyEntry(mm, address, false);
  const found = tables.find(source);
  const lo = found === -1 ? 0 : tables.lo(found);
  if (lo === 0) {
    if (holes) return;
    throw errno(E.ENOENT, 'UFFDIO_MOVE: there is no page at {}', hex(source));
  }
  if (!pte_mapped(lo))
    throw errno(E.EFAULT, 'UFFDIO_MOVE: the page at {} is a marker', hex(source));
  const pfn = pte_pfn(lo);
  if (pfn !== kernel.zero_pfn && kernel.frames.count(pfn) !== 1)
    throw errno(E.EBUSY, 'UFFDIO_MOVE: the page at {} is shared with another process', hex(source));
  tables.set(found, 0, 0);
  mm.flush_tlb_page(source);
  set_pte(mm, to, address, at, pfn, pfn === kernel.zero_pfn ? 0 : _PAGE_ANON | _PAGE_RW | _PAGE_DIRTY); // prettier-ignore
}
