import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import type { Source } from './streams.ts';

/** Bounds of a machine, set by whoever owns it. What goes beyond is refused, or the machine stops, with the reason. */
export interface Limits {
  /** Guest RAM, as `memory` takes it: that option may not ask for more. Programs that want more meet Linux's OOM killer. */
  readonly memory?: number | string;
  /** Processes and threads at a time: fork fails with EAGAIN beyond. */
  readonly processes?: number;
  /** Seconds of the host's processor that the machine may use in all. */
  readonly cpuSeconds?: number;
  /** Bytes that its programs may write to their standard output, standard error and terminals. */
  readonly outputBytes?: number;
  /** Seconds from boot on. */
  readonly wallSeconds?: number;
}

/** What the virtual clock counts for an instruction. */
const NS_PER_INSTRUCTION = 5;

function positive(name: keyof Limits, value: number | undefined): number {
  if (value === undefined) return Infinity;
  if (!(value > 0)) throw new RangeError(`limits.${name} is ${value}; it must be more than 0`);
  return value;
}

/** Watches over a machine's limits; `exceeded` says which one it went beyond. */
export class LimitGuard {
  readonly #kernel: Kernel;
  readonly #virtual: boolean;
  readonly #cpu: number;
  readonly #wall: number;
  readonly #output: number;
  #usedCpu = 0;
  #written = 0;
  exceeded: string | null = null;

  /** @param virtual time is the machine's own: processor time is counted in instructions, so that runs stay the same */
  constructor(kernel: Kernel, limits: Limits, virtual: boolean) {
    this.#kernel = kernel;
    this.#virtual = virtual;
    this.#cpu = positive('cpuSeconds', limits.cpuSeconds) * 1000;
    this.#wall = performance.now() + positive('wallSeconds', limits.wallSeconds) * 1000;
    this.#output = positive('outputBytes', limits.outputBytes);
    kernel.process_limit = positive('processes', limits.processes);
  }

  /** Milliseconds that the machine may go on without being looked at, while it does nothing. */
  get wallLeft(): number {
    return this.#wall - performance.now();
  }

  /** After a slice that began at `start` (performance.now). */
  ran(start: number): void {
    const now = performance.now();
    this.#usedCpu = this.#virtual
      ? (this.#kernel.cpu.retired * NS_PER_INSTRUCTION) / 1e6
      : this.#usedCpu + now - start;
    if (this.#usedCpu >= this.#cpu)
      this.#exceed(`it used ${this.#cpu / 1000} s of processor time (limits.cpuSeconds)`);
    else if (now >= this.#wall) this.#exceed('its time is over (limits.wallSeconds)');
  }

  #exceed(reason: string): void {
    this.exceeded ??= `the machine was stopped: ${reason}`;
  }

  /** A source whose bytes count; those beyond the limit are not handed on. */
  counted(source: Source): Source {
    if (this.#output === Infinity) return source;
    const take = (max: number): Uint8Array => {
      const bytes = source.take(max);
      this.#written += bytes.length;
      const over = this.#written - this.#output;
      if (over <= 0) return bytes;
      this.#exceed(`its programs wrote more than ${this.#output} bytes (limits.outputBytes)`);
      return bytes.subarray(0, Math.max(0, bytes.length - over));
    };
    return {
      take,
      get ended() {
        return source.ended;
      },
      close: () => source.close(),
    };
  }
}
