import { SCHED_IDLE, SCHED_NORMAL, SCHED_RR } from '@vitrine/uapi/sched.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import {
  EXIT_DEAD,
  EXIT_ZOMBIE,
  RESUME_SYSCALL,
  TASK_INTERRUPTIBLE,
  TASK_RUNNING,
  TASK_UNINTERRUPTIBLE,
  type Task,
} from '../task.ts';
import type { SignalStruct } from '../signal_struct.ts';
import { DlEntity, type DlParams } from './deadline.ts';
import { RunQueue, precedes } from './rq.ts';

declare module '../../include/kernel.ts' {
  interface Kernel {
    readonly sched: Scheduler;
  }
}

/** A task runs this long before another one's turn (base_slice_ns). */
export const SLICE = 3e6;
/** A woken task is placed at most this far before the others, so that sleepers come first but cannot starve them. */
const WAKEUP_CREDIT = 3e6;
/** A processor is behind the others by no more of the host's time than this: it was idle, or they were in long calls. */
const HOST_DEBT = 4e6;
/** What one instruction and one system call count for; the measure is the same on every host, so that turns are too. */
const NS_PER_INSTRUCTION = 5;
/** More than a system call takes, but for a few. */
const MAX_NS_PER_CALL = 20_000;
/** A turn has so many instructions at least; more while they take less than so many nanoseconds, and nobody waits. */
const TURN_INSTRUCTIONS = 100_000;
const TURN_NS = 100_000;
/** Code may become slower within a turn than it was before. */
const MOST_TURN_INSTRUCTIONS = 1_000_000;
/** So many instructions tell what one takes. */
const MEASURABLE = 10_000;
const NS_PER_CALL = 500;

/** A round-robin task's turn, until kernel.sched_rr_timeslice_ms says otherwise (RR_TIMESLICE). */
export const RR_TIMESLICE = 100e6;

/** Between two samples of the load. */
const LOAD_FREQ = 5e9;

/** Virtual processors that a machine may have; a mask of them is an unsigned 32-bit number. */
export const NR_CPUS = 32;

/**
 * Whether a task that wakes up comes before the one that runs (check_preempt_wakeup_fair). Among equals that one's turn is not cut
 * short (RUN_TO_PARITY): a shell that kills its job waits for it before that dies.
 */
const preempts = (task: Task, running: Task): boolean =>
  precedes(task, running) ||
  (running.rt_effective === 0 &&
    running.policy === SCHED_IDLE &&
    (task.policy === SCHED_NORMAL || task.rt_effective > 0));

const allows = (task: Task, cpu: number): boolean => ((task.cpus_mask >>> cpu) & 1) !== 0;

/**
 * The scheduler (analogous to kernel/sched): each virtual processor has a run queue; on it real-time tasks come first, by
 * priority (rt.c); else the fair class (fair.c), the task with the least weighted run time. One host thread executes the
 * processors in turn, so `current` is the one task that executes now.
 */
export class Scheduler {
  readonly kernel: Kernel;
  readonly rqs: RunQueue[];
  current: Task | null = null;
  /** The running task should give way at the next safe point (TIF_NEED_RESCHED). */
  need_resched = false;
  /** CLOCK_MONOTONIC when this turn began, or ended: a turn's bookkeeping needs no finer time. */
  rq_clock = 0;
  /** What the processor that had least of the host's time had, when one was last chosen. */
  private host_time = 0;
  /** The processor whose turn it is, or was last. */
  private at = 0;
  /** sysctl kernel.sched_rt_runtime_us and _period_us, in nanoseconds; the runtime may be Infinity. */
  rt_runtime = 950e6;
  /** sysctl kernel.sched_rr_timeslice_ms, in nanoseconds. */
  rr_timeslice: number = RR_TIMESLICE;
  rt_period = 1000e6;
  /** Tasks under SCHED_DEADLINE, whose shares of the processors are promised. */
  readonly dl_tasks: Set<Task> = new Set();
  /** What an instruction takes on this host, in nanoseconds, as far as turns have shown. */
  ns_per_instruction: number = NS_PER_INSTRUCTION;
  /** Load averages over 1, 5 and 15 minutes, and when they were last brought up to date. */
  readonly avenrun: [number, number, number] = [0, 0, 0];
  private load_updated = 0;

  static {
    serializable('Scheduler', this);
  }

  constructor(kernel: Kernel, cpus: number) {
    this.kernel = kernel;
    this.rqs = Array.from({ length: cpus }, (_, cpu) => new RunQueue(cpu));
  }

  /** Bits of the processors there are (cpu_possible_mask). */
  get cpu_mask(): number {
    return 2 ** this.rqs.length - 1;
  }

  get nr_running(): number {
    let n = this.current !== null && this.current.state === TASK_RUNNING ? 1 : 0;
    for (const rq of this.rqs) n += rq.waiting;
    return n;
  }

  get nr_switches(): number {
    return this.rqs.reduce((n, rq) => n + rq.nr_switches, 0);
  }

  rq(task: Task): RunQueue {
    return this.rqs[task.cpu]!;
  }

  /** Puts a runnable task on its processor's queue; one that has used its deadline's time up comes later. */
  enqueue(task: Task): void {
    if (task.se.on_rq || task === this.current || task.dl?.throttled) return;
    task.se.queued_at = this.rq_clock;
    this.rq(task).enqueue(task);
  }

  /** Takes a task to another class or priority (sched_setscheduler). */
  set_policy(task: Task, policy: number, priority: number, dl: DlParams | null = null): void {
    const rq = this.rq(task);
    if (policy === task.policy && priority === task.rt_priority && dl === null) return;
    const queued = task.se.on_rq || task.dl?.throttled === true;
    const before = task.rt_effective;
    if (task.rt_priority === 0) task.se.rt_since = task.se.sum_exec_runtime;
    if (task.se.on_rq) rq.dequeue(task);
    task.policy = policy;
    task.rt_priority = priority;
    task.se.set_nice(task.se.nice);
    this.set_deadline(task, dl);
    if (task.rt_or_dl) task.timer_slack = 0;
    else if (task.timer_slack === 0) task.timer_slack = task.default_timer_slack;
    // Whoever becomes less urgent comes first among its new equals.
    if (queued) rq.enqueue(task, task.rt_effective < before);
    this.need_resched = true;
  }

  private set_deadline(task: Task, params: DlParams | null): void {
    task.dl?.stop();
    this.dl_tasks.delete(task);
    task.dl = params === null ? null : new DlEntity(task, params);
    if (task.dl === null) return;
    task.dl.wake(this.kernel.clock.now());
    this.dl_tasks.add(task);
  }

  /** The real-time priority that others lend a task (rt_mutex_setprio). */
  set_boost(task: Task, boost: number): void {
    const rq = this.rq(task);
    const queued = task.se.on_rq;
    const before = task.rt_effective;
    if (queued) rq.dequeue(task);
    task.rt_boost = boost;
    if (queued) rq.enqueue(task, task.rt_effective < before);
    this.need_resched = true;
  }

  /** Confines a task to the processors of a mask; it moves when it is not on one of them (__set_cpus_allowed_ptr). */
  set_cpus_allowed(task: Task, mask: number): void {
    task.cpus_mask = mask;
    if (allows(task, task.cpu)) return;
    if (task === this.current) {
      task.cpu = this.select_task_rq(task);
      this.need_resched = true;
      return;
    }
    this.move(task, this.select_task_rq(task));
  }

  /** Takes a task to another processor, keeping its distance to the queue's time. */
  private move(task: Task, cpu: number): void {
    const from = this.rq(task);
    const queued = task.se.on_rq;
    if (queued) from.dequeue(task);
    const to = this.rqs[cpu]!;
    task.se.vruntime += to.min_vruntime - from.min_vruntime;
    if (from.curr === task) {
      if (from.preempted) task.nivcsw++;
      from.preempted = false;
      from.curr = null;
    }
    task.cpu = cpu;
    task.se.nr_migrations++;
    if (queued) to.enqueue(task);
  }

  /** Where a task that becomes runnable goes: its last processor if that is idle, else the least busy one it may use. */
  private select_task_rq(task: Task): number {
    if (this.rqs.length === 1) return 0;
    const load = (rq: RunQueue): number =>
      rq.waiting + (rq.curr !== null && rq.curr === this.current ? 1 : 0);
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < this.rqs.length; i++) {
      const cpu = (task.cpu + i) % this.rqs.length;
      const n = load(this.rqs[cpu]!);
      if (n < least && allows(task, cpu)) {
        best = cpu;
        least = n;
      }
    }
    return best < 0 ? task.cpu : best;
  }

  /** A new task starts behind its parent's turn (task_fork_fair). */
  wake_up_new_task(task: Task): void {
    const cpu = this.select_task_rq(task);
    if (cpu !== task.cpu) this.move(task, cpu);
    task.se.vruntime = Math.max(this.rq(task).min_vruntime, task.se.vruntime);
    task.state = TASK_RUNNING;
    this.enqueue(task);
  }

  /** Makes a sleeping task runnable. @returns false when it did not sleep in a state of `states` */
  wake_up(task: Task, states: string = TASK_INTERRUPTIBLE + TASK_UNINTERRUPTIBLE): boolean {
    if (!states.includes(task.state)) return false;
    task.unpark();
    task.state = TASK_RUNNING;
    const { se } = task;
    if (this.rqs.length > 1 && task !== this.current) {
      const cpu = this.select_task_rq(task);
      if (cpu !== task.cpu) this.move(task, cpu);
    }
    se.rt_since = se.sum_exec_runtime;
    if (this.current === null) this.rq_clock = this.kernel.clock.now();
    se.avg.update(this.rq_clock, se.weight, false, false);
    se.vruntime = Math.max(se.vruntime, this.rq(task).min_vruntime - WAKEUP_CREDIT);
    if (task.dl !== null && !task.dl.throttled) task.dl.wake(this.kernel.clock.now());
    this.enqueue(task);
    const { trace } = this.kernel;
    if (trace.sched_wakeup.enabled) trace.sched_wakeup.emit({ pid: task.pid, comm: task.comm });
    const rq = this.rq(task);
    const running = this.current;
    if (running !== null && running.cpu !== task.cpu) rq.ipis++;
    else if (running !== null && preempts(task, running)) this.need_resched = true;
    // One that was interrupted, and would go on, is preempted, too.
    if (rq.preempted && preempts(task, rq.curr!)) rq.goes_on = false;
    return true;
  }

  /**
   * The next task to run, taken off its queue: of the processors that have one, the one that had least of the host's time, all
   * of them in turn where they had the same. Null when none is runnable.
   */
  pick_next_task(): Task | null {
    const { rqs } = this;
    let next: RunQueue | null = null;
    for (let i = 1; i <= rqs.length; i++) {
      const rq = rqs[(this.at + i) % rqs.length]!;
      if (rq.waiting === 0 && !this.newidle_balance(rq)) continue;
      rq.host_time = Math.max(rq.host_time, this.host_time - HOST_DEBT);
      if (next === null || rq.host_time < next.host_time) next = rq;
    }
    if (next === null) return null;
    this.host_time = Math.max(this.host_time, next.host_time);
    this.at = next.cpu;
    return this.pick(next);
  }

  private pick(rq: RunQueue): Task {
    const now = this.rq_clock;
    const first = rq.firstRt();
    const held = first !== null && first.dl === null && this.rtThrottled(rq, now);
    const task = (held ? null : first) ?? this.next_fair(rq) ?? first!;
    rq.dequeue(task);
    const { se } = task;
    if (task.rt_effective === 0) {
      const least = Math.min(se.vruntime, rq.tree.first()?.vruntime ?? Infinity);
      rq.min_vruntime = Math.max(rq.min_vruntime, least);
    }
    se.avg.update(now, se.weight, true, false);
    se.exec_start = now;
    se.turn_instructions = se.instructions;
    se.run_delay += now - se.queued_at;
    rq.run_delay += now - se.queued_at;
    if (rq.curr !== task || !rq.preempted || !rq.goes_on) {
      rq.turn = 0;
      rq.turn_start = now;
    }
    if (rq.curr !== task || !rq.preempted) this.context_switch(rq, task);
    rq.preempted = false;
    this.need_resched = false;
    return task;
  }

  /** The one that was interrupted until its time is over, then the one that has had least. */
  private next_fair(rq: RunQueue): Task | null {
    const { curr } = rq;
    const same = rq.preempted && rq.goes_on && this.rq_clock - rq.turn_start < SLICE;
    if (same && curr!.se.on_rq && curr!.cpu === rq.cpu && curr!.rt_effective === 0) return curr;
    return rq.tree.first()?.task ?? null;
  }

  /** Counts what a task that goes on where it was does not count. */
  private context_switch(rq: RunQueue, next: Task): void {
    if (rq.preempted) rq.curr!.nivcsw++;
    next.se.pcount++;
    rq.pcount++;
    rq.nr_switches++;
    rq.curr = next;
  }

  /** Real-time tasks leave the fair ones a twentieth of each second (the fair server of kernel/sched/deadline.c). */
  private rtThrottled(rq: RunQueue, now: number): boolean {
    if (rq.rt.length === 0) return false;
    if (now - rq.rt_period >= this.rt_period) {
      rq.rt_period = now;
      rq.rt_time = 0;
    }
    return rq.tree.size > 0 && rq.rt_time >= this.rt_runtime;
  }

  /** Has it a processor, or would it have gone on but for an interrupt (task_curr)? */
  task_curr(task: Task): boolean {
    const rq = this.rq(task);
    return this.current === task || (rq.preempted && rq.curr === task);
  }

  /** A thread of a process that has a processor. */
  running_thread(signal: SignalStruct): Task | null {
    if (this.current?.signal === signal) return this.current;
    return this.rqs.find((rq) => rq.preempted && rq.curr?.signal === signal)?.curr ?? null;
  }

  /** A processor that has nothing takes a waiting task from the one that has most. */
  private newidle_balance(rq: RunQueue): boolean {
    if (this.rqs.length === 1) return false;
    let busiest: RunQueue | null = null;
    for (const other of this.rqs)
      if (other.waiting > Math.max(1, busiest?.waiting ?? 0)) busiest = other;
    if (busiest === null) return false;
    const task = this.pullable(busiest, rq.cpu);
    if (task === null) return false;
    this.move(task, rq.cpu);
    rq.balances++;
    return true;
  }

  private pullable(from: RunQueue, cpu: number): Task | null {
    for (const task of from.rt) if (allows(task, cpu)) return task;
    for (let se = from.tree.first(); se !== null; se = from.tree.next(se))
      if (allows(se.task!, cpu)) return se.task!;
    return null;
  }

  /** The current task leaves the CPU; it goes back on a queue when it still can run. */
  put_prev_task(task: Task): void {
    this.current = null;
    const rq = this.rqs[this.at]!;
    if (task.cpu !== rq.cpu) {
      // It was moved while it ran (sched_setaffinity).
      task.se.vruntime += this.rq(task).min_vruntime - rq.min_vruntime;
      rq.curr = null;
    }
    if (task.state === TASK_RUNNING) {
      if (rq.curr === task) {
        rq.preempted = true;
        rq.goes_on = !this.need_resched && task.resume !== RESUME_SYSCALL;
      } else task.nivcsw++;
      rq.ticks++;
      if (task.dl !== null && task.dl.runtime <= 0) {
        task.dl.throttle(this.kernel.clock.now());
        return;
      }
      this.enqueue(task);
      // A real-time task keeps its place unless its time slice is over or it yielded.
      const { rt } = this.rq(task);
      const slice = task.policy === SCHED_RR ? this.rr_timeslice : Infinity;
      const over = rq.turn === Infinity || this.rq_clock - rq.turn_start >= slice;
      if (over) rq.goes_on = false;
      if (task.rt_effective > 0 && !over) rt.unshift(rt.pop()!);
    } else if (task.state !== EXIT_ZOMBIE && task.state !== EXIT_DEAD) {
      task.nvcsw++;
      task.se.avg.sleeps();
      this.goIdle(rq);
    } else {
      rq.curr = null;
      this.goIdle(rq);
      if (task.dl !== null) this.set_deadline(task, null);
    }
  }

  /** A processor with nothing to do switches to its idle task. */
  private goIdle(rq: RunQueue): void {
    if (rq.waiting === 0) rq.nr_switches++;
  }

  /** Adds a turn's real time to the task and its processor, divided by what was executed (account_process_tick). */
  account(task: Task, ns: number, instructions: number, calls: number): void {
    const { se } = task;
    const rq = this.rqs[this.at]!;
    se.sum_exec_runtime += ns;
    se.vruntime += ns * (1024 / se.weight);
    rq.host_time += ns;
    this.rq_clock += ns;
    se.avg.update(this.rq_clock, se.weight, true, true);
    if (task.dl !== null) task.dl.charge(ns);
    else if (task.rt_effective > 0) rq.rt_time += ns;
    const user = this.user_share(ns, instructions, calls);
    se.user_time += user;
    if (se.nice > 0) rq.nice += user;
    else rq.user += user;
    rq.system += ns - user;
  }

  /** How much of a turn's time its instructions took: what they take is seen in turns without system calls. */
  private user_share(ns: number, instructions: number, calls: number): number {
    if (instructions >= MEASURABLE) {
      const cost = ns / instructions;
      if (calls === 0 || cost < this.ns_per_instruction)
        this.ns_per_instruction += (cost - this.ns_per_instruction) / 4;
    }
    // What takes longer than calls do is the translation of the program.
    const least = ns - calls * MAX_NS_PER_CALL;
    return Math.round(Math.min(ns, Math.max(instructions * this.ns_per_instruction, least)));
  }

  /**
   * Instructions of a turn, after which the clock and the run queues are looked at: that takes as long as some 20,000 of a loop.
   * With a virtual clock, by which each takes a nanosecond, a turn is always the same.
   */
  turn_instructions(task: Task): number {
    const isFair = task.dl === null && task.rt_effective === 0;
    if (!isFair || this.rqs.some((rq) => rq.waiting > 0)) return TURN_INSTRUCTIONS;
    const fitting = Math.floor(TURN_NS / this.ns_per_instruction);
    return Math.max(TURN_INSTRUCTIONS, Math.min(fitting, MOST_TURN_INSTRUCTIONS));
  }

  /** Counts what the current task executed, and looks whether its turn is over. */
  charge(task: Task, instructions: number, calls: number): void {
    const { se } = task;
    const rq = this.rqs[this.at]!;
    se.instructions += instructions;
    se.calls += calls;
    const ns = instructions * NS_PER_INSTRUCTION + calls * NS_PER_CALL;
    rq.turn += ns;
    if (task.dl !== null) {
      if (rq.turn >= task.dl.runtime) this.need_resched = true;
    } else if (task.rt_effective > 0) return;
    else if (rq.rt.length > 0 || (rq.turn >= SLICE && rq.tree.size > 0)) this.need_resched = true;
  }

  /** sched_yield(2): to the right end of the time line. */
  yield_task(task: Task): void {
    const rq = this.rqs[this.at]!;
    if (task.dl !== null) {
      // It has done its work for this period (yield_task_dl).
      task.dl.runtime = 0;
      this.need_resched = true;
      return;
    }
    if (task.rt_effective > 0) {
      rq.turn = Infinity;
      this.need_resched = true;
      return;
    }
    let last = rq.tree.root;
    while (last !== null && last.rb_right !== null) last = last.rb_right;
    if (last !== null) task.se.vruntime = Math.max(task.se.vruntime, last.vruntime);
    if (last !== null || this.rqs.length > 1) this.need_resched = true;
  }

  /**
   * Decays the load averages in steps of 5 seconds (calc_load).
   * @param active tasks that ran or could while the time passed
   */
  calc_load(now: number, active: number): void {
    while (now - this.load_updated >= LOAD_FREQ) {
      this.load_updated += LOAD_FREQ;
      [60, 300, 900].forEach((seconds, i) => {
        const e = Math.exp(-5 / seconds);
        this.avenrun[i] = this.avenrun[i]! * e + active * (1 - e);
      });
    }
  }
}

/** User and system time in nanoseconds (cputime_adjust). */
export function task_cputime(task: Task): { utime: number; stime: number } {
  const { se } = task;
  const { sched, clock } = task.kernel;
  // What the running task has had of this turn counts, too.
  const turn = sched.current === task ? clock.now() - sched.rq_clock : 0;
  const runtime = se.sum_exec_runtime + turn;
  const executed = (se.instructions - se.turn_instructions) * sched.ns_per_instruction;
  const user = Math.round(se.user_time + (turn === 0 ? 0 : Math.min(turn, executed)));
  const stime = Math.max(se.prev_stime, runtime - user);
  se.prev_utime = Math.max(se.prev_utime, runtime - stime);
  se.prev_stime = runtime - se.prev_utime;
  return { utime: se.prev_utime, stime: se.prev_stime };
}
