import {
  EAGAIN,
  EDOM,
  EINTR,
  EINVAL,
  ENODATA,
  ENOPROTOOPT,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
} from '@vitrine/uapi/errno.ts';
import { CAP_NET_ADMIN } from '@vitrine/uapi/capability.ts';
import * as SO from '@vitrine/uapi/socket.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { ERESTARTSYS, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { WaitQueue } from '../include/wait.ts';
import { fd_install } from '../fs/fdtable.ts';
import type { File } from '../fs/file.ts';
import { pidfd_prepare } from '../fs/pidfs/pidfd.ts';
import type { Pid } from '../kernel/pid.ts';

export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
export const SHUTDOWN_MASK = 3;

/** What comes with the bytes of a message. */
export interface Ancillary {
  /** Open files (SCM_RIGHTS); the receiver takes over the references. */
  readonly fds: readonly File[];
  readonly cred: Ucred | null;
  /** The references went into a message. */
  taken?: boolean;
}

/** struct ucred. */
export interface Ucred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** The process that sent it; none for a number that was made up. */
  readonly process: Pid | null;
}

export interface Received {
  /** Bytes copied, or the message's length with MSG_TRUNC. */
  readonly n: number;
  /** The sender's address, as struct sockaddr; null when the protocol tells none. */
  readonly name: Uint8Array | null;
  readonly ancillary: Ancillary | null;
  /** MSG_TRUNC, MSG_EOR … */
  readonly flags: number;
}

/** A deadline and progress, kept between the attempts at one call. */
interface SockWait {
  readonly deadline: number;
  readonly done: number;
}

/**
 * Analogous to `struct sock` with `struct proto_ops`: a socket of some family. The defaults are those of a protocol
 * without the operation.
 */
export abstract class Sock {
  readonly kernel: Kernel;
  readonly family: number;
  /** SOCK_… */
  readonly type: number;
  readonly protocol: number;
  /** The protocol's name in /proc/net/protocols. */
  abstract readonly prot_name: string;
  readonly wq: WaitQueue = new WaitQueue();
  shutdownMask = 0;
  /** SO_ERROR: told once. */
  err = 0;
  sndbuf = 212992;
  rcvbuf = 212992;
  rcvlowat = 1;
  rcvtimeo: number = Infinity;
  sndtimeo: number = Infinity;
  passcred = false;
  /** SO_PASSPIDFD. */
  passpidfd = false;
  /** SO_PEEK_OFF: where the next peek begins; −1 when that is not kept. */
  peek_off = -1;
  /** Its open file: whom to tell of urgent data. */
  file: File | null = null;
  /** Settings that are kept and told, by option number. */
  readonly options: Map<number, number> = new Map();
  lingerOn = false;
  lingerTime = 0;
  dead = false;

  constructor(kernel: Kernel, family: number, type: number, protocol: number) {
    this.kernel = kernel;
    this.family = family;
    this.type = type;
    this.protocol = protocol;
  }

  // prettier-ignore
  bind(_current: Current, _name: Uint8Array): void { unsupported('bind', this); }
  /** @returns 0, or BLOCKED */
  connect(_current: Current, _name: Uint8Array, _nonblock: boolean): number {
    return unsupported('connect', this);
  }
  // prettier-ignore
  listen(_current: Current, _backlog: number): void { unsupported('listen', this); }
  /** The next connection; BLOCKED when there is none yet. */
  accept(_current: Current, _nonblock: boolean): Sock | number {
    return unsupported('accept', this);
  }
  socketpair(_current: Current, _other: Sock): void {
    unsupported('socketpair', this);
  }
  /** Own address, or the peer's (throws ENOTCONN). */
  abstract getname(peer: boolean): Uint8Array;
  /** @returns bytes taken, or BLOCKED */
  abstract sendmsg(
    current: Current,
    name: Uint8Array | null,
    from: IovIter,
    ancillary: Ancillary,
    flags: number,
  ): number;
  /** @returns what came, or BLOCKED */
  abstract recvmsg(current: Current, to: IovIter, flags: number): Received | number;
  abstract shutdown(current: Current, how: number): void;
  abstract poll(current: Current, collect: WaitQueue[] | null): number;
  abstract release(): void;

  ioctl(_current: Current, cmd: number, _arg: number): number {
    throw errno(ENOTTY, '{} has no ioctl {}', this, '0x' + (cmd >>> 0).toString(16));
  }

  /** Levels other than SOL_SOCKET. */
  setProtocolOption(_current: Current, level: number, name: number, _value: Uint8Array): void {
    throw errno(EOPNOTSUPP, '{} has no options of level {} ({})', this, level, name);
  }
  getProtocolOption(_current: Current, level: number, name: number): Uint8Array {
    throw errno(EOPNOTSUPP, '{} has no options of level {} ({})', this, level, name);
  }
  /** SO_PEERCRED and other facts that the protocol knows; null for an option it does not. */
  getSpecialOption(_name: number): Uint8Array | null {
    return null;
  }
  /** Who is at the other end (SO_PEERPIDFD). */
  get peer_process(): Pid | null {
    return null;
  }
  /** SO_PEEK_OFF works. */
  get can_peek_off(): boolean {
    return false;
  }
  get listening(): boolean {
    return false;
  }

  /** The pending error, told once. */
  takeError(): number {
    const { err } = this;
    this.err = 0;
    return err;
  }

  // Waiting with SO_RCVTIMEO and SO_SNDTIMEO.

  /** How far this call has come before it last waited. */
  progress(current: Current): number {
    return (current.callState as SockWait | null)?.done ?? 0;
  }

  /** Parks the task until the socket changes; EAGAIN when the call must not wait or its time is over. */
  waitFor(
    current: Current,
    queue: WaitQueue,
    nonblock: boolean,
    timeout: number,
    done: number,
    what: string,
  ): number {
    const now = current.kernel.clock.now();
    const state = current.callState as SockWait | null;
    const deadline = state?.deadline ?? (timeout === Infinity ? Infinity : now + timeout);
    if (nonblock || now >= deadline) {
      if (done > 0) return done;
      throw errno(
        EAGAIN,
        '{} would wait: {}, and {}',
        this,
        what,
        nonblock ? 'the call must not wait' : 'its timeout is over',
      );
    }
    if (done > 0 && current.signal_pending()) return done;
    current.callState = { deadline, done } satisfies SockWait;
    return current.waitAny([queue], deadline, deadline === Infinity ? ERESTARTSYS : EINTR);
  }

  toString(): string {
    return `socket of family ${this.family}, type ${this.type}`;
  }
}

function unsupported(what: string, sock: Sock): never {
  throw errno(EOPNOTSUPP, '{}: {} is not for this kind of socket', sock, what);
}

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** Options that are only kept and told: name, least and greatest value. */
const KEPT: ReadonlySet<number> = new Set([
  SO.SO_DEBUG, SO.SO_REUSEADDR, SO.SO_REUSEPORT, SO.SO_KEEPALIVE, SO.SO_OOBINLINE, SO.SO_BROADCAST, SO.SO_DONTROUTE,
  SO.SO_PRIORITY, SO.SO_TIMESTAMP, SO.SO_TIMESTAMPNS, SO.SO_MARK, SO.SO_BUSY_POLL, SO.SO_PASSSEC, SO.SO_NO_CHECK,
  SO.SO_ZEROCOPY, SO.SO_RXQ_OVFL, SO.SO_INCOMING_CPU, SO.SO_LOCK_FILTER, SO.SO_SELECT_ERR_QUEUE, SO.SO_TIMESTAMP_NEW,
  SO.SO_TIMESTAMPNS_NEW, SO.SO_TIMESTAMPING_NEW, SO.SO_TIMESTAMPING,
]); // prettier-ignore
const BOOLEAN: ReadonlySet<number> = new Set([
  SO.SO_DEBUG, SO.SO_REUSEADDR, SO.SO_REUSEPORT, SO.SO_KEEPALIVE, SO.SO_OOBINLINE, SO.SO_BROADCAST, SO.SO_DONTROUTE,
  SO.SO_PASSSEC, SO.SO_TIMESTAMP, SO.SO_TIMESTAMPNS,
]); // prettier-ignore

// Newer than the headers that packages/uapi is made from.
const SO_PASSPIDFD = 76;
const SO_PEERPIDFD = 77;

const MIN_BUF = 2304;

/** struct timeval to nanoseconds; 0 means for ever. */
function timeout(value: Uint8Array): number {
  const view = new DataView(value.buffer, value.byteOffset);
  if (value.length < 16) throw errno(EINVAL, 'a socket timeout has 16 bytes, not {}', value.length);
  const sec = Number(view.getBigInt64(0, true));
  const usec = Number(view.getBigInt64(8, true));
  if (usec < 0 || usec >= 1e6)
    throw errno(EDOM, 'a socket timeout of {} microseconds is out of range', usec);
  const ns = sec * 1e9 + usec * 1e3;
  return ns <= 0 || !Number.isSafeInteger(ns) ? Infinity : ns;
}

function timeval(ns: number): Uint8Array {
  const n = ns === Infinity ? 0 : ns;
  return new Uint8Array(
    BigInt64Array.of(BigInt(Math.floor(n / 1e9)), BigInt(Math.floor((n % 1e9) / 1e3))).buffer,
  );
}

/** setsockopt(2) at level SOL_SOCKET. */
export function sock_setsockopt(
  current: Current,
  sock: Sock,
  name: number,
  value: Uint8Array,
): void {
  if (name === SO.SO_RCVTIMEO || name === SO.SO_RCVTIMEO_NEW) {
    sock.rcvtimeo = timeout(value);
    return;
  }
  if (name === SO.SO_SNDTIMEO || name === SO.SO_SNDTIMEO_NEW) {
    sock.sndtimeo = timeout(value);
    return;
  }
  if (value.length < 4)
    throw errno(EINVAL, 'socket option {} takes 4 bytes, not {}', name, value.length);
  const n = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  switch (name) {
    case SO.SO_SNDBUF:
    case SO.SO_RCVBUF:
    case SO.SO_SNDBUFFORCE:
    case SO.SO_RCVBUFFORCE:
      return setBuffer(current, sock, name, n);
    case SO.SO_RCVLOWAT:
      sock.rcvlowat = n < 0 ? 2147483647 : Math.max(1, n);
      return;
    case SO.SO_PASSCRED:
      sock.passcred = n !== 0;
      return;
    case SO_PASSPIDFD:
      sock.passpidfd = n !== 0;
      return;
    case SO.SO_PEEK_OFF:
      if (!sock.can_peek_off) throw errno(EOPNOTSUPP, '{} has no SO_PEEK_OFF', sock);
      sock.peek_off = n;
      return;
    case SO.SO_LINGER:
      if (value.length < 8) throw errno(EINVAL, 'SO_LINGER takes 8 bytes, not {}', value.length);
      sock.lingerOn = n !== 0;
      sock.lingerTime = new DataView(value.buffer, value.byteOffset).getInt32(4, true);
      return;
    case SO.SO_TYPE:
    case SO.SO_PROTOCOL:
    case SO.SO_DOMAIN:
    case SO.SO_ERROR:
    case SO.SO_ACCEPTCONN:
    case SO.SO_PEERCRED:
    case SO.SO_SNDLOWAT:
      throw errno(ENOPROTOOPT, 'socket option {} cannot be set', name);
    default:
      if (!KEPT.has(name)) throw errno(ENOPROTOOPT, '{} has no option {}', sock, name);
      sock.options.set(name, BOOLEAN.has(name) ? Number(n !== 0) : n);
  }
}

/** The kernel doubles what is asked for, to make room for its own bookkeeping (socket(7)). */
function setBuffer(current: Current, sock: Sock, name: number, n: number): void {
  const force = name === SO.SO_SNDBUFFORCE || name === SO.SO_RCVBUFFORCE;
  if (force && !capable(current.cred, CAP_NET_ADMIN))
    throw errno(EPERM, 'SO_SNDBUFFORCE and SO_RCVBUFFORCE need CAP_NET_ADMIN');
  const size = Math.max(
    MIN_BUF * 2,
    (force ? Math.min(n, 1 << 29) : Math.min(n >>> 0, 212992)) * 2,
  );
  if (name === SO.SO_SNDBUF || name === SO.SO_SNDBUFFORCE) sock.sndbuf = size;
  else sock.rcvbuf = size;
  sock.wq.wake();
}

/** getsockopt(2) at level SOL_SOCKET. */
export function sock_getsockopt(current: Current, sock: Sock, name: number): Uint8Array {
  switch (name) {
    case SO.SO_TYPE:
      return int(sock.type);
    case SO.SO_PROTOCOL:
      return int(sock.protocol);
    case SO.SO_DOMAIN:
      return int(sock.family);
    case SO.SO_ERROR:
      return int(sock.takeError());
    case SO.SO_ACCEPTCONN:
      return int(sock.listening ? 1 : 0);
    case SO.SO_SNDBUF:
      return int(sock.sndbuf);
    case SO.SO_RCVBUF:
      return int(sock.rcvbuf);
    case SO.SO_RCVLOWAT:
      return int(sock.rcvlowat);
    case SO.SO_SNDLOWAT:
      return int(1);
    case SO.SO_PASSCRED:
      return int(sock.passcred ? 1 : 0);
    case SO_PASSPIDFD:
      return int(sock.passpidfd ? 1 : 0);
    case SO_PEERPIDFD: {
      const pid = sock.peer_process;
      if (pid === null) throw errno(ENODATA, 'nobody is at the other end of {}', sock);
      return int(fd_install(current, pidfd_prepare(current, pid, 0), true));
    }
    case SO.SO_PEEK_OFF:
      if (!sock.can_peek_off) throw errno(EOPNOTSUPP, '{} has no SO_PEEK_OFF', sock);
      return int(sock.peek_off);
    case SO.SO_RCVTIMEO:
    case SO.SO_RCVTIMEO_NEW:
      return timeval(sock.rcvtimeo);
    case SO.SO_SNDTIMEO:
    case SO.SO_SNDTIMEO_NEW:
      return timeval(sock.sndtimeo);
    case SO.SO_LINGER:
      return new Uint8Array(Int32Array.of(sock.lingerOn ? 1 : 0, sock.lingerTime).buffer);
    default: {
      const special = sock.getSpecialOption(name);
      if (special !== null) return special;
      if (KEPT.has(name)) return int(sock.options.get(name) ?? 0);
      throw errno(ENOPROTOOPT, '{} has no option {}', sock, name);
    }
  }
}
