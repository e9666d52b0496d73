import { ENOENT, ENOTDIR } from '@vitrine/uapi/errno.ts';
import type { Loff } from '../include/loff.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import type { Dentry } from './dcache.ts';
import { File, file_accessed, seq_lseek } from './file.ts';
import { S_ISDIR } from './inode.ts';
import { fsnotify_access } from './fsnotify.ts';

/** Where directory entries go: a getdents buffer, or a list for the kernel's own use. */
export interface DirContext {
  /** Position to go on from; iterate moves it past each entry that was taken. */
  pos: number;
  /**
   * @param next position after this entry (d_off)
   * @param type DT_… constant: bits 12–15 of the mode
   * @returns false when it was not taken: there is no room
   */
  emit(name: string, ino: number, type: number, next: number): boolean;
}

/** Reads entries of an open directory (iterate_dir). */
export function iterate_dir(current: Current, file: File, ctx: DirContext): void {
  if (!S_ISDIR(file.inode.mode)) throw errno(ENOTDIR, '{} is not a directory', file.path);
  if (file.path.dentry.unhashed || file.inode.nlink === 0) {
    throw errno(ENOENT, 'directory {} was removed', file.path);
  }
  ctx.pos = Number(file.pos);
  file.iterate(current, ctx);
  file.pos = ctx.pos;
  fsnotify_access(file);
  file_accessed(file);
}

/**
 * Emits `.` and `..` at positions 0 and 1.
 * @param first position of what comes after them
 * @returns false when there is no room
 */
export function dir_emit_dots(file: File, ctx: DirContext, first = 2): boolean {
  if (ctx.pos === 0) {
    if (!ctx.emit('.', file.inode.ino, 4, 1)) return false;
    ctx.pos = 1;
  }
  if (ctx.pos === 1) {
    if (!ctx.emit('..', file.path.dentry.parent.inode.ino, 4, first)) return false;
    ctx.pos = first;
  }
  return true;
}

/** Past the end of every directory that lives in the dentry cache (DIR_OFFSET_EOD). */
const END = 0x7fff_ffff;

/**
 * An open directory whose entries are its dentries, newest first (simple_offset_dir_operations). The position is the
 * offset of the dentry to be emitted next: where that is gone, reading goes on with those that are older.
 */
export class DcacheDirFile extends File {
  /** The dentry at the position: a shortcut, valid while it is still in the directory. */
  private cursor: Dentry | null = null;

  static {
    serializable('DcacheDirFile', this);
  }

  override iterate(_current: Current, ctx: DirContext): void {
    const dir = this.path.dentry;
    if (!dir_emit_dots(this, ctx, dir.first?.offset ?? END)) return;
    if (ctx.pos === END) return;
    let next = ctx.pos === 2 ? dir.first : this.cursor;
    if (ctx.pos !== 2 && (next?.offset !== ctx.pos || next.parent !== dir || next.unhashed)) {
      next = this.lookup(dir, ctx.pos) ?? dir.first;
    }
    for (; next !== null; next = next.next) {
      ctx.pos = next.offset;
      this.cursor = next;
      const after = next.next?.offset ?? END;
      if (!ctx.emit(next.name, next.inode.ino, (next.inode.mode >> 12) & 15, after)) return;
    }
    ctx.pos = END;
  }

  /** The entry at an offset, or below it the nearest (offset_dir_lookup): renamed ones are out of order. */
  private lookup(dir: Dentry, offset: number): Dentry | null {
    let found: Dentry | null = null;
    for (let at = dir.first; at !== null && found?.offset !== offset; at = at.next)
      if (at.offset <= offset && (found === null || at.offset > found.offset)) found = at;
    return found;
  }

  /** A position is no number of bytes: there is no end to seek from (offset_dir_llseek). */
  override llseek(_current: Current, offset: Loff, whence: number): Loff {
    return seq_lseek(this, offset, whence);
  }

  override fsync(): number {
    return 0;
  }
}

export interface Dirent {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
}

/** Takes every entry: for code inside the kernel and the SDK. */
class ListContext implements DirContext {
  pos = 0;
  readonly entries: Dirent[] = [];
  emit(name: string, ino: number, type: number): boolean {
    this.entries.push({ name, ino, type });
    return true;
  }
}

/** All entries of an open directory, `.` and `..` included. */
export function vfs_readdir(current: Current, file: File): Dirent[] {
  const ctx = new ListContext();
  file.pos = 0;
  iterate_dir(current, file, ctx);
  return ctx.entries;
}
