import type { Cpu } from '@vitrine/x86/cpu.ts';
import { run_task } from '../arch/x86/entry.ts';
import { X86 } from '../arch/x86/process.ts';
import { MAJOR, MINOR } from '../fs/kdev_t.ts';
import type { Vfs } from '../fs/vfs.ts';
import { init_fs, mnt_init, vfs_caches_init } from './fs.ts';
import { Cred, UserNamespace } from '../include/cred.ts';
import type { Host } from '../include/host.ts';
import type { Kernel } from '../include/kernel.ts';
import type { AddressSpace } from '../include/pagecache.ts';
import { PAGE_SIZE, type Ram } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import { type Trace, makeTrace } from '../include/trace.ts';
import { defaultMaxThreads } from '../kernel/fork.ts';
import { PidTable } from '../kernel/pid.ts';
import { PrintkLog, vprintk } from '../kernel/printk.ts';
import { Scheduler } from '../kernel/sched/fair.ts';
import { rseq_handle_notify_resume } from '../kernel/rseq.ts';
import { type Module, request_module } from '../kernel/module.ts';
import { RandomPool } from '../kernel/random.ts';
import { SysctlTable } from '../kernel/sysctl.ts';
import type { Task } from '../kernel/task.ts';
import { run_cpu_timers } from '../kernel/time/itimer.ts';
import { TimerQueue } from '../kernel/time/timers.ts';
import { Timekeeper } from '../kernel/time/timekeeping.ts';
import { Kmem } from '../include/kmem.ts';
import type { UserStruct } from '../include/user.ts';
import { Uts } from '../kernel/uts.ts';
import { ExitedMms } from '../mm/dup.ts';
import { OutOfMemory } from '../mm/oom_kill.ts';
import { BuddyAllocator } from '../mm/page_alloc.ts';
import { WorkQueue } from '../include/work.ts';
import { type InitramfsEntry, populate_rootfs } from './initramfs.ts';
import { module_size, mount_modules } from './modules.ts';
import { mount_layers, mount_pseudo } from './mounts.ts';
import { make_kthreadd } from './kthread.ts';

/** What a machine is started with. */
export interface BootOptions {
  readonly host: Host;
  readonly cpu: Cpu;
  /** The root file system's files. */
  readonly initramfs: readonly InitramfsEntry[];
  /** Layers that the host offers, lowest first: the root file system is an overlay of them then. */
  readonly layers?: readonly string[];
  readonly hostname?: string;
  /** The kernel's command line, for /proc/cmdline. */
  readonly cmdline?: string;
  /** Virtual processors, 1 (the default) to 32. */
  readonly cpus?: number;
}

/** One machine's kernel with everything wired: the root of the object graph. */
export class Vmlinux implements Kernel {
  host: Host;
  trace: Trace;
  cpu: Cpu;
  readonly ram: Ram;
  readonly frames: BuddyAllocator;
  readonly clock: Timekeeper;
  readonly timers: TimerQueue = new TimerQueue();
  readonly work: WorkQueue = new WorkQueue();
  readonly log: PrintkLog = new PrintkLog();
  readonly sched: Scheduler;
  readonly pids: PidTable = new PidTable();
  readonly users: Map<number, UserStruct> = new Map();
  readonly page_caches: Set<AddressSpace> = new Set();
  irq_default_affinity: number;
  readonly exited_mms: ExitedMms;
  readonly oom: OutOfMemory;
  readonly uts: Uts;
  readonly random: RandomPool;
  readonly sysctl: SysctlTable = new SysctlTable();
  readonly arch: X86;
  readonly zero_pfn: number;
  readonly kmem: Kmem = new Kmem();
  vfs!: Vfs;
  swapper!: Task;
  readonly hwcap: number = 0x78bfbff;
  readonly cmdline: string;
  readonly modules: Map<string, Module> = new Map();
  readonly missing_calls: Set<string> = new Set();
  nr_threads = 0;
  vm_committed_as = 0;
  shmem_ino: number = 2 ** 20;
  nr_sigqueued = 0;
  max_threads: number;
  total_forks = 0;
  process_limit: number = Infinity;
  slice_end = 0;
  init: Task | null = null;
  halted: { status: number; reason: string } | null = null;

  static readonly transient: readonly string[] = ['host', 'trace', 'cpu', 'ram'];
  static {
    serializable('Vmlinux', this);
  }

  constructor(options: BootOptions) {
    this.host = options.host;
    this.trace = makeTrace();
    this.cpu = options.cpu;
    this.ram = options.cpu.ram;
    this.cmdline = options.cmdline ?? 'console=tty1';
    this.clock = new Timekeeper(this);
    this.frames = new BuddyAllocator(this.ram);
    this.frames.code = this.cpu;
    this.exited_mms = new ExitedMms(this);
    this.oom = new OutOfMemory(this);
    this.frames.reclaimer = this.oom;
    this.kmem.reclaimer = this.oom;
    this.zero_pfn = this.frames.alloc(true);
    this.arch = new X86(this, this.frames.alloc(true) * PAGE_SIZE);
    this.sched = new Scheduler(this, options.cpus ?? 1);
    this.irq_default_affinity = 2 ** this.sched.rqs.length - 1;
    this.uts = new Uts(options.hostname ?? 'vitrine');
    this.random = new RandomPool(this.host);
    this.max_threads = defaultMaxThreads(this);
  }

  get buddy(): BuddyAllocator {
    return this.frames;
  }

  get time(): Timekeeper {
    return this.clock;
  }

  get tlb(): Cpu {
    return this.cpu;
  }

  printk(level: number, text: string): void {
    vprintk(this, level, text);
  }

  request_module(alias: string): void {
    request_module(this, alias, (spec) => module_size(this.uts.release, spec.file));
  }

  get_random_bytes(into: Uint8Array): void {
    this.random.read(into);
  }

  /** When the machine has something to do again by itself: monotonic host time in nanoseconds, or Infinity. */
  nextEvent(): number {
    return this.sched.nr_running > 0 || !this.work.empty
      ? this.host.monotonic()
      : this.clock.hostTime(this.timers.next);
  }

  /**
   * Lets the machine run for at most `budget` nanoseconds of host time (and little more).
   * @returns 'runnable' when there is more to do at once, 'idle' when every task sleeps, 'halted' when PID 1 is gone
   */
  run(budget: number): 'runnable' | 'idle' | 'halted' {
    const { host, sched, timers, clock, work } = this;
    const end = (this.slice_end = host.monotonic() + budget);
    sched.calc_load(clock.now(), 0); // what passed since the last turn was idle time
    for (;;) {
      let now = clock.now();
      sched.rq_clock = now;
      if (timers.next <= now) sched.rqs[0]!.hrtimers += timers.run(now);
      if (!work.empty) work.run();
      if (this.halted !== null) return 'halted';
      const task = sched.pick_next_task();
      if (task === null) {
        if (!work.empty && host.monotonic() < end) continue;
        if (!work.empty) return 'runnable';
        const { next } = timers;
        if (next !== Infinity && host.idleUntil?.(clock.hostTime(next))) {
          sched.calc_load(clock.now(), 0);
          continue;
        }
        if (next <= clock.now()) continue;
        return 'idle';
      }
      this.runTurn(task, now);
      now = clock.now();
      sched.calc_load(now, sched.nr_running);
      if (host.monotonic() >= end) return this.halted !== null ? 'halted' : 'runnable';
    }
  }

  /** One task's turn on the processor. */
  private runTurn(task: Task, start: number): void {
    const { sched, trace, arch } = this;
    const previous = arch.owner;
    if (previous !== task && trace.sched_switch.enabled) {
      trace.sched_switch.emit({
        prev: previous?.pid ?? 0,
        prev_comm: previous?.comm ?? 'swapper',
        next: task.pid,
        next_comm: task.comm,
      });
    }
    sched.current = task;
    arch.switch_to(task);
    if (previous !== task || task.rseq_cpu !== task.cpu) rseq_handle_notify_resume(task);
    const { instructions, calls } = task.se;
    run_task(this, task);
    const { se } = task;
    sched.account(task, this.clock.now() - start, se.instructions - instructions, se.calls - calls);
    sched.put_prev_task(task);
    if (!task.dead) run_cpu_timers(task);
  }
}

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly time: Timekeeper;
    readonly uts: Uts;
    readonly cmdline: string;
    readonly missing_calls: Set<string>;
    /** When the host wants its thread back (host.monotonic). */
    slice_end: number;
    readonly oom: OutOfMemory;
    /** The frames' allocator with its free lists, for /proc. */
    readonly buddy: BuddyAllocator;
  }
}

/** Boots a machine (analogous to start_kernel): every subsystem is set up here and nowhere else. */
export function start_kernel(options: BootOptions): Vmlinux {
  const kernel = new Vmlinux(options);
  kernel.printk(5, `Linux version ${kernel.uts.release} (vitrine) ${kernel.uts.version}`);
  kernel.printk(6, `Command line: ${kernel.cmdline}`);
  kernel.printk(6, 'BIOS-provided physical RAM map:');
  kernel.printk(6, `BIOS-e820: [mem 0x${hex16(0)}-0x${hex16(kernel.ram.base - 1)}] reserved`);
  kernel.printk(
    6,
    `BIOS-e820: [mem 0x${hex16(kernel.ram.base)}-0x${hex16(kernel.ram.size - 1)}] usable`,
  );
  kernel.printk(
    6,
    `Memory: ${kernel.frames.free * 4}K/${Math.floor(kernel.ram.size / 1024)}K available`,
  );
  const cpus = kernel.sched.rqs.length;
  kernel.printk(6, `smpboot: Allowing ${cpus} CPUs, 0 hotplug CPUs`);
  vfs_caches_init(kernel);
  kernel.printk(6, 'landlock: Up and running.');
  const cred = new Cred(new UserNamespace(4026531837, null, 0, 0));
  const boot = make_kthreadd(kernel, cred);
  mnt_init(boot);
  const files = options.initramfs.length;
  if (files > 0) kernel.printk(6, 'Unpacking initramfs...');
  populate_rootfs(boot, options.initramfs);
  if (options.layers !== undefined) mount_layers(boot, options.layers);
  boot.fs = init_fs(kernel);
  mount_pseudo(boot);
  mount_modules(boot);
  if (files > 0) kernel.printk(6, `Unpacked initramfs: ${files} files`);
  const { sb } = boot.fs.root.mnt;
  kernel.printk(
    6,
    `VFS: Mounted root (${sb.type.name} filesystem) on device ${MAJOR(sb.dev)}:${MINOR(sb.dev)}.`,
  );
  kernel.kmem.limit(kernel.frames.total);
  return kernel;
}

const hex16 = (n: number): string => n.toString(16).padStart(16, '0');
