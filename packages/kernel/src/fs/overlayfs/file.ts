import { O_APPEND, O_NOATIME } from '@vitrine/uapi/fcntl.ts';
import type { Current } from '../../include/current.ts';
import type { Loff } from '../../include/loff.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { type AddressSpace, i_size_read } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import type { Path } from '../dcache.ts';
import { fput } from '../fdtable.ts';
import { file_remove_privs } from '../attr.ts';
import { File } from '../file.ts';
import { fsnotify_change } from '../fsnotify.ts';
import type { OvlInode } from './inode.ts';
import { ovl_open_real } from './util.ts';

/** An open regular file of the overlay: it works on an open file of the layer that the file is in. */
export class OvlFile extends File {
  declare readonly inode: OvlInode;
  /** The layer's file as it was when this one was opened. */
  private readonly realfile: File;
  /** What was copied up since. */
  private copy: File | null = null;

  constructor(current: Current, path: Path, flags: number, realfile: File) {
    super(current, path, flags);
    this.realfile = realfile;
  }

  static {
    serializable('OvlFile', this);
  }

  override get can_odirect(): boolean {
    return true;
  }

  static open(current: Current, path: Path, flags: number): OvlFile {
    const inode = path.dentry.inode as OvlInode;
    return new OvlFile(
      current,
      path,
      flags,
      ovl_open_real(current, inode.sb, inode.contentPath, flags),
    );
  }

  /** The layer's file. Has it been copied up since it was opened, then the copy (ovl_real_file). */
  private real(current: Current): File {
    const { inode } = this;
    const content = inode.content.inode;
    if (this.realfile.inode === content) return this.realfile;
    if (this.copy?.inode !== content) {
      const copy = ovl_open_real(current, inode.sb, inode.contentPath, this.flags);
      if (this.copy !== null) fput(current, this.copy);
      this.copy = copy;
    }
    return this.copy!;
  }

  /** Layers' files are open with O_NOATIME, and what copies does not tell of the access itself (ovl_copyfile). */
  override copied<T>(read: () => T): T {
    const files = this.copy === null ? [this.realfile] : [this.realfile, this.copy];
    const flags = files.map((file) => file.flags);
    for (const file of files) file.flags |= O_NOATIME;
    try {
      return read();
    } finally {
      for (const [i, file] of files.entries()) file.flags = flags[i]!;
    }
  }

  /** Between overlays it depends on the layers. */
  override copies_to(to: File): boolean {
    return to instanceof OvlFile && this.realfile.copies_to(to.realfile);
  }

  override read_iter(current: Current, to: IovIter, pos: Loff): number {
    const real = this.real(current);
    const n = real.read_iter(current, to, pos);
    this.inode.atime = real.inode.atime;
    return n;
  }

  override write_iter(current: Current, from: IovIter, pos: Loff): number {
    // The layer's file is open with O_APPEND, too, whatever a single write says (RWF_NOAPPEND).
    const at = this.flags & O_APPEND ? i_size_read(this.inode) : pos;
    const n = this.real(current).write_iter(current, from, at);
    this.written();
    return n;
  }

  /** The layer's file was written to, which may have taken set-id bits away. */
  private written(): void {
    const { inode } = this;
    const { mode } = inode;
    inode.copyattr();
    if (inode.mode !== mode) fsnotify_change(this.path.dentry, { mode: inode.mode });
  }

  override get transferChunk(): number {
    return 1 << 18;
  }

  override llseek(current: Current, offset: Loff, whence: number): Loff {
    const real = this.real(current);
    real.pos = this.pos;
    return (this.pos = real.llseek(current, offset, whence));
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    return this.real(current).ioctl(current, cmd, arg);
  }

  override fsync(current: Current, datasync: boolean): number {
    return this.inode.upper === null || this.inode.data !== null
      ? 0
      : this.real(current).fsync(current, datasync);
  }

  override fallocate(current: Current, mode: number, offset: Loff, length: Loff): number {
    const real = this.real(current);
    // Set-id bits go whatever the layer says.
    file_remove_privs(current, real);
    this.written();
    const result = real.fallocate(current, mode, offset, length);
    this.inode.copyattr();
    return result;
  }

  /** A mapping is of the file that was opened, also when it was copied up since (overlayfs.rst, non-standard behavior). */
  override mmap_mapping(current: Current, offset: number, wish: number): AddressSpace | null {
    const mapping = this.realfile.mmap_mapping(current, offset, wish);
    this.inode.atime = this.realfile.inode.atime;
    return mapping;
  }

  /** Memory that maps the file was written to: the times are the layer's. */
  override update_time(): void {
    this.realfile.update_time();
    this.inode.copyattr();
  }

  override get mapping(): AddressSpace | null {
    return this.inode.mapping;
  }

  override release(kernel: Kernel): void {
    this.realfile.put(kernel);
    this.copy?.put(kernel);
  }
}
