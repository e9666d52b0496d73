import type { Loff } from '../../include/loff.ts';
import type { Current } from '../../include/current.ts';
import type { IovIter } from '../../include/iov.ts';
import type { AddressSpace } from '../../include/pagecache.ts';
import { serializable } from '../../include/serial.ts';
import { filemap_read, filemap_write } from '../../mm/filemap.ts';
import { file_remove_privs } from '../attr.ts';
import { File, file_accessed } from '../file.ts';
import { file_update_time } from '../inode.ts';
import { generic_write_checks } from '../read_write.ts';

/** A regular file whose bytes are in the page cache. */
export class RegularFile extends File {
  static {
    serializable('RegularFile', this);
  }

  override get can_odirect(): boolean {
    return true;
  }

  override read_iter(current: Current, to: IovIter, pos: Loff): number {
    const n = filemap_read(current.kernel, this.inode.mapping!, pos, to);
    file_accessed(this);
    return n;
  }

  override write_iter(current: Current, from: IovIter, pos: Loff): number {
    if (!generic_write_checks(current, this, from, pos)) return 0;
    file_remove_privs(current, this);
    const n = filemap_write(current.kernel, this.inode.mapping!, pos, from);
    file_update_time(this.inode);
    return n;
  }

  override get transferChunk(): number {
    return 1 << 18;
  }

  override mmap_mapping(_current: Current): AddressSpace | null {
    file_accessed(this);
    return this.inode.mapping;
  }

  override fsync(): number {
    return 0;
  }
}
