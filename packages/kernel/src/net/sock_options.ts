import { EACCES, EDOM, EINVAL, ENODATA, ENODEV, ENOENT, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from '@vitrine/uapi/errno.ts'; // prettier-ignore
import { CAP_NET_ADMIN, CAP_NET_RAW } from '@vitrine/uapi/capability.ts';
import * as SO from '@vitrine/uapi/socket.ts';
import { CLOCK_MONOTONIC } from '@vitrine/uapi/time.ts';
import { capable } from '../include/cred.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import { untilNul } from '../include/string.ts';
import { byteString, bytesOf, viewOf } from '../fs/bytes.ts';
import { fd_install } from '../fs/fdtable.ts';
import { pidfd_prepare } from '../fs/pidfs/pidfd.ts';
import { LOOPBACK } from './core/loopback.ts';
import { net_setting } from './core/sysctl.ts';
import { sk_attach_filter } from './filter.ts';
import type { Sock } from './sock.ts';

/** The options of level SOL_SOCKET (net/core/sock.c, sk_setsockopt and sk_getsockopt; socket(7)). */
interface SockOption {
  /** Absent: it only tells. @param n the value as an int */
  set?(current: Current, sock: Sock, n: number, value: Uint8Array): void;
  /** Absent: it is only set. A number is an int. @param room bytes that the caller has for it */
  get?(current: Current, sock: Sock, room: number): Uint8Array | number;
  /** The value is no int: any length will do. */
  readonly raw?: boolean;
}

const OPTIONS = new Map<number, SockOption>();

const ints = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
const long = (value: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(value).buffer);

function needs(current: Current, ok: boolean, caps: readonly number[], what: string): void {
  if (ok || caps.some((cap) => capable(current.cred, cap))) return;
  throw errno(EPERM, '{} is not for this caller: it needs {}', what, caps.includes(CAP_NET_RAW) ? 'CAP_NET_RAW' : 'CAP_NET_ADMIN'); // prettier-ignore
}
const RAW = [CAP_NET_RAW, CAP_NET_ADMIN];

// --- kept and told: nothing here depends on them ----------------------------------------------------------------------

const kept = (sock: Sock, name: number): number => sock.options.get(name) ?? 0;

function flag(name: number, check?: (current: Current, sock: Sock, on: boolean) => void): void {
  OPTIONS.set(name, {
    set(current, sock, n) {
      check?.(current, sock, n !== 0);
      sock.options.set(name, Number(n !== 0));
    },
    get: (_current, sock) => kept(sock, name),
  });
}

function number(
  name: number,
  initial: number,
  check?: (current: Current, sock: Sock, n: number) => void,
): void {
  OPTIONS.set(name, {
    set(current, sock, n) {
      check?.(current, sock, n);
      sock.options.set(name, n);
    },
    get: (_current, sock) => sock.options.get(name) ?? initial,
  });
}

for (const name of [SO.SO_REUSEADDR, SO.SO_KEEPALIVE, SO.SO_OOBINLINE, SO.SO_BROADCAST, SO.SO_DONTROUTE, SO.SO_PASSSEC, SO.SO_NO_CHECK, SO.SO_RXQ_OVFL, SO.SO_SELECT_ERR_QUEUE, SO.SO_WIFI_STATUS, SO.SO_NOFCS, SO.SO_RCVMARK]) flag(name); // prettier-ignore
flag(SO.SO_DEBUG, (current, _sock, on) => {
  if (on && !capable(current.cred, CAP_NET_ADMIN)) throw errno(EACCES, 'SO_DEBUG needs CAP_NET_ADMIN'); // prettier-ignore
});
flag(SO.SO_REUSEPORT, (_current, sock, on) => {
  if (on) throw errno(EOPNOTSUPP, '{} has no ports to share (SO_REUSEPORT)', sock);
});
flag(SO.SO_LOCK_FILTER, (_current, sock, on) => {
  if (!on && kept(sock, SO.SO_LOCK_FILTER)) throw errno(EPERM, 'the filter of {} is locked', sock);
});
flag(SO.SO_PREFER_BUSY_POLL, (current, _sock, on) => needs(current, !on, [CAP_NET_ADMIN], 'SO_PREFER_BUSY_POLL')); // prettier-ignore
number(SO.SO_PRIORITY, 0, (current, _sock, n) => needs(current, n >= 0 && n <= 6, RAW, 'a priority above 6')); // prettier-ignore
number(SO.SO_MARK, 0, (current) => needs(current, false, RAW, 'SO_MARK'));
number(SO.SO_INCOMING_CPU, -1);
number(SO.SO_BUSY_POLL, 0, (_current, _sock, n) => {
  if (n < 0) throw errno(EINVAL, 'SO_BUSY_POLL takes no time below zero: {} µs', n);
});
number(SO.SO_BINDTOIFINDEX, 0, (current, sock, n) => {
  needs(current, kept(sock, SO.SO_BINDTOIFINDEX) === 0, [CAP_NET_RAW], 'another SO_BINDTOIFINDEX');
  if (n < 0) throw errno(EINVAL, 'there is no interface {}', n);
});

/** Told, and what they would switch is not to be had on sockets without a network. */
for (const name of [SO.SO_ZEROCOPY, SO.SO_RESERVE_MEM])
  OPTIONS.set(name, {
    set(_current, sock, n) {
      if (n < 0 && name === SO.SO_RESERVE_MEM) throw errno(EINVAL, 'SO_RESERVE_MEM takes no length below zero: {} bytes', n); // prettier-ignore
      throw errno(EOPNOTSUPP, '{} has no memory to lend or reserve (option {})', sock, name);
    },
    get: () => 0,
  });
const unsupported = (_current: Current, sock: Sock): never => {
  throw errno(EOPNOTSUPP, '{} has no hash to compute again (SO_TXREHASH)', sock);
};
OPTIONS.set(SO.SO_TXREHASH, { set: unsupported, get: unsupported });
OPTIONS.set(SO.SO_BSDCOMPAT, { set() {}, get: () => 0 });
OPTIONS.set(SO.SO_CNX_ADVICE, { set() {} });
OPTIONS.set(SO.SO_INCOMING_NAPI_ID, { get: () => 0 });
OPTIONS.set(SO.SO_BUSY_POLL_BUDGET, {
  set(current, sock, n) {
    needs(current, n <= kept(sock, SO.SO_BUSY_POLL_BUDGET), [CAP_NET_ADMIN], 'a larger budget');
    if (n < 0 || n > 65535)
      throw errno(EINVAL, 'SO_BUSY_POLL_BUDGET takes 0 to 65535 packets, not {}', n);
    sock.options.set(SO.SO_BUSY_POLL_BUDGET, n);
  },
});
/** What filters can look at besides the packet (SKF_AD_MAX). */
OPTIONS.set(SO.SO_BPF_EXTENSIONS, { get: () => 64 });
OPTIONS.set(SO.SO_DETACH_REUSEPORT_BPF, {
  set(_current, sock) {
    throw errno(EINVAL, '{} shares no port, and no program chooses who gets what', sock);
  },
});

// --- interfaces, filters ----------------------------------------------------------------------------------------------

const IFNAMSIZ = 16;

OPTIONS.set(SO.SO_BINDTODEVICE, {
  raw: true,
  set(current, sock, _n, value) {
    const name = untilNul(byteString(value.subarray(0, IFNAMSIZ - 1)));
    if (name !== '' && name !== LOOPBACK) throw errno(ENODEV, 'there is no interface {}', name);
    needs(current, kept(sock, SO.SO_BINDTOIFINDEX) === 0, [CAP_NET_RAW], 'another SO_BINDTODEVICE');
    sock.options.set(SO.SO_BINDTOIFINDEX, name === '' ? 0 : 1);
  },
  get(_current, sock, room) {
    if (kept(sock, SO.SO_BINDTOIFINDEX) !== 1) return new Uint8Array(0);
    if (room < IFNAMSIZ) throw errno(EINVAL, 'the name of an interface takes {} bytes', IFNAMSIZ);
    return bytesOf(`${LOOPBACK}\0`);
  },
});
OPTIONS.set(SO.SO_ATTACH_FILTER, {
  set(current, sock, _n, value) {
    if (value.length !== 16)
      throw errno(EINVAL, 'struct sock_fprog has 16 bytes, not {}', value.length);
    if (kept(sock, SO.SO_LOCK_FILTER)) throw errno(EPERM, 'the filter of {} is locked', sock);
    sk_attach_filter(current, sock, value);
  },
  get: () => new Uint8Array(0),
});
/** Programs of bpf(2), of which there are none. */
OPTIONS.set(SO.SO_ATTACH_BPF, {
  set(_current, sock, fd, value) {
    if (value.length !== 4) throw errno(EINVAL, 'SO_ATTACH_BPF takes 4 bytes, not {}', value.length); // prettier-ignore
    if (kept(sock, SO.SO_LOCK_FILTER)) throw errno(EPERM, 'the filter of {} is locked', sock);
    throw errno(EOPNOTSUPP, 'fd {} cannot be a program: there is no bpf(2)', fd);
  },
});
OPTIONS.set(SO.SO_ATTACH_REUSEPORT_EBPF, OPTIONS.get(SO.SO_ATTACH_BPF)!);
OPTIONS.set(SO.SO_ATTACH_REUSEPORT_CBPF, {
  set(_current, sock, _n, value) {
    if (value.length !== 16)
      throw errno(EINVAL, 'struct sock_fprog has 16 bytes, not {}', value.length);
    if (kept(sock, SO.SO_LOCK_FILTER)) throw errno(EPERM, 'the filter of {} is locked', sock);
    throw errno(EINVAL, '{} shares no port, and no program chooses who gets what', sock);
  },
});
OPTIONS.set(SO.SO_DETACH_FILTER, {
  set(_current, sock) {
    if (kept(sock, SO.SO_LOCK_FILTER)) throw errno(EPERM, 'the filter of {} is locked', sock);
    if (sock.filter === null) throw errno(ENOENT, '{} has no filter', sock);
    sock.filter = null;
  },
});

// --- buffers and time -------------------------------------------------------------------------------------------------

const SOCK_MIN_SNDBUF = 4608;
const SOCK_MIN_RCVBUF = 2304;
const SNDBUF_LOCK = 1;
const RCVBUF_LOCK = 2;

/** The kernel doubles what is asked for, to make room for its own bookkeeping (socket(7)). */
function buffer(name: number, side: 'sndbuf' | 'rcvbuf', force: boolean): void {
  const [lock, least] = side === 'sndbuf' ? [SNDBUF_LOCK, SOCK_MIN_SNDBUF] : [RCVBUF_LOCK, SOCK_MIN_RCVBUF]; // prettier-ignore
  OPTIONS.set(name, {
    set(current, sock, n) {
      if (force) needs(current, false, [CAP_NET_ADMIN], 'SO_SNDBUFFORCE, SO_RCVBUFFORCE');
      sock.bufLock |= lock;
      const most = force ? 2 ** 30 - 1 : net_setting(sock.kernel, side === 'sndbuf' ? 'core/wmem_max' : 'core/rmem_max'); // prettier-ignore
      sock[side] = Math.max(least, Math.min(force ? Math.max(n, 0) : n >>> 0, most) * 2);
      sock.wq.wake();
    },
    ...(force ? {} : { get: (_current: Current, sock: Sock) => sock[side] }),
  });
}
buffer(SO.SO_SNDBUF, 'sndbuf', false);
buffer(SO.SO_RCVBUF, 'rcvbuf', false);
buffer(SO.SO_SNDBUFFORCE, 'sndbuf', true);
buffer(SO.SO_RCVBUFFORCE, 'rcvbuf', true);
OPTIONS.set(SO.SO_BUF_LOCK, {
  set(_current, sock, n) {
    if (n & ~(SNDBUF_LOCK | RCVBUF_LOCK)) throw errno(EINVAL, 'SO_BUF_LOCK has no bits {}', n);
    sock.bufLock = n;
  },
  get: (_current, sock) => sock.bufLock,
});
OPTIONS.set(SO.SO_RCVLOWAT, {
  set(_current, sock, n) {
    sock.rcvlowat = n < 0 ? 2147483647 : Math.max(1, n);
  },
  get: (_current, sock) => sock.rcvlowat,
});
OPTIONS.set(SO.SO_SNDLOWAT, { get: () => 1 });
/** SK_MEMINFO_VARS: what is used of both buffers, and of the others nothing. */
export const sk_get_meminfo = (sock: Sock): Uint8Array => ints(0, sock.rcvbuf, sock.wmem_alloc, sock.sndbuf, 0, 0, 0, 0, 0); // prettier-ignore
OPTIONS.set(SO.SO_MEMINFO, { get: (_current, sock) => sk_get_meminfo(sock) });

/** Seconds that a timeout in ticks (64 bits, 250 a second) cannot hold. */
const MAX_TIMEOUT = 2 ** 63 / 250 - 1;

/** struct timeval to nanoseconds; 0 means for ever, less than that not to wait at all (sock_set_timeout). */
function timeout(value: Uint8Array): number {
  if (value.length < 16) throw errno(EINVAL, 'a socket timeout has 16 bytes, not {}', value.length);
  const sec = Number(viewOf(value).getBigInt64(0, true));
  const usec = Number(viewOf(value).getBigInt64(8, true));
  if (usec < 0 || usec >= 1e6)
    throw errno(EDOM, 'a socket timeout of {} microseconds is out of range', usec);
  if (sec < 0) return 0;
  const ns = sec * 1e9 + usec * 1e3;
  return ns === 0 || sec >= MAX_TIMEOUT ? Infinity : ns;
}

function timeval(ns: number): Uint8Array {
  // What a number holds no longer exactly has no microseconds.
  const n = ns === Infinity ? 0 : Number.isSafeInteger(ns) ? ns : Math.round(ns / 1e9) * 1e9;
  if (n > Number.MAX_SAFE_INTEGER)
    return new Uint8Array(BigInt64Array.of(BigInt(Math.round(n / 1e9)), 0n).buffer);
  return new Uint8Array(BigInt64Array.of(BigInt(Math.floor(n / 1e9)), BigInt(Math.floor((n % 1e9) / 1e3))).buffer); // prettier-ignore
}

function timeouts(names: readonly number[], side: 'rcvtimeo' | 'sndtimeo'): void {
  for (const name of names)
    OPTIONS.set(name, {
      set(_current, sock, _n, value) {
        sock[side] = timeout(value);
      },
      get: (_current, sock) => timeval(sock[side]),
    });
}
timeouts([SO.SO_RCVTIMEO, SO.SO_RCVTIMEO_NEW], 'rcvtimeo');
timeouts([SO.SO_SNDTIMEO, SO.SO_SNDTIMEO_NEW], 'sndtimeo');

OPTIONS.set(SO.SO_LINGER, {
  set(_current, sock, n, value) {
    if (value.length < 8) throw errno(EINVAL, 'SO_LINGER takes 8 bytes, not {}', value.length);
    sock.lingerOn = n !== 0;
    if (sock.lingerOn) sock.lingerTime = viewOf(value).getInt32(4, true);
  },
  get: (_current, sock) => ints(sock.lingerOn ? 1 : 0, sock.lingerTime),
});
/** ~0: as fast as it goes. */
OPTIONS.set(SO.SO_MAX_PACING_RATE, {
  set(_current, sock, n, value) {
    sock.pacing = value.length >= 8 ? viewOf(value).getBigUint64(0, true) : n === -1 ? ~0n : BigInt(n >>> 0); // prettier-ignore
  },
  get: (_current, sock, room) => {
    const rate = BigInt.asUintN(64, sock.pacing);
    return room >= 8 ? long(BigInt.asIntN(64, rate)) : ints(rate > 0xffff_ffffn ? -1 : Number(rate) | 0); // prettier-ignore
  },
});
/** struct sock_txtime: clock and flags. */
OPTIONS.set(SO.SO_TXTIME, {
  set(current, sock, clock, value) {
    if (value.length !== 8) throw errno(EINVAL, 'struct sock_txtime has 8 bytes, not {}', value.length); // prettier-ignore
    const flags = viewOf(value).getUint32(4, true);
    if (flags & ~3) throw errno(EINVAL, 'SO_TXTIME: flags {} are unknown', flags);
    needs(
      current,
      clock === CLOCK_MONOTONIC,
      [CAP_NET_ADMIN],
      'another clock than CLOCK_MONOTONIC',
    );
    sock.options.set(SO.SO_TXTIME, clock * 4 + flags);
  },
  get: (_current, sock) => ints(kept(sock, SO.SO_TXTIME) >> 2, kept(sock, SO.SO_TXTIME) & 3),
});

// --- timestamps of messages -------------------------------------------------------------------------------------------

/** One at a time: the last one set says in what form a message's time is told (__sock_set_timestamps). */
function timestamp(name: number, ns: boolean, wide: boolean): void {
  OPTIONS.set(name, {
    set(_current, sock, n) {
      sock.tstamp = n === 0 ? null : { ns, wide };
    },
    get: (_current, { tstamp }) => Number(tstamp !== null && tstamp.wide === wide && (tstamp.ns === ns || (wide && !ns))), // prettier-ignore
  });
}
timestamp(SO.SO_TIMESTAMP, false, false);
timestamp(SO.SO_TIMESTAMPNS, true, false);
timestamp(SO.SO_TIMESTAMP_NEW, false, true);
timestamp(SO.SO_TIMESTAMPNS_NEW, true, true);

const SOF_TIMESTAMPING_MASK = 0x3_ffff;
for (const name of [SO.SO_TIMESTAMPING, SO.SO_TIMESTAMPING_NEW])
  OPTIONS.set(name, {
    set(_current, sock, n) {
      if (n & ~SOF_TIMESTAMPING_MASK) throw errno(EINVAL, 'SO_TIMESTAMPING has no flags {}', n);
      sock.options.set(SO.SO_TIMESTAMPING, n);
    },
    // struct so_timestamping: flags, and no clock of a device.
    get: (_current, sock) => ints(kept(sock, SO.SO_TIMESTAMPING), 0),
  });

// --- what the socket is, and who is at the other end ------------------------------------------------------------------

OPTIONS.set(SO.SO_TYPE, { get: (_current, sock) => sock.type });
OPTIONS.set(SO.SO_PROTOCOL, { get: (_current, sock) => sock.protocol });
OPTIONS.set(SO.SO_DOMAIN, { get: (_current, sock) => sock.family });
OPTIONS.set(SO.SO_ERROR, { get: (_current, sock) => sock.takeError() });
OPTIONS.set(SO.SO_ACCEPTCONN, { get: (_current, sock) => (sock.listening ? 1 : 0) });
OPTIONS.set(SO.SO_PASSCRED, {
  set(_current, sock, n) {
    sock.passcred = n !== 0;
  },
  get: (_current, sock) => (sock.passcred ? 1 : 0),
});
OPTIONS.set(SO.SO_PEERNAME, {
  get(_current, sock, room) {
    let name: Uint8Array;
    try {
      name = sock.getname(true);
    } catch {
      throw errno(ENOTCONN, '{} is not connected', sock);
    }
    if (name.length < room) throw errno(EINVAL, 'SO_PEERNAME has {} bytes, {} are asked for', name.length, room); // prettier-ignore
    return name;
  },
});
/** A number of its own for each socket that anybody asked about. */
export const sock_gen_cookie = (sock: Sock): number =>
  (sock.cookie ||= sock.kernel.vfs.sockCookie = (sock.kernel.vfs.sockCookie ?? 0) + 1);
OPTIONS.set(SO.SO_COOKIE, {
  get(_current, sock, room) {
    if (room < 8) throw errno(EINVAL, 'SO_COOKIE has 8 bytes, not {}', room);
    return long(BigInt(sock_gen_cookie(sock)));
  },
});
/** There is one network namespace. */
OPTIONS.set(SO.SO_NETNS_COOKIE, {
  get(_current, _sock, room) {
    if (room !== 8) throw errno(EINVAL, 'SO_NETNS_COOKIE has 8 bytes, not {}', room);
    return long(1n);
  },
});
OPTIONS.set(SO.SO_PEEK_OFF, {
  set(_current, sock, n) {
    if (!sock.can_peek_off) throw errno(EOPNOTSUPP, '{} has no SO_PEEK_OFF', sock);
    sock.peek_off = n;
  },
  get(_current, sock) {
    if (!sock.can_peek_off) throw errno(EOPNOTSUPP, '{} has no SO_PEEK_OFF', sock);
    return sock.peek_off;
  },
});

// Newer than the headers that packages/uapi is made from.
const SO_PASSPIDFD = 76;
const SO_PEERPIDFD = 77;
OPTIONS.set(SO_PASSPIDFD, {
  set(_current, sock, n) {
    sock.passpidfd = n !== 0;
  },
  get: (_current, sock) => (sock.passpidfd ? 1 : 0),
});
OPTIONS.set(SO_PEERPIDFD, {
  get(current, sock) {
    const pid = sock.peer_process;
    if (pid === null) throw errno(ENODATA, 'nobody is at the other end of {}', sock);
    return fd_install(current, pidfd_prepare(current, pid, 0), true);
  },
});

/** setsockopt(2) at level SOL_SOCKET. */
export function sock_setsockopt(
  current: Current,
  sock: Sock,
  name: number,
  value: Uint8Array,
): void {
  const option = OPTIONS.get(name);
  if (option?.raw) return option.set!(current, sock, 0, value);
  if (value.length < 4)
    throw errno(EINVAL, 'socket option {} takes 4 bytes, not {}', name, value.length);
  if (option?.set === undefined) throw errno(ENOPROTOOPT, '{} has no option {} to set', sock, name);
  option.set(current, sock, viewOf(value).getInt32(0, true), value);
}

/** getsockopt(2) at level SOL_SOCKET. @param room bytes that the caller has for the value */
export function sock_getsockopt(
  current: Current,
  sock: Sock,
  name: number,
  room: number,
): Uint8Array {
  const special = sock.getSpecialOption(name);
  if (special !== null) return special;
  const option = OPTIONS.get(name);
  if (option?.get === undefined)
    throw errno(ENOPROTOOPT, '{} has no option {} to tell', sock, name);
  const value = option.get(current, sock, room);
  return typeof value === 'number' ? ints(value) : value;
}
