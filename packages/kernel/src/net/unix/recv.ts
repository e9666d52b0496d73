import { EFAULT } from '@vitrine/uapi/errno.ts';
import {
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  SOCK_SEQPACKET,
} from '@vitrine/uapi/net.ts';
import { EPOLLOUT, EPOLLWRBAND, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { BLOCKED, Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { File } from '../../fs/file.ts';
import { free_fds } from '../scm.ts';
import { RCV_SHUTDOWN, type Received, type Ucred } from '../sock.ts';
import { sockaddr_un } from './address.ts';
import type { Skb, UnixSock } from './af_unix.ts';
import { manage_oob } from './oob.ts';

/** Receiving on Unix-domain sockets (unix_stream_read_generic, __unix_dgram_recvmsg). */
function nothing(sock: UnixSock, current: Current, flags: number, done: number): Received | number {
  if (done === 0 && sock.err !== 0) {
    const code = sock.takeError();
    throw errno(code, 'the other end of {} was closed with messages it had not read', sock);
  }
  if (sock.shutdownMask & RCV_SHUTDOWN || done > 0)
    return { n: done, name: null, ancillary: null, flags: 0 };
  return sock.waitFor(
    current,
    sock.wq,
    (flags & MSG_DONTWAIT) !== 0,
    sock.rcvtimeo,
    0,
    'nothing has come',
  );
}

/** Of no message at all: the end of a stream. */
const NO_CRED: Ucred = { pid: 0, uid: 0, gid: 0, process: null };

/** What a read of a stream has come to before it waits. */
interface Progress {
  done: number;
  /** Of the first message: bytes of different writers are not put together for a reader with SO_PASSCRED. */
  cred: Ucred | null;
  /** What the sender of the first message is called. */
  name: string | null;
}

/**
 * Reads a stream (unix_stream_read_generic): message after message, until the call has all it asked for, or what comes
 * next is a mark, another writer's, or nothing and it is content.
 */
export function recvStream(
  sock: UnixSock,
  current: Current,
  to: IovIter,
  flags: number,
): Received | number {
  const before = current.callState as Progress | null;
  const progress: Progress = {
    done: before?.done ?? 0,
    cred: before?.cred ?? null,
    name: before?.name ?? null,
  };
  if (progress.done > 0) to.skip(progress.done);
  const target = flags & MSG_WAITALL ? to.count + progress.done : Math.min(sock.rcvlowat, to.count);
  const fds = flags & MSG_PEEK ? peek(sock, to, progress) : take(sock, to, progress);
  const { done, cred } = progress;
  const name = progress.name === null ? null : sockaddr_un(progress.name);
  const result = { n: done, name, ancillary: { fds: fds ?? [], cred: cred ?? NO_CRED }, flags: 0 };
  if (fds !== null || done >= Math.max(1, target)) return result;
  if (sock.err !== 0) {
    const code = sock.takeError();
    if (done > 0) return result;
    throw errno(code, 'the other end of {} was closed with messages it had not read', sock);
  }
  if (sock.shutdownMask & RCV_SHUTDOWN) return result;
  const nonblock = (flags & MSG_DONTWAIT) !== 0;
  const waits = sock.waitFor(current, sock.wq, nonblock, sock.rcvtimeo, done, 'nothing has come');
  if (waits !== BLOCKED) return result;
  sock.wait_data(current);
  (current.callState as Progress).cred = cred;
  (current.callState as Progress).name = progress.name;
  return waits;
}

/** @returns descriptors, or none, where the call ends; null where it goes on if it wants more */
function take(sock: UnixSock, to: IovIter, progress: Progress): readonly File[] | null {
  do {
    const head = sock.queue[0];
    const skb = manage_oob(sock, head, false, progress.done > 0);
    if (skb === undefined) return head !== undefined && progress.done > 0 ? [] : null;
    if (otherWriter(sock, skb, progress)) return [];
    const n = copy(skb, skb.offset, to, progress);
    if (n < 0) return [];
    skb.offset += n;
    sock.peek_offset(-n);
    const fds = sock.landed(skb);
    if (skb.offset < skb.data.length) return fds;
    sock.unlink(skb);
    sock.kernel.vfs.unix.recycle(skb.data);
    if (fds.length > 0) return fds;
  } while (to.count > 0);
  return [];
}

/** The same without taking anything away. */
function peek(sock: UnixSock, to: IovIter, progress: Progress): readonly File[] | null {
  let skip = Math.max(0, sock.peek_off);
  let at = 0;
  do {
    const skb = manage_oob(sock, sock.queue[at], true, progress.done > 0);
    if (skb === undefined) return progress.done > 0 ? [] : null;
    at = sock.queue.indexOf(skb) + 1;
    const length = skb.data.length - skb.offset;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    if (otherWriter(sock, skb, progress)) return [];
    const n = copy(skb, skb.offset + skip, to, progress);
    if (n < 0) return [];
    sock.peek_offset(n);
    skip = 0;
    if (skb.fds.length > 0) return skb.fds.map((file) => file.get());
  } while (to.count > 0);
  return [];
}

function otherWriter(sock: UnixSock, skb: Skb, progress: Progress): boolean {
  if (progress.cred !== null && sock.passcred && !sameCred(skb.cred, progress.cred)) return true;
  if (progress.cred === null) progress.name = skb.sender.name;
  progress.cred ??= skb.cred;
  return false;
}

/** @returns −1 when the caller's memory ended after some messages: this one stays whole */
function copy(skb: Skb, at: number, to: IovIter, progress: Progress): number {
  try {
    const n = copyAll(skb, at, to);
    progress.done += n;
    return n;
  } catch (error) {
    if (progress.done > 0 && error instanceof Errno) return -1;
    throw error;
  }
}

/** All that there is room for, or EFAULT (skb_copy_datagram_msg). */
function copyAll(skb: Skb, at: number, to: IovIter): number {
  const want = Math.min(skb.data.length - at, to.count);
  const n = to.copyTo(skb.data, at, want);
  if (n < want) throw errno(EFAULT, 'of {} bytes that came {} fit into mapped memory', want, n);
  return n;
}

/** Takes the first message. @returns its descriptors */
function shift(sock: UnixSock, skb: Skb): readonly File[] {
  sock.peek_offset(-skb.data.length);
  sock.queue.shift();
  const fds = sock.landed(skb);
  sock.consume(skb);
  sock.peer_wait.wake(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  return fds;
}

export function recvDatagram(
  sock: UnixSock,
  current: Current,
  to: IovIter,
  flags: number,
): Received | number {
  sock.throwError();
  const peeking = (flags & MSG_PEEK) !== 0;
  let skip = peeking ? Math.max(0, sock.peek_off) : 0;
  const skb = sock.queue.find((one) => {
    if (!peeking || sock.peek_off < 0) return true;
    if (skip < one.data.length || (skip === 0 && !one.peeked)) return true;
    skip -= one.data.length;
    return false;
  });
  if (skb === undefined) {
    const closed = (sock.shutdownMask & RCV_SHUTDOWN) !== 0;
    // The end of datagrams is told to those who would wait only.
    if (sock.type === SOCK_SEQPACKET || sock.err !== 0 || (closed && !(flags & MSG_DONTWAIT)))
      return nothing(sock, current, flags, 0);
    return sock.waitFor(
      current,
      sock.wq,
      (flags & MSG_DONTWAIT) !== 0,
      sock.rcvtimeo,
      0,
      'no message has come',
    );
  }
  const size = skb.data.length - skip;
  let n: number;
  try {
    n = copyAll(skb, skip, to);
  } catch (error) {
    // It is taken all the same, and lost.
    if (!peeking && error instanceof Errno && error.code === EFAULT)
      free_fds(sock.kernel, shift(sock, skb));
    throw error;
  }
  const truncated = n < size ? MSG_TRUNC : 0;
  const length = flags & MSG_TRUNC ? size : n;
  const name = skb.sender.name === null ? null : sockaddr_un(skb.sender.name);
  if (peeking) {
    skb.peeked = true;
    sock.peek_offset(n);
    return {
      n: length,
      name,
      ancillary: {
        fds: skb.fds.map((file) => file.get()),
        cred: skb.cred,
        tstamp: timeOf(sock, skb),
      },
      flags: truncated,
    };
  }
  const fds = shift(sock, skb);
  const ancillary = { fds, cred: skb.cred, tstamp: timeOf(sock, skb) };
  return { n: length, name, ancillary, flags: truncated };
}

/** When it was sent; what came before the receiver wanted to know is from now. */
const timeOf = (sock: UnixSock, skb: Skb): bigint | null =>
  sock.tstamp === null ? null : (skb.tstamp ?? sock.kernel.clock.realtimeNs());

function sameCred(a: Ucred, b: Ucred): boolean {
  return a.pid === b.pid && a.uid === b.uid && a.gid === b.gid;
}
