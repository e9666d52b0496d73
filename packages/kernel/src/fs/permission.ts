import { EACCES, EISDIR, ENOENT, ENOTDIR, EPERM, EROFS } from '@vitrine/uapi/errno.ts';
import { CAP_FOWNER } from '@vitrine/uapi/capability.ts';
import { MS_RDONLY } from '@vitrine/uapi/mount.ts';
import { S_ISVTX } from '@vitrine/uapi/stat.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Dentry, Path } from './dcache.ts';
import {
  type Inode,
  MAY_EXEC,
  MAY_WRITE,
  S_APPEND,
  S_IMMUTABLE,
  S_ISDIR,
  S_ISLNK,
  S_ISREG,
} from './inode.ts';
import { path_noexec } from './mount.ts';

/** Throws EROFS when the mount or its file system is read-only. */
export function mnt_want_write(path: Path): void {
  if ((path.mnt.flags | path.mnt.sb.flags) & MS_RDONLY) {
    throw errno(EROFS, '{} is on a read-only {} (mount {})', path, path.mnt.flags & MS_RDONLY ? 'mount' : 'file system', path.mnt.id); // prettier-ignore
  }
}

/** Permission to read, write or execute what the path names. */
export function path_permission(current: Current, path: Path, mask: number): void {
  inode_permission(current, path.dentry.inode, mask, path);
}

export function inode_permission(
  current: Current,
  inode: Inode,
  mask: number,
  what: unknown,
): void {
  if (mask & MAY_WRITE) {
    if (
      inode.sb.flags & MS_RDONLY &&
      (S_ISREG(inode.mode) || S_ISDIR(inode.mode) || S_ISLNK(inode.mode))
    ) {
      throw errno(EROFS, '{} is on a read-only file system', what);
    }
    if (inode.flags & S_IMMUTABLE)
      throw errno(EPERM, '{} cannot be written: it is immutable', what);
  }
  inode.permission(current, mask, what);
}

/** May a name be entered in this directory? */
export function may_create(current: Current, dir: Path): void {
  const { inode, unhashed } = dir.dentry;
  if (unhashed || inode.nlink === 0) throw errno(ENOENT, 'directory {} was removed', dir);
  mnt_want_write(dir);
  inode_permission(current, inode, MAY_WRITE | MAY_EXEC, dir);
}

/** May this name be removed (or replaced) from its directory? The order of checks is Linux's. */
export function may_delete(current: Current, dir: Path, victim: Dentry, isdir: boolean): void {
  const inode = victim.inode;
  inode_permission(current, dir.dentry.inode, MAY_WRITE | MAY_EXEC, dir);
  if (dir.dentry.inode.flags & S_APPEND) throw errno(EPERM, 'directory {} is append-only', dir);
  check_sticky(current, dir.dentry.inode, inode, victim);
  if (inode.flags & (S_APPEND | S_IMMUTABLE)) {
    throw errno(EPERM, '{} is immutable or append-only', victim);
  }
  if (isdir) {
    if (!S_ISDIR(inode.mode)) throw errno(ENOTDIR, '{} is not a directory', victim);
  } else if (S_ISDIR(inode.mode))
    throw errno(EISDIR, '{} is a directory: rmdir removes it', victim);
}

/** In a sticky directory a file goes with its owner, the directory's owner or CAP_FOWNER. */
function check_sticky(current: Current, dir: Inode, inode: Inode, what: unknown): void {
  if (!(dir.mode & S_ISVTX)) return;
  const uid = current.cred.fsuid;
  if (inode.uid === uid || dir.uid === uid || capable(current.cred, CAP_FOWNER)) return;
  throw errno(EPERM, '{} is in a sticky directory: only its owner (uid {}), the directory owner (uid {}) or CAP_FOWNER may remove it, not uid {}',
    what, inode.uid, dir.uid, uid); // prettier-ignore
}

/** access(2): with the real ids unless told otherwise. */
export function access_check(current: Current, path: Path, mode: number): void {
  const inode = path.dentry.inode;
  if (mode & MAY_EXEC && S_ISREG(inode.mode) && path_noexec(path)) {
    throw errno(EACCES, 'the mount of {} has noexec', path);
  }
  inode_permission(current, inode, mode, path);
  if (mode & MAY_WRITE && !isSpecial(inode.mode)) mnt_want_write(path);
}

/** Devices, pipes and sockets can be written on read-only file systems. */
export function isSpecial(mode: number): boolean {
  return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode);
}
