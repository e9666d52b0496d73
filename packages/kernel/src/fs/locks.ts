import { EAGAIN, EBADF, EDEADLK, EINVAL, ENOLCK, EOVERFLOW, EWOULDBLOCK } from '@vitrine/uapi/errno.ts'; // prettier-ignore
import { F_RDLCK, F_UNLCK, F_WRLCK } from '@vitrine/uapi/fcntl.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { LLONG_MAX, type Loff, loff_add, narrow } from '../include/loff.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import type { FilesStruct } from './fdtable.ts';
import { FMODE_READ, FMODE_WRITE, type File } from './file.ts';
import type { Lease } from './lease.ts';
import type { Inode } from './inode.ts';

/** Analogous to `struct file_lock`. A process's own locks belong to its descriptor table, OFD and flock locks to the open file. */
export class FileLock {
  /** F_RDLCK or F_WRLCK. */
  type: number;
  start: Loff;
  /** Last byte, LLONG_MAX to the end of the file. */
  end: Loff;
  readonly owner: FilesStruct | File;
  /** For F_GETLK and /proc/locks; -1 for OFD locks. */
  readonly pid: number;
  constructor(type: number, start: Loff, end: Loff, owner: FilesStruct | File, pid: number) {
    this.type = type;
    this.start = start;
    this.end = end;
    this.owner = owner;
    this.pid = pid;
  }
  static {
    serializable('FileLock', this);
  }
}

/** Analogous to `struct file_lock_context`. */
export class FileLockContext {
  /** Sorted by start within an owner. */
  posix: FileLock[] = [];
  flock: FileLock[] = [];
  declare leases?: Lease[];
  /** Woken when a lock goes. */
  readonly wait: WaitQueue = new WaitQueue();
  static {
    serializable('FileLockContext', this);
  }
}

/** Lock owners that wait, and the owner each waits for: for finding deadlocks. */
export class BlockedLocks {
  readonly waits: Map<FilesStruct | File, FilesStruct | File> = new Map();
  static {
    serializable('BlockedLocks', this);
  }
}

declare module './vfs.ts' {
  interface Vfs {
    blockedLocks?: BlockedLocks;
  }
}

function context(inode: Inode): FileLockContext {
  return (inode.locks ??= new FileLockContext());
}

function overlaps(a: FileLock, b: FileLock): boolean {
  return a.start <= b.end && b.start <= a.end;
}

function conflicts(a: FileLock, b: FileLock): boolean {
  if (a.owner === b.owner) return false;
  if (a.type !== F_WRLCK && b.type !== F_WRLCK) return false;
  return overlaps(a, b);
}

/** The first lock in the way of `lock`, or with F_UNLCK its owner's own, or null (posix_test_lock). */
export function posix_test_lock(inode: Inode, lock: FileLock): FileLock | null {
  const stands =
    lock.type === F_UNLCK
      ? (other: FileLock) => other.owner === lock.owner && overlaps(other, lock)
      : (other: FileLock) => conflicts(other, lock);
  return inode.locks?.posix.find(stands) ?? null;
}

/** Throws EBADF unless the file is open for what is locked (check_fmode_for_setlk). */
export function check_fmode_for_setlk(file: File, type: number): void {
  if (type === F_RDLCK && !(file.mode & FMODE_READ))
    throw errno(EBADF, 'a read lock needs {} open for reading', file.path);
  if (type === F_WRLCK && !(file.mode & FMODE_WRITE))
    throw errno(EBADF, 'a write lock needs {} open for writing', file.path);
}

/**
 * Sets or removes (F_UNLCK) a record lock. @param wait F_SETLKW @returns 0, or BLOCKED
 */
export function posix_lock_file(
  current: Current,
  file: File,
  lock: FileLock,
  wait: boolean,
): number {
  const { inode } = file;
  const blocked = (current.kernel.vfs.blockedLocks ??= new BlockedLocks()).waits;
  blocked.delete(lock.owner);
  const ctx = context(inode);
  if (lock.type !== F_UNLCK) {
    const other = posix_test_lock(inode, lock);
    if (other !== null) {
      if (!wait) {
        throw errno(
          EAGAIN,
          'bytes {}–{} of {} are locked by process {}',
          other.start,
          other.end,
          file.path,
          other.pid,
        );
      }
      checkDeadlock(blocked, lock, other, file);
      blocked.set(lock.owner, other.owner);
      return current.wait(ctx.wait);
    }
  }
  if (ctx.posix.length >= MAX_LOCKS && lock.type !== F_UNLCK) {
    throw errno(ENOLCK, '{} has {} locked ranges already', file.path, MAX_LOCKS);
  }
  insert(ctx, lock);
  return 0;
}

/** Ranges locked on one file. */
const MAX_LOCKS = 16384;

function checkDeadlock(
  blocked: Map<FilesStruct | File, FilesStruct | File>,
  lock: FileLock,
  other: FileLock,
  file: File,
): void {
  // Locks of open files are passed around: waiting for them proves nothing.
  if (lock.pid === -1) return;
  let owner: FilesStruct | File | undefined = other.owner;
  for (let steps = 0; owner !== undefined && steps < 100; steps++) {
    if (owner === lock.owner) {
      throw errno(EDEADLK, 'process {} would wait for a lock on {} whose holder waits for process {}',
        lock.pid, file.path, lock.pid); // prettier-ignore
    }
    owner = blocked.get(owner);
  }
}

/**
 * Replaces the owner's locks in the range, splitting and joining its others (posix_lock_inode). In the list an owner's locks
 * are together, by their start; owners are in the order in which they came.
 */
function insert(ctx: FileLockContext, lock: FileLock): void {
  const own = ctx.posix.filter((old) => old.owner === lock.owner);
  const place = own.length === 0 ? ctx.posix.length : ctx.posix.indexOf(own[0]!);
  const kept: FileLock[] = [];
  let { start, end } = lock;
  let freed = false;
  for (const old of own) {
    if (old.end < loff_add(start, -1) || loff_add(old.start, -1) > end) kept.push(old);
    else if (old.type === lock.type) {
      if (old.start < start) start = old.start;
      if (old.end > end) end = old.end;
    } else {
      if (old.end < start || old.start > end) {
        kept.push(old);
        continue;
      }
      if (old.start < start)
        kept.push(new FileLock(old.type, old.start, loff_add(start, -1), old.owner, old.pid));
      if (old.end > end)
        kept.push(new FileLock(old.type, loff_add(end, 1), old.end, old.owner, old.pid));
      freed = true;
    }
  }
  if (lock.type === F_UNLCK) freed = true;
  else kept.push(new FileLock(lock.type, start, end, lock.owner, lock.pid));
  kept.sort((a, b) => (a.start < b.start ? -1 : 1));
  ctx.posix = ctx.posix.toSpliced(place, own.length, ...kept);
  if (freed) ctx.wait.wake();
}

/** A descriptor is closed: every record lock of its table on the file goes (fcntl(2), the famous rule). */
export function locks_remove_posix(inode: Inode, files: FilesStruct): void {
  removeOwned(inode, files);
  inode.sb.kernel.vfs.blockedLocks?.waits.delete(files);
}

/** The open file is released: its flock and OFD locks go. */
export function locks_remove_file(file: File): void {
  removeOwned(file.inode, file);
  file.inode.sb.kernel.vfs.blockedLocks?.waits.delete(file);
}

function removeOwned(inode: Inode, owner: FilesStruct | File): void {
  const ctx = inode.locks;
  if (ctx === null) return;
  const count = (): number => ctx.posix.length + ctx.flock.length + (ctx.leases?.length ?? 0);
  const before = count();
  ctx.posix = ctx.posix.filter((l) => l.owner !== owner);
  ctx.flock = ctx.flock.filter((l) => l.owner !== owner);
  for (const lease of ctx.leases ?? []) if (lease.file === owner) lease.signal?.detach();
  if (ctx.leases !== undefined) ctx.leases = ctx.leases.filter((l) => l.file !== owner);
  if (count() === before) return;
  ctx.wait.wake();
  if (count() === 0 && !ctx.wait.active) inode.locks = null;
}

/** flock(2). @param type F_RDLCK, F_WRLCK or F_UNLCK @returns 0, or BLOCKED */
export function flock_lock_file(current: Current, file: File, type: number, wait: boolean): number {
  const ctx = context(file.inode);
  const mine = ctx.flock.find((l) => l.owner === file);
  if (type === F_UNLCK || (mine !== undefined && mine.type !== type)) {
    // A conversion gives the old lock up first, as Linux does.
    ctx.flock = ctx.flock.filter((l) => l !== mine);
    if (mine !== undefined) ctx.wait.wake();
    if (type === F_UNLCK) return 0;
  } else if (mine !== undefined) return 0;
  const lock = new FileLock(type, 0, LLONG_MAX, file, current.tgid);
  const other = ctx.flock.find((l) => conflicts(l, lock));
  if (other !== undefined) {
    if (!wait) throw errno(EWOULDBLOCK, '{} is locked (flock) by process {}', file.path, other.pid);
    return current.wait(ctx.wait);
  }
  ctx.flock.push(lock);
  return 0;
}

/** The byte range of a `struct flock` (flock64_to_posix_lock). Throws EINVAL, EOVERFLOW. */
export function flock_range(file: File, whence: number, start: bigint, len: bigint): [Loff, Loff] {
  if (whence > 2) throw errno(EINVAL, 'l_whence {} is none of SEEK_SET, CUR, END', whence);
  const base = BigInt(whence === 0 ? 0 : whence === 1 ? file.pos : file.inode.size);
  const from = base + start;
  if (from > LLONG_MAX) throw errno(EOVERFLOW, 'the range to lock starts at {}', from);
  const first = len < 0n ? from + len : from;
  if (first < 0n) throw errno(EINVAL, 'the range to lock starts at {}, before the file', first);
  const last = len > 0n ? from + len - 1n : len < 0n ? from - 1n : LLONG_MAX;
  if (last > LLONG_MAX) throw errno(EOVERFLOW, 'the range to lock ends at {}', last);
  return [narrow(first), narrow(last)];
}
