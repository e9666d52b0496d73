import { SIGSEGV, SI_KERNEL } from '@vitrine/uapi/signal.ts';
import { type Cpu, PF_FETCH, RAX, RDI, RSI, RSP } from '@vitrine/x86/cpu.ts';
import { __NR_getcpu, __NR_gettimeofday, __NR_time } from '@vitrine/uapi/unistd.ts';
import { Errno } from '../../include/errno.ts';
import { secure_computing } from '../../kernel/seccomp.ts';
import { force_sig_info } from '../../kernel/signal.ts';
import type { Task } from '../../kernel/task.ts';

/**
 * The vsyscall page of old programs, at 0xffffffffff600000: nothing is mapped there; whoever calls one of its three functions is
 * answered as if it had run (emulate_vsyscall, with vsyscall=xonly).
 */

/** The page's address, as the processor tells it: signed. */
const VSYSCALL_ADDR = -10 * 2 ** 20;
const PAGE = 4096;
/** A function each so many bytes: gettimeofday, time, getcpu. */
const SPACING = 1024;

/** A page fault: was it a call into the page? @returns false when it was something else */
export function emulate_vsyscall(task: Task, cpu: Cpu): boolean {
  const offset = cpu.rip - VSYSCALL_ADDR;
  if ((cpu.errorCode & PF_FETCH) === 0 || offset < 0 || offset >= PAGE) return false;
  try {
    if (offset % SPACING !== 0 || offset / SPACING > 2) return segv(task, cpu);
    const caller = task.mem.getBig(Number(cpu.gpr[RSP]!));
    const result = filtered(task, offset / SPACING, Number(cpu.gpr[RDI]!), Number(cpu.gpr[RSI]!));
    // It has died, or waits for a listener and calls again.
    if (result === null) return true;
    cpu.gpr[RAX] = BigInt(result);
    cpu.rip = Number(BigInt.asIntN(64, caller));
    cpu.gpr[RSP] = cpu.gpr[RSP]! + 8n;
    return true;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return segv(task, cpu);
  }
}

/** The system calls that they are, for filters. */
const CALLS = [__NR_gettimeofday, __NR_time, __NR_getcpu];

/** Asks the filter of system calls first. @returns null where there is no result */
function filtered(task: Task, nr: number, first: number, second: number): number | null {
  if (task.seccomp_mode === 0) return call(task, nr, first, second);
  task.syscall = CALLS[nr]!;
  const verdict = secure_computing(task);
  if (verdict === null) return call(task, nr, first, second);
  if (verdict === 'wait' || task.exiting) return null;
  // A handler of SIGSYS returns to who has called.
  if (verdict === 'skip') return task.syscall;
  return verdict instanceof Errno
    ? -verdict.code
    : Number(BigInt.asIntN(64, verdict.ret as bigint));
}

function call(task: Task, nr: number, first: number, second: number): number {
  const { mem, kernel } = task;
  const { sec, nsec } = kernel.clock.realtime();
  switch (nr) {
    case 0:
      if (first !== 0) {
        mem.putU64(first, sec);
        mem.putU64(first + 8, Math.floor(nsec / 1e3));
      }
      if (second !== 0) {
        mem.putU32(second, kernel.time.tz_minuteswest);
        mem.putU32(second + 4, kernel.time.tz_dsttime);
      }
      return 0;
    case 1:
      if (first !== 0) mem.putU64(first, sec);
      return sec;
    default:
      if (first !== 0) mem.putU32(first, task.cpu);
      if (second !== 0) mem.putU32(second, 0); // the node
      return 0;
  }
}

function segv(task: Task, cpu: Cpu): true {
  force_sig_info(task, {
    signo: SIGSEGV,
    code: SI_KERNEL,
    errno: 0,
    addr: 0,
    reason: `a call into the vsyscall page at 0x${BigInt.asUintN(64, BigInt(cpu.rip)).toString(16)} that it has no function for, or with a bad pointer`,
  });
  return true;
}
