import type { RbNode } from '@vitrine/lib/rbtree.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../task.ts';

/** Weights of nice -20 … 19 (sched_prio_to_weight in kernel/sched/core.c: each step is a factor of about 1.25). */
const NICE_WEIGHT = Array.from({ length: 40 }, (_, i) => Math.round(1024 / 1.25 ** (i - 20)));

/** Analogous to `struct sched_entity`: where a task stands on the fair time line. */
export class SchedEntity implements RbNode<SchedEntity> {
  task: Task | null = null;
  /** Weighted run time, in nanoseconds of nice 0. */
  vruntime = 0;
  nice = 0;
  weight = 1024;
  on_rq = false;
  /** Order of enqueueing, to break ties. */
  seq = 0;
  /** Nanoseconds run in all, and when it was last put on the CPU. */
  sum_exec_runtime = 0;
  exec_start = 0;
  /** sum_exec_runtime when it last slept or became a real-time task: RLIMIT_RTTIME counts from there. */
  rt_since = 0;
  /** When it was last queued; time spent queued and turns had in all (sched_info). */
  queued_at = 0;
  run_delay = 0;
  pcount = 0;
  nr_migrations = 0;
  /** Instructions and calls since fork: the measure by which run time is split into user and system time. */
  instructions = 0;
  calls = 0;
  rb_parent: SchedEntity | null = null;
  rb_left: SchedEntity | null = null;
  rb_right: SchedEntity | null = null;
  rb_red = false;

  static {
    serializable('SchedEntity', this);
  }

  set_nice(nice: number): void {
    this.nice = nice;
    this.weight = NICE_WEIGHT[nice + 20]!;
  }
}
