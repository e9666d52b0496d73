import type { Image } from '@vitrine/image';
import { do_filp_open } from '@vitrine/kernel/fs/open.ts';
import type { File } from '@vitrine/kernel/fs/file.ts';
import type { Host } from '@vitrine/kernel/include/host.ts';
import type { TraceEvents } from '@vitrine/kernel/include/trace.ts';
import { make_init } from '@vitrine/kernel/init/kthread.ts';
import { PipeFile } from '@vitrine/kernel/fs/pipe.ts';
import { type Vmlinux as Kernel, start_kernel } from '@vitrine/kernel/init/main.ts';
import { restore, snapshot, snapshotRamSize } from '@vitrine/kernel/init/snapshot.ts';
import { spawn } from '@vitrine/kernel/init/spawn.ts';
import { NR_CPUS } from '@vitrine/kernel/kernel/sched/fair.ts';
import { AT_FDCWD, O_NOCTTY, O_RDONLY, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { createCpu, type CpuOptions, type Jit, MAX_RAM, MIN_RAM } from '@vitrine/x86';
import { fromByteString, toByteString, toBytes } from './bytes.ts';
import { asking } from './errors.ts';
import { exportUpper } from './export_layer.ts';
import { MachineFs } from './fs.ts';
import { VirtualHost } from './host/virtual.ts';
import { Profiler, type ProfileOptions } from './profile/profiler.ts';
import type { Recording } from './profile/recording.ts';
import {
  grant,
  makeFolder,
  mountedVolumes,
  mountTmpfs,
  mountVolume,
  offerLayers,
  remountReadonly,
} from './mounts.ts';
import { checkBoot, checkSpawn } from './check.ts';
import { Volumes } from './volumes.ts';
import { LimitGuard, type Limits } from './limits.ts';
import type { Platform } from './platform.ts';
import { Process } from './process.ts';
import {
  type InputStream,
  inputPipe,
  outputPipe,
  OutputStream,
  pipeReader,
  type Pump,
  type Source,
} from './streams.ts';
import { HostTerminal, NO_OUTPUT } from './terminal.ts';
import { resolveUser } from './users.ts';

export const CPU_MODELS = ['x86-64-v2', 'x86-64-v3'] as const;
export type CpuModel = (typeof CPU_MODELS)[number];

export interface BootOptions {
  /** An image's name or the image itself; the embedded busybox without it. */
  image?: string | Image;
  /** Guest RAM: bytes, or text like `256m` or `1g`. */
  memory?: number | string;
  hostname?: string;
  /** The kernel's command line. */
  cmdline?: string;
  /** A clock that runs, or one that only the machine's own work moves on (the same inputs, the same run). */
  clock?: 'real' | 'virtual';
  /** Folders and files of the host that the machine may use, by the place where they appear. The default is none. */
  volumes?: Readonly<Record<string, Volume>>;
  /** Virtual processors, 1 (the default) to 32; one thread of the host executes them in turn. */
  cpus?: number;
  /** File systems in memory, by place, with their options (`size=64m,mode=1777`, or ''). */
  tmpfs?: Readonly<Record<string, string>>;
  /** The root file system cannot be changed; volumes and tmpfs can. */
  readonly?: boolean;
  /** For the virtual clock's entropy. */
  seed?: number;
  /** Another clock and entropy. */
  host?: Host;
  /**
   * Without an init of the machine's own, the first process spawned is PID 1, and the machine stops when it ends, as a
   * container does.
   */
  init?: boolean;
  /**
   * The model of the processor: 'x86-64-v2' without it. 'x86-64-v3' adds AVX2, FMA, F16C, BMI, LZCNT and MOVBE, and AES,
   * PCLMULQDQ and SHA; exact, but not fast yet.
   */
  cpu?: CpuModel;
  /** Compile hot code to WebAssembly (tier 1 of the processor); false: interpret everything. */
  jit?: CpuOptions['jit'];
  /**
   * Machines of a process share translated code. With a folder, or true for one in the user's cache directory, it is kept
   * on disk, too, and the next process starts with it (the built package in Node only).
   */
  jitCache?: string | boolean;
  /**
   * Run it in a worker (a thread of Node, a Web Worker), behind the same API: what it does never keeps this thread.
   * Without it, the machine gives the thread back every few milliseconds.
   */
  worker?: boolean;
  /** Bounds of what the machine may use. */
  limits?: Limits;
  /** Find out where time goes: {@link LinuxMachine.profile} has the result. */
  profile?: boolean | ProfileOptions;
}

/** A folder or a regular file of the host, for a machine. */
export interface Volume {
  /** Its path on the host. */
  readonly host: string;
  readonly readonly?: boolean;
}

export interface SpawnOptions {
  /** Added to the image's environment; undefined takes a name away. */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** `USER[:GROUP]`, names or numbers. */
  user?: string;
  /** Groups besides the user's own, names or numbers. */
  groups?: readonly string[];
  /** Standard input: nothing (the default), some bytes, a stream of bytes, or 'pipe' for `process.stdin`. */
  stdin?: 'pipe' | string | Uint8Array | AsyncIterable<Uint8Array>;
  /** A terminal of its own, of this size. Its output comes in stdout. */
  tty?: boolean | { columns: number; rows: number };
  /** Kills the process when aborted. */
  signal?: AbortSignal;
}

export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly uid: number;
  readonly comm: string;
  /** As /proc/PID/stat shows it: R, S, D, T, Z … */
  readonly state: string;
  readonly threads: number;
}

/** Longest time the machine keeps the thread. */
const SLICE = 4e6;

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
export const DEFAULT_MEMORY: number = 256 * 2 ** 20;

/** `256m` as bytes; Docker's spelling. */
export function parseMemory(memory: number | string): number {
  if (typeof memory === 'number') return memory;
  const match = /^(\d+(?:\.\d+)?)([bkmg]?)i?b?$/i.exec(memory.trim());
  if (match === null) throw new Error(`${memory} is no amount of memory; write 256m or 1g`);
  return Math.floor(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
}

function beyondV2(
  platform: Platform,
  model: CpuModel = 'x86-64-v2',
): Promise<WebAssembly.Module> | undefined {
  // prettier-ignore
  if (!CPU_MODELS.includes(model))
    throw new RangeError(`there is no processor ${model}; there are ${CPU_MODELS.join(' and ')}`);
  return model === 'x86-64-v3' ? platform.processorV3() : undefined;
}

function jitOf(
  platform: Platform,
  { jit = true, jitCache = false }: Pick<BootOptions, 'jit' | 'jitCache'>,
): CpuOptions['jit'] {
  if (jit === false) return false;
  const { generator } = platform;
  return { store: platform.translations(jitCache), generator, ...(jit === true ? {} : jit) };
}

/** RAM for a machine: what is asked for, within the limit, in whole pages of WebAssembly. */
function ramOf(memory: number | string | undefined, limit: number | string | undefined): number {
  const max = limit === undefined ? Infinity : parseMemory(limit);
  const size = memory === undefined ? Math.min(DEFAULT_MEMORY, max) : parseMemory(memory);
  if (size > max) throw new RangeError(`memory is ${memory}, limits.memory allows ${limit}`);
  if (!(size >= MIN_RAM && size <= MAX_RAM))
    throw new RangeError(`a machine has from 64m to 3.5g of memory, not ${memory ?? limit}`);
  return Math.floor(size / 0x1_0000) * 0x1_0000;
}

/** A Linux machine. */
export class LinuxMachine {
  /** The kernel itself: everything about it can be looked at. */
  readonly kernel: Kernel;
  readonly fs: MachineFs;
  readonly image: Image;
  readonly #platform: Platform;
  readonly #pumps: Set<Pump> = new Set();
  readonly #processes: Set<Process> = new Set();
  #scheduled = false;
  #cancelTimer: (() => void) | null = null;
  #closed = false;
  #release: (() => void) | null = null;
  #onHalt: (() => void)[] = [];
  #profiler: Profiler | null = null;
  #jit: Jit | undefined;
  #volumes: Volumes | null = null;
  readonly #guard: LimitGuard;

  private constructor(
    kernel: Kernel,
    image: Image,
    platform: Platform,
    limits: Limits,
    virtual: boolean,
  ) {
    this.#guard = new LimitGuard(kernel, limits, virtual);
    this.kernel = kernel;
    this.image = image;
    this.#platform = platform;
    this.fs = new MachineFs(kernel.swapper);
  }

  static async boot(platform: Platform, options: BootOptions = {}): Promise<LinuxMachine> {
    checkBoot(options);
    const [module, image] = await Promise.all([
      platform.processor(),
      typeof options.image === 'object' ? options.image : platform.image(options.image),
    ]);
    const virtual = options.clock === 'virtual';
    const host = options.host ?? (virtual ? new VirtualHost(options.seed) : platform.makeHost());
    const volumes = Object.entries(options.volumes ?? {});
    const granted = volumes.length > 0 ? grant(host, platform, volumes) : [];
    offerLayers(host, image);
    const limits = options.limits ?? {};
    const ramSize = ramOf(options.memory, limits.memory);
    const cpus = options.cpus ?? 1;
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > NR_CPUS)
      throw new RangeError(`a machine has 1 to ${NR_CPUS} processors, not ${cpus}`);
    const v3 = await beyondV2(platform, options.cpu);
    const cpu = createCpu({ ramSize, module, v3, jit: jitOf(platform, options) });
    const kernel = asking('boot', () =>
      start_kernel({
        host,
        cpu,
        cpus,
        initramfs: image.entries,
        ...(image.layers === undefined ? {} : { layers: image.layers.map(({ id }) => id) }),
        ...(options.hostname === undefined ? {} : { hostname: toByteString(options.hostname) }),
        ...(options.cmdline === undefined ? {} : { cmdline: toByteString(options.cmdline) }),
      }),
    );
    const mounted = volumes.map(([at, volume]) => mountVolume(kernel, at, volume));
    for (const [at, size] of Object.entries(options.tmpfs ?? {})) mountTmpfs(kernel, at, size);
    if (image.layers !== undefined) makeFolder(kernel, image.config.workdir);
    if (options.readonly) remountReadonly(kernel);
    if (options.init !== false) make_init(kernel);
    const machine = new LinuxMachine(kernel, image, platform, limits, virtual);
    machine.#jit = cpu.jit;
    machine.#volumes = new Volumes(granted, mounted);
    const { profile } = options;
    if (profile) machine.#profiler = new Profiler(kernel, profile === true ? {} : profile);
    return machine;
  }

  /**
   * Starts a program. Resolves when it has started; how it ends is for {@link Process.wait}. Rejects with a
   * {@link LinuxError} when it cannot be started.
   */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Process> {
    if (this.#closed) throw new Error('the machine is closed');
    checkSpawn(argv, options);
    options.signal?.throwIfAborted();
    const { kernel } = this;
    const wake = (): void => this.#kick();
    const user = await this.#user(options.user ?? this.image.config.user, options.groups ?? []);
    const io = options.tty ? this.#terminal(options.tty, wake) : this.#pipes(options, wake);
    const { stdin, stdout, stderr, terminal, files } = io;
    const env = { HOME: user.home, HOSTNAME: fromByteString(kernel.uts.nodename), ...(options.tty ? { TERM: 'xterm' } : {}), ...this.image.config.env, ...options.env }; // prettier-ignore
    let task;
    try {
      task = asking(`spawn ${argv[0]!}`, () =>
        spawn(kernel, {
          argv: argv.map(toByteString),
          env: Object.entries(env)
            .filter(([, value]) => value !== undefined)
            .map(([name, value]) => toByteString(`${name}=${value}`)),
          cwd: toByteString(options.cwd ?? this.image.config.workdir),
          uid: user.uid,
          gid: user.gid,
          groups: user.groups,
          files,
          ...(terminal === null ? {} : { tty: terminal.tty }),
        }),
      );
    } catch (error) {
      stdout.cancel();
      stderr.cancel();
      throw error;
    }
    for (const pump of [stdin, stdout, stderr]) if (pump !== null) this.#pumps.add(pump);
    if (terminal !== null) this.#pumps.add(terminal);
    const own = options.stdin === 'pipe' ? stdin : null;
    const process = new Process(kernel, task, { stdin: own, stdout, stderr, terminal }, wake);
    this.#processes.add(process);
    // As a child process would, it keeps this one from ending.
    this.#release ??= this.#platform.hold();
    if (stdin !== null && own === null) void feed(stdin, options.stdin!);
    const { signal } = options;
    if (signal !== undefined) {
      const kill = (): void => process.kill('SIGKILL');
      signal.addEventListener('abort', kill, { once: true });
      void process.wait().then(() => signal.removeEventListener('abort', kill));
    }
    this.#kick();
    return process;
  }

  #pipes({ stdin: given }: SpawnOptions, wake: () => void): Stdio {
    const [stdin, input] =
      given === undefined
        ? [null, do_filp_open(this.kernel.swapper, AT_FDCWD, '/dev/null', O_RDONLY, 0)]
        : inputPipe(this.kernel, wake);
    const counted = (source: Source): Source => this.#guard.counted(source);
    const [stdout, output] = outputPipe(this.kernel, wake, counted);
    const [stderr, errors] = outputPipe(this.kernel, wake, counted);
    return { stdin, stdout, stderr, terminal: null, files: [input, output, errors] };
  }

  /** One terminal for all three; what comes out of it is stdout. */
  #terminal(size: true | { columns: number; rows: number }, wake: () => void): Stdio {
    const { kernel } = this;
    const terminal = new HostTerminal(kernel, wake);
    if (size !== true) terminal.resize(size.columns, size.rows);
    const file = do_filp_open(kernel.swapper, AT_FDCWD, `/dev/${terminal.tty.name}`, O_RDWR | O_NOCTTY, 0); // prettier-ignore
    const stdout = new OutputStream(this.#guard.counted(terminal), wake);
    const stderr = new OutputStream(NO_OUTPUT, wake);
    return { stdin: null, stdout, stderr, terminal, files: [file, file.get(), file.get()] };
  }

  async #user(spec: string, more: readonly string[]): Promise<ReturnType<typeof resolveUser>> {
    const read = async (path: string): Promise<string> => {
      try {
        return await this.fs.readFile(path, 'utf8');
      } catch {
        return '';
      }
    };
    return resolveUser(
      spec === '' ? '0' : spec,
      await read('/etc/passwd'),
      await read('/etc/group'),
      more,
    );
  }

  /** Every process there is. */
  processes(): ProcessInfo[] {
    const list: ProcessInfo[] = [];
    for (const { tasks } of this.kernel.pids.pids.values())
      for (const task of tasks.tgid)
        list.push({
          pid: task.pid,
          ppid: task.real_parent?.tgid ?? 0,
          pgid: task.signal.pgrp.nr,
          sid: task.signal.session.nr,
          uid: task.cred.uid,
          comm: fromByteString(task.comm),
          state: task.state,
          threads: task.signal.threads.size,
        });
    return list.toSorted((a, b) => a.pid - b.pid);
  }

  /** What a machine booted with `profile` has found so far: a flame graph's file, a table. */
  profile(): Recording {
    if (this.#profiler === null) throw new Error('the machine was not booted with profile: true');
    this.#profiler.finish();
    return this.#profiler.recording;
  }

  /** Listens to a tracepoint. @returns a function that stops listening */
  on<K extends keyof TraceEvents>(
    tracepoint: K,
    listener: (event: TraceEvents[K]) => void,
  ): () => void {
    // prettier-ignore
    return this.kernel.trace[tracepoint].on(listener);
  }

  /** Why the machine stopped by itself, or null while it runs. */
  get halted(): { status: number; reason: string } | null {
    return this.kernel.halted;
  }

  /** Resolves when PID 1 has ended. */
  stopped(): Promise<void> {
    if (this.kernel.halted !== null || this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#onHalt.push(resolve));
  }

  /**
   * What the machine changed of the image it was booted from, as the archive of one more layer (`docker commit`), piece by
   * piece. Of an image with layers only.
   */
  changes(): Iterable<Uint8Array> {
    return exportUpper(this.kernel.swapper);
  }

  /**
   * The whole machine as bytes: memory, processes, files, timers, what is half done. {@link restore} goes on from there,
   * in this process or another one. The machine itself goes on undisturbed.
   */
  snapshot(): Uint8Array {
    return snapshot(this.kernel);
  }

  /**
   * A machine that goes on where a snapshot was taken. What hung on the other end of a process's pipes stayed behind:
   * {@link attach} gives new ends.
   * @throws RangeError when the bytes are no snapshot, are truncated, or come from another version
   */
  static async restore(
    platform: Platform,
    bytes: Uint8Array,
    options: Pick<BootOptions, 'image' | 'host' | 'clock' | 'seed' | 'jit' | 'jitCache' | 'limits' | 'cpu' | 'volumes'> = {}, // prettier-ignore
  ): Promise<LinuxMachine> {
    checkBoot(options);
    const ramSize = snapshotRamSize(bytes);
    const [module, image] = await Promise.all([
      platform.processor(),
      typeof options.image === 'object' ? options.image : platform.image(options.image),
    ]);
    const virtual = options.clock === 'virtual';
    const host = options.host ?? (virtual ? new VirtualHost(options.seed) : platform.makeHost());
    const volumes = Object.entries(options.volumes ?? {});
    const granted = volumes.length > 0 ? grant(host, platform, volumes) : [];
    offerLayers(host, image, await platform.layers?.());
    const v3 = await beyondV2(platform, options.cpu);
    const cpu = createCpu({ ramSize, module, v3, jit: jitOf(platform, options) });
    const kernel = restore(bytes, { host, cpu });
    const machine = new LinuxMachine(kernel, image, platform, options.limits ?? {}, virtual);
    machine.#jit = cpu.jit;
    const mounted = volumes.length > 0 ? mountedVolumes(kernel) : [];
    for (const sb of mounted) sb.reopen();
    machine.#volumes = new Volumes(granted, mounted);
    machine.#kick();
    return machine;
  }

  /** A running process by its number, with new readers on the pipes that its standard output and error are. */
  attach(pid: number): Process {
    const { kernel } = this;
    const task = kernel.pids.find(pid)?.task?.group_leader;
    if (!task) throw new Error(`there is no process ${pid}`);
    const wake = (): void => this.#kick();
    const reader = (fd: number): OutputStream => {
      const file = task.files.fd[fd];
      const stream = new OutputStream(file instanceof PipeFile ? this.#guard.counted(pipeReader(kernel, file)) : NO_OUTPUT, wake); // prettier-ignore
      this.#pumps.add(stream);
      return stream;
    };
    const process = new Process(kernel, task, { stdin: null, stdout: reader(1), stderr: reader(2), terminal: null }, wake); // prettier-ignore
    this.#processes.add(process);
    this.#kick();
    return process;
  }

  /**
   * Asks the processes that were spawned to end, with the image's stop signal, and ends the machine when they have, or
   * after `grace` seconds (`docker stop`).
   */
  async stop(grace = 10): Promise<void> {
    const running = [...this.#processes];
    for (const process of running) process.kill(stopSignal(this.image.config.stopSignal));
    let timer: (() => void) | undefined;
    const late = new Promise<void>(
      (resolve) => (timer = this.#platform.later(grace * 1e9, resolve)),
    );
    await Promise.race([Promise.all(running.map((process) => process.wait())), late]);
    timer?.();
    await this.close();
  }

  /** Ends the machine; processes that still run are gone. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.keepTranslations();
    this.#volumes?.release();
    for (const process of this.#processes) process.end(9);
    for (const pump of this.#pumps) pump.end();
    this.#processes.clear();
    this.#letGo();
    this.#pumps.clear();
    for (const resolve of this.#onHalt.splice(0)) resolve();
  }

  /** Has translated code kept where `jitCache` says, as {@link close} does. */
  keepTranslations(): void {
    this.#jit?.save();
  }

  /** Something changed from outside: the machine gets a turn soon. */
  #kick(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#platform.soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#closed) return;
    const { kernel } = this;
    let state: ReturnType<Kernel['run']>;
    const start = performance.now();
    try {
      this.#profiler?.enter();
      state = kernel.run(SLICE);
      this.#profiler?.leave();
    } catch (error) {
      // A bug of the machine's own must not end its host: the machine stops, as real ones do.
      kernel.halted = {
        status: 9,
        reason: `internal error: ${String((error as Error)?.stack ?? error)}`,
      };
      return this.#halt();
    }
    const moved = this.#pump();
    if (state !== 'halted') this.#volumes?.sync(start, state !== 'runnable');
    this.#guard.ran(start);
    if (this.#guard.exceeded !== null) return this.#stop(this.#guard.exceeded);
    if (state === 'halted') return this.#halt();
    if (state === 'runnable' || moved) return this.#kick();
    if (this.#scheduled) return;
    const next = kernel.nextEvent() - kernel.host.monotonic();
    // While processes wait, the wall clock goes on.
    const wall = this.#processes.size > 0 ? this.#guard.wallLeft * 1e6 : Infinity;
    const wait = Math.min(next, wall);
    if (wait !== Infinity) this.#cancelTimer = this.#platform.later(Math.max(0, wait), this.#turn);
  };

  /** The machine goes no further: its processes are killed, what they wrote can be read to the end. */
  #stop(reason: string): void {
    this.kernel.halted ??= { status: 9, reason };
    this.kernel.printk(1, reason);
    this.#halt();
    for (const pump of this.#pumps) pump.end();
    this.#pumps.clear();
  }

  #pump(): boolean {
    let moved = false;
    for (const pump of this.#pumps) {
      if (pump.pump()) moved = true;
      if (pump.done) this.#pumps.delete(pump);
    }
    for (const process of this.#processes) {
      if (!process.settle()) continue;
      this.#processes.delete(process);
      moved = true;
    }
    if (this.#processes.size === 0) this.#letGo();
    return moved;
  }

  #letGo(): void {
    this.#release?.();
    this.#release = null;
  }

  /** PID 1 ended: the pipes keep what was written, nothing runs any more. */
  #halt(): void {
    this.#pump();
    this.#volumes?.sync(0, true);
    for (const resolve of this.#onHalt.splice(0)) resolve();
  }
}

/** `SIGQUIT`, `QUIT` or `3`, as an image's configuration has it. */
const stopSignal = (signal = 'SIGTERM'): string | number =>
  /^\d+$/.test(signal) ? Number(signal) : signal;

interface Stdio {
  readonly stdin: InputStream | null;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly terminal: HostTerminal | null;
  readonly files: File[];
}

async function feed(to: InputStream, from: NonNullable<SpawnOptions['stdin']>): Promise<void> {
  try {
    if (typeof from === 'string' || from instanceof Uint8Array) await to.write(toBytes(from));
    else for await (const chunk of from) await to.write(chunk);
  } catch {
    // The process has closed its standard input: what is left is not wanted.
  }
  to.close();
}
