import { EBADF, EINVAL, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { SI_TKILL, SI_USER } from '@vitrine/uapi/signal.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { may_access } from '../fs/proc/access.ts';
import { PidDirInode } from '../fs/proc/pid_inode.ts';
import { PIDFD_THREAD, PidfdFile, pidfd_prepare, pidfd_task } from '../fs/pidfs/pidfd.ts';
import type { Pid } from '../kernel/pid.ts';
import { check_kill_permission, send_signal, userInfo, valid_signal } from '../kernel/signal.ts';
import type { SigInfo } from '../kernel/signal_struct.ts';
import type { Task } from '../kernel/task.ts';
import { fd, flags, inStruct, int, pid, sig } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

// Newer than the headers that packages/uapi is made from.
const PIDFD_SIGNAL_THREAD = 1;
const PIDFD_SIGNAL_THREAD_GROUP = 2;
const PIDFD_SIGNAL_PROCESS_GROUP = 4;
const SCOPES = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP;

export function sys_pidfd_open(task: Task, nr: number, flags: number): number {
  if (flags & ~(O_NONBLOCK | PIDFD_THREAD))
    throw errno(EINVAL, 'pidfd_open: flags {} are unknown', flags);
  if (nr <= 0) throw errno(EINVAL, 'pidfd_open: {} is no process id', nr);
  const found = task.kernel.pids.find(nr);
  if (found === null) throw errno(ESRCH, 'pidfd_open: there is no process {}', nr);
  return fd_install(task, pidfd_prepare(task, found, flags), true);
}

/** The file behind a descriptor that must be a pidfd. Throws EBADF. */
export function pidfdOf(current: Current, fd: number): PidfdFile {
  const file = fget(current, fd);
  if (!(file instanceof PidfdFile)) throw errno(EBADF, 'fd {} ({}) is not a pidfd', fd, file.path);
  return file;
}

/** What a signal is for: a pidfd's process or thread, or that of an open /proc/PID, as killall uses it. */
function signalTarget(task: Task, fd: number): { pid: Pid; thread: boolean } {
  const { inode } = fget(task, fd);
  if (inode instanceof PidDirInode && !inode.thread)
    return { pid: inode.task.thread_pid, thread: false };
  const { pid, thread } = pidfdOf(task, fd);
  return { pid, thread };
}

/** To the process group that the process leads: to every member that the caller may signal. */
function signal_group(task: Task, pid: Pid, sig: number, info: SigInfo): number {
  const members = [...pid.tasks.pgid];
  if (members.length === 0) throw errno(ESRCH, 'pidfd_send_signal: there is no group {}', pid.nr);
  let refused: unknown = null;
  let sent = false;
  for (const member of members) {
    try {
      check_kill_permission(task, sig, member);
      if (sig !== 0) send_signal(member, info, true);
      sent = true;
    } catch (error) {
      refused = error;
    }
  }
  if (!sent) throw refused;
  return 0;
}

export function sys_pidfd_send_signal(
  task: Task,
  fd: number,
  sig: number,
  info: number,
  flags: number,
): number {
  if (flags & ~SCOPES || (flags & (flags - 1)) !== 0)
    throw errno(EINVAL, 'pidfd_send_signal: flags {} are not one scope', flags);
  const { pid, thread } = signalTarget(task, fd);
  const scope = flags !== 0 ? flags : thread ? PIDFD_SIGNAL_THREAD : PIDFD_SIGNAL_THREAD_GROUP;
  const what =
    info === 0
      ? userInfo(task, sig, scope === PIDFD_SIGNAL_THREAD ? SI_TKILL : SI_USER)
      : readInfo(task, sig, info, pid !== task.thread_pid || scope === PIDFD_SIGNAL_PROCESS_GROUP);
  if (!valid_signal(sig)) throw errno(EINVAL, 'pidfd_send_signal: {} is no signal', sig);
  if (scope === PIDFD_SIGNAL_PROCESS_GROUP) return signal_group(task, pid, sig, what);
  const target = pid.task;
  if (target === null) throw errno(ESRCH, 'pidfd_send_signal: process {} is gone', pid.nr);
  check_kill_permission(task, sig, target);
  if (sig !== 0) send_signal(target, what, scope !== PIDFD_SIGNAL_THREAD);
  return 0;
}

/** A siginfo_t that the caller made up: for itself alone when it claims to be from the kernel. */
function readInfo(task: Task, sig: number, at: number, other: boolean): SigInfo {
  const { mem } = task;
  const signo = mem.getI32(at);
  const code = mem.getI32(at + 8);
  if (signo !== sig) throw errno(EINVAL, 'pidfd_send_signal: si_signo {} is not {}', signo, sig);
  if (other && (code >= SI_USER || code === SI_TKILL)) {
    throw errno(
      EPERM,
      'pidfd_send_signal: si_code {} is for the kernel and for signals to oneself',
      code,
    );
  }
  return {
    signo,
    code,
    errno: mem.getI32(at + 4),
    pid: mem.getI32(at + 16),
    uid: mem.getU32(at + 20),
    value: mem.getBig(at + 24),
  };
}

export function sys_pidfd_getfd(task: Task, fd: number, targetFd: number, flags: number): number {
  if (flags !== 0) throw errno(EINVAL, 'pidfd_getfd: flags {} are unknown', flags);
  const target = pidfd_task(pidfdOf(task, fd));
  if (!may_access(task, target, 'real'))
    throw errno(EPERM, 'pidfd_getfd: process {} (uid {}) is for its own user and CAP_SYS_PTRACE, not uid {}', target.tgid, target.cred.uid, task.cred.uid); // prettier-ignore
  if (target.exiting) throw errno(ESRCH, 'pidfd_getfd: process {} has ended', target.tgid);
  const file = target.files?.fd[targetFd] ?? null;
  if (file !== null) return fd_install(task, file.get(), true);
  throw errno(EBADF, 'fd {} is not open in process {}', targetFd, target.tgid);
}

export const PIDFD: readonly SyscallRow[] = [
  row(NR.__NR_pidfd_open, 'pidfd_open', [pid, flags('pidfd_open')], FULL, sys_pidfd_open),
  row(
    NR.__NR_pidfd_send_signal,
    'pidfd_send_signal',
    [fd, sig, inStruct('siginfo'), flags('pidfd_send_signal')],
    FULL,
    sys_pidfd_send_signal,
  ),
  row(NR.__NR_pidfd_getfd, 'pidfd_getfd', [fd, fd, int], FULL, sys_pidfd_getfd),
];
