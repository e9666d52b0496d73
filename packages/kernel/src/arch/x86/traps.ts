import * as S from '@vitrine/uapi/signal.ts';
import {
  DR6_BS,
  PF_FETCH,
  PF_PRESENT,
  PF_WRITE,
  VECTOR_AC,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_DE,
  VECTOR_GP,
  VECTOR_MF,
  VECTOR_OF,
  VECTOR_SS,
  VECTOR_UD,
  VECTOR_XM,
  type Cpu,
} from '@vitrine/x86/cpu.ts';
import { force_sig_info, send_sig } from '../../kernel/signal.ts';
import type { Task } from '../../kernel/task.ts';
import { io_instruction } from './ioport.ts';
import { emulate_vsyscall } from './vsyscall.ts';
import { TASK_SIZE } from '../../mm/pgtable.ts';
import {
  VM_FAULT_ACCERR,
  VM_FAULT_MAPERR,
  VM_FAULT_NONE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  faultReason,
  handle_mm_fault,
} from '../../mm/fault.ts';

// <asm-generic/siginfo.h>: si_code values that the headers give as enum members or macros with casts.
const SEGV_MAPERR = 1;
const SEGV_ACCERR = 2;
const BUS_ADRALN = 1;
const BUS_ADRERR = 2;
const ILL_ILLOPN = 2;
const FPE_INTDIV = 1;
const FPE_FLTDIV = 3;
const FPE_FLTOVF = 4;
const FPE_FLTUND = 5;
const FPE_FLTRES = 6;
const FPE_FLTINV = 7;
const TRAP_BRKPT = 1;
const TRAP_TRACE = 2;

/** The processor saves it as set with a fault, which runs the instruction again, and as clear with a trap. */
const X86_EFLAGS_RF = 0x1_0000;
const TRAPS: ReadonlySet<number> = new Set([VECTOR_DB, VECTOR_BP, VECTOR_OF]);

const hex = (n: number): string => `0x${n.toString(16)}`;

/** #PF (exc_page_fault): the page comes, or the signal does. */
export function exc_page_fault(task: Task, cpu: Cpu): void {
  const address = cpu.faultAddress;
  const code = cpu.errorCode;
  const { trace } = task.kernel;
  if (trace.page_fault_user.enabled)
    trace.page_fault_user.emit({ pid: task.pid, address, ip: cpu.rip, error_code: code });
  const access = (code & PF_WRITE) !== 0 ? 'write' : (code & PF_FETCH) !== 0 ? 'exec' : 'read';
  const mm = task.mm!;
  const result = handle_mm_fault(mm, address, access);
  if (result === VM_FAULT_NONE) {
    task.min_flt++;
    return;
  }
  if (result === VM_FAULT_RETRY) {
    // The instruction is executed again, after the page came or after a signal.
    if (!task.signal_pending()) task.wait_userfault(mm.userfault!, true);
    return;
  }
  if (result === VM_FAULT_OOM) {
    // The out-of-memory killer found nobody else to kill.
    send_sig(
      S.SIGKILL,
      task,
      `out of memory: no page frame for ${hex(address)} and nothing could be freed`,
    );
    return;
  }
  if (address < 0 && emulate_vsyscall(task, cpu)) return;
  task.trap_nr = 14;
  cpu.rflags |= X86_EFLAGS_RF;
  // Of the kernel's addresses nothing is told, not even whether they are mapped (set_signal_archinfo).
  const kernel = address < 0 || address >= TASK_SIZE;
  task.error_code = kernel ? code | PF_PRESENT : code;
  task.cr2 = address;
  const reason = `${access} of ${hex(address)} at ip ${hex(cpu.rip)}: ${faultReason(mm, address, result)}`;
  const bus = result !== VM_FAULT_MAPERR && result !== VM_FAULT_ACCERR;
  fault(
    task,
    bus ? S.SIGBUS : S.SIGSEGV,
    bus ? BUS_ADRERR : result === VM_FAULT_ACCERR ? SEGV_ACCERR : SEGV_MAPERR,
    address,
    reason,
  );
}

function fault(task: Task, sig: number, code: number, addr: number, reason: string): void {
  force_sig_info(task, { signo: sig, code, errno: 0, addr, reason });
}

/** si_code of an x87 or SSE exception: the first unmasked one in order of urgency (fpu__exception_code). */
function fpuCode(status: number, mask: number): number {
  const err = status & ~mask;
  if ((err & 1) !== 0) return FPE_FLTINV;
  if ((err & 4) !== 0) return FPE_FLTDIV;
  if ((err & 8) !== 0) return FPE_FLTOVF;
  if ((err & 0x12) !== 0) return FPE_FLTUND;
  return FPE_FLTRES;
}

/** Every exception but #PF. */
export function handle_exception(task: Task, cpu: Cpu): void {
  const { rip, vector } = cpu;
  if (vector === VECTOR_GP && io_instruction(task, cpu)) return;
  task.trap_nr = vector;
  if (!TRAPS.has(vector)) cpu.rflags |= X86_EFLAGS_RF;
  task.error_code = cpu.errorCode;
  switch (vector) {
    case VECTOR_DE:
      return fault(
        task,
        S.SIGFPE,
        FPE_INTDIV,
        rip,
        `#DE: division by zero or a quotient that does not fit, at ip ${hex(rip)}`,
      );
    case VECTOR_DB:
      // INT1, or ICEBP, leaves no reason in DR6 (exc_debug_user).
      return (cpu.dr6 & DR6_BS) === 0
        ? fault(task, S.SIGTRAP, TRAP_BRKPT, rip, `#DB: int1 at ip ${hex(rip - 1)}`)
        : fault(task, S.SIGTRAP, TRAP_TRACE, rip, `#DB: single step at ip ${hex(rip)}`);
    case VECTOR_BP:
      return force_sig_info(task, {
        signo: S.SIGTRAP,
        code: S.SI_KERNEL,
        errno: 0,
        addr: 0,
        reason: `#BP: int3 before ip ${hex(rip)}`,
      });
    case VECTOR_OF:
      return force_sig_info(task, {
        signo: S.SIGSEGV,
        code: S.SI_KERNEL,
        errno: 0,
        addr: 0,
        reason: `#OF at ip ${hex(rip)}`,
      });
    case VECTOR_UD:
      return fault(
        task,
        S.SIGILL,
        ILL_ILLOPN,
        rip,
        `#UD: no such instruction on this processor, at ip ${hex(rip)}`,
      );
    case VECTOR_SS:
      return force_sig_info(task, {
        signo: S.SIGBUS,
        code: S.SI_KERNEL,
        errno: 0,
        addr: 0,
        reason: `#SS: non-canonical stack address at ip ${hex(rip)}`,
      });
    case VECTOR_GP:
      return force_sig_info(task, {
        signo: S.SIGSEGV,
        code: S.SI_KERNEL,
        errno: 0,
        addr: 0,
        reason: `#GP: a privileged instruction, a non-canonical address or a misaligned SSE operand, at ip ${hex(rip)}`,
      });
    case VECTOR_AC:
      return fault(
        task,
        S.SIGBUS,
        BUS_ADRALN,
        0,
        `#AC: misaligned access with EFLAGS.AC set, at ip ${hex(rip)}`,
      );
    case VECTOR_MF: {
      const image = new Uint8Array(512);
      cpu.fxsave(image);
      const control = image[0]! | (image[1]! << 8);
      const status = image[2]! | (image[3]! << 8);
      return fault(
        task,
        S.SIGFPE,
        fpuCode(status, control & 0x3f),
        rip,
        `#MF: unmasked x87 exception, at ip ${hex(rip)}`,
      );
    }
    case VECTOR_XM:
      return fault(
        task,
        S.SIGFPE,
        fpuCode(cpu.mxcsr & 0x3f, (cpu.mxcsr >> 7) & 0x3f),
        rip,
        `#XM: unmasked SSE exception, at ip ${hex(rip)}`,
      );
    default:
      return fault(task, S.SIGTRAP, TRAP_BRKPT, rip, `exception ${vector} at ip ${hex(rip)}`);
  }
}
