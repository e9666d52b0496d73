import { toBytes } from '../bytes.ts';
import type { Exit } from '../process.ts';
import { OutputStream, type Source } from '../streams.ts';
import type { Terminal } from '../terminal.ts';
import type { StartedProcess, StreamName, ToWorker } from './protocol.ts';

/** Sends a call for a process to the worker. */
export type Ask = (target: number, method: string, args: readonly unknown[]) => Promise<unknown>;

/** A stream's chunks as they come from the worker: one at a time, the next when this one was taken. */
class RemoteSource implements Source {
  #chunk: Uint8Array | null = null;
  over = false;
  readonly #post: (op: 'taken' | 'cancel') => void;

  constructor(post: (op: 'taken' | 'cancel') => void) {
    this.#post = post;
  }

  receive(chunk: Uint8Array | null): void {
    if (chunk === null) this.over = true;
    else this.#chunk = chunk;
  }

  take(): Uint8Array {
    const chunk = this.#chunk;
    if (chunk === null) return new Uint8Array();
    this.#chunk = null;
    this.#post('taken');
    return chunk;
  }

  get ended(): boolean {
    return this.over && this.#chunk === null;
  }

  close(): void {
    if (!this.over) this.#post('cancel');
  }
}

/** A process's standard input, through the worker. */
export class WorkerInput {
  readonly #handle: number;
  readonly #ask: Ask;

  constructor(handle: number, ask: Ask) {
    this.#handle = handle;
    this.#ask = ask;
  }

  /** Resolves when the pipe has taken it. */
  async write(data: string | Uint8Array): Promise<void> {
    await this.#ask(this.#handle, 'write', [toBytes(data)]);
  }

  /** End of file, after what was written. */
  close(): void {
    void this.#ask(this.#handle, 'closeStdin', []).catch(() => {});
  }
}

/** A process of a machine in a worker: as {@link Process}, but that `action` gives a promise. */
export class WorkerProcess {
  readonly pid: number;
  readonly stdin: WorkerInput | null;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly terminal: Terminal | null;
  readonly #handle: number;
  readonly #ask: Ask;
  readonly #sources: Readonly<Record<StreamName, RemoteSource>>;
  #exit: Exit | null = null;
  #waiters: ((exit: Exit) => void)[] = [];

  constructor(
    { handle, pid, stdin, terminal }: StartedProcess,
    ask: Ask,
    post: (message: ToWorker) => void,
  ) {
    this.pid = pid;
    this.#handle = handle;
    this.#ask = ask;
    this.stdin = stdin ? new WorkerInput(handle, ask) : null;
    this.terminal = terminal ? { input: (bytes) => this.#do('input', bytes), resize: (columns, rows) => this.resize(columns, rows) } : null; // prettier-ignore
    const source = (stream: StreamName): RemoteSource =>
      new RemoteSource((op) => post({ op, handle, stream }));
    this.#sources = { stdout: source('stdout'), stderr: source('stderr') };
    this.stdout = this.#output('stdout');
    this.stderr = this.#output('stderr');
  }

  #output(name: StreamName): OutputStream {
    const stream: OutputStream = new OutputStream(this.#sources[name], () => queueMicrotask(() => stream.pump())); // prettier-ignore
    return stream;
  }

  #do(method: string, ...args: readonly unknown[]): void {
    if (this.#exit === null) void this.#ask(this.#handle, method, args).catch(() => {});
  }

  kill(signal: string | number = 'SIGTERM'): void {
    this.#do('kill', signal);
  }

  async action(signal: string | number): Promise<number> {
    return (await this.#ask(this.#handle, 'action', [signal])) as number;
  }

  resize(columns: number, rows: number): void {
    this.#do('resize', columns, rows);
  }

  wait(): Promise<Exit> {
    if (this.#exit !== null) return Promise.resolve(this.#exit);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Has it ended, with all that it wrote? */
  get over(): boolean {
    return this.#exit !== null && this.#sources.stdout.over && this.#sources.stderr.over;
  }

  /** From the worker: bytes of a stream, null at its end. */
  receive(stream: StreamName, chunk: Uint8Array | null): void {
    this.#sources[stream].receive(chunk);
    this[stream].pump();
  }

  ended(exit: Exit): void {
    if (this.#exit !== null) return;
    this.#exit = exit;
    for (const resolve of this.#waiters.splice(0)) resolve(exit);
  }

  /** The worker is gone. */
  lost(): void {
    this.receive('stdout', null);
    this.receive('stderr', null);
    this.ended({ status: null, signal: 'SIGKILL' });
  }
}
