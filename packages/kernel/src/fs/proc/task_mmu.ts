import { ESRCH } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';
import type { Mm } from '../../mm/mm.ts';
import { pte_mapped, pte_pfn } from '../../mm/pgtable.ts';
import { shmem_ino } from '../../mm/shmem.ts';
import * as V from '../../mm/vma.ts';
import type { Vma } from '../../mm/vma.ts';
import type { Task } from '../../kernel/task.ts';
import { byteString } from '../bytes.ts';
import { type Path, d_path } from '../dcache.ts';
import type { File } from '../file.ts';
import { procmap_query } from './procmap_query.ts';
import { pid_create } from './registry.ts';

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** @param root what the reader sees as the root */
function nameOf(vma: Vma, root: Path): string {
  const { mm } = vma;
  if (vma.file !== null) return d_path((vma.file as File).path, root).replaceAll('\n', '\\012');
  const anon = vma.name?.startsWith('[anon:') === true;
  if (vma.name !== null && !anon) return vma.name;
  if (vma.start <= mm.brk && vma.end >= mm.start_brk && mm.brk !== mm.start_brk) return '[heap]';
  if (vma.start <= mm.start_stack && vma.end >= mm.start_stack) return '[stack]';
  if (anon) return vma.name!;
  return vma.shared ? '/dev/zero (deleted)' : '';
}

/** One line of maps; the name starts at column 74 (show_map_vma). */
function mapLine(vma: Vma, root: Path): string {
  const { flags, file } = vma;
  const rights =
    (flags & V.VM_READ ? 'r' : '-') + (flags & V.VM_WRITE ? 'w' : '-') +
    (flags & V.VM_EXEC ? 'x' : '-') + (flags & V.VM_MAYSHARE ? 's' : 'p'); // prettier-ignore
  const dev = file?.devt ?? (vma.shared ? 1 : 0);
  const offset = vma.mapping === null && file === null ? 0 : vma.pgoff * 4096;
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const line = `${hex(vma.start, 8)}-${hex(vma.end, 8)} ${rights} ${hex(offset, 8)} ${hex(major, 2)}:${hex(minor, 2)} ${file?.ino ?? shmem_ino(vma.mapping)} `;
  const name = nameOf(vma, root);
  return (name === '' ? line : line.padEnd(73) + name) + '\n';
}

/** The files are of the address space that was there when they were opened; that is nothing once its last user has left it. */
const isLive = (mm: Mm | null): mm is Mm => mm !== null && mm.users > 0;

function eachVma(mm: Mm | null, root: Path, line: (vma: Vma, root: Path) => string): string {
  return isLive(mm) ? mm.vmas.list.map((vma) => line(vma, root)).join('') : '';
}

interface Usage {
  rss: number;
  pss: number;
  pssDirty: number;
  pssAnon: number;
  pssFile: number;
  pssShmem: number;
  shared: number;
  sharedDirty: number;
  priv: number;
  privDirty: number;
  anon: number;
  referenced: number;
  locked: number;
}

const noUsage = (): Usage => ({
  rss: 0,
  pss: 0,
  pssDirty: 0,
  pssAnon: 0,
  pssFile: 0,
  pssShmem: 0,
  shared: 0,
  sharedDirty: 0,
  priv: 0,
  privDirty: 0,
  anon: 0,
  referenced: 0,
  locked: 0,
});

/** What of a range is resident, as its page-table entries say. */
function usageOf(mm: Mm, vma: Vma): Usage {
  const u = noUsage();
  if ((vma.flags & V.VM_PFNMAP) !== 0) return u;
  const { frames, zero_pfn } = mm.kernel;
  mm.tables.walk(vma.start, vma.end, (_address, at) => {
    const lo = mm.tables.lo(at);
    if (!pte_mapped(lo)) return;
    const pfn = pte_pfn(lo);
    if (pfn === zero_pfn) return;
    const isAnon = (lo & 0x200) !== 0;
    // The page cache holds one reference of its own.
    const users = Math.max(1, frames.count(pfn) - (isAnon ? 0 : 1));
    const dirty = isAnon || (lo & 0x40) !== 0;
    u.rss += 4;
    u.pss += 4 / users;
    if (dirty) u.pssDirty += 4 / users;
    u[isAnon ? 'pssAnon' : vma.mapping?.reclaimable === false ? 'pssShmem' : 'pssFile'] +=
      4 / users;
    if (isAnon) u.anon += 4;
    if (lo & 0x20) u.referenced += 4;
    if (users > 1) u[dirty ? 'sharedDirty' : 'shared'] += 4;
    else u[dirty ? 'privDirty' : 'priv'] += 4;
  });
  if (vma.flags & V.VM_LOCKED) u.locked = u.pss;
  return u;
}

/** Numbers as they are printed: nearly all of them are small, and there are many lines. */
const SMALL: string[] = [];
function kib(n: number): string {
  const whole = Math.floor(n);
  if (whole >= 4096) return `${String(whole).padStart(8)} kB\n`;
  return (SMALL[whole] ??= `${String(whole).padStart(8)} kB\n`);
}
const label = (name: string): string => (name + ':').padEnd(16);

// Fields whose numbers follow: they are joined at once, as a process may have many thousands of ranges.
const [SIZE, RSS, PSS, PSS_DIRTY, PSS_ANON, PSS_FILE, PSS_SHMEM, SHARED_CLEAN, SHARED_DIRTY, PRIVATE_CLEAN, PRIVATE_DIRTY, REFERENCED, ANONYMOUS, LOCKED] =
  ['Size', 'Rss', 'Pss', 'Pss_Dirty', 'Pss_Anon', 'Pss_File', 'Pss_Shmem', 'Shared_Clean', 'Shared_Dirty', 'Private_Clean', 'Private_Dirty', 'Referenced', 'Anonymous', 'Locked'].map(label); // prettier-ignore
/** What there is none of. */
const NONE = ['KSM', 'LazyFree', 'AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped', 'Shared_Hugetlb', 'Private_Hugetlb', 'Swap', 'SwapPss'].map((name) => label(name) + kib(0)).join(''); // prettier-ignore
const PAGE_SIZES = label('KernelPageSize') + kib(4) + label('MMUPageSize') + kib(4);
const THP = `THPeligible:    ${'0'.padStart(8)}\nVmFlags: `;

/** @param rollup with what the proportional set size is made of */
function usage(u: Usage, rollup = false): string[] {
  const parts = rollup ? [PSS_ANON!, kib(u.pssAnon), PSS_FILE!, kib(u.pssFile), PSS_SHMEM!, kib(u.pssShmem)] : []; // prettier-ignore
  return [
    RSS!, kib(u.rss), PSS!, kib(u.pss), PSS_DIRTY!, kib(u.pssDirty), ...parts, SHARED_CLEAN!, kib(u.shared),
    SHARED_DIRTY!, kib(u.sharedDirty), PRIVATE_CLEAN!, kib(u.priv), PRIVATE_DIRTY!, kib(u.privDirty),
    REFERENCED!, kib(u.referenced), ANONYMOUS!, kib(u.anon), NONE, LOCKED!, kib(u.locked),
  ]; // prettier-ignore
}

const VM_FLAGS: readonly (readonly [number, string])[] = [
  [V.VM_READ, 'rd'], [V.VM_WRITE, 'wr'], [V.VM_EXEC, 'ex'], [V.VM_SHARED, 'sh'], [V.VM_MAYREAD, 'mr'],
  [V.VM_MAYWRITE, 'mw'], [V.VM_MAYEXEC, 'me'], [V.VM_MAYSHARE, 'ms'], [V.VM_GROWSDOWN, 'gd'], [V.VM_PFNMAP, 'pf'], [V.VM_LOCKED, 'lo'], [V.VM_IO, 'io'],
  [V.VM_SEQ_READ, 'sr'], [V.VM_RAND_READ, 'rr'], [V.VM_DONTCOPY, 'dc'], [V.VM_DONTEXPAND, 'de'], [V.VM_LOCKONFAULT, 'lf'], [V.VM_ACCOUNT, 'ac'], [V.VM_NORESERVE, 'nr'],
  [V.VM_WIPEONFORK, 'wf'], [V.VM_DONTDUMP, 'dd'], [V.VM_SEALED, 'sl'], [V.VM_DROPPABLE, 'dp'], [V.VM_UFFD_MISSING, 'um'],
  [V.VM_UFFD_WP, 'uw'], [V.VM_UFFD_MINOR, 'ui'],
]; // prettier-ignore

/** The letters of a range's flags, which few sets of flags have. */
const FLAG_NAMES = new Map<number, string>();
function flagNames(flags: number): string {
  const known = FLAG_NAMES.get(flags);
  if (known !== undefined) return known;
  const names = VM_FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name + ' ');
  const text = names.join('') + '\n';
  if (FLAG_NAMES.size < 1024) FLAG_NAMES.set(flags, text);
  return text;
}

function smapsText(line: string, pages: number, u: Usage, flags: number): string {
  return [line, SIZE!, kib(pages * 4), PAGE_SIZES, ...usage(u), THP, flagNames(flags)].join('');
}

const smaps = (vma: Vma, root: Path): string =>
  smapsText(mapLine(vma, root), vma.pages, usageOf(vma.mm, vma), vma.flags);

function smapsRollup(task: Task, mm: Mm | null): string {
  if (!isLive(mm)) throw errno(ESRCH, 'process {} has no memory any more', task.tgid);
  const total = noUsage();
  for (const vma of mm.vmas.list) {
    const u = usageOf(mm, vma);
    for (const key of Object.keys(total) as (keyof Usage)[]) total[key] += u[key];
  }
  const { list } = mm.vmas;
  const line = `${hex(list[0]?.start ?? 0, 8)}-${hex(list.at(-1)?.end ?? 0, 8)} ---p 00000000 00:00 0 `;
  return `${line.padEnd(73)}[rollup]\n${usage(total, true).join('')}`;
}

/** A range of the process's memory as a byte string; what cannot be read is left out. */
export function readRange(mm: Mm, start: number, end: number): string {
  if (end <= start) return '';
  try {
    return byteString(mm.mem.read(start, Math.min(end - start, 1 << 20)));
  } catch {
    return '';
  }
}

/** The page that every program can call into, whatever it maps (get_gate_vma). */
const GATE =
  'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n';

pid_create('maps', {
  mode: 0o444,
  guarded: true,
  show: (_task, { fs }, _thread, mm) => eachVma(mm, fs.root, mapLine) + (isLive(mm) ? GATE : ''),
  ioctl: (task, current, cmd, arg) =>
    procmap_query(task, current, cmd, arg, (vma) => nameOf(vma, current.fs.root)),
});
pid_create('smaps', {
  mode: 0o444,
  guarded: true,
  show: (_task, { fs }, _thread, mm) =>
    eachVma(mm, fs.root, smaps) + (isLive(mm) ? smapsText(GATE, 1, noUsage(), V.VM_EXEC) : ''),
});
pid_create('smaps_rollup', {
  mode: 0o444,
  guarded: true,
  processOnly: true,
  show: (task, _current, _thread, mm) => smapsRollup(task, mm),
});
