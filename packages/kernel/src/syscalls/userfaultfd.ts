import { CAP_SYS_PTRACE } from '@vitrine/uapi/capability.ts';
import { EPERM } from '@vitrine/uapi/errno.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { UFFD_USER_MODE_ONLY } from '@vitrine/uapi/userfaultfd.ts';
import { new_userfaultfd } from '../fs/userfaultfd/userfaultfd.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { flags } from './kinds.ts';
import { type SyscallRow, partial, row } from './row.ts';

/** Faults of system calls are for who could look into the process, or whom vm.unprivileged_userfaultfd allows. */
function sys_userfaultfd(task: Task, how: number): number {
  if (!(how & UFFD_USER_MODE_ONLY) && !capable(task.cred, CAP_SYS_PTRACE) && task.kernel.sysctl.unprivileged_userfaultfd === 0)
    throw errno(EPERM, 'userfaultfd without UFFD_USER_MODE_ONLY needs CAP_SYS_PTRACE or vm.unprivileged_userfaultfd'); // prettier-ignore
  return new_userfaultfd(task, how);
}

export const USERFAULTFD: readonly SyscallRow[] = [
  row(NR.__NR_userfaultfd, 'userfaultfd', [flags('userfaultfd')], partial('no huge pages'), sys_userfaultfd), // prettier-ignore
];
