import { EINVAL, ENOTTY, EOPNOTSUPP, ESRCH } from '@vitrine/uapi/errno.ts';
import { O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLHUP, EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { Pid } from '../../kernel/pid.ts';
import type { Task } from '../../kernel/task.ts';
import { Dentry, Path } from '../dcache.ts';
import { fd_install } from '../fdtable.ts';
import { StreamFile } from '../file.ts';
import { Inode, ihold } from '../inode.ts';
import { NAMESPACES, NsFile, task_ns_path } from '../nsfs/nsfs.ts';
import { ptrace_may_access } from '../proc/access.ts';

// Newer than the headers that packages/uapi is made from.
/** The descriptor is a thread's, not a process's. */
export const PIDFD_THREAD: number = O_EXCL;

const PIDFS_IOCTL_MAGIC = 0xff;

/** What every descriptor of one process or thread shares, so that fstat tells whether two name the same. */
export class PidfdInode extends Inode {
  readonly pid: Pid;
  constructor(kernel: Kernel, pid: Pid) {
    super(kernel.vfs.pseudo.get('pidfs')!.sb, kernel.vfs.nextIno++, 0o700);
    this.pid = pid;
    ihold(this);
  }

  static {
    serializable('PidfdInode', this);
  }

  override setattr(): void {
    throw errno(EOPNOTSUPP, 'a pidfd has no attributes to set');
  }

  override open(current: Current, path: Path, flags: number): PidfdFile {
    return new PidfdFile(current, path, flags);
  }
}

/** The place of a process in pidfs; its file system is of the kernel's own use (fs/pidfs.c). */
function pidfs_path(kernel: Kernel, pid: Pid): Path {
  const mnt = kernel.vfs.pseudo.get('pidfs')!;
  pid.stashed ??= new Dentry('anon_inode:[pidfd]', null, new PidfdInode(kernel, pid), mnt.sb);
  return new Path(mnt, pid.stashed);
}

/** A descriptor of a process or thread (pidfd_open(2)): readable when it is dead. */
export class PidfdFile extends StreamFile {
  static {
    serializable('PidfdFile', this);
  }

  get pid(): Pid {
    return (this.inode as PidfdInode).pid;
  }

  /** PIDFD_THREAD was asked for. */
  get thread(): boolean {
    return (this.flags & PIDFD_THREAD) !== 0;
  }

  /** It has positions for pread(2) and its like, which then find nothing to read. */
  override get seekable(): boolean {
    return true;
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const { task } = this.pid;
    collect?.push((this.pid.wait_pidfd ??= new WaitQueue()));
    if (task === null) return EPOLLIN | EPOLLRDNORM | EPOLLHUP;
    // A leader that ended before its threads is not the end of the process, nor told of its own (delay_group_leader).
    if (!task.dead || (task.group_leader === task && task.signal.threads.size > 0)) return 0;
    return EPOLLIN | EPOLLRDNORM;
  }

  /** PIDFD_GET_…_NAMESPACE: a descriptor of one of the process's namespaces. */
  override ioctl(current: Current, cmd: number, arg: number): number {
    if (arg !== 0) throw errno(EINVAL, 'the ioctls of a pidfd take no argument');
    const task = pidfd_task(this);
    if (task.exiting) throw errno(ESRCH, 'process {} has left its namespaces', task.tgid);
    ptrace_may_access(current, task, 'a namespace');
    const name = cmd >>> 8 === PIDFS_IOCTL_MAGIC ? NAMESPACES[(cmd & 0xff) - 1]?.[0] : undefined; // prettier-ignore
    if (name === undefined) throw errno(ENOTTY, '{} has no ioctl 0x{}', this.path, (cmd >>> 0).toString(16)); // prettier-ignore
    return fd_install(current, new NsFile(current, task_ns_path(task, name), O_RDONLY), true);
  }

  override show_fdinfo(): string {
    const nr = this.pid.task === null ? -1 : this.pid.nr;
    return `Pid:\t${nr}\nNSpid:\t${nr}\n`;
  }
}

/**
 * A new descriptor of the process (pidfd_prepare). Throws EINVAL for a thread, unless it is to be one's descriptor.
 * @param flags O_NONBLOCK, PIDFD_THREAD
 */
export function pidfd_prepare(current: Current, pid: Pid, flags: number): PidfdFile {
  if (pid.tasks[flags & PIDFD_THREAD ? 'pid' : 'tgid'].size === 0)
    throw errno(EINVAL, 'pidfd: {} is a thread, and PIDFD_THREAD was not asked for', pid.nr);
  const path = pidfs_path(current.kernel, pid);
  return new PidfdFile(current, path, O_RDWR | (flags & (O_NONBLOCK | PIDFD_THREAD)));
}

/** The process of a pidfd, while it has not been waited for. Throws ESRCH. */
export function pidfd_task(file: PidfdFile, type: 'pid' | 'tgid' = 'pid'): Task {
  for (const task of file.pid.tasks[type]) return task;
  throw errno(ESRCH, 'there is no process {} any more for the pidfd', file.pid.nr);
}
