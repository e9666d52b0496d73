import { EINVAL } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { Loff } from '../../include/loff.ts';
import { serializable } from '../../include/serial.ts';
import { for_each_process } from '../../kernel/signal.ts';
import type { Mm } from '../../mm/mm.ts';
import { _PAGE_ANON, pte_mapped, pte_pfn } from '../../mm/pgtable.ts';
import { VM_LOCKED, VM_PFNMAP } from '../../mm/vma.ts';
import type { Path } from '../dcache.ts';
import { File } from '../file.ts';
import { proc_create } from './registry.ts';
import { mem_lseek } from './task_pages.ts';

/**
 * /proc/kpagecount and /proc/kpageflags: a 64-bit word for each page frame (fs/proc/page.c). A frame does not know who maps
 * it, so the page tables of all processes are looked through.
 */

// Bits of linux/kernel-page-flags.h; RESERVED and MLOCKED are those that only the kernel's own tools know.
const KPF_UPTODATE = 1n << 3n;
const KPF_LRU = 1n << 5n;
const KPF_BUDDY = 1n << 10n;
const KPF_MMAP = 1n << 11n;
const KPF_ANON = 1n << 12n;
const KPF_SWAPBACKED = 1n << 14n;
const KPF_UNEVICTABLE = 1n << 18n;
const KPF_ZERO_PAGE = 1n << 24n;
const KPF_PGTABLE = 1n << 26n;
const KPF_RESERVED = 1n << 32n;
const KPF_MLOCKED = 1n << 33n;

/** Most words that one read gives: to read on is a read of its own. */
const MOST_WORDS = 65536;

/** Every address space, once. */
function all_mms(kernel: Kernel): Set<Mm> {
  const mms = new Set<Mm>();
  for (const process of for_each_process(kernel))
    for (const { mm } of process.signal.threads) if (mm !== null) mms.add(mm);
  return mms;
}

/** Calls `visit` for each entry that maps one of the frames. */
function mappings(
  mm: Mm,
  first: number,
  count: number,
  visit: (i: number, anon: boolean, locked: boolean, shmem: boolean) => void,
): void {
  const { tables, kernel } = mm;
  for (const vma of mm.vmas.list) {
    if ((vma.flags & VM_PFNMAP) !== 0) continue;
    const locked = (vma.flags & VM_LOCKED) !== 0;
    const shmem = vma.mapping?.reclaimable === false;
    tables.leaves(vma.start, vma.end, (_address, from, n) => {
      for (let at = from; at < from + n * 2; at += 2) {
        const lo = tables.lo(at);
        const pfn = pte_pfn(lo);
        if (pfn < first || pfn >= first + count || !pte_mapped(lo) || pfn === kernel.zero_pfn)
          continue;
        const anon = (lo & _PAGE_ANON) !== 0;
        visit(pfn - first, anon, locked, shmem && !anon);
      }
    });
  }
}

function kpagecount(kernel: Kernel, first: number, words: BigUint64Array): void {
  for (const mm of all_mms(kernel))
    mappings(mm, first, words.length, (i) => {
      words[i]!++;
    });
}

function kpageflags(kernel: Kernel, first: number, words: BigUint64Array): void {
  const mark = (pfn: number, bits: bigint): void => {
    if (pfn >= first && pfn < first + words.length) words[pfn - first]! |= bits;
  };
  for (const mapping of kernel.page_caches)
    for (const pfn of mapping.pages.values()) mark(pfn, KPF_UPTODATE | KPF_LRU);
  for (const mm of all_mms(kernel)) {
    for (const pfn of mm.tables.own_frames()) mark(pfn, KPF_PGTABLE);
    mappings(mm, first, words.length, (i, anon, locked, shmem) => {
      words[i]! |=
        KPF_MMAP |
        KPF_UPTODATE |
        KPF_LRU |
        (anon ? KPF_ANON : 0n) |
        (anon || shmem ? KPF_SWAPBACKED : 0n) |
        (locked ? KPF_UNEVICTABLE | KPF_MLOCKED : 0n);
    });
  }
  mark(kernel.zero_pfn, KPF_ZERO_PAGE | KPF_RESERVED);
  words.forEach((_, i) => {
    if (first + i < kernel.buddy.first) words[i] = KPF_RESERVED;
    else if (kernel.buddy.count(first + i) === 0) words[i] = KPF_BUDDY;
  });
}

type Fill = (kernel: Kernel, first: number, words: BigUint64Array) => void;

const FILLS: Readonly<Record<string, Fill>> = { kpagecount, kpageflags };

class KpageFile extends File {
  static {
    serializable('ProcKpageFile', this);
  }

  override get splice_read(): boolean {
    return false;
  }

  override llseek(_current: Current, offset: Loff, whence: number): Loff {
    return mem_lseek(this, offset, whence);
  }

  override read_iter(current: Current, to: IovIter, pos: number): number {
    const { kernel } = current;
    if (pos % 8 !== 0 || to.count % 8 !== 0)
      throw errno(EINVAL, '{} is read in words of 8 bytes, not {} at {}', this.path, to.count, pos);
    const first = pos / 8;
    const count = Math.min(to.count / 8, Math.max(0, kernel.buddy.end - first), MOST_WORDS);
    if (count === 0) return 0;
    const words = new BigUint64Array(count);
    FILLS[this.path.dentry.name]!(kernel, first, words);
    return to.copyTo(new Uint8Array(words.buffer), 0, count * 8);
  }
}

for (const name of Object.keys(FILLS))
  proc_create(name, {
    mode: 0o400,
    open: (current: Current, path: Path, flags: number): File =>
      new KpageFile(current, path, flags),
  });
