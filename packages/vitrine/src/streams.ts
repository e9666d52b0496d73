import { EPIPE } from '@vitrine/uapi/errno.ts';
import { O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import { create_pipe_files, PipeFile } from '@vitrine/kernel/fs/pipe.ts';
import type { File } from '@vitrine/kernel/fs/file.ts';
import { Errno } from '@vitrine/kernel/include/errno.ts';
import { IovIter } from '@vitrine/kernel/include/iov.ts';
import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import { concat, toBytes, toText } from './bytes.ts';
import { LinuxError } from './errors.ts';

/** How far a stream that nobody reads runs ahead of its reader. The pipe's own 64 KiB come on top. */
const AHEAD = 65536;

/** One end of a pipe whose other end a process has; the machine calls pump() after each slice. */
export interface Pump {
  /** Moves what can be moved. @returns true when something moved */
  pump(): boolean;
  /** The machine stops. */
  end(): void;
  readonly done: boolean;
}

/** Where output comes from. */
export interface Source {
  /** Up to `max` bytes; an empty array when there are none now. */
  take(max: number): Uint8Array;
  /** Nothing more will come. */
  readonly ended: boolean;
  close(): void;
}

const NOTHING = new Uint8Array();

/** The reading end of a pipe. */
class PipeSource implements Source {
  readonly #kernel: Kernel;
  readonly #end: PipeFile;
  constructor(kernel: Kernel, end: PipeFile) {
    this.#kernel = kernel;
    this.#end = end;
  }

  take(max: number): Uint8Array {
    const { pipe } = this.#end;
    if (pipe.empty) return NOTHING;
    const bytes = new Uint8Array(Math.min(pipe.bytes, max));
    const n = pipe.readBytes(this.#kernel, IovIter.kernel(bytes), true);
    pipe.wakeWriters();
    return bytes.subarray(0, n);
  }

  get ended(): boolean {
    const { pipe } = this.#end;
    return pipe.empty && pipe.writers === 0;
  }

  close(): void {
    this.#end.put(this.#kernel);
  }
}

/** A reading end for the pipe that a process writes to: it takes the place of the one a snapshot left behind. */
export function pipeReader(kernel: Kernel, writer: PipeFile): Source {
  return new PipeSource(kernel, new PipeFile(kernel.swapper, writer.path, O_RDONLY, writer.pipe));
}

/** What a process writes. Reading it is what keeps the process going: an unread stream fills and blocks it. */
export class OutputStream implements Pump, AsyncIterable<Uint8Array> {
  done = false;
  readonly #source: Source;
  readonly #wake: () => void;
  #chunks: Uint8Array[] = [];
  #queued = 0;
  #waiting: (() => void) | null = null;
  #sink: ((chunk: Uint8Array) => Promise<void> | void) | null = null;
  #sinking = false;

  /** @param wake asks for another pump */
  constructor(source: Source, wake: () => void) {
    this.#source = source;
    this.#wake = wake;
  }

  /** Sends every chunk to `sink` as it comes; the next one waits for the promise it returns. */
  forward(sink: (chunk: Uint8Array) => Promise<void> | void): void {
    this.#sink = sink;
    this.#wake();
  }

  pump(): boolean {
    if (this.done) return false;
    const source = this.#source;
    let moved = false;
    while (this.#queued < AHEAD) {
      const bytes = source.take(AHEAD);
      if (bytes.length === 0) break;
      this.#chunks.push(bytes);
      this.#queued += bytes.length;
      moved = true;
    }
    if (source.ended) {
      this.done = true;
      source.close();
      moved = true;
    }
    if (moved) this.#notify();
    if (this.#sink !== null && !this.#sinking && this.#queued > 0) void this.#drain(this.#sink);
    return moved;
  }

  /** The machine stops: what was written can still be read, and then the stream ends. */
  end(): void {
    if (this.done) return;
    for (let bytes = this.#source.take(AHEAD); bytes.length > 0; bytes = this.#source.take(AHEAD)) {
      this.#chunks.push(bytes);
      this.#queued += bytes.length;
    }
    this.done = true;
    this.#source.close();
    this.#notify();
    if (this.#sink !== null && !this.#sinking && this.#queued > 0) void this.#drain(this.#sink);
  }

  /** Nobody will read on: writers get SIGPIPE. */
  cancel(): void {
    if (this.done) return;
    this.done = true;
    this.#chunks = [];
    this.#queued = 0;
    this.#source.close();
    this.#notify();
    this.#wake();
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }

  async #drain(sink: (chunk: Uint8Array) => Promise<void> | void): Promise<void> {
    this.#sinking = true;
    try {
      for (let chunk = this.#take(); chunk !== null; chunk = this.#take()) {
        const accepted = sink(chunk);
        if (accepted !== undefined) await accepted;
      }
    } catch {
      this.cancel();
    }
    this.#sinking = false;
    this.#notify();
  }

  #take(): Uint8Array | null {
    if (this.#queued === 0) return null;
    const chunk = concat(this.#chunks);
    this.#chunks = [];
    this.#queued = 0;
    this.#wake();
    return chunk;
  }

  /** Has everything been handed on? */
  get drained(): boolean {
    return this.done && this.#queued === 0 && !this.#sinking;
  }

  /** Resolves when the stream has ended and all of it was handed on. */
  async finished(): Promise<void> {
    while (!this.drained) await new Promise<void>((resolve) => (this.#waiting = resolve));
  }

  /** The next bytes, or null at the end. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#take();
      if (chunk !== null) return chunk;
      if (this.done) return null;
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) yield chunk;
    } finally {
      this.cancel();
    }
  }

  /** Everything up to the end. */
  async bytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read())
      chunks.push(chunk);
    return chunks.length === 0 ? new Uint8Array() : concat(chunks);
  }

  /** Everything up to the end, as UTF-8. */
  async text(): Promise<string> {
    return toText(await this.bytes());
  }
}

interface Write {
  readonly bytes: Uint8Array;
  at: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A process's standard input. A write resolves when the pipe has taken it, so a slow reader slows the writer. */
export class InputStream implements Pump {
  done = false;
  readonly #kernel: Kernel;
  readonly #end: PipeFile;
  readonly #wake: () => void;
  readonly #writes: Write[] = [];
  #ending = false;

  constructor(kernel: Kernel, end: PipeFile, wake: () => void) {
    this.#kernel = kernel;
    this.#end = end;
    this.#wake = wake;
  }

  write(data: string | Uint8Array): Promise<void> {
    if (this.#ending || this.done) return Promise.reject(this.#closed());
    const bytes = toBytes(data);
    return new Promise((resolve, reject) => {
      this.#writes.push({ bytes, at: 0, resolve, reject });
      this.#wake();
    });
  }

  /** End of file, after what was written. */
  close(): void {
    this.#ending = true;
    this.#wake();
  }

  pump(): boolean {
    if (this.done) return false;
    const { pipe } = this.#end;
    let moved = false;
    while (this.#writes.length > 0) {
      if (pipe.readers === 0) {
        for (const { reject } of this.#writes.splice(0)) reject(this.#closed());
        break;
      }
      const write = this.#writes[0]!;
      const rest = IovIter.kernel(write.bytes.subarray(write.at));
      const n = pipe.writeBytes(this.#kernel, rest, false, true);
      if (n > 0) pipe.wakeReaders();
      moved ||= n > 0;
      write.at += n;
      if (write.at < write.bytes.length) break;
      this.#writes.shift();
      write.resolve();
    }
    if (pipe.readers === 0 || (this.#ending && this.#writes.length === 0)) {
      this.done = true;
      this.#end.put(this.#kernel);
      return true;
    }
    return moved;
  }

  end(): void {
    this.done = true;
    for (const { reject } of this.#writes.splice(0)) reject(this.#closed());
  }

  #closed(): Error {
    return new LinuxError(
      new Errno(EPIPE, 'nobody reads this standard input any more', []),
      'write',
    );
  }
}

/** A pipe that a process writes and the host reads: the stream, and the file for the process. */
export function outputPipe(
  kernel: Kernel,
  wake: () => void,
  counted: (source: Source) => Source,
): [OutputStream, File] {
  const [read, write] = create_pipe_files(kernel.swapper, 0);
  return [new OutputStream(counted(new PipeSource(kernel, read)), wake), write];
}

export function inputPipe(kernel: Kernel, wake: () => void): [InputStream, File] {
  const [read, write] = create_pipe_files(kernel.swapper, 0);
  return [new InputStream(kernel, write, wake), read];
}
