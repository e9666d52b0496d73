import { EAGAIN, EINVAL, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_NICE } from '@vitrine/uapi/capability.ts';
import { RLIMIT_NICE } from '@vitrine/uapi/resource.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { strstrip } from '../../include/string.ts';
import { kstrtoint } from '../../include/kstrtox.ts';
import type { Kernel } from '../../include/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import { pid_create } from './registry.ts';

/** /proc/PID/autogroup (sched(7), "The autogroup feature"). */

declare module '../vfs.ts' {
  interface Vfs {
    /** When somebody without CAP_SYS_ADMIN may set the nice value of a group again. */
    autogroup_next?: number;
  }
}

const EVERY = 100e6;

function rate(current: Current, kernel: Kernel): void {
  const now = kernel.clock.now();
  if (now < (kernel.vfs.autogroup_next ?? 0) && !capable(current.cred, CAP_SYS_ADMIN))
    throw errno(EAGAIN, 'autogroup: nice values are set once in {} ms', EVERY / 1e6);
  kernel.vfs.autogroup_next = now + EVERY;
}

function write(task: Task, current: Current, text: string): void {
  const nice = kstrtoint(strstrip(text), 0, 'autogroup');
  if (nice < -20 || nice > 19)
    throw errno(EINVAL, 'autogroup: {} is no nice value from -20 to 19', nice);
  const allowed = 20 - nice <= current.rlimit(RLIMIT_NICE) || capable(current.cred, CAP_SYS_NICE);
  if (nice < 0 && !allowed)
    throw errno(EPERM, 'autogroup: nice {} needs CAP_SYS_NICE or RLIMIT_NICE', nice);
  rate(current, task.kernel);
  if (task.signal.autogroup) task.signal.autogroup.nice = nice;
}

pid_create('autogroup', {
  mode: 0o644,
  processOnly: true,
  show({ signal: { autogroup } }) {
    return autogroup ? `/autogroup-${autogroup.id} nice ${autogroup.nice}\n` : '';
  },
  write,
});
