import {
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  EMFILE,
  ENFILE,
  ENXIO,
  EOVERFLOW,
} from '@vitrine/uapi/errno.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../../kernel/task.ts';
import { fget } from '../fdtable.ts';
import type { File } from '../file.ts';
import { check_not_secret } from '../tmpfs/secretmem.ts';
import { UringFile } from './ring.ts';

/** What a program registers with a ring once, to name it by number (io_uring/rsrc.c): files and buffers. */

/** A registered file or buffer. When it is taken away, and nothing uses it any more, its tag is posted. */
export class Rsrc {
  readonly file: File | null;
  readonly address: number;
  readonly length: number;
  readonly tag: bigint;
  private users = 0;
  private removed = false;
  constructor(file: File | null, address: number, length: number, tag: bigint) {
    this.file = file;
    this.address = address;
    this.length = length;
    this.tag = tag;
  }
  static {
    serializable('Rsrc', this);
  }

  use(): void {
    this.users++;
  }
  unuse(ring: UringFile): void {
    this.users--;
    if (this.removed && this.users === 0) this.end(ring);
  }
  remove(ring: UringFile): void {
    this.removed = true;
    if (this.users === 0) this.end(ring);
  }
  private end(ring: UringFile): void {
    this.file?.put(ring.kernel);
    if (this.tag !== 0n) ring.post(this.tag, 0, 0);
  }
}

const MAX_FILES = 1 << 20;
const MAX_BUFFERS = 1 << 14;
const SKIP = -2;

/** A ring cannot be registered with one: they would keep each other alive. */
function get_file(task: Task, fd: number): File {
  const file = fget(task, fd);
  if (file instanceof UringFile) throw errno(EBADF, 'io_uring: fd {} is itself an io_uring', fd);
  return file.get();
}

const tagAt = (task: Task, tags: number, i: number): bigint =>
  tags === 0 ? 0n : task.mem.getBig(tags + i * 8);

/** @param fds address of the descriptors, -1 for none; 0: no file at all */
export function io_sqe_files_register(
  task: Task,
  ring: UringFile,
  fds: number,
  count: number,
  tags: number,
): number {
  if (ring.files !== null)
    throw errno(EBUSY, 'io_uring: {} files are registered already', ring.files.length);
  if (count === 0) throw errno(EINVAL, 'io_uring: no files to register');
  if (count > MAX_FILES || count > task.rlimit(RLIMIT_NOFILE))
    throw errno(EMFILE, 'io_uring: {} files are more than RLIMIT_NOFILE', count);
  const files: (Rsrc | null)[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const tag = tagAt(task, tags, i);
      const fd = fds === 0 ? -1 : task.mem.getI32(fds + i * 4);
      if (fd === -1 && tag !== 0n) throw errno(EINVAL, 'io_uring: no file, but a tag, at {}', i);
      files.push(fd === -1 ? null : new Rsrc(get_file(task, fd), 0, 0, tag));
    }
  } catch (error) {
    for (const rsrc of files) rsrc?.file!.put(task.kernel);
    throw error;
  }
  ring.files = files;
  ring.fileRange = [0, count];
  ring.fileHint = 0;
  files.forEach((rsrc, i) => {
    if (rsrc !== null) ring.fileHint = i + 1;
  });
  return 0;
}

export function io_sqe_files_unregister(ring: UringFile): number {
  const { files } = ring;
  if (files === null) throw errno(ENXIO, 'io_uring: no files are registered');
  ring.files = null;
  for (const rsrc of files) rsrc?.remove(ring);
  return 0;
}

/** Sets or empties a place, and remembers where to look for the next free one (io_file_bitmap_set, _clear). */
function set_file(ring: UringFile, index: number, rsrc: Rsrc | null): void {
  const files = ring.files!;
  const hint = rsrc === null ? index : index + 1;
  if (rsrc !== null || files[index]) ring.fileHint = hint;
  files[index] = rsrc;
}

/** Goes on as far as it can. @returns how many were done; throws when the first fails */
export function until_failure(count: number, step: (i: number) => void): number {
  for (let i = 0; i < count; i++) {
    try {
      step(i);
    } catch (error) {
      if (i === 0) throw error;
      return i;
    }
  }
  return count;
}

function checkRange(offset: number, count: number, have: number): void {
  if (offset + count >= 2 ** 32) throw errno(EOVERFLOW, 'io_uring: {} from {} on', count, offset);
  if (offset + count > have)
    throw errno(EINVAL, 'io_uring: {} are registered, not {}', have, offset + count);
}

export function io_sqe_files_update(
  task: Task,
  ring: UringFile,
  offset: number,
  fds: number,
  tags: number,
  count: number,
): number {
  const { files } = ring;
  if (files === null) throw errno(ENXIO, 'io_uring: no files are registered');
  checkRange(offset, count, files.length);
  return until_failure(count, (i) => {
    const tag = tagAt(task, tags, i);
    const fd = task.mem.getI32(fds + i * 4);
    if ((fd === SKIP || fd === -1) && tag !== 0n) throw errno(EINVAL, 'io_uring: no file, but a tag, at {}', i); // prettier-ignore
    if (fd === SKIP) return;
    const old = files[offset + i];
    set_file(ring, offset + i, null);
    old?.remove(ring);
    if (fd !== -1) set_file(ring, offset + i, new Rsrc(get_file(task, fd), 0, 0, tag));
  });
}

function buffer(task: Task, iov: number, tag: bigint): Rsrc {
  const address = task.mem.getU64(iov);
  const length = task.mem.getU64(iov + 8);
  if (address === 0) {
    if (length !== 0) throw errno(EFAULT, 'io_uring: {} bytes at 0 are no buffer', length);
    if (tag !== 0n) throw errno(EINVAL, 'io_uring: no buffer, but a tag');
    return new Rsrc(null, 0, 0, 0n);
  }
  if (length === 0 || length > 2 ** 30)
    throw errno(EFAULT, 'io_uring: {} bytes at 0x{} are no buffer', length, address.toString(16));
  for (let at = address - (address % 4096); at < address + length; at += 4096) {
    check_not_secret(task.mm!, at);
    task.mem.translate(Math.max(at, address), true);
  }
  return new Rsrc(null, address, length, tag);
}

export function io_sqe_buffers_register(
  task: Task,
  ring: UringFile,
  iovs: number,
  count: number,
  tags: number,
): number {
  if (ring.buffers !== null)
    throw errno(EBUSY, 'io_uring: {} buffers are registered already', ring.buffers.length);
  if (count === 0 || count > MAX_BUFFERS)
    throw errno(EINVAL, 'io_uring: {} buffers are not possible', count);
  ring.buffers = Array.from({ length: count }, (_, i) =>
    iovs === 0 ? new Rsrc(null, 0, 0, 0n) : buffer(task, iovs + i * 16, tagAt(task, tags, i)),
  );
  return 0;
}

export function io_sqe_buffers_unregister(ring: UringFile): number {
  const { buffers } = ring;
  if (buffers === null) throw errno(ENXIO, 'io_uring: no buffers are registered');
  ring.buffers = null;
  for (const rsrc of buffers) rsrc.remove(ring);
  return 0;
}

export function io_sqe_buffers_update(
  task: Task,
  ring: UringFile,
  offset: number,
  iovs: number,
  tags: number,
  count: number,
): number {
  const { buffers } = ring;
  if (buffers === null) throw errno(ENXIO, 'io_uring: no buffers are registered');
  checkRange(offset, count, buffers.length);
  return until_failure(count, (i) => {
    const next = buffer(task, iovs + i * 16, tagAt(task, tags, i));
    const old = buffers[offset + i]!;
    buffers[offset + i] = next;
    old.remove(ring);
  });
}

/** Number that means: a free one, of the range set for it. */
const INDEX_ALLOC = 0xffff_ffff;

/**
 * Gives an open file a number of the ring in place of a descriptor (io_fixed_fd_install).
 * @param slot the submission's file_index: one more than the number, or all bits for a free one
 */
export function io_fixed_fd_install(ring: UringFile, file: File, slot: number): number {
  try {
    const { files } = ring;
    const alloc = slot === INDEX_ALLOC;
    if (files === null) throw errno(alloc ? ENFILE : ENXIO, 'io_uring: no files are registered');
    const index = alloc ? free_index(ring) : slot - 1;
    if (index >= files.length)
      throw errno(EINVAL, 'io_uring: {} files are registered, not {}', files.length, slot);
    const old = files[index];
    set_file(ring, index, new Rsrc(file, 0, 0, 0n));
    old?.remove(ring);
    return alloc ? index : 0;
  } catch (error) {
    file.put(ring.kernel);
    throw error;
  }
}

function free_index(ring: UringFile): number {
  const [from, to] = ring.fileRange;
  const files = ring.files!;
  for (let i = ring.fileHint; i < to; i++) if (!files[i]) return i;
  for (let i = from; i < ring.fileHint; i++) if (!files[i]) return i;
  throw errno(ENFILE, 'io_uring: all registered files from {} to {} are in use', from, to);
}

/** Takes a number away (io_fixed_fd_remove). */
export function io_fixed_fd_remove(ring: UringFile, index: number): number {
  const { files } = ring;
  if (files === null) throw errno(ENXIO, 'io_uring: no files are registered');
  if (index >= files.length)
    throw errno(EINVAL, 'io_uring: {} files are registered, not {}', files.length, index + 1);
  const old = files[index] ?? null;
  if (old === null) throw errno(EBADF, 'io_uring: no file is registered as number {}', index);
  set_file(ring, index, null);
  old.remove(ring);
  return 0;
}
