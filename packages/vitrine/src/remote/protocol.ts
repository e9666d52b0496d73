import type { Exit } from '../process.ts';

/** A worker's end of the line to whoever started it, or the other end. */
export interface Port {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** The starter's end also holds the worker. */
export interface WorkerPort extends Port {
  /** The worker ended by itself, or broke down. */
  onExit(listener: (reason: string) => void): void;
  /** Does the worker keep this process from ending? */
  hold(on: boolean): void;
  terminate(): Promise<void>;
}

/** What the starter asks for. `target` is the machine (0), its files (-1), or a process by its handle. */
export interface Call {
  readonly id: number;
  readonly target: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export const MACHINE = 0;
export const FILES = -1;

export type StreamName = 'stdout' | 'stderr';

export type ToWorker =
  | { readonly op: 'call'; readonly call: Call }
  /** A chunk was taken: the next one may come. */
  | { readonly op: 'taken'; readonly handle: number; readonly stream: StreamName }
  | { readonly op: 'cancel'; readonly handle: number; readonly stream: StreamName };

export type FromWorker =
  | { readonly op: 'result'; readonly id: number; readonly value: unknown }
  | { readonly op: 'error'; readonly id: number; readonly error: SentError }
  | {
      readonly op: 'output';
      readonly handle: number;
      readonly stream: StreamName;
      readonly chunk: Uint8Array | null;
    }
  | { readonly op: 'exit'; readonly handle: number; readonly exit: Exit }
  | { readonly op: 'event'; readonly tracepoint: string; readonly event: unknown }
  | { readonly op: 'halted'; readonly halted: { status: number; reason: string } | null };

/** An error on its way: a LinuxError keeps what it knows. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly errno?: number;
  readonly reason?: string;
}

/** A process as the worker tells of it when it has started. */
export interface StartedProcess {
  readonly handle: number;
  readonly pid: number;
  readonly stdin: boolean;
  readonly terminal: boolean;
}
