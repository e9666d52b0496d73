import { EAGAIN, EFBIG, EIDRM, EINVAL, ENOMEM, ENOSPC, ERANGE } from '@vitrine/uapi/errno.ts';
import { SEMAEM, SEMVMX, SEM_UNDO } from '@vitrine/uapi/ipc.ts';
import type { Current } from '../include/current.ts';
import { ERESTARTNOHAND, errno } from '../include/errno.ts';
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
  /** Waiting for it to rise, and to become 0. */
  ncnt: number;
  zcnt: number;
}

/** A set of System V semaphores (analogous to `struct sem_array`). */
export class SemArray extends IpcPerm {
  readonly kind = 'semaphore set';
  readonly sems: Sem[];
  otime = 0;
  ctime = 0;
  readonly wait: WaitQueue = new WaitQueue();
  /** SEM_UNDO: what each process's end takes back. */
  readonly undo: Map<Task, SemUndo> = new Map();

  constructor(current: Current, key: number, mode: number, n: number) {
    super(current, key, mode);
    this.sems = Array.from({ length: n }, () => ({ value: 0, pid: 0, ncnt: 0, zcnt: 0 }));
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
    this.array.wait.wake();
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

interface SemWait {
  readonly array: SemArray;
  readonly deadline: number;
  readonly num: number;
  readonly zero: boolean;
}

/** semop(2): all operations at once, or none (and wait). @param timeout nanoseconds */
export function do_semtimedop(
  current: Current,
  id: number,
  ops: readonly SemOp[],
  timeout: number,
): number {
  if (ops.length < 1) throw errno(EINVAL, 'semop: no operations');
  const state = current.callState as SemWait | null;
  if (state !== null) {
    stopCounting(state);
    if (state.array.removed)
      throw errno(EIDRM, '{} was removed while process {} waited', state.array, current.tgid);
  }
  const array = ipc_ns(current.kernel).sem.find(id, 'semaphore set') as SemArray;
  if (ops.some((op) => op.num >= array.sems.length))
    throw errno(
      EFBIG,
      'an operation names a semaphore that {} does not have: it has {}',
      array,
      array.sems.length,
    );
  ipcperms(current, array, ops.some((op) => op.op !== 0) ? 0o222 : 0o444);
  const blocking = perform(current, array, ops);
  if (blocking === null) return 0;
  if (blocking.flags & IPC_NOWAIT)
    throw errno(
      EAGAIN,
      'semaphore {} of {} is {} and IPC_NOWAIT is set',
      blocking.num,
      array,
      array.sems[blocking.num]!.value,
    );
  const now = current.kernel.clock.now();
  const deadline = state?.deadline ?? (timeout === Infinity ? Infinity : now + timeout);
  if (now >= deadline)
    throw errno(
      EAGAIN,
      'semtimedop: the time is over, semaphore {} of {} is {}',
      blocking.num,
      array,
      array.sems[blocking.num]!.value,
    );
  const wait: SemWait = { array, deadline, num: blocking.num, zero: blocking.op === 0 };
  const parked = current.waitAny([array.wait], deadline, ERESTARTNOHAND);
  array.sems[wait.num]![wait.zero ? 'zcnt' : 'ncnt']++;
  current.callState = wait;
  return parked;
}

function stopCounting(wait: SemWait): void {
  const sem = wait.array.sems[wait.num]!;
  if (wait.zero) sem.zcnt--;
  else sem.ncnt--;
}

/** Applies the operations; @returns the one that cannot be done now, after which nothing has changed */
function perform(current: Current, array: SemArray, ops: readonly SemOp[]): SemOp | null {
  const values = array.sems.map((sem) => sem.value);
  for (const op of ops) {
    const value = values[op.num]!;
    if (op.op === 0 ? value !== 0 : value + op.op < 0) return op;
    if (value + op.op > SEMVMX)
      throw errno(
        ERANGE,
        'semaphore {} of {} would rise to {}, above {}',
        op.num,
        array,
        value + op.op,
        SEMVMX,
      );
    checkUndo(current, array, op);
    values[op.num] = value + op.op;
  }
  for (const { num, op, flags } of ops) {
    array.sems[num]!.pid = current.tgid;
    if (!(flags & SEM_UNDO) || op === 0) continue;
    const task = (current as Task).group_leader;
    let undo = array.undo.get(task);
    if (undo === undefined) array.undo.set(task, (undo = new SemUndo(array, task)));
    undo.adjust[num]! -= op;
  }
  array.sems.forEach((sem, i) => (sem.value = values[i]!));
  array.otime = seconds(current);
  if (ops.some((op) => op.op !== 0)) array.wait.wake();
  return null;
}

/** What a process's end takes back fits into 16 bits. */
function checkUndo(current: Current, array: SemArray, { num, op, flags }: SemOp): void {
  if (!(flags & SEM_UNDO)) return;
  const adjust = (array.undo.get((current as Task).group_leader)?.adjust[num] ?? 0) - op;
  if (adjust < -SEMAEM - 1 || adjust > SEMAEM)
    throw errno(ERANGE, 'semaphore {} of {}: the adjustment {} leaves 16 bits', num, array, adjust);
}

export function sem_remove(current: Current, array: SemArray): void {
  ipc_owner(current, array);
  ipc_ns(current.kernel).sem.remove(array);
  for (const undo of array.undo.values()) undo.task.exit_watch?.remove(undo);
  array.undo.clear();
  array.wait.wake();
}

export function check_sem_value(value: number): void {
  if (value < 0 || value > SEMVMX)
    throw errno(ERANGE, 'semaphore value {} is not between 0 and {}', value, SEMVMX);
}

/** SETVAL and SETALL: adjustments to what is set are forgotten. */
export function sem_set(current: Current, array: SemArray, num: number, value: number): void {
  for (const undo of array.undo.values()) undo.adjust[num] = 0;
  array.sems[num]!.value = value;
  array.sems[num]!.pid = current.tgid;
  array.ctime = seconds(current);
  array.wait.wake();
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
