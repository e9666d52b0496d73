import { ISIG, VINTR, VQUIT } from '@vitrine/uapi/termios.ts';
import { SIGWINCH } from '@vitrine/uapi/signal.ts';
import type { Tty } from '@vitrine/kernel/drivers/tty/tty.ts';
import { hvc_alloc } from '@vitrine/kernel/drivers/tty/tty_io.ts';
import { kernelInfo, kill_pgrp } from '@vitrine/kernel/kernel/signal.ts';
import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import type { Pump, Source } from './streams.ts';

/** The host's side of a process's terminal. */
export interface Terminal {
  /** What somebody typed. */
  input(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
}

/** Stands for the stderr of a process with a terminal: both streams come out of the terminal. */
export const NO_OUTPUT: Source = { take: () => new Uint8Array(), ended: true, close() {} };

/** A terminal of the machine (/dev/hvcN) whose far end the host has. */
export class HostTerminal implements Terminal, Pump, Source {
  readonly tty: Tty;
  done = false;
  readonly #wake: () => void;
  #typed: Uint8Array[] = [];

  constructor(kernel: Kernel, wake: () => void) {
    this.tty = hvc_alloc(kernel);
    this.#wake = wake;
  }

  input(bytes: Uint8Array): void {
    this.#typed.push(bytes);
    this.#wake();
  }

  /** The signal that typing this sends to PID 1, if it has the terminal; null: none, or somebody else. */
  interrupt(bytes: Uint8Array): 'SIGINT' | 'SIGQUIT' | null {
    const { termios, foreground } = this.tty;
    if (!(termios.lflag & ISIG) || foreground?.nr !== 1) return null;
    const typed = (at: number): boolean => termios.cc[at] !== 0 && bytes.includes(termios.cc[at]!);
    return typed(VINTR) ? 'SIGINT' : typed(VQUIT) ? 'SIGQUIT' : null;
  }

  resize(columns: number, rows: number): void {
    const { tty } = this;
    const changed = tty.resize({ row: rows, col: columns, xpixel: 0, ypixel: 0 });
    if (changed && tty.foreground !== null)
      kill_pgrp(tty.foreground, kernelInfo(SIGWINCH, 'the terminal has a new size'));
    this.#wake();
  }

  pump(): boolean {
    let moved = false;
    while (this.#typed.length > 0) {
      const bytes = this.#typed[0]!;
      const n = this.tty.input(bytes);
      moved ||= n > 0;
      if (n < bytes.length) {
        this.#typed[0] = bytes.subarray(n);
        break;
      }
      this.#typed.shift();
    }
    return moved;
  }

  take(max: number): Uint8Array {
    return this.tty.takeOutput(max);
  }

  /** The process that had it is gone, and nobody else has it open. */
  get ended(): boolean {
    return this.tty.files.size === 0 && this.tty.out.length === 0;
  }

  end(): void {
    this.done = true;
  }

  close(): void {
    this.done = true;
  }
}
