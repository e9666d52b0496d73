import * as E from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from '@vitrine/uapi/capability.ts';
import * as C from '@vitrine/uapi/sched.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import { Path } from '../fs/dcache.ts';
import { fget } from '../fs/fdtable.ts';
import { set_fs_ns, set_fs_pwd, set_fs_root } from '../fs/fs_struct.ts';
import { MntNamespace, follow_down } from '../fs/mount.ts';
import { NsFile, type NsObject } from '../fs/nsfs/nsfs.ts';
import { PidfdFile, pidfd_task } from '../fs/pidfs/pidfd.ts';
import { may_access } from '../fs/proc/access.ts';
import type { Task } from '../kernel/task.ts';
import { fd, flags } from './kinds.ts';
import { type SyscallRow, partial, row } from './row.ts';

const NAMESPACES =
  C.CLONE_NEWCGROUP |
  C.CLONE_NEWIPC |
  C.CLONE_NEWNET |
  C.CLONE_NEWNS |
  C.CLONE_NEWPID |
  C.CLONE_NEWTIME |
  C.CLONE_NEWUSER |
  C.CLONE_NEWUTS;

function may_enter(task: Task, capability: number, name: string): void {
  if (!capable(task.cred, capability))
    throw errno(E.EPERM, 'setns: to enter a namespace takes {}; uid {} has not', name, task.cred.euid); // prettier-ignore
}

/** mntns_install: the caller's root and directory become the namespace's root. */
function enter_mounts(task: Task, ns: MntNamespace): void {
  may_enter(task, CAP_SYS_CHROOT, 'CAP_SYS_CHROOT');
  if (task.fs.users !== 1)
    throw errno(
      E.EINVAL,
      'setns: the root directory of process {} is shared (CLONE_FS)',
      task.tgid,
    );
  const root = follow_down(new Path(ns.root, ns.root.root));
  set_fs_pwd(task.fs, root);
  set_fs_root(task.fs, root);
  set_fs_ns(task.fs, ns);
}

/** May the caller enter, and is there anything to do? All kinds but mounts have one namespace, where everybody is. */
function install(task: Task, type: number, ns: NsObject): void {
  if (type === C.CLONE_NEWUSER)
    throw errno(E.EINVAL, 'setns: process {} is in that user namespace already', task.tgid);
  if (type === C.CLONE_NEWTIME && task.signal.threads.size > 1)
    throw errno(E.EUSERS, 'setns: process {} has several threads', task.tgid);
  may_enter(task, CAP_SYS_ADMIN, 'CAP_SYS_ADMIN');
  if (ns instanceof MntNamespace) enter_mounts(task, ns);
}

function of_process(task: Task, file: PidfdFile, types: number): void {
  if (types === 0 || types & ~NAMESPACES)
    throw errno(E.EINVAL, 'setns: {} are no kinds of namespaces', types);
  const target = pidfd_task(file);
  if (!may_access(task, target, 'real'))
    throw errno(E.EPERM, 'setns: process {} may not be looked into', target.tgid);
  if (types & C.CLONE_NEWUSER) install(task, C.CLONE_NEWUSER, null);
  const { ns } = target.fs;
  install(task, types & C.CLONE_NEWTIME, types & C.CLONE_NEWNS ? ns : null);
}

/** setns(2) */
function sys_setns(task: Task, descriptor: number, types: number): number {
  const file = fget(task, descriptor);
  if (file instanceof PidfdFile) {
    of_process(task, file, types);
    return 0;
  }
  if (!(file instanceof NsFile))
    throw errno(E.EINVAL, 'setns: {} is no namespace and no process', file.path);
  const { type, ns } = file.inode;
  if (types !== 0 && types !== type)
    throw errno(E.EINVAL, 'setns: {} is of another kind than was asked for', file.path);
  install(task, type, ns);
  return 0;
}

export const SETNS: readonly SyscallRow[] = [
  row(NR.__NR_setns, 'setns', [fd, flags('clone')], partial('there is one namespace of each kind but mounts'), sys_setns), // prettier-ignore
];
