import { EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI } from '@vitrine/uapi/poll.ts';
import { LANDLOCK_SCOPE_SIGNAL } from '@vitrine/uapi/landlock.ts';
import { F_OWNER_PGRP, F_OWNER_TID } from '@vitrine/uapi/fcntl.ts';
import { SIGIO, SIGURG } from '@vitrine/uapi/signal.ts';
import type { Current } from '../../include/current.ts';
import { serializable } from '../../include/serial.ts';
import type { WaitQueue, Waiter } from '../../include/wait.ts';
import { kernelInfo, send_signal } from '../../kernel/signal.ts';
import type { SigInfo } from '../../kernel/signal_struct.ts';
import type { Task } from '../../kernel/task.ts';
import type { FownStruct } from '../fcntl.ts';
import type { FasyncHook, File } from '../file.ts';

/** POLL_HUP, POLL_IN, POLL_OUT, POLL_PRI, POLL_MSG of siginfo.h, and the poll bits that go with them. */
const REASONS: readonly (readonly [bit: number, code: number, band: number])[] = [
  [EPOLLHUP, 6, 0x18],
  [EPOLLIN, 1, 0x41],
  [EPOLLOUT, 2, 0x304],
  [EPOLLPRI, 5, 0x82],
  [0x400, 3, 0x441],
];

/** A file with O_ASYNC: whenever its state changes, its owner gets SIGIO (analogous to `struct fasync_struct`). */
export class Fasync implements FasyncHook, Waiter {
  private readonly file: File;
  private readonly fd: number;
  private readonly queues: readonly WaitQueue[];

  constructor(file: File, fd: number, queues: readonly WaitQueue[]) {
    this.file = file;
    this.fd = fd;
    this.queues = queues;
    for (const queue of this.queues) queue.add(this);
  }

  static {
    serializable('Fasync', this);
  }

  detach(): void {
    for (const queue of this.queues) queue.remove(this);
  }

  woken(_queue: WaitQueue | null, events: number): void {
    if (!this.file.async_due(events)) return;
    send_sigio(this.file, this.fd, events, 'O_ASYNC');
  }
}

/** Tells the file's owner that something became true of it (send_sigio). @param events EPOLL… bits */
export function send_sigio(file: File, fd: number, events: number, what: string): void {
  const { owner } = file;
  if (owner === null || owner.pid === 0) return;
  const [, code, band] = REASONS.find(([bit]) => events & bit) ?? REASONS[1]!;
  const reason = `${what} on ${String(file.path)}`;
  // Only a signal chosen with F_SETSIG tells what happened to which descriptor.
  const info: SigInfo =
    owner.signum === 0
      ? kernelInfo(SIGIO, reason)
      : { signo: owner.signum, code, errno: 0, band, fd, reason };
  for (const task of targets(file, owner)) {
    if (may_sigio(owner, task)) send_signal(task, info, owner.type !== F_OWNER_TID);
  }
}

/** Tells the file's owner of urgent data (send_sigurg); SIGIO is for owners that chose its signal. */
export function send_sigurg(file: File, what: string): void {
  const { owner, fasync } = file;
  if (owner === null || owner.pid === 0) return;
  const info = kernelInfo(SIGURG, `${what} on ${String(file.path)}`);
  for (const task of targets(file, owner))
    if (may_sigio(owner, task)) send_signal(task, info, owner.type !== F_OWNER_TID);
  if (fasync instanceof Fasync && owner.signum !== 0) fasync.woken(null, EPOLLPRI);
}

function targets(file: File, owner: FownStruct): readonly Task[] {
  const pid = file.inode.sb.kernel.pids.find(owner.pid);
  if (pid === null) return [];
  if (owner.type === F_OWNER_PGRP) return [...pid.tasks.pgid];
  return pid.task === null ? [] : [pid.task];
}

/** Whoever set the owner must have been allowed to signal it (sigio_perm). */
function may_sigio(owner: FownStruct, task: Task): boolean {
  if (
    task.tgid !== owner.chooser &&
    owner.landlock?.is_scoped(task.cred.landlock, LANDLOCK_SCOPE_SIGNAL)
  )
    return false;
  const { suid, uid } = task.cred;
  return owner.euid === 0 || [suid, uid].includes(owner.euid) || [suid, uid].includes(owner.uid);
}

/** O_ASYNC was set or cleared (setfl, FIOASYNC). Files without it take the flag and do nothing. */
export function fasync_helper(current: Current, file: File, fd: number, on: boolean): void {
  if (on === (file.fasync !== null)) return;
  file.fasync?.detach();
  file.fasync = null;
  if (!on || !file.can_fasync) return;
  file.fasync = new Fasync(file, fd, file.fasync_queues(current));
}
