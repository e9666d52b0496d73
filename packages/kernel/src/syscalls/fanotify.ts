import { CAP_AUDIT_WRITE, CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import * as E from '@vitrine/uapi/errno.ts';
import { O_ACCMODE, O_APPEND, O_CLOEXEC, O_DSYNC, O_LARGEFILE, O_NOATIME, O_NONBLOCK, O_SYNC } from '@vitrine/uapi/fcntl.ts'; // prettier-ignore
import * as I from '@vitrine/uapi/inotify.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Path } from '../fs/dcache.ts';
import { fd_install, fget } from '../fs/fdtable.ts';
import { attach_mark, find_mark } from '../fs/fsnotify_backend.ts';
import type { Inode } from '../fs/inode.ts';
import { MAY_READ, S_ISDIR } from '../fs/inode.ts';
import type { Mount } from '../fs/mount.ts';
import { LOOKUP_FOLLOW, user_path_at } from '../fs/namei.ts';
import { FAN_PERM_EVENTS } from '../fs/notify/fanotify/event.ts';
import { FANOTIFY_UNPRIV, FanotifyFile, FanotifyMark } from '../fs/notify/fanotify/group.ts';
import { path_permission } from '../fs/permission.ts';
import type { SuperBlock } from '../fs/super.ts';
import { capable } from '../include/cred.ts';
import { errno } from '../include/errno.ts';
import type { Task } from '../kernel/task.ts';
import { get_user } from '../include/user.ts';
import { dirfd, fd, flags, flags64, path } from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';

const CLASS_BITS = I.FAN_CLASS_CONTENT | I.FAN_CLASS_PRE_CONTENT;
const FID_BITS = I.FAN_REPORT_DFID_NAME_TARGET;
const ADMIN_FLAGS = CLASS_BITS | I.FAN_REPORT_TID | I.FAN_REPORT_PIDFD | I.FAN_UNLIMITED_QUEUE | I.FAN_UNLIMITED_MARKS; // prettier-ignore
const INIT_FLAGS = ADMIN_FLAGS | FID_BITS | I.FAN_CLOEXEC | I.FAN_NONBLOCK | I.FAN_ENABLE_AUDIT;
const EVENT_F_FLAGS = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_CLOEXEC | O_LARGEFILE | O_NOATIME; // prettier-ignore

function sys_fanotify_init(task: Task, iflags: number, event_f_flags: number): number {
  const { cred } = task;
  const admin = capable(cred, CAP_SYS_ADMIN);
  const fid = iflags & FID_BITS;
  if (!admin && (iflags & ADMIN_FLAGS || !fid))
    throw errno(E.EPERM, 'fanotify_init: without CAP_SYS_ADMIN a group tells file handles only (flags 0x{})', iflags.toString(16)); // prettier-ignore
  if (iflags & ~INIT_FLAGS)
    throw errno(E.EINVAL, 'fanotify_init: flags 0x{} are unknown', (iflags & ~INIT_FLAGS).toString(16)); // prettier-ignore
  if (iflags & I.FAN_REPORT_PIDFD && iflags & I.FAN_REPORT_TID)
    throw errno(E.EINVAL, 'fanotify_init: a pidfd names no thread');
  if (event_f_flags & ~EVENT_F_FLAGS || (event_f_flags & O_ACCMODE) === O_ACCMODE)
    throw errno(E.EINVAL, 'fanotify_init: event flags 0x{} are not possible', event_f_flags.toString(16)); // prettier-ignore
  if (fid && iflags & CLASS_BITS)
    throw errno(E.EINVAL, 'fanotify_init: file handles are for groups that only watch');
  if (fid & I.FAN_REPORT_NAME && !(fid & I.FAN_REPORT_DIR_FID))
    throw errno(E.EINVAL, 'fanotify_init: FAN_REPORT_NAME needs FAN_REPORT_DIR_FID');
  const both = I.FAN_REPORT_NAME | I.FAN_REPORT_FID;
  if (fid & I.FAN_REPORT_TARGET_FID && (fid & both) !== both)
    throw errno(E.EINVAL, 'fanotify_init: FAN_REPORT_TARGET_FID needs FAN_REPORT_FID and FAN_REPORT_NAME'); // prettier-ignore
  const user = get_user(task.kernel, cred.euid);
  const { fanotify_max_user_groups } = task.kernel.vfs;
  if (user.fanotify_groups >= fanotify_max_user_groups)
    throw errno(E.EMFILE, 'user {} has {} fanotify groups, fs.fanotify.max_user_groups', cred.euid, fanotify_max_user_groups); // prettier-ignore
  if ((iflags & CLASS_BITS) === CLASS_BITS)
    throw errno(E.EINVAL, 'fanotify_init: FAN_CLASS_CONTENT and PRE_CONTENT exclude each other');
  if (iflags & I.FAN_ENABLE_AUDIT && !capable(cred, CAP_AUDIT_WRITE))
    throw errno(E.EPERM, 'fanotify_init: FAN_ENABLE_AUDIT needs CAP_AUDIT_WRITE');
  const file = new FanotifyFile(task, user, admin ? iflags : iflags | FANOTIFY_UNPRIV, event_f_flags | O_LARGEFILE); // prettier-ignore
  return fd_install(task, file, (iflags & I.FAN_CLOEXEC) !== 0);
}

const TYPE_BITS = I.FAN_MARK_MOUNT | I.FAN_MARK_FILESYSTEM;
const CMD_BITS = I.FAN_MARK_ADD | I.FAN_MARK_REMOVE | I.FAN_MARK_FLUSH;
const IGNORE_BITS = I.FAN_MARK_IGNORED_MASK | I.FAN_MARK_IGNORE;
const MARK_FLAGS = TYPE_BITS | CMD_BITS | IGNORE_BITS | I.FAN_MARK_DONT_FOLLOW | I.FAN_MARK_ONLYDIR | I.FAN_MARK_IGNORED_SURV_MODIFY | I.FAN_MARK_EVICTABLE; // prettier-ignore
const PATH_EVENTS = I.FAN_ACCESS | I.FAN_MODIFY | I.FAN_CLOSE | I.FAN_OPEN | I.FAN_OPEN_EXEC;
const DIRENT_EVENTS = I.FAN_MOVE | I.FAN_CREATE | I.FAN_DELETE | I.FAN_RENAME;
const INODE_EVENTS = DIRENT_EVENTS | I.FAN_ATTRIB | I.FAN_MOVE_SELF | I.FAN_DELETE_SELF;
const EVENT_FLAGS = I.FAN_EVENT_ON_CHILD | I.FAN_ONDIR;
const VALID_MASK = PATH_EVENTS | INODE_EVENTS | I.FAN_FS_ERROR | EVENT_FLAGS | FAN_PERM_EVENTS;

function check_flags(mflags: number, mask: number): void {
  const hex = (n: number): string => `0x${n.toString(16)}`;
  const type = mflags & TYPE_BITS;
  const cmd = mflags & CMD_BITS;
  if (mflags & ~MARK_FLAGS || type === TYPE_BITS)
    throw errno(E.EINVAL, 'fanotify_mark: flags {} are not possible', hex(mflags));
  if (cmd === I.FAN_MARK_FLUSH) {
    if (mflags & ~(TYPE_BITS | CMD_BITS))
      throw errno(E.EINVAL, 'fanotify_mark: FAN_MARK_FLUSH goes with a kind of mark only');
  } else if (cmd !== I.FAN_MARK_ADD && cmd !== I.FAN_MARK_REMOVE)
    throw errno(E.EINVAL, 'fanotify_mark: flags {} add, remove or flush nothing', hex(mflags));
  else if (mask === 0) throw errno(E.EINVAL, 'fanotify_mark: the mask names no event');
  if (mask & ~VALID_MASK)
    throw errno(E.EINVAL, 'fanotify_mark: events {} are unknown', hex(mask & ~VALID_MASK));
  if ((mflags & IGNORE_BITS) === IGNORE_BITS)
    throw errno(E.EINVAL, 'fanotify_mark: FAN_MARK_IGNORE and FAN_MARK_IGNORED_MASK exclude each other'); // prettier-ignore
}

/** What the group can be told at all. */
function check_group(task: Task, group: FanotifyFile, mflags: number, mask: number): void {
  const type = mflags & TYPE_BITS;
  if (type !== 0 && (!capable(task.cred, CAP_SYS_ADMIN) || group.fan_flags & FANOTIFY_UNPRIV))
    throw errno(E.EPERM, 'fanotify_mark: marks on mounts and file systems need CAP_SYS_ADMIN');
  if (mask & FAN_PERM_EVENTS && group.priority === 0)
    throw errno(E.EINVAL, 'fanotify_mark: permission is given by groups of FAN_CLASS_CONTENT and PRE_CONTENT'); // prettier-ignore
  if (mask & I.FAN_FS_ERROR && type !== I.FAN_MARK_FILESYSTEM)
    throw errno(E.EINVAL, 'fanotify_mark: FAN_FS_ERROR is for marks on file systems');
  if (mflags & I.FAN_MARK_EVICTABLE && type !== 0)
    throw errno(E.EINVAL, 'fanotify_mark: FAN_MARK_EVICTABLE is for marks on files');
  const fid = group.fid_mode;
  if (mask & ~(PATH_EVENTS | FAN_PERM_EVENTS | EVENT_FLAGS) && (!fid || type === I.FAN_MARK_MOUNT))
    throw errno(E.EINVAL, 'fanotify_mark: events 0x{} need a group with file handles, and no mount', mask.toString(16)); // prettier-ignore
  if (mask & I.FAN_RENAME && !(fid & I.FAN_REPORT_NAME))
    throw errno(E.EINVAL, 'fanotify_mark: FAN_RENAME needs FAN_REPORT_NAME');
}

/** fanotify_find_path */
function find_path(task: Task, dfd: number, name: number, mflags: number): Path {
  let found: Path;
  if (name === 0) {
    found = fget(task, dfd).path;
    if (mflags & I.FAN_MARK_ONLYDIR && !S_ISDIR(found.dentry.inode.mode))
      throw errno(E.ENOTDIR, 'FAN_MARK_ONLYDIR: {} is not a directory', found);
  } else {
    const follow = mflags & I.FAN_MARK_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW;
    found = user_path_at(task, dfd, name, follow);
    if (mflags & I.FAN_MARK_ONLYDIR && !S_ISDIR(found.dentry.inode.mode))
      throw errno(E.ENOTDIR, 'FAN_MARK_ONLYDIR: {} is not a directory', found);
  }
  path_permission(task, found, MAY_READ);
  return found;
}

/** fanotify_events_supported */
function check_place(group: FanotifyFile, at: Path, mask: number, mflags: number): void {
  const { sb } = at.mnt;
  const type = mflags & TYPE_BITS;
  if (mask & FAN_PERM_EVENTS && sb.type.name === 'proc')
    throw errno(E.EINVAL, 'fanotify_mark: nobody is asked about the files of {}', sb);
  if (type !== 0 && sb.pseudo && sb.type.name !== 'nsfs')
    throw errno(E.EINVAL, "fanotify_mark: {} is the kernel's own", sb);
  const strict = group.fid_mode & I.FAN_REPORT_TARGET_FID || mask & I.FAN_RENAME || mflags & I.FAN_MARK_IGNORE; // prettier-ignore
  if (
    strict &&
    type === 0 &&
    !S_ISDIR(at.dentry.inode.mode) &&
    mask & (DIRENT_EVENTS | EVENT_FLAGS)
  )
    throw errno(E.ENOTDIR, 'fanotify_mark: {} is not a directory and has no entries', at);
}

function sys_fanotify_mark(
  task: Task,
  descriptor: number,
  mflags: number,
  mask64: number,
  dfd: number,
  name: number,
): number {
  if (mask64 >= 2 ** 32)
    throw errno(E.EINVAL, 'fanotify_mark: events 0x{} are unknown', mask64.toString(16));
  let mask = mask64 | 0;
  check_flags(mflags, mask);
  const ignore = mflags & IGNORE_BITS;
  let umask = 0;
  if (ignore === I.FAN_MARK_IGNORED_MASK) {
    mask &= ~EVENT_FLAGS;
    umask = EVENT_FLAGS;
  }
  const group = fget(task, descriptor);
  if (!(group instanceof FanotifyFile))
    throw errno(E.EINVAL, 'fd {} ({}) is not a fanotify group', descriptor, group.path);
  check_group(task, group, mflags, mask);
  const type = mflags & TYPE_BITS;
  if (mflags & I.FAN_MARK_FLUSH) {
    for (const mark of [...group.marks]) if (type === kindOf(mark)) group.free_mark(mark);
    return 0;
  }
  const at = find_path(task, dfd, name, mflags);
  const add = (mflags & I.FAN_MARK_ADD) !== 0;
  if (add) check_place(group, at, mask, mflags);
  if (group.fid_mode && type !== 0 && !at.mnt.sb.exported)
    throw errno(E.EOPNOTSUPP, 'fanotify_mark: the file system {} gives no file handles', at.mnt.sb);
  const { inode } = at.dentry;
  const isdir = S_ISDIR(inode.mode);
  if (add && ignore === I.FAN_MARK_IGNORE && (type !== 0 || isdir) && !(mflags & I.FAN_MARK_IGNORED_SURV_MODIFY)) // prettier-ignore
    throw errno(type !== 0 ? E.EINVAL : E.EISDIR, 'fanotify_mark: FAN_MARK_IGNORE of {} needs FAN_MARK_IGNORED_SURV_MODIFY', at); // prettier-ignore
  if (type !== 0 || !isdir) {
    mask &= ~I.FAN_EVENT_ON_CHILD;
    umask = I.FAN_EVENT_ON_CHILD;
    if (group.fid_mode & I.FAN_REPORT_DIR_FID && add && !ignore) mask |= I.FAN_EVENT_ON_CHILD;
  }
  const object = type === I.FAN_MARK_MOUNT ? at.mnt : type === 0 ? inode : at.mnt.sb;
  if (!add) return remove_mark(group, object, mask, ignore, umask);
  if (ignore && !(mflags & I.FAN_MARK_IGNORED_SURV_MODIFY) && type === 0 && inode.writecount > 0)
    return 0;
  return add_mark(group, object, mask, mflags);
}

function kindOf(mark: FanotifyMark): number {
  const { object } = mark;
  if (!('sb' in object)) return I.FAN_MARK_FILESYSTEM;
  return 'mountpoint' in object ? I.FAN_MARK_MOUNT : 0;
}

function add_mark(
  group: FanotifyFile,
  object: Inode | Mount | SuperBlock,
  mask: number,
  mflags: number,
): number {
  let mark = find_mark(object, group) as FanotifyMark | null;
  if (mark === null) {
    const max = group.inode.sb.kernel.vfs.fanotify_max_user_marks;
    if (group.mark_count >= max)
      throw errno(E.ENOSPC, 'the user has {} fanotify marks, fs.fanotify.max_user_marks', max);
    mark = new FanotifyMark(group, object, 0);
    mark.evictable = (mflags & I.FAN_MARK_EVICTABLE) !== 0;
    attach_mark(mark);
    group.marks.add(mark);
    group.count_mark(1);
  }
  const surv = (mflags & I.FAN_MARK_IGNORED_SURV_MODIFY) !== 0;
  if (mflags & I.FAN_MARK_EVICTABLE && !mark.evictable)
    throw errno(E.EEXIST, 'fanotify_mark: the mark on {} does not become evictable', object);
  if (mflags & I.FAN_MARK_IGNORED_MASK && mark.has_ignore_flags)
    throw errno(E.EEXIST, 'fanotify_mark: the mark on {} has an ignore mask of the newer kind', object); // prettier-ignore
  if (mflags & I.FAN_MARK_IGNORE && !surv && mark.surv_modify)
    throw errno(E.EEXIST, 'fanotify_mark: the ignore mask on {} survives modification', object);
  const ignore = mflags & IGNORE_BITS;
  if (ignore) mark.ignore_mask |= mask;
  else mark.mask |= mask;
  if (mflags & I.FAN_MARK_IGNORE) mark.has_ignore_flags = true;
  if (ignore && surv) mark.surv_modify = true;
  if (!(mflags & I.FAN_MARK_EVICTABLE)) mark.evictable = false;
  return 0;
}

function remove_mark(
  group: FanotifyFile,
  object: Inode | Mount | SuperBlock,
  mask: number,
  ignore: number,
  umask: number,
): number {
  const mark = find_mark(object, group) as FanotifyMark | null;
  if (mark === null) throw errno(E.ENOENT, 'fanotify_mark: the group has no mark on {}', object);
  if (ignore) mark.ignore_mask &= ~(mask & ~umask);
  else mark.mask &= ~(mask & ~umask);
  if (((mark.mask | mark.ignore_mask) & ~umask) === 0) group.free_mark(mark);
  return 0;
}

export const FANOTIFY: readonly SyscallRow[] = [
  row(NR.__NR_fanotify_init, 'fanotify_init', [flags('fanotify_init'), flags('open')], FULL, sys_fanotify_init), // prettier-ignore
  row(NR.__NR_fanotify_mark, 'fanotify_mark', [fd, flags('fanotify_mark'), flags64('fanotify_event'), dirfd, path], FULL, sys_fanotify_mark), // prettier-ignore
];
