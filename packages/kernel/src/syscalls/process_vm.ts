import { CAP_SYS_NICE } from '@vitrine/uapi/capability.ts';
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import * as M from '@vitrine/uapi/mman.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import { check_not_secret } from '../fs/tmpfs/secretmem.ts';
import { Errno, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { pidfd_task } from '../fs/pidfs/pidfd.ts';
import { type AccessCreds, may_access } from '../fs/proc/access.ts';
import type { Task } from '../kernel/task.ts';
import { do_madvise } from '../mm/madvise.ts';
import { access_ok, import_iovec, UIO_MAXIOV } from '../fs/iov.ts';
import { choice, fd, inArray, type Kind, pid, uint, ulong } from './kinds.ts';
import { pidfdOf } from './pidfd.ts';
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

/** The process, if the caller might debug it (mm_access). */
function accessible(task: Task, nr: number, refused = EPERM, as: AccessCreds = 'real'): Task {
  const target = task.kernel.pids.find(nr)?.task;
  if (!target) throw errno(ESRCH, 'no process has the id {}', nr);
  if (target.mm === null) throw errno(ESRCH, 'process {} has no memory of its own', nr);
  if (target.mm === task.mm) return target;
  if (task.cred.landlock?.contains(target.cred.landlock) === false)
    throw errno(refused, 'Landlock: process {} is outside of the domain, which may not look into it', nr); // prettier-ignore
  if (may_access(task, target, as)) return target;
  throw errno(refused, 'the memory of process {} (uid {}) is for its own user and CAP_SYS_PTRACE, not uid {}', nr, target.cred.uid, task.cred.uid); // prettier-ignore
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
  const { mem, mm } = accessible(task, nr);
  const asked = local.count;
  try {
    for (const { base, length } of pieces)
      for (let done = 0; done < length && local.count > 0;) {
        const at = base + done;
        const n = Math.min(length - done, local.count, PAGE_SIZE - (at % PAGE_SIZE));
        check_not_secret(mm!, at);
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

/** Advice that one process may give for another (process_madvise_remote_valid). */
const REMOTE_ADVICE: readonly number[] = [
  M.MADV_COLD,
  M.MADV_PAGEOUT,
  M.MADV_WILLNEED,
  M.MADV_COLLAPSE,
];

/** The process of a pidfd. Throws EBADF, ESRCH. */
function pidfdTask(task: Task, descriptor: number): Task {
  return pidfd_task(pidfdOf(task, descriptor), 'tgid');
}

function sys_process_madvise(
  task: Task,
  descriptor: number,
  iov: number,
  count: number,
  advice: number,
  flags: number,
): number {
  if (flags !== 0) throw errno(EINVAL, 'process_madvise: flags {} are unknown', flags);
  const pieces = remotePieces(task, iov, count);
  for (const { base, length } of pieces) access_ok(base, length);
  const target = pidfdTask(task, descriptor);
  if (target.mm !== task.mm && !REMOTE_ADVICE.includes(advice)) throw errno(EINVAL, 'process_madvise: advice {} is not for other processes', advice); // prettier-ignore
  const { mm } = accessible(task, target.pid, EACCES, 'fs');
  if (mm !== task.mm && !capable(task.cred, CAP_SYS_NICE)) throw errno(EPERM, 'process_madvise: advice for another process needs CAP_SYS_NICE'); // prettier-ignore
  let done = 0;
  for (const { base, length } of pieces) {
    try {
      do_madvise(target, base, length, advice);
    } catch (error) {
      if (!(error instanceof Errno) || done === 0) throw error;
      break;
    }
    done += length;
  }
  return done;
}

/** process_mrelease(2): frees the memory of a process that is being killed. Here it is gone with the process. */
function sys_process_mrelease(task: Task, descriptor: number, flags: number): number {
  if (flags !== 0) throw errno(EINVAL, 'process_mrelease: flags {} are unknown', flags);
  const target = pidfdTask(task, descriptor);
  if (target.dead || target.mm === null) throw errno(ESRCH, 'process_mrelease: process {} has no memory any more', target.tgid); // prettier-ignore
  if (target.signal.group_exit === null && !target.exiting) throw errno(EINVAL, 'process_mrelease: process {} is not being killed', target.tgid); // prettier-ignore
  const { mm } = target;
  for (const vma of mm.vmas.list) if (!vma.shared) mm.zap_range(vma, vma.start, vma.end);
  mm.reaped = true;
  return 0;
}

export const PROCESS_VM: readonly SyscallRow[] = [
  row(NR.__NR_process_madvise, 'process_madvise', [fd, inArray('iovec', 2), ulong, choice('madvise'), uint], FULL, sys_process_madvise), // prettier-ignore
  row(NR.__NR_process_mrelease, 'process_mrelease', [fd, uint], FULL, sys_process_mrelease),
  row(NR.__NR_process_vm_readv, 'process_vm_readv', kinds, FULL, call('process_vm_readv', false)),
  row(NR.__NR_process_vm_writev, 'process_vm_writev', kinds, FULL, call('process_vm_writev', true)),
];
