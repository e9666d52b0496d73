import * as E from '@vitrine/uapi/errno.ts';
import { O_CLOEXEC, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import { RLIMIT_NOFILE } from '@vitrine/uapi/resource.ts';
import * as SC from '@vitrine/uapi/seccomp.ts';
import { anon_inode_path } from '../fs/anon_inodes.ts';
import { expand_files, fget, filp_close, get_unused_fd } from '../fs/fdtable.ts';
import { StreamFile } from '../fs/file.ts';
import { copy_struct_from_user } from '../include/copy_struct.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import type { SeccompFilter } from './seccomp.ts';
import type { Task } from './task.ts';

/** Another process answers the system calls that a filter forbids (SECCOMP_RET_USER_NOTIF; seccomp_unotify(2)). */

const SECCOMP_IOCTL_NOTIF_RECV = 0xc050_2100;
const SECCOMP_IOCTL_NOTIF_SEND = 0xc018_2101;
const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x4008_2102;
/** As headers before Linux 5.17 had it. */
const SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR = 0x8008_2102;
const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x4008_2104;
/** SECCOMP_IOCTL_NOTIF_ADDFD without direction and size, which tells the version of its structure. */
const EA_NOTIF_ADDFD = 0x2103;
const EA_MASK = 0x0000_ffff;
const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;

/** sizeof(struct seccomp_notif), and of the data at its end; sizeof(struct seccomp_notif_addfd). */
const NOTIF_SIZE = 80;
const NOTIF_DATA = 16;
const ADDFD_SIZE = 24;

/** A call that waits for its answer (struct seccomp_knotif). */
export class SeccompKnotif {
  readonly id: bigint;
  readonly task: Task;
  readonly filter: SeccompFilter;
  /** struct seccomp_data. */
  readonly data: Uint32Array;
  /** Not yet read by the listener, read by it, answered. */
  state: 'init' | 'sent' | 'replied' = 'init';
  val = 0n;
  error = 0;
  flags = 0;
  /** Woken when there is an answer. */
  readonly ready: WaitQueue = new WaitQueue();
  constructor(id: bigint, task: Task, filter: SeccompFilter, data: Uint32Array) {
    this.id = id;
    this.task = task;
    this.filter = filter;
    this.data = data;
  }
  static {
    serializable('SeccompKnotif', this);
  }

  reply(error: number, val: bigint, flags: number): void {
    this.state = 'replied';
    this.error = error;
    this.val = val;
    this.flags = flags;
    this.ready.wake();
  }

  /** The call is over. */
  forget(): void {
    this.filter.notif?.notifications.delete(this.id);
    this.task.seccomp_knotif = null;
  }
}

/** The listener's side of a filter (struct notification); gone when its descriptor is closed. */
export class SeccompNotification {
  next_id: bigint;
  readonly notifications: Map<bigint, SeccompKnotif> = new Map();
  /** Reads that will find something: one for each notification, of calls that are gone meanwhile, too. */
  requests = 0;
  constructor(kernel: Kernel) {
    const seed = new Uint8Array(8);
    kernel.get_random_bytes(seed);
    this.next_id = new DataView(seed.buffer).getBigUint64(0, true);
  }
  static {
    serializable('SeccompNotification', this);
  }
}

/** Tells the listener of a call; null when the filter has none any more. */
export function seccomp_notify(
  task: Task,
  filter: SeccompFilter,
  data: Uint32Array,
): SeccompKnotif | null {
  const { notif } = filter;
  if (notif === null) return null;
  const knotif = new SeccompKnotif(notif.next_id, task, filter, data);
  notif.next_id = BigInt.asUintN(64, notif.next_id + 1n);
  notif.notifications.set(knotif.id, knotif);
  notif.requests++;
  filter.wqh.wake(EPOLLIN | EPOLLRDNORM);
  return knotif;
}

/** The descriptor of a listener. */
export class SeccompNotifyFile extends StreamFile {
  readonly filter: SeccompFilter;
  constructor(current: Current, filter: SeccompFilter) {
    super(current, anon_inode_path(current.kernel, 'seccomp notify'), O_RDWR);
    this.filter = filter;
    filter.notif = new SeccompNotification(current.kernel);
  }
  static {
    serializable('SeccompNotifyFile', this);
  }

  /** Who waits for an answer gets none (seccomp_notify_detach). */
  override release(): void {
    const { notif } = this.filter;
    if (notif === null) return;
    for (const knotif of notif.notifications.values())
      if (knotif.state !== 'replied') knotif.reply(-E.ENOSYS, 0n, 0);
    this.filter.notif = null;
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.filter.wqh);
    let mask = 0;
    for (const { state } of this.filter.notif!.notifications.values()) {
      if (state === 'init') mask |= EPOLLIN | EPOLLRDNORM;
      if (state === 'sent') mask |= EPOLLOUT | EPOLLWRNORM;
    }
    return this.filter.users === 0 ? mask | EPOLLHUP : mask;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    switch (cmd >>> 0) {
      case SECCOMP_IOCTL_NOTIF_RECV:
        return this.recv(current, arg);
      case SECCOMP_IOCTL_NOTIF_SEND:
        return this.send(current, arg);
      case SECCOMP_IOCTL_NOTIF_ID_VALID:
      case SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR:
        if (this.find(current.mem.getBig(arg)).state !== 'sent')
          throw errno(E.ENOENT, 'seccomp: notification {} was not read, or is answered', current.mem.getBig(arg)); // prettier-ignore
        return 0;
      case SECCOMP_IOCTL_NOTIF_SET_FLAGS:
        if (arg !== 0 && arg !== SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
          throw errno(E.EINVAL, 'seccomp: flags {} of a listener are unknown', arg);
        // Whoever is woken runs on one host thread with its waker in any case.
        return 0;
    }
    if ((cmd & EA_MASK) === EA_NOTIF_ADDFD) return this.addfd(current, arg, (cmd >>> 16) & 0x3fff);
    throw errno(E.EINVAL, 'seccomp: a listener has no ioctl 0x{}', (cmd >>> 0).toString(16));
  }

  private find(id: bigint): SeccompKnotif {
    const knotif = this.filter.notif!.notifications.get(id);
    if (knotif !== undefined) return knotif;
    throw errno(E.ENOENT, 'seccomp: no call waits for an answer to notification {}', id);
  }

  private recv(current: Current, buf: number): number {
    const notif = this.filter.notif!;
    if (current.mem.read(buf, NOTIF_SIZE).some((byte) => byte !== 0))
      throw errno(E.EINVAL, 'seccomp: the buffer for a notification is not zeroed');
    if (notif.requests > 0) notif.requests--;
    else if (this.filter.users > 0) return current.wait(this.filter.wqh);
    for (const knotif of notif.notifications.values()) {
      if (knotif.state !== 'init') continue;
      const view = new DataView(new ArrayBuffer(NOTIF_SIZE));
      view.setBigUint64(0, knotif.id, true);
      view.setUint32(8, knotif.task.pid, true);
      new Uint8Array(view.buffer).set(new Uint8Array(knotif.data.buffer), NOTIF_DATA);
      try {
        current.mem.write(buf, new Uint8Array(view.buffer));
      } catch (error) {
        notif.requests++;
        throw error;
      }
      knotif.state = 'sent';
      this.filter.wqh.wake(EPOLLOUT | EPOLLWRNORM);
      return 0;
    }
    throw errno(E.ENOENT, 'seccomp: nobody waits for an answer any more');
  }

  private send(current: Current, buf: number): number {
    const resp = new DataView(current.mem.read(buf, 24).slice().buffer);
    const val = resp.getBigInt64(8, true);
    const error = resp.getInt32(16, true);
    const flags = resp.getUint32(20, true);
    const goOn = SC.SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (flags & ~goOn) throw errno(E.EINVAL, 'seccomp: flags {} of an answer are unknown', flags);
    if (flags & goOn && (error !== 0 || val !== 0n))
      throw errno(E.EINVAL, 'seccomp: a call that is made has no answer, but {} and {} were given', error, val); // prettier-ignore
    const knotif = this.find(resp.getBigUint64(0, true));
    if (knotif.state !== 'sent')
      throw errno(E.EINPROGRESS, 'seccomp: notification {} is {}, one reply follows its reading', knotif.id, knotif.state); // prettier-ignore
    knotif.reply(error, val, flags);
    return 0;
  }

  /**
   * Opens a file of the listener's in the process that waits (seccomp_notify_addfd). Linux has that process do it; its
   * limit and table count here, too.
   */
  private addfd(current: Current, arg: number, size: number): number {
    if (size < ADDFD_SIZE || size >= 4096)
      throw errno(E.EINVAL, 'seccomp: a struct seccomp_notif_addfd has {} bytes, not {}', ADDFD_SIZE, size); // prettier-ignore
    const req = copy_struct_from_user(current.mem, 'struct seccomp_notif_addfd', arg, size, ADDFD_SIZE, ADDFD_SIZE); // prettier-ignore
    const flags = req.getUint32(8, true);
    const newfd = req.getUint32(16, true);
    const newfdFlags = req.getUint32(20, true);
    const setfd = (flags & SC.SECCOMP_ADDFD_FLAG_SETFD) !== 0;
    const send = (flags & SC.SECCOMP_ADDFD_FLAG_SEND) !== 0;
    if (newfdFlags & ~O_CLOEXEC) throw errno(E.EINVAL, 'seccomp: a new descriptor has only the flag O_CLOEXEC, not {}', newfdFlags); // prettier-ignore
    if (flags & ~(SC.SECCOMP_ADDFD_FLAG_SETFD | SC.SECCOMP_ADDFD_FLAG_SEND))
      throw errno(E.EINVAL, 'seccomp: flags {} of a new descriptor are unknown', flags);
    if (newfd !== 0 && !setfd)
      throw errno(E.EINVAL, 'seccomp: descriptor {} needs SECCOMP_ADDFD_FLAG_SETFD', newfd);
    const file = fget(current, req.getUint32(12, true) | 0);
    const knotif = this.find(req.getBigUint64(0, true));
    if (knotif.state !== 'sent')
      throw errno(E.EINPROGRESS, 'seccomp: notification {} is {}: it takes descriptors between reading and reply', knotif.id, knotif.state); // prettier-ignore
    const { task } = knotif;
    const fd = setfd ? allowedFd(task, newfd) : get_unused_fd(task);
    expand_files(task.kernel, task.files, fd);
    const old = setfd ? task.files.remove(fd) : null;
    task.files.install(fd, file.get(), newfdFlags !== 0);
    if (old !== null) filp_close(task, old, task.files);
    if (send) {
      knotif.reply(0, BigInt(fd), 0);
      // The process, which on Linux takes the descriptor itself, has seen the reply by now.
      this.filter.notif!.notifications.delete(knotif.id);
    }
    return fd;
  }
}

/** Throws EBADF for a number that the process may not have (replace_fd). */
function allowedFd(task: Task, fd: number): number {
  const limit = task.rlimit(RLIMIT_NOFILE);
  if (fd < limit) return fd;
  throw errno(E.EBADF, 'seccomp: descriptor {} is not below RLIMIT_NOFILE ({}) of process {}', fd, limit, task.tgid); // prettier-ignore
}
