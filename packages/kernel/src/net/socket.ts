import { EAFNOSUPPORT, EINVAL, ENOTSOCK } from '@vitrine/uapi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '@vitrine/uapi/fcntl.ts';
import { AF_MAX, MSG_DONTWAIT } from '@vitrine/uapi/net.ts';
import { EPOLLERR, EPOLLOUT, EPOLLPRI, EPOLLWRBAND, EPOLLWRNORM } from '@vitrine/uapi/poll.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import { serializable } from '../include/serial.ts';
import type { WaitQueue } from '../include/wait.ts';
import { alloc_pseudo } from '../fs/anon_inodes.ts';
import { bytesOf } from '../fs/bytes.ts';
import { fget } from '../fs/fdtable.ts';
import { type File, StreamFile } from '../fs/file.ts';
import { Inode } from '../fs/inode.ts';
import type { Kernel } from '../include/kernel.ts';
import { KMEM_FILE } from '../include/kmem.ts';
import { free_fds } from './scm.ts';
import type { Ancillary, Sock } from './sock.ts';

/** A protocol family: makes its sockets (analogous to `struct net_proto_family`). */
export interface NetProtoFamily {
  /** Throws ESOCKTNOSUPPORT, EPROTONOSUPPORT, EPERM. */
  create(current: Current, type: number, protocol: number): Sock;
}

declare module '../fs/vfs.ts' {
  interface Vfs {
    netFamilies: Map<number, NetProtoFamily>;
  }
}

export function sock_register(kernel: Kernel, family: number, create: NetProtoFamily): void {
  (kernel.vfs.netFamilies ??= new Map()).set(family, create);
}

export const NO_ANCILLARY: Ancillary = { fds: [], cred: null };

const XATTR_NAME_SOCKPROTONAME = 'system.sockprotoname';

/** Tells, in an extended attribute, what protocol a descriptor's socket speaks (lsfd shows it). */
class SockInode extends Inode {
  prot_name = '';

  static {
    serializable('SockInode', this);
  }

  override listxattr(): readonly string[] {
    return [XATTR_NAME_SOCKPROTONAME];
  }

  override getxattr(current: Current, name: string): Uint8Array {
    if (name !== XATTR_NAME_SOCKPROTONAME) return super.getxattr(current, name);
    return bytesOf(`${this.prot_name}\0`);
  }
}

/** An open socket. */
export class SocketFile extends StreamFile {
  readonly sk: Sock;

  constructor(current: Current, sk: Sock, nonblock: boolean) {
    super(
      current,
      alloc_pseudo(current, 'sockfs', 'socket', 0o140777, SockInode),
      O_RDWR | (nonblock ? O_NONBLOCK : 0),
    );
    this.sk = sk;
    sk.file = this;
    this.inode.nlink = 1;
    (this.inode as SockInode).prot_name = sk.prot_name;
  }

  static {
    serializable('SocketFile', this);
  }

  override get nowait(): boolean {
    return true;
  }

  override get can_fasync(): boolean {
    return true;
  }

  /**
   * Room to write is news for who found none, data and the end for who does not wait for them (sock_wake_async,
   * SOCK_WAKE_SPACE and SOCK_WAKE_WAITD).
   */
  override async_due(events: number): boolean {
    if ((events & ~(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)) !== 0 || events === 0)
      return (events & (EPOLLERR | EPOLLPRI)) !== 0 || !this.sk.async_waitdata;
    const { async_nospace } = this.sk;
    this.sk.async_nospace = false;
    return async_nospace;
  }

  override get kmem(): number {
    return this.sk.filesOnTheWay * KMEM_FILE;
  }

  private get dontwait(): number {
    return this.flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
  }

  override read_iter(current: Current, to: IovIter): number {
    if (to.count === 0) return 0;
    const got = this.sk.recvmsg(current, to, this.dontwait);
    if (typeof got === 'number') return got;
    // read(2) has no place for descriptors: they are closed.
    if (got.ancillary !== null) free_fds(current.kernel, got.ancillary.fds);
    return got.n;
  }

  override write_iter(current: Current, from: IovIter): number {
    return this.sk.sendmsg(current, null, from, NO_ANCILLARY, this.dontwait);
  }

  override poll(current: Current, collect: WaitQueue[] | null): number {
    return this.sk.poll(current, collect);
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    return this.sk.ioctl(current, cmd, arg);
  }

  override release(): void {
    this.sk.release();
  }
}

/** socket(2) without a descriptor. */
export function sock_create(
  current: Current,
  family: number,
  type: number,
  protocol: number,
): Sock {
  if (family < 0 || family >= AF_MAX)
    throw errno(EAFNOSUPPORT, 'address family {} does not exist', family);
  if (type < 0 || type >= 11) throw errno(EINVAL, 'socket type {} does not exist', type);
  const create = current.kernel.vfs.netFamilies?.get(family);
  if (create === undefined)
    throw errno(EAFNOSUPPORT, 'this kernel has no sockets of address family {}', family);
  return create.create(current, type, protocol);
}

/** The socket behind a descriptor. Throws EBADF, ENOTSOCK. */
export function sockfd_lookup(current: Current, fd: number): SocketFile {
  const file: File = fget(current, fd);
  if (!(file instanceof SocketFile))
    throw errno(ENOTSOCK, 'fd {} ({}) is not a socket', fd, file.path);
  return file;
}
