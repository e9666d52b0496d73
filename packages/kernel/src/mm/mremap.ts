import * as E from '@vitrine/uapi/errno.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '@vitrine/uapi/mman.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { mremap_userfaultfd, userfaultfd_unmap } from './userfaultfd.ts';
import type { Mm } from './mm.ts';
import {
  type MmCurrent,
  aligned,
  can_modify_mm,
  checkLimits,
  do_munmap,
  expandable,
  free_pgtables,
  get_unmapped_area,
  hex,
  insertVma,
  isolate,
  mergeAround,
  pageAlign,
  populate,
} from './mmap.ts';
import { TASK_SIZE } from './pgtable.ts';
import { VM_GROWSDOWN, VM_LOCKED, Vma } from './vma.ts';

/** mremap(2). @returns the new address */
export function do_mremap(
  current: MmCurrent,
  address: number,
  oldLength: number,
  newLength: number,
  flags: number,
  fixed: number,
): number {
  const mm = current.mm!;
  const oldLen = pageAlign(oldLength);
  const newLen = pageAlign(newLength);
  if (flags > 0xffff_ffff || (flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0)
    throw errno(E.EINVAL, 'mremap: unknown flags {}', hex(flags));
  if ((flags & MREMAP_FIXED) !== 0 && (flags & MREMAP_MAYMOVE) === 0)
    throw errno(E.EINVAL, 'mremap: MREMAP_FIXED needs MREMAP_MAYMOVE');
  if ((flags & MREMAP_DONTUNMAP) !== 0 && ((flags & MREMAP_MAYMOVE) === 0 || oldLen !== newLen)) throw errno(E.EINVAL, 'mremap: MREMAP_DONTUNMAP needs MREMAP_MAYMOVE and equal lengths'); // prettier-ignore
  if (!aligned(address))
    throw errno(E.EINVAL, 'mremap: address {} is not a multiple of {}', hex(address), PAGE_SIZE);
  if (newLen === 0) throw errno(E.EINVAL, 'mremap: the new length is 0');

  const vma = mm.vmas.at(address);
  if (vma === null) throw errno(E.EFAULT, 'mremap: nothing is mapped at {}', hex(address));
  can_modify_mm(mm, address, address + Math.max(oldLen, 1), 'mremap');
  if (oldLen === 0 && (vma.flags & 0x80) === 0)
    throw errno(E.EINVAL, 'mremap: a private mapping cannot be duplicated (old length 0)');
  const inPlace = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) === 0;
  // What only shrinks may go over several mappings: its end is unmapped.
  if (inPlace && newLen <= oldLen) {
    if (newLen < oldLen) do_munmap(mm, address + newLen, oldLen - newLen);
    return address;
  }

  if (!inPlace) {
    let to = fixed;
    if (!aligned(to) || to + newLen > TASK_SIZE)
      throw errno(E.EINVAL, 'mremap: the new address {} is not possible', hex(to));
    if (to < address + oldLen && address < to + newLen)
      throw errno(E.EINVAL, 'mremap: the old and the new range overlap');
    if ((flags & MREMAP_FIXED) !== 0) do_munmap(mm, to, newLen);
    if (oldLen > newLen) do_munmap(mm, address + newLen, oldLen - newLen);
    checkSpan(mm, address, Math.min(oldLen, newLen));
    if (newLen > oldLen) checkGrows(vma, address);
    // With MREMAP_DONTUNMAP alone the new address is a wish.
    if ((flags & MREMAP_FIXED) === 0) to = get_unmapped_area(mm, newLen, to);
    return move(
      current,
      mm,
      address,
      Math.min(oldLen, newLen),
      to,
      newLen,
      (flags & MREMAP_DONTUNMAP) !== 0,
    );
  }
  checkSpan(mm, address, oldLen);
  checkGrows(vma, address);
  if (oldLen === vma.end - address && growInPlace(current, mm, vma, newLen - oldLen))
    return address;
  if ((flags & MREMAP_MAYMOVE) === 0) throw errno(E.ENOMEM, 'mremap: no room to grow in place at {} and MREMAP_MAYMOVE is not given', hex(vma.end)); // prettier-ignore
  return move(current, mm, address, oldLen, get_unmapped_area(mm, newLen, 0), newLen, false);
}

function checkGrows(vma: Vma, address: number): void {
  if (!expandable(vma))
    throw errno(E.EFAULT, 'mremap: the mapping at {} may not grow', hex(address));
}

/** What is moved or grows lies in one mapping. */
function checkSpan(mm: Mm, address: number, length: number): void {
  const vma = mm.vmas.at(address);
  if (vma === null || length > vma.end - address)
    throw errno(E.EFAULT, 'mremap: the old range {}+{} crosses mappings', hex(address), length);
}

function growInPlace(current: MmCurrent, mm: Mm, vma: Vma, by: number): boolean {
  const next = mm.vmas.list[mm.vmas.indexFrom(vma.start) + 1];
  const room =
    next === undefined
      ? TASK_SIZE
      : (next.flags & VM_GROWSDOWN) !== 0
        ? next.start - 256 * PAGE_SIZE
        : next.start;
  if (vma.end + by > room) return false;
  checkLimits(current, mm, by, vma.flags);
  const from = vma.end;
  mm.account_vm(vma, -1);
  vma.end += by;
  mm.account_vm(vma, 1);
  const merged = mergeAround(mm, vma);
  if ((merged.flags & VM_LOCKED) !== 0) populate(mm, from, from + by);
  return true;
}

/** Moves the page-table entries of [from, from + oldLen) to `to` (move_vma). */
function move(
  current: MmCurrent,
  mm: Mm,
  from: number,
  oldLen: number,
  to: number,
  newLen: number,
  keep: boolean,
): number {
  const source = mm.vmas.at(from)!;
  checkLimits(current, mm, keep || oldLen === 0 ? newLen : newLen - oldLen, source.flags);
  const copy = new Vma(
    mm,
    to,
    to + newLen,
    source.flags,
    source.file,
    source.mapping,
    source.index(from),
  );
  copy.name = source.name;
  copy.stack = source.stack;
  mremap_userfaultfd(copy, source, from, oldLen);
  copy.anon_vma = source.anon_vma;
  copy.cloned = source.cloned;
  copy.file?.get();
  copy.mapping?.mappings.add(copy);
  insertVma(mm, copy);
  const { tables } = mm;
  if (oldLen > 0) {
    tables.walk(from, from + oldLen, (address, at) => {
      const entry = tables.make(to + (address - from));
      if (entry === -1) return;
      tables.set(entry, tables.lo(at), tables.hi(at));
      tables.set(at, 0, 0);
    });
    mm.flush_tlb_range(from, from + oldLen);
  }
  if (!keep && oldLen > 0) {
    userfaultfd_unmap(mm, from, from + oldLen);
    for (const vma of isolate(mm, from, from + oldLen)) {
      // Its pages moved: only the range goes.
      mm.account_vm(vma, -1);
      mm.vmas.remove(vma);
      vma.mapping?.mappings.delete(vma);
      vma.file?.put(mm.kernel);
    }
    free_pgtables(mm, from, from + oldLen);
    for (const owned of mm.owned) owned.mm_moved?.(from, to);
  }
  if ((copy.flags & VM_LOCKED) !== 0) populate(mm, to, to + newLen);
  return to;
}
