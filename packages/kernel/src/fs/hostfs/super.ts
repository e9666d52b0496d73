import { EIO, ENODEV, ENOENT, ENOTEMPTY } from '@vitrine/uapi/errno.ts';
import { S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { HostDirectory, HostStat } from '../../include/host.ts';
import type { Kernel } from '../../include/kernel.ts';
import { KMEM_INODE } from '../../include/kmem.ts';
import type { Loff } from '../../include/loff.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry, d_forget } from '../dcache.ts';
import { S_ISDIR } from '../inode.ts';
import { FileSystemType, type Statfs, SuperBlock } from '../super.ts';
import { asking } from './host_error.ts';
import { HostInode } from './inode.ts';
import type { LocalInode } from './local.ts';

const HOSTFS_SUPER_MAGIC = 0x00c0ffee;
/** Inodes that nobody uses are forgotten above this number. */
const KEPT_INODES = 16384;

const keyOf = ({ dev, ino }: HostStat): string => `${dev}:${ino}`;

export class HostSuperBlock extends SuperBlock {
  /** The name under which the host granted the folder. */
  readonly source: string;
  /** Exact numbers are what the host takes. */
  override maxbytes: Loff = Number.MAX_SAFE_INTEGER;
  override readonly revalidates: boolean = true;
  /** By what the host tells files apart by, so that every name of a file leads to one inode. Oldest first. */
  readonly inodes: Map<string, HostInode> = new Map();
  /** FIFOs and sockets that programs made, by path: the machine's own, as on NFS. The host never sees them. */
  readonly local: Map<string, LocalInode> = new Map();
  /** Files that are mapped into memory. */
  readonly mapped: Set<HostInode> = new Set();
  /** The host's devices below the folder, in the order in which they were met. */
  private readonly devices: bigint[] = [];

  constructor(kernel: Kernel, type: FileSystemType, source: string) {
    super(kernel, type, HOSTFS_SUPER_MAGIC);
    this.source = source;
  }

  static {
    serializable('HostSuperBlock', this);
  }

  get directory(): HostDirectory {
    const found = this.kernel.host.directory?.(this.source);
    if (found === undefined)
      throw errno(EIO, 'the host no longer grants the folder {}', this.source);
    return found;
  }

  /** What the host says of a path; null when it has no such file. */
  lstat(path: string): HostStat | null {
    try {
      return asking(path, () => this.directory.lstat(path));
    } catch (error) {
      if (error instanceof Errno && error.code === ENOENT) return null;
      throw error;
    }
  }

  /** st_ino: the host's own number, made different where the folder spans several file systems. */
  inoOf({ dev, ino }: HostStat): number {
    let device = this.devices.indexOf(dev);
    if (device < 0) device = this.devices.push(dev) - 1;
    return Number(BigInt.asUintN(47, ino)) + (device % 32) * 2 ** 47;
  }

  /** The inode of a path, brought up to date; null when there is no such file. */
  inode(path: string): HostInode | null {
    const stat = this.lstat(path);
    if (stat === null) return null;
    const key = keyOf(stat);
    let inode = this.inodes.get(key);
    // The number of a file that is gone may be another's now.
    if (inode === undefined || (inode.mode ^ stat.mode) & S_IFMT) {
      if (inode !== undefined) this.forget(inode);
      if (this.inodes.size >= KEPT_INODES) this.prune();
      this.kernel.kmem.need(KMEM_INODE, 'more files of the host');
      inode = new HostInode(this, key, this.inoOf(stat), path, stat.mode);
      this.kernel.kmem.charge(KMEM_INODE);
      this.inodes.set(key, inode);
    }
    inode.path = path;
    inode.refresh(stat);
    return inode;
  }

  forget(inode: HostInode): void {
    if (this.inodes.get(inode.key) !== inode) return;
    this.inodes.delete(inode.key);
    this.kernel.kmem.charge(-KMEM_INODE);
  }

  /** Forgets the older half of what nobody uses. Dentries of directories are cached and go with them. */
  private prune(): void {
    let left = this.inodes.size / 2;
    for (const inode of this.inodes.values()) {
      if (--left < 0) return;
      if (inode.busy) continue;
      if (S_ISDIR(inode.mode)) {
        const dentry = this.cached(inode.path);
        if (dentry !== null) {
          if (dentry.isRoot || dentry.first !== null || dentry.mounted > 0) continue;
          d_forget(dentry);
        }
      }
      this.forget(inode);
    }
  }

  private cached(path: string): Dentry | null {
    let dentry: Dentry | undefined = this.root;
    for (const name of path === '' ? [] : path.split('/')) dentry = dentry?.children?.get(name);
    return dentry ?? null;
  }

  /** Throws ENOTEMPTY for a directory with FIFOs or sockets of ours, which the host would remove. */
  want_empty(path: string): void {
    for (const known of this.local.keys())
      if (known.startsWith(`${path}/`))
        throw errno(
          ENOTEMPTY,
          'the folder {} holds {}, which only this machine knows',
          path,
          known,
        );
  }

  /** A directory has another name: so has what is in it. */
  moved(from: string, to: string): void {
    const below = `${from}/`;
    for (const inode of this.inodes.values())
      if (inode.path === from || inode.path.startsWith(below))
        inode.path = to + inode.path.slice(from.length);
    for (const [path, node] of [...this.local]) {
      if (!path.startsWith(below)) continue;
      this.local.delete(path);
      this.local.set(to + path.slice(from.length), node);
    }
  }

  override statfs(): Statfs {
    const room = asking(this.source, () => this.directory.statfs());
    return { ...room, type: this.magic, namelen: 255 };
  }

  /** After a restore the host knows none of the handles: what is open is opened again, by the name that it had. */
  reopen(): void {
    for (const inode of this.inodes.values())
      inode.files = inode.files.filter((file) => file.reopen());
  }

  /** What was written through mappings goes to the host. */
  override sync(): void {
    this.each((inode) => inode.writeBack());
  }

  /** What the host changed in files that are mapped is read again. */
  look(): void {
    this.each((inode) => inode.update());
  }

  private each(work: (inode: HostInode) => void): void {
    for (const inode of this.mapped) {
      try {
        work(inode);
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        // The next read, write or fsync says it.
      }
      if (inode.mapping!.mappings.size === 0) this.mapped.delete(inode);
    }
  }

  override kill(): void {
    for (const inode of this.inodes.values()) inode.forgetPages();
    this.kernel.kmem.charge(-KMEM_INODE * (this.inodes.size + this.local.size));
    this.inodes.clear();
    this.local.clear();
  }
}

/** `mount -t hostfs NAME DIR`: NAME is what the host granted the folder as. */
export class HostfsType extends FileSystemType {
  readonly name = 'hostfs';

  static {
    serializable('HostfsType', this);
  }

  mount(current: Current, flags: number, source: string): SuperBlock {
    const sb = new HostSuperBlock(current.kernel, this, source);
    if (current.kernel.host.directory?.(source) === undefined)
      throw errno(ENODEV, 'the host grants no folder under the name {}', source);
    const root = sb.inode('');
    if (root === null) throw errno(ENOENT, 'the folder {} that the host granted is gone', source);
    sb.flags = flags;
    sb.root = new Dentry('/', null, root, sb);
    return sb;
  }
}
