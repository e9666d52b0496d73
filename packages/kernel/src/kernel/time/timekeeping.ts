import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { type Clock, NSEC_PER_SEC } from '../../include/time.ts';
import { LeapTimer } from './leap_timer.ts';
import { Ntp } from './ntp.ts';

/**
 * The kernel's clocks (analogous to kernel/time/timekeeping.c). CLOCK_MONOTONIC starts at 0 when the machine boots and
 * goes on after a restore where the snapshot stopped. It goes as fast as the host's time, unless adjtimex(2) has it go
 * faster or slower: what it shows is a straight line from the last change on.
 */
export class Timekeeper implements Clock {
  readonly kernel: Kernel;
  private base: number;
  /** Since when, in raw time, the clock goes as it does; what it showed then; how fast it goes. */
  private since = 0;
  private shown = 0;
  private rate = 1;
  /** Raw time of the wall clock's next second, while each has another length; Infinity else. */
  private overflow = Infinity;
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

  /** Host time at which CLOCK_MONOTONIC_RAW was 0. */
  get raw_zero(): number {
    return this.base;
  }

  /** CLOCK_MONOTONIC_RAW. */
  raw(): number {
    return this.kernel.host.monotonic() - this.base;
  }

  now(): number {
    const raw = this.kernel.host.monotonic() - this.base;
    while (raw >= this.overflow) this.accumulate();
    return this.shown + Math.floor((raw - this.since) * this.rate);
  }

  /** Neither frequency nor offset of the clock is other than the host's: differences are all that there is to know. */
  get steady(): boolean {
    return this.rate === 1 && this.overflow === Infinity;
  }

  /** A second of the wall clock is over, and the next one has another length. */
  private accumulate(): void {
    this.shown += Math.floor((this.overflow - this.since) * this.rate);
    this.since = this.overflow;
    this.ntp.next_second();
    this.follow();
  }

  /** adjtimex(2) or a set clock may have changed how fast it goes from now on. */
  adjusted(): void {
    const raw = this.raw();
    this.shown = this.now();
    this.since = raw;
    this.follow();
  }

  /** Takes the discipline's rate, from `since` on. */
  private follow(): void {
    const { ntp } = this;
    const before = this.steady;
    this.rate = ntp.rate;
    this.overflow = ntp.slewing
      ? this.since + Math.ceil(this.leftOfSecond() / this.rate)
      : Infinity;
    if (!before || !this.steady) this.kernel.arch.update_vsyscall();
  }

  /** Nanoseconds that the wall clock had still to go in its second at `since`. */
  private leftOfSecond(): number {
    const wall = this.offset_real + BigInt(this.shown);
    return NSEC_PER_SEC - Number(wall % BigInt(NSEC_PER_SEC));
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
    return this.base + this.rawAt(ns);
  }

  /** Raw time of a kernel time, if the clock goes on as it does. */
  private rawAt(ns: number): number {
    return this.since + Math.ceil((ns - this.shown) / this.rate);
  }

  /** clock_settime(CLOCK_REALTIME). */
  set_realtime(ns: bigint): void {
    this.offset_real = ns - BigInt(this.now());
  }

  /** After a restore, with a new host: time goes on from `monotonic`; the wall clock is the host's. */
  resume(monotonic: number): void {
    this.base = this.kernel.host.monotonic() - this.rawAt(monotonic);
  }
}
