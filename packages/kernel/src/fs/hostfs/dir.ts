import { Errno } from '../../include/errno.ts';
import type { Current } from '../../include/current.ts';
import { serializable } from '../../include/serial.ts';
import { File } from '../file.ts';
import { type DirContext, dir_emit_dots } from '../readdir.ts';
import { asking } from './host_error.ts';
import type { HostInode } from './inode.ts';

export class HostDirFile extends File {
  /** Names as they were when reading began: a position stays what it was. */
  private names: readonly string[] | null = null;

  static {
    serializable('HostDirFile', this);
  }

  override iterate(_current: Current, ctx: DirContext): void {
    const inode = this.inode as HostInode;
    if (inode.nlink === 0) return;
    if (ctx.pos === 0) this.names = null;
    if (!dir_emit_dots(this, ctx)) return;
    this.names ??= this.list();
    for (; ctx.pos - 2 < this.names.length; ctx.pos++) {
      const name = this.names[ctx.pos - 2]!;
      const [ino, type] = this.describe(inode.child(name));
      if (ino === 0) continue;
      if (!ctx.emit(name, ino, type, ctx.pos + 1)) return;
    }
  }

  private list(): readonly string[] {
    const { path, sb } = this.inode as HostInode;
    const names = asking(path, () => sb.directory.readdir(path));
    const below = path === '' ? '' : `${path}/`;
    const local: string[] = [];
    for (const known of sb.local.keys())
      if (known.startsWith(below) && !known.includes('/', below.length)) local.push(known.slice(below.length)); // prettier-ignore
    return local.length === 0 ? names : [...names, ...local];
  }

  /** Number and type of an entry; 0 when it is gone. */
  private describe(path: string): [ino: number, type: number] {
    const { sb } = this.inode as HostInode;
    const local = sb.local.get(path);
    if (local !== undefined) return [local.ino, (local.mode >> 12) & 15];
    try {
      const stat = sb.lstat(path);
      return stat === null ? [0, 0] : [sb.inoOf(stat), (stat.mode >> 12) & 15];
    } catch (error) {
      // A folder that can be read and not searched.
      if (error instanceof Errno) return [1, 0];
      throw error;
    }
  }

  override fsync(): number {
    return 0;
  }
}
