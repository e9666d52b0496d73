import * as E from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK } from '@vitrine/uapi/resource.ts';
import { CAP_IPC_LOCK, CAP_SYS_RAWIO } from '@vitrine/uapi/capability.ts';
import { READ_IMPLIES_EXEC } from '@vitrine/uapi/personality.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import { KMEM_VMA } from '../include/kmem.ts';
import type { MmapFile } from '../include/mmap_file.ts';
import type { AddressSpace } from '../include/pagecache.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { VM_FAULT_ACCERR, faultin_page } from './fault.ts';
import { put_stack_frames } from './stack_frames.ts';
import { userfaultfd_unmap } from './userfaultfd.ts';
import type { Mm, Populate } from './mm.ts';
import { OVERCOMMIT_NEVER, vm_enough_memory } from './overcommit.ts';
import { TASK_SIZE } from './pgtable.ts';
import { ShmemObject } from './shmem.ts';
import {
  VM_ACCESS,
  VM_ACCOUNT,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_DROPPABLE,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_READ,
  VM_SEALED,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  Vma,
  can_merge,
  gapStart,
  VM_PFNMAP,
  VM_IO,
} from './vma.ts';

/** Huge pages have 2 MiB, when there are any. */
export const HPAGE_SHIFT = 21;

/** Lowest address a process without CAP_SYS_RAWIO may map (sysctl vm.mmap_min_addr). */
export const MMAP_MIN_ADDR = 65536;

// Newer than the headers that packages/uapi is made from.
const MAP_DROPPABLE = 0x08;

/** Flags that every file takes; MAP_SHARED_VALIDATE refuses the others. */
const LEGACY_MAP_MASK = M.MAP_SHARED | M.MAP_PRIVATE | M.MAP_FIXED | M.MAP_ANONYMOUS | M.MAP_DENYWRITE | M.MAP_EXECUTABLE | M.MAP_GROWSDOWN | M.MAP_LOCKED | M.MAP_NORESERVE | M.MAP_POPULATE | M.MAP_NONBLOCK | M.MAP_STACK | M.MAP_HUGETLB | M.MAP_32BIT | M.MAP_FIXED_NOREPLACE | 0x7c00_0000; // prettier-ignore

export const hex = (n: number): string => `0x${n.toString(16)}`;

export function pageAlign(length: number): number {
  const bytes = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
  return bytes >= 2 ** 64 ? 0 : bytes; // it wraps, as 64-bit arithmetic does
}

export function aligned(address: number): boolean {
  // 2^64 is what the highest addresses, all odd, are rounded to.
  return (address & 0xfff) === 0 && address < 2 ** 64;
}

/** The caller's address space; a kernel thread has none. */
export interface MmCurrent extends Current {
  mm: Mm | null;
  personality: number;
}

export function calcProt(prot: number): number {
  return (
    (prot & M.PROT_READ ? VM_READ : 0) |
    (prot & M.PROT_WRITE ? VM_WRITE : 0) |
    (prot & M.PROT_EXEC ? VM_EXEC : 0)
  );
}

/** Where MAP_32BIT mappings go: [begin, end) (find_start_end). */
const LOW_BEGIN = 0x4000_0000;
const LOW_END = 0x8000_0000;

/**
 * The lowest gap of at least `length` bytes from the top down, as the default layout places mappings; with `low`, the first
 * one below 2 GiB (MAP_32BIT).
 */
export function get_unmapped_area(mm: Mm, length: number, hint: number, low = false): number {
  // A wish within the first page is none, and one below the lowest possible address means that (round_hint_to_min).
  if (hint >= PAGE_SIZE) {
    const at = Math.max(hint - (hint % PAGE_SIZE), MMAP_MIN_ADDR);
    const vma = mm.vmas.from(at);
    if (
      at + length <= (low ? LOW_END : TASK_SIZE) &&
      (vma === null || at + length <= gapStart(vma))
    )
      return at;
  }
  if (low) return bottomUp(mm, LOW_BEGIN, LOW_END, length);
  if (mm.legacy_layout) return bottomUp(mm, mm.mmap_base, TASK_SIZE, length);
  const { vmas } = mm;
  const { list } = vmas;
  let top = mm.mmap_base;
  if (length > vmas.skipped) top = Math.min(top, vmas.searched);
  else vmas.skipped = 0;
  for (let i = vmas.indexFrom(top - 1); i >= 0; i--) {
    const vma = list[i];
    if (vma !== undefined && vma.start < top) top = Math.min(top, gapStart(vma));
    const bottom = Math.max(list[i - 1]?.end ?? 0, MMAP_MIN_ADDR);
    if (top - length >= bottom) {
      vmas.searched = top;
      return top - length;
    }
    vmas.skipped = Math.max(vmas.skipped, top - bottom);
  }
  if (list.length === 0 && top - length >= MMAP_MIN_ADDR) return top - length;
  // Bottom up, above the base, when the area below is full.
  return bottomUp(mm, mm.mmap_base, TASK_SIZE, length);
}

/** The lowest gap of at least `length` bytes in [begin, end). */
function bottomUp(mm: Mm, begin: number, end: number, length: number): number {
  let at = begin;
  for (let i = mm.vmas.indexFrom(begin); ; i++) {
    const vma = mm.vmas.list[i];
    if (vma === undefined || vma.start >= end) break;
    if (gapStart(vma) - at >= length) return at;
    at = Math.max(at, vma.end);
  }
  if (end - at >= length) return at;
  throw errno(E.ENOMEM, 'no gap of {} bytes is left between {} and {}', length, hex(begin), hex(end)); // prettier-ignore
}

/** mmap(2) after its arguments were decoded. `offset` is in bytes. @returns the address */
export function do_mmap(
  current: MmCurrent,
  hint: number,
  length: number,
  prot: number,
  flags: number,
  file: MmapFile | null,
  offset: number,
): number {
  const mm = current.mm!;
  if (length === 0) throw errno(E.EINVAL, 'mmap: the length is 0');
  const len = pageAlign(length);
  if (len === 0 || len > TASK_SIZE)
    throw errno(E.ENOMEM, 'mmap: {} bytes exceed the address space of {} bytes', length, TASK_SIZE);
  if (file !== null && (offset < 0 || offset + len >= 2 ** 63))
    throw errno(E.EOVERFLOW, 'mmap: offset {} plus {} bytes overflows', offset, len);
  const { max_map_count, overcommit_memory } = current.kernel.sysctl;
  if (mm.vmas.list.length > max_map_count) throw errno(E.ENOMEM, 'the process has {} mappings, vm.max_map_count allows {}', mm.vmas.list.length, max_map_count); // prettier-ignore
  mm.kernel.kmem.need(KMEM_VMA, 'more mappings');
  let rights = calcProt(prot);
  if (
    (prot & M.PROT_READ) !== 0 &&
    (current.personality & READ_IMPLIES_EXEC) !== 0 &&
    !file?.noexec
  )
    rights |= VM_EXEC;

  const type = flags & M.MAP_TYPE;
  let vmFlags = rights | mm.def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if ((flags & M.MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN;
  if ((flags & M.MAP_LOCKED) !== 0) {
    can_do_mlock(current, 'mmap');
    vmFlags |= VM_LOCKED;
  }
  if ((flags & M.MAP_NORESERVE) !== 0 && overcommit_memory !== OVERCOMMIT_NEVER)
    vmFlags |= VM_NORESERVE;
  const droppable = type === MAP_DROPPABLE && file === null;
  if (droppable) vmFlags |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
  if (type !== M.MAP_SHARED && type !== M.MAP_PRIVATE && type !== M.MAP_SHARED_VALIDATE && !droppable) throw errno(E.EINVAL, 'mmap: flags {} name neither MAP_SHARED nor MAP_PRIVATE', hex(flags)); // prettier-ignore

  let address: number;
  if ((flags & (M.MAP_FIXED | M.MAP_FIXED_NOREPLACE)) !== 0) {
    address = hint;
    if (!aligned(address))
      throw errno(
        E.EINVAL,
        'mmap: MAP_FIXED address {} is not a multiple of {}',
        hex(address),
        PAGE_SIZE,
      );
    if (address + len > TASK_SIZE) throw errno(E.ENOMEM, 'mmap: {} plus {} bytes passes the end of user space', hex(address), len); // prettier-ignore
    const { mmap_min_addr } = current.kernel.sysctl;
    if (address < mmap_min_addr && !capable(current.cred, CAP_SYS_RAWIO)) throw errno(E.EPERM, 'mmap: address {} is below vm.mmap_min_addr {} and needs CAP_SYS_RAWIO', hex(address), mmap_min_addr); // prettier-ignore
    const there = mm.vmas.from(address);
    if ((flags & M.MAP_FIXED_NOREPLACE) !== 0 && there !== null && there.start < address + len) throw errno(E.EEXIST, 'mmap: MAP_FIXED_NOREPLACE at {}: a mapping is at {}', hex(address), hex(there.start)); // prettier-ignore
  } else {
    address = get_unmapped_area(mm, len, hint, (flags & M.MAP_32BIT) !== 0);
  }

  let mapping: AddressSpace | null = null;
  let backing: MmapFile | null = file;
  if (file === null && type === M.MAP_SHARED_VALIDATE)
    throw errno(E.EINVAL, 'mmap: MAP_SHARED_VALIDATE needs a file');
  if (type !== M.MAP_PRIVATE && (flags & M.MAP_GROWSDOWN) !== 0)
    throw errno(E.EINVAL, 'mmap: only private anonymous memory grows down');
  if (droppable && (flags & M.MAP_LOCKED) !== 0)
    throw errno(E.EINVAL, 'mmap: what may be dropped cannot be locked');
  if (file !== null) {
    if ((flags & M.MAP_GROWSDOWN) !== 0)
      throw errno(E.EINVAL, 'mmap: a mapping of a file does not grow down');
    if (type === M.MAP_SHARED_VALIDATE && (flags & ~LEGACY_MAP_MASK) !== 0)
      throw errno(E.EOPNOTSUPP, 'mmap: flags {} are not possible with this file', hex((flags & ~LEGACY_MAP_MASK) >>> 0)); // prettier-ignore
    if (type !== M.MAP_PRIVATE) {
      if ((prot & M.PROT_WRITE) !== 0 && !file.writable) throw errno(E.EACCES, 'mmap: a shared writable mapping needs a descriptor open for reading and writing'); // prettier-ignore
      if (file.append_only && file.writable)
        throw errno(
          E.EACCES,
          'mmap: a shared mapping of an append-only file that is open for writing',
        );
      vmFlags |= VM_SHARED | VM_MAYSHARE;
      if (!file.writable) vmFlags &= ~(VM_MAYWRITE | VM_SHARED);
    }
    if (!file.readable) throw errno(E.EACCES, 'mmap: the descriptor is not open for reading');
    if (file.noexec) {
      if ((vmFlags & VM_EXEC) !== 0)
        throw errno(E.EPERM, 'mmap: PROT_EXEC of a file on a mount with noexec');
      vmFlags &= ~VM_MAYEXEC;
    }
    vmFlags = file.mmap_flags(vmFlags);
    mapping = file.mmap_mapping(current, offset, hint);
    if (mapping === null && (vmFlags & VM_SHARED) !== 0) {
      mapping = shmem_zero_setup(current, len, vmFlags);
      backing = null;
    }
  } else if (type !== M.MAP_PRIVATE && !droppable) {
    vmFlags |= VM_SHARED | VM_MAYSHARE;
    mapping = shmem_zero_setup(current, len, vmFlags);
    backing = null;
  }
  if (mm.mdwe !== 0 && (vmFlags & (VM_WRITE | VM_EXEC)) === (VM_WRITE | VM_EXEC))
    throw errno(E.EACCES, 'mmap: PR_SET_MDWE: no memory is both writable and executable');
  const pgoff = file !== null ? offset / PAGE_SIZE : mapping !== null ? 0 : address / PAGE_SIZE;

  checkLimits(current, mm, len, vmFlags);
  if (accountable_mapping(vmFlags)) vmFlags |= VM_ACCOUNT;
  do_munmap(mm, address, len);
  const vma = new Vma(mm, address, address + len, vmFlags, backing, mapping, pgoff);
  vma.stack = (flags & (M.MAP_STACK | M.MAP_GROWSDOWN)) !== 0;
  backing?.get();
  mapping?.mappings.add(vma);
  insertVma(mm, vma);
  if (
    (vmFlags & VM_LOCKED) !== 0 ||
    ((flags & M.MAP_POPULATE) !== 0 && (flags & M.MAP_NONBLOCK) === 0)
  ) {
    populate(mm, address, address + len);
  }
  return address;
}

/** Private writable memory may come to need frames of its own: it counts as promised. */
const accountable_mapping = (vmFlags: number): boolean =>
  (vmFlags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE;

/** Shared anonymous memory: what it may come to need is promised as a whole. */
function shmem_zero_setup(current: MmCurrent, len: number, vmFlags: number): AddressSpace {
  const charged = (vmFlags & VM_NORESERVE) === 0 ? len / PAGE_SIZE : 0;
  vm_enough_memory(current, charged, current.mm);
  current.kernel.vm_committed_as += charged;
  return new ShmemObject(len, charged, ++current.kernel.shmem_ino).mapping;
}

/** RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK and overcommit. */
export function checkLimits(current: Current, mm: Mm, len: number, vmFlags: number): void {
  const as = current.rlimit(RLIMIT_AS);
  if (mm.total_vm * PAGE_SIZE + len > as) throw errno(E.ENOMEM, 'the address space would grow to {} bytes, RLIMIT_AS allows {}', mm.total_vm * PAGE_SIZE + len, as); // prettier-ignore
  if ((vmFlags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE) {
    const data = current.rlimit(RLIMIT_DATA);
    // A limit of 0 that may be raised again does not count: programs set it to keep brk away (may_expand_vm).
    const spared = data === 0 && mm.data_vm * PAGE_SIZE + len <= current.rlimit_max(RLIMIT_DATA);
    if (mm.data_vm * PAGE_SIZE + len > data && !spared) throw errno(E.ENOMEM, 'private writable memory would grow to {} bytes, RLIMIT_DATA allows {}', mm.data_vm * PAGE_SIZE + len, data); // prettier-ignore
  }
  if ((vmFlags & VM_LOCKED) !== 0) checkLocked(current, mm, len);
  if (accountable_mapping(vmFlags)) vm_enough_memory(current, len / PAGE_SIZE, mm);
}

/** May the caller lock memory at all? */
export function can_do_mlock(current: Current, call: string): void {
  if (current.rlimit(RLIMIT_MEMLOCK) !== 0 || capable(current.cred, CAP_IPC_LOCK)) return;
  throw errno(E.EPERM, '{}: RLIMIT_MEMLOCK is 0 and the process lacks CAP_IPC_LOCK', call);
}

export function checkLocked(current: Current, mm: Mm, len: number): void {
  const limit = current.rlimit(RLIMIT_MEMLOCK);
  if (mm.locked_vm * PAGE_SIZE + len > limit && !capable(current.cred, CAP_IPC_LOCK)) throw errno(E.EAGAIN, 'locked memory would grow to {} bytes, RLIMIT_MEMLOCK allows {}, and the process lacks CAP_IPC_LOCK', mm.locked_vm * PAGE_SIZE + len, limit); // prettier-ignore
}

/** Adds a range, joining it with its neighbours where they are alike. */
export function insertVma(mm: Mm, vma: Vma): void {
  mm.vmas.insert(vma);
  mm.account_vm(vma, 1);
  mergeAround(mm, vma);
}

/** Joins a range with the one before and the one after it (vma_merge). @returns the range that holds it now */
export function mergeAround(mm: Mm, vma: Vma): Vma {
  const list = mm.vmas.list;
  const i = mm.vmas.indexFrom(vma.start);
  const next = list[i + 1];
  if (next && can_merge(vma, next)) join(mm, vma, next);
  const prev = list[i - 1];
  if (prev && can_merge(prev, vma)) {
    join(mm, prev, vma);
    return prev;
  }
  return vma;
}

/** The same for all ranges that touch [start, end). */
export function mergeAll(mm: Mm, start: number, end: number): void {
  const { list } = mm.vmas;
  const first = Math.max(0, mm.vmas.indexFrom(start) - 1);
  let kept = first;
  let i = first + 1;
  for (; i < list.length && list[i]!.start <= end; i++) {
    if (can_merge(list[kept]!, list[i]!)) extend(mm, list[kept]!, list[i]!);
    else list[++kept] = list[i]!;
  }
  mm.vmas.cut(kept + 1, i);
}

function join(mm: Mm, prev: Vma, next: Vma): void {
  extend(mm, prev, next);
  mm.vmas.remove(next);
}

function extend(mm: Mm, prev: Vma, next: Vma): void {
  if (prev.mapping === null && !prev.anon) prev.pgoff = next.pgoff - prev.pages;
  prev.end = next.end;
  prev.anon_vma ||= next.anon_vma;
  prev.cloned ||= next.cloned;
  next.mapping?.mappings.delete(next);
  next.file?.put(mm.kernel);
}

/** Cuts a range in two at an address inside it. @returns the upper part */
export function split_vma(mm: Mm, vma: Vma, address: number): Vma {
  const { max_map_count } = mm.kernel.sysctl;
  if (mm.vmas.list.length >= max_map_count) throw errno(E.ENOMEM, 'splitting a mapping needs one more than vm.max_map_count {}', max_map_count); // prettier-ignore
  mm.kernel.kmem.need(KMEM_VMA, 'more mappings');
  const upper = new Vma(mm, address, vma.end, vma.flags, vma.file, vma.mapping, vma.index(address));
  upper.name = vma.name;
  upper.stack = vma.stack;
  upper.anon_vma = vma.anon_vma;
  upper.cloned = vma.cloned;
  upper.policy = vma.policy;
  upper.uffd = vma.uffd;
  vma.end = address;
  upper.file?.get();
  upper.mapping?.mappings.add(upper);
  mm.vmas.insert(upper);
  return upper;
}

/** The ranges of [start, end), cut so that none reaches out of it. */
export function isolate(mm: Mm, start: number, end: number): Vma[] {
  const found: Vma[] = [];
  let i = mm.vmas.indexFrom(start);
  for (;;) {
    let vma = mm.vmas.list[i];
    if (vma === undefined || vma.start >= end) return found;
    if (vma.start < start) {
      vma = split_vma(mm, vma, start);
      i++;
    }
    if (vma.end > end) split_vma(mm, vma, end);
    found.push(vma);
    i++;
  }
}

/** Throws EPERM when part of the range is sealed (can_modify_mm). */
export function can_modify_mm(mm: Mm, start: number, end: number, call: string): void {
  for (let i = mm.vmas.indexFrom(start); i < mm.vmas.list.length; i++) {
    const vma = mm.vmas.list[i]!;
    if (vma.start >= end) return;
    if ((vma.flags & VM_SEALED) !== 0)
      throw errno(
        E.EPERM,
        '{}: the mapping {}–{} is sealed (mseal)',
        call,
        hex(vma.start),
        hex(vma.end),
      );
  }
}

export function do_munmap(mm: Mm, start: number, length: number): void {
  const end = start + length;
  can_modify_mm(mm, start, end, 'munmap');
  const first = mm.vmas.from(start);
  if (first === null || first.start >= end) return;
  userfaultfd_unmap(mm, start, end);
  const parts = isolate(mm, start, end);
  for (const vma of parts) release(mm, vma);
  const from = mm.vmas.indexFrom(start);
  mm.vmas.cut(from, from + parts.length);
  free_pgtables(mm, start, end);
}

/** Nothing is mapped at [start, end) any more: tables that nothing else needs go. */
export function free_pgtables({ vmas, tables }: Mm, start: number, end: number): void {
  const next = vmas.indexFrom(start);
  tables.trim(start, end, vmas.list[next - 1]?.end ?? 0, vmas.list[next]?.start ?? TASK_SIZE);
}

export function removeVma(mm: Mm, vma: Vma): void {
  release(mm, vma);
  mm.vmas.remove(vma);
}

/** Gives back what a range holds; the caller takes it out of the list. */
function release(mm: Mm, vma: Vma): void {
  mm.zap_range(vma, vma.start, vma.end);
  if (vma.stack) put_stack_frames(mm, vma.start, vma.end);
  mm.account_vm(vma, -1);
  vma.mapping?.mappings.delete(vma);
  if (vma.file === null && vma.mapping !== null && vma.mapping.mappings.size === 0)
    dropShmem(mm, vma.mapping);
  vma.file?.vm_close(mm.kernel);
  vma.file?.put(mm.kernel);
}

/** Shared anonymous memory ends with its last mapping. */
function dropShmem(mm: Mm, mapping: AddressSpace): void {
  if (!(mapping.owner instanceof ShmemObject) || mapping.owner.keep) return;
  for (const pfn of mapping.pages.values()) mm.kernel.frames.put(pfn);
  mapping.pages.clear();
  mm.kernel.vm_committed_as -= mapping.owner.charged;
  mapping.owner.charged = 0;
}

/** The call that is under way is to fault the pages of [start, end) in when it has done the rest. */
export function populate(mm: Mm, start: number, end: number): void {
  mm.to_populate.push({ at: start, end, fault: 0 });
}

/**
 * Faults pages in (__mm_populate); a mapping whose pages cannot be had is left for later.
 * @param most pages that are tried
 * @returns how many were
 */
function populate_some(mm: Mm, todo: Populate, most: number): number {
  const { end } = todo;
  let tried = 0;
  while (todo.at < end && tried < most) {
    const vma = mm.vmas.from(todo.at);
    if (vma === null || vma.start >= end) {
      todo.at = end;
      break;
    }
    const stop = Math.min(end, vma.end);
    const lazy = (vma.flags & (VM_LOCKONFAULT | VM_PFNMAP | VM_IO)) !== 0;
    const access = (vma.flags & (VM_WRITE | VM_SHARED)) === VM_WRITE ? 'write' : 'read';
    let fault = !lazy && (vma.flags & VM_ACCESS) === 0 ? VM_FAULT_ACCERR : 0;
    let at = Math.max(todo.at, vma.start);
    for (; !lazy && fault === 0 && at < stop && tried < most; at += PAGE_SIZE, tried++)
      fault = faultin_page(mm, at, access);
    todo.fault ||= fault;
    todo.at = lazy || fault !== 0 ? stop : at;
  }
  return tried;
}

/** Pages that one attempt at a call faults in. */
export const POPULATE_PAGES = 1024;

/** What a call returns once its pages are there. */
interface Populating {
  readonly ranges: Populate[];
  readonly result: number;
}

/**
 * The call has done its work but for the pages that it is to fault in: many of them come part by part, and others have
 * their turn between.
 */
export function populated(
  task: MmCurrent,
  result: number,
  check?: (range: Populate) => void,
): number {
  const mm = task.mm!;
  if (mm.to_populate.length === 0) return result;
  task.callState = { ranges: mm.to_populate, result } satisfies Populating;
  mm.to_populate = [];
  return populate_on(task, check);
}

export function populate_on(task: MmCurrent, check?: (range: Populate) => void): number {
  const { ranges, result } = task.callState as Populating;
  for (let left = POPULATE_PAGES; ranges.length > 0;) {
    const range = ranges[0]!;
    left -= populate_some(task.mm!, range, left);
    if (task.fatal_signal_pending()) return result;
    if (range.at < range.end) return BLOCKED;
    check?.(range);
    ranges.shift();
  }
  return result;
}

/** brk(2): moves the end of the heap when it can. @returns the break in force */
export function do_brk(current: MmCurrent, to: number): number {
  const mm = current.mm!;
  if (to < mm.start_brk || to > TASK_SIZE) return mm.brk;
  const oldEnd = pageAlign(mm.brk);
  const newEnd = pageAlign(to);
  const data = current.rlimit(RLIMIT_DATA);
  if (to - mm.start_brk + (mm.end_data - mm.start_data) > data) return mm.brk;
  if (newEnd === oldEnd) return (mm.brk = to);
  if (newEnd < oldEnd) {
    do_munmap(mm, newEnd, oldEnd - newEnd);
    return (mm.brk = to);
  }
  const next = mm.vmas.from(oldEnd);
  if (next !== null && gapStart(next) < newEnd + PAGE_SIZE) return mm.brk;
  try {
    const flags =
      VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT | mm.def_flags;
    checkLimits(current, mm, newEnd - oldEnd, flags);
    const vma = new Vma(mm, oldEnd, newEnd, flags, null, null, oldEnd / PAGE_SIZE);
    insertVma(mm, vma);
    if ((flags & VM_LOCKED) !== 0) populate(mm, oldEnd, newEnd);
  } catch {
    return mm.brk;
  }
  return (mm.brk = to);
}

/** Refuses ranges that grow a file mapping the driver fixed. */
export function expandable(vma: Vma): boolean {
  return (vma.flags & VM_DONTEXPAND) === 0;
}
