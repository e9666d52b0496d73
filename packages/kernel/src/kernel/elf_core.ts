import * as EL from '@vitrine/uapi/elf.ts';
import { Errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { type Path, d_path } from '../fs/dcache.ts';
import type { File } from '../fs/file.ts';
import type { Mm } from '../mm/mm.ts';
import * as V from '../mm/vma.ts';
import type { Vma } from '../mm/vma.ts';
import type { Regs } from './arch.ts';
import { siginfo_bytes } from './siginfo.ts';
import { task_cputime } from './sched/fair.ts';
import type { SigInfo } from './signal_struct.ts';
import type { Task } from './task.ts';

/** The ELF image of a core dump (analogous to elf_core_dump in fs/binfmt_elf.c). */

// Bits of coredump_filter (core(5)).
const FILTER_ANON_PRIVATE = 1;
const FILTER_ANON_SHARED = 2;
const FILTER_MAPPED_PRIVATE = 4;
const FILTER_MAPPED_SHARED = 8;
const FILTER_ELF_HEADERS = 16;

const USER_CS = 0x33;
const USER_DS = 0x2b;

/** How much of a mapping is written (vma_dump_size). */
function dump_size(vma: Vma, filter: number): number {
  const whole = vma.end - vma.start;
  if (vma.name === '[vdso]') return whole;
  if ((vma.flags & (V.VM_DONTDUMP | V.VM_IO)) !== 0) return 0;
  const file = vma.file as File | null;
  if (vma.shared) {
    const anon = file === null || file.inode.nlink === 0;
    return (filter & (anon ? FILTER_ANON_SHARED : FILTER_MAPPED_SHARED)) !== 0 ? whole : 0;
  }
  if ((vma.anon || file === null) && (filter & FILTER_ANON_PRIVATE) !== 0) return whole;
  if (file === null) return 0;
  if ((filter & FILTER_MAPPED_PRIVATE) !== 0) return whole;
  // The first page of a program or a library, by whose build id a debugger finds the rest.
  const headers = (filter & FILTER_ELF_HEADERS) !== 0 && vma.pgoff === 0 && (vma.flags & V.VM_READ) !== 0; // prettier-ignore
  return headers && isElf(vma) ? PAGE_SIZE : 0;
}

function isElf(vma: Vma): boolean {
  try {
    return vma.mm.mem.getU32(vma.start) === 0x464c_457f;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return false;
  }
}

/** Bytes in the making, little endian. */
class Bytes {
  readonly parts: Uint8Array[] = [];
  length = 0;
  add(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }
  align(to: number): void {
    if (this.length % to !== 0) this.add(new Uint8Array(to - (this.length % to)));
  }
}

function note(to: Bytes, type: number, desc: Uint8Array): void {
  const head = new DataView(new ArrayBuffer(20));
  head.setUint32(0, 5, true);
  head.setUint32(4, desc.length, true);
  head.setUint32(8, type, true);
  const bytes = new Uint8Array(head.buffer);
  bytes.set([...'CORE'].map((c) => c.charCodeAt(0)), 12); // prettier-ignore
  to.add(bytes);
  to.add(desc);
  to.align(4);
}

function putTime(view: DataView, at: number, ns: number): void {
  view.setBigInt64(at, BigInt(Math.floor(ns / 1e9)), true);
  view.setBigInt64(at + 8, BigInt(Math.floor((ns % 1e9) / 1e3)), true);
}

/** struct elf_prstatus: signals, ids, times and registers of one thread. */
function prstatus(task: Task, info: SigInfo, regs: Regs): Uint8Array {
  const view = new DataView(new ArrayBuffer(336));
  const { signal } = task;
  view.setInt32(0, info.signo, true);
  view.setInt16(12, info.signo, true);
  view.setBigUint64(16, task.pending.signal, true);
  view.setBigUint64(24, task.blocked, true);
  view.setInt32(32, task.pid, true);
  view.setInt32(36, task.real_parent?.tgid ?? 0, true);
  view.setInt32(40, signal.pgrp.nr, true);
  view.setInt32(44, signal.session.nr, true);
  const { utime, stime } = task_cputime(task);
  [utime, stime, signal.children.utime, signal.children.stime].forEach((ns, i) =>
    putTime(view, 48 + i * 16, ns),
  );
  elf_gregset(task, regs).forEach((value, i) => view.setBigUint64(112 + i * 8, value, true));
  view.setInt32(328, 1, true); // pr_fpvalid
  return new Uint8Array(view.buffer);
}

/** The order of struct user_regs_struct. */
function elf_gregset(task: Task, { gpr, rip, rflags, fsBase, gsBase }: Regs): bigint[] {
  const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = gpr;
  return [
    r15!, r14!, r13!, r12!, rbp!, rbx!, r11!, r10!, r9!, r8!, rax!, rcx!, rdx!, rsi!, rdi!,
    BigInt.asUintN(64, BigInt(task.syscall)), BigInt(rip), BigInt(USER_CS), BigInt(rflags), rsp!, BigInt(USER_DS),
    BigInt(fsBase), BigInt(gsBase), 0n, 0n, 0n, 0n,
  ]; // prettier-ignore
}

/** struct elf_prpsinfo: what ps would have shown. */
function prpsinfo(task: Task): Uint8Array {
  const bytes = new Uint8Array(136);
  const view = new DataView(bytes.buffer);
  const states = 'RSDTZW';
  bytes[0] = Math.max(0, states.indexOf(task.state));
  bytes[1] = task.state.charCodeAt(0);
  view.setInt8(3, task.se.nice);
  view.setUint32(16, task.cred.uid, true);
  view.setUint32(20, task.cred.gid, true);
  view.setInt32(24, task.tgid, true);
  view.setInt32(28, task.real_parent?.tgid ?? 0, true);
  view.setInt32(32, task.signal.pgrp.nr, true);
  view.setInt32(36, task.signal.session.nr, true);
  for (let i = 0; i < Math.min(15, task.comm.length); i++) bytes[40 + i] = task.comm.charCodeAt(i);
  const { mm } = task;
  if (mm === null) return bytes;
  try {
    const args = mm.mem.read(mm.arg_start, Math.min(79, mm.arg_end - mm.arg_start));
    bytes.set(args.map((b, i) => (b === 0 && i < args.length - 1 ? 0x20 : b)), 56); // prettier-ignore
  } catch (error) {
    if (!(error instanceof Errno)) throw error; // the program unmapped its arguments
  }
  return bytes;
}

/** NT_FILE: which files are mapped where. */
function fileNote(mm: Mm, root: Path): Uint8Array {
  const mapped = mm.vmas.list.filter((vma) => vma.file !== null);
  const names = mapped.map((vma) => `${d_path((vma.file as File).path, root)}\0`).join('');
  const head = 16 + mapped.length * 24;
  const bytes = new Uint8Array(head + names.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(mapped.length), true);
  view.setBigUint64(8, BigInt(PAGE_SIZE), true);
  mapped.forEach((vma, i) => {
    view.setBigUint64(16 + i * 24, BigInt(vma.start), true);
    view.setBigUint64(24 + i * 24, BigInt(vma.end), true);
    view.setBigUint64(32 + i * 24, BigInt(vma.pgoff), true);
  });
  for (let i = 0; i < names.length; i++) bytes[head + i] = names.charCodeAt(i);
  return bytes;
}

function notes(task: Task, mm: Mm, info: SigInfo): Bytes {
  const to = new Bytes();
  const { arch } = task.kernel;
  const regs = arch.get_regs(task);
  note(to, EL.NT_PRSTATUS, prstatus(task, info, regs));
  note(to, EL.NT_PRPSINFO, prpsinfo(task));
  note(to, EL.NT_SIGINFO, siginfo_bytes(info));
  note(to, EL.NT_AUXV, mm.auxv);
  note(to, EL.NT_FILE, fileNote(mm, task.fs.root));
  note(to, EL.NT_PRFPREG, regs.fxsave);
  for (const thread of task.signal.threads) {
    if (thread === task || thread.mm !== mm) continue;
    const own = arch.get_regs(thread);
    note(to, EL.NT_PRSTATUS, prstatus(thread, info, own));
    note(to, EL.NT_PRFPREG, own.fxsave);
  }
  return to;
}

function programHeader(
  view: DataView,
  index: number,
  type: number,
  flags: number,
  offset: number,
  vaddr: number,
  filesz: number,
  memsz: number,
  align: number,
): void {
  const at = 64 + index * 56;
  view.setUint32(at, type, true);
  view.setUint32(at + 4, flags, true);
  [offset, vaddr, 0, filesz, memsz, align].forEach((value, i) =>
    view.setBigUint64(at + 8 + i * 8, BigInt(value), true),
  );
}

const protOf = (vma: Vma): number =>
  (vma.flags & V.VM_READ ? EL.PF_R : 0) | (vma.flags & V.VM_WRITE ? EL.PF_W : 0) | (vma.flags & V.VM_EXEC ? EL.PF_X : 0); // prettier-ignore

/** A piece of the image: `bytes` at `offset`. */
export interface CorePiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The image in rising order, in pieces; what lies between them is holes. */
export function* elf_core(task: Task, mm: Mm, info: SigInfo): Generator<CorePiece> {
  const vmas = mm.vmas.list;
  const text = notes(task, mm, info);
  const headSize = 64 + (1 + vmas.length) * 56;
  const head = new Uint8Array(headSize);
  const view = new DataView(head.buffer);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, EL.ET_CORE, true);
  view.setUint16(18, EL.EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setUint32(32, 64, true); // e_phoff
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, Math.min(1 + vmas.length, 0xffff), true);
  programHeader(view, 0, EL.PT_NOTE, 0, headSize, 0, text.length, 0, 4);
  const data = Math.ceil((headSize + text.length) / PAGE_SIZE) * PAGE_SIZE;
  const sizes = vmas.map((vma) => dump_size(vma, mm.coredump_filter));
  let offset = data;
  vmas.forEach((vma, i) => {
    programHeader(view, 1 + i, EL.PT_LOAD, protOf(vma), offset, vma.start, sizes[i]!, vma.end - vma.start, PAGE_SIZE); // prettier-ignore
    offset += sizes[i]!;
  });
  yield { offset: 0, bytes: head };
  let at = headSize;
  for (const bytes of text.parts) {
    yield { offset: at, bytes };
    at += bytes.length;
  }
  at = data;
  for (let i = 0; i < vmas.length; i++) {
    yield* pages(mm, vmas[i]!, sizes[i]!, at);
    at += sizes[i]!;
  }
  // The image has its whole length, even when it ends in a hole.
  yield { offset: at, bytes: new Uint8Array(0) };
}

/** Pages of a mapping that hold something: untouched anonymous memory is a hole (get_dump_page). */
function* pages(mm: Mm, vma: Vma, size: number, offset: number): Generator<CorePiece> {
  for (let done = 0; done < size; done += PAGE_SIZE) {
    const address = vma.start + done;
    const pte = mm.tables.find(address);
    if (vma.mapping === null && (pte === -1 || mm.tables.lo(pte) === 0)) continue;
    try {
      yield { offset: offset + done, bytes: mm.mem.read(address, PAGE_SIZE) };
    } catch (error) {
      if (!(error instanceof Errno)) throw error; // no page is there: a hole
    }
  }
}
