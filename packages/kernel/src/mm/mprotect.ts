import * as E from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import { READ_IMPLIES_EXEC } from '@vitrine/uapi/personality.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { Mm } from './mm.ts';
import { vm_enough_memory } from './overcommit.ts';
import {
  type MmCurrent,
  aligned,
  calcProt,
  can_modify_mm,
  checkLimits,
  hex,
  isolate,
  mergeAll,
  pageAlign,
} from './mmap.ts';
import {
  _PAGE_ANON,
  _PAGE_NX_HI,
  _PAGE_PRESENT,
  _PAGE_PROTNONE,
  _PAGE_RW,
  _PAGE_UFFD_WP,
  pte_mapped,
  pte_pfn,
} from './pgtable.ts';
import { VM_ACCESS, VM_ACCOUNT, VM_EXEC, VM_GROWSDOWN, VM_NORESERVE, VM_READ, VM_SHARED, VM_WRITE, type Vma } from './vma.ts'; // prettier-ignore

/** mprotect(2). Ranges before the first one that refuses keep their new rights, as on Linux. */
export function do_mprotect(
  current: MmCurrent,
  start: number,
  length: number,
  protection: number,
): void {
  const mm = current.mm!;
  const grows = protection & (M.PROT_GROWSDOWN | M.PROT_GROWSUP);
  if (grows === (M.PROT_GROWSDOWN | M.PROT_GROWSUP) || protection >= 2 ** 63)
    throw errno(E.EINVAL, 'mprotect: PROT_GROWSDOWN and PROT_GROWSUP exclude each other');
  if (!aligned(start))
    throw errno(E.EINVAL, 'mprotect: address {} is not a multiple of {}', hex(start), PAGE_SIZE);
  if (length === 0) return;
  let from = start;
  const end = start + pageAlign(length);
  if (end <= start || end >= 2 ** 64)
    throw errno(
      E.ENOMEM,
      'mprotect: {} plus {} bytes passes the end of user space',
      hex(start),
      length,
    );
  const prot = protection & ~(M.PROT_GROWSDOWN | M.PROT_GROWSUP);
  if (protection > 0xffff_ffff || (prot & ~(M.PROT_READ | M.PROT_WRITE | M.PROT_EXEC | M.PROT_SEM)) !== 0) throw errno(E.EINVAL, 'mprotect: protection {} has unknown bits', hex(prot)); // prettier-ignore
  let rights = calcProt(prot);
  const first = mm.vmas.from(start);
  if (first === null || first.start >= end)
    throw errno(E.ENOMEM, 'mprotect: nothing is mapped at {}', hex(start));
  if ((grows & M.PROT_GROWSDOWN) !== 0) {
    if ((first.flags & VM_GROWSDOWN) === 0) throw errno(E.EINVAL, 'mprotect: PROT_GROWSDOWN on a mapping at {} that does not grow', hex(first.start)); // prettier-ignore
    from = first.start;
  } else if (first.start > start)
    throw errno(E.ENOMEM, 'mprotect: nothing is mapped at {}', hex(start));
  if ((grows & M.PROT_GROWSUP) !== 0)
    throw errno(E.EINVAL, 'mprotect: PROT_GROWSUP, but no mapping here grows up');

  can_modify_mm(mm, from, end, 'mprotect');
  let at = from;
  try {
    while (at < end) {
      const vma = mm.vmas.at(at);
      if (vma === null) throw errno(E.ENOMEM, 'mprotect: nothing is mapped at {}', hex(at));
      if (
        (prot & M.PROT_READ) !== 0 &&
        (current.personality & READ_IMPLIES_EXEC) !== 0 &&
        (vma.flags & 0x40) !== 0
      )
        rights |= VM_EXEC;
      const may = (vma.flags >>> 4) & VM_ACCESS;
      if ((rights & ~may) !== 0) throw errno(E.EACCES, 'mprotect: the file behind {} was not opened for these rights', hex(vma.start)); // prettier-ignore
      if (
        mm.mdwe !== 0 &&
        (rights & VM_EXEC) !== 0 &&
        ((rights & VM_WRITE) !== 0 || (vma.flags & VM_EXEC) === 0)
      )
        throw errno(
          E.EACCES,
          'mprotect: PR_SET_MDWE: {} does not become executable',
          hex(vma.start),
        );
      const stop = Math.min(end, vma.end);
      change(current, mm, vma, at, stop, rights);
      at = stop;
    }
  } finally {
    mergeAll(mm, from, at);
  }
}

function change(
  current: MmCurrent,
  mm: Mm,
  vma: Vma,
  start: number,
  end: number,
  rights: number,
): void {
  if ((vma.flags & VM_ACCESS) === rights) return;
  let flags = (vma.flags & ~VM_ACCESS) | rights;
  // What was written may not be given up, so a range that was once writable stays accounted: RELRO does not join its neighbours.
  if ((rights & VM_WRITE) !== 0) {
    if ((vma.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) === 0) {
      vm_enough_memory(current, (end - start) / PAGE_SIZE, mm);
      flags |= VM_ACCOUNT;
    }
  } else if (vma.mapping === null && !vma.anon) flags &= ~VM_ACCOUNT;
  if ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE && (vma.flags & VM_WRITE) === 0)
    checkLimits(current, mm, 0, flags);
  const part = isolate(mm, start, end)[0]!;
  mm.account_vm(part, -1);
  part.flags = flags;
  mm.account_vm(part, 1);
  protectPages(mm, part);
}

/** Gives the present pages the range's rights; write access comes back page by page through faults. */
export function protectPages(mm: Mm, vma: Vma): void {
  const { tables } = mm;
  const visible = (vma.flags & VM_ACCESS) !== 0;
  const hi = (vma.flags & VM_EXEC) !== 0 ? 0 : _PAGE_NX_HI;
  tables.walk(vma.start, vma.end, (_address, at) => {
    const lo = tables.lo(at);
    if (!pte_mapped(lo)) return;
    let bits = lo & ~(_PAGE_PRESENT | _PAGE_PROTNONE);
    bits |= visible ? _PAGE_PRESENT : _PAGE_PROTNONE;
    if ((vma.flags & VM_WRITE) === 0) bits &= ~_PAGE_RW;
    else if ((vma.flags & VM_SHARED) !== 0) bits |= _PAGE_RW;
    else if ((lo & _PAGE_ANON) !== 0 && mm.kernel.frames.count(pte_pfn(lo)) === 1) bits |= _PAGE_RW;
    if ((lo & _PAGE_UFFD_WP) !== 0) bits &= ~_PAGE_RW;
    tables.set(at, bits >>> 0, hi);
  });
  mm.flush_tlb_range(vma.start, vma.end);
}

/** The rights of a range as three letters, for /proc/PID/maps. */
export function rightsOf(vma: Vma): string {
  return (vma.flags & VM_READ ? 'r' : '-') + (vma.flags & VM_WRITE ? 'w' : '-') + (vma.flags & VM_EXEC ? 'x' : '-') + (vma.flags & 0x80 ? 's' : 'p'); // prettier-ignore
}
