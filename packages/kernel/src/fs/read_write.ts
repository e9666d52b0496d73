import { EFBIG, EINVAL, EISDIR, ESPIPE } from '@vitrine/uapi/errno.ts';
import { O_APPEND } from '@vitrine/uapi/fcntl.ts';
import { RLIMIT_FSIZE } from '@vitrine/uapi/resource.ts';
import { SIGXFSZ } from '@vitrine/uapi/signal.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { IovIter } from '../include/iov.ts';
import { FMODE_READ, FMODE_WRITE, type File, wantMode } from './file.ts';
import { S_ISDIR } from './inode.ts';
import { fsnotify_access, fsnotify_access_perm, fsnotify_modify } from './fsnotify.ts';

/** Most bytes one call moves: INT_MAX rounded down to a page. */
export const MAX_RW_COUNT = 0x7fff_f000;

/** Reads at `pos`, or at the file's position when it is null. @returns bytes, or BLOCKED */
export function vfs_read(current: Current, file: File, to: IovIter, pos: number | null): number {
  wantMode(file, FMODE_READ);
  to.truncate(MAX_RW_COUNT);
  if (S_ISDIR(file.inode.mode))
    throw errno(EISDIR, '{} is a directory: it is read by getdents', file.path);
  const at = place(file, pos);
  const asked = fsnotify_access_perm(current, file);
  if (asked !== null) return current.waitKillable(asked);
  const n = file.read_iter(current, to, at);
  if (n >= 0) {
    current.ioac.rchar += n;
    current.ioac.syscr++;
  }
  if (n > 0) {
    if (pos === null && file.seekable) file.pos = at + n;
    fsnotify_access(file);
  }
  return n;
}

/** Writes at `pos`, or at the file's position (the file's end, when it appends). @returns bytes, or BLOCKED */
export function vfs_write(
  current: Current,
  file: File,
  from: IovIter,
  pos: number | null,
  append: boolean = (file.flags & O_APPEND) !== 0,
): number {
  wantMode(file, FMODE_WRITE);
  from.truncate(MAX_RW_COUNT);
  let at = place(file, pos);
  if (file.seekable && append) at = file.inode.size;
  const n = file.write_iter(current, from, at);
  if (n >= 0) {
    current.ioac.wchar += n;
    current.ioac.syscw++;
  }
  if (n > 0) {
    if (pos === null && file.seekable) file.pos = at + n;
    fsnotify_modify(file);
  }
  return n;
}

function place(file: File, pos: number | null): number {
  if (pos === null) return file.pos;
  if (pos < 0) throw errno(EINVAL, 'file position {} is negative', pos);
  if (!file.seekable) throw errno(ESPIPE, '{} has no position', file.path);
  return pos;
}

/** Reads for the kernel itself (execve, the SDK); ignores no limit but the caller's memory. */
export function kernel_read(current: Current, file: File, pos: number, into: Uint8Array): number {
  const n = file.read_iter(current, IovIter.kernel(into), pos);
  if (n > 0) fsnotify_access(file);
  return n;
}

export function kernel_write(current: Current, file: File, pos: number, from: Uint8Array): number {
  const n = file.write_iter(current, IovIter.kernel(from), pos);
  if (n > 0) fsnotify_modify(file);
  return n;
}

/**
 * The limits of a write to a regular file (generic_write_checks): RLIMIT_FSIZE with SIGXFSZ, the file system's largest
 * file. Shortens the write. @returns false when nothing is to be written
 */
export function generic_write_checks(
  current: Current,
  file: File,
  from: IovIter,
  pos: number,
): boolean {
  if (from.count === 0) return false;
  const limit = current.rlimit(RLIMIT_FSIZE);
  if (limit !== Infinity) {
    if (pos >= limit) {
      current.force_or_send_sig(SIGXFSZ, `write at ${pos} is at or above RLIMIT_FSIZE (${limit})`);
      throw errno(
        EFBIG,
        'write at {} is at or above RLIMIT_FSIZE ({}) of process {}',
        pos,
        limit,
        current.tgid,
      );
    }
    from.truncate(limit - pos);
  }
  const max = file.inode.sb.maxbytes;
  if (pos >= max)
    throw errno(
      EFBIG,
      'write at {} is at or above the largest file of {} ({})',
      pos,
      file.inode.sb,
      max,
    );
  from.truncate(max - pos);
  return true;
}
