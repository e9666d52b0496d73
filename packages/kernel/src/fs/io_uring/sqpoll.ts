import { serializable } from '../../include/serial.ts';
import { Timer, type TimerOwner } from '../../include/time.ts';
import type { Task } from '../../kernel/task.ts';
import type { UringFile } from './ring.ts';

/** Between two looks at the rings. */
const POLL_INTERVAL = 20e3;
/** Submissions taken at a time from a ring, when several share the poller. */
const CAP_ENTRIES = 8;

/**
 * Who submits in the program's place (IORING_SETUP_SQPOLL; analogous to `struct io_sq_data` with its thread): it looks at the
 * submission rings again and again, and sleeps when there was nothing for some time, until it is woken.
 */
export class SqPoll implements TimerOwner {
  /** It acts for the task that made the first ring, with its files and credentials. */
  readonly task: Task;
  readonly rings: Set<UringFile> = new Set();
  private last = 0;
  private readonly timer: Timer = new Timer(this);

  constructor(task: Task) {
    this.task = task;
  }

  static {
    serializable('SqPoll', this);
  }

  /** The longest of the rings' idle times. */
  private get idle(): number {
    return Math.max(...[...this.rings].map((ring) => ring.sqIdle));
  }

  attach(ring: UringFile): void {
    this.rings.add(ring);
    this.wake();
  }

  detach(ring: UringFile): void {
    this.rings.delete(ring);
    if (this.rings.size === 0) this.task.kernel.timers.cancel(this.timer);
  }

  /** The thread went with its process. */
  get dead(): boolean {
    return this.task.exiting || this.task.dead;
  }

  wake(): void {
    if (this.dead || this.rings.size === 0) return;
    const { clock, timers } = this.task.kernel;
    this.last = clock.now();
    for (const ring of this.rings) ring.needWakeup(false);
    if (!this.timer.queued) timers.start(this.timer, this.last);
  }

  timerFired(): void {
    if (this.dead) return;
    const { clock, timers } = this.task.kernel;
    const now = clock.now();
    if (this.poll()) this.last = now;
    if (now - this.last < this.idle) {
      timers.start(this.timer, now + POLL_INTERVAL);
      return;
    }
    for (const ring of this.rings) ring.needWakeup(true);
  }

  /** @returns whether there was something */
  private poll(): boolean {
    let any = false;
    for (const ring of this.rings) {
      if (ring.disabled || ring.submitted === 0) continue;
      any = true;
      const most = this.rings.size > 1 ? CAP_ENTRIES : ring.submitted;
      ring.submit(this.task, most);
      ring.sqWait.wake();
    }
    return any;
  }
}
