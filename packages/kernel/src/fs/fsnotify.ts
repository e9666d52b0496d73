import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  IN_OPEN,
} from '@vitrine/uapi/inotify.ts';
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Current } from '../include/current.ts';
import type { WaitQueue } from '../include/wait.ts';
import type { Iattr } from './attr.ts';
import type { Dentry, Path } from './dcache.ts';
import { FMODE_EXEC, FMODE_NONOTIFY, FMODE_PATH, type File } from './file.ts';
import {
  FS_ACCESS_PERM,
  FS_EVENT_ON_CHILD,
  FS_ISDIR,
  FS_OPEN_EXEC,
  FS_RENAME,
  type FsnotifyEvent,
  PermissionWait,
  fsnotify,
  fsnotify_ask,
  fsnotify_clear_marks,
  watches_child,
} from './fsnotify_backend.ts';
import type { Inode } from './inode.ts';

const isdirMode = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
const isSpecial = (mode: number): boolean =>
  (mode & S_IFMT) === S_IFCHR || (mode & S_IFMT) === S_IFIFO;

/**
 * Where the file layer tells of changes (analogous to fsnotify.h). Each hook costs one null check while nobody watches
 * anything of the file system.
 */

/** An event about a file, as those hear of it who watch it or its directory (fsnotify_parent). */
function child_event(dentry: Dentry, mask: number, path: Path | null): FsnotifyEvent {
  const { inode } = dentry;
  const isdir = isdirMode(inode.mode);
  if (isdir) mask |= FS_ISDIR;
  const event = { path, inode, name: dentry.name, cookie: 0, unlinked: dentry.unhashed, to: null };
  const parent = dentry.parent === dentry ? null : dentry.parent.inode;
  // Reading and writing a device or pipe is nothing that its directory should tell.
  const silent = path !== null && isSpecial(inode.mode) && (mask & (IN_ACCESS | IN_MODIFY)) !== 0;
  if (parent === null || (isdir && parent.marks === null))
    return { ...event, mask, dir: null, name: '' };
  const told = !silent && watches_child(parent, mask);
  return { ...event, mask: told ? mask | FS_EVENT_ON_CHILD : mask, dir: parent };
}

function fsnotify_dentry(dentry: Dentry, mask: number): void {
  if (dentry.sb.fsnotify === null) return;
  fsnotify(child_event(dentry, mask, null));
}

function fsnotify_file(file: File, mask: number): void {
  const { path } = file;
  if (path.dentry.sb.fsnotify === null || file.mode & (FMODE_NONOTIFY | FMODE_PATH)) return;
  fsnotify(child_event(path.dentry, mask, path));
}

function fsnotify_inode(inode: Inode, mask: number): void {
  if (inode.sb.fsnotify === null) return;
  if (isdirMode(inode.mode)) mask |= FS_ISDIR;
  fsnotify({ mask, path: null, inode, dir: null, name: '', cookie: 0, unlinked: false, to: null });
}

/** A name in a directory changed. */
function fsnotify_name(dir: Dentry, mask: number, inode: Inode, name: string, cookie = 0): void {
  fsnotify({ mask, path: null, inode, dir: dir.inode, name, cookie, unlinked: false, to: null });
}

/** An open that must be permitted. Throws EPERM, or PermissionWait. */
export function fsnotify_open_perm(current: Current, path: Path, mask: number): void {
  if (path.dentry.sb.fsnotify === null) return;
  const queue = fsnotify_ask(current, child_event(path.dentry, mask, path));
  if (queue !== null) throw new PermissionWait(path, queue);
}

/** A read that must be permitted. @returns the queue to wait on, or null. Throws EPERM. */
export function fsnotify_access_perm(current: Current, file: File): WaitQueue | null {
  const { path } = file;
  if (path.dentry.sb.fsnotify === null || file.mode & FMODE_NONOTIFY) return null;
  return fsnotify_ask(current, child_event(path.dentry, FS_ACCESS_PERM, path));
}

export function fsnotify_open(file: File): void {
  fsnotify_file(file, file.mode & FMODE_EXEC ? IN_OPEN | FS_OPEN_EXEC : IN_OPEN);
}

export function fsnotify_close(file: File): void {
  fsnotify_file(file, file.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

export function fsnotify_access(file: File): void {
  fsnotify_file(file, IN_ACCESS);
}

export function fsnotify_modify(file: File): void {
  fsnotify_file(file, IN_MODIFY);
}

export function fsnotify_change(dentry: Dentry, attr: Iattr): void {
  if (dentry.sb.fsnotify === null) return;
  let mask = 0;
  if (attr.mode !== undefined || attr.uid !== undefined || attr.gid !== undefined)
    mask |= IN_ATTRIB;
  if (attr.size !== undefined) mask |= IN_MODIFY;
  else if (attr.atime !== undefined && attr.mtime !== undefined) mask |= IN_ATTRIB;
  else if (attr.atime !== undefined) mask |= IN_ACCESS;
  else if (attr.mtime !== undefined) mask |= IN_MODIFY;
  if (mask !== 0) fsnotify_dentry(dentry, mask);
}

export function fsnotify_xattr(dentry: Dentry): void {
  fsnotify_dentry(dentry, IN_ATTRIB);
}

export function fsnotify_create(dir: Dentry, name: string, inode: Inode): void {
  if (dir.sb.fsnotify === null) return;
  fsnotify_name(dir, IN_CREATE | (isdirMode(inode.mode) ? FS_ISDIR : 0), inode, name);
}

/** The number of names changed. */
export function fsnotify_link_count(dentry: Dentry): void {
  fsnotify_inode(dentry.inode, IN_ATTRIB);
}

/** A name was removed. */
export function fsnotify_remove(dir: Dentry, victim: Dentry): void {
  if (dir.sb.fsnotify === null) return;
  const isdir = isdirMode(victim.inode.mode) ? FS_ISDIR : 0;
  fsnotify_name(dir, IN_DELETE | isdir, victim.inode, victim.name);
}

export function fsnotify_move(
  from: Dentry,
  oldname: string,
  to: Dentry,
  name: string,
  moved: Dentry,
  target: Dentry | null,
): void {
  if (from.sb.fsnotify === null) return;
  const { inode } = moved;
  const isdir = isdirMode(inode.mode) ? FS_ISDIR : 0;
  const cookie = moved.sb.kernel.vfs.nextCookie++;
  fsnotify({ mask: FS_RENAME | isdir, path: null, inode, dir: from.inode, name: oldname, cookie: 0, unlinked: false, to: { dir: to.inode, name } }); // prettier-ignore
  fsnotify_name(from, IN_MOVED_FROM | isdir, inode, oldname, cookie);
  fsnotify_name(to, IN_MOVED_TO | isdir, inode, name, cookie);
  if (target !== null) fsnotify_link_count(target);
  fsnotify_inode(inode, IN_MOVE_SELF);
}

/** The inode is gone: nothing refers to it any more. */
export function fsnotify_inoderemove(inode: Inode): void {
  if (inode.sb.fsnotify === null) return;
  fsnotify_inode(inode, IN_DELETE_SELF);
  fsnotify_clear_marks(inode);
}
