import { EFAULT } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import type { MmapFile } from '../include/mmap_file.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import type { UserMemory } from '../include/uaccess.ts';
import {
  PageTables,
  _PAGE_ANON,
  _PAGE_DIRTY,
  _PAGE_UFFD_WP,
  pte_mapped,
  pte_pfn,
} from './pgtable.ts';
import type { PendingFault, UserfaultEvent } from './userfaultfd.ts';
import { MmMemory } from './uaccess.ts';
import { VM_ACCOUNT, VM_LOCKED, VM_PFNMAP, VM_SHARED, type Vma, VmaList } from './vma.ts';

/** What address spaces need of the processor's translation cache. */
export interface Tlb {
  cr3: number;
  invlpg(va: number): void;
  flushTlb(cr3?: number): void;
}

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly tlb: Tlb;
    /** The frame of zeros that first reads of anonymous memory share. */
    readonly zero_pfn: number;
  }
}

/** Where the parts of the address space are, in the order of PR_SET_MM_START_CODE and of struct prctl_mm_map. */
export const MM_LAYOUT = [
  'start_code',
  'end_code',
  'start_data',
  'end_data',
  'start_brk',
  'brk',
  'start_stack',
  'arg_start',
  'arg_end',
  'env_start',
  'env_end',
] as const;

/** Pages that are still to be faulted in, and the first VM_FAULT_… there was. */
export interface Populate {
  at: number;
  readonly end: number;
  fault: number;
}

/** Something that lives as long as an address space. */
export interface MmOwned {
  mm_exit(): void;
  /** A mapping was moved (mremap). */
  mm_moved?(from: number, to: number): void;
}

/** Analogous to `struct mm_struct`: one address space. */
export class Mm {
  readonly kernel: Kernel;
  readonly tables: PageTables;
  readonly vmas: VmaList = new VmaList();
  readonly mem: UserMemory;
  /** Tasks that use it (mm_users). */
  users = 1;

  mmap_base: number;
  /** New mappings go from the base up, not down (MMF_TOPDOWN is off). */
  legacy_layout = false;
  task_size: number;
  start_code = 0;
  end_code = 0;
  start_data = 0;
  end_data = 0;
  start_brk = 0;
  brk = 0;
  start_stack = 0;
  arg_start = 0;
  arg_end = 0;
  env_start = 0;
  env_end = 0;
  auxv: Uint8Array = new Uint8Array(0);
  exe_file: MmapFile | null = null;

  /** The last `anon_vma` of its ranges that was given. */
  anon_vmas = 0;

  /** Pages mapped (VmSize), locked, and by kind. */
  total_vm = 0;
  locked_vm = 0;
  data_vm = 0;
  exec_vm = 0;
  stack_vm = 0;
  hiwater_vm = 0;
  hiwater_rss = 0;
  rss_anon = 0;
  rss_file = 0;
  rss_shmem = 0;
  /** What ends with the address space (aio contexts). */
  readonly owned: Set<MmOwned> = new Set();
  /** mlockall(MCL_FUTURE): flags given to every new range. */
  def_flags = 0;
  /** The out-of-memory killer took its pages; what is touched now reads as zeros and the task is dying. */
  reaped = false;
  /** exit_mmap runs: the whole space's translations go at its end. */
  exiting = false;
  dumpable = 1;
  /** Kinds of memory that a core dump holds (/proc/PID/coredump_filter). */
  coredump_filter = 0x33;
  /** prctl(PR_SET_THP_DISABLE): there are no huge pages to withhold. */
  thp_disabled = false;
  /** Commands of membarrier(2) that the process is registered for. */
  membarrier = 0;
  /** prctl(PR_SET_MDWE): memory that could be written never becomes executable. */
  mdwe = 0;
  /** Protection key 0 was asked for (sys_pkey_alloc). */
  pkey_taken = false;
  /** Segments of its own (modify_ldt); never changed in place, so that a child can share it. */
  ldt: Uint8Array | null = null;
  /** Ranges whose pages the call that is under way faults in when it has done the rest (mm_populate). */
  to_populate: Populate[] = [];
  /** Some of it is, or was, a userfaultfd's to fill. */
  served = false;
  /** With VM_FAULT_RETRY: what the fault waits for. The last change that a reader of a userfaultfd has not heard of. */
  userfault: PendingFault | null = null;
  userfault_event: UserfaultEvent | null = null;
  /** Blocks of frames for pages of the stack, by the number of the first of 16 pages (stack_frames.ts). */
  readonly stack_blocks: Map<number, number> = new Map();
  /** RLIMIT_STACK of the process, as far as its stack may grow. */
  stack_limit: number = 8 << 20;

  static {
    serializable('Mm', this);
  }

  constructor(kernel: Kernel, pgd: number, mmap_base: number, task_size: number) {
    this.kernel = kernel;
    this.tables = new PageTables(kernel.ram, kernel.frames, pgd);
    this.mmap_base = mmap_base;
    this.task_size = task_size;
    this.mem = new MmMemory(this);
  }

  get rss(): number {
    return this.rss_anon + this.rss_file + this.rss_shmem;
  }

  /** One page became (count > 0) or stopped being (< 0) resident. */
  account_rss(vma: Vma, anon: boolean, count: number): void {
    if ((vma.flags & VM_PFNMAP) !== 0) return; // the kernel's own page is nobody's
    if (anon) this.rss_anon += count;
    else if (vma.mapping !== null && !vma.mapping.reclaimable) this.rss_shmem += count;
    else this.rss_file += count;
    if (count > 0 && this.rss > this.hiwater_rss) this.hiwater_rss = this.rss;
  }

  /** A page-table entry of this address space changed. */
  flush_tlb_page(address: number): void {
    const tlb = this.kernel.tlb;
    if (tlb.cr3 === this.tables.pgd) tlb.invlpg(address);
    else tlb.flushTlb(this.tables.pgd);
  }

  flush_tlb_range(start: number, end: number): void {
    const tlb = this.kernel.tlb;
    if (tlb.cr3 !== this.tables.pgd || end - start > 32 * PAGE_SIZE) tlb.flushTlb(this.tables.pgd);
    else for (let at = start; at < end; at += PAGE_SIZE) tlb.invlpg(at);
  }

  /**
   * Takes every page of [start, end) out of the tables (zap_page_range).
   * @param markers pages of files stay protected for a userfaultfd
   * @param budget entries that may be looked at; it stops after the table in which they run out
   * @returns where it stopped: `end` when all are gone
   */
  zap_range(
    vma: Vma,
    start: number,
    end: number,
    markers = false,
    budget: { entries: number } = { entries: Infinity },
  ): number {
    const { tables } = this;
    const { frames, zero_pfn } = this.kernel;
    const dirty = vma.shared ? vma.mapping?.dirty : null;
    const kept = markers && vma.mapping !== null ? _PAGE_UFFD_WP : 0;
    let stopped = end;
    let mapped = 0;
    let anon = 0;
    let others = 0;
    tables.leaves(start, end, (first, entries, count) => {
      for (let i = 0, at = entries; i < count; i++, at += 2) {
        const lo = tables.lo(at);
        if (lo === 0) continue;
        tables.set(at, lo & kept, 0);
        if (!pte_mapped(lo)) continue;
        mapped++;
        if (dirty && lo & _PAGE_DIRTY) dirty.add(vma.index(first + i * PAGE_SIZE));
        const pfn = pte_pfn(lo);
        if ((lo & _PAGE_ANON) !== 0) anon++;
        else if (pfn !== zero_pfn) others++;
        frames.put(pfn);
      }
      budget.entries -= count;
      if (budget.entries > 0) return;
      stopped = first + count * PAGE_SIZE;
      return true;
    });
    this.account_rss(vma, true, -anon);
    this.account_rss(vma, false, -others);
    if (mapped > 0 && !this.exiting) this.flush_tlb_range(start, stopped);
    return stopped;
  }

  /** The file has other bytes there now: its pages go, private copies stay (unmap_mapping_pages without even_cows). */
  unmap_file_pages(vma: Vma, start: number, end: number): void {
    const { tables } = this;
    tables.walk(start, end, (address, at) => {
      const lo = tables.lo(at);
      if (pte_mapped(lo) && !(lo & _PAGE_ANON)) this.zap_range(vma, address, address + PAGE_SIZE);
    });
  }

  /** Takes the dirty bits of a shared mapping's entries. */
  clean_file_pages(vma: Vma, dirty: Set<number>): void {
    const { tables } = this;
    const before = dirty.size;
    tables.walk(vma.start, vma.end, (address, at) => {
      const lo = tables.lo(at);
      if (!pte_mapped(lo) || !(lo & _PAGE_DIRTY)) return;
      tables.set(at, (lo & ~_PAGE_DIRTY) >>> 0, tables.hi(at));
      dirty.add(vma.index(address));
    });
    if (dirty.size > before) this.flush_tlb_range(vma.start, vma.end);
  }

  /** Truncation: file pages and private copies of [start, end) go. */
  zap_file_pages(vma: Vma, start: number, end: number): void {
    this.zap_range(vma, start, end);
  }

  /** Counts a range into (sign 1) or out of (-1) the totals. */
  account_vm(vma: Vma, sign: 1 | -1): void {
    const pages = vma.pages * sign;
    this.total_vm += pages;
    if ((vma.flags & VM_ACCOUNT) !== 0) this.kernel.vm_committed_as += pages;
    if ((vma.flags & VM_LOCKED) !== 0) this.locked_vm += pages;
    if ((vma.flags & 0x104) === 4 && (vma.flags & 2) === 0) this.exec_vm += pages;
    else if ((vma.flags & 0x100) !== 0) this.stack_vm += pages;
    else if ((vma.flags & (2 | VM_SHARED)) === 2) this.data_vm += pages;
    if (this.total_vm > this.hiwater_vm) this.hiwater_vm = this.total_vm;
  }
}

function noMemory(): never {
  throw errno(EFAULT, 'the task is a kernel thread and has no user memory');
}

/** User memory of a task without an address space. */
export const NO_MEMORY: UserMemory = {
  ram: new Uint8Array(0),
  read: noMemory,
  readInto: noMemory,
  write: noMemory,
  clear: noMemory,
  getU8: noMemory,
  getU16: noMemory,
  getU32: noMemory,
  getI32: noMemory,
  getU64: noMemory,
  getI64: noMemory,
  getBig: noMemory,
  putU8: noMemory,
  putU16: noMemory,
  putU32: noMemory,
  putU64: noMemory,
  putBig: noMemory,
  readString: noMemory,
  translate: noMemory,
};
