import { IN_ALL_EVENTS, IN_EXCL_UNLINK, IN_ONESHOT, IN_UNMOUNT } from '@vitrine/uapi/inotify.ts';
import { serializable } from '../include/serial.ts';
import type { Inode } from './inode.ts';

export interface InotifyEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

/** An inotify instance, as the watches see it. */
export interface InotifyGroup {
  push(event: InotifyEvent): void;
  /** Ends a watch and tells of it with IN_IGNORED. */
  forget(watch: InotifyWatch): void;
}

/** One watch per inode and instance. */
export class InotifyWatch {
  readonly file: InotifyGroup;
  readonly wd: number;
  readonly inode: Inode;
  mask: number;
  constructor(file: InotifyGroup, wd: number, inode: Inode, mask: number) {
    this.file = file;
    this.wd = wd;
    this.inode = inode;
    this.mask = mask;
  }
  static {
    serializable('InotifyWatch', this);
  }
}

/** An event on an inode reaches the watches that asked for it. */
export function inotify_handle_event(
  inode: Inode,
  mask: number,
  name: string,
  cookie: number,
  unlinked: boolean,
): void {
  for (const watch of [...inode.watches!]) {
    if ((watch.mask & mask & IN_ALL_EVENTS) === 0) continue;
    if (unlinked && watch.mask & IN_EXCL_UNLINK) continue;
    watch.file.push({ wd: watch.wd, mask, cookie, name });
    if (watch.mask & IN_ONESHOT) watch.file.forget(watch);
  }
}

/** Every watch on the inode ends. */
export function inotify_inode_gone(inode: Inode): void {
  for (const watch of [...(inode.watches ?? [])]) watch.file.forget(watch);
}

/** The file system is unmounted: IN_UNMOUNT, then the watches end. */
export function inotify_unmount(inode: Inode): void {
  for (const watch of [...(inode.watches ?? [])]) {
    watch.file.push({ wd: watch.wd, mask: IN_UNMOUNT, cookie: 0, name: '' });
    watch.file.forget(watch);
  }
}
