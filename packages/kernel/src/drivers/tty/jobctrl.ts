import { EINVAL, EIO, ENOTTY, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIG_IGN } from '@vitrine/uapi/signal.ts';
import { capable } from '../../include/cred.ts';
import { ERESTARTSYS, errno } from '../../include/errno.ts';
import type { Pid } from '../../kernel/pid.ts';
import { kernelInfo, kill_pgrp, sig_action, sigmask, signal_name } from '../../kernel/signal.ts';
import type { Task } from '../../kernel/task.ts';
import type { Tty } from './tty.ts';

/**
 * Job control (drivers/tty/tty_jobctrl.c): a process outside the foreground group that reads, or changes, its
 * controlling terminal is stopped.
 */
export function tty_check_change(task: Task, tty: Tty, sig: number = SIGTTOU): void {
  if (task.signal.tty !== tty) return;
  const { pgrp } = task.signal;
  if (tty.foreground === null || tty.foreground === pgrp) return;
  if (isIgnored(task, sig)) {
    if (sig === SIGTTIN)
      throw errno(EIO, 'background process {} reads from {} and ignores SIGTTIN', task.tgid, tty);
    return;
  }
  if (is_orphaned_pgrp(pgrp)) {
    throw errno(
      EIO,
      'process {} is in the background of {}, and nobody could continue its orphaned group {}',
      task.tgid,
      tty,
      pgrp.nr,
    );
  }
  kill_pgrp(pgrp, kernelInfo(sig, `process ${task.tgid} is in the background of ${tty.name}`));
  throw errno(
    ERESTARTSYS,
    'process {} is in the background of {}: its group {} got {}',
    task.tgid,
    tty,
    pgrp.nr,
    signal_name(sig),
  );
}

function isIgnored(task: Task, sig: number): boolean {
  return (task.blocked & sigmask(sig)) !== 0n || sig_action(task, sig).handler === SIG_IGN;
}

/** Has no member a parent in another group of the same session? */
export function is_orphaned_pgrp(pgrp: Pid): boolean {
  for (const task of pgrp.tasks.pgid) {
    const parent = task.real_parent;
    if (task.dead || parent === null || parent === task.kernel.init) continue;
    if (parent.signal.pgrp !== pgrp && parent.signal.session === task.signal.session) return false;
  }
  return true;
}

/** The tty becomes the controlling terminal of the caller's session (proc_set_tty). */
export function proc_set_tty(task: Task, tty: Tty): void {
  tty.session = task.signal.session;
  tty.foreground = task.signal.pgrp;
  task.signal.tty = tty;
}

/** open(2) without O_NOCTTY by a session leader that has no terminal. */
export function tty_open_proc_set_tty(task: Task, tty: Tty): void {
  const { signal } = task;
  if (signal.leader && signal.tty === null && tty.session === null) proc_set_tty(task, tty);
}

/** TIOCSCTTY. */
export function tiocsctty(task: Task, tty: Tty, steal: boolean, readable: boolean): number {
  const { signal } = task;
  if (signal.leader && signal.session === tty.session) return 0;
  if (!signal.leader)
    throw errno(EPERM, 'TIOCSCTTY: process {} is not a session leader', task.tgid);
  if (signal.tty !== null)
    throw errno(
      EPERM,
      'TIOCSCTTY: session {} has a controlling terminal already',
      signal.session.nr,
    );
  if (tty.session !== null) {
    if (!steal || !capable(task.cred, CAP_SYS_ADMIN)) {
      throw errno(
        EPERM,
        'TIOCSCTTY: {} is the controlling terminal of session {}',
        tty,
        tty.session.nr,
      );
    }
    for (const other of tty.session.tasks.sid)
      if (other.signal.tty === tty) other.signal.tty = null;
  }
  if (!readable && !capable(task.cred, CAP_SYS_ADMIN))
    throw errno(EPERM, 'TIOCSCTTY: {} is not open for reading', tty);
  proc_set_tty(task, tty);
  return 0;
}

/** TIOCNOTTY: the leader gives the terminal up for its whole session. */
export function tiocnotty(task: Task, tty: Tty): number {
  const { signal } = task;
  if (signal.tty !== tty)
    throw errno(
      ENOTTY,
      'TIOCNOTTY: {} is not the controlling terminal of process {}',
      tty,
      task.tgid,
    );
  if (!signal.leader) {
    signal.tty = null;
    return 0;
  }
  if (tty.foreground !== null) {
    kill_pgrp(tty.foreground, kernelInfo(SIGHUP, 'the session leader gave up the terminal'));
    kill_pgrp(tty.foreground, kernelInfo(SIGCONT, 'the session leader gave up the terminal'));
  }
  tty.release(signal.session);
  return 0;
}

/** TIOCGPGRP. @param tty whose foreground group; the caller must be in its session, unless it asks through the master */
export function tiocgpgrp(task: Task, tty: Tty, master: boolean, arg: number): number {
  if (!master && task.signal.tty !== tty) {
    throw errno(
      ENOTTY,
      'TIOCGPGRP: {} is not the controlling terminal of process {}',
      tty,
      task.tgid,
    );
  }
  task.mem.putU32(arg, tty.foreground?.nr ?? 0);
  return 0;
}

/** TIOCSPGRP: the new foreground group must be of the caller's session. */
export function tiocspgrp(task: Task, tty: Tty, arg: number): number {
  tty_check_change(task, tty);
  const nr = task.mem.getI32(arg);
  if (nr < 0) throw errno(EINVAL, 'TIOCSPGRP: group {} is negative', nr);
  const { signal } = task;
  if (signal.tty === null || signal.tty !== tty || tty.session !== signal.session) {
    throw errno(
      ENOTTY,
      'TIOCSPGRP: {} is not the controlling terminal of process {}',
      tty,
      task.tgid,
    );
  }
  const pgrp = task.kernel.pids.find(nr);
  const member = pgrp === null ? undefined : [...pgrp.tasks.pgid][0];
  if (pgrp === null || member === undefined)
    throw errno(ESRCH, 'TIOCSPGRP: there is no process group {}', nr);
  if (member.signal.session !== signal.session) {
    throw errno(
      EPERM,
      'TIOCSPGRP: group {} is in session {}, the caller in {}',
      nr,
      member.signal.session.nr,
      signal.session.nr,
    );
  }
  tty.foreground = pgrp;
  return 0;
}

/** TIOCGSID. */
export function tiocgsid(task: Task, tty: Tty, master: boolean, arg: number): number {
  if ((!master && task.signal.tty !== tty) || tty.session === null) {
    throw errno(
      ENOTTY,
      'TIOCGSID: {} is not the controlling terminal of process {}',
      tty,
      task.tgid,
    );
  }
  task.mem.putU32(arg, tty.session.nr);
  return 0;
}
