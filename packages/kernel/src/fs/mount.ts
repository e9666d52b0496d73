import { MS_NOEXEC } from '@vitrine/uapi/mount.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';
import type { Dentry } from './dcache.ts';
import { Path, d_unpin, is_subdir } from './dcache.ts';
import { type FsnotifyMark, fsnotify_clear_marks, fsnotify_sb_delete } from './fsnotify_backend.ts';
import { leave_propagation, tree_mounts } from './pnode.ts';
import type { SuperBlock } from './super.ts';
import type { Kernel } from '../include/kernel.ts';

/** Mount numbers that are never given again begin here. */
export const MNT_UNIQUE_ID_OFFSET: number = 2 ** 31;

/** Analogous to `struct mount`: a file system, or a part of one, attached to a place in a namespace. */
export class Mount {
  readonly id: number;
  readonly sb: SuperBlock;
  /** What is seen at the mount point: the root of the file system, or (bind) any of its dentries. */
  readonly root: Dentry;
  /** First column of /proc/mounts. */
  devname: string;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_NOSYMFOLLOW. */
  flags: number;
  parent: Mount | null = null;
  mountpoint: Dentry | null = null;
  /** Mounts on this one, in the order they were made, by mount point. The last one on a dentry is on top through its parent. */
  readonly children: Map<Dentry, Mount> = new Map();
  ns: MntNamespace | null = null;
  /** Open files, current directories and roots in it. */
  count = 0;
  /** Of them, regular files open for writing. */
  writers = 0;
  /** Peer group: 0 when private. */
  group = 0;
  /** The peer group it receives from: 0 when no slave. */
  master = 0;
  unbindable = false;
  /** Of the kernel's own, in no namespace (MNT_INTERNAL). */
  internal = false;
  marks: Set<FsnotifyMark> | null = null;
  /** How often a path led into it; what that was when MNT_EXPIRE marked it. */
  uses = 0;
  expiry_mark = -1;

  constructor(kernel: Kernel, root: Dentry, devname: string, flags: number) {
    this.id = kernel.vfs.nextMountId++;
    this.sb = root.sb;
    this.root = root;
    this.devname = devname;
    this.flags = flags;
    this.sb.active++;
    this.sb.type.mounts++;
    kernel.vfs.nr_mounts++;
  }

  static {
    serializable('Mount', this);
  }
}

/** A mount for the kernel's own use (kern_mount). */
export function kern_mount(root: Dentry, devname = 'none'): Mount {
  const mnt = new Mount(root.sb.kernel, root, devname, 0);
  mnt.internal = true;
  return mnt;
}

/** May nothing there be executed? */
export function path_noexec({ mnt }: Path): boolean {
  return (mnt.flags & MS_NOEXEC) !== 0 || mnt.sb.noexec;
}

/** Analogous to `struct mnt_namespace`. */
export class MntNamespace {
  readonly inum: number;
  root!: Mount;
  /** FsStructs that are in it, and files that show it; the last one that goes takes the mounts along. */
  users = 0;
  /** In the order of /proc/mounts. */
  readonly mounts: Set<Mount> = new Set();
  /** Counts changes: who polls /proc/PID/mounts is told of them. */
  event = 0;
  readonly poll: WaitQueue = new WaitQueue();
  constructor(inum: number) {
    this.inum = inum;
  }
  static {
    serializable('MntNamespace', this);
  }
}

/** Something about the namespace's mounts is new (touch_mnt_namespace). */
export function touch_mnt_namespace(ns: MntNamespace | null): void {
  if (ns === null) return;
  ns.event++;
  ns.poll.wake();
}

/** Takes a mount and all below it out of its namespace; what is still used lives on unseen. */
export function umount_tree(root: Mount): void {
  for (const mnt of [...tree_mounts(root)].toReversed()) {
    if (mnt.parent !== null) detach_mnt(mnt);
    leave_propagation(mnt);
    mnt.ns?.mounts.delete(mnt);
    touch_mnt_namespace(mnt.ns);
    mnt.ns = null;
    if (mnt.count === 0) cleanup_mnt(mnt);
  }
}

/** What of the file system is mounted (seq_dentry). */
export const mnt_root_path = ({ root }: Mount): string =>
  `${root}${root.unhashed ? '//deleted' : ''}`;

/** A directory is no more: what is mounted in it goes, in all namespaces. */
export function detach_mounts(kernel: Kernel, dentry: Dentry): void {
  for (const ns of kernel.vfs.mntNamespaces.values())
    for (const mnt of [...ns.mounts])
      if (mnt.mountpoint !== null && is_subdir(mnt.mountpoint, dentry)) umount_tree(mnt);
}

/** Takes a mount off its mount point. */
export function detach_mnt(mnt: Mount): void {
  const at = mnt.mountpoint!;
  mnt.parent!.children.delete(at);
  at.mounted--;
  d_unpin(at);
  mnt.parent = null;
  mnt.mountpoint = null;
}

export function get_mnt_ns(ns: MntNamespace | null): void {
  if (ns !== null) ns.users++;
}

export function put_mnt_ns(ns: MntNamespace | null): void {
  if (ns === null || --ns.users > 0) return;
  const { vfs } = ns.root.sb.kernel;
  if (ns === vfs.rootNs) return;
  vfs.mntNamespaces.delete(ns.inum);
  umount_tree(ns.root);
}

/** The top mount on this dentry, seen through `mnt`, or null. */
export function lookup_mnt(mnt: Mount, dentry: Dentry): Mount | null {
  return mnt.children.get(dentry) ?? null;
}

/** Enters whatever is mounted here (follow_down). */
export function follow_down(path: Path): Path {
  let { mnt, dentry } = path;
  while (dentry.mounted > 0) {
    const top = mnt.children.get(dentry);
    if (top === undefined) break;
    mnt = top;
    dentry = top.root;
  }
  return mnt === path.mnt ? path : new Path(mnt, dentry);
}

export function mntget(mnt: Mount): void {
  mnt.count++;
}

/** Drops a reference; a mount that was detached lazily ends with the last one. */
export function mntput(mnt: Mount): void {
  if (--mnt.count === 0 && mnt.ns === null && !(mnt.internal && mnt.sb.pseudo)) cleanup_mnt(mnt);
}

export function cleanup_mnt(mnt: Mount): void {
  leave_propagation(mnt);
  fsnotify_clear_marks(mnt);
  mnt.sb.kernel.vfs.nr_mounts--;
  mnt.sb.type.mounts--;
  put_mnt_ns(mnt.root.inode.mnt_ns);
  if (--mnt.sb.active > 0) return;
  fsnotify_sb_delete(mnt.sb);
  for (const held of [...(mnt.sb.landlock ?? [])]) held.forget();
  mnt.sb.kill();
}
