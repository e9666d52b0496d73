import type { Cred } from '../include/cred.ts';
import type { Kernel } from '../include/kernel.ts';
import { Pid } from '../kernel/pid.ts';
import { SchedEntity } from '../kernel/sched/entity.ts';
import { Sighand, SignalStruct } from '../kernel/signal_struct.ts';
import { TASK_INTERRUPTIBLE, Task } from '../kernel/task.ts';
import type { Vmlinux } from './main.ts';
import { initRlimits } from '../syscalls/resource.ts';

declare module '../include/kernel.ts' {
  interface Kernel {
    /** The kernel's own task, number 0 (swapper): on its behalf the kernel boots and the host works with files. */
    swapper: Task;
  }
}

/** Makes task 0. It never runs: it is somebody for the kernel to act as. */
export function make_kthreadd(kernel: Kernel, cred: Cred): Task {
  const pid = new Pid(0);
  const signal = new SignalStruct(pid, pid, initRlimits(kernel.max_threads));
  const task = new Task(
    kernel,
    pid,
    cred,
    signal,
    new Sighand(),
    new SchedEntity(),
    kernel.arch.contextSize,
  );
  task.se.task = task;
  task.comm = 'swapper';
  task.kthread = true;
  task.state = TASK_INTERRUPTIBLE;
  signal.threads.add(task);
  kernel.swapper = task;
  return task;
}

/**
 * Makes a PID 1 that adopts orphans and forgets the dead, and does nothing else: the init of machines whose processes
 * the host starts and waits for.
 */
export function make_init(kernel: Vmlinux): Task {
  const pid = kernel.pids.alloc()!;
  const { swapper } = kernel;
  const signal = new SignalStruct(
    pid,
    pid,
    swapper.signal.rlim.map((limit) => ({ ...limit })),
  );
  const se = new SchedEntity();
  const task = new Task(kernel, pid, swapper.cred, signal, new Sighand(), se, 0);
  se.task = task;
  task.comm = 'init';
  task.kthread = true;
  task.state = TASK_INTERRUPTIBLE;
  task.fs = swapper.fs;
  task.files = swapper.files;
  signal.unkillable = true;
  signal.leader = true;
  signal.threads.add(task);
  for (const type of ['pid', 'tgid', 'pgid', 'sid'] as const) kernel.pids.attach(pid, type, task);
  kernel.nr_threads++;
  kernel.init = task;
  return task;
}
