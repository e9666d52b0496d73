import { EBADF, EMFILE } from '@vitrine/uapi/errno.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { FMODE_PATH, type File } from './file.ts';
import { locks_remove_posix } from './locks.ts';

declare module '../include/current.ts' {
  interface Current {
    files: FilesStruct;
    /** Files of the call that waits (hold_fd); null: none. */
    held_files: HeldFile[] | null;
  }
}

export interface HeldFile {
  /** Null: it is not looked up again (hold_file). */
  readonly fd: number | null;
  readonly file: File;
}

/** What every table has room for; larger ones are multiples of it. */
const NR_OPEN_DEFAULT = 64;
const INT_MAX = 0x7fff_ffff;
const SIZEOF_POINTER = 8;

/** Analogous to `struct files_struct`: a descriptor table, shared by the tasks that were cloned with CLONE_FILES. */
export class FilesStruct {
  readonly fd: (File | null)[] = [];
  readonly cloexec: Set<number> = new Set();
  /** No free descriptor is below this one. */
  next = 0;
  /** What the table has room for: it grows in powers of two and never shrinks. */
  max_fds: number = NR_OPEN_DEFAULT;
  /** Tasks that share the table. */
  count = 1;

  static {
    serializable('FilesStruct', this);
  }

  /** The lowest free descriptor from `from` on. */
  lowest(from: number): number {
    let fd = Math.max(from, this.next);
    while (fd < this.fd.length && this.fd[fd] !== null) fd++;
    return fd;
  }

  install(fd: number, file: File, cloexec: boolean): void {
    while (this.fd.length < fd) this.fd.push(null);
    this.fd[fd] = file;
    if (cloexec) this.cloexec.add(fd);
    else this.cloexec.delete(fd);
    if (fd === this.next) this.next++;
  }

  /** Empties the slot and returns what was there. */
  remove(fd: number): File | null {
    const file = this.fd[fd] ?? null;
    if (file === null) return null;
    this.fd[fd] = null;
    this.cloexec.delete(fd);
    if (fd < this.next) this.next = fd;
    return file;
  }
}

function notOpen(current: Current, fd: number): never {
  throw errno(EBADF, 'fd {} is not open in process {}', fd, current.tgid);
}

function lookup(current: Current, fd: number): File | null | undefined {
  if (current.held_files !== null)
    for (const held of current.held_files) if (held.fd === fd) return held.file;
  return current.files.fd[fd];
}

/**
 * A call that waits goes on with the file it began with, whatever other threads make of the descriptor meanwhile: as
 * fdget, it takes a reference where the table is shared.
 */
export function hold_fd(current: Current, fd: number): void {
  if (current.files.count === 1) return;
  const file = current.files.fd[fd];
  if (file == null || current.held_files?.some((held) => held.fd === fd)) return;
  (current.held_files ??= []).push({ fd, file: file.get() });
}

/** The call has the file until it is through, and not by a descriptor; the reference is its. */
export function hold_file(current: Current, file: File): void {
  (current.held_files ??= []).push({ fd: null, file });
}

/** The call is through. */
export function release_held_files(current: Current): void {
  const held = current.held_files;
  current.held_files = null;
  if (held !== null) for (const { file } of held) fput(current, file);
}

/** The open file behind a descriptor; one opened with O_PATH counts as none. Throws EBADF. */
export function fget(current: Current, fd: number): File {
  const file = lookup(current, fd);
  if (file === undefined || file === null) return notOpen(current, fd);
  if (file.mode & FMODE_PATH) {
    throw errno(EBADF, 'fd {} of process {} was opened with O_PATH: it only names {}', fd, current.tgid, file.path); // prettier-ignore
  }
  return file;
}

/** The same, O_PATH or not (fget_raw). */
export function fget_raw(current: Current, fd: number): File {
  return lookup(current, fd) ?? notOpen(current, fd);
}

/** Is there room for a descriptor at or above `from`? Throws EMFILE. @returns it */
export function get_unused_fd(current: Current, from = 0): number {
  const fd = current.files.lowest(from);
  const limit = current.rlimit(RLIMIT_NOFILE);
  if (fd >= limit) {
    throw errno(EMFILE, 'process {} may open {} files (RLIMIT_NOFILE), all descriptors below are in use',
      current.tgid, limit); // prettier-ignore
  }
  expand_files(current.kernel, current.files, fd);
  return fd;
}

/** The size of a table for so many descriptors (alloc_fdtable). */
function alloc_fdtable({ vfs }: Kernel, wanted: number): number {
  let nr = 2 ** Math.ceil(Math.log2(wanted));
  if (nr > vfs.nr_open) nr = vfs.nr_open - (vfs.nr_open % NR_OPEN_DEFAULT);
  if (nr < wanted || nr > INT_MAX / SIZEOF_POINTER)
    throw errno(EMFILE, 'a table for {} descriptors is above fs.nr_open ({}), or too large for anybody', wanted, vfs.nr_open); // prettier-ignore
  return nr;
}

/** Makes room for a descriptor; EMFILE where the table would need to grow above fs.nr_open. */
export function expand_files(kernel: Kernel, files: FilesStruct, fd: number): void {
  if (fd < files.max_fds) return;
  const { nr_open } = kernel.vfs;
  if (fd >= nr_open) throw errno(EMFILE, 'descriptor {} is not below fs.nr_open ({})', fd, nr_open);
  files.max_fds = alloc_fdtable(kernel, fd + 1);
}

/** Gives the file a descriptor; the caller's reference becomes the table's. On EMFILE the file is released. */
export function fd_install(current: Current, file: File, cloexec: boolean, from = 0): number {
  let fd: number;
  try {
    fd = get_unused_fd(current, from);
  } catch (error) {
    fput(current, file);
    throw error;
  }
  current.files.install(fd, file, cloexec);
  return fd;
}

/** Drops a reference to an open file. The last one releases it. */
export function fput(current: Current, file: File): void {
  file.put(current.kernel);
}

/** Closes one descriptor's file: this table's record locks on it go (filp_close). */
export function filp_close(current: Current, file: File, files: FilesStruct): void {
  if (!(file.mode & FMODE_PATH)) {
    file.flush(current);
    file.dnotify?.flush(file, files);
    if (file.inode.locks !== null) locks_remove_posix(file.inode, files);
  }
  fput(current, file);
}

export function close_fd(current: Current, fd: number): void {
  const file = current.files.remove(fd);
  if (file === null) notOpen(current, fd);
  else filp_close(current, file, current.files);
}

/** Descriptors that a copy of the table will lose at once. */
export interface FdRange {
  readonly from: number;
  readonly to: number;
}

/** One more than the last descriptor that a copy needs, and at that one's end nothing that goes again (sane_fdtable_size). */
function open_fds(files: FilesStruct, hole: FdRange | null): number {
  let n = files.fd.length;
  const skip = (): void => {
    while (n > 0 && files.fd[n - 1] === null) n--;
  };
  skip();
  if (hole !== null && hole.to >= n - 1 && hole.from < n) {
    n = hole.from;
    skip();
  }
  return n;
}

/** A new table with the same open files. */
function dup_fd(kernel: Kernel, from: FilesStruct, hole: FdRange | null = null): FilesStruct {
  const to = new FilesStruct();
  const n = open_fds(from, hole);
  const size = Math.ceil(n / NR_OPEN_DEFAULT) * NR_OPEN_DEFAULT;
  if (size > to.max_fds) to.max_fds = alloc_fdtable(kernel, size);
  for (let fd = 0; fd < n; fd++) {
    const file = from.fd[fd]!;
    if (file !== null) file.count++;
    to.fd.push(file);
  }
  for (const fd of from.cloexec) if (fd < n) to.cloexec.add(fd);
  to.next = Math.min(from.next, n);
  return to;
}

/** For fork without CLONE_FILES. */
export function copy_files(current: Current): FilesStruct {
  return dup_fd(current.kernel, current.files);
}

/** The task gives up its table; the last one that shares it closes everything. */
export function exit_files(task: Current): void {
  const files = task.files;
  if (files.count === 0 || --files.count > 0) return;
  close_files(task, files);
}

/** Drops one share of a table that is not necessarily the task's own (put_files_struct). */
export function put_files(current: Current, files: FilesStruct): void {
  if (--files.count === 0) close_files(current, files);
}

function close_files(current: Current, files: FilesStruct): void {
  for (let fd = 0; fd < files.fd.length; fd++) {
    const file = files.remove(fd);
    if (file !== null) filp_close(current, file, files);
  }
}

/** execve: a table shared with others is copied first, then what is marked close-on-exec goes. */
export function do_close_on_exec(current: Current): void {
  unshare_files(current);
  const files = current.files;
  for (const fd of [...files.cloexec].sort((a, b) => a - b)) {
    const file = files.remove(fd);
    if (file !== null) filp_close(current, file, files);
  }
}

/** The task gets a table of its own (unshare(CLONE_FILES)). */
export function unshare_files(current: Current, hole: FdRange | null = null): void {
  if (current.files.count === 1) return;
  const copy = dup_fd(current.kernel, current.files, hole);
  current.files.count--;
  current.files = copy;
}
