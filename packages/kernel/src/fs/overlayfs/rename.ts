import { EINVAL, EXDEV } from '@vitrine/uapi/errno.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '@vitrine/uapi/fcntl.ts';
import { S_IFCHR } from '@vitrine/uapi/stat.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Dentry } from '../dcache.ts';
import { S_ISDIR } from '../inode.ts';
import { lookup_one } from '../namei.ts';
import { vfs_mknod, vfs_rename } from '../namei_ops.ts';
import { ovl_copy_up, ovl_copy_up_name, ovl_set_impure } from './copy_up.ts';
import { ovl_check_empty, ovl_dropped, upperName } from './dir.ts';
import { ovl_need_index } from './index.ts';
import type { OvlInode } from './inode.ts';
import { ovl_hidden, ovl_lower_positive } from './namei.ts';
import { as_mounter, ovl_cleanup, ovl_set_flag } from './util.ts';

/** A directory that lower layers have too stays where it is: without redirect_dir its content would not follow. */
function checkMovable(dentry: Dentry): void {
  const inode = dentry.inode as OvlInode;
  if (!S_ISDIR(inode.mode) || inode.sb.redirects) return;
  if (inode.upper === null || inode.lowers.length > 0)
    throw errno(EXDEV, 'directory {} is in a lower layer of the overlay: it is not renamed without redirect_dir=on', dentry); // prettier-ignore
}

/** The path of a directory as the lower layers have it, for trusted.overlay.redirect (ovl_get_redirect). */
function redirectOf(dentry: Dentry, samedir: boolean): string {
  if (samedir) return dentry.name;
  let path = '';
  for (let d = dentry; !d.isRoot; d = d.parent) {
    const { redirect } = d.inode as OvlInode;
    path = redirect?.startsWith('/') ? redirect + path : `/${redirect ?? d.name}${path}`;
    if (redirect?.startsWith('/')) break;
  }
  return path;
}

/** What lower layers call it stays known: of a directory, or of a file whose content is there. */
export function ovl_set_redirect(current: Current, dentry: Dentry, samedir: boolean): void {
  const inode = dentry.inode as OvlInode;
  // A lower file with several names may get others in the upper layer, in other directories.
  const lower = S_ISDIR(inode.mode) ? null : (inode.origin ?? inode.data);
  if (lower !== null && lower.dentry.inode.nlink > 1) samedir = false;
  if (inode.redirect !== null && (samedir || inode.redirect.startsWith('/'))) return;
  inode.redirect = redirectOf(dentry, samedir);
  ovl_set_flag(current, inode.sb, inode.upper!.inode, 'redirect', inode.redirect);
}

/** What a directory that moves needs to know of the layers below (ovl_set_redirect, ovl_set_opaque). */
function prepareDir(current: Current, dentry: Dentry, to: OvlInode, samedir: boolean): void {
  const inode = dentry.inode as OvlInode;
  const { sb } = inode;
  if (inode.data !== null) return ovl_set_redirect(current, dentry, samedir);
  if (!S_ISDIR(inode.mode)) return;
  if (inode.lowers.length > 0) ovl_set_redirect(current, dentry, samedir);
  else if (!inode.opaque && to.merged) {
    ovl_set_flag(current, sb, inode.upper!.inode, 'opaque', 'y');
    inode.opaque = true;
  }
}

/** rename within the overlay: everything that moves is in the upper layer first (ovl_rename). */
export function ovl_rename(
  current: Current,
  old: Dentry,
  toDentry: Dentry,
  name: string,
  target: Dentry | null,
  flags: number,
): void {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
    throw errno(EINVAL, 'overlay: rename flags {} are not supported', flags);
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const inode = old.inode as OvlInode;
  const from = old.parent.inode as OvlInode;
  const to = toDentry.inode as OvlInode;
  checkMovable(old);
  if (exchange) checkMovable(target!);
  else if (target !== null && S_ISDIR(target.inode.mode)) ovl_check_empty(current, target);
  ovl_copy_up_name(current, old, 'none');
  ovl_copy_up(current, to);
  ovl_copy_up(current, from);
  if (exchange) ovl_copy_up_name(current, target!, 'none');
  else if (target !== null && ovl_need_index(target.inode as OvlInode))
    ovl_copy_up_name(current, target);
  const samedir = old.parent === toDentry;
  if (!samedir) {
    const { sb } = inode;
    as_mounter(current, sb, () => {
      if (inode.hasOrigin) ovl_set_impure(current, sb, to.upper!.inode);
      if (exchange && (target!.inode as OvlInode).hasOrigin)
        ovl_set_impure(current, sb, from.upper!.inode);
    });
  }
  prepareDir(current, old, to, samedir);
  if (exchange) prepareDir(current, target!, from, samedir);
  as_mounter(current, inode.sb, () => move(current, old, to, name, target, exchange));
  from.copyattr();
  to.copyattr();
  inode.copyattr();
  place(inode, toDentry, name);
  if (exchange) place(target!.inode as OvlInode, old.parent, old.name);
  else if (target !== null) ovl_dropped(current, target.inode as OvlInode);
}

function place(inode: OvlInode, dir: Dentry, name: string): void {
  inode.dir = dir;
  inode.name = name;
}

/** The real rename, with whiteouts put where names would show through and taken away where they stand. */
function move(
  current: Current,
  old: Dentry,
  to: OvlInode,
  name: string,
  target: Dentry | null,
  exchange: boolean,
): void {
  const inode = old.inode as OvlInode;
  const from = old.parent.inode as OvlInode;
  const { sb } = inode;
  const fromAt = sb.upperPath(from.upper!);
  const toAt = sb.upperPath(to.upper!);
  const real = upperName(current, from, old);
  const oldName = old.name;
  if (exchange) {
    const other = upperName(current, to, target!);
    return vfs_rename(current, fromAt, real, toAt, name, other, RENAME_EXCHANGE);
  }
  const leaves = ovl_lower_positive(current, from, old.name);
  const hidden = target === null && ovl_hidden(current, to, name);
  const there = lookup_one(current, to.upper!, name);
  if (leaves && target === null && there !== null) {
    // A whiteout stands there: it goes where the file comes from.
    vfs_rename(current, fromAt, real, toAt, name, there, RENAME_EXCHANGE);
    hideBelow(current, inode, hidden);
    return;
  }
  // Nothing visible is in the way: a whiteout, an empty directory, or the file that is replaced.
  const replaces =
    there !== null && target !== null && !S_ISDIR(there.inode.mode) && !S_ISDIR(inode.mode);
  if (there !== null && !replaces) ovl_cleanup(current, toAt, there);
  vfs_rename(current, fromAt, real, toAt, name, replaces ? there : null, 0);
  hideBelow(current, inode, hidden);
  // RENAME_WHITEOUT of the upper file system makes one of its own.
  if (leaves) vfs_mknod(current, fromAt, oldName, S_IFCHR, 0);
}

/** A directory that came where a whiteout hid something must not show it. */
function hideBelow(current: Current, inode: OvlInode, hidden: boolean): void {
  if (!hidden || !S_ISDIR(inode.mode) || inode.lowers.length > 0 || inode.opaque) return;
  ovl_set_flag(current, inode.sb, inode.upper!.inode, 'opaque', 'y');
  inode.opaque = true;
}
