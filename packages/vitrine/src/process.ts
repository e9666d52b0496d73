import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import { send_sig, sig_action } from '@vitrine/kernel/kernel/signal.ts';
import type { Task } from '@vitrine/kernel/kernel/task.ts';
import * as SIGNALS from '@vitrine/uapi/signal.ts';
import type { InputStream, OutputStream } from './streams.ts';
import type { Terminal } from './terminal.ts';

/** How a process ended: an exit status, or the signal that killed it. */
export interface Exit {
  readonly status: number | null;
  readonly signal: string | null;
}

const NAMES = new Map<number, string>();
for (const [name, value] of Object.entries(SIGNALS))
  if (/^SIG[A-Z]+[0-9]*$/.test(name) && typeof value === 'number' && value > 0 && value < 32 && !NAMES.has(value)) NAMES.set(value, name); // prettier-ignore

/** `SIGTERM` for 15, `SIGRTMIN+2` for 36; `SIG33` for what the C library keeps for itself. */
export function signalName(signal: number): string {
  if (signal < 34) return NAMES.get(signal) ?? `SIG${signal}`;
  return signal === 34 ? 'SIGRTMIN' : `SIGRTMIN+${signal - 34}`;
}

/** 15 for `SIGTERM`, `TERM` or 15; 36 for `SIGRTMIN+2`. */
export function signalNumber(signal: string | number): number {
  if (typeof signal === 'number') return signal;
  const wanted = signal.startsWith('SIG') ? signal : `SIG${signal}`;
  for (const [value, name] of NAMES) if (name === wanted) return value;
  const real = /^SIG(?:(\d+)|RTMIN(?:\+(\d+))?)$/.exec(wanted);
  const number = real === null ? 0 : Number(real[1] ?? 34 + Number(real[2] ?? 0));
  if (number > 0 && number <= 64) return number;
  throw new Error(`no signal is called ${signal}`);
}

/** The status a shell would show: 128 and the signal's number when one killed it. */
export function shellStatus({ status, signal }: Exit): number {
  return status ?? 128 + signalNumber(signal!);
}

/** A process that the host started. */
export class Process {
  readonly pid: number;
  /** Null unless it was spawned with `stdin: 'pipe'`. */
  readonly stdin: InputStream | null;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** The terminal it was given with `tty`. */
  readonly terminal: Terminal | null;

  readonly #kernel: Kernel;
  readonly #task: Task;
  readonly #wake: () => void;
  #exit: Exit | null = null;
  #waiters: ((exit: Exit) => void)[] = [];

  constructor(
    kernel: Kernel,
    task: Task,
    stdio: {
      stdin: InputStream | null;
      stdout: OutputStream;
      stderr: OutputStream;
      terminal: Terminal | null;
    },
    wake: () => void,
  ) {
    this.#kernel = kernel;
    this.#task = task;
    this.#wake = wake;
    this.pid = task.pid;
    this.stdin = stdio.stdin;
    this.stdout = stdio.stdout;
    this.stderr = stdio.stderr;
    this.terminal = stdio.terminal;
  }

  /** Sends a signal, as root would. Does nothing when the process has ended. */
  kill(signal: string | number = 'SIGTERM'): void {
    if (this.#exit !== null || this.#task.dead) return;
    send_sig(signalNumber(signal), this.#task, "sent by the machine's user");
    this.#wake();
  }

  /** What it does on a signal: the address of its handler, SIG_DFL or SIG_IGN. */
  action(signal: string | number): number {
    return sig_action(this.#task, signalNumber(signal)).handler;
  }

  /** Tells the terminal, and so the programs in it (SIGWINCH), its new size. */
  resize(columns: number, rows: number): void {
    this.terminal?.resize(columns, rows);
    this.#wake();
  }

  /** Resolves when the process has ended. Its output may still have to be read. */
  wait(): Promise<Exit> {
    if (this.#exit !== null) return Promise.resolve(this.#exit);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Has it ended? The machine asks after each slice. */
  settle(): boolean {
    if (this.#exit !== null) return true;
    const task = this.#task;
    const whole = [...task.signal.threads].every((thread) => thread.dead);
    if (!task.dead || !whole) {
      if (this.#kernel.halted === null) return false;
      // The machine stopped under it.
      this.end(task.dead ? task.exit_code : 9);
      return true;
    }
    this.end(task.signal.group_exit ?? task.exit_code);
    return true;
  }

  /** @param code wait status */
  end(code: number): void {
    if (this.#exit !== null) return;
    const signal = code & 0x7f;
    this.#exit = signal === 0 ? { status: (code >> 8) & 0xff, signal: null } : { status: null, signal: signalName(signal) }; // prettier-ignore
    for (const resolve of this.#waiters.splice(0)) resolve(this.#exit);
  }
}
