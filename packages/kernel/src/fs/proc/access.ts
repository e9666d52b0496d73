import { EACCES } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_PTRACE } from '@vitrine/uapi/capability.ts';
import { cap_subset, capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Task } from '../../kernel/task.ts';

/** As whom a process is looked into: by file system calls, or by calls that name processes. */
export type AccessCreds = 'fs' | 'real';

/** May the caller look into the process, as a debugger could (ptrace(2), "Ptrace access mode checking")? */
export function may_access(current: Current, task: Task, as: AccessCreds = 'fs'): boolean {
  if (task.signal === (current as Task).signal) return true;
  const { cred } = current;
  if (cred.landlock !== null && !cred.landlock.contains(task.cred.landlock)) return false;
  if (capable(cred, CAP_SYS_PTRACE)) return true;
  const t = task.cred;
  const [uid, gid, caps] = as === 'fs' ? [cred.fsuid, cred.fsgid, cred.effective] : [cred.uid, cred.gid, cred.permitted]; // prettier-ignore
  const same =
    uid === t.uid && uid === t.euid && uid === t.suid &&
    gid === t.gid && gid === t.egid && gid === t.sgid; // prettier-ignore
  return same && (task.mm === null || task.mm.dumpable === 1) && cap_subset(t.permitted, caps);
}

export function ptrace_may_access(current: Current, task: Task, what: unknown): void {
  if (may_access(current, task)) return;
  throw errno(EACCES, '{} of process {} (uid {}) is for its own user and CAP_SYS_PTRACE, not uid {}',
    what, task.tgid, task.cred.uid, current.cred.fsuid); // prettier-ignore
}
