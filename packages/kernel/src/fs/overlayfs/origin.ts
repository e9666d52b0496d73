import type { Current } from '../../include/current.ts';
import { type Dentry, Path } from '../dcache.ts';
import { type Inode, S_ISDIR } from '../inode.ts';
import { lookup_one } from '../namei.ts';
import type { OvlInode, OvlLower } from './inode.ts';
import type { OvlLayer, OvlSuperBlock } from './super.ts';
import { ovl_getxattr, ovl_readdir_real } from './util.ts';

declare module './super.ts' {
  interface OvlSuperBlock {
    /** Files of the lower layers by inode number, made when a file that was renamed asks for its origin. */
    originIndex?: Map<OvlLayer, Map<number, Dentry>>;
  }
}

/** struct ovl_fb: version, magic, length, flags, type, UUID, then the file system's own identifier. */
const HEADER = 21;
const OVL_FH_MAGIC = 0xfb;
const FILEID_INO = 1;

/** `trusted.overlay.origin` of a copy: which file of the lower layers it was (ovl_encode_real_fh). */
export function ovl_encode_fh(inode: Inode): Uint8Array {
  const bytes = new Uint8Array(HEADER + 12);
  const view = new DataView(bytes.buffer);
  bytes[1] = OVL_FH_MAGIC;
  bytes[2] = bytes.length;
  bytes[4] = FILEID_INO;
  // File systems here have no UUID; their device number tells them apart.
  view.setUint32(5, inode.sb.dev, true);
  view.setUint32(HEADER + 4, inode.ino >>> 0, true);
  view.setUint32(HEADER + 8, Math.floor(inode.ino / 2 ** 32), true);
  return bytes;
}

export function ovl_decode_fh(bytes: Uint8Array): { dev: number; ino: number } | null {
  if (bytes.length !== HEADER + 12 || bytes[1] !== OVL_FH_MAGIC || bytes[4] !== FILEID_INO)
    return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    dev: view.getUint32(5, true),
    ino: view.getUint32(HEADER + 4, true) + view.getUint32(HEADER + 8, true) * 2 ** 32,
  };
}

/** The lower file that an upper one was copied from, or null (ovl_check_origin). */
export function ovl_find_origin(
  current: Current,
  dir: OvlInode,
  upper: Dentry,
  name: string,
): OvlLower | null {
  const { sb } = dir;
  const value = ovl_getxattr(current, upper.inode, sb.xattr('origin'));
  const wanted = value === null ? null : ovl_decode_fh(value);
  if (wanted === null) return null;
  // Most were not renamed.
  for (const { layer, dentry } of dir.lowers) {
    const found = layer.root.sb.dev === wanted.dev ? lookup_one(current, dentry, name) : null;
    if (found?.inode.ino === wanted.ino)
      return sameType(found, upper) ? { layer, dentry: found } : null;
  }
  for (const layer of sb.lowers) {
    if (layer.root.sb.dev !== wanted.dev) continue;
    const found = indexOf(current, sb, layer).get(wanted.ino);
    if (found !== undefined && sameType(found, upper)) return { layer, dentry: found };
  }
  return null;
}

const sameType = (a: Dentry, b: Dentry): boolean => (a.inode.mode ^ b.inode.mode) >> 12 === 0;

function indexOf(current: Current, sb: OvlSuperBlock, layer: OvlLayer): Map<number, Dentry> {
  const known = (sb.originIndex ??= new Map()).get(layer);
  if (known !== undefined) return known;
  const index = new Map<number, Dentry>();
  const visit = (dir: Dentry): void => {
    for (const { name } of ovl_readdir_real(current, new Path(layer.mnt, dir))) {
      if (name === '.' || name === '..') continue;
      const child = lookup_one(current, dir, name);
      if (child === null) continue;
      index.set(child.inode.ino, child);
      if (S_ISDIR(child.inode.mode)) visit(child);
    }
  };
  visit(layer.root);
  sb.originIndex.set(layer, index);
  return index;
}
