import { E2BIG, EAGAIN, EIDRM, EINVAL, ENOMEM, ENOMSG, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { MSG_COPY, MSG_EXCEPT, MSG_NOERROR } from '@vitrine/uapi/ipc.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { ERESTARTNOHAND, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import type { Task } from '../kernel/task.ts';
import { ipc_ns } from './ipc_ns.ts';
import {
  IPC_NOWAIT,
  IpcPerm,
  ipc_owner,
  ipc_update_perm,
  ipcperms,
  put_ipc_perm,
  seconds,
} from './util.ts';

/** What a message takes besides its bytes (struct msg_msg). */
const MSG_OVERHEAD = 48;

interface Message {
  readonly type: number;
  readonly data: Uint8Array;
}

/** A System V message queue (analogous to `struct msg_queue`). */
export class MsgQueue extends IpcPerm {
  readonly kind = 'message queue';
  messages: Message[] = [];
  cbytes = 0;
  qbytes: number;
  stime = 0;
  rtime = 0;
  ctime = 0;
  lspid = 0;
  lrpid = 0;
  readonly senders: WaitQueue = new WaitQueue();
  readonly receivers: WaitQueue = new WaitQueue();

  constructor(current: Current, key: number, mode: number) {
    super(current, key, mode);
    this.qbytes = ipc_ns(current.kernel).msg_ctlmnb;
    this.ctime = seconds(current);
  }

  static {
    serializable('MsgQueue', this);
  }
}

export function ksys_msgget(current: Current, key: number, flags: number): number {
  return ipc_ns(current.kernel).msg.get(current, key, flags, 'message queue', () => new MsgQueue(current, key, flags), () => {}); // prettier-ignore
}

/** What a waiting msgsnd keeps: the message was read when the call began. */
interface Sending {
  readonly queue: MsgQueue;
  readonly message: Message;
}

/** What a waiting msgrcv wants (analogous to `struct msg_receiver`), and what became of it. */
interface Receiving {
  readonly queue: MsgQueue;
  readonly type: number;
  readonly flags: number;
  /** Longest message that it takes. */
  readonly most: number;
  /** A message handed over by its sender. */
  message: Message | null;
  /** One that was too long for it came by. */
  toobig: boolean;
}

/** A queue that may have been removed while the caller waited for it. */
function find(current: Current, id: number): MsgQueue {
  const waited = current.callState as { queue: MsgQueue } | null;
  if (waited !== null && waited.queue.removed)
    throw errno(EIDRM, '{} was removed while process {} waited', waited.queue, current.tgid);
  return ipc_ns(current.kernel).msg.find(id, 'message queue') as MsgQueue;
}

const msg_fits_inqueue = (queue: MsgQueue, size: number): boolean =>
  queue.cbytes + size <= queue.qbytes && queue.messages.length + 1 <= queue.qbytes;

export function do_msgsnd(
  current: Current,
  id: number,
  type: number,
  data: Uint8Array,
  flags: number,
): number {
  if (type < 1) throw errno(EINVAL, 'message type {} is not positive', type);
  return msgsnd_retry(current, id, { type, data }, flags);
}

/** Sends the message, or waits for room. @returns 0 or BLOCKED */
function msgsnd_retry(current: Current, id: number, message: Message, flags: number): number {
  const queue = find(current, id);
  const { data } = message;
  if (current.callState !== null && current.signal_pending())
    throw errno(ERESTARTNOHAND, 'a signal ended the wait for room in {}', queue);
  ipcperms(current, queue, 0o222);
  if (!msg_fits_inqueue(queue, data.length)) {
    if (flags & IPC_NOWAIT)
      throw errno(
        EAGAIN,
        '{} holds {} of {} bytes and IPC_NOWAIT is set',
        queue,
        queue.cbytes,
        queue.qbytes,
      );
    current.callState = { queue, message } satisfies Sending;
    return current.wait(queue.senders, ERESTARTNOHAND);
  }
  if (!pipelined_send(current, queue, message)) {
    const ns = ipc_ns(current.kernel);
    const size = data.length + MSG_OVERHEAD;
    if (ns.msgBytes + size > current.kernel.frames.total * 1024) {
      throw errno(ENOMEM, 'message queues hold {} bytes, a quarter of memory', ns.msgBytes);
    }
    ns.msgBytes += size;
    queue.messages.push(message);
    queue.cbytes += data.length;
  }
  queue.lspid = current.tgid;
  queue.stime = seconds(current);
  return 0;
}

/** msgsnd goes on after its wait. */
export function msgsnd_again(current: Current, id: number, flags: number): number {
  return msgsnd_retry(current, id, (current.callState as Sending).message, flags);
}

/**
 * Hands a message to the one who waits longest for one like it; those that it is too long for fail.
 * @returns false: nobody takes it
 */
function pipelined_send(current: Current, queue: MsgQueue, message: Message): boolean {
  for (const waiter of [...(queue.receivers.waiters ?? [])]) {
    const task = waiter as Task;
    const receiving = task.callState as Receiving;
    if (!testmsg(message, receiving.type, receiving.flags)) continue;
    const fits = message.data.length <= receiving.most;
    if (fits) {
      receiving.message = message;
      queue.lrpid = task.pid;
      queue.rtime = seconds(current);
    } else receiving.toobig = true;
    task.woken();
    if (fits) return true;
  }
  return false;
}

/** Wakes the senders whose messages would fit, each by itself; the others go behind those that come to wait. */
function ss_wakeup(queue: MsgQueue): void {
  const { senders } = queue;
  for (const waiter of [...(senders.waiters ?? [])]) {
    const task = waiter as Task;
    senders.remove(task);
    if (msg_fits_inqueue(queue, (task.callState as Sending).message.data.length)) task.woken();
    else senders.add(task);
  }
}

/** Whether msgrcv's type and flags admit a message. */
function testmsg({ type }: Message, wanted: number, flags: number): boolean {
  if (wanted === 0) return true;
  if (wanted < 0) return type <= -wanted;
  return (type === wanted) !== ((flags & MSG_EXCEPT) !== 0);
}

/** Which message a type selects (msgrcv(2)). */
function find_msg({ messages }: MsgQueue, type: number, flags: number): number {
  if (type >= 0) return messages.findIndex((m) => testmsg(m, type, flags));
  let best = -1;
  messages.forEach((m, i) => {
    if (testmsg(m, type, flags) && (best < 0 || m.type < messages[best]!.type)) best = i;
  });
  return best;
}

/** @returns the message, or BLOCKED */
export function do_msgrcv(
  current: Current,
  id: number,
  size: number,
  type: number,
  flags: number,
): Message | number {
  if (flags & MSG_COPY && (flags & MSG_EXCEPT || !(flags & IPC_NOWAIT)))
    throw errno(EINVAL, 'MSG_COPY needs IPC_NOWAIT and excludes MSG_EXCEPT');
  const waited = current.callState as Receiving | null;
  if (waited !== null && waited.message !== null) return shorten(waited.message, size);
  if (waited !== null && waited.toobig)
    throw errno(
      E2BIG,
      'a message came that is longer than the buffer ({}), and MSG_NOERROR is not set',
      size,
    );
  const queue = find(current, id);
  if (waited !== null && current.signal_pending())
    throw errno(ERESTARTNOHAND, 'a signal ended the wait for a message in {}', queue);
  ipcperms(current, queue, 0o444);
  // MSG_COPY: a message by its place in the queue, which stays there.
  const at = flags & MSG_COPY ? (type >= 0 && type < queue.messages.length ? type : -1) : find_msg(queue, type, flags); // prettier-ignore
  if (at < 0) {
    if (flags & IPC_NOWAIT)
      throw errno(ENOMSG, '{} has no message of type {} and IPC_NOWAIT is set', queue, type);
    const most = flags & MSG_NOERROR ? Infinity : size;
    current.callState = { queue, type, flags, most, message: null, toobig: false } satisfies Receiving; // prettier-ignore
    return current.wait(queue.receivers, ERESTARTNOHAND);
  }
  const message = queue.messages[at]!;
  if (message.data.length > size && !(flags & MSG_NOERROR)) {
    throw errno(
      E2BIG,
      'the message has {} bytes, the buffer {}, and MSG_NOERROR is not set',
      message.data.length,
      size,
    );
  }
  // A copy is whole or none (copy_msg).
  if (message.data.length > size && flags & MSG_COPY)
    throw errno(
      EINVAL,
      'MSG_COPY: the message has {} bytes, the buffer {}',
      message.data.length,
      size,
    );
  if (flags & MSG_COPY) return message;
  queue.messages.splice(at, 1);
  queue.cbytes -= message.data.length;
  ipc_ns(current.kernel).msgBytes -= message.data.length + MSG_OVERHEAD;
  queue.lrpid = current.tgid;
  queue.rtime = seconds(current);
  ss_wakeup(queue);
  return shorten(message, size);
}

const shorten = ({ type, data }: Message, size: number): Message => ({
  type,
  data: data.length > size ? data.subarray(0, size) : data,
});

export function msg_remove(current: Current, queue: MsgQueue): void {
  ipc_owner(current, queue);
  ipc_ns(current.kernel).msg.remove(queue);
  ipc_ns(current.kernel).msgBytes -= queue.cbytes + queue.messages.length * MSG_OVERHEAD;
  queue.receivers.wake();
  queue.senders.wake();
}

export function msg_set(current: Current, queue: MsgQueue, at: number): void {
  ipc_owner(current, queue);
  const qbytes = current.mem.getU64(at + 88);
  const { msg_ctlmnb } = ipc_ns(current.kernel);
  if (qbytes > msg_ctlmnb && !capable(current.cred, CAP_SYS_RESOURCE)) {
    throw errno(
      EPERM,
      'msg_qbytes {} is above kernel.msgmnb ({}) and needs CAP_SYS_RESOURCE',
      qbytes,
      msg_ctlmnb,
    );
  }
  ipc_update_perm(current, queue, at);
  queue.qbytes = qbytes;
  queue.ctime = seconds(current);
  // The permissions may exclude who waits for a message; there may be more room.
  queue.receivers.wake();
  ss_wakeup(queue);
}

/** struct msqid64_ds. */
export function msqid_ds(queue: MsgQueue): Uint8Array {
  const view = new DataView(new ArrayBuffer(120));
  put_ipc_perm(view, queue);
  [
    queue.stime,
    queue.rtime,
    queue.ctime,
    queue.cbytes,
    queue.messages.length,
    queue.qbytes,
  ].forEach((v, i) => view.setBigUint64(48 + i * 8, BigInt(v), true));
  view.setInt32(96, queue.lspid, true);
  view.setInt32(100, queue.lrpid, true);
  return new Uint8Array(view.buffer);
}
