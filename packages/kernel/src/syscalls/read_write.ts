import { EBADF, EINVAL, EOPNOTSUPP, ESPIPE } from '@vitrine/uapi/errno.ts';
import { RWF_APPEND, RWF_NOWAIT, RWF_SUPPORTED } from '@vitrine/uapi/fcntl.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, Errno, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import { fget } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { S_ISFIFO } from '../fs/inode.ts';
import { vfs_read, vfs_write } from '../fs/read_write.ts';
import { import_iovec, userBuffer } from './iov.ts';
import { choice, fd, flags, inArray, inBuf, int, off, outArray, outBuf, size } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

/** How much of a long transfer is done. */
interface Moved {
  readonly moved: number;
}

/**
 * Moves a long buffer piece by piece: between two pieces others run, and the host has its turn. The call is made again
 * from the top until all is moved, the file ends, or only SIGKILL is left to do.
 * @param move moves what is left in the iterator, `done` bytes after the first
 */
function transfer(
  current: Current,
  file: File,
  iter: IovIter,
  move: (done: number) => number,
): number {
  const chunk = file.transferChunk;
  if (chunk === 0 || (iter.count <= chunk && current.callState === null)) return move(0);
  const done = (current.callState as Moved | null)?.moved ?? 0;
  iter.advance(done);
  const all = iter.count;
  iter.truncate(chunk);
  const want = iter.count;
  let n: number;
  try {
    n = move(done);
  } catch (error) {
    if (done > 0 && error instanceof Errno) return done;
    throw error;
  }
  if (n < want || want === all || current.fatal_signal_pending()) return done + n;
  current.callState = { moved: done + n } satisfies Moved;
  return BLOCKED;
}

function readIter(current: Current, file: File, to: IovIter, pos: number | null): number {
  return transfer(current, file, to, (done) => vfs_read(current, file, to, pos === null ? null : pos + done)); // prettier-ignore
}

function writeIter(
  current: Current,
  file: File,
  from: IovIter,
  pos: number | null,
  append = false,
): number {
  return transfer(current, file, from, (done) => vfs_write(current, file, from, pos === null ? null : pos + done, append)); // prettier-ignore
}

export function sys_read(current: Current, fd: number, buf: number, count: number): number {
  return readIter(current, fget(current, fd), userBuffer(current, buf, count), null);
}

export function sys_write(current: Current, fd: number, buf: number, count: number): number {
  return writeIter(current, fget(current, fd), userBuffer(current, buf, count), null);
}

function checkPos(pos: number): number {
  if (pos < 0) throw errno(EINVAL, 'file position {} is negative', pos);
  return pos;
}

export function sys_pread64(
  current: Current,
  fd: number,
  buf: number,
  count: number,
  pos: number,
): number {
  checkPos(pos);
  return readIter(current, fget(current, fd), userBuffer(current, buf, count), pos);
}

export function sys_pwrite64(
  current: Current,
  fd: number,
  buf: number,
  count: number,
  pos: number,
): number {
  checkPos(pos);
  return writeIter(current, fget(current, fd), userBuffer(current, buf, count), pos);
}

export function sys_readv(current: Current, fd: number, vec: number, count: number): number {
  const file = fget(current, fd);
  return readIter(current, file, import_iovec(current, vec, count), null);
}

export function sys_writev(current: Current, fd: number, vec: number, count: number): number {
  const file = fget(current, fd);
  return writeIter(current, file, import_iovec(current, vec, count), null);
}

/** On x86-64 the low half is the whole position. */
export function sys_preadv(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: number,
): number {
  const file = fget(current, fd);
  return readIter(current, file, import_iovec(current, vec, count), checkPos(low));
}

export function sys_pwritev(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: number,
): number {
  const file = fget(current, fd);
  return writeIter(current, file, import_iovec(current, vec, count), checkPos(low));
}

function checkRwf(file: File, rwf: number): void {
  if (rwf & ~RWF_SUPPORTED) throw errno(EOPNOTSUPP, 'preadv2/pwritev2 flags {} are unknown', rwf);
  if (rwf & RWF_NOWAIT && !file.pollable) {
    throw errno(EOPNOTSUPP, 'RWF_NOWAIT: {} cannot say whether it would wait', file.path);
  }
}

export function sys_preadv2(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: number,
  _high: number,
  rwf: number,
): number {
  const file = fget(current, fd);
  checkRwf(file, rwf);
  return readIter(
    current,
    file,
    import_iovec(current, vec, count),
    low === -1 ? null : checkPos(low),
  );
}

export function sys_pwritev2(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: number,
  _high: number,
  rwf: number,
): number {
  const file = fget(current, fd);
  checkRwf(file, rwf);
  const pos = low === -1 ? null : checkPos(low);
  return writeIter(current, file, import_iovec(current, vec, count), pos, (rwf & RWF_APPEND) !== 0);
}

export function sys_lseek(current: Current, fd: number, offset: number, whence: number): number {
  const file = fget(current, fd);
  if (whence < 0 || whence > 4)
    throw errno(EINVAL, 'lseek: whence {} is none of SEEK_SET, CUR, END, DATA, HOLE', whence);
  return file.llseek(current, offset, whence);
}

export function sys_fsync(current: Current, fd: number): number {
  return fget(current, fd).fsync(current, false);
}

export function sys_fdatasync(current: Current, fd: number): number {
  return fget(current, fd).fsync(current, true);
}

/** Everything is in memory that lasts as long as the machine. */
export function sys_sync(): number {
  return 0;
}

export function sys_syncfs(current: Current, fd: number): number {
  fget(current, fd);
  return 0;
}

export function sys_sync_file_range(
  current: Current,
  fd: number,
  offset: number,
  length: number,
  how: number,
): number {
  const file = fget(current, fd);
  if (how & ~7 || offset < 0 || length < 0)
    throw errno(
      EINVAL,
      'sync_file_range: flags {}, offset {} or length {} is out of range',
      how,
      offset,
      length,
    );
  if (!file.seekable || S_ISFIFO(file.inode.mode))
    throw errno(ESPIPE, 'sync_file_range: {} has no positions', file.path);
  return 0;
}

export function sys_fadvise64(
  current: Current,
  fd: number,
  _offset: number,
  length: number,
  advice: number,
): number {
  const file = fget(current, fd);
  if (!file.seekable) throw errno(ESPIPE, 'fadvise64: {} is a pipe', file.path);
  if (advice < 0 || advice > 5 || length < 0)
    throw errno(EINVAL, 'fadvise64: advice {} or length {} is unknown', advice, length);
  return 0;
}

export function sys_readahead(current: Current, fd: number): number {
  const file = fget(current, fd);
  if (!file.readable) throw errno(EBADF, '{} is not open for reading', file.path);
  if (file.mapping === null)
    throw errno(EINVAL, 'readahead: {} is not a file with pages', file.path);
  return 0;
}

export function sys_fallocate(
  current: Current,
  fd: number,
  mode: number,
  offset: number,
  length: number,
): number {
  const file = fget(current, fd);
  if (offset < 0 || length <= 0)
    throw errno(EINVAL, 'fallocate: offset {} or length {} is out of range', offset, length);
  if (mode & ~0x7f) throw errno(EOPNOTSUPP, 'fallocate: mode {} is unknown', mode);
  if (!file.writable) throw errno(EBADF, '{} is not open for writing', file.path);
  return file.fallocate(current, mode, offset, length);
}

export const READ_WRITE: readonly SyscallRow[] = [
  row(NR.__NR_read, 'read', [fd, outBuf(), size], FULL, sys_read),
  row(NR.__NR_write, 'write', [fd, inBuf(2), size], FULL, sys_write),
  row(NR.__NR_pread64, 'pread64', [fd, outBuf(), size, off], FULL, sys_pread64),
  row(NR.__NR_pwrite64, 'pwrite64', [fd, inBuf(2), size, off], FULL, sys_pwrite64),
  row(NR.__NR_readv, 'readv', [fd, outArray('iovec', 2), int], FULL, sys_readv),
  row(NR.__NR_writev, 'writev', [fd, inArray('iovec', 2), int], FULL, sys_writev),
  row(NR.__NR_preadv, 'preadv', [fd, outArray('iovec', 2), int, off], FULL, sys_preadv),
  row(NR.__NR_pwritev, 'pwritev', [fd, inArray('iovec', 2), int, off], FULL, sys_pwritev),
  row(
    NR.__NR_preadv2,
    'preadv2',
    [fd, outArray('iovec', 2), int, off, off, flags('rwf')],
    FULL,
    sys_preadv2,
  ),
  row(
    NR.__NR_pwritev2,
    'pwritev2',
    [fd, inArray('iovec', 2), int, off, off, flags('rwf')],
    FULL,
    sys_pwritev2,
  ),
  row(NR.__NR_lseek, 'lseek', [fd, off, choice('whence')], FULL, sys_lseek),
  row(NR.__NR_fsync, 'fsync', [fd], FULL, sys_fsync),
  row(NR.__NR_fdatasync, 'fdatasync', [fd], FULL, sys_fdatasync),
  row(NR.__NR_sync, 'sync', [], FULL, sys_sync),
  row(NR.__NR_syncfs, 'syncfs', [fd], FULL, sys_syncfs),
  row(
    NR.__NR_sync_file_range,
    'sync_file_range',
    [fd, off, off, flags('sync_file_range')],
    FULL,
    sys_sync_file_range,
  ),
  row(NR.__NR_fadvise64, 'fadvise64', [fd, off, off, choice('fadvise')], FULL, sys_fadvise64),
  row(NR.__NR_readahead, 'readahead', [fd, off, size], FULL, sys_readahead),
  row(NR.__NR_fallocate, 'fallocate', [fd, flags('fallocate'), off, off], FULL, sys_fallocate),
];
