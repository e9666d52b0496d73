import type { TraceEvents } from '@vitrine/kernel/include/trace.ts';
import { toBytes } from '../bytes.ts';
import { LinuxError } from '../errors.ts';
import type { MachineFs } from '../fs.ts';
import type { BootOptions, ProcessInfo, SpawnOptions } from '../machine.ts';
import { WorkerProcess } from './process.ts';
import { FILES, type FromWorker, MACHINE, type SentError, type StartedProcess, type ToWorker, type WorkerPort } from './protocol.ts'; // prettier-ignore

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

function received({ name, message, ...more }: SentError): Error {
  const error = new Error(message);
  if (name === 'LinuxError') Object.setPrototypeOf(error, LinuxError.prototype);
  return Object.assign(error, { name }, more);
}

/** Options for the worker's own boot. Throws for what cannot be taken there: the caller's own objects. */
function sendable(options: BootOptions): BootOptions {
  if (options.host !== undefined)
    throw new TypeError('a machine in a worker cannot have a host of its own');
  if (options.profile) throw new TypeError('profile is for machines on the own thread');
  if (
    options.image !== undefined &&
    typeof options.image !== 'string' &&
    (options.image.layers !== undefined ||
      options.image.entries.some(({ data }) => data !== undefined && !(data instanceof Uint8Array)))
  )
    // prettier-ignore
    throw new TypeError("a machine in a worker takes an image's name, or an image whose files are bytes");
  const copy = { ...options };
  delete copy.worker;
  return copy;
}

/**
 * A machine in a worker: the same API as {@link LinuxMachine}, except that what it answers at once (`processes`,
 * `snapshot`, `changes`) comes as a promise, and that its kernel cannot be looked at but through tracepoints.
 */
export class WorkerMachine {
  readonly fs: MachineFs;
  readonly #port: WorkerPort;
  readonly #pending: Map<number, Pending> = new Map();
  readonly #processes: Map<number, WorkerProcess> = new Map();
  readonly #listeners: Map<string, Set<(event: never) => void>> = new Map();
  #calls = 0;
  #halted: { status: number; reason: string } | null = null;
  #closed = false;
  #onStop: (() => void)[] = [];

  private constructor(port: WorkerPort) {
    this.#port = port;
    port.onMessage((message) => this.#receive(message as FromWorker));
    port.onExit((reason) => this.#lost(reason));
    // Every method of the files is a call.
    this.fs = new Proxy({} as MachineFs, {
      get: (_, method) => (typeof method === 'string' && method !== 'then' ? (...args: readonly unknown[]) => this.#ask(FILES, method, args) : undefined), // prettier-ignore
    });
  }

  static async boot(port: WorkerPort, options: BootOptions): Promise<WorkerMachine> {
    return WorkerMachine.#start(port, 'boot', [sendable(options)]);
  }

  static async restore(
    port: WorkerPort,
    bytes: Uint8Array,
    options: BootOptions,
  ): Promise<WorkerMachine> {
    // prettier-ignore
    return WorkerMachine.#start(port, 'restore', [bytes, sendable(options)]);
  }

  static async #start(
    port: WorkerPort,
    method: string,
    args: readonly unknown[],
  ): Promise<WorkerMachine> {
    // prettier-ignore
    const machine = new WorkerMachine(port);
    try {
      await machine.#ask(MACHINE, method, args);
    } catch (error) {
      machine.#closed = true;
      await port.terminate();
      throw error;
    }
    return machine;
  }

  readonly #ask = (target: number, method: string, args: readonly unknown[]): Promise<unknown> => {
    if (this.#closed) return Promise.reject(new Error('the machine is closed'));
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#hold();
      try {
        this.#post({ op: 'call', call: { id, target, method, args } });
      } catch (error) {
        this.#pending.delete(id);
        this.#hold();
        reject(error as Error);
      }
    });
  };

  readonly #post = (message: ToWorker): void => {
    if (!this.#closed) this.#port.post(message);
  };

  /** As a child process would, a machine with processes keeps this one from ending. */
  #hold(): void {
    // What comes while the worker ends must not let this process end before.
    if (!this.#closed) this.#port.hold(this.#pending.size > 0 || this.#processes.size > 0);
  }

  #receive(message: FromWorker): void {
    switch (message.op) {
      case 'result':
      case 'error':
        this.#settle(message);
        break;
      case 'output':
        this.#processes.get(message.handle)?.receive(message.stream, message.chunk);
        break;
      case 'exit':
        this.#processes.get(message.handle)?.ended(message.exit);
        break;
      case 'event':
        for (const listener of this.#listeners.get(message.tracepoint) ?? [])
          listener(message.event as never);
        break;
      case 'halted':
        this.#halted ??= message.halted;
        for (const resolve of this.#onStop.splice(0)) resolve();
        break;
    }
    this.#forget();
  }

  #settle(message: Extract<FromWorker, { id: number }>): void {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.op === 'result') pending?.resolve(message.value);
    else pending?.reject(received(message.error));
  }

  /** Processes that have ended and whose output is all here. */
  #forget(): void {
    for (const [handle, process] of this.#processes)
      if (process.over) this.#processes.delete(handle);
    this.#hold();
  }

  #lost(reason: string): void {
    if (!this.#closed) this.#halted ??= { status: 9, reason: `internal error: ${reason}` };
    for (const { reject } of this.#pending.values())
      reject(new Error(`the machine's worker ended: ${reason}`));
    this.#pending.clear();
    for (const process of this.#processes.values()) process.lost();
    this.#processes.clear();
    for (const resolve of this.#onStop.splice(0)) resolve();
  }

  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<WorkerProcess> {
    const { signal, stdin, ...rest } = options;
    signal?.throwIfAborted();
    const stream = typeof stdin === 'object' && !(stdin instanceof Uint8Array);
    const sent = { ...rest, ...(stdin === undefined ? {} : { stdin: stream ? 'pipe' : stdin }) };
    const process = this.#adopt(
      (await this.#ask(MACHINE, 'spawn', [argv, sent])) as StartedProcess,
    );
    if (stream) void feed(process, stdin as AsyncIterable<Uint8Array>);
    if (signal !== undefined) {
      const kill = (): void => process.kill('SIGKILL');
      signal.addEventListener('abort', kill, { once: true });
      void process.wait().then(() => signal.removeEventListener('abort', kill));
    }
    return process;
  }

  #adopt(started: StartedProcess): WorkerProcess {
    const process = new WorkerProcess(started, this.#ask, this.#post);
    this.#processes.set(started.handle, process);
    this.#hold();
    return process;
  }

  async attach(pid: number): Promise<WorkerProcess> {
    return this.#adopt((await this.#ask(MACHINE, 'attach', [pid])) as StartedProcess);
  }

  async processes(): Promise<ProcessInfo[]> {
    return (await this.#ask(MACHINE, 'processes', [])) as ProcessInfo[];
  }

  async snapshot(): Promise<Uint8Array> {
    return (await this.#ask(MACHINE, 'snapshot', [])) as Uint8Array;
  }

  async changes(): Promise<Iterable<Uint8Array>> {
    return (await this.#ask(MACHINE, 'changes', [])) as Uint8Array[];
  }

  /** Listens to a tracepoint; events come as copies, a little later. @returns a function that stops listening */
  on<K extends keyof TraceEvents>(
    tracepoint: K,
    listener: (event: TraceEvents[K]) => void,
  ): () => void {
    const own = listener as (event: never) => void;
    const known = this.#listeners.get(tracepoint);
    if (known === undefined) void this.#ask(MACHINE, 'listen', [tracepoint]).catch(() => {});
    this.#listeners.set(tracepoint, (known ?? new Set()).add(own));
    return () => {
      const left = this.#listeners.get(tracepoint);
      if (left === undefined || !left.delete(own) || left.size > 0) return;
      this.#listeners.delete(tracepoint);
      void this.#ask(MACHINE, 'unlisten', [tracepoint]).catch(() => {});
    };
  }

  get halted(): { status: number; reason: string } | null {
    return this.#halted;
  }

  stopped(): Promise<void> {
    if (this.#halted !== null || this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#onStop.push(resolve));
  }

  /** As {@link LinuxMachine.stop}. */
  async stop(grace = 10): Promise<void> {
    await this.#ask(MACHINE, 'stop', [grace]);
    await this.close();
  }

  /** Ends the machine and its worker. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#ask(MACHINE, 'close', []).catch(() => {});
    this.#closed = true;
    await this.#port.terminate();
    this.#lost('it was closed');
  }
}

async function feed({ stdin }: WorkerProcess, from: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of from) await stdin!.write(toBytes(chunk));
  } catch {
    // The process does not want more.
  }
  stdin!.close();
}
