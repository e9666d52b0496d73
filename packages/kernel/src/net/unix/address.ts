import { security_path_mknod } from '../../fs/security.ts';
import {
  EADDRINUSE,
  ECONNREFUSED,
  EEXIST,
  EINVAL,
  ENOSPC,
  EPROTOTYPE,
} from '@vitrine/uapi/errno.ts';
import { AT_FDCWD } from '@vitrine/uapi/fcntl.ts';
import { AF_UNIX } from '@vitrine/uapi/net.ts';
import { S_IFSOCK } from '@vitrine/uapi/stat.ts';
import type { Current } from '../../include/current.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { byteString, bytesOf } from '../../fs/bytes.ts';
import { Path } from '../../fs/dcache.ts';
import { type Inode, MAY_WRITE, S_ISSOCK } from '../../fs/inode.ts';
import { LOOKUP_FOLLOW, path_lookupat } from '../../fs/namei.ts';
import { filename_create, vfs_mknod } from '../../fs/namei_ops.ts';
import { inode_permission } from '../../fs/permission.ts';
import { STREAM_CHUNK } from '../skbuff.ts';
import type { UnixSock } from './af_unix.ts';

declare module '../../fs/vfs.ts' {
  interface Vfs {
    unix: UnixTable;
  }
}

/** Buffers that are kept: what one socket's queue holds. */
const MAX_SPARE = 8;

/** Bound sockets: by abstract name, and by the inode of a path. */
export class UnixTable {
  readonly abstract: Map<string, UnixSock> = new Map();
  readonly byInode: Map<Inode, UnixSock> = new Map();
  /** Next number tried by autobind. */
  autobind = 0;
  /** Descriptors in messages not received yet, by sending user. */
  readonly inflight: Map<number, number> = new Map();
  /** Sockets with descriptors in their receive queues. */
  readonly carriers: Set<UnixSock> = new Set();
  /** Bytes in the queues of all sockets. */
  bytes = 0;
  /** Buffers for long pieces of streams, to be used again: to make one takes as long as to fill it. */
  private spare: Uint8Array[] = [];

  static readonly transient: readonly string[] = ['spare'];
  static {
    serializable('UnixTable', this);
  }
  static revive(self: UnixTable): void {
    self.spare = [];
  }

  /** Room for so many bytes of a stream, at most {@link STREAM_CHUNK}; what is in it must not be seen. */
  buffer(length: number): Uint8Array {
    if (length < STREAM_CHUNK / 2) return new Uint8Array(length);
    return (this.spare.pop() ?? new Uint8Array(STREAM_CHUNK)).subarray(0, length);
  }

  /** Nobody has the bytes any more. */
  recycle({ buffer }: Uint8Array): void {
    if (buffer.byteLength === STREAM_CHUNK && this.spare.length < MAX_SPARE)
      this.spare.push(new Uint8Array(buffer));
  }
}

/** Analogous to `struct unix_address`: sun_path as a byte string; an abstract name starts with a NUL. */
export type UnixName = string;

/** struct sockaddr_un; an unnamed socket has only the family. */
export function sockaddr_un(name: UnixName | null): Uint8Array {
  if (name === null) return Uint8Array.of(AF_UNIX, 0);
  const path = name.startsWith('\0') ? name : name + '\0';
  const bytes = new Uint8Array(2 + path.length);
  bytes[0] = AF_UNIX;
  bytes.set(bytesOf(path), 2);
  return bytes;
}

/** Checks an address (unix_validate_addr). @returns the name; '' asks bind for an automatic one */
export function parse_sockaddr_un(bytes: Uint8Array, automatic = false): UnixName {
  const least = automatic ? 2 : 3;
  if (bytes.length < least || bytes.length > 110)
    throw errno(EINVAL, 'struct sockaddr_un has {} to 110 bytes, not {}', least, bytes.length);
  const family = bytes[0]! | (bytes[1]! << 8);
  if (family !== AF_UNIX) throw errno(EINVAL, 'the address is of family {}, not AF_UNIX', family);
  const path = byteString(bytes.subarray(2));
  if (path === '' || path.startsWith('\0')) return path;
  const nul = path.indexOf('\0');
  return nul < 0 ? path : path.slice(0, nul);
}

/** Gives the socket a place in the file system (unix_bind_bsd). */
export function bind_path(current: Current, sock: UnixSock, name: UnixName): void {
  let nd;
  try {
    nd = filename_create(current, AT_FDCWD, name, false);
  } catch (error) {
    if (error instanceof Errno && error.code === EEXIST)
      throw errno(EADDRINUSE, 'bind: the path {} exists already', name);
    throw error;
  }
  security_path_mknod(current, nd.path, S_IFSOCK, 0);
  if (sock.name !== null)
    throw errno(EINVAL, 'the socket is bound to {} already', printable(sock.name));
  // The mode is that of the descriptor, which fchmod(2) may have changed.
  const mode = S_IFSOCK | ((sock.file?.inode.mode ?? 0o777) & 0o7777 & ~current.fs.umask);
  const dentry = vfs_mknod(current, nd.path, nd.last, mode, 0);
  sock.stay(new Path(nd.path.mnt, dentry));
  current.kernel.vfs.unix.byInode.set(dentry.inode, sock);
}

/** The socket bound to a name, of the wanted type (unix_find_other). Throws ECONNREFUSED, EPROTOTYPE, ENOENT, EACCES. */
export function find_other(current: Current, name: UnixName, type: number): UnixSock {
  const table = current.kernel.vfs.unix;
  let sock: UnixSock | undefined;
  if (name.startsWith('\0')) sock = table.abstract.get(abstract_key(type, name));
  else {
    const path = path_lookupat(current, AT_FDCWD, name, LOOKUP_FOLLOW);
    const { inode } = path.dentry;
    inode_permission(current, inode, MAY_WRITE, path);
    if (!S_ISSOCK(inode.mode)) throw errno(ECONNREFUSED, '{} is not a socket', path);
    sock = table.byInode.get(inode);
  }
  if (sock === undefined) throw errno(ECONNREFUSED, 'nobody is bound to {}', printable(name));
  if (sock.type !== type)
    throw errno(EPROTOTYPE, '{} is a socket of type {}, not {}', printable(name), sock.type, type);
  return sock;
}

/** Sockets of each type have abstract names of their own. */
export const abstract_key = (type: number, name: UnixName): string => `${type}${name}`;

export function printable(name: UnixName): string {
  return name.replaceAll('\0', '@');
}

/** An abstract name of five hexadecimal digits that nobody has (unix_autobind). */
export function autobind_name(kernel: Kernel, type: number): UnixName {
  const table = kernel.vfs.unix;
  for (let tries = 0; tries < 0x100000; tries++) {
    const name = '\0' + (table.autobind++ & 0xfffff).toString(16).padStart(5, '0');
    if (!table.abstract.has(abstract_key(type, name))) return name;
  }
  throw errno(ENOSPC, 'all 2^20 automatic socket names are taken');
}
