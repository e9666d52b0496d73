import { RbTree } from '@vitrine/lib/rbtree.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../task.ts';
import type { SchedEntity } from './entity.ts';

serializable('RbTree', RbTree);

const before = (a: SchedEntity, b: SchedEntity): boolean =>
  a.vruntime < b.vruntime || (a.vruntime === b.vruntime && a.seq < b.seq);

/** Whether a real-time task comes before another: by priority, of two deadlines the earlier. */
export function precedes(task: Task, other: Task): boolean {
  if (task.dl !== null && other.dl !== null) return task.dl.deadline < other.dl.deadline;
  return task.rt_effective > other.rt_effective;
}

/** Analogous to `struct rq`: what one virtual processor has to run. The running task is in neither list. */
export class RunQueue {
  readonly cpu: number;
  /** Fair tasks in the order of their weighted run time. */
  readonly tree: RbTree<SchedEntity> = new RbTree<SchedEntity>();
  /** Runnable real-time and deadline tasks, in order of arrival. */
  readonly rt: Task[] = [];
  /** The task this processor runs, and, between two of its turns, ran last. */
  curr: Task | null = null;
  /** Between two turns: `curr` could have gone on. It was switched away from only when another one follows. */
  preempted = false;
  /** Its time is not over, and nothing else is to come first: it goes on. */
  goes_on = false;
  min_vruntime = 0;
  /** Time the running task has had in this turn, by what it executed; when the turn began. */
  turn = 0;
  turn_start = 0;
  /** Time it has had of the host's thread; one that was idle is given no more than a little for that. */
  host_time = 0;
  nr_switches = 0;
  /** Processor time by kind, in nanoseconds (kcpustat_cpu). */
  user = 0;
  nice = 0;
  system = 0;
  /** Real-time tasks' run time in the period that began at `rt_period`. */
  rt_time = 0;
  rt_period = 0;
  /** Times spent waiting on this queue, summed over tasks, and turns given (/proc/schedstat). */
  run_delay = 0;
  pcount = 0;
  /** Turns that used their time up, wakeups from another processor, tasks pulled from one, timers fired. */
  ticks = 0;
  ipis = 0;
  balances = 0;
  hrtimers = 0;
  private seq = 0;

  static {
    serializable('RunQueue', this);
  }

  constructor(cpu: number) {
    this.cpu = cpu;
  }

  /** Tasks that could run and do not. */
  get waiting(): number {
    return this.tree.size + this.rt.length;
  }

  /** @param head a real-time task comes before its equals (ENQUEUE_HEAD) */
  enqueue(task: Task, head = false): void {
    const { se } = task;
    if (task.dl?.throttled) return;
    se.on_rq = true;
    if (task.rt_effective > 0) {
      if (head) this.rt.unshift(task);
      else this.rt.push(task);
      return;
    }
    se.seq = ++this.seq;
    this.tree.insert(se, before);
  }

  dequeue(task: Task): void {
    task.se.on_rq = false;
    const i = this.rt.length === 0 ? -1 : this.rt.indexOf(task);
    if (i >= 0) this.rt.splice(i, 1);
    else this.tree.remove(task.se);
  }

  /** The runnable real-time task of the highest priority, the one that came first among equals. */
  firstRt(): Task | null {
    let best: Task | null = null;
    for (const task of this.rt) if (best === null || precedes(task, best)) best = task;
    return best;
  }
}
