import { EAGAIN, EEXIST, EINVAL, EMFILE, ENOSPC, ENOTDIR } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_DELETE_SELF,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_MOVE_SELF,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from '@vitrine/uapi/inotify.ts';
import { EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import { FIONREAD } from '@vitrine/uapi/termios.ts';
import { show_fhandle } from '../exportfs.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { KMEM_EVENT, KMEM_WATCH } from '../../include/kmem.ts';
import type { IovIter } from '../../include/iov.ts';
import { serializable } from '../../include/serial.ts';
import { type UserStruct, get_user } from '../../include/user.ts';
import { WaitQueue } from '../../include/wait.ts';
import { anon_inode_path } from '../anon_inodes.ts';
import { NoopSeekFile } from '../file.ts';
import { type Inode, S_ISDIR } from '../inode.ts';
import {
  type EventMarks,
  FS_EVENT_ON_CHILD,
  FS_ISDIR,
  type FsnotifyEvent,
  type FsnotifyGroup,
  FsnotifyMark,
  attach_mark,
  detach_mark,
  find_mark,
  handle_inode_event,
} from '../fsnotify_backend.ts';

const EVENT_SIZE = 16;

/** The next watch gets this number, or the first free one after it. */
const INOTIFY_IOC_SETNEXTWD = 0x40044900;
const INT_MAX = 0x7fff_ffff;
/** What fdinfo shows of a mask (inotify_mark_user_mask). */
const FDINFO_MASK = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;

/** Name length in the record: with its NUL, padded to a whole number of event headers. */
function paddedName(name: string): number {
  return name === '' ? 0 : Math.ceil((name.length + 1) / EVENT_SIZE) * EVENT_SIZE;
}

interface InotifyEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

const overflowed = (event: InotifyEvent): boolean => event.mask === IN_Q_OVERFLOW;

/** One watch per inode and instance. */
class InotifyWatch extends FsnotifyMark {
  declare readonly object: Inode;
  readonly wd: number;
  constructor(file: InotifyFile, wd: number, inode: Inode, mask: number) {
    super(file, inode, mask);
    this.wd = wd;
  }
  static {
    serializable('InotifyWatch', this);
  }
}

/** A watch hears of everything that happens to a directory's children, and when its file system goes. */
const ALWAYS = IN_IGNORED | IN_UNMOUNT | FS_EVENT_ON_CHILD | FS_ISDIR;

/** An inotify instance (inotify(7)). */
export class InotifyFile extends NoopSeekFile implements FsnotifyGroup {
  readonly priority = 0;
  readonly watches: Map<number, InotifyWatch> = new Map();
  readonly user: UserStruct;
  /** fs.inotify.max_queued_events when it was made. */
  private readonly max_events: number;
  private queue: InotifyEvent[] = [];
  private readonly waitq: WaitQueue = new WaitQueue();
  private lastWd = 0;

  constructor(current: Current, user: UserStruct, flags: number) {
    super(current, anon_inode_path(current.kernel, 'inotify'), flags);
    this.user = user;
    this.max_events = current.kernel.vfs.inotify_max_queued_events;
    user.inotify_instances++;
  }

  static {
    serializable('InotifyFile', this);
  }

  override get can_fasync(): boolean {
    return true;
  }

  override get has_read_iter(): boolean {
    return false;
  }
  override get splice_read(): boolean {
    return false;
  }

  /** @returns the watch descriptor */
  addWatch(inode: Inode, arg: number): number {
    if (arg & IN_ONLYDIR && !S_ISDIR(inode.mode))
      throw errno(ENOTDIR, 'IN_ONLYDIR: {} is not a directory', inode);
    const mask = (arg & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK)) | ALWAYS;
    const watch = find_mark(inode, this) as InotifyWatch | null;
    if (watch !== null) {
      if (arg & IN_MASK_CREATE)
        throw errno(EEXIST, 'IN_MASK_CREATE: watch {} is on {} already', watch.wd, inode);
      watch.mask = arg & IN_MASK_ADD ? watch.mask | mask : mask;
      return watch.wd;
    }
    const max = this.sb.kernel.vfs.inotify_max_user_watches;
    if (this.user.inotify_watches >= max)
      throw errno(
        ENOSPC,
        'user {} has {} watches, fs.inotify.max_user_watches',
        this.user.uid,
        max,
      );
    this.sb.kernel.kmem.need(KMEM_WATCH, 'more watches');
    this.charge(1);
    do this.lastWd = this.lastWd >= INT_MAX ? 1 : this.lastWd + 1;
    while (this.watches.has(this.lastWd));
    const added = new InotifyWatch(this, this.lastWd, inode, mask);
    this.watches.set(added.wd, added);
    attach_mark(added);
    return added.wd;
  }

  removeWatch(wd: number): void {
    const watch = this.watches.get(wd);
    if (watch === undefined) throw errno(EINVAL, 'no watch {} in this inotify instance', wd);
    this.forget(watch);
  }

  handle_event(event: FsnotifyEvent, marks: EventMarks): void {
    const { cookie } = event;
    handle_inode_event(event, marks, (mark, mask, name) => {
      const watch = mark as InotifyWatch;
      // What happens to the watched directory itself never had the flag.
      if (mask & (IN_DELETE_SELF | IN_MOVE_SELF)) mask &= ~IN_ISDIR;
      this.push({
        wd: watch.wd,
        mask: mask & (IN_ALL_EVENTS | IN_UNMOUNT | IN_ISDIR),
        cookie,
        name,
      });
      if (watch.mask & IN_ONESHOT) this.forget(watch);
    });
  }

  free_mark(mark: FsnotifyMark): void {
    this.forget(mark as InotifyWatch);
  }

  override get kmem(): number {
    return this.watches.size * KMEM_WATCH + this.queue.length * KMEM_EVENT;
  }

  /** So many watches more, or less. */
  private charge(watches: number): void {
    this.user.inotify_watches += watches;
    this.sb.kernel.kmem.charge(watches * KMEM_WATCH);
  }

  /** Ends a watch and tells of it with IN_IGNORED. */
  private forget(watch: InotifyWatch): void {
    detach_mark(watch);
    this.watches.delete(watch.wd);
    this.charge(-1);
    this.push({ wd: watch.wd, mask: IN_IGNORED, cookie: 0, name: '' });
  }

  private push(event: InotifyEvent): void {
    const { kmem } = this.sb.kernel;
    if (this.queue.length >= this.max_events || !kmem.has(KMEM_EVENT)) {
      if (this.queue.some(overflowed)) return;
      event = { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' };
    }
    const last = this.queue[this.queue.length - 1];
    // Equal to the newest one, whatever the cookie: told once (inotify_merge).
    if (last !== undefined && last.wd === event.wd && last.mask === event.mask && last.name === event.name && !(event.mask & IN_IGNORED)) return; // prettier-ignore
    this.queue.push(event);
    kmem.charge(KMEM_EVENT);
    this.waitq.wake(EPOLLIN | EPOLLRDNORM);
  }

  override read_iter(current: Current, to: IovIter): number {
    if (this.queue.length === 0) {
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, 'no inotify event is queued and O_NONBLOCK is set');
      return current.wait(this.waitq);
    }
    let done = 0;
    while (this.queue.length > 0) {
      const event = this.queue[0]!;
      const len = paddedName(event.name);
      if (EVENT_SIZE + len > to.count) break;
      const record = new Uint8Array(EVENT_SIZE + len);
      const view = new DataView(record.buffer);
      view.setInt32(0, event.wd, true);
      view.setUint32(4, event.mask, true);
      view.setUint32(8, event.cookie, true);
      view.setUint32(12, len, true);
      for (let i = 0; i < event.name.length; i++) record[EVENT_SIZE + i] = event.name.charCodeAt(i);
      this.queue.shift();
      this.sb.kernel.kmem.charge(-KMEM_EVENT);
      done += to.copyTo(record, 0, record.length);
    }
    if (done === 0)
      throw errno(
        EINVAL,
        'the buffer ({} bytes) is too small for the next inotify event',
        to.count,
      );
    return done;
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.waitq);
    return this.queue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd === INOTIFY_IOC_SETNEXTWD) {
      if (arg < 1 || arg > INT_MAX)
        throw errno(EINVAL, 'INOTIFY_IOC_SETNEXTWD: {} is no watch descriptor', arg);
      this.lastWd = arg - 1;
      return 0;
    }
    if (cmd !== FIONREAD) return super.ioctl(current, cmd, arg);
    let bytes = 0;
    for (const event of this.queue) bytes += EVENT_SIZE + paddedName(event.name);
    current.mem.putU32(arg, bytes);
    return 0;
  }

  override release(): void {
    for (const watch of this.watches.values()) detach_mark(watch);
    this.charge(-this.watches.size);
    this.sb.kernel.kmem.charge(-KMEM_EVENT * this.queue.length);
    this.queue = [];
    this.watches.clear();
    this.user.inotify_instances--;
  }

  private get sb(): Inode['sb'] {
    return this.inode.sb;
  }

  override show_fdinfo(): string {
    let text = '';
    for (const { wd, object: inode, mask } of [...this.watches.values()].toReversed()) {
      text += `inotify wd:${wd.toString(16)} ino:${inode.ino.toString(16)} sdev:${inode.sb.dev.toString(16)} mask:${((mask & FDINFO_MASK) >>> 0).toString(16)} ignored_mask:0 ${show_fhandle(inode)}\n`;
    }
    return text;
  }
}

export function inotify_new(current: Current, flags: number): InotifyFile {
  const max = current.kernel.vfs.inotify_max_user_instances;
  const user = get_user(current.kernel, current.cred.euid);
  if (user.inotify_instances >= max)
    throw errno(EMFILE, 'user {} has {} inotify instances, fs.inotify.max_user_instances', user.uid, max); // prettier-ignore
  return new InotifyFile(current, user, flags & O_NONBLOCK);
}
