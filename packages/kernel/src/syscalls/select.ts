import { EBADF, EINTR, EINVAL } from '@vitrine/uapi/errno.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDBAND,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
  EPOLLNVAL,
  POLLNVAL,
} from '@vitrine/uapi/poll.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import { STICKY_TIMEOUTS } from '@vitrine/uapi/personality.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { BLOCKED, ERESTARTNOHAND, ERESTART_RESTARTBLOCK, Errno, errno } from '../include/errno.ts';
import { NSEC_PER_SEC } from '../include/time.ts';
import type { WaitQueue } from '../include/wait.ts';
import { hold_file } from '../fs/fdtable.ts';
import { FMODE_PATH } from '../fs/file.ts';
import { set_user_sigmask } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import { inOutStruct, inStruct, int, size, uint } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** The moment a wait ends, kept between the attempts at one call. */
interface Deadline {
  readonly deadline: number;
}

/** Monotonic time of the end; @param timeout nanoseconds, Infinity to wait for ever */
function deadlineOf(task: Task, timeout: number): number {
  const state = task.callState as Deadline | null;
  if (state !== null) return state.deadline;
  const deadline =
    timeout === Infinity ? Infinity : timeout === 0 ? 0 : task.kernel.clock.now() + timeout;
  task.callState = { deadline } satisfies Deadline;
  return deadline;
}

/** struct timespec to nanoseconds. */
export function read_timespec(task: Task, at: number): number {
  const sec = task.mem.getI64(at);
  const nsec = task.mem.getI64(at + 8);
  if (sec < 0 || nsec < 0 || nsec >= NSEC_PER_SEC)
    throw errno(EINVAL, 'the time span {} s {} ns is out of range', sec, nsec);
  return Math.min(sec * NSEC_PER_SEC + nsec, Number.MAX_SAFE_INTEGER);
}

/** The signal mask of ppoll, pselect6 and epoll_pwait. */
export function user_sigmask(task: Task, mask: number, size: number): void {
  if (mask === 0) return;
  if (size !== 8) throw errno(EINVAL, 'a signal mask has 8 bytes, not {}', size);
  set_user_sigmask(task, task.mem.getBig(mask));
}

/** One look at the descriptors of poll(2). @returns how many have events */
function pollOnce(task: Task, fds: number, n: number, collect: WaitQueue[] | null): number {
  const { mem } = task;
  // Who waits holds what it waits for, and looks its descriptors up each time (__pollwait).
  const held = task.held_files === null && task.files.count > 1;
  let ready = 0;
  for (let i = 0; i < n; i++) {
    const at = fds + i * 8;
    const fd = mem.getI32(at);
    let revents = 0;
    if (fd >= 0) {
      const file = task.files.fd[fd];
      if (file == null || file.mode & FMODE_PATH) revents = POLLNVAL;
      else {
        const want = mem.getU16(at + 4) | EPOLLERR | EPOLLHUP;
        revents = file.poll(task, ready > 0 ? null : collect) & want;
        if (held && ready === 0 && collect !== null) hold_file(task, file.get());
      }
    }
    mem.putU16(at + 6, revents);
    if (revents !== 0) ready++;
  }
  return ready;
}

/** A signal that the call's own mask lets in counts for more than the end of the time: also where there was none to wait. */
function interrupted(task: Task, restart: number): void {
  if (task.signal_pending()) throw errno(restart, 'a signal is pending');
}

function do_sys_poll(task: Task, fds: number, n: number, timeout: number, restart: number): number {
  if (n > task.rlimit(RLIMIT_NOFILE))
    throw errno(
      EINVAL,
      'poll: {} descriptors are more than RLIMIT_NOFILE ({})',
      n,
      task.rlimit(RLIMIT_NOFILE),
    );
  const deadline = deadlineOf(task, timeout);
  const waits = deadline !== 0 && task.kernel.clock.now() < deadline;
  const queues: WaitQueue[] | null = waits ? [] : null;
  const ready = pollOnce(task, fds, n, queues);
  if (ready > 0) return ready;
  if (queues !== null) return task.waitAny(queues, deadline, restart);
  interrupted(task, restart);
  return 0;
}

export function sys_poll(task: Task, fds: number, n: number, timeout: number): number {
  try {
    return do_sys_poll(task, fds, n, timeout < 0 ? Infinity : timeout * 1e6, ERESTART_RESTARTBLOCK);
  } catch (error) {
    if (error instanceof Errno && error.code === ERESTART_RESTARTBLOCK) {
      task.restart_nr = NR.__NR_poll;
      task.restart_deadline = (task.callState as Deadline).deadline;
    }
    throw error;
  }
}

/** Puts the time that is left back where the caller's limit was (poll_select_finish). @returns false when it stays as it was, and the call cannot be done again */
function putRemaining(task: Task, at: number, micro: boolean): boolean {
  if (at === 0) return true;
  if ((task.personality & STICKY_TIMEOUTS) !== 0) return false;
  const state = task.callState as Deadline | null;
  if (state === null) return true;
  const left = Math.max(0, state.deadline - task.kernel.clock.now());
  try {
    task.mem.putU64(at, Math.floor(left / NSEC_PER_SEC));
    task.mem.putU64(at + 8, Math.floor((left % NSEC_PER_SEC) / (micro ? 1000 : 1)));
    return true;
  } catch {
    // A read-only time-out is not an error: the call's result stands.
    return false;
  }
}

/** Runs a wait; when it ends, by result or signal, the caller's time limit shows what is left. */
function withRemaining(task: Task, at: number, micro: boolean, wait: () => number): number {
  let result: number;
  try {
    result = wait();
  } catch (error) {
    if (!(error instanceof Errno) || (error.code !== ERESTARTNOHAND && error.code !== EINTR))
      throw error;
    if (putRemaining(task, at, micro)) throw error;
    throw errno(EINTR, 'a signal came, and the time that is left has no place to be kept in');
  }
  if (result !== BLOCKED) putRemaining(task, at, micro);
  return result;
}

export function sys_ppoll(
  task: Task,
  fds: number,
  n: number,
  ts: number,
  mask: number,
  size: number,
): number {
  const timeout = task.callState !== null || ts === 0 ? Infinity : read_timespec(task, ts);
  if (task.callState === null) user_sigmask(task, mask, size);
  return withRemaining(task, ts, false, () => do_sys_poll(task, fds, n, timeout, ERESTARTNOHAND));
}

const POLLIN_SET = EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLNVAL;
const POLLOUT_SET = EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR | EPOLLNVAL;
const POLLEX_SET = EPOLLPRI | EPOLLNVAL;

function do_select(
  task: Task,
  n: number,
  inp: number,
  outp: number,
  exp: number,
  timeout: number,
): number {
  if (n < 0) throw errno(EINVAL, 'select: the number of descriptors, {}, is negative', n);
  // Descriptors beyond the table's room are not looked at (max_fds: 64, or as many powers of two as were needed).
  const room = 2 ** Math.ceil(Math.log2(Math.max(64, task.files.fd.length)));
  if (n > room) n = room;
  const max = Math.min(n, task.files.fd.length);
  const bytes = Math.ceil(n / 64) * 8;
  const { mem } = task;
  const sets = [inp, outp, exp].map((at) => (at === 0 ? null : mem.read(at, bytes)));
  const first = task.callState === null;
  const held = first && task.files.count > 1;
  const deadline = deadlineOf(task, timeout);
  const waits = deadline !== 0 && task.kernel.clock.now() < deadline;
  const queues: WaitQueue[] | null = waits ? [] : null;
  const results = sets.map((set) => (set === null ? null : new Uint8Array(bytes)));
  const events = [POLLIN_SET, POLLOUT_SET, POLLEX_SET];
  let ready = 0;
  for (let fd = 0; fd < n; fd++) {
    const byte = fd >> 3;
    const bit = 1 << (fd & 7);
    let wanted = false;
    for (const set of sets) if (set !== null && set[byte]! & bit) wanted = true;
    if (!wanted) continue;
    const file = fd < max ? task.files.fd[fd] : null;
    // Who closes it while others wait ends their waiting.
    if (file == null && first)
      throw errno(EBADF, 'select: fd {} is not open in process {}', fd, task.tgid);
    const mask = file == null || file.mode & FMODE_PATH ? EPOLLNVAL : file.poll(task, queues);
    if (held && queues !== null && mask !== EPOLLNVAL) hold_file(task, file!.get());
    for (let k = 0; k < 3; k++) {
      if (sets[k] !== null && sets[k]![byte]! & bit && mask & events[k]!) {
        results[k]![byte]! |= bit;
        ready++;
      }
    }
  }
  if (ready === 0 && queues !== null) return task.waitAny(queues, deadline, ERESTARTNOHAND);
  if (ready === 0) interrupted(task, ERESTARTNOHAND);
  [inp, outp, exp].forEach((at, k) => {
    if (at !== 0) mem.write(at, results[k]!);
  });
  return ready;
}

export function sys_select(
  task: Task,
  n: number,
  inp: number,
  outp: number,
  exp: number,
  tv: number,
): number {
  let timeout = Infinity;
  if (tv !== 0 && task.callState === null) {
    const sec = task.mem.getI64(tv);
    const usec = task.mem.getI64(tv + 8);
    if (sec < 0 || usec < 0)
      throw errno(EINVAL, 'select: the time span {} s {} µs is negative', sec, usec);
    timeout = Math.min(sec * NSEC_PER_SEC + usec * 1000, Number.MAX_SAFE_INTEGER);
  }
  return withRemaining(task, tv, true, () => do_select(task, n, inp, outp, exp, timeout));
}

export function sys_pselect6(
  task: Task,
  n: number,
  inp: number,
  outp: number,
  exp: number,
  ts: number,
  sig: number,
): number {
  const timeout = task.callState !== null || ts === 0 ? Infinity : read_timespec(task, ts);
  if (task.callState === null && sig !== 0)
    user_sigmask(task, task.mem.getU64(sig), task.mem.getU64(sig + 8));
  return withRemaining(task, ts, false, () => do_select(task, n, inp, outp, exp, timeout));
}

export const SELECT: readonly SyscallRow[] = [
  row(NR.__NR_poll, 'poll', [inOutStruct('pollfds'), uint, int], FULL, sys_poll),
  row(
    NR.__NR_ppoll,
    'ppoll',
    [inOutStruct('pollfds'), uint, inStruct('timespec'), inStruct('sigset'), size],
    FULL,
    sys_ppoll,
  ),
  row(
    NR.__NR_select,
    'select',
    [
      int,
      inOutStruct('fd_set'),
      inOutStruct('fd_set'),
      inOutStruct('fd_set'),
      inOutStruct('timeval'),
    ],
    FULL,
    sys_select,
  ),
  row(
    NR.__NR_pselect6,
    'pselect6',
    [
      int,
      inOutStruct('fd_set'),
      inOutStruct('fd_set'),
      inOutStruct('fd_set'),
      inOutStruct('timespec'),
      inStruct('sigset6'),
    ],
    FULL,
    sys_pselect6,
  ),
];
