import { serializable } from '../../include/serial.ts';
import type { Task } from '../task.ts';

/**
 * A session's tasks, which with kernel.sched_autogroup_enabled would have one share of the processors together
 * (kernel/sched/autogroup.c). It is off, as with `noautogroup`: there are no groups of tasks yet that shares could go to.
 */
export class Autogroup {
  readonly id: number;
  nice = 0;

  constructor(id: number) {
    this.id = id;
  }

  static {
    serializable('Autogroup', this);
  }
}

declare module '../signal_struct.ts' {
  interface SignalStruct {
    /** None before the first session: that is the root group. */
    autogroup?: Autogroup | null;
  }
}
declare module './fair.ts' {
  interface Scheduler {
    autogroup_seq_nr?: number;
  }
}

/** setsid: a group of its own. */
export function sched_autogroup_create_attach(task: Task): void {
  const { sched } = task.kernel;
  sched.autogroup_seq_nr = (sched.autogroup_seq_nr ?? 0) + 1;
  task.signal.autogroup = new Autogroup(sched.autogroup_seq_nr);
}
