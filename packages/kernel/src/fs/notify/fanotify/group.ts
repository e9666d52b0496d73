import { EAGAIN, EINVAL, ENOENT } from '@vitrine/uapi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import * as I from '@vitrine/uapi/inotify.ts';
import { show_fhandle } from '../../exportfs.ts';
import { EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import { FIONREAD } from '@vitrine/uapi/termios.ts';
import type { Current } from '../../../include/current.ts';
import { Errno, errno } from '../../../include/errno.ts';
import type { IovIter } from '../../../include/iov.ts';
import { serializable } from '../../../include/serial.ts';
import { WaitQueue } from '../../../include/wait.ts';
import type { Task } from '../../../kernel/task.ts';
import type { UserStruct } from '../../../include/user.ts';
import { anon_inode_path } from '../../anon_inodes.ts';
import type { Path } from '../../dcache.ts';
import { close_fd, fd_install } from '../../fdtable.ts';
import { FMODE_NONOTIFY, NoopSeekFile } from '../../file.ts';
import {
  type EventMarks,
  FS_ALL_EVENTS,
  FS_EVENT_ON_CHILD,
  FS_ISDIR,
  type FsnotifyEvent,
  type FsnotifyGroup,
  FsnotifyMark,
  type MarkPlace,
  detach_mark,
  effective_ignore_mask,
  mask_applicable,
} from '../../fsnotify_backend.ts';
import { Inode, S_ISDIR, S_ISREG, ihold, iput } from '../../inode.ts';
import { Mount, mntget, mntput } from '../../mount.ts';
import { vfs_open } from '../../open.ts';
import { pidfd_prepare } from '../../pidfs/pidfd.ts';
import {
  ANSWERED,
  FAN_FID_BITS,
  FAN_INFO_MODES,
  FAN_PERM_EVENTS,
  FanotifyEvent,
  QUEUED,
  REPORTED,
  fid_info,
  info_records,
  should_merge,
} from './event.ts';

/** Events looked at for one that the new one can join. */
const MAX_MERGE_EVENTS = 128;
const METADATA_LEN = 24;
const METADATA_VERSION = 3;
/** The group's maker had no CAP_SYS_ADMIN: it learns neither processes nor descriptors. */
export const FANOTIFY_UNPRIV = 0x8000_0000;

const EVENT_FLAGS = FS_EVENT_ON_CHILD | FS_ISDIR;
/** What a reader may see: every event but inotify's IN_UNMOUNT and IN_IGNORED. */
const OUTGOING = (FS_ALL_EVENTS & ~0x2000) | FS_ISDIR;
const PLACES: readonly MarkPlace[] = ['sb', 'mnt', 'inode', 'parent', 'inode2'];

export class FanotifyMark extends FsnotifyMark {
  /** FAN_MARK_EVICTABLE */
  evictable = false;
  static {
    serializable('FanotifyMark', this);
  }
}

/** A fanotify instance (fanotify(7)). */
export class FanotifyFile extends NoopSeekFile implements FsnotifyGroup {
  /** Flags of fanotify_init. */
  readonly fan_flags: number;
  /** How the descriptors in events are opened. */
  readonly event_flags: number;
  readonly priority: number;
  readonly marks: Set<FanotifyMark> = new Set();
  private readonly user: UserStruct;
  private queue: FanotifyEvent[] = [];
  /** Permission events that were read and not answered, or answered and not yet acted on. */
  private access: FanotifyEvent[] = [];
  private overflowed = false;
  /** fs.fanotify.max_queued_events when it was made. */
  private readonly max_events: number;
  private readonly waitq: WaitQueue = new WaitQueue();
  private readonly access_waitq: WaitQueue = new WaitQueue();

  static {
    serializable('FanotifyFile', this);
  }

  override get splice_write(): boolean {
    return false;
  }
  override get has_read_iter(): boolean {
    return false;
  }
  override get splice_read(): boolean {
    return false;
  }

  constructor(current: Current, user: UserStruct, flags: number, event_flags: number) {
    super(
      current,
      anon_inode_path(current.kernel, '[fanotify]'),
      O_RDWR | (flags & I.FAN_NONBLOCK ? O_NONBLOCK : 0),
    );
    this.fan_flags = flags;
    this.event_flags = event_flags;
    this.user = user;
    this.max_events = current.kernel.vfs.fanotify_max_queued_events;
    this.priority = (flags >> 2) & 3;
    this.mode |= FMODE_NONOTIFY;
    user.fanotify_groups++;
  }

  get fid_mode(): number {
    return this.fan_flags & FAN_FID_BITS;
  }

  count_mark(change: number): void {
    if (!(this.fan_flags & I.FAN_UNLIMITED_MARKS)) this.user.fanotify_marks += change;
  }

  get mark_count(): number {
    return this.fan_flags & I.FAN_UNLIMITED_MARKS ? 0 : this.user.fanotify_marks;
  }

  free_mark(mark: FsnotifyMark): void {
    detach_mark(mark);
    if (this.marks.delete(mark as FanotifyMark)) this.count_mark(-1);
  }

  /** The part of an event that the group asked for (fanotify_group_event_mask). */
  private event_mask(event: FsnotifyEvent, marks: EventMarks, matched: Set<MarkPlace>): number {
    const { mask, path, dir } = event;
    const ondir = (mask & FS_ISDIR) !== 0;
    const fid_mode = this.fid_mode;
    if (fid_mode === 0) {
      if (path === null) return 0;
      const { mode } = path.dentry.inode;
      if (!S_ISREG(mode) && !S_ISDIR(mode)) return 0;
    } else if (!(fid_mode & I.FAN_REPORT_FID) && dir === null && !ondir) return 0;
    let wanted = 0;
    let ignored = 0;
    for (const place of PLACES) {
      const mark = marks[place];
      if (mark === null) continue;
      ignored |= effective_ignore_mask(mark, ondir, place);
      if (!mask_applicable(mark.mask, ondir, place)) continue;
      wanted |= mark.mask;
      matched.add(place);
    }
    const test = mask & wanted & ~ignored;
    if (!(test & ~EVENT_FLAGS)) return 0;
    return test & (fid_mode === 0 ? OUTGOING & ~EVENT_FLAGS : OUTGOING);
  }

  handle_event(event: FsnotifyEvent, marks: EventMarks): void {
    const matched = new Set<MarkPlace>();
    const mask = this.event_mask(event, marks, matched);
    if (mask !== 0) this.insert(this.make(event, mask, matched));
  }

  private make(event: FsnotifyEvent, mask: number, matched: Set<MarkPlace>): FanotifyEvent {
    const task = this.inode.sb.kernel.sched.current;
    const pid = this.fan_flags & I.FAN_REPORT_TID ? task?.pid : task?.tgid;
    if (this.fid_mode === 0 || mask & FAN_PERM_EVENTS)
      return new FanotifyEvent(mask, pid ?? 0, event.path, null);
    const whole = matched.has('sb');
    const fid = fid_info(event, mask, this.fid_mode, whole || matched.has('inode'), whole || matched.has('inode2')); // prettier-ignore
    return new FanotifyEvent(mask, pid ?? 0, null, fid);
  }

  private insert(event: FanotifyEvent): void {
    const { queue } = this;
    if (queue.length >= this.max_events && !(this.fan_flags & I.FAN_UNLIMITED_QUEUE)) {
      if (this.overflowed) return;
      this.overflowed = true;
      event = new FanotifyEvent(I.FAN_Q_OVERFLOW, 0, null, null);
    } else if (!event.perm) {
      for (let i = queue.length - 1; i >= 0 && i >= queue.length - MAX_MERGE_EVENTS; i--) {
        if (!should_merge(queue[i]!, event)) continue;
        queue[i]!.mask |= event.mask;
        return;
      }
    }
    if (event.path !== null) hold(event.path);
    queue.push(event);
    this.waitq.wake(EPOLLIN | EPOLLRDNORM);
  }

  ask(current: Current, event: FsnotifyEvent, marks: EventMarks): boolean | WaitQueue {
    // The kernel's own reads wait for nobody.
    if ((current as Task).kthread) return true;
    const known = this.asked(current, event);
    if (known !== undefined) return known.state === ANSWERED ? known.allowed : this.access_waitq;
    const mask = this.event_mask(event, marks, new Set());
    if (mask === 0) return true;
    const asking = this.make(event, mask, new Set());
    asking.asker = current.pid;
    this.insert(asking);
    return this.access_waitq;
  }

  private asked(current: Current, event: FsnotifyEvent): FanotifyEvent | undefined {
    const same = (e: FanotifyEvent): boolean => e.asker === current.pid && (e.mask & event.mask) !== 0 && e.path!.dentry === event.path!.dentry; // prettier-ignore
    return this.access.find(same) ?? this.queue.find((e) => e.perm && same(e));
  }

  settle(current: Current): void {
    for (const event of [...this.access, ...this.queue])
      if (event.perm && event.asker === current.pid) this.forget(event);
  }

  private forget(event: FanotifyEvent): void {
    if (event.state === QUEUED) this.queue.splice(this.queue.indexOf(event), 1);
    this.drop(event);
  }

  private drop(event: FanotifyEvent): void {
    const i = this.access.indexOf(event);
    if (i >= 0) this.access.splice(i, 1);
    if (event.path !== null) release(event.path);
  }

  private answer(event: FanotifyEvent, allowed: boolean): void {
    event.state = ANSWERED;
    event.allowed = allowed;
    event.fd = -1;
    if (!this.access.includes(event)) this.access.push(event);
    this.access_waitq.wake();
  }

  /** Events whose asker was killed while it waited are nobody's any more. */
  private forget_the_dead(): void {
    const { pids } = this.inode.sb.kernel;
    const alive = (event: FanotifyEvent): boolean => {
      const task = pids.find(event.asker)?.task;
      return task !== null && task !== undefined && !task.dead && !task.exiting;
    };
    for (const event of [...this.queue, ...this.access]) {
      if (event.perm && !alive(event)) this.forget(event);
    }
  }

  override read_iter(current: Current, to: IovIter): number {
    this.forget_the_dead();
    if (this.queue.length === 0) {
      if (this.flags & O_NONBLOCK)
        throw errno(EAGAIN, 'no fanotify event is queued and O_NONBLOCK is set');
      return current.wait(this.waitq);
    }
    let done = 0;
    try {
      while (this.queue.length > 0) {
        const n = this.copy_event(current, this.queue[0]!, to);
        if (n === 0) break;
        done += n;
      }
    } catch (error) {
      if (done === 0 || !(error instanceof Errno)) throw error;
    }
    if (done === 0)
      throw errno(EINVAL, 'the buffer ({} bytes) is too small for the next fanotify event', to.count); // prettier-ignore
    return done;
  }

  private event_len(event: FanotifyEvent): number {
    const mode = this.fan_flags & FAN_INFO_MODES;
    let length = METADATA_LEN + (mode & I.FAN_REPORT_PIDFD ? 8 : 0);
    for (const record of info_records(event, mode)) length += record.length;
    return length;
  }

  /** One event into the reader's buffer. @returns its length; 0: there is no room (copy_event_to_user) */
  private copy_event(current: Current, event: FanotifyEvent, to: IovIter): number {
    const length = this.event_len(event);
    if (length > to.count) return 0;
    this.queue.shift();
    if (event.mask & I.FAN_Q_OVERFLOW) this.overflowed = false;
    const opened: number[] = [];
    try {
      const bytes = this.encode(current, event, length, opened);
      if (to.copyTo(bytes, 0, length) < length) throw errno(EINVAL, 'the buffer cannot be written');
    } catch (error) {
      for (const fd of opened) close_fd(current, fd);
      if (event.perm) this.answer(event, false);
      else this.drop(event);
      throw error;
    }
    if (event.perm) {
      event.state = REPORTED;
      this.access.push(event);
    } else this.drop(event);
    return length;
  }

  private encode(
    current: Current,
    event: FanotifyEvent,
    length: number,
    opened: number[],
  ): Uint8Array {
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    const unprivileged = this.fan_flags & FANOTIFY_UNPRIV;
    const pid = unprivileged && current.tgid !== event.pid ? 0 : event.pid;
    if (event.path !== null && !unprivileged) {
      const file = vfs_open(current, event.path, this.event_flags, FMODE_NONOTIFY);
      // open(2) drops this flag; here F_GETFL tells it.
      file.flags |= this.event_flags & O_CLOEXEC;
      event.fd = fd_install(current, file, (this.event_flags & O_CLOEXEC) !== 0);
      opened.push(event.fd);
    }
    view.setUint32(0, length, true);
    view.setUint8(4, METADATA_VERSION);
    view.setUint16(6, METADATA_LEN, true);
    view.setUint32(8, event.mask & OUTGOING, true);
    view.setInt32(16, event.path === null || unprivileged ? I.FAN_NOFD : event.fd, true);
    view.setInt32(20, pid, true);
    let at = METADATA_LEN;
    for (const record of info_records(event, this.fan_flags & FAN_INFO_MODES)) {
      bytes.set(record, at);
      at += record.length;
    }
    if (this.fan_flags & I.FAN_REPORT_PIDFD) {
      view.setUint8(at, I.FAN_EVENT_INFO_TYPE_PIDFD);
      view.setUint16(at + 2, 8, true);
      view.setInt32(at + 4, this.pidfd(current, pid, opened), true);
    }
    return bytes;
  }

  private pidfd(current: Current, pid: number, opened: number[]): number {
    const found = pid === 0 ? null : current.kernel.pids.find(pid);
    if (found === null || found.tasks.tgid.size === 0) return I.FAN_NOPIDFD;
    try {
      const fd = fd_install(current, pidfd_prepare(current, found, 0), true);
      opened.push(fd);
      return fd;
    } catch {
      return I.FAN_EPIDFD;
    }
  }

  /** The answer to a permission event: struct fanotify_response. */
  override write_iter(_current: Current, from: IovIter): number {
    if (from.count < 8)
      throw errno(EINVAL, 'an answer to fanotify has 8 bytes, not {}', from.count);
    const asked = from.count - 8;
    const bytes = new Uint8Array(8 + Math.min(asked, 16));
    from.copyFrom(bytes, 0, bytes.length);
    const view = new DataView(bytes.buffer);
    const fd = view.getInt32(0, true);
    const response = view.getUint32(4, true);
    const verdict = response & ~(I.FAN_AUDIT | FAN_INFO);
    if (verdict !== I.FAN_ALLOW && verdict !== I.FAN_DENY)
      throw errno(EINVAL, 'an answer is FAN_ALLOW or FAN_DENY, not {}', response);
    if (response & I.FAN_AUDIT && !(this.fan_flags & I.FAN_ENABLE_AUDIT))
      throw errno(EINVAL, 'FAN_AUDIT: the group was made without FAN_ENABLE_AUDIT');
    let length = 8;
    if (response & FAN_INFO) {
      // struct fanotify_response_info_audit_rule: type 1, pad, length 16.
      if (
        asked !== 16 ||
        view.getUint8(8) !== 1 ||
        view.getUint8(9) !== 0 ||
        view.getUint16(10, true) !== 16
      )
        throw errno(EINVAL, 'FAN_INFO: what follows is no audit rule');
      length = 24;
      if (fd === I.FAN_NOFD) return length;
    }
    if (fd < 0) throw errno(EINVAL, 'an answer names the descriptor of its event, not {}', fd);
    const event = this.access.find((e) => e.state === REPORTED && e.fd === fd);
    if (event === undefined)
      throw errno(ENOENT, 'no event with descriptor {} waits for an answer', fd);
    this.answer(event, verdict === I.FAN_ALLOW);
    return length;
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.waitq);
    return this.queue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd !== FIONREAD) return super.ioctl(current, cmd, arg);
    const bytes = this.queue.reduce((sum, event) => sum + this.event_len(event), 0);
    current.mem.putU32(arg, bytes);
    return 0;
  }

  /** Whoever waits for an answer may go on. */
  override release(): void {
    for (const mark of [...this.marks]) this.free_mark(mark);
    for (const event of this.queue) {
      if (event.perm) this.answer(event, true);
      else this.drop(event);
    }
    this.queue = [];
    for (const event of [...this.access]) this.drop(event);
    this.access_waitq.wake();
    this.user.fanotify_groups--;
  }

  override show_fdinfo(): string {
    const hex = (n: number): string => (n >>> 0).toString(16);
    let text = `fanotify flags:${hex(this.fan_flags & ~FANOTIFY_UNPRIV)} event-flags:${hex(this.event_flags)}\n`;
    for (const mark of [...this.marks].toReversed()) {
      const { object, mask, ignore_mask } = mark;
      const what =
        object instanceof Inode
          ? `ino:${hex(object.ino)} sdev:${hex(object.sb.dev)}`
          : object instanceof Mount
            ? `mnt_id:${hex(object.id)}`
            : `sdev:${hex(object.dev)}`;
      const mflags = mark_user_flags(mark);
      text += `fanotify ${what} mflags:${hex(mflags)} mask:${hex(mask)} ignored_mask:${hex(ignore_mask)}${object instanceof Inode ? ` ${show_fhandle(object)}` : ''}\n`;
    }
    return text;
  }
}

/** An answer carries information for the audit log. */
const FAN_INFO = 0x20;

function mark_user_flags(mark: FanotifyMark): number {
  return (
    (mark.surv_modify ? I.FAN_MARK_IGNORED_SURV_MODIFY : 0) |
    (mark.evictable ? I.FAN_MARK_EVICTABLE : 0) |
    (mark.has_ignore_flags ? I.FAN_MARK_IGNORE : 0)
  );
}

function hold(path: Path): void {
  ihold(path.dentry.inode);
  mntget(path.mnt);
}

function release(path: Path): void {
  iput(path.dentry.inode);
  mntput(path.mnt);
}
