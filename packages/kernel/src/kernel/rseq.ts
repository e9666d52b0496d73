import { EBUSY, EFAULT, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { SIGSEGV } from '@vitrine/uapi/signal.ts';
import { Errno, errno } from '../include/errno.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import { force_sig } from './signal.ts';
import type { Task } from './task.ts';

/**
 * Restartable sequences (analogous to kernel/rseq.c): a thread registers a structure in which the kernel keeps the
 * number of its processor, and a sequence of instructions that is begun anew when the thread lost the processor in it.
 */

/** Bytes of the first version of `struct rseq`, and those that are filled in here (offsetof(struct rseq, end)). */
const ORIG_RSEQ_SIZE = 32;
export const RSEQ_FEATURE_SIZE = 28;
export const RSEQ_ALIGN = 32;

const RSEQ_FLAG_UNREGISTER = 1;
const RSEQ_CPU_ID_UNINITIALIZED = 0xffff_ffff;

// Fields of struct rseq and of struct rseq_cs.
const CPU_ID_START = 0;
const CPU_ID = 4;
const RSEQ_CS = 8;
const FLAGS = 16;
const NODE_ID = 20;
const MM_CID = 24;
const CS_FLAGS = 4;
const CS_START_IP = 8;
const CS_POST_COMMIT_OFFSET = 16;
const CS_ABORT_IP = 24;

declare module './task.ts' {
  interface Task {
    /** Address of the registered structure, its size and the signature before abort handlers; 0 when there is none. */
    rseq?: number;
    rseq_len?: number;
    rseq_sig?: number;
    /** Processor that the structure names. */
    rseq_cpu?: number;
  }
}

/** rseq(2). */
export function sys_rseq(
  task: Task,
  rseq: number,
  length: number,
  flags: number,
  sig: number,
): number {
  const held = task.rseq ?? 0;
  if ((flags & RSEQ_FLAG_UNREGISTER) !== 0) {
    if ((flags & ~RSEQ_FLAG_UNREGISTER) !== 0)
      throw errno(EINVAL, 'rseq: flags {} are not known', flags);
    if (held !== rseq || held === 0 || length !== task.rseq_len)
      throw errno(EINVAL, 'rseq: the thread has not registered {} bytes at 0x{}', length, rseq.toString(16)); // prettier-ignore
    if (sig !== task.rseq_sig)
      throw errno(EPERM, 'rseq: the signature is not the one that was registered');
    write(task, 0, RSEQ_CPU_ID_UNINITIALIZED);
    rseq_execve(task);
    return 0;
  }
  if (flags !== 0) throw errno(EINVAL, 'rseq: flags {} are not known', flags);
  if (held !== 0) {
    if (held !== rseq || length !== task.rseq_len)
      throw errno(EINVAL, 'rseq: the thread has registered another structure, at 0x{}', held.toString(16)); // prettier-ignore
    if (sig !== task.rseq_sig)
      throw errno(EPERM, 'rseq: the signature is not the one that was registered');
    throw errno(EBUSY, 'rseq: the structure is registered already');
  }
  const bad =
    length === ORIG_RSEQ_SIZE
      ? rseq % 32 !== 0
      : rseq % RSEQ_ALIGN !== 0 || length < RSEQ_FEATURE_SIZE;
  if (length < ORIG_RSEQ_SIZE || bad)
    throw errno(
      EINVAL,
      'rseq: {} bytes at 0x{} are no structure of this kernel',
      length,
      rseq.toString(16),
    );
  if (rseq + length > TASK_SIZE)
    throw errno(EFAULT, 'rseq: 0x{} is outside user space', rseq.toString(16));
  task.rseq = rseq;
  task.rseq_len = length;
  task.rseq_sig = sig;
  rseq_handle_notify_resume(task);
  return 0;
}

function write(task: Task, start: number, id: number): void {
  const { mem } = task;
  const at = task.rseq!;
  mem.putU32(at + CPU_ID_START, start);
  mem.putU32(at + CPU_ID, id);
  mem.putU32(at + NODE_ID, 0);
  mem.putU32(at + MM_CID, start);
  task.rseq_cpu = start;
}

/** exec, and a new address space: nothing is registered any more. */
export function rseq_execve(task: Task): void {
  task.rseq = task.rseq_len = task.rseq_sig = 0;
}

/** fork keeps the parent's registration, a thread starts without one. */
export function rseq_fork(parent: Task, child: Task, sharesMm: boolean): void {
  if (sharesMm || parent.rseq === undefined) return;
  child.rseq = parent.rseq;
  child.rseq_len = parent.rseq_len!;
  child.rseq_sig = parent.rseq_sig!;
}

/**
 * Before a thread that lost the processor, moved, or is about to enter a handler goes on in user mode: tells it where it
 * is, and lets an interrupted sequence begin anew. Its registers are in the processor.
 */
export function rseq_handle_notify_resume(task: Task): void {
  const at = task.rseq ?? 0;
  if (at === 0 || task.exiting || task.mm === null) return;
  try {
    const cs = task.mem.getU64(at + RSEQ_CS);
    if (cs !== 0) ip_fixup(task, at, cs);
    if (task.rseq_cpu !== task.cpu || task.mem.getU32(at + CPU_ID) !== task.cpu)
      write(task, task.cpu, task.cpu);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    force_sig(
      task,
      SIGSEGV,
      `its rseq structure at 0x${at.toString(16)} is not usable: ${error.reason}`,
    );
  }
}

function ip_fixup(task: Task, at: number, cs: number): void {
  const { mem } = task;
  const { cpu } = task.kernel;
  if (cs >= TASK_SIZE) throw errno(EFAULT, 'the critical section descriptor is outside user space');
  const version = mem.getU32(cs);
  const start = mem.getU64(cs + CS_START_IP);
  const length = mem.getU64(cs + CS_POST_COMMIT_OFFSET);
  const abort = mem.getU64(cs + CS_ABORT_IP);
  if (start >= TASK_SIZE || start + length >= TASK_SIZE || abort >= TASK_SIZE || version > 0)
    throw errno(EINVAL, 'the critical section descriptor names addresses outside user space');
  if (abort >= start && abort < start + length)
    throw errno(EINVAL, 'the abort handler lies within the critical section');
  if (mem.getU32(abort - 4) !== task.rseq_sig)
    throw errno(EINVAL, 'the signature does not stand before the abort handler');
  const inside = cpu.rip >= start && cpu.rip < start + length;
  // What the flags of both once said is not done any more (rseq_warn_flags).
  if (inside && (mem.getU32(cs + CS_FLAGS) !== 0 || mem.getU32(at + FLAGS) !== 0))
    throw errno(EINVAL, 'the critical section has flags, and there are none');
  mem.putU64(at + RSEQ_CS, 0);
  if (inside) cpu.rip = abort;
}
