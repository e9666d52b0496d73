import { IN_EXCL_UNLINK, IN_UNMOUNT } from '@vitrine/uapi/inotify.ts';
import { EPERM, EWOULDBLOCK } from '@vitrine/uapi/errno.ts';
import { S_IFDIR, S_IFMT } from '@vitrine/uapi/stat.ts';
import type { Current } from '../include/current.ts';
import { Errno, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import type { WaitQueue } from '../include/wait.ts';
import type { Path } from './dcache.ts';
import type { Inode } from './inode.ts';
import type { Mount } from './mount.ts';
import type { SuperBlock } from './super.ts';

declare module '../include/current.ts' {
  interface Current {
    /** Groups that were asked for permission during this system call. */
    asked: Set<FsnotifyGroup> | null;
  }
}

// Events (fsnotify_backend.h); those below FS_OPEN_EXEC are inotify's and fanotify's own.
export const FS_MODIFY = 2;
export const FS_OPEN_EXEC = 0x1000;
export const FS_OPEN_PERM = 0x1_0000;
export const FS_ACCESS_PERM = 0x2_0000;
export const FS_OPEN_EXEC_PERM = 0x4_0000;
/** In a mark: it hears of what happens to a directory's children. In an event: it happened to a child. */
export const FS_EVENT_ON_CHILD = 0x0800_0000;
export const FS_RENAME = 0x1000_0000;
export const FS_ISDIR = 0x4000_0000;
export const FS_CREATE = 0x100;
export const FS_DELETE = 0x200;
export const FS_MOVED_FROM = 0x40;
export const FS_MOVED_TO = 0x80;
export const FS_DIRENT_EVENTS: number =
  FS_CREATE | FS_DELETE | FS_MOVED_FROM | FS_MOVED_TO | FS_RENAME;
/** Everything that happens, without the flags that only describe it. */
export const FS_ALL_EVENTS = 0x1007_ffff;

export interface FsnotifyEvent {
  readonly mask: number;
  /** The file, where an open file reached it. */
  readonly path: Path | null;
  /** What it happened to. */
  readonly inode: Inode;
  /** The directory, and the name in it; null where no name is known. */
  readonly dir: Inode | null;
  readonly name: string;
  /** Joins the two halves of a rename. */
  readonly cookie: number;
  readonly unlinked: boolean;
  /** FS_RENAME: where the name is now. */
  readonly to: { readonly dir: Inode; readonly name: string } | null;
}

/** The marks of one group that an event concerns, by what they are on. */
export interface EventMarks {
  sb: FsnotifyMark | null;
  mnt: FsnotifyMark | null;
  inode: FsnotifyMark | null;
  /** On the directory of the child that it happened to. */
  parent: FsnotifyMark | null;
  /** FS_RENAME: on the directory that the name moved to. */
  inode2: FsnotifyMark | null;
}
export type MarkPlace = keyof EventMarks;
const PLACES: readonly MarkPlace[] = ['sb', 'mnt', 'inode', 'parent', 'inode2'];

/** Who watches (analogous to `struct fsnotify_group`): an inotify or fanotify instance, dnotify as a whole. */
export interface FsnotifyGroup {
  /** Groups that give permission are asked before those that only watch. */
  readonly priority: number;
  handle_event(event: FsnotifyEvent, marks: EventMarks): void;
  /** A permission event: true, false, or the queue that tells of the answer. */
  ask?(current: Current, event: FsnotifyEvent, marks: EventMarks): boolean | WaitQueue;
  /** The call that was asked about is through, or was refused. */
  settle?(current: Current): void;
  /** What the mark is on has ended. */
  free_mark(mark: FsnotifyMark): void;
}

/** Analogous to `struct fsnotify_mark`: one group's interest in one object. */
export class FsnotifyMark {
  readonly group: FsnotifyGroup;
  readonly object: Inode | Mount | SuperBlock;
  mask: number;
  ignore_mask = 0;
  /** The ignore mask says itself whether it is for directories and children (FAN_MARK_IGNORE). */
  has_ignore_flags = false;
  /** Modification leaves the ignore mask (FAN_MARK_IGNORED_SURV_MODIFY). */
  surv_modify = false;
  constructor(group: FsnotifyGroup, object: Inode | Mount | SuperBlock, mask: number) {
    this.group = group;
    this.object = object;
    this.mask = mask;
  }
  static {
    serializable('FsnotifyMark', this);
  }
}

/** What of one file system is watched; a super block has none while nothing is (s_fsnotify_info). */
export class FsnotifySbInfo {
  /** Marks on the super block itself. */
  marks: Set<FsnotifyMark> | null = null;
  readonly inodes: Set<Inode> = new Set();
  /** Marks on mounts of it. */
  mounts = 0;
  static {
    serializable('FsnotifySbInfo', this);
  }
}

type Marked = Inode | Mount;
const isMount = (object: Marked): object is Mount => 'mountpoint' in object;
const isSuper = (object: Marked | SuperBlock): object is SuperBlock => !('sb' in object);

/** The marks on an object. */
export function marks_of(object: Marked | SuperBlock): Set<FsnotifyMark> | null {
  return isSuper(object) ? (object.fsnotify?.marks ?? null) : object.marks;
}

export function find_mark(object: Marked | SuperBlock, group: FsnotifyGroup): FsnotifyMark | null {
  for (const mark of marks_of(object) ?? []) if (mark.group === group) return mark;
  return null;
}

export function attach_mark(mark: FsnotifyMark): void {
  const { object } = mark;
  if (isSuper(object)) {
    const info = (object.fsnotify ??= new FsnotifySbInfo());
    (info.marks ??= new Set()).add(mark);
    return;
  }
  const info = (object.sb.fsnotify ??= new FsnotifySbInfo());
  (object.marks ??= new Set()).add(mark);
  if (isMount(object)) info.mounts++;
  else info.inodes.add(object);
}

export function detach_mark(mark: FsnotifyMark): void {
  const { object } = mark;
  const sb = isSuper(object) ? object : object.sb;
  const info = sb.fsnotify;
  const marks = marks_of(object);
  if (info === null || !marks?.delete(mark)) return;
  if (isSuper(object)) {
    if (marks.size === 0) info.marks = null;
  } else {
    if (marks.size === 0) object.marks = null;
    if (isMount(object)) info.mounts--;
    else if (marks.size === 0) info.inodes.delete(object);
  }
  if (info.marks === null && info.mounts === 0 && info.inodes.size === 0) sb.fsnotify = null;
}

/** Whether a mask is meant for this event: directories and children must be asked for. */
export function mask_applicable(mask: number, isdir: boolean, place: MarkPlace): boolean {
  if (isdir && !(mask & FS_ISDIR)) return false;
  return place !== 'parent' || (mask & FS_EVENT_ON_CHILD) !== 0;
}

/** The events that a mark keeps from its group (fsnotify_effective_ignore_mask). */
export function effective_ignore_mask(
  mark: FsnotifyMark,
  isdir: boolean,
  place: MarkPlace,
): number {
  if (mark.ignore_mask === 0) return 0;
  const mask = mark.has_ignore_flags
    ? mark.ignore_mask
    : mark.ignore_mask | FS_ISDIR | (mark.mask & FS_EVENT_ON_CHILD);
  return mask_applicable(mask, isdir, place) ? mask & FS_ALL_EVENTS : 0;
}

/** Does anybody who watches the directory want to know of this event of a child (fsnotify_inode_watches_children)? */
export function watches_child(dir: Inode, event: number): boolean {
  let mask = 0;
  for (const mark of dir.marks ?? []) {
    mask |= mark.mask | mark.ignore_mask;
    // Modification ends what is ignored.
    if (mark.ignore_mask !== 0 && !mark.surv_modify) mask |= FS_MODIFY;
  }
  return (mask & FS_EVENT_ON_CHILD) !== 0 && (mask & event & FS_ALL_EVENTS) !== 0;
}

function collect(
  groups: Map<FsnotifyGroup, EventMarks>,
  marks: Set<FsnotifyMark> | null,
  place: MarkPlace,
): void {
  if (marks === null) return;
  for (const mark of marks) {
    let all = groups.get(mark.group);
    if (all === undefined) {
      all = { sb: null, mnt: null, inode: null, parent: null, inode2: null };
      groups.set(mark.group, all);
    }
    all[place] = mark;
  }
}

/** The groups that want to know, with their marks (fsnotify, send_to_group). */
function interested(event: FsnotifyEvent): [FsnotifyGroup, EventMarks][] {
  const { mask, path, inode, dir, to } = event;
  const groups = new Map<FsnotifyGroup, EventMarks>();
  collect(groups, inode.sb.fsnotify?.marks ?? null, 'sb');
  if (path !== null) collect(groups, path.mnt.marks, 'mnt');
  if (mask & FS_DIRENT_EVENTS) {
    collect(groups, dir!.marks, 'inode');
    if (to !== null) collect(groups, to.dir.marks, 'inode2');
  } else {
    collect(groups, inode.marks, 'inode');
    if (mask & FS_EVENT_ON_CHILD) collect(groups, dir!.marks, 'parent');
  }
  return [...groups]
    .filter(([, marks]) => wants(event, marks))
    .sort(([a], [b]) => b.priority - a.priority);
}

function wants({ mask }: FsnotifyEvent, marks: EventMarks): boolean {
  const isdir = (mask & FS_ISDIR) !== 0;
  let wanted = 0;
  let ignored = 0;
  for (const place of PLACES) {
    const mark = marks[place];
    if (mark === null) continue;
    if (mask & FS_MODIFY && !mark.surv_modify) mark.ignore_mask = 0;
    wanted |= mark.mask;
    ignored |= effective_ignore_mask(mark, isdir, place);
  }
  return (mask & FS_ALL_EVENTS & wanted & ~ignored) !== 0;
}

export function fsnotify(event: FsnotifyEvent): void {
  for (const [group, marks] of interested(event)) group.handle_event(event, marks);
}

/** An open that waits for permission; where it cannot wait it is the error. */
export class PermissionWait extends Errno {
  readonly queue: WaitQueue;
  constructor(path: Path, queue: WaitQueue) {
    super(EWOULDBLOCK, 'whoever watches {} has not yet permitted the access', [path]);
    this.queue = queue;
  }
  park(current: Current): number {
    return current.waitKillable(this.queue);
  }
}

/**
 * Asks whoever gives permission. The answers hold until the system call ends: it may run several times.
 * @returns the queue to wait on, or null: go on. Throws EPERM.
 */
export function fsnotify_ask(current: Current, event: FsnotifyEvent): WaitQueue | null {
  for (const [group, marks] of interested(event)) {
    if (group.ask === undefined) continue;
    const answer = group.ask(current, event, marks);
    (current.asked ??= new Set()).add(group);
    if (typeof answer === 'object') return answer;
    if (!answer)
      throw errno(EPERM, 'a fanotify group refused the access to {}', event.path ?? event.inode);
  }
  return null;
}

/** The system call that asked is through. */
export function fsnotify_settle(current: Current): void {
  for (const group of current.asked!) group.settle!(current);
  current.asked = null;
}

/** For groups with marks on inodes alone (inotify, dnotify): first with the name, then of the file itself. */
export function handle_inode_event(
  event: FsnotifyEvent,
  marks: EventMarks,
  handle: (mark: FsnotifyMark, mask: number, name: string, dir: Inode | null) => void,
): void {
  const { mask, name, dir, unlinked, to } = event;
  // What is removed from its directory is no child of it any more.
  const gone = (mark: FsnotifyMark): boolean =>
    (mark.mask & IN_EXCL_UNLINK) !== 0 && unlinked && event.path !== null;
  if (mask & FS_RENAME && dir !== to?.dir) return;
  const { parent, inode } = marks;
  const all = mask & FS_ALL_EVENTS;
  if (parent !== null && parent.mask & all && !gone(parent))
    handle(parent, mask & ~FS_EVENT_ON_CHILD, name, dir);
  if (inode === null || !(inode.mask & all) || gone(inode)) return;
  const dirent = (mask & FS_DIRENT_EVENTS) !== 0;
  handle(inode, mask & ~FS_EVENT_ON_CHILD, dirent ? name : '', dirent ? dir : null);
}

/** Every mark on the object ends. */
export function fsnotify_clear_marks(object: Marked | SuperBlock): void {
  for (const mark of [...(marks_of(object) ?? [])]) mark.group.free_mark(mark);
}

/** The file system is unmounted: those who watch its files are told, and their watches end. */
export function fsnotify_sb_delete(sb: SuperBlock): void {
  if (sb.fsnotify === null) return;
  // The newest first, as they are on s_inodes.
  for (const inode of [...sb.fsnotify.inodes].sort((a, b) => b.ino - a.ino)) {
    const mask = IN_UNMOUNT | ((inode.mode & S_IFMT) === S_IFDIR ? FS_ISDIR : 0);
    const event = { mask, path: null, inode, dir: null, name: '', cookie: 0, unlinked: false, to: null }; // prettier-ignore
    fsnotify(event);
    fsnotify_clear_marks(inode);
  }
  fsnotify_clear_marks(sb);
}
