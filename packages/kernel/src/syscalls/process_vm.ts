import { CAP_SYS_PTRACE } from '@vitrine/uapi/capability.ts';
import { EFAULT, EINVAL, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import { Errno, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import type { Task } from '../kernel/task.ts';
import { import_iovec, UIO_MAXIOV } from './iov.ts';
import { inArray, type Kind, pid, ulong } from './kinds.ts';
import { FULL, row, type SyscallRow } from './row.ts';

/** Copies between the memories of two processes (mm/process_vm_access.c). */

interface Piece {
  readonly base: number;
  readonly length: number;
}

/** The other process's pieces: its addresses are not checked before they are touched (iovec_from_user). */
function remotePieces(task: Task, address: number, count: number): Piece[] {
  if (count > UIO_MAXIOV)
    throw errno(EINVAL, 'iovec count {} is above UIO_MAXIOV ({})', count, UIO_MAXIOV);
  const pieces: Piece[] = [];
  for (let i = 0; i < count; i++) {
    const base = task.mem.getU64(address + i * 16);
    const length = task.mem.getI64(address + i * 16 + 8);
    if (length < 0) throw errno(EINVAL, 'iovec {} has a negative length {}', i, length);
    pieces.push({ base, length });
  }
  return pieces;
}

/** The process, if the caller might debug it (mm_access with PTRACE_MODE_ATTACH_REALCREDS). */
function accessible(task: Task, nr: number): Task {
  const target = task.kernel.pids.find(nr)?.task;
  if (!target) throw errno(ESRCH, 'no process has the id {}', nr);
  if (target.mm === null) throw errno(ESRCH, 'process {} has no memory of its own', nr);
  if (target.mm === task.mm || capable(task.cred, CAP_SYS_PTRACE)) return target;
  const { uid, gid } = task.cred;
  const t = target.cred;
  const same =
    uid === t.uid && uid === t.euid && uid === t.suid &&
    gid === t.gid && gid === t.egid && gid === t.sgid; // prettier-ignore
  if (!same || target.mm.dumpable !== 1)
    throw errno(EPERM, 'the memory of process {} (uid {}) is for its own user and CAP_SYS_PTRACE, not uid {}', nr, t.uid, uid); // prettier-ignore
  return target;
}

function process_vm_rw(
  task: Task,
  nr: number,
  local: IovIter,
  remoteAt: number,
  remoteCount: number,
  write: boolean,
): number {
  if (local.count === 0) return 0;
  const pieces = remotePieces(task, remoteAt, remoteCount);
  if (pieces.every(({ length }) => length === 0)) return 0;
  const { mem } = accessible(task, nr);
  const asked = local.count;
  try {
    for (const { base, length } of pieces)
      for (let done = 0; done < length && local.count > 0;) {
        const at = base + done;
        const n = Math.min(length - done, local.count, PAGE_SIZE - (at % PAGE_SIZE));
        const pa = mem.translate(at, write);
        const copied = write ? local.copyFrom(mem.ram, pa, n) : local.copyTo(mem.ram, pa, n);
        if (copied < n) return asked - local.count;
        done += n;
      }
  } catch (error) {
    if (!(error instanceof Errno) || error.code !== EFAULT || local.count === asked) throw error;
  }
  return asked - local.count;
}

const call =
  (name: string, write: boolean) =>
  (
    task: Task,
    nr: number,
    localAt: number,
    localCount: number,
    remoteAt: number,
    remoteCount: number,
    flags: number,
  ): number => {
    if (flags !== 0) throw errno(EINVAL, '{}: flags {} are unknown', name, flags);
    const local = import_iovec(task, localAt, localCount);
    return process_vm_rw(task, nr, local, remoteAt, remoteCount, write);
  };

const kinds: readonly [
  Kind<number>,
  Kind<number>,
  Kind<number>,
  Kind<number>,
  Kind<number>,
  Kind<number>,
] = [pid, inArray('iovec', 2), ulong, inArray('iovec', 4), ulong, ulong];

export const PROCESS_VM: readonly SyscallRow[] = [
  row(NR.__NR_process_vm_readv, 'process_vm_readv', kinds, FULL, call('process_vm_readv', false)),
  row(NR.__NR_process_vm_writev, 'process_vm_writev', kinds, FULL, call('process_vm_writev', true)),
];
