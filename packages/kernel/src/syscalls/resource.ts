import { CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import * as R from '@vitrine/uapi/resource.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable, describe_cred } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { narrow } from '../include/loff.ts';
import { task_cputime } from '../kernel/sched/fair.ts';
import { type Rlimit, noUsage } from '../kernel/signal_struct.ts';
import type { Task } from '../kernel/task.ts';
import { thread_group_cputime } from '../kernel/time/itimer.ts';
import { choice, inStruct, outStruct, pid } from './kinds.ts';
import { rusage_bytes } from './process.ts';
import { FULL, type SyscallRow, row } from './row.ts';

export const RLIM_NLIMITS = 16;

const RLIM_INFINITY: bigint = 2n ** 64n - 1n;

/** The limits that PID 1 starts with (INIT_RLIMITS, and what systemd-less distributions leave of them). */
export function initRlimits(maxThreads: number): Rlimit[] {
  const both = (n: number): Rlimit => ({ cur: n, max: n });
  const limits = Array.from({ length: RLIM_NLIMITS }, () => both(Infinity));
  limits[R.RLIMIT_STACK] = { cur: 8 << 20, max: Infinity };
  limits[R.RLIMIT_CORE] = { cur: 0, max: Infinity };
  limits[R.RLIMIT_NPROC] = both(Math.floor(maxThreads / 2));
  limits[R.RLIMIT_NOFILE] = { cur: 1024, max: 4096 };
  limits[R.RLIMIT_MEMLOCK] = both(8 << 20);
  limits[R.RLIMIT_SIGPENDING] = both(Math.floor(maxThreads / 2));
  limits[R.RLIMIT_MSGQUEUE] = both(819200);
  limits[R.RLIMIT_NICE] = both(0);
  limits[R.RLIMIT_RTPRIO] = both(0);
  return limits;
}

const NAMES = Object.fromEntries(Object.entries(R).filter(([k]) => k.startsWith('RLIMIT_')).map(([k, v]) => [v, k])); // prettier-ignore

function getLimit(task: Task, address: number): Rlimit {
  const value = (at: number): number | bigint => {
    const n = task.mem.getBig(at);
    return n === RLIM_INFINITY ? Infinity : narrow(n);
  };
  return { cur: value(address), max: value(address + 8) };
}

function putLimit(task: Task, address: number, limit: Rlimit): void {
  const big = (n: number | bigint): bigint => (n === Infinity ? RLIM_INFINITY : BigInt(n));
  task.mem.putBig(address, big(limit.cur));
  task.mem.putBig(address + 8, big(limit.max));
}

function setLimit(task: Task, target: Task, resource: number, next: Rlimit): void {
  const old = target.signal.rlim[resource]!;
  const name = NAMES[resource];
  if (next.cur > next.max)
    throw errno(
      E.EINVAL,
      'setrlimit: the soft {} of {} exceeds the hard one of {}',
      name,
      next.cur,
      next.max,
    );
  const { nr_open } = task.kernel.vfs;
  if (resource === R.RLIMIT_NOFILE && next.max > nr_open)
    throw errno(E.EPERM, 'setrlimit: RLIMIT_NOFILE {} exceeds fs.nr_open {}', next.max, nr_open);
  if (next.max > old.max && !capable(task.cred, CAP_SYS_RESOURCE)) throw errno(E.EPERM, 'setrlimit: raising the hard {} from {} to {} needs CAP_SYS_RESOURCE; the process has {}', name, old.max, next.max, describe_cred(task.cred)); // prettier-ignore
  target.signal.rlim[resource] = next;
  if (resource === R.RLIMIT_STACK && target.mm !== null) target.mm.stack_limit = Number(next.cur);
}

function checkResource(resource: number): void {
  if (!(resource >= 0 && resource < RLIM_NLIMITS))
    throw errno(E.EINVAL, 'there is no resource limit {}', resource);
}

function sys_getrlimit(task: Task, resource: number, address: number): number {
  checkResource(resource);
  putLimit(task, address, task.signal.rlim[resource]!);
  return 0;
}

function sys_setrlimit(task: Task, resource: number, address: number): number {
  const next = getLimit(task, address);
  checkResource(resource);
  setLimit(task, task, resource, next);
  return 0;
}

function sys_prlimit64(
  task: Task,
  who: number,
  resource: number,
  next: number,
  old: number,
): number {
  if (next !== 0) task.mem.read(next, 16);
  const target = who === 0 ? task : task.kernel.pids.find(who)?.task;
  if (!target) throw errno(E.ESRCH, 'prlimit64: there is no process {}', who);
  const a = task.cred;
  const b = target.cred;
  const same =
    [b.uid, b.euid, b.suid].every((id) => id === a.uid) &&
    [b.gid, b.egid, b.sgid].every((id) => id === a.gid);
  if (target.tgid !== task.tgid && !same && !capable(a, CAP_SYS_RESOURCE)) throw errno(E.EPERM, 'prlimit64: process {} has other ids and the caller lacks CAP_SYS_RESOURCE', who); // prettier-ignore
  checkResource(resource);
  const limit = next === 0 ? null : getLimit(task, next);
  const before = target.signal.rlim[resource]!;
  if (limit !== null) setLimit(task, target, resource, limit);
  if (old !== 0) putLimit(task, old, before);
  return 0;
}

function sys_getrusage(task: Task, who: number, address: number): number {
  const usage = noUsage();
  if (who === R.RUSAGE_CHILDREN) Object.assign(usage, task.signal.children);
  else if (who === R.RUSAGE_SELF) {
    Object.assign(usage, task.signal.used, thread_group_cputime(task));
    for (const thread of task.signal.threads) {
      usage.minflt += thread.min_flt;
      usage.majflt += thread.maj_flt;
      usage.nvcsw += thread.nvcsw;
      usage.nivcsw += thread.nivcsw;
    }
    usage.maxrss = Math.max(usage.maxrss, task.mm?.hiwater_rss ?? 0);
  } else if (who === R.RUSAGE_THREAD) {
    Object.assign(usage, task_cputime(task), { minflt: task.min_flt, majflt: task.maj_flt, nvcsw: task.nvcsw, nivcsw: task.nivcsw, maxrss: task.mm?.hiwater_rss ?? 0 }); // prettier-ignore
  } else
    throw errno(
      E.EINVAL,
      'getrusage: {} is none of RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD',
      who,
    );
  task.mem.write(address, rusage_bytes(usage));
  return 0;
}

export const RESOURCE: readonly SyscallRow[] = [
  row(NR.__NR_getrlimit, 'getrlimit', [choice('rlimit'), outStruct('rlimit')], FULL, sys_getrlimit),
  row(NR.__NR_setrlimit, 'setrlimit', [choice('rlimit'), inStruct('rlimit')], FULL, sys_setrlimit),
  row(
    NR.__NR_prlimit64,
    'prlimit64',
    [pid, choice('rlimit'), inStruct('rlimit'), outStruct('rlimit')],
    FULL,
    sys_prlimit64,
  ),
  row(NR.__NR_getrusage, 'getrusage', [choice('rusage'), outStruct('rusage')], FULL, sys_getrusage),
];
