import { EINVAL, ENOPKG } from '@vitrine/uapi/errno.ts';
import { O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { close_fd, fd_install, fput } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { create_pipe_files } from '../fs/pipe.ts';
import { flags, outArray } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** Gives two files descriptors and tells the caller; none stays open when anything fails. */
function installPair(
  current: Current,
  pair: readonly [File, File],
  cloexec: boolean,
  to: number,
): number {
  let first: number;
  try {
    first = fd_install(current, pair[0], cloexec);
  } catch (error) {
    fput(current, pair[1]);
    throw error;
  }
  let second = -1;
  try {
    second = fd_install(current, pair[1], cloexec);
    current.mem.putU32(to, first);
    current.mem.putU32(to + 4, second);
  } catch (error) {
    close_fd(current, first);
    if (second >= 0) close_fd(current, second);
    throw error;
  }
  return 0;
}

export function sys_pipe2(current: Current, fds: number, flags: number): number {
  // O_NOTIFICATION_PIPE
  if (flags & O_EXCL && !(flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL)))
    throw errno(ENOPKG, 'pipe2: the kernel is made without watch queues');
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
    throw errno(EINVAL, 'pipe2: flags {} are unknown', flags);
  return installPair(current, create_pipe_files(current, flags), (flags & O_CLOEXEC) !== 0, fds);
}

export function sys_pipe(current: Current, fds: number): number {
  return sys_pipe2(current, fds, 0);
}

export const PIPE: readonly SyscallRow[] = [
  row(NR.__NR_pipe, 'pipe', [outArray('fdpair', -1)], FULL, sys_pipe),
  row(NR.__NR_pipe2, 'pipe2', [outArray('fdpair', -1), flags('open')], FULL, sys_pipe2),
];
