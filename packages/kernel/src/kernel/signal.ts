import { LANDLOCK_SCOPE_SIGNAL } from '@vitrine/uapi/landlock.ts';
import * as S from '@vitrine/uapi/signal.ts';
import { RLIMIT_SIGPENDING } from '@vitrine/uapi/resource.ts';
import { CAP_KILL } from '@vitrine/uapi/capability.ts';
import { EAGAIN, EPERM } from '@vitrine/uapi/errno.ts';
import { ns_capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { get_user, sigqueue_charge, sigqueue_room } from '../include/user.ts';
import type { Pid } from './pid.ts';
import { DEFAULT_ACTION, type SigAction, type SigInfo, type SigPending } from './signal_struct.ts';
import { TASK_INTERRUPTIBLE, TASK_STOPPED, TASK_UNINTERRUPTIBLE, type Task } from './task.ts';

export const _NSIG = 64;

/** The bit of a signal in a set. */
export const sigmask = (sig: number): bigint => BITS[sig]!;
const BITS = Array.from({ length: 65 }, (_, sig) => (sig === 0 ? 0n : 1n << BigInt(sig - 1)));
const setOf = (...sigs: number[]): bigint => sigs.reduce((set, sig) => set | sigmask(sig), 0n);

export const SIG_KERNEL_ONLY: bigint = setOf(S.SIGKILL, S.SIGSTOP);
export const SIG_KERNEL_STOP: bigint = setOf(S.SIGSTOP, S.SIGTSTP, S.SIGTTIN, S.SIGTTOU);
export const SIG_KERNEL_COREDUMP: bigint = setOf(S.SIGQUIT, S.SIGILL, S.SIGTRAP, S.SIGABRT, S.SIGFPE, S.SIGSEGV, S.SIGBUS, S.SIGSYS, S.SIGXCPU, S.SIGXFSZ); // prettier-ignore
export const SIG_KERNEL_IGNORE: bigint = setOf(S.SIGCONT, S.SIGCHLD, S.SIGWINCH, S.SIGURG);
/** Delivered before others, because the instruction caused them. */
const SYNCHRONOUS: bigint = setOf(S.SIGSEGV, S.SIGBUS, S.SIGILL, S.SIGTRAP, S.SIGFPE, S.SIGSYS);

const NAMES: string[] = [];
for (const [name, value] of Object.entries(S)) {
  if (/^SIG[A-Z0-9]+$/.test(name) && typeof value === 'number' && value >= 1 && value < 32)
    NAMES[value] ??= name;
}
NAMES[S.SIGABRT] = 'SIGABRT';
NAMES[S.SIGIO] = 'SIGIO';

/** `SIGINT` for 2, `SIGRT_3` for 35. */
export function signal_name(sig: number): string {
  return sig < 32 ? (NAMES[sig] ?? `SIG_${sig}`) : `SIGRT_${sig - 32}`;
}

export function valid_signal(sig: number): boolean {
  return Number.isInteger(sig) && sig >= 0 && sig <= _NSIG;
}

export function sig_action(task: Task, sig: number): SigAction {
  return task.sighand.action[sig]!;
}

const lowest = (set: bigint): number => {
  const low = Number(set & 0xffff_ffffn);
  if (low !== 0) return 32 - Math.clz32(low & -low);
  const high = Number(set >> 32n);
  return 64 - Math.clz32(high & -high);
};

/** TIF_SIGPENDING as the pending and blocked sets say (recalc_sigpending). */
export function recalc_sigpending(task: Task): void {
  const pending = task.pending.signal | task.signal.shared_pending.signal;
  task.sigpending =
    (pending !== 0n && (pending & ~task.blocked) !== 0n) ||
    (task.signal.group_exit !== null && !task.dead) ||
    (task.signal.stopping !== 0 && task.state !== TASK_STOPPED);
}

/** Something happened that the task must look at before it goes on in user mode. */
export function signal_wake_up(task: Task, fatal: boolean): void {
  task.sigpending = true;
  const states = fatal
    ? TASK_INTERRUPTIBLE + TASK_UNINTERRUPTIBLE + TASK_STOPPED
    : TASK_INTERRUPTIBLE;
  task.kernel.sched.wake_up(task, states);
}

/** Would the signal do nothing to this task? A blocked one is kept: its action may change. */
function sig_ignored(task: Task, sig: number, force: boolean): boolean {
  if (((task.blocked | task.real_blocked) & sigmask(sig)) !== 0n) return false;
  return sig_task_ignored(task, sig, force);
}

function sig_task_ignored(task: Task, sig: number, force: boolean): boolean {
  const { handler } = sig_action(task, sig);
  if (
    task.signal.unkillable &&
    handler === S.SIG_DFL &&
    !(force && (SIG_KERNEL_ONLY & sigmask(sig)) !== 0n)
  )
    return true;
  if (task.kthread) return true;
  return (
    handler === S.SIG_IGN || (handler === S.SIG_DFL && (SIG_KERNEL_IGNORE & sigmask(sig)) !== 0n)
  );
}

/** The entry no longer counts towards its user's RLIMIT_SIGPENDING. */
function uncharge(kernel: Kernel, info: SigInfo): void {
  if (info.charged !== undefined) sigqueue_charge(kernel, info.charged, -1);
}

/** A task that is gone leaves nothing queued. */
export function flush_sigqueue(kernel: Kernel, pending: SigPending): void {
  for (const info of pending.queue) uncharge(kernel, info);
  pending.queue = [];
  pending.signal = 0n;
}

/** Takes signals of a set out of a queue. */
export function flush_sigqueue_mask(kernel: Kernel, pending: SigPending, set: bigint): void {
  if ((pending.signal & set) === 0n) return;
  pending.queue = pending.queue.filter((info) => {
    const keep = (sigmask(info.signo) & set) === 0n;
    if (!keep) uncharge(kernel, info);
    return keep;
  });
  pending.signal &= ~set;
}

/** Stop and continue signals cancel each other; SIGCONT continues at once (prepare_signal). @returns keep it? */
function prepare_signal(task: Task, sig: number, force: boolean): boolean {
  const { signal } = task;
  const bit = sigmask(sig);
  if (signal.group_exit !== null && sig !== S.SIGKILL) return false;
  if ((SIG_KERNEL_STOP & bit) !== 0n) {
    flush_sigqueue_mask(task.kernel, signal.shared_pending, sigmask(S.SIGCONT));
    for (const thread of signal.threads)
      flush_sigqueue_mask(task.kernel, thread.pending, sigmask(S.SIGCONT));
  } else if (sig === S.SIGCONT) {
    flush_sigqueue_mask(task.kernel, signal.shared_pending, SIG_KERNEL_STOP);
    for (const thread of signal.threads) {
      flush_sigqueue_mask(task.kernel, thread.pending, SIG_KERNEL_STOP);
      task.kernel.sched.wake_up(thread, TASK_STOPPED);
    }
    if (signal.stopped !== null) {
      signal.continued = true;
      const why = signal.stopped.complete ? S_CLD_CONTINUED : S_CLD_STOPPED;
      signal.stopped = null;
      signal.stopping = 0;
      do_notify_parent_cldstop(task.group_leader, why);
    }
    signal.stopping = 0;
    for (const thread of signal.threads) recalc_sigpending(thread);
  }
  return !sig_ignored(task, sig, force);
}

// <asm-generic/siginfo.h>, members of enums that the preprocessor does not list.
export const S_CLD_EXITED = 1;
export const S_CLD_KILLED = 2;
export const S_CLD_DUMPED = 3;
export const S_CLD_TRAPPED = 4;
export const S_CLD_STOPPED = 5;
export const S_CLD_CONTINUED = 6;

/** Does the thread take this signal now? */
function wants_signal(task: Task, sig: number): boolean {
  if ((task.blocked & sigmask(sig)) !== 0n || task.dead || task.exiting) return false;
  if (sig === S.SIGKILL) return true;
  if (task.state === TASK_STOPPED) return false;
  return !task.sigpending || task.kernel.sched.task_curr(task);
}

/** The thread that a process's signal is for: the one named if it can take it now, else the last such one, or who follows. */
function choose_thread(task: Task, sig: number, shared: boolean): Task | null {
  if (wants_signal(task, sig)) return task;
  const { signal } = task;
  if (!shared) return null;
  const threads = [...signal.threads];
  const from = Math.max(0, threads.indexOf(signal.curr_target!));
  for (let i = 0; i < threads.length; i++) {
    const thread = threads[(from + i) % threads.length]!;
    if (wants_signal(thread, sig)) return (signal.curr_target = thread);
  }
  return null;
}

/** Chooses the thread that handles it and, for a fatal signal, starts the end of the whole process. */
function complete_signal(task: Task, sig: number, shared: boolean): void {
  const target = choose_thread(task, sig, shared);
  if (target === null) return;
  const bit = sigmask(sig);
  const fatal =
    sig_action(target, sig).handler === S.SIG_DFL &&
    (target.real_blocked & bit) === 0n &&
    ((SIG_KERNEL_IGNORE | SIG_KERNEL_STOP) & bit) === 0n &&
    (!target.signal.unkillable || sig === S.SIGKILL) &&
    target.signal.group_exit === null &&
    (SIG_KERNEL_COREDUMP & bit) === 0n;
  if (fatal) {
    target.signal.group_exit = sig;
    target.signal.stopping = 0;
    for (const thread of target.signal.threads) {
      thread.pending.signal |= sigmask(S.SIGKILL);
      signal_wake_up(thread, true);
    }
    return;
  }
  signal_wake_up(target, sig === S.SIGKILL);
}

/** A signal from the kernel itself. */
export const kernelInfo = (sig: number, reason: string): SigInfo => ({
  signo: sig,
  code: S.SI_KERNEL,
  errno: 0,
  pid: 0,
  uid: 0,
  reason,
});

/** A signal that a process sent with kill(2). */
export function userInfo(sender: Task, sig: number, code: number = S.SI_USER): SigInfo {
  return {
    signo: sig,
    code,
    errno: 0,
    pid: sender.tgid,
    uid: sender.cred.uid,
    reason: `sent by process ${sender.tgid} (${sender.comm})`,
  };
}

/** Queues what goes with a signal, up to RLIMIT_SIGPENDING (sigqueue_alloc); a timer has its place since it was made. */
function enqueue(task: Task, pending: SigPending, info: SigInfo): void {
  if (info.timerid !== undefined) {
    pending.queue.push(info);
    return;
  }
  const { kernel } = task;
  const { uid } = task.cred;
  const limit = task.rlimit(RLIMIT_SIGPENDING);
  // Where there is no room, classic signals of kill(2) and the kernel queue all the same, others arrive without their details.
  const override = info.signo < 32 && info.code >= 0;
  if (override || sigqueue_room(kernel, uid, limit)) {
    sigqueue_charge(kernel, uid, 1);
    pending.queue.push({ ...info, charged: uid });
  } else if (info.signo >= 32 && info.code !== S.SI_USER)
    throw errno(EAGAIN, 'user {} has {} signals queued, RLIMIT_SIGPENDING allows {}', uid, get_user(kernel, uid).sigpending, limit); // prettier-ignore
}

/**
 * Queues a signal (analogous to __send_signal_locked).
 * @param shared for the process rather than the one thread
 * @param force from the kernel or an ancestor namespace: reaches even an init without a handler
 */
export function send_signal(
  task: Task,
  info: SigInfo,
  shared: boolean,
  force: boolean = info.code === S.SI_KERNEL,
): void {
  const sig = info.signo;
  if (task.dead && !shared) return;
  const { trace } = task.kernel;
  if (trace.signal_generate.enabled)
    trace.signal_generate.emit({
      pid: task.pid,
      sig,
      code: info.code,
      sender: info.pid ?? 0,
      reason: info.reason ?? '',
    });
  if (!prepare_signal(task, sig, force)) return;
  const pending = shared ? task.signal.shared_pending : task.pending;
  const bit = sigmask(sig);
  // Classic signals are a flag; real-time ones queue, and so does each timer's (posixtimer_send_sigqueue).
  if (sig < 32 && (pending.signal & bit) !== 0n && info.timerid === undefined) return;
  enqueue(task, pending, info);
  pending.signal |= bit;
  if (task.sighand.signalfd_wqh.active) task.sighand.signalfd_wqh.wake();
  complete_signal(task, sig, shared);
}

/** To the whole process, from the kernel. */
export function send_sig(sig: number, task: Task, reason: string): void {
  send_signal(task, kernelInfo(sig, reason), true);
}

/** To one thread, even if it blocks or ignores it: faults (force_sig_info_to_task). */
export function force_sig_info(task: Task, info: SigInfo): void {
  const bit = sigmask(info.signo);
  const action = sig_action(task, info.signo);
  if (action.handler === S.SIG_IGN || (task.blocked & bit) !== 0n) {
    task.sighand.action[info.signo] = { ...action, handler: S.SIG_DFL };
    task.blocked &= ~bit;
  }
  // A fault nobody handles ends even init.
  if (sig_action(task, info.signo).handler === S.SIG_DFL) task.signal.unkillable = false;
  send_signal(task, info, false, true);
  recalc_sigpending(task);
}

export function force_sig(task: Task, sig: number, reason: string): void {
  force_sig_info(task, kernelInfo(sig, reason));
}

/** To every process of a group; false when it has none. */
export function kill_pgrp(pgrp: Pid, info: SigInfo): boolean {
  let any = false;
  for (const task of [...pgrp.tasks.pgid]) {
    any = true;
    send_signal(task, info, true);
  }
  return any;
}

/** May the sender signal the target (kill(2))? Throws EPERM. */
export function check_kill_permission(sender: Task, sig: number, target: Task): void {
  const from = sender.cred;
  const to = target.cred;
  if (sender.tgid === target.tgid) return;
  check_kill_ids(sender, sig, target);
  if (from.landlock?.is_scoped(to.landlock, LANDLOCK_SCOPE_SIGNAL))
    throw errno(EPERM, 'Landlock: process {} is outside of the domain of process {}, which may not signal there', target.tgid, sender.tgid); // prettier-ignore
}

function check_kill_ids(sender: Task, sig: number, target: Task): void {
  const from = sender.cred;
  const to = target.cred;
  if (from.euid === to.suid || from.euid === to.uid || from.uid === to.suid || from.uid === to.uid)
    return;
  if (ns_capable(from, to.userNs, CAP_KILL)) return;
  if (sig === S.SIGCONT && sender.signal.session === target.signal.session) return;
  throw errno(EPERM, 'process {} (uid {}, euid {}) may not signal process {} (uid {}, saved uid {}): the ids differ and it lacks CAP_KILL',
    sender.tgid, from.uid, from.euid, target.tgid, to.uid, to.suid); // prettier-ignore
}

function take(task: Task, pending: SigPending, mask: bigint): SigInfo | null {
  const ready = pending.signal & mask;
  if (ready === 0n) return null;
  const sig = lowest((ready & SYNCHRONOUS) !== 0n ? ready & SYNCHRONOUS : ready);
  const i = pending.queue.findIndex((info) => info.signo === sig);
  const info: SigInfo =
    i < 0
      ? { signo: sig, code: S.SI_USER, errno: 0, pid: 0, uid: 0 }
      : pending.queue.splice(i, 1)[0]!;
  uncharge(task.kernel, info);
  if (!pending.queue.some((other) => other.signo === sig)) pending.signal &= ~sigmask(sig);
  if (info.code !== S.SI_TIMER || info.timerid === undefined) return info;
  return task.signal.posix_timers?.get(info.timerid)?.deliver(info) ?? info;
}

/** Takes the next pending signal that `mask` lets through: the thread's own first. */
export function dequeue_signal(task: Task, mask: bigint): SigInfo | null {
  const info = take(task, task.pending, mask) ?? take(task, task.signal.shared_pending, mask);
  recalc_sigpending(task);
  return info;
}

/** Other threads take pending signals that this one no longer will. */
export function retarget_shared_pending(task: Task, signals: bigint): void {
  for (const thread of task.signal.threads) {
    if (signals === 0n) return;
    if (thread === task || thread.exiting || (signals & ~thread.blocked) === 0n) continue;
    signals &= thread.blocked;
    if (!thread.sigpending) signal_wake_up(thread, false);
  }
}

/** Sets the blocked set; SIGKILL and SIGSTOP cannot be blocked (set_current_blocked). */
export function set_current_blocked(task: Task, set: bigint): void {
  const blocked = set & ~SIG_KERNEL_ONLY;
  const newly = blocked & ~task.blocked;
  task.blocked = blocked;
  retarget_shared_pending(task, task.signal.shared_pending.signal & newly);
  recalc_sigpending(task);
}

/** For ppoll, pselect, epoll_pwait, sigsuspend: `set` holds until the call ends or a handler returns. */
export function set_user_sigmask(task: Task, set: bigint): void {
  if (task.saved_sigmask === null) task.saved_sigmask = task.blocked;
  set_current_blocked(task, set);
}

export function restore_saved_sigmask(task: Task): void {
  if (task.saved_sigmask === null) return;
  const saved = task.saved_sigmask;
  task.saved_sigmask = null;
  set_current_blocked(task, saved);
}

/** sigaction(2): a signal that is ignored from now on is no longer pending. */
export function do_sigaction(task: Task, sig: number, action: SigAction): void {
  task.sighand.action[sig] = { ...action, mask: action.mask & ~SIG_KERNEL_ONLY };
  if (
    action.handler !== S.SIG_IGN &&
    !(action.handler === S.SIG_DFL && (SIG_KERNEL_IGNORE & sigmask(sig)) !== 0n)
  )
    return;
  flush_sigqueue_mask(task.kernel, task.signal.shared_pending, sigmask(sig));
  for (const thread of task.signal.threads) {
    flush_sigqueue_mask(task.kernel, thread.pending, sigmask(sig));
    recalc_sigpending(thread);
  }
}

/** execve: handlers go back to default, ignored ones stay (flush_signal_handlers). */
export function flush_signal_handlers(task: Task, forceDefault: boolean): void {
  task.sighand.action = task.sighand.action.map((a) =>
    a.handler === S.SIG_IGN && !forceDefault
      ? { ...DEFAULT_ACTION, handler: S.SIG_IGN }
      : DEFAULT_ACTION,
  );
}

/** Tells the parent that a child stopped or continued. */
export function do_notify_parent_cldstop(leader: Task, code: number): void {
  const parent = leader.real_parent;
  if (parent === null) return;
  const action = sig_action(parent, S.SIGCHLD);
  const status = code === S_CLD_CONTINUED ? S.SIGCONT : (leader.signal.stopped?.sig ?? S.SIGSTOP);
  if (action.handler !== S.SIG_IGN && (action.flags & S.SA_NOCLDSTOP) === 0) {
    send_signal(
      parent,
      {
        signo: S.SIGCHLD,
        code,
        errno: 0,
        pid: leader.tgid,
        uid: leader.cred.uid,
        status,
        utime: 0,
        stime: 0,
        reason: `child ${leader.tgid} stopped or continued`,
      },
      true,
      true,
    );
  }
  parent.signal.wait_chldexit.wake();
}

/** A stop signal took effect: every thread of the process stops (do_signal_stop). */
export function do_signal_stop(task: Task, sig: number): void {
  const { signal } = task;
  if (signal.stopped === null) {
    signal.stopped = { sig, reported: false, complete: false };
    signal.continued = false;
    signal.stopping = sig;
    for (const thread of signal.threads)
      if (thread !== task && !thread.dead) signal_wake_up(thread, false);
  }
  stop_thread(task);
}

/** One thread comes to its stop; the last one reports to the parent. */
export function stop_thread(task: Task): void {
  const { signal } = task;
  task.state = TASK_STOPPED;
  for (const thread of signal.threads) {
    if (thread.state !== TASK_STOPPED && !thread.dead) return;
  }
  signal.stopping = 0;
  if (signal.stopped === null || signal.stopped.complete) return;
  signal.stopped.complete = true;
  do_notify_parent_cldstop(task.group_leader, S_CLD_STOPPED);
}

/** Is the group orphaned: no member has a parent in another group of the same session? (POSIX) */
export function is_orphaned_pgrp(pgrp: Pid, except: Task | null = null): boolean {
  for (const task of pgrp.tasks.pgid) {
    if (task === except || (task.dead && task.signal.threads.size === 0)) continue;
    const parent = task.real_parent;
    // Linux leaves out children of the global init. PID 1 here is a container's: it may be a shell with jobs of its own.
    if (parent === null) continue;
    if (parent.signal.pgrp !== pgrp && parent.signal.session === task.signal.session) return false;
  }
  return true;
}

export function has_stopped_jobs(pgrp: Pid): boolean {
  for (const task of pgrp.tasks.pgid) if (task.signal.stopped !== null) return true;
  return false;
}

/** Every task of the machine, leaders and threads, in order of pid. */
export function* for_each_process(kernel: Kernel): Generator<Task> {
  for (const pid of [...kernel.pids.pids.values()].sort((a, b) => a.nr - b.nr)) {
    for (const task of pid.tasks.tgid) yield task;
  }
}
