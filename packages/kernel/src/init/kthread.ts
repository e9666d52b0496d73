import type { Cred } from '../include/cred.ts';
import type { Kernel } from '../include/kernel.ts';
import { Pid } from '../kernel/pid.ts';
import { SchedEntity } from '../kernel/sched/entity.ts';
import { Sighand, SignalStruct } from '../kernel/signal_struct.ts';
import { TASK_INTERRUPTIBLE, Task } from '../kernel/task.ts';
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
