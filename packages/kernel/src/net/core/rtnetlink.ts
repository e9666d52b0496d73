import { EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts';
import { CAP_NET_ADMIN } from '@vitrine/uapi/capability.ts';
import * as N from '@vitrine/uapi/netlink.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import { untilNul } from '../../include/string.ts';
import { ARPHRD_LOOPBACK, IFF_LOOPBACK, LOOPBACK, LOOPBACK_IFINDEX, LOOPBACK_MTU, LOOPBACK_TXQLEN } from './loopback.ts'; // prettier-ignore
import { byteString, bytesOf, concat, viewOf } from '../../fs/bytes.ts';
import { type NlMsg, type Reply, netlink_rcv_skb, nla, nla_find, nlmsg } from '../netlink/message.ts'; // prettier-ignore

/**
 * Requests on NETLINK_ROUTE (net/core/rtnetlink.c) of a kernel without Internet protocols: there is the loopback device, which is
 * down and cannot be changed, and there are no addresses, routes or neighbours.
 */
const IF_OPER_DOWN = 2;
const RTNL_KIND_GET = 2;
/** struct ifinfomsg. */
const IFINFOMSG = 16;

const EMPTY_DUMPS: readonly number[] = [N.RTM_GETADDR, N.RTM_GETROUTE, N.RTM_GETNEIGH];

const u32 = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);
const u8 = (n: number): Uint8Array => Uint8Array.of(n);

function loopback(): Uint8Array {
  const head = new Uint8Array(IFINFOMSG);
  const view = viewOf(head);
  view.setUint16(2, ARPHRD_LOOPBACK, true);
  view.setInt32(4, LOOPBACK_IFINDEX, true);
  view.setUint32(8, IFF_LOOPBACK, true);
  return concat([
    head,
    nla(N.IFLA_IFNAME, bytesOf(`${LOOPBACK}\0`)),
    nla(N.IFLA_TXQLEN, u32(LOOPBACK_TXQLEN)),
    nla(N.IFLA_OPERSTATE, u8(IF_OPER_DOWN)),
    nla(N.IFLA_LINKMODE, u8(0)),
    nla(N.IFLA_MTU, u32(LOOPBACK_MTU)),
    nla(N.IFLA_GROUP, u32(0)),
    nla(N.IFLA_PROMISCUITY, u32(0)),
    nla(N.IFLA_NUM_TX_QUEUES, u32(1)),
    nla(N.IFLA_NUM_RX_QUEUES, u32(1)),
    nla(N.IFLA_CARRIER, u8(1)),
    nla(N.IFLA_CARRIER_CHANGES, u32(0)),
    nla(N.IFLA_ADDRESS, new Uint8Array(6)),
    nla(N.IFLA_BROADCAST, new Uint8Array(6)),
    nla(N.IFLA_STATS64, new Uint8Array(200)),
    nla(N.IFLA_STATS, new Uint8Array(96)),
    nla(N.IFLA_QDISC, bytesOf('noop\0')),
  ]);
}

/** Is it the loopback device that a request is about, by index or by name? */
function getlink({ payload }: NlMsg): void {
  if (payload.length < IFINFOMSG) throw errno(EINVAL, 'RTM_GETLINK has {} bytes, struct ifinfomsg {}', payload.length, IFINFOMSG); // prettier-ignore
  const index = viewOf(payload).getInt32(4, true);
  const name = nla_find(payload, IFINFOMSG, N.IFLA_IFNAME);
  if (index < 0) throw errno(EINVAL, 'there is no interface {}', index);
  if (index > 0 && index !== LOOPBACK_IFINDEX) throw errno(ENODEV, 'there is no interface {}', index); // prettier-ignore
  if (index > 0) return;
  if (name === null) throw errno(EINVAL, 'RTM_GETLINK names no interface');
  const text = untilNul(byteString(name));
  if (text !== LOOPBACK) throw errno(ENODEV, 'there is no interface {}', text);
}

function request(
  current: Current,
  message: NlMsg,
  portid: number,
  reply: Reply,
): 'answered' | 'done' {
  const { type, seq, flags, payload } = message;
  if (payload.length < 1) return 'done';
  const kind = (type - N.RTM_BASE) & 3;
  if (kind !== RTNL_KIND_GET && !capable(current.cred, CAP_NET_ADMIN)) throw errno(EPERM, 'changing the network needs CAP_NET_ADMIN; uid {} has not', current.cred.euid); // prettier-ignore
  if (kind === RTNL_KIND_GET && (flags & N.NLM_F_DUMP) !== 0) {
    if (type === N.RTM_GETLINK)
      reply(nlmsg(N.RTM_NEWLINK, N.NLM_F_MULTI, seq, portid, loopback()));
    else if (!EMPTY_DUMPS.includes(type)) throw errno(EOPNOTSUPP, 'NETLINK_ROUTE: there is nothing of type {} to list', type); // prettier-ignore
    reply(nlmsg(N.NLMSG_DONE, N.NLM_F_MULTI, seq, portid, u32(0)));
    return 'answered';
  }
  if (type !== N.RTM_GETLINK) throw errno(EOPNOTSUPP, 'NETLINK_ROUTE: this kernel has no requests of type {}', type); // prettier-ignore
  getlink(message);
  reply(nlmsg(N.RTM_NEWLINK, 0, seq, portid, loopback()));
  return 'done';
}

export function rtnetlink_rcv(
  current: Current,
  data: Uint8Array,
  portid: number,
  reply: Reply,
): void {
  netlink_rcv_skb(data, portid, reply, (message) => request(current, message, portid, reply));
}
