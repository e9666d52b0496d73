import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { NSEC_PER_SEC, Timer, type TimerOwner } from '../../include/time.ts';
import { clock_was_set } from './clock_was_set.ts';

/** Counts the wall clock's seconds while a leap second is asked for with adjtimex(2), and has the clock jump at it. */
export class LeapTimer implements TimerOwner {
  readonly kernel: Kernel;
  readonly timer: Timer = new Timer(this);

  static {
    serializable('LeapTimer', this);
  }

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Waits for the next second, if seconds have to be counted. */
  arm(): void {
    const { clock, time, timers } = this.kernel;
    if (this.timer.queued) timers.cancel(this.timer);
    if (time.ntp.leaping)
      timers.start(this.timer, clock.now() + NSEC_PER_SEC - clock.realtime().nsec);
  }

  timerFired(): void {
    const { kernel } = this;
    const { clock, time } = kernel;
    const { ntp } = time;
    const jump = ntp.second_overflow(clock.realtime().sec);
    if (jump !== 0) {
      time.set_realtime(clock.realtimeNs() + BigInt(jump) * BigInt(NSEC_PER_SEC));
      ntp.tai -= jump;
      clock_was_set(kernel);
      kernel.printk(
        5,
        jump < 0
          ? 'Clock: inserting leap second 23:59:60 UTC'
          : 'Clock: deleting leap second 23:59:59 UTC',
      );
    }
    this.arm();
  }
}
