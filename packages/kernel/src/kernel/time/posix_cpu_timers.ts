import { EINVAL } from '@vitrine/uapi/errno.ts';
import { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID } from '@vitrine/uapi/time.ts';
import { errno } from '../../include/errno.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import { task_cputime } from '../sched/fair.ts';
import type { Task } from '../task.ts';
import { thread_group_cputime } from './itimer.ts';

/** Clocks and timers that count processor time (analogous to kernel/time/posix-cpu-timers.c). */

const CPUCLOCK_PERTHREAD_MASK = 4;
const CPUCLOCK_VIRT = 1;
const CPUCLOCK_MAX = 3;

/** A process's clock, or a thread's: of all its time, or of that in user mode. */
export interface CpuClock {
  readonly target: Task;
  readonly thread: boolean;
  readonly virtual: boolean;
}

/** The processor-time clock of an id: a fixed one, or made of a pid (~pid << 3 | per-thread bit | kind). Null for others. */
export function cpu_clock(task: Task, clock: number, call: string): CpuClock | null {
  if (clock === CLOCK_PROCESS_CPUTIME_ID) return { target: task, thread: false, virtual: false };
  if (clock === CLOCK_THREAD_CPUTIME_ID) return { target: task, thread: true, virtual: false };
  if (clock >= 0) return null;
  const kind = clock & 3;
  if (kind >= CPUCLOCK_MAX) throw errno(EINVAL, '{}: there is no clock {}', call, clock);
  const thread = (clock & CPUCLOCK_PERTHREAD_MASK) !== 0;
  const pid = ~(clock >> 3);
  const target = pid === 0 ? task : task.kernel.pids.find(pid)?.task;
  if (!target)
    throw errno(EINVAL, '{}: clock {} belongs to process {}, which is gone', call, clock, pid);
  if (thread && target.signal !== task.signal)
    throw errno(EINVAL, '{}: the clock of thread {} is for its own process', call, pid);
  if (!thread && pid !== 0 && target.group_leader !== target)
    throw errno(EINVAL, '{}: {} is a thread, not a process', call, pid);
  return { target, thread, virtual: kind === CPUCLOCK_VIRT };
}

/** Nanoseconds that the clock shows. */
export function cpu_clock_sample(clock: CpuClock): number {
  const { utime, stime } = clock.thread
    ? task_cputime(clock.target)
    : thread_group_cputime(clock.target);
  return clock.virtual ? utime : utime + stime;
}

/** What a timer on processor time belongs to. */
export interface CpuTimerOwner {
  /** Its time has come, as `current` ran; it is not armed any more. */
  cpuTimerFired(timer: CpuTimer, current: Task): void;
}

declare module '../signal_struct.ts' {
  interface SignalStruct {
    /** Timers on the clocks of this process and its threads. */
    cpu_timers?: Set<CpuTimer>;
  }
}

/** Analogous to `struct cpu_timer`. */
export class CpuTimer {
  readonly clock: CpuClock;
  readonly owner: CpuTimerOwner;
  /** On its clock. */
  expires = 0;

  static {
    serializable('CpuTimer', this);
  }

  constructor(clock: CpuClock, owner: CpuTimerOwner) {
    this.clock = clock;
    this.owner = owner;
  }

  get armed(): boolean {
    return this.clock.target.signal.cpu_timers?.has(this) ?? false;
  }

  start(expires: number): void {
    this.expires = expires;
    (this.clock.target.signal.cpu_timers ??= new Set()).add(this);
  }

  cancel(): void {
    this.clock.target.signal.cpu_timers?.delete(this);
  }
}

/** After a turn: fires the timers whose time the process or the thread has used (run_posix_cpu_timers). */
export function run_posix_cpu_timers(task: Task): void {
  const timers = task.signal.cpu_timers;
  if (timers === undefined || timers.size === 0) return;
  for (const timer of [...timers]) {
    if (cpu_clock_sample(timer.clock) < timer.expires) continue;
    timer.cancel();
    timer.owner.cpuTimerFired(timer, task);
  }
}

/** Somebody who sleeps until a process has used so much time (clock_nanosleep). */
export class CpuSleeper implements CpuTimerOwner {
  readonly timer: CpuTimer;
  readonly queue: WaitQueue = new WaitQueue();

  static {
    serializable('CpuSleeper', this);
  }

  constructor(clock: CpuClock, until: number) {
    this.timer = new CpuTimer(clock, this);
    this.timer.start(until);
  }

  cpuTimerFired(): void {
    this.queue.wake();
  }
}
