import { EINVAL, ENOTTY, EPERM } from '@vitrine/uapi/errno.ts';
import { O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import * as C from '@vitrine/uapi/sched.ts';
import { UserNamespace } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import { Dentry, Path } from '../dcache.ts';
import { fd_install } from '../fdtable.ts';
import { StreamFile } from '../file.ts';
import { Inode, S_IMMUTABLE } from '../inode.ts';
import { MntNamespace, get_mnt_ns, put_mnt_ns } from '../mount.ts';

/** The files that /proc/PID/ns leads to (analogous to fs/nsfs.c). Of most kinds there is the first namespace only. */

/** A namespace that is a thing of its own here; null: the one and only of its kind. */
export type NsObject = MntNamespace | UserNamespace | null;

const TYPES: Readonly<Record<string, number>> = {
  cgroup: C.CLONE_NEWCGROUP,
  ipc: C.CLONE_NEWIPC,
  mnt: C.CLONE_NEWNS,
  net: C.CLONE_NEWNET,
  pid: C.CLONE_NEWPID,
  time: C.CLONE_NEWTIME,
  user: C.CLONE_NEWUSER,
  uts: C.CLONE_NEWUTS,
};

const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;
const NS_GET_OWNER_UID = 0xb704;
const NS_GET_MNTNS_ID = 0x8008b705;

export class NsInode extends Inode {
  readonly kind: string;
  readonly ns: NsObject;
  constructor(kernel: Kernel, kind: string, inum: number, ns: NsObject) {
    super(kernel.vfs.pseudo.get('nsfs')!.sb, inum, 0o100444);
    this.kind = kind;
    this.ns = ns;
    this.nlink = 1;
    this.flags |= S_IMMUTABLE;
  }
  static {
    serializable('NsInode', this);
  }

  override get is_ns_file(): boolean {
    return true;
  }
  override get mnt_ns(): MntNamespace | null {
    return this.ns instanceof MntNamespace ? this.ns : null;
  }

  /** The CLONE_NEW… bit of its kind. */
  get type(): number {
    return TYPES[this.kind]!;
  }

  override open(current: Current, path: Path, flags: number): NsFile {
    return new NsFile(current, path, flags);
  }
}

/** The place of a namespace: `mnt:[4026531841]`. */
export function ns_path(kernel: Kernel, kind: string, inum: number, ns: NsObject): Path {
  const mnt = kernel.vfs.pseudo.get('nsfs')!;
  const inode = new NsInode(kernel, kind, inum, ns);
  return new Path(mnt, new Dentry(`${kind}:[${inum}]`, null, inode, mnt.sb));
}

/** An open namespace, which lives as long: setns(2) enters it, ioctl_ns(2) asks of it. */
export class NsFile extends StreamFile {
  declare readonly inode: NsInode;

  constructor(current: Current, path: Path, flags: number) {
    super(current, path, flags);
    if (this.inode.ns instanceof MntNamespace) get_mnt_ns(this.inode.ns);
  }
  static {
    serializable('NsFile', this);
  }

  /** It has positions for pread(2) and its like, which then find nothing to read. */
  override get seekable(): boolean {
    return true;
  }
  override get pollable(): boolean {
    return false;
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    const { kind, ns, type } = this.inode;
    switch (cmd >>> 0) {
      case NS_GET_USERNS:
        return this.related(current, ns instanceof UserNamespace ? ns.parent : current.cred.userNs);
      case NS_GET_PARENT:
        if (kind !== 'user' && kind !== 'pid')
          throw errno(EINVAL, 'NS_GET_PARENT: {} namespaces have no parents', kind);
        return this.related(current, ns instanceof UserNamespace ? ns.parent : null);
      case NS_GET_NSTYPE:
        return type;
      case NS_GET_OWNER_UID:
        if (!(ns instanceof UserNamespace))
          throw errno(EINVAL, 'NS_GET_OWNER_UID: {} is no user namespace', this.path);
        current.mem.putU32(arg, ns.owner);
        return 0;
      case NS_GET_MNTNS_ID:
        if (!(ns instanceof MntNamespace))
          throw errno(EINVAL, 'NS_GET_MNTNS_ID: {} is no mount namespace', this.path);
        current.mem.putU64(arg, ns.inum);
        return 0;
      default:
        throw errno(ENOTTY, '{} has no ioctl 0x{}', this.path, (cmd >>> 0).toString(16));
    }
  }

  /** A descriptor of the user namespace that owns this one, or of its parent (open_related_ns). */
  private related(current: Current, ns: UserNamespace | null): number {
    if (ns === null)
      throw errno(EPERM, '{} is the first: what is above is out of scope', this.path);
    const path = ns_path(current.kernel, 'user', ns.inum, ns);
    return fd_install(current, new NsFile(current, path, O_RDONLY), true);
  }

  override release(kernel: Kernel): void {
    if (this.inode.ns instanceof MntNamespace) put_mnt_ns(this.inode.ns);
    super.release(kernel);
  }
}
