import type { RbNode } from '@vitrine/lib/rbtree.ts';
import { serializable } from '../../include/serial.ts';
import { SCHED_IDLE } from '@vitrine/uapi/sched.ts';
import type { Task } from '../task.ts';
import { SchedAvg } from './pelt.ts';

/** Weights of nice -20 … 19 (sched_prio_to_weight): each step is a factor of about 1.25. */
const NICE_WEIGHT = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
  9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
  1024, 820, 655, 526, 423, 335, 272, 215, 172, 137,
  110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
]; // prettier-ignore
/** Of SCHED_IDLE, whatever the nice value. */
const WEIGHT_IDLEPRIO = 3;

/** Analogous to `struct sched_entity`: where a task stands on the fair time line. */
export class SchedEntity implements RbNode<SchedEntity> {
  task: Task | null = null;
  /** Weighted run time, in nanoseconds of nice 0. */
  vruntime = 0;
  nice = 0;
  weight = 1024;
  on_rq = false;
  readonly avg: SchedAvg = new SchedAvg();
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
  /** Instructions and calls since fork; instructions when it was last put on the CPU. */
  instructions = 0;
  calls = 0;
  turn_instructions = 0;
  /** Of sum_exec_runtime, what its instructions took; what was told of both kinds of time, for neither goes back. */
  user_time = 0;
  prev_utime = 0;
  prev_stime = 0;
  rb_parent: SchedEntity | null = null;
  rb_left: SchedEntity | null = null;
  rb_right: SchedEntity | null = null;
  rb_red = false;

  static {
    serializable('SchedEntity', this);
  }

  set_nice(nice: number): void {
    this.nice = nice;
    this.weight = this.task?.policy === SCHED_IDLE ? WEIGHT_IDLEPRIO : NICE_WEIGHT[nice + 20]!;
  }
}
