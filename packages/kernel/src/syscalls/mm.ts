import * as E from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { fget } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { inode_owner_or_capable } from '../fs/attr.ts';
import { MAY_WRITE } from '../fs/inode.ts';
import { inode_permission } from '../fs/permission.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { do_madvise } from '../mm/madvise.ts';
import { do_mlock, do_mlockall, do_munlockall, mlock_populated } from '../mm/mlock.ts';
import {
  HPAGE_SHIFT,
  aligned,
  can_modify_mm,
  do_brk,
  do_mmap,
  do_munmap,
  hex,
  insertVma,
  isolate,
  mergeAround,
  pageAlign,
  POPULATE_PAGES,
  populate,
  populate_on,
  populated,
} from '../mm/mmap.ts';
import { do_mprotect } from '../mm/mprotect.ts';
import { do_mremap } from '../mm/mremap.ts';
import { TASK_SIZE, pte_mapped } from '../mm/pgtable.ts';
import { VM_EXEC, VM_LOCKED, VM_LOCKONFAULT, VM_READ, VM_SEALED, VM_WRITE, Vma } from '../mm/vma.ts'; // prettier-ignore
import { PAGE_SIZE } from '../include/ram.ts';
import { access_ok } from '../fs/iov.ts';
import { choice, fd, flags, flags64, int, off, outBuf, ptr, size, ulong } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** Entries of page tables that one attempt at a call empties. */
const ZAP_ENTRIES = 8192;

function sys_mmap(
  task: Task,
  address: number,
  length: number,
  prot: number,
  mflags: number,
  descriptor: number,
  offset: number,
): number {
  if (task.callState !== null) return populate_on(task);
  if (offset % PAGE_SIZE !== 0)
    throw errno(E.EINVAL, 'mmap: offset {} is not a multiple of {}', offset, PAGE_SIZE);
  if ((mflags & M.MAP_ANONYMOUS) !== 0) {
    if ((mflags & M.MAP_HUGETLB) !== 0) {
      const log = (mflags >>> M.MAP_HUGE_SHIFT) & M.MAP_HUGE_MASK;
      if (log !== 0 && log !== HPAGE_SHIFT)
        throw errno(E.EINVAL, 'mmap: there are no huge pages of 2^{} bytes', log);
      throw errno(
        E.ENOMEM,
        'mmap: MAP_HUGETLB, but no huge pages are reserved (vm.nr_hugepages is 0)',
      );
    }
    return populated(task, do_mmap(task, address, length, prot, mflags, null, 0));
  }
  const file = fget(task, descriptor);
  if ((mflags & M.MAP_HUGETLB) !== 0)
    throw errno(E.EINVAL, 'mmap: {} is no file of huge pages', file.path);
  return populated(task, do_mmap(task, address, length, prot, mflags, file, offset));
}

function sys_munmap(task: Task, address: number, length: number): number {
  if (!aligned(address))
    throw errno(E.EINVAL, 'munmap: address {} is not a multiple of {}', hex(address), PAGE_SIZE);
  if (length === 0 || address + length > TASK_SIZE) throw errno(E.EINVAL, 'munmap: {} bytes at {} are no range of user space', length, hex(address)); // prettier-ignore
  const end = address + pageAlign(length);
  if (!zap_before(task, address, end)) return BLOCKED;
  do_munmap(task.mm!, address, end - address);
  return 0;
}

/** How far a long range has been emptied. */
interface Zapped {
  readonly at: number;
}

/** The pages of a long range go part by part before the range itself does. @returns false when there is more to do */
function zap_before(task: Task, start: number, end: number): boolean {
  const mm = task.mm!;
  if (end - start <= ZAP_ENTRIES * PAGE_SIZE || mm.served || task.fatal_signal_pending())
    return true;
  if (task.callState === null) {
    // What may fail comes first.
    can_modify_mm(mm, start, end, 'munmap');
    isolate(mm, start, end);
  }
  let at = (task.callState as Zapped | null)?.at ?? start;
  const budget = { entries: ZAP_ENTRIES };
  for (let vma = mm.vmas.from(at); vma !== null && vma.start < end; vma = mm.vmas.from(at)) {
    at = mm.zap_range(vma, Math.max(at, vma.start), Math.min(end, vma.end), false, budget);
    if (--budget.entries > 0) continue;
    task.callState = { at } satisfies Zapped;
    return false;
  }
  return true;
}

function sys_mprotect(task: Task, address: number, length: number, prot: number): number {
  do_mprotect(task, address, length, prot);
  return 0;
}

/** Protection keys need a processor that has them (CPUID's PKU): only the default key -1 exists. */
function sys_pkey_mprotect(
  task: Task,
  address: number,
  length: number,
  prot: number,
  pkey: number,
): number {
  if (pkey !== -1) throw errno(E.EINVAL, 'pkey_mprotect: no protection key {} is allocated', pkey);
  return sys_mprotect(task, address, length, prot);
}

/** Without protection keys key 0 is taken by the first attempt, and never given back (mm_pkey_alloc). */
function sys_pkey_alloc(task: Task, kflags: number, rights: number): number {
  if (kflags !== 0) throw errno(E.EINVAL, 'pkey_alloc: flags {} are unknown', kflags);
  if (rights > 3) throw errno(E.EINVAL, 'pkey_alloc: access rights {} are unknown', rights);
  const taken = task.mm!.pkey_taken;
  task.mm!.pkey_taken = true;
  throw errno(taken ? E.ENOSPC : E.EINVAL, 'pkey_alloc: this processor has no protection keys');
}

function sys_pkey_free(_task: Task, pkey: number): number {
  throw errno(E.EINVAL, 'pkey_free: no protection key {} is allocated', pkey);
}

function sys_brk(task: Task, to: number): number {
  if (task.callState !== null) return populate_on(task);
  return populated(task, do_brk(task, to));
}

function sys_mremap(
  task: Task,
  address: number,
  oldLength: number,
  newLength: number,
  mflags: number,
  to: number,
): number {
  if (task.callState !== null) return populate_on(task);
  return populated(task, do_mremap(task, address, oldLength, newLength, mflags, to));
}

function sys_madvise(task: Task, address: number, length: number, advice: number): number {
  const populates = advice === M.MADV_POPULATE_READ || advice === M.MADV_POPULATE_WRITE;
  const part = POPULATE_PAGES * PAGE_SIZE;
  const at = (task.callState as { readonly at: number } | null)?.at ?? address;
  const end = address + length;
  if (!populates || end - at <= part || end > TASK_SIZE || task.fatal_signal_pending()) {
    do_madvise(task, at, end - at, advice);
    return 0;
  }
  do_madvise(task, at, part, advice);
  task.callState = { at: at + part };
  return BLOCKED;
}

function lock(task: Task, address: number, length: number, how: number): number {
  if (task.callState !== null) return populate_on(task, mlock_populated);
  do_mlock(task, address, length, how);
  return populated(task, 0, mlock_populated);
}

function sys_mlock(task: Task, address: number, length: number): number {
  return lock(task, address, length, VM_LOCKED);
}

function sys_mlock2(task: Task, address: number, length: number, mflags: number): number {
  if ((mflags & ~M.MLOCK_ONFAULT) !== 0)
    throw errno(E.EINVAL, 'mlock2: unknown flags {}', hex(mflags));
  return lock(task, address, length, VM_LOCKED | (mflags !== 0 ? VM_LOCKONFAULT : 0));
}

function sys_munlock(task: Task, address: number, length: number): number {
  return lock(task, address, length, 0);
}

function sys_mlockall(task: Task, mflags: number): number {
  if (task.callState !== null) return populate_on(task);
  do_mlockall(task, mflags);
  return populated(task, 0);
}

function sys_munlockall(task: Task): number {
  do_munlockall(task);
  return 0;
}

/** Everything is coherent already; what remains are the checks. */
function sys_msync(task: Task, address: number, length: number, mflags: number): number {
  if ((mflags & ~(M.MS_ASYNC | M.MS_INVALIDATE | M.MS_SYNC)) !== 0 || (mflags & (M.MS_ASYNC | M.MS_SYNC)) === (M.MS_ASYNC | M.MS_SYNC)) throw errno(E.EINVAL, 'msync: flags {} are not possible', hex(mflags)); // prettier-ignore
  if (!aligned(address))
    throw errno(E.EINVAL, 'msync: address {} is not a multiple of {}', hex(address), PAGE_SIZE);
  const end = address + pageAlign(length);
  for (let at = address; at < end;) {
    const vma = task.mm!.vmas.at(at);
    if (vma === null) throw errno(E.ENOMEM, 'msync: nothing is mapped at {}', hex(at));
    if ((mflags & M.MS_INVALIDATE) !== 0 && (vma.flags & VM_LOCKED) !== 0) throw errno(E.EBUSY, 'msync: MS_INVALIDATE of locked memory at {}', hex(at)); // prettier-ignore
    at = vma.end;
  }
  return 0;
}

/** The page is in the cache, and something was ever in it (folio_test_uptodate). */
function cached({ mapping }: Vma, index: number): boolean {
  return mapping !== null && mapping.pages.has(index) && !mapping.unwritten?.has(index);
}

function sys_mincore(task: Task, address: number, length: number, vec: number): number {
  if (!aligned(address))
    throw errno(E.EINVAL, 'mincore: address {} is not a multiple of {}', hex(address), PAGE_SIZE);
  const pages = Math.ceil(length / PAGE_SIZE);
  if (address + length > TASK_SIZE)
    throw errno(E.ENOMEM, 'mincore: the range passes the end of user space');
  access_ok(vec, pages);
  const mm = task.mm!;
  const bytes = new Uint8Array(Math.min(pages, 4096));
  // Range by range, so that what precedes a hole is told.
  for (let first = 0; first < pages;) {
    const from = address + first * PAGE_SIZE;
    const vma = mm.vmas.at(from);
    if (vma === null) throw errno(E.ENOMEM, 'mincore: nothing is mapped at {}', hex(from));
    const n = Math.min(bytes.length, pages - first, (vma.end - from) / PAGE_SIZE);
    for (let i = 0; i < n; i++) {
      const at = from + i * PAGE_SIZE;
      const pte = mm.tables.find(at);
      bytes[i] =
        (pte !== -1 && pte_mapped(mm.tables.lo(pte))) || cached(vma, vma.index(at)) ? 1 : 0;
    }
    task.mem.write(vec + first, bytes.subarray(0, n));
    first += n;
  }
  return 0;
}

/** remap_file_pages(2) has been an emulation since Linux 4.0: a mapping of its own for the pages. */
function sys_remap_file_pages(
  task: Task,
  address: number,
  length: number,
  prot: number,
  pgoff: number,
  mflags: number,
): number {
  if (task.callState !== null) return populate_on(task);
  const mm = task.mm!;
  const start = address - (address % PAGE_SIZE);
  const len = length - (length % PAGE_SIZE);
  if (prot !== 0 || len === 0) throw errno(E.EINVAL, 'remap_file_pages: prot {} is not 0, or {} bytes are no page', hex(prot), length); // prettier-ignore
  if (pgoff + len / PAGE_SIZE >= 2 ** 64) throw errno(E.EINVAL, 'remap_file_pages: page {} is past the end of any file', pgoff); // prettier-ignore
  const vma = mm.vmas.at(start);
  if (vma === null || !vma.shared) throw errno(E.EINVAL, 'remap_file_pages: {} is not in a shared mapping', hex(start)); // prettier-ignore
  for (let at = vma.end; at < start + len;) {
    const next = mm.vmas.at(at);
    if (next === null || next.file !== vma.file || next.mapping !== vma.mapping || next.flags !== vma.flags) throw errno(E.EINVAL, 'remap_file_pages: what is at {} does not go on as it is at {}', hex(at), hex(start)); // prettier-ignore
    at = next.end;
  }
  const { file, mapping, flags: vmFlags } = vma;
  if (file === null) {
    // Shared anonymous memory; the new mapping holds it while the old one goes.
    const moved = new Vma(mm, start, start + len, vmFlags, null, mapping, pgoff);
    mapping!.mappings.add(moved);
    do_munmap(mm, start, len);
    insertVma(mm, moved);
    if ((mflags & M.MAP_NONBLOCK) === 0) populate(mm, start, start + len);
    return populated(task, 0);
  }
  const rights =
    (vmFlags & VM_READ ? M.PROT_READ : 0) |
    (vmFlags & VM_WRITE ? M.PROT_WRITE : 0) |
    (vmFlags & VM_EXEC ? M.PROT_EXEC : 0);
  const how = (mflags & M.MAP_NONBLOCK) | M.MAP_SHARED | M.MAP_FIXED | M.MAP_POPULATE | (vmFlags & VM_LOCKED ? M.MAP_LOCKED : 0); // prettier-ignore
  do_mmap(task, start, len, rights, how, file, pgoff * PAGE_SIZE);
  return populated(task, 0);
}

/** mseal(2): from now on the range is neither unmapped nor moved nor given other rights. */
function sys_mseal(task: Task, start: number, length: number, mflags: number): number {
  if (mflags !== 0) throw errno(E.EINVAL, 'mseal: flags {} are not known', mflags);
  if (!aligned(start))
    throw errno(E.EINVAL, 'mseal: address {} is not a multiple of {}', hex(start), PAGE_SIZE);
  const end = start + pageAlign(length);
  if (end < start || end >= 2 ** 64 || (end === start && length !== 0)) throw errno(E.EINVAL, 'mseal: {} bytes at {} pass the end of memory', length, hex(start)); // prettier-ignore
  if (end === start) return 0;
  const mm = task.mm!;
  for (let at = start; at < end;) {
    const vma = mm.vmas.at(at);
    if (vma === null) throw errno(E.ENOMEM, 'mseal: nothing is mapped at {}', hex(at));
    at = vma.end;
  }
  for (let at = start; at < end;) {
    const vma = mm.vmas.at(at)!;
    const to = Math.min(end, vma.end);
    if ((vma.flags & VM_SEALED) === 0) {
      const part = isolate(mm, at, to)[0]!;
      part.flags |= VM_SEALED;
      mergeAround(mm, part);
    }
    at = to;
  }
  return 0;
}

/** Only who might write a file learns what others read of it (can_do_cachestat). */
function checkCachestat(task: Task, file: File): void {
  if (file.writable || inode_owner_or_capable(task, file.inode)) return;
  try {
    inode_permission(task, file.inode, MAY_WRITE, file.path);
  } catch {
    throw errno(E.EPERM, 'cachestat: {} is not open for writing and belongs to another', file.path);
  }
}

/** cachestat(2): which pages of a file are in the page cache. Files live in memory: nothing is dirty or was evicted. */
function sys_cachestat(
  task: Task,
  descriptor: number,
  range: number,
  stat: number,
  cflags: number,
): number {
  const file = fget(task, descriptor);
  const from = task.mem.getBig(range);
  const length = task.mem.getBig(range + 8);
  checkCachestat(task, file);
  if (cflags !== 0) throw errno(E.EINVAL, 'cachestat: flags {} are not known', cflags);
  const page = BigInt(PAGE_SIZE);
  const first = from / page;
  const last = length === 0n ? 2n ** 64n : BigInt.asUintN(64, from + length - 1n) / page;
  let cached = 0;
  for (const index of file.mapping?.pages.keys() ?? [])
    if (index >= first && index <= last) cached++;
  [cached, 0, 0, 0, 0].forEach((value, i) => task.mem.putU64(stat + i * 8, value));
  return 0;
}

export const MM: readonly SyscallRow[] = [
  row(NR.__NR_mseal, 'mseal', [ptr, ulong, ulong], FULL, sys_mseal),
  row(NR.__NR_cachestat, 'cachestat', [fd, ptr, ptr, int], FULL, sys_cachestat),
  row(NR.__NR_mmap, 'mmap', [ptr, size, flags('prot'), flags('mmap'), fd, off], FULL, sys_mmap),
  row(NR.__NR_mprotect, 'mprotect', [ptr, size, flags64('prot')], FULL, sys_mprotect),
  row(
    NR.__NR_pkey_mprotect,
    'pkey_mprotect',
    [ptr, size, flags('prot'), int],
    FULL,
    sys_pkey_mprotect,
  ),
  row(NR.__NR_pkey_alloc, 'pkey_alloc', [ulong, ulong], FULL, sys_pkey_alloc),
  row(NR.__NR_pkey_free, 'pkey_free', [int], FULL, sys_pkey_free),
  row(NR.__NR_munmap, 'munmap', [ptr, size], FULL, sys_munmap),
  row(NR.__NR_brk, 'brk', [ptr], FULL, sys_brk),
  row(NR.__NR_mremap, 'mremap', [ptr, size, size, flags64('mremap'), ptr], FULL, sys_mremap),
  row(NR.__NR_msync, 'msync', [ptr, size, flags('msync')], FULL, sys_msync),
  row(NR.__NR_mincore, 'mincore', [ptr, size, outBuf()], FULL, sys_mincore),
  row(NR.__NR_madvise, 'madvise', [ptr, size, choice('madvise')], partial('huge-page and merging advice is accepted and has no effect'), sys_madvise), // prettier-ignore
  row(NR.__NR_mlock, 'mlock', [ptr, size], FULL, sys_mlock),
  row(NR.__NR_mlock2, 'mlock2', [ptr, size, flags('mlock2')], FULL, sys_mlock2),
  row(NR.__NR_munlock, 'munlock', [ptr, size], FULL, sys_munlock),
  row(NR.__NR_mlockall, 'mlockall', [flags('mlockall')], FULL, sys_mlockall),
  row(NR.__NR_munlockall, 'munlockall', [], FULL, sys_munlockall),
  row(NR.__NR_remap_file_pages, 'remap_file_pages', [ptr, size, flags('prot'), size, flags('mmap')], FULL, sys_remap_file_pages), // prettier-ignore
];
