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
import { cap_subset, capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { type DlParams, checkparam_dl, dl_admission } from '../kernel/sched/deadline.ts';
import { SLICE } from '../kernel/sched/fair.ts';
import { sys_rseq } from '../kernel/rseq.ts';
import { for_each_process } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import { choice, hex32, inBuf, inStruct, int, outBuf, outStruct, pid, ptr, uint } from './kinds.ts';
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
    checkSafeNice(task, target, 'setpriority');
    target.se.set_nice(nice);
  }
  return 0;
}

function checkOwner(task: Task, target: Task, call: string): void {
  const { euid } = task.cred;
  if (euid !== target.cred.euid && euid !== target.cred.uid && !capable(task.cred, CAP_SYS_NICE)) throw errno(E.EPERM, '{}: process {} belongs to user {}, and the caller (uid {}) lacks CAP_SYS_NICE', call, target.pid, target.cred.uid, euid); // prettier-ignore
}

/** Who has capabilities that the caller lacks is for CAP_SYS_NICE (cap_safe_nice). */
function checkSafeNice(task: Task, target: Task, call: string): void {
  if (cap_subset(target.cred.permitted, task.cred.permitted) || capable(task.cred, CAP_SYS_NICE)) return; // prettier-ignore
  throw errno(E.EPERM, '{}: process {} has capabilities that the caller lacks, as well as CAP_SYS_NICE', call, target.pid); // prettier-ignore
}

function checkNice(task: Task, target: Task, nice: number): void {
  if (nice >= target.se.nice || capable(task.cred, CAP_SYS_NICE)) return;
  if (20 - nice <= target.rlimit(RLIMIT_NICE)) return;
  throw errno(E.EACCES, 'raising the priority of process {} from nice {} to {} needs CAP_SYS_NICE or RLIMIT_NICE (now {})', target.pid, target.se.nice, nice, target.rlimit(RLIMIT_NICE)); // prettier-ignore
}

function find(task: Task, who: number, call: string): Task {
  if (who < 0) throw errno(E.EINVAL, '{}: {} is no process id', call, who);
  return findProcess(task, who, call);
}

/** Linux's find_process_by_pid: the affinity calls look a negative number up like any other. */
function findProcess(task: Task, who: number, call: string): Task {
  const target = who === 0 ? task : task.kernel.pids.find(who)?.task;
  if (!target) throw errno(E.ESRCH, '{}: there is no process {}', call, who);
  return target;
}

/** Bytes of a processor mask of this kernel (cpumask_size): one word holds NR_CPUS bits. */
const MASK_BYTES = 8;

function sys_sched_getaffinity(task: Task, who: number, length: number, address: number): number {
  if ((length * 8) >>> 0 < MASK_BYTES * 8 || length % 8 !== 0)
    throw errno(
      E.EINVAL,
      'sched_getaffinity: {} bytes are no multiple of 8 that holds the mask',
      length,
    );
  const target = findProcess(task, who, 'sched_getaffinity');
  task.mem.putU64(address, target.cpus_mask);
  return MASK_BYTES;
}

function sys_sched_setaffinity(task: Task, who: number, length: number, address: number): number {
  const bytes = new Uint8Array(MASK_BYTES);
  bytes.set(task.mem.read(address, Math.min(length, MASK_BYTES)));
  const wanted = new DataView(bytes.buffer).getUint32(0, true);
  const target = findProcess(task, who, 'sched_setaffinity');
  checkOwner(task, target, 'sched_setaffinity');
  checkSafeNice(task, target, 'sched_setaffinity');
  const { sched } = task.kernel;
  const mask = (wanted & sched.cpu_mask) >>> 0;
  if (mask === 0) throw errno(E.EINVAL, 'sched_setaffinity: the mask 0x{} holds no processor that exists (0 to {})', wanted.toString(16), sched.rqs.length - 1); // prettier-ignore
  if (target.dl !== null && mask !== sched.cpu_mask && sched.rt_runtime !== Infinity)
    throw errno(E.EBUSY, 'sched_setaffinity: a SCHED_DEADLINE task may use every processor');
  sched.set_cpus_allowed(target, mask);
  return 0;
}

function sys_sched_getscheduler(task: Task, who: number): number {
  const target = find(task, who, 'sched_getscheduler');
  return target.policy | (target.sched_reset_on_fork ? C.SCHED_RESET_ON_FORK : 0);
}

/** struct sched_attr */
interface SchedAttr extends DlParams {
  /** -1: the one it has. */
  policy: number;
  nice: number;
  priority: number;
}

const SETPARAM_POLICY = -1;
const VALID: readonly number[] = [C.SCHED_NORMAL, C.SCHED_FIFO, C.SCHED_RR, C.SCHED_BATCH, C.SCHED_IDLE, C.SCHED_DEADLINE]; // prettier-ignore
const fair_policy = (policy: number): boolean =>
  policy === C.SCHED_NORMAL || policy === C.SCHED_BATCH;
const rt_policy = (policy: number): boolean => policy === C.SCHED_FIFO || policy === C.SCHED_RR;

/** What the caller may not do without CAP_SYS_NICE (user_check_sched_setscheduler); null: it may. */
function privileged(
  task: Task,
  target: Task,
  attr: SchedAttr,
  policy: number,
  reset: boolean,
): string | null {
  const allowed = 20 - target.rlimit(RLIMIT_NICE);
  if (fair_policy(policy)) {
    if (attr.nice < target.se.nice && attr.nice < allowed) return 'a nice value above RLIMIT_NICE';
  }
  if (rt_policy(policy)) {
    const limit = target.rlimit(RLIMIT_RTPRIO);
    if (policy !== target.policy && limit === 0) return 'a real-time policy, with RLIMIT_RTPRIO 0';
    if (attr.priority > target.rt_priority && attr.priority > limit) return 'a real-time priority above RLIMIT_RTPRIO'; // prettier-ignore
  }
  if (policy === C.SCHED_DEADLINE) return 'SCHED_DEADLINE';
  if (target.policy === C.SCHED_IDLE && policy !== C.SCHED_IDLE && target.se.nice < allowed)
    return 'leaving SCHED_IDLE, with this RLIMIT_NICE,';
  const { euid } = task.cred;
  if (euid !== target.cred.euid && euid !== target.cred.uid) return "another user's process";
  return target.sched_reset_on_fork && !reset ? 'taking SCHED_RESET_ON_FORK away' : null;
}

/** __sched_setscheduler */
function setscheduler(task: Task, target: Task, attr: SchedAttr, call: string): void {
  const keep = attr.policy === SETPARAM_POLICY;
  const policy = keep ? target.policy : attr.policy;
  const reset = keep ? target.sched_reset_on_fork : (attr.flags & C.SCHED_FLAG_RESET_ON_FORK) !== 0;
  if (!VALID.includes(policy)) throw errno(E.EINVAL, '{}: there is no policy {}', call, policy);
  if (attr.flags & ~C.SCHED_FLAG_ALL)
    throw errno(E.EINVAL, '{}: flags {} are unknown', call, attr.flags);
  if (attr.priority > 99 || rt_policy(policy) !== (attr.priority !== 0))
    throw errno(
      E.EINVAL,
      '{}: policy {} does not go with priority {}',
      call,
      policy,
      attr.priority,
    );
  const deadline = policy === C.SCHED_DEADLINE;
  if (deadline && !checkparam_dl(attr))
    throw errno(E.EINVAL, '{}: runtime {}, deadline {} and period {} are not possible', call, attr.runtime, attr.deadline, attr.period); // prettier-ignore
  const what = privileged(task, target, attr, policy, reset);
  if (what !== null && !capable(task.cred, CAP_SYS_NICE))
    throw errno(E.EPERM, '{}: {} needs CAP_SYS_NICE (process {})', call, what, target.pid);
  checkSafeNice(task, target, call);
  if (attr.flags & C.SCHED_FLAG_UTIL_CLAMP)
    throw errno(E.EOPNOTSUPP, '{}: this kernel is built without utilization clamping', call);
  const { sched } = task.kernel;
  if (deadline) {
    if (target.cpus_mask !== sched.cpu_mask && sched.rt_runtime !== Infinity)
      throw errno(E.EPERM, '{}: SCHED_DEADLINE is for tasks that may use every processor', call);
    dl_admission(task.kernel, target, attr);
  }
  target.sched_reset_on_fork = reset;
  if (attr.flags & C.SCHED_FLAG_KEEP_PARAMS) return;
  const { runtime, period } = attr;
  sched.set_policy(target, policy, attr.priority, deadline ? { runtime, deadline: attr.deadline, period, flags: attr.flags } : null); // prettier-ignore
  if (fair_policy(policy)) target.se.set_nice(attr.nice);
}

/** What sched_setscheduler and sched_setparam give: a policy and a priority, all else as it is. */
function plainAttr(target: Task, policy: number, priority: number): SchedAttr {
  const keep = policy === SETPARAM_POLICY;
  const reset = !keep && (policy & C.SCHED_RESET_ON_FORK) !== 0;
  return {
    policy: keep ? policy : policy & ~C.SCHED_RESET_ON_FORK,
    flags: reset ? C.SCHED_FLAG_RESET_ON_FORK : 0,
    nice: target.se.nice,
    priority: priority >>> 0,
    runtime: 0,
    deadline: 0,
    period: 0,
  };
}

function sys_sched_setscheduler(task: Task, who: number, policy: number, param: number): number {
  if (policy < 0) throw errno(E.EINVAL, 'sched_setscheduler: policy {} is negative', policy);
  return setParam(task, who, policy, param, 'sched_setscheduler');
}

function sys_sched_setparam(task: Task, who: number, param: number): number {
  return setParam(task, who, SETPARAM_POLICY, param, 'sched_setparam');
}

function setParam(task: Task, who: number, policy: number, param: number, call: string): number {
  if (param === 0 || who < 0) throw errno(E.EINVAL, '{}: no parameters, or process {}', call, who);
  const priority = task.mem.getI32(param);
  const target = find(task, who, call);
  setscheduler(task, target, plainAttr(target, policy, priority), call);
  return 0;
}

function sys_sched_getparam(task: Task, who: number, param: number): number {
  if (param === 0) throw errno(E.EINVAL, 'sched_getparam: there is no place for the answer');
  task.mem.putU32(param, find(task, who, 'sched_getparam').rt_priority);
  return 0;
}

/** Has its range of priorities on every kernel of the series; newer than the headers packages/uapi is made from. */
const SCHED_EXT = 7;

function priorityRange(policy: number, call: string): [number, number] {
  if (policy === C.SCHED_FIFO || policy === C.SCHED_RR) return [1, 99];
  if ([C.SCHED_NORMAL, C.SCHED_BATCH, C.SCHED_IDLE, C.SCHED_DEADLINE, SCHED_EXT].includes(policy))
    return [0, 0];
  throw errno(E.EINVAL, '{}: there is no policy {}', call, policy);
}

function sys_sched_rr_get_interval(task: Task, who: number, address: number): number {
  const { policy } = find(task, who, 'sched_rr_get_interval');
  // A fair task's slice is shorter than a jiffy, the unit of the answer.
  putTimespec(task, address, policy === C.SCHED_RR ? task.kernel.sched.rr_timeslice : 0);
  return 0;
}

const ATTR_SIZE = C.SCHED_ATTR_SIZE_VER1;

function sys_sched_getattr(
  task: Task,
  who: number,
  address: number,
  length: number,
  fl: number,
): number {
  if (address === 0 || fl !== 0 || length < C.SCHED_ATTR_SIZE_VER0 || length > 4096)
    throw errno(E.EINVAL, 'sched_getattr: size {} or flags {} are not possible', length, fl);
  const { policy, sched_reset_on_fork, dl, se, rt_priority } = find(task, who, 'sched_getattr');
  const bytes = new Uint8Array(ATTR_SIZE);
  const view = new DataView(bytes.buffer);
  const size = Math.min(length, ATTR_SIZE);
  view.setUint32(0, size, true);
  view.setUint32(4, policy, true);
  const flags64 =
    (sched_reset_on_fork ? C.SCHED_FLAG_RESET_ON_FORK : 0) | ((dl?.params.flags ?? 0) & ~1);
  view.setUint32(8, flags64, true);
  const times = dl !== null ? [dl.params.runtime, dl.params.deadline, dl.params.period] : [0, 0, 0];
  if (dl === null && rt_policy(policy)) view.setUint32(20, rt_priority, true);
  else if (dl === null) {
    view.setInt32(16, se.nice, true);
    times[0] = SLICE;
  }
  times.forEach((ns, i) => view.setBigUint64(24 + i * 8, BigInt(ns), true));
  task.mem.write(address, bytes.subarray(0, size));
  return 0;
}

/** struct sched_attr from user space, of any size that has nothing unknown in it (sched_copy_attr). */
function copyAttr(task: Task, address: number): SchedAttr {
  const { mem } = task;
  const given = mem.getU32(address);
  const size = given === 0 ? C.SCHED_ATTR_SIZE_VER0 : given;
  const beyond = size > ATTR_SIZE && size <= 4096 ? mem.read(address + ATTR_SIZE, size - ATTR_SIZE) : []; // prettier-ignore
  if (size < C.SCHED_ATTR_SIZE_VER0 || size > 4096 || beyond.some((byte) => byte !== 0)) {
    mem.putU32(address, ATTR_SIZE);
    throw errno(E.E2BIG, 'sched_setattr: a structure of {} bytes; this kernel knows {}', size, ATTR_SIZE); // prettier-ignore
  }
  const bytes = new Uint8Array(ATTR_SIZE);
  bytes.set(mem.read(address, Math.min(size, ATTR_SIZE)));
  const view = new DataView(bytes.buffer);
  const ns = (at: number): number => Number(view.getBigUint64(at, true));
  const fl = view.getUint32(12, true) !== 0 ? 2 ** 31 : view.getUint32(8, true);
  if (fl & C.SCHED_FLAG_UTIL_CLAMP && size < ATTR_SIZE)
    throw errno(
      E.EINVAL,
      'sched_setattr: utilization needs {} bytes, there are {}',
      ATTR_SIZE,
      size,
    );
  return {
    policy: view.getInt32(4, true),
    flags: fl | 0,
    nice: Math.min(19, Math.max(-20, view.getInt32(16, true))),
    priority: view.getUint32(20, true),
    runtime: ns(24),
    deadline: ns(32),
    period: ns(40) || ns(32),
  };
}

function sys_sched_setattr(task: Task, who: number, address: number, fl: number): number {
  if (address === 0 || who < 0 || fl !== 0)
    throw errno(E.EINVAL, 'sched_setattr: process {} or flags {} are not possible', who, fl);
  const attr = copyAttr(task, address);
  if (attr.policy < 0) throw errno(E.EINVAL, 'sched_setattr: policy {} is negative', attr.policy);
  if (attr.flags & C.SCHED_FLAG_KEEP_POLICY) attr.policy = SETPARAM_POLICY;
  const target = find(task, who, 'sched_setattr');
  const keep = attr.flags & C.SCHED_FLAG_KEEP_PARAMS;
  setscheduler(task, target, keep ? keepParams(target, attr) : attr, 'sched_setattr');
  return 0;
}

/** SCHED_FLAG_KEEP_PARAMS (get_params) */
function keepParams(target: Task, attr: SchedAttr): SchedAttr {
  const { dl, rt_priority, se, policy } = target;
  if (dl !== null) return { ...attr, ...dl.params, flags: attr.flags };
  return rt_policy(policy) ? { ...attr, priority: rt_priority } : { ...attr, nice: se.nice };
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

/** Whether there is such a priority, and the caller may have it. */
export function ioprio_check_cap(current: Current, ioprio: number): void {
  const kind = ioprio >> IOPRIO_CLASS_SHIFT;
  const data = ioprio & ((1 << IOPRIO_CLASS_SHIFT) - 1);
  // Beyond the level there are hints for the device, any of them.
  if (kind < 0 || kind > 3 || (kind === 0 && (data & 7) !== 0)) throw errno(E.EINVAL, 'ioprio_set: there is no class {} with data {}', kind, data); // prettier-ignore
  if (kind === 1 && !capable(current.cred, CAP_SYS_ADMIN) && !capable(current.cred, CAP_SYS_NICE)) throw errno(E.EPERM, 'ioprio_set: the real-time class needs CAP_SYS_ADMIN or CAP_SYS_NICE'); // prettier-ignore
}

/** The target's real user is the caller's, real or effective (set_task_ioprio). */
function checkIoOwner({ cred }: Task, target: Task): void {
  const { uid } = target.cred;
  if (uid !== cred.euid && uid !== cred.uid && !capable(cred, CAP_SYS_NICE)) throw errno(E.EPERM, 'ioprio_set: process {} belongs to user {}, and the caller (uid {}) lacks CAP_SYS_NICE', target.pid, uid, cred.euid); // prettier-ignore
}

/** ioprio_set(2): kept and inherited; files live in memory here, so that no queue needs it. */
function sys_ioprio_set(task: Task, which: number, who: number, ioprio: number): number {
  ioprio_check_cap(task, ioprio);
  for (const target of ioprioTargets(task, which, who, 'ioprio_set')) {
    checkIoOwner(task, target);
    checkSafeNice(task, target, 'ioprio_set');
    target.ioprio = ioprio;
  }
  return 0;
}

function sys_ioprio_get(task: Task, which: number, who: number): number {
  const all = ioprioTargets(task, which, who, 'ioprio_get');
  if (which === IOPRIO_WHO_PROCESS) return all[0]!.ioprio;
  return Math.min(...all.map(effectiveIoprio));
}

/** What counts for a task that set no class of its own: scheduling policy and nice value tell (__get_task_ioprio). */
function effectiveIoprio({ ioprio, policy, se }: Task): number {
  if (ioprio >> IOPRIO_CLASS_SHIFT !== 0) return ioprio;
  const kind = policy === C.SCHED_IDLE ? 3 : rt_policy(policy) ? 1 : 2;
  return (kind << IOPRIO_CLASS_SHIFT) | Math.floor((se.nice + 20) / 5);
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
  row(NR.__NR_sched_setscheduler, 'sched_setscheduler', [pid, choice('sched'), inStruct('int')], FULL, sys_sched_setscheduler), // prettier-ignore
  row(NR.__NR_sched_getparam, 'sched_getparam', [pid, outStruct('int')], FULL, sys_sched_getparam),
  row(NR.__NR_sched_setparam, 'sched_setparam', [pid, inStruct('int')], FULL, sys_sched_setparam),
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
  row(NR.__NR_sched_setattr, 'sched_setattr', [pid, ptr, uint], FULL, sys_sched_setattr),
  row(NR.__NR_ioprio_set, 'ioprio_set', [int, int, { ...hex32, decode: 'i32' }], partial('kept, without effect: there is no disk queue'), sys_ioprio_set), // prettier-ignore
  row(NR.__NR_ioprio_get, 'ioprio_get', [int, int], FULL, sys_ioprio_get),
  row(NR.__NR_rseq, 'rseq', [ptr, uint, hex32, uint], FULL, sys_rseq),
  row(NR.__NR_getcpu, 'getcpu', [outStruct('int'), outStruct('int'), ptr], FULL, sys_getcpu),
];
