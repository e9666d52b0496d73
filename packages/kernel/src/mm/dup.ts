import { UFFD_EVENT_FORK } from '@vitrine/uapi/userfaultfd.ts';
import { ENOMEM } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { KMEM_VMA } from '../include/kmem.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { removeVma } from './mmap.ts';
import { serializable } from '../include/serial.ts';
import type { Work } from '../include/work.ts';
import { MM_LAYOUT, Mm } from './mm.ts';
import {
  PageTables,
  TASK_SIZE,
  _PAGE_ANON,
  _PAGE_RW,
  _PAGE_UFFD_WP,
  pte_mapped,
  pte_pfn,
} from './pgtable.ts';
import { type UserfaultfdCtx, dup_userfaultfd } from './userfaultfd.ts';
import { put_stack_frames } from './stack_frames.ts';
import { VM_DONTCOPY, VM_LOCKED, VM_SHARED, VM_UFFD_WP, VM_WIPEONFORK, Vma } from './vma.ts';

const MDWE_NO_INHERIT = 2;

/** Where the first mapping without a hint ends, with the default stack limit and no randomisation. */
export const MMAP_BASE = 0x7fff_f7ff_f000;

export function mm_alloc(kernel: Kernel): Mm {
  const pgd = kernel.frames.alloc(true);
  if (pgd === 0) throw errno(ENOMEM, 'no page frame for the page table of a new address space');
  return new Mm(kernel, pgd * PAGE_SIZE, MMAP_BASE, TASK_SIZE);
}

/** What a new address space has from its maker's, by fork as by exec (mmf_init_flags). */
export function inherit_flags(mm: Mm, from: Mm): void {
  mm.coredump_filter = from.coredump_filter;
  mm.thp_disabled = from.thp_disabled;
  mm.pkey_taken = from.pkey_taken;
  mm.mdwe = from.mdwe & MDWE_NO_INHERIT ? 0 : from.mdwe;
}

/** A copy of an address space for fork: private pages are shared until one side writes (dup_mmap). */
export function dup_mm(from: Mm): Mm {
  from.kernel.kmem.need(from.vmas.list.length * KMEM_VMA, 'the mappings of another process');
  const mm = mm_alloc(from.kernel);
  for (const key of [...MM_LAYOUT, 'mmap_base', 'auxv', 'dumpable', 'stack_limit'] as const) {
    (mm[key] as number | Uint8Array) = from[key];
  }
  inherit_flags(mm, from);
  mm.membarrier = from.membarrier;
  mm.legacy_layout = from.legacy_layout;
  mm.ldt = from.ldt;
  mm.exe_file = from.exe_file;
  mm.exe_file?.get();
  mm.exe_file?.deny_write_access();
  const contexts = new Map<UserfaultfdCtx, UserfaultfdCtx>();
  try {
    for (const vma of from.vmas.list)
      if ((vma.flags & VM_DONTCOPY) === 0) dupVma(mm, from, vma, contexts);
  } catch (error) {
    exit_mmap(mm);
    throw error;
  }
  from.flush_tlb_range(0, TASK_SIZE);
  for (const [ctx, child] of contexts) ctx.tell(UFFD_EVENT_FORK, [], child);
  return mm;
}

function dupVma(mm: Mm, from: Mm, vma: Vma, contexts: Map<UserfaultfdCtx, UserfaultfdCtx>): void {
  const copy = new Vma(
    mm,
    vma.start,
    vma.end,
    vma.flags & ~VM_LOCKED,
    vma.file,
    vma.mapping,
    vma.pgoff,
  );
  copy.name = vma.name;
  copy.stack = vma.stack;
  copy.policy = vma.policy;
  dup_userfaultfd(copy, vma, contexts);
  copy.file?.get();
  copy.file?.vm_open(mm.kernel);
  copy.mapping?.mappings.add(copy);
  mm.vmas.append(copy);
  mm.account_vm(copy, 1);
  // Pages that came from a file untouched are found again by faulting.
  if (
    (vma.flags & VM_WIPEONFORK) !== 0 ||
    (vma.mapping !== null && !vma.anon && (copy.flags & VM_UFFD_WP) === 0)
  )
    return;
  if (vma.anon) {
    copy.anon_vma = ++mm.anon_vmas;
    copy.cloned = true;
  }
  const { frames, zero_pfn } = mm.kernel;
  const keepWrite = (vma.flags & VM_SHARED) !== 0;
  const marks = copy.uffd === null ? ~_PAGE_UFFD_WP : ~0;
  let anon = 0;
  let others = 0;
  from.tables.leaves(vma.start, vma.end, (first, entries, count) => {
    // Entry i of the copy's table is at `entry + i * 2`, once there is one.
    let entry = -1;
    for (let i = 0, at = entries; i < count; i++, at += 2) {
      if ((from.tables.lo(at) & marks) >>> 0 === 0) continue;
      if (entry === -1) {
        const made = mm.tables.make(first + i * PAGE_SIZE);
        if (made !== -1) entry = made - i * 2;
        else if (!pte_mapped(from.tables.lo(at))) continue;
        else throw errno(ENOMEM, 'no page frame for the page tables of a forked process');
      }
      // To make the table may have cost the process that forks its pages.
      const old = from.tables.lo(at);
      let lo = (old & marks) >>> 0;
      if (lo === 0) continue;
      const mapped = pte_mapped(lo);
      if (!mapped) {
        mm.tables.set(entry + i * 2, lo, 0);
        continue;
      }
      const hi = from.tables.hi(at);
      if (!keepWrite && (lo & _PAGE_RW) !== 0) {
        lo = (lo & ~_PAGE_RW) >>> 0;
        from.tables.set(at, (old & ~_PAGE_RW) >>> 0, hi);
      }
      const pfn = pte_pfn(lo);
      frames.get(pfn);
      mm.tables.set(entry + i * 2, lo, hi);
      if ((lo & _PAGE_ANON) !== 0) anon++;
      else if (pfn !== zero_pfn) others++;
    }
  });
  mm.account_rss(copy, true, anon);
  mm.account_rss(copy, false, others);
}

/** One user of the address space less; the last one takes it down (mmput). */
export function mmput(mm: Mm): void {
  if (--mm.users === 0) exit_mmap(mm);
}

/** Who had more pages of private memory than this is taken down part by part, one in each turn of the machine. */
const REAP_LATER = 16384;
const REAP_PAGES = 4096;

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly exited_mms: ExitedMms;
  }
}

/** The private memory of large address spaces that nobody uses any more (analogous to mmput_async). */
export class ExitedMms implements Work {
  readonly kernel: Kernel;
  private readonly tables: PageTables[] = [];

  static {
    serializable('ExitedMms', this);
  }

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  add(tables: PageTables): void {
    this.tables.push(tables);
    this.kernel.work.queue(this);
  }

  /** Gives some of it back. @returns false when there is none */
  reap(): boolean {
    const tables = this.tables[0];
    if (tables === undefined) return false;
    if (tables.reap(REAP_PAGES)) this.tables.shift();
    return true;
  }

  run(): void {
    this.reap();
    if (this.tables.length > 0) this.kernel.work.queue(this);
  }
}

export function exit_mmap(mm: Mm): void {
  const { kernel } = mm;
  mm.exiting = true;
  for (const owned of [...mm.owned]) owned.mm_exit();
  const later = mm.rss_anon > REAP_LATER;
  for (const vma of [...mm.vmas.list].reverse()) {
    if (later && vma.mapping === null && vma.file === null) {
      mm.account_vm(vma, -1);
      mm.vmas.remove(vma);
    } else removeVma(mm, vma);
  }
  put_stack_frames(mm);
  kernel.tlb.flushTlb(mm.tables.pgd);
  if (later) kernel.exited_mms.add(mm.tables);
  else mm.tables.destroy();
  mm.exe_file?.allow_write_access();
  mm.exe_file?.put(mm.kernel);
  mm.exe_file = null;
}
