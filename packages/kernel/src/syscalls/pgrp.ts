import * as E from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import type { Pid } from '../kernel/pid.ts';
import { sched_autogroup_create_attach } from '../kernel/sched/autogroup.ts';
import type { Task } from '../kernel/task.ts';
import { pid } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

function findTask(task: Task, who: number, call: string): Task {
  if (who === 0) return task.group_leader;
  const found = task.kernel.pids.find(who)?.task;
  if (!found) throw errno(E.ESRCH, '{}: there is no process {}', call, who);
  return found.group_leader;
}

function change_pgrp(leader: Task, pgrp: Pid): void {
  const { pids } = leader.kernel;
  if (leader.signal.pgrp === pgrp) return;
  const old = leader.signal.pgrp;
  leader.signal.pgrp = pgrp;
  pids.attach(pgrp, 'pgid', leader);
  pids.detach(old, 'pgid', leader);
}

/** setpgid(2): a process moves itself or a child that has not called execve yet. */
function sys_setpgid(task: Task, who: number, group: number): number {
  if (group < 0 || (group === 0 && who < 0))
    throw errno(E.EINVAL, 'setpgid: {} is no process group id', group || who);
  const self = task.group_leader;
  const target = who === 0 || who === self.tgid ? self : findTask(task, who, 'setpgid');
  const pgid = group === 0 ? target.tgid : group;
  if (target !== self) {
    if (target.real_parent?.group_leader !== self)
      throw errno(E.ESRCH, 'setpgid: process {} is neither the caller nor its child', who);
    if (target.signal.session !== self.signal.session)
      throw errno(E.EPERM, 'setpgid: child {} is in another session', who);
    if (target.did_exec) throw errno(E.EACCES, 'setpgid: child {} has called execve already', who);
  }
  if (target.signal.leader)
    throw errno(E.EPERM, 'setpgid: process {} leads its session', target.tgid);
  let pgrp = target.thread_pid;
  if (pgid !== target.tgid) {
    const found = task.kernel.pids.find(pgid);
    const member = found && [...found.tasks.pgid][0];
    if (!found || !member || member.signal.session !== self.signal.session) throw errno(E.EPERM, 'setpgid: there is no process group {} in the session {}', pgid, self.signal.session.nr); // prettier-ignore
    pgrp = found;
  }
  change_pgrp(target, pgrp);
  return 0;
}

function sys_getpgid(task: Task, who: number): number {
  return findTask(task, who, 'getpgid').signal.pgrp.nr;
}

function sys_getsid(task: Task, who: number): number {
  return findTask(task, who, 'getsid').signal.session.nr;
}

/** setsid(2): a new session and group, without terminal. */
function sys_setsid(task: Task): number {
  const leader = task.group_leader;
  const { signal, thread_pid } = leader;
  if (signal.leader)
    throw errno(E.EPERM, 'setsid: process {} leads a session already', leader.tgid);
  if (thread_pid.tasks.pgid.size > 0)
    throw errno(E.EPERM, 'setsid: process {} leads a process group', leader.tgid);
  const { pids } = task.kernel;
  signal.leader = true;
  change_pgrp(leader, thread_pid);
  const old = signal.session;
  signal.session = thread_pid;
  pids.attach(thread_pid, 'sid', leader);
  pids.detach(old, 'sid', leader);
  signal.tty = null;
  sched_autogroup_create_attach(leader);
  return thread_pid.nr;
}

export const PGRP: readonly SyscallRow[] = [
  row(NR.__NR_setpgid, 'setpgid', [pid, pid], FULL, sys_setpgid),
  row(NR.__NR_getpgid, 'getpgid', [pid], FULL, sys_getpgid),
  row(NR.__NR_getpgrp, 'getpgrp', [], FULL, (task) => task.signal.pgrp.nr),
  row(NR.__NR_getsid, 'getsid', [pid], FULL, sys_getsid),
  row(NR.__NR_setsid, 'setsid', [], FULL, sys_setsid),
];
