import { EINVAL } from '@vitrine/uapi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
} from '@vitrine/uapi/fcntl.ts';
import {
  STATX_ATTR_AUTOMOUNT,
  STATX_ATTR_DAX,
  STATX_ATTR_MOUNT_ROOT,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
  STATX__RESERVED,
} from '@vitrine/uapi/stat.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { i_size_read } from '../include/pagecache.ts';
import { MNT_UNIQUE_ID_OFFSET } from '../fs/mount.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Path } from '../fs/dcache.ts';
import { fget_raw } from '../fs/fdtable.ts';
import { type Inode, type Timespec } from '../fs/inode.ts';
import { MAJOR, MINOR } from '../fs/kdev_t.ts';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, user_path_at } from '../fs/namei.ts';
import type { Statfs } from '../fs/super.ts';
import { dev, dirfd, fd, flags, outStruct, path } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

const scratch = new Uint8Array(256);
const view = new DataView(scratch.buffer);

function u64(at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
}

function size(at: number, inode: Inode): void {
  const bytes = i_size_read(inode);
  if (typeof bytes === 'number') u64(at, bytes);
  else view.setBigInt64(at, bytes, true);
}

/** The last second of 64 bits (touch -d @9223372036854775807) is rounded up when it becomes a number. */
const LAST_SECOND = 2 ** 63 - 1024;

function seconds(at: number, sec: number): void {
  if (sec <= LAST_SECOND) return u64(at, sec);
  view.setBigInt64(at, 2n ** 63n - 1n, true);
}

function time(at: number, t: Timespec): void {
  seconds(at, t.sec);
  u64(at + 8, t.nsec);
}

/** struct stat of x86-64, 144 bytes (cp_new_stat). */
export function cp_new_stat(current: Current, inode: Inode, to: number): number {
  inode.getattr(current);
  scratch.fill(0, 0, 144);
  u64(0, inode.stat_dev);
  u64(8, inode.stat_ino);
  u64(16, inode.stat_nlink);
  view.setUint32(24, inode.mode, true);
  view.setUint32(28, inode.uid, true);
  view.setUint32(32, inode.gid, true);
  u64(40, inode.rdev);
  size(48, inode);
  u64(56, inode.sb.blocksize);
  u64(64, inode.blocks);
  time(72, inode.atime);
  time(88, inode.mtime);
  time(104, inode.ctime);
  current.mem.write(to, scratch.subarray(0, 144));
  return 0;
}

export function sys_stat(current: Current, name: number, to: number): number {
  return cp_new_stat(
    current,
    user_path_at(current, AT_FDCWD, name, LOOKUP_FOLLOW).dentry.inode,
    to,
  );
}

export function sys_lstat(current: Current, name: number, to: number): number {
  return cp_new_stat(current, user_path_at(current, AT_FDCWD, name, 0).dentry.inode, to);
}

export function sys_fstat(current: Current, fd: number, to: number): number {
  return cp_new_stat(current, fget_raw(current, fd).inode, to);
}

/** Path, flags and the descriptor itself, as fstatat and statx take them; a null path with AT_EMPTY_PATH is the descriptor. */
function statPath(current: Current, dfd: number, name: number, flags: number): Path {
  const lookup =
    (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
  if (name === 0 && flags & AT_EMPTY_PATH) {
    return dfd === AT_FDCWD ? current.fs.pwd : fget_raw(current, dfd).path;
  }
  return user_path_at(current, dfd, name, lookup);
}

export function sys_newfstatat(
  current: Current,
  dfd: number,
  name: number,
  to: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) {
    throw errno(EINVAL, 'newfstatat: flags {} are unknown', flags);
  }
  return cp_new_stat(current, statPath(current, dfd, name, flags).dentry.inode, to);
}

function statxTime(at: number, t: Timespec): void {
  seconds(at, t.sec);
  view.setUint32(at + 8, t.nsec, true);
}

/** Since 6.8: the mount's number is one that is never given again. */
const STATX_MNT_ID_UNIQUE = 0x4000;

export function sys_statx(
  current: Current,
  dfd: number,
  name: number,
  flags: number,
  mask: number,
  to: number,
): number {
  if (mask & STATX__RESERVED) throw errno(EINVAL, 'statx: mask {} has the reserved bit', mask);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) {
    throw errno(EINVAL, 'statx: flags {} are unknown', flags);
  }
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE)
    throw errno(EINVAL, 'statx: AT_STATX_FORCE_SYNC excludes AT_STATX_DONT_SYNC');
  const path = statPath(current, dfd, name, flags);
  const { inode } = path.dentry;
  inode.getattr(current);
  let attributes = inode.statx_attributes;
  if (path.dentry === path.mnt.root) attributes |= STATX_ATTR_MOUNT_ROOT;
  const btime = (mask & STATX_BTIME) !== 0 && inode.has_btime;
  scratch.fill(0);
  view.setUint32(
    0,
    STATX_BASIC_STATS | (btime ? STATX_BTIME : 0) | (mask & STATX_MNT_ID_UNIQUE || STATX_MNT_ID),
    true,
  );
  view.setUint32(4, inode.sb.blocksize, true);
  u64(8, attributes);
  view.setUint32(16, inode.stat_nlink, true);
  view.setUint32(20, inode.uid, true);
  view.setUint32(24, inode.gid, true);
  view.setUint16(28, inode.mode, true);
  u64(32, inode.stat_ino);
  size(40, inode);
  u64(48, inode.blocks);
  u64(56, inode.statx_attributes_mask | STATX_ATTR_AUTOMOUNT | STATX_ATTR_MOUNT_ROOT | STATX_ATTR_DAX); // prettier-ignore
  statxTime(64, inode.atime);
  if (btime) statxTime(80, inode.btime);
  statxTime(96, inode.ctime);
  statxTime(112, inode.mtime);
  view.setUint32(128, MAJOR(inode.rdev), true);
  view.setUint32(132, MINOR(inode.rdev), true);
  view.setUint32(136, MAJOR(inode.stat_dev), true);
  view.setUint32(140, MINOR(inode.stat_dev), true);
  const unique = (mask & STATX_MNT_ID_UNIQUE) !== 0;
  u64(144, unique ? MNT_UNIQUE_ID_OFFSET + path.mnt.id : path.mnt.id);
  current.mem.write(to, scratch);
  return 0;
}

/** struct statfs, 120 bytes. */
function putStatfs(current: Current, to: number, path: Path): number {
  const s: Statfs = path.mnt.sb.statfs();
  scratch.fill(0, 0, 120);
  [s.type, s.bsize, s.blocks, s.bfree, s.bavail, s.files, s.ffree].forEach((v, i) => u64(i * 8, v));
  view.setBigUint64(56, path.mnt.sb.fsid, true);
  u64(64, s.namelen);
  u64(72, s.bsize);
  u64(80, flags_by_mnt(path));
  current.mem.write(to, scratch.subarray(0, 120));
  return 0;
}

/** f_flags: ST_VALID, and the mount's flags in statvfs's spelling. */
function flags_by_mnt(path: Path): number {
  const { flags } = path.mnt;
  const sb = path.mnt.sb.flags;
  const same = 1 | 2 | 4 | 8 | 0x400 | 0x800; // RDONLY NOSUID NODEV NOEXEC NOATIME NODIRATIME
  let st = 0x20 | (flags & same) | (sb & (1 | 16 | 64));
  if (flags & 0x200000) st |= 0x1000; // ST_RELATIME
  if (flags & 0x100) st |= 0x2000; // ST_NOSYMFOLLOW
  return st;
}

export function sys_statfs(current: Current, name: number, to: number): number {
  return putStatfs(current, to, user_path_at(current, AT_FDCWD, name, LOOKUP_FOLLOW));
}

export function sys_fstatfs(current: Current, fd: number, to: number): number {
  return putStatfs(current, to, fget_raw(current, fd).path);
}

/** ustat(2): by device number. */
export function sys_ustat(current: Current, dev: number, to: number): number {
  const { vfs } = current.kernel;
  for (const mnt of vfs.rootNs.mounts) {
    if (mnt.sb.dev !== dev) continue;
    const s = mnt.sb.statfs();
    scratch.fill(0, 0, 32);
    view.setUint32(0, s.bfree, true);
    u64(8, s.ffree);
    current.mem.write(to, scratch.subarray(0, 32));
    return 0;
  }
  throw errno(EINVAL, 'ustat: no file system has device {}:{}', MAJOR(dev), MINOR(dev));
}

export const STAT: readonly SyscallRow[] = [
  row(NR.__NR_stat, 'stat', [path, outStruct('stat')], FULL, sys_stat),
  row(NR.__NR_fstat, 'fstat', [fd, outStruct('stat')], FULL, sys_fstat),
  row(NR.__NR_lstat, 'lstat', [path, outStruct('stat')], FULL, sys_lstat),
  row(
    NR.__NR_newfstatat,
    'newfstatat',
    [dirfd, path, outStruct('stat'), flags('at')],
    FULL,
    sys_newfstatat,
  ),
  row(
    NR.__NR_statx,
    'statx',
    [dirfd, path, flags('at'), flags('statx'), outStruct('statx')],
    FULL,
    sys_statx,
  ),
  row(NR.__NR_statfs, 'statfs', [path, outStruct('statfs')], FULL, sys_statfs),
  row(NR.__NR_fstatfs, 'fstatfs', [fd, outStruct('statfs')], FULL, sys_fstatfs),
  row(NR.__NR_ustat, 'ustat', [dev, outStruct('ustat')], FULL, sys_ustat),
];
