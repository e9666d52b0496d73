import { EINVAL, ENOSYS, ENODEV, ENOTBLK, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { AT_FDCWD, O_LARGEFILE, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { MS_MGC_MSK, MS_MGC_VAL } from '@vitrine/uapi/mount.ts';
import * as C from '@vitrine/uapi/sched.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import { S_ISBLK } from '../fs/inode.ts';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, getname, user_path_at } from '../fs/namei.ts';
import {
  UMOUNT_NOFOLLOW,
  copy_mnt_ns,
  do_pivot_root,
  may_mount,
  path_mount,
  path_umount,
} from '../fs/namespace.ts';
import { follow_down } from '../fs/mount.ts';
import { set_fs_pwd, set_fs_root, unshare_fs } from '../fs/fs_struct.ts';
import { fget_raw, fput, unshare_files } from '../fs/fdtable.ts';
import { LeaseWait } from '../fs/lease.ts';
import { PermissionWait } from '../fs/fsnotify_backend.ts';
import { do_filp_open } from '../fs/open.ts';
import { byteString } from '../fs/bytes.ts';
import { Path } from '../fs/dcache.ts';
import type { Task } from '../kernel/task.ts';
import { fd, flags, flags64, int, path, ptr, str, ulong } from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';

const NO_SWAP = partial('there are no block devices');

function optionalString(current: Current, at: number): string | null {
  if (at === 0) return null;
  const text = current.mem.readString(at, 4095);
  if (text === null) throw errno(EINVAL, 'mount: a string argument has no NUL within a page');
  return text;
}

/** The option string: at most a page, which cuts it, and its end may lie in an unmapped one. */
function optionData(current: Current, at: number): string {
  if (at === 0) return '';
  return current.mem.readString(at, 4095) ?? byteString(current.mem.read(at, 4095));
}

export function sys_mount(
  current: Current,
  source: number,
  target: number,
  type: number,
  flags: number,
  data: number,
): number {
  if ((flags & MS_MGC_MSK) >>> 0 === MS_MGC_VAL) flags &= ~MS_MGC_MSK;
  const fstype = optionalString(current, type);
  const name = optionalString(current, source);
  const options = optionData(current, data);
  const at = user_path_at(current, AT_FDCWD, target, LOOKUP_FOLLOW);
  path_mount(current, name, at, fstype, flags, options);
  return 0;
}

export function sys_umount2(current: Current, target: number, flags: number): number {
  if (flags & ~15) throw errno(EINVAL, 'umount2: flags {} are unknown', flags);
  const path = user_path_at(current, AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW);
  // The top of what is stacked there (LOOKUP_MOUNTPOINT).
  path_umount(current, follow_down(path), flags);
  return 0;
}

export function sys_pivot_root(task: Task, newRoot: number, putOld: number): number {
  may_mount(task, 'pivot_root');
  const to = user_path_at(task, AT_FDCWD, newRoot, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  const old = user_path_at(task, AT_FDCWD, putOld, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  const before = task.fs.root;
  do_pivot_root(task, to, old);
  // Everyone who stood at the old root stands at the new one (chroot_fs_refs).
  const after = new Path(to.mnt, to.mnt.root);
  for (const pid of task.kernel.pids.pids.values()) {
    const fs = pid.task?.fs;
    if (fs === undefined || fs === null) continue;
    if (fs.root.equals(before)) set_fs_root(fs, after);
    if (fs.pwd.equals(before)) set_fs_pwd(fs, after);
  }
  return 0;
}

const CLONE_NAMESPACES =
  C.CLONE_NEWUTS |
  C.CLONE_NEWIPC |
  C.CLONE_NEWUSER |
  C.CLONE_NEWPID |
  C.CLONE_NEWNET |
  C.CLONE_NEWCGROUP |
  C.CLONE_NEWTIME;

/** unshare(2): descriptors, directories and mounts of one's own. */
export function sys_unshare(task: Task, flags: number): number {
  const known =
    C.CLONE_FS |
    C.CLONE_FILES |
    C.CLONE_SYSVSEM |
    C.CLONE_NEWNS |
    C.CLONE_THREAD |
    C.CLONE_SIGHAND |
    C.CLONE_VM;
  if (flags > 0xffff_ffff || flags & ~(known | CLONE_NAMESPACES))
    throw errno(EINVAL, 'unshare: flags {} are unknown', flags);
  if (flags & CLONE_NAMESPACES) {
    if (!(flags & C.CLONE_NEWUSER)) admin(task, 'unshare');
    throw errno(
      EINVAL,
      'unshare: this kernel has mount namespaces only (flags 0x{})',
      (flags >>> 0).toString(16),
    );
  }
  if (flags & (C.CLONE_THREAD | C.CLONE_SIGHAND | C.CLONE_VM) && task.signal.threads.size > 1) {
    throw errno(EINVAL, 'unshare: process {} has {} threads', task.tgid, task.signal.threads.size);
  }
  if (flags & C.CLONE_NEWNS) admin(task, 'unshare(CLONE_NEWNS)');
  if (flags & C.CLONE_FILES) unshare_files(task);
  if (flags & (C.CLONE_FS | C.CLONE_NEWNS)) unshare_fs(task);
  if (flags & C.CLONE_NEWNS) copy_mnt_ns(task.kernel, task.fs);
  return 0;
}

function admin(current: Current, what: string): void {
  if (!capable(current.cred, CAP_SYS_ADMIN))
    throw errno(EPERM, '{} needs CAP_SYS_ADMIN; uid {} has not', what, current.cred.euid);
}

/** Priority, prefer, discard. */
const SWAP_FLAGS_VALID = 0x7_ffff;

/** Both open the place: a directory, a socket and the like end there. */
function swap_file(current: Current, name: number): number {
  try {
    fput(current, do_filp_open(current, AT_FDCWD, getname(current, name), O_RDWR | O_LARGEFILE, 0));
  } catch (wait) {
    if (wait instanceof LeaseWait || wait instanceof PermissionWait) return wait.park(current);
    throw wait;
  }
  return 0;
}

export function sys_swapon(current: Current, name: number, flags: number): number {
  if (flags & ~SWAP_FLAGS_VALID) throw errno(EINVAL, 'swapon: flags {} are unknown', flags);
  admin(current, 'swapon');
  if (swap_file(current, name) === BLOCKED) return BLOCKED;
  throw errno(EINVAL, 'swapon: there are no block devices to swap to');
}

export function sys_swapoff(current: Current, name: number): number {
  admin(current, 'swapoff');
  if (swap_file(current, name) === BLOCKED) return BLOCKED;
  throw errno(EINVAL, 'swapoff: nothing is used for swap');
}

/** Types of quotas: of users, groups and projects. */
const MAXQUOTAS = 3;
const Q_SYNC = 0x80_0001;

export function sys_quotactl(current: Current, cmd: number, special: number): number {
  checkQuotaType(cmd);
  if (special === 0) {
    if (cmd >>> 8 === Q_SYNC) return 0;
    throw errno(ENODEV, 'quotactl: command {} needs a block device', cmd);
  }
  const at = user_path_at(current, AT_FDCWD, special, LOOKUP_FOLLOW);
  if (!S_ISBLK(at.dentry.inode!.mode)) throw errno(ENOTBLK, 'quotactl: {} is no block device', at);
  throw errno(ENODEV, 'quotactl: nothing of {} is mounted', at);
}

function checkQuotaType(cmd: number): void {
  const type = cmd & 0xff;
  if (type >= MAXQUOTAS) throw errno(EINVAL, 'quotactl: there are no quotas of type {}', type);
}

export function sys_quotactl_fd(current: Current, descriptor: number, cmd: number): number {
  const file = fget_raw(current, descriptor);
  checkQuotaType(cmd);
  throw errno(ENOSYS, 'quotactl_fd: {} keeps no quotas', file.inode.sb);
}

/** sysfs(2): the list of file system types, by number and name. */
export function sys_sysfs(current: Current, option: number, arg1: number, arg2: number): number {
  const names = [...current.kernel.vfs.fileSystems.keys()];
  switch (option) {
    case 1: {
      const index = names.indexOf(optionalString(current, arg1) ?? '');
      if (index < 0) throw errno(EINVAL, 'sysfs: no such file system type');
      return index;
    }
    case 2: {
      const name = names[arg1];
      if (name === undefined)
        throw errno(EINVAL, 'sysfs: there is no file system type number {}', arg1);
      current.mem.write(
        arg2,
        Uint8Array.from(name + '\0', (c) => c.charCodeAt(0)),
      );
      return 0;
    }
    case 3:
      return names.length;
    default:
      throw errno(EINVAL, 'sysfs: option {} is none of 1, 2, 3', option);
  }
}

export const MOUNT: readonly SyscallRow[] = [
  row(NR.__NR_mount, 'mount', [path, path, str, flags64('mount'), ptr], FULL, sys_mount),
  row(NR.__NR_umount2, 'umount2', [path, flags('umount')], FULL, sys_umount2),
  row(NR.__NR_pivot_root, 'pivot_root', [path, path], FULL, sys_pivot_root),
  row(
    NR.__NR_unshare,
    'unshare',
    [flags64('clone')],
    partial('no namespaces but mounts'),
    sys_unshare,
  ),
  row(NR.__NR_swapon, 'swapon', [path, int], NO_SWAP, sys_swapon),
  row(NR.__NR_swapoff, 'swapoff', [path], NO_SWAP, sys_swapoff),
  row(NR.__NR_quotactl, 'quotactl', [int, path, int, ptr], NO_SWAP, sys_quotactl),
  row(NR.__NR_quotactl_fd, 'quotactl_fd', [fd, int, int, ptr], partial('no file system keeps quotas'), sys_quotactl_fd), // prettier-ignore
  row(NR.__NR_sysfs, 'sysfs', [int, ulong, ulong], FULL, sys_sysfs),
];
