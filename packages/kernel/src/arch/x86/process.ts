import { type Cpu, RAX, RSP } from '@vitrine/x86/cpu.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { Arch, Regs } from '../../kernel/arch.ts';
import type { Mm } from '../../mm/mm.ts';
import { io_bitmap_share } from './ioport.ts';
import { Vdso } from './vdso/vma.ts';
import type { Task } from '../../kernel/task.ts';

declare module '../../include/kernel.ts' {
  interface Kernel {
    readonly cpu: Cpu;
    /** CPUID 1 EDX, for AT_HWCAP. */
    readonly hwcap: number;
  }
}

/** The processor's side of tasks (analogous to arch/x86/kernel/process_64.c). */
export class X86 implements Arch {
  readonly kernel: Kernel;
  readonly contextSize: number;
  /** The task whose context is in the registers. */
  owner: Task | null = null;
  /** Top-level table with nothing in it, for moments without an address space. */
  private readonly swapper_pgd: number;
  private readonly vdso: Vdso;

  static {
    serializable('X86', this);
  }

  constructor(kernel: Kernel, swapper_pgd: number) {
    this.kernel = kernel;
    this.contextSize = kernel.cpu.contextSize;
    this.swapper_pgd = swapper_pgd;
    this.vdso = new Vdso(kernel);
  }

  /** Puts a task's context into the registers and its address space into CR3 (__switch_to, switch_mm). */
  switch_to(task: Task): void {
    const { cpu } = this.kernel;
    if (this.owner !== task) {
      this.save();
      cpu.load(task.context);
      this.owner = task;
    }
    cpu.tsd = task.notsc;
    cpu.tscAux = task.cpu; // IA32_TSC_AUX: node 0 above bit 12, the processor below
    const pgd = task.mm === null ? this.swapper_pgd : task.mm.tables.pgd;
    if (cpu.cr3 !== pgd) cpu.cr3 = pgd;
  }

  /** Writes the registers back to the task they belong to. */
  save(): void {
    if (this.owner !== null && !this.owner.dead) this.kernel.cpu.save(this.owner.context);
    this.owner = null;
  }

  copy_thread(child: Task, stack: number | null, tls: number | null): void {
    const { cpu } = this.kernel;
    if (this.owner === null) return; // a kernel thread makes the first process: exec gives it registers
    io_bitmap_share(this.owner, child);
    const rax = cpu.gpr[RAX]!;
    const rsp = cpu.gpr[RSP]!;
    const fs = cpu.fsBase;
    cpu.gpr[RAX] = 0n;
    if (stack !== null) cpu.gpr[RSP] = BigInt(stack);
    if (tls !== null) cpu.fsBase = tls;
    cpu.save(child.context);
    cpu.gpr[RAX] = rax;
    cpu.gpr[RSP] = rsp;
    cpu.fsBase = fs;
  }

  start_thread(task: Task, ip: number, sp: number): void {
    const { cpu } = this.kernel;
    if (this.owner !== task) {
      this.save();
      this.owner = task;
    }
    cpu.reset();
    cpu.rip = ip;
    cpu.gpr[RSP] = BigInt(sp);
  }

  get_regs(task: Task): Regs {
    const { cpu } = this.kernel;
    if (this.owner === task) return readRegs(cpu);
    // The register file is lent to the task for a moment.
    const held = new Uint8Array(this.contextSize);
    cpu.save(held);
    cpu.load(task.context);
    const regs = readRegs(cpu);
    cpu.load(held);
    return regs;
  }

  map_vdso(mm: Mm): number {
    return this.vdso.map(mm);
  }

  update_vsyscall(): void {
    this.vdso.update();
  }

  leave_mm(task: Task): void {
    const { cpu } = this.kernel;
    if (task.mm !== null && cpu.cr3 === task.mm.tables.pgd) cpu.cr3 = this.swapper_pgd;
  }

  activate_mm(task: Task): void {
    if (this.owner === task && task.mm !== null) this.kernel.cpu.cr3 = task.mm.tables.pgd;
  }
}

function readRegs(cpu: Cpu): Regs {
  const fxsave = new Uint8Array(512);
  cpu.fxsave(fxsave);
  return {
    gpr: cpu.gpr.slice(0, 16),
    rip: cpu.rip,
    rflags: cpu.rflags,
    fsBase: cpu.fsBase,
    gsBase: cpu.gsBase,
    fxsave,
  };
}
