import {
  EAGAIN,
  EBADF,
  EINVAL,
  EISDIR,
  EOVERFLOW,
  EPERM,
  EPIPE,
  ESPIPE,
  EXDEV,
} from '@vitrine/uapi/errno.ts';
import { O_APPEND, O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { SIGPIPE } from '@vitrine/uapi/signal.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, Errno, errno } from '../include/errno.ts';
import { LLONG_MAX, type Loff, loff_add, loff_sub, narrow } from '../include/loff.ts';
import { i_size_read } from '../include/pagecache.ts';
import { fget } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { S_IMMUTABLE, S_ISDIR, S_ISREG } from '../fs/inode.ts';
import { check_not_secret } from '../fs/tmpfs/secretmem.ts';
import type { Task } from '../kernel/task.ts';
import { type Pipe, type PipeFile, get_pipe_info, pipe_clear_nowait } from '../fs/pipe.ts';
import { MAX_RW_COUNT, rw_verify_area } from '../fs/read_write.ts';
import {
  type Transfer,
  WOULD_BLOCK,
  copy_file_bytes,
  splice_file_to_pipe,
  splice_user_to_pipe,
  splice_pipe_to_file,
  splice_pipe_to_pipe,
  wait_on,
} from '../fs/splice.ts';
import { import_iovec } from '../fs/iov.ts';
import { fd, flags, inArray, inOutStruct, int, size, u64, uint } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

const SPLICE_F_NONBLOCK = 2;
/** Bytes between which others get their turn. */
const PIECE = 1 << 19;

function wantRead(file: File): void {
  if (!file.readable) throw errno(EBADF, '{} is not open for reading', file.path);
}

function wantWrite(file: File): void {
  if (!file.writable) throw errno(EBADF, '{} is not open for writing', file.path);
}

/** A position in the caller's memory. */
function get_loff(current: Current, at: number): Loff {
  return narrow(BigInt.asIntN(64, current.mem.getBig(at)));
}

/** A position argument: the address of the caller's variable, a value (io_uring), or 0 for the file's own. */
export type Place = number | { readonly pos: Loff };

function position(current: Current, file: File, at: Place): Loff {
  if (at === 0) return file.pos;
  if (!file.seekable) throw errno(EINVAL, '{} has no position', file.path);
  const pos = typeof at === 'number' ? get_loff(current, at) : at.pos;
  if (pos < 0) throw errno(EINVAL, 'file position {} is negative', pos);
  return pos;
}

function setPosition(current: Current, file: File, at: Place, pos: Loff): void {
  if (typeof at !== 'number') return;
  if (at !== 0) current.mem.putBig(at, BigInt(pos));
  else if (file.seekable) file.pos = pos;
}

/** Runs a transfer until it is done or must wait; bytes moved count even if a signal comes. */
function transfer(
  current: Current,
  from: File,
  to: File,
  count: number,
  inAt: number,
  outAt: number,
): number {
  const state = (current.callState as Transfer | null) ?? {
    moved: 0,
    inPos: position(current, from, inAt),
    outPos:
      to.flags & O_APPEND && to.seekable ? i_size_read(to.inode) : position(current, to, outAt),
  };
  const goal = Math.min(count, state.moved + PIECE);
  let done: boolean;
  try {
    done = copy_file_bytes(current, from, to, goal, state);
  } catch (error) {
    if (!(error instanceof Errno) || state.moved === 0) throw error;
    done = true;
  }
  if (done && state.moved === goal && goal < count && !current.signal_pending()) {
    current.callState = { ...state };
    return BLOCKED;
  }
  const waits = !(to.flags & O_NONBLOCK) && !(state.moved > 0 && current.signal_pending());
  if (!done && waits) {
    current.callState = { ...state };
    return wait_on(current, to);
  }
  if (!done && state.moved === 0)
    throw errno(EAGAIN, '{} takes no more bytes now and O_NONBLOCK is set', to.path);
  if (from.moves) setPosition(current, from, inAt, state.inPos);
  if (to.moves) setPosition(current, to, outAt, state.outPos);
  return state.moved;
}

export function sys_sendfile(
  current: Current,
  outFd: number,
  inFd: number,
  offset: number,
  length: bigint,
): number {
  const from = fget(current, inFd);
  wantRead(from);
  if (offset !== 0 && !from.seekable) throw errno(ESPIPE, '{} has no position', from.path);
  if (length > LLONG_MAX) throw errno(EINVAL, 'sendfile: {} bytes are too many', length);
  const to = fget(current, outFd);
  wantWrite(to);
  if (S_ISDIR(from.inode.mode))
    throw errno(EINVAL, '{} is a directory: it cannot be sent', from.path);
  if (to.flags & O_APPEND && to.seekable)
    throw errno(EINVAL, 'sendfile: {} is open with O_APPEND', to.path);
  const pos = position(current, from, offset);
  rw_verify_area(from, pos, length);
  const count = Number(length < MAX_RW_COUNT ? length : MAX_RW_COUNT);
  const left = checkLargest(from, to, pos, count);
  const pipe = get_pipe_info(to);
  if (pipe === null && !from.seekable) {
    throw errno(EINVAL, 'sendfile: {} cannot be read again at a position', from.path);
  }
  // A pipe is filled once, after waiting for room (splice_file_to_pipe).
  if (pipe !== null) {
    const nonblock = (to.flags & O_NONBLOCK) !== 0;
    return spliceToPipe(current, from, to, pipe, left, offset, nonblock);
  }
  rw_verify_area(to, to.pos, count);
  return transfer(current, from, to, left, offset, 0);
}

/** @returns the bytes up to the largest position that both file systems have */
function checkLargest(from: File, to: File, pos: Loff, count: number): number {
  const a = from.inode.sb.maxbytes;
  const b = to.inode.sb.maxbytes;
  const max = a < b ? a : b;
  if (!from.seekable || loff_add(pos, count) <= max) return count;
  if (pos >= max)
    throw errno(EOVERFLOW, 'sendfile: {} is beyond the largest position of {}', pos, from.path);
  return loff_sub(max, pos);
}

function noReader(current: Current, pipe: Pipe, what: File): void {
  if (pipe.readers > 0) return;
  current.force_or_send_sig(SIGPIPE, `splice to ${String(what.path)}, which nobody can read`);
  throw errno(EPIPE, 'nobody has {} open for reading', what.path);
}

function spliceToPipe(
  current: Current,
  from: File,
  to: File,
  pipe: Pipe,
  len: number,
  at: Place,
  nonblock: boolean,
): number {
  const pos = position(current, from, at);
  rw_verify_area(from, pos, len);
  noReader(current, pipe, to);
  if (len === 0 && !pipe.full) return 0;
  if (!pipe.full && get_pipe_info(from) !== null)
    throw errno(EINVAL, 'sendfile: {} cannot be read again at a position', from.path);
  const n = splice_file_to_pipe(current, from, pipe, len, pos);
  if (n !== WOULD_BLOCK) {
    if (from.moves) setPosition(current, from, at, loff_add(pos, n));
    return n;
  }
  if (nonblock || (pipe.full ? to : from).flags & O_NONBLOCK)
    throw errno(EAGAIN, 'splice from {} to {} would wait', from.path, to.path);
  return wait_on(current, pipe.full ? to : from);
}

function spliceFromPipe(
  current: Current,
  from: File,
  pipe: Pipe,
  to: File,
  len: number,
  at: Place,
  nonblock: boolean,
): number {
  const pos = position(current, to, at);
  rw_verify_area(to, pos, len);
  if (pipe.empty && pipe.writers === 0) return 0;
  const n = splice_pipe_to_file(current, pipe, to, len, pos);
  if (n !== WOULD_BLOCK) {
    if (to.moves) setPosition(current, to, at, loff_add(pos, n));
    return n;
  }
  if (nonblock || (pipe.empty ? from : to).flags & O_NONBLOCK)
    throw errno(EAGAIN, 'splice from {} to {} would wait', from.path, to.path);
  return wait_on(current, pipe.empty ? from : to);
}

function pipeToPipe(
  current: Current,
  from: File,
  to: File,
  len: number,
  nonblock: boolean,
  keep: boolean,
): number {
  const source = get_pipe_info(from)!;
  const target = get_pipe_info(to)!;
  if (source === target) throw errno(EINVAL, 'splice: {} is both ends of one pipe', from.path);
  const waits = nonblock || ((from.flags | to.flags) & O_NONBLOCK) !== 0 ? null : from;
  // What is to come is waited for before anybody looks at who reads (ipipe_prep).
  if (source.empty && source.writers > 0) return wait_or_fail(current, waits, from, to);
  noReader(current, target, to);
  if (target.full) return wait_or_fail(current, waits && to, from, to);
  if (source.empty) return 0;
  const n = splice_pipe_to_pipe(current, source, target, len, keep);
  if (n !== WOULD_BLOCK) return n;
  return wait_or_fail(current, waits && (source.empty ? from : to), from, to);
}

/** Waits for a file, or says that the call may not: null. */
function wait_or_fail(current: Current, what: File | null, from: File, to: File): number {
  if (what !== null) return wait_on(current, what);
  throw errno(EAGAIN, 'splice from {} to {} would wait', from.path, to.path);
}

export function sys_splice(
  current: Current,
  inFd: number,
  inAt: number,
  outFd: number,
  outAt: number,
  len: number,
  flags: number,
): number {
  if (len === 0) return 0;
  if (flags & ~15) throw errno(EINVAL, 'splice: flags {} are unknown', flags);
  return do_splice(current, fget(current, inFd), inAt, fget(current, outFd), outAt, len, flags);
}

/** @param inAt and `outAt`: where to read and write, for files that have positions */
export function do_splice(
  current: Current,
  from: File,
  inAt: Place,
  to: File,
  outAt: Place,
  len: number,
  flags: number,
): number {
  const source = get_pipe_info(from);
  const target = get_pipe_info(to);
  if ((source !== null && inAt !== 0) || (target !== null && outAt !== 0))
    throw errno(ESPIPE, 'splice: a pipe has no position');
  pipe_clear_nowait(from);
  pipe_clear_nowait(to);
  wantRead(from);
  wantWrite(to);
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  const count = Math.min(len, MAX_RW_COUNT);
  if (source !== null && target !== null)
    return pipeToPipe(current, from, to, count, nonblock, false);
  if (len >= 2 ** 63) throw errno(EINVAL, 'splice: {} bytes are more than a file has', len);
  if (target !== null) return spliceToPipe(current, from, to, target, count, inAt, nonblock);
  if (source !== null) {
    if (to.flags & O_APPEND) throw errno(EINVAL, 'splice: {} is open with O_APPEND', to.path);
    return spliceFromPipe(current, from, source, to, count, outAt, nonblock);
  }
  throw errno(EINVAL, 'splice: neither {} nor {} is a pipe', from.path, to.path);
}

export function sys_tee(
  current: Current,
  inFd: number,
  outFd: number,
  len: number,
  flags: number,
): number {
  if (flags & ~15) throw errno(EINVAL, 'tee: flags {} are unknown', flags);
  if (len === 0) return 0;
  return do_tee(current, fget(current, inFd), fget(current, outFd), len, flags);
}

export function do_tee(current: Current, from: File, to: File, len: number, flags: number): number {
  wantRead(from);
  wantWrite(to);
  if (get_pipe_info(from) === null || get_pipe_info(to) === null)
    throw errno(EINVAL, 'tee: {} or {} is not a pipe', from.path, to.path);
  return pipeToPipe(current, from, to, len, (flags & SPLICE_F_NONBLOCK) !== 0, true);
}

export function sys_vmsplice(
  current: Task,
  fd: number,
  vec: number,
  count: number,
  flags: number,
): number {
  if (flags & ~15) throw errno(EINVAL, 'vmsplice: flags {} are unknown', flags);
  const file = fget(current, fd);
  if (!file.readable && !file.writable) throw errno(EBADF, 'vmsplice: {} is open for nothing', file.path); // prettier-ignore
  const iter = import_iovec(current, vec, count);
  if (iter.count === 0) return 0;
  const pipe = get_pipe_info(file);
  if (pipe === null) throw errno(EBADF, 'vmsplice: {} is not a pipe', file.path);
  pipe_clear_nowait(file);
  for (let i = 0; i < count; i++)
    if (current.mem.getU64(vec + i * 16 + 8) > 0)
      check_not_secret(current.mm!, current.mem.getU64(vec + i * 16));
  // The file's own O_NONBLOCK says nothing here.
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (file.writable) {
    noReader(current, pipe, file);
    const n = splice_user_to_pipe(current, iter, pipe);
    if (n !== WOULD_BLOCK) return n;
    if (nonblock) throw errno(EAGAIN, 'vmsplice: {} is full', file.path);
    return wait_on(current, file);
  }
  return (file as PipeFile).take(current, iter, nonblock, false);
}

export function sys_copy_file_range(
  current: Current,
  inFd: number,
  inAt: number,
  outFd: number,
  outAt: number,
  len: number,
  flags: number,
): number {
  const from = fget(current, inFd);
  const to = fget(current, outFd);
  for (const at of [inAt, outAt]) if (at !== 0) current.mem.getBig(at);
  if (flags !== 0) throw errno(EINVAL, 'copy_file_range: flags {} are unknown', flags);
  for (const file of [from, to])
    if (S_ISDIR(file.inode.mode))
      throw errno(EISDIR, 'copy_file_range: {} is a directory', file.path);
  for (const file of [from, to]) {
    if (!S_ISREG(file.inode.mode))
      throw errno(EINVAL, 'copy_file_range: {} is not a regular file', file.path);
  }
  wantRead(from);
  wantWrite(to);
  if (to.flags & O_APPEND) throw errno(EBADF, 'copy_file_range: {} is open with O_APPEND', to.path);
  if (!from.copies_to(to))
    throw errno(
      EXDEV,
      'copy_file_range: {} and {} are on different file systems',
      from.path,
      to.path,
    );
  if (to.inode.flags & S_IMMUTABLE) throw errno(EPERM, 'copy_file_range: {} is immutable', to.path);
  for (const [file, at] of [
    [from, inAt],
    [to, outAt],
  ] as const) {
    const pos = BigInt(at === 0 ? file.pos : get_loff(current, at));
    if (pos < 0 ? pos + BigInt(len) >= 0 : pos > 0 && pos + BigInt(len) >= 2n ** 64n) throw errno(EOVERFLOW, 'copy_file_range: {} bytes at {} wrap', len, pos); // prettier-ignore
  }
  const inPos = position(current, from, inAt);
  const outPos = position(current, to, outAt);
  const count = Math.min(len, MAX_RW_COUNT, Math.max(0, loff_sub(i_size_read(from.inode), inPos)));
  if (
    from.inode === to.inode &&
    loff_add(outPos, count) > inPos &&
    outPos < loff_add(inPos, count)
  ) {
    throw errno(
      EINVAL,
      'copy_file_range: the ranges at {} and {} of {} overlap',
      inPos,
      outPos,
      from.path,
    );
  }
  return from.copied(() => transfer(current, from, to, count, inAt, outAt));
}

const offp = inOutStruct('off_t');

export const SPLICE: readonly SyscallRow[] = [
  row(NR.__NR_sendfile, 'sendfile', [fd, fd, offp, u64], FULL, sys_sendfile),
  row(NR.__NR_splice, 'splice', [fd, offp, fd, offp, size, flags('splice')], FULL, sys_splice),
  row(NR.__NR_tee, 'tee', [fd, fd, size, flags('splice')], FULL, sys_tee),
  row(
    NR.__NR_vmsplice,
    'vmsplice',
    [fd, inArray('iovec', 2), int, flags('splice')],
    FULL,
    sys_vmsplice,
  ),
  row(
    NR.__NR_copy_file_range,
    'copy_file_range',
    [fd, offp, fd, offp, size, uint],
    FULL,
    sys_copy_file_range,
  ),
];
