import { SIGCHLD } from '@vitrine/uapi/signal.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import type { File } from '../fs/file.ts';
import { copy_fs } from '../fs/fs_struct.ts';
import { set_fs_pwd } from '../fs/fs_struct.ts';
import { FilesStruct } from '../fs/fdtable.ts';
import { path_lookupat } from '../fs/namei.ts';
import { do_execveat } from '../kernel/exec.ts';
import { do_exit } from '../kernel/exit.ts';
import { copy_process } from '../kernel/fork.ts';
import { get_user } from '../include/user.ts';
import type { ControllingTty } from '../kernel/signal_struct.ts';
import type { Task } from '../kernel/task.ts';
import { CAP_EMPTY } from '../include/cred.ts';
import type { Vmlinux } from './main.ts';

/** A program that the host starts. Strings are byte strings. */
export interface SpawnOptions {
  /** The program's path as argv[0] names it; without a slash it is looked up in env's PATH. */
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  /** Standard input, output and error; the task takes over the references. */
  readonly files: readonly (File | null)[];
  /** Becomes the controlling terminal of the new session. */
  readonly tty?: ControllingTty;
}

const LOOKUP_FOLLOW = 1;
const LOOKUP_DIRECTORY = 2;

/**
 * Starts a program as a child of PID 1, or as PID 1 when there is none: in a session of its own, like a login. Throws
 * an Errno (ENOENT, EACCES, ENOEXEC …) when it cannot be started, and leaves nothing behind.
 */
export function spawn(kernel: Vmlinux, options: SpawnOptions): Task {
  const parent = kernel.init ?? kernel.swapper;
  const swapper = kernel.swapper;
  const task = copy_process(swapper, {
    flags: 0,
    exit_signal: SIGCHLD,
    stack: null,
    tls: 0,
    parent_tid: 0,
    child_tid: 0,
    pidfd: 0,
  });
  swapper.children.delete(task);
  const first = kernel.init === null;
  task.parent = task.real_parent = first ? null : parent;
  if (!first) parent.children.add(task);
  if (first) {
    kernel.init = task;
    task.signal.unkillable = true;
  }
  task.kthread = false;
  task.fs = copy_fs(swapper);
  task.files = new FilesStruct();
  options.files.forEach((file, fd) => {
    if (file !== null) task.files.install(fd, file, false);
  });
  newSession(kernel, task, options.tty);
  try {
    if (options.cwd !== undefined) {
      set_fs_pwd(
        task.fs,
        path_lookupat(task, AT_FDCWD, options.cwd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY),
      );
    }
    setIds(task, options);
    const path = options.argv[0]!.includes('/') ? options.argv[0]! : search(task, options);
    if (first) announce(kernel, path, options);
    do_execveat(task, AT_FDCWD, path, [...options.argv], options.env, 0);
  } catch (error) {
    if (first) kernel.init = null;
    task.signal.unkillable = false;
    task.real_parent = null;
    do_exit(task, 0);
    if (first) kernel.halted = null;
    throw error;
  }
  kernel.sched.wake_up_new_task(task);
  return task;
}

/** The kernel says which program becomes PID 1, and with what (run_init_process). */
function announce(kernel: Vmlinux, path: string, { argv, env }: SpawnOptions): void {
  kernel.printk(6, `Run ${path} as init process`);
  kernel.printk(7, '  with arguments:');
  for (const word of argv) kernel.printk(7, `    ${word}`);
  kernel.printk(7, '  with environment:');
  for (const word of env) kernel.printk(7, `    ${word}`);
}

function newSession(kernel: Vmlinux, task: Task, tty: ControllingTty | undefined): void {
  const { pids } = kernel;
  const { signal, thread_pid } = task;
  pids.detach(signal.pgrp, 'pgid', task);
  pids.detach(signal.session, 'sid', task);
  signal.pgrp = signal.session = thread_pid;
  signal.leader = true;
  pids.attach(thread_pid, 'pgid', task);
  pids.attach(thread_pid, 'sid', task);
  if (tty !== undefined) {
    signal.tty = tty;
    tty.session = thread_pid;
    tty.foreground = thread_pid;
  }
}

function setIds(task: Task, options: SpawnOptions): void {
  const uid = options.uid ?? 0;
  const gid = options.gid ?? 0;
  get_user(task.kernel, task.cred.uid).processes--;
  get_user(task.kernel, uid).processes++;
  const caps =
    uid === 0 ? {} : { permitted: CAP_EMPTY, effective: CAP_EMPTY, inheritable: CAP_EMPTY };
  task.cred = task.cred.with({
    uid,
    euid: uid,
    suid: uid,
    fsuid: uid,
    gid,
    egid: gid,
    sgid: gid,
    fsgid: gid,
    groups: options.groups ?? (gid === 0 ? [0] : [gid]),
    ...caps,
  });
}

/** Looks the program up in PATH, as execvp(3): the last error counts, but EACCES more than ENOENT. */
function search(task: Task, options: SpawnOptions): string {
  const name = options.argv[0]!;
  const path = options.env.find((entry) => entry.startsWith('PATH='))?.slice(5) ?? '/bin:/usr/bin';
  for (const dir of path.split(':')) {
    const candidate = `${dir === '' ? '.' : dir}/${name}`;
    try {
      const found = path_lookupat(task, AT_FDCWD, candidate, LOOKUP_FOLLOW);
      if ((found.dentry.inode.mode & 0o170000) === 0o100000) return candidate;
    } catch {
      // Not there: the next folder.
    }
  }
  return name;
}
