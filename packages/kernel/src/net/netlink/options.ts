import { EINVAL, ENOPROTOOPT, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_NET_BROADCAST } from '@vitrine/uapi/capability.ts';
import * as N from '@vitrine/uapi/netlink.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { NetlinkSock } from './af_netlink.ts';
import { viewOf } from '../../fs/bytes.ts';

/** Options of level SOL_NETLINK that are kept and told (netlink_setsockopt, netlink_getsockopt). */
const FLAGS: readonly number[] = [N.NETLINK_PKTINFO, N.NETLINK_BROADCAST_ERROR, N.NETLINK_NO_ENOBUFS, N.NETLINK_LISTEN_ALL_NSID, N.NETLINK_CAP_ACK, N.NETLINK_EXT_ACK, N.NETLINK_GET_STRICT_CHK]; // prettier-ignore

/** Their place among the socket's options, away from those of SOL_SOCKET. */
export const keyOf = (name: number): number => N.SOL_NETLINK * 0x1000 + name;

export function netlink_setsockopt(
  current: Current,
  sk: NetlinkSock,
  name: number,
  value: Uint8Array,
): void {
  // A shorter value is 0.
  const n = value.length < 4 ? 0 : viewOf(value).getUint32(0, true);
  if (name === N.NETLINK_ADD_MEMBERSHIP || name === N.NETLINK_DROP_MEMBERSHIP) {
    sk.needs(current, sk.proto.nonroot_recv, 'receiving from groups');
    if (n === 0 || n > sk.proto.groups) throw errno(EINVAL, '{} has no group {}', sk, n);
    if (name === N.NETLINK_ADD_MEMBERSHIP) sk.groups.add(n);
    else sk.groups.delete(n);
    return;
  }
  if (!FLAGS.includes(name)) throw errno(ENOPROTOOPT, '{} has no netlink option {}', sk, name);
  if (name === N.NETLINK_LISTEN_ALL_NSID && !capable(current.cred, CAP_NET_BROADCAST))
    throw errno(EPERM, 'NETLINK_LISTEN_ALL_NSID needs CAP_NET_BROADCAST');
  sk.options.set(keyOf(name), n === 0 ? 0 : 1);
}

export function netlink_getsockopt(sk: NetlinkSock, name: number): Uint8Array {
  if (name === N.NETLINK_LIST_MEMBERSHIPS) {
    const words = new Uint32Array(Math.ceil(sk.proto.groups / 32));
    for (const group of sk.groups) words[(group - 1) >> 5]! |= 1 << ((group - 1) & 31);
    return new Uint8Array(words.buffer);
  }
  if (!FLAGS.includes(name)) throw errno(ENOPROTOOPT, '{} has no netlink option {}', sk, name);
  return new Uint8Array(Int32Array.of(sk.options.get(keyOf(name)) ?? 0).buffer);
}
