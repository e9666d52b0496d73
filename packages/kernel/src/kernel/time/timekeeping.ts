import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { Clock } from '../../include/time.ts';
import { LeapTimer } from './leap_timer.ts';
import { Ntp } from './ntp.ts';

/**
 * The kernel's clocks (analogous to kernel/time/timekeeping.c). CLOCK_MONOTONIC starts at 0 when the machine boots and
 * goes on after a restore where the snapshot stopped.
 */
export class Timekeeper implements Clock {
  readonly kernel: Kernel;
  /** Host time that is our monotonic 0. */
  private base: number;
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC, in nanoseconds. */
  offset_real: bigint;
  readonly ntp: Ntp = new Ntp();
  readonly leap: LeapTimer;
  /** What settimeofday was told of the time zone; nothing here uses it. */
  tz_minuteswest = 0;
  tz_dsttime = 0;
  tz_set = false;
  /** offset_real in seconds and nanoseconds. */
  private split = 0n;
  private splitSec = 0;
  private splitNsec = 0;

  static {
    serializable('Timekeeper', this);
  }

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.leap = new LeapTimer(kernel);
    this.base = kernel.host.monotonic();
    this.offset_real = kernel.host.realtimeOffset() + BigInt(this.base);
  }

  now(): number {
    return this.kernel.host.monotonic() - this.base;
  }

  boottime(): number {
    return this.now();
  }

  realtimeNs(): bigint {
    return this.offset_real + BigInt(this.now());
  }

  realtime(): { sec: number; nsec: number } {
    // File systems ask for every change of an inode: no BigInt on this path.
    if (this.split !== this.offset_real) {
      this.split = this.offset_real;
      this.splitSec = Number(this.split / 1_000_000_000n);
      this.splitNsec = Number(this.split % 1_000_000_000n);
    }
    const now = this.now();
    const sec = Math.floor(now / 1e9);
    const nsec = this.splitNsec + (now - sec * 1e9);
    const carry = nsec >= 1e9 ? 1 : 0;
    return { sec: this.splitSec + sec + carry, nsec: nsec - carry * 1e9 };
  }

  /** The host's monotonic time of a kernel time, for Host.idleUntil. */
  hostTime(ns: number): number {
    return ns + this.base;
  }

  /** clock_settime(CLOCK_REALTIME). */
  set_realtime(ns: bigint): void {
    this.offset_real = ns - BigInt(this.now());
  }

  /** After a restore, with a new host: time goes on from `monotonic`; the wall clock is the host's. */
  resume(monotonic: number): void {
    this.base = this.kernel.host.monotonic() - monotonic;
  }
}
