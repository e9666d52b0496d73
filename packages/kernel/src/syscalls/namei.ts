import { EINVAL, ENAMETOOLONG, ENOENT, EOPNOTSUPP } from '@vitrine/uapi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
} from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { chmod_common, chown_common, notify_change } from '../fs/attr.ts';
import type { Iattr } from '../fs/attr.ts';
import type { Path } from '../fs/dcache.ts';
import { fget } from '../fs/fdtable.ts';
import { S_ISLNK, type Timespec, touch_atime } from '../fs/inode.ts';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, getname, try_getname, user_path_at } from '../fs/namei.ts';
import {
  do_linkat,
  do_mkdirat,
  do_mknodat,
  do_renameat2,
  do_rmdir,
  do_symlinkat,
  do_unlinkat,
} from '../fs/namei_ops.ts';
import { mnt_want_write } from '../fs/permission.ts';
import {
  dev,
  dirfd,
  fd,
  flags,
  inStruct,
  int,
  mode as modeKind,
  outBuf,
  path,
  uid,
} from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

export function sys_mkdirat(current: Current, dfd: number, name: number, mode: number): number {
  do_mkdirat(current, dfd, getname(current, name), mode);
  return 0;
}

export function sys_mkdir(current: Current, name: number, mode: number): number {
  return sys_mkdirat(current, AT_FDCWD, name, mode);
}

export function sys_mknodat(
  current: Current,
  dfd: number,
  name: number,
  mode: number,
  dev: number,
): number {
  do_mknodat(current, dfd, try_getname(current, name), mode, dev);
  return 0;
}

export function sys_mknod(current: Current, name: number, mode: number, dev: number): number {
  return sys_mknodat(current, AT_FDCWD, name, mode, dev);
}

export function sys_symlinkat(current: Current, target: number, dfd: number, name: number): number {
  do_symlinkat(current, try_getname(current, target), dfd, try_getname(current, name));
  return 0;
}

export function sys_symlink(current: Current, target: number, name: number): number {
  return sys_symlinkat(current, target, AT_FDCWD, name);
}

export function sys_linkat(
  current: Current,
  olddfd: number,
  old: number,
  newdfd: number,
  name: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
    throw errno(EINVAL, 'linkat: flags {} are unknown', flags);
  const follow = (flags & AT_SYMLINK_FOLLOW) !== 0;
  do_linkat(
    current,
    olddfd,
    getname(current, old),
    newdfd,
    try_getname(current, name),
    follow,
    (flags & AT_EMPTY_PATH) !== 0,
  );
  return 0;
}

export function sys_link(current: Current, old: number, name: number): number {
  return sys_linkat(current, AT_FDCWD, old, AT_FDCWD, name, 0);
}

export function sys_unlinkat(current: Current, dfd: number, name: number, flags: number): number {
  if (flags & ~AT_REMOVEDIR) throw errno(EINVAL, 'unlinkat: flags {} are unknown', flags);
  if (flags & AT_REMOVEDIR) do_rmdir(current, dfd, getname(current, name));
  else do_unlinkat(current, dfd, getname(current, name));
  return 0;
}

export function sys_unlink(current: Current, name: number): number {
  return sys_unlinkat(current, AT_FDCWD, name, 0);
}

export function sys_rmdir(current: Current, name: number): number {
  return sys_unlinkat(current, AT_FDCWD, name, AT_REMOVEDIR);
}

export function sys_renameat2(
  current: Current,
  olddfd: number,
  old: number,
  newdfd: number,
  name: number,
  flags: number,
): number {
  do_renameat2(
    current,
    olddfd,
    try_getname(current, old),
    newdfd,
    try_getname(current, name),
    flags,
  );
  return 0;
}

export function sys_renameat(
  current: Current,
  olddfd: number,
  old: number,
  newdfd: number,
  name: number,
): number {
  return sys_renameat2(current, olddfd, old, newdfd, name, 0);
}

export function sys_rename(current: Current, old: number, name: number): number {
  return sys_renameat2(current, AT_FDCWD, old, AT_FDCWD, name, 0);
}

export function sys_readlinkat(
  current: Current,
  dfd: number,
  name: number,
  buf: number,
  length: number,
): number {
  if (length <= 0) throw errno(EINVAL, 'readlink: buffer size {} is not positive', length);
  const path = user_path_at(current, dfd, name, LOOKUP_EMPTY);
  const { inode } = path.dentry;
  if (!S_ISLNK(inode.mode)) {
    const empty = current.mem.getU8(name) === 0;
    throw errno(empty ? ENOENT : EINVAL, '{} is not a symbolic link', path);
  }
  const text = inode.readlink(current, path.dentry);
  if (text.length > 4095)
    throw errno(ENAMETOOLONG, 'readlink: {} leads to a path of {} bytes', path, text.length);
  touch_atime(inode, path.mnt);
  const bytes = new Uint8Array(Math.min(length, text.length));
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  current.mem.write(buf, bytes);
  return bytes.length;
}

export function sys_readlink(current: Current, name: number, buf: number, length: number): number {
  return sys_readlinkat(current, AT_FDCWD, name, buf, length);
}

export function sys_fchmodat2(
  current: Current,
  dfd: number,
  name: number,
  mode: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    throw errno(EINVAL, 'fchmodat2: flags {} are unknown', flags);
  const path = user_path_at(current, dfd, name, atLookup(flags));
  if (S_ISLNK(path.dentry.inode.mode))
    throw errno(EOPNOTSUPP, 'symbolic link {} has no mode of its own', path);
  chmod_common(current, path, mode);
  return 0;
}

export function sys_fchmodat(current: Current, dfd: number, name: number, mode: number): number {
  return sys_fchmodat2(current, dfd, name, mode, 0);
}

export function sys_chmod(current: Current, name: number, mode: number): number {
  return sys_fchmodat2(current, AT_FDCWD, name, mode, 0);
}

export function sys_fchmod(current: Current, fd: number, mode: number): number {
  chmod_common(current, fget(current, fd).path, mode);
  return 0;
}

const atLookup = (flags: number): number =>
  (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);

export function sys_fchownat(
  current: Current,
  dfd: number,
  name: number,
  uid: number,
  gid: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    throw errno(EINVAL, 'fchownat: flags {} are unknown', flags);
  chown_common(current, user_path_at(current, dfd, name, atLookup(flags)), uid >>> 0, gid >>> 0);
  return 0;
}

export function sys_chown(current: Current, name: number, uid: number, gid: number): number {
  return sys_fchownat(current, AT_FDCWD, name, uid, gid, 0);
}

export function sys_lchown(current: Current, name: number, uid: number, gid: number): number {
  return sys_fchownat(current, AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

export function sys_fchown(current: Current, fd: number, uid: number, gid: number): number {
  chown_common(current, fget(current, fd).path, uid >>> 0, gid >>> 0);
  return 0;
}

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

/** Sets times: null means now, for who may write; UTIME_NOW and UTIME_OMIT stand for the clock and for no change. */
function vfs_utimes(
  current: Current,
  path: Path,
  times: readonly [Timespec, Timespec] | null,
): number {
  mnt_want_write(path);
  if (times === null || (times[0].nsec === UTIME_NOW && times[1].nsec === UTIME_NOW)) {
    notify_change(current, path, { touch: true });
    return 0;
  }
  const [atime, mtime] = times;
  for (const t of times) {
    if (t.nsec !== UTIME_NOW && t.nsec !== UTIME_OMIT && (t.nsec < 0 || t.nsec > 999_999_999)) {
      throw errno(EINVAL, 'utimes: {} nanoseconds are not below a second', t.nsec);
    }
  }
  if (atime.nsec === UTIME_OMIT && mtime.nsec === UTIME_OMIT) return 0;
  const now = current.kernel.clock.realtime();
  const attr: Iattr = { timesSet: true };
  if (atime.nsec !== UTIME_OMIT) attr.atime = atime.nsec === UTIME_NOW ? now : atime;
  if (mtime.nsec !== UTIME_OMIT) attr.mtime = mtime.nsec === UTIME_NOW ? now : mtime;
  notify_change(current, path, attr);
  return 0;
}

function timespecs(current: Current, at: number): [Timespec, Timespec] | null {
  if (at === 0) return null;
  const { mem } = current;
  return [
    { sec: mem.getI64(at), nsec: mem.getI64(at + 8) },
    { sec: mem.getI64(at + 16), nsec: mem.getI64(at + 24) },
  ];
}

export function sys_utimensat(
  current: Current,
  dfd: number,
  name: number,
  times: number,
  flags: number,
): number {
  const values = timespecs(current, times);
  if (values !== null && values[0].nsec === UTIME_OMIT && values[1].nsec === UTIME_OMIT) return 0;
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    throw errno(EINVAL, 'utimensat: flags {} are unknown', flags);
  if (name === 0 && dfd !== AT_FDCWD) {
    if (flags !== 0) throw errno(EINVAL, 'utimensat: flags {} without a path', flags);
    return vfs_utimes(current, fget(current, dfd).path, values);
  }
  return vfs_utimes(current, user_path_at(current, dfd, name, atLookup(flags)), values);
}

/** Microseconds, as utimes and futimesat give them. */
function timevals(current: Current, at: number): [Timespec, Timespec] | null {
  const values = timespecs(current, at);
  if (values === null) return null;
  for (const t of values) {
    if (t.nsec < 0 || t.nsec >= 1_000_000)
      throw errno(EINVAL, 'utimes: {} microseconds are not below a second', t.nsec);
  }
  return [
    { sec: values[0].sec, nsec: values[0].nsec * 1000 },
    { sec: values[1].sec, nsec: values[1].nsec * 1000 },
  ];
}

export function sys_futimesat(current: Current, dfd: number, name: number, times: number): number {
  const values = timevals(current, times);
  if (name === 0 && dfd !== AT_FDCWD) return vfs_utimes(current, fget(current, dfd).path, values);
  return vfs_utimes(current, user_path_at(current, dfd, name, LOOKUP_FOLLOW), values);
}

export function sys_utimes(current: Current, name: number, times: number): number {
  return sys_futimesat(current, AT_FDCWD, name, times);
}

export function sys_utime(current: Current, name: number, times: number): number {
  const { mem } = current;
  const values: [Timespec, Timespec] | null =
    times === 0
      ? null
      : [
          { sec: mem.getI64(times), nsec: 0 },
          { sec: mem.getI64(times + 8), nsec: 0 },
        ];
  return vfs_utimes(current, user_path_at(current, AT_FDCWD, name, LOOKUP_FOLLOW), values);
}

/** Newer than the headers that uapi is made from. */
const __NR_fchmodat2 = 452;

export const NAMEI: readonly SyscallRow[] = [
  row(NR.__NR_mkdir, 'mkdir', [path, modeKind], FULL, sys_mkdir),
  row(NR.__NR_mkdirat, 'mkdirat', [dirfd, path, modeKind], FULL, sys_mkdirat),
  row(NR.__NR_mknod, 'mknod', [path, modeKind, dev], FULL, sys_mknod),
  row(NR.__NR_mknodat, 'mknodat', [dirfd, path, modeKind, dev], FULL, sys_mknodat),
  row(NR.__NR_symlink, 'symlink', [path, path], FULL, sys_symlink),
  row(NR.__NR_symlinkat, 'symlinkat', [path, dirfd, path], FULL, sys_symlinkat),
  row(NR.__NR_link, 'link', [path, path], FULL, sys_link),
  row(NR.__NR_linkat, 'linkat', [dirfd, path, dirfd, path, flags('at')], FULL, sys_linkat),
  row(NR.__NR_unlink, 'unlink', [path], FULL, sys_unlink),
  row(NR.__NR_unlinkat, 'unlinkat', [dirfd, path, flags('unlinkat')], FULL, sys_unlinkat),
  row(NR.__NR_rmdir, 'rmdir', [path], FULL, sys_rmdir),
  row(NR.__NR_rename, 'rename', [path, path], FULL, sys_rename),
  row(NR.__NR_renameat, 'renameat', [dirfd, path, dirfd, path], FULL, sys_renameat),
  row(
    NR.__NR_renameat2,
    'renameat2',
    [dirfd, path, dirfd, path, flags('rename')],
    FULL,
    sys_renameat2,
  ),
  row(NR.__NR_readlink, 'readlink', [path, outBuf(), int], FULL, sys_readlink),
  row(NR.__NR_readlinkat, 'readlinkat', [dirfd, path, outBuf(), int], FULL, sys_readlinkat),
  row(NR.__NR_chmod, 'chmod', [path, modeKind], FULL, sys_chmod),
  row(NR.__NR_fchmod, 'fchmod', [fd, modeKind], FULL, sys_fchmod),
  row(NR.__NR_fchmodat, 'fchmodat', [dirfd, path, modeKind], FULL, sys_fchmodat),
  row(__NR_fchmodat2, 'fchmodat2', [dirfd, path, modeKind, flags('at')], FULL, sys_fchmodat2),
  row(NR.__NR_chown, 'chown', [path, uid, uid], FULL, sys_chown),
  row(NR.__NR_lchown, 'lchown', [path, uid, uid], FULL, sys_lchown),
  row(NR.__NR_fchown, 'fchown', [fd, uid, uid], FULL, sys_fchown),
  row(NR.__NR_fchownat, 'fchownat', [dirfd, path, uid, uid, flags('at')], FULL, sys_fchownat),
  row(NR.__NR_utime, 'utime', [path, inStruct('utimbuf')], FULL, sys_utime),
  row(NR.__NR_utimes, 'utimes', [path, inStruct('timeval2')], FULL, sys_utimes),
  row(NR.__NR_futimesat, 'futimesat', [dirfd, path, inStruct('timeval2')], FULL, sys_futimesat),
  row(
    NR.__NR_utimensat,
    'utimensat',
    [dirfd, path, inStruct('timespec2'), flags('at')],
    FULL,
    sys_utimensat,
  ),
];
