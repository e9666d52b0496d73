import * as E from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import { EventpollFile } from '../fs/eventpoll.ts';
import { ipc_ns } from '../ipc/ipc_ns.ts';
import type { SemArray } from '../ipc/sem.ts';
import type { Task } from '../kernel/task.ts';
import { may_access } from '../fs/proc/access.ts';
import { int, pid, ulong } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** kcmp(2): do two processes share an object of the kernel? */

const KCMP_FILE = 0;
const KCMP_VM = 1;
const KCMP_FILES = 2;
const KCMP_FS = 3;
const KCMP_SIGHAND = 4;
const KCMP_IO = 5;
const KCMP_SYSVSEM = 6;
const KCMP_EPOLL_TFD = 7;

declare module '../fs/vfs.ts' {
  interface Vfs {
    /** Numbers that were given to compared objects, for an order among them. */
    kcmp_last?: number;
  }
}

interface Numbered {
  kcmp_nr?: number;
}

/** An object's place in an arbitrary order that stays the same. */
function order(task: Task, object: object): number {
  const { vfs } = task.kernel;
  const numbered = object as Numbered;
  return (numbered.kcmp_nr ??= vfs.kcmp_last = (vfs.kcmp_last ?? 0) + 1);
}

/** 0 for the same object, 1 or 2 for the order of two. */
function compare(task: Task, a: object | null, b: object | null): number {
  if (a === b) return 0;
  const x = a === null ? 0 : order(task, a);
  const y = b === null ? 0 : order(task, b);
  return x < y ? 1 : 2;
}

function fileOf(target: Task, fd: number): object {
  const file = target.exiting ? null : (target.files.fd[fd] ?? null);
  if (file === null) throw errno(E.EBADF, 'kcmp: fd {} is not open in process {}', fd, target.pid);
  return file;
}

/** The file that an epoll instance watches under a descriptor: struct kcmp_epoll_slot names both. */
function epollTarget(task: Task, target: Task, slot: number): object {
  const efd = task.mem.getU32(slot);
  const tfd = task.mem.getU32(slot + 4);
  const toff = task.mem.getU32(slot + 8);
  const file = fileOf(target, efd);
  if (!(file instanceof EventpollFile)) throw errno(E.EINVAL, 'kcmp: fd {} of process {} is no epoll instance', efd, target.pid); // prettier-ignore
  const watched = [...file.items]
    .filter(([, byFd]) => byFd.has(tfd))
    .map(([watchedFile]) => watchedFile);
  if (watched.length === 0)
    throw errno(E.ENOENT, 'kcmp: epoll instance {} does not watch fd {}', efd, tfd);
  const found = watched[toff];
  if (found === undefined) throw errno(E.ENOENT, 'kcmp: epoll instance {} watches fd {} {} times', efd, tfd, watched.length); // prettier-ignore
  return found;
}

/** A process's semaphore adjustments stand for it; those without any share the absence. */
function undoOf(target: Task): object | null {
  const sets = ipc_ns(target.kernel).sem.byIndex.values();
  return [...sets].some((set) => (set as SemArray).undo.has(target)) ? target : null;
}

function sys_kcmp(
  task: Task,
  pid1: number,
  pid2: number,
  type: number,
  idx1: number,
  idx2: number,
): number {
  const [a, b] = [pid1, pid2].map((nr) => {
    const found = task.kernel.pids.find(nr)?.task;
    if (!found) throw errno(E.ESRCH, 'kcmp: there is no process {}', nr);
    return found;
  }) as [Task, Task];
  for (const target of [a, b])
    if (!may_access(task, target, 'real')) throw errno(E.EPERM, 'kcmp: process {} (uid {}) may not be looked into', target.pid, target.cred.uid); // prettier-ignore
  switch (type) {
    case KCMP_FILE:
      return compare(task, fileOf(a, idx1), fileOf(b, idx2));
    case KCMP_VM:
      return compare(task, a.mm, b.mm);
    case KCMP_FILES:
      return compare(task, a.files, b.files);
    case KCMP_FS:
      return compare(task, a.fs, b.fs);
    case KCMP_SIGHAND:
      return compare(task, a.sighand, b.sighand);
    case KCMP_IO:
      return compare(task, null, null); // no task has an I/O context of its own
    case KCMP_SYSVSEM:
      return compare(task, undoOf(a), undoOf(b));
    case KCMP_EPOLL_TFD:
      return compare(task, fileOf(a, idx1), epollTarget(task, b, idx2));
    default:
      throw errno(E.EINVAL, 'kcmp: there is no type {}', type);
  }
}

export const KCMP: readonly SyscallRow[] = [
  row(NR.__NR_kcmp, 'kcmp', [pid, pid, int, ulong, ulong], FULL, sys_kcmp),
];
