import { EEXIST, EROFS } from '@vitrine/uapi/errno.ts';
import { O_RDONLY, O_WRONLY, SEEK_DATA, SEEK_HOLE } from '@vitrine/uapi/fcntl.ts';
import { S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import { i_size_read } from '../../include/pagecache.ts';
import { type Dentry, Path } from '../dcache.ts';
import { fput } from '../fdtable.ts';
import type { File } from '../file.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NOATIME_FL } from '../fileattr.ts';
import { type Inode, S_APPEND, S_IMMUTABLE, S_ISDIR, S_ISLNK, S_ISREG, S_NOATIME } from '../inode.ts'; // prettier-ignore
import { vfs_mkdir, vfs_mknod, vfs_symlink } from '../namei_ops.ts';
import { vfs_open } from '../open.ts';
import { kernel_read, kernel_write } from '../read_write.ts';
import { ovl_index_name, ovl_link_up, ovl_need_index, ovl_set_nlink } from './index.ts';
import { type OvlInode, type OvlLower, ovl_set_protattr } from './inode.ts';
import { ovl_encode_fh } from './origin.ts';
import type { OvlSuperBlock } from './super.ts';
import { as_mounter, ovl_cleanup, ovl_getxattr, ovl_has_flag_xattr } from './util.ts';

const CHUNK = 1 << 16;

/**
 * Makes sure that the file is in the upper layer, with every directory above it (ovl_copy_up). What is written to a file
 * is written to its copy.
 * @param content `empty` leaves it out, as the file is about to be truncated; `none` is content with attributes, where metacopy=on
 */
export function ovl_copy_up(
  current: Current,
  inode: OvlInode,
  content: 'full' | 'empty' | 'none' = 'full',
): void {
  if (inode.upper !== null) {
    if (inode.data !== null && content !== 'none')
      completeCopy(current, inode, content === 'empty');
    return;
  }
  const { sb } = inode;
  if (sb.upper === null) throw errno(EROFS, '{} is in a lower layer of an overlay without an upper one', inode); // prettier-ignore
  const indexed = ovl_need_index(inode);
  // Its copy would need the name. Linux refuses for regular files; others it gives the name back.
  const unlinked = is_unlinked(inode);
  if (unlinked && !indexed)
    throw errno(EEXIST, '{} of a lower layer was removed: it cannot be copied up any more', inode.name); // prettier-ignore
  const chain: OvlInode[] = [];
  for (let i = inode; i.upper === null; i = i.dir!.inode as OvlInode) {
    chain.push(i);
    // A copy that goes into the index, for other names.
    if (unlinked) break;
  }
  as_mounter(current, sb, () => {
    for (const each of chain.toReversed())
      copyOne(current, each, each === inode ? content : 'full');
  });
}

/** The same for a file by this name, which will be one of the upper layer: another one may have been looked up before it. */
export function ovl_copy_up_name(
  current: Current,
  dentry: Dentry,
  content: 'full' | 'empty' | 'none' = 'full',
): void {
  const inode = dentry.inode as OvlInode;
  if (ovl_need_index(inode) && !dentry.unhashed) {
    inode.dir = dentry.parent;
    inode.name = dentry.name;
  }
  ovl_copy_up(current, inode, content);
  if (inode.index === null || dentry.unhashed) return;
  ovl_copy_up(current, dentry.parent.inode as OvlInode);
  ovl_link_up(current, dentry);
}

/** An open file whose name was removed (or given to another file). */
function is_unlinked(inode: OvlInode): boolean {
  return !S_ISDIR(inode.mode) && inode.dir?.children?.get(inode.name)?.inode !== inode;
}

/** A copy of attributes gets the content, too (ovl_copy_up_meta_inode_data). */
function completeCopy(current: Current, inode: OvlInode, empty: boolean): void {
  const { sb } = inode;
  const upper = inode.upper!;
  as_mounter(current, sb, () => {
    if (!empty) copyData(current, sb, inode.data!, upper, Number(i_size_read(inode)));
    upper.inode.setxattr(current, sb.xattr('metacopy'), null, 0);
  });
  inode.data = null;
  inode.copyattr();
}

function copyOne(current: Current, inode: OvlInode, content: 'full' | 'empty' | 'none'): void {
  const { sb } = inode;
  const lower = inode.lowers[0]!;
  const indexed = ovl_need_index(inode);
  const parent = indexed ? sb.index! : (inode.dir!.inode as OvlInode).upper!;
  const { mtime, atime } = parent.inode;
  const at = sb.upperPath(parent);
  const from = inode.described;
  from.getattr(current);
  const copy = make(current, lower, at, indexed ? ovl_index_name(inode) : inode.name);
  const source = inode.data ?? lower;
  const meta = content === 'none' && sb.config.metacopy === true && S_ISREG(from.mode);
  try {
    if (meta) {
      copy.inode.setattr(current, { size: i_size_read(from) });
      copy.inode.setxattr(current, sb.xattr('metacopy'), new Uint8Array(0), 0);
    } else if (S_ISREG(from.mode) && content !== 'empty')
      copyData(current, sb, source, copy, Number(i_size_read(from)));
    copyXattrs(current, sb, from, copy.inode);
    // A lower file with several names breaks into several: their common origin would make them one again.
    const keeps = !sb.config.userxattr || S_ISREG(from.mode) || S_ISDIR(from.mode);
    if (keeps && (S_ISDIR(from.mode) || from.nlink === 1 || indexed))
      copy.inode.setxattr(current, sb.xattr('origin'), ovl_encode_fh(lower.dentry.inode), 0);
    copyFlags(current, inode, from, copy.inode);
    const { uid, gid } = from;
    copy.inode.setattr(current, {
      uid,
      gid,
      mode: from.mode,
      atime: from.atime,
      mtime: from.mtime,
    });
  } catch (error) {
    ovl_cleanup(current, at, copy);
    throw error;
  }
  if (indexed) {
    inode.index = copy;
    ovl_set_nlink(current, inode, from.nlink);
  } else if (!S_ISDIR(from.mode)) {
    if (from.nlink === 1) sb.inodes.set(from, inode);
    else sb.inodes.set(copy.inode, inode);
  }
  if (!indexed) {
    ovl_set_impure(current, sb, parent.inode);
    parent.inode.setattr(current, { atime, mtime });
  }
  inode.data = meta ? source : null;
  inode.set_upper(copy, S_ISDIR(from.mode) ? null : lower);
  const dir = inode.dir!.inode as OvlInode;
  if (indexed && !is_unlinked(inode)) {
    ovl_set_impure(current, sb, dir.upper!.inode);
    ovl_link_up(current, inode.dir!.children!.get(inode.name)!);
  }
  dir.copyattr();
}

/** What chattr(1) said of the file; of its flags the copy gets O_NOATIME's only, as Linux does (ovl_copy_fileattr). */
function copyFlags(current: Current, inode: OvlInode, from: Inode, to: Inode): void {
  if ((from.flags & (S_APPEND | S_IMMUTABLE | S_NOATIME)) === 0) return;
  const flags = from.fileattr_get(current) ?? 0;
  if (flags & (FS_APPEND_FL | FS_IMMUTABLE_FL)) ovl_set_protattr(current, inode, to, flags);
  if (flags & FS_NOATIME_FL) to.fileattr_set(current, (to.fileattr_get(current) ?? 0) | FS_NOATIME_FL); // prettier-ignore
}

function make(current: Current, { dentry }: OvlLower, at: Path, name: string): Dentry {
  const { inode } = dentry;
  if (S_ISDIR(inode.mode)) return vfs_mkdir(current, at, name, inode.mode & 0o7777);
  if (S_ISLNK(inode.mode)) return vfs_symlink(current, at, name, inode.readlink(current, dentry));
  return vfs_mknod(current, at, name, (inode.mode & S_IFMT) | 0o600, inode.rdev);
}

/** The directory has files whose numbers are not those of the upper layer (ovl_set_impure). */
export function ovl_set_impure(current: Current, sb: OvlSuperBlock, dir: Inode): void {
  if (!ovl_has_flag_xattr(current, dir, sb.xattr('impure')))
    dir.setxattr(current, sb.xattr('impure'), Uint8Array.of(0x79), 0);
}

/** All but the overlay's own attributes (ovl_copy_xattr). */
function copyXattrs(current: Current, sb: OvlSuperBlock, from: Inode, to: Inode): void {
  for (const name of from.listxattr(current)) {
    if (name.startsWith(sb.xattr(''))) {
      // A nested overlay's attributes are for the nested one.
      if (!name.startsWith(sb.xattr('overlay.'))) continue;
    }
    const value = ovl_getxattr(current, from, name);
    if (value !== null) to.setxattr(current, name, value, 0);
  }
}

/** @param size of the file, whose content may be another's */
function copyData(
  current: Current,
  sb: OvlSuperBlock,
  lower: OvlLower,
  to: Dentry,
  size: number,
): void {
  if (lower.dentry.inode.size === size && to.inode.remap_file(lower.dentry.inode)) return;
  const out = vfs_open(current, sb.upperPath(to), O_WRONLY);
  try {
    const into = vfs_open(current, new Path(lower.layer.mnt, lower.dentry), O_RDONLY);
    try {
      copyRanges(current, into, out, size);
    } finally {
      fput(current, into);
    }
  } finally {
    fput(current, out);
  }
}

/** Holes stay holes. */
function copyRanges(current: Current, from: File, to: File, size: number): void {
  const buffer = new Uint8Array(Math.min(CHUNK, size));
  for (let at = 0; at < size;) {
    const start = seek(current, from, at, SEEK_DATA);
    if (start === null) break;
    if (start >= size) break;
    const end = Math.min(size, seek(current, from, start, SEEK_HOLE) ?? size);
    for (at = start; at < end;) {
      const n = kernel_read(current, from, at, buffer.subarray(0, Math.min(CHUNK, end - at)));
      if (n <= 0) return;
      for (let done = 0; done < n;)
        done += kernel_write(current, to, at + done, buffer.subarray(done, n));
      at += n;
    }
  }
  if (to.inode.size < size) to.inode.setattr(current, { size });
}

function seek(current: Current, file: File, at: number, whence: number): number | null {
  try {
    return Number(file.llseek(current, at, whence));
  } catch (error) {
    if (error instanceof Errno) return null;
    throw error;
  }
}
