import { E2BIG, EAGAIN, EIDRM, EINVAL, ENOMEM, ENOMSG, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_SYS_RESOURCE } from '@vitrine/uapi/capability.ts';
import { MSG_COPY, MSG_EXCEPT, MSG_NOERROR } from '@vitrine/uapi/ipc.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { ERESTARTNOHAND, errno } from '../include/errno.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
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

/** A queue that may have been removed while the caller waited for it. */
function find(current: Current, id: number): MsgQueue {
  const waited = current.callState as { queue: MsgQueue } | null;
  if (waited !== null && waited.queue.removed)
    throw errno(EIDRM, '{} was removed while process {} waited', waited.queue, current.tgid);
  return ipc_ns(current.kernel).msg.find(id, 'message queue') as MsgQueue;
}

export function do_msgsnd(
  current: Current,
  id: number,
  type: number,
  data: Uint8Array,
  flags: number,
): number {
  if (type < 1) throw errno(EINVAL, 'message type {} is not positive', type);
  const queue = find(current, id);
  ipcperms(current, queue, 0o222);
  if (queue.cbytes + data.length > queue.qbytes || queue.messages.length + 1 > queue.qbytes) {
    if (flags & IPC_NOWAIT)
      throw errno(
        EAGAIN,
        '{} holds {} of {} bytes and IPC_NOWAIT is set',
        queue,
        queue.cbytes,
        queue.qbytes,
      );
    current.callState = { queue };
    return current.wait(queue.senders, ERESTARTNOHAND);
  }
  const ns = ipc_ns(current.kernel);
  const size = data.length + MSG_OVERHEAD;
  if (ns.msgBytes + size > current.kernel.frames.total * 1024) {
    throw errno(ENOMEM, 'message queues hold {} bytes, a quarter of memory', ns.msgBytes);
  }
  ns.msgBytes += size;
  queue.messages.push({ type, data });
  queue.cbytes += data.length;
  queue.lspid = current.tgid;
  queue.stime = seconds(current);
  queue.receivers.wake();
  return 0;
}

/** Which message a type selects (msgrcv(2)). */
function select(queue: MsgQueue, type: number, flags: number): number {
  const { messages } = queue;
  if (type === 0) return messages.length > 0 ? 0 : -1;
  if (type > 0)
    return messages.findIndex((m) => (flags & MSG_EXCEPT ? m.type !== type : m.type === type));
  let best = -1;
  messages.forEach((m, i) => {
    if (m.type <= -type && (best < 0 || m.type < messages[best]!.type)) best = i;
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
  const queue = find(current, id);
  ipcperms(current, queue, 0o444);
  // MSG_COPY: a message by its place in the queue, which stays there.
  const at = flags & MSG_COPY ? (type >= 0 && type < queue.messages.length ? type : -1) : select(queue, type, flags); // prettier-ignore
  if (at < 0) {
    if (flags & IPC_NOWAIT)
      throw errno(ENOMSG, '{} has no message of type {} and IPC_NOWAIT is set', queue, type);
    current.callState = { queue };
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
  const shown = message.data.length > size ? { type: message.type, data: message.data.subarray(0, size) } : message; // prettier-ignore
  if (flags & MSG_COPY) return shown;
  queue.messages.splice(at, 1);
  queue.cbytes -= message.data.length;
  ipc_ns(current.kernel).msgBytes -= message.data.length + MSG_OVERHEAD;
  queue.lrpid = current.tgid;
  queue.rtime = seconds(current);
  queue.senders.wake();
  return shown;
}

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
  queue.senders.wake();
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
