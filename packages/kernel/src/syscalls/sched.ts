import { CAP_SYS_ADMIN, CAP_SYS_NICE } from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import {
  PRIO_PGRP,
  PRIO_PROCESS,
  PRIO_USER,
  RLIMIT_NICE,
  RLIMIT_RTPRIO,
} from '@vitrine/uapi/resource.ts';
import * as C from '@vitrine/uapi/sched.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { sys_rseq } from '../kernel/rseq.ts';
import { for_each_process } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import { choice, hex, inBuf, inStruct, int, outBuf, outStruct, pid, ptr, uint } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';
import { putTimespec } from './timespec.ts';

function sys_sched_yield(task: Task): number {
  task.kernel.sched.yield_task(task);
  return 0;
}

/** The tasks that PRIO_PROCESS, PRIO_PGRP or PRIO_USER with `who` means. */
function prioTargets(task: Task, which: number, who: number, call: string): Task[] {
  const { pids } = task.kernel;
  let targets: Task[];
  if (which === PRIO_PROCESS) {
    const found = who === 0 ? task : pids.find(who)?.task;
    targets = found ? [found] : [];
  } else if (which === PRIO_PGRP) {
    const pgrp = who === 0 ? task.signal.pgrp : pids.find(who);
    targets = pgrp ? [...pgrp.tasks.pgid].flatMap((leader) => [...leader.signal.threads]) : [];
  } else if (which === PRIO_USER) {
    const user = who === 0 ? task.cred.uid : who;
    targets = [...for_each_process(task.kernel)]
      .filter((t) => t.cred.uid === user)
      .flatMap((leader) => [...leader.signal.threads]);
  } else throw errno(E.EINVAL, '{}: {} is none of PRIO_PROCESS, PRIO_PGRP, PRIO_USER', call, which);
  if (targets.length === 0) throw errno(E.ESRCH, '{}: nothing has id {}', call, who);
  return targets;
}

function sys_getpriority(task: Task, which: number, who: number): number {
  return Math.max(...prioTargets(task, which, who, 'getpriority').map((t) => 20 - t.se.nice));
}

function sys_setpriority(task: Task, which: number, who: number, value: number): number {
  const nice = Math.min(19, Math.max(-20, value));
  for (const target of prioTargets(task, which, who, 'setpriority')) {
    checkOwner(task, target, 'setpriority');
    checkNice(task, target, nice);
    target.se.set_nice(nice);
  }
  return 0;
}

function checkOwner(task: Task, target: Task, call: string): void {
  const { euid } = task.cred;
  if (euid !== target.cred.euid && euid !== target.cred.uid && !capable(task.cred, CAP_SYS_NICE)) throw errno(E.EPERM, '{}: process {} belongs to user {}, and the caller (uid {}) lacks CAP_SYS_NICE', call, target.pid, target.cred.uid, euid); // prettier-ignore
}

function checkNice(task: Task, target: Task, nice: number): void {
  if (nice >= target.se.nice || capable(task.cred, CAP_SYS_NICE)) return;
  if (20 - nice <= target.rlimit(RLIMIT_NICE)) return;
  throw errno(E.EACCES, 'raising the priority of process {} from nice {} to {} needs CAP_SYS_NICE or RLIMIT_NICE (now {})', target.pid, target.se.nice, nice, target.rlimit(RLIMIT_NICE)); // prettier-ignore
}

function find(task: Task, who: number, call: string): Task {
  if (who < 0) throw errno(E.EINVAL, '{}: {} is no process id', call, who);
  const target = who === 0 ? task : task.kernel.pids.find(who)?.task;
  if (!target) throw errno(E.ESRCH, '{}: there is no process {}', call, who);
  return target;
}

/** Bytes of a processor mask of this kernel (cpumask_size): one word holds NR_CPUS bits. */
const MASK_BYTES = 8;

function sys_sched_getaffinity(task: Task, who: number, length: number, address: number): number {
  if (length < MASK_BYTES || length % 8 !== 0)
    throw errno(
      E.EINVAL,
      'sched_getaffinity: {} bytes are no multiple of 8 that holds the mask',
      length,
    );
  const target = find(task, who, 'sched_getaffinity');
  task.mem.putU64(address, target.cpus_mask);
  return MASK_BYTES;
}

function sys_sched_setaffinity(task: Task, who: number, length: number, address: number): number {
  const bytes = new Uint8Array(MASK_BYTES);
  bytes.set(task.mem.read(address, Math.min(length, MASK_BYTES)));
  const wanted = new DataView(bytes.buffer).getUint32(0, true);
  const target = find(task, who, 'sched_setaffinity');
  checkOwner(task, target, 'sched_setaffinity');
  const { sched } = task.kernel;
  const mask = (wanted & sched.cpu_mask) >>> 0;
  if (mask === 0) throw errno(E.EINVAL, 'sched_setaffinity: the mask 0x{} holds no processor that exists (0 to {})', wanted.toString(16), sched.rqs.length - 1); // prettier-ignore
  sched.set_cpus_allowed(target, mask);
  return 0;
}

function sys_sched_getscheduler(task: Task, who: number): number {
  const target = find(task, who, 'sched_getscheduler');
  return target.policy | (target.sched_reset_on_fork ? C.SCHED_RESET_ON_FORK : 0);
}

function setPolicy(task: Task, target: Task, policy: number, priority: number, call: string): void {
  const base = policy & ~C.SCHED_RESET_ON_FORK;
  checkOwner(task, target, call);
  if (base === C.SCHED_FIFO || base === C.SCHED_RR) {
    if (priority < 1 || priority > 99)
      throw errno(E.EINVAL, '{}: real-time priority {} is not between 1 and 99', call, priority);
    const limit = target.rlimit(RLIMIT_RTPRIO);
    if (!capable(task.cred, CAP_SYS_NICE) && priority > limit)
      throw errno(E.EPERM, '{}: real-time priority {} needs CAP_SYS_NICE or RLIMIT_RTPRIO (now {})', call, priority, limit); // prettier-ignore
    setClass(task, target, policy, base, priority);
    return;
  }
  if (![C.SCHED_NORMAL, C.SCHED_BATCH, C.SCHED_IDLE].includes(base))
    throw errno(E.EINVAL, '{}: there is no policy {}', call, base);
  if (priority !== 0)
    throw errno(E.EINVAL, '{}: policy {} takes priority 0, not {}', call, base, priority);
  setClass(task, target, policy, base, 0);
}

function setClass(task: Task, target: Task, policy: number, base: number, priority: number): void {
  target.sched_reset_on_fork = (policy & C.SCHED_RESET_ON_FORK) !== 0;
  task.kernel.sched.set_policy(target, base, priority);
}

function sys_sched_setscheduler(task: Task, who: number, policy: number, param: number): number {
  if (policy < 0) throw errno(E.EINVAL, 'sched_setscheduler: policy {} is negative', policy);
  const priority = task.mem.getI32(param);
  setPolicy(task, find(task, who, 'sched_setscheduler'), policy, priority, 'sched_setscheduler');
  return 0;
}

function sys_sched_setparam(task: Task, who: number, param: number): number {
  const target = find(task, who, 'sched_setparam');
  setPolicy(task, target, target.policy, task.mem.getI32(param), 'sched_setparam');
  return 0;
}

function sys_sched_getparam(task: Task, who: number, param: number): number {
  task.mem.putU32(param, find(task, who, 'sched_getparam').rt_priority);
  return 0;
}

function priorityRange(policy: number, call: string): [number, number] {
  if (policy === C.SCHED_FIFO || policy === C.SCHED_RR) return [1, 99];
  if ([C.SCHED_NORMAL, C.SCHED_BATCH, C.SCHED_IDLE, C.SCHED_DEADLINE].includes(policy))
    return [0, 0];
  throw errno(E.EINVAL, '{}: there is no policy {}', call, policy);
}

function sys_sched_rr_get_interval(task: Task, who: number, address: number): number {
  const { policy } = find(task, who, 'sched_rr_get_interval');
  putTimespec(task, address, policy === C.SCHED_FIFO ? 0 : policy === C.SCHED_RR ? 100e6 : 3e6);
  return 0;
}

function sys_sched_getattr(
  task: Task,
  who: number,
  address: number,
  length: number,
  fl: number,
): number {
  if (fl !== 0 || length < 48 || length > 4096)
    throw errno(E.EINVAL, 'sched_getattr: size {} or flags {} are not possible', length, fl);
  const target = find(task, who, 'sched_getattr');
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 48, true);
  view.setUint32(4, target.policy, true);
  view.setInt32(16, target.se.nice, true);
  view.setUint32(20, target.rt_priority, true);
  task.mem.write(address, bytes);
  return 0;
}

function sys_sched_setattr(task: Task, who: number, address: number, fl: number): number {
  if (fl !== 0) throw errno(E.EINVAL, 'sched_setattr: flags {} are not known', fl);
  const length = task.mem.getU32(address);
  if (length !== 0 && length < 48) {
    task.mem.putU32(address, 48);
    throw errno(
      E.E2BIG,
      'sched_setattr: the structure of {} bytes is smaller than version 0 (48)',
      length,
    );
  }
  const target = find(task, who, 'sched_setattr');
  const policy = task.mem.getU32(address + 4);
  const nice = task.mem.getI32(address + 16);
  checkNice(task, target, nice);
  setPolicy(task, target, policy, task.mem.getU32(address + 20), 'sched_setattr');
  target.se.set_nice(Math.min(19, Math.max(-20, nice)));
  return 0;
}

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_WHO_PGRP = 2;
const IOPRIO_WHO_USER = 3;
const IOPRIO_CLASS_SHIFT = 13;

/** The tasks that an ioprio call means: its numbers are one more than setpriority's. */
function ioprioTargets(task: Task, which: number, who: number, call: string): Task[] {
  if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) throw errno(E.EINVAL, '{}: {} is none of IOPRIO_WHO_PROCESS, PGRP, USER', call, which); // prettier-ignore
  const kind = which === IOPRIO_WHO_PROCESS ? PRIO_PROCESS : which === IOPRIO_WHO_PGRP ? PRIO_PGRP : PRIO_USER; // prettier-ignore
  return prioTargets(task, kind, who, call);
}

/** ioprio_set(2): kept and inherited; files live in memory here, so that no queue needs it. */
function sys_ioprio_set(task: Task, which: number, who: number, ioprio: number): number {
  const kind = ioprio >> IOPRIO_CLASS_SHIFT;
  const data = ioprio & ((1 << IOPRIO_CLASS_SHIFT) - 1);
  if (kind < 0 || kind > 3 || (kind === 0 && data !== 0) || (data & 7) !== data) throw errno(E.EINVAL, 'ioprio_set: there is no class {} with data {}', kind, data); // prettier-ignore
  if (kind === 1 && !capable(task.cred, CAP_SYS_ADMIN) && !capable(task.cred, CAP_SYS_NICE)) throw errno(E.EPERM, 'ioprio_set: the real-time class needs CAP_SYS_ADMIN or CAP_SYS_NICE'); // prettier-ignore
  for (const target of ioprioTargets(task, which, who, 'ioprio_set')) {
    checkOwner(task, target, 'ioprio_set');
    target.ioprio = ioprio;
  }
  return 0;
}

function sys_ioprio_get(task: Task, which: number, who: number): number {
  const all = ioprioTargets(task, which, who, 'ioprio_get').map((t) => t.ioprio);
  return all.reduce((best, prio) => (best === 0 ? prio : prio === 0 ? best : Math.min(best, prio)));
}

function sys_getcpu(task: Task, cpu: number, node: number, _cache: number): number {
  if (cpu !== 0) task.mem.putU32(cpu, task.cpu);
  if (node !== 0) task.mem.putU32(node, 0);
  return 0;
}

export const SCHED: readonly SyscallRow[] = [
  row(NR.__NR_sched_yield, 'sched_yield', [], FULL, sys_sched_yield),
  row(NR.__NR_getpriority, 'getpriority', [choice('prio'), int], FULL, sys_getpriority),
  row(NR.__NR_setpriority, 'setpriority', [choice('prio'), int, int], FULL, sys_setpriority),
  row(
    NR.__NR_sched_getaffinity,
    'sched_getaffinity',
    [pid, uint, outBuf()],
    FULL,
    sys_sched_getaffinity,
  ),
  row(
    NR.__NR_sched_setaffinity,
    'sched_setaffinity',
    [pid, uint, inBuf(1)],
    FULL,
    sys_sched_setaffinity,
  ),
  row(NR.__NR_sched_getscheduler, 'sched_getscheduler', [pid], FULL, sys_sched_getscheduler),
  row(NR.__NR_sched_setscheduler, 'sched_setscheduler', [pid, choice('sched'), inStruct('int')], partial('no SCHED_DEADLINE'), sys_sched_setscheduler), // prettier-ignore
  row(NR.__NR_sched_getparam, 'sched_getparam', [pid, outStruct('int')], FULL, sys_sched_getparam),
  row(
    NR.__NR_sched_setparam,
    'sched_setparam',
    [pid, inStruct('int')],
    partial('no SCHED_DEADLINE'),
    sys_sched_setparam,
  ),
  row(NR.__NR_sched_get_priority_max, 'sched_get_priority_max', [choice('sched')], FULL, (_task, policy) => priorityRange(policy, 'sched_get_priority_max')[1]), // prettier-ignore
  row(NR.__NR_sched_get_priority_min, 'sched_get_priority_min', [choice('sched')], FULL, (_task, policy) => priorityRange(policy, 'sched_get_priority_min')[0]), // prettier-ignore
  row(
    NR.__NR_sched_rr_get_interval,
    'sched_rr_get_interval',
    [pid, outStruct('timespec')],
    FULL,
    sys_sched_rr_get_interval,
  ),
  row(NR.__NR_sched_getattr, 'sched_getattr', [pid, ptr, uint, uint], FULL, sys_sched_getattr),
  row(
    NR.__NR_sched_setattr,
    'sched_setattr',
    [pid, ptr, uint],
    partial('no SCHED_DEADLINE'),
    sys_sched_setattr,
  ),
  row(NR.__NR_ioprio_set, 'ioprio_set', [int, int, hex], partial('kept, without effect: there is no disk queue'), sys_ioprio_set), // prettier-ignore
  row(NR.__NR_ioprio_get, 'ioprio_get', [int, int], FULL, sys_ioprio_get),
  row(NR.__NR_rseq, 'rseq', [ptr, uint, hex, uint], FULL, sys_rseq),
  row(NR.__NR_getcpu, 'getcpu', [outStruct('int'), outStruct('int'), ptr], FULL, sys_getcpu),
];
