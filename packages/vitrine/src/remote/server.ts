import type { TraceEvents } from '@vitrine/kernel/include/trace.ts';
import { LinuxError } from '../errors.ts';
import { type BootOptions, LinuxMachine, type SpawnOptions } from '../machine.ts';
import type { Platform } from '../platform.ts';
import type { Process } from '../process.ts';
import { type Call, FILES, type FromWorker, MACHINE, type Port, type SentError, type StartedProcess, type StreamName, type ToWorker } from './protocol.ts'; // prettier-ignore

function sent(error: unknown): SentError {
  if (error instanceof LinuxError) {
    const { name, message, code, errno, reason } = error;
    return { name, message, code, errno, reason };
  }
  return error instanceof Error ? { name: error.name, message: error.message } : { name: 'Error', message: String(error) }; // prettier-ignore
}

/** The worker's half: one machine, which it runs as it is asked to. */
class Server {
  readonly #port: Port;
  readonly #platform: Platform;
  #machine: LinuxMachine | null = null;
  readonly #processes: Map<number, Process> = new Map();
  readonly #taken: Map<string, () => void> = new Map();
  readonly #listening: Map<string, () => void> = new Map();
  #handles = 0;

  constructor(port: Port, platform: Platform) {
    this.#port = port;
    this.#platform = platform;
  }

  #post(message: FromWorker): void {
    this.#port.post(message);
  }

  receive(message: ToWorker): void {
    if (message.op === 'call') void this.#answer(message.call);
    else if (message.op === 'taken') this.#release(`${message.handle} ${message.stream}`);
    else this.#processes.get(message.handle)?.[message.stream].cancel();
  }

  #release(key: string): void {
    const waiting = this.#taken.get(key);
    this.#taken.delete(key);
    waiting?.();
  }

  async #answer(call: Call): Promise<void> {
    try {
      this.#post({ op: 'result', id: call.id, value: await this.#perform(call) });
    } catch (error) {
      this.#post({ op: 'error', id: call.id, error: sent(error) });
    }
  }

  async #perform({ target, method, args }: Call): Promise<unknown> {
    if (target === MACHINE) return this.#machineCall(method, args);
    const owner: object | undefined =
      target === FILES ? this.#machine!.fs : this.#processes.get(target);
    if (owner === undefined) throw new Error('the process has ended');
    if (target !== FILES) return processCall(owner as Process, method, args);
    return (owner as Record<string, (...args: readonly unknown[]) => unknown>)[method]!(...args);
  }

  async #machineCall(method: string, args: readonly unknown[]): Promise<unknown> {
    switch (method) {
      case 'boot':
        return this.#started(await LinuxMachine.boot(this.#platform, args[0] as BootOptions));
      case 'restore':
        return this.#started(await LinuxMachine.restore(this.#platform, args[0] as Uint8Array, args[1] as BootOptions)); // prettier-ignore
      case 'spawn':
        return this.#process(
          await this.#machine!.spawn(args[0] as string[], args[1] as SpawnOptions),
        );
      case 'attach':
        return this.#process(this.#machine!.attach(args[0] as number));
      case 'processes':
        return this.#machine!.processes();
      case 'snapshot':
        return this.#machine!.snapshot();
      case 'changes':
        return Array.from(this.#machine!.changes(), (chunk) => Uint8Array.from(chunk));
      case 'listen':
        return this.#listen(args[0] as keyof TraceEvents);
      case 'unlisten':
        this.#listening.get(args[0] as string)?.();
        return void this.#listening.delete(args[0] as string);
      case 'stop':
        return this.#machine!.stop(args[0] as number);
      case 'close':
        return this.#machine!.close();
      default:
        throw new Error(`a machine in a worker has no ${method}`);
    }
  }

  #started(machine: LinuxMachine): { hostname: string } {
    this.#machine = machine;
    void machine.stopped().then(() => this.#post({ op: 'halted', halted: machine.halted }));
    return { hostname: machine.kernel.uts.nodename };
  }

  #process(process: Process): StartedProcess {
    const handle = ++this.#handles;
    this.#processes.set(handle, process);
    const streams = (['stdout', 'stderr'] as const).map((stream) => this.#forward(handle, process, stream)); // prettier-ignore
    void process.wait().then(async (exit) => {
      this.#post({ op: 'exit', handle, exit });
      await Promise.all(streams);
      this.#processes.delete(handle);
    });
    return { handle, pid: process.pid, stdin: process.stdin !== null, terminal: process.terminal !== null }; // prettier-ignore
  }

  /** Sends a stream's chunks, the next one when the last was taken. */
  async #forward(handle: number, process: Process, stream: StreamName): Promise<void> {
    process[stream].forward((chunk) => {
      this.#post({ op: 'output', handle, stream, chunk: Uint8Array.from(chunk) });
      return new Promise((resolve) => this.#taken.set(`${handle} ${stream}`, resolve));
    });
    await process[stream].finished();
    this.#post({ op: 'output', handle, stream, chunk: null });
  }

  #listen(tracepoint: keyof TraceEvents): void {
    if (this.#listening.has(tracepoint)) return;
    const stop = this.#machine!.on(tracepoint, (event) => this.#post({ op: 'event', tracepoint, event: plain(event) })); // prettier-ignore
    this.#listening.set(tracepoint, stop);
  }
}

/** An event without what cannot be sent: functions and objects of the kernel. */
function plain(event: object): unknown {
  return JSON.parse(JSON.stringify(event, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))); // prettier-ignore
}

function processCall(process: Process, method: string, args: readonly unknown[]): unknown {
  switch (method) {
    case 'write':
      return process.stdin!.write(args[0] as Uint8Array);
    case 'closeStdin':
      return process.stdin!.close();
    case 'input':
      return process.terminal!.input(args[0] as Uint8Array);
    case 'kill':
      return process.kill(args[0] as string | number);
    case 'action':
      return process.action(args[0] as string | number);
    case 'resize':
      return process.resize(args[0] as number, args[1] as number);
    default:
      throw new Error(`a process in a worker has no ${method}`);
  }
}

/** Runs a machine for whoever is at the other end. */
export function serve(port: Port, platform: Platform): void {
  const server = new Server(port, platform);
  port.onMessage((message) => server.receive(message as ToWorker));
}
