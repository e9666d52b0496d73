import { EINVAL, EIO, EPERM } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { Dentry } from '../dcache.ts';
import { S_ISDIR, S_ISREG } from '../inode.ts';
import { lookup_one } from '../namei.ts';
import { ovl_set_impure } from './copy_up.ts';
import { ovl_get_nlink, ovl_lookup_index } from './index.ts';
import { OvlInode, type OvlInodeParams, type OvlLower } from './inode.ts';
import { ovl_encode_fh, ovl_find_origin } from './origin.ts';
import type { OvlLayer, OvlSuperBlock } from './super.ts';
import { as_mounter, ovl_getxattr, ovl_is_whiteout, ovl_opaque } from './util.ts';

/** Lookup of one name through the layers (analogous to `struct ovl_lookup_data`). */
class OvlLookup {
  private readonly current: Current;
  private readonly sb: OvlSuperBlock;
  /** What the name is called in the layers below: another name, or from `/` a path from their roots. */
  name: string;
  private layer: OvlLayer | null = null;
  /** No layer is below: what an attribute says of those is not looked at. */
  last = false;
  stop = false;
  opaque = false;
  isDir = false;
  /** The file last found has attributes alone: its content is in a layer below. */
  metacopy = false;
  redirect: string | null = null;
  absoluteRedirect = false;
  /** A lower directory may have whiteouts that are regular files with an attribute. */
  xwhiteouts = false;

  constructor(current: Current, sb: OvlSuperBlock, name: string) {
    this.current = current;
    this.sb = sb;
    this.name = name;
  }

  /** The file in one layer, below `base` or, by a path, below the layer's root; null when the layer has none or it does not count (ovl_lookup_layer). */
  in(base: Dentry, layer: OvlLayer): Dentry | null {
    this.layer = layer;
    if (!this.name.startsWith('/')) return this.single(base, this.name, 0, '');
    // Counted from the end, as a redirect on the way changes what stands before.
    let rest = this.name.length - 1;
    let at: Dentry | null = base;
    while (at !== null && S_ISDIR(at.inode.mode)) {
      const start = this.name.length - rest;
      const slash = this.name.indexOf('/', start);
      const end = slash < 0 ? this.name.length : slash;
      const post = this.name.slice(end);
      at = this.single(at, this.name.slice(start, end), start, post);
      if (post === '') break;
      rest -= end - start + 1;
    }
    return at;
  }

  /** @param prelen how much of the path stands before the name @param post what stands after it */
  private single(base: Dentry, name: string, prelen: number, post: string): Dentry | null {
    const { current, sb } = this;
    const end = post === '';
    const found = lookup_one(current, base, name);
    if (found === null) return null;
    const { inode } = found;
    if (ovl_is_whiteout(current, sb, found)) {
      this.stop = this.opaque = true;
      return null;
    }
    // Where content is looked for, nothing but a file has it.
    if (end && this.metacopy && !S_ISREG(inode.mode)) {
      this.stop = true;
      return null;
    }
    if (!S_ISDIR(inode.mode)) {
      // A file below a directory: the directory hides it.
      if (this.isDir || !end) {
        this.stop = true;
        return null;
      }
      this.metacopy = S_ISREG(inode.mode) && ovl_getxattr(current, inode, sb.xattr('metacopy')) !== null; // prettier-ignore
      this.stop = !this.metacopy;
      if (!this.metacopy || this.last) return found;
    } else {
      if (end) this.isDir = true;
      if (this.last) return found;
      const opaque = ovl_opaque(current, sb, inode);
      if (opaque === 'x' && end && this.layer !== sb.upper) {
        this.xwhiteouts = true;
        this.layer!.xwhiteouts = true;
      } else if (opaque === 'y') {
        this.stop = true;
        if (end) this.opaque = true;
        return found;
      }
    }
    this.follow(found, prelen, post);
    return found;
  }

  /** ovl_check_redirect */
  private follow(found: Dentry, prelen: number, post: string): void {
    this.absoluteRedirect = false;
    const text = ovl_get_redirect_xattr(this.current, this.sb, found);
    if (text === null) return;
    if (text.startsWith('/')) {
      this.absoluteRedirect = true;
      // An opaque directory above, in the same path, does not count any more.
      this.stop = false;
      this.redirect = text + post;
    } else this.redirect = this.name.slice(0, prelen) + text + post;
    this.name = this.redirect;
  }
}

/** Where a file moved from. Throws EINVAL for what is neither a name nor a path. */
function ovl_get_redirect_xattr(
  current: Current,
  sb: OvlSuperBlock,
  dentry: Dentry,
): string | null {
  const value = ovl_getxattr(current, dentry.inode, sb.xattr('redirect'));
  if (value === null) return null;
  const text = String.fromCharCode(...value);
  const names = text.startsWith('/') ? text.slice(1).split('/') : [text];
  if (names.some((name) => name === '' || name.includes('/')))
    throw errno(EINVAL, 'overlay: {} has an invalid redirect, {}', dentry, text);
  return text;
}

/** A name in a directory of the overlay (ovl_lookup). */
export function ovl_lookup(current: Current, dirDentry: Dentry, name: string): OvlInode | null {
  const dir = dirDentry.inode as OvlInode;
  return as_mounter(current, dir.sb, () => lookup(current, dir, dirDentry, name));
}

function lookup(current: Current, dir: OvlInode, dirDentry: Dentry, name: string): OvlInode | null {
  const { sb } = dir;
  const roots = (sb.root.inode as OvlInode).lowers;
  const find = new OvlLookup(current, sb, name);
  let bases = dir.lowers;
  let upper: Dentry | null = null;
  let origin: OvlLower | null = null;
  let upperMeta = false;
  if (dir.upper !== null) {
    find.last = !sb.followsRedirects && bases.length === 0;
    upper = find.in(dir.upper, sb.upper!);
    if (upper !== null && !find.isDir) {
      origin = ovl_find_origin(current, dir, upper, name);
      upperMeta = find.metacopy;
    }
    if (find.redirect?.startsWith('/')) bases = roots;
  }
  const redirect = find.redirect;
  const upperOpaque = find.opaque;
  const lowers: OvlLower[] = [];
  for (let i = 0; !find.stop && i < bases.length; i++) {
    const { layer, dentry } = bases[i]!;
    if (!sb.followsRedirects) find.last = i === bases.length - 1;
    else if (find.isDir || sb.datas.length === 0) find.last = layer === sb.lowers.at(-1);
    const found = find.in(dentry, layer);
    if (found === null) continue;
    refuseMetacopy(sb, upperMeta || find.metacopy, name);
    if (upper !== null && lowers.length === 0 && find.isDir)
      ovl_fix_origin(current, dir, upper, found);
    if (!find.metacopy || lowers.length === 0) lowers.push({ layer, dentry: found });
    if (find.redirect !== null && !sb.followsRedirects)
      throw errno(EPERM, 'overlay: {} was redirected to {}, and redirect_dir=nofollow', found, find.redirect); // prettier-ignore
    if (find.redirect?.startsWith('/') && bases !== roots) {
      bases = roots;
      i = roots.findIndex((root) => root.layer === layer);
    }
  }
  let far = false;
  let elsewhere: OvlLower | null = null;
  if (find.metacopy && lowers.length > 0 && sb.datas.length > 0 && find.absoluteRedirect) {
    elsewhere = ovl_lookup_data_layers(current, sb, find.name);
    find.metacopy = false;
    far = true;
  }
  if (find.metacopy || (upperMeta && lowers.length === 0))
    throw errno(EIO, 'overlay: {} has attributes alone, and no layer below has its content', name);
  if (upper === null && lowers.length === 0) return null;
  const isreg = !S_ISDIR((upper ?? lowers[0]!.dentry).inode.mode);
  const alone = isreg && lowers.length > (upper === null ? 1 : 0);
  let data = far ? elsewhere : alone ? lowers.at(-1)! : null;
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
  inode.check_protattr(current);
  inode.redirect = redirect;
  inode.xwhiteouts = find.xwhiteouts;
  inode.missing = far && elsewhere === null;
  return inode;
}

/** An upper directory that is merged without knowing with what is told. */
function ovl_fix_origin(current: Current, dir: OvlInode, upper: Dentry, lower: Dentry): void {
  const { sb } = dir;
  if (ovl_getxattr(current, upper.inode, sb.xattr('origin')) !== null) return;
  upper.inode.setxattr(current, sb.xattr('origin'), ovl_encode_fh(lower.inode), 0);
  ovl_set_impure(current, sb, dir.upper!.inode);
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
function refuseMetacopy(sb: OvlSuperBlock, metacopy: boolean, name: string): void {
  if (metacopy && !sb.config.metacopy)
    throw errno(EPERM, 'overlay: {} has attributes alone, and the mount has not metacopy=on', name);
}

/** Does a whiteout of the upper layer stand where a new file goes? What is made there must not show what it hides. */
export function ovl_hidden(current: Current, dir: OvlInode, name: string): boolean {
  const find = new OvlLookup(current, dir.sb, name);
  return dir.upper !== null && find.in(dir.upper, dir.sb.upper!) === null && find.opaque;
}

/** Does a lower layer have something under this name, if the upper layer did not hide it (ovl_lower_positive)? */
export function ovl_lower_positive(current: Current, dir: OvlInode, name: string): boolean {
  for (const { dentry } of dir.lowers) {
    const found = lookup_one(current, dentry, name);
    if (found !== null) return !ovl_is_whiteout(current, dir.sb, found);
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
export function ovl_get_root(current: Current, sb: OvlSuperBlock): Dentry {
  const lowers = sb.lowers.map((layer: OvlLayer) => ({ layer, dentry: layer.root }));
  const inode = new OvlInode(sb, {
    upper: sb.upper?.root ?? null, lowers, origin: null, data: null, dir: null, name: '', opaque: false,
  }); // prettier-ignore
  as_mounter(current, sb, () => inode.check_protattr(current));
  for (const { layer, dentry } of lowers.slice(0, -1))
    if (as_mounter(current, sb, () => ovl_opaque(current, sb, dentry.inode)) === 'x')
      layer.xwhiteouts = inode.xwhiteouts = true;
  return new Dentry('/', null, inode, sb);
}
