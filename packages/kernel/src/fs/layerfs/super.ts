import { EIO, ENODEV, EROFS } from '@vitrine/uapi/errno.ts';
import { MS_RDONLY } from '@vitrine/uapi/mount.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { HostLayer } from '../../include/host.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry } from '../dcache.ts';
import { FileSystemType, type Statfs, SuperBlock } from '../super.ts';
import { LayerIndex } from './format.ts';
import { LayerInode } from './inode.ts';

const LAYERFS_MAGIC = 0x59414c56;

/**
 * A layer of an image: read-only, its index and bytes are the host's, and every machine of the host reads the same ones.
 */
export class LayerSuperBlock extends SuperBlock {
  /** Under which the host offers it: the layer's digest. */
  readonly source: string;
  /** Inodes looked at so far, so that a file with several names is one. */
  readonly inodes: Map<number, LayerInode> = new Map();
  private opened: { host: HostLayer; index: LayerIndex } | null = null;

  constructor(kernel: Kernel, type: FileSystemType, source: string) {
    super(kernel, type, LAYERFS_MAGIC);
    this.source = source;
  }

  static readonly transient: readonly string[] = ['opened'];

  static {
    serializable('LayerSuperBlock', this);
  }

  static revive(sb: LayerSuperBlock): void {
    sb.opened = null;
  }

  private open(): { host: HostLayer; index: LayerIndex } {
    if (this.opened !== null) return this.opened;
    const host = this.kernel.host.layer?.(this.source);
    if (host === undefined) throw errno(EIO, 'the host offers no layer {}', this.source);
    return (this.opened = { host, index: new LayerIndex(host.index) });
  }

  get index(): LayerIndex {
    return this.open().index;
  }

  /** Fills `into` with the archive's bytes at `from`. Throws EIO. */
  read(into: Uint8Array, from: number): void {
    const { host } = this.open();
    let n: number;
    try {
      n = host.read(into, from);
    } catch (error) {
      throw errno(EIO, 'layer {} could not be read: {}', this.source, String(error));
    }
    if (n < into.length)
      throw errno(EIO, 'layer {} ends at {}, {} bytes early', this.source, from + n, into.length - n); // prettier-ignore
  }

  inode(ino: number): LayerInode {
    let inode = this.inodes.get(ino);
    if (inode === undefined) {
      inode = new LayerInode(this, ino, this.index.node(ino));
      this.inodes.set(ino, inode);
    }
    return inode;
  }

  override statfs(): Statfs {
    return { ...super.statfs(), files: this.index.inodes };
  }

  override remount(_current: Current, flags: number): void {
    if (!(flags & MS_RDONLY)) throw errno(EROFS, 'layer {} is read-only', this.source);
    this.flags = flags;
  }
}

/** `mount -t layerfs DIGEST DIR`: a layer that the host offers. */
export class LayerfsType extends FileSystemType {
  readonly name = 'layerfs';

  static {
    serializable('LayerfsType', this);
  }

  mount(current: Current, flags: number, source: string): SuperBlock {
    if (current.kernel.host.layer?.(source) === undefined)
      throw errno(ENODEV, 'the host offers no layer {}', source);
    const sb = new LayerSuperBlock(current.kernel, this, source);
    sb.flags = flags | MS_RDONLY;
    sb.root = new Dentry('/', null, sb.inode(1), sb);
    return sb;
  }
}
