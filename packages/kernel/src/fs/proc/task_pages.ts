import { EINVAL, EIO, ESRCH } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { type Loff, loff_add } from '../../include/loff.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import { strstrip } from '../../include/string.ts';
import { kstrtoint } from '../../include/kstrtox.ts';
import type { IovIter } from '../../include/iov.ts';
import { SEEK_CUR, SEEK_SET } from '@vitrine/uapi/fcntl.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../../kernel/task.ts';
import { forced_page } from '../../mm/gup.ts';
import type { Mm } from '../../mm/mm.ts';
import {
  _PAGE_ACCESSED,
  _PAGE_ANON,
  _PAGE_UFFD_WP,
  TASK_SIZE,
  pte_mapped,
  pte_pfn,
} from '../../mm/pgtable.ts';
import type { Vma } from '../../mm/vma.ts';
import { File, seq_lseek } from '../file.ts';
import { check_not_secret } from '../tmpfs/secretmem.ts';
import { d_path, type Path } from '../dcache.ts';
import { PAGEMAP_SCAN, pagemap_scan } from './pagemap_scan.ts';
import { ptrace_may_access } from './access.ts';
import { pid_create } from './registry.ts';

/** Files of /proc/PID that are a process's pages: mem, pagemap, clear_refs, numa_maps (fs/proc/base.c, task_mmu.c). */

/** A file over the address space that the process had when it was opened. */
abstract class MmFile extends File {
  protected readonly mm: Mm | null;
  constructor(current: Current, path: Path, flags: number, task: Task) {
    super(current, path, flags);
    this.mm = task.mm;
  }

  override get splice_read(): boolean {
    return false;
  }
  override get splice_write(): boolean {
    return false;
  }

  override llseek(_current: Current, offset: Loff, whence: number): Loff {
    return seq_lseek(this, offset, whence);
  }

  /** The space, unless its last process has ended. */
  protected get live(): Mm | null {
    return this.mm === null || this.mm.users === 0 ? null : this.mm;
  }
}

/** Any place is a position. */
export function mem_lseek(file: File, offset: Loff, whence: number): Loff {
  if (whence !== SEEK_SET && whence !== SEEK_CUR)
    throw errno(EINVAL, 'lseek: {} has no end, data or holes to seek', file.path);
  return (file.pos = whence === SEEK_SET ? offset : loff_add(file.pos, offset));
}

/** /proc/PID/mem: the position is the address. */
class MemFile extends MmFile {
  static {
    serializable('ProcMemFile', this);
  }

  override get unsigned_offsets(): boolean {
    return true;
  }

  override llseek(_current: Current, offset: Loff, whence: number): Loff {
    return mem_lseek(this, offset, whence);
  }

  override read_iter(_current: Current, to: IovIter, pos: Loff): number {
    return this.move(to, pos, false, (ram, page, n) => to.copyTo(ram, page, n));
  }

  override write_iter(_current: Current, from: IovIter, pos: Loff): number {
    return this.move(from, pos, true, (ram, page, n) => from.copyFrom(ram, page, n));
  }

  private move(
    iov: IovIter,
    place: Loff,
    write: boolean,
    part: (ram: Uint8Array, page: number, n: number) => number,
  ): number {
    const mm = this.live;
    if (mm === null) return 0;
    const pos = Number(place);
    let done = 0;
    while (iov.count > 0) {
      const at = pos + done;
      let page: number;
      try {
        check_not_secret(mm, at);
        page = forced_page(mm, at, write);
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        if (done > 0) break;
        throw errno(EIO, '0x{} in {} is no page to {}: {}', at.toString(16), this.path, write ? 'write' : 'read', error.reason); // prettier-ignore
      }
      const n = Math.min(iov.count, PAGE_SIZE - (at % PAGE_SIZE));
      const moved = part(mm.mem.ram, page, n);
      done += moved;
      if (moved < n) break;
    }
    return done;
  }
}

const PM_MMAP_EXCLUSIVE = 1n << 56n;
const PM_FILE = 1n << 61n;
const PM_PRESENT = 1n << 63n;
const PM_UFFD_WP = 1n << 57n;

/** /proc/PID/pagemap: a 64-bit word for each page of the address space. */
class PagemapFile extends MmFile {
  static {
    serializable('ProcPagemapFile', this);
  }

  override read_iter(current: Current, to: IovIter, pos: number): number {
    const mm = this.live;
    if (mm === null) return 0;
    if (pos % 8 !== 0 || to.count % 8 !== 0)
      throw errno(EINVAL, 'pagemap is read in words of 8 bytes, not {} at {}', to.count, pos);
    const first = pos / 8;
    const words = Math.min(to.count / 8, Math.max(0, TASK_SIZE / PAGE_SIZE - first), 65536);
    if (words === 0) return 0;
    const bytes = new BigUint64Array(words);
    const numbers = capable(current.cred, CAP_SYS_ADMIN);
    mm.tables.walk(first * PAGE_SIZE, (first + words) * PAGE_SIZE, (address, at) => {
      const lo = mm.tables.lo(at);
      const wp = (lo & _PAGE_UFFD_WP) !== 0 ? PM_UFFD_WP : 0n;
      if (!pte_mapped(lo)) {
        bytes[address / PAGE_SIZE - first] = wp;
        return;
      }
      const pfn = pte_pfn(lo);
      const anon = (lo & _PAGE_ANON) !== 0;
      const sole = mm.kernel.frames.count(pfn) - (anon ? 0 : 1) <= 1;
      bytes[address / PAGE_SIZE - first] = (numbers ? BigInt(pfn) : 0n) | (anon ? 0n : PM_FILE) | (sole ? PM_MMAP_EXCLUSIVE : 0n) | wp | PM_PRESENT; // prettier-ignore
    });
    return to.copyTo(new Uint8Array(bytes.buffer), 0, words * 8);
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd >>> 0 !== PAGEMAP_SCAN)
      throw errno(EINVAL, 'pagemap has no ioctl 0x{}', (cmd >>> 0).toString(16));
    const mm = this.live;
    if (mm !== null) return pagemap_scan(current, mm, arg);
    throw errno(ESRCH, 'PAGEMAP_SCAN: the process of {} has ended', this.path);
  }
}

const CLEAR_REFS_ALL = 1;
const CLEAR_REFS_ANON = 2;
const CLEAR_REFS_MAPPED = 3;
const CLEAR_REFS_SOFT_DIRTY = 4;
const CLEAR_REFS_MM_HIWATER_RSS = 5;

/** clear_refs: the accessed bits go, so that smaps shows what is touched from now on; 5 resets VmHWM. */
function clearRefs(task: Task, current: Current, text: string): void {
  const type = kstrtoint(strstrip(text), 10, 'clear_refs');
  if (type < CLEAR_REFS_ALL || type > CLEAR_REFS_MM_HIWATER_RSS)
    throw errno(EINVAL, 'clear_refs takes 1 to 5, not {}', type);
  ptrace_may_access(current, task, 'clear_refs');
  const { mm } = task;
  if (mm === null || type === CLEAR_REFS_SOFT_DIRTY) return;
  if (type === CLEAR_REFS_MM_HIWATER_RSS) {
    mm.hiwater_rss = mm.rss;
    return;
  }
  for (const vma of mm.vmas.list) {
    if (type === CLEAR_REFS_ANON && vma.file !== null) continue;
    if (type === CLEAR_REFS_MAPPED && vma.file === null) continue;
    mm.tables.walk(vma.start, vma.end, (_address, at) => {
      const lo = mm.tables.lo(at);
      if (pte_mapped(lo)) mm.tables.set(at, (lo & ~_PAGE_ACCESSED) >>> 0, mm.tables.hi(at));
    });
  }
  mm.flush_tlb_range(0, TASK_SIZE);
}

/** A path whose blanks and `=` do not end it (seq_file_path). */
const mangle_path = (path: string): string =>
  path.replace(/[\n\t= ]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** One line of numa_maps: all memory is on node 0, under the default policy. */
function numaLine(vma: Vma, root: Path): string {
  const { mm } = vma;
  let anon = 0;
  let mapped = 0;
  let most = 1;
  let dirty = 0;
  mm.tables.walk(vma.start, vma.end, (_address, at) => {
    const lo = mm.tables.lo(at);
    const pfn = pte_pfn(lo);
    if (!pte_mapped(lo) || pfn === mm.kernel.zero_pfn) return;
    const own = (lo & _PAGE_ANON) !== 0;
    if (own) anon++;
    else mapped++;
    if (own || (lo & 0x40) !== 0) dirty++;
    most = Math.max(most, mm.kernel.frames.count(pfn) - (own ? 0 : 1));
  });
  let line = `${vma.start.toString(16).padStart(8, '0')} default`;
  if (vma.file !== null) line += ` file=${mangle_path(d_path((vma.file as File).path, root))}`;
  else if (vma.start <= mm.brk && vma.end >= mm.start_brk) line += ' heap';
  else if (vma.start <= mm.start_stack && vma.end >= mm.start_stack) line += ' stack';
  const pages = anon + mapped;
  if (pages === 0) return `${line}\n`;
  if (anon > 0) line += ` anon=${anon}`;
  if (dirty > 0) line += ` dirty=${dirty}`;
  if (pages !== anon && pages !== dirty) line += ` mapped=${pages}`;
  if (most > 1) line += ` mapmax=${most}`;
  return `${line} N0=${pages} kernelpagesize_kB=4\n`;
}

pid_create('mem', {
  mode: 0o600,
  guarded: true,
  open: (task, current, path, flags) => new MemFile(current, path, flags, task),
});
pid_create('pagemap', {
  mode: 0o400,
  guarded: true,
  open: (task, current, path, flags) => new PagemapFile(current, path, flags, task),
});
pid_create('clear_refs', { mode: 0o200, write: clearRefs });
pid_create('numa_maps', {
  mode: 0o444,
  guarded: true,
  show: (_task, { fs }, _thread, mm) =>
    mm === null || mm.users === 0 ? '' : mm.vmas.list.map((vma) => numaLine(vma, fs.root)).join(''),
});
