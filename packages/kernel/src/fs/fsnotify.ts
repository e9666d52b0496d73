import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  IN_OPEN,
} from '@vitrine/uapi/inotify.ts';
import { S_IFDIR, S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Iattr } from './attr.ts';
import type { Dentry } from './dcache.ts';
import type { File } from './file.ts';
import type { Inode } from './inode.ts';
import { inotify_handle_event, inotify_inode_gone } from './fsnotify_watch.ts';

const isdirMode = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;

/**
 * Where the file layer tells of changes (analogous to fsnotify.h). Each hook costs two null checks while nobody
 * watches.
 */

/** An event about a file: to the watches on its directory, with its name, and to those on itself. */
function fsnotify_dentry(dentry: Dentry, mask: number): void {
  const parent = dentry.parent.inode;
  if (parent.watches === null && dentry.inode.watches === null) return;
  if (isdirMode(dentry.inode.mode)) mask |= IN_ISDIR;
  if (parent.watches !== null && dentry.parent !== dentry) {
    inotify_handle_event(parent, mask, dentry.name, 0, dentry.unhashed);
  }
  if (dentry.inode.watches !== null) inotify_handle_event(dentry.inode, mask, '', 0, false);
}

export function fsnotify_open(file: File): void {
  fsnotify_dentry(file.path.dentry, IN_OPEN);
}

export function fsnotify_close(file: File): void {
  fsnotify_dentry(file.path.dentry, file.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

export function fsnotify_access(file: File): void {
  fsnotify_dentry(file.path.dentry, IN_ACCESS);
}

export function fsnotify_modify(file: File): void {
  fsnotify_dentry(file.path.dentry, IN_MODIFY);
}

export function fsnotify_change(dentry: Dentry, attr: Iattr): void {
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

export function fsnotify_create(dir: Dentry, name: string, isdir: boolean): void {
  if (dir.inode.watches === null) return;
  inotify_handle_event(dir.inode, IN_CREATE | (isdir ? IN_ISDIR : 0), name, 0, false);
}

/** The number of names changed. */
export function fsnotify_link_count(dentry: Dentry): void {
  if (dentry.inode.watches !== null) inotify_handle_event(dentry.inode, IN_ATTRIB, '', 0, false);
}

/** A name was removed. */
export function fsnotify_remove(dir: Dentry, victim: Dentry): void {
  const isdir = isdirMode(victim.inode.mode);
  if (dir.inode.watches === null) return;
  inotify_handle_event(dir.inode, IN_DELETE | (isdir ? IN_ISDIR : 0), victim.name, 0, false);
}

export function fsnotify_move(
  from: Dentry,
  oldname: string,
  to: Dentry,
  name: string,
  moved: Dentry,
  target: Dentry | null,
): void {
  const isdir = isdirMode(moved.inode.mode) ? IN_ISDIR : 0;
  if (from.inode.watches !== null || to.inode.watches !== null) {
    const cookie = moved.sb.kernel.vfs.nextCookie++;
    if (from.inode.watches !== null) inotify_handle_event(from.inode, IN_MOVED_FROM | isdir, oldname, cookie, false); // prettier-ignore
    if (to.inode.watches !== null) inotify_handle_event(to.inode, IN_MOVED_TO | isdir, name, cookie, false); // prettier-ignore
  }
  if (target !== null) fsnotify_link_count(target);
  if (moved.inode.watches !== null)
    inotify_handle_event(moved.inode, IN_MOVE_SELF | isdir, '', 0, false);
}

/** The inode is gone: nothing refers to it any more. */
export function fsnotify_inoderemove(inode: Inode): void {
  if (inode.watches === null) return;
  inotify_handle_event(inode, IN_DELETE_SELF, '', 0, false);
  inotify_inode_gone(inode);
}
