import { CAP_SYS_ADMIN } from '@vitrine/uapi/capability.ts';
import { EINVAL, ENOENT, ENOTTY, EPERM, ESRCH } from '@vitrine/uapi/errno.ts';
import { O_RDONLY } from '@vitrine/uapi/fcntl.ts';
import * as C from '@vitrine/uapi/sched.ts';
import { UserNamespace, capable } from '../../include/cred.ts';
import type { Current } from '../../include/current.ts';
import { errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../../kernel/task.ts';
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
const NS_GET_PID_FROM_PIDNS = 0x8004b706;
const NS_GET_TGID_FROM_PIDNS = 0x8004b707;
const NS_GET_PID_IN_PIDNS = 0x8004b708;
const NS_GET_TGID_IN_PIDNS = 0x8004b709;
/** These three carry the size of the caller's struct mnt_ns_info. */
const NS_MNT_GET_INFO = 0x8000b70a;
const NS_MNT_GET_NEXT = 0x8000b70b;
const NS_MNT_GET_PREV = 0x8000b70c;
const IOC_SIZE = 0x3fff0000;
/** Bytes of struct mnt_ns_info. */
const MNT_NS_INFO_SIZE = 16;

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

/**
 * The links of /proc/PID/ns, in the order of a pidfd's ioctls for them, the first of which is 1: their names, the kinds they lead
 * to, and the number of the first namespace.
 */
export const NAMESPACES: readonly (readonly [string, string, number])[] = [
  ['cgroup', 'cgroup', 4026531835],
  ['ipc', 'ipc', 4026531839],
  ['mnt', 'mnt', 0],
  ['net', 'net', 4026531833],
  ['pid', 'pid', 4026531836],
  ['pid_for_children', 'pid', 4026531836],
  ['time', 'time', 4026531834],
  ['time_for_children', 'time', 4026531834],
  ['user', 'user', 4026531837],
  ['uts', 'uts', 4026531838],
];

/** The place of a namespace that a process is in, by the name of its link. */
export function task_ns_path(task: Task, name: string): Path {
  const [, kind, fixed] = NAMESPACES.find(([each]) => each === name)!;
  const mounts = task.fs?.ns ?? null;
  const ns = kind === 'mnt' ? mounts : kind === 'user' ? task.cred.userNs : null;
  return ns_path(task.kernel, kind, ns?.inum ?? fixed, ns);
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
      case NS_GET_PID_FROM_PIDNS:
      case NS_GET_PID_IN_PIDNS:
        return this.task_in(current, arg).pid;
      case NS_GET_TGID_FROM_PIDNS:
      case NS_GET_TGID_IN_PIDNS:
        return this.task_in(current, arg).tgid;
      default:
        return this.mnt_ioctl(current, cmd, arg);
    }
  }

  /** The process or thread of that number; there is one PID namespace, in which all have the same as outside. */
  private task_in(current: Current, nr: number): Task {
    if (this.inode.kind !== 'pid')
      throw errno(EINVAL, 'NS_GET_PID_…: {} is no PID namespace', this.path);
    const found = current.kernel.pids.find(nr | 0)?.task ?? null;
    if (found === null) throw errno(ESRCH, 'NS_GET_PID_…: there is no process {}', nr | 0);
    return found;
  }

  /** What a mount namespace is like, and which are older and newer. */
  private mnt_ioctl(current: Current, cmd: number, arg: number): number {
    const { ns } = this.inode;
    const size = (cmd & IOC_SIZE) >>> 16;
    const which = (cmd & ~IOC_SIZE) >>> 0;
    if (which !== NS_MNT_GET_INFO && which !== NS_MNT_GET_NEXT && which !== NS_MNT_GET_PREV)
      throw errno(ENOTTY, '{} has no ioctl 0x{}', this.path, (cmd >>> 0).toString(16));
    if (!(ns instanceof MntNamespace))
      throw errno(EINVAL, 'NS_MNT_GET_…: {} is no mount namespace', this.path);
    if (size < MNT_NS_INFO_SIZE || (arg === 0 && which === NS_MNT_GET_INFO))
      throw errno(EINVAL, 'NS_MNT_GET_…: {} bytes are less than {}', size, MNT_NS_INFO_SIZE);
    if (which === NS_MNT_GET_INFO) {
      put_info(current, arg, ns);
      return 0;
    }
    if (!capable(current.cred, CAP_SYS_ADMIN))
      throw errno(
        ENOENT,
        'NS_MNT_GET_…: no other mount namespace is for uid {}',
        current.cred.euid,
      );
    const next = neighbour(current.kernel, ns, which === NS_MNT_GET_PREV);
    const file = new NsFile(current, ns_path(current.kernel, 'mnt', next.inum, next), O_RDONLY);
    try {
      if (arg !== 0) put_info(current, arg, next);
    } catch (error) {
      file.put(current.kernel);
      throw error;
    }
    return fd_install(current, file, true);
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

/** struct mnt_ns_info; the namespace's root is not counted among its mounts. */
function put_info({ mem }: Current, at: number, ns: MntNamespace): void {
  const bytes = new Uint8Array(MNT_NS_INFO_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MNT_NS_INFO_SIZE, true);
  view.setUint32(4, ns.mounts.size - 1, true);
  view.setBigUint64(8, BigInt(ns.inum), true);
  mem.write(at, bytes);
}

/** The mount namespace that is the next younger, or the next older (get_sequential_mnt_ns). */
function neighbour(kernel: Kernel, { inum }: MntNamespace, older: boolean): MntNamespace {
  let found: MntNamespace | null = null;
  for (const ns of kernel.vfs.mntNamespaces.values()) {
    if (older && ns.inum < inum) found = ns;
    if (!older && ns.inum > inum) return ns;
  }
  if (found === null)
    throw errno(
      ENOENT,
      'there is no {} mount namespace than {}',
      older ? 'older' : 'younger',
      inum,
    );
  return found;
}
