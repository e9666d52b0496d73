import type { Kernel } from './kernel.ts';
import { serializable } from './serial.ts';

export const NSEC_PER_SEC = 1e9;
export const NSEC_PER_MSEC = 1e6;
export const NSEC_PER_USEC = 1e3;

/** What a timer belongs to. */
export interface TimerOwner {
  /** The timer's time has come; it is no longer queued and may be started again. */
  timerFired(timer: Timer): void;
}

/** Analogous to `struct hrtimer`, on CLOCK_MONOTONIC. */
export class Timer {
  /** When it fires: monotonic nanoseconds. */
  expires = 0;
  /** Order among equal times: first started, first fired. */
  seq = 0;
  /** Position in the queue's heap, -1 when not queued. */
  slot = -1;
  readonly owner: TimerOwner;
  constructor(owner: TimerOwner) {
    this.owner = owner;
  }
  get queued(): boolean {
    return this.slot >= 0;
  }
  static {
    serializable('Timer', this);
  }
}

/** Implemented by kernel/time/timers.ts. */
export interface Timers {
  start(timer: Timer, expires: number): void;
  cancel(timer: Timer): void;
  /** What runs, next first. */
  list(): Timer[];
  /** When the next one fires, Infinity for never. */
  readonly next: number;
  /** Timers that have fired. */
  readonly events: number;
}

/** Implemented by kernel/time/timekeeping.ts. */
export interface Clock {
  /** CLOCK_MONOTONIC, nanoseconds; constant within one system call only if the host's is. */
  now(): number;
  /** CLOCK_MONOTONIC_RAW: what no adjustment makes faster or slower. */
  raw(): number;
  /** Nanoseconds since boot, as a number. */
  boottime(): number;
  /** CLOCK_REALTIME: whole seconds and nanoseconds. */
  realtime(): { sec: number; nsec: number };
  /** CLOCK_REALTIME in nanoseconds. */
  realtimeNs(): bigint;
}

/** The moment of CLOCK_MONOTONIC at which the wall clock shows `wall`. */
export function wall_deadline(kernel: Kernel, wall: bigint): number {
  return kernel.clock.now() + Number(wall - kernel.clock.realtimeNs());
}
