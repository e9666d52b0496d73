import { EINVAL, ESRCH } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLHUP, EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { Task } from '../../kernel/task.ts';
import { anon_inode_path } from '../anon_inodes.ts';
import { StreamFile } from '../file.ts';

/** A descriptor of a process (pidfd_open(2)): readable when the process is dead. */
export class PidfdFile extends StreamFile {
  private leader: Task;

  constructor(current: Current, task: Task, flags: number) {
    super(current, anon_inode_path(current.kernel, '[pidfd]'), O_RDWR | (flags & O_NONBLOCK));
    this.leader = task;
    task.exit_watch ??= new WaitQueue();
  }

  static {
    serializable('PidfdFile', this);
  }

  /** The process: its leader, or the thread that took its place. */
  get task(): Task {
    while (this.leader.successor !== null) this.leader = this.leader.successor;
    return this.leader;
  }

  override read_iter(): number {
    throw errno(EINVAL, 'a pidfd is not read: it is polled');
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.task.exit_watch!);
    // A leader that ended before its threads is not the end of the process (thread_group_exited).
    if (!this.task.dead || this.task.signal.threads.size > 0) return 0;
    return EPOLLIN | EPOLLRDNORM | (this.task.state === 'X' ? EPOLLHUP : 0);
  }

  override show_fdinfo(): string {
    const nr = this.task.state === 'X' ? -1 : this.task.tgid;
    return `Pid:\t${nr}\nNSpid:\t${nr}\n`;
  }
}

/** The process of a pidfd, while it has not been waited for. Throws ESRCH. */
export function pidfd_task(file: PidfdFile): Task {
  if (file.task.state === 'X')
    throw errno(ESRCH, 'process {} of the pidfd is gone', file.task.tgid);
  return file.task;
}
