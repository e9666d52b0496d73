import { EAGAIN, ECANCELED, EINVAL } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN } from '@vitrine/uapi/poll.ts';
import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  TFD_IOC_SET_TICKS,
} from '@vitrine/uapi/time.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { Timer, type TimerOwner, wall_deadline } from '../include/time.ts';
import { WaitQueue } from '../include/wait.ts';
import { anon_inode_path } from './anon_inodes.ts';
import { NoopSeekFile } from './file.ts';

/** timerfd_create(2): expirations are counted until they are read. */
export class TimerfdFile extends NoopSeekFile implements TimerOwner {
  readonly clockid: number;
  readonly kernel: Kernel;
  /** Expirations not read. */
  ticks = 0;
  /** Nanoseconds; 0 for a timer that fires once. */
  interval = 0;
  /** Ends a read when the wall clock is set (TFD_TIMER_CANCEL_ON_SET). */
  cancelOnSet = false;
  cancelled = false;
  settime_flags = 0;
  /** The point on the wall clock it is set to, null for a time span or another clock. */
  private wall: bigint | null = null;
  private readonly timer: Timer = new Timer(this);
  private readonly wqh: WaitQueue = new WaitQueue();

  constructor(current: Current, clockid: number, flags: number) {
    super(current, anon_inode_path(current.kernel, '[timerfd]'), O_RDWR | (flags & O_NONBLOCK));
    this.clockid = clockid;
    this.kernel = current.kernel;
  }

  static {
    serializable('TimerfdFile', this);
  }

  override get nowait(): boolean {
    return true;
  }

  /** What the timer's clock is ahead of CLOCK_MONOTONIC by, in nanoseconds; rounded for the wall clock. */
  clockOffset(): number {
    const { clock } = this.kernel;
    if (this.clockid === CLOCK_MONOTONIC) return 0;
    if (this.clockid === CLOCK_BOOTTIME) return clock.boottime() - clock.now();
    const { sec, nsec } = clock.realtime();
    return sec * 1e9 + nsec - clock.now();
  }

  /** @param expires on CLOCK_MONOTONIC, where a point on another clock may lie before 0; null disarms; @param wall the point of CLOCK_REALTIME that was meant, null for none */
  set(expires: number | null, interval: number, wall: bigint | null): void {
    this.kernel.timers.cancel(this.timer);
    this.wall = expires === null ? null : wall;
    const timers = (this.kernel.vfs.wallTimers ??= new Set());
    if (this.wall === null) timers.delete(this);
    else timers.add(this);
    this.ticks = 0;
    this.cancelled = false;
    this.interval = interval;
    if (expires !== null) this.kernel.timers.start(this.timer, expires);
  }

  /** Nanoseconds until the next expiration, 0 when disarmed. */
  remaining(): number {
    if (!this.timer.queued) return 0;
    return Math.max(1, this.timer.expires - this.kernel.clock.now());
  }

  timerFired(): void {
    this.ticks++;
    if (this.interval > 0) {
      const now = this.kernel.clock.now();
      const missed = Math.max(0, Math.floor((now - this.timer.expires) / this.interval));
      this.ticks += missed;
      this.kernel.timers.start(this.timer, this.timer.expires + (missed + 1) * this.interval);
    }
    this.wqh.wake(EPOLLIN);
  }

  /** What is due and has not been seen to: an interrupt would have come before. */
  private catchUp(): void {
    if (this.ticks > 0 || !this.timer.queued || this.timer.expires > this.kernel.clock.now())
      return;
    this.kernel.timers.cancel(this.timer);
    this.timerFired();
  }

  /** The wall clock was set: a point on it is another moment now. */
  clockWasSet(): void {
    if (this.wall === null) return;
    const { kernel, timer } = this;
    if (timer.queued) kernel.timers.start(timer, wall_deadline(kernel, this.wall));
    if (!this.cancelOnSet) return;
    this.cancelled = true;
    this.ticks++;
    this.wqh.wake(EPOLLIN);
  }

  override read_iter(current: Current, to: IovIter): number {
    if (to.count < 8)
      throw errno(EINVAL, 'a timerfd read takes 8 bytes, the buffer has {}', to.count);
    if (this.cancelled) {
      this.cancelled = false;
      this.ticks = 0;
      throw errno(
        ECANCELED,
        'the wall clock was set while the timer ran (TFD_TIMER_CANCEL_ON_SET)',
      );
    }
    this.catchUp();
    if (this.ticks === 0) {
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, 'the timer has not expired and O_NONBLOCK is set');
      return current.wait(this.wqh);
    }
    const bytes = new Uint8Array(BigUint64Array.of(BigInt(this.ticks)).buffer);
    this.ticks = 0;
    return to.copyTo(bytes, 0, 8);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.wqh);
    this.catchUp();
    return this.ticks > 0 || this.cancelled ? EPOLLIN : 0;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd !== TFD_IOC_SET_TICKS) return super.ioctl(current, cmd, arg);
    const ticks = current.mem.getU64(arg);
    if (ticks === 0) throw errno(EINVAL, 'TFD_IOC_SET_TICKS: 0 expirations');
    this.ticks = ticks;
    this.wqh.wake(EPOLLIN);
    return 0;
  }

  override release(kernel: Kernel): void {
    kernel.timers.cancel(this.timer);
    kernel.vfs.wallTimers?.delete(this);
  }

  override show_fdinfo(): string {
    const left = this.remaining();
    const pair = (ns: number): string => `(${Math.floor(ns / 1e9)}, ${ns % 1e9})`;
    return `clockid: ${this.clockid}\nticks: ${this.ticks}\nsettime flags: 0${this.settime_flags.toString(8)}\nit_value: ${pair(left)}\nit_interval: ${pair(this.interval)}\n`;
  }
}

export const TIMERFD_CLOCKS: readonly number[] = [
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_BOOTTIME,
  8,
  9,
];
