import { EFAULT, EINVAL, EPIPE } from '@vitrine/uapi/errno.ts';
import { MSG_OOB, MSG_PEEK } from '@vitrine/uapi/net.ts';
import { EPOLLIN, EPOLLPRI, EPOLLRDBAND, EPOLLRDNORM } from '@vitrine/uapi/poll.ts';
import { SO_OOBINLINE } from '@vitrine/uapi/socket.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import { send_sigurg } from '../../fs/fasync/fasync.ts';
import type { File } from '../../fs/file.ts';
import { type Ancillary, RCV_SHUTDOWN, type Received } from '../sock.ts';
import type { Skb, UnixSock } from './af_unix.ts';

/**
 * Out-of-band data of stream sockets: one byte, a message of its own in the queue that `oob_skb` points to. The message
 * stays when its byte was taken, empty: it is the mark at which a read stops (net/unix/af_unix.c, CONFIG_AF_UNIX_OOB).
 */
const urgInline = (sock: UnixSock): boolean => (sock.options.get(SO_OOBINLINE) ?? 0) !== 0;
const empty = (skb: Skb): boolean => skb.offset >= skb.data.length;

/** The last byte of a send with MSG_OOB (queue_oob). */
export function queue_oob(
  sock: UnixSock,
  peer: UnixSock,
  current: Current,
  from: IovIter,
  ancillary: Ancillary,
  fds: readonly File[],
): void {
  const byte = new Uint8Array(1);
  if (from.copyFrom(byte, 0, 1) < 1) throw errno(EFAULT, 'the urgent byte is in unmapped memory');
  if (peer.dead || peer.shutdownMask & RCV_SHUTDOWN)
    throw errno(EPIPE, 'the other end of {} is closed', sock);
  const skb = sock.skb(byte, current, fds, null, sock.creds(current, peer, ancillary));
  peer.queue.push(skb);
  peer.oob_skb = skb;
  if (fds.length > 0) {
    ancillary.taken = true;
    sock.kernel.vfs.unix.carriers.add(peer);
  }
  if (peer.file !== null) send_sigurg(peer.file, 'out-of-band data');
  peer.wq.wake(EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND);
}

/** recv with MSG_OOB (unix_stream_recv_urg). */
export function recv_urg(sock: UnixSock, to: IovIter, flags: number): Received {
  const skb = sock.oob_skb;
  if (urgInline(sock) || skb === null)
    throw errno(EINVAL, '{} has no out-of-band byte, or it is read as the others (SO_OOBINLINE)', sock); // prettier-ignore
  const n = to.copyTo(skb.data, 0, 1);
  if (!(flags & MSG_PEEK)) {
    sock.oob_skb = null;
    const before = sock.queue[sock.queue.indexOf(skb) - 1];
    if (before !== undefined && empty(before)) sock.unlink(before);
    skb.offset = 1;
  }
  return { n, name: null, ancillary: null, flags: MSG_OOB };
}

/**
 * What an ordinary read finds at the head of the queue: empty messages go, a read that has bytes stops at the mark, the
 * next one loses the urgent byte unless SO_OOBINLINE is set. @returns undefined when there is nothing for it
 */
export function manage_oob(
  sock: UnixSock,
  skb: Skb | undefined,
  peek: boolean,
  copied: boolean,
): Skb | undefined {
  if (skb === undefined || (!empty(skb) && skb !== sock.oob_skb)) return skb;
  let at: Skb | undefined = skb;
  if (empty(at)) {
    if (copied && (sock.oob_skb === null || at === sock.oob_skb)) return undefined;
    at = sock.queue[sock.queue.indexOf(skb) + 1];
    if (!peek) sock.unlink(skb);
  }
  if (at === undefined || at !== sock.oob_skb) return at;
  if (copied) return undefined;
  if (!peek) {
    sock.oob_skb = null;
    if (urgInline(sock)) return at;
    sock.unlink(at);
    return sock.queue[0];
  }
  return urgInline(sock) ? at : sock.queue[sock.queue.indexOf(at) + 1];
}

/** SIOCATMARK: is the next byte behind the mark? */
export function at_mark(sock: UnixSock): boolean {
  const skb = sock.queue[0];
  if (skb === undefined) return false;
  if (skb === sock.oob_skb) return true;
  return empty(skb) && (sock.oob_skb === null || sock.queue[1] === sock.oob_skb);
}

/** Is there anything but a mark that nobody read? */
export function unread(sock: UnixSock): boolean {
  return sock.queue.some((skb) => skb.embryo !== null || !empty(skb));
}
