import { ESTALE } from '@vitrine/uapi/errno.ts';
import { O_ACCMODE, O_APPEND, SEEK_CUR, SEEK_SET } from '@vitrine/uapi/fcntl.ts';
import type { Current } from '../../include/current.ts';
import { Errno } from '../../include/errno.ts';
import type { HostDirectory } from '../../include/host.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Loff } from '../../include/loff.ts';
import type { AddressSpace } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import { filemap_update } from '../../mm/filemap.ts';
import type { Path } from '../dcache.ts';
import { File } from '../file.ts';
import { generic_write_checks } from '../read_write.ts';
import { asking } from './host_error.ts';
import type { HostInode } from './inode.ts';

const CHUNK = 1 << 20;

/** The host's handle for a file that is being opened: by its name, or, where that is gone, by another handle. */
function openHandle(inode: HostInode, flags: number): number {
  const { directory } = inode.sb;
  const access = (flags & O_ACCMODE) === O_ACCMODE ? 0 : flags & O_ACCMODE;
  const [other] = inode.files;
  const byName = (): number => asking(inode.path, () => directory.open(inode.path, access));
  if (other === undefined) return byName();
  try {
    return asking(inode.path, () => directory.reopen(other.handle, access));
  } catch (error) {
    // Not every host can do that.
    if (!(error instanceof Errno) || error.code !== ESTALE || inode.nlink === 0) throw error;
    return byName();
  }
}

export class HostFile extends File {
  handle: number;

  constructor(current: Current, path: Path, flags: number) {
    const inode = path.dentry.inode as HostInode;
    const handle = openHandle(inode, flags);
    try {
      super(current, path, flags);
    } catch (error) {
      inode.sb.directory.close(handle);
      throw error;
    }
    this.handle = handle;
    inode.files.push(this);
  }

  static {
    serializable('HostFile', this);
  }

  /** Takes a handle of a host that has not seen this file before. @returns false when it is not there any more */
  reopen(): boolean {
    const { host, directory } = this;
    try {
      const handle = directory.open(host.path, this.flags & O_ACCMODE);
      this.handle = handle;
      if (host.is(directory.fstat(handle))) return true;
      directory.close(handle);
    } catch {
      // It stays stale.
    }
    this.handle = -1;
    return false;
  }

  override get can_odirect(): boolean {
    return true;
  }

  override get transferChunk(): number {
    return CHUNK;
  }

  private get host(): HostInode {
    return this.inode as HostInode;
  }

  private get directory(): HostDirectory {
    return this.host.sb.directory;
  }

  override llseek(current: Current, offset: Loff, whence: number): Loff {
    // Its size may have become another meanwhile.
    if (whence !== SEEK_SET && whence !== SEEK_CUR) this.host.update();
    return super.llseek(current, offset, whence);
  }

  override append_pos(): Loff {
    this.host.update();
    return super.append_pos();
  }

  override read_iter(_current: Current, to: IovIter, pos: Loff): number {
    if (typeof pos === 'bigint') return 0;
    this.host.writeBack();
    const chunk = new Uint8Array(Math.min(to.count, CHUNK));
    let done = 0;
    while (to.count > 0) {
      const part = chunk.subarray(0, Math.min(to.count, chunk.length));
      const n = asking(this.path, () => this.directory.read(this.handle, part, pos + done));
      const copied = to.copyTo(chunk, 0, n);
      done += copied;
      if (n < part.length || copied < n) break;
    }
    return done;
  }

  override write_iter(current: Current, from: IovIter, place: Loff): number {
    const inode = this.host;
    if (!generic_write_checks(current, this, from, place)) return 0;
    inode.writeBack();
    const pos = Number(place);
    // The host may append, too: nobody's bytes are written over.
    const append = (this.flags & O_APPEND) !== 0;
    const chunk = new Uint8Array(Math.min(from.count, CHUNK));
    let done = 0;
    while (from.count > 0) {
      const want = Math.min(from.count, chunk.length);
      const taken = from.copyFrom(chunk, 0, want);
      const n = asking(this.path, () =>
        this.directory.write(this.handle, chunk.subarray(0, taken), append ? null : pos + done),
      );
      if (!append)
        filemap_update(inode.sb.kernel, inode.mapping!, pos + done, chunk.subarray(0, n));
      done += n;
      if (n < want) break;
    }
    if (append) inode.update();
    else inode.settle();
    return done;
  }

  override mmap_mapping(): AddressSpace | null {
    this.host.update();
    this.host.sb.mapped.add(this.host);
    return this.inode.mapping;
  }

  override fsync(): number {
    this.host.writeBack();
    asking(this.path, () => this.directory.fsync(this.handle));
    return 0;
  }

  override release(): void {
    const { files } = this.host;
    try {
      if (this.writable) this.host.writeBack();
    } catch (error) {
      // Nobody is left to hear of it.
      if (!(error instanceof Errno)) throw error;
    }
    const at = files.indexOf(this);
    if (at >= 0) files.splice(at, 1);
    this.directory.close(this.handle);
  }
}
