import type { Current } from '../../include/current.ts';
import { type Dentry, Path, is_subdir } from '../dcache.ts';
import type { FileHandle } from '../exportfs.ts';
import { type Inode, S_ISDIR } from '../inode.ts';
import type { Mount } from '../mount.ts';
import { lookup_one } from '../namei.ts';
import type { OvlInode } from './inode.ts';
import { ovl_decode_fh, ovl_encode_fh } from './origin.ts';
import type { OvlSuperBlock } from './super.ts';
import { ovl_readdir_real } from './util.ts';

/**
 * File handles of an overlay (fs/overlayfs/export.c): the name that a layer has for the file. A file that was copied up keeps
 * the name of the lower one it was.
 */

const OVL_FILEID_V1 = 0xf8;
const OVL_FH_FLAG_PATH_UPPER = 4;
/** The handle's bytes are aligned for what is in them. */
const PADDING = 3;

/** Whose handle it is: the lower file's, unless there is none that stays (ovl_check_encode_origin). */
function encoded(sb: OvlSuperBlock, inode: OvlInode): Inode {
  const { upper } = inode;
  if (upper === null) return inode.lowers[0]!.dentry.inode;
  if (inode === sb.root.inode || !inode.hasOrigin) return upper.inode;
  const from = S_ISDIR(inode.mode) ? inode.lowers[0]! : inode.origin!;
  return from.dentry.inode;
}

export function ovl_encode_handle(sb: OvlSuperBlock, inode: OvlInode): FileHandle {
  const real = encoded(sb, inode);
  const fh = ovl_encode_fh(real);
  if (real === inode.upper?.inode) fh[3]! |= OVL_FH_FLAG_PATH_UPPER;
  const bytes = new Uint8Array(PADDING + fh.length);
  bytes.set(fh, PADDING);
  return { type: OVL_FILEID_V1, bytes };
}

/** The names from a layer's root to a file of it. */
function names(root: Dentry, dentry: Dentry): string[] {
  const list: string[] = [];
  for (let d = dentry; d !== root; d = d.parent) list.unshift(d.name);
  return list;
}

/** The file, mostly where the layer has it; one that was moved is looked for in all of the overlay. */
export function ovl_decode_handle(
  current: Current,
  sb: OvlSuperBlock,
  mnt: Mount,
  { type, bytes }: FileHandle,
): Dentry | null {
  const named = type === OVL_FILEID_V1 ? ovl_decode_fh(bytes.subarray(PADDING)) : null;
  if (named === null) return null;
  const is = ({ inode }: Dentry): boolean => {
    const real = encoded(sb, inode as OvlInode);
    return real.ino === named.ino && real.sb.dev === named.dev;
  };
  for (const { root } of sb.layers) {
    const real = root.sb.dev === named.dev ? root.sb.find_inode(named.ino) : null;
    if (real === null || !is_subdir(real, root)) continue;
    let at: Dentry | null = sb.root;
    for (const name of names(root, real)) {
      at = at !== null && S_ISDIR(at.inode.mode) ? lookup_one(current, at, name) : null;
    }
    if (at !== null && is(at)) return at;
  }
  const left = [sb.root];
  for (let dir = left.pop(); dir !== undefined; dir = left.pop())
    for (const { name } of ovl_readdir_real(current, new Path(mnt, dir))) {
      const child = name === '.' || name === '..' ? null : lookup_one(current, dir, name);
      if (child === null) continue;
      if (is(child)) return child;
      if (S_ISDIR(child.inode.mode)) left.push(child);
    }
  return null;
}
