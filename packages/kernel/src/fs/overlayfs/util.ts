import { EINVAL, ENODATA, EOPNOTSUPP } from '@vitrine/uapi/errno.ts';
import { S_IFCHR, S_IFREG } from '@vitrine/uapi/stat.ts';
import type { Cred } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import { type Dentry, Path } from '../dcache.ts';
import { fput } from '../fdtable.ts';
import type { File } from '../file.ts';
import { type Inode, S_ISCHR, S_ISDIR, S_ISREG } from '../inode.ts';
import { lookup_one } from '../namei.ts';
import { vfs_link, vfs_mkdir, vfs_mknod, vfs_rmdir, vfs_unlink } from '../namei_ops.ts';
import { vfs_open } from '../open.ts';
import { type Dirent, vfs_readdir } from '../readdir.ts';
import type { OvlSuperBlock } from './super.ts';

/** Does something in the layers with other rights (ovl_override_creds). */
export function with_cred<T>(current: Current, cred: Cred, call: () => T): T {
  const own = current.cred;
  current.cred = cred;
  try {
    return call();
  } finally {
    current.cred = own;
  }
}

/** With the rights of who mounted the overlay. */
export function as_mounter<T>(current: Current, sb: OvlSuperBlock, call: () => T): T {
  return with_cred(current, sb.cred, call);
}

/** The attribute's value, or null where the file or its file system has none. */
export function ovl_getxattr(current: Current, inode: Inode, name: string): Uint8Array | null {
  if (!inode.maybe_xattrs) return null;
  try {
    return inode.getxattr(current, name);
  } catch (error) {
    if (error instanceof Errno && (error.code === ENODATA || error.code === EOPNOTSUPP))
      return null;
    throw error;
  }
}

export function ovl_has_flag_xattr(current: Current, inode: Inode, name: string): boolean {
  return (ovl_getxattr(current, inode, name)?.length ?? 0) > 0;
}

/** Marks a directory or file of the upper layer with one of the overlay's attributes. */
export function ovl_set_flag(
  current: Current,
  sb: OvlSuperBlock,
  inode: Inode,
  name: string,
  value: string,
): void {
  const bytes = Uint8Array.from(value, (c) => c.charCodeAt(0));
  as_mounter(current, sb, () => inode.setxattr(current, sb.xattr(name), bytes, 0));
}

/** What trusted.overlay.opaque says: '' none, 'y' opaque, 'x' its empty files may be whiteouts. */
export function ovl_opaque(current: Current, sb: OvlSuperBlock, inode: Inode): string {
  const value = ovl_getxattr(current, inode, sb.xattr('opaque'));
  return value === null || value.length !== 1 ? '' : String.fromCharCode(value[0]!);
}

/** A character device 0:0, or an empty file with the whiteout attribute (ovl_path_is_whiteout). */
export function ovl_is_whiteout(current: Current, sb: OvlSuperBlock, { inode }: Dentry): boolean {
  if (S_ISCHR(inode.mode)) return inode.rdev === 0;
  return (
    S_ISREG(inode.mode) &&
    inode.size === 0 &&
    ovl_getxattr(current, inode, sb.xattr('whiteout')) !== null
  );
}

/** Entries of a real directory, `.` and `..` included. */
export function ovl_readdir_real(current: Current, path: Path): Dirent[] {
  const file = vfs_open(current, path, 0);
  try {
    return vfs_readdir(current, file);
  } finally {
    fput(current, file);
  }
}

/** Opens a layer's file; the caller checked what the overlay's own inode allows. */
export function ovl_open_real(
  current: Current,
  sb: OvlSuperBlock,
  path: Path,
  flags: number,
): File {
  return as_mounter(current, sb, () => vfs_open(current, path, flags));
}

/** Removes a name of the upper layer and, for a directory, the whiteouts in it. */
export function ovl_cleanup(current: Current, dir: Path, victim: Dentry): void {
  if (!S_ISDIR(victim.inode.mode)) return vfs_unlink(current, dir, victim);
  const path = new Path(dir.mnt, victim);
  for (const { name } of ovl_readdir_real(current, path)) {
    if (name === '.' || name === '..') continue;
    const child = lookup_one(current, victim, name);
    if (child !== null) vfs_unlink(current, path, child);
  }
  vfs_rmdir(current, dir, victim);
}

/**
 * Everything below a directory of the work directory that a crash or another overlay left. What `work/incompat` has says that
 * the layers are not to be used again, as those of an overlay whose files may not have been written (`volatile`).
 */
function removeTree(current: Current, dir: Path, top: boolean): void {
  for (const { name } of ovl_readdir_real(current, dir)) {
    if (name === '.' || name === '..') continue;
    const child = lookup_one(current, dir.dentry, name);
    if (child === null) continue;
    if (!S_ISDIR(child.inode.mode)) vfs_unlink(current, dir, child);
    else {
      const path = new Path(dir.mnt, child);
      if (top && name === 'incompat') refuseIncompat(current, path);
      removeTree(current, path, false);
      vfs_rmdir(current, dir, child);
    }
  }
}

function refuseIncompat(current: Current, incompat: Path): void {
  for (const { name } of ovl_readdir_real(current, incompat))
    if (name !== '.' && name !== '..')
      throw errno(EINVAL, "overlay with incompat feature '{}' cannot be mounted", name);
}

/** workdir/work, empty (ovl_workdir_create). */
export function ovl_make_workdir(current: Current, sb: OvlSuperBlock, workdir: Dentry): Dentry {
  const dir = sb.upperPath(workdir);
  const old = lookup_one(current, workdir, 'work');
  if (old !== null) {
    if (S_ISDIR(old.inode.mode)) {
      removeTree(current, new Path(dir.mnt, old), true);
      vfs_rmdir(current, dir, old);
    } else vfs_unlink(current, dir, old);
  }
  const made = vfs_mkdir(current, dir, 'work', 0);
  made.inode.mode = 0o40000;
  if (sb.config.fsync === 'volatile') {
    let at = made;
    for (const name of ['incompat', 'volatile'])
      at = vfs_mkdir(current, new Path(dir.mnt, at), name, 0);
    vfs_mknod(current, new Path(dir.mnt, at), 'dirty', S_IFREG, 0);
  }
  return made;
}

/** Puts a whiteout in a directory of the upper layer: a link of the overlay's one whiteout (ovl_whiteout). */
export function ovl_whiteout(current: Current, sb: OvlSuperBlock, dir: Path, name: string): void {
  const work = sb.upperPath(sb.work!);
  if (sb.whiteout === null || sb.whiteout.unhashed) {
    const temp = `#${(++sb.tempId).toString(16)}`;
    sb.whiteout = vfs_mknod(current, work, temp, S_IFCHR, 0);
  }
  try {
    vfs_link(current, new Path(dir.mnt, sb.whiteout), dir, name);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    vfs_mknod(current, dir, name, S_IFCHR, 0);
  }
}
