import { EINVAL, ELOOP, EROFS } from '@vitrine/uapi/errno.ts';
import { OVERLAYFS_SUPER_MAGIC } from '@vitrine/uapi/magic.ts';
import { MS_NOATIME, MS_RDONLY, MS_RELATIME } from '@vitrine/uapi/mount.ts';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH } from '@vitrine/uapi/capability.ts';
import { type Cred, capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { uuid_gen } from '../../include/uuid.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { type Dentry, Path, is_subdir } from '../dcache.ts';
import type { Inode } from '../inode.ts';
import { MKDEV } from '../kdev_t.ts';
import { Mount, mntget, mntput } from '../mount.ts';
import { FileSystemType, type Statfs, SuperBlock } from '../super.ts';
import type { FileHandle } from '../exportfs.ts';
import { ovl_decode_handle, ovl_encode_handle } from './export.ts';
import { ovl_get_indexdir, ovl_report_in_use, ovl_trylock } from './index.ts';
import type { OvlInode } from './inode.ts';
import {
  OVL_OPTIONS,
  type OvlConfig,
  ovl_check_option,
  ovl_parse_params,
  ovl_redirect_mode_def,
} from './params.ts';
import { ovl_get_root } from './namei.ts';
import { as_mounter, ovl_has_flag_xattr, ovl_make_workdir } from './util.ts';

/** One layer: a private mount of a directory (analogous to `struct ovl_layer`). */
export interface OvlLayer {
  readonly mnt: Mount;
  readonly root: Dentry;
  /** st_dev of its files that are no directories, where the layers are on several file systems. */
  readonly pseudoDev: number;
  /** Which of the layers' file systems it is on; 0 is the upper layer's. */
  readonly fsid: number;
  /** Directories were found in it that may have whiteouts which are regular files. */
  xwhiteouts: boolean;
}

/** With xino, numbers of files have the file system's above this bit. Linux has it in the topmost of 64. */
const XINO_SHIFT = 49;
const XINO_MOST = 7;

/** Most file systems on each other, a disk's one below (FILESYSTEM_MAX_STACK_DEPTH). */
const MAX_STACK_DEPTH = 2;

/** Analogous to `struct ovl_fs`. */
export class OvlSuperBlock extends SuperBlock {
  readonly config: OvlConfig;
  /** The mounter's rights: with them the overlay works in its layers. */
  readonly cred: Cred;
  upper: OvlLayer | null = null;
  lowers: OvlLayer[] = [];
  /** Layers for data alone, not merged: what files of others refer to is looked up in them. */
  datas: OvlLayer[] = [];
  /** The overlay's own directory inside workdir. */
  work: Dentry | null = null;
  /** workdir/index, with index=on. */
  index: Dentry | null = null;
  /** Directories that no other overlay with an index may have as upperdir or workdir. */
  readonly locked: Inode[] = [];
  /** A whiteout that others are hard links of. */
  whiteout: Dentry | null = null;
  tempId = 0;
  samefs = true;
  /** Layers on several file systems, and one device number for all (xino=on). */
  xino = false;
  depth = 1;
  uuidOn = false;
  /** The mounter overrides all mode bits. */
  readonly readsAll: boolean;
  /** All layers give file handles. */
  handles = false;
  private readonly redirectDefault: 'on' | 'follow' | 'nofollow';
  /** Overlay inodes by the real inode that stands for them, so that hard links share one. */
  readonly inodes: Map<Inode, OvlInode> = new Map();

  constructor(kernel: Kernel, type: FileSystemType, config: OvlConfig, cred: Cred) {
    super(kernel, type, OVERLAYFS_SUPER_MAGIC);
    this.config = config;
    // Number 1 is the trap inode's on Linux.
    this.nextIno = 2;
    this.cred = cred;
    this.redirectDefault = ovl_redirect_mode_def(kernel);
    this.readsAll = capable(cred, CAP_DAC_OVERRIDE) && capable(cred, CAP_DAC_READ_SEARCH);
  }

  static {
    serializable('OvlSuperBlock', this);
  }

  /** Name of one of the overlay's own attributes. */
  xattr(name: string): string {
    return `${this.config.userxattr ? 'user' : 'trusted'}.overlay.${name}`;
  }

  get redirects(): boolean {
    return this.config.redirect === 'on';
  }

  /** Layers may be changed while they are not mounted: none of the features that rely on them is on. */
  get offlineChanges(): boolean {
    const { index, metacopy, xino } = this.config;
    return !index && !metacopy && !this.redirects && xino !== 'on';
  }

  /** redirect_always_follow is Y. */
  get followsRedirects(): boolean {
    return this.config.redirect !== 'nofollow';
  }

  /** The number that a layer's file has in the overlay (ovl_map_dev_ino, ovl_remap_lower_ino). */
  map_ino({ fsid }: OvlLayer, ino: number): number {
    return this.xino && ino < 2 ** XINO_SHIFT ? ino + fsid * 2 ** XINO_SHIFT : ino;
  }

  upperPath(dentry: Dentry): Path {
    return new Path(this.upper!.mnt, dentry);
  }

  override statfs(): Statfs {
    const real = (this.upper ?? this.lowers[0]!).mnt.sb.statfs();
    return { ...real, type: this.magic };
  }

  /** The UUID's (uuid_to_fsid), or the layer's. */
  override get fsid(): bigint {
    const { uuid } = this.config;
    if (uuid === 'off' || uuid === 'null') return (this.upper ?? this.lowers[0]!).mnt.sb.fsid;
    if (this.uuid === null) return 0n;
    const view = new DataView(this.uuid.buffer, this.uuid.byteOffset, 16);
    return view.getBigUint64(0, true) ^ view.getBigUint64(8, true);
  }

  override get has_blocks(): boolean {
    return false;
  }

  /** nfs_export=on: handles open files. */
  override get exported(): boolean {
    return this.config.nfsExport;
  }

  override encode_fh(inode: Inode): FileHandle | null {
    return this.handles ? ovl_encode_handle(this, inode as OvlInode) : null;
  }

  override fh_to_dentry(current: Current, mnt: Mount, handle: FileHandle): Dentry | null {
    return ovl_decode_handle(current, this, mnt, handle);
  }

  override show_options(): string {
    const { config } = this;
    const escaped = (name: string): string => name.replaceAll(',', String.raw`\054`);
    let text = '';
    if (config.lowerdir !== null) text += `,lowerdir=${config.lowerdir}`;
    else for (const { name, data } of config.lower) text += `,${data ? 'datadir+' : 'lowerdir+'}=${escaped(name)}`; // prettier-ignore
    if (config.upper !== null)
      text += `,upperdir=${config.upper.name},workdir=${config.work!.name}`;
    if (config.defaultPermissions) text += ',default_permissions';
    if (config.redirect !== this.redirectDefault) text += `,redirect_dir=${config.redirect}`;
    if (config.index) text += ',index=on';
    if (this.uuidOn) text += ',uuid=on';
    else if (config.uuid === 'off' || config.uuid === 'null') text += `,uuid=${config.uuid}`;
    if (config.nfsExport) text += ',nfs_export=on';
    if (config.xino !== 'off' && !this.samefs) text += `,xino=${config.xino}`;
    if (config.metacopy) text += ',metacopy=on';
    if (config.fsync !== 'auto') text += `,fsync=${config.fsync}`;
    if (config.userxattr) text += ',userxattr';
    if (config.verity !== 'off') text += `,verity=${config.verity}`;
    return text;
  }

  override remount(_current: Current, flags: number): void {
    if (!(flags & MS_RDONLY) && this.upper === null)
      throw errno(EROFS, 'overlay: without upperdir it stays read-only');
    this.flags = flags;
  }

  /** All of them, the upper one last. */
  get layers(): readonly OvlLayer[] {
    return [...this.lowers, ...this.datas, ...(this.upper === null ? [] : [this.upper])];
  }

  unlock(): void {
    for (const inode of this.locked) (this.type as OvlType).inUse.delete(inode);
  }

  override kill(): void {
    const todo = [this.root];
    for (let dentry = todo.pop(); dentry !== undefined; dentry = todo.pop()) {
      const inode = dentry.inode as OvlInode;
      if (inode.count === 0) inode.evict();
      for (const child of dentry.children?.values() ?? []) todo.push(child);
    }
    this.root.children = null;
    this.root.first = null;
    this.unlock();
    for (const layer of this.layers) mntput(layer.mnt);
  }
}

/** A file system whose directories an upper layer may be: it keeps whiteouts, attributes and nameless files. */
function checkUpper(option: string, path: Path): void {
  const { sb } = path.mnt;
  if (!sb.upperLayer)
    throw errno(EINVAL, 'overlay: filesystem {} on {} is not supported as {}', sb, path, option);
}

/** Everything an overlay is made of, checked as ovl_fill_super does. */
class Builder {
  private readonly current: Current;
  private readonly sb: OvlSuperBlock;
  private readonly devs: Map<SuperBlock, number> = new Map();
  private readonly traps: Dentry[] = [];

  constructor(current: Current, sb: OvlSuperBlock) {
    this.current = current;
    this.sb = sb;
  }

  private pseudoDev(sb: SuperBlock): number {
    let dev = this.devs.get(sb);
    if (dev === undefined) {
      dev = MKDEV(0, this.sb.kernel.vfs.nextAnonDev++);
      this.devs.set(sb, dev);
    }
    return dev;
  }

  /** clone_private_mount: what happens to the original mount does not reach the overlay. */
  private layer(path: Path, flags: number): OvlLayer {
    const mnt = new Mount(this.sb.kernel, path.dentry, 'overlay', flags);
    mntget(mnt);
    const pseudoDev = this.pseudoDev(path.mnt.sb);
    const nth = [...this.devs.keys()].indexOf(path.mnt.sb);
    const fsid = this.sb.config.upper === null ? nth + 1 : nth;
    return { mnt, root: path.dentry, pseudoDev, fsid, xwhiteouts: false };
  }

  private trap(dentry: Dentry, what: string): void {
    if (this.traps.includes(dentry)) throw errno(ELOOP, 'overlay: {} is a layer twice ({})', dentry, what); // prettier-ignore
    this.traps.push(dentry);
  }

  upper(): void {
    const { current, sb } = this;
    const upper = sb.config.upper!.path;
    const work = sb.config.work!.path;
    checkUpper('upperdir', upper);
    checkUpper('workdir', work);
    if ((upper.mnt.flags | upper.mnt.sb.flags) & MS_RDONLY)
      throw errno(EINVAL, 'overlay: upper fs is r/o, try multi-lower layers mount');
    if (upper.mnt !== work.mnt)
      throw errno(EINVAL, 'overlay: workdir and upperdir must reside under the same mount');
    if (is_subdir(upper.dentry, work.dentry) || is_subdir(work.dentry, upper.dentry))
      throw errno(EINVAL, 'overlay: workdir and upperdir must be separate subtrees');
    this.trap(upper.dentry, 'upperdir');
    sb.upper = this.layer(upper, MS_RELATIME);
    sb.blocksize = upper.mnt.sb.blocksize;
    sb.maxbytes = upper.mnt.sb.maxbytes;
    sb.work = as_mounter(current, sb, () => ovl_make_workdir(current, sb, work.dentry));
    this.traps.push(sb.work, work.dentry);
    ovl_trylock(sb, (sb.type as OvlType).inUse, upper.dentry, 'upperdir');
    ovl_trylock(sb, (sb.type as OvlType).inUse, work.dentry, 'workdir');
  }

  /** With index=on, where all layers give file handles. */
  index(): void {
    const { current, sb } = this;
    const { config } = sb;
    if ((!config.index || sb.upper === null) && !config.nfsExport) return;
    for (const { mnt } of sb.layers) {
      if (mnt.sb.exported) continue;
      sb.kernel.printk(4, `overlayfs: fs on '${config.lowerdir}' does not support file handles, falling back to index=off,nfs_export=off.`); // prettier-ignore
      config.index = config.nfsExport = false;
      return;
    }
    if (sb.upper === null) return;
    const workdir = sb.work!.parent;
    sb.work = sb.index = as_mounter(current, sb, () => ovl_get_indexdir(current, sb, workdir));
  }

  lowers(): void {
    const { sb } = this;
    const { upper, lower } = sb.config;
    if (upper === null && lower.length === 1)
      throw errno(EINVAL, "overlay: at least 2 lowerdir are needed while upperdir isn't given");
    if (lower.every(({ data }) => data))
      throw errno(EINVAL, 'overlay: at least one non-data lowerdir is required');
    for (const { path, data } of lower) {
      this.trap(path.dentry, 'lowerdir');
      const depth = path.mnt.sb instanceof OvlSuperBlock ? path.mnt.sb.depth + 1 : 1;
      sb.depth = Math.max(sb.depth, depth);
      (data ? sb.datas : sb.lowers).push(this.layer(path, MS_RDONLY | MS_NOATIME));
    }
    if (sb.depth > MAX_STACK_DEPTH)
      throw errno(EINVAL, 'overlay: maximum fs stacking depth ({}) exceeded', MAX_STACK_DEPTH);
    sb.samefs = this.devs.size === 1;
    this.xino();
  }

  private xino(): void {
    const { sb } = this;
    const { config } = sb;
    const handles = (sb.handles = sb.layers.every((layer) => layer.mnt.sb.exported));
    if (config.xino === 'auto' && !handles) {
      sb.kernel.printk(4, `overlayfs: fs on '${config.lowerdir}' does not support file handles, falling back to xino=off.`); // prettier-ignore
      config.xino = 'off';
    }
    sb.xino = config.xino !== 'off' && !sb.samefs && sb.lowers.every(({ fsid }) => fsid <= XINO_MOST); // prettier-ignore
  }

  /**
   * No lower layer may lie inside another layer or the work directory, and none at all inside what is another overlay's
   * (ovl_check_overlapping_layers). An upper layer inside of a lower one hides from it.
   */
  overlaps(): void {
    const { sb } = this;
    const { inUse } = sb.type as OvlType;
    const check = (root: Dentry, lower: boolean): void => {
      for (let d = root; !d.isRoot; d = d.parent) {
        if (lower && this.traps.includes(d.parent))
          throw errno(ELOOP, 'overlay: layer {} overlaps with {}', root, d.parent);
        if (inUse.has(d.parent.inode)) ovl_report_in_use(sb, root.name, d.parent);
      }
    };
    if (sb.upper !== null) {
      check(sb.upper.root, false);
      check(sb.config.work!.path.dentry, false);
    }
    for (const { root } of [...sb.lowers, ...sb.datas]) check(root, true);
  }

  /** A new overlay gets a UUID that stays with its upper directory (ovl_init_uuid_xattr). */
  uuid(): void {
    const { sb, current } = this;
    const { config } = sb;
    // Origins in other file systems than the upper one cannot be told apart without UUIDs.
    if (config.uuid === 'off' && (sb.upper === null || !sb.samefs)) config.uuid = 'null';
    if (sb.upper === null || config.uuid === 'off' || config.uuid === 'null') return;
    const inode = sb.upper.root.inode;
    const name = sb.xattr('uuid');
    if (ovl_has_flag_xattr(current, inode, name)) {
      sb.uuidOn = sb.config.uuid === 'on';
      sb.uuid = inode.getxattr(current, name);
      return;
    }
    if (config.uuid === 'auto' && ovl_has_flag_xattr(current, inode, sb.xattr('impure'))) {
      config.uuid = 'null';
      return;
    }
    const uuid = (sb.uuid = uuid_gen(current.kernel));
    as_mounter(current, sb, () => inode.setxattr(current, name, uuid, 0));
    sb.uuidOn = true;
  }
}

export class OvlType extends FileSystemType {
  readonly name = 'overlay';
  override readonly options: readonly string[] = OVL_OPTIONS;
  override readonly userns = true;
  /** Directories that are upperdir or workdir of an overlay. */
  readonly inUse: Set<Inode> = new Set();

  static {
    serializable('OvlType', this);
  }

  override check_option(
    _kernel: Kernel,
    option: string,
    current: Current,
    before: readonly string[],
  ): void {
    ovl_check_option(current, option, before);
  }

  mount(current: Current, flags: number, _source: string, data: string): SuperBlock {
    const sb = new OvlSuperBlock(
      current.kernel,
      this,
      ovl_parse_params(current, data),
      current.cred,
    );
    const builder = new Builder(current, sb);
    try {
      if (sb.config.upper !== null) builder.upper();
      builder.lowers();
      builder.overlaps();
      builder.index();
      builder.uuid();
    } catch (error) {
      sb.unlock();
      for (const layer of sb.layers) mntput(layer.mnt);
      throw error;
    }
    sb.flags = sb.upper === null ? flags | MS_RDONLY : flags;
    sb.root = ovl_get_root(current, sb);
    return sb;
  }
}
