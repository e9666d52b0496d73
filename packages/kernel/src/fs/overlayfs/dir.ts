import { EIO, ENOTEMPTY } from '@vitrine/uapi/errno.ts';
import { S_IFLNK, S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Cred } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { Dentry, Path } from '../dcache.ts';
import { Inode, S_ISCHR, S_ISDIR, drop_nlink, inode_init_owner, inode_set_ctime_current } from '../inode.ts'; // prettier-ignore
import { lookup_one } from '../namei.ts';
import { vfs_link, vfs_mkdir, vfs_mknod, vfs_symlink, vfs_unlink } from '../namei_ops.ts';
import { ovl_copy_up, ovl_copy_up_name, ovl_set_impure } from './copy_up.ts';
import { ovl_need_index, ovl_set_nlink } from './index.ts';
import { OvlInode, refuseWhiteout } from './inode.ts';
import { ovl_get_inode, ovl_hidden, ovl_lower_positive } from './namei.ts';
import { ovl_dir_read_merged } from './readdir.ts';
import { ovl_set_redirect } from './rename.ts';
import type { OvlSuperBlock } from './super.ts';
import { as_mounter, ovl_cleanup, ovl_set_flag, ovl_whiteout, with_cred } from './util.ts';

/** The mounter's rights with the ids that a new file gets. */
function ownerCred({ cred }: OvlSuperBlock, { uid, gid }: Inode): Cred {
  return cred.fsuid === uid && cred.fsgid === gid ? cred : cred.with({ fsuid: uid, fsgid: gid });
}

/** Makes something in the upper layer for the caller: with the mounter's rights and the caller's ids (ovl_create_or_link). */
function create(
  current: Current,
  dirDentry: Dentry,
  name: string,
  mode: number,
  make: (at: Path) => Dentry,
): OvlInode {
  const dir = dirDentry.inode as OvlInode;
  const { sb } = dir;
  ovl_copy_up(current, dir);
  const owner = new Inode(sb, 0, mode);
  inode_init_owner(current, owner, dir);
  const at = sb.upperPath(dir.upper!);
  const hidden = as_mounter(current, sb, () => uncover(current, dir, at, name));
  const cred = ownerCred(sb, owner);
  let made: Dentry;
  try {
    made = with_cred(current, cred, () => make(at));
  } catch (error) {
    if (hidden) as_mounter(current, sb, () => ovl_whiteout(current, sb, at, name));
    throw error;
  }
  const isdir = S_ISDIR(mode);
  // Nothing may come in from below later, where the layers must not change meanwhile (ovl_allow_offline_changes).
  const opaque = isdir && (hidden || (dir.merged && !sb.offlineChanges));
  if (opaque) ovl_set_flag(current, sb, made.inode, 'opaque', 'y');
  dir.copyattr();
  return ovl_get_inode(sb, { upper: made, lowers: [], origin: null, data: null, dir: dirDentry, name, opaque }); // prettier-ignore
}

/** Takes the whiteout away where a new file goes. @returns whether the name was hidden by one, in any layer */
function uncover(current: Current, dir: OvlInode, at: Path, name: string): boolean {
  const hidden = ovl_hidden(current, dir, name);
  const old = lookup_one(current, at.dentry, name);
  if (old !== null) vfs_unlink(current, at, old);
  return hidden;
}

export function ovl_create(
  current: Current,
  dir: Dentry,
  name: string,
  mode: number,
  rdev: number,
): Inode {
  if (S_ISCHR(mode) && rdev === 0) refuseWhiteout(name);
  return create(current, dir, name, mode, (at) =>
    S_ISDIR(mode)
      ? vfs_mkdir(current, at, name, mode & 0o7777)
      : vfs_mknod(current, at, name, mode & (S_IFMT | 0o7777), rdev),
  );
}

export function ovl_symlink(current: Current, dir: Dentry, name: string, target: string): Inode {
  return create(current, dir, name, S_IFLNK | 0o777, (at) =>
    vfs_symlink(current, at, name, target),
  );
}

export function ovl_link(current: Current, old: Dentry, dirDentry: Dentry, name: string): void {
  const inode = old.inode as OvlInode;
  const dir = dirDentry.inode as OvlInode;
  const { sb } = dir;
  ovl_copy_up_name(current, old, 'none');
  ovl_copy_up(current, dir);
  if (inode.data !== null) ovl_set_redirect(current, old, false);
  const at = sb.upperPath(dir.upper!);
  as_mounter(current, sb, () => {
    if (inode.hasOrigin) ovl_set_impure(current, sb, at.dentry.inode);
    const hidden = uncover(current, dir, at, name);
    try {
      vfs_link(current, sb.upperPath(inode.upper!), at, name);
    } catch (error) {
      if (hidden) ovl_whiteout(current, sb, at, name);
      throw error;
    }
  });
  if (inode.index !== null) ovl_set_nlink(current, inode, inode.names + 1);
  inode.copyattr();
  dir.copyattr();
}

export function ovl_tmpfile(current: Current, dir: OvlInode, mode: number): Inode {
  const { sb } = dir;
  ovl_copy_up(current, dir);
  const owner = new Inode(sb, 0, mode);
  inode_init_owner(current, owner, dir);
  const cred = ownerCred(sb, owner);
  const real = with_cred(current, cred, () => dir.upper!.inode.tmpfile(current, mode));
  const upper = new Dentry(`#${real.ino}`, dir.upper!, real, dir.upper!.sb);
  upper.unhashed = true;
  return ovl_get_inode(sb, {
    upper,
    lowers: [],
    origin: null,
    data: null,
    dir: null,
    name: '',
    opaque: false,
  });
}

const DT_CHR = 2;

/** Throws ENOTEMPTY when a merged directory shows anything (ovl_check_empty_dir). As on Linux, a whiteout of the xattr form counts. */
export function ovl_check_empty(current: Current, dentry: Dentry): void {
  for (const { name, whiteout, type } of ovl_dir_read_merged(current, dentry.inode as OvlInode))
    if (!(whiteout && type === DT_CHR) && name !== '.' && name !== '..')
      throw errno(ENOTEMPTY, 'directory {} has entries ({})', dentry, name);
}

/** unlink and rmdir: takes the upper file away and puts a whiteout where a lower layer has the name (ovl_do_remove). */
export function ovl_remove(current: Current, dentry: Dentry): void {
  const inode = dentry.inode as OvlInode;
  const dirDentry = dentry.parent;
  const dir = dirDentry.inode as OvlInode;
  const { sb } = dir;
  const isdir = S_ISDIR(inode.mode);
  if (isdir) ovl_check_empty(current, dentry);
  ovl_copy_up(current, dir);
  // Of a file with other names one less is known to the copy.
  if (ovl_need_index(inode)) ovl_copy_up_name(current, dentry);
  as_mounter(current, sb, () => {
    const at = sb.upperPath(dir.upper!);
    const lower = inode.upper === null || ovl_lower_positive(current, dir, dentry.name);
    if (inode.upper !== null && has_upper(current, dir, dentry))
      ovl_cleanup(current, at, upperName(current, dir, dentry));
    if (lower) ovl_whiteout(current, sb, at, dentry.name);
  });
  dir.copyattr();
  ovl_dropped(current, inode);
}

/** Is the name in the upper layer? Of an indexed file it may be in a lower one alone. */
const has_upper = (current: Current, dir: OvlInode, dentry: Dentry): boolean =>
  (dentry.inode as OvlInode).index === null ||
  lookup_one(current, dir.upper!, dentry.name) !== null;

/** The upper layer's dentry of a name: of a file with several names, not the one that was looked up first. */
export function upperName(current: Current, dir: OvlInode, dentry: Dentry): Dentry {
  const found = lookup_one(current, dir.upper!, dentry.name);
  if (found === null || found.inode !== (dentry.inode as OvlInode).upper!.inode)
    throw errno(EIO, 'the upper layer of {} was changed behind the overlay', dentry);
  return found;
}

/** A name of the inode is gone. */
export function ovl_dropped(current: Current, inode: OvlInode): void {
  if (inode.index !== null) {
    ovl_set_nlink(current, inode, inode.names - 1);
    inode.copyattr();
    if (inode.names > 0) return;
    inode.nlink = 1;
    return drop_nlink(inode);
  }
  if (inode.upper !== null) inode.copyattr();
  else inode_set_ctime_current(inode);
  if (S_ISDIR(inode.mode) || inode.upper === null || inode.upper.inode.nlink === 0) {
    inode.nlink = 1;
    drop_nlink(inode);
  }
}
