import { EINVAL } from '@vitrine/uapi/errno.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '@vitrine/uapi/fcntl.ts';
import { RAMFS_MAGIC } from '@vitrine/uapi/magic.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { Dentry, Path } from '../dcache.ts';
import type { File } from '../file.ts';
import { S_ISREG } from '../inode.ts';
import { RegularFile } from '../libfs/regular_file.ts';
import { FileSystemType, type SuperBlock } from '../super.ts';
import { BareInode } from './bare_inode.ts';
import type { TmpfsInode } from './inode.ts';
import { TmpfsSuperBlock } from './super.ts';

/** A file of ramfs: pages and nothing more (fs/ramfs). */
class RamfsInode extends BareInode {
  static {
    serializable('RamfsInode', this);
  }

  protected override get dirent_size(): number {
    return 0;
  }
  override get has_btime(): boolean {
    return false;
  }
  override get statx_attributes_mask(): number {
    return 0;
  }
  override open(current: Current, path: Path, flags: number): File {
    if (S_ISREG(this.mode)) return new RamfsFile(current, path, flags);
    return super.open(current, path, flags);
  }

  override rename(
    current: Current,
    old: Dentry,
    dir: Dentry,
    name: string,
    target: Dentry | null,
    flags: number,
  ): void {
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
      throw errno(EINVAL, 'ramfs leaves no whiteouts (flags 0x{})', flags.toString(16));
    super.rename(current, old, dir, name, target, flags);
  }
}

class RamfsFile extends RegularFile {
  static {
    serializable('RamfsFile', this);
  }
  override get can_odirect(): boolean {
    return false;
  }
}

class RamfsSuperBlock extends TmpfsSuperBlock {
  static {
    serializable('RamfsSuperBlock', this);
  }

  override alloc_inode(mode: number): TmpfsInode {
    return new RamfsInode(this, mode);
  }
  override get has_uuid(): boolean {
    return false;
  }
  override show_options(): string {
    const { mode } = this.options;
    return mode === 0o755 ? '' : `,mode=${mode.toString(8)}`;
  }
  override remount(_current: Current, flags: number, data: string): void {
    ramfs_mode(data);
    this.flags = flags;
  }
}

/** ramfs's one option; others are nothing to it. */
function ramfs_mode(data: string): number {
  let mode = 0o755;
  for (const [, value] of data.matchAll(/(?:^|,)mode(?:=([^,]*))?(?=,|$)/g)) {
    if (!/^[0-7]+$/.test(value ?? '')) throw errno(EINVAL, 'ramfs: mode={} is not octal', value);
    mode = Number.parseInt(value!, 8) & 0o7777;
  }
  return mode;
}

export class RamfsType extends FileSystemType {
  readonly name = 'ramfs';
  override readonly userns = true;
  static {
    serializable('RamfsType', this);
  }
  override check_option(_kernel: Kernel, option: string): void {
    ramfs_mode(option);
  }
  mount(current: Current, flags: number, _source: string, data: string): SuperBlock {
    const options = { blocks: 0, inodes: 0, mode: ramfs_mode(data), uid: 0, gid: 0 };
    const sb = new RamfsSuperBlock(current.kernel, this, RAMFS_MAGIC, options);
    sb.make_root();
    sb.flags = flags;
    return sb;
  }
}
