import type { Dentry } from '../fs/dcache.ts';
import { serializable } from '../include/serial.ts';
import type { WaitQueue } from '../include/wait.ts';
import type { Task } from './task.ts';

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly pids: PidTable;
  }
}

export type PidType = 'pid' | 'tgid' | 'pgid' | 'sid';

/**
 * Analogous to `struct pid`: a number and the tasks that use it as thread, process, group or session id. The number
 * is free again when nobody does.
 */
export class Pid {
  readonly nr: number;
  readonly tasks: Record<PidType, Set<Task>> = {
    pid: new Set(),
    tgid: new Set(),
    pgid: new Set(),
    sid: new Set(),
  };
  /** Woken when its task dies or goes: pidfds poll it. */
  wait_pidfd: WaitQueue | null = null;
  /** Its place in pidfs, once there was a pidfd of it. */
  stashed: Dentry | null = null;

  constructor(nr: number) {
    this.nr = nr;
  }

  /** The thread with this id. */
  get task(): Task | null {
    for (const task of this.tasks.pid) return task;
    return null;
  }

  get unused(): boolean {
    const t = this.tasks;
    return t.pid.size + t.tgid.size + t.pgid.size + t.sid.size === 0;
  }

  static {
    serializable('Pid', this);
  }
}

/** Analogous to `struct pid_namespace`: allots numbers in rising order and starts again at 300 after pid_max. */
export class PidTable {
  readonly pids: Map<number, Pid> = new Map();
  pid_max = 32768;
  last = 0;

  static {
    serializable('PidTable', this);
  }

  /** A new number, or null when all are used. @param wanted that one, which is free; 0 for the next */
  alloc(wanted = 0): Pid | null {
    if (wanted !== 0) {
      const pid = new Pid(wanted);
      this.pids.set(wanted, pid);
      return pid;
    }
    for (let tries = this.pid_max; tries > 0; tries--) {
      this.last = this.last + 1 >= this.pid_max ? 300 : this.last + 1;
      if (this.pids.has(this.last)) continue;
      const pid = new Pid(this.last);
      this.pids.set(this.last, pid);
      return pid;
    }
    return null;
  }

  find(nr: number): Pid | null {
    return this.pids.get(nr) ?? null;
  }

  attach(pid: Pid, type: PidType, task: Task): void {
    pid.tasks[type].add(task);
  }

  detach(pid: Pid, type: PidType, task: Task): void {
    pid.tasks[type].delete(task);
    if (type === 'pid') pid.wait_pidfd?.wake();
    if (pid.unused) this.pids.delete(pid.nr);
  }
}
