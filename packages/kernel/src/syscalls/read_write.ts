import { EBADF, EFBIG, EINVAL, EOPNOTSUPP, EPERM, ESPIPE } from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, Errno, errno } from '../include/errno.ts';
import { type Loff, loff_add } from '../include/loff.ts';
import type { IovIter } from '../include/iov.ts';
import { fget } from '../fs/fdtable.ts';
import { FMODE_READ, FMODE_WRITE, File, wantMode } from '../fs/file.ts';
import {
  S_APPEND,
  S_IMMUTABLE,
  S_ISBLK,
  S_ISDIR,
  S_ISFIFO,
  S_ISLNK,
  S_ISREG,
} from '../fs/inode.ts';
import { fsnotify_modify } from '../fs/fsnotify.ts';
import { check_rw_flags, rw_append, rw_verify_area, vfs_read, vfs_write, with_rw_flags } from '../fs/read_write.ts'; // prettier-ignore
import { import_iovec, userBuffer } from '../fs/iov.ts';
import {
  choice,
  fd,
  flags,
  inArray,
  inBuf,
  int,
  loff,
  off,
  outArray,
  outBuf,
  size,
} from './kinds.ts';
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

/** Vectors of no bytes are not even tried. */
function readVec(current: Current, file: File, to: IovIter, pos: Loff | null): number {
  return to.count === 0 ? 0 : readIter(current, file, to, pos);
}

function readIter(current: Current, file: File, to: IovIter, pos: Loff | null): number {
  if (current.callState === null) rw_verify_area(file, pos, to.count);
  return transfer(current, file, to, (done) => vfs_read(current, file, to, pos === null ? null : loff_add(pos, done))); // prettier-ignore
}

function writeVec(
  current: Current,
  file: File,
  from: IovIter,
  pos: Loff | null,
  append?: boolean,
): number {
  return from.count === 0 ? 0 : writeIter(current, file, from, pos, append);
}

function writeIter(
  current: Current,
  file: File,
  from: IovIter,
  pos: Loff | null,
  append?: boolean,
): number {
  if (current.callState === null) rw_verify_area(file, pos, from.count);
  return transfer(current, file, from, (done) => vfs_write(current, file, from, pos === null ? null : loff_add(pos, done), append)); // prettier-ignore
}

/** The file, open for what is wanted: that is asked before anybody looks at the buffer. */
function transferFile(current: Current, fd: number, mode: number, pos: Loff | null): File {
  const file = fget(current, fd);
  const placed = mode === FMODE_READ ? file.seekable : file.can_pwrite;
  if (pos !== null && !placed) throw errno(ESPIPE, '{} has no position', file.path);
  wantMode(file, mode);
  const [can, what] = mode === FMODE_READ ? [file.can_read, 'read'] : [file.can_write, 'written'];
  if (!can && !S_ISDIR(file.inode.mode))
    throw errno(EINVAL, '{} has no operation by which it is {}', file.path, what);
  return file;
}

export function sys_read(current: Current, fd: number, buf: number, count: number): number {
  const file = transferFile(current, fd, FMODE_READ, null);
  return readIter(current, file, userBuffer(current, buf, count), null);
}

export function sys_write(current: Current, fd: number, buf: number, count: number): number {
  const file = transferFile(current, fd, FMODE_WRITE, null);
  return writeIter(current, file, userBuffer(current, buf, count), null);
}

function checkPos(pos: Loff): Loff {
  if (pos < 0) throw errno(EINVAL, 'file position {} is negative', pos);
  return pos;
}

export function sys_pread64(
  current: Current,
  fd: number,
  buf: number,
  count: number,
  pos: Loff,
): number {
  checkPos(pos);
  const file = transferFile(current, fd, FMODE_READ, pos);
  return readIter(current, file, userBuffer(current, buf, count), pos);
}

export function sys_pwrite64(
  current: Current,
  fd: number,
  buf: number,
  count: number,
  pos: Loff,
): number {
  checkPos(pos);
  const file = transferFile(current, fd, FMODE_WRITE, pos);
  return writeIter(current, file, userBuffer(current, buf, count), pos);
}

export function sys_readv(current: Current, fd: number, vec: number, count: number): number {
  const file = transferFile(current, fd, FMODE_READ, null);
  return readVec(current, file, import_iovec(current, vec, count), null);
}

export function sys_writev(current: Current, fd: number, vec: number, count: number): number {
  const file = transferFile(current, fd, FMODE_WRITE, null);
  return writeVec(current, file, import_iovec(current, vec, count), null);
}

/** On x86-64 the low half is the whole position. */
export function sys_preadv(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: Loff,
): number {
  const file = transferFile(current, fd, FMODE_READ, checkPos(low));
  return readVec(current, file, import_iovec(current, vec, count), low);
}

export function sys_pwritev(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: Loff,
): number {
  const file = transferFile(current, fd, FMODE_WRITE, checkPos(low));
  return writeVec(current, file, import_iovec(current, vec, count), low);
}

export function sys_preadv2(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: Loff,
  _high: number,
  rwf: number,
): number {
  const pos = low === -1 ? null : checkPos(low);
  const file = transferFile(current, fd, FMODE_READ, pos);
  const to = import_iovec(current, vec, count);
  if (to.count > 0) check_rw_flags(file, rwf);
  return with_rw_flags(file, rwf, () => readVec(current, file, to, pos));
}

export function sys_pwritev2(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  low: Loff,
  _high: number,
  rwf: number,
): number {
  const pos = low === -1 ? null : checkPos(low);
  const file = transferFile(current, fd, FMODE_WRITE, pos);
  const from = import_iovec(current, vec, count);
  if (from.count > 0) check_rw_flags(file, rwf);
  return with_rw_flags(file, rwf, () => writeVec(current, file, from, pos, rw_append(rwf)));
}

export function sys_lseek(current: Current, fd: number, offset: Loff, whence: number): Loff {
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

/** Nearly everything is in memory that lasts as long as the machine. */
export function sys_sync({ kernel }: Current): number {
  for (const { sb } of kernel.vfs.rootNs.mounts) sb.sync();
  return 0;
}

export function sys_syncfs(current: Current, fd: number): number {
  fget(current, fd).inode.sb.sync();
  return 0;
}

const hasPages = (mode: number): boolean =>
  S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode) || S_ISLNK(mode);

export function sys_sync_file_range(
  current: Current,
  fd: number,
  offset: Loff,
  length: Loff,
  how: number,
): number {
  const file = fget(current, fd);
  if (how & ~7 || offset < 0 || length < 0 || loff_add(offset, length) < 0)
    throw errno(
      EINVAL,
      'sync_file_range: flags {}, offset {} or length {} is out of range',
      how,
      offset,
      length,
    );
  if (!hasPages(file.inode.mode))
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
  if (S_ISFIFO(file.inode.mode)) throw errno(ESPIPE, 'fadvise64: {} is a pipe', file.path);
  if (advice < 0 || advice > 5 || length < 0)
    throw errno(EINVAL, 'fadvise64: advice {} or length {} is unknown', advice, length);
  return 0;
}

export function sys_readahead(current: Current, fd: number, _offset: Loff, count: number): number {
  const file = fget(current, fd);
  if (!file.readable) throw errno(EBADF, '{} is not open for reading', file.path);
  if (!S_ISREG(file.inode.mode) && !S_ISBLK(file.inode.mode))
    throw errno(EINVAL, 'readahead: {} is not a file with pages', file.path);
  if (count >= 2 ** 63) throw errno(EINVAL, 'readahead: {} bytes are too many', count);
  return 0;
}

/** Modes that change ranges exclude each other, and each goes with FALLOC_FL_KEEP_SIZE always, perhaps or never. */
const FALLOC_MODES: ReadonlyMap<number, readonly number[]> = new Map([
  [0, [0, 1]],
  [0x02, [1]], // PUNCH_HOLE
  [0x08, [0]], // COLLAPSE_RANGE
  [0x10, [0, 1]], // ZERO_RANGE
  [0x20, [0]], // INSERT_RANGE
  [0x40, [0, 1]], // UNSHARE_RANGE
]);

export function vfs_fallocate(
  current: Current,
  file: File,
  mode: number,
  offset: Loff,
  length: Loff,
): number {
  const { inode } = file;
  if (offset < 0 || length <= 0)
    throw errno(EINVAL, 'fallocate: offset {} or length {} is out of range', offset, length);
  if (!FALLOC_MODES.get(mode & ~1)?.includes(mode & 1))
    throw errno(EOPNOTSUPP, 'fallocate: mode {} is unknown', mode);
  if (!file.writable) throw errno(EBADF, '{} is not open for writing', file.path);
  if (mode & ~1 && inode.flags & S_APPEND) throw errno(EPERM, '{} is append-only', file.path);
  if (inode.flags & S_IMMUTABLE) throw errno(EPERM, 'fallocate: {} is immutable', file.path);
  const end = loff_add(offset, length);
  if (S_ISREG(inode.mode) && (end < 0 || end > inode.sb.maxbytes))
    throw errno(EFBIG, 'fallocate: {} bytes from {} are above the largest file of {}', length, offset, inode.sb); // prettier-ignore
  const result = file.fallocate(current, mode, offset, length);
  if (result === BLOCKED) return BLOCKED;
  fsnotify_modify(file);
  return result;
}

export function sys_fallocate(
  current: Current,
  fd: number,
  mode: number,
  offset: Loff,
  length: Loff,
): number {
  return vfs_fallocate(current, fget(current, fd), mode, offset, length);
}

export const READ_WRITE: readonly SyscallRow[] = [
  row(NR.__NR_read, 'read', [fd, outBuf(), size], FULL, sys_read),
  row(NR.__NR_write, 'write', [fd, inBuf(2), size], FULL, sys_write),
  row(NR.__NR_pread64, 'pread64', [fd, outBuf(), size, loff], FULL, sys_pread64),
  row(NR.__NR_pwrite64, 'pwrite64', [fd, inBuf(2), size, loff], FULL, sys_pwrite64),
  row(NR.__NR_readv, 'readv', [fd, outArray('iovec', 2), int], FULL, sys_readv),
  row(NR.__NR_writev, 'writev', [fd, inArray('iovec', 2), int], FULL, sys_writev),
  row(NR.__NR_preadv, 'preadv', [fd, outArray('iovec', 2), int, loff], FULL, sys_preadv),
  row(NR.__NR_pwritev, 'pwritev', [fd, inArray('iovec', 2), int, loff], FULL, sys_pwritev),
  row(
    NR.__NR_preadv2,
    'preadv2',
    [fd, outArray('iovec', 2), int, loff, off, flags('rwf')],
    FULL,
    sys_preadv2,
  ),
  row(
    NR.__NR_pwritev2,
    'pwritev2',
    [fd, inArray('iovec', 2), int, loff, off, flags('rwf')],
    FULL,
    sys_pwritev2,
  ),
  row(NR.__NR_lseek, 'lseek', [fd, loff, choice('whence')], FULL, sys_lseek),
  row(NR.__NR_fsync, 'fsync', [fd], FULL, sys_fsync),
  row(NR.__NR_fdatasync, 'fdatasync', [fd], FULL, sys_fdatasync),
  row(NR.__NR_sync, 'sync', [], FULL, sys_sync),
  row(NR.__NR_syncfs, 'syncfs', [fd], FULL, sys_syncfs),
  row(
    NR.__NR_sync_file_range,
    'sync_file_range',
    [fd, loff, loff, flags('sync_file_range')],
    FULL,
    sys_sync_file_range,
  ),
  row(NR.__NR_fadvise64, 'fadvise64', [fd, off, off, choice('fadvise')], FULL, sys_fadvise64),
  row(NR.__NR_readahead, 'readahead', [fd, loff, size], FULL, sys_readahead),
  row(NR.__NR_fallocate, 'fallocate', [fd, flags('fallocate'), loff, loff], FULL, sys_fallocate),
];
