import { EINVAL, ENOSYS } from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { Task } from '../../kernel/task.ts';
import { int, ptr, size } from '../../syscalls/kinds.ts';
import { type SyscallRow, partial, row } from '../../syscalls/row.ts';

/**
 * The table of a process's own segments (analogous to arch/x86/kernel/ldt.c). It is kept and read back; 64-bit code has flat
 * segments, and the processor never looks into it.
 */

const LDT_ENTRIES = 8192;
const LDT_ENTRY_SIZE = 8;
/** What the default table is read as, full of zeros. */
const DEFAULT_SIZE = 128;

/** struct user_desc: number, base, limit, flags. */
const USER_DESC = 16;
// The flags.
const SEG_32BIT = 1;
const CONTENTS = 6;
const READ_EXEC_ONLY = 8;
const LIMIT_IN_PAGES = 16;
const NOT_PRESENT = 32;
const USEABLE = 64;

function read_ldt(task: Task, to: number, bytes: number): number {
  const { ldt } = task.mm!;
  if (ldt === null) return 0;
  const length = Math.min(bytes, LDT_ENTRIES * LDT_ENTRY_SIZE);
  const entries = ldt.subarray(0, length);
  task.mem.write(to, entries);
  task.mem.clear(to + entries.length, length - entries.length);
  return length;
}

function read_default_ldt(task: Task, to: number, bytes: number): number {
  const length = Math.min(bytes, DEFAULT_SIZE);
  task.mem.clear(to, length);
  return length;
}

/** A descriptor as the processor defines it: the low and the high half (fill_ldt). */
function fill_ldt(base: number, limit: number, flags: number): [number, number] {
  const writable = (flags & READ_EXEC_ONLY) !== 0 ? 0 : 0x200;
  const accessed = 0x100;
  const code_data = 0x1000;
  const ring3 = 0x6000;
  const high =
    ((base >>> 16) & 0xff) |
    accessed |
    writable |
    ((flags & CONTENTS) << 9) |
    code_data |
    ring3 |
    (flags & NOT_PRESENT ? 0 : 0x8000) |
    (limit & 0xf0000) |
    (flags & USEABLE ? 0x10_0000 : 0) |
    (flags & SEG_32BIT ? 0x40_0000 : 0) |
    (flags & LIMIT_IN_PAGES ? 0x80_0000 : 0) |
    (base & 0xff00_0000);
  return [((limit & 0xffff) | (base << 16)) >>> 0, high >>> 0];
}

/** @param old an entry that is used up by a program of 1996: no conforming code, and zeros empty it */
function write_ldt(task: Task, from: number, bytes: number, old: boolean): number {
  if (bytes !== USER_DESC)
    throw errno(EINVAL, 'modify_ldt: an entry is described by 16 bytes, not {}', bytes);
  const [number, base, limit, bits] = [0, 4, 8, 12].map((at) => task.mem.getU32(from + at)) as [number, number, number, number]; // prettier-ignore
  const flags = bits & 0x7f;
  if (number >= LDT_ENTRIES)
    throw errno(EINVAL, 'modify_ldt: there is no entry {} of {}', number, LDT_ENTRIES);
  if ((flags & CONTENTS) === CONTENTS && (old || !(flags & NOT_PRESENT)))
    throw errno(EINVAL, 'modify_ldt: conforming code must not be present');
  const nothing = base === 0 && limit === 0;
  const empty = nothing && (old || flags === (READ_EXEC_ONLY | NOT_PRESENT));
  const [low, high] = empty ? [0, 0] : fill_ldt(base, limit, old ? flags & ~USEABLE : flags);
  const mm = task.mm!;
  const before = mm.ldt ?? new Uint8Array(0);
  const ldt = new Uint8Array(Math.max(before.length, (number + 1) * LDT_ENTRY_SIZE));
  ldt.set(before);
  const view = new DataView(ldt.buffer);
  view.setUint32(number * LDT_ENTRY_SIZE, low, true);
  view.setUint32(number * LDT_ENTRY_SIZE + 4, high, true);
  mm.ldt = ldt;
  return 0;
}

function modify_ldt(task: Task, func: number, at: number, bytes: number): number {
  switch (func) {
    case 0:
      return read_ldt(task, at, bytes);
    case 1:
      return write_ldt(task, at, bytes, true);
    case 2:
      return read_default_ldt(task, at, bytes);
    case 0x11:
      return write_ldt(task, at, bytes, false);
    default:
      throw errno(ENOSYS, 'modify_ldt: there is no function {}', func);
  }
}

/** The result is an unsigned int: in 64 bits an error is no negative number. */
function sys_modify_ldt(task: Task, func: number, at: number, bytes: number): number {
  try {
    return modify_ldt(task, func, at, bytes);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return 2 ** 32 - error.code;
  }
}

export const LDT: readonly SyscallRow[] = [
  row(NR.__NR_modify_ldt, 'modify_ldt', [int, ptr, size], partial('entries are kept, but no selector uses them'), sys_modify_ldt), // prettier-ignore
];
