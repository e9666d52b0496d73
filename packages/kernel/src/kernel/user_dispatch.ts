import { EFAULT, EINVAL } from '@vitrine/uapi/errno.ts';
import { PR_SYS_DISPATCH_OFF, PR_SYS_DISPATCH_ON } from '@vitrine/uapi/prctl.ts';
import { SIGSEGV, SIGSYS, SIG_DFL } from '@vitrine/uapi/signal.ts';
import { Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { TASK_SIZE } from '../mm/pgtable.ts';
import { force_sig, force_sig_info } from './signal.ts';
import type { Task } from './task.ts';

/** si_code of SIGSYS: the program's own dispatcher is to look at the call. */
const SYS_USER_DISPATCH = 2;
const SYSCALL_DISPATCH_FILTER_ALLOW = 0;
const SYSCALL_DISPATCH_FILTER_BLOCK = 1;
const AUDIT_ARCH_X86_64 = 0xc000_003e;

/** Analogous to `struct syscall_user_dispatch`: calls from outside the range go to the program's SIGSYS handler. */
export class SyscallUserDispatch {
  readonly offset: number;
  readonly length: number;
  /** Address of the byte that switches it on and off; 0: always on. */
  readonly selector: number;
  constructor(offset: number, length: number, selector: number) {
    this.offset = offset;
    this.length = length;
    this.selector = selector;
  }
  static {
    serializable('SyscallUserDispatch', this);
  }
}

/** prctl(PR_SET_SYSCALL_USER_DISPATCH) */
export function set_syscall_user_dispatch(
  task: Task,
  mode: number,
  offset: number,
  length: number,
  selector: number,
): number {
  if (mode === PR_SYS_DISPATCH_OFF) {
    if (offset !== 0 || length !== 0 || selector !== 0)
      throw errno(EINVAL, 'prctl: PR_SYS_DISPATCH_OFF takes no range and no selector');
    task.syscall_dispatch = null;
    return 0;
  }
  if (mode !== PR_SYS_DISPATCH_ON)
    throw errno(EINVAL, 'prctl: PR_SET_SYSCALL_USER_DISPATCH has no mode {}', mode);
  if (offset !== 0 && (length === 0 || offset + length >= 2 ** 64))
    throw errno(EINVAL, 'prctl: {} bytes at {} are no range of calls', length, offset);
  if (selector >= TASK_SIZE)
    throw errno(EFAULT, 'prctl: the selector at {} is not in user space', selector);
  task.syscall_dispatch = new SyscallUserDispatch(offset, length, selector);
  return 0;
}

function readSelector(task: Task, address: number): number | null {
  try {
    return task.mem.getU8(address);
  } catch (error) {
    if (error instanceof Errno) return null;
    throw error;
  }
}

/** A signal that nobody may handle. */
function force_exit_sig(task: Task, sig: number, reason: string): void {
  task.sighand.action[sig] = { ...task.sighand.action[sig]!, handler: SIG_DFL };
  force_sig(task, sig, reason);
}

/** Before a system call. @returns true when it is not to be executed: the handler of SIGSYS comes instead */
export function syscall_user_dispatch(task: Task, ip: number): boolean {
  const { offset, length, selector } = task.syscall_dispatch!;
  if (ip >= offset && ip < offset + length) return false;
  if (selector !== 0) {
    const state = readSelector(task, selector);
    if (state === null) {
      force_exit_sig(task, SIGSEGV, 'the selector of its system call dispatch cannot be read');
      return true;
    }
    if (state === SYSCALL_DISPATCH_FILTER_ALLOW) return false;
    if (state !== SYSCALL_DISPATCH_FILTER_BLOCK) {
      force_exit_sig(task, SIGSYS, 'the selector of its system call dispatch is neither 0 nor 1');
      return true;
    }
  }
  force_sig_info(task, {
    signo: SIGSYS,
    code: SYS_USER_DISPATCH,
    errno: 0,
    addr: ip,
    syscall: task.syscall,
    arch: AUDIT_ARCH_X86_64,
    reason: 'its system calls are dispatched by itself (PR_SET_SYSCALL_USER_DISPATCH)',
  });
  return true;
}
