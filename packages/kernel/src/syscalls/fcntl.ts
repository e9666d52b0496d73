import { EBADF, EINVAL, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import * as F from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import { LLONG_MAX } from '../include/loff.ts';
import type { FilesStruct } from '../fs/fdtable.ts';
import {
  expand_files,
  fd_install,
  fget,
  fget_raw,
  filp_close,
  get_unused_fd,
} from '../fs/fdtable.ts';
import { Fasync, fasync_helper } from '../fs/fasync/fasync.ts';
import { FownStruct } from '../fs/fcntl.ts';
import { FMODE_CREATED, FMODE_PATH, type File } from '../fs/file.ts';
import { S_APPEND, S_ISFIFO } from '../fs/inode.ts';
import { inode_owner_or_capable } from '../fs/attr.ts';
import {
  check_fmode_for_setlk,
  FileLock,
  flock_lock_file,
  flock_range,
  posix_lock_file,
  posix_test_lock,
} from '../fs/locks.ts';
import { get_pipe_info, pipe_set_size } from '../fs/pipe.ts';
import { getlease, setlease } from '../fs/lease.ts';
import { fcntl_dirnotify } from '../fs/notify/dnotify.ts';
import { memfd_add_seals, memfd_get_seals } from '../fs/tmpfs/memfd.ts';
import type { Task } from '../kernel/task.ts';
import { arg, choice, fd, flags } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

const F_GET_RW_HINT = 1035;
const F_SET_RW_HINT = 1036;
const RWH_WRITE_LIFE_EXTREME = 5;

/** O_ASYNC. */
const FASYNC = 0x2000;
const SETFL_MASK = F.O_APPEND | F.O_NONBLOCK | F.O_DIRECT | F.O_NOATIME | FASYNC;

function setfl(current: Current, file: File, fd: number, arg: number): number {
  if (file.inode.flags & S_APPEND && (arg ^ file.flags) & F.O_APPEND)
    throw errno(EPERM, '{} is append-only: O_APPEND stays as it is', file.path);
  if (
    arg & F.O_NOATIME &&
    !(file.flags & F.O_NOATIME) &&
    !inode_owner_or_capable(current, file.inode)
  ) {
    throw errno(EPERM, 'O_NOATIME needs the owner of {} or CAP_FOWNER', file.path);
  }
  // Of a pipe it asks for packets.
  if (arg & F.O_DIRECT && !S_ISFIFO(file.inode.mode) && !file.can_odirect)
    throw errno(EINVAL, '{} cannot be open with O_DIRECT', file.path);
  file.check_flags(arg);
  fasync_helper(current, file, fd, (arg & FASYNC) !== 0);
  const set = file.fasync === null ? arg & ~FASYNC : arg;
  file.flags = (file.flags & ~SETFL_MASK) | (set & SETFL_MASK);
  return 0;
}

/** Without ptrace-like rights the owner is checked again when the signal is sent. */
function f_setown(task: Task, file: File, type: number, pid: number): void {
  const owner = (file.owner ??= new FownStruct());
  owner.type = type;
  owner.pid = pid;
  owner.uid = task.cred.uid;
  owner.euid = task.cred.euid;
  // Its own threads a process may always signal (hook_file_set_fowner).
  const other = type === F.F_OWNER_PGRP || task.kernel.pids.find(pid)?.task?.tgid !== task.tgid;
  owner.landlock = other ? task.cred.landlock : null;
  owner.chooser = task.tgid;
}

export function getown(file: File): number {
  const { owner } = file;
  if (owner === null) return 0;
  return owner.type === F.F_OWNER_PGRP ? -owner.pid : owner.pid;
}

export function setown(task: Task, file: File, arg: number): number {
  const who = arg | 0;
  if (who === -(2 ** 31)) throw errno(EINVAL, 'F_SETOWN: {} is out of range', who);
  const pid = Math.abs(who);
  if (pid !== 0 && task.kernel.pids.find(pid) === null)
    throw errno(ESRCH, 'F_SETOWN: no process or group {}', pid);
  f_setown(task, file, who < 0 ? F.F_OWNER_PGRP : F.F_OWNER_PID, pid);
  return 0;
}

function setownEx(task: Task, file: File, arg: number): number {
  const type = task.mem.getI32(arg);
  const pid = task.mem.getI32(arg + 4);
  if (type < 0 || type > 2)
    throw errno(EINVAL, 'F_SETOWN_EX: type {} is none of F_OWNER_TID, PID, PGRP', type);
  if (pid !== 0 && task.kernel.pids.find(pid) === null)
    throw errno(ESRCH, 'F_SETOWN_EX: no process, thread or group {}', pid);
  f_setown(task, file, type, pid);
  return 0;
}

const isOfd = (cmd: number): boolean => cmd >= F.F_OFD_GETLK && cmd <= F.F_OFD_SETLKW;

/** struct flock: type, whence (16 bits each), start, length, pid at 0, 2, 8, 16, 24. */
function readLock(task: Task, file: File, cmd: number, arg: number): FileLock {
  const { mem } = task;
  const type = mem.getU16(arg);
  if (type > 2) throw errno(EINVAL, 'l_type {} is none of F_RDLCK, F_WRLCK, F_UNLCK', type);
  const whence = mem.getU16(arg + 2);
  const offset = (at: number): bigint => BigInt.asIntN(64, mem.getBig(at));
  const [start, end] = flock_range(file, whence, offset(arg + 8), offset(arg + 16));
  if (cmd !== F.F_GETLK && cmd !== F.F_OFD_GETLK) check_fmode_for_setlk(file, type);
  if (isOfd(cmd) && mem.getI32(arg + 24) !== 0)
    throw errno(EINVAL, 'l_pid must be 0 for open-file locks');
  const owner: FilesStruct | File = isOfd(cmd) ? file : task.files;
  return new FileLock(type, start, end, owner, isOfd(cmd) ? -1 : task.tgid);
}

function getlk(task: Task, file: File, cmd: number, arg: number): number {
  const lock = readLock(task, file, cmd, arg);
  if (lock.type === F.F_UNLCK && !isOfd(cmd))
    throw errno(EINVAL, 'F_GETLK asks for a read or write lock');
  const other = posix_test_lock(file.inode, lock);
  const { mem } = task;
  if (other === null) {
    mem.putU16(arg, F.F_UNLCK);
    return 0;
  }
  mem.putU16(arg, other.type);
  mem.putU16(arg + 2, 0);
  mem.putBig(arg + 8, BigInt(other.start));
  const length = BigInt(other.end) - BigInt(other.start) + 1n;
  mem.putBig(arg + 16, other.end === LLONG_MAX ? 0n : length);
  mem.putU32(arg + 24, other.pid);
  return 0;
}

function setlk(task: Task, file: File, fd: number, cmd: number, arg: number): number {
  const wait = cmd === F.F_SETLKW || cmd === F.F_OFD_SETLKW;
  const lock = readLock(task, file, cmd, arg);
  const undo = new FileLock(F.F_UNLCK, lock.start, lock.end, lock.owner, lock.pid);
  const ret = posix_lock_file(task, file, lock, wait);
  // What another thread's close was to take away goes again.
  if (ret !== BLOCKED && lock.type !== F.F_UNLCK && !isOfd(cmd) && task.files.fd[fd] !== file) {
    posix_lock_file(task, file, undo, false);
    throw errno(EBADF, 'fd {} was closed while it was waited for the lock', fd);
  }
  return ret;
}

function dupfd(task: Task, file: File, from: number, cloexec: boolean): number {
  const limit = task.rlimit(RLIMIT_NOFILE);
  if (from < 0 || from >= limit)
    throw errno(EINVAL, 'F_DUPFD: {} is not below RLIMIT_NOFILE ({})', from, limit);
  get_unused_fd(task, from);
  return fd_install(task, file.get(), cloexec, from);
}

/** Commands that descriptors opened with O_PATH take (check_fcntl_cmd). */
const ON_PATHS: readonly number[] = [F.F_CREATED_QUERY, F.F_DUPFD, F.F_DUPFD_CLOEXEC, F.F_DUPFD_QUERY, F.F_GETFD, F.F_SETFD, F.F_GETFL]; // prettier-ignore

export function sys_fcntl(task: Task, fd: number, cmd: number, arg: number): number {
  const file = fget_raw(task, fd);
  if (file.mode & FMODE_PATH && !ON_PATHS.includes(cmd)) {
    throw errno(EBADF, 'fd {} was opened with O_PATH: it only names {}', fd, file.path);
  }
  const num = arg | 0;
  switch (cmd) {
    case F.F_DUPFD:
      return dupfd(task, file, num, false);
    case F.F_DUPFD_CLOEXEC:
      return dupfd(task, file, num, true);
    case F.F_DUPFD_QUERY:
      return fget_raw(task, num) === file ? 1 : 0;
    case F.F_CREATED_QUERY:
      return file.mode & FMODE_CREATED ? 1 : 0;
    case F.F_GETFD:
      return task.files.cloexec.has(fd) ? F.FD_CLOEXEC : 0;
    case F.F_SETFD:
      if (num & F.FD_CLOEXEC) task.files.cloexec.add(fd);
      else task.files.cloexec.delete(fd);
      return 0;
    case F.F_GETFL:
      return file.flags;
    case F.F_SETFL:
      return setfl(task, file, fd, num >>> 0);
    case F.F_GETLK:
    case F.F_OFD_GETLK:
      return getlk(task, file, cmd, arg);
    case F.F_SETLK:
    case F.F_SETLKW:
    case F.F_OFD_SETLK:
    case F.F_OFD_SETLKW:
      return setlk(task, file, fd, cmd, arg);
    case F.F_SETOWN:
      return setown(task, file, num >>> 0);
    case F.F_GETOWN:
      return getown(file);
    case F.F_SETOWN_EX:
      return setownEx(task, file, arg);
    case F.F_GETOWN_EX:
      task.mem.putU32(arg, file.owner?.type ?? F.F_OWNER_TID);
      task.mem.putU32(arg + 4, file.owner?.pid ?? 0);
      return 0;
    case F.F_GETOWNER_UIDS:
      task.mem.putU32(arg, file.owner?.uid ?? 0);
      task.mem.putU32(arg + 4, file.owner?.euid ?? 0);
      return 0;
    case F.F_SETSIG:
      if (num < 0 || num > 64) throw errno(EINVAL, 'F_SETSIG: {} is no signal', num);
      (file.owner ??= new FownStruct()).signum = num;
      return 0;
    case F.F_GETSIG:
      return file.owner?.signum ?? 0;
    case F.F_SETPIPE_SZ:
    case F.F_GETPIPE_SZ:
      return pipeSize(task, file, cmd, num >>> 0);
    case F.F_ADD_SEALS:
      return memfd_add_seals(file, num >>> 0);
    case F.F_GET_SEALS:
      return memfd_get_seals(file);
    case F_GET_RW_HINT:
      task.mem.putU64(arg, file.inode.write_hint);
      return 0;
    case F_SET_RW_HINT:
      return set_rw_hint(task, file, arg);
    case F.F_GETLEASE:
      return getlease(task, file);
    case F.F_SETLEASE:
      return fcntl_setlease(task, file, fd, num);
    case F.F_NOTIFY:
      if (fcntl_dirnotify(task.files, file, fd, num >>> 0) && !file.owner?.pid)
        f_setown(task, file, F.F_OWNER_PID, task.tgid);
      return 0;
    default:
      throw errno(EINVAL, 'fcntl: command {} is unknown', cmd);
  }
}

/** How long what is written will live: kept for who asks, there is no device to tell. */
function set_rw_hint(task: Task, file: File, arg: number): number {
  if (!inode_owner_or_capable(task, file.inode))
    throw errno(EPERM, 'F_SET_RW_HINT needs the owner of {} or CAP_FOWNER', file.path);
  const hint = task.mem.getU64(arg);
  if (hint > RWH_WRITE_LIFE_EXTREME)
    throw errno(EINVAL, 'F_SET_RW_HINT: there is no lifetime {}', hint);
  file.inode.write_hint = hint;
  return 0;
}

function pipeSize(task: Task, file: File, cmd: number, arg: number): number {
  const pipe = get_pipe_info(file);
  if (pipe === null) throw errno(EBADF, '{} is not a pipe', file.path);
  return cmd === F.F_GETPIPE_SZ ? pipe.max_usage * 4096 : pipe_set_size(task, pipe, arg);
}

/** The holder learns by a signal, as of a file with O_ASYNC. */
function fcntl_setlease(task: Task, file: File, fd: number, type: number): number {
  const lease = setlease(task, file, type);
  if (lease === null) return 0;
  lease.signal = new Fasync(file, fd, [lease.broken]);
  if (file.owner === null || file.owner.pid === 0) f_setown(task, file, F.F_OWNER_PID, task.tgid);
  return 0;
}

export function sys_dup(current: Current, fd: number): number {
  return fd_install(current, fget_raw(current, fd).get(), false);
}

export function sys_dup2(current: Current, oldfd: number, newfd: number): number {
  if (oldfd === newfd) {
    fget_raw(current, oldfd);
    return newfd;
  }
  return do_dup2(current, oldfd, newfd, false);
}

export function sys_dup3(current: Current, oldfd: number, newfd: number, flags: number): number {
  if (flags & ~F.O_CLOEXEC) throw errno(EINVAL, 'dup3: flags {} are unknown', flags);
  if (oldfd === newfd) throw errno(EINVAL, 'dup3: both descriptors are {}', oldfd);
  return do_dup2(current, oldfd, newfd, (flags & F.O_CLOEXEC) !== 0);
}

function do_dup2(current: Current, oldfd: number, newfd: number, cloexec: boolean): number {
  const limit = current.rlimit(RLIMIT_NOFILE);
  if (newfd < 0 || newfd >= limit)
    throw errno(EBADF, 'dup2: descriptor {} is not below RLIMIT_NOFILE ({})', newfd, limit);
  const file = fget_raw(current, oldfd);
  const { files, kernel } = current;
  if (newfd >= files.max_fds && newfd >= kernel.vfs.nr_open)
    throw errno(
      EBADF,
      'dup2: descriptor {} is not below fs.nr_open ({})',
      newfd,
      kernel.vfs.nr_open,
    );
  expand_files(kernel, files, newfd);
  file.get();
  const old = files.remove(newfd);
  files.install(newfd, file, cloexec);
  if (old !== null) filp_close(current, old, files);
  return newfd;
}

export function sys_flock(current: Current, fd: number, op: number): number {
  if (op & F.LOCK_MAND) return 0;
  const type = { [F.LOCK_SH]: F.F_RDLCK, [F.LOCK_EX]: F.F_WRLCK, [F.LOCK_UN]: F.F_UNLCK }[
    op & ~F.LOCK_NB
  ];
  if (type === undefined) throw errno(EINVAL, 'flock: operation {} is none of LOCK_SH, EX, UN', op);
  const file = fget(current, fd);
  if (type !== F.F_UNLCK && !file.readable && !file.writable)
    throw errno(EBADF, '{} is open for nothing', file.path);
  return flock_lock_file(current, file, type, !(op & F.LOCK_NB));
}

export const FCNTL: readonly SyscallRow[] = [
  row(NR.__NR_fcntl, 'fcntl', [fd, choice('fcntl'), arg], FULL, sys_fcntl),
  row(NR.__NR_dup, 'dup', [fd], FULL, sys_dup),
  row(NR.__NR_dup2, 'dup2', [fd, fd], FULL, sys_dup2),
  row(NR.__NR_dup3, 'dup3', [fd, fd, flags('open')], FULL, sys_dup3),
  row(NR.__NR_flock, 'flock', [fd, flags('flock')], FULL, sys_flock),
];
