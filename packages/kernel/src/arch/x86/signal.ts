import {
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESTORER,
  SIGSEGV,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
} from '@vitrine/uapi/signal.ts';
import {
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  RSI,
  RSP, // prettier-ignore
  type Cpu,
} from '@vitrine/x86/cpu.ts';
import { Errno, errno } from '../../include/errno.ts';
import { EFAULT, EINVAL, ENOMEM, EPERM } from '@vitrine/uapi/errno.ts';
import { SIGINFO_SIZE, siginfo_bytes } from '../../kernel/siginfo.ts';
import { force_sig, set_current_blocked, sigmask } from '../../kernel/signal.ts';
import type { SigAction, SigInfo } from '../../kernel/signal_struct.ts';
import type { Task } from '../../kernel/task.ts';
import { fpu_frame_size, initial_fpu, load_fpu, read_fpu, save_fpu } from './fpu.ts';

/**
 * Signal frames (analogous to arch/x86/kernel/signal_64.c). From low to high addresses: return address, ucontext,
 * siginfo; above them the x87 and vector state (fpu.ts), 64-byte aligned.
 */
const UC_FLAGS = 8;
const UC_STACK = 24;
const UC_REGS = 48;
const UC_SIGMASK = UC_REGS + 256;
const INFO = UC_SIGMASK + 8;
const FRAME_SIZE = INFO + SIGINFO_SIZE;
const REDZONE = 128;
const MINSIGSTKSZ = 2048;

/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
const UC_FLAGS_VALUE = 6;
const UC_STRICT_RESTORE_SS = 4n;
/** cs, gs, fs, ss. */
const UC_SEGMENTS = UC_REGS + 144;
const UC_FP_XSTATE = 1;
const USER_CS = 0x33;
/** Of 32-bit code. */
const USER32_CS = 0x23;
const USER_DS = 0x2b;

/** General registers in the order of `struct sigcontext`. */
const ORDER = [R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP];

/** Flags that a handler starts without: direction, trap, resume. */
const CLEARED = 0x400 | 0x100 | 0x1_0000;
/** Flags that sigreturn may restore (FIX_EFLAGS), but for RF, which the next instruction clears. */
const FIX_EFLAGS = 0x4_0dd5;

/** Is the stack pointer on the alternate stack? */
export function on_sig_stack(task: Task, sp: number): boolean {
  if ((task.sas_ss_flags & SS_AUTODISARM) !== 0) return false;
  return task.sas_ss_size > 0 && sp > task.sas_ss_sp && sp - task.sas_ss_sp <= task.sas_ss_size;
}

/** ss_flags as sigaltstack(2) reports them. */
export function sas_ss_flags(task: Task, sp: number): number {
  if (task.sas_ss_size === 0) return SS_DISABLE;
  return on_sig_stack(task, sp) ? SS_ONSTACK : 0;
}

/** Builds the frame and points the registers at the handler. */
export function setup_rt_frame(task: Task, cpu: Cpu, action: SigAction, info: SigInfo): void {
  try {
    writeFrame(task, cpu, action, info);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    force_sigsegv(
      task,
      info.signo,
      `the frame for signal ${info.signo} does not fit its stack: ${error.reason}`,
    );
  }
}

/** A SIGSEGV that cannot be handled because of its own frame is fatal. */
function force_sigsegv(task: Task, sig: number, reason: string): void {
  if (sig === SIGSEGV)
    task.sighand.action[SIGSEGV] = { ...task.sighand.action[SIGSEGV]!, handler: 0 };
  force_sig(task, SIGSEGV, reason);
}

function writeFrame(task: Task, cpu: Cpu, action: SigAction, info: SigInfo): void {
  if ((action.flags & SA_RESTORER) === 0)
    throw errno(EFAULT, 'the handler has no restorer (SA_RESTORER)');
  let sp = Number(cpu.gpr[RSP]);
  const nested = on_sig_stack(task, sp);
  sp -= REDZONE;
  const alternate =
    (action.flags & SA_ONSTACK) !== 0 && sas_ss_flags(task, Number(cpu.gpr[RSP])) === 0;
  if (alternate) sp = task.sas_ss_sp + task.sas_ss_size;
  const fp = Math.floor((sp - fpu_frame_size(cpu)) / 64) * 64;
  const frame = Math.floor((fp - FRAME_SIZE) / 16) * 16 - 8;
  if ((nested || alternate) && !(frame > task.sas_ss_sp)) throw errno(EFAULT, 'the alternate signal stack of {} bytes is too small', task.sas_ss_size); // prettier-ignore

  const bytes = new Uint8Array(FRAME_SIZE);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => {
    view.setUint32(at, value >>> 0, true);
    view.setUint32(at + 4, Math.floor(value / 2 ** 32) >>> 0, true);
  };
  put(0, action.restorer);
  put(UC_FLAGS, UC_FLAGS_VALUE | (cpu.xfeatures === 0 ? 0 : UC_FP_XSTATE));
  put(UC_STACK, task.sas_ss_sp);
  // What sigaltstack was given, not what it would tell (save_altstack).
  view.setUint32(UC_STACK + 8, task.sas_ss_flags, true);
  put(UC_STACK + 16, task.sas_ss_size);
  ORDER.forEach((reg, i) => view.setBigUint64(UC_REGS + i * 8, cpu.gpr[reg]!, true));
  put(UC_REGS + 128, cpu.rip);
  put(UC_REGS + 136, cpu.rflags);
  view.setUint16(UC_REGS + 144, USER_CS, true);
  view.setUint16(UC_REGS + 150, USER_DS, true);
  put(UC_REGS + 152, task.error_code);
  put(UC_REGS + 160, task.trap_nr);
  const mask = task.saved_sigmask ?? task.blocked;
  view.setBigUint64(UC_REGS + 168, mask, true);
  put(UC_REGS + 176, task.cr2);
  put(UC_REGS + 184, fp);
  view.setBigUint64(UC_SIGMASK, mask, true);
  bytes.set(siginfo_bytes(info), INFO);

  task.mem.write(fp, save_fpu(cpu));
  task.mem.write(frame, bytes);

  load_fpu(cpu, initial_fpu(cpu));
  cpu.gpr[RDI] = BigInt(info.signo);
  cpu.gpr[RSI] = BigInt(frame + INFO);
  cpu.gpr[RDX] = BigInt(frame + UC_FLAGS);
  cpu.gpr[RAX] = 0n;
  cpu.gpr[RSP] = BigInt(frame);
  cpu.rip = action.handler;
  cpu.rflags &= ~CLEARED;

  task.saved_sigmask = null;
  if ((task.sas_ss_flags & SS_AUTODISARM) !== 0) {
    task.sas_ss_sp = task.sas_ss_size = 0;
    task.sas_ss_flags = SS_DISABLE;
  }
  set_current_blocked(
    task,
    task.blocked | action.mask | ((action.flags & SA_NODEFER) !== 0 ? 0n : sigmask(info.signo)),
  );
}

/** Makes another stack the alternate one (do_sigaltstack). Throws EPERM, EINVAL, ENOMEM. */
export function set_altstack(
  task: Task,
  sp: number,
  stack: number,
  flags: number,
  size: number,
): void {
  if (on_sig_stack(task, sp))
    throw errno(EPERM, 'sigaltstack: the task runs on the alternate stack now');
  const mode = flags & ~SS_AUTODISARM;
  if (mode !== 0 && mode !== SS_ONSTACK && mode !== SS_DISABLE)
    throw errno(EINVAL, 'sigaltstack: flags 0x{} are not known', (flags >>> 0).toString(16));
  // Nothing changes, not even what would be refused.
  if (stack === task.sas_ss_sp && size === task.sas_ss_size && flags === task.sas_ss_flags) return;
  if (mode === SS_DISABLE) stack = size = 0;
  else if (size < MINSIGSTKSZ)
    throw errno(ENOMEM, 'sigaltstack: {} bytes are less than MINSIGSTKSZ {}', size, MINSIGSTKSZ);
  task.sas_ss_sp = stack;
  task.sas_ss_size = size;
  task.sas_ss_flags = flags;
}

/** The alternate stack as it was, or as the handler changed it in the frame, unless the handler runs on it. */
function restore_altstack(task: Task, cpu: Cpu, view: DataView): void {
  try {
    set_altstack(
      task,
      Number(cpu.gpr[RSP]),
      Number(view.getBigUint64(UC_STACK, true)),
      view.getInt32(UC_STACK + 8, true),
      Number(view.getBigUint64(UC_STACK + 16, true)),
    );
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
}

/** rt_sigreturn(2): takes every register back from the frame. A frame that cannot be read is a SIGSEGV. */
export function restore_frame(task: Task, cpu: Cpu): void {
  const frame = Number(cpu.gpr[RSP]) - 8;
  let bytes: Uint8Array;
  try {
    bytes = task.mem.read(frame, INFO);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    force_sigsegv(
      task,
      0,
      `rt_sigreturn cannot read the frame at 0x${frame.toString(16)}: ${error.reason}`,
    );
    return;
  }
  const view = new DataView(bytes.buffer);
  set_current_blocked(task, view.getBigUint64(UC_SIGMASK, true));
  restore_altstack(task, cpu, view);
  ORDER.forEach((reg, i) => (cpu.gpr[reg] = view.getBigUint64(UC_REGS + i * 8, true)));
  const rip = view.getBigUint64(UC_REGS + 128, true);
  cpu.rip = Number(rip);
  cpu.rflags = (cpu.rflags & ~FIX_EFLAGS) | (view.getUint32(UC_REGS + 136, true) & FIX_EFLAGS);
  if (!restore_fpu(task, cpu, Number(view.getBigUint64(UC_REGS + 184, true)))) return;
  // The return to user mode faults there (#GP): a handler sees the address that was asked for.
  if (BigInt.asIntN(48, rip) !== BigInt.asIntN(64, rip))
    return bad_return(task, 0, `to the non-canonical address 0x${rip.toString(16)}`);
  const cs = view.getUint16(UC_SEGMENTS, true) | 3;
  const ss = view.getUint16(UC_SEGMENTS + 6, true) | 3;
  if (cs !== USER_CS && cs !== USER32_CS)
    bad_return(task, cs & ~3, `with the selector 0x${cs.toString(16)} of no code segment`);
  else if (ss !== USER_DS && view.getBigUint64(UC_FLAGS, true) & UC_STRICT_RESTORE_SS)
    bad_return(task, ss & ~3, `with the selector 0x${ss.toString(16)} of no stack segment`);
}

/** What the frame has cannot be returned to: a general protection fault. */
function bad_return(task: Task, error: number, why: string): void {
  task.trap_nr = 13;
  task.error_code = error;
  force_sigsegv(task, 0, `rt_sigreturn ${why}`);
}

/** @returns false after a SIGSEGV for a state that cannot be read or taken: it is initial then (fpu__clear_user_states) */
function restore_fpu(task: Task, cpu: Cpu, fp: number): boolean {
  let fpu: Uint8Array | null = null;
  try {
    fpu = read_fpu(cpu, task.mem, fp);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
  load_fpu(cpu, fpu ?? initial_fpu(cpu));
  if (fpu !== null) return true;
  force_sigsegv(task, 0, `rt_sigreturn finds no x87 and vector state at 0x${fp.toString(16)}`);
  return false;
}
