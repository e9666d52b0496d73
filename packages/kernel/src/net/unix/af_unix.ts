import { LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET } from '@vitrine/uapi/landlock.ts';
import {
  EADDRINUSE,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EISCONN,
  ENODATA,
  ENOBUFS,
  ENOENT,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '@vitrine/uapi/errno.ts';
import { CAP_NET_ADMIN } from '@vitrine/uapi/capability.ts';
import { O_PATH } from '@vitrine/uapi/fcntl.ts';
import {
  AF_UNIX,
  AF_UNSPEC,
  MSG_OOB,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '@vitrine/uapi/net.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
} from '@vitrine/uapi/poll.ts';
import { SIOCATMARK, SO_PEERCRED, SO_PEERGROUPS } from '@vitrine/uapi/socket.ts';
import { FIONREAD, TIOCOUTQ } from '@vitrine/uapi/termios.ts';
import type { Current } from '../../include/current.ts';
import { capable } from '../../include/cred.ts';
import { errno } from '../../include/errno.ts';
import type { IovIter } from '../../include/iov.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { WaitQueue } from '../../include/wait.ts';
import type { Path } from '../../fs/dcache.ts';
import { fd_install } from '../../fs/fdtable.ts';
import { type File, PathFile } from '../../fs/file.ts';
import { type Inode, ihold, iput } from '../../fs/inode.ts';
import { mntget, mntput } from '../../fs/mount.ts';
import type { Pid } from '../../kernel/pid.ts';
import { net_setting } from '../core/sysctl.ts';
import { check_inflight, free_fds, task_ucred } from '../scm.ts';
import {
  type Ancillary,
  RCV_SHUTDOWN,
  type Received,
  SEND_SHUTDOWN,
  SHUTDOWN_MASK,
  Sock,
  type Ucred,
} from '../sock.ts';
import { skb_truesize } from '../skbuff.ts';
import { type NetProtoFamily, sock_register } from '../socket.ts';
import {
  type UnixName,
  UnixTable,
  abstract_key,
  autobind_name,
  bind_path,
  find_other,
  parse_sockaddr_un,
  printable,
  sockaddr_un,
} from './address.ts';
import { unix_gc } from './garbage.ts';
import { at_mark, recv_urg, unread } from './oob.ts';
import { recvDatagram, recvStream } from './recv.ts';
import { sendDatagram, sendStream } from './send.ts';

/** A message in a receive queue (analogous to `struct sk_buff`); on a listening socket, a connection to accept. */
export interface Skb {
  data: Uint8Array;
  /** Bytes of a stream that were read already. */
  offset: number;
  readonly cred: Ucred;
  fds: readonly File[];
  /** Who sent the descriptors: for the limit of those on the way. */
  readonly uid: number;
  readonly sender: UnixSock;
  /** What it counts for against the sender's buffer. */
  readonly truesize: number;
  readonly embryo: UnixSock | null;
  /** When it was sent, where the receiver wanted to know. */
  tstamp?: bigint;
  /** MSG_PEEK showed it (datagrams, SO_PEEK_OFF). */
  peeked?: boolean;
}

/** Nobody asked who sends a message. */
const NOBODY: Ucred = { pid: 0, uid: 65534, gid: 65534, process: null };

/** A Unix-domain socket (unix(7); analogous to `struct unix_sock`). */
export class UnixSock extends Sock {
  name: UnixName | null = null;
  /** Where it is bound; an accepted socket is where its listener is. */
  path: Path | null = null;
  /** The other end; for datagrams, where send(2) goes. */
  peer: UnixSock | null = null;
  /** It was connected, or of datagrams another to it (TCP_ESTABLISHED). */
  established = false;
  queue: Skb[] = [];
  /** The message of the queue whose byte is urgent. */
  oob_skb: Skb | null = null;
  /** Bytes sent and not received yet. */
  wmem = 0;
  isListening = false;
  backlog: number;
  peercred: Ucred | null = null;
  private peergroups: readonly number[] = [];
  /** Who waits for room in this socket's queue. */
  readonly peer_wait: WaitQueue = new WaitQueue();

  constructor(kernel: Kernel, type: number) {
    super(kernel, AF_UNIX, type, 0);
    this.backlog = net_setting(kernel, 'unix/max_dgram_qlen') >>> 0;
  }

  static {
    serializable('UnixSock', this);
  }

  get inode(): Inode | null {
    return this.path?.dentry.inode ?? null;
  }

  /** Takes a place in the file system, which stays mounted for it. */
  stay(path: Path): void {
    mntget(path.mnt);
    ihold(path.dentry.inode);
    this.path = path;
  }

  get prot_name(): string {
    return this.type === SOCK_STREAM ? 'UNIX-STREAM' : 'UNIX';
  }

  private get connected(): boolean {
    return this.type !== SOCK_DGRAM;
  }

  override get wmem_alloc(): number {
    return this.wmem;
  }

  override get peer_process(): Pid | null {
    return this.peercred?.process ?? null;
  }

  override get can_peek_off(): boolean {
    return true;
  }

  override get listening(): boolean {
    return this.isListening;
  }

  override toString(): string {
    return `unix socket ${this.name === null ? '(unnamed)' : printable(this.name)}`;
  }

  private init_peercred(current: Current): void {
    // Not as SCM_CREDENTIALS, which tells the real ids.
    const { euid, egid } = current.cred;
    this.peercred = { ...task_ucred(current), uid: euid, gid: egid };
    this.peergroups = current.cred.groups;
  }

  private copy_peercred(from: UnixSock): void {
    this.peercred = from.peercred;
    this.peergroups = from.peergroups;
  }

  override bind(current: Current, bytes: Uint8Array): void {
    const name = parse_sockaddr_un(bytes, true);
    if (name === '') return this.autobind();
    const table = this.kernel.vfs.unix;
    if (name.startsWith('\0')) {
      if (this.name !== null)
        throw errno(EINVAL, 'the socket is bound to {} already', printable(this.name));
      const key = abstract_key(this.type, name);
      if (table.abstract.has(key))
        throw errno(EADDRINUSE, 'abstract name {} is in use', printable(name));
      table.abstract.set(key, this);
    } else bind_path(current, this, name);
    this.name = name;
  }

  /** Its messages tell who sends them, which needs a name to tell. */
  get passes(): boolean {
    return this.passcred || this.passpidfd;
  }

  private autobind(): void {
    if (this.name !== null) return;
    this.name = autobind_name(this.kernel, this.type);
    this.kernel.vfs.unix.abstract.set(abstract_key(this.type, this.name), this);
  }

  override listen(current: Current, backlog: number): void {
    if (!this.connected) throw errno(EOPNOTSUPP, '{}: datagram sockets take no connections', this);
    if (this.name === null) throw errno(EINVAL, 'listen: {} is not bound', this);
    if (this.peer !== null) throw errno(EINVAL, 'listen: {} is connected', this);
    const more = backlog > this.backlog;
    this.backlog = Math.min(backlog >>> 0, net_setting(this.kernel, 'core/somaxconn'));
    this.isListening = true;
    this.init_peercred(current);
    if (more) this.peer_wait.wake();
  }

  override connect(current: Current, bytes: Uint8Array, nonblock: boolean): number {
    const family = bytes.length >= 2 ? bytes[0]! | (bytes[1]! << 8) : -1;
    if (!this.connected) return this.connectDatagram(current, bytes, family);
    const name = parse_sockaddr_un(bytes);
    if (this.passes) this.autobind();
    // Whoever cannot be connected to is told before the caller's own state (unix_stream_connect).
    const other = find_other(current, name, this.type);
    if (!other.isListening || other.shutdownMask & RCV_SHUTDOWN)
      throw errno(ECONNREFUSED, '{} is not listening', other);
    if (other.queue.length > other.backlog) {
      return this.waitFor(
        current,
        other.peer_wait,
        nonblock,
        this.sndtimeo,
        0,
        `the backlog of ${String(other)} (${other.backlog}) is full`,
      );
    }
    if (this.isListening) throw errno(EINVAL, 'connect: {} is listening', this);
    this.checkScope(current, other);
    if (this.peer !== null) throw errno(EISCONN, '{} is connected already', this);
    this.establish(current, other);
    return 0;
  }

  /** Makes the other end, and leaves it with the listener. */
  private establish(current: Current, listener: UnixSock): void {
    const end = new UnixSock(this.kernel, this.type);
    end.name = listener.name;
    if (listener.path !== null) end.stay(listener.path);
    end.peer = this;
    end.established = this.established = true;
    end.init_peercred(current);
    this.peer = end;
    this.copy_peercred(listener);
    listener.queue.push(end.skb(new Uint8Array(0), current, [], end, NOBODY));
    listener.wq.wake(EPOLLIN | EPOLLRDNORM);
  }

  private connectDatagram(current: Current, bytes: Uint8Array, family: number): number {
    let other: UnixSock | null = null;
    if (family !== AF_UNSPEC) {
      const name = parse_sockaddr_un(bytes);
      if (this.passes) this.autobind();
      other = find_other(current, name, this.type);
      this.checkMaySend(other);
      if (this.peer !== other) this.checkScope(current, other);
    }
    const old = this.peer;
    this.peer = other;
    this.established = other !== null;
    if (other !== null) other.established = true;
    if (old !== null && old !== other) this.disconnected(old);
    if (other !== null) this.copy_peercred(other);
    return 0;
  }

  /** A datagram socket has left its peer: what waits is lost, and a peer that is connected to it hears of that. */
  disconnected(old: UnixSock): void {
    if (this.queue.length === 0) return;
    this.purge();
    this.peer_wait.wake();
    if (old.dead || old.peer !== this) return;
    old.err = ECONNRESET;
    old.wq.wake(EPOLLERR);
  }

  private purge(): void {
    for (const skb of this.queue) {
      // A connection nobody accepted is reset.
      if (skb.embryo !== null) skb.embryo.reset();
      this.consume(skb);
      free_fds(this.kernel, this.landed(skb));
    }
    this.queue = [];
  }

  /** A connected datagram socket takes messages from its peer only (unix_may_send). */
  checkMaySend(other: UnixSock): void {
    if (other.peer !== null && other.peer !== this)
      throw errno(EPERM, '{} is connected to another socket', other);
  }

  /** A Landlock domain may forbid abstract names outside of it. */
  checkScope(current: Current, other: UnixSock): void {
    const { landlock } = current.cred;
    if (landlock === null || other.name === null || !other.name.startsWith('\0')) return;
    if (landlock.is_scoped(other.file?.cred.landlock ?? null, LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET))
      throw errno(EPERM, 'Landlock: {} is outside of the domain, which may not reach abstract names there', other); // prettier-ignore
  }

  override get filesOnTheWay(): number {
    let n = 0;
    for (const { fds } of this.queue) for (const { count } of fds) n += 1 / count;
    return n;
  }

  override accept(current: Current, nonblock: boolean): Sock | number {
    if (!this.connected) throw errno(EOPNOTSUPP, '{}: datagram sockets take no connections', this);
    if (!this.isListening) throw errno(EINVAL, 'accept: {} is not listening', this);
    const skb = this.queue.shift();
    if (skb === undefined) {
      // Who would not wait does not hear of it.
      if (this.shutdownMask & RCV_SHUTDOWN && !nonblock)
        throw errno(EINVAL, 'accept: {} was shut down', this);
      return this.waitFor(current, this.wq, nonblock, this.rcvtimeo, 0, 'nobody has connected');
    }
    this.consume(skb);
    this.peer_wait.wake();
    const embryo = skb.embryo!;
    embryo.passcred = this.passcred;
    embryo.passpidfd = this.passpidfd;
    return embryo;
  }

  override socketpair(current: Current, other: Sock): void {
    const b = other as UnixSock;
    this.peer = b;
    b.peer = this;
    this.established = b.established = true;
    this.init_peercred(current);
    b.init_peercred(current);
  }

  override getname(peer: boolean): Uint8Array {
    if (!peer) return sockaddr_un(this.name);
    if (this.peer === null) throw errno(ENOTCONN, '{} is not connected', this);
    return sockaddr_un(this.peer.name);
  }

  // Sending.

  /** Who a message says that it is from: who it claims, or the sender where one of both ends asks for it (maybe_add_creds). */
  creds(current: Current, other: UnixSock, { cred }: Ancillary): Ucred {
    if (cred !== null) return cred;
    return this.passes || other.passes || other.file === null ? task_ucred(current) : NOBODY;
  }

  skb(
    data: Uint8Array,
    current: Current,
    fds: readonly File[],
    embryo: UnixSock | null,
    cred: Ucred,
  ): Skb {
    const truesize = skb_truesize(data.length, this.type === SOCK_STREAM);
    this.wmem += truesize;
    const table = this.kernel.vfs.unix;
    table.bytes += truesize;
    const uid = current.cred.uid;
    if (fds.length > 0) table.inflight.set(uid, (table.inflight.get(uid) ?? 0) + fds.length);
    return {
      data,
      offset: 0,
      cred,
      fds,
      uid,
      sender: this,
      truesize,
      embryo,
    };
  }

  /** A message left a queue: its sender has room again. */
  consume(skb: Skb): void {
    const table = this.kernel.vfs.unix;
    table.bytes -= skb.truesize;
    const { sender } = skb;
    sender.wmem -= skb.truesize;
    sender.write_space();
  }

  /** A message of its is gone: who waits for room is told (unix_write_space). */
  write_space(): void {
    if (this.writable && this.wq.active) this.wq.wake(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  }

  /** Takes a message out of the queue. */
  unlink(skb: Skb): void {
    if (this.queue[0] === skb) this.queue.shift();
    else this.queue.splice(this.queue.indexOf(skb), 1);
    this.consume(skb);
  }

  /** Bytes were peeked at, or (below 0) taken (sk_peek_offset_fwd, _bwd). */
  peek_offset(bytes: number): void {
    if (this.peek_off >= 0) this.peek_off = Math.max(0, this.peek_off + bytes);
  }

  /** Descriptors of a message are no longer on the way. */
  landed(skb: Skb): readonly File[] {
    const { fds } = skb;
    if (fds.length > 0) {
      const { inflight } = this.kernel.vfs.unix;
      inflight.set(skb.uid, (inflight.get(skb.uid) ?? 0) - fds.length);
      skb.fds = [];
      if (this.queue.every((other) => other.fds.length === 0))
        this.kernel.vfs.unix.carriers.delete(this);
    }
    return fds;
  }

  no_space(): void {
    this.async_nospace = (this.file?.fasync ?? null) !== null;
  }

  get writable(): boolean {
    return this.wmem * 4 <= this.sndbuf;
  }

  /** A seqpacket socket tells its own state before anybody looks at a message (unix_seqpacket_sendmsg). */
  override check_send(): void {
    if (this.type !== SOCK_SEQPACKET) return;
    this.throwError();
    if (this.peer === null) throw errno(ENOTCONN, '{} is not connected', this);
  }

  /** What happened to the socket before is told first (sock_error). */
  throwError(): void {
    const code = this.takeError();
    if (code !== 0)
      throw errno(code, 'the other end of {} was closed with messages it had not read', this);
  }

  override sendmsg(
    current: Current,
    bytes: Uint8Array | null,
    from: IovIter,
    ancillary: Ancillary,
    flags: number,
  ): number {
    this.check_send();
    if (flags & MSG_OOB && (this.type !== SOCK_STREAM || from.count === 0))
      throw errno(EOPNOTSUPP, '{}: only a byte of a stream can be urgent', this);
    if (ancillary.fds.length > 0)
      check_inflight(current, this.kernel.vfs.unix.inflight.get(current.cred.uid) ?? 0);
    if (this.passes && this.type !== SOCK_STREAM) this.autobind();
    // Sockets share a bound of memory, as network protocols do (tcp_mem): a quarter of RAM.
    if (this.kernel.vfs.unix.bytes > this.kernel.frames.total * 1024) {
      throw errno(
        ENOBUFS,
        'unix sockets hold {} bytes, a quarter of memory',
        this.kernel.vfs.unix.bytes,
      );
    }
    if (this.type === SOCK_STREAM) return sendStream(this, current, bytes, from, ancillary, flags);
    return sendDatagram(this, current, bytes, from, ancillary, flags);
  }

  // Receiving.

  override recvmsg(current: Current, to: IovIter, flags: number): Received | number {
    if (this.isListening || (this.connected && this.peer === null))
      throw errno(this.type === SOCK_STREAM ? EINVAL : ENOTCONN, '{} is not connected', this);
    if (flags & MSG_OOB && this.type !== SOCK_STREAM)
      throw errno(EOPNOTSUPP, '{} has no out-of-band data', this);
    if (flags & MSG_OOB) return recv_urg(this, to, flags);
    return this.type === SOCK_STREAM
      ? recvStream(this, current, to, flags)
      : recvDatagram(this, current, to, flags);
  }

  // The rest.

  override shutdown(_current: Current, how: number): void {
    if (how < 0 || how > 2)
      throw errno(EINVAL, 'shutdown: {} is none of SHUT_RD, SHUT_WR, SHUT_RDWR', how);
    const mask = how + 1;
    this.shutdownMask |= mask;
    this.changed();
    const { peer } = this;
    if (peer !== null && this.connected) {
      peer.shutdownMask |=
        (mask & RCV_SHUTDOWN ? SEND_SHUTDOWN : 0) | (mask & SEND_SHUTDOWN ? RCV_SHUTDOWN : 0);
      peer.changed();
    }
  }

  /** Tells everybody who looks at the socket that its state is another. */
  private changed(): void {
    this.wq.wake();
    this.peer_wait.wake();
  }

  override poll(_current: Current, collect: WaitQueue[] | null): number {
    collect?.push(this.wq);
    let mask = 0;
    if (this.err !== 0) mask |= EPOLLERR;
    if (this.shutdownMask === SHUTDOWN_MASK) mask |= EPOLLHUP;
    if (this.shutdownMask & RCV_SHUTDOWN) mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (this.queue.length > 0) mask |= EPOLLIN | EPOLLRDNORM;
    if (this.oob_skb !== null) mask |= EPOLLPRI;
    if (this.connected && this.peer === null && !this.isListening) mask |= EPOLLHUP;
    if (this.isListening) return mask;
    let { writable } = this;
    if (this.type === SOCK_DGRAM && this.peer !== null && this.peer.peer !== this) {
      collect?.push(this.peer.peer_wait);
      if (this.peer.queue.length > this.peer.backlog) writable = false;
    }
    if (writable) mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    else if (this.type === SOCK_DGRAM) this.no_space();
    return mask;
  }

  /** Bytes to be read; of datagrams those of the first (unix_inq_len). */
  get inq_len(): number {
    const waiting = this.type !== SOCK_DGRAM ? this.queue : this.queue.slice(0, 1);
    return waiting.reduce((n, skb) => n + skb.data.length - skb.offset, 0);
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    if (cmd === FIONREAD) {
      if (this.isListening) throw errno(EINVAL, 'FIONREAD: {} is listening', this);
      current.mem.putU32(arg, this.inq_len);
      return 0;
    }
    if (cmd === TIOCOUTQ) {
      current.mem.putU32(arg, this.wmem);
      return 0;
    }
    if (cmd === SIOCATMARK) {
      if (this.type !== SOCK_STREAM) throw errno(EOPNOTSUPP, '{} has no marks', this);
      current.mem.putU32(arg, at_mark(this) ? 1 : 0);
      return 0;
    }
    if (cmd === SIOCUNIXFILE) return this.open_file(current);
    return super.ioctl(current, cmd, arg);
  }

  /** A descriptor (O_PATH) of where the socket is bound (unix_open_file). */
  private open_file(current: Current): number {
    if (!capable(current.cred, CAP_NET_ADMIN))
      throw errno(EPERM, 'SIOCUNIXFILE needs CAP_NET_ADMIN');
    if (this.path === null) throw errno(ENOENT, '{} is not bound to a path', this);
    return fd_install(current, new PathFile(current, this.path, O_PATH), true);
  }

  override getSpecialOption(name: number): Uint8Array | null {
    if (name === SO_PEERCRED) {
      const { pid, uid, gid } = this.peercred ?? { pid: 0, uid: -1, gid: -1 };
      return new Uint8Array(Int32Array.of(pid, uid, gid).buffer);
    }
    if (name === SO_PEERGROUPS) {
      if (this.peercred === null) throw errno(ENODATA, 'nobody is at the other end of {}', this);
      return new Uint8Array(Int32Array.from(this.peergroups).buffer);
    }
    return null;
  }

  override release(): void {
    const table = this.kernel.vfs.unix;
    this.dead = true;
    this.shutdownMask = SHUTDOWN_MASK;
    const key = this.name === null ? '' : abstract_key(this.type, this.name);
    if (table.abstract.get(key) === this) table.abstract.delete(key);
    if (this.inode !== null && table.byInode.get(this.inode) === this)
      table.byInode.delete(this.inode);
    if (this.path !== null) {
      iput(this.path.dentry.inode);
      mntput(this.path.mnt);
      this.path = null;
    }
    const { peer } = this;
    if (peer !== null && this.connected) {
      if (unread(this)) peer.err = ECONNRESET;
      peer.shutdownMask = SHUTDOWN_MASK;
      // To who has O_ASYNC it says POLL_HUP.
      peer.wq.wake(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP | EPOLLHUP); // prettier-ignore
    }
    this.purge();
    this.oob_skb = null;
    this.changed();
    let onTheWay = 0;
    for (const n of table.inflight.values()) onTheWay += n;
    if (onTheWay > 0) unix_gc(this.kernel);
  }

  /** The listener went away before this end was accepted. */
  private reset(): void {
    if (this.peer !== null) this.peer.err = ECONNRESET;
    this.release();
  }

  /** Takes away all descriptors in the queue: garbage collection found the socket unreachable. */
  dropFds(): File[] {
    const out: File[] = [];
    for (const skb of this.queue) out.push(...this.landed(skb));
    return out;
  }
}

/** ioctl(2): where is the socket? */
const SIOCUNIXFILE = 0x89e0;

export class UnixFamily implements NetProtoFamily {
  static {
    serializable('UnixFamily', this);
  }
  create(current: Current, type: number, protocol: number): Sock {
    if (protocol !== 0 && protocol !== AF_UNIX)
      throw errno(EPROTONOSUPPORT, 'AF_UNIX has no protocol {}', protocol);
    if (type === SOCK_RAW) type = SOCK_DGRAM; // as BSD had it
    if (![SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET].includes(type))
      throw errno(ESOCKTNOSUPPORT, 'AF_UNIX has no sockets of type {}', type);
    return new UnixSock(current.kernel, type);
  }
}

export function af_unix_init(kernel: Kernel): void {
  kernel.vfs.unix = new UnixTable();
  sock_register(kernel, AF_UNIX, new UnixFamily());
}
