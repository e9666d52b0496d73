import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { fd_install, fget, get_unused_fd } from '../fs/fdtable.ts';
import { PIDFD_THREAD, PidfdFile, pidfd_prepare } from '../fs/pidfs/pidfd.ts';
import * as E from '@vitrine/uapi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '@vitrine/uapi/fcntl.ts';
import * as C from '@vitrine/uapi/sched.ts';
import { SIGCHLD } from '@vitrine/uapi/signal.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import * as W from '@vitrine/uapi/wait.ts';
import { getname } from '../fs/namei.ts';
import { copy_struct_from_user } from '../include/copy_struct.ts';
import { BLOCKED, Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import { argLimit, copy_strings, do_execveat } from '../kernel/exec.ts';
import { do_exit, do_group_exit } from '../kernel/exit.ts';
import { type CloneArgs, copy_process } from '../kernel/fork.ts';
import type { Usage } from '../kernel/signal_struct.ts';
import { PermissionWait } from '../fs/fsnotify_backend.ts';
import type { Task } from '../kernel/task.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import { valid_signal } from '../kernel/signal.ts';
import { type WaitOptions, type WaitResult, do_wait } from '../kernel/wait.ts';
import {
  choice,
  dirfd,
  flags,
  flags64,
  inOutStruct,
  int,
  outStruct,
  path,
  pid,
  ptr,
  size,
  strv,
} from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

/** A vfork in progress: the parent sleeps until the child lets go of the address space. */
class Vfork {
  readonly child: Task;
  readonly pid: number;
  constructor(child: Task) {
    this.child = child;
    this.pid = child.pid;
  }
  static {
    serializable('Vfork', this);
  }
}

/** What fork, vfork, clone and clone3 come to (kernel_clone). */
function kernel_clone(task: Task, args: CloneArgs): number {
  if (task.callState instanceof Vfork) return waitForVfork(task, task.callState);
  if ((args.flags & C.CLONE_PIDFD) !== 0) {
    if ((args.flags & C.CLONE_DETACHED) !== 0)
      throw errno(E.EINVAL, 'clone: CLONE_PIDFD and CLONE_DETACHED exclude each other');
    if ((args.flags & C.CLONE_PARENT_SETTID) !== 0 && args.pidfd === args.parent_tid)
      throw errno(E.EINVAL, 'clone: CLONE_PIDFD and CLONE_PARENT_SETTID write to the same address');
    get_unused_fd(task);
  }
  const child = copy_process(task, args);
  if ((args.flags & C.CLONE_PIDFD) !== 0) {
    const kind = (args.flags & C.CLONE_THREAD) !== 0 ? PIDFD_THREAD : 0;
    const pidfd = pidfd_prepare(task, child.thread_pid, kind);
    task.mem.putU32(args.pidfd, fd_install(task, pidfd, true));
  }
  if ((args.flags & C.CLONE_PARENT_SETTID) !== 0) tell(task, args.parent_tid, child.pid);
  if (child.set_child_tid !== 0) tell(child, child.set_child_tid, child.pid);
  const vfork = (args.flags & C.CLONE_VFORK) !== 0;
  if (vfork) child.vfork_done = new WaitQueue();
  task.kernel.sched.wake_up_new_task(child);
  if (!vfork) return child.pid;
  task.callState = new Vfork(child);
  return waitForVfork(task, task.callState as Vfork);
}

/** Stores a new thread's number; an address that cannot take it is nobody's error. */
function tell(task: Task, address: number, pid: number): void {
  try {
    task.mem.putU32(address, pid);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
}

function waitForVfork(task: Task, state: Vfork): number {
  const queue = state.child.vfork_done;
  return queue === null ? state.pid : task.waitKillable(queue);
}

const NO_ARGS: CloneArgs = {
  flags: 0,
  exit_signal: SIGCHLD,
  stack: null,
  tls: 0,
  parent_tid: 0,
  child_tid: 0,
  pidfd: 0,
};

function sys_fork(task: Task): number {
  return kernel_clone(task, NO_ARGS);
}

function sys_vfork(task: Task): number {
  return kernel_clone(task, { ...NO_ARGS, flags: C.CLONE_VFORK | C.CLONE_VM });
}

function sys_clone(
  task: Task,
  cloneFlags: number,
  stack: number,
  parent_tid: number,
  child_tid: number,
  tls: number,
): number {
  const low = (cloneFlags % 2 ** 32) | 0;
  return kernel_clone(task, {
    flags: low & ~C.CSIGNAL,
    exit_signal: low & C.CSIGNAL,
    stack: stack === 0 ? null : stack,
    tls,
    parent_tid,
    child_tid,
    pidfd: parent_tid,
  });
}

const CLONE_ARGS_SIZE_VER0 = 64;
const CLONE_ARGS_SIZE = 88;

/** The numbers that the child is to have in each pid namespace, of which there is one. */
function setTid(task: Task, address: number, count: number): number[] {
  if (count > 32 || (address === 0) !== (count === 0)) throw errno(E.EINVAL, 'clone3: set_tid and set_tid_size must be given together, not {} numbers', count); // prettier-ignore
  return Array.from({ length: count }, (_, i) => task.mem.getI32(address + i * 4));
}

/** CLONE_INTO_CGROUP: no file here is a directory of a cgroup file system. */
function intoCgroup(fd: number, length: number): never {
  if (length < CLONE_ARGS_SIZE || fd > 0x7fffffff)
    throw errno(E.EINVAL, 'clone3: CLONE_INTO_CGROUP with {} as its descriptor', fd);
  throw errno(E.EBADF, 'clone3: fd {} is no control group', fd);
}

function sys_clone3(task: Task, address: number, length: number): number {
  const view = copy_struct_from_user(task.mem, 'clone3: struct clone_args', address, length, CLONE_ARGS_SIZE_VER0, CLONE_ARGS_SIZE); // prettier-ignore
  const field = (at: number): number => Number(view.getBigUint64(at, true));
  const cloneFlags = field(0);
  const exit_signal = field(32);
  const stack = field(40);
  const stackSize = field(48);
  const high = Math.floor(cloneFlags / 2 ** 32); // CLONE_CLEAR_SIGHAND is 1, CLONE_INTO_CGROUP 2
  if (high > 3) throw errno(E.EINVAL, 'clone3: unknown flags 0x{}', cloneFlags.toString(16)); // prettier-ignore
  const low = (cloneFlags % 2 ** 32) | 0;
  if ((low & (C.CLONE_DETACHED | (C.CSIGNAL & ~C.CLONE_NEWTIME))) !== 0) throw errno(E.EINVAL, 'clone3: flags 0x{} are not for clone3', low.toString(16)); // prettier-ignore
  if ((low & (C.CLONE_THREAD | C.CLONE_PARENT)) !== 0 && exit_signal !== 0) throw errno(E.EINVAL, 'clone3: CLONE_THREAD and CLONE_PARENT take no exit signal'); // prettier-ignore
  if (!valid_signal(exit_signal))
    throw errno(E.EINVAL, 'clone3: exit signal {} does not exist', exit_signal);
  if ((stack === 0) !== (stackSize === 0))
    throw errno(E.EINVAL, 'clone3: stack and stack_size must be given together');
  if (stack + stackSize > TASK_SIZE)
    throw errno(E.EINVAL, 'clone3: the stack lies outside user space');
  if ((high & 2) !== 0) intoCgroup(field(80), length);
  return kernel_clone(task, {
    flags: low,
    exit_signal,
    stack: stack === 0 ? null : stack + stackSize,
    tls: field(56),
    parent_tid: field(24),
    child_tid: field(16),
    pidfd: field(8),
    set_tid: setTid(task, field(64), field(72)),
    clear_sighand: (high & 1) !== 0,
  });
}

function sys_execve(task: Task, filename: number, argv: number, envp: number): number {
  return sys_execveat(task, AT_FDCWD, filename, argv, envp, 0);
}

function sys_execveat(
  task: Task,
  dir: number,
  filename: number,
  argv: number,
  envp: number,
  xflags: number,
): number {
  const name = getname(task, filename);
  if (name === '' && (xflags & AT_EMPTY_PATH) === 0)
    throw errno(E.ENOENT, 'execveat: the path is empty, and AT_EMPTY_PATH is not set');
  if ((xflags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0)
    throw errno(E.EINVAL, 'execveat: unknown flags 0x{}', xflags.toString(16));
  const left = { bytes: argLimit(task) };
  const args = copy_strings(task, argv, left);
  const env = copy_strings(task, envp, left);
  try {
    do_execveat(task, dir, name, args, env, xflags);
  } catch (wait) {
    if (wait instanceof PermissionWait) return wait.park(task);
    throw wait;
  }
  return 0;
}

function sys_exit(task: Task, code: number): number {
  do_exit(task, (code & 0xff) << 8);
  return 0;
}

function sys_exit_group(task: Task, code: number): number {
  do_group_exit(task, (code & 0xff) << 8);
  return 0;
}

function sys_wait4(
  task: Task,
  who: number,
  status: number,
  options: number,
  usage: number,
): number {
  if ((options & ~(W.WNOHANG | W.WUNTRACED | W.WCONTINUED | W.__WNOTHREAD | W.__WCLONE | W.__WALL)) !== 0) throw errno(E.EINVAL, 'wait4: unknown options 0x{}', (options >>> 0).toString(16)); // prettier-ignore
  if (who === -(2 ** 31)) throw errno(E.ESRCH, 'wait4: there is no process group {}', 2 ** 31);
  const { pids } = task.kernel;
  const wait: WaitOptions = {
    type: who === -1 ? 'all' : who > 0 ? 'pid' : 'pgid',
    pid: who === -1 ? null : who === 0 ? task.signal.pgrp : pids.find(Math.abs(who)),
    options: options | W.WEXITED,
  };
  const result = do_wait(task, wait);
  if (result === null) return 0;
  if (typeof result === 'number') return BLOCKED;
  if (status !== 0) task.mem.putU32(status, result.status);
  if (usage !== 0) task.mem.write(usage, rusage_bytes(result.usage));
  return result.pid;
}

export /** What has no news or fails tells so in the siginfo, too, where it can be written. */
function sys_waitid(
  task: Task,
  type: number,
  id: number,
  info: number,
  options: number,
  usage: number,
): number {
  try {
    return kernel_waitid(task, type, id, info, options, usage);
  } catch (error) {
    if (info !== 0 && error instanceof Errno && error.code < 512) put_waitid_info(task, info, null);
    throw error;
  }
}

function put_waitid_info(task: Task, info: number, result: WaitResult | null): void {
  const { mem } = task;
  mem.putU32(info, result === null ? 0 : SIGCHLD);
  mem.putU32(info + 4, 0);
  mem.putU32(info + 8, result?.code ?? 0);
  mem.putU32(info + 16, result?.pid ?? 0);
  mem.putU32(info + 20, result?.uid ?? 0);
  mem.putU32(info + 24, result?.si_status ?? 0);
}

function kernel_waitid(
  task: Task,
  type: number,
  id: number,
  info: number,
  options: number,
  usage: number,
): number {
  if ((options & ~(W.WNOHANG | W.WNOWAIT | W.WEXITED | W.WSTOPPED | W.WCONTINUED | W.__WNOTHREAD | W.__WCLONE | W.__WALL)) !== 0) throw errno(E.EINVAL, 'waitid: unknown options 0x{}', (options >>> 0).toString(16)); // prettier-ignore
  if ((options & (W.WEXITED | W.WSTOPPED | W.WCONTINUED)) === 0)
    throw errno(E.EINVAL, 'waitid: options name none of WEXITED, WSTOPPED, WCONTINUED');
  const { pids } = task.kernel;
  let wait: WaitOptions;
  let nonblock = false;
  if (type === W.P_ALL) wait = { type: 'all', pid: null, options };
  else if (type === W.P_PID || type === W.P_PGID) {
    if (id < 0 || (id === 0 && type === W.P_PID))
      throw errno(E.EINVAL, 'waitid: {} is no process or group id', id);
    wait = {
      type: type === W.P_PID ? 'pid' : 'pgid',
      pid: id === 0 ? task.signal.pgrp : pids.find(id),
      options,
    };
  } else if (type === W.P_PIDFD) {
    if (id < 0) throw errno(E.EINVAL, 'waitid: {} is no descriptor', id);
    const file = fget(task, id);
    if (!(file instanceof PidfdFile))
      throw errno(E.EBADF, 'waitid: fd {} ({}) is not a pidfd', id, file.path);
    nonblock = (file.flags & O_NONBLOCK) !== 0 && (options & W.WNOHANG) === 0;
    if (nonblock) options |= W.WNOHANG;
    wait = { type: 'pid', pid: file.pid, options };
  } else throw errno(E.EINVAL, 'waitid: id type {} is none of P_ALL, P_PID, P_PGID, P_PIDFD', type);
  const result = do_wait(task, wait);
  if (typeof result === 'number') return BLOCKED;
  if (result === null && nonblock)
    throw errno(E.EAGAIN, 'waitid: the process of pidfd {} has not changed', id);
  if (result !== null && usage !== 0) task.mem.write(usage, rusage_bytes(result.usage));
  if (info !== 0) put_waitid_info(task, info, result);
  return 0;
}

/** struct rusage: 144 bytes. */
export function rusage_bytes(usage: Usage): Uint8Array {
  const view = new DataView(new ArrayBuffer(144));
  const put = (index: number, value: number): void =>
    view.setBigInt64(index * 8, BigInt(Math.floor(value)), true);
  put(0, usage.utime / 1e9);
  put(1, (usage.utime % 1e9) / 1e3);
  put(2, usage.stime / 1e9);
  put(3, (usage.stime % 1e9) / 1e3);
  put(4, usage.maxrss * 4);
  put(8, usage.minflt);
  put(9, usage.majflt);
  put(11, usage.inblock);
  put(12, usage.oublock);
  put(16, usage.nvcsw);
  put(17, usage.nivcsw);
  return new Uint8Array(view.buffer);
}

export const PROCESS: readonly SyscallRow[] = [
  row(
    NR.__NR_clone,
    'clone',
    [flags64('clone'), ptr, ptr, ptr, ptr],
    partial('no namespaces'),
    sys_clone,
  ),
  row(NR.__NR_fork, 'fork', [], FULL, sys_fork),
  row(NR.__NR_vfork, 'vfork', [], FULL, sys_vfork),
  row(NR.__NR_clone3, 'clone3', [inOutStruct('clone_args'), size], partial('no namespaces and control groups'), sys_clone3), // prettier-ignore
  row(NR.__NR_execve, 'execve', [path, strv, strv], FULL, sys_execve),
  row(NR.__NR_execveat, 'execveat', [dirfd, path, strv, strv, flags('at')], FULL, sys_execveat),
  row(NR.__NR_exit, 'exit', [int], FULL, sys_exit),
  row(NR.__NR_exit_group, 'exit_group', [int], FULL, sys_exit_group),
  row(
    NR.__NR_wait4,
    'wait4',
    [pid, outStruct('wstatus'), flags('wait'), outStruct('rusage')],
    FULL,
    sys_wait4,
  ),
  row(NR.__NR_waitid, 'waitid', [choice('idtype'), pid, outStruct('siginfo'), flags('waitid'), outStruct('rusage')], FULL, sys_waitid), // prettier-ignore
];
