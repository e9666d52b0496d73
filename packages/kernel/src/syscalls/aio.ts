import * as E from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { ERESTARTNOHAND, Errno, errno } from '../include/errno.ts';
import { AioRequest, aio_lookup, aio_setup, kill_ioctx } from '../fs/aio/aio.ts';
import type { Task } from '../kernel/task.ts';
import { inStruct, long, outStruct, ptr, uint } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';
import { user_sigmask } from './select.ts';

function sys_io_setup(task: Task, count: number, at: number): number {
  if (task.mem.getBig(at) !== 0n || count === 0) throw errno(E.EINVAL, 'io_setup: {} events, and the context must be 0 before', count); // prettier-ignore
  task.mem.putU64(at, aio_setup(task, count).id);
  return 0;
}

function sys_io_destroy(task: Task, id: number): number {
  kill_ioctx(task.mm!, aio_lookup(task, id), true);
  return 0;
}

/** An error of the first operation is the call's; after that, the number begun. */
function sys_io_submit(task: Task, id: number, count: number, list: number): number {
  if (count < 0)
    throw errno(E.EINVAL, 'io_submit: the number of operations, {}, is negative', count);
  const ctx = aio_lookup(task, id);
  for (let i = 0; i < count; i++) {
    try {
      const at = task.mem.getU64(list + i * 8);
      task.mem.getBig(at);
      if (ctx.used >= ctx.capacity) throw errno(E.EAGAIN, 'io_submit: {} operations are under way or not fetched, the context holds {}', ctx.used, ctx.capacity); // prettier-ignore
      const request = new AioRequest(task, ctx, at);
      ctx.active.add(request);
      request.run();
    } catch (error) {
      if (!(error instanceof Errno) || i === 0) throw error;
      return i;
    }
  }
  return Math.max(count, 0);
}

function sys_io_cancel(task: Task, id: number, iocb: number, _result: number): number {
  task.mem.getU32(iocb + 8);
  const ctx = aio_lookup(task, id);
  for (const request of ctx.active)
    if (request.obj === iocb) {
      request.cancel();
      throw errno(
        E.EINPROGRESS,
        'io_cancel: the operation ends, its result comes with io_getevents',
      );
    }
  throw errno(E.EINVAL, 'io_cancel: no operation 0x{} is under way', iocb.toString(16));
}

/** The time is not checked: one that ends before it begins is none (ktime_add_safe). */
function waitDeadline(task: Task, timeout: number): number {
  const { mem } = task;
  const ns = mem.getI64(timeout) * 1e9 + mem.getI64(timeout + 8);
  return ns < 0 ? Infinity : task.kernel.clock.now() + ns;
}

function getevents(
  task: Task,
  id: number,
  min: number,
  count: number,
  to: number,
  timeout: number,
): number {
  const ctx = aio_lookup(task, id);
  if (min < 0 || min > count)
    throw errno(E.EINVAL, 'io_getevents: at least {} and at most {} events', min, count);
  const state = (task.callState ??= {
    deadline: timeout === 0 ? Infinity : waitDeadline(task, timeout),
    got: 0,
  }) as { deadline: number; got: number };
  while (state.got < count && ctx.ring.length > 0) {
    ctx.ring.take(to + state.got * 32);
    state.got++;
  }
  if (state.got >= min || ctx.dead || task.kernel.clock.now() >= state.deadline) return state.got;
  if (task.signal_pending() && state.got > 0) return state.got;
  return task.waitAny([ctx.wait], state.deadline, E.EINTR);
}

function sys_io_pgetevents(
  task: Task,
  id: number,
  min: number,
  count: number,
  to: number,
  timeout: number,
  sig: number,
): number {
  if (sig !== 0 && task.callState === null) user_sigmask(task, task.mem.getU64(sig), task.mem.getU64(sig + 8)); // prettier-ignore
  try {
    return getevents(task, id, min, count, to, timeout);
  } catch (error) {
    if (error instanceof Errno && error.code === E.EINTR) throw errno(ERESTARTNOHAND, 'io_pgetevents: a signal ended the wait'); // prettier-ignore
    throw error;
  }
}

export const AIO: readonly SyscallRow[] = [
  row(NR.__NR_io_setup, 'io_setup', [uint, outStruct('ptr')], FULL, sys_io_setup),
  row(NR.__NR_io_destroy, 'io_destroy', [ptr], FULL, sys_io_destroy),
  row(NR.__NR_io_submit, 'io_submit', [ptr, long, ptr], FULL, sys_io_submit),
  row(NR.__NR_io_cancel, 'io_cancel', [ptr, ptr, ptr], FULL, sys_io_cancel),
  row(NR.__NR_io_getevents, 'io_getevents', [ptr, long, long, ptr, inStruct('timespec')], FULL, getevents), // prettier-ignore
  row(NR.__NR_io_pgetevents, 'io_pgetevents', [ptr, long, long, ptr, inStruct('timespec'), ptr], FULL, sys_io_pgetevents), // prettier-ignore
];
