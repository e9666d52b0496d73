import { EFBIG, EPERM, ETXTBSY, EINVAL } from '@vitrine/uapi/errno.ts';
import { security_path_truncate } from './security.ts';
import { CAP_CHOWN, CAP_FOWNER, CAP_FSETID } from '@vitrine/uapi/capability.ts';
import { RLIMIT_FSIZE } from '@vitrine/uapi/resource.ts';
import { SIGXFSZ } from '@vitrine/uapi/signal.ts';
import { S_IFMT, S_ISGID, S_ISUID, S_IXGRP } from '@vitrine/uapi/stat.ts';
import { i_size_read } from '../include/pagecache.ts';
import type { Loff } from '../include/loff.ts';
import { capable, in_group_p } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { break_lease } from './lease.ts';
import type { Path } from './dcache.ts';
import type { File } from './file.ts';
import {
  type Inode,
  MAY_WRITE,
  S_APPEND,
  S_IMMUTABLE,
  S_ISDIR,
  S_ISREG,
  type Timespec,
  inode_set_ctime_current,
} from './inode.ts';
import { fsnotify_change } from './fsnotify.ts';
import { inode_permission, mnt_want_write } from './permission.ts';

/** Changes to an inode's attributes (analogous to `struct iattr`): what is there is changed. */
export interface Iattr {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: Loff;
  atime?: Timespec;
  mtime?: Timespec;
  ctime?: Timespec;
  /** The caller named the times itself: only the owner may. */
  timesSet?: boolean;
  /** utime(NULL) and the like: who may write may do it. */
  touch?: boolean;
  /** The size changes through an open file: no permission check (ftruncate, O_TRUNC). */
  fromFile?: boolean;
  /** Set-id bits go (write, truncate, chown). */
  kill?: boolean;
  /** That they go needs no rights (ATTR_FORCE). */
  force?: boolean;
}

export function inode_owner_or_capable(current: Current, inode: Inode): boolean {
  return current.cred.fsuid === inode.uid || capable(current.cred, CAP_FOWNER);
}

/** May these changes be made (setattr_prepare)? May drop the set-group-id bit from attr.mode. */
function setattr_prepare(current: Current, inode: Inode, attr: Iattr, what: unknown): void {
  const cred = current.cred;
  if (attr.size !== undefined) inode_newsize_ok(current, inode, attr.size);
  if (
    attr.uid !== undefined &&
    !(cred.fsuid === inode.uid && attr.uid === inode.uid) &&
    !capable(cred, CAP_CHOWN)
  ) {
    throw errno(EPERM, 'changing the owner of {} from {} to {} needs CAP_CHOWN; uid {} has not', what, inode.uid, attr.uid, cred.fsuid); // prettier-ignore
  }
  if (
    attr.gid !== undefined &&
    !(cred.fsuid === inode.uid && (in_group_p(cred, attr.gid) || attr.gid === inode.gid)) &&
    !capable(cred, CAP_CHOWN)
  ) {
    throw errno(EPERM, 'changing the group of {} to {} needs to own it and be in the group, or CAP_CHOWN (uid {})', what, attr.gid, cred.fsuid); // prettier-ignore
  }
  if (attr.mode !== undefined && !attr.force) {
    if (!inode_owner_or_capable(current, inode)) {
      throw errno(EPERM, 'changing the mode of {} needs its owner (uid {}) or CAP_FOWNER, not uid {}', what, inode.uid, cred.fsuid); // prettier-ignore
    }
    const gid = attr.gid ?? inode.gid;
    if (!in_group_p(cred, gid) && !capable(cred, CAP_FSETID)) attr.mode &= ~S_ISGID;
  }
  if (attr.timesSet && !inode_owner_or_capable(current, inode)) {
    throw errno(EPERM, 'setting the times of {} needs its owner (uid {}) or CAP_FOWNER, not uid {}', what, inode.uid, cred.fsuid); // prettier-ignore
  }
}

/** Size limits, with SIGXFSZ where RLIMIT_FSIZE says so. */
export function inode_newsize_ok(current: Current, inode: Inode, size: Loff): void {
  if (size <= i_size_read(inode)) return;
  const limit = current.rlimit_exact(RLIMIT_FSIZE);
  if (size > limit) {
    current.force_or_send_sig(SIGXFSZ, `file size ${size} is above RLIMIT_FSIZE (${limit})`);
    throw errno(
      EFBIG,
      'size {} is above RLIMIT_FSIZE ({}) of process {}',
      size,
      limit,
      current.tgid,
    );
  }
  if (size > inode.sb.maxbytes) {
    throw errno(
      EFBIG,
      'size {} is above the largest file of {} ({})',
      size,
      inode.sb,
      inode.sb.maxbytes,
    );
  }
}

/** Changes attributes of a file, if the caller may (notify_change). */
export function notify_change(current: Current, path: Path, attr: Iattr): void {
  const inode = path.dentry.inode;
  const owner = attr.mode !== undefined || attr.uid !== undefined || attr.gid !== undefined;
  if (inode.flags & (S_IMMUTABLE | S_APPEND) && (owner || attr.timesSet)) {
    throw errno(EPERM, '{} is immutable or append-only', path);
  }
  if (attr.touch && inode.flags & S_IMMUTABLE)
    throw errno(EPERM, 'the times of {} cannot change: it is immutable', path);
  if (attr.touch && !inode_owner_or_capable(current, inode))
    inode.permission(current, MAY_WRITE, path);
  const now = inode.sb.kernel.clock.realtime();
  attr.ctime = now;
  if (attr.touch) attr.atime = attr.mtime = now;
  if (attr.size !== undefined && attr.mtime === undefined) attr.mtime = now;
  if (attr.kill) killSetId(current, inode, attr);
  if (attr.kill || attr.size !== undefined) cap_inode_killpriv(current, inode);
  setattr_prepare(current, inode, attr, path);
  inode.setattr(current, attr, path.dentry);
  fsnotify_change(path.dentry, attr);
}

/** Set-user-id goes, and set-group-id where it means a program (setattr_should_drop_suidgid). */
function killSetId(current: Current, inode: Inode, attr: Iattr): void {
  const mode = droppedMode(current, inode);
  if (mode !== inode.mode) attr.mode = mode;
  else delete attr.mode;
}

/** Set-group-id stays where it does not mean a program and the caller might set it. */
function droppedMode(current: Current, inode: Inode): number {
  const mode = inode.mode & ~S_ISUID;
  const keeps = in_group_p(current.cred, inode.gid) || capable(current.cred, CAP_FSETID);
  return mode & S_IXGRP || !keeps ? mode & ~S_ISGID : mode;
}

/** Who changes a file or its owner takes its capabilities away, whoever it is. */
function cap_inode_killpriv(current: Current, inode: Inode): void {
  if (!inode.maybe_xattrs || !inode.listxattr(current).includes('security.capability')) return;
  // An empty attribute takes nothing away (cap_inode_need_killpriv).
  if (inode.getxattr(current, 'security.capability').length === 0) return;
  inode.setxattr(current, 'security.capability', null, 0);
}

/** A write takes capabilities away, and by somebody without CAP_FSETID the set-id bits (file_remove_privs). */
export function file_remove_privs(current: Current, file: File): void {
  const { inode } = file;
  cap_inode_killpriv(current, inode);
  if (!(inode.mode & (S_ISUID | S_ISGID)) || !S_ISREG(inode.mode)) return;
  if (capable(current.cred, CAP_FSETID)) return;
  const mode = droppedMode(current, inode);
  if (mode === inode.mode) return;
  inode.mode = mode;
  inode_set_ctime_current(inode);
  fsnotify_change(file.path.dentry, { mode });
}

export function chmod_common(current: Current, path: Path, mode: number): void {
  mnt_want_write(path);
  notify_change(current, path, { mode: (path.dentry.inode.mode & S_IFMT) | (mode & 0o7777) });
}

/** @param uid, gid 0xffffffff leaves it */
export function chown_common(current: Current, path: Path, uid: number, gid: number): void {
  mnt_want_write(path);
  const inode = path.dentry.inode;
  const attr: Iattr = {};
  if (uid !== 0xffff_ffff) attr.uid = uid;
  if (gid !== 0xffff_ffff) attr.gid = gid;
  if (!S_ISDIR(inode.mode)) attr.kill = true;
  notify_change(current, path, attr);
}

/** Truncates through a path: the file must be regular and writable (vfs_truncate). */
export function vfs_truncate(current: Current, path: Path, size: Loff): void {
  const inode = path.dentry.inode;
  inode_permission(current, inode, MAY_WRITE, path);
  mnt_want_write(path);
  if (inode.flags & S_APPEND) throw errno(EPERM, '{} is append-only', path);
  if (inode.writecount < 0) throw errno(ETXTBSY, '{} is being executed', path);
  break_lease(current, path, inode, true, false);
  security_path_truncate(current, path);
  do_truncate(current, path, size);
}

export function do_truncate(current: Current, path: Path, size: Loff): void {
  if (size < 0) throw errno(EINVAL, 'size {} is negative', size);
  const attr: Iattr = { size, fromFile: true };
  if (!capable(current.cred, CAP_FSETID)) attr.kill = attr.force = true;
  notify_change(current, path, attr);
}
