import { EINVAL } from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import type { UserMemory } from '../include/uaccess.ts';
import { fget } from '../fs/fdtable.ts';
import { fsnotify_access_perm } from '../fs/fsnotify.ts';
import { S_ISDIR } from '../fs/inode.ts';
import { type DirContext, iterate_dir } from '../fs/readdir.ts';
import { access_ok } from '../fs/iov.ts';
import { fd, outArray, uint } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** Writes directory records into user memory until they do not fit. */
class GetdentsContext implements DirContext {
  pos = 0;
  used = 0;
  tooSmall = false;
  fault: Errno | null = null;
  private readonly mem: UserMemory;
  private readonly base: number;
  private readonly size: number;
  /** linux_dirent64 has the type after the length; the old linux_dirent in the record's last byte. */
  private readonly old: boolean;
  private readonly record: Uint8Array = new Uint8Array(280);
  private readonly view: DataView;

  constructor(mem: UserMemory, base: number, size: number, old: boolean) {
    this.mem = mem;
    this.base = base;
    this.size = size;
    this.old = old;
    this.view = new DataView(this.record.buffer);
  }

  emit(name: string, ino: number, type: number, next: number): boolean {
    const { record, view } = this;
    const head = this.old ? 18 : 19;
    const length = (head + name.length + 1 + (this.old ? 1 : 0) + 7) & ~7;
    if (this.used + length > this.size) {
      this.tooSmall = this.used === 0;
      return false;
    }
    record.fill(0, 0, length);
    view.setUint32(0, ino >>> 0, true);
    view.setUint32(4, Math.floor(ino / 2 ** 32), true);
    view.setUint32(8, next >>> 0, true);
    view.setUint32(12, Math.floor(next / 2 ** 32), true);
    view.setUint16(16, length, true);
    record[this.old ? length - 1 : 18] = type;
    for (let i = 0; i < name.length; i++) record[head + i] = name.charCodeAt(i);
    try {
      this.mem.write(this.base + this.used, record.subarray(0, length));
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      this.fault = error;
      return false;
    }
    this.used += length;
    return true;
  }
}

function getdents(current: Current, fd: number, buf: number, count: number, old: boolean): number {
  const file = fget(current, fd);
  access_ok(buf, count);
  const asked = S_ISDIR(file.inode.mode) ? fsnotify_access_perm(current, file) : null;
  if (asked !== null) return current.waitKillable(asked);
  const ctx = new GetdentsContext(current.mem, buf, count, old);
  iterate_dir(current, file, ctx);
  if (ctx.used > 0) return ctx.used;
  if (ctx.fault !== null) throw ctx.fault;
  if (ctx.tooSmall)
    throw errno(
      EINVAL,
      'getdents: {} bytes are too few for the next entry of {}',
      count,
      file.path,
    );
  return 0;
}

export function sys_getdents64(current: Current, fd: number, buf: number, count: number): number {
  return getdents(current, fd, buf, count, false);
}

export function sys_getdents(current: Current, fd: number, buf: number, count: number): number {
  return getdents(current, fd, buf, count, true);
}

export const READDIR: readonly SyscallRow[] = [
  row(NR.__NR_getdents, 'getdents', [fd, outArray('dirent', -1), uint], FULL, sys_getdents),
  row(NR.__NR_getdents64, 'getdents64', [fd, outArray('dirent64', -1), uint], FULL, sys_getdents64),
];
