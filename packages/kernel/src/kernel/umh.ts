import { SIGCHLD } from '@vitrine/uapi/signal.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { FilesStruct } from '../fs/fdtable.ts';
import { Errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { do_execveat } from './exec.ts';
import { do_exit } from './exit.ts';
import { copy_process } from './fork.ts';
import type { Task } from './task.ts';

declare module './task.ts' {
  interface Task {
    /** Who hears of the end of a program that the kernel started. */
    umh?: UmhOwner | null;
  }
}

export interface UmhOwner {
  /** The program has ended. */
  exited(): void;
}

const ENVIRONMENT = ['HOME=/', 'TERM=linux', 'PATH=/sbin:/usr/sbin:/bin:/usr/bin'];

/**
 * Starts a program on the kernel's own behalf, as root, without files (call_usermodehelper).
 * @param prepare gives the process what it needs, before it runs the program
 * @returns an error number when it cannot be started, else 0
 */
export function call_usermodehelper(
  kernel: Kernel,
  argv: string[],
  prepare: (task: Task) => void,
  owner: UmhOwner | null = null,
  environment: string[] = ENVIRONMENT,
): number {
  const { swapper } = kernel as Kernel & { swapper: Task };
  const task = copy_process(swapper, { flags: 0, exit_signal: SIGCHLD, stack: null, tls: 0, parent_tid: 0, child_tid: 0, pidfd: 0 }); // prettier-ignore
  task.kthread = false;
  task.files = new FilesStruct();
  prepare(task);
  try {
    do_execveat(task, AT_FDCWD, argv[0]!, argv, environment, 0);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    kernel.printk(4, `${argv[0]} cannot be started: ${error.reason}`);
    do_exit(task, 0);
    return error.code;
  }
  task.umh = owner;
  kernel.sched.wake_up_new_task(task);
  return 0;
}
