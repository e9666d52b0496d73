import { ENOSPC, ENXIO } from '@vitrine/uapi/errno.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { AddressSpace } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import type { Path } from '../../fs/dcache.ts';
import { devtmpfs_create_node } from '../../fs/devtmpfs/devtmpfs.ts';
import { File } from '../../fs/file.ts';
import type { Inode } from '../../fs/inode.ts';
import { MINOR, MKDEV } from '../../fs/kdev_t.ts';
import type { CharDriver } from '../../fs/vfs.ts';
import { kmsg_open } from './kmsg.ts';
import { RandomFile } from './random.ts';

/** Character devices of major 1 (analogous to drivers/char/mem.c). */
export const MEM_MAJOR = 1;

class MemDevice extends File {
  override get moves(): boolean {
    return false;
  }

  /** null_lseek. */
  override llseek(): number {
    return (this.pos = 0);
  }
}

export class NullFile extends MemDevice {
  static {
    serializable('NullFile', this);
  }
  override get has_read_iter(): boolean {
    return true;
  }
  override get splice_read(): boolean {
    return false;
  }
  override get nowait(): boolean {
    return true;
  }
  override read_iter(_current: Current, _to: IovIter): number {
    return 0;
  }
  override write_iter(_current: Current, from: IovIter): number {
    const n = from.count;
    from.count = 0;
    return n;
  }
}

function zeros(to: IovIter): number {
  let done = 0;
  try {
    while (to.count > 0) {
      const n = to.zero(to.count);
      if (n === 0) break;
      done += n;
    }
  } catch (error) {
    if (!(error instanceof Errno) || done === 0) throw error;
  }
  return done;
}

export class ZeroFile extends NullFile {
  static {
    serializable('ZeroFile', this);
  }
  override get splice_read(): boolean {
    return true;
  }
  override read_iter(_current: Current, to: IovIter): number {
    return zeros(to);
  }
  override get transferChunk(): number {
    return 1 << 20;
  }
  override mmap_mapping(): AddressSpace | null {
    return null;
  }
}

export class FullFile extends MemDevice {
  static {
    serializable('FullFile', this);
  }
  override get splice_write(): boolean {
    return false;
  }
  override read_iter(_current: Current, to: IovIter): number {
    return zeros(to);
  }
  override write_iter(): number {
    throw errno(ENOSPC, '/dev/full is always full');
  }
}

/** Opens by minor number. */
export class MemDriver implements CharDriver {
  static {
    serializable('MemDriver', this);
  }
  open(current: Current, inode: Inode, path: Path, flags: number): File {
    const minor = MINOR(inode.rdev);
    switch (minor) {
      case 3:
        return new NullFile(current, path, flags);
      case 5:
        return new ZeroFile(current, path, flags);
      case 7:
        return new FullFile(current, path, flags);
      case 8:
      case 9:
        return new RandomFile(current, path, flags);
      case 11:
        return kmsg_open(current, path, flags);
      default:
        throw errno(ENXIO, 'memory device 1:{} ({}) does not exist', minor, path);
    }
  }
}

export function chr_dev_init(kernel: Kernel): void {
  devtmpfs_create_node(kernel, 'kmsg', 0o20644, MKDEV(MEM_MAJOR, 11));
  kernel.vfs.register_chrdev(MEM_MAJOR, null, 'mem', new MemDriver());
  for (const [minor, name] of [
    [3, 'null'],
    [5, 'zero'],
    [7, 'full'],
    [8, 'random'],
    [9, 'urandom'],
  ] as const) {
    devtmpfs_create_node(kernel, name, 0o20666, MKDEV(MEM_MAJOR, minor));
  }
}
