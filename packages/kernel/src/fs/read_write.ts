import { EFBIG, EINVAL, EISDIR, EOPNOTSUPP, EOVERFLOW, ESPIPE } from '@vitrine/uapi/errno.ts';
import {
  O_APPEND,
  O_NONBLOCK,
  RWF_APPEND,
  RWF_HIPRI,
  RWF_NOWAIT,
  RWF_SUPPORTED,
} from '@vitrine/uapi/fcntl.ts';
import { RLIMIT_FSIZE } from '@vitrine/uapi/resource.ts';
import { SIGXFSZ } from '@vitrine/uapi/signal.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { IovIter } from '../include/iov.ts';
import { LLONG_MAX, type Loff, loff_add, loff_sub } from '../include/loff.ts';
import { FMODE_READ, FMODE_WRITE, type File, wantMode } from './file.ts';
import { S_ISDIR } from './inode.ts';
import { fsnotify_access, fsnotify_access_perm, fsnotify_modify } from './fsnotify.ts';

/** Most bytes one call moves: INT_MAX rounded down to a page. */
export const MAX_RW_COUNT = 0x7fff_f000;

/** RWF_NOAPPEND: to the position in spite of O_APPEND. */
const RWF_NOAPPEND = 0x20;

/** Flags of a transfer that moves anything at all (kiocb_set_rw_flags). */
export function check_rw_flags(file: File, rwf: number): void {
  if (S_ISDIR(file.inode.mode) && rwf & ~RWF_HIPRI)
    throw errno(EOPNOTSUPP, 'preadv2: {} is a directory', file.path);
  if (rwf & ~(RWF_SUPPORTED | RWF_NOAPPEND))
    throw errno(EOPNOTSUPP, 'preadv2/pwritev2 flags {} are unknown', rwf);
  if (rwf & RWF_NOWAIT && !file.nowait) {
    throw errno(EOPNOTSUPP, 'RWF_NOWAIT: {} cannot say whether it would wait', file.path);
  }
  if (rwf & RWF_APPEND && rwf & RWF_NOAPPEND)
    throw errno(EINVAL, 'pwritev2: RWF_APPEND excludes RWF_NOAPPEND');
}

/** Whether such a write goes to the end: undefined where the file decides. */
export function rw_append(rwf: number): boolean | undefined {
  return rwf & RWF_APPEND ? true : rwf & RWF_NOAPPEND ? false : undefined;
}

/** Does a transfer with flags: with RWF_NOWAIT as on an O_NONBLOCK file. */
export function with_rw_flags(file: File, rwf: number, transfer: () => number): number {
  if ((rwf & RWF_NOWAIT) === 0 || (file.flags & O_NONBLOCK) !== 0) return transfer();
  file.flags |= O_NONBLOCK;
  try {
    return transfer();
  } finally {
    file.flags &= ~O_NONBLOCK;
  }
}

/** Reads at `pos`, or at the file's position when it is null. @returns bytes, or BLOCKED */
export function vfs_read(current: Current, file: File, to: IovIter, pos: Loff | null): number {
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
    if (pos === null && file.moves) file.pos = loff_add(at, n);
    fsnotify_access(file);
  }
  return n;
}

/** Writes at `pos`, or at the file's position (the file's end, when it appends). @returns bytes, or BLOCKED */
export function vfs_write(
  current: Current,
  file: File,
  from: IovIter,
  pos: Loff | null,
  append: boolean = (file.flags & O_APPEND) !== 0,
): number {
  wantMode(file, FMODE_WRITE);
  from.truncate(MAX_RW_COUNT);
  let at = place(file, pos);
  if (file.seekable && append) at = file.append_pos();
  const n = file.write_iter(current, from, at);
  if (n >= 0) {
    current.ioac.wchar += n;
    current.ioac.syscw++;
  }
  if (n > 0) {
    if (pos === null && file.write_moves) file.pos = loff_add(at, n);
    fsnotify_modify(file);
  }
  return n;
}

function place(file: File, pos: Loff | null): Loff {
  if (pos === null) return file.pos;
  if (pos < 0 && !file.unsigned_offsets) throw errno(EINVAL, 'file position {} is negative', pos);
  if (!file.seekable) throw errno(ESPIPE, '{} has no position', file.path);
  return pos;
}

/** The range of a transfer ends within 64 bits, where its file has positions (rw_verify_area). */
export function rw_verify_area(file: File, pos: Loff | null, count: Loff): void {
  if (!file.seekable) return;
  const at = pos ?? file.pos;
  if (at < 0) {
    if (!file.unsigned_offsets) throw errno(EINVAL, 'file position {} is negative', at);
    if (BigInt(count) >= -BigInt(at)) throw errno(EOVERFLOW, '{} bytes at {} wrap', count, at);
  } else if (
    (typeof at === 'bigint' || typeof count === 'bigint') &&
    BigInt(at) + BigInt(count) > LLONG_MAX &&
    !file.unsigned_offsets
  )
    throw errno(EINVAL, '{} bytes at {} end beyond 2^63', count, at);
}

/** Reads for the kernel itself (execve, the SDK); ignores no limit but the caller's memory. */
export function kernel_read(current: Current, file: File, pos: number, into: Uint8Array): number {
  const n = file.read_iter(current, IovIter.kernel(into), pos);
  if (n > 0) fsnotify_access(file);
  return n;
}

export function kernel_write(current: Current, file: File, pos: number, from: Uint8Array): number {
  if (!file.can_write) throw errno(EINVAL, '{} cannot be written', file.path);
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
  pos: Loff,
): boolean {
  if (from.count === 0) return false;
  const limit = current.rlimit_exact(RLIMIT_FSIZE);
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
    from.truncate(loff_sub(limit, pos));
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
  from.truncate(loff_sub(max, pos));
  return true;
}
