import * as E from '@vitrine/uapi/errno.ts';
import * as W from '@vitrine/uapi/wait.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import {
  S_CLD_CONTINUED,
  S_CLD_DUMPED,
  S_CLD_EXITED,
  S_CLD_KILLED,
  S_CLD_STOPPED,
} from './signal.ts';
import { release_task } from './exit.ts';
import type { Pid } from './pid.ts';
import type { Usage } from './signal_struct.ts';
import { noUsage } from './signal_struct.ts';
import { EXIT_ZOMBIE, type Task } from './task.ts';
import { SIGCHLD, SIGCONT } from '@vitrine/uapi/signal.ts';

/** Which children a wait is for. */
export interface WaitOptions {
  readonly type: 'all' | 'pid' | 'pgid';
  readonly pid: Pid | null;
  /** WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT, __WALL, __WCLONE. */
  readonly options: number;
}

/** What was learned of a child. */
export interface WaitResult {
  readonly pid: number;
  readonly uid: number;
  /** As wait4 stores it. */
  readonly status: number;
  /** CLD_… and the matching si_status. */
  readonly code: number;
  readonly si_status: number;
  readonly usage: Usage;
}

/** Waits for a child to change state. @returns the news, null for WNOHANG without any, or BLOCKED */
export function do_wait(task: Task, wait: WaitOptions): WaitResult | null | typeof BLOCKED {
  let candidates = false;
  for (const child of task.group_leader.children) {
    if (!eligible(child, wait)) continue;
    if ((wait.options & W.__WNOTHREAD) !== 0 && child.parent_thread !== task) continue;
    // One that has ended is no reason to go on waiting for what only the living do.
    if (child.state !== EXIT_ZOMBIE || child.signal.threads.size > 0) candidates = true;
    const news = consider(task, child, wait.options);
    if (news !== null) return news;
  }
  if (!candidates) {
    throw errno(E.ECHILD, 'process {} has no child that the wait ({}) is for', task.tgid, wait.type === 'all' ? 'any child' : `${wait.type} ${wait.pid?.nr ?? 'gone'}`); // prettier-ignore
  }
  if ((wait.options & W.WNOHANG) !== 0) return null;
  task.wait(task.signal.wait_chldexit);
  return BLOCKED;
}

function eligible(child: Task, wait: WaitOptions): boolean {
  if (wait.type === 'pid' && child.thread_pid !== wait.pid) return false;
  if (wait.type === 'pgid' && child.signal.pgrp !== wait.pid) return false;
  // A "clone" child is one whose end is told by another signal than SIGCHLD.
  if ((wait.options & W.__WALL) !== 0) return true;
  return (child.exit_signal !== SIGCHLD) === ((wait.options & W.__WCLONE) !== 0);
}

function consider(task: Task, child: Task, options: number): WaitResult | null {
  const { signal } = child;
  const base = { pid: child.tgid, uid: child.cred.uid };
  if (child.state === EXIT_ZOMBIE && signal.threads.size === 0) {
    if ((options & W.WEXITED) === 0) return null;
    const status = child.exit_code;
    const sig = status & 0x7f;
    const result: WaitResult = {
      ...base,
      status,
      code: sig === 0 ? S_CLD_EXITED : (status & 0x80) !== 0 ? S_CLD_DUMPED : S_CLD_KILLED,
      si_status: sig === 0 ? status >> 8 : sig,
      usage: sum(signal.used, signal.children),
    };
    if ((options & W.WNOWAIT) === 0) {
      const total = task.signal.children;
      Object.assign(total, sum(total, result.usage));
      release_task(child);
    }
    return result;
  }
  if (
    (options & W.WUNTRACED) !== 0 &&
    signal.stopped !== null &&
    signal.stopped.complete &&
    !signal.stopped.reported
  ) {
    const { sig } = signal.stopped;
    if ((options & W.WNOWAIT) === 0) signal.stopped.reported = true;
    return {
      ...base,
      status: (sig << 8) | 0x7f,
      code: S_CLD_STOPPED,
      si_status: sig,
      usage: noUsage(),
    };
  }
  if ((options & W.WCONTINUED) !== 0 && signal.continued) {
    if ((options & W.WNOWAIT) === 0) signal.continued = false;
    return { ...base, status: 0xffff, code: S_CLD_CONTINUED, si_status: SIGCONT, usage: noUsage() };
  }
  return null;
}

function sum(a: Usage, b: Usage): Usage {
  const total = noUsage();
  for (const key of Object.keys(total) as (keyof Usage)[])
    total[key] = key === 'maxrss' ? Math.max(a[key], b[key]) : a[key] + b[key];
  return total;
}
