import {
  EAGAIN,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  EPERM,
  ERANGE,
} from '@vitrine/uapi/errno.ts';
import { CAP_SYS_CHROOT } from '@vitrine/uapi/capability.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  CLOSE_RANGE_CLOEXEC,
  CLOSE_RANGE_UNSHARE,
  O_CLOEXEC,
  O_CREAT,
  O_LARGEFILE,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
} from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Loff } from '../include/loff.ts';
import { copy_struct_from_user } from '../include/copy_struct.ts';
import { ns_capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { do_truncate, vfs_truncate } from '../fs/attr.ts';
import { security_file_truncate } from '../fs/security.ts';
import { d_path } from '../fs/dcache.ts';
import {
  close_fd,
  fd_install,
  fget,
  fget_raw,
  get_unused_fd,
  unshare_files,
} from '../fs/fdtable.ts';
import { set_fs_pwd, set_fs_root } from '../fs/fs_struct.ts';
import { MAY_EXEC, S_APPEND, S_ISDIR, S_ISREG } from '../fs/inode.ts';
import {
  LOOKUP_DIRECTORY,
  LOOKUP_EMPTY,
  LOOKUP_FOLLOW,
  PATH_MAX,
  getname,
  user_path_at,
} from '../fs/namei.ts';
import { build_open_flags, do_filp_open } from '../fs/open.ts';
import { access_check, inode_permission, mnt_want_write } from '../fs/permission.ts';
import { PermissionWait } from '../fs/fsnotify_backend.ts';
import { LeaseWait } from '../fs/lease.ts';
import { FifoWait } from '../fs/pipe.ts';
import {
  dirfd,
  fd,
  flags,
  inStruct,
  mode as modeKind,
  loff,
  outBuf,
  path,
  size,
  uint,
} from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** Opens a path and installs a descriptor. A FIFO without its other side, a terminal that waits, or a lease parks the task. */
function do_sys_open(
  current: Current,
  dfd: number,
  name: string,
  flags: number,
  mode: number,
  resolve: number,
): number {
  get_unused_fd(current);
  try {
    const file = do_filp_open(current, dfd, name, flags, mode, resolve);
    return fd_install(current, file, (flags & O_CLOEXEC) !== 0);
  } catch (wait) {
    if (wait instanceof FifoWait || wait instanceof LeaseWait || wait instanceof PermissionWait)
      return wait.park(current);
    throw wait;
  }
}

function openMode(flags: number, mode: number): number {
  return flags & O_CREAT || (flags & O_TMPFILE) === O_TMPFILE ? mode & 0o7777 : 0;
}

export function sys_openat(
  current: Current,
  dfd: number,
  name: number,
  flags: number,
  mode: number,
): number {
  const how = build_open_flags(flags | O_LARGEFILE, openMode(flags, mode), false);
  return do_sys_open(current, dfd, getname(current, name), how, openMode(flags, mode), 0);
}

export function sys_open(current: Current, name: number, flags: number, mode: number): number {
  return sys_openat(current, AT_FDCWD, name, flags, mode);
}

export function sys_creat(current: Current, name: number, mode: number): number {
  return sys_openat(current, AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

const OPEN_HOW_SIZE = 24;

export function sys_openat2(
  current: Current,
  dfd: number,
  name: number,
  how: number,
  usize: number,
): number {
  const view = copy_struct_from_user(current.mem, 'openat2: struct open_how', how, usize, OPEN_HOW_SIZE, OPEN_HOW_SIZE); // prettier-ignore
  const [flags, mode, resolve] = [0, 8, 16].map((at) => Number(view.getBigUint64(at, true))) as [number, number, number]; // prettier-ignore
  if (flags > 0x7fffffff || mode > 0o7777)
    throw errno(EINVAL, 'openat2: flags {} or mode {} has unknown bits', flags, mode);
  if (resolve > 63) throw errno(EINVAL, 'openat2: resolve {} has unknown bits', resolve);
  if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) === (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) {
    throw errno(EINVAL, 'openat2: RESOLVE_BENEATH excludes RESOLVE_IN_ROOT');
  }
  const checked = build_open_flags(flags, mode, true);
  if (resolve & RESOLVE_CACHED && flags & (O_TRUNC | O_CREAT | O_TMPFILE)) {
    throw errno(EAGAIN, 'RESOLVE_CACHED: O_TRUNC, O_CREAT and O_TMPFILE may wait');
  }
  return do_sys_open(current, dfd, getname(current, name), checked | O_LARGEFILE, mode, resolve);
}

export function sys_close(current: Current, fd: number): number {
  close_fd(current, fd);
  return 0;
}

export function sys_close_range(
  current: Current,
  first: number,
  last: number,
  flags: number,
): number {
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
    throw errno(EINVAL, 'close_range: flags {} are unknown', flags);
  if (first > last) throw errno(EINVAL, 'close_range: {} is above {}', first, last);
  const hole = (flags & CLOSE_RANGE_CLOEXEC) === 0 ? { from: first, to: last } : null;
  if (flags & CLOSE_RANGE_UNSHARE) unshare_files(current, hole);
  const { files } = current;
  const end = Math.min(last, files.fd.length - 1);
  for (let fd = first; fd <= end; fd++) {
    if (files.fd[fd] === null) continue;
    if (flags & CLOSE_RANGE_CLOEXEC) files.cloexec.add(fd);
    else close_fd(current, fd);
  }
  return 0;
}

/** Runs a check with the real ids, and the permitted capabilities only for real root (access_override_creds). */
function withRealIds<T>(current: Current, check: () => T): T {
  const { cred } = current;
  const root = cred.uid === 0;
  current.cred = cred.with({
    fsuid: cred.uid,
    fsgid: cred.gid,
    effective: root ? cred.permitted : { lo: 0, hi: 0 },
  });
  try {
    return check();
  } finally {
    current.cred = cred;
  }
}

export function sys_faccessat2(
  current: Current,
  dfd: number,
  name: number,
  mode: number,
  flags: number,
): number {
  if (mode & ~7) throw errno(EINVAL, 'access: mode {} has unknown bits', mode);
  if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    throw errno(EINVAL, 'faccessat2: flags {} are unknown', flags);
  const lookup =
    (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
  const check = (): number => {
    access_check(current, user_path_at(current, dfd, name, lookup), mode);
    return 0;
  };
  return flags & AT_EACCESS ? check() : withRealIds(current, check);
}

export function sys_faccessat(current: Current, dfd: number, name: number, mode: number): number {
  return sys_faccessat2(current, dfd, name, mode, 0);
}

export function sys_access(current: Current, name: number, mode: number): number {
  return sys_faccessat2(current, AT_FDCWD, name, mode, 0);
}

export function sys_truncate(current: Current, name: number, length: Loff): number {
  if (length < 0) throw errno(EINVAL, 'truncate: length {} is negative', length);
  const path = user_path_at(current, AT_FDCWD, name, LOOKUP_FOLLOW);
  const { inode } = path.dentry;
  if (S_ISDIR(inode.mode)) throw errno(EISDIR, 'truncate: {} is a directory', path);
  if (!S_ISREG(inode.mode)) throw errno(EINVAL, '{} is not a regular file', path);
  try {
    vfs_truncate(current, path, length);
  } catch (wait) {
    if (wait instanceof LeaseWait) return wait.park(current);
    throw wait;
  }
  return 0;
}

export function sys_ftruncate(current: Current, fd: number, length: Loff): number {
  if (length < 0) throw errno(EINVAL, 'ftruncate: length {} is negative', length);
  const file = fget(current, fd);
  if (!S_ISREG(file.inode.mode)) throw errno(EINVAL, '{} is not a regular file', file.path);
  if (!file.writable) throw errno(EINVAL, '{} is not open for writing', file.path);
  if (file.inode.flags & S_APPEND) throw errno(EPERM, '{} is append-only', file.path);
  mnt_want_write(file.path);
  security_file_truncate(file);
  do_truncate(current, file.path, length);
  return 0;
}

export function sys_umask(current: Current, mask: number): number {
  const old = current.fs.umask;
  current.fs.umask = mask & 0o777;
  return old;
}

export function sys_getcwd(current: Current, buf: number, length: number): number {
  const { fs } = current;
  if (fs.pwd.dentry.unhashed) throw errno(ENOENT, 'the current directory {} was removed', fs.pwd);
  const text = d_path(fs.pwd, fs.root, true);
  const bytes = new Uint8Array(text.length + 1);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  if (bytes.length > PATH_MAX)
    throw errno(
      ENAMETOOLONG,
      'the current directory has {} bytes, PATH_MAX is {}',
      bytes.length,
      PATH_MAX,
    );
  if (bytes.length > length)
    throw errno(
      ERANGE,
      'the current directory needs {} bytes, the buffer has {}',
      bytes.length,
      length,
    );
  current.mem.write(buf, bytes);
  return bytes.length;
}

export function sys_chdir(current: Current, name: number): number {
  const path = user_path_at(current, AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  inode_permission(current, path.dentry.inode, MAY_EXEC, path);
  set_fs_pwd(current.fs, path);
  return 0;
}

export function sys_fchdir(current: Current, fd: number): number {
  const { path, inode } = fget_raw(current, fd);
  if (!S_ISDIR(inode.mode)) throw errno(ENOTDIR, '{} is not a directory', path);
  inode_permission(current, inode, MAY_EXEC, path);
  set_fs_pwd(current.fs, path);
  return 0;
}

export function sys_chroot(current: Current, name: number): number {
  const path = user_path_at(current, AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  inode_permission(current, path.dentry.inode, MAY_EXEC, path);
  if (!ns_capable(current.cred, current.cred.userNs, CAP_SYS_CHROOT))
    throw errno(EPERM, 'chroot needs CAP_SYS_CHROOT; uid {} has not', current.cred.euid);
  set_fs_root(current.fs, path);
  return 0;
}

export const OPEN: readonly SyscallRow[] = [
  row(NR.__NR_open, 'open', [path, flags('open'), modeKind], FULL, sys_open),
  row(NR.__NR_openat, 'openat', [dirfd, path, flags('open'), modeKind], FULL, sys_openat),
  row(NR.__NR_openat2, 'openat2', [dirfd, path, inStruct('open_how'), size], FULL, sys_openat2),
  row(NR.__NR_creat, 'creat', [path, modeKind], FULL, sys_creat),
  row(NR.__NR_close, 'close', [fd], FULL, sys_close),
  row(
    NR.__NR_close_range,
    'close_range',
    [uint, uint, flags('close_range')],
    FULL,
    sys_close_range,
  ),
  row(NR.__NR_access, 'access', [path, flags('access')], FULL, sys_access),
  row(NR.__NR_faccessat, 'faccessat', [dirfd, path, flags('access')], FULL, sys_faccessat),
  row(
    NR.__NR_faccessat2,
    'faccessat2',
    [dirfd, path, flags('access'), flags('at')],
    FULL,
    sys_faccessat2,
  ),
  row(NR.__NR_truncate, 'truncate', [path, loff], FULL, sys_truncate),
  row(NR.__NR_ftruncate, 'ftruncate', [fd, loff], FULL, sys_ftruncate),
  row(NR.__NR_umask, 'umask', [modeKind], FULL, sys_umask),
  row(NR.__NR_getcwd, 'getcwd', [outBuf(), size], FULL, sys_getcwd),
  row(NR.__NR_chdir, 'chdir', [path], FULL, sys_chdir),
  row(NR.__NR_fchdir, 'fchdir', [fd], FULL, sys_fchdir),
  row(NR.__NR_chroot, 'chroot', [path], FULL, sys_chroot),
];
