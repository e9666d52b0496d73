import {
  EAGAIN,
  EFBIG,
  EIDRM,
  EINTR,
  EINVAL,
  ENOMEM,
  ENOSPC,
  ERANGE,
} from '@vitrine/uapi/errno.ts';
import { SEMAEM, SEMVMX, SEM_UNDO } from '@vitrine/uapi/ipc.ts';
import { type Current, PendingCall } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue, type Waiter } from '../include/wait.ts';
import type { Task } from '../kernel/task.ts';
import { type IpcNamespace, ipc_ns } from './ipc_ns.ts';
import { IPC_NOWAIT, IpcPerm, ipc_owner, ipcperms, put_ipc_perm, seconds } from './util.ts';

/** Bytes of a struct sem, as the kernel aligns it. */
const SEM_SIZE = 64;

interface Sem {
  value: number;
  /** Last process that operated on it. */
  pid: number;
}

/** Of the queues of pending operations, the one that does not belong to a single semaphore. */
const ALL = -1;

/** Pending operations in the order of their arrival, by semaphore or for ALL. */
type Pending = Map<number, Set<SemQueue>>;

/** A set of System V semaphores (analogous to `struct sem_array`). */
export class SemArray extends IpcPerm {
  readonly kind = 'semaphore set';
  readonly sems: Sem[];
  otime = 0;
  ctime = 0;
  /**
   * Who waits: calls that would change the semaphores, and those that only wait for zeros. A call of one operation is in
   * its semaphore's queue; those that change something are in the common one while calls of several operations wait.
   */
  readonly pending_alter: Pending = new Map();
  readonly pending_const: Pending = new Map();
  /** Calls of several operations that wait. */
  complex_count = 0;
  /** SEM_UNDO: what each process's end takes back. */
  readonly undo: Map<Task, SemUndo> = new Map();

  constructor(current: Current, key: number, mode: number, n: number) {
    super(current, key, mode);
    this.sems = Array.from({ length: n }, () => ({ value: 0, pid: 0 }));
    this.ctime = seconds(current);
  }

  static {
    serializable('SemArray', this);
  }
}

/** A process's adjustments to one set; it waits for the process to end. */
export class SemUndo implements Waiter {
  readonly array: SemArray;
  readonly task: Task;
  readonly adjust: number[];
  constructor(array: SemArray, task: Task) {
    this.array = array;
    this.task = task;
    this.adjust = array.sems.map(() => 0);
    (task.exit_watch ??= new WaitQueue()).add(this);
  }

  static {
    serializable('SemUndo', this);
  }

  /** The process is dead (exit_sem). */
  woken(): void {
    if (!this.task.dead) return;
    this.task.exit_watch?.remove(this);
    this.array.undo.delete(this.task);
    if (this.array.removed) return;
    this.array.sems.forEach((sem, i) => {
      if (this.adjust[i] === 0) return;
      sem.value = Math.min(SEMVMX, Math.max(0, sem.value + this.adjust[i]!));
      sem.pid = this.task.tgid;
    });
    do_smart_update(this.task, this.array, null, true);
    unmerge_queues(this.array);
  }
}

/** What a pending call's status is until somebody carried it out, or it failed: otherwise an error, or 0. */
const PENDING = -1;

/** One call of semop (analogous to `struct sem_queue`): whoever makes it possible carries it out. */
export class SemQueue extends PendingCall {
  readonly array: SemArray;
  readonly ops: readonly SemOp[];
  readonly undo: SemUndo | null;
  readonly pid: number;
  /** It would change semaphores. */
  readonly alter: boolean;
  /** The operation that could not be done. */
  blocking: SemOp | null = null;
  status: number = PENDING;
  deadline: number = Infinity;
  readonly wait: WaitQueue = new WaitQueue();

  constructor(array: SemArray, ops: readonly SemOp[], undo: SemUndo | null, pid: number) {
    super();
    this.array = array;
    this.ops = ops;
    this.undo = undo;
    this.pid = pid;
    this.alter = ops.some((op) => op.op !== 0);
  }

  static {
    serializable('SemQueue', this);
  }

  /** Waits no more (unlink_queue). */
  override abandon(): void {
    if (this.status !== PENDING) return;
    unlink_queue(this);
    unmerge_queues(this.array);
  }
}

/** Semaphores in all sets. */
export function used_sems(ns: IpcNamespace): number {
  let used = 0;
  for (const array of ns.sem.byIndex.values()) used += (array as SemArray).sems.length;
  return used;
}

export function ksys_semget(current: Current, key: number, n: number, flags: number): number {
  const ns = ipc_ns(current.kernel);
  if (n < 0 || n > ns.sem_ctlmsl)
    throw errno(EINVAL, 'a semaphore set has at most {} semaphores, not {}', ns.sem_ctlmsl, n);
  return ns.sem.get(
    current,
    key,
    flags,
    'semaphore set',
    () => {
      if (n === 0) throw errno(EINVAL, 'a new semaphore set has at least one semaphore');
      const used = used_sems(ns);
      if (used + n > ns.sem_ctlmns) throw errno(ENOSPC, 'there would be {} semaphores, kernel.sem allows {}', used + n, ns.sem_ctlmns); // prettier-ignore
      // Semaphores take memory of the kernel's: at most a quarter of what there is.
      if ((used + n) * SEM_SIZE > current.kernel.frames.total * 1024) throw errno(ENOMEM, '{} semaphores would take more than a quarter of memory', used + n); // prettier-ignore
      return new SemArray(current, key, flags, n);
    },
    (found) => {
      if (n > (found as SemArray).sems.length)
        throw errno(
          EINVAL,
          '{} has {} semaphores, not {}',
          found,
          (found as SemArray).sems.length,
          n,
        );
    },
  );
}

export interface SemOp {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}

/** semop(2): all operations at once, or none (and wait). @param timeout nanoseconds */
export function do_semtimedop(
  current: Current,
  id: number,
  ops: readonly SemOp[],
  timeout: number,
): number {
  if (ops.length < 1) throw errno(EINVAL, 'semop: no operations');
  const array = ipc_ns(current.kernel).sem.find(id, 'semaphore set') as SemArray;
  const undo = ops.some((op) => op.flags & SEM_UNDO) ? find_alloc_undo(current, array) : null;
  if (ops.some((op) => op.num >= array.sems.length))
    throw errno(
      EFBIG,
      'an operation names a semaphore that {} does not have: it has {}',
      array,
      array.sems.length,
    );
  const q = new SemQueue(array, ops, undo, current.tgid);
  ipcperms(current, array, q.alter ? 0o222 : 0o444);
  q.status = perform_atomic_semop(q);
  if (q.status === 0) {
    if (q.alter) do_smart_update(current, array, ops, true);
    else array.otime = seconds(current);
    unmerge_queues(array);
  }
  if (q.status !== PENDING) return semop_result(q);
  if (timeout !== Infinity) q.deadline = current.kernel.clock.now() + timeout;
  link_queue(q);
  current.callState = q;
  return semop_sleep(current, q);
}

/** Waits until the call is done or failed; @returns 0 or BLOCKED */
export function semop_sleep(current: Current, q: SemQueue): number {
  if (q.status === PENDING) {
    const late = current.kernel.clock.now() >= q.deadline;
    if (!late && !current.signal_pending()) return current.waitAny([q.wait], q.deadline);
    q.abandon();
    q.status = late ? EAGAIN : EINTR;
  }
  return semop_result(q);
}

function semop_result({ array, blocking, status }: SemQueue): number {
  switch (status) {
    case 0:
      return 0;
    case EAGAIN:
      throw errno(
        EAGAIN,
        'semaphore {} of {} does not admit {}, and IPC_NOWAIT is set or the time over',
        blocking!.num,
        array,
        blocking!.op,
      );
    case ERANGE:
      throw errno(
        ERANGE,
        '{} would take semaphore {} of {} above {}, or what its process takes back out of 16 bits',
        blocking!.op,
        blocking!.num,
        array,
        SEMVMX,
      );
    case EIDRM:
      throw errno(EIDRM, '{} was removed while a process waited', array);
    default:
      throw errno(EINTR, 'a signal ended the wait for semaphore {} of {}', blocking!.num, array);
  }
}

function find_alloc_undo(current: Current, array: SemArray): SemUndo {
  const task = (current as Task).group_leader;
  let undo = array.undo.get(task);
  if (undo === undefined) array.undo.set(task, (undo = new SemUndo(array, task)));
  return undo;
}

/** Carries out a call. @returns 0, PENDING when it is to wait, or an error; then nothing has changed */
function perform_atomic_semop(q: SemQueue): number {
  const { ops, undo } = q;
  const { sems } = q.array;
  let error = 0;
  let i = 0;
  for (; i < ops.length; i++) {
    const { num, op, flags } = ops[i]!;
    const sem = sems[num]!;
    const value = sem.value + op;
    if (value < 0 || (op === 0 && value !== 0)) {
      error = flags & IPC_NOWAIT ? EAGAIN : PENDING;
      break;
    }
    if (value > SEMVMX) {
      error = ERANGE;
      break;
    }
    if (flags & SEM_UNDO) {
      // What a process's end takes back fits into 16 bits.
      const adjust = undo!.adjust[num]! - op;
      if (adjust < -SEMAEM - 1 || adjust > SEMAEM) {
        error = ERANGE;
        break;
      }
      undo!.adjust[num] = adjust;
    }
    sem.value = value;
  }
  if (error === 0) {
    for (const { num } of ops) sems[num]!.pid = q.pid;
    return 0;
  }
  q.blocking = ops[i]!;
  while (--i >= 0) {
    const { num, op, flags } = ops[i]!;
    sems[num]!.value -= op;
    if (flags & SEM_UNDO) undo!.adjust[num]! += op;
  }
  return error;
}

function add_tail(lists: Pending, num: number, q: SemQueue): void {
  const list = lists.get(num);
  if (list === undefined) lists.set(num, new Set([q]));
  else list.add(q);
}

function link_queue(q: SemQueue): void {
  const { array } = q;
  const lists = q.alter ? array.pending_alter : array.pending_const;
  if (q.ops.length > 1) {
    if (array.complex_count++ === 0) merge_queues(array);
    add_tail(lists, ALL, q);
  } else add_tail(lists, q.alter && array.complex_count > 0 ? ALL : q.ops[0]!.num, q);
}

function unlink_queue(q: SemQueue): void {
  const { array } = q;
  const lists = q.alter ? array.pending_alter : array.pending_const;
  if (q.ops.length > 1) array.complex_count--;
  for (const num of [ALL, q.ops[0]!.num])
    if (lists.get(num)?.delete(q) && lists.get(num)!.size === 0) lists.delete(num);
}

/** A call of several operations will wait: all that change something come into one queue, those of the last semaphore first. */
function merge_queues({ sems, pending_alter }: SemArray): void {
  if (pending_alter.size === 0) return;
  const all: SemQueue[] = [];
  for (let num = sems.length - 1; num >= 0; num--) all.push(...(pending_alter.get(num) ?? []));
  pending_alter.clear();
  pending_alter.set(ALL, new Set(all));
}

/** No call of several operations waits any more: each goes back to its semaphore's queue. */
function unmerge_queues({ complex_count, pending_alter }: SemArray): void {
  const all = pending_alter.get(ALL);
  if (complex_count > 0 || all === undefined) return;
  pending_alter.delete(ALL);
  for (const q of all) add_tail(pending_alter, q.ops[0]!.num, q);
}

/** The semaphores have changed (by `ops`, or all of them): carries out what has become possible. */
function do_smart_update(
  current: Current,
  array: SemArray,
  ops: readonly SemOp[] | null,
  otime: boolean,
): void {
  let done = do_smart_wakeup_zero(array, ops) || otime;
  if (array.pending_alter.has(ALL)) done = update_queue(array, ALL) || done;
  else if (ops !== null) {
    // Where a semaphore fell, nobody who waits for it to rise can go on.
    for (const { num, op } of ops) if (op > 0) done = update_queue(array, num) || done;
  } else if (array.pending_alter.size > 0)
    for (let num = 0; num < array.sems.length; num++) done = update_queue(array, num) || done;
  if (done) array.otime = seconds(current);
}

/** Lets go who waited for zeros. */
function do_smart_wakeup_zero(array: SemArray, ops: readonly SemOp[] | null): boolean {
  if (array.pending_const.size === 0) return false;
  let done = false;
  let zero = false;
  for (const { num } of ops ?? array.sems.map((_, i) => ({ num: i }))) {
    if (array.sems[num]!.value !== 0) continue;
    zero = true;
    done = wake_const_ops(array, num) || done;
  }
  return (zero && wake_const_ops(array, ALL)) || done;
}

function wake_const_ops(array: SemArray, num: number): boolean {
  let done = false;
  for (const q of array.pending_const.get(num) ?? []) {
    const error = perform_atomic_semop(q);
    if (error === PENDING) continue;
    unlink_queue(q);
    wake_up_sem_queue(q, error);
    if (error === 0) done = true;
  }
  return done;
}

/** Tries one queue of the calls that change something in their order, from its start again after each that may help others. */
function update_queue(array: SemArray, num: number): boolean {
  let done = false;
  for (let again = true; again;) {
    again = false;
    for (const q of array.pending_alter.get(num) ?? []) {
      // What waits at a single semaphore takes from it.
      if (num !== ALL && array.sems[num]!.value === 0) break;
      const error = perform_atomic_semop(q);
      if (error === PENDING) continue;
      unlink_queue(q);
      if (error === 0) {
        done = true;
        do_smart_wakeup_zero(array, q.ops);
        again = array.pending_alter.has(ALL) || q.ops.length > 1;
      }
      wake_up_sem_queue(q, error);
      if (again) break;
    }
  }
  return done;
}

function wake_up_sem_queue(q: SemQueue, error: number): void {
  q.status = error;
  q.wait.wake();
}

/** GETNCNT and GETZCNT: who waits for the semaphore to rise, or to become 0. */
export function count_semcnt(array: SemArray, num: number, zero: boolean): number {
  const { pending_alter, pending_const } = array;
  let count = (zero ? pending_const : pending_alter).get(num)?.size ?? 0;
  for (const lists of zero ? [pending_alter, pending_const] : [pending_alter])
    for (const { blocking } of lists.get(ALL) ?? [])
      if (blocking!.num === num && (zero ? blocking!.op === 0 : blocking!.op < 0)) count++;
  return count;
}

export function sem_remove(current: Current, array: SemArray): void {
  ipc_owner(current, array);
  ipc_ns(current.kernel).sem.remove(array);
  for (const undo of array.undo.values()) undo.task.exit_watch?.remove(undo);
  array.undo.clear();
  const { pending_alter, pending_const } = array;
  const woken = [...(pending_const.get(ALL) ?? []), ...(pending_alter.get(ALL) ?? [])];
  if (pending_const.size + pending_alter.size > 0)
    for (let num = 0; num < array.sems.length; num++)
      woken.push(...(pending_const.get(num) ?? []), ...(pending_alter.get(num) ?? []));
  pending_const.clear();
  pending_alter.clear();
  array.complex_count = 0;
  for (const q of woken) wake_up_sem_queue(q, EIDRM);
}

export function check_sem_value(value: number): void {
  if (value < 0 || value > SEMVMX)
    throw errno(ERANGE, 'semaphore value {} is not between 0 and {}', value, SEMVMX);
}

/** SETVAL and SETALL (values from semaphore `first` on): adjustments to what is set are forgotten. */
export function sem_set(
  current: Current,
  array: SemArray,
  first: number,
  values: readonly number[],
): void {
  for (const undo of array.undo.values()) undo.adjust.fill(0, first, first + values.length);
  values.forEach((value, i) => {
    const sem = array.sems[first + i]!;
    sem.value = value;
    sem.pid = current.tgid;
  });
  array.ctime = seconds(current);
  do_smart_update(current, array, null, false);
  unmerge_queues(array);
}

/** struct semid64_ds. */
export function semid_ds(array: SemArray): Uint8Array {
  const view = new DataView(new ArrayBuffer(104));
  put_ipc_perm(view, array);
  view.setBigUint64(48, BigInt(array.otime), true);
  view.setBigUint64(64, BigInt(array.ctime), true);
  view.setBigUint64(80, BigInt(array.sems.length), true);
  return new Uint8Array(view.buffer);
}
