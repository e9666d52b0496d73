import { EINVAL, ENODATA } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { LazyBytes } from '../../include/lazy.ts';
import { AddressSpace } from '../../include/pagecache.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import type { Dentry, Path } from '../dcache.ts';
import { File } from '../file.ts';
import { Inode, S_ISDIR, S_ISLNK, S_ISREG } from '../inode.ts';
import { MKDEV } from '../kdev_t.ts';
import { RegularFile } from '../libfs/regular_file.ts';
import { type DirContext, dir_emit_dots } from '../readdir.ts';
import { LAYER_IMPLIED, type LayerNode } from './format.ts';
import type { LayerSuperBlock } from './super.ts';

/** A file's bytes, for its copy in an overlay's upper layer. */
class LayerBytes implements LazyBytes {
  private readonly inode: LayerInode;
  readonly size: number;

  constructor(inode: LayerInode) {
    this.inode = inode;
    this.size = inode.size;
  }

  read(): Uint8Array {
    return this.slice(0, this.size);
  }

  slice(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    this.inode.readRange(bytes, from);
    return bytes;
  }
}

/** A file of a layer. */
export class LayerInode extends Inode {
  declare readonly sb: LayerSuperBlock;
  /** Its place in the index: entries of a directory, extents of a file, target of a link. */
  readonly node: LayerNode;

  constructor(sb: LayerSuperBlock, ino: number, node: LayerNode) {
    super(sb, ino, node.mode);
    this.node = node;
    this.uid = node.uid;
    this.gid = node.gid;
    this.nlink = node.nlink;
    this.size = node.size;
    this.rdev = MKDEV(node.major, node.minor);
    this.atime = this.mtime = this.ctime = this.btime = { sec: node.mtime, nsec: node.mtimeNsec };
  }

  static {
    serializable('LayerInode', this);
  }

  override get has_btime(): boolean {
    return true;
  }

  override get mapping(): AddressSpace | null {
    if (this.i_data === null && S_ISREG(this.mode)) this.i_data = new AddressSpace(this, true);
    return this.i_data;
  }

  override get implied(): boolean {
    return (this.node.flags & LAYER_IMPLIED) !== 0;
  }

  override get blocks(): number {
    return S_ISREG(this.mode) ? Math.ceil(this.size / PAGE_SIZE) * 8 : 0;
  }

  override readPage(index: number, pa: number): void {
    const from = index * PAGE_SIZE;
    this.readRange(this.sb.kernel.ram.u8.subarray(pa, pa + PAGE_SIZE), from);
  }

  /** The bytes from `from` on, as many as the file has, into zeroed memory. */
  readRange(into: Uint8Array, from: number): void {
    const { first, count } = this.node;
    const { index } = this.sb;
    const end = Math.min(from + into.length, this.size);
    for (let i = first; i < first + count; i++) {
      const extent = index.extent(i);
      const start = Math.max(from, extent.at);
      const stop = Math.min(end, extent.at + extent.length);
      if (start < stop)
        this.sb.read(into.subarray(start - from, stop - from), extent.from + start - extent.at);
    }
  }

  override lazy_bytes(): LazyBytes {
    return new LayerBytes(this);
  }

  override lookup(_current: Current, _dir: Dentry, name: string): Inode | null {
    const ino = this.sb.index.lookup(this.node, name);
    return ino === 0 ? null : this.sb.inode(ino);
  }

  override get_link(_current: Current, dentry: Dentry): string {
    if (!S_ISLNK(this.mode)) throw errno(EINVAL, '{} is not a symbolic link', dentry);
    return this.sb.index.target(this.node);
  }

  override open(current: Current, path: Path, flags: number): File {
    if (S_ISDIR(this.mode)) return new LayerDirFile(current, path, flags);
    if (S_ISREG(this.mode)) return new RegularFile(current, path, flags);
    return super.open(current, path, flags);
  }

  private *attributes(): Generator<[name: string, value: Uint8Array]> {
    for (let i = 0; i < this.node.xattrCount; i++) yield this.sb.index.xattr(this.node.xattrs + i);
  }

  override get maybe_xattrs(): boolean {
    return this.node.xattrCount > 0;
  }

  override listxattr(): readonly string[] {
    return Array.from(this.attributes(), ([name]) => name);
  }

  override getxattr(_current: Current, name: string): Uint8Array {
    for (const [known, value] of this.attributes()) if (known === name) return value;
    throw errno(ENODATA, '{} has no attribute {}', this, name);
  }
}

/** An open directory of a layer: its entries in the order of their names. */
class LayerDirFile extends File {
  static {
    serializable('LayerDirFile', this);
  }

  override iterate(_current: Current, ctx: DirContext): void {
    if (!dir_emit_dots(this, ctx)) return;
    const { sb, node } = this.inode as LayerInode;
    for (; ctx.pos - 2 < node.count; ctx.pos++) {
      const { name, ino } = sb.index.dirent(node.first + ctx.pos - 2);
      if (!ctx.emit(name, ino, (sb.index.node(ino).mode >> 12) & 15, ctx.pos + 1)) return;
    }
  }

  override fsync(): number {
    return 0;
  }
}
