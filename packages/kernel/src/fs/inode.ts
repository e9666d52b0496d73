import { EACCES, EINVAL, EIO, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_FSETID } from '@vitrine/uapi/capability.ts';
import {
  MS_LAZYTIME,
  MS_NOATIME,
  MS_NODIRATIME,
  MS_RDONLY,
  MS_RELATIME,
} from '@vitrine/uapi/mount.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_IXGRP,
  STATX_ATTR_APPEND,
  STATX_ATTR_IMMUTABLE,
} from '@vitrine/uapi/stat.ts';
import { capable, in_group_p } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { AddressSpace, PageOwner } from '../include/pagecache.ts';
import { serializable } from '../include/serial.ts';
import type { Iattr } from './attr.ts';
import type { Dentry, Path } from './dcache.ts';
import type { File } from './file.ts';
import type { FileLockContext } from './locks.ts';
import type { MntNamespace, Mount } from './mount.ts';
import { fsnotify_inoderemove } from './fsnotify.ts';
import type { LazyBytes } from '../include/lazy.ts';
import type { FsnotifyMark } from './fsnotify_backend.ts';
import { type Acls, posix_acl_permission } from './posix_acl.ts';
import type { Pipe } from './pipe.ts';
import type { SuperBlock } from './super.ts';

/** A time stamp. Immutable, so that several fields may share one. */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export const S_ISDIR = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
export const S_ISREG = (mode: number): boolean => (mode & S_IFMT) === S_IFREG;
export const S_ISLNK = (mode: number): boolean => (mode & S_IFMT) === S_IFLNK;
export const S_ISCHR = (mode: number): boolean => (mode & S_IFMT) === S_IFCHR;
export const S_ISBLK = (mode: number): boolean => (mode & S_IFMT) === S_IFBLK;
export const S_ISFIFO = (mode: number): boolean => (mode & S_IFMT) === S_IFIFO;
export const S_ISSOCK = (mode: number): boolean => (mode & S_IFMT) === S_IFSOCK;

/** inode.flags (S_IMMUTABLE … of linux/fs.h). */
export const S_NOATIME = 2;
export const S_APPEND = 4;
export const S_IMMUTABLE = 8;

/** What holds an inode that has no name perhaps: rules of Landlock. */
export interface HeldInode {
  /** The file system goes. */
  forget(): void;
}

/**
 * Analogous to `struct inode` with its operations: a file system makes a subclass. The defaults are those of an inode
 * whose operation table has no entry.
 */
export class Inode implements PageOwner {
  readonly sb: SuperBlock;
  readonly ino: number;
  mode: number;
  uid = 0;
  gid = 0;
  nlink = 1;
  size = 0;
  far_size: bigint | null = null;
  rdev = 0;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  btime: Timespec;
  flags = 0;
  /** Open files on it. With no name and no open file left it is evicted. */
  count = 0;
  /** Those of them that are for neither reading nor writing. */
  idle_opens = 0;
  /** Above 0: open for writing that many times; below: being executed (ETXTBSY). */
  writecount = 0;
  /** Cached pages of its own (a file system may make it when `mapping` is first asked for). */
  i_data: AddressSpace | null = null;
  /** Who watches it. */
  marks: Set<FsnotifyMark> | null = null;
  locks: FileLockContext | null = null;
  pipe: Pipe | null = null;
  /** Rules of Landlock are tied to it, and hold it. */
  landlock: HeldInode | null = null;
  /** Access control lists, on file systems that have them. */
  acls: Acls | null = null;

  /** Nothing may be mounted on it: it comes and goes with an open file or a mapping. */
  get cant_mount(): boolean {
    return false;
  }
  /** It is the file of a namespace (nsfs): it may be mounted though nobody sees its file system. */
  get is_ns_file(): boolean {
    return false;
  }
  /** …of this mount namespace: where it is mounted, that one lives on. */
  get mnt_ns(): MntNamespace | null {
    return null;
  }

  constructor(sb: SuperBlock, ino: number, mode: number) {
    this.sb = sb;
    this.ino = ino;
    this.mode = mode;
    this.atime = this.mtime = this.ctime = this.btime = sb.kernel.clock.realtime();
  }

  static {
    serializable('Inode', this);
  }

  /** The page cache of a regular file. */
  get mapping(): AddressSpace | null {
    return this.i_data;
  }

  /** 512-byte blocks in use. */
  get blocks(): number {
    return 0;
  }

  readPage(_index: number, _pa: number): void {
    throw errno(EIO, 'inode {} of {} has no pages', this.ino, this.sb);
  }

  /** Takes over another file's content without copying it. @returns false when it cannot (remap_file_range) */
  remap_file(_from: Inode): boolean {
    return false;
  }

  /** The whole content without the page cache, fetched when it is needed; null where there is no such way. */
  lazy_bytes(): LazyBytes | null {
    return null;
  }

  /** A directory that is only there because files in it are: in an overlay it has a lower layer's attributes. */
  get implied(): boolean {
    return false;
  }

  /** st_dev. */
  get stat_dev(): number {
    return this.sb.dev;
  }

  /** st_nlink. */
  get stat_nlink(): number {
    return this.nlink;
  }

  /** st_ino. */
  get stat_ino(): number {
    return this.ino;
  }

  /** It knows when it was made (STATX_BTIME). */
  get has_btime(): boolean {
    return false;
  }

  /** STATX_ATTR_… flags that its file system keeps, and those that are set. */
  get statx_attributes_mask(): number {
    return 0;
  }
  get statx_attributes(): number {
    return (
      (this.flags & S_IMMUTABLE ? STATX_ATTR_IMMUTABLE : 0) |
      (this.flags & S_APPEND ? STATX_ATTR_APPEND : 0)
    );
  }

  update_atime(now: Timespec): void {
    this.atime = now;
  }

  // Directories. `dir` is the directory's own dentry.

  /** A name that the dentry cache does not have. */
  lookup(_current: Current, _dir: Dentry, _name: string): Inode | null {
    return null;
  }
  /** It may be gone or another at the next look: its dentry is not kept (files of processes). */
  get dynamic(): boolean {
    return false;
  }
  /** A dentry of it is kept nevertheless, for what is mounted there. */
  pinned(_dentry: Dentry): void {}
  /** Makes a file of any type but link; `rdev` for device nodes. */
  mknod(_current: Current, dir: Dentry, name: string, mode: number, _rdev: number): Inode {
    throw errno(S_ISREG(mode) ? EACCES : EPERM, 'file system {} makes no files ({} in {})', this.sb, name, dir); // prettier-ignore
  }
  symlink(_current: Current, dir: Dentry, name: string, _target: string): Inode {
    throw errno(EPERM, 'file system {} makes no symbolic links ({} in {})', this.sb, name, dir);
  }
  link(_current: Current, old: Dentry, _dir: Dentry, name: string): void {
    throw errno(EPERM, 'file system {} makes no hard links ({} as {})', this.sb, old, name);
  }
  unlink(_current: Current, dentry: Dentry): void {
    throw errno(EPERM, 'file system {} removes no names ({})', this.sb, dentry);
  }
  rmdir(_current: Current, dentry: Dentry): void {
    throw errno(EPERM, 'file system {} removes no directories ({})', this.sb, dentry);
  }
  /** `target` is what is replaced (or exchanged with, by RENAME_EXCHANGE), or null. */
  rename(
    _current: Current,
    old: Dentry,
    _dir: Dentry,
    _name: string,
    _target: Dentry | null,
    _flags: number,
  ): void {
    throw errno(EPERM, 'file system {} renames nothing ({})', this.sb, old);
  }
  /** O_TMPFILE: a regular file without a name. */
  tmpfile(_current: Current, _mode: number): Inode {
    throw errno(EOPNOTSUPP, 'file system {} makes no files without names (O_TMPFILE)', this.sb);
  }

  // Links.

  /** The target as text, or (magic links of proc) the place itself. */
  get_link(_current: Current, dentry: Dentry): string | Path {
    throw errno(EINVAL, '{} is not a symbolic link', dentry);
  }
  /** The text that readlink gives. */
  readlink(current: Current, dentry: Dentry): string {
    return String(this.get_link(current, dentry));
  }

  // Every type.

  /** The file behind a new descriptor; `path` is null only for files without a path. */
  open(current: Current, path: Path, flags: number): File {
    if (S_ISCHR(this.mode)) return current.kernel.vfs.chrdev_open(current, this, path, flags);
    if (S_ISSOCK(this.mode)) {
      throw errno(ENXIO, '{} is a socket: it is reached by connect, not open', path);
    }
    throw errno(ENXIO, 'no driver for device {} ({})', this.rdev, path);
  }
  /** MAY_… bits asked for; throws EACCES. The default looks at the mode bits. */
  permission(current: Current, mask: number, what: unknown): void {
    generic_permission(current, this, mask, what);
  }
  /** Applies checked changes. */
  /** @param _dentry the name that the caller used, where there is one */
  setattr(_current: Current, attr: Iattr, _dentry?: Dentry): void {
    if (attr.size !== undefined) {
      throw errno(EINVAL, 'inode {} of {} has no size to set', this.ino, this.sb);
    }
    setattr_copy(this, attr);
  }
  /** Called before stat reads the fields. */
  getattr(_current: Current): void {}
  /** No name and no open file is left: gives pages and counts back. */
  evict(): void {}

  /** FS_…_FL flags (chattr); null where a file system has none. */
  fileattr_get(_current: Current): number | null {
    return null;
  }
  fileattr_set(_current: Current, flags: number): void {
    throw errno(EOPNOTSUPP, 'file system {} has no attributes to set ({})', this.sb, flags);
  }
  /** F_SET_RW_HINT: how long what is written will live. */
  write_hint = 0;

  /** False says for sure that there are no attributes: asking for one would only make an error. */
  get maybe_xattrs(): boolean {
    return true;
  }
  listxattr(_current: Current): readonly string[] {
    return [];
  }
  getxattr(_current: Current, name: string): Uint8Array {
    throw errno(EOPNOTSUPP, 'file system {} has no extended attributes ({})', this.sb, name);
  }
  setxattr(
    _current: Current,
    name: string,
    _value: Uint8Array | null,
    _flags: number,
    _dentry?: Dentry,
  ): void {
    throw errno(EOPNOTSUPP, 'file system {} has no extended attributes ({})', this.sb, name);
  }

  /** In reasons. */
  toString(): string {
    return `inode ${this.ino} of ${this.sb}`;
  }
}

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

function acl_permission_bits(current: Current, inode: Inode): number {
  if (current.cred.fsuid === inode.uid) return inode.mode >> 6;
  // The group's bits matter only where they differ from everybody's.
  if (((inode.mode >> 3) ^ inode.mode) & 7 && in_group_p(current.cred, inode.gid)) {
    return inode.mode >> 3;
  }
  return inode.mode;
}

const CAP_DAC_OVERRIDE = 1;
const CAP_DAC_READ_SEARCH = 2;

/** Mode bits, or the access control list, and the capabilities that override them (generic_permission). */
export function generic_permission(
  current: Current,
  inode: Inode,
  mask: number,
  what: unknown,
): void {
  const cred = current.cred;
  const acl = inode.acls?.access;
  const allowed =
    acl && inode.mode & 0o70 && cred.fsuid !== inode.uid
      ? posix_acl_permission(current, inode, acl, mask & 7)
      : (mask & 7 & ~acl_permission_bits(current, inode)) === 0;
  if (allowed) return;
  if (S_ISDIR(inode.mode)) {
    if (!(mask & MAY_WRITE) && capable(cred, CAP_DAC_READ_SEARCH)) return;
    if (capable(cred, CAP_DAC_OVERRIDE)) return;
  } else {
    if ((mask & 7) === MAY_READ && capable(cred, CAP_DAC_READ_SEARCH)) return;
    if ((!(mask & MAY_EXEC) || inode.mode & 0o111) && capable(cred, CAP_DAC_OVERRIDE)) return;
  }
  throw errno(EACCES, '{} access to {} (mode {}, owner {}:{}) is not allowed to uid {}, gid {} without {}',
    maskName(mask), what, modeText(inode.mode), inode.uid, inode.gid, cred.fsuid, cred.fsgid,
    mask & MAY_EXEC && !S_ISDIR(inode.mode) ? 'an execute bit' : 'CAP_DAC_OVERRIDE'); // prettier-ignore
}

export function maskName(mask: number): string {
  const names = [];
  if (mask & MAY_READ) names.push('read');
  if (mask & MAY_WRITE) names.push('write');
  if (mask & MAY_EXEC) names.push('execute/search');
  return names.join('+');
}

export function modeText(mode: number): string {
  return '0' + (mode & 0o7777).toString(8);
}

/** Owner, group and set-group-id of a new file in `dir` (inode_init_owner). */
export function inode_init_owner(current: Current, inode: Inode, dir: Inode | null): void {
  inode.uid = current.cred.fsuid;
  inode.gid = current.cred.fsgid;
  if (dir === null || !(dir.mode & S_ISGID)) return;
  inode.gid = dir.gid;
  if (S_ISDIR(inode.mode)) inode.mode |= S_ISGID;
  else if (
    (inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) &&
    !in_group_p(current.cred, inode.gid) &&
    !capable(current.cred, CAP_FSETID)
  ) {
    inode.mode &= ~S_ISGID;
  }
}

/** The first and the last second that a file can have come without a fraction. */
function timestamp_truncate(time: Timespec): Timespec {
  return Math.abs(time.sec) < 2 ** 63 ? time : { sec: time.sec, nsec: 0 };
}

/** Copies checked attributes into the inode (setattr_copy). */
export function setattr_copy(inode: Inode, attr: Iattr): void {
  if (attr.uid !== undefined) inode.uid = attr.uid;
  if (attr.gid !== undefined) inode.gid = attr.gid;
  if (attr.mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (attr.mode & 0o7777);
  if (attr.atime !== undefined) inode.atime = timestamp_truncate(attr.atime);
  if (attr.mtime !== undefined) inode.mtime = timestamp_truncate(attr.mtime);
  if (attr.ctime !== undefined) inode.ctime = attr.ctime;
}

const DAY = 24 * 60 * 60;

/** Updates the access time, as the mount's noatime, nodiratime and relatime say. */
export function touch_atime(inode: Inode, mnt: Mount): void {
  const flags = mnt.flags;
  if (inode.flags & S_NOATIME) return;
  if (flags & MS_NOATIME || (flags | inode.sb.flags) & MS_RDONLY) return;
  if (flags & MS_NODIRATIME && S_ISDIR(inode.mode)) return;
  const now = inode.sb.kernel.clock.realtime();
  if (
    flags & MS_RELATIME &&
    after(inode.atime, inode.mtime) &&
    after(inode.atime, inode.ctime) &&
    now.sec - inode.atime.sec < DAY
  ) {
    return;
  }
  inode.update_atime(now);
}

function after(a: Timespec, b: Timespec): boolean {
  return a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec);
}

/** Contents changed: modification and change time (file_update_time). */
export function file_update_time(inode: Inode): void {
  inode.mtime = inode.ctime = inode.sb.kernel.clock.realtime();
}

export function inode_set_ctime_current(inode: Inode): Timespec {
  return (inode.ctime = inode.sb.kernel.clock.realtime());
}

export function notDirectory(what: unknown): never {
  throw errno(ENOTDIR, '{} is not a directory', what);
}

export const SB_FLAGS: number = MS_RDONLY | MS_LAZYTIME;

/** Nothing refers to the inode any more. */
function evict(inode: Inode): void {
  fsnotify_inoderemove(inode);
  inode.evict();
}

/** An open file holds the inode. */
export function ihold(inode: Inode): void {
  inode.count++;
}

export function iput(inode: Inode): void {
  // An inode of pipefs or sockfs has no other name to be found by.
  if (--inode.count === 0 && (inode.nlink === 0 || inode.sb.pseudo)) evict(inode);
}

/** One name less. */
export function drop_nlink(inode: Inode): void {
  inode.nlink--;
  if (inode.nlink === 0 && inode.count === 0) evict(inode);
}
