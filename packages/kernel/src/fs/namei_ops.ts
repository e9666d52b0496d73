import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
} from '@vitrine/uapi/errno.ts';
import { CAP_DAC_READ_SEARCH, CAP_MKNOD } from '@vitrine/uapi/capability.ts';
import {
  AT_FDCWD,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '@vitrine/uapi/fcntl.ts';
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from '@vitrine/uapi/stat.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import { inode_owner_or_capable } from './attr.ts';
import { fget_raw } from './fdtable.ts';
import { Dentry, Path, d_add, d_drop, d_exchange, d_move, is_subdir } from './dcache.ts';
import {
  type Inode,
  MAY_READ,
  MAY_WRITE,
  S_APPEND,
  S_IMMUTABLE,
  S_ISBLK,
  S_ISCHR,
  S_ISDIR,
  S_ISREG,
  ihold,
  iput,
} from './inode.ts';
import {
  LAST_DOT,
  LAST_DOTDOT,
  LAST_NORM,
  LOOKUP_EMPTY,
  LOOKUP_FOLLOW,
  type Filename,
  type Nameidata,
  filename_parentat,
  path_lookupat,
} from './namei.ts';
import { mode_strip_umask } from './posix_acl.ts';
import {
  fsnotify_create,
  fsnotify_link_count,
  fsnotify_move,
  fsnotify_remove,
} from './fsnotify.ts';
import { I_NOLINK } from './open.ts';
import {
  security_path_mkdir,
  security_path_mknod,
  security_path_refer,
  security_path_rmdir,
  security_path_symlink,
  security_path_unlink,
} from './security.ts';
import { inode_permission, may_create, may_delete, mnt_want_write } from './permission.ts';

/** Where a new name goes: the parent exists, the name does not (filename_create). */
export function filename_create(
  current: Current,
  dfd: number,
  name: Filename,
  isdir: boolean,
): Nameidata {
  const nd = filename_parentat(current, dfd, name);
  if (nd.lastType !== LAST_NORM)
    throw errno(EEXIST, 'the new name {} exists: it is . or .. or the root', name);
  if (nd.dentry.unhashed || nd.dentry.inode.nlink === 0)
    throw errno(ENOENT, 'directory {} was removed', nd.path);
  const child = nd.child(nd.last);
  if (child !== null) throw errno(EEXIST, 'the new name {} exists already', child);
  if (nd.slash && !isdir) {
    throw errno(ENOENT, '{} ends in a slash, but no directory is made', name);
  }
  mnt_want_write(nd.path);
  return nd;
}

function instantiate(dir: Path, name: string, inode: Inode): Dentry {
  if (inode.dynamic) return new Dentry(name, dir.dentry, inode, dir.dentry.sb);
  return d_add(dir.dentry, name, inode);
}

/** @param mode permission bits with the umask applied */
export function vfs_mkdir(current: Current, dir: Path, name: string, mode: number): Dentry {
  may_create(current, dir);
  if (dir.dentry.inode.nlink >= 0x7fff_ffff) throw errno(EMLINK, '{} has too many links', dir);
  const inode = dir.dentry.inode.mknod(current, dir.dentry, name, S_IFDIR | (mode & 0o1777), 0);
  const dentry = instantiate(dir, name, inode);
  fsnotify_create(dir.dentry, name, inode);
  return dentry;
}

export function do_mkdirat(current: Current, dfd: number, name: string, mode: number): void {
  const nd = filename_create(current, dfd, name, true);
  security_path_mkdir(current, nd.path);
  vfs_mkdir(current, nd.path, nd.last, mode_strip_umask(current, nd.dentry.inode, mode));
}

/** @param mode type and permission bits, umask applied */
export function vfs_mknod(
  current: Current,
  dir: Path,
  name: string,
  mode: number,
  dev: number,
): Dentry {
  may_create(current, dir);
  const device = S_ISCHR(mode) || S_ISBLK(mode);
  if (device && !(S_ISCHR(mode) && dev === 0) && !capable(current.cred, CAP_MKNOD)) {
    throw errno(
      EPERM,
      'making the device node {} needs CAP_MKNOD; uid {} has not',
      name,
      current.cred.euid,
    );
  }
  const inode = dir.dentry.inode.mknod(current, dir.dentry, name, mode, device ? dev : 0);
  const dentry = instantiate(dir, name, inode);
  fsnotify_create(dir.dentry, name, inode);
  return dentry;
}

export function do_mknodat(
  current: Current,
  dfd: number,
  name: Filename,
  mode: number,
  dev: number,
): void {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) throw errno(EPERM, 'mknod makes no directories ({}): use mkdir', name);
  if (![0, 0o10000, 0o20000, 0o60000, 0o100000, 0o140000].includes(type)) {
    throw errno(EINVAL, 'mknod: type {} is unknown', '0' + type.toString(8));
  }
  const nd = filename_create(current, dfd, name, false);
  const bits = mode_strip_umask(current, nd.dentry.inode, mode & 0o7777);
  security_path_mknod(current, nd.path, mode, dev);
  vfs_mknod(current, nd.path, nd.last, (type === 0 ? S_IFREG : type) | bits, dev);
}

export function vfs_symlink(current: Current, dir: Path, name: string, target: string): Dentry {
  may_create(current, dir);
  const inode = dir.dentry.inode.symlink(current, dir.dentry, name, target);
  const dentry = instantiate(dir, name, inode);
  fsnotify_create(dir.dentry, name, inode);
  return dentry;
}

export function do_symlinkat(
  current: Current,
  target: Filename,
  dfd: number,
  name: Filename,
): void {
  if (target instanceof Errno) throw target;
  if (target === '') throw errno(ENOENT, 'the target of symbolic link {} is empty', name);
  const nd = filename_create(current, dfd, name, false);
  security_path_symlink(current, nd.path);
  vfs_symlink(current, nd.path, nd.last, target);
}

/** Somebody else's file may be linked only by who could open it for reading and writing (protected_hardlinks). */
function may_linkat(current: Current, old: Path): void {
  const inode = old.dentry.inode;
  if (!current.kernel.vfs.protected_hardlinks) return;
  if (inode_owner_or_capable(current, inode)) return;
  const setid = inode.mode & S_ISUID || (inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP);
  if (S_ISREG(inode.mode) && !setid) {
    try {
      inode_permission(current, inode, MAY_READ | MAY_WRITE, old);
      return;
    } catch {
      // Not allowed: the reason below names the rule.
    }
  }
  throw errno(EPERM, 'fs.protected_hardlinks: {} belongs to uid {}; uid {} could not open it for reading and writing',
    old, inode.uid, current.cred.fsuid); // prettier-ignore
}

export function vfs_link(current: Current, old: Path, dir: Path, name: string): void {
  const inode = old.dentry.inode;
  may_create(current, dir);
  if (old.mnt.sb !== dir.mnt.sb)
    throw errno(EXDEV, '{} and {} are on different file systems', old, dir);
  if (inode.flags & (S_APPEND | S_IMMUTABLE))
    throw errno(EPERM, '{} is immutable or append-only', old);
  if (S_ISDIR(inode.mode))
    throw errno(EPERM, '{} is a directory: it cannot have a second name', old);
  const nameless = inode.nlink === 0;
  if (nameless && (inode.flags & I_NOLINK || !old.dentry.name.startsWith('#'))) {
    throw errno(ENOENT, '{} has no name left: it cannot get one again', old);
  }
  dir.dentry.inode.link(current, old.dentry, dir.dentry, name);
  if (inode.nlink === 0) inode.nlink = 1;
  if (nameless) inode.flags |= I_NOLINK;
  d_add(dir.dentry, name, inode);
  fsnotify_link_count(old.dentry);
  fsnotify_create(dir.dentry, name, inode);
}

export function do_linkat(
  current: Current,
  olddfd: number,
  oldname: string,
  newdfd: number,
  newname: Filename,
  follow: boolean,
  empty: boolean,
): void {
  // Who opened the file with the rights he still has may give it a name (LOOKUP_LINKAT_EMPTY).
  if (empty && oldname === '' && olddfd !== AT_FDCWD) {
    const { cred } = fget_raw(current, olddfd);
    if (cred !== current.cred && !capable(current.cred, CAP_DAC_READ_SEARCH))
      throw errno(ENOENT, 'linkat with AT_EMPTY_PATH: fd {} was opened with other rights, and CAP_DAC_READ_SEARCH is missing', olddfd); // prettier-ignore
  }
  const old = path_lookupat(current, olddfd, oldname, (follow ? LOOKUP_FOLLOW : 0) | (empty ? LOOKUP_EMPTY : 0)); // prettier-ignore
  const nd = filename_create(current, newdfd, newname, false);
  if (old.mnt !== nd.mnt) throw errno(EXDEV, '{} and {} are on different mounts', old, newname);
  may_linkat(current, old);
  security_path_refer(current, old.dentry, nd.path, null, { removable: false, exchange: false, whiteout: false }); // prettier-ignore
  vfs_link(current, old, nd.path, nd.last);
}

export function vfs_unlink(current: Current, dir: Path, victim: Dentry): void {
  may_delete(current, dir, victim, false);
  if (victim.mounted > 0) throw errno(EBUSY, '{} is a mount point', victim);
  ihold(victim.inode);
  try {
    dir.dentry.inode.unlink(current, victim);
    d_drop(victim);
    fsnotify_link_count(victim);
  } finally {
    iput(victim.inode);
  }
  fsnotify_remove(dir.dentry, victim);
}

export function do_unlinkat(current: Current, dfd: number, name: string): void {
  const nd = filename_parentat(current, dfd, name);
  if (nd.lastType !== LAST_NORM)
    throw errno(EISDIR, 'unlink removes no directories: {} is . or .. or the root', name);
  mnt_want_write(nd.path);
  const victim = nd.child(nd.last);
  if (victim === null) throw errno(ENOENT, '{} does not exist in {}', nd.last, nd.path);
  if (nd.slash) {
    throw errno(S_ISDIR(victim.inode.mode) ? EISDIR : ENOTDIR, '{} ends in a slash', name);
  }
  security_path_unlink(current, nd.path);
  vfs_unlink(current, nd.path, victim);
}

export function vfs_rmdir(current: Current, dir: Path, victim: Dentry): void {
  may_delete(current, dir, victim, true);
  if (victim.mounted > 0) throw errno(EBUSY, '{} is a mount point', victim);
  ihold(victim.inode);
  try {
    dir.dentry.inode.rmdir(current, victim);
    d_drop(victim);
  } finally {
    iput(victim.inode);
  }
  fsnotify_remove(dir.dentry, victim);
}

export function do_rmdir(current: Current, dfd: number, name: string): void {
  const nd = filename_parentat(current, dfd, name);
  if (nd.lastType === LAST_DOTDOT) throw errno(ENOTEMPTY, 'rmdir: {} ends in ..', name);
  if (nd.lastType === LAST_DOT) throw errno(EINVAL, 'rmdir: {} ends in .', name);
  if (nd.lastType !== LAST_NORM) throw errno(EBUSY, 'rmdir: {} is the root', name);
  mnt_want_write(nd.path);
  const victim = nd.child(nd.last);
  if (victim === null) throw errno(ENOENT, '{} does not exist in {}', nd.last, nd.path);
  security_path_rmdir(current, nd.path);
  vfs_rmdir(current, nd.path, victim);
}

export function do_renameat2(
  current: Current,
  olddfd: number,
  oldname: Filename,
  newdfd: number,
  newname: Filename,
  flags: number,
): void {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) {
    throw errno(EINVAL, 'renameat2: flags {} are unknown', flags);
  }
  if (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) && flags & RENAME_EXCHANGE) {
    throw errno(EINVAL, 'renameat2: RENAME_EXCHANGE excludes the other flags');
  }
  const from = filename_parentat(current, olddfd, oldname);
  const to = filename_parentat(current, newdfd, newname);
  if (from.mnt !== to.mnt)
    throw errno(EXDEV, '{} and {} are on different mounts', oldname, newname);
  if (from.lastType !== LAST_NORM)
    throw errno(EBUSY, 'rename: {} ends in . or .. or is the root', oldname);
  if (to.lastType !== LAST_NORM) {
    throw errno(
      flags & RENAME_NOREPLACE ? EEXIST : EBUSY,
      'rename: {} ends in . or .. or is the root',
      newname,
    );
  }
  mnt_want_write(from.path);
  const old = from.child(from.last);
  if (old === null) throw errno(ENOENT, '{} does not exist in {}', from.last, from.path);
  const target = to.child(to.last);
  if (flags & RENAME_NOREPLACE && target !== null)
    throw errno(EEXIST, 'RENAME_NOREPLACE: the new name {} exists already', target);
  if (flags & RENAME_EXCHANGE) {
    if (target === null) throw errno(ENOENT, 'RENAME_EXCHANGE: {} does not exist', newname);
    if (!S_ISDIR(target.inode.mode) && to.slash)
      throw errno(ENOTDIR, '{} is not a directory', target);
  }
  if (!S_ISDIR(old.inode.mode)) {
    if (from.slash) throw errno(ENOTDIR, '{} is not a directory', old);
    if (!(flags & RENAME_EXCHANGE) && to.slash) throw errno(ENOTDIR, '{} is not a directory', old);
  }
  if (is_subdir(to.dentry, old))
    throw errno(EINVAL, '{} cannot become a directory inside itself', old);
  if (target !== null && is_subdir(from.dentry, target)) {
    throw errno(
      flags & RENAME_EXCHANGE ? EINVAL : ENOTEMPTY,
      'rename: {} cannot be replaced, it contains {}',
      target,
      old,
    );
  }
  security_path_refer(current, old, to.path, target, {
    removable: true,
    exchange: (flags & RENAME_EXCHANGE) !== 0,
    whiteout: (flags & RENAME_WHITEOUT) !== 0,
  });
  vfs_rename(current, from.path, old, to.path, to.last, target, flags);
}

export function vfs_rename(
  current: Current,
  from: Path,
  old: Dentry,
  to: Path,
  name: string,
  target: Dentry | null,
  flags: number,
): void {
  if (target !== null && target.inode === old.inode) return;
  const isdir = S_ISDIR(old.inode.mode);
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  may_delete(current, from, old, isdir);
  if (target === null) may_create(current, to);
  else may_delete(current, to, target, exchange ? S_ISDIR(target.inode.mode) : isdir);
  // A directory that moves gets another `..`: that is a write to it.
  if (from.dentry !== to.dentry) {
    if (isdir) inode_permission(current, old.inode, MAY_WRITE, old);
    if (exchange && S_ISDIR(target!.inode.mode))
      inode_permission(current, target!.inode, MAY_WRITE, target);
  }
  if (old.mounted > 0 || (target !== null && target.mounted > 0)) {
    throw errno(EBUSY, '{} or {} is a mount point', old, name);
  }
  // What is replaced is held until everybody who watches it was told.
  if (target !== null) ihold(target.inode);
  try {
    renamed(current, from, old, to, name, target, flags);
  } finally {
    if (target !== null) iput(target.inode);
  }
}

function renamed(
  current: Current,
  from: Path,
  old: Dentry,
  to: Path,
  name: string,
  target: Dentry | null,
  flags: number,
): void {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const oldname = old.name;
  from.dentry.inode.rename(current, old, to.dentry, name, target, flags);
  if (exchange) d_exchange(old, target!);
  else {
    if (target !== null) d_drop(target);
    d_move(old, to.dentry, name, target);
    if (flags & RENAME_WHITEOUT) whiteout(current, from, oldname);
  }
  fsnotify_move(from.dentry, oldname, to.dentry, name, old, exchange ? null : target);
  if (exchange) fsnotify_move(to.dentry, name, from.dentry, oldname, target!, null);
}

/** A character device 0:0 stands for a name that an overlay hides. */
function whiteout(current: Current, dir: Path, name: string): void {
  d_add(dir.dentry, name, dir.dentry.inode.mknod(current, dir.dentry, name, 0o20000, 0));
}
