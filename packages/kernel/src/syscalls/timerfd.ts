import { EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_WAKE_ALARM } from '@vitrine/uapi/capability.ts';
import { SFD_CLOEXEC, SFD_NONBLOCK } from '@vitrine/uapi/signal.ts';
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
import { KTIME_MAX } from '../include/ktime.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { SignalfdFile } from '../fs/signalfd/signalfd.ts';
import { TIMERFD_CLOCKS, TimerfdFile } from '../fs/timerfd.ts';
import { sigmask } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import { wall_deadline } from '../include/time.ts';
import { choice, fd, flags, inStruct, outStruct, size } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';
import { putTimespec, timespecNs, timespecWide } from './timespec.ts';

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

/** An absolute time on the timer's clock as CLOCK_MONOTONIC; the wall clock in whole nanoseconds needs BigInt. */
function absolute(current: Current, file: TimerfdFile, at: number, value: number): number {
  if (!isWall(file)) return value - file.clockOffset();
  return wall_deadline(current.kernel, timespecWide(current, at));
}

export function sys_timerfd_settime(
  current: Current,
  fd: number,
  flags: number,
  next: number,
  old: number,
): number {
  current.mem.read(next, 32);
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
    (flags & TFD_TIMER_ABSTIME) !== 0 && isWall(file) ? timespecWide(current, next + 16) : null;
  file.set(armed ? Math.min(expires, KTIME_MAX) : null, interval, wall);
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
  const set = current.mem.getBig(mask) & ~(sigmask(9) | sigmask(19));
  if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
    throw errno(EINVAL, 'signalfd4: flags {} are unknown', flags);
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
];
