import { serializable } from '../../include/serial.ts';

/**
 * Per-entity load tracking (analogous to kernel/sched/pelt.c): how much of its recent time a task could run and did run. Time
 * counts in periods of 1024 units of 1024 ns; what lies 32 periods back counts half.
 */

const PERIOD = 1024;
const HALF = 32;
/** What a task that always ran comes to: the sum of 1024 * y^n. */
const LOAD_AVG_MAX = 47742;
const SCALE = 1024;

const POWERS = Float64Array.from({ length: HALF }, (_, n) => 0.5 ** (n / HALF));

function decay(sum: number, periods: number): number {
  if (periods > HALF * 63) return 0;
  return Math.floor(sum * 0.5 ** Math.floor(periods / HALF) * POWERS[periods % HALF]!);
}

/** Analogous to `struct sched_avg`. */
export class SchedAvg {
  last_update_time = 0;
  load_sum = 0;
  runnable_sum = 0;
  util_sum = 0;
  load_avg = 0;
  runnable_avg = 0;
  util_avg = 0;
  /** What it is expected to use when it wakes up. */
  util_est = 0;
  /** Part of the period that is under way. */
  private period_contrib = 0;

  static {
    serializable('SchedAvg', this);
  }

  /** A new task is taken for a busy one, as far as its processor has time left (post_init_entity_util_avg). */
  init(now: number, weight: number, parent: SchedAvg): void {
    const room = Math.floor((SCALE - parent.util_avg) / 2);
    this.last_update_time = now;
    this.load_avg = weight;
    this.util_avg = this.runnable_avg = parent.util_avg === 0 ? room : Math.min(parent.util_avg, room); // prettier-ignore
    const divider = LOAD_AVG_MAX - PERIOD;
    this.load_sum = divider;
    this.util_sum = this.runnable_sum = this.util_avg * divider;
  }

  /** The time since the last look is over: it could run in it, or not; it did, or not (__update_load_avg_se). */
  update(now: number, weight: number, runnable: boolean, running: boolean): void {
    const delta = Math.floor((now - this.last_update_time) / PERIOD);
    if (delta <= 0) return;
    this.last_update_time += delta * PERIOD;
    const periods = Math.floor((delta + this.period_contrib) / PERIOD);
    let contrib = delta;
    if (periods > 0) {
      this.load_sum = decay(this.load_sum, periods);
      this.runnable_sum = decay(this.runnable_sum, periods);
      this.util_sum = decay(this.util_sum, periods);
      const rest = (delta + this.period_contrib) % PERIOD;
      const first = decay(PERIOD - this.period_contrib, periods);
      contrib = first + LOAD_AVG_MAX - decay(LOAD_AVG_MAX, periods) - PERIOD + rest;
      this.period_contrib = rest;
    } else this.period_contrib += delta;
    if (runnable) {
      this.load_sum += contrib;
      this.runnable_sum += contrib * SCALE;
    }
    if (running) this.util_sum += contrib * SCALE;
    if (periods === 0) return;
    const divider = LOAD_AVG_MAX - PERIOD + this.period_contrib;
    this.load_avg = Math.floor((weight * this.load_sum) / divider);
    this.runnable_avg = Math.floor(this.runnable_sum / divider);
    this.util_avg = Math.floor(this.util_sum / divider);
  }

  /** It goes to sleep: up at once, down by a quarter of the difference (util_est_update). */
  sleeps(): void {
    const diff = this.util_est - this.util_avg;
    if (diff <= 0) this.util_est = this.util_avg;
    else if (diff >= SCALE / 100) this.util_est -= Math.ceil(diff / 4);
  }
}
