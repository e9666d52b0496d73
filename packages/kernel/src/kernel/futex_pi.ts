import * as E from '@vitrine/uapi/errno.ts';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from '@vitrine/uapi/futex.ts';
import { ERESTARTNOINTR, Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import {
  type FutexHome,
  type FutexKey,
  FutexWaiter,
  dequeue,
  enqueue,
  get_futex_key,
  wake,
} from './futex.ts';
import type { Task } from './task.ts';

/**
 * Futexes with priority inheritance (analogous to kernel/futex/pi.c and requeue.c): the word holds the owner's thread
 * number, the kernel gives the lock to the most urgent waiter, and an owner is as urgent as who waits for it.
 */

declare module './task.ts' {
  interface Task {
    /** Locks that the task owns and others wait for. */
    pi_states?: Set<PiState>;
    /** The lock that the task waits for. */
    pi_blocked_on?: PiWaiter | null;
  }
}

/** Analogous to `struct futex_pi_state`: a lock that somebody waits for. */
export class PiState {
  owner: Task;
  readonly home: FutexHome;
  readonly offset: number;
  /** The most urgent first, in order of arrival among equals. */
  readonly waiters: PiWaiter[] = [];
  constructor(owner: Task, key: FutexKey) {
    this.owner = owner;
    this.home = key.home;
    this.offset = key.offset;
  }
  static {
    serializable('PiState', this);
  }
}

export class PiWaiter {
  readonly task: Task;
  readonly state: PiState;
  /** Of the word, in the task's address space. */
  readonly address: number;
  readonly deadline: number;
  /** The lock is the task's. */
  granted = false;
  readonly queue: WaitQueue;
  constructor(task: Task, state: PiState, address: number, deadline: number, queue: WaitQueue) {
    this.task = task;
    this.state = state;
    this.address = address;
    this.deadline = deadline;
    this.queue = queue;
  }
  static {
    serializable('PiWaiter', this);
  }
}

const hex = (n: number): string => `0x${n.toString(16)}`;

/** The state of a lock that is taken; its owner is who the word names (attach_to_pi_state, attach_to_pi_owner). */
function pi_state(task: Task, key: FutexKey, word: number, address: number): PiState {
  const tid = word & FUTEX_TID_MASK;
  const found = key.home.pi_futexes?.get(key.offset);
  if (found !== undefined) {
    if (found.owner.pid !== tid) throw errno(E.EINVAL, 'futex: the word at {} names thread {}, the lock belongs to {}', hex(address), tid, found.owner.pid); // prettier-ignore
    return found;
  }
  const owner = task.kernel.pids.find(tid)?.task;
  if (!owner || owner.exiting) throw errno(E.ESRCH, 'futex: the word at {} names thread {}, which is gone', hex(address), tid); // prettier-ignore
  if (owner.kthread)
    throw errno(E.EPERM, 'futex: the word at {} names a kernel thread', hex(address));
  return new PiState(owner, key);
}

/** Does the owner of a lock wait, over others, for the task? */
function checkDeadlock(task: Task, state: PiState): void {
  let at: PiState | undefined = state;
  for (let depth = 0; at !== undefined && depth < 1024; depth++) {
    if (at.owner === task) throw errno(E.EDEADLK, 'futex: thread {} waits for a lock that waits for itself', task.pid); // prettier-ignore
    at = at.owner.pi_blocked_on?.state;
  }
}

function add_pi_waiter(waiter: PiWaiter): void {
  const { state, task } = waiter;
  const { waiters, owner } = state;
  (state.home.pi_futexes ??= new Map()).set(state.offset, state);
  (owner.pi_states ??= new Set()).add(state);
  const at = waiters.findIndex((other) => other.task.rt_effective < task.rt_effective);
  waiters.splice(at < 0 ? waiters.length : at, 0, waiter);
  task.pi_blocked_on = waiter;
  adjust_prio(owner);
}

/** A waiter gives up, or its task dies. */
export function remove_pi_waiter(waiter: PiWaiter): void {
  const { state } = waiter;
  waiter.task.pi_blocked_on = null;
  const i = state.waiters.indexOf(waiter);
  if (i < 0) return;
  state.waiters.splice(i, 1);
  settle(state);
}

/** Forgets a lock that nobody waits for; the owner is as urgent as who is left. */
function settle(state: PiState): void {
  if (state.waiters.length === 0) {
    state.home.pi_futexes?.delete(state.offset);
    state.owner.pi_states?.delete(state);
  }
  adjust_prio(state.owner);
}

/** An owner is as urgent as its most urgent waiter, and so on along the chain (rt_mutex_adjust_prio_chain). */
function adjust_prio(start: Task): void {
  let task: Task | undefined = start;
  for (let depth = 0; task !== undefined && depth < 1024; depth++) {
    let boost = 0;
    for (const { waiters } of task.pi_states ?? [])
      if (waiters.length > 0) boost = Math.max(boost, waiters[0]!.task.rt_effective);
    if (boost === task.rt_boost) return;
    task.kernel.sched.set_boost(task, boost);
    task = task.pi_blocked_on?.state.owner;
  }
}

/** Gives the lock to the most urgent waiter and writes it into the word, through the waiter's own memory. */
function pass_on(state: PiState, died: number): void {
  const next = state.waiters.shift()!;
  const before = state.owner;
  before.pi_states?.delete(state);
  state.owner = next.task;
  if (state.waiters.length > 0) (next.task.pi_states ??= new Set()).add(state);
  else state.home.pi_futexes?.delete(state.offset);
  next.granted = true;
  next.task.pi_blocked_on = null;
  adjust_prio(before);
  adjust_prio(next.task);
  next.task.mem.putU32(next.address, (died | FUTEX_WAITERS | next.task.pid) >>> 0);
  next.queue.wake();
}

/** FUTEX_LOCK_PI, FUTEX_LOCK_PI2 and FUTEX_TRYLOCK_PI. */
export function futex_lock_pi(
  task: Task,
  address: number,
  shared: boolean,
  deadline: number,
  trylock: boolean,
): number {
  if (task.callState instanceof PiWaiter) return waitForLock(task, task.callState);
  const key = get_futex_key(task, address, shared);
  const word = task.mem.getU32(address);
  const held = key.home.pi_futexes?.get(key.offset);
  if ((word & FUTEX_TID_MASK) === task.pid) throw errno(E.EDEADLK, 'futex: thread {} holds the lock at {} itself', task.pid, hex(address)); // prettier-ignore
  if ((word & FUTEX_TID_MASK) === 0 && held === undefined) {
    task.mem.putU32(address, ((word & FUTEX_OWNER_DIED) | task.pid) >>> 0);
    return 0;
  }
  // Linux marks the word before it looks who the owner is: the mark stays when that fails.
  task.mem.putU32(address, (word | FUTEX_WAITERS) >>> 0);
  const state = pi_state(task, key, word, address);
  if (trylock) throw errno(E.EAGAIN, 'futex: the lock at {} belongs to thread {}', hex(address), word & FUTEX_TID_MASK); // prettier-ignore
  checkDeadlock(task, state);
  const waiter = new PiWaiter(task, state, address, deadline, new WaitQueue());
  add_pi_waiter(waiter);
  task.callState = waiter;
  return waitForLock(task, waiter);
}

function waitForLock(task: Task, waiter: PiWaiter): number {
  if (waiter.granted) return 0;
  if (task.kernel.clock.now() >= waiter.deadline) {
    remove_pi_waiter(waiter);
    throw errno(E.ETIMEDOUT, 'futex: the lock at {} was not given in time', hex(waiter.address));
  }
  if (task.signal_pending()) {
    remove_pi_waiter(waiter);
    throw errno(ERESTARTNOINTR, 'futex: a signal interrupted the wait for the lock at {}', hex(waiter.address)); // prettier-ignore
  }
  return task.waitAny([waiter.queue], waiter.deadline);
}

/** FUTEX_UNLOCK_PI. */
export function futex_unlock_pi(task: Task, address: number, shared: boolean): number {
  const word = task.mem.getU32(address);
  if ((word & FUTEX_TID_MASK) !== task.pid) throw errno(E.EPERM, 'futex: the lock at {} belongs to thread {}', hex(address), word & FUTEX_TID_MASK); // prettier-ignore
  const key = get_futex_key(task, address, shared);
  const state = key.home.pi_futexes?.get(key.offset);
  if (state === undefined) {
    task.mem.putU32(address, 0);
    return 0;
  }
  if (state.owner !== task) throw errno(E.EINVAL, 'futex: the lock at {} belongs to thread {}', hex(address), state.owner.pid); // prettier-ignore
  pass_on(state, 0);
  return 0;
}

/** A dying thread's locks go to who waits for them, marked (exit_pi_state_list). */
export function exit_pi_state_list(task: Task): void {
  for (const state of [...(task.pi_states ?? [])]) {
    try {
      pass_on(state, FUTEX_OWNER_DIED);
    } catch (error) {
      if (!(error instanceof Errno)) throw error; // the word is unmapped: the waiter sees that for itself
    }
  }
}

/** FUTEX_WAIT_REQUEUE_PI: waits on one word until the lock at another one is given (pthread_cond_wait). */
export function futex_wait_requeue_pi(
  task: Task,
  address: number,
  shared: boolean,
  value: number,
  deadline: number,
  bitset: number,
  lock: number,
): number {
  if (address === lock) throw errno(E.EINVAL, 'futex: the word to wait on is the lock itself');
  if (bitset === 0) throw errno(E.EINVAL, 'futex: the bitset is 0');
  let waiter = task.callState instanceof FutexWaiter ? task.callState : null;
  if (waiter === null) {
    const target = get_futex_key(task, lock, shared);
    const key = get_futex_key(task, address, shared);
    const word = task.mem.getU32(address);
    if (word !== value >>> 0) throw errno(E.EAGAIN, 'futex: the word at {} is {}, the caller expected {}', hex(address), word, value >>> 0); // prettier-ignore
    waiter = new FutexWaiter(task, bitset, deadline, key);
    waiter.requeue = { key: target, address: lock };
    enqueue(waiter);
    task.callState = waiter;
  }
  if (waiter.woken || waiter.pi?.granted) return 0;
  const late = task.kernel.clock.now() >= waiter.deadline;
  if (!late && !task.signal_pending()) return task.waitAny([waiter.queue], waiter.deadline);
  dequeue(waiter);
  if (waiter.pi !== null) remove_pi_waiter(waiter.pi);
  const code = late ? E.ETIMEDOUT : waiter.pi === null ? ERESTARTNOINTR : E.EWOULDBLOCK;
  throw errno(code, 'futex: {} ended the wait for the lock at {}', late ? 'the timeout' : 'a signal', hex(lock)); // prettier-ignore
}

/** FUTEX_CMP_REQUEUE_PI: gives the lock to one waiter, or makes it and others wait for it. @returns how many in all */
export function futex_cmp_requeue_pi(
  task: Task,
  from: number,
  to: number,
  shared: boolean,
  nrWake: number,
  nrRequeue: number,
  expected: number,
): number {
  if (nrWake !== 1 || nrRequeue < 0) throw errno(E.EINVAL, 'futex: FUTEX_CMP_REQUEUE_PI wakes 1, not {}, and requeues {}', nrWake, nrRequeue); // prettier-ignore
  if (from === to) throw errno(E.EINVAL, 'futex: the word to wait on is the lock itself');
  const source = get_futex_key(task, from, shared);
  const target = get_futex_key(task, to, shared);
  const word = task.mem.getU32(from);
  if (word !== expected >>> 0) throw errno(E.EAGAIN, 'futex: the word at {} is {}, the caller expected {}', hex(from), word, expected >>> 0); // prettier-ignore
  let done = 0;
  for (const waiter of [...(source.table.get(source.offset) ?? [])]) {
    if (done >= nrWake + nrRequeue) break;
    const { requeue } = waiter;
    if (requeue === null || requeue.key.home !== target.home || requeue.key.offset !== target.offset)
      throw errno(E.EINVAL, 'futex: who waits at {} does not wait for the lock at {}', hex(from), hex(to)); // prettier-ignore
    requeueOne(task, waiter, target, to);
    done++;
  }
  return done;
}

function requeueOne(task: Task, waiter: FutexWaiter, target: FutexKey, to: number): void {
  const lock = task.mem.getU32(to);
  if ((lock & FUTEX_TID_MASK) === 0 && target.home.pi_futexes?.get(target.offset) === undefined) {
    task.mem.putU32(to, ((lock & FUTEX_OWNER_DIED) | waiter.task.pid) >>> 0);
    dequeue(waiter);
    wake(waiter);
    return;
  }
  const state = pi_state(task, target, lock, to);
  checkDeadlock(waiter.task, state);
  task.mem.putU32(to, (lock | FUTEX_WAITERS) >>> 0);
  dequeue(waiter);
  const { address } = waiter.requeue!;
  waiter.pi = new PiWaiter(waiter.task, state, address, waiter.deadline, waiter.queue);
  add_pi_waiter(waiter.pi);
}
