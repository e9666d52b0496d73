import { EAGAIN, EINVAL } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN, EPOLLOUT } from '@vitrine/uapi/poll.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import { IovIter } from '../include/iov.ts';
import { type Loff, loff_add, page_offset } from '../include/loff.ts';
import type { WaitQueue } from '../include/wait.ts';
import type { File } from './file.ts';
import { fsnotify_access, fsnotify_modify } from './fsnotify.ts';
import type { Pipe } from './pipe.ts';

/**
 * Moving bytes between two files inside the kernel (analogous to fs/splice.c). What cannot go on now says
 * {@link WOULD_BLOCK}; the system call then waits on both files and runs again.
 */
export const WOULD_BLOCK = -1;

const CHUNK = 65536;
const bounce = new Uint8Array(CHUNK);

/** Runs one read or write that must not wait: the file counts as O_NONBLOCK meanwhile. */
function withoutWaiting(current: Current, file: File, step: () => number): number {
  if (file.seekable && !file.pollable) return step();
  const { flags } = file;
  const state = current.callState;
  file.flags |= O_NONBLOCK;
  current.callState = null;
  try {
    return step();
  } catch (error) {
    if (error instanceof Errno && error.code === EAGAIN) return WOULD_BLOCK;
    throw error;
  } finally {
    file.flags = flags;
    current.callState = state;
  }
}

/** Reads without waiting; 0 is the end. */
export function try_read(current: Current, file: File, into: Uint8Array, pos: Loff): number {
  const n = withoutWaiting(current, file, () => file.read_iter(current, IovIter.kernel(into), pos));
  if (n > 0) fsnotify_access(file);
  return n;
}

export function try_write(current: Current, file: File, from: Uint8Array, pos: Loff): number {
  const n = withoutWaiting(current, file, () =>
    file.write_iter(current, IovIter.kernel(from), pos),
  );
  if (n > 0) fsnotify_modify(file);
  return n;
}

function check_splice(from: File | null, to: File | null): void {
  if (from?.splice_read === false)
    throw errno(EINVAL, '{} has no splice_read: read(2) alone reads it', from.path);
  if (to?.splice_write === false)
    throw errno(EINVAL, '{} has no splice_write: write(2) alone writes it', to.path);
}

/** How far a move has come; kept between attempts. */
export interface Transfer {
  moved: number;
  /** Next positions; −1 for files without one. */
  inPos: Loff;
  outPos: Loff;
}

/**
 * Copies up to `count` bytes of a file that can be read again at a position: what the destination does not take is
 * not consumed. @returns false when the destination takes no more now
 */
export function copy_file_bytes(
  current: Current,
  from: File,
  to: File,
  count: number,
  state: Transfer,
): boolean {
  while (state.moved < count) {
    const want = Math.min(CHUNK, count - state.moved);
    check_splice(from, null);
    const got = try_read(current, from, bounce.subarray(0, want), state.inPos);
    if (got === 0) return true;
    if (got === WOULD_BLOCK) return false;
    check_splice(null, to);
    const put = try_write(current, to, bounce.subarray(0, got), state.outPos);
    if (put === WOULD_BLOCK) return false;
    state.moved += put;
    if (from.moves) state.inPos = loff_add(state.inPos, put);
    if (to.moves) state.outPos = loff_add(state.outPos, put);
    if (put < got && !to.seekable) return false;
    if (put < got) return true;
    if (current.signal_pending()) return true;
  }
  return true;
}

/** Fills a pipe from a file. @returns bytes, 0 at the end of the file, or WOULD_BLOCK */
export function splice_file_to_pipe(
  current: Current,
  from: File,
  pipe: Pipe,
  count: number,
  pos: Loff,
): number {
  // Room comes first (wait_for_space): what cannot be spliced is told when there is some.
  if (pipe.full) return WOULD_BLOCK;
  check_splice(from, null);
  let done = 0;
  while (done < count && !pipe.full) {
    // A slot shows one page of the file, and a write(2) after it begins another slot.
    const want = Math.min(4096 - (from.moves ? page_offset(loff_add(pos, done)) : 0), count - done);
    const got = try_read(
      current,
      from,
      bounce.subarray(0, want),
      from.moves ? loff_add(pos, done) : 0,
    );
    if (got <= 0) {
      if (done === 0 && got === WOULD_BLOCK) return WOULD_BLOCK;
      break;
    }
    const pfn = pipe.takeFrame(current.kernel);
    current.kernel.ram.u8.set(bounce.subarray(0, got), pfn * 4096);
    pipe.bufs.push({ pfn, offset: 0, len: got, packet: false, merge: false });
    done += got;
    if (got < want) break;
  }
  if (done > 0) {
    pipe.wakeReaders();
    pipe.fasync_readers.wake(EPOLLIN);
  }
  return done === 0 && pipe.full ? WOULD_BLOCK : done;
}

/**
 * Bytes of the caller's memory into a pipe (iter_to_pipe): each page of it, or part of one, is a slot, which nothing is added
 * to. They are copied: a page given away (SPLICE_F_GIFT) is only a permission to do better. @returns bytes, or WOULD_BLOCK
 */
export function splice_user_to_pipe(current: Current, from: IovIter, pipe: Pipe): number {
  const { kernel } = current;
  let done = 0;
  for (; from.count > 0 && !pipe.full;) {
    const pfn = pipe.takeFrame(kernel);
    const page = kernel.ram.u8.subarray(pfn * 4096, pfn * 4096 + 4096);
    let len: number;
    try {
      len = from.copyFrom(page, 0, from.pageLength);
    } catch (error) {
      kernel.frames.put(pfn);
      if (done > 0 && error instanceof Errno) break;
      throw error;
    }
    pipe.bufs.push({ pfn, offset: 0, len, packet: false, merge: false });
    done += len;
  }
  if (done > 0) {
    pipe.wakeReaders();
    pipe.fasync_readers.wake(EPOLLIN);
  }
  return done === 0 && pipe.full ? WOULD_BLOCK : done;
}

/** Empties a pipe into a file. @returns bytes, or WOULD_BLOCK */
export function splice_pipe_to_file(
  current: Current,
  pipe: Pipe,
  to: File,
  count: number,
  pos: Loff,
): number {
  check_splice(null, to);
  const { kernel } = current;
  let done = 0;
  while (done < count && !pipe.empty) {
    const buf = pipe.bufs[0]!;
    const n = Math.min(buf.len, count - done);
    const at = buf.pfn * 4096 + buf.offset;
    const put = try_write(
      current,
      to,
      kernel.ram.u8.subarray(at, at + n),
      to.moves ? loff_add(pos, done) : 0,
    );
    if (put === WOULD_BLOCK) return done > 0 ? done : WOULD_BLOCK;
    buf.offset += put;
    buf.len -= put;
    done += put;
    if (buf.len === 0) {
      const wasFull = pipe.full;
      pipe.shift(kernel);
      if (wasFull) pipe.wakeWriters();
    }
    if (put < n) break;
  }
  if (done > 0) pipe.fasync_writers.wake(EPOLLOUT);
  return done === 0 && pipe.empty ? WOULD_BLOCK : done;
}

/** Moves (or, for tee, shares) slots of one pipe with another: no byte is copied. */
export function splice_pipe_to_pipe(
  current: Current,
  from: Pipe,
  to: Pipe,
  count: number,
  keep: boolean,
): number {
  if (from === to) throw errno(EINVAL, 'both ends of the splice are the same pipe');
  const { frames } = current.kernel;
  let done = 0;
  for (let i = 0; done < count && i < from.bufs.length && !to.full;) {
    const buf = from.bufs[i]!;
    const n = Math.min(buf.len, count - done);
    done += n;
    if (!keep && n === buf.len) {
      to.bufs.push(from.bufs.shift()!);
      continue;
    }
    // A part of it, or the same again: only the first owner appends to it.
    frames.get(buf.pfn);
    to.bufs.push({ ...buf, len: n, merge: false });
    if (keep) {
      i++;
      continue;
    }
    buf.offset += n;
    buf.len -= n;
  }
  if (done > 0) {
    to.wakeReaders();
    to.fasync_readers.wake(EPOLLIN);
    if (!keep) {
      from.wakeWriters();
      from.fasync_writers.wake(EPOLLOUT);
    }
  }
  return done === 0 ? WOULD_BLOCK : done;
}

/** The queues that tell when a move between the two can go on. */
export function wait_on(current: Current, ...files: readonly File[]): number {
  const queues: WaitQueue[] = [];
  for (const file of files) file.poll(current, queues);
  return current.waitAny(queues, Infinity);
}
