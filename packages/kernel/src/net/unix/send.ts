import {
  ECONNREFUSED,
  EFAULT,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
} from '@vitrine/uapi/errno.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, SOCK_DGRAM } from '@vitrine/uapi/net.ts';
import { EPOLLIN, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import { SIGPIPE } from '@vitrine/uapi/signal.ts';
import type { Current } from '../../include/current.ts';
import { BLOCKED, Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { sk_filter } from '../filter.ts';
import { type Ancillary, RCV_SHUTDOWN, SEND_SHUTDOWN } from '../sock.ts';
import { STREAM_CHUNK } from '../skbuff.ts';
import { type UnixName, find_other, parse_sockaddr_un } from './address.ts';
import type { UnixSock } from './af_unix.ts';
import { queue_oob } from './oob.ts';

/** Sending on Unix-domain sockets (unix_stream_sendmsg, unix_dgram_sendmsg). */
function brokenPipe(sock: UnixSock, current: Current, flags: number, done: number): number {
  if (done > 0) return done;
  if (!(flags & MSG_NOSIGNAL))
    current.force_or_send_sig(SIGPIPE, `send on ${String(sock)}, whose other end is closed`);
  throw errno(EPIPE, 'the other end of {} is closed, or sending was shut down', sock);
}

export function sendStream(
  sock: UnixSock,
  current: Current,
  bytes: Uint8Array | null,
  from: IovIter,
  ancillary: Ancillary,
  flags: number,
): number {
  const { peer } = sock;
  if (bytes !== null && bytes.length > 0) {
    throw errno(
      peer !== null ? EISCONN : EOPNOTSUPP,
      'a stream socket sends to its peer, not to an address',
    );
  }
  if (peer === null) throw errno(ENOTCONN, '{} is not connected', sock);
  let done = sock.progress(current);
  if (done > 0) from.skip(done);
  if (sock.shutdownMask & SEND_SHUTDOWN) return brokenPipe(sock, current, flags, done);
  const urgent = flags & MSG_OOB ? 1 : 0;
  while (from.count > urgent) {
    if (sock.shutdownMask & SEND_SHUTDOWN || peer.dead || peer.shutdownMask & RCV_SHUTDOWN) {
      return brokenPipe(sock, current, flags, done);
    }
    if (sock.wmem >= sock.sndbuf) {
      sock.no_space();
      return sock.waitFor(
        current,
        sock.wq,
        (flags & MSG_DONTWAIT) !== 0,
        sock.sndtimeo,
        done,
        `${sock.wmem} of ${sock.sndbuf} bytes wait for the receiver`,
      );
    }
    const data = sock.kernel.vfs.unix.buffer(
      Math.min(from.count - urgent, STREAM_CHUNK, Math.max(1, (sock.sndbuf >> 1) - 64)),
    );
    if (!copyIn(from, data, done)) return done;
    const fds = done === 0 ? ancillary.fds : [];
    peer.queue.push(sock.skb(data, current, fds, null, sock.creds(current, peer, ancillary)));
    if (fds.length > 0) {
      ancillary.taken = true;
      sock.kernel.vfs.unix.carriers.add(peer);
    }
    done += data.length;
    peer.wq.wake(EPOLLIN | EPOLLRDNORM);
  }
  if (!urgent) return done;
  try {
    queue_oob(sock, peer, current, from, ancillary, done === 0 ? ancillary.fds : []);
  } catch (error) {
    if (done > 0 && error instanceof Errno) return done;
    throw error;
  }
  return done + 1;
}

/** A message is sent whole or not at all. @returns false when the caller's memory ended after some had been sent */
function copyIn(from: IovIter, data: Uint8Array, done: number): boolean {
  try {
    if (from.copyFrom(data, 0, data.length) === data.length) return true;
  } catch (error) {
    if (done === 0 || !(error instanceof Errno)) throw error;
  }
  if (done > 0) return false;
  throw errno(EFAULT, 'the message of {} bytes ends in unmapped memory', data.length);
}

/** What a call that waits for room at the receiver keeps besides (SockWait): the receiver, whatever its name is now. */
interface ReceiverWait {
  other?: UnixSock;
}

function destination(sock: UnixSock, current: Current, name: UnixName | null): UnixSock {
  if (name !== null) {
    const other = (current.callState as ReceiverWait | null)?.other;
    return other === undefined || other.dead ? find_other(current, name, sock.type) : other;
  }
  const peer = sock.peer!;
  if (peer.dead && sock.type === SOCK_DGRAM) {
    sock.peer = null;
    sock.disconnected(peer);
    throw errno(ECONNREFUSED, '{}, the peer of the datagram socket, was closed', peer);
  }
  return peer;
}

export function sendDatagram(
  sock: UnixSock,
  current: Current,
  bytes: Uint8Array | null,
  from: IovIter,
  ancillary: Ancillary,
  flags: number,
): number {
  const named = bytes !== null && bytes.length > 0 && sock.type === SOCK_DGRAM;
  const name = named ? parse_sockaddr_un(bytes) : null;
  if (name === null && sock.peer === null)
    throw errno(ENOTCONN, '{} is not connected and no address is given', sock);
  const n = from.count;
  if (n > sock.sndbuf - 32)
    throw errno(EMSGSIZE, 'a message of {} bytes does not fit SO_SNDBUF ({})', n, sock.sndbuf);
  sock.throwError();
  if (sock.shutdownMask & SEND_SHUTDOWN) return brokenPipe(sock, current, flags, 0);
  if (sock.wmem >= sock.sndbuf) {
    sock.no_space();
    return sock.waitFor(
      current,
      sock.wq,
      (flags & MSG_DONTWAIT) !== 0,
      sock.sndtimeo,
      0,
      `${sock.wmem} of ${sock.sndbuf} bytes wait for receivers`,
    );
  }
  try {
    return deliver(sock, current, name, from, ancillary, flags);
  } catch (error) {
    // The message had its room already, and gives it back.
    sock.write_space();
    throw error;
  }
}

/** The message is made before anybody looks where it goes. */
function deliver(
  sock: UnixSock,
  current: Current,
  name: UnixName | null,
  from: IovIter,
  ancillary: Ancillary,
  flags: number,
): number {
  const n = from.count;
  const data = new Uint8Array(n);
  if (from.copyFrom(data, 0, n) < n)
    throw errno(EFAULT, 'the message of {} bytes ends in unmapped memory', n);
  const other = destination(sock, current, name);
  // A message that the receiver's filter drops was sent all the same.
  const kept = sk_filter(other, data);
  if (kept === null) {
    sock.write_space();
    return n;
  }
  if (sock.type === SOCK_DGRAM) {
    sock.checkMaySend(other);
    if (sock.peer !== other) sock.checkScope(current, other);
  }
  if (other.dead || other.shutdownMask & RCV_SHUTDOWN) return brokenPipe(sock, current, flags, 0);
  if (other !== sock && other.peer !== sock && other.queue.length > other.backlog) {
    const ret = sock.waitFor(
      current,
      other.peer_wait,
      (flags & MSG_DONTWAIT) !== 0,
      sock.sndtimeo,
      0,
      `${String(other)} has ${other.queue.length} messages waiting`,
    );
    if (ret === BLOCKED) (current.callState as ReceiverWait).other = other;
    return ret;
  }
  const skb = sock.skb(kept, current, ancillary.fds, null, sock.creds(current, other, ancillary));
  if (other.tstamp !== null) skb.tstamp = sock.kernel.clock.realtimeNs();
  other.queue.push(skb);
  if (ancillary.fds.length > 0) {
    ancillary.taken = true;
    sock.kernel.vfs.unix.carriers.add(other);
  }
  other.wq.wake(EPOLLIN | EPOLLRDNORM);
  return n;
}
