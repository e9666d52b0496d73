import * as E from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { VM_FAULT_OOM, faultin_page } from './fault.ts';
import { filemap_punch } from './filemap.ts';
import { type MmCurrent, aligned, hex, isolate, mergeAround, pageAlign } from './mmap.ts';
import { shmem_ino } from './shmem.ts';
import { userfaultfd_remove } from './userfaultfd.ts';
import type { Mm } from './mm.ts';
import {
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DROPPABLE,
  VM_LOCKED,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_READ,
  VM_SEALED,
  VM_SEQ_READ,
  VM_WIPEONFORK,
  VM_WRITE,
  type Vma,
} from './vma.ts';

/** Advice that only guides read-ahead, merging or huge pages, which leaves what the program sees as it is. */
const HINTS = new Set<number>([
  M.MADV_WILLNEED,
  M.MADV_HUGEPAGE,
  M.MADV_NOHUGEPAGE,
  M.MADV_COLD,
  M.MADV_PAGEOUT,
  M.MADV_MERGEABLE,
  M.MADV_UNMERGEABLE,
]);

/** Advice that sets or clears a flag of the range. */
const FLAGS = new Map<number, [set: number, clear: number]>([
  [M.MADV_NORMAL, [0, VM_RAND_READ | VM_SEQ_READ]],
  [M.MADV_RANDOM, [VM_RAND_READ, VM_SEQ_READ]],
  [M.MADV_SEQUENTIAL, [VM_SEQ_READ, VM_RAND_READ]],
  [M.MADV_DONTFORK, [VM_DONTCOPY, 0]],
  [M.MADV_DOFORK, [0, VM_DONTCOPY]],
  [M.MADV_WIPEONFORK, [VM_WIPEONFORK, 0]],
  [M.MADV_KEEPONFORK, [0, VM_WIPEONFORK]],
  [M.MADV_DONTDUMP, [VM_DONTDUMP, 0]],
  [M.MADV_DODUMP, [0, VM_DONTDUMP]],
]);

/** Advice that means nothing for locked memory. */
const UNLOCKED = new Set<number>([M.MADV_COLD, M.MADV_PAGEOUT, M.MADV_FREE]);

/** Advice that throws contents away. */
const DISCARDS = new Set<number>([M.MADV_DONTNEED, M.MADV_FREE, M.MADV_REMOVE, M.MADV_DONTNEED_LOCKED, M.MADV_DONTFORK, M.MADV_WIPEONFORK]); // prettier-ignore

const POPULATES = new Set<number>([M.MADV_POPULATE_READ, M.MADV_POPULATE_WRITE]);

/** Contents of sealed memory that could not be written may not be thrown away either (can_modify_mm_madv). */
function checkSealed(mm: Mm, start: number, end: number): void {
  for (const vma of mm.vmas.list) {
    if (vma.end <= start || vma.start >= end) continue;
    if ((vma.flags & VM_SEALED) !== 0 && vma.mapping === null && (vma.flags & VM_WRITE) === 0)
      throw errno(
        E.EPERM,
        'madvise: the mapping {}–{} is sealed (mseal)',
        hex(vma.start),
        hex(vma.end),
      );
  }
}

/** madvise(2). Holes are skipped and told of at the end with ENOMEM. */
export function do_madvise(
  current: MmCurrent,
  start: number,
  length: number,
  advice: number,
): void {
  const mm = current.mm!;
  const flag = FLAGS.get(advice);
  const acts = new Set<number>([
    M.MADV_DONTNEED,
    M.MADV_FREE,
    M.MADV_REMOVE,
    M.MADV_POPULATE_READ,
    M.MADV_POPULATE_WRITE,
    M.MADV_DONTNEED_LOCKED,
  ]);
  if (!HINTS.has(advice) && flag === undefined && !acts.has(advice))
    throw errno(E.EINVAL, 'madvise: advice {} is not known', advice);
  if (!aligned(start))
    throw errno(E.EINVAL, 'madvise: address {} is not a multiple of {}', hex(start), PAGE_SIZE);
  const end = start + pageAlign(length);
  if (length < 0 || end >= 2 ** 64 || (length > 0 && end === start))
    throw errno(
      E.EINVAL,
      'madvise: {} plus {} bytes passes the end of user space',
      hex(start),
      length,
    );
  if (DISCARDS.has(advice)) checkSealed(mm, start, end);
  let hole = false;
  for (let at = start; at < end;) {
    const vma = mm.vmas.from(at);
    if (vma === null || vma.start >= end) {
      hole = true;
      break;
    }
    if (vma.start > at) hole = true;
    // Populating goes page by page, and ends at the first hole.
    if (hole && POPULATES.has(advice)) break;
    const from = Math.max(at, vma.start);
    const to = Math.min(end, vma.end);
    if (flag !== undefined) setFlags(current, vma, from, to, flag);
    else if (UNLOCKED.has(advice) && (vma.flags & VM_LOCKED) !== 0)
      throw errno(E.EINVAL, 'madvise: advice {} is not for locked memory ({})', advice, hex(from));
    else if (!HINTS.has(advice)) act(current, vma, from, to, advice);
    at = to;
  }
  if (hole) throw errno(E.ENOMEM, 'madvise: part of {}–{} is not mapped', hex(start), hex(end));
}

function setFlags(
  current: MmCurrent,
  vma: Vma,
  from: number,
  to: number,
  flag: [number, number],
): void {
  const mm = current.mm!;
  if ((flag[0] & VM_WIPEONFORK) !== 0 && (vma.mapping !== null || vma.shared)) throw errno(E.EINVAL, 'madvise: MADV_WIPEONFORK needs private anonymous memory'); // prettier-ignore
  if ((vma.flags & VM_DROPPABLE) !== 0 && (flag[1] & (VM_WIPEONFORK | VM_DONTDUMP)) !== 0)
    throw errno(E.EINVAL, 'madvise: what may be dropped is neither kept at fork nor dumped');
  if (((vma.flags | flag[0]) & ~flag[1]) === vma.flags) return;
  for (const part of isolate(mm, from, to)) {
    part.flags = (part.flags | flag[0]) & ~flag[1];
    mergeAround(mm, part);
  }
}

/** Faults pages in as the program would, and says why when that cannot be done (madvise_populate). */
function madvise_populate(mm: Mm, vma: Vma, from: number, to: number, write: boolean): void {
  if ((vma.flags & (write ? VM_WRITE : VM_READ)) === 0)
    throw errno(E.EINVAL, 'madvise: what is mapped at {} cannot be {}', hex(from), write ? 'written' : 'read'); // prettier-ignore
  for (let at = from; at < to; at += PAGE_SIZE) {
    const fault = faultin_page(mm, at, write ? 'write' : 'read');
    if (fault === VM_FAULT_OOM) throw errno(E.ENOMEM, 'madvise: no page frame for {}', hex(at));
    if (fault !== 0) throw errno(E.EFAULT, 'madvise: {} is past the end of its file', hex(at));
  }
}

/** What is mapped in [from, to) becomes a hole of its file (madvise_remove). */
function punch(
  current: MmCurrent,
  { file, mapping, mm, start, pgoff }: Vma,
  from: number,
  to: number,
): void {
  // prettier-ignore
  const offset = from - start + pgoff * PAGE_SIZE;
  if (file === null || shmem_ino(mapping) !== 0)
    filemap_punch(mm.kernel, mapping!, offset, offset + to - from); // prettier-ignore
  else file.punch(current, offset, to - from);
}

function act(current: MmCurrent, vma: Vma, from: number, to: number, advice: number): void {
  const mm = current.mm!;
  switch (advice) {
    case M.MADV_DONTNEED:
    case M.MADV_DONTNEED_LOCKED:
      if ((vma.flags & VM_LOCKED) !== 0 && advice === M.MADV_DONTNEED) throw errno(E.EINVAL, 'madvise: MADV_DONTNEED on locked memory at {}', hex(from)); // prettier-ignore
      if ((vma.flags & VM_PFNMAP) !== 0) throw errno(E.EINVAL, 'madvise: what is mapped at {} are no pages of memory', hex(from)); // prettier-ignore
      userfaultfd_remove(vma, from, to);
      mm.zap_range(vma, from, to, true);
      return;
    case M.MADV_FREE:
      if (vma.mapping !== null || vma.shared)
        throw errno(E.EINVAL, 'madvise: MADV_FREE needs private anonymous memory');
      userfaultfd_remove(vma, from, to);
      // The pages may go at any time until they are written again; they go at once.
      mm.zap_range(vma, from, to);
      return;
    case M.MADV_REMOVE:
      if ((vma.flags & VM_LOCKED) !== 0 || vma.mapping === null)
        throw errno(E.EINVAL, 'madvise: MADV_REMOVE needs a shared mapping');
      if (!vma.maywrite)
        throw errno(E.EACCES, 'madvise: MADV_REMOVE needs a shared writable mapping');
      userfaultfd_remove(vma, from, to);
      punch(current, vma, from, to);
      return;
    default:
      madvise_populate(mm, vma, from, to, advice === M.MADV_POPULATE_WRITE);
  }
}

/** prctl(PR_SET_VMA_ANON_NAME): memory without a file gets a name, or none. Throws EINVAL, EBADF, ENOMEM. */
export function madvise_set_anon_name(
  current: MmCurrent,
  start: number,
  length: number,
  name: string | null,
): void {
  const mm = current.mm!;
  if (!aligned(start))
    throw errno(E.EINVAL, 'prctl: address {} is not a multiple of {}', hex(start), PAGE_SIZE);
  const end = start + pageAlign(length);
  if (end >= 2 ** 64 || (length > 0 && end === start))
    throw errno(E.EINVAL, 'prctl: {} plus {} bytes passes the end of memory', hex(start), length);
  let hole = false;
  for (let at = start; at < end;) {
    const vma = mm.vmas.from(at);
    hole ||= vma === null || vma.start > at;
    if (vma === null || vma.start >= end) break;
    if (vma.file !== null)
      throw errno(E.EBADF, 'prctl: what is mapped at {} is a file', hex(vma.start));
    const to = Math.min(end, vma.end);
    const part = isolate(mm, Math.max(at, vma.start), to)[0]!;
    part.name = name === null ? null : `[${part.mapping === null ? 'anon' : 'anon_shmem'}:${name}]`;
    mergeAround(mm, part);
    at = to;
  }
  if (hole) throw errno(E.ENOMEM, 'prctl: part of {}–{} is not mapped', hex(start), hex(end));
}
