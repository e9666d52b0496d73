import { EBUSY } from '@vitrine/uapi/errno.ts';
import { SCHED_FLAG_DL_OVERRUN } from '@vitrine/uapi/sched.ts';
import { SIGXCPU } from '@vitrine/uapi/signal.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { Timer, type TimerOwner } from '../../include/time.ts';
import { send_sig } from '../signal.ts';
import { TASK_RUNNING, type Task } from '../task.ts';

/** sched_attr's part for SCHED_DEADLINE, in nanoseconds. */
export interface DlParams {
  readonly runtime: number;
  readonly deadline: number;
  readonly period: number;
  readonly flags: number;
}

/**
 * Analogous to `struct sched_dl_entity`: a constant bandwidth server (kernel/sched/deadline.c). In each period the task has
 * `params.runtime` to use before its deadline; when it is used up, the task waits for the next period.
 */
export class DlEntity implements TimerOwner {
  readonly task: Task;
  readonly params: DlParams;
  /** What is left of this instance's time, and when it must have had it. */
  runtime = 0;
  deadline = 0;
  throttled = false;
  private readonly timer: Timer = new Timer(this);

  constructor(task: Task, params: DlParams) {
    this.task = task;
    this.params = params;
  }

  static {
    serializable('DlEntity', this);
  }

  get bandwidth(): number {
    return this.params.runtime / this.params.period;
  }

  /** A task that wakes keeps what it has left, unless that would be more than its share until the deadline (CBS). */
  wake(now: number): void {
    const { runtime, deadline } = this.params;
    const left = this.deadline - now;
    if (left > 0 && this.runtime * deadline <= left * runtime) return;
    this.deadline = now + deadline;
    this.runtime = runtime;
  }

  /** Takes the time that was used (update_curr_dl). @returns true when nothing is left */
  charge(ns: number): boolean {
    this.runtime -= ns;
    if (this.runtime > 0) return false;
    if (ns > 0 && this.params.flags & SCHED_FLAG_DL_OVERRUN)
      send_sig(SIGXCPU, this.task, 'its SCHED_DEADLINE runtime is used up');
    return true;
  }

  /** Off the processor until the next period begins (start_dl_timer). */
  throttle(now: number): void {
    const { deadline, period } = this.params;
    this.throttled = true;
    this.task.kernel.timers.start(this.timer, Math.max(now, this.deadline - deadline + period));
  }

  /** The next period (replenish_dl_entity). */
  timerFired(): void {
    const { task, params } = this;
    const { sched, clock } = task.kernel;
    this.throttled = false;
    const now = clock.now();
    while (this.runtime <= 0) {
      this.deadline += params.period;
      this.runtime += params.runtime;
    }
    if (this.deadline < now) {
      this.deadline = now + params.deadline;
      this.runtime = params.runtime;
    }
    if (task.state === TASK_RUNNING && task.dl === this) sched.enqueue(task);
  }

  stop(): void {
    this.throttled = false;
    if (this.timer.queued) this.task.kernel.timers.cancel(this.timer);
  }
}

/** sysctl kernel.sched_deadline_period_min_us and _max_us, in nanoseconds. */
const PERIOD_MIN = 100e3;
const PERIOD_MAX = (1 << 22) * 1e3;
/** 1 << DL_SCALE */
const RUNTIME_MIN = 1024;

/** Whether the three times make sense (__checkparam_dl). */
export function checkparam_dl({ runtime, deadline, period }: DlParams): boolean {
  if (deadline === 0 || runtime < RUNTIME_MIN) return false;
  if (deadline >= 2 ** 63 || period >= 2 ** 63) return false;
  return period >= deadline && deadline >= runtime && period >= PERIOD_MIN && period <= PERIOD_MAX;
}

/** The processors can do what is promised already and this as well (sched_dl_overflow). Throws EBUSY. */
export function dl_admission(kernel: Kernel, task: Task, params: DlParams): void {
  const { sched } = kernel;
  if (sched.rt_runtime === Infinity) return;
  const most = (sched.rt_runtime / sched.rt_period) * sched.rqs.length;
  let promised = params.runtime / params.period;
  for (const other of sched.dl_tasks) if (other !== task) promised += other.dl!.bandwidth;
  if (promised > most + 1e-9)
    throw errno(EBUSY, 'SCHED_DEADLINE: with this the deadline tasks have {} of {} processors, kernel.sched_rt_runtime_us allows {}', promised, sched.rqs.length, most); // prettier-ignore
}
