import { TMPFS_MAGIC } from '@vitrine/uapi/magic.ts';
import type { Current } from '../../include/current.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { type Dentry, d_add, d_drop } from '../dcache.ts';
import { FileSystemType, type SuperBlock } from '../super.ts';
import { TmpfsInode } from '../tmpfs/inode.ts';
import { type TmpfsSuperBlock, tmpfs_super } from '../tmpfs/super.ts';

declare module '../vfs.ts' {
  interface Vfs {
    devtmpfs: TmpfsSuperBlock;
  }
}

/** One tree of device nodes, which drivers fill; every mount shows the same one (drivers/base/devtmpfs.c). */
export class DevtmpfsType extends FileSystemType {
  readonly name = 'devtmpfs';
  static {
    serializable('DevtmpfsType', this);
  }
  mount(current: Current): SuperBlock {
    return current.kernel.vfs.devtmpfs;
  }
}

export function devtmpfs_init(kernel: Kernel): void {
  const half = Math.floor(kernel.frames.total / 2);
  const options = { blocks: half, inodes: half, mode: 0o755, uid: 0, gid: 0 };
  const sb = tmpfs_super(kernel, kernel.vfs.fileSystems.get('devtmpfs')!, TMPFS_MAGIC, options);
  sb.active = 1; // never shut down
  kernel.vfs.devtmpfs = sb;
}

function enter(kernel: Kernel, dir: Dentry, name: string, mode: number, rdev: number): Dentry {
  const sb = kernel.vfs.devtmpfs;
  const inode = new TmpfsInode(sb, mode);
  inode.rdev = rdev;
  sb.usedInodes++;
  dir.inode.size += 20;
  if ((mode & 0o170000) === 0o40000) dir.inode.nlink++;
  return d_add(dir, name, inode);
}

function parentOf(kernel: Kernel, path: string): [Dentry, string] {
  let dir = kernel.vfs.devtmpfs.root;
  const parts = path.split('/');
  for (const part of parts.slice(0, -1)) {
    dir = dir.children?.get(part) ?? enter(kernel, dir, part, 0o40755, 0);
  }
  return [dir, parts[parts.length - 1]!];
}

/** A driver's node: `devtmpfs_create_node(kernel, 'null', S_IFCHR | 0o666, MKDEV(1, 3))`; `input/mice` makes directories. */
export function devtmpfs_create_node(
  kernel: Kernel,
  path: string,
  mode: number,
  rdev: number,
): Dentry {
  const [dir, name] = parentOf(kernel, path);
  const old = dir.children?.get(name);
  if (old !== undefined) d_drop(old);
  return enter(kernel, dir, name, mode, rdev);
}

export function devtmpfs_delete_node(kernel: Kernel, path: string): void {
  const [dir, name] = parentOf(kernel, path);
  const old = dir.children?.get(name);
  if (old === undefined) return;
  d_drop(old);
  dir.inode.size -= 20;
}

/** A symbolic link such as fd -> /proc/self/fd, which user space makes on a real machine. */
export function devtmpfs_symlink(kernel: Kernel, path: string, target: string): void {
  const [dir, name] = parentOf(kernel, path);
  const inode = enter(kernel, dir, name, 0o120777, 0).inode as TmpfsInode;
  inode.target = target;
  inode.size = target.length;
}
