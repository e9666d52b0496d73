/** Where a machine's time goes: guest functions, page walks, translation, the kernel by system call. */
import { syscallTable } from '@vitrine/kernel/arch/x86/syscall_table.ts';
import { kernel_read } from '@vitrine/kernel/fs/read_write.ts';
import type { File } from '@vitrine/kernel/fs/file.ts';
import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import type { Task } from '@vitrine/kernel/kernel/task.ts';
import type { Vma } from '@vitrine/kernel/mm/vma.ts';
import { RAX, TRAP_EXCEPTION, TRAP_FUEL, TRAP_PAGE_FAULT, TRAP_SYSCALL, type Cpu, type CpuCounters } from '@vitrine/x86/cpu.ts'; // prettier-ignore
import { fromByteString } from '../bytes.ts';
import { Recording } from './recording.ts';
import { Symbols } from './symbols.ts';
import { unwind } from './unwind.ts';

export interface ProfileOptions {
  /** Instructions between two samples. */
  readonly interval?: number;
}

const INTERVAL = 100_000;
/** Kernel time of one call is noted with its caller's stack once it has come to this, in nanoseconds. */
const NOTED = 50_000;
/** What a page walk takes, in nanoseconds: an estimate, since measuring each would take longer. */
const WALK = 25;

const TRAPS: Readonly<Record<number, string>> = {
  [TRAP_FUEL]: 'scheduler',
  [TRAP_PAGE_FAULT]: 'page fault',
  [TRAP_EXCEPTION]: 'exception',
};

/** What a thread has used since its last sample. */
interface Meter {
  left: number;
  instructions: number;
  nanoseconds: number;
  readonly kernel: Map<string, number>;
}

const nowNs = (): number => performance.now() * 1e6;

/** Listens to a machine's processor; {@link Recording} has what it found. */
export class Profiler {
  readonly recording: Recording = new Recording();
  readonly #kernel: Kernel;
  readonly #cpu: Cpu;
  readonly #interval: number;
  readonly #meters = new WeakMap<Task, Meter>();
  readonly #symbols = new WeakMap<object, Symbols>();
  readonly #run: Cpu['run'];
  /** Since when the kernel has been at work, for what, and for whom; 0 while the machine is not running. */
  #since = 0;
  #what = 'scheduler';
  #task: Task | null = null;

  constructor(kernel: Kernel, { interval = INTERVAL }: ProfileOptions = {}) {
    this.#kernel = kernel;
    this.#cpu = kernel.cpu;
    this.#interval = interval;
    this.#run = kernel.cpu.run.bind(kernel.cpu);
    // A thread that ends leaves what it has used since its last sample.
    kernel.trace.sched_process_exit.on(() => {
      const task = kernel.sched.current as Task | null;
      if (task !== null) this.#flush(task);
      if (task === this.#task) this.#task = null;
    });
    kernel.cpu.clock = nowNs;
    kernel.cpu.run = (fuel) => this.#measured(fuel);
  }

  /** The machine gets a turn; what passed since the last one was not its time. */
  enter(): void {
    this.#since = nowNs();
    this.#what = 'scheduler';
    this.#task = null;
  }

  leave(): void {
    this.#endKernel(nowNs());
    this.#since = 0;
  }

  #meter(task: Task): Meter {
    let meter = this.#meters.get(task);
    if (!meter) {
      meter = { left: this.#interval, instructions: 0, nanoseconds: 0, kernel: new Map() };
      this.#meters.set(task, meter);
    }
    return meter;
  }

  /** As the processor's own `run`, stopping at every sample. */
  #measured(fuel: number): number {
    const task = this.#kernel.sched.current as Task;
    const meter = this.#meter(task);
    let left = fuel;
    let start = nowNs();
    this.#endKernel(start);
    for (;;) {
      const piece = fuel === 1 ? 1 : Math.max(2, Math.min(left, meter.left));
      const retired = this.#cpu.retired;
      const before = this.#cpu.counters();
      const trap = this.#run(piece);
      const end = nowNs();
      const executed = this.#cpu.retired - retired;
      meter.left -= executed;
      meter.instructions += executed;
      meter.nanoseconds += this.#recordOverheads(task, before, end - start);
      if (meter.left <= 0) this.#sample(task, meter);
      start = nowNs();
      left -= executed;
      if (trap === TRAP_FUEL && left > 0 && fuel > 1) continue;
      this.#beginKernel(task, trap, start);
      return trap;
    }
  }

  /** Takes what was not the guest's own out of a piece's time. @returns the rest */
  #recordOverheads(task: Task, before: CpuCounters, elapsed: number): number {
    const after = this.#cpu.counters();
    const translation = after.translationNs - before.translationNs;
    const compilation = after.compilationNs - before.compilationNs;
    const rest = Math.max(0, elapsed - translation - compilation);
    const walks = Math.min(rest, (after.pageWalks - before.pageWalks) * WALK);
    const process = this.#process(task);
    this.recording.add('translation', [process, '[translation]'], translation, 0);
    this.recording.add('compilation', [process, '[compilation]'], compilation, 0);
    this.recording.add('page walks', [process, '[page walks]'], walks, 0);
    this.recording.pageWalks += after.pageWalks - before.pageWalks;
    return rest - walks;
  }

  #sample(task: Task, meter: Meter): void {
    this.recording.add('guest', this.#stack(task), meter.nanoseconds, meter.instructions);
    meter.left = this.#interval;
    meter.instructions = meter.nanoseconds = 0;
  }

  #beginKernel(task: Task, trap: number, now: number): void {
    this.#since = now;
    this.#task = task;
    this.#what = TRAPS[trap] ?? 'trap';
    if (trap !== TRAP_SYSCALL) return;
    const nr = this.#cpu.gpr32[RAX * 2]!;
    this.#what = syscallTable[nr]?.name ?? `system call ${nr}`;
    this.recording.count(this.#what);
  }

  /** The kernel's time since the last trap belongs to who trapped, whoever runs next. */
  #endKernel(now: number): void {
    const elapsed = this.#since === 0 ? 0 : now - this.#since;
    this.#since = 0;
    if (this.#task === null)
      return this.recording.add('kernel', ['[kernel]', this.#what], elapsed, 0);
    const { kernel } = this.#meter(this.#task);
    const sum = (kernel.get(this.#what) ?? 0) + elapsed;
    if (sum < NOTED) return void kernel.set(this.#what, sum);
    kernel.delete(this.#what);
    // Whoever has changed its address space or ended since has no stack to show.
    const own = this.#kernel.sched.current === this.#task && this.#kernel.arch.owner === this.#task;
    const stack = own ? this.#stack(this.#task) : [this.#process(this.#task)];
    this.recording.add('kernel', [...stack, '[kernel]', this.#what], sum, 0);
  }

  /** Notes what threads have used since their last samples; at the end. */
  finish(): void {
    for (const { tasks } of this.#kernel.pids.pids.values())
      for (const leader of tasks.tgid)
        for (const task of (leader as Task).signal.threads) this.#flush(task);
  }

  #flush(task: Task): void {
    const meter = this.#meters.get(task);
    if (!meter) return;
    for (const [what, sum] of meter.kernel) this.recording.add('kernel', [this.#process(task), '[kernel]', what], sum, 0); // prettier-ignore
    meter.kernel.clear();
    this.recording.add('guest', [this.#process(task)], meter.nanoseconds, meter.instructions);
    meter.instructions = meter.nanoseconds = 0;
  }

  #process(task: Task): string {
    return `${fromByteString(task.comm)}[${task.tgid}]`;
  }

  /** Names from the outermost to the innermost. */
  #stack(task: Task): string[] {
    const { mm } = task;
    if (mm === null) return [this.#process(task)];
    const places = unwind(this.#cpu, mm);
    const names = places.map((va, i) => this.#name(mm.vmas.at(va), i === 0 ? va : va - 1));
    return [this.#process(task), ...names.toReversed()];
  }

  #name(vma: Vma | null, va: number): string {
    if (vma === null) return '[unmapped]';
    if (vma.file === null) return vma.name ?? '[generated code]';
    const file = vma.file as File;
    const offset = va - vma.start + vma.pgoff * 4096;
    const base = fromByteString(file.path.dentry.name);
    const symbol = this.#symbolsOf(file).at(offset);
    if (symbol === undefined) return `${base}[0x${(offset - (offset % 1024)).toString(16)}]`;
    return symbol.startsWith('+') ? base + symbol : symbol;
  }

  #symbolsOf(file: File): Symbols {
    let symbols = this.#symbols.get(file.inode);
    if (symbols) return symbols;
    try {
      symbols = Symbols.read((position, into) =>
        kernel_read(this.#kernel.swapper, file, position, into),
      );
    } catch {
      // A file that cannot be read has no names.
      symbols = Symbols.read(() => 0);
    }
    this.#symbols.set(file.inode, symbols);
    return symbols;
  }
}
