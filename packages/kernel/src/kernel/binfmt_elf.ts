import * as EL from '@vitrine/uapi/elf.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import * as E from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import {
  ADDR_COMPAT_LAYOUT,
  ADDR_NO_RANDOMIZE,
  MMAP_PAGE_ZERO,
  READ_IMPLIES_EXEC,
} from '@vitrine/uapi/personality.ts';
import { SIGSEGV } from '@vitrine/uapi/signal.ts';
import { TLB_SPAN } from '@vitrine/x86/cpu.ts';
import { fput } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { open_exec } from '../fs/open.ts';
import { kernel_read } from '../fs/read_write.ts';
import { Errno, errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { Mm } from '../mm/mm.ts';
import { MMAP_MIN_ADDR, do_mmap, do_munmap, hex, insertVma, pageAlign } from '../mm/mmap.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import {
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_READ,
  VM_SEALED,
  VM_WRITE,
  Vma,
} from '../mm/vma.ts';
import { type Binprm, begin_new_exec, would_dump } from './exec.ts';
import { RSEQ_ALIGN, RSEQ_FEATURE_SIZE } from './rseq.ts';
import { force_sig } from './signal.ts';
import type { Task } from './task.ts';

/** Where a position-independent program goes without randomisation: two thirds up the address space (ELF_ET_DYN_BASE). */
const ELF_ET_DYN_BASE = 0x5555_5555_4000;
/** Top of the stack without randomisation. */
const STACK_TOP = 0x7fff_ffff_f000;
/** Random bits of page numbers where addresses are randomised: mmap area and programs, stack, heap. */
const MMAP_RND_BITS = 28;
const STACK_RND_BITS = 22;
const BRK_RND_BITS = 13;
/** What an unhurried first push needs: 32 pages below the strings (stack_expand in setup_arg_pages). */
const STACK_EXPAND = 131072;

interface ElfHeader {
  readonly type: number;
  readonly entry: number;
  readonly phoff: number;
  readonly phnum: number;
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

interface ElfFile {
  readonly file: File;
  readonly name: string;
  readonly header: ElfHeader;
  readonly segments: readonly Segment[];
}

/** A 64-bit field as a number; values that user space cannot hold become Infinity, and fail every range check. */
function u64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high >= 0x20_0000 ? Infinity : view.getUint32(at, true) + high * 2 ** 32;
}

function parseHeader(bytes: Uint8Array, name: string): ElfHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bad = (what: string): never => {
    throw errno(E.ENOEXEC, 'execve: {} is not a program this machine runs: {}', name, what);
  };
  if (bytes.length < 64 || view.getUint32(0, false) !== 0x7f45_4c46)
    bad('it has neither an ELF header nor a #! line');
  const machine = view.getUint16(18, true);
  if (machine !== EL.EM_X86_64) bad(`it is for ELF machine ${machine}, not x86-64 (62)`);
  const type = view.getUint16(16, true);
  if (type !== EL.ET_EXEC && type !== EL.ET_DYN)
    bad(`its ELF type ${type} is neither ET_EXEC nor ET_DYN`);
  if (view.getUint16(54, true) !== 56) bad('its program headers do not have 56 bytes');
  const phnum = view.getUint16(56, true);
  if (phnum === 0 || phnum > 65536 / 56) bad(`it has ${phnum} program headers`);
  return { type, entry: u64(view, 24), phoff: u64(view, 32), phnum };
}

/** @param loader an interpreter, of which a file without a whole header is an error of reading (elf_read) */
function parse(current: Task, file: File, name: string, loader: boolean): ElfFile {
  const head = new Uint8Array(64);
  const got = kernel_read(current, file, 0, head);
  if (loader && got < head.length)
    throw errno(E.EIO, 'execve: the interpreter {} has {} bytes', name, got);
  const header = parseHeader(head.subarray(0, got), name);
  const table = new Uint8Array(header.phnum * 56);
  if (!Number.isFinite(header.phoff) || kernel_read(current, file, header.phoff, table) !== table.length) throw errno(E.ENOEXEC, 'execve: {} ends within its program headers', name); // prettier-ignore
  const view = new DataView(table.buffer);
  const segments: Segment[] = [];
  for (let i = 0, at = 0; i < header.phnum; i++, at += 56) {
    segments.push({
      type: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      offset: u64(view, at + 8),
      vaddr: u64(view, at + 16),
      filesz: u64(view, at + 32),
      memsz: u64(view, at + 40),
      align: u64(view, at + 48),
    });
  }
  return { file, name, header, segments };
}

/** Loads an ELF program in place of the current one (analogous to load_elf_binary). */
export function load_elf_binary(current: Task, bprm: Binprm): void {
  const elf = parse(current, bprm.file, bprm.interp, false);
  const interp = openInterpreter(current, bprm, elf);
  try {
    const mm = begin_new_exec(current, bprm);
    try {
      setup(current, bprm, mm, elf, interp);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      // Nothing is left to go back to.
      current.signal.unkillable = false;
      force_sig(
        current,
        SIGSEGV,
        `execve of ${bprm.filename} failed after the point of no return: ${error.reason}`,
      );
    }
  } finally {
    if (interp !== null) fput(current, interp.file);
  }
}

/** The dynamic loader that PT_INTERP names. */
function openInterpreter(current: Task, bprm: Binprm, elf: ElfFile): ElfFile | null {
  const segment = elf.segments.find((s) => s.type === EL.PT_INTERP);
  if (segment === undefined) return null;
  if (segment.filesz < 2 || segment.filesz > 4096)
    throw errno(E.ENOEXEC, 'execve: {} names an interpreter of {} bytes', elf.name, segment.filesz);
  const bytes = new Uint8Array(segment.filesz);
  if (kernel_read(current, elf.file, segment.offset, bytes) !== bytes.length)
    throw errno(E.EIO, 'execve: {} ends within PT_INTERP', elf.name);
  if (bytes.at(-1) !== 0)
    throw errno(E.ENOEXEC, 'execve: the interpreter name of {} does not end with NUL', elf.name);
  const name = String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
  const file = open_exec(current, AT_FDCWD, name, 0);
  would_dump(current, bprm, file);
  try {
    return parse(current, file, name, true);
  } catch (error) {
    fput(current, file);
    if (error instanceof Errno && error.code === E.ENOEXEC)
      throw errno(
        E.ELIBBAD,
        'execve: the interpreter {} of {} is no usable ELF file: {}',
        name,
        elf.name,
        error.reason,
      );
    throw error;
  }
}

/** Whether this program's addresses are to differ from run to run. */
const isRandomized = ({ kernel, personality }: Task, level = 1): boolean =>
  (personality & ADDR_NO_RANDOMIZE) === 0 && kernel.sysctl.randomize_va_space >= level;

/** A random number of pages below 2^bits when this program's addresses are to differ from run to run, else 0. */
function randomPages(current: Task, bits: number, level = 1): number {
  const { kernel } = current;
  if (!isRandomized(current, level)) return 0;
  const bytes = new Uint8Array(4);
  kernel.get_random_bytes(bytes);
  return (new DataView(bytes.buffer).getUint32(0, true) % 2 ** bits) * PAGE_SIZE;
}

function setup(current: Task, bprm: Binprm, mm: Mm, elf: ElfFile, interp: ElfFile | null): void {
  // A 64-bit program that says nothing of its stack has none that is executed (arch/x86/include/asm/elf.h).
  const stack = elf.segments.find((s) => s.type === EL.PT_GNU_STACK);
  const stackExec = stack !== undefined && (stack.flags & EL.PF_X) !== 0;
  current.personality &= ~READ_IMPLIES_EXEC;
  const strings = setup_arg_pages(current, mm, bprm, stackExec);

  const loads = elf.segments.filter((s) => s.type === EL.PT_LOAD);
  if (loads.length === 0) throw errno(E.ENOEXEC, 'execve: {} has no PT_LOAD segment', elf.name);
  let bias = 0;
  if (elf.header.type === EL.ET_DYN) {
    const align = Math.max(
      PAGE_SIZE,
      ...loads.map((s) =>
        Number.isFinite(s.align) && Number.isInteger(Math.log2(s.align)) ? s.align : 0,
      ),
    );
    const first = loads[0]!.vaddr - (loads[0]!.vaddr % PAGE_SIZE);
    bias =
      interp !== null || align > PAGE_SIZE
        ? Math.ceil((ELF_ET_DYN_BASE + randomPages(current, MMAP_RND_BITS)) / align) * align - first
        : reserve(current, loads) - first;
  }
  const image = mapSegments(current, elf, loads, bias);
  if (!mm.legacy_layout && !isRandomized(current)) colourMmapBase(mm, image.startCode);
  mm.start_code = image.startCode;
  mm.end_code = image.endCode;
  mm.start_data = image.startData;
  mm.end_data = image.endData;
  mm.start_brk = mm.brk = pageAlign(image.end) + randomPages(current, BRK_RND_BITS, 2);

  let entry = elf.header.entry + bias;
  let base = 0;
  if (interp !== null) {
    const interpLoads = interp.segments.filter((s) => s.type === EL.PT_LOAD);
    if (interpLoads.length === 0)
      throw errno(E.ELIBBAD, 'execve: the interpreter {} has no PT_LOAD segment', interp.name);
    const first = interpLoads[0]!.vaddr - (interpLoads[0]!.vaddr % PAGE_SIZE);
    base = interp.header.type === EL.ET_DYN ? reserve(current, interpLoads) - first : 0;
    mapSegments(current, interp, interpLoads, base);
    entry = interp.header.entry + base;
  }
  if (!(entry < TASK_SIZE))
    throw errno(E.EINVAL, 'execve: entry point {} lies outside user space', hex(entry));
  const vdso = current.kernel.arch.map_vdso(mm);
  const phdr = phdrAddress(elf, loads, bias);
  const sp = create_elf_tables(current, bprm, mm, strings, {
    phdr,
    phnum: elf.header.phnum,
    base,
    entry: elf.header.entry + bias,
    vdso,
  });
  if ((current.personality & MMAP_PAGE_ZERO) !== 0) map_page_zero(current);
  current.kernel.arch.start_thread(current, entry, sp);
}

/** System V has a page of zeroes at address 0, which some programs rely on; who may not map it does without. */
function map_page_zero(current: Task): void {
  try {
    do_mmap(current, 0, PAGE_SIZE, M.PROT_READ | M.PROT_EXEC, M.MAP_FIXED | M.MAP_PRIVATE | M.MAP_ANONYMOUS, null, 0); // prettier-ignore
    current.mm!.vmas.at(0)!.flags |= VM_SEALED;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
}

/**
 * Has mappings go down from where the program begins as the TLB sees it, as its heap goes up from where it ends: so they share
 * entries only where all of it is larger than what the TLB holds. (Linux does so for the caches of some processors.)
 */
function colourMmapBase(mm: Mm, program: number): void {
  const above = mm.mmap_base - (program - (program % PAGE_SIZE));
  if (above > 0) mm.mmap_base -= above % TLB_SPAN;
}

/** From the lowest page to the end of the highest byte, whatever order the segments come in (total_mapping_size). */
function spanOf(loads: readonly Segment[]): number {
  const low = Math.min(...loads.map((s) => s.vaddr));
  return pageAlign(Math.max(...loads.map((s) => s.vaddr + s.memsz))) - (low - (low % PAGE_SIZE));
}

/** Finds room in the mmap area for an interpreter, or for a static PIE, which is placed like one. */
function reserve(current: Task, loads: readonly Segment[]): number {
  const span = spanOf(loads);
  if (!(span > 0 && span < TASK_SIZE))
    throw errno(E.ENOEXEC, 'execve: the segments span {} bytes', span);
  const at = do_mmap(current, 0, span, M.PROT_NONE, M.MAP_PRIVATE | M.MAP_ANONYMOUS, null, 0);
  do_munmap(current.mm!, at, span);
  return at;
}

interface Image {
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  end: number;
}

/** Maps the PT_LOAD segments and zeroes what lies past their file bytes. */
function mapSegments(current: Task, elf: ElfFile, loads: readonly Segment[], bias: number): Image {
  const image: Image = { startCode: Infinity, endCode: 0, startData: 0, endData: 0, end: 0 };
  for (const s of loads) {
    const start = s.vaddr + bias;
    if (s.filesz > s.memsz || !(start + s.memsz <= TASK_SIZE) || !Number.isFinite(s.offset)) throw errno(E.EINVAL, 'execve: a segment of {} has {} bytes in the file, {} in memory, at {}', elf.name, s.filesz, s.memsz, hex(start)); // prettier-ignore
    if (s.memsz === 0) continue;
    const skew = start % PAGE_SIZE;
    if (s.filesz > 0 && s.offset % PAGE_SIZE !== skew) throw errno(E.EINVAL, 'execve: segment at {} of {} is not congruent to its file offset {}', hex(start), elf.name, s.offset); // prettier-ignore
    const prot =
      (s.flags & EL.PF_R ? M.PROT_READ : 0) |
      (s.flags & EL.PF_W ? M.PROT_WRITE : 0) |
      (s.flags & EL.PF_X ? M.PROT_EXEC : 0);
    if (start - skew < MMAP_MIN_ADDR && current.cred.euid !== 0) throw errno(E.EPERM, 'execve: {} wants to be mapped at {}, below vm.mmap_min_addr', elf.name, hex(start)); // prettier-ignore
    const fileEnd = start + s.filesz;
    const end = start + s.memsz;
    if (s.filesz > 0) {
      do_mmap(
        current,
        start - skew,
        s.filesz + skew,
        prot,
        M.MAP_PRIVATE | M.MAP_FIXED,
        elf.file,
        s.offset - skew,
      );
    }
    const mapped = s.filesz > 0 ? pageAlign(fileEnd) : start - skew;
    // Of the segment's rights the pages past the file have the one to execute only (elf_load).
    if (end > mapped)
      do_mmap(
        current,
        mapped,
        end - mapped,
        M.PROT_READ | M.PROT_WRITE | (prot & M.PROT_EXEC),
        M.MAP_PRIVATE | M.MAP_FIXED | M.MAP_ANONYMOUS,
        null,
        0,
      );
    if (
      s.memsz > s.filesz &&
      s.filesz > 0 &&
      fileEnd % PAGE_SIZE !== 0 &&
      (prot & M.PROT_WRITE) !== 0
    ) {
      try {
        current.mem.clear(fileEnd, Math.min(mapped, TASK_SIZE) - fileEnd);
      } catch {
        // The file ends before the segment says: touching the page is SIGBUS when the program does it.
      }
    }
    image.startCode = Math.min(image.startCode, start);
    image.startData = Math.max(image.startData, start);
    if ((s.flags & EL.PF_X) !== 0) image.endCode = Math.max(image.endCode, fileEnd);
    image.endData = Math.max(image.endData, fileEnd);
    image.end = Math.max(image.end, end);
  }
  return image;
}

/** Where the program finds its own program headers. */
function phdrAddress(elf: ElfFile, loads: readonly Segment[], bias: number): number {
  const holder = loads.find(
    (s) => s.offset <= elf.header.phoff && elf.header.phoff < s.offset + s.filesz,
  );
  return holder === undefined ? 0 : elf.header.phoff - holder.offset + holder.vaddr + bias;
}

interface Strings {
  /** Lowest byte used so far. */
  sp: number;
  argStart: number;
  envStart: number;
  envEnd: number;
  filename: number;
}

/** The new stack with the file name, the environment and the arguments at its top. */
function setup_arg_pages(current: Task, mm: Mm, bprm: Binprm, exec: boolean): Strings {
  const top = STACK_TOP - randomPages(current, STACK_RND_BITS);
  const texts = [...bprm.argv, ...bprm.envp];
  const size = texts.reduce((sum, text) => sum + text.length + 1, 0) + bprm.filename.length + 1 + 8;
  const need = pageAlign(size + texts.length * 8 + 4096) + STACK_EXPAND;
  const limit = Math.min(mm.stack_limit, 1 << 30);
  const length = Math.max(
    pageAlign(size + texts.length * 8 + 4096),
    Math.min(need, pageAlign(limit)),
  );
  const flags =
    VM_READ |
    VM_WRITE |
    (exec ? VM_EXEC : 0) |
    VM_MAYREAD |
    VM_MAYWRITE |
    VM_MAYEXEC |
    VM_GROWSDOWN |
    VM_ACCOUNT;
  const start = top - length;
  const vma = new Vma(mm, start, top, flags, null, null, start / PAGE_SIZE);
  vma.stack = true;
  vma.name = '[stack]';
  insertVma(mm, vma);
  const gap = Math.min(Math.max(mm.stack_limit, 128 << 20), Math.floor(STACK_TOP / 6) * 5);
  const { personality, kernel } = current;
  mm.legacy_layout =
    (personality & ADDR_COMPAT_LAYOUT) !== 0 || kernel.sysctl.legacy_va_layout !== 0;
  if (mm.legacy_layout)
    mm.mmap_base = pageAlign(TASK_SIZE / 3) + randomPages(current, MMAP_RND_BITS);
  else
    mm.mmap_base =
      (gap === 128 << 20
        ? 0x7fff_f7ff_f000
        : Math.floor((STACK_TOP - gap) / PAGE_SIZE) * PAGE_SIZE) -
      randomPages(current, MMAP_RND_BITS);

  // From the top: 8 zero bytes, the file name, then the strings, so that argv[0] is lowest.
  let sp = top - 8 - (bprm.filename.length + 1);
  const filename = sp;
  writeText(mm, sp, bprm.filename);
  const block = new Uint8Array(texts.reduce((sum, text) => sum + text.length + 1, 0));
  let at = 0;
  let envOffset = block.length;
  texts.forEach((text, i) => {
    if (i === bprm.argv.length) envOffset = at;
    for (let c = 0; c < text.length; c++) block[at++] = text.charCodeAt(c);
    at++;
  });
  const envEnd = sp;
  sp -= block.length;
  mm.mem.write(sp, block);
  mm.arg_start = sp;
  mm.arg_end = mm.env_start = sp + envOffset;
  mm.env_end = envEnd;
  return { sp, argStart: sp, envStart: sp + envOffset, envEnd, filename };
}

function writeText(mm: Mm, at: number, text: string): void {
  mm.mem.write(
    at,
    Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0)),
  );
}

/** argc, argv, envp and the auxiliary vector below the strings (create_elf_tables). @returns the stack pointer */
function create_elf_tables(
  current: Task,
  bprm: Binprm,
  mm: Mm,
  strings: Strings,
  elf: { phdr: number; phnum: number; base: number; entry: number; vdso: number },
): number {
  let sp = strings.sp - (strings.sp % 16) - (randomPages(current, 9) / PAGE_SIZE) * 16;
  const platform = (sp -= 7);
  writeText(mm, sp, 'x86_64');
  const random = (sp -= 16);
  const bytes = new Uint8Array(16);
  current.kernel.get_random_bytes(bytes);
  mm.mem.write(random, bytes);
  const { cred } = current;
  const auxv: [number, number][] = [
    [EL.AT_SYSINFO_EHDR, elf.vdso],
    [EL.AT_MINSIGSTKSZ, current.kernel.cpu.xfeatures === 0 ? 0x550 : 0x6f0],
    [EL.AT_HWCAP, current.kernel.hwcap],
    [EL.AT_PAGESZ, PAGE_SIZE],
    [EL.AT_CLKTCK, 100],
    [EL.AT_PHDR, elf.phdr],
    [EL.AT_PHENT, 56],
    [EL.AT_PHNUM, elf.phnum],
    [EL.AT_BASE, elf.base],
    [EL.AT_FLAGS, 0],
    [EL.AT_ENTRY, elf.entry],
    [EL.AT_UID, cred.uid],
    [EL.AT_EUID, cred.euid],
    [EL.AT_GID, cred.gid],
    [EL.AT_EGID, cred.egid],
    [EL.AT_SECURE, bprm.secureexec ? 1 : 0],
    [EL.AT_RANDOM, random],
    [EL.AT_HWCAP2, 0],
    [EL.AT_EXECFN, strings.filename],
    [EL.AT_PLATFORM, platform],
    [EL.AT_RSEQ_FEATURE_SIZE, RSEQ_FEATURE_SIZE],
    [EL.AT_RSEQ_ALIGN, RSEQ_ALIGN],
    [EL.AT_NULL, 0],
  ];
  const { argv, envp } = bprm;
  const words = 1 + argv.length + 1 + envp.length + 1 + auxv.length * 2;
  sp -= words * 8;
  sp -= sp % 16;
  const block = new DataView(new ArrayBuffer(words * 8));
  let at = 0;
  const put = (value: number): void => {
    block.setUint32(at, value % 2 ** 32, true);
    block.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    at += 8;
  };
  put(argv.length);
  let text = strings.argStart;
  for (const list of [argv, envp]) {
    for (const string of list) {
      put(text);
      text += string.length + 1;
    }
    put(0);
  }
  const auxStart = at;
  for (const [key, value] of auxv) {
    put(key);
    put(value);
  }
  const stack = new Uint8Array(block.buffer);
  mm.auxv = stack.slice(auxStart);
  mm.mem.write(sp, stack);
  mm.start_stack = sp;
  return sp;
}
