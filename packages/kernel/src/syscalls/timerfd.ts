import { EBADF, EINVAL, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_PTRACE, CAP_WAKE_ALARM } from '@vitrine/uapi/capability.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { SFD_CLOEXEC, SFD_NONBLOCK, SI_TKILL, SI_USER } from '@vitrine/uapi/signal.ts';
import {
  CLOCK_BOOTTIME_ALARM,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from '@vitrine/uapi/time.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { PidDirInode } from '../fs/proc/pid_inode.ts';
import { PidfdFile, pidfd_task } from '../fs/pidfs/pidfd.ts';
import { SignalfdFile } from '../fs/signalfd/signalfd.ts';
import { TIMERFD_CLOCKS, TimerfdFile } from '../fs/timerfd.ts';
import {
  check_kill_permission,
  send_signal,
  sigmask,
  userInfo,
  valid_signal,
} from '../kernel/signal.ts';
import type { SigInfo } from '../kernel/signal_struct.ts';
import type { Task } from '../kernel/task.ts';
import { choice, fd, flags, inStruct, int, outStruct, pid, sig, size } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';
import { putTimespec, timespecNs } from './timespec.ts';

export function sys_timerfd_create(current: Current, clockid: number, flags: number): number {
  if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
    throw errno(EINVAL, 'timerfd_create: flags {} are unknown', flags);
  if (!TIMERFD_CLOCKS.includes(clockid))
    throw errno(EINVAL, 'timerfd_create: clock {} cannot wake', clockid);
  const alarm = clockid === CLOCK_REALTIME_ALARM || clockid === CLOCK_BOOTTIME_ALARM;
  if (alarm && !capable(current.cred, CAP_WAKE_ALARM))
    throw errno(EPERM, 'timerfd_create: alarm clock {} needs CAP_WAKE_ALARM', clockid);
  return fd_install(current, new TimerfdFile(current, clockid, flags), (flags & TFD_CLOEXEC) !== 0);
}

function timerfdOf(current: Current, fd: number): TimerfdFile {
  const file = fget(current, fd);
  if (!(file instanceof TimerfdFile))
    throw errno(EINVAL, 'fd {} ({}) is not a timerfd', fd, file.path);
  return file;
}

function putSetting(current: Current, to: number, interval: number, remaining: number): void {
  putTimespec(current, to, interval);
  putTimespec(current, to + 16, remaining);
}

const isWall = (file: TimerfdFile): boolean =>
  file.clockid === CLOCK_REALTIME || file.clockid === CLOCK_REALTIME_ALARM;

const wallNs = (current: Current, at: number): bigint =>
  current.mem.getBig(at) * 1_000_000_000n + current.mem.getBig(at + 8);

/** An absolute time on the timer's clock as CLOCK_MONOTONIC; the wall clock in whole nanoseconds needs BigInt. */
function absolute(current: Current, file: TimerfdFile, at: number, value: number): number {
  if (!isWall(file)) return value - file.clockOffset();
  return (
    Number(wallNs(current, at) - current.kernel.clock.realtimeNs()) + current.kernel.clock.now()
  );
}

export function sys_timerfd_settime(
  current: Current,
  fd: number,
  flags: number,
  next: number,
  old: number,
): number {
  if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
    throw errno(EINVAL, 'timerfd_settime: flags {} are unknown', flags);
  const interval = timespecNs(current, next, 'timerfd_settime');
  const value = timespecNs(current, next + 16, 'timerfd_settime');
  const armed = current.mem.getBig(next + 16) !== 0n || current.mem.getBig(next + 24) !== 0n;
  const file = timerfdOf(current, fd);
  const before = [file.interval, file.remaining()] as const;
  file.cancelOnSet = (flags & 3) === 3 && isWall(file);
  file.settime_flags = flags;
  const now = current.kernel.clock.now();
  const expires =
    flags & TFD_TIMER_ABSTIME ? absolute(current, file, next + 16, value) : now + value;
  const wall =
    (flags & TFD_TIMER_ABSTIME) !== 0 && isWall(file) ? wallNs(current, next + 16) : null;
  file.set(armed ? Math.max(expires, 1) : 0, interval, wall);
  if (old !== 0) putSetting(current, old, ...before);
  return 0;
}

export function sys_timerfd_gettime(current: Current, fd: number, to: number): number {
  const file = timerfdOf(current, fd);
  putSetting(current, to, file.interval, file.remaining());
  return 0;
}

export function sys_signalfd4(
  current: Current,
  fd: number,
  mask: number,
  size: number,
  flags: number,
): number {
  if (size !== 8) throw errno(EINVAL, 'a signal mask has 8 bytes, not {}', size);
  if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
    throw errno(EINVAL, 'signalfd4: flags {} are unknown', flags);
  const set = current.mem.getBig(mask) & ~(sigmask(9) | sigmask(19));
  if (fd === -1) {
    return fd_install(current, new SignalfdFile(current, set, flags), (flags & SFD_CLOEXEC) !== 0);
  }
  const file = fget(current, fd);
  if (!(file instanceof SignalfdFile))
    throw errno(EINVAL, 'fd {} ({}) is not a signalfd', fd, file.path);
  file.mask = set;
  (current as Task).sighand.signalfd_wqh.wake();
  return fd;
}

export function sys_signalfd(current: Current, fd: number, mask: number, size: number): number {
  return sys_signalfd4(current, fd, mask, size, 0);
}

const PIDFD_NONBLOCK = O_NONBLOCK;

export function sys_pidfd_open(task: Task, nr: number, flags: number): number {
  if (flags & ~PIDFD_NONBLOCK) throw errno(EINVAL, 'pidfd_open: flags {} are unknown', flags);
  if (nr <= 0) throw errno(EINVAL, 'pidfd_open: {} is no process id', nr);
  const target = task.kernel.pids.find(nr)?.task ?? null;
  if (target === null) throw errno(ESRCH, 'pidfd_open: there is no process {}', nr);
  if (target.group_leader !== target)
    throw errno(EINVAL, 'pidfd_open: {} is a thread, not a process', nr);
  return fd_install(task, new PidfdFile(task, target, flags), true);
}

function pidfdOf(current: Current, fd: number): PidfdFile {
  const file = fget(current, fd);
  if (!(file instanceof PidfdFile)) throw errno(EBADF, 'fd {} ({}) is not a pidfd', fd, file.path);
  return file;
}

/** A pidfd's process, or that of an open /proc/PID, as killall uses it (tgid_pidfd_to_pid). */
function signalTarget(task: Task, fd: number): Task {
  const { inode } = fget(task, fd);
  if (!(inode instanceof PidDirInode) || inode.thread) return pidfd_task(pidfdOf(task, fd));
  if (inode.task.state === 'X') throw errno(ESRCH, 'process {} is gone', inode.task.tgid);
  return inode.task;
}

// Newer than the headers that packages/uapi is made from.
const PIDFD_SIGNAL_THREAD = 1;
const PIDFD_SIGNAL_THREAD_GROUP = 2;
const PIDFD_SIGNAL_PROCESS_GROUP = 4;
const SCOPES = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP;

/** To the process group that the process leads: to every member that the caller may signal. */
function signal_group(task: Task, target: Task, sig: number, info: SigInfo): number {
  const members = [...target.thread_pid.tasks.pgid];
  if (members.length === 0)
    throw errno(ESRCH, 'pidfd_send_signal: process {} leads no group', target.tgid);
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
  const target = signalTarget(task, fd);
  const what = info === 0 ? userInfo(task, sig) : readInfo(task, sig, info, target);
  if (!valid_signal(sig)) throw errno(EINVAL, 'pidfd_send_signal: {} is no signal', sig);
  if (flags & PIDFD_SIGNAL_PROCESS_GROUP) return signal_group(task, target, sig, what);
  check_kill_permission(task, sig, target);
  if (sig !== 0) send_signal(target, what, !(flags & PIDFD_SIGNAL_THREAD));
  return 0;
}

/** A siginfo_t that the caller made up: only for itself when it claims to be from the kernel. */
function readInfo(task: Task, sig: number, at: number, target: Task): SigInfo {
  const { mem } = task;
  const signo = mem.getI32(at);
  const code = mem.getI32(at + 8);
  if (signo !== sig) throw errno(EINVAL, 'pidfd_send_signal: si_signo {} is not {}', signo, sig);
  if (target !== task && (code >= SI_USER || code === SI_TKILL)) {
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
  if (target.cred.uid !== task.cred.euid && !capable(task.cred, CAP_SYS_PTRACE)) {
    throw errno(
      EPERM,
      'pidfd_getfd: process {} belongs to uid {}, and CAP_SYS_PTRACE is missing',
      target.tgid,
      target.cred.uid,
    );
  }
  const file = target.files?.fd[targetFd] ?? null;
  if (file === null) throw errno(EBADF, 'fd {} is not open in process {}', targetFd, target.tgid);
  return fd_install(task, file.get(), true);
}

export const TIMERFD: readonly SyscallRow[] = [
  row(
    NR.__NR_timerfd_create,
    'timerfd_create',
    [choice('clockid'), flags('timerfd')],
    FULL,
    sys_timerfd_create,
  ),
  row(
    NR.__NR_timerfd_settime,
    'timerfd_settime',
    [fd, flags('timerfd_settime'), inStruct('itimerspec'), outStruct('itimerspec')],
    FULL,
    sys_timerfd_settime,
  ),
  row(
    NR.__NR_timerfd_gettime,
    'timerfd_gettime',
    [fd, outStruct('itimerspec')],
    FULL,
    sys_timerfd_gettime,
  ),
  row(NR.__NR_signalfd, 'signalfd', [fd, inStruct('sigset'), size], FULL, sys_signalfd),
  row(
    NR.__NR_signalfd4,
    'signalfd4',
    [fd, inStruct('sigset'), size, flags('signalfd')],
    FULL,
    sys_signalfd4,
  ),
  row(NR.__NR_pidfd_open, 'pidfd_open', [pid, flags('pidfd_open')], FULL, sys_pidfd_open),
  row(
    NR.__NR_pidfd_send_signal,
    'pidfd_send_signal',
    [fd, sig, inStruct('siginfo'), flags('pidfd_send_signal')],
    FULL,
    sys_pidfd_send_signal,
  ),
  row(
    NR.__NR_pidfd_getfd,
    'pidfd_getfd',
    [fd, fd, int],
    partial('access is judged by user id and CAP_SYS_PTRACE'),
    sys_pidfd_getfd,
  ),
];
