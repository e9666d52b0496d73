import { EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_RAWIO } from '@vitrine/uapi/capability.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { type Cpu, RAX, RDX } from '@vitrine/x86/cpu.ts';
import { capable, describe_cred } from '../../include/cred.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { Task } from '../../kernel/task.ts';
import { uint, ulong } from '../../syscalls/kinds.ts';
import { FULL, type SyscallRow, row } from '../../syscalls/row.ts';

/**
 * I/O ports (analogous to arch/x86/kernel/ioport.c). The processor refuses every port instruction in user mode; those that the
 * thread may execute are carried out here. No device listens: reads give ones, writes go nowhere.
 */

/** Ports, a bit of the map for each (IO_BITMAP_BITS). */
const IO_BITMAP_BITS = 65_536;

declare module '../../kernel/task.ts' {
  interface Task {
    /** iopl(2), which Linux emulates, too: 3 for every port. */
    iopl_emul?: number;
    /** ioperm(2): a bit that is set forbids its port; never changed in place, so that threads can share it. */
    io_bitmap?: Uint8Array | null;
  }
}

function checkRawio(task: Task, call: string): void {
  if (capable(task.cred, CAP_SYS_RAWIO)) return;
  throw errno(EPERM, '{} needs CAP_SYS_RAWIO; the process has {}', call, describe_cred(task.cred));
}

function sys_iopl(task: Task, level: number): number {
  if (level > 3) throw errno(EINVAL, 'iopl: there is no privilege level {}', level);
  if (level > (task.iopl_emul ?? 0)) checkRawio(task, 'iopl: more rights than before');
  task.iopl_emul = level;
  return 0;
}

function sys_ioperm(task: Task, from: number, num: number, on: number): number {
  if (num === 0 || from + num > IO_BITMAP_BITS)
    throw errno(EINVAL, 'ioperm: {} ports from {} are not among the {}', num, from, IO_BITMAP_BITS);
  if (on !== 0) checkRawio(task, 'ioperm');
  else if (!task.io_bitmap) return 0;
  const map = task.io_bitmap?.slice() ?? new Uint8Array(IO_BITMAP_BITS / 8).fill(0xff);
  for (let port = from; port < from + num; port++) {
    const bit = 1 << (port & 7);
    if (on !== 0) map[port >> 3]! &= ~bit;
    else map[port >> 3]! |= bit;
  }
  task.io_bitmap = map.every((byte) => byte === 0xff) ? null : map;
  return 0;
}

/** A child has its parent's ports (io_bitmap_share). */
export function io_bitmap_share(parent: Task, child: Task): void {
  if (parent.iopl_emul !== undefined) child.iopl_emul = parent.iopl_emul;
  if (parent.io_bitmap) child.io_bitmap = parent.io_bitmap;
}

function permitted(task: Task, port: number, width: number): boolean {
  if (task.iopl_emul === 3) return true;
  const map = task.io_bitmap;
  if (!map) return false;
  for (let i = port; i < port + width; i++)
    if (i >= IO_BITMAP_BITS || ((map[i >> 3]! >> (i & 7)) & 1) !== 0) return false;
  return true;
}

/** #GP: was it an IN or OUT that the thread may execute? Then it is done, and the program goes on behind it. */
export function io_instruction(task: Task, cpu: Cpu): boolean {
  if (!task.iopl_emul && !task.io_bitmap) return false;
  try {
    let at = cpu.rip;
    let op = task.mem.getU8(at++);
    const short = op === 0x66;
    if (short) op = task.mem.getU8(at++);
    if ((op & 0xf0) === 0x40) op = task.mem.getU8(at++); // REX
    // E4–E7 have the port in the instruction, EC–EF in DX; bit 0 is the width, bit 1 the direction.
    if ((op & 0xf4) !== 0xe4) return false;
    const port = (op & 8) === 0 ? task.mem.getU8(at++) : Number(cpu.gpr[RDX]! & 0xffffn);
    const width = (op & 1) === 0 ? 1 : short ? 2 : 4;
    if (!permitted(task, port, width)) return false;
    if ((op & 2) === 0) {
      const ones = (1n << BigInt(width * 8)) - 1n;
      cpu.gpr[RAX] = width === 4 ? ones : cpu.gpr[RAX]! | ones;
    }
    cpu.rip = at;
    return true;
  } catch (error) {
    if (error instanceof Errno) return false;
    throw error;
  }
}

export const IOPORT: readonly SyscallRow[] = [
  row(NR.__NR_iopl, 'iopl', [uint], FULL, sys_iopl),
  row(NR.__NR_ioperm, 'ioperm', [ulong, ulong, uint], FULL, sys_ioperm),
];
