/**
 * The index of an image's layer: every file's attributes and name, and where its bytes are in the layer's tar archive, so
 * that a machine opens a layer of any size at once and looks at what it needs (EROFS has such an index too, `mkfs.erofs
 * --tar=i`). packages/image writes it. Little-endian; sections follow each other:
 *
 *     header     64 bytes: magic, version, then the counts and sizes of the sections
 *     inodes     64 bytes each; number 1 is the root
 *     extents    24 bytes each: offset in the file, length, offset in the archive
 *     xattrs     16 bytes each: name offset and length, value offset and length, in the strings
 *     dirents    12 bytes each, sorted by name within a directory: name offset, name length, inode number
 *     strings    names, targets of links, attributes
 */
export const LAYER_MAGIC = 0x59414c56; // "VLAY"
export const LAYER_VERSION = 1;
export const HEADER_SIZE = 64;
export const INODE_SIZE = 64;
export const EXTENT_SIZE = 24;
export const XATTR_SIZE = 16;
export const DIRENT_SIZE = 12;

/** One file of a layer. */
export interface LayerNode {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNsec: number;
  readonly major: number;
  readonly minor: number;
  /** First of a directory's entries, of a file's extents; a link target's place in the strings. */
  readonly first: number;
  readonly count: number;
  readonly xattrs: number;
  readonly xattrCount: number;
  /** LAYER_IMPLIED */
  readonly flags: number;
}

/** The archive names files in this directory, but not the directory: what it is like, the layers below say. */
export const LAYER_IMPLIED = 1;

export interface LayerDirent {
  readonly name: string;
  readonly ino: number;
}

/** Where a piece of a file is in the archive; what no piece covers is zeros. */
export interface LayerExtent {
  readonly at: number;
  readonly length: number;
  readonly from: number;
}

/** Reads an index. Throws RangeError when it is none, or is cut short. */
export class LayerIndex {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  readonly inodes: number;
  private readonly extents: number;
  private readonly xattrs: number;
  private readonly dirents: number;
  private readonly strings: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { view } = this;
    if (bytes.length < HEADER_SIZE || view.getUint32(0, true) !== LAYER_MAGIC)
      throw new RangeError('this is no index of a layer');
    if (view.getUint32(4, true) !== LAYER_VERSION)
      throw new RangeError(`the layer index has version ${view.getUint32(4, true)}, not ${LAYER_VERSION}`); // prettier-ignore
    this.inodes = view.getUint32(8, true);
    this.extents = HEADER_SIZE + this.inodes * INODE_SIZE;
    this.xattrs = this.extents + view.getUint32(12, true) * EXTENT_SIZE;
    this.dirents = this.xattrs + view.getUint32(16, true) * XATTR_SIZE;
    this.strings = this.dirents + view.getUint32(20, true) * DIRENT_SIZE;
    if (this.strings + view.getUint32(24, true) !== bytes.length)
      throw new RangeError('the layer index is cut short');
  }

  node(ino: number): LayerNode {
    const { view } = this;
    const at = HEADER_SIZE + (ino - 1) * INODE_SIZE;
    return {
      mode: view.getUint32(at, true),
      uid: view.getUint32(at + 4, true),
      gid: view.getUint32(at + 8, true),
      nlink: view.getUint32(at + 12, true),
      size: view.getFloat64(at + 16, true),
      mtime: view.getFloat64(at + 24, true),
      mtimeNsec: view.getUint32(at + 32, true),
      major: view.getUint32(at + 36, true),
      minor: view.getUint32(at + 40, true),
      first: view.getUint32(at + 44, true),
      count: view.getUint32(at + 48, true),
      xattrs: view.getUint32(at + 52, true),
      xattrCount: view.getUint32(at + 56, true),
      flags: view.getUint32(at + 60, true),
    };
  }

  private text(at: number, length: number): string {
    let s = '';
    for (let i = this.strings + at, end = i + length; i < end; i++)
      s += String.fromCharCode(this.bytes[i]!);
    return s;
  }

  /** The entry at a position of a directory. */
  dirent(index: number): LayerDirent {
    const at = this.dirents + index * DIRENT_SIZE;
    const { view } = this;
    return {
      name: this.text(view.getUint32(at, true), view.getUint32(at + 4, true)),
      ino: view.getUint32(at + 8, true),
    };
  }

  /** The inode number of a name in a directory, or 0. */
  lookup(dir: LayerNode, name: string): number {
    let low = dir.first;
    let high = dir.first + dir.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.compare(middle, name);
      if (order === 0) return this.view.getUint32(this.dirents + middle * DIRENT_SIZE + 8, true);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return 0;
  }

  private compare(index: number, name: string): number {
    const at = this.dirents + index * DIRENT_SIZE;
    const from = this.strings + this.view.getUint32(at, true);
    const length = this.view.getUint32(at + 4, true);
    for (let i = 0; i < length && i < name.length; i++) {
      const difference = this.bytes[from + i]! - name.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return length - name.length;
  }

  target(node: LayerNode): string {
    return this.text(node.first, node.size);
  }

  extent(index: number): LayerExtent {
    const at = this.extents + index * EXTENT_SIZE;
    const { view } = this;
    return {
      at: view.getFloat64(at, true),
      length: view.getFloat64(at + 8, true),
      from: view.getFloat64(at + 16, true),
    };
  }

  xattr(index: number): [name: string, value: Uint8Array] {
    const at = this.xattrs + index * XATTR_SIZE;
    const { view } = this;
    const value = this.strings + view.getUint32(at + 8, true);
    return [
      this.text(view.getUint32(at, true), view.getUint32(at + 4, true)),
      this.bytes.subarray(value, value + view.getUint32(at + 12, true)),
    ];
  }
}
