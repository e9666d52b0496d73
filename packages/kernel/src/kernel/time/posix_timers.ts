import { serializable } from '../../include/serial.ts';
import { Timer, type TimerOwner } from '../../include/time.ts';
import { SI_TIMER, SIGEV_NONE, SIGEV_THREAD_ID } from '@vitrine/uapi/signal.ts';
import { send_signal } from '../signal.ts';
import type { SigInfo } from '../signal_struct.ts';
import type { Task } from '../task.ts';

/** What timer_create(2) is told to do on expiry (struct sigevent). */
export interface SigEvent {
  readonly notify: number;
  readonly signo: number;
  readonly value: bigint;
  readonly thread: Task | null;
}

/** Analogous to `struct k_itimer`. */
export class PosixTimer implements TimerOwner {
  readonly id: number;
  readonly clock: number;
  readonly event: SigEvent;
  readonly leader: Task;
  readonly timer: Timer;
  interval = 0;
  /** Expirations since the signal that is still pending was sent. */
  overrun = 0;
  last_overrun = 0;
  constructor(id: number, clock: number, event: SigEvent, leader: Task) {
    this.id = id;
    this.clock = clock;
    this.event = event;
    this.leader = leader;
    this.timer = new Timer(this);
  }

  static {
    serializable('PosixTimer', this);
  }

  timerFired(): void {
    const { leader, timer, event } = this;
    const { kernel } = leader;
    let missed = 0;
    if (this.interval > 0) {
      missed = Math.max(0, Math.floor((kernel.clock.now() - timer.expires) / this.interval));
      kernel.timers.start(timer, timer.expires + (missed + 1) * this.interval);
    }
    if (event.notify === SIGEV_NONE) return;
    const target = event.thread ?? leader;
    const pending =
      event.notify === SIGEV_THREAD_ID ? target.pending : target.signal.shared_pending;
    if (pending.queue.some((info) => info.code === SI_TIMER && info.timerid === this.id)) {
      this.overrun += 1 + missed;
      return;
    }
    this.overrun = missed;
    const info = {
      signo: event.signo,
      code: SI_TIMER,
      errno: 0,
      timerid: this.id,
      value: event.value,
      reason: `its POSIX timer ${this.id} expired`,
    };
    send_signal(target, info, event.notify !== SIGEV_THREAD_ID, true);
  }

  /** The signal is being taken: how often the timer expired meanwhile goes with it (posixtimer_rearm). */
  deliver(info: SigInfo): SigInfo {
    this.last_overrun = this.overrun;
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
  for (const timer of timers.values())
    if (timer.timer.queued) task.kernel.timers.cancel(timer.timer);
  timers.clear();
}
