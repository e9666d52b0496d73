import { EINTR } from '@vitrine/uapi/errno.ts';
import {
  SA_ONESHOT,
  SA_RESTART,
  SIGKILL,
  SIGSTOP,
  SIG_DFL,
  SIG_IGN,
} from '@vitrine/uapi/signal.ts';
import { __NR_restart_syscall } from '@vitrine/uapi/unistd.ts';
import { ERESTARTNOHAND, ERESTARTSYS, ERESTART_RESTARTBLOCK } from '../../include/errno.ts';
import { do_coredump } from '../../kernel/coredump.ts';
import { do_group_exit } from '../../kernel/exit.ts';
import {
  SIG_KERNEL_COREDUMP,
  SIG_KERNEL_IGNORE,
  SIG_KERNEL_ONLY,
  SIG_KERNEL_STOP,
  dequeue_signal,
  do_signal_stop,
  is_orphaned_pgrp,
  recalc_sigpending,
  restore_saved_sigmask,
  sig_action,
  sigmask,
  signal_name,
  stop_thread,
} from '../../kernel/signal.ts';
import type { SigInfo } from '../../kernel/signal_struct.ts';
import type { Task } from '../../kernel/task.ts';
import { setResult } from './result.ts';
import { rseq_handle_notify_resume } from '../../kernel/rseq.ts';
import { setup_rt_frame } from './signal.ts';

const SYSCALL_INSTRUCTION_SIZE = 2;
/** In a wait status: a core was dumped (<bits/waitflags.h>). */
const WCOREFLAG = 0x80;

/**
 * Before user mode goes on: stops, ends or hands signals to their handlers, and settles an interrupted system call
 * (arch_do_signal_or_restart).
 * @returns false when the task no longer runs
 */
export function do_signal(task: Task): boolean {
  for (;;) {
    const info = get_signal(task);
    if (info === 'gone') return false;
    if (info === null) break;
    const action = sig_action(task, info.signo);
    const { cpu, trace } = task.kernel;
    settle(task, (action.flags & SA_RESTART) !== 0);
    if (trace.signal_deliver.enabled)
      trace.signal_deliver.emit({ pid: task.pid, sig: info.signo, action: 'handler', info });
    if ((action.flags & SA_ONESHOT) !== 0)
      task.sighand.action[info.signo] = { ...action, handler: SIG_DFL };
    rseq_handle_notify_resume(task);
    setup_rt_frame(task, cpu, action, info);
    if (!task.sigpending) return true;
  }
  if (task.restart_code !== 0) rewind(task);
  restore_saved_sigmask(task);
  return true;
}

/** A handler runs: the interrupted call fails with EINTR or is made to run again after it. */
function settle(task: Task, restart: boolean): void {
  const code = task.restart_code;
  task.restart_code = 0;
  if (code === 0) return;
  if (
    code === ERESTARTNOHAND ||
    code === ERESTART_RESTARTBLOCK ||
    (code === ERESTARTSYS && !restart)
  ) {
    setResult(task.kernel.cpu, -EINTR);
    return;
  }
  task.kernel.cpu.rip -= SYSCALL_INSTRUCTION_SIZE;
  setResult(task.kernel.cpu, task.syscall);
}

/** No handler ran: the interrupted call runs again. */
function rewind(task: Task): void {
  const block = task.restart_code === ERESTART_RESTARTBLOCK;
  task.restart_code = 0;
  task.kernel.cpu.rip -= SYSCALL_INSTRUCTION_SIZE;
  if (block) task.restart_nr = task.syscall;
  setResult(task.kernel.cpu, block ? __NR_restart_syscall : task.syscall);
}

/** Tells that a signal ends the process. */
function fatal({ kernel, pid, comm }: Task, info: SigInfo, action: 'kill' | 'core'): void {
  const sig = info.signo;
  if (kernel.trace.signal_deliver.enabled)
    kernel.trace.signal_deliver.emit({ pid, sig, action, info });
  kernel.printk(
    6,
    `${comm}[${pid}]: killed by ${signal_name(sig)}${info.reason ? `: ${info.reason}` : ''}`,
  );
}

/** The next signal that has a handler; carries out default actions on the way (get_signal). */
function get_signal(task: Task): SigInfo | null | 'gone' {
  const { signal } = task;
  for (;;) {
    if (signal.group_exit !== null) {
      // A fatal signal ends the process when it is sent: tell of it here, where the others are told of.
      const sig = signal.group_exit & 0x7f;
      const sent = [...task.pending.queue, ...signal.shared_pending.queue];
      const info = sent.find(({ signo }) => signo === sig);
      if (info !== undefined && task === task.group_leader) fatal(task, info, 'kill');
      do_group_exit(task, signal.group_exit);
      return 'gone';
    }
    if (signal.stopping !== 0) {
      stop_thread(task);
      return 'gone';
    }
    const info = dequeue_signal(task, ~task.blocked & ALL);
    if (info === null) {
      recalc_sigpending(task);
      return null;
    }
    const sig = info.signo;
    const bit = sigmask(sig);
    const { handler } = sig_action(task, sig);
    if (handler === SIG_IGN && sig !== SIGKILL && sig !== SIGSTOP) continue;
    if (handler !== SIG_DFL && handler !== SIG_IGN) return info;
    if ((SIG_KERNEL_IGNORE & bit) !== 0n) continue;
    if (signal.unkillable && (SIG_KERNEL_ONLY & bit) === 0n) continue;
    if ((SIG_KERNEL_STOP & bit) !== 0n) {
      if (sig !== SIGSTOP && is_orphaned_pgrp(signal.pgrp)) continue;
      do_signal_stop(task, sig);
      return 'gone';
    }
    const core = (SIG_KERNEL_COREDUMP & bit) !== 0n;
    fatal(task, info, core ? 'core' : 'kill');
    do_group_exit(task, core && do_coredump(task, info) ? sig | WCOREFLAG : sig);
    return 'gone';
  }
}

const ALL = 0xffff_ffff_ffff_ffffn;
