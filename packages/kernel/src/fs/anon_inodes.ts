import {
  ANON_INODE_FS_MAGIC,
  NSFS_MAGIC,
  PIPEFS_MAGIC,
  SOCKFS_MAGIC,
} from '@vitrine/uapi/magic.ts';
import type { Current } from '../include/current.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { Dentry, Path } from './dcache.ts';
import { Inode, ihold } from './inode.ts';
import { kern_mount } from './mount.ts';
import { FileSystemType, PseudoSuperBlock } from './super.ts';

/** "PIDF"; newer than the headers that packages/uapi is made from. */
const PID_FS_MAGIC = 0x50494446;

/** A file system that only the kernel mounts: its files have no paths (analogous to init_pseudo). */
export class PseudoFsType extends FileSystemType {
  readonly name: string;
  override readonly nouser = true;
  constructor(name: string) {
    super();
    this.name = name;
  }
  static {
    serializable('PseudoFsType', this);
  }
  mount(current: Current): PseudoSuperBlock {
    return current.kernel.vfs.pseudo.get(this.name)!.sb as PseudoSuperBlock;
  }
}

/** @param listed in /proc/filesystems, too */
function pseudo_mount(kernel: Kernel, name: string, magic: number, listed = false): void {
  const sb = new PseudoSuperBlock(kernel, new PseudoFsType(name), magic);
  sb.root = new Dentry(`${name}:`, null, new Inode(sb, kernel.vfs.nextIno++, 0o40755), sb);
  kernel.vfs.pseudo.set(name, kern_mount(sb.root, name));
  if (listed) kernel.vfs.register_filesystem(sb.type);
}

export function pseudo_init(kernel: Kernel): void {
  pseudo_mount(kernel, 'sockfs', SOCKFS_MAGIC, true);
  pseudo_mount(kernel, 'pipefs', PIPEFS_MAGIC, true);
  pseudo_mount(kernel, 'anon_inodefs', ANON_INODE_FS_MAGIC);
  pseudo_mount(kernel, 'nsfs', NSFS_MAGIC);
  pseudo_mount(kernel, 'pidfs', PID_FS_MAGIC);
}

/** A new inode of a pseudo file system and its nameless place; `label` gets the inode number: `pipe:[42]`. */
export function alloc_pseudo(
  current: Current,
  fs: string,
  label: string,
  mode: number,
  Kind: typeof Inode = Inode,
): Path {
  const { vfs } = current.kernel;
  const mnt = vfs.pseudo.get(fs)!;
  const inode = new Kind(mnt.sb, vfs.nextIno++, mode);
  inode.uid = current.cred.fsuid;
  inode.gid = current.cred.fsgid;
  inode.nlink = 1;
  return new Path(mnt, new Dentry(`${label}:[${inode.ino}]`, null, inode, mnt.sb));
}

/**
 * The place of an eventfd, epoll, timer, signal or pid descriptor: they all share one inode, and differ in the name
 * (`anon_inode:[eventfd]`). The caller makes its File subclass on it.
 */
export function anon_inode_path(kernel: Kernel, name: string): Path {
  const { vfs } = kernel;
  const mnt = vfs.pseudo.get('anon_inodefs')!;
  const root = mnt.sb.root;
  let dentry = root.children?.get(name);
  if (dentry === undefined) {
    let shared = root.first?.inode as Inode | undefined;
    if (shared === undefined) {
      shared = new Inode(mnt.sb, vfs.nextIno++, 0o600);
      ihold(shared);
    }
    dentry = new Dentry(`anon_inode:${name}`, null, shared, mnt.sb);
    (root.children ??= new Map()).set(name, dentry);
    root.first ??= dentry;
  }
  return new Path(mnt, dentry);
}
