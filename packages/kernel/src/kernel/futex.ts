import * as E from '@vitrine/uapi/errno.ts';
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from '@vitrine/uapi/futex.ts';
import { ERESTARTSYS, ERESTART_RESTARTBLOCK, Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import { type PiState, PiWaiter, exit_pi_state_list, remove_pi_waiter } from './futex_pi.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import { VM_WRITE } from '../mm/vma.ts';
import type { Task } from './task.ts';

/** Where a futex is: private memory by address space and address, shared memory by its page cache and offset. */
export interface FutexKey {
  readonly home: FutexHome;
  readonly table: Map<number, FutexWaiter[]>;
  readonly offset: number;
}

/** What holds the waiters: an address space, or a file's page cache. */
export interface FutexHome {
  futexes?: Map<number, FutexWaiter[]>;
  pi_futexes?: Map<number, PiState>;
}

declare module '../mm/mm.ts' {
  interface Mm {
    futexes?: Map<number, FutexWaiter[]>;
    pi_futexes?: Map<number, PiState>;
  }
}
declare module '../include/pagecache.ts' {
  interface AddressSpace {
    futexes?: Map<number, FutexWaiter[]>;
    pi_futexes?: Map<number, PiState>;
  }
}

/** Analogous to `struct futex_q`: one task waiting on one word. */
export class FutexWaiter {
  readonly task: Task;
  readonly bitset: number;
  readonly deadline: number;
  key: FutexKey;
  woken = false;
  /** FUTEX_WAIT_REQUEUE_PI: the lock that it is to be moved to, and its place there once it was. */
  requeue: { readonly key: FutexKey; readonly address: number } | null = null;
  pi: PiWaiter | null = null;
  readonly queue: WaitQueue;
  constructor(
    task: Task,
    bitset: number,
    deadline: number,
    key: FutexKey,
    queue: WaitQueue = new WaitQueue(),
  ) {
    this.queue = queue;
    this.task = task;
    this.bitset = bitset;
    this.deadline = deadline;
    this.key = key;
  }
  static {
    serializable('FutexWaiter', this);
  }
}

/** futex_waitv(2): one task waiting on several words. */
export class FutexVector {
  readonly list: readonly FutexWaiter[];
  readonly deadline: number;
  constructor(list: readonly FutexWaiter[], deadline: number) {
    this.list = list;
    this.deadline = deadline;
  }
  static {
    serializable('FutexVector', this);
  }
}

export const FUTEX_BITSET_MATCH_ANY = 0xffff_ffff;

/** The key of a user address; throws EFAULT, or EINVAL when it is not a multiple of 4. */
export function get_futex_key(task: Task, address: number, shared: boolean): FutexKey {
  if ((address & 3) !== 0)
    throw errno(E.EINVAL, 'futex: address 0x{} is not a multiple of 4', address.toString(16));
  const mm = task.mm!;
  if (address > TASK_SIZE)
    throw errno(E.EFAULT, 'futex: 0x{} is no address of the program', address.toString(16));
  if (shared) {
    task.mem.getU32(address);
    const vma = mm.vmas.at(address);
    if (vma !== null && vma.mapping === null && !(vma.flags & VM_WRITE))
      throw errno(E.EFAULT, 'futex: the page of 0x{} is nobody else\'s and never changes', address.toString(16)); // prettier-ignore
    if (vma !== null && vma.shared && vma.mapping !== null) {
      return {
        home: vma.mapping,
        table: (vma.mapping.futexes ??= new Map()),
        offset: vma.index(address) * 4096 + (address & 0xfff),
      };
    }
  }
  // FUT_OFF_MMSHARED: a word of private memory has one key for each way of asking.
  return { home: mm, table: (mm.futexes ??= new Map()), offset: address + (shared ? 2 : 0) };
}

export function enqueue(waiter: FutexWaiter): void {
  const { table, offset } = waiter.key;
  const list = table.get(offset);
  if (list === undefined) table.set(offset, [waiter]);
  else list.push(waiter);
}

export function dequeue(waiter: FutexWaiter): void {
  const { table, offset } = waiter.key;
  const list = table.get(offset);
  if (list === undefined) return;
  const i = list.indexOf(waiter);
  if (i >= 0) list.splice(i, 1);
  if (list.length === 0) table.delete(offset);
}

/** A dying task waits no more. */
export function futex_exit(task: Task): void {
  const { callState } = task;
  if (callState instanceof FutexWaiter) {
    dequeue(callState);
    if (callState.pi !== null) remove_pi_waiter(callState.pi);
  } else if (callState instanceof PiWaiter) remove_pi_waiter(callState);
  else if (callState instanceof FutexVector) callState.list.forEach(dequeue);
}

/**
 * FUTEX_WAIT and FUTEX_WAIT_BITSET: sleeps while the word is `value`.
 * @param deadline monotonic nanoseconds, or Infinity
 * @param restartblock an interrupted wait with a deadline goes on through restart_syscall, and never after a handler
 */
export function futex_wait(
  task: Task,
  address: number,
  shared: boolean,
  value: number,
  deadline: number,
  bitset: number,
  restartblock: boolean,
): number {
  if (bitset === 0) throw errno(E.EINVAL, 'futex: the bitset is 0');
  let waiter = task.callState instanceof FutexWaiter ? task.callState : null;
  if (waiter === null) {
    const key = get_futex_key(task, address, shared);
    const word = task.mem.getU32(address);
    if (word !== value >>> 0) throw errno(E.EAGAIN, 'futex: the word at 0x{} is {}, the caller expected {}', address.toString(16), word, value >>> 0); // prettier-ignore
    waiter = new FutexWaiter(task, bitset, deadline, key);
    enqueue(waiter);
    task.callState = waiter;
  }
  if (waiter.woken) return 0;
  if (task.kernel.clock.now() >= waiter.deadline) {
    dequeue(waiter);
    throw errno(E.ETIMEDOUT, 'futex: nobody woke the word at 0x{} in time', address.toString(16));
  }
  if (task.signal_pending()) {
    dequeue(waiter);
    task.restart_deadline = waiter.deadline;
    throw errno(
      restartblock && waiter.deadline !== Infinity ? ERESTART_RESTARTBLOCK : ERESTARTSYS,
      'futex: a signal interrupted the wait',
    );
  }
  return task.waitAny([waiter.queue], waiter.deadline);
}

export function wake(waiter: FutexWaiter): void {
  waiter.woken = true;
  waiter.queue.wake();
}

/**
 * FUTEX_WAKE and FUTEX_WAKE_BITSET. @returns how many were woken
 * @param strict a count of 0 wakes nobody, not one (FLAGS_STRICT)
 */
export function futex_wake(
  task: Task,
  address: number,
  shared: boolean,
  count: number,
  bitset: number,
  strict = false,
): number {
  if (bitset === 0) throw errno(E.EINVAL, 'futex: the bitset is 0');
  const key = get_futex_key(task, address, shared);
  return strict && count === 0 ? 0 : wakeKey(key, count, bitset);
}

/** One word of futex_waitv(2). */
export interface FutexWait {
  readonly address: number;
  readonly value: number;
  readonly shared: boolean;
}

/** Sleeps while every word has its value. @returns the index of one that was woken */
export function futex_wait_multiple(
  task: Task,
  waits: readonly FutexWait[],
  deadline: number,
): number {
  if (!(task.callState instanceof FutexVector)) {
    const queue = new WaitQueue();
    const list = waits.map(({ address, shared }) => new FutexWaiter(task, FUTEX_BITSET_MATCH_ANY, deadline, get_futex_key(task, address, shared), queue)); // prettier-ignore
    for (const { address, value } of waits) {
      const word = task.mem.getU32(address);
      if (word !== value) throw errno(E.EAGAIN, 'futex_waitv: the word at 0x{} is {}, the caller expected {}', address.toString(16), word, value); // prettier-ignore
    }
    list.forEach(enqueue);
    task.callState = new FutexVector(list, deadline);
  }
  const vector = task.callState as FutexVector;
  const woken = vector.list.findIndex((waiter) => waiter.woken);
  const late = task.kernel.clock.now() >= vector.deadline;
  if (woken < 0 && !late && !task.signal_pending())
    return task.waitAny([vector.list[0]!.queue], vector.deadline);
  vector.list.forEach(dequeue);
  if (woken >= 0) return woken;
  throw errno(late ? E.ETIMEDOUT : ERESTARTSYS, 'futex_waitv: {} ended the wait on {} words', late ? 'the timeout' : 'a signal', waits.length); // prettier-ignore
}

function wakeKey(key: FutexKey, count: number, bitset: number): number {
  const list = key.table.get(key.offset);
  if (list === undefined) return 0;
  let woken = 0;
  for (const waiter of [...list]) {
    if (waiter.requeue !== null)
      throw errno(E.EINVAL, 'futex: who waits there is to be moved to a priority-inheritance lock');
    if ((waiter.bitset & bitset) === 0) continue;
    dequeue(waiter);
    wake(waiter);
    if (++woken >= count) break;
  }
  return woken;
}

/** For CLONE_CHILD_CLEARTID and robust lists: wakes who waits for the address as shared memory. */
export function futex_wake_address(task: Task, address: number, count: number): void {
  wakeKey(get_futex_key(task, address, true), count, FUTEX_BITSET_MATCH_ANY);
}

/** FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes some, moves the rest to another word. */
export function futex_requeue(
  task: Task,
  from: number,
  to: number,
  shared: boolean,
  nrWake: number,
  nrRequeue: number,
  expected: number | null,
): number {
  if (nrWake < 0 || nrRequeue < 0)
    throw errno(
      E.EINVAL,
      'futex: {} to wake and {} to requeue must not be negative',
      nrWake,
      nrRequeue,
    );
  const source = get_futex_key(task, from, shared);
  const target = get_futex_key(task, to, shared);
  if (expected !== null) {
    const word = task.mem.getU32(from);
    if (word !== expected >>> 0) throw errno(E.EAGAIN, 'futex: the word at 0x{} is {}, the caller expected {}', from.toString(16), word, expected >>> 0); // prettier-ignore
  }
  const list = [...(source.table.get(source.offset) ?? [])];
  if (list.some((waiter) => waiter.requeue !== null))
    throw errno(E.EINVAL, 'futex: who waits there is to be moved to a priority-inheritance lock');
  let done = 0;
  for (const waiter of list) {
    if (done >= nrWake + nrRequeue) break;
    dequeue(waiter);
    if (done < nrWake) wake(waiter);
    else {
      waiter.key = target;
      enqueue(waiter);
    }
    done++;
  }
  return done;
}

/** FUTEX_WAKE_OP: changes the second word, wakes on the first, and on the second if its old value compares. */
export function futex_wake_op(
  task: Task,
  address: number,
  address2: number,
  shared: boolean,
  count: number,
  count2: number,
  encoded: number,
): number {
  const key = get_futex_key(task, address, shared);
  const key2 = get_futex_key(task, address2, shared);
  const op = (encoded >>> 28) & 7;
  const cmp = (encoded >>> 24) & 15;
  let arg = (encoded << 8) >> 20;
  const cmparg = (encoded << 20) >> 20;
  if (((encoded >>> 28) & 8) !== 0) arg = 1 << (arg & 31);
  const old = task.mem.getI32(address2);
  const next = [arg, old + arg, old | arg, old & ~arg, old ^ arg][op];
  if (next === undefined) throw errno(E.ENOSYS, 'futex: FUTEX_WAKE_OP has no operation {}', op);
  // The word changes before the comparison is looked at (futex_atomic_op_inuser).
  task.mem.putU32(address2, next | 0);
  const holds = [
    old === cmparg,
    old !== cmparg,
    old < cmparg,
    old <= cmparg,
    old > cmparg,
    old >= cmparg,
  ][cmp];
  if (holds === undefined) throw errno(E.ENOSYS, 'futex: FUTEX_WAKE_OP has no comparison {}', cmp);
  const woken = wakeKey(key, count, FUTEX_BITSET_MATCH_ANY);
  return woken + (holds ? wakeKey(key2, count2, FUTEX_BITSET_MATCH_ANY) : 0);
}

/** Longest robust list that is followed (ROBUST_LIST_LIMIT). */
const ROBUST_LIST_LIMIT = 2048;

/** Marks the mutexes a dying thread held and wakes a waiter each (exit_robust_list). */
export function exit_robust_list(task: Task): void {
  const head = task.robust_list;
  task.robust_list = 0;
  if (head !== 0 && task.mm !== null) walkRobustList(task, head);
  exit_pi_state_list(task);
}

function walkRobustList(task: Task, head: number): void {
  const { mem } = task;
  try {
    const offset = mem.getI64(head + 8);
    const pending = mem.getU64(head + 16);
    let entry = mem.getU64(head);
    for (let i = 0; i < ROBUST_LIST_LIMIT && (entry & ~1) !== (head & ~1); i++) {
      const at = entry - (entry % 2);
      const next = mem.getU64(at);
      if (at !== pending - (pending % 2)) handleDeath(task, at + offset, entry % 2 === 1, false);
      entry = next;
      if (entry === head) break;
    }
    if (pending !== 0) handleDeath(task, pending - (pending % 2) + offset, pending % 2 === 1, true);
  } catch (error) {
    if (!(error instanceof Errno)) throw error; // a broken list ends the walk, as on Linux
  }
}

function handleDeath(task: Task, address: number, pi: boolean, pending: boolean): void {
  if ((address & 3) !== 0) return;
  const word = task.mem.getU32(address);
  if (pending && !pi && word === 0) {
    futex_wake_address(task, address, 1);
    return;
  }
  if ((word & FUTEX_TID_MASK) !== task.pid) return;
  task.mem.putU32(address, ((word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0);
  // Who waits with priority inheritance is given the lock by exit_pi_state_list.
  if ((word & FUTEX_WAITERS) !== 0 && !pi) futex_wake_address(task, address, 1);
}
