import { CAP_PERFMON, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import * as P from '@vitrine/uapi/perf_event.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { fget, fd_install, get_unused_fd } from '../fs/fdtable.ts';
import { may_access } from '../fs/proc/access.ts';
import { copy_struct_from_user } from '../include/copy_struct.ts';
import { capable } from '../include/cred.ts';
import { Errno, errno } from '../include/errno.ts';
import { type PerfAttr, PerfEvent, PerfEventFile } from '../kernel/perf_event.ts';
import type { Task } from '../kernel/task.ts';
import { fd, flags, int, pid, ptr } from './kinds.ts';
import { type SyscallRow, partial, row } from './row.ts';

const ALL_FLAGS = 15;
const SAMPLE_TYPES = 1n << 25n;
const READ_FORMATS = 31n;

/** Bits of the word of flags of struct perf_event_attr. */
const DISABLED = 0n;
const INHERIT = 1n;
const EXCLUDE_USER = 4n;
const EXCLUDE_KERNEL = 5n;
const FREQ = 10n;
const ENABLE_ON_EXEC = 12n;
const NAMESPACES = 28n;
const INHERIT_THREAD = 35n;
const REMOVE_ON_EXEC = 36n;
const SIGTRAP = 37n;

interface Asked extends PerfAttr {
  readonly type: number;
  readonly disabled: boolean;
  readonly namespaces: boolean;
  readonly sigtrap: boolean;
  readonly freq: boolean;
  readonly period: bigint;
}

const perfmon = ({ cred }: Task): boolean =>
  capable(cred, CAP_PERFMON) || capable(cred, CAP_SYS_ADMIN);

/** Reads struct perf_event_attr (perf_copy_attr). */
function copyAttr(task: Task, at: number): Asked {
  const size = task.mem.getU32(at + 4) || P.PERF_ATTR_SIZE_VER0;
  let view: DataView;
  try {
    if (size < P.PERF_ATTR_SIZE_VER0 || size > 4096)
      throw errno(E.E2BIG, 'perf_event_open: struct perf_event_attr of {} bytes', size);
    view = copy_struct_from_user(task.mem, 'struct perf_event_attr', at, size, P.PERF_ATTR_SIZE_VER0, P.PERF_ATTR_SIZE_VER8); // prettier-ignore
  } catch (error) {
    if (error instanceof Errno && error.code === E.E2BIG)
      task.mem.putU32(at + 4, P.PERF_ATTR_SIZE_VER8);
    throw error;
  }
  const word = (offset: number): bigint => view.getBigUint64(offset, true);
  const bits = word(40);
  const bit = (n: bigint): boolean => ((bits >> n) & 1n) !== 0n;
  if (bits >> 38n || view.getUint16(110, true) !== 0 || view.getUint32(116, true) !== 0)
    throw errno(E.EINVAL, 'perf_event_open: reserved members are not 0');
  if (word(24) & ~(SAMPLE_TYPES - 1n) || word(32) & ~READ_FORMATS)
    throw errno(E.EINVAL, 'perf_event_open: sample_type or read_format has unknown bits');
  if (
    (!bit(INHERIT) && bit(INHERIT_THREAD)) ||
    (bit(REMOVE_ON_EXEC) && bit(ENABLE_ON_EXEC)) ||
    (bit(SIGTRAP) && !bit(REMOVE_ON_EXEC))
  )
    // prettier-ignore
    throw errno(E.EINVAL, 'perf_event_open: attributes contradict each other');
  return {
    type: view.getUint32(0, true),
    config: Number(word(8)),
    period: word(16),
    read_format: Number(word(32)),
    disabled: bit(DISABLED),
    inherit: bit(INHERIT),
    inherit_thread: bit(INHERIT_THREAD),
    exclude_user: bit(EXCLUDE_USER),
    exclude_kernel: bit(EXCLUDE_KERNEL),
    enable_on_exec: bit(ENABLE_ON_EXEC),
    remove_on_exec: bit(REMOVE_ON_EXEC),
    namespaces: bit(NAMESPACES),
    sigtrap: bit(SIGTRAP),
    freq: bit(FREQ),
  };
}

/** May the caller count what it asks for (kernel.perf_event_paranoid)? */
function mayCount(task: Task, attr: Asked): void {
  const paranoid = task.kernel.sysctl.perf_event_paranoid;
  if (!attr.exclude_kernel && paranoid > 1 && !perfmon(task))
    throw errno(E.EACCES, 'perf_event_open: kernel.perf_event_paranoid is {}: events of the kernel need CAP_PERFMON', paranoid); // prettier-ignore
  if (attr.namespaces && !perfmon(task))
    throw errno(E.EACCES, 'perf_event_open: events of namespaces need CAP_PERFMON');
  if (attr.freq ? attr.period > 100_000n : attr.period >> 63n)
    throw errno(E.EINVAL, 'perf_event_open: the period or frequency {} is too high', attr.period);
}

function sys_perf_event_open(
  task: Task,
  at: number,
  who: number,
  cpu: number,
  groupFd: number,
  how: number,
): number {
  if (how & ~ALL_FLAGS) throw errno(E.EINVAL, 'perf_event_open: flags {} are unknown', how);
  const attr = copyAttr(task, at);
  mayCount(task, attr);
  if (how & P.PERF_FLAG_PID_CGROUP)
    throw errno(E.EINVAL, 'perf_event_open: there are no control groups to count');
  get_unused_fd(task);
  const leader = groupFd === -1 ? null : leaderOf(task, groupFd);
  const target = who === -1 ? null : who === 0 ? task : (task.kernel.pids.find(who)?.task ?? null);
  if (who !== -1 && (target === null || target.exiting))
    throw errno(E.ESRCH, 'perf_event_open: no process or thread has the id {}', who);
  if (target !== null && leader !== null && leader.attr.inherit !== attr.inherit)
    throw errno(E.EINVAL, 'perf_event_open: events of a group are inherited together');
  if ((cpu < 0 || cpu >= task.kernel.sched.rqs.length) && (target === null || cpu !== -1))
    throw errno(E.EINVAL, 'perf_event_open: there is no processor {}, or neither task nor processor is named', cpu); // prettier-ignore
  if (attr.sigtrap && target === null)
    throw errno(E.EINVAL, 'perf_event_open: sigtrap is for events of tasks');
  if (attr.inherit && attr.read_format & P.PERF_FORMAT_GROUP)
    throw errno(E.EINVAL, 'perf_event_open: inherited events are not read as a group');
  if (attr.type !== P.PERF_TYPE_SOFTWARE || attr.config >= P.PERF_COUNT_SW_MAX)
    throw errno(E.ENOENT, 'perf_event_open: there is no event {} of type {}: only those of software', attr.config, attr.type); // prettier-ignore
  if (attr.period !== 0n)
    throw errno(E.EOPNOTSUPP, 'perf_event_open: events are counted here, not sampled');
  permitted(task, target);
  if (leader !== null && (leader.leader !== leader || leader.owner !== target || leader.cpu !== cpu))
    throw errno(E.EINVAL, 'perf_event_open: the group is of another task or processor, or fd {} is not its first', groupFd); // prettier-ignore
  const event = new PerfEvent(task.kernel, attr, target, cpu, leader);
  if (!attr.disabled) event.enable(true);
  return fd_install(task, new PerfEventFile(task, event), (how & P.PERF_FLAG_FD_CLOEXEC) !== 0);
}

function leaderOf(task: Task, groupFd: number): PerfEvent {
  const file = fget(task, groupFd);
  if (file instanceof PerfEventFile) return file.event;
  throw errno(E.EBADF, 'perf_event_open: fd {} is no performance event', groupFd);
}

function permitted(task: Task, target: Task | null): void {
  const paranoid = task.kernel.sysctl.perf_event_paranoid;
  if (target === null && paranoid > 0 && !perfmon(task))
    throw errno(E.EACCES, 'perf_event_open: kernel.perf_event_paranoid is {}: events of processors need CAP_PERFMON', paranoid); // prettier-ignore
  if (target !== null && !perfmon(task) && !may_access(task, target, 'real'))
    throw errno(E.EACCES, 'perf_event_open: process {} (uid {}) is not uid {}\'s to look into', target.tgid, target.cred.uid, task.cred.uid); // prettier-ignore
}

/** prctl(PR_TASK_PERF_EVENTS_ENABLE and _DISABLE): all events that watch the caller. */
export function perf_event_task_enable(task: Task, on: boolean): number {
  for (const event of task.perf_events ?? []) event.enable(on);
  return 0;
}

export const PERF_EVENT: readonly SyscallRow[] = [
  row(NR.__NR_perf_event_open, 'perf_event_open', [ptr, pid, int, fd, flags('perf_event_open')], partial('counts of software events; no samples, hardware events or breakpoints'), sys_perf_event_open), // prettier-ignore
];
