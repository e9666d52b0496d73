import { EBUSY, ESTALE } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { byteString, bytesOf, hexDigits } from '../bytes.ts';
import { type Dentry, Path } from '../dcache.ts';
import { type Inode, S_ISDIR } from '../inode.ts';
import { lookup_one } from '../namei.ts';
import { vfs_link, vfs_mkdir } from '../namei_ops.ts';
import { ovl_set_impure } from './copy_up.ts';
import type { OvlInode } from './inode.ts';
import { ovl_encode_fh } from './origin.ts';
import type { OvlSuperBlock } from './super.ts';
import { as_mounter, ovl_cleanup, ovl_getxattr, ovl_readdir_real } from './util.ts';

/**
 * index=on: a lower file with several names is copied up once, into workdir/index, under a name that says which lower file it
 * was. Its names in the overlay are hard links of that copy, or lower names that are found to have one. How many there are
 * is kept in an attribute of the copy, as the index is a link of its own.
 */

/** The index's name for a lower file: its file handle in hexadecimal digits (ovl_get_index_name). */
const indexName = (inode: Inode): string => hexDigits(ovl_encode_fh(inode));

/** Would it be indexed when it is copied up (ovl_need_index)? */
export function ovl_need_index(inode: OvlInode): boolean {
  if (inode.sb.index === null || S_ISDIR(inode.mode)) return false;
  return inode.upper === null && inode.lowers[0]!.dentry.inode.nlink > 1;
}

/** The name that a copy of the lower file gets in the index. */
export const ovl_index_name = ({ lowers }: OvlInode): string => indexName(lowers[0]!.dentry.inode);

/** The copy of a lower file with several names, or null (ovl_lookup_index). */
export function ovl_lookup_index(current: Current, sb: OvlSuperBlock, lower: Inode): Dentry | null {
  if (sb.index === null || S_ISDIR(lower.mode) || lower.nlink <= 1) return null;
  return lookup_one(current, sb.index, indexName(lower));
}

/** Names in the overlay, as the copy's attribute says: more or fewer than the real file has (ovl_get_nlink). */
export function ovl_get_nlink(current: Current, sb: OvlSuperBlock, { inode }: Dentry): number {
  const value = ovl_getxattr(current, inode, sb.xattr('nlink'));
  const found = value === null ? null : /^U([+-]\d+)$/.exec(byteString(value));
  return found == null ? inode.nlink : inode.nlink + Number(found[1]);
}

/** The overlay has so many names of the file now. Without any its copy goes (ovl_nlink_end). */
export function ovl_set_nlink(current: Current, inode: OvlInode, names: number): void {
  const { sb, index } = inode;
  inode.names = names;
  as_mounter(current, sb, () => {
    const real = index!.inode;
    if (names <= 0) return ovl_cleanup(current, sb.upperPath(sb.index!), index!);
    const more = names - real.nlink;
    const text = `U${more < 0 ? '' : '+'}${more}`;
    real.setxattr(current, sb.xattr('nlink'), bytesOf(text), 0);
  });
}

/** A name that is found in a lower layer alone becomes one of the upper layer, too (ovl_link_up). */
export function ovl_link_up(current: Current, dentry: Dentry): void {
  const inode = dentry.inode as OvlInode;
  const dir = dentry.parent.inode as OvlInode;
  const { sb, index } = inode;
  if (index === null || dentry.unhashed) return;
  as_mounter(current, sb, () => {
    if (lookup_one(current, dir.upper!, dentry.name) !== null) return;
    const at = sb.upperPath(dir.upper!);
    const { mtime, atime } = at.dentry.inode;
    ovl_set_impure(current, sb, at.dentry.inode);
    vfs_link(current, sb.upperPath(index), at, dentry.name);
    at.dentry.inode.setattr(current, { atime, mtime });
  });
  ovl_set_nlink(current, inode, inode.names);
  inode.copyattr();
  dir.copyattr();
}

/** The attribute says which file belongs to this one; the first mount writes it (ovl_verify_set_fh). */
function verify(current: Current, sb: OvlSuperBlock, on: Inode, name: string, real: Inode): void {
  const wanted = ovl_encode_fh(real);
  const there = ovl_getxattr(current, on, sb.xattr(name));
  if (there === null) on.setxattr(current, sb.xattr(name), wanted, 0);
  else if (byteString(there) !== byteString(wanted))
    throw errno(ESTALE, 'overlay: index=on, and the upper layer was used with another {}', name === 'origin' ? 'lower layer' : 'upper one'); // prettier-ignore
}

/** workdir/index, made by the first mount; what a crash left in it goes (ovl_get_indexdir, ovl_indexdir_cleanup). */
export function ovl_get_indexdir(current: Current, sb: OvlSuperBlock, workdir: Dentry): Dentry {
  const root = sb.upper!.root.inode;
  verify(current, sb, root, 'origin', sb.lowers[0]!.root.inode);
  let dir = lookup_one(current, workdir, 'index');
  if (dir === null) {
    dir = vfs_mkdir(current, sb.upperPath(workdir), 'index', 0);
    dir.inode.mode = 0o40000;
  }
  verify(current, sb, dir.inode, 'upper', root);
  const at = new Path(sb.upper!.mnt, dir);
  for (const { name } of ovl_readdir_real(current, at)) {
    if (name === '.' || name === '..') continue;
    const entry = lookup_one(current, dir, name)!;
    if (name.startsWith('#') || ovl_get_nlink(current, sb, entry) <= 0)
      ovl_cleanup(current, at, entry);
  }
  return dir;
}

/** Two overlays with one upper layer know nothing of each other: with an index there may be only one (ovl_inuse_trylock). */
export function ovl_trylock(sb: OvlSuperBlock, inUse: Set<Inode>, dir: Dentry, what: string): void {
  if (inUse.has(dir.inode)) return ovl_report_in_use(sb, what, dir);
  inUse.add(dir.inode);
  sb.locked.push(dir.inode);
}

export function ovl_report_in_use(sb: OvlSuperBlock, what: string, dir: Dentry): void {
  if (sb.config.index)
    throw errno(EBUSY, 'overlay: {} {} is in use as upperdir or workdir of another overlay, and index=on', what, dir); // prettier-ignore
  sb.kernel.printk(4, `overlayfs: ${what} is in-use as upperdir/workdir of another mount, accessing files from both mounts will result in undefined behavior.`); // prettier-ignore
}
