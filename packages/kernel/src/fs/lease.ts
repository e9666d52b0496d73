import { EAGAIN, EACCES, EINVAL, EWOULDBLOCK } from '@vitrine/uapi/errno.ts';
import { CAP_LEASE } from '@vitrine/uapi/capability.ts';
import { F_OWNER_PID, F_RDLCK, F_UNLCK, F_WRLCK } from '@vitrine/uapi/fcntl.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import { FMODE_WRITE, FMODE_WRITER, type FasyncHook, type File } from './file.ts';
import { type Inode, S_ISREG } from './inode.ts';
import { FileLockContext } from './locks.ts';
import type { Path } from './dcache.ts';

/**
 * Leases (fcntl(2), F_SETLEASE): the holder is told before somebody opens the file in a way that conflicts, and has some time
 * to put the file in order.
 */
export class Lease {
  readonly file: File;
  /** F_RDLCK or F_WRLCK. */
  type: number;
  readonly pid: number;
  /** What it must become: F_UNLCK or F_RDLCK; -1 while nobody wants anything. */
  target = -1;
  /** When it becomes that by itself. */
  deadline: number = Infinity;
  /** Woken when it is to be broken: the signal to the holder hangs on it. */
  readonly broken: WaitQueue = new WaitQueue();
  signal: FasyncHook | null = null;
  constructor(file: File, type: number, pid: number) {
    this.file = file;
    this.type = type;
    this.pid = pid;
  }
  static {
    serializable('Lease', this);
  }
}

const EPOLLMSG = 0x400;

/** An open or truncate that a lease makes wait; where it cannot wait it is the error. */
export class LeaseWait extends Errno {
  readonly queue: WaitQueue;
  readonly deadline: number;
  constructor(path: Path, queue: WaitQueue, deadline: number) {
    super(EWOULDBLOCK, '{} has a lease whose holder has not given it up', [path]);
    this.queue = queue;
    this.deadline = deadline;
  }
  park(current: Current): number {
    return current.waitAny([this.queue], this.deadline);
  }
}

function remove(ctx: FileLockContext, lease: Lease): void {
  lease.signal?.detach();
  // Nobody is to be told any more (f_delown).
  const { owner } = lease.file;
  if (owner !== null) {
    owner.type = F_OWNER_PID;
    owner.pid = owner.signum = 0;
  }
  ctx.leases = ctx.leases!.filter((other) => other !== lease);
}

/** Becomes what was asked of it, or what its holder makes of it (lease_modify). */
function modify(ctx: FileLockContext, lease: Lease, type: number): void {
  lease.type = type;
  // What it is to become still counts, unless it is that now (lease_clear_pending).
  if (type === F_UNLCK || lease.target === type) {
    lease.target = -1;
    lease.deadline = Infinity;
  }
  if (type === F_UNLCK) remove(ctx, lease);
  ctx.wait.wake();
}

function time_out_leases(current: Current, ctx: FileLockContext): void {
  const now = current.kernel.clock.now();
  for (const lease of ctx.leases ?? []) if (now >= lease.deadline) modify(ctx, lease, lease.target);
}

/** Tells the holders, and makes the caller wait for them (__break_lease). */
export function break_lease(
  current: Current,
  path: Path,
  inode: Inode,
  write: boolean,
  nonblock: boolean,
): void {
  const ctx = inode.locks;
  if (ctx?.leases === undefined) return;
  time_out_leases(current, ctx);
  const target = write ? F_UNLCK : F_RDLCK;
  const { vfs, clock } = current.kernel;
  const conflicting = ctx.leases.filter((lease) => write || lease.type === F_WRLCK);
  if (conflicting.length === 0) return;
  for (const lease of conflicting) {
    if (lease.target === F_UNLCK || (!write && lease.target === F_RDLCK)) continue;
    lease.target = target;
    lease.deadline = vfs.lease_break_time > 0 ? clock.now() + vfs.lease_break_time * 1e9 : Infinity;
    lease.broken.wake(EPOLLMSG);
  }
  const deadline = Math.min(...conflicting.map((lease) => lease.deadline));
  if (nonblock) throw errno(EWOULDBLOCK, 'O_NONBLOCK: {} has a lease', path);
  throw new LeaseWait(path, ctx.wait, deadline);
}

/** F_GETLEASE */
export function getlease(current: Current, file: File): number {
  const ctx = file.inode.locks;
  if (ctx?.leases === undefined) return F_UNLCK;
  time_out_leases(current, ctx);
  const lease = ctx.leases.find((l) => l.file === file);
  if (lease === undefined) return F_UNLCK;
  return lease.target >= 0 ? lease.target : lease.type;
}

/** F_SETLEASE. @returns the lease if it is a new one: the caller hangs the signal on it */
export function setlease(current: Current, file: File, type: number): Lease | null {
  const { inode } = file;
  if (current.cred.fsuid !== inode.uid && !capable(current.cred, CAP_LEASE))
    throw errno(EACCES, 'a lease on {} needs its owner (uid {}) or CAP_LEASE', file.path, inode.uid); // prettier-ignore
  if (!S_ISREG(inode.mode))
    throw errno(EINVAL, 'a lease needs a regular file, {} is none', file.path);
  const ctx = (inode.locks ??= new FileLockContext());
  time_out_leases(current, ctx);
  const leases = (ctx.leases ??= []);
  const mine = leases.find((lease) => lease.file === file);
  if (type === F_UNLCK) {
    if (mine === undefined) throw errno(EAGAIN, 'there is no lease on {}', file.path);
    modify(ctx, mine, F_UNLCK);
    return null;
  }
  if (type !== F_RDLCK && type !== F_WRLCK)
    throw errno(EINVAL, 'F_SETLEASE: type {} is unknown', type);
  if (!current.kernel.vfs.leases_enable) throw errno(EINVAL, 'fs.leases-enable is 0');
  if (type === F_RDLCK && inode.writecount > 0)
    throw errno(EAGAIN, 'a read lease: {} is open for writing', file.path);
  // A file of memory that was made open for writing does not count among its writers, and so is written by one too few.
  const uncounted = (file.mode & (FMODE_WRITE | FMODE_WRITER)) === FMODE_WRITE;
  const opens = inode.count - inode.idle_opens - (inode.landlock === null ? 0 : 1);
  if (type === F_WRLCK && (opens > 1 || uncounted))
    throw errno(EAGAIN, 'a write lease: {} is open elsewhere', file.path);
  const others = leases.filter((lease) => lease.file !== file);
  if (others.length > 0 && (type === F_WRLCK || others.some((lease) => lease.target === F_UNLCK)))
    throw errno(EAGAIN, '{} has a lease of process {}', file.path, others[0]!.pid);
  if (mine !== undefined) {
    modify(ctx, mine, type);
    return null;
  }
  const lease = new Lease(file, type, current.tgid);
  leases.push(lease);
  return lease;
}
