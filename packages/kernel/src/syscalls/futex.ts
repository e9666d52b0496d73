import * as E from '@vitrine/uapi/errno.ts';
import * as F from '@vitrine/uapi/futex.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import {
  FUTEX_BITSET_MATCH_ANY,
  futex_requeue,
  futex_wait,
  futex_wake,
  futex_wake_op,
} from '../kernel/futex.ts';
import type { Task } from '../kernel/task.ts';
import { hex, int, outStruct, ptr, size, uint } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';
import { timespecNs } from './timespec.ts';

/** The deadline on CLOCK_MONOTONIC that the operation's timeout means. */
function deadlineOf(task: Task, timeout: number, absolute: boolean, realtime: boolean): number {
  if (timeout === 0) return Infinity;
  const ns = timespecNs(task, timeout, 'futex');
  const { clock } = task.kernel;
  if (!absolute) return clock.now() + ns;
  if (!realtime) return ns;
  const wall = task.mem.getBig(timeout) * 1_000_000_000n + task.mem.getBig(timeout + 8);
  return clock.now() + Number(wall - clock.realtimeNs());
}

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
  if (realtime && command !== F.FUTEX_WAIT_BITSET && command !== F.FUTEX_WAIT_REQUEUE_PI && command !== F.FUTEX_LOCK_PI2 && command !== F.FUTEX_WAIT) throw errno(E.ENOSYS, 'futex: operation {} takes no FUTEX_CLOCK_REALTIME', command); // prettier-ignore
  switch (command) {
    case F.FUTEX_WAIT:
      return futex_wait(
        task,
        address,
        shared,
        value,
        task.callState === null ? deadlineOf(task, timeout, false, realtime) : 0,
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
        false,
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
    default:
      throw errno(
        E.ENOSYS,
        'futex: operation {} (priority inheritance or unknown) is not supported',
        command,
      );
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
  if (target !== task && target.cred.uid !== task.cred.euid && task.cred.euid !== 0) throw errno(E.EPERM, 'get_robust_list: thread {} belongs to user {}', pid, target.cred.uid); // prettier-ignore
  task.mem.putU64(length, 24);
  task.mem.putU64(head, target.robust_list);
  return 0;
}

export const FUTEX: readonly SyscallRow[] = [
  row(
    NR.__NR_futex,
    'futex',
    [ptr, hex, uint, ptr, ptr, uint],
    partial('no priority-inheritance operations'),
    sys_futex,
  ),
  row(NR.__NR_set_robust_list, 'set_robust_list', [ptr, size], FULL, sys_set_robust_list),
  row(
    NR.__NR_get_robust_list,
    'get_robust_list',
    [int, outStruct('ptr'), outStruct('long')],
    FULL,
    sys_get_robust_list,
  ),
];
