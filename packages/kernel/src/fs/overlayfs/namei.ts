import { EIO, EPERM } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { Dentry } from '../dcache.ts';
import { S_ISDIR, S_ISREG } from '../inode.ts';
import { lookup_one } from '../namei.ts';
import { ovl_get_nlink, ovl_lookup_index } from './index.ts';
import { OvlInode, type OvlInodeParams, type OvlLower } from './inode.ts';
import { ovl_find_origin } from './origin.ts';
import type { OvlLayer, OvlSuperBlock } from './super.ts';
import { as_mounter, ovl_getxattr, ovl_is_whiteout, ovl_opaque } from './util.ts';

/** Lookup of one name through the layers (analogous to `struct ovl_lookup_data`). */
class OvlLookup {
  private readonly current: Current;
  private readonly sb: OvlSuperBlock;
  /** What the name is called in the layers below: another name, or from `/` a path from their roots. */
  private name: string;
  stop = false;
  opaque = false;
  /** A layer's whiteout hides the name. */
  whiteout = false;
  isDir = false;
  /** The file last found has attributes alone: its content is in a layer below. */
  metacopy = false;
  redirect: string | null = null;

  constructor(current: Current, sb: OvlSuperBlock, name: string) {
    this.current = current;
    this.sb = sb;
    this.name = name;
  }

  get target(): string {
    return this.name;
  }

  get absolute(): boolean {
    return this.name.startsWith('/');
  }

  /** The file in one layer, below `base`; null when the layer has none or it does not count. */
  in(base: Dentry): Dentry | null {
    const { current, sb } = this;
    const parts = this.name.split('/').filter((part) => part !== '');
    let dir = base;
    for (const part of parts.slice(0, -1)) {
      const next = lookup_one(current, dir, part);
      if (next === null || !S_ISDIR(next.inode.mode)) return null;
      if (ovl_opaque(current, sb, next.inode) === 'y') this.stop = true;
      dir = next;
    }
    const found = lookup_one(current, dir, parts.at(-1)!);
    if (found === null) return null;
    if (ovl_is_whiteout(current, sb, dir, found)) {
      this.stop = this.opaque = this.whiteout = true;
      return null;
    }
    if (!S_ISDIR(found.inode.mode)) {
      this.metacopy = S_ISREG(found.inode.mode) && !this.isDir && ovl_getxattr(current, found.inode, sb.xattr('metacopy')) !== null; // prettier-ignore
      if (this.metacopy) this.follow(found);
      else this.stop = true;
      // A file below a directory: the directory hides it.
      return this.isDir ? null : found;
    }
    // Where content is looked for, a directory has none.
    if (this.metacopy) {
      this.stop = true;
      return null;
    }
    this.isDir = true;
    if (ovl_opaque(current, sb, found.inode) === 'y') this.stop = this.opaque = true;
    else this.follow(found);
    return found;
  }

  private follow(found: Dentry): void {
    const value = ovl_getxattr(this.current, found.inode, this.sb.xattr('redirect'));
    if (value === null || value.length === 0) return;
    const text = String.fromCharCode(...value);
    if (!this.sb.followsRedirects)
      throw errno(
        EPERM,
        'overlay: {} was redirected to {}, and redirect_dir=nofollow',
        found,
        text,
      );
    this.redirect ??= text;
    this.name = text;
  }
}

/** Where a lookup goes on in the lower layers: the parent's directories, or after an absolute redirect the roots. */
function lowerBases(sb: OvlSuperBlock, dir: OvlInode, find: OvlLookup): readonly OvlLower[] {
  return find.absolute ? (sb.root.inode as OvlInode).lowers : dir.lowers;
}

/** A name in a directory of the overlay (ovl_lookup). */
export function ovl_lookup(current: Current, dirDentry: Dentry, name: string): OvlInode | null {
  const dir = dirDentry.inode as OvlInode;
  return as_mounter(current, dir.sb, () => lookup(current, dir, dirDentry, name));
}

function lookup(current: Current, dir: OvlInode, dirDentry: Dentry, name: string): OvlInode | null {
  const { sb } = dir;
  const find = new OvlLookup(current, sb, name);
  let upper = dir.upper === null ? null : find.in(dir.upper);
  const redirect = find.redirect;
  const upperOpaque = find.opaque;
  const lowers: OvlLower[] = [];
  let bases = lowerBases(sb, dir, find);
  for (let i = 0; !find.stop && i < bases.length; i++) {
    const { layer, dentry } = bases[i]!;
    refuseMetacopy(sb, find, name);
    const found = find.in(dentry);
    if (found !== null) lowers.push({ layer, dentry: found });
    const next = lowerBases(sb, dir, find);
    if (next !== bases) {
      bases = next;
      i = bases.findIndex((base) => base.layer === layer);
    }
  }
  if (upper === null && lowers.length === 0) return null;
  refuseMetacopy(sb, find, name);
  let far = false;
  let elsewhere: OvlLower | null = null;
  if (find.metacopy && lowers.length > 0 && sb.datas.length > 0 && find.absolute) {
    elsewhere = ovl_lookup_data_layers(current, sb, find.target);
    find.metacopy = false;
    far = true;
  }
  if (find.metacopy)
    throw errno(EIO, 'overlay: {} has attributes alone, and no layer below has its content', name);
  const isreg = !S_ISDIR((upper ?? lowers[0]!.dentry).inode.mode);
  const alone = isreg && lowers.length > (upper === null ? 1 : 0);
  let data = far ? elsewhere : alone ? lowers.at(-1)! : null;
  let origin = upper !== null && !S_ISDIR(upper.inode.mode) ? ovl_find_origin(current, dir, upper, name) : null; // prettier-ignore
  // Another name of the file was copied up already.
  const lower = upper === null ? lowers[0]! : origin;
  let index = lower === null ? null : ovl_lookup_index(current, sb, lower.dentry.inode);
  if (index !== null && upper === null) {
    upper = index;
    origin = lower;
    const meta = ovl_getxattr(current, index.inode, sb.xattr('metacopy')) !== null;
    data = meta ? lowers.at(-1)! : null;
  } else if (index !== null && index.inode !== upper!.inode) index = null;
  const inode = ovl_get_inode(sb, {
    upper: index ?? upper,
    lowers: isreg ? (upper === null ? lowers.slice(0, 1) : []) : lowers,
    origin: origin ?? (upper === null ? null : data),
    data,
    dir: dirDentry,
    name,
    opaque: upperOpaque,
    index: index && { dentry: index, names: ovl_get_nlink(current, sb, index) },
  });
  inode.redirect = redirect;
  inode.missing = far && elsewhere === null;
  return inode;
}

/** The file that one of attributes alone refers to, in the first layer for data alone that has it. */
function ovl_lookup_data_layers(
  current: Current,
  sb: OvlSuperBlock,
  target: string,
): OvlLower | null {
  for (const layer of sb.datas) {
    let at: Dentry | null = layer.root;
    for (const part of target.split('/').filter((one) => one !== ''))
      at = at !== null && S_ISDIR(at.inode.mode) ? lookup_one(current, at, part) : null;
    if (at !== null && S_ISREG(at.inode.mode)) return { layer, dentry: at };
  }
  return null;
}

/** Content elsewhere is followed only where the mount says so: who can write the layer would choose the file. */
function refuseMetacopy(sb: OvlSuperBlock, find: OvlLookup, name: string): void {
  if (find.metacopy && sb.config.metacopy !== true)
    throw errno(EPERM, 'overlay: {} has attributes alone, and the mount has not metacopy=on', name);
}

/** Does a layer's whiteout stand where a new file goes? What is made there must not show what it hides. */
export function ovl_hidden(current: Current, dir: OvlInode, name: string): boolean {
  const find = new OvlLookup(current, dir.sb, name);
  if (dir.upper !== null) find.in(dir.upper);
  for (const { dentry } of dir.lowers) {
    if (find.stop) break;
    find.in(dentry);
  }
  return find.whiteout;
}

/** Does a lower layer show something under this name, if the upper layer did not hide it (ovl_lower_positive)? */
export function ovl_lower_positive(current: Current, dir: OvlInode, name: string): boolean {
  const find = new OvlLookup(current, dir.sb, name);
  for (const { dentry } of dir.lowers) {
    if (find.in(dentry) !== null) return true;
    if (find.stop) return false;
  }
  return false;
}

/** The inode for what was looked up: hard links of the upper layer share one (ovl_get_inode). */
export function ovl_get_inode(sb: OvlSuperBlock, params: OvlInodeParams): OvlInode {
  const { upper, lowers, origin } = params;
  const lower = origin ?? lowers[0] ?? null;
  if (S_ISDIR((upper ?? lower!.dentry).inode.mode)) return new OvlInode(sb, params);
  // A lower file with several names would break into several when it is copied up.
  const indexed = sb.index !== null && (upper === null || params.index != null);
  const byLower = lower !== null && (lower.dentry.inode.nlink === 1 || indexed);
  const key = byLower ? lower.dentry.inode : upper?.inode;
  const known = key === undefined ? undefined : sb.inodes.get(key);
  if (known !== undefined && known.upper?.inode === upper?.inode) return known;
  const inode = new OvlInode(sb, params);
  if (key !== undefined) sb.inodes.set(key, inode);
  return inode;
}

/** The overlay's root: the layers' roots, merged. */
export function ovl_get_root(_current: Current, sb: OvlSuperBlock): Dentry {
  const lowers = sb.lowers.map((layer: OvlLayer) => ({ layer, dentry: layer.root }));
  const inode = new OvlInode(sb, {
    upper: sb.upper?.root ?? null, lowers, origin: null, data: null, dir: null, name: '', opaque: false,
  }); // prettier-ignore
  return new Dentry('/', null, inode, sb);
}
