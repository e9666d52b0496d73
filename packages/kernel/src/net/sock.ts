import { EAGAIN, EINTR, ENOTTY, EOPNOTSUPP } from '@vitrine/uapi/errno.ts';
import type { Current } from '../include/current.ts';
import { ERESTARTSYS, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { WaitQueue } from '../include/wait.ts';
import type { File } from '../fs/file.ts';
import { net_setting } from './core/sysctl.ts';
import { dev_ioctl, is_dev_ioctl } from './core/dev_ioctl.ts';
import type { SockFilter } from '../kernel/cbpf.ts';
import type { Pid } from '../kernel/pid.ts';

export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
export const SHUTDOWN_MASK = 3;

declare module '../fs/vfs.ts' {
  interface Vfs {
    /** The last SO_COOKIE given. */
    sockCookie?: number;
  }
}

/** What comes with the bytes of a message. */
export interface Ancillary {
  /** Open files (SCM_RIGHTS); the receiver takes over the references. */
  readonly fds: readonly File[];
  readonly cred: Ucred | null;
  /** When the message was sent, in nanoseconds of the epoch, for a receiver that wants to know. */
  readonly tstamp?: bigint | null;
  /** The netlink group it went to, for a receiver that wants to know (NETLINK_PKTINFO). */
  readonly nl_group?: number;
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
  sndbuf: number;
  /** Somebody found no room to write, and O_ASYNC is set (SOCKWQ_ASYNC_NOSPACE). */
  async_nospace = false;
  /** Who waits for bytes of a stream: where O_ASYNC is set, the call gets the news instead (SOCKWQ_ASYNC_WAITDATA). */
  private data_waiter: { readonly current: Current; readonly state: unknown } | null = null;
  rcvbuf: number;
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
  /** SO_BUF_LOCK: sizes of buffers that were set, and do not adapt. */
  bufLock = 0;
  /** SO_MAX_PACING_RATE. */
  pacing: bigint = ~0n;
  /** SO_ATTACH_FILTER. */
  filter: readonly SockFilter[] | null = null;
  /** SO_COOKIE; 0 before it is asked for. */
  cookie = 0;
  /** How the time of a message is told (SO_TIMESTAMP and its kin). */
  tstamp: { readonly ns: boolean; readonly wide: boolean } | null = null;
  /** Settings that are kept and told, by option number. */
  readonly options: Map<number, number> = new Map();
  lingerOn = false;
  lingerTime = 0;
  dead = false;

  constructor(kernel: Kernel, family: number, type: number, protocol: number) {
    this.kernel = kernel;
    this.sndbuf = net_setting(kernel, 'core/wmem_default');
    this.rcvbuf = net_setting(kernel, 'core/rmem_default');
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
  /** Files in messages that nobody has received: nobody else has them. */
  get filesOnTheWay(): number {
    return 0;
  }

  /** The next connection; BLOCKED when there is none yet. */
  accept(_current: Current, _nonblock: boolean): Sock | number {
    return unsupported('accept', this);
  }
  socketpair(_current: Current, _other: Sock): void {
    unsupported('socketpair', this);
  }
  /** Own address, or the peer's (throws ENOTCONN). */
  abstract getname(peer: boolean): Uint8Array;
  /** What stands against sending, before the message is read. */
  check_send(): void {}
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

  ioctl(current: Current, cmd: number, arg: number): number {
    if (is_dev_ioctl(cmd)) return dev_ioctl(current, cmd, arg);
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
  /** Bytes sent and not received yet. */
  get wmem_alloc(): number {
    return 0;
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
    if (done > 0 && (current.signal_pending() || current.takes_part)) return done;
    current.callState = { deadline, done } satisfies SockWait;
    return current.waitAny([queue], deadline, deadline === Infinity ? ERESTARTSYS : EINTR);
  }

  /** The call that waits now is for data of a stream. */
  wait_data(current: Current): void {
    const async = (this.file?.fasync ?? null) !== null;
    this.data_waiter = async ? { current, state: current.callState } : null;
  }

  /** Such a call waits, or was woken and has not run again. */
  get async_waitdata(): boolean {
    const waiter = this.data_waiter;
    if (waiter !== null && waiter.current.callState === waiter.state) return true;
    this.data_waiter = null;
    return false;
  }

  toString(): string {
    return `socket of family ${this.family}, type ${this.type}`;
  }
}

function unsupported(what: string, sock: Sock): never {
  throw errno(EOPNOTSUPP, '{}: {} is not for this kind of socket', sock, what);
}
