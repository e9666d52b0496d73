import { EINTR, ENOSYS } from '@vitrine/uapi/errno.ts';
import { SIGKILL } from '@vitrine/uapi/signal.ts';
import { RAX, R8, R9, R10, RDI, RDX, RSI, TRAP_EXCEPTION, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL, type Cpu } from '@vitrine/x86/cpu.ts'; // prettier-ignore
import { hold_fd, release_held_files } from '../../fs/fdtable.ts';
import { fsnotify_settle } from '../../fs/fsnotify_backend.ts';
import { BLOCKED, Errno, errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { type Loff, narrow } from '../../include/loff.ts';
import { restore_saved_sigmask, send_sig } from '../../kernel/signal.ts';
import { secure_computing } from '../../kernel/seccomp.ts';
import { syscall_user_dispatch } from '../../kernel/user_dispatch.ts';
import { RESUME_SYSCALL, RESUME_USER, TASK_RUNNING, type Task } from '../../kernel/task.ts';
import { UserfaultWait } from '../../mm/userfaultfd.ts';
import type { Decode } from '../../syscalls/kinds.ts';
import type { SyscallRow } from '../../syscalls/row.ts';
import { do_signal } from './do_signal.ts';
import { RESTORED, setResult } from './result.ts';
import { syscall_name, syscallTable } from './syscall_table.ts';
import { exc_page_fault, handle_exception } from './traps.ts';

/** What one system call counts for against a turn's fuel. */
const CALL_FUEL = 300;

/** System calls between two looks at the clock: some take long. A turn of them ends after so many nanoseconds. */
const CALLS = 8;
const TURN = 1e6;

/** The argument registers in order, as offsets into gpr32. */
const ARGS = [RDI, RSI, RDX, R10, R8, R9].map((reg) => reg * 2);

/**
 * Runs the current task until it blocks, ends, or its turn is over: the way into user mode and out of it (analogous to
 * entry_64.S and kernel/entry/common.c).
 */
export function run_task(kernel: Kernel, task: Task): void {
  const { cpu, sched, host } = kernel;
  let fuel = sched.turn_instructions(task);
  const end = Math.min(kernel.slice_end, host.monotonic() + TURN);
  for (let turns = 1; fuel > 0; turns++) {
    if (task.resume === RESUME_SYSCALL) {
      do_syscall(kernel, task);
      sched.charge(task, 0, 1);
      fuel -= CALL_FUEL;
    }
    // A call that is not through, and does not wait, gives way (a long read).
    if (task.state !== TASK_RUNNING || task.resume === RESUME_SYSCALL) return;
    if (turns % CALLS === 0 && host.monotonic() >= end) return;
    if (task.uring_work !== null) task.task_work_run();
    if (task.sigpending || task.restart_code !== 0 || task.saved_sigmask !== null) {
      if (!do_signal(task)) return;
      if (task.resume === RESUME_SYSCALL) continue;
    }
    if (sched.need_resched) return;
    const before = cpu.retired;
    const trap = cpu.run(fuel);
    const executed = cpu.retired - before;
    fuel -= executed + CALL_FUEL;
    sched.charge(task, executed, trap === TRAP_FUEL ? 0 : 1);
    host.advance?.(executed, trap === TRAP_FUEL ? 0 : 1);
    if (trap === TRAP_SYSCALL) {
      task.syscall = cpu.gpr32[RAX * 2]! | 0;
      task.callState = null;
      if (task.syscall_dispatch !== null && syscall_user_dispatch(task, cpu.rip)) continue;
      do_syscall(kernel, task);
      if (task.resume === RESUME_SYSCALL) return;
    } else if (trap === TRAP_PAGE_FAULT) exc_page_fault(task, cpu);
    else if (trap === TRAP_EXCEPTION) handle_exception(task, cpu);
  }
}

function decodeArg(cpu: Cpu, at: number, how: Decode): Loff {
  const { gpr32 } = cpu;
  switch (how) {
    case 'i32':
      return gpr32[at]! | 0;
    case 'u32':
      return gpr32[at]!;
    case 'u64':
      return gpr32[at]! + gpr32[at + 1]! * 2 ** 32;
    case 'i64':
      return gpr32[at]! + (gpr32[at + 1]! | 0) * 2 ** 32;
    case 'loff': {
      const high = gpr32[at + 1]! | 0;
      // Within 2^52 either way it is a number.
      return high >> 20 === high >> 31
        ? gpr32[at]! + high * 2 ** 32
        : narrow(BigInt.asIntN(64, cpu.gpr[at >> 1]!));
    }
    default:
      return cpu.gpr[at >> 1]!;
  }
}

type Call = (task: Task, ...args: Loff[]) => Loff;

function invoke(task: Task, cpu: Cpu, row: SyscallRow): Loff {
  const d = row.decode;
  const call = row.call as Call;
  switch (d.length) {
    case 0:
      return call(task);
    case 1:
      return call(task, decodeArg(cpu, ARGS[0]!, d[0]!));
    case 2:
      return call(task, decodeArg(cpu, ARGS[0]!, d[0]!), decodeArg(cpu, ARGS[1]!, d[1]!));
    case 3:
      return call(
        task,
        decodeArg(cpu, ARGS[0]!, d[0]!),
        decodeArg(cpu, ARGS[1]!, d[1]!),
        decodeArg(cpu, ARGS[2]!, d[2]!),
      );
    default:
      return call(task, ...d.map((how, i) => decodeArg(cpu, ARGS[i]!, how)));
  }
}

function unknownCall(kernel: Kernel, task: Task): never {
  const name = syscall_name(task.syscall) ?? `number ${task.syscall}`;
  if (!kernel.missing_calls.has(name)) {
    kernel.missing_calls.add(name);
    kernel.printk(5, `${task.comm}[${task.pid}]: system call ${name} is not there (ENOSYS)`);
  }
  throw errno(ENOSYS, 'this kernel has no system call {}', name);
}

/** Executes the system call in task.syscall (do_syscall_64). */
function do_syscall(kernel: Kernel, task: Task): void {
  const { cpu, trace } = kernel;
  const again = task.resume === RESUME_SYSCALL;
  task.resume = RESUME_USER;
  if (!again && trace.sys_enter.enabled) {
    trace.sys_enter.emit({
      pid: task.pid,
      nr: task.syscall,
      args: ARGS.map((at) => decodeArg(cpu, at, 'i64') as number),
    });
  }
  const row = syscallTable[task.syscall];
  let ret: Loff;
  let reason: string | null = null;
  let called = false;
  try {
    const asked = task.seccomp_mode === 0 || (again && task.seccomp_knotif === null);
    const verdict = asked ? null : secure_computing(task);
    if (verdict === null) {
      if (row === undefined || row.support.level === 'none') unknownCall(kernel, task);
      called = true;
      ret = invoke(task, cpu, row!);
    } else if (verdict === 'skip') ret = RESTORED;
    else if (verdict === 'wait') ret = BLOCKED;
    else if (!(verdict instanceof Errno)) ({ ret, reason } = verdict);
    else {
      // Any number may be answered; none of them restarts the call. 0 is no error.
      ret = 0 - verdict.code;
      if (trace.sys_exit.enabled && ret < 0) ({ reason } = verdict);
    }
  } catch (error) {
    if (error instanceof UserfaultWait) ret = wait_userfault(task, error);
    else if (error instanceof Errno) {
      ret = -error.code;
      if (error.code >= 512) task.restart_code = error.code;
      if (trace.sys_exit.enabled) ({ reason } = error);
    } else {
      oops(kernel, task, error);
      return;
    }
  }
  if (ret === BLOCKED) {
    task.resume = RESUME_SYSCALL;
    if (called && task.files.count > 1)
      for (const i of row!.fds) hold_fd(task, cpu.gpr32[ARGS[i]!]! | 0);
    return;
  }
  task.callState = null;
  if (task.held_files !== null) release_held_files(task);
  // Who changed memory that somebody serves goes on when that was read of.
  const changed = task.mm?.userfault_event;
  if (changed) {
    task.mm!.userfault_event = null;
    if (!changed.done && !task.fatal_signal_pending()) task.waitKillable(changed.wqh);
  }
  // A mask for the length of the call ends with it, unless a signal interrupted it (restore_saved_sigmask_unless).
  if (task.saved_sigmask !== null && task.restart_code === 0 && ret !== -EINTR)
    restore_saved_sigmask(task);
  if (task.asked !== null) fsnotify_settle(task);
  if (trace.sys_exit.enabled)
    trace.sys_exit.emit({
      pid: task.pid,
      nr: task.syscall,
      ret: ret === RESTORED ? 0 : Number(ret),
      reason,
    });
  if (ret !== RESTORED && kernel.arch.owner === task) setResult(cpu, ret);
}

/** The call runs again when its page may be there, unless its task is killed first. */
function wait_userfault(task: Task, wait: UserfaultWait): number {
  if (!task.fatal_signal_pending()) return task.wait_userfault(wait.fault, false);
  return -errno(EINTR, 'process {} was killed while it waited for a page', task.pid).code;
}

/** A bug of the kernel's own: it is logged and the task that ran into it dies, as on Linux. */
function oops(kernel: Kernel, task: Task, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  kernel.printk(
    0,
    `Oops: system call ${syscallTable[task.syscall]?.name ?? task.syscall} of ${task.comm}[${task.pid}]: ${text}`,
  );
  task.callState = null;
  release_held_files(task);
  task.signal.unkillable = false;
  send_sig(
    SIGKILL,
    task,
    `an internal error of the kernel in ${syscallTable[task.syscall]?.name ?? 'a system call'} (see the kernel log)`,
  );
}
