import { EADDRINUSE, ECONNREFUSED, EINVAL, EMSGSIZE, ENOBUFS, ENODATA, ENOPROTOOPT, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '@vitrine/uapi/errno.ts'; // prettier-ignore
import { CAP_NET_ADMIN } from '@vitrine/uapi/capability.ts';
import { AF_NETLINK, AF_UNSPEC, MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_RAW } from '@vitrine/uapi/net.ts'; // prettier-ignore
import {
  MAX_LINKS,
  NETLINK_KOBJECT_UEVENT,
  NETLINK_PKTINFO,
  NETLINK_ROUTE,
  NETLINK_SOCK_DIAG,
  NETLINK_USERSOCK,
  SOL_NETLINK,
} from '@vitrine/uapi/netlink.ts';
import { EPOLLERR, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRBAND, EPOLLWRNORM } from '@vitrine/uapi/poll.ts'; // prettier-ignore
import { SO_PEERCRED } from '@vitrine/uapi/socket.ts';
import { capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import { uevent_net_rcv } from '../core/kobject_uevent.ts';
import { rtnetlink_rcv } from '../core/rtnetlink.ts';
import { sock_diag_rcv } from '../unix/diag.ts';
import { task_ucred } from '../scm.ts';
import { type Ancillary, type Received, Sock, type Ucred } from '../sock.ts';
import { type NetProtoFamily, sock_register, sockfd_lookup } from '../socket.ts';
import type { Reply } from './message.ts';
import { viewOf } from '../../fs/bytes.ts';
import { keyOf, netlink_getsockopt, netlink_setsockopt } from './options.ts';

declare module '../../fs/vfs.ts' {
  interface Vfs {
    netlink: NetlinkTable;
  }
}

/** Groups that are told of Internet sockets that end. */
const SKNLGRP_MAX = 4;

/** What a protocol's kernel side is (nl_table, struct netlink_kernel_cfg). */
interface NetlinkProtocol {
  readonly groups: number;
  /** Receiving from groups, or sending to others than the kernel, needs no CAP_NET_ADMIN. */
  readonly nonroot_recv?: boolean;
  readonly nonroot_send?: boolean;
  /** Takes what is sent to the kernel; absent where nobody listens there. */
  input?(current: Current, data: Uint8Array, portid: number, reply: Reply): void;
}

const PROTOCOLS: ReadonlyMap<number, NetlinkProtocol> = new Map([
  [NETLINK_ROUTE, { groups: 38, nonroot_recv: true, input: rtnetlink_rcv }],
  [NETLINK_SOCK_DIAG, { groups: SKNLGRP_MAX, nonroot_recv: true, input: sock_diag_rcv }],
  [NETLINK_KOBJECT_UEVENT, { groups: 1, nonroot_recv: true, input: uevent_net_rcv }],
  [NETLINK_USERSOCK, { groups: 32, nonroot_send: true }],
]);

const SOCKADDR_NL = 12;
/** What a message counts for besides its bytes. */
const SKB_OVERHEAD = 512;
const KERNEL: Ucred = { pid: 0, uid: 0, gid: 0, process: null };

interface NlSkb {
  readonly data: Uint8Array;
  readonly portid: number;
  /** The group it went to, or 0. */
  readonly group: number;
  readonly cred: Ucred;
}

const sizeOf = ({ data }: NlSkb): number => data.length + SKB_OVERHEAD;
/** nl_groups has the first 32. */
const maskOf = (group: number): number => (group > 0 && group <= 32 ? (1 << (group - 1)) >>> 0 : 0);

/** Bound sockets, and what all of them hold. */
export class NetlinkTable {
  readonly sockets: Set<NetlinkSock> = new Set();
  bytes = 0;
  /** Port numbers given where the process's own is taken go down from here. */
  rover = -4096;
  /** Numbers of what was told of devices. */
  uevent_seqnum = 0;
  static {
    serializable('NetlinkTable', this);
  }

  /** A message to all in a group but one. @param cred null for the kernel's own */
  broadcast(protocol: number, group: number, data: Uint8Array, cred: Ucred | null): void {
    this.send_group(protocol, { data, portid: 0, group, cred: cred ?? KERNEL }, null, 0);
  }

  send_group(protocol: number, skb: NlSkb, from: NetlinkSock | null, except: number): void {
    for (const sk of this.sockets) {
      if (sk === from || sk.protocol !== protocol) continue;
      if (sk.portid === except || !sk.groups.has(skb.group)) continue;
      if (sk.full) sk.overrun();
      else sk.deliver(skb);
    }
  }
}

/** A netlink socket (netlink(7); analogous to `struct netlink_sock`). */
export class NetlinkSock extends Sock {
  readonly prot_name = 'NETLINK';
  /** Own port, once bound: signed, as it is a process number or below 0. */
  portid = 0;
  bound = false;
  dst_portid = 0;
  dst_group = 0;
  readonly groups: Set<number> = new Set();
  queue: NlSkb[] = [];
  rmem = 0;
  /** Who waits for room in this socket's queue. */
  readonly peer_wait: WaitQueue = new WaitQueue();

  constructor(kernel: Kernel, type: number, protocol: number) {
    super(kernel, AF_NETLINK, type, protocol);
  }

  static {
    serializable('NetlinkSock', this);
  }

  override toString(): string {
    return `netlink socket ${this.protocol}:${this.portid}`;
  }

  private get pktinfo(): boolean {
    return this.options.get(keyOf(NETLINK_PKTINFO)) === 1;
  }

  get proto(): NetlinkProtocol {
    return PROTOCOLS.get(this.protocol)!;
  }

  needs(current: Current, free: boolean | undefined, what: string): void {
    if (free || capable(current.cred, CAP_NET_ADMIN)) return;
    throw errno(EPERM, '{}: {} needs CAP_NET_ADMIN', this, what);
  }

  private lookup(portid: number): NetlinkSock | null {
    for (const sk of this.kernel.vfs.netlink.sockets)
      if (sk.protocol === this.protocol && sk.portid === portid) return sk;
    return null;
  }

  private insert(portid: number): void {
    if (this.lookup(portid) !== null) throw errno(EADDRINUSE, 'netlink port {} of protocol {} is in use', portid, this.protocol); // prettier-ignore
    this.portid = portid;
    this.bound = true;
    this.kernel.vfs.netlink.sockets.add(this);
  }

  /** The port of the first socket is the process's number (netlink_autobind). */
  private autobind(current: Current): void {
    if (this.bound) return;
    const table = this.kernel.vfs.netlink;
    let portid = current.tgid;
    while (this.lookup(portid) !== null) portid = table.rover--;
    this.insert(portid);
  }

  private address(bytes: Uint8Array): { portid: number; groups: number } {
    if (bytes.length < SOCKADDR_NL) throw errno(EINVAL, 'a netlink address has {} bytes, not {}', SOCKADDR_NL, bytes.length); // prettier-ignore
    const view = viewOf(bytes);
    const family = view.getUint16(0, true);
    if (family !== AF_NETLINK) throw errno(EINVAL, 'address family {} is not AF_NETLINK', family);
    return { portid: view.getInt32(4, true), groups: view.getUint32(8, true) };
  }

  override bind(current: Current, name: Uint8Array): void {
    const { portid, groups } = this.address(name);
    if (groups !== 0) this.needs(current, this.proto.nonroot_recv, 'receiving from groups');
    if (this.bound && portid !== this.portid) throw errno(EINVAL, '{} is bound already', this);
    if (!this.bound && portid !== 0) this.insert(portid);
    else this.autobind(current);
    for (let group = 1; group <= 32; group++)
      if (groups & maskOf(group)) this.groups.add(group);
      else this.groups.delete(group);
  }

  override connect(current: Current, name: Uint8Array): number {
    if (name.length < 2) throw errno(EINVAL, 'an address has 2 bytes at least');
    if (viewOf(name).getUint16(0, true) === AF_UNSPEC) {
      this.dst_portid = this.dst_group = 0;
      return 0;
    }
    const { portid, groups } = this.address(name);
    if (groups !== 0 || portid !== 0) this.needs(current, this.proto.nonroot_send, 'sending to others than the kernel'); // prettier-ignore
    this.autobind(current);
    this.dst_portid = portid;
    this.dst_group = ffs(groups);
    return 0;
  }

  override getname(peer: boolean): Uint8Array {
    let groups = 0;
    for (const group of this.groups) groups = (groups | maskOf(group)) >>> 0;
    if (peer) return sockaddr_nl(this.dst_portid, maskOf(this.dst_group));
    return sockaddr_nl(this.portid, groups);
  }

  override sendmsg(
    current: Current,
    name: Uint8Array | null,
    from: IovIter,
    ancillary: Ancillary,
    flags: number,
  ): number {
    if (flags & MSG_OOB) throw errno(EOPNOTSUPP, '{} has no urgent data', this);
    if (from.count === 0) throw errno(ENODATA, '{}: an empty message says nothing', this);
    let { dst_portid, dst_group } = this;
    if (name !== null && name.length > 0) {
      const { portid, groups } = this.address(name);
      dst_portid = portid;
      dst_group = ffs(groups);
      if (dst_group !== 0 || dst_portid !== 0) this.needs(current, this.proto.nonroot_send, 'sending to others than the kernel'); // prettier-ignore
    }
    this.autobind(current);
    const length = from.count;
    if (length > this.sndbuf - 32) throw errno(EMSGSIZE, '{} bytes exceed the buffer of {}', length, this.sndbuf); // prettier-ignore
    const to = dst_portid === 0 ? null : this.lookup(dst_portid);
    if (to !== null && to.full) {
      const nonblock = (flags & MSG_DONTWAIT) !== 0;
      return this.waitFor(current, to.peer_wait, nonblock, this.sndtimeo, 0, `${String(to)} has no room`); // prettier-ignore
    }
    const data = new Uint8Array(length);
    from.copyFrom(data, 0, length);
    const skb = { data, portid: this.portid, group: dst_group, cred: ancillary.cred ?? task_ucred(current) }; // prettier-ignore
    if (dst_group !== 0) this.kernel.vfs.netlink.send_group(this.protocol, skb, this, dst_portid);
    this.unicast(current, skb, dst_portid, to);
    return length;
  }

  private unicast(current: Current, skb: NlSkb, portid: number, to: NetlinkSock | null): void {
    if (portid === 0 && this.proto.input !== undefined) {
      this.proto.input(current, skb.data, this.portid, (data) => {
        // An answer that finds no room is lost, and its receiver is told so.
        if (this.full) this.overrun();
        else this.netlink_sendskb(data);
      });
      return;
    }
    if (to === null) throw errno(ECONNREFUSED, 'nobody has netlink port {} of protocol {}', portid, this.protocol); // prettier-ignore
    if (to.dst_portid !== 0 && to.dst_portid !== this.portid) throw errno(ECONNREFUSED, '{} is connected to port {}', to, to.dst_portid); // prettier-ignore
    to.deliver(skb);
  }

  get full(): boolean {
    const { netlink } = this.kernel.vfs;
    // All sockets share a bound of memory: a quarter of RAM.
    return this.rmem > this.rcvbuf || netlink.bytes > this.kernel.frames.total * 1024;
  }

  overrun(): void {
    this.err = ENOBUFS;
    this.wq.wake(EPOLLERR);
  }

  deliver(skb: NlSkb): void {
    this.queue.push(skb);
    this.charge(sizeOf(skb));
    this.wq.wake(EPOLLIN | EPOLLRDNORM);
  }

  /** A message of the kernel's own. */
  netlink_sendskb(data: Uint8Array): void {
    this.deliver({ data, portid: 0, group: 0, cred: KERNEL });
  }

  private charge(bytes: number): void {
    this.rmem += bytes;
    this.kernel.vfs.netlink.bytes += bytes;
  }

  override recvmsg(current: Current, to: IovIter, flags: number): Received | number {
    if (flags & MSG_OOB) throw errno(EOPNOTSUPP, '{} has no urgent data', this);
    if (this.err !== 0) throw errno(this.takeError(), '{}: messages were lost', this);
    const skb = this.queue[0];
    if (skb === undefined) {
      const nonblock = (flags & MSG_DONTWAIT) !== 0;
      return this.waitFor(current, this.wq, nonblock, this.rcvtimeo, 0, 'no message has come');
    }
    const n = to.copyTo(skb.data, 0, skb.data.length);
    if (!(flags & MSG_PEEK)) {
      this.queue.shift();
      this.charge(-sizeOf(skb));
      this.peer_wait.wake(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
    }
    return {
      n: flags & MSG_TRUNC ? skb.data.length : n,
      name: sockaddr_nl(skb.portid, maskOf(skb.group)),
      ancillary: { fds: [], cred: skb.cred, ...(this.pktinfo && { nl_group: skb.group }) },
      flags: n < skb.data.length ? MSG_TRUNC : 0,
    };
  }

  override shutdown(): void {
    throw errno(EOPNOTSUPP, '{}: shutdown is not for this kind of socket', this);
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.wq);
    const writable = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    return (this.err !== 0 ? EPOLLERR : 0) | (this.queue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0) | writable; // prettier-ignore
  }

  override setProtocolOption(
    current: Current,
    level: number,
    name: number,
    value: Uint8Array,
  ): void {
    // prettier-ignore
    if (level !== SOL_NETLINK) throw errno(ENOPROTOOPT, '{} has no options of level {}', this, level); // prettier-ignore
    netlink_setsockopt(current, this, name, value);
  }

  override getProtocolOption(_current: Current, level: number, name: number): Uint8Array {
    if (level !== SOL_NETLINK) throw errno(ENOPROTOOPT, '{} has no options of level {}', this, level); // prettier-ignore
    return netlink_getsockopt(this, name);
  }

  override getSpecialOption(name: number): Uint8Array | null {
    return name === SO_PEERCRED ? new Uint8Array(Int32Array.of(0, -1, -1).buffer) : null;
  }

  override release(): void {
    this.dead = true;
    this.kernel.vfs.netlink.sockets.delete(this);
    this.charge(-this.rmem);
    this.queue = [];
    this.peer_wait.wake();
  }
}

/** The netlink socket behind a descriptor. Throws EBADF, ENOTSOCK, EINVAL. */
export function netlink_getsockbyfd(current: Current, fd: number): NetlinkSock {
  const { sk } = sockfd_lookup(current, fd);
  if (!(sk instanceof NetlinkSock)) throw errno(EINVAL, 'fd {} is {}, not a netlink socket', fd, sk); // prettier-ignore
  return sk;
}

/** The lowest group of a mask, from 1, or 0. */
const ffs = (mask: number): number => (mask === 0 ? 0 : 32 - Math.clz32(mask & -mask));

function sockaddr_nl(portid: number, groups: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_NL);
  const view = viewOf(bytes);
  view.setUint16(0, AF_NETLINK, true);
  view.setInt32(4, portid, true);
  view.setUint32(8, groups, true);
  return bytes;
}

export class NetlinkFamily implements NetProtoFamily {
  static {
    serializable('NetlinkFamily', this);
  }
  create(current: Current, type: number, protocol: number): Sock {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM)
      throw errno(ESOCKTNOSUPPORT, 'AF_NETLINK has no sockets of type {}', type);
    if (protocol < 0 || protocol >= MAX_LINKS || !PROTOCOLS.has(protocol))
      throw errno(EPROTONOSUPPORT, 'this kernel has no netlink protocol {}', protocol);
    return new NetlinkSock(current.kernel, type, protocol);
  }
}

export function netlink_proto_init(kernel: Kernel): void {
  kernel.vfs.netlink = new NetlinkTable();
  sock_register(kernel, AF_NETLINK, new NetlinkFamily());
}
