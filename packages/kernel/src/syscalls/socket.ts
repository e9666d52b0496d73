import { EINVAL, EMSGSIZE, ENOBUFS, ENOTSOCK } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK } from '@vitrine/uapi/fcntl.ts';
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_WAITFORONE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_TYPE_MASK,
  SOL_SOCKET,
} from '@vitrine/uapi/net.ts';
import { SO_GET_FILTER, SO_PASSSEC } from '@vitrine/uapi/socket.ts';
import * as NR from '@vitrine/uapi/unistd.ts';
import type { Current } from '../include/current.ts';
import { BLOCKED, Errno, errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import { fd_install, fget, fput, get_unused_fd } from '../fs/fdtable.ts';
import { type File, want_files } from '../fs/file.ts';
import { net_setting } from '../net/core/sysctl.ts';
import { free_fds, scm_recv, scm_send } from '../net/scm.ts';
import type { Received, Sock } from '../net/sock.ts';
import { sk_get_filter } from '../net/filter.ts';
import { sock_getsockopt, sock_setsockopt } from '../net/sock_options.ts';
import { NO_ANCILLARY, SocketFile, sock_create, sockfd_lookup } from '../net/socket.ts';
import { import_iovec, userBuffer } from '../fs/iov.ts';
import {
  choice,
  fd,
  flags,
  inBuf,
  inOutStruct,
  inStruct,
  int,
  outArray,
  outBuf,
  ptr,
  size,
  uint,
} from './kinds.ts';
import { FULL, type SyscallRow, partial, row } from './row.ts';
import { putTimespec, timespecNs } from './timespec.ts';

function typeFlags(type: number): { nonblock: boolean; cloexec: boolean; kind: number } {
  const rest = type & ~SOCK_TYPE_MASK;
  if (rest & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
    throw errno(EINVAL, 'socket type flags {} are unknown', rest);
  return {
    nonblock: (rest & SOCK_NONBLOCK) !== 0,
    cloexec: (rest & SOCK_CLOEXEC) !== 0,
    kind: type & SOCK_TYPE_MASK,
  };
}

export function sys_socket(
  current: Current,
  family: number,
  type: number,
  protocol: number,
): number {
  const { nonblock, cloexec, kind } = typeFlags(type);
  const sk = sock_create(current, family, kind, protocol);
  return fd_install(current, new SocketFile(current, sk, nonblock), cloexec);
}

export function sys_socketpair(
  current: Current,
  family: number,
  type: number,
  protocol: number,
  to: number,
): number {
  const { nonblock, cloexec, kind } = typeFlags(type);
  // The numbers are told before there is anything that they could be of.
  const first = get_unused_fd(current);
  const second = get_unused_fd(current, first + 1);
  current.mem.putU32(to, first);
  current.mem.putU32(to + 4, second);
  const a = sock_create(current, family, kind, protocol);
  const b = sock_create(current, family, kind, protocol);
  a.socketpair(current, b);
  want_files(current, 2);
  for (const sk of [a, b]) fd_install(current, new SocketFile(current, sk, nonblock), cloexec);
  return 0;
}

/** A socket address that the caller gave (move_addr_to_kernel). */
function readName(current: Current, at: number, length: number): Uint8Array {
  if (length < 0 || length > 128)
    throw errno(EINVAL, 'a socket address has 0 to 128 bytes, not {}', length);
  return current.mem.read(at, length);
}

/** Gives the caller an address: as much as fits, and its whole length (move_addr_to_user). */
function putName(current: Current, name: Uint8Array, at: number, lengthAt: number): void {
  const room = current.mem.getI32(lengthAt);
  if (room < 0) throw errno(EINVAL, 'the room for the address is {} bytes', room);
  current.mem.write(at, name.subarray(0, Math.min(room, name.length)));
  current.mem.putU32(lengthAt, name.length);
}

export function sys_bind(current: Current, fd: number, name: number, length: number): number {
  const { sk } = sockfd_lookup(current, fd);
  sk.bind(current, readName(current, name, length));
  return 0;
}

export function sys_listen(current: Current, fd: number, backlog: number): number {
  sockfd_lookup(current, fd).sk.listen(current, backlog >>> 0 > 4096 ? 4096 : backlog);
  return 0;
}

export function sys_connect(current: Current, fd: number, name: number, length: number): number {
  const file = sockfd_lookup(current, fd);
  return file.sk.connect(current, readName(current, name, length), (file.flags & O_NONBLOCK) !== 0);
}

export function sys_accept4(
  current: Current,
  fd: number,
  name: number,
  lengthAt: number,
  flags: number,
): number {
  const listener = fget(current, fd);
  check_accept_flags(flags);
  get_unused_fd(current);
  const file = do_accept(current, listener, name, lengthAt, flags);
  if (typeof file === 'number') return file;
  return fd_install(current, file, (flags & SOCK_CLOEXEC) !== 0);
}

export function check_accept_flags(flags: number): void {
  if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
    throw errno(EINVAL, 'accept4: flags {} are unknown', flags);
}

/** Takes a connection that waits; it stays where it is when there can be no file for it. @returns BLOCKED while there is none */
export function do_accept(
  current: Current,
  listener: File,
  name: number,
  lengthAt: number,
  flags: number,
  nonblock: boolean = (listener.flags & O_NONBLOCK) !== 0,
): SocketFile | number {
  if (!(listener instanceof SocketFile))
    throw errno(ENOTSOCK, 'accept: {} is not a socket', listener.path);
  want_files(current);
  const sk = listener.sk.accept(current, nonblock);
  if (typeof sk === 'number') return sk;
  const file = new SocketFile(current, sk, (flags & SOCK_NONBLOCK) !== 0);
  try {
    if (name !== 0) putName(current, sk.getname(true), name, lengthAt);
  } catch (error) {
    fput(current, file);
    throw error;
  }
  return file;
}

export function sys_accept(current: Current, fd: number, name: number, lengthAt: number): number {
  return sys_accept4(current, fd, name, lengthAt, 0);
}

export function sys_getsockname(
  current: Current,
  fd: number,
  name: number,
  lengthAt: number,
): number {
  putName(current, sockfd_lookup(current, fd).sk.getname(false), name, lengthAt);
  return 0;
}

export function sys_getpeername(
  current: Current,
  fd: number,
  name: number,
  lengthAt: number,
): number {
  putName(current, sockfd_lookup(current, fd).sk.getname(true), name, lengthAt);
  return 0;
}

export function sys_shutdown(current: Current, fd: number, how: number): number {
  sockfd_lookup(current, fd).sk.shutdown(current, how);
  return 0;
}

const dontwait = (file: SocketFile): number => (file.flags & O_NONBLOCK ? MSG_DONTWAIT : 0);

export function sys_sendto(
  current: Current,
  fd: number,
  buf: number,
  length: number,
  flags: number,
  name: number,
  nameLength: number,
): number {
  const iter = userBuffer(current, buf, length);
  return send_to(current, sockfd_lookup(current, fd), iter, flags, name, nameLength);
}

export function send_to(
  current: Current,
  file: SocketFile,
  iter: IovIter,
  flags: number,
  name: number,
  nameLength: number,
): number {
  const address = name === 0 ? null : readName(current, name, nameLength);
  return file.sk.sendmsg(current, address, iter, NO_ANCILLARY, flags | dontwait(file));
}

export function sys_recvfrom(
  current: Current,
  fd: number,
  buf: number,
  length: number,
  flags: number,
  name: number,
  lengthAt: number,
): number {
  const file = sockfd_lookup(current, fd);
  const got = file.sk.recvmsg(current, userBuffer(current, buf, length), flags | dontwait(file));
  if (typeof got === 'number') return got;
  if (got.ancillary !== null) free_fds(current.kernel, got.ancillary.fds);
  if (name !== 0) putName(current, got.name ?? new Uint8Array(0), name, lengthAt);
  return got.n;
}

/** struct user_msghdr, 56 bytes. */
export interface Msghdr {
  readonly at: number;
  readonly name: number;
  readonly nameLength: number;
  readonly iov: number;
  readonly iovCount: number;
  readonly control: number;
  readonly controlLength: number;
}

export function readMsghdr(current: Current, at: number): Msghdr {
  const { mem } = current;
  const nameLength = mem.getI32(at + 8);
  if (nameLength < 0) throw errno(EINVAL, 'msg_namelen {} is negative', nameLength);
  const iovCount = mem.getU64(at + 24);
  if (iovCount > 1024) throw errno(EMSGSIZE, 'msg_iovlen {} is above UIO_MAXIOV (1024)', iovCount);
  const controlLength = mem.getU64(at + 40);
  if (controlLength > 0x7fff_ffff)
    throw errno(ENOBUFS, 'msg_controllen {} is above INT_MAX', controlLength);
  const name = mem.getU64(at);
  return {
    at,
    name,
    nameLength: name === 0 ? 0 : Math.min(nameLength, 128),
    iov: mem.getU64(at + 16),
    iovCount,
    control: mem.getU64(at + 32),
    controlLength,
  };
}

/** MSG_CMSG_COMPAT is the kernel's own mark of calls by 32-bit programs. */
export function forbidCompat(flags: number): void {
  if (flags & 0x8000_0000) throw errno(EINVAL, 'MSG_CMSG_COMPAT is not for programs to set');
}

function sendOne(current: Current, file: SocketFile, at: number, flags: number): number {
  forbidCompat(flags);
  const header = readMsghdr(current, at);
  const address = header.nameLength === 0 ? null : current.mem.read(header.name, header.nameLength);
  const iter = import_iovec(current, header.iov, header.iovCount);
  file.sk.check_send();
  let ancillary = NO_ANCILLARY;
  if (header.controlLength > 0) {
    const most = net_setting(current.kernel, 'core/optmem_max');
    if (header.controlLength > 36 && header.controlLength >= most)
      throw errno(ENOBUFS, 'msg_controllen {} is not below net.core.optmem_max ({})', header.controlLength, most); // prettier-ignore
    ancillary = scm_send(current, current.mem.read(header.control, header.controlLength));
  }
  try {
    return file.sk.sendmsg(current, address, iter, ancillary, flags | dontwait(file));
  } finally {
    // An error, or a wait after which the call runs again from the top and takes the descriptors anew.
    if (!ancillary.taken) free_fds(current.kernel, ancillary.fds);
  }
}

export function sys_sendmsg(current: Current, fd: number, msg: number, flags: number): number {
  return sendOne(current, sockfd_lookup(current, fd), msg, flags);
}

/** Writes back what came with a message: address, control messages, flags. @returns the flags */
export function finishRecv(
  current: Current,
  sk: Sock,
  header: Msghdr,
  got: Received,
  flags: number,
): number {
  const { mem } = current;
  let out = got.flags | (flags & MSG_CMSG_CLOEXEC);
  if (header.name !== 0) {
    const name = got.name ?? new Uint8Array(0);
    mem.write(header.name, name.subarray(0, Math.min(header.nameLength, name.length)));
    mem.putU32(header.at + 8, name.length);
  }
  // Who wants to know of labels is told that there is no room for them.
  if (got.ancillary !== null && header.control === 0 && sk.options.get(SO_PASSSEC))
    out |= MSG_CTRUNC;
  let written = 0;
  if (got.ancillary !== null) {
    const room = header.control === 0 ? 0 : header.controlLength;
    const { control, truncated } = scm_recv(
      current,
      got.ancillary,
      sk,
      (flags & MSG_CMSG_CLOEXEC) !== 0,
      room,
    );
    if (truncated) out |= MSG_CTRUNC;
    if (control.length > 0) mem.write(header.control, control);
    written = control.length;
  }
  mem.putU64(header.at + 40, written);
  mem.putU32(header.at + 48, out);
  return out;
}

function recvOne(current: Current, file: SocketFile, at: number, flags: number): number {
  forbidCompat(flags);
  const header = readMsghdr(current, at);
  const iter: IovIter = import_iovec(current, header.iov, header.iovCount);
  const got = file.sk.recvmsg(current, iter, flags | dontwait(file));
  if (typeof got === 'number') return got;
  finishRecv(current, file.sk, header, got, flags);
  return got.n;
}

export function sys_recvmsg(current: Current, fd: number, msg: number, flags: number): number {
  return recvOne(current, sockfd_lookup(current, fd), msg, flags);
}

const MMSGHDR = 64;

/** Several messages, between the attempts at one of them. */
interface ManyState {
  /** Messages done. */
  done: number;
  /** The state of the one that waits. */
  inner: unknown;
  /** recvmmsg's timeout, in monotonic nanoseconds. */
  readonly end: number;
}

/**
 * One message after the other. An error or a signal after the first ones ends the call without being told.
 * @param more called after each: is another to follow?
 */
function many(
  current: Current,
  vec: number,
  count: number,
  timeout: number,
  one: (at: number, done: number) => number,
  more: (end: number) => boolean,
): number {
  const before = current.callState as ManyState | null;
  const state: ManyState = before ?? { done: 0, inner: null, end: current.kernel.clock.now() + timeout }; // prettier-ignore
  for (; state.done < Math.min(count, 1024);) {
    let n: number;
    current.callState = state.inner;
    try {
      n = one(vec + state.done * MMSGHDR, state.done);
    } catch (error) {
      if (state.done > 0 && error instanceof Errno) return state.done;
      throw error;
    }
    state.inner = n === BLOCKED ? current.callState : null;
    current.callState = state;
    if (n === BLOCKED) return BLOCKED;
    current.mem.putU32(vec + state.done * MMSGHDR + 56, n);
    state.done++;
    if (!more(state.end)) break;
  }
  return state.done;
}

export function sys_sendmmsg(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  flags: number,
): number {
  const file = sockfd_lookup(current, fd);
  return many(
    current,
    vec,
    count,
    0,
    (at) => sendOne(current, file, at, flags),
    () => true,
  );
}

/** The timeout is looked at after each message only (recvmmsg(2), BUGS). */
export function sys_recvmmsg(
  current: Current,
  fd: number,
  vec: number,
  count: number,
  flags: number,
  timeout: number,
): number {
  const file = sockfd_lookup(current, fd);
  const ns = timeout === 0 ? Infinity : timespecNs(current, timeout, 'recvmmsg');
  const { err } = file.sk;
  if (err !== 0 && current.callState === null)
    throw errno(file.sk.takeError(), 'an error of {} was not told yet', file.sk);
  const rest = flags & ~MSG_WAITFORONE;
  const later = flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;
  return many(
    current,
    vec,
    count,
    ns,
    (at, done) => recvOne(current, file, at, done > 0 ? rest | later : rest),
    (end) => {
      if (timeout === 0) return true;
      const left = Math.max(0, end - current.kernel.clock.now());
      putTimespec(current, timeout, left);
      return left > 0;
    },
  );
}

export function sys_setsockopt(
  current: Current,
  fd: number,
  level: number,
  name: number,
  value: number,
  length: number,
): number {
  const { sk } = sockfd_lookup(current, fd);
  if (length < 0) throw errno(EINVAL, 'setsockopt: length {} is negative', length);
  const bytes = current.mem.read(value, Math.min(length, 4096));
  if (level === SOL_SOCKET) sock_setsockopt(current, sk, name, bytes);
  else sk.setProtocolOption(current, level, name, bytes);
  return 0;
}

export function sys_getsockopt(
  current: Current,
  fd: number,
  level: number,
  name: number,
  value: number,
  lengthAt: number,
): number {
  const { sk } = sockfd_lookup(current, fd);
  const room = current.mem.getI32(lengthAt);
  if (room < 0) throw errno(EINVAL, 'getsockopt: length {} is negative', room);
  if (level === SOL_SOCKET && name === SO_GET_FILTER) {
    current.mem.putU32(lengthAt, sk_get_filter(current, sk, value, room));
    return 0;
  }
  const bytes =
    level === SOL_SOCKET
      ? sock_getsockopt(current, sk, name, room)
      : sk.getProtocolOption(current, level, name);
  const n = Math.min(room, bytes.length);
  current.mem.write(value, bytes.subarray(0, n));
  current.mem.putU32(lengthAt, n);
  return 0;
}

export const SOCKET: readonly SyscallRow[] = [
  row(
    NR.__NR_socket,
    'socket',
    [choice('family'), flags('socket_type'), int],
    partial('AF_UNIX and AF_NETLINK only'),
    sys_socket,
  ),
  row(
    NR.__NR_socketpair,
    'socketpair',
    [choice('family'), flags('socket_type'), int, outArray('fdpair', -1)],
    partial('AF_UNIX only'),
    sys_socketpair,
  ),
  row(NR.__NR_bind, 'bind', [fd, inStruct('sockaddr'), int], FULL, sys_bind),
  row(NR.__NR_listen, 'listen', [fd, int], FULL, sys_listen),
  row(NR.__NR_connect, 'connect', [fd, inStruct('sockaddr'), int], FULL, sys_connect),
  row(
    NR.__NR_accept,
    'accept',
    [fd, inOutStruct('sockaddr'), inOutStruct('socklen')],
    FULL,
    sys_accept,
  ),
  row(
    NR.__NR_accept4,
    'accept4',
    [fd, inOutStruct('sockaddr'), inOutStruct('socklen'), flags('accept')],
    FULL,
    sys_accept4,
  ),
  row(
    NR.__NR_getsockname,
    'getsockname',
    [fd, inOutStruct('sockaddr'), inOutStruct('socklen')],
    FULL,
    sys_getsockname,
  ),
  row(
    NR.__NR_getpeername,
    'getpeername',
    [fd, inOutStruct('sockaddr'), inOutStruct('socklen')],
    FULL,
    sys_getpeername,
  ),
  row(
    NR.__NR_sendto,
    'sendto',
    [fd, inBuf(2), size, flags('msg'), inStruct('sockaddr'), int],
    FULL,
    sys_sendto,
  ),
  row(
    NR.__NR_recvfrom,
    'recvfrom',
    [fd, outBuf(), size, flags('msg'), inOutStruct('sockaddr'), inOutStruct('socklen')],
    FULL,
    sys_recvfrom,
  ),
  row(NR.__NR_sendmsg, 'sendmsg', [fd, inStruct('msghdr'), flags('msg')], FULL, sys_sendmsg),
  row(NR.__NR_recvmsg, 'recvmsg', [fd, inOutStruct('msghdr'), flags('msg')], FULL, sys_recvmsg),
  row(NR.__NR_sendmmsg, 'sendmmsg', [fd, ptr, uint, flags('msg')], FULL, sys_sendmmsg),
  row(
    NR.__NR_recvmmsg,
    'recvmmsg',
    [fd, ptr, uint, flags('msg'), inStruct('timespec')],
    FULL,
    sys_recvmmsg,
  ),
  row(NR.__NR_shutdown, 'shutdown', [fd, choice('shutdown')], FULL, sys_shutdown),
  row(
    NR.__NR_setsockopt,
    'setsockopt',
    [fd, choice('sockopt_level'), choice('sockopt'), inBuf(4), int],
    FULL,
    sys_setsockopt,
  ),
  row(
    NR.__NR_getsockopt,
    'getsockopt',
    [fd, choice('sockopt_level'), choice('sockopt'), outBuf(-1), inOutStruct('socklen')],
    FULL,
    sys_getsockopt,
  ),
];
