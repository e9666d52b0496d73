import * as S from '@vitrine/uapi/signal.ts';
import { exit_files, release_held_files } from '../fs/fdtable.ts';
import { exit_fs } from '../fs/fs_struct.ts';
import { detach_mounts } from '../fs/mount.ts';
import { exit_keys } from '../security/keys/process_keys.ts';
import { mmput } from '../mm/dup.ts';
import { acct_process } from './acct.ts';
import { exit_robust_list, futex_exit, futex_wake_address } from './futex.ts';
import { exit_itimers } from './time/itimer.ts';
import { exit_posix_timers } from './time/posix_timers.ts';
import { PendingCall } from '../include/current.ts';
import { get_user } from '../include/user.ts';
import {
  flush_sigqueue,
  S_CLD_DUMPED,
  S_CLD_EXITED,
  S_CLD_KILLED,
  has_stopped_jobs,
  is_orphaned_pgrp,
  kernelInfo,
  kill_pgrp,
  retarget_shared_pending,
  send_signal,
  sig_action,
  signal_name,
  stop_thread,
  userInfo,
  valid_signal,
} from './signal.ts';
import { perf_event_exit_task } from './perf_event.ts';
import { seccomp_filter_release } from './seccomp.ts';
import { task_cputime } from './sched/fair.ts';
import { EXIT_DEAD, EXIT_ZOMBIE, TASK_STOPPED, type Task } from './task.ts';

/** Ends the whole process with a wait status: every thread dies now (do_group_exit). */
export function do_group_exit(task: Task, status: number): void {
  const { signal } = task;
  signal.group_exit ??= status;
  for (const thread of [...signal.threads]) if (thread !== task) do_exit(thread, signal.group_exit);
  do_exit(task, signal.group_exit);
}

/**
 * Ends one thread (analogous to do_exit). The task keeps its entry until its parent waited for it; nothing else of it
 * is left.
 * @param code wait status: exit code << 8, or the signal that killed it
 */
export function do_exit(task: Task, code: number): void {
  if (task.exiting) return;
  const { kernel, signal } = task;
  task.exiting = true;
  if (task.sigpending && signal.group_exit === null)
    retarget_shared_pending(task, signal.shared_pending.signal & ~task.blocked);
  task.unpark();
  futex_exit(task);
  if (task.callState instanceof PendingCall) task.callState.abandon();
  task.callState = null;
  seccomp_filter_release(task);
  task.cred.landlock?.put();
  const last = [...signal.threads].every((thread) => thread === task || thread.dead);
  task.exit_code = signal.group_exit ?? code;
  if (last) {
    exit_itimers(task);
    exit_posix_timers(task);
  }
  if (kernel.trace.sched_process_exit.enabled)
    kernel.trace.sched_process_exit.emit({ pid: task.pid, comm: task.comm, code: task.exit_code });
  const memory = (task.mm?.total_vm ?? 0) * 4;
  task.io_uring_cancel(false);
  exit_mm(task);
  release_held_files(task);
  exit_files(task);
  exit_keys(task);
  exit_fs(task);
  if (last) task.group_leader.umh?.exited();
  if (last && signal.leader) disassociate_ctty(task);
  if (last && task.tgid === 1) {
    kernel.halted ??= { status: task.exit_code, reason: describe_exit(task) };
  }
  account(task);
  if (last) acct_process(task, memory);
  if (last) forget_original_parent(task);
  else leave_children(task);
  perf_event_exit_task(task);
  task.state = EXIT_ZOMBIE;
  leave_threads(task);
  if (!last) task.thread_pid.wait_pidfd?.wake();
  if (task !== task.group_leader) {
    // A thread other than the leader needs no waiting for.
    release_task(task);
    const leader = task.group_leader;
    if (last && leader.state === EXIT_ZOMBIE) {
      // The process ends as its last thread does, which need not be the leader (synchronize_group_exit).
      leader.exit_code = task.exit_code;
      exit_notify(leader);
    } else if (signal.stopping !== 0 && !last) settleStop(task);
    return;
  }
  if (last) exit_notify(task);
  else if (signal.stopping !== 0) settleStop(task);
}

function leave_threads(task: Task): void {
  const { signal } = task;
  if (signal.curr_target === task) {
    const threads = [...signal.threads];
    signal.curr_target = threads[(threads.indexOf(task) + 1) % threads.length]!;
  }
  signal.threads.delete(task);
}

/** The stop of a process is complete when its last running thread is gone, too. */
function settleStop(task: Task): void {
  for (const thread of task.signal.threads) {
    if (thread.state === TASK_STOPPED) {
      stop_thread(thread);
      return;
    }
  }
}

/** "exited with 3", "killed by SIGKILL: …". */
export function describe_exit(task: Task): string {
  const sig = task.exit_code & 0x7f;
  return sig === 0 ? `process ${task.tgid} (${task.comm}) exited with ${task.exit_code >> 8}` : `process ${task.tgid} (${task.comm}) was killed by ${signal_name(sig)}`; // prettier-ignore
}

/** What exec and exit have in common: nobody waits on this address space for the task any more (mm_release). */
export function mm_release(task: Task): void {
  exit_robust_list(task);
  if (task.clear_child_tid !== 0 && task.mm !== null) {
    if (task.mm.users > 1) {
      try {
        task.mem.putU32(task.clear_child_tid, 0);
        futex_wake_address(task, task.clear_child_tid, 1);
      } catch {
        // The address was unmapped meanwhile: nobody can wait on it.
      }
    }
    task.clear_child_tid = 0;
  }
  const vfork = task.vfork_done;
  task.vfork_done = null;
  vfork?.wake();
}

function exit_mm(task: Task): void {
  const { mm } = task;
  if (mm === null) return;
  mm_release(task);
  task.signal.used.maxrss = Math.max(task.signal.used.maxrss, mm.hiwater_rss);
  task.kernel.arch.leave_mm(task);
  task.mm = null;
  mmput(mm);
}

/** Adds a dead thread's times to its process's. */
function account(task: Task): void {
  const { used } = task.signal;
  const { utime, stime } = task_cputime(task);
  task.utime = utime;
  task.stime = stime;
  task.signal.ioac.add(task.ioac);
  used.utime += utime;
  used.stime += stime;
  used.minflt += task.min_flt;
  used.majflt += task.maj_flt;
  used.nvcsw += task.nvcsw;
  used.nivcsw += task.nivcsw;
}

/** The session leader's terminal is freed and its foreground group hung up. */
function disassociate_ctty(task: Task): void {
  const { tty } = task.signal;
  if (tty !== null) tty.disassociate(task);
}

/** The nearest living ancestor that adopts orphans, or PID 1 (find_new_reaper). */
function find_new_reaper(task: Task): Task | null {
  for (let at = task.real_parent; at !== null; at = at.real_parent) {
    if (at.signal.is_child_subreaper && !at.exiting) return at;
  }
  const { init } = task.kernel;
  return init !== null && init !== task && !init.exiting ? init : null;
}

/** The children that a thread made go to another of its process (find_new_reaper's alive thread). */
function leave_children(task: Task): void {
  const heir = [...task.signal.threads].find((thread) => thread !== task && !thread.exiting);
  if (heir === undefined) return;
  for (const child of task.group_leader.children) {
    if (child.parent_thread !== task) continue;
    child.parent_thread = heir;
    tell_parent_died(child, task);
  }
}

/** PR_SET_PDEATHSIG: whichever thread of the child asked for it. */
function tell_parent_died(child: Task, parent: Task): void {
  for (const thread of child.signal.threads) {
    if (thread.pdeath_signal === 0) continue;
    const reason = `its parent ${parent.pid} died (PR_SET_PDEATHSIG)`;
    send_signal(thread, { ...userInfo(parent, thread.pdeath_signal), reason }, true);
  }
}

/** Children get a new parent; groups that lose their last outside parent are orphaned. */
function forget_original_parent(task: Task): void {
  const leader = task.group_leader;
  const reaper = find_new_reaper(leader);
  for (const child of [...leader.children]) {
    leader.children.delete(child);
    child.parent = child.real_parent = child.parent_thread = reaper;
    tell_parent_died(child, leader);
    if (reaper === null) {
      if (child.state === EXIT_ZOMBIE) release_task(child);
      continue;
    }
    reaper.children.add(child);
    if (child.state === EXIT_ZOMBIE && child.signal.threads.size === 0) exit_notify(child);
    kill_orphaned_pgrp(child, leader);
  }
  kill_orphaned_pgrp(leader, null);
}

/** A stopped job that lost its shell is hung up and continued (POSIX 3.2.2.2). */
function kill_orphaned_pgrp(task: Task, parent: Task | null): void {
  const outside = parent ?? task.real_parent;
  if (outside === null) return;
  const { pgrp, session } = task.signal;
  if (outside.signal.pgrp === pgrp || outside.signal.session !== session) return;
  if (!is_orphaned_pgrp(pgrp, parent === null ? task : null) || !has_stopped_jobs(pgrp)) return;
  kill_pgrp(pgrp, kernelInfo(S.SIGHUP, 'its process group was orphaned while stopped'));
  kill_pgrp(pgrp, kernelInfo(S.SIGCONT, 'its process group was orphaned while stopped'));
}

/** Tells the parent; a parent that ignores SIGCHLD wants no zombie (exit_notify, do_notify_parent). */
function exit_notify(leader: Task): void {
  const parent = leader.real_parent;
  if (parent === null) {
    if (leader.pid !== 1) release_task(leader);
    return;
  }
  leader.thread_pid.wait_pidfd?.wake();
  let autoreap = false;
  let sig = leader.exit_signal;
  const sigchld = sig_action(parent, S.SIGCHLD);
  if (
    sig === S.SIGCHLD &&
    (sigchld.handler === S.SIG_IGN || (sigchld.flags & S.SA_NOCLDWAIT) !== 0)
  ) {
    autoreap = true;
    if (sigchld.handler === S.SIG_IGN) sig = 0;
  }
  if (parent.kthread) autoreap = true;
  if (sig !== 0 && valid_signal(sig) && !parent.kthread) {
    const status = leader.exit_code;
    const code =
      (status & 0x80) !== 0 ? S_CLD_DUMPED : (status & 0x7f) !== 0 ? S_CLD_KILLED : S_CLD_EXITED;
    const { utime, stime } = leader.signal.used;
    send_signal(
      parent,
      {
        signo: sig,
        code,
        errno: 0,
        pid: leader.tgid,
        uid: leader.cred.uid,
        status: (status & 0x7f) !== 0 ? status & 0x7f : status >> 8,
        utime: Math.floor(utime / 1e7),
        stime: Math.floor(stime / 1e7),
        reason: describe_exit(leader),
      },
      true,
      true,
    );
  }
  leader.exit_watch?.wake();
  if (autoreap) release_task(leader);
  parent.signal.wait_chldexit.wake();
}

/** The last trace of a task goes: its numbers are free again. */
export function release_task(task: Task): void {
  const { kernel } = task;
  task.state = EXIT_DEAD;
  const { pids } = kernel;
  pids.detach(task.thread_pid, 'pid', task);
  if (task === task.group_leader) {
    pids.detach(task.thread_pid, 'tgid', task);
    pids.detach(task.signal.pgrp, 'pgid', task);
    pids.detach(task.signal.session, 'sid', task);
    task.real_parent?.children.delete(task);
  }
  for (const dentry of task.proc_dentries ?? []) detach_mounts(kernel, dentry);
  flush_sigqueue(kernel, task.pending);
  if (task === task.group_leader) flush_sigqueue(kernel, task.signal.shared_pending);
  get_user(kernel, task.cred.uid).processes--;
  kernel.nr_threads--;
  task.sighand.count--;
}
