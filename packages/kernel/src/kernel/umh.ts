import { SIGCHLD } from '@vitrine/uapi/signal.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { FilesStruct, fput } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { Errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { do_execveat } from './exec.ts';
import { do_exit } from './exit.ts';
import { copy_process } from './fork.ts';
import type { Task } from './task.ts';

const ENVIRONMENT = ['HOME=/', 'TERM=linux', 'PATH=/sbin:/usr/sbin:/bin:/usr/bin'];

/**
 * Starts a program on the kernel's own behalf, as root, with `stdin` as its standard input (call_usermodehelper). Nobody
 * waits for it. @returns false when it cannot be started
 */
export function call_usermodehelper(
  kernel: Kernel & { swapper: Task },
  argv: string[],
  stdin: File,
): boolean {
  const { swapper } = kernel;
  const task = copy_process(swapper, { flags: 0, exit_signal: SIGCHLD, stack: null, tls: 0, parent_tid: 0, child_tid: 0, pidfd: 0 }); // prettier-ignore
  task.kthread = false;
  task.files = new FilesStruct();
  task.files.install(0, stdin.get(), false);
  try {
    do_execveat(task, AT_FDCWD, argv[0]!, argv, ENVIRONMENT, 0);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    kernel.printk(4, `${argv[0]} cannot be started: ${error.reason}`);
    do_exit(task, 0);
    return false;
  } finally {
    fput(swapper, stdin);
  }
  kernel.sched.wake_up_new_task(task);
  return true;
}
