import { ENOENT, EPERM, EROFS } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { O_ACCMODE, O_TRUNC } from '@vitrine/uapi/fcntl.ts';
import { STATX_ATTR_APPEND, STATX_ATTR_IMMUTABLE } from '@vitrine/uapi/stat.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { type AddressSpace, i_size_read, i_size_write } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import type { Iattr } from '../attr.ts';
import { type Dentry, Path } from '../dcache.ts';
import { byteString, bytesOf } from '../bytes.ts';
import type { File } from '../file.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from '../fileattr.ts';
import { Inode, MAY_READ, MAY_WRITE, S_APPEND, S_IMMUTABLE, S_ISDIR, S_ISREG, type Timespec, generic_permission, ihold, iput } from '../inode.ts'; // prettier-ignore
import { inode_permission, isSpecial } from '../permission.ts';
import { ovl_copy_up, ovl_copy_up_name } from './copy_up.ts';
import { ovl_create, ovl_link, ovl_remove, ovl_symlink, ovl_tmpfile } from './dir.ts';
import { OvlFile } from './file.ts';
import { ovl_lookup } from './namei.ts';
import { OvlDirFile } from './readdir.ts';
import { ovl_rename } from './rename.ts';
import type { OvlLayer, OvlSuperBlock } from './super.ts';
import { acl_type, may_set_acl } from '../posix_acl.ts';
import { as_mounter, ovl_getxattr, ovl_has_flag_xattr } from './util.ts';

/** A file of a lower layer (analogous to `struct ovl_path`). */
export interface OvlLower {
  readonly layer: OvlLayer;
  readonly dentry: Dentry;
}

/** What an overlay inode is made from. */
export interface OvlInodeParams {
  readonly upper: Dentry | null;
  /** Uppermost first; several only for directories. */
  readonly lowers: readonly OvlLower[];
  /** For an upper file that was copied up: the inode it was copied from, whose number it keeps. */
  readonly origin: OvlLower | null;
  /** The layer's file that has the content of one that is a copy of attributes alone (metacopy). */
  readonly data: OvlLower | null;
  /** Where it was looked up. */
  readonly dir: Dentry | null;
  readonly name: string;
  /** The directory of the upper layer hides what lower layers have. */
  readonly opaque: boolean;
  /** index=on: the copy of a lower file with several names, and how many of them the overlay has. */
  readonly index?: { readonly dentry: Dentry; readonly names: number } | null;
}

/**
 * A file of the overlay (analogous to `struct ovl_inode`): the upper layer's, a lower layer's, or a directory merged from
 * several. Attributes are copies of the real inode's, taken again after every change made through the overlay.
 */
export class OvlInode extends Inode {
  declare readonly sb: OvlSuperBlock;
  declare ino: number;
  upper: Dentry | null;
  lowers: readonly OvlLower[];
  origin: OvlLower | null;
  data: OvlLower | null;
  /** S_APPEND and S_IMMUTABLE that the upper file's attribute `protattr` says: it could not be worked on if it had them itself. */
  prot = 0;
  /** Lower layers may have whiteouts in it that are regular files. */
  xwhiteouts = false;
  /** No layer for data alone has the content. */
  missing = false;
  /** A lower file has exactly one place in the overlay: where a copy of it goes. */
  dir: Dentry | null;
  name: string;
  opaque: boolean;
  /** Under another name in the layers below, `trusted.overlay.redirect` of its upper directory. */
  redirect: string | null = null;
  /** Where it is in the index; it has `names` in the overlay, then. */
  index: Dentry | null;
  names: number;
  /** For st_dev; 0 is the overlay's own. */
  private pseudoDev = 0;

  constructor(
    sb: OvlSuperBlock,
    { upper, lowers, origin, data, dir, name, opaque, index }: OvlInodeParams,
  ) {
    super(sb, 0, (upper ?? lowers[0]!.dentry).inode.mode);
    this.upper = upper;
    this.lowers = lowers;
    this.origin = origin;
    this.data = data;
    this.dir = dir;
    this.name = name;
    this.opaque = opaque;
    this.index = index?.dentry ?? null;
    this.names = index?.names ?? 0;
    this.ino = S_ISDIR(this.mode) && !sb.samefs ? sb.nextIno++ : 0;
    if (upper !== null) ihold(upper.inode);
    this.map_dev_ino();
    this.copyattr();
  }

  static {
    serializable('OvlInode', this);
  }

  /** The real file that counts. */
  get real(): Dentry {
    return this.upper ?? this.lowers[0]!.dentry;
  }

  /** Whose attributes these are: the real file's, unless a layer says nothing of the directory itself. */
  get described(): Inode {
    const { inode } = this.real;
    if (!inode.implied) return inode;
    return this.lowers.find(({ dentry }) => !dentry.inode.implied)?.dentry.inode ?? inode;
  }

  get realPath(): Path {
    if (this.upper !== null) return this.sb.upperPath(this.upper);
    const { layer, dentry } = this.lowers[0]!;
    return new Path(layer.mnt, dentry);
  }

  /** The real file with the content (ovl_path_realdata). */
  get content(): Dentry {
    return this.data === null ? this.real : this.data.dentry;
  }

  get contentPath(): Path {
    return this.data === null ? this.realPath : new Path(this.data.layer.mnt, this.data.dentry);
  }

  /** A directory of several layers. */
  get merged(): boolean {
    return this.lowers.length + (this.upper === null ? 0 : 1) > 1;
  }

  /** Its number, or those of files in it, are a lower layer's (OVL_TYPE_ORIGIN). */
  get hasOrigin(): boolean {
    if (S_ISDIR(this.mode)) return this.upper !== null && this.lowers.length > 0;
    // A lower file with several names broke into several.
    return this.origin !== null && (this.index !== null || this.origin.dentry.inode.nlink <= 1);
  }

  /** May this directory's real one have whiteouts in it (OVL_WHITEOUTS)? */
  has_whiteouts(current: Current): boolean {
    return this.merged || ovl_has_flag_xattr(current, this.real.inode, this.sb.xattr('origin'));
  }

  /** st_dev and st_ino stay what they were when a file is copied up (ovl_map_dev_ino). */
  private map_dev_ino(): void {
    const { sb } = this;
    // The root was not copied from a lower layer.
    const lower = this.dir === null ? this.origin : (this.origin ?? this.lowers[0] ?? null);
    const from = this.upper === null ? this.lowers[0]! : lower;
    const broken =
      this.upper !== null &&
      from !== null &&
      !S_ISDIR(this.mode) &&
      this.index === null &&
      from.dentry.inode.nlink > 1;
    const inode = from === null || broken ? this.upper!.inode : from.dentry.inode;
    const layer = from === null || broken ? sb.upper! : from.layer;
    if (sb.samefs || sb.xino) this.ino = sb.map_ino(layer, inode.stat_ino);
    else if (!S_ISDIR(this.mode)) {
      this.ino = inode.stat_ino;
      this.pseudoDev = layer.pseudoDev;
    }
  }

  override get stat_dev(): number {
    return this.pseudoDev === 0 ? this.sb.dev : this.pseudoDev;
  }

  /** Counting the subdirectories of all layers would take too long: 1 says that nobody did. */
  override get stat_nlink(): number {
    return S_ISDIR(this.mode) && this.merged ? 1 : this.nlink;
  }

  /** The upper file exists now (ovl_inode_update). */
  set_upper(upper: Dentry, origin: OvlLower | null): void {
    this.upper = upper;
    this.origin = origin;
    ihold(upper.inode);
    if (!S_ISDIR(this.mode)) this.lowers = [];
    this.map_dev_ino();
    this.copyattr();
  }

  /** Takes the attributes of the real inode again (ovl_copyattr). */
  copyattr(): void {
    const inode = this.described;
    this.mode = inode.mode;
    this.uid = inode.uid;
    this.gid = inode.gid;
    i_size_write(this, i_size_read(inode));
    this.rdev = inode.rdev;
    this.nlink = S_ISDIR(inode.mode) && this.merged && inode.nlink > 0 ? 1 : inode.nlink;
    if (this.index !== null) this.nlink = this.names;
    this.atime = inode.atime;
    this.mtime = inode.mtime;
    this.ctime = inode.ctime;
    this.btime = inode.btime;
    this.flags = inode.flags | this.prot;
    this.acls = inode.acls;
  }

  override get mapping(): AddressSpace | null {
    return S_ISREG(this.mode) ? this.content.inode.mapping : null;
  }

  override get blocks(): number {
    return this.content.inode.blocks;
  }

  override getattr(current: Current): void {
    this.real.inode.getattr(current);
    this.copyattr();
  }

  override update_atime(now: Timespec): void {
    if (this.upper === null) return;
    this.upper.inode.update_atime(now);
    this.atime = this.upper.inode.atime;
  }

  /** The caller against the overlay's bits, then the mounter against the layer's file (ovl_permission). */
  override permission(current: Current, mask: number, what: unknown): void {
    generic_permission(current, this, mask, what);
    // Whoever may read everything is refused nothing by mode bits that the caller has passed.
    const { inode } = this.real;
    if (!(mask & MAY_WRITE) && this.sb.readsAll && inode.permission === Inode.prototype.permission)
      return;
    let real = mask;
    // A lower file that is to be written will be copied: reading it is what counts.
    if (this.upper === null && mask & MAY_WRITE && !isSpecial(this.mode))
      real = (mask & ~MAY_WRITE) | MAY_READ;
    as_mounter(current, this.sb, () => inode_permission(current, inode, real, what));
  }

  override get has_btime(): boolean {
    return this.real.inode.has_btime;
  }

  override get statx_attributes_mask(): number {
    return STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE | this.real.inode.statx_attributes_mask;
  }
  override get statx_attributes(): number {
    return super.statx_attributes | this.real.inode.statx_attributes;
  }

  override fileattr_get(current: Current): number | null {
    const flags = as_mounter(current, this.sb, () => this.real.inode.fileattr_get(current));
    return flags === null ? null : flags | prot_fileattr(this.prot);
  }

  override fileattr_set(current: Current, flags: number): void {
    ovl_copy_up(current, this, 'none');
    const upper = this.upper!.inode;
    as_mounter(current, this.sb, () => {
      ovl_set_protattr(current, this, upper, flags);
      upper.fileattr_set(current, flags & ~(FS_APPEND_FL | FS_IMMUTABLE_FL));
    });
    this.copyattr();
  }

  /** Takes what the upper file's attribute says of its flags (ovl_check_protattr). */
  check_protattr(current: Current): void {
    const value = this.upper === null ? null : ovl_getxattr(current, this.upper.inode, this.sb.xattr('protattr')); // prettier-ignore
    const text = value === null ? '' : byteString(value);
    if (!/^[ai]+$/.test(text)) return;
    this.prot = (text.includes('a') ? S_APPEND : 0) | (text.includes('i') ? S_IMMUTABLE : 0);
    this.copyattr();
  }

  private copy_up(current: Current, content: 'full' | 'empty' | 'none', dentry?: Dentry): void {
    if (dentry === undefined) ovl_copy_up(current, this, content);
    else ovl_copy_up_name(current, dentry, content);
  }

  override setattr(current: Current, attr: Iattr, dentry?: Dentry): void {
    this.copy_up(current, attr.size === undefined ? 'none' : attr.size === 0 ? 'empty' : 'full', dentry); // prettier-ignore
    const upper = this.upper!.inode;
    as_mounter(current, this.sb, () => upper.setattr(current, attr));
    this.copyattr();
  }

  override get_link(current: Current, dentry: Dentry): string | Path {
    return as_mounter(current, this.sb, () => this.real.inode.get_link(current, dentry));
  }

  override open(current: Current, path: Path, flags: number): File {
    if (S_ISDIR(this.mode)) return new OvlDirFile(current, path, flags);
    if (!S_ISREG(this.mode)) return super.open(current, path, flags);
    if (this.missing) throw errno(ENOENT, 'overlay: no layer has the content of {}', path);
    if ((flags & O_ACCMODE) !== 0 || flags & O_TRUNC)
      ovl_copy_up_name(current, path.dentry, flags & O_TRUNC ? 'empty' : 'full');
    this.copyattr();
    return OvlFile.open(current, path, flags & ~O_TRUNC);
  }

  override evict(): void {
    if (this.upper !== null) {
      this.sb.inodes.delete(this.upper.inode);
      iput(this.upper.inode);
    }
    if (this.origin !== null) this.sb.inodes.delete(this.origin.dentry.inode);
    super.evict();
  }

  // Directories.

  override lookup(current: Current, dir: Dentry, name: string): Inode | null {
    return ovl_lookup(current, dir, name);
  }
  override mknod(current: Current, dir: Dentry, name: string, mode: number, rdev: number): Inode {
    return ovl_create(current, dir, name, mode, rdev);
  }
  override symlink(current: Current, dir: Dentry, name: string, target: string): Inode {
    return ovl_symlink(current, dir, name, target);
  }
  override link(current: Current, old: Dentry, dir: Dentry, name: string): void {
    ovl_link(current, old, dir, name);
  }
  override unlink(current: Current, dentry: Dentry): void {
    ovl_remove(current, dentry);
  }
  override rmdir(current: Current, dentry: Dentry): void {
    ovl_remove(current, dentry);
  }
  override rename(
    current: Current,
    old: Dentry,
    dir: Dentry,
    name: string,
    target: Dentry | null,
    flags: number,
  ): void {
    ovl_rename(current, old, dir, name, target, flags);
  }
  override tmpfile(current: Current, mode: number): Inode {
    return ovl_tmpfile(current, this, mode);
  }

  // Extended attributes. Names of the overlay's own are kept apart by one more prefix (ovl_is_escaped_xattr).

  private own(name: string): boolean {
    return name.startsWith(this.sb.xattr(''));
  }

  /** How the layer spells it. */
  private escaped(name: string): string {
    return this.own(name)
      ? this.sb.xattr('') + 'overlay.' + name.slice(this.sb.xattr('').length)
      : name;
  }

  override listxattr(current: Current): readonly string[] {
    const own = this.sb.xattr('');
    const trusted = capable(current.cred, CAP_SYS_ADMIN);
    const names: string[] = [];
    for (const name of as_mounter(current, this.sb, () => this.described.listxattr(current))) {
      if (name.startsWith('trusted.') && !trusted) continue;
      if (!name.startsWith(own)) names.push(name);
      else if (name.startsWith(`${own}overlay.`)) names.push(own + name.slice(own.length + 8));
    }
    return names;
  }

  override getxattr(current: Current, name: string): Uint8Array {
    return as_mounter(current, this.sb, () => this.described.getxattr(current, this.escaped(name)));
  }

  override setxattr(
    current: Current,
    name: string,
    value: Uint8Array | null,
    flags: number,
    dentry?: Dentry,
  ): void {
    const { sb } = this;
    if (sb.upper === null) throw errno(EROFS, 'overlay {} has no upper layer', this);
    // The upper file system asks the mounter, not the caller.
    const type = acl_type(name);
    if (type !== null && may_set_acl(current, this, type, value) === undefined) return;
    // Removing what is not there must not copy the file.
    if (value === null && this.upper === null) this.getxattr(current, name);
    // A lower name of a file that is in the index already stays one.
    if (this.upper === null) this.copy_up(current, 'none', dentry);
    as_mounter(current, sb, () => this.upper!.inode.setxattr(current, this.escaped(name), value, flags)); // prettier-ignore
    this.copyattr();
  }
}

const prot_fileattr = (prot: number): number =>
  (prot & S_APPEND ? FS_APPEND_FL : 0) | (prot & S_IMMUTABLE ? FS_IMMUTABLE_FL : 0);

/** Keeps the flags append-only and immutable in an attribute of the upper file. */
export function ovl_set_protattr(
  current: Current,
  inode: OvlInode,
  upper: Inode,
  flags: number,
): void {
  const name = inode.sb.xattr('protattr');
  const text = (flags & FS_APPEND_FL ? 'a' : '') + (flags & FS_IMMUTABLE_FL ? 'i' : '');
  if (text !== '') upper.setxattr(current, name, bytesOf(text), 0);
  else if (ovl_getxattr(current, upper, name) !== null) upper.setxattr(current, name, null, 0);
  inode.prot = (flags & FS_APPEND_FL ? S_APPEND : 0) | (flags & FS_IMMUTABLE_FL ? S_IMMUTABLE : 0);
}

/** A whiteout is the overlay's own: nobody makes one through it. */
export function refuseWhiteout(what: unknown): never {
  throw errno(EPERM, 'overlay: a character device 0:0 ({}) would be a whiteout', what);
}
