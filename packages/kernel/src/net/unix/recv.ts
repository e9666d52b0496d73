import { EAGAIN } from '@vitrine/uapi/errno.ts';
import {
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  SOCK_SEQPACKET,
} from '@vitrine/uapi/net.ts';
import { EPOLLOUT, EPOLLWRBAND, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { File } from '../../fs/file.ts';
import { RCV_SHUTDOWN, type Received, type Ucred } from '../sock.ts';
import { sockaddr_un } from './address.ts';
import type { UnixSock } from './af_unix.ts';

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

/** Bytes wait that the call is content with: SO_RCVLOWAT, or all it asked for with MSG_WAITALL. */
function enough(sock: UnixSock, want: number, flags: number): boolean {
  const target = flags & MSG_WAITALL ? want : Math.min(sock.rcvlowat, want);
  if (target <= 1) return sock.queue.length > 0;
  let have = 0;
  for (const skb of sock.queue) {
    have += skb.data.length - skb.offset;
    // A message with descriptors ends what one call can return.
    if (have >= target || skb.fds.length > 0) return true;
  }
  return false;
}

export function recvStream(
  sock: UnixSock,
  current: Current,
  to: IovIter,
  flags: number,
): Received | number {
  if (!enough(sock, to.count, flags) && !(sock.shutdownMask & RCV_SHUTDOWN) && sock.err === 0) {
    const partial = sock.queue.length > 0 && (flags & MSG_DONTWAIT || current.signal_pending());
    if (!partial) {
      try {
        return sock.waitFor(
          current,
          sock.wq,
          (flags & MSG_DONTWAIT) !== 0,
          sock.rcvtimeo,
          0,
          'nothing has come',
        );
      } catch (error) {
        // The time is over: what came is better than nothing.
        if (!(error instanceof Errno) || error.code !== EAGAIN || sock.queue.length === 0)
          throw error;
      }
    }
  }
  if (sock.queue.length === 0) return nothing(sock, current, flags, 0);
  const peek = (flags & MSG_PEEK) !== 0;
  const first = sock.queue[0]!;
  let fds: readonly File[] = [];
  let done = 0;
  let at = 0;
  while (to.count > 0) {
    const skb = sock.queue[at];
    if (skb === undefined) break;
    if (at > 0 || done > 0) {
      if (sock.passcred && !sameCred(skb.cred, first.cred)) break;
      if (skb.fds.length > 0) break;
    }
    const n = to.copyTo(skb.data, skb.offset, skb.data.length - skb.offset);
    done += n;
    if (peek) {
      if (skb.fds.length > 0) fds = skb.fds.map((file) => file.get());
      at++;
      if (fds.length > 0) break;
      continue;
    }
    skb.offset += n;
    const taken = sock.landed(skb);
    if (taken.length > 0) fds = taken;
    if (skb.offset < skb.data.length) break;
    sock.queue.shift();
    sock.consume(skb);
    if (fds.length > 0) break;
  }
  return { n: done, name: null, ancillary: { fds, cred: first.cred }, flags: 0 };
}

export function recvDatagram(
  sock: UnixSock,
  current: Current,
  to: IovIter,
  flags: number,
): Received | number {
  const skb = sock.queue[0];
  if (skb === undefined) {
    const end = sock.type === SOCK_SEQPACKET;
    if (end || sock.shutdownMask & RCV_SHUTDOWN || sock.err !== 0)
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
  const n = to.copyTo(skb.data, 0, skb.data.length);
  const truncated = n < skb.data.length ? MSG_TRUNC : 0;
  const length = flags & MSG_TRUNC ? skb.data.length : n;
  const name = skb.from === null ? null : sockaddr_un(skb.from);
  if (flags & MSG_PEEK) {
    return {
      n: length,
      name,
      ancillary: { fds: skb.fds.map((file) => file.get()), cred: skb.cred },
      flags: truncated,
    };
  }
  sock.queue.shift();
  const fds = sock.landed(skb);
  sock.consume(skb);
  sock.peer_wait.wake(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  return { n: length, name, ancillary: { fds, cred: skb.cred }, flags: truncated };
}

function sameCred(a: Ucred, b: Ucred): boolean {
  return a.pid === b.pid && a.uid === b.uid && a.gid === b.gid;
}
