import * as E from '@vitrine/uapi/errno.ts';
import * as SC from '@vitrine/uapi/seccomp.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { errno } from '../include/errno.ts';
import { get_unused_fd } from '../fs/fdtable.ts';
import { seccomp_attach_filter, seccomp_cannot_sync, seccomp_one_listener, seccomp_prepare_filter, seccomp_read_program, seccomp_sync_threads } from '../kernel/seccomp.ts'; // prettier-ignore
import { SeccompNotifyFile } from '../kernel/seccomp_notify.ts';
import type { Task } from '../kernel/task.ts';
import { choice, flags, ptr } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

const FLAGS = 0x3f;
const ACTIONS: readonly number[] = [
  SC.SECCOMP_RET_KILL_PROCESS, SC.SECCOMP_RET_KILL_THREAD, SC.SECCOMP_RET_TRAP, SC.SECCOMP_RET_ERRNO,
  SC.SECCOMP_RET_USER_NOTIF, SC.SECCOMP_RET_TRACE, SC.SECCOMP_RET_LOG, SC.SECCOMP_RET_ALLOW,
]; // prettier-ignore

/** Once chosen a mode stays (seccomp_may_assign_mode). */
function mayAssign(task: Task, mode: number): void {
  if (task.seccomp_mode !== SC.SECCOMP_MODE_DISABLED && task.seccomp_mode !== mode)
    throw errno(
      E.EINVAL,
      'seccomp: process {} is in mode {} already',
      task.tgid,
      task.seccomp_mode,
    );
}

function setStrict(task: Task): number {
  mayAssign(task, SC.SECCOMP_MODE_STRICT);
  task.seccomp_mode = SC.SECCOMP_MODE_STRICT;
  return 0;
}

function setFilter(task: Task, how: number, fprog: number): number {
  const sync = (how & SC.SECCOMP_FILTER_FLAG_TSYNC) !== 0;
  if (how & ~FLAGS) throw errno(E.EINVAL, 'seccomp: flags {} are unknown', how);
  const listener = (how & SC.SECCOMP_FILTER_FLAG_NEW_LISTENER) !== 0;
  if (sync && listener && !(how & SC.SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
    throw errno(E.EINVAL, 'seccomp: TSYNC and NEW_LISTENER both want the result');
  if (how & SC.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV && !listener)
    throw errno(E.EINVAL, 'seccomp: WAIT_KILLABLE_RECV is for a listener');
  const program = seccomp_read_program(task, fprog);
  const filter = seccomp_prepare_filter(task, program, (how & SC.SECCOMP_FILTER_FLAG_LOG) !== 0);
  const fd = listener ? get_unused_fd(task) : 0;
  mayAssign(task, SC.SECCOMP_MODE_FILTER);
  if (listener) seccomp_one_listener(task);
  const other = sync ? seccomp_cannot_sync(task) : null;
  if (other !== null) {
    if (!(how & SC.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)) return other.pid;
    throw errno(E.ESRCH, 'seccomp: thread {} has filters of its own', other.pid);
  }
  filter.wait_killable_recv = (how & SC.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) !== 0;
  seccomp_attach_filter(task, filter);
  if (sync) seccomp_sync_threads(task);
  if (listener) task.files.install(fd, new SeccompNotifyFile(task, filter), true);
  return fd;
}

function sys_seccomp(task: Task, op: number, how: number, args: number): number {
  switch (op) {
    case SC.SECCOMP_SET_MODE_STRICT:
      if (how !== 0 || args !== 0)
        throw errno(E.EINVAL, 'seccomp: strict mode takes no flags and no arguments');
      return setStrict(task);
    case SC.SECCOMP_SET_MODE_FILTER:
      return setFilter(task, how, args);
    case SC.SECCOMP_GET_ACTION_AVAIL: {
      if (how !== 0) throw errno(E.EINVAL, 'seccomp: flags {} are unknown', how);
      const action = task.mem.getU32(args);
      if (!ACTIONS.includes(action))
        throw errno(E.EOPNOTSUPP, 'seccomp: there is no action 0x{}', action.toString(16));
      return 0;
    }
    case SC.SECCOMP_GET_NOTIF_SIZES:
      if (how !== 0) throw errno(E.EINVAL, 'seccomp: flags {} are unknown', how);
      task.mem.write(args, new Uint8Array(Uint16Array.of(80, 24, 64).buffer));
      return 0;
    default:
      throw errno(E.EINVAL, 'seccomp: there is no operation {}', op);
  }
}

/** prctl(PR_SET_SECCOMP) */
export function prctl_set_seccomp(task: Task, mode: number, fprog: number): number {
  if (mode === SC.SECCOMP_MODE_STRICT) return setStrict(task);
  if (mode === SC.SECCOMP_MODE_FILTER) return setFilter(task, 0, fprog);
  throw errno(E.EINVAL, 'prctl: seccomp has no mode {}', mode);
}

export const SECCOMP: readonly SyscallRow[] = [
  row(NR.__NR_seccomp, 'seccomp', [choice('seccomp'), flags('seccomp'), ptr], FULL, sys_seccomp), // prettier-ignore
];
