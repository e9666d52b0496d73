import { E2BIG, EINVAL } from '@vitrine/uapi/errno.ts';
import * as I from '@vitrine/uapi/ipc.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import {
  MsgQueue,
  do_msgrcv,
  do_msgsnd,
  ksys_msgget,
  msg_remove,
  msg_set,
  msgsnd_again,
  msqid_ds,
} from '../ipc/msg.ts';
import { ipc_ns } from '../ipc/ipc_ns.ts';
import {
  SemArray,
  type SemOp,
  SemQueue,
  check_sem_value,
  count_semcnt,
  do_semtimedop,
  ksys_semget,
  sem_remove,
  sem_set,
  semop_sleep,
  semid_ds,
  used_sems,
} from '../ipc/sem.ts';
import {
  ShmSegment,
  do_shmat,
  do_shmdt,
  ksys_shmget,
  reapSegments,
  shm_lock,
  shm_remove,
  shmid_ds,
} from '../ipc/shm.ts';
import {
  type IpcIds,
  type IpcPerm,
  ipc_owner,
  ipc_update_perm,
  ipcperms,
  seconds,
} from '../ipc/util.ts';
import { access_ok } from '../fs/iov.ts';
import {
  choice,
  flags,
  inArray,
  inStruct,
  int,
  long,
  outStruct,
  ptr,
  size,
  uint,
  u64,
} from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';
import { timespecNs } from './timespec.ts';

/** …_STAT takes an index, as ipcs(1) walks through them; IPC_STAT an id. */
function lookup(ids: IpcIds, id: number, byIndex: boolean, what: string): IpcPerm {
  if (!byIndex) return ids.find(id, what);
  const found = ids.byIndex.get(id);
  if (found === undefined) throw errno(EINVAL, 'no {} has index {}', what, id);
  return found;
}

/** Whatever the command, an id is not negative. */
function checkId(id: number, command: number): void {
  if (id < 0 || command < 0) throw errno(EINVAL, 'there is no id {} or command {}', id, command);
}

function putInts(current: Current, at: number, values: readonly number[]): void {
  values.forEach((v, i) => current.mem.putU32(at + i * 4, v));
}

export function sys_msgsnd(
  current: Current,
  id: number,
  msg: number,
  length: number,
  flags: number,
): number {
  if (current.callState !== null) return msgsnd_again(current, id, flags);
  const type = current.mem.getI64(msg);
  const { msg_ctlmax } = ipc_ns(current.kernel);
  if (type < 1) throw errno(EINVAL, 'message type {} is not positive', type);
  if (length > msg_ctlmax)
    throw errno(
      EINVAL,
      'a message has at most kernel.msgmax ({}) bytes, not {}',
      msg_ctlmax,
      length,
    );
  access_ok(msg, length + 8);
  return do_msgsnd(current, id, type, current.mem.read(msg + 8, length), flags);
}

export function sys_msgrcv(
  current: Current,
  id: number,
  msg: number,
  length: number,
  type: number,
  flags: number,
): number {
  if (id < 0 || length > 2 ** 62)
    throw errno(EINVAL, 'msgrcv: queue {} or length {} is out of range', id, length);
  const got = do_msgrcv(current, id, length, type, flags);
  if (typeof got === 'number') return got;
  current.mem.putU64(msg, got.type);
  current.mem.write(msg + 8, got.data);
  return got.data.length;
}

export function sys_msgctl(current: Current, id: number, command: number, buf: number): number {
  checkId(id, command);
  const ns = ipc_ns(current.kernel);
  const ids = ns.msg;
  const cmd = command & ~I.IPC_64;
  if (cmd === I.IPC_INFO || cmd === I.MSG_INFO) {
    const queues = [...ids.byIndex.values()] as MsgQueue[];
    const info = cmd === I.MSG_INFO;
    const messages = queues.reduce((n, q) => n + q.messages.length, 0);
    const bytes = queues.reduce((n, q) => n + q.cbytes, 0);
    putInts(current, buf, [
      info ? queues.length : I.MSGPOOL,
      info ? messages : I.MSGMAP,
      ns.msg_ctlmax,
      ns.msg_ctlmnb,
      ids.max,
      I.MSGSSZ,
      info ? bytes : I.MSGTQL,
    ]);
    current.mem.putU16(buf + 28, I.MSGSEG);
    return Math.max(0, ids.maxIndex);
  }
  const stat = cmd === I.MSG_STAT || cmd === I.MSG_STAT_ANY;
  if (cmd === I.IPC_SET) current.mem.read(buf, 120);
  const queue = lookup(ids, id, stat, 'message queue') as MsgQueue;
  switch (cmd) {
    case I.IPC_STAT:
    case I.MSG_STAT:
    case I.MSG_STAT_ANY:
      if (cmd !== I.MSG_STAT_ANY) ipcperms(current, queue, 0o444);
      current.mem.write(buf, msqid_ds(queue));
      return stat ? queue.id : 0;
    case I.IPC_SET:
      msg_set(current, queue, buf);
      return 0;
    case I.IPC_RMID:
      msg_remove(current, queue);
      return 0;
    default:
      throw errno(EINVAL, 'msgctl: command {} is unknown', cmd);
  }
}

/** struct sembuf: number, operation, flags, 16 bits each. */
function readOps(current: Current, at: number, n: number): SemOp[] {
  const { sem_ctlopm } = ipc_ns(current.kernel);
  if (n > sem_ctlopm) throw errno(E2BIG, 'semop: {} operations are more than {}', n, sem_ctlopm);
  const ops: SemOp[] = [];
  for (let i = 0; i < n; i++) {
    const raw = current.mem.getU16(at + i * 6 + 2);
    ops.push({
      num: current.mem.getU16(at + i * 6),
      op: (raw << 16) >> 16,
      flags: current.mem.getU16(at + i * 6 + 4),
    });
  }
  return ops;
}

export function sys_semop(current: Current, id: number, ops: number, n: number): number {
  if (current.callState instanceof SemQueue) return semop_sleep(current, current.callState);
  return do_semtimedop(current, id, readOps(current, ops, n), Infinity);
}

export function sys_semtimedop(
  current: Current,
  id: number,
  ops: number,
  n: number,
  ts: number,
): number {
  if (current.callState instanceof SemQueue) return semop_sleep(current, current.callState);
  if (ts !== 0) current.mem.read(ts, 16);
  const list = readOps(current, ops, n);
  return do_semtimedop(current, id, list, ts !== 0 ? timespecNs(current, ts, 'semtimedop') : Infinity); // prettier-ignore
}

export function sys_semctl(
  current: Current,
  id: number,
  num: number,
  command: number,
  union: bigint,
): number {
  // A number in the low half, or an address.
  const arg = Number(union);
  const value = Number(BigInt.asIntN(32, union));
  checkId(id, 0);
  const { mem } = current;
  const ns = ipc_ns(current.kernel);
  const ids = ns.sem;
  const cmd = command & ~I.IPC_64;
  if (cmd === I.IPC_INFO || cmd === I.SEM_INFO) {
    const arrays = [...ids.byIndex.values()] as SemArray[];
    const info = cmd === I.SEM_INFO;
    // No map, no undo structures: the first, fourth and seventh are other limits (seminfo in semctl_info).
    putInts(current, arg, [
      I.SEMMAP,
      ids.max,
      ns.sem_ctlmns,
      I.SEMMNU,
      ns.sem_ctlmsl,
      ns.sem_ctlopm,
      I.SEMUME,
      info ? arrays.length : I.SEMUSZ,
      I.SEMVMX,
      info ? used_sems(ns) : I.SEMAEM,
    ]);
    return Math.max(0, ids.maxIndex);
  }
  if (cmd === I.SETVAL) check_sem_value(value);
  const stat = cmd === I.SEM_STAT || cmd === I.SEM_STAT_ANY;
  if (cmd === I.IPC_SET) mem.read(arg, 104);
  const array = lookup(ids, id, stat, 'semaphore set') as SemArray;
  const one = (): SemArray['sems'][number] => {
    const sem = num < 0 ? undefined : array.sems[num];
    if (sem === undefined) throw errno(EINVAL, '{} has no semaphore {}', array, num);
    return sem;
  };
  switch (cmd) {
    case I.IPC_STAT:
    case I.SEM_STAT:
    case I.SEM_STAT_ANY:
      if (cmd !== I.SEM_STAT_ANY) ipcperms(current, array, 0o444);
      mem.write(arg, semid_ds(array));
      return stat ? array.id : 0;
    case I.IPC_SET:
      ipc_owner(current, array);
      ipc_update_perm(current, array, arg);
      array.ctime = seconds(current);
      return 0;
    case I.IPC_RMID:
      sem_remove(current, array);
      return 0;
    case I.GETALL:
      ipcperms(current, array, 0o444);
      array.sems.forEach((sem, i) => mem.putU16(arg + i * 2, sem.value));
      return 0;
    case I.SETALL: {
      ipcperms(current, array, 0o222);
      const values = array.sems.map((_, i) => mem.getU16(arg + i * 2));
      values.forEach(check_sem_value);
      sem_set(current, array, 0, values);
      return 0;
    }
    case I.SETVAL:
      one();
      ipcperms(current, array, 0o222);
      sem_set(current, array, num, [value]);
      return 0;
    case I.GETVAL:
    case I.GETPID:
    case I.GETNCNT:
    case I.GETZCNT: {
      ipcperms(current, array, 0o444);
      const sem = one();
      if (cmd === I.GETVAL) return sem.value;
      if (cmd === I.GETPID) return sem.pid;
      return count_semcnt(array, num, cmd === I.GETZCNT);
    }
    default:
      throw errno(EINVAL, 'semctl: command {} is unknown', cmd);
  }
}

export function sys_shmctl(current: Current, id: number, command: number, buf: number): number {
  checkId(id, command);
  const { mem, kernel } = current;
  reapSegments(current);
  const ids = ipc_ns(kernel).shm;
  const cmd = command & ~I.IPC_64;
  if (cmd === I.IPC_INFO) {
    const ns = ipc_ns(kernel);
    const limits = [ns.shm_ctlmax, 1n, BigInt(ids.max), BigInt(ids.max), ns.shm_ctlall];
    limits.forEach((value, i) => mem.putBig(buf + i * 8, value));
    return Math.max(0, ids.maxIndex);
  }
  if (cmd === I.SHM_INFO) {
    const all = [...ids.byIndex.values()] as ShmSegment[];
    mem.putU64(buf, all.length);
    mem.putU64(
      buf + 8,
      all.reduce((n, s) => n + Math.ceil(s.size / 4096), 0),
    );
    mem.putU64(
      buf + 16,
      all.reduce((n, s) => n + s.file.mapping!.pages.size, 0),
    );
    for (const at of [24, 32, 40]) mem.putU64(buf + at, 0);
    return Math.max(0, ids.maxIndex);
  }
  const stat = cmd === I.SHM_STAT || cmd === I.SHM_STAT_ANY;
  if (cmd === I.IPC_SET) mem.read(buf, 112);
  const segment = lookup(ids, id, stat, 'shared memory segment') as ShmSegment;
  switch (cmd) {
    case I.IPC_STAT:
    case I.SHM_STAT:
    case I.SHM_STAT_ANY:
      if (cmd !== I.SHM_STAT_ANY) ipcperms(current, segment, 0o444);
      mem.write(buf, shmid_ds(segment));
      return stat ? segment.id : 0;
    case I.IPC_SET:
      ipc_owner(current, segment);
      ipc_update_perm(current, segment, buf);
      segment.ctime = seconds(current);
      return 0;
    case I.IPC_RMID:
      shm_remove(current, segment);
      return 0;
    case I.SHM_LOCK:
    case I.SHM_UNLOCK:
      return shm_lock(current, segment, cmd === I.SHM_LOCK);
    default:
      throw errno(EINVAL, 'shmctl: command {} is unknown', cmd);
  }
}

export const IPC: readonly SyscallRow[] = [
  row(NR.__NR_msgget, 'msgget', [int, flags('ipc')], FULL, ksys_msgget),
  row(NR.__NR_msgsnd, 'msgsnd', [int, inStruct('msgbuf'), size, flags('ipc')], FULL, sys_msgsnd),
  row(
    NR.__NR_msgrcv,
    'msgrcv',
    [int, outStruct('msgbuf'), size, long, flags('ipc')],
    FULL,
    sys_msgrcv,
  ),
  row(NR.__NR_msgctl, 'msgctl', [int, choice('ipc_cmd'), ptr], FULL, sys_msgctl),
  row(NR.__NR_semget, 'semget', [int, int, flags('ipc')], FULL, ksys_semget),
  row(NR.__NR_semop, 'semop', [int, inArray('sembuf', 2), uint], FULL, sys_semop),
  row(
    NR.__NR_semtimedop,
    'semtimedop',
    [int, inArray('sembuf', 2), uint, inStruct('timespec')],
    FULL,
    sys_semtimedop,
  ),
  row(NR.__NR_semctl, 'semctl', [int, int, choice('ipc_cmd'), u64], FULL, sys_semctl),
  row(NR.__NR_shmget, 'shmget', [int, size, flags('ipc')], partial('no huge pages'), ksys_shmget),
  row(NR.__NR_shmat, 'shmat', [int, ptr, flags('shmat')], FULL, do_shmat),
  row(NR.__NR_shmdt, 'shmdt', [ptr], FULL, do_shmdt),
  row(NR.__NR_shmctl, 'shmctl', [int, choice('ipc_cmd'), ptr], FULL, sys_shmctl),
];
