import type { Kernel } from '../../include/kernel.ts';
import { wall_deadline } from '../../include/time.ts';

/** What must know that CLOCK_REALTIME jumped: timers that were given a point on it. */
export interface WallTimer {
  clockWasSet(): void;
}

declare module '../../fs/vfs.ts' {
  interface Vfs {
    /** Armed timers with a point on the wall clock (timerfd, POSIX timers). */
    wallTimers?: Set<WallTimer>;
  }
}

/** A sleep until a point on the wall clock, as callState of clock_nanosleep. */
export interface WallSleep {
  deadline: number;
  /** CLOCK_REALTIME nanoseconds. */
  readonly wall?: bigint;
}

/** CLOCK_REALTIME was set: what waits for a point on it waits for another moment now (clock_was_set). */
export function clock_was_set(kernel: Kernel): void {
  kernel.arch.update_vsyscall();
  for (const timer of [...(kernel.vfs.wallTimers ?? [])]) timer.clockWasSet();
  for (const { task } of kernel.pids.pids.values()) {
    const sleep = task?.callState as Partial<WallSleep> | null | undefined;
    if (!sleep || typeof sleep !== 'object' || typeof sleep.wall !== 'bigint') continue;
    sleep.deadline = wall_deadline(kernel, sleep.wall);
    kernel.sched.wake_up(task!);
  }
}
