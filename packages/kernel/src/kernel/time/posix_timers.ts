import { ktime_add } from '../../include/ktime.ts';
import { serializable } from '../../include/serial.ts';
import { Timer, type TimerOwner, wall_deadline } from '../../include/time.ts';
import { SI_TIMER, SIGEV_NONE, SIGEV_THREAD_ID } from '@vitrine/uapi/signal.ts';
import { send_signal } from '../signal.ts';
import type { SigInfo } from '../signal_struct.ts';
import type { Task } from '../task.ts';
import { sigqueue_charge } from '../../include/user.ts';
import type { WallTimer } from './clock_was_set.ts';
import {
  type CpuClock,
  CpuTimer,
  type CpuTimerOwner,
  cpu_clock_sample,
} from './posix_cpu_timers.ts';

/** A timer whose signals are ignored goes on at the pace of the kernel's tick, however short its interval is. */
export const TICK_NSEC = 1e7;
const DELAYTIMER_MAX = 0x7fff_ffff;

/** What timer_create(2) is told to do on expiry (struct sigevent). */
export interface SigEvent {
  readonly notify: number;
  readonly signo: number;
  readonly value: bigint;
  readonly thread: Task | null;
}

/** Analogous to `struct k_itimer`: on CLOCK_MONOTONIC, on the wall clock, or on processor time. */
export class PosixTimer implements TimerOwner, CpuTimerOwner, WallTimer {
  readonly id: number;
  readonly clock: number;
  readonly event: SigEvent;
  readonly leader: Task;
  readonly timer: Timer;
  /** Whose RLIMIT_SIGPENDING it counts towards: the signal's place is kept from the start. */
  private readonly charged: number;
  /** For clocks of processor time, instead of `timer`. */
  readonly cpu: CpuTimer | null;
  /** The point on the wall clock that it was set to, null when it was a time span. */
  private wall: bigint | null = null;
  interval = 0;
  /** Expirations since the signal that is still pending was sent. */
  overrun = 0;
  last_overrun = 0;
  /** The expiry whose signal nobody has taken yet: until then a repeating timer stands still. */
  private waiting: number | null = null;
  constructor(id: number, clock: number, event: SigEvent, leader: Task, cpu: CpuClock | null) {
    this.id = id;
    this.clock = clock;
    this.event = event;
    this.leader = leader;
    this.charged = leader.cred.uid;
    sigqueue_charge(leader.kernel, this.charged, 1);
    this.timer = new Timer(this);
    this.cpu = cpu === null ? null : new CpuTimer(cpu, this);
  }

  static {
    serializable('PosixTimer', this);
  }

  /** @param span nanoseconds from now; @param wall the point of CLOCK_REALTIME that was meant */
  arm(span: number, wall: bigint | null): void {
    const { kernel } = this.leader;
    if (this.cpu !== null) return this.cpu.start(cpu_clock_sample(this.cpu.clock) + span);
    this.wall = wall;
    if (wall !== null) (kernel.vfs.wallTimers ??= new Set()).add(this);
    kernel.timers.start(this.timer, ktime_add(kernel.clock.now(), span));
  }

  cancel(): void {
    const { kernel } = this.leader;
    this.waiting = null;
    this.cpu?.cancel();
    if (this.timer.queued) kernel.timers.cancel(this.timer);
    kernel.vfs.wallTimers?.delete(this);
  }

  /** Its place in the signal queue is free again. */
  delete(): void {
    this.cancel();
    sigqueue_charge(this.leader.kernel, this.charged, -1);
  }

  /** Nanoseconds until it fires, 0 when it is not armed. */
  remaining(): number {
    if (this.waiting !== null)
      return this.interval - (Math.max(0, this.now() - this.waiting) % this.interval);
    if (this.cpu !== null)
      return this.cpu.armed ? Math.max(1, this.cpu.expires - cpu_clock_sample(this.cpu.clock)) : 0;
    return this.timer.queued ? Math.max(1, this.timer.expires - this.leader.kernel.clock.now()) : 0;
  }

  clockWasSet(): void {
    const { kernel } = this.leader;
    if (this.wall !== null && this.timer.queued)
      kernel.timers.start(this.timer, wall_deadline(kernel, this.wall));
  }

  cpuTimerFired(timer: CpuTimer, current: Task): void {
    this.expired(cpu_clock_sample(timer.clock), timer.expires, current);
  }

  timerFired(): void {
    const { kernel } = this.leader;
    const { timer } = this;
    if (this.wall !== null) {
      kernel.vfs.wallTimers?.delete(this);
      this.wall = null;
    }
    this.expired(
      kernel.clock.now(),
      timer.expires,
      kernel.sched.running_thread(this.leader.signal),
    );
  }

  /** The time of its clock. */
  private now(): number {
    return this.cpu === null ? this.leader.kernel.clock.now() : cpu_clock_sample(this.cpu.clock);
  }

  private start(expires: number): void {
    if (this.cpu !== null) this.cpu.start(expires);
    else this.leader.kernel.timers.start(this.timer, expires);
  }

  /** Sends the signal, to a thread that is running if it may; a repeating timer goes on when that is taken (posix_timer_fn). */
  private expired(now: number, expires: number, current: Task | null): void {
    const { leader, event } = this;
    const own = current?.signal === leader.signal && !current.dead ? current : leader;
    const target = event.thread ?? own;
    const directed = event.notify === SIGEV_THREAD_ID;
    const pending = directed ? target.pending : target.signal.shared_pending;
    const queued = (): boolean =>
      pending.queue.some((info) => info.code === SI_TIMER && info.timerid === this.id);
    if (event.notify !== SIGEV_NONE && !queued()) {
      const info = {
        signo: event.signo,
        code: SI_TIMER,
        errno: 0,
        timerid: this.id,
        value: event.value,
        reason: `its POSIX timer ${this.id} expired`,
      };
      send_signal(target, info, !directed, true);
    }
    if (this.interval === 0) return;
    // Nobody is told of this one: timer_gettime reckons where it stands.
    if (event.notify === SIGEV_NONE || queued()) this.waiting = expires;
    else this.forward(expires, this.interval < TICK_NSEC ? now + TICK_NSEC : now);
  }

  /** Its next expiry after `now`; what lies between was missed. */
  private forward(expires: number, now: number): void {
    const missed = Math.max(0, Math.floor((now - expires) / this.interval));
    this.overrun += missed;
    this.start(expires + (missed + 1) * this.interval);
  }

  /** The signal is being taken: how often the timer expired meanwhile goes with it, and it goes on (posixtimer_rearm). */
  deliver(info: SigInfo): SigInfo {
    const { waiting } = this;
    this.waiting = null;
    if (waiting !== null) this.forward(waiting, this.now());
    this.last_overrun = Math.min(this.overrun, DELAYTIMER_MAX);
    this.overrun = 0;
    return { ...info, overrun: this.last_overrun };
  }
}

declare module '../signal_struct.ts' {
  interface SignalStruct {
    posix_timers?: Map<number, PosixTimer>;
    next_timer_id?: number;
  }
}

/** exec and exit take the timers away. */
export function exit_posix_timers(task: Task): void {
  const timers = task.signal.posix_timers;
  if (timers === undefined) return;
  for (const timer of timers.values()) timer.delete();
  timers.clear();
}
