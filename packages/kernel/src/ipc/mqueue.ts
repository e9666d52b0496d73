import * as E from '@vitrine/uapi/errno.ts';
import { CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import { RLIMIT_MSGQUEUE } from '@vitrine/uapi/resource.ts';
import { SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SI_MESGQ } from '@vitrine/uapi/signal.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import { bytesOf } from '../fs/bytes.ts';
import { Dentry, Path } from '../fs/dcache.ts';
import { File } from '../fs/file.ts';
import type { Iattr } from '../fs/attr.ts';
import {
  Inode,
  S_ISREG,
  drop_nlink,
  file_update_time,
  inode_init_owner,
  setattr_copy,
} from '../fs/inode.ts';
import { type Mount, kern_mount } from '../fs/mount.ts';
import { DcacheDirFile } from '../fs/readdir.ts';
import { FileSystemType, SuperBlock } from '../fs/super.ts';
import { send_signal } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import type { NetlinkSock } from '../net/netlink/af_netlink.ts';
import { type UserStruct, get_user } from '../include/user.ts';

/** POSIX message queues: a file system of queues, and what they do (analogous to ipc/mqueue.c; mq_overview(7)). */

const MQUEUE_MAGIC = 0x1980_0202;
export const MQ_PRIO_MAX = 32768;
const HARD_MSGMAX = 65536;
const HARD_MSGSIZEMAX = 16 * 1024 * 1024;
/** What a message takes besides its bytes, for RLIMIT_MSGQUEUE: struct msg_msg and struct posix_msg_tree_node. */
const MSG_OVERHEAD = 48;
const NODE_OVERHEAD = 48;
/** A queue takes this much room in its directory. */
const DIRENT_SIZE = 20;

/** struct mq_attr as far as it is set once. */
export interface MqAttr {
  readonly maxmsg: number;
  readonly msgsize: number;
}

export interface Message {
  readonly priority: number;
  readonly data: Uint8Array;
}

/** What a waiting caller keeps (analogous to `struct ext_wait_queue`), beside the deadline of a call that has one. */
interface MqWait {
  /** As the scheduler sees it when the wait begins: the most urgent are served first, then who waits longest. */
  readonly prio: number;
  /** What a sender brings, or what a receiver was handed over. */
  message: Message | null;
  /** Somebody else has finished the call. */
  done: boolean;
}

/** What a call that goes on after its wait keeps. */
const waited = (task: Task): MqWait | null => {
  const state = task.callState as Partial<MqWait> | null;
  return state?.done === undefined ? null : (state as MqWait);
};

/** The message that a sender waits with, read when its call began. */
export const brought = (task: Task): Message | null => waited(task)?.message ?? null;

/** What a receiver was handed, or a sender is rid of: whatever has become of its descriptor, the call is over. */
export function finished(task: Task): Message | null {
  const wait = waited(task);
  return wait?.done ? wait.message : null;
}

/** Whoever is to be served first of those that wait (wq_get_first_waiter). */
function first_waiter(queue: WaitQueue): { task: Task; wait: MqWait } | null {
  let first: { task: Task; wait: MqWait } | null = null;
  for (const waiter of queue.waiters ?? []) {
    const task = waiter as Task;
    const wait = waited(task)!;
    if (first === null || wait.prio < first.wait.prio) first = { task, wait };
  }
  return first;
}

/** Who is told of the next message in an empty queue (mq_notify). */
interface Notify {
  readonly owner: Task;
  /** SIGEV_NONE, SIGEV_SIGNAL or SIGEV_THREAD. */
  readonly how: number;
  readonly signo: number;
  readonly value: bigint;
  /** SIGEV_THREAD: where the C library's helper thread waits, and the bytes that tell it what to run. */
  readonly thread?: { readonly sock: NetlinkSock; readonly cookie: Uint8Array };
}

/** Length of a cookie; its last byte tells what happened (include/linux/mqueue.h). */
export const NOTIFY_COOKIE_LEN = 32;
const NOTIFY_WOKENUP = 1;
const NOTIFY_REMOVED = 2;

function send_cookie({ thread }: Notify, what: number): void {
  if (thread === undefined || thread.sock.dead) return;
  const data = thread.cookie.slice();
  data[NOTIFY_COOKIE_LEN - 1] = what;
  thread.sock.netlink_sendskb(data);
}

declare module '../fs/vfs.ts' {
  interface Vfs {
    mqueue?: Mount;
  }
}

/** A queue (analogous to `struct mqueue_inode_info`). */
export class MqueueInode extends Inode {
  declare readonly sb: MqueueSuperBlock;
  readonly attr: MqAttr;
  /** The most urgent first, in order of arrival among equals. */
  readonly messages: Message[] = [];
  bytes = 0;
  notify: Notify | null = null;
  readonly receivers: WaitQueue = new WaitQueue();
  readonly senders: WaitQueue = new WaitQueue();
  /** Those that poll: what goes from hand to hand is no news to them. */
  readonly wait_q: WaitQueue = new WaitQueue();
  private readonly user: UserStruct;

  constructor(sb: SuperBlock, mode: number, attr: MqAttr, user: UserStruct) {
    super(sb, sb.nextIno++, mode);
    this.attr = attr;
    this.user = user;
    this.size = 80; // FILENT_SIZE: the line that reading it gives
  }

  static {
    serializable('MqueueInode', this);
  }

  get full(): boolean {
    return this.messages.length >= this.attr.maxmsg;
  }

  override open(current: Current, path: Path, flags: number): File {
    return new MqueueFile(current, path, flags);
  }
  /** The size is what was set last, and tells nothing (simple_setattr). */
  override setattr(_current: Current, attr: Iattr): void {
    if (attr.size !== undefined) this.size = Number(attr.size);
    delete attr.size;
    setattr_copy(this, attr);
  }

  override evict(): void {
    this.user.mq_bytes -= mq_bytes(this.attr);
    this.sb.queues--;
    super.evict();
  }

  insert(message: Message): void {
    const at = this.messages.findIndex((other) => other.priority < message.priority);
    this.messages.splice(at < 0 ? this.messages.length : at, 0, message);
    this.bytes += message.data.length;
  }

  /** A process that is to be told does not want it any more, or is gone (remove_notification). */
  forget(tgid: number): void {
    const { notify } = this;
    if (notify?.owner.tgid !== tgid) return;
    this.notify = null;
    send_cookie(notify, NOTIFY_REMOVED);
  }

  /** A message came into the empty queue, and nobody waits for it: tells who asked to know, once (__do_notify). */
  tell(sender: Task): void {
    const { notify } = this;
    if (notify === null) return;
    this.notify = null;
    if (notify.how === SIGEV_NONE) return;
    if (notify.how === SIGEV_THREAD) return send_cookie(notify, NOTIFY_WOKENUP);
    // mq_notify takes signal 0, which is none.
    if (notify.signo === 0) return;
    const info = {
      signo: notify.signo,
      code: SI_MESGQ,
      errno: 0,
      pid: sender.tgid,
      uid: sender.cred.uid,
      value: notify.value,
      reason: `a message came into a queue that process ${notify.owner.tgid} watches (mq_notify)`,
    };
    send_signal(notify.owner, info, true, true);
  }
}

/** Bytes that a queue of these limits counts for. */
const mq_bytes = ({ maxmsg, msgsize }: MqAttr): number =>
  maxmsg * msgsize + maxmsg * MSG_OVERHEAD + Math.min(maxmsg, MQ_PRIO_MAX) * NODE_OVERHEAD;

/** The directory of all queues. */
export class MqueueRootInode extends Inode {
  declare readonly sb: MqueueSuperBlock;
  /** What the queue that is about to be made is told by mq_open. */
  wanted: MqAttr | null = null;

  static {
    serializable('MqueueRootInode', this);
  }

  override open(current: Current, path: Path, flags: number): File {
    return new DcacheDirFile(current, path, flags);
  }

  override mknod(current: Current, dir: Dentry, name: string, mode: number): Inode {
    if (!S_ISREG(mode))
      throw errno(E.EPERM, 'in {} there are queues only, made as regular files ({})', dir, name);
    const { sb } = this;
    const attr = this.wanted ?? sb.defaults();
    if (sb.queues >= sb.queues_max && !capable(current.cred, CAP_SYS_RESOURCE)) throw errno(E.ENOSPC, 'there are {} queues, fs.mqueue.queues_max allows {}', sb.queues, sb.queues_max); // prettier-ignore
    check_attr(current, sb, attr);
    const user = get_user(current.kernel, current.cred.uid);
    const bytes = mq_bytes(attr);
    const limit = current.rlimit(RLIMIT_MSGQUEUE);
    if (user.mq_bytes + bytes > limit) throw errno(E.EMFILE, 'the queues of user {} would take {} bytes, RLIMIT_MSGQUEUE allows {}', user.uid, user.mq_bytes + bytes, limit); // prettier-ignore
    const inode = new MqueueInode(sb, mode, attr, user);
    inode_init_owner(current, inode, this);
    user.mq_bytes += bytes;
    sb.queues++;
    this.size += DIRENT_SIZE;
    file_update_time(this);
    return inode;
  }

  override unlink(_current: Current, dentry: Dentry): void {
    this.size -= DIRENT_SIZE;
    file_update_time(this);
    drop_nlink(dentry.inode);
  }
}

/** Throws EINVAL for limits that no queue, or none of this caller's, may have (mq_attr_ok). */
export function check_attr(
  current: Current,
  sb: MqueueSuperBlock,
  { maxmsg, msgsize }: MqAttr,
): void {
  const free = capable(current.cred, CAP_SYS_RESOURCE);
  const most = free ? HARD_MSGMAX : sb.msg_max;
  const longest = free ? HARD_MSGSIZEMAX : sb.msgsize_max;
  if (maxmsg <= 0 || msgsize <= 0 || maxmsg > most || msgsize > longest) throw errno(E.EINVAL, 'a queue of {} messages of {} bytes is not possible: at most {} of {}', maxmsg, msgsize, most, longest); // prettier-ignore
}

export class MqueueSuperBlock extends SuperBlock {
  queues = 0;
  /** Limits that /proc/sys/fs/mqueue sets. */
  queues_max = 256;
  msg_max = 10;
  msgsize_max = 8192;
  msg_default = 10;
  msgsize_default = 8192;

  constructor(kernel: Kernel, type: FileSystemType) {
    super(kernel, type, MQUEUE_MAGIC);
    const root = new MqueueRootInode(this, this.nextIno++, 0o41777);
    root.nlink = 2;
    root.size = 2 * DIRENT_SIZE;
    this.root = new Dentry('/', null, root, this);
  }

  static {
    serializable('MqueueSuperBlock', this);
  }

  override get noexec(): boolean {
    return true;
  }

  defaults(): MqAttr {
    return {
      maxmsg: Math.min(this.msg_max, this.msg_default),
      msgsize: Math.min(this.msgsize_max, this.msgsize_default),
    };
  }
}

/** The machine's queues, wherever they are mounted: there is one such file system. */
export function mqueue_mount(kernel: Kernel): Mount {
  return (kernel.vfs.mqueue ??= kern_mount(new MqueueSuperBlock(kernel, kernel.vfs.fileSystems.get('mqueue')!).root)); // prettier-ignore
}

export class MqueueType extends FileSystemType {
  readonly name = 'mqueue';
  override readonly options: readonly string[] = [];
  override readonly userns = true;
  static {
    serializable('MqueueType', this);
  }
  mount(current: Current): SuperBlock {
    return mqueue_mount(current.kernel).sb;
  }
}

/** An open queue. Reading it tells its state; messages go by the calls of their own. */
export class MqueueFile extends File {
  static {
    serializable('MqueueFile', this);
  }

  override get splice_read(): boolean {
    return false;
  }

  get queue(): MqueueInode {
    return this.inode as MqueueInode;
  }

  override get pollable(): boolean {
    return true;
  }

  override read_iter(_current: Current, to: IovIter, pos: number): number {
    const { bytes, notify } = this.queue;
    const signal = notify?.how === SIGEV_SIGNAL ? notify.signo : 0;
    const text = bytesOf(
      `QSIZE:${String(bytes).padEnd(10)} NOTIFY:${String(notify?.how ?? 0).padEnd(5)} SIGNO:${String(signal).padEnd(5)} NOTIFY_PID:${String(notify?.owner.tgid ?? 0).padEnd(6)}\n`,
    );
    return pos >= text.length ? 0 : to.copyTo(text, pos, Math.min(to.count, text.length - pos));
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    const { queue } = this;
    collect?.push(queue.wait_q);
    return (
      (queue.messages.length > 0 ? EPOLLIN | EPOLLRDNORM : 0) |
      (queue.full ? 0 : EPOLLOUT | EPOLLWRNORM)
    );
  }

  /** The process that wanted to be told closes the queue: it is told no more. */
  override flush(current: Current): void {
    this.queue.forget(current.tgid);
  }

  /** @returns 0, or BLOCKED while the queue is full. */
  send(current: Task, message: Message, deadline: number): number {
    const { queue } = this;
    if (queue.full) return this.wait(current, queue.senders, message, deadline, 'full');
    const receiver = first_waiter(queue.receivers);
    if (receiver !== null) finish(receiver, message);
    else {
      queue.insert(message);
      if (queue.messages.length === 1) queue.tell(current);
      queue.wait_q.wake(EPOLLIN | EPOLLRDNORM);
    }
    file_update_time(queue);
    return 0;
  }

  /** @returns the most urgent message, or BLOCKED while there is none. */
  receive(current: Task, deadline: number): Message | typeof BLOCKED {
    const { queue } = this;
    const message = queue.messages.shift();
    if (message === undefined) return this.wait(current, queue.receivers, null, deadline, 'empty');
    queue.bytes -= message.data.length;
    file_update_time(queue);
    const sender = first_waiter(queue.senders);
    if (sender === null) queue.wait_q.wake(EPOLLOUT | EPOLLWRNORM);
    else {
      queue.insert(sender.wait.message!);
      finish(sender, sender.wait.message!);
    }
    return message;
  }

  private wait(
    current: Task,
    on: WaitQueue,
    message: Message | null,
    deadline: number,
    state: string,
  ): number {
    if (this.flags & O_NONBLOCK)
      throw errno(E.EAGAIN, '{} is {} and O_NONBLOCK is set', this.path, state);
    if (current.kernel.clock.now() >= deadline) throw errno(E.ETIMEDOUT, '{} stayed {} until the timeout', this.path, state); // prettier-ignore
    const { prio } = waited(current) ?? current;
    current.callState = { ...(current.callState as object | null), prio, message, done: false } satisfies MqWait; // prettier-ignore
    return current.waitAny([on], deadline);
  }
}

/** Ends the call of a caller that waits. */
function finish({ task, wait }: { task: Task; wait: MqWait }, message: Message): void {
  wait.message = message;
  wait.done = true;
  task.woken();
}
