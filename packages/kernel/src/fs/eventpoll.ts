import { EEXIST, EINTR, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM } from '@vitrine/uapi/errno.ts';
import {
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWAKEUP,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
} from '@vitrine/uapi/poll.ts';
import { CAP_NET_ADMIN } from '@vitrine/uapi/capability.ts';
import { O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { KMEM_WATCH } from '../include/kmem.ts';
import { serializable } from '../include/serial.ts';
import { type UserStruct, get_user } from '../include/user.ts';
import { WaitQueue, type Waiter } from '../include/wait.ts';
import { anon_inode_path } from './anon_inodes.ts';
import { type File, NoopSeekFile } from './file.ts';

/** Bits of the event mask that are not events. */
const EP_PRIVATE_BITS: number = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
const EP_MAX_NESTS = 4;
export const EP_MAX_EVENTS: number = Math.floor(0x7fff_ffff / 12);

/** Analogous to `struct epitem`: the interest of one epoll instance in one descriptor. It waits on the file's queues. */
export class EpItem implements Waiter {
  readonly ep: EventpollFile;
  readonly file: File;
  readonly fd: number;
  events: number;
  /** The u64 that goes back to the program. */
  dataLo: number;
  dataHi: number;
  queues: WaitQueue[] = [];
  constructor(ep: EventpollFile, file: File, fd: number, events: number, lo: number, hi: number) {
    this.ep = ep;
    this.file = file;
    this.fd = fd;
    this.events = events;
    this.dataLo = lo;
    this.dataHi = hi;
  }

  static {
    serializable('EpItem', this);
  }

  /** The file's state changed (ep_poll_callback). */
  woken(_queue: WaitQueue, events: number): boolean {
    if ((this.events & ~EP_PRIVATE_BITS) === 0) return false; // disarmed by EPOLLONESHOT
    if (events !== 0 && (events & this.events) === 0) return false;
    const waited = this.ep.wq.active;
    this.ep.makeReady(this);
    return waited;
  }

  get exclusive(): boolean {
    return (this.events & EPOLLEXCLUSIVE) !== 0;
  }

  unqueue(): void {
    for (const queue of this.queues) queue.remove(this);
    this.queues = [];
  }
}

export interface EpollEvent {
  readonly events: number;
  readonly dataLo: number;
  readonly dataHi: number;
}

const EPIOCSPARAMS = 0x4008_8a01;
const EPIOCGPARAMS = 0x8008_8a02;
/** Most packets that are taken from a device at a time. */
const NAPI_POLL_WEIGHT = 64;

/** An epoll instance (analogous to `struct eventpoll`). */
export class EventpollFile extends NoopSeekFile {
  /** By file, then by descriptor number: one file may be added under several. */
  readonly items: Map<File, Map<number, EpItem>> = new Map();
  /** Items to look at: they were ready when their file last told (rdllist). */
  readonly ready: Set<EpItem> = new Set();
  /** Callers of epoll_wait. */
  readonly wq: WaitQueue = new WaitQueue();
  /** Who polls the instance itself. */
  readonly poll_wait: WaitQueue = new WaitQueue();
  readonly user: UserStruct;
  busy_poll_usecs = 0;
  busy_poll_budget = 0;
  prefer_busy_poll = 0;

  constructor(current: Current) {
    super(current, anon_inode_path(current.kernel, '[eventpoll]'), O_RDWR);
    this.user = get_user(current.kernel, current.cred.uid);
  }

  static {
    serializable('EventpollFile', this);
  }

  override get kmem(): number {
    let watches = 0;
    for (const byFd of this.items.values()) watches += byFd.size;
    return watches * KMEM_WATCH;
  }

  makeReady(item: EpItem): void {
    this.ready.add(item);
    if (this.wq.active) this.wq.wake(EPOLLIN, 1);
    if (this.poll_wait.active) this.poll_wait.wake(EPOLLIN | EPOLLRDNORM);
  }

  find(file: File, fd: number): EpItem | null {
    return this.items.get(file)?.get(fd) ?? null;
  }

  remove(item: EpItem): void {
    item.unqueue();
    this.user.epoll_watches--;
    this.inode.sb.kernel.kmem.charge(-KMEM_WATCH);
    this.ready.delete(item);
    const byFd = this.items.get(item.file);
    byFd?.delete(item.fd);
    if (byFd?.size === 0) this.items.delete(item.file);
    item.file.epitems?.delete(item);
    if (item.file.epitems?.size === 0) item.file.epitems = null;
  }

  /** How to poll network devices while somebody waits, which none of them needs (ep_eventpoll_bp_ioctl). */
  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd === EPIOCGPARAMS) {
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, this.busy_poll_usecs, true);
      view.setUint16(4, this.busy_poll_budget, true);
      view.setUint8(6, this.prefer_busy_poll);
      current.mem.write(arg, bytes);
      return 0;
    }
    if (cmd !== EPIOCSPARAMS) throw errno(EINVAL, 'epoll: there is no ioctl {}', `0x${cmd.toString(16)}`); // prettier-ignore
    const bytes = current.mem.read(arg, 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const usecs = view.getUint32(0, true);
    const budget = view.getUint16(4, true);
    if (bytes[7] !== 0) throw errno(EINVAL, 'EPIOCSPARAMS: the padding is {}', bytes[7]!);
    if (usecs > 0x7fff_ffff)
      throw errno(EINVAL, 'EPIOCSPARAMS: {} microseconds are too many', usecs);
    if (bytes[6]! > 1) throw errno(EINVAL, 'EPIOCSPARAMS: prefer_busy_poll is {}', bytes[6]!);
    if (budget > NAPI_POLL_WEIGHT && !capable(current.cred, CAP_NET_ADMIN))
      throw errno(EPERM, 'EPIOCSPARAMS: a budget of {} needs CAP_NET_ADMIN', budget);
    this.busy_poll_usecs = usecs;
    this.busy_poll_budget = budget;
    this.prefer_busy_poll = bytes[6]!;
    return 0;
  }

  override poll(current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.poll_wait);
    for (const item of this.ready) {
      if (item.file.poll(current, null) & item.events) return EPOLLIN | EPOLLRDNORM;
      this.ready.delete(item);
    }
    return 0;
  }

  /**
   * Takes up to `max` ready events. Level-triggered ones stay in the list, at its end, so that every file gets its
   * turn (ep_send_events).
   */
  collect(current: Current, max: number): EpollEvent[] {
    const out: EpollEvent[] = [];
    const again: EpItem[] = [];
    for (const item of this.ready) {
      if (out.length >= max) break;
      this.ready.delete(item);
      const events = item.file.poll(current, null) & item.events & ~EP_PRIVATE_BITS;
      if (events === 0) continue;
      out.push({ events, dataLo: item.dataLo, dataHi: item.dataHi });
      if (item.events & EPOLLONESHOT) item.events &= EP_PRIVATE_BITS;
      else if (!(item.events & EPOLLET)) again.push(item);
    }
    for (const item of again) this.ready.add(item);
    return out;
  }

  override release(): void {
    for (const byFd of [...this.items.values()]) {
      for (const item of [...byFd.values()]) this.remove(item);
    }
  }

  override show_fdinfo(): string {
    let text = '';
    for (const byFd of this.items.values()) {
      for (const item of byFd.values()) {
        const data = (BigInt(item.dataHi >>> 0) << 32n) | BigInt(item.dataLo >>> 0);
        text += `tfd: ${String(item.fd).padStart(8)} events: ${(item.events >>> 0).toString(16).padStart(8)} data: ${data.toString(16).padStart(16)}  pos:${item.file.pos} ino:${item.file.inode.ino.toString(16)} sdev:${item.file.inode.sb.dev.toString(16)}\n`;
      }
    }
    return text;
  }
}

export function eventpoll_new(current: Current): EventpollFile {
  return new EventpollFile(current);
}

/** Throws EPERM for a file that cannot be watched. */
export function check_pollable(file: File, fd: number): void {
  if (!file.pollable)
    throw errno(EPERM, 'fd {} ({}) cannot be watched: it is always ready', fd, file.path);
}

export function do_epoll_ctl(
  current: Current,
  ep: EventpollFile,
  op: number,
  file: File,
  fd: number,
  event: EpollEvent | null,
): void {
  if (file === ep) throw errno(EINVAL, 'epoll instance {} cannot watch itself', fd);
  const events = event === null ? 0 : event.events;
  if (events & EPOLLEXCLUSIVE) checkExclusive(op, file, events);
  const item = ep.find(file, fd);
  switch (op) {
    case EPOLL_CTL_ADD:
      if (item !== null) throw errno(EEXIST, 'fd {} ({}) is watched already', fd, file.path);
      if (file instanceof EventpollFile) checkNesting(ep, file);
      insert(current, ep, file, fd, event!);
      return;
    case EPOLL_CTL_DEL:
      if (item === null) throw errno(ENOENT, 'fd {} ({}) is not watched', fd, file.path);
      ep.remove(item);
      return;
    case EPOLL_CTL_MOD:
      if (item === null) throw errno(ENOENT, 'fd {} ({}) is not watched', fd, file.path);
      if (item.events & EPOLLEXCLUSIVE)
        throw errno(EINVAL, 'fd {} is watched with EPOLLEXCLUSIVE: it cannot be modified', fd);
      item.events = (events | EPOLLERR | EPOLLHUP) >>> 0;
      item.dataLo = event!.dataLo;
      item.dataHi = event!.dataHi;
      if (file.poll(current, null) & item.events) ep.makeReady(item);
      return;
    default:
      throw errno(EINVAL, 'epoll_ctl: operation {} is none of ADD, DEL, MOD', op);
  }
}

function checkExclusive(op: number, file: File, events: number): void {
  const allowed = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE; // prettier-ignore
  if (op === EPOLL_CTL_MOD || file instanceof EventpollFile || (events & ~allowed) !== 0) {
    throw errno(
      EINVAL,
      'EPOLLEXCLUSIVE goes with EPOLL_CTL_ADD, no nested epoll and only EPOLLIN, OUT, ET, WAKEUP',
    );
  }
}

function insert(
  current: Current,
  ep: EventpollFile,
  file: File,
  fd: number,
  event: EpollEvent,
): void {
  const { epoll_max_user_watches } = current.kernel.vfs;
  if (ep.user.epoll_watches >= epoll_max_user_watches)
    throw errno(ENOSPC, 'user {} watches {} files, fs.epoll.max_user_watches', ep.user.uid, epoll_max_user_watches); // prettier-ignore
  current.kernel.kmem.need(KMEM_WATCH, 'more watches');
  ep.user.epoll_watches++;
  current.kernel.kmem.charge(KMEM_WATCH);
  const events = (event.events | EPOLLERR | EPOLLHUP) >>> 0;
  const item = new EpItem(ep, file, fd, events, event.dataLo, event.dataHi);
  let byFd = ep.items.get(file);
  if (byFd === undefined) ep.items.set(file, (byFd = new Map()));
  byFd.set(fd, item);
  (file.epitems ??= new Set()).add(item);
  const mask = file.poll(current, item.queues);
  for (const queue of item.queues) queue.add(item);
  if (mask & events) ep.makeReady(item);
}

/** Watching an instance that (in the end) watches the watcher, or a chain that is too long, is ELOOP. */
function checkNesting(ep: EventpollFile, inner: EventpollFile): void {
  if (below(inner, ep, 0) + above(ep, 0) > EP_MAX_NESTS) {
    throw errno(ELOOP, 'epoll instances may be nested {} deep', EP_MAX_NESTS);
  }
}

function below(file: EventpollFile, ep: EventpollFile, depth: number): number {
  if (file === ep) throw errno(ELOOP, 'the epoll instances would watch each other in a circle');
  if (depth > EP_MAX_NESTS) return depth;
  let deepest = 0;
  for (const inner of file.items.keys()) {
    if (inner instanceof EventpollFile) deepest = Math.max(deepest, below(inner, ep, depth + 1));
  }
  return deepest + 1;
}

function above(file: EventpollFile, depth: number): number {
  if (depth > EP_MAX_NESTS) return depth;
  let highest = 0;
  for (const item of file.epitems ?? []) highest = Math.max(highest, above(item.ep, depth + 1) + 1);
  return highest;
}

/** @returns events, none when the deadline passed, or BLOCKED */
export function ep_poll(
  current: Current,
  ep: EventpollFile,
  max: number,
  deadline: number,
): EpollEvent[] | number {
  const events = ep.ready.size === 0 ? [] : ep.collect(current, max);
  if (events.length > 0) {
    if (ep.ready.size > 0 && ep.wq.active) ep.wq.wake(EPOLLIN, 1);
    return events;
  }
  if (current.kernel.clock.now() >= deadline) return events;
  return current.waitAny([ep.wq], deadline, EINTR);
}
