import * as E from '@vitrine/uapi/errno.ts';
import * as F from '@vitrine/uapi/futex.ts';
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '@vitrine/uapi/time.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import { wall_deadline } from '../include/time.ts';
import {
  FUTEX_BITSET_MATCH_ANY,
  type FutexWait,
  futex_requeue,
  futex_wait,
  futex_wait_multiple,
  futex_wake,
  futex_wake_op,
} from '../kernel/futex.ts';
import {
  futex_cmp_requeue_pi,
  futex_lock_pi,
  futex_unlock_pi,
  futex_wait_requeue_pi,
} from '../kernel/futex_pi.ts';
import { may_access } from '../fs/proc/access.ts';
import type { Task } from '../kernel/task.ts';
import {
  choice,
  hex32,
  inStruct,
  int,
  outStruct,
  ptr,
  ptrOrInt,
  size,
  u64,
  uint,
} from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';
import { timespecNs } from './timespec.ts';

/** The deadline on CLOCK_MONOTONIC that the operation's timeout means. */
function deadlineOf(task: Task, timeout: number, absolute: boolean, realtime: boolean): number {
  if (timeout === 0) return Infinity;
  const ns = timespecNs(task, timeout, 'futex');
  const { clock } = task.kernel;
  if (!absolute) return clock.now() + ns;
  if (!realtime) return ns;
  const wall = task.mem.getBig(timeout) * 1_000_000_000n + task.mem.getBig(timeout + 8);
  return wall_deadline(task.kernel, wall);
}

/** Commands whose fourth argument is a time (futex_cmd_has_timeout). */
const TIMED: ReadonlySet<number> = new Set([F.FUTEX_WAIT, F.FUTEX_LOCK_PI, F.FUTEX_LOCK_PI2, F.FUTEX_WAIT_BITSET, F.FUTEX_WAIT_REQUEUE_PI]); // prettier-ignore

function sys_futex(
  task: Task,
  address: number,
  op: number,
  value: number,
  timeout: number,
  address2: number,
  value3: number,
): number {
  const command = op & F.FUTEX_CMD_MASK;
  const shared = (op & F.FUTEX_PRIVATE_FLAG) === 0;
  const realtime = (op & F.FUTEX_CLOCK_REALTIME) !== 0;
  // A time is looked at before anything else (sys_futex).
  if (TIMED.has(command) && timeout !== 0) timespecNs(task, timeout, 'futex');
  if (realtime && command !== F.FUTEX_WAIT_BITSET && command !== F.FUTEX_WAIT_REQUEUE_PI && command !== F.FUTEX_LOCK_PI2) throw errno(E.ENOSYS, 'futex: operation {} takes no FUTEX_CLOCK_REALTIME', command); // prettier-ignore
  switch (command) {
    case F.FUTEX_WAIT:
      return futex_wait(
        task,
        address,
        shared,
        value,
        task.callState === null ? deadlineOf(task, timeout, false, false) : 0,
        FUTEX_BITSET_MATCH_ANY,
        true,
      );
    case F.FUTEX_WAIT_BITSET:
      return futex_wait(
        task,
        address,
        shared,
        value,
        task.callState === null ? deadlineOf(task, timeout, true, realtime) : 0,
        value3,
        true,
      );
    case F.FUTEX_WAKE:
      return futex_wake(task, address, shared, value | 0, FUTEX_BITSET_MATCH_ANY);
    case F.FUTEX_WAKE_BITSET:
      return futex_wake(task, address, shared, value | 0, value3);
    // Here the timeout register holds the number to requeue.
    case F.FUTEX_REQUEUE:
      return futex_requeue(task, address, address2, shared, value | 0, timeout | 0, null);
    case F.FUTEX_CMP_REQUEUE:
      return futex_requeue(task, address, address2, shared, value | 0, timeout | 0, value3);
    case F.FUTEX_WAKE_OP:
      return futex_wake_op(task, address, address2, shared, value | 0, timeout | 0, value3);
    case F.FUTEX_LOCK_PI:
    case F.FUTEX_LOCK_PI2: {
      // FUTEX_LOCK_PI's timeout is a point on the wall clock, whatever the flag says.
      const wall = realtime || command === F.FUTEX_LOCK_PI;
      const deadline = task.callState === null ? deadlineOf(task, timeout, true, wall) : 0;
      return futex_lock_pi(task, address, shared, deadline, false);
    }
    case F.FUTEX_TRYLOCK_PI:
      return futex_lock_pi(task, address, shared, Infinity, true);
    case F.FUTEX_UNLOCK_PI:
      return futex_unlock_pi(task, address, shared);
    case F.FUTEX_WAIT_REQUEUE_PI: {
      const deadline = task.callState === null ? deadlineOf(task, timeout, true, realtime) : 0;
      return futex_wait_requeue_pi(task, address, shared, value, deadline, FUTEX_BITSET_MATCH_ANY, address2); // prettier-ignore
    }
    case F.FUTEX_CMP_REQUEUE_PI:
      return futex_cmp_requeue_pi(task, address, address2, shared, value | 0, timeout | 0, value3);
    default:
      throw errno(E.ENOSYS, 'futex: there is no operation {}', command);
  }
}

function sys_set_robust_list(task: Task, head: number, length: number): number {
  if (length !== 24)
    throw errno(E.EINVAL, 'set_robust_list: the head has 24 bytes, not {}', length);
  task.robust_list = head;
  return 0;
}

function sys_get_robust_list(task: Task, pid: number, head: number, length: number): number {
  const target = pid === 0 ? task : task.kernel.pids.find(pid)?.task;
  if (!target) throw errno(E.ESRCH, 'get_robust_list: there is no thread {}', pid);
  if (!may_access(task, target, 'real')) throw errno(E.EPERM, 'get_robust_list: thread {} belongs to user {}', pid, target.cred.uid); // prettier-ignore
  task.mem.putU64(length, 24);
  task.mem.putU64(head, target.robust_list);
  return 0;
}

// --- the calls of the second interface ------------------------------------------------------------------------------

const FUTEX2_SIZE_U32 = 2;
const FUTEX2_PRIVATE = F.FUTEX_PRIVATE_FLAG;

/** Flags of one word: its size, 32 bits, and whether it is private. @returns is it shared? */
export function futex2Shared(flags: number, call: string): boolean {
  if ((flags & ~(FUTEX2_SIZE_U32 | FUTEX2_PRIVATE)) !== 0 || (flags & 3) !== FUTEX2_SIZE_U32)
    throw errno(
      E.EINVAL,
      '{}: flags 0x{} are not those of a 32-bit word',
      call,
      flags.toString(16),
    );
  return (flags & FUTEX2_PRIVATE) === 0;
}

/** struct futex_waitv: value, address, flags. */
export function readWaits(task: Task, at: number, count: number, call: string): FutexWait[] {
  return Array.from({ length: count }, (_, i) => {
    const entry = at + i * 24;
    const shared = futex2Shared(task.mem.getU32(entry + 16), call);
    if (task.mem.getU32(entry + 20) !== 0) throw errno(E.EINVAL, '{}: word {} has reserved bits set', call, i); // prettier-ignore
    const value = task.mem.getU64(entry);
    if (value > 0xffff_ffff)
      throw errno(E.EINVAL, '{}: value {} does not fit 32 bits', call, value);
    return { value, address: task.mem.getU64(entry + 8), shared };
  });
}

function futex2Deadline(task: Task, timeout: number, clock: number, call: string): number {
  if (timeout === 0) return Infinity;
  if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) throw errno(E.EINVAL, '{}: clock {} is none of CLOCK_MONOTONIC and CLOCK_REALTIME', call, clock); // prettier-ignore
  return deadlineOf(task, timeout, true, clock === CLOCK_REALTIME);
}

function sys_futex_waitv(
  task: Task,
  waiters: number,
  count: number,
  flags: number,
  timeout: number,
  clock: number,
): number {
  if (flags !== 0) throw errno(E.EINVAL, 'futex_waitv: flags {} are not known', flags);
  if (count === 0 || count > F.FUTEX_WAITV_MAX || waiters === 0) throw errno(E.EINVAL, 'futex_waitv: {} words are not between 1 and {}', count, F.FUTEX_WAITV_MAX); // prettier-ignore
  const deadline =
    task.callState === null ? futex2Deadline(task, timeout, clock, 'futex_waitv') : 0;
  return futex_wait_multiple(task, readWaits(task, waiters, count, 'futex_waitv'), deadline);
}

const low = (n: bigint): number => Number(n & 0xffff_ffffn);

function sys_futex_wake(
  task: Task,
  address: number,
  mask: bigint,
  count: number,
  flags: number,
): number {
  const shared = futex2Shared(flags, 'futex_wake');
  if (mask > 0xffff_ffffn) throw errno(E.EINVAL, 'futex_wake: mask {} does not fit 32 bits', mask);
  return futex_wake(task, address, shared, count, low(mask), true);
}

function sys_futex_wait2(
  task: Task,
  address: number,
  value: bigint,
  mask: bigint,
  flags: number,
  timeout: number,
  clock: number,
): number {
  const shared = futex2Shared(flags, 'futex_wait');
  if (value > 0xffff_ffffn || mask > 0xffff_ffffn) throw errno(E.EINVAL, 'futex_wait: value {} or mask {} does not fit 32 bits', value, mask); // prettier-ignore
  const deadline = task.callState === null ? futex2Deadline(task, timeout, clock, 'futex_wait') : 0;
  return futex_wait(task, address, shared, low(value), deadline, low(mask), false);
}

function sys_futex_requeue2(
  task: Task,
  waiters: number,
  flags: number,
  nrWake: number,
  nrRequeue: number,
): number {
  if (flags !== 0 || waiters === 0)
    throw errno(E.EINVAL, 'futex_requeue: flags {} are not known', flags);
  const [from, to] = readWaits(task, waiters, 2, 'futex_requeue');
  if (from!.shared !== to!.shared)
    throw errno(E.EINVAL, 'futex_requeue: one word is private, the other is not');
  return futex_requeue(task, from!.address, to!.address, from!.shared, nrWake, nrRequeue, from!.value); // prettier-ignore
}

export const FUTEX: readonly SyscallRow[] = [
  row(NR.__NR_futex, 'futex', [ptr, hex32, uint, ptrOrInt, ptr, uint], FULL, sys_futex),
  row(NR.__NR_futex_waitv, 'futex_waitv', [ptr, uint, uint, inStruct('timespec'), choice('clockid')], FULL, sys_futex_waitv), // prettier-ignore
  row(NR.__NR_futex_wake, 'futex_wake', [ptr, u64, int, uint], FULL, sys_futex_wake),
  row(NR.__NR_futex_wait, 'futex_wait', [ptr, u64, u64, uint, inStruct('timespec'), choice('clockid')], FULL, sys_futex_wait2), // prettier-ignore
  row(NR.__NR_futex_requeue, 'futex_requeue', [ptr, uint, int, int], FULL, sys_futex_requeue2),
  row(NR.__NR_set_robust_list, 'set_robust_list', [ptr, size], FULL, sys_set_robust_list),
  row(
    NR.__NR_get_robust_list,
    'get_robust_list',
    [int, outStruct('ptr'), outStruct('long')],
    FULL,
    sys_get_robust_list,
  ),
];
