import { vm_commit_limit } from '../../mm/overcommit.ts';
import type { Kernel } from '../../include/kernel.ts';
import { FRAME_ANON, FRAME_FILE, FRAME_SHMEM } from '../../include/ram.ts';
import type { Dentry } from '../dcache.ts';
import { proc_create } from './registry.ts';

/** Memory of the whole machine: meminfo, vmstat, zoneinfo, buddyinfo, pagetypeinfo, slabinfo (mm/vmstat.c, mm/slab_common.c). */

const file = (path: string, show: (kernel: Kernel) => string, mode = 0o444): void =>
  proc_create(path, { mode, show: (current) => show(current.kernel) });

/** Page frames by what they hold. */
interface MemoryUse {
  readonly total: number;
  readonly free: number;
  readonly anon: number;
  /** Files of tmpfs and shared memory; pages of layers and folders of the host, which can be read again. */
  readonly shmem: number;
  readonly file: number;
  /** Both. */
  readonly cached: number;
  /** What a program could have without anybody being killed (si_mem_available). */
  readonly available: number;
  /** Private and shared memory that is not locked. */
  readonly inactive_anon: number;
  readonly mapped: number;
  readonly locked: number;
  readonly tables: number;
  readonly stacks: number;
  /** Kernel objects that programs make as many of as they like (include/kmem.ts). */
  readonly slab: number;
  readonly faults: number;
  readonly majorFaults: number;
}

export function memory_use(kernel: Kernel): MemoryUse {
  const { total, free } = kernel.frames;
  let locked = 0;
  let tables = 0;
  let faults = 0;
  let majorFaults = 0;
  const seen = new Set<object>();
  for (const { task } of kernel.pids.pids.values()) {
    if (task === null) continue;
    faults += task.min_flt + task.maj_flt;
    majorFaults += task.maj_flt;
    if (task.group_leader === task) {
      faults += task.signal.used.minflt + task.signal.children.minflt;
      majorFaults += task.signal.used.majflt + task.signal.children.majflt;
    }
    const { mm } = task;
    if (mm === null || seen.has(mm)) continue;
    seen.add(mm);
    locked += mm.locked_vm;
    tables += mm.tables.tables;
  }
  const { kinds } = kernel.buddy;
  const mapped = kernel.buddy.mapped();
  const [shmem, file, anon] = [kinds[FRAME_SHMEM]!, kinds[FRAME_FILE]!, kinds[FRAME_ANON]!];
  const available = free + file - Math.min(Math.floor(file / 2), kernel.frames.min_free);
  const inactive_anon = Math.max(0, anon + shmem - locked);
  return { total, free, anon, shmem, file, cached: shmem + file, available, inactive_anon, mapped, locked, tables, stacks: kernel.nr_threads * 4, slab: Math.ceil(kernel.kmem.bytes / 4096), faults, majorFaults }; // prettier-ignore
}

/** Lines of `Name:  value kB`, from pages. */
function meminfo(kernel: Kernel): string {
  const m = memory_use(kernel);
  const line = (name: string, pages: number): string =>
    `${(name + ':').padEnd(16)}${String(pages * 4).padStart(8)} kB\n`;
  const count = (name: string): string => `${(name + ':').padEnd(16)}${'0'.padStart(8)}\n`;
  return (
    line('MemTotal', m.total) + line('MemFree', m.free) + line('MemAvailable', m.available) + line('Buffers', 0) +
    line('Cached', m.cached) + line('SwapCached', 0) + line('Active', 0) + line('Inactive', m.inactive_anon + m.file) +
    line('Active(anon)', 0) + line('Inactive(anon)', m.inactive_anon) + line('Active(file)', 0) + line('Inactive(file)', m.file) +
    line('Unevictable', m.locked) + line('Mlocked', m.locked) + line('SwapTotal', 0) + line('SwapFree', 0) + line('Dirty', 0) +
    line('Writeback', 0) + line('AnonPages', m.anon) + line('Mapped', m.mapped) + line('Shmem', m.shmem) +
    line('KReclaimable', 0) + line('Slab', m.slab) + line('SReclaimable', 0) + line('SUnreclaim', m.slab) +
    line('KernelStack', m.stacks) + line('PageTables', m.tables) + line('SecPageTables', 0) + line('NFS_Unstable', 0) +
    line('Bounce', 0) + line('WritebackTmp', 0) + line('CommitLimit', vm_commit_limit(kernel)) +
    line('Committed_AS', kernel.vm_committed_as) + 'VmallocTotal:   34359738367 kB\n' + line('VmallocUsed', 0) +
    line('VmallocChunk', 0) + line('Percpu', 0) + line('AnonHugePages', 0) + line('ShmemHugePages', 0) +
    line('ShmemPmdMapped', 0) + line('FileHugePages', 0) + line('FilePmdMapped', 0) + count('HugePages_Total') +
    count('HugePages_Free') + count('HugePages_Rsvd') + count('HugePages_Surp') + line('Hugepagesize', 512) +
    line('Hugetlb', 0) + line('DirectMap4k', m.total)
  ); // prettier-ignore
}

/** Counters of the zone, then of the node, in the order of enum zone_stat_item and node_stat_item. */
function zoneCounters(kernel: Kernel): [string, number][] {
  const m = memory_use(kernel);
  return [
    ['nr_free_pages', m.free],
    ['nr_zone_inactive_anon', m.inactive_anon],
    ['nr_zone_active_anon', 0],
    ['nr_zone_inactive_file', m.file],
    ['nr_zone_active_file', 0],
    ['nr_zone_unevictable', m.locked],
    ['nr_zone_write_pending', 0],
    ['nr_mlock', m.locked],
    ['nr_bounce', 0],
    ['nr_free_cma', 0],
  ];
}

const words = (list: string): string[] => list.trim().split(/\s+/);
const zeros = (names: readonly string[]): [string, number][] => names.map((name) => [name, 0]);

/** Counters of what this kernel never does (reclaim, writing back, demoting pages): their names in mm/vmstat.c's order. */
const WORKINGSET =
  words(`workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon
  workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim`);
const WRITEBACK =
  words(`nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written nr_throttled_written
  nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released`);
const DEMOTION = words('pgdemote_kswapd pgdemote_direct pgdemote_khugepaged');
const ALLOCSTALL = words(`allocstall_dma allocstall_dma32 allocstall_normal allocstall_movable
  pgskip_dma pgskip_dma32 pgskip_normal pgskip_movable`);
const RECLAIM =
  words(`pglazyfreed pgrefill pgreuse pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgscan_kswapd pgscan_direct
  pgscan_khugepaged pgscan_direct_throttle pgscan_anon pgscan_file pgsteal_anon pgsteal_file zone_reclaim_success
  zone_reclaim_failed pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly
  kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache drop_slab`);
const AFTER_OOM =
  words(`unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked
  unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded direct_map_level2_splits
  direct_map_level3_splits nr_unstable`);

function nodeCounters(kernel: Kernel): [string, number][] {
  const m = memory_use(kernel);
  return [
    ['nr_inactive_anon', m.inactive_anon],
    ['nr_active_anon', 0],
    ['nr_inactive_file', m.file],
    ['nr_active_file', 0],
    ['nr_unevictable', m.locked],
    ['nr_slab_reclaimable', 0],
    ['nr_slab_unreclaimable', m.slab],
    ['nr_isolated_anon', 0],
    ['nr_isolated_file', 0],
    ...zeros(WORKINGSET),
    ['nr_anon_pages', m.anon],
    ['nr_mapped', m.mapped],
    ['nr_file_pages', m.cached],
    ['nr_dirty', 0],
    ['nr_writeback', 0],
    ['nr_writeback_temp', 0],
    ['nr_shmem', m.shmem],
    ['nr_shmem_hugepages', 0],
    ['nr_shmem_pmdmapped', 0],
    ['nr_file_hugepages', 0],
    ['nr_file_pmdmapped', 0],
    ['nr_anon_transparent_hugepages', 0],
    ...zeros(WRITEBACK),
    ['nr_kernel_stack', m.stacks * 4],
    ['nr_page_table_pages', m.tables],
    ['nr_sec_page_table_pages', 0],
    ...zeros(DEMOTION),
  ];
}

const pairs = (list: readonly [string, number][], indent = ''): string =>
  list.map(([name, value]) => `${indent}${name} ${value}\n`).join('');

function vmstat(kernel: Kernel): string {
  const m = memory_use(kernel);
  return pairs([
    ...zoneCounters(kernel),
    ['numa_hit', kernel.buddy.allocated],
    ['numa_miss', 0],
    ['numa_foreign', 0],
    ['numa_interleave', 0],
    ['numa_local', kernel.buddy.allocated],
    ['numa_other', 0],
    ...nodeCounters(kernel),
    ['nr_dirty_threshold', Math.floor(m.free / 5)],
    ['nr_dirty_background_threshold', Math.floor(m.free / 10)],
    ['pgpgin', 0],
    ['pgpgout', 0],
    ['pswpin', 0],
    ['pswpout', 0],
    ['pgalloc_dma', 0],
    ['pgalloc_dma32', 0],
    ['pgalloc_normal', kernel.buddy.allocated],
    ['pgalloc_movable', 0],
    ...zeros(ALLOCSTALL),
    ['pgfree', kernel.buddy.allocated - (m.total - m.free)],
    ['pgactivate', 0],
    ['pgdeactivate', 0],
    ['pglazyfree', 0],
    ['pgfault', m.faults],
    ['pgmajfault', m.majorFaults],
    ...zeros(RECLAIM),
    ['oom_kill', kernel.oom.kills],
    ...zeros(AFTER_OOM),
  ]);
}

function zoneinfo(kernel: Kernel): string {
  const m = memory_use(kernel);
  const { first, end } = kernel.buddy;
  const field = (name: string, value: number): string => `        ${name.padEnd(8)} ${value}\n`;
  const stats = nodeCounters(kernel).map(([name, value]) => `      ${name.padEnd(12)} ${value}\n`);
  const zone = zoneCounters(kernel).map(([name, value]) => `      ${name.padEnd(12)} ${value}\n`);
  return (
    `Node 0, zone   Normal\n  per-node stats\n${stats.join('')}  pages free     ${m.free}\n` +
    field('boost', 0) + field('min', 0) + field('low', 0) + field('high', 0) + field('promo', 0) +
    field('spanned', end) + field('present', end - first) + field('managed', m.total) + field('cma', 0) +
    `        protection: (0, 0, 0, 0)\n${zone.join('')}  pagesets\n` +
    kernel.sched.rqs.map(({ cpu }) => `    cpu: ${cpu}\n              count:    0\n              high:     0\n              batch:    0\n`).join('') +
    `  node_unreclaimable:  0\n  start_pfn:           ${first}\n`
  ); // prettier-ignore
}

function buddyinfo(kernel: Kernel): string {
  const counts = Array.from(kernel.buddy.nrFree, (n) => String(n).padStart(6)).join(' ');
  return `Node 0, zone   Normal ${counts} \n`;
}

function pagetypeinfo(kernel: Kernel): string {
  const orders = Array.from(kernel.buddy.nrFree, (_, order) => String(order).padStart(6)).join(' ');
  const free = Array.from(kernel.buddy.nrFree, (n) => String(n).padStart(6)).join(' ');
  const zone = 'Node    0, zone   Normal, type';
  const blocks = Math.ceil(kernel.buddy.total / 512);
  return (
    `Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order ${orders} \n` +
    `${zone}      Movable ${free} \n\nNumber of blocks type      Movable \nNode 0, zone   Normal ${String(blocks).padStart(12)} \n`
  );
}

/** Dentries that are cached below one, itself included, and inodes with them. */
function countDentries(root: Dentry): number {
  let n = 0;
  const stack: Dentry[] = [root];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    n++;
    if (at.children !== null) for (const child of at.children.values()) stack.push(child);
  }
  return n;
}

/** Kinds of kernel objects that are counted, with the size of Linux's structure. */
function objects(kernel: Kernel): [name: string, count: number, size: number][] {
  const mms = new Set<object>();
  const files = new Set<object>();
  const fss = new Set<object>();
  const handlers = new Set<object>();
  let vmas = 0;
  let processes = 0;
  for (const { task } of kernel.pids.pids.values()) {
    if (task === null) continue;
    if (task.group_leader === task) processes++;
    handlers.add(task.sighand);
    if (!task.exiting) {
      files.add(task.files);
      fss.add(task.fs);
    }
    if (task.mm === null || mms.has(task.mm)) continue;
    mms.add(task.mm);
    vmas += task.mm.vmas.list.length;
  }
  const roots = new Set<Dentry>();
  for (const mnt of kernel.vfs.rootNs.mounts) roots.add(mnt.sb.root);
  let dentries = 0;
  for (const root of roots) dentries += countDentries(root);
  return [
    ['task_struct', kernel.nr_threads, 9344],
    ['mm_struct', mms.size, 1408],
    ['vm_area_struct', vmas, 176],
    ['signal_cache', processes, 1152],
    ['sighand_cache', handlers.size, 2112],
    ['files_cache', files.size, 704],
    ['fs_cache', fss.size, 64],
    ['pid', kernel.pids.pids.size, 128],
    ['filp', kernel.vfs.files, 232],
    ['shmem_inode_cache', dentries, 744],
    ['dentry', dentries, 192],
    ['mnt_cache', kernel.vfs.rootNs.mounts.size, 320],
  ];
}

/** Objects live on the host's heap; the table tells how many there are, in slabs of a size that would hold them. */
function slabinfo(kernel: Kernel): string {
  const lines = objects(kernel).map(([name, count, size]) => {
    const pages = size > 4096 ? 8 : size > 1024 ? 4 : 1;
    const per = Math.floor((pages * 4096) / size);
    const slabs = Math.ceil(count / per);
    const n = (value: number, width: number): string => String(value).padStart(width);
    return `${name.padEnd(17)} ${n(count, 6)} ${n(slabs * per, 6)} ${n(size, 6)} ${n(per, 4)} ${n(pages, 4)} : tunables ${n(0, 4)} ${n(0, 4)} ${n(0, 4)} : slabdata ${n(slabs, 6)} ${n(slabs, 6)} ${n(0, 6)}\n`;
  });
  return (
    'slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>' +
    ' : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n' +
    lines.join('')
  );
}

file('meminfo', meminfo);
file('vmstat', vmstat);
file('zoneinfo', zoneinfo);
file('buddyinfo', buddyinfo);
file('pagetypeinfo', pagetypeinfo, 0o400);
file('slabinfo', slabinfo, 0o400);
// No part of the kernel is mapped anywhere: it lives outside of the machine's memory.
file('vmallocinfo', () => '', 0o400);
