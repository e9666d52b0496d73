import type { Mm } from '../mm/mm.ts';
import type { Task } from './task.ts';

/** Integer registers by their numbers in encoding order, as /proc and core dumps show them. */
export interface Regs {
  readonly gpr: BigUint64Array;
  readonly rip: number;
  readonly rflags: number;
  readonly fsBase: number;
  readonly gsBase: number;
  /** FXSAVE image. */
  readonly fxsave: Uint8Array;
}

/** What kernel/ needs of the processor's side; arch/x86/process.ts implements it. */
export interface Arch {
  /** Bytes of a task's register context. */
  readonly contextSize: number;
  /** The task whose context is in the registers. */
  readonly owner: Task | null;
  /** Gives the child the caller's registers, result 0, and its own stack and TLS base where not null. */
  copy_thread(child: Task, stack: number | null, tls: number | null): void;
  /** A fresh register context that starts at `ip` with stack `sp`; the current task's registers are replaced. */
  start_thread(task: Task, ip: number, sp: number): void;
  /** The CPU stops using an address space that is about to go. */
  leave_mm(task: Task): void;
  /** The task switched to another address space (exec) and is running. */
  activate_mm(task: Task): void;
  /** A task's registers, wherever they are kept now. */
  get_regs(task: Task): Regs;
  /** Maps the vDSO into a new address space. @returns its address, for AT_SYSINFO_EHDR */
  map_vdso(mm: Mm): number;
  /** The clock was set: the vDSO's data follow. */
  update_vsyscall(): void;
}

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly arch: Arch;
    /** PID 1. */
    init: Task | null;
    /** Set when the machine stopped: PID 1's wait status, or why it stopped. */
    halted: { status: number; reason: string } | null;
  }
}
