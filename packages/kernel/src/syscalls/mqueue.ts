import * as E from '@vitrine/uapi/errno.ts';
import { O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '@vitrine/uapi/fcntl.ts'; // prettier-ignore
import { SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD } from '@vitrine/uapi/signal.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import { BLOCKED, errno } from '../include/errno.ts';
import { wall_deadline } from '../include/time.ts';
import { type Dentry, Path } from '../fs/dcache.ts';
import { fd_install, fget, get_unused_fd } from '../fs/fdtable.ts';
import { FMODE_READ, FMODE_WRITE } from '../fs/file.ts';
import { MAY_READ, MAY_WRITE } from '../fs/inode.ts';
import { getname } from '../fs/namei.ts';
import { vfs_unlink } from '../fs/namei_ops.ts';
import { vfs_create, vfs_open } from '../fs/open.ts';
import { inode_permission } from '../fs/permission.ts';
import { MQ_PRIO_MAX, type Message, type MqAttr, NOTIFY_COOKIE_LEN, MqueueFile, type MqueueRootInode, brought, finished, mqueue_mount } from '../ipc/mqueue.ts'; // prettier-ignore
import { type NetlinkSock, netlink_getsockbyfd } from '../net/netlink/af_netlink.ts';
import { valid_signal } from '../kernel/signal.ts';
import type { Task } from '../kernel/task.ts';
import {
  flags,
  inBuf,
  inStruct,
  int,
  mode,
  mqd,
  outBuf,
  outStruct,
  size,
  str,
  uint,
} from './kinds.ts';
import { FULL, type SyscallRow, row } from './row.ts';
import { timespecNs } from './timespec.ts';

/** POSIX message queues (mq_overview(7)). The C library takes the leading slash off a name. */

const root = (task: Task): Path => {
  const mnt = mqueue_mount(task.kernel);
  return new Path(mnt, mnt.root);
};

function queueName(task: Task, address: number): string {
  const name = getname(task, address);
  if (name === '') throw errno(E.ENOENT, 'a queue name is not empty');
  if (name.length > 255) throw errno(E.ENAMETOOLONG, 'a queue name has at most 255 bytes, not {}', name.length); // prettier-ignore
  if (name.includes('/') || name === '.' || name === '..') throw errno(E.EACCES, 'a queue name has one slash, at its start: {}', name); // prettier-ignore
  return name;
}

const child = (dir: Path, name: string): Dentry | null => dir.dentry.children?.get(name) ?? null;

function sys_mq_open(task: Task, name: number, oflag: number, perm: number, attr: number): number {
  let wanted: MqAttr | null = null;
  if (attr !== 0)
    wanted = { maxmsg: task.mem.getI64(attr + 8), msgsize: task.mem.getI64(attr + 16) };
  const text = queueName(task, name);
  get_unused_fd(task);
  const dir = root(task);
  let found = child(dir, text);
  if (found !== null) {
    if ((oflag & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) throw errno(E.EEXIST, 'mq_open: the queue {} exists', text); // prettier-ignore
    if ((oflag & O_ACCMODE) === O_ACCMODE) throw errno(E.EINVAL, 'mq_open: flags {} name no way of access', oflag); // prettier-ignore
    const access = oflag & O_ACCMODE;
    const mask = (access === O_WRONLY ? 0 : MAY_READ) | (access === O_RDONLY ? 0 : MAY_WRITE);
    inode_permission(task, found.inode, mask, found);
  } else {
    if ((oflag & O_CREAT) === 0) throw errno(E.ENOENT, 'mq_open: there is no queue {}', text);
    const parent = dir.dentry.inode as MqueueRootInode;
    parent.wanted = wanted;
    try {
      vfs_create(task, dir, text, perm & ~task.fs.umask & 0o777);
    } finally {
      parent.wanted = null;
    }
    found = child(dir, text)!;
  }
  const file = vfs_open(task, new Path(dir.mnt, found), oflag & (O_ACCMODE | O_NONBLOCK | O_RDWR));
  return fd_install(task, file, true); // whatever the flags say
}

function sys_mq_unlink(task: Task, name: number): number {
  const text = queueName(task, name);
  const dir = root(task);
  const victim = child(dir, text);
  if (victim === null) throw errno(E.ENOENT, 'mq_unlink: there is no queue {}', text);
  vfs_unlink(task, dir, victim);
  return 0;
}

function queueOf(task: Task, fd: number, mask: number): MqueueFile {
  const file = fget(task, fd);
  if (!(file instanceof MqueueFile))
    throw errno(E.EBADF, 'fd {} ({}) is no message queue', fd, file.path);
  if ((file.mode & mask) !== mask) throw errno(E.EBADF, 'fd {} is not open for {}', fd, mask === FMODE_READ ? 'receiving' : 'sending'); // prettier-ignore
  return file;
}

/** An absolute time on CLOCK_REALTIME as a deadline; read once a call. */
function deadlineOf(task: Task, timeout: number, call: string): number {
  if (timeout === 0) return Infinity;
  if (task.callState === null) {
    timespecNs(task, timeout, call);
    const wall = task.mem.getBig(timeout) * 1_000_000_000n + task.mem.getBig(timeout + 8);
    task.callState = { deadline: wall_deadline(task.kernel, wall), wall };
  }
  return (task.callState as { deadline: number }).deadline;
}

function sys_mq_timedsend(
  task: Task,
  fd: number,
  buffer: number,
  length: number,
  priority: number,
  timeout: number,
): number {
  if (finished(task) !== null) return 0;
  const deadline = deadlineOf(task, timeout, 'mq_timedsend');
  if (priority >= MQ_PRIO_MAX) throw errno(E.EINVAL, 'mq_send: priority {} is not below {}', priority, MQ_PRIO_MAX); // prettier-ignore
  const file = queueOf(task, fd, FMODE_WRITE);
  const most = file.queue.attr.msgsize;
  if (length > most) throw errno(E.EMSGSIZE, 'mq_send: {} bytes are more than {} takes ({})', length, file.path, most); // prettier-ignore
  const message = brought(task) ?? { priority, data: task.mem.read(buffer, length) };
  return file.send(task, message, deadline);
}

function receive(task: Task, fd: number, length: number, timeout: number): Message | number {
  const deadline = deadlineOf(task, timeout, 'mq_timedreceive');
  const file = queueOf(task, fd, FMODE_READ);
  const most = file.queue.attr.msgsize;
  if (length < most) throw errno(E.EMSGSIZE, 'mq_receive: a buffer of {} bytes is smaller than a message of {} ({})', length, file.path, most); // prettier-ignore
  return file.receive(task, deadline);
}

function sys_mq_timedreceive(
  task: Task,
  fd: number,
  buffer: number,
  length: number,
  priority: number,
  timeout: number,
): number {
  const message = finished(task) ?? receive(task, fd, length, timeout);
  if (typeof message === 'number') return BLOCKED;
  if (priority !== 0) task.mem.putU32(priority, message.priority);
  task.mem.write(buffer, message.data);
  return message.data.length;
}

function sys_mq_notify(task: Task, fd: number, event: number): number {
  const { mem } = task;
  if (event === 0) {
    queueOf(task, fd, 0).queue.forget(task.tgid);
    return 0;
  }
  const how = mem.getI32(event + 12);
  const signo = mem.getI32(event + 8);
  if (how !== SIGEV_NONE && how !== SIGEV_SIGNAL && how !== SIGEV_THREAD) throw errno(E.EINVAL, 'mq_notify: notification {} is none of SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD', how); // prettier-ignore
  if (how === SIGEV_SIGNAL && !valid_signal(signo)) throw errno(E.EINVAL, 'mq_notify: there is no signal {}', signo); // prettier-ignore
  let thread: { sock: NetlinkSock; cookie: Uint8Array } | undefined;
  if (how === SIGEV_THREAD) {
    const cookie = mem.read(mem.getU64(event), NOTIFY_COOKIE_LEN);
    const sock = netlink_getsockbyfd(task, signo);
    if (sock.full) return task.wait(sock.peer_wait);
    thread = { sock, cookie };
  }
  const { queue } = queueOf(task, fd, 0);
  if (queue.notify !== null) throw errno(E.EBUSY, 'mq_notify: process {} is to be told already', queue.notify.owner.tgid); // prettier-ignore
  queue.notify = { owner: task.group_leader, how, signo, value: mem.getBig(event), ...(thread && { thread }) }; // prettier-ignore
  return 0;
}

function sys_mq_getsetattr(task: Task, fd: number, next: number, old: number): number {
  let set = -1;
  if (next !== 0) {
    set = task.mem.getI64(next);
    if (set !== 0 && set !== O_NONBLOCK) throw errno(E.EINVAL, 'mq_setattr: flags {} are not O_NONBLOCK', set); // prettier-ignore
  }
  const file = queueOf(task, fd, 0);
  const { attr, messages } = file.queue;
  if (old !== 0) {
    const fields = [
      file.flags & O_NONBLOCK,
      attr.maxmsg,
      attr.msgsize,
      messages.length,
      0,
      0,
      0,
      0,
    ];
    fields.forEach((value, i) => task.mem.putU64(old + i * 8, value));
  }
  if (set >= 0) file.flags = (file.flags & ~O_NONBLOCK) | set;
  return 0;
}

export const MQUEUE: readonly SyscallRow[] = [
  row(NR.__NR_mq_open, 'mq_open', [str, flags('open'), mode, inStruct('mq_attr')], FULL, sys_mq_open), // prettier-ignore
  row(NR.__NR_mq_unlink, 'mq_unlink', [str], FULL, sys_mq_unlink),
  row(NR.__NR_mq_timedsend, 'mq_timedsend', [mqd, inBuf(2), size, uint, inStruct('timespec')], FULL, sys_mq_timedsend), // prettier-ignore
  row(NR.__NR_mq_timedreceive, 'mq_timedreceive', [mqd, outBuf(), size, outStruct('int'), inStruct('timespec')], FULL, sys_mq_timedreceive), // prettier-ignore
  row(NR.__NR_mq_notify, 'mq_notify', [int, inStruct('sigevent')], FULL, sys_mq_notify), // prettier-ignore
  row(NR.__NR_mq_getsetattr, 'mq_getsetattr', [int, inStruct('mq_attr'), outStruct('mq_attr')], FULL, sys_mq_getsetattr), // prettier-ignore
];
