import { EACCES } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_PTRACE } from '@vitrine/uapi/capability.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Task } from '../../kernel/task.ts';

/** May the caller look into the process, as a debugger could (ptrace(2), "Ptrace access mode checking")? */
export function may_access(current: Current, task: Task): boolean {
  if (task.signal === (current as Task).signal) return true;
  const { cred } = current;
  if (cred.landlock !== null && !cred.landlock.contains(task.cred.landlock)) return false;
  const t = task.cred;
  const same =
    cred.fsuid === t.uid && cred.fsuid === t.euid && cred.fsuid === t.suid &&
    cred.fsgid === t.gid && cred.fsgid === t.egid && cred.fsgid === t.sgid; // prettier-ignore
  if (capable(cred, CAP_SYS_PTRACE)) return true;
  return same && (task.mm === null || task.mm.dumpable === 1);
}

export function ptrace_may_access(current: Current, task: Task, what: unknown): void {
  if (may_access(current, task)) return;
  throw errno(EACCES, '{} of process {} (uid {}) is for its own user and CAP_SYS_PTRACE, not uid {}',
    what, task.tgid, task.cred.uid, current.cred.fsuid); // prettier-ignore
}
