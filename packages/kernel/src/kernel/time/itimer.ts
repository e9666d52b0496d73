import { RLIMIT_CPU, RLIMIT_RTTIME } from '@vitrine/uapi/resource.ts';
import { SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from '@vitrine/uapi/signal.ts';
import { serializable } from '../../include/serial.ts';
import { Timer, type TimerOwner } from '../../include/time.ts';
import { send_sig } from '../signal.ts';
import { task_cputime } from '../sched/fair.ts';
import { run_posix_cpu_timers } from './posix_cpu_timers.ts';
import type { Task } from '../task.ts';

/** ITIMER_REAL of a process (analogous to signal->real_timer). */
export class RealItimer implements TimerOwner {
  readonly leader: Task;
  readonly timer: Timer;
  interval = 0;
  constructor(leader: Task) {
    this.leader = leader;
    this.timer = new Timer(this);
  }
  static {
    serializable('RealItimer', this);
  }
  timerFired(): void {
    const { leader, timer, interval } = this;
    send_sig(SIGALRM, leader, 'its ITIMER_REAL (setitimer or alarm) expired');
    if (interval > 0) leader.kernel.timers.start(timer, timer.expires + interval);
  }
}

/** ITIMER_VIRTUAL or ITIMER_PROF: the processor time at which it fires, 0 when it is off. */
export interface CpuItimer {
  expires: number;
  interval: number;
}

declare module '../signal_struct.ts' {
  interface SignalStruct {
    real?: RealItimer;
    virt?: CpuItimer;
    prof?: CpuItimer;
  }
}

/** Processor time of all threads, living and dead, in nanoseconds. */
export function thread_group_cputime(task: Task): { utime: number; stime: number } {
  const { used, threads } = task.signal;
  let { utime, stime } = used;
  for (const thread of threads) {
    const t = task_cputime(thread);
    utime += t.utime;
    stime += t.stime;
  }
  return { utime, stime };
}

export function exit_itimers(task: Task): void {
  const { real } = task.signal;
  if (real?.timer.queued) task.kernel.timers.cancel(real.timer);
}

/** At the end of a turn: the timers and the limit that count processor time (run_posix_cpu_timers). */
export function run_cpu_timers(task: Task): void {
  const { signal } = task;
  const limit = signal.rlim[RLIMIT_CPU]!;
  run_posix_cpu_timers(task);
  if (task.rt_priority > 0) check_rttime(task);
  if (signal.virt === undefined && signal.prof === undefined && limit.cur === Infinity) return;
  const { utime, stime } = thread_group_cputime(task);
  expire(task, signal.virt, utime, SIGVTALRM, 'ITIMER_VIRTUAL');
  expire(task, signal.prof, utime + stime, SIGPROF, 'ITIMER_PROF');
  if (limit.cur === Infinity) return;
  const seconds = (utime + stime) / 1e9;
  if (seconds >= limit.max) {
    send_sig(
      SIGKILL,
      task,
      `it used ${Math.floor(seconds)} s of processor time, the hard RLIMIT_CPU is ${limit.max} s`,
    );
  } else if (seconds >= limit.cur) {
    send_sig(
      SIGXCPU,
      task,
      `it used ${Math.floor(seconds)} s of processor time, RLIMIT_CPU is ${limit.cur} s`,
    );
    signal.rlim[RLIMIT_CPU] = { cur: Number(limit.cur) + 1, max: limit.max };
  }
}

/** RLIMIT_RTTIME: microseconds that a real-time task runs without sleeping (check_thread_timers). */
function check_rttime(task: Task): void {
  const { signal, se } = task;
  const limit = signal.rlim[RLIMIT_RTTIME]!;
  if (limit.cur === Infinity) return;
  const us = (se.sum_exec_runtime - se.rt_since) / 1e3;
  const reason = (which: string, bound: number | bigint): string =>
    `it ran ${Math.floor(us)} us of real time without sleeping, the ${which} RLIMIT_RTTIME is ${bound} us`;
  if (us >= limit.max) send_sig(SIGKILL, task, reason('hard', limit.max));
  else if (us >= limit.cur) {
    signal.rlim[RLIMIT_RTTIME] = { cur: Number(limit.cur) + 1e6, max: limit.max };
    send_sig(SIGXCPU, task, reason('soft', limit.cur));
  }
}

function expire(
  task: Task,
  timer: CpuItimer | undefined,
  now: number,
  sig: number,
  name: string,
): void {
  if (timer === undefined || timer.expires === 0 || now < timer.expires) return;
  timer.expires = timer.interval === 0 ? 0 : timer.expires + timer.interval;
  send_sig(sig, task, `its ${name} expired`);
}
