import * as E from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import { RLIMIT_MEMLOCK } from '@vitrine/uapi/resource.ts';
import { CAP_IPC_LOCK } from '@vitrine/uapi/capability.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import {
  type MmCurrent,
  can_do_mlock,
  checkLocked,
  hex,
  isolate,
  mergeAround,
  pageAlign,
  populate,
} from './mmap.ts';
import { VM_FAULT_OOM } from './fault.ts';
import type { Mm, Populate } from './mm.ts';
import { VM_DROPPABLE, VM_LOCKED, VM_LOCKONFAULT } from './vma.ts';

/** mlock, mlock2 (flags VM_LOCKED and perhaps VM_LOCKONFAULT) and munlock (flags 0). */
export function do_mlock(current: MmCurrent, address: number, length: number, flags: number): void {
  const mm = current.mm!;
  const start = address - (address & 0xfff);
  const rest = (address & 0xfff) + (length >= 2 ** 64 ? -1 : length);
  const end = start + pageAlign(Math.max(0, rest));
  if (flags !== 0) {
    can_do_mlock(current, 'mlock');
    try {
      checkLocked(current, mm, end - start - lockedWithin(mm, start, end));
    } catch {
      throw errno(
        E.ENOMEM,
        'mlock: {} more bytes would pass RLIMIT_MEMLOCK {}',
        end - start,
        current.rlimit(RLIMIT_MEMLOCK),
      );
    }
  }
  if (end >= 2 ** 64)
    throw errno(E.EINVAL, 'mlock: {} bytes at {} pass the end of memory', length, hex(address));
  if (start === end) return;
  for (let at = start; at < end;) {
    const vma = mm.vmas.at(at);
    if (vma === null) throw errno(E.ENOMEM, 'mlock: nothing is mapped at {}', hex(at));
    const stop = Math.min(end, vma.end);
    setLocked(current, at, stop, flags);
    at = stop;
  }
  if (flags !== 0) populate(mm, start, end);
}

/** What is locked stays so when a page cannot be had (__mlock_posix_error_return). */
export function mlock_populated({ end, fault }: Populate): void {
  if (fault !== 0) throw errno(fault === VM_FAULT_OOM ? E.EAGAIN : E.ENOMEM, 'mlock: a page below {} cannot be had', hex(end)); // prettier-ignore
}

/** Bytes of the range that are locked already (count_mm_mlocked_page_nr). */
function lockedWithin(mm: Mm, start: number, end: number): number {
  let bytes = 0;
  for (const vma of mm.vmas.list)
    if ((vma.flags & VM_LOCKED) !== 0 && vma.start < end && vma.end > start)
      bytes += Math.min(vma.end, end) - Math.max(vma.start, start);
  return bytes;
}

function setLocked(current: MmCurrent, from: number, to: number, flags: number): void {
  const mm = current.mm!;
  for (const part of isolate(mm, from, to)) {
    if ((part.flags & VM_DROPPABLE) !== 0) continue;
    mm.account_vm(part, -1);
    part.flags = (part.flags & ~(VM_LOCKED | VM_LOCKONFAULT)) | flags;
    mm.account_vm(part, 1);
    mergeAround(mm, part);
  }
}

export function do_mlockall(current: MmCurrent, flags: number): void {
  const mm = current.mm!;
  if (flags === 0 || (flags & ~(M.MCL_CURRENT | M.MCL_FUTURE | M.MCL_ONFAULT)) !== 0 || flags === M.MCL_ONFAULT) throw errno(E.EINVAL, 'mlockall: flags {} are not possible', hex(flags)); // prettier-ignore
  const limit = current.rlimit(RLIMIT_MEMLOCK);
  const may = capable(current.cred, CAP_IPC_LOCK);
  can_do_mlock(current, 'mlockall');
  if ((flags & M.MCL_CURRENT) !== 0 && mm.total_vm * PAGE_SIZE > limit && !may) throw errno(E.ENOMEM, 'mlockall: {} bytes pass RLIMIT_MEMLOCK {}', mm.total_vm * PAGE_SIZE, limit); // prettier-ignore
  const bits = VM_LOCKED | ((flags & M.MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0);
  mm.def_flags = (flags & M.MCL_FUTURE) !== 0 ? bits : 0;
  if ((flags & M.MCL_CURRENT) === 0) return;
  for (const vma of [...mm.vmas.list]) setLocked(current, vma.start, vma.end, bits);
  for (const vma of [...mm.vmas.list]) populate(mm, vma.start, vma.end);
}

export function do_munlockall(current: MmCurrent): void {
  const mm = current.mm!;
  mm.def_flags = 0;
  for (const vma of [...mm.vmas.list]) setLocked(current, vma.start, vma.end, 0);
}
