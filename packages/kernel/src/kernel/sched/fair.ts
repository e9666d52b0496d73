import { RbTree } from '@vitrine/lib/rbtree.ts';
import { SCHED_RR } from '@vitrine/uapi/sched.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import {
  EXIT_DEAD,
  EXIT_ZOMBIE,
  TASK_INTERRUPTIBLE,
  TASK_RUNNING,
  TASK_UNINTERRUPTIBLE,
  type Task,
} from '../task.ts';
import type { SchedEntity } from './entity.ts';

serializable('RbTree', RbTree);

declare module '../../include/kernel.ts' {
  interface Kernel {
    readonly sched: Scheduler;
  }
}

/** A task runs this long at nice 0 before another one's turn (base_slice_ns). */
const SLICE = 3e6;
/** A woken task is placed at most this far before the others, so that sleepers come first but cannot starve them. */
const WAKEUP_CREDIT = 3e6;
/** What one instruction and one system call count for; the measure is the same on every host, so that turns are too. */
const NS_PER_INSTRUCTION = 5;
const NS_PER_CALL = 500;

const before = (a: SchedEntity, b: SchedEntity): boolean =>
  a.vruntime < b.vruntime || (a.vruntime === b.vruntime && a.seq < b.seq);

/** A round-robin task's turn (RR_TIMESLICE). */
const RR_TIMESLICE = 100e6;

/**
 * The scheduler (analogous to kernel/sched): real-time tasks by priority first (rt.c); else the fair class (fair.c), with
 * runnable tasks on a red-black tree in the order of their weighted run time; the leftmost runs next. The running task
 * is in neither.
 */
export class Scheduler {
  readonly kernel: Kernel;
  readonly tree: RbTree<SchedEntity> = new RbTree<SchedEntity>();
  /** Runnable real-time tasks, in order of arrival. */
  private readonly rt: Task[] = [];
  current: Task | null = null;
  min_vruntime = 0;
  /** The running task should give way at the next safe point (TIF_NEED_RESCHED). */
  need_resched = false;
  /** Weighted time the running task has had in this turn. */
  private turn = 0;
  private seq = 0;
  nr_switches = 0;
  /** Load averages over 1, 5 and 15 minutes, and when they were last brought up to date. */
  readonly avenrun: [number, number, number] = [0, 0, 0];
  private load_updated = 0;

  static {
    serializable('Scheduler', this);
  }

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  get nr_running(): number {
    return (
      this.tree.size +
      this.rt.length +
      (this.current !== null && this.current.state === TASK_RUNNING ? 1 : 0)
    );
  }

  /** Puts a runnable task on the time line. */
  enqueue(task: Task): void {
    const { se } = task;
    if (se.on_rq || task === this.current) return;
    se.on_rq = true;
    if (task.rt_priority > 0) {
      this.rt.push(task);
      return;
    }
    se.seq = ++this.seq;
    this.tree.insert(se, before);
  }

  /** Takes a task to another class or priority (sched_setscheduler). */
  set_policy(task: Task, policy: number, priority: number): void {
    const queued = task.se.on_rq;
    if (queued) this.dequeue(task.se);
    task.policy = policy;
    task.rt_priority = priority;
    if (queued) this.enqueue(task);
    this.need_resched = true;
  }

  /** The runnable real-time task of the highest priority, the one that came first among equals. */
  private firstRt(): Task | null {
    let best: Task | null = null;
    for (const task of this.rt)
      if (best === null || task.rt_priority > best.rt_priority) best = task;
    return best;
  }

  private dequeue(se: SchedEntity): void {
    se.on_rq = false;
    const i = this.rt.length === 0 ? -1 : this.rt.indexOf(se.task!);
    if (i >= 0) this.rt.splice(i, 1);
    else this.tree.remove(se);
  }

  /** A new task starts behind its parent's turn (task_fork_fair). */
  wake_up_new_task(task: Task): void {
    task.se.vruntime = Math.max(this.min_vruntime, task.se.vruntime);
    task.state = TASK_RUNNING;
    this.enqueue(task);
  }

  /** Makes a sleeping task runnable. @returns false when it did not sleep in a state of `states` */
  wake_up(task: Task, states: string = TASK_INTERRUPTIBLE + TASK_UNINTERRUPTIBLE): boolean {
    if (!states.includes(task.state)) return false;
    task.unpark();
    task.state = TASK_RUNNING;
    const { se } = task;
    se.vruntime = Math.max(se.vruntime, this.min_vruntime - WAKEUP_CREDIT);
    this.enqueue(task);
    const { trace } = this.kernel;
    if (trace.sched_wakeup.enabled) trace.sched_wakeup.emit({ pid: task.pid, comm: task.comm });
    const running = this.current;
    if (running === null) return true;
    if (task.rt_priority > running.rt_priority) this.need_resched = true;
    else if (running.rt_priority === 0 && se.vruntime + 1e6 < running.se.vruntime)
      this.need_resched = true;
    return true;
  }

  /** The next task to run, taken off the tree; null when none is runnable. */
  pick_next_task(): Task | null {
    const se = this.firstRt()?.se ?? this.tree.first();
    if (se === null) return null;
    this.dequeue(se);
    if (se.task!.rt_priority === 0) this.min_vruntime = Math.max(this.min_vruntime, se.vruntime);
    this.need_resched = false;
    this.turn = 0;
    return se.task;
  }

  /** The current task leaves the CPU; it goes back on the tree when it still can run. */
  put_prev_task(task: Task): void {
    this.current = null;
    if (task.state === TASK_RUNNING) {
      task.nivcsw++;
      this.enqueue(task);
      // A real-time task keeps its place unless its time slice is over.
      if (task.rt_priority > 0 && this.turn < RR_TIMESLICE) this.rt.unshift(this.rt.pop()!);
    } else if (task.state !== EXIT_ZOMBIE && task.state !== EXIT_DEAD) {
      task.nvcsw++;
    }
  }

  /** Charges what the current task executed (update_curr). */
  charge(task: Task, instructions: number, calls: number): void {
    const { se } = task;
    se.instructions += instructions;
    se.calls += calls;
    const ns = (instructions * NS_PER_INSTRUCTION + calls * NS_PER_CALL) * (1024 / se.weight);
    se.vruntime += ns;
    this.turn += ns;
    if (task.rt_priority > 0) {
      const rivals = this.turn >= RR_TIMESLICE && task.policy === SCHED_RR;
      if (rivals && this.rt.some((other) => other.rt_priority === task.rt_priority))
        this.need_resched = true;
    } else if (this.rt.length > 0 || (this.turn >= SLICE && this.tree.size > 0))
      this.need_resched = true;
  }

  /** sched_yield(2): to the right end of the time line. */
  yield_task(task: Task): void {
    if (task.rt_priority > 0) {
      this.turn = RR_TIMESLICE;
      this.need_resched = true;
      return;
    }
    let last = this.tree.root;
    while (last !== null && last.rb_right !== null) last = last.rb_right;
    if (last !== null) {
      task.se.vruntime = Math.max(task.se.vruntime, last.vruntime);
      this.need_resched = true;
    }
  }

  /** Decays the load averages in steps of 5 seconds (calc_load). */
  calc_load(now: number): void {
    while (now - this.load_updated >= 5e9) {
      this.load_updated += 5e9;
      const n = this.nr_running;
      [60, 300, 900].forEach((seconds, i) => {
        const e = Math.exp(-5 / seconds);
        this.avenrun[i] = this.avenrun[i]! * e + n * (1 - e);
      });
    }
  }
}

/** User and system time in nanoseconds: run time split by what was executed (cputime_adjust). */
export function task_cputime(task: Task): { utime: number; stime: number } {
  const { se } = task;
  const user = se.instructions * NS_PER_INSTRUCTION;
  const system = se.calls * NS_PER_CALL;
  const runtime = se.sum_exec_runtime;
  if (user + system === 0) return { utime: 0, stime: runtime };
  const utime = Math.round((runtime * user) / (user + system));
  return { utime, stime: runtime - utime };
}
