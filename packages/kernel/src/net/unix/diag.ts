import { EINVAL, ENOENT, EOPNOTSUPP, ESTALE } from '@vitrine/uapi/errno.ts';
import { AF_MAX, AF_UNIX } from '@vitrine/uapi/net.ts';
import * as N from '@vitrine/uapi/netlink.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { concat, viewOf } from '../../fs/bytes.ts';
import { type NlMsg, type Reply, netlink_rcv_skb, nla, nlmsg } from '../netlink/message.ts';
import { open_sockets } from '../open_sockets.ts';
import { sk_get_meminfo, sock_gen_cookie } from '../sock_options.ts';
import { sockaddr_un } from './address.ts';
import { UnixSock } from './af_unix.ts';

/** What sockets there are, by requests on NETLINK_SOCK_DIAG (net/core/sock_diag.c, net/unix/diag.c): of Unix sockets only. */
const SOCK_DIAG_REQ = 2;
const UNIX_DIAG_REQ = 24;
const UNIX_DIAG_MSG = 16;
/** In place of a cookie: any will do. */
const NO_COOKIE = 0xffff_ffff;
const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;

const u32 = (...numbers: number[]): Uint8Array => new Uint8Array(Uint32Array.from(numbers).buffer);
/** One that was closed has none. */
const ino_of = (sk: UnixSock | null): number => (sk === null || sk.dead ? 0 : (sk.file?.ino ?? 0));

function state_of(sk: UnixSock): number {
  if (sk.listening) return TCP_LISTEN;
  return sk.established ? TCP_ESTABLISHED : TCP_CLOSE;
}

/** One socket, with what is asked for (sk_diag_fill). */
function fill(sk: UnixSock, ino: number, show: number): Uint8Array {
  const head = new Uint8Array(UNIX_DIAG_MSG);
  const view = viewOf(head);
  head.set([AF_UNIX, sk.type, state_of(sk)]);
  view.setUint32(4, ino, true);
  view.setBigUint64(8, BigInt(sock_gen_cookie(sk)), true);
  const parts: Uint8Array[] = [head];
  const put = (flag: number, type: number, value: () => Uint8Array | null): void => {
    const bytes = show & flag ? value() : null;
    if (bytes !== null) parts.push(nla(type, bytes));
  };
  put(N.UDIAG_SHOW_NAME, N.UNIX_DIAG_NAME, () => (sk.name === null ? null : sockaddr_un(sk.name).subarray(2))); // prettier-ignore
  put(N.UDIAG_SHOW_VFS, N.UNIX_DIAG_VFS, () => (sk.inode === null ? null : u32(sk.inode.ino, sk.inode.sb.dev))); // prettier-ignore
  put(N.UDIAG_SHOW_PEER, N.UNIX_DIAG_PEER, () => (sk.peer === null ? null : u32(ino_of(sk.peer))));
  put(N.UDIAG_SHOW_ICONS, N.UNIX_DIAG_ICONS, () =>
    sk.listening ? u32(...sk.queue.map(({ embryo }) => ino_of(embryo?.peer ?? null))) : null,
  );
  put(N.UDIAG_SHOW_RQLEN, N.UNIX_DIAG_RQLEN, () =>
    sk.listening ? u32(sk.queue.length, sk.backlog) : u32(sk.inq_len, sk.wmem),
  );
  put(N.UDIAG_SHOW_MEMINFO, N.UNIX_DIAG_MEMINFO, () => sk_get_meminfo(sk));
  parts.push(nla(N.UNIX_DIAG_SHUTDOWN, Uint8Array.of(sk.shutdownMask)));
  put(N.UDIAG_SHOW_UID, N.UNIX_DIAG_UID, () => u32(sk.file?.inode.uid ?? 0));
  return concat(parts);
}

function unix_diag_get_exact(kernel: Kernel, request: DataView): Uint8Array {
  const ino = request.getUint32(8, true);
  if (ino === 0) throw errno(EINVAL, 'unix_diag: no inode number is asked for');
  for (const [sk, its] of open_sockets(kernel, UnixSock)) {
    if (its !== ino) continue;
    const [low, high] = [request.getUint32(16, true), request.getUint32(20, true)];
    const any = low === NO_COOKIE && high === NO_COOKIE;
    if (!any && (low !== sock_gen_cookie(sk) || high !== 0))
      throw errno(ESTALE, 'unix_diag: socket {} has the cookie {}, not {}', ino, sk.cookie, low);
    return fill(sk, ino, request.getUint32(12, true));
  }
  throw errno(ENOENT, 'unix_diag: no socket has the inode number {}', ino);
}

function answer(
  current: Current,
  { type, flags, seq, payload }: NlMsg,
  portid: number,
  reply: Reply,
): 'answered' | 'done' {
  if (type !== N.SOCK_DIAG_BY_FAMILY && type !== N.SOCK_DESTROY) {
    if (type === N.TCPDIAG_GETSOCK || type === N.DCCPDIAG_GETSOCK) throw errno(EOPNOTSUPP, 'sock_diag: there are no Internet sockets'); // prettier-ignore
    throw errno(EINVAL, 'sock_diag: requests of type {} are not known', type);
  }
  const family = payload[0] ?? 0;
  if (payload.length < SOCK_DIAG_REQ || family >= AF_MAX)
    throw errno(EINVAL, 'sock_diag: {} bytes about address family {}', payload.length, family);
  if (family !== AF_UNIX) throw errno(ENOENT, 'sock_diag: nothing is known of address family {}', family); // prettier-ignore
  if (type === N.SOCK_DESTROY) throw errno(EOPNOTSUPP, 'sock_diag: Unix sockets cannot be ended from outside'); // prettier-ignore
  if (payload.length < UNIX_DIAG_REQ)
    throw errno(EINVAL, 'unix_diag: a request has {} bytes, not {}', UNIX_DIAG_REQ, payload.length);
  const request = viewOf(payload);
  const put = (bytes: Uint8Array, more: number): void => reply(nlmsg(N.SOCK_DIAG_BY_FAMILY, more, seq, portid, bytes)); // prettier-ignore
  if ((flags & N.NLM_F_DUMP) === 0) {
    put(unix_diag_get_exact(current.kernel, request), 0);
    return 'done';
  }
  const states = request.getUint32(4, true);
  for (const [sk, ino] of open_sockets(current.kernel, UnixSock))
    if (states & (1 << state_of(sk)))
      put(fill(sk, ino, request.getUint32(12, true)), N.NLM_F_MULTI);
  reply(nlmsg(N.NLMSG_DONE, N.NLM_F_MULTI, seq, portid, u32(0)));
  return 'answered';
}

export function sock_diag_rcv(
  current: Current,
  data: Uint8Array,
  portid: number,
  reply: Reply,
): void {
  netlink_rcv_skb(data, portid, reply, (message) => answer(current, message, portid, reply));
}
