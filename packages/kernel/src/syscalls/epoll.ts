import { EACCES, EINVAL, ENOSYS } from '@vitrine/uapi/errno.ts';
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from '@vitrine/uapi/eventfd.ts';
import { EPOLL_CLOEXEC, EPOLL_CTL_DEL } from '@vitrine/uapi/poll.ts';
import { IN_CLOEXEC, IN_DONT_FOLLOW, IN_NONBLOCK, IN_ONLYDIR } from '@vitrine/uapi/inotify.ts';
import { AT_FDCWD, O_CLOEXEC } from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { EventfdFile } from '../fs/eventfd.ts';
import {
  EP_MAX_EVENTS,
  type EpollEvent,
  EventpollFile,
  check_pollable,
  do_epoll_ctl,
  ep_poll,
  eventpoll_new,
} from '../fs/eventpoll.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { MAY_READ } from '../fs/inode.ts';
import { memfd_create } from '../fs/tmpfs/memfd.ts';
import { secretmem_file_create } from '../fs/tmpfs/secretmem.ts';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, user_path_at } from '../fs/namei.ts';
import { InotifyFile, inotify_new } from '../fs/notify/inotify.ts';
import { path_permission } from '../fs/permission.ts';
import type { Task } from '../kernel/task.ts';
import { access_ok } from '../fs/iov.ts';
import { choice, fd, flags, inStruct, int, outArray, path, size, str, uint } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';
import { read_timespec, user_sigmask } from './select.ts';

export function sys_epoll_create1(current: Current, flags: number): number {
  if (flags & ~EPOLL_CLOEXEC) throw errno(EINVAL, 'epoll_create1: flags {} are unknown', flags);
  return fd_install(current, eventpoll_new(current), (flags & EPOLL_CLOEXEC) !== 0);
}

export function sys_epoll_create(current: Current, hint: number): number {
  if (hint <= 0) throw errno(EINVAL, 'epoll_create: size {} is not positive', hint);
  return sys_epoll_create1(current, 0);
}

function epollOf(current: Current, epfd: number): EventpollFile {
  const file = fget(current, epfd);
  if (!(file instanceof EventpollFile))
    throw errno(EINVAL, 'fd {} ({}) is not an epoll instance', epfd, file.path);
  return file;
}

export function sys_epoll_ctl(
  current: Current,
  epfd: number,
  op: number,
  fd: number,
  at: number,
): number {
  const { mem } = current;
  let event: EpollEvent | null = null;
  if (op !== EPOLL_CTL_DEL)
    event = { events: mem.getU32(at), dataLo: mem.getU32(at + 4), dataHi: mem.getU32(at + 8) };
  // Both are open; what cannot be watched is told before what does not watch.
  fget(current, epfd);
  const target = fget(current, fd);
  check_pollable(target, fd);
  do_epoll_ctl(current, epollOf(current, epfd), op, target, fd, event);
  return 0;
}

interface EpollWait {
  readonly deadline: number;
}

/** @param timeout nanoseconds; Infinity waits for ever */
function do_epoll_wait(
  task: Task,
  epfd: number,
  events: number,
  max: number,
  timeout: number,
): number {
  if (max <= 0 || max > EP_MAX_EVENTS)
    throw errno(EINVAL, 'epoll_wait: room for {} events is not between 1 and the maximum', max);
  access_ok(events, max * 12);
  const ep = epollOf(task, epfd);
  const state = (task.callState ??= {
    deadline:
      timeout === Infinity ? Infinity : timeout === 0 ? 0 : task.kernel.clock.now() + timeout,
  }) as EpollWait;
  const ready = ep_poll(task, ep, max, state.deadline);
  if (typeof ready === 'number') return ready;
  ready.forEach((event, i) => {
    task.mem.putU32(events + i * 12, event.events);
    task.mem.putU32(events + i * 12 + 4, event.dataLo);
    task.mem.putU32(events + i * 12 + 8, event.dataHi);
  });
  return ready.length;
}

const millis = (timeout: number): number => (timeout < 0 ? Infinity : timeout * 1e6);

export function sys_epoll_wait(
  task: Task,
  epfd: number,
  events: number,
  max: number,
  timeout: number,
): number {
  return do_epoll_wait(task, epfd, events, max, millis(timeout));
}

export function sys_epoll_pwait(
  task: Task,
  epfd: number,
  events: number,
  max: number,
  timeout: number,
  mask: number,
  size: number,
): number {
  if (task.callState === null) user_sigmask(task, mask, size);
  return do_epoll_wait(task, epfd, events, max, millis(timeout));
}

export function sys_epoll_pwait2(
  task: Task,
  epfd: number,
  events: number,
  max: number,
  ts: number,
  mask: number,
  size: number,
): number {
  const timeout = ts === 0 ? Infinity : read_timespec(task, ts);
  if (task.callState === null) user_sigmask(task, mask, size);
  return do_epoll_wait(task, epfd, events, max, timeout);
}

export function sys_eventfd2(current: Current, count: number, flags: number): number {
  if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
    throw errno(EINVAL, 'eventfd2: flags {} are unknown', flags);
  return fd_install(current, new EventfdFile(current, count, flags), (flags & EFD_CLOEXEC) !== 0);
}

export function sys_eventfd(current: Current, count: number): number {
  return sys_eventfd2(current, count, 0);
}

export function sys_inotify_init1(current: Current, flags: number): number {
  if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
    throw errno(EINVAL, 'inotify_init1: flags {} are unknown', flags);
  return fd_install(current, inotify_new(current, flags), (flags & IN_CLOEXEC) !== 0);
}

export function sys_inotify_init(current: Current): number {
  return sys_inotify_init1(current, 0);
}

function inotifyOf(current: Current, fd: number): InotifyFile {
  const file = fget(current, fd);
  if (!(file instanceof InotifyFile))
    throw errno(EINVAL, 'fd {} ({}) is not an inotify instance', fd, file.path);
  return file;
}

/** Events and flags: one of them must be asked for. */
const ALL_INOTIFY_BITS = 0xf700_efff;

export function sys_inotify_add_watch(
  current: Current,
  fd: number,
  name: number,
  mask: number,
): number {
  if (!(mask & ALL_INOTIFY_BITS))
    throw errno(EINVAL, 'inotify_add_watch: mask {} has no bit that is known', mask);
  if ((mask & 0x30000000) === 0x30000000)
    throw errno(EINVAL, 'inotify_add_watch: IN_MASK_ADD excludes IN_MASK_CREATE');
  const file = inotifyOf(current, fd);
  const lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0); // prettier-ignore
  const path = user_path_at(current, AT_FDCWD, name, lookup);
  path_permission(current, path, MAY_READ);
  return file.addWatch(path.dentry.inode, mask);
}

export function sys_inotify_rm_watch(current: Current, fd: number, wd: number): number {
  inotifyOf(current, fd).removeWatch(wd);
  return 0;
}

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const MFD_ALL_FLAGS = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC;
/** MFD_HUGE_MASK << MFD_HUGE_SHIFT */
const MFD_HUGE_SIZES = 0x3f << 26;

export function sys_memfd_create(current: Current, name: number, flags: number): number {
  const sizes = flags & MFD_HUGETLB ? MFD_HUGE_SIZES : 0;
  if (flags & ~(MFD_ALL_FLAGS | sizes))
    throw errno(EINVAL, 'memfd_create: flags {} are unknown', flags);
  if ((flags & 24) === 24) throw errno(EINVAL, 'memfd_create: MFD_EXEC excludes MFD_NOEXEC_SEAL');
  const text = current.mem.readString(name, 249);
  if (text === null) throw errno(EINVAL, 'memfd_create: the name has more than 249 bytes');
  if (flags & MFD_HUGETLB)
    throw errno(ENOSYS, 'memfd_create: there are no huge pages (MFD_HUGETLB)');
  // vm.memfd_noexec: what who asks for neither gets, and whether he may ask for it.
  const scope = current.kernel.vfs.memfd_noexec;
  const chosen = (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) !== 0;
  const noexec = chosen ? (flags & MFD_NOEXEC_SEAL) !== 0 : scope > 0;
  if (scope === 2 && !noexec)
    throw errno(EACCES, 'memfd_create: vm.memfd_noexec allows no files that can be executed');
  const file = memfd_create(current, text, noexec || (flags & MFD_ALLOW_SEALING) !== 0, noexec);
  return fd_install(current, file, (flags & MFD_CLOEXEC) !== 0);
}

/** memfd_secret(2) */
export function sys_memfd_secret(current: Current, flags: number): number {
  if (flags & ~O_CLOEXEC) throw errno(EINVAL, 'memfd_secret: flags {} are unknown', flags);
  return fd_install(current, secretmem_file_create(current), (flags & O_CLOEXEC) !== 0);
}

export const EPOLL: readonly SyscallRow[] = [
  row(NR.__NR_epoll_create, 'epoll_create', [int], FULL, sys_epoll_create),
  row(NR.__NR_epoll_create1, 'epoll_create1', [flags('epoll_create')], FULL, sys_epoll_create1),
  row(
    NR.__NR_epoll_ctl,
    'epoll_ctl',
    [fd, choice('epoll_ctl'), fd, inStruct('epoll_event')],
    FULL,
    sys_epoll_ctl,
  ),
  row(
    NR.__NR_epoll_wait,
    'epoll_wait',
    [fd, outArray('epoll_event', -1), int, int],
    FULL,
    sys_epoll_wait,
  ),
  row(
    NR.__NR_epoll_pwait,
    'epoll_pwait',
    [fd, outArray('epoll_event', -1), int, int, inStruct('sigset'), size],
    FULL,
    sys_epoll_pwait,
  ),
  row(
    NR.__NR_epoll_pwait2,
    'epoll_pwait2',
    [fd, outArray('epoll_event', -1), int, inStruct('timespec'), inStruct('sigset'), size],
    FULL,
    sys_epoll_pwait2,
  ),
  row(NR.__NR_eventfd, 'eventfd', [uint], FULL, sys_eventfd),
  row(NR.__NR_eventfd2, 'eventfd2', [uint, flags('eventfd')], FULL, sys_eventfd2),
  row(NR.__NR_inotify_init, 'inotify_init', [], FULL, sys_inotify_init),
  row(NR.__NR_inotify_init1, 'inotify_init1', [flags('inotify_init')], FULL, sys_inotify_init1),
  row(
    NR.__NR_inotify_add_watch,
    'inotify_add_watch',
    [fd, path, flags('inotify')],
    FULL,
    sys_inotify_add_watch,
  ),
  row(NR.__NR_inotify_rm_watch, 'inotify_rm_watch', [fd, int], FULL, sys_inotify_rm_watch),
  row(
    NR.__NR_memfd_create,
    'memfd_create',
    [str, flags('memfd')],
    partial('no huge pages'),
    sys_memfd_create,
  ),
  row(NR.__NR_memfd_secret, 'memfd_secret', [flags('open')], FULL, sys_memfd_secret),
];
